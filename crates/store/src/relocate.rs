//! A whole record from one engine to the other, row by row as it stands: versions with their
//! numbers, times and hashes, index, audit leaves, items, attachments.
//!
//! What arrives is read back and compared before it counts: number of versions, every version's
//! hash, root of the audit tree. Until then the target holds nothing.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use stdx::merkle::Frontier;

use crate::disk::postgres::{self, Database, NewHead};
use crate::disk::{Connection, NewVersion, Order, Stored, schema, sqlite};
use crate::error::{Error, Kind, Result};
use crate::keyring::DataKey;
use crate::store::lock;
use crate::types::Rid;

/// Rows that are written together.
const ROWS_PER_STEP: usize = 2_000;
/// Bytes that are written together, at least.
const BYTES_PER_STEP: usize = 4 << 20;
/// Folder inside the target folder in which the file grows.
const GROWING: &str = "moving";

/// Where a record is kept.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    Folder(&'a Path, &'a DataKey),
    /// A database and the name of the practice there.
    Database(&'a Database, &'a str),
}

/// What a record holds, to compare two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digested {
    pub versions: u64,
    /// SHA-256 over numbers and hashes of all versions, in their order.
    pub hashes: [u8; 32],
    pub audit_leaves: u64,
    pub audit_root: [u8; 32],
}

