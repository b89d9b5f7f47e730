//! Handlers of emergency access and its review. Who may, the record decides.

use axum::{
    extract::{Form, State},
    response::Response,
};
use fhir::json::Doc;
use record::{Emergency, EmergencyReason, Error, Kind};

use crate::{
    load::Failure,
    pages,
    routes::{
        App,
        again::proof_wanted,
        answer,
        desk::{Desk, desk, failure_of},
        head::Head,
    },
    view::{
        PatientRow, When,
        emergency::{Ask, Case, Queue, Verdict},
    },
    view_of::patient,
};

type Fields = Form<Vec<(String, String)>>;

fn field(form: &Fields, name: &str) -> String {
    form.0.iter().find(|(n, _)| n == name).map_or(String::new(), |(_, v)| v.trim().to_owned())
}

/// What the record says against it, if that is for the person to read and put right.
fn trouble(error: &Error) -> Result<String, Failure> {
    match error.kind {
        Kind::Invalid | Kind::TooMany | Kind::Conflict | Kind::Value => {
            let words: Vec<&str> = error.issues.iter().map(|issue| issue.text.as_str()).collect();
            Ok(words.join("; "))
        }
        _ => Err(failure_of(error)),
    }
}

/// The page for whoever may open charts, after a fresh proof.
async fn asking<F>(app: App, head: Head, work: F) -> Response
where
    F: FnOnce(&Desk) -> Result<Ask, Failure> + Send + 'static,
{
    desk(app, head, |desk| {
        if !desk.app.config.record.may_open_in_emergency(&desk.ctx) {
            return Err(Failure::Refused);
        }
        if let Some(asked) = proof_wanted(desk, "/emergency") {
            return Ok(asked);
        }
        let v = work(desk)?;
        Ok(answer::page(pages::emergency::ask(&desk.reader(), &v)))
    })
    .await
}

/// `GET /emergency`.
pub(crate) async fn page(State(app): State<App>, head: Head) -> Response {
    asking(app, head, |_| Ok(Ask::default())).await
}

fn row(desk: &Desk, body: String) -> Result<PatientRow, Failure> {
    let doc = Doc::parse(body).map_err(|_| Failure::Ours)?;
    Ok(patient::row(doc.root(), &desk.lens()))
}

/// `POST /emergency/find`: nothing of a patient stands in an address.
pub(crate) async fn find(State(app): State<App>, head: Head, form: Fields) -> Response {
    asking(app, head, move |desk| {
        let mut v = Ask {
            family: field(&form, "family"),
            born: field(&form, "born"),
            identifier: field(&form, "identifier"),
            ..Ask::default()
        };
        let record = &desk.app.config.record;
        match record.find_in_emergency(&desk.ctx, &v.family, &v.born, &v.identifier) {
            Ok(found) => {
                let rows: Result<Vec<PatientRow>, Failure> =
                    found.into_iter().map(|body| row(desk, body)).collect();
                v.found = Some(rows?);
            }
            Err(error) => v.trouble = Some(trouble(&error)?),
        }
        Ok(v)
    })
    .await
}

fn chosen(desk: &Desk, id: &str) -> Result<PatientRow, Failure> {
    let body = desk.app.config.record.patient_in_emergency(&desk.ctx, id);
    row(desk, body.map_err(|e| failure_of(&e))?)
}

/// `POST /emergency/choose`: this chart.
pub(crate) async fn choose(State(app): State<App>, head: Head, form: Fields) -> Response {
    asking(app, head, move |desk| {
        let chosen = Some(chosen(desk, &field(&form, "patient"))?);
        Ok(Ask { chosen, ..Ask::default() })
    })
    .await
}

/// `POST /emergency`: opens it.
pub(crate) async fn open(State(app): State<App>, head: Head, form: Fields) -> Response {
    desk(app, head, move |desk| {
        if let Some(asked) = proof_wanted(desk, "/emergency") {
            return Ok(asked);
        }
        let id = field(&form, "patient");
        let (reason, words) = (field(&form, "reason"), field(&form, "words"));
        let Some(code) = EmergencyReason::parse(&reason) else { return Err(Failure::Request) };
        let record = &desk.app.config.record;
        match record.open_in_emergency(&desk.ctx, &id, code, &words) {
            Ok(opened) => Ok(answer::go_to(&format!("/patients/{}", opened.patient))),
            Err(error) => {
                let trouble = Some(trouble(&error)?);
                let chosen = Some(chosen(desk, &id)?);
                let v = Ask { chosen, reason, words, trouble, ..Ask::default() };
                Ok(answer::page(pages::emergency::ask(&desk.reader(), &v)))
            }
        }
    })
    .await
}

/// `POST /emergency/close`.
pub(crate) async fn close(State(app): State<App>, head: Head, form: Fields) -> Response {
    let id = field(&form, "emergency");
    desk(app, head, move |desk| {
        let closed = desk.app.config.record.close_emergency(&desk.ctx, &id);
        closed.map_err(|e| failure_of(&e))?;
        Ok(answer::go_to("/"))
    })
    .await
}

fn at(desk: &Desk, ms: i64) -> When {
    let text = jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
    When::of(&text, &desk.lens().now)
}

fn case(desk: &Desk, emergency: Emergency) -> Case {
    let now_ms = desk.ctx.at_ms;
    Case {
        started: at(desk, emergency.started_ms),
        until: at(desk, emergency.until_ms()),
        is_open: emergency.is_open(now_ms),
        is_overdue: emergency.is_overdue(now_ms),
        is_own: emergency.account == desk.session.account_id,
        reviewed: emergency.review.map(|review| Verdict {
            by: review.by,
            at: at(desk, review.at_ms),
            justified: review.justified,
            words: review.words,
        }),
        id: emergency.id,
        who: emergency.name,
        role: emergency.role.replace('-', " "),
        patient: emergency.patient,
        patient_name: emergency.patient_name,
        reason: emergency.reason.as_str().to_owned(),
        words: emergency.words,
    }
}

fn listed(desk: &Desk, trouble: Option<String>) -> Result<Response, Failure> {
    let all = desk.head.param("all") == Some("true");
    let cases = desk.app.config.record.emergencies(&desk.ctx, !all);
    let cases = cases.map_err(|e| failure_of(&e))?;
    let cases = cases.into_iter().map(|emergency| case(desk, emergency)).collect();
    let v = Queue { all, cases, trouble };
    Ok(answer::page(pages::emergency::queue(&desk.reader(), &v)))
}

/// `GET /admin/emergencies`.
pub(crate) async fn queue(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| listed(desk, None)).await
}

/// `POST /admin/emergencies`: a review.
pub(crate) async fn review(State(app): State<App>, head: Head, form: Fields) -> Response {
    desk(app, head, move |desk| {
        let justified = match field(&form, "verdict").as_str() {
            "justified" => true,
            "not" => false,
            _ => return Err(Failure::Request),
        };
        let (id, words) = (field(&form, "emergency"), field(&form, "words"));
        match desk.app.config.record.review_emergency(&desk.ctx, &id, justified, &words) {
            Ok(()) => Ok(answer::go_to("/admin/emergencies")),
            Err(error) => listed(desk, Some(trouble(&error)?)),
        }
    })
    .await
}
