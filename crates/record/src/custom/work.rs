//! The practice's own parameters at work: what writers index by, and the thread that adds what was
//! written before.
//!
//! Several processes may share a database. Whoever writes does so on the definitions of one moment,
//! and the commit is refused when somebody has changed one since: so every version behind a
//! definition is indexed by it, whichever process wrote it. Each process works on what is not
//! ready; the item that says how far the work is lets one of them only take each step, so that
//! another goes on where one was killed.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::custom::{Custom, Registry};
use search::value::ParamId;
use store::{ItemOp, Reindex, Rid, Store};

use super::{COLLECTION, damaged, read};
use crate::error::{Error, Kind, Result};

/// Versions in one slice of the background work.
const SLICE_VERSIONS: usize = 500;
/// Pause when another process was quicker, or the database does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The definitions of one moment.
#[derive(Default)]
pub(crate) struct Known {
    pub registry: Arc<Registry>,
    /// The version up to which no definition is missing.
    pub at: Rid,
}

/// The parameters in use, and the thread that makes new ones ready.
pub(crate) struct CustomParams {
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker>>,
}

#[derive(Default)]
struct Shared {
    known: RwLock<Known>,
    /// As in `known`, to look at without waiting.
    at: AtomicU32,
    /// Held by whoever reads definitions, so that older ones do not replace newer ones.
    reading: Mutex<()>,
    stop: AtomicBool,
}

struct Worker {
    wake: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Drop for CustomParams {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Worker { wake, thread }) = worker {
            drop(wake);
            let _panicked = thread.join();
        }
    }
}

impl CustomParams {
    /// Reads the parameters and goes on with what is not ready.
    pub fn open(store: &Store, base_url: &str) -> Result<CustomParams> {
        let own = CustomParams { shared: Arc::default(), worker: Mutex::new(None) };
        own.reload(store, base_url)?;
        Ok(own)
    }

    /// The parameters by which a write indexes. Held until the write is done, so that no version
    /// is written without a parameter that is known to exist.
    pub fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.shared.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a change of definitions. Waits for writes that are under way.
    pub fn reload(&self, store: &Store, base_url: &str) -> Result<()> {
        if self.shared.reload(store)? {
            self.wake(store, base_url)?;
        }
        Ok(())
    }

    /// Takes in what others have defined, as far as the store has seen it. Waits for writes that
    /// are under way: not for those who hold [`CustomParams::known`].
    pub fn refresh(&self, store: &Store, base_url: &str) -> Result<()> {
        if self.is_behind(store) { self.reload(store, base_url) } else { Ok(()) }
    }

    /// Whether somebody has changed a definition since they were read.
    pub fn is_behind(&self, store: &Store) -> bool {
        let changed = store.last_of(ResourceType::SEARCH_PARAMETER);
        changed > self.shared.at.load(Ordering::SeqCst)
    }

    /// As [`CustomParams::reload`], and does nothing where it would have to wait.
    pub fn reload_if_free(&self, store: &Store, base_url: &str) -> Result<()> {
        if self.shared.reload_if_free(store)? {
            self.wake(store, base_url)?;
        }
        Ok(())
    }

    fn wake(&self, store: &Store, base_url: &str) -> Result<()> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*worker
            && running.wake.send(()).is_ok()
        {
            return Ok(());
        }
        let (wake, woken) = mpsc::channel();
        let (shared, store, base_url) = (self.shared.clone(), store.clone(), base_url.to_owned());
        let thread = std::thread::Builder::new()
            .name("record-reindex".into())
            .spawn(move || shared.work(&store, &base_url, &woken))
            .map_err(|e| Error::new(Kind::Unavailable, "no thread for the index").caused_by(e))?;
        // A message that is there already makes it begin.
        let _begins = wake.send(());
        *worker = Some(Worker { wake, thread });
        Ok(())
    }
}

/// What came of one step of the work.
enum Step {
    Done,
    /// There is nothing left to do.
    Idle,
    /// Another process was quicker.
    Lost,
}

