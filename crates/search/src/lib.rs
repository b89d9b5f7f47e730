//! FHIR R4 search as pure functions: query text to query tree, index values of a resource, and the
//! in-memory matcher that is the oracle for every index.
//!
//! Source: FHIR R4 search.html. No SQL and no storage here.

pub mod custom;
pub mod fulltext;
pub mod general;
pub mod index;
pub mod lookup;
pub mod matcher;
pub mod near;
pub mod normalize;
pub mod pack;
pub mod params;
pub mod parse;
pub mod query;
pub mod sees;
pub mod sort;
pub mod value;
pub mod world;

mod convert;
mod decimal;
mod display;
mod path;
mod plan;
mod suggest;

pub use convert::{UCUM, unit_of};
pub use index::{index, index_kept, index_stored, index_within};
pub use normalize::normalize;
pub use sees::{Rule, Sees};
