//! FHIRPath Patch over an owned resource.
//!
//! Source: FHIR R4 fhirpatch.html. What it does *not* do: validate. A patch may leave a resource
//! that breaks the rules of its type; `fhir::check` says so when the result is read again.

mod build;
mod place;

use fhir::issue::{Issue, IssueType};
use fhir::json::{Doc, Kind, Node, Value};
use fhir_tables::{ElementDef, TypeId};

use crate::ast::{Ast, AstKind};
use crate::env::Env;
use crate::expr::Expr;
use crate::item::Item;
use build::Part;
use place::{Place, Segment};

/// Most operations of one patch.
pub const OPERATIONS_MAX: usize = 200;

/// What is wrong with an operation.
type Wrong = (IssueType, String);

fn malformed(text: impl Into<String>) -> Wrong {
    (IssueType::Structure, text.into())
}

fn impossible(text: impl Into<String>) -> Wrong {
    (IssueType::Processing, text.into())
}

/// Applies the operations in `parameters` to `resource` in order.
///
/// Shape: `parameters` is a Parameters resource with `operation` parameters.
/// Source: FHIR R4 fhirpatch.html.
/// Errors: the first operation that is malformed (`structure`, `invalid`), selects nothing, or
/// selects more than it may (`processing`). `resource` may then hold the effect of the operations
/// before it: drop it.
pub fn apply(resource: &mut Value, parameters: Node<'_>) -> Result<(), Issue> {
    if parameters.str("resourceType").as_deref() != Some("Parameters") {
        let text = "a FHIRPath Patch is a Parameters resource (fhirpatch.html)";
        return Err(Issue::error(IssueType::Structure, "", text));
    }
    let n_operations = parameters.list("parameter").count();
    if n_operations > OPERATIONS_MAX {
        let text = format!("a FHIRPath Patch may have up to {OPERATIONS_MAX} operations");
        return Err(Issue::error(IssueType::TooCostly, "Parameters.parameter", text));
    }
    for (i, parameter) in parameters.list("parameter").enumerate() {
        let outcome = Operation::read(parameter).and_then(|operation| operation.apply(resource));
        outcome.map_err(|(code, text)| {
            let expression = format!("Parameters.parameter[{i}]");
            Issue::error(code, expression, text)
        })?;
    }
    Ok(())
}

/// One `operation` parameter.
struct Operation<'a> {
    kind: std::borrow::Cow<'a, str>,
    path: std::borrow::Cow<'a, str>,
    parameter: Node<'a>,
}

fn part<'a>(parameter: Node<'a>, name: &str) -> Option<Node<'a>> {
    parameter.list("part").find(|part| part.str("name").as_deref() == Some(name))
}

impl<'a> Operation<'a> {
    fn read(parameter: Node<'a>) -> Result<Self, Wrong> {
        if parameter.str("name").as_deref() != Some("operation") {
            return Err(malformed("each parameter has to be named `operation`"));
        }
        const KNOWN: [&str; 8] =
            ["type", "path", "name", "value", "index", "source", "destination", "pathLanguage"];
        for part in parameter.list("part") {
            let name = part.str("name").unwrap_or_default();
            if !KNOWN.contains(&&*name) {
                return Err(malformed(format!("`{name}` is no part of an operation")));
            }
        }
        Ok(Self { kind: text(parameter, "type")?, path: text(parameter, "path")?, parameter })
    }

    fn number(&self, name: &str) -> Result<usize, Wrong> {
        let found = part(self.parameter, name)
            .ok_or_else(|| malformed(format!("the operation needs a part `{name}`")))?;
        ["valueInteger", "valueUnsignedInt", "valuePositiveInt"]
            .iter()
            .find_map(|key| found.get(key)?.as_number()?.parse().ok())
            .ok_or_else(|| malformed(format!("`{name}` has to be an integer from 0")))
    }

