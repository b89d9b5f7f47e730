//! Vitals and results: lines with the last value and its shape, the grid, charts, one trend.

use maud::{Markup, html};

use crate::{
    chart::{self, Section},
    components::{self, card, empty, fold, source, when, when_month, when_short},
    layout::Reader,
    plot,
    view::{Banner, Finding, Medication, Point, Series, Source},
};

/// Lines of a card before the rest folds away.
const LINES_MAX: usize = 14;

fn trend_href(patient: &str, key: &str) -> String {
    format!("/patients/{patient}/results/{key}")
}

/// One line per series: title, value at the decimal point, mark, trend, shape, date.
pub fn lines(patient: &str, list: &[Series], vitals: bool) -> Markup {
    let (first, rest) = list.split_at(list.len().min(LINES_MAX));
    html! {
        @if list.is_empty() {
            @if vitals { (empty("No vitals", "Blood pressure, weight and the like appear here once measured.")) }
            @else { (empty("No results", "Laboratory results appear here as they arrive, the abnormal first.")) }
        } @else {
            (line_table(patient, first, vitals))
            @if !rest.is_empty() {
                (fold(&format!("{} more", rest.len()), &line_table(patient, rest, vitals)))
            }
        }
    }
}

fn line_table(patient: &str, list: &[Series], vitals: bool) -> Markup {
    html! {
        table.lines {
            caption.hidden-visually { @if vitals { "Last vitals" } @else { "Last results" } }
            colgroup {
                col; col.c-value; col.c-unit; col.c-mark; col.c-shape; col.c-side;
            }
            thead.hidden-visually { tr {
                th scope="col" { "Name" } th scope="col" { "Value" } th scope="col" { "Unit" }
                th scope="col" { "Mark" }
                th scope="col" { "Course" } th scope="col" { "Date" }
            } }
            tbody data-list {
                @for s in list { @if let Some(p) = s.last() { (line(patient, s, p)) } }
            }
        }
    }
}

fn line(patient: &str, s: &Series, p: &Point) -> Markup {
    html! {
        tr data-item data-test="measure" data-key=(s.key) {
            th scope="row" {
                a href=(trend_href(patient, &s.key)) { (s.title) }
                span.range {
                    small {
                        @if !s.range.is_empty() { span.hidden-visually { "range " } (s.range) }
                        span.only-narrow { @if !s.range.is_empty() { " · " } (p.when.month) }
                    }
                }
            }
            td.value { (components::number(&p.text, p.flag.abnormal())) }
            td.measure-unit { (s.unit) }
            td.mark { (marks(p, s)) }
            td.shape { (plot::spark(s)) }
            td.side { (when_month(&p.when)) }
        }
    }
}

/// The abnormal mark and the direction, each in its place so that columns line up.
fn marks(p: &Point, s: &Series) -> Markup {
    html! {
        span.marks {
            span { (components::flag(p.flag)) }
            span { (components::trend(s.trend())) }
        }
    }
}

/// Page: vitals as charts.
pub fn vitals_page(reader: &Reader, banner: &Banner, list: &[Series]) -> Markup {
    let body = html! {
        div.chart-page {
            @if list.is_empty() {
                div.card { (empty("No vitals", "Blood pressure, weight and the like appear here once measured.")) }
            }
            div.plots data-test="vitals-plots" {
                @for s in list { (plot::figure(&banner.id, s, Some(&trend_href(&banner.id, &s.key)))) }
            }
        }
    };
    chart::page(reader, banner, Section::Vitals, &body)
}

/// Columns of dates in the grid.
const DATES_MAX: usize = 6;

