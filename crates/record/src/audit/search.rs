//! `GET AuditEvent?…`: the log as AuditEvents, together with those that others have stored.
//!
//! Source: FHIR R4 auditevent.html#search; IHE ATNA ITI-81.
//! Only who sees all AuditEvents gets the log; for everybody else, and for Vitae itself, a search
//! is over stored resources alone. So it is too where a parameter cannot be answered from the
//! log: includes, chains, `_has`, modifiers; a remark in the answer says so.
//! Order: newest first, or as `_sort=date` says; that of the log, which is the order of time but
//! for requests that took long. What others stored stands where its `recorded` belongs.

use std::collections::BTreeSet;

use access::{Action, Actor};
use fhir::date::PartialDate;
use fhir::issue::IssueType;
use fhir::json::{Doc, Node};
use fhir_tables::ResourceType;
use search::query::{Query, Summary, Total};
use store::{Cursor, PageRequest};

use super::ask::{Asked, LogOrder, Question, ended, is, of_patient, sees_log};
use super::event;
use super::keys::{Family, folded, key};
use super::leaf::{Deed, Leaf, Outcome};
use super::segment::Term;
use crate::error::{Error, Kind, Result, warning};
use crate::gate::Asking;
use crate::links::{BundleText, full_url};
use crate::page_token::{self, PageToken};
use crate::record::{self, Record};
use crate::request::{Response, View};

/// AuditEvents of others that one search brings into order.
const STORED_MAX: usize = 1_000;

/// Controls, which say nothing of what is looked for.
const CONTROLS: [&str; 9] = [
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_sort",
    "_page",
    "_format",
    "_pretty",
    "_explain",
];

/// Whether the log is part of what somebody finds under AuditEvent.
pub(crate) fn is_part(ctx: &Asking<'_>, action: Action) -> bool {
    ctx.actor != Actor::System && sees_log(ctx, action)
}

/// What a parameter's values come to; `None`: the log cannot answer it.
fn terms(name: &str, values: &str, base_url: &str) -> Option<Vec<Term>> {
    let mut any_of = Vec::new();
    for value in values.split(',') {
        let code = value.rsplit_once('|').map_or(value, |(_, code)| code);
        match name {
            "patient" => {
                let id = local(value, base_url);
                any_of.extend(of_patient(id.strip_prefix("Patient/").unwrap_or(id)));
            }
            "entity" => match local(value, base_url) {
                text if text.starts_with("Patient/") => any_of.extend(of_patient(&text[8..])),
                text => any_of.push(is(Family::Resource, text)),
            },
            // People and programs of the log are no resources.
            "agent" => {}
            "agent-name" => any_of.push(Term::BeginsWith(key(Family::Name, &folded(value)))),
            "agent-role" => any_of.push(is(Family::Role, code)),
            "address" => any_of.push(Term::BeginsWith(key(Family::Address, value))),
            "action" => any_of.push(is(Family::Action, code)),
            "outcome" => {
                let wanted = |outcome: &Outcome| event::outcome_code(*outcome) == code;
                any_of.extend(Outcome::ALL.into_iter().filter(wanted).flat_map(ended));
            }
            "type" | "subtype" => {
                let system = value.rsplit_once('|').map(|(system, _)| system);
                let fits = |own: &event::Code| {
                    own.code == code && system.is_none_or(|system| system == own.system)
                };
                for deed in Deed::ALL {
                    let (ty, subtypes) = event::codes(deed);
                    let fits = match name {
                        "type" => fits(&ty),
                        _ => subtypes.iter().any(fits),
                    };
                    if fits {
                        any_of.push(is(Family::Deed, deed.as_str()));
                    }
                }
            }
            _ => return None,
        }
    }
    Some(any_of)
}

fn local<'v>(value: &'v str, base_url: &str) -> &'v str {
    value.strip_prefix(base_url).map_or(value, |rest| rest.trim_start_matches('/'))
}

/// The times that a date parameter permits; `None` for what the log cannot answer.
fn within(value: &str) -> Option<(i64, i64)> {
    let (prefix, date) = match value.get(..2) {
        Some(two) if two.bytes().all(|b| b.is_ascii_lowercase()) => (two, &value[2..]),
        _ => ("eq", value),
    };
    let (low, high) = PartialDate::parse(date)?.range_utc_ms();
    Some(match prefix {
        "eq" => (low, high),
        "ge" => (low, i64::MAX),
        "gt" | "sa" => (high.saturating_add(1), i64::MAX),
        "le" => (i64::MIN, high),
        "lt" | "eb" => (i64::MIN, low.saturating_sub(1)),
        _ => return None,
    })
}

