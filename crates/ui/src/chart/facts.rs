//! Problems, medications and allergies: as cards of the overview and as pages.

use maud::{Markup, html};

use crate::{
    chart::{self, Section},
    components::{self, card, empty, fold, source, when, when_month},
    icon::Icon,
    layout::Reader,
    view::{Allergies, Allergy, Banner, Medication, Problem, Weight},
};

/// Rows of a card before the rest folds away.
const ROWS_MAX: usize = 12;

/// `rows` with those after the first `ROWS_MAX` folded.
fn folded<T>(rows: &[&T], noun: &str, one: impl Fn(&T) -> Markup) -> Markup {
    let (first, rest) = rows.split_at(rows.len().min(ROWS_MAX));
    html! {
        ul.rows data-list { @for r in first { (one(r)) } }
        @if !rest.is_empty() {
            (fold(&format!("{} more {}", rest.len(), if rest.len() == 1 { one_of(noun) } else { noun }),
                &html! { ul.rows data-list { @for r in rest { (one(r)) } } }))
        }
    }
}

/// The singular of a noun that heads a card.
fn one_of(noun: &str) -> &str {
    match noun {
        "allergies" => "allergy",
        _ => noun.strip_suffix('s').unwrap_or(noun),
    }
}

/// Active problems; social findings and resolved ones fold away.
pub fn problems(patient: &str, list: &[Problem]) -> Markup {
    let pick = |active, social| -> Vec<&Problem> {
        list.iter().filter(|p| p.active == active && p.social == social).collect()
    };
    let (active, social) = (pick(true, false), pick(true, true));
    let resolved: Vec<&Problem> = list.iter().filter(|p| !p.active).collect();
    html! {
        @if active.is_empty() {
            (empty("No active problems", "Diagnoses and concerns that are being followed appear here."))
        }
        (folded(&active, "problems", |p| problem(patient, p)))
        @if !social.is_empty() {
            (fold(&format!("{} social and other findings", social.len()),
                &html! { ul.rows { @for p in &social { (problem(patient, p)) } } }))
        }
        @if !resolved.is_empty() {
            (fold(&format!("{} resolved", resolved.len()),
                &html! { ul.rows { @for p in resolved.iter().take(60) { (problem(patient, p)) } } }))
        }
    }
}

fn problem(patient: &str, p: &Problem) -> Markup {
    html! {
        li data-item data-test="problem" {
            span.row-title {
                (p.title)
                @if let Some(s) = &p.severity { " " span.tag.caution { (s) } }
                @if !p.status.is_empty() { " " span.tag { (p.status) } }
                " " (source(&p.source))
            }
            span.row-side {
                (components::raw(patient, "Condition", &p.id, &p.title))
                @match (&p.onset, &p.ended) {
                    (Some(a), Some(b)) => { (years(a.year, b.year)) },
                    (Some(a), None) => { time datetime=(a.iso) title=(a.exact) { "since " (a.year) } },
                    (None, Some(b)) => { "until " (when_month(b)) },
                    (None, None) => {},
                }
            }
        }
    }
}

fn years(from: i16, to: i16) -> String {
    if from == to { from.to_string() } else { format!("{from}–{to}") }
}

/// What is taken now; stopped ones fold away.
pub fn medications(patient: &str, list: &[Medication]) -> Markup {
    let (active, past): (Vec<&Medication>, Vec<&Medication>) = list.iter().partition(|m| m.active);
    html! {
        @if active.is_empty() {
            (empty("No active medications", "What is prescribed here or reported from outside appears here."))
        }
        (folded(&active, "medications", |m| medication(patient, m)))
        @if !past.is_empty() {
            (fold(&format!("{} stopped or completed", past.len()),
                &html! { ul.rows { @for m in past.iter().take(60) { (medication(patient, m)) } } }))
        }
    }
}

fn medication(patient: &str, m: &Medication) -> Markup {
    html! {
        li data-item data-test="medication" {
            span.row-title {
                (m.title)
                @if m.as_needed { " " span.tag { "as needed" } }
                @if !m.status.is_empty() { " " span.tag { (m.status) } }
                " " (source(&m.source))
            }
            span.row-side {
                (components::raw(patient, m.resource, &m.id, &m.title))
                @if let Some(w) = &m.since { (when_month(w)) }
            }
            span.row-sub {
                @if m.dosage.is_empty() { "No dosage recorded" } @else { (m.dosage) }
                @if let Some(r) = &m.reason { " · for " (r) }
            }
        }
    }
}

