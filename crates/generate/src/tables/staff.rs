//! The people who work in and around the practice.

/// A clinician.
#[derive(Debug)]
pub struct Staff {
    /// Id of the Practitioner; the PractitionerRole is `role-` and this id.
    pub id: &'static str,
    /// Prefix, or `""`.
    pub prefix: &'static str,
    /// Given name.
    pub given: &'static str,
    /// Family name.
    pub family: &'static str,
    /// Suffix, as `MD`.
    pub suffix: &'static str,
    /// FHIR gender.
    pub gender: &'static str,
    /// Role: SNOMED CT code, display.
    pub role: (&'static str, &'static str),
    /// Specialty: NUCC taxonomy code, display.
    pub specialty: (&'static str, &'static str),
    /// Languages beside English, BCP-47.
    pub language: &'static str,
}

const PHYSICIAN: (&str, &str) = ("309343006", "Physician (occupation)");
const NURSE_PRACTITIONER: (&str, &str) = ("224571005", "Nurse practitioner (occupation)");
const NURSE: (&str, &str) = ("224535009", "Registered nurse (occupation)");
const FAMILY_MEDICINE: (&str, &str) = ("207Q00000X", "Family Medicine Physician");
const INTERNAL_MEDICINE: (&str, &str) = ("207R00000X", "Internal Medicine Physician");
const PEDIATRICS: (&str, &str) = ("208000000X", "Pediatrics Physician");

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn staff(
    id: &'static str,
    prefix: &'static str,
    given: &'static str,
    family: &'static str,
    suffix: &'static str,
    gender: &'static str,
    role: (&'static str, &'static str),
    specialty: (&'static str, &'static str),
    language: &'static str,
) -> Staff {
    Staff { id, prefix, given, family, suffix, gender, role, specialty, language }
}

/// Providers with a schedule; a practice uses the first few, by its size.
#[rustfmt::skip]
pub static PROVIDERS: &[Staff] = &[
    staff("pr-1", "Dr.", "Elena", "Marchetti", "MD", "female", PHYSICIAN, FAMILY_MEDICINE, "es"),
    staff("pr-2", "Dr.", "Samuel", "Okafor", "MD", "male", PHYSICIAN, FAMILY_MEDICINE, ""),
    staff("pr-3", "", "Rachel", "Lindqvist", "NP", "female", NURSE_PRACTITIONER, ("363LF0000X", "Family Nurse Practitioner"), ""),
    staff("pr-4", "Dr.", "Priya", "Raman", "MD", "female", PHYSICIAN, PEDIATRICS, "hi"),
    staff("pr-5", "Dr.", "Daniel", "Whitaker", "DO", "male", PHYSICIAN, INTERNAL_MEDICINE, ""),
    staff("pr-6", "Dr.", "Mei", "Tanaka", "MD", "female", PHYSICIAN, INTERNAL_MEDICINE, "zh"),
    staff("pr-7", "", "Jorge", "Fuentes", "PA-C", "male", ("449161006", "Physician assistant (occupation)"), ("363A00000X", "Physician Assistant"), "es"),
    staff("pr-8", "Dr.", "Hannah", "Goldberg", "MD", "female", PHYSICIAN, FAMILY_MEDICINE, ""),
    staff("pr-9", "Dr.", "Thomas", "Beaulieu", "MD", "male", PHYSICIAN, FAMILY_MEDICINE, ""),
    staff("pr-10", "Dr.", "Nadia", "Haddad", "MD", "female", PHYSICIAN, INTERNAL_MEDICINE, "ar"),
];

/// Nurses and assistants.
#[rustfmt::skip]
pub static NURSES: &[Staff] = &[
    staff("pr-n1", "", "Grace", "Obi", "RN", "female", NURSE, ("163W00000X", "Registered Nurse"), ""),
    staff("pr-n2", "", "Luis", "Cabrera", "RN", "male", NURSE, ("163W00000X", "Registered Nurse"), "es"),
    staff("pr-n3", "", "Maureen", "Doyle", "RN", "female", NURSE, ("163W00000X", "Registered Nurse"), ""),
];

/// Specialists outside to whom the practice refers.
#[rustfmt::skip]
pub static SPECIALISTS: &[Staff] = &[
    staff("pr-s1", "Dr.", "Victor", "Stavros", "MD", "male", PHYSICIAN, ("207RC0000X", "Cardiovascular Disease Physician"), ""),
    staff("pr-s2", "Dr.", "Ingrid", "Solberg", "MD", "female", PHYSICIAN, ("207N00000X", "Dermatology Physician"), ""),
    staff("pr-s3", "Dr.", "Amit", "Desai", "MD", "male", PHYSICIAN, ("207RG0100X", "Gastroenterology Physician"), ""),
    staff("pr-s4", "Dr.", "Carolyn", "Briggs", "MD", "female", PHYSICIAN, ("207X00000X", "Orthopaedic Surgery Physician"), ""),
    staff("pr-s5", "Dr.", "Leonard", "Weiss", "MD", "male", PHYSICIAN, ("2084P0800X", "Psychiatry Physician"), ""),
];
