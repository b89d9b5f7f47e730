//! Changes: from operations to one [`store::WriteSet`], and from its commit to answers.
//!
//! A single request is a list of one operation, a transaction a longer one: there is no second
//! way to write. Preconditions are checked inside the commit; when the record changed meanwhile,
//! the operations are planned again on a new snapshot.

mod conditional;
mod operation;
mod patching;
mod permitted;
mod plan;

pub(crate) use operation::{Op, What};
pub(crate) use plan::{Integrity, deleted};

use std::collections::BTreeSet;

use access::Action;
use fhir::issue::Issue;
use fhir_tables::ResourceType;
use plan::{Done, Plan, plan};
use search::world::Known;
use store::{ChangeKind, Check, CommitError, Committed, Put, PutKind, Snapshot};

use crate::audit;
use crate::error::{Error, Kind, Result};
use crate::gate::Asking;
use crate::items::Change;
use crate::prepare::served;
use crate::record::Record;
use crate::request::{Response, Return};

/// Attempts to commit before a request gives up: more than writers that can wait at once.
const ATTEMPTS_MAX: usize = 100;

/// How a list of operations is carried out.
pub(crate) struct Mode {
    pub integrity: Integrity,
    pub ret: Return,
    /// The operations are entries of a Bundle: errors name the entry.
    pub in_bundle: bool,
    /// Items that go into the commit.
    pub with: Vec<Change>,
}

