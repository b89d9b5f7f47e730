//! From an element to its children.
//!
//! Source: FHIRPath N1 §3 (path selection), FHIR R4 fhirpath.html (choice elements, primitives with
//! extensions), json.html#primitive (`_name` siblings).

use fhir::json::{Kind, Node};
use fhir_tables::{ElementDef, TypeId};

use super::{Evaluator, Items};
use crate::compile::Step;
use crate::error::Error;
use crate::item::Item;
use crate::types::{Class, Plan};

impl<'e, 'a> Evaluator<'e, 'a> {
    /// Appends what `steps` lead to from `item`, in document order.
    pub(super) fn walk(
        &mut self,
        item: &Item<'a>,
        steps: &'a [Step],
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        self.meter.charge(1)?;
        let Some((step, rest)) = steps.split_first() else {
            out.push(item.clone());
            return Ok(());
        };
        let Item::Node { node, sibling, ty } = item else {
            return value_member(item, &step.name, out);
        };
        let plan = if step.parent == Some(*ty) { step.plan } else { Plan::of(*ty, &step.name) };
        let class = self.known.class(*ty);
        let source = match class {
            Class::Primitive(_) => {
                if step.name.as_ref() == "value" && matches!(plan, Plan::Nothing) {
                    if let Some(value) = item.to_system() {
                        self.walk(&value, rest, out)?;
                    }
                    return Ok(());
                }
                match sibling {
                    Some(sibling) => *sibling,
                    None => return Ok(()),
                }
            }
            _ => *node,
        };
        // A member is found by going through all of them.
        self.meter.charge(source.len() as u64 / 64)?;
        match plan {
            Plan::Single { ty, class } => {
                self.single_step(source, &step.name, ty, class, rest, out)
            }
            Plan::Choice(element) => self.choice_step(source, *ty, element, rest, out),
            Plan::Nothing if class == Class::Unknown => {
                self.unknown_step(source, &step.name, rest, out)
            }
            Plan::Nothing => Ok(()),
        }
    }

    #[inline]
    fn single_step(
        &mut self,
        source: Node<'a>,
        name: &str,
        ty: TypeId,
        class: Class,
        rest: &'a [Step],
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        if let Class::Primitive(_) = class {
            let (value, sibling) = with_sibling(source, name);
            return self.primitives(value, sibling, ty, rest, out);
        }
        let Some(found) = source.get(name) else { return Ok(()) };
        for node in found.items_or_self() {
            let child = match class {
                Class::AnyResource | Class::Unknown => Item::element(node, ty),
                _ => Item::Node { node, sibling: None, ty },
            };
            self.walk(&child, rest, out)?;
        }
        Ok(())
    }

    /// A primitive, or a list of them, paired with its sibling.
    fn primitives(
        &mut self,
        value: Option<Node<'a>>,
        sibling: Option<Node<'a>>,
        ty: TypeId,
        rest: &'a [Step],
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match (value, sibling) {
            (None, None) => Ok(()),
            (Some(value), None) => {
                for node in value.items_or_self().filter(|n| !n.is_null()) {
                    self.walk(&Item::Node { node, sibling: None, ty }, rest, out)?;
                }
                Ok(())
            }
            (value, Some(sibling)) => {
                let mut values = value.map(Node::items_or_self);
                let mut siblings = sibling.items_or_self();
                loop {
                    let value = values.as_mut().and_then(Iterator::next);
                    let sibling = siblings.next();
                    if value.is_none() && sibling.is_none() {
                        return Ok(());
                    }
                    let sibling = sibling.filter(|s| s.kind() == Kind::Object);
                    let value = value.filter(|v| !v.is_null());
                    if let Some(node) = value.or(sibling) {
                        self.walk(&Item::Node { node, sibling, ty }, rest, out)?;
                    }
                }
            }
        }
    }

