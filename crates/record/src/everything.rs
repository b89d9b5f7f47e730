//! `$everything` of a Patient, of all Patients, of an Encounter.
//!
//! Source: FHIR R4 patient-operation-everything.html, encounter-operation-everything.html.
//! The resource, what is in its compartment, and what those refer to that belongs to no patient
//! (practitioners, organizations, locations, medications, binaries, …), as search mode `include`;
//! an Encounter also brings what it refers to itself. In the order of commits; one patient comes
//! whole in one Bundle unless `_count` is given or a limit is met.
//! `start` and `end` are about dates of care: a resource that has one, none of them in the
//! interval, is left out.
//! What the actor may not see is left out as if it were not there.

use std::collections::HashSet;
use std::sync::OnceLock;

use access::Action;
use fhir::date::PartialDate;
use fhir::issue::IssueType;
use fhir_tables::{COMPARTMENTS, CompartmentDef, ResourceType, SearchKind, compartment};
use memchr::arch::all::packedpair::HeuristicFrequencyRank;
use memchr::memmem::{Finder, FinderBuilder};
use search::value::{IndexValue, ParamId};
use store::{ChangeKind, Cursor, Head, PageRequest, Rid, Snapshot};

use crate::error::{Error, Kind, Result, warning};
use crate::gate::{Asking, not_found, require};
use crate::links::{BundleText, append_query, full_url, operation_path};
use crate::page_token::{self, PageToken};
use crate::record::{Outcome, Record};
use crate::request::{Operation, Response, View};
use crate::write::deleted;

/// Matches in one Bundle when the client does not say.
const COUNT_DEFAULT: usize = 10_000;
/// Largest `_count`, and the page of all Patients when the client does not say.
const COUNT_MAX: usize = 1_000;
/// A Bundle that is longer than this ends, with a link to the next. Bytes.
const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room that is made for an entry before it is read.
const ENTRY_BYTES_USUAL: usize = 3_000;
/// Patients that are looked up together.
const PATIENTS_TOGETHER: usize = 50;
/// Resources that matches refer to, in one Bundle.
const INCLUDED_MAX: usize = 2_000;
/// From a PractitionerRole to its Organization, from there to its Endpoint.
const ROUNDS_MAX: usize = 3;

struct Params {
    /// Closed interval of care dates, UTC milliseconds.
    care: Option<(i64, i64)>,
    since_ms: Option<i64>,
    /// Empty: all.
    types: Vec<ResourceType>,
    count: Option<usize>,
    page: Option<String>,
    view: View,
}

/// Reads the parameters.
///
/// Errors: `NotSupported` for unknown ones, `Value` for values that cannot be read, `Invalid` for
/// one that is given twice.
fn params(rt: ResourceType, pairs: &[(String, String)]) -> Result<Params> {
    let view = crate::route::view(pairs)?;
    let mut params =
        Params { care: None, since_ms: None, types: Vec::new(), count: None, page: None, view };
    let date = |name: &str, value: &str| {
        let wrong = || Error::new(Kind::Value, format!("{name} is not a FHIR date or instant"));
        PartialDate::parse(value).map(|date| date.range_utc_ms()).ok_or_else(wrong)
    };
    let is_patient = rt == ResourceType::PATIENT;
    for (pair_idx, (name, value)) in pairs.iter().enumerate() {
        let is_again = pairs[..pair_idx].iter().any(|(other, _)| other == name);
        if is_again && name != "_type" {
            return Err(Error::new(Kind::Invalid, format!("{name} is given twice")));
        }
        match name.as_str() {
            "start" if is_patient => {
                params.care.get_or_insert((i64::MIN, i64::MAX)).0 = date(name, value)?.0;
            }
            "end" if is_patient => {
                params.care.get_or_insert((i64::MIN, i64::MAX)).1 = date(name, value)?.1;
            }
            "_since" => params.since_ms = Some(date(name, value)?.0),
            "_type" => params.types.extend(types(value)?),
            "_count" => {
                let n = value.parse().ok().filter(|n| *n > 0);
                let text = "_count is a number of resources, 1 or more";
                let n: usize = n.ok_or_else(|| Error::new(Kind::Value, text))?;
                params.count = Some(n.min(COUNT_MAX));
            }
            "_page" => params.page = Some(value.clone()),
            "_summary" | "_elements" | "_format" | "_pretty" => {}
            _ => {
                let own = if is_patient { "start, end, " } else { "" };
                let text = format!(
                    "$everything of {rt} has no parameter {name}; known: {own}_since, _type, \
                     _count, _summary, _elements"
                );
                return Err(Error::new(Kind::NotSupported, text));
            }
        }
    }
    Ok(params)
}

