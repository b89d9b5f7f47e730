//! Condition, MedicationRequest, MedicationStatement, AllergyIntolerance, Immunization, Flag.
//!
//! Source: FHIR R4 condition.html, medicationrequest.html, medicationstatement.html,
//! allergyintolerance.html, immunization.html, flag.html.

use fhir::json::Node;

use crate::{
    view::{Alert, Allergies, Allergy, Immunization, Medication, Problem, Source, Weight},
    view_of::{
        Lens, dosage, id,
        text::{code_in, concept, concept_in, has_code, words},
    },
};

/// SNOMED CT findings of work, schooling, housing and administration: they belong to the story,
/// but not among diseases. Findings that are a danger (abuse, misuse) are not among these.
const SOCIAL: &[&str] = &[
    "160903007",
    "160904001",
    "160968000",
    "160701002",
    "741062008",
    "73438004",
    "224299000",
    "224295006",
    "224355006",
    "266948004",
    "422650009",
    "423315002",
    "73595000",
    "314529007",
    "713458007",
    "5251000175109",
    "446654005",
    "1187604002",
    "105531004",
    "105480006",
    "18643000",
    "424393004",
    "361055001",
];

fn entered_in_error(resource: Node) -> bool {
    has_code(resource, "verificationStatus", &["entered-in-error"])
        || resource.str("status").as_deref() == Some("entered-in-error")
}

/// `None` when entered in error.
pub fn problem(c: Node, lens: &Lens) -> Option<Problem> {
    if entered_in_error(c) {
        return None;
    }
    let clinical = code_in(c, "clinicalStatus").unwrap_or_default();
    let verification = code_in(c, "verificationStatus").unwrap_or_default();
    let ended = lens.when_any(c, &["abatementDateTime"]);
    let active = match clinical.as_ref() {
        "active" | "recurrence" | "relapse" => true,
        "" => ended.is_none() && verification != "refuted",
        _ => false,
    };
    let status = match (clinical.as_ref(), verification.as_ref()) {
        ("recurrence" | "relapse" | "remission", _) => clinical.as_ref(),
        (_, "provisional" | "differential" | "unconfirmed" | "refuted") => verification.as_ref(),
        _ => "",
    };
    let social =
        has_code(c, "category", &["sdoh", "health-concern"]) || has_code(c, "code", SOCIAL);
    Some(Problem {
        id: id(c),
        title: concept_in(c, "code").unwrap_or_else(|| "Problem without a name".to_owned()),
        code: code_in(c, "code").map(|s| s.into_owned()),
        active: active && verification != "refuted",
        status: status.to_owned(),
        severity: concept_in(c, "severity").map(|s| s.to_lowercase()).filter(|s| s == "severe"),
        onset: lens
            .when_any(c, &["onsetDateTime"])
            .or_else(|| lens.when(c.get("onsetPeriod")?, "start"))
            .or_else(|| lens.when(c, "recordedDate")),
        ended: ended.or_else(|| lens.when(c.get("abatementPeriod")?, "end")),
        social,
        source: lens.source(c, &["asserter", "recorder"]),
    })
}

/// MedicationRequest or MedicationStatement; `None` when entered in error or not a prescription.
///
/// `names` of the lens holds the text of referenced Medication resources.
pub fn medication(m: Node, lens: &Lens) -> Option<Medication> {
    if entered_in_error(m) || matches!(m.str("intent").as_deref(), Some("proposal" | "option")) {
        return None;
    }
    let statement = m.str("resourceType").as_deref() == Some("MedicationStatement");
    let status = m.str("status").unwrap_or_default();
    let active = matches!(status.as_ref(), "active" | "on-hold" | "intended" | "unknown");
    let title = m
        .get("medicationCodeableConcept")
        .and_then(concept)
        .or_else(|| lens.who(m.get("medicationReference")?))
        .or_else(|| contained_medication(m))
        .unwrap_or_else(|| "Medication without a name".to_owned());
    let dosage_element = if statement { "dosage" } else { "dosageInstruction" };
    let reason = concept_in(m, "reasonCode")
        .or_else(|| m.list("reasonReference").find_map(|r| lens.who(r)))
        .map(|r| r.to_lowercase());
    let mut source = lens.source(m, &["requester", "informationSource"]);
    let reported = m.get("reportedBoolean").and_then(Node::as_bool) == Some(true);
    if !source.outside && (reported || m.get("reportedReference").is_some()) {
        source = Source { label: "reported".to_owned(), outside: true };
    }
    Some(Medication {
        id: id(m),
        resource: if statement { "MedicationStatement" } else { "MedicationRequest" },
        title,
        dosage: dosage::of(m, dosage_element),
        reason,
        active,
        status: if status == "active" { String::new() } else { words(&status) },
        since: lens
            .when_any(m, &["authoredOn", "effectiveDateTime"])
            .or_else(|| lens.when(m.get("effectivePeriod")?, "start"))
            .or_else(|| lens.when(m, "dateAsserted")),
        prescriber: m.get("requester").and_then(|r| lens.who(r)),
        as_needed: m.list(dosage_element).any(|d| {
            d.get("asNeededBoolean").and_then(Node::as_bool) == Some(true)
                || d.get("asNeededCodeableConcept").is_some()
        }),
        source,
    })
}

