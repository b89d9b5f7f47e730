//! Handlers about accounts: the administrator's list, invitations, and their other end.

use auth::{Account, Error, Kind};
use axum::{extract::Path, extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use record::Role;

use crate::{
    load::Failure,
    pages::people::{self, Accept, InvitationRow, People, PersonRow},
    routes::{
        App,
        again::proof_wanted,
        answer,
        desk::{Desk, desk},
        head::Head,
        signin::{Fields, answered, asked, caller, field, step},
    },
    view::When,
};

const PAGE: &str = "/admin/people";

fn busy(error: Error) -> Failure {
    tracing::error!(%error, source = ?error.source, "accounts cannot be read or written");
    Failure::Busy
}

fn at(desk: &Desk, ms: i64) -> When {
    let text = Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
    When::of(&text, &desk.lens().now)
}

fn for_administrators(desk: &Desk) -> Result<(), Failure> {
    if desk.session.role == Role::Admin { Ok(()) } else { Err(Failure::Refused) }
}

/// Roles that an administrator gives; patients are made where their chart is known.
fn roles() -> Vec<(String, String)> {
    let staff = Role::ALL.into_iter().filter(|role| *role != Role::Patient);
    staff.map(|role| (role.as_str().to_owned(), word(role))).collect()
}

fn word(role: Role) -> String {
    role.as_str().replace('-', " ")
}

fn row(desk: &Desk, account: &Account) -> Result<PersonRow, Failure> {
    let auth = &desk.app.config.auth;
    let factors = auth.factors(&account.id).map_err(busy)?;
    let last = auth.last_login(&account.id).map_err(busy)?;
    Ok(PersonRow {
        id: account.id.clone(),
        name: account.name.clone(),
        role: word(account.role),
        patient: account.patient.clone(),
        means: last.map_or("", |(_, means)| means.as_str()).to_owned(),
        last: last.map(|(ms, _)| at(desk, ms)),
        n_passkeys: factors.passkeys.len(),
        has_app: factors.app_since_ms.is_some(),
        n_recovery_codes: factors.n_recovery_codes,
        disabled: account.disabled,
        n_sessions: auth.sessions_of(&account.id).map_err(busy)?.len(),
        since: at(desk, account.created_ms),
    })
}

fn list(
    desk: &Desk,
    link: Option<(String, String)>,
    trouble: Option<String>,
) -> Result<Response, Failure> {
    let auth = &desk.app.config.auth;
    let accounts = auth.accounts().map_err(busy)?;
    let rows = accounts.iter().map(|account| row(desk, account));
    let rows: Vec<PersonRow> = rows.collect::<Result<_, _>>()?;
    let waiting = auth.invitations().map_err(busy)?;
    let invitations = waiting.iter().map(|invitation| InvitationRow {
        id: invitation.id.clone(),
        name: invitation.name.clone(),
        role: word(invitation.role),
        by: invitation.by.clone(),
        until: at(desk, invitation.expires_ms()),
        is_new_password: invitation.account_id.is_some(),
    });
    let invitations = invitations.collect();
    let status = if trouble.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let view = People { rows, invitations, roles: roles(), link, trouble };
    Ok(answer::page_with(status, people::all(&desk.reader(), &view)))
}

/// `GET /admin/people`.
pub(crate) async fn all(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        for_administrators(desk)?;
        list(desk, None, None)
    })
    .await
}

/// Where an invitation is accepted.
fn link(desk: &Desk, secret: &auth::Secret) -> String {
    format!("{}/invitation?code={}", desk.app.config.site.issuer(), secret.expose())
}

/// `POST /admin/people`: invites `name` as `role`; the link is shown this once.
pub(crate) async fn invite(State(app): State<App>, head: Head, form: Fields) -> Response {
    desk(app, head, move |desk| {
        for_administrators(desk)?;
        if let Some(asked) = proof_wanted(desk, PAGE) {
            return Ok(asked);
        }
        let role = Role::parse(field(&form, "role")).ok_or(Failure::Request)?;
        let name = field(&form, "name").trim();
        match desk.app.config.auth.invite(name, role, None, &desk.session.name) {
            Ok((secret, invited)) => list(desk, Some((invited.name, link(desk, &secret))), None),
            Err(error) if error.kind == Kind::Storage => Err(busy(error)),
            Err(error) => list(desk, None, Some(error.public)),
        }
    })
    .await
}

/// `POST /admin/people/withdraw`: ends an `invitation`.
pub(crate) async fn withdraw(State(app): State<App>, head: Head, form: Fields) -> Response {
    desk(app, head, move |desk| {
        for_administrators(desk)?;
        if let Some(asked) = proof_wanted(desk, PAGE) {
            return Ok(asked);
        }
        let id = field(&form, "invitation");
        desk.app.config.auth.withdraw_invitation(id).map_err(busy)?;
        Ok(answer::go_to(PAGE))
    })
    .await
}

fn find(desk: &Desk, id: &str) -> Result<Account, Failure> {
    let accounts = desk.app.config.auth.accounts().map_err(busy)?;
    accounts.into_iter().find(|account| account.id == id).ok_or(Failure::NotFound)
}

