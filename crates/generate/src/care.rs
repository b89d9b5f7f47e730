//! Finding and treating disease: problems, prescriptions, allergies.
//!
//! Source: US Core 6.1.0 Condition, MedicationRequest, AllergyIntolerance. Treatment follows the usual
//! steps of primary care and is not advice.

use crate::bundle::{Ref, system};
use crate::course::{Course, Known, Medication};
use crate::day::{At, Day};
use crate::foundation::staff_name;
use crate::json::Json;
use crate::tables::allergies::{self, ALLERGIES};
use crate::tables::drugs::{self as d, Drug, Form};
use crate::tables::problems::{Acute, Chronic, PROBLEMS};
use crate::tables::procedures::{HISTORY, SPIROMETRY, STENT};
use crate::visit::{Kind, Visit};

/// New problems found at one visit, at most.
const FOUND_MAX: usize = 2;

impl Course<'_> {
    /// The first visit: allergies, operations, and problems that began before.
    pub(crate) fn take_history(&mut self, visit: &mut Visit) {
        self.draw_allergies(visit);
        let day = visit.at.day;
        let age = day.age(self.person.birth);
        for row in &PROBLEMS {
            let earlier = self.onset[row.key as usize].is_some_and(|o| day.0 - o.0 > 120);
            if earlier && self.has(row.key, day) && is_recorded(row.key, self, day) {
                self.diagnose(visit, row.key);
            }
        }
        if age >= 25 {
            let (coded, _) = {
                let weights: Vec<u32> = HISTORY.iter().map(|row| row.1).collect();
                &HISTORY[self.rng.weighted(&weights)]
            };
            let fits = !(coded.2 == "Hysterectomy" && !(self.person.is_female() && age > 45))
                && !(coded.2.starts_with("Total knee") && age < 62);
            if fits && self.rng.chance(0.3) {
                let years = self.rng.range(2, i64::from(age - 20).max(3)) as i32;
                self.past_procedure(visit, *coded, day.plus_months(-12 * years));
            }
        }
    }

    fn draw_allergies(&mut self, visit: &Visit) {
        let months = visit.at.day.age_months(self.person.birth);
        if let Some(story) = self.person.curated {
            for idx in story.allergies {
                self.write_allergy(visit, *idx);
            }
        } else if months >= 9 {
            let weights: Vec<u32> = ALLERGIES.iter().map(|row| row.weight).collect();
            let share = if months < 120 { 0.12 } else { 0.3 };
            for _ in 0..3 {
                if !self.rng.chance(share) {
                    break;
                }
                let idx = self.rng.weighted(&weights);
                if !self.allergies.contains(&idx) {
                    self.write_allergy(visit, idx);
                }
            }
        }
        if self.allergies.is_empty() && months >= 9 {
            self.no_allergy(visit);
        }
    }

    /// Finds what is there and was not known.
    pub(crate) fn find_diseases(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        let mut found = 0;
        for row in &PROBLEMS {
            if found == FOUND_MAX {
                break;
            }
            let unknown = self.known[row.key as usize].is_none();
            if unknown && self.has(row.key, day) && is_recorded(row.key, self, day) {
                self.diagnose(visit, row.key);
                found += 1;
            }
        }
        let heavy = self.body.bmi(day, &self.influence(day)) >= 30.5;
        let unknown = self.known[Chronic::Obesity as usize].is_none();
        if heavy && unknown && day.age(self.person.birth) >= 18 && self.rng.chance(0.6) {
            self.onset[Chronic::Obesity as usize] = Some(day);
            self.diagnose(visit, Chronic::Obesity);
        }
    }

    /// Puts a problem on the list and begins its treatment.
    pub(crate) fn diagnose(&mut self, visit: &mut Visit, chronic: Chronic) {
        let row = &PROBLEMS[chronic as usize];
        let condition = self.bundle.reserve("Condition", 'c');
        self.known[chronic as usize] = Some(Known {
            condition,
            recorded: visit.at,
            encounter: visit.encounter,
            recorder: visit.provider,
            abated: None,
        });
        visit.diagnoses.push((condition, row.text));
        if chronic == Chronic::Diabetes {
            self.end_problem(Chronic::Prediabetes, visit.at.day);
        }
        let reason = Some((condition, row.text));
        let (drugs, plan) = self.first_treatment(chronic, visit.at.day);
        for drug in drugs {
            if !self.takes(drug) {
                self.prescribe(visit, drug, reason);
            }
        }
        visit.note.plan.push(format!("{}: {plan}", row.text));
        match chronic {
            Chronic::CoronaryDisease if self.severity > 0.5 => {
                let day = self.onset[chronic as usize].unwrap_or(visit.at.day);
                self.past_procedure(visit, STENT, day.plus(20));
            }
            Chronic::Copd => {
                self.procedure(visit, SPIROMETRY, "FEV1/FVC 0.62 after bronchodilator.");
            }
            _ => {}
        }
    }

    fn end_problem(&mut self, chronic: Chronic, day: Day) {
        if let Some(known) = &mut self.known[chronic as usize]
            && known.abated.is_none()
        {
            known.abated = Some(day);
            let condition = known.condition;
            for medication in &mut self.medications {
                let belongs = medication.reason.is_some_and(|(r, _)| is_same(r, condition));
                if belongs && medication.end.is_none() {
                    medication.end = Some((day, "completed"));
                }
            }
        }
    }

    /// What is started when a problem is found, and what the note says.
    fn first_treatment(
        &mut self,
        chronic: Chronic,
        day: Day,
    ) -> (Vec<&'static Drug>, &'static str) {
        let is_child = day.age(self.person.birth) < 15;
        let no_ace = self.allergies.contains(&allergies::LISINOPRIL);
        match chronic {
            Chronic::Hypertension => {
                self.steps.pressure = 1;
                let first = if no_ace { &d::LOSARTAN_50 } else { &d::LISINOPRIL_10 };
                (vec![first], "begin treatment, home readings, less salt, recheck in six weeks.")
            }
            Chronic::Diabetes => {
                self.steps.sugar = 1;
                (vec![&d::METFORMIN_500], "begin metformin, nutrition visit, eye examination.")
            }
            Chronic::Hyperlipidemia if is_child || day.age(self.person.birth) < 35 => {
                (vec![], "diet and exercise, repeat in a year.")
            }
            Chronic::Hyperlipidemia => {
                self.steps.lipid = self.steps.lipid.max(1);
                (vec![&d::ATORVASTATIN_20], "statin after shared decision, lipids in three months.")
            }
            Chronic::CoronaryDisease => {
                self.steps.lipid = 3;
                self.stop(&d::ATORVASTATIN_20, day);
                self.stop(&d::ATORVASTATIN_40, day);
                (
                    vec![&d::ASPIRIN, &d::ATORVASTATIN_80, &d::METOPROLOL_50, &d::NITROGLYCERIN],
                    "antiplatelet, intensive statin, beta blocker.",
                )
            }
            Chronic::HeartFailure => {
                self.stop(&d::METOPROLOL_50, day);
                (
                    vec![&d::CARVEDILOL_12, &d::FUROSEMIDE_40, &d::SPIRONOLACTONE],
                    "daily weights, fluid limit, beta blocker and diuretics.",
                )
            }
            Chronic::AtrialFibrillation => {
                self.stop(&d::ASPIRIN, day);
                (vec![&d::APIXABAN, &d::METOPROLOL_50], "anticoagulation and rate control.")
            }
            Chronic::Tachycardia => {
                (vec![&d::METOPROLOL_50], "beta blocker, vagal maneuvers taught.")
            }
            Chronic::Hypothyroidism => {
                self.steps.thyroid = 1;
                (vec![&d::LEVOTHYROXINE_50], "begin levothyroxine, TSH in eight weeks.")
            }
            Chronic::Depression => {
                self.steps.mood = 1;
                let first = if is_child { &d::FLUOXETINE } else { &d::SERTRALINE_50 };
                (vec![first], "no suicidal thoughts; begin medication and therapy.")
            }
            Chronic::Anxiety => {
                let drugs =
                    if is_child || self.severity < 0.5 { vec![] } else { vec![&d::VENLAFAXINE] };
                (drugs, "cognitive behavioral therapy; breathing exercises.")
            }
            Chronic::Asthma if self.severity > 0.55 && !is_child => (
                vec![&d::ALBUTEROL, &d::FLUTICASONE],
                "controller and rescue inhaler, action plan given.",
            ),
            Chronic::Asthma => {
                (vec![&d::ALBUTEROL], "rescue inhaler with spacer, action plan given.")
            }
            Chronic::Copd => (vec![&d::ALBUTEROL, &d::SALMETEROL], "inhalers taught, spirometry."),
            Chronic::Adhd if day.age(self.person.birth) >= 6 && self.severity > 0.3 => {
                (vec![&d::METHYLPHENIDATE], "stimulant trial, school plan.")
            }
            Chronic::Adhd => (vec![], "behavioral therapy first."),
            Chronic::Gerd => {
                (vec![&d::OMEPRAZOLE], "eight weeks of omeprazole, raise head of bed.")
            }
            Chronic::Migraine if is_child => (vec![], "regular sleep and meals, ibuprofen early."),
            Chronic::Migraine => (vec![&d::SUMATRIPTAN], "triptan for attacks, headache diary."),
            Chronic::Osteoarthritis => {
                (vec![&d::ACETAMINOPHEN], "exercise, weight, acetaminophen.")
            }
            Chronic::BackPain if self.severity > 0.6 => {
                (vec![&d::NAPROXEN], "physical therapy, naproxen for flares.")
            }
            Chronic::Osteoporosis => {
                (vec![&d::ALENDRONATE], "bisphosphonate, calcium in diet, balance.")
            }
            Chronic::Prostate => (vec![&d::TAMSULOSIN], "tamsulosin, less fluid in the evening."),
            Chronic::AllergicRhinitis if is_child => (vec![], "saline rinse, avoid triggers."),
            Chronic::AllergicRhinitis if self.severity > 0.5 => {
                (vec![&d::FLUTICASONE_NASAL], "nasal steroid in season.")
            }
            Chronic::AllergicRhinitis => (vec![&d::CETIRIZINE], "antihistamine in season."),
            Chronic::Eczema | Chronic::Psoriasis => {
                (vec![&d::HYDROCORTISONE], "emollients twice daily, steroid for flares.")
            }
            Chronic::Insomnia if self.severity > 0.5 => {
                (vec![&d::TRAZODONE], "sleep hygiene; low-dose trazodone.")
            }
            Chronic::Gout => (vec![&d::ALLOPURINOL], "allopurinol, less alcohol and red meat."),
            Chronic::IronDeficiency => {
                (vec![&d::FERROUS_SULFATE], "oral iron, look for the source.")
            }
            Chronic::Dementia => {
                (vec![&d::DONEPEZIL], "donepezil, caregiver support, driving reviewed.")
            }
            Chronic::Neuropathy => {
                (vec![&d::GABAPENTIN], "foot care, gabapentin at night, then more.")
            }
            Chronic::KidneyDisease => (vec![], "avoid NSAIDs, blood pressure below 130/80."),
            Chronic::Prediabetes => (vec![], "lifestyle program, A1c in a year."),
            Chronic::Obesity => (vec![], "goal of five percent in six months."),
            Chronic::Nicotine => (vec![], "advised to quit, counseling offered."),
            _ => (vec![], "discussed, will watch."),
        }
    }

    /// Treats what is on the list by what was measured today.
    pub(crate) fn review_problems(&mut self, visit: &mut Visit) {
        if self.treats(Chronic::Hypertension) {
            self.review_pressure(visit);
        }
        if self.treats(Chronic::Diabetes) {
            self.review_sugar(visit);
        }
        if self.treats(Chronic::Hyperlipidemia) {
            self.review_lipids(visit);
        }
        if self.treats(Chronic::Hypothyroidism) {
            self.review_thyroid(visit);
        }
        if self.treats(Chronic::Depression) {
            self.review_mood(visit);
        }
        self.review_passing(visit);
        for chronic in
            [Chronic::Asthma, Chronic::Copd, Chronic::HeartFailure, Chronic::KidneyDisease]
        {
            if self.treats(chronic) {
                self.mention(visit, chronic, "stable, continue.");
            }
        }
        if visit.diagnoses.is_empty()
            && !matches!(visit.kind, Kind::Well)
            && let Some(chronic) = Chronic::first_treated(self)
        {
            self.mention(visit, chronic, "stable, continue.");
        }
    }

    fn mention(&mut self, visit: &mut Visit, chronic: Chronic, plan: &str) {
        let Some(known) = self.known[chronic as usize] else { return };
        let row = &PROBLEMS[chronic as usize];
        let listed = visit.diagnoses.iter().any(|(c, _)| is_same(*c, known.condition));
        if !listed && visit.diagnoses.len() < 6 {
            visit.diagnoses.push((known.condition, row.text));
            visit.note.plan.push(format!("{}: {plan}", row.text));
        }
    }

    fn review_pressure(&mut self, visit: &mut Visit) {
        let Some((systolic, diastolic)) = visit.note.pressure else { return };
        let is_high = systolic >= 140 || diastolic >= 90;
        let known = self.known[Chronic::Hypertension as usize].expect("treated, so known");
        let reason = Some((known.condition, "Essential hypertension"));
        let day = visit.at.day;
        if !is_high || day.0 - known.recorded.day.0 < 25 {
            let plan = if is_high { "recheck after treatment." } else { "at goal, continue." };
            self.mention(visit, Chronic::Hypertension, plan);
            return;
        }
        if self.rng.chance(0.3) {
            self.mention(
                visit,
                Chronic::Hypertension,
                "above goal, missed doses; reviewed reasons.",
            );
            return;
        }
        let sartan = self.allergies.contains(&allergies::LISINOPRIL);
        match self.steps.pressure {
            1 if !sartan && self.rng.chance(0.1) => {
                self.write_allergy(visit, allergies::LISINOPRIL);
                self.stop(&d::LISINOPRIL_10, day);
                self.prescribe(visit, &d::LOSARTAN_50, reason);
            }
            1 => {
                self.stop(&d::LISINOPRIL_10, day);
                self.stop(&d::LOSARTAN_50, day);
                self.prescribe(
                    visit,
                    if sartan { &d::LOSARTAN_100 } else { &d::LISINOPRIL_20 },
                    reason,
                );
                self.steps.pressure = 2;
            }
            2 => {
                self.prescribe(visit, &d::AMLODIPINE_5, reason);
                self.steps.pressure = 3;
            }
            3 => {
                self.stop(&d::AMLODIPINE_5, day);
                self.prescribe(visit, &d::AMLODIPINE_10, reason);
                self.steps.pressure = 4;
            }
            4 if !self.takes(&d::FUROSEMIDE_40) => {
                self.prescribe(visit, &d::HYDROCHLOROTHIAZIDE, reason);
                self.steps.pressure = 5;
            }
            _ => {}
        }
        self.mention(visit, Chronic::Hypertension, "above goal, treatment stepped up.");
    }

    fn review_sugar(&mut self, visit: &mut Visit) {
        let Some(a1c) = visit.note.a1c else {
            self.mention(visit, Chronic::Diabetes, "home readings reviewed, feet examined.");
            return;
        };
        let known = self.known[Chronic::Diabetes as usize].expect("treated, so known");
        let reason = Some((known.condition, "Type 2 diabetes mellitus"));
        let goal = if visit.at.day.age(self.person.birth) >= 75 { 80 } else { 73 };
        if a1c < goal || visit.at.day.0 - known.recorded.day.0 < 60 || self.rng.chance(0.25) {
            self.mention(visit, Chronic::Diabetes, "A1c reviewed, continue.");
            return;
        }
        match self.steps.sugar {
            1 => {
                self.stop(&d::METFORMIN_500, visit.at.day);
                self.prescribe(visit, &d::METFORMIN_1000, reason);
            }
            2 if self.severity > 0.4 => self.prescribe(visit, &d::EMPAGLIFLOZIN, reason),
            2 => self.prescribe(visit, &d::GLIPIZIDE, reason),
            3 => self.prescribe(visit, &d::SEMAGLUTIDE, reason),
            4 => self.prescribe(visit, &d::GLARGINE, reason),
            _ => {}
        }
        self.steps.sugar = (self.steps.sugar + 1).min(5);
        self.mention(visit, Chronic::Diabetes, "A1c above goal, treatment stepped up.");
    }

    fn review_lipids(&mut self, visit: &mut Visit) {
        let Some(ldl) = visit.note.ldl else { return };
        let known = self.known[Chronic::Hyperlipidemia as usize].expect("treated, so known");
        let reason = Some((known.condition, "Hyperlipidemia"));
        let day = visit.at.day;
        let goal = if self.treats(Chronic::CoronaryDisease) { 70 } else { 115 };
        if ldl <= goal {
            self.mention(visit, Chronic::Hyperlipidemia, "LDL at goal.");
            return;
        }
        match self.steps.lipid {
            0 if day.age(self.person.birth) >= 35 => {
                self.prescribe(visit, &d::ATORVASTATIN_20, reason);
                self.steps.lipid = 1;
            }
            1 => {
                self.stop(&d::ATORVASTATIN_20, day);
                self.prescribe(visit, &d::ATORVASTATIN_40, reason);
                self.steps.lipid = 2;
            }
            2 if self.treats(Chronic::CoronaryDisease) => {
                self.stop(&d::ATORVASTATIN_40, day);
                self.prescribe(visit, &d::ATORVASTATIN_80, reason);
                self.steps.lipid = 3;
            }
            _ => {}
        }
        self.mention(visit, Chronic::Hyperlipidemia, "LDL above goal, statin reviewed.");
    }

    fn review_thyroid(&mut self, visit: &mut Visit) {
        let known = self.known[Chronic::Hypothyroidism as usize].expect("treated, so known");
        let reason = Some((known.condition, "Hypothyroidism"));
        let day = visit.at.day;
        let measured = self.last.thyroid == Some(day);
        let waited = day.0 - known.recorded.day.0 > 50;
        if measured && waited && self.steps.thyroid < 3 && self.rng.chance(0.7) {
            let (old, new) = if self.steps.thyroid == 1 {
                (&d::LEVOTHYROXINE_50, &d::LEVOTHYROXINE_75)
            } else {
                (&d::LEVOTHYROXINE_75, &d::LEVOTHYROXINE_100)
            };
            self.stop(old, day);
            self.prescribe(visit, new, reason);
            self.steps.thyroid += 1;
            self.mention(visit, Chronic::Hypothyroidism, "dose adjusted by TSH.");
        } else {
            self.mention(visit, Chronic::Hypothyroidism, "continue levothyroxine.");
        }
    }

    fn review_mood(&mut self, visit: &mut Visit) {
        let known = self.known[Chronic::Depression as usize].expect("treated, so known");
        let day = visit.at.day;
        let score = self.mood_score(day);
        self.write_phq9(visit, score);
        if score >= 12 && self.steps.mood == 1 && day.0 - known.recorded.day.0 > 35 {
            self.stop(&d::SERTRALINE_50, day);
            self.prescribe(visit, &d::SERTRALINE_100, Some((known.condition, "Depression")));
            self.steps.mood = 2;
        }
        if score <= 4 && day.0 - known.recorded.day.0 > 400 && self.rng.chance(0.25) {
            self.end_problem(Chronic::Depression, day);
            visit.note.plan.push("Depression: in remission, medication tapered.".to_owned());
            return;
        }
        self.mention(visit, Chronic::Depression, "PHQ-9 reviewed, continue with therapy.");
    }

    /// PHQ-9 score on `day`: high at first, falling with treatment.
    pub(crate) fn mood_score(&mut self, day: Day) -> i64 {
        let noise = crate::body::round(self.rng.normal() * 1.8);
        let Some(known) = self.known[Chronic::Depression as usize] else {
            let sick = self.has(Chronic::Depression, day);
            return (if sick { 13 } else { 2 } + noise).clamp(0, 24);
        };
        let months = f64::from(day.0 - known.recorded.day.0) / 30.0;
        let begin = 13.0 + self.severity * 7.0;
        let fall = (months / 8.0).clamp(0.0, 1.0) * (0.35 + 0.55 * self.body.adherence);
        (crate::body::round(begin * (1.0 - fall)) + noise).clamp(0, 27)
    }

    /// Problems that pass by themselves or by treatment.
    fn review_passing(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        for (chronic, days) in [
            (Chronic::IronDeficiency, 240),
            (Chronic::VitaminD, 300),
            (Chronic::Acne, 1500),
            (Chronic::Insomnia, 900),
            (Chronic::Gerd, 1100),
        ] {
            let Some(known) = self.known[chronic as usize] else { continue };
            if known.abated.is_none() && day.0 - known.recorded.day.0 > days && self.rng.chance(0.4)
            {
                self.end_problem(chronic, day);
                visit.note.plan.push(format!("{}: resolved.", PROBLEMS[chronic as usize].text));
            }
        }
        if self.treats(Chronic::Nicotine) && self.quit.is_some_and(|quit| quit <= day) {
            self.end_problem(Chronic::Nicotine, day);
            visit.note.plan.push("Tobacco use: has quit, congratulated.".to_owned());
        }
    }

    /// Prescribes `drug`; written at the end with its final status.
    pub(crate) fn prescribe(
        &mut self,
        visit: &mut Visit,
        drug: &'static Drug,
        reason: Option<(Ref, &'static str)>,
    ) {
        let own = self.bundle.reserve("MedicationRequest", 'm');
        self.medications.push(Medication {
            own,
            drug,
            start: visit.at.plus(visit.minutes),
            encounter: visit.encounter,
            requester: visit.provider,
            reason,
            end: None,
        });
        visit.note.plan.push(format!("Prescribed {}: {}.", drug.name, drug.sig));
    }

    /// Stops `drug` when it is being taken.
    pub(crate) fn stop(&mut self, drug: &Drug, day: Day) {
        for medication in &mut self.medications {
            if medication.end.is_none() && medication.drug.code == drug.code {
                medication.end = Some((day, "stopped"));
            }
        }
    }

    /// The short course of an acute illness.
    pub(crate) fn prescribe_acute(&mut self, visit: &mut Visit, acute: &Acute, condition: Ref) {
        let Some(mut drug) = d::by_code(acute.drug) else { return };
        let age = visit.at.day.age(self.person.birth);
        let allergic = self.allergies.contains(&allergies::PENICILLIN)
            || self.allergies.iter().any(|idx| ALLERGIES[*idx].code == "723");
        if allergic && (drug.name.starts_with("amoxicillin") || drug.name.starts_with("cephalexin"))
        {
            drug = &d::AZITHROMYCIN;
        } else if age < 12 && drug.name.starts_with("amoxicillin") {
            drug = &d::AMOXICILLIN_LIQUID;
        } else if age < 12 {
            return;
        }
        if !self.takes(drug) {
            self.prescribe(visit, drug, Some((condition, acute.text)));
            let end = visit.at.day.plus(drug.days as i32);
            let medication = self.medications.last_mut().expect("just pushed");
            medication.end = Some((end, "completed"));
        }
    }

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
        let onset = self.onset[chronic as usize].unwrap_or(known.recorded.day);
        let onset = onset.min(known.recorded.day);
        let icd = if chronic == Chronic::Diabetes && self.known_kidney() {
            ("E11.22", "Type 2 diabetes mellitus with diabetic chronic kidney disease")
        } else {
            row.icd
        };
        self.bundle.put(known.condition, "us-core-condition-problems-health-concerns", |j| {
            let status = if known.abated.is_some() { "resolved" } else { "active" };
            j.hl7("clinicalStatus", "condition-clinical", status);
            j.hl7("verificationStatus", "condition-ver-status", "confirmed");
            j.category("category", "condition-category", "problem-list-item", "Problem List Item");
            j.object("code", |j| codes(j, row.snomed, icd, row.text));
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

    fn known_kidney(&self) -> bool {
        self.known[Chronic::KidneyDisease as usize].is_some()
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
            j.identifiers("prescription", format_args!("{}", medication.own));
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

    fn write_allergy(&mut self, visit: &Visit, idx: usize) {
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

    fn no_allergy(&mut self, visit: &Visit) {
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

/// Some problems that are there are not (yet) written down.
fn is_recorded(chronic: Chronic, course: &mut Course<'_>, day: Day) -> bool {
    let age = day.age(course.person.birth);
    let has_quit = course.quit.is_some_and(|quit| quit <= day);
    match chronic {
        Chronic::Prediabetes => !course.has(Chronic::Diabetes, day),
        Chronic::Nicotine => !has_quit && age >= 16,
        Chronic::Adhd => age >= 5,
        Chronic::VitaminD | Chronic::Rosacea | Chronic::Acne => course.rng.chance(0.4),
        _ => course.rng.chance(0.85),
    }
}

fn is_same(a: Ref, b: Ref) -> bool {
    match (a, b) {
        (Ref::Own { tag: s, number: n, .. }, Ref::Own { tag: t, number: m, .. }) => {
            s == t && n == m
        }
        _ => false,
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
            j.date("end", end.unwrap_or(start.day.plus(365)).max(start.day));
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
