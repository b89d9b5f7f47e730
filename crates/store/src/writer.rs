//! The one writer of a process: many waiting sets, one commit, one `fsync`.
//!
//! A set is checked and applied inside the transaction, one after the other; a set that is refused
//! has written nothing. Any failure of the database rolls the whole group back. A full disk leaves
//! the store usable; every other failure stops it (after a failed `fsync` nothing is known).

mod check;
mod local;
mod put;
mod shared;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use fhir_tables::ResourceType;
use search::custom::is_custom;
use search::value::{IndexValue, Indexed, NO_PARAM, ParamId};
use stdx::merkle::Frontier;

use crate::blob::Blob;
use crate::body;
use crate::disk::Connection;
use crate::encode::Guess;
use crate::error::{CommitError, Error, Kind, Result};
use crate::key::Keys;
use crate::memory::Generation;
use crate::reindex::{self, Reindex};
use crate::run::Run;
use crate::store::Shared;
use crate::types::{Check, Committed, Expect, ItemOp, OutboxRow, PutKind, Rid};

use put::{index, numbers_of};

pub use check::{Target, check_targets, holds};

/// Versions in one commit, at most (one set may exceed it alone).
const GROUP_MAX_PUTS: usize = 4_000;
/// Longest time that an audit leaf waits for a commit.
const AUDIT_DELAY: Duration = Duration::from_millis(50);
/// Time between two parts of the index that go to disk while nothing else is written. There is no
/// hurry, and every commit empties the readers' caches.
const IDLE_STEP_DELAY: Duration = Duration::from_millis(400);
/// Time between two tries on a full disk.
const STALLED_DELAY: Duration = Duration::from_millis(500);
/// Bytes of a version hash that are kept.
pub const HASH_BYTES: usize = 16;

/// A put whose keys and packed values are made.
pub struct PreparedPut {
    pub rt: ResourceType,
    pub id: String,
    pub kind: PutKind,
    pub text: String,
    pub meta_at: usize,
    pub keys: Keys,
    /// Where its references lead.
    pub links: Vec<(ParamId, Link)>,
    pub packed: Vec<u8>,
    pub expect: Expect,
    /// What its body will be, when it becomes the version that is expected.
    pub guess: Option<Guess>,
}

/// Where a reference of a put leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A resource, by its first version.
    To(Rid),
    /// What the put of this index in the same set writes.
    InSet(usize),
    /// To a resource that is not there.
    Open,
}

/// References of search parameters to resources of this server.
pub fn references(values: &[Indexed]) -> impl Iterator<Item = (ParamId, ResourceType, &str)> {
    values.iter().filter_map(|v| match &v.value {
        // Nothing joins along the references that a practice's own parameters find.
        IndexValue::Reference { ty, id } if v.param != NO_PARAM && !is_custom(v.param) => {
            Some((v.param, *ty, &**id))
        }
        _ => None,
    })
}

pub struct PreparedSet {
    pub read_at: Rid,
    /// The snapshot on which the targets of `Check::Exists` were found.
    pub targets_at: Rid,
    pub checks: Vec<Check>,
    pub puts: Vec<PreparedPut>,
    /// The keys of all puts, when they are many; the puts then have none of their own.
    pub run: Option<Arc<Run>>,
    /// `lastUpdated` in the guesses of the puts.
    pub guessed_at_ms: i64,
    pub items: Vec<ItemOp>,
    pub outbox: Vec<OutboxRow>,
    pub audit: Vec<Vec<u8>>,
}

type Answer = std::result::Result<Committed, CommitError>;

pub struct Job {
    pub set: PreparedSet,
    pub reply: mpsc::SyncSender<Answer>,
}

pub enum Message {
    Commit(Job),
    /// Leaves wait in `Shared::waiting_audit`: sent for the first one, and when there are many.
    Audit,
    Dictionary(ResourceType, Vec<u8>),
    Flush(mpsc::SyncSender<Result<()>>),
    OutboxDone(i64),
    OutboxRetry {
        seq: i64,
        due_ms: i64,
    },
    Blob {
        blob: Blob,
        reply: mpsc::SyncSender<Result<()>>,
    },
    Reindex {
        slice: Reindex,
        /// Whether it was written.
        reply: mpsc::SyncSender<Result<bool>>,
    },
    Close,
}

