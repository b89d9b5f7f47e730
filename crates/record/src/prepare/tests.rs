use std::collections::HashMap;

use fhir::json::{Doc, Value};
use fhir_tables::ResourceType;

use super::{Links, Prepared, prepare, served};
use crate::error::{Error, Kind, Result};

fn run(body: &str, full_url: Option<&str>, full_urls: &[(&str, &str)]) -> Result<Prepared> {
    let doc = Doc::parse(body).expect("JSON");
    let rt = super::resource_type_of(doc.root())?;
    let full_urls: HashMap<String, (ResourceType, String)> = full_urls
        .iter()
        .map(|(url, to)| {
            let (ty, id) = to.split_once('/').expect("Type/id");
            (url.to_string(), (ResourceType::from_name(ty).expect("R4"), id.to_owned()))
        })
        .collect();
    let mut select = |expression: &str, rt: ResourceType, query: &str| match query {
        "identifier=one" => Ok((rt, "1".to_owned())),
        _ => Err(Error::at(Kind::NoMatch, expression, "none")),
    };
    let mut links = Links { base_url: "http://h/fhir", full_urls: &full_urls, select: &mut select };
    prepare(rt, "new", doc.root(), full_url, &[], &mut links)
}

fn text(body: &str) -> String {
    run(body, None, &[]).expect("prepared").text
}

#[test]
fn type_id_and_meta_come_first_and_the_rest_keeps_its_order() {
    let body = r#"{ "name": [ {"family":"A" } ], "meta": {"versionId":"9", "profile":["http://p"],
        "lastUpdated":"2020-01-01T00:00:00Z"}, "active" : true, "id":"old",
        "resourceType":"Patient" }"#;
    let want = r#"{"resourceType":"Patient","id":"new","meta":{,"profile":["http://p"]},"name":[{"family":"A"}],"active":true}"#;
    assert_eq!(text(body), want);
}

#[test]
fn what_is_served_is_json_with_version_and_time() {
    for body in [
        r#"{"resourceType":"Patient"}"#,
        r#"{"resourceType":"Patient","meta":{"tag":[{"code":"a"}]},"active":true}"#,
    ] {
        let prepared = run(body, None, &[]).expect("prepared");
        let out = served(&prepared.text, prepared.meta_at, 3, 0);
        let value = Value::parse(out).expect("JSON");
        let meta = value.get("meta").expect("meta");
        assert_eq!(meta.get("versionId").and_then(Value::as_str), Some("3"));
        let at = meta.get("lastUpdated").and_then(Value::as_str).expect("time");
        assert!(at.starts_with("1970-01-01T00:00:00"), "{at}");
    }
}

