//! Renders answers: JSON that nobody keeps.

use auth::Kind;
use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use fhir::json::Value;

use crate::HttpResponse;

const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

pub fn json(status: StatusCode, value: &Value) -> HttpResponse {
    let mut out = empty(status);
    *out.body_mut() = Body::from(value.to_json());
    let headers = out.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out
}

pub fn empty(status: StatusCode) -> HttpResponse {
    let mut out = HttpResponse::new(Body::empty());
    *out.status_mut() = status;
    let headers = out.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    out
}

/// An error as RFC 6749 §5.2 has it.
pub fn refusal(status: StatusCode, error: &str, text: &str) -> HttpResponse {
    let mut value = Value::object([("error", Value::from(error))]);
    if !text.is_empty() {
        value.set("error_description", Value::from(text));
    }
    json(status, &value)
}

pub fn invalid_request(text: &str) -> HttpResponse {
    refusal(StatusCode::BAD_REQUEST, "invalid_request", text)
}

pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let mut out = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request",
        &format!("this path takes {allowed}"),
    );
    out.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    out
}

/// What `auth` refused. `by_header`: the program showed itself in the `Authorization` header.
pub fn failed(error: &auth::Error, by_header: bool) -> HttpResponse {
    let bad = |name: &str| refusal(StatusCode::BAD_REQUEST, name, &error.public);
    match error.kind {
        Kind::Scope => bad("invalid_scope"),
        Kind::Grant => bad("invalid_grant"),
        Kind::Client => bad("unauthorized_client"),
        Kind::Proof => bad("invalid_dpop_proof"),
        Kind::Redirect => bad("invalid_redirect_uri"),
        Kind::Invalid => bad("invalid_request"),
        Kind::Throttled { retry_after_ms } => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut out = refusal(status, "temporarily_unavailable", &error.public);
            let seconds = u64::try_from((retry_after_ms + 999) / 1000).unwrap_or(1);
            out.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            out
        }
        Kind::Storage => {
            tracing::error!(source = ?error.source, "the vault failed");
            busy()
        }
        _ => {
            let mut out = refusal(StatusCode::UNAUTHORIZED, "invalid_client", &error.public);
            if by_header {
                let value = HeaderValue::from_static("Basic realm=\"vitae\"");
                out.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
            out
        }
    }
}

/// 503 with when to come back.
pub fn busy() -> HttpResponse {
    let text = "too much at one time, or the record does not answer; try again in a second";
    let mut out = refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text);
    out.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    out
}
