//! From lists in memory to lists on disk.
//!
//! The active generation takes new versions. When it is full and nothing else is being written it
//! is frozen, and its keys are written in key order, a part with every commit, so that no single
//! commit waits for all of it. When the last key is written, `flushed` moves up to its last
//! version and the generation is dropped.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::body;
use crate::column;
use crate::disk::{Connection, LogRow, sqlite};
use crate::error::{Error, Result};
use crate::key::{self, Keys};
use crate::memory::{GENERATION_MAX_VERSIONS, Generation};
use crate::posting;
use crate::run::Builder;
use crate::store::Shared;
use crate::types::{ChangeKind, Rid};
use crate::view::left_out_of_body;
use crate::writer::references;
use fhir_tables::ResourceType;
use search::value::{Indexed, ParamId};

/// Keys written with a commit, at least, while a generation is being written.
const STEP_KEYS_MIN: usize = 64;

struct Frozen {
    generation: Arc<Generation>,
    /// Last version in it.
    last: Rid,
    n_keys: usize,
    /// Keys up to here are on disk.
    done: Option<Box<[u8]>>,
    /// As `done`, inside the transaction that is being made; `None` behind the last key.
    step: Option<Option<Box<[u8]>>>,
}

pub struct Flusher {
    active: Arc<Generation>,
    /// First version of the active generation.
    active_from: Rid,
    frozen: Option<Frozen>,
    /// Chunks of 65536 versions in which something died since they were last written.
    dirty: std::collections::BTreeSet<u32>,
    /// Deaths up to this version are in `dirty`.
    noted: Rid,
}

impl Flusher {
    /// Reads what is dead and gathers the lists that were not on disk yet.
    pub fn recover(connection: &Connection, shared: &Shared, next: Rid) -> Result<Flusher> {
        let flushed = connection.flushed()?;
        let mut dead = RoaringBitmap::new();
        connection.dead(|bytes| {
            dead |= RoaringBitmap::deserialize_from(bytes)
                .map_err(|e| Error::with(crate::Kind::Corrupt, "a bitmap is damaged", e))?;
            Ok(())
        })?;
        let active = Arc::new(Generation::new());
        let mut deaths = Vec::new();
        let mut last_deletion = 0;
        let mut firsts = Firsts::default();
        let mut bodies = body::Reader::new(shared.dictionaries.clone());
        let mut gathered = Gathered::new(&active);
        connection.log(flushed, |row| {
            if row.prev > 0 {
                deaths.push((row.rid, row.prev));
            }
            if row.kind == ChangeKind::Delete {
                last_deletion = row.rid;
                gathered.add(row.rid, &Keys::of_deletion(row.rt));
                return Ok(());
            }
            let mut values = shared.unpack(row.packed)?;
            values.extend(left_out(&row, || {
                connection.body(row.kind, row.dictionary, row.size, row.body, &mut bodies)
            })?);
            let mut keys = Keys::of(row.rt, &values, &mut |text| shared.systems.number(text));
            let (numbers, open) = firsts.numbers(connection, row.rid, row.rt, row.id, &values)?;
            active.add_numbers(row.rid, &numbers);
            let updated = key::updated(row.rt, row.at_ms);
            open.iter().chain(&updated).for_each(|key| keys.push(key));
            gathered.add(row.rid, &keys);
            Ok(())
        })?;
        gathered.finish();
        let at = next - 1;
        let dirty = deaths.iter().map(|(_, victim)| victim >> 16).collect();
        shared.set_generations(|list| *list = vec![active.clone()]);
        shared.live_mut(|live| {
            live.dead = dead;
            live.recover(flushed);
            live.publish(at, &deaths);
        });
        // What changed before the start is not known by type: searches are checked again.
        shared.type_changed.iter().for_each(|t| t.store(at, std::sync::atomic::Ordering::SeqCst));
        shared.last_deletion.store(last_deletion.max(flushed), std::sync::atomic::Ordering::SeqCst);
        let active_from = flushed + 1;
        Ok(Flusher { active, active_from, frozen: None, dirty, noted: at })
    }

    /// The generation that takes new versions.
    pub fn active(&self) -> Arc<Generation> {
        self.active.clone()
    }

    pub fn has_work(&self) -> bool {
        self.frozen.is_some()
    }

