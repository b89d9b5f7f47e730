//! Slows down guessing without locking anybody out.
//!
//! Failures are counted per name and address, per name over all addresses, and per address over
//! all names. From the fourth failure on each one doubles the wait before the next attempt is
//! looked at. The wait per name alone is short, so that a stranger who guesses from elsewhere
//! cannot keep a clinician out; the wait per name and address is long. All failures together have
//! a rate as well. Where the owner of an account signed in before, at the same browser or the same
//! address, only the failures of that place count: nobody who guesses elsewhere makes them wait.
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
/// Failures from one address, whatever the names, that cost nothing beyond what each name costs.
const FREE_ADDRESS_FAILURES: u32 = 50;
/// Longest wait for the next code of a second factor: a million codes are soon tried.
pub const WAIT_CODE_MS_MAX: i64 = 15 * 60_000;
/// A count of codes is forgotten this long after its last failure: longer than its longest wait.
const FORGET_CODES_MS: i64 = 24 * 3_600_000;
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
    fn wait_ms(self, now_ms: i64, free: u32, max_ms: i64) -> i64 {
        if self.failures <= free {
            return 0;
        }
        let doublings = (self.failures - free - 1).min(20);
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

/// Where an attempt comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A browser or address at which the owner of the account signed in before.
    Known(String),
    Anywhere(String),
}

impl Place {
    /// An address that nothing is known of.
    pub fn of(address: Option<&str>) -> Place {
        Place::Anywhere(address.unwrap_or_default().to_owned())
    }

    fn key(&self) -> String {
        match self {
            Place::Known(place) => format!("known {place}"),
            Place::Anywhere(address) => address.clone(),
        }
    }
}

/// Counts failed attempts.
#[derive(Debug)]
pub struct Throttle {
    counters: Mutex<Counters>,
    place_ms_max: i64,
    name_ms_max: i64,
    forget_ms: i64,
}

impl Throttle {
    /// For passwords and secrets.
    pub fn of_passwords() -> Throttle {
        let counters = Mutex::default();
        Throttle {
            counters,
            place_ms_max: WAIT_MS_MAX,
            name_ms_max: WAIT_NAME_MS_MAX,
            forget_ms: FORGET_MS,
        }
    }

