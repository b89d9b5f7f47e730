//! The walk over a resource beside the tables.

use fhir_tables::{ElementDef, ResourceType, TypeId, TypeKind, TypeRef, ValueSetId};

use super::path::At;
use super::{ISSUES_MAX, primitive, suggest};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Items, Kind, Node};
use crate::reference::Reference;

/// Where a resource stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outermost, in a Bundle entry or in Parameters: it may contain others.
    Own,
    /// In `contained`.
    Contained,
}

#[derive(Default)]
pub(super) struct Walk {
    issues: Vec<Issue>,
}

impl Walk {
    pub fn run(mut self, root: Node<'_>) -> Vec<Issue> {
        match resource_type_name(root) {
            Some(name) if TypeId::by_name(&name).is_some() => {
                self.resource(root, &At::root(&name), Place::Own);
            }
            _ => self.resource(root, &At::root("Resource"), Place::Own),
        }
        self.issues
    }

    /// One issue above the limit shows that there are more; then there is nothing left to find.
    fn is_full(&self) -> bool {
        self.issues.len() > ISSUES_MAX
    }

    #[cold]
    fn issue(&mut self, code: IssueType, at: &At<'_>, text: String) {
        if !self.is_full() {
            self.issues.push(Issue::error(code, at.expression(), text));
        }
    }

    fn resource(&mut self, node: Node<'_>, at: &At<'_>, place: Place) {
        if node.kind() != Kind::Object {
            let text = format!("a resource must be a JSON object, not {}", kind_name(node.kind()));
            return self.issue(IssueType::Structure, at, text);
        }
        let Some(name) = resource_type_name(node) else {
            return self.no_resource_type(node, at);
        };
        let Some(resource_type) = ResourceType::from_name(&name) else {
            return self.unknown_resource_type(&name, at);
        };
        self.object(node, resource_type.type_id(), at);
        if place == Place::Contained {
            self.contained(node, at);
        } else if let Some(contained) = node.get("contained") {
            self.contained_are_referenced(node, contained, at);
        }
    }

    #[cold]
    fn no_resource_type(&mut self, node: Node<'_>, at: &At<'_>) {
        let text = match node.get("resourceType") {
            None => "resourceType is missing: name the type of the resource",
            Some(_) => "resourceType must be a string: the name of a resource type",
        };
        self.issue(IssueType::Structure, at, text.to_owned());
    }

    #[cold]
    fn unknown_resource_type(&mut self, name: &str, at: &At<'_>) {
        let kind = TypeId::by_name(name).map(TypeId::kind);
        let text = match kind {
            Some(TypeKind::Abstract) => {
                format!("{name} is abstract: use a concrete resource type")
            }
            Some(_) => format!("{name} is a datatype, not a resource type"),
            None => format!("{} is not a resource type of R4", quoted(name)),
        };
        self.issue(IssueType::Structure, at, text);
    }

    /// An object of the type `ty`: resource, datatype or backbone element.
    fn object(&mut self, node: Node<'_>, ty: TypeId, at: &At<'_>) {
        let def = ty.def();
        let is_resource = def.kind == TypeKind::Resource;
        if node.is_empty() {
            let text = "an object must not be empty: leave the element out (ele-1)";
            return self.issue(IssueType::Structure, at, text.to_owned());
        }
        let mut seen = 0u64;
        for (name, value) in node.members() {
            if is_resource && name == "resourceType" {
                continue;
            }
            if self.is_full() {
                return;
            }
            let plain = name.strip_prefix('_').unwrap_or(name);
            let Some((element_idx, type_idx)) = ty.element_index(plain) else {
                self.unknown_element(ty, name, at);
                continue;
            };
            let element = &def.elements[element_idx];
            let type_ref = &element.types[type_idx];
            let bit = 1u64 << element_idx;
            let here = at.child(element.name);
            if element.choice && seen & bit != 0 {
                self.choice(node, ty, element_idx, name, &here);
            }
            seen |= bit;
            if plain.len() == name.len() {
                self.values(node, name, value, element, type_ref, &here);
            } else {
                self.sibling(node, plain, value, element, type_ref, &here);
            }
        }
        let missing = def.required & !seen;
        if missing != 0 {
            self.missing(ty, missing, at);
        }
        if ty == TypeId::EXTENSION {
            self.extension(ty, seen, at);
        } else if seen == 1 && !is_resource && def.elements[0].xml_attr {
            let text = "an element must have a value or children beside its id (ele-1)";
            self.issue(IssueType::Invariant, at, text.to_owned());
        }
    }

