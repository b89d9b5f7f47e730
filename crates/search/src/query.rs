//! The query tree.
//!
//! Source: FHIR R4 search.html.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_tables::{ResourceType, SearchKind};
use terminology::CodeSet;

use crate::fulltext::FullText;

use crate::value::ParamId;

/// A search across types: one query for each type, all with the same controls.
///
/// Source: http.html#vsearch, search.html#type.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemQuery {
    /// In the order of the types; not empty.
    pub queries: Vec<Query>,
    /// The types were named by `_type`.
    pub is_named: bool,
}

/// A search on one resource type.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub rt: ResourceType,
    pub compartment: Option<Compartment>,
    /// All must hold.
    pub nodes: Vec<Node>,
    pub sort: Vec<SortKey>,
    /// Resources on a page; already clamped to the limit. `None`: the default.
    pub count: Option<u32>,
    pub total: Option<Total>,
    pub include: Vec<Include>,
    pub revinclude: Vec<Include>,
    pub summary: Summary,
    /// Top-level elements to serve; empty: all.
    pub elements: Vec<String>,
    pub contained: Contained,
    /// Query string for the self link: what was understood, in the order given, without paging.
    pub canonical: String,
    /// Parameters left out because handling was lenient.
    pub ignored: Vec<String>,
}

impl Query {
    /// The conditions that are one parameter each.
    pub fn criteria(&self) -> impl Iterator<Item = &Criterion> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Criterion(criterion) => Some(criterion),
            _ => None,
        })
    }

    /// The types whose resources decide about the result, each once, the searched type first.
    pub fn types(&self) -> Vec<ResourceType> {
        let mut out = vec![self.rt];
        for node in &self.nodes {
            node.add_types(&mut out);
        }
        out
    }
}

impl Node {
    fn add_types(&self, out: &mut Vec<ResourceType>) {
        match self {
            Node::Criterion(_) => {}
            Node::Chain(chain) => {
                for (rt, node) in &chain.targets {
                    add_type(*rt, out);
                    node.add_types(out);
                }
            }
            Node::Has(has) => {
                add_type(has.source, out);
                has.node.add_types(out);
            }
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|n| n.add_types(out)),
            Node::Not(node) => node.add_types(out),
        }
    }
}

fn add_type(rt: ResourceType, out: &mut Vec<ResourceType>) {
    if !out.contains(&rt) {
        out.push(rt);
    }
}

/// `_contained` and `_containedType`: which resources are looked at, and what is shown of those
/// that stand inside others.
///
/// Source: search.html#contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contained {
    /// Resources that stand on their own.
    pub own: bool,
    /// Resources inside others.
    pub inner: bool,
    /// Of these: the container, not the contained resource.
    pub shows_container: bool,
}

impl Contained {
    /// Without either parameter.
    pub const NONE: Contained = Contained { own: true, inner: false, shows_container: true };
}

/// `Patient/1/Observation`: any of these parameters of the searched type points to the resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Compartment {
    pub root: ResourceType,
    pub id: String,
    pub params: Vec<ParamId>,
    /// The searched type is the compartment's own type: the resource itself is in it.
    pub is_root: bool,
}

/// A condition on resources of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Criterion(Criterion),
    /// `subject:Patient.name=x`.
    Chain(Chain),
    /// `_has:Observation:patient:code=x`; also `_list`.
    Has(Has),
    /// All must hold.
    And(Vec<Node>),
    /// One must hold.
    Or(Vec<Node>),
    Not(Box<Node>),
}

/// A reference of the resource leads to a resource that satisfies the node of its type.
///
/// Source: search.html#chaining.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub param: ParamId,
    pub targets: Vec<(ResourceType, Node)>,
}

/// A resource of type `source` refers to the resource by `param` and satisfies the node.
///
/// Source: search.html#has.
#[derive(Clone, Debug, PartialEq)]
pub struct Has {
    pub source: ResourceType,
    pub param: ParamId,
    pub node: Box<Node>,
}