pub fn allergies(patient: &str, a: &Allergies) -> Markup {
    html! {
        @match a {
            Allergies::NotRecorded => {
                (empty("Not recorded", "Nobody has asked yet. Ask, and record what you hear, also “none known”."))
            },
            Allergies::NoneKnown => {
                div.empty data-test="no-known-allergies" { b { "No known allergies" } "Asked and recorded." }
            },
            Allergies::Listed(list) => {
                @let rows: Vec<&Allergy> = list.iter().collect();
                (folded(&rows, "allergies", |a| allergy(patient, a)))
            },
        }
    }
}

fn allergy(patient: &str, a: &Allergy) -> Markup {
    html! {
        li data-item data-test="allergy" {
            span.row-title {
                (a.substance)
                @if !a.criticality.is_empty() {
                    " "
                    @match a.weight {
                        Weight::High => { span.tag.critical { (Icon::Alert.sized(11)) (a.criticality) } },
                        Weight::Caution => { span.tag.caution { (a.criticality) } },
                        Weight::Plain => { span.tag { (a.criticality) } },
                    }
                }
                @if !a.status.is_empty() { " " span.tag { (a.status) } }
                " " (source(&a.source))
            }
            span.row-side {
                (components::raw(patient, "AllergyIntolerance", &a.id, &a.substance))
                @if let Some(w) = &a.recorded { (when_month(w)) }
            }
            @if !a.reactions.is_empty() || !a.kind.is_empty() {
                span.row-sub {
                    (a.reactions)
                    @if !a.reactions.is_empty() && !a.kind.is_empty() { " · " }
                    (a.kind)
                }
            }
        }
    }
}

/// Page: problems and allergies in full.
pub fn problems_page(reader: &Reader, banner: &Banner, list: &[Problem]) -> Markup {
    let active = list.iter().filter(|p| p.active && !p.social).count();
    let body = html! {
        div.chart-page {
            (card("problems", "Problems", Some(active), None, &problems(&banner.id, list)))
            div id="allergies" {
                (card("allergies", "Allergies", None, None, &allergies(&banner.id, &banner.allergies)))
            }
        }
    };
    chart::page(reader, banner, Section::Problems, &body)
}

/// Page: every medication as a table, active first.
pub fn medications_page(reader: &Reader, banner: &Banner, list: &[Medication]) -> Markup {
    let (active, past): (Vec<&Medication>, Vec<&Medication>) = list.iter().partition(|m| m.active);
    let body = html! {
        div.chart-page {
            @if list.is_empty() {
                div.card { (empty("No medications", "What is prescribed here or reported from outside appears here.")) }
            } @else {
                (medication_table(&banner.id, "medications", "Active", &active))
                (medication_table(&banner.id, "medications-past", "Stopped or completed", &past))
            }
        }
    };
    chart::page(reader, banner, Section::Medications, &body)
}

fn medication_table(patient: &str, id: &str, title: &str, list: &[&Medication]) -> Markup {
    if list.is_empty() {
        return html! {};
    }
    let inner = html! {
        div.table.stack {
            table {
                caption.hidden-visually { (title) " medications" }
                thead { tr {
                    th scope="col" { "Medication" } th.broad scope="col" { "Dosage" }
                    th scope="col" { "For" } th scope="col" { "Prescriber" }
                    th scope="col" { "Since" } th scope="col" { span.hidden-visually { "FHIR" } }
                } }
                tbody data-list {
                    @for m in list {
                        tr data-item data-test="medication-row" {
                            th scope="row" {
                                (m.title) @if !m.status.is_empty() { " " span.tag { (m.status) } }
                                " " (source(&m.source))
                            }
                            td { @if m.dosage.is_empty() { span.dim { "not recorded" } } @else { (m.dosage) } }
                            td { (m.reason.as_deref().unwrap_or("")) }
                            td { bdi { (m.prescriber.as_deref().unwrap_or("")) } }
                            td.nowrap { @if let Some(w) = &m.since { (when(w)) } }
                            td { (components::raw(patient, m.resource, &m.id, &m.title)) }
                        }
                    }
                }
            }
        }
    };
    card(id, title, Some(list.len()), None, &inner)
}
