//! One consistent look at the record: a database transaction, the lists in memory, and what is
//! current at a version number.

use std::cell::Cell;
use std::sync::Arc;

use fhir_tables::ResourceType;
use roaring::{MultiOps, RoaringBitmap};
use search::Sees;
use search::custom::{Registry, is_custom};
use search::value::{IndexValue, Indexed, ParamId};

use crate::body;
use crate::column;
use crate::disk::{Connection, Order};
use crate::error::{Error, Result};
use crate::key;
use crate::lists;
use crate::memory::Generation;
use crate::posting::{self, Gather};
use crate::store::Shared;
use crate::types::{ChangeKind, Head, Rid, Version};

pub use crate::disk::Ident;

/// Everything that reading needs. Made for a snapshot, and by the writer inside its commit.
pub struct View<'a> {
    pub shared: &'a Shared,
    pub connection: &'a Connection,
    /// Lists that may not be on disk yet. Taken before the transaction began.
    pub generations: &'a [Arc<Generation>],
    /// Versions above do not exist for this view.
    pub at: Rid,
    /// Versions that died in the commit that is being made.
    pub pending_deaths: &'a [Rid],
    /// Only versions in this closed range are wanted: lists are read in part.
    pub bounds: Cell<(Rid, Rid)>,
    /// What may be seen.
    pub sees: &'a Sees,
    /// [`crate::lists::Lists::epoch`], taken before `generations`; `None`: whole lists that are
    /// read are not kept.
    pub epoch: Option<u64>,
}

/// No bounds.
pub const EVERYTHING: (Rid, Rid) = (0, Rid::MAX);

/// Versions of a column this far apart are looked up, those between are not read.
const COLUMN_GAP_MAX: u32 = 2_000;

/// A set that is asked for nearly every number of a range: bits where they are dense enough.
enum Members<'a> {
    All(Rid, Rid),
    Bits { low: Rid, words: Vec<u64> },
    Set(&'a RoaringBitmap),
}

/// Numbers of the range for each member, at most, for which bits are made.
const MEMBER_BITS_MAX: u64 = 1_024;
/// Members for which bits are made: it takes as long as asking for some.
const MEMBERS_MAX: u64 = 100_000;

impl Members<'_> {
    /// `low` and `high` are the least and the greatest of `set`.
    fn of(set: &RoaringBitmap, low: Rid, high: Rid) -> Members<'_> {
        let span = (high - low) as usize + 1;
        let n = set.len();
        if n == span as u64 {
            return Members::All(low, high);
        }
        if span as u64 > n * MEMBER_BITS_MAX || n > MEMBERS_MAX {
            return Members::Set(set);
        }
        let mut words = vec![0u64; span.div_ceil(64)];
        for rid in set {
            let at = (rid - low) as usize;
            words[at / 64] |= 1 << (at % 64);
        }
        Members::Bits { low, words }
    }

    fn contains(&self, rid: Rid) -> bool {
        match self {
            Members::All(low, high) => (*low..=*high).contains(&rid),
            Members::Set(set) => set.contains(rid),
            Members::Bits { low, words } => {
                let Some(at) = rid.checked_sub(*low) else { return false };
                words.get(at as usize / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
            }
        }
    }

    /// The least member above a number.
    fn after(&self, rid: Rid) -> Option<Rid> {
        match self {
            Members::All(low, high) => {
                rid.checked_add(1).filter(|next| next <= high).map(|next| next.max(*low))
            }
            Members::Set(set) => {
                let mut ahead = set.iter();
                ahead.advance_to(rid.checked_add(1)?);
                ahead.next()
            }
            Members::Bits { low, words } => {
                let from = rid.checked_add(1)?.saturating_sub(*low);
                let mut at = from as usize / 64;
                let mut word = words.get(at)? & (u64::MAX << (from % 64));
                while word == 0 {
                    at += 1;
                    word = *words.get(at)?;
                }
                Some(low + at as Rid * 64 + word.trailing_zeros())
            }
        }
    }
}

