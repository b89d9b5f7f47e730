//! The door itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use access::{Actor, Ctx};
use search::Sees;
use store::{DataKey, Database, ItemOp, Store, WriteSet};

use crate::audit::{self, Event};
use crate::custom::CustomParams;
use crate::emergency::in_emergency;
use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, Gate};
use crate::page_token::PageKey;
use crate::request::{Operation, Request, Response, Return};
use crate::search::Asked;
use crate::terms::Terms;
use crate::world::{Ids, World};
use crate::write::{Integrity, Mode, Op, What, write};

/// Where the record lives and what it needs from outside.
pub struct Config {
    pub folder: PathBuf,
    pub key: DataKey,
    /// `http://host/fhir`, no slash at the end: names this server in links.
    pub base_url: String,
    pub world: Arc<dyn World>,
}

/// A record in a PostgreSQL database, which several processes may have open.
pub struct DatabaseConfig {
    pub database: Database,
    /// Names the practice in the database.
    pub practice: String,
    /// As in [`Config`].
    pub base_url: String,
    pub world: Arc<dyn World>,
}

/// A practice's record: the one way to change or see a resource. Cheap to clone.
#[derive(Clone)]
pub struct Record {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    base_url: String,
    world: Arc<dyn World>,
    ids: Ids,
    page_key: PageKey,
    terms: Terms,
    custom: CustomParams,
    gate: Gate,
    audit_index: audit::index::Index,
}

/// A response and what the audit log needs to know about it.
#[derive(Default)]
pub(crate) struct Outcome {
    pub response: Response,
    /// Resources shown.
    pub n: usize,
    pub patients: BTreeSet<String>,
    /// The leaf was written with the commit.
    pub is_audited: bool,
}

/// The collection for what the door itself keeps.
const COLLECTION: &str = "record";
const PAGE_KEY: &[u8] = b"page-key";

impl Record {
    /// Makes an empty record in a folder that holds none.
    pub fn create(config: Config) -> Result<Record> {
        let world = config.world.clone();
        let clock = Arc::new(move || world.now_ms());
        let store = Store::create(&config.folder, &config.key, clock)?;
        Record::over(store, &config.base_url, config.world)
    }

    /// Makes an empty record in a database that holds none of this practice.
    pub fn create_at(config: DatabaseConfig) -> Result<Record> {
        let world = config.world.clone();
        let clock = Arc::new(move || world.now_ms());
        let store = Store::create_at(&config.database, &config.practice, clock)?;
        Record::over(store, &config.base_url, config.world)
    }

    /// Opens the record of a practice in a database.
    pub fn open_at(config: DatabaseConfig) -> Result<Record> {
        let world = config.world.clone();
        let clock = Arc::new(move || world.now_ms());
        let store = Store::open_at(&config.database, &config.practice, clock)?;
        Record::over(store, &config.base_url, config.world)
    }

    /// Whether reading waits for a server elsewhere, so that it must not be done where others are
    /// kept waiting.
    pub fn waits(&self) -> bool {
        self.inner.store.is_shared()
    }

    /// Opens the record in a folder.
    pub fn open(config: Config) -> Result<Record> {
        let world = config.world.clone();
        let clock = Arc::new(move || world.now_ms());
        let store = Store::open(&config.folder, &config.key, clock)?;
        Record::over(store, &config.base_url, config.world)
    }

    fn over(store: Store, base_url: &str, world: Arc<dyn World>) -> Result<Record> {
        let page_key = page_key(&store, world.as_ref())?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        let (ids, terms) = (Ids::new(), Terms::default());
        let gate = Gate::new(crate::policy::open(&store)?);
        let custom = CustomParams::open(&store, &base_url)?;
        let audit_index = audit::index::Index::default();
        Ok(Record {
            inner: Arc::new(Inner {
                store,
                base_url,
                world,
                ids,
                page_key,
                terms,
                custom,
                gate,
                audit_index,
            }),
        })
    }

    /// Returns when all that was promised is on disk. The folder is free when the last clone is
    /// dropped.
    pub fn close(self) -> Result<()> {
        Ok(self.inner.store.flush()?)
    }

