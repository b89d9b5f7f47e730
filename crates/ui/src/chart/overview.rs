//! The first screen of the chart: problems, medications and allergies on the left, the timeline
//! in the middle, vitals and results on the right.

use maud::{Markup, html};

use crate::{
    chart::{self, Section, facts, measured, papers, timeline},
    components::{card, when},
    icon::Icon,
    layout::Reader,
    view::{Allergies, Brief, Overview, Weight},
};

pub fn page(reader: &Reader, v: &Overview) -> Markup {
    chart::page(reader, &v.banner, Section::Overview, &body(v))
}

fn body(v: &Overview) -> Markup {
    let id = v.banner.id.as_str();
    let link = |s: Section| s.href(id);
    let active = v.problems.iter().filter(|p| p.active && !p.social).count();
    let taken = v.medications.iter().filter(|m| m.active).count();
    let allergies = match &v.banner.allergies {
        Allergies::Listed(list) => Some(list.len()),
        _ => None,
    };
    html! {
        div.overview {
            (brief(&v.brief))
            div.column.left {
                (card("problems", "Problems", Some(active), Some((&link(Section::Problems), "All")),
                    &facts::problems(id, &v.problems)))
                (card("medications", "Medications", Some(taken),
                    Some((&link(Section::Medications), "All")), &facts::medications(id, &v.medications)))
                (card("allergies", "Allergies", allergies, Some((&link(Section::Problems), "All")),
                    &facts::allergies(id, &v.banner.allergies)))
                (card("immunizations", "Immunizations", None,
                    Some((&link(Section::Immunizations), "All")),
                    &papers::immunizations_short(id, &v.immunizations)))
            }
            div.column.middle {
                (card("timeline", "Timeline", None, Some((&link(Section::Timeline), "Filter")),
                    &timeline::list(id, &v.timeline)))
            }
            div.column.right {
                (card("vitals", "Vitals", None, Some((&link(Section::Vitals), "Charts")),
                    &measured::lines(id, &v.vitals, true)))
                (card("results", "Latest results", None, Some((&link(Section::Results), "All")),
                    &measured::lines(id, &v.results, false)))
            }
        }
    }
}

fn brief(b: &Brief) -> Markup {
    html! {
        section.card.brief aria-label="In brief" data-test="brief" {
            p { @for s in &b.sentences { (s) " " } }
            @if let Some(since) = &b.since {
                ul {
                    li { b { "Since the visit " (when(since)) } }
                    @if b.changes.is_empty() { li { "nothing marked, started or newly diagnosed" } }
                    @for (weight, text) in &b.changes {
                        li {
                            @match weight {
                                Weight::High => { span.tag.critical { (Icon::Alert.sized(11)) (text) } },
                                Weight::Caution => { span.tag.caution { (text) } },
                                Weight::Plain => { span.tag { (text) } },
                            }
                        }
                    }
                }
            }
        }
    }
}
