//! Sign in and out, in one step or two.

use std::sync::Arc;

use auth::{Caller, DEVICE_LIFE_MS, Error, Kind, Secret, Session, Stage, Standing};
use axum::{
    extract::{Form, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::Markup;

use crate::{
    load::Failure,
    pages::{
        self,
        login::{Code, Login, Trouble},
    },
    routes::{
        App, answer,
        desk::{cookie_name, standing},
        head::{Head, local},
    },
};

/// Fields of a form; few and short.
pub(crate) type Fields = Form<Vec<(String, String)>>;

pub(crate) fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}

/// `path` with where to go afterwards.
pub(crate) fn with_next(path: &str, next: &str) -> String {
    let mut out = format!("{path}?next=");
    record::percent_encode(next, &mut out);
    out
}

const fn device_cookie(tls: bool) -> &'static str {
    if tls { "__Host-vitae-device" } else { "vitae-device" }
}

/// Who calls, for `auth`.
pub(crate) fn caller<'a>(app: &App, head: &'a Head) -> Caller<'a> {
    let device = head.cookie(device_cookie(app.config.tls));
    Caller { address: head.address.as_deref(), device }
}

/// The session that began: its cookies, and the way on.
pub(crate) fn enter(app: &App, head: &Head, began: &Began, next: &str) -> Response {
    let place = match began.stage {
        Stage::Full => next.to_owned(),
        Stage::Code => with_next("/login/code", next),
        Stage::Enrol => "/account/security".to_owned(),
    };
    let mut response = if head.wants("lock") {
        StatusCode::NO_CONTENT.into_response()
    } else {
        answer::go_to(&place)
    };
    answer::set_cookie(&mut response, &session_cookie(app, began.secret.expose()));
    if let Some(device) = &began.device {
        let secure = if app.config.tls { "; Secure" } else { "" };
        let cookie = format!(
            "{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            device_cookie(app.config.tls),
            device.expose(),
            DEVICE_LIFE_MS / 1000
        );
        answer::set_cookie(&mut response, &cookie);
    }
    response
}

/// What a sign-in gives to the browser.
pub(crate) struct Began {
    secret: Secret,
    device: Option<Secret>,
    stage: Stage,
}

/// After a step of a sign-in: what this browser was signed in to before is over, and it is known
/// from now on.
pub(crate) fn began(
    app: &App,
    head: &Head,
    (secret, session): (Secret, Arc<Session>),
) -> Result<Began, Error> {
    let auth = &app.config.auth;
    if let Some(before) = head.cookie(cookie_name(app.config.tls)) {
        auth.logout(before)?;
    }
    let device = auth.remember_device(&session, caller(app, head))?;
    Ok(Began { secret, device, stage: session.stage })
}

/// Runs a step of a sign-in; answers with the way on, or with the page that `again` makes.
pub(crate) async fn step<F>(
    app: App,
    head: Head,
    next: String,
    work: F,
    again: impl FnOnce(&App, &Head, Trouble) -> Markup,
) -> Response
where
    F: FnOnce(&App, &Head) -> Result<(Secret, Arc<Session>), Error> + Send + 'static,
{
    let copy = (app.clone(), head.clone());
    let done = tokio::task::spawn_blocking(move || {
        let (app, head) = (&copy.0, &copy.1);
        work(app, head).and_then(|session| began(app, head, session))
    });
    match done.await {
        Ok(Ok(began)) => enter(&app, &head, &began, &next),
        Ok(Err(error)) => match trouble(&error) {
            Some(trouble) => refused(trouble.clone(), again(&app, &head, trouble)),
            None => answer::failure(Failure::Busy, &app, &head),
        },
        Err(_) => answer::failure(Failure::Ours, &app, &head),
    }
}

/// What a page says about a refusal; none when it is the server's fault.
pub(crate) fn trouble(error: &Error) -> Option<Trouble> {
    Some(match error.kind {
        Kind::Storage => {
            tracing::error!(%error, source = ?error.source, "signing in failed");
            return None;
        }
        Kind::Throttled { retry_after_ms } => {
            Trouble::Wait(u64::try_from(retry_after_ms / 1000 + 1).unwrap_or(1))
        }
        _ => Trouble::Refused,
    })
}

