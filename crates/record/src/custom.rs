//! Search parameters that the practice defines.
//!
//! Source: FHIR R4 searchparameter.html. A SearchParameter with status `active` defines one
//! parameter for each type in `base`. Its definition is written in the same commit. From then on
//! new versions are indexed by it, by whatever process writes them ([`work`]); all older ones are
//! added a slice at a time. When that has come to the end, the parameter is ready. Until then
//! searches with it are refused and say how far the work is.
//! Retiring or deleting the SearchParameter ends the parameter at once.
//! Not here: special parameters, `xpath`, bases `Resource` and `DomainResource`.

mod work;

use std::collections::{BTreeMap, BTreeSet};

use fhir::json::{Doc, Node, Value};
use fhir_tables::{ResourceType, SearchKind, search_param};
use search::custom::{CUSTOM_END, CUSTOM_FIRST, Component, Custom, Definition};
use search::value::ParamId;
use store::{Check, ItemOp, Snapshot};

use crate::error::{Error, Kind, Result};

pub(crate) use work::CustomParams;

/// Parameters that a practice may define, counted by type.
pub const CUSTOM_MAX: usize = 1_000;

/// Components of a composite.
pub const COMPONENTS_MAX: usize = 8;

const COLLECTION: &str = "search-parameter";
/// The item that holds the next number.
const NEXT: &[u8] = b"";

/// A parameter as it stands in the collection, under `Type.code`.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    /// Id of the SearchParameter.
    resource: String,
    param: u16,
    definition: Definition,
    is_ready: bool,
    /// Versions up to here are indexed, while it is not ready.
    cursor: u32,
}

fn damaged() -> Error {
    Error::new(Kind::Internal, "the definition of a search parameter is damaged")
}

impl Stored {
    fn key(&self) -> Vec<u8> {
        key(self.definition.rt, &self.definition.code)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let d = &self.definition;
        let text = |text: &str| Value::from(text);
        let number = |n: u32| Value::Number(n.to_string());
        let component = |c: &Component| {
            Value::object([
                ("code", text(&c.code)),
                ("kind", text(c.kind.as_str())),
                ("expression", text(&c.expression)),
            ])
        };
        Value::object([
            ("resource", text(&self.resource)),
            ("param", number(u32::from(self.param))),
            ("type", text(d.rt.name())),
            ("code", text(&d.code)),
            ("url", text(&d.url)),
            ("kind", text(d.kind.as_str())),
            ("expression", text(&d.expression)),
            ("targets", Value::array(d.targets.iter().map(|rt| text(rt.name())))),
            ("components", Value::array(d.components.iter().map(component))),
            ("ready", Value::Bool(self.is_ready)),
            ("cursor", number(self.cursor)),
        ])
        .to_json()
        .into_bytes()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Stored> {
        let doc = Doc::parse(bytes).ok()?;
        let root = doc.root();
        let text = |name: &str| root.str(name).map(|text| text.into_owned());
        let number = |name: &str| root.get(name)?.as_number()?.parse::<u32>().ok();
        let targets = root.list("targets");
        let component = |node: Node<'_>| {
            let text = |name: &str| node.str(name).map(|text| text.into_owned());
            let (code, kind) = (text("code")?, kind(&text("kind")?)?);
            Some(Component { code, kind, expression: text("expression")? })
        };
        let components = root.list("components").map(component).collect::<Option<_>>()?;
        Some(Stored {
            resource: text("resource")?,
            param: u16::try_from(number("param")?).ok()?,
            definition: Definition {
                rt: ResourceType::from_name(&text("type")?)?,
                code: text("code")?,
                url: text("url")?,
                kind: kind(&text("kind")?)?,
                expression: text("expression")?,
                targets: targets.filter_map(|t| ResourceType::from_name(&t.as_str()?)).collect(),
                components,
            },
            is_ready: root.get("ready")?.as_bool()?,
            cursor: number("cursor")?,
        })
    }
}

fn key(rt: ResourceType, code: &str) -> Vec<u8> {
    format!("{rt}.{code}").into_bytes()
}

