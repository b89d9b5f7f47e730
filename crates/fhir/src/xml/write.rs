//! JSON to XML.

use fhir_tables::{ElementDef, ResourceType, TypeId, TypeKind};

use super::xhtml::{is_well_formed_div, is_xml_char};
use super::{NAMESPACE, XHTML_NAMESPACE};
use crate::json::{Kind, Node};

pub(super) fn write(resource: Node<'_>) -> String {
    let mut out = String::with_capacity(resource.raw().len() * 2);
    write_resource(resource, true, &mut out);
    out
}

/// `<Patient>…</Patient>`; nothing when it is no resource of R4.
fn write_resource(node: Node<'_>, is_root: bool, out: &mut String) {
    let name = node.str("resourceType");
    let Some(resource_type) = name.and_then(|name| ResourceType::from_name(&name)) else { return };
    out.push('<');
    out.push_str(resource_type.name());
    if is_root {
        write_attribute("xmlns", NAMESPACE, out);
    }
    write_content(node, resource_type.type_id(), resource_type.name(), out);
}

/// A member with its sibling and the element that both stand for.
struct Child<'a> {
    element_idx: usize,
    ty: TypeId,
    name: &'a str,
    main: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
}

/// Members of an object in specification order.
fn children(node: Node<'_>, ty: TypeId) -> Vec<Child<'_>> {
    let mut children: Vec<Child<'_>> = Vec::with_capacity(node.len());
    for (name, value) in node.members() {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let Some((element_idx, type_idx)) = ty.element_index(plain) else { continue };
        let child_ty = ty.def().elements[element_idx].types[type_idx].ty;
        let is_sibling = plain.len() != name.len();
        let found = children.iter().position(|child| child.name == plain);
        let at = found.unwrap_or_else(|| {
            let (main, sibling) = (None, None);
            children.push(Child { element_idx, ty: child_ty, name: plain, main, sibling });
            children.len() - 1
        });
        let slot = &mut children[at];
        *(if is_sibling { &mut slot.sibling } else { &mut slot.main }) = Some(value);
    }
    children.sort_by_key(|child| child.element_idx);
    children
}

/// The rest of an element whose start tag is open: attributes, `>`, children, end tag.
fn write_content(node: Node<'_>, ty: TypeId, tag: &str, out: &mut String) {
    let children = children(node, ty);
    let elements = ty.def().elements;
    for child in children.iter().filter(|child| elements[child.element_idx].xml_attr) {
        if let Some(text) = child.main.and_then(Node::as_str) {
            write_attribute(child.name, &text, out);
        }
    }
    let mut is_open = false;
    for child in &children {
        let element = &elements[child.element_idx];
        if !element.xml_attr {
            open(&mut is_open, out);
            write_child(child, element, out);
        }
    }
    close(is_open, tag, out);
}

fn open(is_open: &mut bool, out: &mut String) {
    if !std::mem::replace(is_open, true) {
        out.push('>');
    }
}

fn close(is_open: bool, tag: &str, out: &mut String) {
    if is_open {
        out.push_str("</");
        out.push_str(tag);
        out.push('>');
    } else {
        out.push_str("/>");
    }
}

fn write_child(child: &Child<'_>, element: &ElementDef, out: &mut String) {
    if !element.is_array() {
        return write_value(child, child.main, child.sibling, out);
    }
    let items = |node: Option<Node<'_>>| node.map_or(0, |node| node.items().count());
    let n_items = items(child.main).max(items(child.sibling));
    let mut mains = child.main.into_iter().flat_map(Node::items);
    let mut siblings = child.sibling.into_iter().flat_map(Node::items);
    for _ in 0..n_items {
        write_value(child, mains.next(), siblings.next(), out);
    }
}

fn write_value<'a>(
    child: &Child<'_>,
    main: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    out: &mut String,
) {
    let main = main.filter(|main| !main.is_null());
    match child.ty.kind() {
        TypeKind::Primitive if child.ty == TypeId::XHTML => {
            if let Some(text) = main.and_then(Node::as_str) {
                write_div(&text, out);
            }
        }
        TypeKind::Primitive => {
            out.push('<');
            out.push_str(child.name);
            write_primitive(child, main, sibling, out);
        }
        TypeKind::Abstract | TypeKind::Resource => {
            out.push('<');
            out.push_str(child.name);
            out.push('>');
            if let Some(resource) = main {
                write_resource(resource, false, out);
            }
            close(true, child.name, out);
        }
        TypeKind::Complex | TypeKind::Backbone => {
            let Some(main) = main else { return };
            out.push('<');
            out.push_str(child.name);
            write_content(main, child.ty, child.name, out);
        }
    }
}

fn write_primitive<'a>(
    child: &Child<'_>,
    main: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    out: &mut String,
) {
    if let Some(id) = sibling.and_then(|sibling| sibling.str("id")) {
        write_attribute("id", &id, out);
    }
    match main.map(|main| (main.kind(), main)) {
        Some((Kind::String, main)) => {
            write_attribute("value", &main.as_str().unwrap_or_default(), out);
        }
        Some((Kind::Number | Kind::Bool, main)) => write_attribute("value", main.raw(), out),
        _ => {}
    }
    let mut is_open = false;
    for extension in sibling.into_iter().flat_map(|sibling| sibling.list("extension")) {
        open(&mut is_open, out);
        out.push_str("<extension");
        write_content(extension, TypeId::EXTENSION, "extension", out);
    }
    close(is_open, child.name, out);
}

/// Narrative as it is; what is not well-formed XML becomes text in a div.
fn write_div(text: &str, out: &mut String) {
    let text = text.trim_ascii();
    if !is_well_formed_div(text) {
        out.push_str("<div");
        write_attribute("xmlns", XHTML_NAMESPACE, out);
        out.push('>');
        escape(text, out);
        out.push_str("</div>");
        return;
    }
    let end = text.find('>').unwrap_or(text.len());
    if text[..end].contains("xmlns=") {
        out.push_str(text);
    } else {
        out.push_str("<div");
        write_attribute("xmlns", XHTML_NAMESPACE, out);
        out.push_str(&text["<div".len()..]);
    }
}

fn write_attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

/// Appends text for an attribute or element. White space that a reader would change is written as
/// a reference.
fn escape(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let with = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\r' => "&#13;",
            c if is_xml_char(c) => continue,
            _ => "\u{FFFD}",
        };
        out.push_str(&text[from..at]);
        out.push_str(with);
        from = at + c.len_utf8();
    }
    out.push_str(&text[from..]);
}
