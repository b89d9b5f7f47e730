//! Who asks, with what may be done: `access` decides, here its decision becomes an answer.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use access::{Action, Actor, App, Consent, Ctx, May, Policy, Relations, Role, Scopes, Ward};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::Sees;
use store::Store;

use crate::emergency::Opened;
use crate::error::{Error, Kind, Result};
use crate::relations::Relating;

/// Decisions that are kept; with more, all are made anew.
const KEPT_MAX: usize = 4_096;
/// Consents that are read at a time.
const CONSENTS_TOGETHER: usize = 500;

/// A context and what it may do: what everything behind the door works with.
pub(crate) struct Asking<'a> {
    ctx: &'a Ctx,
    pub may: Arc<May>,
    /// Ids of the Patients whose charts who asks has opened in an emergency.
    pub emergencies: Vec<String>,
}

impl Deref for Asking<'_> {
    type Target = Ctx;

    fn deref(&self) -> &Ctx {
        self.ctx
    }
}

impl<'a> Asking<'a> {
    fn new(ctx: &'a Ctx, may: &Arc<May>) -> Asking<'a> {
        Asking { ctx, may: Arc::clone(may), emergencies: Vec::new() }
    }

    /// Whether one of these charts is open because of an emergency.
    pub fn is_emergency(&self, patients: &BTreeSet<String>) -> bool {
        self.emergencies.iter().any(|patient| patients.contains(patient))
    }
}

/// What a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Basis {
    /// `None`: a program that acts for itself.
    role: Option<Role>,
    has_app: bool,
    launch_patient: Option<String>,
    scopes: Scopes,
    patients: Vec<String>,
    known_as: Vec<String>,
    wards: Vec<Ward>,
    /// Number of the set of patients cared for, and how many they are.
    cared: (u64, usize),
    emergencies: Vec<String>,
    /// Where consents count: who asks and why, and which of them are in force.
    consenting: Option<(Actor, Option<App>, &'static str, u64)>,
}

/// Consents in force, and when that was found out.
#[derive(Clone, Default)]
struct Consents {
    list: Arc<Vec<Consent>>,
    /// The last version of a Consent that was looked at, and the minute.
    found_at: Option<(u32, i64)>,
    /// Changes with the list and with the minute, when periods begin and end.
    number: u64,
}

/// Makes decisions, and keeps them: one is needed for every request.
pub(crate) struct Gate {
    policy: RwLock<Policy>,
    everything: Arc<May>,
    kept: Mutex<HashMap<Basis, Arc<May>>>,
    consents: Mutex<Consents>,
    relating: Relating,
    opened: Opened,
}

impl Gate {
    pub fn new(policy: Policy) -> Gate {
        let everything = Arc::new(May::everything());
        Gate {
            policy: RwLock::new(policy),
            everything,
            kept: Mutex::default(),
            consents: Mutex::default(),
            relating: Relating::default(),
            opened: Opened::default(),
        }
    }

    /// Who is whose.
    pub fn relating(&self) -> &Relating {
        &self.relating
    }

    /// Charts that are open in emergencies.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The policy that holds.
    pub fn policy(&self) -> Policy {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Decides by another policy from now on.
    pub fn govern(&self, policy: Policy) {
        let mut own = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        *own = policy;
        self.kept().clear();
    }

    /// The consents that are in force, and their number.
    fn consents(&self, store: &Store, at_ms: i64) -> Result<(Arc<Vec<Consent>>, u64)> {
        let rt = ResourceType::CONSENT;
        let now = (store.last_of(rt), at_ms.div_euclid(60_000));
        let mut own = self.consents.lock().unwrap_or_else(PoisonError::into_inner);
        if own.found_at == Some(now) {
            return Ok((Arc::clone(&own.list), own.number));
        }
        if own.found_at.is_none_or(|(last, _)| last != now.0) {
            let mut snapshot = store.snapshot(Sees::everything())?;
            let mut list = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = snapshot.by_id(rt, after.as_deref(), CONSENTS_TOGETHER)?;
                for version in &page {
                    let doc = Doc::parse(version.body.as_slice()).map_err(|e| {
                        Error::new(Kind::Internal, "a stored Consent is damaged").caused_by(e)
                    })?;
                    list.extend(Consent::read(doc.root()));
                }
                if page.len() < CONSENTS_TOGETHER {
                    break;
                }
                after = page.last().map(|version| version.id.clone());
            }
            own.list = Arc::new(list);
        }
        own.found_at = Some(now);
        own.number += 1;
        Ok((Arc::clone(&own.list), own.number))
    }

