//! A clock that goes on by a minute each time it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub const START_MS: i64 = 1_790_000_000_000;

pub fn clock() -> store::Clock {
    let now = AtomicI64::new(START_MS);
    Arc::new(move || now.fetch_add(60_000, Ordering::SeqCst))
}