/// One parameter of the query: any operand may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Criterion {
    pub param: ParamId,
    pub kind: SearchKind,
    pub modifier: Modifier,
    pub operands: Vec<Operand>,
    /// For composites: one criterion per component on the parameter of the same definition, where
    /// the type has one. What matches the composite matches all of these.
    pub implied: Vec<Criterion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    None,
    Missing,
    Exact,
    Contains,
    Text,
    Not,
    Above,
    Below,
    In,
    NotIn,
    OfType,
    Identifier,
    Type(ResourceType),
    /// A comparison that only `_filter` has.
    Filter(FilterOp),
}

/// Comparisons of `_filter` that no prefix or modifier of a parameter says.
///
/// Source: search_filter.html#ops. Text is compared after [`crate::normalize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterOp {
    /// `eq`: the value itself, a date or number also in its precision.
    Same,
    /// `ne`: there is a value that is not the same.
    Differs,
    /// `ew`: the text ends so.
    EndsWith,
    /// `gt`, `lt`, `ge`, `le` on text, by code point.
    Greater,
    Less,
    GreaterOrSame,
    LessOrSame,
    /// `co` on dates: the period of the value includes the given one.
    Covers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SystemMatch {
    /// `code`: any system or none.
    Any,
    /// `|code`: no system.
    Absent,
    Is(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `:missing`.
    Missing(bool),
    /// `_id`.
    Id(String),
    Token {
        system: SystemMatch,
        code: Option<String>,
    },
    /// `:text`: normalized words.
    TokenText(String),
    /// `:in`, `:not-in`, `:above`, `:below` on tokens: what the value set or hierarchy holds.
    Codes(Arc<CodeSet>),
    OfType {
        system: Option<String>,
        code: String,
        value: String,
    },
    /// As given; compared through [`crate::normalize`] unless `:exact`.
    String(String),
    /// Closed interval of the given precision, UTC milliseconds. For `ap` it is already widened.
    Date {
        prefix: Prefix,
        lo: i64,
        hi: i64,
    },
    /// `value` as given; `lo <= x < hi` is the interval of its precision (of 10 % for `ap`).
    Number {
        prefix: Prefix,
        value: f64,
        lo: f64,
        hi: f64,
    },
    Quantity {
        prefix: Prefix,
        value: f64,
        lo: f64,
        hi: f64,
        /// `None`: any system.
        system: Option<String>,
        /// Code, or unit when there is no system. `None`: any.
        code: Option<String>,
        /// The same in base units, when the unit is one of UCUM.
        canonical: Option<CanonicalRange>,
    },
    /// A resource of this server, of the types that the parameter may point to.
    Reference {
        types: Vec<ResourceType>,
        id: String,
    },
    /// Any of many resources of one type, by id: in rules of access.
    Among {
        rt: ResourceType,
        ids: Arc<BTreeSet<String>>,
    },
    Url(String),
    Identifier {
        system: SystemMatch,
        value: Option<String>,
    },
    Uri(String),
    /// One operand per component.
    Composite(Vec<Operand>),
    /// `_text`, `_content`.
    FullText(FullText),
    /// `near`: degrees and metres.
    Near {
        latitude: f64,
        longitude: f64,
        distance_m: f64,
    },
}

/// A quantity in base units of UCUM; `kind` as in [`ucum::Canonical`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanonicalRange {
    pub kind: u32,
    pub value: f64,
    pub lo: f64,
    pub hi: f64,
}

/// One key of `_sort`.
///
/// Source: search.html#sort. A key that follows references, as `patient.name`, is no part of R4;
/// it has the form of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What is compared, or the reference that leads to it.
    pub param: ParamId,
    /// Of the values that are compared.
    pub kind: SearchKind,
    pub descending: bool,
    /// What is compared of the resources that the reference leads to, by their type; empty: the
    /// values of `param` itself.
    pub targets: Vec<(ResourceType, SortKey)>,
}

impl SortKey {
    /// Whether values of other resources are compared.
    pub fn is_chained(&self) -> bool {
        !self.targets.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    None,
    /// Nobody asked: a number where it costs next to nothing.
    Free,
    Estimate,
    Accurate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    False,
    True,
    Text,
    Data,
    Count,
}

/// `_include=Observation:subject:Patient`.
#[derive(Clone, Debug, PartialEq)]
pub struct Include {
    /// `None`: `*`, whatever type it is.
    pub source: Option<ResourceType>,
    /// `None`: every reference parameter of the source.
    pub param: Option<ParamId>,
    pub target: Option<ResourceType>,
    pub iterate: bool,
}
