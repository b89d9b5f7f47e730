//! Who opened which chart: the leaves say it, and the index finds it.

use std::collections::BTreeSet;

use case_kit::Random;
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{
    Actor, AuditFilter, Change, Ctx, Deed, Kind, LEAVES_MAX, Leaf, LeafOutcome, LogOrder, Purpose,
    Reason, Record, Request, Role, Scopes, Staff, Watch,
};

use crate::common::{START_MS, TestRecord};

fn doc(text: &str) -> Doc {
    Doc::parse(text).expect("JSON")
}

fn system() -> Ctx {
    Ctx::system("test", START_MS)
}

fn user(name: &str, role: Role, patient: Option<&str>) -> Ctx {
    Ctx {
        actor: Actor::User {
            id: format!("id-{name}"),
            name: name.to_owned(),
            role,
            patient: patient.map(str::to_owned),
        },
        scopes: Scopes::all(),
        purpose: Purpose::Treatment,
        address: Some("192.0.2.7".to_owned()),
        ..Ctx::system(format!("req-{name}"), START_MS)
    }
}

fn put(record: &Record, ty: &str, id: &str, text: &str) {
    let rt = ResourceType::from_name(ty).expect("a type");
    let text = text.replacen('{', &format!("{{\"resourceType\":\"{ty}\",\"id\":\"{id}\","), 1);
    record.execute(&system(), Request::update(rt, id, doc(&text))).expect("stored");
}

fn run(record: &Record, ctx: &Ctx, url: &str) {
    let headers = record::Headers::default();
    let request = record::route("GET", url, &headers, record::Payload::None).expect("a request");
    record.execute(ctx, request).expect("an answer");
}

fn find(record: &Record, filter: &AuditFilter) -> Vec<Leaf> {
    let officer = user("olga", Role::PrivacyOfficer, None);
    let found = record.audit_find(&officer, filter, LogOrder::OldestFirst, (0, LEAVES_MAX));
    let found = found.expect("an answer");
    assert_eq!(found.leaves.len() as u64, found.total);
    found.leaves
}

fn opened(record: &Record, patient: &str, person: &str) -> Vec<Leaf> {
    let (patient, person) = (Some(patient.to_owned()), Some(person.to_owned()));
    find(record, &AuditFilter { patient, person, ..AuditFilter::default() })
}

fn practice(record: &Record) {
    for id in ["p1", "p2", "p3"] {
        put(record, "Patient", id, r#"{"active":true}"#);
        let subject = format!(
            r#"{{"status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{id}"}}}}"#
        );
        put(record, "Observation", &format!("o-{id}"), &subject);
        let encounter = format!(
            r#"{{"status":"finished","class":{{"code":"AMB"}},"subject":{{"reference":"Patient/{id}"}}}}"#
        );
        put(record, "Encounter", &format!("e-{id}"), &encounter);
    }
    let two = r#"{"status":"booked","participant":[
        {"status":"accepted","actor":{"reference":"Patient/p1"}},
        {"status":"accepted","actor":{"reference":"Patient/p2"}}]}"#;
    put(record, "Appointment", "both", two);
}