impl View<'_> {
    /// Versions under one key, current or not. Those out of bounds may be left out.
    pub fn fetch(&self, key: &[u8]) -> Result<RoaringBitmap> {
        let mut bitmap = match self.shared.lists.get(key) {
            Some(kept) => self.within_bounds(&kept),
            None => self.read_list(key)?,
        };
        for generation in self.generations {
            generation.get(key, &mut bitmap);
        }
        Ok(bitmap)
    }

    /// As [`View::fetch`] without copying a kept list; what is only in memory may be missing.
    pub fn kept_or_read(&self, key: &[u8]) -> Result<Arc<RoaringBitmap>> {
        match self.shared.lists.get(key) {
            Some(kept) => Ok(kept),
            None => self.fetch(key).map(Arc::new),
        }
    }

    /// Versions under any of the keys: as [`View::fetch`] for each, without copying kept lists.
    pub fn fetch_all(&self, keys: &[Vec<u8>]) -> Result<RoaringBitmap> {
        let mut lists = Vec::with_capacity(keys.len());
        for key in keys {
            lists.push(match self.shared.lists.get(key) {
                Some(kept) if self.bounds.get() == EVERYTHING => kept,
                Some(kept) => Arc::new(self.within_bounds(&kept)),
                None => Arc::new(self.read_list(key)?),
            });
        }
        let mut all = lists.iter().map(|list| &**list).union();
        for generation in self.generations {
            keys.iter().for_each(|key| generation.get(key, &mut all));
        }
        Ok(all)
    }

    /// The part of a kept list that is wanted, which may be much less to copy than all of it.
    fn within_bounds(&self, kept: &RoaringBitmap) -> RoaringBitmap {
        let (low, high) = self.bounds.get();
        if (low, high) == EVERYTHING {
            return kept.clone();
        }
        let mut wanted = RoaringBitmap::new();
        wanted.insert_range(low..=high);
        wanted & kept
    }

    /// Number of versions under one key, old ones included.
    pub fn count(&self, key: &[u8]) -> Result<u64> {
        match self.shared.lists.get(key) {
            Some(kept) if self.generations.is_empty() => Ok(kept.len()),
            _ => Ok(self.fetch(key)?.len()),
        }
    }

    /// What is on disk under a key, within bounds.
    fn read_list(&self, key: &[u8]) -> Result<RoaringBitmap> {
        let mut all = Gather::default();
        let (low, high) = self.bounds.get();
        self.connection.postings(key, low, high, |first, rids| {
            posting::decode(first, rids, &mut all)?;
            Ok(true)
        })?;
        let bitmap = all.into_set();
        if let Some(epoch) = self.epoch
            && (low, high) == EVERYTHING
        {
            self.shared.lists.keep(key, &bitmap, epoch);
        }
        Ok(bitmap)
    }

    /// The first key from `from` up to but not including `to`.
    pub fn first_key(&self, from: &[u8], to: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let mut first = None;
        self.connection.posting_range(from, to, Order::Forward, |key, _, _| {
            first = Some(key.to_vec());
            Ok(false)
        })?;
        let in_memory = self.generations.iter().filter_map(|g| g.first_key(from, to));
        Ok(first.into_iter().chain(in_memory).min())
    }

    /// Whether [`View::fetch_prefix`] has to read more than is wanted.
    pub fn reads_too_much(&self, prefix: &[u8]) -> bool {
        self.bounds.get() != EVERYTHING && self.shared.lists.get(&lists::under(prefix)).is_none()
    }

    /// Versions under all keys that begin with `prefix`. Those out of bounds may be left out.
    pub fn fetch_prefix(&self, prefix: &[u8]) -> Result<RoaringBitmap> {
        let name = lists::under(prefix);
        let to = key::after_prefix(prefix);
        let mut all = match self.shared.lists.get(&name) {
            Some(kept) => self.within_bounds(&kept),
            None => {
                let mut all = Gather::default();
                let high = self.bounds.get().1;
                self.connection.posting_range(
                    prefix,
                    to.as_deref(),
                    Order::Forward,
                    |_, first, rids| {
                        if first <= high {
                            posting::decode(first, rids, &mut all)?;
                        }
                        Ok(true)
                    },
                )?;
                let all = all.into_set();
                if let Some(epoch) = self.epoch
                    && high == Rid::MAX
                {
                    self.shared.lists.keep(&name, &all, epoch);
                }
                all
            }
        };
        for generation in self.generations {
            generation.range(prefix, to.as_deref(), |_, rids| all |= rids);
        }
        Ok(all)
    }

    /// Versions under the keys from `from` up to but not including `to` that `wanted` accepts.
    pub fn fetch_range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<RoaringBitmap> {
        let mut gathered = Gather::default();
        let highest = self.bounds.get().1;
        self.connection.posting_range(from, to, Order::Forward, |key, first, rids| {
            if first <= highest && wanted(key) {
                posting::decode(first, rids, &mut gathered)?;
            }
            Ok(true)
        })?;
        let mut all = gathered.into_set();
        for generation in self.generations {
            generation.range(from, to, |key, rids| {
                if wanted(key) {
                    all |= rids;
                }
            });
        }
        Ok(all)
    }

    /// Keys with their versions, in key order, from disk and memory together.
    /// `each` returns false to stop. For walking values in order.
    pub fn walk(
        &self,
        from: &[u8],
        to: &[u8],
        backward: bool,
        mut each: impl FnMut(&[u8], RoaringBitmap) -> Result<bool>,
    ) -> Result<()> {
        let mut memory = std::collections::BTreeMap::<Vec<u8>, RoaringBitmap>::new();
        for generation in self.generations {
            generation.range(from, Some(to), |key, rids| {
                *memory.entry(key.to_vec()).or_default() |= rids;
            });
        }
        let order = if backward { Order::Backward } else { Order::Forward };
        let mut current: Option<(Vec<u8>, Gather)> = None;
        let mut more = true;
        self.connection.posting_range(from, Some(to), order, |key, first, rids| {
            if let Some((k, rids)) = current.take_if(|(k, _)| k != key) {
                more = step(&mut memory, backward, k, rids.into_set(), &mut each)?;
            }
            if more {
                let (_, into) = current.get_or_insert_with(|| (key.to_vec(), Default::default()));
                posting::decode(first, rids, into)?;
            }
            Ok(more)
        })?;
        if more && let Some((k, rids)) = current.take() {
            more = step(&mut memory, backward, k, rids.into_set(), &mut each)?;
        }
        while more && let Some((k, rids)) = pop(&mut memory, backward) {
            more = each(&k, rids)?;
        }
        Ok(())
    }

    /// Keeps those of `rids` that are current in this view, whoever may see them.
    pub fn current(&self, mut rids: RoaringBitmap) -> Result<RoaringBitmap> {
        rids.remove_range(self.at.saturating_add(1)..);
        self.shared.live(|live| {
            let mut revived = Vec::new();
            if self.at < live.at {
                live.revived(self.connection, self.at, |victim| {
                    if rids.contains(victim) {
                        revived.push(victim);
                    }
                })?;
            }
            rids -= &live.dead;
            rids.extend(revived);
            for victim in self.pending_deaths {
                rids.remove(*victim);
            }
            Ok(rids)
        })
    }

    /// The newest version of a resource in this view.
    pub fn ident(&self, rt: ResourceType, id: &str) -> Result<Option<Ident>> {
        self.connection.ident(rt, id, self.at)
    }

    /// Calls `each` for (version, first version of the resource it refers to) of the column of a
    /// parameter, for the versions that are `wanted`. What is not current is among them too; a
    /// pair may come twice.
    pub fn column(
        &self,
        p: ParamId,
        wanted: &RoaringBitmap,
        mut each: impl FnMut(Rid, Rid),
    ) -> Result<()> {
        let (Some(low), Some(high)) = (wanted.min(), wanted.max()) else { return Ok(()) };
        let key = column::key(p);
        let members = Members::of(wanted, low, high);
        let mut each_wanted = |rid, number| {
            if members.contains(rid) {
                each(rid, number);
            }
        };
        let mut from = Some(low);
        while let Some(start) = from.take() {
            self.connection.postings(&key, start, high, |first, bytes| {
                let mut last = first;
                column::decode(first, bytes, |rid, number| {
                    last = rid;
                    each_wanted(rid, number);
                })?;
                // Wanted versions far behind this row are found by their key, not by reading on.
                Ok(match members.after(last) {
                    None => false,
                    Some(next) if next > start && next - last > COLUMN_GAP_MAX => {
                        from = Some(next);
                        false
                    }
                    Some(_) => true,
                })
            })?;
        }
        for generation in self.generations {
            generation.column(p, low, high, &mut each_wanted);
        }
        Ok(())
    }

    /// First versions of the resources that these versions belong to.
    pub fn firsts(&self, versions: &RoaringBitmap) -> Result<RoaringBitmap> {
        let mut firsts = versions.clone();
        let mut later = Vec::new();
        self.column(column::FIRST, versions, |rid, first| later.push((rid, first)))?;
        for (rid, _) in &later {
            firsts.remove(*rid);
        }
        firsts.extend(later.iter().map(|(_, first)| *first));
        Ok(firsts)
    }

    /// Current versions of the resources with these first versions.
    pub fn currents(&self, firsts: &RoaringBitmap) -> Result<RoaringBitmap> {
        let Some(low) = firsts.min() else { return Ok(RoaringBitmap::new()) };
        let mut versions = firsts.clone();
        let mut later = RoaringBitmap::new();
        later.insert_range(low..=self.at);
        let all = std::mem::take(&mut later);
        self.column(column::FIRST, &all, |rid, first| {
            if firsts.contains(first) {
                later.insert(rid);
            }
        })?;
        versions |= later;
        self.current(versions)
    }

    pub fn exists(&self, rt: ResourceType, id: &str) -> Result<bool> {
        Ok(self.ident(rt, id)?.is_some_and(|i| i.kind != ChangeKind::Delete))
    }

    pub fn head(&self, rid: Rid) -> Result<Head> {
        self.connection.head(rid)
    }

    pub fn version(&self, rid: Rid, bodies: &mut body::Reader) -> Result<Version> {
        self.connection.version(rid, bodies)
    }

    /// As [`View::version`] for many, in their order.
    pub fn versions(&self, rids: &[Rid], bodies: &mut body::Reader) -> Result<Vec<Version>> {
        self.connection.versions(rids, bodies)
    }

    /// Index values that stand with a version, with id and time of its resource.
    pub fn values(&self, rid: Rid) -> Result<(String, i64, Vec<Indexed>)> {
        self.connection
            .values(rid, |id, at, packed| Ok((id.to_owned(), at, self.shared.unpack(packed)?)))
    }

    /// As [`View::values`] for many versions, in their order.
    pub fn each_values(
        &self,
        rids: &RoaringBitmap,
        mut each: impl FnMut(Rid, &str, i64, Vec<Indexed>) -> Result<()>,
    ) -> Result<()> {
        self.connection
            .each_values(rids, |rid, id, at, packed| each(rid, id, at, self.shared.unpack(packed)?))
    }

    /// As [`View::each_values`] with the values of some parameters alone; `wanted` is sorted.
    pub fn each_values_of(
        &self,
        rids: &RoaringBitmap,
        wanted: &[ParamId],
        mut each: impl FnMut(Rid, &str, i64, Vec<Indexed>) -> Result<()>,
    ) -> Result<()> {
        let resolve = |number| self.shared.systems.text(number);
        self.connection.each_values(rids, |rid, id, at, packed| {
            let values = search::pack::unpack_of(packed, wanted, &resolve)
                .map_err(|_| Error::corrupt("packed values cannot be read"))?;
            each(rid, id, at, values)
        })
    }

    /// All index values of a version, those that only its body tells included.
    pub fn values_of_body(
        &self,
        rid: Rid,
        bodies: &mut body::Reader,
    ) -> Result<(String, i64, Vec<Indexed>)> {
        let version = self.version(rid, bodies)?;
        let values = index_body(version.rt, version.body, &self.shared.custom())?;
        Ok((version.head.id, version.head.last_updated_ms, values))
    }

    /// Current resources that refer to `rt/id`, wherever the reference stands, whoever may see
    /// them: references are kept whole for all.
    pub fn referrers(&self, rt: ResourceType, id: &str) -> Result<RoaringBitmap> {
        let from = key::referrers(rt, id);
        let to = key::after_prefix(&from);
        let rids = self.fetch_range(&from, to.as_deref(), |_| true)?;
        self.current(rids)
    }
}

