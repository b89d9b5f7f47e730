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
}

impl May {
    /// What the rule of each action and type permits.
    pub fn by(mut rule: impl FnMut(Action, ResourceType) -> Rule) -> May {
        May { by_action: Action::ALL.map(|action| Sees::by(|rt| rule(action, rt))) }
    }

    /// Everything: the program itself.
    pub fn everything() -> May {
        May { by_action: Action::ALL.map(|_| Arc::clone(Sees::everything())) }
    }

    /// The resources on which an action is permitted.
    pub fn sees(&self, action: Action) -> &Arc<Sees> {
        &self.by_action[action as usize]
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
