//! One visit: why, what was measured, found, done and written.
//!
//! Source: US Core 6.1.0 Encounter.

use crate::PracticeKind;
use crate::booking::{Booking, minute_of};
use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::day::{At, Day};
use crate::foundation::{OFFICE, PRACTICE, ROOMS, staff_name};
use crate::note::Note;
use crate::tables::drugs::PREDNISONE;
use crate::tables::labs;
use crate::tables::problems::{ACUTE, Acute, Bedside, Chronic};
use crate::tables::procedures::{AESTHETICS, Aesthetic, SUTURE};
use crate::tables::staff::{NURSES, Staff};

/// Why the patient comes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Preventive visit: well child, annual physical, executive physical.
    Well,
    /// For problems on the list.
    FollowUp,
    /// The same by video.
    Video,
    /// A new complaint.
    Acute(&'static Acute),
    /// A vaccine from a nurse.
    Vaccination,
    /// An aesthetic treatment.
    Aesthetic(&'static Aesthetic),
}

/// A visit under way.
#[derive(Debug)]
pub struct Visit {
    pub(crate) at: At,
    pub(crate) encounter: Ref,
    pub(crate) provider: &'static Staff,
    pub(crate) kind: Kind,
    pub(crate) minutes: u16,
    /// Conditions dealt with, main one first.
    pub(crate) diagnoses: Vec<(Ref, &'static str)>,
    pub(crate) note: Note,
}

impl Course<'_> {
    pub(crate) fn kind_of_well(&mut self, day: Day) -> Kind {
        match self.practice.options.kind {
            PracticeKind::Medspa => self.draw_aesthetic(),
            PracticeKind::Specialty => self.kind_of_follow(day),
            PracticeKind::PrimaryCare | PracticeKind::Concierge => Kind::Well,
        }
    }

    pub(crate) fn kind_of_follow(&mut self, day: Day) -> Kind {
        if self.practice.options.kind == PracticeKind::Medspa {
            return self.draw_aesthetic();
        }
        let by_video = match day.year() {
            2020 => 0.5,
            2021.. => 0.16,
            _ => 0.0,
        };
        if self.rng.chance(by_video) { Kind::Video } else { Kind::FollowUp }
    }

    pub(crate) fn kind_of_booking(&mut self, day: Day) -> Kind {
        let is_child = day.age(self.person.birth) < 18;
        match self.practice.options.kind {
            PracticeKind::Medspa => self.draw_aesthetic(),
            PracticeKind::Specialty => Kind::FollowUp,
            _ if is_child => self.draw_acute(day).unwrap_or(Kind::Well),
            _ if Chronic::first_treated(self).is_some() => Kind::FollowUp,
            _ => self.draw_acute(day).unwrap_or(Kind::Well),
        }
    }

    fn draw_aesthetic(&mut self) -> Kind {
        let weights: Vec<u32> = AESTHETICS.iter().map(|row| row.weight).collect();
        Kind::Aesthetic(&AESTHETICS[self.rng.weighted(&weights)])
    }

    pub(crate) fn draw_acute(&mut self, day: Day) -> Option<Kind> {
        let months = day.age_months(self.person.birth);
        if months < 1 {
            return None;
        }
        let column = match months / 12 {
            ..5 => 0,
            5..18 => 1,
            18..65 => 2,
            _ => 3,
        };
        let winter = matches!(day.month(), 1..=3 | 10..=12);
        let covid = Day::from_ymd(2020, 4, 1);
        let mut weights = [0u32; 64];
        for (idx, acute) in ACUTE.iter().enumerate() {
            let season = match (acute.winter, winter) {
                (true, true) => 15,
                (true, false) => 5,
                _ => 10,
            };
            let is_too_early = acute.icd.0 == "U07.1" && day < covid;
            let is_too_young = acute.fever > 0 && months < 3 && acute.icd.0 != "J06.9";
            let fits = !acute.female_only || self.person.is_female();
            let possible = fits && !is_too_early && !is_too_young;
            weights[idx] = if possible { acute.weight[column] * season } else { 0 };
        }
        let weights = &weights[..ACUTE.len()];
        if weights.iter().all(|w| *w == 0) {
            return None;
        }
        Some(Kind::Acute(&ACUTE[self.rng.weighted(weights)]))
    }

    /// A finished visit on `day`.
    pub(crate) fn visit(&mut self, day: Day, kind: Kind, booking: Option<Booking>) {
        let minutes = match kind {
            Kind::Well => 40,
            Kind::Vaccination => 10,
            Kind::Video => 15,
            Kind::Aesthetic(_) => 45,
            Kind::FollowUp | Kind::Acute(_) => 20,
        };
        let slot = self.rng.below(21);
        let at = booking.map_or(day.at(minute_of(slot)), |b| b.day.at(b.minute));
        let covered = self.rng.chance(0.14);
        let providers = self.practice.providers();
        let provider = match kind {
            Kind::Vaccination => self.rng.pick(NURSES),
            Kind::Acute(_) if booking.is_none() && covered => self.rng.pick(providers),
            _ => self.provider,
        };
        let encounter = self.bundle.reserve("Encounter", 'e');
        let mut visit = Visit {
            at,
            encounter,
            provider,
            kind,
            minutes,
            diagnoses: Vec::new(),
            note: Note::default(),
        };
        self.visits += 1;
        self.proceed(&mut visit);
        self.write_encounter(&visit, "finished", booking);
        self.write_note(&visit);
    }

    fn proceed(&mut self, visit: &mut Visit) {
        if self.visits == 1 {
            self.take_history(visit);
        }
        if let Kind::Acute(acute) = visit.kind {
            visit.note.complaint = acute.complaint.to_owned();
            self.measure_vitals(visit, acute.fever);
            self.treat_acute(visit, acute);
            return;
        }
        match visit.kind {
            Kind::Vaccination => {
                visit.note.complaint = "Vaccination".to_owned();
                self.give_vaccines(visit);
            }
            Kind::Aesthetic(treatment) => {
                visit.note.complaint = treatment.coded.2.to_owned();
                self.measure_vitals(visit, 0);
                self.treat_aesthetic(visit, treatment);
            }
            Kind::Well => {
                self.measure_vitals(visit, 0);
                self.order_well_labs(visit);
                self.find_diseases(visit);
                self.review_problems(visit);
                self.give_vaccines(visit);
                self.screen(visit);
            }
            Kind::FollowUp => {
                self.measure_vitals(visit, 0);
                self.order_follow_labs(visit);
                self.find_diseases(visit);
                self.review_problems(visit);
                self.give_vaccines(visit);
                self.cardiology(visit);
            }
            Kind::Video | Kind::Acute(_) => self.review_problems(visit),
        }
    }

    fn treat_acute(&mut self, visit: &mut Visit, acute: &'static Acute) {
        let condition = self.write_acute(visit, acute);
        visit.diagnoses.push((condition, acute.text));
        visit.note.exam = acute.exam.to_owned();
        visit.note.plan.push(format!("{}: {}", acute.text, acute.plan));
        match acute.bedside {
            Bedside::Strep => self.strep(visit, acute.icd.0 == "J02.0"),
            Bedside::Influenza => self.influenza(visit),
            Bedside::Urine => self.urine(visit),
            Bedside::Radiograph => self.radiograph(visit),
            Bedside::Electrocardiogram => self.electrocardiogram(visit),
            Bedside::None => {}
        }
        if acute.snomed.0 == "284549007" {
            self.procedure(visit, SUTURE, "1 % lidocaine, four 5-0 nylon sutures, dressing.");
        }
        if acute.icd.0 == "R53.83" {
            self.panel(visit, &labs::BLOOD_COUNT);
            self.panel(visit, &labs::TSH);
            self.panel(visit, &labs::BASIC);
        }
        let is_wheezing = self.treats(Chronic::Asthma) || self.treats(Chronic::Copd);
        let in_chest = matches!(acute.icd.0, "J20.9" | "J10.1");
        if is_wheezing && in_chest && visit.at.day.age(self.person.birth) >= 12 {
            self.prescribe_course(visit, &PREDNISONE, condition, acute.text);
        }
        self.prescribe_acute(visit, acute, condition);
        self.perhaps_admit(visit, acute, condition);
    }

    /// The Encounter and, for a booking, its Appointment.
    fn write_encounter(&mut self, visit: &Visit, status: &str, booking: Option<Booking>) {
        let appointment = booking.map(|booking| self.write_appointment(&booking, visit.kind));
        let end = visit.at.plus(visit.minutes);
        let by_video = matches!(visit.kind, Kind::Video);
        let room = ROOMS[(visit.at.minute / 20) as usize % ROOMS.len()];
        let patient = self.bundle.patient();
        let patient_name = self.person.full_name();
        let is_child = visit.at.day.age(self.person.birth) < 18;
        let (code, display, text) = type_of(visit.kind, is_child, self.practice.options.kind);
        self.bundle.put(visit.encounter, "us-core-encounter", |j| {
            j.identifiers("encounter", format_args!("{}", visit.encounter.id()));
            j.text("status", status);
            j.object("class", |j| {
                let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
                if by_video {
                    j.coding(system, "VR", "virtual");
                } else {
                    j.coding(system, "AMB", "ambulatory");
                }
            });
            j.concepts_text("type", (system::SNOMED, code, display), text);
            j.reference_named("subject", patient, &patient_name);
            if let Some(appointment) = appointment {
                j.one("appointment", |j| j.format("reference", format_args!("{appointment}")));
            }
            j.one("participant", |j| {
                j.category("type", "v3-ParticipationType", "PPRF", "primary performer");
                j.period("period", visit.at, end);
                let who = Ref::Fixed("Practitioner", visit.provider.id);
                j.reference_named("individual", who, &staff_name(visit.provider));
            });
            j.object("period", |j| {
                j.time("start", visit.at);
                if status == "finished" {
                    j.time("end", end);
                }
            });
            if status == "finished" {
                j.object("length", |j| j.quantity(i64::from(visit.minutes), 0, "min", "min"));
            }
            reason(j, visit);
            if !visit.diagnoses.is_empty() {
                j.array("diagnosis", |j| {
                    for (rank, (condition, _)) in visit.diagnoses.iter().enumerate() {
                        j.item(|j| {
                            j.reference("condition", *condition);
                            j.integer("rank", rank as i64 + 1);
                        });
                    }
                });
            }
            if !by_video {
                j.array("location", |j| {
                    j.item(|j| j.reference("location", OFFICE));
                    if status != "arrived" {
                        j.item(|j| j.reference("location", room));
                    }
                });
            }
            j.reference("serviceProvider", PRACTICE);
        });
    }

    /// Those who are in the office today but not seen yet, and those booked later.
    pub(crate) fn open_today(&mut self) {
        let Some(booking) = self.booking else { return };
        if booking.status == "fulfilled" || self.person.death.is_some() {
            return;
        }
        if !matches!(booking.status, "arrived" | "checked-in") {
            let kind = match self.kind_of_booking(booking.day) {
                // Nobody knows next week's illness.
                Kind::Acute(_) if booking.day > self.practice.today => Kind::Well,
                kind => kind,
            };
            self.write_appointment(&booking, kind);
            return;
        }
        let kind = self.kind_of_booking(booking.day);
        let encounter = self.bundle.reserve("Encounter", 'e');
        let mut visit = Visit {
            at: booking.day.at(booking.minute),
            encounter,
            provider: booking.provider,
            kind,
            minutes: 20,
            diagnoses: Vec::new(),
            note: Note::default(),
        };
        if let Kind::Acute(acute) = kind {
            visit.note.complaint = acute.complaint.to_owned();
        }
        let is_roomed = booking.status == "checked-in";
        if is_roomed {
            let fever = if let Kind::Acute(acute) = kind { acute.fever } else { 0 };
            self.measure_vitals(&mut visit, fever);
        }
        self.write_encounter(&visit, if is_roomed { "triaged" } else { "arrived" }, Some(booking));
    }
}

impl Chronic {
    /// A problem on the list that needs visits of its own.
    pub(crate) fn first_treated(course: &Course<'_>) -> Option<Chronic> {
        crate::tables::problems::PROBLEMS
            .iter()
            .find(|row| row.follow_up_weeks > 0 && course.treats(row.key))
            .map(|row| row.key)
    }
}

fn reason(j: &mut crate::json::Json, visit: &Visit) {
    match visit.kind {
        Kind::Acute(acute) => {
            j.concepts_text("reasonCode", ("", "", ""), acute.complaint);
        }
        Kind::Aesthetic(treatment) => {
            j.concepts_text("reasonCode", ("", "", ""), treatment.coded.2);
        }
        _ if !visit.note.complaint.is_empty() => {
            j.concepts_text("reasonCode", ("", "", ""), &visit.note.complaint);
        }
        _ => {}
    }
    if !visit.diagnoses.is_empty() && !matches!(visit.kind, Kind::Well) {
        j.array("reasonReference", |j| {
            let (condition, text) = visit.diagnoses[0];
            j.item(|j| {
                j.format("reference", format_args!("{condition}"));
                j.text("display", text);
            });
        });
    }
}

/// SNOMED CT code, display, text.
fn type_of(
    kind: Kind,
    is_child: bool,
    practice: PracticeKind,
) -> (&'static str, &'static str, &'static str) {
    match (kind, practice) {
        (Kind::Well, PracticeKind::Concierge) => {
            ("162673000", "General examination of patient (procedure)", "Executive physical")
        }
        (Kind::Well, _) if is_child => {
            ("410620009", "Well child visit (procedure)", "Well child visit")
        }
        (Kind::Well, _) => {
            ("162673000", "General examination of patient (procedure)", "Annual physical")
        }
        (Kind::FollowUp, PracticeKind::Specialty) => {
            ("281036007", "Follow-up consultation (procedure)", "Cardiology visit")
        }
        (Kind::FollowUp, _) => ("390906007", "Follow-up encounter (procedure)", "Follow-up visit"),
        (Kind::Video, _) => ("390906007", "Follow-up encounter (procedure)", "Video visit"),
        (Kind::Acute(_), _) => ("11429006", "Consultation (procedure)", "Sick visit"),
        (Kind::Vaccination, _) => (
            "33879002",
            "Administration of vaccine to produce active immunity (procedure)",
            "Nurse visit, vaccination",
        ),
        (Kind::Aesthetic(_), _) => {
            ("371883000", "Outpatient procedure (procedure)", "Aesthetic treatment")
        }
    }
}
