//! Two records that differ only in what somebody may not see must be the same for that person:
//! every answer to every request, byte for byte, on both engines.
//!
//! `LEAK_REQUESTS` asks for more requests than the short form makes; `scripts/leak` is the long
//! form, and `scripts/leak --blind` proves that the test sees: with the predicate taken out at any
//! one place, it fails (`docs/security.md`).
//!
//! What is masked: `_page=…` of links, which is opaque, signed, and names a place in the order of
//! all versions; each of the two records is asked for its own next page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use access::{Action, App, Consent, May, Policy, Relations, Ward};
use case_kit::Random;
use case_kit::postgres::{Cluster, cluster};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Actor, Ctx, EmergencyReason, Headers, Payload, Purpose, Request, Role, Scopes};
use search::world::Known;

use crate::common::{BASE_URL, START_MS, TestRecord};

mod asks;
mod data;

use asks::Ask;
use data::Made;

/// Requests of the short form, over all who ask.
const REQUESTS: usize = 4_000;
/// Resources of a record.
const RESOURCES: usize = 260;
/// Pages that are followed behind one answer.
const PAGES_MAX: usize = 3;

/// A practice that divides more finely than the standard policy.
const POLICY: &str = r#"
[nurse]
may = ["user/Patient.rs", "user/Observation.rs?category=vital-signs", "user/Encounter.rs", "user/Practitioner.rs"]

[front-desk]
may = ["user/Patient.crus", "user/Encounter.crus?status=planned", "user/Organization.rs", "user/List.rs"]

[biller]
may = ["user/*.rs"]
not = ["user/Observation.cruds?_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R", "user/Condition.cruds?_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R", "user/AuditEvent.cruds"]

[provider]
may = ["user/*.cruds"]
not = ["user/AuditEvent.cruds"]

[patient]
may = ["patient/*.rs", "patient/Observation.cu", "user/Practitioner.rs"]
not = ["user/AuditEvent.cruds"]

[program]
may = ["user/*.cruds"]
not = ["user/AuditEvent.ud"]
"#;

/// Somebody who asks.
struct Asker {
    name: &'static str,
    /// `None`: the standard policy.
    policy: Option<&'static str>,
    actor: Actor,
    app: bool,
    scopes: &'static str,
    launch_patient: Option<&'static str>,
    relation: Relation,
}

/// What binds somebody to patients, beside being one.
#[derive(Clone, Copy, PartialEq)]
enum Relation {
    None,
    /// In a CareTeam of each of [`BOUND`].
    Care,
    /// Guardian of each of [`BOUND`].
    Guardian,
    /// Has opened the chart of each of [`BOUND`] in an emergency.
    Emergency,
}

/// Patients to whom a [`Relation`] binds.
const BOUND: [&str; 3] = ["p1", "p3", "p4"];

fn person(role: Role, patient: Option<&str>) -> Actor {
    let patient = patient.map(str::to_owned);
    Actor::User { id: "u1".to_owned(), name: "U".to_owned(), role, patient }
}

fn program() -> Actor {
    Actor::Client { id: "c1".to_owned(), name: "C".to_owned() }
}

fn askers() -> Vec<Asker> {
    let asker = |name, policy, actor, scopes| Asker {
        name,
        policy,
        actor,
        app: false,
        scopes,
        launch_patient: None,
        relation: Relation::None,
    };
    let bound = |name, policy, actor, relation| Asker {
        relation,
        ..asker(name, Some(policy), actor, "system/*.cruds")
    };
    let app = |name, actor, scopes, patient| Asker {
        app: true,
        launch_patient: Some(patient),
        ..asker(name, None, actor, scopes)
    };
    let all = "system/*.cruds";
    vec![
        asker("a patient", None, person(Role::Patient, Some("p1")), all),
        asker("a patient who has little", None, person(Role::Patient, Some("p9")), all),
        asker("a patient who writes", Some(POLICY), person(Role::Patient, Some("p2")), all),
        asker("a provider", None, person(Role::Provider, None), all),
        asker("a nurse of a strict practice", Some(POLICY), person(Role::Nurse, None), all),
        asker(
            "a front desk of a strict practice",
            Some(POLICY),
            person(Role::FrontDesk, None),
            all,
        ),
        asker("a biller without restricted labels", Some(POLICY), person(Role::Biller, None), all),
        app("an app of a patient", person(Role::Patient, Some("p1")), "patient/*.rs", "p1"),
        app("an app of a provider", person(Role::Provider, None), "patient/*.cruds", "p3"),
        app(
            "an app with granular scopes",
            person(Role::Provider, None),
            "patient/Patient.r patient/Observation.rs?category=laboratory user/Practitioner.rs",
            "p1",
        ),
        app(
            "an app of a patient with scopes of a user",
            person(Role::Patient, Some("p2")),
            "user/*.cruds",
            "p2",
        ),
        asker("a program for one type", None, program(), "system/Observation.rs"),
        asker("a program that may what patients do not deny", None, program(), all),
        asker(
            "a program that may what patients permit",
            Some("[program]\nmay = [\"user/*.cruds\"]\nconsents = \"permits\""),
            program(),
            all,
        ),
        asker("a program that reads and never searches", None, program(), "system/Patient.r"),
        asker(
            "a program that writes and never reads",
            None,
            program(),
            "system/Observation.cu system/Encounter.u",
        ),
        asker(
            "a program with conditions",
            None,
            program(),
            "system/Observation.cruds?status=final system/Patient.rs system/Encounter.s",
        ),
        bound(
            "a provider who sees those in their care",
            "[provider]\nmay = [\"care/*.cruds\"]",
            person(Role::Provider, None),
            Relation::Care,
        ),
        bound(
            "a guardian",
            "[patient]\nmay = [\"patient/*.rs\"]\n[proxy]\nmay = [\"patient/*.rs\"]",
            person(Role::Patient, None),
            Relation::Guardian,
        ),
        bound(
            "a provider in emergencies",
            "[provider]\nmay = [\"user/Practitioner.rs\"]\nemergency = [\"patient/*.rs\"]\nsealed = [\"R\"]",
            person(Role::Provider, None),
            Relation::Emergency,
        ),
    ]
}

