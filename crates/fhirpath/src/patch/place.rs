//! Where an element is in the JSON of a resource, and how to change what is there.
//!
//! Source: FHIR R4 json.html: a primitive `x` has its id and extensions in `_x`; in a list both are
//! arrays of the same length with nulls for what is missing.

use fhir::json::{Node, Value};
use fhir_tables::{ElementDef, TypeId};

use super::build::Content;
use crate::item::{Item, resource_type};

/// One step into JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    Name(String),
    Index(usize),
}

/// The place of an element: the object that holds it, its name there, and its place in a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) holder: Vec<Segment>,
    /// Without the `_` of a primitive's sibling; empty for the root.
    pub(super) name: String,
    pub(super) index: Option<usize>,
}

impl Place {
    /// The place that `path` leads to.
    pub(super) fn of(path: &[Segment]) -> Self {
        let mut path = path.to_vec();
        let index = match path.last() {
            Some(Segment::Index(index)) => {
                let index = *index;
                path.pop();
                Some(index)
            }
            _ => None,
        };
        let name = match path.pop() {
            Some(Segment::Name(name)) => match name.strip_prefix('_') {
                Some(plain) => plain.to_owned(),
                None => name,
            },
            _ => String::new(),
        };
        Self { holder: path, name, index }
    }

    pub(super) fn is_root(&self) -> bool {
        self.name.is_empty()
    }
}

/// The steps from `root` to `node`.
pub(super) fn path(root: Node<'_>, node: Node<'_>) -> Vec<Segment> {
    let mut out = Vec::new();
    let mut at = root;
    while at.index() < node.index() {
        // Values are numbered in document order: the last child that is not behind `node` holds it.
        let children = at.members().map(|(_, child)| child).chain(at.items());
        let inside = children.enumerate().take_while(|(_, c)| c.index() <= node.index()).last();
        let Some((i, child)) = inside else { break };
        out.push(match child.key() {
            Some(key) => Segment::Name(key.to_owned()),
            None => Segment::Index(i),
        });
        at = child;
    }
    out
}

/// The value at `path`.
pub(super) fn at_mut<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Value> {
    let mut at = value;
    for segment in path {
        at = match (segment, at) {
            (Segment::Name(name), at) => at.get_mut(name)?,
            (Segment::Index(index), Value::Array(items)) => items.get_mut(*index)?,
            _ => return None,
        };
    }
    Some(at)
}

/// The type of the element at `path`.
pub(super) fn type_at(root: Node<'_>, path: &[Segment]) -> TypeId {
    let mut ty = Item::root(root).type_id().unwrap_or(crate::types::known().element);
    let mut at = Some(root);
    for segment in path {
        match segment {
            Segment::Name(name) => {
                let plain = name.strip_prefix('_').unwrap_or(name);
                ty = ty.element(plain).map_or(crate::types::known().element, |(_, t)| t.ty);
                at = at.and_then(|node| node.get(name));
            }
            Segment::Index(index) => at = at.and_then(|node| node.item(*index)),
        }
        if let Some(found) = at.and_then(resource_type) {
            ty = found;
        }
    }
    ty
}

/// Every name that `element` may have in JSON.
pub(super) fn json_names(ty: TypeId, element: &'static ElementDef) -> Vec<&'static str> {
    let def = ty.def();
    let found = def.json_names().filter(|(_, i, _)| std::ptr::eq(&def.elements[*i], element));
    found.map(|(name, ..)| name).collect()
}

fn contents_of(value: Option<&Value>) -> Vec<Option<Value>> {
    let present = |v: &Value| (*v != Value::Null).then(|| v.clone());
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(present).collect(),
        Some(value) => vec![present(value)],
    }
}

/// The values of element `name`, each with its sibling.
pub(super) fn read(holder: &Value, name: &str) -> Vec<Content> {
    let mut values = contents_of(holder.get(name)).into_iter();
    let mut siblings = contents_of(holder.get(&format!("_{name}"))).into_iter();
    let mut out = Vec::new();
    loop {
        match (values.next(), siblings.next()) {
            (None, None) => return out,
            (value, sibling) => {
                out.push(Content { value: value.flatten(), sibling: sibling.flatten() });
            }
        }
    }
}

/// Puts the values of element `name` in the place of those that were there.
pub(super) fn write(holder: &mut Value, name: &str, contents: Vec<Content>, list: bool) {
    let any_value = contents.iter().any(|c| c.value.is_some());
    let any_sibling = contents.iter().any(|c| c.sibling.is_some());
    let (values, siblings): (Vec<_>, Vec<_>) =
        contents.into_iter().map(|c| (c.value, c.sibling)).unzip();
    let put = |holder: &mut Value, name: &str, items: Vec<Option<Value>>, any: bool| {
        if !any {
            holder.remove(name);
            return;
        }
        let mut items = items.into_iter().map(|item| item.unwrap_or(Value::Null));
        let value = if list { Some(Value::Array(items.collect())) } else { items.next() };
        holder.set(name, value.unwrap_or(Value::Null));
    };
    put(holder, name, values, any_value);
    put(holder, &format!("_{name}"), siblings, any_sibling);
}

/// Gives a choice element its new type's name where it stands.
pub(super) fn rename(holder: &mut Value, old: &str, new: &str) {
    if old == new {
        return;
    }
    holder.remove(&format!("_{old}"));
    if let Value::Object(members) = holder {
        for (name, _) in members.iter_mut().filter(|(name, _)| name == old) {
            new.clone_into(name);
        }
    }
}

/// The `_name` object of a primitive, made when it is missing.
pub(super) fn sibling<'v>(holder: &'v mut Value, place: &Place) -> Option<&'v mut Value> {
    let mut contents = read(holder, &place.name);
    let at = place.index.unwrap_or(0);
    let content = contents.get_mut(at)?;
    content.sibling.get_or_insert_with(|| Value::Object(Vec::new()));
    write(holder, &place.name, contents, place.index.is_some());
    let sibling = holder.get_mut(&format!("_{}", place.name))?;
    match sibling {
        Value::Array(items) => items.get_mut(at),
        single => Some(single),
    }
}

/// Takes the element out, and then every object that is left empty.
pub(super) fn remove(resource: &mut Value, place: &Place) {
    if let Some(holder) = at_mut(resource, &place.holder) {
        let mut contents = read(holder, &place.name);
        match place.index {
            Some(index) if index < contents.len() => {
                contents.remove(index);
            }
            _ => contents.clear(),
        }
        write(holder, &place.name, contents, place.index.is_some());
    }
    let is_empty = |value: &Value| matches!(value, Value::Object(members) if members.is_empty());
    if place.holder.is_empty() || !at_mut(resource, &place.holder).is_some_and(|v| is_empty(v)) {
        return;
    }
    let mut path = place.holder.clone();
    let index = match path.last() {
        Some(Segment::Index(index)) => Some(*index),
        _ => None,
    };
    if index.is_some() {
        path.pop();
    }
    let Some(Segment::Name(name)) = path.pop() else { return };
    match name.strip_prefix('_') {
        None => remove(resource, &Place { holder: path, name, index }),
        // An empty sibling goes alone: the primitive's value stays.
        Some(plain) => {
            if let Some(holder) = at_mut(resource, &path) {
                let mut contents = read(holder, plain);
                if let Some(content) = contents.get_mut(index.unwrap_or(0)) {
                    content.sibling = None;
                }
                write(holder, plain, contents, index.is_some());
            }
        }
    }
}
