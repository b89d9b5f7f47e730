//! Today: the schedule as a line through the day, counts, who was opened lately.

use maud::{Markup, html};

use crate::{
    components::{self, card, empty},
    icon::Icon,
    layout::{self, Place, Reader},
    view::{Slot, Today, Weight},
};

pub fn page(reader: &Reader, v: &Today) -> Markup {
    layout::page(
        "Today",
        reader,
        Place::Today,
        &html! {
            div.page {
                div.page-head {
                    h1 { @if v.is_today { "Today" } @else { "Day" } } p { (v.date) }
                    nav.filters aria-label="Days" data-test="days" {
                        a.chip href={ "/?date=" (v.before) } data-test="day-before" { "Day before" }
                        @if !v.is_today { a.chip href="/" data-test="day-today" { "Today" } }
                        a.chip href={ "/?date=" (v.after) } data-test="day-after" { "Day after" }
                    }
                }
                @if let Some((waiting, overdue)) = v.emergencies {
                    a.emergency href="/admin/emergencies" data-test="emergencies-waiting" {
                        (Icon::Alert.svg())
                        span {
                            b { (waiting) @if waiting == 1 { " emergency" } @else { " emergencies" } }
                            " to review"
                            @if overdue > 0 { ", " (overdue) " for more than 72 hours" }
                        }
                    }
                }
                dl.counts data-test="counts" {
                    @for (word, n) in &v.counts { div { dt { (word) } dd { (n) } } }
                }
                div.today {
                    (card("schedule", "Schedule", Some(v.slots.len()), None, &schedule(v)))
                    (card("recent", "Recently opened", None, Some(("/patients", "All patients")), &recent(v)))
                }
            }
        },
    )
}

fn schedule(v: &Today) -> Markup {
    html! {
        @if v.slots.is_empty() {
            (empty("Nothing booked this day", "Appointments of the day appear here in their order."))
        }
        @if let (true, Some((iso, words))) = (v.slots.is_empty(), &v.next_busy) {
            a.more-link href={ "/?date=" (iso) } data-test="next-busy" { "Next appointments: " (words) }
        }
        @let (earlier, rest) = v.slots.split_at(folded(v));
        @if !earlier.is_empty() {
            details.fold.first data-test="earlier-today" {
                summary { (Icon::Right.sized(12)) (earlier.len()) " earlier today" }
                ol data-list { @for slot in earlier { (one(slot)) } }
            }
        }
        ol data-list { @for slot in rest { (one(slot)) } }
    }
}

/// How many slots of today are folded away: those past, but the last few.
fn folded(v: &Today) -> usize {
    const PAST_SHOWN: usize = 3;
    let past = v.slots.iter().rposition(|s| s.past).map_or(0, |at| at + 1);
    if v.is_today && past < v.slots.len() { past.saturating_sub(PAST_SHOWN) } else { 0 }
}

fn one(slot: &Slot) -> Markup {
    let class = match (slot.past, slot.now) {
        (_, true) => "slot now",
        (true, false) => "slot past",
        (false, false) => "slot",
    };
    let tag = match slot.weight {
        Weight::High => "tag critical",
        Weight::Caution => "tag caution",
        Weight::Plain => "tag",
    };
    html! {
        li class=(class) data-item data-test="appointment" {
            time { (slot.time) }
            span.rail aria-hidden="true" {}
            div {
                span.row-title {
                    @match &slot.patient_id {
                        Some(id) => { a href={ "/patients/" (id) } { (components::name(&slot.patient)) } },
                        None => { (components::name(&slot.patient)) },
                    }
                }
                " " span.unit { (slot.about) }
                @if !slot.reason.is_empty() { div.row-sub { (slot.reason) } }
            }
            span.row-side { @if !slot.status.is_empty() { span class=(tag) { (slot.status) } } }
        }
    }
}

fn recent(v: &Today) -> Markup {
    html! {
        @if v.recent.is_empty() {
            (empty("Nobody yet", "Patients whose chart you open appear here."))
        }
        ul.rows data-list {
            @for row in &v.recent {
                li data-item data-test="recent-patient" {
                    span.row-title { a href={ "/patients/" (row.id) } { (components::name(&row.name)) } }
                    span.row-side { (row.age) " " (row.sex) " · " (row.birth_date) }
                }
            }
        }
    }
}
