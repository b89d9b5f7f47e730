//! Does a resource answer a query? Decided on its index values alone.
//!
//! This is the meaning of every index: what an index answers must be what this answers.
//! Source: FHIR R4 search.html.

use fhir_tables::SearchKind;

use crate::normalize::normalize;
use crate::params;
use crate::query::{Compartment, Criterion, Modifier, Operand, Prefix, Query, SystemMatch};
use crate::value::{IndexValue, Indexed};

impl Query {
    /// Whether a resource is in the result. `values` are all its index values.
    pub fn matches(&self, id: &str, last_updated_ms: i64, values: &[Indexed]) -> bool {
        self.compartment.as_ref().is_none_or(|compartment| compartment.matches(id, values))
            && self.criteria.iter().all(|criterion| {
                if criterion.param == params::id_of(self.rt) {
                    criterion.matches_id(id)
                } else if criterion.param == params::last_updated_of(self.rt) {
                    criterion.matches_instant(last_updated_ms)
                } else {
                    criterion.matches(values)
                }
            })
    }

    /// Whether any criterion needs values that only the resource's body gives.
    pub fn needs_body(&self) -> bool {
        self.criteria.iter().any(Criterion::needs_body)
    }
}

impl Compartment {
    pub fn matches(&self, id: &str, values: &[Indexed]) -> bool {
        (self.is_root && self.id == id)
            || values.iter().any(|indexed| {
                self.params.contains(&indexed.param)
                    && matches!(&indexed.value, IndexValue::Reference { ty, id }
                        if *ty == self.root && *id == self.id)
            })
    }
}

impl Criterion {
    /// Whether the values of one resource satisfy this criterion.
    ///
    /// Not for `_id` and `_lastUpdated`, which are no index values.
    pub fn matches(&self, values: &[Indexed]) -> bool {
        let mut own = values.iter().filter(|indexed| indexed.param == self.param);
        match self.modifier {
            Modifier::Missing => {
                let missing = own.next().is_none();
                self.operands.iter().any(|o| matches!(o, Operand::Missing(m) if *m == missing))
            }
            // search.html#not: what has no matching value, also what has no value.
            Modifier::Not => !own.any(|indexed| self.matches_value(&indexed.value)),
            _ => own.any(|indexed| self.matches_value(&indexed.value)),
        }
    }

    /// Whether one value satisfies any of the operands; `:not` and `:missing` are not applied.
    pub fn matches_value(&self, value: &IndexValue) -> bool {
        self.operands.iter().any(|operand| operand_matches(operand, self.modifier, value))
    }

    /// `_id`.
    pub fn matches_id(&self, id: &str) -> bool {
        let found = self.operands.iter().any(|o| matches!(o, Operand::Id(wanted) if wanted == id));
        found != (self.modifier == Modifier::Not)
    }

    /// `_lastUpdated`.
    pub fn matches_instant(&self, ms: i64) -> bool {
        self.matches_value(&IndexValue::Date { lo: ms, hi: ms })
    }

    /// Whether the values that a store keeps (see [`crate::pack`]) cannot decide this criterion.
    pub fn needs_body(&self) -> bool {
        match self.modifier {
            Modifier::Missing => false,
            Modifier::Text | Modifier::OfType => true,
            _ => self.kind == SearchKind::Composite,
        }
    }
}

