//! A `vitae` that is started, asked and stopped; or one that runs already.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fhir::json::Value;

use crate::cli::Bench;
use crate::client::{Connection, Sending, Target};
use crate::process;

/// What `vitae serve` does for every write; there is no weaker mode.
pub const DURABILITY: &str =
    "fsync before every answer to a write (group commit), encrypted, audit on";
/// The same on PostgreSQL, with the settings that the server has by itself.
const DURABILITY_POSTGRES: &str = "PostgreSQL with `fsync` and `synchronous_commit` as its server has them (on unless changed), \
     audit on";
/// Login of the practice that is made for a run.
pub const USER: &str = "bench";
const PASSWORD: &str = "correct-horse-battery-staple-7";
const SCOPE: &str = "system/*.cruds";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(120);
/// A token is fetched anew after this part of its life.
const TOKEN_RENEWAL: f64 = 0.5;

/// A practice on disk, and the program that serves it.
#[derive(Debug)]
pub struct Site {
    vitae: PathBuf,
    /// Holds the practice, its keys and the log of the server.
    folder: PathBuf,
    goes_away: bool,
    pin: bool,
    client: (String, String),
    /// The practice is in this PostgreSQL database; else in files of its folder.
    database: Option<Database>,
}

/// A PostgreSQL database, and the first process of its server when that is on this machine.
#[derive(Clone, Debug)]
struct Database {
    url: String,
    pid: Option<u32>,
}

impl Site {
    /// The practice of the options; made if there is none.
    ///
    /// Errors: no program, a folder that cannot be made, a command that fails.
    pub fn new(bench: &Bench) -> Result<Site, String> {
        let vitae = match &bench.vitae {
            Some(path) => path.clone(),
            None => beside()?,
        };
        let (folder, goes_away) = match &bench.data {
            Some(folder) => (folder.clone(), false),
            None => (temporary_folder(), true),
        };
        Site::in_folder(bench, vitae, folder, goes_away)
    }

    /// A practice of its own, in a folder that goes away; never in the database of the options.
    pub fn temporary(bench: &Bench) -> Result<Site, String> {
        let bench = Bench { data: None, database_url: None, ..bench.clone() };
        Site::new(&bench)
    }

    fn in_folder(
        bench: &Bench,
        vitae: PathBuf,
        folder: PathBuf,
        goes_away: bool,
    ) -> Result<Site, String> {
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let client = (String::new(), String::new());
        let database = bench.database_url.as_ref().map(|url| Database {
            url: url.clone(),
            pid: bench.database_pid.or_else(|| process::postgres(port_of(url))),
        });
        let mut site = Site { vitae, folder, goes_away, pin: bench.pin, client, database };
        let password_file = site.folder.join("password.txt");
        std::fs::write(&password_file, PASSWORD)
            .map_err(|e| format!("{}: {e}", password_file.display()))?;
        if !site.data().exists() {
            let kind = "primary-care";
            site.command(
                &["init", "--practice", kind, "--name", "Bench", "--admin", "admin"],
                &["--password-file", &password_file.to_string_lossy()],
            )?;
            site.command(
                &["user", "add", "--name", USER, "--role", "provider"],
                &["--password-file", &password_file.to_string_lossy()],
            )?;
        }
        let added = site.command(&["client", "add", "--name", "bench", "--scope", SCOPE], &[])?;
        let value = Value::parse(added.into_bytes()).map_err(|e| format!("client add: {e}"))?;
        let text = |name: &str| {
            let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or_else(|| format!("client add prints no {name}"))
        };
        site.client = (text("client_id")?, text("client_secret")?);
        Ok(site)
    }

    /// The folder of the practice.
    pub fn data(&self) -> PathBuf {
        self.folder.join("practice")
    }