fn contained_medication(m: Node) -> Option<String> {
    let reference = m.get("medicationReference")?.str("reference")?;
    let wanted = reference.strip_prefix('#')?;
    let medication = m.list("contained").find(|c| c.str("id").as_deref() == Some(wanted))?;
    concept_in(medication, "code")
}

/// Codes that say "none known" instead of naming a substance (SNOMED CT; FHIR R4
/// allergyintolerance.html#none).
const NONE_KNOWN: &[&str] = &["716186003", "409137002", "428607008", "429625007"];

/// All AllergyIntolerances of a patient: not recorded, none known, or the list, the most
/// dangerous first.
pub fn allergies<'a>(list: impl Iterator<Item = Node<'a>>, lens: &Lens) -> Allergies {
    let mut none_known = false;
    let mut out: Vec<Allergy> = Vec::new();
    for a in list {
        if entered_in_error(a) || has_code(a, "verificationStatus", &["refuted"]) {
            continue;
        }
        if has_code(a, "code", NONE_KNOWN) {
            none_known = true;
        } else if !has_code(a, "clinicalStatus", &["inactive", "resolved"]) {
            out.push(allergy(a, lens));
        }
    }
    out.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.substance.cmp(&b.substance)));
    match (out.is_empty(), none_known) {
        (false, _) => Allergies::Listed(out),
        (true, true) => Allergies::NoneKnown,
        (true, false) => Allergies::NotRecorded,
    }
}

pub fn allergy(a: Node, lens: &Lens) -> Allergy {
    let criticality = a.str("criticality").unwrap_or_default();
    let severe = a.list("reaction").any(|r| r.str("severity").as_deref() == Some("severe"));
    let (weight, risk) = match (criticality.as_ref(), severe) {
        ("high", _) => (Weight::High, "high risk"),
        (_, true) => (Weight::High, "severe reaction"),
        ("low", _) => (Weight::Plain, "low risk"),
        ("unable-to-assess", _) => (Weight::Caution, "risk not assessable"),
        _ => (Weight::Caution, "risk not assessed"),
    };
    let reactions: Vec<String> = a
        .list("reaction")
        .flat_map(|r| r.list("manifestation").filter_map(concept))
        .map(|m| m.to_lowercase())
        .collect();
    let status = code_in(a, "verificationStatus").unwrap_or_default();
    let kinds: Vec<String> =
        a.list("category").filter_map(|c| c.as_str()).map(|c| words(&c)).collect();
    let substance = concept_in(a, "code")
        .or_else(|| a.list("reaction").find_map(|r| concept_in(r, "substance")))
        .unwrap_or_else(|| "Substance not named".to_owned());
    Allergy {
        id: id(a),
        substance,
        weight,
        criticality: risk.to_owned(),
        reactions: reactions.join(", "),
        kind: kinds.join(", "),
        status: if status == "unconfirmed" { "unconfirmed".to_owned() } else { String::new() },
        recorded: lens.when_any(a, &["recordedDate", "onsetDateTime"]),
        source: lens.source(a, &["recorder", "asserter"]),
    }
}

/// `None` when entered in error.
pub fn immunization(i: Node, lens: &Lens) -> Option<Immunization> {
    if entered_in_error(i) {
        return None;
    }
    let status = i.str("status").unwrap_or_default();
    let mut source = lens.source(i, &["performer"]);
    if !source.outside && i.get("primarySource").and_then(Node::as_bool) == Some(false) {
        let label = concept_in(i, "reportOrigin").unwrap_or_else(|| "reported".to_owned());
        source = Source { label, outside: true };
    }
    let dose = i.list("protocolApplied").find_map(|p| {
        let n = p.get("doseNumberPositiveInt").and_then(|n| n.as_number().map(str::to_owned));
        n.or_else(|| p.str("doseNumberString").map(|s| s.into_owned()))
    });
    Some(Immunization {
        id: id(i),
        title: concept_in(i, "vaccineCode").unwrap_or_else(|| "Vaccine not named".to_owned()),
        when: lens
            .when_any(i, &["occurrenceDateTime", "occurrenceString", "recorded"])
            .unwrap_or_default(),
        dose,
        lot: i.str("lotNumber").map(|s| s.into_owned()),
        site: concept_in(i, "site"),
        given: status == "completed",
        status: words(&status),
        source,
    })
}

