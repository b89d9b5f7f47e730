//! Loading what was made elsewhere, ids kept.
//!
//! | body | becomes |
//! | --- | --- |
//! | Bundle transaction | that transaction |
//! | Bundle batch | its entries, in one commit when all are good, else one by one |
//! | Bundle collection, searchset | an update per entry, or a create where there is no id; likewise |
//! | Bundle history | the versions themselves, oldest first, with their numbers and times; those that are here already are left alone. Without `request` a version is an update of what is here, or else a create |
//! | any other resource | an update, or a create where there is no id |
//!
//! The answer is a response Bundle with one entry per entry, also for a single resource. Resources
//! that come without a Bundle ([`load`]) are answered without one: they are many.

use std::collections::HashSet;

use fhir::date::PartialDate;
use fhir::json::{Doc, Node};
use fhir_tables::ResourceType;

use crate::bundle::{IMPORT_ENTRIES_MAX, answer, batch, entries, transaction};
use crate::error::{Error, Kind, Result, place_in_entry};
use crate::gate::Asking;
use crate::prepare::resource_type_of;
use crate::record::{Outcome, Record};
use crate::request::{ImportOptions, Response, Return};
use crate::route::checked_id;
use crate::write::{Integrity, Mode, Op, What, write};

pub(crate) fn import(
    record: &Record,
    ctx: &Asking<'_>,
    body: &Doc,
    options: ImportOptions,
) -> Result<Outcome> {
    let root = body.root();
    let integrity = if options.allow_dangling { Integrity::Tell } else { Integrity::Enforce };
    let mode = Mode { integrity, ret: Return::Minimal, in_bundle: true, with: options.with };
    let kind = match resource_type_of(root)? {
        ResourceType::BUNDLE => root.str("type").unwrap_or_default(),
        _ => "".into(),
    };
    let responses = match kind.as_ref() {
        "transaction" => transaction(record, ctx, &entries(root, IMPORT_ENTRIES_MAX)?, &mode)?,
        "batch" => {
            let entries = entries(root, IMPORT_ENTRIES_MAX)?;
            match transaction(record, ctx, &entries, &mode) {
                Ok(responses) => responses,
                Err(e) if e.kind == Kind::Unavailable || !mode.with.is_empty() => return Err(e),
                Err(_) => batch(record, ctx, &entries, &mode),
            }
        }
        "collection" | "searchset" => {
            let entries = entries(root, IMPORT_ENTRIES_MAX)?;
            let ops = entries.iter().enumerate().map(|(idx, entry)| {
                let node = entry.get("resource").ok_or_else(|| no_resource(idx))?;
                let full_url = entry.str("fullUrl").map(|url| url.into_owned());
                keep(idx, full_url, node).map_err(|e| e.within_entry(idx))
            });
            together_or_alone(record, ctx, ops.collect(), &mode)?
        }
        "history" => {
            let entries = entries(root, IMPORT_ENTRIES_MAX)?;
            let ops = entries
                .iter()
                .enumerate()
                .rev()
                .map(|(idx, entry)| restored(idx, *entry).map_err(|e| e.within_entry(idx)));
            let mode = Mode { integrity: Integrity::Tell, ..mode };
            restore(record, ctx, ops.collect::<Result<_>>()?, &mode)?
        }
        _ => {
            let mode = Mode { in_bundle: false, ..mode };
            vec![write(record, ctx, &[keep(0, None, root)?], &mode).map(first)]
        }
    };
    let response = answer("batch-response", ctx, &responses);
    Ok(Outcome { response, is_audited: true, ..Outcome::default() })
}

/// Stores resources that stand for themselves, in one commit for all or none.
pub(crate) fn load(
    record: &Record,
    ctx: &Asking<'_>,
    resources: &[Doc],
    options: ImportOptions,
) -> Result<Outcome> {
    if resources.len() > IMPORT_ENTRIES_MAX {
        let text = format!("at most {IMPORT_ENTRIES_MAX} resources are loaded together");
        return Err(Error::new(Kind::TooMany, text));
    }
    let integrity = if options.allow_dangling { Integrity::Tell } else { Integrity::Enforce };
    let mode = Mode { integrity, ret: Return::Minimal, in_bundle: true, with: options.with };
    let ops = resources
        .iter()
        .enumerate()
        .map(|(idx, doc)| keep(idx, None, doc.root()).map_err(|e| e.within_entry(idx)))
        .collect::<Result<Vec<Op<'_>>>>()?;
    let mut issues = Vec::new();
    for (idx, response) in write(record, ctx, &ops, &mode)?.into_iter().enumerate() {
        issues.extend(response.issues.into_iter().map(|mut issue| {
            place_in_entry(&mut issue, idx);
            issue
        }));
    }
    let response = Response { issues, ..Response::status(200) };
    Ok(Outcome { response, is_audited: true, ..Outcome::default() })
}

