//! Reading: single statements, each bounded by a version number.
//!
//! Long results are read in parts, so that memory does not grow with the record, and no closure
//! runs while the connection is in use.

use fhir_tables::ResourceType;
use postgres::Row;
use roaring::RoaringBitmap;

use super::{Connection, Head as SharedHead, bytes_of, failure, number, rid_of, text_of};
use crate::blob;
use crate::body;
use crate::disk::{Blobs, ChainRow, Ident, Item, LogRow, Order, Stored};
use crate::error::{Error, Result};
use crate::types::{ChangeKind, Head, OutboxTask, Rid, Version};

/// Rows of one part of a long result.
const PART_ROWS: i64 = 2_000;
/// As [`PART_ROWS`] where rows hold bodies.
const PART_BODIES: i64 = 500;

fn not_there() -> Error {
    Error::corrupt("an index names a version that is not there")
}

fn kind_of(row: &Row, column: usize) -> Result<ChangeKind> {
    let kind: i16 = row.try_get(column).map_err(failure)?;
    ChangeKind::from_number(kind.into()).ok_or_else(|| Error::corrupt("a kind"))
}

fn rt_of(row: &Row, column: usize) -> Result<ResourceType> {
    let rt: i16 = row.try_get(column).map_err(failure)?;
    u8::try_from(rt).map(ResourceType).map_err(|_| Error::corrupt("a type"))
}

/// A row of `rid, rt, id, vid, at, kind`.
fn head_of(row: &Row) -> Result<Head> {
    Ok(Head {
        rid: rid_of(row, 0)?,
        rt: rt_of(row, 1)?,
        id: text_of(row, 2)?.to_owned(),
        vid: number(row, 3)?,
        last_updated_ms: row.try_get(4).map_err(failure)?,
        kind: kind_of(row, 5)?,
    })
}

fn dictionary_of(row: &Row, column: usize) -> Result<u32> {
    let n: i32 = row.try_get(column).map_err(failure)?;
    u32::try_from(n).map_err(|_| Error::corrupt("the number of a dictionary"))
}

fn count_of(row: Option<Row>) -> Result<u64> {
    row.map_or(Ok(0), |row| number(&row, 0))
}

fn small(rt: ResourceType) -> i16 {
    i16::from(rt.0)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The smallest byte string behind all that begin with `prefix`; `None`: there is no end.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    crate::key::after_prefix(prefix)
}

impl Connection {
    pub fn begin_read(&self) -> Result<()> {
        Ok(())
    }

    pub fn end_read(&self) -> Result<()> {
        Ok(())
    }

    /// What all processes agree on.
    pub fn shared_head(&self) -> Result<SharedHead> {
        let sql = "SELECT revision, last, at, audit, flushed FROM vitae.head WHERE practice = $1";
        let row = self.query_opt(sql, &[&self.practice()])?;
        let row = row.ok_or_else(|| Error::corrupt("the practice has no head"))?;
        Ok(SharedHead {
            revision: row.try_get(0).map_err(failure)?,
            last: rid_of(&row, 1)?,
            last_at_ms: row.try_get(2).map_err(failure)?,
            audit: bytes_of(&row, 3)?.to_vec(),
            flushed: rid_of(&row, 4)?,
        })
    }

    /// The last version, and the last one whose keys are all in posting rows.
    pub fn last_and_flushed(&self) -> Result<(Rid, Rid)> {
        let sql = "SELECT last, flushed FROM vitae.head WHERE practice = $1";
        let row = self.query_opt(sql, &[&self.practice()])?;
        let row = row.ok_or_else(|| Error::corrupt("the practice has no head"))?;
        Ok((rid_of(&row, 0)?, rid_of(&row, 1)?))
    }