/// Every way to see something of a patient is found under the patient.
#[test]
fn every_way_to_open_a_chart_is_found() {
    let test = TestRecord::new();
    let record = &test.record;
    practice(record);
    let ways: [(&str, &[&str]); 14] = [
        ("/Patient/p1", &["p1"]),
        ("/Observation/o-p1", &["p1"]),
        ("/Observation/o-p1/_history/1", &["p1"]),
        ("/Observation", &["p1", "p2", "p3"]),
        ("/Observation?_count=1", &["p1"]),
        ("/Observation?_summary=count", &[]),
        ("/Patient?_revinclude=Observation:subject", &["p1", "p2", "p3"]),
        ("/Observation?_id=o-p2&_include=Observation:subject", &["p2"]),
        ("/Patient/p2/$everything", &["p1", "p2"]),
        ("/Encounter/e-p3/$everything", &["p3"]),
        ("/Observation/o-p3/_history", &["p3"]),
        ("/Appointment/both", &["p1", "p2"]),
        ("/Patient/p3/Observation", &["p3"]),
        ("/Observation/$lastn?patient=p1&code:text=x", &["p1"]),
    ];
    for (n, (url, patients)) in ways.iter().enumerate() {
        let name = format!("reader{n}");
        run(record, &user(&name, Role::Provider, None), url);
        for patient in ["p1", "p2", "p3"] {
            let found = opened(record, patient, &name);
            assert_eq!(found.len(), usize::from(patients.contains(&patient)), "{url} {patient}");
        }
    }
    let finder = user("finder", Role::FrontDesk, None);
    let ask = Request::FindPatients { typed: "nothing".to_owned(), count: 10 };
    record.execute(&finder, ask).expect("an answer");
    assert_eq!(opened(record, "p1", "finder"), []);
    // What is deleted was somebody's.
    let remover = user("remover", Role::Provider, None);
    record.execute(&remover, Request::delete(ResourceType::OBSERVATION, "o-p3")).expect("gone");
    let found = opened(record, "p3", "remover");
    assert_eq!((found.len(), found[0].deed()), (1, Deed::Delete));
    // An export of everything shows everybody's data.
    let n_before =
        find(record, &AuditFilter { patient: Some("p3".into()), ..AuditFilter::default() });
    record.export(&system(), None, |_| Ok::<(), record::Error>(())).expect("exported");
    let filter = AuditFilter { patient: Some("p3".into()), ..AuditFilter::default() };
    let found = find(record, &filter);
    // Itself, and the question before.
    assert_eq!(found.len(), n_before.len() + 2);
    assert_eq!(found.last().map(Leaf::deed), Some(Deed::Export));
}

#[test]
fn who_may_ask_and_what_a_patient_is_told() {
    let test = TestRecord::new();
    let record = &test.record;
    practice(record);
    let doctor = user("dora", Role::Provider, None);
    run(record, &doctor, "/Observation");
    run(record, &doctor, "/Observation/o-p1");
    let ask = |ctx: &Ctx, patient: &str| {
        let filter = AuditFilter { patient: Some(patient.to_owned()), ..AuditFilter::default() };
        record.audit_find(ctx, &filter, LogOrder::NewestFirst, (0, 100)).map(|found| found.leaves)
    };
    for role in [Role::Admin, Role::PrivacyOfficer] {
        assert!(ask(&user("x", role, None), "p1").is_ok());
    }
    for role in [Role::FrontDesk, Role::Nurse, Role::Provider, Role::Biller] {
        let refused = ask(&user("x", role, None), "p1").expect_err("refused");
        assert_eq!(refused.kind, Kind::Forbidden);
    }
    let patient = user("pat", Role::Patient, Some("p1"));
    assert_eq!(ask(&patient, "p2").expect_err("refused").kind, Kind::Forbidden);
    let told = ask(&patient, "p1").expect("the own chart");
    let of_doctor: Vec<&Leaf> =
        told.iter().filter(|leaf| leaf.name.as_deref() == Some("dora")).collect();
    assert_eq!(of_doctor.len(), 2);
    for leaf in of_doctor {
        assert_eq!(leaf.patients, ["p1"]);
        assert!(["", "Observation/o-p1"].contains(&leaf.what.as_str()), "{}", leaf.what);
        assert_eq!((&leaf.address, leaf.n, leaf.request.as_str()), (&None, 0, ""));
    }
    // Through an app the patient is no reader of the log.
    let app = record::App { id: "app".into(), name: "App".into() };
    let through = Ctx { app: Some(app), ..patient };
    assert_eq!(ask(&through, "p1").expect_err("refused").kind, Kind::Forbidden);
    // Questions are in the log themselves, refused ones too.
    let filter = AuditFilter { person: Some("PAT".into()), ..AuditFilter::default() };
    let asked = find(record, &filter);
    assert_eq!(asked.iter().map(|leaf| leaf.status).collect::<Vec<_>>(), [403, 200, 403]);
    let filter = AuditFilter { app: Some("app".into()), ..AuditFilter::default() };
    assert_eq!(find(record, &filter).len(), 1);
    let too_many =
        record.audit_find(&system(), &filter, LogOrder::NewestFirst, (0, LEAVES_MAX + 1));
    assert_eq!(too_many.expect_err("too many").kind, Kind::TooMany);
}

fn answer(record: &Record, ctx: &Ctx, url: &str) -> (u16, Doc) {
    let request = record::route("GET", url, &record::Headers::default(), record::Payload::None);
    match record.execute(ctx, request.expect("a request")) {
        Ok(response) => (response.status, doc(&response.body.unwrap_or_default())),
        Err(error) => (error.status(), doc(&fhir::issue::operation_outcome(&error.issues))),
    }
}