fn shown(
    desk: &Desk,
    id: &str,
    fresh: Option<&(String, String)>,
    trouble: Option<&String>,
) -> Result<Response, Failure> {
    let row = row(desk, &find(desk, id)?)?;
    let status = if trouble.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = people::one(&desk.reader(), &row, &roles(), fresh, trouble);
    Ok(answer::page_with(status, page))
}

/// `GET /admin/people/{id}`.
pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>, head: Head) -> Response {
    desk(app, head, move |desk| {
        for_administrators(desk)?;
        shown(desk, &id, None, None)
    })
    .await
}

/// `POST /admin/people/{id}` with `act`: `disable`, `enable`, `role` (with `role`), `reset`,
/// `password`.
pub(crate) async fn act(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
    form: Fields,
) -> Response {
    desk(app, head, move |desk| {
        for_administrators(desk)?;
        let place = format!("{PAGE}/{id}");
        if let Some(asked) = proof_wanted(desk, &place) {
            return Ok(asked);
        }
        let auth = &desk.app.config.auth;
        let name = find(desk, &id)?.name;
        let done = match field(&form, "act") {
            "disable" => auth.set_disabled(&name, true),
            "enable" => auth.set_disabled(&name, false),
            "reset" => auth.reset_factors(&name),
            "role" => {
                let role = Role::parse(field(&form, "role")).ok_or(Failure::Request)?;
                auth.set_role(&name, role)
            }
            "password" => {
                let made = auth.invite_to_new_password(&name, &desk.session.name);
                let (secret, _) = made.map_err(busy)?;
                return shown(desk, &id, Some(&(name, link(desk, &secret))), None);
            }
            _ => return Err(Failure::Request),
        };
        match done {
            Ok(()) => Ok(answer::go_to(&place)),
            Err(error) if error.kind == Kind::Storage => Err(busy(error)),
            Err(error) => shown(desk, &id, None, Some(&error.public)),
        }
    })
    .await
}

/// `GET /invitation?code=`.
pub(crate) async fn invitation(State(app): State<App>, head: Head) -> Response {
    let code = head.param("code").unwrap_or("").to_owned();
    accept_page(&app, &head, code, None).await
}

async fn accept_page(app: &App, head: &Head, code: String, trouble: Option<String>) -> Response {
    let (auth, shown) = (app.config.auth.clone(), code.clone());
    let found = tokio::task::spawn_blocking(move || auth.invitation(&shown)).await;
    match found {
        Ok(Ok(Some(found))) => {
            let status = if trouble.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            let view = Accept {
                practice: app.config.practice.clone(),
                name: found.name,
                role: word(found.role),
                code,
                is_new_password: found.account_id.is_some(),
                can_passkey: app.config.auth.has_passkeys(&app.config.site),
                trouble,
                theme: head.theme(),
            };
            answer::page_with(status, people::accept(&view))
        }
        Ok(Ok(None)) => {
            answer::page_with(StatusCode::NOT_FOUND, people::no_invitation(head.theme()))
        }
        Ok(Err(error)) => answer::failure(busy(error), app, head),
        Err(_) => answer::failure(Failure::Ours, app, head),
    }
}

/// `POST /invitation/ask?code=`: what the browser is asked to make.
pub(crate) async fn ask(State(app): State<App>, head: Head) -> Response {
    let code = head.param("code").unwrap_or("").to_owned();
    let copy = app.clone();
    let found = tokio::task::spawn_blocking(move || {
        copy.config.auth.ask_invited_passkey(&copy.config.site, &code)
    });
    match found.await {
        Ok(found) => asked(found),
        Err(_) => answer::failure(Failure::Ours, &app, &head),
    }
}

/// `POST /invitation`: `code`, and the `new` password twice (`again`), or the answer of a passkey;
/// signs in.
pub(crate) async fn accept(State(app): State<App>, head: Head, form: Fields) -> Response {
    let (ceremony, shown) = answered(&form);
    if !ceremony.is_empty() {
        let code = field(&form, "code").to_owned();
        let work = move |app: &App, head: &Head| {
            let (auth, site) = (&app.config.auth, &app.config.site);
            let caller = caller(app, head);
            auth.accept_invitation_by_passkey(site, &code, &ceremony, &shown, caller)
        };
        let again = |_: &App, head: &Head, _| people::no_invitation(head.theme());
        return step(app, head, "/".to_owned(), work, again).await;
    }
    let (code, new) = (field(&form, "code").to_owned(), field(&form, "new").to_owned());
    if new != field(&form, "again") {
        return accept_page(&app, &head, code, Some("The two passwords differ.".to_owned())).await;
    }
    let (auth, shown, password) = (app.config.auth.clone(), code.clone(), new.clone());
    let done = tokio::task::spawn_blocking(move || auth.accept_invitation(&shown, &password));
    let account = match done.await {
        Ok(Ok(account)) => account,
        Ok(Err(error)) if error.kind == Kind::Storage => {
            return answer::failure(busy(error), &app, &head);
        }
        Ok(Err(error)) => {
            let mut text = error.public;
            text.push('.');
            return accept_page(&app, &head, code, Some(text)).await;
        }
        Err(_) => return answer::failure(Failure::Ours, &app, &head),
    };
    step(
        app,
        head,
        "/".to_owned(),
        move |app, head| app.config.auth.login(&account.name, &new, caller(app, head)),
        |_, head, _| people::no_invitation(head.theme()),
    )
    .await
}
