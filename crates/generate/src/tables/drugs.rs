//! Medications as they are prescribed: RxNorm product, instruction, supply.

/// How a medication is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Tablet by mouth.
    Tablet,
    /// Capsule by mouth.
    Capsule,
    /// Millilitres by mouth.
    Liquid,
    /// Puffs inhaled.
    Puff,
    /// Sprays into each nostril.
    Spray,
    /// Applied to the skin.
    Cream,
    /// Injected under the skin, millilitres.
    Injection,
    /// Tablet under the tongue.
    Sublingual,
}

/// A medication with its usual instruction.
#[derive(Debug)]
pub struct Drug {
    /// RxNorm concept of the product.
    pub code: &'static str,
    /// Its RxNorm name.
    pub display: &'static str,
    /// Short name for notes.
    pub name: &'static str,
    /// Instruction to the patient.
    pub sig: &'static str,
    /// Form.
    pub form: Form,
    /// Units of the form per dose, in tenths.
    pub dose_tenths: i64,
    /// Doses per day (`per_days` 1) or per `per_days` days.
    pub times: i64,
    /// Days of the period.
    pub per_days: i64,
    /// Only when needed.
    pub as_needed: bool,
    /// Units dispensed at a time.
    pub quantity: i64,
    /// Days one fill lasts.
    pub days: i64,
    /// Refills.
    pub refills: i64,
}

const fn daily(
    code: &'static str,
    display: &'static str,
    name: &'static str,
    sig: &'static str,
    form: Form,
) -> Drug {
    Drug {
        code,
        display,
        name,
        sig,
        form,
        dose_tenths: 10,
        times: 1,
        per_days: 1,
        as_needed: false,
        quantity: 90,
        days: 90,
        refills: 3,
    }
}

const fn twice(
    code: &'static str,
    display: &'static str,
    name: &'static str,
    sig: &'static str,
    form: Form,
) -> Drug {
    Drug { times: 2, quantity: 180, ..daily(code, display, name, sig, form) }
}

const fn course(
    code: &'static str,
    display: &'static str,
    name: &'static str,
    sig: &'static str,
    form: Form,
    supply: (i64, i64, i64),
) -> Drug {
    let (times, days, quantity) = supply;
    Drug { times, days, quantity, refills: 0, ..daily(code, display, name, sig, form) }
}

const fn needed(
    code: &'static str,
    display: &'static str,
    name: &'static str,
    sig: &'static str,
    form: Form,
    supply: (i64, i64, i64),
) -> Drug {
    let (times, days, quantity) = supply;
    Drug {
        times,
        days,
        quantity,
        as_needed: true,
        refills: 2,
        ..daily(code, display, name, sig, form)
    }
}

const ONCE: &str = "Take 1 tablet by mouth once daily";
const ONCE_CAPSULE: &str = "Take 1 capsule by mouth once daily";
const EVENING: &str = "Take 1 tablet by mouth every evening";
const TWICE_FOOD: &str = "Take 1 tablet by mouth twice daily with meals";
const TWICE: &str = "Take 1 tablet by mouth twice daily";

macro_rules! drugs {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub static $name: Drug = $value;)*
        /// All medications.
        pub static ALL: &[&Drug] = &[$(&$name),*];
    };
}

/// The medication with RxNorm concept `code`.
pub fn by_code(code: &str) -> Option<&'static Drug> {
    ALL.iter().copied().find(|drug| drug.code == code)
}

