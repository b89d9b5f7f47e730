//! Every search parameter expression of R4 compiles for its base and runs on a real resource.

use fhir::json::Doc;
use fhir_tables::{ResourceType, search_param, search_params};
use fhirpath::{Env, Expr, Item};

#[test]
fn every_expression_compiles() {
    let mut failures = Vec::new();
    let mut n_expressions = 0;
    for base in ResourceType::ALL {
        for param in search_params(base) {
            let components = param.components.iter().map(|(_, expression)| *expression);
            if !param.expression.is_empty() {
                n_expressions += 1;
                if let Err(error) = Expr::compile(param.expression, Some(base.type_id())) {
                    failures.push(format!("{base} {}: {}: {error}", param.code, param.expression));
                }
            }
            for expression in components {
                n_expressions += 1;
                if let Err(error) = Expr::compile(expression, None) {
                    failures.push(format!("{base} {}: {expression}: {error}", param.code));
                }
            }
        }
    }
    assert!(n_expressions > 1_400, "only {n_expressions} expressions");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn values(json: &str, base: ResourceType, code: &str) -> Vec<String> {
    let doc = Doc::parse(json).expect("JSON");
    let param = search_param(base, code).expect("parameter");
    let expr = Expr::compile(param.expression, Some(base.type_id())).expect("compiles");
    let env = Env::new(0);
    let items = expr.eval(doc.root(), &env).expect("evaluates");
    items
        .iter()
        .map(|item| match item {
            Item::Node { node, ty, .. } => format!("{} {}", ty.name(), node.to_compact()),
            Item::Boolean(value) => value.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn patient() {
    let json = r#"{"resourceType":"Patient","name":[{"family":"A","given":["B","C"]},{"family":"D"}],
        "telecom":[{"system":"phone","value":"1"},{"system":"email","value":"a@b"}],
        "deceasedDateTime":"2020-01-02","birthDate":"1970",
        "generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"Organization/2"}]}"#;
    let patient = |code| values(json, ResourceType::PATIENT, code);
    assert_eq!(patient("given"), ["string \"B\"", "string \"C\""]);
    assert_eq!(patient("email"), [r#"ContactPoint {"system":"email","value":"a@b"}"#]);
    assert_eq!(patient("deceased"), ["true"]);
    assert_eq!(patient("death-date"), ["dateTime \"2020-01-02\""]);
    assert_eq!(patient("birthdate"), ["date \"1970\""]);
    assert_eq!(patient("general-practitioner").len(), 2);
    assert!(patient("address").is_empty());
    let alive = r#"{"resourceType":"Patient","deceasedBoolean":false}"#;
    assert_eq!(values(alive, ResourceType::PATIENT, "deceased"), ["false"]);
}

#[test]
fn observation() {
    let json = r##"{"resourceType":"Observation","subject":{"reference":"#p"},
        "contained":[{"resourceType":"Patient","id":"p"}],
        "component":[{"valueQuantity":{"value":1}},{"valueString":"x"},{"valueQuantity":{"value":2}}],
        "valueCodeableConcept":{"text":"t"},"effectivePeriod":{"start":"2020"}}"##;
    let observation = |code| values(json, ResourceType::OBSERVATION, code);
    assert_eq!(observation("patient"), [r##"Reference {"reference":"#p"}"##]);
    assert_eq!(observation("component-value-quantity").len(), 2);
    assert_eq!(observation("combo-value-concept"), [r#"CodeableConcept {"text":"t"}"#]);
    assert_eq!(observation("date"), [r#"Period {"start":"2020"}"#]);
    assert_eq!(observation("value-string"), ["string \"t\""]);
}

#[test]
fn references_are_told_apart_by_their_text() {
    let json = |reference: &str| {
        format!(r#"{{"resourceType":"Observation","subject":{{"reference":"{reference}"}}}}"#)
    };
    let patient =
        |reference: &str| values(&json(reference), ResourceType::OBSERVATION, "patient").len();
    assert_eq!(patient("Patient/1"), 1);
    assert_eq!(patient("http://example.org/fhir/Patient/1/_history/2"), 1);
    assert_eq!(patient("Group/1"), 0);
    assert_eq!(patient("urn:uuid:9d3b4cf0-0000-4000-8000-000000000000"), 0);
    assert_eq!(patient("#missing"), 0);
}
