//! Keys of the search index: one byte string for each value that a search can ask for.
//!
//! | first byte | then | finds versions |
//! | --- | --- | --- |
//! | `T` | type | of the type, deletions left out |
//! | `X` | type | that are deletions |
//! | `A` | type, day | last updated on the UTC day |
//! | `H` | param | with any value of the parameter |
//! | `K` | param, code, 0, system | with the token |
//! | `S` | param, system | with any token of the system |
//! | `D` | param, day | with a date inside one UTC day |
//! | `L`, `E` | param, day | with a longer interval that begins (`L`), ends (`E`) on the day |
//! | `N` | param, bucket | with a number of the bucket |
//! | `G` | param, normalized text | with the string |
//! | `U` | param, text | with the URI |
//! | `R` | type, id, 0, param | that refer to the resource; param 0xFFFF: by no search parameter |
//! | `V` | param, text | that refer to the URL |
//! | `I` | param, value, 0, system | that refer to the identifier |
//!
//! Numbers are big endian so that ranges of keys are ranges of values.
//! Long texts are cut; [`Text::cut`] tells, and the caller then verifies.

use fhir_tables::ResourceType;
use search::value::{IndexValue, Indexed, NO_PARAM, ParamId};

/// Longest text inside a key, in bytes.
pub const TEXT_MAX_BYTES: usize = 96;
/// Day numbers are stored from here, so that all that FHIR can say are positive.
const DAY_BIAS: i64 = 1 << 23;
const DAY_MS: i64 = 86_400_000;
/// First and last day that a key can say; open ends of intervals are taken as these.
pub const DAY_MIN: i64 = -DAY_BIAS + 1;
pub const DAY_MAX: i64 = DAY_BIAS - 2;

pub fn of_type(rt: ResourceType) -> Vec<u8> {
    vec![b'T', rt.0]
}

pub fn deletions(rt: ResourceType) -> Vec<u8> {
    vec![b'X', rt.0]
}

pub fn param(family: u8, p: ParamId) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    key.push(family);
    key.extend_from_slice(&p.0.to_be_bytes());
    key
}

/// UTC day of a millisecond, clamped to what a key can say.
pub fn day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS).clamp(DAY_MIN, DAY_MAX)
}

/// First millisecond of a day.
pub fn day_start(day: i64) -> i64 {
    day * DAY_MS
}

pub fn date(family: u8, p: ParamId, day: i64) -> Vec<u8> {
    let mut key = param(family, p);
    key.extend_from_slice(&((day + DAY_BIAS) as u32).to_be_bytes()[1..]);
    key
}

/// The day in the last three bytes of a date key.
pub fn day_of_key(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0i64, |n, b| n << 8 | i64::from(*b)) - DAY_BIAS
}

/// Number bucket: sign, exponent and 12 bits of the mantissa, in order of the numbers.
pub fn bucket(n: f64) -> u32 {
    let bits = if n == 0.0 { 0.0f64 } else { n }.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    (ordered >> 40) as u32
}

pub fn number(p: ParamId, bucket: u32) -> Vec<u8> {
    let mut key = param(b'N', p);
    key.extend_from_slice(&bucket.to_be_bytes()[1..]);
    key
}

/// Text as it stands in a key.
pub struct Text<'t> {
    pub bytes: &'t [u8],
    /// Longer than a key can hold: matches must be verified.
    pub cut: bool,
}

pub fn text(t: &str) -> Text<'_> {
    let mut end = t.len().min(TEXT_MAX_BYTES);
    while !t.is_char_boundary(end) {
        end -= 1;
    }
    Text { bytes: &t.as_bytes()[..end], cut: end < t.len() }
}

pub fn with_text(family: u8, p: ParamId, t: &str) -> Vec<u8> {
    let mut key = param(family, p);
    key.extend_from_slice(text(t).bytes);
    key
}

/// Versions of a type by the UTC day of their `lastUpdated`.
pub fn updated(rt: ResourceType, at_ms: i64) -> Vec<u8> {
    updated_day(rt, day(at_ms))
}

pub fn updated_day(rt: ResourceType, day: i64) -> Vec<u8> {
    let mut key = vec![b'A', rt.0];
    key.extend_from_slice(&((day + DAY_BIAS) as u32).to_be_bytes()[1..]);
    key
}

/// `K` and `I`: text, 0, system number (0: no system).
pub fn with_system(family: u8, p: ParamId, t: &str, system: u32) -> Vec<u8> {
    let mut key = with_text(family, p, t);
    key.push(0);
    key.extend_from_slice(&system.to_be_bytes());
    key
}

