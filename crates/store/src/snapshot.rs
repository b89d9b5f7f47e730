//! Reading at one point in commit order.

use std::cell::Cell;
use std::sync::Arc;

use fhir_tables::ResourceType;
use rusqlite::{OptionalExtension, params};

use crate::error::{Error, Result};
use crate::key;
use crate::memory::Generation;
use crate::store::{Reader, Shared, Store};
use crate::types::{ChangeKind, Head, OutboxTask, Rid, Scope, Version};
use crate::view::{EVERYTHING, HEAD_COLUMNS, View, version_of};

/// A consistent view of the record. Holds a read transaction: keep it short.
pub struct Snapshot {
    pub(crate) shared: Arc<Shared>,
    /// `None` only while dropping.
    reader: Option<Reader>,
    pub(crate) generations: Vec<Arc<Generation>>,
    epoch: u64,
    at: Rid,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take()
            && run(&reader.connection, "COMMIT").is_ok()
        {
            self.shared.give_back(reader);
        }
    }
}

/// Runs a statement that takes and gives nothing, parsed once for a connection.
pub(crate) fn run(connection: &rusqlite::Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

impl Snapshot {
    pub(crate) fn begin(shared: Arc<Shared>, at: Option<Rid>) -> Result<Snapshot> {
        let reader = shared.take_reader()?;
        // First the lists in memory, then the number, then the transaction: what is moved to disk
        // in between is seen twice, never missed.
        let epoch = shared.lists.epoch();
        let generations = shared.generations();
        let now = shared.live(|live| live.at);
        run(&reader.connection, "BEGIN")?;
        // A read transaction begins with its first statement.
        reader
            .connection
            .prepare_cached("SELECT 1 FROM meta LIMIT 1")?
            .query_row([], |_| Ok(()))
            .optional()?;
        let at = at.map_or(now, |at| at.min(now));
        Ok(Snapshot { shared, reader: Some(reader), generations, epoch, at })
    }

    /// Number of the last version that this snapshot sees.
    pub fn at(&self) -> Rid {
        self.at
    }

    pub(crate) fn reader(&self) -> &Reader {
        self.reader.as_ref().expect("taken only in drop")
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            shared: &self.shared,
            connection: &self.reader().connection,
            generations: &self.generations,
            at: self.at,
            pending_deaths: &[],
            bounds: Cell::new(EVERYTHING),
            epoch: Some(self.epoch),
        }
    }

    /// Runs with the view and the decompressor at once.
    pub(crate) fn with<T>(
        &mut self,
        f: impl FnOnce(&View<'_>, &mut crate::body::Reader) -> Result<T>,
    ) -> Result<T> {
        let Reader { connection, bodies } = self.reader.as_mut().expect("taken only in drop");
        let view = View {
            shared: &self.shared,
            connection,
            generations: &self.generations,
            at: self.at,
            pending_deaths: &[],
            bounds: Cell::new(EVERYTHING),
            epoch: Some(self.epoch),
        };
        f(&view, bodies)
    }

    /// The newest version of a resource, which may be a deletion.
    pub fn current(&mut self, rt: ResourceType, id: &str) -> Result<Option<Version>> {
        self.with(|view, bodies| match view.ident(rt, id)? {
            Some(ident) => Ok(Some(view.version(ident.rid, bodies)?)),
            None => Ok(None),
        })
    }

    /// As [`Snapshot::current`] without body.
    pub fn head(&self, rt: ResourceType, id: &str) -> Result<Option<Head>> {
        let view = self.view();
        view.ident(rt, id)?.map(|ident| view.head(ident.rid)).transpose()
    }

    /// True when the resource exists and is not deleted.
    pub fn exists(&self, rt: ResourceType, id: &str) -> Result<bool> {
        self.view().exists(rt, id)
    }

    /// Version `vid` of a resource.
    pub fn version(&mut self, rt: ResourceType, id: &str, vid: u32) -> Result<Option<Version>> {
        self.with(|view, bodies| {
            let rid: Option<Rid> = view
                .connection
                .prepare_cached(
                    "SELECT rid FROM ident WHERE rt = ?1 AND id = ?2 AND vid = ?3 AND rid <= ?4",
                )?
                .query_row(params![rt.0, id, vid, view.at], |row| row.get(0))
                .optional()?;
            rid.map(|rid| view.version(rid, bodies)).transpose()
        })
    }

    /// Versions, newest first, and whether there are more.
    ///
    /// `since_ms`: only versions at or after. `before`: only versions below this number.
    pub fn history(
        &mut self,
        scope: Scope<'_>,
        since_ms: Option<i64>,
        before: Option<Rid>,
        count: usize,
    ) -> Result<(Vec<Version>, bool)> {
        let rids = self.history_rids(scope, since_ms, before, count + 1)?;
        let more = rids.len() > count;
        self.with(|view, bodies| {
            let versions: Result<Vec<Version>> =
                rids.iter().take(count).map(|rid| view.version(*rid, bodies)).collect();
            Ok((versions?, more))
        })
    }

    fn history_rids(
        &self,
        scope: Scope<'_>,
        since_ms: Option<i64>,
        before: Option<Rid>,
        limit: usize,
    ) -> Result<Vec<Rid>> {
        let view = self.view();
        let below = before.unwrap_or(Rid::MAX).min(self.at.saturating_add(1));
        let since = since_ms.unwrap_or(i64::MIN);
        match scope {
            Scope::Instance(rt, id) => {
                let mut statement = view.connection.prepare_cached(
                    "SELECT i.rid FROM ident i JOIN version v ON v.rid = i.rid
                     WHERE i.rt = ?1 AND i.id = ?2 AND i.rid < ?3 AND v.at >= ?4
                     ORDER BY i.vid DESC LIMIT ?5",
                )?;
                let rows = statement
                    .query_map(params![rt.0, id, below, since, limit as i64], |r| r.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Scope::System => {
                let mut statement = view.connection.prepare_cached(
                    "SELECT rid FROM version WHERE rid < ?1 AND at >= ?2
                     ORDER BY rid DESC LIMIT ?3",
                )?;
                let rows =
                    statement.query_map(params![below, since, limit as i64], |row| row.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Scope::Type(rt) => {
                let rids = view.fetch(&key::of_type(rt))? | view.fetch(&key::deletions(rt))?;
                let mut found = Vec::new();
                for rid in rids.iter().rev().skip_while(|rid| *rid >= below) {
                    if since_ms.is_some() && view.head(rid)?.last_updated_ms < since {
                        continue;
                    }
                    found.push(rid);
                    if found.len() == limit {
                        break;
                    }
                }
                Ok(found)
            }
        }
    }

    /// Number of versions in a history.
    pub fn history_count(&self, scope: Scope<'_>, since_ms: Option<i64>) -> Result<u64> {
        let view = self.view();
        let since = since_ms.unwrap_or(i64::MIN);
        let count = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<u64> {
            let n: i64 = view.connection.prepare_cached(sql)?.query_row(values, |r| r.get(0))?;
            Ok(n.unsigned_abs())
        };
        match scope {
            Scope::Instance(rt, id) => count(
                "SELECT count(*) FROM ident i JOIN version v ON v.rid = i.rid
                 WHERE i.rt = ?1 AND i.id = ?2 AND i.rid <= ?3 AND v.at >= ?4",
                &[&rt.0, &id, &self.at, &since],
            ),
            // Versions are numbered without gaps.
            Scope::System if since_ms.is_none() => Ok(u64::from(self.at)),
            Scope::System => count(
                "SELECT count(*) FROM version WHERE rid <= ?1 AND at >= ?2",
                &[&self.at, &since],
            ),
            Scope::Type(rt) => {
                let mut rids = view.fetch(&key::of_type(rt))? | view.fetch(&key::deletions(rt))?;
                rids.remove_range(self.at.saturating_add(1)..);
                if since_ms.is_none() {
                    return Ok(rids.len());
                }
                let mut n = 0;
                for rid in &rids {
                    n += u64::from(view.head(rid)?.last_updated_ms >= since);
                }
                Ok(n)
            }
        }
    }

    /// Current resources that refer to `rt/id`, at most `limit`.
    pub fn references_to(&self, rt: ResourceType, id: &str, limit: usize) -> Result<Vec<Head>> {
        let view = self.view();
        view.referrers(rt, id)?.iter().take(limit).map(|rid| view.head(rid)).collect()
    }

    /// An item of a named collection.
    pub fn item(&self, collection: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self
            .reader()
            .connection
            .prepare_cached("SELECT value FROM item WHERE collection = ?1 AND key = ?2")?
            .query_row(params![collection, key], |row| row.get(0))
            .optional()?)
    }

    /// Items whose key begins with `prefix` and lies behind `after`, in key order.
    pub fn items(
        &self,
        collection: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut statement = self.reader().connection.prepare_cached(
            "SELECT key, value FROM item
             WHERE collection = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?3)
               AND substr(key, 1, length(?2)) = ?2
             ORDER BY key LIMIT ?4",
        )?;
        let rows = statement
            .query_map(params![collection, prefix, after, limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The change feed: versions behind `after`, in commit order.
    pub fn feed(&mut self, after: Rid, limit: usize) -> Result<Vec<Version>> {
        self.with(|view, bodies| {
            let sql = format!(
                "SELECT {HEAD_COLUMNS}, dictionary, size, body FROM version
                 WHERE rid > ?1 AND rid <= ?2 ORDER BY rid LIMIT ?3"
            );
            let mut statement = view.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![after, view.at, limit as i64])?;
            let mut versions = Vec::new();
            while let Some(row) = rows.next()? {
                versions.push(version_of(row, view.connection, bodies)?);
            }
            Ok(versions)
        })
    }

    /// Current resources of a type behind `after`, in order of their ids.
    pub fn by_id(
        &mut self,
        rt: ResourceType,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        self.with(|view, bodies| {
            let mut statement = view.connection.prepare_cached(
                "SELECT id, max(vid), rid, kind FROM ident
                 WHERE rt = ?1 AND id > ?2 AND rid <= ?3 GROUP BY id ORDER BY id",
            )?;
            let mut rows = statement.query(params![rt.0, after.unwrap_or(""), view.at])?;
            let mut versions = Vec::new();
            while versions.len() < limit
                && let Some(row) = rows.next()?
            {
                if row.get::<_, i64>(3)? != ChangeKind::Delete as i64 {
                    versions.push(view.version(row.get(2)?, bodies)?);
                }
            }
            Ok(versions)
        })
    }

    /// Number of current resources by type, types without any left out.
    pub fn counts(&self) -> Result<Vec<(ResourceType, u64)>> {
        let view = self.view();
        let mut counts = Vec::new();
        for rt in ResourceType::ALL {
            let n = view.visible(view.fetch(&key::of_type(rt))?)?.len();
            if n > 0 {
                counts.push((rt, n));
            }
        }
        Ok(counts)
    }

    /// Audit leaves from `seq` on.
    pub fn audit(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut statement = self
            .reader()
            .connection
            .prepare_cached("SELECT seq, leaf FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
        let seq = i64::try_from(seq).map_err(|_| Error::corrupt("an audit number"))?;
        let rows = statement.query_map(params![seq, limit as i64], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Outbox rows that are due, oldest first.
    pub fn outbox(&self, now_ms: i64, limit: usize) -> Result<Vec<OutboxTask>> {
        let mut statement = self.reader().connection.prepare_cached(
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
}

impl Store {
    /// The newest version of a resource: the shortest way to a body.
    pub fn read(&self, rt: ResourceType, id: &str) -> Result<Option<Version>> {
        let shared = self.shared();
        let mut reader = shared.take_reader()?;
        let found = read_current(&mut reader, rt, id, shared.live(|live| live.at));
        shared.give_back(reader);
        found
    }
}

fn read_current(
    reader: &mut Reader,
    rt: ResourceType,
    id: &str,
    at: Rid,
) -> Result<Option<Version>> {
    const SQL: &str = "SELECT v.rid, v.rt, v.id, v.vid, v.at, v.kind, v.dictionary, v.size, v.body
         FROM ident i JOIN version v ON v.rid = i.rid
         WHERE i.rt = ?1 AND i.id = ?2 AND i.rid <= ?3 ORDER BY i.vid DESC LIMIT 1";
    let mut statement = reader.connection.prepare_cached(SQL)?;
    let mut rows = statement.query(params![rt.0, id, at])?;
    match rows.next()? {
        Some(row) => Ok(Some(version_of(row, &reader.connection, &mut reader.bodies)?)),
        None => Ok(None),
    }
}
