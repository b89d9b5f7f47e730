//! Observation: its value in words, its abnormal mark, its reference range.
//!
//! Source: FHIR R4 observation.html, v3-ObservationInterpretation, observation.html#refrange.

use fhir::json::Node;

use crate::{
    view::{Flag, Hand},
    view_of::text::{code_in, concept, digits, has_code, quantity, unit_of},
};

/// LOINC codes of vitals with the words that clinicians use, in the order in which they are read.
pub const VITALS: &[(&str, &str)] = &[
    ("85354-9", "Blood pressure"),
    ("55284-4", "Blood pressure"),
    ("8867-4", "Heart rate"),
    ("9279-1", "Respiratory rate"),
    ("2708-6", "Oxygen saturation"),
    ("59408-5", "Oxygen saturation"),
    ("8310-5", "Temperature"),
    ("8331-1", "Temperature, oral"),
    ("29463-7", "Weight"),
    ("8302-2", "Height"),
    ("39156-5", "BMI"),
    ("59576-9", "BMI percentile"),
    ("77606-2", "Weight-for-length percentile"),
    ("9843-4", "Head circumference"),
    ("8289-1", "Head circumference percentile"),
    ("8480-6", "Systolic pressure"),
    ("8462-4", "Diastolic pressure"),
    ("72514-3", "Pain"),
];

/// LOINC codes of common laboratory values with the words that clinicians use.
pub const LABS: &[(&str, &str)] = &[
    ("4548-4", "Hemoglobin A1c"),
    ("17856-6", "Hemoglobin A1c"),
    ("718-7", "Hemoglobin"),
    ("4544-3", "Hematocrit"),
    ("20570-8", "Hematocrit"),
    ("6690-2", "White cells"),
    ("26464-8", "White cells"),
    ("789-8", "Red cells"),
    ("777-3", "Platelets"),
    ("787-2", "MCV"),
    ("785-6", "MCH"),
    ("786-4", "MCHC"),
    ("788-0", "Red cell distribution width"),
    ("21000-5", "Red cell distribution width"),
    ("2345-7", "Glucose"),
    ("2339-0", "Glucose, blood"),
    ("1558-6", "Glucose, fasting"),
    ("3094-0", "Urea nitrogen (BUN)"),
    ("6299-2", "Urea nitrogen (BUN), blood"),
    ("2160-0", "Creatinine"),
    ("38483-4", "Creatinine, blood"),
    ("33914-3", "eGFR"),
    ("48642-3", "eGFR"),
    ("62238-1", "eGFR"),
    ("98979-8", "eGFR"),
    ("69405-9", "eGFR"),
    ("2951-2", "Sodium"),
    ("2823-3", "Potassium"),
    ("2075-0", "Chloride"),
    ("2028-9", "Bicarbonate (CO₂)"),
    ("17861-6", "Calcium"),
    ("1751-7", "Albumin"),
    ("2885-2", "Total protein"),
    ("1975-2", "Bilirubin, total"),
    ("6768-6", "Alkaline phosphatase"),
    ("1742-6", "ALT"),
    ("1920-8", "AST"),
    ("2093-3", "Cholesterol, total"),
    ("2085-9", "HDL cholesterol"),
    ("2089-1", "LDL cholesterol"),
    ("13457-7", "LDL cholesterol, calculated"),
    ("18262-6", "LDL cholesterol, direct"),
    ("2571-8", "Triglycerides"),
    ("3016-3", "TSH"),
    ("11580-8", "TSH"),
    ("3024-7", "Free T4"),
    ("2276-4", "Ferritin"),
    ("1989-3", "Vitamin D, 25-hydroxy"),
    ("2132-9", "Vitamin B12"),
    ("2857-1", "PSA"),
    ("33762-6", "NT-proBNP"),
    ("30934-4", "BNP"),
    ("10839-9", "Troponin I"),
    ("89579-7", "Troponin I, high sensitivity"),
    ("6301-6", "INR"),
    ("34714-6", "INR"),
    ("1988-5", "CRP"),
    ("14959-1", "Albumin/creatinine, urine"),
    ("9318-7", "Albumin/creatinine, urine"),
    ("3084-1", "Uric acid"),
];

/// Reference bands of adult vitals (18 years and over), used only where the record holds neither
/// an interpretation nor a range: (LOINC, low, high).
///
/// Source: usual adult resting ranges; blood pressure 140/90 as in ISH 2020.
pub const ADULT_BANDS: &[(&str, Option<f64>, Option<f64>)] = &[
    ("8867-4", Some(50.0), Some(100.0)),
    ("9279-1", Some(10.0), Some(20.0)),
    ("2708-6", Some(94.0), None),
    ("59408-5", Some(94.0), None),
    ("8310-5", Some(35.5), Some(38.0)),
    ("39156-5", Some(18.5), Some(30.0)),
    ("85354-9", None, Some(140.0)),
    ("8480-6", None, Some(140.0)),
    ("8462-4", None, Some(90.0)),
];

