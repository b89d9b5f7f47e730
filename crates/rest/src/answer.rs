//! Renders answers: status, headers, JSON or XML, pretty or packed.

use std::cell::RefCell;
use std::io::Write;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED,
    LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use fhir::issue::{Issue, IssueType, operation_outcome};
use fhir::json::Doc;
use record::Response;

use crate::HttpResponse;
use crate::negotiate::{Coding, Format, Wanted};

/// Bodies shorter than this are not packed.
const PACKED_BYTES_MIN: usize = 1024;
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// JSON, the form that is served unless asked otherwise.
pub const PLAIN: Wanted = Wanted { format: Format::Json, pretty: false, coding: Coding::Identity };

/// The answer of the record as HTTP.
pub fn from_record(answer: Response, wanted: Wanted, base_url: &str) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = match answer.body {
        Some(body) => Some(body),
        // A write that was asked to say nothing, or to say what it thinks.
        None if !answer.issues.is_empty() => Some(operation_outcome(&answer.issues)),
        None => None,
    };
    let mut out = match body {
        Some(json) => resource(status, json, wanted),
        None => empty(status),
    };
    let headers = out.headers_mut();
    if let Some(vid) = answer.etag {
        insert(headers, ETAG, &format!("W/\"{vid}\""));
    }
    if let Some(ms) = answer.last_modified_ms {
        insert(headers, LAST_MODIFIED, &http_date(ms));
    }
    if let Some(location) = answer.location {
        insert(headers, LOCATION, &format!("{base_url}/{location}"));
    }
    out
}

/// A refusal or failure of the record as HTTP.
pub fn from_error(error: &record::Error, wanted: Wanted) -> HttpResponse {
    let (status, _) = error.kind.wire();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut out = resource(status, operation_outcome(&error.issues), wanted);
    match status {
        StatusCode::UNAUTHORIZED => challenge(&mut out, None),
        StatusCode::SERVICE_UNAVAILABLE => insert(out.headers_mut(), RETRY_AFTER, "1"),
        _ => {}
    }
    out
}

/// An OperationOutcome with one error.
pub fn outcome(
    status: StatusCode,
    code: IssueType,
    text: impl Into<String>,
    wanted: Wanted,
) -> HttpResponse {
    resource(status, operation_outcome(&[Issue::error(code, "", text)]), wanted)
}

/// 401 with what RFC 6750 wants to see.
pub fn unauthorized(text: &str, error: Option<&str>, wanted: Wanted) -> HttpResponse {
    let mut out = outcome(StatusCode::UNAUTHORIZED, IssueType::Login, text, wanted);
    challenge(&mut out, error);
    out
}

fn challenge(out: &mut HttpResponse, error: Option<&str>) {
    let text = match error {
        Some(error) => format!("Bearer realm=\"vitae\", error=\"{error}\""),
        None => "Bearer realm=\"vitae\"".to_owned(),
    };
    insert(out.headers_mut(), WWW_AUTHENTICATE, &text);
}

/// 405 with the methods that the path takes.
pub fn method_not_allowed(allowed: &str, wanted: Wanted) -> HttpResponse {
    let text = format!("this path takes {allowed}");
    let mut out = outcome(StatusCode::METHOD_NOT_ALLOWED, IssueType::NotSupported, text, wanted);
    insert(out.headers_mut(), ALLOW, allowed);
    out
}

/// `json` of a resource in the wanted form.
pub fn resource(status: StatusCode, json: String, wanted: Wanted) -> HttpResponse {
    let text = match (wanted.format, wanted.pretty) {
        (Format::Json, false) => json,
        (Format::Json, true) => match Doc::parse(json.as_bytes()) {
            Ok(doc) => {
                let mut out = String::with_capacity(json.len() * 2);
                doc.root().write_pretty(&mut out);
                out.push('\n');
                out
            }
            Err(_) => json,
        },
        (Format::Xml, _) => match Doc::parse(json.as_bytes()) {
            Ok(doc) => fhir::xml::from_json(doc.root()),
            Err(_) => {
                tracing::error!("a body to be served is not JSON");
                String::new()
            }
        },
    };
    bytes(status, text.into_bytes(), wanted.format.content_type(), wanted.coding)
}

/// A body of `content_type`, packed when it is worth it.
pub fn bytes(
    status: StatusCode,
    body: Vec<u8>,
    content_type: &'static str,
    coding: Coding,
) -> HttpResponse {
    let packed = if body.len() >= PACKED_BYTES_MIN { pack(&body, coding) } else { None };
    let name = packed.as_ref().and_then(|_| coding.name());
    let mut out = HttpResponse::new(Body::from(packed.unwrap_or(body)));
    *out.status_mut() = status;
    let headers = out.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    if let Some(name) = name {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    out
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> HttpResponse {
    let mut out = HttpResponse::new(Body::empty());
    *out.status_mut() = status;
    out.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out
}

/// Bodies in a coding; `None` for none, and when it fails.
///
/// Both at their fastest level: what more effort saves on the wire costs more here.
/// docs/performance.md has the numbers.
pub fn pack(body: &[u8], coding: Coding) -> Option<Vec<u8>> {
    match coding {
        Coding::Identity => None,
        Coding::Gzip => {
            let room = Vec::with_capacity(body.len() / 4 + 64);
            let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
            encoder.write_all(body).ok()?;
            encoder.finish().ok()
        }
        Coding::Zstd => ZSTD.with_borrow_mut(|packer| packer.as_mut()?.compress(body).ok()),
    }
}

/// zstd's level for answers.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    /// Making a context costs more than packing a single resource with it.
    static ZSTD: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(ZSTD_LEVEL).ok());
}

/// Sets a header; a value that cannot be one is left out.
pub fn insert(headers: &mut axum::http::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn http_date(ms: i64) -> String {
    let ms = u64::try_from(ms).unwrap_or(0);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms))
}

/// UTC milliseconds of an HTTP date; `None` when it is none.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