fn ids(bundle: &Doc) -> Vec<String> {
    let resources = bundle.root().list("entry").filter_map(|entry| entry.get("resource"));
    resources.filter_map(|resource| resource.str("id")).map(String::from).collect()
}

fn total(bundle: &Doc) -> u64 {
    let total = bundle.root().get("total").and_then(|total| total.as_number());
    total.and_then(|n| n.parse().ok()).expect("a total")
}

/// The log is searched and read as AuditEvents, beside those that others stored.
#[test]
fn the_log_is_there_as_audit_events() {
    let test = TestRecord::new();
    let record = &test.record;
    practice(record);
    let at = |minute: i64, ctx: &Ctx| Ctx { at_ms: START_MS + minute * 60_000, ..ctx.clone() };
    let doctor = user("dora", Role::Provider, None);
    run(record, &at(1, &doctor), "/Observation/o-p1");
    run(record, &at(2, &doctor), "/Observation?patient=p2");
    run(record, &at(3, &doctor), "/Patient/p1/$everything");
    let (status, _) = answer(record, &at(4, &doctor), "/Observation/none");
    assert_eq!(status, 404);
    let login = Ctx::system("auth-login", START_MS + 300_000);
    record.items().audit(&login, 'E', "login dora", 401).expect("audited");
    // What another system tells of lies between the second and the third.
    let other = r#"{"type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110100"},
        "action":"R","recorded":"2026-01-01T00:02:30Z","outcome":"0",
        "agent":[{"requestor":true,"name":"Dora elsewhere"}],"source":{"observer":{"display":"x"}},
        "entity":[{"what":{"reference":"Patient/p1"}}]}"#;
    put(record, "AuditEvent", "theirs", other);
    let officer = at(10, &user("olga", Role::PrivacyOfficer, None));
    let get = |url: &str| {
        let (status, bundle) = answer(record, &officer, url);
        assert_eq!(status, 200, "{url}: {}", bundle.text());
        bundle
    };
    let since = "date=ge2026-01-01T00:01:00Z&date=lt2026-01-01T00:06:00Z";
    let all = ids(&get(&format!("/AuditEvent?{since}&_sort=date")));
    assert_eq!(all.len(), 6);
    assert_eq!(all[2], "theirs");
    assert!(all.iter().enumerate().all(|(n, id)| n == 2 || id.starts_with("log-")));
    let mut backward = ids(&get(&format!("/AuditEvent?{since}")));
    backward.reverse();
    assert_eq!(backward, all);
    // Pages neither repeat nor miss, though each is itself a new leaf.
    for (sort, turned) in [("date", false), ("-date", true)] {
        let mut url = format!("/AuditEvent?{since}&_sort={sort}&_count=2");
        let mut paged = Vec::new();
        loop {
            let page = get(&url);
            assert!(ids(&page).len() <= 2);
            assert_eq!(total(&page), 6);
            paged.extend(ids(&page));
            let mut links = page.root().list("link");
            let next = links.find(|link| link.str("relation").as_deref() == Some("next"));
            let Some(next) = next.and_then(|link| link.str("url").map(String::from)) else { break };
            url = next.strip_prefix(record.base_url()).expect("ours").to_owned();
        }
        if turned {
            paged.reverse();
        }
        assert_eq!(paged, all, "{sort}");
    }
    for (query, n) in [
        ("patient=p1", 3),
        ("patient=Patient/p2", 2),
        ("patient:Patient=p1", 3),
        ("patient=p3", 0),
        ("entity=Patient/p1", 3),
        ("entity=Observation/o-p1", 1),
        ("agent-name=dor", 6),
        ("agent-name=dora&action=R", 3),
        ("agent-role=provider", 4),
        ("agent=Practitioner/x", 0),
        ("action=R,E", 6),
        ("address=192.0", 4),
        ("outcome=4", 2),
        ("outcome=0", 4),
        ("type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest", 4),
        ("type=110114", 1),
        ("subtype=read", 2),
        ("subtype=http://hl7.org/fhir/restful-interaction|operation", 1),
        ("subtype=http://example.org|operation", 0),
        ("subtype=110122&outcome=4", 1),
    ] {
        let bundle = get(&format!("/AuditEvent?{since}&{query}"));
        assert_eq!((ids(&bundle).len(), total(&bundle)), (n, n as u64), "{query}");
        let count = get(&format!("/AuditEvent?{since}&{query}&_summary=count"));
        assert_eq!((ids(&count).len(), total(&count)), (0, n as u64), "{query}");
    }
    assert_eq!(ids(&get(&format!("/Patient/p1/AuditEvent?{since}"))).len(), 3);
    let by_id = get(&format!("/AuditEvent?_sort=date&_id={},theirs,log-x,log-999999", all[0]));
    assert_eq!(ids(&by_id), [all[0].clone(), "theirs".to_owned()]);
    // What the log cannot answer is said.
    let partly = get("/AuditEvent?source=Device/none");
    assert!(partly.text().contains("only stored AuditEvents were searched"));
    // Each event is a valid resource, which another server would take.
    for id in all.iter().filter(|id| id.starts_with("log-")) {
        let event = get(&format!("/AuditEvent/{id}"));
        assert_eq!(get(&format!("/AuditEvent/{id}/_history/1")).text(), event.text());
        // A reference to what is not there is refused here, as everywhere.
        let copy = event.text().replacen(&format!("\"id\":\"{id}\","), "", 1);
        let copy = copy.replace("Observation/none", "Observation/o-p1");
        let program =
            Ctx { actor: Actor::Client { id: "c".into(), name: "siem".into() }, ..system() };
        let created =
            record.execute(&program, Request::create(ResourceType::AUDIT_EVENT, doc(&copy)));
        assert_eq!(created.map(|response| response.status).expect("valid"), 201);
        // But nobody puts one in the place of a leaf, or takes one away.
        let forged = record
            .execute(&system(), Request::update(ResourceType::AUDIT_EVENT, id.clone(), event));
        assert_eq!(forged.expect_err("refused").kind, Kind::Forbidden);
        let removed =
            record.execute(&system(), Request::delete(ResourceType::AUDIT_EVENT, id.clone()));
        assert_eq!(removed.expect_err("refused").kind, Kind::Forbidden);
    }
    let read = get(&format!("/AuditEvent/{}", all[0]));
    assert!(read.text().contains("IHE.BasicAudit.PatientRead"));
    let query = get(&format!("/AuditEvent/{}", all[1]));
    assert!(
        query.text().contains(&stdx::base64::encode(b"Observation?patient=p2")),
        "{}",
        query.text()
    );
    // Who does not see all AuditEvents sees none of the log.
    let (status, _) = answer(record, &doctor, &format!("/AuditEvent/{}", all[0]));
    assert_eq!(status, 403);
    let some = Ctx {
        scopes: Scopes::parse("user/AuditEvent.rs?action=R"),
        app: Some(record::App { id: "app".into(), name: "App".into() }),
        ..officer.clone()
    };
    let (status, _) = answer(record, &some, &format!("/AuditEvent/{}", all[0]));
    assert_eq!(status, 404);
    let (_, bundle) = answer(record, &some, &format!("/AuditEvent?{since}"));
    let seen = ids(&bundle);
    assert!(!seen.is_empty() && seen.iter().all(|id| !id.starts_with("log-")), "{seen:?}");
    // Reading the log is in the log.
    let of_officer =
        find(record, &AuditFilter { person: Some("olga".into()), ..AuditFilter::default() });
    assert!(of_officer.iter().any(|leaf| leaf.what.starts_with("AuditEvent?date=")));
}

