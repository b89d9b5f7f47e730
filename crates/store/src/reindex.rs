//! A search parameter that begins to exist: values of old versions are added, a slice at a time.
//!
//! Keys of a custom parameter belong to it alone. Versions that are written once it is known add
//! to their ends as always; versions from before are put in here, in ascending slices, each in a
//! transaction of its own with the place reached. A slice may be written twice: by two processes
//! that share a database, the place decides, which one of them only can move.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::value::{Indexed, ParamId};

use crate::disk::postgres;
use crate::disk::sqlite::Connection;
use crate::error::{Error, Result};
use crate::key::{self, Keys};
use crate::posting::{self, Row};
use crate::snapshot::Snapshot;
use crate::store::{Shared, Store};
use crate::types::{ItemOp, Rid, Version};
use crate::writer::Message;

/// What a slice of versions has under one parameter.
#[derive(Debug)]
pub struct Reindex {
    pub param: ParamId,
    /// Versions in ascending order, with all their values of the parameter.
    pub versions: Vec<(Rid, ResourceType, Vec<Indexed>)>,
    /// What the item said where the slice begins.
    pub before: Vec<u8>,
    /// Where the work stands after this slice.
    pub item: ItemOp,
}

/// Lists of a slice, by key.
type Lists = BTreeMap<Vec<u8>, Vec<Rid>>;

impl Store {
    /// Writes a slice; it is on disk when the call returns true. False: nothing was written,
    /// because the item says something else by now, or another process is busy with the index.
    pub fn reindex(&self, slice: Reindex) -> Result<bool> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Reindex { slice, reply })?;
        answer.recv().unwrap_or_else(|_| Err(self.stopped()))
    }

    /// The last version of a type that this process knows of; later ones are there when others
    /// write too, or before the first snapshot.
    pub fn last_of(&self, rt: ResourceType) -> Rid {
        self.shared().type_changed[usize::from(rt.0)].load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Snapshot {
    /// Versions of a type behind `after` in commit order, deletions left out, at most `limit`.
    pub fn versions_of(
        &mut self,
        rt: ResourceType,
        after: Rid,
        limit: usize,
    ) -> Result<Vec<Version>> {
        self.with(|view, bodies| {
            let all = view.fetch(&key::of_type(rt))?;
            let mut rids = all.iter();
            rids.advance_to(after.saturating_add(1));
            let rids: Vec<Rid> = rids.take_while(|rid| *rid <= view.at).take(limit).collect();
            view.versions(&rids, bodies)
        })
    }
}

/// Puts the values of a slice into packed ones, and their keys into lists. Unless all of it succeeds
/// the transaction must not be committed.
fn pack(
    shared: &Shared,
    slice: &Reindex,
    mut packed_of: impl FnMut(Rid) -> Result<Vec<u8>>,
    mut put: impl FnMut(Rid, Vec<u8>) -> Result<()>,
) -> Result<Lists> {
    let mut lists = Lists::new();
    let mut failure = None;
    let mut number = |text: &str| {
        shared.system_number(text).unwrap_or_else(|e| {
            failure = Some(e);
            0
        })
    };
    for (rid, rt, values) in &slice.versions {
        let mut all = shared.unpack(&packed_of(*rid)?)?;
        all.retain(|value| value.param != slice.param);
        all.extend(values.iter().cloned());
        put(*rid, search::pack::pack(&all, &mut number))?;
        let keys = Keys::of(*rt, values, &mut number);
        // The first key is that of the type, which the version has already.
        for key in keys.iter().skip(1) {
            let rids = lists.entry(key.to_vec()).or_default();
            if rids.last() != Some(rid) {
                rids.push(*rid);
            }
        }
    }
    match failure {
        Some(e) => Err(e),
        None => Ok(lists),
    }
}

/// Puts a slice into packed values and posting lists, inside a transaction.
pub fn write(connection: &Connection, shared: &Shared, slice: &Reindex) -> Result<bool> {
    let item = &slice.item;
    if connection.item(item.collection, &item.key)?.as_ref() != Some(&slice.before) {
        return Ok(false);
    }
    let packed_of = |rid| connection.values(rid, |_, _, packed| Ok(packed.to_vec()));
    let put = |rid, packed: Vec<u8>| connection.set_packed(rid, &packed);
    for (key, rids) in pack(shared, slice, packed_of, put)? {
        let (Some(low), Some(high)) = (rids.first(), rids.last()) else { continue };
        let mut rows = Vec::new();
        connection.postings(&key, *low, *high, |first, bytes| {
            rows.push((first, bytes.to_vec()));
            Ok(true)
        })?;
        for (first, _) in &rows {
            connection.drop_posting(&key, *first)?;
        }
        for (first, bytes) in merged(&rows, &rids)? {
            connection.put_posting(&key, first, &bytes)?;
        }
    }
    connection.put_item(item.collection, &item.key, item.value.as_deref())?;
    Ok(true)
}

/// As [`write`] in a database that other processes write too; commits.
pub fn write_shared(
    database: &postgres::Connection,
    shared: &Shared,
    slice: &Reindex,
) -> Result<bool> {
    // Posting rows are written by one process at a time.
    if !database.begin_flush()? || !database.swap_item(&slice.item, &slice.before)? {
        return Ok(false);
    }
    let mut packed: HashMap<Rid, Vec<u8>> = HashMap::new();
    let rids: RoaringBitmap = slice.versions.iter().map(|(rid, _, _)| *rid).collect();
    database.each_values(&rids, |rid, _, _, bytes| {
        packed.insert(rid, bytes.to_vec());
        Ok(())
    })?;
    let mut changed: Vec<(Rid, Vec<u8>)> = Vec::with_capacity(slice.versions.len());
    let packed_of = |rid| packed.remove(&rid).ok_or_else(|| Error::corrupt("a version is missing"));
    let put = |rid, bytes| {
        changed.push((rid, bytes));
        Ok(())
    };
    let lists = pack(shared, slice, packed_of, put)?;
    database.set_packed(&changed)?;
    let (Some(low), Some(high)) = (rids.min(), rids.max()) else {
        database.commit_open()?;
        return Ok(true);
    };
    let keys: Vec<&[u8]> = lists.keys().map(|key| &key[..]).collect();
    let mut there = database.take_postings(&keys, low, high)?;
    let mut rows = Vec::new();
    for (key, rids) in &lists {
        let own = there.remove(key).unwrap_or_default();
        rows.extend(merged(&own, rids)?.into_iter().map(|(first, bytes)| (key, first, bytes)));
    }
    database.put_postings(&rows)?;
    database.commit_open()?;
    Ok(true)
}

/// Rows of a key with these versions, ascending, in their places.
fn merged(rows: &[Row], rids: &[Rid]) -> Result<Vec<Row>> {
    let mut all: RoaringBitmap = rids.iter().copied().collect();
    for (first, bytes) in rows {
        all |= posting::decoded(*first, bytes)?;
    }
    let all: Vec<Rid> = all.iter().collect();
    Ok(posting::encode(&all))
}
