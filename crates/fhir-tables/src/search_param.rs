//! Search parameters, one row for each resource type that a parameter applies to.
//!
//! Source: the SearchParameter resources of FHIR R4; search.html for the comparators and
//! modifiers of each kind. The expression of a row holds only what applies to its base: of
//! `Patient.gender | Person.gender` the row of Patient keeps `Patient.gender`.
//!
//! A few parameters of R4 have no expression (`_text`, `_content`, `_query`, `_filter`, and two
//! extension parameters of Patient): their expression is empty, and there is nothing to index.

use crate::ResourceType;
use crate::generated::search_params::SEARCH_PARAMS;

/// Type of a search parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SearchKind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

impl SearchKind {
    /// The code of R4's search-param-type.
    pub const fn as_str(self) -> &'static str {
        match self {
            SearchKind::Number => "number",
            SearchKind::Date => "date",
            SearchKind::String => "string",
            SearchKind::Token => "token",
            SearchKind::Reference => "reference",
            SearchKind::Composite => "composite",
            SearchKind::Quantity => "quantity",
            SearchKind::Uri => "uri",
            SearchKind::Special => "special",
        }
    }
}

/// One search parameter of one resource type.
#[derive(Debug)]
pub struct SearchParam {
    /// The name in a URL.
    pub code: &'static str,
    pub url: &'static str,
    pub kind: SearchKind,
    /// The resource type of this row, also for parameters of Resource and DomainResource.
    pub base: ResourceType,
    /// FHIRPath for this base only; empty where R4 gives none.
    pub expression: &'static str,
    /// What a reference parameter may point to; empty means anything.
    pub targets: &'static [ResourceType],
    /// Parts of a composite: the code of the part's parameter, and an expression relative to a
    /// result of `expression`.
    pub components: &'static [(&'static str, &'static str)],
    /// The prefixes that R4 knows for this kind, in the order of search.html#prefix.
    pub comparators: &'static [&'static str],
    /// The modifiers that R4 knows for this kind, without the colon. `type` stands for the name
    /// of a resource type.
    pub modifiers: &'static [&'static str],
}

/// The search parameters of a resource type in the byte order of their codes, those of Resource
/// and DomainResource included.
pub fn search_params(base: ResourceType) -> &'static [SearchParam] {
    SEARCH_PARAMS[usize::from(base.0)]
}

/// The search parameter of this exact code.
pub fn search_param(base: ResourceType, code: &str) -> Option<&'static SearchParam> {
    let params = search_params(base);
    params.binary_search_by(|param| param.code.cmp(code)).ok().map(|param_idx| &params[param_idx])
}
