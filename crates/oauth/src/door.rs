//! The way of one request through the door.

use std::sync::Arc;

use auth::{Auth, Site};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use crate::answer::{busy, json, method_not_allowed, refusal};
use crate::routes::{What, find};
use crate::{HttpRequest, HttpResponse, discovery, register, token};

/// Requests that work at the same time; more of them wait.
const WORKING_MAX: usize = 32;
/// Requests that wait or work; more are turned away with 503.
const WAITING_MAX: usize = 1_024;

/// The authorization server of one practice. Share it behind an `Arc`.
pub struct Door {
    auth: Arc<Auth>,
    site: Site,
    working: Semaphore,
    waiting: Semaphore,
}

impl Door {
    pub fn new(auth: Arc<Auth>, site: Site) -> Door {
        let (working, waiting) = (Semaphore::new(WORKING_MAX), Semaphore::new(WAITING_MAX));
        Door { auth, site, working, waiting }
    }

    /// True for paths that this door answers: all under `/oauth2` but the page that asks people.
    pub fn owns(path: &str) -> bool {
        find(path).is_some() || (path.starts_with("/oauth2/") && path != "/oauth2/authorize")
    }

    /// Answers one request from `address`.
    pub async fn handle(
        self: Arc<Door>,
        request: HttpRequest,
        address: Option<String>,
    ) -> HttpResponse {
        let Some(route) = find(request.uri().path()) else {
            return refusal(StatusCode::NOT_FOUND, "invalid_request", "nothing is at this path");
        };
        let method = match request.method().as_str() {
            "HEAD" => "GET",
            method => method,
        };
        if method != route.method {
            return method_not_allowed(route.method);
        }
        match route.what {
            What::Token => token::token(self, request, address).await,
            What::Introspect => token::introspect(self, request, address).await,
            What::Revoke => token::revoke(self, request, address).await,
            What::Register => register::register(self, request).await,
            What::Jwks => discovery::jwks(self).await,
            What::Style => json(StatusCode::OK, &discovery::style()),
            What::SmartConfiguration => {
                json(StatusCode::OK, &discovery::smart_configuration(&self.site))
            }
            What::OpenIdConfiguration => {
                json(StatusCode::OK, &discovery::openid_configuration(&self.site))
            }
        }
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Runs what may block away from the tasks that serve connections.
    pub(crate) async fn work(
        self: Arc<Door>,
        work: impl FnOnce(&Door) -> HttpResponse + Send + 'static,
    ) -> HttpResponse {
        let Ok(_waiting) = self.waiting.try_acquire() else { return busy() };
        let Ok(_working) = self.working.acquire().await else { return busy() };
        let door = Arc::clone(&self);
        match tokio::task::spawn_blocking(move || work(&door)).await {
            Ok(answer) => answer,
            Err(_) => {
                let text = "the server made a mistake; its log has the details";
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", text)
            }
        }
    }
}
