//! Elements to index values, by kind of parameter and type of element.
//!
//! Source: FHIR R4 search.html#ptypes and the table of datatypes under #token, #date, #quantity.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use fhir::date::PartialDate;
use fhir::json::{Kind, Node};
use fhir::reference::Reference;
use fhir_tables::{ResourceType, SearchKind, TypeId, TypeKind};

use crate::normalize::normalize;
use crate::params;
use crate::value::{IndexValue, Indexed, ParamId};

/// What a conversion may look at beside the element.
pub(crate) struct Context<'a> {
    pub resource: Node<'a>,
    /// No slash at the end.
    pub base_url: &'a str,
    /// Also the values that a store does not keep.
    pub full: bool,
    /// Composites with their values, not only a mark.
    pub composites: bool,
    /// The container, when `resource` is looked at inside it; then references to what is contained
    /// are values too, with ids as `#id`, the container's `#`.
    pub within: Option<Node<'a>>,
    /// Types of the contained resources by id; read on first use.
    contained: OnceCell<HashMap<Cow<'a, str>, Cow<'a, str>>>,
}

impl<'a> Context<'a> {
    pub fn new(resource: Node<'a>, base_url: &'a str, full: bool) -> Context<'a> {
        let (composites, within, contained) = (full, None, OnceCell::new());
        Context { resource, base_url, full, composites, within, contained }
    }

    fn container(&self) -> Node<'a> {
        self.within.unwrap_or(self.resource)
    }

    /// Type of the contained resource `#id`.
    fn contained_type(&self, id: &str) -> Option<&str> {
        let types = self.contained.get_or_init(|| {
            self.container()
                .list("contained")
                .filter_map(|contained| {
                    Some((contained.str("id")?, contained.str("resourceType")?))
                })
                .collect()
        });
        types.get(id).map(|ty| &**ty)
    }
}

/// How an element becomes values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Convert {
    Code,
    Bool,
    Coding,
    CodeableConcept,
    Identifier,
    ContactPoint,
    Text,
    HumanName,
    Address,
    Instant,
    Period,
    Timing,
    Number,
    Quantity,
    Money,
    Range,
    SampledData,
    Reference,
    /// A canonical or other URL as target of a reference parameter.
    Link,
    /// A resource inside the resource as target of a reference parameter.
    Resource,
    Uri,
    Canonical,
    /// The value of an extension, by its type.
    Extension(SearchKind),
}

impl Convert {
    /// The conversion for an element of type `ty`; `None` when R4 gives none.
    pub fn of(kind: SearchKind, ty: TypeId) -> Option<Convert> {
        use Convert as C;
        if ty == TypeId::EXTENSION {
            return Some(C::Extension(kind));
        }
        let name = ty.name();
        let url = matches!(name, "uri" | "url" | "canonical" | "oid" | "uuid");
        Some(match kind {
            SearchKind::Token => match name {
                "Coding" => C::Coding,
                "CodeableConcept" => C::CodeableConcept,
                "Identifier" => C::Identifier,
                "ContactPoint" => C::ContactPoint,
                "boolean" => C::Bool,
                "code" | "string" | "id" | "markdown" => C::Code,
                _ if url => C::Code,
                _ => return None,
            },
            SearchKind::String => match name {
                "HumanName" => C::HumanName,
                "Address" => C::Address,
                "string" | "markdown" | "code" | "id" => C::Text,
                _ if url => C::Text,
                _ => return None,
            },
            SearchKind::Date => match name {
                "date" | "dateTime" | "instant" => C::Instant,
                "Period" => C::Period,
                "Timing" => C::Timing,
                _ => return None,
            },
            SearchKind::Number => match name {
                "decimal" | "integer" | "positiveInt" | "unsignedInt" => C::Number,
                _ => return None,
            },
            SearchKind::Quantity => match name {
                "Money" => C::Money,
                "Range" => C::Range,
                "SampledData" => C::SampledData,
                _ if ty.is_subtype_of(TypeId::QUANTITY) => C::Quantity,
                _ => return None,
            },
            SearchKind::Reference => match name {
                "Reference" => C::Reference,
                "Resource" => C::Resource,
                _ if ty.kind() == TypeKind::Resource => C::Resource,
                _ if url => C::Link,
                _ => return None,
            },
            SearchKind::Uri => match name {
                "canonical" => C::Canonical,
                _ if url => C::Uri,
                _ => return None,
            },
            SearchKind::Composite | SearchKind::Special => return None,
        })
    }

