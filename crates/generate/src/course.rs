//! The course of one patient: what happens between joining the practice and today.
//!
//! Latent disease begins by age-dependent chance; visits happen by schedule, need and illness; each
//! visit measures, finds, treats and writes. What may still change (problems, medications) is held
//! back and written at the end with its final status.

use crate::body::{Body, Influence};
use crate::booking::Booking;
use crate::bundle::{Bundle, Ref};
use crate::day::{At, Day};
use crate::person::{Person, Role, Sex};
use crate::rng::Rng;
use crate::tables::drugs::Drug;
use crate::tables::problems::{CHRONIC_COUNT, Chronic, PROBLEMS};
use crate::tables::staff::Staff;
use crate::tables::vaccines::WELL_CHILD;
use crate::visit::Kind;
use crate::{Practice, PracticeKind};

const COURSE: u64 = 0x434f;
/// Encounters per Bundle of a heavy patient.
const HEAVY_PER_BUNDLE: usize = 100;

/// A problem on the list.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The Condition.
    pub condition: Ref,
    /// First recorded.
    pub recorded: At,
    /// At which visit.
    pub encounter: Ref,
    /// Who recorded it.
    pub recorder: &'static Staff,
    /// When it ended.
    pub abated: Option<Day>,
}

/// A prescription.
#[derive(Clone, Copy, Debug)]
pub struct Medication {
    /// The MedicationRequest.
    pub own: Ref,
    /// What.
    pub drug: &'static Drug,
    /// Since when.
    pub start: At,
    /// At which visit.
    pub encounter: Ref,
    /// By whom.
    pub requester: &'static Staff,
    /// For which Condition, with its name.
    pub reason: Option<(Ref, &'static str)>,
    /// Day and final status, `stopped` or `completed`.
    pub end: Option<(Day, &'static str)>,
}

/// When something was done last.
#[derive(Debug, Default)]
pub struct Last {
    pub(crate) metabolic: Option<Day>,
    pub(crate) lipid: Option<Day>,
    pub(crate) a1c: Option<Day>,
    pub(crate) count: Option<Day>,
    pub(crate) thyroid: Option<Day>,
    pub(crate) urine: Option<Day>,
    pub(crate) colonoscopy: Option<Day>,
    pub(crate) mammogram: Option<Day>,
    pub(crate) pap: Option<Day>,
    pub(crate) bone: Option<Day>,
    pub(crate) electrocardiogram: Option<Day>,
    pub(crate) echocardiogram: Option<Day>,
    pub(crate) mood: Option<Day>,
    pub(crate) smoking: Option<Day>,
    pub(crate) height: Option<Day>,
    pub(crate) family_history: Option<Day>,
    pub(crate) referral: Option<Day>,
    pub(crate) tetanus: Option<Day>,
    pub(crate) covid: Option<Day>,
    /// Autumn of the last influenza vaccine.
    pub(crate) flu_year: i32,
    pub(crate) zoster: i64,
    pub(crate) pneumococcus: bool,
    pub(crate) rsv: bool,
    /// Rows of the child schedule that are done.
    pub(crate) child_doses: usize,
}

/// How far each treatment has been stepped up.
#[derive(Debug, Default)]
pub struct Steps {
    pub(crate) pressure: usize,
    pub(crate) sugar: usize,
    pub(crate) lipid: usize,
    pub(crate) mood: usize,
    pub(crate) thyroid: usize,
}

/// One patient under way.
#[derive(Debug)]
pub struct Course<'a> {
    pub(crate) practice: &'a Practice,
    pub(crate) person: &'a Person,
    pub(crate) bundle: Bundle,
    pub(crate) rng: Rng,
    pub(crate) body: Body,
    pub(crate) start: Day,
    /// When each disease begins, known or not.
    pub(crate) onset: [Option<Day>; CHRONIC_COUNT],
    pub(crate) known: [Option<Known>; CHRONIC_COUNT],
    pub(crate) medications: Vec<Medication>,
    /// Indexes in `ALLERGIES`.
    pub(crate) allergies: Vec<usize>,
    pub(crate) last: Last,
    pub(crate) steps: Steps,
    pub(crate) provider: &'static Staff,
    pub(crate) booking: Option<Booking>,
    pub(crate) visits: u32,
    /// Day smoking stopped, for those who smoke.
    pub(crate) quit: Option<Day>,
    pub(crate) severity: f64,
    pub(crate) vaccinates: f64,
    /// Age in months of the last well child visit planned.
    last_well: i32,
    /// Weeks until the next visit after a change of treatment.
    pub(crate) recheck_weeks: Option<i32>,
}

impl<'a> Course<'a> {
    /// The course of `person`, nothing written yet.
    pub fn new(practice: &'a Practice, person: &'a Person) -> Course<'a> {
        let mut rng = Rng::new(practice.options.seed, COURSE, person.index);
        let body = Body::new(person, &mut rng);
        let booking = practice.bookings.of(person.index);
        let providers = practice.providers();
        let home = person.index / 4 + practice.options.seed;
        let provider =
            booking.map_or(&providers[(home % providers.len() as u64) as usize], |b| b.provider);
        let start = join_day(practice, person, &mut rng);
        let mut course = Course {
            practice,
            person,
            bundle: Bundle::new(person.index, 1 << 18),
            body,
            start,
            onset: [None; CHRONIC_COUNT],
            known: [None; CHRONIC_COUNT],
            medications: Vec::new(),
            allergies: Vec::new(),
            last: Last::default(),
            steps: Steps::default(),
            provider,
            booking,
            visits: 0,
            quit: None,
            severity: person.curated.map_or(rng.unit(), |story| story.severity),
            vaccinates: if person.curated.is_some() { 0.9 } else { rng.unit() },
            last_well: -1,
            recheck_weeks: None,
            rng,
        };
        course.draw_diseases();
        course
    }