#[test]
fn links_of_every_kind_are_rewritten_where_they_may_stand() {
    let body = r#"{"resourceType":"Observation","text":{"status":"generated",
        "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:p\">p</a> <img src='urn:uuid:none'/> href= </div>"},
        "identifier":[{"system":"urn:uuid:p","value":"urn:uuid:p"}],
        "subject":{"reference":"urn:uuid:p"},"encounter":{"reference":"Encounter/7"},
        "extension":[{"url":"http://x","valueUri":"urn:uuid:p"},{"url":"http://y","valueReference":{"reference":"urn:uuid:p"}}]}"#;
    let map = [("urn:uuid:p", "Patient/1"), ("http://o/fhir/Encounter/7", "Encounter/e")];
    let got = run(body, Some("http://o/fhir/Observation/1"), &map).expect("prepared");
    let value = Value::parse(got.text.replace("\"meta\":{", "\"meta\":{\"x\":1")).expect("JSON");
    let json = value.to_json();
    assert!(
        json.contains(r#"<a href=\"Patient/1\">p</a> <img src='urn:uuid:none'/> href= </div>"#),
        "{json}"
    );
    assert!(json.contains(r#""system":"Patient/1","value":"urn:uuid:p""#), "{json}");
    assert!(json.contains(r#""valueUri":"Patient/1""#), "{json}");
    assert!(json.contains(r#""encounter":{"reference":"Encounter/e"}"#), "{json}");
    let targets: Vec<_> =
        got.links.iter().map(|l| (l.rt.name(), l.id.as_str(), l.expression.as_str())).collect();
    assert_eq!(
        targets,
        [
            ("Patient", "1", "Observation.subject.reference"),
            ("Encounter", "e", "Observation.encounter.reference")
        ]
    );
}

#[test]
fn our_own_base_is_cut_off_and_others_are_kept() {
    let body = |reference: &str| {
        format!(r#"{{"resourceType":"Observation","subject":{{"reference":"{reference}"}}}}"#)
    };
    for (given, want) in [
        ("http://h/fhir/Patient/1", "Patient/1"),
        ("http://h/fhir/Patient/1/_history/2", "Patient/1/_history/2"),
        ("http://other/fhir/Patient/1", "http://other/fhir/Patient/1"),
        ("urn:uuid:1", "urn:uuid:1"),
        ("Practitioner?identifier=one", "Practitioner/1"),
    ] {
        let got = text(&body(given));
        assert!(got.contains(&format!(r#""reference":"{want}""#)), "{given}: {got}");
    }
    let e = run(&body("Nonsense/1"), None, &[]).expect_err("no such type");
    assert_eq!(
        (e.kind, e.issues[0].expression.as_str()),
        (Kind::Value, "Observation.subject.reference")
    );
    let e = run(&body("Practitioner?identifier=none"), None, &[]).expect_err("no match");
    assert_eq!(e.kind, Kind::NoMatch);
}

#[test]
fn a_local_anchor_must_have_its_contained_resource() {
    let body = |id: &str| {
        format!(
            r##"{{"resourceType":"Observation","contained":[{{"resourceType":"Patient","id":"{id}",
            "managingOrganization":{{"reference":"#"}}}}],"performer":[{{"reference":"#p"}}]}}"##
        )
    };
    assert!(run(&body("p"), None, &[]).is_ok());
    let e = run(&body("q"), None, &[]).expect_err("dangling");
    assert_eq!(e.issues[0].expression, "Observation.performer[0].reference");
}

#[test]
fn a_stored_bundle_is_a_world_of_its_own() {
    let body = r#"{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"urn:uuid:p",
        "resource":{"resourceType":"Observation","subject":{"reference":"Patient/none"}}}]}"#;
    let got = run(body, None, &[]).expect("prepared");
    assert!(got.links.is_empty());
    assert!(got.text.contains("Patient/none"));
}

#[test]
fn each_target_of_many_is_gathered_once() {
    let target = |i: usize| format!(r#"{{"reference":"Patient/{}"}}"#, i % 40);
    let targets: Vec<String> = (0..200).map(target).collect();
    let body = format!(r#"{{"resourceType":"Provenance","target":[{}]}}"#, targets.join(","));
    let links = run(&body, None, &[]).expect("prepared").links;
    assert_eq!(links.len(), 40);
    assert_eq!(links[39].expression, "Provenance.target[39].reference");
}

#[test]
fn what_needs_no_change_is_known() {
    let as_received = |body: &str| run(body, None, &[]).expect("prepared").is_as_received;
    let of = |rest: &str| format!(r#"{{"resourceType":"Observation",{rest}}}"#);
    for rest in [
        r#""id":"a","meta":{"versionId":"9","profile":["http://p"]},"status":"final""#,
        r#""meta":{"lastUpdated":"2020-01-01T00:00:00Z"},"status" : "final""#,
        r#""id":"a","subject":{"reference":"Patient/1"},"focus":[{"reference":"urn:uuid:1"}]"#,
    ] {
        assert!(as_received(&of(rest)), "{rest}");
    }
    for rest in [
        r#""meta":{"profile":["http://p"]},"id":"a""#,
        r#""status":"final","id":"a""#,
        r#""subject":{"reference":"http://h/fhir/Patient/1"}"#,
        r#""subject":{"reference":"Patient\/1"}"#,
        r#""subject":{"reference":"Patient?identifier=one"}"#,
    ] {
        assert!(!as_received(&of(rest)), "{rest}");
    }
}
