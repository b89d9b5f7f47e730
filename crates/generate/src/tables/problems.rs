//! Chronic problems with their prevalence by age, and acute illnesses with their usual course.
//!
//! Source of codes: SNOMED CT Global Patient Set, ICD-10-CM (April 2026). Prevalences are rounded from
//! common knowledge of US primary care, per mille at ages 0, 10, … 90; they make charts believable and
//! support no inference.

/// Chronic problems; the value is the index of the row in [`PROBLEMS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chronic {
    Hypertension,
    Diabetes,
    Prediabetes,
    Hyperlipidemia,
    Hypothyroidism,
    Obesity,
    Asthma,
    Copd,
    Depression,
    Anxiety,
    Adhd,
    Gerd,
    Migraine,
    Osteoarthritis,
    BackPain,
    Osteoporosis,
    KidneyDisease,
    AtrialFibrillation,
    CoronaryDisease,
    HeartFailure,
    AorticStenosis,
    Prostate,
    AllergicRhinitis,
    Eczema,
    Psoriasis,
    Acne,
    SleepApnea,
    Insomnia,
    Gout,
    IronDeficiency,
    VitaminD,
    Nicotine,
    IrritableBowel,
    FattyLiver,
    Glaucoma,
    Parkinson,
    Dementia,
    Neuropathy,
    Tachycardia,
    Rosacea,
    ActinicKeratosis,
}

/// Number of chronic problems.
pub const CHRONIC_COUNT: usize = 41;

/// A chronic problem.
#[derive(Debug)]
pub struct Problem {
    /// Which.
    pub key: Chronic,
    /// SNOMED CT code and display.
    pub snomed: (&'static str, &'static str),
    /// ICD-10-CM code and display.
    pub icd: (&'static str, &'static str),
    /// How a clinician says it.
    pub text: &'static str,
    /// Per mille of women at ages 0, 10, … 90.
    pub female: [u16; 10],
    /// Per mille of men at ages 0, 10, … 90.
    pub male: [u16; 10],
    /// Weeks between visits for this problem; 0 when it needs none of its own.
    pub follow_up_weeks: u16,
}

const fn problem(
    key: Chronic,
    snomed: (&'static str, &'static str),
    icd: (&'static str, &'static str),
    text: &'static str,
    female: [u16; 10],
    male: [u16; 10],
    follow_up_weeks: u16,
) -> Problem {
    Problem { key, snomed, icd, text, female, male, follow_up_weeks }
}

