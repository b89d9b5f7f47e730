//! Prevention and procedures: screening, heart tests, referrals, aesthetic treatments.
//!
//! Source: US Core 6.1.0 Procedure, ServiceRequest, smoking status, screening.

use crate::PracticeKind;
use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::day::Day;
use crate::foundation::{HOSPITAL, PRACTICE, staff_name};
use crate::results::{observation_context, observation_start, overdue};
use crate::tables::problems::Chronic;
use crate::tables::procedures::{self as p, Aesthetic, Coded, REFERRALS};
use crate::tables::staff::SPECIALISTS;
use crate::visit::{Kind, Visit};

impl Course<'_> {
    /// Screening of a preventive visit.
    pub(crate) fn screen(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        let age = day.age(self.person.birth);
        if age >= 14 && overdue(self.last.smoking, day, 500) {
            self.last.smoking = Some(day);
            self.smoking_status(visit);
        }
        if age >= 12 && overdue(self.last.mood, day, 340) && !self.treats(Chronic::Depression) {
            self.last.mood = Some(day);
            let score = self.mood_score(day).min(6);
            self.survey(
                visit,
                ("55758-7", "Patient Health Questionnaire 2 item (PHQ-2) total score [Reported]"),
                score,
            );
            if score >= 3 {
                let full = self.mood_score(day);
                self.write_phq9(visit, full);
            }
        }
        if age >= 25 && self.last.family_history.is_none() {
            self.last.family_history = Some(day);
            self.write_family_history(visit);
        }
        let woman = self.person.is_female();
        if (45..76).contains(&age)
            && overdue(self.last.colonoscopy, day, 3400)
            && self.rng.chance(0.45)
        {
            self.last.colonoscopy = Some(day);
            self.outside_procedure(visit, p::COLONOSCOPY, day.plus(24).working(), "pr-s3");
        }
        if woman && (40..75).contains(&age) && overdue(self.last.mammogram, day, 640) {
            self.last.mammogram = Some(day);
            self.imaging(
                visit,
                p::MAMMOGRAPHY,
                ("24606-6", "MG Breast Screening"),
                18,
                "No mammographic evidence of malignancy. BI-RADS 1.",
            );
        }
        if woman && (21..66).contains(&age) && overdue(self.last.pap, day, 1080) {
            self.last.pap = Some(day);
            self.procedure(visit, p::PAP, "Sample sent for cytology; HPV testing by age.");
        }
        if woman && age >= 65 && overdue(self.last.bone, day, 1100) {
            self.last.bone = Some(day);
            let low = self.has(Chronic::Osteoporosis, day);
            let text =
                if low { "T-score -2.7 at the femoral neck." } else { "T-score -0.9, normal." };
            self.imaging(
                visit,
                p::BONE_DENSITY,
                ("38268-9", "DXA Skeletal system Views for bone density"),
                12,
                text,
            );
        }
        if self.practice.options.kind == PracticeKind::Concierge {
            self.electrocardiogram(visit);
            if age >= 45 && self.rng.chance(0.25) {
                self.imaging(
                    visit,
                    p::CALCIUM_SCORE,
                    ("", ""),
                    9,
                    "Agatston score 14, 41st percentile.",
                );
            }
        }
        if self.treats(Chronic::ActinicKeratosis) && self.rng.chance(0.6) {
            self.procedure(
                visit,
                p::CRYOTHERAPY,
                "Liquid nitrogen, 3 lesions, two freeze-thaw cycles.",
            );
        }
        if self.medications.iter().filter(|m| m.end.is_none()).count() >= 5 && self.rng.chance(0.4)
        {
            self.procedure(visit, p::MEDICATION_REVIEW, "List reconciled with the bottles.");
        }
        if age >= 18 && overdue(self.last.referral, day, 700) && self.rng.chance(0.18) {
            self.last.referral = Some(day);
            self.refer(visit);
        }
    }

    /// Tests of a heart visit.
    pub(crate) fn cardiology(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        let sick = [Chronic::AtrialFibrillation, Chronic::CoronaryDisease, Chronic::HeartFailure]
            .iter()
            .any(|chronic| self.treats(*chronic));
        let is_heart = self.practice.options.kind == PracticeKind::Specialty;
        if !sick && !is_heart {
            return;
        }
        if overdue(self.last.electrocardiogram, day, if is_heart { 150 } else { 330 }) {
            self.last.electrocardiogram = Some(day);
            self.electrocardiogram(visit);
        }
        if overdue(self.last.echocardiogram, day, if is_heart { 500 } else { 900 }) {
            self.last.echocardiogram = Some(day);
            let weak = self.has(Chronic::HeartFailure, day);
            let text = if weak {
                "Ejection fraction 38 %, mild mitral regurgitation."
            } else {
                "Ejection fraction 60 %, no wall motion abnormality."
            };
            self.imaging(visit, p::ECHOCARDIOGRAM, ("34552-0", "Cardiac 2D echo panel"), 6, text);
        }
        if is_heart && self.rng.chance(0.12) {
            let (coded, text) = *self.rng.pick(&[
                (p::STRESS_TEST, "9.1 METs, no ischemic change."),
                (p::MONITOR, "Sinus rhythm, rare premature beats, no pauses."),
                (p::CATHETERIZATION, "Mild luminal irregularities."),
            ]);
            self.procedure(visit, coded, text);
        }
    }

    /// Electrocardiogram in the office.
    pub(crate) fn electrocardiogram(&mut self, visit: &mut Visit) {
        let fibrillation = self.has(Chronic::AtrialFibrillation, visit.at.day);
        let text = if fibrillation {
            "Atrial fibrillation, controlled ventricular rate, no acute change."
        } else {
            "Normal sinus rhythm, normal intervals, no acute change."
        };
        self.procedure(visit, p::ELECTROCARDIOGRAM, text);
    }

    /// Chest or limb radiograph.
    pub(crate) fn radiograph(&mut self, visit: &mut Visit) {
        if matches!(visit.kind, Kind::Acute(acute) if acute.icd.0 == "J18.9") {
            self.imaging(
                visit,
                p::CHEST_RADIOGRAPH,
                ("36643-5", "XR Chest 2 Views"),
                0,
                "Right lower lobe opacity consistent with pneumonia.",
            );
        }
    }

    /// An aesthetic treatment.
    pub(crate) fn treat_aesthetic(&mut self, visit: &mut Visit, treatment: &'static Aesthetic) {
        visit.note.exam = format!("{}: skin intact, no infection.", treatment.area);
        let text = format!("{}. {}", treatment.area, treatment.note);
        self.procedure(visit, treatment.coded, &text);
        let weeks = treatment.weeks;
        visit.note.plan.push(format!("Aftercare reviewed, repeat in about {weeks} weeks."));
    }

    /// A procedure done at this visit.
    pub(crate) fn procedure(&mut self, visit: &mut Visit, coded: Coded, note: &str) {
        let patient = self.bundle.patient();
        visit.note.plan.push(format!("{}: {note}", coded.2));
        let start = visit.at.plus(10);
        self.bundle.add("Procedure", 'p', "us-core-procedure", |j| {
            j.text("status", "completed");
            j.concept_text("code", (system::SNOMED, coded.0, coded.1), coded.2);
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.period("performedPeriod", start, start.plus(10));
            j.one("performer", |j| {
                let who = Ref::Fixed("Practitioner", visit.provider.id);
                j.reference_named("actor", who, &staff_name(visit.provider));
            });
            j.one("note", |j| j.text("text", note));
        });
    }

    /// An operation long ago.
    pub(crate) fn past_procedure(&mut self, visit: &Visit, coded: Coded, day: Day) {
        let patient = self.bundle.patient();
        let year = day.max(self.person.birth.plus(800)).year();
        self.bundle.add("Procedure", 'p', "us-core-procedure", |j| {
            j.text("status", "completed");
            j.concept_text("code", (system::SNOMED, coded.0, coded.1), coded.2);
            j.reference("subject", patient);
            j.format("performedDateTime", format_args!("{year}"));
            let who = Ref::Fixed("Practitioner", visit.provider.id);
            j.reference_named("recorder", who, &staff_name(visit.provider));
            j.one("note", |j| j.text("text", "Reported by the patient."));
        });
    }

    /// A procedure done elsewhere after a referral.
    fn outside_procedure(
        &mut self,
        visit: &mut Visit,
        coded: Coded,
        day: Day,
        specialist: &'static str,
    ) {
        let order = self.order(visit, coded, day <= self.practice.today, specialist);
        if day > self.practice.today || self.person.death.is_some_and(|d| d < day) {
            return;
        }
        let patient = self.bundle.patient();
        let start = day.at(9 * 60);
        self.bundle.add("Procedure", 'p', "us-core-procedure", |j| {
            j.array("basedOn", |j| j.item(|j| j.format("reference", format_args!("{order}"))));
            j.text("status", "completed");
            j.concept_text("code", (system::SNOMED, coded.0, coded.1), coded.2);
            j.reference("subject", patient);
            j.period("performedPeriod", start, start.plus(35));
            j.one("performer", |j| {
                j.format_reference("actor", format_args!("Practitioner/{specialist}"));
                j.reference("onBehalfOf", HOSPITAL);
            });
            j.one("note", |j| j.text("text", "No polyps, good preparation, next in ten years."));
        });
    }

    /// An imaging order with its report `days` later.
    fn imaging(
        &mut self,
        visit: &mut Visit,
        coded: Coded,
        loinc: (&str, &str),
        days: i32,
        text: &str,
    ) {
        let day = visit.at.day.plus(days).working();
        let alive = self.person.death.is_none_or(|death| death > day);
        let is_done = day <= self.practice.today && alive;
        let order = self.order(visit, coded, is_done, "pr-s1");
        if !is_done {
            return;
        }
        let patient = self.bundle.patient();
        let at = if days == 0 { visit.at.plus(16) } else { day.at(10 * 60 + 20) };
        self.bundle.add("DiagnosticReport", 'r', "us-core-diagnosticreport-note", |j| {
            j.array("basedOn", |j| j.item(|j| j.format("reference", format_args!("{order}"))));
            j.text("status", "final");
            j.array("category", |j| {
                j.item(|j| {
                    let (code, display) = if coded.0 == p::ECHOCARDIOGRAM.0 {
                        ("LP29708-2", "Cardiology")
                    } else {
                        ("LP29684-5", "Radiology")
                    };
                    j.one("coding", |j| j.coding(system::LOINC, code, display));
                });
            });
            j.concept_text("code", (system::LOINC, loinc.0, loinc.1), coded.2);
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.time("effectiveDateTime", at);
            j.time("issued", at.plus(180));
            j.one("performer", |j| j.text("reference", "Organization/org-imaging"));
            j.text("conclusion", text);
        });
        if days == 0 {
            visit.note.results.push(format!("{}: {text}", coded.2));
        } else {
            visit.note.plan.push(format!("{} ordered.", coded.2));
        }
    }

    fn order(&mut self, visit: &Visit, coded: Coded, is_done: bool, performer: &str) -> Ref {
        let patient = self.bundle.patient();
        self.bundle.add("ServiceRequest", 's', "us-core-servicerequest", |j| {
            j.text("status", if is_done { "completed" } else { "active" });
            j.text("intent", "order");
            let imaging = (system::SNOMED, "363679005", "Imaging (procedure)");
            if coded.0 != "73761001" {
                j.concepts_text("category", imaging, "Imaging");
            }
            j.text("priority", "routine");
            j.concept_text("code", (system::SNOMED, coded.0, coded.1), coded.2);
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.date("occurrenceDateTime", visit.at.day.plus(14));
            j.time("authoredOn", visit.at.plus(18));
            let who = Ref::Fixed("Practitioner", visit.provider.id);
            j.reference_named("requester", who, &staff_name(visit.provider));
            if coded.0 == "73761001" {
                j.one("performer", |j| {
                    j.format("reference", format_args!("Practitioner/{performer}"))
                });
            } else {
                j.one("performer", |j| j.text("reference", "Organization/org-imaging"));
            }
        })
    }

    fn refer(&mut self, visit: &mut Visit) {
        let weights = [
            3,
            3,
            2,
            if self.treats(Chronic::Osteoarthritis) { 6 } else { 1 },
            if self.treats(Chronic::Depression) { 4 } else { 0 },
        ];
        let referral = &REFERRALS[self.rng.weighted(&weights)];
        let (coded, specialist) = (referral.coded, referral.specialist);
        let name = SPECIALISTS.iter().find(|s| s.id == specialist).map(staff_name);
        let age_days = self.practice.today.0 - visit.at.day.0;
        let is_done = age_days > 60 && self.rng.chance(0.85);
        let patient = self.bundle.patient();
        visit.note.plan.push(format!("{}: {}.", coded.2, referral.reason.to_lowercase()));
        let order = self.bundle.add("ServiceRequest", 's', "us-core-servicerequest", |j| {
            j.identifiers("referral", format_args!("R-{}", visit.encounter.id()));
            j.text("status", if is_done { "completed" } else { "active" });
            j.text("intent", "order");
            let category = (system::SNOMED, "3457005", "Patient referral (procedure)");
            j.concepts_text("category", category, "Referral");
            j.text("priority", "routine");
            j.concept_text("code", (system::SNOMED, coded.0, coded.1), coded.2);
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.date("occurrenceDateTime", visit.at.day.plus(30));
            j.time("authoredOn", visit.at.plus(20));
            let who = Ref::Fixed("Practitioner", visit.provider.id);
            j.reference_named("requester", who, &staff_name(visit.provider));
            j.one("performer", |j| {
                j.format("reference", format_args!("Practitioner/{specialist}"));
                if let Some(name) = &name {
                    j.text("display", name);
                }
            });
            j.concepts_text("reasonCode", ("", "", ""), referral.reason);
        });
        let seen = visit.at.day.plus(self.rng.range(15, 50) as i32).working();
        let is_alive = self.person.death.is_none_or(|death| death > seen);
        if is_done && is_alive {
            self.write_consult(referral, seen, order);
        }
    }

    fn smoking_status(&mut self, visit: &Visit) {
        let day = visit.at.day;
        let began = self.onset[Chronic::Nicotine as usize].is_some_and(|o| o <= day);
        let (code, display) = match (began, self.quit.is_some_and(|quit| quit <= day)) {
            (true, false) if self.severity < 0.25 => {
                ("428041000124106", "Occasional tobacco smoker (finding)")
            }
            (true, false) => ("449868002", "Smokes tobacco daily (finding)"),
            (true, true) => ("8517006", "Ex-smoker (finding)"),
            _ => ("266919005", "Never smoked tobacco (finding)"),
        };
        let patient = self.bundle.patient();
        self.bundle.add("Observation", 'o', "us-core-smokingstatus", |j| {
            let loinc = ("72166-2", "Tobacco smoking status");
            observation_start(j, "social-history", "Social History", loinc);
            observation_context(j, patient, visit, visit.at.plus(3));
            j.concept("valueCodeableConcept", system::SNOMED, code, display);
        });
    }

    /// PHQ-9 total score.
    pub(crate) fn write_phq9(&mut self, visit: &Visit, score: i64) {
        self.survey(
            visit,
            ("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"),
            score,
        );
    }

    fn survey(&mut self, visit: &Visit, loinc: (&str, &str), score: i64) {
        let patient = self.bundle.patient();
        self.bundle.add("Observation", 'o', "us-core-observation-screening-assessment", |j| {
            observation_start(j, "survey", "Survey", loinc);
            observation_context(j, patient, visit, visit.at.plus(3));
            j.object("valueQuantity", |j| j.quantity(score, 0, "score", "{score}"));
        });
    }

    fn write_family_history(&mut self, visit: &Visit) {
        let patient = self.bundle.patient();
        let rows = [
            ("44054006", "Diabetes mellitus type 2 (disorder)", "Type 2 diabetes", 0.3),
            ("59621000", "Essential hypertension (disorder)", "Hypertension", 0.4),
            ("53741008", "Coronary arteriosclerosis (disorder)", "Coronary artery disease", 0.25),
            ("363406005", "Malignant neoplasm of colon (disorder)", "Colon cancer", 0.08),
            ("254837009", "Malignant neoplasm of breast (disorder)", "Breast cancer", 0.1),
        ];
        for (code, display) in [("MTH", "mother"), ("FTH", "father")] {
            let has: Vec<usize> = (0..rows.len())
                .filter(|idx| !(*idx == 4 && code == "FTH"))
                .filter(|idx| self.rng.chance(rows[*idx].3))
                .collect();
            if has.is_empty() {
                continue;
            }
            let age = self.rng.range(48, 72);
            self.bundle.add("FamilyMemberHistory", 'f', "", |j| {
                j.text("status", "completed");
                j.reference("patient", patient);
                j.date("date", visit.at.day);
                let system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
                j.concept("relationship", system, code, display);
                j.array("condition", |j| {
                    for idx in &has {
                        let (snomed, name, text, _) = rows[*idx];
                        j.item(|j| {
                            j.concept_text("code", (system::SNOMED, snomed, name), text);
                            j.object("onsetAge", |j| j.quantity(age, 0, "years", "a"));
                        });
                    }
                });
            });
        }
    }

    /// A message of the patient and its answer.
    pub(crate) fn write_message(
        &mut self,
        at: crate::day::At,
        subject: &str,
        body: &str,
        about: Option<Ref>,
    ) {
        let patient = self.bundle.patient();
        let provider = Ref::Fixed("Practitioner", self.provider.id);
        let name = staff_name(self.provider);
        self.bundle.add("Communication", 'q', "", |j| {
            j.text("status", "completed");
            j.concept_plain_array("category", "Portal message");
            j.reference("subject", patient);
            if let Some(about) = about {
                j.array("about", |j| j.item(|j| j.format("reference", format_args!("{about}"))));
            }
            j.concept_plain("topic", subject);
            j.time("sent", at);
            j.time("received", at);
            j.array("recipient", |j| {
                j.item(|j| {
                    j.format("reference", format_args!("{provider}"));
                    j.text("display", &name);
                });
                j.item(|j| j.format("reference", format_args!("{PRACTICE}")));
            });
            j.reference("sender", patient);
            j.one("payload", |j| j.text("contentString", body));
        });
    }
}
