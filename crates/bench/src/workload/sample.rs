//! Values for searches, sampled from what the server holds, through its API alone.
//!
//! Patients are found along their birth dates, so that they come from all over the record; their
//! resources give codes, dates, quantities and references. The same record gives the same sample.

use std::collections::BTreeMap;

use fhir::json::{Doc, Node};

use crate::ask::{Asker, escape, next};
use crate::client::Target;

/// Patients whose resources are looked at.
const PATIENTS_LOOKED_AT: usize = 48;
/// Patients known by id, for searches of one patient.
const PATIENTS_MAX: usize = 600;
/// Windows of birth dates, of this many patients each.
const BIRTH_YEARS: std::ops::Range<i32> = 1930..2026;
const PATIENTS_OF_WINDOW: usize = 12;
const OBSERVATIONS_OF_PATIENT: usize = 300;

#[derive(Clone, Debug, Default)]
pub struct Patient {
    pub id: String,
    pub family: String,
    pub given: String,
    pub city: String,
    pub line: String,
    pub birth_date: String,
    /// `system|value` of the first identifier that has both.
    pub identifier: String,
}

/// A code and how often the sample has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    pub system: String,
    pub code: String,
    pub display: String,
    pub n: usize,
}

impl Coding {
    /// `system|code`, escaped; the code alone where there is no system.
    pub fn token(&self) -> String {
        match self.system.is_empty() {
            true => escape(&self.code),
            false => escape(&format!("{}|{}", self.system, self.code)),
        }
    }
}

/// What was found. Codings and texts are ordered from the most frequent on.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub patients: Vec<Patient>,
    /// Patients whose resources were looked at; the first of `patients`.
    pub n_looked_at: usize,
    pub organizations: Vec<String>,
    pub codes: Vec<Coding>,
    pub categories: Vec<Coding>,
    pub condition_codes: Vec<Coding>,
    pub medication_codes: Vec<Coding>,
    pub encounter_statuses: Vec<Coding>,
    pub encounter_classes: Vec<Coding>,
    /// Code and value of `valueQuantity`.
    pub quantities: Vec<(Coding, f64)>,
    /// The same of components.
    pub component_quantities: Vec<(Coding, f64)>,
    /// `YYYY-MM-DD` of Observations.
    pub dates: Vec<String>,
    /// Patient's id, a code and a date that this patient has.
    pub facts: Vec<(String, Coding, String)>,
    pub references: References,
}

/// `Type/id` by type and parameter.
#[derive(Clone, Debug, Default)]
pub struct References {
    pub observation_encounter: Vec<String>,
    pub observation_performer: Vec<String>,
    pub encounter_participant: Vec<String>,
    pub medication_encounter: Vec<String>,
    pub medication_requester: Vec<String>,
}

/// Counts codings.
#[derive(Default)]
struct Tokens(BTreeMap<(String, String), Coding>);

impl Tokens {
    fn add(&mut self, node: Node<'_>) {
        let text = |name| node.str(name).unwrap_or_default().into_owned();
        let (system, code) = (text("system"), text("code"));
        if code.is_empty() || code.contains([',', '|', '$', '\\']) {
            return;
        }
        let display = text("display");
        let key = (system.clone(), code.clone());
        self.0.entry(key).or_insert(Coding { system, code, display, n: 0 }).n += 1;
    }

    fn add_code(&mut self, code: Option<std::borrow::Cow<'_, str>>) {
        if let Some(code) = code {
            let key = (String::new(), code.clone().into_owned());
            let new = Coding { code: code.into_owned(), ..Coding::default() };
            self.0.entry(key).or_insert(new).n += 1;
        }
    }

    fn ordered(self) -> Vec<Coding> {
        let mut codings: Vec<Coding> = self.0.into_values().collect();
        codings.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.code.cmp(&b.code)));
        codings
    }
}

#[derive(Default)]
struct Gathering {
    found: Samples,
    codes: Tokens,
    categories: Tokens,
    condition_codes: Tokens,
    medication_codes: Tokens,
    statuses: Tokens,
    classes: Tokens,
}