    /// Writes a part of the frozen generation: in proportion to the versions that came in, and at
    /// least `idle_keys`.
    pub fn step(
        &mut self,
        connection: &sqlite::Connection,
        shared: &Shared,
        n_puts: u32,
        idle_keys: usize,
    ) -> Result<()> {
        let Some(frozen) = &mut self.frozen else { return Ok(()) };
        if n_puts == 0 && idle_keys == 0 {
            return Ok(());
        }
        // Done when the active generation is half full.
        let share = frozen.n_keys * n_puts as usize * 2 / GENERATION_MAX_VERSIONS as usize;
        let n = share.max(idle_keys).max(STEP_KEYS_MIN);
        let batch = frozen.generation.next(frozen.done.as_deref(), n);
        let mut rows = connection.posting_writer()?;
        for (key, rids) in &batch {
            write_list(&mut rows, key, rids)?;
        }
        if batch.len() == n {
            frozen.step = Some(batch.into_iter().next_back().map(|(key, _)| key));
            return Ok(());
        }
        write_columns(connection, &frozen.generation)?;
        write_dead(connection, shared, &self.dirty)?;
        connection.set_meta("flushed", &frozen.last.to_le_bytes())?;
        frozen.step = Some(None);
        Ok(())
    }

    /// The transaction did not happen.
    pub fn rolled_back(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            frozen.step = None;
        }
    }

    /// The transaction is on disk.
    pub fn committed(&mut self, shared: &Shared, next: Rid) {
        if let Some(frozen) = &mut self.frozen
            && let Some(step) = frozen.step.take()
        {
            match step {
                Some(key) => frozen.done = Some(key),
                None => {
                    let done = frozen.generation.clone();
                    shared.lists.generation_is_on_disk(&done, || {
                        shared.set_generations(|list| list.retain(|g| !Arc::ptr_eq(g, &done)));
                    });
                    // States that nobody reads would keep it in memory.
                    shared.readers.end_idle();
                    self.frozen = None;
                    self.dirty.clear();
                }
            }
        }
        // Only now: what died in this very commit is not in the chunks just written.
        self.note_deaths(shared);
        if self.frozen.is_none() && self.active.is_full(next - self.active_from) {
            self.freeze_all(shared, next);
        }
    }

    fn note_deaths(&mut self, shared: &Shared) {
        let noted = self.noted;
        self.noted = shared.live(|live| {
            live.each_death_after(noted, |victim| {
                self.dirty.insert(victim >> 16);
            });
            live.at
        });
    }

    /// Freezes the active generation, if it holds anything and nothing else is frozen.
    pub fn freeze_all(&mut self, shared: &Shared, next: Rid) {
        if self.frozen.is_some() || next == self.active_from {
            return;
        }
        let fresh = Arc::new(Generation::new());
        let full = std::mem::replace(&mut self.active, fresh.clone());
        shared.set_generations(|list| list.push(fresh));
        self.frozen = Some(Frozen {
            n_keys: full.n_keys(),
            generation: full,
            last: next - 1,
            done: None,
            step: None,
        });
        self.active_from = next;
    }
}

/// Versions that follow each other, put into a generation as runs.
struct Gathered<'g> {
    generation: &'g Generation,
    builder: Builder,
    /// The first version in the builder.
    base: Rid,
    n: u32,
}

impl Gathered<'_> {
    /// Versions of one run.
    const RUN_VERSIONS: u32 = 4_096;

    fn new(generation: &Generation) -> Gathered<'_> {
        Gathered { generation, builder: Builder::default(), base: 0, n: 0 }
    }

    fn add(&mut self, rid: Rid, keys: &Keys) {
        if self.n == 0 {
            self.base = rid;
        }
        self.builder.add(rid - self.base, keys.iter());
        self.n += 1;
        if self.n == Gathered::RUN_VERSIONS {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if self.n > 0 {
            self.generation.add_run(self.base, Arc::new(self.builder.finish()));
            self.n = 0;
        }
    }
}

/// Values with keys that do not stand with a version: its body tells them.
pub fn left_out(row: &LogRow<'_>, body: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<Indexed>> {
    if row.kind == ChangeKind::Delete {
        return Ok(Vec::new());
    }
    left_out_of_body(row.rt, body()?)
}

/// First versions of resources, remembered while a generation is gathered again.
#[derive(Default)]
pub struct Firsts {
    known: std::collections::HashMap<(ResourceType, String), Option<Rid>>,
}

/// Numbers of a version in columns, and the keys of its references that lead nowhere.
pub type Beside = (Vec<(ParamId, Rid)>, Vec<Vec<u8>>);

/// Where first versions are looked up.
pub trait FirstVersions {
    /// The first version of a resource.
    fn first(&self, rt: ResourceType, id: &str) -> Result<Option<Rid>>;
    /// As `first` for many, in their order.
    fn many(&self, of: &[(ResourceType, &str)]) -> Result<Vec<Option<Rid>>>;
}

impl FirstVersions for Connection {
    fn first(&self, rt: ResourceType, id: &str) -> Result<Option<Rid>> {
        self.first_version(rt, id)
    }

