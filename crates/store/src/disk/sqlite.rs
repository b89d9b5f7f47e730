//! SQLite: statements, prepared once per connection. Those of the writer stand in [`mod@write`], those
//! that go through all of the record in [`mod@whole`].

mod whole;
mod write;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::{Blobs, Ident, Item, Order};
use crate::blob;
use crate::body;
use crate::error::{CommitError, Error, Kind, Result};
use crate::types::{ChangeKind, Head, OutboxTask, Rid, Version};

pub use write::PostingWriter;

const HEAD_COLUMNS: &str = "rid, rt, id, vid, at, kind";
/// Versions this close are cheaper to pass over in a scan than to look up one by one.
const SCAN_GAP_MAX: u32 = 6;

/// A connection. The writer's writes; all read.
pub struct Connection(pub rusqlite::Connection);

fn not_there() -> Error {
    Error::corrupt("an index names a version that is not there")
}

fn kind_of(kind: i64, column: usize) -> rusqlite::Result<ChangeKind> {
    ChangeKind::from_number(kind).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, kind))
}

/// A row of `HEAD_COLUMNS`.
fn head_of(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        rid: row.get(0)?,
        rt: ResourceType(row.get(1)?),
        id: row.get(2)?,
        vid: row.get(3)?,
        last_updated_ms: row.get(4)?,
        kind: kind_of(row.get(5)?, 5)?,
    })
}

fn bytes_of<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8]> {
    row.get_ref(column)?.as_blob().map_err(|_| Error::corrupt("a column is missing"))
}

fn size_of(row: &Row<'_>, column: usize) -> Result<usize> {
    usize::try_from(row.get::<_, i64>(column)?).map_err(|_| Error::corrupt("a size"))
}

