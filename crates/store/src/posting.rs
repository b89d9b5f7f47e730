//! Posting lists on disk: the versions of one key, in rows of bounded size.
//!
//! A key's list is cut into rows that follow each other; a row is found by its first version.
//! Versions only grow, so adding to a list touches its last row alone.
//! Three encodings, the first byte tells which; the writer takes the one that holds most:
//! deltas (sparse), bits (dense), runs (consecutive).

use roaring::RoaringBitmap;
use stdx::varint;

use crate::Rid;
use crate::error::{Error, Result};

/// Largest row, in bytes. Rows above a quarter of a page would spill to overflow pages.
pub const ROW_MAX_BYTES: usize = 900;

const DELTAS: u8 = 0;
const BITS: u8 = 1;
const RUNS: u8 = 2;

/// Lists of at most so many versions fit into a row of deltas: five bytes each.
const FEW: usize = 128;
/// Mean distance of versions from which deltas are the shortest form.
const SPARSE: usize = 64;

/// A row: its first version and its bytes.
pub type Row = (Rid, Vec<u8>);

/// Encodes versions (ascending, not empty) as rows of at most [`ROW_MAX_BYTES`].
pub fn encode(rids: &[Rid]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut rest = rids;
    while let Some(first) = rest.first() {
        if rest.len() == 1 {
            rows.push((*first, vec![DELTAS]));
            break;
        }
        // What is sparse and short: the other forms would take no less.
        let last = rest[rest.len() - 1];
        if rest.len() <= FEW && (last - first) as usize >= rest.len() * SPARSE {
            rows.push((*first, deltas(rest).1));
            break;
        }
        let candidates = [deltas(rest), bits(rest), runs(rest)];
        let (n, bytes) = candidates
            .into_iter()
            .max_by_key(|(n, bytes)| (*n, usize::MAX - bytes.len()))
            .expect("three candidates");
        rows.push((*first, bytes));
        rest = &rest[n..];
    }
    rows
}

/// A row of deltas with more versions behind its own; those it holds already are left out.
///
/// `None` when it is of another form, would become too long, or should be of another form.
pub fn append(first: Rid, bytes: &[u8], rids: &[Rid]) -> Option<Vec<u8>> {
    let (&DELTAS, mut rest) = bytes.split_first()? else { return None };
    let mut n = 1;
    let mut last = u64::from(first);
    while !rest.is_empty() {
        last += varint::read(&mut rest)?;
        n += 1;
    }
    let last = Rid::try_from(last).ok()?;
    let fresh = &rids[rids.partition_point(|rid| *rid <= last)..];
    let end = *fresh.last()?;
    n += fresh.len();
    if n > FEW || ((end - first) as usize) < n * SPARSE {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() + fresh.len() * 3);
    out.extend_from_slice(bytes);
    let mut before = last;
    for rid in fresh {
        varint::write(u64::from(rid - before), &mut out);
        before = *rid;
    }
    Some(out)
}

fn deltas(rids: &[Rid]) -> (usize, Vec<u8>) {
    let mut out = vec![DELTAS];
    let mut n = 1;
    for pair in rids.windows(2) {
        let delta = u64::from(pair[1] - pair[0]);
        if out.len() + varint::len(delta) > ROW_MAX_BYTES {
            break;
        }
        varint::write(delta, &mut out);
        n += 1;
    }
    (n, out)
}

fn bits(rids: &[Rid]) -> (usize, Vec<u8>) {
    let mut out = vec![BITS];
    let first = rids[0];
    let mut n = 1;
    for rid in &rids[1..] {
        let at = (rid - first - 1) as usize;
        let byte = 1 + at / 8;
        if byte >= ROW_MAX_BYTES {
            break;
        }
        if out.len() <= byte {
            out.resize(byte + 1, 0);
        }
        out[byte] |= 1 << (at % 8);
        n += 1;
    }
    (n, out)
}

