//! Bodies of large sets, compressed and hashed beside the writer.
//!
//! A body holds its version and time, which the writer decides. Here they are guessed: the time is
//! taken when the set is about to be sent, and sets are sent in the order of their times. What
//! turns out otherwise (a resource that is there already, a smaller set that came between) the
//! writer encodes itself.

use std::sync::{Mutex, PoisonError};

use fhir_tables::ResourceType;
use sha2::{Digest, Sha256};

use crate::blob;
use crate::body;
use crate::error::Result;
use crate::types::{Expect, PutKind};
use crate::writer::{HASH_BYTES, PreparedSet};

/// A body as it goes to disk.
pub struct Encoded {
    pub dictionary: u32,
    /// Bytes before compression.
    pub size: usize,
    pub stored: Vec<u8>,
    pub hash: [u8; HASH_BYTES],
}

/// A guess at the body of a put.
pub struct Guess {
    pub vid: u32,
    pub body: Encoded,
}

/// Hash of a body.
pub fn hash(body: &str) -> [u8; HASH_BYTES] {
    let whole: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(&whole[..HASH_BYTES]);
    hash
}

/// The body with version and time put in; `time` is `lastUpdated` as it stands there.
pub fn with_meta(text: &str, at: usize, vid: u32, time: &str) -> String {
    let (head, tail) = text.split_at(at);
    let vid = vid.to_string();
    let parts = [head, "\"versionId\":\"", &vid, "\",\"lastUpdated\":\"", time, "\"", tail];
    parts.concat()
}

/// Encodes large sets, one after the other.
pub struct Encoder(Mutex<Inner>);

struct Inner {
    bodies: body::Writer,
    last_at_ms: i64,
}

impl Encoder {
    pub fn new() -> Result<Encoder> {
        Ok(Encoder(Mutex::new(Inner { bodies: body::Writer::new()?, last_at_ms: i64::MIN })))
    }

    /// From now on bodies of `rt` are compressed with this dictionary, which is on disk.
    pub fn set(&self, rt: ResourceType, dictionary: body::Prepared) -> Result<()> {
        self.lock().bodies.set(rt, dictionary)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes the bodies of a set as of `now_ms` and sends it before any other set is encoded.
    pub fn encode_and<T>(
        &self,
        mut set: PreparedSet,
        now_ms: i64,
        send: impl FnOnce(PreparedSet) -> T,
    ) -> Result<T> {
        let mut inner = self.lock();
        inner.last_at_ms = inner.last_at_ms.max(now_ms);
        let at_ms = inner.last_at_ms;
        let time = fhir::date::format_instant(at_ms);
        set.guessed_at_ms = at_ms;
        for put in &mut set.puts {
            let vid = match (put.kind, put.expect) {
                (PutKind::Write, Expect::New | Expect::Any | Expect::Absent) => 1,
                (PutKind::Write, Expect::Version(vid)) => vid + 1,
                _ => continue,
            };
            // The writer wants to see some bodies of a type before there is a dictionary.
            if !inner.bodies.knows(put.rt) || put.text.len() >= blob::CUT_MIN_BYTES {
                continue;
            }
            let body = with_meta(&put.text, put.meta_at, vid, &time);
            let (dictionary, stored) = inner.bodies.write(put.rt, body.as_bytes())?;
            let body = Encoded { dictionary, size: body.len(), stored, hash: hash(&body) };
            put.guess = Some(Guess { vid, body });
        }
        Ok(send(set))
    }
}
