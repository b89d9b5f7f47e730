//! Everything that the record holds, or all of one patient's, to be kept elsewhere.
//!
//! Current resources come as they are served, superseded versions and deletions as entries of a
//! history Bundle; [`crate::Request::Import`] takes both back. All of it is of one snapshot.

use fhir::date::format_instant;
use fhir_tables::{ResourceType, compartment};
use search::lookup::NoRecord;
use search::parse::{Handling, Setting};
use store::{ChangeKind, Scope, Snapshot, Version};

use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::gate::not_found;
use crate::record::Record;
use access::{Actor, Ctx};

/// Versions that are in memory at one time.
const PAGE: usize = 500;

/// One thing of an export.
#[derive(Clone, Copy, Debug)]
pub struct Exported<'a> {
    pub rt: ResourceType,
    /// False: superseded, or a deletion; `text` is then an entry of a history Bundle.
    pub is_current: bool,
    /// Compact JSON.
    pub text: &'a [u8],
    /// Current resources of the whole export.
    pub n_all: u64,
}

impl Record {
    /// Gives each version of the record, or of a patient and what is in the patient's
    /// compartment.
    ///
    /// Order: by type and id the current resources, then superseded versions as they happened; for
    /// one patient the versions of each resource, oldest first.
    /// The audit leaf is written before the first version is shown.
    /// Errors: `Forbidden` but for Vitae itself; `NotFound` for a patient who is not here; those
    /// of `each`, which end the export.
    pub fn export<E: From<Error>>(
        &self,
        ctx: &Ctx,
        patient: Option<&str>,
        mut each: impl FnMut(Exported<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let what = match patient {
            Some(id) => format!("export Patient/{id}"),
            None => "export".to_owned(),
        };
        let opened = self.open_export(ctx, patient, &what);
        let mut export = opened.map_err(|e| self.refused(ctx, ('R', what), e))?;
        match &export.chosen {
            None => export.everything(&mut each),
            Some(_) => export.chosen(&mut each),
        }
    }

    fn open_export(&self, ctx: &Ctx, patient: Option<&str>, what: &str) -> Result<Export> {
        if ctx.actor != Actor::System {
            return Err(Error::new(Kind::Forbidden, "only the export command exports"));
        }
        let mut snapshot = self.store().snapshot(search::Sees::everything())?;
        let chosen = match patient {
            Some(id) => Some(self.of_patient(ctx, &mut snapshot, id)?),
            None => None,
        };
        let n_all = match &chosen {
            Some(chosen) => chosen.len() as u64,
            None => snapshot.counts()?.iter().map(|(_, n)| n).sum(),
        };
        let mut event =
            Event { action: 'R', what: what.to_owned(), status: 200, ..Event::default() };
        event.n = usize::try_from(n_all).unwrap_or(usize::MAX);
        event.patients.extend(patient.map(str::to_owned));
        event.all = patient.is_none();
        self.audit_event(ctx, &event)?;
        Ok(Export { snapshot, chosen, n_all })
    }

    /// The Patient and what is in its compartment, in the order of types and ids.
    fn of_patient(
        &self,
        ctx: &Ctx,
        snapshot: &mut Snapshot,
        id: &str,
    ) -> Result<Vec<(ResourceType, String)>> {
        let patient = ResourceType::PATIENT;
        if snapshot.head(patient, id)?.is_none_or(|head| head.kind == ChangeKind::Delete) {
            return Err(not_found(patient.name(), id));
        }
        let def = compartment("Patient").expect("a compartment of R4");
        let setting = Setting {
            handling: Handling::Strict,
            base_url: self.base_url(),
            now_ms: ctx.at_ms,
            lookup: &NoRecord,
        };
        let mut chosen = vec![(patient, id.to_owned())];
        for (rt, _) in def.params.iter().filter(|(rt, _)| *rt != patient) {
            let query = search::parse::parse(*rt, Some((patient, id)), &[], setting)
                .map_err(|issues| Error::with_issues(Kind::Internal, issues))?;
            let heads = snapshot.search_heads(&query, usize::MAX)?;
            chosen.extend(heads.into_iter().map(|head| (head.rt, head.id)));
        }
        chosen.sort_by(|a, b| (a.0.name(), &a.1).cmp(&(b.0.name(), &b.1)));
        Ok(chosen)
    }
}

struct Export {
    snapshot: Snapshot,
    /// `None`: everything.
    chosen: Option<Vec<(ResourceType, String)>>,
    n_all: u64,
}

impl Export {
    fn everything<E: From<Error>>(
        &mut self,
        each: &mut impl FnMut(Exported<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let n_all = self.n_all;
        for (rt, _) in self.snapshot.counts().map_err(Error::from)? {
            let mut after: Option<String> = None;
            loop {
                let page = self.snapshot.by_id(rt, after.as_deref(), PAGE).map_err(Error::from)?;
                for version in &page {
                    each(Exported { rt, is_current: true, text: &version.body, n_all })?;
                }
                let is_last = page.len() < PAGE;
                match page.into_iter().next_back() {
                    Some(last) if !is_last => after = Some(last.head.id),
                    _ => break,
                }
            }
        }
        let mut after = 0;
        loop {
            let page = self.snapshot.feed(after, PAGE).map_err(Error::from)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.head.rid;
            for version in &page {
                if !self.is_current(version)? {
                    self.superseded(version, each)?;
                }
            }
        }
    }

    fn chosen<E: From<Error>>(
        &mut self,
        each: &mut impl FnMut(Exported<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        for (rt, id) in self.chosen.take().unwrap_or_default() {
            let of = Scope::Instance(rt, &id);
            let all = self.snapshot.history(of, None, None, usize::MAX >> 1);
            let (versions, _) = all.map_err(Error::from)?;
            for version in versions.iter().rev() {
                if self.is_current(version)? {
                    let n_all = self.n_all;
                    each(Exported { rt, is_current: true, text: &version.body, n_all })?;
                } else {
                    self.superseded(version, each)?;
                }
            }
        }
        Ok(())
    }

    fn is_current(&self, version: &Version) -> Result<bool> {
        let head = self.snapshot.head(version.rt, &version.id)?;
        Ok(version.kind != ChangeKind::Delete && head.is_some_and(|head| head.rid == version.rid))
    }

    fn superseded<E>(
        &self,
        version: &Version,
        each: &mut impl FnMut(Exported<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let text = history_entry(version);
        each(Exported { rt: version.rt, is_current: false, text: &text, n_all: self.n_all })
    }
}

/// The version as an entry of a history Bundle.
fn history_entry(version: &Version) -> Vec<u8> {
    let head = &version.head;
    let method = match head.kind {
        ChangeKind::Create => "POST",
        ChangeKind::Update => "PUT",
        ChangeKind::Delete => "DELETE",
    };
    let mut out = Vec::with_capacity(version.body.len() + 200);
    out.extend_from_slice(b"{");
    if !version.body.is_empty() {
        out.extend_from_slice(b"\"resource\":");
        out.extend_from_slice(&version.body);
        out.extend_from_slice(b",");
    }
    let (rt, id, vid) = (head.rt.name(), &head.id, head.vid);
    let at = format_instant(head.last_updated_ms);
    let tail = format!(
        "\"request\":{{\"method\":\"{method}\",\"url\":\"{rt}/{id}\"}},\"response\":{{\
         \"status\":\"200\",\"etag\":\"W/\\\"{vid}\\\"\",\"lastModified\":\"{at}\"}}}}"
    );
    out.extend_from_slice(tail.as_bytes());
    out
}