/// What is asked of the log: a question, or leaves by their ids.
struct Wanted {
    question: Question,
    seqs: Option<Vec<u64>>,
    order: LogOrder,
}

/// `None`: some of it the log cannot answer.
fn wanted(
    pairs: &[(String, String)],
    compartment: Option<&(ResourceType, String)>,
    base_url: &str,
) -> Option<Wanted> {
    let mut question = Question::default();
    let (mut seqs, mut order) = (None, LogOrder::NewestFirst);
    if let Some((root, id)) = compartment {
        question.all_of.push(match *root == ResourceType::PATIENT {
            true => of_patient(id),
            false => Vec::new(),
        });
    }
    for (name, value) in pairs {
        match name.as_str() {
            "_sort" => {
                order = match value.as_str() {
                    "date" | "_lastUpdated" => LogOrder::OldestFirst,
                    "-date" | "-_lastUpdated" => LogOrder::NewestFirst,
                    _ => return None,
                };
            }
            control if CONTROLS.contains(&control) => {}
            "date" | "_lastUpdated" => {
                let (low, high) = within(value)?;
                let (from, to) = question.within.unwrap_or((i64::MIN, i64::MAX));
                question.within = Some((from.max(low), to.min(high)));
            }
            "_id" => seqs = Some(value.split(',').filter_map(event::seq_of).collect()),
            "patient:Patient" => question.all_of.push(terms("patient", value, base_url)?),
            name => question.all_of.push(terms(name, value, base_url)?),
        }
    }
    let is_plain = question.all_of.is_empty() && question.within.is_none();
    (seqs.is_none() || is_plain).then_some(Wanted { question, seqs, order })
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Leaves that were there when the first page was made.
    below: u64,
    /// The next leaf; `None`: no more of them.
    seq: Option<u64>,
    /// AuditEvents of others that were shown.
    n_stored: u32,
}