fn types(list: &str) -> Result<Vec<ResourceType>> {
    let one = |name: &str| {
        let text = || format!("_type={name}: not a resource type of R4");
        ResourceType::from_name(name).ok_or_else(|| Error::new(Kind::Value, text()))
    };
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(one).collect()
}

/// Answers with a Bundle of type searchset. `id: None`: of all Patients, page by page.
///
/// Errors: `NotFound` and `Deleted` for the resource itself.
pub(crate) fn everything(
    record: &Record,
    ctx: &Asking<'_>,
    rt: ResourceType,
    id: Option<&str>,
    pairs: &[(String, String)],
) -> Result<Outcome> {
    require(ctx, Action::Read, Some(rt))?;
    if id.is_none() {
        require(ctx, Action::Search, Some(rt))?;
    }
    let params = params(rt, pairs)?;
    let mut own_path = operation_path(Operation::Everything, rt, id);
    let kept: Vec<_> = pairs.iter().filter(|(name, _)| name != "_page").cloned().collect();
    append_query(&kept, &mut own_path);
    let token =
        params.page.as_deref().map(|text| record.page_key().open(&own_path, text)).transpose()?;
    let sees = if id.is_some() { ctx.may.sees(Action::Read) } else { ctx.may.browses() };
    let mut snapshot = match &token {
        None => record.store().snapshot(sees)?,
        Some(token) => record.store().snapshot_at(token.t, sees)?,
    };
    let def = compartment(rt.name()).expect("Patient and Encounter have compartments");
    let may_see = visible_types(ctx, &params, def);
    let mut walk = Walk::new(record, def, &params, &may_see, id.is_none());
    let from = token.as_ref().map(|token| place_of(&token.cursor)).transpose()?;
    let t = snapshot.at();
    let url = |token: Option<&PageToken>| page_token::url(record, &own_path, token);
    let head = |total: Option<u64>, next: Option<(Rid, Rid)>| {
        let mut head = BundleText::new("searchset", Some(ctx.at_ms), total, 1024);
        head.link("self", &url(token.as_ref()));
        if let Some((root, rid)) = next {
            let cursor = Cursor { key: root.to_be_bytes().to_vec(), rid };
            head.link("next", &url(Some(&PageToken { t, cursor, backward: false })));
        }
        head
    };
    let (total, next) = match id {
        Some(id) => {
            let root = root(&snapshot, rt, id)?;
            let rids = walk.members(&snapshot, &root)?;
            let total = Some(rids.len() as u64);
            walk.entries = head(total, None);
            walk.head_len = walk.entries.len();
            let after = from.map_or(0, |(_, rid)| rid);
            (total, walk.read(&mut snapshot, &root, &rids, after)?)
        }
        None => {
            walk.entries = head(None, None);
            walk.head_len = walk.entries.len();
            (None, walk.all_patients(&mut snapshot, record, ctx, from)?)
        }
    };
    walk.included(&mut snapshot)?;
    if next.is_some() {
        walk.entries.replace_head(walk.head_len, &head(total, next));
    }
    Ok(walk.finish())
}

fn root(snapshot: &Snapshot, rt: ResourceType, id: &str) -> Result<Head> {
    let head = snapshot.head(rt, id)?.ok_or_else(|| not_found(rt.name(), id))?;
    if head.kind == ChangeKind::Delete { Err(deleted(&head)) } else { Ok(head) }
}

/// Root and member of a page link.
fn place_of(cursor: &Cursor) -> Result<(Rid, Rid)> {
    let root = <[u8; 4]>::try_from(cursor.key.as_slice());
    let root = root.map_err(|_| Error::new(Kind::Invalid, "_page is of another list"))?;
    Ok((Rid::from_be_bytes(root), cursor.rid))
}

