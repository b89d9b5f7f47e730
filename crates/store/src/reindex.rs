//! A search parameter that begins to exist: values of old versions are added, a slice at a time.
//!
//! Keys of a custom parameter belong to it alone. Versions that are written once it is known add
//! to their ends as always; versions from before are put in here, in ascending slices, each in a
//! transaction of its own with the place reached. A slice may be written twice.

use std::collections::BTreeMap;
use std::sync::mpsc;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::value::{Indexed, ParamId};

use crate::disk::sqlite::Connection;
use crate::error::Result;
use crate::key::{self, Keys};
use crate::posting;
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
    /// Where the work stands after this slice.
    pub item: ItemOp,
}

impl Store {
    /// Writes a slice; it is on disk when the call returns.
    ///
    /// Errors: `Misuse` where the record is in a database that other processes write, too.
    pub fn reindex(&self, slice: Reindex) -> Result<()> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Reindex { slice, reply })?;
        answer.recv().unwrap_or_else(|_| Err(self.stopped()))
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

/// Puts a slice into packed values and posting lists, inside a transaction.
pub fn write(connection: &Connection, shared: &Shared, slice: &Reindex) -> Result<()> {
    let mut lists: BTreeMap<Vec<u8>, Vec<Rid>> = BTreeMap::new();
    for (rid, rt, values) in &slice.versions {
        let mut all = connection.values(*rid, |_, _, packed| shared.unpack(packed))?;
        all.retain(|value| value.param != slice.param);
        all.extend(values.iter().cloned());
        let mut number = |text: &str| shared.systems.number(text);
        connection.set_packed(*rid, &search::pack::pack(&all, &mut number))?;
        let keys = Keys::of(*rt, values, &mut number);
        // The first key is that of the type, which the version has already.
        for key in keys.iter().skip(1) {
            let rids = lists.entry(key.to_vec()).or_default();
            if rids.last() != Some(rid) {
                rids.push(*rid);
            }
        }
    }
    for (key, rids) in &lists {
        merge(connection, key, rids)?;
    }
    let item = &slice.item;
    connection.put_item(item.collection, &item.key, item.value.as_deref())
}

/// Adds versions, ascending, anywhere in the list of a key.
fn merge(connection: &Connection, key: &[u8], rids: &[Rid]) -> Result<()> {
    let (Some(low), Some(high)) = (rids.first(), rids.last()) else { return Ok(()) };
    let mut all = RoaringBitmap::new();
    let mut touched = Vec::new();
    connection.postings(key, *low, *high, |first, bytes| {
        posting::decode(first, bytes, &mut all)?;
        touched.push(first);
        Ok(true)
    })?;
    all.extend(rids);
    for first in touched {
        connection.drop_posting(key, first)?;
    }
    let all: Vec<Rid> = all.iter().collect();
    for (first, bytes) in posting::encode(&all) {
        connection.put_posting(key, first, &bytes)?;
    }
    Ok(())
}
