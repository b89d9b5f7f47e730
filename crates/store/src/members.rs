//! Many versions at once: what refers to a resource, bodies and values in one scan, and histories
//! from their oldest end.

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::value::{Indexed, ParamId};

use crate::error::Result;
use crate::key;
use crate::snapshot::Snapshot;
use crate::types::{Head, Rid, Scope, Version};
use crate::view::View;

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
        Ok(view.visible_of_any(rids)?.iter().collect())
    }

    /// Gives versions with their bodies in the order of `rids`, which rise, until `each` says
    /// false. Neighbours are read in one scan; a body is empty for a deletion and lives as long as
    /// the call.
    pub fn each_version(
        &mut self,
        rids: &[Rid],
        mut each: impl FnMut(&Head, &[u8]) -> bool,
    ) -> Result<()> {
        self.with(|view, bodies| view.connection.each_version(rids, bodies, &mut each))
    }

    /// Versions with their bodies, in the order given.
    pub fn versions(&mut self, rids: &[Rid]) -> Result<Vec<Version>> {
        self.with(|view, bodies| view.versions(rids, bodies))
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
        let behind = after.saturating_add(1);
        match scope {
            Scope::Instance(rt, id) => {
                let below = view.at.saturating_add(1);
                let mut rids = view.connection.history_of(rt, id, below, since_ms, NO_LIMIT)?;
                rids.retain(|rid| *rid > after);
                let mut rids = self.admitted_of(rids)?;
                rids.reverse();
                rids.truncate(limit);
                Ok(rids)
            }
            // Versions are numbered without gaps.
            Scope::System if self.sees.is_everything() => {
                newer(&view, behind..=view.at, since_ms, limit)
            }
            Scope::System => {
                newer(&view, self.versions_in(scope, behind..=view.at)?.iter(), since_ms, limit)
            }
            Scope::Type(_) => {
                newer(&view, self.versions_in(scope, behind..=view.at)?.iter(), since_ms, limit)
            }
        }
    }
}

/// Large enough for every history, and a number in every engine.
const NO_LIMIT: usize = i64::MAX as usize;

/// The first of `rids` that are not before `since_ms`.
fn newer(
    view: &View<'_>,
    rids: impl Iterator<Item = Rid>,
    since_ms: i64,
    limit: usize,
) -> Result<Vec<Rid>> {
    let mut found = Vec::new();
    for rid in rids {
        if found.len() == limit {
            break;
        }
        if since_ms == i64::MIN || view.head(rid)?.last_updated_ms >= since_ms {
            found.push(rid);
        }
    }
    Ok(found)
}
