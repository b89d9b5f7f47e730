//! The audit log for the privacy officer, and who opened a chart.

use maud::{Markup, html};

use crate::{
    chart::{self, Section},
    components::{self, Tone},
    icon::Icon,
    layout::{self, Place, Reader},
    view::{
        Banner,
        audit::{Access, Disclosure, Entry, Log, Unusual, Visit},
    },
};

/// Columns of the log: word, name of the sort.
const COLUMNS: [(&str, &str); 7] = [
    ("When", "time"),
    ("Who", "person"),
    ("What", "action"),
    ("Patient", "patient"),
    ("Why", "purpose"),
    ("Outcome", "outcome"),
    ("Address", "address"),
];

/// `GET /admin/audit`.
pub fn log(reader: &Reader, v: &Log) -> Markup {
    layout::page(
        "Audit log",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head {
                    h1 { "Audit log" }
                    p { "Every access and every refusal, as it was written down. Nothing here can be changed." }
                    a.button href="/admin/audit/unusual" data-test="unusual-link" { "Unusual access" }
                    a.button href={ "/admin/audit.csv?" (query(v, &v.filter.sort, v.filter.is_rising, None)) }
                        data-test="audit-csv" { "Save as CSV" }
                }
                (filter(v))
                @if let Some(trouble) = &v.trouble {
                    (components::notice(Tone::Caution, &html! { span data-test="audit-trouble" { (trouble) } }))
                }
                (rows(v))
            }
        },
    )
}

fn filter(v: &Log) -> Markup {
    let f = &v.filter;
    let text = |name: &str, word: &str, value: &str, ty: &str| {
        html! {
            div.field {
                label for={ "f-" (name) } { (word) }
                input id={ "f-" (name) } name=(name) type=(ty) value=(value) autocomplete="off"
                    spellcheck="false" data-test={ "audit-" (name) };
            }
        }
    };
    let choice = |name: &str, word: &str, value: &str, all: &[(&str, &str)]| {
        html! {
            div.field {
                label for={ "f-" (name) } { (word) }
                select id={ "f-" (name) } name=(name) data-test={ "audit-" (name) } {
                    option value="" { "All" }
                    @for (code, word) in all {
                        option value=(code) selected[*code == value] { (word) }
                    }
                }
            }
        }
    };
    html! {
        form.audit-filter action="/admin/audit" method="get" data-test="audit-filter" {
            (text("person", "Name", &f.person, "text"))
            (text("patient", "Patient id", &f.patient, "text"))
            (choice("action", "What", &f.did, &v.deeds))
            (choice("outcome", "Outcome", &f.outcome, &v.outcomes))
            (text("address", "Address", &f.address, "text"))
            (text("from", "From", &f.from, "date"))
            (text("to", "To", &f.to, "date"))
            input type="hidden" name="sort" value=(f.sort);
            input type="hidden" name="order" value=(if f.is_rising { "asc" } else { "desc" });
            button.button.primary type="submit" data-test="audit-submit" { "Show" }
        }
    }
}

/// The query string of the filter with another order or page.
fn query(v: &Log, sort: &str, is_rising: bool, page: Option<usize>) -> String {
    let f = &v.filter;
    let order = if is_rising { "asc" } else { "desc" };
    let mut out = String::new();
    let pairs = [
        ("person", f.person.as_str()),
        ("patient", &f.patient),
        ("action", &f.did),
        ("outcome", &f.outcome),
        ("address", &f.address),
        ("from", &f.from),
        ("to", &f.to),
        ("sort", sort),
        ("order", order),
    ];
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(if out.is_empty() { "" } else { "&" });
        out.push_str(name);
        out.push('=');
        record::percent_encode(value, &mut out);
    }
    if let Some(page) = page {
        out.push_str(&format!("&page={page}"));
    }
    out
}

