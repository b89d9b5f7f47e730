//! What other processes write, taken into this one's index in memory.
//!
//! Where several processes share a database each of them keeps its own lists in memory of the
//! versions that are not in posting rows yet. Before it reads, it looks how far the log has come
//! and adds what is new; its own commits it adds without reading them back. Posting rows are
//! written by whichever process comes first; the others drop their lists when `flushed` has passed
//! them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::value::Indexed;

use crate::body;
use crate::column;
use crate::disk::postgres::{Connection, Head, Place};
use crate::error::{Error, Kind, Result};
use crate::flush::{Firsts, dead_chunk, left_out, longer};
use crate::key::{self, Keys};
use crate::memory::Generation;
use crate::posting;
use crate::store::Shared;
use crate::types::{ChangeKind, Rid};
use crate::writer::references;

/// Keys whose lists are written in one transaction.
const KEYS_PER_STEP: usize = 2_000;
/// Versions whose references are looked up together.
const VERSIONS_PER_STEP: usize = 2_000;
/// Time between two looks at what waits to be written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time that a store which closes gives to writing what it has in memory; the rest stays in the
/// log, and the next start reads it from there.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// How far this process has followed.
#[derive(Default)]
pub struct Follow {
    state: Mutex<State>,
    /// As in the state, to look at without waiting.
    flushed: AtomicU32,
}

struct State {
    /// Takes new versions.
    active: Arc<Generation>,
    /// First version of the active generation.
    active_from: Rid,
    /// Full ones with their last version, the oldest first.
    frozen: VecDeque<(Arc<Generation>, Rid)>,
    /// Chunks of 65536 versions in which something died since this process wrote them.
    dirty: BTreeSet<u32>,
    /// The last version whose keys are all in posting rows.
    flushed: Rid,
}

impl Default for State {
    fn default() -> State {
        State {
            active: Arc::new(Generation::new()),
            active_from: 1,
            frozen: VecDeque::new(),
            dirty: BTreeSet::new(),
            flushed: 0,
        }
    }
}

/// A version that is new to this process.
struct News {
    rid: Rid,
    rt: ResourceType,
    id: String,
    kind: ChangeKind,
    prev: Rid,
    at_ms: i64,
    values: Vec<Indexed>,
}

/// What new versions changed.
#[derive(Default)]
struct Changes {
    deaths: Vec<(Rid, Rid)>,
    types: HashMap<ResourceType, Rid>,
    last_deletion: Rid,
}

impl Follow {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Full generations that are not in posting rows yet.
    pub fn n_frozen(&self) -> usize {
        self.lock().frozen.len()
    }
}

impl State {
    /// Freezes the active generation when it is full; `last` is its last version.
    fn freeze_if_full(&mut self, shared: &Shared, last: Rid) {
        if self.active.is_full((last + 1).saturating_sub(self.active_from)) {
            self.freeze(shared, last);
        }
    }

    /// Freezes the active generation, whose last version is `last`.
    fn freeze(&mut self, shared: &Shared, last: Rid) {
        if last < self.active_from {
            return;
        }
        let fresh = Arc::new(Generation::new());
        let full = std::mem::replace(&mut self.active, fresh.clone());
        shared.set_generations(|list| list.push(fresh));
        self.frozen.push_back((full, last));
        self.active_from = last + 1;
    }

    /// Drops generations whose keys are all in posting rows.
    fn drop_flushed(&mut self, shared: &Shared, flushed: Rid) {
        self.flushed = self.flushed.max(flushed);
        while let Some((done, _)) = self.frozen.pop_front_if(|(_, last)| *last <= flushed) {
            shared.lists.generation_is_on_disk(&done, || {
                shared.set_generations(|list| list.retain(|g| !Arc::ptr_eq(g, &done)));
            });
        }
        shared.follow.flushed.store(self.flushed, Ordering::SeqCst);
    }
}

/// Looks how far the log has come and takes in what is new.
pub fn catch_up(shared: &Shared, database: &Connection) -> Result<()> {
    let (last, flushed) = database.last_and_flushed()?;
    follow(shared, database, last, flushed)
}

/// Takes in the log up to `last`.
pub fn follow(shared: &Shared, database: &Connection, last: Rid, flushed: Rid) -> Result<()> {
    let is_new = last > shared.live(|live| live.at)
        || flushed > shared.follow.flushed.load(Ordering::SeqCst);
    if !is_new {
        return Ok(());
    }
    let mut state = shared.follow.lock();
    let at = shared.live(|live| live.at);
    if last > at {
        let changes = match gather(shared, database, &state.active, at, last) {
            Ok(changes) => changes,
            Err(e) => {
                state.active.drop_from(at + 1);
                return Err(e);
            }
        };
        state.dirty.extend(changes.deaths.iter().map(|(_, victim)| victim >> 16));
        for (rt, rid) in &changes.types {
            shared.type_changed[usize::from(rt.0)].fetch_max(*rid, Ordering::SeqCst);
        }
        shared.last_deletion.fetch_max(changes.last_deletion, Ordering::SeqCst);
        shared.live_mut(|live| live.publish(last, &changes.deaths));
        state.freeze_if_full(shared, last);
    }
    state.drop_flushed(shared, flushed);
    Ok(())
}

