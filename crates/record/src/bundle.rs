//! Batch and transaction.
//!
//! Source: FHIR R4 http.html#transaction, #trules, bundle.html. A transaction is one list of
//! operations and one commit. A batch is the entries one by one; one that fails does not touch
//! the others.
//! Deviation: reads of a transaction are answered after its commit, so a read that finds nothing
//! is reported in its entry and does not undo the changes
//! (cases/transaction/read-of-nothing.md).

use fhir::date::{PartialDate, format_instant};
use fhir::json::{Doc, Kind as JsonKind, Node, write_string};
use fhir_tables::{ResourceType, TypeId};

use crate::error::{Error, Kind, Result};
use crate::gate::Asking;
use crate::links::BundleText;
use crate::page_token::unbase64url;
use crate::record::{Outcome, Record};
use crate::request::{PatchBody, Request, Response, Return};
use crate::route::{Headers, Payload, checked_id, parse_etag, route};
use crate::write::{Integrity, Mode, Op, What, write};

/// Most entries of a batch or transaction.
pub const ENTRIES_MAX: usize = 10_000;
/// Most entries of a Bundle that is imported from a file: one patient's whole life is one Bundle.
pub const IMPORT_ENTRIES_MAX: usize = 200_000;

/// What an entry asks for.
pub(crate) enum Task<'a> {
    Write(Op<'a>),
    Read(Request),
}

/// Carries out a batch or transaction.
///
/// Errors: of a transaction, the first failure, with nothing written; of a batch, only what is
/// wrong with the Bundle itself.
pub(crate) fn bundle(
    record: &Record,
    ctx: &Asking<'_>,
    body: &Doc,
    ret: Return,
) -> Result<Outcome> {
    let root = body.root();
    let entries = entries(root, ENTRIES_MAX)?;
    let kind = root.str("type").unwrap_or_default();
    let (kind, responses) = match kind.as_ref() {
        "transaction" => {
            let mode =
                Mode { integrity: Integrity::Enforce, ret, in_bundle: true, with: Vec::new() };
            ("transaction-response", transaction(record, ctx, &entries, &mode)?)
        }
        "batch" => {
            let mode =
                Mode { integrity: Integrity::Enforce, ret, in_bundle: true, with: Vec::new() };
            ("batch-response", batch(record, ctx, &entries, &mode))
        }
        other => {
            let text = format!(
                "a Bundle of type '{}' cannot be executed: use batch or transaction, or POST it \
                 to /Bundle to store it",
                crate::prepare::clipped(other)
            );
            return Err(Error::at(Kind::Value, "Bundle.type", text));
        }
    };
    // Each commit and each read of an entry has its own leaf.
    let is_audited = !responses.is_empty();
    Ok(Outcome { response: answer(kind, ctx, &responses), is_audited, ..Outcome::default() })
}

