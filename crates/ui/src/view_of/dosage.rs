//! Dosage in words.
//!
//! Source: FHIR R4 dosage.html, datatypes.html#Timing, v3-TimingEvent.
//! Never does arithmetic on doses: every number shown is a number recorded.

use fhir::json::Node;

use crate::view_of::text::{concept, concept_in, dose as quantity, dose_digits};

/// Dosages of element `name` of `resource`.
pub fn of(resource: Node, name: &str) -> String {
    let parts: Vec<String> = resource.list(name).map(one).filter(|p| !p.is_empty()).collect();
    parts.join("; then ")
}

/// One Dosage: its text where there is one, else what its parts say.
pub fn one(dosage: Node) -> String {
    if let Some(text) = dosage.str("text").filter(|t| !t.trim().is_empty()) {
        return text.trim().to_owned();
    }
    if let Some(text) = dosage.str("patientInstruction").filter(|t| !t.trim().is_empty()) {
        return text.trim().to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend(dose(dosage));
    parts.extend(concept_in(dosage, "route").map(|r| route(&r)));
    parts.extend(dosage.get("timing").and_then(timing));
    parts.extend(as_needed(dosage));
    parts
        .extend(dosage.list("additionalInstruction").filter_map(concept).map(|t| t.to_lowercase()));
    parts.extend(dosage.list("maxDosePerPeriod").filter_map(max_dose));
    parts.join(" ")
}

fn dose(dosage: Node) -> Option<String> {
    let first = dosage.list("doseAndRate").next()?;
    if let Some(q) = first.get("doseQuantity") {
        return Some(match (q.str("unit").or_else(|| q.str("code")), q.get("value")) {
            // Synthea and others write a bare count; the form is in the product's name.
            (None, Some(v)) => format!("dose {}", dose_digits(v.as_number()?)),
            _ => quantity(q)?,
        });
    }
    let range = first.get("doseRange")?;
    let (low, high) = (range.get("low"), range.get("high").and_then(quantity)?);
    let low = low.and_then(|l| l.get("value")?.as_number().map(dose_digits));
    Some(match low {
        Some(low) => format!("{low} to {high}"),
        None => format!("up to {high}"),
    })
}

fn route(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "oral" | "oral route" | "po" => "by mouth".to_owned(),
        other => other.to_owned(),
    }
}

fn as_needed(dosage: Node) -> Option<String> {
    if let Some(reason) = concept_in(dosage, "asNeededCodeableConcept") {
        return Some(format!("as needed for {}", reason.to_lowercase()));
    }
    dosage.get("asNeededBoolean")?.as_bool()?.then(|| "as needed".to_owned())
}

fn max_dose(ratio: Node) -> Option<String> {
    let over = ratio.get("denominator").and_then(quantity)?;
    Some(format!("at most {} in {over}", quantity(ratio.get("numerator")?)?))
}

