//! One consistent look at the record: a database transaction, the lists in memory, and what is
//! current at a version number.

use std::cell::Cell;
use std::sync::Arc;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, params};
use search::value::Indexed;

use crate::blob;
use crate::body;
use crate::error::{Error, Result};
use crate::key;
use crate::memory::Generation;
use crate::posting;
use crate::store::Shared;
use crate::types::{ChangeKind, Head, Rid, Version};

/// Everything that reading needs. Made for a snapshot, and by the writer inside its commit.
pub struct View<'a> {
    pub shared: &'a Shared,
    pub connection: &'a Connection,
    /// Lists that may not be on disk yet. Taken before the transaction began.
    pub generations: &'a [Arc<Generation>],
    /// Versions above do not exist for this view.
    pub at: Rid,
    /// Versions that died in the commit that is being made.
    pub pending_deaths: &'a [Rid],
    /// Only versions in this closed range are wanted: lists are read in part.
    pub bounds: Cell<(Rid, Rid)>,
    /// [`crate::lists::Lists::epoch`], taken before `generations`; `None`: whole lists that are
    /// read are not kept.
    pub epoch: Option<u64>,
}

/// No bounds.
pub const EVERYTHING: (Rid, Rid) = (0, Rid::MAX);

/// Versions this close are cheaper to pass over in a scan than to look up one by one.
const SCAN_GAP_MAX: u32 = 6;

/// Where the current version of a resource stands.
#[derive(Clone, Copy, Debug)]
pub struct Ident {
    pub vid: u32,
    pub rid: Rid,
    pub kind: ChangeKind,
}

pub(crate) const HEAD_COLUMNS: &str = "rid, rt, id, vid, at, kind";

pub(crate) fn head_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    let kind: i64 = row.get(5)?;
    Ok(Head {
        rid: row.get(0)?,
        rt: ResourceType(row.get(1)?),
        id: row.get(2)?,
        vid: row.get(3)?,
        last_updated_ms: row.get(4)?,
        kind: ChangeKind::from_number(kind)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(5, kind))?,
    })
}

/// A row of `HEAD_COLUMNS, dictionary, size, body`.
pub(crate) fn version_of(
    row: &rusqlite::Row<'_>,
    connection: &Connection,
    bodies: &mut body::Reader,
) -> Result<Version> {
    let head = head_of(row)?;
    if head.kind == ChangeKind::Delete {
        return Ok(Version { head, body: Vec::new() });
    }
    let stored = row.get_ref(8)?.as_blob().map_err(|_| Error::corrupt("a body is missing"))?;
    let size = usize::try_from(row.get::<_, i64>(7)?).map_err(|_| Error::corrupt("a size"))?;
    let dictionary: u32 = row.get(6)?;
    let body = bodies.read(dictionary & !body::IS_CUT, size, stored)?;
    let body = if dictionary & body::IS_CUT == 0 { body } else { blob::join(connection, &body)? };
    Ok(Version { head, body })
}

