//! Search parameters that the practice defines.

use std::time::{Duration, Instant};

use case_kit::postgres::cluster;

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, Error, Handling, Kind, Request, Return};

fn ctx() -> Ctx {
    Ctx::system("custom", START_MS)
}

fn put(test: &TestRecord, json: &str) -> Result<(), Error> {
    let body = Doc::parse(json).expect(json);
    let rt = ResourceType::from_name(&body.root().str("resourceType").expect("type"));
    let id = body.root().str("id").expect("id").into_owned();
    let request = Request::update(rt.expect("a type"), &id, body);
    test.record.execute(&ctx(), request).map(|_| ())
}

fn patient(test: &TestRecord, n: u32, colour: &str) {
    put(
        test,
        &format!(
            r#"{{"resourceType":"Patient","id":"p{n}","extension":[{{"url":"http://x/colour","valueCode":"{colour}"}}],"birthDate":"1980-01-{:02}"}}"#,
            1 + n % 28
        ),
    )
    .expect("a patient");
}

/// Ids of what a search finds.
fn search(test: &TestRecord, ty: &str, query: &str) -> Result<Vec<String>, Error> {
    let pairs = record::parse_query(&format!("{query}&_count=1000"));
    let rt = ResourceType::from_name(ty);
    let request = Request::Search { rt, compartment: None, pairs, handling: Handling::Strict };
    let body = test.record.execute(&ctx(), request)?.body.expect("a Bundle");
    let doc = Doc::parse(body).expect("JSON");
    let is_cut = doc.root().list("entry").count() == 1_000;
    assert!(!is_cut, "{query} finds more than a page: count with _summary");
    let entries = doc.root().list("entry");
    Ok(entries.filter_map(|entry| Some(entry.get("resource")?.str("id")?.into_owned())).collect())
}

fn parameter(id: &str, code: &str, kind: &str, status: &str, expression: &str) -> String {
    format!(
        r#"{{"resourceType":"SearchParameter","id":"{id}","url":"http://x/{id}","name":"{code}","status":"{status}","description":"d","code":"{code}","base":["Patient"],"type":"{kind}","expression":"{expression}"}}"#
    )
}

const COLOUR: &str = "Patient.extension.where(url='http://x/colour').value";

fn wait_until_ready(test: &TestRecord, code: &str) {
    let begun = Instant::now();
    loop {
        let registry = test.record.custom_params();
        let found = registry.find(ResourceType::PATIENT, code);
        if found.is_some_and(|custom| custom.is_ready) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{code} is not ready");
        std::thread::yield_now();
    }
}

fn assert_verified(test: &TestRecord) {
    let (_, findings) = test.record.verify(|_, _| {}).expect("verify");
    assert_eq!(findings, []);
}

/// Runs a test on both engines.
fn on_both(name: &str, test: fn(TestRecord)) {
    test(TestRecord::new());
    if let Some(cluster) = cluster(name) {
        test(TestRecord::on(cluster));
    }
}

#[test]
fn what_was_there_and_what_comes_is_found() {
    on_both("what_was_there_and_what_comes_is_found", found_before_and_after);
}

