//! The lists of a chart: problems, medications, allergies.
//!
//! Source: US Core 6.1.0 Condition, MedicationRequest, AllergyIntolerance.

use crate::body::round;
use crate::bundle::{Ref, system};
use crate::course::{Course, Known, Medication};
use crate::day::{At, Day};
use crate::foundation::staff_name;
use crate::json::Json;
use crate::tables::allergies::{self, ALLERGIES};
use crate::tables::drugs::{Drug, Form};
use crate::tables::problems::{Acute, Chronic, PROBLEMS};
use crate::visit::Visit;

/// Code and display.
type Coding = (&'static str, &'static str);

impl Course<'_> {
    /// Problems and medications with their final status.
    pub(crate) fn write_lists(&mut self) {
        for chronic in PROBLEMS.iter().map(|row| row.key) {
            if let Some(known) = self.known[chronic as usize] {
                self.write_problem(chronic, known);
            }
        }
        let medications = std::mem::take(&mut self.medications);
        for medication in &medications {
            self.write_medication(medication);
        }
        self.medications = medications;
    }

    fn write_problem(&mut self, chronic: Chronic, known: Known) {
        let row = &PROBLEMS[chronic as usize];
        let patient = self.bundle.patient();
        let stage = self.kidney_stage();
        let (snomed, icd, text) = match chronic {
            Chronic::KidneyDisease => stage,
            Chronic::Diabetes if self.known[Chronic::KidneyDisease as usize].is_some() => {
                let icd = "Type 2 diabetes mellitus with diabetic chronic kidney disease";
                (row.snomed, ("E11.22", icd), row.text)
            }
            _ => (row.snomed, row.icd, row.text),
        };
        let onset = self.onset[chronic as usize].unwrap_or(known.recorded.day);
        let onset = onset.min(known.recorded.day);
        self.bundle.put(known.condition, "us-core-condition-problems-health-concerns", |j| {
            let status = if known.abated.is_some() { "resolved" } else { "active" };
            j.hl7("clinicalStatus", "condition-clinical", status);
            j.hl7("verificationStatus", "condition-ver-status", "confirmed");
            j.category("category", "condition-category", "problem-list-item", "Problem List Item");
            j.object("code", |j| codes(j, snomed, icd, text));
            j.reference("subject", patient);
            j.reference("encounter", known.encounter);
            onset_text(j, onset, known.recorded.day);
            if let Some(day) = known.abated {
                j.date("abatementDateTime", day);
            }
            j.date("recordedDate", known.recorded.day);
            let who = Ref::Fixed("Practitioner", known.recorder.id);
            j.reference_named("recorder", who, &staff_name(known.recorder));
        });
    }

    /// Stage of chronic kidney disease at the end: SNOMED CT, ICD-10-CM, text.
    fn kidney_stage(&self) -> (Coding, Coding, &'static str) {
        let day = self.person.death.unwrap_or(self.practice.today);
        let row = &PROBLEMS[Chronic::KidneyDisease as usize];
        match round(self.body.egfr(day, &self.influence(day))) {
            ..30 => (
                ("431857002", "Chronic kidney disease stage 4 (disorder)"),
                ("N18.4", "Chronic kidney disease, stage 4 (severe)"),
                "Chronic kidney disease, stage 4",
            ),
            30..45 => (
                row.snomed,
                ("N18.32", "Chronic kidney disease, stage 3b"),
                "Chronic kidney disease, stage 3b",
            ),
            _ => (row.snomed, row.icd, row.text),
        }
    }

    /// The Condition of an acute illness, resolved unless it is recent.
    pub(crate) fn write_acute(&mut self, visit: &Visit, acute: &'static Acute) -> Ref {
        let patient = self.bundle.patient();
        let day = visit.at.day;
        let begin = day.plus(-(self.rng.range(1, 5) as i32)).max(self.person.birth);
        let days = (f64::from(acute.days) * (0.7 + 0.6 * self.rng.unit())) as i32;
        let over = day.plus(days.max(1));
        let is_over = over <= self.practice.today;
        self.bundle.add("Condition", 'c', "us-core-condition-encounter-diagnosis", |j| {
            let status = if is_over { "resolved" } else { "active" };
            j.hl7("clinicalStatus", "condition-clinical", status);
            j.hl7("verificationStatus", "condition-ver-status", "confirmed");
            j.category(
                "category",
                "condition-category",
                "encounter-diagnosis",
                "Encounter Diagnosis",
            );
            j.object("code", |j| codes(j, acute.snomed, acute.icd, acute.text));
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.date("onsetDateTime", begin);
            if is_over {
                j.date("abatementDateTime", over);
            }
            j.date("recordedDate", day);
            let who = Ref::Fixed("Practitioner", visit.provider.id);
            j.reference_named("recorder", who, &staff_name(visit.provider));
        })
    }

    fn write_medication(&mut self, medication: &Medication) {
        let patient = self.bundle.patient();
        let drug = medication.drug;
        let today = self.practice.today;
        let status = match medication.end {
            Some((day, status)) if day <= today => status,
            _ if self.person.death.is_some() => "completed",
            _ => "active",
        };
        self.bundle.put(medication.own, "us-core-medicationrequest", |j| {
            j.identifiers("prescription", format_args!("{}", medication.own.id()));
            j.text("status", status);
            j.text("intent", "order");
            let name = "medicationrequest-category";
            j.category("category", name, "community", "Community");
            j.boolean("reportedBoolean", false);
            let coding = (system::RXNORM, drug.code, drug.display);
            j.concept_text("medicationCodeableConcept", coding, drug.display);
            j.reference("subject", patient);
            j.reference("encounter", medication.encounter);
            j.time("authoredOn", medication.start);
            let who = Ref::Fixed("Practitioner", medication.requester.id);
            j.reference_named("requester", who, &staff_name(medication.requester));
            if let Some((condition, text)) = medication.reason {
                j.array("reasonReference", |j| {
                    j.item(|j| {
                        j.format("reference", format_args!("{condition}"));
                        j.text("display", text);
                    });
                });
            }
            dosage(j, drug);
            supply(j, drug, medication.start, medication.end.map(|(day, _)| day));
        });
    }

    /// An allergy with its usual reaction.
    pub(crate) fn write_allergy(&mut self, visit: &Visit, idx: usize) {
        self.allergies.push(idx);
        let row = &ALLERGIES[idx];
        let patient = self.bundle.patient();
        let day = visit.at.day;
        let (code, display, severity) = *self.rng.pick(row.reactions);
        let years = self.rng.range(0, 15) as i32;
        let onset = day.plus_months(-12 * years).max(self.person.birth.plus(200)).min(day);
        self.bundle.add("AllergyIntolerance", 'a', "us-core-allergyintolerance", |j| {
            j.hl7("clinicalStatus", "allergyintolerance-clinical", "active");
            j.hl7("verificationStatus", "allergyintolerance-verification", "confirmed");
            j.text("type", if idx == allergies::LISINOPRIL { "intolerance" } else { "allergy" });
            j.array("category", |j| j.text_item(row.category));
            j.text("criticality", row.criticality);
            let vocabulary = if row.rxnorm { system::RXNORM } else { system::SNOMED };
            j.concept_text("code", (vocabulary, row.code, row.display), row.name);
            j.reference("patient", patient);
            j.reference("encounter", visit.encounter);
            j.format("onsetDateTime", format_args!("{}", onset.year()));
            j.date("recordedDate", day);
            let who = Ref::Fixed("Practitioner", visit.provider.id);
            j.reference_named("recorder", who, &staff_name(visit.provider));
            j.one("reaction", |j| {
                j.concepts("manifestation", system::SNOMED, code, display);
                j.text("severity", severity);
            });
        });
    }

    /// The statement that there is no known allergy.
    pub(crate) fn no_allergy(&mut self, visit: &Visit) {
        let patient = self.bundle.patient();
        self.bundle.add("AllergyIntolerance", 'a', "us-core-allergyintolerance", |j| {
            j.hl7("clinicalStatus", "allergyintolerance-clinical", "active");
            j.hl7("verificationStatus", "allergyintolerance-verification", "confirmed");
            let none = (system::SNOMED, "716186003", "No known allergy (situation)");
            j.concept_text("code", none, "No known allergies");
            j.reference("patient", patient);
            j.date("recordedDate", visit.at.day);
        });
    }
}

