//! Histories of an instance, a type or everything.
//!
//! Source: FHIR R4 http.html#history. Newest first. Each page belongs to the snapshot of the first
//! page, so that what is written meanwhile neither shifts nor repeats a row.
//! `_at` keeps versions that were current at some time in its interval; with `_since` both must
//! hold. A page that passed over many versions without finding enough is shorter than `_count` and
//! has a link to the next.
//! Not here: `_list`; `_sort`.

use access::Action;
use fhir::date::{PartialDate, format_instant};
use fhir_tables::ResourceType;
use store::{ChangeKind, Cursor, Head, Rid, Scope, Snapshot, Version};

use crate::audit;
use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, not_found, require};
use crate::links::{BundleText, append_query, full_url};
use crate::page_token::{self, PageToken};
use crate::record::{Outcome, Record};
use crate::request::{HistoryOf, Response, View};

/// Entries of a page when the client does not say.
const COUNT_DEFAULT: usize = 20;
/// Largest page.
pub(crate) const COUNT_MAX: usize = 1_000;
/// Versions that are looked at for one page of `_at`.
const AT_SCAN_MAX: usize = 20_000;
/// Versions that are looked at together for `_at`.
const AT_CHUNK: usize = 500;

struct Params {
    since_ms: Option<i64>,
    /// Closed interval.
    at: Option<(i64, i64)>,
    count: usize,
    page: Option<String>,
    view: View,
}

/// Reads the parameters.
///
/// Errors: `NotSupported` for unknown ones, `Value` for values that cannot be read, `Invalid` for
/// one that is given twice.
fn params(pairs: &[(String, String)]) -> Result<Params> {
    let view = crate::route::view(pairs)?;
    let mut params = Params { since_ms: None, at: None, count: COUNT_DEFAULT, page: None, view };
    let date = |name: &str, value: &str| {
        PartialDate::parse(value)
            .map(|date| date.range_utc_ms())
            .ok_or_else(|| Error::new(Kind::Value, format!("{name} is not a FHIR date or instant")))
    };
    for (pair_idx, (name, value)) in pairs.iter().enumerate() {
        let is_own = matches!(name.as_str(), "_since" | "_at" | "_count" | "_page");
        if is_own && pairs[..pair_idx].iter().any(|(other, _)| other == name) {
            return Err(Error::new(Kind::Invalid, format!("{name} is given twice")));
        }
        match name.as_str() {
            "_since" => params.since_ms = Some(date(name, value)?.0),
            "_at" => params.at = Some(date(name, value)?),
            "_count" => {
                let n: usize = value.parse().map_err(|_| {
                    Error::new(Kind::Value, "_count is a number of entries, 0 or more")
                })?;
                params.count = n.min(COUNT_MAX);
            }
            "_page" => params.page = Some(value.clone()),
            "_summary" | "_elements" | "_format" | "_pretty" => {}
            _ => {
                let known = "_since, _at, _count, _summary, _elements";
                let text = format!("a history has no parameter {name}; known: {known}");
                return Err(Error::new(Kind::NotSupported, text));
            }
        }
    }
    Ok(params)
}

fn path(of: &HistoryOf) -> String {
    match of {
        HistoryOf::System => "_history".to_owned(),
        HistoryOf::Type(rt) => format!("{rt}/_history"),
        HistoryOf::Instance(rt, id) => format!("{rt}/{id}/_history"),
    }
}