/// Copies a record to a place that holds none, and compares. Nobody may write meanwhile.
///
/// `progress` is told how many versions are done and how many there are.
/// Errors: `Locked` when the record is in use or was changed meanwhile; `Corrupt` when what arrived
/// is not what was sent. The target then holds nothing.
pub fn copy(
    from: Place<'_>,
    to: Place<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Digested> {
    match (from, to) {
        (Place::Folder(folder, key), Place::Database(database, name)) => {
            let _lock = lock(folder)?;
            let file = schema::open(folder, key, false, schema::READER_CACHE_KIB)?;
            schema::check_format(&file)?;
            let source = Connection::Sqlite(sqlite::Connection(file));
            let target = postgres::Connection::new(postgres::reserve(database)?.into());
            let done = to_database(&source, &target, name, &mut progress);
            if done.is_err() {
                target.abandon();
            }
            done
        }
        (Place::Database(database, name), Place::Folder(folder, key)) => {
            let place = postgres::find(database, name)?;
            let source = Connection::Postgres(postgres::Connection::new(place.into()));
            let growing = folder.join(GROWING);
            let done = to_folder(&source, &growing, key, &mut progress).and_then(|digested| {
                let target = folder.join(schema::FILE);
                if target.exists() {
                    let words = format!("{} is there already", target.display());
                    return Err(Error::new(Kind::Place, words));
                }
                std::fs::rename(growing.join(schema::FILE), target)?;
                std::fs::File::open(folder)?.sync_all()?;
                Ok(digested)
            });
            // Absent when it was never made.
            let _absent = std::fs::remove_dir_all(&growing);
            done
        }
        _ => Err(Error::new(Kind::Misuse, "a record moves from one engine to the other")),
    }
}

/// Keeps a practice that has left a database under another name.
pub fn put_aside(database: &Database, practice: &str, name: &str) -> Result<()> {
    postgres::rename(&postgres::find(database, practice)?, name)
}

/// Keeps the file of a practice that has left its folder under another name, which it gives.
pub fn put_file_aside(folder: &Path) -> Result<PathBuf> {
    let aside = folder.join(format!("{}.moved", schema::FILE));
    std::fs::rename(folder.join(schema::FILE), &aside)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(aside)
}

fn digest(connection: &Connection, at: Rid) -> Result<Digested> {
    digest_of(|each| connection.each_stored(at, each), |each| connection.audit(0, usize::MAX, each))
}

fn digest_of(
    versions: impl FnOnce(&mut dyn FnMut(&Stored<'_>) -> Result<()>) -> Result<()>,
    leaves: impl FnOnce(&mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()>,
) -> Result<Digested> {
    let mut hasher = Sha256::new();
    let mut n = 0;
    versions(&mut |stored| {
        n += 1;
        hasher.update(stored.head.rid.to_le_bytes());
        hasher.update(stored.hash);
        Ok(())
    })?;
    let mut tree = Frontier::new();
    leaves(&mut |_, leaf| {
        tree.append(leaf);
        Ok(())
    })?;
    let hashes = hasher.finalize().into();
    Ok(Digested { versions: n, hashes, audit_leaves: tree.size(), audit_root: tree.root() })
}

fn compared(source: Digested, target: Digested) -> Result<Digested> {
    if source == target {
        return Ok(target);
    }
    let words = format!(
        "{} versions and {} audit leaves arrived that are not the {} and {} that were sent",
        target.versions, target.audit_leaves, source.versions, source.audit_leaves
    );
    Err(Error::new(Kind::Corrupt, words))
}

fn new_version<'s>(stored: &'s Stored<'s>) -> NewVersion<'s> {
    NewVersion {
        rid: stored.head.rid,
        rt: stored.head.rt,
        id: &stored.head.id,
        vid: stored.head.vid,
        at_ms: stored.head.last_updated_ms,
        kind: stored.head.kind,
        prev: stored.prev,
        dictionary: stored.dictionary,
        size: stored.size,
        hash: stored.hash,
        packed: stored.packed,
        body: stored.body,
    }
}

/// The chunk of a bitmap of versions that are not current; `None` when it is empty.
fn chunk_of(bitmap: &[u8]) -> Result<Option<u32>> {
    let bitmap = roaring::RoaringBitmap::deserialize_from(bitmap)
        .map_err(|e| Error::with(Kind::Corrupt, "a bitmap is damaged", e))?;
    Ok(bitmap.min().map(|rid| rid >> 16))
}

fn to_database(
    source: &Connection,
    target: &postgres::Connection,
    name: &str,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Digested> {
    let (last, last_at_ms) = source.last_version()?;
    let audit = source.audit_state()?.unwrap_or_default();
    target.begin_arrival(name, schema::FORMAT)?;
    let mut number = 0;
    source.systems(1)?.iter().try_for_each(|text| {
        number += 1;
        target.put_system(number, text)
    })?;
    source.dictionaries(|number, rt, bytes| target.put_dictionary(number, rt, bytes))?;
    source.each_chunk(|hash, chunk, bytes| target.put_blob_chunk(hash, chunk, bytes))?;
    let mut expected = 0;
    let mut send = || {
        let token = i64::to_be_bytes(expected);
        let head = NewHead { expected, last, last_at_ms, audit: &audit, token: &token };
        expected += 1;
        target.put_gathered(&head)
    };
    let (mut n, mut n_bytes) = (0usize, 0);
    source.each_stored(last, |stored| {
        target.put_versions(&[new_version(stored)])?;
        n += 1;
        n_bytes += stored.body.len() + stored.packed.len();
        if n.is_multiple_of(ROWS_PER_STEP) || n_bytes > BYTES_PER_STEP {
            n_bytes = 0;
            progress(n as u64, u64::from(last));
            send()?;
        }
        Ok(())
    })?;
    send()?;
    let mut n_items = 0usize;
    source.each_item(|collection, key, value| {
        n_items += 1;
        target.put_item(collection, key, Some(value))?;
        if n_items.is_multiple_of(ROWS_PER_STEP) { send() } else { Ok(()) }
    })?;
    for task in source.outbox(i64::MAX, usize::MAX)? {
        let (topic, payload, due_ms) = (task.topic, task.payload, task.due_ms);
        target.put_outbox(&crate::OutboxRow { topic, payload, due_ms })?;
    }
    source.audit(0, usize::MAX, |seq, leaf| {
        target.put_audit(seq, leaf)?;
        if (seq as usize + 1).is_multiple_of(ROWS_PER_STEP) { send() } else { Ok(()) }
    })?;
    send()?;
    let mut rows: Vec<(Vec<u8>, Rid, Vec<u8>)> = Vec::new();
    source.posting_range(&[], None, Order::Forward, |key, first, rids| {
        rows.push((key.to_vec(), first, rids.to_vec()));
        if rows.len() == ROWS_PER_STEP {
            target.put_postings(&rows)?;
            rows.clear();
        }
        Ok(true)
    })?;
    target.put_postings(&rows)?;
    source.dead(|bitmap| match chunk_of(bitmap)? {
        Some(chunk) => target.put_dead_chunk(chunk, bitmap),
        None => Ok(()),
    })?;
    target.set_flushed(source.flushed()?)?;
    progress(u64::from(last), u64::from(last));
    // Inside the transaction: what is compared is what will be there.
    let sent = digest(source, last)?;
    let arrived =
        digest_of(|each| target.each_stored(last, each), |each| target.audit(0, usize::MAX, each));
    let done = compared(sent, arrived?)?;
    target.commit_open()?;
    Ok(done)
}

fn to_folder(
    source: &Connection,
    growing: &Path,
    key: &DataKey,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Digested> {
    // What an earlier try left.
    let _absent = std::fs::remove_dir_all(growing);
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(growing)?;
    let file = schema::open(growing, key, true, schema::WRITER_CACHE_KIB)?;
    schema::create(&file)?;
    let target = sqlite::Connection(file);
    let revision = || -> Result<i64> {
        match source {
            Connection::Postgres(database) => Ok(database.shared_head()?.revision),
            Connection::Sqlite(_) => Ok(0),
        }
    };
    let before = revision()?;
    let (last, _) = source.last_version()?;
    let mut n_rows = 0usize;
    // Parts, so that the log of the file does not grow with the record.
    let mut step = |target: &sqlite::Connection| -> Result<()> {
        n_rows += 1;
        if n_rows.is_multiple_of(16 * ROWS_PER_STEP) {
            target.commit()?;
            target.begin()?;
        }
        Ok(())
    };
    target.begin()?;
    let mut number = 0;
    source.systems(1)?.iter().try_for_each(|text| {
        number += 1;
        target.put_system(number, text)
    })?;
    source.dictionaries(|number, rt, bytes| target.put_dictionary(number, rt, bytes))?;
    source.each_chunk(|hash, chunk, bytes| target.put_blob_chunk(hash, chunk, bytes))?;
    source.each_stored(last, |stored| {
        target.put_versions(&[new_version(stored)])?;
        if stored.head.rid.is_multiple_of(1024) {
            progress(u64::from(stored.head.rid), u64::from(last));
        }
        step(&target)
    })?;
    source.each_item(|collection, key, value| target.put_item(collection, key, Some(value)))?;
    for task in source.outbox(i64::MAX, usize::MAX)? {
        let (topic, payload, due_ms) = (task.topic, task.payload, task.due_ms);
        target.put_outbox(&crate::OutboxRow { topic, payload, due_ms })?;
    }
    source.audit(0, usize::MAX, |seq, leaf| {
        target.put_audit(seq, leaf)?;
        step(&target)
    })?;
    source.posting_range(&[], None, Order::Forward, |key, first, rids| {
        target.put_posting(key, first, rids)?;
        step(&target)?;
        Ok(true)
    })?;
    source.dead(|bitmap| match chunk_of(bitmap)? {
        Some(chunk) => target.put_dead(chunk, bitmap),
        None => Ok(()),
    })?;
    if let Some(audit) = source.audit_state()? {
        target.set_meta("audit", &audit)?;
    }
    target.set_meta("flushed", &source.flushed()?.to_le_bytes())?;
    target.commit()?;
    progress(u64::from(last), u64::from(last));
    let sent = digest(source, last)?;
    if revision()? != before {
        return Err(Error::new(Kind::Locked, "the record was changed meanwhile; stop all servers"));
    }
    let target = Connection::Sqlite(target);
    let done = compared(sent, digest(&target, last)?)?;
    if let Connection::Sqlite(file) = &target {
        crate::disk::checkpoint::finish(file)?;
    }
    Ok(done)
}
