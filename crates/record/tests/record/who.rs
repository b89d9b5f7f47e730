//! Who is whose: care, people who act for patients, charts opened in an emergency.

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{
    Actor, Ctx, EMERGENCY_LIFE_MS, EmergencyReason, Kind, OPEN_MAX, Purpose, REVIEW_WITHIN_MS,
    Record, Request, Role, Scopes, WORDS_CHARS_MAX,
};

const DAY_MS: i64 = 86_400_000;

fn put(record: &Record, text: &str) {
    let doc = Doc::parse(text).expect("JSON");
    let rt = ResourceType::from_name(&doc.root().str("resourceType").expect("a type")).expect("R4");
    let id = doc.root().str("id").expect("an id").into_owned();
    let stored = record.execute(&Ctx::system("t", START_MS), Request::update(rt, id, doc));
    stored.unwrap_or_else(|e| panic!("{text}: {e}"));
}

fn patient(record: &Record, id: &str, more: &str) {
    put(record, &format!(r#"{{"resourceType":"Patient","id":"{id}"{more}}}"#));
    put(
        record,
        &format!(
            r#"{{"resourceType":"Observation","id":"o-{id}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{id}"}}}}"#
        ),
    );
}

fn user(id: &str, role: Role, own: Option<&str>, at_ms: i64) -> Ctx {
    let mut ctx = Ctx::system("t", at_ms);
    ctx.scopes = Scopes::all();
    ctx.purpose = Purpose::Treatment;
    let (id, name) = (id.to_owned(), id.to_uppercase());
    ctx.actor = Actor::User { id, name, role, patient: own.map(str::to_owned) };
    ctx
}

/// Ids of the patients whose Observation is seen, by reading and by searching alike.
fn seen(record: &Record, ctx: &Ctx, ids: &[&str]) -> Vec<String> {
    let rt = ResourceType::OBSERVATION;
    let read = |id: &&&str| {
        let answer = record.execute(ctx, Request::read(rt, format!("o-{id}")));
        answer.is_ok()
    };
    let read: Vec<String> = ids.iter().filter(read).map(|id| (*id).to_owned()).collect();
    let found = record.execute(ctx, Request::search(rt, "_count=1000&_elements=id"));
    let body = match found {
        Ok(answer) => answer.body.expect("a Bundle"),
        Err(e) => {
            assert_eq!(e.kind, Kind::Forbidden, "{e}");
            return read;
        }
    };
    let doc = Doc::parse(body).expect("JSON");
    let mut found: Vec<String> = doc
        .root()
        .list("entry")
        .filter_map(|entry| Some(entry.get("resource")?.str("id")?.into_owned()))
        .filter_map(|id| id.strip_prefix("o-").map(str::to_owned))
        .collect();
    found.sort();
    assert_eq!(found, read, "a search and reads");
    read
}

fn leaves(record: &Record) -> Vec<String> {
    let text = |leaf: Vec<u8>| String::from_utf8(leaf).expect("UTF-8");
    record.flush().expect("on disk");
    let log = record.audit_log(&Ctx::system("t", START_MS)).expect("the log");
    let leaves = log.leaves(0, 10_000).expect("leaves");
    leaves.into_iter().map(|(_, leaf)| text(leaf)).collect()
}

const CARE: &str = "[provider]\nmay = ['care/*.cruds', 'user/Patient.c']\n\
    emergency = ['patient/*.rs']\nsealed = ['V']\n\
    [nurse]\nmay = ['user/*.rs']\n\
    [privacy-officer]\nmay = ['user/*.rs']\nreviews = true\n\
    [admin]\nmay = ['user/*.rs']\nreviews = true\nemergency = ['patient/*.rs']\n";

fn practice(test: &TestRecord) {
    let record = &test.record;
    put(record, r#"{"resourceType":"Practitioner","id":"dr"}"#);
    put(record, r#"{"resourceType":"Practitioner","id":"other"}"#);
    record.set_policy(&Ctx::system("t", START_MS), CARE).expect("a policy");
    let known_as = ["Practitioner/dr".to_owned()];
    record.set_known_as(&Ctx::system("t", START_MS), "doc", &known_as).expect("linked");
}

fn care_is_what_the_record_says(test: TestRecord) {
    practice(&test);
    let record = &test.record;
    let ids = ["p1", "p2", "p3", "p4", "p5", "p6", "p7"];
    let gp = r#","generalPractitioner":[{"reference":"Practitioner/dr"}]"#;
    let other = r#","generalPractitioner":[{"reference":"Practitioner/other"}]"#;
    for (id, more) in ids.iter().zip([gp, "", "", "", other, "", ""]) {
        patient(record, id, more);
    }
    let ctx = user("doc", Role::Provider, None, START_MS);
    assert_eq!(seen(record, &ctx, &ids), ["p1"], "general practitioner");
    let team = |status: &str| {
        format!(
            r#"{{"resourceType":"CareTeam","id":"t","status":"{status}","subject":{{"reference":"Patient/p2"}},"participant":[{{"member":{{"reference":"Practitioner/dr"}}}}]}}"#
        )
    };
    put(record, &team("active"));
    assert_eq!(seen(record, &ctx, &ids), ["p1", "p2"]);
    let encounter = |id: &str, of: &str, day: &str| {
        format!(
            r#"{{"resourceType":"Encounter","id":"{id}","status":"finished","class":{{"code":"AMB"}},"subject":{{"reference":"Patient/{of}"}},"participant":[{{"individual":{{"reference":"Practitioner/dr"}}}}],"period":{{"start":"{day}","end":"{day}"}}}}"#
        )
    };
    put(record, &encounter("e3", "p3", "2025-06-01"));
    put(record, &encounter("e6", "p6", "2023-06-01"));
    assert_eq!(seen(record, &ctx, &ids), ["p1", "p2", "p3"], "the last year's Encounters");
    let appointment = |id: &str, of: &str, start: &str| {
        format!(
            r#"{{"resourceType":"Appointment","id":"{id}","status":"booked","start":"{start}","end":"{start}","participant":[{{"actor":{{"reference":"Practitioner/dr"}},"status":"accepted"}},{{"actor":{{"reference":"Patient/{of}"}},"status":"accepted"}}]}}"#
        )
    };
    put(record, &appointment("a4", "p4", "2026-01-20T10:00:00Z"));
    put(record, &appointment("a7", "p7", "2026-03-20T10:00:00Z"));
    assert_eq!(seen(record, &ctx, &ids), ["p1", "p2", "p3", "p4"], "the next month's Appointments");
    // A day later is another day; what ends, ends at once.
    let later = user("doc", Role::Provider, None, START_MS + 60 * DAY_MS);
    assert_eq!(seen(record, &later, &ids), ["p1", "p2", "p3", "p7"]);
    put(record, &team("inactive"));
    assert_eq!(seen(record, &ctx, &ids), ["p1", "p3", "p4"]);
    // Others of the role, and those who are nobody, see none of it.
    assert!(seen(record, &user("someone", Role::Provider, None, START_MS), &ids).is_empty());
    assert_eq!(seen(record, &user("n", Role::Nurse, None, START_MS), &ids).len(), ids.len());
    // Through a role in the practice.
    put(
        record,
        r#"{"resourceType":"PractitionerRole","id":"r","practitioner":{"reference":"Practitioner/dr"}}"#,
    );
    patient(record, "p5", r#","generalPractitioner":[{"reference":"PractitionerRole/r"}]"#);
    assert_eq!(seen(record, &ctx, &ids), ["p1", "p3", "p4", "p5"]);
    // What is written in the own name stays in the own care.
    let own = Doc::parse(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p6"}}"#,
    );
    let refused = record
        .execute(&ctx, Request::create(ResourceType::OBSERVATION, own.expect("JSON")))
        .expect_err("not in the care");
    assert!(matches!(refused.kind, Kind::Dangling), "{refused}");
    let test = test.reopened();
    assert_eq!(seen(&test.record, &ctx, &ids), ["p1", "p3", "p4", "p5"], "after a start");
    test.record.set_known_as(&Ctx::system("t", START_MS), "doc", &[]).expect("unlinked");
    assert!(seen(&test.record, &ctx, &ids).is_empty());
}

#[test]
fn care_is_what_the_record_says_on_sqlite() {
    care_is_what_the_record_says(TestRecord::new());
}

#[test]
fn care_is_what_the_record_says_on_postgres() {
    let name = "care_is_what_the_record_says_on_postgres";
    let Some(cluster) = case_kit::postgres::cluster(name) else { return };
    care_is_what_the_record_says(TestRecord::on(cluster));
}

#[test]
fn many_patients_are_in_the_care_of_one() {
    let test = TestRecord::new();
    practice(&test);
    let ids: Vec<String> = (0..300).map(|n| format!("p{n:03}")).collect();
    for (n, id) in ids.iter().enumerate() {
        let dr = if n % 3 == 0 { "dr" } else { "other" };
        let gp = format!(r#","generalPractitioner":[{{"reference":"Practitioner/{dr}"}}]"#);
        patient(&test.record, id, &gp);
    }
    let ctx = user("doc", Role::Provider, None, START_MS);
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let wanted: Vec<&str> = all.iter().copied().step_by(3).collect();
    assert_eq!(seen(&test.record, &ctx, &all), wanted);
}

#[test]
fn a_login_is_known_as_what_is_there() {
    let test = TestRecord::new();
    practice(&test);
    let system = Ctx::system("t", START_MS);
    patient(&test.record, "p1", "");
    for wrong in ["Patient/p1", "dr", "Practitioner/", "Practitioner/a b"] {
        let e = test.record.set_known_as(&system, "doc", &[wrong.to_owned()]).expect_err(wrong);
        assert!(e.kind == Kind::Invalid && e.to_string().contains(wrong), "{e}");
    }
    let many = |n| vec!["Practitioner/dr".to_owned(); n];
    test.record.set_known_as(&system, "doc", &many(record::KNOWN_AS_MAX)).expect("at the limit");
    let e = test.record.set_known_as(&system, "doc", &many(record::KNOWN_AS_MAX + 1));
    assert_eq!(e.expect_err("above it").kind, Kind::TooMany);
    assert_eq!(test.record.known_as("doc").expect("known").len(), record::KNOWN_AS_MAX);
}

fn related(id: &str, of: &str, code: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"RelatedPerson","id":"{id}","patient":{{"reference":"Patient/{of}"}},"relationship":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"{code}"}}]}}]{more}}}"#
    )
}

