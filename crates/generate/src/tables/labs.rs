//! Laboratory tests: LOINC codes, UCUM units, reference ranges.
//!
//! Reference ranges are those of a common US adult laboratory.

/// A quantity or finding that a laboratory measures; the value is the index in [`ANALYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Analyte {
    Glucose,
    UreaNitrogen,
    Creatinine,
    Egfr,
    Sodium,
    Potassium,
    Chloride,
    CarbonDioxide,
    Calcium,
    Protein,
    Albumin,
    Bilirubin,
    AlkalinePhosphatase,
    Alt,
    Ast,
    Cholesterol,
    Triglyceride,
    Hdl,
    Ldl,
    HemoglobinA1c,
    Thyrotropin,
    Leukocytes,
    Erythrocytes,
    Hemoglobin,
    Hematocrit,
    Mcv,
    Platelets,
    UrineAlbuminRatio,
    UrinePh,
    UrineGravity,
    UrineLeukocytes,
    UrineNitrite,
    UrineBlood,
    UrineGlucose,
    Psa,
    Ferritin,
    Urate,
    NtProBnp,
    Inr,
    CReactiveProtein,
    StrepAntigen,
    InfluenzaAntigen,
    Lead,
}

/// Number of analytes.
pub const ANALYTE_COUNT: usize = 43;

/// A row of the laboratory's catalogue.
#[derive(Debug)]
pub struct AnalyteRow {
    /// Which; the tests check that rows stand in this order.
    #[cfg(test)]
    pub key: Analyte,
    /// LOINC code.
    pub loinc: &'static str,
    /// LOINC long common name.
    pub display: &'static str,
    /// Name on reports.
    pub name: &'static str,
    /// UCUM unit; `""` for findings that are words.
    pub ucum: &'static str,
    /// Unit as printed.
    pub unit: &'static str,
    /// Digits after the point.
    pub places: u8,
    /// Reference range of women and men, scaled by `places`; `None` is open.
    pub range: [(Option<i64>, Option<i64>); 2],
    /// Below and above these values somebody telephones, scaled by `places`.
    pub critical: (Option<i64>, Option<i64>),
}

#[cfg_attr(not(test), expect(unused_variables, reason = "the key is for reading and for tests"))]
const fn row(
    key: Analyte,
    loinc: (&'static str, &'static str),
    name: &'static str,
    unit: (&'static str, &'static str, u8),
    female: (i64, i64),
    male: (i64, i64),
    critical: (i64, i64),
) -> AnalyteRow {
    AnalyteRow {
        #[cfg(test)]
        key,
        loinc: loinc.0,
        display: loinc.1,
        name,
        ucum: unit.0,
        unit: unit.1,
        places: unit.2,
        range: [(bound(female.0), bound(female.1)), (bound(male.0), bound(male.1))],
        critical: (bound(critical.0), bound(critical.1)),
    }
}

/// Stands for "no bound" in the rows below.
const X: i64 = -1;

const fn bound(value: i64) -> Option<i64> {
    if value == X { None } else { Some(value) }
}

