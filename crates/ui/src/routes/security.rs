//! How a person signs in: passkeys, authenticator app, recovery codes, password.

use std::sync::Arc;

use auth::{Account, Error, Kind, Session, Stage, Standing};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use record::Role;

use crate::{
    layout::Reader,
    load::Failure,
    pages::security::{self, AppPage, PasskeyRow, Security},
    routes::{
        App,
        again::again,
        answer,
        desk::{reader, standing},
        head::Head,
        signin::{Fields, answered, asked, began, caller, enter, field, with_next},
    },
    view::When,
    when::Now,
};

const PAGE: &str = "/account/security";

/// The person whose factors are shown: signed in, or in the middle of it because the practice
/// demands a second factor.
struct Owner {
    app: App,
    head: Head,
    session: Arc<Session>,
    account: Account,
}

impl Owner {
    fn is_enrolling(&self) -> bool {
        self.session.stage == Stage::Enrol
    }

    fn reader(&self) -> Reader {
        reader(&self.session, &self.head)
    }

    fn view(&self, trouble: Option<String>) -> Result<Security, Failure> {
        let auth = &self.app.config.auth;
        let factors = auth.factors(&self.account.id).map_err(busy)?;
        let now = Now::new(self.app.config.record.now_ms(), self.app.config.zone.clone());
        let at = |ms: i64| {
            When::of(&Timestamp::from_millisecond(ms).unwrap_or_default().to_string(), &now)
        };
        let row = |row: &auth::PasskeyRow| PasskeyRow {
            id: row.id.clone(),
            name: row.name.clone(),
            since: at(row.since_ms),
            used: row.used_ms.map(at),
        };
        Ok(Security {
            passkeys: factors.passkeys.iter().map(row).collect(),
            app_since: factors.app_since_ms.map(at),
            n_recovery_codes: factors.n_recovery_codes,
            can_passkey: auth.has_passkeys(&self.app.config.site),
            is_enrolling: self.is_enrolling(),
            is_bare: self.is_enrolling() || self.session.role == Role::Patient,
            trouble,
        })
    }

    fn shown(&self, trouble: Option<String>) -> Result<Response, Failure> {
        let status = if trouble.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let page = security::page(&self.reader(), &self.view(trouble)?);
        Ok(answer::page_with(status, page))
    }

    /// After a change: back to the page, and into the practice if this was the missing step.
    fn changed(&self) -> Result<Response, Failure> {
        if !self.is_enrolling() {
            return Ok(answer::go_to(PAGE));
        }
        let caller = caller(&self.app, &self.head);
        match self.app.config.auth.finish_enrolment(&self.session, caller) {
            Ok(session) => {
                let began = began(&self.app, &self.head, session).map_err(busy)?;
                Ok(enter(&self.app, &self.head, &began, PAGE))
            }
            Err(error) if error.kind == Kind::Storage => Err(busy(error)),
            Err(_) => Ok(answer::go_to(PAGE)),
        }
    }

    fn outcome<T>(&self, done: Result<T, Error>) -> Result<Response, Failure> {
        match done {
            Ok(_) => self.changed(),
            Err(error) if error.kind == Kind::Storage => Err(busy(error)),
            Err(error) => self.shown(Some(error.public)),
        }
    }
}

fn busy(error: Error) -> Failure {
    tracing::error!(%error, source = ?error.source, "factors cannot be read or written");
    Failure::Busy
}

/// Runs `work` for the person of the session; `matters`: with a fresh proof of who they are.
async fn owner<F>(app: App, head: Head, matters: bool, work: F) -> Response
where
    F: FnOnce(&Owner) -> Result<Response, Failure> + Send + 'static,
{
    let copy = (app.clone(), head.clone());
    let done = tokio::task::spawn_blocking(move || {
        let session = match standing(&app, &head)? {
            Standing::Live(session) => session,
            Standing::Waiting(session) if session.stage == Stage::Enrol => session,
            Standing::Locked(_) => return Ok(answer::go_to(&again(PAGE))),
            Standing::Out | Standing::Waiting(_) => {
                return Ok(answer::go_to(&with_next("/login", PAGE)));
            }
        };
        if matters && !session.is_proved(app.config.record.now_ms()) {
            return Ok(match head.fragment {
                Some(_) => StatusCode::UNAUTHORIZED.into_response(),
                None => answer::go_to(&again(PAGE)),
            });
        }
        let account = app.config.auth.account(&session.name).map_err(busy)?;
        let account = account.filter(|account| account.id == session.account_id);
        let account = account.ok_or(Failure::Refused)?;
        work(&Owner { app, head, session, account })
    });
    match done.await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => answer::failure(failure, &copy.0, &copy.1),
        Err(_) => answer::failure(Failure::Ours, &copy.0, &copy.1),
    }
}

/// `GET /account/security`.
pub(crate) async fn page(State(app): State<App>, head: Head) -> Response {
    owner(app, head, false, |owner| owner.shown(None)).await
}

