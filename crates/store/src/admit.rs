//! What a view may see: the rules of [`search::Sees`], carried out with the same lists as searches.
//!
//! Every set of versions that becomes part of an answer, or that an answer rests on, comes through
//! [`View::visible`] or [`View::admitted`]: candidates of a search, the inner conditions of chains
//! and `_has`, what `_sort` compares, includes, compartments, histories, conditions of writes.

use fhir_tables::{ResourceType, SearchKind};
use roaring::RoaringBitmap;
use search::Rule;
use search::params;
use search::query::{Criterion, Node, Operand};
use search::world::Known;

use crate::error::{Error, Result};
use crate::key;
use crate::plan;
use crate::types::{ChangeKind, Rid};
use crate::view::View;

/// With so few versions for each operand, reading their values is cheaper than a list.
const VERIFY_MAX: u64 = 8;

/// Lists to look into for an operand.
fn named(operand: &Operand) -> usize {
    match operand {
        Operand::Among { ids, .. } => ids.len(),
        _ => 1,
    }
}

impl View<'_> {
    /// Those of some versions of a type that are current and may be seen.
    pub fn visible(&self, rt: ResourceType, rids: RoaringBitmap) -> Result<RoaringBitmap> {
        self.admitted(rt, self.current(rids)?)
    }

    /// As [`View::visible`] for versions of whatever type.
    pub fn visible_of_any(&self, rids: RoaringBitmap) -> Result<RoaringBitmap> {
        let rids = self.current(rids)?;
        if self.sees.is_everything() {
            return Ok(rids);
        }
        let Some(bounds) = rids.min().zip(rids.max()) else { return Ok(rids) };
        let mut all = RoaringBitmap::new();
        let outer = self.bounds.replace(bounds);
        for rt in ResourceType::ALL {
            if *self.sees.rule(rt) != Rule::Nothing {
                let own = self.fetch(&key::of_type(rt))? & &rids;
                all |= self.admitted(rt, own)?;
            }
        }
        self.bounds.set(outer);
        Ok(all)
    }

    /// Those of some versions of a type, current or not, that may be seen. Deletions, which say
    /// nothing about their resource, are not among them.
    pub fn admitted(&self, rt: ResourceType, rids: RoaringBitmap) -> Result<RoaringBitmap> {
        match self.sees.rule(rt) {
            Rule::All => Ok(rids),
            Rule::Nothing => Ok(RoaringBitmap::new()),
            Rule::Only(node) => self.satisfying(rt, node, rids),
        }
    }

    /// As [`View::admitted`]; a deletion may be seen by whom the version before it may be seen by.
    pub fn admitted_with_deletions(
        &self,
        rt: ResourceType,
        rids: RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        let Rule::Only(_) = self.sees.rule(rt) else { return self.admitted(rt, rids) };
        let deletions = &rids & self.fetch(&key::deletions(rt))?;
        let mut all = self.admitted(rt, rids - &deletions)?;
        for rid in deletions {
            if self.admits(rid)? {
                all.insert(rid);
            }
        }
        Ok(all)
    }

    /// Whether a version, or the deletion of what it was, may be seen.
    pub fn admits(&self, rid: Rid) -> Result<bool> {
        if self.sees.is_everything() {
            return Ok(true);
        }
        let head = self.head(rid)?;
        let rid = match head.kind {
            ChangeKind::Delete => {
                let before = head.vid.saturating_sub(1);
                match self.connection.rid_of(head.rt, &head.id, before, self.at)? {
                    Some(rid) => rid,
                    None => return Ok(false),
                }
            }
            _ => rid,
        };
        Ok(!self.admitted(head.rt, std::iter::once(rid).collect())?.is_empty())
    }

    /// Those of some versions that satisfy a condition of a rule.
    fn satisfying(
        &self,
        rt: ResourceType,
        node: &Node,
        within: RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        if within.is_empty() {
            return Ok(within);
        }
        match node {
            Node::Criterion(criterion) => self.meeting(rt, criterion, within),
            Node::And(nodes) => {
                nodes.iter().try_fold(within, |left, node| self.satisfying(rt, node, left))
            }
            Node::Or(nodes) => {
                let mut left = within;
                let mut all = RoaringBitmap::new();
                for node in nodes {
                    let found = self.satisfying(rt, node, left.clone())?;
                    left -= &found;
                    all |= found;
                }
                Ok(all)
            }
            Node::Not(node) => {
                let without = self.satisfying(rt, node, within.clone())?;
                Ok(within - without)
            }
            // `Rule::only` does not make such rules; if there were one, it would admit nothing.
            Node::Chain(_) | Node::Has(_) => Err(Error::corrupt("a rule looks beyond a resource")),
        }
    }

    fn meeting(
        &self,
        rt: ResourceType,
        criterion: &Criterion,
        within: RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        let names_many = criterion.operands.iter().any(|o| matches!(o, Operand::Among { .. }));
        let n_named: usize = criterion.operands.iter().map(named).sum();
        let is_looked_up = (criterion.kind == SearchKind::Reference && !names_many)
            || within.len() > VERIFY_MAX * n_named as u64;
        if !is_looked_up {
            return self.verified(rt, criterion, &within);
        }
        let bounds = within.min().zip(within.max()).unwrap_or_default();
        let outer = self.bounds.replace(bounds);
        let found = match criterion.param == params::id_of(rt) {
            true => self.of_ids(rt, criterion).map(plan::Cand::sure),
            false => plan::eval(self, rt, criterion),
        };
        self.bounds.set(outer);
        let found = found?;
        let sure = found.sure & &within;
        let unsure = (found.maybe & within) - &sure;
        Ok(sure | self.verified(rt, criterion, &unsure)?)
    }

    /// All versions of the resources that `_id` names.
    fn of_ids(&self, rt: ResourceType, criterion: &Criterion) -> Result<RoaringBitmap> {
        let mut all = RoaringBitmap::new();
        for operand in &criterion.operands {
            let limit = i64::MAX as usize;
            let mut add = |id: &str| -> Result<()> {
                all.extend(self.connection.history_of(rt, id, Rid::MAX, i64::MIN, limit)?);
                Ok(())
            };
            match operand {
                Operand::Id(id) => add(id)?,
                Operand::Among { ids, .. } => ids.iter().try_for_each(|id| add(id))?,
                _ => {}
            }
        }
        Ok(all)
    }

    fn verified(
        &self,
        rt: ResourceType,
        criterion: &Criterion,
        rids: &RoaringBitmap,
    ) -> Result<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        if !rids.is_empty() {
            self.each_values(rids, |rid, id, at, values| {
                let known = Known { rt, id: id.to_owned(), last_updated_ms: at, values };
                if criterion.matches_resource(&known) {
                    found.insert(rid);
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}