pub(crate) fn refused(trouble: Trouble, page: Markup) -> Response {
    let Trouble::Wait(seconds) = trouble else {
        return answer::page_with(StatusCode::FORBIDDEN, page);
    };
    let mut response = answer::page_with(StatusCode::TOO_MANY_REQUESTS, page);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn login_view(app: &App, head: &Head, next: &str, trouble: Option<Trouble>) -> Login {
    Login {
        practice: app.config.practice.clone(),
        user: String::new(),
        next: next.to_owned(),
        demo: app.config.demo,
        theme: head.theme(),
        has_passkeys: app.config.auth.has_passkeys(&app.config.site),
        trouble,
    }
}

pub(crate) async fn login_page(State(app): State<App>, head: Head) -> Response {
    // A session that is there needs no second one; one that ended is told.
    let had_one = head.cookie(cookie_name(app.config.tls)).is_some();
    let copy = (app.clone(), head.clone());
    let live = tokio::task::spawn_blocking(move || standing(&copy.0, &copy.1)).await;
    let next = local(head.param("next").unwrap_or("/")).to_owned();
    if let Ok(Ok(Standing::Live(_))) = live {
        return answer::go_to(&next);
    }
    let trouble = (had_one && head.param("next").is_some()).then_some(Trouble::Ended);
    answer::page(pages::login::page(&login_view(&app, &head, &next, trouble)))
}

pub(crate) async fn login(State(app): State<App>, head: Head, form: Fields) -> Response {
    let (user, password) = (field(&form, "user").to_owned(), field(&form, "password").to_owned());
    let next = local(field(&form, "next")).to_owned();
    let (typed, then) = (user.clone(), next.clone());
    step(
        app,
        head,
        next,
        move |app, head| app.config.auth.login(user.trim(), &password, caller(app, head)),
        move |app, head, trouble| {
            let view = login_view(app, head, &then, Some(trouble));
            pages::login::page(&Login { user: typed, ..view })
        },
    )
    .await
}

/// `POST /login/passkey`: the browser's answer.
pub(crate) async fn by_passkey(State(app): State<App>, head: Head, form: Fields) -> Response {
    let next = local(field(&form, "next")).to_owned();
    let (ceremony, shown) = answered(&form);
    let then = next.clone();
    step(
        app,
        head,
        next,
        move |app, head| {
            let (auth, site) = (&app.config.auth, &app.config.site);
            auth.login_by_passkey(site, &ceremony, &shown, caller(app, head))
        },
        move |app, head, trouble| {
            let trouble = if trouble == Trouble::Refused { Trouble::Passkey } else { trouble };
            pages::login::page(&login_view(app, head, &then, Some(trouble)))
        },
    )
    .await
}

/// The two fields that the page's script fills.
pub(crate) fn answered(form: &Fields) -> (String, String) {
    (field(form, "ceremony").to_owned(), field(form, "answer").to_owned())
}

/// `POST /login/passkey/ask`: what the browser is asked for.
pub(crate) async fn ask(State(app): State<App>) -> Response {
    asked(app.config.auth.ask_passkey(&app.config.site))
}

pub(crate) fn asked(asked: Result<auth::Asked, Error>) -> Response {
    match asked {
        Ok(asked) => {
            // The options are JSON of the library; the ceremony is hexadecimal.
            let body =
                format!("{{\"ceremony\":\"{}\",\"options\":{}}}", asked.ceremony, asked.options);
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) if error.kind == Kind::Storage => {
            tracing::error!(%error, source = ?error.source, "a passkey could not be asked for");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.public).into_response(),
    }
}

/// The session whose second step is to come.
pub(crate) async fn waiting(app: &App, head: &Head) -> Result<Option<Arc<Session>>, Failure> {
    let copy = (app.clone(), head.clone());
    let found = tokio::task::spawn_blocking(move || standing(&copy.0, &copy.1)).await;
    Ok(match found.map_err(|_| Failure::Ours)?? {
        Standing::Waiting(session) if session.stage == Stage::Code => Some(session),
        _ => None,
    })
}

fn code_view(
    app: &App,
    head: &Head,
    session: &Session,
    next: String,
    trouble: Option<Trouble>,
) -> Code {
    let factors = app.config.auth.factors(&session.account_id).unwrap_or_default();
    let can_passkey = app.config.auth.has_passkeys(&app.config.site);
    Code {
        next,
        has_app: factors.app_since_ms.is_some(),
        has_passkey: can_passkey && !factors.passkeys.is_empty(),
        trouble,
        theme: head.theme(),
    }
}

/// `GET /login/code`: the second step.
pub(crate) async fn code_page(State(app): State<App>, head: Head) -> Response {
    let next = local(head.param("next").unwrap_or("/")).to_owned();
    match waiting(&app, &head).await {
        Ok(Some(session)) => {
            answer::page(pages::login::code(&code_view(&app, &head, &session, next, None)))
        }
        Ok(None) => answer::go_to(&with_next("/login", &next)),
        Err(failure) => answer::failure(failure, &app, &head),
    }
}

/// `POST /login/code`: a code, or the answer of a passkey.
pub(crate) async fn code(State(app): State<App>, head: Head, form: Fields) -> Response {
    let next = local(field(&form, "next")).to_owned();
    let session = match waiting(&app, &head).await {
        Ok(Some(session)) => session,
        Ok(None) => return answer::go_to(&with_next("/login", &next)),
        Err(failure) => return answer::failure(failure, &app, &head),
    };
    let (copy, then) = (Arc::clone(&session), next.clone());
    step(
        app,
        head,
        next,
        move |app, head| {
            let (auth, site) = (&app.config.auth, &app.config.site);
            let (ceremony, shown) = answered(&form);
            if ceremony.is_empty() {
                return auth.finish_login(&session, field(&form, "code"), caller(app, head));
            }
            auth.finish_login_by_passkey(site, &session, &ceremony, &shown, caller(app, head))
        },
        move |app, head, trouble| {
            let trouble = if trouble == Trouble::Refused { Trouble::Code } else { trouble };
            pages::login::code(&code_view(app, head, &copy, then, Some(trouble)))
        },
    )
    .await
}

fn session_cookie(app: &App, value: &str) -> String {
    let secure = if app.config.tls { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_name(app.config.tls))
}

pub(crate) async fn logout(State(app): State<App>, head: Head) -> Response {
    if let Some(secret) = head.cookie(cookie_name(app.config.tls)).map(str::to_owned) {
        let auth = app.config.auth.clone();
        let ended = tokio::task::spawn_blocking(move || auth.logout(&secret)).await;
        if !matches!(ended, Ok(Ok(()))) {
            return answer::failure(Failure::Busy, &app, &head);
        }
    }
    let mut response = answer::go_to("/login");
    answer::set_cookie(&mut response, &format!("{}; Max-Age=0", session_cookie(&app, "")));
    response
}