/// `POST /account/security/passkeys/ask`: what the browser is asked to make.
pub(crate) async fn ask(State(app): State<App>, head: Head) -> Response {
    owner(app, head, true, |owner| {
        let config = &owner.app.config;
        Ok(asked(config.auth.ask_new_passkey(&config.site, &owner.account)))
    })
    .await
}

/// `POST /account/security/passkeys`: adds (`ceremony`, `answer`, `name`), renames (`passkey`,
/// `name`) or removes (`passkey`, `act=remove`).
pub(crate) async fn passkeys(State(app): State<App>, head: Head, form: Fields) -> Response {
    owner(app, head, true, move |owner| {
        let (auth, site) = (&owner.app.config.auth, &owner.app.config.site);
        let (ceremony, shown) = answered(&form);
        let (id, name) = (field(&form, "passkey"), field(&form, "name"));
        let account = &owner.account;
        if !ceremony.is_empty() {
            return owner.outcome(auth.add_passkey(site, account, &ceremony, &shown, name));
        }
        match field(&form, "act") {
            "remove" => owner.outcome(auth.remove_passkey(account, id)),
            "rename" => owner.outcome(auth.rename_passkey(account, id, name)),
            _ => Err(Failure::Request),
        }
    })
    .await
}

/// `GET /account/security/app`: an authenticator app is set up.
pub(crate) async fn app_page(State(app): State<App>, head: Head) -> Response {
    owner(app, head, true, |owner| {
        let config = &owner.app.config;
        let setup = config.auth.app_setup(&owner.account.name, &config.practice);
        app_shown(owner, &setup.map_err(busy)?, None)
    })
    .await
}

fn app_shown(
    owner: &Owner,
    setup: &auth::AppSetup,
    trouble: Option<String>,
) -> Result<Response, Failure> {
    let code = qrcode::QrCode::new(setup.url.as_bytes()).map_err(|error| {
        tracing::error!(%error, "an address does not fit into a QR code");
        Failure::Ours
    })?;
    let page = AppPage {
        n_modules: code.width(),
        path: modules(&code),
        typed: setup.typed.clone(),
        seed: setup.seed_text(),
        is_bare: owner.is_enrolling() || owner.session.role == Role::Patient,
        trouble,
    };
    let status = if page.trouble.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    Ok(answer::page_with(status, security::app(&owner.reader(), &page)))
}

/// The dark modules of a QR code as one path, a unit each.
fn modules(code: &qrcode::QrCode) -> String {
    use std::fmt::Write;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().iter().enumerate() {
        if *color == qrcode::Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", at % width, at / width);
        }
    }
    path
}

/// `POST /account/security/app`: `seed` and the `code` that the app shows.
pub(crate) async fn set_app(State(app): State<App>, head: Head, form: Fields) -> Response {
    owner(app, head, true, move |owner| {
        let config = &owner.app.config;
        let (seed, name) = (field(&form, "seed"), &owner.account.name);
        let setup = config.auth.app_setup_again(seed, name, &config.practice);
        let setup = setup.map_err(|_| Failure::Request)?;
        let code: String = field(&form, "code").split_whitespace().collect();
        match config.auth.set_app(&owner.account, &setup, &code) {
            Ok(()) => owner.changed(),
            Err(error) if error.kind == Kind::Storage => Err(busy(error)),
            Err(_) => {
                let text = "That is not the code that the app shows now. Is its clock right?";
                app_shown(owner, &setup, Some(text.to_owned()))
            }
        }
    })
    .await
}

/// `POST /account/security/app/end`.
pub(crate) async fn end_app(State(app): State<App>, head: Head) -> Response {
    owner(app, head, true, |owner| owner.outcome(owner.app.config.auth.remove_app(&owner.account)))
        .await
}

/// `POST /account/security/recovery`: new recovery codes, shown this once.
pub(crate) async fn recovery(State(app): State<App>, head: Head) -> Response {
    owner(app, head, true, |owner| {
        if !owner.app.config.auth.factors(&owner.account.id).map_err(busy)?.has_second() {
            let text = "recovery codes stand in for a second factor; set one up first";
            return owner.shown(Some(text.to_owned()));
        }
        let codes = owner.app.config.auth.make_recovery_codes(&owner.account).map_err(busy)?;
        let is_bare = owner.session.role == Role::Patient;
        Ok(answer::page(security::recovery(&owner.reader(), &codes, is_bare)))
    })
    .await
}

/// `POST /account/security/password`: `new`, twice (`again`).
pub(crate) async fn password(State(app): State<App>, head: Head, form: Fields) -> Response {
    owner(app, head, true, move |owner| {
        let new = field(&form, "new");
        if new != field(&form, "again") {
            return owner.shown(Some("the two passwords differ".to_owned()));
        }
        if owner.is_enrolling() {
            return Err(Failure::Refused);
        }
        owner.outcome(owner.app.config.auth.set_own_password(&owner.session, new))
    })
    .await
}
