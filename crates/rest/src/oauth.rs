//! The authorization server's simple forms: `client_credentials`, introspection, revocation.
//!
//! Source: RFC 6749 §2.3.1, §4.4, §5; RFC 7009; RFC 7662; SMART App Launch 2.2 conformance.html.

use std::sync::Arc;

use auth::{Introspection, Kind};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use fhir::json::Value;

use crate::answer::{self, PLAIN};
use crate::body;
use crate::door::{Caller, Door};
use crate::negotiate::{BodyKind, Coding, body_kind};
use crate::{HttpRequest, HttpResponse};

const JSON: &str = "application/json";
/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// `/fhir/.well-known/smart-configuration`.
pub fn smart_configuration(door: &Door, coding: Coding) -> HttpResponse {
    let root = door.base_url.strip_suffix("/fhir").unwrap_or(&door.base_url);
    let texts = |list: &[&str]| Value::array(list.iter().map(|text| Value::from(*text)));
    let auth_methods = ["client_secret_basic", "client_secret_post"];
    let value = Value::object([
        ("issuer", Value::from(door.base_url.clone())),
        ("token_endpoint", Value::from(format!("{root}/oauth2/token"))),
        ("introspection_endpoint", Value::from(format!("{root}/oauth2/introspect"))),
        ("revocation_endpoint", Value::from(format!("{root}/oauth2/revoke"))),
        ("token_endpoint_auth_methods_supported", texts(&auth_methods)),
        ("grant_types_supported", texts(&["client_credentials"])),
        ("scopes_supported", texts(&["system/*.cruds", "system/*.rs", "system/*.r"])),
        ("response_types_supported", texts(&[])),
        ("code_challenge_methods_supported", texts(&["S256"])),
        (
            "capabilities",
            texts(&["client-confidential-symmetric", "permission-v1", "permission-v2"]),
        ),
    ]);
    answer::bytes(StatusCode::OK, value.to_json().into_bytes(), JSON, coding)
}

/// `POST /oauth2/token`.
pub async fn token(door: Arc<Door>, request: HttpRequest, caller: Caller) -> HttpResponse {
    let form = match form(request).await {
        Ok(form) => form,
        Err(answer) => return *answer,
    };
    let own = Arc::clone(&door);
    door.work(PLAIN, 0, move || {
        match form.get("grant_type") {
            Some("client_credentials") => {}
            Some(_) => return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", ""),
            None => return invalid_request("grant_type is missing"),
        }
        let address = caller.address.as_deref();
        let scope = form.get("scope").filter(|text| !text.trim().is_empty());
        match own.auth.client_credentials(&form.id, &form.secret, scope, address) {
            Ok((secret, token)) => ok(Value::object([
                ("access_token", Value::from(secret.expose())),
                ("token_type", Value::from("Bearer")),
                ("expires_in", Value::from((token.expires_ms - token.issued_ms) / 1000)),
                ("scope", Value::from(token.scopes.to_string())),
            ])),
            Err(error) => auth_failed(&error, form.by_header),
        }
    })
    .await
}

/// `POST /oauth2/introspect`: a client asks about its own token.
pub async fn introspect(door: Arc<Door>, request: HttpRequest, caller: Caller) -> HttpResponse {
    let form = match form(request).await {
        Ok(form) => form,
        Err(answer) => return *answer,
    };
    let own = Arc::clone(&door);
    door.work(PLAIN, 0, move || {
        let address = caller.address.as_deref();
        let found = own.auth.check_client(&form.id, &form.secret, address).and_then(|client| {
            own.auth.introspect(&client.id, form.get("token").unwrap_or_default())
        });
        match found {
            Ok(Introspection::Inactive) => ok(Value::object([("active", Value::from(false))])),
            Ok(Introspection::Active(token)) => ok(Value::object([
                ("active", Value::from(true)),
                ("client_id", Value::from(token.client_id.clone())),
                ("scope", Value::from(token.scopes.to_string())),
                ("token_type", Value::from("Bearer")),
                ("iat", Value::from(token.issued_ms / 1000)),
                ("exp", Value::from(token.expires_ms / 1000)),
            ])),
            Err(error) => auth_failed(&error, form.by_header),
        }
    })
    .await
}

/// `POST /oauth2/revoke`: answers 200 whether there was a token or not.
pub async fn revoke(door: Arc<Door>, request: HttpRequest, caller: Caller) -> HttpResponse {
    let form = match form(request).await {
        Ok(form) => form,
        Err(answer) => return *answer,
    };
    let own = Arc::clone(&door);
    door.work(PLAIN, 0, move || {
        let address = caller.address.as_deref();
        let done = own
            .auth
            .check_client(&form.id, &form.secret, address)
            .and_then(|client| own.auth.revoke(&client.id, form.get("token").unwrap_or_default()));
        match done {
            Ok(()) => answer::empty(StatusCode::OK),
            Err(error) => auth_failed(&error, form.by_header),
        }
    })
    .await
}