/// One row per [`Chronic`], in its order.
#[rustfmt::skip]
pub static PROBLEMS: [Problem; CHRONIC_COUNT] = [
    problem(Chronic::Hypertension, ("59621000", "Essential hypertension (disorder)"),
        ("I10", "Essential (primary) hypertension"), "Essential hypertension",
        [0, 0, 4, 50, 130, 280, 450, 590, 680, 700], [0, 0, 12, 90, 190, 340, 480, 580, 650, 660], 26),
    problem(Chronic::Diabetes, ("44054006", "Diabetes mellitus type 2 (disorder)"),
        ("E11.9", "Type 2 diabetes mellitus without complications"), "Type 2 diabetes mellitus",
        [0, 0, 3, 15, 50, 100, 160, 200, 210, 190], [0, 0, 3, 20, 60, 130, 190, 230, 230, 200], 17),
    problem(Chronic::Prediabetes, ("714628002", "Prediabetes (finding)"),
        ("R73.03", "Prediabetes"), "Prediabetes",
        [0, 0, 10, 40, 110, 170, 190, 190, 180, 170], [0, 0, 12, 50, 130, 190, 210, 200, 190, 170], 0),
    problem(Chronic::Hyperlipidemia, ("55822004", "Hyperlipidemia (disorder)"),
        ("E78.5", "Hyperlipidemia, unspecified"), "Hyperlipidemia",
        [0, 0, 15, 50, 130, 270, 400, 450, 450, 420], [0, 0, 20, 80, 190, 320, 420, 450, 440, 400], 52),
    problem(Chronic::Hypothyroidism, ("40930008", "Hypothyroidism (disorder)"),
        ("E03.9", "Hypothyroidism, unspecified"), "Hypothyroidism",
        [0, 3, 10, 30, 55, 90, 125, 150, 170, 170], [0, 1, 3, 8, 14, 22, 35, 50, 65, 70], 52),
    problem(Chronic::Obesity, ("414916001", "Obesity (disorder)"),
        ("E66.9", "Obesity, unspecified"), "Obesity",
        [0, 60, 110, 200, 260, 290, 290, 250, 150, 90], [0, 60, 100, 190, 250, 270, 270, 220, 120, 70], 0),
    problem(Chronic::Asthma, ("195967001", "Asthma (disorder)"),
        ("J45.909", "Unspecified asthma, uncomplicated"), "Asthma",
        [0, 80, 100, 110, 118, 125, 125, 125, 120, 115], [0, 110, 115, 115, 115, 115, 115, 112, 110, 105], 26),
    problem(Chronic::Copd, ("13645005", "Chronic obstructive lung disease (disorder)"),
        ("J44.9", "Chronic obstructive pulmonary disease, unspecified"), "COPD",
        [0, 0, 0, 2, 10, 30, 60, 90, 105, 95], [0, 0, 0, 2, 10, 30, 60, 95, 120, 110], 26),
    problem(Chronic::Depression, ("35489007", "Depressive disorder (disorder)"),
        ("F32.A", "Depression, unspecified"), "Depression",
        [0, 10, 100, 150, 180, 200, 205, 200, 190, 180], [0, 6, 55, 85, 105, 115, 118, 112, 105, 100], 20),
    problem(Chronic::Anxiety, ("21897009", "Generalized anxiety disorder (disorder)"),
        ("F41.1", "Generalized anxiety disorder"), "Generalized anxiety disorder",
        [0, 25, 90, 125, 145, 155, 155, 145, 130, 120], [0, 18, 50, 70, 80, 84, 82, 76, 70, 64], 26),
    problem(Chronic::Adhd, ("406506008", "Attention deficit hyperactivity disorder (disorder)"),
        ("F90.2", "Attention-deficit hyperactivity disorder, combined type"), "ADHD",
        [0, 50, 55, 58, 58, 58, 58, 58, 58, 58], [0, 100, 108, 108, 108, 108, 108, 108, 108, 108], 26),
    problem(Chronic::Gerd, ("235595009", "Gastroesophageal reflux disease (disorder)"),
        ("K21.9", "Gastro-esophageal reflux disease without esophagitis"), "GERD",
        [0, 8, 40, 90, 140, 190, 225, 240, 240, 230], [0, 8, 40, 85, 130, 170, 195, 205, 205, 195], 0),
    problem(Chronic::Migraine, ("37796009", "Migraine (disorder)"),
        ("G43.909", "Migraine, unspecified, not intractable, without status migrainosus"), "Migraine",
        [0, 25, 90, 140, 160, 165, 165, 160, 155, 150], [0, 20, 40, 55, 60, 62, 62, 60, 58, 56], 0),
    problem(Chronic::Osteoarthritis, ("239873007", "Osteoarthritis of knee (disorder)"),
        ("M17.0", "Bilateral primary osteoarthritis of knee"), "Osteoarthritis of the knees",
        [0, 0, 0, 10, 45, 130, 240, 330, 390, 400], [0, 0, 0, 10, 35, 90, 170, 240, 290, 300], 0),
    problem(Chronic::BackPain, ("278860009", "Chronic low back pain (finding)"),
        ("M54.50", "Low back pain, unspecified"), "Chronic low back pain",
        [0, 0, 25, 70, 115, 155, 185, 200, 205, 205], [0, 0, 25, 70, 110, 145, 165, 172, 172, 170], 0),
    problem(Chronic::Osteoporosis, ("64859006", "Osteoporosis (disorder)"),
        ("M81.0", "Age-related osteoporosis without current pathological fracture"), "Osteoporosis",
        [0, 0, 0, 0, 4, 30, 110, 210, 310, 350], [0, 0, 0, 0, 2, 8, 18, 40, 70, 90], 52),
    problem(Chronic::KidneyDisease, ("433144002", "Chronic kidney disease stage 3 (disorder)"),
        ("N18.31", "Chronic kidney disease, stage 3a"), "Chronic kidney disease, stage 3a",
        [0, 0, 0, 3, 8, 22, 65, 150, 250, 300], [0, 0, 0, 3, 8, 20, 58, 140, 230, 280], 26),
    problem(Chronic::AtrialFibrillation, ("49436004", "Atrial fibrillation (disorder)"),
        ("I48.91", "Unspecified atrial fibrillation"), "Atrial fibrillation",
        [0, 0, 0, 1, 3, 8, 25, 60, 115, 150], [0, 0, 0, 2, 5, 14, 38, 80, 140, 180], 26),
    problem(Chronic::CoronaryDisease, ("53741008", "Coronary arteriosclerosis (disorder)"),
        ("I25.10", "Atherosclerotic heart disease of native coronary artery without angina pectoris"),
        "Coronary artery disease",
        [0, 0, 0, 1, 7, 25, 60, 105, 150, 170], [0, 0, 0, 4, 18, 60, 125, 190, 240, 260], 26),
    problem(Chronic::HeartFailure, ("42343007", "Congestive heart failure (disorder)"),
        ("I50.9", "Heart failure, unspecified"), "Heart failure",
        [0, 0, 0, 0, 3, 8, 20, 45, 85, 110], [0, 0, 0, 1, 4, 12, 28, 55, 95, 115], 13),
    problem(Chronic::AorticStenosis, ("60573004", "Aortic valve stenosis (disorder)"),
        ("I35.0", "Nonrheumatic aortic (valve) stenosis"), "Aortic stenosis",
        [0, 0, 0, 0, 0, 2, 8, 22, 50, 70], [0, 0, 0, 0, 1, 3, 10, 26, 55, 75], 52),
    problem(Chronic::Prostate, ("266569009", "Benign prostatic hyperplasia (disorder)"),
        ("N40.1", "Benign prostatic hyperplasia with lower urinary tract symptoms"), "BPH",
        [0; 10], [0, 0, 0, 0, 20, 110, 240, 350, 430, 450], 0),
    problem(Chronic::AllergicRhinitis, ("367498001", "Seasonal allergic rhinitis (disorder)"),
        ("J30.2", "Other seasonal allergic rhinitis"), "Seasonal allergic rhinitis",
        [0, 110, 165, 185, 195, 200, 200, 200, 200, 200], [0, 130, 165, 175, 180, 182, 182, 182, 182, 182], 0),
    problem(Chronic::Eczema, ("24079001", "Atopic dermatitis (disorder)"),
        ("L20.9", "Atopic dermatitis, unspecified"), "Atopic dermatitis",
        [40, 110, 120, 125, 128, 130, 130, 130, 130, 130], [40, 105, 110, 112, 114, 115, 115, 115, 115, 115], 0),
    problem(Chronic::Psoriasis, ("9014002", "Psoriasis (disorder)"),
        ("L40.0", "Psoriasis vulgaris"), "Plaque psoriasis",
        [0, 3, 9, 16, 22, 28, 32, 34, 35, 35], [0, 3, 9, 16, 22, 28, 32, 34, 35, 35], 0),
    problem(Chronic::Acne, ("11381005", "Acne vulgaris (disorder)"),
        ("L70.0", "Acne vulgaris"), "Acne vulgaris",
        [0, 10, 140, 150, 152, 152, 152, 152, 152, 152], [0, 5, 130, 135, 136, 136, 136, 136, 136, 136], 0),
    problem(Chronic::SleepApnea, ("78275009", "Obstructive sleep apnea syndrome (disorder)"),
        ("G47.33", "Obstructive sleep apnea (adult) (pediatric)"), "Obstructive sleep apnea",
        [0, 2, 4, 15, 35, 70, 100, 110, 100, 90], [0, 3, 8, 40, 90, 140, 170, 170, 150, 130], 52),
    problem(Chronic::Insomnia, ("193462001", "Insomnia (disorder)"),
        ("G47.00", "Insomnia, unspecified"), "Insomnia",
        [0, 0, 20, 50, 85, 125, 155, 175, 190, 190], [0, 0, 15, 35, 55, 80, 95, 105, 115, 115], 0),
    problem(Chronic::Gout, ("90560007", "Gout"),
        ("M10.9", "Gout, unspecified"), "Gout",
        [0, 0, 0, 0, 3, 10, 22, 35, 45, 45], [0, 0, 0, 10, 25, 48, 75, 95, 105, 100], 52),
    problem(Chronic::IronDeficiency, ("87522002", "Iron deficiency anemia (disorder)"),
        ("D50.9", "Iron deficiency anemia, unspecified"), "Iron deficiency anemia",
        [10, 25, 60, 95, 125, 145, 150, 160, 175, 185], [10, 15, 18, 20, 24, 30, 40, 55, 75, 90], 0),
    problem(Chronic::VitaminD, ("34713006", "Vitamin D deficiency (disorder)"),
        ("E55.9", "Vitamin D deficiency, unspecified"), "Vitamin D deficiency",
        [0, 5, 40, 80, 115, 150, 175, 185, 190, 190], [0, 5, 25, 45, 65, 85, 100, 110, 115, 115], 0),
    problem(Chronic::Nicotine, ("56294008", "Nicotine dependence (disorder)"),
        ("F17.210", "Nicotine dependence, cigarettes, uncomplicated"), "Tobacco use",
        [0, 0, 60, 100, 115, 125, 125, 125, 125, 125], [0, 0, 75, 130, 150, 160, 160, 160, 160, 160], 0),
    problem(Chronic::IrritableBowel, ("10743008", "Irritable bowel syndrome (disorder)"),
        ("K58.9", "Irritable bowel syndrome, unspecified"), "Irritable bowel syndrome",
        [0, 2, 40, 75, 95, 105, 110, 110, 108, 105], [0, 2, 20, 35, 45, 50, 52, 52, 50, 48], 0),
    problem(Chronic::FattyLiver, ("197321007", "Steatosis of liver (disorder)"),
        ("K76.0", "Fatty (change of) liver, not elsewhere classified"), "Fatty liver disease",
        [0, 2, 8, 25, 55, 85, 105, 105, 90, 75], [0, 2, 12, 40, 75, 105, 115, 105, 90, 75], 0),
    problem(Chronic::Glaucoma, ("23986001", "Glaucoma (disorder)"),
        ("H40.9", "Unspecified glaucoma"), "Glaucoma",
        [0, 0, 0, 2, 5, 12, 28, 50, 80, 95], [0, 0, 0, 2, 5, 12, 28, 50, 78, 90], 0),
    problem(Chronic::Parkinson, ("49049000", "Parkinson's disease (disorder)"),
        ("G20.A1", "Parkinson's disease without dyskinesia, without mention of fluctuations"),
        "Parkinson's disease",
        [0, 0, 0, 0, 0, 1, 3, 9, 18, 22], [0, 0, 0, 0, 1, 2, 5, 13, 24, 28], 26),
    problem(Chronic::Dementia, ("52448006", "Dementia (disorder)"),
        ("F03.90", "Unspecified dementia, unspecified severity, without behavioral disturbance, \
psychotic disturbance, mood disturbance, and anxiety"), "Dementia",
        [0, 0, 0, 0, 0, 1, 5, 28, 120, 230], [0, 0, 0, 0, 0, 1, 5, 25, 95, 180], 26),
    problem(Chronic::Neuropathy, ("302226006", "Peripheral nerve disease (disorder)"),
        ("G62.9", "Polyneuropathy, unspecified"), "Peripheral neuropathy",
        [0, 0, 0, 4, 12, 28, 50, 75, 100, 110], [0, 0, 0, 4, 14, 32, 58, 85, 110, 120], 0),
    problem(Chronic::Tachycardia, ("6456007", "Supraventricular tachycardia (disorder)"),
        ("I47.10", "Supraventricular tachycardia, unspecified"), "Supraventricular tachycardia",
        [0, 1, 3, 5, 7, 9, 11, 12, 12, 12], [0, 1, 2, 3, 4, 5, 6, 7, 7, 7], 52),
    problem(Chronic::Rosacea, ("398909004", "Rosacea (disorder)"),
        ("L71.9", "Rosacea, unspecified"), "Rosacea",
        [0, 0, 5, 25, 50, 65, 70, 70, 70, 70], [0, 0, 3, 12, 25, 35, 40, 40, 40, 40], 0),
    problem(Chronic::ActinicKeratosis, ("201101007", "Actinic keratosis (disorder)"),
        ("L57.0", "Actinic keratosis"), "Actinic keratosis",
        [0, 0, 0, 2, 10, 35, 80, 130, 180, 200], [0, 0, 0, 3, 15, 50, 110, 170, 220, 240], 0),
];

