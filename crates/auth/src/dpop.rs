//! Proof that a program holds the key that its token is bound to (DPoP).
//!
//! Source: RFC 9449 §4.3. Proofs that were seen are remembered in this process until they are
//! too old to be taken anyway.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::jose::{Jwk, Jws};
use crate::secret::{Digest256, digest, to_base64url};
use crate::{Auth, Error, Kind};

/// How old a proof may be, and how far its clock may be ahead.
pub const PROOF_AGE_MS_MAX: i64 = 60_000;
/// Proofs that are remembered; beyond this none is taken until some are too old.
const SEEN_MAX: usize = 100_000;
/// Characters of a proof's `jti`.
const JTI_CHARS_MAX: usize = 256;

/// A proof and the request that it came with.
#[derive(Clone, Copy, Debug)]
pub struct Possession<'a> {
    /// The `DPoP` header.
    pub proof: &'a str,
    pub method: &'a str,
    /// The address without query.
    pub url: &'a str,
}

/// Proofs that were seen, with when they are too old.
#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<Digest256, i64>>);

impl Seen {
    /// True when it was not seen before; now it is.
    fn is_new(&self, key: Digest256, until_ms: i64, now_ms: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, until| *until > now_ms);
        }
        seen.len() < SEEN_MAX && seen.insert(key, until_ms).is_none()
    }
}

impl Auth {
    /// Checks a proof; the thumbprint of its key. `access` is the token that it is shown with.
    ///
    /// Errors: [`Kind::Proof`].
    pub fn check_possession(
        &self,
        shown: Possession<'_>,
        access: Option<&str>,
    ) -> Result<String, Error> {
        let wrong = |text: &str| Error::new(Kind::Proof, text);
        let proof = Jws::parse(shown.proof).ok_or_else(|| wrong("the DPoP proof is no JWT"))?;
        let key = proof.jwk.as_ref().and_then(Jwk::parse);
        let key = key.ok_or_else(|| wrong("the DPoP proof has no public key"))?;
        if proof.typ.as_deref() != Some("dpop+jwt") || !proof.is_signed_by(&key) {
            return Err(wrong("the DPoP proof is not signed, or of another type"));
        }
        if proof.text("htm") != Some(shown.method) || proof.text("htu") != Some(shown.url) {
            return Err(wrong("the DPoP proof is for another request"));
        }
        let now_ms = self.now_ms();
        let made_ms = proof.time_ms("iat").ok_or_else(|| wrong("the DPoP proof has no iat"))?;
        if (now_ms - made_ms).abs() > PROOF_AGE_MS_MAX {
            return Err(wrong("the DPoP proof is too old, or its clock is ahead"));
        }
        let hash = access.map(|access| to_base64url(&Sha256::digest(access.as_bytes())));
        if hash.as_deref() != proof.text("ath") {
            return Err(wrong("the DPoP proof is for another token"));
        }
        let thumbprint = key.thumbprint();
        let jti = proof.text("jti").filter(|jti| (1..=JTI_CHARS_MAX).contains(&jti.len()));
        let jti = jti.ok_or_else(|| wrong("the DPoP proof has no jti"))?;
        let seen = digest(&format!("{thumbprint}\0{jti}"));
        match self.proofs.is_new(seen, made_ms + PROOF_AGE_MS_MAX + 1, now_ms) {
            true => Ok(thumbprint),
            false => Err(wrong("the DPoP proof was used before")),
        }
    }
}
