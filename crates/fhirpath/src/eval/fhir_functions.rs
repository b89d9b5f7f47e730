//! Functions that FHIR adds.
//!
//! Source: FHIR R4 fhirpath.html#functions. What needs profiles or terminology is asked of `Env`.

use fhir::json::Node;
use fhir::reference::Reference;
use fhir_tables::TypeId;

use super::{Call, Evaluator, Items, Scope, single, wrong_type};
use crate::error::Error;
use crate::function::Function as F;
use crate::item::{Item, resource_type};

/// Where R4 publishes its own types.
const CORE_URL: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn fhir_function(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match call.function {
            F::Extension | F::HasExtension => self.extension(call, scope, out),
            F::HasValue => self.for_each(call, scope, |_, item, _| {
                out.push(Item::Boolean(item.has_value()));
                Ok(true)
            }),
            F::GetValue => self.for_each(call, scope, |_, item, _| {
                out.extend(item.to_system().filter(|_| item.has_value()));
                Ok(true)
            }),
            F::Resolve => self.for_each(call, scope, |this, item, _| {
                if let Some(found) = this.resolve(item) {
                    out.push(Item::root(found));
                }
                Ok(true)
            }),
            F::CheckModifiers => self.check_modifiers(call, scope, out),
            F::ConformsTo => self.conforms_to(call, scope, out),
            F::MemberOf => self.member_of(call, scope, out),
            F::HtmlChecks => {
                let input = self.input_items(call, scope)?;
                for item in &input {
                    let text = item.as_str().unwrap_or_default();
                    out.push(Item::Boolean(crate::html::is_narrative(&text)));
                }
                self.give_back(input);
                Ok(())
            }
            _ => {
                let text = "this function needs profiles or terminology, which are not here";
                Err(Error::execution(call.position, text))
            }
        }
    }

    fn extension(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let Some(url) = self.text_argument(call, 0, scope)? else { return Ok(()) };
        let ask = call.function == F::HasExtension;
        let ty = self.known.extension;
        let mut found = false;
        self.for_each(call, scope, |this, item, _| {
            let Item::Node { node, sibling, .. } = item else { return Ok(true) };
            for extension in sibling.unwrap_or(*node).list("extension") {
                this.meter.charge(1)?;
                let matches = extension.get("url").and_then(Node::as_str).as_ref() == Some(&url);
                if matches && !ask {
                    out.push(Item::Node { node: extension, sibling: None, ty });
                }
                found = found || matches;
            }
            Ok(true)
        })?;
        if ask {
            out.push(Item::Boolean(found));
        }
        Ok(())
    }

    /// Passes the input on, unless one of its modifier extensions is not among those named.
    fn check_modifiers(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut understood = Vec::with_capacity(call.args.len());
        for arg_idx in 0..call.args.len() {
            understood.extend(self.text_argument(call, arg_idx, scope)?);
        }
        let start = out.len();
        self.input(call, scope, out)?;
        for item in &out[start..] {
            let Some(node) = item.node() else { continue };
            for extension in node.list("modifierExtension") {
                self.meter.charge(1)?;
                let url = extension.get("url").and_then(Node::as_str).unwrap_or_default();
                if !understood.contains(&url) {
                    let text = format!("the modifier extension {url} is not understood");
                    return Err(Error::execution(call.position, text));
                }
            }
        }
        Ok(())
    }

    /// The reference's text: of a Reference, or of a `uri` or `canonical` itself.
    fn reference_text(&self, item: &Item<'a>) -> Option<std::borrow::Cow<'a, str>> {
        match item {
            Item::Node { node, .. } => match node.as_str() {
                Some(text) => Some(text),
                None => node.get("reference")?.as_str(),
            },
            Item::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn resolve(&mut self, item: &Item<'a>) -> Option<Node<'a>> {
        let text = self.reference_text(item)?;
        let root = self.env.root_resource.or(self.env.resource).or(self.root.node());
        if let Reference::Contained(id) = Reference::parse(&text) {
            return contained(root?, id);
        }
        let in_bundle = root.and_then(|r| bundle_entry(r, &text));
        in_bundle.or_else(|| self.env.resolve.and_then(|resolve| resolve(&text)))
    }

    /// The type of the resource that a reference points to, without fetching where its text says.
    pub(super) fn referenced_type(&mut self, item: &Item<'a>) -> Option<TypeId> {
        let text = self.reference_text(item)?;
        let named = |name: &str| Some(fhir_tables::ResourceType::from_name(name)?.type_id());
        match Reference::parse(&text) {
            Reference::Relative { ty, .. }
            | Reference::Absolute { ty, .. }
            | Reference::Conditional { ty, .. } => named(ty),
            _ => self.resolve(item).and_then(resource_type).or_else(|| {
                let stated = item.node()?.get("type")?.as_str()?;
                named(stated.strip_prefix(CORE_URL).unwrap_or(&stated))
            }),
        }
    }

    fn conforms_to(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let Some(url) = self.text_argument(call, 0, scope)? else { return Ok(()) };
        let input = self.input_items(call, scope)?;
        let Some(item) = single(&input, call.position)? else { return Ok(()) };
        let core = url.strip_prefix(CORE_URL).and_then(TypeId::by_name);
        let answer = match (core, self.env.conforms_to) {
            (Some(wanted), _) => item.type_id().map(|ty| ty.is_subtype_of(wanted)),
            (None, Some(judge)) => judge(item, &url),
            (None, None) => None,
        };
        match answer {
            Some(answer) => out.push(Item::Boolean(answer)),
            None => {
                return Err(Error::execution(call.position, format!("{url} is no known profile")));
            }
        }
        self.give_back(input);
        Ok(())
    }

    fn member_of(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let Some(url) = self.text_argument(call, 0, scope)? else { return Ok(()) };
        let input = self.input_items(call, scope)?;
        let Some(item) = single(&input, call.position)? else { return Ok(()) };
        match item {
            Item::Node { .. } | Item::String(_) => {}
            _ => return Err(wrong_type(item, "a code, Coding or CodeableConcept", call.position)),
        }
        match self.env.member_of {
            Some(judge) => out.extend(judge(item, &url).map(Item::Boolean)),
            None => {
                let text = "memberOf() needs terminology, which is not here";
                return Err(Error::execution(call.position, text));
            }
        }
        self.give_back(input);
        Ok(())
    }
}

/// The contained resource of this id; the container itself for an empty one.
fn contained<'a>(root: Node<'a>, id: &str) -> Option<Node<'a>> {
    if id.is_empty() {
        return Some(root);
    }
    root.list("contained").find(|r| r.get("id").and_then(Node::as_plain_str) == Some(id))
}

/// The resource of the Bundle entry whose `fullUrl` is, or ends with, the reference.
fn bundle_entry<'a>(root: Node<'a>, reference: &str) -> Option<Node<'a>> {
    if root.get("resourceType")?.as_plain_str()? != "Bundle" {
        return None;
    }
    let entry = root.list("entry").find(|entry| {
        entry.get("fullUrl").and_then(Node::as_plain_str).is_some_and(|url| {
            url == reference || url.strip_suffix(reference).is_some_and(|base| base.ends_with('/'))
        })
    })?;
    entry.get("resource")
}
