//! FHIR R4 bytes and values: resource tree, dates, references, issues.
//!
//! Source: FHIR R4 (4.0.1).

pub mod check;
pub mod date;
pub mod issue;
pub mod json;
pub mod json_patch;
pub mod reference;
pub mod xml;
