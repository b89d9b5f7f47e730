//! Writing: what a group writes is gathered here and sent in one call.
//!
//! The writer decides on what it read; the function `vitae.commit_group` does nothing when
//! somebody else has committed since. Reads of the writer see what its group has gathered.

use std::collections::{BTreeMap, HashMap};

use fhir_tables::ResourceType;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};

use super::{Connection, Head as SharedHead, failure, number, rid_of};
use crate::blob;
use crate::disk::{Ident, NewVersion};
use crate::error::{Error, Kind, Result};
use crate::posting::Row;
use crate::types::{ChangeKind, Head, ItemOp, OutboxRow, Rid};

/// From so many versions on they are sent by COPY.
const COPY_FROM_VERSIONS: usize = 256;
/// Advisory lock of those who write posting rows; its second number is the practice.
const FLUSH_LOCK: i32 = 7_861_002;

/// What a group writes, by columns.
#[derive(Default)]
pub(super) struct Pending {
    rids: Vec<i64>,
    types: Vec<i16>,
    ids: Vec<String>,
    vids: Vec<i64>,
    times: Vec<i64>,
    kinds: Vec<i16>,
    prevs: Vec<i64>,
    dictionaries: Vec<i32>,
    sizes: Vec<i64>,
    hashes: Vec<Vec<u8>>,
    packed: Vec<Vec<u8>>,
    bodies: Vec<Vec<u8>>,
    /// Current versions that were looked up or are written by the group.
    idents: HashMap<(ResourceType, String), Option<Ident>>,
    /// First versions of resources of `idents`.
    firsts: HashMap<(ResourceType, String), Option<Rid>>,
    items: BTreeMap<(String, Vec<u8>), Option<Vec<u8>>>,
    outbox: Vec<OutboxRow>,
    audit_seqs: Vec<i64>,
    audit_leaves: Vec<Vec<u8>>,
}

impl Pending {
    pub fn ident(&self, rt: ResourceType, id: &str) -> Option<Option<Ident>> {
        if self.idents.is_empty() {
            return None;
        }
        self.idents.get(&(rt, id.to_owned())).copied()
    }

    pub fn first(&self, rt: ResourceType, id: &str) -> Option<Option<Rid>> {
        if self.firsts.is_empty() {
            return None;
        }
        self.firsts.get(&(rt, id.to_owned())).copied()
    }

    pub fn item(&self, collection: &str, key: &[u8]) -> Option<Option<Vec<u8>>> {
        if self.items.is_empty() {
            return None;
        }
        self.items.get(&(collection.to_owned(), key.to_vec())).cloned()
    }

    fn index(&self, rid: Rid) -> Option<usize> {
        let first = *self.rids.first()?;
        let index = usize::try_from(i64::from(rid) - first).ok()?;
        (index < self.rids.len()).then_some(index)
    }

    pub fn head(&self, rid: Rid) -> Option<Head> {
        let i = self.index(rid)?;
        Some(Head {
            rid,
            rt: ResourceType(u8::try_from(self.types[i]).ok()?),
            id: self.ids[i].clone(),
            vid: u32::try_from(self.vids[i]).ok()?,
            last_updated_ms: self.times[i],
            kind: ChangeKind::from_number(self.kinds[i].into())?,
        })
    }

    /// Heads when all of them are of the group.
    pub fn heads(&self, rids: &[Rid]) -> Option<Vec<Head>> {
        if self.rids.is_empty() {
            return None;
        }
        rids.iter().map(|rid| self.head(*rid)).collect()
    }

    /// Head, dictionary, size and stored body.
    pub fn stored(&self, rid: Rid) -> Option<(Head, u32, usize, Vec<u8>)> {
        let i = self.index(rid)?;
        let dictionary = u32::try_from(self.dictionaries[i]).ok()?;
        let size = usize::try_from(self.sizes[i]).ok()?;
        Some((self.head(rid)?, dictionary, size, self.bodies[i].clone()))
    }

