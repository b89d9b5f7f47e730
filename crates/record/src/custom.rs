//! Search parameters that the practice defines.
//!
//! Source: FHIR R4 searchparameter.html. A SearchParameter with status `active` defines one
//! parameter for each type in `base`. Its definition is written in the same commit. From then on
//! new versions are indexed by it; a thread of this record adds all older ones, a slice at a time,
//! and notes how far it is. When it has come to the end, the parameter is ready. Until then, and
//! after a start in between, searches with it are refused and say how far the work is.
//! Retiring or deleting the SearchParameter ends the parameter at once.
//! Not here: composite and special parameters, `xpath`, bases `Resource` and `DomainResource`,
//! records in a PostgreSQL database.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread::JoinHandle;

use fhir::json::{Doc, Node, Value};
use fhir_tables::{ResourceType, SearchKind, search_param};
use search::custom::{CUSTOM_END, CUSTOM_FIRST, Custom, Definition, Registry};
use search::value::ParamId;
use store::{Check, ItemOp, Reindex, Snapshot, Store};

use crate::error::{Error, Kind, Result};

/// Parameters that a practice may define, counted by type.
pub const CUSTOM_MAX: usize = 1_000;
/// Versions in one slice of the background work.
const SLICE_VERSIONS: usize = 500;

const COLLECTION: &str = "search-parameter";
/// The item that holds the next number.
const NEXT: &[u8] = b"";

/// A parameter as it stands in the collection, under `Type.code`.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    /// Id of the SearchParameter.
    resource: String,
    param: u16,
    definition: Definition,
    is_ready: bool,
    /// Versions up to here are indexed, while it is not ready.
    cursor: u32,
}

fn damaged() -> Error {
    Error::new(Kind::Internal, "the definition of a search parameter is damaged")
}

