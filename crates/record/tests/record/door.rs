//! Laws of the door that a case file cannot tell: many writers, limits, restarts, moves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{
    Change, Ctx, Expected, Headers, HistoryOf, ImportOptions, Kind, PatchBody, Payload, Record,
    Request, Return, parse_query, route,
};

const PATIENT: ResourceType = ResourceType::PATIENT;

fn ctx() -> Ctx {
    Ctx::system("test", START_MS)
}

fn doc(text: impl Into<String>) -> Doc {
    Doc::parse(text.into()).expect("JSON")
}

fn get(record: &Record, url: &str) -> Doc {
    let request = route("GET", url, &Headers::default(), Payload::None).expect("a URL");
    let response = record.execute(&ctx(), request).expect(url);
    doc(response.body.expect("a body"))
}

fn next(record: &Record, page: &Doc) -> Option<String> {
    let is_next = |link: &fhir::json::Node<'_>| link.str("relation").as_deref() == Some("next");
    let url = page.root().list("link").find(is_next)?.str("url")?.into_owned();
    Some(url.strip_prefix(record.base_url()).expect("our base").trim_start_matches('/').to_owned())
}

#[test]
fn many_conditional_creates_at_once_create_one() {
    let test = TestRecord::new();
    const N: usize = 64;
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..N)
            .map(|_| {
                scope.spawn(|| {
                    let body =
                        r#"{"resourceType":"Patient","identifier":[{"system":"s","value":"1"}]}"#;
                    let request = Request::Create {
                        rt: PATIENT,
                        body: doc(body),
                        if_none_exist: Some("identifier=s|1".into()),
                        ret: Return::Minimal,
                    };
                    let response = test.record.execute(&ctx(), request).expect("created or found");
                    assert!(matches!(response.status, 200 | 201));
                    response.location.expect("a location")
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
    });
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(
        get(&test.record, "Patient?_summary=count").root().get("total").expect("total").raw(),
        "1"
    );
}

#[test]
fn no_patch_is_lost_among_many() {
    let test = TestRecord::new();
    let body = doc(r#"{"resourceType":"Patient","id":"p","name":[{"given":["0"]}]}"#);
    test.record.execute(&ctx(), Request::update(PATIENT, "p", body)).expect("created");
    const N: usize = 32;
    std::thread::scope(|scope| {
        for i in 1..=N {
            let record = &test.record;
            scope.spawn(move || {
                let patch = format!(r#"[{{"op":"add","path":"/name/0/given/-","value":"{i}"}}]"#);
                let patch = PatchBody::Json(doc(patch));
                let (id, if_match, ret) = ("p".to_owned(), None, Return::Minimal);
                let request = Request::Patch { rt: PATIENT, id, patch, if_match, ret };
                record.execute(&ctx(), request).expect("patched");
            });
        }
    });
    let page = get(&test.record, "Patient/p");
    let name = page.root().list("name").next().expect("a name");
    let given: BTreeSet<String> =
        name.list("given").map(|g| g.as_str().expect("text").into_owned()).collect();
    assert_eq!(given.len(), N + 1);
    let version = page.root().get("meta").and_then(|meta| meta.str("versionId").map(Into::into));
    assert_eq!(version, Some((N + 1).to_string()));
}

#[test]
fn a_delete_and_a_reference_never_meet() {
    let test = TestRecord::new();
    for round in 0..20 {
        let id = format!("p{round}");
        let body = doc(format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#));
        test.record.execute(&ctx(), Request::update(PATIENT, id.as_str(), body)).expect("created");
        let (created, deleted) = std::thread::scope(|scope| {
            let create = scope.spawn(|| {
                let body = doc(format!(
                    r#"{{"resourceType":"Basic","code":{{"text":"x"}},"subject":{{"reference":"Patient/{id}"}}}}"#
                ));
                test.record.execute(&ctx(), Request::create(ResourceType::BASIC, body)).is_ok()
            });
            let delete = scope.spawn(|| {
                test.record.execute(&ctx(), Request::delete(PATIENT, id.as_str())).is_ok()
            });
            (create.join().expect("no panic"), delete.join().expect("no panic"))
        });
        assert!(created != deleted, "round {round}: created {created}, deleted {deleted}");
    }
}

#[test]
fn pages_neither_repeat_nor_miss_while_others_write() {
    let test = TestRecord::new();
    for i in 0..50 {
        let body = doc(format!(r#"{{"resourceType":"Patient","id":"p{i}","active":true}}"#));
        let request = Request::update(PATIENT, format!("p{i}"), body);
        test.record.execute(&ctx(), request).expect("created");
    }
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let record = &test.record;
        let stopped = stop.clone();
        scope.spawn(move || {
            let mut i = 0;
            while !stopped.load(Ordering::SeqCst) {
                i += 1;
                let id = format!("p{}", i % 60);
                let request = if i % 3 == 0 {
                    Request::delete(PATIENT, id)
                } else {
                    let active = i % 2 == 0;
                    let body = doc(format!(
                        r#"{{"resourceType":"Patient","id":"{id}","active":{active}}}"#
                    ));
                    Request::update(PATIENT, id, body)
                };
                record.execute(&ctx(), request).expect("written");
            }
        });
        for first in
            ["Patient?active=true&_count=7", "_history?_count=7", "Patient/_history?_count=7"]
        {
            let mut page = get(record, first);
            let total: usize =
                page.root().get("total").expect("total").raw().parse().expect("a number");
            let mut seen = BTreeSet::new();
            let mut n = 0;
            loop {
                for entry in page.root().list("entry") {
                    let etag = entry.get("response").and_then(|r| r.str("etag"));
                    seen.insert((
                        entry.str("fullUrl").expect("a URL").into_owned(),
                        etag.map(Into::into) as Option<String>,
                    ));
                    n += 1;
                }
                let Some(url) = next(record, &page) else { break };
                page = get(record, &url);
            }
            assert_eq!((n, seen.len()), (total, total), "{first}");
        }
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_bundle_has_as_many_entries_as_the_limit_and_no_more() {
    let test = TestRecord::new();
    const ENTRIES_MAX: usize = 10_000;
    let bundle = |n: usize| {
        let entry = r#"{"resource":{"resourceType":"Basic","code":{"text":"x"}},"request":{"method":"POST","url":"Basic"}}"#;
        let entries = vec![entry; n].join(",");
        doc(format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#))
    };
    let e = test.record.execute(&ctx(), Request::bundle(bundle(ENTRIES_MAX + 1)));
    assert_eq!(e.expect_err("too many").kind, Kind::TooMany);
    let response = test.record.execute(&ctx(), Request::bundle(bundle(ENTRIES_MAX)));
    assert_eq!(response.expect("the limit").status, 200);
    let page = get(&test.record, "Basic?_summary=count");
    assert_eq!(page.root().get("total").expect("total").raw(), ENTRIES_MAX.to_string());
}

#[test]
fn a_count_above_the_limit_is_the_limit() {
    let test = TestRecord::new();
    let of = HistoryOf::System;
    let pairs = parse_query("_count=100000");
    assert!(test.record.execute(&ctx(), Request::History { of, pairs }).is_ok());
    assert!(test.record.execute(&ctx(), Request::search(PATIENT, "_count=100000")).is_ok());
}

#[test]
fn a_history_moves_to_another_record_byte_for_byte() {
    let (from, to) = (TestRecord::new(), TestRecord::new());
    let put = |body: &str| {
        let body = doc(body);
        let rt = ResourceType::from_name(&body.root().str("resourceType").expect("a type"));
        let id = body.root().str("id").expect("an id").into_owned();
        from.world.tick();
        let request = Request::update(rt.expect("R4"), id, body);
        from.record.execute(&ctx(), request).expect("written");
    };
    put(r#"{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"t"}]},"active":true}"#);
    put(r#"{"resourceType":"Patient","id":"a","name":[{"family":"Élan"}]}"#);
    put(
        r#"{"resourceType":"Basic","id":"b","code":{"text":"x"},"subject":{"reference":"Patient/a"}}"#,
    );
    from.record.execute(&ctx(), Request::delete(ResourceType::BASIC, "b")).expect("deleted");
    put(r#"{"resourceType":"Patient","id":"a","multipleBirthInteger":2}"#);

    let history = || Request::History { of: HistoryOf::System, pairs: parse_query("_count=1000") };
    let exported = from.record.execute(&ctx(), history()).expect("a history").body.expect("a body");
    let request =
        Request::Import { body: doc(exported.as_str()), options: ImportOptions::default() };
    let response = to.record.execute(&ctx(), request).expect("imported");
    assert!(!response.body.expect("a body").contains("outcome"));
    let again = to.record.execute(&ctx(), history()).expect("a history").body.expect("a body");
    assert_eq!(exported, again);
    assert_eq!(
        get(&to.record, "Patient?name=elan&_summary=count")
            .root()
            .get("total")
            .expect("total")
            .raw(),
        "0"
    );
}

#[test]
fn an_import_keeps_ids_and_tells_of_what_it_left() {
    let test = TestRecord::new();
    let body = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Basic","id":"b1","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}},
        {"resource":{"resourceType":"Patient","id":"p1"}},
        {"resource":{"resourceType":"Patient","id":"p2","nonsense":1}},
        {"resource":{"resourceType":"Basic","id":"b2","code":{"text":"x"},"subject":{"reference":"Patient/none"}}},
        {"resource":{"resourceType":"Basic","code":{"text":"x"}}},
        {"fullUrl":"urn:uuid:0"}]}"#;
    let statuses = |allow_dangling| {
        let options = ImportOptions { allow_dangling, ..ImportOptions::default() };
        let response = test
            .record
            .execute(&ctx(), Request::Import { body: doc(body), options })
            .expect("an answer");
        let answer = doc(response.body.expect("a body"));
        let status = |entry: fhir::json::Node<'_>| {
            let response = entry.get("response").expect("a response");
            response.str("status").expect("a status")[..3].to_owned()
        };
        answer.root().list("entry").map(status).collect::<Vec<_>>()
    };
    // Refused together, then one by one: b1 comes before its Patient and is refused too.
    assert_eq!(statuses(false), ["422", "201", "400", "422", "201", "400"]);
    assert_eq!(statuses(false), ["201", "200", "400", "422", "201", "400"]);
    assert_eq!(statuses(true), ["200", "200", "400", "201", "201", "400"]);
    let client = Ctx { actor: record::Actor::Client { id: "c".into(), name: "C".into() }, ..ctx() };
    let options = ImportOptions::default();
    let e = test.record.execute(&client, Request::Import { body: doc(body), options });
    assert_eq!(e.expect_err("not for clients").kind, Kind::Forbidden);
}

#[test]
fn page_links_outlive_a_restart() {
    let test = TestRecord::new();
    for i in 0..5 {
        let body = doc(format!(r#"{{"resourceType":"Patient","id":"p{i}"}}"#));
        let request = Request::update(PATIENT, format!("p{i}"), body);
        test.record.execute(&ctx(), request).expect("created");
    }
    let url = next(&test.record, &get(&test.record, "Patient?_count=2")).expect("a next page");
    let test = test.reopened();
    let page = get(&test.record, &url);
    let ids: Vec<_> = page.root().list("entry").filter_map(|e| e.str("fullUrl")).collect();
    assert!(ids.len() == 2 && ids[0].ends_with("Patient/p2"), "{ids:?}");
}

#[test]
fn items_change_only_from_what_was_expected() {
    let test = TestRecord::new();
    let items = test.record.items();
    let change = |value: &str| {
        vec![Change { collection: "c", key: b"k".to_vec(), value: Some(value.into()) }]
    };
    let expected = |value: Option<&str>| {
        vec![Expected { collection: "c", key: b"k".to_vec(), value: value.map(Into::into) }]
    };
    assert!(items.commit(&ctx(), "new", expected(None), change("1")).expect("committed"));
    assert!(!items.commit(&ctx(), "new", expected(None), change("2")).expect("an answer"));
    assert!(items.commit(&ctx(), "next", expected(Some("1")), change("2")).expect("committed"));
    assert_eq!(items.get("c", b"k").expect("read"), Some(b"2".to_vec()));
    assert_eq!(items.scan("c", b"", None, 10).expect("read").len(), 1);
}
