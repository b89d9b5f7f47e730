//! Access that somebody should look at: the reasons, in a work list.
//!
//! A step behind the log looks at new leaves of people of the practice: a chart that was opened
//! becomes a row when there is a reason. One row stands for one person, patient and day. Rows are
//! a function of the leaves, the record and the settings, and can be made again; what the privacy
//! officer wrote about one is kept apart and stays.
//! Source: 45 CFR 164.308(a)(1)(ii)(D), information system activity review.
//!
//! Opened is: read, version, history, everything, a change, or a search that showed one patient.
//! Lists of several patients open no chart. Changes of registration before a first visit are why
//! a chart that is new within the window has a relation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use access::{Action, Actor, Ctx};
use fhir::date::{PartialDate, format_instant};
use fhir::json::{Doc, Node, Value};
use fhir_tables::ResourceType;
use search::Sees;
use search::lookup::NoRecord;
use search::parse::{Handling, Setting};
use sha2::{Digest, Sha256};
use store::{ChangeKind, Check, CommitError, ItemOp, Snapshot, WriteSet};

use super::ask::sees_log;
use super::leaf::{Deed, Leaf, Outcome};
use crate::error::{Error, Kind, Result};
use crate::gate::forbidden;
use crate::items::{Change, Expected};
use crate::record::Record;

/// Rows, by day and a hash of person and patient.
const ROWS: &str = "audit-unusual";
/// What was written about rows.
const REVIEWS: &str = "audit-review";
/// Where the step goes on in the log.
const CURSOR: &[u8] = b"cursor";
/// Leaves that one step looks at.
const STEP_LEAVES: usize = 10_000;
/// Charts that one person opened on a day, as far as they are counted.
const OPENED: &[u8] = b"opened";
/// A row that nobody looked at for so long is overdue. Source: as for emergency access.
pub const OVERDUE_MS: i64 = 72 * 3_600_000;
/// Characters of a note.
pub const NOTE_CHARS_MAX: usize = 2_000;
/// Rows of a list.
pub const ROWS_MAX: usize = 500;
const DAY_MS: i64 = 86_400_000;

/// Why access is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    OwnChart,
    SameSurname,
    SameAddress,
    Colleague,
    Protected,
    NoRelation,
    OutOfHours,
    ManyCharts,
}

impl Reason {
    pub const ALL: [Reason; 8] = [
        Reason::OwnChart,
        Reason::SameSurname,
        Reason::SameAddress,
        Reason::Colleague,
        Reason::Protected,
        Reason::NoRelation,
        Reason::OutOfHours,
        Reason::ManyCharts,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::OwnChart => "own-chart",
            Reason::SameSurname => "same-surname",
            Reason::SameAddress => "same-address",
            Reason::Colleague => "colleague",
            Reason::Protected => "protected",
            Reason::NoRelation => "no-relation",
            Reason::OutOfHours => "out-of-hours",
            Reason::ManyCharts => "many-charts",
        }
    }

    /// For whoever reviews it.
    pub const fn words(self) -> &'static str {
        match self {
            Reason::OwnChart => "the person's own chart",
            Reason::SameSurname => "the patient has the same surname",
            Reason::SameAddress => "the patient lives at the same address",
            Reason::Colleague => "the patient works in this practice",
            Reason::Protected => "the patient is specially protected (VIP, restricted)",
            Reason::NoRelation => "no appointment, visit, order or care team around that time",
            Reason::OutOfHours => "outside of the hours of the practice",
            Reason::ManyCharts => "many charts on one day",
        }
    }

    fn parse(text: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Somebody of the practice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// As in the log: `User/x`.
    pub who: String,
    /// Id of the Practitioner that the person is.
    pub practitioner: Option<String>,
}

