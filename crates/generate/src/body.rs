//! How a body is on a given day: growth, weight, blood pressure and laboratory values, with disease
//! and the effect of treatment.
//!
//! Source: CDC 2000 growth reference; CKD-EPI 2021 equation (Inker et al., NEJM 2021). The other
//! relations are rules of thumb that make trends believable; they predict nothing.

use crate::day::Day;
use crate::person::{Person, Sex};
use crate::rng::{Rng, power};
use crate::showcase::Curated;
use crate::tables::growth::{BOYS, GIRLS, Growth, HEAD};
use crate::tables::labs::Analyte;

/// What a person was born with and tends to.
#[derive(Debug)]
pub struct Body {
    sex: Sex,
    birth: Day,
    height_z: f64,
    weight_z: f64,
    /// BMI points gained per decade after 20.
    gain: f64,
    pressure_z: f64,
    pulse: f64,
    ldl_z: f64,
    hdl_z: f64,
    triglyceride_z: f64,
    sugar_z: f64,
    hemoglobin_z: f64,
    kidney_z: f64,
    thyroid_z: f64,
    /// Share of a treatment's effect that arrives, 0..1.
    pub adherence: f64,
}

/// The chance of one blood draw, shared by all tests of a panel so that they agree.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    kidney: f64,
    ldl: f64,
    hdl: f64,
    triglyceride: f64,
    sugar: f64,
    blood: f64,
}

impl Draw {
    /// A new draw.
    pub fn new(rng: &mut Rng) -> Draw {
        Draw {
            kidney: rng.normal(),
            ldl: rng.normal(),
            hdl: rng.normal(),
            triglyceride: rng.normal(),
            sugar: rng.normal(),
            blood: rng.normal(),
        }
    }
}

/// Disease and treatment that move the values.
#[derive(Clone, Debug, Default)]
pub struct Influence {
    /// Years since hypertension began; negative before.
    pub hypertension: Option<f64>,
    /// Years with diabetes.
    pub diabetes: Option<f64>,
    /// Has prediabetes.
    pub prediabetes: bool,
    /// Has hyperlipidemia.
    pub hyperlipidemia: bool,
    /// Years since the filtration rate fell below 60; negative before.
    pub kidney_disease: Option<f64>,
    /// Has hypothyroidism.
    pub hypothyroidism: bool,
    /// Has iron deficiency.
    pub iron_deficiency: bool,
    /// Has fatty liver.
    pub fatty_liver: bool,
    /// Has heart failure.
    pub heart_failure: bool,
    /// Has gout.
    pub gout: bool,
    /// Has lung disease.
    pub lung_disease: bool,
    /// mmHg taken off by treatment.
    pub pressure_drop: f64,
    /// Percent points of A1c taken off by treatment.
    pub sugar_drop: f64,
    /// Share of LDL taken off by treatment.
    pub ldl_drop: f64,
    /// Share of the missing thyroid hormone replaced.
    pub thyroid_share: f64,
    /// Months of iron.
    pub iron_months: f64,
    /// Share of body weight taken off by treatment.
    pub weight_drop: f64,
    /// Takes a beta blocker.
    pub beta_blocker: bool,
    /// Takes a drug that keeps potassium.
    pub keeps_potassium: bool,
    /// Takes allopurinol.
    pub lowers_urate: bool,
}

impl Body {
    /// The body of `person`.
    pub fn new(person: &Person, rng: &mut Rng) -> Body {
        let height_z = rng.normal();
        let story = person.curated;
        let weight_z = 0.45 + 0.45 * height_z + 0.85 * rng.normal();
        Body {
            sex: person.sex,
            birth: person.birth,
            height_z,
            weight_z: story.map_or(weight_z, |s| s.weight_z),
            gain: 1.4 + 0.9 * rng.normal(),
            pressure_z: rng.normal(),
            pulse: 72.0 + 7.0 * rng.normal(),
            ldl_z: rng.normal(),
            hdl_z: rng.normal(),
            triglyceride_z: rng.normal(),
            sugar_z: sugar_z(story, rng),
            hemoglobin_z: rng.normal(),
            kidney_z: rng.normal(),
            thyroid_z: rng.normal(),
            adherence: story.map_or_else(
                || (0.78 + 0.2 * rng.normal()).clamp(0.15, 1.0),
                |s| s.adherence as f64 / 100.0,
            ),
        }
    }

