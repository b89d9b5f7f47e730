use super::{ISSUES_MAX, check_resource};
use crate::issue::{IssueType, Severity};
use crate::json::Doc;

/// Code and expression of each issue of a resource.
fn found(text: &str) -> Vec<(IssueType, String)> {
    let doc = Doc::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let issues = check_resource(doc.root());
    issues.into_iter().map(|issue| (issue.code, issue.expression)).collect()
}

/// Exactly these issues, and the text of the first contains `says`.
fn check(text: &str, want: &[(IssueType, &str)], says: &str) {
    let doc = Doc::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let issues = check_resource(doc.root());
    let found: Vec<_> = issues.iter().map(|i| (i.code, i.expression.as_str())).collect();
    assert_eq!(found, want, "{text}");
    if let Some(first) = issues.first() {
        assert!(first.text.contains(says), "{text}: {}", first.text);
    }
}

use IssueType::{CodeInvalid, Invariant, Required, Structure, Value};

#[test]
fn a_right_resource_has_no_issue() {
    for text in [
        r#"{"resourceType":"Patient"}"#,
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"y"}"#,
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}}"#,
        r#"{"resourceType":"Patient","name":[{"given":["a",null],
            "_given":[null,{"extension":[{"url":"u","valueString":"v"}]}]}]}"#,
        r##"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}"##,
        r##"{"resourceType":"Patient","contained":[{"resourceType":"Binary","id":"b",
            "contentType":"image/png"}],"text":{"status":"generated","div":"<div><img src=\"#b\"/></div>"}}"##,
        r#"{"resourceType":"ExampleScenario","status":"draft",
            "instance":[{"resourceId":"a","resourceType":"Patient"}]}"#,
    ] {
        check(text, &[], "");
    }
}

