//! What is started when a problem is found.
//!
//! The usual first step of primary care; it makes charts believable and is not advice.

use crate::course::Course;
use crate::day::Day;
use crate::tables::allergies;
use crate::tables::drugs::{self as d, Drug};
use crate::tables::problems::Chronic;

impl Course<'_> {
    /// What is started when a problem is found, and what the note says.
    pub(crate) fn first_treatment(
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
}
