//! The open store: shared state, opening and closing, the calls that lead to the writer.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::Sees;
use search::custom::Registry;
use search::value::{Indexed, ParamId};

use crate::body::Dictionaries;
use crate::disk::{Connection, postgres, schema, sqlite};
use crate::encode::Encoder;
use crate::error::{CommitError, Error, Kind, Result};
use crate::fold::Fold;
use crate::follow::{self, Follow};
use crate::key::Keys;
use crate::keyring::DataKey;
use crate::lists::Lists;
use crate::memory::Generation;
use crate::readers::Readers;
use crate::run::{RUN_MIN_PUTS, Run};
use crate::snapshot::Snapshot;
use crate::systems::Systems;
use crate::types::{Check, Committed, Put, PutKind, Rid, WriteSet};
use crate::writer::{self, Job, Link, Message, PreparedPut, PreparedSet};

/// Readers at work at a time, each with a cache of its own; the others wait for their turn.
const READERS_MAX: usize = 8;
/// As [`READERS_MAX`] for connections to a server, which works on them beside us.
const CONNECTIONS_MAX: usize = 24;
/// Deaths kept in memory for snapshots of the recent past.
const DEATHS_KEPT: usize = 65_536;

/// Time in UTC milliseconds; given by the caller so that tests and simulation own it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What is published: readers see exactly this.
pub struct Live {
    pub at: Rid,
    /// Versions that are not current. Deletions are not in here: no search key leads to them.
    pub dead: RoaringBitmap,
    /// (version that replaced, version replaced), the newest last.
    deaths: VecDeque<(Rid, Rid)>,
    /// `deaths` is complete for replacing versions above this.
    deaths_from: Rid,
}

impl Live {
    /// Calls `each` for versions that died after `at`.
    pub fn revived(&self, connection: &Connection, at: Rid, each: impl FnMut(Rid)) -> Result<()> {
        if at >= self.deaths_from {
            self.each_death_after(at, each);
            return Ok(());
        }
        connection.each_death(at, each)
    }

    /// After a start: deaths up to `flushed` are in `dead` alone.
    pub fn recover(&mut self, flushed: Rid) {
        self.deaths.clear();
        self.deaths_from = flushed;
    }

    /// Calls `each` for what the versions above `at` replaced. `at` must be recent.
    pub fn each_death_after(&self, at: Rid, mut each: impl FnMut(Rid)) {
        let recent = self.deaths.iter().rev().take_while(|(killer, _)| *killer > at);
        recent.for_each(|(_, victim)| each(*victim));
    }

    /// Makes a commit visible.
    pub fn publish(&mut self, at: Rid, deaths: &[(Rid, Rid)]) {
        self.at = at;
        for (killer, victim) in deaths {
            self.dead.insert(*victim);
            self.deaths.push_back((*killer, *victim));
        }
        while self.deaths.len() > DEATHS_KEPT {
            if let Some((killer, _)) = self.deaths.pop_front() {
                self.deaths_from = killer;
            }
        }
    }
}

/// Where the record is kept.
pub enum Home {
    Folder { folder: PathBuf, key: DataKey },
    Database(Arc<postgres::Place>),
}

/// State that readers and the writer share.
pub struct Shared {
    pub home: Home,
    /// What other processes have written, where they can.
    pub follow: Follow,
    pub clock: Clock,
    live: RwLock<Live>,
    /// Oldest first; the last one takes new versions.
    generations: RwLock<Vec<Arc<Generation>>>,
    /// Long lists that were read from disk.
    pub lists: Lists,
    pub systems: Systems,
    custom: RwLock<Arc<Registry>>,
    pub dictionaries: Arc<Dictionaries>,
    /// For the bodies of large sets.
    pub encoder: Encoder,
    /// Not at work.
    pub readers: Readers,
    failed: AtomicBool,
    /// Audit leaves wait for space on the disk.
    pub audit_stalled: AtomicBool,
    /// Leaves of reads that the writer has not taken yet.
    waiting_audit: Mutex<Vec<Vec<u8>>>,
    failure: Mutex<Option<String>>,
    /// By type: the last published version. Tells whether a search may answer differently.
    pub type_changed: Vec<AtomicU32>,
    pub last_deletion: AtomicU32,
}

