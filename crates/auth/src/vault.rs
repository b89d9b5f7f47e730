//! Where accounts, clients, sessions and tokens are kept: items in named collections.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// One item to write; `None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemWrite {
    pub collection: &'static str,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// What happened, for the audit log. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A word such as `login`, `login-refused`, `token`, `account-created`.
    pub action: &'static str,
    pub ok: bool,
    /// Account or client that it is about; the name as typed when nobody has it.
    pub subject: String,
    /// Where the caller is, as far as known.
    pub address: Option<String>,
    pub at_ms: i64,
}

/// Key and value of an item.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// The collections of [`crate::Auth`]. Implemented over the record, and in memory for tests and
/// for tools without one.
pub trait Vault: Send + Sync {
    fn item(&self, collection: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// All items of a collection whose key starts with `prefix`, in the order of keys.
    fn items(&self, collection: &'static str, prefix: &[u8]) -> Result<Vec<KeyValue>, Error>;

    /// Writes all items and the audit leaf, or nothing; on disk when it returns.
    fn write(&self, writes: Vec<ItemWrite>, event: Event) -> Result<(), Error>;

    /// As [`Vault::write`], if every item in `expected` is as it says there (`None`: is not there).
    /// False, and nothing written, when one is not: also when another process was first.
    fn write_if(
        &self,
        expected: Vec<ItemWrite>,
        writes: Vec<ItemWrite>,
        event: Event,
    ) -> Result<bool, Error>;
}

type Items = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryVault {
    items: Mutex<Items>,
    events: Mutex<Vec<Event>>,
}

impl MemoryVault {
    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Items of a collection.
    pub fn count(&self, collection: &str) -> usize {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.keys().filter(|(name, _)| *name == collection).count()
    }

    /// Everything that is kept, for tests that look for secrets.
    pub fn dump(&self) -> Vec<u8> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().flat_map(|((_, key), value)| [key.clone(), value.clone()].concat()).collect()
    }
}

impl Vault for MemoryVault {
    fn item(&self, collection: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(items.get(&(collection, key.to_vec())).cloned())
    }

    fn items(&self, collection: &'static str, prefix: &[u8]) -> Result<Vec<KeyValue>, Error> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(items
            .iter()
            .filter(|((name, key), _)| *name == collection && key.starts_with(prefix))
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write(&self, writes: Vec<ItemWrite>, event: Event) -> Result<(), Error> {
        self.write_if(Vec::new(), writes, event).map(|_| ())
    }

    fn write_if(
        &self,
        expected: Vec<ItemWrite>,
        writes: Vec<ItemWrite>,
        event: Event,
    ) -> Result<bool, Error> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |one: &ItemWrite| {
            items.get(&(one.collection, one.key.clone())).map(Vec::as_slice) == one.value.as_deref()
        };
        if !expected.iter().all(is_there) {
            return Ok(false);
        }
        for write in writes {
            let key = (write.collection, write.key);
            match write.value {
                Some(value) => items.insert(key, value),
                None => items.remove(&key),
            };
        }
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(true)
    }
}

impl Vault for record::Record {
    fn item(&self, collection: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        record::Record::items(self).get(collection, key).map_err(Error::storage)
    }

    fn items(&self, collection: &'static str, prefix: &[u8]) -> Result<Vec<KeyValue>, Error> {
        const PAGE: usize = 1_000;
        let mut all = Vec::new();
        loop {
            let after = all.last().map(|(key, _): &(Vec<u8>, Vec<u8>)| key.as_slice());
            let page = record::Record::items(self)
                .scan(collection, prefix, after, PAGE)
                .map_err(Error::storage)?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    fn write(&self, writes: Vec<ItemWrite>, event: Event) -> Result<(), Error> {
        if writes.is_empty() {
            let (ctx, what) = named(&event);
            let status = if event.ok { 200 } else { 401 };
            let items = record::Record::items(self);
            return items.audit(&ctx, 'E', &what, status).map_err(Error::storage);
        }
        self.write_if(Vec::new(), writes, event).map(|_| ())
    }

    fn write_if(
        &self,
        expected: Vec<ItemWrite>,
        writes: Vec<ItemWrite>,
        event: Event,
    ) -> Result<bool, Error> {
        let (ctx, what) = named(&event);
        let expected = expected
            .into_iter()
            .map(|e| record::Expected { collection: e.collection, key: e.key, value: e.value })
            .collect();
        let changes = writes
            .into_iter()
            .map(|w| record::Change { collection: w.collection, key: w.key, value: w.value })
            .collect();
        record::Record::items(self).commit(&ctx, &what, expected, changes).map_err(Error::storage)
    }
}

/// Context and text of an event in the audit log.
fn named(event: &Event) -> (record::Ctx, String) {
    let mut ctx = record::Ctx::system(format!("auth-{}", event.action), event.at_ms);
    ctx.address = event.address.clone();
    (ctx, format!("{} {}", event.action, event.subject))
}
