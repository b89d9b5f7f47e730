//! Questions to the audit log: who opened this chart, what did this person do.
//!
//! Whoever asks must be allowed to see all AuditEvents; a patient may ask for the own chart, and
//! is told nothing of others. Asking is audited.

use access::{Action, Actor, Ctx};
use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::Sees;
use store::Snapshot;

use super::keys::{EVERYBODY, Family, MINUTE_MS, folded, key, minute};
use super::leaf::{Deed, Leaf, Outcome};
use super::segment::Term;
use super::{Event, index};
use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, forbidden};
use crate::record::Record;

/// Leaves of one answer.
pub const LEAVES_MAX: usize = 20_000;

/// What leaves are wanted: all that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Id of a Patient whose data was shown or changed.
    pub patient: Option<String>,
    /// Name of a person or program, in whatever case.
    pub person: Option<String>,
    /// `User/x`, `Client/x`, `System`.
    pub who: Option<String>,
    pub role: Option<String>,
    /// Client of the app through which it was done.
    pub app: Option<String>,
    pub deed: Option<Deed>,
    pub outcome: Option<Outcome>,
    pub address: Option<String>,
    /// v3 PurposeOfUse.
    pub purpose: Option<String>,
    /// `Type/id`.
    pub resource: Option<String>,
    /// Only what left the practice: what programs and apps were given, and exports.
    pub disclosed: bool,
    /// UTC milliseconds, both included.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

/// A question as the index answers it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// One of each list must be found.
    pub all_of: Vec<Vec<Term>>,
    /// UTC milliseconds, both included.
    pub within: Option<(i64, i64)>,
    /// Leaves below this number.
    pub below: Option<u64>,
}

/// Order of an answer: that of the log, which is the order of time but for requests that took
/// long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOrder {
    NewestFirst,
    OldestFirst,
}

pub(super) fn of_patient(id: &str) -> Vec<Term> {
    vec![Term::Is(key(Family::Patient, id)), Term::Is(key(Family::Patient, EVERYBODY))]
}

pub(super) fn is(family: Family, value: &str) -> Term {
    Term::Is(key(family, value))
}

/// Statuses that end so.
pub(super) fn ended(outcome: Outcome) -> Vec<Term> {
    let hundreds: &[&str] = match outcome {
        Outcome::Done => &["1", "2", "3"],
        Outcome::Refused => &["4"],
        Outcome::Failed => &["5"],
    };
    hundreds.iter().map(|first| Term::BeginsWith(key(Family::Status, first))).collect()
}

impl AuditFilter {
    fn question(&self) -> Question {
        let mut all_of = Vec::new();
        if let Some(id) = &self.patient {
            all_of.push(of_patient(id));
        }
        let texts = [
            (Family::Who, &self.who),
            (Family::Role, &self.role),
            (Family::App, &self.app),
            (Family::Address, &self.address),
            (Family::Purpose, &self.purpose),
        ];
        for (family, text) in texts {
            all_of.extend(text.as_deref().map(|text| vec![is(family, text)]));
        }
        if let Some(name) = &self.person {
            all_of.push(vec![is(Family::Name, &folded(name))]);
        }
        if let Some(deed) = self.deed {
            all_of.push(vec![is(Family::Deed, deed.as_str())]);
        }
        if let Some(resource) = &self.resource {
            let patient = resource.strip_prefix("Patient/");
            all_of.push(match patient {
                Some(id) => of_patient(id),
                None => vec![is(Family::Resource, resource)],
            });
        }
        all_of.extend(self.outcome.map(ended));
        if self.disclosed {
            all_of.push(vec![
                Term::BeginsWith(key(Family::App, "")),
                Term::BeginsWith(key(Family::Who, "Client/")),
                is(Family::Deed, Deed::Export.as_str()),
            ]);
        }
        let within = (self.from_ms.is_some() || self.to_ms.is_some())
            .then(|| (self.from_ms.unwrap_or(i64::MIN), self.to_ms.unwrap_or(i64::MAX)));
        Question { all_of, within, below: None }
    }

    /// What the leaf of the question says.
    fn what(&self) -> String {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, text: Option<&str>| {
            pairs.extend(text.map(|text| (name.to_owned(), text.to_owned())));
        };
        add("patient", self.patient.as_deref());
        add("person", self.person.as_deref());
        add("who", self.who.as_deref());
        add("role", self.role.as_deref());
        add("app", self.app.as_deref());
        add("deed", self.deed.map(Deed::as_str));
        add("outcome", self.outcome.map(Outcome::as_str));
        add("address", self.address.as_deref());
        add("purpose", self.purpose.as_deref());
        add("resource", self.resource.as_deref());
        add("disclosed", self.disclosed.then_some("true"));
        add("from", self.from_ms.map(fhir::date::format_instant).as_deref());
        add("to", self.to_ms.map(fhir::date::format_instant).as_deref());
        let mut what = "AuditEvent".to_owned();
        crate::links::append_query(&pairs, &mut what);
        what
    }
}