/// With so many leaves waiting, they are written without further delay.
pub const AUDIT_WAITING_MANY: usize = 4_096;

/// What one group has done so far inside its transaction.
#[derive(Default)]
struct Group {
    /// Of each put, in order: what stands beside its version in the columns.
    numbers: Vec<Vec<(ParamId, Rid)>>,
    /// (replacing, replaced) versions.
    deaths: Vec<(Rid, Rid)>,
    victims: Vec<Rid>,
    types: Vec<(ResourceType, Rid)>,
    last_deletion: Rid,
}

pub struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    /// For dictionaries that are trained beside.
    to_self: mpsc::Sender<Message>,
    bodies: body::Writer,
    /// For checks that need a body.
    body_reader: body::Reader,
    next: Rid,
    last_at_ms: i64,
    audit: Frontier,
    pending_audit: Vec<Vec<u8>>,
    pending_since: Option<Instant>,
    engine: Engine,
    /// The last transaction did not happen because the disk is full.
    stalled: bool,
}

/// What differs between the engines.
enum Engine {
    /// One file, this process alone.
    Local(local::Local),
    /// A database in which others write too.
    Shared(shared::Shared),
}

impl Writer {
    pub fn open(
        connection: Connection,
        shared: Arc<Shared>,
        to_self: mpsc::Sender<Message>,
    ) -> Result<Writer> {
        let mut bodies = body::Writer::new()?;
        let mut last_dictionary = 0;
        connection.dictionaries(|number, rt, bytes| {
            shared.dictionaries.add(number, bytes);
            last_dictionary = number;
            let prepared = body::Prepared::new(number, bytes);
            shared.encoder.set(rt, prepared)?;
            bodies.set(rt, prepared)
        })?;
        let (engine, last, last_at_ms, audit) = match &connection {
            Connection::Sqlite(_) => {
                let (last, at_ms) = connection.last_version()?;
                shared.systems.load(connection.systems(1)?.into_iter());
                let local = local::Local::open(&connection, &shared, last + 1, last_dictionary)?;
                (Engine::Local(local), last, at_ms, connection.audit_state()?)
            }
            Connection::Postgres(database) => {
                let head = database.shared_head()?;
                let others = shared::Shared::open(database, &shared, &head)?;
                let audit = (!head.audit.is_empty()).then_some(head.audit);
                (Engine::Shared(others), head.last, head.last_at_ms, audit)
            }
        };
        let audit = match audit {
            Some(bytes) => {
                Frontier::from_bytes(&bytes).ok_or_else(|| Error::corrupt("the audit state"))?
            }
            None => Frontier::new(),
        };
        let next = last + 1;
        let body_reader = body::Reader::new(shared.dictionaries.clone());
        Ok(Writer {
            connection,
            shared,
            to_self,
            bodies,
            body_reader,
            next,
            last_at_ms,
            audit,
            pending_audit: Vec::new(),
            pending_since: None,
            engine,
            stalled: false,
        })
    }

    /// Works until `Close` or until the store has failed.
    pub fn run(mut self, from_callers: &mpsc::Receiver<Message>) {
        let mut held = None;
        loop {
            let message = match held.take() {
                Some(message) => message,
                None => match self.wait(from_callers) {
                    Some(message) => message,
                    None => continue,
                },
            };
            match message {
                Message::Commit(job) => held = self.gather(job, from_callers),
                Message::Close => {
                    self.close();
                    return;
                }
                other => self.handle(other),
            }
            if self.shared.failure().is_some() {
                return;
            }
        }
    }