    #[cold]
    fn unknown_element(&mut self, ty: TypeId, name: &str, at: &At<'_>) {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let mut text = format!("{} is not an element of {}", quoted(name), ty.name());
        if let Some(element) = ty.element_by_path_name(plain).filter(|element| element.choice) {
            text.push_str(&format!(
                ": write {plain} with its type, such as {}",
                choice_name(ty, element).unwrap_or("")
            ));
        } else if let Some(near) = suggest::nearest(ty, plain) {
            text.push_str(&format!(": did you mean '{near}'?"));
        } else {
            text.push_str(": remove it, or use an extension");
        }
        let shown: String = name.chars().take(64).collect();
        self.issue(IssueType::Structure, &at.child(&shown), text);
    }

    /// A second member of a choice: an error unless it is the sibling of the first.
    #[cold]
    fn choice(&mut self, node: Node<'_>, ty: TypeId, element_idx: usize, name: &str, at: &At<'_>) {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let first = node
            .members()
            .map(|(other, _)| other.strip_prefix('_').unwrap_or(other))
            .find(|other| ty.element_index(other).is_some_and(|found| found.0 == element_idx));
        if let Some(first) = first.filter(|first| *first != plain) {
            let text =
                format!("only one of {first} and {plain} may be given: {}[x] is one choice", {
                    ty.def().elements[element_idx].name
                });
            self.issue(IssueType::Structure, at, text);
        }
    }

    #[cold]
    fn missing(&mut self, ty: TypeId, missing: u64, at: &At<'_>) {
        for (element_idx, element) in ty.def().elements.iter().enumerate() {
            if missing & (1 << element_idx) != 0 {
                let name = element.name;
                let choice = if element.choice { "[x]" } else { "" };
                let text =
                    format!("{name}{choice} is required in {}: give at least {}", ty.name(), {
                        if element.min == 1 { "one".to_owned() } else { element.min.to_string() }
                    });
                self.issue(IssueType::Required, &at.child(name), text);
            }
        }
    }

    fn extension(&mut self, ty: TypeId, seen: u64, at: &At<'_>) {
        let has = |name: &str| {
            let element_idx = ty.element_index(name).map_or(0, |found| found.0);
            seen & (1 << element_idx) != 0
        };
        let text = match (has("valueString"), has("extension")) {
            (true, true) => "an extension has either a value or extensions, not both (ext-1)",
            (false, false) => "an extension must have a value or extensions (ext-1)",
            _ => return,
        };
        self.issue(IssueType::Invariant, at, text.to_owned());
    }

    /// The member `name`: one value, or an array where the element repeats.
    fn values(
        &mut self,
        node: Node<'_>,
        name: &str,
        value: Node<'_>,
        element: &ElementDef,
        type_ref: &TypeRef,
        at: &At<'_>,
    ) {
        if !element.is_array() {
            match value.kind() {
                Kind::Array => self.not_repeating(name, at),
                Kind::Null => self.null(at),
                _ => self.value(value, element, type_ref, at),
            }
            return;
        }
        if value.kind() != Kind::Array {
            return self.repeating(name, value, at);
        }
        if value.is_empty() {
            let text = "an array must not be empty: leave the element out";
            return self.issue(IssueType::Structure, at, text.to_owned());
        }
        let mut siblings: Option<Items<'_>> = None;
        for (item_idx, item) in value.items().enumerate() {
            let at = at.item(item_idx);
            if !item.is_null() {
                siblings.as_mut().map(Iterator::next);
                self.value(item, element, type_ref, &at);
                continue;
            }
            let siblings = siblings.get_or_insert_with(|| siblings_from(node, name, item_idx));
            let has_sibling = siblings.next().is_some_and(|item| item.kind() == Kind::Object);
            if type_ref.ty.kind() != TypeKind::Primitive || !has_sibling {
                self.null(&at);
            }
        }
    }

