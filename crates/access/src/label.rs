//! Security labels by what a resource is coded with.
//!
//! Source: HL7 Data Segmentation for Privacy (DS4P) and v3-ActCode `_InformationSensitivityPolicy`
//! for the labels; 42 CFR Part 2 for substance use; ICD-10-CM chapters and ranges. Codes are facts
//! of the code systems; where a range is meant, its prefix stands here.

use fhir::json::{Kind, Node};

/// Code system of the sensitivity labels.
pub const SENSITIVITY: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// Code system of the confidentiality label that goes with each of them.
pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// Restricted.
pub const RESTRICTED: &str = "R";

const ICD_10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

/// What makes a resource sensitive.
struct Sensitivity {
    /// Of v3-ActCode.
    label: &'static str,
    /// Beginnings of ICD-10-CM codes, with their dots.
    icd: &'static [&'static str],
    /// What begins so and is not meant.
    but: &'static [&'static str],
    snomed: &'static [&'static str],
    loinc: &'static [&'static str],
    rxnorm: &'static [&'static str],
}

const ALL: &[Sensitivity] = &[
    // Substance use, 42 CFR Part 2; nicotine is not part of it.
    Sensitivity {
        label: "ETH",
        icd: &["F1", "K70", "O99.31", "O99.32", "P04.4", "R78.", "Z71.41", "Z71.51"],
        but: &["F17"],
        snomed: &[
            "66214007",
            "7200002",
            "15167005",
            "5602001",
            "75544000",
            "6525002",
            "361055000",
            "191816009",
            "191882002",
            "66590003",
            "371434005",
            "228425004",
            "1149222004",
            "56294008",
            "110281001",
            "707848009",
        ],
        loinc: &["3426-4", "5643-2", "19295-5", "72110-0", "75626-2", "82666-9", "82667-7"],
        // Methadone, buprenorphine, naltrexone, disulfiram, acamprosate as ingredients.
        rxnorm: &["6813", "1819", "7243", "3554", "82819"],
    },
    Sensitivity {
        label: "HIV",
        icd: &["B20", "Z21", "B97.35", "R75", "O98.7"],
        but: &[],
        snomed: &["86406008", "62479008", "91947003", "165816005", "19030005"],
        loinc: &[
            "75622-1", "7917-8", "68961-2", "25836-8", "20447-9", "56888-1", "5221-7", "7918-6",
            "29893-5", "30361-0", "48345-3", "49580-4", "80387-4", "10351-5",
        ],
        rxnorm: &[],
    },
    // Mental health; substance use and nicotine have labels of their own, or none.
    Sensitivity {
        label: "PSY",
        icd: &[
            "F2", "F3", "F4", "F5", "F60", "F63", "F64", "F65", "F66", "F68", "F69", "T14.91",
            "R45.85", "Z91.5",
        ],
        but: &[],
        snomed: &[
            "74732009",
            "36923009",
            "370143000",
            "35489007",
            "47505003",
            "58214004",
            "13746004",
            "197480006",
            "21897009",
            "191736004",
            "72366004",
            "20010003",
            "6471006",
            "225457007",
        ],
        loinc: &["44249-1", "44261-6", "55757-9", "69737-5", "70274-6", "89204-2"],
        rxnorm: &[],
    },
    // Sexuality and reproductive health.
    Sensitivity {
        label: "SEX",
        icd: &["O04", "O07", "Z30", "Z33.2", "Z64.0", "F52", "N97", "Z31"],
        but: &[],
        snomed: &["57797005", "70317007", "386639001", "386792000", "714812005"],
        loinc: &[],
        rxnorm: &[],
    },
    // Sexually transmitted diseases.
    Sensitivity {
        label: "STD",
        icd: &[
            "A50", "A51", "A52", "A53", "A54", "A55", "A56", "A57", "A58", "A59", "A60", "A63",
            "A64", "Z11.3", "Z20.2",
        ],
        but: &[],
        snomed: &["76272004", "15628003", "240589008", "8098009", "33839006", "56335008"],
        loinc: &["21613-5", "24111-7", "43304-5", "43305-2", "20507-0", "24110-9"],
        rxnorm: &[],
    },
    // Violence at home and abuse.
    Sensitivity {
        label: "SDV",
        icd: &["T74", "T76", "Z69", "Y07", "O9A.3", "O9A.4", "O9A.5", "Z91.41", "Z62.81"],
        but: &[],
        snomed: &["706893006", "371775004", "95930005", "225826007", "397940009"],
        loinc: &[],
        rxnorm: &[],
    },
];

impl Sensitivity {
    fn is_told_by(&self, system: &str, code: &str) -> bool {
        match system {
            ICD_10_CM => {
                self.icd.iter().any(|prefix| code.starts_with(prefix))
                    && !self.but.iter().any(|prefix| code.starts_with(prefix))
            }
            SNOMED => self.snomed.contains(&code),
            LOINC => self.loinc.contains(&code),
            RXNORM => self.rxnorm.contains(&code),
            _ => false,
        }
    }
}

/// The sensitivity labels that the codes of a resource ask for, each once; none for most.
///
/// Codings count wherever they stand, contained resources included, but for labels and tags.
pub fn of(resource: Node<'_>) -> Vec<&'static str> {
    let mut labels = Vec::new();
    for (name, value) in resource.members() {
        if name != "meta" {
            walk(value, &mut labels);
        }
    }
    labels
}

fn walk(node: Node<'_>, labels: &mut Vec<&'static str>) {
    match node.kind() {
        Kind::Array => node.items().for_each(|item| walk(item, labels)),
        Kind::Object => {
            if let (Some(system), Some(code)) = (node.str("system"), node.str("code")) {
                for one in ALL.iter().filter(|one| one.is_told_by(&system, &code)) {
                    if !labels.contains(&one.label) {
                        labels.push(one.label);
                    }
                }
            }
            node.members().for_each(|(_, value)| walk(value, labels));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    fn labels(text: &str) -> Vec<&'static str> {
        of(Doc::parse(text).expect(text).root())
    }

    #[test]
    fn codes_ask_for_labels_wherever_they_stand() {
        let condition = |system: &str, code: &str| {
            labels(&format!(
                r#"{{"resourceType":"Condition","code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}}}"#
            ))
        };
        for (system, code, expected) in [
            (ICD_10_CM, "F10.20", &["ETH"][..]),
            (ICD_10_CM, "F17.210", &[]),
            (ICD_10_CM, "F33.1", &["PSY"]),
            (ICD_10_CM, "B20", &["HIV"]),
            (ICD_10_CM, "A54.01", &["STD"]),
            (ICD_10_CM, "Z33.2", &["SEX"]),
            (ICD_10_CM, "T74.11XA", &["SDV"]),
            (ICD_10_CM, "I10", &[]),
            (SNOMED, "7200002", &["ETH"]),
            (LOINC, "7917-8", &["HIV"]),
            ("urn:own", "F10.20", &[]),
        ] {
            assert_eq!(condition(system, code), expected, "{code}");
        }
        let inside = r#"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","code":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"6813"}]}}],"reasonCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"F11.20"},{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"F32.9"}]}]}"#;
        assert_eq!(labels(inside), ["ETH", "PSY"]);
        let tagged = r#"{"resourceType":"Basic","meta":{"tag":[{"system":"http://snomed.info/sct","code":"7200002"}]}}"#;
        assert_eq!(labels(tagged), [""; 0]);
    }
}