/// Systolic and diastolic, the components of a blood pressure panel.
const SYSTOLIC: &str = "8480-6";
const DIASTOLIC: &str = "8462-4";
pub const DIASTOLIC_HIGH: f64 = 90.0;

/// What an Observation measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// A number, its digits as recorded, its unit; and a second number of a pair.
    Number { value: f64, second: Option<f64>, text: String, unit: String },
    /// Words: a coded answer, a text, an absent reason.
    Words(String),
    /// Nothing: a panel whose members hold the values.
    Nothing,
}

/// Statuses that are not results.
pub fn is_result(o: Node) -> bool {
    !matches!(o.str("status").as_deref(), Some("entered-in-error" | "cancelled"))
}

pub fn measured(o: Node) -> Measured {
    if let Some(m) = pair(o) {
        return m;
    }
    if let Some(m) = value(o) {
        return m;
    }
    let parts: Vec<String> = o
        .list("component")
        .filter_map(|c| {
            let name = c.get("code").and_then(concept)?;
            match value(c)? {
                Measured::Number { text, unit, .. } => Some(format!("{name} {text} {unit}")),
                Measured::Words(w) => Some(format!("{name} {w}")),
                Measured::Nothing => None,
            }
        })
        .map(|p| p.trim_end().to_owned())
        .collect();
    if !parts.is_empty() {
        return Measured::Words(parts.join(" · "));
    }
    match o.get("dataAbsentReason").and_then(concept) {
        Some(reason) => Measured::Words(format!("not measured: {}", reason.to_lowercase())),
        None => Measured::Nothing,
    }
}

/// Blood pressure: systolic and diastolic components as one pair.
fn pair(o: Node) -> Option<Measured> {
    let part = |code: &str| {
        let c = o.list("component").find(|c| has_code(*c, "code", &[code]))?;
        let q = c.get("valueQuantity")?;
        let text = q.get("value")?.as_number()?;
        Some((text.parse::<f64>().ok()?, digits(text), unit_of(q)))
    };
    let (sys, sys_text, unit) = part(SYSTOLIC)?;
    let (dia, dia_text, _) = part(DIASTOLIC)?;
    Some(Measured::Number {
        value: sys,
        second: Some(dia),
        text: format!("{}/{}", whole(&sys_text), whole(&dia_text)),
        unit,
    })
}

/// `132.0` → `132`; pressure is read in whole mmHg.
fn whole(text: &str) -> &str {
    text.strip_suffix(".0").unwrap_or(text)
}

/// `value[x]` of an Observation or a component.
fn value(o: Node) -> Option<Measured> {
    if let Some(q) = o.get("valueQuantity") {
        let number = q.get("value")?.as_number()?;
        let value: f64 = number.parse().ok().filter(|v: &f64| v.is_finite())?;
        let comparator = q.str("comparator").unwrap_or_default();
        return Some(Measured::Number {
            value,
            second: None,
            text: format!("{comparator}{}", digits(number)),
            unit: unit_of(q),
        });
    }
    if let Some(n) = o.get("valueInteger").and_then(|n| n.as_number()) {
        let value: f64 = n.parse().ok()?;
        return Some(Measured::Number {
            value,
            second: None,
            text: n.to_owned(),
            unit: String::new(),
        });
    }
    let text = o
        .get("valueCodeableConcept")
        .and_then(concept)
        .or_else(|| o.str("valueString").map(|s| s.into_owned()))
        .or_else(|| {
            o.get("valueBoolean")?.as_bool().map(|b| if b { "yes" } else { "no" }.to_owned())
        })
        .or_else(|| o.str("valueDateTime").map(|s| s.into_owned()))
        .or_else(|| range_words(o.get("valueRange")?))
        .or_else(|| {
            let r = o.get("valueRatio")?;
            Some(format!("{}:{}", quantity(r.get("numerator")?)?, quantity(r.get("denominator")?)?))
        })?;
    Some(Measured::Words(text))
}

fn range_words(r: Node) -> Option<String> {
    let part = |n| r.get(n).and_then(quantity);
    match (part("low"), part("high")) {
        (Some(l), Some(h)) => Some(format!("{l} to {h}")),
        (Some(l), None) => Some(format!("at least {l}")),
        (None, Some(h)) => Some(format!("at most {h}")),
        (None, None) => None,
    }
}

