//! The patient banner: who this is, what is dangerous, when last and next.

use maud::{Markup, html};

use crate::{
    components::{self, weight_class},
    icon::Icon,
    view::{Allergies, Allergy, Banner, Weight, When},
};

/// Most allergies named in the banner; the number of the rest links to the list. Those of high
/// risk are always named.
const ALLERGIES_MAX: usize = 6;

pub fn banner(b: &Banner) -> Markup {
    html! {
        header class={ "banner" @if b.deceased.is_some() { " gone" } } data-test="chart-banner" {
            div.banner-in {
                div.avatar aria-hidden="true" { (b.name.initials()) }
                (who(b))
                (danger(b))
                (visits(b))
            }
        }
    }
}

fn who(b: &Banner) -> Markup {
    html! {
        div.who {
            h1 data-test="patient-name" {
                span { (components::name(&b.name)) }
                @if let Some(called) = &b.name.called { span.called { "“" bdi { (called) } "”" } }
                @if let Some(died) = &b.deceased {
                    span.tag data-test="deceased" { "deceased " @if !died.iso.is_empty() { (died.exact) } }
                }
                @if b.inactive { span.tag.caution { "inactive record" } }
            }
            div.facts data-test="patient-facts" {
                span {
                    @if !b.age.is_empty() { b { (b.age) } " · " }
                    b { (b.sex) }
                    @if let Some(g) = &b.gender { " · gender " (g) }
                    @if let Some(p) = &b.pronouns { " · " (p) }
                }
                span { span.hidden-visually { "Born " } b { (b.birth_date) } }
                @for (kind, value) in &b.identifiers { span { (kind) " " bdi { (value) } } }
                @if let Some(phone) = &b.phone {
                    span { a href={ "tel:" (phone.replace([' ', '(', ')'], "")) } { bdi { (phone) } } }
                }
                @if let Some(language) = &b.language {
                    span {
                        (language)
                        @if b.interpreter { " " span.tag.caution { "interpreter needed" } }
                    }
                }
            }
        }
    }
}

fn danger(b: &Banner) -> Markup {
    html! {
        div.danger data-test="allergies-banner" {
            h2.hidden-visually { "Allergies and alerts" }
            ul {
                @match &b.allergies {
                    Allergies::NotRecorded if b.deceased.is_some() => {
                        li { span.pill { "Allergies not recorded" } }
                    },
                    Allergies::NotRecorded => {
                        li { span.pill.caution { (Icon::Alert.sized(13)) "Allergies not recorded: ask" } }
                    },
                    Allergies::NoneKnown => {
                        li { span.pill.none { (Icon::Check.sized(13)) "No known allergies" } }
                    },
                    Allergies::Listed(list) => { (allergies(&b.id, list)) },
                }
                @for alert in &b.alerts {
                    li {
                        span class={ "pill " (weight_class(alert.weight)) } data-test="alert" {
                            @if alert.weight != Weight::Plain { (Icon::Alert.sized(13)) }
                            (alert.text)
                        }
                    }
                }
            }
        }
    }
}

fn allergies(patient: &str, list: &[Allergy]) -> Markup {
    let mut sorted: Vec<&Allergy> = list.iter().collect();
    sorted.sort_by_key(|a| a.weight);
    let high = sorted.iter().filter(|a| a.weight == Weight::High).count();
    let shown = ALLERGIES_MAX.max(high);
    html! {
        li.label aria-hidden="true" { "Allergic to" }
        @for a in sorted.iter().take(shown) {
            li {
                a class={ "pill " (weight_class(a.weight)) } href={ "/patients/" (patient) "/problems#allergies" }
                    title={ "Allergy" @if !a.criticality.is_empty() { ", " (a.criticality) } @if !a.reactions.is_empty() { ": " (a.reactions) } }
                    data-test="allergy-pill" {
                    @if a.weight == Weight::High { (Icon::Alert.sized(13)) }
                    span.hidden-visually { "Allergy " @if a.weight == Weight::High { "of high risk " } ": " }
                    (a.substance)
                }
            }
        }
        @if list.len() > shown {
            li { a.pill.more href={ "/patients/" (patient) "/problems#allergies" } { "+ " (list.len() - shown) " more" } }
        }
    }
}

fn visits(b: &Banner) -> Markup {
    let line = |word: &str, none: &str, visit: &Option<(When, String)>, test: &str| {
        html! {
            div data-test=(test) {
                dt { (word) " " }
                dd {
                    @match visit {
                        Some((when, about)) => { span title=(about) { (components::when(when)) } },
                        None => { (none) },
                    }
                }
            }
        }
    };
    html! {
        dl.when-visits {
            (line("Last seen", "never", &b.last_visit, "last-visit"))
            @if b.deceased.is_none() { (line("Next", "none booked", &b.next_visit, "next-visit")) }
        }
    }
}
