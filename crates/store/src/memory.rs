//! The part of the index that is not on disk yet.
//!
//! Every commit puts the packed index values of its versions on disk with the bodies; the posting
//! lists that follow from them are gathered here and written in key order later.
//! After a crash they are gathered again from the packed values (`flushed` tells from where).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use roaring::RoaringBitmap;
use search::value::ParamId;

use crate::Rid;
use crate::column::Pair;

/// Versions of a generation before it is frozen and written. Bounds memory and the start after a
/// crash.
pub const GENERATION_MAX_VERSIONS: u32 = 24_576;
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

    fn add_to(&self, into: &mut RoaringBitmap) {
        match self {
            Rids::Few(list) => into.extend(list),
            Rids::Many(bitmap) => *into |= bitmap,
        }
    }
}

/// Posting lists and columns of a run of versions.
pub struct Generation {
    lists: RwLock<BTreeMap<Box<[u8]>, Rids>>,
    columns: RwLock<BTreeMap<ParamId, Vec<Pair>>>,
}

impl Generation {
    pub fn new() -> Generation {
        Generation { lists: RwLock::default(), columns: RwLock::default() }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Box<[u8]>, Rids>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a version under its keys. Versions come in ascending order.
    pub fn add<'k>(&self, rid: Rid, keys: impl Iterator<Item = &'k [u8]>) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            match lists.get_mut(key) {
                Some(rids) => rids.push(rid),
                None => {
                    lists.insert(key.into(), Rids::Few(vec![rid]));
                }
            }
        }
    }

    /// Takes versions from `from` on out again, after a commit that failed.
    pub fn drop_from(&self, from: Rid) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        lists.values_mut().for_each(|rids| rids.drop_from(from));
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
        if let Some(rids) = self.read().get(key) {
            rids.add_to(into);
        }
    }

    /// Calls `each` for the keys from `from` up to but not including `to`, in order.
    pub fn range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut each: impl FnMut(&[u8], RoaringBitmap),
    ) {
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        for (key, rids) in self.read().range::<[u8], _>((Bound::Included(from), end)) {
            let mut bitmap = RoaringBitmap::new();
            rids.add_to(&mut bitmap);
            each(key, bitmap);
        }
    }

    /// The first key from `from` up to but not including `to`.
    pub fn first_key(&self, from: &[u8], to: Option<&[u8]>) -> Option<Vec<u8>> {
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        // An empty range is none: BTreeMap takes it for a mistake.
        if to.is_some_and(|to| to <= from) {
            return None;
        }
        let lists = self.read();
        lists.range::<[u8], _>((Bound::Included(from), end)).next().map(|(key, _)| key.to_vec())
    }

    /// The next keys behind `after` with their versions, at most `n`. For writing to disk.
    pub fn next(&self, after: Option<&[u8]>, n: usize) -> Vec<(Box<[u8]>, Vec<Rid>)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.read()
            .range::<[u8], _>((start, Bound::Unbounded))
            .take(n)
            .map(|(key, rids)| {
                let list = match rids {
                    Rids::Few(list) => list.clone(),
                    Rids::Many(bitmap) => bitmap.iter().collect(),
                };
                (key.clone(), list)
            })
            .collect()
    }

    pub fn n_keys(&self) -> usize {
        self.read().len()
    }
}