/// A test done during the visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bedside {
    /// No test.
    None,
    /// Rapid strep antigen.
    Strep,
    /// Influenza antigen.
    Influenza,
    /// Urinalysis.
    Urine,
    /// A radiograph is ordered.
    Radiograph,
    /// Electrocardiogram.
    Electrocardiogram,
}

/// An acute illness.
#[derive(Debug)]
pub struct Acute {
    /// SNOMED CT code and display.
    pub snomed: (&'static str, &'static str),
    /// ICD-10-CM code and display.
    pub icd: (&'static str, &'static str),
    /// How a clinician says it.
    pub text: &'static str,
    /// Chief complaint.
    pub complaint: &'static str,
    /// Pertinent examination.
    pub exam: &'static str,
    /// What is done.
    pub plan: &'static str,
    /// Weights: 0-4, 5-17, 18-64, 65 and older.
    pub weight: [u32; 4],
    /// More in winter, in women only, with fever.
    pub winter: bool,
    /// Women and girls only.
    pub female_only: bool,
    /// Tenths of a degree Celsius above normal.
    pub fever: i64,
    /// Days until it has passed, about.
    pub days: i32,
    /// Test during the visit.
    pub bedside: Bedside,
    /// Treatment for adults, by RxNorm code in `drugs`, `""` for none.
    pub drug: &'static str,
}

