//! What a set expects of the record, looked at inside its commit.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fhir_tables::ResourceType;
use search::Sees;

use super::{Engine, Group, PreparedPut, PreparedSet, Writer};
use crate::disk::Ident;
use crate::error::{CommitError, Error, Result};
use crate::memory::Generation;
use crate::types::{ChangeKind, Check, Expect, Put, PutKind, Rid};
use crate::view::{EVERYTHING, View};

impl Writer {
    pub(super) fn check(
        &mut self,
        set: &PreparedSet,
        generation: Option<&Arc<Generation>>,
        group: &Group,
    ) -> std::result::Result<(), CommitError> {
        for check in &set.checks {
            if let Check::Unchanged { rt, since } = check {
                let in_group = group.types.iter().any(|(other, _)| other == rt);
                let changed = self.shared.type_changed[usize::from(rt.0)].load(Ordering::SeqCst);
                if in_group || changed > *since {
                    return Err(CommitError::Conflict);
                }
            }
        }
        if set.checks.iter().all(|check| matches!(check, Check::Unchanged { .. })) {
            return Ok(());
        }
        let mut generations = self.shared.generations();
        if let (Engine::Shared(_), Some(own)) = (&self.engine, generation) {
            generations.push(own.clone());
        }
        let view = View {
            shared: &self.shared,
            connection: &self.connection,
            generations: &generations,
            at: self.next - 1,
            pending_deaths: &group.victims,
            bounds: Cell::new(EVERYTHING),
            sees: Sees::everything(),
            epoch: None,
        };
        let deleted_since = |at: Rid| {
            group.last_deletion > 0 || self.shared.last_deletion.load(Ordering::SeqCst) > at
        };
        for check in &set.checks {
            match check {
                Check::Search { query, sees, expect } => {
                    let types = query.types();
                    let changed = |rt: &ResourceType| {
                        self.shared.type_changed[usize::from(rt.0)].load(Ordering::SeqCst)
                    };
                    let in_group = group.types.iter().any(|(rt, _)| types.contains(rt));
                    if !in_group && types.iter().all(|rt| changed(rt) <= set.read_at) {
                        continue;
                    }
                    let view = View { sees, bounds: Cell::new(EVERYTHING), ..view };
                    let mut ids =
                        crate::page::ids(&view, &mut self.body_reader, query, usize::MAX)?;
                    ids.sort_unstable();
                    if ids != *expect {
                        return Err(CommitError::Conflict);
                    }
                }
                Check::Exists { rt, id, expression } if deleted_since(set.targets_at) => {
                    if !put_by_set(&set.puts, *rt, id) && !view.exists(*rt, id)? {
                        return Err(CommitError::MissingTarget {
                            rt: *rt,
                            id: id.clone(),
                            expression: expression.clone(),
                        });
                    }
                }
                Check::Exists { .. } | Check::Unchanged { .. } => {}
                Check::NotReferenced { rt, id } => {
                    let by = referrers_outside(&view, &set.puts, *rt, id)?;
                    if !by.is_empty() {
                        let (rt, id) = (*rt, id.clone());
                        return Err(CommitError::Referenced { rt, id, by });
                    }
                }
                Check::Item { collection, key, value } => {
                    let found = self.connection.item(collection, key)?;
                    if found != *value {
                        return Err(CommitError::Conflict);
                    }
                }
            }
        }
        Ok(())
    }

    /// The current version of each put's resource, when it is what the put expects.
    pub(super) fn check_expectations(
        &self,
        puts: &[PreparedPut],
        group: &Group,
    ) -> std::result::Result<Vec<Option<Ident>>, CommitError> {
        let view = View {
            shared: &self.shared,
            connection: &self.connection,
            generations: &[],
            at: Rid::MAX,
            pending_deaths: &group.victims,
            bounds: Cell::new(EVERYTHING),
            sees: Sees::everything(),
            epoch: None,
        };
        let mut idents = Vec::with_capacity(puts.len());
        for (i, put) in puts.iter().enumerate() {
            if put.expect == Expect::New {
                idents.push(None);
                continue;
            }
            let ident = view.ident(put.rt, &put.id)?;
            let live = ident.filter(|i| i.kind != ChangeKind::Delete);
            let holds = match put.expect {
                Expect::Any | Expect::New => true,
                Expect::Absent => live.is_none(),
                Expect::Exists => live.is_some(),
                Expect::Version(vid) => live.is_some_and(|i| i.vid == vid),
            };
            let newer = match put.kind {
                PutKind::Restore { vid, .. } => ident.is_none_or(|i| i.vid < vid),
                _ => true,
            };
            if !holds || !newer {
                return Err(CommitError::Stale { put: i, found: live.map(|i| i.vid) });
            }
            idents.push(ident);
        }
        Ok(idents)
    }

