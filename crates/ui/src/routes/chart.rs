//! Handlers of the chart.

use axum::{
    extract::{Path, State},
    response::Response,
};
use maud::Markup;

use crate::{
    chart::{self as views, Section},
    load::{Failure, Reads, chart, is_id, sections, timeline as pages_of},
    pages,
    routes::{
        App, answer,
        desk::{Desk, desk},
        head::Head,
    },
    view::{Banner, Kind},
    view_of::Lens,
};

/// What every section has at hand.
struct Open<'a> {
    desk: &'a Desk,
    reads: &'a Reads<'a>,
    lens: Lens,
    id: String,
    banner: Banner,
}

/// Makes a page of one section: the banner, then what `work` renders.
async fn section<F>(app: App, head: Head, id: String, work: F) -> Response
where
    F: FnOnce(&mut Open) -> Result<Markup, Failure> + Send + 'static,
{
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        desk.with_reads(|reads| {
            let mut lens = desk.lens();
            let banner = chart::banner(reads, &mut lens, &id)?;
            desk.app.opened(&desk.ctx, &desk.session.account_id, &id);
            let mut open = Open { desk, reads, lens, id, banner };
            work(&mut open).map(answer::page)
        })
    })
    .await
}

pub(crate) async fn overview(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        desk.with_reads(|reads| {
            let v = chart::overview(reads, &mut desk.lens(), &id)?;
            desk.app.opened(&desk.ctx, &desk.session.account_id, &id);
            Ok(answer::page(views::overview::page(&desk.reader(), &v)))
        })
    })
    .await
}

pub(crate) async fn timeline(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    let ask = pages_of::Ask {
        kind: head.param("kind").and_then(Kind::from_slug),
        outside_only: head.param("source") == Some("outside"),
        before_ms: head.param("before").and_then(|b| b.parse().ok()),
        ..pages_of::Ask::default()
    };
    section(app, head, id, move |o| {
        let v = pages_of::timeline(o.reads, &mut o.lens, &o.id, &ask)?;
        if o.desk.head.wants("timeline-list") {
            return Ok(views::timeline::list(&o.id, &v));
        }
        Ok(views::timeline::page(&o.desk.reader(), &o.banner, &v))
    })
    .await
}

pub(crate) async fn results(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    section(app, head, id, |o| {
        let adult = chart::is_adult(&o.banner);
        let (list, words) = sections::results(o.reads, &mut o.lens, &o.id, adult)?;
        Ok(views::measured::results_page(&o.desk.reader(), &o.banner, &list, &words))
    })
    .await
}

pub(crate) async fn trend(
    State(app): State<App>,
    Path((id, key)): Path<(String, String)>,
    head: Head,
) -> Response {
    section(app, head, id, move |o| {
        let adult = chart::is_adult(&o.banner);
        let (list, vital) = sections::trend(o.reads, &mut o.lens, &o.id, &key, adult)?;
        let taken = sections::all_medications(o.reads, &mut o.lens, &o.id)?;
        let from = if vital { Section::Vitals } else { Section::Results };
        Ok(views::measured::trend_page(&o.desk.reader(), &o.banner, from, &list, &taken))
    })
    .await
}

pub(crate) async fn vitals(State(app): State<App>, Path(id): Path<String>, head: Head) -> Response {
    section(app, head, id, |o| {
        let adult = chart::is_adult(&o.banner);
        let list = sections::vitals(o.reads, &mut o.lens, &o.id, adult)?;
        Ok(views::measured::vitals_page(&o.desk.reader(), &o.banner, &list))
    })
    .await
}

pub(crate) async fn medications(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    section(app, head, id, |o| {
        let list = sections::all_medications(o.reads, &mut o.lens, &o.id)?;
        Ok(views::facts::medications_page(&o.desk.reader(), &o.banner, &list))
    })
    .await
}

pub(crate) async fn problems(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    section(app, head, id, |o| {
        let list = sections::all_problems(o.reads, &mut o.lens, &o.id)?;
        Ok(views::facts::problems_page(&o.desk.reader(), &o.banner, &list))
    })
    .await
}

pub(crate) async fn visits(State(app): State<App>, Path(id): Path<String>, head: Head) -> Response {
    section(app, head, id, |o| {
        let page = o.desk.head.param("page");
        let (list, next) = sections::visits(o.reads, &mut o.lens, &o.id, page)?;
        Ok(views::papers::visits_page(&o.desk.reader(), &o.banner, &list, next.as_deref()))
    })
    .await
}

pub(crate) async fn documents(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    section(app, head, id, |o| {
        let page = o.desk.head.param("page");
        let (list, next) = sections::documents(o.reads, &mut o.lens, &o.id, page)?;
        Ok(views::papers::documents_page(&o.desk.reader(), &o.banner, &list, next.as_deref()))
    })
    .await
}

pub(crate) async fn document(
    State(app): State<App>,
    Path((id, document)): Path<(String, String)>,
    head: Head,
) -> Response {
    section(app, head, id, move |o| {
        let v = sections::document(o.reads, &mut o.lens, &o.id, &document)?;
        Ok(views::papers::document_page(&o.desk.reader(), &o.banner, &v))
    })
    .await
}

/// An attachment of a document, as bytes. What is inside gets no rights on this site.
pub(crate) async fn content(
    State(app): State<App>,
    Path((id, document, content_idx)): Path<(String, String, usize)>,
    head: Head,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        let found =
            desk.with_reads(|reads| sections::content(reads, &id, &document, content_idx))?;
        Ok(answer::content(found))
    })
    .await
}

pub(crate) async fn immunizations(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    section(app, head, id, |o| {
        let list = sections::immunizations(o.reads, &mut o.lens, &o.id)?;
        Ok(views::papers::immunizations_page(&o.desk.reader(), &o.banner, &list))
    })
    .await
}

pub(crate) async fn coverage(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    section(app, head, id, |o| {
        let list = sections::coverages(o.reads, &mut o.lens, &o.id)?;
        Ok(views::papers::coverage_page(&o.desk.reader(), &o.banner, &list))
    })
    .await
}

/// One resource of this patient as the record holds it. Another patient's is not here.
pub(crate) async fn raw(
    State(app): State<App>,
    Path((id, kind, resource)): Path<(String, String, String)>,
    head: Head,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) || !is_id(&resource) {
            return Err(Failure::NotFound);
        }
        let doc = desk.with_reads(|reads| reads.read(&kind, &resource))?;
        if !sections::belongs(doc.root(), &id) {
            return Err(Failure::NotFound);
        }
        let mut json = String::with_capacity(doc.text().len() * 2);
        doc.root().write_pretty(&mut json);
        let version = doc.root().get("meta").and_then(|m| m.str("versionId"));
        let v = pages::raw::Raw {
            patient: id,
            reference: format!("{kind}/{resource}"),
            version: version.map(|v| v.into_owned()).unwrap_or_default(),
            json,
        };
        if desk.head.wants("drawer") {
            return Ok(answer::page(pages::raw::drawer(&v)));
        }
        Ok(answer::page(pages::raw::page(&desk.reader(), &v)))
    })
    .await
}
