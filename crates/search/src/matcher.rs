//! Does a resource answer a query? Decided on its index values alone.
//!
//! This is the meaning of every index: what an index answers must be what this answers.
//! Source: FHIR R4 search.html.

use fhir_tables::SearchKind;

use crate::convert::unit_of;
use crate::custom::is_custom;
use crate::fulltext;
use crate::near;
use crate::normalize::normalize;
use crate::params;
use crate::query::{
    Chain, Compartment, Criterion, FilterOp, Has, Modifier, Node, Operand, Prefix, Query,
    SystemMatch,
};
use crate::value::{IndexValue, Indexed};
use crate::world::{Known, World};

impl Query {
    /// Whether a resource is in the result, in a world without other resources: chains and `_has`
    /// lead nowhere. `values` are all its index values.
    pub fn matches(&self, id: &str, last_updated_ms: i64, values: &[Indexed]) -> bool {
        let values = values.to_vec();
        let resource = Known { rt: self.rt, id: id.to_owned(), last_updated_ms, values };
        self.matches_in(&World::default(), &resource)
    }

    /// Whether a resource is in the compartment that is searched, if one is.
    pub fn is_in_compartment(&self, resource: &Known) -> bool {
        let Known { id, values, .. } = resource;
        self.compartment.as_ref().is_none_or(|compartment| compartment.matches(id, values))
    }

    /// Whether a resource is in the result; chains and `_has` see the resources of `world`.
    pub fn matches_in(&self, world: &World, resource: &Known) -> bool {
        resource.rt == self.rt
            && self.is_in_compartment(resource)
            && self.nodes.iter().all(|node| node.matches(world, resource))
    }
}

impl Node {
    /// Whether a resource satisfies the condition.
    pub fn matches(&self, world: &World, resource: &Known) -> bool {
        match self {
            Node::Criterion(criterion) => criterion.matches_resource(resource),
            Node::Chain(chain) => chain.matches(world, resource),
            Node::Has(has) => has.matches(world, resource),
            Node::And(nodes) => nodes.iter().all(|node| node.matches(world, resource)),
            Node::Or(nodes) => nodes.iter().any(|node| node.matches(world, resource)),
            Node::Not(node) => !node.matches(world, resource),
        }
    }
}

impl Chain {
    fn matches(&self, world: &World, resource: &Known) -> bool {
        resource.references(self.param).any(|(rt, id)| {
            world.get(rt, id).is_some_and(|target| {
                let mut nodes = self.targets.iter().filter(|(of, _)| *of == rt);
                nodes.any(|(_, node)| node.matches(world, target))
            })
        })
    }
}

impl Has {
    fn matches(&self, world: &World, resource: &Known) -> bool {
        world.of(self.source).any(|source| {
            source.references(self.param).any(|to| to == (resource.rt, resource.id.as_str()))
                && self.node.matches(world, source)
        })
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
    /// Whether a resource satisfies this criterion, `_id` and `_lastUpdated` included.
    pub fn matches_resource(&self, resource: &Known) -> bool {
        if self.param == params::id_of(resource.rt) {
            self.matches_id(&resource.id)
        } else if self.param == params::last_updated_of(resource.rt) {
            self.matches_instant(resource.last_updated_ms)
        } else {
            self.matches(&resource.values)
        }
    }

    /// Whether the values of one resource satisfy this criterion.
    ///
    /// Not for `_id` and `_lastUpdated`, which are no index values.
    pub fn matches(&self, values: &[Indexed]) -> bool {
        if let Some(Operand::FullText(_)) = self.operands.first() {
            return self.matches_text(values);
        }
        let mut own = values.iter().filter(|indexed| indexed.param == self.param);
        match self.modifier {
            Modifier::Missing => {
                let missing = own.next().is_none();
                self.operands.iter().any(|o| matches!(o, Operand::Missing(m) if *m == missing))
            }
            // search.html#not: what has no matching value, also what has no value.
            Modifier::Not | Modifier::NotIn => {
                !own.any(|indexed| self.matches_value(&indexed.value))
            }
            Modifier::Filter(FilterOp::Differs) => own.any(|indexed| {
                is_value(&indexed.value)
                    && !self.operands.iter().any(|o| is_same(o, &indexed.value))
            }),
            _ => own.any(|indexed| self.matches_value(&indexed.value)),
        }
    }

    /// Whether one value satisfies any of the operands; `:not` and `:missing` are not applied.
    pub fn matches_value(&self, value: &IndexValue) -> bool {
        self.operands.iter().any(|operand| operand_matches(operand, self.modifier, value))
    }

    /// `_id`.
    pub fn matches_id(&self, id: &str) -> bool {
        let found = self.operands.iter().any(|operand| match operand {
            Operand::Id(wanted) => wanted == id,
            Operand::Among { ids, .. } => ids.contains(id),
            _ => false,
        });
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
            _ if matches!(self.operands.first(), Some(Operand::FullText(_))) => true,
            // Those of a practice are kept whole.
            _ => self.kind == SearchKind::Composite && !is_custom(self.param),
        }
    }

