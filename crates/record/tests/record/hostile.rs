//! Searches that nobody sends by mistake, over a record of several thousand resources: each gets
//! an answer or a clear error, soon.

use std::time::{Duration, Instant};

use case_kit::postgres::cluster;
use fhir::json::Doc;
use fhir_tables::{ResourceType, SearchKind, search_params};
use record::{Ctx, Error, Handling, Kind, Request, Response, Return};

use crate::common::{START_MS, TestRecord};

mod values;

use values::{CONTROLS, MODIFIERS, values};

/// Time that one search may take. Without optimisation, and with its checks, code is some times
/// slower.
const TIME_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 800 } else { 100 });
/// Searches that take longer are tried again: other tests have the cores too.
const TRIES: usize = 4;

const PATIENTS: usize = 600;
const OBSERVATIONS: usize = 3_000;
const ORGANIZATIONS: usize = 40;

/// A practice whose organizations are parts of each other in circles, and whose orders contain
/// what they order.
fn resources() -> Vec<String> {
    let mut all: Vec<String> = (0..ORGANIZATIONS)
        .map(|n| {
            let of = (n + 1) % ORGANIZATIONS;
            format!(
                r#"{{"resourceType":"Organization","id":"g{n}","name":"Clinic {n}","partOf":{{"reference":"Organization/g{of}"}}}}"#
            )
        })
        .collect();
    all.extend((0..PATIENTS).map(|n| {
        let (family, of) = (["Stone", "Étienne", "(a+)+$", "李"][n % 4], n % ORGANIZATIONS);
        let next = (n + 1) % PATIENTS;
        format!(
            r#"{{"resourceType":"Patient","id":"p{n}","name":[{{"family":"{family}","given":["N{n}"]}}],"birthDate":"19{:02}","gender":"female","managingOrganization":{{"reference":"Organization/g{of}"}},"link":[{{"other":{{"reference":"Patient/p{next}"}},"type":"seealso"}}]}}"#,
            n % 100
        )
    }));
    all.extend((0..OBSERVATIONS).map(|n| {
        let (code, of, day) = (["8302-2", "29463-7", "8867-4"][n % 3], n % PATIENTS, 1 + n % 28);
        format!(
            r#"{{"resourceType":"Observation","id":"o{n}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"Body weight"}}]}},"subject":{{"reference":"Patient/p{of}"}},"effectiveDateTime":"2020-03-{day:02}","valueQuantity":{{"value":{},"system":"http://unitsofmeasure.org","code":"kg"}},"component":[{{"code":{{"coding":[{{"code":"c{}"}}]}},"valueQuantity":{{"value":{n}}}}}]}}"#,
            n % 90,
            n % 7
        )
    }));
    all.extend((0..600).map(|n| {
        let of = n % PATIENTS;
        format!(
            r##"{{"resourceType":"MedicationRequest","id":"m{n}","contained":[{{"resourceType":"Medication","id":"m","code":{{"coding":[{{"code":"c{}"}}]}}}}],"status":"active","intent":"order","medicationReference":{{"reference":"#m"}},"subject":{{"reference":"Patient/p{of}"}}}}"##,
            n % 9
        )
    }));
    all.extend((0..300).map(|n| {
        format!(
            r#"{{"resourceType":"Provenance","id":"v{n}","target":[{{"reference":"Observation/o{n}"}}],"recorded":"2020-01-01T00:00:00Z","agent":[{{"who":{{"reference":"Organization/g{}"}}}}]}}"#,
            n % ORGANIZATIONS
        )
    }));
    all.extend((0..100).map(|n| {
        format!(
            r#"{{"resourceType":"Location","id":"l{n}","position":{{"latitude":{},"longitude":{n}}}}}"#,
            n % 80
        )
    }));
    all
}

fn fill(test: &TestRecord) {
    for part in resources().chunks(1_000) {
        let entries: Vec<String> = part
            .iter()
            .map(|json| {
                let doc = Doc::parse(json.as_str()).expect(json);
                let part = |name: &str| doc.root().str(name).expect(name).into_owned();
                let url = format!("{}/{}", part("resourceType"), part("id"));
                format!(r#"{{"resource":{json},"request":{{"method":"PUT","url":"{url}"}}}}"#)
            })
            .collect();
        let json = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
            entries.join(",")
        );
        let body = Doc::parse(json).expect("JSON");
        let request = Request::Bundle { body, ret: Return::Minimal };
        test.record.execute(&Ctx::system("hostile", START_MS), request).expect("stored");
    }
}

