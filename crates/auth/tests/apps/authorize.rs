//! SECURITY §2.1: exact redirects, PKCE, `aud`, `state`, `iss`; scopes never grow.

use auth::{Consent, Kind, LAUNCH_LIFE_MS, NewClient, NewProof};
use record::{Role, Scopes};

use crate::kit::{REDIRECT, SCOPE, kind, kit, kit_with, param, with};

#[test]
fn a_good_question_comes_back_with_code_state_and_issuer() {
    let kit = kit();
    let url = kit.agreed(&kit.question());
    assert!(url.starts_with("https://app.example.com/back?code=va_"), "{url}");
    assert_eq!(param(&url, "state").as_deref(), Some("4d2c9e5a-6f0b-4a1e-9a53-0b9c6f9f6f11"));
    assert_eq!(param(&url, "iss").as_deref(), Some("https://ehr.example.org"));
}

#[test]
fn fifty_confusions_of_the_redirect_address_lead_nowhere() {
    let kit = kit();
    let wrong = [
        "",
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/back/",
        "https://app.example.com/back?",
        "https://app.example.com/back?x=1",
        "https://app.example.com/back#",
        "https://app.example.com/back#x",
        "https://app.example.com/back/../back",
        "https://app.example.com/./back",
        "https://app.example.com//back",
        "https://app.example.com/Back",
        "https://app.example.com/back.html",
        "https://app.example.com/back%2f",
        "https://app.example.com/%62ack",
        "https://app.example.com/back%00",
        "https://app.example.com/back%20",
        "https://app.example.com/back ",
        " https://app.example.com/back",
        "https://app.example.com/back\n",
        "https://app.example.com/back\r\nLocation: https://evil.test",
        "https://app.example.com/back\\",
        "https://app.example.com\\back",
        "https://app.example.com/ba",
        "https://app.example.com/backdoor",
        "https://app.example.com:443/back",
        "https://app.example.com:8443/back",
        "https://app.example.com:/back",
        "https://app.example.com./back",
        "https://APP.example.com/back",
        "HTTPS://app.example.com/back",
        "http://app.example.com/back",
        "ftp://app.example.com/back",
        "//app.example.com/back",
        "app.example.com/back",
        "/back",
        "https:/app.example.com/back",
        "https:///app.example.com/back",
        "https://user@app.example.com/back",
        "https://app.example.com@evil.test/back",
        "https://evil.test@app.example.com/back",
        "https://app.example.com:x@evil.test/back",
        "https://evil.test/https://app.example.com/back",
        "https://evil.test?https://app.example.com/back",
        "https://evil.test#https://app.example.com/back",
        "https://evil.test\\@app.example.com/back",
        "https://app.example.com.evil.test/back",
        "https://app-example.com/back",
        "https://xapp.example.com/back",
        "https://sub.app.example.com/back",
        "https://example.com/back",
        "https://app.example.com%2eevil.test/back",
        "https://app.example.com%40evil.test/back",
        "https://*.example.com/back",
        "https://\u{430}pp.example.com/back",
        "https://127.0.0.1/back",
        "http://127.0.0.1:8000/back",
        "javascript:alert(1)//https://app.example.com/back",
        "data:text/html,https://app.example.com/back",
        "https://app.example.com/back,https://evil.test/",
        "https://app.example.com/back https://evil.test/",
        "*",
        "null",
        "https%3A%2F%2Fapp.example.com%2Fback",
    ];
    assert!(wrong.len() >= 50);
    for uri in wrong {
        // Said here: nobody is sent anywhere.
        assert_eq!(kit.unfit(&with(&kit.question(), "redirect_uri", uri)), "here", "{uri:?}");
    }
    let mut twice = kit.question();
    twice.push(("redirect_uri".to_owned(), REDIRECT.to_owned()));
    assert_eq!(kit.unfit(&twice), "here");
    assert_eq!(kit.unfit(&with(&kit.question(), "client_id", "0000")), "here");
    assert_eq!(kit.unfit(&with(&kit.question(), "client_id", "")), "here");
    kit.auth.set_client_disabled(&kit.client.id, true).expect("written");
    assert_eq!(kit.unfit(&kit.question()), "here");
}

