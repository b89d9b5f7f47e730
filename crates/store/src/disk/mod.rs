//! The database below: the only place with SQL.
//!
//! Everything above sees rows, not statements. Reading hands rows to a closure where they are many
//! or large, so that nothing is copied that is not kept.

pub mod checkpoint;
pub mod schema;
pub mod sqlite;

pub use sqlite::Connection;

use fhir_tables::ResourceType;

use crate::types::{ChangeKind, Head, Rid};

/// Where the current version of a resource stands.
#[derive(Clone, Copy, Debug)]
pub struct Ident {
    pub vid: u32,
    pub rid: Rid,
    pub kind: ChangeKind,
}

/// A version as it is to be written.
pub struct NewVersion<'a> {
    pub rid: Rid,
    pub rt: ResourceType,
    pub id: &'a str,
    pub vid: u32,
    pub at_ms: i64,
    pub kind: ChangeKind,
    /// The version that this one replaces, or 0.
    pub prev: Rid,
    pub dictionary: u32,
    /// Bytes of the body before compression.
    pub size: usize,
    pub hash: &'a [u8],
    pub packed: &'a [u8],
    pub body: &'a [u8],
}

/// A version as it stands on disk.
pub struct Stored<'r> {
    pub head: Head,
    pub dictionary: u32,
    pub size: usize,
    pub body: &'r [u8],
    pub hash: &'r [u8],
    pub packed: &'r [u8],
}

/// What the index in memory needs of a version.
pub struct LogRow<'r> {
    pub rid: Rid,
    pub rt: ResourceType,
    pub id: &'r str,
    pub kind: ChangeKind,
    pub prev: Rid,
    pub at_ms: i64,
    pub packed: &'r [u8],
}

/// One line of `ident`, and whether the version that it names says the same of itself.
pub struct ChainRow {
    pub rt: ResourceType,
    pub id: String,
    pub vid: u32,
    pub rid: Rid,
    pub is_in_log: bool,
}

/// In which order posting rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Forward,
    Backward,
}

/// An item's key and value.
pub type Item = (Vec<u8>, Vec<u8>);
