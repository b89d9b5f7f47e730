//! From operations to one set of writes.
//!
//! Source: FHIR R4 http.html#trules. First every operation gets its target, so that links between
//! entries can be resolved; then, in the order of the specification, its text.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use access::{Action, Actor};
use fhir::issue::Issue;
use fhir::json::{Doc, Node};
use fhir_tables::ResourceType;
use search::Rule;
use search::custom::Registry;
use search::query::Query;
use search::value::Indexed;
use store::{ChangeKind, Check, Expect, Head, Put, PutKind, Snapshot, Version, WriteSet};

use super::conditional::{self, Selected};
use super::operation::{Op, What};
use super::{Mode, patching, placed, stale};
use crate::custom::Defining;
use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, not_found, require};
use crate::prepare::{self, Links, Prepared};
use crate::record::Record;

/// What to do about a reference to a local resource that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integrity {
    Enforce,
    /// Store it and say so; imports only.
    Tell,
}

/// What became of an operation.
pub(crate) enum Done {
    /// `puts[put]`.
    Put { put: usize, rt: ResourceType, id: String },
    /// A conditional create found this.
    Found { version: Box<Version> },
    /// The same conditional create as another operation of the transaction.
    SameAs(usize),
    /// There was nothing to delete.
    Nothing,
}

/// A set of writes and what each part of it is for.
pub(crate) struct Plan {
    pub set: WriteSet,
    /// By operation.
    pub done: Vec<Done>,
    /// Remarks by operation.
    pub warnings: Vec<Vec<Issue>>,
    /// By put: its operation.
    pub owners: Vec<usize>,
    /// The practice's own search parameters change.
    pub defines: bool,
}

impl Plan {
    /// The operation that deletes `rt/id`.
    pub fn deleting(&self, rt: ResourceType, id: &str) -> Option<usize> {
        self.done.iter().position(|done| {
            matches!(done, Done::Put { rt: own_rt, id: own_id, .. } if *own_rt == rt && own_id == id)
        })
    }
}

/// Where an operation goes.
pub(super) enum Target {
    /// A new id of ours.
    New(String),
    /// This id, whatever is there.
    At(String),
    /// The current version, which must still be current at the commit.
    Current(Head),
    Found(Box<Version>),
    SameAs(usize),
    Nothing,
}

pub(super) struct Planner<'p> {
    record: &'p Record,
    pub(super) ctx: &'p Asking<'p>,
    pub(super) snapshot: &'p mut Snapshot,
    mode: &'p Mode,
    full_urls: HashMap<String, (ResourceType, String)>,
    /// Conditional references already looked up, by their text.
    selected: HashMap<String, (ResourceType, String)>,
    /// Targets that the set writes, and those that it deletes.
    written: HashSet<(ResourceType, String)>,
    deleted: HashSet<(ResourceType, String)>,
    /// Targets of references that are checked already.
    checked: HashSet<(ResourceType, String)>,
    custom: &'p Registry,
    /// Changes of the practice's own search parameters.
    defining: Option<Defining>,
    plan: Plan,
}

