//! Patient → list row and banner.
//!
//! Source: FHIR R4 patient.html; US Core 6.1 patient extensions (birth sex, interpreter needed);
//! FHIR extension `individual-pronouns`, `individual-genderIdentity`.

use std::borrow::Cow;

use fhir::json::Node;

use crate::{
    view::{Banner, PatientRow, When},
    view_of::{
        Lens, id,
        text::{self, concept, person_name},
    },
    when::age,
};

/// Longest identifier shown whole; a longer one is cut, its beginning identifies it well enough.
const IDENTIFIER_MAX: usize = 20;

pub fn row(patient: Node, lens: &Lens) -> PatientRow {
    let birth = patient.str("birthDate").unwrap_or_default();
    let (kind, value) = identifiers(patient).into_iter().next().unwrap_or_default();
    let identifier = if value.is_empty() { String::new() } else { format!("{kind} {value}") };
    PatientRow {
        id: id(patient),
        name: person_name(patient),
        age: if deceased(patient, lens).is_some() {
            String::new()
        } else {
            age(&birth, lens.now.today())
        },
        sex: sex(patient),
        birth_date: When::of(&birth, &lens.now).exact,
        identifier,
        phone: text::phone(patient).unwrap_or_default(),
        deceased: deceased(patient, lens).is_some(),
        inactive: patient.get("active").and_then(Node::as_bool) == Some(false),
    }
}

/// The banner, without what other resources say: allergies, alerts, visits.
pub fn banner(patient: Node, lens: &Lens) -> Banner {
    let row = row(patient, lens);
    let birth = patient.str("birthDate").unwrap_or_default();
    let died = deceased(patient, lens);
    let age_text = match &died {
        None => row.age.clone(),
        Some(w) if w.iso.is_empty() => String::new(),
        Some(w) => {
            let at = w.iso.get(..10).and_then(|d| d.parse().ok());
            at.map(|at| format!("died at {}", age(&birth, at))).unwrap_or_default()
        }
    };
    let communication = patient
        .list("communication")
        .max_by_key(|c| c.get("preferred").and_then(Node::as_bool) == Some(true));
    let gender =
        extension_concept(patient, "genderIdentity").or_else(|| administrative_gender(patient));
    Banner {
        id: row.id,
        age: age_text,
        gender: gender.filter(|g| !same_gender(g, &row.sex)),
        pronouns: extension_concept(patient, "pronouns"),
        birth_date: if birth.is_empty() {
            "birth date not recorded".to_owned()
        } else {
            row.birth_date
        },
        identifiers: identifiers(patient).into_iter().take(2).collect(),
        phone: text::phone(patient),
        language: communication
            .and_then(|c| c.get("language").and_then(concept))
            .map(|l| l.split(" (").next().unwrap_or(&l).to_owned())
            .filter(|l| !l.starts_with("English")),
        interpreter: interpreter(patient),
        deceased: died,
        inactive: row.inactive,
        sex: row.sex,
        name: row.name,
        ..Banner::default()
    }
}

fn same_gender(gender: &str, sex: &str) -> bool {
    let gender = gender.to_lowercase();
    gender == sex || gender.contains("identifies as") && gender.contains(sex)
}

/// Extensions of the patient whose URL ends with `-name` or `/name`.
fn extensions<'a>(patient: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> {
    patient.list("extension").filter(move |e| {
        e.str("url").is_some_and(|u| {
            u.strip_suffix(name).is_some_and(|head| head.ends_with('-') || head.ends_with('/'))
        })
    })
}

/// An extension that is a concept, directly or in its part `value`.
fn extension_concept(patient: Node, name: &str) -> Option<String> {
    extensions(patient, name).find_map(|e| {
        let nested = e.list("extension").find(|p| p.str("url").as_deref() == Some("value"));
        let holder = nested.unwrap_or(e);
        holder
            .get("valueCodeableConcept")
            .and_then(concept)
            .or_else(|| holder.get("valueCoding")?.str("display").map(Cow::into_owned))
    })
}

fn administrative_gender(patient: Node) -> Option<String> {
    patient.str("gender").map(Cow::into_owned).filter(|g| g != "unknown")
}

/// Sex: birth sex where recorded (US Core), else administrative gender.
fn sex(patient: Node) -> String {
    let birth_sex = extensions(patient, "birthsex").find_map(|e| e.str("valueCode"));
    match birth_sex.as_deref() {
        Some("F") => "female".to_owned(),
        Some("M") => "male".to_owned(),
        _ => patient.str("gender").map_or_else(
            || "sex not recorded".to_owned(),
            |g| match g.as_ref() {
                "unknown" => "sex unknown".to_owned(),
                other => other.to_owned(),
            },
        ),
    }
}