    /// Id, time and packed values.
    pub fn values(&self, rid: Rid) -> Option<(String, i64, Vec<u8>)> {
        let i = self.index(rid)?;
        Some((self.ids[i].clone(), self.times[i], self.packed[i].clone()))
    }
}

/// What came of sending a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Done,
    /// Somebody else has committed meanwhile; nothing was written.
    Moved,
}

/// What the head is to become.
pub struct NewHead<'a> {
    /// Commits that were known.
    pub expected: i64,
    pub last: Rid,
    pub last_at_ms: i64,
    pub audit: &'a [u8],
    /// Names this commit among all.
    pub token: &'a [u8],
}

const COMMIT: &str = "SELECT vitae.commit_group($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
    $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)";
const COPY: &str = "COPY vitae.version(practice, rid, rt, id, vid, at, kind, prev, dictionary,
    size, hash, packed, body) FROM STDIN (FORMAT binary)";
const COPY_TYPES: &[Type] = &[
    Type::INT4,
    Type::INT8,
    Type::INT2,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::INT2,
    Type::INT8,
    Type::INT4,
    Type::INT8,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
];

impl Connection {
    /// Begins a group that relies on nobody else committing meanwhile.
    pub fn begin_hopeful(&self) {
        **self.pending.borrow_mut() = Pending::default();
    }

    /// Begins a group that nobody else can come between; tells the state that it begins with.
    pub fn begin_locked(&self) -> Result<SharedHead> {
        **self.pending.borrow_mut() = Pending::default();
        let practice = self.practice();
        self.batch(&format!(
            "BEGIN; SELECT 1 FROM vitae.head WHERE practice = {practice} FOR UPDATE"
        ))?;
        self.in_transaction.set(true);
        self.shared_head()
    }

    /// Gives up what was gathered. A session that cannot be told so is ended.
    pub fn abandon(&self) {
        **self.pending.borrow_mut() = Pending::default();
        if self.in_transaction.get() {
            let told = self.batch("ROLLBACK");
            self.in_transaction.set(false);
            if told.is_err() {
                self.hang_up();
            }
        }
    }

    /// Looks up many current versions at once, for the group that has begun.
    pub fn prefetch(&self, of: &[(ResourceType, &str)]) -> Result<()> {
        let found = self.idents(of, Rid::MAX)?;
        let later: Vec<(ResourceType, &str)> = of
            .iter()
            .zip(&found)
            .filter(|(_, ident)| ident.is_some_and(|ident| ident.vid > 1))
            .map(|(of, _)| *of)
            .collect();
        let firsts = self.first_versions(&later)?;
        let mut pending = self.pending.borrow_mut();
        for ((rt, id), first) in later.iter().zip(firsts) {
            pending.firsts.insert((*rt, (*id).to_owned()), first);
        }
        for ((rt, id), ident) in of.iter().zip(found) {
            pending.idents.insert((*rt, (*id).to_owned()), ident);
        }
        Ok(())
    }

    pub fn has_pending(&self) -> bool {
        let p = self.pending.borrow();
        !(p.rids.is_empty() && p.items.is_empty() && p.outbox.is_empty() && p.audit_seqs.is_empty())
    }

    /// Whether nobody has committed since.
    pub fn is_at(&self, revision: i64) -> Result<bool> {
        if self.in_transaction.get() {
            return Ok(true);
        }
        let sql = "SELECT revision FROM vitae.head WHERE practice = $1";
        let row = self.query_opt(sql, &[&self.practice()])?;
        let row = row.ok_or_else(|| Error::corrupt("the practice has no head"))?;
        Ok(row.try_get::<_, i64>(0).map_err(failure)? == revision)
    }

