//! SQLite: tables and connections.

use std::path::Path;
use std::sync::OnceLock;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Kind, Result};
use crate::keyring::DataKey;

/// Name of the database file in the folder.
pub const FILE: &str = "vitae.db";

/// Form of tables, rows and keys. It changes when an earlier program could not read what this one
/// writes, or this one not what an earlier one wrote.
pub const FORMAT: i64 = 2;

/// All tables. What is derived from others is marked so; `verify` compares, reopening rebuilds.
const TABLES: &str = "
CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT;
-- Every version of every resource in commit order: the change feed.
-- kind: 1 create, 2 update, 3 delete. prev: the version that this one replaces, or 0.
CREATE TABLE version(
  rid INTEGER PRIMARY KEY, rt INTEGER NOT NULL, id TEXT NOT NULL, vid INTEGER NOT NULL,
  at INTEGER NOT NULL, kind INTEGER NOT NULL, prev INTEGER NOT NULL, dictionary INTEGER NOT NULL,
  size INTEGER NOT NULL, hash BLOB NOT NULL, packed BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE ident(rt INTEGER NOT NULL, id TEXT NOT NULL, vid INTEGER NOT NULL,
  rid INTEGER NOT NULL, kind INTEGER NOT NULL, PRIMARY KEY(rt, id, vid)) WITHOUT ROWID, STRICT;
-- Numbers of token systems.
CREATE TABLE system(number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE dictionary(number INTEGER PRIMARY KEY, rt INTEGER NOT NULL, bytes BLOB NOT NULL)
  STRICT;
-- Derived: posting lists (posting.rs), versions that are not current any more.
CREATE TABLE posting(key BLOB NOT NULL, first INTEGER NOT NULL, rids BLOB NOT NULL,
  PRIMARY KEY(key, first)) WITHOUT ROWID, STRICT;
CREATE TABLE dead(chunk INTEGER PRIMARY KEY, bitmap BLOB NOT NULL) STRICT;
-- Leaves of the audit tree, in order from 0.
CREATE TABLE audit(seq INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
CREATE TABLE item(collection TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY(collection, key)) WITHOUT ROWID, STRICT;
CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL,
  payload BLOB NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL) STRICT;
CREATE TABLE blob(hash BLOB NOT NULL, chunk INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY(hash, chunk)) WITHOUT ROWID, STRICT;
";

/// Pages of the writer's and of each reader's cache, in KiB.
pub const WRITER_CACHE_KIB: i64 = 48 * 1024;
pub const READER_CACHE_KIB: i64 = 10 * 1024;

/// Opens the database file with its key.
///
/// Errors: `WrongKey` when the key does not open it.
pub fn open(folder: &Path, key: &DataKey, create: bool, cache_kib: i64) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    open_file(&folder.join(FILE), key, flags, cache_kib)
}

/// As [`open`] for any file.
pub fn open_file(
    file: &Path,
    key: &DataKey,
    flags: OpenFlags,
    cache_kib: i64,
) -> Result<Connection> {
    page_cipher::link();
    // SQLite says that it has started before SQLCipher has: whoever comes second in that moment
    // would find no cipher. The first connection of the process is made alone.
    static STARTED: OnceLock<bool> = OnceLock::new();
    STARTED.get_or_init(|| Connection::open_in_memory().is_ok());
    let connection = Connection::open_with_flags(file, flags)?;
    // The key is hexadecimal digits of our own making; PRAGMA takes no parameters.
    let hex = stdx::hex::encode(key.bytes());
    connection.execute_batch(&format!(
        "PRAGMA key = \"x'{hex}'\";
         PRAGMA cipher_page_size = 4096;
         PRAGMA cipher_hmac_algorithm = HMAC_SHA256;
         PRAGMA cipher_memory_security = OFF;"
    ))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(
        |e| match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => {
                Error::with(Kind::WrongKey, "the key does not open the database", e)
            }
            _ => e.into(),
        },
    )?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{cache_kib};"
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Plans do not depend on the values bound: without this, binding one to a range expires the
    // statement, and each read parses its SQL again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Makes the tables in an empty database.
pub fn create(connection: &Connection) -> Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;{TABLES}PRAGMA user_version = {FORMAT};COMMIT;"
    ))?;
    Ok(())
}

/// Errors: `Place` when the database was written in another form than this program reads.
pub fn check_format(connection: &Connection) -> Result<()> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    check_found(found)
}

/// As [`check_format`] for the number that was found.
pub fn check_found(found: i64) -> Result<()> {
    if found == FORMAT {
        return Ok(());
    }
    let words = format!(
        "the practice is stored in form {found}, this program reads form {FORMAT}: export it with \
         the program that wrote it, and import that into a new one"
    );
    Err(Error::new(Kind::Place, words))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::Store;

    use super::*;

    #[test]
    fn another_form_is_refused_with_what_to_do() {
        let folder = std::env::temp_dir().join(format!("vitae-form-{}", std::process::id()));
        let key = DataKey::random().expect("key");
        drop(Store::create(&folder, &key, Arc::new(|| 0)).expect("store"));
        let connection = open(&folder, &key, false, 1_024).expect("database");
        connection.execute_batch("PRAGMA user_version = 1").expect("pragma");
        drop(connection);
        let error = Store::open(&folder, &key, Arc::new(|| 0)).err().expect("refused");
        assert_eq!(error.kind, Kind::Place);
        assert!(error.public.contains("export it"), "{}", error.public);
        std::fs::remove_dir_all(&folder).expect("own folder");
    }
}
