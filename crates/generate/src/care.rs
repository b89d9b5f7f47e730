//! Finding and treating disease.
//!
//! Treatment follows the usual steps of primary care and is not advice. [`crate::lists`] writes what is
//! decided here.

use crate::bundle::Ref;
use crate::course::{Course, Known, Medication};
use crate::day::Day;
use crate::tables::allergies::{self, ALLERGIES};
use crate::tables::drugs::{self as d, Drug};
use crate::tables::labs;
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
        if self.person.is_female() && (18..42).contains(&age) && self.rng.chance(0.22) {
            self.prescribe(visit, &d::CONTRACEPTIVE, None);
        }
        if !self.person.is_female() && (45..76).contains(&age) && self.rng.chance(0.1) {
            self.prescribe(visit, &d::SILDENAFIL, None);
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

    fn draw_allergies(&mut self, visit: &mut Visit) {
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
        let is_severe = self.allergies.iter().any(|idx| {
            let row = &ALLERGIES[*idx];
            row.criticality == "high" && row.category != "medication"
        });
        if is_severe && months >= 72 {
            self.prescribe(visit, &d::EPINEPHRINE, None);
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
                self.confirm(visit, row.key);
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

    /// Tests that show what was suspected, unless done today.
    fn confirm(&mut self, visit: &mut Visit, chronic: Chronic) {
        let day = Some(visit.at.day);
        match chronic {
            Chronic::Diabetes | Chronic::Prediabetes if self.last.a1c != day => {
                self.last.a1c = day;
                self.panel(visit, &labs::A1C);
            }
            Chronic::IronDeficiency => {
                if self.last.count != day {
                    self.last.count = day;
                    self.panel(visit, &labs::BLOOD_COUNT);
                }
                self.panel(visit, &labs::FERRITIN);
            }
            Chronic::Hypothyroidism if self.last.thyroid != day => {
                self.last.thyroid = day;
                self.panel(visit, &labs::TSH);
            }
            Chronic::Hyperlipidemia if self.last.lipid != day => {
                self.last.lipid = day;
                self.panel(visit, &labs::LIPID);
            }
            Chronic::KidneyDisease => {
                if self.last.metabolic != day {
                    self.last.metabolic = day;
                    self.panel(visit, &labs::BASIC);
                }
                if self.last.urine != day {
                    self.last.urine = day;
                    self.panel(visit, &labs::URINE_ALBUMIN);
                }
            }
            Chronic::Gout => self.panel(visit, &labs::URATE),
            Chronic::HeartFailure => self.panel(visit, &labs::NT_PRO_BNP),
            Chronic::FattyLiver if self.last.metabolic != day => {
                self.last.metabolic = day;
                self.panel(visit, &labs::METABOLIC);
            }
            _ => {}
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
        let began = self.onset[chronic as usize].unwrap_or(visit.at.day);
        let is_old = self.visits == 1 && visit.at.day.0 - began.0 > 120;
        let plan = if is_old { "known from before, treatment continued." } else { plan };
        visit.note.plan.push(format!("{}: {plan}", row.text));
        if row.follow_up_weeks > 0 && !drugs.is_empty() {
            self.recheck_weeks = Some(7);
        }
        for drug in drugs {
            if !self.takes(drug) {
                self.prescribe(visit, drug, reason);
            }
        }
        match chronic {
            Chronic::CoronaryDisease if self.severity > 0.5 => {
                let day = self.onset[chronic as usize].unwrap_or(visit.at.day);
                self.past_procedure(visit, STENT, day.plus(20));
                if visit.at.day.0 - day.0 < 200 {
                    let begin = day.plus(3).max(self.person.birth);
                    self.write_stay(begin, 3, condition, "Coronary artery disease");
                }
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
        let is_recent = self.practice.today.0 - visit.at.day.0 < 400;
        if is_recent && self.body.adherence > 0.75 {
            self.home_readings(visit.at.day);
        }
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
        let is_most =
            self.steps.pressure >= 5 || self.steps.pressure == 4 && self.takes(&d::FUROSEMIDE_40);
        if is_most {
            let plan = "above goal on full treatment; salt, alcohol and missed doses reviewed.";
            self.mention(visit, Chronic::Hypertension, plan);
            return;
        }
        self.recheck_weeks = Some(6);
        self.mention(visit, Chronic::Hypertension, "above goal, treatment stepped up.");
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
            4 => {
                self.prescribe(visit, &d::HYDROCHLOROTHIAZIDE, reason);
                self.steps.pressure = 5;
            }
            _ => {}
        }
    }

    fn review_sugar(&mut self, visit: &mut Visit) {
        let Some(a1c) = visit.note.a1c else {
            let plan = match visit.kind {
                Kind::Video => "home readings reviewed, A1c when next in the office.",
                _ => "home readings reviewed, feet examined.",
            };
            self.mention(visit, Chronic::Diabetes, plan);
            return;
        };
        let known = self.known[Chronic::Diabetes as usize].expect("treated, so known");
        let reason = Some((known.condition, "Type 2 diabetes mellitus"));
        let goal = if visit.at.day.age(self.person.birth) >= 75 { 80 } else { 73 };
        if a1c < goal || visit.at.day.0 - known.recorded.day.0 < 60 || self.rng.chance(0.25) {
            self.mention(visit, Chronic::Diabetes, "A1c reviewed, continue.");
            return;
        }
        if self.steps.sugar >= 5 {
            self.mention(visit, Chronic::Diabetes, "A1c above goal, insulin dose raised.");
            return;
        }
        self.recheck_weeks = Some(13);
        self.mention(visit, Chronic::Diabetes, "A1c above goal, treatment stepped up.");
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
        self.steps.sugar += 1;
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
        self.mention(visit, Chronic::Hyperlipidemia, "LDL above goal, statin reviewed.");
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
            self.mention(visit, Chronic::Hypothyroidism, "dose adjusted by TSH.");
            self.stop(old, day);
            self.prescribe(visit, new, reason);
            self.steps.thyroid += 1;
            self.recheck_weeks = Some(8);
        } else {
            self.mention(visit, Chronic::Hypothyroidism, "continue levothyroxine.");
        }
    }

    fn review_mood(&mut self, visit: &mut Visit) {
        let known = self.known[Chronic::Depression as usize].expect("treated, so known");
        let day = visit.at.day;
        let score = self.mood_score(day);
        self.write_phq9(visit, score);
        let has_waited = day.0 - known.recorded.day.0 > 35;
        if score >= 12 && self.steps.mood == 1 && has_waited && self.takes(&d::SERTRALINE_50) {
            self.mention(visit, Chronic::Depression, "still symptoms, dose raised.");
            self.stop(&d::SERTRALINE_50, day);
            self.prescribe(visit, &d::SERTRALINE_100, Some((known.condition, "Depression")));
            self.steps.mood = 2;
            self.recheck_weeks = Some(6);
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
        let line = format!("Prescribed {}: {}.", drug.name, drug.sig);
        match visit.note.plan.last_mut() {
            Some(last) if reason.is_some_and(|(_, text)| last.starts_with(text)) => {
                last.push(' ');
                last.push_str(&line);
            }
            _ => visit.note.plan.push(line),
        }
    }

    /// Stops `drug` when it is being taken.
    pub(crate) fn stop(&mut self, drug: &Drug, day: Day) {
        // What was replaced before the patient left was never prescribed.
        self.medications.retain(|m| !(m.drug.code == drug.code && m.start.day == day));
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
        self.prescribe_course(visit, drug, condition, acute.text);
    }

    /// Prescribes `drug` until its supply ends, unless it is being taken.
    pub(crate) fn prescribe_course(
        &mut self,
        visit: &mut Visit,
        drug: &'static Drug,
        condition: Ref,
        text: &'static str,
    ) {
        if !self.takes(drug) {
            self.prescribe(visit, drug, Some((condition, text)));
            let end = visit.at.day.plus(drug.days as i32);
            let medication = self.medications.last_mut().expect("just pushed");
            medication.end = Some((end, "completed"));
        }
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
