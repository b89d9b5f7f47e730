//! Slows down guessing without locking anybody out.
//!
//! Failures are counted per name and address, and per name over all addresses. From the fourth
//! failure on each one doubles the wait before the next attempt is looked at. The wait per name
//! alone is short, so that a stranger who guesses from elsewhere cannot keep a clinician out; the
//! wait per name and address is long. All failures together have a rate as well.
//! A name that nobody has counts the same. Kept in memory: a restart forgets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 3;
/// First wait, then doubled.
const FIRST_WAIT_MS: i64 = 1_000;
/// Longest wait for one name from one address.
pub const WAIT_MS_MAX: i64 = 60_000;
/// Longest wait for one name, whatever the address.
pub const WAIT_NAME_MS_MAX: i64 = 4_000;
/// A count is forgotten this long after its last failure.
const FORGET_MS: i64 = 15 * 60_000;
/// Failures of all names together within [`GLOBAL_WINDOW_MS`] before everyone who failed waits.
pub const GLOBAL_FAILURES_MAX: u32 = 100;
const GLOBAL_WINDOW_MS: i64 = 10_000;
/// Counters kept at most.
const COUNTERS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    failures: u32,
    last_ms: i64,
}

impl Counter {
    fn wait_ms(self, now_ms: i64, max_ms: i64) -> i64 {
        if self.failures <= FREE_FAILURES {
            return 0;
        }
        let doublings = (self.failures - FREE_FAILURES - 1).min(20);
        let wait_ms = (FIRST_WAIT_MS << doublings).min(max_ms);
        (self.last_ms + wait_ms - now_ms).max(0)
    }
}

#[derive(Debug, Default)]
struct Counters {
    by_key: HashMap<(String, Option<String>), Counter>,
    window_start_ms: i64,
    window_failures: u32,
}

/// Counts failed attempts.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Counters>);

impl Throttle {
    /// Milliseconds until an attempt for `name` from `address` is looked at; 0 is now.
    pub fn wait_ms(&self, name: &str, address: Option<&str>, now_ms: i64) -> i64 {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let get = |address: Option<&str>| {
            let key = (name.to_owned(), address.map(str::to_owned));
            counters.by_key.get(&key).copied().unwrap_or_default()
        };
        let any = get(None);
        let here = get(Some(address.unwrap_or_default()));
        let mut wait_ms =
            here.wait_ms(now_ms, WAIT_MS_MAX).max(any.wait_ms(now_ms, WAIT_NAME_MS_MAX));
        let storm = counters.window_failures >= GLOBAL_FAILURES_MAX
            && now_ms < counters.window_start_ms + GLOBAL_WINDOW_MS;
        if storm && here.failures > 0 {
            wait_ms = wait_ms.max(counters.window_start_ms + GLOBAL_WINDOW_MS - now_ms);
        }
        wait_ms
    }

    pub fn failed(&self, name: &str, address: Option<&str>, now_ms: i64) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms >= counters.window_start_ms + GLOBAL_WINDOW_MS {
            counters.window_start_ms = now_ms;
            counters.window_failures = 0;
        }
        counters.window_failures = counters.window_failures.saturating_add(1);
        if counters.by_key.len() >= COUNTERS_MAX {
            counters.by_key.retain(|_, c| now_ms < c.last_ms + FORGET_MS && c.failures > 1);
        }
        if counters.by_key.len() >= COUNTERS_MAX {
            counters.by_key.clear();
        }
        for address in [None, Some(address.unwrap_or_default().to_owned())] {
            let counter = counters.by_key.entry((name.to_owned(), address)).or_default();
            if now_ms >= counter.last_ms + FORGET_MS {
                counter.failures = 0;
            }
            counter.failures = counter.failures.saturating_add(1);
            counter.last_ms = now_ms;
        }
    }

    pub fn succeeded(&self, name: &str, address: Option<&str>) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.by_key.remove(&(name.to_owned(), None));
        counters.by_key.remove(&(name.to_owned(), Some(address.unwrap_or_default().to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let throttle = Throttle::default();
        let mut waits = Vec::new();
        for n in 0..12 {
            throttle.failed("nora", Some("10.0.0.1"), n);
            waits.push(throttle.wait_ms("nora", Some("10.0.0.1"), n));
        }
        assert_eq!(waits[..5], [0, 0, 0, 1_000, 2_000]);
        assert_eq!(waits[11], WAIT_MS_MAX);
        assert_eq!(throttle.wait_ms("nora", Some("10.0.0.1"), 12 + WAIT_MS_MAX), 0);
    }

    #[test]
    fn a_stranger_elsewhere_does_not_lock_out() {
        let throttle = Throttle::default();
        for _ in 0..50 {
            throttle.failed("nora", Some("203.0.113.9"), 0);
        }
        assert_eq!(throttle.wait_ms("nora", Some("10.0.0.1"), 0), WAIT_NAME_MS_MAX);
        assert_eq!(throttle.wait_ms("omar", Some("10.0.0.1"), 0), 0);
    }

    #[test]
    fn a_success_and_time_forgive() {
        let throttle = Throttle::default();
        for _ in 0..9 {
            throttle.failed("nora", None, 0);
        }
        throttle.succeeded("nora", None);
        assert_eq!(throttle.wait_ms("nora", None, 0), 0);
    }

    #[test]
    fn a_storm_slows_those_who_failed() {
        let throttle = Throttle::default();
        for n in 0..GLOBAL_FAILURES_MAX {
            throttle.failed(&format!("name{n}"), Some("203.0.113.9"), 0);
        }
        assert_eq!(throttle.wait_ms("name1", Some("203.0.113.9"), 1), GLOBAL_WINDOW_MS - 1);
        assert_eq!(throttle.wait_ms("nora", Some("10.0.0.1"), 1), 0);
    }
}
