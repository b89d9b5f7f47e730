//! Which codes a ValueSet holds.
//!
//! Source: FHIR R4 valueset.html#compositions, #expansion.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir::json::{Doc, Node};
use fhir_tables::ValueSetId;

use crate::{CodeSet, CodeSystem, Codes};

/// Most codes that a value set may name.
pub const CODES_MAX: usize = 500_000;
/// Deepest value sets inside value sets.
pub const NESTING_MAX: usize = 16;

/// Where resources come from. `url` may end in `|version`.
pub trait Source {
    /// Errors: the record cannot be read.
    fn value_set(&mut self, url: &str) -> Result<Option<Arc<Doc>>, String>;
    /// Errors: the record cannot be read.
    fn code_system(&mut self, url: &str) -> Result<Option<Arc<CodeSystem>>, String>;
}

/// Why there is no set of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The value set is neither stored here nor one of R4's own that are known.
    Unknown { url: String },
    /// It is known, but its codes cannot be listed.
    NotExpandable { url: String, why: String },
    /// The source failed.
    Failed(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Unknown { url } => {
                write!(f, "the value set {url} is not known here: store it as a ValueSet")
            }
            Error::NotExpandable { url, why } => {
                write!(f, "the value set {url} cannot be expanded: {why}")
            }
            Error::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// The codes of the value set `url`: a stored one, or one of R4's required bindings.
///
/// Errors: see [`Error`].
pub fn expand(url: &str, source: &mut dyn Source) -> Result<CodeSet, Error> {
    Expander { source, open: Vec::new() }.value_set(url)
}

/// A value set that R4 binds an element to with strength `required`.
///
/// Deviation: where such a value set draws on several systems, its codes count in each of them,
/// because the tables do not say which system a code is from.
pub fn known(url: &str) -> Option<Result<CodeSet, Error>> {
    let plain = url.split('|').next().unwrap_or(url);
    let id = ValueSetId::by_url(plain)?;
    let Some(codes) = id.codes() else {
        let why = "its codes cannot be listed".to_owned();
        return Some(Err(Error::NotExpandable { url: url.to_owned(), why }));
    };
    let mut set = CodeSet::default();
    for system in id.systems() {
        set.add(system, Codes::Listed(codes.iter().map(|code| (*code).to_owned()).collect()));
    }
    Some(Ok(set))
}

struct Expander<'s> {
    source: &'s mut dyn Source,
    /// Value sets that are being expanded, the outermost first.
    open: Vec<String>,
}

impl Expander<'_> {
    fn value_set(&mut self, url: &str) -> Result<CodeSet, Error> {
        let refuse = |why: String| Err(Error::NotExpandable { url: url.to_owned(), why });
        if self.open.iter().any(|open| open == url) {
            return refuse(format!("it includes itself through {}", self.open.join(", ")));
        }
        if self.open.len() == NESTING_MAX {
            return refuse(format!("value sets are nested more than {NESTING_MAX} deep"));
        }
        let Some(doc) = self.source.value_set(url).map_err(Error::Failed)? else {
            return known(url).unwrap_or_else(|| Err(Error::Unknown { url: url.to_owned() }));
        };
        self.open.push(url.to_owned());
        let composed = match doc.root().get("compose") {
            Some(compose) => self.compose(url, compose),
            None => refuse("it has neither compose nor expansion".to_owned()),
        };
        self.open.pop();
        match (composed, doc.root().get("expansion")) {
            (Ok(set), _) => Ok(set),
            // A stored expansion stands in for what cannot be computed here.
            (Err(Error::NotExpandable { .. } | Error::Unknown { .. }), Some(expansion)) => {
                Ok(listed(expansion))
            }
            (Err(e), _) => Err(e),
        }
    }

    fn compose(&mut self, url: &str, compose: Node<'_>) -> Result<CodeSet, Error> {
        let active_only = compose.get("inactive").and_then(Node::as_bool) == Some(false);
        let mut set = CodeSet::default();
        for part in compose.list("include") {
            set.union(self.part(url, part, active_only)?);
            if set.n_named() > CODES_MAX {
                let why = format!("it has more than {CODES_MAX} codes");
                return Err(Error::NotExpandable { url: url.to_owned(), why });
            }
        }
        for part in compose.list("exclude") {
            set.subtract(&self.part(url, part, false)?);
        }
        Ok(set)
    }

    /// One include or exclude: its system's codes that are in all of its value sets.
    fn part(&mut self, url: &str, part: Node<'_>, active_only: bool) -> Result<CodeSet, Error> {
        let mut found: Option<CodeSet> = None;
        if let Some(system) = part.str("system") {
            found = Some(self.of_system(url, &system, part, active_only)?);
        }
        for inner in part.list("valueSet") {
            let Some(inner) = inner.as_str() else { continue };
            let set = self.value_set(&inner)?;
            match &mut found {
                Some(found) => found.intersect(&set),
                None => found = Some(set),
            }
        }
        found.ok_or_else(|| {
            let why = "an include has neither system nor valueSet".to_owned();
            Error::NotExpandable { url: url.to_owned(), why }
        })
    }

    fn of_system(
        &mut self,
        url: &str,
        system: &str,
        part: Node<'_>,
        active_only: bool,
    ) -> Result<CodeSet, Error> {
        let canonical = match part.str("version") {
            Some(version) => format!("{system}|{version}"),
            None => system.to_owned(),
        };
        if part.get("concept").is_some() {
            let codes = part.list("concept").filter_map(|concept| concept.str("code"));
            let codes = Codes::Listed(codes.map(|code| code.into_owned()).collect());
            return Ok(CodeSet::of(system, codes));
        }
        let stored = self.source.code_system(&canonical).map_err(Error::Failed)?;
        let inactive = |stored: &CodeSystem| {
            if active_only { stored.inactive() } else { BTreeSet::new() }
        };
        if part.get("filter").is_none() {
            // All codes of the system: known ones when all are known, else whatever it says.
            let codes = match &stored {
                Some(stored) if stored.is_complete => {
                    let inactive = inactive(stored);
                    let codes = stored.codes();
                    Codes::Listed(codes.difference(&inactive).cloned().collect())
                }
                Some(stored) => Codes::AllBut(inactive(stored)),
                None => Codes::AllBut(BTreeSet::new()),
            };
            return Ok(CodeSet::of(system, codes));
        }
        let Some(stored) = stored else {
            let why = format!("it filters the code system {canonical}, which is not stored here");
            return Err(Error::NotExpandable { url: url.to_owned(), why });
        };
        let mut codes = stored.codes();
        for filter in part.list("filter") {
            let text = |name: &str| filter.str(name).unwrap_or_default();
            let kept = filtered(&stored, &text("property"), &text("op"), &text("value"))
                .map_err(|why| Error::NotExpandable { url: url.to_owned(), why })?;
            codes.retain(|code| kept.contains(code));
        }
        for code in inactive(&stored) {
            codes.remove(&code);
        }
        Ok(CodeSet::of(system, Codes::Listed(codes)))
    }
}

