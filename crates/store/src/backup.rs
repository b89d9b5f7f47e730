//! Online backup into one file, and back.
//!
//! Layout of the file: the line `vitae-backup 1`, one line of JSON (practice, wrapped key, number
//! of versions, size and SHA-256 of the database), then the encrypted database as it is. Without
//! the master key the file is noise. Whoever asks for it may have all of it written through a
//! [`Seal`], which the reader of a [`BackupReader`] then takes off.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
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

/// What a backup is written through, such as encryption to a key whose other half is not here.
pub trait Seal {
    /// Has `fill` write the backup, and brings it to `out`; complete when this returns.
    fn seal(&self, out: &mut dyn Write, fill: &mut Fill<'_>) -> std::io::Result<()>;
}

/// Writes a whole backup, once.
pub type Fill<'a> = dyn FnMut(&mut dyn Write) -> std::io::Result<()> + 'a;

/// The backup as it is: the master key opens it.
pub struct Plain;

impl Seal for Plain {
    fn seal(&self, out: &mut dyn Write, fill: &mut Fill<'_>) -> std::io::Result<()> {
        fill(out)
    }
}

impl Store {
    /// Copies the record as it is now into `to`, while it is in use.
    ///
    /// `practice`: a JSON object that the caller needs to open the copy (name, wrapped key).
    /// `seal`: what the file is written through, [`Plain`] for the file as it is.
    /// `progress` is told pages done and pages in all.
    pub fn backup(
        &self,
        to: &Path,
        practice: &str,
        seal: &dyn Seal,
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
            let (database_bytes, sha256) = digest(&mut File::open(&part)?, &mut std::io::sink())?;
            let info = BackupInfo { practice: practice.to_owned(), at, database_bytes, sha256 };
            pack(&part, to, &info, seal)?;
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

/// Size and SHA-256 of what is read, which goes to `to`.
fn digest(from: &mut impl Read, to: &mut impl Write) -> Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            // What opens a sealed backup says so when it was changed or cut.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                let words = "the backup is damaged: it was changed or cut short";
                return Err(Error::with(Kind::Corrupt, words, e));
            }
            Err(e) => return Err(e.into()),
        };
        if n == 0 {
            return Ok((size, stdx::hex::encode(&hasher.finalize())));
        }
        size += n as u64;
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
}

fn pack(database: &Path, to: &Path, info: &BackupInfo, seal: &dyn Seal) -> Result<()> {
    let temporary = PathBuf::from(format!("{}.new", to.display()));
    let outcome = write(database, &temporary, info, seal)
        .and_then(|()| std::fs::rename(&temporary, to).map_err(Error::from));
    if outcome.is_err() {
        let _absent = std::fs::remove_file(&temporary);
        return outcome;
    }
    let folder = match to.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn write(database: &Path, to: &Path, info: &BackupInfo, seal: &dyn Seal) -> Result<()> {
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.create(true).truncate(true).write(true).open(to)?;
    let header = serde_json::json!({
        "practice": info.practice,
        "at": info.at,
        "databaseBytes": info.database_bytes,
        "sha256": info.sha256,
    });
    let mut database = File::open(database)?;
    seal.seal(&mut out, &mut |out| {
        writeln!(out, "{MAGIC}\n{header}")?;
        std::io::copy(&mut database, out).map(|_| ())
    })?;
    out.sync_all()?;
    Ok(())
}

fn read_header(from: &mut BufReader<impl Read>) -> Result<BackupInfo> {
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

/// A backup that is read from its beginning to its end, once.
pub struct BackupReader<R> {
    from: BufReader<R>,
    info: BackupInfo,
}

impl<R: Read> BackupReader<R> {
    /// Reads what the backup says of itself.
    pub fn new(from: R) -> Result<BackupReader<R>> {
        let mut from = BufReader::new(from);
        let info = read_header(&mut from)?;
        Ok(BackupReader { from, info })
    }

    pub fn info(&self) -> &BackupInfo {
        &self.info
    }

    /// Unpacks it into a folder that holds no practice.
    ///
    /// The record is then opened with [`Store::open`] and should be verified.
    ///
    /// Errors: `Place` where a practice is; `Corrupt` when size, hash or what the backup is read
    /// through say that bytes are not those that were written. Then nothing is left behind.
    pub fn restore(self, folder: &Path) -> Result<BackupInfo> {
        let target = folder.join(schema::FILE);
        if target.exists() {
            let words = format!("{} holds a practice already", folder.display());
            return Err(Error::new(Kind::Place, words));
        }
        let is_new = !folder.exists();
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        let part = folder.join("vitae.db.part");
        let outcome = self.unpack(&part, &target);
        if outcome.is_err() {
            let _absent = std::fs::remove_file(&part);
            if is_new {
                let _used = std::fs::remove_dir(folder);
            }
        }
        outcome
    }

    fn unpack(mut self, part: &Path, target: &Path) -> Result<BackupInfo> {
        let mut out = File::create(part)?;
        let (size, sha256) = digest(&mut self.from, &mut out)?;
        if (size, &sha256) != (self.info.database_bytes, &self.info.sha256) {
            return Err(Error::new(
                Kind::Corrupt,
                format!("the backup is damaged: {size} bytes with another SHA-256 than it says"),
            ));
        }
        out.sync_all()?;
        std::fs::rename(part, target)?;
        if let Some(folder) = target.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(self.info)
    }
}
