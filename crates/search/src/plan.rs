//! The expressions of all search parameters of one type as one tree of JSON names, so that a
//! resource is walked once for all of them.
//!
//! Built from the tables on first use of a type. An expression that [`crate::path`] cannot read or
//! whose result has no conversion finds nothing; a test lists them.

use std::sync::OnceLock;

use fhir_tables::{ResourceType, SearchKind, SearchParam, TypeId, TypeKind};

use crate::convert::Convert;
use crate::params;
use crate::path::{self, Step};
use crate::value::ParamId;

/// The plan of one resource type.
pub(crate) struct Plan {
    pub tree: Tree,
    /// Parameters with an expression that has no plan.
    pub unplanned: Vec<ParamId>,
}

/// Places of one kind of element; place 0 is where it starts.
pub(crate) struct Tree {
    pub places: Vec<Place>,
}

#[derive(Default)]
pub(crate) struct Place {
    /// Sorted by length, then name.
    pub edges: Vec<Edge>,
    /// Where to go on with the same element when it passes.
    pub filters: Vec<(Filter, u32)>,
    pub actions: Vec<(ParamId, Convert)>,
    pub composites: Vec<Composite>,
    /// Parameters that are true when one of these members is there and not `false`.
    pub not_false: Vec<(ParamId, Vec<&'static str>)>,
}

pub(crate) struct Edge {
    pub name: &'static str,
    /// Only this item of the array.
    pub nth: Option<u32>,
    pub to: u32,
}

#[derive(PartialEq, Eq)]
pub(crate) enum Filter {
    MemberIs(String, String),
    HasExtension(String),
    Resolves(String),
}

pub(crate) struct Composite {
    pub param: ParamId,
    pub components: Vec<Component>,
}

pub(crate) struct Component {
    /// The component is looked for in the whole resource, not in the result of the composite.
    pub from_root: bool,
    pub tree: Tree,
}

pub(crate) fn plan(rt: ResourceType) -> &'static Plan {
    static PLANS: [OnceLock<Plan>; ResourceType::ALL.len()] =
        [const { OnceLock::new() }; ResourceType::ALL.len()];
    PLANS[usize::from(rt.0)].get_or_init(|| build(rt))
}

fn build(rt: ResourceType) -> Plan {
    let mut tree = Tree { places: vec![Place::default()] };
    let mut unplanned = Vec::new();
    for (id, param) in params::of(rt) {
        let own = matches!(param.code, "_id" | "_lastUpdated");
        if own || param.expression.is_empty() || param.kind == SearchKind::Special {
            continue;
        }
        let planned = if param.kind == SearchKind::Composite {
            add_composite(&mut tree, rt, id, param)
        } else {
            tree.add_expression(param.expression, rt.type_id(), id, param.kind)
        };
        if planned.is_none() {
            unplanned.push(id);
        }
    }
    Plan { tree: tree.pruned(), unplanned }
}

fn add_composite(
    tree: &mut Tree,
    rt: ResourceType,
    id: ParamId,
    param: &'static SearchParam,
) -> Option<()> {
    for steps in path::parse(param.expression)? {
        for (place, ty) in tree.follow(&steps, rt.type_id())? {
            let part = |code, expression| component(rt, id, ty, code, expression);
            let components = param
                .components
                .iter()
                .map(|(code, expression)| {
                    // Deviation: DocumentReference's `relationship` has the expressions of its two
                    // components swapped; the kind of the component decides.
                    let mut others = param.components.iter();
                    part(code, expression)
                        .or_else(|| others.find_map(|(_, other)| part(code, other)))
                })
                .collect::<Option<Vec<_>>>()?;
            tree.places[place as usize].composites.push(Composite { param: id, components });
        }
    }
    Some(())
}

