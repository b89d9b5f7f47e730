//! Cases of FHIR R4 fhirpatch.html.

use fhir::issue::IssueType;
use fhir::json::{Doc, Value};

use super::apply;

fn operation(parts: &str) -> String {
    format!(
        r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{parts}]}}]}}"#
    )
}

fn head(kind: &str, path: &str) -> String {
    format!(r#"{{"name":"type","valueCode":"{kind}"}},{{"name":"path","valueString":"{path}"}}"#)
}

fn patched(resource: &str, kind: &str, path: &str, rest: &str) -> Result<String, IssueType> {
    let comma = if rest.is_empty() { "" } else { "," };
    let text = operation(&format!("{}{comma}{rest}", head(kind, path)));
    let parameters = Doc::parse(text).expect("JSON");
    let mut value = Value::parse(resource).expect("JSON");
    match apply(&mut value, parameters.root()) {
        Ok(()) => Ok(value.to_json()),
        Err(issue) => Err(issue.code),
    }
}

fn check(resource: &str, kind: &str, path: &str, rest: &str, wanted: &str) {
    assert_eq!(patched(resource, kind, path, rest).as_deref(), Ok(wanted));
}

const P: &str = r#"{"resourceType":"Patient","birthDate":"1920-01-01"}"#;
const LIST: &str =
    r#"{"resourceType":"Patient","identifier":[{"value":"1"},{"value":"2"},{"value":"3"}]}"#;

#[test]
fn add() {
    check(
        r#"{"resourceType":"Patient"}"#,
        "add",
        "Patient",
        r#"{"name":"name","valueString":"birthDate"},{"name":"value","valueDate":"1930-01-01"}"#,
        r#"{"resourceType":"Patient","birthDate":"1930-01-01"}"#,
    );
    check(
        P,
        "add",
        "Patient",
        r#"{"name":"name","valueString":"name"},{"name":"value","valueHumanName":{"family":"A"}}"#,
        r#"{"resourceType":"Patient","birthDate":"1920-01-01","name":[{"family":"A"}]}"#,
    );
    let twice = r#"{"name":"name","valueString":"birthDate"},{"name":"value","valueDate":"1930"}"#;
    assert_eq!(patched(P, "add", "Patient", twice), Err(IssueType::Processing));
    let unknown = r#"{"name":"name","valueString":"x"},{"name":"value","valueDate":"1930"}"#;
    assert_eq!(patched(P, "add", "Patient", unknown), Err(IssueType::Structure));
}

#[test]
fn add_choice_extension_and_parts() {
    check(
        r#"{"resourceType":"Patient"}"#,
        "add",
        "Patient",
        r#"{"name":"name","valueString":"deceased"},{"name":"value","valueBoolean":true}"#,
        r#"{"resourceType":"Patient","deceasedBoolean":true}"#,
    );
    check(
        P,
        "add",
        "Patient.birthDate",
        r#"{"name":"name","valueString":"extension"},
           {"name":"value","valueExtension":{"url":"u","valueString":"x"}}"#,
        r#"{"resourceType":"Patient","birthDate":"1920-01-01","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}"#,
    );
    check(
        r#"{"resourceType":"Patient","name":[{"given":["A","B"]}]}"#,
        "add",
        "Patient.name[0].given[1]",
        r#"{"name":"name","valueString":"extension"},
           {"name":"value","valueExtension":{"url":"u"}}"#,
        r#"{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"extension":[{"url":"u"}]}]}]}"#,
    );
    check(
        r#"{"resourceType":"Patient"}"#,
        "add",
        "Patient",
        r#"{"name":"name","valueString":"contact"},{"name":"value","part":[
            {"name":"name","valueHumanName":{"text":"a name"}},
            {"name":"telecom","valueContactPoint":{"value":"1"}},
            {"name":"telecom","part":[{"name":"value","valueString":"2"}]}]}"#,
        r#"{"resourceType":"Patient","contact":[{"name":{"text":"a name"},"telecom":[{"value":"1"},{"value":"2"}]}]}"#,
    );
}

