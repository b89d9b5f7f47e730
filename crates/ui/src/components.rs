//! The vocabulary of components: small pieces that every page is made of.

use maud::{Markup, html};

use crate::{
    icon::Icon,
    view::{Flag, Name, Source, Trend, Weight, When},
};

/// A date: relative text, exact on hover and for screen readers.
pub fn when(w: &When) -> Markup {
    html! { @if !w.iso.is_empty() { time datetime=(w.iso) title=(w.exact) { (w.text) } } }
}

/// A date in a column: short and absolute, exact on hover.
pub fn when_short(w: &When) -> Markup {
    html! { @if !w.iso.is_empty() { time datetime=(w.iso) title=(w.exact) { (w.short) } } }
}

/// A date in a narrow column: this year's to the day, older ones to the month.
pub fn when_month(w: &When) -> Markup {
    html! { @if !w.iso.is_empty() { time datetime=(w.iso) title=(w.exact) { (w.month) } } }
}

/// A name as lists sort it, the family name heavier; isolated for direction.
pub fn name(n: &Name) -> Markup {
    html! {
        @match (n.family.is_empty(), n.given.is_empty()) {
            (true, true) => { "Name not recorded" },
            (false, true) => { bdi { b { (n.family) } } },
            (true, false) => { bdi { b { (n.given) } } },
            (false, false) => { bdi { b { (n.family) } } ", " bdi { (n.given) } },
        }
    }
}

/// Source tag: shown only for what came from outside; inside is the quiet default.
pub fn source(s: &Source) -> Markup {
    html! {
        @if s.outside {
            span.tag.outside title={ "From outside: " (s.label) } data-test="source" {
                (Icon::Outside.sized(11)) span { (s.label) }
            }
        }
    }
}

/// The abnormal mark beside a value.
pub fn flag(f: Flag) -> Markup {
    let (letters, words) = f.words();
    html! {
        @if f.abnormal() {
            span class={ "flag" @if f.critical() { " critical" } } title=(words) data-test="flag" {
                span aria-hidden="true" { (letters) }
                span.hidden-visually { " " (words) }
            }
        }
    }
}

/// Direction against the value before.
pub fn trend(t: Option<Trend>) -> Markup {
    let (icon, words) = match t {
        Some(Trend::Up) => (Icon::Up, "higher than before"),
        Some(Trend::Down) => (Icon::Down, "lower than before"),
        Some(Trend::Level) => (Icon::Level, "as before"),
        None => return html! {},
    };
    html! {
        span.trend title=(words) { (icon.sized(12)) span.hidden-visually { (words) } }
    }
}

/// A number in two cells so that a column lines up by the decimal point.
///
/// Text that is not one plain number is shown as it is.
pub fn number(text: &str, abnormal: bool) -> Markup {
    let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '<' | '>'));
    let class = if abnormal { "num abnormal" } else { "num" };
    html! {
        @if plain {
            @let (int, fraction) = text.split_once('.').unwrap_or((text, ""));
            span class=(class) {
                i { (int) } i { @if !fraction.is_empty() { "." (fraction) } }
            }
        } @else if abnormal { span.abnormal { (text) } } @else { (text) }
    }
}

/// "What does the record say": the resource as FHIR, in the drawer or on its own page.
pub fn raw(patient: &str, resource: &str, id: &str, what: &str) -> Markup {
    html! {
        @if !id.is_empty() {
            a.row-raw href={ "/patients/" (patient) "/fhir/" (resource) "/" (id) } data-drawer
                title="What does the record say (FHIR)" aria-label={ "FHIR: " (what) }
                data-test="raw" {
                (Icon::Raw.sized(13))
            }
        }
    }
}

/// Class of a weight, for pills and tags.
pub const fn weight_class(w: Weight) -> &'static str {
    match w {
        Weight::High => "high",
        Weight::Caution => "caution",
        Weight::Plain => "",
    }
}

/// A card: title, count, one link, content.
pub fn card(
    id: &str,
    title: &str,
    count: Option<usize>,
    more: Option<(&str, &str)>,
    body: &Markup,
) -> Markup {
    html! {
        section.card aria-labelledby={ (id) "-title" } data-test=(id) {
            div.card-head {
                h2 id={ (id) "-title" } {
                    (title)
                    @if let Some(n) = count { span.count { (n) } }
                }
                @if let Some((href, word)) = more {
                    a.more href=(href) { (word) span.hidden-visually { ": " (title) } }
                }
            }
            (body)
        }
    }
}

/// What will be here, and how it begins.
pub fn empty(title: &str, hint: &str) -> Markup {
    html! { div.empty { b { (title) } (hint) } }
}

/// Meanings of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Critical,
    Caution,
    Done,
    Info,
}

pub fn notice(tone: Tone, body: &Markup) -> Markup {
    let (class, icon) = match tone {
        Tone::Critical => ("notice critical", Icon::Alert),
        Tone::Caution => ("notice caution", Icon::Alert),
        Tone::Done => ("notice done", Icon::Check),
        Tone::Info => ("notice", Icon::Info),
    };
    html! { div class=(class) role=[(tone == Tone::Critical).then_some("alert")] { (icon.svg()) div { (body) } } }
}

/// The rest of a long list, unfolded in place.
pub fn fold(summary: &str, body: &Markup) -> Markup {
    html! {
        details.fold { summary { (Icon::Right.sized(12)) (summary) } (body) }
    }
}
