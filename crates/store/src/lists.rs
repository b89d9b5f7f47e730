//! Long posting lists, decoded and kept: counts and intersections of frequent keys touch no disk.
//!
//! A kept list holds what is on disk for its key, and perhaps some of what is still in memory
//! ([`crate::memory`]); the caller adds the lists in memory as always. It stays true because lists
//! only grow, and they grow on disk only by a generation: when one is dropped, its versions are
//! added to every kept list in the same step.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roaring::RoaringBitmap;

use crate::memory::Generation;

/// Bytes of all lists that are kept.
const KEPT_MAX_BYTES: usize = 32 << 20;
/// Shorter lists are as quickly read again.
const KEEP_FROM: u64 = 1_024;

/// Before a prefix: the list of all keys that begin with it. No key begins with this byte.
const UNDER_PREFIX: u8 = u8::MAX;

/// Under which name the list of all keys with a prefix is kept.
pub fn under(prefix: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(prefix.len() + 1);
    name.push(UNDER_PREFIX);
    name.extend_from_slice(prefix);
    name
}

struct Kept {
    list: Arc<RoaringBitmap>,
    bytes: usize,
    /// When it was asked for last, in askings.
    asked: u64,
}

#[derive(Default)]
struct Inner {
    lists: HashMap<Box<[u8]>, Kept>,
    bytes: usize,
    askings: u64,
    epoch: u64,
}

/// The kept lists of a store.
#[derive(Default)]
pub struct Lists {
    inner: Mutex<Inner>,
}

fn bytes_of(key: &[u8], list: &RoaringBitmap) -> usize {
    list.serialized_size() + key.len() + 96
}

impl Lists {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever a generation was dropped. A list may be kept only if it was read from a
    /// state of the disk that is at least as new as the epoch that [`Lists::keep`] is given.
    pub fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// The kept list of a key.
    pub fn get(&self, key: &[u8]) -> Option<Arc<RoaringBitmap>> {
        let mut inner = self.lock();
        inner.askings += 1;
        let now = inner.askings;
        let kept = inner.lists.get_mut(key)?;
        kept.asked = now;
        Some(kept.list.clone())
    }

    /// Keeps the whole list of a key as read from disk, if it is long.
    pub fn keep(&self, key: &[u8], list: &RoaringBitmap, epoch: u64) {
        if list.len() < KEEP_FROM {
            return;
        }
        let bytes = bytes_of(key, list);
        let mut inner = self.lock();
        if inner.epoch != epoch || bytes > KEPT_MAX_BYTES / 4 {
            return;
        }
        let asked = inner.askings;
        let kept = Kept { list: Arc::new(list.clone()), bytes, asked };
        if let Some(before) = inner.lists.insert(key.into(), kept) {
            inner.bytes -= before.bytes;
        }
        inner.bytes += bytes;
        inner.forget_old();
    }

    /// A generation is on disk and goes: `drop` takes it out of the readers' sight.
    pub fn generation_is_on_disk(&self, generation: &Generation, drop: impl FnOnce()) {
        let mut inner = self.lock();
        inner.epoch += 1;
        let mut bytes = 0;
        for (key, kept) in &mut inner.lists {
            let list = Arc::make_mut(&mut kept.list);
            match key.split_first() {
                Some((&UNDER_PREFIX, prefix)) => {
                    let to = crate::key::after_prefix(prefix);
                    generation.range(prefix, to.as_deref(), |_, rids| *list |= rids);
                }
                _ => generation.get(key, list),
            }
            kept.bytes = bytes_of(key, &kept.list);
            bytes += kept.bytes;
        }
        inner.bytes = bytes;
        inner.forget_old();
        drop();
    }
}

impl Inner {
    /// Forgets the half of the lists that was not asked for longest, when there are too many.
    fn forget_old(&mut self) {
        if self.bytes <= KEPT_MAX_BYTES {
            return;
        }
        let mut asked: Vec<u64> = self.lists.values().map(|kept| kept.asked).collect();
        asked.sort_unstable();
        let limit = asked[asked.len() / 2];
        self.lists.retain(|_, kept| kept.asked > limit);
        self.bytes = self.lists.values().map(|kept| kept.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_generation_is_in_the_kept_lists() {
        let lists = Lists::default();
        let long: RoaringBitmap = (0..5_000).collect();
        let epoch = lists.epoch();
        lists.keep(b"k", &long, epoch);
        assert_eq!(lists.get(b"k").map(|l| l.len()), Some(5_000));
        let generation = Generation::new();
        generation.add(7_000, std::iter::once(&b"k"[..]));
        let mut gone = false;
        lists.generation_is_on_disk(&generation, || gone = true);
        assert!(gone && lists.get(b"k").is_some_and(|l| l.contains(7_000)));
        lists.keep(&under(b"ka"), &long, lists.epoch());
        let generation = Generation::new();
        for (rid, key) in [(7_001, &b"k"[..]), (7_002, b"ka"), (7_003, b"kaz"), (7_004, b"kb")] {
            generation.add(rid, std::iter::once(key));
        }
        lists.generation_is_on_disk(&generation, || {});
        let under = lists.get(&under(b"ka")).expect("kept");
        assert_eq!(under.iter().skip(5_000).collect::<Vec<_>>(), [7_002, 7_003]);
        lists.keep(b"late", &long, epoch);
        assert!(lists.get(b"late").is_none(), "read before the generation was on disk");
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let lists = Lists::default();
        let long: RoaringBitmap = (0..4_000_000).step_by(3).collect();
        let n = 3 * KEPT_MAX_BYTES / bytes_of(b"0000", &long);
        for i in 0..n {
            lists.keep(format!("{i:04}").as_bytes(), &long, 0);
            lists.get(b"0000");
        }
        assert!(lists.lock().bytes <= KEPT_MAX_BYTES);
        assert!(lists.get(b"0000").is_some());
        lists.keep(b"short", &(0..10).collect(), 0);
        assert!(lists.get(b"short").is_none());
    }
}