fn first(mut responses: Vec<Response>) -> Response {
    responses.pop().unwrap_or_default()
}

fn no_resource(entry_idx: usize) -> Error {
    Error::new(Kind::Structure, "the entry has no resource").within_entry(entry_idx)
}

/// The operation that stores a resource under its own id.
fn keep(entry_idx: usize, full_url: Option<String>, node: Node<'_>) -> Result<Op<'_>> {
    let rt = resource_type_of(node)?;
    let what = match node.str("id") {
        Some(id) => {
            let id = checked_id(&id)?;
            What::Update { rt, id, node, if_match: None, if_absent: false }
        }
        None => What::Create { rt, node, if_none_exist: None },
    };
    Ok(Op { entry_idx, full_url, what })
}

/// One commit for all; when that fails, one for each that is good.
fn together_or_alone(
    record: &Record,
    ctx: &Asking<'_>,
    ops: Vec<Result<Op<'_>>>,
    mode: &Mode,
) -> Result<Vec<Result<Response>>> {
    let mut results: Vec<Option<Result<Response>>> = ops.iter().map(|_| None).collect();
    let mut good = Vec::with_capacity(ops.len());
    for (idx, op) in ops.into_iter().enumerate() {
        match op {
            Ok(op) => good.push(op),
            Err(e) if !mode.with.is_empty() => return Err(e),
            Err(e) => results[idx] = Some(Err(e)),
        }
    }
    match write(record, ctx, &good, mode) {
        Ok(responses) => {
            for (op, response) in good.iter().zip(responses) {
                results[op.entry_idx] = Some(Ok(response));
            }
        }
        Err(e) if e.kind == Kind::Unavailable || !mode.with.is_empty() => return Err(e),
        Err(_) => {
            for op in good {
                let idx = op.entry_idx;
                results[idx] = Some(write(record, ctx, &[op], mode).map(first));
            }
        }
    }
    Ok(results.into_iter().flatten().collect())
}

/// Writes versions in their order, in as few commits as hold each resource once; the answers are
/// in the order of the entries, which is the other way round.
fn restore(
    record: &Record,
    ctx: &Asking<'_>,
    ops: Vec<Op<'_>>,
    mode: &Mode,
) -> Result<Vec<Result<Response>>> {
    let mut responses = Vec::with_capacity(ops.len());
    let mut rest = ops.as_slice();
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let n = rest.iter().take_while(|op| seen.insert(op.what.subject())).count();
        let (run, later) = rest.split_at(n);
        responses.extend(write(record, ctx, run, mode)?.into_iter().map(Ok));
        rest = later;
    }
    responses.reverse();
    Ok(responses)
}

/// The operation that restores a version from an entry of a history.
fn restored(entry_idx: usize, entry: Node<'_>) -> Result<Op<'_>> {
    let request = entry.get("request");
    let method = request.and_then(|request| request.str("method")).unwrap_or_default();
    let bad = |text: &str| Error::new(Kind::Invalid, text.to_owned());
    let instant = |text: &str| PartialDate::parse(text).map(|date| date.start_utc_ms());
    let number = |text: &str| text.parse::<u32>().ok().filter(|vid| *vid > 0);
    let what = match entry.get("resource") {
        Some(node) => {
            let rt = resource_type_of(node)?;
            let id = node.str("id").ok_or_else(|| bad("the version has no id"))?;
            let meta = node.get("meta").ok_or_else(|| bad("the version has no meta"))?;
            let vid = meta.str("versionId").and_then(|text| number(&text));
            let at = meta.str("lastUpdated").and_then(|text| instant(&text));
            What::Restore {
                rt,
                id: checked_id(&id)?,
                vid: vid.ok_or_else(|| bad("meta.versionId is not a number"))?,
                last_updated_ms: at.ok_or_else(|| bad("meta.lastUpdated is no instant"))?,
                is_first: request.map(|_| method == "POST" || vid == Some(1)),
                node: Some(node),
            }
        }
        None => {
            let url = request.and_then(|request| request.str("url")).unwrap_or_default();
            let (ty, id) = url.split_once('/').ok_or_else(|| bad("a deletion names Type/id"))?;
            let rt = ResourceType::from_name(ty).ok_or_else(|| bad("a deletion names its type"))?;
            let response = entry.get("response").ok_or_else(|| bad("a deletion has a response"))?;
            let etag = response.str("etag").ok_or_else(|| bad("a deletion has response.etag"))?;
            let at = response.str("lastModified").and_then(|text| instant(&text));
            What::Restore {
                rt,
                id: checked_id(id)?,
                vid: crate::route::parse_etag(&etag)?,
                last_updated_ms: at.ok_or_else(|| bad("a deletion has response.lastModified"))?,
                is_first: Some(false),
                node: None,
            }
        }
    };
    Ok(Op { entry_idx, full_url: None, what })
}
