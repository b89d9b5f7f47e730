//! Values that nobody sends by mistake: each gets an answer or a clear error, soon.

use std::time::{Duration, Instant};

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::{ResourceType, search_params};
use record::{Ctx, Handling, Kind, Request};

/// Time that one search may take here, where the machine does other things too. The aim is 100 ms.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Nesting, Unicode, patterns, injection, absurd numbers, dates and units.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        " ",
        ",",
        ",,,,",
        "|",
        "||",
        "|||",
        "$",
        "$$$$",
        "\\",
        "\\\\\\",
        "\\,\\|\\$",
        "%00",
        "\0",
        "\u{feff}x",
        "\u{202e}txt.exe",
        "e\u{301}\u{301}\u{301}\u{301}",
        "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
        "ﬁ",
        "İ",
        "ß",
        "\u{ffff}",
        "\u{10ffff}",
        "' OR '1'='1",
        "'; DROP TABLE version; --",
        "\" OR \"\"=\"",
        "1) UNION SELECT * FROM item--",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "../../../../etc/passwd",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "(a+)+$",
        "(((((((((((a*)*)*)*)*)*)*)*)*)*)*b",
        ".*.*.*.*.*x",
        "[[[[[[[[",
        "%%%%%%",
        "____",
        "*",
        "a*",
        "-",
        "\"",
        "NaN",
        "inf",
        "-inf",
        "1e309",
        "-1e309",
        "1e-400",
        "0x10",
        "99999999999999999999999999999999999999",
        "gt",
        "gtgt1",
        "ap1e308",
        "ne",
        "0000-00-00",
        "9999-12-31T23:59:60Z",
        "ap9999",
        "-0001",
        "2020-02-30",
        "2020-01-01T25:00:00",
        "1|http://unitsofmeasure.org|Ym60",
        "1|http://unitsofmeasure.org|((((((((((m",
        "1e300|http://unitsofmeasure.org|Ym",
        "5|http://unitsofmeasure.org|{",
        "NaN|NaN|NaN|NaN",
        "90|180|1e308|Ym",
        "-90|-180|0|fm",
        "http://x|y|z|w",
        "Patient/1/_history/2/3",
        "Patient/",
        "/",
        "urn:uuid:",
        "#",
        "true",
        "null",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("a".repeat(8_000));
    values.push("9".repeat(8_000));
    values.push("é".repeat(4_000));
    values.push("\u{301}".repeat(4_000));
    values.push(vec!["a"; 10_000].join(","));
    values.push(vec!["1"; 1_000].join(","));
    values.push("(".repeat(4_000));
    values.push("a ".repeat(4_000));
    values.push("{a}".repeat(2_000));
    values
}

const MODIFIERS: &[&str] = &[
    "",
    "missing",
    "exact",
    "contains",
    "text",
    "not",
    "in",
    "not-in",
    "above",
    "below",
    "of-type",
    "identifier",
    "Patient",
    "nonsense",
    "\u{202e}",
    "type",
];

/// Parameters that are not of a type.
const CONTROLS: &[&str] = &[
    "_sort",
    "_count",
    "_total",
    "_include",
    "_revinclude",
    "_include:iterate",
    "_summary",
    "_elements",
    "_contained",
    "_containedType",
    "_has",
    "_has:Observation:patient:code",
    "_has:::",
    "_list",
    "_filter",
    "_type",
    "_query",
    "_page",
    "_format",
    "name.name.name",
    "....",
    "subject:Patient.name",
    "' OR 1=1",
    "\u{0}",
    "",
];