fn deceased(patient: Node, lens: &Lens) -> Option<When> {
    if let Some(when) = lens.when(patient, "deceasedDateTime") {
        return Some(when);
    }
    (patient.get("deceasedBoolean")?.as_bool()?).then(When::default)
}

fn interpreter(patient: Node) -> bool {
    let flag = extensions(patient, "interpreterRequired")
        .any(|e| e.get("valueBoolean").and_then(Node::as_bool) == Some(true));
    // SNOMED CT 373066001 is "Yes".
    flag || extensions(patient, "needed")
        .any(|e| e.get("valueCoding").and_then(|c| c.str("code")).as_deref() == Some("373066001"))
}

/// Identifiers worth a banner: the record number first; never social security, licence, passport.
fn identifiers(patient: Node) -> Vec<(String, String)> {
    const PRIVATE: [&str; 4] = ["SS", "DL", "PPN", "TAX"];
    let mut out: Vec<(u8, String, String)> = patient
        .list("identifier")
        .filter(|i| i.str("use").as_deref() != Some("old"))
        .filter_map(|i| {
            let value = i.str("value")?;
            let code = text::code_in(i, "type").unwrap_or_default();
            let system = i.str("system").unwrap_or_default();
            if PRIVATE.contains(&code.as_ref()) || system.ends_with("us-ssn") {
                return None;
            }
            let (rank, label) = match code.as_ref() {
                "MR" => (0, "MRN".to_owned()),
                "" => (2, "ID".to_owned()),
                _ => (1, text::concept_in(i, "type").unwrap_or_else(|| "ID".to_owned())),
            };
            Some((rank, label, short(&value)))
        })
        .collect();
    out.sort_by_key(|(rank, _, _)| *rank);
    out.dedup_by(|a, b| a.2 == b.2);
    out.into_iter().map(|(_, label, value)| (label, value)).collect()
}

fn short(value: &str) -> String {
    if value.chars().count() <= IDENTIFIER_MAX {
        return value.to_owned();
    }
    let head: String = value.chars().take(8).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::{doc, lens};

    #[test]
    fn a_newborn_without_a_name_still_has_a_banner() {
        let d =
            doc(r#"{"resourceType":"Patient","id":"n","gender":"male","birthDate":"2026-11-10"}"#);
        let b = banner(d.root(), &lens());
        assert_eq!(b.name.sorted(), "Name not recorded");
        assert_eq!((b.age.as_str(), b.sex.as_str()), ("12 d", "male"));
        assert_eq!(b.name.initials(), "?");
    }

    #[test]
    fn nothing_recorded_is_said() {
        let d = doc(r#"{"resourceType":"Patient","id":"x"}"#);
        let b = banner(d.root(), &lens());
        assert_eq!(b.birth_date, "birth date not recorded");
        assert_eq!(b.sex, "sex not recorded");
    }

    #[test]
    fn us_core_extensions_reach_the_banner() {
        let d = doc(
            r#"{"resourceType":"Patient","id":"x","gender":"other","birthDate":"1964-03-05",
            "extension":[
             {"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"},
             {"url":"http://hl7.org/fhir/StructureDefinition/individual-pronouns","extension":[
               {"url":"value","valueCodeableConcept":{"text":"they/them"}}]},
             {"url":"http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired","valueBoolean":true}],
            "identifier":[
             {"type":{"coding":[{"code":"SS"}]},"value":"999-12-3456"},
             {"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-12-3456"},
             {"value":"other"},
             {"type":{"coding":[{"code":"MR"}]},"value":"100581"}],
            "communication":[{"language":{"text":"English"}},{"language":{"text":"Spanish (Mexico)"},"preferred":true}],
            "deceasedDateTime":"2025-03-04"}"#,
        );
        let b = banner(d.root(), &lens());
        assert_eq!(b.sex, "female");
        assert_eq!(b.gender.as_deref(), Some("other"));
        assert_eq!(b.pronouns.as_deref(), Some("they/them"));
        assert!(b.interpreter);
        assert_eq!(b.identifiers.first(), Some(&("MRN".to_owned(), "100581".to_owned())));
        assert!(b.identifiers.iter().all(|(_, v)| !v.contains("999")));
        assert_eq!(b.language.as_deref(), Some("Spanish"));
        assert_eq!(b.age, "died at 60 y");
    }

    #[test]
    fn partial_birth_dates_give_an_age_that_says_so() {
        let d = doc(r#"{"resourceType":"Patient","id":"x","birthDate":"1964"}"#);
        let r = row(d.root(), &lens());
        assert_eq!((r.age.as_str(), r.birth_date.as_str()), ("about 62 y", "1964"));
    }
}
