//! The nine resources of W1, of the sizes that the workload it follows has (2 KB in the mean).

/// The types in the order in which they are created.
pub const TYPES: [&str; 9] = [
    "Patient",
    "Location",
    "Organization",
    "Practitioner",
    "Encounter",
    "Observation",
    "MedicationRequest",
    "Claim",
    "ExplanationOfBenefit",
];

const TEXTS: [&str; 9] = [
    include_str!("../../payloads/Patient.json"),
    include_str!("../../payloads/Location.json"),
    include_str!("../../payloads/Organization.json"),
    include_str!("../../payloads/Practitioner.json"),
    include_str!("../../payloads/Encounter.json"),
    include_str!("../../payloads/Observation.json"),
    include_str!("../../payloads/MedicationRequest.json"),
    include_str!("../../payloads/Claim.json"),
    include_str!("../../payloads/ExplanationOfBenefit.json"),
];

/// A resource with blanks: `@Patient@` for the id of the round's Patient, `@unique@`, `@changed@`.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(&'static str),
    /// Id of the resource that the round made of `TYPES[…]`.
    Id(usize),
    Unique,
    Changed,
}

/// W5: a transaction that creates a Patient and an Observation that refers to it.
pub fn transaction() -> Template {
    Template::parse(include_str!("../../payloads/transaction.json"))
}

/// The templates in the order of [`TYPES`].
pub fn templates() -> Vec<Template> {
    TEXTS.iter().map(|text| Template::parse(text)).collect()
}

impl Template {
    fn parse(text: &'static str) -> Template {
        let blank = |name: &str| match name {
            "unique" => Some(Part::Unique),
            "changed" => Some(Part::Changed),
            _ => TYPES.iter().position(|known| *known == name).map(Part::Id),
        };
        let mut parts = Vec::new();
        for piece in text.trim_end().split('@') {
            if let Some(part) = blank(piece) {
                parts.push(part);
                continue;
            }
            // Two texts in a row: the mark between them is that of an e-mail address.
            if matches!(parts.last(), Some(Part::Text(_))) {
                parts.push(Part::Text("@"));
            }
            parts.push(Part::Text(piece));
        }
        Template { parts }
    }

    /// The JSON of a resource; with `own_id`, of an update of it.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        ids: &[String],
        own_id: Option<&str>,
        unique: &str,
        changed: &str,
    ) {
        out.clear();
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => text,
                Part::Id(idx) => ids[*idx].as_str(),
                Part::Unique => unique,
                Part::Changed => changed,
            };
            out.extend_from_slice(text.as_bytes());
        }
        if let Some(id) = own_id {
            out.splice(1..1, format!("\"id\":\"{id}\",").into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    #[test]
    fn the_transaction_creates_two_good_resources() {
        let mut json = Vec::new();
        transaction().write(&mut json, &[], None, "123", "25");
        let doc = Doc::parse(json).unwrap();
        let resources: Vec<_> =
            doc.root().list("entry").filter_map(|entry| entry.get("resource")).collect();
        assert_eq!(resources.len(), 2);
        for resource in resources {
            let resource = Doc::parse(resource.raw()).unwrap();
            let issues = fhir::check::check_resource(resource.root());
            assert!(issues.is_empty(), "{issues:?}");
        }
        assert_eq!(doc.text().matches("tx-123").count(), 2);
    }

    #[test]
    fn payloads_are_good_resources_of_the_size_of_the_workload() {
        let ids: Vec<String> = (0..TYPES.len()).map(|n| format!("id-{n}")).collect();
        let mut n_bytes = 0;
        for (template, rt) in templates().iter().zip(TYPES) {
            for own_id in [None, Some("own")] {
                let mut json = Vec::new();
                template.write(&mut json, &ids, own_id, "123", "25");
                n_bytes += json.len();
                let doc = Doc::parse(json).unwrap();
                assert_eq!(doc.root().str("resourceType").as_deref(), Some(rt));
                assert_eq!(doc.root().str("id").as_deref(), own_id);
                assert!(
                    !doc.text().contains("@unique") && !doc.text().contains("@changed"),
                    "{rt}"
                );
                let issues = fhir::check::check_resource(doc.root());
                let errors: Vec<_> = issues
                    .iter()
                    .filter(|issue| format!("{:?}", issue.severity) == "Error")
                    .collect();
                assert!(errors.is_empty(), "{rt}: {errors:?}");
            }
        }
        let mean = n_bytes / (2 * TYPES.len());
        assert!((1_900..=2_400).contains(&mean), "{mean}");
    }
}
