//! Resources inside others, as search sees them: a container and what it contains, with the
//! references among them.
//!
//! Source: FHIR R4 search.html#contained, references.html#contained. The index knows which versions
//! contain a resource of a type; what those say is read from the body. References that leave the
//! container lead to resources that stand on their own; references to a contained resource come
//! from its container and from beside it alone.

use fhir::json::{Doc, Node as Json};
use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::params;
use search::query::{Node, SortKey};
use search::sort::{SortValue, sort_value};
use search::value::ParamId;
use search::world::{Known, World};

use crate::disk::Ident;
use crate::error::{Error, Kind, Result};
use crate::key;
use crate::plan::Cx;
use crate::sorting::places;
use crate::types::{ChangeKind, Rid, Version};
use crate::view::{EVERYTHING, View};

/// Resources that a chain looks into for what they contain, at most.
pub const INSIDE_MAX: u64 = 2_000;

/// A condition, with the resources that satisfy its parts and stand on their own.
pub enum Test<'q> {
    Criterion(&'q Node),
    Chain { param: ParamId, targets: Vec<Part<'q>> },
    Has { param: ParamId, source: Box<Part<'q>> },
    And(Vec<Test<'q>>),
    Or(Vec<Test<'q>>),
    Not(Box<Test<'q>>),
}

/// A condition on resources of one type.
pub struct Part<'q> {
    rt: ResourceType,
    /// Those that satisfy it and stand on their own.
    alone: RoaringBitmap,
    test: Test<'q>,
}

impl<'q> Test<'q> {
    /// Looks up what the parts of a condition on contained resources ask of others.
    pub fn new(cx: &mut Cx<'_, '_>, node: &'q Node) -> Result<Test<'q>> {
        let all = |cx: &mut Cx<'_, '_>, nodes: &'q [Node]| {
            nodes.iter().map(|node| Test::new(cx, node)).collect::<Result<Vec<_>>>()
        };
        Ok(match node {
            Node::Criterion(_) => Test::Criterion(node),
            Node::Chain(chain) => {
                let targets = chain.targets.iter();
                let targets = targets.map(|(rt, node)| Part::new(cx, *rt, node));
                Test::Chain { param: chain.param, targets: targets.collect::<Result<_>>()? }
            }
            Node::Has(has) => {
                let source = Box::new(Part::new(cx, has.source, &has.node)?);
                Test::Has { param: has.param, source }
            }
            Node::And(nodes) => Test::And(all(cx, nodes)?),
            Node::Or(nodes) => Test::Or(all(cx, nodes)?),
            Node::Not(node) => Test::Not(Box::new(Test::new(cx, node)?)),
        })
    }
}

impl<'q> Part<'q> {
    pub fn new(cx: &mut Cx<'_, '_>, rt: ResourceType, node: &'q Node) -> Result<Part<'q>> {
        let outer = cx.view.bounds.replace(EVERYTHING);
        let alone = cx.exact(rt, node, None);
        cx.view.bounds.set(outer);
        Ok(Part { rt, alone: alone?, test: Test::new(cx, node)? })
    }
}

/// Versions that contain a resource of a type.
pub fn containers(view: &View<'_>, rt: ResourceType) -> Result<RoaringBitmap> {
    let outer = view.bounds.replace(EVERYTHING);
    let all = view.fetch(&key::word(params::id_of(rt), "", 0));
    view.bounds.set(outer);
    all
}

/// One of a family: the container itself, or what it contains.
pub struct Member {
    pub known: Known,
    /// How references of the family call it: `#` the container, `#id` what it contains.
    name: String,
    /// JSON.
    pub text: String,
}

/// A container and what it contains, in its order.
pub struct Family {
    rid: Rid,
    container: Member,
    pub inner: Vec<Member>,
}

impl Family {
    /// Reads the body of a version.
    pub fn read(version: &Version) -> Result<Family> {
        let doc = Doc::parse(version.body.as_slice())
            .map_err(|e| Error::with(Kind::Corrupt, "a stored body is no JSON", e))?;
        let root = doc.root();
        let last_updated_ms = version.head.last_updated_ms;
        let member = |node: Json<'_>, rt: ResourceType, name: String| {
            let id = node.str("id").unwrap_or_default().into_owned();
            let values = search::index_within(rt, node, root);
            Member { known: Known { rt, id, last_updated_ms, values }, name, text: String::new() }
        };
        let container = member(root, version.head.rt, "#".to_owned());
        let inner = root.list("contained").filter_map(|node| {
            let rt = ResourceType::from_name(&node.str("resourceType")?)?;
            let name = format!("#{}", node.str("id").unwrap_or_default());
            Some(Member { text: node.raw().to_owned(), ..member(node, rt, name) })
        });
        let inner = inner.collect();
        Ok(Family { rid: version.head.rid, container, inner })
    }

    fn named(&self, rt: ResourceType, name: &str) -> Option<&Member> {
        self.inner.iter().find(|member| member.known.rt == rt && member.name == name)
    }

    /// Whether a contained resource satisfies a condition.
    pub fn holds(&self, view: &View<'_>, member: &Member, test: &Test<'_>) -> Result<bool> {
        match test {
            Test::Criterion(node) => Ok(node.matches(&World::default(), &member.known)),
            Test::And(tests) => {
                for test in tests {
                    if !self.holds(view, member, test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Or(tests) => {
                for test in tests {
                    if self.holds(view, member, test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Not(test) => Ok(!self.holds(view, member, test)?),
            Test::Chain { param, targets } => self.leads(view, &member.known, *param, targets),
            Test::Has { param, source } => self.is_referred_to(view, member, *param, source),
        }
    }

    /// Whether a reference leads to what satisfies the condition of its type.
    fn leads(
        &self,
        view: &View<'_>,
        from: &Known,
        param: ParamId,
        targets: &[Part<'_>],
    ) -> Result<bool> {
        for (rt, id) in from.references(param) {
            for part in targets.iter().filter(|part| part.rt == rt) {
                let is_good = if id == "#" {
                    part.alone.contains(self.rid)
                } else if let Some(member) = self.named(rt, id) {
                    self.holds(view, member, &part.test)?
                } else {
                    current(view, rt, id)?.is_some_and(|rid| part.alone.contains(rid))
                };
                if is_good {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn is_referred_to(
        &self,
        view: &View<'_>,
        member: &Member,
        param: ParamId,
        source: &Part<'_>,
    ) -> Result<bool> {
        let refers = |from: &Member| {
            let mut references = from.known.references(param);
            from.known.rt == source.rt
                && references.any(|(rt, id)| rt == member.known.rt && id == member.name)
        };
        if refers(&self.container) && source.alone.contains(self.rid) {
            return Ok(true);
        }
        for from in self.inner.iter().filter(|from| refers(from)) {
            if self.holds(view, from, &source.test)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a reference of the container leads to what it contains and satisfies a condition.
    pub fn leads_inside(&self, view: &View<'_>, param: ParamId, part: &Part<'_>) -> Result<bool> {
        for (rt, id) in self.container.known.references(param) {
            if let Some(member) = self.named(rt, id).filter(|_| rt == part.rt)
                && self.holds(view, member, &part.test)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The place of a contained resource under a key of the order.
    pub fn place(&self, view: &View<'_>, member: &Known, key: &SortKey) -> Result<SortValue> {
        if !key.is_chained() {
            let Known { rt, id, last_updated_ms, values } = member;
            return Ok(sort_value(key, *rt, id, *last_updated_ms, values));
        }
        let mut first = SortValue::missing();
        for (rt, id) in member.references(key.param) {
            for (_, key) in key.targets.iter().filter(|(of, _)| *of == rt) {
                let rid = if id == "#" { Some(self.rid) } else { current(view, rt, id)? };
                let place = match (self.named(rt, id), rid) {
                    (Some(member), _) => self.place(view, &member.known, key)?,
                    (None, Some(rid)) => {
                        let one = std::iter::once(rid).collect();
                        let place = places(view, rt, key, &one)?.remove(&rid);
                        place.unwrap_or_else(SortValue::missing)
                    }
                    (None, None) => SortValue::missing(),
                };
                first = first.min(place);
            }
        }
        Ok(first)
    }
}

/// The current version of a resource that stands on its own.
fn current(view: &View<'_>, rt: ResourceType, id: &str) -> Result<Option<Rid>> {
    let live = |ident: &Ident| ident.kind != ChangeKind::Delete;
    Ok(view.ident(rt, id)?.filter(live).map(|ident| ident.rid))
}

/// Versions of type `of`, among `from` when it is given, that satisfy a chain by what they contain.
///
/// Source: search.html#contained: "a chained condition will be evaluated inside contained
/// resources".
/// Errors: `TooCostly` when more than [`INSIDE_MAX`] have to be read for it.
pub fn chain(
    cx: &mut Cx<'_, '_>,
    (of, param): (ResourceType, ParamId),
    (rt, node): (ResourceType, &Node),
    from: Option<&RoaringBitmap>,
) -> Result<RoaringBitmap> {
    let mut all = containers(cx.view, rt)?;
    if all.is_empty() {
        return Ok(all);
    }
    all &= match from {
        Some(from) => from.clone(),
        None => cx.view.fetch(&key::param(b'H', param))?,
    };
    let all = cx.view.visible(of, all)?;
    if all.len() > INSIDE_MAX {
        let words = format!(
            "a chain to {rt} looks into {INSIDE_MAX} resources that contain one, and this search \
             has {}: narrow it by another parameter, as patient",
            all.len()
        );
        return Err(Error::new(Kind::TooCostly, words));
    }
    let mut found = RoaringBitmap::new();
    if all.is_empty() {
        return Ok(found);
    }
    let part = Part::new(cx, rt, node)?;
    for rid in &all {
        let version = cx.view.version(rid, cx.bodies)?;
        if Family::read(&version)?.leads_inside(cx.view, param, &part)? {
            found.insert(rid);
        }
    }
    Ok(found)
}
