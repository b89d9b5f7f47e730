//! Random resources of several patients that refer to each other, some of them written several
//! times, some deleted; for each, what else it could be.

use std::collections::BTreeSet;

use case_kit::Random;
use fhir_tables::ResourceType;

pub const PATIENTS: u64 = 10;
/// Ids of each type run from 0 up to this.
pub const IDS: u64 = 30;

pub const CODES: [&str; 5] = ["8302-2", "8480-6", "8462-4", "2345-7", "85354-9"];
pub const SYSTEMS: [&str; 3] = ["http://loinc.org", "http://snomed.info/sct", "urn:own"];
pub const NAMES: [&str; 8] =
    ["Stone", "Stonewall", "Müller", "O'Neill", "李", "Hidden", "Sm", "River"];
pub const TEXTS: [&str; 5] =
    ["Body height", "Body weight measured", "Systolic blood pressure", "secret word", "Größe"];
pub const STATUSES: [&str; 3] = ["final", "amended", "preliminary"];
pub const CATEGORIES: [&str; 3] = ["laboratory", "vital-signs", "survey"];
pub const LABELS: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
pub const DATES: [&str; 6] =
    ["2019", "2020-02", "2020-02-03", "2020-02-03T10:00:00Z", "2021-12-31", "2024-05-05"];

pub const TYPES: [&str; 15] = [
    "Patient",
    "Practitioner",
    "Organization",
    "Location",
    "Encounter",
    "Observation",
    "Condition",
    "MedicationRequest",
    "List",
    "Group",
    "DocumentReference",
    "AuditEvent",
    "Coverage",
    "Consent",
    "ValueSet",
];

/// One version to write.
pub struct Made {
    pub rt: ResourceType,
    pub id: String,
    pub text: String,
    /// The same resource with other content.
    pub others: Vec<String>,
    /// `Type/id` that the text, or what it could be, refers to.
    pub refers_to: BTreeSet<String>,
    /// It is written several times.
    pub has_versions: bool,
    pub is_deleted: bool,
}

impl Made {
    pub fn name(&self) -> String {
        format!("{}/{}", self.rt, self.id)
    }
}

