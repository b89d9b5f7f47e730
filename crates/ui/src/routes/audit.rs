//! Handlers of the audit log: the log itself, who opened a chart, what left the practice.
//!
//! Who may ask, and what a patient is told, the record decides.

use std::collections::BTreeSet;

use axum::{
    extract::{Form, Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use record::{
    AuditFilter, AuditFound, Deed, Kind, LEAVES_MAX, Leaf, LeafOutcome, LogOrder, OVERDUE_MS,
};

use crate::{
    load::{self, Failure, is_id, of_type},
    pages,
    routes::{
        App, answer,
        desk::{Desk, desk, desk_of_all, failure_of},
        head::Head,
    },
    view::audit::{Access, Filter, Log, Unusual},
    view_of::{
        deed::{self, Names},
        patient,
    },
};

/// Entries of a page of the log.
const PAGE: usize = 50;
/// Entries of one page of a chart's visits.
const VISITS_PAGE: usize = 500;
/// Names that one question asks for.
const NAMES_TOGETHER: usize = 100;
/// How far an accounting of disclosures goes back. Source: 45 CFR 164.528(a)(1).
const ACCOUNTED_YEARS: i64 = 6;
const YEAR_MS: i64 = 31_557_600_000;

fn find(
    desk: &Desk,
    filter: &AuditFilter,
    order: LogOrder,
    part: (usize, usize),
) -> Result<AuditFound, Failure> {
    let record = &desk.app.config.record;
    record.audit_find(&desk.ctx, filter, order, part).map_err(|e| failure_of(&e))
}

/// Names of the patients of these leaves, as far as the reader may know them.
fn names(desk: &Desk, leaves: &[Leaf]) -> Result<Names, Failure> {
    let ids: BTreeSet<&String> =
        leaves.iter().flat_map(|leaf| leaf.patients.iter().take(5)).collect();
    let ids: Vec<&str> = ids.into_iter().map(String::as_str).filter(|id| is_id(id)).collect();
    names_of(desk, &ids)
}

fn names_of(desk: &Desk, ids: &[&str]) -> Result<Names, Failure> {
    let mut names = Names::new();
    desk.with_reads(|reads| {
        for list in ids.chunks(NAMES_TOGETHER) {
            let query = format!("_id={}&_count={NAMES_TOGETHER}&_elements=name", list.join(","));
            let doc = reads.search_open("Patient", &query)?;
            for found in of_type(&doc, "Patient") {
                let row = patient::row(found, &desk.lens());
                names.insert(row.id.clone(), row.name.sorted());
            }
        }
        Ok(names)
    })
}

/// First and last millisecond of a day in the practice's zone.
fn day(desk: &Desk, text: &str) -> Option<(i64, i64)> {
    let date: Date = text.parse().ok()?;
    let zone = &desk.app.config.zone;
    let at = |date: Date| {
        let start = date.to_zoned(zone.clone()).ok()?;
        Some(start.timestamp().as_millisecond())
    };
    Some((at(date)?, at(date.tomorrow().ok()?)? - 1))
}

fn typed(head: &Head) -> Filter {
    let text = |name: &str| head.param(name).unwrap_or("").trim().to_owned();
    let sort = text("sort");
    Filter {
        person: text("person"),
        patient: text("patient"),
        did: text("action"),
        outcome: text("outcome"),
        address: text("address"),
        from: text("from"),
        to: text("to"),
        sort: if sort.is_empty() { "time".to_owned() } else { sort },
        is_rising: head.param("order") == Some("asc"),
    }
}

/// What the log is asked; what is wrong with the filter.
fn asked(desk: &Desk, typed: &Filter) -> Result<AuditFilter, String> {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut filter = AuditFilter {
        person: given(&typed.person),
        patient: given(&typed.patient),
        address: given(&typed.address),
        ..AuditFilter::default()
    };
    if !typed.did.is_empty() {
        filter.deed = Some(Deed::parse(&typed.did).ok_or("There is no such action.")?);
    }
    if !typed.outcome.is_empty() {
        let outcome = LeafOutcome::parse(&typed.outcome);
        filter.outcome = Some(outcome.ok_or("There is no such outcome.")?);
    }
    let wrong = "Write days as 2026-11-23.";
    if !typed.from.is_empty() {
        filter.from_ms = Some(day(desk, &typed.from).ok_or(wrong)?.0);
    }
    if !typed.to.is_empty() {
        filter.to_ms = Some(day(desk, &typed.to).ok_or(wrong)?.1);
    }
    Ok(filter)
}

/// By what the log can be put in order, beside time.
fn sort_key(sort: &str) -> Option<fn(&Leaf) -> String> {
    Some(match sort {
        "person" => |leaf| leaf.person().unwrap_or(&leaf.who).to_lowercase(),
        "patient" => |leaf| leaf.patients.first().cloned().unwrap_or_default(),
        "action" => |leaf| format!("{} {}", deed::did(leaf.deed()), leaf.what),
        "outcome" => |leaf| format!("{:03}", leaf.status),
        "address" => |leaf| leaf.address.clone().unwrap_or_default(),
        "purpose" => |leaf| leaf.why.clone(),
        _ => return None,
    })
}

/// Leaves in the order that was asked for, `skip` left out; how many there are, and a remark.
fn sorted(
    desk: &Desk,
    filter: &AuditFilter,
    typed: &Filter,
    (skip, limit): (usize, usize),
) -> Result<(AuditFound, Option<String>), Failure> {
    let by_time = if typed.is_rising { LogOrder::OldestFirst } else { LogOrder::NewestFirst };
    let Some(key) = sort_key(&typed.sort) else {
        return Ok((find(desk, filter, by_time, (skip, limit))?, None));
    };
    let mut found = find(desk, filter, LogOrder::NewestFirst, (0, LEAVES_MAX))?;
    let n_all = found.leaves.len() as u64;
    let remark = (found.total > n_all).then(|| {
        format!("Only the newest {n_all} of {} entries are sorted: narrow the time.", found.total)
    });
    found.leaves.sort_by_cached_key(key);
    if !typed.is_rising {
        found.leaves.reverse();
    }
    found.leaves = found.leaves.into_iter().skip(skip).take(limit).collect();
    Ok((AuditFound { leaves: found.leaves, total: found.total.min(n_all) }, remark))
}

/// `GET /admin/audit`.
pub(crate) async fn log(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let typed = typed(&desk.head);
        let page: usize = desk.head.param("page").and_then(|n| n.parse().ok()).unwrap_or(0);
        let deeds = Deed::ALL.map(|one| (one.as_str(), deed::did(one))).to_vec();
        let outcomes = LeafOutcome::ALL.map(|one| (one.as_str(), deed::outcome(one))).to_vec();
        let mut v = Log { filter: typed, page, deeds, outcomes, ..Log::default() };
        match asked(desk, &v.filter) {
            Err(trouble) => {
                // Nobody learns from a wrong filter that there is such a page.
                find(desk, &AuditFilter::default(), LogOrder::NewestFirst, (0, 0))?;
                v.trouble = Some(trouble);
            }
            Ok(filter) => {
                let part = (page.saturating_mul(PAGE), PAGE);
                let (found, remark) = sorted(desk, &filter, &v.filter, part)?;
                let (names, now) = (names(desk, &found.leaves)?, desk.lens().now);
                v.entries =
                    found.leaves.iter().map(|leaf| deed::entry(leaf, &names, &now)).collect();
                v.total = found.total;
                v.n_pages = usize::try_from(found.total).unwrap_or(usize::MAX).div_ceil(PAGE);
                v.trouble = remark;
            }
        }
        Ok(answer::page(pages::audit::log(&desk.reader(), &v)))
    })
    .await
}