    /// For codes of a second factor: asked only of those who know the password.
    pub fn of_codes() -> Throttle {
        let counters = Mutex::default();
        Throttle {
            counters,
            place_ms_max: WAIT_CODE_MS_MAX,
            name_ms_max: WAIT_CODE_MS_MAX,
            forget_ms: FORGET_CODES_MS,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds until an attempt for `name` from `place` is looked at; 0 is now.
    pub fn wait_ms(&self, name: &str, place: &Place, now_ms: i64) -> i64 {
        let counters = self.lock();
        let get = |name: &str, place: Option<String>| {
            counters.by_key.get(&(name.to_owned(), place)).copied().unwrap_or_default()
        };
        let here = get(name, Some(place.key()));
        let mut wait_ms = here.wait_ms(now_ms, FREE_FAILURES, self.place_ms_max);
        let Place::Anywhere(address) = place else { return wait_ms };
        let name_wide = get(name, None).wait_ms(now_ms, FREE_FAILURES, self.name_ms_max);
        let from_here = get("", Some(address.clone()));
        let address_wide = from_here.wait_ms(now_ms, FREE_ADDRESS_FAILURES, WAIT_NAME_MS_MAX);
        wait_ms = wait_ms.max(name_wide).max(address_wide);
        let storm = counters.window_failures >= GLOBAL_FAILURES_MAX
            && now_ms < counters.window_start_ms + GLOBAL_WINDOW_MS;
        if storm && here.failures > 0 {
            wait_ms = wait_ms.max(counters.window_start_ms + GLOBAL_WINDOW_MS - now_ms);
        }
        wait_ms
    }

    pub fn failed(&self, name: &str, place: &Place, now_ms: i64) {
        let mut counters = self.lock();
        if now_ms >= counters.window_start_ms + GLOBAL_WINDOW_MS {
            counters.window_start_ms = now_ms;
            counters.window_failures = 0;
        }
        counters.window_failures = counters.window_failures.saturating_add(1);
        if counters.by_key.len() >= COUNTERS_MAX {
            counters.by_key.retain(|_, c| now_ms < c.last_ms + self.forget_ms && c.failures > 1);
        }
        if counters.by_key.len() >= COUNTERS_MAX {
            counters.by_key.clear();
        }
        let mut keys = vec![(name.to_owned(), Some(place.key()))];
        if let Place::Anywhere(address) = place {
            keys.push((name.to_owned(), None));
            keys.push((String::new(), Some(address.clone())));
        }
        for key in keys {
            let counter = counters.by_key.entry(key).or_default();
            if now_ms >= counter.last_ms + self.forget_ms {
                counter.failures = 0;
            }
            counter.failures = counter.failures.saturating_add(1);
            counter.last_ms = now_ms;
        }
    }

    pub fn succeeded(&self, name: &str, place: &Place) {
        let mut counters = self.lock();
        counters.by_key.remove(&(name.to_owned(), None));
        counters.by_key.remove(&(name.to_owned(), Some(place.key())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(address: &str) -> Place {
        Place::of(Some(address))
    }

    #[test]
    fn waits_double_and_end() {
        let throttle = Throttle::of_passwords();
        let mut waits = Vec::new();
        for n in 0..12 {
            throttle.failed("nora", &here("10.0.0.1"), n);
            waits.push(throttle.wait_ms("nora", &here("10.0.0.1"), n));
        }
        assert_eq!(waits[..5], [0, 0, 0, 1_000, 2_000]);
        assert_eq!(waits[11], WAIT_MS_MAX);
        assert_eq!(throttle.wait_ms("nora", &here("10.0.0.1"), 12 + WAIT_MS_MAX), 0);
    }

    #[test]
    fn a_stranger_elsewhere_does_not_lock_out() {
        let throttle = Throttle::of_passwords();
        for _ in 0..50 {
            throttle.failed("nora", &here("203.0.113.9"), 0);
        }
        assert_eq!(throttle.wait_ms("nora", &here("10.0.0.1"), 0), WAIT_NAME_MS_MAX);
        assert_eq!(throttle.wait_ms("omar", &here("10.0.0.1"), 0), 0);
    }

    #[test]
    fn a_success_and_time_forgive() {
        let throttle = Throttle::of_passwords();
        for _ in 0..9 {
            throttle.failed("nora", &here(""), 0);
        }
        throttle.succeeded("nora", &here(""));
        assert_eq!(throttle.wait_ms("nora", &here(""), 0), 0);
    }

    #[test]
    fn a_storm_slows_those_who_failed() {
        let throttle = Throttle::of_passwords();
        for n in 0..GLOBAL_FAILURES_MAX {
            throttle.failed(&format!("name{n}"), &here("203.0.113.9"), 0);
        }
        assert_eq!(throttle.wait_ms("name1", &here("203.0.113.9"), 1), GLOBAL_WINDOW_MS - 1);
        assert_eq!(throttle.wait_ms("nora", &here("10.0.0.1"), 1), 0);
    }

    #[test]
    fn where_the_owner_was_before_only_that_place_counts() {
        let throttle = Throttle::of_passwords();
        let known = Place::Known("10.0.0.1".to_owned());
        for n in 0..10_000 {
            throttle.failed("nora", &here(&format!("203.0.113.{}", n % 256)), 0);
            throttle.failed("nora", &here("10.0.0.1"), 0);
        }
        assert_eq!(throttle.wait_ms("nora", &known, 0), 0);
        for _ in 0..=FREE_FAILURES {
            throttle.failed("nora", &known, 0);
        }
        assert_eq!(throttle.wait_ms("nora", &known, 0), FIRST_WAIT_MS);
        for _ in 0..20 {
            throttle.failed("nora", &known, 0);
        }
        assert_eq!(throttle.wait_ms("nora", &known, 0), WAIT_MS_MAX);
    }

    #[test]
    fn one_address_that_tries_many_names_is_slowed() {
        let throttle = Throttle::of_passwords();
        for n in 0..FREE_ADDRESS_FAILURES {
            throttle.failed(&format!("name{n}"), &here("203.0.113.9"), 0);
        }
        assert_eq!(throttle.wait_ms("nora", &here("203.0.113.9"), 0), 0);
        throttle.failed("name", &here("203.0.113.9"), 0);
        assert_eq!(throttle.wait_ms("nora", &here("203.0.113.9"), 0), FIRST_WAIT_MS);
        assert_eq!(throttle.wait_ms("nora", &here("10.0.0.1"), 0), 0);
    }
}