/// Leaves that fit, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub leaves: Vec<Leaf>,
    pub total: u64,
}

/// Whether somebody sees all AuditEvents, and with them the log.
pub(crate) fn sees_log(asking: &Asking<'_>, action: Action) -> bool {
    asking.may.all(action, ResourceType::AUDIT_EVENT)
}

impl Record {
    /// Leaves of the audit log, `skip` of them left out, at most `limit`. Audited.
    ///
    /// Errors: `Forbidden` for who does not see all AuditEvents, but for a patient who asks for
    /// the own chart; `TooMany` beyond [`LEAVES_MAX`].
    pub fn audit_find(
        &self,
        ctx: &Ctx,
        filter: &AuditFilter,
        order: LogOrder,
        (skip, limit): (usize, usize),
    ) -> Result<Found> {
        let event = |status, n| Event {
            action: 'E',
            what: filter.what(),
            n,
            patients: filter.patient.iter().cloned().collect(),
            all: false,
            status,
        };
        let found = self.find_for(ctx, filter, order, (skip, limit));
        match &found {
            Ok(found) => self.audit_event(ctx, &event(200, found.leaves.len()))?,
            Err(e) => self.audit_event(ctx, &event(e.status(), 0))?,
        }
        found
    }

    fn find_for(
        &self,
        ctx: &Ctx,
        filter: &AuditFilter,
        order: LogOrder,
        (skip, limit): (usize, usize),
    ) -> Result<Found> {
        let asking = self.gate().ask(ctx, self.store())?;
        let own = match &ctx.actor {
            Actor::User { patient: Some(own), .. } if ctx.app.is_none() => Some(own),
            _ => None,
        };
        let is_own = own.is_some() && own == filter.patient.as_ref();
        if !sees_log(&asking, Action::Search) && !is_own {
            return Err(forbidden(Action::Search, Some(ResourceType::AUDIT_EVENT)));
        }
        if limit > LEAVES_MAX {
            let text = format!("at most {LEAVES_MAX} entries at a time: narrow the time");
            return Err(Error::new(Kind::TooMany, text));
        }
        let mut found = Asked::new(self, filter.question())?.page(order, skip, limit)?;
        if !sees_log(&asking, Action::Search) {
            found.leaves.iter_mut().for_each(|leaf| hide_others(leaf, own));
        }
        Ok(found)
    }

    /// Indexes the newest part of the audit log, so that the next question need not. How many
    /// leaves that were.
    pub fn index_audit(&self) -> Result<u64> {
        self.audit_index().catch_up(self)
    }

    /// As [`Record::index_audit`], a part of it: for the step that comes again soon.
    pub fn index_audit_some(&self) -> Result<u64> {
        self.audit_index().catch_up_some(self)
    }

    /// Throws the index of the audit log away and makes it again.
    ///
    /// Errors: `Forbidden` but for Vitae itself.
    pub fn rebuild_audit_index(&self, ctx: &Ctx) -> Result<()> {
        if ctx.actor != Actor::System {
            return Err(Error::new(Kind::Forbidden, "only the audit command rebuilds its index"));
        }
        self.store().flush()?;
        self.audit_index().rebuild(self)
    }
}

/// What a patient is not told of a leaf: who else was in it, what was asked for, from where.
fn hide_others(leaf: &mut Leaf, own: Option<&String>) {
    leaf.patients.retain(|id| Some(id) == own);
    if leaf.resource().is_none() || leaf.all {
        leaf.what.clear();
    }
    leaf.n = 0;
    leaf.address = None;
    leaf.request.clear();
}

/// A question and the log at one moment.
pub(crate) struct Asked {
    question: Question,
    snapshot: Snapshot,
    parts: Vec<index::Part>,
}

impl Asked {
    pub fn new(record: &Record, question: Question) -> Result<Asked> {
        record.store().flush()?;
        let minutes = question.within.map(|(from, to)| (minute(from), minute(to)));
        let parts = record.audit_index().parts(record, &question.all_of, minutes)?;
        let snapshot = record.store().snapshot(Sees::everything())?;
        Ok(Asked { question, snapshot, parts })
    }

    /// Number of leaves in the log, as far as this question looks.
    pub fn end(&self) -> u64 {
        let end = self.parts.last().map_or(0, |part| part.first + u64::from(part.n));
        self.question.below.map_or(end, |below| below.min(end))
    }

