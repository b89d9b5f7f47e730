//! A signed-in request: the session, its context, and the record as pages read it.

use std::sync::Arc;

use auth::{Session, Stage, Standing};
use axum::response::Response;
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, Handling, Kind, Request, Role};

use crate::{
    layout::{OpenChart, Reader},
    load::{Failure, Reads},
    routes::{App, again::again, answer, head::Head},
    view_of::Lens,
    when::Now,
};

/// Name of the session cookie.
pub(crate) const fn cookie_name(tls: bool) -> &'static str {
    if tls { "__Host-vitae" } else { "vitae" }
}

/// What a page is made with.
pub(crate) struct Desk {
    pub app: App,
    pub head: Head,
    pub session: Arc<Session>,
    pub ctx: Ctx,
}

/// Runs `work` for a signed-in member of staff, off the async threads; others are sent to sign in.
pub(crate) async fn desk<F>(app: App, head: Head, work: F) -> Response
where
    F: FnOnce(&Desk) -> Result<Response, Failure> + Send + 'static,
{
    desk_of(app, head, false, work).await
}

/// As [`desk`], also for patients.
pub(crate) async fn desk_of_all<F>(app: App, head: Head, work: F) -> Response
where
    F: FnOnce(&Desk) -> Result<Response, Failure> + Send + 'static,
{
    desk_of(app, head, true, work).await
}

async fn desk_of<F>(app: App, head: Head, all: bool, work: F) -> Response
where
    F: FnOnce(&Desk) -> Result<Response, Failure> + Send + 'static,
{
    let Ok(permit) = Arc::clone(&app.working).acquire_owned().await else {
        return answer::failure(Failure::Busy, &app, &head);
    };
    let copy = (app.clone(), head.clone());
    let joined = copy.0.config.reading.spawn_blocking(move || {
        let _permit = permit;
        run(app, head, all, work)
    });
    match joined.await {
        Ok(response) => response,
        // The task panicked: a bug of ours, which must not take the others down.
        Err(_) => answer::failure(Failure::Ours, &copy.0, &copy.1),
    }
}

fn run<F>(app: App, head: Head, all: bool, work: F) -> Response
where
    F: FnOnce(&Desk) -> Result<Response, Failure>,
{
    let session = match standing(&app, &head) {
        Ok(Standing::Live(session)) => session,
        Ok(Standing::Locked(_)) => return answer::go_to(&again(&head.target)),
        Ok(Standing::Waiting(session)) if session.stage == Stage::Enrol => {
            return answer::go_to("/account/security");
        }
        Ok(Standing::Out | Standing::Waiting(_)) => return answer::go_to(&sign_in(&head)),
        Err(failure) => return answer::failure(failure, &app, &head),
    };
    let request_id = app.config.record.new_id();
    let at_ms = app.config.record.now_ms();
    let ctx = session.ctx(request_id.clone(), at_ms, head.address.clone());
    if session.role == Role::Patient && !all {
        return answer::failure_as(Failure::Refused, &request_id, &head);
    }
    let desk = Desk { app, head, session, ctx };
    match work(&desk) {
        Ok(response) => response,
        Err(failure) => answer::failure_as(failure, &request_id, &desk.head),
    }
}

fn sign_in(head: &Head) -> String {
    if head.target == "/" {
        return "/login".to_owned();
    }
    let mut out = String::from("/login?next=");
    record::percent_encode(&head.target, &mut out);
    out
}

/// Where the browser of the cookie stands.
pub(crate) fn standing(app: &App, head: &Head) -> Result<Standing, Failure> {
    let Some(secret) = head.cookie(cookie_name(app.config.tls)) else { return Ok(Standing::Out) };
    app.config.auth.standing(secret).map_err(|error| {
        tracing::error!(%error, "a session could not be read");
        Failure::Busy
    })
}