#[rustfmt::skip]
mod rows {
use super::*;
drugs! {
    /// ACE inhibitor, first step.
    LISINOPRIL_10 = daily("314076", "lisinopril 10 MG Oral Tablet", "lisinopril 10 mg", ONCE, Form::Tablet);
    /// ACE inhibitor, second step.
    LISINOPRIL_20 = daily("314077", "lisinopril 20 MG Oral Tablet", "lisinopril 20 mg", ONCE, Form::Tablet);
    /// ACE inhibitor, full dose.
    LISINOPRIL_40 = daily("197884", "lisinopril 40 MG Oral Tablet", "lisinopril 40 mg", ONCE, Form::Tablet);
    /// Angiotensin receptor blocker.
    LOSARTAN_50 = daily("979492", "losartan potassium 50 MG Oral Tablet", "losartan 50 mg", ONCE, Form::Tablet);
    /// Angiotensin receptor blocker, full dose.
    LOSARTAN_100 = daily("979480", "losartan potassium 100 MG Oral Tablet", "losartan 100 mg", ONCE, Form::Tablet);
    /// Calcium channel blocker.
    AMLODIPINE_5 = daily("197361", "amlodipine 5 MG Oral Tablet", "amlodipine 5 mg", ONCE, Form::Tablet);
    /// Calcium channel blocker, full dose.
    AMLODIPINE_10 = daily("308135", "amlodipine 10 MG Oral Tablet", "amlodipine 10 mg", ONCE, Form::Tablet);
    /// Thiazide.
    HYDROCHLOROTHIAZIDE = daily("310798", "hydrochlorothiazide 25 MG Oral Tablet", "hydrochlorothiazide 25 mg", ONCE, Form::Tablet);
    /// Beta blocker.
    METOPROLOL_50 = daily("866436", "24 HR metoprolol succinate 50 MG Extended Release Oral Tablet", "metoprolol succinate 50 mg", ONCE, Form::Tablet);
    /// Beta blocker in heart failure.
    CARVEDILOL_12 = twice("200032", "carvedilol 12.5 MG Oral Tablet", "carvedilol 12.5 mg", TWICE_FOOD, Form::Tablet);
    /// Loop diuretic.
    FUROSEMIDE_40 = daily("313988", "furosemide 40 MG Oral Tablet", "furosemide 40 mg", "Take 1 tablet by mouth every morning", Form::Tablet);
    /// Potassium-sparing diuretic.
    SPIRONOLACTONE = daily("313096", "spironolactone 25 MG Oral Tablet", "spironolactone 25 mg", ONCE, Form::Tablet);
    /// Statin, moderate.
    ATORVASTATIN_20 = daily("617310", "atorvastatin 20 MG Oral Tablet", "atorvastatin 20 mg", EVENING, Form::Tablet);
    /// Statin, intensive.
    ATORVASTATIN_40 = daily("617311", "atorvastatin 40 MG Oral Tablet", "atorvastatin 40 mg", EVENING, Form::Tablet);
    /// Statin, the most.
    ATORVASTATIN_80 = daily("259255", "atorvastatin 80 MG Oral Tablet", "atorvastatin 80 mg", EVENING, Form::Tablet);
    /// Metformin, first step.
    METFORMIN_500 = twice("861007", "metformin hydrochloride 500 MG Oral Tablet", "metformin 500 mg", TWICE_FOOD, Form::Tablet);
    /// Metformin, full dose.
    METFORMIN_1000 = twice("861004", "metformin hydrochloride 1000 MG Oral Tablet", "metformin 1000 mg", TWICE_FOOD, Form::Tablet);
    /// Sulfonylurea.
    GLIPIZIDE = daily("310490", "glipizide 5 MG Oral Tablet", "glipizide 5 mg", "Take 1 tablet by mouth before breakfast", Form::Tablet);
    /// SGLT2 inhibitor.
    EMPAGLIFLOZIN = daily("1545653", "empagliflozin 10 MG Oral Tablet", "empagliflozin 10 mg", "Take 1 tablet by mouth every morning", Form::Tablet);
    /// GLP-1 receptor agonist.
    SEMAGLUTIDE = Drug { dose_tenths: 4, per_days: 7, quantity: 2, days: 28, refills: 11,
        ..daily("1991306", "0.25 MG, 0.5 MG Dose 1.5 ML semaglutide 1.34 MG/ML Pen Injector", "semaglutide 0.5 mg weekly", "Inject 0.5 mg under the skin once a week", Form::Injection) };
    /// Basal insulin.
    GLARGINE = Drug { dose_tenths: 2, quantity: 10, days: 28, refills: 11,
        ..daily("311041", "insulin glargine 100 UNT/ML Injectable Solution", "insulin glargine 20 units", "Inject 20 units under the skin at bedtime", Form::Injection) };
    /// Thyroid hormone, start.
    LEVOTHYROXINE_50 = daily("966221", "levothyroxine sodium 0.05 MG Oral Tablet", "levothyroxine 50 mcg", "Take 1 tablet by mouth every morning on an empty stomach", Form::Tablet);
    /// Thyroid hormone, usual.
    LEVOTHYROXINE_75 = daily("966222", "levothyroxine sodium 0.075 MG Oral Tablet", "levothyroxine 75 mcg", "Take 1 tablet by mouth every morning on an empty stomach", Form::Tablet);
    /// Thyroid hormone, more.
    LEVOTHYROXINE_100 = daily("892246", "levothyroxine sodium 0.1 MG Oral Tablet", "levothyroxine 100 mcg", "Take 1 tablet by mouth every morning on an empty stomach", Form::Tablet);
    /// Proton pump inhibitor.
    OMEPRAZOLE = daily("198051", "omeprazole 20 MG Delayed Release Oral Capsule", "omeprazole 20 mg", "Take 1 capsule by mouth before breakfast", Form::Capsule);
    /// Antidepressant, start.
    SERTRALINE_50 = daily("312941", "sertraline 50 MG Oral Tablet", "sertraline 50 mg", ONCE, Form::Tablet);
    /// Antidepressant, more.
    SERTRALINE_100 = daily("312938", "sertraline 100 MG Oral Tablet", "sertraline 100 mg", ONCE, Form::Tablet);
    /// Antidepressant, other.
    FLUOXETINE = daily("310385", "fluoxetine 20 MG Oral Capsule", "fluoxetine 20 mg", ONCE_CAPSULE, Form::Capsule);
    /// For anxiety and pain.
    DULOXETINE = daily("596930", "duloxetine 30 MG Delayed Release Oral Capsule", "duloxetine 30 mg", ONCE_CAPSULE, Form::Capsule);
    /// For anxiety.
    VENLAFAXINE = daily("313585", "24 HR venlafaxine 75 MG Extended Release Oral Capsule", "venlafaxine XR 75 mg", ONCE_CAPSULE, Form::Capsule);
    /// For sleep.
    TRAZODONE = daily("856377", "trazodone hydrochloride 50 MG Oral Tablet", "trazodone 50 mg", "Take 1 tablet by mouth at bedtime", Form::Tablet);
    /// For attention.
    METHYLPHENIDATE = Drug { quantity: 30, days: 30, refills: 0,
        ..daily("1091155", "24 HR methylphenidate hydrochloride 18 MG Extended Release Oral Tablet", "methylphenidate ER 18 mg", "Take 1 tablet by mouth every morning", Form::Tablet) };
    /// Rescue inhaler.
    ALBUTEROL = Drug { dose_tenths: 20, ..needed("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "albuterol inhaler", "Inhale 2 puffs every 4 hours as needed for wheezing", Form::Puff, (6, 30, 200)) };
    /// Inhaled steroid.
    FLUTICASONE = Drug { dose_tenths: 20, times: 2, quantity: 120, days: 30, refills: 5,
        ..daily("896001", "120 ACTUAT fluticasone propionate 0.11 MG/ACTUAT Metered Dose Inhaler", "fluticasone inhaler", "Inhale 2 puffs twice daily, rinse the mouth after use", Form::Puff) };
    /// Combination inhaler.
    SALMETEROL = Drug { times: 2, quantity: 60, days: 30, refills: 5,
        ..daily("896209", "60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler", "fluticasone/salmeterol", "Inhale 1 puff twice daily, rinse the mouth after use", Form::Puff) };
    /// Leukotriene antagonist.
    MONTELUKAST = daily("200224", "montelukast 10 MG Oral Tablet", "montelukast 10 mg", EVENING, Form::Tablet);
    /// Antihistamine.
    CETIRIZINE = daily("1014678", "cetirizine hydrochloride 10 MG Oral Tablet", "cetirizine 10 mg", ONCE, Form::Tablet);
    /// Nasal steroid.
    FLUTICASONE_NASAL = Drug { quantity: 16, days: 60, refills: 5,
        ..daily("1797907", "fluticasone propionate 0.05 MG/ACTUAT Metered Dose Nasal Spray", "fluticasone nasal spray", "Use 1 spray in each nostril once daily", Form::Spray) };
    /// Steroid cream.
    HYDROCORTISONE = Drug { quantity: 30, days: 14, refills: 1, times: 2,
        ..daily("106258", "hydrocortisone 10 MG/ML Topical Cream", "hydrocortisone 1% cream", "Apply a thin layer twice daily for up to two weeks", Form::Cream) };
    /// Antibiotic.
    AMOXICILLIN = course("308191", "amoxicillin 500 MG Oral Capsule", "amoxicillin 500 mg", "Take 1 capsule by mouth twice daily for 10 days", Form::Capsule, (2, 10, 20));
    /// Antibiotic for children.
    AMOXICILLIN_LIQUID = Drug { dose_tenths: 80, ..course("239191", "amoxicillin 50 MG/ML Oral Suspension", "amoxicillin 250 mg/5 mL", "Give 8 mL by mouth twice daily for 10 days", Form::Liquid, (2, 10, 160)) };
    /// Antibiotic.
    AMOXICILLIN_CLAVULANATE = course("562508", "amoxicillin 875 MG / clavulanate 125 MG Oral Tablet", "amoxicillin-clavulanate 875 mg", "Take 1 tablet by mouth twice daily for 7 days", Form::Tablet, (2, 7, 14));
    /// Antibiotic where penicillin is not possible.
    AZITHROMYCIN = course("308460", "azithromycin 250 MG Oral Tablet", "azithromycin 250 mg", "Take 2 tablets on day 1, then 1 tablet daily on days 2 to 5", Form::Tablet, (1, 5, 6));
    /// Antibiotic.
    CEPHALEXIN = course("309114", "cephalexin 500 MG Oral Capsule", "cephalexin 500 mg", "Take 1 capsule by mouth four times daily for 7 days", Form::Capsule, (4, 7, 28));
    /// Antibiotic.
    NITROFURANTOIN = course("1648755", "nitrofurantoin, macrocrystals 25 MG / nitrofurantoin, monohydrate 75 MG Oral Capsule", "nitrofurantoin 100 mg", "Take 1 capsule by mouth twice daily for 5 days", Form::Capsule, (2, 5, 10));
    /// Antibiotic.
    DOXYCYCLINE = course("1650143", "doxycycline hyclate 100 MG Oral Tablet", "doxycycline 100 mg", "Take 1 tablet by mouth twice daily for 7 days", Form::Tablet, (2, 7, 14));
    /// Steroid burst.
    PREDNISONE = Drug { dose_tenths: 20, ..course("312615", "prednisone 20 MG Oral Tablet", "prednisone 40 mg", "Take 2 tablets by mouth every morning for 5 days", Form::Tablet, (1, 5, 10)) };
    /// Pain.
    IBUPROFEN = needed("197806", "ibuprofen 600 MG Oral Tablet", "ibuprofen 600 mg", "Take 1 tablet by mouth every 8 hours with food as needed for pain", Form::Tablet, (3, 10, 30));
    /// Pain.
    NAPROXEN = needed("198014", "naproxen 500 MG Oral Tablet", "naproxen 500 mg", "Take 1 tablet by mouth twice daily with food as needed for pain", Form::Tablet, (2, 15, 30));
    /// Pain.
    ACETAMINOPHEN = Drug { dose_tenths: 20, ..needed("198440", "acetaminophen 500 MG Oral Tablet", "acetaminophen 1000 mg", "Take 2 tablets by mouth every 8 hours as needed for pain", Form::Tablet, (3, 15, 90)) };
    /// Nerve pain.
    GABAPENTIN = Drug { times: 3, quantity: 270, ..daily("310431", "gabapentin 300 MG Oral Capsule", "gabapentin 300 mg", "Take 1 capsule by mouth three times daily", Form::Capsule) };
    /// Migraine attacks.
    SUMATRIPTAN = needed("313161", "sumatriptan 50 MG Oral Tablet", "sumatriptan 50 mg", "Take 1 tablet by mouth at onset of migraine, may repeat once after 2 hours", Form::Tablet, (1, 30, 9));
    /// Gout.
    ALLOPURINOL = daily("197319", "allopurinol 100 MG Oral Tablet", "allopurinol 100 mg", ONCE, Form::Tablet);
    /// Bones.
    ALENDRONATE = Drug { per_days: 7, quantity: 12, days: 84, refills: 3, ..daily("904431", "alendronic acid 70 MG Oral Tablet", "alendronate 70 mg weekly", "Take 1 tablet by mouth once a week with a full glass of water, stay upright for 30 minutes", Form::Tablet) };
    /// Iron.
    FERROUS_SULFATE = daily("310325", "ferrous sulfate 325 MG Oral Tablet", "ferrous sulfate 325 mg", "Take 1 tablet by mouth every other day", Form::Tablet);
    /// Prostate.
    TAMSULOSIN = daily("863669", "tamsulosin hydrochloride 0.4 MG Oral Capsule", "tamsulosin 0.4 mg", "Take 1 capsule by mouth 30 minutes after the evening meal", Form::Capsule);
    /// Prostate, large.
    FINASTERIDE = daily("310346", "finasteride 5 MG Oral Tablet", "finasteride 5 mg", ONCE, Form::Tablet);
    /// Antiplatelet.
    ASPIRIN = daily("243670", "aspirin 81 MG Oral Tablet", "aspirin 81 mg", ONCE, Form::Tablet);
    /// Antiplatelet after a stent.
    CLOPIDOGREL = daily("309362", "clopidogrel 75 MG Oral Tablet", "clopidogrel 75 mg", ONCE, Form::Tablet);
    /// Anticoagulant.
    APIXABAN = twice("1364445", "apixaban 5 MG Oral Tablet", "apixaban 5 mg", TWICE, Form::Tablet);
    /// Angina.
    NITROGLYCERIN = needed("198039", "nitroglycerin 0.4 MG Sublingual Tablet", "nitroglycerin 0.4 mg", "Dissolve 1 tablet under the tongue for chest pain, call 911 if not gone in 5 minutes", Form::Sublingual, (3, 30, 25));
    /// Memory.
    DONEPEZIL = daily("997223", "donepezil hydrochloride 10 MG Oral Tablet", "donepezil 10 mg", "Take 1 tablet by mouth at bedtime", Form::Tablet);
    /// Contraception.
    CONTRACEPTIVE = Drug { quantity: 84, days: 84, ..daily("748879", "{21 (ethinyl estradiol 0.03 MG / levonorgestrel 0.15 MG Oral Tablet) / 7 (inert ingredients 1 MG Oral Tablet) } Pack [Levora 0.15/30 28 Day]", "ethinyl estradiol/levonorgestrel", ONCE, Form::Tablet) };
    /// Anaphylaxis.
    EPINEPHRINE = Drug { dose_tenths: 3, ..needed("1870230", "NDA020800 0.3 ML Epinephrine 1 MG/ML Auto-Injector", "epinephrine auto-injector", "Inject into the outer thigh for a severe allergic reaction and call 911", Form::Injection, (1, 365, 2)) };
    /// Erectile dysfunction.
    SILDENAFIL = needed("312950", "sildenafil 50 MG Oral Tablet", "sildenafil 50 mg", "Take 1 tablet by mouth one hour before activity as needed", Form::Tablet, (1, 30, 6));
}
}
pub use rows::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_supplies_positive() {
        for (idx, drug) in ALL.iter().enumerate() {
            assert!(ALL[..idx].iter().all(|other| other.code != drug.code), "{}", drug.name);
            assert!(drug.quantity > 0 && drug.days > 0 && drug.times > 0, "{}", drug.name);
        }
    }
}
