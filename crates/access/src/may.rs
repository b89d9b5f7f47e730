//! What somebody may do: for each action, what of which type.

use std::sync::Arc;

use fhir_tables::ResourceType;
use search::{Rule, Sees};

use crate::ctx::Action;

/// What somebody may do with which resources, now.
///
/// One for each combination of actor, role, scopes and relations; share it behind an `Arc`.
#[derive(Clone, Debug, PartialEq)]
pub struct May {
    by_action: [Arc<Sees>; Action::ALL.len()],
    browses: Arc<Sees>,
    knows: Arc<Sees>,
}

impl May {
    /// What the rule of each action and type permits.
    pub fn by(mut rule: impl FnMut(Action, ResourceType) -> Rule) -> May {
        May::of(Action::ALL.map(|action| Sees::by(|rt| rule(action, rt))))
    }

    fn of(by_action: [Arc<Sees>; Action::ALL.len()]) -> May {
        let of = |action: Action, rt| by_action[action as usize].rule(rt).clone();
        let browses = Sees::by(|rt| of(Action::Read, rt).and(of(Action::Search, rt)));
        let knows = Sees::by(|rt| {
            of(Action::Read, rt).or(of(Action::Update, rt)).or(of(Action::Delete, rt))
        });
        May { by_action, browses, knows }
    }

    /// Everything: the program itself.
    pub fn everything() -> May {
        May::of(Action::ALL.map(|_| Arc::clone(Sees::everything())))
    }

    /// The resources on which an action is permitted.
    pub fn sees(&self, action: Action) -> &Arc<Sees> {
        &self.by_action[action as usize]
    }

    /// What may be both searched for and read.
    pub fn browses(&self) -> &Arc<Sees> {
        &self.browses
    }

    /// What somebody may learn of that it exists: what may be read, updated or deleted.
    pub fn knows(&self) -> &Arc<Sees> {
        &self.knows
    }

    pub fn rule(&self, action: Action, rt: ResourceType) -> &Rule {
        self.sees(action).rule(rt)
    }

    /// Whether an action is permitted on some resources of a type.
    pub fn some(&self, action: Action, rt: ResourceType) -> bool {
        *self.rule(action, rt) != Rule::Nothing
    }

    /// Whether an action is permitted on all resources of a type.
    pub fn all(&self, action: Action, rt: ResourceType) -> bool {
        *self.rule(action, rt) == Rule::All
    }

    /// Whether an action is permitted on some resources of any type.
    pub fn any(&self, action: Action) -> bool {
        ResourceType::ALL.into_iter().any(|rt| self.some(action, rt))
    }
}