    fn months(&self, day: Day) -> f64 {
        day.years_since(self.birth).max(0.0) * 12.0
    }

    /// Height in millimetres.
    pub fn height_mm(&self, day: Day) -> f64 {
        let months = self.months(day);
        let (median, deviation) = grown(self.sex, months, |row| row.height);
        let shrink = ((months / 12.0) - 60.0).max(0.0) * 1.1;
        median + self.height_z * deviation - shrink
    }

    /// Weight in grams.
    pub fn weight_g(&self, day: Day, influence: &Influence) -> f64 {
        let months = self.months(day);
        let (median, deviation) = grown(self.sex, months, |row| row.weight);
        let z = if self.weight_z > 0.0 { self.weight_z * 1.25 } else { self.weight_z };
        let young = (median + z * deviation).max(median * 0.72) * 10.0;
        let age = months / 12.0;
        if age <= 20.0 {
            return young;
        }
        let metres = self.height_mm(day) / 1000.0;
        let decades = (age.min(60.0) - 20.0) / 10.0;
        let old = (age - 70.0).max(0.0) * 0.09;
        let fluid = if influence.heart_failure { 0.6 } else { 0.0 };
        let index = young / 1000.0 / (metres * metres) + self.gain * decades - old + fluid;
        index.max(17.0) * metres * metres * 1000.0 * (1.0 - influence.weight_drop * self.adherence)
    }

    /// Body mass index in kg/m2.
    pub fn bmi(&self, day: Day, influence: &Influence) -> f64 {
        let metres = self.height_mm(day) / 1000.0;
        self.weight_g(day, influence) / 1000.0 / (metres * metres)
    }

    /// Head circumference in millimetres, to 24 months.
    pub fn head_mm(&self, day: Day) -> f64 {
        let months = self.months(day);
        let at = HEAD.iter().rposition(|row| f64::from(row.0) <= months).unwrap_or(0);
        let low = HEAD[at];
        let high = HEAD[(at + 1).min(HEAD.len() - 1)];
        let span = f64::from((high.0 - low.0).max(1));
        let share = ((months - f64::from(low.0)) / span).clamp(0.0, 1.0);
        let of = |row: (i32, i64, i64)| if self.sex == Sex::Female { row.1 } else { row.2 } as f64;
        of(low) + (of(high) - of(low)) * share + self.height_z * 11.0
    }

    /// Systolic and diastolic pressure in mmHg.
    pub fn pressure(&self, day: Day, influence: &Influence, rng: &mut Rng) -> (i64, i64) {
        let age = self.months(day) / 12.0;
        let noise = rng.normal() * 6.0;
        if age < 18.0 {
            let systolic = 88.0 + age * 1.7 + self.pressure_z * 5.0 + noise * 0.7;
            return (round(systolic), round(systolic * 0.58 + rng.normal() * 3.0));
        }
        let heavy = (self.bmi(day, influence) - 26.0).clamp(-6.0, 14.0) * 0.55;
        let sick = influence.hypertension.map_or(0.0, |years| {
            (19.0 + 5.0 * self.pressure_z.abs() + 0.25 * years.clamp(0.0, 20.0))
                * ((years + 2.0) / 2.5).clamp(0.0, 1.0)
        });
        let drop = influence.pressure_drop * self.adherence;
        let healthy = (110.0 + (age - 20.0) * 0.25 + self.pressure_z * 6.5 + heavy).min(134.0);
        let systolic = (healthy + sick - drop + noise).clamp(88.0, 214.0);
        let stiff = (age - 55.0).max(0.0) * 0.28;
        let diastolic = systolic * 0.5 + 16.0 - stiff + rng.normal() * 3.5;
        (round(systolic), round(diastolic.clamp(48.0, 118.0)))
    }