#[test]
fn what_a_question_must_have() {
    let kit = kit();
    let good = kit.question();
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("state", "", "invalid_request"),
        ("aud", "", "invalid_request"),
        ("aud", "https://evil.test/fhir", "invalid_request"),
        ("aud", "https://ehr.example.org", "invalid_request"),
        ("aud", "https://ehr.example.org/fhir2", "invalid_request"),
        ("aud", "http://ehr.example.org/fhir", "invalid_request"),
        ("aud", "https://ehr.example.org/fhir//", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r+wW1gFWFOEjXk", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "s256", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("request_uri", "https://evil.test/", "request_not_supported"),
        ("scope", "", "invalid_scope"),
        ("scope", "system:Patient.read", "invalid_scope"),
        ("scope", "system/*.cruds", "invalid_scope"),
        ("scope", "user/Patient.dus", "invalid_scope"),
        ("scope", "user/Condition.rs", "invalid_scope"),
        ("launch", "vl_none", "invalid_request"),
    ] {
        assert_eq!(kit.unfit(&with(&good, name, value)), error, "{name}={value}");
    }
    let mut twice = good.clone();
    twice.push(("scope".to_owned(), "openid".to_owned()));
    assert_eq!(kit.unfit(&twice), "invalid_request");
    for (name, value) in [("aud", "https://ehr.example.org/fhir/"), ("nonce", ""), ("x", "y")] {
        assert_eq!(kit.unfit(&with(&good, name, value)), "put", "{name}={value}");
    }
    let long = |n: usize| kit.unfit(&with(&good, "state", &"s".repeat(n)));
    assert_eq!((long(1_024).as_str(), long(1_025).as_str()), ("put", "invalid_request"));
}

/// granted ⊆ requested ∩ registered ∩ agreed, whatever the spelling.
#[test]
fn scopes_never_grow_on_the_way() {
    let kit = kit_with(
        "openid launch/patient patient/Observation.read patient/Patient.r user/Patient.rs",
        NewProof::Public,
    );
    let granted = |asked: &str, kept: &str, patient: Option<&str>| {
        let pairs = with(&kit.question(), "scope", asked);
        let request = kit.auth.authorize_request(&kit.site, &pairs).ok()?;
        let kept = Scopes::parse(kept);
        let consent = Consent { kept: &kept, patient };
        let url = kit.auth.approve(&kit.site, &kit.session, &request, &consent).ok()?;
        let issued = kit.redeem(&param(&url, "code")?).expect("redeemed");
        Some(issued.token.scopes.to_string())
    };
    let all =
        "openid launch launch/patient offline_access patient/*.cruds user/*.cruds system/*.cruds";
    for (asked, kept, patient, expected) in [
        (
            all,
            all,
            Some("p1"),
            "openid launch/patient patient/Observation.rs patient/Patient.r user/Patient.rs",
        ),
        (all, all, None, "openid user/Patient.rs"),
        (all, "user/*.r", Some("p1"), "user/Patient.r"),
        (
            "patient/*.read patient/*.rs patient/*.read",
            all,
            Some("p1"),
            "patient/Observation.rs patient/Patient.r",
        ),
        ("user/Patient.*", all, None, "user/Patient.rs"),
        (
            "patient/Observation.rs?category=laboratory",
            all,
            Some("p1"),
            "patient/Observation.rs?category=laboratory",
        ),
        (
            "user/Patient.rs system:Patient.write user/Patient.dus USER/Patient.u",
            all,
            None,
            "user/Patient.rs",
        ),
    ] {
        assert_eq!(granted(asked, kept, patient).as_deref(), Some(expected), "{asked} / {kept}");
    }
    assert_eq!(granted("user/Patient.rs", "patient/*.cruds openid", None), None, "nothing is left");
    assert_eq!(granted("patient/Patient.r", all, Some("not/an/id")), None);
}