    #[cold]
    fn not_repeating(&mut self, name: &str, at: &At<'_>) {
        let text = format!("{name} does not repeat: write one value, not an array");
        self.issue(IssueType::Structure, at, text);
    }

    #[cold]
    fn repeating(&mut self, name: &str, value: Node<'_>, at: &At<'_>) {
        let kind = kind_name(value.kind());
        let text = format!("{name} may repeat: write an array, not {kind}");
        self.issue(IssueType::Structure, at, text);
    }

    #[cold]
    fn null(&mut self, at: &At<'_>) {
        let text = "null stands only in an array of primitives whose extensions are at the same \
                    place of the '_' array: leave the element out";
        self.issue(IssueType::Structure, at, text.to_owned());
    }

    /// One value of the type `type_ref`.
    fn value(&mut self, value: Node<'_>, element: &ElementDef, type_ref: &TypeRef, at: &At<'_>) {
        let ty = type_ref.ty;
        match ty.kind() {
            TypeKind::Primitive => self.primitive(value, ty, element.binding, at),
            TypeKind::Abstract | TypeKind::Resource => {
                let contained = element.name == "contained";
                let place = if contained { Place::Contained } else { Place::Own };
                self.resource(value, at, place);
            }
            TypeKind::Complex | TypeKind::Backbone => {
                if value.kind() != Kind::Object {
                    let kind = kind_name(value.kind());
                    let text = format!("must be a JSON object ({}), not {kind}", ty.name());
                    return self.issue(IssueType::Structure, at, text);
                }
                self.object(value, ty, at);
                if ty == TypeId::REFERENCE && !type_ref.targets.is_empty() {
                    self.target(value, type_ref.targets, at);
                }
                if let Some(value_set) = element.binding {
                    self.concept(value, ty, value_set, at);
                }
            }
        }
    }

    fn primitive(&mut self, value: Node<'_>, ty: TypeId, binding: Option<ValueSetId>, at: &At<'_>) {
        let want = primitive::json_kind(ty);
        if value.kind() != want {
            let (want, kind) = (kind_name(want), kind_name(value.kind()));
            let text = format!("{} must be {want} in JSON, not {kind}", ty.name());
            return self.issue(IssueType::Structure, at, text);
        }
        if let Err((code, rule)) = primitive::check(ty, value) {
            let text = format!("{} {rule}; found {}", ty.name(), shortened(value.raw()));
            return self.issue(code, at, text);
        }
        if let Some(value_set) = binding
            && !value.as_str().is_some_and(|code| value_set.contains(&code))
        {
            self.code(value.raw(), value_set, at);
        }
    }

    #[cold]
    fn code(&mut self, raw: &str, value_set: ValueSetId, at: &At<'_>) {
        let text = format!(
            "{} is not in the required value set {}: use {}",
            shortened(raw),
            value_set.url(),
            some_codes(value_set)
        );
        self.issue(IssueType::CodeInvalid, at, text);
    }

