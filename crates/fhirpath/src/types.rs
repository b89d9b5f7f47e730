//! What FHIRPath needs to know about types beyond the tables.
//!
//! Source: FHIRPath N1 §2.1 and §10 (types, reflection); FHIR R4 fhirpath.html#types. FHIR
//! primitives convert to System values where an operation needs one, but *are* not System values:
//! `Patient.active is Boolean` is false.

use std::sync::OnceLock;

use fhir_tables::{ElementDef, TypeId, TypeKind};

/// The types of the System namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the types' names in the specification")]
pub enum SystemType {
    Boolean,
    Integer,
    Decimal,
    String,
    Date,
    DateTime,
    Time,
    Quantity,
}

impl SystemType {
    const ALL: [Self; 8] = [
        Self::Boolean,
        Self::Integer,
        Self::Decimal,
        Self::String,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Quantity,
    ];

    /// The type's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::Integer => "Integer",
            Self::Decimal => "Decimal",
            Self::String => "String",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
            Self::Quantity => "Quantity",
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// The right side of `is`, `as` and `ofType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeTest {
    System(SystemType),
    Fhir(TypeId),
    /// `Quantity` without a namespace is both of them.
    Quantity,
    /// A FHIR type's name in the System namespace: nothing is of it.
    Nothing,
}

impl TypeTest {
    /// The test that a written type name stands for; FHIR goes before System.
    pub(crate) fn by_name(namespace: Option<&str>, name: &str) -> Option<Self> {
        let fhir = || TypeId::by_name(name).map(Self::Fhir);
        let system = || SystemType::by_name(name).map(Self::System);
        match namespace {
            Some("System") => system().or_else(|| fhir().map(|_| Self::Nothing)),
            Some("FHIR") => fhir(),
            Some(_) => None,
            None if name == "Quantity" => Some(Self::Quantity),
            None => fhir().or_else(system),
        }
    }
}

/// How the value of a FHIR type behaves in an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Elements, no value.
    Complex,
    /// A primitive that converts to this System type.
    Primitive(SystemType),
    /// Elements, and converts to System.Quantity.
    Quantity,
    /// The real type is in `resourceType`.
    AnyResource,
    /// Nothing is known.
    Unknown,
}

/// Types that the engine treats specially, looked up once.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) element: TypeId,
    pub(crate) extension: TypeId,
    classes: Vec<Class>,
}

impl Known {
    #[inline]
    pub(crate) fn class(&self, ty: TypeId) -> Class {
        self.classes.get(usize::from(ty.0)).copied().unwrap_or(Class::Unknown)
    }
}

/// The shared table.
pub(crate) fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let named = |name| TypeId::by_name(name).expect("R4 has this type");
        let quantity = named("Quantity");
        Known {
            element: named("Element"),
            extension: named("Extension"),
            classes: TypeId::all().map(|ty| class_of(ty, quantity)).collect(),
        }
    })
}

fn class_of(ty: TypeId, quantity: TypeId) -> Class {
    match ty.kind() {
        TypeKind::Primitive => Class::Primitive(match ty.name() {
            "boolean" => SystemType::Boolean,
            "integer" | "positiveInt" | "unsignedInt" => SystemType::Integer,
            "decimal" => SystemType::Decimal,
            "date" => SystemType::Date,
            "dateTime" | "instant" => SystemType::DateTime,
            "time" => SystemType::Time,
            _ => SystemType::String,
        }),
        TypeKind::Abstract => match ty.name() {
            "Resource" | "DomainResource" => Class::AnyResource,
            "Element" => Class::Unknown,
            _ => Class::Complex,
        },
        _ if ty.is_subtype_of(quantity) => Class::Quantity,
        _ => Class::Complex,
    }
}

/// What an element name leads to from a known type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// One JSON name, one type.
    Single { ty: TypeId, class: Class },
    /// `value` for `valueQuantity`, `valueString`, ….
    Choice(&'static ElementDef),
    /// No such element.
    Nothing,
}

impl Plan {
    pub(crate) fn of(parent: TypeId, name: &str) -> Self {
        if let Some((element, ty)) = parent.element(name)
            && !element.choice
        {
            return Self::Single { ty: ty.ty, class: known().class(ty.ty) };
        }
        match parent.element_by_path_name(name) {
            Some(element) if element.choice => Self::Choice(element),
            Some(element) => match element.types.first() {
                Some(ty) => Self::Single { ty: ty.ty, class: known().class(ty.ty) },
                None => Self::Nothing,
            },
            None => Self::Nothing,
        }
    }
}

/// What is known about a value before evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Static {
    Any,
    System(SystemType),
    Fhir(TypeId),
    Choice(&'static ElementDef),
    /// The empty collection.
    Nothing,
}

impl Static {
    /// Whether the value can stand where System type `wanted` is needed; unknown counts as yes.
    pub(crate) fn may_be(self, wanted: SystemType) -> bool {
        let fits = |found: SystemType| {
            found == wanted
                || matches!(
                    (found, wanted),
                    (SystemType::Integer, SystemType::Decimal | SystemType::Quantity)
                        | (SystemType::Decimal, SystemType::Quantity)
                        | (SystemType::Date, SystemType::DateTime)
                )
        };
        let fits_fhir = |ty| match known().class(ty) {
            Class::Primitive(found) => fits(found),
            Class::Quantity => wanted == SystemType::Quantity,
            Class::Complex => false,
            Class::AnyResource => false,
            Class::Unknown => true,
        };
        match self {
            Self::Any | Self::Nothing => true,
            Self::System(found) => fits(found),
            Self::Fhir(ty) => fits_fhir(ty),
            Self::Choice(element) => element.types.iter().any(|t| fits_fhir(t.ty)),
        }
    }

    /// For messages.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::System(ty) => format!("System.{}", ty.name()),
            Self::Fhir(ty) => ty.name().to_owned(),
            Self::Choice(element) => format!("{}[x]", element.name),
            Self::Nothing => "the empty collection".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve() {
        let fhir = |name| TypeId::by_name(name).map(TypeTest::Fhir);
        assert_eq!(TypeTest::by_name(None, "boolean"), fhir("boolean"));
        let system = Some(TypeTest::System(SystemType::Boolean));
        assert_eq!(TypeTest::by_name(None, "Boolean"), system);
        assert_eq!(TypeTest::by_name(Some("FHIR"), "Patient"), fhir("Patient"));
        assert_eq!(TypeTest::by_name(Some("System"), "Patient"), Some(TypeTest::Nothing));
        assert_eq!(TypeTest::by_name(None, "string1"), None);
    }

    #[test]
    fn plans() {
        let observation = TypeId::by_name("Observation").expect("type");
        assert!(matches!(Plan::of(observation, "value"), Plan::Choice(_)));
        assert!(matches!(Plan::of(observation, "valueQuantity"), Plan::Nothing));
        assert!(matches!(Plan::of(observation, "status"), Plan::Single { .. }));
        assert!(matches!(Plan::of(observation, "status1"), Plan::Nothing));
    }
}