#[test]
fn insert() {
    let insert = |resource: &str, index: usize| {
        let rest = format!(
            r#"{{"name":"index","valueInteger":{index}}},{{"name":"value","valueIdentifier":{{"value":"x"}}}}"#
        );
        patched(resource, "insert", "Patient.identifier", &rest)
    };
    let at = |order: &str| {
        let items: Vec<_> = order.chars().map(|c| format!(r#"{{"value":"{c}"}}"#)).collect();
        Ok(format!(r#"{{"resourceType":"Patient","identifier":[{}]}}"#, items.join(",")))
    };
    assert_eq!(insert(LIST, 0), at("x123"));
    assert_eq!(insert(LIST, 2), at("12x3"));
    assert_eq!(insert(LIST, 3), at("123x"));
    assert_eq!(insert(LIST, 4), Err(IssueType::Processing));
    assert_eq!(insert(r#"{"resourceType":"Patient"}"#, 0), at("x"));
    assert_eq!(insert(r#"{"resourceType":"Patient"}"#, 1), Err(IssueType::Processing));
}

#[test]
fn move_within_a_list() {
    let relocate = |source: usize, destination: usize| {
        let rest = format!(
            r#"{{"name":"source","valueInteger":{source}}},{{"name":"destination","valueInteger":{destination}}}"#
        );
        let text = patched(LIST, "move", "Patient.identifier", &rest)?;
        Ok(text.chars().filter(char::is_ascii_digit).collect::<String>())
    };
    assert_eq!(relocate(0, 2).as_deref(), Ok("231"));
    assert_eq!(relocate(2, 0).as_deref(), Ok("312"));
    assert_eq!(relocate(1, 1).as_deref(), Ok("123"));
    assert_eq!(relocate(3, 0), Err(IssueType::Processing));
}

#[test]
fn delete() {
    check(P, "delete", "Patient.birthDate", "", r#"{"resourceType":"Patient"}"#);
    check(P, "delete", "Patient.gender", "", P);
    assert_eq!(patched(LIST, "delete", "Patient.identifier", ""), Err(IssueType::Processing));
    check(
        LIST,
        "delete",
        "Patient.identifier.where(value='2')",
        "",
        r#"{"resourceType":"Patient","identifier":[{"value":"1"},{"value":"3"}]}"#,
    );
    let last_child = r#"{"resourceType":"Patient","contact":[{"name":{"text":"a"}}]}"#;
    check(
        last_child,
        "delete",
        "Patient.contact[0].name.text",
        "",
        r#"{"resourceType":"Patient"}"#,
    );
    let primitive_list =
        r#"{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"x"}]}]}"#;
    check(
        primitive_list,
        "delete",
        "Patient.name[0].given[1]",
        "",
        r#"{"resourceType":"Patient","name":[{"given":["A"]}]}"#,
    );
    assert_eq!(patched(P, "delete", "Patient", ""), Err(IssueType::Processing));
}

#[test]
fn replace() {
    check(
        P,
        "replace",
        "Patient.birthDate",
        r#"{"name":"value","valueDate":"1930-01-01"}"#,
        r#"{"resourceType":"Patient","birthDate":"1930-01-01"}"#,
    );
    check(
        r#"{"resourceType":"Observation","valueQuantity":{"value":1.50},"status":"final"}"#,
        "replace",
        "Observation.value",
        r#"{"name":"value","valueString":"x"}"#,
        r#"{"resourceType":"Observation","valueString":"x","status":"final"}"#,
    );
    check(
        LIST,
        "replace",
        "Patient.identifier[1].value",
        r#"{"name":"value","valueString":"x"}"#,
        r#"{"resourceType":"Patient","identifier":[{"value":"1"},{"value":"x"},{"value":"3"}]}"#,
    );
    let rest = r#"{"name":"value","valueString":"x"}"#;
    assert_eq!(patched(P, "replace", "Patient.gender", rest), Err(IssueType::Processing));
    assert_eq!(patched(P, "replace", "Patient.'x'", rest), Err(IssueType::Invalid));
    assert_eq!(patched(P, "replace", "Patient.nothing", rest), Err(IssueType::Invalid));
}

#[test]
fn malformed_operations() {
    assert_eq!(patched(P, "remove", "Patient.birthDate", ""), Err(IssueType::Structure));
    assert_eq!(patched(P, "replace", "Patient.birthDate", ""), Err(IssueType::Structure));
    let other = r#"{"name":"other","valueString":"x"}"#;
    assert_eq!(patched(P, "delete", "Patient.birthDate", other), Err(IssueType::Structure));
    let mut value = Value::parse(P).expect("JSON");
    let list = Doc::parse("[]").expect("JSON");
    assert!(apply(&mut value, list.root()).is_err());
}

#[test]
fn operations_are_limited() {
    let many = |n: usize| {
        let one =
            format!(r#"{{"name":"operation","part":[{}]}}"#, head("delete", "Patient.gender"));
        let all = vec![one; n].join(",");
        let text = format!(r#"{{"resourceType":"Parameters","parameter":[{all}]}}"#);
        let parameters = Doc::parse(text).expect("JSON");
        apply(&mut Value::parse(P).expect("JSON"), parameters.root()).map_err(|i| i.code)
    };
    assert_eq!(many(super::OPERATIONS_MAX), Ok(()));
    assert_eq!(many(super::OPERATIONS_MAX + 1), Err(IssueType::TooCostly));
}