pub(crate) fn plan(
    record: &Record,
    ctx: &Asking<'_>,
    snapshot: &mut Snapshot,
    ops: &[Op<'_>],
    mode: &Mode,
    custom: &Registry,
) -> Result<Plan> {
    let read_at = snapshot.at();
    let mut planner = Planner {
        record,
        ctx,
        snapshot,
        mode,
        full_urls: HashMap::new(),
        selected: HashMap::new(),
        written: HashSet::with_capacity(ops.len()),
        deleted: HashSet::new(),
        checked: HashSet::new(),
        custom,
        defining: None,
        plan: Plan {
            set: WriteSet { read_at, ..WriteSet::default() },
            done: Vec::with_capacity(ops.len()),
            warnings: vec![Vec::new(); ops.len()],
            owners: Vec::with_capacity(ops.len()),
            defines: false,
        },
    };
    let targets = planner.targets(ops)?;
    planner.claim(ops, &targets)?;
    planner.plan.done.resize_with(ops.len(), || Done::Nothing);
    let mut order: Vec<usize> = (0..ops.len()).collect();
    order.sort_by_key(|op_idx| ops[*op_idx].what.turn());
    for op_idx in order {
        let op = &ops[op_idx];
        planner.carry_out(op_idx, op, &targets[op_idx]).map_err(|e| placed(e, op, mode))?;
    }
    if let Some(defining) = planner.defining.take() {
        let (checks, items) = defining.finish();
        planner.plan.defines = !items.is_empty();
        planner.plan.set.checks.extend(checks);
        planner.plan.set.items.extend(items);
    }
    Ok(planner.plan)
}

impl Planner<'_> {
    fn targets(&mut self, ops: &[Op<'_>]) -> Result<Vec<Target>> {
        let mut none_exist: HashMap<(ResourceType, &str), usize> = HashMap::new();
        let mut targets: Vec<Target> = Vec::with_capacity(ops.len());
        for (op_idx, op) in ops.iter().enumerate() {
            let mut target = self.target(&op.what).map_err(|e| placed(e, op, self.mode))?;
            if let (Target::New(_), What::Create { rt, if_none_exist: Some(text), .. }) =
                (&target, &op.what)
            {
                let first = *none_exist.entry((*rt, text)).or_insert(op_idx);
                if first != op_idx {
                    target = Target::SameAs(first);
                }
            }
            let place = match &target {
                Target::SameAs(first) => Some(&targets[*first]),
                own => Some(own),
            };
            let id = place.and_then(|target| match target {
                Target::New(id) | Target::At(id) => Some(id.clone()),
                Target::Current(head) => Some(head.id.clone()),
                Target::Found(version) => Some(version.head.id.clone()),
                Target::SameAs(_) | Target::Nothing => None,
            });
            if let (Some(url), Some(id)) = (&op.full_url, id)
                && op.what.turn() > 0
            {
                let to = (op.what.rt(), id);
                let before = self.full_urls.insert(url.clone(), to.clone());
                if before.is_some_and(|other| other != to) {
                    let text = "two entries have this fullUrl and are different resources";
                    return Err(placed(Error::new(Kind::Duplicate, text), op, self.mode));
                }
            }
            targets.push(target);
        }
        Ok(targets)
    }

    fn target(&mut self, what: &What<'_>) -> Result<Target> {
        match what {
            What::Create { rt, if_none_exist, .. } => {
                self.may(Action::Create, *rt)?;
                let Some(text) = if_none_exist else {
                    return Ok(Target::New(self.record.new_id()));
                };
                match self.condition(*rt, text)? {
                    Selected::None => Ok(Target::New(self.record.new_id())),
                    Selected::One(head) => {
                        // Found by a search: shown to whom the search shows it.
                        let found = self
                            .snapshot
                            .seen_by(self.ctx.may.sees(Action::Search), |snapshot| {
                                snapshot.version(head.rt, &head.id, head.vid)
                            })?;
                        let gone = "a version in the index is not there";
                        let found = found.ok_or_else(|| Error::new(Kind::Internal, gone))?;
                        Ok(Target::Found(Box::new(found)))
                    }
                    Selected::Many => Err(conditional::many(*rt, text)),
                }
            }
            What::Update { rt, id, .. } => {
                self.may(Action::Update, *rt)?;
                Ok(Target::At(id.clone()))
            }
            What::UpdateWhere { rt, query, node, .. } => {
                self.may(Action::Update, *rt)?;
                let own_id = node.str("id");
                match (self.condition(*rt, query)?, own_id) {
                    (Selected::Many, _) => Err(conditional::many(*rt, query)),
                    (Selected::None, Some(id)) => Ok(Target::At(crate::route::checked_id(&id)?)),
                    (Selected::None, None) => Ok(Target::New(self.record.new_id())),
                    (Selected::One(head), Some(id)) if head.id != id => {
                        let text = "the id of the resource is not that of the one that matches";
                        Err(Error::at(Kind::Invalid, format!("{rt}.id"), text))
                    }
                    (Selected::One(head), _) => self.current(Action::Update, head),
                }
            }
            What::Patch { rt, id, .. } => {
                self.may(Action::Update, *rt)?;
                match self.snapshot.head(*rt, id)? {
                    None => Err(not_found(rt.name(), id)),
                    Some(head) if head.kind == ChangeKind::Delete => Err(deleted(&head)),
                    Some(head) => self.current(Action::Update, head),
                }
            }
            What::PatchWhere { rt, query, .. } => {
                self.may(Action::Update, *rt)?;
                match self.condition(*rt, query)? {
                    Selected::One(head) => self.current(Action::Update, head),
                    Selected::Many => Err(conditional::many(*rt, query)),
                    Selected::None => {
                        Err(Error::new(Kind::NotFound, format!("no {rt} matches the condition")))
                    }
                }
            }
            What::Delete { rt, id, .. } => {
                self.may(Action::Delete, *rt)?;
                match self.snapshot.head(*rt, id)? {
                    Some(head) if head.kind != ChangeKind::Delete => {
                        self.current(Action::Delete, head)
                    }
                    _ => Ok(Target::Nothing),
                }
            }
            What::DeleteWhere { rt, query } => {
                self.may(Action::Delete, *rt)?;
                match self.condition(*rt, query)? {
                    Selected::One(head) => self.current(Action::Delete, head),
                    Selected::Many => Err(conditional::many(*rt, query)),
                    Selected::None => Ok(Target::Nothing),
                }
            }
            What::Restore { rt, id, vid, .. } => Ok(match self.snapshot.head(*rt, id)? {
                Some(head) if head.vid >= *vid => Target::Nothing,
                _ => Target::At(id.clone()),
            }),
        }
    }

    pub(super) fn may(&self, action: Action, rt: ResourceType) -> Result<()> {
        require(self.ctx, action, Some(rt))
    }

    /// What a condition selects; the commit checks that it still does.
    fn condition(&mut self, rt: ResourceType, text: &str) -> Result<Selected> {
        self.may(Action::Search, rt)?;
        let query = conditional::query(self.ctx, rt, text, self.record)?;
        let selected = conditional::select(self.ctx, self.snapshot, &query)?;
        let expect = match &selected {
            Selected::None => Vec::new(),
            Selected::One(head) => vec![head.id.clone()],
            Selected::Many => return Ok(selected),
        };
        self.plan.set.checks.push(Check::Search {
            query: Box::new(query),
            sees: Arc::clone(self.ctx.may.sees(Action::Search)),
            expect,
        });
        Ok(selected)
    }

    /// Notes what the set writes.
    ///
    /// Errors: `Duplicate` when two operations have the same target.
    fn claim(&mut self, ops: &[Op<'_>], targets: &[Target]) -> Result<()> {
        for (op, target) in ops.iter().zip(targets) {
            let id = match target {
                Target::New(id) | Target::At(id) => id,
                Target::Current(head) => &head.id,
                _ => continue,
            };
            let key = (op.what.rt(), id.clone());
            if self.written.contains(&key) || self.deleted.contains(&key) {
                let text = format!("two entries change {}/{id}", key.0);
                return Err(placed(Error::new(Kind::Duplicate, text), op, self.mode));
            }
            if op.what.turn() == 0 {
                self.deleted.insert(key);
            } else {
                self.written.insert(key);
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, op_idx: usize, op: &Op<'_>, target: &Target) -> Result<()> {
        let rt = op.what.rt();
        match (target, &op.what) {
            (Target::SameAs(first), _) => self.plan.done[op_idx] = Done::SameAs(*first),
            (Target::Nothing, _) => {
                if let Some(wanted) = op.what.if_match() {
                    return Err(stale(wanted, None));
                }
            }
            (Target::Found(version), _) => {
                self.plan.done[op_idx] = Done::Found { version: version.clone() };
            }
            (_, What::Delete { .. } | What::DeleteWhere { .. }) => {
                if let Target::Current(head) = target {
                    self.delete(op_idx, op, head)?;
                }
            }
            (_, What::Patch { patch, .. } | What::PatchWhere { patch, .. }) => {
                if let Target::Current(head) = target {
                    let current = self.version(head)?;
                    let expect = current_expected(op.what.if_match(), head)?;
                    let doc = patching::patched(&current.body, patch)?;
                    self.put(op_idx, op, &head.id, doc.root(), (Action::Update, expect))?;
                }
            }
            (_, What::Create { node, .. }) => {
                self.put(op_idx, op, target_id(target), *node, (Action::Create, Expect::New))?;
            }
            (_, What::UpdateWhere { node, if_match, .. }) => match target {
                Target::Current(head) => {
                    let expect = current_expected(*if_match, head)?;
                    self.put(op_idx, op, &head.id, *node, (Action::Update, expect))?;
                }
                _ => {
                    if let Some(wanted) = if_match {
                        return Err(stale(*wanted, None));
                    }
                    self.may(Action::Create, rt)?;
                    let id = target_id(target);
                    if matches!(target, Target::At(_)) {
                        self.choose_id(rt)?;
                    }
                    // A new id was never used; the client's own must not be in use.
                    if matches!(target, Target::At(_)) && self.exists(rt, id)? {
                        let text = format!("{rt}/{id} exists but does not match the condition");
                        return Err(Error::new(Kind::Conflict, text));
                    }
                    self.put(op_idx, op, id, *node, (Action::Create, Expect::Absent))?;
                }
            },
            (_, What::Update { id, node, if_match, if_absent, .. }) => {
                self.update(op_idx, op, id, *node, (*if_match, *if_absent))?;
            }
            (_, What::Restore { .. }) => self.restore(op_idx, op)?,
        }
        Ok(())
    }

    fn exists(&self, rt: ResourceType, id: &str) -> Result<bool> {
        Ok(self.snapshot.exists(rt, id)?)
    }

    fn version(&mut self, head: &Head) -> Result<Version> {
        let found = self.snapshot.version(head.rt, &head.id, head.vid)?;
        found.ok_or_else(|| Error::new(Kind::Internal, "a version in the index is not there"))
    }

    fn update(
        &mut self,
        op_idx: usize,
        op: &Op<'_>,
        id: &str,
        node: Node<'_>,
        (if_match, if_absent): (Option<u32>, bool),
    ) -> Result<()> {
        let rt = op.what.rt();
        let own_id = node.str("id");
        if own_id.as_deref() != Some(id) {
            let text = format!("an update of {rt}/{id} needs a resource with this id");
            return Err(Error::at(Kind::Invalid, format!("{rt}.id"), text));
        }
        let may_create = require(self.ctx, Action::Create, Some(rt));
        let all = |action| self.ctx.may.all(action, rt);
        if !all(Action::Update) || !all(Action::Create) || !self.knows_all(rt) {
            return self.update_part(op_idx, op, id, node, (if_match, if_absent));
        }
        let expect = match (if_match, if_absent) {
            (Some(vid), _) => Expect::Version(vid),
            (None, true) => Expect::Absent,
            (None, false) if may_create.is_ok() => Expect::Any,
            (None, false) => Expect::Exists,
        };
        if expect == Expect::Exists && !self.exists(rt, id)? || expect == Expect::Absent {
            may_create?;
        }
        self.put(op_idx, op, id, node, (Action::Update, expect))
    }

    /// A SearchParameter is also a definition.
    fn define(&mut self, rt: ResourceType, id: &str, node: Option<Node<'_>>) -> Result<()> {
        if rt != ResourceType::SEARCH_PARAMETER {
            return Ok(());
        }
        let mut defining = match self.defining.take() {
            Some(defining) => defining,
            None => Defining::begin(self.snapshot)?,
        };
        defining.set(id, node)?;
        self.defining = Some(defining);
        Ok(())
    }

    fn delete(&mut self, op_idx: usize, op: &Op<'_>, head: &Head) -> Result<()> {
        let (rt, id) = (head.rt, head.id.clone());
        self.define(rt, &id, None)?;
        let vid = op.what.if_match().unwrap_or(head.vid);
        self.plan.set.checks.push(Check::NotReferenced { rt, id: id.clone() });
        let put = Put {
            rt,
            id: id.clone(),
            kind: PutKind::Delete,
            text: String::new(),
            meta_at: 0,
            values: Vec::new(),
            references: Vec::new(),
            expect: Expect::Version(vid),
        };
        self.push(op_idx, put);
        Ok(())
    }

    pub(super) fn put(
        &mut self,
        op_idx: usize,
        op: &Op<'_>,
        id: &str,
        node: Node<'_>,
        (action, expect): (Action, Expect),
    ) -> Result<()> {
        let rt = op.what.rt();
        prepare::check(rt, node)?;
        if self.mode.integrity == Integrity::Enforce {
            prepare::check_whole(rt, node)?;
        }
        let labels = match self.ctx.actor {
            // What is loaded stays as it is.
            Actor::System => Vec::new(),
            _ => access::label::of(node),
        };
        let prepared = self.prepare(rt, id, node, op.full_url.as_deref(), &labels)?;
        let values = self.values(rt, node, &prepared)?;
        let Prepared { text, meta_at, links, .. } = prepared;
        for link in &links {
            self.check_link(op_idx, op, link)?;
        }
        self.define(rt, id, Some(node))?;
        let references = links.into_iter().map(|link| (link.rt, link.id)).collect();
        let kind = PutKind::Write;
        let put = Put { rt, id: id.to_owned(), kind, text, meta_at, values, references, expect };
        self.check_content(action, &put)?;
        self.push(op_idx, put);
        Ok(())
    }

    fn prepare(
        &mut self,
        rt: ResourceType,
        id: &str,
        node: Node<'_>,
        full_url: Option<&str>,
        labels: &[&'static str],
    ) -> Result<Prepared> {
        let (ctx, record) = (self.ctx, self.record);
        let (snapshot, selected) = (&mut *self.snapshot, &mut self.selected);
        let puts = self.plan.set.puts.as_slice();
        let mut select = |expression: &str, rt: ResourceType, query: &str| {
            let key = format!("{rt}?{query}");
            if let Some(to) = selected.get(&key) {
                return Ok(to.clone());
            }
            let to = select_one(ctx, snapshot, puts, record, (rt, query)).map_err(|mut e| {
                e.issues.iter_mut().for_each(|issue| issue.expression = expression.to_owned());
                e
            })?;
            selected.insert(key, to.clone());
            Ok(to)
        };
        let mut links =
            Links { base_url: record.base_url(), full_urls: &self.full_urls, select: &mut select };
        prepare::prepare(rt, id, node, full_url, labels, &mut links)
    }

    /// Index values of the text to be stored, which stands for `node`.
    fn values(
        &self,
        rt: ResourceType,
        node: Node<'_>,
        prepared: &Prepared,
    ) -> Result<Vec<Indexed>> {
        if prepared.is_as_received {
            return Ok(self.values_of(rt, node));
        }
        // The place for version and time is empty here, so it is filled for the parser and looks
        // like any other version.
        let Prepared { text, meta_at, .. } = prepared;
        let mut whole = String::with_capacity(text.len());
        let (head, tail) = text.split_at(*meta_at);
        whole.push_str(head);
        whole.push_str(tail.strip_prefix(',').unwrap_or(tail));
        let doc = Doc::parse(whole)
            .map_err(|e| Error::new(Kind::Internal, "the resource was damaged").caused_by(e))?;
        Ok(self.values_of(rt, doc.root()))
    }

    fn values_of(&self, rt: ResourceType, resource: Node<'_>) -> Vec<Indexed> {
        let base_url = self.record.base_url();
        let mut values = search::index_stored(rt, resource, base_url);
        self.custom.index(rt, resource, base_url, &mut values);
        values
    }

    fn check_link(&mut self, op_idx: usize, op: &Op<'_>, link: &prepare::Link) -> Result<()> {
        let key = (link.rt, link.id.clone());
        if self.written.contains(&key) || !self.checked.insert(key.clone()) {
            return Ok(());
        }
        let is_deleted = self.deleted.contains(&key);
        match self.mode.integrity {
            Integrity::Enforce if is_deleted => {
                let text = format!("{}/{} is deleted by the same transaction", link.rt, link.id);
                Err(Error::at(Kind::Dangling, link.expression.clone(), text))
            }
            Integrity::Enforce => {
                let (rt, id) = key;
                let sees = self.ctx.may.sees(Action::Read);
                if sees.rule(rt) != &Rule::All
                    && !self.snapshot.seen_by(sees, |snapshot| snapshot.exists(rt, &id))?
                {
                    let text = format!("{rt}/{id} is referred to but is not here");
                    return Err(Error::at(Kind::Dangling, link.expression.clone(), text));
                }
                let mut place = Error::at(Kind::Dangling, link.expression.clone(), "");
                place = placed(place, op, self.mode);
                let expression = std::mem::take(&mut place.issues[0].expression);
                self.plan.set.checks.push(Check::Exists { rt, id, expression });
                Ok(())
            }
            Integrity::Tell => {
                if !self.exists(link.rt, &link.id)? {
                    self.plan.warnings[op_idx].push(prepare::dangling(link));
                }
                Ok(())
            }
        }
    }

    fn restore(&mut self, op_idx: usize, op: &Op<'_>) -> Result<()> {
        let What::Restore { rt, id, vid, last_updated_ms, is_first, node } = &op.what else {
            return Ok(());
        };
        self.define(*rt, id, *node)?;
        let (text, values, references) = match node {
            None => (String::new(), Vec::new(), Vec::new()),
            Some(node) => {
                prepare::check(*rt, *node)?;
                let prepared = self.prepare(*rt, id, *node, None, &[])?;
                let values = self.values(*rt, *node, &prepared)?;
                for link in &prepared.links {
                    self.check_link(op_idx, op, link)?;
                }
                let references = prepared.links.into_iter().map(|l| (l.rt, l.id)).collect();
                (node.to_compact(), values, references)
            }
        };
        let kind = match (node, is_first) {
            (None, _) => ChangeKind::Delete,
            (Some(_), Some(true)) => ChangeKind::Create,
            (Some(_), Some(false)) => ChangeKind::Update,
            (Some(_), None) if self.snapshot.exists(*rt, id)? => ChangeKind::Update,
            (Some(_), None) => ChangeKind::Create,
        };
        let kind = PutKind::Restore { vid: *vid, last_updated_ms: *last_updated_ms, kind };
        let put = Put {
            rt: *rt,
            id: id.clone(),
            kind,
            text,
            meta_at: 0,
            values,
            references,
            expect: Expect::Any,
        };
        self.push(op_idx, put);
        Ok(())
    }

    fn push(&mut self, op_idx: usize, put: Put) {
        let (rt, id) = (put.rt, put.id.clone());
        self.plan.done[op_idx] = Done::Put { put: self.plan.set.puts.len(), rt, id };
        self.plan.set.puts.push(put);
        self.plan.owners.push(op_idx);
    }
}

/// The one resource that a conditional reference selects, in the record or among the entries of
/// the same transaction that were carried out before.
fn select_one(
    ctx: &Asking<'_>,
    snapshot: &mut Snapshot,
    puts: &[Put],
    record: &Record,
    (rt, text): (ResourceType, &str),
) -> Result<(ResourceType, String)> {
    require(ctx, Action::Search, Some(rt))?;
    let query = conditional::query(ctx, rt, text, record)?;
    let mut own = puts
        .iter()
        .filter(|put| put.rt == rt && matches_put(&query, put, ctx.at_ms))
        .map(|put| put.id.as_str());
    let stored = match conditional::select(ctx, snapshot, &query)? {
        Selected::One(head) => Some(head.id),
        Selected::Many => return Err(conditional::many(rt, text)),
        Selected::None => None,
    };
    match (stored, own.next(), own.next()) {
        (None, None, _) => {
            let text = format!("no {rt} matches '{}'", prepare::clipped(text));
            Err(Error::new(Kind::NoMatch, text))
        }
        (Some(id), None, _) => Ok((rt, id)),
        (None, Some(id), None) => Ok((rt, id.to_owned())),
        (Some(id), Some(own), None) if id == own => Ok((rt, id)),
        _ => Err(conditional::many(rt, text)),
    }
}

/// Whether a resource that is about to be written answers a query.
fn matches_put(query: &Query, put: &Put, at_ms: i64) -> bool {
    if !query.criteria().any(|criterion| criterion.needs_body()) {
        return query.matches(&put.id, at_ms, &put.values);
    }
    // Local references are relative already: no base is needed to know them.
    let text = match put.meta_at {
        // A version made elsewhere is whole.
        0 => put.text.clone(),
        at => prepare::served(&put.text, at, 1, at_ms),
    };
    Doc::parse(text)
        .is_ok_and(|doc| query.matches(&put.id, at_ms, &search::index(put.rt, doc.root(), "")))
}

/// Errors: `Stale` when the client named another version than the current one.
pub(super) fn current_expected(if_match: Option<u32>, head: &Head) -> Result<Expect> {
    match if_match {
        Some(wanted) if wanted != head.vid => Err(stale(wanted, Some(head.vid))),
        _ => Ok(Expect::Version(head.vid)),
    }
}

fn target_id(target: &Target) -> &str {
    match target {
        Target::New(id) | Target::At(id) => id,
        Target::Current(head) => &head.id,
        Target::Found(version) => &version.head.id,
        Target::SameAs(_) | Target::Nothing => "",
    }
}

/// The answer for what was there and is deleted.
pub(crate) fn deleted(head: &Head) -> Error {
    let text = format!("{}/{} is deleted (version {})", head.rt, head.id, head.vid);
    Error::new(Kind::Deleted, text)
}
