//! What a search has to know of the record: value sets, hierarchies of codes and of resources.
//!
//! Answers come from one snapshot. Stored code systems and value sets are kept parsed, by the
//! number of their version: another version has another number.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use access::Action;
use fhir::issue::IssueType;
use fhir::json::Doc;
use fhir_tables::{ResourceType, SearchParam};
use search::Sees;
use search::lookup::{Direction, Lookup, NoRecord, Refusal, part_of};
use search::parse::{Handling, PARTS_MAX, Setting};
use search::value::{IndexValue, ParamId};
use store::{Head, Snapshot};
use terminology::{CodeSet, CodeSystem, Codes, Source};

use crate::gate::Asking;
use crate::record::Record;

/// Parsed resources that are kept, of each kind.
const KEPT_MAX: usize = 16;
/// Resources of one URL that are looked at.
const SAME_URL_MAX: usize = 100;
/// Identifiers in one question to the store.
const IDS_AT_ONCE: usize = 500;

/// Parsed code systems and value sets, the last used at the end.
#[derive(Default)]
pub(crate) struct Terms {
    systems: Mutex<Vec<(u32, Arc<CodeSystem>)>>,
    value_sets: Mutex<Vec<(u32, Arc<Doc>)>>,
}

/// The kept value of a version, or a new one.
fn kept<T: Clone>(
    list: &Mutex<Vec<(u32, T)>>,
    rid: u32,
    make: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let lock = || list.lock().unwrap_or_else(PoisonError::into_inner);
    let mut own = lock();
    if let Some(i) = own.iter().position(|(number, _)| *number == rid) {
        let found = own.remove(i);
        own.push(found.clone());
        return Ok(found.1);
    }
    drop(own);
    let made = make()?;
    let mut own = lock();
    if own.len() == KEPT_MAX {
        own.remove(0);
    }
    own.push((rid, made.clone()));
    Ok(made)
}

/// Lookups at one moment; the snapshot is taken when the first question comes.
pub(crate) struct Lookups<'r> {
    record: &'r Record,
    asking: &'r Asking<'r>,
    at: Option<u32>,
    snapshot: RefCell<Option<Snapshot>>,
    is_used: Cell<bool>,
}

impl std::fmt::Debug for Lookups<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookups").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'r> Lookups<'r> {
    /// Now, or after version `at`.
    pub fn new(record: &'r Record, asking: &'r Asking<'r>, at: Option<u32>) -> Lookups<'r> {
        Lookups { record, asking, at, snapshot: RefCell::new(None), is_used: Cell::new(false) }
    }

    /// Whether anything was asked: the query then depends on the moment.
    pub fn is_used(&self) -> bool {
        self.is_used.get()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Snapshot) -> Result<T, String>) -> Result<T, String> {
        self.is_used.set(true);
        let mut slot = self.snapshot.borrow_mut();
        if slot.is_none() {
            let store = self.record.store();
            // Codes of a value set are what may be read or searched for of it.
            let may = &self.asking.may;
            let rule = |action, rt| may.rule(action, rt).clone();
            let sees = Sees::by(|rt| match rt {
                ResourceType::VALUE_SET | ResourceType::CODE_SYSTEM => {
                    rule(Action::Read, rt).or(rule(Action::Search, rt))
                }
                _ => rule(Action::Search, rt),
            });
            let taken = match self.at {
                Some(at) => store.snapshot_at(at, &sees),
                None => store.snapshot(&sees),
            };
            *slot = Some(taken.map_err(|e| e.public)?);
        }
        match slot.as_mut() {
            Some(snapshot) => f(snapshot),
            None => Err("no snapshot".to_owned()),
        }
    }

    /// The current resource of this canonical: of those with the URL (and version, when one is
    /// given) the one written last.
    fn canonical(&self, rt: ResourceType, url: &str) -> Result<Option<Head>, String> {
        if let Some((name, id)) = self.local(url)
            && name == rt.name()
        {
            return self.with(|snapshot| {
                let head = snapshot.head(rt, id).map_err(|e| e.public)?;
                Ok(head.filter(|head| head.kind != store::ChangeKind::Delete))
            });
        }
        let (plain, version) = match url.split_once('|') {
            Some((plain, version)) => (plain, Some(version)),
            None => (url, None),
        };
        let mut pairs = vec![("url".to_owned(), escaped(plain))];
        pairs.extend(version.map(|version| ("version".to_owned(), escaped(version))));
        let heads = self.heads(rt, &pairs, SAME_URL_MAX)?;
        Ok(heads.into_iter().max_by_key(|head| head.rid))
    }

    /// `Type/id`, also below our base.
    fn local<'u>(&self, url: &'u str) -> Option<(&'u str, &'u str)> {
        let own = url.strip_prefix(self.record.base_url()).and_then(|rest| rest.strip_prefix('/'));
        own.unwrap_or(url).split_once('/').filter(|(_, id)| fhir::reference::is_id(id))
    }

    fn heads(
        &self,
        rt: ResourceType,
        pairs: &[(String, String)],
        limit: usize,
    ) -> Result<Vec<Head>, String> {
        let setting = Setting {
            handling: Handling::Strict,
            base_url: self.record.base_url(),
            now_ms: 0,
            lookup: &NoRecord,
        };
        let query = search::parse::parse(rt, None, pairs, setting).map_err(|issues| {
            issues.into_iter().map(|issue| issue.text).collect::<Vec<_>>().join(" ")
        })?;
        self.with(|snapshot| snapshot.search_heads(&query, limit).map_err(|e| e.public))
    }

    fn doc(&self, head: &Head) -> Result<Doc, String> {
        let version = self
            .with(|snapshot| snapshot.version(head.rt, &head.id, head.vid).map_err(|e| e.public))?;
        let body = version.ok_or("a version is missing")?.body;
        Doc::parse(body).map_err(|_| "a stored body is damaged".to_owned())
    }

    fn below(&self, rt: ResourceType, code: &str, id: &str) -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::from([id.to_owned()]);
        let mut level = vec![id.to_owned()];
        while !level.is_empty() && found.len() <= PARTS_MAX {
            let mut next = Vec::new();
            for ids in level.chunks(IDS_AT_ONCE) {
                let value: Vec<String> = ids.iter().map(|id| format!("{rt}/{id}")).collect();
                let pairs = [(code.to_owned(), value.join(","))];
                for head in self.heads(rt, &pairs, PARTS_MAX + 1)? {
                    if found.insert(head.id.clone()) {
                        next.push(head.id);
                    }
                }
            }
            level = next;
        }
        Ok(found)
    }

    fn above(&self, rt: ResourceType, code: &str, id: &str) -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::new();
        let mut open = vec![id.to_owned()];
        let param = search::params::find(rt, code).map(|(param, _)| param);
        while let Some(id) = open.pop() {
            if found.len() > PARTS_MAX || !found.insert(id.clone()) {
                continue;
            }
            let head = self.with(|snapshot| snapshot.head(rt, &id).map_err(|e| e.public))?;
            let Some(head) = head.filter(|head| head.kind != store::ChangeKind::Delete) else {
                continue;
            };
            let doc = self.doc(&head)?;
            for indexed in search::index_kept(rt, doc.root(), self.record.base_url()) {
                if let IndexValue::Reference { ty, id } = indexed.value
                    && Some(indexed.param) == param
                    && ty == rt
                {
                    open.push(id);
                }
            }
        }
        Ok(found)
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The source of an expansion.
struct Stored<'a, 'r>(&'a Lookups<'r>);

