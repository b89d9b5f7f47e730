//! The key with which the practice signs who somebody is (`id_token`), and its public half.
//!
//! Made when it is first needed and kept with the accounts. A new one takes over after
//! [`KEY_LIFE_MS`] or when asked; the old one stays published until nothing that it signed can be
//! alive. RSA, because OpenID Connect asks every provider for RS256; the randomness of a new key
//! is that of AWS-LC.
//!
//! Source: OpenID Connect Core 1.0 §2; SMART App Launch 2.2 scopes-and-launch-context.html.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use fhir::json::Value;

use crate::grant::Code;
use crate::item::{Item, Making};
use crate::jose::Jwk;
use crate::secret::{from_base64url, random_id, to_base64url};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Site};

const KEYS: &str = "auth.key";
/// Key of the item that names the one that signs.
const CURRENT: &[u8] = b"current";
/// How long one key signs.
pub const KEY_LIFE_MS: i64 = 90 * 24 * 3_600_000;
/// How long a key is published after another has taken over.
pub const KEY_KEPT_MS: i64 = 24 * 3_600_000;
/// How long a process goes on with the key that it has read.
const KEY_READ_MS: i64 = 60_000;
/// How long an `id_token` is good: it is read once, when it arrives.
pub const ID_TOKEN_LIFE_MS: i64 = 10 * 60_000;

struct Signer {
    kid: String,
    pair: RsaKeyPair,
    made_ms: i64,
    read_ms: i64,
}

/// The signing key as this process knows it.
#[derive(Default)]
pub(crate) struct Signing(Mutex<Option<Arc<Signer>>>);

