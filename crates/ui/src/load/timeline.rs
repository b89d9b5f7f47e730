//! One timeline of everything: a merge of searches by date, cut where one of them ends.
//!
//! Each type is asked for its newest `n` before a moment. Where a type has more, what is older
//! than its oldest answer is not complete, so the page ends there (the horizon) and the next page
//! begins with it. Nothing is repeated and nothing is left out.

use std::rc::Rc;

use fhir::json::{Doc, Node};
use jiff::Timestamp;

use crate::{
    load::{FACTS_MAX, Failure, Reads, has_next, of_type, resources},
    view::{Entry, Kind, Timeline},
    view_of::{Lens, entry, measure},
};

/// What part of the timeline.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub kind: Option<Kind>,
    pub outside_only: bool,
    /// Nothing newer than this, UTC milliseconds.
    pub before_ms: Option<i64>,
    /// Entries wanted; a moment is never split, so there may be a few more.
    pub limit: usize,
}

impl Default for Ask {
    fn default() -> Ask {
        Ask { kind: None, outside_only: false, before_ms: None, limit: LIMIT }
    }
}

/// Entries of a page.
pub const LIMIT: usize = 50;
/// Rounds made to find entries that pass a filter.
const ROUNDS_MAX: usize = 6;
/// Resources of one type asked for at once, and when all of them share one moment.
const EACH: u32 = 40;
const EACH_MAX: u32 = 1000;
const MINUTE_MS: i64 = 60_000;

/// Types of the timeline: the kind, the date parameter, or none where all are read at once.
const SOURCES: &[(&str, Kind, Option<&str>)] = &[
    ("Encounter", Kind::Visit, Some("date")),
    ("Condition", Kind::Problem, None),
    ("MedicationRequest", Kind::Medication, Some("authoredon")),
    ("MedicationStatement", Kind::Medication, None),
    ("AllergyIntolerance", Kind::Allergy, None),
    ("Immunization", Kind::Immunization, Some("date")),
    ("Procedure", Kind::Procedure, Some("date")),
    ("DocumentReference", Kind::Document, Some("date")),
    ("ServiceRequest", Kind::Order, Some("authored")),
    ("DiagnosticReport", Kind::Result, Some("date")),
    ("Observation", Kind::Vital, Some("date")),
];

/// True when entries of this type can pass the filter.
fn wanted(rt: &str, kind: Kind, filter: Option<Kind>) -> bool {
    match filter {
        None => true,
        Some(Kind::Result | Kind::Vital | Kind::Other) if rt == "Observation" => true,
        Some(f) => f == kind,
    }
}

/// A page of the timeline of a patient.
pub fn timeline(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    ask: &Ask,
) -> Result<Timeline, Failure> {
    let passes =
        |e: &Entry| ask.kind.is_none_or(|k| e.kind == k) && (!ask.outside_only || e.source.outside);
    let mut shown: Vec<Entry> = Vec::new();
    let mut before = ask.before_ms;
    for _ in 0..ROUNDS_MAX {
        let round = round(reads, lens, patient, ask.kind, before)?;
        shown.extend(round.entries.into_iter().filter(passes));
        before = round.next_ms;
        if before.is_none() || shown.len() >= ask.limit.min(12) {
            break;
        }
    }
    entry::sort(&mut shown);
    if let Some(cut) = cut(&shown, ask.limit) {
        before = shown.get(cut - 1).map(|e| e.when.at_ms - 1);
        shown.truncate(cut);
    }
    let earlier = before.map(|ms| {
        let kind = ask.kind.map(|k| format!("kind={}&", k.slug())).unwrap_or_default();
        let outside = if ask.outside_only { "source=outside&" } else { "" };
        format!("{kind}{outside}before={ms}")
    });
    let entries = entry::fold_repeats(shown);
    Ok(Timeline { entries, kind: ask.kind, outside_only: ask.outside_only, earlier })
}