/// Answers with a Bundle of type history.
///
/// Errors: `NotFound` for an instance that never was.
pub(crate) fn history(
    record: &Record,
    ctx: &Asking<'_>,
    of: &HistoryOf,
    pairs: &[(String, String)],
) -> Result<Outcome> {
    match of {
        HistoryOf::System => require(ctx, Action::Search, None)?,
        HistoryOf::Type(rt) => require(ctx, Action::Search, Some(*rt))?,
        HistoryOf::Instance(rt, _) => require(ctx, Action::Read, Some(*rt))?,
    }
    let sees = match of {
        HistoryOf::System | HistoryOf::Type(_) => ctx.may.sees(Action::Search),
        HistoryOf::Instance(..) => ctx.may.sees(Action::Read),
    };
    let params = params(pairs)?;
    let mut own_path = path(of);
    let kept: Vec<_> = pairs.iter().filter(|(name, _)| name != "_page").cloned().collect();
    append_query(&kept, &mut own_path);
    let token =
        params.page.as_deref().map(|text| record.page_key().open(&own_path, text)).transpose()?;
    let mut snapshot = match &token {
        None => record.store().snapshot(sees)?,
        Some(token) => record.store().snapshot_at(token.t, sees)?,
    };
    if let HistoryOf::Instance(rt, id) = of
        && snapshot.head(*rt, id)?.is_none()
    {
        return Err(not_found(rt.name(), id));
    }
    let scope = match of {
        HistoryOf::System => Scope::System,
        HistoryOf::Type(rt) => Scope::Type(*rt),
        HistoryOf::Instance(rt, id) => Scope::Instance(*rt, id),
    };
    let place = token.as_ref().map(|token| (token.backward, token.cursor.rid));
    let page = page(&mut snapshot, scope, &params, place)?;
    let mut bundle = BundleText::new("history", Some(ctx.at_ms), page.total, page.n_bytes());
    let url = |token: Option<&PageToken>| page_token::url(record, &own_path, token);
    bundle.link("self", &url(token.as_ref()));
    bundle.link("first", &url(None));
    let t = snapshot.at();
    let there = |rid: Rid, backward: bool| {
        url(Some(&PageToken { t, cursor: Cursor { key: Vec::new(), rid }, backward }))
    };
    if let Some(after) = page.newer {
        bundle.link("previous", &there(after, true));
    }
    if let Some(before) = page.older {
        bundle.link("next", &there(before, false));
    }
    if page.total.is_some_and(|total| params.count > 0 && total > params.count as u64) {
        // The oldest page is the one that is read from the oldest end.
        bundle.link("last", &there(0, true));
    }
    let mut outcome = Outcome::default();
    for version in &page.versions {
        let head = &version.head;
        let body = match head.kind {
            ChangeKind::Delete => None,
            _ => Some(crate::view::of(head.rt, &version.body, &params.view)?),
        };
        let body = body.as_deref();
        audit::patients_of(version, &mut outcome.patients);
        bundle.entry(|out| entry(record.base_url(), head, body, out));
    }
    outcome.n = page.versions.len();
    outcome.response = Response { status: 200, body: Some(bundle.finish()), ..Response::default() };
    Ok(outcome)
}

struct Page {
    /// Newest first.
    versions: Vec<Version>,
    /// Where the page of newer versions begins: behind this one.
    newer: Option<Rid>,
    /// Where the page of older versions begins: before this one.
    older: Option<Rid>,
    total: Option<u64>,
}

impl Page {
    fn n_bytes(&self) -> usize {
        self.versions.iter().map(|version| version.body.len() + 240).sum()
    }
}

/// The page at a place: `(true, rid)` stands for what is behind `rid`, read upwards, `(false, rid)`
/// for what is before it.
fn page(
    snapshot: &mut Snapshot,
    scope: Scope<'_>,
    params: &Params,
    place: Option<(bool, Rid)>,
) -> Result<Page> {
    let total = match (params.at, scope) {
        (None, _) => Some(snapshot.history_count(scope, params.since_ms)?),
        (Some(_), Scope::Instance(..)) => count_at(snapshot, scope, params)?,
        // It would take a look at every version.
        (Some(_), _) => None,
    };
    if params.count == 0 {
        return Ok(Page { versions: Vec::new(), newer: None, older: None, total });
    }
    let (upward, from) = place.map_or((false, None), |(upward, rid)| (upward, Some(rid)));
    let Found { mut versions, edge } = find(snapshot, scope, params, upward, from)?;
    if upward {
        versions.reverse();
    }
    let newest = versions.first().map(|version| version.rid);
    let oldest = versions.last().map(|version| version.rid);
    let (newer, older) = match from {
        // Nothing is older than the oldest end.
        Some(0) if upward => (edge, None),
        Some(from) if upward => (edge, Some(oldest.unwrap_or(from.saturating_add(1)))),
        Some(from) => (Some(newest.unwrap_or(from.saturating_sub(1))), edge),
        None => (None, edge),
    };
    Ok(Page { versions, newer, older, total })
}