/// Who reads the pages of a session.
pub(crate) fn reader(session: &Session, head: &Head) -> Reader {
    Reader {
        name: session.name.clone(),
        role: session.role.as_str().replace('-', " "),
        is_administrator: session.role == Role::Admin,
        reads_log: matches!(session.role, Role::Admin | Role::PrivacyOfficer),
        theme: head.theme(),
        compact: head.compact(),
        ..Reader::default()
    }
}

impl Desk {
    pub fn reader(&self) -> Reader {
        let record = &self.app.config.record;
        let open = record.open_emergencies(&self.ctx).unwrap_or_else(|error| {
            tracing::error!(%error, "open emergencies cannot be read");
            Vec::new()
        });
        let now = self.lens().now;
        let chart = |open: record::Emergency| OpenChart {
            until: now.clock(open.until_ms()),
            id: open.id,
            patient: open.patient,
            name: open.patient_name,
        };
        Reader {
            opens_emergencies: record.may_open_in_emergency(&self.ctx),
            reviews_emergencies: record.reviews_emergencies(&self.ctx),
            emergencies: open.into_iter().map(chart).collect(),
            ..reader(&self.session, &self.head)
        }
    }

    pub fn lens(&self) -> Lens {
        let mut lens = Lens::new(Now::new(self.ctx.at_ms, self.app.config.zone.clone()));
        lens.ours = self.app.ours();
        lens
    }

    /// Gives `work` the record as pages read it.
    pub fn with_reads<T>(&self, work: impl FnOnce(&Reads) -> T) -> T {
        let search = |rt: &str, query: &str| self.search(rt, query);
        let read = |rt: &str, id: &str| self.read(rt, id);
        let find = |part: &str, count: usize| {
            self.ask(Request::FindPatients { typed: part.to_owned(), count })
        };
        work(&Reads::new(&search, &read, &find))
    }

    fn search(&self, rt: &str, query: &str) -> Result<Doc, Failure> {
        let rt = ResourceType::from_name(rt).ok_or(Failure::Request)?;
        self.ask(Request::Search {
            rt: Some(rt),
            compartment: None,
            pairs: record::parse_query(query),
            handling: Handling::Strict,
        })
    }

    fn read(&self, rt: &str, id: &str) -> Result<Doc, Failure> {
        let rt = ResourceType::from_name(rt).ok_or(Failure::NotFound)?;
        self.ask(Request::read(rt, id))
    }

    /// Asks a question that a person typed: what is wrong with it is told in the record's words.
    pub fn ask_plainly(&self, request: Request) -> Result<Result<Doc, Vec<String>>, Failure> {
        match self.app.config.record.execute(&self.ctx, request) {
            Ok(response) => {
                let body = response.body.ok_or(Failure::Ours)?;
                Ok(Ok(Doc::parse(body.into_bytes()).map_err(|_| Failure::Ours)?))
            }
            Err(error) if failure_of(&error) == Failure::Request => {
                Ok(Err(error.issues.into_iter().map(|issue| issue.text).collect()))
            }
            Err(error) => Err(failure_of(&error)),
        }
    }

    fn ask(&self, request: Request) -> Result<Doc, Failure> {
        let response =
            self.app.config.record.execute(&self.ctx, request).map_err(|e| failure_of(&e))?;
        let body = response.body.ok_or(Failure::Ours)?;
        Doc::parse(body.into_bytes()).map_err(|error| {
            tracing::error!(%error, "the record answered what cannot be read");
            Failure::Ours
        })
    }
}

/// What a page says about an error of the record.
pub(crate) fn failure_of(error: &record::Error) -> Failure {
    match error.kind {
        Kind::NotFound => Failure::NotFound,
        Kind::Deleted | Kind::PageExpired => Failure::Deleted,
        Kind::Login | Kind::Forbidden => Failure::Refused,
        Kind::Unavailable => Failure::Busy,
        Kind::Internal => {
            tracing::error!(kind = error.kind.name(), "the record failed");
            Failure::Ours
        }
        kind => {
            tracing::debug!(kind = kind.name(), "the record refused a page's question");
            Failure::Request
        }
    }
}