/// What has keys but does not stand with a version: composites of R4. From the values of its body.
pub(crate) fn left_out_of_pack(values: Vec<Indexed>) -> impl Iterator<Item = Indexed> {
    let is_composite = |value: &IndexValue| matches!(value, IndexValue::Composite(_));
    values.into_iter().filter(move |v| is_composite(&v.value) && !is_custom(v.param))
}

/// Index values of a stored body.
pub(crate) fn index_body(
    rt: ResourceType,
    body: Vec<u8>,
    custom: &Registry,
) -> Result<Vec<Indexed>> {
    let doc = fhir::json::Doc::parse(body)
        .map_err(|e| Error::with(crate::Kind::Corrupt, "a stored body is no JSON", e))?;
    let mut values = search::index(rt, doc.root(), "");
    custom.index(rt, doc.root(), "", &mut values);
    Ok(values)
}

/// What a body says for keys and packed values do not hold: composites and words.
pub(crate) fn left_out_of_body(rt: ResourceType, body: Vec<u8>) -> Result<Vec<Indexed>> {
    let doc = fhir::json::Doc::parse(body)
        .map_err(|e| Error::with(crate::Kind::Corrupt, "a stored body is no JSON", e))?;
    let mut values = search::index_stored(rt, doc.root(), "");
    values.retain(|v| matches!(v.value, IndexValue::Composite(_) | IndexValue::Word { .. }));
    Ok(values)
}