impl Shared {
    /// Reads the definitions; true when some are not ready.
    fn reload(&self, store: &Store) -> Result<bool> {
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, is_open) = definitions(store)?;
        // Waits for writes that are under way with the old ones.
        let slot = self.known.write().unwrap_or_else(PoisonError::into_inner);
        self.set(store, known, slot);
        Ok(is_open)
    }

    fn reload_if_free(&self, store: &Store) -> Result<bool> {
        let _one = match self.reading.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(guard) => guard,
        };
        let (known, is_open) = definitions(store)?;
        let slot = match self.known.try_write() {
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(guard) => guard,
        };
        self.set(store, known, slot);
        Ok(is_open)
    }

    fn set(&self, store: &Store, known: Known, mut slot: std::sync::RwLockWriteGuard<'_, Known>) {
        store.set_custom(known.registry.clone());
        self.at.store(known.at, Ordering::SeqCst);
        *slot = known;
    }

    fn work(&self, store: &Store, base_url: &str, woken: &mpsc::Receiver<()>) {
        while woken.recv().is_ok() {
            while woken.try_recv().is_ok() {}
            loop {
                match self.step(store, base_url) {
                    Ok(Step::Done) => continue,
                    Ok(Step::Idle) => break,
                    Ok(Step::Lost) => {}
                    Err(e) if e.kind == Kind::Unavailable && store.failure().is_none() => {}
                    // The failure is the store's to tell; the next start goes on.
                    Err(_) => break,
                }
                if let Err(mpsc::RecvTimeoutError::Disconnected) = woken.recv_timeout(PAUSE) {
                    return;
                }
            }
        }
    }

    /// Works on the first parameter that is not ready.
    fn step(&self, store: &Store, base_url: &str) -> Result<Step> {
        if self.stop.load(Ordering::SeqCst) {
            return Ok(Step::Idle);
        }
        // Taken first: what is not in the snapshot is written with the definitions of now.
        let registry = self.known.read().unwrap_or_else(PoisonError::into_inner).registry.clone();
        let mut snapshot = store.snapshot(search::Sees::everything())?;
        let Some(mut own) = read(&snapshot)?.into_values().find(|own| !own.is_ready) else {
            drop(snapshot);
            // Another process may have come to the end.
            if registry.list().iter().any(|custom| !custom.is_ready) {
                self.reload(store)?;
            }
            return Ok(Step::Idle);
        };
        let Some(custom) = registry.get(ParamId(own.param)) else {
            // Defined a moment ago: the registry follows.
            drop(snapshot);
            self.reload(store)?;
            return Ok(Step::Done);
        };
        let before = own.to_bytes();
        let versions = snapshot.versions_of(own.definition.rt, own.cursor, SLICE_VERSIONS)?;
        drop(snapshot);
        let mut found = Vec::new();
        for version in &versions {
            let doc = Doc::parse(version.body.as_slice()).map_err(|_| damaged())?;
            let mut values = Vec::new();
            custom.index(doc.root(), base_url, &mut values);
            if !values.is_empty() {
                found.push((version.head.rid, version.head.rt, values));
            }
        }
        match versions.last() {
            Some(last) => own.cursor = last.head.rid,
            None => own.is_ready = true,
        }
        let item = ItemOp { collection: COLLECTION, key: own.key(), value: Some(own.to_bytes()) };
        let slice = Reindex { param: ParamId(own.param), versions: found, before, item };
        if !store.reindex(slice)? {
            return Ok(Step::Lost);
        }
        if own.is_ready {
            self.reload(store)?;
        }
        Ok(Step::Done)
    }
}

/// The definitions of now, and whether some are not ready.
fn definitions(store: &Store) -> Result<(Known, bool)> {
    let snapshot = store.snapshot(search::Sees::everything())?;
    let stored = read(&snapshot)?;
    let mut list = Vec::with_capacity(stored.len());
    for own in stored.values() {
        let custom = Custom::new(ParamId(own.param), &own.definition, own.is_ready);
        list.push(custom.map_err(|why| Error::new(Kind::Internal, why))?);
    }
    let known = Known { registry: Arc::new(Registry::new(list)), at: snapshot.at() };
    Ok((known, stored.values().any(|own| !own.is_ready)))
}