impl Asker {
    fn ctx(&self, at_ms: i64) -> Ctx {
        let mut ctx = Ctx::system("r", at_ms);
        ctx.actor = self.actor.clone();
        ctx.app = self.app.then(|| App { id: "a1".to_owned(), name: "A".to_owned() });
        ctx.launch_patient = self.launch_patient.map(str::to_owned);
        ctx.scopes = Scopes::parse(self.scopes);
        ctx.purpose = Purpose::Treatment;
        ctx
    }

    fn may(&self, consents: Vec<Consent>) -> May {
        let patients = match &self.actor {
            Actor::User { patient: Some(patient), .. } => vec![patient.clone()],
            _ => Vec::new(),
        };
        let policy = Policy::parse(self.policy.unwrap_or(access::DEFAULT)).expect("a policy");
        let consents = Arc::new(consents);
        let mut relations = Relations { patients, consents, ..Relations::default() };
        let bound = BOUND.map(str::to_owned);
        match self.relation {
            Relation::None => {}
            Relation::Care => relations.cared = Arc::new(bound.into()),
            Relation::Guardian => {
                let ward = |patient| Ward { patient, age: None, by_youth: false };
                relations.wards = bound.map(ward).into();
            }
            Relation::Emergency => relations.emergencies = bound.into(),
        }
        policy.may(&self.ctx(START_MS), &relations)
    }
}

/// Whether nothing of a resource may be known to somebody.
fn is_hidden(may: &May, text: &str) -> bool {
    let doc = Doc::parse(text).expect(text);
    let root = doc.root();
    let rt = ResourceType::from_name(&root.str("resourceType").expect("type")).expect("R4");
    let values = search::index_stored(rt, root, BASE_URL);
    let id = root.str("id").expect("id").into_owned();
    let known = Known { rt, id, last_updated_ms: 0, values };
    !may.knows().admits(&known) && !may.sees(Action::Search).admits(&known)
}

/// Consents that are in force when all is written.
fn consents(made: &[Made]) -> Vec<Consent> {
    let mut last: BTreeMap<&str, &Made> = BTreeMap::new();
    for one in made.iter().filter(|one| one.rt == ResourceType::CONSENT) {
        last.insert(&one.id, one);
    }
    let in_force = last.values().filter(|one| !one.is_deleted);
    in_force
        .filter_map(|one| Consent::read(Doc::parse(one.text.as_str()).expect("JSON").root()))
        .collect()
}

/// Two records with the same visible part, and what may be asked about.
struct Pair {
    records: [TestRecord; 2],
}

