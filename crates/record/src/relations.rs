//! Who is whose: what the record says of the people who ask.
//!
//! A login is known to the record as resources: the Practitioner that somebody is, the
//! RelatedPersons as whom somebody acts for patients. Which those are stands in a collection; what
//! follows from it stands in FHIR resources alone and is looked up again when one of them changes:
//! RelatedPerson (`patient`, `relationship`, `active`, `period`) with Patient (`birthDate`) for who
//! acts for a patient, and Patient.generalPractitioner, CareTeam, Encounter and Appointment for who
//! takes part in the care.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use access::{Ctx, Ward};
use fhir::date::{PartialDate, format_instant};
use fhir::json::{Doc, Node, Value};
use fhir_tables::ResourceType;
use search::Sees;
use search::lookup::NoRecord;
use search::params;
use search::parse::Setting;
use search::value::IndexValue;
use store::{ChangeKind, Snapshot, Store};

use crate::error::{Error, Kind, Result};
use crate::items::{Change, Expected};
use crate::record::Record;

const COLLECTION: &str = "access.person";
/// Resources as which one login is known.
pub const KNOWN_AS_MAX: usize = 50;
/// Encounters count for this long after their beginning, Appointments so long before and after.
const ENCOUNTER_DAYS: i64 = 365;
const APPOINTMENT_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
/// Resources of one kind that are looked at for one person.
const LOOKED_AT_MAX: usize = 200_000;
/// People whose patients are remembered.
const REMEMBERED_MAX: usize = 1_000;

/// System of codes of relationship.
const ROLE_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
/// Codes of relationship that end when the patient is grown up.
///
/// Source: HL7 v3 RoleCode, PRN and GRPRN with what is below them.
const PARENTS: [&str; 21] = [
    "PRN", "FTH", "MTH", "NPRN", "NFTH", "NFTHF", "NMTH", "NMTHF", "GESTM", "STPPRN", "STPFTH",
    "STPMTH", "PRNFOST", "FTHFOST", "MTHFOST", "ADOPTP", "ADOPTF", "ADOPTM", "GRPRN", "GRFTH",
    "GRMTH",
];

/// What decides whether something has to be looked up again: last versions of types, and the day.
type Stamp = ([u32; 5], i64);

/// References by the account.
type Known = Arc<HashMap<String, Vec<String>>>;

/// What was found out of people, and when.
#[derive(Default)]
pub(crate) struct Relating {
    known_as: Mutex<Option<Known>>,
    wards: Mutex<HashMap<String, (Stamp, Vec<Ward>)>>,
    cared: Mutex<HashMap<String, (Stamp, Cared)>>,
    /// Sets of patients cared for that were found so far.
    n_cared: AtomicU64,
}

/// Patients in whose care somebody takes part.
#[derive(Clone, Default)]
pub(crate) struct Cared {
    pub patients: Arc<BTreeSet<String>>,
    /// Names this set of patients among all that were found; never used again.
    pub number: u64,
}

fn stamp(store: &Store, types: &[ResourceType], at_ms: i64) -> Stamp {
    let mut last = [0; 5];
    for (last, rt) in last.iter_mut().zip(types) {
        *last = store.last_of(*rt);
    }
    (last, at_ms.div_euclid(DAY_MS))
}

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect("a type of R4")
}