    /// Runs the course and gives the Bundle.
    pub fn write(mut self) -> String {
        self.write_administration();
        self.run();
        self.write_open_matters();
        self.bundle.finish()
    }

    /// The last day of the story, exclusive.
    fn end(&self) -> Day {
        self.person.death.unwrap_or(self.practice.today)
    }

    fn run(&mut self) {
        let end = self.end();
        let mut well = self.next_well(self.start);
        let mut follow = self.first_follow();
        let mut acute = self.next_acute(self.start);
        let mut flu = self.next_flu(self.start);
        let mut fixed = self.booked_visit();
        loop {
            let next = [Some(well), follow, Some(acute), Some(flu), fixed.map(|b| b.day)];
            let day = next.into_iter().flatten().min().expect("a well visit is always planned");
            let is_fixed = fixed.is_some_and(|b| b.day == day);
            if day > end || (day == end && !is_fixed) {
                break;
            }
            if is_fixed {
                let booking = fixed.take();
                let kind = self.kind_of_booking(day);
                self.visit(day, kind, booking);
                follow = self.next_follow(day);
                well = well.max(day.plus(60));
            } else if day == well {
                if fixed.is_none_or(|b| (b.day.0 - day.0).abs() > 20) {
                    let kind = self.kind_of_well(day);
                    self.visit(day, kind, None);
                    follow = self.next_follow(day);
                }
                well = self.next_well(day.plus(1));
            } else if follow == Some(day) {
                if fixed.is_none_or(|b| (b.day.0 - day.0).abs() > 12) {
                    let kind = self.kind_of_follow(day);
                    self.visit(day, kind, None);
                }
                follow = self.next_follow(day);
            } else if day == acute {
                if let Some(kind) = self.draw_acute(day) {
                    self.visit(day, kind, None);
                }
                acute = self.next_acute(day.plus(1));
            } else {
                if self.wants_flu(day) {
                    self.visit(day, Kind::Vaccination, None);
                }
                flu = self.next_flu(day.plus(30));
            }
        }
        self.open_today();
    }

    /// A booking that happened and so has a visit.
    fn booked_visit(&self) -> Option<Booking> {
        let booking = self.booking?;
        let happened = booking.status == "fulfilled";
        let alive = self.person.death.is_none_or(|death| death > booking.day);
        (happened && alive && booking.day >= self.start).then_some(booking)
    }

