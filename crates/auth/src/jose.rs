//! Signed tokens (JWS, compact form) and the public keys (JWK) that check them.
//!
//! The algorithm of a token must be one of [`Alg`] and fit the kind of the key: neither `none` nor
//! a key used as the secret of an HMAC can be expressed. Where a token says that its key is to be
//! found (`jku`, `x5u`, `x5c`) is never looked at.
//!
//! Source: RFC 7515, RFC 7517, RFC 7518 §3 and §6, RFC 7638, RFC 8725.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use fhir::json::Value;
use sha2::{Digest, Sha256};

use crate::secret::{from_base64url, to_base64url};

/// Bytes of a signed token.
pub const JWS_BYTES_MAX: usize = 16 * 1024;
/// Keys of one set.
pub const KEYS_MAX: usize = 16;
/// Bytes of a set of keys as JSON.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the modulus of an RSA key: 4096 bits.
const MODULUS_BYTES_MAX: usize = 512;
const MODULUS_BYTES_MIN: usize = 256;

/// Algorithms of signatures that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    Rs256,
    Rs384,
    Es256,
    Es384,
}

impl Alg {
    const ALL: [Alg; 4] = [Alg::Rs256, Alg::Rs384, Alg::Es256, Alg::Es384];

    /// The name in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Alg::Rs256 => "RS256",
            Alg::Rs384 => "RS384",
            Alg::Es256 => "ES256",
            Alg::Es384 => "ES384",
        }
    }

    fn parse(text: &str) -> Option<Alg> {
        Alg::ALL.into_iter().find(|alg| alg.as_str() == text)
    }
}

/// A signed token, taken apart and not yet believed.
pub struct Jws<'a> {
    pub alg: Alg,
    pub kid: Option<String>,
    pub typ: Option<String>,
    /// The public key that came along, for proofs of possession.
    pub jwk: Option<Value>,
    /// What it claims; to be believed after [`Jws::is_signed_by`].
    pub claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart. `None`: not a token, an algorithm that is not taken, or an extension
    /// that must be understood (`crit`).
    pub fn parse(text: &'a str) -> Option<Jws<'a>> {
        if text.len() > JWS_BYTES_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = Value::parse(from_base64url(header)?).ok()?;
        let claims = Value::parse(from_base64url(claims)?).ok()?;
        if header.get("crit").is_some() || !matches!(claims, Value::Object(_)) {
            return None;
        }
        let text = |name| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Jws {
            alg: Alg::parse(header.get("alg")?.as_str()?)?,
            kid: text("kid"),
            typ: text("typ"),
            jwk: header.get("jwk").cloned(),
            claims,
            signed,
            signature: from_base64url(signature)?,
        })
    }

    pub fn is_signed_by(&self, key: &Jwk) -> bool {
        if key.alg.is_some_and(|alg| alg != self.alg) {
            return false;
        }
        let (message, signature) = (self.signed.as_bytes(), &self.signature);
        let elliptic = |algorithm, point: &[u8]| {
            UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
        };
        let rsa = |parameters, n: &Vec<u8>, e: &Vec<u8>| {
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
        };
        match (self.alg, &key.key) {
            (Alg::Rs256, Key::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA256, n, e),
            (Alg::Rs384, Key::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA384, n, e),
            (Alg::Es256, Key::P256(point)) => elliptic(&ECDSA_P256_SHA256_FIXED, point),
            (Alg::Es384, Key::P384(point)) => elliptic(&ECDSA_P384_SHA384_FIXED, point),
            _ => false,
        }
    }

    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A claim that is a time: seconds since 1970, as milliseconds.
    pub fn time_ms(&self, name: &str) -> Option<i64> {
        match self.claims.get(name)? {
            Value::Number(text) => text.split('.').next()?.parse::<i64>().ok()?.checked_mul(1000),
            _ => None,
        }
    }

    /// `aud` is `place`, or a list in which it stands.
    pub fn is_for(&self, place: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(text)) => text == place,
            Some(Value::Array(list)) => list.iter().any(|one| one.as_str() == Some(place)),
            _ => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed points: 4, x, y.
    P256(Vec<u8>),
    P384(Vec<u8>),
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    pub kid: Option<String>,
    alg: Option<Alg>,
    key: Key,
}

