//! JSON as FHIR uses it: a read-only arena tree over the received bytes, and an owned tree to build
//! and change.
//!
//! Numbers keep their text, members keep their order, duplicate names are refused
//! (FHIR R4 json.html).
//! This module knows JSON only; elements and types are the business of `check`.

mod doc;
mod parse;
mod value;
mod write;

pub use doc::{Doc, Items, Kind, Members, Node};
pub use parse::{DEPTH_MAX, NUMBER_LENGTH_MAX, ParseError, ParseErrorKind, SIZE_MAX_BYTES};
pub use value::Value;
pub use write::{write_string, write_string_body};

#[cfg(test)]
mod tests;
