//! SECURITY §2.1: signed assertions, proofs of possession, who signed in.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use auth::{
    ASSERTION_LIFE_MS_MAX, CLOCK_SKEW_MS, ID_TOKEN_LIFE_MS, KEY_KEPT_MS, KEY_LIFE_MS, KeySet,
    KeySource, Kind, NewClient, NewProof, PROOF_AGE_MS_MAX, Possession, Scheme, Shown,
};
use fhir::json::Value;
use record::World;
use sha2::{Digest, Sha256};

use crate::kit::{Kit, Signer, base64url, kind, kit, kit_with, param, shown, with};

const TOKEN: &str = "https://ehr.example.org/oauth2/token";

fn header(alg: &str, kid: &str) -> Value {
    Value::object([
        ("alg", Value::from(alg)),
        ("kid", Value::from(kid)),
        ("typ", Value::from("JWT")),
    ])
}

fn claims(kit: &Kit, jti: &str) -> Value {
    let now_s = kit.clock.now_ms() / 1000;
    Value::object([
        ("iss", Value::from(kit.client.id.as_str())),
        ("sub", Value::from(kit.client.id.as_str())),
        ("aud", Value::from(TOKEN)),
        ("exp", Value::from(now_s + 300)),
        ("jti", Value::from(jti)),
    ])
}

fn set(value: &Value, name: &str, new: impl Into<Value>) -> Value {
    let mut value = value.clone();
    value.set(name, new.into());
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.remove(name);
    value
}

fn backend(signer: &Signer) -> Kit {
    let keys = KeySet::from_value(&signer.jwks("k1")).expect("keys");
    kit_with("system/*.rs openid user/*.rs", NewProof::Keys(keys))
}

fn taken(kit: &Kit, assertion: &str) -> bool {
    // Each try is the first: throttling is tested elsewhere.
    kit.clock.pass(0);
    let fresh = kit.restarted();
    match fresh.authenticate(&kit.site, "", Shown::Assertion(assertion), None) {
        Ok(client) => {
            assert_eq!(client.id, kit.client.id);
            true
        }
        Err(error) => {
            assert_eq!(error.kind, Kind::Refused, "{error}");
            false
        }
    }
}

#[test]
fn backend_services_sign_and_get_a_token_for_themselves() {
    for signer in [Signer::p384(), Signer::rsa()] {
        let kit = backend(&signer);
        let assertion = signer.sign(&header(signer.alg(), "k1"), &claims(&kit, "j1"));
        assert!(taken(&kit, &assertion), "{}", signer.alg());
        let issued = kit.auth.client_credentials(&kit.client, None, None, None).expect("a token");
        assert_eq!(issued.token.scopes.to_string(), "system/*.rs", "without a person");
        let more = kit.auth.client_credentials(&kit.client, Some("system/*.cruds"), None, None);
        assert_eq!(kind(more), Kind::Scope);
    }
    let public = kit();
    let own = public.auth.client_credentials(&public.client, None, None, None);
    assert_eq!(kind(own), Kind::Client);
}