#[test]
fn a_patient_connects_apps_to_the_own_record_only() {
    let kit = kit();
    let (_, pat) = kit.auth.login("pat", crate::kit::PASSWORD, None).expect("signed in");
    let request = kit.auth.authorize_request(&kit.site, &kit.question()).expect("put");
    assert!(!request.wants_patient(Role::Patient) && request.wants_patient(Role::Nurse));
    let kept = Scopes::parse(SCOPE);
    let consent = Consent { kept: &kept, patient: Some("p2") };
    let url = kit.auth.approve(&kit.site, &pat, &request, &consent).expect("agreed");
    let issued = kit.redeem(&param(&url, "code").expect("a code")).expect("redeemed");
    assert_eq!(issued.token.patient.as_deref(), Some("p1"));
    let ctx = issued.token.ctx("r".into(), 0, None);
    assert_eq!(ctx.launch_patient.as_deref(), Some("p1"));
    assert_eq!(ctx.app.map(|app| app.name).as_deref(), Some("Growth"));
    assert!(matches!(ctx.actor, record::Actor::User { role: Role::Patient, .. }));
}

#[test]
fn an_app_opened_from_a_chart_knows_the_patient_once() {
    let scope = "launch launch/encounter openid patient/*.rs";
    let kit = kit_with(scope, NewProof::Public);
    let open = |patient: &str, encounter| {
        let url = kit
            .auth
            .open_app(&kit.site, &kit.session, &kit.client.id, Some(patient), encounter)
            .expect("opened");
        assert_eq!(param(&url, "iss").as_deref(), Some("https://ehr.example.org/fhir"));
        param(&url, "launch").expect("a launch")
    };
    let ask = |launch: &str| {
        let pairs = with(&with(&kit.question(), "scope", scope), "launch", launch);
        kit.auth.authorize_request(&kit.site, &pairs)
    };
    let kept = Scopes::parse(scope);
    let consent = Consent { kept: &kept, patient: Some("p9") };
    let launch = open("p7", Some("e1"));
    let (first, second) = (ask(&launch).expect("put"), ask(&launch).expect("put"));
    assert!(!first.wants_patient(Role::Nurse));
    let url = kit.auth.approve(&kit.site, &kit.session, &first, &consent).expect("agreed");
    let issued = kit.redeem(&param(&url, "code").expect("a code")).expect("redeemed");
    let context = (issued.token.patient.as_deref(), issued.token.encounter.as_deref());
    assert_eq!(context, (Some("p7"), Some("e1")), "of the chart, not of the form");
    assert_eq!(issued.token.scopes.to_string(), "openid launch launch/encounter patient/*.rs");
    // A second use of the same launch: neither the page that was open nor a new one.
    let again = kit.auth.approve(&kit.site, &kit.session, &second, &consent);
    assert_eq!(kind(again), Kind::Refused);
    assert!(ask(&launch).is_err());
    // Another person, another app, too late.
    let launch = open("p7", None);
    let (_, pat) = kit.auth.login("pat", crate::kit::PASSWORD, None).expect("signed in");
    let request = ask(&launch).expect("put");
    assert_eq!(kind(kit.auth.approve(&kit.site, &pat, &request, &consent)), Kind::Refused);
    let (other, _) = kit
        .auth
        .add_client(NewClient {
            name: "Other",
            scope,
            proof: NewProof::Public,
            redirect_uris: vec![REDIRECT.to_owned()],
            ..NewClient::default()
        })
        .expect("registered");
    let pairs = with(&with(&kit.question(), "launch", &launch), "client_id", &other.id);
    assert_eq!(kit.unfit(&pairs), "invalid_request");
    kit.clock.pass(LAUNCH_LIFE_MS - 1);
    assert!(ask(&launch).is_ok());
    kit.clock.pass(1);
    assert!(ask(&launch).is_err());
}

#[test]
fn a_form_belongs_to_its_session_and_question() {
    let kit = kit();
    let (other, _) = kit.auth.login("nora", crate::kit::PASSWORD, None).expect("signed in");
    let token = |cookie: &auth::Secret, question| kit.auth.form_token(cookie.expose(), question);
    let own = token(&kit.cookie, "a=1");
    assert_eq!(own, token(&kit.cookie, "a=1"));
    assert_ne!(own, token(&kit.cookie, "a=2"));
    assert_ne!(own, token(&other, "a=1"));
    let is_own = |given: &str| kit.auth.is_form_token(kit.cookie.expose(), "a=1", given);
    assert!(is_own(&own) && !is_own("") && !is_own(&own[1..]) && !is_own(&token(&other, "a=1")));
}
