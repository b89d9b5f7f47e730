//! Handlers outside the chart: today, patients, account.

use axum::{extract::State, response::Response};
use maud::html;

use crate::{
    load::{self, Failure, find},
    pages,
    routes::{
        App, answer,
        desk::{desk, failure_of},
        head::Head,
        signin::{Fields, field},
    },
    view::{Session, When},
};

pub(crate) async fn today(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let recent = desk.app.recent(&desk.session.account_id);
        let date = desk.head.param("date").and_then(|d| d.parse().ok());
        let mut v =
            desk.with_reads(|reads| load::today::today(reads, &mut desk.lens(), &recent, date))?;
        let waiting = desk.app.config.record.waiting_emergencies(&desk.ctx);
        v.emergencies = waiting.map_err(|e| failure_of(&e))?.filter(|(waiting, _)| *waiting > 0);
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

/// `POST /account/sessions/end-others`: signs out everywhere else.
pub(crate) async fn end_others(State(app): State<App>, head: Head) -> Response {
    desk(app, head, move |desk| {
        let (auth, session) = (&desk.app.config.auth, &desk.session);
        auth.end_sessions_but(&session.account_id, &session.id).map_err(|_| Failure::Busy)?;
        Ok(answer::go_to("/account"))
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
