//! Order and execution: a conjunction of conditions becomes a set of candidates.
//!
//! A plan is the list of conditions in the order of their ranks: what is narrow by its nature
//! (ids, references) comes first and bounds what is read of the lists after it; conditions with a
//! list for each value are ordered by the lengths of their lists, counted; ranges, chains and
//! scans follow. Once few candidates are left the remaining criteria are not looked up but checked
//! on the candidates' own values; conditions on other resources start from the candidates then.

use fhir_tables::{ResourceType, SearchKind};
use roaring::RoaringBitmap;
use search::params as search_params;
use search::query::{Criterion, Modifier, Node, Operand, Query};
use search::value::Indexed;

use super::explain::{Open, Trace, Way};
use super::{Cand, eval, in_compartment};
use crate::body;
use crate::error::Result;
use crate::key;
use crate::types::Rid;
use crate::view::{EVERYTHING, View};

/// With so few candidates left, reading their values is cheaper than any index range.
const VERIFY_RATHER_MAX: u64 = 256;

/// As [`VERIFY_RATHER_MAX`] for each value of a criterion that has a list of its own.
const VERIFY_RATHER_THAN_LIST_MAX: u64 = 8;

/// With so few candidates left, reading their values is cheaper than looking up the criterion.
fn verify_rather_max(c: &Criterion) -> u64 {
    match (c.kind, c.modifier) {
        (SearchKind::Token | SearchKind::Uri, Modifier::None | Modifier::Type(_)) => {
            (VERIFY_RATHER_THAN_LIST_MAX * c.operands.len() as u64).min(VERIFY_RATHER_MAX)
        }
        _ => VERIFY_RATHER_MAX,
    }
}

/// What planning and running a query needs.
pub struct Cx<'a, 'v> {
    pub view: &'a View<'v>,
    pub bodies: &'a mut body::Reader,
    /// `None`: nobody reads the plan.
    pub trace: Option<Trace<'a>>,
}

/// The visible versions that may answer a query.
pub struct Found<'q> {
    rt: ResourceType,
    pub candidates: RoaringBitmap,
    /// Those of the candidates that need no verification, where some do.
    pub sure: RoaringBitmap,
    /// What the others must be checked for.
    unsure: Vec<&'q Criterion>,
}

impl Found<'_> {
    pub fn is_exact(&self) -> bool {
        self.unsure.is_empty()
    }

    /// Leaves these of the candidates.
    fn keep(&mut self, candidates: RoaringBitmap) {
        self.sure &= &candidates;
        self.candidates = candidates;
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

/// Words are cheaper to look up than to find in bodies.
fn is_full_text(c: &Criterion) -> bool {
    matches!(c.operands.first(), Some(Operand::FullText(_)))
}

/// A condition and how it is meant to be looked up.
struct Planned<'q> {
    node: &'q Node,
    way: Way,
    /// Smaller comes first.
    rank: u8,
    listed: Option<u64>,
}

/// Rank from which on the lists of conditions are counted before one is chosen.
const RANK_COUNTED: u8 = 1;

fn planned(rt: ResourceType, node: &Node) -> Planned<'_> {
    let (rank, way) = match node {
        Node::Criterion(c) => criterion_rank(rt, c),
        Node::Chain(chain) => {
            let inner = |(ty, node): &(ResourceType, Node)| 6 + planned(*ty, node).rank / 4;
            (chain.targets.iter().map(inner).max().unwrap_or(0), Way::Follow)
        }
        Node::Has(has) => match planned(has.source, &has.node).rank {
            // One resource refers to few others: a List, most of all.
            0 => (0, Way::Follow),
            rank => (6 + rank / 4, Way::Follow),
        },
        Node::And(nodes) => {
            (nodes.iter().map(|n| planned(rt, n).rank).min().unwrap_or(0), Way::All)
        }
        Node::Or(nodes) => (nodes.iter().map(|n| planned(rt, n).rank).max().unwrap_or(0), Way::Any),
        Node::Not(node) => (5.max(planned(rt, node).rank), Way::Without),
    };
    Planned { node, way, rank, listed: None }
}

fn criterion_rank(rt: ResourceType, c: &Criterion) -> (u8, Way) {
    if c.param == search_params::id_of(rt) {
        return (0, Way::Lookup);
    }
    match (c.modifier, c.kind) {
        (Modifier::Not | Modifier::NotIn, _) => (5, Way::Without),
        (Modifier::Text, _) => (4, Way::Lists),
        (Modifier::Contains | Modifier::Filter(_), _) => (8, Way::Scan),
        (Modifier::Missing, _) => (3, Way::Lists),
        (_, SearchKind::Reference) => (0, Way::Lookup),
        (_, SearchKind::Token | SearchKind::Uri) => (RANK_COUNTED, Way::Lists),
        (_, SearchKind::String) => (RANK_COUNTED, Way::Range),
        (_, SearchKind::Composite) => (2, Way::Lists),
        (_, SearchKind::Number | SearchKind::Quantity) => (3, Way::Range),
        (_, SearchKind::Date) => (4, Way::Range),
        (_, SearchKind::Special) => (4, Way::Lists),
    }
}