/// What counts as unusual.
pub struct Watch<'w> {
    pub staff: &'w [Staff],
    /// Minutes of the day in which the practice works.
    pub hours: (u16, u16),
    /// Weekday (Monday is 1) and minute of the day of a time in the practice.
    pub local: &'w dyn Fn(i64) -> (u8, u16),
    /// How far before and behind an access something relates a patient to the practice.
    pub window_days: i64,
    /// More charts on one day are many.
    pub charts_a_day: u32,
}

/// A row of the work list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusual {
    pub id: String,
    /// The first access of the day, UTC milliseconds.
    pub at_ms: i64,
    pub who: String,
    pub name: String,
    pub role: String,
    pub patient: String,
    pub reasons: Vec<Reason>,
    pub review: Option<Review>,
}

/// What somebody found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub by: String,
    pub at_ms: i64,
    pub note: String,
}

/// What is compared of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Traits {
    surnames: BTreeSet<String>,
    given: Option<String>,
    birth_date: Option<String>,
    /// First line and postal code.
    addresses: BTreeSet<(String, String)>,
}

fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Traits {
    /// Of a Patient or Practitioner.
    fn of(root: Node<'_>) -> Traits {
        let mut traits = Traits::default();
        for name in root.list("name") {
            traits.surnames.extend(name.str("family").map(|text| folded(&text)));
            let given = name.list("given").next().and_then(Node::as_str);
            traits.given = traits.given.or_else(|| given.map(|text| folded(&text)));
        }
        traits.surnames.retain(|surname| !surname.is_empty());
        traits.birth_date = root.str("birthDate").map(String::from);
        for address in root.list("address") {
            let line = address.list("line").next().and_then(Node::as_str);
            if let (Some(line), Some(code)) = (line, address.str("postalCode")) {
                traits.addresses.insert((folded(&line), folded(&code)));
            }
        }
        traits
    }

    fn is_same_person(&self, other: &Traits) -> bool {
        !self.surnames.is_disjoint(&other.surnames)
            && self.given.is_some()
            && self.given == other.given
            && self.birth_date == other.birth_date
    }
}

/// What is known of a patient.
struct Known {
    traits: Traits,
    is_protected: bool,
    since_ms: i64,
}

/// Whether the labels of a patient ask for more care: restricted, very restricted, or VIP.
///
/// Source: HL7 v3 Confidentiality; v3-ActCode VIP.
fn is_protected(root: Node<'_>) -> bool {
    let Some(meta) = root.get("meta") else { return false };
    let code = |coding: Node<'_>| coding.str("code").map(String::from).unwrap_or_default();
    meta.list("security").any(|label| matches!(code(label).as_str(), "R" | "V" | "VIP"))
        || meta.list("tag").any(|tag| code(tag).eq_ignore_ascii_case("vip"))
}

/// Whether somebody opened one chart with this: whose.
fn opened(leaf: &Leaf) -> Option<&str> {
    let [patient] = leaf.patients.as_slice() else { return None };
    let is_person = leaf.who.starts_with("User/") && leaf.role.as_deref() != Some("patient");
    // Who reads the log looks after others.
    let of_log = leaf.what.starts_with("AuditEvent");
    let is_open = matches!(
        leaf.deed(),
        Deed::Read
            | Deed::Vread
            | Deed::History
            | Deed::Operation
            | Deed::Search
            | Deed::Create
            | Deed::Update
            | Deed::Delete
    );
    (is_person && is_open && !of_log && leaf.outcome() == Outcome::Done).then_some(patient)
}

fn row_id(day: i64, who: &str, patient: &str) -> String {
    let hash = Sha256::new().chain_update(who).chain_update([0]).chain_update(patient).finalize();
    format!("{day:08}-{}", stdx::hex::encode(&hash[..8]))
}

fn day_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS).max(0)
}

/// Finds out what is to be known, each thing once.
struct Looking<'r> {
    record: &'r Record,
    snapshot: Snapshot,
    now_ms: i64,
    patients: HashMap<String, Option<Known>>,
    staff: HashMap<String, Traits>,
    related: HashMap<(String, i64), bool>,
}