/// `GET /admin/audit.csv`: all that the filter finds, at most [`LEAVES_MAX`].
pub(crate) async fn log_csv(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| {
        let typed = typed(&desk.head);
        let filter = asked(desk, &typed).map_err(|_| Failure::Request)?;
        let (found, _) = sorted(desk, &filter, &typed, (0, LEAVES_MAX))?;
        let header = [
            "number", "time", "person", "account", "role", "app", "purpose", "action", "what",
            "patients", "outcome", "status", "address", "request",
        ];
        let rows = found.leaves.iter().map(|leaf| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![
                leaf.seq.to_string(),
                fhir::date::format_instant(leaf.at_ms),
                leaf.person().unwrap_or_default().to_owned(),
                leaf.who.clone(),
                text(&leaf.role),
                text(&leaf.app),
                leaf.why.clone(),
                deed::did(leaf.deed()).to_owned(),
                leaf.what.clone(),
                if leaf.all { "all".to_owned() } else { leaf.patients.join(" ") },
                deed::outcome(leaf.outcome()).to_owned(),
                leaf.status.to_string(),
                text(&leaf.address),
                leaf.request.clone(),
            ]
        });
        Ok(csv("audit.csv", &header, rows))
    })
    .await
}

/// A file that a spreadsheet opens and in which nothing is a formula.
///
/// Source: RFC 4180; OWASP ASVS 5.0 1.2.10.
fn csv(name: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Response {
    let mut out = String::new();
    let line = |fields: &mut dyn Iterator<Item = &str>, out: &mut String| {
        for (n, field) in fields.enumerate() {
            out.push_str(if n > 0 { ",\"" } else { "\"" });
            if field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
                out.push('\'');
            }
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        }
        out.push_str("\r\n");
    };
    line(&mut header.iter().copied(), &mut out);
    for row in rows {
        line(&mut row.iter().map(String::as_str), &mut out);
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, out).into_response()
}