/// More leaves than a segment holds, asked at random: the index finds what looking at every leaf
/// finds, after a restart too; `verify` sees a segment that is not what its leaves come to, and a
/// rebuilt index is whole.
fn index_finds_what_the_leaves_say(test: TestRecord, n: usize) {
    practice(&test.record);
    let mut random = Random(5);
    let people: Vec<Ctx> = ["ann", "ben", "cleo"]
        .iter()
        .zip([Role::Provider, Role::Nurse, Role::FrontDesk])
        .map(|(name, role)| user(name, role, None))
        .collect();
    for i in 0..n {
        let mut ctx = people[random.below(people.len() as u64) as usize].clone();
        ctx.at_ms = START_MS + i as i64 * 700;
        let url = random.of(&["/Patient/p1", "/Patient/p2", "/Observation/o-p3", "/Patient/none"]);
        let request = record::route("GET", url, &record::Headers::default(), record::Payload::None);
        let _ = test.record.execute(&ctx, request.expect("a request"));
    }
    test.record.index_audit().expect("indexed");
    let test = test.reopened();
    let record = &test.record;
    let log = record.audit_log(&system()).expect("the log");
    let all: Vec<Leaf> = log
        .leaves(0, usize::MAX >> 1)
        .expect("leaves")
        .iter()
        .map(|(seq, bytes)| Leaf::read(*seq, bytes).expect("a leaf"))
        .collect();
    drop(log);
    for round in 0..30 {
        let from = START_MS + random.below(n as u64 * 700) as i64;
        let some = |random: &mut Random, texts: &[&str]| {
            (random.below(2) == 0).then(|| random.of(texts).to_owned())
        };
        let filter = AuditFilter {
            patient: some(&mut random, &["p1", "p2", "p3", "p4"]),
            person: some(&mut random, &["Ann", "ben", "nobody"]),
            outcome: (random.below(3) == 0).then(|| random.of(&LeafOutcome::ALL)),
            deed: (random.below(3) == 0).then(|| random.of(&[Deed::Read, Deed::Update])),
            from_ms: (random.below(2) == 0).then_some(from),
            to_ms: (random.below(2) == 0).then_some(from + random.below(9_000_000) as i64),
            ..AuditFilter::default()
        };
        let fits = |leaf: &&Leaf| {
            let patient = filter.patient.as_ref();
            patient.is_none_or(|id| leaf.patients.contains(id))
                && filter
                    .person
                    .as_ref()
                    .is_none_or(|name| leaf.name.as_deref() == Some(name.to_lowercase().as_str()))
                && filter.outcome.is_none_or(|outcome| leaf.outcome() == outcome)
                && filter.deed.is_none_or(|deed| leaf.deed() == deed)
                && filter.from_ms.is_none_or(|from| leaf.at_ms >= from)
                && filter.to_ms.is_none_or(|to| leaf.at_ms <= to)
                && leaf.seq < all.len() as u64
        };
        let expected: Vec<&Leaf> = all.iter().filter(fits).collect();
        let skip = random.below(50) as usize;
        let order = random.of(&[LogOrder::NewestFirst, LogOrder::OldestFirst]);
        let officer = system();
        let found = record.audit_find(&officer, &filter, order, (skip, 40)).expect("an answer");
        // Questions of this test are leaves of the system, at the first moment of the log.
        let n_own = found.total - expected.len() as u64;
        assert!(n_own <= round, "{filter:?}: {} of {}", found.total, expected.len());
        if n_own == 0 {
            let mut page: Vec<&Leaf> = expected;
            if order == LogOrder::NewestFirst {
                page.reverse();
            }
            let page: Vec<&Leaf> = page.into_iter().skip(skip).take(40).collect();
            assert_eq!(found.leaves.iter().collect::<Vec<_>>(), page, "{filter:?}");
        }
    }
    // Proofs hold for every two sizes, whichever segment they end in.
    let log = record.audit_log(&system()).expect("the log");
    let leaves = log.leaves(0, usize::MAX >> 1).expect("leaves");
    let sizes = [1, 2, 255, 256, 257, 1_000, 65_535, 65_536, 65_537, 65_800, leaves.len() as u64];
    let mut roots = std::collections::BTreeMap::new();
    let mut tree = stdx::merkle::Frontier::new();
    for (_, leaf) in &leaves {
        tree.append(leaf);
        if sizes.contains(&tree.size()) {
            roots.insert(tree.size(), tree.root());
        }
    }
    for (m, root_m) in &roots {
        for (n, root_n) in roots.range(m..) {
            let proof = record.audit_proof(&system(), *m, *n).expect("a proof");
            assert!(stdx::merkle::is_consistent(*m, *n, root_m, root_n, &proof), "{m} {n}");
        }
    }
    assert!(roots.len() > 7);
    drop(log);
    let is_whole = |record: &Record| {
        let (_, findings) = record.verify(|_, _| {}).expect("verified");
        findings.iter().all(|finding| finding.check != "audit-index")
    };
    assert!(is_whole(record));
    let items = record.items();
    let segments: BTreeSet<Vec<u8>> = items
        .scan("audit-index", b"b", None, 10_000)
        .expect("blocks")
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(segments.is_empty(), n < 65_536);
    if let Some(block) = segments.first() {
        let gone = Change { collection: "audit-index", key: block.clone(), value: None };
        assert!(items.commit(&system(), "test", Vec::new(), vec![gone]).expect("committed"));
        assert!(!is_whole(record));
        record.rebuild_audit_index(&system()).expect("rebuilt");
        assert!(is_whole(record));
    }
}

