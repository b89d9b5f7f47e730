use super::*;

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect("R4")
}

fn canonical(text: &str) -> String {
    Scopes::parse(text).to_string()
}

#[test]
fn both_spellings_become_one() {
    for (text, printed) in [
        ("system/*.cruds", "system/*.cruds"),
        ("user/Patient.read", "user/Patient.rs"),
        ("user/*.write", "user/*.cud"),
        ("patient/*.*", "patient/*.cruds"),
        ("patient/Patient.r patient/Patient.s", "patient/Patient.rs"),
        ("system/Patient.s system/Patient.s", "system/Patient.s"),
        ("fhirUser openid launch/patient", "openid fhirUser launch/patient"),
        (
            "user/Observation.rs?code=b&category=http://x.org/c|lab%2Foratory",
            "user/Observation.rs?category=http://x.org/c|lab/oratory&code=b",
        ),
        ("user/Observation.rs?code=a%20b%26c%2B", "user/Observation.rs?code=a%20b%26c%2B"),
        ("user/Observation.rs?code=a&code=a", "user/Observation.rs?code=a"),
    ] {
        assert_eq!(canonical(text), printed);
        assert_eq!(canonical(printed), printed, "reading again changes nothing");
    }
    assert_eq!(
        Scopes::parse("user/*.read openid launch"),
        Scopes::parse("launch openid user/*.s user/*.r"),
    );
}

#[test]
fn what_is_not_a_scope_grants_nothing() {
    for text in [
        "",
        "system",
        "system/*",
        "system/*.",
        "system/*.sr",
        "system/*.rr",
        "system/*.dus",
        "system/*.reads",
        "system/*.Read",
        "system/*.read.write",
        "System/*.r",
        "system:Patient.read",
        "system/patient.r",
        "system/Patient.rx",
        "system/Nonsense.r",
        "system/Patient/1.r",
        "systém/Patient.r",
        "root/*.r",
        "*.cruds",
        "*/*.cruds",
        "/Patient.r",
        "openID",
        "launch/",
        "launch/practitioner",
        "system/*.rs?category=laboratory",
        "system/Observation.rs?",
        "system/Observation.rs?category",
        "system/Observation.rs?category=",
        "system/Observation.rs?=laboratory",
        "system/Observation.rs?category=a?b=c&",
        "system/Observation.rs?category=%4",
        "system/Observation.rs?category=%FF",
        "system/Observation.rs?category=a+b",
        "system/Observation.rs?category=%00",
        "system/Observation.rs?subject.name=peter",
        "system/Observation.rs?_has:Group:member:_id=1",
        "system/Observation.rs?_include=*",
        "system/Observation.rs?_count=1",
        "system/Observation.rs?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1",
    ] {
        assert_eq!(Scopes::parse(text), Scopes::default(), "{text}");
        assert!(Scopes::read(text).is_err(), "{text}");
        if !text.is_empty() {
            let beside = format!("openid {text}");
            assert!(Scopes::read(&beside).is_err(), "{beside}");
        }
    }
    assert!(Scopes::read("system/Observation.rs?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1").is_ok());
}

#[test]
fn a_list_has_limits() {
    let at = format!("openid{}", " ".repeat(SCOPE_BYTES_MAX - 6));
    assert!(Scopes::read(&at).is_ok());
    assert!(Scopes::read(&format!("{at} ")).is_err());
    assert!(Scopes::parse(&format!("{at} ")).is_empty());
    let many = |n: usize| -> String {
        (0..n).map(|i| format!("user/List.r?_id={i} ")).collect::<String>()
    };
    // The bytes allow fewer than the count where each is long; these are short.
    let n_fit = SCOPE_BYTES_MAX / many(1).len();
    assert!(n_fit > SCOPES_MAX / 2);
    let rows = |n: usize| {
        let one = |i: usize| Scope::parse(&format!("user/List.r?_id={i}")).expect("a scope");
        Scopes::of((0..n).map(one).collect(), 0).rows().len()
    };
    assert_eq!(rows(SCOPES_MAX), SCOPES_MAX);
    assert_eq!(rows(SCOPES_MAX + 1), 0);
    let both = |n: usize, m: usize| {
        let with = |name: &str, n: usize| -> String {
            (0..n).map(|i| format!("user/List.r?{name}={i} ")).collect::<String>()
        };
        let (a, b) = (Scopes::parse(&with("code", n)), Scopes::parse(&with("date", m)));
        a.intersection(&b).rows().len()
    };
    assert_eq!(both(20, SCOPES_MAX / 20), SCOPES_MAX);
    assert_eq!(both(20, SCOPES_MAX / 20 + 1), 0);
}

