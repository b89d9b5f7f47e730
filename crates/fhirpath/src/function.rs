//! The list of functions: names, arguments, what they need and what they give.
//!
//! Source: FHIRPath N1 §5 and §6; FHIR R4 fhirpath.html#functions; later additions that the official
//! suite tests (`sort`, `matchesFull`, `lowBoundary`, …).

use crate::types::SystemType;

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    // Existence.
    Empty,
    Exists,
    All,
    AllTrue,
    AnyTrue,
    AllFalse,
    AnyFalse,
    SubsetOf,
    SupersetOf,
    Count,
    Distinct,
    IsDistinct,
    // Filtering and projection.
    Where,
    Select,
    Repeat,
    OfType,
    Is,
    As,
    // Subsetting.
    Single,
    First,
    Last,
    Tail,
    Skip,
    Take,
    Intersect,
    Exclude,
    // Combining.
    Union,
    Combine,
    Coalesce,
    // Conversion.
    Iif,
    ToBoolean,
    ToInteger,
    ToDecimal,
    ToString,
    ToDate,
    ToDateTime,
    ToTime,
    ToQuantity,
    ConvertsToBoolean,
    ConvertsToInteger,
    ConvertsToDecimal,
    ConvertsToString,
    ConvertsToDate,
    ConvertsToDateTime,
    ConvertsToTime,
    ConvertsToQuantity,
    // Text.
    IndexOf,
    LastIndexOf,
    Substring,
    StartsWith,
    EndsWith,
    Contains,
    Upper,
    Lower,
    Replace,
    Matches,
    MatchesFull,
    ReplaceMatches,
    Length,
    ToChars,
    Split,
    Join,
    Trim,
    Encode,
    Decode,
    Escape,
    Unescape,
    // Math.
    Abs,
    Ceiling,
    Exp,
    Floor,
    Ln,
    Log,
    Power,
    Round,
    Sqrt,
    Truncate,
    Sum,
    Min,
    Max,
    Avg,
    // Tree.
    Children,
    Descendants,
    // Utility.
    Trace,
    Now,
    Today,
    TimeOfDay,
    Not,
    Type,
    Aggregate,
    Sort,
    LowBoundary,
    HighBoundary,
    Precision,
    Comparable,
    // FHIR.
    Extension,
    HasExtension,
    HasValue,
    GetValue,
    Resolve,
    ElementDefinition,
    Slice,
    CheckModifiers,
    ConformsTo,
    MemberOf,
    Subsumes,
    SubsumedBy,
    HtmlChecks,
}

/// What the input has to be, where it is known before evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Anything,
    Text,
    Number,
}

/// What the result is, where it is known before evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    Anything,
    /// The input's type.
    Input,
    /// The type of the first argument.
    Argument,
    System(SystemType),
}

/// One row of the list.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    pub(crate) args_min: usize,
    pub(crate) args_max: usize,
    /// Arguments are evaluated for each item, with that item as `$this`.
    pub(crate) per_item: bool,
    pub(crate) need: Need,
    pub(crate) gives: Gives,
    /// At most one item results.
    pub(crate) single: bool,
}

const fn row(
    name: &'static str,
    function: Function,
    args: (usize, usize),
    need: Need,
    gives: Gives,
    single: bool,
) -> Spec {
    let per_item = matches!(
        function,
        Function::Exists
            | Function::All
            | Function::Where
            | Function::Select
            | Function::Repeat
            | Function::Aggregate
            | Function::Sort
            | Function::Trace
    );
    let (args_min, args_max) = args;
    Spec { name, function, args_min, args_max, per_item, need, gives, single }
}

const BOOLEAN: Gives = Gives::System(SystemType::Boolean);
const INTEGER: Gives = Gives::System(SystemType::Integer);
const DECIMAL: Gives = Gives::System(SystemType::Decimal);
const STRING: Gives = Gives::System(SystemType::String);
const QUANTITY: Gives = Gives::System(SystemType::Quantity);
const DATE: Gives = Gives::System(SystemType::Date);
const DATE_TIME: Gives = Gives::System(SystemType::DateTime);
const TIME: Gives = Gives::System(SystemType::Time);

use Function as F;
use Gives::{Anything as UNKNOWN, Argument as ARGUMENT, Input as INPUT};
use Need::{Anything as ANY, Number as NUMBER, Text as TEXT};

/// Most arguments of a function that takes any number.
const ARGS_MAX: usize = 64;

