//! The settings of a server: one table here, one TOML file, environment variables of the same
//! names. `docs/configuration.md` is made from this table; a test compares.

use std::path::Path;

use crate::failure::{Context, Failure, Result};

macro_rules! settings {
    ($($name:ident: $ty:ty = $default:expr, $doc:literal;)*) => {
        /// Settings of a server.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $(#[doc = $doc] pub $name: $ty,)*
        }

        impl Default for Config {
            fn default() -> Config {
                Config { $($name: $default,)* }
            }
        }

        impl Config {
            /// Name, type, default and meaning of every setting.
            #[cfg(test)]
            fn table() -> Vec<(&'static str, &'static str, String, &'static str)> {
                let defaults = Config::default();
                vec![$((
                    stringify!($name),
                    stringify!($ty),
                    Setting::show(&defaults.$name),
                    $doc,
                ),)*]
            }

            /// Sets one setting. Errors: an unknown name or a value of the wrong kind.
            fn set(&mut self, name: &str, value: toml::Value) -> std::result::Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = Setting::read(value)?,)*
                    _ => return Err(format!("unknown; known are {}", [$(stringify!($name)),*].join(", "))),
                }
                Ok(())
            }

            /// Takes what the environment sets.
            fn set_from(&mut self, lookup: impl Fn(&str) -> Option<String>) -> std::result::Result<(), String> {
                $(
                    let name = concat!("VITAE_", stringify!($name)).to_ascii_uppercase();
                    if let Some(text) = lookup(&name) {
                        self.$name = Setting::parse(&text).map_err(|e| format!("{name}: {e}"))?;
                    }
                )*
                Ok(())
            }
        }
    };
}

settings! {
    listen: std::net::SocketAddr = std::net::SocketAddr::from(([127, 0, 0, 1], 8080)),
        "Address and port of the doors.";
    public_url: Option<String> = None,
        "Where clients find this server, without a slash at the end, such as \
         `https://record.example.org`; the address it listens on unless set.";
    database_url: Option<String> = None,
        "PostgreSQL database that keeps the record, such as `postgres://vitae@db.example.org/vitae`; \
         the data folder unless set. A password stands here or in the environment, not on the \
         command line.";
    tls_cert: Option<String> = None,
        "File with the chain of certificates in PEM; with it only TLS is served.";
    tls_key: Option<String> = None,
        "File with the private key in PEM.";
    time_zone: Option<String> = None,
        "Time zone of the practice, in which pages show times, such as `America/New_York`; the \
         machine's unless set.";
    metrics_token: Option<String> = None,
        "Bearer token that reads `/metrics` and nothing else.";
    audit_witness: Option<String> = None,
        "File to which the head of the audit log is added every minute; put it on another machine \
         or medium, so that nobody can rewrite the log and the heads.";
    audit_witness_url: Option<String> = None,
        "Address to which the signed head is sent every minute, by HTTPS; one that ends with \
         `/witness/add-checkpoint` is another Vitae (or any witness of C2SP), which looks whether \
         the log has only grown.";
    audit_witness_for: Option<String> = None,
        "Public keys, separated by commas, of the practices whose heads this one witnesses at \
         `/witness/add-checkpoint`, as their `vitae audit key` prints them behind `audit log`.";
    audit_hours: String = "06:00-21:00".to_owned(),
        "Hours of the practice, Monday to Friday; who opens a chart outside of them is on the list \
         of unusual access.";
    audit_charts_a_day: usize = 80,
        "More charts that one person opens on a day are on the list of unusual access.";
    audit_window_days: usize = 90,
        "How many days before and behind an access an appointment, visit or order explains it.";
    loopback_keys: bool = false,
        "Fetch the public keys of programs (`jwks_uri`) also from this computer, without TLS; for \
         trying things out.";
    second_factor: bool = false,
        "Demand a second factor (passkey or authenticator app) of staff; whoever has none sets it \
         up at the next sign-in, before anything else.";
    known_passwords: Option<String> = None,
        "File of SHA-1 hashes of passwords that are known to others, such as the one of Have I \
         Been Pwned ordered by hash: one a line in hexadecimal, with or without `:` and a count. \
         Nobody may choose one of them on a page; a table of common ones is always looked at.";
    backup_recipients: Vec<String> = Vec::new(),
        "Public keys to which `vitae backup` encrypts, as `vitae backup-key` or age-keygen prints \
         them, such as `[\"age1…\"]`; each opens the backup, and this server cannot. The setting \
         is looked for in `vitae.toml` of the data folder; in the environment commas part them.";
    log: String = "info".to_owned(),
        "What to log on stderr: `error`, `warn`, `info`, `debug`, or a filter such as \
         `info,rest=debug`.";
    log_json: bool = false,
        "Log as JSON, one object a line.";
    worker_threads: usize = 0,
        "Threads that serve connections; 0 takes one for each processor.";
}

trait Setting: Sized {
    fn read(value: toml::Value) -> std::result::Result<Self, String>;
    fn parse(text: &str) -> std::result::Result<Self, String>;
    #[cfg(test)]
    fn show(&self) -> String;
}

impl Setting for String {
    fn read(value: toml::Value) -> std::result::Result<Self, String> {
        match value {
            toml::Value::String(text) => Ok(text),
            _ => Err("write a text in quotes".to_owned()),
        }
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        Ok(text.to_owned())
    }

    #[cfg(test)]
    fn show(&self) -> String {
        format!("`{self:?}`")
    }
}