/// Samples the record of a server.
///
/// `known` are patients that must be looked at, as those of another server; empty for this server's.
/// Errors: no Patient is found, or a search is refused.
pub async fn take(target: &Target, known: &[Patient]) -> Result<Samples, String> {
    let mut asker = Asker::new(target);
    let mut gathering = Gathering::default();
    gathering.found.patients = match known.is_empty() {
        true => patients(&mut asker).await?,
        false => known.to_vec(),
    };
    let all = &gathering.found.patients;
    if all.is_empty() {
        return Err("no Patient to sample: import first, into the folder of --data".to_owned());
    }
    // Spread over the list, and moved to its front.
    let step = (all.len() / PATIENTS_LOOKED_AT).max(1);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (idx, patient) in all.iter().cloned().enumerate() {
        let is_chosen = idx % step == 0 && first.len() < PATIENTS_LOOKED_AT;
        if is_chosen { &mut first } else { &mut rest }.push(patient);
    }
    gathering.found.n_looked_at = first.len();
    for patient in &first {
        gathering.look_at(&mut asker, &patient.id).await?;
    }
    first.append(&mut rest);
    gathering.found.patients = first;
    let doc = asker.bundle("Organization?_count=200").await?;
    for organization in resources(&doc) {
        let name = plain(organization.str("name"));
        if !name.is_empty() && !gathering.found.organizations.contains(&name) {
            gathering.found.organizations.push(name);
        }
    }
    Ok(gathering.finish())
}

async fn patients(asker: &mut Asker) -> Result<Vec<Patient>, String> {
    let mut found: Vec<Patient> = Vec::new();
    // A server that cannot sort gives them in the order that it likes.
    let can_sort = asker.get("Patient?_sort=birthdate&_count=1").await?.status == 200;
    let sort = if can_sort { "&_sort=birthdate" } else { "" };
    for year in BIRTH_YEARS {
        let path = format!("Patient?birthdate=ge{year}-05-20&_count={PATIENTS_OF_WINDOW}{sort}");
        add_patients(&asker.bundle(&path).await?, &mut found);
    }
    let mut page = Some("Patient?_count=200".to_owned());
    while let Some(path) = page.take().filter(|_| found.len() < PATIENTS_MAX) {
        let doc = asker.bundle(&path).await?;
        add_patients(&doc, &mut found);
        page = next(&doc);
    }
    found.truncate(PATIENTS_MAX);
    Ok(found)
}

fn add_patients(doc: &Doc, found: &mut Vec<Patient>) {
    for node in resources(doc) {
        let id = node.str("id").unwrap_or_default().into_owned();
        if id.is_empty() || found.iter().any(|known| known.id == id) {
            continue;
        }
        let name = node.list("name").next();
        let address = node.list("address").next();
        let first = |node: Option<Node<'_>>, list: &str| {
            plain(node.and_then(|node| node.list(list).next()).and_then(|item| item.as_str()))
        };
        let identifier = node.list("identifier").find_map(|identifier| {
            let (system, value) = (identifier.str("system")?, identifier.str("value")?);
            Some(format!("{system}|{value}"))
        });
        found.push(Patient {
            id,
            family: plain(name.and_then(|name| name.str("family"))),
            given: first(name, "given"),
            city: plain(address.and_then(|address| address.str("city"))),
            line: first(address, "line"),
            birth_date: plain(node.str("birthDate")),
            identifier: identifier.unwrap_or_default(),
        });
    }
}

/// A text without the characters that part values; else empty.
fn plain(text: Option<std::borrow::Cow<'_, str>>) -> String {
    text.filter(|text| !text.contains([',', '|', '$', '\\'])).unwrap_or_default().into_owned()
}

/// The resources of a Bundle.
pub fn resources(doc: &Doc) -> impl Iterator<Item = Node<'_>> {
    doc.root().list("entry").filter_map(|entry| entry.get("resource"))
}

impl Gathering {
    async fn look_at(&mut self, asker: &mut Asker, patient: &str) -> Result<(), String> {
        let path = format!("Observation?patient={patient}&_count={OBSERVATIONS_OF_PATIENT}");
        for node in resources(&asker.bundle(&path).await?) {
            self.observation(patient, node);
        }
        let doc = asker.bundle(&format!("Encounter?patient={patient}&_count=50")).await?;
        for node in resources(&doc) {
            self.statuses.add_code(node.str("status"));
            if let Some(class) = node.get("class") {
                self.classes.add(class);
            }
            let who = node.list("participant").find_map(|each| reference(each.get("individual")));
            self.found.references.encounter_participant.extend(who);
        }
        let doc = asker.bundle(&format!("MedicationRequest?patient={patient}&_count=50")).await?;
        for node in resources(&doc) {
            if let Some(concept) = node.get("medicationCodeableConcept") {
                concept.list("coding").for_each(|coding| self.medication_codes.add(coding));
            }
            let references = &mut self.found.references;
            references.medication_encounter.extend(reference(node.get("encounter")));
            references.medication_requester.extend(reference(node.get("requester")));
        }
        let doc = asker.bundle(&format!("Condition?patient={patient}&_count=50")).await?;
        for node in resources(&doc) {
            let codings = node.get("code").into_iter().flat_map(|code| code.list("coding"));
            codings.for_each(|coding| self.condition_codes.add(coding));
        }
        Ok(())
    }