fn rows(v: &Log) -> Markup {
    let f = &v.filter;
    html! {
        p.status-line role="status" data-test="audit-total" {
            @match v.total {
                0 => { "No entries fit." },
                1 => { "1 entry." },
                n => { (n) " entries." },
            }
        }
        @if !v.entries.is_empty() {
            div.table.stack {
                table data-test="audit-log" {
                    caption.hidden-visually { "Entries of the audit log" }
                    thead { tr {
                        @for (word, sort) in COLUMNS {
                            @let is_own = f.sort == sort;
                            @let turned = if is_own { !f.is_rising } else { sort != "time" };
                            th scope="col"
                                aria-sort=[is_own.then_some(if f.is_rising { "ascending" } else { "descending" })] {
                                a href={ "/admin/audit?" (query(v, sort, turned, None)) }
                                    data-test={ "audit-sort-" (sort) } {
                                    (word)
                                    @if is_own { span aria-hidden="true" { @if f.is_rising { " ↑" } @else { " ↓" } } }
                                }
                            }
                        }
                    } }
                    tbody data-list { @for e in &v.entries { (row(e)) } }
                }
            }
            @if v.n_pages > 1 {
                nav.filters aria-label="Pages" data-test="audit-pages" {
                    @if v.page > 0 {
                        a.button href={ "/admin/audit?" (query(v, &f.sort, f.is_rising, Some(v.page - 1))) }
                            data-test="audit-previous" { "Previous" }
                    }
                    span.dim { "Page " (v.page + 1) " of " (v.n_pages) }
                    @if v.page + 1 < v.n_pages {
                        a.button href={ "/admin/audit?" (query(v, &f.sort, f.is_rising, Some(v.page + 1))) }
                            data-test="audit-next" { "Next" }
                    }
                }
            }
        }
    }
}

fn exact(e: &Entry) -> Markup {
    html! { time datetime=(e.at.iso) title=(e.at.text) { (e.second) } }
}

fn way(role: &str, app: &str) -> Markup {
    html! {
        @if !role.is_empty() || !app.is_empty() {
            " " span.dim {
                (role)
                @if !app.is_empty() { @if !role.is_empty() { ", " } "with " bdi { (app) } }
            }
        }
    }
}

fn outcome(e: &Entry) -> Markup {
    html! { @if e.is_bad { span.tag.caution { (e.outcome) } } @else { (e.outcome) } }
}

fn row(e: &Entry) -> Markup {
    html! {
        tr data-test="audit-entry" data-key=(e.seq) {
            th.nowrap scope="row" { (exact(e)) }
            td { bdi { (e.person) } (way(&e.role, &e.app)) }
            td.broad { (e.did) @if !e.what.is_empty() { " " span.dim.wraps { (e.what) } } }
            td {
                @if e.all { "Everybody" }
                @for (n, (id, name)) in e.patients.iter().enumerate() {
                    @if n > 0 { br; }
                    a href={ "/patients/" (id) "/access" } { bdi { (name) } }
                }
                @if e.n_more > 0 { br; span.dim { "and " (e.n_more) " more" } }
            }
            td { (e.why) }
            td { (outcome(e)) }
            td.nowrap { (e.address) }
        }
    }
}

/// `GET /patients/{id}/access`.
pub fn access(reader: &Reader, banner: &Banner, v: &Access) -> Markup {
    let body = html! {
        div.page {
            div.page-head {
                h2 { "Who opened this chart" }
                p { "Everybody who saw or changed something of this patient, the newest first." }
                a.button href={ "/patients/" (banner.id) "/disclosures" } data-test="disclosures-link" {
                    "Accounting of disclosures"
                }
            }
            (visits(v, true))
        }
    };
    chart::page(reader, banner, Section::Access, &body)
}

/// `GET /account/access`: a patient's own.
pub fn own(reader: &Reader, v: &Access) -> Markup {
    let main = html! {
        main id="main" {
            div.page {
                div.page-head {
                    h1 { "Who opened my chart" }
                    p { "Everybody who saw or changed something in your record, the newest first." }
                }
                (visits(v, false))
            }
        }
    };
    layout::bare("Who opened my chart", reader.theme, &main)
}