impl View<'_> {
    /// Versions under one key, current or not. Those out of bounds may be left out.
    pub fn fetch(&self, key: &[u8]) -> Result<RoaringBitmap> {
        let mut bitmap = match self.shared.lists.get(key) {
            Some(kept) => (*kept).clone(),
            None => self.read_list(key)?,
        };
        for generation in self.generations {
            generation.get(key, &mut bitmap);
        }
        Ok(bitmap)
    }

    /// What is on disk under a key, within bounds.
    fn read_list(&self, key: &[u8]) -> Result<RoaringBitmap> {
        let mut bitmap = RoaringBitmap::new();
        let (low, high) = self.bounds.get();
        // The row that holds `low` is the last one that begins at or before it.
        let mut rows = self.connection.prepare_cached(
            "SELECT first, rids FROM posting WHERE key = ?1 AND first <= ?3 AND first >= ifnull(
               (SELECT max(first) FROM posting WHERE key = ?1 AND first <= ?2), 0) ORDER BY first",
        )?;
        let mut rows = rows.query(params![key, low, high])?;
        while let Some(row) = rows.next()? {
            let rids = row.get_ref(1)?.as_blob().map_err(|_| Error::corrupt("a posting row"))?;
            posting::decode(row.get(0)?, rids, &mut bitmap)?;
        }
        if let Some(epoch) = self.epoch
            && (low, high) == EVERYTHING
        {
            self.shared.lists.keep(key, &bitmap, epoch);
        }
        Ok(bitmap)
    }

    /// Versions under the keys from `from` up to but not including `to` that `wanted` accepts.
    pub fn fetch_range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<RoaringBitmap> {
        let mut all = RoaringBitmap::new();
        self.each_key(from, to, |key, first, rids| {
            let is_wanted = first <= self.bounds.get().1 && wanted(key);
            if is_wanted { posting::decode(first, rids, &mut all) } else { Ok(()) }
        })?;
        for generation in self.generations {
            generation.range(from, to, |key, rids| {
                if wanted(key) {
                    all |= rids;
                }
            });
        }
        Ok(all)
    }

    fn each_key(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut each: impl FnMut(&[u8], Rid, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, first, rids FROM posting WHERE key >= ?1 AND (?2 IS NULL OR key < ?2)",
        )?;
        let mut bounded = self
            .connection
            .prepare_cached("SELECT key, first, rids FROM posting WHERE key >= ?1 AND key < ?2")?;
        let mut rows = match to {
            Some(to) => bounded.query(params![from, to])?,
            None => statement.query(params![from, None::<&[u8]>])?,
        };
        while let Some(row) = rows.next()? {
            let damaged = |_| Error::corrupt("a posting row");
            let key = row.get_ref(0)?.as_blob().map_err(damaged)?;
            let rids = row.get_ref(2)?.as_blob().map_err(damaged)?;
            each(key, row.get(1)?, rids)?;
        }
        Ok(())
    }

    /// Keys with their versions, in key order, from disk and memory together.
    /// `each` returns false to stop. For walking values in order.
    pub fn walk(
        &self,
        from: &[u8],
        to: &[u8],
        backward: bool,
        mut each: impl FnMut(&[u8], RoaringBitmap) -> Result<bool>,
    ) -> Result<()> {
        let mut memory = std::collections::BTreeMap::<Vec<u8>, RoaringBitmap>::new();
        for generation in self.generations {
            generation.range(from, Some(to), |key, rids| {
                *memory.entry(key.to_vec()).or_default() |= rids;
            });
        }
        let sql = if backward {
            "SELECT key, first, rids FROM posting WHERE key >= ?1 AND key < ?2
             ORDER BY key DESC, first DESC"
        } else {
            "SELECT key, first, rids FROM posting WHERE key >= ?1 AND key < ?2
             ORDER BY key, first"
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![from, to])?;
        let mut current: Option<(Vec<u8>, RoaringBitmap)> = None;
        let mut more = true;
        while more {
            let row = rows.next()?;
            let key = match &row {
                Some(row) => Some(row.get::<_, Vec<u8>>(0)?),
                None => None,
            };
            if key.is_none() || current.as_ref().is_some_and(|(k, _)| Some(k) != key.as_ref()) {
                if let Some((k, rids)) = current.take() {
                    more = step(&mut memory, backward, k, rids, &mut each)?;
                }
                if key.is_none() {
                    break;
                }
            }
            if let (Some(row), Some(key)) = (row, key) {
                let rids = row.get_ref(2)?.as_blob().map_err(|_| Error::corrupt("a posting"))?;
                let (_, into) = current.get_or_insert_with(|| (key, RoaringBitmap::new()));
                posting::decode(row.get(1)?, rids, into)?;
            }
        }
        while more && let Some((k, rids)) = pop(&mut memory, backward) {
            more = each(&k, rids)?;
        }
        Ok(())
    }

    /// Keeps those of `rids` that are current in this view.
    pub fn visible(&self, mut rids: RoaringBitmap) -> Result<RoaringBitmap> {
        rids.remove_range(self.at.saturating_add(1)..);
        self.shared.live(|live| {
            let mut kept = &rids - &live.dead;
            if self.at < live.at {
                live.revived(self.connection, self.at, |victim| {
                    if rids.contains(victim) {
                        kept.insert(victim);
                    }
                })?;
            }
            for victim in self.pending_deaths {
                kept.remove(*victim);
            }
            Ok(kept)
        })
    }

    /// The newest version of a resource in this view.
    pub fn ident(&self, rt: ResourceType, id: &str) -> Result<Option<Ident>> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT vid, rid, kind FROM ident WHERE rt = ?1 AND id = ?2 AND rid <= ?3
                 ORDER BY vid DESC LIMIT 1",
            )?
            .query_row(params![rt.0, id, self.at], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        row.map(|(vid, rid, kind)| {
            let kind = ChangeKind::from_number(kind).ok_or_else(|| Error::corrupt("a kind"))?;
            Ok(Ident { vid, rid, kind })
        })
        .transpose()
    }

    pub fn exists(&self, rt: ResourceType, id: &str) -> Result<bool> {
        Ok(self.ident(rt, id)?.is_some_and(|i| i.kind != ChangeKind::Delete))
    }

    pub fn head(&self, rid: Rid) -> Result<Head> {
        let sql = format!("SELECT {HEAD_COLUMNS} FROM version WHERE rid = ?1");
        let head = self.connection.prepare_cached(&sql)?.query_row([rid], head_of).optional()?;
        head.ok_or_else(|| Error::corrupt("an index names a version that is not there"))
    }

    pub fn version(&self, rid: Rid, bodies: &mut body::Reader) -> Result<Version> {
        let sql =
            format!("SELECT {HEAD_COLUMNS}, dictionary, size, body FROM version WHERE rid = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([rid])?;
        match rows.next()? {
            Some(row) => version_of(row, self.connection, bodies),
            None => Err(Error::corrupt("an index names a version that is not there")),
        }
    }

    /// Index values that stand with a version, with id and time of its resource.
    pub fn values(&self, rid: Rid) -> Result<(String, i64, Vec<Indexed>)> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, at, packed FROM version WHERE rid = ?1")?;
        let mut rows = statement.query([rid])?;
        let row = rows
            .next()?
            .ok_or_else(|| Error::corrupt("an index names a version that is not there"))?;
        let packed = row.get_ref(2)?.as_blob().map_err(|_| Error::corrupt("packed values"))?;
        Ok((row.get(0)?, row.get(1)?, self.shared.unpack(packed)?))
    }

    /// As [`View::values`] for many versions, in their order. Neighbours are read in one scan.
    pub fn each_values(
        &self,
        rids: &RoaringBitmap,
        mut each: impl FnMut(Rid, &str, i64, Vec<Indexed>) -> Result<()>,
    ) -> Result<()> {
        let mut scan = self.connection.prepare_cached(
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
                if !rids.contains(rid) {
                    continue;
                }
                let damaged = |_| Error::corrupt("packed values");
                let id = row.get_ref(1)?.as_str().map_err(damaged)?;
                let packed = row.get_ref(3)?.as_blob().map_err(damaged)?;
                each(rid, id, row.get(2)?, self.shared.unpack(packed)?)?;
            }
        }
        Ok(())
    }

    /// All index values of a version, those that only its body tells included.
    pub fn values_of_body(
        &self,
        rid: Rid,
        bodies: &mut body::Reader,
    ) -> Result<(String, i64, Vec<Indexed>)> {
        let version = self.version(rid, bodies)?;
        let values = index_body(version.rt, version.body)?;
        Ok((version.head.id, version.head.last_updated_ms, values))
    }

    /// Current resources that refer to `rt/id`, wherever the reference stands.
    pub fn referrers(&self, rt: ResourceType, id: &str) -> Result<RoaringBitmap> {
        let from = key::referrers(rt, id);
        let to = key::after_prefix(&from);
        let rids = self.fetch_range(&from, to.as_deref(), |_| true)?;
        self.visible(rids)
    }
}

