//! Handlers for administrators.

use axum::{extract::State, response::Response};
use record::{Headers, Payload, Request, Role};

use crate::{
    load::{self, Failure},
    pages,
    routes::{App, answer, desk::Desk, desk::desk, head::Head},
    view::Explained,
};

/// The plan of the search `?q=Observation?code=…`.
pub(crate) async fn explain(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        if desk.session.role != Role::Admin {
            return Err(Failure::Refused);
        }
        let query = desk.head.param("q").unwrap_or("").trim().to_owned();
        let mut v = Explained { query, ..Explained::default() };
        if !v.query.is_empty() {
            fill(desk, &mut v)?;
        }
        Ok(answer::page(pages::explain::page(&desk.reader(), &v)))
    })
    .await
}

fn fill(desk: &Desk, v: &mut Explained) -> Result<(), Failure> {
    let typed = v.query.strip_prefix("GET ").unwrap_or(&v.query).trim();
    let path = typed.trim_start_matches('/');
    let url = path.strip_prefix("fhir/").unwrap_or(path);
    let request = record::route("GET", url, &Headers::default(), Payload::None);
    let request = match request {
        Ok(Request::Search { rt, compartment, mut pairs, handling }) => {
            pairs.retain(|(name, _)| name != "_explain");
            pairs.push(("_explain".to_owned(), "true".to_owned()));
            Request::Search { rt, compartment, pairs, handling }
        }
        Ok(_) => {
            v.trouble.push("This is no search; the form is Type?parameter=value.".to_owned());
            return Ok(());
        }
        Err(error) => {
            v.trouble.extend(error.issues.into_iter().map(|issue| issue.text));
            return Ok(());
        }
    };
    match desk.ask_plainly(request)? {
        Ok(doc) => v.plans = load::explain::plans(&doc),
        Err(trouble) => v.trouble = trouble,
    }
    Ok(())
}