/// An active Flag as an alert; `None` for others.
pub fn alert(f: Node) -> Option<Alert> {
    if f.str("status").as_deref() != Some("active") {
        return None;
    }
    let text = concept_in(f, "code")?;
    let weight = if has_code(f, "category", &["safety", "clinical", "behavioral", "drug"]) {
        Weight::Caution
    } else {
        Weight::Plain
    };
    Some(Alert { text, weight })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::{doc, lens};

    #[test]
    fn allergies_tell_never_asked_from_none() {
        let check = |json: &str| {
            let d = doc(json);
            allergies(d.root().items(), &lens())
        };
        assert!(matches!(check("[]"), Allergies::NotRecorded));
        let none = r#"{"code":{"coding":[{"code":"716186003"}]}}"#;
        assert!(matches!(check(&format!("[{none}]")), Allergies::NoneKnown));
        let error = r#"{"verificationStatus":{"coding":[{"code":"entered-in-error"}]},"code":{"text":"Cat"}}"#;
        assert!(matches!(check(&format!("[{error}]")), Allergies::NotRecorded));
        let latex = r#"{"code":{"text":"Latex"},"criticality":"low"}"#;
        let nuts = r#"{"code":{"text":"Peanut"},"reaction":[{"severity":"severe","manifestation":[{"text":"Anaphylaxis"}]}]}"#;
        let Allergies::Listed(list) = check(&format!("[{none},{latex},{nuts}]")) else {
            panic!("a list was expected")
        };
        assert_eq!(list[0].substance, "Peanut");
        assert_eq!(
            (list[0].weight, list[0].criticality.as_str()),
            (Weight::High, "severe reaction")
        );
        assert_eq!(list[1].criticality, "low risk");
    }

    #[test]
    fn problems_by_status() {
        for (json, active, status, social) in [
            (r#"{"code":{"text":"Gout"}}"#, true, "", false),
            (r#"{"abatementDateTime":"2020"}"#, false, "", false),
            (
                r#"{"clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"provisional"}]}}"#,
                true,
                "provisional",
                false,
            ),
            (
                r#"{"clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"refuted"}]}}"#,
                false,
                "refuted",
                false,
            ),
            (r#"{"clinicalStatus":{"coding":[{"code":"resolved"}]}}"#, false, "", false),
            (
                r#"{"code":{"coding":[{"code":"160903007","display":"Full-time employment (finding)"}]}}"#,
                true,
                "",
                true,
            ),
        ] {
            let d = doc(json);
            let p = problem(d.root(), &lens()).expect("not in error");
            assert_eq!((p.active, p.status.as_str(), p.social), (active, status, social), "{json}");
        }
    }

    #[test]
    fn medications_find_their_name_and_reason() {
        let mut lens = lens();
        lens.names.insert("Medication/1".to_owned(), "Fluoride gel".to_owned());
        let d = doc(
            r#"{"resourceType":"MedicationRequest","id":"m","status":"active","intent":"order",
            "medicationReference":{"reference":"Medication/1"},"reportedBoolean":true,
            "reasonReference":[{"display":"Gingivitis (disorder)"}]}"#,
        );
        let m = medication(d.root(), &lens).expect("shown");
        assert_eq!((m.title.as_str(), m.reason.as_deref()), ("Fluoride gel", Some("gingivitis")));
        assert!(m.source.outside && m.active && m.dosage.is_empty());
        let d = doc(r##"{"status":"stopped","contained":[{"id":"a","code":{"text":"Aspirin"}}],
            "medicationReference":{"reference":"#a"}}"##);
        let m = medication(d.root(), &lens).expect("shown");
        assert_eq!((m.title.as_str(), m.active, m.status.as_str()), ("Aspirin", false, "stopped"));
        let d = doc(r#"{"status":"entered-in-error"}"#);
        assert!(medication(d.root(), &lens).is_none());
    }
}