/// By type: whether its resources go into the Bundle.
fn visible_types(ctx: &Asking<'_>, params: &Params, def: &CompartmentDef) -> Vec<bool> {
    ResourceType::ALL
        .into_iter()
        .map(|rt| {
            let is_asked = params.types.is_empty() || params.types.contains(&rt);
            // The one Patient of a portal user may be read and not searched for.
            let may = |action| ctx.may.some(action, rt);
            is_asked && (rt == def.root || (may(Action::Read) && may(Action::Search)))
        })
        .collect()
}

/// By parameter: whether it connects a resource to the root of a compartment.
fn connecting(def: &CompartmentDef) -> &'static [bool] {
    static TABLES: OnceLock<Vec<(ResourceType, Vec<bool>)>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        let table = |def: &CompartmentDef| {
            let mut table = vec![false; search::params::count()];
            for (rt, codes) in def.params {
                for code in *codes {
                    if let Some((param, _)) = search::params::find(*rt, code) {
                        table[usize::from(param.0)] = true;
                    }
                }
            }
            (def.root, table)
        };
        COMPARTMENTS.iter().map(table).collect()
    });
    tables.iter().find(|(root, _)| *root == def.root).map_or(&[], |(_, table)| table)
}

/// Builds the Bundle.
struct Walk<'a> {
    base_url: &'a str,
    def: &'static CompartmentDef,
    params: &'a Params,
    may_see: &'a [bool],
    is_of_all: bool,
    count: usize,
    /// The Bundle, from its head on, and how long that is.
    entries: BundleText,
    head_len: usize,
    n: usize,
    /// Resources in the Bundle that are no members of a compartment, and what is to come:
    /// references that were met.
    met: HashSet<String>,
    /// Types that references named: name, whether it is nobody's, whether it may be seen.
    included_types: Vec<(String, bool, bool)>,
    wanted: Vec<String>,
    outcome: Outcome,
    failed: Option<Error>,
}