    /// Sends the group; on disk when this returns `Done`.
    ///
    /// Errors: when the connection is lost it is not known whether the group was committed; see
    /// [`Connection::was_committed`].
    pub fn commit_group(&self, head: &NewHead<'_>) -> Result<Attempt> {
        let pending = self.pending.take();
        let copied = pending.rids.len() >= COPY_FROM_VERSIONS;
        if copied && !self.in_transaction.get() {
            self.batch("BEGIN")?;
            self.in_transaction.set(true);
        }
        if !self.call(&pending, head, !copied)? {
            self.abandon();
            return Ok(Attempt::Moved);
        }
        if copied {
            self.copy(&pending)?;
        }
        if self.in_transaction.get() {
            self.batch("COMMIT")?;
            self.in_transaction.set(false);
        }
        Ok(Attempt::Done)
    }

    /// Begins the transaction that brings a whole practice.
    pub fn begin_arrival(&self, name: &str, form: i64) -> Result<()> {
        self.batch("BEGIN")?;
        self.in_transaction.set(true);
        self.begin_hopeful();
        let made = self.execute(
            "INSERT INTO vitae.practice(practice, name, form) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            &[&self.practice(), &name, &form],
        )?;
        if made == 0 {
            return Err(Error::new(Kind::Place, "the database holds this practice already"));
        }
        self.execute(
            "INSERT INTO vitae.head VALUES ($1, 0, 0, 0, ''::bytea, 0)",
            &[&self.practice()],
        )?;
        Ok(())
    }

    /// Writes what was gathered, inside the transaction of [`Connection::begin_arrival`].
    pub fn put_gathered(&self, head: &NewHead<'_>) -> Result<()> {
        let pending = self.pending.take();
        if !self.call(&pending, head, false)? {
            return Err(Error::corrupt("the head of the practice"));
        }
        self.copy(&pending)
    }

    pub fn put_system(&self, number: u32, text: &str) -> Result<()> {
        self.execute(
            "INSERT INTO vitae.system(practice, number, text) VALUES ($1, $2, $3)",
            &[&self.practice(), &i64::from(number), &text.as_bytes()],
        )?;
        Ok(())
    }

    pub fn put_dictionary(&self, number: u32, rt: ResourceType, bytes: &[u8]) -> Result<()> {
        self.execute(
            "INSERT INTO vitae.dictionary(practice, number, rt, bytes) VALUES ($1, $2, $3, $4)",
            &[&self.practice(), &i64::from(number), &i16::from(rt.0), &bytes],
        )?;
        Ok(())
    }

    fn call(&self, p: &Pending, head: &NewHead<'_>, with_versions: bool) -> Result<bool> {
        let n = if with_versions { p.rids.len() } else { 0 };
        let mut collections = Vec::with_capacity(p.items.len());
        let mut keys = Vec::with_capacity(p.items.len());
        let mut values = Vec::with_capacity(p.items.len());
        for ((collection, key), value) in &p.items {
            collections.push(collection.as_str());
            keys.push(&key[..]);
            values.push(value.as_deref());
        }
        let topics: Vec<&str> = p.outbox.iter().map(|row| row.topic.as_str()).collect();
        let payloads: Vec<&[u8]> = p.outbox.iter().map(|row| &row.payload[..]).collect();
        let due: Vec<i64> = p.outbox.iter().map(|row| row.due_ms).collect();
        let (practice, last) = (self.practice(), i64::from(head.last));
        let values: [&(dyn ToSql + Sync); 26] = [
            &practice,
            &head.expected,
            &head.token,
            &last,
            &head.last_at_ms,
            &head.audit,
            &&p.rids[..n],
            &&p.types[..n],
            &&p.ids[..n],
            &&p.vids[..n],
            &&p.times[..n],
            &&p.kinds[..n],
            &&p.prevs[..n],
            &&p.dictionaries[..n],
            &&p.sizes[..n],
            &&p.hashes[..n],
            &&p.packed[..n],
            &&p.bodies[..n],
            &collections,
            &keys,
            &values,
            &topics,
            &payloads,
            &due,
            &p.audit_seqs,
            &p.audit_leaves,
        ];
        let row = self.with(false, |session| {
            let statement = session.statement(COMMIT)?;
            session.client.query_one(&statement, &values)
        })?;
        row.try_get(0).map_err(failure)
    }

