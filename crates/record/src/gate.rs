//! Who asks, with what may be done: `access` decides, here its decision becomes an answer.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use access::{Action, Actor, Ctx, May, Policy, Relations, Role, Scopes};
use fhir_tables::ResourceType;

use crate::error::{Error, Kind, Result};

/// Decisions that are kept; with more, all are made anew.
const KEPT_MAX: usize = 4_096;

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
    relations: Relations,
}

/// Makes decisions, and keeps them: one is needed for every request.
pub(crate) struct Gate {
    policy: RwLock<Policy>,
    everything: Arc<May>,
    kept: Mutex<HashMap<Basis, Arc<May>>>,
}

impl Gate {
    pub fn new(policy: Policy) -> Gate {
        let everything = Arc::new(May::everything());
        Gate { policy: RwLock::new(policy), everything, kept: Mutex::default() }
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

    /// What the context may do now.
    pub fn ask<'a>(&self, ctx: &'a Ctx) -> Asking<'a> {
        let (role, patients) = match &ctx.actor {
            Actor::System => return Asking { ctx, may: Arc::clone(&self.everything) },
            Actor::Client { .. } => (None, Vec::new()),
            Actor::User { role, patient, .. } => (Some(*role), patient.iter().cloned().collect()),
        };
        let basis = Basis {
            role,
            has_app: ctx.app.is_some(),
            launch_patient: ctx.launch_patient.clone(),
            scopes: ctx.scopes.clone(),
            relations: Relations { patients },
        };
        if let Some(may) = self.kept().get(&basis) {
            return Asking { ctx, may: Arc::clone(may) };
        }
        // Held until the decision is kept: a new policy clears what was decided by the old one.
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        let may = Arc::new(policy.may(ctx, &basis.relations));
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(basis, Arc::clone(&may));
        Asking { ctx, may }
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
