//! Reading at one point in commit order.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::{Rule, Sees};

use crate::error::Result;
use crate::key;
use crate::readers::{Reader, State};
use crate::store::{Shared, Store};
use crate::types::{ChangeKind, Head, OutboxTask, Rid, Scope, Version};
use crate::view::{EVERYTHING, View};

/// A consistent view of the record. Holds a read transaction: keep it short.
pub struct Snapshot {
    pub(crate) shared: Arc<Shared>,
    /// `None` only while dropping.
    reader: Option<Reader>,
    state: State,
    at: Rid,
    pub(crate) sees: Arc<Sees>,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.shared.give_back(reader);
        }
    }
}

impl Snapshot {
    pub(crate) fn begin(
        shared: Arc<Shared>,
        at: Option<Rid>,
        sees: &Arc<Sees>,
    ) -> Result<Snapshot> {
        let (reader, state) = shared.reading()?;
        let at = at.map_or(state.at, |at| at.min(state.at));
        Ok(Snapshot { shared, reader: Some(reader), state, at, sees: Arc::clone(sees) })
    }

    /// Lets somebody else look at the same state.
    pub fn seen_by<T>(&mut self, sees: &Arc<Sees>, look: impl FnOnce(&mut Snapshot) -> T) -> T {
        let own = std::mem::replace(&mut self.sees, Arc::clone(sees));
        let seen = look(self);
        self.sees = own;
        seen
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
            generations: &self.state.generations,
            at: self.at,
            pending_deaths: &[],
            bounds: Cell::new(EVERYTHING),
            sees: &self.sees,
            epoch: Some(self.state.epoch),
        }
    }

    /// Runs with the view and the decompressor at once.
    pub(crate) fn with<T>(
        &mut self,
        f: impl FnOnce(&View<'_>, &mut crate::body::Reader) -> Result<T>,
    ) -> Result<T> {
        let Reader { connection, bodies, .. } = self.reader.as_mut().expect("taken only in drop");
        let view = View {
            shared: &self.shared,
            connection,
            generations: &self.state.generations,
            at: self.at,
            pending_deaths: &[],
            bounds: Cell::new(EVERYTHING),
            sees: &self.sees,
            epoch: Some(self.state.epoch),
        };
        f(&view, bodies)
    }

    /// The newest version of a resource, which may be a deletion.
    pub fn current(&mut self, rt: ResourceType, id: &str) -> Result<Option<Version>> {
        self.with(|view, bodies| match view.ident(rt, id)? {
            Some(ident) if view.admits(ident.rid)? => Ok(Some(view.version(ident.rid, bodies)?)),
            _ => Ok(None),
        })
    }

    /// As [`Snapshot::current`] without body.
    pub fn head(&self, rt: ResourceType, id: &str) -> Result<Option<Head>> {
        let view = self.view();
        match view.ident(rt, id)? {
            Some(ident) if view.admits(ident.rid)? => Ok(Some(view.head(ident.rid)?)),
            _ => Ok(None),
        }
    }

    /// True when the resource exists, is not deleted and may be seen.
    pub fn exists(&self, rt: ResourceType, id: &str) -> Result<bool> {
        let view = self.view();
        match view.ident(rt, id)? {
            Some(ident) if ident.kind != ChangeKind::Delete => view.admits(ident.rid),
            _ => Ok(false),
        }
    }

    /// Version `vid` of a resource.
    pub fn version(&mut self, rt: ResourceType, id: &str, vid: u32) -> Result<Option<Version>> {
        self.with(|view, bodies| match view.connection.rid_of(rt, id, vid, view.at)? {
            Some(rid) if view.admits(rid)? => Ok(Some(view.version(rid, bodies)?)),
            _ => Ok(None),
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
            let rids = &rids[..rids.len().min(count)];
            Ok((view.versions(rids, bodies)?, more))
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
            Scope::Instance(rt, id) if self.sees.is_everything() => {
                view.connection.history_of(rt, id, below, since, limit)
            }
            Scope::Instance(rt, id) => {
                let all = view.connection.history_of(rt, id, below, since, i64::MAX as usize)?;
                let mut found = self.admitted_of(all)?;
                found.truncate(limit);
                Ok(found)
            }
            Scope::System if self.sees.is_everything() => {
                view.connection.history(below, since, limit)
            }
            Scope::System | Scope::Type(_) => {
                let Some(last) = below.checked_sub(1) else { return Ok(Vec::new()) };
                let rids = self.versions_in(scope, 0..=last)?;
                let mut found = Vec::new();
                for rid in rids.iter().rev() {
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

    /// Versions of a type, or of all, that may be seen, deletions too.
    pub(crate) fn versions_in(
        &self,
        scope: Scope<'_>,
        range: RangeInclusive<Rid>,
    ) -> Result<RoaringBitmap> {
        let view = self.view();
        let of_type = |rt: ResourceType| {
            let mut rids = view.fetch(&key::of_type(rt))? | view.fetch(&key::deletions(rt))?;
            rids.remove_range(..*range.start());
            rids.remove_range(range.end().saturating_add(1)..);
            view.admitted_with_deletions(rt, rids)
        };
        match scope {
            Scope::Type(rt) | Scope::Instance(rt, _) => of_type(rt),
            Scope::System => {
                let mut all = RoaringBitmap::new();
                for rt in ResourceType::ALL {
                    if *self.sees.rule(rt) != Rule::Nothing {
                        all |= of_type(rt)?;
                    }
                }
                Ok(all)
            }
        }
    }

    /// Those of some versions that may be seen, in their order.
    pub(crate) fn admitted_of(&self, mut rids: Vec<Rid>) -> Result<Vec<Rid>> {
        if self.sees.is_everything() {
            return Ok(rids);
        }
        let view = self.view();
        let mut failed = None;
        rids.retain(|rid| {
            view.admits(*rid).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                false
            })
        });
        failed.map_or(Ok(rids), Err)
    }

    /// Number of versions in a history.
    pub fn history_count(&self, scope: Scope<'_>, since_ms: Option<i64>) -> Result<u64> {
        let view = self.view();
        let since = since_ms.unwrap_or(i64::MIN);
        match scope {
            Scope::Instance(rt, id) if self.sees.is_everything() => {
                view.connection.history_of_count(rt, id, self.at, since)
            }
            Scope::Instance(..) => {
                Ok(self.history_rids(scope, since_ms, None, i64::MAX as usize)?.len() as u64)
            }
            // Versions are numbered without gaps.
            Scope::System if self.sees.is_everything() && since_ms.is_none() => {
                Ok(u64::from(self.at))
            }
            Scope::System if self.sees.is_everything() => {
                view.connection.history_count(self.at, since)
            }
            Scope::System | Scope::Type(_) => {
                let rids = self.versions_in(scope, 0..=self.at)?;
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
        let rids = view.visible_of_any(view.referrers(rt, id)?)?;
        let rids: Vec<Rid> = rids.iter().take(limit).collect();
        view.connection.heads(&rids)
    }

    /// An item of a named collection.
    pub fn item(&self, collection: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.reader().connection.item(collection, key)
    }

    /// Items whose key begins with `prefix` and lies behind `after`, in key order.
    pub fn items(
        &self,
        collection: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.reader().connection.items(collection, prefix, after, limit)
    }

    /// The change feed: versions behind `after`, in commit order, those left out that may not be
    /// seen.
    pub fn feed(&mut self, after: Rid, limit: usize) -> Result<Vec<Version>> {
        self.with(|view, bodies| {
            let mut versions = view.connection.feed(after, view.at, limit, bodies)?;
            if !view.sees.is_everything() {
                let mut admitted = Vec::with_capacity(versions.len());
                for version in versions {
                    if view.admits(version.rid)? {
                        admitted.push(version);
                    }
                }
                versions = admitted;
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
            let mut rids = Vec::new();
            view.connection.each_ident(rt, after.unwrap_or(""), view.at, |rid, kind| {
                if kind != ChangeKind::Delete && rids.len() < limit && view.admits(rid)? {
                    rids.push(rid);
                }
                Ok(rids.len() < limit)
            })?;
            view.versions(&rids, bodies)
        })
    }

    /// Number of current resources by type, types without any left out.
    pub fn counts(&self) -> Result<Vec<(ResourceType, u64)>> {
        let view = self.view();
        let mut counts = Vec::new();
        for rt in ResourceType::ALL {
            let n = view.visible(rt, view.fetch(&key::of_type(rt))?)?.len();
            if n > 0 {
                counts.push((rt, n));
            }
        }
        Ok(counts)
    }

    /// Audit leaves from `seq` on.
    pub fn audit(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut leaves = Vec::new();
        self.reader().connection.audit(seq, limit, |seq, leaf| {
            leaves.push((seq, leaf.to_vec()));
            Ok(())
        })?;
        Ok(leaves)
    }

    /// Outbox rows that are due, oldest first.
    pub fn outbox(&self, now_ms: i64, limit: usize) -> Result<Vec<OutboxTask>> {
        self.reader().connection.outbox(now_ms, limit)
    }
}

impl Store {
    /// The newest version of a resource that may be seen: the shortest way to a body.
    pub fn read(&self, rt: ResourceType, id: &str, sees: &Arc<Sees>) -> Result<Option<Version>> {
        match sees.rule(rt) {
            Rule::All => {}
            Rule::Nothing => return Ok(None),
            Rule::Only(_) => return self.snapshot(sees)?.current(rt, id),
        }
        let shared = self.shared();
        if self.is_shared() {
            // What is committed is there, whether this process has seen it or not.
            let mut reader = shared.take_reader()?;
            let found = reader.connection.current(rt, id, Rid::MAX, &mut reader.bodies);
            shared.give_back(reader);
            return found;
        }
        let (mut reader, state) = shared.reading()?;
        let found = reader.connection.current(rt, id, state.at, &mut reader.bodies);
        shared.give_back(reader);
        found
    }
}