    /// Heart rate per minute; `fever` in tenths of a degree.
    pub fn pulse(&self, day: Day, influence: &Influence, fever: i64, rng: &mut Rng) -> i64 {
        let age = self.months(day) / 12.0;
        let young = (12.0 - age).max(0.0) * 5.0;
        let slow = if influence.beta_blocker { 10.0 } else { 0.0 };
        round((self.pulse + young - slow + fever as f64 + rng.normal() * 5.0).clamp(46.0, 176.0))
    }

    /// Breaths per minute.
    pub fn breaths(&self, day: Day, fever: i64, rng: &mut Rng) -> i64 {
        let age = self.months(day) / 12.0;
        let young = (10.0 - age).max(0.0) * 1.8;
        round(15.5 + young + fever as f64 * 0.15 + rng.normal() * 1.3)
    }

    /// Temperature in tenths of a degree Celsius.
    pub fn temperature(&self, fever: i64, rng: &mut Rng) -> i64 {
        367 + fever + round(rng.normal() * 2.0)
    }

    /// Oxygen saturation in percent.
    pub fn saturation(&self, influence: &Influence, fever: i64, rng: &mut Rng) -> i64 {
        let sick = if influence.lung_disease { 2 } else { 0 } + i64::from(fever > 16);
        (98 - sick + round(rng.normal() * 0.8)).clamp(88, 100)
    }

    /// Hemoglobin A1c in percent.
    pub fn a1c(&self, day: Day, influence: &Influence) -> f64 {
        let age = self.months(day) / 12.0;
        let healthy = 5.1 + age.clamp(10.0, 80.0) * 0.005 + self.sugar_z * 0.14;
        let sick = match influence.diabetes {
            Some(years) => 1.7 + self.sugar_z.abs() * 1.35 + years.clamp(0.0, 16.0) * 0.13,
            None if influence.prediabetes => 0.55,
            None => 0.0,
        };
        let drop = (influence.sugar_drop * self.adherence).min((sick - 0.75).max(0.0));
        let most = if influence.diabetes.is_some() {
            14.8
        } else if influence.prediabetes {
            6.2
        } else {
            5.5
        };
        (healthy + sick - drop).clamp(4.6, most)
    }

    /// LDL cholesterol in mg/dL.
    pub fn ldl(&self, day: Day, influence: &Influence) -> f64 {
        let age = self.months(day) / 12.0;
        let plain = 82.0 + age.min(65.0) * 0.42 + self.ldl_z * 22.0;
        // Who has high values has the diagnosis.
        let plain =
            if influence.hyperlipidemia { plain.max(108.0) + 42.0 } else { plain.min(146.0) };
        plain.max(45.0) * (1.0 - influence.ldl_drop * self.adherence.max(0.4))
    }

    /// Glomerular filtration rate in mL/min/1.73 m2.
    pub fn egfr(&self, day: Day, influence: &Influence) -> f64 {
        let age = self.months(day) / 12.0;
        let healthy = 112.0 - (age - 25.0).max(0.0) * 0.62 + self.kidney_z * 8.0;
        match influence.kidney_disease {
            Some(years) if years >= 0.0 => (58.0 - years * 1.5).clamp(21.0, 58.0),
            Some(years) => (59.0 - years * 3.2).min(healthy.clamp(64.0, 125.0)),
            None => healthy.clamp(64.0, 125.0),
        }
    }

    /// Creatinine in mg/dL that gives `egfr`, by CKD-EPI 2021 turned round.
    fn creatinine(&self, day: Day, egfr: f64) -> f64 {
        let age = self.months(day) / 12.0;
        let (kappa, alpha, factor) = match self.sex {
            Sex::Female => (0.7, -0.241, 1.012),
            Sex::Male => (0.9, -0.302, 1.0),
        };
        let share = egfr / (142.0 * power(0.9938, age) * factor);
        kappa * power(share, if share >= 1.0 { 1.0 / alpha } else { -1.0 / 1.2 })
    }

