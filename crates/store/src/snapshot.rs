//! Reading at one point in commit order.

use std::cell::Cell;
use std::sync::Arc;

use fhir_tables::ResourceType;

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
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.shared.give_back(reader);
        }
    }
}

impl Snapshot {
    pub(crate) fn begin(shared: Arc<Shared>, at: Option<Rid>) -> Result<Snapshot> {
        let (reader, state) = shared.reading()?;
        let at = at.map_or(state.at, |at| at.min(state.at));
        Ok(Snapshot { shared, reader: Some(reader), state, at })
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
            epoch: Some(self.state.epoch),
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
            let rid = view.connection.rid_of(rt, id, vid, view.at)?;
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
            Scope::Instance(rt, id) => view.connection.history_of(rt, id, below, since, limit),
            Scope::System => view.connection.history(below, since, limit),
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
        match scope {
            Scope::Instance(rt, id) => view.connection.history_of_count(rt, id, self.at, since),
            // Versions are numbered without gaps.
            Scope::System if since_ms.is_none() => Ok(u64::from(self.at)),
            Scope::System => view.connection.history_count(self.at, since),
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
        let rids: Vec<Rid> = view.referrers(rt, id)?.iter().take(limit).collect();
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

    /// The change feed: versions behind `after`, in commit order.
    pub fn feed(&mut self, after: Rid, limit: usize) -> Result<Vec<Version>> {
        self.with(|view, bodies| view.connection.feed(after, view.at, limit, bodies))
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
                if kind != ChangeKind::Delete && rids.len() < limit {
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
            let n = view.visible(view.fetch(&key::of_type(rt))?)?.len();
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
    /// The newest version of a resource: the shortest way to a body.
    pub fn read(&self, rt: ResourceType, id: &str) -> Result<Option<Version>> {
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
