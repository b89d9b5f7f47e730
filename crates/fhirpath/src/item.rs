//! One member of a collection: an element of the tree, or a computed System value.
//!
//! Source: FHIRPath N1 §2.1, FHIR R4 fhirpath.html#types (implicit conversion of primitives).

use std::borrow::Cow;

use fhir::json::{Kind, Node};
use fhir_tables::TypeId;

use crate::decimal::Decimal;
use crate::quantity::Quantity;
use crate::temporal::{Date, DateTime, Time};
use crate::types::{Class, SystemType, TypeTest, known};

/// One member of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// An element or resource of the tree.
    Node {
        /// Its JSON value. A primitive with extensions but no value has its sibling here.
        node: Node<'a>,
        /// `_name` of a primitive: its id and extensions.
        sibling: Option<Node<'a>>,
        /// Its FHIR type; `Element` when unknown.
        ty: TypeId,
    },
    /// System.Boolean.
    Boolean(bool),
    /// System.Integer.
    Integer(i64),
    /// System.Decimal.
    Decimal(Decimal),
    /// System.String.
    String(Cow<'a, str>),
    /// System.Date.
    Date(Date),
    /// System.DateTime.
    DateTime(DateTime),
    /// System.Time.
    Time(Time),
    /// System.Quantity.
    Quantity(Box<Quantity<'a>>),
    /// What `type()` answers.
    Type {
        /// `System` or `FHIR`.
        namespace: &'static str,
        /// The type's name.
        name: &'static str,
    },
}

impl<'a> Item<'a> {
    /// A resource, typed by its `resourceType`, or an element of unknown type.
    #[must_use]
    pub fn root(node: Node<'a>) -> Self {
        let ty = resource_type(node).unwrap_or(known().element);
        Self::Node { node, sibling: None, ty }
    }

    /// An element of a known type; resources are typed by their `resourceType`.
    #[must_use]
    pub fn element(node: Node<'a>, ty: TypeId) -> Self {
        let ty = match known().class(ty) {
            Class::AnyResource | Class::Unknown => resource_type(node).unwrap_or(ty),
            _ => ty,
        };
        Self::Node { node, sibling: None, ty }
    }

    /// The node, if it is an element of the tree.
    #[must_use]
    pub fn node(&self) -> Option<Node<'a>> {
        match self {
            Self::Node { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// The FHIR type, if it is an element of the tree.
    #[must_use]
    pub fn type_id(&self) -> Option<TypeId> {
        match self {
            Self::Node { ty, .. } => Some(*ty),
            _ => None,
        }
    }

    /// Namespace and name of the type.
    #[must_use]
    pub fn type_name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Node { ty, .. } => ("FHIR", ty.name()),
            Self::Boolean(_) => ("System", "Boolean"),
            Self::Integer(_) => ("System", "Integer"),
            Self::Decimal(_) => ("System", "Decimal"),
            Self::String(_) => ("System", "String"),
            Self::Date(_) => ("System", "Date"),
            Self::DateTime(_) => ("System", "DateTime"),
            Self::Time(_) => ("System", "Time"),
            Self::Quantity(_) => ("System", "Quantity"),
            Self::Type { .. } => ("System", "TypeInfo"),
        }
    }

    /// The text of a string or of a primitive that is written as a JSON string.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Node { node, .. } => node.as_str(),
            Self::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The truth value of a Boolean or of a FHIR boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Node { node, .. } => node.as_bool(),
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The System value: a primitive's value, a FHIR Quantity as System.Quantity, or itself.
    ///
    /// Shape: `None` for complex elements, and for primitives without a value or with one that
    /// is not of their type.
    #[must_use]
    pub fn to_system(&self) -> Option<Item<'a>> {
        let Self::Node { node, ty, .. } = self else {
            return Some(self.clone());
        };
        match known().class(*ty) {
            Class::Primitive(system) => primitive_value(*node, system),
            Class::Quantity => quantity_value(*node).map(|q| Item::Quantity(Box::new(q))),
            Class::Complex | Class::AnyResource => None,
            Class::Unknown => match node.kind() {
                Kind::Bool => node.as_bool().map(Item::Boolean),
                Kind::Number => number_value(node.raw()),
                Kind::String => node.as_str().map(Item::String),
                _ => None,
            },
        }
    }

    /// Whether a primitive or System value is there, extensions aside.
    #[must_use]
    pub fn has_value(&self) -> bool {
        match self {
            Self::Node { node, ty, .. } => match known().class(*ty) {
                Class::Primitive(_) | Class::Unknown => {
                    matches!(node.kind(), Kind::Bool | Kind::Number | Kind::String)
                }
                _ => false,
            },
            _ => true,
        }
    }

    /// Whether the item is of the type or of one derived from it.
    pub(crate) fn is(&self, test: TypeTest) -> bool {
        match (self, test) {
            (_, TypeTest::Nothing) => false,
            (Self::Node { ty, .. }, TypeTest::Fhir(wanted)) => ty.is_subtype_of(wanted),
            (Self::Node { ty, .. }, TypeTest::Quantity) => known().class(*ty) == Class::Quantity,
            (Self::Node { .. }, TypeTest::System(_)) => false,
            (_, TypeTest::Fhir(_)) => false,
            (_, TypeTest::Quantity) => matches!(self, Self::Quantity(_)),
            (_, TypeTest::System(wanted)) => self.type_name() == ("System", wanted.name()),
        }
    }

    /// Whether `as` and `ofType` keep the item. Unlike `is`, a primitive has to be of exactly the
    /// type: `gender.ofType(string)` is empty (official suite, testFHIRPathAsFunction11).
    pub(crate) fn casts_to(&self, test: TypeTest) -> bool {
        match (self, test) {
            (Self::Node { ty, .. }, TypeTest::Fhir(wanted))
                if matches!(known().class(*ty), Class::Primitive(_)) =>
            {
                *ty == wanted
            }
            _ => self.is(test),
        }
    }

    /// Whether two items are the same place in the tree.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Node { node: a, .. }, Self::Node { node: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// The type named by `resourceType`.
pub(crate) fn resource_type(node: Node<'_>) -> Option<TypeId> {
    let name = node.get("resourceType")?.as_plain_str()?;
    Some(fhir_tables::ResourceType::from_name(name)?.type_id())
}

fn primitive_value(node: Node<'_>, system: SystemType) -> Option<Item<'_>> {
    match node.kind() {
        Kind::String => match system {
            SystemType::Date => Date::parse(node.as_plain_str()?).map(Item::Date),
            SystemType::DateTime => DateTime::parse(node.as_plain_str()?).map(Item::DateTime),
            SystemType::Time => Time::parse(node.as_plain_str()?).map(Item::Time),
            _ => node.as_str().map(Item::String),
        },
        Kind::Number => match system {
            SystemType::Decimal => Decimal::parse(node.raw()).map(Item::Decimal),
            _ => number_value(node.raw()),
        },
        Kind::Bool => node.as_bool().map(Item::Boolean),
        _ => None,
    }
}

/// A number as Integer when it is written as one, else as Decimal.
pub(crate) fn number_value<'a>(text: &str) -> Option<Item<'a>> {
    match text.parse::<i64>() {
        Ok(value) => Some(Item::Integer(value)),
        Err(_) => Decimal::parse(text).map(Item::Decimal),
    }
}

/// Source: FHIR R4 fhirpath.html#quantity; a comparator makes it no number.
fn quantity_value(node: Node<'_>) -> Option<Quantity<'_>> {
    if node.get("comparator").is_some() {
        return None;
    }
    let value = Decimal::parse(node.get("value")?.as_number()?)?;
    let ucum = node.get("system").and_then(Node::as_plain_str) == Some(UCUM);
    let unit = match node.get("code").and_then(Node::as_str) {
        Some(code) if ucum => code,
        code => node.get("unit").and_then(Node::as_str).or(code).unwrap_or(Cow::Borrowed("1")),
    };
    Some(Quantity::new(value, unit))
}

const UCUM: &str = "http://unitsofmeasure.org";

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    #[test]
    fn primitives_convert_and_keep_their_type() {
        let doc = Doc::parse(r#"{"a":true,"b":"2015-02","c":1.50,"d":null}"#).expect("JSON");
        let item = |name, ty| {
            Item::element(doc.root().get(name).expect("member"), TypeId::by_name(ty).expect("type"))
        };
        let boolean = item("a", "boolean");
        assert!(matches!(boolean.to_system(), Some(Item::Boolean(true))));
        assert!(!boolean.is(TypeTest::System(SystemType::Boolean)));
        assert!(matches!(item("b", "date").to_system(), Some(Item::Date(_))));
        assert!(matches!(item("c", "decimal").to_system(), Some(Item::Decimal(_))));
        assert!(item("d", "string").to_system().is_none());
        assert!(!item("d", "string").has_value());
        let code = item("b", "code");
        let string = TypeTest::by_name(None, "string").expect("type");
        assert!(code.is(string) && !code.casts_to(string));
    }
}