/// Pairs of (gap since the last run, length - 1); the first gap is 0.
fn runs(rids: &[Rid]) -> (usize, Vec<u8>) {
    let mut out = vec![RUNS];
    let mut n = 0;
    let mut last = rids[0];
    while n < rids.len() {
        let start = rids[n];
        let len = rids[n..]
            .iter()
            .enumerate()
            .take_while(|(i, rid)| (**rid - start) as usize == *i)
            .count();
        let (gap, more) = (u64::from(start - last), len as u64 - 1);
        if out.len() + varint::len(gap) + varint::len(more) > ROW_MAX_BYTES {
            break;
        }
        varint::write(gap, &mut out);
        varint::write(more, &mut out);
        last = start + more as Rid;
        n += len;
    }
    (n, out)
}

/// Adds the versions of a row to `into`.
pub fn decode(first: Rid, bytes: &[u8], into: &mut Gather) -> Result<()> {
    let damaged = || Error::corrupt("a posting row cannot be read");
    let (form, mut rest) = bytes.split_first().ok_or_else(damaged)?;
    match *form {
        DELTAS => {
            into.push(first);
            let mut rid = first;
            while !rest.is_empty() {
                let delta = varint::read(&mut rest).ok_or_else(damaged)?;
                let next = u64::from(rid) + delta;
                rid = Rid::try_from(next).map_err(|_| damaged())?;
                into.push(rid);
            }
        }
        BITS => {
            into.push(first);
            for (i, byte) in rest.iter().enumerate() {
                let mut byte = *byte;
                while byte != 0 {
                    let at = i as u64 * 8 + u64::from(byte.trailing_zeros());
                    let rid = u64::from(first) + 1 + at;
                    into.push(Rid::try_from(rid).map_err(|_| damaged())?);
                    byte &= byte - 1;
                }
            }
        }
        RUNS => {
            let mut last = u64::from(first);
            while !rest.is_empty() {
                let gap = varint::read(&mut rest).ok_or_else(damaged)?;
                let more = varint::read(&mut rest).ok_or_else(damaged)?;
                let start = last + gap;
                last = start.checked_add(more).ok_or_else(damaged)?;
                let end = Rid::try_from(last).map_err(|_| damaged())?;
                into.push_run(start as Rid, end);
            }
        }
        _ => return Err(damaged()),
    }
    Ok(())
}

/// The versions of one row.
pub fn decoded(first: Rid, bytes: &[u8]) -> Result<RoaringBitmap> {
    let mut all = Gather::default();
    decode(first, bytes, &mut all)?;
    Ok(all.into_set())
}

/// Versions of many rows in any order, on their way to a set: a list while they are few, then bits.
///
/// Joining sets row by row takes a pass over what is there already for each row.
/// The set that it becomes has no containers of runs: those are joined and parted run by run, each
/// time moving all behind it, which is quadratic.
#[derive(Default)]
pub struct Gather {
    few: Vec<Rid>,
    /// Bits of 65 536 versions each, where there are any.
    blocks: Vec<Option<Box<[u8]>>>,
}

impl Gather {
    const FEW_MAX: usize = 1 << 13;
    const BLOCK_BYTES: usize = 1 << 13;

    fn push(&mut self, rid: Rid) {
        if self.blocks.is_empty() {
            self.few.push(rid);
            if self.few.len() > Gather::FEW_MAX {
                self.spread();
            }
        } else {
            self.set(rid);
        }
    }

    /// Adds `first..=last`.
    fn push_run(&mut self, first: Rid, last: Rid) {
        let n = (last - first) as usize;
        if self.blocks.is_empty() && self.few.len() + n < Gather::FEW_MAX {
            self.few.extend(first..=last);
            return;
        }
        self.spread();
        let mut rid = first;
        loop {
            // Eight at a time where a whole byte lies in the run.
            let (place, bit) = (rid as usize & 0xFFFF, rid & 7);
            if bit == 0 && last - rid >= 7 {
                self.block(rid)[place >> 3] = u8::MAX;
                rid += 7;
            } else {
                self.set(rid);
            }
            if rid == last {
                return;
            }
            rid += 1;
        }
    }

    /// Bits from now on.
    fn spread(&mut self) {
        for rid in std::mem::take(&mut self.few) {
            self.set(rid);
        }
    }

    fn block(&mut self, rid: Rid) -> &mut [u8] {
        let at = (rid >> 16) as usize;
        if self.blocks.len() <= at {
            self.blocks.resize(at + 1, None);
        }
        self.blocks[at].get_or_insert_with(|| vec![0; Gather::BLOCK_BYTES].into())
    }

