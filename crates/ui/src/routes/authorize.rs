//! An app asks to act for a person: sign in, choose a patient, agree or not.
//!
//! The rules stand in `auth`; here the question is shown and the answer is carried.

use auth::{AuthorizeRequest, Consent, Kind, Standing, Unfit};
use axum::{
    extract::{RawForm, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use maud::Markup;
use record::Role;

use crate::{
    load::{Failure, find, is_id},
    pages::consent,
    routes::{
        App, POLICY, answer,
        desk::{Desk, cookie_name, desk_of_all, standing},
        head::Head,
    },
    view::{Ask, PatientRow, PickPatient},
    view_of::{patient, scope},
};

/// Patients to choose from.
const PICK_MAX: usize = 20;
/// Parameters of this page itself, which no app's question has.
const TYPED: &str = "vitae_q";
const CHOSEN: &str = "vitae_patient";

type Pairs = Vec<(String, String)>;

/// The question in a canonical form, without what this page adds.
fn question(pairs: &Pairs) -> String {
    let mut out = String::new();
    for (name, value) in pairs.iter().filter(|(name, _)| name != TYPED && name != CHOSEN) {
        if !out.is_empty() {
            out.push('&');
        }
        record::percent_encode(name, &mut out);
        out.push('=');
        record::percent_encode(value, &mut out);
    }
    out
}

fn ask_again(question: &str, chosen: Option<&str>) -> String {
    match chosen {
        Some(id) => format!("/oauth2/authorize?{question}&{CHOSEN}={id}"),
        None => format!("/oauth2/authorize?{question}"),
    }
}

/// `GET /oauth2/authorize`.
pub(crate) async fn ask(State(app): State<App>, head: Head) -> Response {
    let pairs: Pairs = record::parse_query(&question(&head.query));
    let read = {
        let (app, pairs, head) = (app.clone(), pairs.clone(), head.clone());
        tokio::task::spawn_blocking(move || {
            let request = app.config.auth.authorize_request(&app.config.site, &pairs)?;
            Ok::<_, Unfit>((request, matches!(standing(&app, &head), Ok(Standing::Live(_)))))
        })
    };
    let (request, has_session) = match read.await {
        Ok(Ok(read)) => read,
        Ok(Err(unfit)) => return unfit_page(unfit, &app, &head),
        Err(_) => return answer::failure(Failure::Ours, &app, &head),
    };
    if request.silent {
        let (error, text) = match has_session {
            true => ("consent_required", "the person is asked each time"),
            false => ("login_required", "nobody is signed in"),
        };
        return answer::go_to(&request.back(&app.config.site, error, text));
    }
    desk_of_all(app, head, move |desk| {
        let chosen = desk.head.param(CHOSEN).map(str::to_owned);
        shown(desk, &request, &pairs, chosen.as_deref(), None)
    })
    .await
}

fn unfit_page(unfit: Unfit, app: &App, head: &Head) -> Response {
    match unfit {
        Unfit::Back(target) => answer::go_to(&target),
        Unfit::Here(error) if error.kind == Kind::Storage => {
            answer::failure(Failure::Busy, app, head)
        }
        Unfit::Here(error) => {
            let page = consent::refused(&error.public, head.theme());
            answer::page_with(StatusCode::BAD_REQUEST, page)
        }
    }
}

/// The question, or before it the choice of a patient.
fn shown(
    desk: &Desk,
    request: &AuthorizeRequest,
    pairs: &Pairs,
    chosen: Option<&str>,
    trouble: Option<String>,
) -> Result<Response, Failure> {
    let picks = request.wants_patient(desk.session.role);
    let launched = request.launch.as_ref().and_then(|launch| launch.patient.as_deref());
    let own = desk.session.patient.as_deref();
    let about = if picks { chosen } else { own.or(launched) };
    let about = match about {
        Some(id) => person(desk, id)?,
        None => None,
    };
    let question = question(pairs);
    if picks && about.is_none() {
        return pick(desk, request, pairs, &question);
    }
    let id = about.as_ref().map(|row| row.id.clone()).unwrap_or_default();
    let offered = request.offered();
    let v = Ask {
        app: request.client.name.clone(),
        practice: desk.app.config.practice.clone(),
        person: desk.session.name.clone(),
        role: desk.session.role.as_str().replace('-', " "),
        place: place(&request.redirect_uri),
        other_patient: picks.then(|| ask_again(&question, None)),
        patient: about,
        lines: scope::lines(&offered),
        until: until(auth::life_ms(&offered)),
        trouble,
        form: form_token(desk, &question, &id),
        question,
    };
    let page = consent::page(&v, desk.head.theme());
    Ok(leading_to(page, [request.redirect_uri.as_str()].into_iter()))
}

fn until(life_ms: i64) -> String {
    match life_ms / 3_600_000 {
        0 | 1 => "It can do so for one hour.".to_owned(),
        hours @ 2..=48 => {
            format!("It can do so until you sign out, at most {hours} hours.")
        }
        hours => format!("It can do so for at most {} days.", hours / 24),
    }
}

/// Host, or for an app's own scheme the scheme.
pub(crate) fn place(uri: &str) -> String {
    let origin = auth::origin(uri);
    origin.split_once("://").map_or(origin.clone(), |(_, host)| host.to_owned())
}

/// The Patient of this id, as a row; `None` when this reader has none.
fn person(desk: &Desk, id: &str) -> Result<Option<PatientRow>, Failure> {
    if !is_id(id) {
        return Ok(None);
    }
    match desk.with_reads(|reads| reads.read("Patient", id)) {
        Ok(doc) => Ok(Some(patient::row(doc.root(), &desk.lens()))),
        Err(Failure::NotFound | Failure::Deleted | Failure::Refused) => Ok(None),
        Err(other) => Err(other),
    }
}

fn pick(
    desk: &Desk,
    request: &AuthorizeRequest,
    pairs: &Pairs,
    question: &str,
) -> Result<Response, Failure> {
    let typed = desk.head.param(TYPED).unwrap_or("").trim().to_owned();
    let found = desk.with_reads(|reads| find::patients(reads, &desk.lens(), &typed, PICK_MAX))?;
    let link = |row: PatientRow| (ask_again(question, Some(&row.id)), row);
    let v = PickPatient {
        app: request.client.name.clone(),
        practice: desk.app.config.practice.clone(),
        typed,
        pairs: pairs.clone(),
        more: found.rows.len() >= PICK_MAX,
        rows: found.rows.into_iter().map(link).collect(),
        back: request.denied(&desk.app.config.site),
    };
    Ok(answer::page(consent::pick(&v, desk.head.theme())))
}

fn form_token(desk: &Desk, question: &str, patient: &str) -> String {
    desk.app.config.auth.form_token(session_secret(desk), &format!("{question}\0{patient}"))
}

fn session_secret(desk: &Desk) -> &str {
    desk.head.cookie(cookie_name(desk.app.config.tls)).unwrap_or_default()
}

/// A page whose form may lead to these addresses: a browser checks that also for the redirect that
/// follows the form.
pub(crate) fn leading_to<'a>(page: Markup, uris: impl Iterator<Item = &'a str>) -> Response {
    let mut own = String::from("form-action 'self'");
    for uri in uris {
        let origin = auth::origin(uri);
        // An address in brackets is no source of a policy.
        let source = if origin.contains('[') { "http:" } else { &origin };
        own.push(' ');
        own.push_str(source);
    }
    let mut response = answer::page(page);
    if let Ok(policy) = HeaderValue::from_str(&POLICY.replace("form-action 'self'", &own)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// `POST /oauth2/authorize`: the person's answer.
pub(crate) async fn agree(State(app): State<App>, head: Head, RawForm(form): RawForm) -> Response {
    let form: Pairs = record::parse_query(&String::from_utf8_lossy(&form));
    desk_of_all(app, head, move |desk| answered(desk, &form)).await
}

fn answered(desk: &Desk, form: &Pairs) -> Result<Response, Failure> {
    let field =
        |name: &str| form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    let (asked, patient) = (field("question"), field("patient"));
    // The form must be the one that this session was shown for this question.
    let tied = format!("{asked}\0{patient}");
    if !desk.app.config.auth.is_form_token(session_secret(desk), &tied, field("form")) {
        return Err(Failure::Request);
    }
    let (auth, site) = (&desk.app.config.auth, &desk.app.config.site);
    let pairs: Pairs = record::parse_query(asked);
    let request = match auth.authorize_request(site, &pairs) {
        Ok(request) => request,
        Err(unfit) => return Ok(unfit_page(unfit, &desk.app, &desk.head)),
    };
    if field("answer") != "allow" {
        return Ok(answer::go_to(&request.denied(site)));
    }
    let kept = auth::ticked(form.iter().filter(|(n, _)| n == "scope").map(|(_, v)| v.as_str()));
    let chosen = (!patient.is_empty()).then_some(patient);
    if let Some(id) = chosen
        && desk.session.role != Role::Patient
        && person(desk, id)?.is_none()
    {
        return Err(Failure::NotFound);
    }
    let consent = Consent { kept: &kept, patient: chosen };
    match auth.approve(site, &desk.session, &request, &consent) {
        Ok(target) => Ok(answer::go_to(&target)),
        Err(error) if error.kind == Kind::Storage => {
            tracing::error!(source = ?error.source, "an agreement was not kept");
            Err(Failure::Busy)
        }
        Err(error) => {
            let mut text = error.public;
            text.push('.');
            shown(desk, &request, &pairs, chosen, Some(text))
        }
    }
}
