//! Where a PostgreSQL database is, and how it is reached.
//!
//! An address is a URL as libpq has it (`postgres://user:password@host:port/database?…`), or a
//! socket (`postgres:///database?host=%2Frun%2Fpostgresql`). Over a network TLS is used and the
//! certificate is verified, unless `sslmode=disable` says otherwise; `sslrootcert` names a PEM
//! file of roots in place of the system's.
//! Source: PostgreSQL 15 §34.1.2 (parameter key words).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode, TargetSessionAttrs};
use postgres::{Client, Config, NoTls};
use postgres_rustls::MakeRustlsConnect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::failure;
use crate::error::{Error, Kind, Result};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection over which nothing comes for this long is taken for broken.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest run of one statement, and longest wait inside a transaction, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 60_000;
/// Files with the roots that the system trusts; the first that is there is taken.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A database. Its password is printed nowhere.
#[derive(Clone)]
pub struct Database {
    config: Arc<Config>,
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

/// What of the address is ours to understand.
struct Address {
    url: String,
    ssl_mode: Option<String>,
    roots: Option<PathBuf>,
}

fn no_address(why: &str) -> Error {
    let words = format!("the database URL {why}; give postgres://user@host/database");
    Error::new(Kind::Place, words)
}

/// Takes the parameters about TLS out of an address.
fn split(url: &str) -> Result<Address> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(no_address("does not begin with postgres://"));
    }
    let (front, parameters) = url.split_once('?').unwrap_or((url, ""));
    let mut address = Address { url: front.to_owned(), ssl_mode: None, roots: None };
    let mut separator = '?';
    for parameter in parameters.split('&').filter(|p| !p.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", mode)) => address.ssl_mode = Some(mode.to_owned()),
            Some(("sslrootcert", path)) => {
                address.roots = Some(PathBuf::from(decoded(path)?));
            }
            _ => {
                address.url.push(separator);
                address.url.push_str(parameter);
                separator = '&';
            }
        }
    }
    Ok(address)
}

fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        if b != b'%' {
            bytes.push(b);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let byte = std::str::from_utf8(&digits).ok().and_then(stdx::hex::decode);
        bytes.extend(byte.ok_or_else(|| no_address("holds a % without two hexadecimal digits"))?);
    }
    String::from_utf8(bytes).map_err(|_| no_address("is no UTF-8"))
}

/// Whether bytes to this host stay on the machine.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name == "127.0.0.1" || name == "::1",
        Host::Unix(_) => true,
    }
}

impl Database {
    /// Errors: `Place` when the address cannot be understood or its roots cannot be read.
    pub fn parse(url: &str) -> Result<Database> {
        let address = split(url)?;
        let mut config: Config =
            address.url.parse().map_err(|_| no_address("cannot be understood"))?;
        let all_local = config.get_hosts().iter().all(is_local);
        let with_tls = match address.ssl_mode.as_deref() {
            Some("disable") => false,
            Some("allow" | "prefer") | None => !all_local || address.roots.is_some(),
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => return Err(no_address("has an sslmode that does not exist")),
        };
        config
            .ssl_mode(if with_tls { SslMode::Require } else { SslMode::Disable })
            .application_name("vitae")
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(SILENCE_MAX / 2)
            .tcp_user_timeout(SILENCE_MAX);
        let tls = if with_tls { Some(connector(address.roots.as_deref())?) } else { None };
        Ok(Database { config: Arc::new(config), tls })
    }

    /// Opens a connection with the settings on which the store relies.
    pub fn connect(&self) -> Result<Client> {
        let client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        };
        let mut client = client.map_err(|e| match e.to_string() {
            text if text.contains("TLS") => {
                let words = "TLS with the database failed: it offers none, or its certificate is \
                             not trusted; sslrootcert names the root that signed it";
                Error::with(Kind::Place, words, e)
            }
            _ => failure(e),
        })?;
        // Every statement goes by an index, whatever the tables are thought to hold, and is planned
        // once. `synchronous_commit` may be set to more than `on` by the operator, never to less.
        let settings = format!(
            "SET statement_timeout = {STATEMENT_TIMEOUT_MS};
             SET idle_in_transaction_session_timeout = {STATEMENT_TIMEOUT_MS};
             SET client_min_messages = warning;
             SET default_transaction_isolation = 'read committed';
             SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
             SELECT set_config('synchronous_commit', 'on', false)
               WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        );
        client.batch_execute(&settings).map_err(failure)?;
        Ok(client)
    }
}

fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect> {
    let found = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists());
    let path = roots.or(found).ok_or_else(|| {
        Error::new(Kind::Place, "no roots for TLS to the database; name a file by sslrootcert")
    })?;
    let unreadable = || {
        let words = format!("{} holds no certificates to trust (sslrootcert)", path.display());
        Error::new(Kind::Place, words)
    };
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unreadable())? {
        store.add_parsable_certificates(certificate);
    }
    if store.is_empty() {
        return Err(unreadable());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::with(Kind::Broken, "TLS cannot be set up", e))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses_tls(url: &str) -> bool {
        Database::parse(url).expect(url).config.get_ssl_mode() == SslMode::Require
    }

    #[test]
    fn a_network_means_tls_unless_it_is_said_otherwise() {
        assert!(!uses_tls("postgres://v@localhost/vitae"));
        assert!(!uses_tls("postgres:///vitae?host=%2Frun%2Fpostgresql&user=v"));
        assert!(!uses_tls("postgres://v@db.example.org/vitae?sslmode=disable"));
        let roots = std::env::temp_dir().join(format!("vitae-roots-{}", std::process::id()));
        let made = test_root();
        std::fs::write(&roots, made).expect("a file");
        let url = |mode: &str| {
            format!("postgres://v@db.example.org/vitae?{mode}&sslrootcert={}", roots.display())
        };
        for mode in ["", "sslmode=prefer", "sslmode=require", "sslmode=verify-full"] {
            assert!(uses_tls(&url(mode)), "{mode}");
        }
        std::fs::remove_file(&roots).expect("the file");
    }

    /// A self-signed root that is of no use anywhere.
    fn test_root() -> &'static str {
        include_str!("root.pem")
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_password() {
        let missing = "postgres://v:secret@db.example.org/x?sslrootcert=/nowhere.pem";
        let mode = "postgres://v:secret@localhost/x?sslmode=maybe";
        for url in ["mysql://v:secret@h/x", missing, mode, "postgres://v:secret@h:x/y?host=%z"] {
            let e = Database::parse(url).expect_err(url);
            assert_eq!(e.kind, Kind::Place, "{url}");
            assert!(!e.public.contains("secret"), "{}", e.public);
        }
    }
}