    fn value(&self) -> Result<Part<'a>, Wrong> {
        let found = part(self.parameter, "value")
            .ok_or_else(|| malformed("the operation needs a part `value`"))?;
        Part::read(found)
    }

    fn apply(&self, resource: &mut Value) -> Result<(), Wrong> {
        let doc = Doc::parse(resource.to_json()).map_err(|e| malformed(e.text))?;
        let root = doc.root();
        match &*self.kind {
            "add" => self.add(resource, root),
            "insert" => self.insert(resource, root),
            "delete" => self.delete(resource, root),
            "replace" => self.replace(resource, root),
            "move" => self.relocate(resource, root),
            other => {
                let text = format!("`{other}` is not add, insert, delete, replace or move");
                Err(malformed(text))
            }
        }
    }

    /// What the path selects.
    fn select(&self, root: Node<'_>, path: &str) -> Result<Vec<Selected>, Wrong> {
        let context = Item::root(root).type_id();
        let wrong =
            |e: crate::error::Error| (IssueType::Invalid, format!("the path `{}` {e}", self.path));
        let expr = Expr::compile(path, context).map_err(wrong)?;
        let items = expr.eval(root, &Env::new(0)).map_err(wrong)?;
        items
            .into_iter()
            .map(|item| match item {
                Item::Node { node, ty, .. } => Ok(Selected::new(ty, root, node)),
                _ => Err(impossible("the path has to select elements of the resource")),
            })
            .collect()
    }

    /// The one element that the path selects.
    fn select_one(&self, root: Node<'_>) -> Result<Selected, Wrong> {
        let mut found = self.select(root, &self.path)?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(impossible(format!("the path `{}` selects nothing", self.path))),
            n => {
                let text = format!("the path `{}` selects {n} elements, not one", self.path);
                Err(impossible(text))
            }
        }
    }

    fn add(&self, resource: &mut Value, root: Node<'_>) -> Result<(), Wrong> {
        let name = text(self.parameter, "name")?;
        let target = self.select_one(root)?;
        self.add_to(resource, &target, &name)
    }

    fn add_to(&self, resource: &mut Value, target: &Selected, name: &str) -> Result<(), Wrong> {
        let element = element(target.ty, name)?;
        let (json_name, content) = self.value()?.content(element)?;
        let holder = target.object(resource)?;
        let taken = |json_name: &str| holder.get(json_name).is_some();
        if !element.is_array() {
            let names = place::json_names(target.ty, element);
            if names.iter().any(|n| taken(n) || taken(&format!("_{n}"))) {
                let text = format!("`{name}` is there already and does not repeat: use replace");
                return Err(impossible(text));
            }
            place::write(holder, &json_name, vec![content], false);
            return Ok(());
        }
        let mut contents = place::read(holder, &json_name);
        contents.push(content);
        place::write(holder, &json_name, contents, true);
        Ok(())
    }

    fn insert(&self, resource: &mut Value, root: Node<'_>) -> Result<(), Wrong> {
        let index = self.number("index")?;
        let found = self.select(root, &self.path)?;
        if found.is_empty() {
            return self.insert_first(resource, root, index);
        }
        let first = same_list(&found)?;
        if index > found.len() {
            let text = format!("the index {index} is beyond the end, {}", found.len());
            return Err(impossible(text));
        }
        let place = match found.get(index) {
            Some(at) => at.place.index,
            None => found[found.len() - 1].place.index.map(|last| last + 1),
        };
        let Some(at) = place else {
            return Err(impossible("the path has to select a list"));
        };
        let holder_ty = first.holder_type(root);
        let element = element(holder_ty, &first.place.name)?;
        let (_, content) = self.value()?.content(element)?;
        let holder = place::at_mut(resource, &first.place.holder)
            .ok_or_else(|| impossible("the list is not there"))?;
        let mut contents = place::read(holder, &first.place.name);
        contents.insert(at.min(contents.len()), content);
        place::write(holder, &first.place.name, contents, true);
        Ok(())
    }

    /// Into a list that is not there yet: the path without its last name selects its holder.
    fn insert_first(
        &self,
        resource: &mut Value,
        root: Node<'_>,
        index: usize,
    ) -> Result<(), Wrong> {
        if index > 0 {
            return Err(impossible(format!("the index {index} is beyond the end, 0")));
        }
        let nothing = || impossible(format!("the path `{}` selects nothing", self.path));
        let parsed = crate::parser::parse(&self.path).map_err(|_| nothing())?;
        let Ast { kind: AstKind::Member(Some(holder), name), .. } = parsed else {
            return Err(nothing());
        };
        let mut found = self.select(root, &holder.to_string())?;
        if found.len() != 1 {
            return Err(nothing());
        }
        let target = found.remove(0);
        if !element(target.ty, &name)?.is_array() {
            return Err(impossible(format!("`{name}` does not repeat: use add")));
        }
        self.add_to(resource, &target, &name)
    }

    fn delete(&self, resource: &mut Value, root: Node<'_>) -> Result<(), Wrong> {
        let mut found = self.select(root, &self.path)?;
        match found.len() {
            // Deleting what is not there is no error.
            0 => Ok(()),
            1 => {
                let target = found.remove(0);
                if target.place.is_root() {
                    return Err(impossible("the resource itself cannot be deleted by a patch"));
                }
                place::remove(resource, &target.place);
                Ok(())
            }
            n => {
                let text = format!("the path `{}` selects {n} elements, not one", self.path);
                Err(impossible(text))
            }
        }
    }

    fn replace(&self, resource: &mut Value, root: Node<'_>) -> Result<(), Wrong> {
        let target = self.select_one(root)?;
        if target.place.is_root() {
            return Err(impossible("the resource itself cannot be replaced by a patch"));
        }
        let element = element(target.holder_type(root), &target.place.name)?;
        let (json_name, content) = self.value()?.content(element)?;
        let holder = place::at_mut(resource, &target.place.holder)
            .ok_or_else(|| impossible("the element is not there"))?;
        let mut contents = place::read(holder, &target.place.name);
        let at = target.place.index.unwrap_or(0);
        match contents.get_mut(at) {
            Some(old) => *old = content,
            None => return Err(impossible("the element is not there")),
        }
        place::rename(holder, &target.place.name, &json_name);
        place::write(holder, &json_name, contents, target.place.index.is_some());
        Ok(())
    }

    fn relocate(&self, resource: &mut Value, root: Node<'_>) -> Result<(), Wrong> {
        let (source, destination) = (self.number("source")?, self.number("destination")?);
        let found = self.select(root, &self.path)?;
        if source >= found.len() || destination >= found.len() {
            let text = format!(
                "source {source} and destination {destination} have to be below {}",
                found.len()
            );
            return Err(impossible(text));
        }
        let first = same_list(&found)?;
        let (Some(from), Some(to)) = (found[source].place.index, found[destination].place.index)
        else {
            return Err(impossible("the path has to select a list"));
        };
        let holder = place::at_mut(resource, &first.place.holder)
            .ok_or_else(|| impossible("the list is not there"))?;
        let mut contents = place::read(holder, &first.place.name);
        if from.max(to) >= contents.len() {
            return Err(impossible("the list is not there"));
        }
        let moved = contents.remove(from);
        contents.insert(to, moved);
        place::write(holder, &first.place.name, contents, true);
        Ok(())
    }
}

