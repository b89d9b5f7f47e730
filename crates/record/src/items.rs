//! Named collections beside the resources: accounts, sessions, queues.
//!
//! What FHIR has no place for, written in the same store under the same key. Nothing here is ever
//! served as FHIR.

use store::{Check, CommitError, ItemOp, WriteSet};

use crate::audit::{Event, leaves};
use crate::error::{Error, Result};
use crate::record::Record;
use access::Ctx;

/// An item and what it must be for a change to be done.
#[derive(Clone, Debug)]
pub struct Expected {
    pub collection: &'static str,
    pub key: Vec<u8>,
    /// `None`: there is no such item.
    pub value: Option<Vec<u8>>,
}

/// A change of one item; `None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub collection: &'static str,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

impl Change {
    pub(crate) fn into_op(self) -> ItemOp {
        ItemOp { collection: self.collection, key: self.key, value: self.value }
    }
}

/// Reads and writes collections.
pub struct Items<'a> {
    record: &'a Record,
}

impl Record {
    /// The named collections.
    pub fn items(&self) -> Items<'_> {
        Items { record: self }
    }
}

impl Items<'_> {
    pub fn get(&self, collection: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.record.store().snapshot(search::Sees::everything())?.item(collection, key)?)
    }

    /// Items whose key begins with `prefix`, behind `after`, in key order.
    pub fn scan(
        &self,
        collection: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(self
            .record
            .store()
            .snapshot(search::Sees::everything())?
            .items(collection, prefix, after, limit)?)
    }

    /// Writes all changes in one commit, with an audit leaf that says `what`.
    ///
    /// Shape: false, and nothing written, when an item was not as expected.
    pub fn commit(
        &self,
        ctx: &Ctx,
        what: &str,
        expected: Vec<Expected>,
        changes: Vec<Change>,
    ) -> Result<bool> {
        let n = changes.len();
        let event =
            Event { action: 'U', what: what.to_owned(), n, status: 200, ..Event::default() };
        let set = WriteSet {
            checks: expected
                .into_iter()
                .map(|e| Check::Item { collection: e.collection, key: e.key, value: e.value })
                .collect(),
            items: changes.into_iter().map(Change::into_op).collect(),
            audit: leaves(ctx, &event),
            ..WriteSet::default()
        };
        match self.record.store().commit(set) {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Failed(e)) => Err(e.into()),
            Err(other) => {
                Err(Error::new(crate::Kind::Internal, "the commit was refused").caused_by(other))
            }
        }
    }

    /// An audit leaf of something that is no FHIR request: login, logout, a refused login.
    ///
    /// `action`: C, R, U, D or E; `status`: what HTTP would say.
    pub fn audit(&self, ctx: &Ctx, action: char, what: &str, status: u16) -> Result<()> {
        let event = Event { action, what: what.to_owned(), status, ..Event::default() };
        self.record.audit_event(ctx, &event)
    }
}
