//! Nanoseconds per evaluation of common expressions, the best of several batches.
//!
//! `cargo run --release -p fhirpath --example speed`

use std::hint::black_box;
use std::time::Instant;

use fhir::json::Doc;
use fhir_tables::TypeId;
use fhirpath::{Env, Expr};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","meta":{"versionId":"1",
    "lastUpdated":"2024-01-01T00:00:00Z"},"text":{"status":"generated","div":"<div>x</div>"},
    "extension":[{"url":"http://example.org/a","valueString":"x"}],
    "identifier":[{"system":"http://example.org/mrn","value":"1"},{"system":"u","value":"2"}],
    "name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},
    {"use":"usual","given":["Jim"]}],
    "telecom":[{"system":"phone","value":"1"},{"system":"email","value":"a@b"}],
    "gender":"male","birthDate":"1974-12-25","address":[{"city":"Erewhon","line":["1"]}],
    "maritalStatus":{"text":"M"},"multipleBirthBoolean":false,
    "communication":[{"language":{"text":"English"}}]}"#;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","status":"final",
    "category":[{"coding":[{"system":"c","code":"vital-signs"}]}],
    "code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}],"text":"Weight"},
    "subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},
    "effectiveDateTime":"2024-01-01T00:00:00Z","issued":"2024-01-01T00:00:00Z",
    "valueQuantity":{"value":70.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}"#;

const BATCHES: u32 = 40;
const RUNS_PER_BATCH: u32 = 5_000;

fn main() {
    let cases = [
        ("Patient", PATIENT, "name.given.first()"),
        ("Patient", PATIENT, "Patient.name.given"),
        ("Patient", PATIENT, "Patient.birthDate"),
        ("Patient", PATIENT, "Patient.telecom.where(system='email')"),
        ("Patient", PATIENT, "Patient.deceased.exists() and Patient.deceased != false"),
        ("Patient", PATIENT, "name.where(use = 'official').given.first()"),
        ("Observation", OBSERVATION, "Observation.subject.where(resolve() is Patient)"),
        ("Observation", OBSERVATION, "(Observation.value as Quantity)"),
        ("Observation", OBSERVATION, "Observation.code.coding.code"),
        ("Observation", OBSERVATION, "value.exists() or dataAbsentReason.exists()"),
    ];
    for (ty, json, text) in cases {
        let doc = Doc::parse(json).expect("the JSON is ours");
        let expr = Expr::compile(text, TypeId::by_name(ty)).expect("the expression is ours");
        let env = Env::new(0);
        let mut best_ns = u128::MAX;
        for _ in 0..BATCHES {
            let started = Instant::now();
            for _ in 0..RUNS_PER_BATCH {
                black_box(expr.eval(black_box(doc.root()), &env).expect("it evaluates"));
            }
            best_ns = best_ns.min(started.elapsed().as_nanos() / u128::from(RUNS_PER_BATCH));
        }
        println!("{best_ns:>7} ns  {text}");
    }
}