    /// A laboratory value, scaled by the places of its row.
    pub fn value(
        &self,
        analyte: Analyte,
        day: Day,
        influence: &Influence,
        draw: &Draw,
        rng: &mut Rng,
    ) -> i64 {
        let noise = rng.normal();
        let age = self.months(day) / 12.0;
        let kidney = (self.egfr(day, influence) * (1.0 + 0.045 * draw.kidney)).min(128.0);
        let weak = (60.0 - kidney).max(0.0);
        let heavy = (self.bmi(day, influence) - 25.0).max(0.0);
        let female = self.sex == Sex::Female;
        let value = match analyte {
            Analyte::Glucose => 28.7 * self.a1c(day, influence) - 58.0 + draw.sugar * 9.0,
            Analyte::UreaNitrogen => 13.0 + weak * 0.55 + age * 0.04 + noise * 2.2,
            Analyte::Creatinine if age < 18.0 => 32.0 + age * 2.4 + noise * 4.0,
            Analyte::Creatinine => self.creatinine(day, kidney) * 100.0,
            Analyte::Egfr => kidney,
            Analyte::Sodium => 139.5 - f64::from(influence.heart_failure) * 2.0 + noise * 1.8,
            Analyte::Potassium => {
                let rare = weak > 0.0 && influence.keeps_potassium && rng.chance(0.02);
                let plain = 42.0 + weak * 0.09 + f64::from(influence.keeps_potassium) * 2.0;
                plain + noise * 2.8 + f64::from(rare) * 16.0
            }
            Analyte::Chloride => 102.5 + noise * 1.9,
            Analyte::CarbonDioxide => 25.6 - weak * 0.07 + noise * 1.5,
            Analyte::Calcium => 94.0 - weak * 0.03 + noise * 2.8,
            Analyte::Protein => 71.0 + noise * 3.2,
            Analyte::Albumin => 43.5 - (age - 60.0).max(0.0) * 0.08 + noise * 2.2,
            Analyte::Bilirubin => (5.5 + noise * 1.9).max(2.0),
            Analyte::AlkalinePhosphatase if age < 16.0 => 215.0 + noise * 45.0,
            Analyte::AlkalinePhosphatase => 72.0 + noise * 14.0,
            Analyte::Alt => {
                (21.0 + heavy * 0.7 + f64::from(influence.fatty_liver) * 30.0 + noise * 5.0)
                    .max(8.0)
            }
            Analyte::Ast => {
                (21.0 + heavy * 0.3 + f64::from(influence.fatty_liver) * 16.0 + noise * 4.0)
                    .max(9.0)
            }
            Analyte::Cholesterol => {
                self.ldl(day, influence) * (1.0 + 0.07 * draw.ldl)
                    + self.hdl(heavy, draw)
                    + self.triglyceride(heavy, influence, draw) / 5.0
            }
            Analyte::Triglyceride => self.triglyceride(heavy, influence, draw),
            Analyte::Hdl => self.hdl(heavy, draw),
            Analyte::Ldl => self.ldl(day, influence) * (1.0 + 0.07 * draw.ldl),
            Analyte::HemoglobinA1c => self.a1c(day, influence) * 10.0 + draw.sugar * 1.6,
            Analyte::Thyrotropin => self.thyrotropin(influence) + noise * 22.0,
            Analyte::Leukocytes => 68.0 + noise * 14.0,
            Analyte::Erythrocytes => {
                (self.hemoglobin(influence, age) + draw.blood * 3.0) * 3.28 + noise * 7.0
            }
            Analyte::Hemoglobin => self.hemoglobin(influence, age) + draw.blood * 3.0,
            Analyte::Hematocrit => {
                (self.hemoglobin(influence, age) + draw.blood * 3.0) * 2.98 + noise * 3.0
            }
            Analyte::Mcv => 90.0 - self.lack_of_iron(influence) * 15.0 + noise * 2.4,
            Analyte::Platelets => 252.0 + noise * 46.0,
            Analyte::UrineAlbuminRatio => {
                let sugar = influence.diabetes.map_or(0.0, |years| years.clamp(0.0, 20.0) * 3.2);
                (8.0 + sugar + weak * 3.4 + noise.abs() * 7.0).max(3.0)
            }
            Analyte::UrinePh => 60.0 + noise * 5.0,
            Analyte::UrineGravity => 1017.0 + noise * 4.5,
            Analyte::Psa => (50.0 + (age - 45.0).max(0.0) * 4.5 + noise * 45.0).max(12.0),
            Analyte::Ferritin => {
                let normal = if female { 62.0 } else { 130.0 };
                (normal * (1.0 - 0.88 * self.lack_of_iron(influence)) + noise * 9.0).max(4.0)
            }
            Analyte::Urate => {
                let base = if female { 46.0 } else { 57.0 } + heavy * 0.8 + weak * 0.3;
                let gout = f64::from(influence.gout) * 22.0;
                base + gout - f64::from(influence.lowers_urate) * 24.0 + noise * 5.0
            }
            Analyte::NtProBnp => {
                let sick = f64::from(influence.heart_failure) * 1450.0;
                (40.0 + age * 0.7 + sick * (1.0 + 0.3 * noise) + weak * 8.0).max(15.0)
            }
            Analyte::Inr => 10.4 + noise * 0.6,
            Analyte::CReactiveProtein => (12.0 + heavy * 1.6 + noise.abs() * 14.0).max(2.0),
            Analyte::Lead => (9.0 + noise * 5.0).max(2.0),
            Analyte::UrineLeukocytes
            | Analyte::UrineNitrite
            | Analyte::UrineBlood
            | Analyte::UrineGlucose
            | Analyte::StrepAntigen
            | Analyte::InfluenzaAntigen => 0.0,
        };
        round(value).max(1)
    }

