//! Resources → entries of the timeline.
//!
//! Observations of one moment become one entry: vitals together, and laboratory values under the
//! report that lists them. What is alone stays alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use fhir::json::Node;

use crate::{
    chart::Section,
    view::{Entry, Flag, Kind, When},
    view_of::{
        Lens, clinical, id,
        measure::{title, when},
        observation::{Measured, is_result, measured, range, recorded_flag},
        papers,
        text::{concept_in, has_code, words},
    },
};

/// Values named in one entry before the rest is counted: vitals and what is abnormal are worth
/// more room than what is normal.
const VALUES_MAX: usize = 8;
const NORMAL_MAX: usize = 3;

/// The entry of one resource that stands alone; `None` for what the timeline does not show.
pub fn entry(r: Node, patient: &str, lens: &Lens) -> Option<Entry> {
    let kind_of = r.str("resourceType")?;
    let base = |kind, title: String, when: When| Entry {
        kind,
        resource: kind_of.as_ref().to_owned(),
        id: id(r),
        title,
        when,
        source: lens
            .source(r, &["performer", "serviceProvider", "custodian", "requester", "author"]),
        ..Entry::default()
    };
    let some = |text: String| (!text.is_empty()).then_some(text);
    Some(match kind_of.as_ref() {
        "Encounter" => {
            let v = papers::visit(r, lens)?;
            // Where, only when it is not here.
            let place = v.place.filter(|_| v.source.outside || lens.ours.is_empty());
            let parts: Vec<String> =
                [v.reason, v.who, place, some(v.status)].into_iter().flatten().collect();
            Entry {
                detail: some(parts.join(" · ")),
                source: v.source,
                ..base(Kind::Visit, v.title, v.when)
            }
        }
        "Condition" => {
            let p = clinical::problem(r, lens)?;
            let status = if p.active { some(p.status) } else { Some("resolved".to_owned()) };
            Entry {
                detail: status,
                source: p.source,
                ..base(Kind::Problem, p.title, p.onset.unwrap_or_default())
            }
        }
        "MedicationRequest" | "MedicationStatement" => {
            let m = clinical::medication(r, lens)?;
            let parts: Vec<String> =
                [some(m.dosage), m.reason.map(|r| format!("for {r}")), some(m.status)]
                    .into_iter()
                    .flatten()
                    .collect();
            Entry {
                detail: some(parts.join(" · ")),
                source: m.source,
                ..base(Kind::Medication, m.title, m.since.unwrap_or_default())
            }
        }
        "AllergyIntolerance" => {
            let a = clinical::allergy(r, lens);
            let detail = [a.reactions, a.criticality]
                .into_iter()
                .filter(|s| !s.is_empty())
                .collect::<Vec<_>>()
                .join(" · ");
            Entry {
                detail: some(detail),
                source: a.source,
                ..base(
                    Kind::Allergy,
                    format!("Allergy: {}", a.substance),
                    a.recorded.unwrap_or_default(),
                )
            }
        }
        "Immunization" => {
            let i = clinical::immunization(r, lens)?;
            let status = (!i.given).then_some(i.status).or(i.site);
            Entry { detail: status, source: i.source, ..base(Kind::Immunization, i.title, i.when) }
        }
        "Procedure" => {
            let when = lens
                .when_any(r, &["performedDateTime", "performedString"])
                .or_else(|| lens.when(r.get("performedPeriod")?, "start"))
                .unwrap_or_default();
            let status = r.str("status").unwrap_or_default();
            if status == "entered-in-error" {
                return None;
            }
            let reason = concept_in(r, "reasonCode")
                .or_else(|| r.list("reasonReference").find_map(|x| lens.who(x)));
            let detail = (status != "completed").then(|| words(&status)).or(reason);
            let title = concept_in(r, "code").unwrap_or_else(|| "Procedure".to_owned());
            Entry { detail, ..base(Kind::Procedure, title, when) }
        }
        "DocumentReference" => {
            let d = papers::document(r, lens)?;
            let href = format!("{}/{}", Section::Documents.href(patient), d.id);
            let kind = (d.kind != d.title).then_some(d.kind);
            let detail: Vec<String> = [kind, d.author, d.draft.then(|| "draft".to_owned())]
                .into_iter()
                .flatten()
                .collect();
            Entry {
                detail: some(detail.join(" · ")),
                href: Some(href),
                source: d.source,
                ..base(Kind::Document, d.title, d.when)
            }
        }
        "ServiceRequest" => {
            let title = concept_in(r, "code").unwrap_or_else(|| "Order".to_owned());
            let detail = concept_in(r, "reasonCode").or_else(|| r.str("status").map(|s| words(&s)));
            let when = lens.when_any(r, &["authoredOn", "occurrenceDateTime"]).unwrap_or_default();
            // Who carries it out says nothing about who wrote it.
            let source = lens.source(r, &["requester"]);
            Entry { detail, source, ..base(Kind::Order, title, when) }
        }
        _ => return None,
    })
}

