//! Procedures, referrals and documents.
//!
//! Source of codes: SNOMED CT Global Patient Set; names without a code are text only.

/// SNOMED CT code (`""` when there is none), display, text.
pub type Coded = (&'static str, &'static str, &'static str);

/// Colon cancer screening.
pub const COLONOSCOPY: Coded = ("73761001", "Colonoscopy (procedure)", "Colonoscopy");
/// Breast cancer screening.
pub const MAMMOGRAPHY: Coded = ("71651007", "Mammography (procedure)", "Screening mammogram");
/// Cervical cancer screening.
pub const PAP: Coded =
    ("439958008", "Sampling of cervix for Papanicolaou smear (procedure)", "Pap smear");
/// Bone density.
pub const BONE_DENSITY: Coded = (
    "82066000",
    "Bone density study, dual photon absorptiometry (procedure)",
    "Bone density (DXA)",
);
/// Electrocardiogram.
pub const ELECTROCARDIOGRAM: Coded =
    ("29303009", "Electrocardiographic procedure (procedure)", "Electrocardiogram, 12 lead");
/// Echocardiogram.
pub const ECHOCARDIOGRAM: Coded =
    ("40701008", "Echocardiography (procedure)", "Transthoracic echocardiogram");
/// Stress test.
pub const STRESS_TEST: Coded = (
    "80635001",
    "Cardiovascular stress test using treadmill (procedure)",
    "Exercise treadmill test",
);
/// Wearable monitor.
pub const MONITOR: Coded =
    ("46825001", "Electrocardiographic monitoring (procedure)", "Ambulatory rhythm monitor");
/// Coronary stent.
pub const STENT: Coded =
    ("415070008", "Percutaneous coronary intervention (procedure)", "Coronary stent placement");
/// Cardiac catheterization.
pub const CATHETERIZATION: Coded =
    ("41976001", "Cardiac catheterization (procedure)", "Left heart catheterization");
/// Calcium score.
pub const CALCIUM_SCORE: Coded = (
    "426005005",
    "Cardiac computed tomography for calcium scoring (procedure)",
    "Coronary calcium score CT",
);
/// Spirometry.
pub const SPIROMETRY: Coded =
    ("23426006", "Measurement of respiratory function (procedure)", "Spirometry");
/// Chest radiograph.
pub const CHEST_RADIOGRAPH: Coded =
    ("399208008", "Plain chest X-ray (procedure)", "Chest radiograph, two views");
/// Freezing of a skin lesion.
pub const CRYOTHERAPY: Coded =
    ("302396003", "Cryotherapy to skin lesion (procedure)", "Cryotherapy of skin lesions");
/// Sutures.
pub const SUTURE: Coded = ("18557009", "Closure by suture (procedure)", "Laceration repair");
/// Medication review.
pub const MEDICATION_REVIEW: Coded =
    ("182836005", "Review of medication (procedure)", "Medication reconciliation");

/// Operations in the past: code, weight.
pub static HISTORY: &[(Coded, u32)] = &[
    (("80146002", "Excision of appendix (procedure)", "Appendectomy"), 8),
    (("236886002", "Hysterectomy (procedure)", "Hysterectomy"), 6),
    (("38102005", "Cholecystectomy (procedure)", "Cholecystectomy"), 8),
    (("173422009", "Tonsillectomy (procedure)", "Tonsillectomy"), 8),
    (("609588000", "Total knee replacement (procedure)", "Total knee replacement"), 4),
];

/// A referral, with the answer that comes back.
#[derive(Debug)]
pub struct Referral {
    /// Code and text.
    pub coded: Coded,
    /// Id of the specialist.
    pub specialist: &'static str,
    /// Why.
    pub reason: &'static str,
    /// What the specialist says.
    pub opinion: &'static str,
}

/// Referrals of a primary care practice: heart, skin, gut, joints, mood.
#[rustfmt::skip]
pub static REFERRALS: &[Referral] = &[
    Referral { coded: ("308471005", "Referral to cardiologist (procedure)", "Referral to cardiology"),
        specialist: "pr-s1", reason: "Palpitations",
        opinion: "Examination and electrocardiogram are reassuring. Echocardiogram shows normal function. \
Continue present treatment; no further testing now." },
    Referral { coded: ("308472003", "Referral to dermatologist (procedure)", "Referral to dermatology"),
        specialist: "pr-s2", reason: "Changing skin lesion",
        opinion: "Full skin examination. Benign nevi and seborrheic keratoses; one lesion removed by shave, \
pathology benign. Sun protection reviewed." },
    Referral { coded: ("183523005", "Referral to gastroenterology service (procedure)", "Referral to gastroenterology"),
        specialist: "pr-s3", reason: "Reflux not controlled by medication",
        opinion: "No alarm features. Endoscopy not needed at this time. Diet and acid suppression for eight \
weeks; colonoscopy by age." },
    Referral { coded: ("308481009", "Referral to orthopedic surgeon (procedure)", "Referral to orthopedics"),
        specialist: "pr-s4", reason: "Knee pain",
        opinion: "Radiographs show mild to moderate degenerative change. Physical therapy for six weeks, \
injection if not better. No surgery now." },
    Referral { coded: ("183524004", "Referral to psychiatry service (procedure)", "Referral to psychiatry"),
        specialist: "pr-s5", reason: "Depression with incomplete response",
        opinion: "Diagnostic interview completed. Weekly therapy arranged; medication as prescribed by \
primary care is appropriate." },
];

/// A treatment of a medical spa: code, weight, note, price class of its repeat in weeks.
#[derive(Debug)]
pub struct Aesthetic {
    /// Code and text.
    pub coded: Coded,
    /// How common, in parts of the sum.
    pub weight: u32,
    /// Weeks until it is repeated.
    pub weeks: i32,
    /// What the note says.
    pub note: &'static str,
    /// Area treated.
    pub area: &'static str,
}

/// Treatments of a medical spa.
#[rustfmt::skip]
pub static AESTHETICS: &[Aesthetic] = &[
    Aesthetic { coded: ("", "", "Neurotoxin injection"), weight: 40, weeks: 14, area: "Glabella and forehead",
        note: "40 units in total, 12 points, lot recorded. No ptosis after the last session." },
    Aesthetic { coded: ("", "", "Hyaluronic acid dermal filler injection"), weight: 22, weeks: 40, area: "Nasolabial folds",
        note: "1.0 mL by cannula, capillary refill normal throughout, ice applied." },
    Aesthetic { coded: ("", "", "Laser hair reduction"), weight: 16, weeks: 6, area: "Both axillae",
        note: "Fitzpatrick type III, 810 nm, spot 12 mm, fluence 26 J/cm2, two passes." },
    Aesthetic { coded: ("", "", "Chemical peel, superficial"), weight: 10, weeks: 5, area: "Face",
        note: "Glycolic acid 30 % for three minutes, neutralized, mild erythema." },
    Aesthetic { coded: ("", "", "Microneedling"), weight: 12, weeks: 6, area: "Face",
        note: "1.5 mm depth, topical anesthetic for 30 minutes, pinpoint bleeding as intended." },
    Aesthetic { coded: ("37236007", "Dermabrasion (procedure)", "Microdermabrasion"), weight: 6, weeks: 5, area: "Face",
        note: "Two passes, no irritation." },
];
