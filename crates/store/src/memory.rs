//! The part of the index that is not on disk yet.
//!
//! Every commit puts the packed index values of its versions on disk with the bodies; the posting
//! lists that follow from them are gathered here and written in key order later.
//! After a crash they are gathered again from the packed values (`flushed` tells from where).

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use roaring::RoaringBitmap;
use search::value::ParamId;

use crate::Rid;
use crate::column::Pair;
use crate::run::Run;

/// Versions of small sets in a generation before it is frozen and written. Bounds memory and the
/// start after a crash.
pub const GENERATION_MAX_VERSIONS: u32 = 24_576;
/// As [`GENERATION_MAX_VERSIONS`] for all versions: runs take less room, and every generation
/// writes most of the pages of posting rows again.
const GENERATION_MAX_ALL: u32 = 65_536;
/// Lists longer than this are bitmaps.
const FEW_MAX: usize = 48;

enum Rids {
    Few(Vec<Rid>),
    Many(RoaringBitmap),
}

impl Rids {
    fn push(&mut self, rid: Rid) {
        match self {
            Rids::Few(list) if list.last() == Some(&rid) => {}
            Rids::Few(list) if list.len() < FEW_MAX => list.push(rid),
            Rids::Few(list) => {
                let mut many: RoaringBitmap = list.iter().copied().collect();
                many.insert(rid);
                *self = Rids::Many(many);
            }
            Rids::Many(bitmap) => {
                // Nearly always behind all others: no search for its place.
                if bitmap.try_push(rid).is_err() {
                    bitmap.insert(rid);
                }
            }
        }
    }

    fn drop_from(&mut self, from: Rid) {
        match self {
            Rids::Few(list) => list.retain(|r| *r < from),
            Rids::Many(bitmap) => {
                bitmap.remove_range(from..);
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Rids::Few(list) => list.is_empty(),
            Rids::Many(bitmap) => bitmap.is_empty(),
        }
    }

    fn add_to(&self, into: &mut RoaringBitmap) {
        match self {
            Rids::Few(list) => into.extend(list),
            Rids::Many(bitmap) => *into |= bitmap,
        }
    }
}

/// Posting lists and columns of versions that follow each other.
pub struct Generation {
    /// Versions of small sets.
    n_small: AtomicU32,
    lists: RwLock<Lists>,
    columns: RwLock<BTreeMap<ParamId, Vec<Pair>>>,
}

/// A key may stand in the tree and in several runs; its versions are those of all of them.
#[derive(Default)]
struct Lists {
    /// Of the versions of small sets.
    tree: BTreeMap<Box<[u8]>, Rids>,
    /// Of large sets, by the first version of each.
    runs: Vec<(Rid, Arc<Run>)>,
}

/// The versions of a key.
struct Parts<'l> {
    small: Option<&'l Rids>,
    /// First version of a set, and places in it.
    large: &'l [(Rid, &'l [u32])],
}

impl Parts<'_> {
    fn to_bitmap(&self) -> RoaringBitmap {
        let mut bitmap = RoaringBitmap::new();
        if let Some(rids) = self.small {
            rids.add_to(&mut bitmap);
        }
        for (base, places) in self.large {
            bitmap.extend(places.iter().map(|place| base + place));
        }
        bitmap
    }

    /// In ascending order, each once.
    fn to_vec(&self) -> Vec<Rid> {
        let mut rids = match self.small {
            Some(Rids::Few(list)) => list.clone(),
            Some(Rids::Many(bitmap)) => bitmap.iter().collect(),
            None => Vec::new(),
        };
        rids.reserve_exact(self.large.iter().map(|(_, places)| places.len()).sum());
        for (base, places) in self.large {
            rids.extend(places.iter().map(|place| base + place));
        }
        if !rids.is_sorted_by(|a, b| a < b) {
            rids.sort_unstable();
            rids.dedup();
        }
        rids
    }
}

impl Lists {
    fn push(&mut self, key: &[u8], rid: Rid) {
        match self.tree.get_mut(key) {
            Some(rids) => rids.push(rid),
            None => {
                self.tree.insert(key.into(), Rids::Few(vec![rid]));
            }
        }
    }