impl<'a> Walk<'a> {
    fn new(
        record: &'a Record,
        def: &'static CompartmentDef,
        params: &'a Params,
        may_see: &'a [bool],
        is_of_all: bool,
    ) -> Walk<'a> {
        let count = if is_of_all { COUNT_MAX } else { COUNT_DEFAULT };
        Walk {
            base_url: record.base_url(),
            def,
            params,
            may_see,
            is_of_all,
            count: params.count.unwrap_or(count),
            entries: BundleText::new("searchset", None, None, 0),
            head_len: 0,
            n: 0,
            met: HashSet::new(),
            included_types: Vec::new(),
            wanted: Vec::new(),
            outcome: Outcome::default(),
            failed: None,
        }
    }

    /// What is in the compartment and asked for, the root included, in commit order.
    fn members(&self, snapshot: &Snapshot, root: &Head) -> Result<Vec<Rid>> {
        let connecting = connecting(self.def);
        let is_member = |param: ParamId| {
            let is_connecting = connecting.get(usize::from(param.0)) == Some(&true);
            if !is_connecting {
                return false;
            }
            let (rt, _) = search::params::def(param);
            // Of all Patients, each comes by itself and not as another's link.
            let is_doubled = self.is_of_all && rt == root.rt;
            self.may_see[usize::from(rt.0)] && !is_doubled
        };
        let mut rids = snapshot.referring(root.rt, &root.id, is_member)?;
        if self.may_see[usize::from(root.rt.0)]
            && let Err(at) = rids.binary_search(&root.rid)
        {
            rids.insert(at, root.rid);
        }
        if self.params.care.is_none() && self.params.since_ms.is_none() {
            return Ok(rids);
        }
        let mut kept = Vec::with_capacity(rids.len());
        snapshot.each_values(&rids, |rid, at_ms, values| {
            let is_new = self.params.since_ms.is_none_or(|since_ms| at_ms >= since_ms);
            let is_care = self.params.care.is_none_or(|care| {
                let mut dates =
                    values.iter().filter(|v| is_care_date(v.param)).filter_map(|v| match v.value {
                        IndexValue::Date { lo, hi } => Some(lo <= care.1 && hi >= care.0),
                        _ => None,
                    });
                rid == root.rid || dates.next().is_none_or(|first| first || dates.any(|d| d))
            });
            if is_new && is_care {
                kept.push(rid);
            }
        })?;
        Ok(kept)
    }

    /// Adds members behind `after`; where to go on when the page is full.
    fn read(
        &mut self,
        snapshot: &mut Snapshot,
        root: &Head,
        rids: &[Rid],
        after: Rid,
    ) -> Result<Option<(Rid, Rid)>> {
        let rids = &rids[rids.partition_point(|rid| *rid <= after)..];
        let room = self.count - self.n;
        self.entries.reserve(rids.len().min(room) * ENTRY_BYTES_USUAL);
        let mut last = after;
        snapshot.each_version(&rids[..rids.len().min(room)], |head, body| {
            last = head.rid;
            let is_root = head.rid == root.rid;
            self.add(head, body, "match", is_root) && self.entries.len() < BUNDLE_BYTES_MAX
        })?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let is_done = rids.last().is_none_or(|end| *end <= last);
        Ok((!is_done).then_some((root.rid, last)))
    }

    /// Patients in commit order, each with what is the patient's, until the page is full.
    fn all_patients(
        &mut self,
        snapshot: &mut Snapshot,
        record: &Record,
        ctx: &Asking<'_>,
        from: Option<(Rid, Rid)>,
    ) -> Result<Option<(Rid, Rid)>> {
        let rt = ResourceType::PATIENT;
        let query = crate::search::parse_strict(rt, &[], record, ctx)?;
        // The patient that the last page ended with is looked at again.
        let (mut behind, mut after) = from.map_or((0, 0), |(root, rid)| (root - 1, rid));
        loop {
            let request = PageRequest {
                from: Some(Cursor { key: Vec::new(), rid: behind }),
                backward: false,
                count: PATIENTS_TOGETHER,
                total: search::query::Total::None,
            };
            let page = snapshot.search(&query, &request)?;
            for patient in &page.rows {
                let rids = self.members(snapshot, &patient.head)?;
                let next = self.read(snapshot, &patient.head, &rids, after)?;
                if next.is_some() {
                    return Ok(next);
                }
                (behind, after) = (patient.head.rid, 0);
                if self.n == self.count || self.entries.len() >= BUNDLE_BYTES_MAX {
                    // Full at the end of this patient: goes on with the next one, if there is one.
                    let end = rids.last().copied().unwrap_or(Rid::MAX);
                    return Ok(Some((patient.head.rid, end)));
                }
            }
            if !page.more {
                return Ok(None);
            }
        }
    }

    /// Adds an entry; false after a failure.
    fn add(&mut self, head: &Head, body: &[u8], mode: &str, is_root: bool) -> bool {
        let text = match crate::view::of(head.rt, body, &self.params.view) {
            Ok(text) => text,
            Err(error) => {
                self.failed = Some(error);
                return false;
            }
        };
        if head.rt == ResourceType::PATIENT && !self.outcome.patients.contains(&head.id) {
            self.outcome.patients.insert(head.id.clone());
        }
        let base_url = self.base_url;
        self.entries.entry(|out| {
            full_url(base_url, head.rt.name(), &head.id, out);
            out.push_str(",\"resource\":");
            out.push_str(&text);
            out.push_str(",\"search\":{\"mode\":\"");
            out.push_str(mode);
            out.push_str("\"}");
        });
        self.n += usize::from(mode == "match");
        self.outcome.n += 1;
        self.note_references(body, is_root);
        true
    }

    /// Keeps what the body refers to, if it goes into the Bundle.
    fn note_references(&mut self, body: &[u8], is_root: bool) {
        static MARKS: OnceLock<[Finder<'static>; 2]> = OnceLock::new();
        // Stored text is compact and what is inside strings is escaped: these are members.
        let marks = MARKS.get_or_init(|| {
            let finder = |mark| FinderBuilder::new().build_forward_with_ranker(Rank, mark);
            [finder(r#""reference":""#), finder(r#""url":"Binary/"#)]
        });
        for (mark, skipped) in [(&marks[0], 13), (&marks[1], 7)] {
            for at in mark.find_iter(body) {
                let rest = &body[at + skipped..];
                let end = memchr::memchr(b'"', rest).unwrap_or(0);
                let Ok(reference) = str::from_utf8(&rest[..end]) else { continue };
                let Some((ty, id)) = reference.split_once('/') else { continue };
                // Who is concerned is found on the way, as `audit::patients_in` does.
                if ty == ResourceType::PATIENT.name() {
                    let id = &id[..id.find(['/', '#', '?']).unwrap_or(id.len())];
                    if !id.is_empty() && !self.outcome.patients.contains(id) {
                        self.outcome.patients.insert(id.to_owned());
                    }
                }
                if !self.is_included(ty, is_root) || self.met.contains(reference) {
                    continue;
                }
                self.met.insert(reference.to_owned());
                self.wanted.push(reference.to_owned());
            }
        }
    }

    /// Whether resources of the type that a reference names go into the Bundle: those that are in
    /// no patient's compartment, and all that the Encounter itself refers to. Asked thousands of
    /// times, for a few types.
    fn is_included(&mut self, ty: &str, by_root: bool) -> bool {
        let known = self.included_types.iter().find(|(name, _, _)| name == ty);
        let (is_nobodys, may_see) = match known {
            Some((_, is_nobodys, may_see)) => (*is_nobodys, *may_see),
            None => {
                let patients = compartment("Patient").expect("a compartment of R4");
                let found = ResourceType::from_name(ty).map(|rt| {
                    let is_nobodys = rt != patients.root && patients.params_of(rt).is_empty();
                    (is_nobodys, self.may_see[usize::from(rt.0)])
                });
                let (is_nobodys, may_see) = found.unwrap_or((false, false));
                if found.is_some() {
                    self.included_types.push((ty.to_owned(), is_nobodys, may_see));
                }
                (is_nobodys, may_see)
            }
        };
        let of_encounter = by_root && self.def.root != ResourceType::PATIENT;
        may_see && (is_nobodys || of_encounter)
    }

    /// Adds what matches refer to, and what that refers to.
    fn included(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        let mut n_included = 0;
        let mut seen = HashSet::new();
        for _ in 0..ROUNDS_MAX {
            let mut rids = Vec::new();
            for reference in std::mem::take(&mut self.wanted) {
                let mut parts = reference.split('/');
                let (Some(ty), Some(id)) = (parts.next(), parts.next()) else { continue };
                let Some(rt) = ResourceType::from_name(ty) else { continue };
                if let Some(head) = snapshot.head(rt, id)?
                    && head.kind != ChangeKind::Delete
                    && seen.insert(head.rid)
                {
                    rids.push(head.rid);
                }
            }
            rids.sort_unstable();
            let room = INCLUDED_MAX - n_included;
            let is_cut = rids.len() > room;
            rids.truncate(room);
            n_included += rids.len();
            snapshot.each_version(&rids, |head, body| self.add(head, body, "include", false))?;
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if is_cut {
                self.cut_remark();
            }
            if is_cut || self.wanted.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Says in the Bundle that something is left out of it.
    fn cut_remark(&mut self) {
        let text = format!("more than {INCLUDED_MAX} resources to include: the rest was left out");
        let issue = warning(IssueType::Incomplete, String::new(), text);
        self.entries.entry(|out| {
            out.push_str("\"resource\":");
            out.push_str(&fhir::issue::operation_outcome(&[issue]));
            out.push_str(",\"search\":{\"mode\":\"outcome\"}");
        });
    }

    fn finish(self) -> Outcome {
        let mut outcome = self.outcome;
        let body = Some(self.entries.finish());
        outcome.response = Response { status: 200, body, ..Response::default() };
        outcome
    }
}

/// How frequent bytes are in stored text: a mark is looked for by its rarest two. In prose the signs
/// around a member would be rare; here they stand everywhere.
struct Rank;

impl HeuristicFrequencyRank for Rank {
    fn rank(&self, byte: u8) -> u8 {
        match byte {
            b'"' | b':' | b'/' => 255,
            b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' | b'a' => 240,
            b'A'..=b'Z' => 60,
            b'f' => 100,
            _ => 160,
        }
    }
}

/// Whether a parameter holds a date of care: of what happened, not of the record or of birth.
fn is_care_date(param: ParamId) -> bool {
    let Some((_, def)) = search::params::get(param) else { return false };
    def.kind == SearchKind::Date && !matches!(def.code, "_lastUpdated" | "birthdate" | "death-date")
}
