//! Handlers outside the chart: sign in and out, today, patients, account.

use auth::Kind;
use axum::{
    extract::{Form, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use maud::html;

use crate::{
    load::{self, Failure, find},
    pages::{self, login::Login, login::Trouble},
    routes::{
        App, answer,
        desk::{cookie_name, desk, standing},
        head::{Head, local},
    },
    view::{Session, When},
};

/// Fields of a form; few and short.
type Fields = Form<Vec<(String, String)>>;

fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}

fn login_view(app: &App, head: &Head, trouble: Option<Trouble>) -> Login {
    Login {
        practice: app.config.practice.clone(),
        demo: app.config.demo,
        theme: head.theme(),
        trouble,
        ..Login::default()
    }
}

pub(crate) async fn login_page(State(app): State<App>, head: Head) -> Response {
    // A session that is there needs no second one; one that ended is told.
    let had_one = head.cookie(cookie_name(app.config.tls)).is_some();
    let copy = (app.clone(), head.clone());
    let live = tokio::task::spawn_blocking(move || standing(&copy.0, &copy.1)).await;
    let next = local(head.param("next").unwrap_or("/")).to_owned();
    if let Ok(Ok(auth::Standing::Live(_))) = live {
        return answer::go_to(&next);
    }
    let trouble = (had_one && head.param("next").is_some()).then_some(Trouble::Ended);
    answer::page(pages::login::page(&Login { next, ..login_view(&app, &head, trouble) }))
}

pub(crate) async fn login(State(app): State<App>, head: Head, form: Fields) -> Response {
    let (user, password) = (field(&form, "user").to_owned(), field(&form, "password").to_owned());
    let next = local(field(&form, "next")).to_owned();
    let (auth, address) = (app.config.auth.clone(), head.address.clone());
    let (name, before) =
        (user.clone(), head.cookie(cookie_name(app.config.tls)).map(str::to_owned));
    let done = tokio::task::spawn_blocking(move || {
        let session = auth.login(name.trim(), &password, address.as_deref())?;
        // What this browser was signed in to before is over.
        if let Some(before) = before {
            auth.logout(&before)?;
        }
        Ok::<_, auth::Error>(session)
    });
    let trouble = match done.await {
        Ok(Ok((secret, _))) => {
            let mut response = answer::go_to(&next);
            answer::set_cookie(&mut response, &session_cookie(&app, secret.expose()));
            return response;
        }
        Ok(Err(error)) => match error.kind {
            Kind::Throttled { retry_after_ms } => {
                Trouble::Wait(u64::try_from(retry_after_ms / 1000 + 1).unwrap_or(1))
            }
            Kind::Storage => return answer::failure(Failure::Busy, &app, &head),
            _ => Trouble::Refused,
        },
        Err(_) => return answer::failure(Failure::Ours, &app, &head),
    };
    let wait = match trouble {
        Trouble::Wait(seconds) => Some(seconds),
        _ => None,
    };
    let view = Login { user, next, ..login_view(&app, &head, Some(trouble)) };
    let status = if wait.is_some() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::FORBIDDEN };
    let mut response = answer::page_with(status, pages::login::page(&view));
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
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

pub(crate) async fn today(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let recent = desk.app.recent(&desk.session.account_id);
        let date = desk.head.param("date").and_then(|d| d.parse().ok());
        let v =
            desk.with_reads(|reads| load::today::today(reads, &mut desk.lens(), &recent, date))?;
        Ok(answer::page(pages::today::page(&desk.reader(), &v)))
    })
    .await
}

pub(crate) async fn patients(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let typed = desk.head.param("q").unwrap_or("").to_owned();
        let v =
            desk.with_reads(|reads| find::patients(reads, &desk.lens(), &typed, find::ROWS_MAX))?;
        if desk.head.wants("hits") {
            return Ok(answer::page(pages::patients::hits(&v)));
        }
        Ok(answer::page(pages::patients::page(&desk.reader(), &v)))
    })
    .await
}

/// Options of the palette; without letters, the patients opened lately.
pub(crate) async fn palette(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let typed = desk.head.param("q").unwrap_or("").trim().to_owned();
        let v = desk.with_reads(|reads| {
            if typed.is_empty() {
                let recent = desk.app.recent(&desk.session.account_id);
                let rows = load::today::recent_rows(reads, &desk.lens(), &recent)?;
                return Ok(crate::view::Patients { rows, ..Default::default() });
            }
            find::patients(reads, &desk.lens(), &typed, find::PALETTE_MAX)
        })?;
        let options = pages::patients::options(&desk.reader(), &v);
        Ok(answer::page(html! { div id="palette-options" { (options) } }))
    })
    .await
}

pub(crate) async fn account(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let list = desk.app.config.auth.sessions_of(&desk.session.account_id).map_err(|error| {
            tracing::error!(%error, "sessions could not be listed");
            Failure::Busy
        })?;
        let now = desk.lens().now;
        let at = |ms: i64| {
            let text = jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
            When::of(&text, &now)
        };
        let rows: Vec<Session> = list
            .iter()
            .map(|s| Session {
                id: s.id.clone(),
                device: if s.id == desk.session.id {
                    device(&desk.head.user_agent)
                } else {
                    "Another browser".to_owned()
                },
                address: s.address.clone().unwrap_or_else(|| "not known".to_owned()),
                started: at(s.started_ms),
                used: at(s.last_seen_ms()),
                current: s.id == desk.session.id,
            })
            .collect();
        Ok(answer::page(pages::account::page(&desk.reader(), &rows)))
    })
    .await
}

/// Browser and system in words, from the User-Agent.
fn device(agent: &str) -> String {
    let find = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, word)| *word)
    };
    let browser = find(&[
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS", "macOS"),
        ("Windows", "Windows"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(b), Some(s)) => format!("{b} on {s}"),
        (Some(b), None) => b.to_owned(),
        _ => "This browser".to_owned(),
    }
}

pub(crate) async fn end_session(State(app): State<App>, head: Head, form: Fields) -> Response {
    let id = field(&form, "session").to_owned();
    desk(app, head, move |desk| {
        let ended = desk.app.config.auth.end_session(&desk.session.account_id, &id);
        match ended {
            Ok(true) if id == desk.session.id => Ok(answer::go_to("/login")),
            Ok(_) => Ok(answer::go_to("/account")),
            Err(_) => Err(Failure::Busy),
        }
    })
    .await
}

fn look_cookie(app: &App, name: &str, value: &str) -> String {
    let secure = if app.config.tls { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax{secure}")
}

/// Back to the page of the form, if it is one of ours.
fn back(head: &Head) -> Response {
    answer::go_to(head.came_from().unwrap_or("/account"))
}

/// Light or dark, the other of what is set; without a script the system's choice counts as light.
pub(crate) async fn theme(State(app): State<App>, head: Head) -> Response {
    let other = if head.cookie("theme") == Some("dark") { "light" } else { "dark" };
    let mut response = back(&head);
    answer::set_cookie(&mut response, &look_cookie(&app, "theme", other));
    response
}

pub(crate) async fn look(State(app): State<App>, head: Head, form: Fields) -> Response {
    let mut response = back(&head);
    for (name, allowed) in
        [("theme", &["system", "light", "dark"][..]), ("density", &["comfortable", "compact"][..])]
    {
        let value = field(&form, name);
        if allowed.contains(&value) {
            answer::set_cookie(&mut response, &look_cookie(&app, name, value));
        }
    }
    response
}
