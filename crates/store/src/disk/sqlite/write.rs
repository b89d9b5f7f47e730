//! SQLite: the writer's statements.

use fhir_tables::ResourceType;
use rusqlite::{CachedStatement, OptionalExtension, params};

use super::Connection;
use crate::blob;
use crate::disk::NewVersion;
use crate::error::Result;
use crate::types::{OutboxRow, Rid};

impl Connection {
    pub fn begin(&self) -> Result<()> {
        self.run("BEGIN IMMEDIATE")
    }

    /// On disk when this returns.
    pub fn commit(&self) -> Result<()> {
        self.run("COMMIT")
    }

    /// After a failure; it may have ended the transaction already.
    pub fn roll_back(&self) -> Result<()> {
        if !self.0.is_autocommit() {
            self.0.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    /// Adds versions to the log, and to `ident` in the order in which it keeps them.
    pub fn put_versions(&self, versions: &[NewVersion<'_>]) -> Result<()> {
        let mut log = self
            .0
            .prepare_cached("INSERT INTO version VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
        for v in versions {
            log.execute(params![
                v.rid,
                v.rt.0,
                v.id,
                v.vid,
                v.at_ms,
                v.kind as i64,
                v.prev,
                v.dictionary,
                v.size as i64,
                v.hash,
                v.packed,
                v.body
            ])?;
        }
        let mut order: Vec<&NewVersion<'_>> = versions.iter().collect();
        order.sort_unstable_by_key(|v| (v.rt, v.id, v.vid));
        let mut ident = self.0.prepare_cached("INSERT INTO ident VALUES(?1, ?2, ?3, ?4, ?5)")?;
        for v in order {
            ident.execute(params![v.rt.0, v.id, v.vid, v.rid, v.kind as i64])?;
        }
        Ok(())
    }

    /// Sets an item, or removes it.
    pub fn put_item(&self, collection: &str, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        match value {
            Some(value) => self.execute(
                "INSERT INTO item VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3",
                params![collection, key, value],
            ),
            None => self.execute(
                "DELETE FROM item WHERE collection = ?1 AND key = ?2",
                params![collection, key],
            ),
        }
    }

    pub fn put_outbox(&self, row: &OutboxRow) -> Result<()> {
        self.execute(
            "INSERT INTO outbox(topic, payload, due, attempts) VALUES(?1, ?2, ?3, 0)",
            params![row.topic, row.payload, row.due_ms],
        )
    }

    pub fn put_audit(&self, seq: u64, leaf: &[u8]) -> Result<()> {
        self.execute("INSERT INTO audit VALUES(?1, ?2)", params![seq as i64, leaf])
    }

    pub fn put_system(&self, number: u32, text: &str) -> Result<()> {
        self.execute("INSERT INTO system VALUES(?1, ?2)", params![number, text])
    }

    pub fn set_meta(&self, name: &str, value: &[u8]) -> Result<()> {
        self.execute(
            "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
            params![name, value],
        )
    }

    pub fn put_dead(&self, chunk: u32, bitmap: &[u8]) -> Result<()> {
        self.execute(
            "INSERT INTO dead VALUES(?1, ?2) ON CONFLICT DO UPDATE SET bitmap = ?2",
            params![chunk, bitmap],
        )
    }

    pub fn put_posting(&self, key: &[u8], first: Rid, rids: &[u8]) -> Result<()> {
        self.execute("INSERT INTO posting VALUES(?1, ?2, ?3)", params![key, first, rids])
    }

    /// For writing many rows.
    pub fn posting_writer(&self) -> Result<PostingWriter<'_>> {
        Ok(PostingWriter {
            last: self.0.prepare_cached(
                "SELECT first, rids FROM posting WHERE key = ?1 ORDER BY first DESC LIMIT 1",
            )?,
            put: self.0.prepare_cached("INSERT INTO posting VALUES(?1, ?2, ?3)")?,
            replace: self
                .0
                .prepare_cached("UPDATE posting SET rids = ?3 WHERE key = ?1 AND first = ?2")?,
        })
    }

    pub fn drop_posting(&self, key: &[u8], first: Rid) -> Result<()> {
        self.execute("DELETE FROM posting WHERE key = ?1 AND first = ?2", params![key, first])
    }

    /// Index values of a version that is there already.
    pub fn set_packed(&self, rid: Rid, packed: &[u8]) -> Result<()> {
        self.execute("UPDATE version SET packed = ?2 WHERE rid = ?1", params![rid, packed])
    }

    pub fn put_blob_chunk(&self, hash: &blob::Hash, chunk: usize, bytes: &[u8]) -> Result<()> {
        self.execute(
            "INSERT OR IGNORE INTO blob VALUES(?1, ?2, ?3)",
            params![hash, chunk as i64, bytes],
        )
    }

    pub fn put_dictionary(&self, number: u32, rt: ResourceType, bytes: &[u8]) -> Result<()> {
        self.execute("INSERT INTO dictionary VALUES(?1, ?2, ?3)", params![number, rt.0, bytes])
    }

    pub fn outbox_done(&self, seq: i64) -> Result<()> {
        self.execute("DELETE FROM outbox WHERE seq = ?1", params![seq])
    }

    pub fn outbox_retry(&self, seq: i64, due_ms: i64) -> Result<()> {
        self.execute(
            "UPDATE outbox SET due = ?2, attempts = attempts + 1 WHERE seq = ?1",
            params![seq, due_ms],
        )
    }
}

/// Posting rows, with statements that stay at hand.
pub struct PostingWriter<'c> {
    last: CachedStatement<'c>,
    put: CachedStatement<'c>,
    replace: CachedStatement<'c>,
}

impl PostingWriter<'_> {
    /// The last row of a key.
    pub fn last(&mut self, key: &[u8]) -> Result<Option<(Rid, Vec<u8>)>> {
        Ok(self.last.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    pub fn put(&mut self, key: &[u8], first: Rid, rids: &[u8]) -> Result<()> {
        self.put.execute(params![key, first, rids])?;
        Ok(())
    }

    /// Writes a row in place of the one that begins with the same version.
    pub fn replace(&mut self, key: &[u8], first: Rid, rids: &[u8]) -> Result<()> {
        self.replace.execute(params![key, first, rids])?;
        Ok(())
    }
}
