use search::params;
use search::value::{IndexValue, Indexed};
use search::world::Known;

use super::*;
use crate::ctx::{App, Purpose};
use crate::scope::Scopes;

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect("R4")
}

fn user(role: Role, scopes: &str) -> Ctx {
    let mut ctx = Ctx::system("r", 0);
    ctx.scopes = Scopes::parse(scopes);
    ctx.purpose = Purpose::Treatment;
    let patient = (role == Role::Patient).then(|| "p1".to_owned());
    ctx.actor = Actor::User { id: "u".into(), name: "U".into(), role, patient };
    ctx
}

fn own() -> Relations {
    Relations { patients: vec!["p1".to_owned()], ..Relations::default() }
}

fn may(ctx: &Ctx) -> May {
    Policy::standard().may(ctx, &own())
}

fn observation(patient: &str, category: &str) -> Known {
    let param = |code| params::find(rt("Observation"), code).expect("R4").0;
    let to = IndexValue::Reference { ty: rt("Patient"), id: patient.to_owned() };
    let token = IndexValue::Token { system: None, code: Some(category.to_owned()) };
    let values = vec![
        Indexed { param: param("category"), value: token },
        Indexed { param: param("subject"), value: to },
    ];
    Known { rt: rt("Observation"), id: "o".into(), last_updated_ms: 0, values }
}

#[test]
fn without_scopes_nobody_may_anything() {
    for role in Role::ALL {
        assert_eq!(may(&user(role, "")), May::by(|_, _| Rule::Nothing), "{role:?}");
    }
}

#[test]
fn a_patient_sees_the_own_compartment_and_what_says_nothing_of_patients() {
    let may = may(&user(Role::Patient, "user/*.cruds"));
    let sees = may.sees(Action::Search);
    assert!(sees.admits(&observation("p1", "laboratory")));
    assert!(!sees.admits(&observation("p2", "laboratory")));
    assert!(may.all(Action::Read, rt("Practitioner")));
    assert!(may.some(Action::Read, rt("Group")) && !may.all(Action::Read, rt("Group")));
    assert!(!may.some(Action::Read, rt("AuditEvent")));
    for action in [Action::Create, Action::Update, Action::Delete] {
        assert!(!may.any(action), "{action:?}");
    }
}

#[test]
fn a_program_of_a_person_may_what_both_may() {
    let app = |scopes: &str, role| {
        let mut ctx = user(role, scopes);
        ctx.app = Some(App { id: "a".into(), name: "A".into() });
        ctx.launch_patient = Some("p1".to_owned());
        may(&ctx)
    };
    let granted = app("patient/Observation.rs?category=laboratory", Role::Provider);
    let sees = granted.sees(Action::Search);
    assert!(sees.admits(&observation("p1", "laboratory")));
    assert!(!sees.admits(&observation("p1", "vital-signs")));
    assert!(!sees.admits(&observation("p2", "laboratory")));
    assert!(!granted.some(Action::Create, rt("Observation")));
    assert!(!granted.some(Action::Read, rt("Patient")));
    // Scopes never widen what the person may.
    let granted = app("user/*.cruds", Role::Patient);
    assert!(!granted.sees(Action::Read).admits(&observation("p2", "laboratory")));
    assert!(!granted.any(Action::Update));
    // `system/` is not for programs that act for a person.
    assert!(!app("system/*.cruds", Role::Provider).any(Action::Read));
    assert!(app("patient/*.rs", Role::Provider).all(Action::Read, rt("Organization")));
    assert!(!app("patient/*.cruds", Role::Provider).some(Action::Create, rt("Organization")));
}

#[test]
fn patient_scopes_without_a_patient_give_nothing() {
    let mut ctx = user(Role::Provider, "patient/*.cruds");
    ctx.app = Some(App { id: "a".into(), name: "A".into() });
    assert!(!may(&ctx).any(Action::Read));
    ctx.actor = Actor::Client { id: "c".into(), name: "C".into() };
    assert!(!may(&ctx).any(Action::Read));
}

#[test]
fn nobody_changes_audit_events_and_few_read_them() {
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Patient) {
        let may = may(&user(role, "user/*.cruds"));
        assert!(may.all(Action::Read, rt("Patient")));
        assert!(!may.some(Action::Update, rt("AuditEvent")));
        let reads = may.all(Action::Search, rt("AuditEvent"));
        assert_eq!(reads, matches!(role, Role::Admin | Role::PrivacyOfficer), "{role:?}");
    }
    let mut ctx = user(Role::Admin, "system/*.cruds");
    ctx.actor = Actor::Client { id: "c".into(), name: "C".into() };
    let may = may(&ctx);
    assert!(may.all(Action::Create, rt("AuditEvent")), "other systems add to the trail");
    assert!(!may.some(Action::Update, rt("AuditEvent")));
    assert!(!may.some(Action::Delete, rt("AuditEvent")));
    assert!(may.all(Action::Delete, rt("Patient")));
}