impl Setting for Option<String> {
    fn read(value: toml::Value) -> std::result::Result<Self, String> {
        String::read(value).map(Some)
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    #[cfg(test)]
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "not set".to_owned(), Setting::show)
    }
}

impl Setting for Vec<String> {
    fn read(value: toml::Value) -> std::result::Result<Self, String> {
        let words = "write a list of texts, such as [\"a\", \"b\"]";
        match value {
            toml::Value::Array(list) => list
                .into_iter()
                .map(|value| String::read(value).map_err(|_| words.to_owned()))
                .collect(),
            _ => Err(words.to_owned()),
        }
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(parts.map(str::to_owned).collect())
    }

    #[cfg(test)]
    fn show(&self) -> String {
        format!("`{self:?}`")
    }
}

impl Setting for bool {
    fn read(value: toml::Value) -> std::result::Result<Self, String> {
        value.as_bool().ok_or_else(|| "write true or false".to_owned())
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        text.parse().map_err(|_| "write true or false".to_owned())
    }

    #[cfg(test)]
    fn show(&self) -> String {
        format!("`{self}`")
    }
}

impl Setting for usize {
    fn read(value: toml::Value) -> std::result::Result<Self, String> {
        let number = value.as_integer().and_then(|n| usize::try_from(n).ok());
        number.ok_or_else(|| "write a number, 0 or more".to_owned())
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        text.parse().map_err(|_| "write a number, 0 or more".to_owned())
    }

    #[cfg(test)]
    fn show(&self) -> String {
        format!("`{self}`")
    }
}

impl Setting for std::net::SocketAddr {
    fn read(value: toml::Value) -> std::result::Result<Self, String> {
        String::read(value).and_then(|text| Self::parse(&text))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        text.parse().map_err(|_| "write an address and a port such as 127.0.0.1:8080".to_owned())
    }

    #[cfg(test)]
    fn show(&self) -> String {
        format!("`\"{self}\"`")
    }
}

impl Config {
    /// The settings in `file`, or in `vitae.toml` of the data folder if there is one, then those
    /// of the environment.
    ///
    /// Errors: a file that is named and cannot be read; anything unknown in it.
    pub fn load(file: Option<&Path>, data: &Path) -> Result<Config> {
        let own = data.join("vitae.toml");
        let path = match file {
            Some(path) => Some(path),
            None => own.exists().then_some(own.as_path()),
        };
        let mut config = Config::default();
        if let Some(path) = path {
            let text = std::fs::read_to_string(path)
                .context(|| format!("the configuration {} cannot be read", path.display()))?;
            config.apply(&text).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
        }
        config.set_from(|name| std::env::var(name).ok()).map_err(Failure::usage)?;
        Ok(config)
    }

    fn apply(&mut self, text: &str) -> std::result::Result<(), String> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        for (name, value) in table {
            self.set(&name, value).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_set_and_unknown_keys_stop() {
        let mut config = Config::default();
        let text = "listen = \"0.0.0.0:80\"\nlog_json = true\nworker_threads = 3";
        config.apply(text).expect("good");
        assert_eq!(config.listen.to_string(), "0.0.0.0:80");
        assert!(config.log_json && config.worker_threads == 3);
        for (text, part) in [
            ("lisen = \"x\"", "lisen: unknown; known are listen"),
            ("listen = 8080", "listen: write a text"),
            ("listen = \"8080\"", "listen: write an address"),
            ("worker_threads = -1", "worker_threads: write a number"),
            ("log_json = \"yes\"", "log_json: write true or false"),
            ("backup_recipients = \"x\"", "backup_recipients: write a list"),
            ("backup_recipients = [1]", "backup_recipients: write a list"),
            ("[server]\nlog = \"x\"", "server: unknown"),
            ("=", "TOML parse error"),
        ] {
            let error = config.apply(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_environment_wins() {
        let mut config = Config::default();
        let lookup = |name: &str| (name == "VITAE_LISTEN").then(|| "127.0.0.1:1".to_owned());
        config.set_from(lookup).expect("good");
        assert_eq!(config.listen.port(), 1);
        let lookup = |name: &str| (name == "VITAE_BACKUP_RECIPIENTS").then(|| "a, b,".to_owned());
        config.set_from(lookup).expect("good");
        assert_eq!(config.backup_recipients, ["a", "b"]);
        assert!(config.set_from(|_| Some("nonsense".to_owned())).is_err());
    }

    /// `UPDATE=1 cargo test -p vitae` writes the page.
    #[test]
    fn the_page_about_configuration_is_made_from_the_table() {
        let mut page = String::from(
            "# Configuration\n\n\
             `vitae serve` reads `vitae.toml` in the data folder, or the file after `--config`.\n\
             A key that is not in this table stops the start.\n\
             The environment wins over the file: `listen` is `VITAE_LISTEN`, and so on.\n\
             `--listen` on the command line wins over both.\n\n\
             | key | default | meaning |\n| --- | --- | --- |\n",
        );
        for (name, _, default, doc) in Config::table() {
            page.push_str(&format!("| `{name}` | {default} | {doc} |\n"));
        }
        page.push_str(
            "\nTwo more variables are about places, not about one server:\n\n\
             | variable | meaning |\n| --- | --- |\n\
             | `VITAE_DATA` | data folder, where a command takes `--data` |\n\
             | `VITAE_KEYS` | folder of the master keys; `~/.vitae/keys` unless set |\n",
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes docs");
            std::fs::write(&path, &page).expect("writes");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, page, "run UPDATE=1 cargo test -p vitae");
    }
}