/// `n` versions; what is referred to comes before what refers to it.
pub fn made(random: &mut Random, n: usize) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    for idx in 0..n {
        // Who others refer to comes first.
        let ty = match idx {
            0..4 => "Organization",
            4..8 => "Practitioner",
            8..11 => "Location",
            11..21 => "Patient",
            21..29 => "Encounter",
            _ => TYPES[random.below(TYPES.len() as u64) as usize],
        };
        let rt = ResourceType::from_name(ty).expect("R4");
        let first = |ty: &str| all.iter().filter(|made| made.rt.name() == ty).count();
        let id = match ty {
            "Patient" if idx < 21 => format!("p{}", idx - 11),
            "Patient" => format!("p{}", random.below(PATIENTS)),
            _ if idx < 29 || random.in_ten(5) => {
                format!("{}{}", ty[..1].to_lowercase(), first(ty) as u64 % IDS)
            }
            _ => format!("{}{}", ty[..1].to_lowercase(), random.below(1 + first(ty) as u64)),
        };
        let there = |ty: &str, random: &mut Random| -> Option<String> {
            let of: Vec<&Made> = all.iter().filter(|made| made.rt.name() == ty).collect();
            (!of.is_empty()).then(|| of[random.below(of.len() as u64) as usize].name())
        };
        let mut refers_to = BTreeSet::new();
        let mut text = || {
            let mut to = |random: &mut Random, ty: &str| {
                let name = there(ty, random)?;
                refers_to.insert(name.clone());
                Some(format!(r#"{{"reference":"{name}"}}"#))
            };
            let members = members(ty, random, &mut to);
            let meta = match random.below(4) {
                0 => format!(r#""meta":{{"security":[{{"system":"{LABELS}","code":"R"}}]}},"#),
                1 => r#""meta":{"tag":[{"system":"urn:own","code":"t"}]},"#.to_owned(),
                _ => String::new(),
            };
            let members: Vec<String> = members.into_iter().flatten().collect();
            format!(r#"{{"resourceType":"{ty}","id":"{id}",{meta}{}}}"#, members.join(","))
        };
        let first = text();
        let others = (0..6).map(|_| text()).collect();
        all.push(Made {
            rt,
            id,
            text: first,
            others,
            refers_to,
            has_versions: false,
            is_deleted: false,
        });
    }
    let referred: BTreeSet<String> =
        all.iter().flat_map(|made| made.refers_to.iter().cloned()).collect();
    let names: Vec<String> = all.iter().map(Made::name).collect();
    for (idx, made) in all.iter_mut().enumerate() {
        made.has_versions = names.iter().filter(|name| **name == names[idx]).count() > 1;
        made.is_deleted = !referred.contains(&names[idx]) && random.in_ten(1);
    }
    all
}

type To<'a> = dyn FnMut(&mut Random, &str) -> Option<String> + 'a;

fn concept(random: &mut Random) -> String {
    format!(
        r#"{{"coding":[{{"system":"{}","code":"{}","display":"{}"}}],"text":"{}"}}"#,
        random.of(&SYSTEMS),
        random.of(&CODES),
        random.of(&TEXTS),
        random.of(&TEXTS)
    )
}

fn name(random: &mut Random) -> String {
    format!(r#""name":[{{"family":"{}","given":["{}"]}}]"#, random.of(&NAMES), random.of(&NAMES))
}

fn identifier(random: &mut Random) -> String {
    let value = random.below(50);
    format!(r#""identifier":[{{"system":"{}","value":"{value}0042"}}]"#, random.of(&SYSTEMS))
}

fn narrative(random: &mut Random) -> String {
    format!(
        r#""text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{} {}</div>"}}"#,
        random.of(&TEXTS),
        random.of(&NAMES)
    )
}

fn named(name: &str, to: Option<String>) -> Option<String> {
    to.map(|to| format!(r#""{name}":{to}"#))
}

fn listed(name: &str, to: Option<String>) -> Option<String> {
    to.map(|to| format!(r#""{name}":[{to}]"#))
}

fn members(ty: &str, random: &mut Random, to: &mut To<'_>) -> Vec<Option<String>> {
    let code = |random: &mut Random| Some(format!(r#""code":{}"#, concept(random)));
    let some = |text: &str| Some(text.to_owned());
    match ty {
        "Patient" => vec![
            Some(narrative(random)),
            Some(identifier(random)),
            Some(name(random)),
            Some(format!(
                r#""telecom":[{{"system":"phone","value":"555-01{}"}}]"#,
                random.below(99)
            )),
            Some(format!(r#""birthDate":"19{:02}-01-1{}""#, random.below(99), random.below(9))),
            listed("generalPractitioner", to(random, "Practitioner")),
            named("managingOrganization", to(random, "Organization")),
        ],
        "Practitioner" => vec![Some(identifier(random)), Some(name(random))],
        "Organization" => vec![
            Some(format!(r#""name":"{}""#, random.of(&NAMES))),
            named("partOf", to(random, "Organization").filter(|_| random.in_ten(5))),
        ],
        "Location" => vec![
            some(r#""status":"active""#),
            Some(format!(r#""name":"{}""#, random.of(&NAMES))),
            Some(format!(
                r#""position":{{"longitude":-71.{},"latitude":42.{}}}"#,
                random.below(9),
                random.below(9)
            )),
        ],
        "Encounter" => {
            let status = random.of(&["planned", "finished"]);
            vec![
                Some(format!(r#""status":"{status}""#)),
                some(r#""class":{"code":"AMB"}"#),
                named("subject", to(random, "Patient")),
                to(random, "Practitioner")
                    .map(|p| format!(r#""participant":[{{"individual":{p}}}]"#)),
                Some(format!(r#""period":{{"start":"{}"}}"#, random.of(&DATES))),
            ]
        }
        "Observation" => vec![
            Some(narrative(random)),
            Some(format!(r#""status":"{}""#, random.of(&STATUSES))),
            Some(format!(
                r#""category":[{{"coding":[{{"system":"urn:cat","code":"{}"}}]}}]"#,
                random.of(&CATEGORIES)
            )),
            code(random),
            named("subject", to(random, "Patient").filter(|_| random.in_ten(9))),
            named("encounter", to(random, "Encounter").filter(|_| random.in_ten(6))),
            Some(format!(r#""effectiveDateTime":"{}""#, random.of(&DATES))),
            listed("performer", to(random, "Practitioner")),
            Some(format!(
                r#""valueQuantity":{{"value":{},"system":"http://unitsofmeasure.org","code":"mg"}}"#,
                random.below(200)
            )),
            listed("hasMember", to(random, "Observation").filter(|_| random.in_ten(2))),
        ],
        "Condition" => vec![
            code(random),
            named("subject", to(random, "Patient").or_else(|| Some("{}".to_owned()))),
            named("encounter", to(random, "Encounter")),
            Some(format!(r#""recordedDate":"{}""#, random.of(&DATES))),
        ],
        "MedicationRequest" => vec![
            Some(format!(
                r#""contained":[{{"resourceType":"Medication","id":"m","code":{}}}]"#,
                concept(random)
            )),
            some(r#""status":"active""#),
            some(r#""intent":"order""#),
            some(r##""medicationReference":{"reference":"#m"}"##),
            named("subject", to(random, "Patient").or_else(|| Some("{}".to_owned()))),
            named("requester", to(random, "Practitioner")),
        ],
        "List" => vec![
            some(r#""status":"current""#),
            some(r#""mode":"working""#),
            named("subject", to(random, "Patient").filter(|_| random.in_ten(7))),
            {
                let of = random.of(&["Observation", "Patient", "Condition"]);
                to(random, of).map(|item| format!(r#""entry":[{{"item":{item}}}]"#))
            },
        ],
        "Group" => vec![
            some(r#""type":"person""#),
            some(r#""actual":true"#),
            to(random, "Patient").map(|who| format!(r#""member":[{{"entity":{who}}}]"#)),
        ],
        "DocumentReference" => vec![
            some(r#""status":"current""#),
            named("subject", to(random, "Patient")),
            Some(format!(r#""description":"{}""#, random.of(&TEXTS))),
            some(r#""content":[{"attachment":{"contentType":"text/plain"}}]"#),
        ],
        "AuditEvent" => vec![
            some(r#""type":{"code":"rest"}"#),
            some(r#""recorded":"2024-01-01T00:00:00Z""#),
            some(r#""agent":[{"requestor":true}]"#),
            some(r#""source":{"observer":{"display":"x"}}"#),
            to(random, "Patient").map(|who| format!(r#""entity":[{{"what":{who}}}]"#)),
        ],
        "Consent" => vec![
            some(r#""status":"active""#),
            some(r#""scope":{"coding":[{"code":"patient-privacy"}]}"#),
            some(r#""category":[{"text":"privacy"}]"#),
            some(r#""policyRule":{"text":"the practice's"}"#),
            named("patient", to(random, "Patient")),
            Some(format!(
                r#""provision":{}"#,
                random.of(&[
                    r#"{"type":"deny"}"#,
                    r#"{"type":"permit"}"#,
                    r#"{"type":"permit","provision":[{"type":"deny","securityLabel":[{"code":"R"}]}]}"#,
                    r#"{"type":"deny","provision":[{"type":"permit","class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}]}]}"#,
                    r#"{"type":"deny","purpose":[{"code":"HPAYMT"}]}"#,
                ])
            )),
        ],
        "Coverage" => vec![
            some(r#""status":"active""#),
            named("beneficiary", to(random, "Patient").or_else(|| Some("{}".to_owned()))),
            listed("payor", to(random, "Organization")),
        ],
        _ => vec![
            Some(format!(r#""url":"http://own.org/vs/{}""#, random.below(4))),
            some(r#""status":"active""#),
            Some(format!(
                r#""compose":{{"include":[{{"system":"{}","concept":[{{"code":"{}"}}]}}]}}"#,
                random.of(&SYSTEMS),
                random.of(&CODES)
            )),
        ],
    }
}
