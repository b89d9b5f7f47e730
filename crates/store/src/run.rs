//! Posting lists of one large set, made beside the writer.
//!
//! The writer is one thread, and putting every key of every version into a tree costs more than
//! all else that it does. So the keys of a large set are gathered where it is prepared: each key
//! once, in key order, with the places in the set of the versions that have it. The writer only
//! says from which version on the set was written.
//!
//! What it does *not* do: change. A run is made whole, and given up whole.

use std::cell::RefCell;

use roaring::RoaringBitmap;

use crate::Rid;
use crate::fold::hash;
use crate::key::Keys;

/// Puts from which on a set has a run of its own. Every look into memory asks all runs.
pub const RUN_MIN_PUTS: usize = 128;

/// Pairs of key and place for which a thread keeps the room.
const PAIRS_KEPT: usize = 1 << 18;
/// No key.
const EMPTY: u32 = u32::MAX;

/// Keys in their order, each with places in a set, ascending.
#[derive(Debug, Default)]
pub struct Run {
    /// The keys, one behind the other.
    bytes: Vec<u8>,
    /// By key: where it ends in `bytes`.
    ends: Vec<u32>,
    /// By key: where its places end.
    place_ends: Vec<u32>,
    places: Vec<u32>,
    /// Keys by their hash, open addressing; a power of two, at most half full.
    slots: Vec<u32>,
}

/// Gathers the keys of a set.
#[derive(Default)]
pub struct Builder {
    bytes: Vec<u8>,
    found: Vec<Found>,
    /// (index into `found`, place), in order of the places.
    pairs: Vec<(u32, u32)>,
    slots: Vec<u32>,
}

struct Found {
    start: u32,
    len: u8,
    hash: u64,
    /// The last place it was found at, and at how many.
    last: u32,
    n: u32,
}

impl Builder {
    /// Adds the keys of the put at `place`. Places come in ascending order.
    pub fn add<'k>(&mut self, place: u32, keys: impl Iterator<Item = &'k [u8]>) {
        for key in keys {
            if self.found.len() * 2 >= self.slots.len() {
                self.grow();
            }
            let idx = self.find(key);
            let found = &mut self.found[idx as usize];
            if found.n > 0 && found.last == place {
                continue;
            }
            found.last = place;
            found.n += 1;
            self.pairs.push((idx, place));
        }
    }

    fn key(&self, found: &Found) -> &[u8] {
        &self.bytes[found.start as usize..][..usize::from(found.len)]
    }

    fn find(&mut self, key: &[u8]) -> u32 {
        let (hash, mask) = (hash(key), self.slots.len() - 1);
        let mut at = hash as usize & mask;
        loop {
            let idx = self.slots[at];
            if idx == EMPTY {
                let idx = self.found.len() as u32;
                let (start, len) = (self.bytes.len() as u32, key.len() as u8);
                self.bytes.extend_from_slice(key);
                self.found.push(Found { start, len, hash, last: 0, n: 0 });
                self.slots[at] = idx;
                return idx;
            }
            let found = &self.found[idx as usize];
            if found.hash == hash && self.key(found) == key {
                return idx;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let n = (self.slots.len() * 2).max(1024);
        self.slots = slots(n, self.found.iter().map(|found| found.hash));
    }

    /// The run of all that was added; nothing is in here then.
    pub fn finish(&mut self) -> Run {
        let run = self.run();
        if self.pairs.capacity() > PAIRS_KEPT {
            *self = Builder::default();
        }
        self.bytes.clear();
        self.found.clear();
        self.pairs.clear();
        self.slots.fill(EMPTY);
        run
    }

    fn run(&self) -> Run {
        let mut order: Vec<(u128, u32)> =
            (0..).zip(&self.found).map(|(idx, found)| (head(self.key(found)), idx)).collect();
        order.sort_unstable_by(|a, b| {
            let key = |idx: u32| self.key(&self.found[idx as usize]);
            a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1)))
        });
        let n_keys = order.len();
        let mut run = Run {
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(n_keys),
            place_ends: Vec::with_capacity(n_keys),
            places: vec![0; self.pairs.len()],
            slots: Vec::new(),
        };
        // By index into `found`: where its next place goes.
        let mut next = vec![0u32; n_keys];
        let mut n_places = 0;
        for (_, idx) in &order {
            let found = &self.found[*idx as usize];
            run.bytes.extend_from_slice(self.key(found));
            run.ends.push(run.bytes.len() as u32);
            next[*idx as usize] = n_places;
            n_places += found.n;
            run.place_ends.push(n_places);
        }
        for (idx, place) in &self.pairs {
            let at = &mut next[*idx as usize];
            run.places[*at as usize] = *place;
            *at += 1;
        }
        let hashes = order.iter().map(|(_, idx)| self.found[*idx as usize].hash);
        run.slots = slots((n_keys * 2).next_power_of_two().max(2), hashes);
        run
    }
}