    fn observation(&mut self, patient: &str, node: Node<'_>) {
        let found = &mut self.found;
        let date = node.str("effectiveDateTime").unwrap_or_default();
        let date = date.get(..10).unwrap_or_default().to_owned();
        if let Some(coding) = node.get("code").and_then(|code| code.list("coding").next()) {
            self.codes.add(coding);
            let coding = coding_of(coding);
            if let Some(value) = quantity(node) {
                found.quantities.push((coding.clone(), value));
            }
            if !date.is_empty() && !coding.code.is_empty() {
                found.facts.push((patient.to_owned(), coding, date.clone()));
            }
        }
        if !date.is_empty() {
            found.dates.push(date);
        }
        for category in node.list("category") {
            category.list("coding").for_each(|coding| self.categories.add(coding));
        }
        for component in node.list("component") {
            let coding = component.get("code").and_then(|code| code.list("coding").next());
            if let (Some(coding), Some(value)) = (coding, quantity(component)) {
                found.component_quantities.push((coding_of(coding), value));
            }
        }
        found.references.observation_encounter.extend(reference(node.get("encounter")));
        found.references.observation_performer.extend(reference(node.list("performer").next()));
    }

    fn finish(self) -> Samples {
        let mut found = self.found;
        found.codes = self.codes.ordered();
        found.categories = self.categories.ordered();
        found.condition_codes = self.condition_codes.ordered();
        found.medication_codes = self.medication_codes.ordered();
        found.encounter_statuses = self.statuses.ordered();
        found.encounter_classes = self.classes.ordered();
        found.dates.sort();
        found.dates.dedup();
        found
    }
}

fn coding_of(node: Node<'_>) -> Coding {
    let text = |name| plain(node.str(name));
    Coding { system: text("system"), code: text("code"), display: text("display"), n: 1 }
}

fn quantity(node: Node<'_>) -> Option<f64> {
    node.get("valueQuantity")?.get("value")?.as_number()?.parse().ok()
}

/// A literal reference to a resource of the same server.
fn reference(node: Option<Node<'_>>) -> Option<String> {
    let text = node?.str("reference")?;
    let mut segments = text.rsplit('/');
    let (id, rt) = (segments.next()?, segments.next()?);
    (!id.is_empty() && rt.starts_with(|c: char| c.is_ascii_uppercase()))
        .then(|| format!("{rt}/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_gives_its_values() {
        let json = r#"{"resourceType":"Observation","status":"final",
          "category":[{"coding":[{"system":"s","code":"laboratory"}]}],
          "code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"BP"}]},
          "encounter":{"reference":"http://127.0.0.1/fhir/Encounter/e"},
          "performer":[{"reference":"urn:uuid:1"}],
          "effectiveDateTime":"2025-11-04T09:20:00-05:00","valueQuantity":{"value":6.5},
          "component":[{"code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":120}}]}"#;
        let doc = Doc::parse(json).unwrap();
        let mut gathering = Gathering::default();
        gathering.observation("p", doc.root());
        gathering.observation("p", doc.root());
        let found = gathering.finish();
        assert_eq!((found.codes[0].n, found.codes.len()), (2, 1));
        assert_eq!(found.codes[0].token(), "http%3A%2F%2Floinc.org%7C85354-9");
        assert_eq!(found.dates, ["2025-11-04"]);
        assert_eq!(found.quantities[0].1, 6.5);
        assert_eq!(found.component_quantities[0].0.code, "8480-6");
        assert_eq!(found.references.observation_encounter, ["Encounter/e", "Encounter/e"]);
        assert!(found.references.observation_performer.is_empty(), "no literal reference");
    }

    #[test]
    fn patients_are_known_once() {
        let json = r#"{"entry":[{"resource":{"resourceType":"Patient","id":"1","birthDate":"1950-01-02",
          "identifier":[{"value":"x"},{"system":"s","value":"v"}],
          "name":[{"family":"A, B","given":["Ann"]}],"address":[{"line":["1 Elm"],"city":"C"}]}}]}"#;
        let doc = Doc::parse(json).unwrap();
        let mut found = Vec::new();
        add_patients(&doc, &mut found);
        add_patients(&doc, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].family.as_str(), found[0].given.as_str()), ("", "Ann"));
        assert_eq!((found[0].identifier.as_str(), found[0].line.as_str()), ("s|v", "1 Elm"));
    }
}
