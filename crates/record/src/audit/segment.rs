//! A segment: where the leaves of one stretch of the log are found, in blocks of sorted keys.
//!
//! A block is an item of the collection [`COLLECTION`]. Its key is `b`, the number of the segment
//! and the last key in the block with a zero behind it, so that the first item behind a wanted key
//! is the block that would hold it. A block holds key after key, each with the places of its
//! leaves in the segment as distances.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use stdx::merkle::Hash;
use stdx::varint;
use store::{ItemOp, Snapshot};

use super::keys::minute_key;
use crate::error::{Error, Kind, Result};

pub(super) const COLLECTION: &str = "audit-index";
/// A block is closed when it is longer.
const BLOCK_BYTES: usize = 3_000;
/// Blocks that are read at once where a range of keys is wanted.
const TOGETHER: usize = 64;

/// Keys and the places of their leaves, which rise.
pub(super) type Lists = HashMap<Vec<u8>, Vec<u32>>;

/// One stretch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub number: u32,
    /// Number of its first leaf.
    pub first: u64,
    pub n: u32,
    /// The minutes of its leaves.
    pub minutes: (u32, u32),
}

/// A key that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    Is(Vec<u8>),
    BeginsWith(Vec<u8>),
}

impl Term {
    fn bytes(&self) -> &[u8] {
        let (Term::Is(bytes) | Term::BeginsWith(bytes)) = self;
        bytes
    }

    pub(super) fn fits(&self, key: &[u8]) -> bool {
        match self {
            Term::Is(bytes) => bytes == key,
            Term::BeginsWith(bytes) => key.starts_with(bytes),
        }
    }
}

fn damaged() -> Error {
    Error::new(Kind::Internal, "the index of the audit log is damaged: run vitae verify")
}

fn prefix(number: u32) -> Vec<u8> {
    let mut key = vec![b'b'];
    key.extend(number.to_be_bytes());
    key
}

/// The blocks that hold these lists.
pub(super) fn blocks(number: u32, lists: &Lists) -> Vec<ItemOp> {
    let mut keys: Vec<&Vec<u8>> = lists.keys().collect();
    keys.sort_unstable();
    let mut items = Vec::new();
    let mut block = Vec::with_capacity(BLOCK_BYTES * 2);
    for (key_idx, key) in keys.iter().enumerate() {
        varint::write(key.len() as u64, &mut block);
        block.extend_from_slice(key);
        let mut places = Vec::new();
        let mut next = 0;
        for place in &lists[*key] {
            varint::write(u64::from(place - next), &mut places);
            next = place + 1;
        }
        varint::write(places.len() as u64, &mut block);
        block.extend_from_slice(&places);
        if block.len() > BLOCK_BYTES || key_idx + 1 == keys.len() {
            let mut at = prefix(number);
            at.extend_from_slice(key);
            at.push(0);
            let value = Some(std::mem::take(&mut block));
            items.push(ItemOp { collection: COLLECTION, key: at, value });
        }
    }
    items
}

