//! Suspensions of a patient's right to an accounting of some disclosures.
//!
//! An oversight agency or law enforcement may ask that a patient is not told for a time. Until
//! then disclosures to that recipient are left out of what the patient is given; afterwards they
//! are there again.
//! Source: 45 CFR 164.528(a)(2).

use access::{Action, Ctx};
use fhir::date::{PartialDate, format_instant};
use fhir::json::{Doc, Value};
use fhir_tables::ResourceType;

use super::ask::sees_log;
use crate::error::{Error, Kind, Result};
use crate::gate::forbidden;
use crate::items::Change;
use crate::record::Record;

const COLLECTION: &str = "disclosure-suspension";
/// Longest suspension; a longer one is asked for again.
pub const SUSPENDED_DAYS_MAX: i64 = 366;
/// Characters of a recipient and of a reason.
pub const SUSPENSION_CHARS_MAX: usize = 500;
/// Suspensions of one patient that are read.
const SUSPENSIONS_MAX: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

/// A suspension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// As the accounting names it.
    pub recipient: String,
    /// Who asked for it, and how.
    pub reason: String,
    /// UTC milliseconds; from then on the patient is told again.
    pub until_ms: i64,
    /// Name of who wrote it down.
    pub by: String,
}

fn read(bytes: &[u8]) -> Option<Suspension> {
    let doc = Doc::parse(bytes).ok()?;
    let text = |name: &str| doc.root().str(name).map(String::from);
    Some(Suspension {
        recipient: text("recipient")?,
        reason: text("reason")?,
        until_ms: PartialDate::parse(&text("until")?)?.start_utc_ms(),
        by: text("by")?,
    })
}

fn key(patient: &str, recipient: &str) -> Vec<u8> {
    [patient.as_bytes(), b"/", recipient.as_bytes()].concat()
}

impl Record {
    fn require_log(&self, ctx: &Ctx) -> Result<()> {
        let asking = self.gate().ask(ctx, self.store())?;
        match sees_log(&asking, Action::Search) {
            true => Ok(()),
            false => Err(forbidden(Action::Search, Some(ResourceType::AUDIT_EVENT))),
        }
    }

    /// Suspends the accounting of disclosures of a patient to a recipient; one that is there is
    /// replaced.
    ///
    /// Errors: `Forbidden` for who does not see all AuditEvents; `Invalid` without recipient or
    /// reason, or for an end that is past or beyond [`SUSPENDED_DAYS_MAX`]; `TooMany` for texts
    /// beyond [`SUSPENSION_CHARS_MAX`].
    pub fn suspend_accounting(
        &self,
        ctx: &Ctx,
        patient: &str,
        recipient: &str,
        (reason, until_ms): (&str, i64),
    ) -> Result<()> {
        self.require_log(ctx)?;
        let (recipient, reason) = (recipient.trim(), reason.trim());
        if recipient.is_empty() || reason.is_empty() {
            let text = "name the recipient, and say who asked for it";
            return Err(Error::new(Kind::Invalid, text));
        }
        if [recipient, reason].iter().any(|text| text.chars().count() > SUSPENSION_CHARS_MAX) {
            let text =
                format!("recipient and reason have at most {SUSPENSION_CHARS_MAX} characters");
            return Err(Error::new(Kind::TooMany, text));
        }
        let last_ms = ctx.at_ms + SUSPENDED_DAYS_MAX * DAY_MS;
        if until_ms <= ctx.at_ms || until_ms > last_ms {
            let text =
                format!("the end is in the future, and at most {SUSPENDED_DAYS_MAX} days away");
            return Err(Error::new(Kind::Invalid, text));
        }
        let by = match &ctx.actor {
            access::Actor::User { name, .. } | access::Actor::Client { name, .. } => name.clone(),
            access::Actor::System => "Vitae".to_owned(),
        };
        let value = Value::object([
            ("recipient", Value::from(recipient)),
            ("reason", Value::from(reason)),
            ("until", Value::from(format_instant(until_ms))),
            ("by", Value::from(by)),
        ]);
        let value = Some(value.to_json().into_bytes());
        let change = Change { collection: COLLECTION, key: key(patient, recipient), value };
        let what = format!("accounting-suspended Patient/{patient} {recipient}");
        self.items().commit(ctx, &what, Vec::new(), vec![change])?;
        Ok(())
    }

    /// Suspensions of a patient that are in force.
    ///
    /// Errors: `Forbidden` for who does not see all AuditEvents.
    pub fn suspensions(&self, ctx: &Ctx, patient: &str) -> Result<Vec<Suspension>> {
        self.require_log(ctx)?;
        let prefix = key(patient, "");
        let found = self.items().scan(COLLECTION, &prefix, None, SUSPENSIONS_MAX)?;
        let all = found.iter().filter_map(|(_, bytes)| read(bytes));
        Ok(all.filter(|one| one.until_ms > ctx.at_ms).collect())
    }
}
