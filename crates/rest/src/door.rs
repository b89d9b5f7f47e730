//! The way of one request through the door.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use auth::{Auth, Kind, Possession, Scheme};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use fhir::issue::IssueType;
use fhir::json::Doc;
use record::{Ctx, Headers, PatchBody, Payload, Record, Request};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::answer::{self, PLAIN};
use crate::body::{self, Received, Refused};
use crate::capability::Capability;
use crate::metrics::Metrics;
use crate::negotiate::{BodyKind, Coding, Format, Wanted, body_kind, wanted_coding, wanted_format};
use crate::routes::{Access, Found, Interaction, ROUTES, What, find, methods};
use crate::{HttpRequest, HttpResponse};

/// Bytes of path and query; longer searches go to `_search` by POST.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// Requests that write at the same time; more of them wait.
const WORKING_MAX: usize = 32;
/// Bytes of bodies that are worked on at the same time: what is made of a body while it is checked
/// and indexed takes many times its size.
const WORKING_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes that one permit of the above stands for.
const WORKING_BYTES_UNIT: usize = 16 * 1024;
/// Requests that wait or work; more are turned away with 503.
const WAITING_MAX: u64 = 2_048;
/// Characters of a request id that a client may give.
const REQUEST_ID_CHARS_MAX: usize = 64;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The door of one practice. Share it behind an `Arc`.
pub struct Door {
    pub(crate) record: Record,
    pub(crate) auth: Arc<Auth>,
    pub(crate) base_url: String,
    pub(crate) metrics: Metrics,
    metrics_token: Option<String>,
    capability: Capability,
    working: Semaphore,
    reading: Handle,
    working_bytes: Semaphore,
    n_waiting: AtomicU64,
    request_prefix: String,
    n_requests: AtomicU64,
}

/// What the door is told about the request besides the request.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub address: Option<String>,
}

impl Door {
    /// `base_url` is where clients find `/fhir`, without a slash at the end, such as
    /// `http://127.0.0.1:8080/fhir`. With a `metrics_token`, `/metrics` also answers to it.
    /// `reading` has as many threads for blocking work as may read at a time.
    pub fn new(
        record: Record,
        auth: Arc<Auth>,
        base_url: &str,
        metrics_token: Option<String>,
        reading: Handle,
    ) -> Door {
        let mut prefix = [0; 4];
        record.random(&mut prefix);
        let request_prefix: String = prefix.iter().map(|b| format!("{b:02x}")).collect();
        let started_ms = record.now_ms();
        Door {
            record,
            auth,
            base_url: base_url.to_owned(),
            metrics: Metrics::new(),
            metrics_token,
            capability: Capability::new(base_url, started_ms),
            working: Semaphore::new(WORKING_MAX),
            reading,
            working_bytes: Semaphore::new(WORKING_BYTES_MAX / WORKING_BYTES_UNIT),
            n_waiting: AtomicU64::new(0),
            request_prefix,
            n_requests: AtomicU64::new(0),
        }
    }

    /// True for paths that this door answers.
    pub fn owns(path: &str) -> bool {
        let first = path.split('/').nth(1).unwrap_or_default();
        matches!(first, "fhir" | "healthz" | "readyz" | "metrics")
    }

    /// Counts what the authorization server answered, for `/metrics`.
    pub fn count_other(&self, status: u16, took: std::time::Duration) {
        self.metrics.count_other(status, took);
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Door>, request: HttpRequest, caller: Caller) -> HttpResponse {
        let start = Instant::now();
        let found = find(request.method().as_str(), request.uri().path());
        let request_id = self.request_id(request.headers());
        let mut answer = Arc::clone(&self).answer(request, found, caller, &request_id).await;
        answer::insert(answer.headers_mut(), X_REQUEST_ID, &request_id);
        let route_idx = match found {
            Found::Route(idx) => Some(idx),
            _ => None,
        };
        self.metrics.count(route_idx, answer.status().as_u16(), start.elapsed());
        answer
    }