/// The entries of a Bundle, its own structure checked; resources are checked where they are used.
pub(crate) fn entries(root: Node<'_>, entries_max: usize) -> Result<Vec<Node<'_>>> {
    let rt = crate::prepare::resource_type_of(root)?;
    if rt != ResourceType::BUNDLE {
        let text = format!("the resource is of type {rt}; Bundle is expected");
        return Err(Error::at(Kind::Invalid, rt.name(), text));
    }
    known_members(root, "Bundle", "Bundle")?;
    let Some(list) = root.get("entry") else { return Ok(Vec::new()) };
    if list.kind() != JsonKind::Array {
        return Err(Error::at(Kind::Structure, "Bundle.entry", "Bundle.entry is an array"));
    }
    if list.len() > entries_max {
        let text = format!("a Bundle may have {entries_max} entries, this one has {}", list.len());
        return Err(Error::at(Kind::TooMany, "Bundle.entry", text));
    }
    let entries: Vec<Node<'_>> = list.items().collect();
    for (entry_idx, entry) in entries.iter().enumerate() {
        let place = format!("Bundle.entry[{entry_idx}]");
        known_members(*entry, "Bundle.entry", &place)?;
        if let Some(request) = entry.get("request") {
            known_members(request, "Bundle.entry.request", &format!("{place}.request"))?;
        }
    }
    Ok(entries)
}

fn known_members(node: Node<'_>, ty: &str, place: &str) -> Result<()> {
    if node.kind() != JsonKind::Object {
        return Err(Error::at(Kind::Structure, place, format!("{place} is not an object")));
    }
    let ty = TypeId::by_name(ty).expect("a type of R4");
    for (name, _) in node.members() {
        let base = name.strip_prefix('_').unwrap_or(name);
        if name != "resourceType" && ty.element(base).is_none() {
            let text = format!("{place} has no element '{}'", crate::prepare::clipped(name));
            return Err(Error::at(Kind::Structure, place, text));
        }
    }
    Ok(())
}

pub(crate) fn transaction(
    record: &Record,
    ctx: &Asking<'_>,
    entries: &[Node<'_>],
    mode: &Mode,
) -> Result<Vec<Result<Response>>> {
    let mut ops = Vec::with_capacity(entries.len());
    let mut reads = Vec::new();
    for (entry_idx, entry) in entries.iter().enumerate() {
        match task(record, entry_idx, *entry).map_err(|e| e.within_entry(entry_idx))? {
            Task::Write(op) => ops.push(op),
            Task::Read(request) => reads.push((entry_idx, request)),
        }
    }
    let mut responses: Vec<Option<Result<Response>>> = entries.iter().map(|_| None).collect();
    if !ops.is_empty() {
        for (op, response) in ops.iter().zip(write(record, ctx, &ops, mode)?) {
            responses[op.entry_idx] = Some(Ok(response));
        }
    }
    for (entry_idx, request) in reads {
        let response = record.execute(ctx, request).map_err(|e| e.within_entry(entry_idx));
        responses[entry_idx] = Some(response);
    }
    Ok(responses.into_iter().flatten().collect())
}

pub(crate) fn batch(
    record: &Record,
    ctx: &Asking<'_>,
    entries: &[Node<'_>],
    mode: &Mode,
) -> Vec<Result<Response>> {
    let one = |entry_idx: usize, entry: &Node<'_>| -> Result<Response> {
        match task(record, entry_idx, *entry).map_err(|e| e.within_entry(entry_idx))? {
            Task::Write(op) => {
                let subject = (op.what.audit_action(), op.what.subject());
                let mut responses =
                    write(record, ctx, &[op], mode).map_err(|e| record.refused(ctx, subject, e))?;
                Ok(responses.pop().expect("one response per operation"))
            }
            Task::Read(request) => {
                record.execute(ctx, request).map_err(|e| e.within_entry(entry_idx))
            }
        }
    };
    entries.iter().enumerate().map(|(entry_idx, entry)| one(entry_idx, entry)).collect()
}

/// What an entry asks for.
///
/// Errors: `Structure` and `Invalid` for what is missing or contradicts itself.
fn task<'a>(record: &Record, entry_idx: usize, entry: Node<'a>) -> Result<Task<'a>> {
    let request = entry.get("request").ok_or_else(|| missing("request"))?;
    let method = request.str("method").ok_or_else(|| missing("request.method"))?;
    let url = request.str("url").ok_or_else(|| missing("request.url"))?;
    let url = url.strip_prefix(record.base_url()).unwrap_or(&url);
    let url = url.trim_start_matches('/');
    let headers = headers(request)?;
    if matches!(method.as_ref(), "GET" | "HEAD") {
        return Ok(Task::Read(route(&method, url, &headers, Payload::None)?));
    }
    let full_url = entry.str("fullUrl").map(|url| url.into_owned());
    let what = what(&method, url, &headers, entry)?;
    Ok(Task::Write(Op { entry_idx, full_url, what }))
}

fn missing(name: &str) -> Error {
    Error::new(Kind::Structure, format!("the entry has no {name}"))
}

fn headers(request: Node<'_>) -> Result<Headers> {
    let text = |name: &str| request.str(name).map(|value| value.into_owned());
    let if_modified_since_ms = match text("ifModifiedSince") {
        None => None,
        Some(value) => Some(
            PartialDate::parse(&value)
                .ok_or_else(|| Error::new(Kind::Value, "request.ifModifiedSince is no instant"))?
                .start_utc_ms(),
        ),
    };
    Ok(Headers {
        if_match: text("ifMatch"),
        if_none_match: text("ifNoneMatch"),
        if_modified_since_ms,
        if_none_exist: text("ifNoneExist"),
        prefer: None,
    })
}