    fn copy(&self, p: &Pending) -> Result<()> {
        let practice = self.practice();
        self.with(false, |session| {
            let sink = session.client.copy_in(COPY)?;
            let mut rows = BinaryCopyInWriter::new(sink, COPY_TYPES);
            for i in 0..p.rids.len() {
                rows.write(&[
                    &practice,
                    &p.rids[i],
                    &p.types[i],
                    &p.ids[i],
                    &p.vids[i],
                    &p.times[i],
                    &p.kinds[i],
                    &p.prevs[i],
                    &p.dictionaries[i],
                    &p.sizes[i],
                    &p.hashes[i],
                    &p.packed[i],
                    &p.bodies[i],
                ])?;
            }
            rows.finish()
        })?;
        Ok(())
    }

    /// Whether the group with this token was committed. Waits for whoever is committing, so that
    /// the answer does not change any more.
    pub fn was_committed(&self, revision: i64, token: &[u8]) -> Result<bool> {
        let head = self.begin_locked()?;
        let found = self.query_opt(
            "SELECT 1 FROM vitae.committed WHERE practice = $1 AND revision = $2 AND token = $3",
            &[&self.practice(), &(revision + 1), &token],
        );
        self.abandon();
        Ok(head.revision > revision && found?.is_some())
    }