/// A page of what was done with a chart.
fn opened(desk: &Desk, patient: &str, path: &str) -> Result<Access, Failure> {
    let filter = AuditFilter { patient: Some(patient.to_owned()), ..AuditFilter::default() };
    let skip: usize = desk.head.param("skip").and_then(|n| n.parse().ok()).unwrap_or(0);
    let found = find(desk, &filter, LogOrder::NewestFirst, (skip, VISITS_PAGE))?;
    let shown = skip.saturating_add(found.leaves.len());
    let visits = deed::visits(&found.leaves, &Names::new(), &desk.lens().now);
    Ok(Access {
        visits,
        total: found.total,
        n_shown: found.leaves.len(),
        earlier: ((shown as u64) < found.total).then(|| format!("{path}?skip={shown}")),
    })
}

/// `GET /patients/{id}/access`.
pub(crate) async fn access(State(app): State<App>, Path(id): Path<String>, head: Head) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        let v = opened(desk, &id, &format!("/patients/{id}/access"))?;
        let banner = desk.with_reads(|reads| load::chart::banner(reads, &mut desk.lens(), &id))?;
        Ok(answer::page(pages::audit::access(&desk.reader(), &banner, &v)))
    })
    .await
}

/// `GET /account/access`: a patient's own.
pub(crate) async fn own(State(app): State<App>, head: Head) -> Response {
    desk_of_all(app, head, |desk| {
        let record::Actor::User { patient: Some(own), .. } = &desk.ctx.actor else {
            return Err(Failure::NotFound);
        };
        let v = opened(desk, own, "/account/access")?;
        Ok(answer::page(pages::audit::own(&desk.reader(), &v)))
    })
    .await
}

fn unusual_page(desk: &Desk, trouble: Option<&str>) -> Result<Response, Failure> {
    let all = desk.head.param("all").is_some();
    let rows = desk.app.config.record.unusual_access(&desk.ctx, all);
    let rows = rows.map_err(|e| failure_of(&e))?;
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.patient.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().filter(|id| is_id(id)).collect();
    let names = names_of(desk, &ids)?;
    let now = desk.lens().now;
    let list: Vec<Unusual> = rows
        .into_iter()
        .map(|row| Unusual {
            at: deed::when(row.at_ms, &now),
            is_overdue: row.review.is_none() && desk.ctx.at_ms - row.at_ms > OVERDUE_MS,
            person: row.name,
            role: row.role.replace('-', " "),
            patient: {
                let name = names.get(&row.patient).cloned().unwrap_or_else(|| row.patient.clone());
                (row.patient, name)
            },
            reasons: row.reasons.iter().map(|reason| reason.words()).collect(),
            review: row.review.map(|r| (r.by, deed::when(r.at_ms, &now), r.note)),
            id: row.id,
        })
        .collect();
    Ok(answer::page(pages::audit::unusual(&desk.reader(), &list, all, trouble)))
}

/// `GET /admin/audit/unusual`.
pub(crate) async fn unusual(State(app): State<App>, head: Head) -> Response {
    desk(app, head, |desk| unusual_page(desk, None)).await
}