/// Reference range: limits and words without the unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub words: String,
}

/// The range that applies: of type `normal`, else the first that is not another type.
pub fn range(o: Node) -> Range {
    let kind = |r: &Node| r.get("type").and_then(|_| code_in(*r, "type").map(|c| c.into_owned()));
    let Some(r) = o
        .list("referenceRange")
        .find(|r| kind(r).as_deref() == Some("normal"))
        .or_else(|| o.list("referenceRange").find(|r| kind(r).is_none()))
    else {
        return Range::default();
    };
    let limit = |n: &str| {
        let text = r.get(n)?.get("value")?.as_number()?;
        Some((text.parse::<f64>().ok()?, digits(text)))
    };
    let (low, high) = (limit("low"), limit("high"));
    let words = match (&low, &high) {
        (Some((_, l)), Some((_, h))) => format!("{l}–{h}"),
        (Some((_, l)), None) => format!("≥ {l}"),
        (None, Some((_, h))) => format!("≤ {h}"),
        (None, None) => r.str("text").map(|t| t.into_owned()).unwrap_or_default(),
    };
    Range { low: low.map(|l| l.0), high: high.map(|h| h.0), words }
}

/// The mark: what the source said, else what its range says. `None` when neither is there.
pub fn recorded_flag(o: Node) -> Option<Flag> {
    let coded = o.list("interpretation").flat_map(|i| {
        let codes: Vec<_> = i.list("coding").filter_map(|c| c.str("code")).collect();
        codes
    });
    for code in coded {
        let flag = match code.as_ref() {
            "L" | "LU" => Flag::Low,
            "H" | "HU" => Flag::High,
            "LL" | "<" => Flag::CriticalLow,
            "HH" | ">" => Flag::CriticalHigh,
            "A" | "POS" | "DET" | "R" => Flag::Abnormal,
            "AA" => Flag::Critical,
            "N" | "NEG" | "ND" | "S" => Flag::None,
            _ => continue,
        };
        return Some(flag);
    }
    let range = range(o);
    if range.low.is_none() && range.high.is_none() {
        return None;
    }
    let Measured::Number { value, unit, .. } = measured(o) else { return None };
    same_unit(o, &unit).then(|| by_limits(value, range.low, range.high))
}

/// Limits can only be compared with a value of the same unit.
fn same_unit(o: Node, unit: &str) -> bool {
    o.list("referenceRange")
        .flat_map(|r| [r.get("low"), r.get("high")])
        .flatten()
        .all(|q| q.get("unit").is_none() && q.get("code").is_none() || unit_of(q) == unit)
}

pub fn by_limits(value: f64, low: Option<f64>, high: Option<f64>) -> Flag {
    match (low, high) {
        (Some(l), _) if value < l => Flag::Low,
        (_, Some(h)) if value > h => Flag::High,
        _ => Flag::None,
    }
}

/// By whose hand: home when a patient or related person performed it or the method says so.
pub fn hand(o: Node) -> Hand {
    let by =
        |t: &str| o.list("performer").filter_map(|p| p.str("reference")).any(|r| r.starts_with(t));
    if by("Patient/") || by("RelatedPerson/") {
        Hand::Home
    } else if has_code(o, "category", &["laboratory", "LAB"]) {
        Hand::Lab
    } else {
        Hand::Clinic
    }
}

/// The specimen in a LOINC long common name, where two series would else have one title.
pub fn specimen(title: &str) -> Option<&'static str> {
    [
        (" in Serum", "serum"),
        (" in Blood", "blood"),
        (" in Plasma", "plasma"),
        ("Arterial", "arterial"),
    ]
    .into_iter()
    .find_map(|(part, word)| title.contains(part).then_some(word))
}