#[test]
fn the_index_finds_what_the_leaves_say() {
    index_finds_what_the_leaves_say(TestRecord::new(), 66_000);
}

#[test]
fn the_index_finds_what_another_process_did() {
    let Some(cluster) = case_kit::postgres::cluster("audit") else { return };
    let test = TestRecord::on(cluster);
    let other = test.beside();
    practice(&test.record);
    let reader = user("rita", Role::Provider, None);
    run(&other.record, &reader, "/Patient/p1");
    other.record.flush().expect("on disk");
    // What another process did is found at once.
    assert_eq!(opened(&test.record, "p1", "rita").len(), 1);
}

/// Each reason has its access, and usual access has none; what was reviewed leaves the list.
#[test]
fn unusual_access_is_found_with_its_reasons() {
    let test = TestRecord::new();
    let record = &test.record;
    let family = |family: &str, given: &str, line: &str| {
        format!(
            r#"{{"name":[{{"family":"{family}","given":["{given}"]}}],"birthDate":"1980-01-01","address":[{{"line":["{line}"],"postalCode":"04001"}}]}}"#
        )
    };
    put(record, "Practitioner", "dora", &family("Stone", "Dora", "1 Elm St"));
    put(record, "Practitioner", "ned", &family("Reed", "Ned", "2 Elm St"));
    for (id, text) in [
        ("own", family("Stone", "Dora", "9 Oak")),
        ("cousin", family("STONE", "Pat", "9 Oak")),
        ("neighbour", family("Lake", "Una", "1 Elm St.")),
        ("colleague", family("Reed", "Ned", "7 Fir")),
        ("usual", family("Hill", "Mia", "8 Fir")),
        ("stranger", family("Moor", "Ivo", "6 Fir")),
    ] {
        put(record, "Patient", id, &text);
    }
    let vip = r#"{"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"}]},"name":[{"family":"King"}]}"#;
    put(record, "Patient", "vip", vip);
    // A year later; all but one have a visit.
    let later = START_MS + 365 * 86_400_000;
    for id in ["own", "cousin", "neighbour", "colleague", "usual", "vip"] {
        let visit = format!(
            r#"{{"status":"finished","class":{{"code":"AMB"}},"period":{{"start":"2026-12-20"}},"subject":{{"reference":"Patient/{id}"}}}}"#
        );
        put(record, "Encounter", &format!("e-{id}"), &visit);
    }
    // Noon on a Friday, 2027-01-01.
    let at =
        |hour: i64| Ctx { at_ms: later + hour * 3_600_000, ..user("dora", Role::Provider, None) };
    for id in ["own", "cousin", "neighbour", "colleague", "usual", "stranger", "vip"] {
        run(record, &at(12), &format!("/Patient/{id}"));
        run(record, &at(13), &format!("/Patient/{id}"));
    }
    // A list opens no chart.
    run(record, &at(12), "/Patient?_sort=family");
    let night = Ctx { at_ms: later + 3_600_000, ..user("nina", Role::Nurse, None) };
    run(record, &night, "/Patient/usual");
    record.flush().expect("on disk");
    let staff: Vec<Staff> = [("dora", Some("dora")), ("ned", Some("ned")), ("nina", None)]
        .iter()
        .map(|(name, practitioner)| Staff {
            who: format!("User/id-{name}"),
            practitioner: practitioner.map(str::to_owned),
        })
        .collect();
    let local = |at_ms: i64| {
        let day = at_ms.div_euclid(86_400_000);
        let minute = at_ms.rem_euclid(86_400_000) / 60_000;
        // 1970-01-01 was a Thursday.
        ((day + 3).rem_euclid(7) as u8 + 1, minute as u16)
    };
    let watch = Watch {
        staff: &staff,
        hours: (6 * 60, 21 * 60),
        local: &local,
        window_days: 90,
        charts_a_day: 6,
    };
    let look = || {
        while record.watch_access(&system(), &watch).expect("looked") > 0 {
            record.flush().expect("on disk");
        }
    };
    look();
    let officer = user("olga", Role::PrivacyOfficer, None);
    let rows = || record.unusual_access(&officer, false).expect("rows");
    let found = |patient: &str, name: &str| -> Vec<Reason> {
        let rows = rows();
        let mut fitting = rows.iter().filter(|row| row.patient == patient && row.name == name);
        let reasons = fitting.next().map(|row| row.reasons.clone()).unwrap_or_default();
        assert!(fitting.next().is_none(), "one row for a person, patient and day");
        reasons
    };
    for (patient, reasons) in [
        ("own", vec![Reason::OwnChart]),
        ("cousin", vec![Reason::SameSurname]),
        ("neighbour", vec![Reason::SameAddress]),
        ("colleague", vec![Reason::Colleague]),
        ("usual", vec![]),
        ("stranger", vec![Reason::NoRelation]),
        ("vip", vec![Reason::Protected]),
    ] {
        assert_eq!(found(patient, "dora"), reasons, "{patient}");
    }
    assert_eq!(found("usual", "nina"), [Reason::OutOfHours]);
    assert_eq!(found("", "id-dora"), [Reason::ManyCharts]);
    let before = rows();
    assert_eq!(before.len(), 8);
    // Looking again, and making all rows again, changes nothing.
    look();
    assert_eq!(rows(), before);
    let id = &before[0].id;
    let provider = user("dora", Role::Provider, None);
    let forbidden = record.review_unusual(&provider, id, "fine").expect_err("refused");
    assert_eq!(forbidden.kind, Kind::Forbidden);
    assert_eq!(record.unusual_access(&provider, false).expect_err("refused").kind, Kind::Forbidden);
    for (note, kind) in [("", Kind::Invalid), (&"x".repeat(2_001), Kind::TooMany)] {
        assert_eq!(record.review_unusual(&officer, id, note).expect_err("refused").kind, kind);
    }
    let none = record.review_unusual(&officer, "09999999-00", "x").expect_err("refused");
    assert_eq!(none.kind, Kind::NotFound);
    record.review_unusual(&officer, id, &"x".repeat(2_000)).expect("reviewed");
    let again = record.review_unusual(&officer, id, "x").expect_err("refused");
    assert_eq!(again.kind, Kind::Conflict);
    assert_eq!(rows(), before[1..]);
    record.rewatch_access(&system()).expect("forgotten");
    assert_eq!(rows(), []);
    look();
    assert_eq!(rows(), before[1..], "made again, and what was reviewed stays so");
    let all = record.unusual_access(&officer, true).expect("rows");
    assert_eq!(all[0].review.as_ref().map(|review| review.by.as_str()), Some("olga"));
}

