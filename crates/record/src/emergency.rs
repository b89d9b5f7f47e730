//! Charts that are opened in an emergency: one patient, a reason, four hours, a review.
//!
//! Source: EHR-S FM TI.1.3.1 (emergency access: time limits, reason, review), 45 CFR
//! 164.312(a)(2)(ii), DICOM code 110127 (Emergency Override Started). What may be done in one is
//! the policy's to say (`access`); that the person has proved again who they are is for whoever
//! asks on their behalf to see to (`auth`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use access::{Actor, Ctx};
use fhir::json::{Doc, Value};
use fhir_tables::ResourceType;
use search::Sees;
use store::{ChangeKind, ItemOp, Store, WriteSet};

use crate::audit::{Event, leaves};
use crate::error::{Error, Kind, Result};
use crate::items::{Change, Expected};
use crate::record::Record;

const COLLECTION: &str = "access.emergency";
/// How long a chart stays open.
pub const EMERGENCY_LIFE_MS: i64 = 4 * 3_600_000;
/// An emergency that nobody has reviewed for this long is brought before everybody who may.
pub const REVIEW_WITHIN_MS: i64 = 72 * 3_600_000;
/// Charts that one person has open in emergencies at a time.
pub const OPEN_MAX: usize = 10;
/// How far a clock may be set back before what was opened since is closed.
const CLOCK_BACK_MS: i64 = 5 * 60_000;
/// Characters of what a person says about it.
pub const WORDS_CHARS_MAX: usize = 2_000;
/// Characters that say something.
const WORDS_CHARS_MIN: usize = 5;
/// Emergencies that a list shows.
pub const LISTED_MAX: usize = 1_000;

/// Why a chart is opened, to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmergencyReason {
    /// Life or limb is in danger.
    Threat,
    /// The patient cannot say who they are or what they have.
    Unable,
    /// Somebody covers for who usually treats the patient.
    Cover,
    Other,
}

impl EmergencyReason {
    pub const ALL: [EmergencyReason; 4] = [
        EmergencyReason::Threat,
        EmergencyReason::Unable,
        EmergencyReason::Cover,
        EmergencyReason::Other,
    ];

    /// The word in forms and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            EmergencyReason::Threat => "threat",
            EmergencyReason::Unable => "unable",
            EmergencyReason::Cover => "cover",
            EmergencyReason::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<EmergencyReason> {
        EmergencyReason::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A chart that was opened in an emergency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    pub id: String,
    /// Who opened it: id and name of the account.
    pub account: String,
    pub name: String,
    pub role: String,
    /// Id of the Patient, and the name that it had.
    pub patient: String,
    pub patient_name: String,
    pub reason: EmergencyReason,
    pub words: String,
    pub started_ms: i64,
    /// When it was closed before its time.
    pub closed_ms: Option<i64>,
    pub review: Option<Review>,
}

/// What became of an emergency's review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Name of the account.
    pub by: String,
    pub at_ms: i64,
    /// Whether it was right to open the chart.
    pub justified: bool,
    pub words: String,
}

impl Emergency {
    /// When it ends or ended.
    pub fn until_ms(&self) -> i64 {
        let life = self.started_ms + EMERGENCY_LIFE_MS;
        self.closed_ms.map_or(life, |closed| closed.min(life))
    }

    /// Whether the chart is open. A clock that was set back far opens nothing.
    pub fn is_open(&self, now_ms: i64) -> bool {
        (self.started_ms - CLOCK_BACK_MS..self.until_ms()).contains(&now_ms)
    }

    /// Whether its review has been waited for too long.
    pub fn is_overdue(&self, now_ms: i64) -> bool {
        self.review.is_none() && now_ms >= self.started_ms + REVIEW_WITHIN_MS
    }

