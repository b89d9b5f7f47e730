//! A CodeSystem: its concepts, their hierarchy and properties.
//!
//! Source: FHIR R4 codesystem.html#hierarchy: concepts inside concepts, and the properties
//! `parent`, `child` and `subsumedBy`.

use std::collections::{BTreeSet, HashMap};

use fhir::json::Node;

/// Most concepts that are read from one code system; ICD-10-CM has 98 000.
pub const CONCEPTS_MAX: usize = 500_000;

#[derive(Debug)]
struct Concept {
    code: String,
    display: String,
    parents: Vec<u32>,
    children: Vec<u32>,
    /// Property code and the value as text.
    properties: Vec<(String, String)>,
}

/// Concepts of a stored CodeSystem.
#[derive(Debug)]
pub struct CodeSystem {
    pub url: String,
    pub version: Option<String>,
    /// `content` is `complete`: a code that is not here does not exist.
    pub is_complete: bool,
    concepts: Vec<Concept>,
    by_code: HashMap<String, u32>,
}

/// Names of properties that make the hierarchy, whether as code or as URI of the definition.
fn is_parent(property: &str) -> bool {
    matches!(property, "parent" | "subsumedBy")
}

impl CodeSystem {
    /// Reads a CodeSystem.
    ///
    /// Errors: `None` without a URL or with more than [`CONCEPTS_MAX`] concepts.
    pub fn read(root: Node<'_>) -> Option<CodeSystem> {
        let mut system = CodeSystem {
            url: root.str("url")?.into_owned(),
            version: root.str("version").map(|v| v.into_owned()),
            is_complete: root.str("content").is_some_and(|content| content == "complete"),
            concepts: Vec::new(),
            by_code: HashMap::new(),
        };
        // Depth of concepts is bounded by the depth of JSON; a stack of our own keeps it flat.
        let mut open: Vec<(Node<'_>, Option<u32>)> =
            root.list("concept").map(|concept| (concept, None)).collect();
        open.reverse();
        let mut links: Vec<(String, String)> = Vec::new();
        while let Some((node, parent)) = open.pop() {
            let Some(code) = node.str("code") else { continue };
            let idx = system.concept(&code)?;
            if let Some(display) = node.str("display") {
                system.concepts[idx as usize].display = display.into_owned();
            }
            if let Some(parent) = parent {
                system.link(parent, idx);
            }
            for property in node.list("property") {
                let Some(name) = property.str("code") else { continue };
                let Some(value) = value_of(property) else { continue };
                if is_parent(&name) {
                    links.push((value.clone(), code.clone().into_owned()));
                } else if name == "child" {
                    links.push((code.clone().into_owned(), value.clone()));
                }
                system.concepts[idx as usize].properties.push((name.into_owned(), value));
            }
            let first = open.len();
            open.extend(node.list("concept").map(|child| (child, Some(idx))));
            open[first..].reverse();
        }
        for (parent, child) in links {
            // A link to a code that is not here says nothing about those that are.
            if let (Some(parent), Some(child)) =
                (system.by_code.get(&parent).copied(), system.by_code.get(&child).copied())
            {
                system.link(parent, child);
            }
        }
        Some(system)
    }

    fn concept(&mut self, code: &str) -> Option<u32> {
        if let Some(idx) = self.by_code.get(code) {
            return Some(*idx);
        }
        if self.concepts.len() == CONCEPTS_MAX {
            return None;
        }
        let idx = self.concepts.len() as u32;
        self.by_code.insert(code.to_owned(), idx);
        self.concepts.push(Concept {
            code: code.to_owned(),
            display: String::new(),
            parents: Vec::new(),
            children: Vec::new(),
            properties: Vec::new(),
        });
        Some(idx)
    }

    fn link(&mut self, parent: u32, child: u32) {
        if parent != child && !self.concepts[child as usize].parents.contains(&parent) {
            self.concepts[child as usize].parents.push(parent);
            self.concepts[parent as usize].children.push(child);
        }
    }

    pub fn has(&self, code: &str) -> bool {
        self.by_code.contains_key(code)
    }

    /// All codes.
    pub fn codes(&self) -> BTreeSet<String> {
        self.concepts.iter().map(|concept| concept.code.clone()).collect()
    }

    /// The code and all that it subsumes; nothing for an unknown code.
    pub fn below(&self, code: &str) -> BTreeSet<String> {
        self.reach(code, |concept| &concept.children)
    }

    /// The code and all that subsume it; nothing for an unknown code.
    pub fn above(&self, code: &str) -> BTreeSet<String> {
        self.reach(code, |concept| &concept.parents)
    }

    /// Loops in the hierarchy end where they began.
    fn reach(&self, code: &str, next: impl Fn(&Concept) -> &[u32]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<u32> = self.by_code.get(code).copied().into_iter().collect();
        while let Some(idx) = open.pop() {
            let concept = &self.concepts[idx as usize];
            if found.insert(concept.code.clone()) {
                open.extend(next(concept));
            }
        }
        found
    }

    /// Codes whose property has one of the values. `code` and `display` count as properties.
    pub fn with_property(&self, name: &str, accepts: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let holds = |concept: &&Concept| match name {
            "code" => accepts(&concept.code),
            "display" => accepts(&concept.display),
            _ => concept.properties.iter().any(|(own, value)| own == name && accepts(value)),
        };
        self.concepts.iter().filter(holds).map(|concept| concept.code.clone()).collect()
    }

    /// Codes that are marked inactive.
    pub fn inactive(&self) -> BTreeSet<String> {
        let mut codes = self.with_property("inactive", |value| value == "true");
        codes.extend(self.with_property("status", |v| matches!(v, "retired" | "inactive")));
        codes
    }
}

/// `valueCode`, `valueString`, …; of a Coding its code.
fn value_of(property: Node<'_>) -> Option<String> {
    let (_, value) = property.members().find(|(name, _)| name.starts_with("value"))?;
    match value.as_str() {
        Some(text) => Some(text.into_owned()),
        None if value.get("code").is_some() => value.str("code").map(|code| code.into_owned()),
        None => Some(value.raw().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    #[test]
    fn hierarchy_comes_from_nesting_and_properties() {
        let doc = Doc::parse(
            r#"{"resourceType":"CodeSystem","url":"http://s","content":"complete","concept":[
                {"code":"a","concept":[{"code":"b","concept":[{"code":"c"}]}]},
                {"code":"d","property":[{"code":"parent","valueCode":"b"}]},
                {"code":"e","property":[{"code":"child","valueCode":"d"},
                    {"code":"kind","valueCoding":{"code":"x"}}]},
                {"code":"f","property":[{"code":"subsumedBy","valueCode":"d"},
                    {"code":"inactive","valueBoolean":true}]},
                {"code":"g","property":[{"code":"parent","valueCode":"g"},
                    {"code":"parent","valueCode":"nowhere"}]}]}"#,
        )
        .expect("JSON");
        let system = CodeSystem::read(doc.root()).expect("a system");
        let text = |set: BTreeSet<String>| set.into_iter().collect::<String>();
        assert_eq!(text(system.below("a")), "abcdf");
        assert_eq!(text(system.below("e")), "def");
        assert_eq!(text(system.above("f")), "abdef");
        assert_eq!(text(system.above("g")), "g");
        assert_eq!(text(system.below("nowhere")), "");
        assert_eq!(text(system.with_property("kind", |v| v == "x")), "e");
        assert_eq!(text(system.inactive()), "f");
    }

    #[test]
    fn a_loop_ends() {
        let doc = Doc::parse(
            r#"{"url":"http://s","concept":[
                {"code":"a","property":[{"code":"parent","valueCode":"b"}]},
                {"code":"b","property":[{"code":"parent","valueCode":"a"}]}]}"#,
        )
        .expect("JSON");
        let system = CodeSystem::read(doc.root()).expect("a system");
        assert_eq!(system.below("a").len(), 2);
        assert!(!system.is_complete);
    }
}