/// The first bytes of a key as a number that stands in the same order.
fn head(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let n = key.len().min(16);
    bytes[..n].copy_from_slice(&key[..n]);
    u128::from_be_bytes(bytes)
}

fn slots(n: usize, hashes: impl Iterator<Item = u64>) -> Vec<u32> {
    let mut slots = vec![EMPTY; n];
    for (idx, hash) in (0..).zip(hashes) {
        let mut at = hash as usize & (n - 1);
        while slots[at] != EMPTY {
            at = (at + 1) & (n - 1);
        }
        slots[at] = idx;
    }
    slots
}

impl Run {
    /// The run of the puts of a set, in their order.
    pub fn of<'k>(puts: impl Iterator<Item = &'k Keys>) -> Run {
        thread_local! {
            static BUILDER: RefCell<Builder> = RefCell::default();
        }
        BUILDER.with_borrow_mut(|builder| {
            for (place, keys) in (0..).zip(puts) {
                builder.add(place, keys.iter());
            }
            builder.finish()
        })
    }

    pub fn n_keys(&self) -> usize {
        self.ends.len()
    }

    /// The key of an index below [`Run::n_keys`].
    pub fn key(&self, idx: usize) -> &[u8] {
        let start = if idx == 0 { 0 } else { self.ends[idx - 1] };
        &self.bytes[start as usize..self.ends[idx] as usize]
    }

    /// Places in the set of the versions with the key of an index.
    pub fn places(&self, idx: usize) -> &[u32] {
        let start = if idx == 0 { 0 } else { self.place_ends[idx - 1] };
        &self.places[start as usize..self.place_ends[idx] as usize]
    }

    /// The index of a key.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(key) as usize & mask;
        loop {
            let idx = self.slots[at];
            if idx == EMPTY {
                return None;
            }
            if self.key(idx as usize) == key {
                return Some(idx as usize);
            }
            at = (at + 1) & mask;
        }
    }

    /// The index of the first key that is not below `key`.
    pub fn from(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.n_keys());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Adds the versions of the key of an index, when the set was written from version `base` on.
    pub fn add_to(&self, idx: usize, base: Rid, into: &mut RoaringBitmap) {
        for place in self.places(idx) {
            // Nearly always behind all others: no search for its place.
            let rid = base + place;
            if into.try_push(rid).is_err() {
                into.insert(rid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_run_is_what_a_tree_would_be() {
        // Keys of all lengths, many equal in their first bytes, some met twice by one put.
        let mut tree: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
        let mut builder = Builder::default();
        for place in 0..3_000u32 {
            let mut keys: Vec<Vec<u8>> = (0..12)
                .map(|i| {
                    let n = place.wrapping_mul(2_654_435_761).wrapping_add(i * 7_919) % 5_000;
                    format!("K-the-same-beginning-{n:0width$}", width = i as usize * 3).into_bytes()
                })
                .collect();
            keys.push(Vec::new());
            keys.push(keys[0].clone());
            builder.add(place, keys.iter().map(Vec::as_slice));
            for key in keys {
                let places = tree.entry(key).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        let run = builder.finish();
        assert_eq!(run.n_keys(), tree.len());
        for (idx, (key, places)) in tree.iter().enumerate() {
            assert_eq!((run.key(idx), run.places(idx)), (&key[..], &places[..]));
            assert_eq!((run.find(key), run.from(key)), (Some(idx), idx));
        }
        assert_eq!((run.find(b"K-"), run.from(b"K-")), (None, 1));
        assert_eq!(run.from(b"L"), run.n_keys());
        let mut found = RoaringBitmap::new();
        run.add_to(0, 70_000, &mut found);
        assert_eq!((found.len(), found.min()), (3_000, Some(70_000)), "the empty key");
    }

    #[test]
    fn an_empty_run_has_nothing() {
        for run in [Run::default(), Builder::default().finish()] {
            assert_eq!((run.n_keys(), run.find(b"x"), run.from(b"x")), (0, None, 0));
        }
    }
}