/// Acute illnesses of a primary care practice.
#[rustfmt::skip]
pub static ACUTE: &[Acute] = &[
    Acute { snomed: ("54398005", "Acute upper respiratory infection (disorder)"),
        icd: ("J06.9", "Acute upper respiratory infection, unspecified"),
        text: "Upper respiratory infection", complaint: "Cough and congestion for four days",
        exam: "Clear rhinorrhea, mild pharyngeal erythema, lungs clear.",
        plan: "Supportive care, fluids, return if fever beyond three days or short of breath.",
        weight: [30, 25, 20, 15], winter: true, female_only: false, fever: 6, days: 9,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("43878008", "Streptococcal sore throat (disorder)"),
        icd: ("J02.0", "Streptococcal pharyngitis"),
        text: "Strep throat", complaint: "Sore throat and fever since yesterday",
        exam: "Tonsillar exudate, tender anterior cervical nodes, no rash.",
        plan: "Antibiotic for ten days, new toothbrush after 24 hours.",
        weight: [6, 18, 6, 1], winter: true, female_only: false, fever: 15, days: 8,
        bedside: Bedside::Strep, drug: "308191" },
    Acute { snomed: ("195662009", "Acute viral pharyngitis (disorder)"),
        icd: ("J02.9", "Acute pharyngitis, unspecified"),
        text: "Viral pharyngitis", complaint: "Sore throat", exam: "Erythema without exudate.",
        plan: "Salt water gargle, acetaminophen as needed.",
        weight: [8, 12, 8, 3], winter: true, female_only: false, fever: 7, days: 7,
        bedside: Bedside::Strep, drug: "" },
    Acute { snomed: ("65363002", "Otitis media (disorder)"),
        icd: ("H66.90", "Otitis media, unspecified, unspecified ear"),
        text: "Acute otitis media", complaint: "Ear pain, pulling at the ear",
        exam: "Bulging, red tympanic membrane with poor mobility.",
        plan: "High-dose amoxicillin; recheck if not better in 72 hours.",
        weight: [28, 8, 2, 0], winter: true, female_only: false, fever: 13, days: 10,
        bedside: Bedside::None, drug: "239191" },
    Acute { snomed: ("6142004", "Influenza (disorder)"),
        icd: ("J10.1", "Influenza due to other identified influenza virus with other respiratory \
manifestations"),
        text: "Influenza A", complaint: "Sudden fever, aches and cough",
        exam: "Ill-appearing but not toxic, lungs clear.",
        plan: "Rest, fluids; antiviral discussed, outside the 48-hour window.",
        weight: [6, 8, 6, 5], winter: true, female_only: false, fever: 22, days: 8,
        bedside: Bedside::Influenza, drug: "" },
    Acute { snomed: ("840539006", "Disease caused by Severe acute respiratory syndrome coronavirus 2 (disorder)"),
        icd: ("U07.1", "COVID-19"), text: "COVID-19",
        complaint: "Fever, cough and loss of taste; home test positive",
        exam: "Breathing comfortably, lungs clear.",
        plan: "Isolation, warning signs reviewed, pulse oximeter at home.",
        weight: [4, 6, 9, 8], winter: true, female_only: false, fever: 14, days: 12,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("10509002", "Acute bronchitis (disorder)"),
        icd: ("J20.9", "Acute bronchitis, unspecified"),
        text: "Acute bronchitis", complaint: "Productive cough for two weeks",
        exam: "Scattered rhonchi that clear with cough.",
        plan: "No antibiotic needed; inhaler for wheeze, honey, humidifier.",
        weight: [6, 6, 12, 14], winter: true, female_only: false, fever: 3, days: 18,
        bedside: Bedside::None, drug: "745679" },
    Acute { snomed: ("15805002", "Acute sinusitis (disorder)"),
        icd: ("J01.90", "Acute sinusitis, unspecified"),
        text: "Acute sinusitis", complaint: "Facial pressure and discolored discharge for 11 days",
        exam: "Maxillary tenderness, purulent drainage.",
        plan: "Amoxicillin-clavulanate, saline rinses.",
        weight: [2, 6, 13, 9], winter: true, female_only: false, fever: 4, days: 14,
        bedside: Bedside::None, drug: "562508" },
    Acute { snomed: ("233604007", "Pneumonia (disorder)"),
        icd: ("J18.9", "Pneumonia, unspecified organism"),
        text: "Community-acquired pneumonia", complaint: "Cough, fever and short of breath",
        exam: "Crackles at the right base, no accessory muscle use.",
        plan: "Radiograph, antibiotic, telephone check in 48 hours.",
        weight: [3, 2, 3, 8], winter: true, female_only: false, fever: 17, days: 21,
        bedside: Bedside::Radiograph, drug: "1650143" },
    Acute { snomed: ("68566005", "Urinary tract infectious disease (disorder)"),
        icd: ("N39.0", "Urinary tract infection, site not specified"),
        text: "Urinary tract infection", complaint: "Burning with urination and urgency",
        exam: "No flank tenderness, mild suprapubic tenderness.",
        plan: "Nitrofurantoin for five days; culture only if not better.",
        weight: [2, 4, 18, 20], winter: false, female_only: true, fever: 2, days: 6,
        bedside: Bedside::Urine, drug: "1648755" },
    Acute { snomed: ("111843007", "Viral gastroenteritis (disorder)"),
        icd: ("A08.4", "Viral intestinal infection, unspecified"),
        text: "Viral gastroenteritis", complaint: "Vomiting and diarrhea since last night",
        exam: "Moist mucous membranes, soft abdomen.",
        plan: "Small sips of rehydration solution, return if no urine in eight hours.",
        weight: [14, 10, 7, 5], winter: true, female_only: false, fever: 6, days: 4,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("9826008", "Conjunctivitis (disorder)"),
        icd: ("H10.9", "Unspecified conjunctivitis"),
        text: "Conjunctivitis", complaint: "Red, sticky eye", exam: "Injected conjunctiva, acuity normal.",
        plan: "Warm compresses; not contagious after 24 hours of clear eyes.",
        weight: [12, 7, 3, 3], winter: false, female_only: false, fever: 0, days: 6,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("71186008", "Croup (disorder)"),
        icd: ("J05.0", "Acute obstructive laryngitis [croup]"),
        text: "Croup", complaint: "Barking cough at night", exam: "Stridor with crying only.",
        plan: "Single dose of oral steroid given, cool mist, warning signs reviewed.",
        weight: [8, 1, 0, 0], winter: true, female_only: false, fever: 8, days: 5,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("91487003", "Diaper rash (disorder)"), icd: ("L22", "Diaper dermatitis"),
        text: "Diaper dermatitis", complaint: "Diaper rash for a week", exam: "Erythema sparing the folds.",
        plan: "Zinc oxide with every change, air time.",
        weight: [9, 0, 0, 0], winter: false, female_only: false, fever: 0, days: 7,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("44465007", "Sprain of ankle (disorder)"),
        icd: ("S93.409A", "Sprain of unspecified ligament of unspecified ankle, initial encounter"),
        text: "Ankle sprain", complaint: "Twisted the ankle playing sports",
        exam: "Swelling over the lateral ligament, bears weight, no bony tenderness.",
        plan: "Ice, compression, early motion; no radiograph by Ottawa rule.",
        weight: [0, 14, 8, 4], winter: false, female_only: false, fever: 0, days: 28,
        bedside: Bedside::None, drug: "197806" },
    Acute { snomed: ("70704007", "Sprain of wrist (disorder)"),
        icd: ("S63.509A", "Unspecified sprain of unspecified wrist, initial encounter"),
        text: "Wrist sprain", complaint: "Fell on an outstretched hand",
        exam: "Tender dorsal wrist, no snuffbox tenderness.", plan: "Splint for two weeks, radiograph.",
        weight: [0, 8, 4, 5], winter: false, female_only: false, fever: 0, days: 28,
        bedside: Bedside::Radiograph, drug: "" },
    Acute { snomed: ("262965006", "Strain of back muscle (disorder)"),
        icd: ("S39.012A", "Strain of muscle, fascia and tendon of lower back, initial encounter"),
        text: "Lumbar strain", complaint: "Low back pain after lifting",
        exam: "Paraspinal spasm, straight leg raise negative.", plan: "Stay active, heat, naproxen with food.",
        weight: [0, 2, 15, 10], winter: false, female_only: false, fever: 0, days: 21,
        bedside: Bedside::None, drug: "198014" },
    Acute { snomed: ("128045006", "Cellulitis (disorder)"),
        icd: ("L03.115", "Cellulitis of right lower limb"),
        text: "Cellulitis of the leg", complaint: "Red, warm, painful shin",
        exam: "Warm erythema 6 by 9 cm, margin marked, no crepitus.",
        plan: "Cephalexin, elevate, return if the margin spreads.",
        weight: [1, 2, 4, 9], winter: false, female_only: false, fever: 5, days: 12,
        bedside: Bedside::None, drug: "309114" },
    Acute { snomed: ("40275004", "Contact dermatitis (disorder)"),
        icd: ("L23.7", "Allergic contact dermatitis due to plants, except food"),
        text: "Poison ivy dermatitis", complaint: "Itchy, blistering rash after a walk in the woods",
        exam: "Linear vesicles on both forearms.", plan: "Topical steroid, cool compresses.",
        weight: [0, 6, 6, 4], winter: false, female_only: false, fever: 0, days: 14,
        bedside: Bedside::None, drug: "106258" },
    Acute { snomed: ("4740000", "Herpes zoster (disorder)"), icd: ("B02.9", "Zoster without complications"),
        text: "Shingles", complaint: "Painful band of blisters on the chest",
        exam: "Grouped vesicles in a left T5 dermatome.", plan: "Antiviral and pain control; vaccine after recovery.",
        weight: [0, 0, 2, 8], winter: false, female_only: false, fever: 0, days: 28,
        bedside: Bedside::None, drug: "310431" },
    Acute { snomed: ("25064002", "Headache (finding)"), icd: ("R51.9", "Headache, unspecified"),
        text: "Headache", complaint: "Headache for three days", exam: "Neurologic examination normal, fundi normal.",
        plan: "Hydration, sleep, headache diary.",
        weight: [0, 6, 7, 3], winter: false, female_only: false, fever: 0, days: 10,
        bedside: Bedside::None, drug: "198440" },
    Acute { snomed: ("404640003", "Dizziness (finding)"), icd: ("R42", "Dizziness and giddiness"),
        text: "Dizziness", complaint: "Dizzy on standing up", exam: "Orthostatic drop of 14 mmHg, gait steady.",
        plan: "Fluids, medication review, ECG today.",
        weight: [0, 1, 4, 11], winter: false, female_only: false, fever: 0, days: 14,
        bedside: Bedside::Electrocardiogram, drug: "" },
    Acute { snomed: ("29857009", "Chest pain (finding)"), icd: ("R07.9", "Chest pain, unspecified"),
        text: "Chest pain", complaint: "Sharp chest pain with movement",
        exam: "Reproducible tenderness at the left costochondral junction.",
        plan: "ECG without ischemia, naproxen, clear return precautions.",
        weight: [0, 2, 5, 7], winter: false, female_only: false, fever: 0, days: 10,
        bedside: Bedside::Electrocardiogram, drug: "198014" },
    Acute { snomed: ("84229001", "Fatigue (finding)"), icd: ("R53.83", "Other fatigue"),
        text: "Fatigue", complaint: "Tired for two months", exam: "Normal examination.",
        plan: "Blood count, thyroid and metabolic panel.",
        weight: [0, 3, 8, 7], winter: false, female_only: false, fever: 0, days: 60,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("18070006", "Impacted cerumen (disorder)"), icd: ("H61.23", "Impacted cerumen, bilateral"),
        text: "Impacted cerumen", complaint: "Blocked ears", exam: "Cerumen occluding both canals.",
        plan: "Irrigated in the office, hearing returned.",
        weight: [0, 3, 3, 10], winter: false, female_only: false, fever: 0, days: 1,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("284549007", "Laceration of hand (disorder)"),
        icd: ("S61.419A", "Laceration without foreign body of unspecified hand, initial encounter"),
        text: "Hand laceration", complaint: "Cut the hand with a kitchen knife",
        exam: "2.5 cm clean laceration, tendons and sensation intact.",
        plan: "Irrigated, closed with four sutures, removal in ten days.",
        weight: [0, 4, 5, 4], winter: false, female_only: false, fever: 0, days: 12,
        bedside: Bedside::None, drug: "" },
    Acute { snomed: ("81680005", "Neck pain (finding)"), icd: ("M54.2", "Cervicalgia"),
        text: "Neck pain", complaint: "Stiff neck on waking", exam: "Limited rotation to the left, strength normal.",
        plan: "Heat, stretching, physical therapy if not better in four weeks.",
        weight: [0, 1, 7, 5], winter: false, female_only: false, fever: 0, days: 20,
        bedside: Bedside::None, drug: "197806" },
    Acute { snomed: ("14760008", "Constipation (finding)"), icd: ("K59.00", "Constipation, unspecified"),
        text: "Constipation", complaint: "Hard stools, every four days", exam: "Soft abdomen, stool palpable.",
        plan: "Fiber, water, polyethylene glycol daily.",
        weight: [7, 4, 3, 7], winter: false, female_only: false, fever: 0, days: 30,
        bedside: Bedside::None, drug: "" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_keys() {
        for (idx, row) in PROBLEMS.iter().enumerate() {
            assert_eq!(row.key as usize, idx, "{}", row.text);
            for ages in [row.female, row.male] {
                assert!(ages.iter().all(|p| *p <= 1000), "{}", row.text);
            }
        }
    }

    #[test]
    fn every_acute_drug_is_in_the_table() {
        for acute in ACUTE {
            let known = acute.drug.is_empty() || super::super::drugs::by_code(acute.drug).is_some();
            assert!(known, "{}", acute.text);
        }
    }
}