fn what<'a>(method: &str, url: &str, headers: &Headers, entry: Node<'a>) -> Result<What<'a>> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (ty, id) = match path.split_once('/') {
        Some((ty, id)) => (ty, Some(id)),
        None => (path, None),
    };
    let rt = ResourceType::from_name(ty).ok_or_else(|| {
        let text = format!("request.url '{}' is not offered", crate::prepare::clipped(url));
        Error::new(Kind::NotSupported, text)
    })?;
    let id = id.map(checked_id).transpose()?;
    let resource = || entry.get("resource").ok_or_else(|| missing("resource"));
    let if_match = headers.if_match.as_deref().map(parse_etag).transpose()?;
    let query = query.to_owned();
    match (method, id) {
        ("POST", None) => {
            let if_none_exist = headers.if_none_exist.clone();
            Ok(What::Create { rt, node: resource()?, if_none_exist })
        }
        ("PUT", Some(id)) => {
            let if_absent = headers.if_none_match.as_deref() == Some("*");
            Ok(What::Update { rt, id, node: resource()?, if_match, if_absent })
        }
        ("PUT", None) => Ok(What::UpdateWhere { rt, query, node: resource()?, if_match }),
        ("PATCH", Some(id)) => Ok(What::Patch { rt, id, patch: patch(resource()?)?, if_match }),
        ("PATCH", None) => Ok(What::PatchWhere { rt, query, patch: patch(resource()?)?, if_match }),
        ("DELETE", Some(id)) => Ok(What::Delete { rt, id, if_match }),
        ("DELETE", None) => Ok(What::DeleteWhere { rt, query }),
        _ => {
            let text =
                format!("request.method '{}' is not offered here", crate::prepare::clipped(method));
            Err(Error::new(Kind::Method, text))
        }
    }
}

/// A patch in an entry: Parameters, or a Binary that holds a JSON Patch.
///
/// Source: FHIR R4 http.html#patch.
fn patch(node: Node<'_>) -> Result<PatchBody> {
    match crate::prepare::resource_type_of(node)?.name() {
        "Parameters" => Ok(PatchBody::FhirPath(Doc::parse(node.to_compact())?)),
        "Binary" => {
            let data = node.str("data").and_then(|data| unbase64url(&data)).ok_or_else(|| {
                Error::at(Kind::Value, "Binary.data", "the Binary holds no base64 data")
            })?;
            Ok(PatchBody::Json(Doc::parse(data)?))
        }
        other => {
            let text = format!("a patch is a Parameters or Binary resource, not {other}");
            Err(Error::new(Kind::Invalid, text))
        }
    }
}

/// The response Bundle, entries in the order of the request.
pub(crate) fn answer(kind: &str, ctx: &Asking<'_>, responses: &[Result<Response>]) -> Response {
    let mut bundle = BundleText::new(kind, Some(ctx.at_ms), None, responses.len() * 160);
    for response in responses {
        bundle.entry(|out| match response {
            Ok(response) => answer_entry(response, out),
            Err(e) => {
                out.push_str("\"response\":{\"status\":\"");
                out.push_str(&status_text(e.status()));
                out.push_str("\",\"outcome\":");
                out.push_str(&e.outcome());
                out.push('}');
            }
        });
    }
    Response { status: 200, body: Some(bundle.finish()), ..Response::default() }
}

fn answer_entry(response: &Response, out: &mut String) {
    if let Some(body) = &response.body {
        out.push_str("\"resource\":");
        out.push_str(body);
        out.push(',');
    }
    out.push_str("\"response\":{\"status\":\"");
    out.push_str(&status_text(response.status));
    out.push('"');
    if let Some(location) = &response.location {
        out.push_str(",\"location\":");
        write_string(location, out);
    }
    if let Some(vid) = response.etag {
        out.push_str(",\"etag\":\"W/\\\"");
        out.push_str(&vid.to_string());
        out.push_str("\\\"\"");
    }
    if let Some(at) = response.last_modified_ms {
        out.push_str(",\"lastModified\":\"");
        out.push_str(&format_instant(at));
        out.push('"');
    }
    if !response.issues.is_empty() {
        out.push_str(",\"outcome\":");
        out.push_str(&fhir::issue::operation_outcome(&response.issues));
    }
    out.push('}');
}

/// `201 Created`: R4 wants the number first.
fn status_text(status: u16) -> String {
    let reason = match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => return status.to_string(),
    };
    format!("{status} {reason}")
}
