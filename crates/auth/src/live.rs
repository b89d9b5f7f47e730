//! What is valid right now, in memory, by the hash of its secret.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use crate::secret::Digest256;

/// Entries kept at most; beyond this every second one is dropped and read
/// again from the vault when needed.
pub const LIVE_MAX: usize = 50_000;

/// The key is a cryptographic hash already: its first eight bytes serve.
#[derive(Default)]
pub struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

type Map<T> = HashMap<Digest256, Arc<T>, BuildHasherDefault<FirstBytes>>;

struct Inner<T> {
    map: Map<T>,
    /// Counts removals: what was read from the vault before one is not put after it.
    removals: u64,
}

/// A map of live sessions or tokens.
pub struct Live<T>(RwLock<Inner<T>>);

impl<T> Default for Live<T> {
    fn default() -> Self {
        Live(RwLock::new(Inner { map: Map::default(), removals: 0 }))
    }
}

impl<T> Live<T> {
    pub fn get(&self, key: &Digest256) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).map.get(key).cloned()
    }

    /// The entry, or what `load` finds, which is then kept.
    pub fn get_or_load<E>(
        &self,
        key: &Digest256,
        load: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        if let Some(value) = self.get(key) {
            return Ok(Some(value));
        }
        let removals = self.0.read().unwrap_or_else(PoisonError::into_inner).removals;
        let Some(value) = load()?.map(Arc::new) else { return Ok(None) };
        let mut inner = self.write();
        if let Some(other) = inner.map.get(key) {
            return Ok(Some(Arc::clone(other)));
        }
        if inner.removals == removals {
            insert(&mut inner.map, *key, Arc::clone(&value));
        }
        Ok(Some(value))
    }

    pub fn put(&self, key: Digest256, value: Arc<T>) {
        insert(&mut self.write().map, key, value);
    }

    pub fn remove(&self, key: &Digest256) {
        let mut inner = self.write();
        inner.removals += 1;
        inner.map.remove(key);
    }

    /// Removes all entries for which `gone` holds.
    pub fn remove_all(&self, gone: impl Fn(&T) -> bool) {
        let mut inner = self.write();
        inner.removals += 1;
        inner.map.retain(|_, value| !gone(value));
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<T>(map: &mut Map<T>, key: Digest256, value: Arc<T>) {
    if map.len() >= LIVE_MAX {
        let mut keep = false;
        map.retain(|_, _| {
            keep = !keep;
            keep
        });
    }
    map.insert(key, value);
}
