//! The practice as a whole: same bytes from the same seed, references that resolve, resources that
//! hold to R4, and people who are believable.

use std::collections::{BTreeMap, HashSet};

use fhir::check::check_resource;
use fhir::json::{Doc, Node};
use generate::{Options, Practice, PracticeKind};

fn practice(kind: PracticeKind, patients: u64) -> Practice {
    Practice::new(Options { seed: 42, patients, kind, today: (2026, 11, 23) })
}

/// FNV-1a, enough to notice a changed byte.
fn hash(text: &str, start: u64) -> u64 {
    text.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn resources<'d>(bundle: &'d Doc) -> impl Iterator<Item = Node<'d>> + 'd {
    bundle.root().list("entry").map(|entry| entry.get("resource").expect("an entry has a resource"))
}

fn parse(text: String) -> Doc {
    Doc::parse(text.into_bytes()).expect("a Bundle is JSON")
}

#[test]
fn same_options_give_the_same_bytes() {
    let mut total = 0xcbf2_9ce4_8422_2325;
    for kind in KINDS {
        let (one, two) = (practice(kind, 40), practice(kind, 40));
        total = hash(&one.foundation(), total);
        for index in (0..40).rev() {
            assert_eq!(one.patient_bundle(index), two.patient_bundle(index), "patient {index}");
        }
        for index in 0..40 {
            total = hash(&one.patient_bundle(index), total);
        }
    }
    assert_eq!(format!("{total:016x}"), GOLDEN, "the bytes changed; when meant, set the new hash");
}

const GOLDEN: &str = "4c53200ca832a770";

const KINDS: [PracticeKind; 4] = [
    PracticeKind::PrimaryCare,
    PracticeKind::Medspa,
    PracticeKind::Concierge,
    PracticeKind::Specialty,
];

#[test]
fn another_seed_gives_other_people() {
    let one = practice(PracticeKind::PrimaryCare, 40);
    let other = Practice::new(Options {
        seed: 43,
        patients: 40,
        kind: PracticeKind::PrimaryCare,
        today: (2026, 11, 23),
    });
    assert_ne!(one.patient_bundle(20), other.patient_bundle(20));
}

#[test]
fn every_resource_holds_to_the_structure_of_r4() {
    for (kind, patients) in KINDS.into_iter().zip([120, 40, 40, 40]) {
        let practice = practice(kind, patients);
        check_bundle(practice.foundation());
        for index in 0..patients {
            check_bundle(practice.patient_bundle(index));
        }
    }
    for bundle in practice(PracticeKind::PrimaryCare, 10).heavy_patient_bundles(120) {
        check_bundle(bundle);
    }
}

fn check_bundle(text: String) {
    let bundle = parse(text);
    for resource in resources(&bundle) {
        let issues = check_resource(resource);
        assert!(issues.is_empty(), "{issues:#?}\n{}", resource.to_compact());
    }
    let issues = check_resource(bundle.root());
    assert!(issues.is_empty(), "{issues:#?}");
}

#[test]
fn references_stay_within_the_patient_and_the_foundation() {
    for kind in KINDS {
        let practice = practice(kind, 60);
        let mut shared = HashSet::new();
        let foundation = parse(practice.foundation());
        collect_ids(&foundation, &mut shared);
        check_references(foundation.root(), &shared, &HashSet::new());
        for index in 0..60 {
            let bundle = parse(practice.patient_bundle(index));
            let mut own = HashSet::new();
            collect_ids(&bundle, &mut own);
            check_references(bundle.root(), &shared, &own);
            assert!(own.is_disjoint(&shared));
        }
    }
}

#[test]
fn a_heavy_patient_can_be_imported_bundle_by_bundle() {
    let practice = practice(PracticeKind::PrimaryCare, 60);
    let mut known = HashSet::new();
    collect_ids(&parse(practice.foundation()), &mut known);
    let mut encounters = 0;
    let bundles = practice.heavy_patient_bundles(1000);
    assert_eq!(bundles.len(), 10);
    for bundle in bundles {
        let bundle = parse(bundle);
        let mut own = HashSet::new();
        collect_ids(&bundle, &mut own);
        check_references(bundle.root(), &known, &own);
        encounters += own.iter().filter(|id| id.starts_with("Encounter/")).count();
        assert!(own.len() <= 10_000, "{} entries", own.len());
        known.extend(own);
    }
    assert!((1000..1100).contains(&encounters), "{encounters} encounters");
}

