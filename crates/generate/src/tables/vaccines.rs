//! Vaccines: CVX codes and the schedule by age.
//!
//! Source: CDC CVX code set; CDC child and adult schedules, simplified to the usual visit.

/// A vaccine.
#[derive(Debug)]
pub struct Vaccine {
    /// CVX code.
    pub cvx: &'static str,
    /// CVX short description.
    pub display: &'static str,
    /// Prefix of lot numbers.
    pub lot: &'static str,
}

const fn v(cvx: &'static str, display: &'static str, lot: &'static str) -> Vaccine {
    Vaccine { cvx, display, lot }
}

/// Hepatitis B.
pub static HEP_B: Vaccine = v("08", "Hep B, adolescent or pediatric", "HB");
/// Rotavirus.
pub static ROTAVIRUS: Vaccine = v("119", "rotavirus, monovalent", "RV");
/// Diphtheria, tetanus, pertussis for children.
pub static DTAP: Vaccine = v("20", "DTaP", "DT");
/// Haemophilus influenzae b.
pub static HIB: Vaccine = v("49", "Hib (PRP-OMP)", "HI");
/// Pneumococcus, 13-valent.
pub static PCV13: Vaccine = v("133", "Pneumococcal conjugate PCV 13", "PC");
/// Pneumococcus, 20-valent, from 2022.
pub static PCV20: Vaccine = v(
    "216",
    "Pneumococcal conjugate vaccine 20-valent (PCV20), polysaccharide CRM197 conjugate, adjuvant, preservative free",
    "PX",
);
/// Polio.
pub static IPV: Vaccine = v("10", "IPV", "IP");
/// Measles, mumps, rubella.
pub static MMR: Vaccine = v("03", "MMR", "MM");
/// Varicella.
pub static VARICELLA: Vaccine = v("21", "varicella", "VA");
/// Hepatitis A.
pub static HEP_A: Vaccine = v("83", "Hep A, ped/adol, 2 dose", "HA");
/// Tetanus booster with pertussis.
pub static TDAP: Vaccine = v("115", "Tdap", "TD");
/// Tetanus booster.
pub static TD: Vaccine =
    v("113", "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed", "TE");
/// Human papillomavirus.
pub static HPV9: Vaccine = v("165", "HPV9", "HP");
/// Meningococcus.
pub static MCV4: Vaccine = v("114", "meningococcal MCV4P", "MC");
/// Shingles.
pub static ZOSTER: Vaccine = v("187", "zoster recombinant", "ZO");
/// Pneumococcus, polysaccharide, until 2021.
pub static PPSV23: Vaccine = v("33", "pneumococcal polysaccharide PPV23", "PP");
/// Influenza, four strains, until the season of 2023.
pub static FLU4: Vaccine = v("150", "influenza, injectable, quadrivalent, preservative free", "FQ");
/// Influenza, three strains, from the season of 2024.
pub static FLU3: Vaccine = v("140", "Influenza, seasonal, injectable, preservative free", "FT");
/// COVID-19, 2021 and 2022.
pub static COVID: Vaccine = v("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose", "CV");
/// COVID-19, from autumn 2023.
pub static COVID_NEW: Vaccine =
    v("309", "COVID-19, mRNA, LNP-S, PF, tris-sucrose, 30 mcg/0.3 mL", "CW");
/// RSV for older adults, from autumn 2023.
pub static RSV: Vaccine = v(
    "303",
    "RSV, recombinant, protein subunit RSVpreF3, adjuvant reconstituted, 0.5 mL, PF",
    "RS",
);

/// Doses for children: age in months, vaccine, dose number, doses in the series.
pub static CHILD: &[(i32, &Vaccine, i64, i64)] = &[
    (0, &HEP_B, 1, 3),
    (2, &HEP_B, 2, 3),
    (2, &ROTAVIRUS, 1, 2),
    (2, &DTAP, 1, 5),
    (2, &HIB, 1, 3),
    (2, &PCV13, 1, 4),
    (2, &IPV, 1, 4),
    (4, &ROTAVIRUS, 2, 2),
    (4, &DTAP, 2, 5),
    (4, &HIB, 2, 3),
    (4, &PCV13, 2, 4),
    (4, &IPV, 2, 4),
    (6, &HEP_B, 3, 3),
    (6, &DTAP, 3, 5),
    (6, &PCV13, 3, 4),
    (6, &IPV, 3, 4),
    (12, &HIB, 3, 3),
    (12, &PCV13, 4, 4),
    (12, &MMR, 1, 2),
    (12, &VARICELLA, 1, 2),
    (12, &HEP_A, 1, 2),
    (15, &DTAP, 4, 5),
    (18, &HEP_A, 2, 2),
    (48, &DTAP, 5, 5),
    (48, &IPV, 4, 4),
    (48, &MMR, 2, 2),
    (48, &VARICELLA, 2, 2),
    (132, &TDAP, 1, 1),
    (132, &HPV9, 1, 2),
    (132, &MCV4, 1, 2),
    (144, &HPV9, 2, 2),
    (192, &MCV4, 2, 2),
];

/// Ages in months of well child visits.
pub static WELL_CHILD: &[i32] = &[
    0, 1, 2, 4, 6, 9, 12, 15, 18, 24, 30, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168,
    180, 192, 204, 216,
];
