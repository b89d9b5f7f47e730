//! Allergies: substances with their usual reactions.
//!
//! Source of codes: RxNorm ingredients, SNOMED CT Global Patient Set.

/// An allergy.
#[derive(Debug)]
pub struct Allergy {
    /// True for RxNorm, false for SNOMED CT.
    pub rxnorm: bool,
    /// Code.
    pub code: &'static str,
    /// Display of the code.
    pub display: &'static str,
    /// Name on the chart.
    pub name: &'static str,
    /// FHIR category: `medication`, `food`, `environment`.
    pub category: &'static str,
    /// How common, in parts of the sum.
    pub weight: u32,
    /// Possible reactions: SNOMED CT code, display, severity.
    pub reactions: &'static [(&'static str, &'static str, &'static str)],
    /// FHIR criticality.
    pub criticality: &'static str,
}

const HIVES: (&str, &str, &str) = ("126485001", "Urticaria (disorder)", "moderate");
const RASH: (&str, &str, &str) = ("271807003", "Eruption of skin (disorder)", "mild");
const ANAPHYLAXIS: (&str, &str, &str) = ("39579001", "Anaphylaxis (disorder)", "severe");
const NAUSEA: (&str, &str, &str) = ("422587007", "Nausea (finding)", "mild");
const COUGH: (&str, &str, &str) = ("49727002", "Cough (finding)", "mild");
const SWELLING: (&str, &str, &str) = ("41291007", "Angioedema (disorder)", "severe");
const ITCHING: (&str, &str, &str) = ("418363000", "Itching of skin (finding)", "mild");
const SNEEZING: (&str, &str, &str) = ("76067001", "Sneezing (finding)", "mild");
const PAIN: (&str, &str, &str) = ("21522001", "Abdominal pain (finding)", "mild");

const fn drug(
    code: &'static str,
    display: &'static str,
    name: &'static str,
    weight: u32,
    reactions: &'static [(&'static str, &'static str, &'static str)],
    criticality: &'static str,
) -> Allergy {
    Allergy {
        rxnorm: true,
        code,
        display,
        name,
        category: "medication",
        weight,
        reactions,
        criticality,
    }
}

const fn substance(
    code: &'static str,
    display: &'static str,
    name: &'static str,
    category: &'static str,
    weight: u32,
    reactions: &'static [(&'static str, &'static str, &'static str)],
    criticality: &'static str,
) -> Allergy {
    Allergy { rxnorm: false, code, display, name, category, weight, reactions, criticality }
}

/// Penicillins, which decide about antibiotics.
pub const PENICILLIN: usize = 0;
/// ACE inhibitors, found while treating hypertension.
pub const LISINOPRIL: usize = 6;

/// Allergies of a primary care practice.
#[rustfmt::skip]
pub static ALLERGIES: &[Allergy] = &[
    drug("70618", "penicillin", "Penicillin", 30, &[HIVES, RASH, ANAPHYLAXIS], "high"),
    drug("10180", "sulfamethoxazole", "Sulfamethoxazole", 16, &[RASH, HIVES], "low"),
    drug("1191", "aspirin", "Aspirin", 5, &[HIVES, SWELLING], "high"),
    drug("5640", "ibuprofen", "Ibuprofen", 6, &[HIVES, PAIN], "low"),
    drug("2670", "codeine", "Codeine", 9, &[NAUSEA, ITCHING], "low"),
    drug("723", "amoxicillin", "Amoxicillin", 9, &[RASH, HIVES], "low"),
    drug("29046", "lisinopril", "Lisinopril", 0, &[COUGH, SWELLING], "low"),
    drug("7052", "morphine", "Morphine", 3, &[NAUSEA, ITCHING], "low"),
    drug("2551", "ciprofloxacin", "Ciprofloxacin", 3, &[RASH, NAUSEA], "low"),
    substance("762952008", "Peanut (substance)", "Peanut", "food", 6, &[ANAPHYLAXIS, HIVES], "high"),
    substance("735029006", "Shellfish (substance)", "Shellfish", "food", 7, &[HIVES, ANAPHYLAXIS, SWELLING], "high"),
    substance("102263004", "Eggs (edible) (substance)", "Egg", "food", 3, &[HIVES, RASH], "low"),
    substance("227493005", "Cashew nut (substance)", "Cashew nut", "food", 3, &[ANAPHYLAXIS, HIVES], "high"),
    substance("111088007", "Latex (substance)", "Latex", "environment", 5, &[RASH, HIVES], "low"),
    substance("256277009", "Grass pollen (substance)", "Grass pollen", "environment", 12, &[SNEEZING, ITCHING], "low"),
    substance("264287008", "Animal dander (substance)", "Animal dander", "environment", 8, &[SNEEZING, ITCHING], "low"),
    substance("288328004", "Bee venom (substance)", "Bee venom", "environment", 3, &[SWELLING, ANAPHYLAXIS], "high"),
];