impl Connection {
    /// Runs a statement that takes and gives nothing, parsed once for a connection.
    fn run(&self, sql: &str) -> Result<()> {
        self.0.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn execute(&self, sql: &str, values: &[&dyn ToSql]) -> Result<()> {
        self.0.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    fn count(&self, sql: &str, values: &[&dyn ToSql]) -> Result<u64> {
        let n: i64 = self.0.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
        Ok(n.unsigned_abs())
    }

    fn rids(&self, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<Rid>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map(values, |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// From now on all is read as it is at this moment.
    pub fn begin_read(&self) -> Result<()> {
        self.run("BEGIN")?;
        // A read transaction begins with its first statement.
        self.0
            .prepare_cached("SELECT 1 FROM meta LIMIT 1")?
            .query_row([], |_| Ok(()))
            .optional()?;
        Ok(())
    }

    pub fn end_read(&self) -> Result<()> {
        self.run("COMMIT")
    }

    /// Posting rows of a key; those that hold nothing from `low` to `high` may be left out.
    /// `each` returns false to stop.
    pub fn postings(
        &self,
        key: &[u8],
        low: Rid,
        high: Rid,
        mut each: impl FnMut(Rid, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        // The row that holds `low` is the last one that begins at or before it.
        let mut statement = self.0.prepare_cached(
            "SELECT first, rids FROM posting WHERE key = ?1 AND first <= ?3 AND first >= ifnull(
               (SELECT max(first) FROM posting WHERE key = ?1 AND first <= ?2), 0) ORDER BY first",
        )?;
        let mut rows = statement.query(params![key, low, high])?;
        while let Some(row) = rows.next()? {
            if !each(row.get(0)?, bytes_of(row, 1)?)? {
                break;
            }
        }
        Ok(())
    }

    /// Posting rows of the keys from `from` up to but not including `to`, keys and rows in order.
    /// `each` returns false to stop.
    pub fn posting_range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        mut each: impl FnMut(&[u8], Rid, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let sql = match (order, to) {
            (Order::Forward, Some(_)) => {
                "SELECT key, first, rids FROM posting WHERE key >= ?1 AND key < ?2
                 ORDER BY key, first"
            }
            (Order::Forward, None) => {
                "SELECT key, first, rids FROM posting WHERE key >= ?1 AND ?2 IS NULL
                 ORDER BY key, first"
            }
            (Order::Backward, Some(_)) => {
                "SELECT key, first, rids FROM posting WHERE key >= ?1 AND key < ?2
                 ORDER BY key DESC, first DESC"
            }
            (Order::Backward, None) => {
                "SELECT key, first, rids FROM posting WHERE key >= ?1 AND ?2 IS NULL
                 ORDER BY key DESC, first DESC"
            }
        };
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params![from, to])?;
        while let Some(row) = rows.next()? {
            if !each(bytes_of(row, 0)?, row.get(1)?, bytes_of(row, 2)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The newest version of a resource up to `at`.
    pub fn ident(&self, rt: ResourceType, id: &str, at: Rid) -> Result<Option<Ident>> {
        let mut statement = self.0.prepare_cached(
            "SELECT vid, rid, kind FROM ident WHERE rt = ?1 AND id = ?2 AND rid <= ?3
             ORDER BY vid DESC LIMIT 1",
        )?;
        let row = statement.query_row(params![rt.0, id, at], |row| {
            Ok(Ident { vid: row.get(0)?, rid: row.get(1)?, kind: kind_of(row.get(2)?, 2)? })
        });
        Ok(row.optional()?)
    }

    /// As [`Connection::ident`] for many, in their order.
    pub fn idents(&self, of: &[(ResourceType, &str)], at: Rid) -> Result<Vec<Option<Ident>>> {
        of.iter().map(|(rt, id)| self.ident(*rt, id, at)).collect()
    }

    /// Where version `vid` of a resource stands.
    pub fn rid_of(&self, rt: ResourceType, id: &str, vid: u32, at: Rid) -> Result<Option<Rid>> {
        let mut statement = self.0.prepare_cached(
            "SELECT rid FROM ident WHERE rt = ?1 AND id = ?2 AND vid = ?3 AND rid <= ?4",
        )?;
        Ok(statement.query_row(params![rt.0, id, vid, at], |row| row.get(0)).optional()?)
    }

    pub fn head(&self, rid: Rid) -> Result<Head> {
        const SQL: &str = "SELECT rid, rt, id, vid, at, kind FROM version WHERE rid = ?1";
        let head = self.0.prepare_cached(SQL)?.query_row([rid], head_of).optional()?;
        head.ok_or_else(not_there)
    }

    /// As [`Connection::head`] for many, in their order.
    pub fn heads(&self, rids: &[Rid]) -> Result<Vec<Head>> {
        rids.iter().map(|rid| self.head(*rid)).collect()
    }

    pub fn version(&self, rid: Rid, bodies: &mut body::Reader) -> Result<Version> {
        const SQL: &str = "SELECT rid, rt, id, vid, at, kind, dictionary, size, body
            FROM version WHERE rid = ?1";
        let mut statement = self.0.prepare_cached(SQL)?;
        let mut rows = statement.query([rid])?;
        match rows.next()? {
            Some(row) => self.version_of(row, bodies),
            None => Err(not_there()),
        }
    }

    /// As [`Connection::version`] for many, in their order.
    pub fn versions(&self, rids: &[Rid], bodies: &mut body::Reader) -> Result<Vec<Version>> {
        rids.iter().map(|rid| self.version(*rid, bodies)).collect()
    }

    /// Hands over versions in the order of `rids`, which rise, until `each` says false. Neighbours
    /// are read in one scan, bodies into one buffer.
    pub fn each_version(
        &self,
        rids: &[Rid],
        bodies: &mut body::Reader,
        mut each: impl FnMut(&Head, &[u8]) -> bool,
    ) -> Result<()> {
        let mut scan = self.0.prepare_cached(
            "SELECT rid, rt, id, vid, at, kind, dictionary, size, body
             FROM version WHERE rid BETWEEN ?1 AND ?2 ORDER BY rid",
        )?;
        let mut wanted = rids.iter().copied().peekable();
        let mut buffer = Vec::new();
        for run in rids.chunk_by(|a, b| b.saturating_sub(*a) <= SCAN_GAP_MAX) {
            let mut rows = scan.query(params![run.first(), run.last()])?;
            while let Some(row) = rows.next()? {
                let rid: Rid = row.get(0)?;
                if wanted.next_if_eq(&rid).is_none() {
                    continue;
                }
                let head = head_of(row)?;
                let (dictionary, size): (u32, usize) = (row.get(6)?, size_of(row, 7)?);
                buffer.clear();
                if head.kind != ChangeKind::Delete {
                    let number = dictionary & !body::IS_CUT;
                    bodies.read_into(number, size, bytes_of(row, 8)?, &mut buffer)?;
                }
                if dictionary & body::IS_CUT != 0 {
                    buffer = blob::join(self, &buffer)?;
                }
                if !each(&head, &buffer) {
                    return Ok(());
                }
            }
        }
        if wanted.next().is_some() { Err(not_there()) } else { Ok(()) }
    }

    /// The newest version of a resource up to `at`, in one look.
    pub fn current(
        &self,
        rt: ResourceType,
        id: &str,
        at: Rid,
        bodies: &mut body::Reader,
    ) -> Result<Option<Version>> {
        const SQL: &str =
            "SELECT v.rid, v.rt, v.id, v.vid, v.at, v.kind, v.dictionary, v.size, v.body
             FROM ident i JOIN version v ON v.rid = i.rid
             WHERE i.rt = ?1 AND i.id = ?2 AND i.rid <= ?3 ORDER BY i.vid DESC LIMIT 1";
        let mut statement = self.0.prepare_cached(SQL)?;
        let mut rows = statement.query(params![rt.0, id, at])?;
        rows.next()?.map(|row| self.version_of(row, bodies)).transpose()
    }

    /// A row of `HEAD_COLUMNS, dictionary, size, body`.
    fn version_of(&self, row: &Row<'_>, bodies: &mut body::Reader) -> Result<Version> {
        let head = head_of(row)?;
        let (dictionary, size) = (row.get(6)?, size_of(row, 7)?);
        let body = self.body(head.kind, dictionary, size, bytes_of(row, 8)?, bodies)?;
        Ok(Version { head, body })
    }

    /// A body as it was given to be written.
    pub fn body(
        &self,
        kind: ChangeKind,
        dictionary: u32,
        size: usize,
        stored: &[u8],
        bodies: &mut body::Reader,
    ) -> Result<Vec<u8>> {
        bodies.whole(self, kind, (dictionary, size), stored)
    }

    /// Hands over id, time and packed index values of a version.
    pub fn values<T>(
        &self,
        rid: Rid,
        take: impl FnOnce(&str, i64, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let mut statement =
            self.0.prepare_cached("SELECT id, at, packed FROM version WHERE rid = ?1")?;
        let mut rows = statement.query([rid])?;
        let row = rows.next()?.ok_or_else(not_there)?;
        let id = row.get_ref(0)?.as_str().map_err(|_| Error::corrupt("an id"))?;
        take(id, row.get(1)?, bytes_of(row, 2)?)
    }

    /// As [`Connection::values`] for many versions, in their order. Neighbours are read in one
    /// scan.
    pub fn each_values(
        &self,
        rids: &RoaringBitmap,
        mut each: impl FnMut(Rid, &str, i64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut scan = self.0.prepare_cached(
            "SELECT rid, id, at, packed FROM version WHERE rid BETWEEN ?1 AND ?2 ORDER BY rid",
        )?;
        let mut wanted = rids.iter().peekable();
        while let Some(first) = wanted.next() {
            let mut last = first;
            while let Some(next) = wanted.next_if(|rid| rid - last <= SCAN_GAP_MAX) {
                last = next;
            }
            let mut rows = scan.query(params![first, last])?;
            while let Some(row) = rows.next()? {
                let rid: Rid = row.get(0)?;
                if rids.contains(rid) {
                    let id = row.get_ref(1)?.as_str().map_err(|_| Error::corrupt("an id"))?;
                    each(rid, id, row.get(2)?, bytes_of(row, 3)?)?;
                }
            }
        }
        Ok(())
    }

    /// Versions of a resource below `below` and not before `since_ms`, newest first.
    pub fn history_of(
        &self,
        rt: ResourceType,
        id: &str,
        below: Rid,
        since_ms: i64,
        limit: usize,
    ) -> Result<Vec<Rid>> {
        self.rids(
            "SELECT i.rid FROM ident i JOIN version v ON v.rid = i.rid
             WHERE i.rt = ?1 AND i.id = ?2 AND i.rid < ?3 AND v.at >= ?4
             ORDER BY i.vid DESC LIMIT ?5",
            params![rt.0, id, below, since_ms, limit as i64],
        )
    }

    /// All versions below `below` and not before `since_ms`, newest first.
    pub fn history(&self, below: Rid, since_ms: i64, limit: usize) -> Result<Vec<Rid>> {
        self.rids(
            "SELECT rid FROM version WHERE rid < ?1 AND at >= ?2 ORDER BY rid DESC LIMIT ?3",
            params![below, since_ms, limit as i64],
        )
    }

    pub fn history_of_count(
        &self,
        rt: ResourceType,
        id: &str,
        at: Rid,
        since_ms: i64,
    ) -> Result<u64> {
        self.count(
            "SELECT count(*) FROM ident i JOIN version v ON v.rid = i.rid
             WHERE i.rt = ?1 AND i.id = ?2 AND i.rid <= ?3 AND v.at >= ?4",
            params![rt.0, id, at, since_ms],
        )
    }

    pub fn history_count(&self, at: Rid, since_ms: i64) -> Result<u64> {
        let sql = "SELECT count(*) FROM version WHERE rid <= ?1 AND at >= ?2";
        self.count(sql, params![at, since_ms])
    }

    pub fn item(&self, collection: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut statement =
            self.0.prepare_cached("SELECT value FROM item WHERE collection = ?1 AND key = ?2")?;
        Ok(statement.query_row(params![collection, key], |row| row.get(0)).optional()?)
    }

    /// Items whose key begins with `prefix` and lies behind `after`, in key order.
    pub fn items(
        &self,
        collection: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        let end = crate::key::after_prefix(prefix);
        let (from, is_open) = match after {
            Some(after) if after >= prefix => (after, true),
            _ => (prefix, false),
        };
        // Both ends are bounds of the key, so that no row is passed over.
        let mut statement = self.0.prepare_cached(match end {
            Some(_) => {
                "SELECT key, value FROM item WHERE collection = ?1 AND key >= ?2 AND key < ?5
                 AND (?3 IS FALSE OR key > ?2) ORDER BY key LIMIT ?4"
            }
            None => {
                "SELECT key, value FROM item WHERE collection = ?1 AND key >= ?2
                 AND (?3 IS FALSE OR key > ?2) AND ?5 IS NULL ORDER BY key LIMIT ?4"
            }
        })?;
        let rows = statement
            .query_map(params![collection, from, is_open, limit as i64, end], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Versions behind `after` up to `at`, in commit order.
    pub fn feed(
        &self,
        after: Rid,
        at: Rid,
        limit: usize,
        bodies: &mut body::Reader,
    ) -> Result<Vec<Version>> {
        let sql = format!(
            "SELECT {HEAD_COLUMNS}, dictionary, size, body FROM version
             WHERE rid > ?1 AND rid <= ?2 ORDER BY rid LIMIT ?3"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let mut rows = statement.query(params![after, at, limit as i64])?;
        let mut versions = Vec::new();
        while let Some(row) = rows.next()? {
            versions.push(self.version_of(row, bodies)?);
        }
        Ok(versions)
    }

    /// Newest versions up to `at` of the resources of a type whose id lies behind `after`, in
    /// order of their ids. `each` returns false to stop.
    pub fn each_ident(
        &self,
        rt: ResourceType,
        after: &str,
        at: Rid,
        mut each: impl FnMut(Rid, ChangeKind) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = self.0.prepare_cached(
            "SELECT id, max(vid), rid, kind FROM ident
             WHERE rt = ?1 AND id > ?2 AND rid <= ?3 GROUP BY id ORDER BY id",
        )?;
        let mut rows = statement.query(params![rt.0, after, at])?;
        while let Some(row) = rows.next()? {
            if !each(row.get(2)?, kind_of(row.get(3)?, 3)?)? {
                break;
            }
        }
        Ok(())
    }

    /// Audit leaves from `seq` on, at most `limit`.
    pub fn audit(
        &self,
        seq: u64,
        limit: usize,
        mut each: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let seq = i64::try_from(seq).map_err(|_| Error::corrupt("an audit number"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self
            .0
            .prepare_cached("SELECT seq, leaf FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = statement.query(params![seq, limit])?;
        while let Some(row) = rows.next()? {
            each(row.get::<_, i64>(0)?.unsigned_abs(), bytes_of(row, 1)?)?;
        }
        Ok(())
    }

    /// Outbox rows that are due, oldest first.
    pub fn outbox(&self, now_ms: i64, limit: usize) -> Result<Vec<OutboxTask>> {
        let mut statement = self.0.prepare_cached(
            "SELECT seq, topic, payload, due, attempts FROM outbox WHERE due <= ?1
             ORDER BY seq LIMIT ?2",
        )?;
        let rows = statement.query_map(params![now_ms, limit as i64], |row| {
            Ok(OutboxTask {
                seq: row.get(0)?,
                topic: row.get(1)?,
                payload: row.get(2)?,
                due_ms: row.get(3)?,
                attempts: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What the versions above `at` replaced.
    pub fn each_death(&self, at: Rid, mut each: impl FnMut(Rid)) -> Result<()> {
        let mut statement =
            self.0.prepare_cached("SELECT prev FROM version WHERE rid > ?1 AND prev > 0")?;
        let mut rows = statement.query([at])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?);
        }
        Ok(())
    }

    /// The first version of a resource.
    pub fn first_version(&self, rt: ResourceType, id: &str) -> Result<Option<Rid>> {
        Ok(self
            .0
            .prepare_cached("SELECT rid FROM ident WHERE rt = ?1 AND id = ?2 ORDER BY vid LIMIT 1")?
            .query_row(params![rt.0, id], |row| row.get(0))
            .optional()?)
    }

    /// As [`Connection::first_version`] for many, in their order.
    pub fn first_versions(&self, of: &[(ResourceType, &str)]) -> Result<Vec<Option<Rid>>> {
        of.iter().map(|(rt, id)| self.first_version(*rt, id)).collect()
    }
}

impl Blobs for Connection {
    fn chunks(&self, hash: &blob::Hash, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.blob(hash, each)
    }
}

/// Writing. All but the last three happen between `begin` and `commit`.
impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode as C;
        let (kind, public) = match e.sqlite_error_code() {
            Some(C::DiskFull) => {
                (Kind::DiskFull, "the disk is full; nothing was written, free some space")
            }
            Some(C::NotADatabase) => (Kind::WrongKey, "the key does not open the database"),
            Some(C::DatabaseCorrupt) => (Kind::Corrupt, "the database file is damaged"),
            Some(C::DatabaseBusy | C::DatabaseLocked) => {
                (Kind::Locked, "the database is in use by another process")
            }
            _ => (Kind::Broken, "the database could not be read or written"),
        };
        Error::with(kind, public, e)
    }
}

impl From<rusqlite::Error> for CommitError {
    fn from(e: rusqlite::Error) -> CommitError {
        CommitError::Failed(e.into())
    }
}
