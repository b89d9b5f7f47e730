//! What an evaluation needs from outside: the time, variables and look-ups.
//!
//! Source: FHIRPath N1 §9 (environment variables), FHIR R4 fhirpath.html#variables.

use std::fmt;

use fhir::json::Node;

use crate::item::Item;
use crate::limits::STEPS_MAX;

/// Finds the resource that a reference points to.
pub type Resolve<'e, 'a> = &'e dyn Fn(&str) -> Option<Node<'a>>;
/// Answers whether an item belongs to a value set or conforms to a profile; `None` when unknown.
pub type Judge<'e, 'a> = &'e dyn Fn(&Item<'a>, &str) -> Option<bool>;
/// Sees what `trace()` is given.
pub type Trace<'e, 'a> = &'e dyn Fn(&str, &[Item<'a>]);

/// The surroundings of an evaluation.
#[derive(Clone)]
pub struct Env<'e, 'a> {
    /// The moment that `now()` answers, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: i64,
    /// The offset at which `now()` and `today()` are shown, minutes east of UTC.
    pub offset_min: i16,
    /// `%resource`: the resource that holds the context; the root itself when absent.
    pub resource: Option<Node<'a>>,
    /// `%rootResource`: the container of a contained resource; `%resource` when absent.
    pub root_resource: Option<Node<'a>>,
    /// Further `%` variables.
    pub variables: &'e [(&'e str, Vec<Item<'a>>)],
    /// For `resolve()`; contained resources and Bundle entries are found without it.
    pub resolve: Option<Resolve<'e, 'a>>,
    /// For `memberOf()`.
    pub member_of: Option<Judge<'e, 'a>>,
    /// For `conformsTo()` with profiles that are not R4's own types.
    pub conforms_to: Option<Judge<'e, 'a>>,
    /// For `trace()`.
    pub trace: Option<Trace<'e, 'a>>,
    /// Operations and items that the evaluation may take.
    pub steps_max: u64,
}

impl Env<'_, '_> {
    /// Surroundings with a clock and nothing else.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self {
            now_ms,
            offset_min: 0,
            resource: None,
            root_resource: None,
            variables: &[],
            resolve: None,
            member_of: None,
            conforms_to: None,
            trace: None,
            steps_max: STEPS_MAX,
        }
    }
}

impl fmt::Debug for Env<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}