#[test]
fn consents_decide_for_whom_the_policy_says_so() {
    let text =
        r#"{"status":"active","patient":{"reference":"Patient/p2"},"provision":{"type":"deny"}}"#;
    let deny = Consent::read(fhir::json::Doc::parse(text).expect("JSON").root()).expect("active");
    let text =
        r#"{"status":"active","patient":{"reference":"Patient/p1"},"provision":{"type":"permit"}}"#;
    let permit = Consent::read(fhir::json::Doc::parse(text).expect("JSON").root()).expect("active");
    let relations = Relations { consents: Arc::new(vec![deny, permit]), ..Relations::default() };
    let mut ctx = user(Role::Nurse, "system/*.cruds");
    let sees = |ctx: &Ctx, policy: &str, patient: &str| {
        let policy = Policy::parse(policy).expect("a policy");
        policy.may(ctx, &relations).sees(Action::Read).admits(&observation(patient, "survey"))
    };
    assert!(sees(&ctx, DEFAULT, "p2"), "inside, unless the practice says otherwise");
    assert!(!sees(&ctx, "[nurse]\nmay = [\"user/*.rs\"]\nconsents = \"denials\"", "p2"));
    ctx.actor = Actor::Client { id: "c".into(), name: "C".into() };
    assert!(!sees(&ctx, DEFAULT, "p2"));
    assert!(sees(&ctx, DEFAULT, "p3"));
    let strict = "[program]\nmay = [\"user/*.rs\"]\nconsents = \"permits\"";
    let seen = ["p1", "p2", "p3"].map(|patient| sees(&ctx, strict, patient));
    assert_eq!(seen, [true, false, false]);
}