impl Stored {
    fn key(&self) -> Vec<u8> {
        key(self.definition.rt, &self.definition.code)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let d = &self.definition;
        let text = |text: &str| Value::from(text);
        let number = |n: u32| Value::Number(n.to_string());
        Value::object([
            ("resource", text(&self.resource)),
            ("param", number(u32::from(self.param))),
            ("type", text(d.rt.name())),
            ("code", text(&d.code)),
            ("url", text(&d.url)),
            ("kind", text(d.kind.as_str())),
            ("expression", text(&d.expression)),
            ("targets", Value::array(d.targets.iter().map(|rt| text(rt.name())))),
            ("ready", Value::Bool(self.is_ready)),
            ("cursor", number(self.cursor)),
        ])
        .to_json()
        .into_bytes()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Stored> {
        let doc = Doc::parse(bytes).ok()?;
        let root = doc.root();
        let text = |name: &str| root.str(name).map(|text| text.into_owned());
        let number = |name: &str| root.get(name)?.as_number()?.parse::<u32>().ok();
        let targets = root.list("targets");
        Some(Stored {
            resource: text("resource")?,
            param: u16::try_from(number("param")?).ok()?,
            definition: Definition {
                rt: ResourceType::from_name(&text("type")?)?,
                code: text("code")?,
                url: text("url")?,
                kind: kind(&text("kind")?)?,
                expression: text("expression")?,
                targets: targets.filter_map(|t| ResourceType::from_name(&t.as_str()?)).collect(),
            },
            is_ready: root.get("ready")?.as_bool()?,
            cursor: number("cursor")?,
        })
    }
}

fn key(rt: ResourceType, code: &str) -> Vec<u8> {
    format!("{rt}.{code}").into_bytes()
}

fn kind(name: &str) -> Option<SearchKind> {
    use SearchKind as K;
    let all = [
        K::Number,
        K::Date,
        K::String,
        K::Token,
        K::Reference,
        K::Composite,
        K::Quantity,
        K::Uri,
        K::Special,
    ];
    all.into_iter().find(|kind| kind.as_str() == name)
}

/// The parameters of a record in a snapshot.
fn read(snapshot: &Snapshot) -> Result<BTreeMap<Vec<u8>, Stored>> {
    let items = snapshot.items(COLLECTION, b"", Some(NEXT), 2 * CUSTOM_MAX)?;
    items
        .into_iter()
        .map(|(key, bytes)| Ok((key, Stored::from_bytes(bytes).ok_or_else(damaged)?)))
        .collect()
}

/// What a SearchParameter defines; nothing while it is not active.
///
/// Errors: why it cannot be used, at its element.
fn definitions(node: Node<'_>) -> Result<Vec<Definition>> {
    let text = |name: &str| node.str(name).map(|text| text.into_owned());
    if text("status").as_deref() != Some("active") {
        return Ok(Vec::new());
    }
    let (code, url) = (text("code").unwrap_or_default(), text("url").unwrap_or_default());
    let bases: Vec<String> =
        node.list("base").filter_map(|base| Some(base.as_str()?.into_owned())).collect();
    // What says again what R4 says is no definition of its own.
    let derived = text("derivedFrom");
    let is_own = |name: &String| {
        ResourceType::from_name(name)
            .and_then(|rt| search_param(rt, &code))
            .is_some_and(|param| param.url == url || Some(param.url) == derived.as_deref())
    };
    if bases.iter().all(is_own) {
        return Ok(Vec::new());
    }
    let refuse = |element: &str, why: String| {
        Err(Error::at(Kind::Invariant, format!("SearchParameter.{element}"), why))
    };
    let named = code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_plain = code.starts_with(|c: char| c.is_ascii_alphabetic()) && !code.contains('.');
    if !named || !is_plain || code.len() > 64 {
        let why = "a code that searches can use begins with a letter and has letters, digits, '-' \
                   and '_', 64 at most";
        return refuse("code", why.to_owned());
    }
    let Some(kind) = text("type").as_deref().and_then(kind) else {
        return refuse("type", "the type is missing".to_owned());
    };
    let Some(expression) = text("expression") else {
        let why = "an active parameter needs a FHIRPath expression; xpath is not used";
        return refuse("expression", why.to_owned());
    };
    let targets: Vec<ResourceType> =
        node.list("target").filter_map(|t| ResourceType::from_name(&t.as_str()?)).collect();
    let mut out = Vec::new();
    for base in &bases {
        let Some(rt) = ResourceType::from_name(base) else {
            return refuse("base", format!("{base} is not offered: name the resource types"));
        };
        if search_param(rt, &code).is_some() {
            let why = format!("{rt} has a search parameter '{code}' of R4: choose another code");
            return refuse("code", why);
        }
        let definition = Definition {
            rt,
            code: code.clone(),
            url: url.clone(),
            kind,
            expression: expression.clone(),
            targets: targets.clone(),
        };
        if let Err(why) = Custom::new(ParamId(CUSTOM_FIRST), &definition, false) {
            return refuse("expression", why);
        }
        out.push(definition);
    }
    Ok(out)
}

/// Changes of definitions that one set of writes makes.
pub(crate) struct Defining {
    before: BTreeMap<Vec<u8>, Stored>,
    after: BTreeMap<Vec<u8>, Stored>,
    next_before: Option<Vec<u8>>,
    next: u16,
}

impl Defining {
    pub fn begin(snapshot: &Snapshot) -> Result<Defining> {
        let before = read(snapshot)?;
        let next_before = snapshot.item(COLLECTION, NEXT)?;
        let next = match &next_before {
            None => CUSTOM_FIRST,
            Some(bytes) => u16::from_be_bytes(bytes.as_slice().try_into().map_err(|_| damaged())?),
        };
        Ok(Defining { after: before.clone(), before, next_before, next })
    }

    /// Takes a SearchParameter as it will be; `None`: it is deleted.
    ///
    /// Errors: why it cannot be used.
    pub fn set(&mut self, id: &str, node: Option<Node<'_>>, is_shared: bool) -> Result<()> {
        let wanted = node.map(definitions).transpose()?.unwrap_or_default();
        if is_shared && !wanted.is_empty() {
            let why = "a record in a PostgreSQL database takes no search parameters of its own: \
                       store it as draft";
            return Err(Error::at(Kind::NotSupported, "SearchParameter.status", why));
        }
        self.after.retain(|_, own| own.resource != id || wanted.contains(&own.definition));
        for definition in wanted {
            let key = key(definition.rt, &definition.code);
            let at = |element: &str, why: String| {
                Error::at(Kind::Invariant, format!("SearchParameter.{element}"), why)
            };
            match self.after.get(&key) {
                Some(own) if own.resource == id => continue,
                Some(other) => {
                    let (rt, code) = (definition.rt, &definition.code);
                    let why = format!(
                        "SearchParameter/{} defines '{code}' for {rt} already",
                        other.resource
                    );
                    return Err(at("code", why));
                }
                None => {}
            }
            if self.after.len() >= CUSTOM_MAX || self.next >= CUSTOM_END {
                let why = format!("there are {CUSTOM_MAX} search parameters already: retire some");
                return Err(at("status", why));
            }
            let (resource, param) = (id.to_owned(), self.next);
            let stored = Stored { resource, param, definition, is_ready: false, cursor: 0 };
            self.after.insert(key, stored);
            self.next += 1;
        }
        Ok(())
    }

