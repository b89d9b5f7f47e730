//! What goes into the store and comes out of it.

use std::sync::Arc;

use fhir_tables::ResourceType;
use search::Sees;
use search::query::Query;
use search::value::Indexed;

/// Number of a version, in commit order, from 1.
pub type Rid = u32;

/// What a version did to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Create = 1,
    Update = 2,
    Delete = 3,
}

impl ChangeKind {
    pub(crate) fn from_number(n: i64) -> Option<ChangeKind> {
        match n {
            1 => Some(ChangeKind::Create),
            2 => Some(ChangeKind::Update),
            3 => Some(ChangeKind::Delete),
            _ => None,
        }
    }
}

/// A version without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub rid: Rid,
    pub rt: ResourceType,
    pub id: String,
    pub vid: u32,
    pub last_updated_ms: i64,
    pub kind: ChangeKind,
}

/// A version with its body: JSON bytes as served, empty for a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub head: Head,
    pub body: Vec<u8>,
}

impl std::ops::Deref for Version {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

/// All that one request changes: written together or not at all.
#[derive(Debug, Default)]
pub struct WriteSet {
    /// The snapshot on which the set was prepared.
    pub read_at: Rid,
    pub checks: Vec<Check>,
    pub puts: Vec<Put>,
    pub items: Vec<ItemOp>,
    pub outbox: Vec<OutboxRow>,
    /// Audit leaves, in order.
    pub audit: Vec<Vec<u8>>,
}

/// What must still hold inside the commit.
#[derive(Debug)]
pub enum Check {
    /// The search of somebody finds these ids (sorted) and no other.
    Search { query: Box<Query>, sees: Arc<Sees>, expect: Vec<String> },
    /// The resource exists, or is put by the same set. `expression` is the referring element.
    Exists { rt: ResourceType, id: String, expression: String },
    /// No current resource refers to it, apart from those that the set puts or deletes.
    NotReferenced { rt: ResourceType, id: String },
    /// The item has this value (`None`: is absent).
    Item { collection: &'static str, key: Vec<u8>, value: Option<Vec<u8>> },
    /// No process has written a resource of the type behind this version.
    Unchanged { rt: ResourceType, since: Rid },
}

/// What the current version must be for a put to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Any,
    /// The id was never used; the caller made it.
    New,
    /// There is no current version, or it is a deletion.
    Absent,
    Version(u32),
    /// There is a current version and it is no deletion.
    Exists,
}

/// A new version of one resource.
#[derive(Debug)]
pub struct Put {
    pub rt: ResourceType,
    pub id: String,
    pub kind: PutKind,
    /// Compact JSON of the resource; empty for a deletion.
    pub text: String,
    /// Byte offset in `text` where `"versionId":"1","lastUpdated":"…"` is put in. Commas around it
    /// are the caller's.
    pub meta_at: usize,
    /// Index values; see `search::index_stored`.
    pub values: Vec<Indexed>,
    /// All references to resources of this server, wherever they stand.
    pub references: Vec<(ResourceType, String)>,
    pub expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutKind {
    /// A new version: create or update, whichever it turns out to be.
    Write,
    Delete,
    /// A version that was made elsewhere, with its own number and time. `text` is whole.
    Restore {
        vid: u32,
        last_updated_ms: i64,
        kind: ChangeKind,
    },
}

/// Sets (`Some`) or removes (`None`) an item of a named collection.
#[derive(Clone, Debug)]
pub struct ItemOp {
    pub collection: &'static str,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Something to be done on the outside after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    pub topic: String,
    pub payload: Vec<u8>,
    pub due_ms: i64,
}

/// A row of the outbox that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxTask {
    pub seq: i64,
    pub topic: String,
    pub payload: Vec<u8>,
    pub due_ms: i64,
    pub attempts: u32,
}

/// What a commit wrote.
#[derive(Clone, Debug)]
pub struct Committed {
    pub at_ms: i64,
    /// In the order of the puts.
    pub puts: Vec<PutResult>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    pub rid: Rid,
    pub vid: u32,
    pub last_updated_ms: i64,
    pub kind: ChangeKind,
}

/// Where a history is taken from.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    Instance(ResourceType, &'a str),
    Type(ResourceType),
    System,
}

/// A place between two rows of an ordered search result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Order-preserving bytes of the sort values; empty without `_sort`.
    pub key: Vec<u8>,
    pub rid: Rid,
}

/// Which part of a search result is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Rows behind this place; before it when `backward`.
    pub from: Option<Cursor>,
    pub backward: bool,
    /// Rows at most; 0 for the total alone.
    pub count: usize,
    pub total: search::query::Total,
}

/// A resource inside another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner {
    pub id: String,
    /// JSON.
    pub text: String,
}

#[derive(Debug, Default)]
pub struct SearchPage {
    pub rows: Vec<Version>,
    /// By row, of a search of contained resources: the one that matches, unless the row itself does.
    pub inner: Vec<Option<Inner>>,
    /// By row: how well it matches, from 0 to 1; empty when there is no order of relevance.
    pub scores: Vec<f64>,
    /// Matches in all; `None` when it was not asked for or would cost too much to tell.
    pub total: Option<u64>,
    /// False for an estimate that is too high.
    pub total_is_exact: bool,
    pub first: Option<Cursor>,
    pub last: Option<Cursor>,
    /// There are rows behind the last one; when `backward`, before the first one.
    pub more: bool,
}