fn codes(j: &mut Json, snomed: (&str, &str), icd: (&str, &str), text: &str) {
    j.array("coding", |j| {
        j.item(|j| j.coding(system::SNOMED, snomed.0, snomed.1));
        j.item(|j| j.coding(system::ICD10, icd.0, icd.1));
    });
    j.text("text", text);
}

/// The longer ago, the less exactly one knows.
fn onset_text(j: &mut Json, onset: Day, recorded: Day) {
    let (year, month, _) = onset.ymd();
    match recorded.0 - onset.0 {
        ..120 => j.date("onsetDateTime", onset),
        120..2500 => j.format("onsetDateTime", format_args!("{year}-{month:02}")),
        _ => j.format("onsetDateTime", format_args!("{year}")),
    }
}

fn dosage(j: &mut Json, drug: &Drug) {
    let (route, route_text) = match drug.form {
        Form::Tablet | Form::Capsule | Form::Liquid => ("26643006", "Oral route (qualifier value)"),
        Form::Puff => ("447694001", "Respiratory tract route (qualifier value)"),
        Form::Spray => ("46713006", "Nasal route (qualifier value)"),
        Form::Cream => ("6064005", "Topical route (qualifier value)"),
        Form::Injection => ("34206005", "Subcutaneous route (qualifier value)"),
        Form::Sublingual => ("37839007", "Sublingual route (qualifier value)"),
    };
    j.one("dosageInstruction", |j| {
        j.integer("sequence", 1);
        j.text("text", drug.sig);
        j.object("timing", |j| {
            j.object("repeat", |j| {
                j.integer("frequency", drug.times);
                j.integer("period", drug.per_days);
                j.text("periodUnit", "d");
            });
        });
        j.boolean("asNeededBoolean", drug.as_needed);
        j.concept("route", system::SNOMED, route, route_text);
        if drug.form != Form::Cream {
            j.one("doseAndRate", |j| {
                j.object("doseQuantity", |j| dose(j, drug));
            });
        }
    });
}