impl Auth {
    /// Who signed in, for the program that holds `code`.
    pub(crate) fn id_token(&self, site: &Site, code: &Code, now_ms: i64) -> Result<String, Error> {
        let mut claims = Value::object([
            ("iss", Value::from(site.issuer())),
            ("sub", Value::from(code.person.account_id.as_str())),
            ("aud", Value::from(code.client_id.as_str())),
            ("iat", Value::from(now_ms / 1000)),
            ("exp", Value::from((now_ms + ID_TOKEN_LIFE_MS) / 1000)),
            ("auth_time", Value::from(code.signed_in_ms / 1000)),
        ]);
        if let Some(nonce) = &code.nonce {
            claims.set("nonce", Value::from(nonce.as_str()));
        }
        for (extra, claim) in
            [(record::Extra::FhirUser, "fhirUser"), (record::Extra::Profile, "profile")]
        {
            if let Some(user) = code.person.fhir_user.as_ref().filter(|_| code.scopes.has(extra)) {
                claims.set(claim, Value::from(format!("{}/{user}", site.fhir())));
            }
        }
        let signer = self.signer(now_ms)?;
        let header = Value::object([
            ("alg", Value::from("RS256")),
            ("kid", Value::from(signer.kid.as_str())),
            ("typ", Value::from("JWT")),
        ]);
        let part = |value: &Value| to_base64url(value.to_json().as_bytes());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; signer.pair.public_modulus_len()];
        signer
            .pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Error::storage("the practice's key does not sign"))?;
        Ok(format!("{signed}.{}", to_base64url(&signature)))
    }

    /// The public keys with which programs check what the practice signed, as a JWKS.
    pub fn public_keys(&self) -> Result<Value, Error> {
        let now_ms = self.now_ms();
        self.signer(now_ms)?;
        let mut keys = Vec::new();
        for (key, bytes) in self.vault.items(KEYS, b"")? {
            let item = Item::parse(&bytes)?;
            let gone = item.ms("until_ms").is_ok_and(|until| until <= now_ms);
            if key != CURRENT && !gone {
                let signer = read(&key, &bytes, now_ms)?;
                keys.push(public(&signer)?.to_value());
            }
        }
        Ok(Value::object([("keys", Value::array(keys))]))
    }

    /// Makes a new key that signs from now on; what the old one signed can still be checked.
    pub fn rotate_key(&self) -> Result<(), Error> {
        let now_ms = self.now_ms();
        let old = self.signer(now_ms)?;
        self.replace_key(Some(&old), now_ms)?;
        Ok(())
    }

    /// Rotates the key when its time has come, and forgets keys that nobody needs any more.
    pub fn sweep_keys(&self) -> Result<(), Error> {
        let now_ms = self.now_ms();
        let Some(bytes) = self.vault.item(KEYS, CURRENT)? else { return Ok(()) };
        if Item::parse(&bytes)?.ms("made_ms")? + KEY_LIFE_MS <= now_ms {
            self.rotate_key()?;
        }
        let mut gone = Vec::new();
        for (key, bytes) in self.vault.items(KEYS, b"")? {
            if Item::parse(&bytes)?.ms("until_ms").is_ok_and(|until| until <= now_ms) {
                gone.push(ItemWrite { collection: KEYS, key, value: None });
            }
        }
        match gone.is_empty() {
            true => Ok(()),
            false => self.vault.write(gone, self.event("keys-expired", true, "", None)),
        }
    }

    fn signer(&self, now_ms: i64) -> Result<Arc<Signer>, Error> {
        let known = self.signing.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(signer) = known
            && (signer.read_ms..signer.read_ms + KEY_READ_MS).contains(&now_ms)
        {
            return Ok(signer);
        }
        let signer = match self.current_key(now_ms)? {
            Some(signer) => signer,
            None => self.replace_key(None, now_ms)?,
        };
        let signer = Arc::new(signer);
        let mut known = self.signing.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&signer));
        Ok(signer)
    }

    fn current_key(&self, now_ms: i64) -> Result<Option<Signer>, Error> {
        let Some(current) = self.vault.item(KEYS, CURRENT)? else { return Ok(None) };
        let kid = Item::parse(&current)?.text("kid")?.into_bytes();
        let Some(bytes) = self.vault.item(KEYS, &kid)? else { return Ok(None) };
        read(&kid, &bytes, now_ms).map(Some)
    }

    /// Writes a new key in the place of `old`. Where another process was first, its key.
    fn replace_key(&self, old: Option<&Signer>, now_ms: i64) -> Result<Signer, Error> {
        let failed = || Error::storage("a key cannot be made");
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
        let signer =
            Signer { kid: random_id(&*self.world), pair, made_ms: now_ms, read_ms: now_ms };
        let named = |signer: &Signer| ItemWrite {
            collection: KEYS,
            key: CURRENT.to_vec(),
            value: Some(
                Making::new()
                    .with("kid", signer.kid.as_str())
                    .with("made_ms", signer.made_ms)
                    .bytes(),
            ),
        };
        let kept = |kid: &str, making: Making| ItemWrite {
            collection: KEYS,
            key: kid.as_bytes().to_vec(),
            value: Some(making.bytes()),
        };
        let private =
            Making::new().with("pkcs8", to_base64url(der.as_ref())).with("made_ms", now_ms);
        let mut writes = vec![named(&signer), kept(&signer.kid, private)];
        let expected = match old {
            None => ItemWrite { collection: KEYS, key: CURRENT.to_vec(), value: None },
            Some(old) => {
                let der: Pkcs8V1Der<'_> = old.pair.as_der().map_err(|_| failed())?;
                let retired = Making::new()
                    .with("pkcs8", to_base64url(der.as_ref()))
                    .with("made_ms", old.made_ms)
                    .with("until_ms", now_ms + KEY_KEPT_MS);
                writes.push(kept(&old.kid, retired));
                named(old)
            }
        };
        let event = self.event("key-made", true, &signer.kid, None);
        let first = self.vault.write_if(vec![expected], writes, event)?;
        *self.signing.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        match first {
            true => Ok(signer),
            false => self.current_key(now_ms)?.ok_or_else(failed),
        }
    }
}

fn read(kid: &[u8], bytes: &[u8], read_ms: i64) -> Result<Signer, Error> {
    let damaged = || Error::storage("a key item cannot be read");
    let item = Item::parse(bytes)?;
    let der = from_base64url(&item.text("pkcs8")?).ok_or_else(damaged)?;
    Ok(Signer {
        kid: String::from_utf8_lossy(kid).into_owned(),
        pair: RsaKeyPair::from_pkcs8(&der).map_err(|_| damaged())?,
        made_ms: item.ms("made_ms")?,
        read_ms,
    })
}

fn public(signer: &Signer) -> Result<Jwk, Error> {
    let der = signer.pair.public_key().as_ref();
    let numbers = sequence_of_two(der);
    let (n, e) = numbers.ok_or_else(|| Error::storage("a public key cannot be read"))?;
    Ok(Jwk::rsa(&signer.kid, n, e))
}

/// The two numbers of an RSA public key in DER (RFC 8017 A.1.1), without leading zeros.
fn sequence_of_two(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (inside, _) = value_of(0x30, der)?;
    let (n, rest) = value_of(0x02, inside)?;
    let (e, _) = value_of(0x02, rest)?;
    let plain = |bytes: &[u8]| bytes[bytes.iter().take_while(|b| **b == 0).count()..].to_vec();
    Some((plain(n), plain(e)))
}

/// The content of a DER value with this tag, and what follows it.
fn value_of(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (n, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    (*found == tag).then_some(())?;
    rest.split_at_checked(n)
}