    /// Places in a part that fit; `true`: their time must be looked at.
    fn places(&self, part: &index::Part) -> Result<(RoaringBitmap, bool)> {
        let mut found: Option<RoaringBitmap> = None;
        let n = self.question.below.map_or(u64::from(part.n), |below| {
            below.saturating_sub(part.first).min(u64::from(part.n))
        });
        if n == 0 {
            return Ok((RoaringBitmap::new(), false));
        }
        for (nth, any_of) in self.question.all_of.iter().enumerate() {
            let having = part.having(&self.snapshot, nth, any_of)?;
            let both = found.map_or_else(|| having.clone(), |found| found & &having);
            if both.is_empty() {
                return Ok((both, false));
            }
            found = Some(both);
        }
        let mut found = found.unwrap_or_else(|| {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..part.n);
            all
        });
        if n < u64::from(part.n) {
            found.remove_range(n as u32..);
        }
        let mut is_at_edge = false;
        if let Some((from, to)) = self.question.within {
            let minutes = (minute(from), minute(to));
            if part.minutes.1 < minutes.0 || part.minutes.0 > minutes.1 {
                return Ok((RoaringBitmap::new(), false));
            }
            if part.minutes.0 <= minutes.0 || part.minutes.1 >= minutes.1 {
                found &= part.within(&self.snapshot, minutes)?;
                is_at_edge = from.rem_euclid(MINUTE_MS) != 0
                    || (to.wrapping_add(1)).rem_euclid(MINUTE_MS) != 0;
            }
        }
        Ok((found, is_at_edge))
    }

    pub fn leaf(&self, seq: u64) -> Result<Option<Leaf>> {
        let found = self.snapshot.audit(seq, 1)?.pop();
        Ok(found.filter(|(own, _)| *own == seq).and_then(|(seq, bytes)| Leaf::read(seq, &bytes)))
    }

    fn is_in_time(&self, leaf: &Leaf) -> bool {
        self.question.within.is_none_or(|(from, to)| (from..=to).contains(&leaf.at_ms))
    }

    /// How many leaves fit.
    pub fn count(&self) -> Result<u64> {
        let mut n = 0;
        for part in &self.parts {
            let (places, is_at_edge) = self.places(part)?;
            n += if is_at_edge { self.count_exactly(part, &places)? } else { places.len() };
        }
        Ok(n)
    }

    /// Of the first and the last minute, only what is in time.
    fn count_exactly(&self, part: &index::Part, places: &RoaringBitmap) -> Result<u64> {
        let Some((from, to)) = self.question.within else { return Ok(places.len()) };
        let mut n = places.len();
        for edge in [minute(from), minute(to)] {
            let at_edge = part.within(&self.snapshot, (edge, edge))? & places;
            for place in &at_edge {
                let leaf = self.leaf(part.first + u64::from(place))?;
                n -= u64::from(!leaf.is_some_and(|leaf| self.is_in_time(&leaf)));
            }
            if minute(from) == minute(to) {
                break;
            }
        }
        Ok(n)
    }

    /// Hands over the leaves that fit, in an order, from one number on, until `each` says false.
    pub fn each(
        &self,
        order: LogOrder,
        from: Option<u64>,
        mut each: impl FnMut(Leaf) -> bool,
    ) -> Result<()> {
        let is_newest = order == LogOrder::NewestFirst;
        let mut parts: Vec<&index::Part> = self.parts.iter().collect();
        if is_newest {
            parts.reverse();
        }
        let is_behind = |seq: u64| match (from, is_newest) {
            (None, _) => false,
            (Some(from), true) => seq > from,
            (Some(from), false) => seq < from,
        };
        for part in parts {
            let last = part.first + u64::from(part.n).saturating_sub(1);
            if part.n == 0 || (is_behind(part.first) && is_behind(last)) {
                continue;
            }
            let (places, is_at_edge) = self.places(part)?;
            let mut forward = places.iter();
            loop {
                let place = if is_newest { forward.next_back() } else { forward.next() };
                let Some(place) = place else { break };
                let seq = part.first + u64::from(place);
                if is_behind(seq) {
                    continue;
                }
                let Some(leaf) = self.leaf(seq)? else { continue };
                if is_at_edge && !self.is_in_time(&leaf) {
                    continue;
                }
                if !each(leaf) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A page, and how many leaves fit in all.
    fn page(&self, order: LogOrder, skip: usize, limit: usize) -> Result<Found> {
        let total = self.count()?;
        let mut leaves = Vec::new();
        let mut n_left = skip;
        if limit > 0 {
            self.each(order, None, |leaf| {
                if n_left > 0 {
                    n_left -= 1;
                    return true;
                }
                leaves.push(leaf);
                leaves.len() < limit
            })?;
        }
        Ok(Found { leaves, total })
    }
}
