//! The staff pages over HTTP: one list of routes, sessions, headers.
//!
//! Handlers translate and render. They hold no rule: everything that is shown comes from
//! `record.execute` under the session's context, so what a role may not see is not there.

mod admin;
mod again;
mod answer;
mod apps;
mod audit;
mod authorize;
mod chart;
mod desk;
mod emergency;
mod head;
mod ours;
mod people;
mod recent;
mod security;
mod signin;
mod staff;

use std::{net::SocketAddr, sync::Arc};

use auth::{Auth, Site};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::tz::TimeZone;
use record::Record;
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;

use crate::{assets, load::Failure};

/// What the pages are made over.
pub struct Config {
    pub record: Record,
    pub auth: Arc<Auth>,
    /// Name of the practice: on the login page, and of the Organization that is the practice.
    pub practice: String,
    /// Where the practice is reached.
    pub site: Site,
    /// The practice's time zone.
    pub zone: TimeZone,
    /// Has as many threads for blocking work as pages may be made at a time.
    pub reading: tokio::runtime::Handle,
    /// Served over TLS: cookies are `Secure` and carry the `__Host-` name.
    pub tls: bool,
    /// A demo practice: the login page says so, and where its logins are.
    pub demo: bool,
}

/// Pages that are made or wait for it; more wait before they take a place.
const WORKING_MAX: usize = 32;

/// Shared by all handlers.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub config: Config,
    pub working: Arc<Semaphore>,
    ours: ours::Ours,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The pages as one door: every path is answered. Cheap to clone.
#[derive(Clone)]
pub struct Pages(Router);

impl Pages {
    pub fn new(config: Config) -> Pages {
        Pages(router(config))
    }

    /// Answers one request from `peer`.
    pub async fn handle(&self, mut request: Request, peer: SocketAddr) -> Response {
        request.extensions_mut().insert(peer);
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The routes of the pages. Answers every path, with 404 for those that it does not know.
pub fn router(config: Config) -> Router {
    let tls = config.tls;
    let app = App(Arc::new(Shared {
        config,
        working: Arc::new(Semaphore::new(WORKING_MAX)),
        ours: ours::Ours::default(),
    }));
    Router::new()
        .route("/", get(staff::today))
        .route("/login", get(signin::login_page).post(signin::login))
        .route("/login/passkey", post(signin::by_passkey))
        .route("/login/passkey/ask", post(signin::ask))
        .route("/login/code", get(signin::code_page).post(signin::code))
        .route("/login/again", get(again::page).post(again::prove))
        .route("/login/again/ask", post(again::ask))
        .route("/invitation", get(people::invitation).post(people::accept))
        .route("/invitation/ask", post(people::ask))
        .route("/session", get(again::state).post(again::used))
        .route("/lock", post(again::lock))
        .route("/logout", post(signin::logout))
        .route("/account", get(staff::account))
        .route("/account/sessions/end", post(staff::end_session))
        .route("/account/sessions/end-others", post(staff::end_others))
        .route("/account/security", get(security::page))
        .route("/account/security/passkeys/ask", post(security::ask))
        .route("/account/security/passkeys", post(security::passkeys))
        .route("/account/security/app", get(security::app_page).post(security::set_app))
        .route("/account/security/app/end", post(security::end_app))
        .route("/account/security/recovery", post(security::recovery))
        .route("/account/security/password", post(security::password))
        .route("/account/theme", post(staff::theme))
        .route("/account/look", post(staff::look))
        .route("/admin/explain", get(admin::explain))
        .route("/admin/audit", get(audit::log))
        .route("/admin/audit.csv", get(audit::log_csv))
        .route("/admin/audit/unusual", get(audit::unusual).post(audit::review))
        .route("/account/access", get(audit::own))
        .route("/patients/{id}/access", get(audit::access))
        .route("/patients/{id}/disclosures", get(audit::disclosures).post(audit::suspend))
        .route("/patients/{id}/disclosures.csv", get(audit::disclosures_csv))
        .route("/admin/people", get(people::all).post(people::invite))
        .route("/admin/people/withdraw", post(people::withdraw))
        .route("/admin/people/{id}", get(people::one).post(people::act))
        .route("/admin/apps", get(apps::all).post(apps::act))
        .route("/admin/apps/end", post(apps::end_any))
        .route("/apps", get(apps::own))
        .route("/apps/end", post(apps::end_own))
        .route("/oauth2/authorize", get(authorize::ask).post(authorize::agree))
        .route("/patients", get(staff::patients))
        .route("/palette", get(staff::palette))
        .route("/emergency", get(emergency::page).post(emergency::open))
        .route("/emergency/find", post(emergency::find))
        .route("/emergency/choose", post(emergency::choose))
        .route("/emergency/close", post(emergency::close))
        .route("/admin/emergencies", get(emergency::queue).post(emergency::review))
        .route("/patients/{id}", get(chart::overview))
        .route("/patients/{id}/timeline", get(chart::timeline))
        .route("/patients/{id}/results", get(chart::results))
        .route("/patients/{id}/results/{key}", get(chart::trend))
        .route("/patients/{id}/vitals", get(chart::vitals))
        .route("/patients/{id}/medications", get(chart::medications))
        .route("/patients/{id}/problems", get(chart::problems))
        .route("/patients/{id}/visits", get(chart::visits))
        .route("/patients/{id}/documents", get(chart::documents))
        .route("/patients/{id}/documents/{document}", get(chart::document))
        .route("/patients/{id}/documents/{document}/content/{content}", get(chart::content))
        .route("/patients/{id}/immunizations", get(chart::immunizations))
        .route("/patients/{id}/coverage", get(chart::coverage))
        .route("/patients/{id}/apps", get(apps::of_chart).post(apps::open))
        .route("/patients/{id}/fhir/{kind}/{resource}", get(chart::raw))
        .fallback(not_found)
        .with_state(app)
        .layer(middleware::from_fn(move |request, next| guarded(tls, request, next)))
        .route("/assets/{folder}/{name}", get(asset))
        .layer(CompressionLayer::new())
}

async fn not_found(State(app): State<App>, head: head::Head) -> Response {
    answer::failure(Failure::NotFound, &app, &head)
}

/// Embedded assets never change under their address.
async fn asset(Path((folder, name)): Path<(String, String)>) -> Response {
    match assets::find(&folder, &name) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.media_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            asset.body,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// No script, style, image or form of another origin; no framing; nothing kept by caches.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      frame-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Security headers on every page, and the refusal of forms that another site sends.
async fn guarded(tls: bool, request: Request, next: Next) -> Response {
    let mut response = if head::is_foreign_form(&request) {
        (StatusCode::FORBIDDEN, "This form was sent from another site. Nothing was changed.\n")
            .into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // An attachment brings its own, narrower one.
    let is_content = headers.contains_key(header::CONTENT_SECURITY_POLICY);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    if !is_content {
        set(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    );
    if tls {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
    response
}
