//! The key with which a practice signs heads of its audit log, and what checks them.
//!
//! Ed25519 (RFC 8032). The private half is a file of 64 hexadecimal digits beside the master key,
//! `{practice}.audit.key`, so that who has only the data, or the database, signs nothing.
//! Signatures stand in notes, and keys have names, as C2SP signed-note has them: any program that
//! knows that form checks a head.
//! Source: C2SP signed-note.md (key ids, verifier keys, signature lines), tlog-cosignature.md.

use std::io::Write;
use std::path::Path;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use stdx::{base64, hex};

use crate::error::{Error, Kind, Result};

/// What a key signs. Source: signed-note.md, tlog-cosignature.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Signs {
    Notes = 1,
    /// What others signed, with the time.
    Cosignatures = 4,
}

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const ID_BYTES: usize = 4;

/// The private key of a practice's audit log.
pub struct AuditKey {
    name: String,
    pair: Ed25519KeyPair,
}

/// A public key and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerifier {
    pub name: String,
    signs: Signs,
    public: [u8; KEY_BYTES],
}

fn id_of(name: &str, signs: Signs, public: &[u8]) -> [u8; ID_BYTES] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update(b"\n")
        .chain_update([signs as u8])
        .chain_update(public)
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

impl AuditKey {
    /// The key of a practice in the folder of its master key; made when it is not there.
    ///
    /// Errors: `WrongKey` for a file that holds no key; `Place` where none can be made.
    pub fn open(folder: &Path, practice: &str) -> Result<AuditKey> {
        let path = folder.join(format!("{practice}.audit.key"));
        if !path.exists() {
            let mut seed = [0; KEY_BYTES];
            rand::fill(&mut seed)
                .map_err(|_| Error::new(Kind::Broken, "the system gives no random bytes"))?;
            let mut options = std::fs::OpenOptions::new();
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(hex::encode(&seed).as_bytes())?;
                    file.sync_all()?;
                    std::fs::File::open(folder)?.sync_all()?;
                }
                // Another process was faster.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    let text = format!("no key file could be made at {}", path.display());
                    return Err(Error::with(Kind::Place, text, e));
                }
            }
        }
        let wrong = || {
            let text = format!("{} does not hold 64 hexadecimal digits", path.display());
            Error::new(Kind::WrongKey, text)
        };
        let text = std::fs::read_to_string(&path)?;
        let seed = hex::decode(text.trim()).ok_or_else(wrong)?;
        AuditKey::of_seed(&format!("vitae/{practice}"), &seed).ok_or_else(wrong)
    }

    fn of_seed(name: &str, seed: &[u8]) -> Option<AuditKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(AuditKey { name: name.to_owned(), pair })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    pub fn verifier(&self, signs: Signs) -> AuditVerifier {
        let mut public = [0; KEY_BYTES];
        public.copy_from_slice(self.pair.public_key().as_ref());
        AuditVerifier { name: self.name.clone(), signs, public }
    }

    fn line(&self, signs: Signs, rest: &[u8]) -> String {
        let id = id_of(&self.name, signs, self.pair.public_key().as_ref());
        let bytes = [&id[..], rest].concat();
        format!("\u{2014} {} {}\n", self.name, base64::encode(&bytes))
    }

    /// The signature line of a note's text, which ends with a newline.
    pub fn sign(&self, text: &str) -> String {
        self.line(Signs::Notes, self.pair.sign(text.as_bytes()).as_ref())
    }

    /// The line that says that this key saw the text at a time, seconds since 1970.
    pub fn cosign(&self, text: &str, at_s: u64) -> String {
        let signature = self.pair.sign(cosigned(text, at_s).as_bytes());
        let rest = [&at_s.to_be_bytes()[..], signature.as_ref()].concat();
        self.line(Signs::Cosignatures, &rest)
    }
}

fn cosigned(text: &str, at_s: u64) -> String {
    format!("cosignature/v1\ntime {at_s}\n{text}")
}

