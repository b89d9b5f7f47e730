//! The value of an operation: a `value[x]`, a resource, or parts that make an element.

use fhir::json::{Node, Value};
use fhir_tables::{ElementDef, TypeId};

use super::{Wrong, element, malformed, place};

/// An element as JSON has it: a value, and for primitives what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    pub(super) value: Option<Value>,
    pub(super) sibling: Option<Value>,
}

/// A part named `value`, or one inside of it.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// `valueHumanName`: the ending, the value and its sibling.
    Typed { ending: &'a str, value: Option<Node<'a>>, sibling: Option<Node<'a>> },
    /// `resource`.
    Resource(Node<'a>),
    /// Nested `part`s.
    Parts(Node<'a>),
}

impl<'a> Part<'a> {
    pub(super) fn read(part: Node<'a>) -> Result<Self, Wrong> {
        if part.get("part").is_some() {
            return Ok(Self::Parts(part));
        }
        if let Some(resource) = part.get("resource") {
            return Ok(Self::Resource(resource));
        }
        let key = part.members().find_map(|(key, _)| {
            let plain = key.strip_prefix('_').unwrap_or(key);
            plain.starts_with("value").then_some(plain)
        });
        let Some(key) = key else {
            return Err(malformed("a value needs a value[x], a resource or parts"));
        };
        let sibling = part.members().find(|(k, _)| k.strip_prefix('_') == Some(key));
        Ok(Self::Typed {
            ending: &key["value".len()..],
            value: part.get(key),
            sibling: sibling.map(|(_, node)| node),
        })
    }

    /// The JSON name under which this becomes `element`, and its content.
    pub(super) fn content(self, element: &'static ElementDef) -> Result<(String, Content), Wrong> {
        let own = |node: Option<Node<'_>>| node.map(Value::from);
        match self {
            Self::Typed { ending, value, sibling } => {
                let name = if element.choice {
                    format!("{}{ending}", element.name)
                } else {
                    element.name.to_owned()
                };
                Ok((name, Content { value: own(value), sibling: own(sibling) }))
            }
            Self::Resource(node) => {
                let content = Content { value: own(Some(node)), sibling: None };
                Ok((element.name.to_owned(), content))
            }
            Self::Parts(part) => {
                let [ty] = element.types else {
                    let text =
                        format!("`{}` may be of several types: give a value[x]", element.name);
                    return Err(malformed(text));
                };
                let value = object(ty.ty, part)?;
                Ok((element.name.to_owned(), Content { value: Some(value), sibling: None }))
            }
        }
    }
}

/// An element of type `ty` with a child for each part.
fn object(ty: TypeId, part: Node<'_>) -> Result<Value, Wrong> {
    let mut out = Value::Object(Vec::new());
    for child in part.list("part") {
        let name = child.str("name").ok_or_else(|| malformed("a part needs a name"))?;
        let element = element(ty, &name)?;
        let (json_name, content) = Part::read(child)?.content(element)?;
        let mut contents = place::read(&out, &json_name);
        if !contents.is_empty() && !element.is_array() {
            return Err(malformed(format!("`{name}` does not repeat")));
        }
        contents.push(content);
        place::write(&mut out, &json_name, contents, element.is_array());
    }
    Ok(out)
}