fn component(
    rt: ResourceType,
    id: ParamId,
    ty: TypeId,
    code: &str,
    expression: &str,
) -> Option<Component> {
    let (_, definition) = params::find(rt, code)?;
    let from_root = expression.starts_with("%resource");
    let start = if from_root { rt.type_id() } else { ty };
    let mut tree = Tree { places: vec![Place::default()] };
    tree.add_expression(expression, start, id, definition.kind)?;
    Some(Component { from_root, tree: tree.pruned() })
}

impl Tree {
    fn add_expression(
        &mut self,
        expression: &str,
        start: TypeId,
        id: ParamId,
        kind: SearchKind,
    ) -> Option<()> {
        let mut found = false;
        for steps in path::parse(expression)? {
            if let [before @ .., Step::Child(name), Step::ExistsAndNotFalse] = &steps[..] {
                for (place, ty) in self.follow(before, start)? {
                    let names = json_names(ty, name).map(|(name, _)| name).collect();
                    self.places[place as usize].not_false.push((id, names));
                    found = true;
                }
                continue;
            }
            for (place, ty) in self.follow(&steps, start)? {
                let actions = &mut self.places[place as usize].actions;
                let Some(convert) = Convert::of(kind, ty) else { continue };
                found = true;
                if !actions.contains(&(id, convert)) {
                    actions.push((id, convert));
                }
            }
        }
        found.then_some(())
    }

    /// The places that the steps lead to from place 0, with their types.
    fn follow(&mut self, steps: &[Step], start: TypeId) -> Option<Vec<(u32, TypeId)>> {
        let mut at = vec![(0u32, start)];
        let mut last_edges: Vec<(u32, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Root(name) => {
                    let known = name == "Resource" || name == "DomainResource";
                    if !known && name != start.name() {
                        return None;
                    }
                }
                Step::Child(name) => {
                    let from = std::mem::take(&mut at);
                    last_edges.clear();
                    for (place, ty) in from {
                        for (name, ty) in json_names(ty, name) {
                            let (to, edge) = self.edge(place, name, None);
                            last_edges.push((place, edge));
                            at.push((to, ty));
                        }
                    }
                }
                Step::As(name) => {
                    let ty = TypeId::by_name(name).or_else(|| {
                        // R4 writes `DateTime` in Observation's code-value-date.
                        let first = name.get(..1)?.to_ascii_lowercase();
                        TypeId::by_name(&format!("{first}{}", name.get(1..)?))
                    })?;
                    // A primitive is of its own type only: `as uri` leaves canonicals out.
                    let exact = ty.kind() == TypeKind::Primitive;
                    at.retain(|(_, is)| *is == ty || (!exact && is.is_subtype_of(ty)));
                }
                Step::Nth(nth) => {
                    for ((place, edge), (to, _)) in last_edges.iter().zip(&mut at) {
                        let name = self.places[*place as usize].edges[*edge].name;
                        *to = self.edge(*place, name, Some(*nth)).0;
                    }
                }
                Step::MemberIs { name, value } => {
                    self.filter(&mut at, || Filter::MemberIs(name.clone(), value.clone()));
                }
                Step::HasExtension(url) => {
                    self.filter(&mut at, || Filter::HasExtension(url.clone()))
                }
                Step::Resolves(name) => self.filter(&mut at, || Filter::Resolves(name.clone())),
                Step::ExistsAndNotFalse => return None,
            }
        }
        (!at.is_empty()).then_some(at)
    }

    fn place(&mut self) -> u32 {
        self.places.push(Place::default());
        self.places.len() as u32 - 1
    }

    /// Target and index of the edge, which is made when it is not there.
    fn edge(&mut self, place: u32, name: &'static str, nth: Option<u32>) -> (u32, usize) {
        let edges = &self.places[place as usize].edges;
        if let Some(i) = edges.iter().position(|e| e.name == name && e.nth == nth) {
            return (edges[i].to, i);
        }
        let to = self.place();
        let edges = &mut self.places[place as usize].edges;
        edges.push(Edge { name, nth, to });
        (to, edges.len() - 1)
    }

    fn filter(&mut self, at: &mut [(u32, TypeId)], filter: impl Fn() -> Filter) {
        for (place, _) in at {
            let filters = &self.places[*place as usize].filters;
            let known = filters.iter().find(|(is, _)| *is == filter()).map(|(_, to)| *to);
            *place = known.unwrap_or_else(|| {
                let to = self.place();
                self.places[*place as usize].filters.push((filter(), to));
                to
            });
        }
    }

    /// Without ways that lead to nothing, and with sorted edges.
    fn pruned(mut self) -> Tree {
        // Targets are always behind their sources.
        let mut useful = vec![false; self.places.len()];
        for i in (0..self.places.len()).rev() {
            let place = &mut self.places[i];
            place.edges.retain(|edge| useful[edge.to as usize]);
            place.filters.retain(|(_, to)| useful[*to as usize]);
            place.edges.sort_by_key(|edge| (edge.name.len(), edge.name, edge.nth));
            useful[i] = !(place.edges.is_empty()
                && place.filters.is_empty()
                && place.actions.is_empty()
                && place.composites.is_empty()
                && place.not_false.is_empty());
        }
        self
    }
}

