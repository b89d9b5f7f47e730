//! Passwords as Argon2id.
//!
//! Source: RFC 9106; OWASP Password Storage Cheat Sheet (19 MiB, two passes, one lane).

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use fhir::json::Value;
use record::World;

use crate::secret::{equal, hex, unhex};
use crate::{Error, Kind};

/// Memory of one hash in KiB.
const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Hashes made at the same time; further ones wait. Bounds memory and processor.
pub const PARALLEL_MAX: usize = 2;

/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 256;

/// A salted hash with the parameters it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Hash {
    pub fn of(password: &str, world: &dyn World) -> Hash {
        let mut salt = vec![0; SALT_BYTES];
        world.random(&mut salt);
        let mut made = Hash {
            memory_kib: ARGON2_MEMORY_KIB,
            passes: ARGON2_PASSES,
            lanes: ARGON2_LANES,
            salt,
            hash: Vec::new(),
        };
        made.hash = made.compute(password).expect("the parameters above are valid");
        made
    }

    /// Does the full work in every case.
    pub fn verify(&self, password: &str) -> bool {
        self.compute(password).is_some_and(|hash| equal(&hash, &self.hash))
    }

    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_BYTES)).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut out = vec![0; HASH_BYTES];
        argon2.hash_password_into(password.as_bytes(), &self.salt, &mut out).ok()?;
        Some(out)
    }

    pub fn to_value(&self) -> Value {
        Value::object([
            ("kind", Value::from("argon2id")),
            ("memory_kib", Value::from(i64::from(self.memory_kib))),
            ("passes", Value::from(i64::from(self.passes))),
            ("lanes", Value::from(i64::from(self.lanes))),
            ("salt", Value::from(hex(&self.salt))),
            ("hash", Value::from(hex(&self.hash))),
        ])
    }

    pub fn from_value(value: &Value) -> Option<Hash> {
        let number = |name| value.get(name).and_then(number_u32);
        let bytes = |name| value.get(name).and_then(Value::as_str).and_then(unhex);
        Some(Hash {
            memory_kib: number("memory_kib")?,
            passes: number("passes")?,
            lanes: number("lanes")?,
            salt: bytes("salt")?,
            hash: bytes("hash")?,
        })
    }
}

fn number_u32(value: &Value) -> Option<u32> {
    match value {
        Value::Number(text) => text.parse().ok(),
        _ => None,
    }
}

/// Refuses a new password that is too short, too long, or the name itself.
pub fn check_new(password: &str, name: &str) -> Result<(), Error> {
    let n_chars = password.chars().count();
    let text = if n_chars < PASSWORD_CHARS_MIN {
        format!("a password has at least {PASSWORD_CHARS_MIN} characters; a sentence is good")
    } else if n_chars > PASSWORD_CHARS_MAX {
        format!("a password has at most {PASSWORD_CHARS_MAX} characters")
    } else if password.to_lowercase().contains(&name.to_lowercase())
        && n_chars < 2 * PASSWORD_CHARS_MIN
    {
        "a password does not contain the name of its account".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::WeakPassword, text))
}

/// Lets a few hashes run at a time.
pub struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    pub fn new(n: usize) -> Slots {
        Slots { free: Mutex::new(n), freed: Condvar::new() }
    }

    /// Runs `work` when there is room.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        drop(free);
        let out = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        out
    }
}

#[cfg(test)]
mod tests {
    use record::FixedWorld;

    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_survives_text() {
        let hash = Hash::of("correct horse battery", &FixedWorld::new(0));
        let read = Hash::from_value(&hash.to_value()).expect("reads back");
        assert_eq!(read, hash);
        assert!(read.verify("correct horse battery"));
        assert!(!read.verify("correct horse batterz"));
    }

    #[test]
    fn the_length_rule_counts_characters() {
        let check = |text: &str| check_new(text, "nora").is_ok();
        assert!(!check("elevenchars"));
        assert!(check("twelve chars"));
        assert!(check("zwölf Zeiche"));
        assert!(check(&"x".repeat(PASSWORD_CHARS_MAX)));
        assert!(!check(&"x".repeat(PASSWORD_CHARS_MAX + 1)));
        assert!(!check("nora12345678"));
    }
}
