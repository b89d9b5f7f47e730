//! The index of the audit log: where the leaves of a patient, a person, a minute are.
//!
//! Derived from the leaves, behind their backs: whoever reads or writes only adds a leaf. The
//! newest leaves are indexed in memory, by [`Index::catch_up`], which a background step calls and
//! every question; when they are [`SEGMENT_LEAVES`] they become a segment on disk, in one commit
//! with the list of segments. After a crash the leaves behind the last segment are read again.
//! Several processes on one database each have the newest leaves in memory; who is first writes
//! the segment, the others take it over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use roaring::RoaringBitmap;
use search::Sees;
use stdx::merkle::{Hash, consistency_proof, leaf_hash, node_hash, split};
use store::{Check, CommitError, Finding, ItemOp, Snapshot, WriteSet};

use super::keys;
use super::leaf::Leaf;
use super::segment::{self, COLLECTION, Lists, Segment, Term};
use crate::error::{Error, Kind, Result};
use crate::record::Record;

/// Leaves of a segment.
const SEGMENT_LEAVES: u32 = 65_536;
/// Leaves of a subtree whose root is kept, so that a proof reads few leaves.
const ROOT_LEAVES: u64 = 256;
/// Leaves that are read at a time.
const TOGETHER: usize = 8_192;
/// Leaves that one step in the background indexes, more or less.
const PART_LEAVES: u64 = 16_384;
const MANIFEST: &[u8] = b"m";