/// One row per [`Analyte`], in its order.
#[rustfmt::skip]
pub static ANALYTES: [AnalyteRow; ANALYTE_COUNT] = [
    row(Analyte::Glucose, ("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), "Glucose", ("mg/dL", "mg/dL", 0), (70, 99), (70, 99), (50, 400)),
    row(Analyte::UreaNitrogen, ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"), "Urea nitrogen", ("mg/dL", "mg/dL", 0), (7, 20), (7, 20), (X, 100)),
    row(Analyte::Creatinine, ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"), "Creatinine", ("mg/dL", "mg/dL", 2), (51, 95), (67, 117), (X, 500)),
    row(Analyte::Egfr, ("98979-8", "Glomerular filtration rate [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)/1.73 sq M"), "eGFR", ("mL/min/{1.73_m2}", "mL/min/1.73m²", 0), (60, X), (60, X), (15, X)),
    row(Analyte::Sodium, ("2951-2", "Sodium [Moles/volume] in Serum or Plasma"), "Sodium", ("mmol/L", "mmol/L", 0), (135, 145), (135, 145), (120, 160)),
    row(Analyte::Potassium, ("2823-3", "Potassium [Moles/volume] in Serum or Plasma"), "Potassium", ("mmol/L", "mmol/L", 1), (35, 51), (35, 51), (28, 60)),
    row(Analyte::Chloride, ("2075-0", "Chloride [Moles/volume] in Serum or Plasma"), "Chloride", ("mmol/L", "mmol/L", 0), (98, 107), (98, 107), (80, 120)),
    row(Analyte::CarbonDioxide, ("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma"), "Carbon dioxide", ("mmol/L", "mmol/L", 0), (22, 29), (22, 29), (10, 40)),
    row(Analyte::Calcium, ("17861-6", "Calcium [Mass/volume] in Serum or Plasma"), "Calcium", ("mg/dL", "mg/dL", 1), (86, 102), (86, 102), (65, 130)),
    row(Analyte::Protein, ("2885-2", "Protein [Mass/volume] in Serum or Plasma"), "Total protein", ("g/dL", "g/dL", 1), (60, 83), (60, 83), (X, X)),
    row(Analyte::Albumin, ("1751-7", "Albumin [Mass/volume] in Serum or Plasma"), "Albumin", ("g/dL", "g/dL", 1), (35, 50), (35, 50), (X, X)),
    row(Analyte::Bilirubin, ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma"), "Total bilirubin", ("mg/dL", "mg/dL", 1), (1, 12), (1, 12), (X, 150)),
    row(Analyte::AlkalinePhosphatase, ("6768-6", "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma"), "Alkaline phosphatase", ("U/L", "U/L", 0), (35, 104), (40, 129), (X, X)),
    row(Analyte::Alt, ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma"), "ALT", ("U/L", "U/L", 0), (7, 35), (7, 45), (X, 1000)),
    row(Analyte::Ast, ("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma"), "AST", ("U/L", "U/L", 0), (8, 33), (8, 40), (X, 1000)),
    row(Analyte::Cholesterol, ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"), "Total cholesterol", ("mg/dL", "mg/dL", 0), (X, 199), (X, 199), (X, X)),
    row(Analyte::Triglyceride, ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"), "Triglycerides", ("mg/dL", "mg/dL", 0), (X, 149), (X, 149), (X, 1000)),
    row(Analyte::Hdl, ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"), "HDL cholesterol", ("mg/dL", "mg/dL", 0), (50, X), (40, X), (X, X)),
    row(Analyte::Ldl, ("13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation"), "LDL cholesterol", ("mg/dL", "mg/dL", 0), (X, 129), (X, 129), (X, X)),
    row(Analyte::HemoglobinA1c, ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), "Hemoglobin A1c", ("%", "%", 1), (40, 56), (40, 56), (X, 140)),
    row(Analyte::Thyrotropin, ("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"), "TSH", ("m[IU]/L", "mIU/L", 2), (40, 450), (40, 450), (X, X)),
    row(Analyte::Leukocytes, ("6690-2", "Leukocytes [#/volume] in Blood by Automated count"), "White blood cells", ("10*3/uL", "10³/µL", 1), (40, 110), (40, 110), (20, 300)),
    row(Analyte::Erythrocytes, ("789-8", "Erythrocytes [#/volume] in Blood by Automated count"), "Red blood cells", ("10*6/uL", "10⁶/µL", 2), (380, 510), (420, 570), (X, X)),
    row(Analyte::Hemoglobin, ("718-7", "Hemoglobin [Mass/volume] in Blood"), "Hemoglobin", ("g/dL", "g/dL", 1), (120, 155), (135, 175), (70, 200)),
    row(Analyte::Hematocrit, ("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"), "Hematocrit", ("%", "%", 1), (360, 465), (400, 520), (210, 600)),
    row(Analyte::Mcv, ("787-2", "MCV [Entitic mean volume] in Red Blood Cells by Automated count"), "MCV", ("fL", "fL", 0), (80, 100), (80, 100), (X, X)),
    row(Analyte::Platelets, ("777-3", "Platelets [#/volume] in Blood by Automated count"), "Platelets", ("10*3/uL", "10³/µL", 0), (150, 400), (150, 400), (40, 1000)),
    row(Analyte::UrineAlbuminRatio, ("14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine"), "Urine albumin/creatinine", ("mg/g{creat}", "mg/g", 0), (X, 29), (X, 29), (X, X)),
    row(Analyte::UrinePh, ("5803-2", "pH of Urine by Test strip"), "Urine pH", ("[pH]", "pH", 1), (50, 80), (50, 80), (X, X)),
    row(Analyte::UrineGravity, ("5811-5", "Specific gravity of Urine by Test strip"), "Specific gravity", ("1", "", 3), (1005, 1030), (1005, 1030), (X, X)),
    row(Analyte::UrineLeukocytes, ("5799-2", "Leukocyte esterase [Presence] in Urine by Test strip"), "Leukocyte esterase", ("", "", 0), (X, X), (X, X), (X, X)),
    row(Analyte::UrineNitrite, ("5802-4", "Nitrite [Presence] in Urine by Test strip"), "Nitrite", ("", "", 0), (X, X), (X, X), (X, X)),
    row(Analyte::UrineBlood, ("5794-3", "Hemoglobin [Presence] in Urine by Test strip"), "Blood", ("", "", 0), (X, X), (X, X), (X, X)),
    row(Analyte::UrineGlucose, ("25428-4", "Glucose [Presence] in Urine by Test strip"), "Glucose, urine", ("", "", 0), (X, X), (X, X), (X, X)),
    row(Analyte::Psa, ("2857-1", "Prostate specific Ag [Mass/volume] in Serum or Plasma"), "PSA", ("ng/mL", "ng/mL", 2), (X, 400), (X, 400), (X, X)),
    row(Analyte::Ferritin, ("2276-4", "Ferritin [Mass/volume] in Serum or Plasma"), "Ferritin", ("ng/mL", "ng/mL", 0), (15, 150), (30, 400), (X, X)),
    row(Analyte::Urate, ("3084-1", "Urate [Mass/volume] in Serum or Plasma"), "Uric acid", ("mg/dL", "mg/dL", 1), (24, 60), (34, 70), (X, X)),
    row(Analyte::NtProBnp, ("33762-6", "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma"), "NT-proBNP", ("pg/mL", "pg/mL", 0), (X, 125), (X, 125), (X, X)),
    row(Analyte::Inr, ("6301-6", "INR in Platelet poor plasma by Coagulation assay"), "INR", ("{INR}", "INR", 1), (8, 12), (8, 12), (X, 50)),
    row(Analyte::CReactiveProtein, ("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma"), "C-reactive protein", ("mg/L", "mg/L", 1), (X, 50), (X, 50), (X, X)),
    row(Analyte::StrepAntigen, ("78012-2", "Streptococcus pyogenes Ag [Presence] in Throat by Rapid immunoassay"), "Rapid strep", ("", "", 0), (X, X), (X, X), (X, X)),
    row(Analyte::InfluenzaAntigen, ("80382-5", "Influenza virus A Ag [Presence] in Upper respiratory specimen by Rapid immunoassay"), "Influenza A antigen", ("", "", 0), (X, X), (X, X), (X, X)),
    row(Analyte::Lead, ("77307-7", "Lead [Mass/volume] in Venous blood"), "Lead", ("ug/dL", "µg/dL", 1), (X, 34), (X, 34), (X, 450)),
];

/// Ranges of children below 12: LOINC code, low, high, scaled as in the row.
pub static CHILD_RANGES: &[(&str, i64, i64)] = &[
    ("6690-2", 50, 150),
    ("789-8", 380, 530),
    ("718-7", 110, 145),
    ("4544-3", 330, 430),
    ("787-2", 73, 95),
    ("777-3", 150, 450),
    ("2160-0", 20, 80),
    ("6768-6", 110, 420),
];

/// Tests that are ordered and reported together.
#[derive(Debug)]
pub struct Panel {
    /// LOINC code.
    pub loinc: &'static str,
    /// LOINC name.
    pub display: &'static str,
    /// Name on orders and reports.
    pub name: &'static str,
    /// Members, in the order of the report.
    pub analytes: &'static [Analyte],
    /// Done in the practice rather than by the outside laboratory.
    pub in_house: bool,
}

const fn panel(
    loinc: &'static str,
    display: &'static str,
    name: &'static str,
    analytes: &'static [Analyte],
) -> Panel {
    Panel { loinc, display, name, analytes, in_house: false }
}

/// Comprehensive metabolic panel.
#[rustfmt::skip]
pub static METABOLIC: Panel = panel("24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma", "Comprehensive metabolic panel",
    &[Analyte::Glucose, Analyte::UreaNitrogen, Analyte::Creatinine, Analyte::Egfr, Analyte::Sodium, Analyte::Potassium, Analyte::Chloride, Analyte::CarbonDioxide, Analyte::Calcium, Analyte::Protein, Analyte::Albumin, Analyte::Bilirubin, Analyte::AlkalinePhosphatase, Analyte::Alt, Analyte::Ast]);
/// Basic metabolic panel.
#[rustfmt::skip]
pub static BASIC: Panel = panel("24320-4", "Basic metabolic 1998 panel - Serum or Plasma", "Basic metabolic panel",
    &[Analyte::Glucose, Analyte::UreaNitrogen, Analyte::Creatinine, Analyte::Egfr, Analyte::Sodium, Analyte::Potassium, Analyte::Chloride, Analyte::CarbonDioxide]);
/// Lipid panel.
#[rustfmt::skip]
pub static LIPID: Panel = panel("24331-1", "Lipid 1996 panel - Serum or Plasma", "Lipid panel",
    &[Analyte::Cholesterol, Analyte::Triglyceride, Analyte::Hdl, Analyte::Ldl]);
/// Blood count.
#[rustfmt::skip]
pub static BLOOD_COUNT: Panel = panel("58410-2", "CBC panel - Blood by Automated count", "Complete blood count",
    &[Analyte::Leukocytes, Analyte::Erythrocytes, Analyte::Hemoglobin, Analyte::Hematocrit, Analyte::Mcv, Analyte::Platelets]);
/// Hemoglobin A1c.
pub static A1C: Panel = panel(
    "4548-4",
    "Hemoglobin A1c/Hemoglobin.total in Blood",
    "Hemoglobin A1c",
    &[Analyte::HemoglobinA1c],
);
/// Thyrotropin.
pub static TSH: Panel = panel(
    "3016-3",
    "Thyrotropin [Units/volume] in Serum or Plasma",
    "Thyroid stimulating hormone",
    &[Analyte::Thyrotropin],
);
/// Urine albumin.
pub static URINE_ALBUMIN: Panel = panel(
    "14959-1",
    "Microalbumin/Creatinine [Mass Ratio] in Urine",
    "Urine albumin/creatinine ratio",
    &[Analyte::UrineAlbuminRatio],
);
/// Prostate specific antigen.
pub static PSA: Panel = panel(
    "2857-1",
    "Prostate specific Ag [Mass/volume] in Serum or Plasma",
    "Prostate specific antigen",
    &[Analyte::Psa],
);
/// Ferritin.
pub static FERRITIN: Panel =
    panel("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "Ferritin", &[Analyte::Ferritin]);
/// Uric acid.
pub static URATE: Panel =
    panel("3084-1", "Urate [Mass/volume] in Serum or Plasma", "Uric acid", &[Analyte::Urate]);
/// NT-proBNP.
pub static NT_PRO_BNP: Panel = panel(
    "33762-6",
    "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma",
    "NT-proBNP",
    &[Analyte::NtProBnp],
);
/// C-reactive protein.
pub static CRP: Panel = panel(
    "1988-5",
    "C reactive protein [Mass/volume] in Serum or Plasma",
    "C-reactive protein",
    &[Analyte::CReactiveProtein],
);
/// Lead.
pub static LEAD: Panel =
    panel("77307-7", "Lead [Mass/volume] in Venous blood", "Lead, venous", &[Analyte::Lead]);
/// Urinalysis by strip.
#[rustfmt::skip]
pub static URINALYSIS: Panel = Panel { in_house: true, ..panel("24357-6", "Urinalysis macro (dipstick) panel - Urine", "Urinalysis, dipstick",
    &[Analyte::UrinePh, Analyte::UrineGravity, Analyte::UrineLeukocytes, Analyte::UrineNitrite, Analyte::UrineBlood, Analyte::UrineGlucose]) };
/// Rapid strep.
#[rustfmt::skip]
pub static STREP: Panel = Panel { in_house: true, ..panel("78012-2", "Streptococcus pyogenes Ag [Presence] in Throat by Rapid immunoassay", "Rapid strep",
    &[Analyte::StrepAntigen]) };
/// Rapid influenza.
#[rustfmt::skip]
pub static INFLUENZA: Panel = Panel { in_house: true, ..panel("80382-5", "Influenza virus A Ag [Presence] in Upper respiratory specimen by Rapid immunoassay", "Rapid influenza A",
    &[Analyte::InfluenzaAntigen]) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_keys() {
        for (idx, row) in ANALYTES.iter().enumerate() {
            assert_eq!(row.key as usize, idx, "{}", row.name);
        }
    }
}
