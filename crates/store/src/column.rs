//! Columns: one number beside each version, for one search parameter, in order of the versions.
//!
//! A reference parameter's column says which resource a version refers to, as the number of that
//! resource's first version, which never changes. It joins two large sets of versions (chains,
//! `_has`, includes) in one pass over a few bytes a version, where looking up every resource of
//! the one set would cost a search each. The column [`FIRST`] says which resource a version that
//! is not a first one belongs to.
//!
//! Columns stand beside the posting lists: key `C` and the parameter, rows of bounded size, found
//! by their first version. A row is never changed. Row: pairs of (distance to the version before,
//! distance to the number before, zigzag), both as varints.

use stdx::varint;

use search::value::ParamId;

use crate::Rid;
use crate::error::{Error, Result};
use crate::key;
use crate::posting::{ROW_MAX_BYTES, Row};

/// The column of the first version of each version's resource. Versions that are first themselves
/// have no entry.
pub const FIRST: ParamId = ParamId(u16::MAX - 1);

/// A version and the number beside it.
pub type Pair = (Rid, Rid);

/// Key of a column's rows.
pub fn key(p: ParamId) -> Vec<u8> {
    key::param(b'C', p)
}

/// Key of the list of versions whose reference under a parameter led to nothing when they were
/// written: their column has no entry, although the resource may be there by now.
pub fn open_key(p: ParamId) -> Vec<u8> {
    key::param(b'O', p)
}

/// Encodes pairs (versions ascending, equal ones allowed) as rows.
///
/// Pairs of one version are never parted: a row is found by its first version.
pub fn encode(pairs: &[Pair]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut bytes = Vec::new();
    let mut before = (0, 0);
    for group in pairs.chunk_by(|a, b| a.0 == b.0) {
        let mut own = encode_group(group, before);
        if rows.is_empty() || bytes.len() + own.len() > ROW_MAX_BYTES {
            if let Some((_, last)) = rows.last_mut() {
                *last = std::mem::take(&mut bytes);
            }
            rows.push((group[0].0, Vec::new()));
            own = encode_group(group, (group[0].0, 0));
        }
        bytes.extend(own);
        before = group[group.len() - 1];
    }
    if let Some((_, last)) = rows.last_mut() {
        *last = bytes;
    }
    rows
}

fn encode_group(group: &[Pair], mut before: Pair) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(group.len() * 6);
    for (rid, number) in group {
        varint::write(u64::from(rid - before.0), &mut bytes);
        let distance = i64::from(*number) - i64::from(before.1);
        varint::write(((distance << 1) ^ (distance >> 63)) as u64, &mut bytes);
        before = (*rid, *number);
    }
    bytes
}

