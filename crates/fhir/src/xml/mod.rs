//! FHIR resources in XML, both ways.
//!
//! Source: FHIR R4 xml.html; XML 1.0. The tables decide which elements repeat, which are numbers in
//! JSON and which are attributes in XML.
//! No DTD, no entities but the five of XML, no encoding but UTF-8.
//! What it does *not* do: validation. What [`to_json`] gives has known elements in the right order;
//! [`crate::check`] judges the rest.

mod members;
mod read;
mod write;
mod xhtml;

use crate::issue::Issue;
use crate::json::Node;

/// Namespace of resources.
pub const NAMESPACE: &str = "http://hl7.org/fhir";
/// Namespace of narrative.
pub const XHTML_NAMESPACE: &str = "http://www.w3.org/1999/xhtml";
/// Deepest nesting of elements, narrative included. The JSON must also keep within
/// [`crate::json::DEPTH_MAX`], where an element that repeats counts twice.
pub const DEPTH_MAX: usize = 64;
/// Most attributes of one element.
pub const ATTRIBUTES_MAX: usize = 64;

/// A resource in XML as JSON without insignificant white space.
///
/// Shape: one resource. Narrative is kept letter by letter; numbers keep their text.
/// Source: FHIR R4 xml.html.
/// Errors: malformed XML (with line and column), a DTD, wrong namespaces, unknown or misplaced
/// elements and attributes, what cannot be written in JSON; the first
/// [`crate::check::ISSUES_MAX`] of them.
pub fn to_json(xml: &[u8]) -> Result<String, Vec<Issue>> {
    read::read(xml)
}

/// A resource as XML, without declaration or insignificant white space.
///
/// Shape: elements in specification order. The resource should have passed [`crate::check`]: what
/// has no place in XML (unknown members, names of wrong types) is left out, and characters that XML
/// cannot hold become U+FFFD.
/// Source: FHIR R4 xml.html.
/// Errors: none.
pub fn from_json(resource: Node<'_>) -> String {
    write::write(resource)
}

#[cfg(test)]
mod tests;