/// A LOINC long common name as people say it: without property, system and method.
pub fn short_title(title: &str) -> String {
    let urine = title.contains(" in Urine") && !title.contains("Urine by Test strip");
    let strip = title.contains("in Urine by Test strip");
    let property = match title.split_once(" [").and_then(|(_, r)| r.split_once(']')) {
        Some(("DistWidth", _)) => " distribution width",
        Some(("Entitic mean volume" | "Entitic volume", _)) => " mean volume",
        _ => "",
    };
    let mut text = title;
    for cut in [
        " [",
        " in Blood",
        " in Serum",
        " in Plasma",
        " in Urine",
        " by ",
        " in Arterial",
        " in Capillary",
    ] {
        if let Some((head, _)) = text.split_once(cut) {
            text = head;
        }
    }
    let text = text.strip_suffix("/Hemoglobin.total").unwrap_or(text);
    let text = text.strip_prefix("Body ").map_or_else(
        || text.to_owned(),
        |rest| {
            let mut chars = rest.chars();
            chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
        },
    );
    let text = text.replace(".total", ", total") + property;
    match (strip, urine) {
        (true, _) => format!("{text}, urine strip"),
        (_, true) => format!("{text}, urine"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::doc;

    #[test]
    fn values_of_every_kind() {
        let number = |text: &str, unit: &str| (text.to_owned(), unit.to_owned());
        for (json, text, unit) in [
            (r#"{"valueQuantity":{"value":8.40,"unit":"%"}}"#, "8.40", "%"),
            (
                r#"{"valueQuantity":{"value":0.04,"comparator":"<","unit":"ng/mL"}}"#,
                "<0.04",
                "ng/mL",
            ),
            (r#"{"valueInteger":7}"#, "7", ""),
            (
                r#"{"component":[{"code":{"coding":[{"code":"8462-4"}]},"valueQuantity":{"value":82.0,"code":"mm[Hg]"}},
                {"code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":132,"code":"mm[Hg]"}}]}"#,
                "132/82",
                "mmHg",
            ),
        ] {
            let Measured::Number { text: t, unit: u, .. } = measured(doc(json).root()) else {
                panic!("{json} is a number")
            };
            assert_eq!((t, u), number(text, unit), "{json}");
        }
        for (json, text) in [
            (r#"{"valueCodeableConcept":{"text":"Former smoker (finding)"}}"#, "Former smoker"),
            (r#"{"valueBoolean":false}"#, "no"),
            (r#"{"dataAbsentReason":{"text":"Unknown"}}"#, "not measured: unknown"),
            (
                r#"{"valueRange":{"low":{"value":1,"unit":"g"},"high":{"value":2,"unit":"g"}}}"#,
                "1 g to 2 g",
            ),
            (
                r#"{"component":[{"code":{"text":"Q1"},"valueString":"a"},{"code":{"text":"Q2"},"valueInteger":3}]}"#,
                "Q1 a · Q2 3",
            ),
        ] {
            assert_eq!(measured(doc(json).root()), Measured::Words(text.to_owned()), "{json}");
        }
        assert_eq!(measured(doc("{}").root()), Measured::Nothing);
    }

    #[test]
    fn flags_from_interpretation_before_range() {
        let range = r#""referenceRange":[{"low":{"value":3.5,"unit":"mmol/L"},"high":{"value":5.1,"unit":"mmol/L"}}]"#;
        for (value, interpretation, flag) in [
            ("5.4", "", Some(Flag::High)),
            ("3.4", "", Some(Flag::Low)),
            ("5.1", "", Some(Flag::None)),
            ("5.4", r#","interpretation":[{"coding":[{"code":"N"}]}]"#, Some(Flag::None)),
            ("5.4", r#","interpretation":[{"coding":[{"code":"HH"}]}]"#, Some(Flag::CriticalHigh)),
            ("5.4", r#","interpretation":[{"coding":[{"code":"??"}]}]"#, Some(Flag::High)),
        ] {
            let json = format!(
                r#"{{"valueQuantity":{{"value":{value},"unit":"mmol/L"}},{range}{interpretation}}}"#
            );
            assert_eq!(recorded_flag(doc(&json).root()), flag, "{json}");
        }
        let other = format!(r#"{{"valueQuantity":{{"value":20,"unit":"mg/dL"}},{range}}}"#);
        assert_eq!(recorded_flag(doc(&other).root()), None, "units differ");
        assert_eq!(recorded_flag(doc(r#"{"valueInteger":3}"#).root()), None);
    }

    #[test]
    fn titles_lose_what_only_loinc_needs() {
        for (long, short) in [
            ("Hemoglobin A1c/Hemoglobin.total in Blood", "Hemoglobin A1c"),
            ("Glucose [Mass/volume] in Serum or Plasma", "Glucose"),
            ("Leukocytes [#/volume] in Blood by Automated count", "Leukocytes"),
            ("Microalbumin Creatinine Ratio", "Microalbumin Creatinine Ratio"),
            ("Glucose [Mass/volume] in Urine by Test strip", "Glucose, urine strip"),
            ("Body Weight", "Weight"),
            ("Bilirubin.total [Mass/volume] in Serum or Plasma", "Bilirubin, total"),
            (
                "Erythrocyte [DistWidth] in Blood by Automated count",
                "Erythrocyte distribution width",
            ),
        ] {
            assert_eq!(short_title(long), short);
        }
    }
}
