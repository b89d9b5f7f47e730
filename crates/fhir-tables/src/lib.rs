//! The facts of FHIR R4 (4.0.1) as static tables, with lookups and nothing else.
//!
//! Source: the package `hl7.fhir.r4.core` 4.0.1 and its expansions. `cargo xtask codegen` writes
//! the modules under `generated`; a test of `xtask` regenerates them and compares byte for byte.
//!
//! Types are rows, not Rust structs: one [`TypeDef`] for every primitive, datatype, resource and
//! backbone element, found by name ([`TypeId::by_name`]) or reached through the elements of
//! another type. What is not here: profiles, extensions' own definitions, invariants, and the
//! codes of value sets that cannot be listed (mime types, UCUM).

mod compartment;
mod element;
#[rustfmt::skip]
mod generated;
mod name_hash;
mod names;
mod operation;
mod resource_type;
mod search_param;
mod value_set;

pub use compartment::{COMPARTMENTS, CompartmentDef, compartment};
pub use element::{ElementDef, TypeDef, TypeId, TypeKind, TypeRef};
pub use operation::{OPERATIONS, OperationDef, OperationParam, ParamUse, operation};
pub use resource_type::ResourceType;
pub use search_param::{SearchKind, SearchParam, search_param, search_params};
pub use value_set::ValueSetId;

/// The version of FHIR that the tables describe.
pub const FHIR_VERSION: &str = "4.0.1";