/// At the start: what is dead, and the lists that were not in posting rows yet.
pub fn recover(shared: &Shared, database: &Connection, head: &Head) -> Result<()> {
    let mut dead = RoaringBitmap::new();
    database.dead(|bytes| {
        dead |= RoaringBitmap::deserialize_from(bytes)
            .map_err(|e| Error::with(Kind::Corrupt, "a bitmap is damaged", e))?;
        Ok(())
    })?;
    let mut state = shared.follow.lock();
    state.active_from = head.flushed + 1;
    let changes = gather(shared, database, &state.active, head.flushed, head.last)?;
    state.dirty = changes.deaths.iter().map(|(_, victim)| victim >> 16).collect();
    let active = state.active.clone();
    shared.set_generations(|list| *list = vec![active]);
    shared.live_mut(|live| {
        live.dead = dead;
        live.recover(head.flushed);
        live.publish(head.last, &changes.deaths);
    });
    // What changed before the start is not known by type: searches are checked again.
    shared.type_changed.iter().for_each(|t| t.store(head.last, Ordering::SeqCst));
    shared.last_deletion.store(changes.last_deletion.max(head.flushed), Ordering::SeqCst);
    state.freeze_if_full(shared, head.last);
    state.drop_flushed(shared, head.flushed);
    Ok(())
}

/// Makes a commit of this process visible, unless a reader has taken it from the log already.
///
/// `base`: its first version; `next`: the one behind its last. `index` adds its keys, publishes it
/// and gives the versions that it replaced.
pub fn publish_own(
    shared: &Shared,
    base: Rid,
    next: Rid,
    index: impl FnOnce(&Generation) -> Vec<Rid>,
) {
    let mut state = shared.follow.lock();
    if next <= base || shared.live(|live| live.at) >= base {
        return;
    }
    let victims = index(&state.active);
    state.dirty.extend(victims.iter().map(|victim| victim >> 16));
    state.freeze_if_full(shared, next - 1);
}

/// Adds the versions above `after` up to `upto` to a generation.
fn gather(
    shared: &Shared,
    database: &Connection,
    generation: &Generation,
    after: Rid,
    upto: Rid,
) -> Result<Changes> {
    let mut changes = Changes::default();
    let mut firsts = Firsts::default();
    let mut news: Vec<News> = Vec::new();
    let mut bodies = body::Reader::new(shared.dictionaries.clone());
    database.log_upto(after, upto, |row| {
        let mut values = match row.kind {
            ChangeKind::Delete => Vec::new(),
            _ => unpack(shared, database, row.packed)?,
        };
        values.extend(left_out(&row, || {
            database.body(row.kind, row.dictionary, row.size, row.body, &mut bodies)
        })?);
        let (rid, rt, kind, prev, at_ms) = (row.rid, row.rt, row.kind, row.prev, row.at_ms);
        news.push(News { rid, rt, id: row.id.to_owned(), kind, prev, at_ms, values });
        if news.len() >= VERSIONS_PER_STEP {
            add(shared, database, generation, &news, &mut firsts, &mut changes)?;
            news.clear();
        }
        Ok(())
    })?;
    add(shared, database, generation, &news, &mut firsts, &mut changes)?;
    Ok(changes)
}

/// Unpacks values; systems that another process has numbered are looked up.
fn unpack(shared: &Shared, database: &Connection, packed: &[u8]) -> Result<Vec<Indexed>> {
    if let Ok(values) = shared.unpack(packed) {
        return Ok(values);
    }
    let from = shared.systems.next();
    shared.systems.extend(from, database.systems(from)?);
    shared.unpack(packed)
}

fn add(
    shared: &Shared,
    database: &Connection,
    generation: &Generation,
    news: &[News],
    firsts: &mut Firsts,
    changes: &mut Changes,
) -> Result<()> {
    let named = news.iter().flat_map(|n| {
        let own = (n.rt, n.id.as_str());
        references(&n.values).map(|(_, rt, id)| (rt, id)).chain(std::iter::once(own))
    });
    firsts.learn(database, named)?;
    for n in news {
        if n.prev > 0 {
            changes.deaths.push((n.rid, n.prev));
        }
        let last = changes.types.entry(n.rt).or_default();
        *last = n.rid.max(*last);
        if n.kind == ChangeKind::Delete {
            changes.last_deletion = n.rid;
            generation.add(n.rid, Keys::of_deletion(n.rt).iter());
            continue;
        }
        let mut keys = Keys::of(n.rt, &n.values, &mut |text| shared.systems.number(text));
        let (numbers, open) = firsts.numbers(database, n.rid, n.rt, &n.id, &n.values)?;
        generation.add_numbers(n.rid, &numbers);
        let updated = key::updated(n.rt, n.at_ms);
        open.iter().chain(&updated).for_each(|key| keys.push(key));
        generation.add(n.rid, keys.iter());
    }
    Ok(())
}