impl Shared {
    pub fn live<T>(&self, f: impl FnOnce(&Live) -> T) -> T {
        f(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn live_mut<T>(&self, f: impl FnOnce(&mut Live) -> T) -> T {
        f(&mut self.live.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn generations(&self) -> Vec<Arc<Generation>> {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_generations(&self, f: impl FnOnce(&mut Vec<Arc<Generation>>)) {
        f(&mut self.generations.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The folder and its key, where the record is kept in one.
    pub fn folder(&self) -> Result<(&Path, &DataKey)> {
        match &self.home {
            Home::Folder { folder, key } => Ok((folder, key)),
            Home::Database(_) => {
                let words = "the record is kept in a PostgreSQL database: use its own tools";
                Err(Error::new(Kind::Misuse, words))
            }
        }
    }

    /// The number of a token system; a new one when it has none.
    pub fn system_number(&self, text: &str) -> Result<u32> {
        if let Some(number) = self.systems.find(text) {
            return Ok(number);
        }
        match &self.home {
            Home::Folder { .. } => Ok(self.systems.number(text)),
            Home::Database(_) => self.intern(text),
        }
    }

    /// Numbers a system in the database, for all processes.
    fn intern(&self, text: &str) -> Result<u32> {
        let reader = self.take_reader()?;
        let number = match &reader.connection {
            Connection::Postgres(database) => database.intern(text).and_then(|number| {
                let from = self.systems.next();
                self.systems.extend(from, database.systems(from)?);
                Ok(number)
            }),
            Connection::Sqlite(_) => Ok(self.systems.number(text)),
        };
        self.give_back(reader);
        number
    }

    /// Search parameters that the practice has defined.
    pub fn custom(&self) -> Arc<Registry> {
        self.custom.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn unpack(&self, bytes: &[u8]) -> Result<Vec<Indexed>> {
        search::pack::unpack(bytes, &|number| self.systems.text(number))
            .map_err(|_| Error::corrupt("packed values cannot be read"))
    }

    /// Adds a leaf; the number that wait now.
    fn add_waiting_audit(&self, leaf: Vec<u8>) -> usize {
        let mut waiting = self.waiting_audit.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(leaf);
        waiting.len()
    }

    pub fn n_waiting_audit(&self) -> usize {
        self.waiting_audit.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn take_waiting_audit(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.waiting_audit.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on nothing is written.
    pub fn fail(&self, why: &str) {
        self.failed.store(true, Ordering::SeqCst);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| why.to_owned());
    }

    pub fn failure(&self) -> Option<Error> {
        self.failed.load(Ordering::Relaxed).then(|| {
            let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let why = failure.as_deref().unwrap_or("unknown");
            Error::new(Kind::Broken, format!("the store has stopped after a failure: {why}"))
        })
    }

    /// A new connection to where the record is kept, for reading.
    pub fn connect(&self) -> Result<Connection> {
        Ok(match &self.home {
            Home::Folder { folder, key } => Connection::Sqlite(sqlite::Connection(schema::open(
                folder,
                key,
                false,
                schema::READER_CACHE_KIB,
            )?)),
            Home::Database(place) => Connection::Postgres(postgres::Connection::new(place.clone())),
        })
    }

    /// Takes in what other processes have written.
    pub fn catch_up(&self, connection: &Connection) -> Result<()> {
        match connection {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(database) => follow::catch_up(self, database),
        }
    }

    /// Readers at work at a time.
    pub fn readers_max(&self) -> usize {
        match &self.home {
            Home::Folder { .. } => READERS_MAX,
            Home::Database(_) => CONNECTIONS_MAX,
        }
    }
}

/// A practice's data folder, open for one process. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    to_writer: mpsc::Sender<Message>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Held as long as the store is open; a database needs none.
    _lock: Option<File>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer may be gone after a failure; then there is nothing left to close.
        let _gone = self.to_writer.send(Message::Close);
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            let _panicked = handle.join();
        }
    }
}

pub(crate) fn lock(folder: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(|e| {
        let words = format!("{} cannot be used as data folder", folder.display());
        Error::with(Kind::Place, words, e)
    })?;
    file.try_lock().map_err(|_| {
        let words = format!("{} is in use by another process", folder.display());
        Error::new(Kind::Locked, words)
    })?;
    Ok(file)
}

impl Store {
    /// Makes an empty record in a folder (created when missing) that holds none yet.
    pub fn create(folder: &Path, key: &DataKey, clock: Clock) -> Result<Store> {
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        let lock = lock(folder)?;
        if folder.join(schema::FILE).exists() {
            let words = format!("{} holds a practice already", folder.display());
            return Err(Error::new(Kind::Place, words));
        }
        let connection = schema::open(folder, key, true, schema::WRITER_CACHE_KIB)?;
        schema::create(&connection)?;
        drop(connection);
        File::open(folder)?.sync_all()?;
        Store::start_in(folder, key, clock, lock)
    }

    /// Opens the record in a folder and brings the index in memory up to date.
    pub fn open(folder: &Path, key: &DataKey, clock: Clock) -> Result<Store> {
        if !folder.join(schema::FILE).exists() {
            let words = format!("{} holds no practice; make one with init", folder.display());
            return Err(Error::new(Kind::Place, words));
        }
        let lock = lock(folder)?;
        Store::start_in(folder, key, clock, lock)
    }

    /// Makes an empty record for a practice in a PostgreSQL database.
    ///
    /// Errors: `Place` when the database holds a practice of this name.
    pub fn create_at(database: &postgres::Database, practice: &str, clock: Clock) -> Result<Store> {
        Store::start_at(postgres::create(database, practice)?, clock)
    }

    /// Opens the record of a practice in a PostgreSQL database. Other processes may have it open.
    pub fn open_at(database: &postgres::Database, practice: &str, clock: Clock) -> Result<Store> {
        Store::start_at(postgres::find(database, practice)?, clock)
    }

    fn start_in(folder: &Path, key: &DataKey, clock: Clock, lock: File) -> Result<Store> {
        let file = schema::open(folder, key, false, schema::WRITER_CACHE_KIB)?;
        schema::check_format(&file)?;
        let connection = Connection::Sqlite(sqlite::Connection(file));
        let home = Home::Folder { folder: folder.to_owned(), key: key.clone() };
        Store::start(home, connection, clock, Some(lock))
    }

    fn start_at(place: postgres::Place, clock: Clock) -> Result<Store> {
        let place = Arc::new(place);
        let connection = Connection::Postgres(postgres::Connection::new(place.clone()));
        Store::start(Home::Database(place), connection, clock, None)
    }

    fn start(
        home: Home,
        connection: Connection,
        clock: Clock,
        lock: Option<File>,
    ) -> Result<Store> {
        let shared = Arc::new(Shared {
            home,
            follow: Follow::default(),
            clock,
            live: RwLock::new(Live {
                at: 0,
                dead: RoaringBitmap::new(),
                deaths: VecDeque::new(),
                deaths_from: 0,
            }),
            generations: RwLock::new(vec![Arc::new(Generation::new())]),
            lists: Lists::default(),
            systems: Systems::default(),
            custom: RwLock::default(),
            dictionaries: Arc::new(Dictionaries::default()),
            encoder: Encoder::new()?,
            readers: Readers::default(),
            failed: AtomicBool::new(false),
            audit_stalled: AtomicBool::new(false),
            waiting_audit: Mutex::new(Vec::new()),
            failure: Mutex::new(None),
            type_changed: (0..=u8::MAX).map(|_| AtomicU32::new(0)).collect(),
            last_deletion: AtomicU32::new(0),
        });
        let (to_writer, from_callers) = mpsc::channel();
        let writer = writer::Writer::open(connection, shared.clone(), to_writer.clone())?;
        let handle = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(&from_callers))?;
        let inner = Inner { shared, to_writer, writer: Mutex::new(Some(handle)), _lock: lock };
        Ok(Store { inner: Arc::new(inner) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Whether the record is in a database that other processes may use too.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.shared.home, Home::Database(_))
    }

    /// Says which search parameters the practice has defined; what is verified follows them.
    pub fn set_custom(&self, registry: Arc<Registry>) {
        let slot = &self.inner.shared.custom;
        *slot.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }

    /// Search parameters that the practice has defined.
    pub fn custom(&self) -> Arc<Registry> {
        self.inner.shared.custom()
    }

    /// The number of the last version that is on disk and visible.
    pub fn at(&self) -> Rid {
        self.inner.shared.live(|live| live.at)
    }

    /// False after a failure: nothing is written any more, and what cannot be audited is not read.
    pub fn healthy(&self) -> bool {
        self.inner.shared.failure().is_none()
    }

    /// Why the store is not healthy.
    pub fn failure(&self) -> Option<Error> {
        self.inner.shared.failure()
    }

    /// A view of all that is committed now.
    pub fn snapshot(&self, sees: &Arc<Sees>) -> Result<Snapshot> {
        Snapshot::begin(self.inner.shared.clone(), None, sees)
    }

    /// A view of the record as it was after version `at`.
    pub fn snapshot_at(&self, at: Rid, sees: &Arc<Sees>) -> Result<Snapshot> {
        Snapshot::begin(self.inner.shared.clone(), Some(at), sees)
    }

    pub(crate) fn send(&self, message: Message) -> Result<()> {
        self.inner.to_writer.send(message).map_err(|_| self.stopped())
    }

    pub(crate) fn stopped(&self) -> Error {
        self.failure().unwrap_or_else(|| Error::new(Kind::Broken, "the store is closed"))
    }

    /// Writes a set, or nothing of it. Returns when it is on disk.
    pub fn commit(&self, set: WriteSet) -> std::result::Result<Committed, CommitError> {
        if let Some(failure) = self.failure() {
            return Err(failure.into());
        }
        let set = self.prepare(set)?;
        let (reply, answer) = mpsc::sync_channel(1);
        let send = |set| self.send(Message::Commit(Job { set, reply }));
        match set.run {
            Some(_) => {
                let shared = &self.inner.shared;
                shared.encoder.encode_and(set, (shared.clock)(), send)??;
            }
            None => send(set)?,
        }
        answer.recv().unwrap_or_else(|_| Err(self.stopped().into()))
    }

    /// Does what can be done beside the writer: keys, packed values, a first look at targets.
    fn prepare(&self, set: WriteSet) -> std::result::Result<PreparedSet, CommitError> {
        let shared = &self.inner.shared;
        let mut targets_at = 0;
        if set.checks.iter().any(|c| matches!(c, Check::Exists { .. })) {
            let snapshot = self.snapshot(Sees::everything())?;
            targets_at = snapshot.at();
            writer::check_targets(&snapshot.view(), &set.checks, &set.puts)?;
        }
        let links = self.links(&set.puts)?;
        let mut puts = Vec::with_capacity(set.puts.len());
        for (put, links) in set.puts.into_iter().zip(links) {
            puts.push(prepare_put(shared, put, links)?);
        }
        let run = (puts.len() >= RUN_MIN_PUTS).then(|| {
            let run = Run::of(puts.iter().map(|put| &put.keys));
            puts.iter_mut().for_each(|put| put.keys = Keys::default());
            Arc::new(run)
        });
        Ok(PreparedSet {
            read_at: set.read_at,
            targets_at,
            checks: set.checks,
            puts,
            run,
            guessed_at_ms: i64::MIN,
            items: set.items,
            outbox: set.outbox,
            audit: set.audit,
        })
    }

    /// Where the references of puts lead.
    fn links(&self, puts: &[Put]) -> Result<Vec<Vec<(ParamId, Link)>>> {
        let mut known: HashMap<(ResourceType, &str), Link, Fold> =
            HashMap::with_capacity_and_hasher(puts.len() * 2, Fold);
        known.extend(puts.iter().enumerate().map(|(i, put)| ((put.rt, &*put.id), Link::InSet(i))));
        let mut wanted = Vec::new();
        for (_, rt, id) in puts.iter().flat_map(|put| writer::references(&put.values)) {
            known.entry((rt, id)).or_insert_with(|| {
                wanted.push((rt, id));
                Link::Open
            });
        }
        if !wanted.is_empty() {
            // In the order in which they stand on disk.
            wanted.sort_unstable();
            let shared = &self.inner.shared;
            let reader = shared.take_reader()?;
            let firsts = reader.connection.first_versions(&wanted);
            shared.give_back(reader);
            for (named, first) in wanted.into_iter().zip(firsts?) {
                if let Some(first) = first {
                    known.insert(named, Link::To(first));
                }
            }
        }
        let link = |(p, rt, id)| (p, known.get(&(rt, id)).copied().unwrap_or(Link::Open));
        Ok(puts.iter().map(|put| writer::references(&put.values).map(link).collect()).collect())
    }

    /// Queues an audit leaf of something that writes nothing. It is on disk within 100 ms.
    ///
    /// Errors: the audit cannot be written; what the leaf tells of must then not be done.
    pub fn audit(&self, leaf: Vec<u8>) -> Result<()> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        if self.inner.shared.audit_stalled.load(Ordering::SeqCst) {
            return Err(match &self.inner.shared.home {
                Home::Folder { .. } => {
                    Error::new(Kind::DiskFull, "the disk is full: no audit can be written")
                }
                Home::Database(_) => {
                    let words = "the database takes no audit now: nothing can be shown; try again";
                    Error::new(Kind::Unavailable, words)
                }
            });
        }
        // Waking the writer costs more than a read: only the first leaf of many does it.
        match self.inner.shared.add_waiting_audit(leaf) {
            1 | writer::AUDIT_WAITING_MANY => self.send(Message::Audit),
            _ => Ok(()),
        }
    }

    /// Returns when everything queued so far is on disk.
    pub fn flush(&self) -> Result<()> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Flush(reply))?;
        answer.recv().unwrap_or_else(|_| Err(self.stopped()))
    }
}

fn prepare_put(shared: &Shared, put: Put, links: Vec<(ParamId, Link)>) -> Result<PreparedPut> {
    let is_delete = match put.kind {
        PutKind::Delete => true,
        PutKind::Write => false,
        PutKind::Restore { kind, .. } => kind == crate::ChangeKind::Delete,
    };
    let (keys, packed) = if is_delete {
        (Keys::of_deletion(put.rt), Vec::new())
    } else {
        let values = with_uncovered_references(put.values, &put.references);
        let mut failure = None;
        let mut number = |text: &str| match shared.system_number(text) {
            Ok(number) => number,
            Err(e) => {
                failure = Some(e);
                0
            }
        };
        let mut keys = Keys::of(put.rt, &values, &mut number);
        for (p, link) in &links {
            if *link == Link::Open {
                keys.push(&crate::column::open_key(*p));
            }
        }
        let packed = search::pack::pack(&values, &mut number);
        if let Some(e) = failure {
            return Err(e);
        }
        (keys, packed)
    };
    Ok(PreparedPut {
        rt: put.rt,
        id: put.id,
        kind: put.kind,
        text: put.text,
        meta_at: put.meta_at,
        keys,
        links,
        packed,
        expect: put.expect,
        guess: None,
    })
}

/// Adds the references that no search parameter covers, so that referrers are always found.
pub(crate) fn with_uncovered_references(
    mut values: Vec<Indexed>,
    references: &[(ResourceType, String)],
) -> Vec<Indexed> {
    use search::value::IndexValue;
    for (rt, id) in references {
        let covered = values.iter().any(|v| {
            matches!(&v.value, IndexValue::Reference { ty, id: other } if ty == rt && other == id)
        });
        if !covered {
            let value = IndexValue::Reference { ty: *rt, id: id.clone() };
            values.push(Indexed { param: search::value::NO_PARAM, value });
        }
    }
    values
}