impl Source for Stored<'_, '_> {
    fn value_set(&mut self, url: &str) -> Result<Option<Arc<Doc>>, String> {
        let Some(head) = self.0.canonical(ResourceType::VALUE_SET, url)? else { return Ok(None) };
        let kept_sets = &self.0.record.terms().value_sets;
        kept(kept_sets, head.rid, || Ok(Arc::new(self.0.doc(&head)?))).map(Some)
    }

    fn code_system(&mut self, url: &str) -> Result<Option<Arc<CodeSystem>>, String> {
        let Some(head) = self.0.canonical(ResourceType::CODE_SYSTEM, url)? else {
            return Ok(None);
        };
        let kept_systems = &self.0.record.terms().systems;
        kept(kept_systems, head.rid, || {
            let doc = self.0.doc(&head)?;
            let too_large = || format!("CodeSystem/{} has too many concepts", head.id);
            CodeSystem::read(doc.root()).map(Arc::new).ok_or_else(too_large)
        })
        .map(Some)
    }
}

fn failed(text: String) -> Refusal {
    Refusal { code: IssueType::Exception, text }
}

impl Lookup for Lookups<'_> {
    fn value_set(&self, url: &str) -> Result<CodeSet, Refusal> {
        Ok(terminology::expand(url, &mut Stored(self))?)
    }

    fn subsumption(
        &self,
        system: &str,
        code: &str,
        direction: Direction,
    ) -> Result<CodeSet, Refusal> {
        let Some(stored) = Stored(self).code_system(system).map_err(failed)? else {
            let text = format!(
                "the code system {system} is not stored here, so its hierarchy is not known: \
                 store it as a CodeSystem"
            );
            return Err(Refusal { code: IssueType::NotFound, text });
        };
        let mut codes = match direction {
            Direction::Above => stored.above(code),
            Direction::Below => stored.below(code),
        };
        codes.insert(code.to_owned());
        // A canonical may name a version; resources say the system alone.
        Ok(CodeSet::of(&stored.url, Codes::Listed(codes)))
    }

    fn parts(
        &self,
        rt: ResourceType,
        id: &str,
        direction: Direction,
    ) -> Result<Vec<String>, Refusal> {
        let Some(code) = part_of(rt) else { return Ok(vec![id.to_owned()]) };
        let found = match direction {
            Direction::Above => self.above(rt, code, id),
            Direction::Below => self.below(rt, code, id),
        };
        found.map(|ids| ids.into_iter().collect()).map_err(failed)
    }

    fn custom(
        &self,
        rt: ResourceType,
        code: &str,
    ) -> Result<Option<(ParamId, &'static SearchParam)>, Refusal> {
        let (store, base_url) = (self.record.store(), self.record.base_url());
        let own = self.record.custom();
        let ready = || {
            let registry = self.record.custom_params();
            registry.find(rt, code).map(|custom| (custom.is_ready, custom.id, custom.param))
        };
        if store.is_shared() {
            // A snapshot sees what other processes have written.
            self.with(|_| Ok(())).map_err(failed)?;
        }
        if own.is_behind(store) || matches!(ready(), Some((false, ..))) {
            own.reload_if_free(store, base_url).map_err(|e| failed(e.to_string()))?;
        }
        match ready() {
            None => return Ok(None),
            Some((true, id, param)) => return Ok(Some((id, param))),
            Some((false, ..)) => {}
        }
        let snapshot =
            self.record.store().snapshot(Sees::everything()).map_err(|e| failed(e.public))?;
        let done = crate::custom::progress(&snapshot, rt, code).unwrap_or(0);
        let text = format!(
            "the practice has defined it, and the index is still being built (version {done} of \
             {}): try again later",
            snapshot.at()
        );
        Err(Refusal { code: IssueType::Transient, text })
    }
}
