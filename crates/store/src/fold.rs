//! A quick hash for tables in memory.
//!
//! It starts from a number that is other in every process, so that nobody can choose keys that
//! meet. What it is *not*: a hash to keep or to prove anything with.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| RandomState::new().hash_one(0u8) | 1)
}

fn fold(state: u64, word: u64, seed: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER ^ (seed << 1));
    (product as u64) ^ ((product >> 64) as u64)
}

fn fold_bytes(mut state: u64, bytes: &[u8], seed: u64) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        state = fold(state, u64::from_le_bytes(chunk.try_into().expect("eight bytes")), seed);
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(fold(state, u64::from_le_bytes(rest), seed), bytes.len() as u64, seed)
}

/// Hash of a text.
pub fn hash(bytes: &[u8]) -> u64 {
    let seed = seed();
    fold_bytes(seed, bytes, seed)
}

/// The hash for tables of the standard library.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fold;

/// State of [`Fold`].
pub struct State {
    seed: u64,
    state: u64,
}

impl BuildHasher for Fold {
    type Hasher = State;

    fn build_hasher(&self) -> State {
        let seed = seed();
        State { seed, state: seed }
    }
}

impl Hasher for State {
    fn write(&mut self, bytes: &[u8]) {
        self.state = fold_bytes(self.state, bytes, self.seed);
    }

    fn write_u8(&mut self, byte: u8) {
        self.state = fold(self.state, u64::from(byte), self.seed);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_that_differ_a_little_hash_apart() {
        let texts: Vec<String> =
            (0..20_000).map(|n| format!("{n:0width$}", width = n % 40)).collect();
        let distinct: HashSet<&String> = texts.iter().collect();
        let hashes: HashSet<u64> = distinct.iter().map(|text| hash(text.as_bytes())).collect();
        assert_eq!(hashes.len(), distinct.len());
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xFFFF).collect();
        assert!(low.len() > 10_000, "{} of {}", low.len(), hashes.len());
        let pairs: HashSet<u64> = (0..=u8::MAX)
            .flat_map(|rt| ["", "a", "b", "ab"].map(|id| Fold.hash_one((rt, id))))
            .collect();
        assert_eq!(pairs.len(), 1_024);
    }
}