    fn draw_diseases(&mut self) {
        if let Some(story) = self.person.curated {
            for (chronic, years) in story.problems {
                let jitter = self.rng.range(0, 200) as i32;
                let begin = self.practice.today.plus_months(-12 * years).plus(-jitter);
                self.onset[*chronic as usize] = Some(begin.max(self.person.birth.plus(90)));
            }
            return;
        }
        let heavy = self.body.bmi(self.practice.today, &Influence::default()) - 27.0;
        for row in &PROBLEMS {
            let risk = risk_factor(self.practice.options.kind, row.key, heavy);
            let draw = (self.rng.unit() / risk.max(0.05)) * 1000.0;
            let rates = if self.person.sex == Sex::Female { row.female } else { row.male };
            let jitter = self.rng.below(365) as i32;
            if row.key == Chronic::Obesity {
                continue;
            }
            if let Some(age_months) = onset_months(&rates, draw) {
                let age_months = age_months.max(12 * youngest(row.key));
                let day = self.person.birth.plus_months(age_months).plus(jitter);
                self.onset[row.key as usize] = Some(day);
            }
        }
        if self.onset[Chronic::Nicotine as usize].is_some() && self.rng.chance(0.55) {
            let years = self.rng.range(2, 24) as i32;
            let began = self.onset[Chronic::Nicotine as usize].expect("checked above");
            self.quit = Some(began.plus_months(12 * years));
        }
        // Diabetes begins as prediabetes.
        if let Some(day) = self.onset[Chronic::Diabetes as usize] {
            self.onset[Chronic::Prediabetes as usize] = Some(day.plus_months(-40));
        }
        if let Some(day) = self.onset[Chronic::CoronaryDisease as usize] {
            let lipid = &mut self.onset[Chronic::Hyperlipidemia as usize];
            *lipid = Some(lipid.map_or(day.plus_months(-30), |l| l.min(day.plus_months(-30))));
        }
    }

    /// True when the disease is there on `day`, known or not.
    pub(crate) fn has(&self, chronic: Chronic, day: Day) -> bool {
        let over = self.known[chronic as usize].and_then(|k| k.abated).is_some_and(|d| d <= day);
        self.onset[chronic as usize].is_some_and(|o| o <= day) && !over
    }

    /// True when the disease is on the list and not over.
    pub(crate) fn treats(&self, chronic: Chronic) -> bool {
        self.known[chronic as usize].is_some_and(|k| k.abated.is_none())
    }

    /// Years since the disease began, negative before; `None` when it never comes or is over.
    fn years_since(&self, chronic: Chronic, day: Day) -> Option<f64> {
        let over = self.known[chronic as usize].and_then(|k| k.abated).is_some_and(|d| d <= day);
        let onset = self.onset[chronic as usize]?;
        (!over).then(|| day.years_since(onset))
    }

    fn years_with(&self, chronic: Chronic, day: Day) -> Option<f64> {
        let onset = self.onset[chronic as usize]?;
        self.has(chronic, day).then(|| day.years_since(onset))
    }

    /// True when `drug` is being taken.
    pub(crate) fn takes(&self, drug: &Drug) -> bool {
        self.medications.iter().any(|m| m.end.is_none() && m.drug.code == drug.code)
    }

    pub(crate) fn months_on(&self, drug: &Drug, day: Day) -> f64 {
        let on = self.medications.iter().find(|m| m.end.is_none() && m.drug.code == drug.code);
        on.map_or(0.0, |m| day.years_since(m.start.day) * 12.0)
    }

    /// How disease and treatment move the body on `day`.
    pub(crate) fn influence(&self, day: Day) -> Influence {
        use crate::tables::drugs as d;
        let pressure = [0.0, 8.0, 13.0, 21.0, 26.0, 33.0][self.steps.pressure.min(5)];
        let other_pressure = f64::from(self.takes(&d::METOPROLOL_50)) * 4.0
            + f64::from(self.takes(&d::FUROSEMIDE_40)) * 4.0;
        let sugar = [0.0, 1.0, 1.6, 2.4, 3.4, 4.6][self.steps.sugar.min(5)];
        let lipid = [0.0, 0.38, 0.47, 0.53][self.steps.lipid.min(3)];
        let thyroid = [0.0, 0.7, 0.92, 1.0][self.steps.thyroid.min(3)];
        let weight = (self.months_on(&d::SEMAGLUTIDE, day) * 0.009).min(0.11);
        Influence {
            hypertension: self.years_since(Chronic::Hypertension, day),
            diabetes: self.years_with(Chronic::Diabetes, day),
            prediabetes: self.has(Chronic::Prediabetes, day),
            hyperlipidemia: self.has(Chronic::Hyperlipidemia, day),
            kidney_disease: self.years_since(Chronic::KidneyDisease, day),
            hypothyroidism: self.has(Chronic::Hypothyroidism, day),
            iron_deficiency: self.has(Chronic::IronDeficiency, day),
            fatty_liver: self.has(Chronic::FattyLiver, day),
            heart_failure: self.has(Chronic::HeartFailure, day),
            gout: self.has(Chronic::Gout, day),
            lung_disease: self.has(Chronic::Copd, day),
            pressure_drop: pressure + other_pressure,
            sugar_drop: sugar,
            ldl_drop: lipid,
            thyroid_share: thyroid,
            iron_months: self.months_on(&d::FERROUS_SULFATE, day),
            weight_drop: weight,
            beta_blocker: self.takes(&d::METOPROLOL_50) || self.takes(&d::CARVEDILOL_12),
            keeps_potassium: self.takes(&d::SPIRONOLACTONE) || self.steps.pressure > 0,
            lowers_urate: self.takes(&d::ALLOPURINOL),
        }
    }

