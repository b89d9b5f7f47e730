//! Parts of a resource: `_summary` and `_elements`.
//!
//! Source: FHIR R4 search.html#summary, #elements. Mandatory elements, modifiers, `id` and `meta`
//! always stay, so that what is left can be understood; it is marked with the tag SUBSETTED.

use std::borrow::Cow;

use fhir::json::{Doc, Kind as JsonKind, Node, write_string};
use fhir_tables::{ElementDef, ResourceType, TypeId, TypeKind};

use crate::error::{Error, Kind, Result};
use crate::request::{Summary, View};

/// System of the tag.
pub(crate) const SUBSETTED_SYSTEM: &str =
    "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
const SUBSETTED: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"subsetted"}"#;

/// The part of a stored body that `view` asks for; the whole is borrowed.
///
/// Errors: `Internal` when the stored text is damaged.
pub(crate) fn of<'a>(rt: ResourceType, body: &'a [u8], view: &View) -> Result<Cow<'a, str>> {
    let text = str::from_utf8(body)
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
    if view.is_whole() {
        return Ok(Cow::Borrowed(text));
    }
    apply(rt, text.to_owned(), view).map(Cow::Owned)
}

/// The part of a stored resource that `view` asks for.
///
/// Errors: `Internal` when the stored text is damaged.
pub(crate) fn apply(rt: ResourceType, body: String, view: &View) -> Result<String> {
    if view.is_whole() {
        return Ok(body);
    }
    let doc = Doc::parse(body)
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
    let mut out = String::with_capacity(doc.text().len() / 2 + 256);
    out.push_str("{\"resourceType\":\"");
    out.push_str(rt.name());
    out.push('"');
    for (name, value) in doc.root().members() {
        if name == "resourceType" || !keeps_root(rt, name, view) {
            continue;
        }
        out.push(',');
        write_string(name, &mut out);
        out.push(':');
        if name == "meta" {
            meta(value, &mut out);
        } else if view.summary == Summary::True {
            let ty = rt.type_id().element(name).map(|(_, type_ref)| type_ref.ty);
            summary(ty, value, &mut out);
        } else {
            value.write_compact(&mut out);
        }
    }
    out.push('}');
    Ok(out)
}

fn element(ty: TypeId, json_name: &str) -> Option<&'static ElementDef> {
    let name = json_name.strip_prefix('_').unwrap_or(json_name);
    ty.element(name).map(|(element, _)| element)
}

fn keeps_root(rt: ResourceType, name: &str, view: &View) -> bool {
    if matches!(name, "id" | "meta") {
        return true;
    }
    let Some(element) = element(rt.type_id(), name) else { return false };
    let must = element.min > 0 || element.modifier;
    if !view.elements.is_empty() {
        return must || view.elements.iter().any(|wanted| wanted == element.name || wanted == name);
    }
    match view.summary {
        Summary::True => must || element.summary,
        Summary::Text => must || element.name == "text",
        Summary::Data => element.name != "text",
        Summary::False | Summary::Count => true,
    }
}

/// Elements of the summary, also inside backbone elements.
fn summary(ty: Option<TypeId>, node: Node<'_>, out: &mut String) {
    let Some(ty) = ty.filter(|ty| ty.kind() == TypeKind::Backbone) else {
        return node.write_compact(out);
    };
    match node.kind() {
        JsonKind::Array => {
            out.push('[');
            for (i, item) in node.items().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                summary(Some(ty), item, out);
            }
            out.push(']');
        }
        JsonKind::Object => {
            out.push('{');
            let mut is_first = true;
            for (name, value) in node.members() {
                let keep = element(ty, name)
                    .is_some_and(|e| e.summary || e.min > 0 || e.modifier || e.name == "id");
                if !keep {
                    continue;
                }
                if !is_first {
                    out.push(',');
                }
                is_first = false;
                write_string(name, out);
                out.push(':');
                summary(ty.element(name).map(|(_, type_ref)| type_ref.ty), value, out);
            }
            out.push('}');
        }
        _ => node.write_compact(out),
    }
}

/// `meta` with the tag SUBSETTED added.
fn meta(node: Node<'_>, out: &mut String) {
    out.push('{');
    for (name, value) in node.members().filter(|(name, _)| *name != "tag") {
        write_string(name, out);
        out.push(':');
        value.write_compact(out);
        out.push(',');
    }
    out.push_str("\"tag\":[");
    for tag in node.list("tag") {
        tag.write_compact(out);
        out.push(',');
    }
    out.push_str(SUBSETTED);
    out.push_str("]}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"resourceType":"Observation","id":"1","meta":{"versionId":"1","tag":[{"code":"a"}]},"text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"/>"},"status":"final","code":{"text":"c"},"valueInteger":1,"note":[{"text":"n"}],"component":[{"code":{"text":"x"},"referenceRange":[{"text":"r"}]}]}"#;

    fn names(view: &View) -> Vec<String> {
        let out = apply(ResourceType::OBSERVATION, BODY.to_owned(), view).expect("a view");
        let doc = Doc::parse(out).expect("JSON");
        assert!(doc.root().get("meta").expect("meta").raw().contains("SUBSETTED"));
        doc.root().members().skip(3).map(|(name, _)| name.to_owned()).collect()
    }

    fn elements(list: &[&str]) -> View {
        View { elements: list.iter().map(|s| (*s).to_owned()).collect(), ..View::default() }
    }

    fn summary(summary: Summary) -> View {
        View { summary, elements: Vec::new() }
    }

    #[test]
    fn mandatory_elements_and_modifiers_stay() {
        assert_eq!(names(&elements(&["note"])), ["status", "code", "note"]);
        assert_eq!(names(&elements(&["value"])), ["status", "code", "valueInteger"]);
    }

    #[test]
    fn summaries_follow_the_tables() {
        assert_eq!(names(&summary(Summary::Text)), ["text", "status", "code"]);
        let data = ["status", "code", "valueInteger", "note", "component"];
        assert_eq!(names(&summary(Summary::Data)), data);
        assert_eq!(names(&summary(Summary::True)), ["status", "code", "valueInteger", "component"]);
        let out = apply(ResourceType::OBSERVATION, BODY.to_owned(), &summary(Summary::True));
        assert!(!out.expect("a view").contains("referenceRange"));
    }

    #[test]
    fn the_whole_is_not_touched() {
        let same = apply(ResourceType::OBSERVATION, BODY.to_owned(), &View::default());
        assert_eq!(same.expect("a view"), BODY);
    }
}