impl<'r> Looking<'r> {
    fn new(record: &'r Record, watch: &Watch<'_>) -> Result<Looking<'r>> {
        let mut snapshot = record.store().snapshot(Sees::everything())?;
        let mut staff = HashMap::new();
        for one in watch.staff {
            let Some(id) = &one.practitioner else { continue };
            if let Some(doc) = current(&mut snapshot, ResourceType::PRACTITIONER, id)? {
                staff.insert(one.who.clone(), Traits::of(doc.root()));
            }
        }
        let (patients, related) = (HashMap::new(), HashMap::new());
        Ok(Looking { record, snapshot, now_ms: record.now_ms(), patients, staff, related })
    }

    fn know(&mut self, id: &str) -> Result<()> {
        if self.patients.contains_key(id) {
            return Ok(());
        }
        let rt = ResourceType::PATIENT;
        let known = match current(&mut self.snapshot, rt, id)? {
            None => None,
            Some(doc) => {
                let first = self.snapshot.version(rt, id, 1)?;
                Some(Known {
                    traits: Traits::of(doc.root()),
                    is_protected: is_protected(doc.root()),
                    since_ms: first.map_or(i64::MAX, |version| version.head.last_updated_ms),
                })
            }
        };
        self.patients.insert(id.to_owned(), known);
        Ok(())
    }

    /// Whether something relates the patient to the practice around a time.
    fn is_related(&mut self, patient: &str, at_ms: i64, days: i64) -> Result<bool> {
        let key = (patient.to_owned(), day_of(at_ms));
        if let Some(known) = self.related.get(&key) {
            return Ok(*known);
        }
        let day = |ms: i64| format_instant(ms)[..10].to_owned();
        let (from, to) = (day(at_ms - days * DAY_MS), day(at_ms + days * DAY_MS));
        let around = |param: &str| format!("{param}=ge{from}&{param}=le{to}");
        let questions = [
            (ResourceType::APPOINTMENT, around("date")),
            (ResourceType::ENCOUNTER, around("date")),
            (ResourceType::CARE_TEAM, "status=active".to_owned()),
            (ResourceType::SERVICE_REQUEST, around("authored")),
            (ResourceType::MEDICATION_REQUEST, around("authoredon")),
        ];
        let base_url = self.record.base_url();
        let setting = Setting {
            handling: Handling::Strict,
            base_url,
            now_ms: self.now_ms,
            lookup: &NoRecord,
        };
        let mut is_related = false;
        for (rt, text) in questions {
            let mut pairs = crate::route::parse_query(&text);
            pairs.push(("patient".to_owned(), patient.to_owned()));
            let query = search::parse::parse(rt, None, &pairs, setting)
                .map_err(|issues| Error::with_issues(Kind::Internal, issues))?;
            if !self.snapshot.search_heads(&query, 1)?.is_empty() {
                is_related = true;
                break;
            }
        }
        self.related.insert(key, is_related);
        Ok(is_related)
    }

    fn reasons(&mut self, leaf: &Leaf, patient: &str, watch: &Watch<'_>) -> Result<Vec<Reason>> {
        self.know(patient)?;
        let mut reasons = Vec::new();
        let Some(Some(known)) = self.patients.get(patient) else { return Ok(reasons) };
        let window_ms = watch.window_days * DAY_MS;
        let is_new = (known.since_ms - leaf.at_ms).abs() <= window_ms;
        let own = self.staff.get(&leaf.who);
        let is_own = own.is_some_and(|own| own.is_same_person(&known.traits));
        if is_own {
            reasons.push(Reason::OwnChart);
        } else {
            if own.is_some_and(|own| !own.surnames.is_disjoint(&known.traits.surnames)) {
                reasons.push(Reason::SameSurname);
            }
            if own.is_some_and(|own| !own.addresses.is_disjoint(&known.traits.addresses)) {
                reasons.push(Reason::SameAddress);
            }
            if self.staff.values().any(|other| other.is_same_person(&known.traits)) {
                reasons.push(Reason::Colleague);
            }
        }
        if known.is_protected {
            reasons.push(Reason::Protected);
        }
        if !is_new && !self.is_related(patient, leaf.at_ms, watch.window_days)? {
            reasons.push(Reason::NoRelation);
        }
        let (weekday, minute) = (watch.local)(leaf.at_ms);
        if weekday > 5 || minute < watch.hours.0 || minute >= watch.hours.1 {
            reasons.push(Reason::OutOfHours);
        }
        Ok(reasons)
    }
}

