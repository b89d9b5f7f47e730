//! Code systems and value sets as pure functions: what a ValueSet holds, what a code subsumes.
//!
//! Source: FHIR R4 valueset.html#compositions, codesystem.html#subsumption. Where the resources
//! come from is the caller's business ([`Source`]).
//! Not here: concept maps, designations, supplements, regular expressions in filters.

mod code_set;
mod code_system;
mod expand;

pub use code_set::{CodeSet, Codes};
pub use code_system::{CONCEPTS_MAX, CodeSystem};
pub use expand::{CODES_MAX, Error, NESTING_MAX, Source, expand, known};
