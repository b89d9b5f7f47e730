//! Order and execution: a conjunction of conditions becomes a set of candidates.
//!
//! What is cheap and narrow comes first and bounds what is read of the lists after it. Once few
//! candidates are left the remaining criteria are not looked up but checked on the candidates'
//! own values; conditions that lead to other resources start from the candidates then.

use fhir_tables::{ResourceType, SearchKind};
use roaring::RoaringBitmap;
use search::params as search_params;
use search::query::{Criterion, Modifier, Node, Operand, Query};
use search::value::Indexed;

use super::{eval, in_compartment};
use crate::body;
use crate::error::Result;
use crate::key;
use crate::types::Rid;
use crate::view::{EVERYTHING, View};

/// With so few candidates left, reading their values is cheaper than another index range.
const VERIFY_RATHER_MAX: u64 = 256;

/// What planning and running a query needs.
pub struct Cx<'a, 'v> {
    pub view: &'a View<'v>,
    pub bodies: &'a mut body::Reader,
}

/// The visible versions that may answer a query.
pub struct Found<'q> {
    rt: ResourceType,
    pub candidates: RoaringBitmap,
    /// Those of the candidates that need no verification.
    pub sure: RoaringBitmap,
    /// What the others must be checked for.
    unsure: Vec<&'q Criterion>,
}

impl Found<'_> {
    pub fn is_exact(&self) -> bool {
        self.unsure.is_empty()
    }

    /// Number of candidates that need verification.
    pub fn n_unsure(&self) -> u64 {
        if self.is_exact() { 0 } else { self.candidates.len().saturating_sub(self.sure.len()) }
    }

    /// Whether verification needs more than the values that stand with a version.
    pub fn needs_body(&self) -> bool {
        self.unsure.iter().any(|c| c.needs_body())
    }

    /// Whether a candidate with these values answers the query.
    pub fn accepts(&self, rid: Rid, at_ms: i64, values: &[Indexed]) -> bool {
        let updated = search_params::last_updated_of(self.rt);
        self.sure.contains(rid)
            || self.unsure.iter().all(|c| {
                if c.param == updated { c.matches_instant(at_ms) } else { c.matches(values) }
            })
    }

    /// Whether a candidate answers the query.
    pub fn holds(&self, view: &View<'_>, bodies: &mut body::Reader, rid: Rid) -> Result<bool> {
        if self.is_exact() || self.sure.contains(rid) {
            return Ok(true);
        }
        let (_, at, values) =
            if self.needs_body() { view.values_of_body(rid, bodies)? } else { view.values(rid)? };
        Ok(self.accepts(rid, at, &values))
    }

    /// Verifies all candidates.
    pub fn settle(&mut self, view: &View<'_>, bodies: &mut body::Reader) -> Result<()> {
        if self.is_exact() {
            return Ok(());
        }
        let mut kept = self.sure.clone();
        let open = &self.candidates - &self.sure;
        if self.needs_body() {
            for rid in &open {
                if self.holds(view, bodies, rid)? {
                    kept.insert(rid);
                }
            }
        } else {
            view.each_values(&open, |rid, _, at, values| {
                if self.accepts(rid, at, &values) {
                    kept.insert(rid);
                }
                Ok(())
            })?;
        }
        self.candidates = kept;
        self.unsure.clear();
        Ok(())
    }
}

/// How much a criterion costs to look up: 0 is one short list.
fn cost(rt: ResourceType, c: &Criterion) -> u8 {
    if c.param == search_params::id_of(rt) {
        return 0;
    }
    match (c.modifier, c.kind) {
        (Modifier::Not | Modifier::NotIn, _) => 5,
        (Modifier::Text, _) => 4,
        (Modifier::Contains | Modifier::Filter(_), _) => 8,
        (Modifier::Missing, _) => 3,
        (_, SearchKind::Reference) => 0,
        (_, SearchKind::Token | SearchKind::Uri | SearchKind::String) => 1,
        (_, SearchKind::Composite) => 2,
        (_, SearchKind::Number | SearchKind::Quantity) => 3,
        (_, SearchKind::Date | SearchKind::Special) => 4,
    }
}

/// Words are cheaper to look up than to find in bodies.
fn is_full_text(c: &Criterion) -> bool {
    matches!(c.operands.first(), Some(Operand::FullText(_)))
}

fn node_cost(rt: ResourceType, node: &Node) -> u8 {
    match node {
        Node::Criterion(c) => cost(rt, c),
        Node::Chain(chain) => {
            chain.targets.iter().map(|(ty, node)| 6 + node_cost(*ty, node) / 4).max().unwrap_or(0)
        }
        // One resource refers to few others: a List, most of all.
        Node::Has(has) if node_cost(has.source, &has.node) == 0 => 0,
        Node::Has(has) => 6 + node_cost(has.source, &has.node) / 4,
        Node::And(nodes) => nodes.iter().map(|n| node_cost(rt, n)).min().unwrap_or(0),
        Node::Or(nodes) => nodes.iter().map(|n| node_cost(rt, n)).max().unwrap_or(0),
        Node::Not(node) => 5.max(node_cost(rt, node)),
    }
}