    /// First versions of the resources that a set writes; for new ones, the one it is about to get.
    pub(super) fn first_versions(
        &self,
        puts: &[PreparedPut],
        idents: &[Option<crate::view::Ident>],
    ) -> Result<Vec<Rid>> {
        let mut firsts = Vec::with_capacity(puts.len());
        for (i, (put, ident)) in puts.iter().zip(idents).enumerate() {
            firsts.push(match ident {
                Some(ident) if ident.vid == 1 => ident.rid,
                Some(_) => self
                    .connection
                    .first_version(put.rt, &put.id)?
                    .ok_or_else(|| Error::corrupt("a resource has no first version"))?,
                None => self.next.saturating_add(i as Rid),
            });
        }
        Ok(firsts)
    }
}

/// Something that a set writes to.
pub trait Target {
    fn rt(&self) -> ResourceType;
    fn id(&self) -> &str;
    fn deletes(&self) -> bool;
}

fn deletes(kind: PutKind) -> bool {
    match kind {
        PutKind::Delete => true,
        PutKind::Write => false,
        PutKind::Restore { kind, .. } => kind == ChangeKind::Delete,
    }
}

impl Target for Put {
    fn rt(&self) -> ResourceType {
        self.rt
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn deletes(&self) -> bool {
        deletes(self.kind)
    }
}

impl Target for PreparedPut {
    fn rt(&self) -> ResourceType {
        self.rt
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn deletes(&self) -> bool {
        deletes(self.kind)
    }
}

fn put_by_set(puts: &[impl Target], rt: ResourceType, id: &str) -> bool {
    puts.iter().any(|p| p.rt() == rt && p.id() == id && !p.deletes())
}

/// Checks that every `Check::Exists` finds its target.
pub fn check_targets(
    view: &View<'_>,
    checks: &[Check],
    puts: &[impl Target],
) -> std::result::Result<(), CommitError> {
    let mut written = HashMap::with_capacity(puts.len());
    for put in puts {
        written.insert((put.rt(), put.id()), put.deletes());
    }
    let mut known = std::collections::HashSet::new();
    let mut wanted = Vec::new();
    let missing = |rt: &ResourceType, id: &str, expression: &str| CommitError::MissingTarget {
        rt: *rt,
        id: id.to_owned(),
        expression: expression.to_owned(),
    };
    for check in checks {
        let Check::Exists { rt, id, expression } = check else { continue };
        if !known.insert((*rt, id.as_str())) {
            continue;
        }
        match written.get(&(*rt, id.as_str())) {
            Some(true) => return Err(missing(rt, id, expression)),
            Some(false) => {}
            None => wanted.push((rt, id.as_str(), expression)),
        }
    }
    let named: Vec<(ResourceType, &str)> = wanted.iter().map(|(rt, id, _)| (**rt, *id)).collect();
    let found = view.connection.idents(&named, view.at)?;
    for ((rt, id, expression), ident) in wanted.iter().zip(found) {
        if ident.is_none_or(|ident| ident.kind == ChangeKind::Delete) {
            return Err(missing(rt, id, expression));
        }
    }
    Ok(())
}

/// Whether references of a type keep what they refer to from being deleted. Those of the audit
/// trail do not: it tells of what is gone, and who may not read it must not learn of it.
pub fn holds(rt: ResourceType) -> bool {
    rt != ResourceType::AUDIT_EVENT
}

/// Current resources that refer to `rt/id` and are not written by the set, at most ten.
fn referrers_outside(
    view: &View<'_>,
    puts: &[PreparedPut],
    rt: ResourceType,
    id: &str,
) -> Result<Vec<(ResourceType, String)>> {
    let mut by = Vec::new();
    for rid in view.referrers(rt, id)? {
        let head = view.head(rid)?;
        if !holds(head.rt) {
            continue;
        }
        let own = puts.iter().any(|p| p.rt == head.rt && p.id == head.id);
        if !own {
            by.push((head.rt, head.id));
            if by.len() == 10 {
                break;
            }
        }
    }
    Ok(by)
}