fn record() -> TestRecord {
    let test = TestRecord::new();
    fill(&test);
    test
}

/// Sends a search; what it must not do is fail inside, or take long.
fn send(
    test: &TestRecord,
    rt: ResourceType,
    asked: &[(String, String)],
    handling: Handling,
) -> Result<Response, Error> {
    let mut times = Vec::new();
    loop {
        let (compartment, pairs) = (None, asked.to_vec());
        let request = Request::Search { rt: Some(rt), compartment, pairs, handling };
        let begun = Instant::now();
        let answer = test.record.execute(&Ctx::system("hostile", START_MS), request);
        times.push(begun.elapsed());
        if times.last().is_some_and(|took| *took < TIME_MAX) {
            return answer;
        }
        assert!(times.len() < TRIES, "{rt}?{} took {times:?}", shown(asked));
    }
}

fn shown(pairs: &[(String, String)]) -> String {
    let short = |text: &String| text.chars().take(60).collect::<String>();
    let pairs = pairs.iter().take(4);
    pairs
        .map(|(name, value)| format!("{}={}", short(name), short(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Sends one parameter with one value, strictly and leniently.
fn ask(test: &TestRecord, rt: ResourceType, name: &str, value: &str) {
    for handling in [Handling::Strict, Handling::Lenient] {
        let pairs = [(name.to_owned(), value.to_owned())];
        let answer = send(test, rt, &pairs, handling);
        check(&answer, &format!("{rt}?{}", shown(&pairs)));
    }
}

/// A refusal says what is wrong, and is the client's.
fn check(answer: &Result<Response, Error>, query: &str) {
    match answer {
        Ok(response) => assert_eq!(response.status, 200, "{query}"),
        Err(e) => {
            assert!(e.kind != Kind::Internal, "{query}: {e:?}");
            assert!((400..500).contains(&e.status()), "{query}: {e:?}");
            let text = &e.issues.first().expect("an issue").text;
            assert!(!text.is_empty() && text.len() < 2_000, "{query}: {text}");
        }
    }
}

#[test]
fn every_parameter_of_some_types_bears_every_value() {
    let test = record();
    let values = values();
    for name in ["Patient", "Observation", "Location", "Questionnaire"] {
        let rt = ResourceType::from_name(name).expect("a type");
        let codes = search_params(rt).iter().map(|param| param.code);
        for code in codes.chain(CONTROLS.iter().copied()) {
            for value in &values {
                ask(&test, rt, code, value);
            }
        }
    }
}

#[test]
fn every_parameter_of_every_type_bears_every_modifier() {
    let test = record();
    let few = ["a|b|c", "'; DROP TABLE version; --", "http://x|y", "Patient/1", "1e309"];
    for rt in ResourceType::ALL {
        for (param_idx, param) in search_params(rt).iter().enumerate() {
            for (modifier_idx, modifier) in MODIFIERS.iter().enumerate() {
                let name = match *modifier {
                    "" => param.code.to_owned(),
                    modifier => format!("{}:{modifier}", param.code),
                };
                // All values come to all modifiers, though not on each parameter.
                let value = few[(param_idx + modifier_idx + usize::from(rt.0)) % few.len()];
                ask(&test, rt, &name, value);
            }
        }
    }
}

/// What a hostile search gets.
enum Gets {
    /// An error that says this.
    Refused(&'static str),
    /// An answer with so many entries at most.
    Answered(usize),
}

use Gets::{Answered, Refused};

fn many(value: &str, n: usize) -> String {
    vec![value; n].join(",")
}

/// Type, query and what it gets.
type Row = (&'static str, Vec<(String, String)>, Gets);

fn table() -> Vec<Row> {
    let one = |name: &str, value: String| vec![(name.to_owned(), value)];
    let all = |text: &str| record::parse_query(text);
    let times = |n: usize, name: &str, value: &str| vec![(name.to_owned(), value.to_owned()); n];
    let numbers = (0..1_000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let ids = (0..1_000).map(|n| format!("o{n}")).collect::<Vec<_>>().join(",");
    vec![
        // Lists of values.
        ("Observation", one("code", many("a", 10_000)), Refused("1000 values")),
        ("Observation", one("code", many("a", 1_001)), Refused("1000 values")),
        ("Observation", one("code", numbers.clone()), Answered(0)),
        ("Observation", one("_id", ids), Answered(20)),
        ("Observation", one("component-value-quantity", many("gt1", 1_000)), Answered(20)),
        ("Observation", one("date", many("ge2020-01", 1_000)), Answered(20)),
        ("Patient", one("name:contains", many("n", 1_000)), Answered(20)),
        ("Patient", one("name:contains", numbers.clone()), Refused("100 different values")),
        (
            "Patient",
            one("_filter", "name ew n or ".repeat(20) + "name ew 1"),
            Refused("20 conditions"),
        ),
        ("Patient", one("_filter", "name ew n or ".repeat(19) + "name ew 1"), Answered(20)),
        ("Patient", one("_list", many("a", 1_001)), Refused("1000 values")),
        ("Observation", one("subject:Patient.name", many("stone", 1_000)), Answered(20)),
        ("Observation", times(20, "code", &many("8302-2", 1_000)), Answered(20)),
        ("Observation", times(21, "code", &many("a", 1_000)), Refused("20000 values together")),
        ("Observation", times(200, "code", "8302-2"), Answered(20)),
        ("Observation", times(201, "code", "a"), Refused("200 parameters")),
        // Chains.
        ("Encounter", one(&"part-of.".repeat(20), "x".into()), Refused("8 references")),
        (
            "Patient",
            one(
                &format!("{}name", "organization.".to_owned() + &"partof.".repeat(7)),
                "clinic".into(),
            ),
            Answered(20),
        ),
        (
            "Patient",
            one(&format!("{}name", "organization.".to_owned() + &"partof.".repeat(8)), "x".into()),
            Refused("8 references"),
        ),
        (
            "Observation",
            (0..20)
                .map(|n| ("subject:Patient.organization.name".to_owned(), format!("clinic {n}")))
                .collect(),
            Refused("8 conditions on other resources"),
        ),
        (
            "Observation",
            [
                "name",
                "name:exact",
                "name:contains",
                "partof.name",
                "_id:not",
                "active:missing",
                "partof._id:not",
                "partof.active:missing",
            ]
            .map(|name| {
                let value = if name.ends_with("missing") { "true" } else { "Clinic 1" };
                let value = if name == "partof.name" { "clinic" } else { value };
                (format!("subject:Patient.organization.{name}"), value.to_owned())
            })
            .to_vec(),
            Answered(20),
        ),
        ("Observation", times(20, "subject:Patient.name:contains", "n"), Answered(20)),
        ("Patient", times(20, "_has:Observation:patient:code", "8302-2"), Answered(20)),
        (
            "Patient",
            (0..9)
                .map(|n| {
                    (
                        "_has:Observation:patient:component-value-quantity".to_owned(),
                        format!("gt{n}"),
                    )
                })
                .collect(),
            Refused("8 conditions on other resources"),
        ),
        ("Provenance", one("target.target.target.target._id", "x".into()), Refused("conditions")),
        ("Provenance", times(20, "target._id", "x"), Refused("conditions")),
        (
            "Patient",
            one(&format!("{}_id", "_has:Patient:link:".repeat(9)), "p1".into()),
            Refused("8 references"),
        ),
        (
            "Patient",
            one(&format!("{}_id", "_has:Patient:link:".repeat(8)), "p1".into()),
            Answered(1),
        ),
        ("MedicationRequest", one("medication.code", numbers), Answered(20)),
        (
            "MedicationRequest",
            all("medication.code:not=c1&medication.code:missing=false"),
            Answered(20),
        ),
        // Text that looks like patterns, and Unicode.
        ("Patient", one("name:contains", "(a+)+$".into()), Answered(20)),
        ("Patient", one("name", "(((((a*)*)*)*)*)*b".into()), Answered(0)),
        ("Patient", one("name:contains", "a".repeat(8_000)), Answered(0)),
        ("Patient", one("name:exact", "\u{202e}enotS".into()), Answered(0)),
        ("Patient", one("name", "E\u{301}tienne".into()), Answered(20)),
        ("Patient", one("name", "\u{301}".repeat(4_000)), Refused("no letters")),
        ("Patient", one("_content", "a* ".repeat(16)), Refused("2 letters before")),
        ("Patient", one("_content", "ab* ".repeat(16)), Answered(0)),
        ("Patient", one("_content", "a ".repeat(17)), Refused("16 words")),
        ("Patient", one("_filter", "(".repeat(17)), Refused("16 deep")),
        ("Patient", one("_filter", "a".repeat(8_193)), Refused("8192 bytes")),
        ("Patient", one("_filter", vec!["_id eq p1"; 200].join(" or ")), Answered(1)),
        (
            "Patient",
            one("_filter", vec!["name co n"; 201].join(" or ")),
            Refused("200 comparisons"),
        ),
        // Numbers.
        ("Observation", one("value-quantity", "9".repeat(65)), Refused("number")),
        ("Observation", one("value-quantity", "ap1e308".into()), Answered(0)),
        (
            "Observation",
            one("value-quantity", "1e300|http://unitsofmeasure.org|Ym".into()),
            Answered(0),
        ),
        ("Location", one("near", "0|0|20000|km".into()), Answered(20)),
        ("Location", one("near", "0|0|1e308|Ym".into()), Answered(20)),
        // Pages and shapes.
        ("Observation", one("_count", "1000000".into()), Answered(1_000)),
        ("Observation", one("_count", "9".repeat(400)), Answered(1_000)),
        ("Observation", one("_count", "-1".into()), Refused("whole number")),
        ("Observation", one("_elements", many("status", 1_000)), Answered(20)),
        ("Observation", one("_page", "A".repeat(8_000)), Refused("_page")),
        ("Observation", all("_total=accurate&_count=0"), Answered(0)),
        // Includes in circles.
        (
            "Organization",
            all("_id=g0&_include:iterate=Organization:partof"),
            Answered(ORGANIZATIONS),
        ),
        (
            "Organization",
            all(
                "_id=g0&_include:iterate=Organization:partof&_revinclude:iterate=Organization:partof",
            ),
            Answered(ORGANIZATIONS),
        ),
        ("Patient", all("_id=p0&_include:iterate=Patient:link"), Answered(102)),
        ("Organization", times(33, "_include", "Organization:partof"), Answered(40)),
        (
            "Organization",
            (0..33)
                .map(|n| {
                    ("_include".to_owned(), format!("Organization:partof:{}", ResourceType::ALL[n]))
                })
                .collect(),
            Refused("never reaches"),
        ),
        (
            "Patient",
            (0..33)
                .map(|n| ("_revinclude".to_owned(), format!("{}:*", ResourceType::ALL[n])))
                .collect(),
            Refused("32 _include"),
        ),
        ("Patient", all("_count=3&_revinclude=*&_include=*"), Answered(60)),
        // Order by what has none.
        ("Patient", one("_sort", many("_id", 9)), Refused("8 keys")),
        ("Patient", one("_sort", "".into()), Refused("cannot sort")),
        ("Patient", one("_sort", "-".into()), Refused("cannot sort")),
        ("Patient", one("_sort", "--name".into()), Refused("cannot sort")),
        ("Patient", one("_sort", "colour".into()), Refused("cannot sort")),
        ("Patient", one("_sort", "_text".into()), Refused("cannot sort by '_text'")),
        ("Patient", one("_sort", "_content".into()), Refused("cannot sort by '_content'")),
        ("Patient", one("_sort", "_score".into()), Refused("cannot sort")),
        ("Location", one("_sort", "near".into()), Refused("a special parameter")),
        (
            "Observation",
            one("_sort", "code-value-quantity".into()),
            Refused("a composite parameter"),
        ),
        (
            "Observation",
            one("_sort", "subject:Patient.general-practitioner.x".into()),
            Refused("cannot sort"),
        ),
        (
            "Observation",
            one("_sort", "subject.subject.subject.subject".into()),
            Refused("no search parameter 'subject'"),
        ),
        ("Provenance", one("_sort", "target.target._id".into()), Refused("more than 200 types")),
        ("Observation", one("_sort", "status;DROP TABLE version".into()), Refused("cannot sort")),
        (
            "Observation",
            all("_sort=-subject:Patient.organization.name,subject:Patient.name&_count=50"),
            Answered(50),
        ),
        (
            "Observation",
            all("_sort=code,-value-quantity,date,status,subject,_id,_lastUpdated,category"),
            Answered(20),
        ),
        ("Medication", all("_contained=true&_sort=-code&_count=50"), Answered(50)),
    ]
}

fn bears_the_table(test: &TestRecord) {
    let mut wrong = Vec::new();
    for (ty, pairs, gets) in table() {
        let rt = ResourceType::from_name(ty).expect(ty);
        let query = format!("{ty}?{}", shown(&pairs));
        let answer = send(test, rt, &pairs, Handling::Strict);
        check(&answer, &query);
        match (gets, answer) {
            (Refused(says), Err(e)) => {
                let text = &e.issues[0].text;
                if !text.contains(says) {
                    wrong.push(format!("{query}: not '{says}': {text}"));
                }
            }
            (Answered(n_max), Ok(response)) => {
                let doc = Doc::parse(response.body.expect("a Bundle")).expect("JSON");
                let n = doc.root().list("entry").count();
                if n > n_max || (n == 0 && n_max > 0) {
                    wrong.push(format!("{query}: {n} entries, not up to {n_max}"));
                }
            }
            (Refused(says), Ok(_)) => wrong.push(format!("{query}: answered, not '{says}'")),
            (Answered(_), Err(e)) => wrong.push(format!("{query}: {e}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_hostile_search_gets_its_limit_or_its_answer_in_time() {
    bears_the_table(&record());
    if let Some(cluster) = cluster("each_hostile_search_gets_its_limit_in_time") {
        let test = TestRecord::on(cluster);
        fill(&test);
        bears_the_table(&test);
    }
}

/// What means something to those who read SQL, shells, paths, templates, markup and patterns.
const INJECTED: &[&str] = &[
    "' OR '1'='1",
    "'; DROP TABLE version; --",
    "1; DELETE FROM item",
    "1) UNION SELECT key, value FROM item--",
    "\\'; SELECT pg_sleep(10); --",
    "x' AND randomblob(1000000000)='",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "$(sleep 10)",
    "`sleep 10`",
    "../../../../etc/passwd",
    "<script>alert(1)</script>",
    "%27%20OR%201=1",
    "a\0' OR 1=1",
    "a\r\nX-Injected: 1",
    "(?=(a+)+$)",
];

#[test]
fn injection_finds_and_changes_nothing_in_any_kind_of_parameter() {
    let test = record();
    let count = |ty: &str| {
        let rt = ResourceType::from_name(ty).expect(ty);
        let pairs = [("_summary".to_owned(), "count".to_owned())];
        send(&test, rt, &pairs, Handling::Strict).expect(ty).body.expect("a Bundle")
    };
    let before = [count("Patient"), count("Observation")];
    let mut kinds: Vec<SearchKind> = Vec::new();
    for ty in ["Patient", "Observation", "Location", "RiskAssessment", "ValueSet"] {
        let rt = ResourceType::from_name(ty).expect(ty);
        for param in search_params(rt) {
            if !kinds.contains(&param.kind) {
                kinds.push(param.kind);
            }
            for value in INJECTED {
                // Prefixed, so that it comes behind what each kind begins with.
                for value in [(*value).to_owned(), format!("5{value}"), format!("eq2020{value}")] {
                    let pairs = [(param.code.to_owned(), value)];
                    let answer = send(&test, rt, &pairs, Handling::Strict);
                    let query = format!("{ty}?{}", shown(&pairs));
                    check(&answer, &query);
                    // Full text has an `OR` of its own.
                    let Some(response) = answer.ok().filter(|_| !param.expression.is_empty())
                    else {
                        continue;
                    };
                    let doc = Doc::parse(response.body.expect("a Bundle")).expect("JSON");
                    assert_eq!(doc.root().list("entry").count(), 0, "{query}");
                }
            }
        }
    }
    assert_eq!(kinds.len(), 9, "every kind of parameter: {kinds:?}");
    assert_eq!([count("Patient"), count("Observation")], before);
    let (_, findings) = test.record.verify(|_, _| {}).expect("verify");
    assert_eq!(findings, []);
}
