//! SQLite: what opening, checking and copying read, row after row.

use fhir_tables::ResourceType;
use rusqlite::{OptionalExtension, params};

use super::{Connection, HEAD_COLUMNS, bytes_of, head_of, kind_of, size_of};
use crate::blob;
use crate::disk::{ChainRow, LogRow, Stored};
use crate::error::{Error, Result};
use crate::types::Rid;

impl Connection {
    /// Versions above `after`, in commit order.
    pub fn log(&self, after: Rid, mut each: impl FnMut(LogRow<'_>) -> Result<()>) -> Result<()> {
        let mut statement = self.0.prepare(
            "SELECT rid, rt, kind, prev, at, packed, id, dictionary, size, body
             FROM version WHERE rid > ?1 ORDER BY rid",
        )?;
        let mut rows = statement.query([after])?;
        while let Some(row) = rows.next()? {
            each(LogRow {
                rid: row.get(0)?,
                rt: ResourceType(row.get(1)?),
                kind: kind_of(row.get(2)?, 2)?,
                prev: row.get(3)?,
                at_ms: row.get(4)?,
                packed: bytes_of(row, 5)?,
                id: row.get_ref(6)?.as_str().map_err(|_| Error::corrupt("an id"))?,
                dictionary: row.get(7)?,
                size: size_of(row, 8)?,
                body: bytes_of(row, 9)?,
            })?;
        }
        Ok(())
    }

    /// Number and time of the last version; zeros when there is none.
    pub fn last_version(&self) -> Result<(Rid, i64)> {
        let mut statement =
            self.0.prepare("SELECT rid, at FROM version ORDER BY rid DESC LIMIT 1")?;
        let row = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(row.optional()?.unwrap_or((0, 0)))
    }

    /// Bitmaps of versions that are not current.
    pub fn dead(&self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut statement = self.0.prepare("SELECT bitmap FROM dead")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(bytes_of(row, 0)?)?;
        }
        Ok(())
    }

    /// Compression dictionaries, in order of their numbers.
    pub fn dictionaries(
        &self,
        mut each: impl FnMut(u32, ResourceType, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut statement =
            self.0.prepare("SELECT number, rt, bytes FROM dictionary ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, ResourceType(row.get(1)?), bytes_of(row, 2)?)?;
        }
        Ok(())
    }

    /// Token systems in order of their numbers, from number `from` on.
    pub fn systems(&self, from: u32) -> Result<Vec<String>> {
        let mut statement =
            self.0.prepare("SELECT text FROM system WHERE number >= ?1 ORDER BY number")?;
        let rows = statement.query_map([from], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Compressed chunks of a blob, in order.
    pub fn blob(&self, hash: &blob::Hash, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut statement =
            self.0.prepare_cached("SELECT bytes FROM blob WHERE hash = ?1 ORDER BY chunk")?;
        let mut rows = statement.query(params![hash])?;
        while let Some(row) = rows.next()? {
            each(bytes_of(row, 0)?)?;
        }
        Ok(())
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut statement = self.0.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    pub fn audit_state(&self) -> Result<Option<Vec<u8>>> {
        self.meta("audit")
    }

    /// The last version whose keys are all in posting rows.
    pub fn flushed(&self) -> Result<Rid> {
        match self.meta("flushed")? {
            Some(bytes) => bytes
                .try_into()
                .map(Rid::from_le_bytes)
                .map_err(|_| Error::corrupt("the number 'flushed'")),
            None => Ok(0),
        }
    }

    /// What is wrong with the file itself: pages that do not decrypt, B-trees that are not whole.
    pub fn integrity(&self) -> Result<Vec<String>> {
        let mut statement = self.0.prepare("PRAGMA cipher_integrity_check")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// All versions up to `at` as they stand, in commit order.
    pub fn each_stored(
        &self,
        at: Rid,
        mut each: impl FnMut(&Stored<'_>) -> Result<()>,
    ) -> Result<()> {
        let sql = format!(
            "SELECT {HEAD_COLUMNS}, dictionary, size, body, hash, packed, prev FROM version
             WHERE rid <= ?1 ORDER BY rid"
        );
        let mut statement = self.0.prepare(&sql)?;
        let mut rows = statement.query([at])?;
        while let Some(row) = rows.next()? {
            each(&Stored {
                head: head_of(row)?,
                dictionary: row.get(6)?,
                size: size_of(row, 7)?,
                body: bytes_of(row, 8)?,
                hash: bytes_of(row, 9)?,
                packed: bytes_of(row, 10)?,
                prev: row.get(11)?,
            })?;
        }
        Ok(())
    }

    /// All items: collection, key and value.
    pub fn each_item(&self, mut each: impl FnMut(&str, &[u8], &[u8]) -> Result<()>) -> Result<()> {
        let mut statement = self.0.prepare("SELECT collection, key, value FROM item")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let collection =
                row.get_ref(0)?.as_str().map_err(|_| Error::corrupt("a collection"))?;
            each(collection, bytes_of(row, 1)?, bytes_of(row, 2)?)?;
        }
        Ok(())
    }

    /// All chunks of all blobs: hash, number and bytes.
    pub fn each_chunk(
        &self,
        mut each: impl FnMut(&blob::Hash, usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.0.prepare("SELECT hash, chunk, bytes FROM blob")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let hash = bytes_of(row, 0)?.try_into().map_err(|_| Error::corrupt("a hash"))?;
            each(&hash, size_of(row, 1)?, bytes_of(row, 2)?)?;
        }
        Ok(())
    }

    /// All of `ident` up to `at`, in order of type, id and version.
    pub fn each_chain(&self, at: Rid, mut each: impl FnMut(ChainRow) -> Result<()>) -> Result<()> {
        let mut statement = self.0.prepare(
            "SELECT i.rt, i.id, i.vid, i.rid, v.rid IS NOT NULL
               AND v.rt = i.rt AND v.id = i.id AND v.vid = i.vid AND v.kind = i.kind
             FROM ident i LEFT JOIN version v ON v.rid = i.rid WHERE i.rid <= ?1
             ORDER BY i.rt, i.id, i.vid",
        )?;
        let mut rows = statement.query([at])?;
        while let Some(row) = rows.next()? {
            each(ChainRow {
                rt: ResourceType(row.get(0)?),
                id: row.get(1)?,
                vid: row.get(2)?,
                rid: row.get(3)?,
                is_in_log: row.get(4)?,
            })?;
        }
        Ok(())
    }
}
