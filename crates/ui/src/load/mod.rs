//! What a page needs → searches → view models.
//!
//! All data comes through [`Reads`], which the routes make from the record's door and the
//! examples from files. Which questions are asked is here; what an answer means is in `view_of`.
//! Every list has a named limit.

pub mod chart;
pub mod explain;
pub mod find;
pub mod sections;
pub mod timeline;
pub mod today;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use fhir::json::{Doc, Node};

pub use crate::pages::error::Failure;
use crate::view_of::{Lens, id, text};

/// Allergies, problems, medications, flags and coverages read for one patient.
pub const FACTS_MAX: u32 = 300;
/// Values of one category read for the overview.
pub const VALUES_MAX: u32 = 160;
/// Values read for the results and vitals pages.
pub const VALUES_PAGE_MAX: u32 = 1000;
/// Names fetched in one search.
const NAMES_MAX: usize = 60;

/// Searches one type with a query string as it stands in a URL; answers with a Bundle.
pub type Search<'a> = &'a dyn Fn(&str, &str) -> Result<Doc, Failure>;
/// Reads one resource by type and id.
pub type Read<'a> = &'a dyn Fn(&str, &str) -> Result<Doc, Failure>;
/// Finds Patients by a part of an identifier or a phone number; answers with a Bundle.
pub type Find<'a> = &'a dyn Fn(&str, usize) -> Result<Doc, Failure>;

/// The door as pages use it: the same question is asked once for a page.
pub struct Reads<'a> {
    search: Search<'a>,
    read: Read<'a>,
    find: Find<'a>,
    seen: RefCell<HashMap<String, Rc<Doc>>>,
}

impl<'a> Reads<'a> {
    pub fn new(search: Search<'a>, read: Read<'a>, find: Find<'a>) -> Reads<'a> {
        Reads { search, read, find, seen: RefCell::default() }
    }

    /// Answer to `rt?query`.
    pub fn search(&self, rt: &str, query: &str) -> Result<Rc<Doc>, Failure> {
        let key = format!("{rt}?{query}");
        if let Some(doc) = self.seen.borrow().get(&key) {
            return Ok(Rc::clone(doc));
        }
        let doc = Rc::new((self.search)(rt, query)?);
        self.seen.borrow_mut().insert(key, Rc::clone(&doc));
        Ok(doc)
    }

    pub fn read(&self, rt: &str, id: &str) -> Result<Doc, Failure> {
        (self.read)(rt, id)
    }

    /// Patients who have a part of an identifier or phone number, at most `count`.
    pub fn find(&self, part: &str, count: usize) -> Result<Doc, Failure> {
        (self.find)(part, count)
    }

    /// As [`Reads::search`], but what this reader may not see, or the server does not offer, is
    /// nothing: one section that is not open must not close the chart.
    pub fn search_open(&self, rt: &str, query: &str) -> Result<Rc<Doc>, Failure> {
        match self.search(rt, query) {
            Err(Failure::Refused | Failure::Request | Failure::NotFound) => {
                let empty = Doc::parse(&b"{}"[..]).map_err(|_| Failure::Ours)?;
                Ok(Rc::new(empty))
            }
            other => other,
        }
    }

    /// Fills `lens.names` with what the references in `docs` point at and do not say themselves.
    pub fn name_references(&self, lens: &mut Lens, docs: &[Rc<Doc>]) -> Result<(), Failure> {
        let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for doc in docs {
            for r in resources(doc) {
                collect_references(r, &mut |reference| {
                    let (rt, id) = reference.split_once('/').unwrap_or_default();
                    let known = NAMED.iter().find(|(name, _)| *name == rt);
                    if let Some((rt, _)) = known
                        && !lens.names.contains_key(reference)
                        && !id.contains('/')
                    {
                        wanted.entry(rt).or_default().insert(id.to_owned());
                    }
                });
            }
        }
        for (rt, ids) in wanted {
            let ids: Vec<String> = ids.into_iter().take(NAMES_MAX).collect();
            let doc = self.search_open(rt, &format!("_id={}&_count={NAMES_MAX}", ids.join(",")))?;
            for r in resources(&doc) {
                if let Some(name) = display_name(rt, r) {
                    lens.names.insert(format!("{rt}/{}", id(r)), name);
                }
            }
        }
        Ok(())
    }
}

/// Types whose names stand for references, and where the name is.
const NAMED: &[(&str, &str)] = &[
    ("Practitioner", "name"),
    ("Organization", "name"),
    ("Location", "name"),
    ("Medication", "code"),
];

fn display_name(rt: &str, r: Node) -> Option<String> {
    match rt {
        "Medication" => text::concept_in(r, "code"),
        _ => text::full_name(r),
    }
}

/// Calls `found` with each relative reference that carries no display.
fn collect_references(node: Node, found: &mut dyn FnMut(&str)) {
    let has_display = node.get("display").is_some();
    for (name, child) in node.members() {
        if name == "reference" && !has_display {
            if let Some(text) = child.as_plain_str() {
                found(text);
            }
        } else if !matches!(name, "contained" | "text" | "result" | "content") {
            collect_references(child, found);
        }
    }
    for child in node.items() {
        collect_references(child, found);
    }
}

/// Resources of a Bundle that matched; for a single resource, itself.
pub fn resources(doc: &Doc) -> impl Iterator<Item = Node<'_>> {
    doc.root().list("entry").filter_map(|e| {
        let mode = e.get("search").and_then(|s| s.str("mode"));
        if matches!(mode.as_deref(), Some("outcome")) { None } else { e.get("resource") }
    })
}

/// Resources of one type.
pub fn of_type<'d>(doc: &'d Doc, rt: &'static str) -> impl Iterator<Item = Node<'d>> {
    resources(doc).filter(move |r| r.str("resourceType").as_deref() == Some(rt))
}

/// True when the Bundle has more pages.
pub fn has_next(doc: &Doc) -> bool {
    doc.root().list("link").any(|l| l.str("relation").as_deref() == Some("next"))
}

/// The record's own place of the next page: the value of `_page` in the link.
pub fn next_page(doc: &Doc) -> Option<String> {
    let is_next = |link: &Node<'_>| link.str("relation").as_deref() == Some("next");
    let url = doc.root().list("link").find(is_next)?.str("url")?;
    let (_, query) = url.split_once('?')?;
    let page = query.split('&').find_map(|pair| pair.strip_prefix("_page="))?;
    Some(page.to_owned())
}

/// True for what a page link may carry: base64url, and not long.
pub fn is_page(text: &str) -> bool {
    (1..=4096).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// `Bundle.total`.
pub fn total(doc: &Doc) -> Option<u64> {
    doc.root().get("total")?.as_number()?.parse().ok()
}

/// Text as a value of a query string (RFC 3986), FHIR's separators escaped as well.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b',' | b'|' | b'$' | b'\\' => out.push_str(&format!("%5C%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// True for what may be a FHIR id: nothing else reaches a query.
///
/// Source: FHIR R4 datatypes.html#id.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_cannot_be_broken_out_of() {
        assert_eq!(encode("a b&_count=9"), "a%20b%26_count%3D9");
        assert_eq!(encode("x,y|z$"), "x%5C%2Cy%5C%7Cz%5C%24");
        assert_eq!(encode("ليلى"), "%D9%84%D9%8A%D9%84%D9%89");
        assert!(is_id("A-1.b") && !is_id("") && !is_id("a/b") && !is_id("a b"));
        assert!(!is_id(&"a".repeat(65)) && is_id(&"a".repeat(64)));
    }
}