/// Adds `Type/id` of each entry; ids are valid, unique, and agree with the request.
fn collect_ids(bundle: &Doc, ids: &mut HashSet<String>) {
    for entry in bundle.root().list("entry") {
        let resource = entry.get("resource").expect("an entry has a resource");
        let kind = resource.str("resourceType").expect("a type");
        let id = resource.str("id").expect("an id");
        assert!(id.len() <= 64, "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'), "{id}");
        let own = format!("{kind}/{id}");
        let url = entry.get("request").and_then(|r| r.str("url")).expect("a url");
        assert_eq!(url, own);
        assert!(entry.str("fullUrl").is_some_and(|full| full.ends_with(&own)));
        assert!(ids.insert(own), "{kind}/{id} comes twice");
    }
}

fn check_references(node: Node<'_>, shared: &HashSet<String>, own: &HashSet<String>) {
    for (name, member) in node.members() {
        if name == "reference" {
            let to = member.as_str().expect("a reference is a string").into_owned();
            assert!(shared.contains(&to) || own.contains(&to), "{to} does not resolve");
        }
        for item in member.items_or_self() {
            check_references(item, shared, own);
        }
    }
}

/// Elements that US Core 6.1.0 makes mandatory beyond R4, and those it wants supported that every
/// resource of ours can give.
const US_CORE: &[(&str, &[&str])] = &[
    ("Patient", &["extension", "identifier", "name", "gender", "birthDate", "address", "telecom"]),
    ("Encounter", &["identifier", "type", "subject", "period", "serviceProvider"]),
    ("Condition", &["clinicalStatus", "category", "code", "recordedDate", "onsetDateTime"]),
    ("AllergyIntolerance", &["clinicalStatus", "verificationStatus", "code"]),
    (
        "MedicationRequest",
        &["category", "authoredOn", "requester", "dosageInstruction", "encounter"],
    ),
    ("Observation", &["category", "effectiveDateTime", "subject"]),
    ("DiagnosticReport", &["category", "effectiveDateTime", "issued", "performer"]),
    ("Immunization", &["primarySource", "vaccineCode"]),
    ("DocumentReference", &["type", "category", "author", "date", "context"]),
    ("Procedure", &["code", "subject"]),
    ("CarePlan", &["text", "category"]),
    ("Goal", &["startDate", "target"]),
    ("CareTeam", &["status", "participant"]),
    ("Coverage", &["identifier", "relationship", "subscriberId", "type", "class", "period"]),
    ("ServiceRequest", &["code", "occurrenceDateTime", "authoredOn", "requester"]),
    ("Practitioner", &["identifier", "name", "telecom"]),
    ("PractitionerRole", &["practitioner", "organization", "code", "specialty", "telecom"]),
    ("Organization", &["identifier", "active", "name", "telecom", "address"]),
    ("Location", &["status", "name", "managingOrganization"]),
    ("Provenance", &["target", "recorded", "agent"]),
    ("RelatedPerson", &["active", "relationship", "name"]),
];

#[test]
fn us_core_elements_are_there() {
    let practice = practice(PracticeKind::PrimaryCare, 80);
    let mut seen = HashSet::new();
    let patients = (0..80).map(|index| practice.patient_bundle(index));
    for text in std::iter::once(practice.foundation()).chain(patients) {
        let bundle = parse(text);
        for resource in resources(&bundle) {
            let kind = resource.str("resourceType").expect("a type").into_owned();
            let row = US_CORE.iter().find(|(name, _)| *name == kind);
            let Some((_, elements)) = row else { continue };
            for element in *elements {
                let is_there = resource.get(element).is_some();
                assert!(is_there, "{kind}.{element}: {}", resource.to_compact());
            }
            if kind == "Patient" {
                let urls: Vec<String> = resource
                    .list("extension")
                    .filter_map(|e| e.str("url").map(|u| u.into_owned()))
                    .collect();
                for end in ["us-core-race", "us-core-ethnicity", "us-core-birthsex"] {
                    assert!(urls.iter().any(|url| url.ends_with(end)), "no {end}");
                }
            }
            seen.insert(kind);
        }
    }
    assert_eq!(seen.len(), US_CORE.len(), "{seen:?}");
}

#[test]
fn nothing_comes_from_the_future_or_from_before_birth() {
    let practice = practice(PracticeKind::PrimaryCare, 200);
    for index in 0..200 {
        let bundle = parse(practice.patient_bundle(index));
        let patient = resources(&bundle).next().expect("a Patient");
        let birth = patient.str("birthDate").expect("a birth date").into_owned();
        let death = patient.str("deceasedDateTime").map(|d| d.into_owned());
        let last = death.unwrap_or_else(|| "2026-11-23".to_owned());
        for resource in resources(&bundle) {
            for name in [
                "effectiveDateTime",
                "issued",
                "authoredOn",
                "recordedDate",
                "onsetDateTime",
                "abatementDateTime",
                "sent",
                "recorded",
            ] {
                let Some(when) = resource.str(name) else { continue };
                let width = when.len().min(10).min(birth.len());
                assert!(when[..width] >= birth[..width], "{}", resource.to_compact());
                assert!(when[..width] <= last[..width], "{last}: {}", resource.to_compact());
            }
        }
    }
}

#[test]
fn any_day_can_be_today() {
    let days = [(2024, 2, 29), (2026, 1, 1), (2026, 11, 22), (2026, 12, 31), (2030, 7, 4)];
    for today in days {
        for patients in [0, 1, 30] {
            let kind = PracticeKind::PrimaryCare;
            let practice = Practice::new(Options { seed: 9, patients, kind, today });
            let mut shared = HashSet::new();
            collect_ids(&parse(practice.foundation()), &mut shared);
            for index in [0, 4, 11, 29, 999, 1 << 59] {
                let bundle = parse(practice.patient_bundle(index));
                let mut own = HashSet::new();
                collect_ids(&bundle, &mut own);
                check_references(bundle.root(), &shared, &own);
            }
        }
    }
}

#[test]
fn two_thousand_patients_are_made_one_at_a_time() {
    let practice = practice(PracticeKind::PrimaryCare, 2000);
    let mut largest = 0;
    for index in 0..2000 {
        largest = largest.max(practice.patient_bundle(index).len());
    }
    assert!(largest < 16 << 20, "a Bundle of {largest} bytes");
}

/// Counts of a population, by what is looked for.
#[derive(Default)]
struct Census {
    patients: u64,
    resources: u64,
    kinds: BTreeMap<String, u64>,
    problems: BTreeMap<(String, u32), u64>,
    decades: BTreeMap<u32, u64>,
    first_a1c: Vec<f64>,
    last_a1c: Vec<f64>,
    statuses: BTreeMap<String, u64>,
    profiles_missing: BTreeMap<String, u64>,
}

fn census(patients: u64) -> Census {
    let practice = practice(PracticeKind::PrimaryCare, patients);
    let mut census = Census { patients, ..Census::default() };
    for index in 0..patients {
        let bundle = parse(practice.patient_bundle(index));
        count(&mut census, &bundle);
    }
    census
}

fn count(census: &mut Census, bundle: &Doc) {
    let mut decade = 0;
    let mut a1c: Vec<f64> = Vec::new();
    let mut has_diabetes = false;
    for resource in resources(bundle) {
        let kind = resource.str("resourceType").expect("a type").into_owned();
        census.resources += 1;
        match kind.as_str() {
            "Patient" => {
                let birth = resource.str("birthDate").expect("a birth date");
                let year: u32 = birth[..4].parse().expect("a year");
                decade = (2026 - year) / 10;
                *census.decades.entry(decade).or_default() += 1;
            }
            "Condition" => {
                let text = resource.get("code").and_then(|c| c.str("text")).expect("a text");
                has_diabetes |= text == "Type 2 diabetes mellitus";
                *census.problems.entry((text.into_owned(), decade)).or_default() += 1;
            }
            "Observation" => {
                let code = resource.get("code").expect("a code");
                let loinc = code.list("coding").next().and_then(|c| c.str("code"));
                if loinc.as_deref() == Some("4548-4") {
                    let value = resource.get("valueQuantity").and_then(|q| q.get("value"));
                    let number = value.and_then(|v| v.as_number()).expect("a number");
                    a1c.push(number.parse().expect("a decimal"));
                }
            }
            "Appointment" => {
                let status = resource.str("status").expect("a status").into_owned();
                *census.statuses.entry(status).or_default() += 1;
            }
            _ => {}
        }
        if resource.get("meta").is_none() {
            *census.profiles_missing.entry(kind.clone()).or_default() += 1;
        }
        *census.kinds.entry(kind).or_default() += 1;
    }
    if has_diabetes && a1c.len() >= 6 {
        census.first_a1c.push((a1c[0] + a1c[1]) / 2.0);
        census.last_a1c.push((a1c[a1c.len() - 1] + a1c[a1c.len() - 2]) / 2.0);
    }
}

#[test]
fn the_population_is_believable() {
    let census = census(1200);
    let per_patient = census.resources / census.patients;
    assert!((150..=320).contains(&per_patient), "{per_patient} resources per patient");

    let share = |text: &str, decades: std::ops::Range<u32>| {
        let people: u64 = decades.clone().filter_map(|d| census.decades.get(&d)).sum();
        let sick: u64 = decades.filter_map(|d| census.problems.get(&(text.to_owned(), d))).sum();
        sick as f64 / people.max(1) as f64
    };
    let diabetes =
        [share("Type 2 diabetes mellitus", 2..4), share("Type 2 diabetes mellitus", 6..9)];
    assert!(diabetes[0] < 0.06, "diabetes in the young: {diabetes:?}");
    assert!((0.12..0.34).contains(&diabetes[1]), "diabetes in the old: {diabetes:?}");
    let pressure = share("Essential hypertension", 6..9);
    assert!((0.4..0.75).contains(&pressure), "hypertension in the old: {pressure}");
    assert!(share("Essential hypertension", 0..2) < 0.01);
    let asthma = share("Asthma", 1..9);
    assert!((0.06..0.2).contains(&asthma), "asthma: {asthma}");

    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (first, last) = (mean(&census.first_a1c), mean(&census.last_a1c));
    assert!(census.first_a1c.len() > 20, "{} people with diabetes", census.first_a1c.len());
    assert!((6.2..8.9).contains(&first) && last < 8.0, "A1c from {first:.1} to {last:.1}");

    let children: u64 = (0..2).filter_map(|d| census.decades.get(&d)).sum();
    assert!((0.12..0.4).contains(&(children as f64 / 1200.0)), "{children} children");
    for kind in [
        "AllergyIntolerance",
        "Appointment",
        "CarePlan",
        "CareTeam",
        "Communication",
        "Condition",
        "Coverage",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "FamilyMemberHistory",
        "Flag",
        "Goal",
        "Immunization",
        "MedicationRequest",
        "Observation",
        "Patient",
        "Procedure",
        "Provenance",
        "RelatedPerson",
        "ServiceRequest",
    ] {
        assert!(census.kinds.contains_key(kind), "no {kind}");
    }
    for status in ["booked", "fulfilled", "noshow", "arrived", "checked-in", "cancelled"] {
        assert!(census.statuses.contains_key(status), "no {status} appointment");
    }
    for kind in census.profiles_missing.keys() {
        let has_no_profile = ["Appointment", "Communication", "FamilyMemberHistory", "Flag"]
            .contains(&kind.as_str());
        assert!(has_no_profile, "{kind} has a US Core profile but does not say so");
    }
}
