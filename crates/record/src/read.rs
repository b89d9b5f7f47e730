//! Read and vread.
//!
//! Source: FHIR R4 http.html#read, #vread, #cread.

use access::Action;
use fhir_tables::ResourceType;
use store::{ChangeKind, Version};

use crate::audit;
use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, not_found, require};
use crate::record::{Outcome, Record};
use crate::request::{Response, Unless, View};
use crate::write::deleted;

/// The current version.
///
/// Errors: `NotFound`; `Deleted` when there was one.
pub(crate) fn read(
    record: &Record,
    ctx: &Asking<'_>,
    rt: ResourceType,
    id: &str,
    view: &View,
    unless: &Unless,
) -> Result<Outcome> {
    require(ctx, Action::Read, Some(rt))?;
    if let Some(outcome) = of_log(record, ctx, rt, id, view)? {
        return Ok(outcome);
    }
    let Some(version) = record.store().read(rt, id, ctx.may.sees(Action::Read))? else {
        return Err(not_found(rt.name(), id));
    };
    if version.head.kind == ChangeKind::Delete {
        return Err(deleted(&version.head));
    }
    // If-None-Match, when given, decides alone (RFC 9110 §13.2.2). HTTP dates have no
    // milliseconds.
    let unchanged = if unless.any_version {
        true
    } else if unless.versions.is_empty() {
        let since = unless.modified_since_ms;
        since.is_some_and(|since| version.head.last_updated_ms / 1000 <= since / 1000)
    } else {
        unless.versions.contains(&version.head.vid)
    };
    if unchanged {
        let mut response = Response::status(304);
        response.etag = Some(version.head.vid);
        response.last_modified_ms = Some(version.head.last_updated_ms);
        return Ok(Outcome { response, ..Outcome::default() });
    }
    shown(version, view)
}

/// Version `vid`, also of a resource that is deleted now.
///
/// Errors: `NotFound`; `Deleted` when the version is the deletion.
pub(crate) fn vread(
    record: &Record,
    ctx: &Asking<'_>,
    rt: ResourceType,
    id: &str,
    vid: u32,
    view: &View,
) -> Result<Outcome> {
    require(ctx, Action::Read, Some(rt))?;
    if vid == 1
        && let Some(outcome) = of_log(record, ctx, rt, id, view)?
    {
        return Ok(outcome);
    }
    let Some(version) =
        record.store().snapshot(ctx.may.sees(Action::Read))?.version(rt, id, vid)?
    else {
        let text = format!("{rt}/{id} has no version {vid}");
        return Err(Error::new(Kind::NotFound, text));
    };
    if version.head.kind == ChangeKind::Delete {
        return Err(deleted(&version.head));
    }
    shown(version, view)
}

/// The AuditEvent of a leaf of the audit log, which never changes.
fn of_log(
    record: &Record,
    ctx: &Asking<'_>,
    rt: ResourceType,
    id: &str,
    view: &View,
) -> Result<Option<Outcome>> {
    if rt != ResourceType::AUDIT_EVENT {
        return Ok(None);
    }
    let Some(leaf) = audit::search::read(record, ctx, id)? else { return Ok(None) };
    let text = audit::event::render(&leaf, record.base_url());
    let response = Response {
        status: 200,
        body: Some(crate::view::apply(rt, text, view)?),
        etag: Some(1),
        last_modified_ms: Some(leaf.at_ms),
        ..Response::default()
    };
    let patients = leaf.patients.into_iter().collect();
    Ok(Some(Outcome { response, n: 1, patients, is_audited: false }))
}

fn shown(version: Version, view: &View) -> Result<Outcome> {
    let Version { head, body } = version;
    let text = String::from_utf8(body)
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
    let mut outcome = Outcome { n: 1, ..Outcome::default() };
    audit::patients_in(head.rt, &head.id, &text, &mut outcome.patients);
    outcome.response = Response {
        status: 200,
        body: Some(crate::view::apply(head.rt, text, view)?),
        etag: Some(head.vid),
        last_modified_ms: Some(head.last_updated_ms),
        ..Response::default()
    };
    Ok(outcome)
}
