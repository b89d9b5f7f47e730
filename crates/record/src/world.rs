//! Time and randomness, given at construction so that tests own them.
//!
//! Source: DESIGN "the house". The ids that Vitae assigns sort by time: 48 bits of milliseconds
//! and 32 bits that rise within a millisecond, in 16 characters of lower-case base 32
//! (Crockford's alphabet: no i, l, o, u).

use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// Where time and randomness come from.
pub trait World: Send + Sync {
    /// Now, UTC milliseconds.
    fn now_ms(&self) -> i64;
    /// Fills `bytes` with randomness fit for keys.
    fn random(&self, bytes: &mut [u8]);
    /// Microseconds from any start, for durations.
    fn now_us(&self) -> u64 {
        self.now_ms().unsigned_abs().saturating_mul(1_000)
    }
}

/// The machine's clock and random source.
#[derive(Debug, Default)]
pub struct SystemWorld;

impl World for SystemWorld {
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }

    fn now_us(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let since = START.get_or_init(Instant::now).elapsed();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// A world that stands still: one instant, and bytes that count up. For tests.
#[derive(Debug)]
pub struct FixedWorld {
    now_ms: i64,
    n: Mutex<u8>,
}

impl FixedWorld {
    pub fn new(now_ms: i64) -> FixedWorld {
        FixedWorld { now_ms, n: Mutex::new(0) }
    }
}

impl World for FixedWorld {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut n = self.n.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for byte in bytes {
            *byte = *n;
            *n = n.wrapping_add(1);
        }
    }
}

/// Makes the ids that this server assigns.
pub(crate) struct Ids {
    last: Mutex<(u64, u32)>,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Ids {
    pub fn new() -> Ids {
        Ids { last: Mutex::new((0, 0)) }
    }

    /// A new id: greater than every id that this source gave before.
    pub fn next(&self, world: &dyn World) -> String {
        let now = u64::try_from(world.now_ms()).unwrap_or(0) & ((1 << 48) - 1);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut ms, low) = *last;
        if now > ms || low == u32::MAX {
            let mut random = [0; 4];
            world.random(&mut random);
            ms = now.max(ms + 1);
            // The highest bit stays free, so that a burst within the millisecond has room.
            *last = (ms, u32::from_be_bytes(random) >> 1);
        } else {
            *last = (ms, low + 1);
        }
        encode(last.0, last.1)
    }
}

fn encode(ms: u64, low: u32) -> String {
    let bits = u128::from(ms) << 32 | u128::from(low);
    (0..16).rev().map(|i| char::from(ALPHABET[(bits >> (5 * i)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_are_fhir_ids() {
        let world = FixedWorld::new(1_766_000_000_000);
        let ids = Ids::new();
        let all: Vec<String> = (0..1000).map(|_| ids.next(&world)).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(all.iter().all(|id| id.len() == 16 && fhir::reference::is_id(id)));
    }

    #[test]
    fn an_id_sorts_by_time() {
        assert!(encode(1, u32::MAX) < encode(2, 0));
        assert_eq!(encode(0, 0), "0000000000000000");
        assert_eq!(encode((1 << 48) - 1, u32::MAX), "zzzzzzzzzzzzzzzz");
    }
}
