//! Many versions at once: what refers to a resource, bodies and values in one scan, and histories
//! from their oldest end.

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use rusqlite::params;
use search::value::{Indexed, ParamId};

use crate::blob;
use crate::body;
use crate::error::{Error, Result};
use crate::key;
use crate::snapshot::Snapshot;
use crate::types::{ChangeKind, Head, Rid, Scope, Version};
use crate::view::{HEAD_COLUMNS, View, head_of};

/// Versions this close are cheaper to pass over in a scan than to look up one by one.
const SCAN_GAP_MAX: u32 = 6;

impl Snapshot {
    /// Current resources that refer to `rt/id` through a search parameter that `is_wanted`, in
    /// commit order, each once.
    pub fn referring(
        &self,
        rt: ResourceType,
        id: &str,
        is_wanted: impl Fn(ParamId) -> bool,
    ) -> Result<Vec<Rid>> {
        let view = self.view();
        let from = key::referrers(rt, id);
        let to = key::after_prefix(&from);
        let rids = view.fetch_range(&from, to.as_deref(), |key| {
            key.last_chunk::<2>().is_some_and(|p| is_wanted(ParamId(u16::from_be_bytes(*p))))
        })?;
        Ok(view.visible(rids)?.iter().collect())
    }

    /// Gives versions with their bodies in the order of `rids`, which rise, until `each` says
    /// false. Neighbours are read in one scan; a body is empty for a deletion and lives as long as
    /// the call.
    pub fn each_version(
        &mut self,
        rids: &[Rid],
        mut each: impl FnMut(&Head, &[u8]) -> bool,
    ) -> Result<()> {
        self.with(|view, bodies| {
            let sql = format!(
                "SELECT {HEAD_COLUMNS}, dictionary, size, body FROM version
                 WHERE rid BETWEEN ?1 AND ?2 ORDER BY rid"
            );
            let mut scan = view.connection.prepare_cached(&sql)?;
            let mut buffer = Vec::new();
            let mut n_given = 0;
            for (first, last) in runs(rids) {
                let mut rows = scan.query(params![first, last])?;
                while let Some(row) = rows.next()? {
                    let rid: Rid = row.get(0)?;
                    if rids.get(n_given) != Some(&rid) {
                        continue;
                    }
                    n_given += 1;
                    let head = head_of(row)?;
                    body_into(row, &head, view, bodies, &mut buffer)?;
                    if !each(&head, &buffer) {
                        return Ok(());
                    }
                }
            }
            if n_given == rids.len() {
                return Ok(());
            }
            Err(Error::corrupt("an index names a version that is not there"))
        })
    }

    /// Versions with their bodies, in the order given.
    pub fn versions(&mut self, rids: &[Rid]) -> Result<Vec<Version>> {
        self.with(|view, bodies| rids.iter().map(|rid| view.version(*rid, bodies)).collect())
    }

    /// Gives the index values of versions that rise, in their order.
    pub fn each_values(
        &self,
        rids: &[Rid],
        mut each: impl FnMut(Rid, i64, &[Indexed]),
    ) -> Result<()> {
        let rids: RoaringBitmap = rids.iter().collect();
        self.view().each_values(&rids, |rid, _, at_ms, values| {
            each(rid, at_ms, &values);
            Ok(())
        })
    }

    /// As [`Snapshot::history`] from the oldest end: versions behind `after`, oldest first, and
    /// whether there are more.
    pub fn history_after(
        &mut self,
        scope: Scope<'_>,
        since_ms: Option<i64>,
        after: Rid,
        count: usize,
    ) -> Result<(Vec<Version>, bool)> {
        let mut rids = self.rids_after(scope, since_ms.unwrap_or(i64::MIN), after, count + 1)?;
        let more = rids.len() > count;
        rids.truncate(count);
        let mut versions = Vec::with_capacity(rids.len());
        self.each_version(&rids, |head, body| {
            versions.push(Version { head: head.clone(), body: body.to_vec() });
            true
        })?;
        Ok((versions, more))
    }

    fn rids_after(
        &self,
        scope: Scope<'_>,
        since_ms: i64,
        after: Rid,
        limit: usize,
    ) -> Result<Vec<Rid>> {
        let view = self.view();
        let (at, limit) = (view.at, i64::try_from(limit).unwrap_or(i64::MAX));
        match scope {
            Scope::Instance(rt, id) => {
                let mut statement = view.connection.prepare_cached(
                    "SELECT i.rid FROM ident i JOIN version v ON v.rid = i.rid
                     WHERE i.rt = ?1 AND i.id = ?2 AND i.rid > ?3 AND i.rid <= ?4 AND v.at >= ?5
                     ORDER BY i.vid LIMIT ?6",
                )?;
                let values = params![rt.0, id, after, at, since_ms, limit];
                let rows = statement.query_map(values, |row| row.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Scope::System => {
                let mut statement = view.connection.prepare_cached(
                    "SELECT rid FROM version WHERE rid > ?1 AND rid <= ?2 AND at >= ?3
                     ORDER BY rid LIMIT ?4",
                )?;
                let rows =
                    statement.query_map(params![after, at, since_ms, limit], |row| row.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Scope::Type(rt) => {
                let rids = view.fetch(&key::of_type(rt))? | view.fetch(&key::deletions(rt))?;
                let mut found = Vec::new();
                let mut behind = rids.iter();
                behind.advance_to(after.saturating_add(1));
                for rid in behind.take_while(|rid| *rid <= at) {
                    if since_ms > i64::MIN && view.head(rid)?.last_updated_ms < since_ms {
                        continue;
                    }
                    found.push(rid);
                    if found.len() as i64 == limit {
                        break;
                    }
                }
                Ok(found)
            }
        }
    }
}

fn body_into(
    row: &rusqlite::Row<'_>,
    head: &Head,
    view: &View<'_>,
    bodies: &mut body::Reader,
    buffer: &mut Vec<u8>,
) -> Result<()> {
    buffer.clear();
    if head.kind == ChangeKind::Delete {
        return Ok(());
    }
    let stored = row.get_ref(8)?.as_blob().map_err(|_| Error::corrupt("a body is missing"))?;
    let size = usize::try_from(row.get::<_, i64>(7)?).map_err(|_| Error::corrupt("a size"))?;
    let dictionary: u32 = row.get(6)?;
    bodies.read_into(dictionary & !body::IS_CUT, size, stored, buffer)?;
    if dictionary & body::IS_CUT != 0 {
        *buffer = blob::join(view.connection, buffer)?;
    }
    Ok(())
}

/// Closed ranges that cover numbers which rise.
fn runs(rids: &[Rid]) -> impl Iterator<Item = (Rid, Rid)> + '_ {
    rids.chunk_by(|a, b| b.saturating_sub(*a) <= SCAN_GAP_MAX)
        .filter_map(|run| Some((*run.first()?, *run.last()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_neighbours() {
        let rids = [1, 2, 8, 15, 16, 40];
        assert_eq!(runs(&rids).collect::<Vec<_>>(), [(1, 8), (15, 16), (40, 40)]);
        assert_eq!(runs(&[]).count(), 0);
    }
}