    async fn answer(
        self: Arc<Door>,
        request: HttpRequest,
        found: Found,
        caller: Caller,
        request_id: &str,
    ) -> HttpResponse {
        let (wanted, not_wanted) = match wanted(&request) {
            Ok(wanted) => (wanted, None),
            Err(text) => (PLAIN, Some(text)),
        };
        let route = match found {
            Found::Route(idx) => Some(&ROUTES[idx]),
            _ => None,
        };
        if request.uri().path_and_query().is_some_and(|url| url.as_str().len() > URL_BYTES_MAX) {
            let text =
                format!("the URL is longer than {URL_BYTES_MAX} bytes; use POST with _search");
            return answer::outcome(StatusCode::BAD_REQUEST, IssueType::TooLong, text, wanted);
        }
        // Without a token the answer does not tell which paths exist.
        let ctx = match route.map_or(Access::Token, |route| route.access) {
            Access::Open => None,
            Access::Token => match self.here(|| self.ctx(&request, &caller, request_id)) {
                Ok(ctx) => Some(ctx),
                Err(Refusal::Metrics) if route.is_some_and(|r| r.what == What::Metrics) => None,
                Err(refusal) => return refusal.answer(wanted),
            },
        };
        let Some(route) = route else {
            let path = request.uri().path();
            return match found {
                _ if request.method() == Method::OPTIONS && found != Found::Nothing => {
                    let mut out = answer::empty(StatusCode::NO_CONTENT);
                    let allow = axum::http::header::ALLOW;
                    answer::insert(out.headers_mut(), allow, &methods(path));
                    out
                }
                Found::Method => answer::method_not_allowed(&methods(path), wanted),
                _ => answer::outcome(
                    StatusCode::NOT_FOUND,
                    IssueType::NotFound,
                    "there is nothing at this path",
                    wanted,
                ),
            };
        };
        if let Some(asked) = not_wanted {
            let text = format!("{asked}: offered are application/fhir+json and fhir+xml");
            return answer::outcome(
                StatusCode::NOT_ACCEPTABLE,
                IssueType::NotSupported,
                text,
                wanted,
            );
        }
        match (route.what, ctx) {
            (What::Fhir(interaction), Some(ctx)) => {
                self.fhir(request, interaction, ctx, wanted).await
            }
            (What::Metadata, _) => {
                let custom = self.record.custom_params();
                let tags = text_of(request.headers(), &IF_NONE_MATCH);
                self.capability.answer(request.uri().query(), tags.as_deref(), wanted, &custom)
            }
            (What::Health, _) => text(StatusCode::OK, "ok\n".to_owned()),
            (What::Ready, _) if self.record.healthy() => text(StatusCode::OK, "ready\n".to_owned()),
            (What::Ready, _) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "the record takes no writes\n".to_owned())
            }
            (What::Metrics, _) => text(StatusCode::OK, self.metrics.text()),
            (What::Fhir(_), None) => answer::unauthorized("log in", None, wanted),
        }
    }

    async fn fhir(
        self: Arc<Door>,
        request: HttpRequest,
        interaction: Interaction,
        ctx: Ctx,
        wanted: Wanted,
    ) -> HttpResponse {
        let (parts, body) = request.into_parts();
        let method = parts.method.as_str();
        let headers = headers(&parts.headers);
        let url = relative_url(&parts.uri);
        if interaction.is_short() {
            return match record::route(method, &url, &headers, Payload::None) {
                Ok(request) => {
                    let answer = self.here(|| run_caught(|| self.execute(&ctx, request, wanted)));
                    answer.unwrap_or_else(|| internal(wanted))
                }
                Err(error) => answer::from_error(&error, wanted),
            };
        }
        let takes_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        let received = if takes_body {
            match body::receive(&parts.headers, body).await {
                Ok(received) => received,
                Err(refused) => return body_refused(refused, wanted),
            }
        } else {
            Received::default()
        };
        let method = parts.method.clone();
        let content_type = text_of(&parts.headers, &CONTENT_TYPE).unwrap_or_default();
        let door = Arc::clone(&self);
        let n_bytes = received.bytes.len();
        let only_reads = interaction.only_reads();
        let work = move || {
            let mut received = received;
            let payload = match payload(received.take(), &content_type, takes_body) {
                Ok(payload) => payload,
                Err(Unread::MediaType) => return unsupported_media_type(&content_type, wanted),
                Err(Unread::Error(error)) => return answer::from_error(&error, wanted),
            };
            match record::route(method.as_str(), &url, &headers, payload) {
                Ok(request) => door.execute(&ctx, request, wanted),
                Err(error) => answer::from_error(&error, wanted),
            }
        };
        match only_reads {
            true => self.read(wanted, work).await,
            false => self.work(wanted, n_bytes, work).await,
        }
    }

    fn execute(&self, ctx: &Ctx, request: Request, wanted: Wanted) -> HttpResponse {
        match self.record.execute(ctx, request) {
            Ok(answer) => answer::from_record(answer, wanted, &self.base_url),
            Err(error) => {
                if error.status() >= 500 {
                    let source = error.source.as_ref().map(ToString::to_string);
                    tracing::error!(
                        request = ctx.request_id,
                        kind = error.kind.name(),
                        source = source.as_deref().unwrap_or_default(),
                        "a request failed"
                    );
                }
                answer::from_error(&error, wanted)
            }
        }
    }

    /// Runs what is short on this task; where it waits for a database server, the other tasks of
    /// this thread go on elsewhere meanwhile.
    fn here<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.record.waits() { tokio::task::block_in_place(work) } else { work() }
    }

    /// A place among the requests that wait or work; none when there are too many.
    fn wait(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.n_waiting);
        (self.n_waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(waiting)
    }

    /// Runs what only reads on the threads that are there for it, one after the other.
    async fn read(
        &self,
        wanted: Wanted,
        work: impl FnOnce() -> HttpResponse + Send + 'static,
    ) -> HttpResponse {
        let Some(_waiting) = self.wait() else { return busy(wanted) };
        match self.reading.spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(_) => internal(wanted),
        }
    }

    /// Runs what may block away from the tasks that serve connections. `n_bytes` is the size of the
    /// body that is worked on.
    pub(crate) async fn work(
        &self,
        wanted: Wanted,
        n_bytes: usize,
        work: impl FnOnce() -> HttpResponse + Send + 'static,
    ) -> HttpResponse {
        let Some(_waiting) = self.wait() else { return busy(wanted) };
        // The bytes first: a large body that waits for room keeps nobody else out.
        let units = (n_bytes.min(WORKING_BYTES_MAX) / WORKING_BYTES_UNIT) as u32;
        let _room = match units {
            0 => None,
            units => self.working_bytes.acquire_many(units).await.ok(),
        };
        let Ok(_permit) = self.working.acquire().await else { return busy(wanted) };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(_) => internal(wanted),
        }
    }

    fn ctx(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        request_id: &str,
    ) -> Result<Ctx, Refusal> {
        let headers = request.headers();
        let Some(value) = headers.get(AUTHORIZATION) else { return Err(Refusal::Nobody) };
        let shown = value.to_str().ok().and_then(|text| text.split_once(' '));
        let Some((scheme, token)) = shown else { return Err(Refusal::Nobody) };
        let (token, scheme) = match scheme {
            name if name.eq_ignore_ascii_case("bearer") => (token.trim(), Scheme::Bearer),
            name if name.eq_ignore_ascii_case("dpop") => (token.trim(), Scheme::DPoP),
            _ => return Err(Refusal::Nobody),
        };
        if self
            .metrics_token
            .as_deref()
            .is_some_and(|own| auth::equal(own.as_bytes(), token.as_bytes()))
        {
            return Err(Refusal::Metrics);
        }
        // A proof names the address as the program sees it.
        let root = self.base_url.strip_suffix("/fhir").unwrap_or(&self.base_url);
        let proof = match scheme {
            Scheme::Bearer => None,
            Scheme::DPoP => headers.get(DPOP).and_then(|value| value.to_str().ok()),
        };
        let url = proof.map(|_| format!("{root}{}", request.uri().path())).unwrap_or_default();
        let method = request.method().as_str();
        let possession = proof.map(|proof| Possession { proof, method, url: &url });
        match self.auth.admit(scheme, token, possession) {
            Ok(Some(found)) => {
                let at_ms = self.record.now_ms();
                Ok(found.ctx(request_id.to_owned(), at_ms, caller.address.clone()))
            }
            Ok(None) => Err(Refusal::Invalid),
            Err(error) if error.kind == Kind::Proof => Err(Refusal::Proof(error.public)),
            Err(error) => Err(Refusal::Failed(error)),
        }
    }

    fn request_id(&self, headers: &HeaderMap) -> String {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if let Some(given) = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok())
            && (1..=REQUEST_ID_CHARS_MAX).contains(&given.len())
            && given.chars().all(good)
        {
            return given.to_owned();
        }
        let n = self.n_requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{n:x}", self.request_prefix)
    }
}

struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a request has no context.
enum Refusal {
    Nobody,
    Invalid,
    /// The token of `/metrics`, which is good for nothing else.
    Metrics,
    /// The token is bound to a key, and this is no proof of it.
    Proof(String),
    Failed(auth::Error),
}

impl Refusal {
    fn answer(self, wanted: Wanted) -> HttpResponse {
        match self {
            Refusal::Nobody => answer::unauthorized(
                "this needs a bearer token; POST /oauth2/token gives one",
                None,
                wanted,
            ),
            Refusal::Invalid | Refusal::Metrics => answer::unauthorized(
                "the bearer token is unknown, revoked or over",
                Some("invalid_token"),
                wanted,
            ),
            Refusal::Proof(text) => {
                let mut out = answer::unauthorized(&text, Some("invalid_token"), wanted);
                let value = "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 ES384 RS256 RS384\"";
                answer::insert(out.headers_mut(), WWW_AUTHENTICATE, value);
                out
            }
            Refusal::Failed(error) => {
                tracing::error!(source = ?error.source, "tokens cannot be read");
                busy(wanted)
            }
        }
    }
}

enum Unread {
    MediaType,
    Error(record::Error),
}

/// Reads the body as what its type says.
fn payload(bytes: Vec<u8>, content_type: &str, takes_body: bool) -> Result<Payload, Unread> {
    if !takes_body || (bytes.is_empty() && content_type.is_empty()) {
        return Ok(Payload::None);
    }
    let kind = body_kind(content_type).ok_or(Unread::MediaType)?;
    let parse = |bytes: Vec<u8>| Doc::parse(bytes).map_err(|e| Unread::Error(e.into()));
    Ok(match kind {
        BodyKind::Resource(_) if bytes.is_empty() => Payload::None,
        BodyKind::Resource(Format::Json) => Payload::Resource(parse(bytes)?),
        BodyKind::Resource(Format::Xml) => {
            let json = fhir::xml::to_json(&bytes).map_err(|issues| {
                Unread::Error(record::Error::with_issues(record::Kind::Structure, issues))
            })?;
            Payload::Resource(parse(json.into_bytes())?)
        }
        BodyKind::JsonPatch => Payload::Patch(PatchBody::Json(parse(bytes)?)),
        BodyKind::Form => {
            let text = String::from_utf8(bytes).map_err(|_| {
                let text = "the form is not UTF-8";
                Unread::Error(record::Error::new(record::Kind::Invalid, text))
            })?;
            Payload::Form(record::parse_query(&text))
        }
    })
}