    /// What the context may do now.
    ///
    /// Errors: the consents that would decide cannot be read.
    pub fn ask<'a>(&self, ctx: &'a Ctx, store: &Store) -> Result<Asking<'a>> {
        let (role, patients) = match &ctx.actor {
            Actor::System => return Ok(Asking::new(ctx, &self.everything)),
            Actor::Client { .. } => (None, Vec::new()),
            Actor::User { role, patient, .. } => (Some(*role), patient.iter().cloned().collect()),
        };
        // Held until the decision is kept: a new policy clears what was decided by the old one.
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        let mut relations = Relations { patients, ..Relations::default() };
        let mut cared_number = 0;
        if let Actor::User { id, role, .. } = &ctx.actor {
            relations.known_as = self.relating.known_as(store, id)?;
            let known_as = &relations.known_as;
            if *role == Role::Patient {
                relations.wards = self.relating.wards(store, id, known_as, ctx.at_ms)?;
            } else if policy.heeds_care(*role) {
                let cared = self.relating.cared(store, id, known_as, ctx.at_ms)?;
                (relations.cared, cared_number) = (cared.patients, cared.number);
            }
            if ctx.app.is_none() {
                let open = self.opened.of(store, id, ctx.at_ms)?;
                relations.emergencies = open.into_iter().map(|open| open.patient).collect();
                relations.emergencies.sort();
            }
        }
        let mut consenting = None;
        if policy.heeds_consents(&ctx.actor, !relations.wards.is_empty()) {
            let (list, number) = self.consents(store, ctx.at_ms)?;
            if !list.is_empty() {
                let (actor, app) = (ctx.actor.clone(), ctx.app.clone());
                consenting = Some((actor, app, ctx.purpose.as_str(), number));
            }
            relations.consents = list;
        }
        let basis = Basis {
            role,
            has_app: ctx.app.is_some(),
            launch_patient: ctx.launch_patient.clone(),
            scopes: ctx.scopes.clone(),
            patients: relations.patients.clone(),
            known_as: relations.known_as.clone(),
            wards: relations.wards.clone(),
            cared: (cared_number, relations.cared.len()),
            emergencies: relations.emergencies.clone(),
            consenting,
        };
        if let Some(may) = self.kept().get(&basis) {
            let emergencies = relations.emergencies;
            return Ok(Asking { emergencies, ..Asking::new(ctx, may) });
        }
        let may = Arc::new(policy.may(ctx, &relations));
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(basis, Arc::clone(&may));
        Ok(Asking { ctx, may, emergencies: relations.emergencies })
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Basis, Arc<May>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an action is permitted on some resources of a type; `None`: of any type.
///
/// On which of them is decided where they are looked at.
/// Errors: `Forbidden` when on none, whatever is there.
pub(crate) fn require(asking: &Asking<'_>, action: Action, rt: Option<ResourceType>) -> Result<()> {
    let is_permitted = match rt {
        Some(rt) => asking.may.some(action, rt),
        None => asking.may.any(action),
    };
    if is_permitted { Ok(()) } else { Err(forbidden(action, rt)) }
}

/// The answer where the scopes and role do not permit an action.
pub(crate) fn forbidden(action: Action, rt: Option<ResourceType>) -> Error {
    let ty = rt.map_or("all types", ResourceType::name);
    let letter = action.letter();
    let text = format!("the scopes and role of this login do not permit '{letter}' on {ty}");
    Error::new(Kind::Forbidden, text)
}

/// The one text for what is not there and for what may not be known to be there.
pub(crate) fn not_found(ty: &str, id: &str) -> Error {
    Error::new(Kind::NotFound, format!("{ty}/{id} is not known"))
}