fn timing(timing: Node) -> Option<String> {
    let coded = concept_in(timing, "code").map(|c| match c.as_str() {
        "QD" => "once a day".to_owned(),
        "BID" => "twice a day".to_owned(),
        "TID" => "3 times a day".to_owned(),
        "QID" => "4 times a day".to_owned(),
        "AM" => "every morning".to_owned(),
        "PM" => "every evening".to_owned(),
        "BED" => "at bedtime".to_owned(),
        "Q4H" => "every 4 hours".to_owned(),
        "Q6H" => "every 6 hours".to_owned(),
        "Q8H" => "every 8 hours".to_owned(),
        "QOD" => "every other day".to_owned(),
        "WK" => "once a week".to_owned(),
        "MO" => "once a month".to_owned(),
        other => other.to_owned(),
    });
    let repeat = timing.get("repeat");
    let mut parts: Vec<String> = Vec::new();
    parts.extend(coded.or_else(|| repeat.and_then(frequency)));
    if let Some(r) = repeat {
        let events: Vec<&str> =
            r.list("when").filter_map(|w| w.as_plain_str()).filter_map(event).collect();
        parts.extend((!events.is_empty()).then(|| events.join(" and ")));
        let days: Vec<&str> = r.list("dayOfWeek").filter_map(|d| d.as_plain_str()).collect();
        parts.extend((!days.is_empty()).then(|| format!("on {}", days.join(", "))));
        parts.extend(r.get("boundsDuration").and_then(quantity).map(|d| format!("for {d}")));
        parts.extend(
            r.get("count").and_then(|c| c.as_number()).map(|n| format!("{n} times in all")),
        );
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn frequency(repeat: Node) -> Option<String> {
    let number = |name| repeat.get(name).and_then(|n| n.as_number());
    let unit = match repeat.str("periodUnit")?.as_ref() {
        "s" => "second",
        "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "wk" => "week",
        "mo" => "month",
        "a" => "year",
        _ => return None,
    };
    let times = match (number("frequency").unwrap_or("1"), number("frequencyMax")) {
        (f, Some(max)) => format!("{f} to {max} times"),
        ("1", None) => "once".to_owned(),
        ("2", None) => "twice".to_owned(),
        (f, None) => format!("{f} times"),
    };
    let period = trimmed(number("period").unwrap_or("1"));
    let period_max = number("periodMax").map(trimmed);
    Some(match (times.as_str(), period, period_max) {
        ("once", p, Some(max)) => format!("every {p} to {max} {unit}s"),
        ("once", "1", None) if unit == "hour" => "every hour".to_owned(),
        (_, "1", None) => format!("{times} a {unit}"),
        ("once", p, None) => format!("every {p} {unit}s"),
        (t, p, _) => format!("{t} every {p} {unit}s"),
    })
}

/// `1.0` → `1`.
fn trimmed(number: &str) -> &str {
    number.strip_suffix(".0").unwrap_or(number)
}

fn event(code: &str) -> Option<&'static str> {
    Some(match code {
        "MORN" | "MORN.early" | "MORN.late" => "in the morning",
        "NOON" => "at noon",
        "AFT" | "AFT.early" | "AFT.late" => "in the afternoon",
        "EVE" | "EVE.early" | "EVE.late" => "in the evening",
        "NIGHT" => "at night",
        "HS" => "at bedtime",
        "WAKE" => "on waking",
        "C" => "with meals",
        "CM" => "with breakfast",
        "CD" => "with lunch",
        "CV" => "with dinner",
        "AC" => "before meals",
        "ACM" => "before breakfast",
        "ACD" => "before lunch",
        "ACV" => "before dinner",
        "PC" => "after meals",
        "PCM" => "after breakfast",
        "PCD" => "after lunch",
        "PCV" => "after dinner",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::doc;

    #[test]
    fn dosages_in_words() {
        for (json, text) in [
            (r#"{"text":" 1 tablet by mouth daily "}"#, "1 tablet by mouth daily"),
            (
                r#"{"timing":{"repeat":{"frequency":2,"period":1,"periodUnit":"d","when":["C"]}},
                "route":{"text":"Oral"},"doseAndRate":[{"doseQuantity":{"value":1,"unit":"tablet"}}]}"#,
                "1 tablet by mouth twice a day with meals",
            ),
            (
                r#"{"timing":{"repeat":{"frequency":1,"period":8.0,"periodUnit":"h"}},
                "asNeededBoolean":true,"doseAndRate":[{"doseQuantity":{"value":1.0}}]}"#,
                "dose 1 every 8 hours as needed",
            ),
            (
                r#"{"timing":{"repeat":{"frequency":1,"period":4,"periodMax":6,"periodUnit":"h"}},
                "asNeededCodeableConcept":{"text":"Pain"},
                "doseAndRate":[{"doseRange":{"low":{"value":1,"unit":"tablet"},"high":{"value":2,"unit":"tablet"}}}],
                "maxDosePerPeriod":{"numerator":{"value":8,"unit":"tablet"},"denominator":{"value":24,"unit":"h"}}}"#,
                "1 to 2 tablet every 4 to 6 hours as needed for pain at most 8 tablet in 24 h",
            ),
            (r#"{"timing":{"code":{"coding":[{"code":"BID"}]}}}"#, "twice a day"),
            (
                r#"{"timing":{"repeat":{"frequency":3,"period":1,"periodUnit":"wk","dayOfWeek":["mon","wed","fri"]}}}"#,
                "3 times a week on mon, wed, fri",
            ),
            (r#"{"sequence":1}"#, ""),
            (r#"{}"#, ""),
        ] {
            assert_eq!(one(doc(json).root()), text, "{json}");
        }
    }

    #[test]
    fn a_taper_keeps_its_order() {
        let d = doc(
            r#"{"dosageInstruction":[{"text":"40 mg for 5 days"},{"text":"20 mg for 5 days"}]}"#,
        );
        assert_eq!(of(d.root(), "dosageInstruction"), "40 mg for 5 days; then 20 mg for 5 days");
    }
}