    /// The next message; does waiting work and gives `None` when there is none in time.
    fn wait(&mut self, from_callers: &mpsc::Receiver<Message>) -> Option<Message> {
        let patience = match self.pending_since {
            _ if self.stalled => STALLED_DELAY,
            Some(since) => AUDIT_DELAY.saturating_sub(since.elapsed()),
            None if self.has_flush_work() => IDLE_STEP_DELAY,
            None => Duration::from_secs(3600),
        };
        match from_callers.recv_timeout(patience) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Disconnected) => Some(Message::Close),
            Err(RecvTimeoutError::Timeout) => {
                let idle = self.pending_since.is_none();
                self.group(Vec::new(), if idle { 4_000 } else { 0 });
                None
            }
        }
    }

    /// Takes what else is waiting and commits it together. Gives back a message that must wait.
    fn gather(&mut self, first: Job, from_callers: &mpsc::Receiver<Message>) -> Option<Message> {
        let mut n_puts = first.set.puts.len();
        let mut jobs = vec![first];
        let mut held = None;
        while n_puts < GROUP_MAX_PUTS {
            match from_callers.try_recv() {
                Ok(Message::Commit(job)) => {
                    n_puts += job.set.puts.len();
                    jobs.push(job);
                }
                // The group takes all leaves that wait.
                Ok(Message::Audit) => {}
                Ok(other) => {
                    held = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        self.group(jobs, 0);
        held
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Audit => match self.shared.n_waiting_audit() {
                0 => {}
                n if n >= AUDIT_WAITING_MANY && !self.stalled => self.group(Vec::new(), 0),
                _ => {
                    self.pending_since.get_or_insert_with(Instant::now);
                }
            },
            Message::Dictionary(rt, bytes) => {
                let done = self.add_dictionary(rt, &bytes);
                self.shared.readers.changed();
                self.note(done);
            }
            Message::Flush(reply) => {
                self.group(Vec::new(), 0);
                // Who asks for it looks for audit leaves next.
                self.shared.readers.changed();
                let waits = matches!(self.engine, Engine::Shared(_)) && self.stalled;
                let answer = match self.shared.failure() {
                    Some(e) => Err(e),
                    None if waits => {
                        let words = "the database does not answer now: audit leaves wait for it";
                        Err(Error::new(Kind::Unavailable, words))
                    }
                    None => Ok(()),
                };
                let _caller_gone = reply.send(answer);
            }
            Message::OutboxDone(seq) => {
                let done = self.connection.outbox_done(seq);
                self.shared.readers.changed();
                self.note(done);
            }
            Message::OutboxRetry { seq, due_ms } => {
                let done = self.connection.outbox_retry(seq, due_ms);
                self.shared.readers.changed();
                self.note(done);
            }
            Message::Blob { blob, reply } => {
                let answer = self.write_blob(&blob);
                self.shared.readers.changed();
                if let Err(e) = &answer {
                    self.stop_unless_full(e);
                }
                let _caller_gone = reply.send(answer);
            }
            Message::Reindex { slice, reply } => {
                let answer = self.reindex(&slice);
                self.shared.readers.changed();
                if let Err(e) = &answer {
                    self.stop_unless_full(e);
                }
                let _caller_gone = reply.send(answer);
            }
            Message::Commit(_) | Message::Close => {}
        }
    }

    fn note(&self, done: Result<()>) {
        if let Err(e) = done {
            self.stop_unless_full(&e);
        }
    }

    /// A database that others use too does not stop this process: it starts from what is there.
    fn stop_unless_full(&self, e: &Error) {
        if e.kind != Kind::DiskFull && matches!(self.engine, Engine::Local(_)) {
            self.shared.fail(&e.public);
        }
    }

    fn has_flush_work(&self) -> bool {
        match &self.engine {
            Engine::Local(local) => local.has_work(),
            Engine::Shared(_) => false,
        }
    }

    fn write_blob(&self, blob: &Blob) -> Result<()> {
        match &self.connection {
            Connection::Sqlite(file) => self.in_transaction(file, |c| blob.write(c)),
            Connection::Postgres(_) => blob.write(&self.connection),
        }
    }

    fn reindex(&self, slice: &Reindex) -> Result<bool> {
        let file = match &self.connection {
            Connection::Sqlite(file) => file,
            Connection::Postgres(database) => {
                let done = reindex::write_shared(database, &self.shared, slice);
                if !matches!(done, Ok(true)) {
                    database.abandon();
                }
                return done;
            }
        };
        let (upto, systems) = (Cell::new(0), &self.shared.systems);
        let is_done = Cell::new(false);
        self.in_transaction(file, |_| {
            is_done.set(reindex::write(file, &self.shared, slice)?);
            let (n, unsaved) = systems.unsaved();
            upto.set(n);
            unsaved.iter().try_for_each(|(n, text)| file.put_system(*n, text))
        })?;
        systems.mark_saved(upto.get());
        Ok(is_done.get())
    }

    fn add_dictionary(&mut self, rt: ResourceType, bytes: &[u8]) -> Result<()> {
        match &self.connection {
            Connection::Sqlite(_) => self.add_local_dictionary(rt, bytes),
            Connection::Postgres(database) => {
                let (number, bytes) = database.keep_dictionary(rt, bytes)?;
                self.use_dictionary(number, rt, &bytes)
            }
        }
    }

    /// From now on bodies of `rt` are compressed with this dictionary, which is on disk.
    fn use_dictionary(&mut self, number: u32, rt: ResourceType, bytes: &[u8]) -> Result<()> {
        self.shared.dictionaries.add(number, bytes);
        let prepared = body::Prepared::new(number, bytes);
        self.shared.encoder.set(rt, prepared)?;
        self.bodies.set(rt, prepared)
    }

    /// One transaction: the sets, waiting audit leaves, and, where this process alone writes, a
    /// part of the index to disk.
    fn group(&mut self, jobs: Vec<Job>, idle_keys: usize) {
        self.pending_audit.append(&mut self.shared.take_waiting_audit());
        match &self.engine {
            Engine::Local(_) => self.local_group(jobs, idle_keys),
            Engine::Shared(_) => self.shared_group(&jobs),
        }
    }

    fn write_audit(&mut self, leaves: &[Vec<u8>]) -> Result<()> {
        for leaf in leaves {
            self.connection.put_audit(self.audit.size(), leaf)?;
            self.audit.append(leaf);
        }
        Ok(())
    }

    fn publish(&self, group: &Group) {
        self.publish_at(self.next - 1, group);
    }

    /// Makes the versions of a group visible, up to `at`.
    fn publish_at(&self, at: Rid, group: &Group) {
        for (rt, rid) in &group.types {
            self.shared.type_changed[usize::from(rt.0)].fetch_max(*rid, Ordering::SeqCst);
        }
        if group.last_deletion > 0 {
            self.shared.last_deletion.fetch_max(group.last_deletion, Ordering::SeqCst);
        }
        self.shared.live_mut(|live| live.publish(at, &group.deaths));
    }

    /// Decides on one set and writes it. Its keys go to `generation`.
    fn one(
        &mut self,
        set: &PreparedSet,
        generation: Option<&Arc<Generation>>,
        group: &mut Group,
    ) -> Answer {
        self.check(set, generation, group)?;
        let idents = self.check_expectations(&set.puts, group)?;
        // From here on nothing may be refused.
        if set.guessed_at_ms < self.last_at_ms {
            self.last_at_ms = self.last_at_ms.max((self.shared.clock)());
        } else {
            self.last_at_ms = set.guessed_at_ms;
        }
        let at_ms = self.last_at_ms;
        let guessed = set.guessed_at_ms == at_ms;
        let mut decided = Vec::with_capacity(set.puts.len());
        let firsts = self.first_versions(&set.puts, &idents)?;
        let n_before = group.numbers.len();
        for ((put, before), first) in set.puts.iter().zip(idents).zip(&firsts) {
            group.numbers.push(numbers_of(put, self.next, *first, &firsts));
            decided.push(self.number(put, before, (at_ms, guessed), group)?);
        }
        let rows: Vec<_> = decided.iter().zip(&set.puts).map(|(d, put)| d.row(put)).collect();
        self.connection.put_versions(&rows)?;
        let results: Vec<_> = decided.into_iter().map(|d| d.result).collect();
        if let Some(generation) = generation {
            index(generation, set, &results, &group.numbers[n_before..]);
        }
        for item in &set.items {
            let value = item.value.as_deref();
            self.connection.put_item(item.collection, &item.key, value)?;
        }
        for row in &set.outbox {
            self.connection.put_outbox(row)?;
        }
        self.write_audit(&set.audit)?;
        Ok(Committed { at_ms, puts: results })
    }

    /// Writes what waits, so that the next start is quick.
    fn close(&mut self) {
        self.group(Vec::new(), 0);
        match &self.engine {
            Engine::Local(_) => self.close_local(),
            Engine::Shared(_) => self.close_shared(),
        }
    }
}