fn current(snapshot: &mut Snapshot, rt: ResourceType, id: &str) -> Result<Option<Doc>> {
    let version = snapshot.current(rt, id)?.filter(|v| v.head.kind != ChangeKind::Delete);
    Ok(version.and_then(|version| Doc::parse(version.body).ok()))
}

fn text_of(row: &Unusual) -> Vec<u8> {
    let reasons = row.reasons.iter().map(|reason| Value::from(reason.as_str()));
    Value::object([
        ("at", Value::from(format_instant(row.at_ms))),
        ("who", Value::from(row.who.clone())),
        ("name", Value::from(row.name.clone())),
        ("role", Value::from(row.role.clone())),
        ("patient", Value::from(row.patient.clone())),
        ("reasons", Value::array(reasons)),
    ])
    .to_json()
    .into_bytes()
}

fn row_of(key: &[u8], bytes: &[u8]) -> Option<Unusual> {
    let doc = Doc::parse(bytes).ok()?;
    let root = doc.root();
    let text = |name: &str| root.str(name).map(String::from);
    Some(Unusual {
        id: String::from_utf8(key.to_vec()).ok()?,
        at_ms: PartialDate::parse(&text("at")?)?.start_utc_ms(),
        who: text("who")?,
        name: text("name")?,
        role: text("role")?,
        patient: text("patient")?,
        reasons: root
            .list("reasons")
            .filter_map(|reason| Reason::parse(&reason.as_str()?))
            .collect(),
        review: None,
    })
}

fn review_of(bytes: &[u8]) -> Option<Review> {
    let doc = Doc::parse(bytes).ok()?;
    let text = |name: &str| doc.root().str(name).map(String::from);
    let at_ms = PartialDate::parse(&text("at")?)?.start_utc_ms();
    Some(Review { by: text("by")?, at_ms, note: text("note")? })
}

fn put(key: &[u8], value: Option<Vec<u8>>) -> ItemOp {
    ItemOp { collection: ROWS, key: key.to_vec(), value }
}

