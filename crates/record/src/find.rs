//! Patients by a part of an identifier or of a phone number.
//!
//! FHIR's token search asks for the whole value; people at a desk have the last four digits, or
//! the beginning of a number on a card. For each Patient that is written, a named collection gets,
//! in the same commit, each identifier without its punctuation, and each phone number from each of
//! its digits on. What an older version said stays there; it is passed over when it is found,
//! because every hit is compared with the Patient as it is.

use access::Action;
use fhir_tables::ResourceType;
use search::value::{IndexValue, Indexed, ParamId};
use store::{ChangeKind, ItemOp, Put, PutKind, Snapshot, Version};

use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, require};
use crate::links::{BundleText, full_url};
use crate::record::{Outcome, Record};
use crate::request::Response;

const COLLECTION: &str = "patient-parts";
/// Fewer signs of an identifier, or digits of a phone, find nothing: too many would share them.
const IDENTIFIER_SIGNS_MIN: usize = 3;
const PHONE_DIGITS_MIN: usize = 4;
/// Signs of a value that are kept.
const SIGNS_MAX: usize = 40;
/// Values of one Patient that are kept.
const VALUES_MAX: usize = 50;
/// Entries of the collection that are looked at for one question.
const LOOKED_AT_MAX: usize = 2_000;
/// Patients in one answer.
pub(crate) const COUNT_MAX: usize = 100;

/// What a part is part of; the first byte of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Of {
    Identifier = b'i',
    Phone = b'p',
}

/// Letters and digits, lower case.
fn signs(text: &str) -> String {
    let signs = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    signs.take(SIGNS_MAX).collect()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).take(SIGNS_MAX).collect()
}

fn key(of: Of, part: &str, id: &str) -> Vec<u8> {
    let mut key = vec![of as u8];
    key.extend_from_slice(part.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    key
}

fn params() -> (ParamId, ParamId) {
    let param = |code| search::params::find(ResourceType::PATIENT, code).expect("of R4").0;
    (param("identifier"), param("phone"))
}

/// Values of a Patient, as they are compared.
fn values_of(values: &[Indexed]) -> impl Iterator<Item = (Of, String)> + '_ {
    let (identifier, phone) = params();
    values
        .iter()
        .filter_map(move |value| {
            let IndexValue::Token { code: Some(code), .. } = &value.value else { return None };
            if value.param == identifier {
                Some((Of::Identifier, signs(code)))
            } else if value.param == phone {
                Some((Of::Phone, digits(code)))
            } else {
                None
            }
        })
        .take(VALUES_MAX)
}

/// What goes into the collection with these puts.
pub(crate) fn items(puts: &[Put]) -> Vec<ItemOp> {
    let mut items = Vec::new();
    let is_written = |put: &&Put| {
        let is_deletion =
            matches!(put.kind, PutKind::Delete | PutKind::Restore { kind: ChangeKind::Delete, .. });
        put.rt == ResourceType::PATIENT && !is_deletion
    };
    for put in puts.iter().filter(is_written) {
        for (of, value) in values_of(&put.values) {
            let parts: Vec<&str> = match of {
                Of::Identifier => vec![value.as_str()],
                Of::Phone => (0..=value.len().saturating_sub(PHONE_DIGITS_MIN))
                    .map(|from| &value[from..])
                    .collect(),
            };
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                let key = key(of, part, &put.id);
                items.push(ItemOp { collection: COLLECTION, key, value: Some(Vec::new()) });
            }
        }
    }
    items
}

/// Answers with a searchset of Patients that have an identifier that begins with `typed`, or a
/// phone number that holds its digits. Nothing for what is too short.
///
/// The answer ends at `count` without an error when there are more.
/// Errors: `Forbidden`.
pub(crate) fn find(
    record: &Record,
    ctx: &Asking<'_>,
    typed: &str,
    count: usize,
) -> Result<Outcome> {
    let rt = ResourceType::PATIENT;
    require(ctx, Action::Search, Some(rt))?;
    let count = count.min(COUNT_MAX);
    let mut snapshot = record.store().snapshot(ctx.may.sees(Action::Search))?;
    let mut found: Vec<Version> = Vec::new();
    let (signs, digits) = (signs(typed), digits(typed));
    // A number of another country or with its area code may be stored without what leads it.
    let national = digits.strip_prefix('1').filter(|rest| rest.len() == 10);
    let is_phone = !typed.chars().any(char::is_alphabetic);
    let mut questions = Vec::new();
    if signs.chars().count() >= IDENTIFIER_SIGNS_MIN {
        questions.push((Of::Identifier, signs.as_str()));
    }
    if is_phone && digits.len() >= PHONE_DIGITS_MIN {
        questions.push((Of::Phone, national.unwrap_or(&digits)));
    }
    for (of, part) in questions {
        look(&mut snapshot, of, part, count, &mut found)?;
    }
    let mut bundle = BundleText::new("searchset", Some(ctx.at_ms), None, found.len() * 1_500);
    let mut outcome = Outcome { n: found.len(), ..Outcome::default() };
    for version in &found {
        let text = crate::view::of(rt, &version.body, &crate::request::View::default())?;
        outcome.patients.insert(version.id.clone());
        bundle.entry(|out| {
            full_url(record.base_url(), rt.name(), &version.id, out);
            out.push_str(",\"resource\":");
            out.push_str(&text);
            out.push_str(",\"search\":{\"mode\":\"match\"}");
        });
    }
    outcome.response = Response { status: 200, body: Some(bundle.finish()), ..Response::default() };
    Ok(outcome)
}

fn look(
    snapshot: &mut Snapshot,
    of: Of,
    part: &str,
    count: usize,
    found: &mut Vec<Version>,
) -> Result<()> {
    const TOGETHER: usize = 200;
    let mut prefix = vec![of as u8];
    prefix.extend_from_slice(part.as_bytes());
    let mut after: Option<Vec<u8>> = None;
    for _ in 0..LOOKED_AT_MAX / TOGETHER {
        let items = snapshot.items(COLLECTION, &prefix, after.as_deref(), TOGETHER)?;
        for (key, _) in &items {
            let id = key.rsplit(|b| *b == 0).next().unwrap_or_default();
            let id = str::from_utf8(id)
                .map_err(|e| Error::new(Kind::Internal, "a stored key is damaged").caused_by(e))?;
            if found.iter().any(|other| other.id == id) {
                continue;
            }
            let Some(version) = snapshot.current(ResourceType::PATIENT, id)? else { continue };
            if version.kind != ChangeKind::Delete && has(&version, of, part)? {
                found.push(version);
            }
            if found.len() >= count {
                return Ok(());
            }
        }
        if items.len() < TOGETHER {
            return Ok(());
        }
        after = items.into_iter().next_back().map(|(key, _)| key);
    }
    Ok(())
}

/// Whether the Patient as it is has the part.
fn has(version: &Version, of: Of, part: &str) -> Result<bool> {
    let doc = fhir::json::Doc::parse(version.body.as_slice())
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
    let values = search::index(ResourceType::PATIENT, doc.root(), "");
    Ok(values_of(&values).any(|(other, value)| {
        other == of
            && match of {
                Of::Identifier => value.starts_with(part),
                Of::Phone => value.contains(part),
            }
    }))
}