/// Plans and runs the look-ups of a query.
pub fn find<'q>(cx: &mut Cx<'_, '_>, query: &'q Query) -> Result<Found<'q>> {
    let start = match &query.compartment {
        Some(compartment) => Some(in_compartment(cx.view, query.rt, compartment)?),
        None => None,
    };
    let mut nodes = Vec::with_capacity(query.nodes.len());
    flatten(&query.nodes, &mut nodes);
    cx.conjunction(query.rt, nodes, start)
}

/// Conjunctions inside a conjunction are part of it.
fn flatten<'q>(nodes: &'q [Node], out: &mut Vec<&'q Node>) {
    for node in nodes {
        match node {
            Node::And(inner) => flatten(inner, out),
            _ => out.push(node),
        }
    }
}

impl Cx<'_, '_> {
    /// The visible versions of `rt` that may satisfy all nodes, among `start` when it is given.
    fn conjunction<'q>(
        &mut self,
        rt: ResourceType,
        mut nodes: Vec<&'q Node>,
        start: Option<RoaringBitmap>,
    ) -> Result<Found<'q>> {
        nodes.sort_by_key(|node| node_cost(rt, node));
        let outer_bounds = self.view.bounds.replace(EVERYTHING);
        let mut sure = start.clone();
        let mut candidates = start;
        let mut unsure = Vec::new();
        let mut is_visible = false;
        for node in nodes {
            if let Some(bounds) = candidates.as_ref().and_then(|c| Some((c.min()?, c.max()?))) {
                self.view.bounds.set(bounds);
            }
            let found = match node {
                Node::Criterion(criterion) => {
                    let few = candidates.as_ref().is_some_and(|c| c.len() <= VERIFY_RATHER_MAX);
                    if few && cost(rt, criterion) > 0 && !is_full_text(criterion) {
                        unsure.push(criterion);
                        sure = Some(RoaringBitmap::new());
                        continue;
                    }
                    let found = eval(self.view, rt, criterion)?;
                    if !(&found.maybe - &found.sure).is_empty() {
                        unsure.push(criterion);
                    }
                    found
                }
                _ => {
                    if let Some(all) = candidates.take() {
                        let all = if is_visible { all } else { self.view.visible(all)? };
                        (candidates, is_visible) = (Some(all), true);
                    }
                    super::Cand::sure(self.exact(rt, node, candidates.as_ref())?)
                }
            };
            let either = &found.sure | &found.maybe;
            candidates = Some(candidates.map_or(either.clone(), |c| c & either));
            sure = Some(sure.map_or(found.sure.clone(), |s| s & found.sure));
        }
        self.view.bounds.set(outer_bounds);
        let candidates = match candidates {
            Some(candidates) => candidates,
            None => {
                let all = self.view.fetch(&key::of_type(rt))?;
                sure = Some(all.clone());
                all
            }
        };
        let candidates = self.view.visible(candidates)?;
        let sure = sure.unwrap_or_default() & &candidates;
        if sure.len() == candidates.len() {
            unsure.clear();
        }
        Ok(Found { rt, candidates, sure, unsure })
    }

    /// The visible versions of `rt` that satisfy a node, among `within` when it is given.
    pub(super) fn exact(
        &mut self,
        rt: ResourceType,
        node: &Node,
        within: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        match node {
            Node::Criterion(_) => self.settled(rt, vec![node], within),
            Node::And(nodes) => {
                let mut all = Vec::with_capacity(nodes.len());
                flatten(nodes, &mut all);
                self.settled(rt, all, within)
            }
            Node::Or(nodes) => {
                let mut all = RoaringBitmap::new();
                for node in nodes {
                    all |= self.exact(rt, node, within)?;
                }
                Ok(all)
            }
            Node::Not(node) => {
                let all = match within {
                    Some(within) => self.view.visible(within.clone())?,
                    None => self.view.visible(self.view.fetch(&key::of_type(rt))?)?,
                };
                let without = self.exact(rt, node, Some(&all))?;
                Ok(all - without)
            }
            Node::Chain(chain) => self.chain(chain, within),
            Node::Has(has) => self.has(rt, has, within),
        }
    }

    fn settled(
        &mut self,
        rt: ResourceType,
        nodes: Vec<&Node>,
        within: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        let mut found = self.conjunction(rt, nodes, within.cloned())?;
        found.settle(self.view, self.bodies)?;
        Ok(found.candidates)
    }
}