    pub fn postings(
        &self,
        key: &[u8],
        low: Rid,
        high: Rid,
        mut each: impl FnMut(Rid, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        // The row that holds `low` is the last one that begins at or before it.
        let rows = if (low, high) == crate::view::EVERYTHING {
            self.query(
                "SELECT first, rids FROM vitae.posting WHERE practice = $1 AND key = $2
                 ORDER BY first",
                &[&self.practice(), &key],
            )?
        } else {
            self.query(
                "SELECT first, rids FROM vitae.posting
                 WHERE practice = $1 AND key = $2 AND first <= $4 AND first >= coalesce(
                   (SELECT max(first) FROM vitae.posting
                    WHERE practice = $1 AND key = $2 AND first <= $3), 0) ORDER BY first",
                &[&self.practice(), &key, &i64::from(low), &i64::from(high)],
            )?
        };
        for row in &rows {
            if !each(rid_of(row, 0)?, bytes_of(row, 1)?)? {
                break;
            }
        }
        Ok(())
    }

    pub fn posting_range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        mut each: impl FnMut(&[u8], Rid, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let forward = order == Order::Forward;
        // No key begins with this.
        let to = to.unwrap_or(&[u8::MAX, u8::MAX]);
        // The place behind which the next part begins.
        let mut key = if forward { from.to_vec() } else { to.to_vec() };
        let mut first = -1i64;
        loop {
            let rows = if forward {
                self.query(
                    "SELECT key, first, rids FROM vitae.posting
                     WHERE practice = $1 AND (key, first) > ($2, $3) AND key < $4
                     ORDER BY key, first LIMIT $5",
                    &[&self.practice(), &key, &first, &to, &PART_ROWS],
                )?
            } else {
                self.query(
                    "SELECT key, first, rids FROM vitae.posting
                     WHERE practice = $1 AND (key, first) < ($2, $3) AND key >= $4
                     ORDER BY key DESC, first DESC LIMIT $5",
                    &[&self.practice(), &key, &first, &from, &PART_ROWS],
                )?
            };
            for row in &rows {
                if !each(bytes_of(row, 0)?, rid_of(row, 1)?, bytes_of(row, 2)?)? {
                    return Ok(());
                }
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_ROWS => {
                    key = bytes_of(row, 0)?.to_vec();
                    first = row.try_get(1).map_err(failure)?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn ident(&self, rt: ResourceType, id: &str, at: Rid) -> Result<Option<Ident>> {
        if let Some(known) = self.pending.borrow().ident(rt, id) {
            return Ok(known);
        }
        let row = self.query_opt(
            "SELECT vid, rid, kind FROM vitae.version
             WHERE practice = $1 AND rt = $2 AND id = $3 AND rid <= $4
             ORDER BY vid DESC LIMIT 1",
            &[&self.practice(), &small(rt), &id, &i64::from(at)],
        )?;
        row.map(|row| {
            Ok(Ident { vid: number(&row, 0)?, rid: rid_of(&row, 1)?, kind: kind_of(&row, 2)? })
        })
        .transpose()
    }

    pub fn idents(&self, of: &[(ResourceType, &str)], at: Rid) -> Result<Vec<Option<Ident>>> {
        let types: Vec<i16> = of.iter().map(|(rt, _)| small(*rt)).collect();
        let ids: Vec<&str> = of.iter().map(|(_, id)| *id).collect();
        let mut found = vec![None; of.len()];
        if of.is_empty() {
            return Ok(found);
        }
        let rows = self.query(
            "SELECT o.n, v.vid, v.rid, v.kind
             FROM unnest($2::smallint[], $3::text[]) WITH ORDINALITY AS o(rt, id, n),
             LATERAL (SELECT vid, rid, kind FROM vitae.version
               WHERE practice = $1 AND rt = o.rt AND id = o.id AND rid <= $4
               ORDER BY vid DESC LIMIT 1) AS v",
            &[&self.practice(), &types, &ids, &i64::from(at)],
        )?;
        for row in &rows {
            let n: usize = number(row, 0)?;
            let ident =
                Ident { vid: number(row, 1)?, rid: rid_of(row, 2)?, kind: kind_of(row, 3)? };
            *found.get_mut(n - 1).ok_or_else(not_there)? = Some(ident);
        }
        Ok(found)
    }

    pub fn rid_of(&self, rt: ResourceType, id: &str, vid: u32, at: Rid) -> Result<Option<Rid>> {
        let row = self.query_opt(
            "SELECT rid FROM vitae.version
             WHERE practice = $1 AND rt = $2 AND id = $3 AND vid = $4 AND rid <= $5",
            &[&self.practice(), &small(rt), &id, &i64::from(vid), &i64::from(at)],
        )?;
        row.map(|row| rid_of(&row, 0)).transpose()
    }

    pub fn head(&self, rid: Rid) -> Result<Head> {
        self.heads(&[rid])?.pop().ok_or_else(not_there)
    }

    pub fn heads(&self, rids: &[Rid]) -> Result<Vec<Head>> {
        if let Some(heads) = self.pending.borrow().heads(rids) {
            return Ok(heads);
        }
        let numbers: Vec<i64> = rids.iter().map(|rid| i64::from(*rid)).collect();
        let rows = self.query(
            "SELECT rid, rt, id, vid, at, kind FROM vitae.version
             WHERE practice = $1 AND rid = ANY($2)",
            &[&self.practice(), &numbers],
        )?;
        let mut found = std::collections::HashMap::with_capacity(rows.len());
        for row in &rows {
            found.insert(rid_of(row, 0)?, head_of(row)?);
        }
        rids.iter()
            .map(|rid| match self.pending.borrow().head(*rid) {
                Some(head) => Ok(head),
                None => found.get(rid).cloned().ok_or_else(not_there),
            })
            .collect()
    }

    pub fn version(&self, rid: Rid, bodies: &mut body::Reader) -> Result<Version> {
        self.versions(&[rid], bodies)?.pop().ok_or_else(not_there)
    }

    pub fn versions(&self, rids: &[Rid], bodies: &mut body::Reader) -> Result<Vec<Version>> {
        let mut found = std::collections::HashMap::with_capacity(rids.len());
        for part in rids.chunks(PART_BODIES as usize) {
            let mut numbers = Vec::with_capacity(part.len());
            for rid in part {
                let pending = self.pending.borrow().stored(*rid);
                match pending {
                    Some((head, dictionary, size, stored)) => {
                        let body = self.body(head.kind, dictionary, size, &stored, bodies)?;
                        found.insert(*rid, Version { head, body });
                    }
                    None => numbers.push(i64::from(*rid)),
                }
            }
            if numbers.is_empty() {
                continue;
            }
            let rows = self.query(
                "SELECT rid, rt, id, vid, at, kind, dictionary, size, body FROM vitae.version
                 WHERE practice = $1 AND rid = ANY($2)",
                &[&self.practice(), &numbers],
            )?;
            for row in &rows {
                found.insert(rid_of(row, 0)?, self.version_of(row, bodies)?);
            }
        }
        rids.iter()
            .map(|rid| match found.remove(rid) {
                Some(version) => Ok(version),
                // Asked for twice.
                None if rids.iter().filter(|r| *r == rid).count() > 1 => self.version(*rid, bodies),
                None => Err(not_there()),
            })
            .collect()
    }

    pub fn each_version(
        &self,
        rids: &[Rid],
        bodies: &mut body::Reader,
        mut each: impl FnMut(&Head, &[u8]) -> bool,
    ) -> Result<()> {
        for part in rids.chunks(PART_BODIES as usize) {
            for version in self.versions(part, bodies)? {
                if !each(&version.head, &version.body) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub fn current(
        &self,
        rt: ResourceType,
        id: &str,
        at: Rid,
        bodies: &mut body::Reader,
    ) -> Result<Option<Version>> {
        let row = self.query_opt(
            "SELECT rid, rt, id, vid, at, kind, dictionary, size, body FROM vitae.version
             WHERE practice = $1 AND rt = $2 AND id = $3 AND rid <= $4
             ORDER BY vid DESC LIMIT 1",
            &[&self.practice(), &small(rt), &id, &i64::from(at)],
        )?;
        row.map(|row| self.version_of(&row, bodies)).transpose()
    }

    /// A row of a head, then `dictionary, size, body`.
    fn version_of(&self, row: &Row, bodies: &mut body::Reader) -> Result<Version> {
        let head = head_of(row)?;
        let (dictionary, size) = (dictionary_of(row, 6)?, number(row, 7)?);
        let body = self.body(head.kind, dictionary, size, bytes_of(row, 8)?, bodies)?;
        Ok(Version { head, body })
    }

    pub fn body(
        &self,
        kind: ChangeKind,
        dictionary: u32,
        size: usize,
        stored: &[u8],
        bodies: &mut body::Reader,
    ) -> Result<Vec<u8>> {
        if kind == ChangeKind::Delete {
            return Ok(Vec::new());
        }
        let plain = dictionary & !body::IS_CUT;
        // Another process may have made it.
        if !bodies.knows(plain) {
            let row = self.query_opt(
                "SELECT bytes FROM vitae.dictionary WHERE practice = $1 AND number = $2",
                &[&self.practice(), &i64::from(plain)],
            )?;
            if let Some(row) = row {
                bodies.add(plain, bytes_of(&row, 0)?);
            }
        }
        bodies.whole(self, kind, (dictionary, size), stored)
    }

    pub fn values<T>(
        &self,
        rid: Rid,
        take: impl FnOnce(&str, i64, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let pending = self.pending.borrow().values(rid);
        if let Some((id, at_ms, packed)) = pending {
            return take(&id, at_ms, &packed);
        }
        let row = self.query_opt(
            "SELECT id, at, packed FROM vitae.version WHERE practice = $1 AND rid = $2",
            &[&self.practice(), &i64::from(rid)],
        )?;
        let row = row.ok_or_else(not_there)?;
        take(text_of(&row, 0)?, row.try_get(1).map_err(failure)?, bytes_of(&row, 2)?)
    }

    pub fn each_values(
        &self,
        rids: &RoaringBitmap,
        mut each: impl FnMut(Rid, &str, i64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let all: Vec<Rid> = rids.iter().collect();
        for part in all.chunks(PART_ROWS as usize) {
            let numbers: Vec<i64> = part.iter().map(|rid| i64::from(*rid)).collect();
            let rows = self.query(
                "SELECT rid, id, at, packed FROM vitae.version
                 WHERE practice = $1 AND rid = ANY($2) ORDER BY rid",
                &[&self.practice(), &numbers],
            )?;
            for row in &rows {
                let at_ms = row.try_get(2).map_err(failure)?;
                each(rid_of(row, 0)?, text_of(row, 1)?, at_ms, bytes_of(row, 3)?)?;
            }
            // What the writer is about to write lies above all that is written.
            for rid in part {
                let pending = self.pending.borrow().values(*rid);
                if let Some((id, at_ms, packed)) = pending {
                    each(*rid, &id, at_ms, &packed)?;
                }
            }
        }
        Ok(())
    }

    fn rids(&self, rows: Vec<Row>) -> Result<Vec<Rid>> {
        rows.iter().map(|row| rid_of(row, 0)).collect()
    }

    pub fn history_of(
        &self,
        rt: ResourceType,
        id: &str,
        below: Rid,
        since_ms: i64,
        limit: usize,
    ) -> Result<Vec<Rid>> {
        let rows = self.query(
            "SELECT rid FROM vitae.version
             WHERE practice = $1 AND rt = $2 AND id = $3 AND rid < $4 AND at >= $5
             ORDER BY vid DESC LIMIT $6",
            &[&self.practice(), &small(rt), &id, &i64::from(below), &since_ms, &limit_of(limit)],
        )?;
        self.rids(rows)
    }

    pub fn history(&self, below: Rid, since_ms: i64, limit: usize) -> Result<Vec<Rid>> {
        let rows = self.query(
            "SELECT rid FROM vitae.version WHERE practice = $1 AND rid < $2 AND at >= $3
             ORDER BY rid DESC LIMIT $4",
            &[&self.practice(), &i64::from(below), &since_ms, &limit_of(limit)],
        )?;
        self.rids(rows)
    }

    pub fn history_of_count(
        &self,
        rt: ResourceType,
        id: &str,
        at: Rid,
        since_ms: i64,
    ) -> Result<u64> {
        count_of(self.query_opt(
            "SELECT count(*) FROM vitae.version
             WHERE practice = $1 AND rt = $2 AND id = $3 AND rid <= $4 AND at >= $5",
            &[&self.practice(), &small(rt), &id, &i64::from(at), &since_ms],
        )?)
    }

    pub fn history_count(&self, at: Rid, since_ms: i64) -> Result<u64> {
        count_of(self.query_opt(
            "SELECT count(*) FROM vitae.version WHERE practice = $1 AND rid <= $2 AND at >= $3",
            &[&self.practice(), &i64::from(at), &since_ms],
        )?)
    }

    pub fn item(&self, collection: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(known) = self.pending.borrow().item(collection, key) {
            return Ok(known);
        }
        let row = self.query_opt(
            "SELECT value FROM vitae.item WHERE practice = $1 AND collection = $2 AND key = $3",
            &[&self.practice(), &collection, &key],
        )?;
        row.map(|row| Ok(bytes_of(&row, 0)?.to_vec())).transpose()
    }

    pub fn items(
        &self,
        collection: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        let end = end_of(prefix);
        // Keys behind all others: none is that long.
        let (from, is_open) = match after {
            Some(after) if after >= prefix => (after, true),
            _ => (prefix, false),
        };
        let rows = self.query(
            "SELECT key, value FROM vitae.item
             WHERE practice = $1 AND collection = $2 AND key >= $3 AND ($4 IS FALSE OR key > $3)
               AND ($5::bytea IS NULL OR key < $5) ORDER BY key LIMIT $6",
            &[&self.practice(), &collection, &from, &is_open, &end, &limit_of(limit)],
        )?;
        rows.iter()
            .map(|row| Ok((bytes_of(row, 0)?.to_vec(), bytes_of(row, 1)?.to_vec())))
            .collect()
    }

    pub fn feed(
        &self,
        after: Rid,
        at: Rid,
        limit: usize,
        bodies: &mut body::Reader,
    ) -> Result<Vec<Version>> {
        let rows = self.query(
            "SELECT rid, rt, id, vid, at, kind, dictionary, size, body FROM vitae.version
             WHERE practice = $1 AND rid > $2 AND rid <= $3 ORDER BY rid LIMIT $4",
            &[&self.practice(), &i64::from(after), &i64::from(at), &limit_of(limit)],
        )?;
        rows.iter().map(|row| self.version_of(row, bodies)).collect()
    }

    pub fn each_ident(
        &self,
        rt: ResourceType,
        after: &str,
        at: Rid,
        mut each: impl FnMut(Rid, ChangeKind) -> Result<bool>,
    ) -> Result<()> {
        let mut after = after.to_owned();
        loop {
            let rows = self.query(
                "SELECT DISTINCT ON (id) rid, kind, id FROM vitae.version
                 WHERE practice = $1 AND rt = $2 AND id > $3 AND rid <= $4
                 ORDER BY id, vid DESC LIMIT $5",
                &[&self.practice(), &small(rt), &after, &i64::from(at), &PART_ROWS],
            )?;
            for row in &rows {
                if !each(rid_of(row, 0)?, kind_of(row, 1)?)? {
                    return Ok(());
                }
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_ROWS => after = text_of(row, 2)?.to_owned(),
                _ => return Ok(()),
            }
        }
    }

    pub fn audit(
        &self,
        seq: u64,
        limit: usize,
        mut each: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut next = i64::try_from(seq).map_err(|_| Error::corrupt("an audit number"))?;
        let mut left = limit_of(limit);
        while left > 0 {
            let part = left.min(PART_ROWS);
            let rows = self.query(
                "SELECT seq, leaf FROM vitae.audit WHERE practice = $1 AND seq >= $2
                 ORDER BY seq LIMIT $3",
                &[&self.practice(), &next, &part],
            )?;
            for row in &rows {
                each(number(row, 0)?, bytes_of(row, 1)?)?;
            }
            left -= part;
            match rows.last() {
                Some(row) if rows.len() as i64 == part => {
                    next = row.try_get::<_, i64>(0).map_err(failure)? + 1;
                }
                _ => break,
            }
        }
        Ok(())
    }

    pub fn outbox(&self, now_ms: i64, limit: usize) -> Result<Vec<OutboxTask>> {
        let rows = self.query(
            "SELECT seq, topic, payload, due, attempts FROM vitae.outbox
             WHERE practice = $1 AND due <= $2 ORDER BY seq LIMIT $3",
            &[&self.practice(), &now_ms, &limit_of(limit)],
        )?;
        rows.iter()
            .map(|row| {
                Ok(OutboxTask {
                    seq: row.try_get(0).map_err(failure)?,
                    topic: text_of(row, 1)?.to_owned(),
                    payload: bytes_of(row, 2)?.to_vec(),
                    due_ms: row.try_get(3).map_err(failure)?,
                    attempts: number(row, 4)?,
                })
            })
            .collect()
    }

    pub fn each_death(&self, at: Rid, mut each: impl FnMut(Rid)) -> Result<()> {
        let mut after = i64::from(at);
        loop {
            let rows = self.query(
                "SELECT rid, prev FROM vitae.version WHERE practice = $1 AND rid > $2 AND prev > 0
                 ORDER BY rid LIMIT $3",
                &[&self.practice(), &after, &PART_ROWS],
            )?;
            for row in &rows {
                each(rid_of(row, 1)?);
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_ROWS => {
                    after = row.try_get(0).map_err(failure)?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn first_version(&self, rt: ResourceType, id: &str) -> Result<Option<Rid>> {
        if let Some(known) = self.pending.borrow().first(rt, id) {
            return Ok(known);
        }
        let row = self.query_opt(
            "SELECT rid FROM vitae.version WHERE practice = $1 AND rt = $2 AND id = $3
             ORDER BY vid LIMIT 1",
            &[&self.practice(), &small(rt), &id],
        )?;
        row.map(|row| rid_of(&row, 0)).transpose()
    }

    pub fn first_versions(&self, of: &[(ResourceType, &str)]) -> Result<Vec<Option<Rid>>> {
        let mut found = vec![None; of.len()];
        if of.is_empty() {
            return Ok(found);
        }
        let types: Vec<i16> = of.iter().map(|(rt, _)| small(*rt)).collect();
        let ids: Vec<&str> = of.iter().map(|(_, id)| *id).collect();
        let rows = self.query(
            "SELECT o.n, v.rid
             FROM unnest($2::smallint[], $3::text[]) WITH ORDINALITY AS o(rt, id, n),
             LATERAL (SELECT rid FROM vitae.version
               WHERE practice = $1 AND rt = o.rt AND id = o.id ORDER BY vid LIMIT 1) AS v",
            &[&self.practice(), &types, &ids],
        )?;
        for row in &rows {
            let n: usize = number(row, 0)?;
            *found.get_mut(n - 1).ok_or_else(not_there)? = Some(rid_of(row, 1)?);
        }
        Ok(found)
    }

    pub fn log(&self, after: Rid, each: impl FnMut(LogRow<'_>) -> Result<()>) -> Result<()> {
        self.log_upto(after, Rid::MAX, each)
    }

    /// Versions above `after` up to `upto`, in commit order.
    pub fn log_upto(
        &self,
        after: Rid,
        upto: Rid,
        mut each: impl FnMut(LogRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut after = i64::from(after);
        loop {
            let rows = self.query(
                "SELECT rid, rt, kind, prev, at, packed, id, dictionary, size, body
                 FROM vitae.version WHERE practice = $1 AND rid > $2 AND rid <= $3
                 ORDER BY rid LIMIT $4",
                &[&self.practice(), &after, &i64::from(upto), &PART_ROWS],
            )?;
            for row in &rows {
                each(LogRow {
                    rid: rid_of(row, 0)?,
                    rt: rt_of(row, 1)?,
                    kind: kind_of(row, 2)?,
                    prev: rid_of(row, 3)?,
                    at_ms: row.try_get(4).map_err(failure)?,
                    packed: bytes_of(row, 5)?,
                    id: text_of(row, 6)?,
                    dictionary: dictionary_of(row, 7)?,
                    size: number(row, 8)?,
                    body: bytes_of(row, 9)?,
                })?;
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_ROWS => {
                    after = row.try_get(0).map_err(failure)?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn last_version(&self) -> Result<(Rid, i64)> {
        let head = self.shared_head()?;
        Ok((head.last, head.last_at_ms))
    }

    pub fn dead(&self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let sql = "SELECT bitmap FROM vitae.dead WHERE practice = $1 ORDER BY chunk";
        let rows = self.query(sql, &[&self.practice()])?;
        rows.iter().try_for_each(|row| each(bytes_of(row, 0)?))
    }

    pub fn dictionaries(
        &self,
        mut each: impl FnMut(u32, ResourceType, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let rows = self.query(
            "SELECT number, rt, bytes FROM vitae.dictionary WHERE practice = $1 ORDER BY number",
            &[&self.practice()],
        )?;
        rows.iter().try_for_each(|row| each(number(row, 0)?, rt_of(row, 1)?, bytes_of(row, 2)?))
    }

    pub fn systems(&self, from: u32) -> Result<Vec<String>> {
        let rows = self.query(
            "SELECT text FROM vitae.system WHERE practice = $1 AND number >= $2 ORDER BY number",
            &[&self.practice(), &i64::from(from)],
        )?;
        rows.iter()
            .map(|row| {
                String::from_utf8(bytes_of(row, 0)?.to_vec())
                    .map_err(|_| Error::corrupt("the text of a system"))
            })
            .collect()
    }

    /// The number of a system; a new one when it has none yet.
    pub fn intern(&self, system: &str) -> Result<u32> {
        let row =
            self.query_opt("SELECT vitae.intern($1, $2)", &[&self.practice(), &system.as_bytes()])?;
        number(&row.ok_or_else(|| Error::corrupt("a system has no number"))?, 0)
    }

    pub fn blob(&self, hash: &blob::Hash, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        // Chunks are of 256 KiB: some at a time.
        const PART_CHUNKS: i32 = 32;
        let mut from = 0i32;
        loop {
            let rows = self.query(
                "SELECT bytes FROM vitae.blob WHERE practice = $1 AND hash = $2 AND chunk >= $3
                   AND chunk < $4 ORDER BY chunk",
                &[&self.practice(), &&hash[..], &from, &from.saturating_add(PART_CHUNKS)],
            )?;
            rows.iter().try_for_each(|row| each(bytes_of(row, 0)?))?;
            if rows.len() < PART_CHUNKS as usize {
                return Ok(());
            }
            from += PART_CHUNKS;
        }
    }

    pub fn audit_state(&self) -> Result<Option<Vec<u8>>> {
        let state = self.shared_head()?.audit;
        Ok((!state.is_empty()).then_some(state))
    }

    pub fn flushed(&self) -> Result<Rid> {
        Ok(self.shared_head()?.flushed)
    }

    /// The server checks its own pages (`pg_amcheck`, data checksums).
    pub fn integrity(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    pub fn each_stored(
        &self,
        at: Rid,
        mut each: impl FnMut(&Stored<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut after = 0i64;
        loop {
            let rows = self.query(
                "SELECT rid, rt, id, vid, at, kind, dictionary, size, body, hash, packed, prev
                 FROM vitae.version WHERE practice = $1 AND rid > $2 AND rid <= $3
                 ORDER BY rid LIMIT $4",
                &[&self.practice(), &after, &i64::from(at), &PART_BODIES],
            )?;
            for row in &rows {
                each(&Stored {
                    head: head_of(row)?,
                    dictionary: dictionary_of(row, 6)?,
                    size: number(row, 7)?,
                    body: bytes_of(row, 8)?,
                    hash: bytes_of(row, 9)?,
                    packed: bytes_of(row, 10)?,
                    prev: rid_of(row, 11)?,
                })?;
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_BODIES => {
                    after = row.try_get(0).map_err(failure)?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn each_item(&self, mut each: impl FnMut(&str, &[u8], &[u8]) -> Result<()>) -> Result<()> {
        let (mut collection, mut key) = (String::new(), Vec::new());
        loop {
            let rows = self.query(
                "SELECT collection, key, value FROM vitae.item
                 WHERE practice = $1 AND (collection, key) > ($2, $3)
                 ORDER BY collection, key LIMIT $4",
                &[&self.practice(), &collection, &key, &PART_ROWS],
            )?;
            for row in &rows {
                each(text_of(row, 0)?, bytes_of(row, 1)?, bytes_of(row, 2)?)?;
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_ROWS => {
                    collection = text_of(row, 0)?.to_owned();
                    key = bytes_of(row, 1)?.to_vec();
                }
                _ => return Ok(()),
            }
        }
    }

    pub fn each_chunk(
        &self,
        mut each: impl FnMut(&blob::Hash, usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let (mut hash, mut chunk) = (Vec::new(), -1i32);
        loop {
            let row = self.query_opt(
                "SELECT hash, chunk, bytes FROM vitae.blob
                 WHERE practice = $1 AND (hash, chunk) > ($2, $3) ORDER BY hash, chunk LIMIT 1",
                &[&self.practice(), &hash, &chunk],
            )?;
            let Some(row) = row else { return Ok(()) };
            hash = bytes_of(&row, 0)?.to_vec();
            chunk = row.try_get(1).map_err(failure)?;
            let of = hash[..].try_into().map_err(|_| Error::corrupt("a hash"))?;
            let n = usize::try_from(chunk).map_err(|_| Error::corrupt("a chunk number"))?;
            each(&of, n, bytes_of(&row, 2)?)?;
        }
    }

    pub fn each_chain(&self, at: Rid, mut each: impl FnMut(ChainRow) -> Result<()>) -> Result<()> {
        let (mut rt, mut id, mut vid) = (-1i16, String::new(), 0i64);
        loop {
            let rows = self.query(
                "SELECT rt, id, vid, rid FROM vitae.version
                 WHERE practice = $1 AND (rt, id, vid) > ($2, $3, $4) AND rid <= $5
                 ORDER BY rt, id, vid LIMIT $6",
                &[&self.practice(), &rt, &id, &vid, &i64::from(at), &PART_ROWS],
            )?;
            for row in &rows {
                let (rt, id) = (rt_of(row, 0)?, text_of(row, 1)?.to_owned());
                let (vid, rid) = (number(row, 2)?, rid_of(row, 3)?);
                // The log is its own list of names here.
                each(ChainRow { rt, id, vid, rid, is_in_log: true })?;
            }
            match rows.last() {
                Some(row) if rows.len() as i64 == PART_ROWS => {
                    rt = row.try_get(0).map_err(failure)?;
                    id = text_of(row, 1)?.to_owned();
                    vid = row.try_get(2).map_err(failure)?;
                }
                _ => return Ok(()),
            }
        }
    }
}

impl Blobs for Connection {
    fn chunks(&self, hash: &blob::Hash, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.blob(hash, each)
    }
}