    /// False after a failure of the disk: writes are refused.
    pub fn healthy(&self) -> bool {
        self.inner.store.healthy()
    }

    /// Base URL without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    /// Now, UTC milliseconds, for contexts.
    pub fn now_ms(&self) -> i64 {
        self.inner.world.now_ms()
    }

    /// Microseconds from any start, for durations.
    pub(crate) fn now_us(&self) -> u64 {
        self.inner.world.now_us()
    }

    /// Fills `bytes` with randomness fit for keys.
    pub fn random(&self, bytes: &mut [u8]) {
        self.inner.world.random(bytes);
    }

    /// A new id, as the server assigns them.
    pub fn new_id(&self) -> String {
        self.inner.ids.next(self.inner.world.as_ref())
    }

    /// Returns when everything that was asked for so far, audit leaves too, is on disk.
    pub fn flush(&self) -> Result<()> {
        Ok(self.inner.store.flush()?)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Search parameters that the practice has defined, those included that are not ready.
    pub fn custom_params(&self) -> Arc<search::custom::Registry> {
        self.inner.store.custom()
    }

    pub(crate) fn custom(&self) -> &CustomParams {
        &self.inner.custom
    }

    pub(crate) fn audit_index(&self) -> &audit::index::Index {
        &self.inner.audit_index
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.inner.terms
    }

    pub(crate) fn page_key(&self) -> &PageKey {
        &self.inner.page_key
    }

    /// Carries out one request: access, checks, ids, links, index values, commit, audit.
    ///
    /// Errors: see [`Kind`]; with `Unavailable` nothing was shown, because it could not be
    /// audited.
    pub fn execute(&self, ctx: &Ctx, request: Request) -> Result<Response> {
        let (action, what) = audit::subject(&request);
        let asking = match self.inner.gate.ask(ctx, &self.inner.store) {
            Ok(asking) => asking,
            Err(e) => return Err(self.refused(ctx, (action, what), e)),
        };
        match self.perform(&asking, request) {
            Ok(outcome) => {
                if !outcome.is_audited {
                    let (status, n) = (outcome.response.status, outcome.n);
                    let is_emergency = asking.is_emergency(&outcome.patients);
                    let patients = outcome.patients;
                    let event = Event { action, what, n, patients, all: false, status };
                    match is_emergency {
                        true => self.audit_event(&in_emergency(ctx), &event)?,
                        false => self.audit_event(ctx, &event)?,
                    }
                }
                Ok(outcome.response)
            }
            Err(e) => Err(self.refused(ctx, (action, what), e)),
        }
    }

    /// Audits a refusal; gives it back, or the failure to audit it.
    pub(crate) fn refused(&self, ctx: &Ctx, (action, what): (char, String), e: Error) -> Error {
        let event = Event { action, what, status: e.status(), ..Event::default() };
        match self.audit_event(ctx, &event) {
            Ok(()) => e,
            Err(failure) => failure,
        }
    }

    /// Queues the leaves of something that wrote nothing.
    ///
    /// Errors: `Unavailable`; what was asked for must then not be shown.
    pub(crate) fn audit_event(&self, ctx: &Ctx, event: &Event) -> Result<()> {
        audit::leaves(ctx, event).into_iter().try_for_each(|leaf| self.inner.store.audit(leaf))?;
        Ok(())
    }

    fn perform(&self, ctx: &Asking<'_>, request: Request) -> Result<Outcome> {
        match request {
            Request::Read { rt, id, view, unless } => {
                crate::read::read(self, ctx, rt, &id, &view, &unless)
            }
            Request::Vread { rt, id, vid, view } => {
                crate::read::vread(self, ctx, rt, &id, vid, &view)
            }
            Request::Search { rt, compartment, pairs, handling } => {
                let compartment = compartment.as_ref();
                let asked = Asked { rt, compartment, pairs: &pairs, handling };
                crate::search::search(self, ctx, &asked)
            }
            Request::FindPatients { typed, count } => crate::find::find(self, ctx, &typed, count),
            Request::History { of, pairs } => crate::history::history(self, ctx, &of, &pairs),
            Request::Operation { name: Operation::Everything, rt, id, pairs } => {
                crate::everything::everything(self, ctx, rt, id.as_deref(), &pairs)
            }
            Request::Operation { name: Operation::LastN, pairs, .. } => {
                crate::lastn::lastn(self, ctx, &pairs)
            }
            Request::Bundle { body, ret } => crate::bundle::bundle(self, ctx, &body, ret),
            Request::Import { body, options } => {
                if ctx.actor != Actor::System {
                    return Err(Error::new(Kind::Forbidden, "only the import command imports"));
                }
                crate::import::import(self, ctx, &body, options)
            }
            Request::Load { resources, options } => {
                if ctx.actor != Actor::System {
                    return Err(Error::new(Kind::Forbidden, "only the import command imports"));
                }
                crate::import::load(self, ctx, &resources, options)
            }
            other => self.change(ctx, other),
        }
    }

    fn change(&self, ctx: &Asking<'_>, request: Request) -> Result<Outcome> {
        let one = |what: What<'_>, ret: Return| {
            let op = Op { entry_idx: 0, full_url: None, what };
            let mode =
                Mode { integrity: Integrity::Enforce, ret, in_bundle: false, with: Vec::new() };
            let mut responses = write(self, ctx, &[op], &mode)?;
            let response = responses.pop().expect("one response per operation");
            Ok(Outcome { response, is_audited: true, ..Outcome::default() })
        };
        match request {
            Request::Create { rt, body, if_none_exist, ret } => {
                one(What::Create { rt, node: body.root(), if_none_exist }, ret)
            }
            Request::Update { rt, id, body, if_match, if_absent, ret } => {
                one(What::Update { rt, id, node: body.root(), if_match, if_absent }, ret)
            }
            Request::ConditionalUpdate { rt, query, body, if_match, ret } => {
                one(What::UpdateWhere { rt, query, node: body.root(), if_match }, ret)
            }
            Request::Patch { rt, id, patch, if_match, ret } => {
                one(What::Patch { rt, id, patch, if_match }, ret)
            }
            Request::ConditionalPatch { rt, query, patch, if_match, ret } => {
                one(What::PatchWhere { rt, query, patch, if_match }, ret)
            }
            Request::Delete { rt, id, if_match } => {
                one(What::Delete { rt, id, if_match }, Return::Minimal)
            }
            Request::ConditionalDelete { rt, query } => {
                one(What::DeleteWhere { rt, query }, Return::Minimal)
            }
            Request::Read { .. }
            | Request::Vread { .. }
            | Request::Search { .. }
            | Request::FindPatients { .. }
            | Request::Operation { .. }
            | Request::History { .. }
            | Request::Bundle { .. }
            | Request::Import { .. }
            | Request::Load { .. } => Err(Error::new(Kind::Internal, "a read is no change")),
        }
    }
}

/// The practice's key for page links; made at the first opening.
fn page_key(store: &Store, world: &dyn World) -> Result<PageKey> {
    let stored = store.snapshot(Sees::everything())?.item(COLLECTION, PAGE_KEY)?;
    if let Some(key) = stored.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        return Ok(PageKey(key));
    }
    let mut key = [0; 32];
    world.random(&mut key);
    let item = ItemOp { collection: COLLECTION, key: PAGE_KEY.to_vec(), value: Some(key.to_vec()) };
    let set = WriteSet { items: vec![item], ..WriteSet::default() };
    store.commit(set).map_err(|e| {
        Error::new(Kind::Unavailable, "the record could not be prepared").caused_by(e)
    })?;
    Ok(PageKey(key))
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Error {
        let kind = match e.kind {
            store::Kind::DiskFull | store::Kind::Broken | store::Kind::Unavailable => {
                Kind::Unavailable
            }
            store::Kind::TooCostly => Kind::TooMany,
            _ => Kind::Internal,
        };
        Error::new(kind, e.public.clone()).caused_by(e)
    }
}