impl AuditVerifier {
    /// Reads what [`AuditVerifier`] prints.
    pub fn parse(text: &str) -> Option<AuditVerifier> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key = base64::decode(key)?;
        let (signs, public) = key.split_first()?;
        let signs = match signs {
            1 => Signs::Notes,
            4 => Signs::Cosignatures,
            _ => return None,
        };
        let public: [u8; KEY_BYTES] = public.try_into().ok()?;
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
        (is_name && hex::decode(id)? == id_of(name, signs, &public)).then(|| AuditVerifier {
            name: name.to_owned(),
            signs,
            public,
        })
    }

    /// Whether one of the signature lines is of this key over the text. The time that it tells,
    /// seconds since 1970, for a cosignature; 0 for a note.
    pub fn verify(&self, text: &str, lines: &str) -> Option<u64> {
        let id = id_of(&self.name, self.signs, &self.public);
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        lines.lines().find_map(|line| {
            let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let bytes = base64::decode(bytes)?;
            let rest = bytes.strip_prefix(&id).filter(|_| name == self.name)?;
            let (at_s, signature) = match self.signs {
                Signs::Notes => (0, rest),
                Signs::Cosignatures => {
                    let (at, signature) = rest.split_first_chunk::<8>()?;
                    (u64::from_be_bytes(*at), signature)
                }
            };
            let signed = match self.signs {
                Signs::Notes => text.to_owned(),
                Signs::Cosignatures => cosigned(text, at_s),
            };
            let is_whole = signature.len() == SIGNATURE_BYTES;
            (is_whole && key.verify(signed.as_bytes(), signature).is_ok()).then_some(at_s)
        })
    }
}

impl std::fmt::Display for AuditVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = hex::encode(&id_of(&self.name, self.signs, &self.public));
        let key = [&[self.signs as u8][..], &self.public].concat();
        write!(f, "{}+{id}+{}", self.name, base64::encode(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_known_again_and_nothing_else() {
        let key = AuditKey::of_seed("vitae/a", &[7; 32]).expect("a key");
        let other = AuditKey::of_seed("vitae/a", &[8; 32]).expect("a key");
        let text = "vitae/a\n7\nAAAA\n";
        for signs in [Signs::Notes, Signs::Cosignatures] {
            let line = |key: &AuditKey| match signs {
                Signs::Notes => key.sign(text),
                Signs::Cosignatures => key.cosign(text, 1_800_000_000),
            };
            let verifier = key.verifier(signs);
            assert_eq!(AuditVerifier::parse(&verifier.to_string()).as_ref(), Some(&verifier));
            let lines = line(&other) + &line(&key);
            let at = if signs == Signs::Notes { 0 } else { 1_800_000_000 };
            assert_eq!(verifier.verify(text, &lines), Some(at));
            assert_eq!(verifier.verify("vitae/a\n8\nAAAA\n", &lines), None);
            assert_eq!(verifier.verify(text, &line(&other)), None);
            assert_eq!(verifier.verify(text, ""), None);
        }
        // A note's signature is no cosignature.
        assert_eq!(key.verifier(Signs::Cosignatures).verify(text, &key.sign(text)), None);
        for text in ["", "a+b", "a+00000000+AQ==", "vitae/a+zz+AQ=="] {
            assert_eq!(AuditVerifier::parse(text), None, "{text}");
        }
    }

    /// The example of the specification: a verifier key that others made is read.
    #[test]
    fn keys_of_other_programs_are_read() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let verifier = AuditVerifier::parse(text).expect("a key");
        assert_eq!(verifier.to_string(), text);
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert_eq!(verifier.verify(note, line), Some(0));
    }

    #[test]
    fn a_key_is_made_once() {
        let folder = std::env::temp_dir().join(format!("vitae-audit-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let first = AuditKey::open(&folder, "p").expect("a key").verifier(Signs::Notes);
        let again = AuditKey::open(&folder, "p").expect("a key").verifier(Signs::Notes);
        assert_eq!(first, again);
        std::fs::write(folder.join("p.audit.key"), "x").expect("written");
        assert_eq!(AuditKey::open(&folder, "p").err().map(|e| e.kind), Some(Kind::WrongKey));
        std::fs::remove_dir_all(&folder).expect("own folder");
    }
}