/// What this process knows of the index.
#[derive(Default)]
pub(crate) struct Index {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None`: the list of segments was not read yet.
    manifest: Option<Vec<u8>>,
    segments: Vec<Segment>,
    tail: Tail,
}

/// The leaves behind the last segment.
#[derive(Default)]
struct Tail {
    first: u64,
    n: u32,
    minutes: Option<(u32, u32)>,
    lists: Lists,
    /// Hashes of the leaves.
    hashes: Vec<Hash>,
}

impl Tail {
    fn from(first: u64) -> Tail {
        Tail { first, ..Tail::default() }
    }

    /// Adds the next leaf. One that cannot be read counts, and is found by nothing.
    fn add(&mut self, seq: u64, bytes: &[u8]) {
        let place = self.n;
        self.n += 1;
        self.hashes.push(leaf_hash(bytes));
        let Some(leaf) = Leaf::read(seq, bytes) else { return };
        let minute = keys::minute(leaf.at_ms);
        let (low, high) = self.minutes.unwrap_or((minute, minute));
        self.minutes = Some((low.min(minute), high.max(minute)));
        keys::each(&leaf, |key| match self.lists.get_mut(key) {
            Some(list) if list.last() == Some(&place) => {}
            Some(list) => list.push(place),
            None => drop(self.lists.insert(key.to_vec(), vec![place])),
        });
    }

    fn end(&self) -> u64 {
        self.first + u64::from(self.n)
    }
}

/// A stretch of the log and how its leaves are found.
pub(super) struct Part {
    pub first: u64,
    pub n: u32,
    pub minutes: (u32, u32),
    how: How,
}

enum How {
    OnDisk(Segment),
    /// What was asked for, by the caller's own order, and the minutes that were.
    InMemory {
        terms: Vec<RoaringBitmap>,
        minutes: Vec<(u32, RoaringBitmap)>,
    },
}

impl Part {
    /// Places of the leaves that any of the terms finds. `nth`: the number of the terms in the
    /// question.
    pub fn having(
        &self,
        snapshot: &Snapshot,
        nth: usize,
        any_of: &[Term],
    ) -> Result<RoaringBitmap> {
        match &self.how {
            How::InMemory { terms, .. } => Ok(terms.get(nth).cloned().unwrap_or_default()),
            How::OnDisk(segment) => {
                let mut found = RoaringBitmap::new();
                for term in any_of {
                    segment.having(snapshot, term, &mut found)?;
                }
                Ok(found)
            }
        }
    }

    /// Places of the leaves of these minutes.
    pub fn within(&self, snapshot: &Snapshot, minutes: (u32, u32)) -> Result<RoaringBitmap> {
        match &self.how {
            How::InMemory { minutes: own, .. } => {
                let (from, to) = minutes;
                let own = own.iter().filter(|(minute, _)| (from..=to).contains(minute));
                Ok(own.fold(RoaringBitmap::new(), |all, (_, places)| all | places))
            }
            How::OnDisk(segment) => {
                let mut found = RoaringBitmap::new();
                segment.within(snapshot, minutes, &mut found)?;
                Ok(found)
            }
        }
    }
}

impl Index {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Indexes what was added to the log since the last time. How many leaves that were.
    ///
    /// Errors: those of the store; nothing is lost then.
    pub fn catch_up(&self, record: &Record) -> Result<u64> {
        let mut state = self.state();
        state.catch_up(record, u64::MAX)
    }

    /// As [`Index::catch_up`], no more than a part: for the step behind those who read and write,
    /// which must not take the processor from them when they are many.
    pub fn catch_up_some(&self, record: &Record) -> Result<u64> {
        let mut state = self.state();
        state.catch_up(record, PART_LEAVES)
    }

    /// All parts of the log in its order, as they are now, for this question.
    pub(super) fn parts(
        &self,
        record: &Record,
        all_of: &[Vec<Term>],
        minutes: Option<(u32, u32)>,
    ) -> Result<Vec<Part>> {
        let mut state = self.state();
        state.catch_up(record, u64::MAX)?;
        let on_disk = |segment: &Segment| Part {
            first: segment.first,
            n: segment.n,
            minutes: segment.minutes,
            how: How::OnDisk(*segment),
        };
        let mut parts: Vec<Part> = state.segments.iter().map(on_disk).collect();
        let tail = &state.tail;
        let gather = |fits: &dyn Fn(&[u8]) -> bool| {
            let mut found = RoaringBitmap::new();
            for (_, places) in tail.lists.iter().filter(|(key, _)| fits(key)) {
                found.extend(places);
            }
            found
        };
        let any_of = |terms: &Vec<Term>| match terms.as_slice() {
            // Mostly one key is looked for: no need to look at all.
            [Term::Is(key)] => {
                tail.lists.get(key).map(|list| list.iter().copied().collect()).unwrap_or_default()
            }
            terms => gather(&|key| terms.iter().any(|term| term.fits(key))),
        };
        let own_minutes = minutes.into_iter().flat_map(|(from, to)| {
            let in_memory = tail.minutes.map(|(low, high)| from.max(low)..=to.min(high));
            in_memory.into_iter().flatten().filter_map(|minute| {
                let list = tail.lists.get(&keys::minute_key(minute))?;
                Some((minute, list.iter().copied().collect()))
            })
        });
        parts.push(Part {
            first: tail.first,
            n: tail.n,
            minutes: tail.minutes.unwrap_or_default(),
            how: How::InMemory {
                terms: all_of.iter().map(any_of).collect(),
                minutes: own_minutes.collect(),
            },
        });
        Ok(parts)
    }

    /// Compares every segment with the leaves.
    pub fn check(&self, record: &Record) -> Result<Vec<Finding>> {
        let snapshot = record.store().snapshot(Sees::everything())?;
        let manifest = snapshot.item(COLLECTION, MANIFEST)?.unwrap_or_default();
        let find = |place: String, text: &str| Finding {
            check: "audit-index",
            place,
            text: text.to_owned(),
        };
        let Ok(segments) = segment::read_manifest(&manifest) else {
            return Ok(vec![find("segments".to_owned(), "the list of segments cannot be read")]);
        };
        let mut findings = Vec::new();
        let mut next = 0;
        for segment in segments {
            let place = || format!("segment {}", segment.number);
            if segment.first != next {
                findings.push(find(place(), "does not begin where the one before ends"));
            }
            next = segment.first + u64::from(segment.n);
            let mut tail = Tail::from(segment.first);
            while tail.n < segment.n {
                let room = (segment.n - tail.n) as usize;
                let leaves = snapshot.audit(tail.end(), room.min(TOGETHER))?;
                if leaves.is_empty() {
                    break;
                }
                leaves.iter().for_each(|(seq, leaf)| tail.add(*seq, leaf));
            }
            let is_same = tail.n == segment.n
                && segment.lists(&snapshot).is_ok_and(|lists| lists == tail.lists)
                && segment.roots(&snapshot).is_ok_and(|own| own == roots(&tail.hashes));
            if !is_same {
                findings.push(find(place(), "is not what its leaves come to"));
            }
        }
        Ok(findings)
    }

    /// Hashes that show that the first `m` leaves are the beginning of the first `n`.
    ///
    /// Errors: `Invalid` beyond the end of the log.
    pub fn proof(&self, record: &Record, m: u64, n: u64) -> Result<Vec<Hash>> {
        let mut state = self.state();
        state.catch_up(record, u64::MAX)?;
        let (segments, tail) = (&state.segments, &state.tail);
        if n > tail.end() || m > n {
            return Err(Error::new(Kind::Invalid, format!("the log has {} leaves", tail.end())));
        }
        let snapshot = record.store().snapshot(Sees::everything())?;
        let mut known = HashMap::new();
        let mut hashing = Hashing { segments, tail, snapshot, known: &mut known };
        consistency_proof(m, n, &mut |from, to| hashing.hash(from, to))
    }

    /// Forgets the index, on disk too: it is made again from the leaves.
    pub fn rebuild(&self, record: &Record) -> Result<()> {
        let mut state = self.state();
        loop {
            let snapshot = record.store().snapshot(Sees::everything())?;
            let found = snapshot.items(COLLECTION, b"", None, 1_000)?;
            drop(snapshot);
            if found.is_empty() {
                break;
            }
            let gone = |(key, _)| ItemOp { collection: COLLECTION, key, value: None };
            let items = found.into_iter().map(gone).collect();
            commit(record, WriteSet { items, ..WriteSet::default() })?;
        }
        *state = State::default();
        state.catch_up(record, u64::MAX)?;
        Ok(())
    }
}

/// Roots of the subtrees of [`ROOT_LEAVES`] leaves, and that of them all.
fn roots(hashes: &[Hash]) -> Vec<Hash> {
    let mut roots: Vec<Hash> = hashes.chunks(ROOT_LEAVES as usize).map(root_of).collect();
    roots.push(root_of(hashes));
    roots
}

/// Root over leaf hashes, one or more. Source: RFC 9162 §2.1.1.
fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => stdx::merkle::Frontier::new().root(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len() as u64) as usize);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Hashes of stretches of the log, from what is kept of segments.
struct Hashing<'h> {
    segments: &'h [Segment],
    tail: &'h Tail,
    snapshot: Snapshot,
    known: &'h mut HashMap<u32, Vec<Hash>>,
}

impl Hashing<'_> {
    /// Hash of the leaves from one number up to but not including another. `to - from` is a power
    /// of two where the stretch does not end the log, as the parts of a proof are.
    fn hash(&mut self, from: u64, to: u64) -> Result<Hash> {
        if from >= self.tail.first {
            let place = |seq: u64| (seq - self.tail.first) as usize;
            return Ok(root_of(&self.tail.hashes[place(from)..place(to)]));
        }
        let (segment_idx, n) = (from / u64::from(SEGMENT_LEAVES), to - from);
        let is_in_one = (to - 1) / u64::from(SEGMENT_LEAVES) == segment_idx;
        if is_in_one && n <= ROOT_LEAVES && from / ROOT_LEAVES == (to - 1) / ROOT_LEAVES {
            if n == ROOT_LEAVES {
                let root = self.roots(segment_idx)?
                    [(from % u64::from(SEGMENT_LEAVES) / ROOT_LEAVES) as usize];
                return Ok(root);
            }
            let leaves = self.snapshot.audit(from, n as usize)?;
            let hashes: Vec<Hash> = leaves.iter().map(|(_, leaf)| leaf_hash(leaf)).collect();
            return Ok(root_of(&hashes));
        }
        if is_in_one && n == u64::from(SEGMENT_LEAVES) {
            let roots = self.roots(segment_idx)?;
            return roots.last().copied().ok_or_else(|| {
                Error::new(Kind::Internal, "the index of the audit log is damaged")
            });
        }
        let middle = from + split(n);
        Ok(node_hash(&self.hash(from, middle)?, &self.hash(middle, to)?))
    }

    fn roots(&mut self, segment_idx: u64) -> Result<&Vec<Hash>> {
        let damaged = || Error::new(Kind::Internal, "the index of the audit log is damaged");
        let segment = self.segments.get(segment_idx as usize).ok_or_else(damaged)?;
        if !self.known.contains_key(&segment.number) {
            let roots = segment.roots(&self.snapshot)?;
            let n = (SEGMENT_LEAVES as u64 / ROOT_LEAVES) as usize + 1;
            if roots.len() != n {
                return Err(damaged());
            }
            self.known.insert(segment.number, roots);
        }
        self.known.get(&segment.number).ok_or_else(damaged)
    }
}

/// False when another process was faster.
fn commit(record: &Record, set: WriteSet) -> Result<bool> {
    match record.store().commit(set) {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(CommitError::Failed(e)) => Err(e.into()),
        Err(other) => Err(Error::new(Kind::Internal, "the commit was refused").caused_by(other)),
    }
}

impl State {
    fn catch_up(&mut self, record: &Record, most: u64) -> Result<u64> {
        if self.manifest.is_none() {
            self.load(record)?;
        }
        let mut n_new = 0;
        loop {
            let room = (SEGMENT_LEAVES - self.tail.n) as usize;
            let leaves = record
                .store()
                .snapshot(Sees::everything())?
                .audit(self.tail.end(), room.min(TOGETHER))?;
            leaves.iter().for_each(|(seq, leaf)| self.tail.add(*seq, leaf));
            n_new += leaves.len() as u64;
            if self.tail.n == SEGMENT_LEAVES {
                self.close_segment(record)?;
            } else if leaves.len() < TOGETHER.min(room) {
                return Ok(n_new);
            }
            if n_new >= most {
                return Ok(n_new);
            }
        }
    }

    /// Reads the list of segments; what is behind them is to be read again.
    fn load(&mut self, record: &Record) -> Result<()> {
        let snapshot = record.store().snapshot(Sees::everything())?;
        let manifest = snapshot.item(COLLECTION, MANIFEST)?.unwrap_or_default();
        self.segments = segment::read_manifest(&manifest)?;
        self.manifest = Some(manifest);
        let end = self.segments.last().map_or(0, |last| last.first + u64::from(last.n));
        self.tail = Tail::from(end);
        Ok(())
    }

    /// Makes a segment of the newest leaves.
    fn close_segment(&mut self, record: &Record) -> Result<()> {
        let own = Segment {
            number: self.segments.len() as u32,
            first: self.tail.first,
            n: self.tail.n,
            minutes: self.tail.minutes.unwrap_or_default(),
        };
        let mut segments = self.segments.clone();
        segments.push(own);
        let manifest = segment::write_manifest(&segments);
        let old = self.manifest.clone().filter(|old| !old.is_empty());
        let mut items = segment::blocks(own.number, &self.tail.lists);
        items.push(segment::put_roots(own.number, &roots(&self.tail.hashes)));
        let value = Some(manifest.clone());
        items.push(ItemOp { collection: COLLECTION, key: MANIFEST.to_vec(), value });
        let check = Check::Item { collection: COLLECTION, key: MANIFEST.to_vec(), value: old };
        let set = WriteSet { checks: vec![check], items, ..WriteSet::default() };
        if !commit(record, set)? {
            return self.load(record);
        }
        self.tail = Tail::from(own.first + u64::from(own.n));
        self.segments = segments;
        self.manifest = Some(manifest);
        Ok(())
    }
}