impl Place {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = self.below.to_be_bytes().to_vec();
        out.extend(self.seq.unwrap_or(u64::MAX).to_be_bytes());
        out.extend(self.n_stored.to_be_bytes());
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (below, rest) = bytes.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let seq = u64::from_be_bytes(*seq);
        Some(Place {
            below: u64::from_be_bytes(*below),
            seq: (seq != u64::MAX).then_some(seq),
            n_stored: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// An AuditEvent that others stored.
struct StoredEvent {
    id: String,
    at_ms: i64,
    text: String,
}

/// A row of the answer.
enum Row {
    Leaf(Box<Leaf>),
    Stored(usize),
}

/// What the caller has read of the request already.
pub(crate) struct AskedFor<'a> {
    pub query: &'a Query,
    pub compartment: Option<&'a (ResourceType, String)>,
    pub pairs: &'a [(String, String)],
    /// Path and query without the page, as in links.
    pub own_path: &'a str,
    pub token: Option<&'a PageToken>,
    pub count: usize,
}

/// Answers from the log and what is stored; `None`: the log cannot answer this search.
pub(crate) fn search(
    record: &Record,
    ctx: &Asking<'_>,
    asked: &AskedFor<'_>,
) -> Result<Option<record::Outcome>> {
    let Some(wanted) = wanted(asked.pairs, asked.compartment, record.base_url()) else {
        return Ok(None);
    };
    let damaged = || Error::new(Kind::Invalid, "_page is not a page link of this query");
    let place = asked.token.map(|token| Place::from_bytes(&token.cursor.key).ok_or_else(damaged));
    let place = place.transpose()?;
    let mut question = wanted.question.clone();
    question.below = place.map(|place| place.below);
    let log = Asked::new(record, question)?;
    let below = log.end();
    let (stored, t) = stored(record, ctx, asked)?;
    let mut total = stored.len() as u64;
    let by_id: Option<Vec<Leaf>> = match &wanted.seqs {
        None => None,
        Some(seqs) => Some(leaves_by_id(&log, seqs, wanted.order)?),
    };
    let is_counted = asked.query.total != Some(Total::None);
    if is_counted {
        total += match &by_id {
            Some(leaves) => leaves.len() as u64,
            None => log.count()?,
        };
    }
    let mut bundle =
        BundleText::new("searchset", Some(ctx.at_ms), is_counted.then_some(total), 4_096);
    let url = |token: Option<&PageToken>| page_token::url(record, asked.own_path, token);
    bundle.link("self", &url(asked.token));
    let mut outcome = record::Outcome::default();
    let is_count = asked.query.summary == Summary::Count;
    if !is_count && asked.count > 0 {
        bundle.link("first", &url(None));
        let first = match wanted.order {
            LogOrder::NewestFirst => below.checked_sub(1),
            LogOrder::OldestFirst => Some(0),
        };
        let from = place.unwrap_or(Place { below, seq: first, n_stored: 0 });
        let (rows, next) = page(&log, by_id, &stored, wanted.order, from, asked.count)?;
        if let Some(next) = next {
            let cursor = Cursor { key: next.to_bytes(), rid: 0 };
            bundle.link("next", &url(Some(&PageToken { t, cursor, backward: false })));
        }
        let view = crate::search::view_of(asked.query);
        for row in &rows {
            entry(record, row, &stored, &view, &mut bundle, &mut outcome)?;
        }
        outcome.n = rows.len();
    }
    outcome.response = Response { status: 200, body: Some(bundle.finish()), ..Response::default() };
    Ok(Some(outcome))
}

/// What a search says that the log could not answer.
pub(crate) fn remark() -> fhir::issue::Issue {
    let text = "only stored AuditEvents were searched: the audit log answers date, patient, agent, \
                agent-name, agent-role, action, type, subtype, outcome, entity, address, _id and \
                _sort=date alone, without modifiers";
    warning(IssueType::NotSupported, String::new(), text.to_owned())
}

/// The leaves of these numbers, each once, in order.
fn leaves_by_id(log: &Asked, seqs: &[u64], order: LogOrder) -> Result<Vec<Leaf>> {
    let seqs: BTreeSet<u64> = seqs.iter().copied().filter(|seq| *seq < log.end()).collect();
    let mut leaves = Vec::new();
    for seq in seqs {
        leaves.extend(log.leaf(seq)?);
    }
    if order == LogOrder::NewestFirst {
        leaves.reverse();
    }
    Ok(leaves)
}

fn entry(
    record: &Record,
    row: &Row,
    stored: &[StoredEvent],
    view: &View,
    bundle: &mut BundleText,
    outcome: &mut record::Outcome,
) -> Result<()> {
    let (id, text) = match row {
        Row::Leaf(leaf) => {
            outcome.patients.extend(leaf.patients.iter().cloned());
            (event::id(leaf.seq), event::render(leaf, record.base_url()))
        }
        Row::Stored(idx) => {
            let own = &stored[*idx];
            let rt = ResourceType::AUDIT_EVENT;
            super::patients_in(rt, &own.id, &own.text, &mut outcome.patients);
            (own.id.clone(), own.text.clone())
        }
    };
    let text = crate::view::apply(ResourceType::AUDIT_EVENT, text, view)?;
    bundle.entry(|out| {
        full_url(record.base_url(), "AuditEvent", &id, out);
        out.push_str(",\"resource\":");
        out.push_str(&text);
        out.push_str(",\"search\":{\"mode\":\"match\"}");
    });
    Ok(())
}

/// What others stored and the search finds, in its order; the snapshot's number.
fn stored(
    record: &Record,
    ctx: &Asking<'_>,
    asked: &AskedFor<'_>,
) -> Result<(Vec<StoredEvent>, store::Rid)> {
    let sees = ctx.may.sees(Action::Search);
    let mut snapshot = match asked.token {
        None => record.store().snapshot(sees)?,
        Some(token) => record.store().snapshot_at(token.t, sees)?,
    };
    let request =
        PageRequest { from: None, backward: false, count: STORED_MAX + 1, total: Total::None };
    let page = snapshot.search(asked.query, &request)?;
    if page.rows.len() > STORED_MAX {
        let text = format!(
            "more than {STORED_MAX} AuditEvents of other systems fit: narrow the search by date"
        );
        return Err(Error::new(Kind::TooMany, text));
    }
    let mut events = Vec::with_capacity(page.rows.len());
    for row in page.rows {
        let text = String::from_utf8(row.body)
            .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
        let doc = Doc::parse(text.as_str())
            .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
        let recorded = doc.root().get("recorded").and_then(Node::as_str);
        let at = recorded.and_then(|text| PartialDate::parse(&text));
        let at_ms = at.map_or(row.head.last_updated_ms, |date| date.start_utc_ms());
        events.push(StoredEvent { id: row.head.id, at_ms, text });
    }
    events.sort_by_key(|event| event.at_ms);
    if asked.pairs.iter().all(|(name, value)| name != "_sort" || value.starts_with('-')) {
        events.reverse();
    }
    Ok((events, snapshot.at()))
}

/// Rows of a page, and where the next one begins.
fn page(
    log: &Asked,
    by_id: Option<Vec<Leaf>>,
    stored: &[StoredEvent],
    order: LogOrder,
    from: Place,
    count: usize,
) -> Result<(Vec<Row>, Option<Place>)> {
    let is_newest = order == LogOrder::NewestFirst;
    let is_before = |stored_ms: i64, leaf_ms: i64| match is_newest {
        true => stored_ms > leaf_ms,
        false => stored_ms < leaf_ms,
    };
    let mut rows = Vec::new();
    let mut n_stored = from.n_stored as usize;
    let mut next = None;
    let mut take = |leaf: Leaf, rows: &mut Vec<Row>, n_stored: &mut usize| {
        while rows.len() < count
            && stored.get(*n_stored).is_some_and(|other| is_before(other.at_ms, leaf.at_ms))
        {
            rows.push(Row::Stored(*n_stored));
            *n_stored += 1;
        }
        if rows.len() == count {
            next = Some(leaf.seq);
            return false;
        }
        rows.push(Row::Leaf(Box::new(leaf)));
        true
    };
    if let Some(seq) = from.seq {
        match by_id {
            Some(leaves) => {
                let is_behind =
                    |leaf: &Leaf| if is_newest { leaf.seq <= seq } else { leaf.seq >= seq };
                for leaf in leaves.into_iter().filter(is_behind) {
                    if !take(leaf, &mut rows, &mut n_stored) {
                        break;
                    }
                }
            }
            None => log.each(order, Some(seq), |leaf| take(leaf, &mut rows, &mut n_stored))?,
        }
    }
    if next.is_none() {
        while rows.len() < count && n_stored < stored.len() {
            rows.push(Row::Stored(n_stored));
            n_stored += 1;
        }
    }
    let is_more = next.is_some() || n_stored < stored.len();
    let place = Place { below: from.below, seq: next, n_stored: n_stored as u32 };
    Ok((rows, is_more.then_some(place)))
}

/// The AuditEvent of a leaf, when the id is one of the log's and the reader sees it.
pub(crate) fn read(record: &Record, ctx: &Asking<'_>, id: &str) -> Result<Option<Leaf>> {
    let Some(seq) = event::seq_of(id).filter(|_| is_part(ctx, Action::Read)) else {
        return Ok(None);
    };
    record.store().flush()?;
    let snapshot = record.store().snapshot(search::Sees::everything())?;
    let found = snapshot.audit(seq, 1)?.pop().filter(|(own, _)| *own == seq);
    Ok(found.and_then(|(seq, bytes)| Leaf::read(seq, &bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_closed_times() {
        let day = |text| PartialDate::parse(text).expect(text).range_utc_ms();
        let (low, high) = day("2026-01-02");
        assert_eq!(within("2026-01-02"), Some((low, high)));
        assert_eq!(within("ge2026-01-02"), Some((low, i64::MAX)));
        assert_eq!(within("gt2026-01-02"), Some((high + 1, i64::MAX)));
        assert_eq!(within("lt2026-01-02"), Some((i64::MIN, low - 1)));
        assert_eq!(within("le2026-01-02"), Some((i64::MIN, high)));
        assert_eq!(within("ne2026-01-02"), None);
        assert_eq!(within("x"), None);
    }

    #[test]
    fn a_place_is_read_back() {
        for seq in [None, Some(0), Some(7)] {
            let place = Place { below: 9, seq, n_stored: 3 };
            assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place));
        }
        assert_eq!(Place::from_bytes(&[0; 3]), None);
    }
}