    /// Calls `each` for the keys from `start` up to but not including `to`, in order, until it
    /// says false.
    fn each(
        &self,
        start: Bound<&[u8]>,
        to: Option<&[u8]>,
        mut each: impl FnMut(&[u8], Parts<'_>) -> bool,
    ) {
        let (Bound::Included(low) | Bound::Excluded(low)) = start else {
            return self.each(Bound::Included(&[]), to, each);
        };
        // An empty range is none: BTreeMap takes it for a mistake.
        if to.is_some_and(|to| to <= low) {
            return;
        }
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut tree = self.tree.range::<[u8], _>((start, end)).peekable();
        // Of each run, the next index and the one behind the last.
        let mut ahead: Vec<(usize, usize)> = Vec::with_capacity(self.runs.len());
        // The runs that are not at their end, those with the lowest keys on top.
        let mut heap = BinaryHeap::with_capacity(self.runs.len());
        for (nth, (_, run)) in self.runs.iter().enumerate() {
            let mut first = run.from(low);
            if start == Bound::Excluded(low) && first < run.n_keys() && run.key(first) == low {
                first += 1;
            }
            let last = to.map_or(run.n_keys(), |to| run.from(to));
            if first < last {
                heap.push(Reverse((run.key(first), nth)));
            }
            ahead.push((first, last));
        }
        let mut large = Vec::new();
        while let Some(key) = [tree.peek().map(|(key, _)| &***key), heap.peek().map(|top| top.0.0)]
            .into_iter()
            .flatten()
            .min()
        {
            let small = tree.next_if(|(own, _)| &***own == key).map(|(_, rids)| rids);
            large.clear();
            while let Some(mut top) = heap.peek_mut() {
                let Reverse((own, nth)) = *top;
                if own != key {
                    break;
                }
                let (base, run) = &self.runs[nth];
                let (next, last) = &mut ahead[nth];
                large.push((*base, run.places(*next)));
                *next += 1;
                if next < last {
                    *top = Reverse((run.key(*next), nth));
                } else {
                    PeekMut::pop(top);
                }
            }
            if !each(key, Parts { small, large: &large }) {
                return;
            }
        }
    }
}

impl Generation {
    pub fn new() -> Generation {
        Generation {
            n_small: AtomicU32::new(0),
            lists: RwLock::default(),
            columns: RwLock::default(),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Lists> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is to be written now that it has `n_versions`.
    pub fn is_full(&self, n_versions: u32) -> bool {
        n_versions >= GENERATION_MAX_ALL
            || self.n_small.load(Ordering::Relaxed) >= GENERATION_MAX_VERSIONS
    }

    /// Adds a version under its keys. Versions come in ascending order.
    pub fn add<'k>(&self, rid: Rid, keys: impl Iterator<Item = &'k [u8]>) {
        self.n_small.fetch_add(1, Ordering::Relaxed);
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        keys.for_each(|key| lists.push(key, rid));
    }

    /// Adds versions, ascending, under one key.
    pub fn add_all(&self, key: &[u8], rids: &[Rid]) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        rids.iter().for_each(|rid| lists.push(key, *rid));
    }

    /// Adds the versions of a set that was written from version `base` on.
    pub fn add_run(&self, base: Rid, run: Arc<Run>) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        lists.runs.push((base, run));
    }

