//! Order of results, shared by the store and the oracle.
//!
//! Source: FHIR R4 search.html#sort. The smallest value counts for ascending and the largest for
//! descending order; resources without a value come last in both.

use fhir_tables::ResourceType;

use crate::normalize::normalize;
use crate::params;
use crate::query::SortKey;
use crate::value::{IndexValue, Indexed};
use crate::world::{Known, World};

/// A place in the order of one sort key. The bytes compare like the places, whatever the
/// direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortValue(Vec<u8>);

/// Bytes of a text that count for the order.
pub const SORT_TEXT_MAX_BYTES: usize = 256;

const PRESENT: u8 = 0;
const MISSING: u8 = 1;

impl SortValue {
    /// The place of resources without a value.
    pub fn missing() -> SortValue {
        SortValue(vec![MISSING])
    }

    pub fn is_missing(&self) -> bool {
        self.0 == [MISSING]
    }

    /// Bytes that compare like the values.
    pub fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// Inverse of [`SortValue::encode`].
    pub fn decode(bytes: &[u8]) -> Option<SortValue> {
        let known = bytes == [MISSING] || bytes.first() == Some(&PRESENT);
        known.then(|| SortValue(bytes.to_vec()))
    }
}

/// The place of a resource under one key, in a world whose resources references lead to.
///
/// Of several resources that a chained key leads to, the one that comes first counts.
pub fn sort_value_in(world: &World, key: &SortKey, resource: &Known) -> SortValue {
    let Known { rt, id, last_updated_ms, values } = resource;
    if !key.is_chained() {
        return sort_value(key, *rt, id, *last_updated_ms, values);
    }
    let targets = resource.references(key.param).filter_map(|(rt, id)| world.get(rt, id));
    let places = targets.flat_map(|target| {
        let keys = key.targets.iter().filter(move |(rt, _)| *rt == target.rt);
        keys.map(move |(_, key)| sort_value_in(world, key, target))
    });
    places.min().unwrap_or_else(SortValue::missing)
}

/// The place of a resource under one key that leads to no other.
pub fn sort_value(
    key: &SortKey,
    rt: ResourceType,
    id: &str,
    last_updated_ms: i64,
    values: &[Indexed],
) -> SortValue {
    if key.param == params::id_of(rt) {
        return place([text_key(id)].into_iter(), key.descending);
    }
    if key.param == params::last_updated_of(rt) {
        return place([date_key(last_updated_ms)].into_iter(), key.descending);
    }
    sort_key(values, key)
}

/// The place of a resource with these values, for keys other than `_id` and `_lastUpdated`.
pub fn sort_key(values: &[Indexed], key: &SortKey) -> SortValue {
    let own = values.iter().filter(|indexed| indexed.param == key.param);
    place(own.filter_map(|indexed| value_key(&indexed.value, key.descending)), key.descending)
}

fn place(keys: impl Iterator<Item = Vec<u8>>, descending: bool) -> SortValue {
    let best = if descending { keys.max() } else { keys.min() };
    let Some(mut key) = best else { return SortValue::missing() };
    if descending {
        for byte in &mut key {
            *byte = !*byte;
        }
    }
    key.insert(0, PRESENT);
    SortValue(key)
}

/// Bytes that compare in ascending order; `None` for values that have no order.
fn value_key(value: &IndexValue, descending: bool) -> Option<Vec<u8>> {
    Some(match value {
        IndexValue::Token { system, code } => {
            let mut key = text_key(code.as_deref().unwrap_or_default());
            key.extend(text_key(system.as_deref().unwrap_or_default()));
            key
        }
        IndexValue::String(text) => {
            let mut key = text_key(&normalize(text));
            key.extend(text_key(text));
            key
        }
        IndexValue::Date { lo, hi } => date_key(if descending { *hi } else { *lo }),
        IndexValue::Number(x) => number_key(*x).to_vec(),
        IndexValue::Quantity { value, .. } => number_key(*value).to_vec(),
        IndexValue::Reference { ty, id } => text_key(&format!("{ty}/{id}")),
        IndexValue::Url(text) | IndexValue::Uri(text) => text_key(text),
        IndexValue::TokenText(_)
        | IndexValue::OfType { .. }
        | IndexValue::Identifier { .. }
        | IndexValue::Position { .. }
        | IndexValue::FullText(_)
        | IndexValue::Word { .. }
        | IndexValue::Composite(_) => return None,
    })
}

/// Text up to the limit, closed by 0 0; a 0 inside is 0 255.
fn text_key(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(SORT_TEXT_MAX_BYTES)];
    let mut out = Vec::with_capacity(text.len() + 2);
    for byte in text {
        out.push(*byte);
        if *byte == 0 {
            out.push(255);
        }
    }
    out.extend([0, 0]);
    out
}

fn date_key(ms: i64) -> Vec<u8> {
    (ms as u64 ^ (1 << 63)).to_be_bytes().to_vec()
}

fn number_key(x: f64) -> [u8; 8] {
    let bits = (if x == 0.0 { 0.0 } else { x }).to_bits();
    (if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ParamId;
    use fhir_tables::SearchKind;

    fn key(value: IndexValue, descending: bool) -> SortValue {
        let param = ParamId(0);
        let (kind, targets) = (SearchKind::String, Vec::new());
        let key = SortKey { param, kind, descending, targets };
        sort_key(&[Indexed { param, value }], &key)
    }

    #[test]
    fn bytes_compare_like_values() {
        let numbers = [f64::MIN, -2.5, -1e-300, -0.0, 1e-300, 1.0, 1.5, 2e9, f64::MAX];
        let numbers = numbers.map(IndexValue::Number);
        let text = |t: &str| IndexValue::String(t.into());
        let texts = ["", "A", "a", "a\0", "a\0b", "a b", "ab", "B", "É", "f", "z"].map(text);
        let dates = [i64::MIN, -1, 0, 1, i64::MAX].map(|ms| IndexValue::Date { lo: ms, hi: ms });
        for list in [&numbers[..], &texts[..], &dates[..]] {
            for pair in list.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                assert!(key(a.clone(), false) < key(b.clone(), false), "{a:?} {b:?}");
                assert!(key(a.clone(), true) > key(b.clone(), true), "{a:?} {b:?}");
                assert!(key(b.clone(), false) < SortValue::missing());
                assert!(key(a.clone(), true) < SortValue::missing());
            }
        }
    }

    #[test]
    fn smallest_counts_ascending_and_largest_descending() {
        let param = ParamId(3);
        let indexed = |lo, hi| Indexed { param, value: IndexValue::Date { lo, hi } };
        let values = [indexed(5, 9), indexed(7, 8), indexed(1, 2)];
        let (kind, targets) = (SearchKind::Date, Vec::new());
        let asc = SortKey { param, kind, descending: false, targets };
        let desc = SortKey { descending: true, ..asc.clone() };
        assert_eq!(sort_key(&values, &asc), sort_key(&[indexed(1, 1)], &asc));
        assert_eq!(sort_key(&values, &desc), sort_key(&[indexed(0, 9)], &desc));
        assert!(sort_key(&[], &asc).is_missing());
    }

    #[test]
    fn encode_and_decode_are_inverse() {
        for value in [SortValue::missing(), key(IndexValue::Number(4.5), true)] {
            assert_eq!(SortValue::decode(&value.encode()), Some(value));
        }
        assert_eq!(SortValue::decode(&[]), None);
        assert_eq!(SortValue::decode(&[7, 1]), None);
    }
}
