//! Types, elements, and the JSON names of elements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use super::definitions::{Definitions, items, last_segment, str_of, strings};
use super::name_hash::name_hash;
use super::print::{HEADER, const_name, string};

/// Everything that other tables refer to by number.
pub struct Model {
    types: Vec<Type>,
    /// Concrete resource types in alphabetical order.
    pub resources: Vec<String>,
    /// URLs of the value sets of required bindings, sorted.
    pub value_sets: Vec<String>,
}

struct Type {
    name: String,
    kind: &'static str,
    base: Option<String>,
    elements: Vec<Element>,
}

struct Element {
    name: String,
    min: u64,
    /// `None` for `*`.
    max: Option<u64>,
    choice: bool,
    /// Names of types with the resource types that they may point to.
    types: Vec<(String, Vec<String>)>,
    binding: Option<String>,
    summary: bool,
    modifier: bool,
    xml_attr: bool,
}

const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const ABSTRACT: [&str; 4] = ["BackboneElement", "DomainResource", "Element", "Resource"];

impl Model {
    pub fn new(definitions: &Definitions) -> Result<Model, String> {
        let structures: Vec<&Value> = definitions
            .structures
            .iter()
            .filter(|json| {
                str_of(json, "derivation") != "constraint" && str_of(json, "kind") != "logical"
            })
            .collect();
        let mut resources: Vec<String> = structures
            .iter()
            .filter(|json| str_of(json, "kind") == "resource" && json["abstract"] == false)
            .map(|json| str_of(json, "type").to_owned())
            .collect();
        resources.sort();
        let mut types = BTreeMap::new();
        for json in structures {
            read_structure(json, &resources, &mut types)?;
        }
        let types: Vec<Type> = types.into_values().collect();
        let value_sets: BTreeSet<String> = types
            .iter()
            .flat_map(|ty| &ty.elements)
            .filter_map(|element| element.binding.clone())
            .collect();
        Ok(Model { types, resources, value_sets: value_sets.into_iter().collect() })
    }

    pub fn type_idx(&self, name: &str) -> Result<usize, String> {
        self.types
            .binary_search_by(|ty| ty.name.as_str().cmp(name))
            .map_err(|_| format!("no type {name}"))
    }

    pub fn resource_idx(&self, name: &str) -> Result<usize, String> {
        self.resources
            .binary_search_by(|resource| resource.as_str().cmp(name))
            .map_err(|_| format!("no resource type {name}"))
    }

    /// `&[r(3), r(17)]`; empty when one of `names` is the abstract Resource: anything.
    pub fn resource_list(&self, names: &[impl AsRef<str>]) -> Result<String, String> {
        let mut list = Vec::new();
        for name in names {
            if matches!(name.as_ref(), "Resource" | "DomainResource" | "Any") {
                return Ok("&[]".to_owned());
            }
            list.push(self.resource_idx(name.as_ref())?);
        }
        list.sort();
        list.dedup();
        let list: Vec<String> = list.iter().map(|idx| format!("r({idx})")).collect();
        Ok(format!("&[{}]", list.join(", ")))
    }

    /// The text of `types.rs`.
    pub fn print(&self) -> Result<String, String> {
        let mut type_lists = TypeLists::default();
        let mut rows = String::new();
        for ty in &self.types {
            self.print_type(ty, &mut type_lists, &mut rows)?;
        }
        let mut out = String::from(HEADER);
        out.push_str(PRELUDE);
        out.push_str("impl TypeId {\n");
        for (idx, ty) in self.types.iter().enumerate() {
            if ty.kind != "Backbone" {
                let name = const_name(&ty.name);
                writeln!(out, "    pub const {name}: TypeId = TypeId({idx});").expect("a String");
            }
        }
        out.push_str("}\n\n");
        for (idx, text) in type_lists.texts.iter().enumerate() {
            writeln!(out, "static T{idx}: [TypeRef; {}] = [{}];", text.0, text.1)
                .expect("a String");
        }
        write!(out, "\npub(crate) static TYPES: [TypeDef; {}] = [\n{rows}];\n", self.types.len())
            .expect("a String");
        Ok(out)
    }