    pub fn run<'a>(self, param: ParamId, node: Node<'a>, cx: &Context<'a>, out: &mut Vec<Indexed>) {
        let before = out.len();
        let mut put = |value| out.push(Indexed { param, value });
        match self {
            Convert::Code => {
                if let Some(code) = text(node) {
                    put(IndexValue::Token { system: None, code: Some(code.into_owned()) });
                }
            }
            Convert::Bool => {
                if node.kind() == Kind::Bool {
                    put(IndexValue::Token { system: None, code: Some(node.raw().to_owned()) });
                }
            }
            Convert::Coding => coding(node, cx, &mut put),
            Convert::CodeableConcept => {
                for item in node.list("coding") {
                    coding(item, cx, &mut put);
                }
                words(node, "text", cx, &mut put);
            }
            Convert::Identifier => identifier(node, cx, &mut put),
            Convert::ContactPoint => {
                if let Some(code) = member(node, "value") {
                    let system = member(node, "system");
                    put(IndexValue::Token { system, code: Some(code) });
                }
            }
            Convert::Text => {
                if let Some(text) = text(node) {
                    put(IndexValue::String(text.into_owned()));
                }
            }
            Convert::HumanName => {
                parts(node, &["text", "family", "given", "prefix", "suffix"], &mut put)
            }
            Convert::Address => parts(
                node,
                &["text", "line", "city", "district", "state", "postalCode", "country"],
                &mut put,
            ),
            Convert::Instant => {
                if let Some((lo, hi)) = interval(node) {
                    put(IndexValue::Date { lo, hi });
                }
            }
            Convert::Period => {
                if let Some((lo, hi)) = period(node) {
                    put(IndexValue::Date { lo, hi });
                }
            }
            Convert::Timing => {
                if let Some((lo, hi)) = timing(node) {
                    put(IndexValue::Date { lo, hi });
                }
            }
            Convert::Number => {
                if let Some(value) = number(node) {
                    put(IndexValue::Number(value));
                }
            }
            Convert::Quantity => quantity(node, &mut put),
            Convert::Money => {
                if let Some(value) = node.get("value").and_then(number) {
                    let code = member(node, "currency");
                    let system = Some("urn:iso:std:iso:4217".to_owned());
                    put(IndexValue::Quantity { value, system, unit: None, code });
                }
            }
            Convert::Range => {
                for end in ["low", "high"] {
                    if let Some(node) = node.get(end) {
                        quantity(node, &mut put);
                    }
                }
            }
            Convert::SampledData => sampled(node, &mut put),
            Convert::Reference => reference(node, cx, &mut put),
            Convert::Link => link(node, cx, &mut put),
            Convert::Resource => {
                let ty = node.str("resourceType").and_then(|name| ResourceType::from_name(&name));
                let targets = params::get(param).map_or(&[][..], |(_, def)| def.targets);
                let ty = ty.filter(|ty| targets.is_empty() || targets.contains(ty));
                if let (Some(ty), Some(id)) = (ty, member(node, "id")) {
                    put(IndexValue::Reference { ty, id });
                }
            }
            Convert::Uri => {
                if let Some(uri) = text(node) {
                    put(IndexValue::Uri(uri.into_owned()));
                }
            }
            Convert::Canonical => {
                if let Some(uri) = text(node) {
                    if let Some((plain, _)) = uri.split_once('|') {
                        put(IndexValue::Uri(plain.to_owned()));
                    }
                    put(IndexValue::Uri(uri.into_owned()));
                }
            }
            Convert::Extension(kind) => {
                for (name, value) in node.members().filter(|(name, _)| name.starts_with("value")) {
                    let ty = TypeId::EXTENSION.element(name).map(|(_, ty)| ty.ty);
                    let convert = ty.filter(|ty| *ty != TypeId::EXTENSION);
                    if let Some(convert) = convert.and_then(|ty| Convert::of(kind, ty)) {
                        convert.run(param, value, cx, out);
                    }
                }
                return;
            }
        }
        if out.len() == before && self.is_present(node) {
            out.push(Indexed { param, value: IndexValue::TokenText(String::new()) });
        }
    }

    /// An element without anything to compare still counts for `:missing`.
    fn is_present(self, node: Node<'_>) -> bool {
        match self {
            Convert::Coding
            | Convert::CodeableConcept
            | Convert::Identifier
            | Convert::Reference => node.kind() == Kind::Object,
            _ => false,
        }
    }
}

