//! Opening a chart in an emergency, and what becomes of it.

use maud::{Markup, html};

use crate::{
    components::{self, Tone, notice},
    icon::Icon,
    layout::{self, Place, Reader},
    view::emergency::{Ask, Case, Queue},
};

/// The reasons, in the words of the form.
pub const REASONS: [(&str, &str, &str); 4] = [
    ("threat", "Life or limb is in danger", "The patient needs help now."),
    ("unable", "The patient cannot tell", "Unconscious, confused, or nobody speaks the language."),
    ("cover", "I stand in for a colleague", "The patient is treated here by somebody who is away."),
    ("other", "Something else", "Say what."),
];

/// The word of a reason.
pub fn reason(code: &str) -> &'static str {
    REASONS.iter().find(|(own, _, _)| *own == code).map_or("", |(_, word, _)| word)
}

/// The form: whose chart, why.
pub fn ask(reader: &Reader, v: &Ask) -> Markup {
    layout::page(
        "Emergency access",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head {
                    h1 { "Emergency access" }
                    p { "Opens one chart for four hours. The privacy officer is told at once and reviews every case." }
                }
                @if let Some(trouble) = &v.trouble {
                    (notice(Tone::Caution, &html! { span data-test="emergency-trouble" { (trouble) } }))
                }
                div.column {
                    @match &v.chosen {
                        None => { (find(v)) },
                        Some(_) => { (why(v)) },
                    }
                }
            }
        },
    )
}

fn find(v: &Ask) -> Markup {
    let field = |name: &str, word: &str, value: &str, ty: &str, hint: &str| {
        html! {
            div.field {
                label for={ "e-" (name) } { (word) }
                input id={ "e-" (name) } name=(name) type=(ty) value=(value) autocomplete="off"
                    spellcheck="false" data-test={ "emergency-" (name) };
                @if !hint.is_empty() { span.hint { (hint) } }
            }
        }
    };
    html! {
        form.card method="post" action="/emergency/find" data-test="emergency-find" {
            div.card-head { h2 { "Whose chart?" } }
            div.card-body.fields {
                p.dim { "Only what names exactly one person finds a chart: there is no list to look through." }
                (field("family", "Family name", &v.family, "text", "In full, as in the record"))
                (field("born", "Date of birth", &v.born, "date", ""))
                (field("identifier", "Or a medical record number", &v.identifier, "text", "In full; it is enough by itself"))
                div { button.button.primary type="submit" data-test="emergency-find-submit" { "Find" } }
            }
        }
        @if let Some(found) = &v.found {
            section.card data-test="emergency-found" {
                div.card-head { h2 { "Found" } }
                @if found.is_empty() {
                    (components::empty("Nobody", "No patient has exactly this name and date of birth, or this number."))
                }
                ul.rows {
                    @for row in found {
                        li.acts {
                            span.row-title { (components::name(&row.name)) }
                            span.row-side { (row.age) " " (row.sex) " · " (row.birth_date) }
                            form method="post" action="/emergency/choose" {
                                input type="hidden" name="patient" value=(row.id);
                                button.button type="submit" data-test="emergency-choose" { "This one" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn why(v: &Ask) -> Markup {
    let Some(row) = &v.chosen else { return html! {} };
    html! {
        form.card method="post" action="/emergency" data-test="emergency-form" {
            div.card-head {
                h2 { span { (components::name(&row.name)) } }
                span.more { (row.age) " " (row.sex) " · born " (row.birth_date) }
            }
            div.card-body.fields {
                input type="hidden" name="patient" value=(row.id);
                fieldset.choices {
                    legend { "Why?" }
                    @for (idx, (code, word, hint)) in REASONS.iter().enumerate() {
                        label.choice {
                            input type="radio" name="reason" value=(code) required
                                checked[v.reason == *code || (v.reason.is_empty() && idx == 0)]
                                data-test={ "emergency-reason-" (code) };
                            span { b { (word) } " " span.dim { (hint) } }
                        }
                    }
                }
                div.field {
                    label for="e-words" { "In your words" }
                    textarea id="e-words" name="words" rows="3" required minlength="5"
                        maxlength=(record::WORDS_CHARS_MAX) data-test="emergency-words" { (v.words) }
                    span.hint { "The privacy officer reads this." }
                }
                div.filters {
                    button.button.primary type="submit" data-test="emergency-open" {
                        (Icon::Alert.svg()) "Open the chart for four hours"
                    }
                    a.button href="/" { "Leave" }
                }
            }
        }
    }
}

/// The privacy officer's list.
pub fn queue(reader: &Reader, v: &Queue) -> Markup {
    layout::page(
        "Emergencies",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head {
                    h1 { "Emergencies" }
                    p { "Charts that were opened in an emergency. Each is reviewed by somebody else than who opened it, within 72 hours." }
                    nav.filters aria-label="Which" {
                        a.chip href="/admin/emergencies" aria-current=[(!v.all).then_some("page")] { "To review" }
                        a.chip href="/admin/emergencies?all=true" aria-current=[v.all.then_some("page")]
                            data-test="emergencies-all" { "All" }
                    }
                }
                @if let Some(trouble) = &v.trouble {
                    (notice(Tone::Caution, &html! { span data-test="emergency-trouble" { (trouble) } }))
                }
                @if v.cases.is_empty() {
                    div.card {
                        (components::empty("Nothing waits", "When somebody opens a chart in an emergency, it stands here until it is reviewed."))
                    }
                }
                div.column { @for case in &v.cases { (one(case)) } }
            }
        },
    )
}

fn one(c: &Case) -> Markup {
    html! {
        section.card data-test="emergency" data-id=(c.id) {
            div.card-head {
                h2 {
                    span {
                        bdi { (c.who) } " opened the chart of "
                        a href={ "/patients/" (c.patient) } { bdi { (c.patient_name) } }
                    }
                }
                span.more {
                    @if c.is_open { span.tag.critical { "open" } " " }
                    @if c.is_overdue { span.tag.critical data-test="emergency-overdue" { "waiting for more than 72 hours" } }
                    @else if c.reviewed.is_none() { span.tag.caution { "to review" } }
                }
            }
            div.card-body {
                p { b { (reason(&c.reason)) } ": " bdi { (c.words) } }
                p.dim {
                    (c.role) ", " (components::when(&c.started)) ", until " (components::when(&c.until)) ". "
                    a href={ "/patients/" (c.patient) "/access" } data-test="emergency-access" { "What was looked at" }
                }
                @match &c.reviewed {
                    Some(review) => {
                        p data-test="emergency-reviewed" {
                            @if review.justified { span.tag.done { "justified" } } @else { span.tag.critical { "not justified" } }
                            " by " bdi { (review.by) } ", " (components::when(&review.at))
                            @if !review.words.is_empty() { ": " bdi { (review.words) } }
                        }
                    },
                    None if c.is_own => { p.dim { "Somebody else reviews what you opened." } },
                    None => {
                        form.fields method="post" action="/admin/emergencies" data-test="emergency-review" {
                            input type="hidden" name="emergency" value=(c.id);
                            div.field {
                                label for={ "note-" (c.id) } { "Note" }
                                textarea id={ "note-" (c.id) } name="words" rows="2"
                                    maxlength=(record::WORDS_CHARS_MAX) data-test="emergency-note" {}
                            }
                            div.filters {
                                button.button name="verdict" value="justified" data-test="emergency-justified" { "Justified" }
                                button.button name="verdict" value="not" data-test="emergency-not-justified" { "Not justified (say why)" }
                            }
                        }
                    },
                }
            }
        }
    }
}