fn operand_matches(operand: &Operand, modifier: Modifier, value: &IndexValue) -> bool {
    use IndexValue as V;
    match (operand, value) {
        // Deviation: codes are compared with their case, where search.html#token would rather have
        // them compared without it when in doubt. Identifiers and UCUM codes differ by case, and
        // a conditional update must not take one for the other. Case: tests/matching.rs, gender.
        (Operand::Token { system, code }, V::Token { system: has_system, code: has_code }) => {
            system.matches(has_system.as_deref())
                && code.as_ref().is_none_or(|code| has_code.as_ref() == Some(code))
        }
        (Operand::TokenText(words), V::TokenText(text)) => starts_a_word(text, words),
        (
            Operand::OfType { system, code, value },
            V::OfType { system: has_system, code: has_code, value: has_value },
        ) => {
            system.as_ref().is_none_or(|system| has_system.as_ref() == Some(system))
                && code == has_code
                && value == has_value
        }
        (Operand::String(wanted), V::String(text)) => match modifier {
            Modifier::Exact => wanted == text,
            Modifier::Contains => normalize(text).contains(&normalize(wanted)),
            _ => normalize(text).starts_with(&normalize(wanted)),
        },
        (Operand::Date { prefix, lo, hi }, V::Date { lo: a, hi: b }) => {
            date_matches(*prefix, (*lo, *hi), (*a, *b))
        }
        (Operand::Number { prefix, value, lo, hi }, V::Number(x)) => {
            number_matches(*prefix, *value, (*lo, *hi), *x)
        }
        (
            Operand::Quantity { prefix, value, lo, hi, system, code },
            V::Quantity { value: x, system: has_system, code: has_code, unit },
        ) => {
            let coded = match (system, code) {
                (Some(_), _) => has_system == system && (code.is_none() || has_code == code),
                (None, Some(_)) => has_code == code || unit == code,
                (None, None) => true,
            };
            coded && number_matches(*prefix, *value, (*lo, *hi), *x)
        }
        (Operand::Reference { types, id }, V::Reference { ty, id: has_id }) => {
            id == has_id && types.contains(ty)
        }
        (Operand::Url(url), V::Url(has)) => url == has,
        (
            Operand::Identifier { system, value },
            V::Identifier { system: has, value: has_value },
        ) => {
            system.matches(has.as_deref()) && value.as_ref().is_none_or(|value| value == has_value)
        }
        (Operand::Uri(uri), V::Uri(has)) => match modifier {
            Modifier::Below => is_above(uri, has),
            Modifier::Above => is_above(has, uri),
            _ => uri == has,
        },
        (Operand::Composite(operands), V::Composite(parts)) => {
            operands.len() == parts.len()
                && operands.iter().zip(parts).all(|(operand, values)| {
                    values.iter().any(|value| operand_matches(operand, Modifier::None, value))
                })
        }
        _ => false,
    }
}

impl SystemMatch {
    pub fn matches(&self, system: Option<&str>) -> bool {
        match self {
            SystemMatch::Any => true,
            SystemMatch::Absent => system.is_none(),
            SystemMatch::Is(wanted) => system == Some(wanted),
        }
    }
}

/// Whether `words` stand in `text` from the start of a word on; both normalized.
fn starts_a_word(text: &str, words: &str) -> bool {
    text.match_indices(words)
        .any(|(at, _)| !text[..at].chars().next_back().is_some_and(char::is_alphanumeric))
}

/// `upper` is `lower` or a whole number of path segments before it.
fn is_above(upper: &str, lower: &str) -> bool {
    lower.strip_prefix(upper).is_some_and(|rest| {
        rest.is_empty()
            || upper.ends_with(['/', ':', '#'])
            || rest.starts_with(['/', '|', '#', '?'])
    })
}

/// `range` is what the search says, `value` what the resource says; both closed.
///
/// Source: search.html#prefix, #date.
pub fn date_matches(prefix: Prefix, range: (i64, i64), value: (i64, i64)) -> bool {
    let ((lo, hi), (a, b)) = (range, value);
    let within = lo <= a && b <= hi;
    match prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        Prefix::Gt => b > hi,
        Prefix::Lt => a < lo,
        Prefix::Ge => b > hi || within,
        Prefix::Le => a < lo || within,
        Prefix::Sa => a > hi,
        Prefix::Eb => b < lo,
        Prefix::Ap => a <= hi && lo <= b,
    }
}

/// `range.0 <= x < range.1` is the precision of the search's number; comparisons ignore it.
///
/// Source: search.html#number.
pub fn number_matches(prefix: Prefix, value: f64, range: (f64, f64), x: f64) -> bool {
    let within = range.0 <= x && x < range.1;
    match prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        // The ends of the 10 % belong to it.
        Prefix::Ap => within || x == range.1,
        Prefix::Gt | Prefix::Sa => x > value,
        Prefix::Lt | Prefix::Eb => x < value,
        Prefix::Ge => x >= value,
        Prefix::Le => x <= value,
    }
}