impl Relating {
    /// Forgets who is known as what: another process may have changed it.
    pub fn forget(&self) {
        *self.known_as.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Resources as which the record knows a login.
    pub fn known_as(&self, store: &Store, account: &str) -> Result<Vec<String>> {
        let mut own = self.known_as.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match &*own {
            Some(all) => Arc::clone(all),
            None => Arc::clone(own.insert(Arc::new(stored(store)?))),
        };
        Ok(all.get(account).cloned().unwrap_or_default())
    }

    /// Patients for whom somebody acts who is known as `known_as`.
    pub fn wards(
        &self,
        store: &Store,
        account: &str,
        known_as: &[String],
        at_ms: i64,
    ) -> Result<Vec<Ward>> {
        let ids: Vec<&str> =
            known_as.iter().filter_map(|r| r.strip_prefix("RelatedPerson/")).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let types = [rt("RelatedPerson"), ResourceType::PATIENT];
        let now = stamp(store, &types, at_ms);
        let mut own = self.wards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, wards)) = own.get(account).filter(|(found_at, _)| *found_at == now) {
            return Ok(wards.clone());
        }
        let mut snapshot = store.snapshot(Sees::everything())?;
        let mut wards = Vec::new();
        for id in ids {
            wards.extend(ward(&mut snapshot, id, at_ms)?);
        }
        make_room(&mut own);
        own.insert(account.to_owned(), (now, wards.clone()));
        Ok(wards)
    }

    /// Patients in whose care somebody takes part who is known as `known_as`.
    pub fn cared(
        &self,
        store: &Store,
        account: &str,
        known_as: &[String],
        at_ms: i64,
    ) -> Result<Cared> {
        let own: Vec<&String> =
            known_as.iter().filter(|r| r.starts_with("Practitioner/")).collect();
        if own.is_empty() {
            return Ok(Cared::default());
        }
        let names = ["CareTeam", "Encounter", "Appointment", "PractitionerRole", "Patient"];
        let now = stamp(store, &names.map(rt), at_ms);
        let mut kept = self.cared.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.get(account);
        if let Some((_, cared)) = before.filter(|(found_at, _)| *found_at == now) {
            return Ok(cared.clone());
        }
        let patients = patients_of(store, &own, at_ms)?;
        let cared = match before {
            Some((_, cared)) if *cared.patients == patients => cared.clone(),
            _ => {
                let number = self.n_cared.fetch_add(1, Ordering::Relaxed) + 1;
                Cared { patients: Arc::new(patients), number }
            }
        };
        make_room(&mut kept);
        kept.insert(account.to_owned(), (now, cared.clone()));
        Ok(cared)
    }
}

fn make_room<T>(kept: &mut HashMap<String, T>) {
    if kept.len() >= REMEMBERED_MAX {
        kept.clear();
    }
}

fn stored(store: &Store) -> Result<HashMap<String, Vec<String>>> {
    let items = store.snapshot(Sees::everything())?.items(COLLECTION, b"", None, usize::MAX)?;
    items
        .into_iter()
        .map(|(key, value)| {
            let damaged = || Error::new(Kind::Internal, "who a login is cannot be read");
            let account = String::from_utf8(key).map_err(|_| damaged())?;
            let list = Value::parse(value).map_err(|_| damaged())?;
            let list = list.as_array().unwrap_or_default().iter();
            Ok((account, list.filter_map(Value::as_str).map(str::to_owned).collect()))
        })
        .collect()
}

/// The patient of a RelatedPerson who acts now.
fn ward(snapshot: &mut Snapshot, id: &str, at_ms: i64) -> Result<Option<Ward>> {
    let Some(related) = body(snapshot, rt("RelatedPerson"), id)? else { return Ok(None) };
    let related = related.root();
    let is_active = related.get("active").and_then(Node::as_bool) != Some(false);
    let to = related.get("patient").and_then(|to| to.str("reference"));
    let patient = to.as_deref().and_then(|to| to.strip_prefix("Patient/"));
    let Some(patient) = patient.filter(|_| is_active && is_now(related.get("period"), at_ms))
    else {
        return Ok(None);
    };
    let codings = related.list("relationship").flat_map(|concept| concept.list("coding"));
    let codes = codings.filter(|coding| coding.str("system").as_deref() == Some(ROLE_CODE));
    let codes: Vec<String> =
        codes.filter_map(|coding| coding.str("code").map(|code| code.into_owned())).collect();
    // A parent who is guardian of a grown-up child acts as guardian.
    let is_guardian = codes.iter().any(|code| code == "GUARD" || code == "POWATT");
    let by_youth = !is_guardian && codes.iter().any(|code| PARENTS.contains(&code.as_str()));
    let Some(person) = body(snapshot, ResourceType::PATIENT, patient)? else { return Ok(None) };
    let age = person.root().str("birthDate").and_then(|born| age(&born, at_ms));
    Ok(Some(Ward { patient: patient.to_owned(), age, by_youth }))
}