struct Form {
    pairs: Vec<(String, String)>,
    id: String,
    secret: String,
    /// The client showed its secret in the `Authorization` header.
    by_header: bool,
}

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

async fn form(request: HttpRequest) -> Result<Form, Box<HttpResponse>> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if body_kind(content_type.unwrap_or_default()) != Some(BodyKind::Form) {
        return Err(Box::new(invalid_request("send application/x-www-form-urlencoded")));
    }
    let mut received = match body::receive(&parts.headers, body).await {
        Ok(received) if received.bytes.len() <= FORM_BYTES_MAX => received,
        _ => return Err(Box::new(invalid_request("the form cannot be read"))),
    };
    let text = String::from_utf8(received.take())
        .map_err(|_| Box::new(invalid_request("the form is not UTF-8")))?;
    let pairs = record::parse_query(&text);
    for (idx, (name, _)) in pairs.iter().enumerate() {
        if pairs[..idx].iter().any(|(before, _)| before == name) {
            return Err(Box::new(invalid_request("a parameter is given twice")));
        }
    }
    let mut form = Form { pairs, id: String::new(), secret: String::new(), by_header: false };
    let in_form = form.get("client_secret").is_some();
    match parts.headers.get(AUTHORIZATION) {
        Some(value) => {
            let (id, secret) =
                value.to_str().ok().and_then(basic).ok_or_else(|| {
                    Box::new(refusal(StatusCode::UNAUTHORIZED, "invalid_client", ""))
                })?;
            if in_form {
                return Err(Box::new(invalid_request("use one way to show the secret")));
            }
            (form.id, form.secret, form.by_header) = (id, secret, true);
        }
        None => {
            form.id = form.get("client_id").unwrap_or_default().to_owned();
            form.secret = form.get("client_secret").unwrap_or_default().to_owned();
        }
    }
    Ok(form)
}

/// Client id and secret of a Basic header; both are form-encoded inside (RFC 6749 §2.3.1).
fn basic(text: &str) -> Option<(String, String)> {
    let (scheme, packed) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(base64(packed.trim())?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| record::parse_query(text).into_iter().next().map(|(n, _)| n);
    Some((plain(id)?, plain(secret).unwrap_or_default()))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut n_bits) = (0u32, 0);
    for b in text.bytes() {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push((bits >> n_bits) as u8);
            bits &= (1 << n_bits) - 1;
        }
    }
    Some(out)
}

/// True when equal, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    let differ = a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differ) == 0
}

fn ok(value: Value) -> HttpResponse {
    answer::bytes(StatusCode::OK, value.to_json().into_bytes(), JSON, Coding::Identity)
}

fn invalid_request(text: &str) -> HttpResponse {
    refusal(StatusCode::BAD_REQUEST, "invalid_request", text)
}

fn auth_failed(error: &auth::Error, by_header: bool) -> HttpResponse {
    match error.kind {
        Kind::Scope => refusal(StatusCode::BAD_REQUEST, "invalid_scope", &error.public),
        Kind::Throttled { retry_after_ms } => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut out = refusal(status, "temporarily_unavailable", &error.public);
            let seconds = ((retry_after_ms + 999) / 1000).to_string();
            answer::insert(out.headers_mut(), RETRY_AFTER, &seconds);
            out
        }
        Kind::Storage => {
            tracing::error!(source = ?error.source, "the vault failed");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "")
        }
        _ => {
            let mut out = refusal(StatusCode::UNAUTHORIZED, "invalid_client", &error.public);
            if by_header {
                let value = "Basic realm=\"vitae\"";
                answer::insert(out.headers_mut(), WWW_AUTHENTICATE, value);
            }
            out
        }
    }
}

fn refusal(status: StatusCode, error: &str, text: &str) -> HttpResponse {
    let mut value = Value::object([("error", Value::from(error))]);
    if !text.is_empty() {
        value.set("error_description", Value::from(text));
    }
    answer::bytes(status, value.to_json().into_bytes(), JSON, Coding::Identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_headers_are_read() {
        assert_eq!(basic("Basic YWJjOnh5eg=="), Some(("abc".into(), "xyz".into())));
        assert_eq!(basic("basic YSUyMGI6Yw"), Some(("a b".into(), "c".into())));
        for text in ["Bearer YWJjOnh5eg==", "Basic", "Basic !!", "Basic YWJj"] {
            assert_eq!(basic(text), None, "{text}");
        }
    }
}
