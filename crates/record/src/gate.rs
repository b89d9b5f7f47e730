//! Who asks, with what may be done: `access` decides, here its decision becomes an answer.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use access::{Action, Actor, App, Consent, Ctx, May, Policy, Relations, Role, Scopes};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::Sees;
use store::Store;

use crate::error::{Error, Kind, Result};

/// Decisions that are kept; with more, all are made anew.
const KEPT_MAX: usize = 4_096;
/// Consents that are read at a time.
const CONSENTS_TOGETHER: usize = 500;

/// A context and what it may do: what everything behind the door works with.
pub(crate) struct Asking<'a> {
    ctx: &'a Ctx,
    pub may: Arc<May>,
}

impl Deref for Asking<'_> {
    type Target = Ctx;

    fn deref(&self) -> &Ctx {
        self.ctx
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
}

impl Gate {
    pub fn new(policy: Policy) -> Gate {
        let everything = Arc::new(May::everything());
        Gate {
            policy: RwLock::new(policy),
            everything,
            kept: Mutex::default(),
            consents: Mutex::default(),
        }
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
            Actor::System => return Ok(Asking { ctx, may: Arc::clone(&self.everything) }),
            Actor::Client { .. } => (None, Vec::new()),
            Actor::User { role, patient, .. } => (Some(*role), patient.iter().cloned().collect()),
        };
        // Held until the decision is kept: a new policy clears what was decided by the old one.
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        let mut relations = Relations { patients: patients.clone(), ..Relations::default() };
        let mut consenting = None;
        if policy.heeds_consents(&ctx.actor) {
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
            patients,
            consenting,
        };
        if let Some(may) = self.kept().get(&basis) {
            return Ok(Asking { ctx, may: Arc::clone(may) });
        }
        let may = Arc::new(policy.may(ctx, &relations));
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(basis, Arc::clone(&may));
        Ok(Asking { ctx, may })
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