    /// A CodeableConcept or Coding with a required binding: of its codings, one must be in the
    /// value set. A concept of text alone passes: it says that no code applies.
    fn concept(&mut self, value: Node<'_>, ty: TypeId, value_set: ValueSetId, at: &At<'_>) {
        let Some(codes) = value_set.codes() else { return };
        let fits = |coding: Node<'_>| {
            let code = coding.str("code");
            let system = coding.str("system");
            code.is_some_and(|code| codes.binary_search(&&*code).is_ok())
                && system.is_some_and(|system| value_set.systems().contains(&&*system))
        };
        let ok = match ty {
            TypeId::CODEABLE_CONCEPT => {
                let mut codings = value.list("coding").peekable();
                codings.peek().is_none() || codings.any(fits)
            }
            TypeId::CODING => fits(value),
            _ => true,
        };
        if !ok {
            let text = format!(
                "no coding is in the required value set {}: use {} of the system {}",
                value_set.url(),
                some_codes(value_set),
                value_set.systems().join(" or ")
            );
            self.issue(IssueType::CodeInvalid, at, text);
        }
    }

    /// A literal reference that names the type it points to names one that the element allows; a
    /// warning otherwise.
    fn target(&mut self, value: Node<'_>, targets: &[ResourceType], at: &At<'_>) {
        let Some(node) = value.get("reference") else { return };
        let Some(text) = node.as_str() else { return };
        let name = match Reference::parse(&text) {
            Reference::Relative { ty, .. }
            | Reference::Absolute { ty, .. }
            | Reference::Conditional { ty, .. } => ty,
            _ => return,
        };
        let found = ResourceType::from_name(name);
        // An absolute URL may end like a reference and point to something else.
        let is_other = match found {
            Some(found) => !targets.contains(&found),
            None => matches!(Reference::parse(&text), Reference::Relative { .. }),
        };
        if is_other {
            let names: Vec<&str> = targets.iter().map(|ty| ty.name()).collect();
            let text = format!(
                "a reference to {} has no place here: point to {}",
                quoted(name),
                names.join(", ")
            );
            // Examples of the specification itself break this, and a store can live with it.
            let at = at.child("reference");
            if !self.is_full() {
                let issue = Issue::error(IssueType::Structure, at.expression(), text);
                self.issues.push(Issue { severity: Severity::Warning, ..issue });
            }
        }
    }

    /// The member `_name`: id and extensions of a primitive, or of each item of an array.
    fn sibling(
        &mut self,
        node: Node<'_>,
        plain: &str,
        sibling: Node<'_>,
        element: &ElementDef,
        type_ref: &TypeRef,
        at: &At<'_>,
    ) {
        if type_ref.ty.kind() != TypeKind::Primitive {
            let text = format!("only primitives have a '_' sibling: put it into {plain} itself");
            return self.issue(IssueType::Structure, at, text);
        }
        if !element.is_array() {
            return self.sibling_value(plain, sibling, type_ref.ty, at);
        }
        if sibling.kind() != Kind::Array || sibling.is_empty() {
            let text = format!("_{plain} must be an array that is not empty, as {plain} repeats");
            return self.issue(IssueType::Structure, at, text);
        }
        let main = node.get(plain).filter(|main| main.kind() == Kind::Array);
        if main.is_some_and(|main| main.len() != sibling.len()) {
            let text = format!("{plain} and _{plain} must have the same length: fill with null");
            self.issue(IssueType::Structure, at, text);
        }
        let mut mains = main.into_iter().flat_map(Node::items);
        for (item_idx, item) in sibling.items().enumerate() {
            let at = at.item(item_idx);
            let main = mains.next();
            if !item.is_null() {
                self.sibling_value(plain, item, type_ref.ty, &at);
            } else if main.is_none_or(Node::is_null) {
                self.null(&at);
            }
        }
    }

    fn sibling_value(&mut self, plain: &str, sibling: Node<'_>, ty: TypeId, at: &At<'_>) {
        if sibling.kind() != Kind::Object {
            let kind = kind_name(sibling.kind());
            let text = format!("_{plain} must be an object with id or extension, not {kind}");
            return self.issue(IssueType::Structure, at, text);
        }
        // A primitive with an id and a value is whole, so that ele-1 does not apply to the sibling.
        for (name, value) in sibling.members() {
            match ty.element(name) {
                Some((element, type_ref)) => {
                    self.values(sibling, name, value, element, type_ref, &at.child(element.name));
                }
                None => self.unknown_element(ty, name, at),
            }
        }
        if sibling.is_empty() {
            let text = format!("_{plain} must not be empty: leave it out");
            self.issue(IssueType::Structure, at, text);
        }
    }

    /// What holds for a contained resource alone.
    fn contained(&mut self, node: Node<'_>, at: &At<'_>) {
        if node.get("contained").is_some() {
            let text = "a contained resource must not contain others (dom-2): put them beside it";
            self.issue(IssueType::Invariant, &at.child("contained"), text.to_owned());
        }
        if node.get("id").is_none() {
            let text = "a contained resource needs an id to be referred to (dom-3)";
            self.issue(IssueType::Invariant, &at.child("id"), text.to_owned());
        }
        let Some(meta) = node.get("meta") else { return };
        for (name, rule) in
            [("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")]
        {
            if meta.get(name).is_some() {
                let text = format!("a contained resource must not have meta.{name} ({rule})");
                self.issue(IssueType::Invariant, &at.child("meta").child(name), text);
            }
        }
    }

    /// Every contained resource must be referred to, or refer to its container (dom-3).
    ///
    /// A reference is looked for as text `"#id"`, which is what it is in JSON.
    fn contained_are_referenced(&mut self, node: Node<'_>, contained: Node<'_>, at: &At<'_>) {
        let referenced = referenced_ids(node.raw());
        for (item_idx, item) in contained.items().enumerate() {
            let Some(id) = item.str("id") else { continue };
            let found = referenced.binary_search(&&*id).is_ok();
            if !found && !item.raw().contains("\"#\"") {
                let text = format!(
                    "the contained resource {} is not referred to (dom-3): refer to it as '#{}', \
                     or remove it",
                    quoted(&id),
                    id.chars().take(64).collect::<String>()
                );
                let at = at.child("contained").item(item_idx);
                self.issue(IssueType::Invariant, &at, text);
            }
        }
    }
}

