//! Search parameters that the practice defines, where they lead to other resources, stand together
//! in composites, or are there for several processes at once.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use case_kit::postgres::cluster;
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, Error, Handling, Kind, Request, Return};

use crate::common::{Home, START_MS, TestRecord};

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

/// Stores resources in transactions.
fn put_all(test: &TestRecord, resources: &[String]) {
    for part in resources.chunks(2_000) {
        let entries: Vec<String> = part
            .iter()
            .map(|json| {
                let doc = Doc::parse(json.as_str()).expect(json);
                let place = format!(
                    "{}/{}",
                    doc.root().str("resourceType").expect("type"),
                    doc.root().str("id").expect("id")
                );
                format!(r#"{{"resource":{json},"request":{{"method":"PUT","url":"{place}"}}}}"#)
            })
            .collect();
        let json = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
            entries.join(",")
        );
        let body = Doc::parse(json).expect("JSON");
        let request = Request::Bundle { body, ret: Return::Minimal };
        test.record.execute(&ctx(), request).expect("a transaction");
    }
}

fn answer(test: &TestRecord, ty: &str, query: &str) -> Result<Doc, Error> {
    let pairs = record::parse_query(query);
    let rt = ResourceType::from_name(ty);
    let request = Request::Search { rt, compartment: None, pairs, handling: Handling::Strict };
    let body = test.record.execute(&ctx(), request)?.body.expect("a Bundle");
    Ok(Doc::parse(body).expect("JSON"))
}

/// `Type/id` of what a search finds and includes.
fn search(test: &TestRecord, ty: &str, query: &str) -> Vec<String> {
    let doc = answer(test, ty, query).unwrap_or_else(|e| panic!("{ty}?{query}: {e}"));
    let name = |entry: fhir::json::Node<'_>| {
        let resource = entry.get("resource")?;
        Some(format!("{}/{}", resource.str("resourceType")?, resource.str("id")?))
    };
    doc.root().list("entry").filter_map(name).collect()
}

fn count(test: &TestRecord, ty: &str, query: &str) -> Result<u32, Error> {
    let doc = answer(test, ty, &format!("{query}&_summary=count"))?;
    let total = doc.root().get("total").and_then(|total| total.as_number()?.parse().ok());
    Ok(total.expect("a total"))
}

fn parameter(id: &str, base: &str, kind: &str, expression: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"SearchParameter","id":"{id}","url":"http://x/{id}","name":"{id}","status":"active","description":"d","code":"{id}","base":["{base}"],"type":"{kind}","expression":"{expression}"{more}}}"#
    )
}

fn wait_until_ready(test: &TestRecord, base: &str, code: &str) {
    let rt = ResourceType::from_name(base).expect(base);
    let begun = Instant::now();
    loop {
        let registry = test.record.custom_params();
        if registry.find(rt, code).is_some_and(|custom| custom.is_ready) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{code} is not ready");
        std::thread::yield_now();
    }
}

fn assert_verified(test: &TestRecord) {
    let (_, findings) = test.record.verify(|_, _| {}).expect("verify");
    assert_eq!(findings, []);
}

fn on_both(name: &str, test: fn(&TestRecord)) {
    test(&TestRecord::new());
    if let Some(cluster) = cluster(name) {
        test(&TestRecord::on(cluster));
    }
}

const GUARDIAN: &str = "Patient.contact.organization";

