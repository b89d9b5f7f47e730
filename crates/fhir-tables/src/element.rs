//! Types and their elements, from the snapshots of the StructureDefinitions.

use std::sync::LazyLock;

use crate::generated::types::TYPES;
use crate::name_hash::name_hash;
use crate::names::Names;
use crate::{ResourceType, ValueSetId};

/// A FHIR type: primitive, datatype, resource or backbone element; an index into the type table.
///
/// Types are numbered in the byte order of their names, so that `Ord` is the order of names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// A value with `id` and `extension` beside it: `string`, `dateTime`, `xhtml`, …
    Primitive,
    /// A datatype with elements: `HumanName`, `Quantity`, …
    Complex,
    /// An element of a resource or datatype with its own elements, named by its path.
    Backbone,
    /// A concrete resource.
    Resource,
    /// `Resource`, `DomainResource`, `Element` and `BackboneElement`.
    Abstract,
}

/// One type of FHIR R4.
#[derive(Debug)]
pub struct TypeDef {
    /// `Patient`, `HumanName`, `string`, or the path of a backbone element: `Patient.contact`.
    pub name: &'static str,
    pub kind: TypeKind,
    /// The type that this one specialises; `None` for `Element` and `Resource`.
    pub base: Option<TypeId>,
    /// All elements including inherited ones, in specification order.
    ///
    /// Primitives have `id` and `extension` only: the value itself is not an element.
    pub elements: &'static [ElementDef],
    /// Elements with `min > 0`; bit i stands for `elements[i]`.
    pub required: u64,
    /// JSON names of all elements, choices expanded, in specification order.
    pub(crate) names: &'static [JsonName],
    /// Perfect hash from JSON name to an index into `names`; the length is a power of two.
    pub(crate) slots: &'static [u16],
    pub(crate) seed: u32,
}

/// One element of a type.
#[derive(Debug)]
pub struct ElementDef {
    /// The name without `[x]`: `value` for `value[x]`.
    pub name: &'static str,
    pub min: u8,
    /// `u16::MAX` stands for `*`.
    pub max: u16,
    /// The element is written `name[x]` and its JSON name carries the type.
    pub choice: bool,
    /// One type, or the alternatives of a choice.
    pub types: &'static [TypeRef],
    /// The value set of a binding of strength `required`.
    pub binding: Option<ValueSetId>,
    /// Part of `_summary=true`.
    pub summary: bool,
    /// May change the meaning of what contains it.
    pub modifier: bool,
    /// An attribute in XML: `id` of an element and `url` of an extension.
    pub xml_attr: bool,
}

/// A type that an element may have.
#[derive(Debug, PartialEq, Eq)]
pub struct TypeRef {
    pub ty: TypeId,
    /// What a Reference or canonical may point to; empty means anything.
    pub targets: &'static [ResourceType],
}

/// A name that may stand in a JSON object, with what it stands for.
#[derive(Debug)]
pub(crate) struct JsonName {
    pub name: &'static str,
    pub element: u8,
    pub ty: u8,
}

impl ElementDef {
    /// Whether the element may repeat, and so is an array in JSON.
    pub const fn is_array(&self) -> bool {
        self.max > 1
    }
}

impl TypeDef {
    /// JSON names of all elements, choices expanded: `(name, element index, type index)`.
    pub fn json_names(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        self.names.iter().map(|name| (name.name, usize::from(name.element), usize::from(name.ty)))
    }
}

impl TypeId {
    /// All types, in the byte order of their names.
    pub fn all() -> impl Iterator<Item = TypeId> {
        (0..TYPES.len() as u16).map(TypeId)
    }

    /// The row of this type.
    #[inline]
    pub fn def(self) -> &'static TypeDef {
        &TYPES[usize::from(self.0)]
    }

    pub fn name(self) -> &'static str {
        self.def().name
    }

    pub fn kind(self) -> TypeKind {
        self.def().kind
    }

    /// The type with exactly this name: `Patient`, `string`, `Patient.contact`.
    pub fn by_name(name: &str) -> Option<TypeId> {
        static NAMES: LazyLock<Names> =
            LazyLock::new(|| Names::of(TYPES.iter().map(|def| def.name)));
        NAMES.find(name, |idx| TYPES[idx].name).map(|idx| TypeId(idx as u16))
    }

    /// The element that `json_name` stands for, and its type: `valueQuantity` gives the element
    /// `value` with the type Quantity.
    ///
    /// The names of a primitive's sibling (`_birthDate`) are not elements: strip the `_` first.
    #[inline]
    pub fn element(self, json_name: &str) -> Option<(&'static ElementDef, &'static TypeRef)> {
        let (element_idx, type_idx) = self.element_index(json_name)?;
        let element = &self.def().elements[element_idx];
        Some((element, &element.types[type_idx]))
    }

    /// Like [`TypeId::element`], as indexes into `elements` and into that element's `types`.
    #[inline]
    pub fn element_index(self, json_name: &str) -> Option<(usize, usize)> {
        let def = self.def();
        let mask = def.slots.len().wrapping_sub(1);
        let slot = name_hash(def.seed, json_name.as_bytes()) as usize & mask;
        let name = def.names.get(usize::from(*def.slots.get(slot)?))?;
        (name.name == json_name).then_some((usize::from(name.element), usize::from(name.ty)))
    }

    /// The element of this name without its type: `value` for `value[x]`.
    pub fn element_by_path_name(self, name: &str) -> Option<&'static ElementDef> {
        self.def().elements.iter().find(|element| element.name == name)
    }

    /// Whether this type is `other` or specialises it, directly or not.
    pub fn is_subtype_of(self, other: TypeId) -> bool {
        let mut at = Some(self);
        while let Some(ty) = at {
            if ty == other {
                return true;
            }
            at = ty.def().base;
        }
        false
    }

    /// The resource type that this type is, if it is a concrete resource.
    pub fn resource_type(self) -> Option<ResourceType> {
        match self.kind() {
            TypeKind::Resource => ResourceType::from_name(self.name()),
            _ => None,
        }
    }
}

impl std::fmt::Debug for TypeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match TYPES.get(usize::from(self.0)) {
            Some(def) => write!(f, "TypeId({})", def.name),
            None => write!(f, "TypeId({} is out of range)", self.0),
        }
    }
}