impl Jwk {
    /// Reads a public key. `None`: a private or symmetric key, one for encryption, or one of a
    /// kind or size that is not taken.
    pub fn parse(value: &Value) -> Option<Jwk> {
        let text = |name| value.get(name).and_then(Value::as_str);
        let bytes = |name| from_base64url(text(name)?);
        if ["d", "p", "q", "k"].iter().any(|name| value.get(name).is_some())
            || text("use").is_some_and(|usage| usage != "sig")
        {
            return None;
        }
        let point = |n_bytes: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == n_bytes && y.len() == n_bytes).then(|| [&[4][..], &x, &y].concat())
        };
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                let fits = (MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX).contains(&n.len());
                (fits && n[0] != 0 && !e.is_empty() && e.len() <= 4 && e[0] != 0).then_some(())?;
                Key::Rsa { n, e }
            }
            ("EC", Some("P-256")) => Key::P256(point(32)?),
            ("EC", Some("P-384")) => Key::P384(point(48)?),
            _ => return None,
        };
        let alg = match text("alg") {
            // A key for an algorithm that is not taken is no use.
            Some(name) => Some(Alg::parse(name)?),
            None => None,
        };
        Some(Jwk { kid: text("kid").map(str::to_owned), alg, key })
    }

    /// The members that every writer of this key gives, in the order of RFC 7638.
    fn members(&self) -> Vec<(&'static str, Value)> {
        let text = |bytes: &[u8]| Value::from(to_base64url(bytes));
        let curve = |name: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            vec![
                ("crv", Value::from(name)),
                ("kty", Value::from("EC")),
                ("x", text(x)),
                ("y", text(y)),
            ]
        };
        match &self.key {
            Key::Rsa { n, e } => vec![("e", text(e)), ("kty", Value::from("RSA")), ("n", text(n))],
            Key::P256(point) => curve("P-256", point),
            Key::P384(point) => curve("P-384", point),
        }
    }

    /// As it is published and kept.
    pub fn to_value(&self) -> Value {
        let mut value = Value::object(self.members());
        value.set("use", Value::from("sig"));
        if let Some(kid) = &self.kid {
            value.set("kid", Value::from(kid.clone()));
        }
        if let Some(alg) = self.alg {
            value.set("alg", Value::from(alg.as_str()));
        }
        value
    }

    /// Names the key by what it is (RFC 7638).
    pub fn thumbprint(&self) -> String {
        to_base64url(&Sha256::digest(Value::object(self.members()).to_json().as_bytes()))
    }

    /// The RSA key of this modulus and exponent.
    pub fn rsa(kid: &str, n: Vec<u8>, e: Vec<u8>) -> Jwk {
        Jwk { kid: Some(kid.to_owned()), alg: Some(Alg::Rs256), key: Key::Rsa { n, e } }
    }
}

/// The public keys of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<Jwk>);

impl KeySet {
    /// Reads `{"keys": […]}`. Keys of other kinds or uses are passed over.
    ///
    /// Errors, in words: no set, a private key, no key that is any use, too many.
    pub fn parse(bytes: &[u8]) -> Result<KeySet, &'static str> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err("the JWKS is longer than 64 KiB");
        }
        let value = Value::parse(bytes).map_err(|_| "the JWKS is not JSON")?;
        KeySet::from_value(&value)
    }

    /// As [`KeySet::parse`].
    pub fn from_value(value: &Value) -> Result<KeySet, &'static str> {
        let list = value.get("keys").and_then(Value::as_array);
        let list = list.ok_or("a JWKS is an object with a list named keys")?;
        if list.len() > KEYS_MAX {
            return Err("the JWKS has more than 16 keys");
        }
        let private = |key: &Value| ["d", "k"].iter().any(|name| key.get(name).is_some());
        if list.iter().any(private) {
            return Err("the JWKS holds a private key; give the public ones, and make a new pair");
        }
        let keys: Vec<Jwk> = list.iter().filter_map(Jwk::parse).collect();
        match keys.is_empty() {
            true => Err("the JWKS has no key for RS384 or ES384 signatures"),
            false => Ok(KeySet(keys)),
        }
    }

    pub fn to_value(&self) -> Value {
        Value::object([("keys", Value::array(self.0.iter().map(Jwk::to_value)))])
    }

    /// The key of this id; the only one, when it has no id and the token names none.
    pub fn find(&self, kid: Option<&str>) -> Option<&Jwk> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }
}

#[cfg(test)]
mod tests;
