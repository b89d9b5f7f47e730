//! Random secrets: made once, shown once, kept as their hash.

pub use stdx::base64::{decode_url as from_base64url, encode_url as to_base64url};
pub use stdx::hex::{decode as unhex, encode as hex};

use record::World;
use sha2::{Digest, Sha256};

/// Number of random bytes in a secret or id that must not be guessed.
pub const SECRET_BYTES: usize = 32;

/// A secret as its owner holds it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// `prefix` and 43 characters of base64url that hold 256 random bits.
    pub(crate) fn random(prefix: &str, world: &dyn World) -> Secret {
        let mut bytes = [0u8; SECRET_BYTES];
        world.random(&mut bytes);
        Secret(format!("{prefix}{}", to_base64url(&bytes)))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is stored in place of a secret.
pub type Digest256 = [u8; 32];

pub fn digest(secret: &str) -> Digest256 {
    Sha256::digest(secret.as_bytes()).into()
}

/// True when equal; takes the same time wherever they differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && std::hint::black_box(a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y))) == 0
}

/// A random id of 128 bits in hexadecimal; public.
pub fn random_id(world: &dyn World) -> String {
    let mut bytes = [0u8; 16];
    world.random(&mut bytes);
    hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_of_all_bytes() {
        assert!(equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd"));
        assert!(!equal(b"abc", b"ab"));
    }
}
