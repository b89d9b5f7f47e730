//! Online backup into one file, and back.
//!
//! Layout of the file: the line `vitae-backup 1`, one line of JSON (practice, wrapped key, number
//! of versions, size and SHA-256 of the database), then the encrypted database as it is. Without
//! the master key the file is noise.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::backup::Backup;
use sha2::{Digest, Sha256};

use crate::disk::{Connection, schema};
use crate::error::{Error, Kind, Result};
use crate::store::Store;

const MAGIC: &str = "vitae-backup 1";
/// Pages copied between two looks at the progress.
const PAGES_PER_STEP: i32 = 4_096;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Public description of the practice, as the caller gave it: one JSON object.
    pub practice: String,
    pub at: u32,
    pub database_bytes: u64,
    pub sha256: String,
}

impl Store {
    /// Copies the record as it is now into `to`, while it is in use.
    ///
    /// `practice`: a JSON object that the caller needs to open the copy (name, wrapped key).
    /// `progress` is told pages done and pages in all.
    pub fn backup(
        &self,
        to: &Path,
        practice: &str,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<BackupInfo> {
        self.flush()?;
        let shared = self.shared();
        let (_, key) = shared.folder()?;
        let part = PathBuf::from(format!("{}.part", to.display()));
        remove_all(&part);
        let outcome = (|| {
            let at = self.at();
            {
                let source = shared.take_reader()?;
                let Connection::Sqlite(file) = &source.connection else {
                    return Err(Error::new(Kind::Misuse, "the record is kept in no file"));
                };
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
                let mut target = schema::open_file(&part, key, flags, 16 * 1024)?;
                {
                    let backup = Backup::new(&file.0, &mut target)?;
                    loop {
                        let more = backup.step(PAGES_PER_STEP)?;
                        let p = backup.progress();
                        let (all, left) = (p.pagecount.max(0), p.remaining.max(0));
                        progress((all - left) as u64, all as u64);
                        match more {
                            rusqlite::backup::StepResult::Done => break,
                            rusqlite::backup::StepResult::More => {}
                            _ => std::thread::sleep(Duration::from_millis(5)),
                        }
                    }
                }
                target.execute_batch("PRAGMA journal_mode = DELETE")?;
                shared.give_back(source);
            }
            let (database_bytes, sha256) = digest(&mut File::open(&part)?)?;
            let info = BackupInfo { practice: practice.to_owned(), at, database_bytes, sha256 };
            pack(&part, to, &info)?;
            Ok(info)
        })();
        remove_all(&part);
        outcome
    }
}

fn remove_all(part: &Path) {
    for tail in ["", "-wal", "-shm", "-journal"] {
        let _absent = std::fs::remove_file(format!("{}{tail}", part.display()));
    }
}

fn digest(from: &mut impl Read) -> Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok((size, stdx::hex::encode(&hasher.finalize())));
        }
        size += n as u64;
        hasher.update(&buffer[..n]);
    }
}

fn pack(database: &Path, to: &Path, info: &BackupInfo) -> Result<()> {
    let temporary = PathBuf::from(format!("{}.new", to.display()));
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.create(true).truncate(true).write(true).open(&temporary)?;
    let header = serde_json::json!({
        "practice": info.practice,
        "at": info.at,
        "databaseBytes": info.database_bytes,
        "sha256": info.sha256,
    });
    writeln!(out, "{MAGIC}\n{header}")?;
    std::io::copy(&mut File::open(database)?, &mut out)?;
    out.sync_all()?;
    std::fs::rename(&temporary, to)?;
    let folder = match to.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn read_header(from: &mut BufReader<File>) -> Result<BackupInfo> {
    let no_backup = || Error::new(Kind::Place, "the file is no backup of Vitae");
    let mut line = String::new();
    from.take(64).read_line(&mut line).map_err(|_| no_backup())?;
    if line.trim_end() != MAGIC {
        return Err(no_backup());
    }
    line.clear();
    from.take(64 * 1024).read_line(&mut line).map_err(|_| no_backup())?;
    let header: serde_json::Value = serde_json::from_str(&line).map_err(|_| no_backup())?;
    let text = |name: &str| header[name].as_str().map(str::to_owned).ok_or_else(no_backup);
    let number = |name: &str| header[name].as_u64().ok_or_else(no_backup);
    Ok(BackupInfo {
        practice: text("practice")?,
        at: u32::try_from(number("at")?).map_err(|_| no_backup())?,
        database_bytes: number("databaseBytes")?,
        sha256: text("sha256")?,
    })
}

/// What a backup file says of itself.
pub fn backup_info(file: &Path) -> Result<BackupInfo> {
    read_header(&mut BufReader::new(File::open(file)?))
}

/// Unpacks a backup into a folder that holds no practice. Size and hash are checked first.
///
/// The record is then opened with [`Store::open`] and should be verified.
pub fn restore(file: &Path, folder: &Path) -> Result<BackupInfo> {
    let mut from = BufReader::new(File::open(file)?);
    let info = read_header(&mut from)?;
    let (size, sha256) = digest(&mut from)?;
    if (size, &sha256) != (info.database_bytes, &info.sha256) {
        return Err(Error::new(
            Kind::Corrupt,
            format!("the backup is damaged: {size} bytes with another SHA-256 than it says"),
        ));
    }
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    let target = folder.join(schema::FILE);
    if target.exists() {
        let words = format!("{} holds a practice already", folder.display());
        return Err(Error::new(Kind::Place, words));
    }
    let mut from = BufReader::new(File::open(file)?);
    read_header(&mut from)?;
    let part = folder.join("vitae.db.part");
    let mut out = File::create(&part)?;
    std::io::copy(&mut from, &mut out)?;
    out.sync_all()?;
    std::fs::rename(&part, &target)?;
    File::open(folder)?.sync_all()?;
    Ok(info)
}
