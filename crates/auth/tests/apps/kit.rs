//! A practice in memory with a person, an app, and a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use auth::{
    Auth, Client, Consent, Error, Issued, Kind, MemoryVault, NewAccount, NewClient, NewProof,
    Redeem, Secret, Session, Site, Unfit,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_SHA384, RsaKeyPair,
};
use fhir::json::Value;
use record::{Role, Scopes, World};
use sha2::{Digest, Sha256};

pub struct Clock {
    now_ms: AtomicI64,
    n: AtomicU64,
}

impl World for Clock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn random(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let n = self.n.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&n.to_le_bytes()[..chunk.len()]);
        }
    }
}

impl Clock {
    pub fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

pub const PASSWORD: &str = "a quiet morning in May";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const REDIRECT: &str = "https://app.example.com/back";
pub const SCOPE: &str =
    "openid fhirUser launch/patient offline_access patient/*.rs user/Observation.rs";

pub struct Kit {
    pub auth: Arc<Auth>,
    pub vault: Arc<MemoryVault>,
    pub clock: Arc<Clock>,
    pub site: Site,
    pub client: Client,
    /// Nora, a nurse.
    pub session: Arc<Session>,
    pub cookie: Secret,
}

pub fn kit() -> Kit {
    kit_with(SCOPE, NewProof::Public)
}

pub fn kit_with(scope: &str, proof: NewProof) -> Kit {
    let vault = Arc::new(MemoryVault::default());
    let clock = Arc::new(Clock { now_ms: AtomicI64::new(1_790_000_000_000), n: AtomicU64::new(1) });
    let auth = Arc::new(Auth::new(vault.clone(), clock.clone()));
    for (name, role, patient) in [("nora", Role::Nurse, None), ("pat", Role::Patient, Some("p1"))] {
        auth.add_account(NewAccount { name, role, patient, password: PASSWORD }).expect("made");
    }
    let (client, _) = auth
        .add_client(NewClient {
            name: "Growth",
            scope,
            proof,
            redirect_uris: vec![REDIRECT.to_owned()],
            launch_uri: Some("https://app.example.com/launch".to_owned()),
            pending: false,
        })
        .expect("registered");
    let (cookie, session) = auth.login("nora", PASSWORD, None).expect("signed in");
    let site = Site::new("https://ehr.example.org");
    Kit { auth, vault, clock, site, client, session, cookie }
}

pub fn challenge(verifier: &str) -> String {
    base64url(&Sha256::digest(verifier.as_bytes()))
}

pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(DIGITS[(n >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

pub type Pairs = Vec<(String, String)>;

/// `pairs` with a member set, or removed by an empty value.
pub fn with(pairs: &Pairs, name: &str, value: &str) -> Pairs {
    let mut out: Pairs = pairs.iter().filter(|(n, _)| n != name).cloned().collect();
    if !value.is_empty() {
        out.push((name.to_owned(), value.to_owned()));
    }
    out
}

/// A parameter of an address.
pub fn param(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    record::parse_query(query).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

pub fn kind<T>(result: Result<T, Error>) -> Kind {
    result.map(|_| ()).expect_err("a refusal").kind
}

impl Kit {
    /// The same vault in another process, or after a restart.
    pub fn restarted(&self) -> Arc<Auth> {
        Arc::new(Auth::new(self.vault.clone(), self.clock.clone()))
    }

    /// A good question.
    pub fn question(&self) -> Pairs {
        [
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", REDIRECT),
            ("scope", SCOPE),
            ("state", "4d2c9e5a-6f0b-4a1e-9a53-0b9c6f9f6f11"),
            ("aud", "https://ehr.example.org/fhir"),
            ("code_challenge", &challenge(VERIFIER)),
            ("code_challenge_method", "S256"),
            ("nonce", "n-0S6_WzA2Mj"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Asks and agrees to everything, about patient p7; the address with the code.
    pub fn agreed(&self, pairs: &Pairs) -> String {
        let request = self.auth.authorize_request(&self.site, pairs).expect("a good question");
        let all = Scopes::parse(SCOPE);
        let consent = Consent { kept: &all, patient: Some("p7") };
        self.auth.approve(&self.site, &self.session, &request, &consent).expect("agreed")
    }

    pub fn code(&self) -> String {
        param(&self.agreed(&self.question()), "code").expect("a code")
    }

    pub fn redeem(&self, code: &str) -> Result<Issued, Error> {
        self.redeem_at(&self.auth, code)
    }

    pub fn redeem_at(&self, auth: &Auth, code: &str) -> Result<Issued, Error> {
        auth.redeem(&self.site, &self.client, shown(code))
    }

    pub fn refresh(&self, secret: &Secret) -> Result<Issued, Error> {
        self.auth.refresh(&self.client, secret.expose(), None, None, None)
    }

    pub fn lives(&self, access: &Secret) -> bool {
        self.auth.token(access.expose()).expect("reads").is_some()
    }

    /// Why a question was not put: `here`, or the error that goes back.
    pub fn unfit(&self, pairs: &Pairs) -> String {
        match self.auth.authorize_request(&self.site, pairs) {
            Ok(_) => "put".to_owned(),
            Err(Unfit::Here(_)) => "here".to_owned(),
            Err(Unfit::Back(url)) => {
                assert!(url.starts_with(REDIRECT), "{url}");
                assert_eq!(param(&url, "iss").as_deref(), Some("https://ehr.example.org"));
                assert_eq!(param(&url, "code"), None);
                param(&url, "error").expect("an error")
            }
        }
    }
}

pub fn shown(code: &str) -> Redeem<'_> {
    Redeem { code, redirect_uri: REDIRECT, verifier: VERIFIER, jkt: None, address: None }
}

/// A private key with its JWK.
pub enum Signer {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    pub fn p256() -> Signer {
        Signer::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    pub fn p384() -> Signer {
        Signer::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"))
    }

    pub fn rsa() -> Signer {
        Signer::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")))
    }

    pub fn alg(&self) -> &'static str {
        match self {
            Signer::P256(_) => "ES256",
            Signer::P384(_) => "ES384",
            Signer::Rsa(_) => "RS384",
        }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| Value::from(base64url(bytes));
        let point = |name: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            vec![
                ("kty", Value::from("EC")),
                ("crv", Value::from(name)),
                ("x", text(x)),
                ("y", text(y)),
            ]
        };
        let mut members = match self {
            Signer::P256(pair) => point("P-256", pair.public_key().as_ref()),
            Signer::P384(pair) => point("P-384", pair.public_key().as_ref()),
            Signer::Rsa(pair) => {
                // SEQUENCE (4 bytes of head), INTEGER n (4 bytes of head, a zero), INTEGER e.
                let der = pair.public_key().as_ref();
                let n = &der[9..9 + 256];
                vec![("kty", Value::from("RSA")), ("n", text(n)), ("e", Value::from("AQAB"))]
            }
        };
        members.push(("kid", Value::from(kid)));
        Value::object(members)
    }

    pub fn jwks(&self, kid: &str) -> Value {
        Value::object([("keys", Value::array([self.jwk(kid)]))])
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url(value.to_json().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let (message, random) = (signed.as_bytes(), SystemRandom::new());
        let signature = match self {
            Signer::P256(pair) | Signer::P384(pair) => {
                pair.sign(&random, message).expect("signs").as_ref().to_vec()
            }
            Signer::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA384, &random, message, &mut out).expect("signs");
                out
            }
        };
        format!("{signed}.{}", base64url(&signature))
    }
}