    fn many(&self, of: &[(ResourceType, &str)]) -> Result<Vec<Option<Rid>>> {
        self.first_versions(of)
    }
}

impl FirstVersions for crate::disk::postgres::Connection {
    fn first(&self, rt: ResourceType, id: &str) -> Result<Option<Rid>> {
        self.first_version(rt, id)
    }

    fn many(&self, of: &[(ResourceType, &str)]) -> Result<Vec<Option<Rid>>> {
        self.first_versions(of)
    }
}

impl Firsts {
    /// Looks up at once those of `named` that are not known.
    pub fn learn<'n>(
        &mut self,
        connection: &dyn FirstVersions,
        named: impl Iterator<Item = (ResourceType, &'n str)>,
    ) -> Result<()> {
        let mut unknown: Vec<(ResourceType, &str)> = named.collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|(rt, id)| !self.known.contains_key(&(*rt, (*id).to_owned())));
        let found = connection.many(&unknown)?;
        for ((rt, id), first) in unknown.iter().zip(found) {
            self.known.insert((*rt, (*id).to_owned()), first);
        }
        Ok(())
    }

    fn of(
        &mut self,
        connection: &dyn FirstVersions,
        rt: ResourceType,
        id: &str,
    ) -> Result<Option<Rid>> {
        let key = (rt, id.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let found = connection.first(rt, id)?;
        self.known.insert(key, found);
        Ok(found)
    }

    /// What stands beside a version, and the keys of references that lead nowhere: as the writer
    /// gave them to the generation.
    pub fn numbers(
        &mut self,
        connection: &dyn FirstVersions,
        rid: Rid,
        rt: ResourceType,
        id: &str,
        values: &[Indexed],
    ) -> Result<Beside> {
        let mut numbers = Vec::new();
        let mut open = Vec::new();
        for (p, rt, id) in references(values) {
            match self.of(connection, rt, id)? {
                Some(first) => numbers.push((p, first)),
                None => open.push(column::open_key(p)),
            }
        }
        if let Some(first) = self.of(connection, rt, id)?.filter(|first| *first != rid) {
            numbers.push((column::FIRST, first));
        }
        Ok((numbers, open))
    }
}

/// Adds versions to the list of a key. Those that are there already are left out: after a crash
/// some keys are written a second time.
fn write_list(rows: &mut sqlite::PostingWriter<'_>, key: &[u8], rids: &[Rid]) -> Result<()> {
    let Some((first, bytes)) = rows.last(key)? else {
        for (first, bytes) in posting::encode(rids) {
            rows.put(key, first, &bytes)?;
        }
        return Ok(());
    };
    let mut own = longer(first, &bytes, rids)?.into_iter();
    if let Some((first, bytes)) = own.next() {
        rows.replace(key, first, &bytes)?;
    }
    for (first, bytes) in own {
        rows.put(key, first, &bytes)?;
    }
    Ok(())
}

/// Rows in place of the last one of a key, with more versions. None when it holds them all.
pub fn longer(first: Rid, bytes: &[u8], rids: &[Rid]) -> Result<Vec<posting::Row>> {
    if let Some(bytes) = posting::append(first, bytes, rids) {
        return Ok(vec![(first, bytes)]);
    }
    let bitmap = posting::decoded(first, bytes)?;
    let highest = bitmap.max().unwrap_or(first);
    let fresh: Vec<Rid> = rids.iter().copied().filter(|rid| *rid > highest).collect();
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let mut all: Vec<Rid> = bitmap.iter().collect();
    all.extend(fresh);
    Ok(posting::encode(&all))
}

/// Columns are written whole, with `flushed`: never twice.
fn write_columns(connection: &sqlite::Connection, generation: &Generation) -> Result<()> {
    for (p, rows) in generation.columns() {
        let key = column::key(p);
        for (first, bytes) in rows {
            connection.put_posting(&key, first, &bytes)?;
        }
    }
    Ok(())
}

fn write_dead(
    connection: &sqlite::Connection,
    shared: &Shared,
    dirty: &std::collections::BTreeSet<u32>,
) -> Result<()> {
    for chunk in dirty {
        connection.put_dead(*chunk, &dead_chunk(shared, *chunk)?)?;
    }
    Ok(())
}

/// The bitmap of the versions of a chunk that are not current.
pub fn dead_chunk(shared: &Shared, chunk: u32) -> Result<Vec<u8>> {
    let bytes = shared.live(|live| {
        let first = chunk << 16;
        let mut part = RoaringBitmap::new();
        part.insert_range(first..=first | 0xFFFF);
        part &= &live.dead;
        let mut bytes = Vec::new();
        part.serialize_into(&mut bytes).map(|()| bytes)
    })?;
    Ok(bytes)
}