/// `POST /admin/audit/unusual`: what was found about a row.
pub(crate) async fn review(
    State(app): State<App>,
    head: Head,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    desk(app, head, move |desk| {
        let field = |name: &str| {
            fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
        };
        match desk.app.config.record.review_unusual(&desk.ctx, field("id"), field("note")) {
            Ok(()) => Ok(answer::go_to("/admin/audit/unusual")),
            Err(e) => match e.kind {
                Kind::Invalid | Kind::TooMany | Kind::Conflict => {
                    let text: Vec<&str> = e.issues.iter().map(|i| i.text.as_str()).collect();
                    unusual_page(desk, Some(&text.join(" ")))
                }
                _ => Err(failure_of(&e)),
            },
        }
    })
    .await
}

fn disclosed(desk: &Desk, id: &str) -> Result<Vec<crate::view::audit::Disclosure>, Failure> {
    let filter = AuditFilter {
        patient: Some(id.to_owned()),
        disclosed: true,
        from_ms: Some(desk.ctx.at_ms - ACCOUNTED_YEARS * YEAR_MS),
        ..AuditFilter::default()
    };
    let found = find(desk, &filter, LogOrder::NewestFirst, (0, LEAVES_MAX))?;
    if found.total > found.leaves.len() as u64 {
        tracing::warn!(total = found.total, "an accounting of disclosures is cut");
    }
    let now = desk.lens().now;
    let mut list = deed::disclosures(&found.leaves, id, &now);
    let suspended = desk.app.config.record.suspensions(&desk.ctx, id);
    for one in suspended.map_err(|e| failure_of(&e))? {
        for line in list.iter_mut().filter(|line| line.recipient == one.recipient) {
            line.suspended = deed::when(one.until_ms, &now).short;
        }
    }
    Ok(list)
}

fn disclosures_page(desk: &Desk, id: &str, trouble: Option<&str>) -> Result<Response, Failure> {
    let list = disclosed(desk, id)?;
    let banner = desk.with_reads(|reads| load::chart::banner(reads, &mut desk.lens(), id))?;
    Ok(answer::page(pages::audit::disclosures(&desk.reader(), &banner, &list, trouble)))
}

/// `POST /patients/{id}/disclosures`: an agency asked that the patient is not told for a time.
pub(crate) async fn suspend(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        let field = |name: &str| {
            fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
        };
        let until_ms = day(desk, field("until")).map_or(0, |(_, end)| end);
        let record = &desk.app.config.record;
        let asked = (field("reason"), until_ms);
        match record.suspend_accounting(&desk.ctx, &id, field("recipient"), asked) {
            Ok(()) => Ok(answer::go_to(&format!("/patients/{id}/disclosures"))),
            Err(e) if matches!(e.kind, Kind::Invalid | Kind::TooMany) => {
                let text: Vec<&str> = e.issues.iter().map(|i| i.text.as_str()).collect();
                disclosures_page(desk, &id, Some(&text.join(" ")))
            }
            Err(e) => Err(failure_of(&e)),
        }
    })
    .await
}

/// `GET /patients/{id}/disclosures`.
pub(crate) async fn disclosures(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        disclosures_page(desk, &id, None)
    })
    .await
}

/// `GET /patients/{id}/disclosures.csv`.
pub(crate) async fn disclosures_csv(
    State(app): State<App>,
    Path(id): Path<String>,
    head: Head,
) -> Response {
    desk(app, head, move |desk| {
        if !is_id(&id) {
            return Err(Failure::NotFound);
        }
        let list = disclosed(desk, &id)?;
        // What the patient is given: without what is suspended.
        let told = list.into_iter().filter(|line| line.suspended.is_empty());
        let rows = told.map(|line| {
            let to = if line.is_own { "the patient" } else { "" };
            vec![
                line.day,
                line.recipient,
                line.address,
                line.description,
                line.purpose.to_owned(),
                to.to_owned(),
            ]
        });
        let header = ["day", "recipient", "address", "description", "purpose", "remark"];
        Ok(csv("disclosures.csv", &header, rows))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_saved_file_holds_no_formula() {
        let rows = [vec!["=1+1".to_owned(), "a \"b\"".to_owned(), "-2".to_owned()]];
        let response = csv("x.csv", &["a", "b", "c"], rows.into_iter());
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        assert_eq!(body, "\"a\",\"b\",\"c\"\r\n\"'=1+1\",\"a \"\"b\"\"\",\"'-2\"\r\n");
    }
}