    /// What has to be written, and what must not have changed meanwhile.
    pub fn finish(self) -> (Vec<Check>, Vec<ItemOp>) {
        let (mut checks, mut items) = (Vec::new(), Vec::new());
        let mut change = |key: Vec<u8>, before: Option<Vec<u8>>, value: Option<Vec<u8>>| {
            if before != value {
                checks.push(Check::Item {
                    collection: COLLECTION,
                    key: key.clone(),
                    value: before,
                });
                items.push(ItemOp { collection: COLLECTION, key, value });
            }
        };
        let keys = self.before.keys().chain(self.after.keys());
        let keys: std::collections::BTreeSet<&Vec<u8>> = keys.collect();
        for key in keys {
            let bytes = |map: &BTreeMap<Vec<u8>, Stored>| map.get(key).map(Stored::to_bytes);
            change(key.clone(), bytes(&self.before), bytes(&self.after));
        }
        let next = self.next.to_be_bytes().to_vec();
        if self.before != self.after && self.next_before.as_ref() != Some(&next) {
            change(NEXT.to_vec(), self.next_before, Some(next));
        }
        (checks, items)
    }
}

/// The parameters in use, and the thread that makes new ones ready.
pub(crate) struct CustomParams {
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker>>,
}

struct Shared {
    registry: RwLock<Arc<Registry>>,
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
        let shared = Arc::new(Shared { registry: RwLock::default(), stop: AtomicBool::new(false) });
        let own = CustomParams { shared, worker: Mutex::new(None) };
        own.reload(store, base_url)?;
        Ok(own)
    }

    /// The parameters by which a write indexes. Held until the write is done, so that no version
    /// is written without a parameter that is known to exist.
    pub fn registry(&self) -> RwLockReadGuard<'_, Arc<Registry>> {
        self.shared.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a change of definitions.
    pub fn reload(&self, store: &Store, base_url: &str) -> Result<()> {
        if self.shared.reload(store)? {
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

impl Shared {
    /// Reads the definitions; true when some are not ready.
    fn reload(&self, store: &Store) -> Result<bool> {
        let stored = read(&store.snapshot()?)?;
        let mut list = Vec::with_capacity(stored.len());
        for own in stored.values() {
            let custom = Custom::new(ParamId(own.param), &own.definition, own.is_ready);
            list.push(custom.map_err(|why| Error::new(Kind::Internal, why))?);
        }
        let registry = Arc::new(Registry::new(list));
        store.set_custom(registry.clone());
        // Waits for writes that are under way with the old ones.
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        Ok(stored.values().any(|own| !own.is_ready))
    }

    fn work(&self, store: &Store, base_url: &str, woken: &mpsc::Receiver<()>) {
        while woken.recv().is_ok() {
            while woken.try_recv().is_ok() {}
            // A failure of the store is the store's to tell; the next start goes on.
            while let Ok(true) = self.slice(store, base_url) {}
        }
    }

    /// Works on the first parameter that is not ready; false when there is none.
    fn slice(&self, store: &Store, base_url: &str) -> Result<bool> {
        if self.stop.load(Ordering::SeqCst) {
            return Ok(false);
        }
        // Taken first: what is not in this snapshot is written with the registry of now.
        let registry = {
            let guard = self.registry.read().unwrap_or_else(PoisonError::into_inner);
            guard.clone()
        };
        let mut snapshot = store.snapshot()?;
        let Some(mut own) = read(&snapshot)?.into_values().find(|own| !own.is_ready) else {
            return Ok(false);
        };
        let Some(custom) = registry.get(ParamId(own.param)) else {
            // Defined a moment ago: the registry follows.
            drop(snapshot);
            self.reload(store)?;
            return Ok(true);
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
        let (key, value) = (own.key(), Some(own.to_bytes()));
        // Only if nobody has changed or removed the definition meanwhile.
        let is_same = store.snapshot()?.item(COLLECTION, &key)? == Some(before);
        if !is_same {
            return Ok(true);
        }
        let item = ItemOp { collection: COLLECTION, key, value };
        let param = ParamId(own.param);
        store.reindex(Reindex { param, versions: found, item })?;
        if own.is_ready {
            self.reload(store)?;
        }
        Ok(true)
    }
}

/// How far a parameter is, for those who ask for it too early.
pub(crate) fn progress(snapshot: &Snapshot, rt: ResourceType, code: &str) -> Option<u32> {
    let item = snapshot.item(COLLECTION, &key(rt, code)).ok()??;
    Some(Stored::from_bytes(item)?.cursor)
}