/// Hands over the keys of a block and their packed places until `each` says false.
fn each_key<'b>(
    mut block: &'b [u8],
    mut each: impl FnMut(&'b [u8], &'b [u8]) -> Result<bool>,
) -> Result<bool> {
    while !block.is_empty() {
        let mut part = || {
            let len = usize::try_from(varint::read(&mut block)?).ok()?;
            let (part, rest) = block.split_at_checked(len)?;
            block = rest;
            Some(part)
        };
        let (key, places) = (part().ok_or_else(damaged)?, part().ok_or_else(damaged)?);
        if !each(key, places)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unpack(mut places: &[u8], n: u32, into: &mut RoaringBitmap) -> Result<()> {
    let mut next = 0_u32;
    while !places.is_empty() {
        let distance = varint::read(&mut places).and_then(|n| u32::try_from(n).ok());
        let place = distance.and_then(|distance| next.checked_add(distance));
        let place = place.filter(|place| *place < n).ok_or_else(damaged)?;
        into.insert(place);
        next = place + 1;
    }
    Ok(())
}

impl Segment {
    /// Places of the leaves that have a key from `from` on, as long as `goes_on`.
    fn collect(
        &self,
        snapshot: &Snapshot,
        from: &[u8],
        is_range: bool,
        fits: impl Fn(&[u8]) -> Option<bool>,
        into: &mut RoaringBitmap,
    ) -> Result<()> {
        let prefix = prefix(self.number);
        let mut after = [&prefix, from].concat();
        loop {
            let together = if is_range { TOGETHER } else { 1 };
            let found = snapshot.items(COLLECTION, &prefix, Some(&after), together)?;
            for (_, block) in &found {
                let goes_on = each_key(block, |key, places| match fits(key) {
                    Some(true) => unpack(places, self.n, into).map(|()| is_range),
                    Some(false) => Ok(true),
                    None => Ok(false),
                })?;
                if !goes_on {
                    return Ok(());
                }
            }
            match found.into_iter().next_back() {
                Some((key, _)) if is_range => after = key,
                _ => return Ok(()),
            }
        }
    }

    /// Places of the leaves that have the key.
    pub(super) fn having(
        &self,
        snapshot: &Snapshot,
        term: &Term,
        into: &mut RoaringBitmap,
    ) -> Result<()> {
        let bytes = term.bytes();
        let fits = |key: &[u8]| match term {
            _ if key < bytes => Some(false),
            _ if term.fits(key) => Some(true),
            _ => None,
        };
        let is_range = matches!(term, Term::BeginsWith(_));
        self.collect(snapshot, bytes, is_range, fits, into)
    }

    /// Places of the leaves of minutes from the first to the last.
    pub(super) fn within(
        &self,
        snapshot: &Snapshot,
        (from, to): (u32, u32),
        into: &mut RoaringBitmap,
    ) -> Result<()> {
        let (low, high) = (minute_key(from), minute_key(to));
        let fits = |key: &[u8]| match key {
            _ if key < low.as_slice() => Some(false),
            _ => (key <= high.as_slice()).then_some(true),
        };
        self.collect(snapshot, &low, true, fits, into)
    }

    /// All lists, for `verify`.
    pub(super) fn lists(&self, snapshot: &Snapshot) -> Result<Lists> {
        let prefix = prefix(self.number);
        let mut lists = Lists::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let found = snapshot.items(COLLECTION, &prefix, after.as_deref(), TOGETHER)?;
            for (_, block) in &found {
                each_key(block, |key, packed| {
                    let mut places = RoaringBitmap::new();
                    unpack(packed, self.n, &mut places)?;
                    lists.insert(key.to_vec(), places.iter().collect());
                    Ok(true)
                })?;
            }
            match found.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(lists),
            }
        }
    }
}

/// The item with the roots of a segment's subtrees.
pub(super) fn put_roots(number: u32, roots: &[Hash]) -> ItemOp {
    ItemOp { collection: COLLECTION, key: roots_key(number), value: Some(roots.concat()) }
}

fn roots_key(number: u32) -> Vec<u8> {
    [&b"h"[..], &number.to_be_bytes()].concat()
}

impl Segment {
    /// The roots of its subtrees, and its own.
    pub(super) fn roots(&self, snapshot: &Snapshot) -> Result<Vec<Hash>> {
        let bytes = snapshot.item(COLLECTION, &roots_key(self.number))?.unwrap_or_default();
        let (roots, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || roots.is_empty() {
            return Err(damaged());
        }
        Ok(roots.to_vec())
    }
}

/// The list of segments as it is kept.
pub(super) fn write_manifest(segments: &[Segment]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in segments {
        let (from, to) = segment.minutes;
        varint::write(u64::from(segment.number), &mut out);
        varint::write(segment.first, &mut out);
        for n in [segment.n, from, to] {
            varint::write(u64::from(n), &mut out);
        }
    }
    out
}

pub(super) fn read_manifest(mut bytes: &[u8]) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    while !bytes.is_empty() {
        let mut number = || varint::read(&mut bytes).ok_or_else(damaged);
        let (own, first, n, from, to) = (number()?, number()?, number()?, number()?, number()?);
        let small = |n: u64| u32::try_from(n).map_err(|_| damaged());
        let minutes = (small(from)?, small(to)?);
        segments.push(Segment { number: small(own)?, first, n: small(n)?, minutes });
    }
    Ok(segments)
}
