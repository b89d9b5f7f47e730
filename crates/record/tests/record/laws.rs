//! Whatever is sent, the door answers: it never fails inside, and never keeps half of it.

use crate::common::{START_MS, TestRecord};
use fhir::json::{Doc, Value};
use fhir_tables::ResourceType;
use proptest::prelude::*;
use record::{Ctx, Headers, HistoryOf, Kind, PatchBody, Payload, Request, Return, route};

fn ctx() -> Ctx {
    Ctx::system("law", START_MS)
}

fn n_versions(test: &TestRecord) -> String {
    let request = Request::History {
        of: HistoryOf::System,
        pairs: vec![("_count".to_owned(), "0".to_owned())],
    };
    let body = test.record.execute(&ctx(), request).expect("a history").body.expect("a body");
    Doc::parse(body).expect("JSON").root().get("total").expect("a total").raw().to_owned()
}

/// JSON of the shapes and words that resources are made of, mostly wrong.
fn json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("Patient"),
        Just("Patient/1"),
        Just("Patient?identifier=x"),
        Just("urn:uuid:1"),
        Just("#p"),
        Just("http://vitae.test/fhir/Patient/1"),
        Just("final"),
        Just("1980-01-01"),
        Just(""),
        Just("\u{1F600}"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|n| Value::Number(n.to_string())),
        word.prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("resourceType"),
        Just("id"),
        Just("meta"),
        Just("text"),
        Just("div"),
        Just("contained"),
        Just("extension"),
        Just("valueReference"),
        Just("reference"),
        Just("subject"),
        Just("name"),
        Just("given"),
        Just("_birthDate"),
        Just("status"),
        Just("identifier"),
        Just("value"),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        let members = prop::collection::btree_map(name.clone(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            members.prop_map(Value::object),
        ]
    })
}

fn resource(ty: &'static str) -> impl Strategy<Value = Value> {
    json().prop_map(move |value| {
        let mut value = match value {
            Value::Object(_) => value,
            other => Value::object([("extension", other)]),
        };
        value.set("resourceType", ty.into());
        value
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_the_door_fail(
        patient in resource("Patient"),
        observation in resource("Observation"),
        patch in json(),
        entry in json(),
    ) {
        let test = TestRecord::new();
        let doc = |value: &Value| Doc::parse(value.to_json());
        let Ok(body) = doc(&patient) else { return Ok(()) };
        let mut requests = vec![
            Request::create(ResourceType::PATIENT, body.clone()),
            Request::update(ResourceType::PATIENT, "1", body),
        ];
        if let Ok(body) = doc(&observation) {
            requests.push(Request::create(ResourceType::OBSERVATION, body));
        }
        if let Ok(patch) = doc(&patch) {
            for patch in [PatchBody::Json(patch.clone()), PatchBody::FhirPath(patch)] {
                let (rt, id, if_match) = (ResourceType::PATIENT, "1".to_owned(), None);
                requests.push(Request::Patch { rt, id, patch, if_match, ret: Return::Minimal });
            }
        }
        let request = Value::object([("method", Value::from("POST")), ("url", "Patient".into())]);
        let good = Value::object([
            ("resource", Value::object([("resourceType", Value::from("Patient"))])),
            ("request", request.clone()),
        ]);
        let second = Value::object([("resource", patient), ("request", request)]);
        for kind in ["transaction", "batch"] {
            let bundle = Value::object([
                ("resourceType", Value::from("Bundle")),
                ("type", kind.into()),
                ("entry", Value::array([good.clone(), second.clone(), entry.clone()])),
            ]);
            if let Ok(body) = doc(&bundle) {
                requests.push(Request::bundle(body));
            }
        }
        for request in requests {
            let is_batch = matches!(&request, Request::Bundle { body, .. }
                if body.root().str("type").as_deref() == Some("batch"));
            let before = n_versions(&test);
            if let Err(e) = test.record.execute(&ctx(), request) {
                prop_assert!(e.kind != Kind::Internal, "{:?}", e);
                prop_assert!(!e.issues.is_empty());
                prop_assert!(is_batch || before == n_versions(&test), "{:?}", e);
            }
        }
    }

    #[test]
    fn no_url_makes_the_router_fail(
        method in "GET|PUT|POST|DELETE|PATCH",
        url in "[PatientO/_?=&%a-z0-9$.-]{0,40}",
    ) {
        let test = TestRecord::new();
        if let Ok(request) = route(&method, &url, &Headers::default(), Payload::None)
            && let Err(e) = test.record.execute(&ctx(), request)
        {
            prop_assert!(e.kind != Kind::Internal, "{:?}", e);
        }
    }
}

#[test]
fn what_is_served_is_stored_the_same_when_sent_again() {
    let test = TestRecord::new();
    let body = r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],
        "id":"o","status":"final","code":{"text":"é\n\""},"subject":{"reference":"#p"}}"##;
    let body = Doc::parse(body).expect("JSON");
    let put = |body: Doc| {
        let request = Request::update(ResourceType::OBSERVATION, "o", body);
        test.record.execute(&ctx(), request).expect("written").body.expect("a body")
    };
    let first = put(body);
    let second = put(Doc::parse(first.as_str()).expect("JSON"));
    assert_eq!(first.replace("\"versionId\":\"1\"", "\"versionId\":\"2\""), second);
}