#[test]
fn people_act_for_patients_as_the_record_says() {
    let test = TestRecord::new();
    let record = &test.record;
    let ids = ["child", "grown", "own", "ward", "stranger"];
    for (id, born) in ids.iter().zip(["2020-05-05", "2007-12-31", "1980", "1940-01-01", "2020"]) {
        patient(record, id, &format!(r#","birthDate":"{born}""#));
    }
    put(record, &related("r1", "child", "MTH", ""));
    put(record, &related("r2", "grown", "MTH", ""));
    put(record, &related("r3", "ward", "GUARD", ""));
    let system = Ctx::system("t", START_MS);
    let known_as = ["r1", "r2", "r3"].map(|id| format!("RelatedPerson/{id}"));
    record.set_known_as(&system, "mum", &known_as).expect("linked");
    let ctx = user("mum", Role::Patient, Some("own"), START_MS);
    assert_eq!(seen(record, &ctx, &ids), ["child", "own", "ward"]);
    let before_birthday = user("mum", Role::Patient, Some("own"), START_MS - 2 * DAY_MS);
    assert_eq!(seen(record, &before_birthday, &ids), ["child", "grown", "own", "ward"]);
    // What is private of the young.
    put(
        record,
        r#"{"resourceType":"Observation","id":"o-child","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"SEX"}]},"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/child"}}"#,
    );
    assert_eq!(seen(record, &ctx, &ids), ["child", "own", "ward"], "a small child");
    patient_born(record, "child", "2010-05-05");
    assert_eq!(seen(record, &ctx, &ids), ["own", "ward"], "a young person");
    patient_born(record, "child", "2020-05-05");
    // Nothing is written for others.
    let body = Doc::parse(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/child"}}"#,
    );
    let e = record
        .execute(&ctx, Request::create(ResourceType::OBSERVATION, body.expect("JSON")))
        .expect_err("no writing");
    assert_eq!(e.kind, Kind::Forbidden);
    // It ends when the record says so.
    put(record, &related("r3", "ward", "GUARD", r#","period":{"end":"2025-12-31"}"#));
    assert_eq!(seen(record, &ctx, &ids), ["child", "own"]);
    put(record, &related("r1", "child", "MTH", r#","active":false"#));
    assert_eq!(seen(record, &ctx, &ids), ["own"]);
    record
        .execute(
            &system,
            Request::delete(ResourceType::from_name("RelatedPerson").expect("R4"), "r1"),
        )
        .expect("deleted");
    assert_eq!(seen(record, &ctx, &ids), ["own"]);
    // Staff does not act for patients with it.
    let staff = user("mum", Role::Provider, None, START_MS);
    record.set_policy(&system, CARE).expect("a policy");
    assert!(seen(record, &staff, &ids).is_empty());
}

fn patient_born(record: &Record, id: &str, born: &str) {
    put(record, &format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"{born}"}}"#));
}

#[test]
fn an_emergency_opens_one_chart_for_four_hours_and_is_reviewed() {
    let test = TestRecord::new();
    practice(&test);
    let record = &test.record;
    let ids = ["p1", "p2", "p3"];
    ids.iter().for_each(|id| patient(record, id, ""));
    put(
        record,
        r#"{"resourceType":"Condition","id":"sealed","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"}]},"subject":{"reference":"Patient/p2"}}"#,
    );
    let at = |after_ms: i64| user("doc", Role::Provider, None, START_MS + after_ms);
    let ctx = at(0);
    let reason = EmergencyReason::Threat;
    assert!(seen(record, &ctx, &ids).is_empty());
    // Who may not, and what is not enough.
    let nurse = user("n", Role::Nurse, None, START_MS);
    for (ctx, patient, words, kind) in [
        (&nurse, "p2", "found unconscious", Kind::Forbidden),
        (&Ctx::system("t", START_MS), "p2", "found unconscious", Kind::Forbidden),
        (&ctx, "nobody", "found unconscious", Kind::NotFound),
        (&ctx, "p2", " why ", Kind::Invalid),
        (&ctx, "p2", &"x".repeat(WORDS_CHARS_MAX + 1), Kind::TooMany),
    ] {
        let e = record.open_in_emergency(ctx, patient, reason, words).expect_err(words);
        assert_eq!(e.kind, kind, "{e}");
    }
    assert!(seen(record, &ctx, &ids).is_empty());
    let opened = record
        .open_in_emergency(&ctx, "p2", reason, "found unconscious at the bus stop")
        .expect("opened");
    assert_eq!(seen(record, &ctx, &ids), ["p2"]);
    assert_eq!(seen(record, &user("someone", Role::Provider, None, START_MS), &ids).len(), 0);
    let sealed = ResourceType::from_name("Condition").expect("R4");
    let e = record.execute(&ctx, Request::read(sealed, "sealed")).expect_err("stays closed");
    assert_eq!(e.kind, Kind::NotFound);
    // The log says so.
    let log = leaves(record);
    let line = |part: &str| log.iter().filter(|leaf| leaf.contains(part)).collect::<Vec<_>>();
    let started = line("emergency (threat) Patient/p2\",\"n\":1");
    assert!(started.len() == 1 && started[0].contains("ETREAT") && started[0].contains("[\"p2\"]"));
    assert!(line("Observation/o-p2").iter().any(|leaf| leaf.contains("\"why\":\"ETREAT\"")));
    let others: Vec<_> =
        line("Observation/o-p1").into_iter().filter(|leaf| leaf.contains("User/doc")).collect();
    assert!(!others.is_empty() && others.iter().all(|l| l.contains("\"why\":\"TREAT\"")));
    assert!(line("emergency (threat)").iter().any(|leaf| leaf.contains("\"ok\":403")));
    // It lasts four hours by any clock, and a restart changes nothing.
    assert_eq!(seen(record, &at(EMERGENCY_LIFE_MS - 1), &ids), ["p2"]);
    assert!(seen(record, &at(EMERGENCY_LIFE_MS), &ids).is_empty());
    assert_eq!(seen(record, &at(-60_000), &ids), ["p2"], "a clock that was set right");
    assert!(seen(record, &at(-3_600_000), &ids).is_empty(), "a clock that was set back");
    let test = test.reopened();
    let record = &test.record;
    assert_eq!(seen(record, &ctx, &ids), ["p2"], "after a start");
    assert!(seen(record, &at(EMERGENCY_LIFE_MS), &ids).is_empty());
    // Closed by hand.
    let again = record.open_in_emergency(&ctx, "p3", reason, "the next patient").expect("opened");
    assert_eq!(seen(record, &ctx, &ids), ["p2", "p3"]);
    let other = user("someone", Role::Provider, None, START_MS);
    assert_eq!(
        record.close_emergency(&other, &again.id).expect_err("not theirs").kind,
        Kind::NotFound
    );
    record.close_emergency(&at(1_000), &again.id).expect("closed");
    assert_eq!(seen(record, &at(2_000), &ids), ["p2"]);
    assert_eq!(
        record.close_emergency(&at(3_000), &again.id).expect_err("closed").kind,
        Kind::NotFound
    );
    // Reviewed by others, once.
    let officer = |after_ms| user("po", Role::PrivacyOfficer, None, START_MS + after_ms);
    assert_eq!(record.waiting_emergencies(&officer(0)).expect("counted"), Some((2, 0)));
    assert_eq!(
        record.waiting_emergencies(&officer(REVIEW_WITHIN_MS)).expect("counted"),
        Some((2, 2))
    );
    assert_eq!(record.waiting_emergencies(&ctx).expect("counted"), None);
    assert_eq!(record.emergencies(&ctx, true).expect_err("not theirs").kind, Kind::Forbidden);
    let list = record.emergencies(&officer(0), true).expect("listed");
    assert!(list.iter().map(|e| e.patient.as_str()).eq(["p3", "p2"]) || list.len() == 2);
    let review = |ctx: &Ctx, ok, words| record.review_emergency(ctx, &opened.id, ok, words);
    assert_eq!(review(&ctx, true, "").expect_err("own").kind, Kind::Forbidden);
    assert_eq!(review(&officer(0), false, "").expect_err("no words").kind, Kind::Invalid);
    review(&officer(0), true, "").expect("reviewed");
    assert_eq!(
        review(&officer(0), false, "on second thoughts").expect_err("done").kind,
        Kind::Conflict
    );
    assert_eq!(record.waiting_emergencies(&officer(0)).expect("counted"), Some((1, 0)));
    assert_eq!(record.emergencies(&officer(0), false).expect("listed").len(), 2);
    let e = record.review_emergency(&officer(0), "nothing", true, "").expect_err("unknown");
    assert_eq!(e.kind, Kind::NotFound);
    // Whoever reviews and opens may not review the own.
    let admin = user("boss", Role::Admin, None, START_MS);
    let own = record.open_in_emergency(&admin, "p1", EmergencyReason::Cover, "covering tonight");
    let own = own.expect("opened");
    let e = record.review_emergency(&admin, &own.id, true, "").expect_err("own");
    assert_eq!(e.kind, Kind::Forbidden);
}

#[test]
fn so_many_charts_are_open_at_a_time() {
    let test = TestRecord::new();
    practice(&test);
    let ids: Vec<String> = (0..=OPEN_MAX).map(|n| format!("p{n}")).collect();
    ids.iter().for_each(|id| patient(&test.record, id, ""));
    let ctx = user("doc", Role::Provider, None, START_MS);
    let open = |id: &str| {
        test.record.open_in_emergency(&ctx, id, EmergencyReason::Unable, "a mass casualty")
    };
    let opened: Vec<_> = ids[..OPEN_MAX].iter().map(|id| open(id).expect("opened")).collect();
    let e = open(&ids[OPEN_MAX]).expect_err("one more");
    assert!(e.kind == Kind::Forbidden && e.to_string().contains("close one first"), "{e}");
    test.record.close_emergency(&ctx, &opened[0].id).expect("closed");
    open(&ids[OPEN_MAX]).expect("room for one");
}

#[test]
fn who_must_open_a_chart_finds_it_by_what_names_one_patient() {
    let test = TestRecord::new();
    practice(&test);
    let record = &test.record;
    patient(
        record,
        "p1",
        r#","name":[{"family":"Smith, Jr"}],"birthDate":"1970-02-03","identifier":[{"system":"urn:mrn","value":"100"}]"#,
    );
    patient(record, "p2", r#","name":[{"family":"Smith, Jr"}],"birthDate":"1970-02-04""#);
    let ctx = user("doc", Role::Provider, None, START_MS);
    let find = |family: &str, born: &str, identifier: &str| {
        record.find_in_emergency(&ctx, family, born, identifier)
    };
    let found = find("Smith, Jr", "1970-02-03", "").expect("found");
    assert!(found.len() == 1 && found[0].contains("\"id\":\"p1\""), "{found:?}");
    assert_eq!(find("", "", "100").expect("found").len(), 1);
    assert_eq!(find("", "", "10").expect("found").len(), 0, "a part");
    assert_eq!(find("Smith", "1970-02-03", "").expect("found").len(), 0, "a part");
    for (family, born) in [("Smith, Jr", ""), ("Smith, Jr", "1970"), ("", "1970-02-03")] {
        assert_eq!(find(family, born, "").expect_err("too little").kind, Kind::Invalid);
    }
    let nurse = user("n", Role::Nurse, None, START_MS);
    let e =
        record.find_in_emergency(&nurse, "Smith, Jr", "1970-02-03", "").expect_err("not theirs");
    assert_eq!(e.kind, Kind::Forbidden);
    let log = leaves(record);
    assert!(log.iter().any(|l| l.contains("Patient in an emergency") && l.contains("[\"p1\"]")));
    assert!(log.iter().any(|l| l.contains("Patient in an emergency") && l.contains("\"ok\":403")));
}
