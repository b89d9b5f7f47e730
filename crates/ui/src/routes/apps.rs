//! Connected apps, the administrator's list of apps, and apps opened from a chart.

use auth::{Client, Grant, Proof};
use axum::{
    extract::{Form, Path, State},
    response::Response,
};
use record::{Role, Scopes};

use crate::{
    chart::{self, Section},
    load::{self, Failure, is_id},
    pages::apps,
    routes::{
        App,
        again::proof_wanted,
        answer,
        authorize::{leading_to, place},
        desk::{Desk, desk, desk_of_all},
        head::Head,
    },
    view::{AppRow, Connection, LaunchApp, When},
    view_of::{patient, scope},
};

type Fields = Form<Vec<(String, String)>>;

fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}

fn busy(error: auth::Error) -> Failure {
    tracing::error!(%error, source = ?error.source, "apps cannot be read or written");
    Failure::Busy
}

fn at(desk: &Desk, ms: i64) -> When {
    let text = jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
    When::of(&text, &desk.lens().now)
}

fn connection(desk: &Desk, grant: &Grant) -> Connection {
    // Who the patient is, as far as this reader may know.
    let about = |id: &String| {
        let read = desk.with_reads(|reads| reads.read("Patient", id));
        match read {
            Ok(doc) => patient::row(doc.root(), &desk.lens()).name.sorted(),
            Err(_) => "a patient whom you may not see".to_owned(),
        }
    };
    Connection {
        id: grant.id.clone(),
        app: grant.client_name.clone(),
        person: grant.person.name.clone(),
        role: grant.person.role.as_str().replace('-', " "),
        patient: grant.patient.as_ref().map(about),
        lines: scope::sentences(&grant.scopes),
        since: at(desk, grant.made_ms),
        used: at(desk, grant.used_ms),
        until: at(desk, grant.expires_ms),
    }
}

/// `GET /apps`: one's own.
pub(crate) async fn own(State(app): State<App>, head: Head) -> Response {
    desk_of_all(app, head, |desk| {
        let grants = desk.app.config.auth.grants(Some(&desk.session.account_id)).map_err(busy)?;
        let list: Vec<Connection> = grants.iter().map(|g| connection(desk, g)).collect();
        let bare = desk.session.role == Role::Patient;
        Ok(answer::page(apps::own(&desk.reader(), bare, &list)))
    })
    .await
}

/// `POST /apps/end`: ends one of one's own.
pub(crate) async fn end_own(State(app): State<App>, head: Head, form: Fields) -> Response {
    let id = field(&form, "connection").to_owned();
    desk_of_all(app, head, move |desk| {
        let own = Some(desk.session.account_id.as_str());
        desk.app.config.auth.end_grant(own, &id).map_err(busy)?;
        Ok(answer::go_to("/apps"))
    })
    .await
}

fn for_administrators(desk: &Desk) -> Result<(), Failure> {
    if desk.session.role == Role::Admin { Ok(()) } else { Err(Failure::Refused) }
}

fn row(desk: &Desk, client: &Client) -> AppRow {
    let by_itself: &Scopes = &client.scopes;
    AppRow {
        id: client.id.clone(),
        name: client.name.clone(),
        pending: client.pending,
        disabled: client.disabled,
        lines: scope::sentences(by_itself),
        proof: match &client.proof {
            Proof::Public => "not at all: it runs where it cannot keep a secret".to_owned(),
            Proof::Secret(_) => "with a secret".to_owned(),
            Proof::Keys(_) => "by signing, with keys that it registered".to_owned(),
            Proof::KeysAt(uri) => format!("by signing, with the keys at {uri}"),
        },
        redirects: client.redirect_uris.clone(),
        launch: client.launch_uri.clone(),
        since: at(desk, client.created_ms),
    }
}

/// `GET /admin/apps`.
pub(crate) async fn all(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        for_administrators(desk)?;
        let auth = &desk.app.config.auth;
        let mut clients = auth.clients().map_err(busy)?;
        clients.sort_by_key(|c| (!c.pending, c.disabled, c.name.clone(), c.id.clone()));
        let rows: Vec<AppRow> = clients.iter().map(|client| row(desk, client)).collect();
        let grants = auth.grants(None).map_err(busy)?;
        let list: Vec<Connection> = grants.iter().map(|g| connection(desk, g)).collect();
        Ok(answer::page(apps::all(&desk.reader(), &rows, &list)))
    })
    .await
}

/// `POST /admin/apps`: approve, reject, switch off, switch on.
pub(crate) async fn act(State(app): State<App>, head: Head, form: Fields) -> Response {
    let (id, act) = (field(&form, "app").to_owned(), field(&form, "act").to_owned());
    desk(app, head, move |desk| {
        for_administrators(desk)?;
        if let Some(asked) = proof_wanted(desk, "/admin/apps") {
            return Ok(asked);
        }
        let auth = &desk.app.config.auth;
        let done = match act.as_str() {
            "approve" => auth.approve_client(&id),
            "reject" => auth.reject_client(&id),
            "disable" => auth.set_client_disabled(&id, true),
            "enable" => auth.set_client_disabled(&id, false),
            _ => return Err(Failure::Request),
        };
        match done {
            Ok(()) => Ok(answer::go_to("/admin/apps")),
            Err(error) if error.kind == auth::Kind::NotFound => Err(Failure::NotFound),
            Err(error) => Err(busy(error)),
        }
    })
    .await
}

/// `POST /admin/apps/end`: ends anybody's connection.
pub(crate) async fn end_any(State(app): State<App>, head: Head, form: Fields) -> Response {
    let id = field(&form, "connection").to_owned();
    desk(app, head, move |desk| {
        for_administrators(desk)?;
        desk.app.config.auth.end_grant(None, &id).map_err(busy)?;
        Ok(answer::go_to("/admin/apps"))
    })
    .await
}

/// `GET /patients/{id}/apps`.
pub(crate) async fn of_chart(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        let banner = desk.with_reads(|reads| load::chart::banner(reads, &mut desk.lens(), &id))?;
        let clients = desk.app.config.auth.launchable().map_err(busy)?;
        let uri = |client: &Client| client.launch_uri.clone().unwrap_or_default();
        let list: Vec<LaunchApp> = clients
            .iter()
            .map(|c| LaunchApp { id: c.id.clone(), name: c.name.clone(), place: place(&uri(c)) })
            .collect();
        let body = apps::launch(&id, &list);
        let page = chart::page(&desk.reader(), &banner, Section::Apps, &body);
        let uris: Vec<String> = clients.iter().map(uri).collect();
        Ok(leading_to(page, uris.iter().map(String::as_str)))
    })
    .await
}

/// `POST /patients/{id}/apps`: opens an app with this patient.
pub(crate) async fn open(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
    form: Fields,
) -> Response {
    let client = field(&form, "app").to_owned();
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        // What this person may not see is not opened either.
        desk.with_reads(|reads| reads.read("Patient", &id))?;
        let (auth, site) = (&desk.app.config.auth, &desk.app.config.site);
        match auth.open_app(site, &desk.session, &client, Some(&id), None) {
            Ok(target) => Ok(answer::go_to(&target)),
            Err(error) if error.kind == auth::Kind::NotFound => Err(Failure::NotFound),
            Err(error) => Err(busy(error)),
        }
    })
    .await
}
