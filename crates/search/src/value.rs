//! What a search parameter finds in a resource.
//!
//! Source: FHIR R4 search.html#ptypes.

use fhir_tables::ResourceType;

/// A search parameter of one resource type: dense number over (type, code) in the order of
/// `fhir_tables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u16);

/// The number under which a store keeps references that no search parameter covers.
pub const NO_PARAM: ParamId = ParamId(u16::MAX);

/// One value that one search parameter finds in one resource.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexValue {
    /// At least one of the two is there.
    Token {
        system: Option<String>,
        code: Option<String>,
    },
    /// Words that stand with a token (`text`, `display`), for `:text` only.
    TokenText(String),
    /// `Identifier.type` with the value, for `:of-type` only.
    OfType {
        system: Option<String>,
        code: String,
        value: String,
    },
    /// Original text; compared through [`crate::normalize`].
    String(String),
    /// Closed interval, UTC milliseconds; an open end is `i64::MIN` or `i64::MAX`.
    Date {
        lo: i64,
        hi: i64,
    },
    Number(f64),
    Quantity {
        value: f64,
        system: Option<String>,
        code: Option<String>,
        unit: Option<String>,
    },
    /// To a resource of this server.
    Reference {
        ty: ResourceType,
        id: String,
    },
    /// To anything else: absolute URL, `urn:`, canonical with version cut off.
    Url(String),
    /// `Reference.identifier`, for `:identifier` only.
    Identifier {
        system: Option<String>,
        value: String,
    },
    Uri(String),
    /// Where a Location is, in degrees.
    Position {
        latitude: f64,
        longitude: f64,
    },
    /// Human text of a resource, normalized, a line for each element; for `_text` and `_content`.
    FullText(String),
    /// A word of that text, for the index alone. `impact` (0..=3) is its weight in the resource.
    Word {
        word: String,
        impact: u8,
    },
    /// Values of the components of one composite occurrence, in order of the components.
    Composite(Vec<Vec<IndexValue>>),
}

/// A value and the parameter that found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Indexed {
    pub param: ParamId,
    pub value: IndexValue,
}
