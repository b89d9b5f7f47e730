//! Whether a resource has the structure that R4 gives it: known elements, the right JSON types,
//! cardinality, formats of primitives, codes of required bindings.
//!
//! Source: FHIR R4 json.html, datatypes.html, references.html#contained, and the StructureDefinitions
//! of the base specification through `fhir-tables`.
//! What it does *not* do: profiles, invariants in FHIRPath beyond those named here (`ele-1`, `ext-1`,
//! `dom-2` to `dom-5`), terminology beyond required bindings that can be listed, references to other
//! resources. Those belong to validation.
//!
//! The good path allocates nothing: a place is a chain of frames on the stack and becomes text only
//! when there is something to say about it.

mod path;
mod primitive;
pub(crate) mod suggest;
mod walk;

use crate::issue::{Issue, IssueType, Severity};
use crate::json::Node;

pub(crate) use path::At;
pub(crate) use walk::quoted;

/// Issues reported for one resource; a last one says that there are more.
pub const ISSUES_MAX: usize = 100;

/// Longest string in characters: datatypes.html#string.
pub const STRING_LENGTH_MAX: usize = 1024 * 1024;

/// Everything that is wrong with the structure of a resource; empty when nothing is.
///
/// Shape: at most [`ISSUES_MAX`] issues in document order, missing elements after what is there,
/// then one of severity information when there are more. Resources within (contained, entries of a
/// Bundle, Parameters) are checked in their place. A reference to a type that the element does not
/// allow is a warning; all else is an error.
/// Source: FHIR R4 json.html, resource.html.
/// Errors: none; no input panics.
pub fn check_resource(resource: Node<'_>) -> Vec<Issue> {
    let mut issues = walk::Walk::default().run(resource);
    if issues.len() > ISSUES_MAX {
        issues.truncate(ISSUES_MAX);
        issues.push(Issue {
            severity: Severity::Information,
            code: IssueType::Incomplete,
            expression: String::new(),
            text: format!("only the first {ISSUES_MAX} issues are listed"),
        });
    }
    issues
}

#[cfg(test)]
mod tests;