#[test]
fn confused_algorithms_and_keys_are_refused() {
    let signer = Signer::rsa();
    let kit = backend(&signer);
    let good = header("RS384", "k1");
    let own = claims(&kit, "j1");
    let signed = |header: &Value| signer.sign(header, &own);
    let part = |value: &Value| base64url(value.to_json().as_bytes());
    // none, with and without a signature.
    for alg in ["none", "None", "NONE", ""] {
        let header = header(alg, "k1");
        assert!(!taken(&kit, &signed(&header)), "{alg}");
        assert!(!taken(&kit, &format!("{}.{}.", part(&header), part(&own))), "{alg}");
    }
    // HS256 with the public key as the secret: the algorithm is not there at all.
    for alg in ["HS256", "HS384", "HS512"] {
        let text = format!("{}.{}", part(&header(alg, "k1")), part(&own));
        let public = signer.jwk("k1").get("n").and_then(Value::as_str).expect("n").to_owned();
        let mac = hmac_sha256(public.as_bytes(), text.as_bytes());
        assert!(!taken(&kit, &format!("{text}.{}", base64url(&mac))), "{alg}");
    }
    // The right key under another algorithm, kid or curve; another key under the right kid.
    for header in [
        header("RS256", "k1"),
        header("PS384", "k1"),
        header("ES384", "k1"),
        header("RS384", "k2"),
        set(&good, "crit", Value::array([Value::from("b64")])),
        set(&good, "typ", "dpop+jwt"),
    ] {
        assert!(!taken(&kit, &signed(&header)), "{}", header.to_json());
    }
    let stranger = Signer::rsa();
    assert!(!taken(&kit, &stranger.sign(&good, &own)));
    // A key that comes along, or an address of one that points inward, is not looked at.
    let jwk = stranger.jwk("k1");
    for (name, value) in [
        ("jwk", jwk),
        ("jku", Value::from("http://169.254.169.254/latest/meta-data")),
        ("jku", Value::from("http://127.0.0.1:1/keys")),
        ("x5u", Value::from("http://127.0.0.1:1/certificate")),
        ("x5c", Value::array([Value::from("MIIB")])),
    ] {
        assert!(!taken(&kit, &stranger.sign(&set(&good, name, value.clone()), &own)), "{name}");
        let own = claims(&kit, &format!("j-{}", value.to_json().len()));
        assert!(taken(&kit, &signer.sign(&set(&good, name, value), &own)), "{name} is passed over");
    }
    assert!(taken(&kit, &signed(&good)));
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let hashed = Sha256::digest(key);
    let key = if key.len() > 64 { hashed.as_slice() } else { key };
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::digest([&pad(0x36)[..], message].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

#[test]
fn stale_replayed_and_misaddressed_assertions_are_refused() {
    let signer = Signer::p384();
    let kit = backend(&signer);
    let sign = |claims: &Value| signer.sign(&header("ES384", "k1"), claims);
    let own = claims(&kit, "j1");
    let now_s = kit.clock.now_ms() / 1000;
    let skew_s = CLOCK_SKEW_MS / 1000;
    let most_s = ASSERTION_LIFE_MS_MAX / 1000 + skew_s;
    for bad in [
        set(&own, "aud", "https://ehr.example.org"),
        set(&own, "aud", "https://evil.test/oauth2/token"),
        set(&own, "aud", format!("{TOKEN}/")),
        set(&own, "aud", Value::array([Value::from("https://evil.test")])),
        without(&own, "aud"),
        set(&own, "iss", "another"),
        set(&own, "sub", "another"),
        without(&own, "sub"),
        set(&own, "exp", now_s),
        set(&own, "exp", now_s - 1),
        set(&own, "exp", now_s + most_s + 1),
        set(&own, "exp", (now_s + 300).to_string()),
        set(&own, "exp", i64::MAX),
        without(&own, "exp"),
        set(&own, "nbf", now_s + skew_s + 1),
        set(&own, "iat", now_s + skew_s + 1),
        without(&own, "jti"),
        set(&own, "jti", ""),
        set(&own, "jti", "j".repeat(257)),
    ] {
        assert!(!taken(&kit, &sign(&bad)), "{}", bad.to_json());
    }
    let list = Value::array([Value::from("https://other.test"), Value::from(TOKEN)]);
    for (n, good) in [
        set(&own, "aud", list),
        set(&own, "exp", now_s + 1),
        set(&own, "exp", now_s + most_s),
        set(&own, "iat", now_s + skew_s),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(taken(&kit, &sign(&set(&good, "jti", format!("good-{n}")))), "{}", good.to_json());
    }
    // Once, in whichever process, until it is over; and then it is too old.
    let assertion = sign(&own);
    assert!(taken(&kit, &assertion));
    assert!(!taken(&kit, &assertion), "replayed");
    assert!(!taken(&kit, &sign(&set(&own, "exp", now_s + 200))), "the same jti in another");
    kit.clock.pass(ASSERTION_LIFE_MS_MAX);
    kit.auth.sweep().expect("swept");
    assert!(!taken(&kit, &assertion));
    // A clock that is set back does not make it new.
    kit.clock.pass(-ASSERTION_LIFE_MS_MAX);
    assert!(!taken(&kit, &assertion));
    // Another id in the form.
    let fresh = sign(&claims(&kit, "j9"));
    let other = kit.auth.authenticate(&kit.site, "another", Shown::Assertion(&fresh), None);
    assert_eq!(kind(other), Kind::Refused);
}

#[test]
fn an_assertion_used_by_many_at_once_is_taken_once() {
    let signer = Signer::p384();
    let kit = backend(&signer);
    let assertion = signer.sign(&header("ES384", "k1"), &claims(&kit, "j1"));
    let n: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..50).map(|_| scope.spawn(|| usize::from(taken(&kit, &assertion)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(n, 1);
}

#[test]
fn a_program_that_registered_keys_is_not_let_in_by_less() {
    let signer = Signer::p384();
    let kit = backend(&signer);
    let refused = |shown: Shown<'_>| {
        kind(kit.restarted().authenticate(&kit.site, &kit.client.id, shown, None))
    };
    assert_eq!(refused(Shown::Nothing), Kind::Refused);
    assert_eq!(refused(Shown::Secret("")), Kind::Refused);
    assert_eq!(refused(Shown::Secret("vc_x")), Kind::Refused);
    let public = crate::kit::kit();
    let auth = public.restarted();
    let id = public.client.id.as_str();
    assert!(auth.authenticate(&public.site, id, Shown::Nothing, None).is_ok());
    assert_eq!(kind(auth.authenticate(&public.site, id, Shown::Secret(""), None)), Kind::Refused);
}

struct Published {
    keys: Mutex<Value>,
    asked: AtomicU32,
    again: AtomicU32,
}

impl KeySource for Published {
    fn keys(&self, uri: &str, again: bool) -> Result<KeySet, String> {
        assert_eq!(uri, "https://app.example.com/keys");
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.again.fetch_add(u32::from(again), Ordering::Relaxed);
        let keys = self.keys.lock().expect("no panic").clone();
        KeySet::from_value(&keys).map_err(str::to_owned)
    }
}

#[test]
fn published_keys_are_looked_up_again_when_one_is_new() {
    let (old, new) = (Signer::p384(), Signer::p384());
    let proof = NewProof::KeysAt("https://app.example.com/keys".to_owned());
    let kit = kit_with("system/*.rs", proof);
    let sign = |signer: &Signer, kid: &str, jti: &str| {
        signer.sign(&header("ES384", kid), &claims(&kit, jti))
    };
    // Without a way out, such programs are refused.
    assert!(!taken(&kit, &sign(&old, "k1", "j0")));
    let source = Arc::new(Published {
        keys: Mutex::new(old.jwks("k1")),
        asked: AtomicU32::new(0),
        again: AtomicU32::new(0),
    });
    kit.auth.set_key_source(source.clone());
    let take =
        |text: &str| kit.auth.authenticate(&kit.site, "", Shown::Assertion(text), None).is_ok();
    assert!(take(&sign(&old, "k1", "j1")));
    assert_eq!(source.again.load(Ordering::Relaxed), 0);
    *source.keys.lock().expect("no panic") = new.jwks("k2");
    assert!(take(&sign(&new, "k2", "j2")));
    assert!(!take(&sign(&old, "k1", "j3")), "it was taken away");
    // Nobody asks the network for a program that is not there.
    let asked = source.asked.load(Ordering::Relaxed);
    let stranger = set(&set(&claims(&kit, "j4"), "iss", "x"), "sub", "x");
    assert!(!take(&new.sign(&header("ES384", "k2"), &stranger)));
    assert_eq!(source.asked.load(Ordering::Relaxed), asked);
}

fn proof(kit: &Kit, signer: &Signer, jti: &str, url: &str, access: Option<&str>) -> (Value, Value) {
    let header = Value::object([
        ("alg", Value::from(signer.alg())),
        ("typ", Value::from("dpop+jwt")),
        ("jwk", without(&signer.jwk("k"), "kid")),
    ]);
    let mut claims = Value::object([
        ("jti", Value::from(jti)),
        ("htm", Value::from("GET")),
        ("htu", Value::from(url)),
        ("iat", Value::from(kit.clock.now_ms() / 1000)),
    ]);
    if let Some(access) = access {
        claims.set("ath", Value::from(base64url(&Sha256::digest(access.as_bytes()))));
    }
    (header, claims)
}

/// RFC 9449: a stolen token without its key opens nothing.
#[test]
fn a_bound_token_needs_a_proof_for_this_very_request() {
    const URL: &str = "https://ehr.example.org/fhir/Patient/p7";
    let (kit, signer, thief) = (kit(), Signer::p256(), Signer::p256());
    fn possession(proof: &str) -> Possession<'_> {
        Possession { proof, method: "GET", url: URL }
    }
    let (head, body) = proof(&kit, &signer, "j0", URL, None);
    let own = signer.sign(&head, &body);
    let jkt = kit.auth.check_possession(possession(&own), None).expect("a proof");
    let code = kit.code();
    let redeem = auth::Redeem { jkt: Some(&jkt), ..shown(&code) };
    let issued = kit.auth.redeem(&kit.site, &kit.client, redeem).expect("redeemed");
    let access = issued.access.expose();
    let admit = |scheme, proof: Option<&str>| {
        let found = kit.auth.admit(scheme, access, proof.map(possession));
        found.map(|token| token.is_some()).map_err(|error| error.kind)
    };
    assert_eq!(admit(Scheme::Bearer, None), Err(Kind::Proof), "stolen");
    assert_eq!(admit(Scheme::DPoP, None), Err(Kind::Proof));
    let (head, body) = proof(&kit, &signer, "j1", URL, Some(access));
    let good = signer.sign(&head, &body);
    assert_eq!(admit(Scheme::Bearer, Some(&good)), Err(Kind::Proof));
    assert_eq!(admit(Scheme::DPoP, Some(&good)), Ok(true));
    assert_eq!(admit(Scheme::DPoP, Some(&good)), Err(Kind::Proof), "replayed");
    let age_s = PROOF_AGE_MS_MAX / 1000;
    let now_s = kit.clock.now_ms() / 1000;
    let fresh = |n: u32| set(&body, "jti", format!("f{n}"));
    for (n, (head, body)) in [
        (head.clone(), set(&fresh(0), "htm", "POST")),
        (head.clone(), set(&fresh(1), "htu", "https://ehr.example.org/fhir/Patient/p8")),
        (head.clone(), set(&fresh(2), "iat", now_s - age_s - 1)),
        (head.clone(), set(&fresh(3), "iat", now_s + age_s + 1)),
        (head.clone(), without(&fresh(4), "ath")),
        (head.clone(), set(&fresh(5), "ath", base64url(&Sha256::digest(b"another")))),
        (head.clone(), without(&fresh(6), "jti")),
        (head.clone(), without(&fresh(7), "iat")),
        (set(&head, "typ", "JWT"), fresh(8)),
        (set(&head, "alg", "none"), fresh(9)),
        (set(&head, "jwk", thief.jwk("k")), fresh(10)),
        (without(&head, "jwk"), fresh(11)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(admit(Scheme::DPoP, Some(&signer.sign(&head, &body))), Err(Kind::Proof), "{n}");
    }
    let (head, body) = proof(&kit, &thief, "t1", URL, Some(access));
    assert_eq!(admit(Scheme::DPoP, Some(&thief.sign(&head, &body))), Err(Kind::Proof), "a thief");
    // The refresh token is bound as well.
    let refresh = issued.refresh.expect("one");
    let try_with = |jkt| kit.auth.refresh(&kit.client, refresh.expose(), None, jkt, None);
    assert_eq!(kind(try_with(None)), Kind::Grant);
    assert_eq!(kind(try_with(Some("another"))), Kind::Grant);
    assert!(try_with(Some(&jkt)).is_ok());
    // A token that is bound to nothing is shown as a bearer token.
    let plain = kit.redeem(&kit.code()).expect("redeemed");
    let (head, body) = proof(&kit, &signer, "p1", URL, Some(plain.access.expose()));
    let shown = signer.sign(&head, &body);
    let found = kit.auth.admit(Scheme::DPoP, plain.access.expose(), Some(possession(&shown)));
    assert_eq!(kind(found), Kind::Proof);
}

#[test]
fn a_code_asked_for_with_a_key_needs_the_key() {
    let kit = kit();
    let jkt = base64url(&Sha256::digest(b"a key"));
    let pairs = with(&kit.question(), "dpop_jkt", &jkt);
    let code = param(&kit.agreed(&pairs), "code").expect("a code");
    assert_eq!(kind(kit.redeem(&code)), Kind::Grant);
    let redeem = auth::Redeem { jkt: Some(&jkt), ..shown(&code) };
    let issued = kit.auth.redeem(&kit.site, &kit.client, redeem).expect("redeemed");
    assert_eq!(issued.token.jkt, Some(jkt));
    assert_eq!(kit.unfit(&with(&kit.question(), "dpop_jkt", "short")), "invalid_request");
}

fn claims_of(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    Value::parse(decode(part)).expect("JSON")
}

fn decode(text: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<u8> =
        text.bytes().flat_map(|b| (0..6).rev().map(move |i| digit(b) >> i & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |n, bit| n << 1 | bit)).collect()
}

/// OpenID Connect: signed by a published key, for this app, with the nonce and `fhirUser`.
#[test]
fn who_signed_in_is_signed_and_keys_rotate() {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
    let kit = kit();
    kit.auth.set_practitioner("nora", "dr1").expect("linked");
    let id_token = || kit.redeem(&kit.code()).expect("redeemed").id_token.expect("one");
    let is_good = |token: &str| {
        let keys = kit.auth.public_keys().expect("keys");
        let header = Value::parse(decode(token.split('.').next().expect("a head"))).expect("JSON");
        assert_eq!(header.get("alg").and_then(Value::as_str), Some("RS256"));
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let keys = keys.get("keys").and_then(Value::as_array).expect("a list");
        let text = |key: &Value, name: &str| {
            key.get(name).and_then(Value::as_str).expect("there").to_owned()
        };
        assert!(keys.iter().all(|key| key.get("d").is_none() && text(key, "kty") == "RSA"));
        let kid = header.get("kid").and_then(Value::as_str).expect("a kid");
        let key = keys.iter().find(|key| text(key, "kid") == kid);
        key.is_some_and(|key| {
            let (n, e) = (decode(&text(key, "n")), decode(&text(key, "e")));
            let parts = RsaPublicKeyComponents { n, e };
            let signature = decode(signature);
            parts.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
        })
    };
    let first = id_token();
    assert!(is_good(&first));
    let claims = claims_of(&first);
    let text = |name| claims.get(name).and_then(Value::as_str);
    assert_eq!(text("iss"), Some("https://ehr.example.org"));
    assert_eq!(text("sub"), Some(kit.session.account_id.as_str()));
    assert_eq!(text("aud"), Some(kit.client.id.as_str()));
    assert_eq!(text("nonce"), Some("n-0S6_WzA2Mj"));
    assert_eq!(text("fhirUser"), Some("https://ehr.example.org/fhir/Practitioner/dr1"));
    let number = |name| match claims.get(name) {
        Some(Value::Number(text)) => text.parse::<i64>().expect("a number"),
        other => panic!("{other:?}"),
    };
    assert_eq!((number("exp") - number("iat")) * 1000, ID_TOKEN_LIFE_MS);
    // The old key is published until nothing that it signed is alive; another process agrees.
    kit.auth.rotate_key().expect("rotated");
    let second = id_token();
    assert!(is_good(&first) && is_good(&second));
    assert_eq!(kit.restarted().public_keys().expect("keys"), kit.auth.public_keys().expect("keys"));
    kit.clock.pass(KEY_KEPT_MS);
    kit.auth.sweep().expect("swept");
    assert!(!is_good(&first) && is_good(&second));
    kit.clock.pass(KEY_LIFE_MS);
    kit.auth.sweep().expect("swept");
    kit.clock.pass(KEY_KEPT_MS);
    kit.auth.sweep().expect("swept");
    assert!(!is_good(&second), "its time has come");
}

#[test]
fn two_processes_agree_on_the_first_key() {
    let kit = kit();
    let others: Vec<_> = (0..4).map(|_| kit.restarted()).collect();
    let sets: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            others.iter().map(|auth| scope.spawn(|| auth.public_keys().expect("keys"))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let last = kit.auth.public_keys().expect("keys");
    assert!(sets.iter().all(|set| *set == last));
}

#[test]
fn an_app_without_a_redirect_address_or_a_proof_is_not_registered() {
    let kit = kit();
    let add = |scope, proof| {
        kind(kit.auth.add_client(NewClient { name: "x", scope, proof, ..NewClient::default() }))
    };
    assert_eq!(add("system/*.rs", NewProof::Public), Kind::Invalid);
    assert_eq!(add("patient/*.rs", NewProof::Public), Kind::Invalid);
    assert_eq!(add("user/*.rs", NewProof::Secret), Kind::Invalid);
    assert_eq!(add("user/*.sr", NewProof::Secret), Kind::Scope);
}