    fn print_type(
        &self,
        ty: &Type,
        type_lists: &mut TypeLists,
        out: &mut String,
    ) -> Result<(), String> {
        let base = match &ty.base {
            Some(base) => format!("Some(t({}))", self.type_idx(base)?),
            None => "None".to_owned(),
        };
        let mut required = 0u64;
        let mut elements = String::new();
        let mut names = Vec::new();
        for (element_idx, element) in ty.elements.iter().enumerate() {
            if element_idx >= 64 {
                return Err(format!("{} has more than 64 elements", ty.name));
            }
            if element.min > 0 {
                required |= 1 << element_idx;
            }
            writeln!(elements, "        {},", self.print_element(element, type_lists)?)
                .expect("a String");
            for (type_idx, (type_name, _)) in element.types.iter().enumerate() {
                names.push((json_name(element, type_name), element_idx, type_idx));
            }
        }
        let (seed, slots) = perfect_hash(&ty.name, &names)?;
        let names: Vec<String> =
            names.iter().map(|(name, e, t)| format!("n({}, {e}, {t})", string(name))).collect();
        let slots: Vec<String> = slots
            .iter()
            .map(|slot| slot.map_or_else(|| "X".to_owned(), |idx| idx.to_string()))
            .collect();
        write!(
            out,
            "    TypeDef {{ name: {}, kind: TypeKind::{}, base: {base}, required: {required:#x}, \
             elements: &[\n{elements}    ], names: &[{}], seed: {seed}, slots: &[{}] }},\n",
            string(&ty.name),
            ty.kind,
            names.join(", "),
            slots.join(", "),
        )
        .expect("a String");
        Ok(())
    }

    fn print_element(
        &self,
        element: &Element,
        type_lists: &mut TypeLists,
    ) -> Result<String, String> {
        let mut refs = Vec::new();
        for (name, targets) in &element.types {
            let targets = self.resource_list(targets)?;
            refs.push(format!("f({}, {targets})", self.type_idx(name)?));
        }
        let list = type_lists.add(refs.len(), refs.join(", "));
        let binding = match &element.binding {
            Some(url) => {
                let idx = self.value_sets.binary_search(url).map_err(|_| "no value set")?;
                format!("v({idx})")
            }
            None => "None".to_owned(),
        };
        let max = element.max.map_or_else(|| "M".to_owned(), |max| max.to_string());
        let flags = [
            (element.choice, "C"),
            (element.summary, "S"),
            (element.modifier, "O"),
            (element.xml_attr, "A"),
        ];
        let flags: Vec<&str> = flags.iter().filter(|flag| flag.0).map(|flag| flag.1).collect();
        let flags = if flags.is_empty() { "0".to_owned() } else { flags.join(" | ") };
        let (name, min) = (string(&element.name), element.min);
        Ok(format!("e({name}, {min}, {max}, {flags}, &T{list}, {binding})"))
    }
}

/// Lists of types, each printed once.
#[derive(Default)]
struct TypeLists {
    texts: Vec<(usize, String)>,
    idx_by_text: BTreeMap<String, usize>,
}

impl TypeLists {
    fn add(&mut self, n_types: usize, text: String) -> usize {
        let next = self.texts.len();
        let idx = *self.idx_by_text.entry(text.clone()).or_insert(next);
        if idx == next {
            self.texts.push((n_types, text));
        }
        idx
    }
}

const PRELUDE: &str = "\
use crate::element::{ElementDef, JsonName, TypeDef, TypeId, TypeKind, TypeRef};
use crate::{ResourceType, ValueSetId};

const X: u16 = u16::MAX;
const M: u16 = u16::MAX;
const C: u8 = 1;
const S: u8 = 2;
const O: u8 = 4;
const A: u8 = 8;

const fn t(idx: u16) -> TypeId {
    TypeId(idx)
}

const fn r(idx: u8) -> ResourceType {
    ResourceType(idx)
}

const fn v(idx: u16) -> Option<ValueSetId> {
    Some(ValueSetId(idx))
}

const fn f(ty: u16, targets: &'static [ResourceType]) -> TypeRef {
    TypeRef { ty: TypeId(ty), targets }
}

const fn n(name: &'static str, element: u8, ty: u8) -> JsonName {
    JsonName { name, element, ty }
}

const fn e(
    name: &'static str,
    min: u8,
    max: u16,
    flags: u8,
    types: &'static [TypeRef],
    binding: Option<ValueSetId>,
) -> ElementDef {
    ElementDef {
        name,
        min,
        max,
        choice: flags & C != 0,
        types,
        binding,
        summary: flags & S != 0,
        modifier: flags & O != 0,
        xml_attr: flags & A != 0,
    }
}

";