/// Carries out all operations in one commit.
///
/// Shape: one response per operation, in their order. Nothing is written on error.
pub(crate) fn write(
    record: &Record,
    ctx: &Asking<'_>,
    ops: &[Op<'_>],
    mode: &Mode,
) -> Result<Vec<Response>> {
    for op in ops {
        if op.what.is_of_log() {
            let text = "the audit log cannot be changed: AuditEvents whose ids begin with 'log-' \
                        are its own";
            return Err(placed(Error::new(Kind::Forbidden, text), op, mode));
        }
    }
    for _ in 0..ATTEMPTS_MAX {
        let mut snapshot = record.store().snapshot(ctx.may.knows())?;
        record.custom().refresh(record.store(), record.base_url())?;
        // Until the commit is done: what is written is indexed by every parameter that exists.
        let custom = record.custom().known();
        let mut plan = plan(record, ctx, &mut snapshot, ops, mode, &custom.registry)?;
        let gone = patients_of_deleted(&mut snapshot, &plan.set.puts)?;
        drop(snapshot);
        let rt = ResourceType::SEARCH_PARAMETER;
        plan.set.checks.push(Check::Unchanged { rt, since: custom.at });
        let texts = kept_texts(ctx, ops, &plan, mode);
        let leaves = audit::write_leaves(ctx, ops, &plan.set.puts, gone);
        plan.set.audit.extend(leaves);
        let parts = crate::find::items(&plan.set.puts);
        plan.set.items.extend(parts);
        plan.set.items.extend(mode.with.iter().cloned().map(Change::into_op));
        let set = std::mem::take(&mut plan.set);
        match record.store().commit(set) {
            Ok(committed) => {
                drop(custom);
                if plan.defines {
                    record.custom().reload(record.store(), record.base_url())?;
                }
                return answers(ops, &plan, &committed, &texts, mode);
            }
            Err(CommitError::Conflict) => {}
            Err(CommitError::Stale { put, found }) => {
                let op_idx = plan.owners[put];
                if let Some(error) = precondition_error(&ops[op_idx], found) {
                    return Err(placed(error, &ops[op_idx], mode));
                }
            }
            Err(other) => {
                let culprit = match &other {
                    CommitError::Referenced { rt, id, .. } => plan.deleting(*rt, id),
                    _ => None,
                };
                let error = commit_error(other);
                return Err(match culprit {
                    Some(op_idx) => placed(error, &ops[op_idx], mode),
                    None => error,
                });
            }
        }
    }
    Err(Error::new(Kind::Conflict, "others keep changing the same resources: try again"))
}

/// Whose data goes: a deletion itself says nothing of that.
fn patients_of_deleted(snapshot: &mut Snapshot, puts: &[Put]) -> Result<BTreeSet<String>> {
    let mut gone = BTreeSet::new();
    for put in puts.iter().filter(|put| matches!(put.kind, PutKind::Delete)) {
        if let Some(version) = snapshot.current(put.rt, &put.id)? {
            audit::patients_of(&version, &mut gone);
        }
    }
    Ok(gone)
}

/// The client's own condition that failed; `None` when the operation had none.
fn precondition_error(op: &Op<'_>, found: Option<u32>) -> Option<Error> {
    if op.what.if_absent() {
        return Some(Error::new(Kind::Exists, "If-None-Match: *, and there is a resource"));
    }
    op.what.if_match().map(|wanted| stale(wanted, found))
}

pub(crate) fn stale(wanted: u32, found: Option<u32>) -> Error {
    let text = match found {
        Some(found) => {
            format!(
                "If-Match names version {wanted}, the current version is {found}: read it again"
            )
        }
        None => format!("If-Match names version {wanted}, but there is no current version"),
    };
    Error::new(Kind::Stale, text)
}

fn placed(error: Error, op: &Op<'_>, mode: &Mode) -> Error {
    if mode.in_bundle { error.within_entry(op.entry_idx) } else { error }
}

fn commit_error(e: CommitError) -> Error {
    match e {
        CommitError::MissingTarget { rt, id, expression } => {
            let text = format!("{rt}/{id} is referred to but is not here");
            Error::at(Kind::Dangling, expression, text)
        }
        CommitError::Referenced { rt, id, by } => {
            const REFERRERS_MAX: usize = 10;
            let list: Vec<String> =
                by.iter().take(REFERRERS_MAX).map(|(rt, id)| format!("{rt}/{id}")).collect();
            let more = if by.len() > REFERRERS_MAX { ", …" } else { "" };
            let text =
                format!("{rt}/{id} cannot be deleted: referred to by {}{more}", list.join(", "));
            Error::new(Kind::Conflict, text)
        }
        CommitError::Failed(e) => e.into(),
        other => Error::new(Kind::Internal, "the commit was refused").caused_by(other),
    }
}

/// Texts that the answers need, by put; empty when nobody wants to see them. Who may write and
/// not read is not shown what a patch made of what was there.
fn kept_texts(
    ctx: &Asking<'_>,
    ops: &[Op<'_>],
    plan: &Plan,
    mode: &Mode,
) -> Vec<Option<(String, usize)>> {
    if mode.ret != Return::Representation {
        return Vec::new();
    }
    let reads = ctx.may.sees(Action::Read);
    let may_read = |put: &store::Put, op: &Op<'_>| {
        let is_own = !matches!(op.what, What::Patch { .. } | What::PatchWhere { .. });
        is_own || reads.is_everything() || {
            let (id, values) = (put.id.clone(), put.values.clone());
            reads.admits(&Known { rt: put.rt, id, last_updated_ms: ctx.at_ms, values })
        }
    };
    let text = |(put, owner): (&store::Put, &usize)| {
        may_read(put, &ops[*owner]).then(|| (put.text.clone(), put.meta_at))
    };
    plan.set.puts.iter().zip(&plan.owners).map(text).collect()
}

fn answers(
    ops: &[Op<'_>],
    plan: &Plan,
    committed: &Committed,
    texts: &[Option<(String, usize)>],
    mode: &Mode,
) -> Result<Vec<Response>> {
    let mut responses = Vec::with_capacity(ops.len());
    for (op_idx, done) in plan.done.iter().enumerate() {
        let done = match done {
            Done::SameAs(other) => &plan.done[*other],
            own => own,
        };
        let is_copy = matches!(plan.done[op_idx], Done::SameAs(_));
        let response = match done {
            Done::Put { put, rt, id } => {
                let result = &committed.puts[*put];
                let (vid, at) = (result.vid, result.last_updated_ms);
                if result.kind == ChangeKind::Delete {
                    Response { status: 204, etag: Some(vid), ..Response::default() }
                } else {
                    let created = result.kind == ChangeKind::Create && !is_copy;
                    let status = if created { 201 } else { 200 };
                    let body = texts
                        .get(*put)
                        .and_then(Option::as_ref)
                        .map(|(text, at_byte)| served(text, *at_byte, vid, at));
                    written(status, format!("{rt}/{id}"), vid, at, body, mode)
                }
            }
            Done::Found { version } => {
                let head = &version.head;
                let body = match mode.ret {
                    Return::Representation => Some(text_of(&version.body)?),
                    _ => None,
                };
                let place = format!("{}/{}", head.rt, head.id);
                written(200, place, head.vid, head.last_updated_ms, body, mode)
            }
            Done::Nothing => Response::status(204),
            Done::SameAs(_) => Response::status(200),
        };
        let mut response = response;
        response.issues.extend(plan.warnings[op_idx].iter().cloned());
        responses.push(response);
    }
    Ok(responses)
}

fn written(
    status: u16,
    place: String,
    vid: u32,
    at: i64,
    body: Option<String>,
    mode: &Mode,
) -> Response {
    let done: &[Issue] = &[];
    Response {
        status,
        body: match mode.ret {
            Return::OperationOutcome if !mode.in_bundle => {
                Some(fhir::issue::operation_outcome(done))
            }
            _ => body,
        },
        etag: Some(vid),
        last_modified_ms: Some(at),
        location: Some(format!("{place}/_history/{vid}")),
        issues: Vec::new(),
    }
}

/// Stored bytes as text.
pub(crate) fn text_of(body: &[u8]) -> Result<String> {
    String::from_utf8(body.to_vec())
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))
}
