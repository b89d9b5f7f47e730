//! How a search is carried out, for administrators: type it, read the plan.

use maud::{Markup, html};

use crate::{
    icon::Icon,
    layout::{self, Place, Reader},
    view::{Explained, Plan, PlanStep},
};

pub fn page(reader: &Reader, v: &Explained) -> Markup {
    layout::page(
        "Explain a search",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head { h1 { "Explain a search" } }
                form.page-head action="/admin/explain" method="get" role="search"
                    data-test="explain-form" {
                    div.search {
                        (Icon::Search.svg())
                        label.hidden-visually for="q" { "A FHIR search" }
                        input id="q" name="q" type="text" value=(v.query) autocomplete="off"
                            spellcheck="false" autofocus maxlength="8000"
                            placeholder="Observation?patient.name=stone&status=final"
                            data-test="explain-query";
                    }
                    button.button type="submit" data-test="explain-submit" { "Explain" }
                }
                (answer(v))
            }
        },
    )
}

fn answer(v: &Explained) -> Markup {
    html! {
        @if !v.trouble.is_empty() {
            div role="alert" data-test="explain-trouble" {
                @for text in &v.trouble { p.status-line { (text) } }
            }
        } @else if v.query.is_empty() {
            p.status-line {
                "Type a search as it stands behind the base of the FHIR interface. It is carried "
                "out once, and all of its matches are verified."
            }
        } @else if v.plans.is_empty() {
            p.status-line data-test="explain-empty" { "Nothing of these types is in the record." }
        }
        @for plan in &v.plans { (one(plan)) }
    }
}

fn one(plan: &Plan) -> Markup {
    html! {
        section data-test="explain-plan" {
            div.page-head { h2 { (plan.rt) } p { (plan.query) } }
            div.table {
                table {
                    caption.hidden-visually { "Steps in the order in which they were carried out" }
                    thead { tr {
                        th scope="col" { "Condition" } th scope="col" { "Way" }
                        th.end scope="col" { "Listed" } th.end scope="col" { "Found" }
                        th.end scope="col" { "Unsure" } th.end scope="col" { "Left" }
                        th.end scope="col" { "µs" }
                    } }
                    tbody { @for s in &plan.steps { (step(s)) } }
                    tfoot { tr {
                        th scope="row" { "Matches" }
                        td { (plan.verified) " verified in " (plan.verify_micros) " µs" }
                        td {} td {} td {}
                        td.end data-test="explain-total" { (plan.total) }
                        td.end { (plan.micros) }
                    } }
                }
            }
        }
    }
}

fn step(s: &PlanStep) -> Markup {
    html! {
        tr data-test="explain-step" {
            th.broad scope="row" { @for _ in 0..s.depth { "› " } (s.condition) }
            td.nowrap { (way(&s.way)) }
            td.end { (s.listed) } td.end { (s.found) } td.end { (s.unsure) }
            td.end { (s.candidates) } td.end { (s.micros) }
        }
    }
}

/// The way in words.
fn way(code: &str) -> &str {
    match code {
        "compartment" => "compartment",
        "lookup" => "short list",
        "lists" => "list per value",
        "range" => "neighbouring keys",
        "scan" => "all keys",
        "without" => "all but the list",
        "verify" => "values of candidates",
        "all" => "all of",
        "any" => "any of",
        "type" => "whole type",
        "from-candidates" => "from candidates",
        "from-inner" => "from inner matches",
        "columns" => "joined by columns",
        other => other,
    }
}