fn found_before_and_after(test: TestRecord) {
    for n in 0..1_200 {
        patient(&test, n, if n % 3 == 0 { "red" } else { "blue" });
    }
    for n in 0..40 {
        patient(&test, n, "green");
    }
    put(&test, &parameter("colour", "colour", "token", "active", COLOUR)).expect("defined");
    // While the old ones are added, others come.
    for n in 1_200..1_300 {
        patient(&test, n, "red");
    }
    wait_until_ready(&test, "colour");
    assert_eq!(search(&test, "Patient", "colour=green").expect("found").len(), 40);
    let n_red = (40..1_200).filter(|n| n % 3 == 0).count() + 100;
    assert_eq!(search(&test, "Patient", "colour=red").expect("found").len(), n_red);
    assert_eq!(search(&test, "Patient", "colour:missing=true").expect("found").len(), 0);
    let not_red = search(&test, "Patient", "colour:not=red").expect("found").len();
    assert_eq!(not_red, 1_300 - n_red);
    let both = search(&test, "Patient", "colour=green&birthdate=1980-01-05").expect("found");
    assert_eq!(both, ["p4", "p32"]);
    let sorted =
        search(&test, "Patient", "_sort=-colour,_id&birthdate=1980-01-01").expect("sorted");
    assert_eq!(sorted.len(), (0..1_300).filter(|n| n % 28 == 0).count());
    patient(&test, 4, "red");
    assert_eq!(search(&test, "Patient", "colour=green").expect("found").len(), 39);
    assert_verified(&test);
    let test = test.reopened();
    assert_eq!(search(&test, "Patient", "colour=green").expect("found").len(), 39);
    assert_verified(&test);
}

#[test]
fn the_work_goes_on_after_a_restart() {
    on_both("the_work_goes_on_after_a_restart", goes_on);
}

fn goes_on(mut test: TestRecord) {
    for n in 0..900 {
        patient(&test, n, if n == 899 { "red" } else { "blue" });
    }
    put(&test, &parameter("colour", "colour", "token", "active", COLOUR)).expect("defined");
    // Wherever the work is when the record closes, it ends up with everything.
    for _ in 0..4 {
        test = test.reopened();
        patient(&test, 0, "green");
    }
    wait_until_ready(&test, "colour");
    assert_eq!(search(&test, "Patient", "colour=red").expect("found"), ["p899"]);
    assert_eq!(search(&test, "Patient", "colour=green").expect("found"), ["p0"]);
    assert_eq!(search(&test, "Patient", "colour=blue").expect("found").len(), 898);
    assert_verified(&test);
}

#[test]
fn a_parameter_that_is_not_ready_is_refused_and_one_that_is_retired_is_gone() {
    on_both("a_parameter_that_is_not_ready_is_refused", |test| refused_and_gone(&test));
}

fn refused_and_gone(test: &TestRecord) {
    patient(test, 1, "red");
    put(test, &parameter("colour", "colour", "token", "draft", COLOUR)).expect("a draft");
    let unknown = search(test, "Patient", "colour=red").expect_err("a draft defines nothing");
    assert_eq!(unknown.kind, Kind::NotSupported);
    put(test, &parameter("colour", "colour", "token", "active", COLOUR)).expect("defined");
    match search(test, "Patient", "colour=red") {
        Ok(found) => assert_eq!(found, ["p1"]),
        Err(e) => {
            assert_eq!(e.kind, Kind::Unavailable);
            assert!(e.issues[0].text.contains("being built"), "{:?}", e.issues);
        }
    }
    wait_until_ready(test, "colour");
    assert_eq!(search(test, "Patient", "colour=red").expect("ready"), ["p1"]);
    put(test, &parameter("colour", "colour", "token", "retired", COLOUR)).expect("retired");
    let gone = search(test, "Patient", "colour=red").expect_err("retired");
    assert_eq!(gone.kind, Kind::NotSupported);
    assert_verified(test);
    // Another definition under the same code begins anew.
    put(test, &parameter("colour", "colour", "string", "active", COLOUR)).expect("again");
    wait_until_ready(test, "colour");
    assert!(search(test, "Patient", "colour=re").expect("a string").len() == 1);
    let request =
        Request::Delete { rt: ResourceType::SEARCH_PARAMETER, id: "colour".into(), if_match: None };
    test.record.execute(&ctx(), request).expect("deleted");
    assert!(search(test, "Patient", "colour=re").is_err());
    assert!(test.record.custom_params().is_empty());
    assert_verified(test);
}

#[test]
fn every_kind_of_parameter_can_be_defined() {
    on_both("every_kind_of_parameter_can_be_defined", |test| every_kind(&test));
}