    fn hdl(&self, heavy: f64, draw: &Draw) -> f64 {
        let base = if self.sex == Sex::Female { 61.0 } else { 51.0 };
        (base - heavy * 0.7 + self.hdl_z * 9.0 + draw.hdl * 2.6).max(24.0)
    }

    fn triglyceride(&self, heavy: f64, influence: &Influence, draw: &Draw) -> f64 {
        let sugar = f64::from(influence.diabetes.is_some()) * 32.0;
        let drop = 1.0 - influence.ldl_drop * 0.3;
        let plain = 88.0 + heavy * 4.5 + sugar + self.triglyceride_z * 32.0;
        (plain * drop * (1.0 + 0.17 * draw.triglyceride)).max(38.0)
    }

    /// TSH in hundredths of mIU/L.
    fn thyrotropin(&self, influence: &Influence) -> f64 {
        let healthy = 205.0 + self.thyroid_z * 55.0;
        let missing = if influence.hypothyroidism { 1.0 - influence.thyroid_share } else { 0.0 };
        (healthy + missing * (900.0 + 380.0 * self.thyroid_z.abs())).max(45.0)
    }

    /// 1 when iron is lacking, falling to 0 over five months of treatment.
    fn lack_of_iron(&self, influence: &Influence) -> f64 {
        if !influence.iron_deficiency {
            return 0.0;
        }
        1.0 - (influence.iron_months / 5.0).clamp(0.0, 1.0) * self.adherence.max(0.6)
    }

    /// Hemoglobin in tenths of g/dL.
    fn hemoglobin(&self, influence: &Influence, age: f64) -> f64 {
        let normal = match self.sex {
            _ if age < 12.0 => 124.0,
            Sex::Female => 135.0,
            Sex::Male => 150.0,
        };
        normal + self.hemoglobin_z * 6.5
            - self.lack_of_iron(influence) * 33.0
            - influence.kidney_disease.map_or(0.0, |years| years.clamp(0.0, 15.0) * 0.9)
    }
}

fn sugar_z(story: Option<&Curated>, rng: &mut Rng) -> f64 {
    let drawn = rng.normal();
    story.map_or(drawn, |story| story.sugar_z)
}

fn grown(sex: Sex, months: f64, of: impl Fn(&Growth) -> (i64, i64)) -> (f64, f64) {
    let table = if sex == Sex::Female { GIRLS } else { BOYS };
    let at = table.iter().rposition(|row| f64::from(row.months) <= months).unwrap_or(0);
    let low = &table[at];
    let high = &table[(at + 1).min(table.len() - 1)];
    let span = f64::from((high.months - low.months).max(1));
    let share = ((months - f64::from(low.months)) / span).clamp(0.0, 1.0);
    let mix = |a: i64, b: i64| a as f64 + (b - a) as f64 * share;
    let ((a, s), (b, t)) = (of(low), of(high));
    (mix(a, b), mix(s, t))
}

/// The nearest whole number, half away from zero.
pub fn round(value: f64) -> i64 {
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i64
}