    fn set(&mut self, rid: Rid) {
        self.block(rid)[(rid as usize & 0xFFFF) >> 3] |= 1 << (rid & 7);
    }

    /// All of them, each once.
    pub fn into_set(mut self) -> RoaringBitmap {
        let mut set = RoaringBitmap::new();
        for (at, block) in self.blocks.iter().enumerate() {
            if let Some(block) = block {
                set |= RoaringBitmap::from_lsb0_bytes((at as u32) << 16, block);
            }
        }
        if !self.few.is_sorted() {
            self.few.sort_unstable();
        }
        self.few.dedup();
        match RoaringBitmap::from_sorted_iter(self.few.iter().copied()) {
            Ok(few) => set | few,
            Err(_) => set,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rids: Vec<Rid>) -> usize {
        let rows = encode(&rids);
        let mut all = Gather::default();
        for (first, bytes) in &rows {
            assert!(bytes.len() <= ROW_MAX_BYTES);
            decode(*first, bytes, &mut all).expect("own rows");
        }
        assert_eq!(all.into_set().iter().collect::<Vec<_>>(), rids);
        rows.len()
    }

    #[test]
    fn lists_of_every_shape_read_back() {
        assert_eq!(check(vec![5]), 1);
        assert_eq!(check(vec![0, Rid::MAX]), 1);
        assert_eq!(check((0..1_000_000).collect()), 1, "one run");
        assert!(check((0..60_000).step_by(2).collect()) < 10, "dense");
        assert!(check((0..1_000_000).step_by(1000).collect()) < 4, "sparse");
        let mut n = 1u32;
        let mixed: Vec<Rid> = (0..20_000)
            .map(|i| {
                n += if i % 100 < 50 { 1 } else { 1 + (i * 7919) % 400 };
                n
            })
            .collect();
        check(mixed);
    }

    #[test]
    fn a_sparse_row_grows_at_its_end() {
        let few: Vec<Rid> = (1..20).map(|i| i * 1_000).collect();
        let rows = encode(&few);
        let [(first, bytes)] = rows.as_slice() else { panic!("one row") };
        let longer = append(*first, bytes, &[18_000, 19_000, 25_000, 90_000]).expect("fits");
        let bitmap = decoded(*first, &longer).expect("own row");
        let all: Vec<Rid> = few.iter().copied().chain([25_000, 90_000]).collect();
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), all);
        assert_eq!(append(*first, bytes, &few), None, "nothing is new");
        assert_eq!(append(5, &[DELTAS], &[6, 7, 8]), None, "better as bits");
        let many: Vec<Rid> = (1..200).map(|i| 100_000 + i * 1_000).collect();
        assert_eq!(append(*first, bytes, &many), None, "too long");
    }

    #[test]
    fn damaged_rows_are_told() {
        for bytes in
            [&[][..], &[9], &[DELTAS, 0x80], &[RUNS, 1], &[RUNS, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert!(decoded(1, bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn rows_in_any_order_become_one_set() {
        let lists: [Vec<Rid>; 6] = [
            (0..300).map(|i| i * 7 + 65_500).collect(),
            vec![Rid::MAX - 70_000, Rid::MAX],
            (65_530..65_545).collect(),
            (100_003..300_001).collect(),
            (0..30_000).map(|i| i * 11).collect(),
            (65_536..65_545).collect(),
        ];
        let mut wanted = RoaringBitmap::new();
        let mut all = Gather::default();
        for list in &lists {
            wanted.extend(list);
            for (first, bytes) in encode(list) {
                decode(first, &bytes, &mut all).expect("own rows");
            }
            // Backward too, and what is there already.
            let mut few = Gather::default();
            for (first, bytes) in encode(list).iter().rev().chain(&encode(list[..1].as_ref())) {
                decode(*first, bytes, &mut few).expect("own rows");
            }
            assert_eq!(few.into_set().iter().collect::<Vec<_>>(), *list);
        }
        assert_eq!(all.into_set(), wanted);
        assert!(Gather::default().into_set().is_empty());
    }
}
