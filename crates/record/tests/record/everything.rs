//! `$everything` at the limit of what it includes.

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, Operation, Request};

/// Resources that matches refer to, in one Bundle.
const INCLUDED_MAX: usize = 2_000;

fn put(test: &TestRecord, rt: ResourceType, id: &str, text: String) {
    let ctx = Ctx::system("test", START_MS);
    let body = Doc::parse(text).expect("JSON");
    test.record.execute(&ctx, Request::update(rt, id, body)).expect("stored");
}

#[test]
fn what_is_left_out_is_told() {
    let test = TestRecord::new();
    let patient = r#"{"resourceType":"Patient","id":"p"}"#.to_owned();
    put(&test, ResourceType::PATIENT, "p", patient);
    let organization = ResourceType::from_name("Organization").expect("of R4");
    for n in 0..=INCLUDED_MAX {
        let text = format!(r#"{{"resourceType":"Organization","id":"g{n}","name":"G"}}"#);
        put(&test, organization, &format!("g{n}"), text);
    }
    for n_performers in [INCLUDED_MAX, INCLUDED_MAX + 1] {
        let performers: Vec<String> =
            (0..n_performers).map(|n| format!(r#"{{"reference":"Organization/g{n}"}}"#)).collect();
        let text = format!(
            r#"{{"resourceType":"Observation","id":"o","status":"final","code":{{"text":"c"}},"subject":{{"reference":"Patient/p"}},"performer":[{}]}}"#,
            performers.join(",")
        );
        put(&test, ResourceType::OBSERVATION, "o", text);
        let ctx = Ctx::system("test", START_MS);
        let request = Request::Operation {
            name: Operation::Everything,
            rt: ResourceType::PATIENT,
            id: Some("p".to_owned()),
            pairs: Vec::new(),
        };
        let body = test.record.execute(&ctx, request).expect("found").body.expect("a Bundle");
        let doc = Doc::parse(body).expect("JSON");
        let of_mode = |mode: &str| {
            let is = |entry: &fhir::json::Node<'_>| {
                entry.get("search").and_then(|s| s.str("mode")).as_deref() == Some(mode)
            };
            doc.root().list("entry").filter(is).count()
        };
        assert_eq!((of_mode("match"), of_mode("include")), (2, INCLUDED_MAX));
        assert_eq!(of_mode("outcome"), n_performers - INCLUDED_MAX);
    }
}
