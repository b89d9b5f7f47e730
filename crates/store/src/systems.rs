//! Numbers of token systems. Few in number, kept in memory, written with the commit that uses them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Default)]
pub struct Systems {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    numbers: HashMap<Arc<str>, u32>,
    /// By number; number 0 is "no system".
    texts: Vec<Arc<str>>,
    /// How many are on disk.
    saved: usize,
}

impl Systems {
    /// Takes the systems on disk, in order of their numbers from 1.
    pub fn load(&self, texts: impl Iterator<Item = String>) {
        let mut inner = self.write();
        inner.texts = vec![Arc::from("")];
        for text in texts {
            let text: Arc<str> = text.into();
            let number = inner.texts.len() as u32;
            inner.numbers.insert(text.clone(), number);
            inner.texts.push(text);
        }
        inner.saved = inner.texts.len();
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of a system that is known.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.read().numbers.get(text).copied()
    }

    /// Number of a system; a new one when it is not known.
    pub fn number(&self, text: &str) -> u32 {
        if let Some(number) = self.find(text) {
            return number;
        }
        let mut inner = self.write();
        if let Some(number) = inner.numbers.get(text) {
            return *number;
        }
        let text: Arc<str> = text.into();
        let number = inner.texts.len() as u32;
        inner.numbers.insert(text.clone(), number);
        inner.texts.push(text);
        number
    }

    /// Text of a number that was given out.
    pub fn text(&self, number: u32) -> Option<Arc<str>> {
        self.read().texts.get(number as usize).cloned()
    }

    /// The number that the next new system would get.
    pub fn next(&self) -> u32 {
        (self.read().texts.len() as u32).max(1)
    }

    /// Takes systems with the numbers from `first` on, which others have given them. Those that are
    /// known already are passed over.
    pub fn extend(&self, first: u32, texts: impl IntoIterator<Item = String>) {
        let mut inner = self.write();
        for (number, text) in (first..).zip(texts) {
            if inner.texts.len() != number as usize {
                continue;
            }
            let text: Arc<str> = text.into();
            inner.numbers.insert(text.clone(), number);
            inner.texts.push(text);
        }
        inner.saved = inner.texts.len();
    }

    /// Systems that are not on disk yet, and how many there are in all.
    pub fn unsaved(&self) -> (usize, Vec<(u32, Arc<str>)>) {
        let inner = self.read();
        let list =
            (inner.saved..inner.texts.len()).map(|n| (n as u32, inner.texts[n].clone())).collect();
        (inner.texts.len(), list)
    }

    /// After the commit that wrote the systems below `upto`.
    pub fn mark_saved(&self, upto: usize) {
        let mut inner = self.write();
        inner.saved = inner.saved.max(upto);
    }
}