/// A suspension holds until its end, and the disclosure is there again.
#[test]
fn a_suspended_accounting_comes_back() {
    let test = TestRecord::new();
    let record = &test.record;
    let officer = user("olga", Role::PrivacyOfficer, None);
    let at = |days: i64| Ctx { at_ms: START_MS + days * 86_400_000, ..officer.clone() };
    let until = START_MS + 30 * 86_400_000;
    let suspend = |ctx: &Ctx, to: &str, why: &str, until: i64| {
        record.suspend_accounting(ctx, "p1", to, (why, until)).map_err(|e| e.kind)
    };
    assert_eq!(suspend(&officer, "Agency", "asked by phone", until), Ok(()));
    let names = |ctx: &Ctx, patient: &str| -> Vec<String> {
        let all = record.suspensions(ctx, patient).expect("suspensions");
        all.into_iter().map(|one| one.recipient).collect()
    };
    assert_eq!(names(&at(29), "p1"), ["Agency"]);
    assert_eq!(names(&at(29), "p"), [""; 0]);
    assert_eq!(names(&at(30), "p1"), [""; 0]);
    let provider = user("dora", Role::Provider, None);
    assert_eq!(suspend(&provider, "Agency", "x", until), Err(Kind::Forbidden));
    assert_eq!(record.suspensions(&provider, "p1").expect_err("refused").kind, Kind::Forbidden);
    let year = START_MS + record::SUSPENDED_DAYS_MAX * 86_400_000;
    let long = "x".repeat(record::SUSPENSION_CHARS_MAX);
    assert_eq!(suspend(&officer, "A", &long, year), Ok(()));
    assert_eq!(suspend(&officer, "A", &format!("{long}x"), year), Err(Kind::TooMany));
    assert_eq!(suspend(&officer, "A", "x", year + 1), Err(Kind::Invalid));
    assert_eq!(suspend(&officer, "A", "x", START_MS), Err(Kind::Invalid));
    assert_eq!(suspend(&officer, "", "x", year), Err(Kind::Invalid));
}