    fn next_well(&mut self, after: Day) -> Day {
        let age = after.age(self.person.birth);
        if age < 18 {
            let months = after.age_months(self.person.birth);
            for due in WELL_CHILD.iter().filter(|due| **due >= months && **due > self.last_well) {
                let shift = if *due == 0 { 3 } else { self.rng.range(0, 12) as i32 };
                let day = self.person.birth.plus_months(*due).plus(shift).working();
                let attends = if *due < 24 { 0.95 } else { 0.75 };
                if day >= after && self.rng.chance(attends) {
                    self.last_well = *due;
                    return day;
                }
            }
        }
        let share = match (self.practice.options.kind, age) {
            (PracticeKind::Concierge, _) => 0.98,
            (PracticeKind::Specialty | PracticeKind::Medspa, _) => 0.2,
            (_, ..40) => 0.36,
            (_, 40..65) => 0.6,
            _ => 0.85,
        };
        let mut day = after.plus(self.rng.range(5, 60) as i32);
        if after > self.start {
            day = after.plus(self.rng.range(350, 420) as i32);
        }
        for _ in 0..6 {
            if self.rng.chance(share) {
                break;
            }
            day = day.plus(365);
        }
        day.working()
    }

    fn first_follow(&mut self) -> Option<Day> {
        match self.practice.options.kind {
            PracticeKind::Medspa | PracticeKind::Specialty => Some(self.start.plus(4).working()),
            _ => self.next_follow(self.start),
        }
    }

    /// The next visit for problems on the list, if any needs one.
    fn next_follow(&mut self, after: Day) -> Option<Day> {
        let weeks = match (self.practice.options.kind, self.person.curated) {
            (PracticeKind::Medspa, _) => self.rng.range(6, 30) as i32,
            (_, Some(story)) if story.every_weeks > 0 => story.every_weeks,
            _ => {
                let needs = PROBLEMS.iter().filter(|row| self.treats(row.key));
                let weeks = needs.map(|row| i32::from(row.follow_up_weeks)).filter(|w| *w > 0);
                weeks.min()?
            }
        };
        let weeks = self.recheck_weeks.take().map_or(weeks, |soon| soon.min(weeks));
        let late = 1.0 + 0.12 * self.rng.normal() + (1.0 - self.body.adherence) * 0.8;
        let days = (f64::from(weeks) * 7.0 * late.max(0.6)) as i32;
        Some(after.plus(days.max(10)).working())
    }

    fn next_acute(&mut self, after: Day) -> Day {
        let age = after.age(self.person.birth);
        let per_year = match (self.practice.options.kind, age) {
            (PracticeKind::Medspa | PracticeKind::Specialty, _) => 0.02,
            (_, ..5) => 1.3,
            (_, 5..18) => 0.55,
            (_, 18..65) => 0.45,
            _ => 0.6,
        };
        after.plus(1 + self.rng.wait(365.0 / per_year).min(20_000.0) as i32).working()
    }

    /// A day in the next autumn.
    fn next_flu(&mut self, after: Day) -> Day {
        let mut year = after.year();
        if after > Day::from_ymd(year, 12, 10) {
            year += 1;
        }
        let first = Day::from_ymd(year, 9, 15).max(after);
        first.plus(self.rng.range(0, 70) as i32).working()
    }
}

