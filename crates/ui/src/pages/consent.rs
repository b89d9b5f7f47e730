//! An app asks to act for a person: who asks, what for, about whom, until when. Nothing is agreed
//! to by looking.

use maud::{Markup, html};

use crate::{
    components::{self, Tone, notice},
    icon::Icon,
    layout::{self, Theme},
    view::{Ask, AskLine, PickPatient},
};

/// The question itself.
pub fn page(v: &Ask, theme: Theme) -> Markup {
    layout::bare(
        &format!("{} asks", v.app),
        theme,
        &html! {
            main.alone id="main" data-test="consent-page" {
                form.alone-card.wide method="post" action="/oauth2/authorize" data-test="consent-form" {
                    (head(&v.practice))
                    h1 { bdi { (v.app) } " asks to act for you" }
                    p.alone-lead {
                        "You are signed in as " b { bdi { (v.person) } } ", " (v.role) ". "
                        "If you allow it, you go on to " b { bdi { (v.place) } } "."
                    }
                    @if let Some(trouble) = &v.trouble {
                        (notice(Tone::Critical, &html! { span data-test="consent-trouble" { (trouble) } }))
                    }
                    input type="hidden" name="question" value=(v.question);
                    input type="hidden" name="form" value=(v.form);
                    @if let Some(patient) = &v.patient {
                        input type="hidden" name="patient" value=(patient.id);
                        div.asked-about data-test="consent-patient" {
                            (Icon::User.svg())
                            div {
                                "About " b { (components::name(&patient.name)) }
                                @if !patient.birth_date.is_empty() {
                                    span.dim { ", born " (patient.birth_date) }
                                }
                            }
                            @if let Some(other) = &v.other_patient {
                                a href=(other) data-test="consent-other-patient" { "Another patient" }
                            }
                        }
                    }
                    fieldset.ticks {
                        legend { "It wants to" }
                        @for line in &v.lines { (tick(line)) }
                    }
                    p.alone-note data-test="consent-until" {
                        (v.until) " You can end it at any time under "
                        a href="/apps" { "Connected apps" } "."
                    }
                    div.filters {
                        button.button.primary name="answer" value="allow" data-test="consent-allow" {
                            "Allow"
                        }
                        button.button name="answer" value="deny" data-test="consent-deny" { "Deny" }
                    }
                    p.alone-foot { "What the app opens is recorded in the audit log, with your name." }
                }
            }
        },
    )
}

fn head(practice: &str) -> Markup {
    html! { div.alone-brand { (Icon::Mark.sized(28)) (practice) } }
}

fn tick(line: &AskLine) -> Markup {
    html! {
        label.tick {
            input type="checkbox" name="scope" value=(line.scopes) checked data-test="consent-scope";
            span {
                b class=[line.changes.then_some("changes")] { (line.title) }
                @if line.changes { " " span.tag.caution { "changes the record" } }
                @if !line.more.is_empty() { small { (line.more) } }
            }
        }
    }
}

/// Before the question: which patient is it about?
pub fn pick(v: &PickPatient, theme: Theme) -> Markup {
    layout::bare(
        "Choose a patient",
        theme,
        &html! {
            main.alone id="main" data-test="pick-page" {
                div.alone-card.wide {
                    (head(&v.practice))
                    h1 { "Which patient is it about?" }
                    p.alone-lead { bdi { (v.app) } " works with one patient at a time." }
                    form.search-row action="/oauth2/authorize" method="get" role="search"
                        data-test="pick-form" {
                        @for (name, value) in &v.pairs {
                            input type="hidden" name=(name) value=(value);
                        }
                        div.search {
                            (Icon::Search.svg())
                            label.hidden-visually for="q" { "Name, birth date, identifier or phone" }
                            input id="q" name="vitae_q" type="search" value=(v.typed)
                                autocomplete="off" spellcheck="false" autofocus
                                placeholder="Name, birth date, identifier or phone"
                                data-test="pick-search";
                        }
                        button.button type="submit" { "Search" }
                    }
                    @if v.rows.is_empty() {
                        (components::empty("Nobody found", "Try a part of the name, or the birth date."))
                    } @else {
                        ul.rows.card data-test="pick-hits" {
                            @for (href, row) in &v.rows {
                                li {
                                    a.row-title href=(href) data-test="pick-patient" {
                                        (components::name(&row.name))
                                    }
                                    span.row-side { (row.birth_date) }
                                    span.row-sub { (row.sex) " · " (row.identifier) }
                                }
                            }
                        }
                    }
                    @if v.more { p.alone-note { "More fit than are shown here: search for the name." } }
                    p.alone-foot { a href=(v.back) data-test="pick-cancel" { "Cancel and go back to the app" } }
                }
            }
        },
    )
}

/// The request cannot be put to anybody.
pub fn refused(text: &str, theme: Theme) -> Markup {
    layout::bare(
        "This app cannot ask",
        theme,
        &html! {
            main.alone id="main" data-test="consent-refused" {
                div.alone-card.wide {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    h1 { "This app cannot ask" }
                    dl.answers {
                        div { dt { "What happened" } dd { "Its request does not fit: " (text) "." } }
                        div { dt { "What is safe" } dd { "The app was given nothing, and you were not sent anywhere." } }
                        div { dt { "What to do" } dd { "Tell the app's maker. An administrator of the practice sees how it is registered." } }
                    }
                    div.filters { a.button href="/" { "Go to Vitae" } }
                }
            }
        },
    )
}