fn headers(from: &HeaderMap) -> Headers {
    Headers {
        if_match: text_of(from, &IF_MATCH),
        if_none_match: text_of(from, &IF_NONE_MATCH),
        if_modified_since_ms: text_of(from, &IF_MODIFIED_SINCE)
            .and_then(|text| answer::parse_http_date(&text)),
        if_none_exist: text_of(from, &IF_NONE_EXIST),
        prefer: text_of(from, &PREFER),
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Path and query after `/fhir`, without what only shapes the text of the answer.
fn relative_url(uri: &axum::http::Uri) -> String {
    let path = uri.path().strip_prefix("/fhir").unwrap_or_default().trim_start_matches('/');
    let Some(query) = uri.query() else { return path.to_owned() };
    let mut out = String::with_capacity(path.len() + 1 + query.len());
    out.push_str(path);
    let mut separator = '?';
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        if !matches!(name, "_format" | "_pretty") {
            out.push(separator);
            out.push_str(pair);
            separator = '&';
        }
    }
    out
}

/// `_format`, `_pretty`, `Accept` and `Accept-Encoding`. Errors: what is asked and not offered.
fn wanted(request: &HttpRequest) -> Result<Wanted, String> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (mut format, mut pretty) = (None, false);
    if let Some(query) = request.uri().query()
        && (query.contains("_format") || query.contains("_pretty"))
    {
        for (name, value) in record::parse_query(query) {
            match name.as_str() {
                "_format" => format = Some(value),
                "_pretty" => pretty = value != "false",
                _ => {}
            }
        }
    }
    let coding = wanted_coding(text(ACCEPT_ENCODING));
    Ok(Wanted { format: wanted_format(format.as_deref(), text(ACCEPT))?, pretty, coding })
}