fn dose(j: &mut Json, drug: &Drug) {
    if drug.dose_tenths % 10 == 0 {
        j.integer("value", drug.dose_tenths / 10);
    } else {
        j.decimal("value", drug.dose_tenths, 1);
    }
    let form = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm";
    let (unit, system, code) = match drug.form {
        Form::Tablet | Form::Sublingual => ("tablet", form, "TAB"),
        Form::Capsule => ("capsule", form, "CAP"),
        Form::Puff => ("puff", form, "PUFF"),
        Form::Spray => ("spray", form, "SPRY"),
        Form::Liquid | Form::Injection => ("mL", system::UCUM, "mL"),
        Form::Cream => ("application", form, "APPFUL"),
    };
    j.text("unit", unit);
    j.text("system", system);
    j.text("code", code);
}

fn supply(j: &mut Json, drug: &Drug, start: At, end: Option<Day>) {
    j.object("dispenseRequest", |j| {
        j.object("validityPeriod", |j| {
            j.date("start", start.day);
            if let Some(end) = end {
                j.date("end", end.max(start.day));
            }
        });
        j.integer("numberOfRepeatsAllowed", drug.refills);
        j.object("quantity", |j| {
            j.integer("value", drug.quantity);
            let unit = match drug.form {
                Form::Tablet | Form::Sublingual => "tablet",
                Form::Capsule => "capsule",
                Form::Puff => "puff",
                Form::Spray | Form::Cream => "g",
                Form::Liquid | Form::Injection => "mL",
            };
            j.text("unit", unit);
        });
        j.object("expectedSupplyDuration", |j| j.quantity(drug.days, 0, "days", "d"));
    });
}
