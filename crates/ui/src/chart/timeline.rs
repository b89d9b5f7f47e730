//! One timeline of everything, newest first, with its source; filtered by kind, paged.

use maud::{Markup, html};

use crate::{
    chart::{self, Section},
    components::{self, empty, flag, source},
    icon::Icon,
    layout::Reader,
    view::{Banner, Entry, Kind, Timeline},
};

pub fn page(reader: &Reader, banner: &Banner, v: &Timeline) -> Markup {
    let base = Section::Timeline.href(&banner.id);
    let body = html! {
        div.chart-page.wide id="timeline-page" {
            (filters(&base, v))
            section.card aria-label="Timeline" data-test="timeline" { (list(&banner.id, v)) }
        }
    };
    chart::page(reader, banner, Section::Timeline, &body)
}

fn filters(base: &str, v: &Timeline) -> Markup {
    let chip = |on: bool, href: String, icon: Option<Icon>, word: &str, test: &str| {
        html! {
            a.chip href=(href) aria-current=[on.then_some("true")] data-swap="#timeline-page"
                data-test=(test) {
                @if let Some(icon) = icon { (icon.sized(13)) }
                (word)
            }
        }
    };
    html! {
        nav.filters aria-label="Kinds" data-test="timeline-filter" {
            (chip(v.kind.is_none() && !v.outside_only, base.to_owned(), None, "Everything", "filter-all"))
            @for k in Kind::ALL {
                (chip(v.kind == Some(k), format!("{base}?kind={}", k.slug()), Some(icon(k)), k.word(),
                    &format!("filter-{}", k.slug())))
            }
            (chip(v.outside_only, format!("{base}?source=outside"), Some(Icon::Outside),
                "From outside", "filter-outside"))
        }
    }
}

pub const fn icon(kind: Kind) -> Icon {
    match kind {
        Kind::Visit => Icon::Visit,
        Kind::Problem => Icon::Problem,
        Kind::Medication => Icon::Medication,
        Kind::Allergy => Icon::Allergy,
        Kind::Result => Icon::Result,
        Kind::Vital => Icon::Vital,
        Kind::Immunization => Icon::Immunization,
        Kind::Procedure => Icon::Procedure,
        Kind::Document => Icon::Document,
        Kind::Order => Icon::Order,
        Kind::Other => Icon::Other,
    }
}

/// The entries with year heads and the link to earlier ones; also the appended fragment.
pub fn list(patient: &str, v: &Timeline) -> Markup {
    let days: Vec<String> = v.entries.iter().map(day).collect();
    let before = |i: usize| i.checked_sub(1).and_then(|i| v.entries.get(i).zip(days.get(i)));
    html! {
        @if v.entries.is_empty() {
            (empty(
                "Nothing here yet",
                "Every visit, result, prescription and document appears here as it happens.",
            ))
        }
        div data-list id="timeline-list" {
            @for (i, (e, day)) in v.entries.iter().zip(&days).enumerate() {
                @let new_year = before(i).is_none_or(|(b, _)| b.when.year != e.when.year);
                @if new_year {
                    h3.year {
                        @if e.when.year == 0 { "Date not recorded" } @else { (e.when.year) }
                    }
                }
                (entry(patient, e, day, !new_year && before(i).is_some_and(|(_, d)| d == day)))
            }
        }
        @if let Some(earlier) = &v.earlier {
            a.more-link href={ "/patients/" (patient) "/timeline?" (earlier) } data-append="#timeline-list"
                data-test="timeline-earlier" { "Show earlier" }
        }
    }
}

/// `same_day` as the entry above: the date is then only said to screen readers.
fn entry(patient: &str, e: &Entry, day: &str, same_day: bool) -> Markup {
    html! {
        article class={ "entry" @if same_day { " same" } } data-item data-test="entry" data-kind=(e.kind.slug()) {
            time datetime=(e.when.iso) title={ (e.when.exact) " · " (e.when.text) } {
                @if same_day { span.hidden-visually { (day) } } @else { (day) }
            }
            span class={ "kind" @if e.flag.critical() { " critical" } } title=(e.kind.word()) {
                (icon(e.kind).svg()) span.hidden-visually { (e.kind.word()) }
            }
            div {
                span.entry-title {
                    @match &e.href {
                        Some(href) => { a href=(href) { (e.title) } },
                        None => { (e.title) },
                    }
                }
                " " (flag(e.flag)) " " (source(&e.source))
                @if let Some((n, first)) = &e.repeated {
                    " " span.tag title={ "first on " (first.exact) } { "and " (n) " times since " (first.short) }
                }
                @if let Some(detail) = &e.detail { p { (detail) } }
            }
            (components::raw(patient, &e.resource, &e.id, &e.title))
        }
    }
}

/// Day and month; the year stands in the head above.
fn day(e: &Entry) -> String {
    e.when.short.trim_end_matches(&format!(" {}", e.when.year)).to_owned()
}