fn kind(name: &str) -> Option<SearchKind> {
    use SearchKind as K;
    let all = [
        K::Number,
        K::Date,
        K::String,
        K::Token,
        K::Reference,
        K::Composite,
        K::Quantity,
        K::Uri,
        K::Special,
    ];
    all.into_iter().find(|kind| kind.as_str() == name)
}

/// The parameters of a record in a snapshot.
fn read(snapshot: &Snapshot) -> Result<BTreeMap<Vec<u8>, Stored>> {
    let items = snapshot.items(COLLECTION, b"", Some(NEXT), 2 * CUSTOM_MAX)?;
    items
        .into_iter()
        .map(|(key, bytes)| Ok((key, Stored::from_bytes(bytes).ok_or_else(damaged)?)))
        .collect()
}

/// What a SearchParameter defines; nothing while it is not active.
///
/// `known`: the other parameters of the practice, which a composite may have as components.
/// Errors: why it cannot be used, at its element.
fn definitions(node: Node<'_>, known: &BTreeMap<Vec<u8>, Stored>) -> Result<Vec<Definition>> {
    let text = |name: &str| node.str(name).map(|text| text.into_owned());
    if text("status").as_deref() != Some("active") {
        return Ok(Vec::new());
    }
    let (code, url) = (text("code").unwrap_or_default(), text("url").unwrap_or_default());
    let bases: Vec<String> =
        node.list("base").filter_map(|base| Some(base.as_str()?.into_owned())).collect();
    // What says again what R4 says is no definition of its own.
    let derived = text("derivedFrom");
    let is_own = |name: &String| {
        ResourceType::from_name(name)
            .and_then(|rt| search_param(rt, &code))
            .is_some_and(|param| param.url == url || Some(param.url) == derived.as_deref())
    };
    if bases.iter().all(is_own) {
        return Ok(Vec::new());
    }
    let refuse = |element: &str, why: String| Err(refused(element, why));
    let named = code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_plain = code.starts_with(|c: char| c.is_ascii_alphabetic()) && !code.contains('.');
    if !named || !is_plain || code.len() > 64 {
        let why = "a code that searches can use begins with a letter and has letters, digits, '-' \
                   and '_', 64 at most";
        return refuse("code", why.to_owned());
    }
    let Some(kind) = text("type").as_deref().and_then(kind) else {
        return refuse("type", "the type is missing".to_owned());
    };
    let Some(expression) = text("expression") else {
        let why = "an active parameter needs a FHIRPath expression; xpath is not used";
        return refuse("expression", why.to_owned());
    };
    let targets: Vec<ResourceType> =
        node.list("target").filter_map(|t| ResourceType::from_name(&t.as_str()?)).collect();
    let mut out = Vec::new();
    for base in &bases {
        let Some(rt) = ResourceType::from_name(base) else {
            return refuse("base", format!("{base} is not offered: name the resource types"));
        };
        if search_param(rt, &code).is_some() {
            let why = format!("{rt} has a search parameter '{code}' of R4: choose another code");
            return refuse("code", why);
        }
        let definition = Definition {
            rt,
            code: code.clone(),
            url: url.clone(),
            kind,
            expression: expression.clone(),
            targets: targets.clone(),
            components: components(node, rt, kind, known)?,
        };
        if let Err(why) = Custom::new(ParamId(CUSTOM_FIRST), &definition, false) {
            return refuse("expression", why);
        }
        out.push(definition);
    }
    Ok(out)
}

fn refused(element: &str, why: String) -> Error {
    Error::at(Kind::Invariant, format!("SearchParameter.{element}"), why)
}

