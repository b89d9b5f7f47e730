//! The database below: the only place with SQL.
//!
//! Everything above sees rows, not statements. Reading hands rows to a closure where they are many
//! or large, so that nothing is copied that is not kept.
//!
//! Two engines with the same logical schema: [`sqlite`], one file for one process, and
//! [`postgres`], a database that several processes share.

pub mod checkpoint;
pub mod postgres;
pub mod schema;
pub mod sqlite;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;

use crate::blob;
use crate::body;
use crate::error::Result;
use crate::types::{ChangeKind, Head, OutboxRow, OutboxTask, Rid, Version};

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
    /// The version that it replaced, or 0.
    pub prev: Rid,
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
    pub dictionary: u32,
    pub size: usize,
    pub body: &'r [u8],
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

/// A connection to either engine.
pub enum Connection {
    Sqlite(sqlite::Connection),
    Postgres(postgres::Connection),
}

macro_rules! dispatch {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),* $(,)?) -> $ret:ty;)*) => {
        impl Connection {
            $($(#[$doc])*
            pub fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                match self {
                    Connection::Sqlite(c) => c.$name($($arg),*),
                    Connection::Postgres(c) => c.$name($($arg),*),
                }
            })*
        }
    };
}

dispatch! {
    /// From now on all is read as it is at this moment; what is bounded by a version number is so
    /// without it.
    begin_read() -> ();
    end_read() -> ();
    /// Posting rows of a key; those that hold nothing from `low` to `high` may be left out.
    /// `each` returns false to stop.
    postings(key: &[u8], low: Rid, high: Rid, each: impl FnMut(Rid, &[u8]) -> Result<bool>) -> ();
    /// Posting rows of the keys from `from` up to but not including `to`, keys and rows in order.
    /// `each` returns false to stop.
    posting_range(
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        each: impl FnMut(&[u8], Rid, &[u8]) -> Result<bool>,
    ) -> ();
    /// The newest version of a resource up to `at`.
    ident(rt: ResourceType, id: &str, at: Rid) -> Option<Ident>;
    /// As `ident` for many, in their order.
    idents(of: &[(ResourceType, &str)], at: Rid) -> Vec<Option<Ident>>;
    /// Where version `vid` of a resource stands.
    rid_of(rt: ResourceType, id: &str, vid: u32, at: Rid) -> Option<Rid>;
    head(rid: Rid) -> Head;
    /// As `head` for many, in their order.
    heads(rids: &[Rid]) -> Vec<Head>;
    version(rid: Rid, bodies: &mut body::Reader) -> Version;
    /// As `version` for many, in their order.
    versions(rids: &[Rid], bodies: &mut body::Reader) -> Vec<Version>;
    /// Hands over versions in the order of `rids`, which rise, until `each` says false.
    each_version(
        rids: &[Rid],
        bodies: &mut body::Reader,
        each: impl FnMut(&Head, &[u8]) -> bool,
    ) -> ();
    /// The newest version of a resource up to `at`, in one look.
    current(rt: ResourceType, id: &str, at: Rid, bodies: &mut body::Reader) -> Option<Version>;
    /// A body as it was given to be written.
    body(
        kind: ChangeKind,
        dictionary: u32,
        size: usize,
        stored: &[u8],
        bodies: &mut body::Reader,
    ) -> Vec<u8>;
    /// Id, time and packed index values of versions, in their order.
    each_values(
        rids: &RoaringBitmap,
        each: impl FnMut(Rid, &str, i64, &[u8]) -> Result<()>,
    ) -> ();
    /// Versions of a resource below `below` and not before `since_ms`, newest first.
    history_of(rt: ResourceType, id: &str, below: Rid, since_ms: i64, limit: usize) -> Vec<Rid>;
    /// All versions below `below` and not before `since_ms`, newest first.
    history(below: Rid, since_ms: i64, limit: usize) -> Vec<Rid>;
    history_of_count(rt: ResourceType, id: &str, at: Rid, since_ms: i64) -> u64;
    history_count(at: Rid, since_ms: i64) -> u64;
    item(collection: &str, key: &[u8]) -> Option<Vec<u8>>;
    /// Items whose key begins with `prefix` and lies behind `after`, in key order.
    items(collection: &str, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Item>;
    /// Versions behind `after` up to `at`, in commit order.
    feed(after: Rid, at: Rid, limit: usize, bodies: &mut body::Reader) -> Vec<Version>;
    /// Newest versions up to `at` of the resources of a type whose id lies behind `after`, in
    /// order of their ids. `each` returns false to stop.
    each_ident(
        rt: ResourceType,
        after: &str,
        at: Rid,
        each: impl FnMut(Rid, ChangeKind) -> Result<bool>,
    ) -> ();
    /// Audit leaves from `seq` on, at most `limit`.
    audit(seq: u64, limit: usize, each: impl FnMut(u64, &[u8]) -> Result<()>) -> ();
    /// Outbox rows that are due, oldest first.
    outbox(now_ms: i64, limit: usize) -> Vec<OutboxTask>;
    /// What the versions above `at` replaced.
    each_death(at: Rid, each: impl FnMut(Rid)) -> ();
    /// The first version of a resource.
    first_version(rt: ResourceType, id: &str) -> Option<Rid>;
    /// As `first_version` for many, in their order.
    first_versions(of: &[(ResourceType, &str)]) -> Vec<Option<Rid>>;
    /// Versions above `after`, in commit order.
    log(after: Rid, each: impl FnMut(LogRow<'_>) -> Result<()>) -> ();
    /// Number and time of the last version; zeros when there is none.
    last_version() -> (Rid, i64);
    /// Bitmaps of versions that are not current.
    dead(each: impl FnMut(&[u8]) -> Result<()>) -> ();
    /// Compression dictionaries, in order of their numbers.
    dictionaries(each: impl FnMut(u32, ResourceType, &[u8]) -> Result<()>) -> ();
    /// Token systems from number `from` on, in order of their numbers, which begin with 1.
    systems(from: u32) -> Vec<String>;
    /// Compressed chunks of a blob, in order.
    blob(hash: &blob::Hash, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> ();
    /// State of the audit tree; `None` before its first leaf.
    audit_state() -> Option<Vec<u8>>;
    /// The last version whose keys are all in posting rows.
    flushed() -> Rid;
    /// What is wrong with the file itself.
    integrity() -> Vec<String>;
    /// All versions up to `at` as they stand, in commit order.
    each_stored(at: Rid, each: impl FnMut(&Stored<'_>) -> Result<()>) -> ();
    /// All items: collection, key and value.
    each_item(each: impl FnMut(&str, &[u8], &[u8]) -> Result<()>) -> ();
    /// All chunks of all blobs: hash, number and bytes.
    each_chunk(each: impl FnMut(&blob::Hash, usize, &[u8]) -> Result<()>) -> ();
    /// All versions up to `at`, in order of type, id and version.
    each_chain(at: Rid, each: impl FnMut(ChainRow) -> Result<()>) -> ();
    put_versions(versions: &[NewVersion<'_>]) -> ();
    /// Sets an item, or removes it.
    put_item(collection: &str, key: &[u8], value: Option<&[u8]>) -> ();
    put_outbox(row: &OutboxRow) -> ();
    put_audit(seq: u64, leaf: &[u8]) -> ();
    put_blob_chunk(hash: &blob::Hash, chunk: usize, bytes: &[u8]) -> ();
    outbox_done(seq: i64) -> ();
    outbox_retry(seq: i64, due_ms: i64) -> ();
}

impl Connection {
    /// Hands over id, time and packed index values of a version.
    pub fn values<T>(
        &self,
        rid: Rid,
        take: impl FnOnce(&str, i64, &[u8]) -> Result<T>,
    ) -> Result<T> {
        match self {
            Connection::Sqlite(c) => c.values(rid, take),
            Connection::Postgres(c) => c.values(rid, take),
        }
    }

    /// Whether a read transaction may stay open between uses: on a server it would take up a place
    /// and keep old rows from being cleaned away.
    pub fn keeps_reading(&self) -> bool {
        match self {
            // A failure may have ended it.
            Connection::Sqlite(c) => !c.0.is_autocommit(),
            Connection::Postgres(_) => false,
        }
    }

    /// Whether each look is a round trip to a server: many rows at once are cheaper than few looks.
    pub fn is_remote(&self) -> bool {
        matches!(self, Connection::Postgres(_))
    }

    /// Whether it is worth keeping.
    pub fn is_open(&self) -> bool {
        match self {
            Connection::Sqlite(_) => true,
            Connection::Postgres(c) => c.is_open(),
        }
    }
}

/// Where chunks of blobs come from.
pub trait Blobs {
    fn chunks(&self, hash: &blob::Hash, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

impl Blobs for Connection {
    fn chunks(&self, hash: &blob::Hash, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.blob(hash, each)
    }
}
