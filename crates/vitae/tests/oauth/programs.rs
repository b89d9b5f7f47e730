//! Programs by themselves, proofs of possession, tokens of the wrong kind, one patient and no
//! other, and two processes on one database.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair,
};
use sha2::{Digest, Sha256};

use crate::kit::{Place, base64url, form, place, place_of, text};
use crate::support::Practice;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

struct Signer {
    pair: EcdsaKeyPair,
    alg: &'static str,
    curve: &'static str,
}

impl Signer {
    fn new(
        algorithm: &'static EcdsaSigningAlgorithm,
        alg: &'static str,
        curve: &'static str,
    ) -> Signer {
        Signer { pair: EcdsaKeyPair::generate(algorithm).expect("a key"), alg, curve }
    }

    fn p384() -> Signer {
        Signer::new(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", "P-384")
    }

    fn p256() -> Signer {
        Signer::new(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256")
    }

    fn jwk(&self, more: &str) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let (x, y, curve) = (base64url(x), base64url(y), self.curve);
        format!(r#"{{"kty":"EC","crv":"{curve}","x":"{x}","y":"{y}"{more}}}"#)
    }

    fn jwks(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.jwk(r#","kid":"k1""#))
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signs");
        format!("{signed}.{}", base64url(signature.as_ref()))
    }

    /// An assertion of program `id` for this token endpoint.
    fn assertion(&self, id: &str, endpoint: &str, jti: &str) -> String {
        let header = format!(r#"{{"alg":"{}","kid":"k1","typ":"JWT"}}"#, self.alg);
        let exp = now_s() + 300;
        let claims = format!(
            r#"{{"iss":"{id}","sub":"{id}","aud":"{endpoint}","exp":{exp},"jti":"{jti}"}}"#
        );
        self.sign(&header, &claims)
    }

    /// A proof for one request.
    fn proof(&self, method: &str, url: &str, jti: &str, access: Option<&str>) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"dpop+jwt","jwk":{}}}"#, self.alg, self.jwk(""));
        let ath = access.map_or(String::new(), |access| {
            format!(r#","ath":"{}""#, base64url(&Sha256::digest(access.as_bytes())))
        });
        let iat = now_s();
        let claims =
            format!(r#"{{"htm":"{method}","htu":"{url}","jti":"{jti}","iat":{iat}{ath}}}"#);
        self.sign(&header, &claims)
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Registers a program by command; what it prints.
fn add(place: &Place, more: &[&str]) -> String {
    let data = place.practice.data();
    let mut args = vec!["client", "add", "--data", &data, "--name", "loader"];
    args.extend(more);
    let said = place.practice.run(&args);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

fn id_of(printed: &str) -> String {
    printed.split('"').nth(3).expect("an id").to_owned()
}

fn ask(place: &Place, assertion: &str) -> crate::support::Answer {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("scope", "system/Patient.rs"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    place.server.http().form("/oauth2/token", &form(&pairs))
}

/// Inferno `bulk_data_authorization` and SMART backend services: a JWKS file, no secret.
#[test]
fn a_backend_service_signs_and_reads() {
    let place = place();
    let signer = Signer::p384();
    let file = place.practice.text("keys.json");
    std::fs::write(&file, signer.jwks()).expect("writes");
    let printed = add(&place, &["--scope", "system/*.rs", "--jwks-file", &file]);
    assert!(!printed.contains("secret"), "{printed}");
    let id = id_of(&printed);
    let endpoint = format!("http://{}/oauth2/token", place.server.address);
    let assertion = signer.assertion(&id, &endpoint, "j1");
    let given = ask(&place, &assertion);
    assert_eq!(given.status, 200, "{}", given.text());
    assert_eq!(text(&given, "scope").as_deref(), Some("system/Patient.rs"));
    let access = text(&given, "access_token").expect("a token");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(place.fhir(&access, "Observation/o1").status, 403);
    let again = ask(&place, &assertion);
    assert_eq!((again.status, text(&again, "error").as_deref()), (401, Some("invalid_client")));
    let elsewhere = signer.assertion(&id, "https://evil.test/oauth2/token", "j2");
    assert_eq!(ask(&place, &elsewhere).status, 401);
    assert_eq!(ask(&place, &Signer::p384().assertion(&id, &endpoint, "j3")).status, 401);
    // A private key in the file is refused, by name.
    std::fs::write(&file, signer.jwks().replace("\"kid\"", "\"d\":\"AA\",\"kid\""))
        .expect("writes");
    let data = place.practice.data();
    let args = ["client", "add", "--data", &data, "--name", "x", "--scope", "system/*.rs"];
    let said = place.practice.run(&[&args[..], &["--jwks-file", &file]].concat());
    assert!(said.code == 1 && said.err.contains("private key"), "{}", said.err);
}

/// Keys by address: only over TLS from public addresses, but for the setting for trying out.
#[test]
fn published_keys_are_fetched_where_it_is_allowed() {
    let signer = Signer::p384();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let uri = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let keys = signer.jwks();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut question = [0; 1024];
            let _n = stream.read(&mut question);
            let _gone = write!(stream, "HTTP/1.1 200 OK\r\n\r\n{keys}");
        }
    });
    for allowed in [false, true] {
        let practice = Practice::new();
        let settings = practice.folder.path("data/vitae.toml");
        std::fs::write(settings, format!("loopback_keys = {allowed}\n")).expect("writes");
        let place = place_of(practice);
        let id = id_of(&add(&place, &["--scope", "system/*.rs", "--jwks-uri", &uri]));
        let endpoint = format!("http://{}/oauth2/token", place.server.address);
        let given = ask(&place, &signer.assertion(&id, &endpoint, "j1"));
        assert_eq!(given.status, if allowed { 200 } else { 401 }, "{}", given.text());
    }
}

/// RFC 9449: a stolen token without a proof is refused.
#[test]
fn a_bound_token_is_refused_without_its_key() {
    let place = place();
    let (signer, thief) = (Signer::p256(), Signer::p256());
    let (id, secret) = place.practice.client("system/Patient.rs");
    let endpoint = format!("http://{}/oauth2/token", place.server.address);
    let mut http = place.server.http();
    let fields = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
    ]);
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let proof = signer.proof("POST", &endpoint, "j1", None);
    let given = http.send("POST", "/oauth2/token", &[kind, ("DPoP", &proof)], fields.as_bytes());
    assert_eq!(text(&given, "token_type").as_deref(), Some("DPoP"), "{}", given.text());
    let again = http.send("POST", "/oauth2/token", &[kind, ("DPoP", &proof)], fields.as_bytes());
    assert_eq!(text(&again, "error").as_deref(), Some("invalid_dpop_proof"));
    let access = text(&given, "access_token").expect("a token");
    let url = format!("{}/Patient/p1", place.base());
    let mut read = |scheme: &str, proof: &str| {
        let shown = format!("{scheme} {access}");
        let headers = [("Authorization", shown.as_str()), ("DPoP", proof)];
        http.send("GET", "/fhir/Patient/p1", &headers, b"").status
    };
    assert_eq!(read("Bearer", ""), 401);
    assert_eq!(read("DPoP", ""), 401);
    let good = signer.proof("GET", &url, "j2", Some(&access));
    assert_eq!(read("DPoP", &good), 200);
    assert_eq!(read("DPoP", &good), 401, "replayed");
    assert_eq!(read("DPoP", &thief.proof("GET", &url, "j3", Some(&access))), 401);
    let other = format!("{}/Patient/p2", place.base());
    assert_eq!(read("DPoP", &signer.proof("GET", &other, "j4", Some(&access))), 401);
    assert_eq!(read("DPoP", &signer.proof("DELETE", &url, "j5", Some(&access))), 401);
}

const SCOPE: &str = "launch/patient openid offline_access patient/*.rs";

/// SECURITY §2.1: refresh as access, id_token as access, code as token, access as refresh.
#[test]
fn tokens_of_the_wrong_kind_are_refused() {
    let place = place();
    let (id, _) = place.app(SCOPE, &["--public"]);
    let mut browser = place.browser("pat");
    let question = place.question(&id, SCOPE, &[]);
    let (code, unused) = (browser.allow(&question), browser.allow(&question));
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    let one = |name| text(&given, name).expect("there");
    let (access, refresh, id_token) = (one("access_token"), one("refresh_token"), one("id_token"));
    let cookie = browser.cookie.split('=').nth(1).expect("a value").to_owned();
    for wrong in [&refresh, &id_token, &code, &unused, &cookie] {
        assert_eq!(place.fhir(wrong, "Patient/p1").status, 401, "{wrong}");
    }
    for wrong in [&access, &id_token, &unused, &cookie] {
        let answer = place.refresh(&[("client_id", &id), ("refresh_token", wrong)]);
        assert_eq!(text(&answer, "error").as_deref(), Some("invalid_grant"), "{wrong}");
    }
    for wrong in [&access, &refresh, &id_token, &cookie] {
        let answer = place.redeem(&[("client_id", &id), ("code", wrong)]);
        assert_eq!(text(&answer, "error").as_deref(), Some("invalid_grant"), "{wrong}");
    }
    for wrong in [&access, &refresh, &id_token, &unused] {
        let mut http = place.server.http();
        let cookie = format!("vitae={wrong}");
        assert_eq!(http.send("GET", "/apps", &[("Cookie", &cookie)], b"").status, 303, "{wrong}");
    }
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
}

/// A token of one patient opens nothing of another: by id, by search, by chain, by include.
#[test]
fn an_app_of_one_patient_sees_no_other() {
    let place = place();
    let mut http = place.server.http();
    let (id, secret) = place.practice.client("system/*.cruds");
    http.log_in(&id, &secret);
    let other = r#"{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"y"},
        "subject":{"reference":"Patient/p2"}}"#;
    assert_eq!(http.put("/fhir/Observation/o2", other).status, 201);
    for (user, chosen) in [("pat", ""), ("omar", "&vitae_patient=p1")] {
        let (id, _) = place.app(SCOPE, &["--public"]);
        let mut browser = place.browser(user);
        let code = browser.allow(&format!("{}{chosen}", place.question(&id, SCOPE, &[])));
        let given = place.redeem(&[("client_id", &id), ("code", &code)]);
        assert_eq!(text(&given, "patient").as_deref(), Some("p1"));
        let access = text(&given, "access_token").expect("a token");
        for path in ["Patient/p1", "Observation/o1"] {
            assert_eq!(place.fhir(&access, path).status, 200, "{user} {path}");
        }
        for path in ["Patient/p2", "Observation/o2", "Observation/o2/_history/1"] {
            let status = place.fhir(&access, path).status;
            assert!(matches!(status, 403 | 404), "{user} {path}: {status}");
        }
        for query in [
            "Observation",
            "Observation?subject=Patient/p2",
            "Observation?patient.family=marsh",
            "Observation?_include=Observation:subject",
            "Patient?_has:Observation:subject:code=y",
            "Patient?_revinclude=Observation:subject",
            "Patient?family=marsh",
            "Patient?_id=p2",
        ] {
            let answer = place.fhir(&access, query);
            let found = answer.text();
            assert!(!found.contains("o2") && !found.contains("Marsh"), "{user} {query}: {found}");
        }
        assert!(place.fhir(&access, "Observation").text().contains("\"o1\""), "{user}");
        let mut http = place.server.http();
        http.token = Some(access);
        assert_eq!(http.put("/fhir/Observation/o1", other).status, 403, "it may not write");
    }
}

/// Several processes on one database: a code is redeemed once, and what one ends is over.
#[test]
fn two_processes_redeem_a_code_once() {
    let Some(cluster) = case_kit::postgres::cluster("two_processes_redeem_a_code_once") else {
        return;
    };
    let place = place_of(Practice::in_database(&cluster.url()));
    let beside = place.practice.folder.path("beside");
    std::fs::create_dir_all(&beside).expect("a folder");
    let file = "practice.json";
    std::fs::copy(place.practice.folder.path("data").join(file), beside.join(file))
        .expect("copies");
    let second = place.practice.serve_in("beside", &["--database-url", &cluster.url()]);
    let (id, _) = place.app(SCOPE, &["--public"]);
    let mut browser = place.browser("pat");
    let question = place.question(&id, SCOPE, &[]);
    for _ in 0..3 {
        let code = browser.allow(&question);
        let fields = form(&[
            ("grant_type", "authorization_code"),
            ("client_id", &id),
            ("redirect_uri", crate::kit::REDIRECT),
            ("code_verifier", crate::kit::VERIFIER),
            ("code", &code),
        ]);
        let barrier = std::sync::Barrier::new(20);
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|n| {
                    let (barrier, fields) = (&barrier, &fields);
                    let mut http = if n % 2 == 0 { place.server.http() } else { second.http() };
                    scope.spawn(move || {
                        barrier.wait();
                        usize::from(http.form("/oauth2/token", fields).status == 200)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(won, 1);
    }
    let code = browser.allow(&question);
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    let access = text(&given, "access_token").expect("a token");
    let mut other = second.http();
    other.token = Some(access.clone());
    assert_eq!(other.get("/fhir/Patient/p1").status, 200);
    let fields = form(&[("client_id", &id), ("token", &access)]);
    assert_eq!(place.server.http().form("/oauth2/revoke", &fields).status, 200);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401);
    let start = std::time::Instant::now();
    while other.get("/fhir/Patient/p1").status != 401 {
        assert!(start.elapsed() < std::time::Duration::from_secs(8), "still good elsewhere");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
