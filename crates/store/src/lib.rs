//! The only disk and the only SQL: an encrypted SQLite file per practice.
//!
//! * [`Store::commit`] writes a [`WriteSet`] or nothing of it; it is on disk when the call returns.
//! * [`Snapshot`] reads one state of the record, now or in the past.
//! * Every version stays. Search keys lead to versions, not to resources; which versions are
//!   current is one bitmap. So the index only grows, the past can be searched, and a page of a
//!   result stays what it was while others write.
//! * Posting lists are gathered in memory and written in key order ([`mod@memory`],
//!   [`mod@run`], [`mod@flush`]); their source, the packed index values, is in the commit itself.
//!
//! Who may see what is not decided here.

mod across;
mod admit;
mod audit_key;
mod backup;
mod blob;
mod body;
mod column;
mod contained;
mod disk;
mod encode;
mod error;
mod flush;
mod fold;
mod follow;
mod inside;
mod key;
mod keyring;
mod lists;
mod members;
mod memory;
mod page;
mod plan;
mod posting;
mod rank;
mod readers;
mod reindex;
mod relocate;
mod run;
mod snapshot;
mod sorting;
mod store;
mod systems;
mod terms;
mod types;
mod verify;
mod view;
mod window;
mod writer;

pub use audit_key::{AuditKey, AuditVerifier, Signs};
pub use backup::{BackupInfo, BackupReader, Fill, Plain, Seal};
pub use contained::SORT_CONTAINED_MAX;
pub use disk::postgres::Database;
pub use error::{CommitError, Error, Kind, Result};
pub use inside::INSIDE_MAX;
pub use keyring::{DataKey, MasterKey};
pub use plan::{Explain, Step, Way};
pub use reindex::Reindex;
pub use relocate::{Digested, Place, copy, put_aside, put_file_aside};
pub use snapshot::Snapshot;
pub use sorting::SORT_CHAINED_MAX;
pub use store::{Clock, Store};
pub use types::{
    ChangeKind, Check, Committed, Cursor, Expect, Head, Inner, ItemOp, OutboxRow, OutboxTask,
    PageRequest, Put, PutKind, PutResult, Rid, Scope, SearchPage, Version, WriteSet,
};
pub use verify::{Finding, Verified};
