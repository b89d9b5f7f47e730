//! Conditions on other resources: chains and `_has`.
//!
//! Three ways, the cheapest for the numbers at hand: from few candidates to what they refer to;
//! from few resources that satisfy the inner condition to the lists of what refers to them; and,
//! when both are many, over the columns of references.
//! References that a practice's own parameters find have no column: their values are read.

use std::collections::HashMap;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::custom::is_custom;
use search::query::{Chain, Has, Node};
use search::value::{IndexValue, ParamId};

use super::explain::Way;
use super::find::Cx;
use crate::column;
use crate::error::Result;
use crate::key;
use crate::types::{ChangeKind, Rid};
use crate::view::{EVERYTHING, View};

/// From so few candidates one goes to what they refer to, or to what refers to them.
const CANDIDATES_MAX: u64 = 500;
/// Of so few resources that satisfy the inner condition each is followed by itself.
const FOLLOW_MAX: u64 = 1_000;

/// A resource by type and id.
type Name = (ResourceType, String);

impl Cx<'_, '_> {
    /// Versions whose reference leads to what satisfies the chain.
    pub(super) fn chain(
        &mut self,
        rt: ResourceType,
        chain: &Chain,
        within: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        for (ty, node) in &chain.targets {
            found |= crate::inside::chain(self, (rt, chain.param), (*ty, node), within)?;
        }
        if let Some(few) = within.filter(|within| within.len() <= CANDIDATES_MAX) {
            self.took(Way::FromCandidates);
            return Ok(found | self.chain_from(chain, few)?);
        }
        for (ty, node) in &chain.targets {
            let open = self.begin(|| format!("{ty} where {node}"), Way::All, None);
            let inner = self.anywhere(*ty, node)?;
            self.end(open, inner.len(), 0, inner.len());
            if inner.len() <= FOLLOW_MAX {
                self.took(Way::FromInner);
                for id in self.ids(&inner)? {
                    found |= self.view.fetch(&key::reference(*ty, &id, chain.param))?;
                }
                continue;
            }
            let from = match within {
                Some(within) => within.clone(),
                None => {
                    let all = self.view.fetch(&key::param(b'H', chain.param))?;
                    self.view.current(all)?
                }
            };
            if is_custom(chain.param) {
                self.took(Way::FromCandidates);
                each_link(self.view, chain.param, &from, |rid, target| {
                    if target.is_some_and(|target| inner.contains(target)) {
                        found.insert(rid);
                    }
                })?;
                continue;
            }
            self.took(Way::Columns);
            let firsts = self.view.firsts(&inner)?;
            // Neighbours often refer to the same resource.
            let (mut last, mut is_in) = (None, false);
            let mut joined = Vec::new();
            self.view.column(chain.param, &from, |rid, first| {
                if last != Some(first) {
                    (last, is_in) = (Some(first), firsts.contains(first));
                }
                if is_in {
                    joined.push(rid);
                }
            })?;
            // In order, but for what is still in memory.
            joined.sort_unstable();
            joined.dedup();
            let sorted = RoaringBitmap::from_sorted_iter(joined.iter().copied());
            found |= sorted.unwrap_or_else(|_| joined.iter().collect());
            each_link(self.view, chain.param, &(from & self.open(chain.param)?), |rid, target| {
                if target.is_some_and(|target| inner.contains(target)) {
                    found.insert(rid);
                }
            })?;
        }
        if let Some(within) = within {
            found &= within;
        }
        self.view.current(found)
    }

    /// As [`Cx::chain`] from few versions.
    fn chain_from(&mut self, chain: &Chain, few: &RoaringBitmap) -> Result<RoaringBitmap> {
        let mut links: Vec<(Rid, Rid)> = Vec::new();
        each_link(self.view, chain.param, few, |rid, target| {
            links.extend(target.map(|target| (rid, target)));
        })?;
        let targets: RoaringBitmap = links.iter().map(|(_, target)| *target).collect();
        let mut good = RoaringBitmap::new();
        for (ty, node) in &chain.targets {
            let of_type: RoaringBitmap = of_type(self.view, *ty, &targets)?;
            if !of_type.is_empty() {
                good |= self.exact(*ty, node, Some(&of_type))?;
            }
        }
        Ok(links.iter().filter(|(_, target)| good.contains(*target)).map(|(rid, _)| *rid).collect())
    }

