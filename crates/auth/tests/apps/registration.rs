//! RFC 7591: programs that register themselves wait, and cannot say more than they may.

use auth::{Kind, PENDING_LIFE_MS, PENDING_MAX, Proof, Shown};
use fhir::json::Value;

use crate::kit::{Signer, kind, kit, with};

fn metadata(text: &str) -> Value {
    Value::parse(text).expect("JSON")
}

const GOOD: &str = r#"{"client_name":"Heart","redirect_uris":["https://heart.example.com/back"],
    "scope":"openid launch/patient patient/*.read","token_endpoint_auth_method":"none"}"#;

#[test]
fn a_registration_waits_for_an_administrator() {
    let kit = kit();
    let (client, secret) = kit.auth.register(&metadata(GOOD)).expect("taken");
    assert!(client.pending && secret.is_none() && client.proof == Proof::Public);
    assert_eq!(client.scopes.to_string(), "openid launch/patient patient/*.rs");
    let mut pairs = with(&kit.question(), "client_id", &client.id);
    pairs = with(&pairs, "redirect_uri", "https://heart.example.com/back");
    let ask = || kit.auth.authorize_request(&kit.site, &pairs).is_ok();
    let enter = || kit.auth.authenticate(&kit.site, &client.id, Shown::Nothing, None).is_ok();
    assert!(!ask() && !enter());
    kit.auth.approve_client(&client.id).expect("approved");
    assert!(ask() && enter());
    assert_eq!(kind(kit.auth.reject_client(&client.id)), Kind::NotFound, "it is in use");
    // One that nobody agrees to goes.
    let (other, _) = kit.auth.register(&metadata(GOOD)).expect("taken");
    kit.auth.reject_client(&other.id).expect("rejected");
    let (third, _) = kit.auth.register(&metadata(GOOD)).expect("taken");
    kit.clock.pass(PENDING_LIFE_MS);
    kit.auth.sweep().expect("swept");
    for id in [other.id, third.id] {
        assert_eq!(kit.auth.client(&id).expect("reads"), None);
    }
    assert!(kit.auth.client(&client.id).expect("reads").is_some());
}

/// Mass assignment: what a registration says of itself beyond its metadata changes nothing.
#[test]
fn a_registration_cannot_approve_itself() {
    let kit = kit();
    let more = r#"{"client_id":"0000","id":"0000","pending":false,"approved":true,"disabled":false,
        "status":"approved","role":"admin","public":false,"secret_sha256":"00","client_secret":"x",
        "created_ms":1,"launch_uri":"https://evil.test/","scopes":"system/*.cruds","#;
    let text = GOOD.replacen('{', more, 1);
    let (client, secret) = kit.auth.register(&metadata(&text)).expect("taken");
    assert!(client.pending && secret.is_none() && client.proof == Proof::Public);
    assert_ne!(client.id, "0000");
    assert_eq!((client.launch_uri, client.name.as_str()), (None, "Heart"));
    assert_eq!(client.scopes.to_string(), "openid launch/patient patient/*.rs");
    assert!(client.created_ms > 1);
}

#[test]
fn what_a_registration_may_not_say() {
    let kit = kit();
    let keys = Signer::p256().jwks("k").to_json();
    let change = |name: &str, json: &str| {
        let mut value = metadata(GOOD);
        value.set(name, metadata(json));
        kit.auth.register(&value).map(|_| ()).map_err(|error| error.kind)
    };
    for (name, json, expected) in [
        ("client_name", "null", Kind::Invalid),
        ("client_name", "\"\"", Kind::Invalid),
        ("client_name", "7", Kind::Invalid),
        ("redirect_uris", "[]", Kind::Invalid),
        ("redirect_uris", "\"https://heart.example.com/back\"", Kind::Invalid),
        ("redirect_uris", "[7]", Kind::Invalid),
        ("redirect_uris", "[\"http://heart.example.com/back\"]", Kind::Redirect),
        ("redirect_uris", "[\"https://*.example.com/back\"]", Kind::Redirect),
        ("redirect_uris", "[\"javascript:alert(1)\"]", Kind::Redirect),
        ("initiate_login_uri", "\"javascript:alert(1)\"", Kind::Redirect),
        ("scope", "\"patient/*.dus\"", Kind::Scope),
        ("scope", "\"system:Patient.read\"", Kind::Scope),
        ("scope", "\"system/*.rs\"", Kind::Invalid),
        ("grant_types", "[\"password\"]", Kind::Invalid),
        ("grant_types", "[\"implicit\"]", Kind::Invalid),
        ("response_types", "[\"token\"]", Kind::Invalid),
        ("token_endpoint_auth_method", "\"private_key_jwt\"", Kind::Invalid),
        ("token_endpoint_auth_method", "\"client_secret_jwt\"", Kind::Invalid),
        ("jwks", &keys, Kind::Invalid),
        ("jwks_uri", "\"http://heart.example.com/keys\"", Kind::Invalid),
        ("jwks_uri", "\"file:///etc/passwd\"", Kind::Invalid),
    ] {
        assert_eq!(change(name, json), Err(expected), "{name}: {json}");
    }
    for text in ["[]", "7", "{}"] {
        assert_eq!(kind(kit.auth.register(&metadata(text))), Kind::Invalid, "{text}");
    }
    assert_eq!(change("token_endpoint_auth_method", "\"client_secret_basic\""), Ok(()));
    // None of the refused ones is there.
    assert_eq!(kit.auth.clients().expect("reads").len(), 2);
}

#[test]
fn registrations_do_not_pile_up() {
    let kit = kit();
    for _ in 0..PENDING_MAX {
        kit.auth.register(&metadata(GOOD)).expect("taken");
    }
    let over = kit.auth.register(&metadata(GOOD));
    assert!(matches!(kind(over), Kind::Throttled { .. }));
}