#[test]
fn whole_types_are_allowed_and_parts_are_not() {
    let scopes = Scopes::parse("system/Patient.rs user/Observation.write openid");
    assert!(scopes.allow(Action::Read, rt("Patient")));
    assert!(scopes.allow(Action::Search, rt("Patient")));
    assert!(!scopes.allow(Action::Create, rt("Patient")));
    assert!(scopes.allow(Action::Delete, rt("Observation")));
    assert!(!scopes.allow(Action::Read, rt("Observation")));
    assert!(!scopes.allow_any_type(Action::Read));
    assert!(Scopes::parse("system/*.cruds").allow_any_type(Action::Delete));
    assert!(Scopes::all().allow_any_type(Action::Delete));
    for part in ["patient/*.cruds", "user/Observation.cruds?category=laboratory"] {
        let scopes = Scopes::parse(part);
        assert_eq!(scopes.rows().len(), 1);
        for action in Action::ALL {
            assert!(!scopes.allow(action, rt("Observation")), "{part}");
            assert!(!scopes.allow_any_type(action), "{part}");
        }
    }
}

#[test]
fn covering_needs_level_type_actions_and_conditions() {
    let covers = |a: &str, b: &str| Scopes::parse(a).covers(&Scopes::parse(b));
    assert!(covers("system/*.cruds", "system/Patient.r"));
    assert!(covers("system/Patient.rs", "system/Patient.s"));
    assert!(covers("user/Patient.r user/*.s", "user/Patient.rs"));
    assert!(covers("user/Observation.rs", "user/Observation.r?code=1"));
    assert!(covers("user/Observation.r?code=1", "user/Observation.r?code=1&date=2"));
    assert!(!covers("user/Observation.r?code=1&date=2", "user/Observation.r?code=1"));
    assert!(!covers("user/Observation.r?code=1", "user/Observation.r"));
    assert!(!covers("system/Patient.rs", "system/*.s"));
    assert!(!covers("system/Patient.rs", "system/Patient.c"));
    assert!(!covers("user/*.cruds", "system/Patient.r"));
    assert!(!covers("user/*.cruds", "patient/Patient.r"));
    assert!(!covers("user/*.cruds", "openid"));
    assert!(covers("user/*.cruds openid", "openid"));
}

/// Every set that is met with another is covered by both, and nothing both allow is lost.
#[test]
fn the_intersection_is_what_both_allow() {
    let words = [
        "patient/*.rs",
        "patient/Patient.r",
        "patient/Observation.rs",
        "patient/Observation.cruds?category=laboratory",
        "patient/Observation.rs?code=1",
        "user/*.cruds",
        "user/Observation.read",
        "system/Patient.write",
        "openid",
        "launch/patient",
        "offline_access",
    ];
    let n_sets = 1_u32 << words.len();
    let set = |bits: u32| -> Scopes {
        let chosen = words.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        Scopes::parse(&chosen.map(|(_, word)| *word).collect::<Vec<_>>().join(" "))
    };
    // A walk that reaches all kinds of pairs without trying four million of them.
    let (mut a, mut b) = (1_u32, 77_u32);
    for _ in 0..4_000 {
        a = (a * 1_103 + 12_345) % n_sets;
        b = (b * 1_709 + 54_321) % n_sets;
        let (left, right) = (set(a), set(b));
        let both = left.intersection(&right);
        assert!(left.covers(&both) && right.covers(&both), "{left} ∩ {right} = {both}");
        assert_eq!(both, right.intersection(&left));
        assert_eq!(left.intersection(&left), left);
        for word in words {
            let one = Scopes::parse(word);
            let in_both = left.covers(&one) && right.covers(&one);
            assert_eq!(both.covers(&one), in_both, "{word} in {left} ∩ {right} = {both}");
        }
    }
    let lab = Scopes::parse("user/Observation.cr?category=laboratory");
    let coded = Scopes::parse("user/Observation.rs?code=1 user/Patient.r");
    assert_eq!(
        lab.intersection(&coded).to_string(),
        "user/Observation.r?category=laboratory&code=1",
    );
}

#[test]
fn scopes_can_be_taken_out() {
    let scopes = Scopes::parse("patient/Patient.rs patient/Condition.rs openid launch");
    let left = scopes.without(|row| row.rt == Some(rt("Condition")), &[Extra::Launch]);
    assert_eq!(left.to_string(), "openid patient/Patient.rs");
    assert!(left.has(Extra::OpenId) && !left.has(Extra::Launch));
}
