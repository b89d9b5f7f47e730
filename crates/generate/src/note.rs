//! The note of a visit, written from the facts of the visit.
//!
//! Source: US Core 6.1.0 DocumentReference; LOINC 11506-3 progress note, 34117-2 history and physical.

use std::fmt::Write as _;

use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::foundation::{PRACTICE, staff_name};
use crate::person::Special;
use crate::tables::problems::PROBLEMS;
use crate::visit::{Kind, Visit};

/// What goes into the note.
#[derive(Debug, Default)]
pub struct Note {
    pub(crate) complaint: String,
    pub(crate) vitals: String,
    pub(crate) exam: String,
    pub(crate) results: Vec<String>,
    pub(crate) plan: Vec<String>,
    /// Systolic and diastolic pressure of today.
    pub(crate) pressure: Option<(i64, i64)>,
    /// A1c of today, tenths of a percent.
    pub(crate) a1c: Option<i64>,
    /// LDL of today, mg/dL.
    pub(crate) ldl: Option<i64>,
}

impl Course<'_> {
    /// Writes the note of most visits.
    pub(crate) fn write_note(&mut self, visit: &Visit) {
        let share = match visit.kind {
            Kind::Vaccination => 0.0,
            Kind::Well => 0.8,
            Kind::Aesthetic(_) => 1.0,
            Kind::FollowUp | Kind::Video | Kind::Acute(_) => 0.62,
        };
        if !self.rng.chance(share) {
            return;
        }
        let text = self.note_text(visit);
        let (code, display) = match visit.kind {
            Kind::Well => ("34117-2", "History and physical note"),
            _ => ("11506-3", "Progress note"),
        };
        let patient = self.bundle.patient();
        let author = Ref::Fixed("Practitioner", visit.provider.id);
        let end = visit.at.plus(visit.minutes);
        let document =
            self.bundle.add("DocumentReference", 'd', "us-core-documentreference", |j| {
                j.identifiers("document", format_args!("{}-note", visit.encounter));
                j.text("status", "current");
                j.text("docStatus", "final");
                j.concept_text("type", (system::LOINC, code, display), display);
                let category =
                    "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category";
                j.concepts("category", category, "clinical-note", "Clinical Note");
                j.reference("subject", patient);
                j.time("date", end.plus(12));
                j.array("author", |j| {
                    j.item(|j| {
                        j.format("reference", format_args!("{author}"));
                        j.text("display", &staff_name(visit.provider));
                    });
                });
                j.reference("custodian", PRACTICE);
                j.one("content", |j| {
                    j.object("attachment", |j| {
                        j.text("contentType", "text/plain; charset=utf-8");
                        j.base64("data", text.as_bytes());
                        j.format("title", format_args!("{display}"));
                        j.time("creation", end.plus(12));
                    });
                    j.object("format", |j| {
                        j.coding(
                            "http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem",
                            "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                            "mimeType Sufficient",
                        );
                    });
                });
                j.object("context", |j| {
                    j.array("encounter", |j| {
                        j.item(|j| j.format("reference", format_args!("{}", visit.encounter)));
                    });
                    j.period("period", visit.at, end);
                });
            });
        if self.rng.chance(0.3) {
            self.write_provenance(document, visit);
        }
    }

    fn note_text(&self, visit: &Visit) -> String {
        let mut text = String::with_capacity(900);
        let age = visit.at.day.age(self.person.birth);
        let months = visit.at.day.age_months(self.person.birth);
        let name = match self.person.special {
            Special::Newborn => "Newborn".to_owned(),
            _ => self.person.full_name(),
        };
        let who = match (age, self.person.is_female()) {
            (18.., true) => "woman",
            (18.., false) => "man",
            (_, true) => "girl",
            (_, false) => "boy",
        };
        let old =
            if months < 24 { format!("{months}-month-old") } else { format!("{age}-year-old") };
        let complaint = self.complaint_line(visit);
        let _ = writeln!(text, "{name} is a {old} {who} seen for {complaint}.\n");
        self.background(&mut text);
        if !visit.note.vitals.is_empty() {
            let _ = writeln!(text, "Vitals: {}", visit.note.vitals);
        }
        let exam = match (visit.kind, visit.note.exam.as_str()) {
            (Kind::Video, _) => "By video: comfortable, speaks in full sentences.",
            (_, "") => "Well-appearing. Heart regular, lungs clear, abdomen soft, no edema.",
            (_, exam) => exam,
        };
        let _ = writeln!(text, "Exam: {exam}");
        if !visit.note.results.is_empty() {
            let _ = writeln!(text, "Results: {}", visit.note.results.join("; "));
        }
        text.push_str("\nAssessment and plan\n");
        if visit.note.plan.is_empty() {
            text.push_str("1. Healthy, nothing new. Continue as before.\n");
        }
        for (idx, line) in visit.note.plan.iter().enumerate() {
            let _ = writeln!(text, "{}. {line}", idx + 1);
        }
        let _ = writeln!(text, "\nSigned: {}", staff_name(visit.provider));
        text
    }

    fn complaint_line(&self, visit: &Visit) -> String {
        if visit.note.complaint.is_empty() {
            return match visit.kind {
                Kind::Well => "a preventive visit".to_owned(),
                _ => match visit.diagnoses.first() {
                    Some((_, text)) => format!("follow-up of {}", lower(text)),
                    None => "a follow-up visit".to_owned(),
                },
            };
        }
        lower(&visit.note.complaint)
    }

    fn background(&self, text: &mut String) {
        let problems: Vec<&str> =
            PROBLEMS.iter().filter(|row| self.treats(row.key)).map(|row| row.text).collect();
        if !problems.is_empty() {
            let _ = writeln!(text, "History: {}", problems.join(", "));
        }
        let drugs: Vec<&str> =
            self.medications.iter().filter(|m| m.end.is_none()).map(|m| m.drug.name).collect();
        if !drugs.is_empty() {
            let _ = writeln!(text, "Medications: {}", drugs.join(", "));
        }
        let allergies: Vec<&str> = self
            .allergies
            .iter()
            .map(|idx| crate::tables::allergies::ALLERGIES[*idx].name)
            .collect();
        let allergies =
            if allergies.is_empty() { "none known".to_owned() } else { allergies.join(", ") };
        let _ = writeln!(text, "Allergies: {allergies}");
    }
}

/// The text with a small first letter, unless it begins with an abbreviation.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let (Some(first), Some(second)) = (chars.next(), chars.next()) else { return text.to_owned() };
    if second.is_uppercase() || second.is_ascii_digit() {
        return text.to_owned();
    }
    format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
}