/// Where to end a page that is too long: after `limit`, not within one moment. Undated entries
/// come last and are never cut off, because no later page would begin with them.
fn cut(entries: &[Entry], limit: usize) -> Option<usize> {
    let last = entries.get(limit.checked_sub(1)?)?;
    let rest = entries.get(limit..)?;
    let same = rest.iter().take_while(|e| e.when.at_ms == last.when.at_ms).count();
    let cut = limit + same;
    let dated = entries.get(cut).is_some_and(|e| !e.when.iso.is_empty());
    (dated && !last.when.iso.is_empty()).then_some(cut)
}

struct Round {
    entries: Vec<Entry>,
    /// Where the next round begins; none: this was all.
    next_ms: Option<i64>,
}

fn round(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    filter: Option<Kind>,
    before: Option<i64>,
) -> Result<Round, Failure> {
    for each in [EACH, EACH_MAX] {
        let docs = fetch(reads, patient, filter, before, each)?;
        let all: Vec<Rc<Doc>> = docs.iter().map(|(d, _)| Rc::clone(d)).collect();
        reads.name_references(lens, &all)?;
        let horizon = docs.iter().filter_map(|(d, dated)| oldest(d, *dated, lens)).max();
        // Whole minutes, as measurements are grouped by the minute.
        let floor = horizon.map(|ms| (ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS);
        let is_in = |r: &Node| {
            let at = moment(*r, lens);
            let newest = before.is_none_or(|b| at.is_none_or(|at| at <= b));
            let complete = floor.is_none_or(|f| at.is_some_and(|at| at >= f));
            newest && complete
        };
        let entries = entries(&all, patient, lens, &is_in);
        if !entries.is_empty() || floor.is_none() {
            return Ok(Round { entries, next_ms: floor.map(|f| f - 1) });
        }
        if each == EACH_MAX {
            // More than can be read lies in one minute: show what was read and go on before it.
            let any = entries_all(&all, patient, lens, before);
            return Ok(Round { entries: any, next_ms: horizon.map(|h| h - 1) });
        }
    }
    Ok(Round { entries: Vec::new(), next_ms: None })
}

fn fetch(
    reads: &Reads,
    patient: &str,
    filter: Option<Kind>,
    before: Option<i64>,
    each: u32,
) -> Result<Vec<(Rc<Doc>, bool)>, Failure> {
    let mut out = Vec::new();
    for (rt, kind, date) in SOURCES {
        if !wanted(rt, *kind, filter) {
            continue;
        }
        let query = match date {
            None => format!("patient={patient}&_count={FACTS_MAX}"),
            Some(param) => {
                let n = if *rt == "Observation" { (each * 2).min(EACH_MAX) } else { each };
                let bound = before
                    .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                    .map(|t| format!("&{param}=le{}", t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")))
                    .unwrap_or_default();
                let category = match (*rt, filter) {
                    ("Observation", Some(Kind::Vital)) => "&category=vital-signs",
                    ("Observation", Some(Kind::Result)) => "&category=laboratory",
                    _ => "",
                };
                format!("patient={patient}{category}{bound}&_sort=-{param}&_count={n}")
            }
        };
        out.push((reads.search_open(rt, &query)?, date.is_some()));
    }
    Ok(out)
}

/// Moment of the oldest answer of a type that has more; none when it is complete.
fn oldest(doc: &Doc, dated: bool, lens: &Lens) -> Option<i64> {
    if !dated || !has_next(doc) {
        return None;
    }
    resources(doc).filter_map(|r| moment(r, lens)).min()
}

/// When a resource stands in the timeline, UTC milliseconds; none without a date.
fn moment(r: Node, lens: &Lens) -> Option<i64> {
    let when = match r.str("resourceType").as_deref() {
        Some("Observation" | "DiagnosticReport") => measure::when(r, lens),
        _ => entry::entry(r, "", lens)?.when,
    };
    (!when.iso.is_empty()).then_some(when.at_ms)
}

fn entries(
    docs: &[Rc<Doc>],
    patient: &str,
    lens: &Lens,
    is_in: &dyn Fn(&Node) -> bool,
) -> Vec<Entry> {
    let mut out = Vec::new();
    let mut reports = Vec::new();
    let mut observations = Vec::new();
    for doc in docs {
        reports.extend(of_type(doc, "DiagnosticReport").filter(|r| is_in(r)));
        observations.extend(of_type(doc, "Observation").filter(|r| is_in(r)));
        out.extend(
            resources(doc).filter(|r| is_in(r)).filter_map(|r| entry::entry(r, patient, lens)),
        );
    }
    out.extend(entry::measured_entries(&reports, &observations, patient, lens));
    entry::sort(&mut out);
    out
}

fn entries_all(docs: &[Rc<Doc>], patient: &str, lens: &Lens, before: Option<i64>) -> Vec<Entry> {
    entries(docs, patient, lens, &|r| {
        before.is_none_or(|b| moment(*r, lens).is_none_or(|at| at <= b))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::view_of::testing::lens;

    /// A record of encounters and procedures, one a day, that answers as the door does.
    fn answer(rt: &str, query: &str, days: i64, each_day: usize) -> String {
        let get = |name: &str| {
            query.split('&').find_map(|p| p.strip_prefix(&format!("{name}=")).map(str::to_owned))
        };
        let count: usize = get("_count").and_then(|c| c.parse().ok()).expect("a bound");
        let le = get("date").map(|d| d.trim_start_matches("le").to_owned());
        let mut rows = Vec::new();
        for day in (0..days).rev() {
            for n in 0..each_day {
                let at = Timestamp::from_second(1_600_000_000 + day * 86_400).expect("a time");
                let text = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                if le.as_ref().is_none_or(|le| text <= *le) {
                    rows.push((text, format!("{rt}-{day}-{n}")));
                }
            }
        }
        let more = rows.len() > count;
        rows.truncate(count);
        let entries: Vec<String> = rows
            .iter()
            .map(|(at, id)| {
                format!(
                    r#"{{"resource":{{"resourceType":"{rt}","id":"{id}","status":"completed","type":[{{"text":"{id}"}}],"code":{{"text":"{id}"}},
                    "period":{{"start":"{at}"}},"performedDateTime":"{at}"}}}}"#
                )
            })
            .collect();
        let link = if more { r#""link":[{"relation":"next","url":"x"}],"# } else { "" };
        format!(r#"{{"resourceType":"Bundle",{link}"entry":[{}]}}"#, entries.join(","))
    }

    fn walk(encounter_days: i64, procedures_a_day: usize) -> (Vec<String>, usize) {
        let search = |rt: &str, query: &str| {
            let text = match rt {
                "Encounter" => answer(rt, query, encounter_days, 1),
                "Procedure" => answer(rt, query, 30, procedures_a_day),
                _ => "{}".to_owned(),
            };
            Doc::parse(text.as_bytes()).map_err(|_| Failure::Ours)
        };
        let read = |_: &str, _: &str| Err(Failure::NotFound);
        let reads = Reads::new(&search, &read, &|_, _| Err(Failure::NotFound));
        let mut ids = Vec::new();
        let mut ask = Ask::default();
        for pages in 1..200 {
            let page = timeline(&reads, &mut lens(), "p", &ask).expect("answers");
            for e in &page.entries {
                assert!(e.repeated.is_none());
                ids.push(e.id.clone());
            }
            let Some(earlier) = page.earlier else { return (ids, pages) };
            let before = earlier.strip_prefix("before=").and_then(|b| b.parse().ok());
            ask = Ask { before_ms: before, ..ask };
        }
        panic!("the timeline never ends");
    }

    #[test]
    fn pages_show_everything_once() {
        for (days, each) in [(0, 0), (3, 1), (130, 7), (400, 1), (1000, 0), (2, 60)] {
            let (ids, pages) = walk(days, each);
            let unique: BTreeSet<&String> = ids.iter().collect();
            let all = usize::try_from(days).expect("small") + 30 * each;
            assert_eq!(unique.len(), all, "{days} days, {each} each: all");
            assert_eq!(ids.len(), all, "{days} days, {each} each: once");
            assert!(pages <= 2 + all / 8, "{days} days, {each} each: {pages} pages");
        }
    }
}
