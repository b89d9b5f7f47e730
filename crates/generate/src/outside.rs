//! What others wrote: consult notes and hospital stays that were sent to the practice.
//!
//! Source: US Core 6.1.0 Encounter, DocumentReference; `meta.source` names the sender (FHIR R4
//! resource.html#Meta).

use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::day::{At, Day};
use crate::foundation::{HOSPITAL, staff_name};
use crate::tables::problems::Acute;
use crate::tables::procedures::Referral;
use crate::tables::staff::SPECIALISTS;
use crate::visit::Visit;

/// The system of the hospital.
const HOSPITAL_SOURCE: &str = "https://valley-regional.example/fhir";

/// A document from outside.
struct Letter<'t> {
    loinc: (&'static str, &'static str),
    author: &'static str,
    at: At,
    encounter: Option<Ref>,
    related: Option<Ref>,
    text: &'t str,
}

impl Course<'_> {
    /// The answer to a referral.
    pub(crate) fn write_consult(&mut self, referral: &'static Referral, day: Day, order: Ref) {
        let Some(clinician) = SPECIALISTS.iter().find(|s| s.id == referral.specialist) else {
            return;
        };
        let text = format!(
            "Valley Regional Hospital, specialty clinics\n{}\n\nThank you for referring {}, age {}, for \
{}.\n\n{}\n\nReturn to primary care; here again as needed.\n\n{}\n",
            referral.coded.2,
            self.person.full_name(),
            day.age(self.person.birth),
            referral.reason.to_lowercase(),
            referral.opinion,
            staff_name(clinician)
        );
        self.write_letter(&Letter {
            loinc: ("11488-4", "Consult note"),
            author: referral.specialist,
            at: day.at(15 * 60 + 10),
            encounter: None,
            related: Some(order),
            text: &text,
        });
    }

    /// Some are sent to the hospital from the visit.
    pub(crate) fn perhaps_admit(&mut self, visit: &mut Visit, acute: &Acute, condition: Ref) {
        let age = visit.at.day.age(self.person.birth);
        let share = match (acute.icd.0, age) {
            ("J18.9", 65..) => 0.3,
            ("J18.9", 40..65) => 0.08,
            ("L03.115" | "R07.9", 65..) => 0.12,
            ("U07.1" | "J10.1", 75..) => 0.15,
            _ => 0.0,
        };
        if !self.rng.chance(share) {
            return;
        }
        visit.note.plan.push("Sent to Valley Regional Hospital for admission.".to_owned());
        let days = self.rng.range(2, 5) as i32;
        self.write_stay(visit.at.day, days, condition, acute.text);
    }

    /// A hospital stay with its discharge summary.
    pub(crate) fn write_stay(&mut self, day: Day, days: i32, condition: Ref, reason: &'static str) {
        let start = day.at(17 * 60 + 30);
        let end = day.plus(days).at(11 * 60);
        let is_over = end.day < self.practice.today;
        let is_alive = self.person.death.is_none_or(|death| death > end.day);
        if !is_over || !is_alive {
            return;
        }
        let patient = self.bundle.patient();
        let name = self.person.full_name();
        let stay = self.bundle.reserve("Encounter", 'e');
        self.bundle.put_from(stay, "us-core-encounter", HOSPITAL_SOURCE, |j| {
            j.one("identifier", |j| {
                j.format("system", format_args!("{HOSPITAL_SOURCE}/visit"));
                j.format("value", format_args!("V{}", stay_number(start, self.person.index)));
            });
            j.text("status", "finished");
            j.object("class", |j| {
                let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
                j.coding(system, "IMP", "inpatient encounter");
            });
            let admission = (system::SNOMED, "32485007", "Hospital admission (procedure)");
            j.concepts_text("type", admission, "Hospital admission");
            j.reference_named("subject", patient, &name);
            j.period("period", start, end);
            j.concepts_text("reasonCode", ("", "", ""), reason);
            j.one("diagnosis", |j| {
                j.reference("condition", condition);
                j.integer("rank", 1);
            });
            j.object("hospitalization", |j| {
                j.concept(
                    "dischargeDisposition",
                    "http://terminology.hl7.org/CodeSystem/discharge-disposition",
                    "home",
                    "Home",
                );
            });
            j.reference("serviceProvider", HOSPITAL);
        });
        let text = format!(
            "Valley Regional Hospital\nDischarge summary\n\n{name} was admitted with {} and stayed {days} \
days. Treated on the medical floor, improved, eating and walking on the day of discharge. No new \
allergies. Medications reconciled; see list.\n\nFollow-up with primary care within seven days.\n",
            reason.to_lowercase()
        );
        self.write_letter(&Letter {
            loinc: ("18842-5", "Discharge summary"),
            author: "pr-s1",
            at: end.plus(95),
            encounter: Some(stay),
            related: None,
            text: &text,
        });
    }

    fn write_letter(&mut self, letter: &Letter<'_>) {
        let patient = self.bundle.patient();
        let own = self.bundle.reserve("DocumentReference", 'd');
        self.bundle.put_from(own, "us-core-documentreference", HOSPITAL_SOURCE, |j| {
            j.text("status", "current");
            j.text("docStatus", "final");
            let (code, display) = letter.loinc;
            j.concept_text("type", (system::LOINC, code, display), display);
            let category =
                "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category";
            j.concepts("category", category, "clinical-note", "Clinical Note");
            j.reference("subject", patient);
            j.time("date", letter.at);
            j.array("author", |j| {
                j.item(|j| j.format("reference", format_args!("Practitioner/{}", letter.author)));
            });
            j.reference("custodian", HOSPITAL);
            j.one("content", |j| {
                j.object("attachment", |j| {
                    j.text("contentType", "text/plain; charset=utf-8");
                    j.base64("data", letter.text.as_bytes());
                    j.text("title", display);
                    j.time("creation", letter.at);
                });
            });
            if letter.encounter.is_some() || letter.related.is_some() {
                j.object("context", |j| {
                    if let Some(encounter) = letter.encounter {
                        j.array("encounter", |j| {
                            j.item(|j| j.format("reference", format_args!("{encounter}")));
                        });
                    }
                    if let Some(related) = letter.related {
                        j.array("related", |j| {
                            j.item(|j| j.format("reference", format_args!("{related}")));
                        });
                    }
                });
            }
        });
    }
}

fn stay_number(start: At, index: u64) -> u64 {
    start.day.0 as u64 * 100 + index % 100
}