/// Entries of DiagnosticReports and Observations, grouped.
///
/// A report takes the Observations that it lists (those among `observations`); the others are
/// grouped by kind and moment.
pub fn measured_entries<'a>(
    reports: &[Node<'a>],
    observations: &[Node<'a>],
    patient: &str,
    lens: &Lens,
) -> Vec<Entry> {
    let by_id: HashMap<String, Node> = observations.iter().map(|o| (id(*o), *o)).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut out = Vec::new();
    for r in reports {
        let listed: Vec<Node> = r
            .list("result")
            .filter_map(|x| x.str("reference"))
            .filter_map(|x| x.strip_prefix("Observation/").map(str::to_owned))
            .filter_map(|x| by_id.get(&x).copied())
            .collect();
        if has_no_results(*r) {
            continue;
        }
        taken.extend(listed.iter().map(|o| id(*o)));
        out.extend(report(*r, &listed, patient, lens));
    }
    let mut groups: BTreeMap<(i64, &str), Vec<Node>> = BTreeMap::new();
    for o in observations.iter().filter(|o| !taken.contains(&id(**o))) {
        let minute = when(*o, lens).at_ms / 60_000;
        groups.entry((minute, category(*o))).or_default().push(*o);
    }
    out.extend(groups.iter().filter_map(|((_, kind), list)| group(kind, list, patient, lens)));
    out
}

/// A report without results is a note; notes are in the timeline as documents.
fn has_no_results(report: Node) -> bool {
    report.list("result").next().is_none()
        && report.get("presentedForm").is_some()
        && !has_code(report, "category", &["LAB", "laboratory", "RAD", "imaging"])
}

fn category(o: Node) -> &'static str {
    if has_code(o, "category", &["vital-signs"]) {
        "Vitals"
    } else if has_code(o, "category", &["laboratory", "LAB"]) {
        "Laboratory"
    } else if has_code(o, "category", &["social-history"]) {
        "Social history"
    } else if has_code(o, "category", &["survey"]) {
        "Survey"
    } else {
        "Observations"
    }
}

fn report(r: Node, listed: &[Node], patient: &str, lens: &Lens) -> Option<Entry> {
    if r.str("status").as_deref() == Some("entered-in-error") {
        return None;
    }
    let title =
        concept_in(r, "code").map(|t| short_panel(&t)).unwrap_or_else(|| "Report".to_owned());
    let (detail, flag) = values(listed);
    // A report of one number is that number.
    let (title, detail) = match listed {
        [one] => match (measured(*one), range(*one).words) {
            (Measured::Number { text, unit, .. }, words) => {
                let range = (!words.is_empty()).then(|| format!("range {words}"));
                (format!("{} {text} {unit}", crate::view_of::measure::title(*one)), range)
            }
            _ => (title, detail),
        },
        _ => (title, detail),
    };
    let detail = detail.or_else(|| r.str("conclusion").map(|c| c.into_owned()));
    Some(Entry {
        kind: Kind::Result,
        resource: "DiagnosticReport".to_owned(),
        id: id(r),
        title: title.trim_end().to_owned(),
        detail,
        when: when(r, lens),
        flag,
        href: Some(Section::Results.href(patient)),
        source: lens.source(r, &["performer"]),
        repeated: None,
    })
}

fn group(kind: &str, list: &[Node], patient: &str, lens: &Lens) -> Option<Entry> {
    let first = *list.first()?;
    let (detail, flag) = values(list);
    let detail = detail?;
    let vital = kind == "Vitals";
    let (title, detail) = match list {
        [one] if !vital => match measured(*one) {
            Measured::Number { text, unit, .. } => (format!("{} {text} {unit}", title(*one)), None),
            _ => (title(*one), Some(detail)),
        },
        _ => (kind.to_owned(), Some(detail)),
    };
    let (kind, section) = match kind {
        "Vitals" => (Kind::Vital, Section::Vitals),
        "Laboratory" => (Kind::Result, Section::Results),
        _ => (Kind::Other, Section::Results),
    };
    Some(Entry {
        kind,
        resource: "Observation".to_owned(),
        id: id(first),
        title: title.trim_end().to_owned(),
        detail,
        when: when(first, lens),
        flag,
        href: Some(section.href(patient)),
        source: lens.source(first, &["performer"]),
        repeated: None,
    })
}

/// Values in a line, the abnormal first, and the heaviest flag among them.
fn values(list: &[Node]) -> (Option<String>, Flag) {
    let mut parts: Vec<(u8, Flag, String)> = list
        .iter()
        .filter(|o| is_result(**o))
        .filter_map(|o| {
            let flag = recorded_flag(*o).unwrap_or_default();
            let text = match measured(*o) {
                Measured::Number { text, unit, .. } => {
                    format!("{} {text} {unit}", short_vital(&title(*o)))
                }
                Measured::Words(w) => format!("{}: {w}", title(*o)),
                Measured::Nothing => return None,
            };
            let weight = if flag.critical() {
                0
            } else if flag.abnormal() {
                1
            } else {
                2
            };
            let mark = flag.words().0;
            let text = text.trim_end();
            Some((
                weight,
                flag,
                if mark.is_empty() { text.to_owned() } else { format!("{text} {mark}") },
            ))
        })
        .collect();
    parts.sort_by_key(|(weight, _, _)| *weight);
    let flag = parts.first().map(|(_, f, _)| *f).unwrap_or_default();
    let abnormal = parts.iter().filter(|(weight, _, _)| *weight < 2).count();
    let vital = list.iter().any(|o| has_code(*o, "category", &["vital-signs"]));
    let shown = if vital { VALUES_MAX } else { VALUES_MAX.min(abnormal.max(NORMAL_MAX)) };
    let more = parts.len().saturating_sub(shown);
    let mut text: Vec<String> = parts.into_iter().take(shown).map(|(_, _, t)| t).collect();
    match more {
        0 => {}
        n if abnormal <= shown => text.push(format!("{n} more, not marked")),
        n => text.push(format!("{n} more")),
    }
    ((!text.is_empty()).then(|| text.join(" · ")), flag)
}