    fn bytes(&self) -> Vec<u8> {
        let mut value = Value::Object(Vec::new());
        for (name, text) in [
            ("account", &self.account),
            ("name", &self.name),
            ("role", &self.role),
            ("patient", &self.patient),
            ("patient_name", &self.patient_name),
            ("words", &self.words),
        ] {
            value.set(name, Value::from(text.as_str()));
        }
        value.set("reason", Value::from(self.reason.as_str()));
        value.set("started_ms", Value::from(self.started_ms));
        if let Some(closed_ms) = self.closed_ms {
            value.set("closed_ms", Value::from(closed_ms));
        }
        if let Some(review) = &self.review {
            let mut inner = Value::Object(Vec::new());
            inner.set("by", Value::from(review.by.as_str()));
            inner.set("at_ms", Value::from(review.at_ms));
            inner.set("justified", Value::from(review.justified));
            inner.set("words", Value::from(review.words.as_str()));
            value.set("review", inner);
        }
        value.to_json().into_bytes()
    }

    fn read(key: &[u8], bytes: &[u8]) -> Result<Emergency> {
        Emergency::from_item(key, bytes)
            .ok_or_else(|| Error::new(Kind::Internal, "an emergency cannot be read"))
    }

    fn from_item(key: &[u8], bytes: &[u8]) -> Option<Emergency> {
        let value = Value::parse(bytes).ok()?;
        let text = |of: &Value, name: &str| of.get(name)?.as_str().map(str::to_owned);
        let ms = |of: &Value, name: &str| match of.get(name)? {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        };
        let review = match value.get("review") {
            None => None,
            Some(inner) => Some(Review {
                by: text(inner, "by")?,
                at_ms: ms(inner, "at_ms")?,
                justified: inner.get("justified") == Some(&Value::Bool(true)),
                words: text(inner, "words")?,
            }),
        };
        Some(Emergency {
            id: String::from_utf8(key.to_vec()).ok()?,
            account: text(&value, "account")?,
            name: text(&value, "name")?,
            role: text(&value, "role")?,
            patient: text(&value, "patient")?,
            patient_name: text(&value, "patient_name")?,
            reason: EmergencyReason::parse(&text(&value, "reason")?)?,
            words: text(&value, "words")?,
            started_ms: ms(&value, "started_ms")?,
            closed_ms: ms(&value, "closed_ms"),
            review,
        })
    }
}

/// Emergencies that have not ended, by the account.
#[derive(Default)]
pub(crate) struct Opened {
    by_account: Mutex<Option<HashMap<String, Vec<Emergency>>>>,
}

impl Opened {
    /// Forgets what is open: it was changed, here or by another process.
    pub fn forget(&self) {
        *self.by_account.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What somebody has open.
    pub fn of(&self, store: &Store, account: &str, now_ms: i64) -> Result<Vec<Emergency>> {
        let mut own = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_none() {
            let mut by_account: HashMap<String, Vec<Emergency>> = HashMap::new();
            for emergency in stored(store)?.into_iter().filter(|e| e.is_open(now_ms)) {
                by_account.entry(emergency.account.clone()).or_default().push(emergency);
            }
            *own = Some(by_account);
        }
        let all = own.as_ref().and_then(|all| all.get(account));
        Ok(all.into_iter().flatten().filter(|e| e.is_open(now_ms)).cloned().collect())
    }
}

fn stored(store: &Store) -> Result<Vec<Emergency>> {
    let items = store.snapshot(Sees::everything())?.items(COLLECTION, b"", None, usize::MAX)?;
    items.iter().map(|(key, bytes)| Emergency::read(key, bytes)).collect()
}

/// Text that a person wrote, without what is around it.
fn words(text: &str, least: usize) -> Result<String> {
    let text = text.trim();
    match text.chars().count() {
        n if n < least => {
            let text = format!("say in a few words why: {least} letters or more");
            Err(Error::new(Kind::Invalid, text))
        }
        n if n > WORDS_CHARS_MAX => {
            let text = format!("more than {WORDS_CHARS_MAX} characters");
            Err(Error::new(Kind::TooMany, text))
        }
        _ => Ok(text.to_owned()),
    }
}

impl Record {
    /// Whether who asks may open charts in an emergency.
    pub fn may_open_in_emergency(&self, ctx: &Ctx) -> bool {
        match (&ctx.actor, &ctx.app) {
            (Actor::User { role, .. }, None) => self.gate().policy().opens_in_emergency(*role),
            _ => false,
        }
    }