/// An element that a path selects.
struct Selected {
    ty: TypeId,
    place: Place,
    /// The whole path to its JSON value.
    path: Vec<Segment>,
    is_object: bool,
}

impl Selected {
    fn new(ty: TypeId, root: Node<'_>, node: Node<'_>) -> Self {
        let path = place::path(root, node);
        let is_object = node.kind() == Kind::Object;
        Self { ty, place: Place::of(&path), path, is_object }
    }

    /// The object that holds this element's children: for a primitive, its sibling.
    fn object<'v>(&self, resource: &'v mut Value) -> Result<&'v mut Value, Wrong> {
        let missing = || impossible("the element is not there");
        if self.place.is_root() {
            return Ok(resource);
        }
        let is_primitive = self.ty.kind() == fhir_tables::TypeKind::Primitive;
        if !is_primitive {
            if !self.is_object {
                return Err(missing());
            }
            return place::at_mut(resource, &self.path).ok_or_else(missing);
        }
        let holder = place::at_mut(resource, &self.place.holder).ok_or_else(missing)?;
        place::sibling(holder, &self.place).ok_or_else(missing)
    }

    /// The type of the element that holds this one.
    fn holder_type(&self, root: Node<'_>) -> TypeId {
        place::type_at(root, &self.place.holder)
    }
}

/// The first of elements that are all in one list.
fn same_list(found: &[Selected]) -> Result<&Selected, Wrong> {
    let Some(first) = found.first() else {
        return Err(impossible("the path selects nothing"));
    };
    let one_list = found
        .iter()
        .all(|s| s.place.holder == first.place.holder && s.place.name == first.place.name);
    if one_list { Ok(first) } else { Err(impossible("the path selects several lists")) }
}

/// The element `name` of type `ty`; `value`, `value[x]` and `valueString` are the same.
fn element(ty: TypeId, name: &str) -> Result<&'static ElementDef, Wrong> {
    let plain = name.strip_suffix("[x]").unwrap_or(name);
    ty.element_by_path_name(plain)
        .or_else(|| ty.element(plain).map(|(element, _)| element))
        .ok_or_else(|| malformed(format!("{} has no element `{name}`", ty.name())))
}

/// A part that is text: `valueString`, `valueCode` or `valueUri`.
fn text<'a>(parameter: Node<'a>, name: &str) -> Result<std::borrow::Cow<'a, str>, Wrong> {
    let found = part(parameter, name)
        .ok_or_else(|| malformed(format!("the operation needs a part `{name}`")))?;
    ["valueString", "valueCode", "valueUri"]
        .iter()
        .find_map(|key| found.str(key))
        .ok_or_else(|| malformed(format!("`{name}` has to be a code or a string")))
}

#[cfg(test)]
mod tests;
