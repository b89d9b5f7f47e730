//! The data folder and the keys of one practice.
//!
//! `DIR/practice.json` names the practice and holds its data key, wrapped by the master key.
//! The master key stands outside the folder: `$VITAE_KEYS/ID.key`, or `~/.vitae/keys/ID.key`.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::Auth;
use fhir::json::Value;
use record::{Database, Record, SystemWorld, World};
use store::DataKey;

use crate::cli::Kind;
use crate::failure::{Context, Failure, Result};
use crate::keys;

const FILE: &str = "practice.json";
/// What links name when a command opens a practice that is not served.
pub const OFFLINE_BASE_URL: &str = "http://127.0.0.1:8080/fhir";
/// Bytes of a password file.
const PASSWORD_FILE_BYTES_MAX: u64 = 4 * 1024;

/// What the folder says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practice {
    pub id: String,
    pub name: String,
    pub kind: String,
    wrapped_key: String,
    /// The record is in a PostgreSQL database, not in the folder.
    pub in_database: bool,
}

/// An open practice.
#[derive(Clone)]
pub struct Open {
    pub record: Record,
    pub auth: Arc<Auth>,
}

impl Practice {
    /// Makes an empty practice in `folder`.
    ///
    /// Errors: a folder that holds one already; no room for keys.
    pub fn create(
        folder: &Path,
        name: &str,
        kind: Kind,
        database_url: Option<&str>,
    ) -> Result<(Practice, Open)> {
        let database = database_url.map(Database::parse).transpose()?;
        if folder.join(FILE).exists() {
            let place = folder.display();
            return Err(Failure::new(format!("{place} holds a practice; choose another --data")));
        }
        if name.trim().is_empty() {
            return Err(Failure::usage("--name must not be empty"));
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .recursive(true)
            .create(folder)
            .context(|| format!("{} cannot be made", folder.display()))?;
        let mut bytes = [0; 8];
        SystemWorld.random(&mut bytes);
        let id: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let key = DataKey::random()?;
        let practice = Practice {
            wrapped_key: keys::create(&keys_folder()?, &id, &key)?,
            id,
            name: name.trim().to_owned(),
            kind: kind.as_str().to_owned(),
            in_database: database.is_some(),
        };
        let record = match database {
            Some(database) => {
                let config = practice.database_config(database, OFFLINE_BASE_URL);
                let record = Record::create_at(config)?;
                practice.write(folder)?;
                record
            }
            None => {
                practice.write(folder)?;
                Record::create(config(folder, key, OFFLINE_BASE_URL))?
            }
        };
        Ok((practice, open_auth(record)))
    }

    /// Opens the practice in `folder`.
    ///
    /// Errors: no practice, a missing or wrong key, another process that has it open.
    pub fn open(
        folder: &Path,
        database_url: Option<&str>,
        base_url: &str,
    ) -> Result<(Practice, Open)> {
        let practice = Practice::read(folder)?;
        let record = match (practice.in_database, database_url) {
            (true, Some(url)) => {
                let database = Database::parse(url)?;
                Record::open_at(practice.database_config(database, base_url))?
            }
            (false, None) => Record::open(config(folder, practice.data_key()?, base_url))?,
            (true, None) => {
                let text = "the practice is kept in a PostgreSQL database: give --database-url";
                return Err(Failure::new(text));
            }
            (false, Some(_)) => {
                let text = "the practice is kept in its folder: leave --database-url and \
                            VITAE_DATABASE_URL out, or move it with vitae move";
                return Err(Failure::new(text));
            }
        };
        Ok((practice, open_auth(record)))
    }

    fn database_config(&self, database: Database, base_url: &str) -> record::DatabaseConfig {
        record::DatabaseConfig {
            database,
            practice: self.id.clone(),
            base_url: base_url.to_owned(),
            world: Arc::new(SystemWorld),
        }
    }

    /// What the folder says about itself.
    pub fn read(folder: &Path) -> Result<Practice> {
        let place = folder.display();
        let text = std::fs::read_to_string(folder.join(FILE)).map_err(|_| {
            Failure::new(format!("{place} holds no practice; make one with vitae init"))
        })?;
        Practice::parse(&text)
            .ok_or_else(|| Failure::new(format!("{place}/{FILE} is damaged; restore a backup")))
    }

    /// The key of the database.
    pub fn data_key(&self) -> Result<DataKey> {
        Ok(keys::open(&keys_folder()?, &self.id, &self.wrapped_key)?.0)
    }

    /// What opens the data key: a file or a command of the key folder.
    pub fn opened_by(&self) -> Result<PathBuf> {
        Ok(keys::open(&keys_folder()?, &self.id, &self.wrapped_key)?.1)
    }

    /// Wraps the data key anew: by a new master key, or by `command` when it is not empty. What
    /// wrapped it before is kept for older backups. Where that now stands.
    pub fn rotate(mut self, folder: &Path, command: &[String]) -> Result<Option<PathBuf>> {
        let keys = keys_folder()?;
        let key = self.data_key()?;
        keys::tidy(&keys, &self.id, &self.wrapped_key)?;
        self.wrapped_key = keys::prepare(&keys, &self.id, &key, command)?;
        self.replace(folder)?;
        keys::take_over(&keys, &self.id)
    }

    /// The text of `practice.json`.
    pub fn to_json(&self) -> String {
        let text = |value: &String| Value::from(value.clone());
        let value = Value::object([
            ("id", text(&self.id)),
            ("name", text(&self.name)),
            ("kind", text(&self.kind)),
            ("wrapped_key", text(&self.wrapped_key)),
            ("in_database", Value::from(self.in_database)),
        ]);
        value.to_json() + "\n"
    }

    /// Reads [`Practice::to_json`].
    pub fn parse(text: &str) -> Option<Practice> {
        let value = Value::parse(text.as_bytes()).ok()?;
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Practice {
            id: text("id").filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit()))?,
            name: text("name")?,
            kind: text("kind")?,
            wrapped_key: text("wrapped_key")?,
            in_database: value.get("in_database") == Some(&Value::Bool(true)),
        })
    }

    /// Writes `practice.json` in place of the one that is there, on disk when this returns.
    pub fn replace(&self, folder: &Path) -> Result<()> {
        let (path, new) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
        let _absent = std::fs::remove_file(&new);
        write_private(&new, self.to_json().as_bytes())
            .and_then(|()| std::fs::rename(&new, &path))
            .and_then(|()| std::fs::File::open(folder)?.sync_all())
            .context(|| format!("{} cannot be written", path.display()))
    }

    /// Writes `practice.json`, on disk when this returns.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        write_private(&path, self.to_json().as_bytes())
            .context(|| format!("{} cannot be written", path.display()))
    }
}

/// Writes a new file for its owner only, synced with its folder.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Where master keys stand.
pub fn keys_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("VITAE_KEYS").filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder));
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.ok_or_else(|| {
        Failure::new("neither VITAE_KEYS nor HOME is set; set VITAE_KEYS to a folder for keys")
    })?;
    Ok(PathBuf::from(home).join(".vitae/keys"))
}

fn config(folder: &Path, key: DataKey, base_url: &str) -> record::Config {
    record::Config {
        folder: folder.to_owned(),
        key,
        base_url: base_url.to_owned(),
        world: Arc::new(SystemWorld),
    }
}

fn open_auth(record: Record) -> Open {
    let auth = Auth::new(Arc::new(record.clone()), Arc::new(SystemWorld));
    Open { record, auth: Arc::new(auth) }
}

/// The first line of a password file.
pub fn read_password(path: &Path) -> Result<String> {
    let what = || format!("the password file {} cannot be read", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).context(what)?;
    file.take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text).context(what)?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        return Err(Failure::new(format!("the first line of {} is empty", path.display())));
    }
    Ok(first.to_owned())
}
