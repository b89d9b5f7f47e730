//! FHIR R4 search as pure functions: query text to query tree, index values of a resource, and the
//! in-memory matcher that is the oracle for every index.
//!
//! Source: FHIR R4 search.html. No SQL and no storage here.

pub mod query;
pub mod value;
