//! Proving again who one is: when a session is locked, and before an act that matters.

use std::sync::Arc;

use auth::{Kind, Session, Standing};
use axum::{
    extract::{Form, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    load::Failure,
    pages::{self, again::Again, login::Trouble},
    routes::{
        App, answer,
        desk::{Desk, cookie_name, standing},
        head::{Head, local},
    },
};

type Fields = Form<Vec<(String, String)>>;

fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}

/// Address of the page that asks for a proof and then goes on to `next`.
pub(crate) fn again(next: &str) -> String {
    let mut out = String::from("/login/again?next=");
    record::percent_encode(next, &mut out);
    out
}

/// Before an act that matters: where to send a person who has not proved for a while who they
/// are; `next` is where they come back to.
pub(crate) fn proof_wanted(desk: &Desk, next: &str) -> Option<Response> {
    let is_proved = desk.session.is_proved(desk.app.config.record.now_ms());
    (!is_proved).then(|| answer::go_to(&again(next)))
}

/// `GET /login/again?next=`.
pub(crate) async fn page(State(app): State<App>, head: Head) -> Response {
    let next = local(head.param("next").unwrap_or("/")).to_owned();
    match whose(&app, &head).await {
        Ok(Some(session)) => {
            let view = view(&app, &head, &session, next);
            answer::page(pages::again::page(&view))
        }
        Ok(None) => answer::go_to(&sign_in(&next)),
        Err(failure) => answer::failure(failure, &app, &head),
    }
}

fn sign_in(next: &str) -> String {
    let mut out = String::from("/login?next=");
    record::percent_encode(next, &mut out);
    out
}

fn view(app: &App, head: &Head, session: &Session, next: String) -> Again {
    Again {
        practice: app.config.practice.clone(),
        name: session.name.clone(),
        next,
        is_locked: session.is_locked(),
        trouble: None,
        theme: head.theme(),
    }
}

/// The session of the cookie, live or locked.
async fn whose(app: &App, head: &Head) -> Result<Option<Arc<Session>>, Failure> {
    let copy = (app.clone(), head.clone());
    let found = tokio::task::spawn_blocking(move || standing(&copy.0, &copy.1)).await;
    Ok(match found.map_err(|_| Failure::Ours)?? {
        Standing::Live(session) | Standing::Locked(session) => Some(session),
        Standing::Out => None,
    })
}

/// `POST /login/again`. For the page's script, which asks for the fragment `lock`, 204 says that
/// the session goes on.
pub(crate) async fn prove(State(app): State<App>, head: Head, form: Fields) -> Response {
    let next = local(field(&form, "next")).to_owned();
    let session = match whose(&app, &head).await {
        Ok(Some(session)) => session,
        Ok(None) => return answer::go_to(&sign_in(&next)),
        Err(failure) => return answer::failure(failure, &app, &head),
    };
    let (auth, address) = (Arc::clone(&app.config.auth), head.address.clone());
    let (copy, password) = (Arc::clone(&session), field(&form, "password").to_owned());
    let proved =
        tokio::task::spawn_blocking(move || auth.prove_again(&copy, &password, address.as_deref()));
    let (status, trouble) = match proved.await {
        Ok(Ok(())) if head.wants("lock") => return StatusCode::NO_CONTENT.into_response(),
        Ok(Ok(())) => return answer::go_to(&next),
        Ok(Err(error)) => match error.kind {
            Kind::Throttled { retry_after_ms } => {
                let seconds = u64::try_from(retry_after_ms / 1000 + 1).unwrap_or(1);
                (StatusCode::TOO_MANY_REQUESTS, Trouble::Wait(seconds))
            }
            Kind::Storage => return answer::failure(Failure::Busy, &app, &head),
            _ => (StatusCode::FORBIDDEN, Trouble::Refused),
        },
        Err(_) => return answer::failure(Failure::Ours, &app, &head),
    };
    let mut view = view(&app, &head, &session, next);
    let wait = match trouble {
        Trouble::Wait(seconds) => Some(seconds),
        _ => None,
    };
    view.trouble = Some(trouble);
    let mut response = answer::page_with(status, pages::again::page(&view));
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `GET /session`: 204 while the session goes on, 401 when it is locked or over. Asking does not
/// prolong it.
pub(crate) async fn state(State(app): State<App>, head: Head) -> Response {
    let found = tokio::task::spawn_blocking(move || {
        let Some(secret) = head.cookie(cookie_name(app.config.tls)) else { return false };
        matches!(app.config.auth.standing_quietly(secret), Ok(Standing::Live(_)))
    });
    match found.await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// `POST /session`: the person did something on the page; as `GET`, and it counts as use.
pub(crate) async fn used(State(app): State<App>, head: Head) -> Response {
    let found = tokio::task::spawn_blocking(move || standing(&app, &head));
    match found.await {
        Ok(Ok(Standing::Live(_))) => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// `POST /lock`: the person leaves their place.
pub(crate) async fn lock(State(app): State<App>, head: Head) -> Response {
    let copy = (app.clone(), head.clone());
    let locked = tokio::task::spawn_blocking(move || {
        let Some(secret) = head.cookie(cookie_name(app.config.tls)) else { return Ok(()) };
        app.config.auth.lock(secret)
    });
    match locked.await {
        Ok(Ok(())) => answer::go_to(&again(copy.1.came_from().unwrap_or("/"))),
        _ => answer::failure(Failure::Busy, &copy.0, &copy.1),
    }
}