impl Place {
    /// Edges for the member `name`.
    #[inline]
    pub fn edges_of(&self, name: &str) -> &[Edge] {
        let key = (name.len(), name);
        let first = self.edges.partition_point(|edge| (edge.name.len(), edge.name) < key);
        let n = self.edges[first..].iter().take_while(|edge| edge.name == name).count();
        &self.edges[first..first + n]
    }
}

/// Whether a token parameter finds nothing but elements of type `code`, whose system is that of
/// their binding and never stands in the resource; true when `system` is that system.
///
/// Source: search.html#token, "the system is implied". The system of a value set of R4's own is
/// its URL without `ValueSet`, or with `CodeSystem` in its place.
pub(crate) fn is_implied_system(param: &SearchParam, system: &str) -> bool {
    let base = param.base.type_id();
    let Some(paths) = path::parse(param.expression) else { return false };
    let mut implied = false;
    for steps in paths {
        let [before @ .., Step::Child(name)] = &steps[..] else { return false };
        let mut tree = Tree { places: vec![Place::default()] };
        for (_, ty) in tree.follow(before, base).unwrap_or_default() {
            let Some(element) = ty.element_by_path_name(name) else { continue };
            if element.types.iter().any(|ty| ty.ty != TypeId::CODE) {
                return false;
            }
            let url = element.binding.map_or("", |binding| binding.url());
            let url = url.split('|').next().unwrap_or_default();
            implied |= url.replace("/ValueSet/", "/") == system
                || url.replace("/ValueSet/", "/CodeSystem/") == system;
        }
    }
    implied
}

/// Whether a token parameter may find identifiers, as `:of-type` needs. An expression that has no
/// plan may.
pub(crate) fn may_find_identifiers(param: &SearchParam) -> bool {
    let Some(paths) = path::parse(param.expression) else { return true };
    let mut tree = Tree { places: vec![Place::default()] };
    paths.iter().any(|steps| {
        let found = tree.follow(steps, param.base.type_id()).unwrap_or_default();
        found.iter().any(|(_, ty)| matches!(*ty, TypeId::IDENTIFIER | TypeId::EXTENSION))
    })
}

/// The JSON names of an element with their types: `value` gives `valueQuantity`, ….
fn json_names(ty: TypeId, element: &str) -> impl Iterator<Item = (&'static str, TypeId)> {
    let def = ty.def();
    // The elements of a resource inside a resource depend on what stands there.
    let known = !(def.kind == TypeKind::Abstract && ty.name() == "Resource");
    def.json_names().filter(move |(_, i, _)| known && def.elements[*i].name == element).map(
        move |(name, element_idx, type_idx)| (name, def.elements[element_idx].types[type_idx].ty),
    )
}