fn record() -> TestRecord {
    let test = TestRecord::new();
    let ctx = Ctx::system("hostile", START_MS);
    for json in [
        r#"{"resourceType":"Patient","id":"1","name":[{"family":"Stone"}],"birthDate":"1980"}"#,
        r#"{"resourceType":"Observation","id":"1","status":"final","code":{"coding":[{"system":"http://s","code":"c","display":"Weight"}]},"subject":{"reference":"Patient/1"},"effectiveDateTime":"2020","valueQuantity":{"value":5,"system":"http://unitsofmeasure.org","code":"kg"}}"#,
        r#"{"resourceType":"Location","id":"1","position":{"latitude":1,"longitude":2}}"#,
    ] {
        let body = Doc::parse(json).expect("JSON");
        let name = body.root().str("resourceType").expect("type").into_owned();
        let rt = ResourceType::from_name(&name).expect("a type");
        test.record.execute(&ctx, Request::update(rt, "1", body)).expect("stored");
    }
    test
}

/// Sends one search; what it must not do is fail inside, or take long.
fn ask(test: &TestRecord, rt: ResourceType, name: &str, value: &str) {
    let shown: String = value.chars().take(40).collect();
    for handling in [Handling::Strict, Handling::Lenient] {
        let pairs = vec![(name.to_owned(), value.to_owned())];
        let request = Request::Search { rt: Some(rt), compartment: None, pairs, handling };
        let begun = Instant::now();
        let answer = test.record.execute(&Ctx::system("hostile", START_MS), request);
        let took = begun.elapsed();
        assert!(took < TIME_MAX, "{rt}?{name}={shown} took {took:?}");
        match answer {
            Ok(response) => assert_eq!(response.status, 200, "{rt}?{name}={shown}"),
            Err(e) => {
                assert!(e.kind != Kind::Internal, "{rt}?{name}={shown}: {e:?}");
                assert!((400..500).contains(&e.status()), "{rt}?{name}={shown}: {e:?}");
                let text = &e.issues.first().expect("an issue").text;
                assert!(!text.is_empty() && text.len() < 2_000, "{rt}?{name}={shown}: {text}");
            }
        }
    }
}

#[test]
fn every_parameter_of_some_types_bears_every_value() {
    let test = record();
    let values = values();
    for name in ["Patient", "Observation", "Location", "Questionnaire"] {
        let rt = ResourceType::from_name(name).expect("a type");
        let codes = search_params(rt).iter().map(|param| param.code);
        for code in codes.chain(CONTROLS.iter().copied()) {
            for value in &values {
                ask(&test, rt, code, value);
            }
        }
    }
}

#[test]
fn every_parameter_of_every_type_bears_every_modifier() {
    let test = record();
    let few = ["a|b|c", "'; DROP TABLE version; --", "http://x|y", "Patient/1", "1e309"];
    for rt in ResourceType::ALL {
        for (param_idx, param) in search_params(rt).iter().enumerate() {
            for (modifier_idx, modifier) in MODIFIERS.iter().enumerate() {
                let name = match *modifier {
                    "" => param.code.to_owned(),
                    modifier => format!("{}:{modifier}", param.code),
                };
                // All values come to all modifiers, though not on each parameter.
                let value = few[(param_idx + modifier_idx + usize::from(rt.0)) % few.len()];
                ask(&test, rt, &name, value);
            }
        }
    }
}

#[test]
fn too_many_parameters_and_values_are_refused_by_their_limit() {
    let test = record();
    let search = |pairs: Vec<(String, String)>| {
        let rt = Some(ResourceType::OBSERVATION);
        let (compartment, handling) = (None, Handling::Strict);
        let request = Request::Search { rt, compartment, pairs, handling };
        test.record.execute(&Ctx::system("hostile", START_MS), request)
    };
    let pair = |name: &str, value: String| (name.to_owned(), value);
    for (pairs, says) in [
        (vec![pair("code", vec!["a"; 10_000].join(","))], "1000 values"),
        (vec![pair("code", "a".into()); 201], "200 parameters"),
        (vec![pair("_content", "a ".repeat(17))], "more than 16 words"),
        (vec![pair("_sort", ["_id"; 9].join(","))], "8 keys"),
        (
            vec![pair(
                "value-quantity",
                format!("{}|http://unitsofmeasure.org|mg", "9".repeat(65)),
            )],
            "number",
        ),
    ] {
        let error = search(pairs).expect_err(says);
        let text = &error.issues[0].text;
        assert!(text.contains(says), "{text}");
    }
}
