//! Proving again who one is: when a session is locked, and before an act that matters.

use std::sync::Arc;

use auth::{Session, Standing};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{
    load::Failure,
    pages::{self, again::Again, login::Trouble},
    routes::{
        App, answer,
        desk::{Desk, cookie_name, standing},
        head::{Head, local},
        signin::{Fields, answered, asked, caller, field, refused, trouble, with_next},
    },
};

/// Address of the page that asks for a proof and then goes on to `next`.
pub(crate) fn again(next: &str) -> String {
    with_next("/login/again", next)
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
        Ok(None) => answer::go_to(&with_next("/login", &next)),
        Err(failure) => answer::failure(failure, &app, &head),
    }
}

fn view(app: &App, head: &Head, session: &Session, next: String) -> Again {
    let factors = app.config.auth.factors(&session.account_id).unwrap_or_default();
    let can_passkey = app.config.auth.has_passkeys(&app.config.site);
    Again {
        name: session.name.clone(),
        wants_code: factors.app_since_ms.is_some() && !session.is_locked(),
        has_passkey: can_passkey && !factors.passkeys.is_empty(),
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
        Standing::Out | Standing::Waiting(_) => None,
    })
}

/// `POST /login/again`. For the page's script, which asks for the fragment `lock`, 204 says that
/// the session goes on.
pub(crate) async fn prove(State(app): State<App>, head: Head, form: Fields) -> Response {
    let next = local(field(&form, "next")).to_owned();
    let session = match whose(&app, &head).await {
        Ok(Some(session)) => session,
        Ok(None) => return answer::go_to(&with_next("/login", &next)),
        Err(failure) => return answer::failure(failure, &app, &head),
    };
    let copy = (app.clone(), head.clone(), Arc::clone(&session));
    let proved = tokio::task::spawn_blocking(move || {
        let (app, head, session) = (&copy.0, &copy.1, &copy.2);
        let (auth, site) = (&app.config.auth, &app.config.site);
        let (ceremony, shown) = answered(&form);
        if ceremony.is_empty() {
            let (password, code) = (field(&form, "password"), field(&form, "code"));
            return auth.prove_again(session, password, Some(code), caller(app, head));
        }
        auth.prove_again_by_passkey(site, session, &ceremony, &shown, caller(app, head))
    });
    let trouble = match proved.await {
        Ok(Ok(())) if head.wants("lock") => return StatusCode::NO_CONTENT.into_response(),
        Ok(Ok(())) => return answer::go_to(&next),
        Ok(Err(error)) => trouble(&error),
        Err(_) => return answer::failure(Failure::Ours, &app, &head),
    };
    let Some(trouble) = trouble else { return answer::failure(Failure::Busy, &app, &head) };
    let trouble = if trouble == Trouble::Refused { Trouble::Again } else { trouble };
    let mut view = view(&app, &head, &session, next);
    view.trouble = Some(trouble.clone());
    refused(trouble, pages::again::page(&view))
}

/// `POST /login/again/ask`: what the browser is asked for, to prove with a passkey; also for the
/// second step of a sign-in.
pub(crate) async fn ask(State(app): State<App>, head: Head) -> Response {
    let copy = (app.clone(), head.clone());
    let found = tokio::task::spawn_blocking(move || {
        let app = &copy.0;
        match standing(app, &copy.1)? {
            Standing::Live(s) | Standing::Locked(s) | Standing::Waiting(s) => {
                Ok(Some(app.config.auth.ask_passkey_of(&app.config.site, &s.account_id)))
            }
            Standing::Out => Ok(None),
        }
    });
    match found.await {
        Ok(Ok(Some(found))) => asked(found),
        Ok(Ok(None)) => StatusCode::UNAUTHORIZED.into_response(),
        Ok(Err(failure)) => answer::failure(failure, &app, &head),
        Err(_) => answer::failure(Failure::Ours, &app, &head),
    }
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