/// Calls `each` for the pairs of a row.
pub fn decode(first: Rid, mut bytes: &[u8], mut each: impl FnMut(Rid, Rid)) -> Result<()> {
    let damaged = || Error::corrupt("a column cannot be read");
    let (mut rid, mut number) = (u64::from(first), 0i64);
    while !bytes.is_empty() {
        // Most versions are near each other, and refer to what the one before does.
        let (step, zigzag) = match *bytes {
            [step, zigzag, ref rest @ ..] if step < 0x80 && zigzag < 0x80 => {
                bytes = rest;
                (u64::from(step), u64::from(zigzag))
            }
            _ => {
                let step = varint::read(&mut bytes).ok_or_else(damaged)?;
                (step, varint::read(&mut bytes).ok_or_else(damaged)?)
            }
        };
        rid = rid.checked_add(step).ok_or_else(damaged)?;
        number = number.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        let version = Rid::try_from(rid).map_err(|_| damaged())?;
        each(version, Rid::try_from(number).map_err(|_| damaged())?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_read_back_and_rows_are_bounded() {
        let mut pairs: Vec<Pair> = Vec::new();
        for rid in (1..40_000).step_by(3) {
            pairs.push((rid, rid / 200 * 200));
            if rid % 7 == 0 {
                pairs.extend([(rid, Rid::MAX), (rid, 0)]);
            }
        }
        // One version with very many references.
        pairs.extend((0..2_000).map(|n| (50_000, n * 1_000)));
        pairs.push((Rid::MAX, 1));
        let rows = encode(&pairs);
        let mut back = Vec::new();
        for (first, bytes) in &rows {
            let mut own = Vec::new();
            decode(*first, bytes, |rid, number| own.push((rid, number))).expect("own row");
            assert_eq!(own[0].0, *first);
            let one = own.iter().all(|pair| pair.0 == *first);
            assert!(bytes.len() <= ROW_MAX_BYTES || one, "{} bytes", bytes.len());
            back.extend(own);
        }
        assert_eq!(back, pairs);
        assert!(encode(&[]).is_empty());
    }

    #[test]
    fn damaged_rows_are_told() {
        assert!(decode(1, &[0x80], |_, _| {}).is_err());
        assert!(decode(Rid::MAX, &[1, 0], |_, _| {}).is_err());
        assert!(decode(1, &[0, 1], |_, _| {}).is_err(), "a number below zero");
    }

    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use fhir_tables::ResourceType;
    use roaring::RoaringBitmap;

    use crate::{DataKey, Expect, Put, PutKind, Store, WriteSet};

    fn put(rt: ResourceType, id: &str, json: String) -> Put {
        let doc = fhir::json::Doc::parse(json.as_str()).expect("JSON");
        let values = search::index(rt, doc.root(), "");
        let meta_at = json.find("\"meta\":{").expect("meta") + 8;
        let (id, text, kind) = (id.to_owned(), json, PutKind::Write);
        Put { rt, id, kind, text, meta_at, values, references: Vec::new(), expect: Expect::Any }
    }

    fn patient(n: u32) -> Put {
        let json = format!(r#"{{"resourceType":"Patient","id":"p{n}","meta":{{}}}}"#);
        put(ResourceType::PATIENT, &format!("p{n}"), json)
    }

    fn observation(n: u32, of: u32) -> Put {
        let json = format!(
            r#"{{"resourceType":"Observation","id":"o{n}","meta":{{}},"subject":{{"reference":"Patient/p{of}"}}}}"#
        );
        put(ResourceType::OBSERVATION, &format!("o{n}"), json)
    }

    /// Columns, on disk and in memory, after updates and a start, against the values of the versions.
    #[test]
    fn columns_say_what_the_references_say() {
        let folder = std::env::temp_dir().join(format!("vitae-column-{}", std::process::id()));
        let now = Arc::new(AtomicI64::new(1_790_000_000_000));
        let clock = move || now.fetch_add(1, Ordering::SeqCst);
        let key = DataKey::random().expect("key");
        let store = Store::create(&folder, &key, Arc::new(clock.clone())).expect("store");
        let write = |store: &Store, puts: Vec<Put>| {
            store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
        };
        for n in 0..30 {
            write(&store, vec![observation(2 * n, n), patient(n), observation(2 * n + 1, n)]);
        }
        check(&store, 60);
        drop(store);
        let store = Store::open(&folder, &key, Arc::new(clock.clone())).expect("store");
        check(&store, 60);
        // Far apart: the way between is not read.
        for n in 0..3 {
            write(&store, (0..2_500).map(|i| patient(1_000 + 10_000 * n + i)).collect());
            write(&store, vec![observation(200 + n, 1_000 + 10_000 * n)]);
        }
        drop(store);
        let store = Store::open(&folder, &key, Arc::new(clock.clone())).expect("store");
        check(&store, 63);
        // Updates of both ends; a reference that leads nowhere, and one that did.
        write(&store, (0..20).map(patient).collect());
        write(&store, (0..20).map(|n| observation(n, n + 1)).collect());
        write(&store, vec![observation(100, 77)]);
        write(&store, vec![patient(77), observation(101, 77)]);
        check(&store, 64);
        drop(store);
        let store = Store::open(&folder, &key, Arc::new(clock)).expect("store");
        check(&store, 64);
        let (_, findings) = store.verify(|_, _| {}).expect("verify");
        assert_eq!(findings, []);
        drop(store);
        std::fs::remove_dir_all(&folder).expect("own folder");
    }

    fn check(store: &Store, n_linked: u64) {
        let snapshot = store.snapshot(search::Sees::everything()).expect("snapshot");
        let view = snapshot.view();
        let (subject, _) = search::params::find(ResourceType::OBSERVATION, "subject").expect("it");
        let all = view.fetch(&crate::key::of_type(ResourceType::OBSERVATION)).expect("list");
        let observations = view.current(all).expect("current");
        let mut linked = std::collections::BTreeSet::new();
        view.column(subject, &observations, |rid, first| {
            linked.insert((rid, first));
        })
        .expect("column");
        assert_eq!(linked.len() as u64, n_linked);
        let open = view.fetch(&open_key(subject)).expect("list");
        for (rid, first) in &linked {
            assert!(!open.contains(*rid));
            let (_, _, values) = view.values(*rid).expect("values");
            let (_, rt, id) = crate::writer::references(&values).next().expect("a reference");
            let current = view.ident(rt, id).expect("ident").expect("there").rid;
            let one = |rid: Rid| RoaringBitmap::from_iter([rid]);
            assert_eq!(view.firsts(&one(current)).expect("first"), one(*first));
            assert_eq!(view.currents(&one(*first)).expect("current"), one(current));
        }
        let all: RoaringBitmap = linked.iter().map(|(_, first)| *first).collect();
        let currents = view.currents(&all).expect("currents");
        assert_eq!(view.firsts(&currents).expect("firsts"), all);
    }
}
