//! Connections for reading: a bounded number at work, kept open between uses, and with them the
//! state that they read.
//!
//! A connection that has read keeps its read transaction, and with it the pages it has decrypted,
//! for the next reader, as long as nothing but audit leaves and parts of the index were written
//! since: what such a reader finds is what a new transaction would find. Every other commit
//! changes [`Readers::changes`] before it is answered, so nobody misses what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::body;
use crate::disk::Connection;
use crate::error::Result;
use crate::memory::Generation;
use crate::store::Shared;
use crate::types::Rid;

/// How long a reader waits for its turn before it is opened beside the others.
const TURN_PATIENCE: Duration = Duration::from_millis(50);
/// How long a state is read at most: the log cannot start over meanwhile.
const STATE_KEPT_MAX: Duration = Duration::from_millis(500);

/// The state that a connection reads: its open transaction, and what belongs to it.
#[derive(Clone)]
pub struct State {
    changes: u64,
    since: Instant,
    /// Lists in memory, taken before the transaction began.
    pub generations: Vec<Arc<Generation>>,
    /// [`crate::lists::Lists::epoch`], taken before `generations`.
    pub epoch: u64,
    /// The last version that was visible.
    pub at: Rid,
}

struct Idle {
    connection: Connection,
    bodies: body::Reader,
    state: Option<State>,
}

impl Idle {
    /// Ends the transaction; false when the connection is of no more use.
    fn end(&mut self) -> bool {
        self.state.take().is_none() || self.connection.end_read().is_ok()
    }
}

/// A connection for reading, with its decompression contexts.
pub struct Reader {
    pub connection: Connection,
    pub bodies: body::Reader,
    state: Option<State>,
    _turn: Turn,
}

/// Readers at work. More of them than the cores can serve only take memory and each other's time.
#[derive(Default)]
struct Turns {
    taken: Mutex<usize>,
    free: Condvar,
}

/// One reader's turn; over when it is dropped.
struct Turn(Arc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(1);
        drop(taken);
        self.0.free.notify_one();
    }
}

impl Turns {
    /// Waits while `max` are taken, but not for ever: who has one may need a second.
    fn take(self: &Arc<Turns>, max: usize) -> Turn {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, _) = self
            .free
            .wait_timeout_while(taken, TURN_PATIENCE, |taken| *taken >= max)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        drop(taken);
        Turn(self.clone())
    }
}

/// The readers of a store.
#[derive(Default)]
pub struct Readers {
    idle: Mutex<Vec<Idle>>,
    turns: Arc<Turns>,
    changes: AtomicU64,
    /// The log is to start over: no state outlives its reader.
    is_log_wanted: AtomicBool,
}

impl Readers {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was written that a reader may look for. Called after its commit and before
    /// anybody is told.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Lets go of every state that nobody reads now.
    pub fn end_idle(&self) {
        self.idle().retain_mut(Idle::end);
    }

    /// Runs `f` while no state outlives its reader, so that the log can start over.
    pub fn without_states<T>(&self, f: impl FnOnce() -> T) -> T {
        self.is_log_wanted.store(true, Ordering::SeqCst);
        self.end_idle();
        let done = f();
        self.is_log_wanted.store(false, Ordering::SeqCst);
        done
    }

