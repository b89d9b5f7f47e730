//! Vaccines: what is due is given, or declined.
//!
//! Source: US Core 6.1.0 Immunization; CDC schedules as in [`crate::tables::vaccines`].

use crate::PracticeKind;
use crate::bundle::system;
use crate::course::Course;
use crate::day::Day;
use crate::results::overdue;
use crate::tables::vaccines::{self as v, CHILD, Vaccine};
use crate::visit::{Kind, Visit};

impl Course<'_> {
    /// True when a vaccine visit is worth coming for on `day`.
    pub(crate) fn wants_flu(&mut self, day: Day) -> bool {
        let age = day.age(self.person.birth);
        let share = match (self.practice.options.kind, age) {
            (PracticeKind::Medspa | PracticeKind::Specialty, _) => 0.0,
            (_, ..1) => 0.0,
            (_, 1..65) => 0.3,
            _ => 0.55,
        };
        let season = flu_season(day);
        self.last.flu_year < season && self.vaccinates > 0.3 && self.rng.chance(share)
    }

    /// Gives what is due.
    pub(crate) fn give_vaccines(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        let age = day.age(self.person.birth);
        if matches!(self.practice.options.kind, PracticeKind::Medspa | PracticeKind::Specialty) {
            return;
        }
        if age < 18 {
            self.child_vaccines(visit);
        } else {
            self.adult_vaccines(visit, age);
        }
        let month = day.month();
        let in_season = month >= 9 || month == 1;
        let is_old_enough = day.age_months(self.person.birth) >= 6;
        let due = self.last.flu_year < flu_season(day);
        if in_season && is_old_enough && due && self.vaccinates > 0.3 {
            self.last.flu_year = flu_season(day);
            let vaccine = if flu_season(day) >= 2024 { &v::FLU3 } else { &v::FLU4 };
            self.vaccine(visit, vaccine, None);
        }
        let declines =
            in_season && due && self.vaccinates < 0.1 && matches!(visit.kind, Kind::Well);
        if declines && is_old_enough {
            self.last.flu_year = flu_season(day);
            self.declined_vaccine(visit);
        }
        let covid = match day.0 - Day::from_ymd(2021, 3, 1).0 {
            ..0 => None,
            0..940 => Some(&v::COVID),
            _ => Some(&v::COVID_NEW),
        };
        if let Some(vaccine) = covid
            && age >= 12
            && self.vaccinates > 0.5
            && overdue(self.last.covid, day, 340)
            && self.rng.chance(0.5)
        {
            self.last.covid = Some(day);
            self.vaccine(visit, vaccine, None);
        }
    }

    fn child_vaccines(&mut self, visit: &mut Visit) {
        let months = visit.at.day.age_months(self.person.birth);
        if self.vaccinates < 0.03 {
            return;
        }
        // Doses before the record began were given elsewhere.
        let joined = self.start.age_months(self.person.birth) - 1;
        while let Some((due, vaccine, number, series)) = CHILD.get(self.last.child_doses) {
            if *due > months {
                break;
            }
            self.last.child_doses += 1;
            if *due >= joined {
                self.vaccine(visit, vaccine, Some((*number, *series)));
            }
        }
    }

    fn adult_vaccines(&mut self, visit: &mut Visit, age: i32) {
        let day = visit.at.day;
        if self.last.tetanus.is_none() && self.rng.chance(0.45)
            || self.last.tetanus.is_some_and(|d| day.0 - d.0 > 3650)
        {
            let vaccine = if self.last.tetanus.is_none() { &v::TDAP } else { &v::TD };
            self.last.tetanus = Some(day);
            self.vaccine(visit, vaccine, None);
        }
        let zoster_year = day.year() >= 2018;
        if age >= 50
            && zoster_year
            && self.last.zoster < 2
            && self.vaccinates > 0.4
            && self.rng.chance(0.5)
        {
            self.last.zoster += 1;
            self.vaccine(visit, &v::ZOSTER, Some((self.last.zoster, 2)));
        }
        if age >= 65 && !self.last.pneumococcus && self.vaccinates > 0.2 {
            self.last.pneumococcus = true;
            let vaccine = if day.year() >= 2022 { &v::PCV20 } else { &v::PPSV23 };
            self.vaccine(visit, vaccine, None);
        }
        let rsv_day = Day::from_ymd(2023, 9, 1);
        if age >= 75 && day >= rsv_day && !self.last.rsv && self.vaccinates > 0.5 {
            self.last.rsv = true;
            self.vaccine(visit, &v::RSV, None);
        }
    }

    fn vaccine(&mut self, visit: &mut Visit, vaccine: &'static Vaccine, dose: Option<(i64, i64)>) {
        let patient = self.bundle.patient();
        let at = visit.at.plus(6);
        let is_small = at.day.age_months(self.person.birth) < 18;
        let left = self.rng.chance(0.5);
        let lot = (at.day.year() * 13 + i32::from(at.day.month()) / 3 * 7) % 9000 + 1000;
        visit.note.plan.push(format!("Given: {} vaccine.", vaccine.display));
        self.bundle.add("Immunization", 'i', "us-core-immunization", |j| {
            j.text("status", "completed");
            j.concept("vaccineCode", system::CVX, vaccine.cvx, vaccine.display);
            j.reference("patient", patient);
            j.reference("encounter", visit.encounter);
            j.time("occurrenceDateTime", at);
            j.boolean("primarySource", true);
            j.format("lotNumber", format_args!("{}{lot}", vaccine.lot));
            j.date("expirationDate", Day::from_ymd(at.day.year() + 1, 6, 30));
            let side = if left { "L" } else { "R" };
            let (part, text) = if is_small { ("T", "thigh") } else { ("A", "upper arm") };
            j.object("site", |j| {
                let word = if left { "Left" } else { "Right" };
                if !is_small {
                    j.one("coding", |j| {
                        j.text("system", "http://terminology.hl7.org/CodeSystem/v3-ActSite");
                        j.format("code", format_args!("{side}{part}"));
                    });
                }
                j.format("text", format_args!("{word} {text}"));
            });
            let system = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration";
            j.concept("route", system, "IM", "Injection, intramuscular");
            j.one("performer", |j| {
                j.hl7("function", "v2-0443", "AP");
                j.format_reference("actor", format_args!("Practitioner/{}", visit.provider.id));
            });
            if let Some((number, series)) = dose {
                j.one("protocolApplied", |j| {
                    j.integer("doseNumberPositiveInt", number);
                    j.integer("seriesDosesPositiveInt", series);
                });
            }
        });
    }

    /// An influenza vaccine that was offered and not wanted.
    fn declined_vaccine(&mut self, visit: &mut Visit) {
        let patient = self.bundle.patient();
        visit.note.plan.push("Influenza vaccine declined after discussion.".to_owned());
        let vaccine = if flu_season(visit.at.day) >= 2024 { &v::FLU3 } else { &v::FLU4 };
        self.bundle.add("Immunization", 'i', "us-core-immunization", |j| {
            j.text("status", "not-done");
            let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
            j.concept("statusReason", system, "PATOBJ", "patient objection");
            j.concept("vaccineCode", system::CVX, vaccine.cvx, vaccine.display);
            j.reference("patient", patient);
            j.reference("encounter", visit.encounter);
            j.time("occurrenceDateTime", visit.at.plus(6));
            j.boolean("primarySource", true);
        });
    }
}

/// The year in whose autumn the influenza season of `day` begins.
fn flu_season(day: Day) -> i32 {
    let (year, month, _) = day.ymd();
    if month >= 7 { year } else { year - 1 }
}
