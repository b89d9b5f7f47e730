//! Reads bodies within limits, and what a program shows of itself.
//!
//! Source: RFC 6749 §2.3.1; RFC 7521 §4.2.

use auth::{Possession, Shown};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};

use crate::answer::{invalid_request, refusal};
use crate::door::Door;
use crate::{HttpRequest, HttpResponse};

/// Bytes of a body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The head and the whole body, which must be of this content type.
pub async fn receive(
    request: HttpRequest,
    content_type: &str,
) -> Result<(Parts, String), Box<HttpResponse>> {
    let (parts, body) = request.into_parts();
    let given = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if !given.eq_ignore_ascii_case(content_type) {
        return Err(Box::new(invalid_request(&format!("send {content_type}"))));
    }
    let text = collect(body).await.ok_or_else(|| {
        let text = format!("the body is broken, not UTF-8, or longer than {BODY_BYTES_MAX} bytes");
        Box::new(invalid_request(&text))
    })?;
    Ok((parts, text))
}

async fn collect(body: Body) -> Option<String> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    let whole = tokio::time::timeout(BODY_TIMEOUT, whole).await.ok()?.ok()?;
    String::from_utf8(whole.to_bytes().to_vec()).ok()
}

/// How a program shows who it is.
enum Own {
    Nothing,
    Secret(String),
    Assertion(String),
}

/// A form of a program.
pub struct Form {
    pairs: Vec<(String, String)>,
    pub id: String,
    own: Own,
    /// The secret stood in the `Authorization` header.
    pub by_header: bool,
    dpop: Option<String>,
}

impl Form {
    /// A parameter; empty ones count as left out (RFC 6749 §3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn shown(&self) -> Shown<'_> {
        match &self.own {
            Own::Nothing => Shown::Nothing,
            Own::Secret(secret) => Shown::Secret(secret),
            Own::Assertion(text) => Shown::Assertion(text),
        }
    }

    /// Thumbprint of the key that the program has shown to hold.
    pub fn jkt(&self, door: &Door) -> Result<Option<String>, auth::Error> {
        let Some(proof) = self.dpop.as_deref() else { return Ok(None) };
        let url = door.site().endpoint("token");
        let possession = Possession { proof, method: "POST", url: &url };
        door.auth().check_possession(possession, None).map(Some)
    }

    pub async fn receive(request: HttpRequest) -> Result<Form, Box<HttpResponse>> {
        let (parts, text) = receive(request, "application/x-www-form-urlencoded").await?;
        let pairs = record::parse_query(&text);
        for (idx, (name, _)) in pairs.iter().enumerate() {
            if pairs[..idx].iter().any(|(before, _)| before == name) {
                return Err(Box::new(invalid_request("a parameter is given twice")));
            }
        }
        let dpop = one_dpop(&parts.headers)?;
        let mut form = Form { pairs, id: String::new(), own: Own::Nothing, by_header: false, dpop };
        let text = |name: &str| form.get(name).map(str::to_owned);
        let assertion = match (text("client_assertion_type"), text("client_assertion")) {
            (None, None) => None,
            (Some(kind), Some(assertion)) if kind == ASSERTION_TYPE => Some(assertion),
            _ => {
                let text =
                    format!("client_assertion goes with client_assertion_type={ASSERTION_TYPE}");
                return Err(Box::new(invalid_request(&text)));
            }
        };
        let header = match parts.headers.get(AUTHORIZATION) {
            Some(value) => Some(value.to_str().ok().and_then(basic).ok_or_else(|| {
                Box::new(refusal(StatusCode::UNAUTHORIZED, "invalid_client", ""))
            })?),
            None => None,
        };
        let id = text("client_id").unwrap_or_default();
        let (id, own, by_header) = match (header, text("client_secret"), assertion) {
            (Some((own_id, secret)), None, None) if id.is_empty() || id == own_id => {
                (own_id, Own::Secret(secret), true)
            }
            (None, Some(secret), None) => (id, Own::Secret(secret), false),
            (None, None, Some(assertion)) => (id, Own::Assertion(assertion), false),
            (None, None, None) => (id, Own::Nothing, false),
            _ => {
                let text =
                    "show who you are in one way: by header, by client_secret, or by assertion";
                return Err(Box::new(invalid_request(text)));
            }
        };
        (form.id, form.own, form.by_header) = (id, own, by_header);
        Ok(form)
    }
}

fn one_dpop(headers: &HeaderMap) -> Result<Option<String>, Box<HttpResponse>> {
    let mut all = headers.get_all("dpop").iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => Ok(one.to_str().ok().map(str::to_owned)),
        (Some(_), Some(_)) => {
            let text = "one DPoP proof goes with a request";
            Err(Box::new(refusal(StatusCode::BAD_REQUEST, "invalid_dpop_proof", text)))
        }
    }
}

/// Client id and secret of a Basic header; both are form-encoded inside (RFC 6749 §2.3.1).
fn basic(text: &str) -> Option<(String, String)> {
    let (scheme, packed) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(stdx::base64::decode(packed)?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| record::parse_query(text).into_iter().next().map(|(n, _)| n);
    Some((plain(id)?, plain(secret).unwrap_or_default()))
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