/// The components of a composite: each names another parameter of the type by its URL.
fn components(
    node: Node<'_>,
    rt: ResourceType,
    kind: SearchKind,
    known: &BTreeMap<Vec<u8>, Stored>,
) -> Result<Vec<Component>> {
    if kind != SearchKind::Composite {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (idx, component) in node.list("component").enumerate() {
        if idx == COMPONENTS_MAX {
            return Err(refused("component", format!("a composite has {COMPONENTS_MAX} at most")));
        }
        let url = component.str("definition").unwrap_or_default();
        let plain = url.split('|').next().unwrap_or_default();
        let of_r4 = search::params::of(rt).find(|(_, param)| param.url == plain);
        let own = || {
            let definition = known.values().map(|own| &own.definition);
            definition.into_iter().find(|own| own.rt == rt && own.url == plain)
        };
        let (code, kind) = match (of_r4, own()) {
            (Some((_, param)), _) => (param.code.to_owned(), param.kind),
            (None, Some(own)) => (own.code.clone(), own.kind),
            (None, None) => {
                let why = format!("{plain} is no search parameter of {rt} that is known here");
                return Err(refused(&format!("component[{idx}].definition"), why));
            }
        };
        let expression = component.str("expression").unwrap_or_default().into_owned();
        found.push(Component { code, kind, expression });
    }
    Ok(found)
}

/// Changes of definitions that one set of writes makes.
pub(crate) struct Defining {
    before: BTreeMap<Vec<u8>, Stored>,
    after: BTreeMap<Vec<u8>, Stored>,
    next_before: Option<Vec<u8>>,
    next: u16,
}

impl Defining {
    pub fn begin(snapshot: &Snapshot) -> Result<Defining> {
        let before = read(snapshot)?;
        let next_before = snapshot.item(COLLECTION, NEXT)?;
        let next = match &next_before {
            None => CUSTOM_FIRST,
            Some(bytes) => u16::from_be_bytes(bytes.as_slice().try_into().map_err(|_| damaged())?),
        };
        Ok(Defining { after: before.clone(), before, next_before, next })
    }

    /// Takes a SearchParameter as it will be; `None`: it is deleted.
    ///
    /// Errors: why it cannot be used.
    pub fn set(&mut self, id: &str, node: Option<Node<'_>>) -> Result<()> {
        let wanted = node.map(|node| definitions(node, &self.after)).transpose()?;
        let wanted = wanted.unwrap_or_default();
        self.after.retain(|_, own| own.resource != id || wanted.contains(&own.definition));
        for definition in wanted {
            let key = key(definition.rt, &definition.code);
            match self.after.get(&key) {
                Some(own) if own.resource == id => continue,
                Some(other) => {
                    let (rt, code) = (definition.rt, &definition.code);
                    let why = format!(
                        "SearchParameter/{} defines '{code}' for {rt} already",
                        other.resource
                    );
                    return Err(refused("code", why));
                }
                None => {}
            }
            if self.after.len() >= CUSTOM_MAX || self.next >= CUSTOM_END {
                let why = format!("there are {CUSTOM_MAX} search parameters already: retire some");
                return Err(refused("status", why));
            }
            let (resource, param) = (id.to_owned(), self.next);
            let stored = Stored { resource, param, definition, is_ready: false, cursor: 0 };
            self.after.insert(key, stored);
            self.next += 1;
        }
        Ok(())
    }

    /// What has to be written, and what must not have changed meanwhile.
    pub fn finish(self) -> (Vec<Check>, Vec<ItemOp>) {
        let (mut checks, mut items) = (Vec::new(), Vec::new());
        let mut change = |key: Vec<u8>, before: Option<Vec<u8>>, value: Option<Vec<u8>>| {
            if before != value {
                checks.push(Check::Item {
                    collection: COLLECTION,
                    key: key.clone(),
                    value: before,
                });
                items.push(ItemOp { collection: COLLECTION, key, value });
            }
        };
        let keys = self.before.keys().chain(self.after.keys());
        let keys: BTreeSet<&Vec<u8>> = keys.collect();
        for key in keys {
            let bytes = |map: &BTreeMap<Vec<u8>, Stored>| map.get(key).map(Stored::to_bytes);
            change(key.clone(), bytes(&self.before), bytes(&self.after));
        }
        let next = self.next.to_be_bytes().to_vec();
        if self.before != self.after && self.next_before.as_ref() != Some(&next) {
            change(NEXT.to_vec(), self.next_before, Some(next));
        }
        (checks, items)
    }
}

/// How far a parameter is, for those who ask for it too early.
pub(crate) fn progress(snapshot: &Snapshot, rt: ResourceType, code: &str) -> Option<u32> {
    let item = snapshot.item(COLLECTION, &key(rt, code)).ok()??;
    Some(Stored::from_bytes(item)?.cursor)
}