    fn choice_step(
        &mut self,
        source: Node<'a>,
        parent: TypeId,
        element: &'static ElementDef,
        rest: &'a [Step],
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        for (key, node) in source.members() {
            let plain = key.strip_prefix('_').unwrap_or(key);
            if plain.len() <= element.name.len() || !plain.starts_with(element.name) {
                continue;
            }
            let Some((found, ty)) = parent.element(plain) else { continue };
            if !std::ptr::eq(found, element) {
                continue;
            }
            let ty = ty.ty;
            if let Class::Primitive(_) = self.known.class(ty) {
                let (value, sibling) = with_sibling(source, plain);
                // Value and sibling are one element: the first of them stands for both.
                if plain.len() < key.len() && value.is_some() {
                    continue;
                }
                self.primitives(value, sibling, ty, rest, out)?;
            } else if plain.len() == key.len() {
                for node in node.items_or_self() {
                    self.walk(&Item::element(node, ty), rest, out)?;
                }
            }
        }
        Ok(())
    }

    /// A step from an element of unknown type: by JSON name, or by the beginning of one.
    fn unknown_step(
        &mut self,
        source: Node<'a>,
        name: &str,
        rest: &'a [Step],
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let unknown = self.known.element;
        for (key, node) in source.members() {
            let ty = if key == name {
                unknown
            } else {
                match key.strip_prefix(name).and_then(choice_type) {
                    Some(ty) => ty,
                    None => continue,
                }
            };
            for node in node.items_or_self() {
                self.walk(&Item::element(node, ty), rest, out)?;
            }
        }
        Ok(())
    }

    /// Appends the children of an item in document order.
    pub(super) fn children(&mut self, item: &Item<'a>, out: &mut Items<'a>) -> Result<(), Error> {
        let Item::Node { node, sibling, ty } = item else { return Ok(()) };
        let source = match self.known.class(*ty) {
            Class::Primitive(_) => match sibling {
                Some(sibling) => *sibling,
                None => return Ok(()),
            },
            _ => *node,
        };
        for (key, node) in source.members() {
            self.meter.charge(1 + source.len() as u64 / 64)?;
            if key == "resourceType" {
                continue;
            }
            let plain = key.strip_prefix('_').unwrap_or(key);
            let child_ty = match ty.element(plain) {
                Some((_, found)) => found.ty,
                None => self.known.element,
            };
            if let Class::Primitive(_) = self.known.class(child_ty) {
                let (value, sibling) = with_sibling(source, plain);
                if plain.len() == key.len() || value.is_none() {
                    self.primitives(value, sibling, child_ty, &[], out)?;
                }
            } else if plain.len() == key.len() {
                out.extend(node.items_or_self().map(|n| Item::element(n, child_ty)));
            }
        }
        Ok(())
    }

    /// Appends all descendants, parents before their children.
    pub(super) fn descendants(
        &mut self,
        item: &Item<'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut children = self.buffer();
        self.children(item, &mut children)?;
        for child in children.drain(..) {
            out.push(child.clone());
            self.descendants(&child, out)?;
        }
        self.give_back(children);
        Ok(())
    }
}

/// Member `name` and member `_name`, in one pass.
#[inline]
fn with_sibling<'a>(source: Node<'a>, name: &str) -> (Option<Node<'a>>, Option<Node<'a>>) {
    let (mut value, mut sibling) = (None, None);
    for (key, node) in source.members() {
        if key.len() == name.len() {
            if key == name {
                value = Some(node);
            }
        } else if key.len() == name.len() + 1 && key.as_bytes()[0] == b'_' && &key[1..] == name {
            sibling = Some(node);
        }
    }
    (value, sibling)
}

/// `Quantity` for the end of `valueQuantity`, `string` for that of `valueString`.
fn choice_type(ending: &str) -> Option<TypeId> {
    let first = ending.chars().next().filter(char::is_ascii_uppercase)?;
    TypeId::by_name(ending)
        .or_else(|| TypeId::by_name(&format!("{}{}", first.to_ascii_lowercase(), &ending[1..])))
}

/// Members of computed values: a quantity's parts, a type's name.
fn value_member<'a>(item: &Item<'a>, name: &str, out: &mut Items<'a>) -> Result<(), Error> {
    match (item, name) {
        (Item::Quantity(quantity), "value") => out.push(Item::Decimal(quantity.value)),
        (Item::Quantity(quantity), "unit") => out.push(Item::String(quantity.unit.clone())),
        (Item::Type { namespace, .. }, "namespace") => {
            out.push(Item::String((*namespace).into()));
        }
        (Item::Type { name, .. }, "name") => out.push(Item::String((*name).into())),
        _ => {}
    }
    Ok(())
}