impl Pair {
    /// Writes what was made; in the second record, what is hidden is something else.
    fn new(asker: &Asker, made: &[Made], cluster: Option<&Cluster>) -> (Pair, usize) {
        let may = asker.may(consents(made));
        let records = [(); 2].map(|()| cluster.map_or_else(TestRecord::new, TestRecord::on));
        let referred: BTreeSet<&str> =
            made.iter().flat_map(|one| one.refers_to.iter().map(String::as_str)).collect();
        let mut n_hidden = 0;
        for (idx, one) in made.iter().enumerate() {
            let mut texts = [Some(one.text.clone()), Some(one.text.clone())];
            // Consents decide what is hidden: they are the same in both.
            if one.rt != ResourceType::CONSENT && is_hidden(&may, &one.text) {
                n_hidden += 1;
                let is_free = !one.has_versions && !referred.contains(one.name().as_str());
                let other = one.others.iter().find(|other| is_hidden(&may, other));
                texts[1] = match other {
                    _ if is_free && idx % 3 == 0 => None,
                    other => Some(other.unwrap_or(&one.text).clone()),
                };
            }
            for (record, text) in records.iter().zip(&texts) {
                record.world.tick();
                if let Some(text) = text {
                    let at_ms = record.record.now_ms();
                    let body = Doc::parse(text.as_str()).expect(text);
                    let update = Request::update(one.rt, one.id.clone(), body);
                    let done = record.record.execute(&Ctx::system("made", at_ms), update);
                    done.unwrap_or_else(|e| panic!("{text}: {e:?}"));
                }
            }
        }
        // Deletions of both kinds; what is referred to stays.
        for one in made.iter().filter(|one| one.is_deleted) {
            for record in &records {
                record.world.tick();
                let ctx = Ctx::system("gone", record.record.now_ms());
                let gone = record.record.execute(&ctx, Request::delete(one.rt, one.id.clone()));
                drop(gone);
            }
        }
        for record in &records {
            let ctx = Ctx::system("policy", record.record.now_ms());
            record.record.set_policy(&ctx, asker.policy.unwrap_or(access::DEFAULT)).expect("set");
            bind(asker, record);
        }
        (Pair { records }, n_hidden)
    }

    /// The same of both records, or where they differ.
    fn ask(&self, asker: &Asker, ask: &Ask) -> Result<(), String> {
        let mut pages = [None, None];
        for page in 0..=PAGES_MAX {
            let mut answers = [String::new(), String::new()];
            for (idx, test) in self.records.iter().enumerate() {
                test.world.tick();
                let url = pages[idx].take().unwrap_or_else(|| ask.url.clone());
                let (answer, next) = answer(test, asker, ask, &url);
                (answers[idx], pages[idx]) = (answer, next);
            }
            let [first, second] = &answers;
            if first != second {
                return Err(format!(
                    "{}: {} {} (page {page})\n{}\n{}",
                    asker.name,
                    ask.method,
                    ask.url,
                    ask.body.as_deref().unwrap_or_default(),
                    difference(first, second)
                ));
            }
            if pages.iter().any(Option::is_none) || ask.method != "GET" {
                break;
            }
        }
        Ok(())
    }
}