    /// Takes versions from `from` on out again, after a commit that failed.
    pub fn drop_from(&self, from: Rid) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        lists.tree.retain(|_, rids| {
            rids.drop_from(from);
            !rids.is_empty()
        });
        // A commit that failed gives up whole sets.
        lists.runs.retain(|(base, _)| *base < from);
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        columns.values_mut().for_each(|pairs| pairs.retain(|(rid, _)| *rid < from));
    }

    /// Adds numbers beside a version. Versions come in ascending order.
    pub fn add_numbers(&self, rid: Rid, numbers: &[(ParamId, Rid)]) {
        if numbers.is_empty() {
            return;
        }
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        for (p, number) in numbers {
            let pairs = columns.entry(*p).or_default();
            if pairs.last() != Some(&(rid, *number)) {
                pairs.push((rid, *number));
            }
        }
    }

    /// Calls `each` for the pairs of a column within a closed range of versions.
    pub fn column(&self, p: ParamId, low: Rid, high: Rid, mut each: impl FnMut(Rid, Rid)) {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        let Some(pairs) = columns.get(&p) else { return };
        let from = pairs.partition_point(|(rid, _)| *rid < low);
        let within = pairs[from..].iter().take_while(|(rid, _)| *rid <= high);
        within.for_each(|(rid, number)| each(*rid, *number));
    }

    /// All columns, encoded. For writing to disk.
    pub fn columns(&self) -> Vec<(ParamId, Vec<crate::posting::Row>)> {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        columns.iter().map(|(p, pairs)| (*p, crate::column::encode(pairs))).collect()
    }

    /// As [`Generation::columns`] for the versions above `after`.
    pub fn columns_after(&self, after: Rid) -> Vec<(ParamId, Vec<crate::posting::Row>)> {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        let rows = columns.iter().map(|(p, pairs)| {
            let from = pairs.partition_point(|(rid, _)| *rid <= after);
            (*p, crate::column::encode(&pairs[from..]))
        });
        rows.filter(|(_, rows)| !rows.is_empty()).collect()
    }

    /// Versions under `key`.
    pub fn get(&self, key: &[u8], into: &mut RoaringBitmap) {
        let lists = self.read();
        if let Some(rids) = lists.tree.get(key) {
            rids.add_to(into);
        }
        for (base, run) in &lists.runs {
            if let Some(idx) = run.find(key) {
                run.add_to(idx, *base, into);
            }
        }
    }

    /// Calls `each` for the keys from `from` up to but not including `to`, in order.
    pub fn range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut each: impl FnMut(&[u8], RoaringBitmap),
    ) {
        self.read().each(Bound::Included(from), to, |key, parts| {
            each(key, parts.to_bitmap());
            true
        });
    }

    /// The first key from `from` up to but not including `to`.
    pub fn first_key(&self, from: &[u8], to: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut first = None;
        self.read().each(Bound::Included(from), to, |key, _| {
            first = Some(key.to_vec());
            false
        });
        first
    }

    /// The next keys behind `after` with their versions, at most `n`. For writing to disk.
    pub fn next(&self, after: Option<&[u8]>, n: usize) -> Vec<(Box<[u8]>, Vec<Rid>)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = Vec::with_capacity(n.min(self.n_keys()));
        if n == 0 {
            return found;
        }
        self.read().each(start, None, |key, parts| {
            found.push((key.into(), parts.to_vec()));
            found.len() < n
        });
        found
    }

    /// Number of keys; one that stands in several runs counts as often.
    pub fn n_keys(&self) -> usize {
        let lists = self.read();
        lists.tree.len() + lists.runs.iter().map(|(_, run)| run.n_keys()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Builder;

    #[test]
    fn lists_of_tree_and_runs_are_read_as_one() {
        let (mixed, plain) = (Generation::new(), Generation::new());
        let key = |n: u32| format!("k{:03}", n * 17 % 101).into_bytes();
        let mut rid = 1;
        for set in 0..9u32 {
            let mut builder = Builder::default();
            let base = rid;
            for place in 0..50 {
                let keys = [key(rid), key(rid + set), key(rid * rid % 300)];
                let keys = || keys.iter().map(Vec::as_slice);
                plain.add(rid, keys());
                match set % 3 {
                    0 => mixed.add(rid, keys()),
                    _ => builder.add(place, keys()),
                }
                rid += 1;
            }
            if set % 3 > 0 {
                mixed.add_run(base, Arc::new(builder.finish()));
            }
        }
        for dropped in [Rid::MAX, 351] {
            mixed.drop_from(dropped);
            plain.drop_from(dropped);
            check(&mixed, &plain);
        }
    }

    fn check(mixed: &Generation, plain: &Generation) {
        let all = |generation: &Generation, from: &[u8], to: Option<&[u8]>| {
            let mut all = Vec::new();
            generation.range(from, to, |key, rids| all.push((key.to_vec(), rids)));
            all
        };
        for (from, to) in
            [("", None), ("k020", Some("k060")), ("k0205", Some("k0605")), ("k5", Some("k4"))]
        {
            let (from, to) = (from.as_bytes(), to.map(str::as_bytes));
            let expected = all(plain, from, to);
            assert_eq!(all(mixed, from, to), expected);
            assert_eq!(mixed.first_key(from, to), expected.first().map(|(key, _)| key.clone()));
        }
        let (mut after, mut n_seen): (Option<Box<[u8]>>, _) = (None, 0);
        loop {
            let some = mixed.next(after.as_deref(), 7);
            assert_eq!(some, plain.next(after.as_deref(), 7));
            n_seen += some.len();
            let Some((last, _)) = some.into_iter().next_back() else { break };
            let (mut one, mut other) = (RoaringBitmap::new(), RoaringBitmap::new());
            mixed.get(&last, &mut one);
            plain.get(&last, &mut other);
            assert_eq!(one, other);
            after = Some(last);
        }
        assert_eq!(n_seen, 101);
        assert!(mixed.next(None, 0).is_empty());
    }
}
