//! Which door answers which path.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use auth::Site;
use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    CACHE_CONTROL, ORIGIN,
};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use rest::Caller;

use super::audit::note::{self, Witness};
use crate::practice::{Open, Practice};

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// The doors for programs.
#[derive(Clone)]
pub struct Doors {
    pub rest: Arc<rest::Door>,
    pub oauth: Arc<oauth::Door>,
    /// Witnesses the audit logs of other practices, where the settings say so.
    pub witness: Option<Arc<Witness>>,
}

/// Hands `/fhir` and the like to the REST door, `/oauth2` to the authorization server, the rest to
/// the pages.
pub fn handler(
    doors: Doors,
    open: &Open,
    practice: &Practice,
    data: &std::path::Path,
    site: Site,
    zone: jiff::tz::TimeZone,
    reading: tokio::runtime::Handle,
) -> impl Fn(Request<Body>, SocketAddr) -> Answer + Clone + Send + Sync + 'static {
    let pages = ui::Pages::new(ui::Config {
        record: open.record.clone(),
        auth: Arc::clone(&open.auth),
        practice: practice.name.clone(),
        zone,
        reading,
        tls: site.issuer().starts_with("https://"),
        site,
        demo: data.join(super::demo::LOGINS).exists(),
    });
    move |request, peer| {
        let path = request.uri().path();
        if let Some(witness) = doors.witness.clone().filter(|_| path == note::PATH) {
            return Box::pin(async move { witnessed(witness, request).await });
        }
        let is_oauth = oauth::Door::owns(path);
        if !is_oauth && !rest::Door::owns(path) {
            let pages = pages.clone();
            return Box::pin(async move { pages.handle(request, peer).await });
        }
        let doors = doors.clone();
        Box::pin(async move {
            if is_preflight(&request) {
                return preflight();
            }
            let address = Some(peer.ip().to_string());
            let asks_from_elsewhere = request.headers().contains_key(ORIGIN);
            let mut answer = match is_oauth {
                true => {
                    let start = std::time::Instant::now();
                    let answer = doors.oauth.handle(request, address).await;
                    doors.rest.count_other(answer.status().as_u16(), start.elapsed());
                    answer
                }
                false => doors.rest.handle(request, Caller { address }).await,
            };
            if asks_from_elsewhere {
                share(&mut answer);
            }
            answer
        })
    }
}

/// Answers a log that sends its head.
async fn witnessed(witness: Arc<Witness>, request: Request<Body>) -> Response<Body> {
    let answer = |(status, text): note::Answer| {
        let mut answer = Response::new(Body::from(text));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    };
    if request.method() != Method::POST {
        return answer((405, "send heads with POST\n".to_owned()));
    }
    let body = axum::body::to_bytes(request.into_body(), note::QUESTION_BYTES_MAX).await;
    let question = body.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let Some(question) = question else {
        return answer((400, "this is no question to a witness\n".to_owned()));
    };
    let at_ms = witness.record.now_ms();
    let done = tokio::task::spawn_blocking(move || witness.add(&question, at_ms)).await;
    answer(done.unwrap_or((500, "a bug of ours\n".to_owned())))
}

/// A browser asks whether a page of another origin may send a request.
///
/// It may, to the doors for programs: what they answer depends on a token that the page must have,
/// never on a cookie. Source: SMART App Launch 2.2 conformance.html (CORS); Fetch §3.3.
fn is_preflight(request: &Request<Body>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The same for every path, so that it does not tell which exist.
fn preflight() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    share(&mut answer);
    let headers = answer.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Accept, DPoP, If-Match, If-None-Match, \
             If-Modified-Since, If-None-Exist, Prefer, X-Request-Id, Cache-Control",
        ),
        (ACCESS_CONTROL_MAX_AGE, "600"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn share(answer: &mut Response<Body>) {
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("ETag, Last-Modified, Location, X-Request-Id, WWW-Authenticate"),
    );
}