fn body(snapshot: &mut Snapshot, rt: ResourceType, id: &str) -> Result<Option<Doc>> {
    let version = snapshot.current(rt, id)?.filter(|v| v.head.kind != ChangeKind::Delete);
    let parse = |version: store::Version| {
        Doc::parse(version.body)
            .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))
    };
    version.map(parse).transpose()
}

/// Whether a Period holds now; what cannot be read does not.
fn is_now(period: Option<Node<'_>>, at_ms: i64) -> bool {
    let Some(period) = period else { return true };
    let edge = |name: &str| period.str(name).map(|text| PartialDate::parse(&text));
    let has_begun = match edge("start") {
        None => true,
        Some(start) => start.is_some_and(|start| start.range_utc_ms().0 <= at_ms),
    };
    let goes_on = match edge("end") {
        None => true,
        Some(end) => end.is_some_and(|end| at_ms <= end.range_utc_ms().1),
    };
    has_begun && goes_on
}

/// Completed years by the calendar of UTC; of a date that is known in part, the most it can be, so
/// that what ends with youth ends too early rather than too late.
fn age(born: &str, at_ms: i64) -> Option<u32> {
    let number = |text: &str| text.parse::<i64>().ok();
    let mut parts = born.splitn(3, '-');
    let year = number(parts.next()?)?;
    let month = parts.next().map_or(Some(1), number)?;
    let day = parts.next().map_or(Some(1), number)?;
    let now = format_instant(at_ms);
    let (now_year, now_month, now_day) =
        (number(now.get(..4)?)?, number(now.get(5..7)?)?, number(now.get(8..10)?)?);
    let before_birthday = (now_month, now_day) < (month, day);
    u32::try_from(now_year - year - i64::from(before_birthday)).ok()
}

/// Patients in whose care the Practitioners take part.
fn patients_of(store: &Store, own: &[&String], at_ms: i64) -> Result<BTreeSet<String>> {
    let mut snapshot = store.snapshot(Sees::everything())?;
    let mut all = BTreeSet::new();
    let mut names: Vec<String> = own.iter().map(|name| (*name).clone()).collect();
    let roles = find(&mut snapshot, "PractitionerRole", &[("practitioner", &names.join(","))])?;
    names.extend(roles.into_iter().map(|(id, _)| format!("PractitionerRole/{id}")));
    let names = names.join(",");
    let own = own.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(",");
    let day = |days: i64| format_instant(at_ms + days * DAY_MS);
    let since = format!("ge{}", day(-ENCOUNTER_DAYS));
    let (from, to) =
        (format!("ge{}", day(-APPOINTMENT_DAYS)), format!("le{}", day(APPOINTMENT_DAYS)));
    let found = find(&mut snapshot, "Patient", &[("general-practitioner", &names)])?;
    all.extend(found.into_iter().map(|(id, _)| id));
    for (ty, pairs) in [
        ("CareTeam", &[("participant", names.as_str()), ("status", "active")][..]),
        ("Encounter", &[("participant", names.as_str()), ("date", &since)]),
        ("Appointment", &[("actor", own.as_str()), ("date", &from), ("date", &to)]),
    ] {
        all.extend(find(&mut snapshot, ty, pairs)?.into_iter().flat_map(|(_, patients)| patients));
    }
    Ok(all)
}