struct Found {
    /// In the order of reading.
    versions: Vec<Version>,
    /// Where to go on in the direction of reading, if there is more.
    edge: Option<Rid>,
}

/// Versions of a page, read from `from` in one direction.
fn find(
    snapshot: &mut Snapshot,
    scope: Scope<'_>,
    params: &Params,
    upward: bool,
    mut from: Option<Rid>,
) -> Result<Found> {
    let mut versions: Vec<Version> = Vec::new();
    let chunk_len = if params.at.is_some() { AT_CHUNK } else { params.count };
    let mut n_seen = 0;
    loop {
        let (chunk, more) = if upward {
            snapshot.history_after(scope, params.since_ms, from.unwrap_or(0), chunk_len)?
        } else {
            snapshot.history(scope, params.since_ms, from, chunk_len)?
        };
        for version in chunk {
            n_seen += 1;
            from = Some(version.rid);
            if !was_current(snapshot, &version.head, params.at)? {
                continue;
            }
            if versions.len() == params.count {
                // One more than the page holds: there is another page.
                let edge = versions.last().map(|version| version.rid);
                return Ok(Found { versions, edge });
            }
            versions.push(version);
        }
        let is_enough = params.at.is_none() || n_seen >= AT_SCAN_MAX;
        if !more || is_enough {
            return Ok(Found { versions, edge: from.filter(|_| more) });
        }
    }
}

/// Whether a version was the current one at some time in the closed interval `at`.
fn was_current(snapshot: &mut Snapshot, head: &Head, at: Option<(i64, i64)>) -> Result<bool> {
    let Some((start_ms, end_ms)) = at else { return Ok(true) };
    if head.last_updated_ms > end_ms {
        return Ok(false);
    }
    if head.last_updated_ms > start_ms {
        return Ok(true);
    }
    let of = Scope::Instance(head.rt, &head.id);
    let (replacing, _) = snapshot.history_after(of, None, head.rid, 1)?;
    Ok(replacing.first().is_none_or(|version| version.last_updated_ms > start_ms))
}

/// Versions of one resource that were current; `None` when there are too many to look at.
fn count_at(snapshot: &mut Snapshot, scope: Scope<'_>, params: &Params) -> Result<Option<u64>> {
    let (all, more) = snapshot.history(scope, params.since_ms, None, AT_SCAN_MAX)?;
    if more {
        return Ok(None);
    }
    let mut n = 0;
    for version in &all {
        n += u64::from(was_current(snapshot, &version.head, params.at)?);
    }
    Ok(Some(n))
}

fn entry(base_url: &str, head: &Head, body: Option<&str>, out: &mut String) {
    full_url(base_url, head.rt.name(), &head.id, out);
    if let Some(body) = body {
        out.push_str(",\"resource\":");
        out.push_str(body);
    }
    let (method, url, status) = changed_by(head.rt, &head.id, head.kind, head.vid);
    out.push_str(",\"request\":{\"method\":\"");
    out.push_str(method);
    out.push_str("\",\"url\":\"");
    out.push_str(&url);
    out.push_str("\"},\"response\":{\"status\":\"");
    out.push_str(status);
    out.push_str("\",\"etag\":\"W/\\\"");
    out.push_str(&head.vid.to_string());
    out.push_str("\\\"\",\"lastModified\":\"");
    out.push_str(&format_instant(head.last_updated_ms));
    out.push_str("\"}");
}

/// The request that a version stands for.
fn changed_by(
    rt: ResourceType,
    id: &str,
    kind: ChangeKind,
    vid: u32,
) -> (&'static str, String, &'static str) {
    match kind {
        ChangeKind::Create if vid == 1 => ("POST", rt.name().to_owned(), "201"),
        ChangeKind::Create => ("PUT", format!("{rt}/{id}"), "201"),
        ChangeKind::Update => ("PUT", format!("{rt}/{id}"), "200"),
        ChangeKind::Delete => ("DELETE", format!("{rt}/{id}"), "204"),
    }
}