/// Adds the type of a StructureDefinition and the types of its backbone elements.
fn read_structure(
    json: &Value,
    resources: &[String],
    types: &mut BTreeMap<String, Type>,
) -> Result<(), String> {
    let root = str_of(json, "type");
    let base = last_segment(str_of(json, "baseDefinition"));
    let kind = match str_of(json, "kind") {
        _ if ABSTRACT.contains(&root) => "Abstract",
        "primitive-type" => "Primitive",
        "resource" => "Resource",
        _ => "Complex",
    };
    let base = (!base.is_empty()).then(|| base.to_owned());
    types.insert(root.to_owned(), Type { name: root.to_owned(), kind, base, elements: vec![] });
    let elements: Vec<&Value> = items(&json["snapshot"], "element").skip(1).collect();
    for (at, element) in elements.iter().enumerate() {
        let path = str_of(element, "path");
        let is_value = kind == "Primitive" && path == format!("{root}.value");
        if is_value || str_of(element, "max") == "0" {
            continue;
        }
        let (parent, name) = path.rsplit_once('.').ok_or_else(|| format!("path {path}"))?;
        let next_path = elements.get(at + 1).map_or("", |next| str_of(next, "path"));
        let is_backbone = next_path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        if is_backbone {
            let base = items(element, "type").next().map(|ty| str_of(ty, "code").to_owned());
            let ty = Type { name: path.to_owned(), kind: "Backbone", base, elements: vec![] };
            types.insert(path.to_owned(), ty);
        }
        let element = read_element(element, path, name, is_backbone, resources)?;
        let parent = types.get_mut(parent).ok_or_else(|| format!("no parent of {path}"))?;
        parent.elements.push(element);
    }
    Ok(())
}

fn read_element(
    json: &Value,
    path: &str,
    name: &str,
    is_backbone: bool,
    resources: &[String],
) -> Result<Element, String> {
    let types = match str_of(json, "contentReference").strip_prefix('#') {
        Some(target) => vec![(target.to_owned(), vec![])],
        None if is_backbone => vec![(path.to_owned(), vec![])],
        None => items(json, "type").map(|ty| read_type_ref(ty, path, resources)).collect(),
    };
    let max = match str_of(json, "max") {
        "*" => None,
        max => Some(max.parse().map_err(|error| format!("{path}: max {max}: {error}"))?),
    };
    let binding = &json["binding"];
    let binding = (str_of(binding, "strength") == "required")
        .then(|| str_of(binding, "valueSet").split('|').next().unwrap_or("").to_owned());
    Ok(Element {
        name: name.strip_suffix("[x]").unwrap_or(name).to_owned(),
        min: json["min"].as_u64().ok_or_else(|| format!("{path}: no min"))?,
        max,
        choice: name.ends_with("[x]"),
        types,
        binding,
        summary: json["isSummary"] == true,
        modifier: json["isModifier"] == true,
        xml_attr: strings(json, "representation").contains(&"xmlAttr"),
    })
}

/// The name of a type and what it may point to.
///
/// Ids and URLs of elements are system strings in the snapshots, with the FHIR type in an
/// extension. `Resource.id` says `string` there, against resource.html, which says `id`.
fn read_type_ref(json: &Value, path: &str, resources: &[String]) -> (String, Vec<String>) {
    let code = str_of(json, "code");
    let root = path.split('.').next().unwrap_or(path);
    let is_resource = root == "Resource"
        || root == "DomainResource"
        || resources.iter().any(|resource| resource == root);
    let name = if is_resource && path == format!("{root}.id") {
        "id"
    } else if code.starts_with("http://hl7.org/fhirpath/") {
        items(json, "extension")
            .find(|extension| str_of(extension, "url") == FHIR_TYPE)
            .and_then(|extension| {
                extension["valueUrl"].as_str().or_else(|| extension["valueUri"].as_str())
            })
            .unwrap_or("string")
    } else {
        code
    };
    let targets =
        strings(json, "targetProfile").into_iter().map(|url| last_segment(url).to_owned());
    (name.to_owned(), targets.collect())
}

fn json_name(element: &Element, type_name: &str) -> String {
    if !element.choice {
        return element.name.clone();
    }
    let (first, rest) = type_name.split_at(1);
    format!("{}{}{rest}", element.name, first.to_ascii_uppercase())
}

/// A seed under which no two names share a slot, and the slots.
fn perfect_hash(
    type_name: &str,
    names: &[(String, usize, usize)],
) -> Result<(u32, Vec<Option<usize>>), String> {
    let mut n_slots = names.len().next_power_of_two().max(1);
    while n_slots <= 1 << 16 {
        'seed: for seed in 1..20_000u32 {
            let seed = seed.wrapping_mul(0x9e37_79b9);
            let mut slots = vec![None; n_slots];
            for (idx, (name, ..)) in names.iter().enumerate() {
                let slot = name_hash(seed, name.as_bytes()) as usize & (n_slots - 1);
                if slots[slot].replace(idx).is_some() {
                    continue 'seed;
                }
            }
            return Ok((seed, slots));
        }
        n_slots *= 2;
    }
    Err(format!("no perfect hash for the names of {type_name}"))
}