/// Makes an asker's relation, alike in both records.
fn bind(asker: &Asker, test: &TestRecord) {
    let ctx = Ctx::system("bound", test.record.now_ms());
    let put = |rt: &str, id: &str, members: &str| {
        let text = format!(r#"{{"resourceType":"{rt}","id":"{id}",{members}}}"#);
        let rt = ResourceType::from_name(rt).expect("R4");
        let update = Request::update(rt, id, Doc::parse(text.as_str()).expect("JSON"));
        test.record.execute(&ctx, update).unwrap_or_else(|e| panic!("{text}: {e}"));
    };
    let mut known_as = Vec::new();
    for patient in BOUND {
        let to = format!(r#"{{"reference":"Patient/{patient}"}}"#);
        match asker.relation {
            Relation::None => {}
            Relation::Care => {
                put("Practitioner", "carer", r#""active":true"#);
                let team = format!(
                    r#""status":"active","subject":{to},"participant":[{{"member":{{"reference":"Practitioner/carer"}}}}]"#
                );
                put("CareTeam", patient, &team);
                known_as = vec!["Practitioner/carer".to_owned()];
            }
            Relation::Guardian => {
                let code = r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"GUARD"}]}"#;
                let guard = format!(r#""patient":{to},"relationship":[{code}]"#);
                put("RelatedPerson", patient, &guard);
                known_as.push(format!("RelatedPerson/{patient}"));
            }
            Relation::Emergency => {
                let ctx = asker.ctx(test.record.now_ms());
                let (reason, words) = (EmergencyReason::Threat, "found unconscious");
                test.record.open_in_emergency(&ctx, patient, reason, words).expect("opened");
            }
        }
    }
    if !known_as.is_empty() {
        test.record.set_known_as(&ctx, "u1", &known_as).expect("linked");
    }
}

/// The answer as text with page links masked, and where its next page is.
fn answer(test: &TestRecord, asker: &Asker, ask: &Ask, url: &str) -> (String, Option<String>) {
    let headers = Headers {
        if_match: ask.if_match.clone(),
        if_none_match: ask.if_none_match.clone(),
        if_none_exist: ask.if_none_exist.clone(),
        ..Headers::default()
    };
    let payload = match &ask.body {
        None => Payload::None,
        Some(body) => Payload::Resource(Doc::parse(body.as_str()).expect(body)),
    };
    let payload = match (ask.method, payload) {
        ("PATCH", Payload::Resource(doc)) => Payload::Patch(record::PatchBody::Json(doc)),
        (_, payload) => payload,
    };
    let done = match &ask.find {
        Some(typed) => Ok(Request::FindPatients { typed: typed.clone(), count: 20 }),
        None => record::route(ask.method, url, &headers, payload),
    };
    let ctx = asker.ctx(test.record.now_ms());
    let done = done.and_then(|request| test.record.execute(&ctx, request));
    let mut text = String::new();
    let mut next = None;
    match done {
        Ok(response) => {
            let _ = writeln!(
                text,
                "{} {:?} {:?} {:?} {:?}",
                response.status,
                response.etag,
                response.last_modified_ms,
                response.location,
                response.issues
            );
            let body = response.body.unwrap_or_default();
            next = linked(&body, if ask.follows.is_empty() { "next" } else { ask.follows });
            text.push_str(&masked(&body));
        }
        Err(error) => {
            let _ = write!(text, "{} {:?}", error.status(), error.issues);
        }
    }
    (text, next)
}

/// Where a link of the answer leads, relative to the base.
fn linked(body: &str, relation: &str) -> Option<String> {
    let link = format!(r#"{{"relation":"{relation}","url":""#);
    let at = body.find(&link)? + link.len();
    let end = body[at..].find('"')?;
    Some(body[at..at + end].strip_prefix(BASE_URL)?.trim_start_matches('/').to_owned())
}

fn masked(body: &str) -> String {
    const PAGE: &str = "_page=";
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find(PAGE) {
        out.push_str(&rest[..at + PAGE.len()]);
        rest = &rest[at + PAGE.len()..];
        rest = &rest[rest.find(['"', '&']).unwrap_or(rest.len())..];
    }
    out.push_str(rest);
    out
}

/// Where two texts part, with what stands around it.
fn difference(first: &str, second: &str) -> String {
    let at = first.bytes().zip(second.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let bytes = &text.as_bytes()[at.saturating_sub(160).min(text.len())..];
        String::from_utf8_lossy(&bytes[..bytes.len().min(420)]).into_owned()
    };
    format!("--- first\n…{}…\n--- second\n…{}…", around(first), around(second))
}

fn requests() -> usize {
    let wanted = std::env::var("LEAK_REQUESTS").ok();
    wanted.map_or(REQUESTS, |n| n.parse().expect("LEAK_REQUESTS is a number"))
}

/// Asks both records the same for everybody; names who learned something.
fn run(n_requests: usize, cluster: Option<&Cluster>) {
    let askers = askers();
    let per_asker = n_requests.div_ceil(askers.len());
    let mut leaks = Vec::new();
    for (asker_idx, asker) in askers.iter().enumerate() {
        let mut random = Random(0x5eed_0000 + asker_idx as u64);
        let mut left = per_asker;
        while left > 0 && leaks.len() < 12 {
            let made = data::made(&mut random, RESOURCES);
            let (pair, n_hidden) = Pair::new(asker, &made, cluster);
            assert!(n_hidden > 5, "{}: {n_hidden} hidden resources prove nothing", asker.name);
            // Writes of the same people change a record: a new one now and then.
            let n = left.min(1_500);
            left -= n;
            for _ in 0..n {
                let ask = asks::ask(&mut random, &made);
                if let Err(leak) = pair.ask(asker, &ask) {
                    leaks.push(leak);
                    break;
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks\n{}", leaks.len(), leaks.join("\n\n"));
}

#[test]
fn nobody_learns_of_what_may_not_be_seen() {
    run(requests(), None);
}

#[test]
fn nobody_learns_of_what_may_not_be_seen_on_postgresql() {
    let Some(cluster) = cluster("leak") else { return };
    run(requests() / 4, Some(cluster));
}

/// A test that cannot fail proves nothing: with a policy that shows everything the two records
/// differ.
#[test]
fn the_two_records_do_differ() {
    let asker = &askers()[0];
    let mut random = Random(7);
    let made = data::made(&mut random, RESOURCES);
    let (pair, _) = Pair::new(asker, &made, None);
    let seeing = Asker { name: "everything", actor: Actor::System, ..askers().remove(0) };
    let n = (0..300).filter(|_| pair.ask(&seeing, &asks::ask(&mut random, &made)).is_err()).count();
    assert!(n > 50, "only {n} of 300 requests tell the records apart");
}