/// Codes that one filter keeps.
///
/// Errors: why the filter cannot be used.
fn filtered(
    system: &CodeSystem,
    property: &str,
    op: &str,
    value: &str,
) -> Result<BTreeSet<String>, String> {
    let listed = || -> BTreeSet<&str> { value.split(',').map(str::trim).collect() };
    let unknown = |code: &str| format!("{} has no code '{code}'", system.url);
    match op {
        "is-a" | "descendent-of" | "is-not-a" | "generalizes" => {
            if !system.has(value) {
                return Err(unknown(value));
            }
            let mut codes = match op {
                "generalizes" => system.above(value),
                _ => system.below(value),
            };
            if op == "descendent-of" {
                codes.remove(value);
            }
            if op == "is-not-a" {
                return Ok(system.codes().difference(&codes).cloned().collect());
            }
            Ok(codes)
        }
        // `concept in …` names codes of the hierarchy.
        "=" | "in" if property == "concept" || property == "code" => {
            Ok(system.with_property("code", |code| listed().contains(code)))
        }
        "=" if property == "parent" => Ok(children(system, value)),
        "=" => Ok(system.with_property(property, |own| own == value)),
        "in" => Ok(system.with_property(property, |own| listed().contains(own))),
        "not-in" => {
            let of = if property == "concept" { "code" } else { property };
            let with = system.with_property(of, |own| listed().contains(own));
            Ok(system.codes().difference(&with).cloned().collect())
        }
        "exists" => {
            let with = system.with_property(property, |_| true);
            Ok(if value == "true" {
                with
            } else {
                system.codes().difference(&with).cloned().collect()
            })
        }
        _ => Err(format!("its filter uses '{op}', which is not supported")),
    }
}

fn children(system: &CodeSystem, code: &str) -> BTreeSet<String> {
    let mut codes = system.below(code);
    codes.remove(code);
    codes.retain(|child| {
        let mut between = system.above(child);
        between.remove(child);
        between.remove(code);
        !between.iter().any(|other| system.above(other).contains(code))
    });
    codes
}

/// Codes of a stored expansion; abstract ones only group.
fn listed(expansion: Node<'_>) -> CodeSet {
    let mut set = CodeSet::default();
    let mut by_system: std::collections::BTreeMap<String, BTreeSet<String>> = Default::default();
    let mut open: Vec<Node<'_>> = expansion.list("contains").collect();
    while let Some(node) = open.pop() {
        open.extend(node.list("contains"));
        let is_abstract = node.get("abstract").and_then(Node::as_bool) == Some(true);
        if let (Some(code), false) = (node.str("code"), is_abstract) {
            let system = node.str("system").unwrap_or_default().into_owned();
            by_system.entry(system).or_default().insert(code.into_owned());
        }
    }
    for (system, codes) in by_system {
        set.add(&system, Codes::Listed(codes));
    }
    set
}