/// All functions.
#[rustfmt::skip]
static FUNCTIONS: [Spec; 101] = [
    row("empty", F::Empty, (0, 0), ANY, BOOLEAN, true),
    row("exists", F::Exists, (0, 1), ANY, BOOLEAN, true),
    row("all", F::All, (1, 1), ANY, BOOLEAN, true),
    row("allTrue", F::AllTrue, (0, 0), ANY, BOOLEAN, true),
    row("anyTrue", F::AnyTrue, (0, 0), ANY, BOOLEAN, true),
    row("allFalse", F::AllFalse, (0, 0), ANY, BOOLEAN, true),
    row("anyFalse", F::AnyFalse, (0, 0), ANY, BOOLEAN, true),
    row("subsetOf", F::SubsetOf, (1, 1), ANY, BOOLEAN, true),
    row("supersetOf", F::SupersetOf, (1, 1), ANY, BOOLEAN, true),
    row("count", F::Count, (0, 0), ANY, INTEGER, true),
    row("distinct", F::Distinct, (0, 0), ANY, INPUT, false),
    row("isDistinct", F::IsDistinct, (0, 0), ANY, BOOLEAN, true),
    row("where", F::Where, (1, 1), ANY, INPUT, false),
    row("select", F::Select, (1, 1), ANY, ARGUMENT, false),
    row("repeat", F::Repeat, (1, 1), ANY, UNKNOWN, false),
    row("ofType", F::OfType, (1, 1), ANY, UNKNOWN, false),
    row("is", F::Is, (1, 1), ANY, BOOLEAN, true),
    row("as", F::As, (1, 1), ANY, UNKNOWN, false),
    row("single", F::Single, (0, 0), ANY, INPUT, true),
    row("first", F::First, (0, 0), ANY, INPUT, true),
    row("last", F::Last, (0, 0), ANY, INPUT, true),
    row("tail", F::Tail, (0, 0), ANY, INPUT, false),
    row("skip", F::Skip, (1, 1), ANY, INPUT, false),
    row("take", F::Take, (1, 1), ANY, INPUT, false),
    row("intersect", F::Intersect, (1, 1), ANY, INPUT, false),
    row("exclude", F::Exclude, (1, 1), ANY, INPUT, false),
    row("union", F::Union, (1, 1), ANY, UNKNOWN, false),
    row("combine", F::Combine, (1, 2), ANY, UNKNOWN, false),
    row("coalesce", F::Coalesce, (1, ARGS_MAX), ANY, UNKNOWN, false),
    row("iif", F::Iif, (2, 3), ANY, UNKNOWN, false),
    row("toBoolean", F::ToBoolean, (0, 0), ANY, BOOLEAN, true),
    row("toInteger", F::ToInteger, (0, 0), ANY, INTEGER, true),
    row("toDecimal", F::ToDecimal, (0, 0), ANY, DECIMAL, true),
    row("toString", F::ToString, (0, 0), ANY, STRING, true),
    row("toDate", F::ToDate, (0, 0), ANY, DATE, true),
    row("toDateTime", F::ToDateTime, (0, 0), ANY, DATE_TIME, true),
    row("toTime", F::ToTime, (0, 0), ANY, TIME, true),
    row("toQuantity", F::ToQuantity, (0, 1), ANY, QUANTITY, true),
    row("convertsToBoolean", F::ConvertsToBoolean, (0, 0), ANY, BOOLEAN, true),
    row("convertsToInteger", F::ConvertsToInteger, (0, 0), ANY, BOOLEAN, true),
    row("convertsToDecimal", F::ConvertsToDecimal, (0, 0), ANY, BOOLEAN, true),
    row("convertsToString", F::ConvertsToString, (0, 0), ANY, BOOLEAN, true),
    row("convertsToDate", F::ConvertsToDate, (0, 0), ANY, BOOLEAN, true),
    row("convertsToDateTime", F::ConvertsToDateTime, (0, 0), ANY, BOOLEAN, true),
    row("convertsToTime", F::ConvertsToTime, (0, 0), ANY, BOOLEAN, true),
    row("convertsToQuantity", F::ConvertsToQuantity, (0, 1), ANY, BOOLEAN, true),
    row("indexOf", F::IndexOf, (1, 1), TEXT, INTEGER, true),
    row("lastIndexOf", F::LastIndexOf, (1, 1), TEXT, INTEGER, true),
    row("substring", F::Substring, (1, 2), TEXT, STRING, true),
    row("startsWith", F::StartsWith, (1, 1), TEXT, BOOLEAN, true),
    row("endsWith", F::EndsWith, (1, 1), TEXT, BOOLEAN, true),
    row("contains", F::Contains, (1, 1), TEXT, BOOLEAN, true),
    row("upper", F::Upper, (0, 0), TEXT, STRING, true),
    row("lower", F::Lower, (0, 0), TEXT, STRING, true),
    row("replace", F::Replace, (2, 2), TEXT, STRING, true),
    row("matches", F::Matches, (1, 2), TEXT, BOOLEAN, true),
    row("matchesFull", F::MatchesFull, (1, 2), TEXT, BOOLEAN, true),
    row("replaceMatches", F::ReplaceMatches, (2, 3), TEXT, STRING, true),
    row("length", F::Length, (0, 0), TEXT, INTEGER, true),
    row("toChars", F::ToChars, (0, 0), TEXT, STRING, false),
    row("split", F::Split, (1, 1), TEXT, STRING, false),
    row("join", F::Join, (0, 1), TEXT, STRING, true),
    row("trim", F::Trim, (0, 0), TEXT, STRING, true),
    row("encode", F::Encode, (1, 1), TEXT, STRING, true),
    row("decode", F::Decode, (1, 1), TEXT, STRING, true),
    row("escape", F::Escape, (1, 1), TEXT, STRING, true),
    row("unescape", F::Unescape, (1, 1), TEXT, STRING, true),
    row("abs", F::Abs, (0, 0), NUMBER, INPUT, true),
    row("ceiling", F::Ceiling, (0, 0), NUMBER, INTEGER, true),
    row("exp", F::Exp, (0, 0), NUMBER, DECIMAL, true),
    row("floor", F::Floor, (0, 0), NUMBER, INTEGER, true),
    row("ln", F::Ln, (0, 0), NUMBER, DECIMAL, true),
    row("log", F::Log, (1, 1), NUMBER, DECIMAL, true),
    row("power", F::Power, (1, 1), NUMBER, DECIMAL, true),
    row("round", F::Round, (0, 1), NUMBER, DECIMAL, true),
    row("sqrt", F::Sqrt, (0, 0), NUMBER, DECIMAL, true),
    row("truncate", F::Truncate, (0, 0), NUMBER, INTEGER, true),
    row("sum", F::Sum, (0, 0), NUMBER, INPUT, true),
    row("min", F::Min, (0, 0), ANY, INPUT, true),
    row("max", F::Max, (0, 0), ANY, INPUT, true),
    row("avg", F::Avg, (0, 0), NUMBER, UNKNOWN, true),
    row("children", F::Children, (0, 0), ANY, UNKNOWN, false),
    row("descendants", F::Descendants, (0, 0), ANY, UNKNOWN, false),
    row("trace", F::Trace, (1, 2), ANY, INPUT, false),
    row("now", F::Now, (0, 0), ANY, DATE_TIME, true),
    row("today", F::Today, (0, 0), ANY, DATE, true),
    row("timeOfDay", F::TimeOfDay, (0, 0), ANY, TIME, true),
    row("not", F::Not, (0, 0), ANY, BOOLEAN, true),
    row("type", F::Type, (0, 0), ANY, UNKNOWN, false),
    row("aggregate", F::Aggregate, (1, 2), ANY, UNKNOWN, false),
    row("sort", F::Sort, (0, ARGS_MAX), ANY, INPUT, false),
    row("lowBoundary", F::LowBoundary, (0, 1), ANY, INPUT, true),
    row("highBoundary", F::HighBoundary, (0, 1), ANY, INPUT, true),
    row("precision", F::Precision, (0, 0), ANY, INTEGER, true),
    row("comparable", F::Comparable, (1, 1), ANY, BOOLEAN, true),
    row("extension", F::Extension, (1, 1), ANY, UNKNOWN, false),
    row("hasExtension", F::HasExtension, (1, 1), ANY, BOOLEAN, true),
    row("hasValue", F::HasValue, (0, 0), ANY, BOOLEAN, true),
    row("getValue", F::GetValue, (0, 0), ANY, UNKNOWN, true),
    row("resolve", F::Resolve, (0, 0), ANY, UNKNOWN, false),
    row("elementDefinition", F::ElementDefinition, (0, 0), ANY, UNKNOWN, false),
];

/// Functions that need knowledge from outside, through `Env`.
#[rustfmt::skip]
static OUTSIDE: [Spec; 7] = [
    row("slice", F::Slice, (2, 2), ANY, INPUT, false),
    row("checkModifiers", F::CheckModifiers, (0, ARGS_MAX), ANY, INPUT, false),
    row("conformsTo", F::ConformsTo, (1, 1), ANY, BOOLEAN, true),
    row("memberOf", F::MemberOf, (1, 1), ANY, BOOLEAN, true),
    row("subsumes", F::Subsumes, (1, 1), ANY, BOOLEAN, true),
    row("subsumedBy", F::SubsumedBy, (1, 1), ANY, BOOLEAN, true),
    row("htmlChecks", F::HtmlChecks, (0, 0), ANY, BOOLEAN, true),
];

/// The function of this name.
pub(crate) fn spec(name: &str) -> Option<&'static Spec> {
    FUNCTIONS.iter().chain(&OUTSIDE).find(|s| s.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_and_function_is_listed_once() {
        let all: Vec<_> = FUNCTIONS.iter().chain(&OUTSIDE).collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert!(a.name != b.name && a.function != b.function, "{}", a.name);
            }
        }
    }
}