/// Ids of the resources that a search finds, and of the patients that each refers to as its own.
fn find(
    snapshot: &mut Snapshot,
    ty: &str,
    pairs: &[(&str, &str)],
) -> Result<Vec<(String, Vec<String>)>> {
    let rt = rt(ty);
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let handling = search::parse::Handling::Strict;
    let setting = Setting { handling, base_url: "", now_ms: 0, lookup: &NoRecord };
    let query = search::parse::parse(rt, None, &pairs, setting)
        .map_err(|_| Error::new(Kind::Internal, format!("{ty} has other search parameters")))?;
    let heads = snapshot.search_heads(&query, LOOKED_AT_MAX)?;
    let Some((patient, _)) = params::find(rt, "patient") else {
        return Ok(heads.into_iter().map(|head| (head.id, Vec::new())).collect());
    };
    let rids: Vec<u32> = heads.iter().map(|head| head.rid).collect();
    let mut found = Vec::with_capacity(heads.len());
    let mut heads = heads.into_iter();
    snapshot.each_values(&rids, |_, _, values| {
        let patients = values.iter().filter(|v| v.param == patient);
        let ids = patients.filter_map(|v| match &v.value {
            IndexValue::Reference { ty, id } if *ty == ResourceType::PATIENT => Some(id.clone()),
            _ => None,
        });
        found.push((heads.next().map(|head| head.id).unwrap_or_default(), ids.collect()));
    })?;
    Ok(found)
}

impl Record {
    /// Resources as which the record knows a login: `Practitioner/ID`, `RelatedPerson/ID`.
    pub fn known_as(&self, account: &str) -> Result<Vec<String>> {
        self.gate().relating().known_as(self.store(), account)
    }

    /// From now on the record knows a login as these resources, and as no others; on disk when it
    /// returns. What is not in the record yet means something once it is.
    ///
    /// Errors: `Invalid` for what is no Practitioner or RelatedPerson with an id; `Conflict`
    /// when somebody else changed it in the meantime.
    pub fn set_known_as(&self, ctx: &Ctx, account: &str, references: &[String]) -> Result<()> {
        if references.len() > KNOWN_AS_MAX {
            let text = format!("a login is known as at most {KNOWN_AS_MAX} resources");
            return Err(Error::new(Kind::TooMany, text));
        }
        for reference in references {
            let parts = reference.split_once('/');
            let fits = parts.is_some_and(|(ty, id)| {
                ["Practitioner", "RelatedPerson"].contains(&ty) && fhir::reference::is_id(id)
            });
            if !fits {
                let text = format!("{reference} is no Practitioner or RelatedPerson with an id");
                return Err(Error::new(Kind::Invalid, text));
            }
        }
        let snapshot = self.store().snapshot(Sees::everything())?;
        let key = account.as_bytes().to_vec();
        let before = snapshot.item(COLLECTION, &key)?;
        let expected = vec![Expected { collection: COLLECTION, key: key.clone(), value: before }];
        let list = references.iter().map(|r| Value::from(r.as_str())).collect();
        let value = (!references.is_empty()).then(|| Value::Array(list).to_json().into_bytes());
        let change = vec![Change { collection: COLLECTION, key, value }];
        let what = format!("User/{account} is {}", references.join(", "));
        if !self.items().commit(ctx, &what, expected, change)? {
            return Err(Error::new(Kind::Conflict, "somebody else changed it: look again"));
        }
        self.gate().relating().forget();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_completed_on_the_birthday() {
        let at = |text: &str| PartialDate::parse(text).expect("a date").range_utc_ms().0;
        let now = at("2026-11-23");
        for (born, wanted) in [
            ("2008-11-23", Some(18)),
            ("2008-11-24", Some(17)),
            ("2008", Some(18)),
            ("2008-12", Some(17)),
            ("2026-11-23", Some(0)),
            ("2027-01-01", None),
            ("sometime", None),
        ] {
            assert_eq!(age(born, now), wanted, "{born}");
        }
    }

    #[test]
    fn a_period_holds_from_its_first_to_its_last_day() {
        let now = PartialDate::parse("2026-11-23T12:00:00Z").expect("a time").range_utc_ms().0;
        for (json, wanted) in [
            ("{}", true),
            (r#"{"start":"2026-11-23","end":"2026-11-23"}"#, true),
            (r#"{"start":"2026-11-24"}"#, false),
            (r#"{"end":"2026-11-22"}"#, false),
            (r#"{"end":"soon"}"#, false),
            (r#"{"start":"2020","end":"2026"}"#, true),
        ] {
            let doc = Doc::parse(json).expect("JSON");
            assert_eq!(is_now(Some(doc.root()), now), wanted, "{json}");
        }
        assert!(is_now(None, now));
    }
}