impl Record {
    /// Looks at the leaves that came since the last time. How many it looked at; ask again while
    /// there are any.
    ///
    /// Errors: `Forbidden` but for Vitae itself; those of the store.
    pub fn watch_access(&self, ctx: &Ctx, watch: &Watch<'_>) -> Result<usize> {
        if ctx.actor != Actor::System {
            return Err(Error::new(Kind::Forbidden, "only Vitae itself looks for unusual access"));
        }
        let mut looking = Looking::new(self, watch)?;
        let before = looking.snapshot.item(ROWS, CURSOR)?;
        let next =
            before.as_deref().and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
        let next = next.unwrap_or(0);
        let leaves = looking.snapshot.audit(next, STEP_LEAVES)?;
        let Some((last, _)) = leaves.last() else { return Ok(0) };
        let cursor = (last + 1).to_be_bytes().to_vec();
        let mut rows: BTreeMap<String, Unusual> = BTreeMap::new();
        let mut counts: BTreeMap<(i64, String), BTreeSet<String>> = BTreeMap::new();
        for (seq, bytes) in &leaves {
            let Some(leaf) = Leaf::read(*seq, bytes) else { continue };
            let Some(patient) = opened(&leaf).map(str::to_owned) else { continue };
            let day = day_of(leaf.at_ms);
            let id = row_id(day, &leaf.who, &patient);
            if !counts.entry((day, leaf.who.clone())).or_default().insert(patient.clone()) {
                continue;
            }
            let reasons = looking.reasons(&leaf, &patient, watch)?;
            if reasons.is_empty() {
                continue;
            }
            rows.entry(id.clone()).or_insert_with(|| row(&id, &leaf, &patient, reasons));
        }
        let mut items = vec![put(CURSOR, Some(cursor))];
        for ((day, who), patients) in &counts {
            items.extend(count_charts(&looking, (*day, who), patients, watch)?);
        }
        for (id, row) in &rows {
            // What was found on the day before stands; a later access adds nothing.
            if looking.snapshot.item(ROWS, id.as_bytes())?.is_none() {
                items.push(put(id.as_bytes(), Some(text_of(row))));
            }
        }
        let check = Check::Item { collection: ROWS, key: CURSOR.to_vec(), value: before };
        let set = WriteSet { checks: vec![check], items, ..WriteSet::default() };
        match self.store().commit(set) {
            // Another process was faster: it has looked at these leaves.
            Ok(_) | Err(CommitError::Conflict) => Ok(leaves.len()),
            Err(CommitError::Failed(e)) => Err(e.into()),
            Err(other) => {
                Err(Error::new(Kind::Internal, "the commit was refused").caused_by(other))
            }
        }
    }

    /// The work list, the oldest first, at most [`ROWS_MAX`]; `reviewed`: also what was looked at.
    ///
    /// Errors: `Forbidden` for who does not see all AuditEvents.
    pub fn unusual_access(&self, ctx: &Ctx, reviewed: bool) -> Result<Vec<Unusual>> {
        let asking = self.gate().ask(ctx, self.store())?;
        if !sees_log(&asking, Action::Search) {
            return Err(forbidden(Action::Search, Some(ResourceType::AUDIT_EVENT)));
        }
        let snapshot = self.store().snapshot(Sees::everything())?;
        let mut rows = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        // Ids of rows begin with the day; the other items of the collection do not.
        'pages: loop {
            let page = snapshot.items(ROWS, b"0", after.as_deref(), ROWS_MAX)?;
            for (key, bytes) in &page {
                let Some(mut row) = row_of(key, bytes) else { continue };
                let review = snapshot.item(REVIEWS, key)?;
                row.review = review.as_deref().and_then(review_of);
                if row.review.is_none() || reviewed {
                    rows.push(row);
                }
                if rows.len() == ROWS_MAX {
                    break 'pages;
                }
            }
            match page.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => break,
            }
        }
        let patients = rows.iter().map(|row| row.patient.clone()).filter(|id| !id.is_empty());
        let event = super::Event {
            action: 'E',
            what: "AuditEvent: unusual access".to_owned(),
            n: rows.len(),
            patients: patients.collect(),
            all: false,
            status: 200,
        };
        self.audit_event(ctx, &event)?;
        Ok(rows)
    }

    /// Writes down what somebody found about a row.
    ///
    /// Errors: `Forbidden` as for the list; `NotFound`; `TooMany` for a note beyond
    /// [`NOTE_CHARS_MAX`]; `Invalid` without a note; `Conflict` when somebody was faster.
    pub fn review_unusual(&self, ctx: &Ctx, id: &str, note: &str) -> Result<()> {
        let asking = self.gate().ask(ctx, self.store())?;
        if !sees_log(&asking, Action::Search) {
            return Err(forbidden(Action::Search, Some(ResourceType::AUDIT_EVENT)));
        }
        let note = note.trim();
        if note.is_empty() {
            return Err(Error::new(Kind::Invalid, "write what you found, however short"));
        }
        if note.chars().count() > NOTE_CHARS_MAX {
            let text = format!("a note has at most {NOTE_CHARS_MAX} characters");
            return Err(Error::new(Kind::TooMany, text));
        }
        let row = self.items().get(ROWS, id.as_bytes())?;
        if !id.starts_with('0') || row.and_then(|bytes| row_of(id.as_bytes(), &bytes)).is_none() {
            return Err(Error::new(Kind::NotFound, "there is no such row"));
        }
        let by = match &ctx.actor {
            Actor::User { name, .. } | Actor::Client { name, .. } => name.clone(),
            Actor::System => "Vitae".to_owned(),
        };
        let review = Value::object([
            ("by", Value::from(by)),
            ("at", Value::from(format_instant(ctx.at_ms))),
            ("note", Value::from(note)),
        ]);
        let key = id.as_bytes().to_vec();
        let expected = Expected { collection: REVIEWS, key: key.clone(), value: None };
        let change =
            Change { collection: REVIEWS, key, value: Some(review.to_json().into_bytes()) };
        let what = format!("access-reviewed {id}");
        if !self.items().commit(ctx, &what, vec![expected], vec![change])? {
            return Err(Error::new(Kind::Conflict, "somebody has reviewed it: look again"));
        }
        Ok(())
    }

    /// Throws the rows away, so that the next steps make them again; reviews stay.
    ///
    /// Errors: `Forbidden` but for Vitae itself.
    pub fn rewatch_access(&self, ctx: &Ctx) -> Result<()> {
        if ctx.actor != Actor::System {
            return Err(Error::new(Kind::Forbidden, "only Vitae itself looks for unusual access"));
        }
        loop {
            let found = self.items().scan(ROWS, b"", None, 1_000)?;
            if found.is_empty() {
                return Ok(());
            }
            let gone = |(key, _)| Change { collection: ROWS, key, value: None };
            let gone = found.into_iter().map(gone).collect();
            self.items().commit(ctx, "access-rewatched", Vec::new(), gone)?;
        }
    }
}

