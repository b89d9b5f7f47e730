//! Facts as data rows: names, places, codes, courses.
//!
//! Codes come from ICD-10-CM (CDC, public domain), RxNorm (NLM, no licence needed), CVX (CDC, public
//! domain), LOINC (Copyright Regenstrief Institute and the LOINC Committee, available at no cost at
//! loinc.org under its licence) and the Global Patient Set of SNOMED CT (SNOMED International,
//! CC BY 4.0). No row holds logic.

pub mod allergies;
pub mod drugs;
pub mod growth;
pub mod labs;
pub mod names;
pub mod places;
pub mod problems;
pub mod procedures;
pub mod staff;
pub mod vaccines;
