//! The query tree.
//!
//! Source: FHIR R4 search.html.

use fhir_tables::{ResourceType, SearchKind};

use crate::value::ParamId;

/// A search on one resource type.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub rt: ResourceType,
    pub compartment: Option<Compartment>,
    /// All must hold.
    pub criteria: Vec<Criterion>,
    pub sort: Vec<SortKey>,
    /// Resources on a page; already clamped to the limit. `None`: the default.
    pub count: Option<u32>,
    pub total: Option<Total>,
    pub include: Vec<Include>,
    pub revinclude: Vec<Include>,
    pub summary: Summary,
    /// Top-level elements to serve; empty: all.
    pub elements: Vec<String>,
    /// Query string for the self link: what was understood, in the order given, without paging.
    pub canonical: String,
    /// Parameters left out because handling was lenient.
    pub ignored: Vec<String>,
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
    },
    /// A resource of this server, of the types that the parameter may point to.
    Reference {
        types: Vec<ResourceType>,
        id: String,
    },
    Url(String),
    Identifier {
        system: SystemMatch,
        value: Option<String>,
    },
    Uri(String),
    /// One operand per component.
    Composite(Vec<Operand>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub param: ParamId,
    pub kind: SearchKind,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    None,
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
    pub source: ResourceType,
    /// `None`: `*`, every reference parameter of the source.
    pub param: Option<ParamId>,
    pub target: Option<ResourceType>,
    pub iterate: bool,
}
