//! Programs that prove who they are by signing.
//!
//! Source: SMART App Launch 2.2 client-confidential-asymmetric.html; RFC 7523 §3.

use crate::client::{Client, Proof};
use crate::item::{Item, Making};
use crate::jose::{Alg, Jws, KeySet};
use crate::secret::digest;
use crate::throttle::Place;
use crate::vault::ItemWrite;
use crate::{Auth, Error, Site};

const ASSERTIONS: &str = "auth.assertion";
/// How far ahead an assertion may expire.
pub const ASSERTION_LIFE_MS_MAX: i64 = 300_000;
/// How far the clocks of others may be ahead.
pub const CLOCK_SKEW_MS: i64 = 30_000;
/// Characters of `jti`.
const JTI_CHARS_MAX: usize = 256;

/// Where the keys of programs are looked up that publish them.
pub trait KeySource: Send + Sync {
    /// The keys at `uri`. `again`: a key was not among those that were got before.
    ///
    /// Errors: in words for the log.
    fn keys(&self, uri: &str, again: bool) -> Result<KeySet, String>;
}

/// What a program shows of itself.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// Its id alone.
    Nothing,
    Secret(&'a str),
    /// A signed assertion.
    Assertion(&'a str),
}

impl Auth {
    /// The program that asks, when what it shows is what it registered.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike, [`Kind::Throttled`], [`Kind::Storage`].
    pub fn authenticate(
        &self,
        site: &Site,
        id: &str,
        shown: Shown<'_>,
        address: Option<&str>,
    ) -> Result<Client, Error> {
        match shown {
            Shown::Secret(secret) => self.check_client(id, secret, address),
            Shown::Assertion(text) => self.check_assertion(site, id, text, address),
            Shown::Nothing => {
                let name: String = id.chars().take(64).collect();
                self.check_throttle(&name, address)?;
                let client = self.client(&name)?;
                match client.filter(|c| c.is_live() && c.proof == Proof::Public) {
                    Some(client) => Ok(client),
                    None => Err(self.client_refused(&name, address)),
                }
            }
        }
    }

    fn check_assertion(
        &self,
        site: &Site,
        id: &str,
        text: &str,
        address: Option<&str>,
    ) -> Result<Client, Error> {
        let jws = Jws::parse(text);
        let claimed = jws.as_ref().and_then(|jws| jws.text("iss")).unwrap_or_default();
        let name: String = claimed.chars().take(64).collect();
        self.check_throttle(&name, address)?;
        let client = self.client(&name)?.filter(Client::is_live);
        let (Some(jws), Some(client)) = (jws, client) else {
            return Err(self.client_refused(&name, address));
        };
        let is_named = jws.text("sub") == Some(client.id.as_str())
            && jws.text("iss") == Some(client.id.as_str())
            && (id.is_empty() || id == client.id);
        // SMART names these two; the others are for proofs of possession.
        let is_taken = matches!(jws.alg, Alg::Rs384 | Alg::Es384)
            && jws.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        let now_ms = self.now_ms();
        let expires_ms = jws
            .time_ms("exp")
            .filter(|exp| *exp > now_ms && *exp <= now_ms + ASSERTION_LIFE_MS_MAX + CLOCK_SKEW_MS);
        let begun = |claim| jws.time_ms(claim).is_none_or(|ms| ms <= now_ms + CLOCK_SKEW_MS);
        let jti = jws.text("jti").filter(|jti| (1..=JTI_CHARS_MAX).contains(&jti.len()));
        let (true, true, Some(expires_ms), Some(jti)) = (
            is_named && jws.is_for(&site.endpoint("token")),
            is_taken && begun("nbf") && begun("iat"),
            expires_ms,
            jti,
        ) else {
            return Err(self.client_refused(&name, address));
        };
        if !self.is_signed_by(&jws, &client.proof)
            || !self.is_first_use(&client.id, jti, expires_ms)?
        {
            return Err(self.client_refused(&name, address));
        }
        self.throttle.succeeded(&name, &Place::of(address));
        Ok(client)
    }

    fn is_signed_by(&self, jws: &Jws<'_>, proof: &Proof) -> bool {
        let by = |keys: &KeySet| keys.find(jws.kid.as_deref()).map(|key| jws.is_signed_by(key));
        match proof {
            Proof::Keys(keys) => by(keys) == Some(true),
            Proof::KeysAt(uri) => {
                let Some(source) = self.key_source.get() else { return false };
                // A key that is not there may be new: look once more.
                let found = source.keys(uri, false).ok().and_then(|keys| by(&keys));
                let found = found.or_else(|| source.keys(uri, true).ok().and_then(|k| by(&k)));
                found == Some(true)
            }
            Proof::Public | Proof::Secret(_) => false,
        }
    }

    /// True when this id was not used before; kept until the assertion would be over.
    fn is_first_use(&self, client_id: &str, jti: &str, expires_ms: i64) -> Result<bool, Error> {
        let key = digest(&format!("{client_id}\0{jti}")).to_vec();
        let free = ItemWrite { collection: ASSERTIONS, key, value: None };
        let value = Some(Making::new().with("expires_ms", expires_ms).bytes());
        let kept = ItemWrite { value, ..free.clone() };
        self.vault.write_if(vec![free], vec![kept], self.event("assertion", true, client_id, None))
    }

    /// Ids of assertions that are over, as removals; some hours later, in case the clock is set
    /// back.
    pub(crate) fn assertions_over(&self, now_ms: i64) -> Result<Vec<ItemWrite>, Error> {
        const KEPT_MS: i64 = 3 * 3_600_000;
        let mut over = Vec::new();
        for (key, bytes) in self.vault.items(ASSERTIONS, b"")? {
            if Item::parse(&bytes)?.ms("expires_ms")? + KEPT_MS <= now_ms {
                over.push(ItemWrite { collection: ASSERTIONS, key, value: None });
            }
        }
        Ok(over)
    }

    /// Where keys are looked up that programs publish; without one, such programs are refused.
    pub fn set_key_source(&self, source: std::sync::Arc<dyn KeySource>) {
        // The first one stays.
        let _second = self.key_source.set(source);
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Shown::Nothing => "Nothing",
            Shown::Secret(_) => "Secret(…)",
            Shown::Assertion(_) => "Assertion(…)",
        })
    }
}