/// The day from which the practice has a record: birth, ten years ago, or later.
fn join_day(practice: &Practice, person: &Person, rng: &mut Rng) -> Day {
    let end = person.death.unwrap_or(practice.today);
    let ten_years = practice.today.plus_months(-120).plus(rng.range(0, 90) as i32);
    let mut start = ten_years.max(person.birth);
    let newcomer = person.curated.is_none() && person.role != Role::Child && rng.chance(0.38);
    if newcomer {
        let span = i64::from(end.0 - start.0).max(1);
        start = start.plus(rng.range(0, span * 9 / 10) as i32);
    }
    if person.death.is_some() {
        start = start.min(end.plus(-300)).max(person.birth);
    }
    start
}

/// Age in months at which the prevalence passes `draw`, per mille.
fn onset_months(rates: &[u16; 10], draw: f64) -> Option<i32> {
    if draw < f64::from(rates[0]) {
        return Some(4);
    }
    for decade in 0..9 {
        let (low, high) = (f64::from(rates[decade]), f64::from(rates[decade + 1]));
        if draw >= low && draw < high {
            let share = (draw - low) / (high - low);
            return Some((120.0 * (decade as f64 + share)) as i32);
        }
    }
    None
}

/// Age in years before which a disease is not diagnosed.
fn youngest(chronic: Chronic) -> i32 {
    match chronic {
        Chronic::Depression | Chronic::Acne | Chronic::IrritableBowel => 12,
        Chronic::Anxiety | Chronic::Migraine | Chronic::Insomnia | Chronic::Gerd => 9,
        Chronic::Adhd => 6,
        Chronic::Nicotine | Chronic::Hyperlipidemia | Chronic::Prediabetes => 16,
        Chronic::Hypertension | Chronic::Diabetes => 21,
        Chronic::Asthma | Chronic::AllergicRhinitis => 2,
        _ => 0,
    }
}

fn risk_factor(kind: PracticeKind, chronic: Chronic, heavy: f64) -> f64 {
    let by_weight = match chronic {
        Chronic::Diabetes | Chronic::SleepApnea | Chronic::FattyLiver => 1.0 + heavy * 0.07,
        Chronic::Hypertension | Chronic::Prediabetes | Chronic::Osteoarthritis => {
            1.0 + heavy * 0.03
        }
        Chronic::Hyperlipidemia | Chronic::Gerd | Chronic::Gout => 1.0 + heavy * 0.02,
        _ => 1.0,
    };
    let by_kind = match (kind, chronic) {
        (
            PracticeKind::Specialty,
            Chronic::AtrialFibrillation
            | Chronic::CoronaryDisease
            | Chronic::HeartFailure
            | Chronic::AorticStenosis
            | Chronic::Tachycardia,
        ) => 5.0,
        (PracticeKind::Specialty, Chronic::Hypertension | Chronic::Hyperlipidemia) => 1.8,
        (PracticeKind::Medspa, Chronic::Rosacea | Chronic::Acne) => 3.0,
        (PracticeKind::Medspa, _) => 0.4,
        (PracticeKind::Concierge, Chronic::Nicotine | Chronic::Copd) => 0.4,
        _ => 1.0,
    };
    by_weight.clamp(0.4, 2.6) * by_kind
}

/// Bundles of a patient with many encounters.
pub fn heavy(practice: &Practice, encounters: usize) -> Vec<String> {
    let index = crate::HEAVY_INDEX;
    let mut person = crate::person::person(&practice.options, practice.today, 0);
    person.index = index;
    person.household.clear();
    let mut course = Course::new(practice, &person);
    course.booking = None;
    course.write_administration();
    let mut bundles = Vec::new();
    let mut day = course.start;
    let span = i64::from(practice.today.0 - course.start.0 - 40).max(1);
    for number in 0..encounters {
        let target = course.start.plus((span * number as i64 / encounters.max(1) as i64) as i32);
        day = day.max(target);
        let kind = match number % 10 {
            0 => Kind::Well,
            3 => course.draw_acute(day).unwrap_or(Kind::FollowUp),
            _ => Kind::FollowUp,
        };
        course.visit(day, kind, None);
        if (number + 1) % HEAVY_PER_BUNDLE == 0 && number + 1 < encounters {
            course.write_lists();
            let numbers = course.bundle.numbers();
            let mut next = Bundle::new(index, 1 << 20);
            next.set_numbers(numbers);
            bundles.push(std::mem::replace(&mut course.bundle, next).finish());
        }
    }
    course.write_open_matters();
    bundles.push(course.bundle.finish());
    bundles
}