    /// Versions of `rt` that resources which satisfy the inner condition refer to.
    pub(super) fn has(
        &mut self,
        rt: ResourceType,
        has: &Has,
        within: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        let inner = match within.filter(|within| within.len() <= CANDIDATES_MAX) {
            Some(few) => {
                self.took(Way::FromCandidates);
                let outer = self.view.bounds.replace(EVERYTHING);
                let mut sources = RoaringBitmap::new();
                for id in self.ids(few)? {
                    sources |= self.view.fetch(&key::reference(rt, &id, has.param))?;
                }
                let sources = self.view.current(sources)?;
                let inner = self.exact(has.source, &has.node, Some(&sources));
                self.view.bounds.set(outer);
                inner?
            }
            None => {
                self.took(Way::FromInner);
                self.anywhere(has.source, &has.node)?
            }
        };
        let mut found = RoaringBitmap::new();
        let by_value = if inner.len() <= FOLLOW_MAX || is_custom(has.param) {
            inner
        } else {
            self.took(Way::Columns);
            let mut firsts = RoaringBitmap::new();
            let mut last = None;
            self.view.column(has.param, &inner, |_, first| {
                if last.replace(first) != Some(first) {
                    firsts.insert(first);
                }
            })?;
            found = self.view.currents(&firsts)?;
            inner & self.open(has.param)?
        };
        each_link(self.view, has.param, &by_value, |_, target| found.extend(target))?;
        if let Some(within) = within {
            return Ok(found & within);
        }
        // A reference may lead to a resource of another type.
        Ok(found & self.view.fetch(&key::of_type(rt))?)
    }

    /// What satisfies a node in the whole record.
    fn anywhere(&mut self, rt: ResourceType, node: &Node) -> Result<RoaringBitmap> {
        let outer = self.view.bounds.replace(EVERYTHING);
        let found = self.exact(rt, node, None);
        self.view.bounds.set(outer);
        found
    }

    /// Versions whose reference led nowhere when they were written: the column does not have them.
    fn open(&self, param: ParamId) -> Result<RoaringBitmap> {
        let outer = self.view.bounds.replace(EVERYTHING);
        let open = self.view.fetch(&column::open_key(param));
        self.view.bounds.set(outer);
        open
    }

    /// Ids of versions, in their order.
    fn ids(&self, rids: &RoaringBitmap) -> Result<Vec<String>> {
        let rids: Vec<Rid> = rids.iter().collect();
        let heads = self.view.connection.heads(&rids)?;
        Ok(heads.into_iter().map(|head| head.id).collect())
    }
}

/// Hands out where the references of a parameter lead: the current version of the target, or
/// `None` when there is none. Each version of `from` may come several times, or never.
pub fn each_link(
    view: &View<'_>,
    param: ParamId,
    from: &RoaringBitmap,
    mut each: impl FnMut(Rid, Option<Rid>),
) -> Result<()> {
    let mut names: HashMap<Name, usize> = HashMap::new();
    let mut links: Vec<(Rid, usize)> = Vec::new();
    view.each_values_of(from, &[param], |rid, _, _, values| {
        for value in values {
            let IndexValue::Reference { ty, id } = value.value else { continue };
            let next = names.len();
            links.push((rid, *names.entry((ty, id)).or_insert(next)));
        }
        Ok(())
    })?;
    let mut order: Vec<(ResourceType, &str)> = vec![(ResourceType(0), ""); names.len()];
    for ((ty, id), at) in &names {
        order[*at] = (*ty, id.as_str());
    }
    let idents = view.connection.idents(&order, view.at)?;
    for (rid, at) in links {
        let ident = idents.get(at).copied().flatten();
        each(rid, ident.filter(|i| i.kind != ChangeKind::Delete).map(|i| i.rid));
    }
    Ok(())
}

/// Those of few versions that are of a type.
pub fn of_type(view: &View<'_>, ty: ResourceType, few: &RoaringBitmap) -> Result<RoaringBitmap> {
    let Some(bounds) = few.min().zip(few.max()) else { return Ok(RoaringBitmap::new()) };
    let outer = view.bounds.replace(bounds);
    let all = view.fetch(&key::of_type(ty));
    view.bounds.set(outer);
    Ok(all? & few)
}