/// When the thread stops writing.
#[derive(Default)]
struct Stop(Mutex<Option<Instant>>);

impl Stop {
    fn at(&self, instant: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(instant);
    }

    fn is_now(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| Instant::now() >= at)
    }
}

/// The thread that writes full generations to posting rows.
pub struct Flusher {
    to_thread: Option<mpsc::SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    stop: Arc<Stop>,
    /// The last try has failed.
    fails: Arc<AtomicBool>,
}

impl Flusher {
    pub fn start(shared: &Arc<Shared>, place: &Arc<Place>) -> Result<Flusher> {
        let (to_thread, wanted) = mpsc::sync_channel(1);
        let (stop, fails) = (Arc::new(Stop::default()), Arc::new(AtomicBool::new(false)));
        let (shared, place) = (shared.clone(), place.clone());
        let (stops, failed) = (stop.clone(), fails.clone());
        let thread = std::thread::Builder::new().name("store-flush".into()).spawn(move || {
            let database = Connection::new(place);
            loop {
                let wanted = wanted.recv_timeout(LOOK_EVERY);
                let is_last = matches!(wanted, Err(mpsc::RecvTimeoutError::Disconnected));
                if is_last {
                    let last = shared.live(|live| live.at);
                    shared.follow.lock().freeze(&shared, last);
                }
                while !stops.is_now() && shared.follow.n_frozen() > 0 {
                    let done = flush_oldest(&shared, &database, &stops);
                    failed.store(done.is_err(), Ordering::SeqCst);
                    if !matches!(done, Ok(true)) {
                        database.abandon();
                        break;
                    }
                }
                if is_last {
                    return;
                }
            }
        })?;
        Ok(Flusher { to_thread: Some(to_thread), thread: Some(thread), stop, fails })
    }

    /// There may be something to write.
    pub fn look(&self) {
        if let Some(to_thread) = &self.to_thread {
            // One is waiting already: enough.
            let _waiting = to_thread.try_send(());
        }
    }

    /// Whether it is worth waiting for.
    pub fn goes_on(&self) -> bool {
        self.look();
        !self.fails.load(Ordering::SeqCst)
    }

    /// Writes what is in memory, so that the next start need not read it back, and ends.
    pub fn stop(&mut self) {
        self.stop.at(Instant::now() + CLOSING_MAX);
        self.to_thread = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Writes the oldest full generation. False: another process is writing, or it was stopped.
fn flush_oldest(shared: &Shared, database: &Connection, stop: &Stop) -> Result<bool> {
    let Some((generation, last)) = shared.follow.lock().frozen.front().cloned() else {
        return Ok(true);
    };
    let mut done: Option<Box<[u8]>> = None;
    loop {
        if stop.is_now() || !database.begin_flush()? {
            return Ok(false);
        }
        let flushed = database.flushed()?;
        if flushed >= last {
            database.abandon();
            break;
        }
        let batch = generation.next(done.as_deref(), KEYS_PER_STEP);
        if batch.is_empty() {
            let dirty = std::mem::take(&mut shared.follow.lock().dirty);
            let written = write_rest(shared, database, &generation, &dirty, (flushed, last))
                .and_then(|()| database.commit_open());
            if written.is_err() {
                shared.follow.lock().dirty.extend(dirty);
            }
            written?;
            break;
        }
        write_lists(database, &batch)?;
        database.commit_open()?;
        done = batch.into_iter().next_back().map(|(key, _)| key);
    }
    catch_up(shared, database)?;
    Ok(true)
}

fn write_lists(database: &Connection, batch: &[(Box<[u8]>, Vec<Rid>)]) -> Result<()> {
    let keys: Vec<&[u8]> = batch.iter().map(|(key, _)| &key[..]).collect();
    let lasts = database.last_postings(&keys)?;
    let mut rows = Vec::with_capacity(batch.len());
    for (key, rids) in batch {
        let own = match lasts.get(&key[..]) {
            Some((first, bytes)) => longer(*first, bytes, rids)?,
            None => posting::encode(rids),
        };
        rows.extend(own.into_iter().map(|(first, bytes)| (&key[..], first, bytes)));
    }
    database.put_postings(&rows)
}

/// Columns and what is dead, with `flushed`: in one transaction, so that no version stands in two
/// rows of a column.
fn write_rest(
    shared: &Shared,
    database: &Connection,
    generation: &Generation,
    dirty: &BTreeSet<u32>,
    (flushed, last): (Rid, Rid),
) -> Result<()> {
    for (p, rows) in generation.columns_after(flushed) {
        let key = column::key(p);
        let rows: Vec<_> =
            rows.into_iter().map(|(first, bytes)| (&key[..], first, bytes)).collect();
        database.put_postings(&rows)?;
    }
    for chunk in dirty {
        database.put_dead_chunk(*chunk, &dead_chunk(shared, *chunk)?)?;
    }
    database.set_flushed(last)
}