#[test]
fn resources_need_a_type_that_exists() {
    check("[]", &[(Structure, "Resource")], "must be a JSON object");
    check("{}", &[(Structure, "Resource")], "resourceType is missing");
    check(r#"{"resourceType":1}"#, &[(Structure, "Resource")], "must be a string");
    check(r#"{"resourceType":"Patiënt"}"#, &[(Structure, "Resource")], "not a resource type");
    check(r#"{"resourceType":"Element"}"#, &[(Structure, "Element")], "is abstract");
    check(r#"{"resourceType":"DomainResource"}"#, &[(Structure, "DomainResource")], "abstract");
    check(r#"{"resourceType":"HumanName"}"#, &[(Structure, "HumanName")], "is a datatype");
}

#[test]
fn unknown_elements_are_named_with_a_suggestion() {
    let patient = |member: &str| format!(r#"{{"resourceType":"Patient",{member}}}"#);
    check(&patient(r#""nam":[]"#), &[(Structure, "Patient.nam")], "did you mean 'name'?");
    check(&patient(r#""BirthDate":1"#), &[(Structure, "Patient.BirthDate")], "'birthDate'");
    check(&patient(r#""deceased":true"#), &[(Structure, "Patient.deceased")], "deceasedBoolean");
    check(&patient(r#""shoeSize":1"#), &[(Structure, "Patient.shoeSize")], "use an extension");
    check(
        &patient(r#""name":[{"family":"x"},{"first":"y"}]"#),
        &[(Structure, "Patient.name[1].first")],
        "'first' is not an element of HumanName",
    );
    check(
        &patient(r#""extension":[{"url":"u","valueHumanNames":1,"valueCode":"c"}]"#),
        &[(Structure, "Patient.extension[0].valueHumanNames")],
        "valueHumanName",
    );
}

#[test]
fn required_elements_are_named() {
    check(
        r#"{"resourceType":"Observation","id":"a"}"#,
        &[(Required, "Observation.status"), (Required, "Observation.code")],
        "status is required in Observation",
    );
    check(
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
            "subject":{"display":"x"}}"#,
        &[(Required, "MedicationRequest.medication")],
        "medication[x] is required",
    );
    check(
        r#"{"resourceType":"Patient","link":[{"type":"refer"}]}"#,
        &[(Required, "Patient.link[0].other")],
        "other is required in Patient.link",
    );
    check(
        r#"{"resourceType":"Patient","text":{"status":"empty"}}"#,
        &[(Required, "Patient.text.div")],
        "div is required",
    );
}

#[test]
fn json_types_and_repetition_are_checked() {
    let patient = |member: &str| format!(r#"{{"resourceType":"Patient",{member}}}"#);
    for (member, expression, says) in [
        (r#""active":"true""#, "Patient.active", "must be true or false in JSON, not a string"),
        (r#""gender":["male"]"#, "Patient.gender", "does not repeat"),
        (r#""name":{"family":"x"}"#, "Patient.name", "write an array"),
        (r#""name":["x"]"#, "Patient.name[0]", "must be a JSON object (HumanName)"),
        (r#""birthDate":1970"#, "Patient.birthDate", "must be a string in JSON, not a number"),
        (r#""name":[]"#, "Patient.name", "must not be empty"),
        (r#""name":[{}]"#, "Patient.name[0]", "must not be empty"),
        (r#""gender":null"#, "Patient.gender", "null stands only"),
        (r#""name":[{"given":[null]}]"#, "Patient.name[0].given[0]", "null stands only"),
        (r#""_name":[{}]"#, "Patient.name", "only primitives have a '_' sibling"),
        (r#""_gender":[]"#, "Patient.gender", "must be an object with id or extension"),
        (r#""_gender":{}"#, "Patient.gender", "must not be empty"),
        (r#""contained":["x"]"#, "Patient.contained[0]", "must be a JSON object"),
    ] {
        check(&patient(member), &[(Structure, expression)], says);
    }
    check(
        &patient(r#""name":[{"given":["a","b"],"_given":[{"id":"x"}]}]"#),
        &[(Structure, "Patient.name[0].given")],
        "must have the same length",
    );
}

#[test]
fn only_one_member_of_a_choice() {
    let choice = |members: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#
        )
    };
    check(
        &choice(r#""valueString":"a","valueInteger":1"#),
        &[(Structure, "Observation.value")],
        "only one of valueString and valueInteger",
    );
    check(
        &choice(r#""_valueString":{"id":"a"},"valueInteger":1"#),
        &[(Structure, "Observation.value")],
        "only one of",
    );
    check(&choice(r#""valueString":"a","_valueString":{"id":"b"}"#), &[], "");
    check(
        &choice(r#""valueAddress":{"text":"a"}"#),
        &[(Structure, "Observation.valueAddress")],
        "not an element of Observation",
    );
}

#[test]
fn primitives_have_their_format() {
    let patient = |member: &str| format!(r#"{{"resourceType":"Patient",{member}}}"#);
    for (member, expression, says) in [
        (r#""birthDate":"2021-02-29""#, "Patient.birthDate", "must be a date that exists"),
        (r#""birthDate":"01/02/2003""#, "Patient.birthDate", "must be a date"),
        (r#""deceasedDateTime":"2020-01-01T10:00""#, "Patient.deceased", "must be a dateTime"),
        (r#""id":"a_b""#, "Patient.id", "must be an id"),
        (r#""language":" en""#, "Patient.language", "must be a code"),
        (r#""multipleBirthInteger":1.5"#, "Patient.multipleBirth", "must be a whole number"),
        (r#""implicitRules":"a b""#, "Patient.implicitRules", "must be a URI"),
        (r#""photo":[{"data":"QUJ"}]"#, "Patient.photo[0].data", "must be base64"),
        (r#""name":[{"given":["a",""]}]"#, "Patient.name[0].given[1]", "must not be empty"),
        (
            r#""meta":{"lastUpdated":"2020-01-01"}"#,
            "Patient.meta.lastUpdated",
            "must be an instant",
        ),
        (
            r#""text":{"status":"empty","div":"hello"}"#,
            "Patient.text.div",
            "must be one XHTML element",
        ),
    ] {
        check(&patient(member), &[(Value, expression)], says);
    }
}

#[test]
fn required_bindings_are_checked() {
    check(
        r#"{"resourceType":"Patient","gender":"M"}"#,
        &[(CodeInvalid, "Patient.gender")],
        "use one of female, male, other, unknown",
    );
    let condition = |status: &str| {
        format!(
            r#"{{"resourceType":"Condition","subject":{{"display":"x"}},"clinicalStatus":{status}}}"#
        )
    };
    let system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    let coding = |system: &str, code: &str| {
        condition(&format!(r#"{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#))
    };
    check(&coding(system, "active"), &[], "");
    check(&condition(r#"{"text":"active"}"#), &[], "");
    let at = [(CodeInvalid, "Condition.clinicalStatus")];
    check(&coding(system, "on"), &at, "no coding is in the required value set");
    check(&coding("http://example.org", "active"), &at, system);
}

#[test]
fn extensions_have_a_value_or_extensions() {
    let extension =
        |members: &str| format!(r#"{{"resourceType":"Patient","extension":[{{{members}}}]}}"#);
    let at = [(Invariant, "Patient.extension[0]")];
    check(&extension(r#""url":"u""#), &at, "must have a value or extensions");
    check(
        &extension(r#""url":"u","valueCode":"c","extension":[{"url":"v","valueCode":"d"}]"#),
        &at,
        "not both",
    );
    check(
        &extension(r#""valueCode":"c""#),
        &[(Required, "Patient.extension[0].url")],
        "url is required in Extension",
    );
    check(
        r#"{"resourceType":"Patient","name":[{"id":"x"}]}"#,
        &[(Invariant, "Patient.name[0]")],
        "ele-1",
    );
}

#[test]
fn resources_within_are_checked_in_their_place() {
    check(
        r#"{"resourceType":"Bundle","type":"collection","entry":[
            {"resource":{"resourceType":"Patient"}},
            {"resource":{"resourceType":"Patient","gender":"x"}},{"resource":{}}]}"#,
        &[
            (CodeInvalid, "Bundle.entry[1].resource.gender"),
            (Structure, "Bundle.entry[2].resource"),
        ],
        "required value set",
    );
    check(
        r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b",
            "resource":{"resourceType":"Observation","status":"final"}}]}]}"#,
        &[(Required, "Parameters.parameter[0].part[0].resource.code")],
        "code is required",
    );
}

#[test]
fn contained_resources_obey_their_rules() {
    let patient =
        |contained: &str| format!(r#"{{"resourceType":"Patient","contained":[{contained}]}}"#);
    check(
        &patient(r#"{"resourceType":"Organization","id":"o"}"#),
        &[(Invariant, "Patient.contained[0]")],
        "not referred to (dom-3)",
    );
    check(
        &patient(r#"{"resourceType":"Organization"}"#),
        &[(Invariant, "Patient.contained[0].id")],
        "needs an id",
    );
    let inner = r##"{"resourceType":"Basic","id":"b","code":{"text":"x"},
        "subject":{"reference":"#"},"meta":{"versionId":"1","security":[{"code":"R"}]}}"##;
    check(
        &patient(inner),
        &[
            (Invariant, "Patient.contained[0].meta.versionId"),
            (Invariant, "Patient.contained[0].meta.security"),
        ],
        "dom-4",
    );
    let nested = r##"{"resourceType":"Basic","id":"b","code":{"text":"x"},
        "subject":{"reference":"#"},"contained":[{"resourceType":"Patient","id":"p"}]}"##;
    check(
        &patient(nested),
        &[(Invariant, "Patient.contained[0].contained")],
        "must not contain others (dom-2)",
    );
}

#[test]
fn a_reference_to_another_type_is_a_warning() {
    let encounter = |reference: &str| {
        let text = format!(
            r#"{{"resourceType":"Encounter","status":"finished","class":{{"code":"AMB"}},
                "subject":{{"reference":"{reference}"}}}}"#
        );
        check_resource(Doc::parse(text).expect("JSON").root())
    };
    for fine in ["Patient/1", "urn:uuid:1", "#p", "https://example.org/x/Other/1", "Group?a=b"] {
        assert_eq!(encounter(fine), [], "{fine}");
    }
    for wrong in ["Practitioner/1", "https://example.org/fhir/Device/1/_history/2", "Nope/1"] {
        let issues = encounter(wrong);
        assert_eq!(issues.len(), 1, "{wrong}");
        assert_eq!(issues[0].severity, Severity::Warning);
        assert_eq!(issues[0].expression, "Encounter.subject.reference");
        assert!(issues[0].text.contains("point to Group, Patient"), "{}", issues[0].text);
    }
}

#[test]
fn the_list_of_issues_has_an_end() {
    let names = |n: usize| {
        let names = vec![r#"{"x":1}"#; n].join(",");
        format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#)
    };
    assert_eq!(found(&names(ISSUES_MAX)).len(), ISSUES_MAX);
    let doc = Doc::parse(names(ISSUES_MAX + 1)).expect("JSON");
    let issues = check_resource(doc.root());
    assert_eq!(issues.len(), ISSUES_MAX + 1);
    assert_eq!(issues[ISSUES_MAX].severity, Severity::Information);
}

#[test]
fn long_names_and_values_are_cut_in_messages() {
    let long = "x".repeat(1000);
    let doc = Doc::parse(format!(
        r#"{{"resourceType":"Patient","{long}":1,"gender":"{long}","contained":[{{"resourceType":"{long}"}}]}}"#
    ))
    .expect("JSON");
    for issue in check_resource(doc.root()) {
        assert!(issue.text.len() < 300 && issue.expression.len() < 100, "{issue:?}");
    }
}
