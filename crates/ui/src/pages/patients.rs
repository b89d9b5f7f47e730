//! Find a patient: search as you type, by name, birth date, identifier or phone.

use maud::{Markup, html};

use crate::{
    components,
    icon::Icon,
    layout::{self, Place, Reader},
    view::{PatientRow, Patients},
};

pub fn page(reader: &Reader, v: &Patients) -> Markup {
    let title = if v.query.is_empty() { "Patients" } else { "Find a patient" };
    layout::page(
        title,
        reader,
        Place::Patients,
        &html! {
            div.page {
                div.page-head { h1 { "Patients" } }
                form.page-head action="/patients" method="get" role="search" data-live="#hits"
                    data-test="patient-search-form" {
                    div.search {
                        (Icon::Search.svg())
                        label.hidden-visually for="q" { "Name, birth date, identifier or phone" }
                        input id="q" name="q" type="search" value=(v.query) autocomplete="off"
                            spellcheck="false" autofocus aria-controls="hits" data-search
                            placeholder="Name, birth date, identifier or phone"
                            data-test="patient-search";
                        kbd aria-hidden="true" { "/" }
                    }
                    button.button type="submit" { "Search" }
                }
                (hits(v))
            }
        },
    )
}

/// The list; the same for the page and for the fragment that refreshes it.
pub fn hits(v: &Patients) -> Markup {
    html! {
        div id="hits" data-q=(v.query) data-test="patient-hits" {
            p.status-line role="status" { (status(v)) }
            @if !v.rows.is_empty() {
                div.table.stack.hits {
                    table {
                        caption.hidden-visually { "Patients found" }
                        thead { tr {
                            th scope="col" { "Name" } th.end scope="col" { "Age" }
                            th scope="col" { "Sex" } th scope="col" { "Birth date" }
                            th scope="col" { "Identifier" } th scope="col" { "Phone" }
                        } }
                        tbody data-list { @for row in &v.rows { (hit(row, &v.query)) } }
                    }
                }
            }
            @if let Some(next) = &v.next {
                a.more-link href=(next) data-test="next-page" { "Next page" }
            }
        }
    }
}

fn status(v: &Patients) -> Markup {
    html! {
        @match (v.query.is_empty(), v.rows.len()) {
            (true, 0) => { "No patients yet. They come with an import, or with the first registration." },
            (true, n) => {
                @match v.total {
                    Some(t) => { (t) " patients; the " (n) " first by name." },
                    None => { (n) " first by name. Type to find." },
                }
            },
            (false, 0) => {
                "Nobody found for “" (v.query) "”. Try fewer letters, the birth date (1964-03-05 or "
                "3/5/1964), or the identifier."
            },
            (false, n) => {
                @match v.total {
                    Some(t) if t > n as u64 => { (n) " of " (t) " found" },
                    _ => { (n) " found" },
                }
            },
        }
    }
}

fn hit(row: &PatientRow, query: &str) -> Markup {
    html! {
        tr data-item data-test="patient-row" {
            th scope="row" {
                a.name href={ "/patients/" (row.id) } { (components::name(&row.name)) }
                @if let Some(called) = &row.name.called { " " span.unit { "“" (called) "”" } }
                @if row.deceased { " " span.tag { "deceased" } }
                @if row.inactive { " " span.tag.caution { "inactive" } }
            }
            td.end.nowrap { (row.age) }
            td { (row.sex) }
            td.nowrap { (row.birth_date) }
            td.nowrap { (marked(&row.identifier, query)) }
            td.nowrap { (marked(&row.phone, query)) }
        }
    }
}

/// `text` with the part that was searched for marked; digits only, as typed.
fn marked(text: &str, query: &str) -> Markup {
    let found = (query.len() >= 3).then(|| text.find(query)).flatten();
    html! {
        @match found.and_then(|at| Some((text.get(..at)?, text.get(at..at + query.len())?, text.get(at + query.len()..)?))) {
            Some((before, hit, after)) => { (before) mark { (hit) } (after) },
            None => { (text) },
        }
    }
}

/// The page for administrators that explains searches.
pub const EXPLAIN: (&str, &str) = ("How a search is carried out", "/admin/explain");

/// Options of the palette: pages whose name holds the query, then patients.
pub fn options(reader: &Reader, v: &Patients) -> Markup {
    const PAGES: [(&str, &str); 3] =
        [("Today", "/"), ("Patients", "/patients"), ("Account and sessions", "/account")];
    let of_administrators = reader.is_administrator.then_some(EXPLAIN);
    let emergency = reader.opens_emergencies.then_some(("Emergency access", "/emergency"));
    let reviews = reader.reviews_emergencies.then_some(("Emergencies", "/admin/emergencies"));
    let query = v.query.to_lowercase();
    let pages = PAGES
        .into_iter()
        .chain(of_administrators)
        .chain(emergency)
        .chain(reviews)
        .filter(|(word, _)| word.to_lowercase().contains(&query));
    html! {
        @for row in &v.rows {
            a href={ "/patients/" (row.id) } role="option" tabindex="-1" data-test="palette-option" {
                span { (components::name(&row.name)) } " "
                small { (row.age) " " (row.sex) " · " (row.birth_date) " · " (row.identifier) }
            }
        }
        @for (word, href) in pages {
            a href=(href) role="option" tabindex="-1" data-test="palette-option" {
                span { (word) } " " small { "page" }
            }
        }
        @if v.rows.is_empty() && !query.is_empty() {
            p.empty { "No patient found for “" (v.query) "”." }
        }
    }
}