fn short_vital(title: &str) -> &str {
    match title {
        "Blood pressure" => "BP",
        "Heart rate" => "HR",
        "Respiratory rate" => "RR",
        "Oxygen saturation" => "SpO₂",
        "Temperature" => "T",
        other => other,
    }
}

/// A LOINC panel name as people say it.
pub fn short_panel(text: &str) -> String {
    let head = text.split(" - ").next().unwrap_or(text);
    let head = head.split(" [").next().unwrap_or(head);
    head.strip_suffix(" panel").map_or_else(|| head.to_owned(), |h| format!("{h} panel"))
}

/// Newest first; what has no date last.
pub fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| {
        let key = |e: &Entry| (e.when.iso.is_empty(), -e.when.at_ms, e.kind);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
}

/// Neighbours that say the same (a daily procedure, a weekly refill) become one entry that counts
/// them. Results and vitals never: each of their values matters.
pub fn fold_repeats(entries: Vec<Entry>) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::with_capacity(entries.len());
    for e in entries {
        if let Some(kept) = out.last_mut()
            && kept.kind == e.kind
            && kept.title == e.title
            && kept.detail == e.detail
            && kept.source == e.source
            && !matches!(e.kind, Kind::Result | Kind::Vital | Kind::Document | Kind::Other)
        {
            let n = kept.repeated.take().map_or(0, |(n, _)| n);
            kept.repeated = Some((n + 1, e.when));
        } else {
            out.push(e);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::{doc, lens};

    #[test]
    fn vitals_of_one_moment_are_one_entry() {
        let d = doc(
            r#"[{"id":"a","category":[{"coding":[{"code":"vital-signs"}]}],"code":{"coding":[{"code":"8867-4"}]},
            "effectiveDateTime":"2026-11-10T09:00:00Z","valueQuantity":{"value":77,"unit":"/min"}},
            {"id":"b","category":[{"coding":[{"code":"vital-signs"}]}],"code":{"coding":[{"code":"29463-7"}]},
            "effectiveDateTime":"2026-11-10T09:00:20Z","valueQuantity":{"value":77.6,"unit":"kg"}}]"#,
        );
        let list: Vec<Node> = d.root().items().collect();
        let out = measured_entries(&[], &list, "p", &lens());
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].title, "Vitals");
        assert_eq!(out[0].detail.as_deref(), Some("HR 77 /min · Weight 77.6 kg"));
    }

    #[test]
    fn repeats_fold_but_measurements_do_not() {
        let make = |kind, title: &str| Entry { kind, title: title.to_owned(), ..Entry::default() };
        let list = vec![
            make(Kind::Procedure, "Hospice care"),
            make(Kind::Procedure, "Hospice care"),
            make(Kind::Procedure, "Hospice care"),
            make(Kind::Procedure, "X-ray"),
            make(Kind::Procedure, "Hospice care"),
            make(Kind::Vital, "Vitals"),
            make(Kind::Vital, "Vitals"),
        ];
        let folded = fold_repeats(list);
        let counts: Vec<usize> =
            folded.iter().map(|e| e.repeated.as_ref().map_or(0, |r| r.0)).collect();
        assert_eq!(counts, [2, 0, 0, 0, 0]);
    }

    #[test]
    fn a_report_takes_its_results_the_abnormal_first() {
        let d = doc(
            r#"[{"id":"r","code":{"text":"Basic metabolic panel - Blood"},"effectiveDateTime":"2026-11-10",
              "result":[{"reference":"Observation/a"},{"reference":"Observation/b"},{"reference":"Observation/gone"}]},
            {"id":"a","code":{"text":"Sodium"},"valueQuantity":{"value":140,"unit":"mmol/L"}},
            {"id":"b","code":{"text":"Potassium"},"valueQuantity":{"value":6.4,"unit":"mmol/L"},
              "interpretation":[{"coding":[{"code":"HH"}]}]}]"#,
        );
        let list: Vec<Node> = d.root().items().collect();
        let out = measured_entries(&list[..1], &list[1..], "p", &lens());
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].detail.as_deref(), Some("Potassium 6.4 mmol/L HH · Sodium 140 mmol/L"));
        assert_eq!(out[0].flag, Flag::CriticalHigh);
        assert_eq!(out[0].title, "Basic metabolic panel");
    }
}
