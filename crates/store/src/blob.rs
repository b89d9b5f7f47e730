//! Large attachments: found by their SHA-256, kept in compressed chunks, the same bytes only once.
//!
//! Long strings in a body (the base64 of an attachment) are cut out of it on the way to disk and
//! put back on the way out, byte for byte; a new version of a document does not store its
//! attachment again.

use std::sync::mpsc;

use sha2::{Digest, Sha256};
use stdx::hex;

use crate::disk::{Blobs, Connection};
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::writer::Message;

/// Bytes in a chunk.
const CHUNK_BYTES: usize = 256 * 1024;
/// Strings from this length on are cut out of bodies.
pub const CUT_MIN_BYTES: usize = 32 * 1024;
/// zstd level: base64 shrinks by a quarter, whatever the level.
const LEVEL: i32 = 1;
/// Stands before and behind the hash in a body that was cut; JSON text never holds it.
const MARK: u8 = 0;

pub type Hash = [u8; 32];

/// A blob as it goes to disk.
pub struct Blob {
    pub hash: Hash,
    pub chunks: Vec<Vec<u8>>,
}

impl Blob {
    pub fn of(bytes: &[u8]) -> Result<Blob> {
        let mut chunks = Vec::with_capacity(bytes.len() / CHUNK_BYTES + 1);
        for chunk in bytes.chunks(CHUNK_BYTES) {
            chunks.push(zstd::bulk::compress(chunk, LEVEL)?);
        }
        if chunks.is_empty() {
            chunks.push(zstd::bulk::compress(&[], LEVEL)?);
        }
        Ok(Blob { hash: Sha256::digest(bytes).into(), chunks })
    }

    /// Inside a transaction of the writer.
    pub fn write(&self, connection: &Connection) -> Result<()> {
        for (i, chunk) in self.chunks.iter().enumerate() {
            connection.put_blob_chunk(&self.hash, i, chunk)?;
        }
        Ok(())
    }
}

/// The bytes with this SHA-256, checked against it.
pub fn read(blobs: &dyn Blobs, hash: &Hash) -> Result<Option<Vec<u8>>> {
    let damaged = || Error::new(Kind::Corrupt, "a stored attachment is damaged");
    let mut bytes = Vec::new();
    let mut n = 0;
    blobs.chunks(hash, &mut |chunk| {
        let chunk = zstd::bulk::decompress(chunk, CHUNK_BYTES).map_err(|_| damaged())?;
        bytes.extend_from_slice(&chunk);
        n += 1;
        Ok(())
    })?;
    if n == 0 {
        return Ok(None);
    }
    let found: Hash = Sha256::digest(&bytes).into();
    if found == *hash { Ok(Some(bytes)) } else { Err(damaged()) }
}

/// Takes long strings out of a body. `None` when there are none.
pub fn cut(body: &str) -> Result<Option<(Vec<u8>, Vec<Blob>)>> {
    if body.len() < CUT_MIN_BYTES || body.as_bytes().contains(&MARK) {
        return Ok(None);
    }
    let mut left = Vec::new();
    let mut blobs = Vec::new();
    for (i, part) in body.split('"').enumerate() {
        if i > 0 {
            left.push(b'"');
        }
        if part.len() < CUT_MIN_BYTES {
            left.extend_from_slice(part.as_bytes());
            continue;
        }
        let blob = Blob::of(part.as_bytes())?;
        left.push(MARK);
        left.extend_from_slice(hex::encode(&blob.hash).as_bytes());
        left.push(MARK);
        blobs.push(blob);
    }
    Ok((!blobs.is_empty()).then_some((left, blobs)))
}

/// Inverse of [`cut`].
pub fn join(blobs: &dyn Blobs, left: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(left.len());
    for (i, part) in left.split(|b| *b == MARK).enumerate() {
        if i % 2 == 0 {
            body.extend_from_slice(part);
            continue;
        }
        let hash = std::str::from_utf8(part)
            .ok()
            .and_then(hex::decode)
            .and_then(|hash| Hash::try_from(hash).ok())
            .ok_or_else(|| Error::corrupt("a body that was cut"))?;
        let bytes = read(blobs, &hash)?;
        body.extend(bytes.ok_or_else(|| Error::corrupt("an attachment is missing"))?);
    }
    Ok(body)
}

impl Store {
    /// Keeps bytes and gives their SHA-256. They are on disk when the call returns.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Hash> {
        let blob = Blob::of(bytes)?;
        let hash = blob.hash;
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Blob { blob, reply })?;
        answer.recv().unwrap_or_else(|_| Err(self.stopped()))?;
        Ok(hash)
    }

    /// The bytes with this SHA-256, checked against it.
    pub fn blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>> {
        let reader = self.shared().take_reader()?;
        let found = read(&reader.connection, hash);
        self.shared().give_back(reader);
        found
    }

    /// Removes an outbox row whose effect is done.
    pub fn outbox_done(&self, seq: i64) -> Result<()> {
        self.send(Message::OutboxDone(seq))
    }

    /// Puts an outbox row off.
    pub fn outbox_retry(&self, seq: i64, due_ms: i64) -> Result<()> {
        self.send(Message::OutboxRetry { seq, due_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bodies_are_left_alone() {
        let at = |n: usize| format!(r#"{{"data":"{}"}}"#, "A".repeat(n));
        assert!(cut(&at(CUT_MIN_BYTES - 1)).expect("cut").is_none());
        let (left, blobs) = cut(&at(CUT_MIN_BYTES)).expect("cut").expect("long");
        assert_eq!((left.len(), blobs.len()), (11 + 66, 1));
    }
}