    /// Whether who asks reviews emergencies.
    pub fn reviews_emergencies(&self, ctx: &Ctx) -> bool {
        match (&ctx.actor, &ctx.app) {
            (Actor::User { role, .. }, None) => self.gate().policy().reviews_emergencies(*role),
            _ => false,
        }
    }

    /// The Patients of exactly this family name and date of birth, or with exactly this
    /// identifier, whoever may see them: for somebody who has to open a chart in an emergency and
    /// must not be able to look around. JSON of at most [`OPEN_MAX`]; audited with whom it found.
    ///
    /// Errors: `Forbidden`; `Invalid` without enough to tell one patient from others.
    pub fn find_in_emergency(
        &self,
        ctx: &Ctx,
        family: &str,
        birth_date: &str,
        identifier: &str,
    ) -> Result<Vec<String>> {
        let what = || ('E', "Patient in an emergency".to_owned());
        if !self.may_open_in_emergency(ctx) {
            return Err(self.refused(ctx, what(), forbidden()));
        }
        let escape = |text: &str| text.trim().replace('\\', "\\\\").replace(',', "\\,");
        let escape = |text: &str| escape(text).replace('|', "\\|").replace('$', "\\$");
        let (family, identifier) = (escape(family), escape(identifier));
        let is_day = birth_date.len() == 10 && fhir::date::PartialDate::parse(birth_date).is_some();
        let pairs = if !identifier.is_empty() {
            vec![("identifier".to_owned(), identifier)]
        } else if !family.is_empty() && is_day {
            vec![
                ("family:exact".to_owned(), family),
                ("birthdate".to_owned(), birth_date.to_owned()),
            ]
        } else {
            let text = "give the family name with the whole date of birth, or an identifier";
            return Err(self.refused(ctx, what(), Error::new(Kind::Invalid, text)));
        };
        let handling = search::parse::Handling::Strict;
        let setting = search::parse::Setting {
            handling,
            base_url: "",
            now_ms: ctx.at_ms,
            lookup: &search::lookup::NoRecord,
        };
        let rt = ResourceType::PATIENT;
        let query = search::parse::parse(rt, None, &pairs, setting)
            .map_err(|_| Error::new(Kind::Invalid, "the identifier cannot be looked for"))?;
        let mut snapshot = self.store().snapshot(Sees::everything())?;
        let mut found = Vec::new();
        let mut patients = BTreeSet::new();
        for head in snapshot.search_heads(&query, OPEN_MAX)? {
            let Some(version) = snapshot.current(rt, &head.id)? else { continue };
            let text = String::from_utf8(version.body);
            found.push(text.map_err(|e| {
                Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e)
            })?);
            patients.insert(head.id);
        }
        let (action, what) = what();
        let event = Event { action, what, n: found.len(), patients, all: false, status: 200 };
        self.audit_event(ctx, &event)?;
        Ok(found)
    }

    /// Opens a chart for [`EMERGENCY_LIFE_MS`]; on disk, with its audit leaf, when it returns.
    ///
    /// Errors: `Forbidden` for a role without emergencies, a program, or one person with more than
    /// [`OPEN_MAX`]; `NotFound`; `Invalid` without words.
    pub fn open_in_emergency(
        &self,
        ctx: &Ctx,
        patient: &str,
        reason: EmergencyReason,
        text: &str,
    ) -> Result<Emergency> {
        let what = format!("emergency ({}) Patient/{patient}", reason.as_str());
        let prepared = self.emergency(ctx, patient, reason, text);
        let emergency = match prepared {
            Ok(emergency) => emergency,
            Err(e) => return Err(self.refused(ctx, ('E', what), e)),
        };
        let event = Event {
            action: 'E',
            what,
            n: 1,
            patients: [patient.to_owned()].into(),
            all: false,
            status: 201,
        };
        let item = ItemOp {
            collection: COLLECTION,
            key: emergency.id.clone().into_bytes(),
            value: Some(emergency.bytes()),
        };
        let audit = leaves(&in_emergency(ctx), &event);
        let set = WriteSet { items: vec![item], audit, ..WriteSet::default() };
        self.store().commit(set).map_err(|e| {
            Error::new(Kind::Unavailable, "the emergency could not be written down").caused_by(e)
        })?;
        self.gate().opened().forget();
        Ok(emergency)
    }