/// What stands in the text as string `"#…"`, sorted; also in narrative, as `src=\"#…\"`.
fn referenced_ids(text: &str) -> Vec<&str> {
    let mut ids: Vec<&str> = text
        .match_indices("\"#")
        .map(|(at, _)| &text[at + 2..])
        .filter_map(|rest| rest.split(['"', '\\']).next())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn resource_type_name(node: Node<'_>) -> Option<std::borrow::Cow<'_, str>> {
    node.get("resourceType")?.as_str()
}

/// The items of the `_` array beside `name` from `first_idx` on.
#[cold]
fn siblings_from<'a>(node: Node<'a>, name: &str, first_idx: usize) -> Items<'a> {
    let mut siblings = node.list(&format!("_{name}"));
    if first_idx > 0 {
        siblings.nth(first_idx - 1);
    }
    siblings
}

fn choice_name(ty: TypeId, element: &ElementDef) -> Option<&'static str> {
    let mut names = ty.def().json_names();
    names.find(|name| std::ptr::eq(&ty.def().elements[name.1], element)).map(|name| name.0)
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "true or false",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    }
}

/// A name from the input, cut to a length that does no harm in a message.
pub(crate) fn quoted(name: &str) -> String {
    format!("'{}'", shortened(name))
}

fn shortened(raw: &str) -> String {
    const CHARS_MAX: usize = 64;
    match raw.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &raw[..at]),
        None => raw.to_owned(),
    }
}

fn some_codes(value_set: ValueSetId) -> String {
    const CODES_MAX: usize = 12;
    let codes = value_set.codes().unwrap_or(&[]);
    let shown = codes[..codes.len().min(CODES_MAX)].join(", ");
    if codes.len() > CODES_MAX {
        format!("one of its {} codes, such as {shown}", codes.len())
    } else {
        format!("one of {shown}")
    }
}
