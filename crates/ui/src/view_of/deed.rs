//! Entries of the audit log in the words of people.

use std::collections::HashMap;

use record::{Deed, Leaf, LeafOutcome};

use crate::{
    view::{
        When,
        audit::{Disclosure, Entry, Visit},
    },
    when::Now,
};

/// Patients of one entry that a page names.
const PATIENTS_MAX: usize = 5;
/// Longest pause within one visit.
const PAUSE_MS: i64 = 30 * 60_000;
/// Characters of what was asked for that a page shows.
const WHAT_CHARS_MAX: usize = 160;

pub const fn did(deed: Deed) -> &'static str {
    match deed {
        Deed::Read => "Read",
        Deed::Vread => "Read an older version",
        Deed::Search => "Searched",
        Deed::History => "Looked at the history",
        Deed::Operation => "Asked for all of it",
        Deed::Create => "Wrote",
        Deed::Update => "Changed",
        Deed::Delete => "Deleted",
        Deed::Transaction => "Changed together",
        Deed::Import => "Imported",
        Deed::Export => "Exported",
        Deed::Login => "Signed in",
        Deed::Token => "Program signed in",
        Deed::Consent => "App connection",
        Deed::Administration => "Administration",
    }
}

pub const fn outcome(outcome: LeafOutcome) -> &'static str {
    match outcome {
        LeafOutcome::Done => "Done",
        LeafOutcome::Refused => "Refused",
        LeafOutcome::Failed => "Failed",
    }
}

/// A purpose of use in words.
///
/// Source: HL7 v3 PurposeOfUse.
pub fn why(code: &str) -> &'static str {
    match code {
        "TREAT" => "Treatment",
        "HPAYMT" => "Payment",
        "HOPERAT" => "Operations",
        "PATRQT" => "Patient’s request",
        "ETREAT" | "BTG" => "Emergency",
        _ => "Other",
    }
}

pub fn when(at_ms: i64, now: &Now) -> When {
    let text = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string();
    When::of(&text, now)
}

/// Names by ids, as far as the reader may know them.
pub type Names = HashMap<String, String>;

pub fn entry(leaf: &Leaf, names: &Names, now: &Now) -> Entry {
    let deed = leaf.deed();
    let person = leaf.person().unwrap_or(if leaf.who == "System" { "Vitae" } else { &leaf.who });
    let patients = leaf.patients.iter().take(PATIENTS_MAX);
    let what: String = leaf.what.chars().take(WHAT_CHARS_MAX).collect();
    Entry {
        seq: leaf.seq,
        at: when(leaf.at_ms, now),
        second: zoned(leaf.at_ms, now).strftime("%-d %b %Y, %H:%M:%S").to_string(),
        person: person.to_owned(),
        role: leaf.role.as_deref().unwrap_or_default().replace('-', " "),
        app: leaf.app.clone().unwrap_or_default(),
        why: why(&leaf.why),
        did: did(deed),
        what,
        patients: patients
            .map(|id| (id.clone(), names.get(id).cloned().unwrap_or_else(|| id.clone())))
            .collect(),
        n_more: leaf.patients.len().saturating_sub(PATIENTS_MAX),
        all: leaf.all,
        outcome: outcome(leaf.outcome()),
        is_bad: leaf.outcome() != LeafOutcome::Done,
        address: leaf.address.clone().unwrap_or_default(),
    }
}

/// Leaves, newest first, as visits, the newest first: what one person did by one way without a
/// long pause is one.
pub fn visits(leaves: &[Leaf], names: &Names, now: &Now) -> Vec<Visit> {
    type Way<'l> = (&'l str, Option<&'l str>, Option<&'l str>, &'l str);
    let mut open: HashMap<Way<'_>, (usize, i64)> = HashMap::new();
    let mut groups: Vec<Vec<&Leaf>> = Vec::new();
    for leaf in leaves {
        let way = (leaf.who.as_str(), leaf.person(), leaf.app.as_deref(), leaf.why.as_str());
        match open.get_mut(&way) {
            Some((group, last_ms)) if *last_ms - leaf.at_ms <= PAUSE_MS => {
                groups[*group].push(leaf);
                *last_ms = leaf.at_ms;
            }
            _ => {
                open.insert(way, (groups.len(), leaf.at_ms));
                groups.push(vec![leaf]);
            }
        }
    }
    groups.iter().filter_map(|group| visit(group, names, now)).collect()
}

fn visit(group: &[&Leaf], names: &Names, now: &Now) -> Option<Visit> {
    let entries: Vec<Entry> = group.iter().map(|leaf| entry(leaf, names, now)).collect();
    let (newest, oldest) = (entries.first()?, entries.last()?);
    Some(Visit {
        person: newest.person.clone(),
        role: newest.role.clone(),
        app: newest.app.clone(),
        why: newest.why,
        begun: oldest.at.clone(),
        ended: newest.at.clone(),
        did: counted(group),
        is_bad: entries.iter().any(|entry| entry.is_bad),
        entries,
    })
}

