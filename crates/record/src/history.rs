//! Histories of an instance, a type or everything.
//!
//! Source: FHIR R4 http.html#history. Newest first. Pages go forward; each belongs to the snapshot
//! of the first page, so that what is written meanwhile neither shifts nor repeats a row.
//! Not here: `_at` on a type or on everything; `_list`; `_sort`.

use fhir::date::{PartialDate, format_instant};
use fhir_tables::ResourceType;
use store::{ChangeKind, Cursor, Head, Scope, Snapshot, Version};

use crate::access::{not_found, require};
use crate::audit;
use crate::ctx::{Action, Ctx};
use crate::error::{Error, Kind, Result};
use crate::links::{BundleText, append_query, full_url};
use crate::page_token::PageToken;
use crate::record::{Outcome, Record};
use crate::request::{HistoryOf, Response, View};
use crate::write::text_of;

/// Entries of a page when the client does not say.
const COUNT_DEFAULT: usize = 20;
/// Largest page.
pub(crate) const COUNT_MAX: usize = 1_000;

struct Params {
    since_ms: Option<i64>,
    at: Option<(i64, i64)>,
    count: usize,
    page: Option<String>,
    view: View,
}

/// Reads the parameters.
///
/// Errors: `NotSupported` for unknown ones, `Value` for values that cannot be read.
fn params(pairs: &[(String, String)]) -> Result<Params> {
    let view = crate::route::view(pairs)?;
    let mut params = Params { since_ms: None, at: None, count: COUNT_DEFAULT, page: None, view };
    let date = |name: &str, value: &str| {
        PartialDate::parse(value)
            .map(|date| date.range_utc_ms())
            .ok_or_else(|| Error::new(Kind::Value, format!("{name} is not a FHIR date or instant")))
    };
    for (name, value) in pairs {
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
    ctx: &Ctx,
    of: &HistoryOf,
    pairs: &[(String, String)],
) -> Result<Outcome> {
    match of {
        HistoryOf::System => require(ctx, Action::Search, None, None)?,
        HistoryOf::Type(rt) => require(ctx, Action::Search, Some(*rt), None)?,
        HistoryOf::Instance(rt, id) => require(ctx, Action::Read, Some(*rt), Some(id))?,
    }
    let params = params(pairs)?;
    let mut own_path = path(of);
    let kept: Vec<_> = pairs.iter().filter(|(name, _)| name != "_page").cloned().collect();
    append_query(&kept, &mut own_path);
    let token =
        params.page.as_deref().map(|text| record.page_key().open(&own_path, text)).transpose()?;
    let mut snapshot = match &token {
        None => record.store().snapshot()?,
        Some(token) => record.store().snapshot_at(token.t)?,
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
    let page = match params.at {
        Some(at) => versions_at(&mut snapshot, of, at, params.since_ms)?,
        None => {
            let before = token.as_ref().map(|token| token.cursor.rid);
            let total = snapshot.history_count(scope, params.since_ms)?;
            let (versions, more) =
                snapshot.history(scope, params.since_ms, before, params.count)?;
            Page { versions, more: more && params.count > 0, total }
        }
    };
    let mut bundle = BundleText::new("history", Some(ctx.at_ms), Some(page.total), 4096);
    let url = |token: Option<&PageToken>| {
        let mut url = format!("{}/{own_path}", record.base_url());
        if let Some(token) = token {
            let text = record.page_key().seal(&own_path, token);
            append_query(&[("_page".to_owned(), text)], &mut url);
        }
        url
    };
    bundle.link("self", &url(token.as_ref()));
    bundle.link("first", &url(None));
    if let Some(last) = page.versions.last().filter(|_| page.more) {
        let cursor = Cursor { key: Vec::new(), rid: last.head.rid };
        let next = PageToken { t: snapshot.at(), cursor, backward: false };
        bundle.link("next", &url(Some(&next)));
    }
    let mut outcome = Outcome::default();
    for version in &page.versions {
        let head = &version.head;
        let body = match head.kind {
            ChangeKind::Delete => None,
            _ => Some(crate::view::apply(head.rt, text_of(&version.body)?, &params.view)?),
        };
        audit::patients_in(
            head.rt,
            &head.id,
            body.as_deref().unwrap_or_default(),
            &mut outcome.patients,
        );
        bundle.entry(|out| entry(record.base_url(), head, body.as_deref(), out));
    }
    outcome.n = page.versions.len();
    outcome.response = Response { status: 200, body: Some(bundle.finish()), ..Response::default() };
    Ok(outcome)
}

struct Page {
    versions: Vec<Version>,
    more: bool,
    total: u64,
}

/// Versions of one resource that were current at some time in the closed interval `at`.
fn versions_at(
    snapshot: &mut Snapshot,
    of: &HistoryOf,
    at: (i64, i64),
    since_ms: Option<i64>,
) -> Result<Page> {
    let HistoryOf::Instance(rt, id) = of else {
        let text = "_at is offered for the history of one resource";
        return Err(Error::new(Kind::NotSupported, text));
    };
    let mut versions: Vec<Version> = Vec::new();
    let mut before = None;
    // When the version that came after the one at hand was made.
    let mut replaced_ms = i64::MAX;
    loop {
        let (page, more) = snapshot.history(Scope::Instance(*rt, id), None, before, COUNT_MAX)?;
        for version in page {
            before = Some(version.head.rid);
            let made_ms = version.head.last_updated_ms;
            let was_current = made_ms <= at.1 && replaced_ms > at.0;
            if was_current && since_ms.is_none_or(|since| made_ms >= since) {
                versions.push(version);
            }
            replaced_ms = made_ms;
        }
        if !more {
            break;
        }
        if versions.len() > COUNT_MAX {
            return Err(Error::new(Kind::TooMany, format!("more than {COUNT_MAX} versions")));
        }
    }
    let total = versions.len() as u64;
    Ok(Page { versions, more: false, total })
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