fn every_kind(test: &TestRecord) {
    put(
        test,
        r#"{"resourceType":"Patient","id":"a","multipleBirthInteger":2,"contact":[{"name":{"family":"Ångström"},"period":{"start":"2020-01-01"},"organization":{"reference":"Organization/o"}}]}"#,
    )
    .expect_err("the organization is not here");
    put(test, r#"{"resourceType":"Organization","id":"o"}"#).expect("an organization");
    put(
        test,
        r#"{"resourceType":"Patient","id":"a","multipleBirthInteger":2,"contact":[{"name":{"family":"Ångström"},"period":{"start":"2020-01-01"},"organization":{"reference":"Organization/o"}}]}"#,
    )
    .expect("a patient");
    for (code, kind, expression) in [
        ("order", "number", "Patient.multipleBirth as integer"),
        ("contact", "string", "Patient.contact.name"),
        ("since", "date", "Patient.contact.period"),
        ("guardian", "reference", "Patient.contact.organization"),
        ("is-multiple", "token", "Patient.multipleBirth.exists()"),
    ] {
        put(test, &parameter(code, code, kind, "active", expression)).expect(code);
        wait_until_ready(test, code);
    }
    for (query, want) in [
        ("order=2", 1),
        ("order=gt2", 0),
        ("contact=angs", 1),
        ("contact:contains=stro", 1),
        ("contact:exact=angs", 0),
        ("since=gt2019", 1),
        ("since=lt2019", 0),
        ("guardian=Organization/o", 1),
        ("guardian=Organization/x", 0),
        ("is-multiple=true", 1),
    ] {
        assert_eq!(search(test, "Patient", query).expect(query).len(), want, "{query}");
    }
    assert_verified(test);
}

#[test]
fn what_cannot_be_a_parameter_is_refused() {
    let test = TestRecord::new();
    let ok = parameter("one", "one", "token", "active", COLOUR);
    put(&test, &ok).expect("defined");
    let base =
        |base: &str| ok.replace("\"id\":\"one\"", "\"id\":\"b\"").replace("Patient\"]", base);
    for (json, says) in [
        (parameter("a", "gender", "token", "active", COLOUR), "of R4: choose another code"),
        (parameter("a", "one", "token", "active", COLOUR), "SearchParameter/one defines 'one'"),
        (parameter("a", "a.b", "token", "active", COLOUR), "begins with a letter"),
        (parameter("a", "_a", "token", "active", COLOUR), "begins with a letter"),
        (parameter("a", "a", "special", "active", COLOUR), "cannot be defined here"),
        (parameter("a", "a", "composite", "active", COLOUR), "two components or more"),
        (parameter("a", "a", "token", "active", "Patient.("), "cannot be read"),
        (base("Resource\"]"), "Resource is not offered"),
    ] {
        let error = put(&test, &json).expect_err(says);
        let text = &error.issues[0].text;
        assert_eq!(error.kind, Kind::Invariant, "{text}");
        assert!(text.contains(says), "{text}");
    }
    // Two of one transaction get numbers of their own; a collision refuses both.
    let bundle = |second: &str| {
        let entry = |id: &str, code: &str| {
            let resource = parameter(id, code, "token", "active", COLOUR);
            format!(
                r#"{{"resource":{resource},"request":{{"method":"PUT","url":"SearchParameter/{id}"}}}}"#
            )
        };
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}}"#,
            entry("t1", "t1"),
            entry("t2", second)
        )
    };
    let send = |json: String| {
        let body = Doc::parse(json).expect("JSON");
        test.record.execute(&ctx(), Request::Bundle { body, ret: Return::Minimal })
    };
    send(bundle("t1")).expect_err("two with one code");
    send(bundle("t2")).expect("two parameters");
    let registry = test.record.custom_params();
    let mut ids: Vec<u16> = registry.list().iter().map(|custom| custom.id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}