/// Plans and runs the look-ups of a query.
pub fn find<'q>(cx: &mut Cx<'_, '_>, query: &'q Query) -> Result<Found<'q>> {
    let start = match &query.compartment {
        Some(compartment) => {
            let text = || format!("in {}/{}", compartment.root, compartment.id);
            let open = cx.begin(text, Way::Compartment, None);
            let all = in_compartment(cx.view, query.rt, compartment)?;
            cx.end(open, all.len(), 0, all.len());
            Some(all)
        }
        None => None,
    };
    find_from(cx, query, start)
}

/// As [`find`] among some versions of the type.
pub fn find_within<'q>(
    cx: &mut Cx<'_, '_>,
    query: &'q Query,
    within: RoaringBitmap,
) -> Result<Found<'q>> {
    find_from(cx, query, Some(within))
}

/// Whether the query is answered from gathered ranges: lists of many neighbouring keys, whose
/// length is not known before they are read, and nothing that is narrow by its nature.
pub fn gathers_ranges(query: &Query) -> bool {
    let mut nodes = Vec::with_capacity(query.nodes.len());
    flatten(&query.nodes, &mut nodes);
    let kinds = [SearchKind::Date, SearchKind::Number, SearchKind::Quantity, SearchKind::Composite];
    let mut is_wide = false;
    for node in nodes {
        match node {
            Node::Criterion(c) if c.modifier != Modifier::None => return false,
            Node::Criterion(c) if kinds.contains(&c.kind) => is_wide = true,
            Node::Criterion(c) if c.kind == SearchKind::Token => {}
            _ => return false,
        }
    }
    is_wide
}

fn find_from<'q>(
    cx: &mut Cx<'_, '_>,
    query: &'q Query,
    start: Option<RoaringBitmap>,
) -> Result<Found<'q>> {
    let mut nodes = Vec::with_capacity(query.nodes.len());
    flatten(&query.nodes, &mut nodes);
    let mut found = cx.conjunction(query.rt, nodes, start)?;
    let candidates = std::mem::take(&mut found.candidates);
    found.keep(cx.view.admitted(query.rt, candidates)?);
    Ok(found)
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

/// The candidates of a conjunction while it is carried out.
struct Running<'q> {
    /// `None`: everything of the type.
    candidates: Option<RoaringBitmap>,
    /// Candidates that need no verification; `None`: all of them.
    sure: Option<RoaringBitmap>,
    unsure: Vec<&'q Criterion>,
    is_visible: bool,
}

impl Running<'_> {
    fn few(&self, max: u64) -> bool {
        self.candidates.as_ref().is_some_and(|c| c.len() <= max)
    }

    /// Long lists are not copied where nothing has to be verified.
    fn keep(&mut self, found: Cand) {
        let Cand { sure, maybe } = found;
        if !maybe.is_empty() {
            self.sure = Some(match (self.sure.take(), &self.candidates) {
                (Some(before), _) => before & &sure,
                (None, Some(candidates)) => candidates & &sure,
                (None, None) => sure.clone(),
            });
        } else if let Some(before) = &mut self.sure {
            *before &= &sure;
        }
        let either = if maybe.is_empty() { sure } else { sure | maybe };
        match &mut self.candidates {
            Some(candidates) => *candidates &= either,
            None => self.candidates = Some(either),
        }
    }

    fn n(&self) -> u64 {
        self.candidates.as_ref().map_or(0, RoaringBitmap::len)
    }
}

impl<'a, 'v> Cx<'a, 'v> {
    pub fn new(view: &'a View<'v>, bodies: &'a mut body::Reader) -> Cx<'a, 'v> {
        Cx { view, bodies, trace: None }
    }

    pub(super) fn begin(
        &mut self,
        condition: impl FnOnce() -> String,
        way: Way,
        listed: Option<u64>,
    ) -> Option<Open> {
        self.trace.as_mut().map(|trace| trace.begin(condition(), way, listed))
    }

    pub(super) fn end(&mut self, open: Option<Open>, found: u64, unsure: u64, candidates: u64) {
        if let (Some(trace), Some(open)) = (self.trace.as_mut(), open) {
            trace.end(&open, found, unsure, candidates);
        }
    }

    pub(super) fn took(&mut self, way: Way) {
        if let Some(trace) = self.trace.as_mut() {
            trace.took(way);
        }
    }