    pub fn put_versions(&self, versions: &[NewVersion<'_>]) -> Result<()> {
        versions.iter().try_for_each(|version| self.put_version(version))
    }

    fn put_version(&self, v: &NewVersion<'_>) -> Result<()> {
        let size = i64::try_from(v.size).map_err(|_| Error::corrupt("a size"))?;
        let dictionary =
            i32::try_from(v.dictionary).map_err(|_| Error::corrupt("a dictionary number"))?;
        let mut p = self.pending.borrow_mut();
        p.rids.push(v.rid.into());
        p.types.push(v.rt.0.into());
        p.ids.push(v.id.to_owned());
        p.vids.push(v.vid.into());
        p.times.push(v.at_ms);
        p.kinds.push(v.kind as i16);
        p.prevs.push(v.prev.into());
        p.dictionaries.push(dictionary);
        p.sizes.push(size);
        p.hashes.push(v.hash.to_vec());
        p.packed.push(v.packed.to_vec());
        p.bodies.push(v.body.to_vec());
        let ident = Ident { vid: v.vid, rid: v.rid, kind: v.kind };
        let key = (v.rt, v.id.to_owned());
        if p.idents.get(&key).is_none_or(Option::is_none) {
            p.firsts.insert(key.clone(), Some(v.rid));
        }
        p.idents.insert(key, Some(ident));
        Ok(())
    }

    pub fn put_item(&self, collection: &str, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let mut p = self.pending.borrow_mut();
        p.items.insert((collection.to_owned(), key.to_vec()), value.map(<[u8]>::to_vec));
        Ok(())
    }

    pub fn put_outbox(&self, row: &OutboxRow) -> Result<()> {
        self.pending.borrow_mut().outbox.push(row.clone());
        Ok(())
    }

    pub fn put_audit(&self, seq: u64, leaf: &[u8]) -> Result<()> {
        let seq = i64::try_from(seq).map_err(|_| Error::corrupt("an audit number"))?;
        let mut p = self.pending.borrow_mut();
        p.audit_seqs.push(seq);
        p.audit_leaves.push(leaf.to_vec());
        Ok(())
    }

    /// At once: what no body names does no harm.
    pub fn put_blob_chunk(&self, hash: &blob::Hash, chunk: usize, bytes: &[u8]) -> Result<()> {
        let chunk = i32::try_from(chunk).map_err(|_| Error::corrupt("a chunk number"))?;
        self.execute(
            "INSERT INTO vitae.blob(practice, hash, chunk, bytes) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            &[&self.practice(), &&hash[..], &chunk, &bytes],
        )?;
        Ok(())
    }

    /// Keeps a compression dictionary, unless the type has one. Gives the number and bytes of the
    /// type's dictionary.
    pub fn keep_dictionary(&self, rt: ResourceType, bytes: &[u8]) -> Result<(u32, Vec<u8>)> {
        self.begin_locked()?;
        let kept = self.query_opt(
            "INSERT INTO vitae.dictionary(practice, number, rt, bytes)
             SELECT $1, (SELECT coalesce(max(number), 0) + 1 FROM vitae.dictionary
                         WHERE practice = $1), $2, $3
             WHERE NOT EXISTS (SELECT 1 FROM vitae.dictionary WHERE practice = $1 AND rt = $2)
             RETURNING number, bytes",
            &[&self.practice(), &i16::from(rt.0), &bytes],
        );
        let kept = match kept {
            Ok(None) => self.query_opt(
                "SELECT number, bytes FROM vitae.dictionary WHERE practice = $1 AND rt = $2
                 ORDER BY number DESC LIMIT 1",
                &[&self.practice(), &i16::from(rt.0)],
            ),
            other => other,
        };
        let kept = kept.and_then(|row| {
            self.batch("COMMIT")?;
            self.in_transaction.set(false);
            Ok(row)
        });
        if kept.is_err() {
            self.abandon();
        }
        let row = kept?.ok_or_else(|| Error::corrupt("a dictionary is missing"))?;
        Ok((number(&row, 0)?, super::bytes_of(&row, 1)?.to_vec()))
    }

    pub fn outbox_done(&self, seq: i64) -> Result<()> {
        let sql = "DELETE FROM vitae.outbox WHERE practice = $1 AND seq = $2";
        self.execute(sql, &[&self.practice(), &seq])?;
        Ok(())
    }

    pub fn outbox_retry(&self, seq: i64, due_ms: i64) -> Result<()> {
        self.execute(
            "UPDATE vitae.outbox SET due = $3, attempts = attempts + 1
             WHERE practice = $1 AND seq = $2",
            &[&self.practice(), &seq, &due_ms],
        )?;
        Ok(())
    }
}

/// Posting rows. One process at a time writes them: whoever holds the lock.
impl Connection {
    /// Begins a transaction in which nobody else writes posting rows. False: somebody does.
    pub fn begin_flush(&self) -> Result<bool> {
        self.batch("BEGIN")?;
        self.in_transaction.set(true);
        let sql = "SELECT pg_try_advisory_xact_lock($1, $2)";
        let row = self.query_opt(sql, &[&FLUSH_LOCK, &self.practice()])?;
        row.map_or(Ok(false), |row| row.try_get(0).map_err(failure))
    }

    /// Ends the transaction of [`Connection::begin_flush`] or [`Connection::begin_arrival`].
    pub fn commit_open(&self) -> Result<()> {
        self.batch("COMMIT")?;
        self.in_transaction.set(false);
        Ok(())
    }

    /// The last posting row of each key that has one.
    pub fn last_postings(&self, keys: &[&[u8]]) -> Result<HashMap<Vec<u8>, Row>> {
        let rows = self.query(
            "SELECT k.key, p.first, p.rids FROM unnest($2::bytea[]) AS k(key),
             LATERAL (SELECT first, rids FROM vitae.posting
               WHERE practice = $1 AND key = k.key ORDER BY first DESC LIMIT 1) AS p",
            &[&self.practice(), &keys],
        )?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let key = super::bytes_of(row, 0)?.to_vec();
            found.insert(key, (rid_of(row, 1)?, super::bytes_of(row, 2)?.to_vec()));
        }
        Ok(found)
    }