    fn emergency(
        &self,
        ctx: &Ctx,
        patient: &str,
        reason: EmergencyReason,
        text: &str,
    ) -> Result<Emergency> {
        let Actor::User { id, name, role, .. } = &ctx.actor else { return Err(forbidden()) };
        if !self.may_open_in_emergency(ctx) {
            return Err(forbidden());
        }
        let words = words(text, WORDS_CHARS_MIN)?;
        let open = self.gate().opened().of(self.store(), id, ctx.at_ms)?;
        if open.len() >= OPEN_MAX {
            let text = format!("{OPEN_MAX} charts are open in emergencies: close one first");
            return Err(Error::new(Kind::Forbidden, text));
        }
        let body = self.patient_body(patient)?;
        Ok(Emergency {
            id: self.new_id(),
            account: id.clone(),
            name: name.clone(),
            role: role.as_str().to_owned(),
            patient: patient.to_owned(),
            patient_name: name_of(&body)?,
            reason,
            words,
            started_ms: ctx.at_ms,
            closed_ms: None,
            review: None,
        })
    }

    fn patient_body(&self, id: &str) -> Result<String> {
        let rt = ResourceType::PATIENT;
        let version = self.store().snapshot(Sees::everything())?.current(rt, id)?;
        let version = version.filter(|version| version.head.kind != ChangeKind::Delete);
        let version = version.ok_or_else(|| crate::gate::not_found("Patient", id))?;
        String::from_utf8(version.body)
            .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))
    }

    /// JSON of a Patient that [`Record::find_in_emergency`] found, to see once more who it is.
    /// Audited.
    ///
    /// Errors: `Forbidden`; `NotFound`.
    pub fn patient_in_emergency(&self, ctx: &Ctx, id: &str) -> Result<String> {
        let what = || ('R', format!("Patient/{id} in an emergency"));
        let found = match self.may_open_in_emergency(ctx) {
            true => self.patient_body(id),
            false => Err(forbidden()),
        };
        let body = found.map_err(|e| self.refused(ctx, what(), e))?;
        let (action, what) = what();
        let patients = [id.to_owned()].into();
        let event = Event { action, what, n: 1, patients, all: false, status: 200 };
        self.audit_event(ctx, &event)?;
        Ok(body)
    }

    /// What who asks has open now.
    pub fn open_emergencies(&self, ctx: &Ctx) -> Result<Vec<Emergency>> {
        match &ctx.actor {
            Actor::User { id, .. } => self.gate().opened().of(self.store(), id, ctx.at_ms),
            _ => Ok(Vec::new()),
        }
    }

    /// Closes an own emergency before its time.
    ///
    /// Errors: `NotFound` for what is none of the own, or not open.
    pub fn close_emergency(&self, ctx: &Ctx, id: &str) -> Result<()> {
        self.rewrite(ctx, id, "closed", |emergency| {
            let is_own = matches!(&ctx.actor, Actor::User { id, .. } if *id == emergency.account);
            if !is_own || !emergency.is_open(ctx.at_ms) {
                return Err(unknown(&emergency.id));
            }
            emergency.closed_ms = Some(ctx.at_ms);
            Ok(())
        })
    }

    /// Emergencies, the newest first; those without a review when `waiting`.
    ///
    /// Errors: `Forbidden` for who does not review them.
    pub fn emergencies(&self, ctx: &Ctx, waiting: bool) -> Result<Vec<Emergency>> {
        if !self.reviews_emergencies(ctx) {
            return Err(self.refused(ctx, ('R', "emergencies".to_owned()), forbidden()));
        }
        let mut all = stored(self.store())?;
        all.retain(|emergency| !waiting || emergency.review.is_none());
        all.sort_by(|a, b| (b.started_ms, &b.id).cmp(&(a.started_ms, &a.id)));
        all.truncate(LISTED_MAX);
        let event = Event {
            action: 'R',
            what: "emergencies".to_owned(),
            n: all.len(),
            patients: all.iter().map(|emergency| emergency.patient.clone()).collect(),
            all: false,
            status: 200,
        };
        self.audit_event(ctx, &event)?;
        Ok(all)
    }

    /// How many emergencies wait for a review, and how many of them for too long; `None` for who
    /// does not review them.
    pub fn waiting_emergencies(&self, ctx: &Ctx) -> Result<Option<(usize, usize)>> {
        if !self.reviews_emergencies(ctx) {
            return Ok(None);
        }
        let all = stored(self.store())?;
        let waiting = || all.iter().filter(|emergency| emergency.review.is_none());
        let overdue = waiting().filter(|emergency| emergency.is_overdue(ctx.at_ms)).count();
        Ok(Some((waiting().count(), overdue)))
    }

    /// Writes down what became of an emergency's review.
    ///
    /// Errors: `Forbidden` for who does not review them, or opened the chart; `NotFound`;
    /// `Conflict` when it was reviewed already.
    pub fn review_emergency(&self, ctx: &Ctx, id: &str, justified: bool, text: &str) -> Result<()> {
        self.rewrite(ctx, id, "reviewed", |emergency| {
            let Actor::User { id, name, .. } = &ctx.actor else { return Err(forbidden()) };
            if !self.reviews_emergencies(ctx) {
                return Err(forbidden());
            }
            if *id == emergency.account {
                let text = "somebody else reviews the charts that you opened";
                return Err(Error::new(Kind::Forbidden, text));
            }
            if emergency.review.is_some() {
                return Err(Error::new(Kind::Conflict, "it has been reviewed: look again"));
            }
            // What was not right needs words; what was right needs none.
            let words = words(text, if justified { 0 } else { WORDS_CHARS_MIN })?;
            let (by, at_ms) = (name.clone(), ctx.at_ms);
            emergency.review = Some(Review { by, at_ms, justified, words });
            Ok(())
        })
    }

    fn rewrite(
        &self,
        ctx: &Ctx,
        id: &str,
        verb: &str,
        change: impl FnOnce(&mut Emergency) -> Result<()>,
    ) -> Result<()> {
        let what = format!("emergency/{id} {verb}");
        let changed = (|| {
            let key = id.as_bytes().to_vec();
            let snapshot = self.store().snapshot(Sees::everything())?;
            let before = snapshot.item(COLLECTION, &key)?.ok_or_else(|| unknown(id))?;
            let mut emergency = Emergency::read(&key, &before)?;
            change(&mut emergency)?;
            Ok((key, before, emergency))
        })();
        let (key, before, emergency) = match changed {
            Ok(changed) => changed,
            Err(e) => return Err(self.refused(ctx, ('U', what), e)),
        };
        let expected =
            vec![Expected { collection: COLLECTION, key: key.clone(), value: Some(before) }];
        let value = Some(emergency.bytes());
        let change = vec![Change { collection: COLLECTION, key, value }];
        if !self.items().commit(ctx, &what, expected, change)? {
            return Err(Error::new(Kind::Conflict, "somebody else changed it: look again"));
        }
        self.gate().opened().forget();
        Ok(())
    }
}

/// The same context, asking because of an emergency.
pub(crate) fn in_emergency(ctx: &Ctx) -> Ctx {
    Ctx { purpose: access::Purpose::Emergency, ..ctx.clone() }
}

/// The name of a Patient, for lists of emergencies; its id where it has none.
fn name_of(body: &str) -> Result<String> {
    let doc = Doc::parse(body)
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
    let names: Vec<_> = doc.root().list("name").collect();
    let official = names.iter().find(|n| n.str("use").as_deref() == Some("official"));
    let Some(name) = official.or(names.first()) else {
        return Ok(doc.root().str("id").unwrap_or_default().into_owned());
    };
    if let Some(text) = name.str("text") {
        return Ok(text.into_owned());
    }
    let given = name.list("given").filter_map(|given| given.as_str());
    let parts: Vec<String> =
        given.chain(name.str("family")).map(|part| part.into_owned()).collect();
    Ok(parts.join(" "))
}

fn forbidden() -> Error {
    Error::new(Kind::Forbidden, "the policy of the practice gives this to other roles")
}

fn unknown(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no emergency {id} of yours that is open"))
}