/// Index values of a stored body.
pub(crate) fn index_body(rt: ResourceType, body: Vec<u8>) -> Result<Vec<Indexed>> {
    let doc = fhir::json::Doc::parse(body)
        .map_err(|e| Error::with(crate::Kind::Corrupt, "a stored body is no JSON", e))?;
    Ok(search::index(rt, doc.root(), ""))
}

fn pop(
    memory: &mut std::collections::BTreeMap<Vec<u8>, RoaringBitmap>,
    backward: bool,
) -> Option<(Vec<u8>, RoaringBitmap)> {
    if backward { memory.pop_last() } else { memory.pop_first() }
}

/// Hands out what memory has before `key`, then `key` itself joined with what memory has of it.
fn step(
    memory: &mut std::collections::BTreeMap<Vec<u8>, RoaringBitmap>,
    backward: bool,
    key: Vec<u8>,
    mut rids: RoaringBitmap,
    each: &mut impl FnMut(&[u8], RoaringBitmap) -> Result<bool>,
) -> Result<bool> {
    loop {
        let next = if backward { memory.last_key_value() } else { memory.first_key_value() };
        let before = match next {
            Some((k, _)) if backward => *k > key,
            Some((k, _)) => *k < key,
            None => false,
        };
        if !before {
            break;
        }
        if let Some((k, more)) = pop(memory, backward)
            && !each(&k, more)?
        {
            return Ok(false);
        }
    }
    if let Some(more) = memory.remove(&key) {
        rids |= more;
    }
    each(&key, rids)
}