    /// `_text` and `_content`: the latter looks into the narrative too.
    fn matches_text(&self, values: &[Indexed]) -> bool {
        let scopes = fulltext::scopes(self.param);
        let texts: Vec<&str> = values
            .iter()
            .filter(|indexed| scopes.contains(&indexed.param))
            .filter_map(|indexed| match &indexed.value {
                IndexValue::FullText(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        self.operands.iter().any(|o| matches!(o, Operand::FullText(q) if q.matches(&texts)))
    }
}

/// Whether a value says something; marks and words beside a token do not.
fn is_value(value: &IndexValue) -> bool {
    !matches!(value, IndexValue::TokenText(_) | IndexValue::OfType { .. })
}

/// `eq` of `_filter`: the same value, a date in the same precision.
fn is_same(operand: &Operand, value: &IndexValue) -> bool {
    use IndexValue as V;
    match (operand, value) {
        (Operand::String(wanted), V::String(text)) => normalize(text) == normalize(wanted),
        (Operand::Date { lo, hi, .. }, V::Date { lo: a, hi: b }) => lo == a && hi == b,
        (Operand::Number { value, .. }, V::Number(x)) => value == x,
        (Operand::Quantity { value, .. }, V::Quantity { value: x, .. }) if value != x => false,
        _ => operand_matches(operand, Modifier::None, value),
    }
}

fn filter_matches(op: FilterOp, operand: &Operand, value: &IndexValue) -> bool {
    let texts = || match (operand, value) {
        (Operand::String(wanted), IndexValue::String(text)) => {
            Some((normalize(text), normalize(wanted)))
        }
        _ => None,
    };
    match op {
        FilterOp::Same => is_same(operand, value),
        FilterOp::Differs => is_value(value) && !is_same(operand, value),
        FilterOp::EndsWith => texts().is_some_and(|(text, wanted)| text.ends_with(&wanted)),
        FilterOp::Greater => texts().is_some_and(|(text, wanted)| text > wanted),
        FilterOp::Less => texts().is_some_and(|(text, wanted)| text < wanted),
        FilterOp::GreaterOrSame => texts().is_some_and(|(text, wanted)| text >= wanted),
        FilterOp::LessOrSame => texts().is_some_and(|(text, wanted)| text <= wanted),
        FilterOp::Covers => match (operand, value) {
            (Operand::Date { lo, hi, .. }, IndexValue::Date { lo: a, hi: b }) => a <= lo && hi <= b,
            _ => false,
        },
    }
}

fn operand_matches(operand: &Operand, modifier: Modifier, value: &IndexValue) -> bool {
    use IndexValue as V;
    if let Modifier::Filter(op) = modifier {
        return filter_matches(op, operand, value);
    }
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
            Operand::Quantity { prefix, value, lo, hi, system, code, canonical },
            V::Quantity { value: x, system: has_system, code: has_code, unit },
        ) => {
            if let Some(c) = canonical
                && let Some(has_unit) = unit_of(has_system.as_deref(), has_code.as_deref())
            {
                return has_unit.canonical(*x).is_some_and(|x| {
                    x.kind == c.kind && number_matches(*prefix, c.value, (c.lo, c.hi), x.value)
                });
            }
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
        (Operand::Among { rt, ids }, V::Reference { ty, id }) => ty == rt && ids.contains(id),
        (Operand::Url(url), V::Url(has)) => match modifier {
            Modifier::Below => is_above(url, has),
            Modifier::Above => is_above(has, url),
            _ => url == has,
        },
        (Operand::Codes(set), V::Token { system, code: Some(code) }) => {
            set.contains(system.as_deref(), code)
        }
        (
            Operand::Near { latitude, longitude, distance_m },
            V::Position { latitude: lat, longitude: lon },
        ) => near::distance_m((*latitude, *longitude), (*lat, *lon)) <= *distance_m,
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

/// `upper` is `lower` or a whole number of path segments before it; behind a `|`, of parts of the
/// version: `…|1` is above `…|1.2`.
pub fn is_above(upper: &str, lower: &str) -> bool {
    lower.strip_prefix(upper).is_some_and(|rest| {
        rest.is_empty()
            || upper.ends_with(['/', ':', '#'])
            || rest.starts_with(['/', '|', '#', '?'])
            || (rest.starts_with('.') && upper.contains('|'))
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