#[test]
fn chains_includes_and_order_go_through_the_practices_own_references() {
    on_both("chains_go_through_own_references", |test| {
        let contact = |id: &str, to: &str| {
            format!(
                r#"{{"resourceType":"Patient","id":"{id}","gender":"female","contact":[{{"organization":{{"reference":"Organization/{to}"}}}}]}}"#
            )
        };
        put_all(test, &[
            r#"{"resourceType":"Organization","id":"o1","name":"North"}"#.to_owned(),
            r#"{"resourceType":"Organization","id":"o2","name":"East","partOf":{"reference":"Organization/o1"}}"#.to_owned(),
            contact("a", "o1"),
            contact("b", "o2"),
            r#"{"resourceType":"Patient","id":"c","gender":"male"}"#.to_owned(),
        ]);
        let targets = r#","target":["Organization"]"#;
        put(test, &parameter("guardian", "Patient", "reference", GUARDIAN, targets))
            .expect("defined");
        wait_until_ready(test, "Patient", "guardian");
        for (ty, query, want) in [
            ("Patient", "guardian.name=north", &["Patient/a"][..]),
            ("Patient", "guardian:Organization.partof.name=north", &["Patient/b"]),
            ("Patient", "guardian.name:missing=true", &[]),
            ("Patient", "_filter=guardian.name eq East", &["Patient/b"]),
            (
                "Organization",
                "_has:Patient:guardian:gender=female&_sort=_id",
                &["Organization/o1", "Organization/o2"],
            ),
            ("Organization", "_has:Patient:guardian:_id=a", &["Organization/o1"]),
            ("Patient", "_id=b&_include=Patient:guardian", &["Patient/b", "Organization/o2"]),
            (
                "Patient",
                "_id=b&_include=Patient:guardian:Organization&_include:iterate=*",
                &["Patient/b", "Organization/o2", "Organization/o1"],
            ),
            (
                "Organization",
                "_id=o1&_revinclude=Patient:guardian",
                &["Organization/o1", "Patient/a"],
            ),
            ("Organization", "_id=o2&_revinclude=*", &["Organization/o2", "Patient/b"]),
            ("Patient", "_sort=guardian.name", &["Patient/b", "Patient/a", "Patient/c"]),
            ("Patient", "_sort=-guardian.name,_id", &["Patient/a", "Patient/b", "Patient/c"]),
        ] {
            assert_eq!(search(test, ty, query), want, "{ty}?{query}");
        }
        let wrong = answer(test, "Patient", "_include=Patient:guardian:Device").map(|_| ());
        assert_eq!(wrong.expect_err("never reaches a Device").kind, Kind::Invalid);
        // Over what is followed one by one, on either side.
        let many: Vec<String> = (0..1_300)
            .map(|n| format!(r#"{{"resourceType":"Organization","id":"m{n}","name":"Many {n}"}}"#))
            .collect();
        put_all(test, &many);
        let patients: Vec<String> =
            (0..1_200).map(|n| contact(&format!("m{n}"), &format!("m{n}"))).collect();
        put_all(test, &patients);
        assert_eq!(count(test, "Patient", "guardian.name=many").expect("found"), 1_200);
        let has = "_has:Patient:guardian:gender=female";
        assert_eq!(count(test, "Organization", has).expect("found"), 1_202);
        assert_eq!(count(test, "Organization", &format!("{has}&name=many 1299")).expect("x"), 0);
        // What is retired leads nowhere, and wildcards do not know it.
        let retired = parameter("guardian", "Patient", "reference", GUARDIAN, targets)
            .replace("active", "retired");
        put(test, &retired).expect("retired");
        answer(test, "Patient", "guardian.name=north").map(|_| ()).expect_err("retired");
        assert_eq!(search(test, "Organization", "_id=o2&_revinclude=*"), ["Organization/o2"]);
        assert_verified(test);
    });
}

#[test]
fn composites_of_the_practice_bind_what_stands_together() {
    on_both("composites_of_the_practice", |test| {
        let patient = |id: &str, contacts: &[(&str, &str, &str)]| {
            let contacts: Vec<String> = contacts
                .iter()
                .map(|(gender, family, role)| {
                    format!(
                        r#"{{"gender":"{gender}","name":{{"family":"{family}"}},"relationship":[{{"coding":[{{"system":"http://roles","code":"{role}"}}]}}]}}"#
                    )
                })
                .collect();
            format!(
                r#"{{"resourceType":"Patient","id":"{id}","contact":[{}]}}"#,
                contacts.join(",")
            )
        };
        put_all(
            test,
            &[
                patient("a", &[("female", "Ash", "N"), ("male", "Stone", "E")]),
                patient("b", &[("female", "Stone", "E"), ("male", "Ash", "N")]),
                patient("c", &[("female", "Ash", "E")]),
            ],
        );
        let relation = "Patient.contact.relationship";
        put(test, &parameter("relation", "Patient", "token", relation, "")).expect("defined");
        let gender = r#"{"definition":"http://hl7.org/fhir/SearchParameter/individual-gender","expression":"gender"}"#;
        let named = r#"{"definition":"http://hl7.org/fhir/SearchParameter/individual-family|4.0.1","expression":"name.family"}"#;
        let related = r#"{"definition":"http://x/relation","expression":"relationship"}"#;
        for (id, parts) in [
            ("gender-name", format!("{gender},{named}")),
            ("gender-relation", format!("{gender},{related}")),
            ("all-three", format!("{gender},{related},{named}")),
        ] {
            let more = format!(r#","component":[{parts}]"#);
            put(test, &parameter(id, "Patient", "composite", "Patient.contact", &more)).expect(id);
            wait_until_ready(test, "Patient", id);
        }
        let check = |test: &TestRecord| {
            for (query, want) in [
                ("gender-name=female$ash", &["Patient/a", "Patient/c"][..]),
                ("gender-name=male$ash", &["Patient/b"]),
                ("gender-name=male$nobody", &[]),
                ("gender-relation=female$http://roles|E", &["Patient/b", "Patient/c"]),
                ("gender-relation=male$E,male$N", &["Patient/a", "Patient/b"]),
                ("gender-relation=male$|E", &[]),
                ("all-three=female$E$ash", &["Patient/c"]),
                ("all-three:missing=true", &[]),
            ] {
                let query = format!("{query}&_sort=_id");
                assert_eq!(search(test, "Patient", &query), want, "{query}");
            }
        };
        wait_until_ready(test, "Patient", "relation");
        check(test);
        // What is written from now on, and what takes its place.
        put(test, &patient("d", &[("other", "Ash", "N")])).expect("a patient");
        assert_eq!(search(test, "Patient", "all-three=other$N$ash"), ["Patient/d"]);
        check(test);
        assert_verified(test);
        for (more, says) in [
            (format!(r#","component":[{gender}]"#), "two components or more"),
            (
                format!(
                    r#","component":[{gender},{{"definition":"http://y/z","expression":"x"}}]"#
                ),
                "no search parameter of Patient",
            ),
            (
                format!(
                    r#","component":[{gender},{{"definition":"http://x/all-three","expression":"x"}}]"#
                ),
                "no component",
            ),
            (format!(r#","component":[{}]"#, [gender; 9].join(",")), "8 at most"),
        ] {
            let refused =
                put(test, &parameter("w", "Patient", "composite", "Patient.contact", &more));
            let error = refused.expect_err(says);
            assert!(error.issues[0].text.contains(says), "{:?}", error.issues);
        }
        for (query, says) in [
            ("all-three=female$E", "must have the form gender$relation$family"),
            ("gender-relation=female$a|b|c", "more than one '|'"),
        ] {
            let error = answer(test, "Patient", query).map(|_| ()).expect_err(says);
            assert!(error.issues[0].text.contains(says), "{:?}", error.issues);
        }
    });
}

#[test]
fn a_composite_is_there_after_a_crash() {
    // What is in memory only is gathered from the log when the record is opened again.
    let test = TestRecord::new();
    let gender = r#"{"definition":"http://hl7.org/fhir/SearchParameter/individual-gender","expression":"gender"}"#;
    let more = format!(r#","component":[{gender},{gender}]"#);
    put(&test, &parameter("both", "Patient", "composite", "Patient.contact", &more)).expect("both");
    wait_until_ready(&test, "Patient", "both");
    put(
        &test,
        r#"{"resourceType":"Patient","id":"a","contact":[{"gender":"other","name":{"text":"x"}}]}"#,
    )
    .expect("a patient");
    let test = test.reopened();
    assert_eq!(search(&test, "Patient", "both=other$other"), ["Patient/a"]);
    assert_verified(&test);
}

const COLOUR: &str = "Patient.extension.where(url='http://x/colour').value";

fn coloured(id: &str, colour: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","extension":[{{"url":"http://x/colour","valueCoding":{{"system":"http://colours/{colour}","code":"{colour}"}}}}]}}"#
    )
}

/// Waits until a search is answered; a search that comes too early is told to try again.
fn count_when_ready(test: &TestRecord, query: &str) -> u32 {
    let begun = Instant::now();
    loop {
        match count(test, "Patient", query) {
            Ok(n) => return n,
            Err(e) => assert_eq!(e.kind, Kind::Unavailable, "{query}: {e}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{query} is not answered");
        std::thread::yield_now();
    }
}

#[test]
fn every_process_on_a_database_has_the_parameters_of_all() {
    let Some(cluster) = cluster("every_process_on_a_database_has_the_parameters_of_all") else {
        return;
    };
    let a = TestRecord::on(cluster);
    let (b, c) = (a.beside(), a.beside());
    let old: Vec<String> = (0..1_100).map(|n| coloured(&format!("p{n}"), "blue")).collect();
    put_all(&a, &old);
    std::thread::scope(|scope| {
        // One writes all the while, and never hears of the definition but by the feed.
        let writer = scope.spawn(|| {
            for n in 0..150 {
                put(&b, &coloured(&format!("b{n}"), "red")).expect("a patient");
            }
        });
        put(&a, &parameter("colour", "Patient", "token", COLOUR, "")).expect("defined");
        writer.join().expect("writer");
    });
    for test in [&a, &b, &c, &a.beside()] {
        assert_eq!(count_when_ready(test, "colour=red"), 150);
        assert_eq!(count_when_ready(test, "colour=http://colours/blue|blue"), 1_100);
        assert_eq!(count_when_ready(test, "colour:missing=true"), 0);
    }
    assert_verified(&c);
    // Another process retires it, and defines another under the same code.
    let other = parameter("colour", "Patient", "string", "Patient.id", "");
    put(&c, &other).expect("another definition");
    for test in [&b, &a] {
        put(test, &coloured("late", "late")).expect("a patient");
        assert_eq!(count_when_ready(test, "colour:exact=p109"), 1);
        assert_eq!(count_when_ready(test, "colour=late"), 1);
        assert_verified(test);
    }
}

/// A child that works on the record until it is killed.
fn child(home: &Home, keys: &Path, query: &str) -> Command {
    let own = std::env::current_exe().expect("own path");
    let path = own.parent().and_then(Path::parent).expect("deps").join("examples/reindex_child");
    assert!(
        path.exists(),
        "run `cargo build -p record --examples` first; a plain `cargo test` does"
    );
    let mut command = Command::new(path);
    match home {
        Home::Folder { folder, key } => {
            let master = store::MasterKey::read(&keys.join("test.key")).expect("the master key");
            let wrapped = master.wrap("test", key).expect("wrapped");
            command.arg("folder").arg(folder).arg(keys).arg(wrapped);
        }
        Home::Database { url, practice } => {
            command.args(["database", url, practice]);
        }
        Home::Moved => panic!("the record is elsewhere"),
    }
    command.arg(query).stdout(Stdio::piped());
    command
}

/// The number in "version 500 of 6001".
fn progress(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("(version ")?;
    rest.split_once(' ')?.0.parse().ok()
}

struct Keys(PathBuf);

impl Drop for Keys {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn killed_in_the_middle(name: &str, test: TestRecord) {
    const PATIENTS: u32 = 12_000;
    let all: Vec<String> = (0..PATIENTS)
        .map(|n| coloured(&format!("p{n}"), if n % 3 == 0 { "red" } else { "blue" }))
        .collect();
    put_all(&test, &all);
    // Closed before the work has come far: the children go on with it.
    put(&test, &parameter("colour", "Patient", "token", COLOUR, "")).expect("defined");
    let (home, world) = test.closed();
    let keys =
        Keys(std::env::temp_dir().join(format!("vitae-reindex-{name}-{}", std::process::id())));
    store::MasterKey::create(&keys.0, "test.key").expect("a master key");
    let (mut reached, mut n_killed) = (0, 0);
    for _ in 0..4 {
        let mut child = child(&home, &keys.0, "colour=red").spawn().expect("the child");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut is_ready = false;
        for line in lines {
            let line = line.expect("a line");
            is_ready = line == "ready";
            let Some(at) = progress(&line) else { break };
            assert!(at >= reached, "it began again at {at} behind {reached}");
            // Some slices farther than the one before it.
            if at >= reached + 1_000 {
                reached = at;
                break;
            }
        }
        // SIGKILL.
        child.kill().expect("killed");
        child.wait().expect("ended");
        if is_ready {
            break;
        }
        n_killed += 1;
    }
    assert!(n_killed > 0, "it was ready before it could be killed");
    let test = TestRecord::opened((home, world));
    assert_eq!(count_when_ready(&test, "colour=red"), PATIENTS / 3);
    assert_eq!(count_when_ready(&test, "colour=blue"), PATIENTS - PATIENTS / 3);
    assert_eq!(count_when_ready(&test, "colour:missing=true"), 0);
    assert_verified(&test);
}

#[test]
fn a_process_that_is_killed_in_the_middle_is_gone_on_from_on_sqlite() {
    killed_in_the_middle("sqlite", TestRecord::new());
}

#[test]
fn a_process_that_is_killed_in_the_middle_is_gone_on_from_on_postgres() {
    if let Some(cluster) = cluster("a_process_that_is_killed_in_the_middle_on_postgres") {
        killed_in_the_middle("postgres", TestRecord::on(cluster));
    }
}