fn visits(v: &Access, with_what: bool) -> Markup {
    html! {
        @if v.visits.is_empty() {
            div.card data-test="access-none" {
                (components::empty("Nobody yet", "As soon as somebody opens the chart it is written down here."))
            }
        } @else {
            p.status-line role="status" data-test="access-total" {
                (v.total) @if v.total == 1 { " entry" } @else { " entries" }
                @if (v.n_shown as u64) < v.total { "; the " (v.n_shown) " newest are shown" }
                "."
            }
            div.card data-test="access" {
                ul.visits {
                    @for visit in &v.visits { li data-test="access-visit" { (one(visit, with_what)) } }
                }
            }
            @if let Some(earlier) = &v.earlier {
                a.more-link href=(earlier) data-test="access-earlier" { "Earlier" }
            }
        }
    }
}

fn one(v: &Visit, with_what: bool) -> Markup {
    html! {
        details {
            summary {
                span.visit-who { (Icon::Right.sized(12)) b { bdi { (v.person) } } (way(&v.role, &v.app)) }
                span.visit-did {
                    (v.did.join(", "))
                    @if v.is_bad { " " span.tag.caution { "refused in part" } }
                }
                span.visit-why.dim { (v.why) }
                span.visit-when.nowrap {
                    (components::when(&v.ended))
                }
            }
            div.table {
                table {
                    caption.hidden-visually { "What " (v.person) " did" }
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Outcome" }
                    } }
                    tbody {
                        @for e in &v.entries {
                            tr data-test="access-entry" {
                                td.nowrap { (exact(e)) }
                                td { (e.did) @if with_what || !e.what.contains('?') { " " span.dim.wraps { (e.what) } } }
                                td { (outcome(e)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `GET /admin/audit/unusual`. `all`: also what was reviewed.
pub fn unusual(reader: &Reader, list: &[Unusual], all: bool, trouble: Option<&str>) -> Markup {
    let n_open = list.iter().filter(|row| row.review.is_none()).count();
    let n_overdue = list.iter().filter(|row| row.is_overdue).count();
    layout::page(
        "Unusual access",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head {
                    h1 { "Unusual access" }
                    p { "Charts that were opened and that somebody should look at, the oldest first." }
                    @if all {
                        a.button href="/admin/audit/unusual" data-test="unusual-open" { "Only open ones" }
                    } @else {
                        a.button href="/admin/audit/unusual?all=1" data-test="unusual-all" { "Also reviewed ones" }
                    }
                }
                @if let Some(trouble) = trouble {
                    (components::notice(Tone::Critical, &html! { span data-test="unusual-trouble" { (trouble) } }))
                }
                p.status-line role="status" data-test="unusual-total" {
                    (n_open) " to review"
                    @if n_overdue > 0 { ", " span.tag.caution { (n_overdue) " for more than three days" } }
                    "."
                }
                @if list.is_empty() {
                    div.card data-test="unusual-none" {
                        (components::empty("Nothing to review", "Charts of relatives, neighbours, colleagues, protected patients and of people without a visit appear here when somebody opens them."))
                    }
                }
                div.column { @for row in list { (unusual_row(row)) } }
            }
        },
    )
}

fn unusual_row(row: &Unusual) -> Markup {
    let (id, name) = &row.patient;
    html! {
        section.card data-test="unusual" data-item {
            div.card-head {
                h2 {
                    bdi { (row.person) }
                    @if !id.is_empty() { " opened the chart of " bdi { (name) } }
                    @else { " opened many charts" }
                }
                @if row.is_overdue { span.tag.caution data-test="unusual-overdue" { "overdue" } }
            }
            div.card-body {
                p {
                    (components::when(&row.at)) (way(&row.role, "")) ": "
                    b data-test="unusual-reasons" { (row.reasons.join("; ")) } "."
                }
                p.linked {
                    @if id.is_empty() {
                        a href={ "/admin/audit?person=" (row.person) } { "What this person did" }
                    } @else {
                        a href={ "/patients/" (id) "/access" } { "Who opened this chart" }
                    }
                }
                @match &row.review {
                    Some((by, at, note)) => {
                        p.dim data-test="unusual-review" {
                            "Reviewed by " bdi { (by) } " " (components::when(at)) ": " (note)
                        }
                    },
                    None => {
                        form.search-row method="post" action="/admin/audit/unusual" data-test="unusual-form" {
                            input type="hidden" name="id" value=(row.id);
                            div.field.grows {
                                label for={ "note-" (row.id) } { "What you found" }
                                input id={ "note-" (row.id) } name="note" type="text" required
                                    maxlength="2000" autocomplete="off" data-test="unusual-note";
                            }
                            button.button type="submit" data-test="unusual-submit" { "Mark reviewed" }
                        }
                    },
                }
            }
        }
    }
}

/// `GET /patients/{id}/disclosures`.
pub fn disclosures(
    reader: &Reader,
    banner: &Banner,
    list: &[Disclosure],
    trouble: Option<&str>,
) -> Markup {
    let body = html! {
        div.page {
            div.page-head {
                h2 { "Accounting of disclosures" }
                p {
                    "What left the practice in the last six years, by day and recipient: what "
                    "programs and apps were given, and copies. What the patient’s own apps were "
                    "given went to the patient, and need not be accounted for."
                }
                a.button href={ "/patients/" (banner.id) "/disclosures.csv" } data-test="disclosures-csv" {
                    "Save as CSV"
                }
            }
            @if let Some(trouble) = trouble {
                (components::notice(Tone::Critical, &html! { span data-test="suspend-trouble" { (trouble) } }))
            }
            @if list.is_empty() {
                div.card data-test="disclosures-none" {
                    (components::empty("Nothing left the practice", "What programs, apps and exports are given from now on stands here."))
                }
            } @else {
                div.table.stack {
                    table data-test="disclosures" {
                        caption.hidden-visually { "Disclosures" }
                        thead { tr {
                            th scope="col" { "Day" } th scope="col" { "Recipient" }
                            th scope="col" { "What" } th scope="col" { "Purpose" }
                        } }
                        tbody {
                            @for d in list {
                                tr data-test="disclosure" {
                                    th.nowrap scope="row" { (d.day) }
                                    td {
                                        bdi { (d.recipient) }
                                        @if !d.address.is_empty() { " " span.dim { (d.address) } }
                                        @if d.is_own { " " span.tag { "the patient" } }
                                        @if !d.suspended.is_empty() {
                                            " " span.tag.caution data-test="disclosure-suspended" {
                                                "not told until " (d.suspended)
                                            }
                                        }
                                    }
                                    td.broad { (d.description) }
                                    td { (d.purpose) }
                                }
                            }
                        }
                    }
                }
                (suspend(&banner.id, list))
            }
        }
    };
    chart::page(reader, banner, Section::Access, &body)
}

/// The form for what an agency asked not to be told for a time.
fn suspend(patient: &str, list: &[Disclosure]) -> Markup {
    let mut recipients: Vec<&str> =
        list.iter().filter(|d| !d.is_own).map(|d| d.recipient.as_str()).collect();
    recipients.sort_unstable();
    recipients.dedup();
    html! {
        @if !recipients.is_empty() {
            (components::fold("An agency asked that the patient is not told for a time", &html! {
                form.audit-filter method="post" action={ "/patients/" (patient) "/disclosures" }
                    data-test="suspend-form" {
                    div.field {
                        label for="s-recipient" { "Recipient" }
                        select id="s-recipient" name="recipient" data-test="suspend-recipient" {
                            @for recipient in &recipients { option value=(recipient) { (recipient) } }
                        }
                    }
                    div.field {
                        label for="s-until" { "Until" }
                        input id="s-until" name="until" type="date" required data-test="suspend-until";
                    }
                    div.field {
                        label for="s-reason" { "Who asked, and how" }
                        input id="s-reason" name="reason" type="text" required maxlength="500"
                            autocomplete="off" data-test="suspend-reason";
                    }
                    button.button type="submit" data-test="suspend-submit" { "Suspend" }
                }
            }))
        }
    }
}