    fn is_fresh(&self, state: &State) -> bool {
        state.changes == self.changes.load(Ordering::SeqCst)
            && state.since.elapsed() < STATE_KEPT_MAX
            && !self.is_log_wanted.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// A connection for reading outside a transaction, or in one that is up to date.
    pub fn take_reader(&self) -> Result<Reader> {
        let turn = self.readers.turns.take(self.readers_max());
        let kept = self.readers.idle().pop();
        if let Some(Idle { connection, bodies, state }) = kept {
            let is_stale = state.as_ref().is_some_and(|state| !self.readers.is_fresh(state));
            let mut reader = Reader { connection, bodies, state, _turn: turn };
            if is_stale {
                reader.state = None;
                reader.connection.end_read()?;
            }
            return Ok(reader);
        }
        let bodies = body::Reader::new(self.dictionaries.clone());
        Ok(Reader { connection: self.connect()?, bodies, state: None, _turn: turn })
    }

    /// A connection in a transaction that sees all that was acknowledged, and its state.
    pub fn reading(&self) -> Result<(Reader, State)> {
        let mut reader = self.take_reader()?;
        if let Some(state) = &reader.state {
            let state = state.clone();
            return Ok((reader, state));
        }
        self.catch_up(&reader.connection)?;
        // First the lists in memory, then the number, then the transaction: what is moved to disk
        // in between is seen twice, never missed.
        let changes = self.readers.changes.load(Ordering::SeqCst);
        let epoch = self.lists.epoch();
        let generations = self.generations();
        let at = self.live(|live| live.at);
        reader.connection.begin_read()?;
        let state = State { changes, since: Instant::now(), generations, epoch, at };
        reader.state = Some(state.clone());
        Ok((reader, state))
    }

    /// Takes a connection back, with its transaction where the next reader may go on in it.
    pub fn give_back(&self, reader: Reader) {
        let Reader { connection, bodies, state, _turn } = reader;
        let mut idle = Idle { connection, bodies, state };
        let may_stay = idle.connection.keeps_reading()
            && idle.state.as_ref().is_none_or(|state| self.readers.is_fresh(state));
        if !may_stay && !idle.end() || !idle.connection.is_open() {
            return;
        }
        let mut all = self.readers.idle();
        if all.len() < self.readers_max() {
            all.push(idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use fhir_tables::ResourceType;

    use super::*;
    use crate::{DataKey, Expect, Put, PutKind, Store, WriteSet};

    fn since(store: &Store) -> Instant {
        let (reader, state) = store.shared().reading().expect("reader");
        store.shared().give_back(reader);
        state.since
    }

    fn patient(id: &str) -> WriteSet {
        let put = Put {
            rt: ResourceType::PATIENT,
            id: id.to_owned(),
            kind: PutKind::Write,
            text: format!(r#"{{"resourceType":"Patient","id":"{id}","meta":{{}}}}"#),
            meta_at: format!(r#"{{"resourceType":"Patient","id":"{id}","meta":{{"#).len(),
            values: Vec::new(),
            references: Vec::new(),
            expect: Expect::Any,
        };
        WriteSet { puts: vec![put], ..WriteSet::default() }
    }

    #[test]
    fn a_state_is_kept_until_something_is_written_that_can_be_looked_for() {
        let folder = std::env::temp_dir().join(format!("vitae-readers-{}", std::process::id()));
        let key = DataKey::random().expect("key");
        let store = Store::create(&folder, &key, Arc::new(|| 0)).expect("store");
        let shared = store.shared().clone();
        let first = since(&store);
        store.audit(b"a read".to_vec()).expect("audit");
        while shared.n_waiting_audit() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let is_old = first.elapsed() >= STATE_KEPT_MAX;
        assert!(since(&store) == first || is_old, "audit leaves change nothing that is read");

        for i in 0..20 {
            let id = format!("p{i}");
            let before = since(&store);
            store.commit(patient(&id)).expect("committed");
            assert!(since(&store) > before, "a commit ends the state");
            assert!(
                store
                    .read(ResourceType::PATIENT, &id, search::Sees::everything())
                    .expect("read")
                    .is_some()
            );
        }
        let before = since(&store);
        store.flush().expect("flushed");
        assert!(since(&store) > before, "who flushes looks for audit leaves");
        assert_eq!(
            store
                .snapshot(search::Sees::everything())
                .and_then(|s| s.audit(0, 10))
                .expect("leaves")
                .len(),
            1
        );

        let before = since(&store);
        shared.readers.without_states(|| {
            assert!(shared.readers.idle().iter().all(|idle| idle.state.is_none()));
            since(&store);
            assert!(shared.readers.idle().iter().all(|idle| idle.state.is_none()));
        });
        assert!(since(&store) > before);
        shared.readers.end_idle();
        assert!(shared.readers.idle().iter().all(|idle| idle.state.is_none()));
        std::thread::sleep(STATE_KEPT_MAX);
        let before = since(&store);
        std::thread::sleep(STATE_KEPT_MAX);
        assert!(since(&store) > before, "a state grows old");
        drop(store);
        std::fs::remove_dir_all(&folder).expect("own folder");
    }
}