    /// The folder that holds the practice, its keys and what else belongs to this run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the engine does before it answers a write.
    pub fn durability(&self) -> &'static str {
        if self.database.is_some() { DURABILITY_POSTGRES } else { DURABILITY }
    }

    /// Bytes of the practice on disk, all in; of all databases of a PostgreSQL server.
    ///
    /// Shape: `None` for a database whose files cannot be seen from here.
    pub fn bytes_on_disk(&self) -> Option<u64> {
        let of_folder = process::folder_bytes(&self.data());
        let Some(database) = &self.database else { return Some(of_folder) };
        let of_database = process::postgres_bytes(database.pid?);
        (of_database > 0).then_some(of_folder + of_database)
    }

    /// `vitae` with this practice's keys, and its database where there is one.
    pub fn vitae(&self) -> Command {
        let mut command = Command::new(&self.vitae);
        command.env("VITAE_KEYS", self.folder.join("keys"));
        if let Some(database) = &self.database {
            command.env("VITAE_DATABASE_URL", &database.url);
        }
        command
    }

    fn command(&self, args: &[&str], more: &[&str]) -> Result<String, String> {
        let output = self
            .vitae()
            .args(args)
            .arg("--data")
            .arg(self.data())
            .args(more)
            .output()
            .map_err(|e| format!("{}: {e}", self.vitae.display()))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("vitae {}: {}", args.join(" "), text.trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the server and waits until it answers.
    ///
    /// Errors: it ends, or says nothing in time.
    pub fn start(&self) -> Result<Running, String> {
        let log_path = self.folder.join("serve.log");
        let log =
            std::fs::File::create(&log_path).map_err(|e| format!("{}: {e}", log_path.display()))?;
        let begin = Instant::now();
        let mut child = self
            .vitae()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| format!("{}: {e}", self.vitae.display()))?;
        let stdout = child.stdout.take().ok_or("the server has no stdout")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("ready http://") {
                    // The receiver gives up after a while.
                    let _ = sender.send((Instant::now(), url.trim().to_owned()));
                }
            }
        });
        let Ok((at, url)) = receiver.recv_timeout(START_MAX) else {
            let _ = child.kill();
            let _ = child.wait();
            let text = std::fs::read_to_string(&log_path).unwrap_or_default();
            let last = text.lines().last().unwrap_or("nothing").to_owned();
            return Err(format!("vitae serve did not become ready; it said: {last}"));
        };
        let address: SocketAddr =
            url.parse().map_err(|_| format!("vitae serve: {url} is no address"))?;
        let pid = child.id();
        if self.pin {
            process::pin(pid, 0)?;
            process::pin(std::process::id(), 1)?;
        }
        let target = Target::new(address, "/fhir");
        let database_pid = self.database.as_ref().and_then(|database| database.pid);
        Ok(Running { child, pid, database_pid, target, ready_after: at - begin })
    }

    /// Asks for a token, and for the next before it is over.
    ///
    /// Errors: the server refuses.
    pub async fn authorize(&self, running: &Running) -> Result<(), String> {
        authorize(&running.target, &self.client.0, &self.client.1).await
    }

    /// Form of the login page.
    pub fn login_form() -> String {
        format!("user={USER}&password={PASSWORD}&next=")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.goes_away {
            // What cannot be removed stays in the folder for temporary files.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pub pid: u32,
    /// First process of the database server, where there is one on this machine.
    pub database_pid: Option<u32>,
    pub target: Target,
    /// From the start of the program to its line `ready`.
    pub ready_after: Duration,
}

impl Running {
    /// Tells the server to end, and waits until it has written everything.
    ///
    /// Errors: it ends with a failure.
    pub fn stop(mut self) -> Result<(), String> {
        let pid = self.pid.to_string();
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .map_err(|e| format!("kill cannot be run: {e}"))?;
        let status = self.child.wait().map_err(|e| format!("vitae serve: {e}"))?;
        if !status.success() {
            return Err(format!("vitae serve ended with {status}"));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A folder that no other run of this machine has.
fn temporary_folder() -> PathBuf {
    static N: AtomicU32 = AtomicU32::new(0);
    let n = N.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("vitae-bench-{}-{n}", std::process::id()))
}

/// The port of a PostgreSQL URL; 5432 unless it names one, as host or as parameter.
fn port_of(url: &str) -> u16 {
    const DEFAULT: u16 = 5432;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let in_host = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let in_parameters =
        parameters.split('&').find_map(|pair| pair.strip_prefix("port=")?.parse().ok());
    in_host.or(in_parameters).unwrap_or(DEFAULT)
}

/// Asks for a token now, and for the next before it is over.
pub async fn authorize(target: &Target, id: &str, secret: &str) -> Result<(), String> {
    let life = fetch_token(target, id, secret).await?;
    let (target, id, secret) = (target.clone(), id.to_owned(), secret.to_owned());
    tokio::spawn(async move {
        let mut wait = life.mul_f64(TOKEN_RENEWAL);
        loop {
            tokio::time::sleep(wait).await;
            match fetch_token(&target, &id, &secret).await {
                Ok(life) => wait = life.mul_f64(TOKEN_RENEWAL),
                // The server has stopped, or refuses: the requests will tell.
                Err(_) => return,
            }
        }
    });
    Ok(())
}

async fn fetch_token(target: &Target, id: &str, secret: &str) -> Result<Duration, String> {
    let anonymous = Target { credential: Arc::default(), gzip: false, ..target.clone() };
    let mut connection = Connection::new(&anonymous);
    let form = format!(
        "grant_type=client_credentials&client_id={id}&client_secret={secret}\
         &scope=system%2F*.cruds"
    );
    let answer = connection.send("POST", "/oauth2/token", Sending::form(form.as_bytes())).await?;
    let text = String::from_utf8_lossy(answer.body).into_owned();
    if answer.status != 200 {
        return Err(format!("no token: {} {text}", answer.status));
    }
    let value = Value::parse(text.into_bytes()).map_err(|e| format!("no token: {e}"))?;
    let token = value.get("access_token").and_then(Value::as_str).ok_or("no access_token")?;
    target.set_bearer(token);
    let seconds = match value.get("expires_in") {
        Some(Value::Number(text)) => text.parse().unwrap_or(60.0),
        _ => 60.0,
    };
    Ok(Duration::from_secs_f64(seconds))
}

/// `vitae`: this program, or the one beside it.
fn beside() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| format!("this program's path: {e}"))?;
    let is_vitae = own.file_stem().is_some_and(|name| name == "vitae");
    let path = if is_vitae { own } else { own.with_file_name("vitae") };
    if Path::exists(&path) {
        return Ok(path);
    }
    Err(format!("{} is missing: cargo build --release -p vitae, or --vitae FILE", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_databases() {
        assert_eq!(port_of("postgres://u:p@127.0.0.1:5555/db"), 5555);
        assert_eq!(port_of("postgres://u@localhost/db"), 5432);
        assert_eq!(port_of("postgres://u@/db?host=%2Frun&port=5600"), 5600);
        assert_eq!(port_of("nonsense"), 5432);
    }
}