fn body_refused(refused: Refused, wanted: Wanted) -> HttpResponse {
    let (status, code, text) = match refused {
        Refused::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            IssueType::TooLong,
            format!("the body is longer than {} MiB", body::BODY_BYTES_MAX >> 20),
        ),
        Refused::Busy => return busy(wanted),
        Refused::Timeout => (
            StatusCode::REQUEST_TIMEOUT,
            IssueType::Timeout,
            format!("the body did not arrive within {} s", body::BODY_TIMEOUT.as_secs()),
        ),
        Refused::Broken => (
            StatusCode::BAD_REQUEST,
            IssueType::Incomplete,
            "the body ended before its length".to_owned(),
        ),
        Refused::Gzip => {
            (StatusCode::BAD_REQUEST, IssueType::Structure, "the body is not gzip".to_owned())
        }
        Refused::Encoding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            IssueType::NotSupported,
            "Content-Encoding may be gzip or identity".to_owned(),
        ),
    };
    answer::outcome(status, code, text, wanted)
}

fn unsupported_media_type(content_type: &str, wanted: Wanted) -> HttpResponse {
    let given: String = content_type.chars().take(100).collect();
    let text = format!(
        "Content-Type {given:?} is not taken; send application/fhir+json, application/fhir+xml, \
         application/json-patch+json for a patch, or a form for _search"
    );
    answer::outcome(StatusCode::UNSUPPORTED_MEDIA_TYPE, IssueType::NotSupported, text, wanted)
}

/// 503 with when to come back.
pub(crate) fn busy(wanted: Wanted) -> HttpResponse {
    let text = "too much at one time; try again in a second";
    let mut out =
        answer::outcome(StatusCode::SERVICE_UNAVAILABLE, IssueType::Throttled, text, wanted);
    answer::insert(out.headers_mut(), RETRY_AFTER, "1");
    out
}

pub(crate) fn internal(wanted: Wanted) -> HttpResponse {
    let text = "the server made a mistake; its log has the details under this request's id";
    answer::outcome(StatusCode::INTERNAL_SERVER_ERROR, IssueType::Exception, text, wanted)
}

pub(crate) fn text(status: StatusCode, text: String) -> HttpResponse {
    answer::bytes(status, text.into_bytes(), "text/plain; charset=utf-8", Coding::Identity)
}

/// Runs `work`; `None` when it panicked.
fn run_caught(work: impl FnOnce() -> HttpResponse) -> Option<HttpResponse> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
}