    /// Writes posting rows, new ones and those that are there with other versions.
    pub fn put_postings<K: AsRef<[u8]>>(&self, rows: &[(K, Rid, Vec<u8>)]) -> Result<()> {
        let keys: Vec<&[u8]> = rows.iter().map(|(key, _, _)| key.as_ref()).collect();
        let firsts: Vec<i64> = rows.iter().map(|(_, first, _)| i64::from(*first)).collect();
        let rids: Vec<&[u8]> = rows.iter().map(|(_, _, rids)| &rids[..]).collect();
        self.execute(
            "INSERT INTO vitae.posting(practice, key, first, rids)
             SELECT $1, r.k, r.f, r.r
             FROM unnest($2::bytea[], $3::bigint[], $4::bytea[]) AS r(k, f, r)
             ON CONFLICT (practice, key, first) DO UPDATE SET rids = excluded.rids",
            &[&self.practice(), &keys, &firsts, &rids],
        )?;
        Ok(())
    }

    /// Sets an item that has the value `before`, inside a transaction. False: it has another one.
    pub fn swap_item(&self, item: &ItemOp, before: &[u8]) -> Result<bool> {
        let n = self.execute(
            "UPDATE vitae.item SET value = $4
             WHERE practice = $1 AND collection = $2 AND key = $3 AND value = $5",
            &[&self.practice(), &item.collection, &item.key, &item.value, &before],
        )?;
        Ok(n == 1)
    }

    /// Gives versions other packed values.
    pub fn set_packed(&self, of: &[(Rid, Vec<u8>)]) -> Result<()> {
        let rids: Vec<i64> = of.iter().map(|(rid, _)| i64::from(*rid)).collect();
        let packed: Vec<&[u8]> = of.iter().map(|(_, packed)| &packed[..]).collect();
        self.execute(
            "UPDATE vitae.version AS v SET packed = n.packed
             FROM unnest($2::bigint[], $3::bytea[]) AS n(rid, packed)
             WHERE v.practice = $1 AND v.rid = n.rid",
            &[&self.practice(), &rids, &packed],
        )?;
        Ok(())
    }

    /// Removes the posting rows of keys that may hold versions from `low` to `high`; what they
    /// were, by key.
    pub fn take_postings(
        &self,
        keys: &[&[u8]],
        low: Rid,
        high: Rid,
    ) -> Result<HashMap<Vec<u8>, Vec<Row>>> {
        let rows = self.query(
            "DELETE FROM vitae.posting AS p USING unnest($2::bytea[]) AS k(key)
             WHERE p.practice = $1 AND p.key = k.key AND p.first <= $4 AND p.first >= coalesce(
               (SELECT max(q.first) FROM vitae.posting AS q
                WHERE q.practice = $1 AND q.key = k.key AND q.first <= $3), 0)
             RETURNING p.key, p.first, p.rids",
            &[&self.practice(), &keys, &i64::from(low), &i64::from(high)],
        )?;
        let mut found: HashMap<Vec<u8>, Vec<Row>> = HashMap::new();
        for row in &rows {
            let row_of = (rid_of(row, 1)?, super::bytes_of(row, 2)?.to_vec());
            found.entry(super::bytes_of(row, 0)?.to_vec()).or_default().push(row_of);
        }
        Ok(found)
    }

    pub fn put_dead_chunk(&self, chunk: u32, bitmap: &[u8]) -> Result<()> {
        self.execute(
            "INSERT INTO vitae.dead(practice, chunk, bitmap) VALUES ($1, $2, $3)
             ON CONFLICT (practice, chunk) DO UPDATE SET bitmap = excluded.bitmap",
            &[&self.practice(), &i64::from(chunk), &bitmap],
        )?;
        Ok(())
    }

    /// From now on all keys up to `to` are in posting rows.
    pub fn set_flushed(&self, to: Rid) -> Result<()> {
        let sql = "UPDATE vitae.head SET flushed = $2 WHERE practice = $1 AND flushed < $2";
        self.execute(sql, &[&self.practice(), &i64::from(to)])?;
        Ok(())
    }
}
