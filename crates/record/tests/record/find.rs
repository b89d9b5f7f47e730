//! Patients by a part of an identifier or of a phone number.

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Actor, Ctx, Kind, Request, Role, Scopes};

const PATIENT: ResourceType = ResourceType::PATIENT;

fn put(test: &TestRecord, id: &str, identifier: &str, phone: &str) {
    let text = format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:mrn","value":"{identifier}"}}],"telecom":[{{"system":"phone","value":"{phone}"}},{{"system":"email","value":"7777@x"}}]}}"#
    );
    let body = Doc::parse(text).expect("JSON");
    let ctx = Ctx::system("test", START_MS);
    test.record.execute(&ctx, Request::update(PATIENT, id, body)).expect("stored");
}

fn find(test: &TestRecord, typed: &str, count: usize) -> Vec<String> {
    let ctx = Ctx::system("test", START_MS);
    let request = Request::FindPatients { typed: typed.to_owned(), count };
    let body = test.record.execute(&ctx, request).expect("found").body.expect("a Bundle");
    let doc = Doc::parse(body).expect("JSON");
    let ids = doc.root().list("entry").filter_map(|entry| {
        entry.get("resource").and_then(|r| r.str("id").map(|id| id.into_owned()))
    });
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

#[test]
fn parts_of_identifiers_and_phones_find_the_patient_as_it_is() {
    let test = TestRecord::new();
    put(&test, "a", "MRN-100581", "(617) 555-0142");
    put(&test, "b", "100582", "+1 617 555 0199");
    let none: [&str; 0] = [];
    for (typed, wanted) in [
        ("MRN-1005", &["a"][..]),
        ("mrn100", &["a"]),
        ("10058", &["b"]),
        ("100581", &none),
        ("0142", &["a"]),
        ("555-0142", &["a"]),
        ("617 555", &["a", "b"]),
        ("+1 (617) 555-0199", &["b"]),
        ("1-617-555-0142", &["a"]),
        ("7777", &none),
        ("14", &none),
        ("", &none),
        ("%", &none),
    ] {
        assert_eq!(find(&test, typed, 10), wanted, "{typed}");
    }
    assert_eq!(find(&test, "617", 1).len(), 0, "three digits are no part of a phone");
    assert_eq!(find(&test, "6175", 1).len(), 1, "no more than asked");
    // What an older version said finds nothing any more.
    put(&test, "a", "MRN-200", "(508) 555-0100");
    assert_eq!(find(&test, "0142", 10), none);
    assert_eq!(find(&test, "mrn-1", 10), none);
    assert_eq!(find(&test, "5085550100", 10), ["a"]);
    let ctx = Ctx::system("test", START_MS);
    test.record.execute(&ctx, Request::delete(PATIENT, "a")).expect("deleted");
    assert_eq!(find(&test, "5085550100", 10), none);
}

#[test]
fn it_needs_a_search_scope() {
    let test = TestRecord::new();
    let mut ctx = Ctx::system("test", START_MS);
    ctx.scopes = Scopes::parse("user/Patient.r");
    let (id, name) = ("u".to_owned(), "U".to_owned());
    ctx.actor = Actor::User { id, name, role: Role::FrontDesk, patient: None };
    let request = Request::FindPatients { typed: "0142".into(), count: 10 };
    let refused = test.record.execute(&ctx, request).expect_err("refused");
    assert_eq!(refused.kind, Kind::Forbidden);
}
