//! What the search parameters of a type find in a resource.
//!
//! Source: FHIR R4 search.html; expressions from the SearchParameter resources.
//! `_id` and `_lastUpdated` are not here: they belong to the version, not to its content.

use fhir::json::{Kind, Node};
use fhir_tables::ResourceType;

use crate::convert::{Context, names_type};
use crate::plan::{Edge, Filter, Place, Tree, plan};
use crate::value::{IndexValue, Indexed, ParamId};

/// All index values of a resource, in order of its elements; equal values may repeat.
///
/// `base_url` has no slash at the end; absolute references under it are local.
/// A token or reference element that is there and has nothing to compare gives the mark
/// `TokenText("")`, so that `:missing` sees it.
/// Errors: none; what does not fit its type finds nothing.
pub fn index(rt: ResourceType, resource: Node<'_>, base_url: &str) -> Vec<Indexed> {
    run(rt, resource, base_url, true)
}

/// As [`index`] for a resource that stands inside `container`, or for the container itself: also
/// the references to what is contained, with ids as `#id`, to the container as `#`.
pub fn index_within(rt: ResourceType, resource: Node<'_>, container: Node<'_>) -> Vec<Indexed> {
    let mut cx = Context::new(resource, "", true);
    cx.within = Some(container);
    all_of(rt, resource, &cx)
}

/// Like [`index`], without the kinds that a store does not keep: no `TokenText` with words, no
/// `OfType`, no `FullText`, and for each `Composite` the mark `TokenText("")`.
pub fn index_kept(rt: ResourceType, resource: Node<'_>, base_url: &str) -> Vec<Indexed> {
    run(rt, resource, base_url, false)
}

/// All that a store makes its index from: [`index_kept`], composites and the words of the full
/// text.
pub fn index_stored(rt: ResourceType, resource: Node<'_>, base_url: &str) -> Vec<Indexed> {
    let mut cx = Context::new(resource, base_url, false);
    cx.composites = true;
    let mut out = Vec::with_capacity(48);
    plan(rt).tree.walk(0, resource, &cx, &mut out);
    crate::near::index(rt, resource, &mut out);
    crate::fulltext::index_words(rt, resource, &mut out);
    out
}

/// Parameters of a type that cannot be indexed although R4 gives an expression.
pub fn unplanned(rt: ResourceType) -> &'static [ParamId] {
    &plan(rt).unplanned
}

fn run(rt: ResourceType, resource: Node<'_>, base_url: &str, full: bool) -> Vec<Indexed> {
    all_of(rt, resource, &Context::new(resource, base_url, full))
}

fn all_of<'a>(rt: ResourceType, resource: Node<'a>, cx: &Context<'a>) -> Vec<Indexed> {
    let mut out = Vec::with_capacity(32);
    plan(rt).tree.walk(0, resource, cx, &mut out);
    crate::near::index(rt, resource, &mut out);
    if cx.full {
        crate::fulltext::texts(rt, resource, &mut out);
    }
    out
}

impl Tree {
    fn walk<'a>(&self, at: u32, node: Node<'a>, cx: &Context<'a>, out: &mut Vec<Indexed>) {
        let place = &self.places[at as usize];
        for (param, convert) in &place.actions {
            convert.run(*param, node, cx, out);
        }
        place.find_composites(node, cx, out);
        for (param, names) in &place.not_false {
            let is = names.iter().any(|n| node.get(n).is_some_and(|v| v.as_bool() != Some(false)));
            let code = Some(if is { "true" } else { "false" }.to_owned());
            out.push(Indexed { param: *param, value: IndexValue::Token { system: None, code } });
        }
        for (filter, to) in &place.filters {
            if filter.passes(node, cx) {
                self.walk(*to, node, cx, out);
            }
        }
        if place.edges.is_empty() {
            return;
        }
        for (name, member) in node.members() {
            for edge in place.edges_of(name) {
                self.enter(edge, member, cx, out);
            }
        }
    }

    /// False when the element lacks every member that the tree starts with.
    fn may_find(&self, node: Node<'_>) -> bool {
        self.places[0].edges.iter().any(|edge| node.get(edge.name).is_some())
    }

    #[inline]
    fn enter<'a>(&self, edge: &Edge, member: Node<'a>, cx: &Context<'a>, out: &mut Vec<Indexed>) {
        if member.kind() != Kind::Array {
            if edge.nth.is_none_or(|nth| nth == 0) {
                self.walk(edge.to, member, cx, out);
            }
            return;
        }
        match edge.nth {
            Some(nth) => {
                if let Some(item) = member.item(nth as usize) {
                    self.walk(edge.to, item, cx, out);
                }
            }
            None => {
                for item in member.items().filter(|item| !item.is_null()) {
                    self.walk(edge.to, item, cx, out);
                }
            }
        }
    }
}

impl Place {
    fn find_composites<'a>(&self, node: Node<'a>, cx: &Context<'a>, out: &mut Vec<Indexed>) {
        for composite in &self.composites {
            let mut parts = Vec::with_capacity(composite.components.len());
            let start = |from_root: bool| if from_root { cx.resource } else { node };
            // Most composites of a type miss a component: look before converting anything.
            if !composite.components.iter().all(|c| c.tree.may_find(start(c.from_root))) {
                continue;
            }
            for component in &composite.components {
                let mut values = Vec::new();
                component.tree.walk(0, start(component.from_root), cx, &mut values);
                let values: Vec<IndexValue> = values
                    .into_iter()
                    .map(|indexed| indexed.value)
                    .filter(|value| !matches!(value, IndexValue::TokenText(_)))
                    .collect();
                if values.is_empty() {
                    break;
                }
                parts.push(values);
            }
            if parts.len() == composite.components.len() {
                let value = if cx.composites {
                    IndexValue::Composite(parts)
                } else {
                    IndexValue::TokenText(String::new())
                };
                out.push(Indexed { param: composite.param, value });
            }
        }
    }
}

impl Filter {
    fn passes(&self, node: Node<'_>, cx: &Context<'_>) -> bool {
        match self {
            Filter::MemberIs(name, value) => node.str(name).is_some_and(|is| is == *value),
            Filter::HasExtension(url) => {
                node.list("extension").any(|e| e.str("url").is_some_and(|is| is == *url))
            }
            Filter::Resolves(name) => names_type(node, name, cx),
        }
    }
}
