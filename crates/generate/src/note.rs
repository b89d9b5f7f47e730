//! The note of a visit, written from the facts of the visit.
//!
//! Source: US Core 6.1.0 DocumentReference; LOINC 11506-3 progress note, 34117-2 history and physical.

use std::fmt::Write as _;

use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::foundation::{PRACTICE, staff_name};
use crate::person::Special;
use crate::tables::problems::{Chronic, PROBLEMS};
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
                j.identifiers("document", format_args!("{}-note", visit.encounter.id()));
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

    fn note_text(&mut self, visit: &Visit) -> String {
        let mut text = String::with_capacity(1200);
        let _ = writeln!(text, "Reason for visit: {}\n", self.reason_line(visit));
        let story = self.story(visit);
        let _ = writeln!(text, "{}{story}\n", self.opening(visit));
        self.background(&mut text);
        if !visit.note.vitals.is_empty() {
            let _ = writeln!(text, "Vitals: {}", visit.note.vitals);
        }
        let _ = writeln!(text, "Exam: {}", self.exam(visit));
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

    /// "Rosa Delgado is a 52-year-old woman. "
    fn opening(&self, visit: &Visit) -> String {
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
        let (number, unit) = match months {
            ..2 => (visit.at.day.0 - self.person.birth.0, "day"),
            2..24 => (months, "month"),
            _ => (age, "year"),
        };
        let article = if matches!(number, 8 | 11 | 18 | 80..90) { "an" } else { "a" };
        format!("{name} is {article} {number}-{unit}-old {who}. ")
    }

    fn reason_line(&self, visit: &Visit) -> String {
        match (visit.note.complaint.as_str(), visit.kind, visit.diagnoses.first()) {
            ("", Kind::Well, _) => "Preventive visit".to_owned(),
            ("", _, Some((_, text))) => format!("Follow-up: {text}"),
            ("", _, None) => "Follow-up".to_owned(),
            (complaint, _, _) => complaint.to_owned(),
        }
    }

    /// What the patient tells: a few sentences that fit the problems.
    fn story(&mut self, visit: &Visit) -> String {
        let day = visit.at.day;
        let age = day.age(self.person.birth);
        if let Kind::Acute(acute) = visit.kind {
            let end = match (acute.fever, acute.winter) {
                (11.., _) => "Fever at home, drinks enough; others at home are sick too.",
                (_, true) => "No fever since yesterday. Drinks enough.",
                _ => "Tried acetaminophen with some relief. No fever.",
            };
            return format!("Comes with: {}. {end}", lower(acute.complaint));
        }
        if let Kind::Aesthetic(_) = visit.kind {
            return "Goals and expectations discussed. No pregnancy, no active infection."
                .to_owned();
        }
        if age < 13 {
            let lines: &[&str] = match age {
                ..2 => &[
                    "Feeds well, gains weight, sleeps in a crib on the back.",
                    "Babbles, reaches for toys, no concerns of the parents.",
                    "Daycare three days a week; one cold since the last visit.",
                ],
                2..6 => &[
                    "Eats at the family table, toilet training goes well.",
                    "Speaks in sentences, plays with others.",
                    "Loves books; brushes teeth twice a day.",
                ],
                _ => &[
                    "Does well in school, plays soccer, two hours of screens a day.",
                    "Has friends, reads at grade level, wears a helmet.",
                    "Sleeps nine hours; picky with vegetables.",
                ],
            };
            return (*self.rng.pick(lines)).to_owned();
        }
        let mut lines: Vec<&str> = Vec::new();
        for (chronic, line) in STORIES {
            if self.treats(*chronic) && lines.len() < 3 && self.rng.chance(0.75) {
                lines.push(line);
            }
        }
        if self.body.adherence < 0.65 && !lines.is_empty() {
            lines.push("Misses about two doses a week.");
        }
        let closing: &[&str] = &[
            "Feels well otherwise.",
            "No chest pain, no shortness of breath.",
            "Walks most days, sleeps seven hours.",
            "Work has been busy; no new symptoms.",
            "Energy is good, appetite normal.",
        ];
        lines.push(*self.rng.pick(closing));
        lines.join(" ")
    }

    fn exam(&self, visit: &Visit) -> String {
        if !visit.note.exam.is_empty() {
            return visit.note.exam.clone();
        }
        if matches!(visit.kind, Kind::Video) {
            return "By video: comfortable, speaks in full sentences.".to_owned();
        }
        let day = visit.at.day;
        if day.age(self.person.birth) < 13 {
            return "Alert and playful. Heart and lungs normal, abdomen soft, skin clear."
                .to_owned();
        }
        let heart = if self.treats(Chronic::AtrialFibrillation) {
            "Heart irregularly irregular, rate controlled"
        } else if self.treats(Chronic::AorticStenosis) {
            "Systolic murmur at the right upper border"
        } else {
            "Heart regular without murmur"
        };
        let lungs =
            if self.treats(Chronic::Copd) { "distant breath sounds" } else { "lungs clear" };
        let legs =
            if self.treats(Chronic::HeartFailure) { "trace ankle edema" } else { "no edema" };
        let feet = if self.treats(Chronic::Neuropathy) {
            " Monofilament reduced at both great toes."
        } else {
            ""
        };
        format!("Well-appearing. {heart}, {lungs}, abdomen soft, {legs}.{feet}")
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

/// What patients with a problem tell.
const STORIES: &[(Chronic, &str)] = &[
    (Chronic::HeartFailure, "Sleeps on two pillows, home weight steady within a kilogram."),
    (Chronic::CoronaryDisease, "No angina; has not needed nitroglycerin."),
    (Chronic::AtrialFibrillation, "No palpitations and no bleeding on the anticoagulant."),
    (Chronic::Diabetes, "Checks glucose in the morning; no low values."),
    (Chronic::Hypertension, "Home blood pressure readings brought along."),
    (Chronic::Asthma, "Uses the rescue inhaler about once a week, no night cough."),
    (Chronic::Copd, "Walks two blocks before stopping, morning cough unchanged."),
    (Chronic::Depression, "Mood is steadier; no thoughts of self-harm."),
    (Chronic::Anxiety, "Worries less since therapy, still tense before meetings."),
    (Chronic::KidneyDisease, "Avoids ibuprofen, drinks enough."),
    (Chronic::Hypothyroidism, "No cold intolerance, weight steady."),
    (Chronic::Migraine, "Two migraines a month, triptan works within an hour."),
    (Chronic::Osteoarthritis, "Knees are stiff for ten minutes in the morning."),
    (Chronic::BackPain, "Back pain 3 of 10, does the exercises."),
    (Chronic::Gerd, "Heartburn only after late meals."),
    (Chronic::Gout, "No attack since the last visit."),
    (Chronic::Prostate, "Gets up once at night, stream is fair."),
    (Chronic::SleepApnea, "Uses the machine most nights."),
    (Chronic::Dementia, "Daughter says that meals and pills need reminders."),
];

/// The text with a small first letter, unless it begins with an abbreviation.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let (Some(first), Some(second)) = (chars.next(), chars.next()) else { return text.to_owned() };
    if second.is_uppercase() || second.is_ascii_digit() {
        return text.to_owned();
    }
    format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
}