#[test]
fn a_policy_is_read_or_refused_with_words() {
    let good = "[nurse]\nmay = [\"user/Observation.rs?category=vital-signs\"]\n";
    let policy = Policy::parse(good).expect("a policy");
    let may = policy.may(&user(Role::Nurse, "user/*.cruds"), &Relations::default());
    assert!(may.sees(Action::Read).admits(&observation("p2", "vital-signs")));
    assert!(!may.sees(Action::Read).admits(&observation("p2", "laboratory")));
    assert!(!may.some(Action::Read, rt("Patient")));
    let admin = policy.may(&user(Role::Admin, "user/*.cruds"), &Relations::default());
    assert!(!admin.any(Action::Read), "a role that is left out may nothing");
    for (text, word) in [
        ("[surgeon]\nmay = []", "surgeon"),
        ("[nurse]\ncan = []", "can"),
        ("[nurse]\nmay = \"user/*.rs\"", "no list"),
        ("[nurse]\nmay = [\"user/*.sr\"]", "no scope"),
        ("[nurse]\nmay = [\"system/*.rs\"]", "user/"),
        ("[nurse]\nmay = [3]", "no scope"),
        ("[nurse]\nmay = [\"user/Observation.rs?nonsense=1\"]", "conditions"),
        ("[nurse]\nmay = [\"user/Observation.rs?code:text=pulse\"]", "conditions"),
        ("[nurse]\nconsents = \"some\"", "consents"),
        ("nurse = 1", "no section"),
        ("[nurse", "the policy"),
    ] {
        let error = Policy::parse(text).expect_err(text).to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn a_list_has_a_limit() {
    let lines = |n: usize| format!("[nurse]\nmay = [{}]", "\"user/Patient.r\",".repeat(n));
    assert!(Policy::parse(&lines(LINES_MAX)).is_ok());
    let error = Policy::parse(&lines(LINES_MAX + 1)).expect_err("too many").to_string();
    assert!(error.contains(&LINES_MAX.to_string()), "{error}");
}

/// What the standard policy comes to, as the table of `docs/access.md`: a column for each role, a
/// row for types of which all may the same.
fn matrix() -> String {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    let columns: Vec<(&str, May)> = Role::ALL
        .into_iter()
        .map(|role| (role.as_str(), may(&user(role, "system/*.cruds"))))
        .chain([("program", {
            let mut ctx = user(Role::Admin, "system/*.cruds");
            ctx.actor = Actor::Client { id: "c".into(), name: "C".into() };
            may(&ctx)
        })])
        .collect();
    let cell = |may: &May, rt: ResourceType| {
        let letters = |wanted: fn(&Rule) -> bool| -> String {
            let fits = Action::ALL.into_iter().filter(|action| wanted(may.rule(*action, rt)));
            fits.map(Action::letter).collect()
        };
        let (all, part) =
            (letters(|rule| *rule == Rule::All), letters(|rule| matches!(rule, Rule::Only(_))));
        match (all.is_empty(), part.is_empty()) {
            (true, true) => "–".to_owned(),
            (false, true) => all,
            (true, false) => format!("({part})"),
            (false, false) => format!("{all} ({part})"),
        }
    };
    let mut rows: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for rt in ResourceType::ALL {
        let cells = columns.iter().map(|(_, may)| cell(may, rt)).collect();
        rows.entry(cells).or_default().push(rt.name());
    }
    let mut rows: Vec<(Vec<String>, Vec<&str>)> = rows.into_iter().collect();
    rows.sort_by_key(|(_, types)| std::cmp::Reverse(types.len()));
    let mut out = String::from("| types |");
    columns.iter().for_each(|(name, _)| out.push_str(&format!(" {name} |")));
    out.push_str("\n| --- |");
    columns.iter().for_each(|_| out.push_str(" --- |"));
    for (cells, types) in rows {
        let _ = write!(out, "\n| {} |", types.join(", "));
        cells.iter().for_each(|cell| out.push_str(&format!(" {cell} |")));
    }
    out.push('\n');
    out
}

#[test]
fn the_page_about_access_says_what_the_policy_comes_to() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/access.md");
    let text = std::fs::read_to_string(&path).expect("docs/access.md");
    let (begin, end) = ("<!-- matrix -->\n", "<!-- end of matrix -->");
    let (head, rest) = text.split_once(begin).expect("where the matrix begins");
    let (table, tail) = rest.split_once(end).expect("where the matrix ends");
    if std::env::var_os("UPDATE").is_some() {
        let text = format!("{head}{begin}{}{end}{tail}", matrix());
        std::fs::write(&path, text).expect("written");
    } else {
        assert_eq!(table, matrix(), "run again with UPDATE=1 and read the diff");
    }
}

/// An Observation of a patient with a security label.
fn labelled_observation(patient: &str, label: &str) -> Known {
    let mut known = observation(patient, "laboratory");
    let param = params::find(rt("Observation"), "_security").expect("R4").0;
    let value = IndexValue::Token { system: None, code: Some(label.to_owned()) };
    known.values.push(Indexed { param, value });
    known
}

#[test]
fn who_takes_part_in_the_care_sees_what_the_line_says() {
    let text = "[nurse]\nmay = ['care/*.rs', 'user/Patient.s?birthdate=gt2020']";
    let policy = Policy::parse(text).expect("a policy");
    assert!(policy.heeds_care(Role::Nurse) && !policy.heeds_care(Role::Provider));
    let cared = Arc::new((0..50).map(|n| format!("p{n}")).collect());
    let relations = Relations { cared, ..Relations::default() };
    let ctx = user(Role::Nurse, "user/*.cruds");
    let may = policy.may(&ctx, &relations);
    assert!(may.sees(Action::Read).admits(&observation("p7", "laboratory")));
    assert!(!may.sees(Action::Read).admits(&observation("p70", "laboratory")));
    assert!(!may.some(Action::Update, rt("Observation")));
    assert!(may.all(Action::Read, rt("Practitioner")), "who reads a chart needs the names in it");
    let may = policy.may(&ctx, &Relations::default());
    assert!(may.some(Action::Read, rt("Observation")), "an empty list is no refusal");
    assert!(!may.sees(Action::Read).admits(&observation("p7", "laboratory")));
}

#[test]
fn an_emergency_opens_one_chart_but_for_what_is_sealed() {
    let text = "[provider]\nmay = ['care/*.cruds']\nnot = ['user/Observation.rs?_security=ETH']\n\
                consents = 'permits'\nemergency = ['patient/*.rs']\nsealed = ['V']\n\
                [nurse]\nmay = ['care/*.rs']";
    let policy = Policy::parse(text).expect("a policy");
    assert!(policy.opens_in_emergency(Role::Provider) && !policy.opens_in_emergency(Role::Nurse));
    let relations = Relations { emergencies: vec!["p1".to_owned()], ..Relations::default() };
    let mut ctx = user(Role::Provider, "user/*.cruds");
    let may = policy.may(&ctx, &relations);
    let reads = may.sees(Action::Read);
    assert!(reads.admits(&observation("p1", "laboratory")));
    assert!(reads.admits(&labelled_observation("p1", "ETH")), "whatever `not` says");
    assert!(!reads.admits(&labelled_observation("p1", "V")));
    assert!(!reads.admits(&observation("p2", "laboratory")), "another patient");
    assert!(!may.some(Action::Update, rt("Observation")));
    ctx.app = Some(App { id: "a".into(), name: "A".into() });
    let may = policy.may(&ctx, &relations);
    assert!(!may.sees(Action::Read).admits(&observation("p1", "laboratory")), "no program");
    let nurse = user(Role::Nurse, "user/*.cruds");
    let may = policy.may(&nurse, &relations);
    assert!(!may.sees(Action::Read).admits(&observation("p1", "laboratory")), "another role");
}

#[test]
fn who_acts_for_a_patient_sees_less_of_a_young_one_and_nothing_of_a_grown_child() {
    let ctx = user(Role::Patient, "user/*.cruds");
    let may = |age, by_youth| {
        let wards = vec![Ward { patient: "p9".to_owned(), age, by_youth }];
        Policy::standard().may(&ctx, &Relations { wards, ..own() })
    };
    let sees = |may: &May, known: &Known| may.sees(Action::Read).admits(known);
    let (plain, private) = (observation("p9", "laboratory"), labelled_observation("p9", "SEX"));
    for (age, by_youth, sees_plain, sees_private) in [
        (Some(3), true, true, true),
        (Some(12), true, true, true),
        (Some(13), true, true, false),
        (Some(17), true, true, false),
        (Some(18), true, false, false),
        (None, true, false, false),
        (Some(15), false, true, false),
        (Some(18), false, true, true),
        (Some(80), false, true, true),
        (None, false, true, false),
    ] {
        let may = may(age, by_youth);
        assert_eq!(sees(&may, &plain), sees_plain, "{age:?} {by_youth}");
        assert_eq!(sees(&may, &private), sees_private, "{age:?} {by_youth}");
        assert!(sees(&may, &observation("p1", "laboratory")), "the own chart");
        assert!(sees(&may, &labelled_observation("p1", "SEX")), "the own chart");
        assert!(!may.any(Action::Update));
    }
    let wards = vec![Ward { patient: "p9".to_owned(), age: Some(3), by_youth: true }];
    let nurse = Policy::parse("[nurse]\nmay = ['patient/*.rs']\n[proxy]\nmay = ['patient/*.rs']");
    let may = nurse
        .expect("a policy")
        .may(&user(Role::Nurse, "user/*.cruds"), &Relations { wards, ..Relations::default() });
    assert!(!may.any(Action::Read), "acting for somebody is for patients' logins");
}

#[test]
fn what_a_proxys_ward_denies_is_not_seen() {
    let consent = |actor: &str| {
        let text = format!(
            r#"{{"resourceType":"Consent","status":"active","patient":{{"reference":"Patient/p9"}},"provision":{{"type":"permit","provision":[{{"type":"deny","actor":[{{"reference":{{"reference":"RelatedPerson/{actor}"}}}}]}}]}}}}"#
        );
        let doc = fhir::json::Doc::parse(text).expect("JSON");
        Consent::read(doc.root()).expect("in force")
    };
    let ctx = user(Role::Patient, "user/*.cruds");
    let known_as = vec!["RelatedPerson/r1".to_owned()];
    for (actor, sees) in [("r1", false), ("r2", true)] {
        let wards = vec![Ward { patient: "p9".to_owned(), age: Some(40), by_youth: false }];
        let consents = Arc::new(vec![consent(actor)]);
        let may = Policy::standard()
            .may(&ctx, &Relations { wards, consents, known_as: known_as.clone(), ..own() });
        assert_eq!(may.sees(Action::Read).admits(&observation("p9", "laboratory")), sees);
    }
}

#[test]
fn lines_that_mean_nothing_are_refused_with_what_to_write() {
    for (text, says) in [
        ("[nurse]\nemergency = ['user/*.rs']", "begin with patient/"),
        ("[nurse]\nemergency = ['care/*.rs']", "begin with patient/"),
        ("[nurse]\nsealed = ['V V']", "no code of a security label"),
        ("[nurse]\nsealed = ['']", "no code of a security label"),
        ("[nurse]\nreviews = 1", "write true or false"),
        ("[nurse]\nprivate = ['ETH']", "emergency, sealed and reviews are known"),
        ("[proxy]\nemergency = ['patient/*.rs']", "private_age and adult_age are known"),
        ("[proxy]\nadult_age = -1", "write years, up to 150"),
        ("[proxy]\nadult_age = 151", "write years, up to 150"),
        ("[proxy]\nadult_age = 12", "private_age is above adult_age"),
        ("[nurse]\nmay = ['system/*.rs']", "write user/ in place of system/"),
        ("[nurse]\nmay = ['care/Observation.rs?nonsense=1']", "no search parameters"),
    ] {
        let error = Policy::parse(text).expect_err(text);
        assert!(error.0.contains(says), "{text}: {error}");
    }
    assert!(Policy::parse("[proxy]\nadult_age = 150\nprivate_age = 150").is_ok());
}