/// What was done and how often, in the order of [`Deed::ALL`].
fn counted(group: &[&Leaf]) -> Vec<String> {
    let count = |deed: Deed| match group.iter().filter(|leaf| leaf.deed() == deed).count() {
        0 => None,
        1 => Some(did(deed).to_owned()),
        n => Some(format!("{} {n} times", did(deed))),
    };
    Deed::ALL.into_iter().filter_map(count).collect()
}

/// Day, recipient, purpose, and whether it is the patient's own app.
type Line<'l> = (String, String, &'l str, bool);

/// Disclosures by day and recipient, the newest first. What one recipient was given on a day is
/// one line, as 164.528(b)(3) permits.
pub fn disclosures(leaves: &[Leaf], own: &str, now: &Now) -> Vec<Disclosure> {
    let mut lines: Vec<(Line<'_>, Vec<&Leaf>)> = Vec::new();
    for leaf in leaves.iter().filter(|leaf| leaf.outcome() == LeafOutcome::Done) {
        let recipient = match (&leaf.app, leaf.deed()) {
            (Some(app), _) => app.clone(),
            (None, Deed::Export) => "A copy made by the practice (export)".to_owned(),
            (None, _) => leaf.person().unwrap_or(&leaf.who).to_owned(),
        };
        let day = day(leaf.at_ms, now);
        let is_own = leaf.role.as_deref() == Some("patient");
        let line = (day, recipient, leaf.why.as_str(), is_own);
        match lines.iter_mut().rev().find(|(known, _)| *known == line) {
            Some((_, list)) => list.push(leaf),
            None => lines.push((line, vec![leaf])),
        }
    }
    let of = |((day, recipient, purpose, is_own), list): (Line<'_>, Vec<&Leaf>)| {
        let mut types: Vec<&str> =
            list.iter().filter_map(|leaf| leaf.resource_type()).map(|rt| rt.name()).collect();
        types.sort_unstable();
        types.dedup();
        let mut description = counted(&list).join(", ");
        if !types.is_empty() {
            description = format!("{description}: {}", types.join(", "));
        }
        if list.iter().any(|leaf| leaf.all || leaf.what == format!("export Patient/{own}")) {
            description = "The whole chart".to_owned();
        }
        Disclosure {
            day,
            recipient,
            address: list[0].address.clone().unwrap_or_default(),
            description,
            purpose: why(purpose),
            suspended: String::new(),
            is_own,
        }
    };
    lines.into_iter().map(of).collect()
}

/// The day of a time in the practice's zone, `2026-11-23`.
fn day(at_ms: i64, now: &Now) -> String {
    zoned(at_ms, now).date().to_string()
}

fn zoned(at_ms: i64, now: &Now) -> jiff::Zoned {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(now.zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(who: &str, minute: i64, action: char, what: &str) -> Leaf {
        Leaf {
            who: format!("User/{who}"),
            name: Some(who.to_owned()),
            role: Some("provider".to_owned()),
            why: "TREAT".to_owned(),
            at_ms: minute * 60_000,
            action,
            what: what.to_owned(),
            status: 200,
            request: "r".to_owned(),
            ..Leaf::default()
        }
    }

    fn now() -> Now {
        Now::new(1_000 * 60_000, jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn reads_of_one_visit_are_one_line_and_a_pause_begins_another() {
        let mut leaves: Vec<Leaf> =
            (0..40).map(|n| leaf("dora", 100 - n, 'R', "Observation/o")).collect();
        leaves.insert(3, leaf("ned", 98, 'U', "Patient/p"));
        leaves.push(leaf("dora", 60 - 29, 'R', "Patient/p"));
        leaves.push(leaf("dora", 0, 'R', "Patient/p"));
        let visits = visits(&leaves, &Names::new(), &now());
        let shape: Vec<(&str, usize)> =
            visits.iter().map(|visit| (visit.person.as_str(), visit.entries.len())).collect();
        assert_eq!(shape, [("dora", 41), ("ned", 1), ("dora", 1)]);
        assert_eq!(visits[0].did, ["Read 41 times"]);
    }

    #[test]
    fn what_a_program_got_on_a_day_is_one_disclosure() {
        let program = |minute| Leaf {
            who: "Client/c".to_owned(),
            name: Some("Registry".to_owned()),
            role: None,
            ..leaf("c", minute, 'R', "Observation/o")
        };
        let refused = Leaf { status: 403, ..program(1) };
        let own = Leaf {
            app: Some("app".to_owned()),
            role: Some("patient".to_owned()),
            ..leaf("pat", 2, 'R', "Patient/p")
        };
        let day = 24 * 60;
        let found = disclosures(&[program(day), program(3), program(2), own, refused], "p", &now());
        let shape: Vec<(&str, &str, bool)> = found
            .iter()
            .map(|line| (line.day.as_str(), line.recipient.as_str(), line.is_own))
            .collect();
        assert_eq!(
            shape,
            [
                ("1970-01-02", "Registry", false),
                ("1970-01-01", "Registry", false),
                ("1970-01-01", "app", true)
            ]
        );
        assert_eq!(found[1].description, "Read 2 times: Observation");
    }
}