/// Content of a string, unless it is empty.
fn text(node: Node<'_>) -> Option<Cow<'_, str>> {
    node.as_str().filter(|text| !text.is_empty())
}

fn member(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(text).map(Cow::into_owned)
}

fn coding(node: Node<'_>, cx: &Context<'_>, put: &mut impl FnMut(IndexValue)) {
    let (mut system, mut code) = (None, None);
    for (name, value) in node.members() {
        match name {
            "system" => system = text(value),
            "code" => code = text(value),
            _ => {}
        }
    }
    if system.is_some() || code.is_some() {
        put(IndexValue::Token {
            system: system.map(Cow::into_owned),
            code: code.map(Cow::into_owned),
        });
    }
    words(node, "display", cx, put);
}

fn words(node: Node<'_>, name: &str, cx: &Context<'_>, put: &mut impl FnMut(IndexValue)) {
    if cx.full
        && let Some(text) = node.get(name).and_then(text)
    {
        let text = normalize(&text);
        if !text.is_empty() {
            put(IndexValue::TokenText(text));
        }
    }
}

fn identifier(node: Node<'_>, cx: &Context<'_>, put: &mut impl FnMut(IndexValue)) {
    let system = member(node, "system");
    let code = member(node, "value");
    let ty = node.get("type");
    if cx.full
        && let Some(value) = &code
    {
        for coding in ty.into_iter().flat_map(|ty| ty.list("coding")) {
            if let Some(code) = member(coding, "code") {
                let system = member(coding, "system");
                put(IndexValue::OfType { system, code, value: value.clone() });
            }
        }
    }
    if system.is_some() || code.is_some() {
        put(IndexValue::Token { system, code });
    }
    if let Some(ty) = ty {
        words(ty, "text", cx, put);
    }
}

fn parts(node: Node<'_>, names: &[&str], put: &mut impl FnMut(IndexValue)) {
    for (name, value) in node.members() {
        if names.contains(&name) {
            for part in value.items_or_self() {
                if let Some(part) = text(part) {
                    put(IndexValue::String(part.into_owned()));
                }
            }
        }
    }
}

fn interval(node: Node<'_>) -> Option<(i64, i64)> {
    Some(PartialDate::parse(&node.as_str()?)?.range_utc_ms())
}

fn period(node: Node<'_>) -> Option<(i64, i64)> {
    let start = node.get("start").and_then(interval);
    let end = node.get("end").and_then(interval);
    let lo = start.map_or(i64::MIN, |(lo, _)| lo);
    let hi = end.map_or(i64::MAX, |(_, hi)| hi);
    // A period that ends before it starts is no interval.
    (lo <= hi && (start.is_some() || end.is_some())).then_some((lo, hi))
}

/// The outer limits: of the events and of the period that bounds the repeats.
fn timing(node: Node<'_>) -> Option<(i64, i64)> {
    let events = node.list("event").filter_map(interval);
    let bounds = node.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
    events
        .chain(bounds.and_then(period))
        .reduce(|(lo, hi), (other_lo, other_hi)| (lo.min(other_lo), hi.max(other_hi)))
}

fn number(node: Node<'_>) -> Option<f64> {
    let value: f64 = node.as_number()?.parse().ok()?;
    // -0 and 0 are one value.
    value.is_finite().then_some(if value == 0.0 { 0.0 } else { value })
}

fn quantity(node: Node<'_>, put: &mut impl FnMut(IndexValue)) {
    if let Some(value) = node.get("value").and_then(number) {
        put(IndexValue::Quantity {
            value,
            system: member(node, "system"),
            code: member(node, "code"),
            unit: member(node, "unit"),
        });
    }
}

/// System of quantities with units of UCUM.
pub const UCUM: &str = "http://unitsofmeasure.org";

/// The unit of a quantity, when it is one of UCUM.
pub fn unit_of(system: Option<&str>, code: Option<&str>) -> Option<ucum::Unit> {
    if system != Some(UCUM) {
        return None;
    }
    ucum::Unit::parse(code?).ok()
}

/// The lowest and the highest sample.
fn sampled(node: Node<'_>, put: &mut impl FnMut(IndexValue)) {
    let Some(origin) = node.get("origin") else { return };
    let Some(zero) = origin.get("value").and_then(number) else { return };
    let factor = node.get("factor").and_then(number).unwrap_or(1.0);
    let data = node.str("data").unwrap_or_default();
    let samples = data.split_ascii_whitespace().filter_map(|s| s.parse::<f64>().ok());
    let range = samples
        .filter(|sample| sample.is_finite())
        .map(|sample| zero + sample * factor)
        .fold(None, |range: Option<(f64, f64)>, x| {
            Some(range.map_or((x, x), |(lo, hi)| (lo.min(x), hi.max(x))))
        });
    let Some((lo, hi)) = range else { return };
    for value in [lo, hi] {
        put(IndexValue::Quantity {
            value,
            system: member(origin, "system"),
            code: member(origin, "code"),
            unit: member(origin, "unit"),
        });
    }
}

fn reference(node: Node<'_>, cx: &Context<'_>, put: &mut impl FnMut(IndexValue)) {
    if let Some(text) = node.get("reference").and_then(text) {
        put_target(&text, cx, put);
    }
    if let Some(identifier) = node.get("identifier")
        && let Some(value) = member(identifier, "value")
    {
        put(IndexValue::Identifier { system: member(identifier, "system"), value });
    }
}

fn put_target(text: &str, cx: &Context<'_>, put: &mut impl FnMut(IndexValue)) {
    if let (Some(container), Some(id)) = (cx.within, text.strip_prefix('#')) {
        let ty = match id {
            "" => container.str("resourceType").and_then(|name| ResourceType::from_name(&name)),
            id => cx.contained_type(id).and_then(ResourceType::from_name),
        };
        if let Some(ty) = ty {
            put(IndexValue::Reference { ty, id: text.to_owned() });
        }
        return;
    }
    match target(text, cx.base_url) {
        Some(Target::Local(ty, id)) => put(IndexValue::Reference { ty, id: id.to_owned() }),
        Some(Target::Url(url)) => put(IndexValue::Url(url.to_owned())),
        None => {}
    }
}

/// Where a reference points to, version cut off.
pub(crate) enum Target<'a> {
    Local(ResourceType, &'a str),
    Url(&'a str),
}

/// Errors: `None` for contained resources and conditional references.
pub(crate) fn target<'a>(text: &'a str, base_url: &str) -> Option<Target<'a>> {
    let parsed = Reference::parse(text);
    if let Some((ty, id, _)) = parsed.local(base_url)
        && let Some(ty) = ResourceType::from_name(ty)
    {
        return Some(Target::Local(ty, id));
    }
    match parsed {
        Reference::Contained(_) | Reference::Conditional { .. } => None,
        Reference::Relative { version: Some(_), .. }
        | Reference::Absolute { version: Some(_), .. } => {
            Some(Target::Url(text.split_once("/_history/").map_or(text, |(before, _)| before)))
        }
        _ => Some(Target::Url(text)),
    }
}

/// A canonical with and without its version; also the resource when it is one of this server.
fn link(node: Node<'_>, cx: &Context<'_>, put: &mut impl FnMut(IndexValue)) {
    let Some(url) = text(node) else { return };
    if let Some((plain, _)) = url.split_once('|') {
        put_target(plain, cx, put);
        put(IndexValue::Url(url.into_owned()));
    } else {
        put_target(&url, cx, put);
    }
}

/// `resolve() is name`, decided without reading the target: by the literal reference, the contained
/// resource or `Reference.type`.
pub(crate) fn names_type(node: Node<'_>, name: &str, cx: &Context<'_>) -> bool {
    if let Some(text) = node.str("reference") {
        match Reference::parse(&text) {
            Reference::Relative { ty, .. }
            | Reference::Absolute { ty, .. }
            | Reference::Conditional { ty, .. } => return ty == name,
            Reference::Contained("") => {
                return cx.container().str("resourceType").as_deref() == Some(name);
            }
            Reference::Contained(id) => return cx.contained_type(id) == Some(name),
            Reference::Urn(_) | Reference::Other(_) => {}
        }
    }
    node.str("type").as_deref() == Some(name)
}