/// Page: results by analyte, newest value first, with earlier ones to the right.
pub fn results_page(
    reader: &Reader,
    banner: &Banner,
    list: &[Series],
    words: &[Finding],
) -> Markup {
    let mut groups: Vec<&str> = Vec::new();
    for s in list {
        if !groups.contains(&s.group.as_str()) {
            groups.push(&s.group);
        }
    }
    let body = html! {
        div.chart-page {
            @if list.is_empty() && words.is_empty() {
                div.card { (empty("No results", "Laboratory results appear here as they arrive.")) }
            }
            @if !list.is_empty() {
                div.card { div.table.stack { table.grid-results data-test="results-grid" {
                    caption.hidden-visually { "Results by analyte" }
                    thead { tr {
                        th scope="col" { "Analyte" } th.end scope="col" { "Last" } th scope="col" { "Unit" }
                        th scope="col" { "Range" } th scope="col" { "Mark" } th scope="col" { "Course" } th scope="col" { "Date" }
                        th scope="col" { "Before" } th scope="col" { span.hidden-visually { "FHIR" } }
                    } }
                    tbody data-list {
                        @for group in &groups {
                            @let rows: Vec<&Series> = list.iter().filter(|s| s.group == *group).collect();
                            @let shared = shared_source(&rows);
                            @if groups.len() > 1 || shared.is_some() {
                                tr { th.group colspan="9" scope="colgroup" {
                                    (group) @if let Some(s) = shared { " " (source(s)) }
                                } }
                            }
                            @for s in rows { (grid_row(&banner.id, s, shared.is_none())) }
                        }
                    }
                } } }
            }
            @if !words.is_empty() {
                (card("findings", "Results in words", Some(words.len()), None, &findings(&banner.id, words)))
            }
        }
    };
    chart::page(reader, banner, Section::Results, &body)
}

/// The outside source that the last values of all rows share; it is then said once.
fn shared_source<'a>(rows: &[&'a Series]) -> Option<&'a Source> {
    let first = &rows.first()?.last()?.source;
    let same = rows.iter().all(|s| s.last().is_some_and(|p| p.source == *first));
    (same && first.outside).then_some(first)
}

fn grid_row(patient: &str, s: &Series, with_source: bool) -> Markup {
    let Some(p) = s.last() else { return html! {} };
    html! {
        tr data-item data-test="result-row" data-key=(s.key) {
            th scope="row" {
                a href=(trend_href(patient, &s.key)) { (s.title) }
                @if with_source { " " (source(&p.source)) }
            }
            td.end.nowrap { (components::number(&p.text, p.flag.abnormal())) }
            td.dim.nowrap { (s.unit) }
            td.dim.nowrap { (s.range) }
            td { (marks(p, s)) }
            td { (plot::spark(s)) }
            td.nowrap { (when(&p.when)) }
            td.dim.nowrap {
                @for (i, b) in s.points.iter().rev().skip(1).take(DATES_MAX).enumerate() {
                    @if i > 0 { " · " }
                    span.abnormal[b.flag.abnormal()] title={ (b.when.exact) " " (s.unit) } {
                        (b.text) @if b.flag.abnormal() { (b.flag.words().0) }
                    }
                }
            }
            td { (components::raw(patient, "Observation", &p.id, &s.title)) }
        }
    }
}

fn findings(patient: &str, list: &[Finding]) -> Markup {
    html! {
        ul.rows data-list {
            @for f in list {
                li data-item data-test="finding" {
                    span.row-title {
                        (f.title) ": " span.abnormal[f.flag.abnormal()] { (f.value) } " "
                        (components::flag(f.flag)) " " (source(&f.source))
                    }
                    span.row-side {
                        (components::raw(patient, "Observation", &f.id, &f.title)) (when_short(&f.when))
                    }
                }
            }
        }
    }
}

/// Page: one analyte or vital over time, with the medications of that time beneath.
pub fn trend_page(
    reader: &Reader,
    banner: &Banner,
    section: Section,
    series: &[Series],
    medications: &[Medication],
) -> Markup {
    let taken: Vec<&Medication> = medications.iter().filter(|m| m.active).collect();
    let body = html! {
        div.chart-page data-test="trend" {
            div.section-head {
                a.button.quiet href=(section.href(&banner.id)) data-test="trend-back" { "All " (section.word().to_lowercase()) }
            }
            @for s in series { (plot::figure(&banner.id, s, None)) }
            @if !taken.is_empty() {
                (card("trend-medications", "Taken now", Some(taken.len()), None, &html! {
                    ul.rows {
                        @for m in taken {
                            li {
                                span.row-title { (m.title) }
                                span.row-side { @if let Some(w) = &m.since { span { "since " (when_month(w)) } } }
                                span.row-sub { (m.dosage) }
                            }
                        }
                    }
                }))
            }
        }
    };
    chart::page(reader, banner, section, &body)
}