fn row(id: &str, leaf: &Leaf, patient: &str, reasons: Vec<Reason>) -> Unusual {
    Unusual {
        id: id.to_owned(),
        at_ms: leaf.at_ms,
        who: leaf.who.clone(),
        name: leaf.person().unwrap_or(&leaf.who).to_owned(),
        role: leaf.role.clone().unwrap_or_default(),
        patient: patient.to_owned(),
        reasons,
        review: None,
    }
}

/// Adds to the charts that a person opened on a day; a row when they are many.
fn count_charts(
    looking: &Looking<'_>,
    (day, who): (i64, &str),
    patients: &BTreeSet<String>,
    watch: &Watch<'_>,
) -> Result<Vec<ItemOp>> {
    let key = [OPENED, row_id(day, who, "").as_bytes()].concat();
    let before = looking.snapshot.item(ROWS, &key)?.unwrap_or_default();
    let mut all: BTreeSet<&str> = str::from_utf8(&before)
        .unwrap_or_default()
        .split(' ')
        .filter(|id| !id.is_empty())
        .collect();
    let limit = watch.charts_a_day as usize;
    if all.len() > limit {
        return Ok(Vec::new());
    }
    all.extend(patients.iter().map(String::as_str));
    let list: Vec<&str> = all.iter().copied().take(limit + 1).collect();
    let item = put(&key, Some(list.join(" ").into_bytes()));
    if all.len() <= limit {
        return Ok(vec![item]);
    }
    let id = row_id(day, who, "*");
    let name = who.rsplit('/').next().unwrap_or(who);
    let row = Unusual {
        id: id.clone(),
        at_ms: day * DAY_MS,
        who: who.to_owned(),
        name: name.to_owned(),
        role: String::new(),
        patient: String::new(),
        reasons: vec![Reason::ManyCharts],
        review: None,
    };
    Ok(vec![item, put(id.as_bytes(), Some(text_of(&row)))])
}