pub fn system(p: ParamId, system: u32) -> Vec<u8> {
    let mut key = param(b'S', p);
    key.extend_from_slice(&system.to_be_bytes());
    key
}

pub fn referrers(rt: ResourceType, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 6);
    key.push(b'R');
    key.push(rt.0);
    key.extend_from_slice(id.as_bytes());
    key.push(0);
    key
}

pub fn reference(rt: ResourceType, id: &str, p: ParamId) -> Vec<u8> {
    let mut key = referrers(rt, id);
    key.extend_from_slice(&p.0.to_be_bytes());
    key
}

/// All keys of a version, one after the other, each behind its length.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
}

impl Keys {
    /// Keys of a version with these values. `system` gives the number of a system.
    pub fn of(
        rt: ResourceType,
        values: &[Indexed],
        system_number: &mut dyn FnMut(&str) -> u32,
    ) -> Keys {
        let mut keys = Keys { bytes: Vec::with_capacity(values.len() * 24) };
        keys.push(&of_type(rt));
        let mut has: Vec<ParamId> = Vec::with_capacity(values.len());
        for v in values {
            if v.param != NO_PARAM && !has.contains(&v.param) {
                has.push(v.param);
                keys.push(&param(b'H', v.param));
            }
            keys.push_value(v, system_number);
        }
        keys
    }

    /// The one key of a deletion.
    pub fn of_deletion(rt: ResourceType) -> Keys {
        let mut keys = Keys::default();
        keys.push(&deletions(rt));
        keys
    }

    fn push(&mut self, key: &[u8]) {
        debug_assert!(key.len() <= usize::from(u8::MAX), "keys are short");
        self.bytes.push(key.len() as u8);
        self.bytes.extend_from_slice(key);
    }

    fn push_value(&mut self, v: &Indexed, number_of: &mut dyn FnMut(&str) -> u32) {
        let p = v.param;
        let mut number_of = |s: &Option<String>| s.as_deref().map_or(0, &mut *number_of);
        match &v.value {
            IndexValue::Token { system: s, code } => {
                let s = number_of(s);
                self.push(&with_system(b'K', p, code.as_deref().unwrap_or(""), s));
                if s != 0 {
                    self.push(&system(p, s));
                }
            }
            IndexValue::String(t) => self.push(&with_text(b'G', p, &search::normalize(t))),
            IndexValue::Date { lo, hi } => {
                let (first, last) = (day(*lo), day(*hi));
                if first == last {
                    self.push(&date(b'D', p, first));
                } else {
                    self.push(&date(b'L', p, first));
                    self.push(&date(b'E', p, last));
                }
            }
            IndexValue::Number(n) => self.push(&number(p, bucket(*n))),
            IndexValue::Quantity { value, .. } => self.push(&number(p, bucket(*value))),
            IndexValue::Reference { ty, id } => self.push(&reference(*ty, id, p)),
            IndexValue::Url(t) => self.push(&with_text(b'V', p, t)),
            IndexValue::Identifier { system: s, value } => {
                let s = number_of(s);
                self.push(&with_system(b'I', p, value, s));
            }
            IndexValue::Uri(t) => self.push(&with_text(b'U', p, t)),
            IndexValue::TokenText(_) | IndexValue::OfType { .. } | IndexValue::Composite(_) => {}
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first()?;
            let (key, tail) = tail.split_at(usize::from(*len));
            rest = tail;
            Some(key)
        })
    }
}

/// The first key behind all keys that begin with `prefix`; `None` when there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_keep_the_order_of_numbers() {
        let numbers = [f64::MIN, -1e9, -2.0, -1.0, -1e-9, 0.0, 1e-9, 0.5, 1.0, 1.5, 2.0, 1e300];
        for pair in numbers.windows(2) {
            assert!(bucket(pair[0]) < bucket(pair[1]), "{pair:?}");
        }
        assert_eq!(bucket(-0.0), bucket(0.0));
    }

    #[test]
    fn days_keep_their_order_and_open_ends_fit() {
        let p = ParamId(7);
        let days = [i64::MIN, -1, 0, 86_400_000, i64::MAX].map(|ms| date(b'D', p, day(ms)));
        assert!(days.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_its_keys() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(&[1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255]), None);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = "é".repeat(TEXT_MAX_BYTES);
        let t = text(&long);
        assert!(t.cut && std::str::from_utf8(t.bytes).is_ok() && t.bytes.len() <= TEXT_MAX_BYTES);
    }
}