/// The words of a stored body.
pub(crate) fn words_of_body(rt: ResourceType, body: Vec<u8>) -> Result<Vec<Indexed>> {
    let doc = fhir::json::Doc::parse(body)
        .map_err(|e| Error::with(crate::Kind::Corrupt, "a stored body is no JSON", e))?;
    let mut words = Vec::new();
    search::fulltext::index_words(rt, doc.root(), &mut words);
    Ok(words)
}

fn pop(
    memory: &mut std::collections::BTreeMap<Vec<u8>, RoaringBitmap>,
    backward: bool,
) -> Option<(Vec<u8>, RoaringBitmap)> {
    if backward { memory.pop_last() } else { memory.pop_first() }
}

/// Hands out what memory has before `key`, then `key` itself joined with what memory has of it.
fn step(
    memory: &mut std::collections::BTreeMap<Vec<u8>, RoaringBitmap>,
    backward: bool,
    key: Vec<u8>,
    mut rids: RoaringBitmap,
    each: &mut impl FnMut(&[u8], RoaringBitmap) -> Result<bool>,
) -> Result<bool> {
    loop {
        let next = if backward { memory.last_key_value() } else { memory.first_key_value() };
        let before = match next {
            Some((k, _)) if backward => *k > key,
            Some((k, _)) => *k < key,
            None => false,
        };
        if !before {
            break;
        }
        if let Some((k, more)) = pop(memory, backward)
            && !each(&k, more)?
        {
            return Ok(false);
        }
    }
    if let Some(more) = memory.remove(&key) {
        rids |= more;
    }
    each(&key, rids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_bits_as_in_the_set() {
        let sets: [RoaringBitmap; 6] = [
            (7..9_001).collect(),
            (0..3 * MEMBERS_MAX as Rid).step_by(2).collect(),
            (500..9_000).step_by(7).collect(),
            (64..=64).collect(),
            [0, 63, 64, 65, 127, 128, 1_000].into_iter().collect(),
            [3, 4_000_000, Rid::MAX].into_iter().collect(),
        ];
        for set in sets {
            let (low, high) = (set.min().expect("some"), set.max().expect("some"));
            let members = Members::of(&set, low, high);
            let plain = Members::Set(&set);
            let asked = (0..9_100).chain([3_999_999, 4_000_000, Rid::MAX - 1, Rid::MAX]);
            for rid in asked {
                assert_eq!(members.contains(rid), set.contains(rid), "{rid}");
                assert_eq!(members.after(rid), plain.after(rid), "after {rid}");
            }
        }
    }
}
