//! FHIR resources → view models.
//!
//! Each function takes one resource as [`fhir::json::Node`] and the [`Lens`] to read it with, and
//! gives what a page shows. What is missing in the resource is missing in the view, never an
//! error: a chart with holes is still a chart. What to fetch is not decided here.
//!
//! Source: FHIR R4 (4.0.1), US Core 6.1 for the extensions of Patient.

pub mod brief;
pub mod clinical;
pub mod deed;
pub mod dosage;
pub mod entry;
pub mod measure;
pub mod observation;
pub mod papers;
pub mod patient;
pub mod scope;
pub mod text;

use std::collections::HashMap;

use fhir::json::Node;

use crate::{
    view::{Source, When},
    when::Now,
};

/// What a resource is read with: the time, what is ours, and names behind references.
#[derive(Clone, Debug)]
pub struct Lens {
    pub now: Now,
    /// References (`Organization/1`) and names of the organizations that are this practice.
    /// Empty: nothing is known to be outside by its organization.
    pub ours: Vec<String>,
    /// Names of referenced resources: `Practitioner/7` → `Ada Provider`.
    pub names: HashMap<String, String>,
}

impl Lens {
    pub fn new(now: Now) -> Lens {
        Lens { now, ours: Vec::new(), names: HashMap::new() }
    }

    /// Element `name` as a date; `None` when absent.
    pub fn when(&self, node: Node, name: &str) -> Option<When> {
        Some(When::of(&node.str(name)?, &self.now))
    }

    /// The first of several elements that is there.
    pub fn when_any(&self, node: Node, names: &[&str]) -> Option<When> {
        names.iter().find_map(|n| self.when(node, n))
    }

    /// What a Reference calls itself, or the name behind it.
    pub fn who(&self, reference: Node) -> Option<String> {
        if let Some(display) = reference.str("display") {
            return Some(text::plain(&display).to_owned());
        }
        self.names.get(reference.str("reference")?.as_ref()).cloned()
    }

    fn is_ours(&self, reference: Node) -> bool {
        ["reference", "display"]
            .iter()
            .filter_map(|n| reference.str(n))
            .any(|text| self.ours.iter().any(|o| *o == text))
    }

    /// Where the resource came from.
    ///
    /// Outside is: `meta.source` that is a URL of another system; or an organization in `orgs`
    /// (element names that hold References) that is not ours.
    pub fn source(&self, resource: Node, orgs: &[&str]) -> Source {
        let organization = orgs
            .iter()
            .flat_map(|name| resource.list(name))
            .map(|n| n.get("actor").unwrap_or(n))
            .find(|n| n.str("reference").is_some_and(|r| r.contains("Organization")));
        let named = organization.and_then(|o| self.who(o));
        if let Some(origin) = resource.get("meta").and_then(|m| m.str("source"))
            && let Some(host) = foreign(&origin)
        {
            return Source { label: named.unwrap_or(host), outside: true };
        }
        match organization {
            Some(o) if !self.ours.is_empty() && !self.is_ours(o) => Source {
                label: named.unwrap_or_else(|| "another organization".to_owned()),
                outside: true,
            },
            _ => Source::default(),
        }
    }
}

/// Name of the other system in `meta.source`; `None` for our own marks.
fn foreign(origin: &str) -> Option<String> {
    let origin = origin.split('#').next().unwrap_or("");
    let (scheme, rest) = origin.split_once(':')?;
    match scheme {
        "http" | "https" => {
            let host = rest.trim_start_matches('/').split('/').next()?;
            (!host.is_empty()).then(|| host.to_owned())
        }
        "urn" if rest.starts_with("vitae") => None,
        "urn" => Some("another system".to_owned()),
        _ => None,
    }
}

/// `id` of a resource; empty when it has none.
pub fn id(resource: Node) -> String {
    resource.str("id").map(|s| s.into_owned()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod testing {
    use fhir::json::Doc;

    use super::Lens;
    use crate::when::Now;

    pub fn lens() -> Lens {
        let at: jiff::Timestamp = "2026-11-22T15:00:00Z".parse().expect("a fixed time");
        Lens::new(Now { at, zone: jiff::tz::TimeZone::UTC })
    }

    pub fn doc(json: &str) -> Doc {
        Doc::parse(json.as_bytes()).expect("a test resource")
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{doc, lens};

    #[test]
    fn outside_is_another_systems_source_or_another_organization() {
        let mut lens = lens();
        lens.ours = vec!["Organization/us".to_owned()];
        for (json, label, outside) in [
            (r#"{}"#, "", false),
            (r##"{"meta":{"source":"#abc"}}"##, "", false),
            (r#"{"meta":{"source":"urn:vitae:ui"}}"#, "", false),
            (r#"{"meta":{"source":"https://lab.example/fhir#7"}}"#, "lab.example", true),
            (r#"{"performer":[{"reference":"Organization/us"}]}"#, "", false),
            (r#"{"performer":[{"reference":"Practitioner/1"}]}"#, "", false),
            (
                r#"{"performer":[{"reference":"Practitioner/1"},{"reference":"Organization/lab","display":"City Lab"}]}"#,
                "City Lab",
                true,
            ),
        ] {
            let d = doc(json);
            let s = lens.source(d.root(), &["performer"]);
            assert_eq!((s.label.as_str(), s.outside), (label, outside), "{json}");
        }
    }
}
