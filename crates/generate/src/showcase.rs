//! The first patients of a primary care practice: stories written by hand, invented people.

use crate::person::{Role, Sex};
use crate::tables::problems::Chronic;

/// A patient with a written story.
#[derive(Debug)]
pub struct Curated {
    /// Family name.
    pub family: &'static str,
    /// Given names.
    pub given: &'static [&'static str],
    /// Sex at birth.
    pub sex: Sex,
    /// Completed years today.
    pub age: i32,
    /// Month and day of birth.
    pub birthday: (u8, u8),
    /// Index in `ORIGINS`.
    pub origin: usize,
    /// Preferred language.
    pub language: (&'static str, &'static str),
    /// Index in `PAYERS`.
    pub payer: usize,
    /// Place in the household.
    pub role: Role,
    /// Problems and how many years ago they began.
    pub problems: &'static [(Chronic, i32)],
    /// Indexes in `ALLERGIES`.
    pub allergies: &'static [usize],
    /// Share of the effect of treatment that arrives, percent.
    pub adherence: i64,
    /// Standard deviations of weight above the median.
    pub weight_z: f64,
    /// Standard deviations of blood sugar from the usual.
    pub sugar_z: f64,
    /// How hard disease is on this one, 0 to 1.
    pub severity: f64,
    /// Weeks between visits, 0 for the usual.
    pub every_weeks: i32,
}

const ENGLISH: (&str, &str) = ("en", "English");

/// Patients 0 to 5. Patients 0 and 1 are a couple; 4 is the child of 5.
pub static CURATED: [Curated; 6] = [
    Curated {
        family: "Whitcomb",
        given: &["Harold", "James"],
        sex: Sex::Male,
        age: 78,
        birthday: (4, 17),
        origin: 0,
        language: ENGLISH,
        payer: 4,
        role: Role::Partner,
        problems: &[
            (Chronic::Hypertension, 24),
            (Chronic::Diabetes, 17),
            (Chronic::Hyperlipidemia, 22),
            (Chronic::CoronaryDisease, 9),
            (Chronic::AtrialFibrillation, 6),
            (Chronic::HeartFailure, 4),
            (Chronic::KidneyDisease, 7),
            (Chronic::Neuropathy, 5),
            (Chronic::Gout, 8),
            (Chronic::Prostate, 11),
            (Chronic::SleepApnea, 10),
            (Chronic::Osteoarthritis, 13),
            (Chronic::Gerd, 15),
        ],
        allergies: &[1, 8],
        adherence: 80,
        weight_z: 1.1,
        sugar_z: 0.9,
        severity: 0.8,
        every_weeks: 5,
    },
    Curated {
        family: "Whitcomb",
        given: &["Margaret", "Anne"],
        sex: Sex::Female,
        age: 74,
        birthday: (11, 2),
        origin: 0,
        language: ENGLISH,
        payer: 4,
        role: Role::Partner,
        problems: &[
            (Chronic::Hypothyroidism, 19),
            (Chronic::Osteoporosis, 7),
            (Chronic::Osteoarthritis, 12),
            (Chronic::Hypertension, 9),
            (Chronic::Glaucoma, 3),
        ],
        allergies: &[0],
        adherence: 95,
        weight_z: -0.3,
        sugar_z: 0.0,
        severity: 0.3,
        every_weeks: 13,
    },
    Curated {
        family: "Delgado",
        given: &["Rosa", "María"],
        sex: Sex::Female,
        age: 52,
        birthday: (8, 30),
        origin: 2,
        language: ("es", "Spanish"),
        payer: 6,
        role: Role::Alone,
        problems: &[
            (Chronic::Diabetes, 6),
            (Chronic::Hypertension, 5),
            (Chronic::Hyperlipidemia, 6),
            (Chronic::Depression, 3),
            (Chronic::FattyLiver, 4),
        ],
        allergies: &[4],
        adherence: 55,
        weight_z: 1.6,
        sugar_z: 2.3,
        severity: 0.7,
        every_weeks: 9,
    },
    Curated {
        family: "Okonkwo",
        given: &["Amara"],
        sex: Sex::Female,
        age: 34,
        birthday: (2, 11),
        origin: 12,
        language: ENGLISH,
        payer: 0,
        role: Role::Alone,
        problems: &[
            (Chronic::Asthma, 20),
            (Chronic::Migraine, 9),
            (Chronic::Anxiety, 4),
            (Chronic::IronDeficiency, 2),
        ],
        allergies: &[10, 14],
        adherence: 85,
        weight_z: 0.1,
        sugar_z: -0.4,
        severity: 0.7,
        every_weeks: 20,
    },
    Curated {
        family: "Haddad",
        given: &["Elias"],
        sex: Sex::Male,
        age: 8,
        birthday: (6, 5),
        origin: 11,
        language: ENGLISH,
        payer: 1,
        role: Role::Child,
        problems: &[(Chronic::Eczema, 7), (Chronic::Asthma, 4), (Chronic::AllergicRhinitis, 3)],
        allergies: &[9, 12],
        adherence: 90,
        weight_z: 0.5,
        sugar_z: 0.0,
        severity: 0.6,
        every_weeks: 26,
    },
    Curated {
        family: "Haddad",
        given: &["Layla"],
        sex: Sex::Female,
        age: 41,
        birthday: (9, 21),
        origin: 11,
        language: ENGLISH,
        payer: 1,
        role: Role::Partner,
        problems: &[
            (Chronic::Hypothyroidism, 8),
            (Chronic::IronDeficiency, 3),
            (Chronic::Prediabetes, 2),
            (Chronic::Gerd, 4),
        ],
        allergies: &[],
        adherence: 90,
        weight_z: 0.7,
        sugar_z: 0.6,
        severity: 0.4,
        every_weeks: 0,
    },
];
