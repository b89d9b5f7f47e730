//! Large attachments: found by their SHA-256, kept in chunks, the same bytes only once.

use std::sync::mpsc;

use rusqlite::params;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::writer::Message;

/// Bytes in a chunk.
const CHUNK_BYTES: usize = 256 * 1024;

impl Store {
    /// Keeps bytes and gives their SHA-256. They are on disk when the call returns.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<[u8; 32]> {
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        let mut chunks: Vec<Vec<u8>> = bytes.chunks(CHUNK_BYTES).map(<[u8]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Blob { hash: hash.to_vec(), chunks, reply })?;
        answer.recv().unwrap_or_else(|_| Err(self.stopped()))?;
        Ok(hash)
    }

    /// The bytes with this SHA-256, checked against it.
    pub fn blob(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let shared = self.shared();
        let reader = shared.take_reader()?;
        let chunks: rusqlite::Result<Vec<Vec<u8>>> = reader
            .connection
            .prepare_cached("SELECT bytes FROM blob WHERE hash = ?1 ORDER BY chunk")?
            .query_map(params![hash], |row| row.get(0))?
            .collect();
        shared.give_back(reader);
        let chunks = chunks?;
        if chunks.is_empty() {
            return Ok(None);
        }
        let bytes = chunks.concat();
        let found: [u8; 32] = Sha256::digest(&bytes).into();
        if found != *hash {
            return Err(Error::new(Kind::Corrupt, "a stored attachment is damaged"));
        }
        Ok(Some(bytes))
    }
}

impl Store {
    /// Removes an outbox row whose effect is done.
    pub fn outbox_done(&self, seq: i64) -> Result<()> {
        self.send(Message::OutboxDone(seq))
    }

    /// Puts an outbox row off.
    pub fn outbox_retry(&self, seq: i64, due_ms: i64) -> Result<()> {
        self.send(Message::OutboxRetry { seq, due_ms })
    }
}
