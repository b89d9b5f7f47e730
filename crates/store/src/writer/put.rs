//! One version: its row on disk, and its place in the index in memory.

use std::borrow::Cow;
use std::collections::HashMap;

use search::value::ParamId;

use super::{Group, Link, Message, PreparedPut, PreparedSet, Target, Writer};
use crate::blob;
use crate::body::{self, Samples};
use crate::disk::{Ident, NewVersion};
use crate::encode::{self, Encoded};
use crate::error::{Error, Kind, Result};
use crate::memory::Generation;
use crate::types::{ChangeKind, PutKind, PutResult, Rid};

/// A version that is decided on.
pub(super) struct Decided<'p> {
    pub result: PutResult,
    /// The version that it replaces, or 0.
    prev: Rid,
    body: Body<'p>,
}

enum Body<'p> {
    /// As it was encoded beside the writer.
    Guessed(&'p Encoded),
    Own(Encoded),
}

impl Decided<'_> {
    /// The row of the version.
    pub fn row<'r>(&'r self, put: &'r PreparedPut) -> NewVersion<'r> {
        let body = match &self.body {
            Body::Guessed(body) => *body,
            Body::Own(body) => body,
        };
        NewVersion {
            rid: self.result.rid,
            rt: put.rt,
            id: &put.id,
            vid: self.result.vid,
            at_ms: self.result.last_updated_ms,
            kind: self.result.kind,
            prev: self.prev,
            dictionary: body.dictionary,
            size: body.size,
            hash: &body.hash,
            packed: &put.packed,
            body: &body.stored,
        }
    }
}

impl Writer {
    /// Numbers the version that a put becomes.
    pub(super) fn number<'p>(
        &mut self,
        put: &'p PreparedPut,
        before: Option<Ident>,
        (at_ms, guessed): (i64, bool),
        group: &mut Group,
    ) -> Result<Decided<'p>> {
        let rid = self.next;
        self.next = rid
            .checked_add(1)
            .ok_or_else(|| Error::new(Kind::Broken, "no more version numbers"))?;
        let next_vid = before.map_or(1, |b| b.vid + 1);
        let exists = before.is_some_and(|b| b.kind != ChangeKind::Delete);
        let (vid, last_updated_ms, kind) = match put.kind {
            PutKind::Delete => (next_vid, at_ms, ChangeKind::Delete),
            PutKind::Restore { vid, last_updated_ms, kind } => (vid, last_updated_ms, kind),
            PutKind::Write if exists => (next_vid, at_ms, ChangeKind::Update),
            PutKind::Write => (next_vid, at_ms, ChangeKind::Create),
        };
        let body = match &put.guess {
            Some(guess) if guessed && guess.vid == vid => Body::Guessed(&guess.body),
            _ => Body::Own(self.encode(put, vid, at_ms)?),
        };
        let prev = before.filter(|_| exists).map_or(0, |b| b.rid);
        if kind == ChangeKind::Delete {
            group.last_deletion = rid;
        }
        if prev > 0 {
            group.deaths.push((rid, prev));
            group.victims.push(prev);
        }
        match group.types.iter_mut().find(|(rt, _)| *rt == put.rt) {
            Some((_, last)) => *last = rid,
            None => group.types.push((put.rt, rid)),
        }
        Ok(Decided { result: PutResult { rid, vid, last_updated_ms, kind }, prev, body })
    }

    /// The body of a put as it goes to disk, long strings apart.
    fn encode(&mut self, put: &PreparedPut, vid: u32, at_ms: i64) -> Result<Encoded> {
        let body = match put.kind {
            PutKind::Delete => Cow::Borrowed(""),
            PutKind::Restore { .. } => Cow::Borrowed(&*put.text),
            PutKind::Write => {
                let time = fhir::date::format_instant(at_ms);
                Cow::Owned(encode::with_meta(&put.text, put.meta_at, vid, &time))
            }
        };
        let hash = encode::hash(&body);
        if put.deletes() {
            return Ok(Encoded { dictionary: 0, size: 0, stored: Vec::new(), hash });
        }
        if let Some(samples) = self.bodies.sample(put.rt, body.as_bytes()) {
            self.train(samples)?;
        }
        let Some((left, blobs)) = blob::cut(&body)? else {
            let (dictionary, stored) = self.bodies.write(put.rt, body.as_bytes())?;
            return Ok(Encoded { dictionary, size: body.len(), stored, hash });
        };
        for blob in blobs {
            blob.write(&self.connection)?;
        }
        let (dictionary, stored) = self.bodies.write(put.rt, &left)?;
        Ok(Encoded { dictionary: dictionary | body::IS_CUT, size: left.len(), stored, hash })
    }

    /// Trains a dictionary beside the writer.
    fn train(&self, samples: Samples) -> Result<()> {
        let to_self = self.to_self.clone();
        std::thread::Builder::new().name("store-dictionary".into()).spawn(move || {
            if let Some(bytes) = samples.train() {
                let _closed = to_self.send(Message::Dictionary(samples.rt, bytes));
            }
        })?;
        Ok(())
    }
}

/// Adds the versions of a set to the lists and columns in memory.
pub(super) fn index(
    generation: &Generation,
    set: &PreparedSet,
    written: &[PutResult],
    numbers: &[Vec<(ParamId, Rid)>],
) {
    for (result, numbers) in written.iter().zip(numbers) {
        generation.add_numbers(result.rid, numbers);
    }
    match (&set.run, written.first()) {
        (Some(run), Some(first)) => generation.add_run(first.rid, run.clone()),
        _ => {
            for (put, result) in set.puts.iter().zip(written) {
                generation.add(result.rid, put.keys.iter());
            }
        }
    }
    let mut updated: HashMap<_, Vec<Rid>> = HashMap::new();
    for (put, result) in set.puts.iter().zip(written) {
        if result.kind != ChangeKind::Delete {
            let day = crate::key::day(result.last_updated_ms);
            updated.entry((put.rt, day)).or_default().push(result.rid);
        }
    }
    for ((rt, day), rids) in updated {
        for key in crate::key::updated(rt, crate::key::day_start(day)) {
            generation.add_all(&key, &rids);
        }
    }
}

/// What stands beside a version in the columns.
pub(super) fn numbers_of(
    put: &PreparedPut,
    rid: Rid,
    first: Rid,
    firsts: &[Rid],
) -> Vec<(ParamId, Rid)> {
    let mut numbers: Vec<(ParamId, Rid)> = put
        .links
        .iter()
        .filter_map(|(p, link)| match link {
            Link::To(first) => Some((*p, *first)),
            Link::InSet(i) => firsts.get(*i).map(|first| (*p, *first)),
            Link::Open => None,
        })
        .collect();
    if first != rid && !put.deletes() {
        numbers.push((crate::column::FIRST, first));
    }
    numbers
}