    /// The current versions of `rt` that may satisfy all nodes, among `start` when it is given,
    /// whoever may see them.
    fn conjunction<'q>(
        &mut self,
        rt: ResourceType,
        nodes: Vec<&'q Node>,
        start: Option<RoaringBitmap>,
    ) -> Result<Found<'q>> {
        let mut plan: Vec<Planned<'q>> = nodes.into_iter().map(|n| planned(rt, n)).collect();
        plan.sort_by_key(|planned| planned.rank);
        let outer_bounds = self.view.bounds.replace(EVERYTHING);
        let mut run =
            Running { candidates: start, sure: None, unsure: Vec::new(), is_visible: false };
        let mut is_counted = false;
        let mut at = 0;
        while at < plan.len() {
            if !is_counted && plan[at].rank >= RANK_COUNTED && !run.few(VERIFY_RATHER_MAX) {
                self.count(rt, &mut plan[at..])?;
                is_counted = true;
            }
            self.step(rt, &plan[at], &mut run)?;
            at += 1;
        }
        self.view.bounds.set(outer_bounds);
        self.found(rt, run)
    }

    /// Counts the lists of the conditions of the next rank and puts the shortest first.
    fn count(&self, rt: ResourceType, plan: &mut [Planned<'_>]) -> Result<()> {
        let n = plan.iter().take_while(|planned| planned.rank == RANK_COUNTED).count();
        if n < 2 {
            return Ok(());
        }
        for planned in &mut plan[..n] {
            if let Node::Criterion(criterion) = planned.node {
                planned.listed = listed(self.view, rt, criterion)?;
            }
        }
        plan[..n].sort_by_key(|planned| planned.listed.unwrap_or(u64::MAX));
        Ok(())
    }

    fn step<'q>(
        &mut self,
        rt: ResourceType,
        planned: &Planned<'q>,
        run: &mut Running<'q>,
    ) -> Result<()> {
        if let Some(bounds) = run.candidates.as_ref().and_then(|c| Some((c.min()?, c.max()?))) {
            self.view.bounds.set(bounds);
        }
        let text = || planned.node.to_string();
        let listed = match planned.node {
            // Whoever reads the plan sees the length of every list.
            Node::Criterion(c) if self.trace.is_some() && planned.listed.is_none() => {
                listed(self.view, rt, c)?
            }
            _ => planned.listed,
        };
        if let Node::Criterion(criterion) = planned.node
            && run.few(verify_rather_max(criterion))
            && planned.rank > 0
            && !is_full_text(criterion)
        {
            run.unsure.push(criterion);
            run.sure = Some(RoaringBitmap::new());
            let open = self.begin(text, Way::Verify, listed);
            self.end(open, 0, run.n(), run.n());
            return Ok(());
        }
        let open = self.begin(text, planned.way, listed);
        let found = match planned.node {
            Node::Criterion(criterion) => {
                let found = eval(self.view, rt, criterion)?;
                if !(&found.maybe - &found.sure).is_empty() {
                    run.unsure.push(criterion);
                }
                found
            }
            node => {
                if let Some(all) = run.candidates.take() {
                    let all = if run.is_visible { all } else { self.view.current(all)? };
                    (run.candidates, run.is_visible) = (Some(all), true);
                }
                Cand::sure(self.exact(rt, node, run.candidates.as_ref())?)
            }
        };
        let (n_sure, n_maybe) = (found.sure.len(), (&found.maybe - &found.sure).len());
        run.keep(found);
        self.end(open, n_sure + n_maybe, n_maybe, run.n());
        Ok(())
    }

    fn found<'q>(&mut self, rt: ResourceType, run: Running<'q>) -> Result<Found<'q>> {
        let Running { candidates, sure, mut unsure, .. } = run;
        let candidates = match candidates {
            Some(candidates) => candidates,
            None => {
                let open = self.begin(|| format!("all of {rt}"), Way::Type, None);
                let all = self.view.fetch(&key::of_type(rt))?;
                self.end(open, all.len(), 0, all.len());
                all
            }
        };
        let candidates = self.view.current(candidates)?;
        let is_all_sure = sure.is_none();
        let sure = match sure {
            Some(sure) => sure & &candidates,
            None => RoaringBitmap::new(),
        };
        if sure.len() == candidates.len() || is_all_sure {
            unsure.clear();
        }
        Ok(Found { rt, candidates, sure, unsure })
    }

    /// The visible versions of `rt` that satisfy a node, among `within` when it is given: what an
    /// outer condition may rest on.
    pub fn exact(
        &mut self,
        rt: ResourceType,
        node: &Node,
        within: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        let found = self.satisfying(rt, node, within)?;
        self.view.admitted(rt, found)
    }

    /// As [`Cx::exact`], whoever may see them.
    fn satisfying(
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
                    Some(within) => self.view.current(within.clone())?,
                    None => self.view.current(self.view.fetch(&key::of_type(rt))?)?,
                };
                let without = self.exact(rt, node, Some(&all))?;
                Ok(all - without)
            }
            Node::Chain(chain) => self.chain(rt, chain, within),
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

/// Versions on the lists of a criterion whose values have one list each, counted; a version may
/// count for several values. `None` for criteria without such lists.
fn listed(view: &View<'_>, rt: ResourceType, c: &Criterion) -> Result<Option<u64>> {
    let mut all = 0;
    for operand in &c.operands {
        let Some(key) = super::list_of(view, rt, c, operand) else { return Ok(None) };
        all += view.count(&key)?;
    }
    Ok(Some(all))
}
