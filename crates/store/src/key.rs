//! Keys of the search index: one byte string for each value that a search can ask for.
//!
//! | first byte | then | finds versions |
//! | --- | --- | --- |
//! | `T` | type | of the type, deletions left out |
//! | `X` | type | that are deletions |
//! | `A` | type, level, day | last updated on the UTC day |
//! | `H` | param | with any value of the parameter |
//! | `K` | param, code, 0, system | with the token |
//! | `S` | param, system | with any token of the system |
//! | `D` | param, level, day | with a date inside one UTC day |
//! | `L`, `E` | param, level, day | with a longer interval that begins (`L`), ends (`E`) on the day |
//! | `N` | param, level, bucket | with a number of the bucket |
//! | `M` | param, code, 0, system, `N`, level, bucket | with a composite of token and number |
//! | `M` | param, code, 0, system, `K`, code, 0, system | with a composite of two tokens |
//! | `G` | param, normalized text | with the string |
//! | `U` | param, text | with the URI |
//! | `R` | type, id, 0, param | that refer to the resource; param 0xFFFF: by no search parameter |
//! | `V` | param, text | that refer to the URL |
//! | `I` | param, value, 0, system | that refer to the identifier |
//! | `Q` | param, kind, level, bucket | with a quantity of the kind, in base units of UCUM |
//! | `P` | param, latitude, longitude | with a place in the cell of a quarter of a degree |
//! | `W` | param, word, 0, impact | with the word in the text that `_text` or `_content` searches |
//!
//! Numbers are big endian so that ranges of keys are ranges of values.
//! Days and buckets stand on several levels, each coarser than the one before ([`Ladder`]): a long
//! range is a few coarse keys and two short runs of fine ones, however many values lie in it.
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

/// How fine values (24 bits) are gathered into coarser ones: a level takes away `shift` more bits.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    shift: u32,
    /// The coarsest level.
    top: u8,
}

/// Levels of days: 1, 32, 1 024 (2.8 years), 32 768 days.
pub const DAYS: Ladder = Ladder { shift: 5, top: 3 };
/// Levels of number buckets; the third is one power of two.
pub const BUCKETS: Ladder = Ladder { shift: 6, top: 3 };

/// The largest fine value.
pub const FINE_MAX: u32 = 0x00FF_FFFF;

/// Neighbouring values of one level, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub level: u8,
    pub first: u32,
    pub last: u32,
}

impl Ladder {
    /// Runs that cover the fine values `from..=to`, each value once.
    pub fn cover(self, from: u32, to: u32) -> Vec<Run> {
        let mut runs = Vec::with_capacity(8);
        let low = (1u32 << self.shift) - 1;
        let (mut first, mut last, mut level) = (from, to, 0);
        while first <= last {
            if level == self.top || first >> self.shift == last >> self.shift {
                runs.push(Run { level, first, last });
                break;
            }
            if first & low != 0 {
                runs.push(Run { level, first, last: first | low });
                first = (first | low) + 1;
            }
            if last & low != low {
                runs.push(Run { level, first: last & !low, last });
                // There is at least one whole coarse value below: `first` lies under it.
                last = (last & !low).saturating_sub(1);
            }
            if first > last {
                break;
            }
            (first, last, level) = (first >> self.shift, last >> self.shift, level + 1);
        }
        runs
    }

    /// Values of the coarsest level under which nearly all values of a record lie: some ninety
    /// years and more on both sides of 1970 for days.
    pub fn usual(self) -> std::ops::RangeInclusive<u32> {
        let middle = self.at(self.top, FINE_MAX / 2 + 1);
        middle.saturating_sub(2)..=middle + 1
    }

    /// The value of a level that a fine value is gathered into.
    pub fn at(self, level: u8, fine: u32) -> u32 {
        fine >> (self.shift * u32::from(level))
    }

    /// The coarsest level.
    pub fn top(self) -> u8 {
        self.top
    }

    /// First of the values that a value of a level is made of, one level down; there are so many:
    /// [`Ladder::width`].
    pub fn down(self, value: u32) -> u32 {
        value << self.shift
    }

    /// Values of a level that make one of the next.
    pub fn width(self) -> u32 {
        1 << self.shift
    }

    /// First and last fine value that a value of a level is made of.
    pub fn fine(self, level: u8, value: u32) -> (u32, u32) {
        let bits = self.shift * u32::from(level);
        (value << bits, ((value + 1) << bits) - 1)
    }
}

fn push_level(key: &mut Vec<u8>, level: u8, value: u32) {
    key.push(level);
    key.extend_from_slice(&value.to_be_bytes()[1..]);
}

/// A key of a family that stands on levels, below a prefix of [`param`] or [`updated_prefix`].
pub fn leveled(prefix: &[u8], level: u8, value: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 4);
    key.extend_from_slice(prefix);
    push_level(&mut key, level, value);
    key
}

/// A day as it stands on level 0.
pub fn fine_day(day: i64) -> u32 {
    (day + DAY_BIAS) as u32
}

/// Inverse of [`fine_day`].
pub fn day_of_fine(fine: u32) -> i64 {
    i64::from(fine) - DAY_BIAS
}

/// A day within what a key can say.
pub fn clamp_day(day: i64) -> i64 {
    day.clamp(DAY_MIN, DAY_MAX)
}

/// Number bucket: sign, exponent and 12 bits of the mantissa, in order of the numbers.
pub fn bucket(n: f64) -> u32 {
    let bits = if n == 0.0 { 0.0f64 } else { n }.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    (ordered >> 40) as u32
}

/// Whether no smaller number is in the bucket of this one: true for integers and other short
/// numbers, which are most that are asked for.
pub fn is_least_of_bucket(n: f64) -> bool {
    bucket(n.next_down()) != bucket(n)
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

/// Before the levels of the days on which versions of a type were last updated.
pub fn updated_prefix(rt: ResourceType) -> Vec<u8> {
    vec![b'A', rt.0]
}

/// Keys of a version of a type by the UTC day of its `lastUpdated`, one for each level.
pub fn updated(rt: ResourceType, at_ms: i64) -> [Vec<u8>; DAYS.top as usize + 1] {
    let fine = fine_day(day(at_ms));
    std::array::from_fn(|level| {
        let level = level as u8;
        leveled(&updated_prefix(rt), level, DAYS.at(level, fine))
    })
}

/// `K` and `I`: text, 0, system number (0: no system).
pub fn with_system(family: u8, p: ParamId, t: &str, system: u32) -> Vec<u8> {
    let mut key = param(family, p);
    push_coded(&mut key, t, system);
    key
}

fn push_coded(key: &mut Vec<u8>, t: &str, system: u32) {
    key.extend_from_slice(text(t).bytes);
    key.push(0);
    key.extend_from_slice(&system.to_be_bytes());
}

pub fn system(p: ParamId, system: u32) -> Vec<u8> {
    let mut key = param(b'S', p);
    key.extend_from_slice(&system.to_be_bytes());
    key
}

pub fn referrers(rt: ResourceType, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 6);
    push_referrers(&mut key, rt, id);
    key
}

fn push_referrers(key: &mut Vec<u8>, rt: ResourceType, id: &str) {
    key.extend_from_slice(&[b'R', rt.0]);
    key.extend_from_slice(id.as_bytes());
    key.push(0);
}

pub fn reference(rt: ResourceType, id: &str, p: ParamId) -> Vec<u8> {
    let mut key = referrers(rt, id);
    key.extend_from_slice(&p.0.to_be_bytes());
    key
}

/// Before the levels of quantities of a kind ([`search::unit_of`]).
pub fn canonical(p: ParamId, kind: u32) -> Vec<u8> {
    let mut key = param(b'Q', p);
    key.extend_from_slice(&kind.to_be_bytes());
    key
}

/// Cell of a latitude or longitude: quarters of a degree from -180 on.
pub fn cell(degrees: f64) -> u16 {
    ((degrees.clamp(-180.0, 180.0) + 180.0) * 4.0) as u16
}

/// Places by the cells of latitude and longitude.
pub fn place(p: ParamId, latitude: u16, longitude: u16) -> Vec<u8> {
    let mut key = param(b'P', p);
    key.extend_from_slice(&latitude.to_be_bytes());
    key.extend_from_slice(&longitude.to_be_bytes());
    key
}

/// A word with its impact; a cut word stands for all that begin so.
pub fn word(p: ParamId, word: &str, impact: u8) -> Vec<u8> {
    let mut key = with_text(b'W', p, word);
    key.push(0);
    key.push(impact);
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
        keys.push(&[b'T', rt.0]);
        let mut has: Vec<ParamId> = Vec::with_capacity(32);
        for v in values {
            let is_text = matches!(v.value, IndexValue::Word { .. } | IndexValue::FullText(_));
            // Values of a parameter mostly stand together.
            if v.param != NO_PARAM && !is_text && !has.iter().rev().any(|p| *p == v.param) {
                has.push(v.param);
                keys.param(b'H', v.param, |_| {});
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

    pub fn push(&mut self, key: &[u8]) {
        self.write(|out| out.extend_from_slice(key));
    }

    /// Adds the key that `write` writes: there are many, so none is made apart.
    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        self.bytes.push(0);
        write(&mut self.bytes);
        let len = self.bytes.len() - at - 1;
        debug_assert!(len <= usize::from(u8::MAX), "keys are short");
        self.bytes[at] = len as u8;
    }

    /// As [`param`], with what `rest` writes behind it.
    fn param(&mut self, family: u8, p: ParamId, rest: impl FnOnce(&mut Vec<u8>)) {
        self.write(|out| {
            out.push(family);
            out.extend_from_slice(&p.0.to_be_bytes());
            rest(out);
        });
    }

    /// As [`with_text`].
    fn text(&mut self, family: u8, p: ParamId, t: &str) {
        self.param(family, p, |out| out.extend_from_slice(text(t).bytes));
    }

    /// As [`with_system`].
    fn system(&mut self, family: u8, p: ParamId, t: &str, system: u32) {
        self.param(family, p, |out| push_coded(out, t, system));
    }

    fn push_levels(&mut self, prefix: &[u8], ladder: Ladder, fine: u32) {
        for level in 0..=ladder.top {
            self.write(|out| {
                out.extend_from_slice(prefix);
                push_level(out, level, ladder.at(level, fine));
            });
        }
    }

    /// As [`Keys::push_levels`] below [`param`].
    fn param_levels(&mut self, family: u8, p: ParamId, ladder: Ladder, fine: u32) {
        let [high, low] = p.0.to_be_bytes();
        self.push_levels(&[family, high, low], ladder, fine);
    }

    fn push_value(&mut self, v: &Indexed, number_of: &mut dyn FnMut(&str) -> u32) {
        let p = v.param;
        let mut number_of = |s: &Option<String>| s.as_deref().map_or(0, &mut *number_of);
        match &v.value {
            IndexValue::Token { system: s, code } => {
                let s = number_of(s);
                self.system(b'K', p, code.as_deref().unwrap_or(""), s);
                if s != 0 {
                    self.param(b'S', p, |out| out.extend_from_slice(&s.to_be_bytes()));
                }
            }
            IndexValue::String(t) => self.text(b'G', p, &search::normalize(t)),
            IndexValue::Date { lo, hi } => {
                let (first, last) = (day(*lo), day(*hi));
                if first == last {
                    self.param_levels(b'D', p, DAYS, fine_day(first));
                } else {
                    self.param_levels(b'L', p, DAYS, fine_day(first));
                    self.param_levels(b'E', p, DAYS, fine_day(last));
                }
            }
            IndexValue::Number(n) => self.param_levels(b'N', p, BUCKETS, bucket(*n)),
            IndexValue::Quantity { value, system, code, .. } => {
                self.param_levels(b'N', p, BUCKETS, bucket(*value));
                let unit = search::unit_of(system.as_deref(), code.as_deref());
                if let Some(in_base) = unit.and_then(|unit| unit.canonical(*value)) {
                    let prefix = canonical(p, in_base.kind);
                    self.push_levels(&prefix, BUCKETS, bucket(in_base.value));
                }
            }
            IndexValue::Reference { ty, id } => self.write(|out| {
                push_referrers(out, *ty, id);
                out.extend_from_slice(&p.0.to_be_bytes());
            }),
            IndexValue::Url(t) => self.text(b'V', p, t),
            IndexValue::Identifier { system: s, value } => {
                let s = number_of(s);
                self.system(b'I', p, value, s);
            }
            IndexValue::Uri(t) => self.text(b'U', p, t),
            IndexValue::Composite(parts) => self.push_composite(p, parts, &mut number_of),
            IndexValue::Position { latitude, longitude } => {
                self.push(&place(p, cell(*latitude), cell(*longitude)));
            }
            IndexValue::Word { word: w, impact } => self.param(b'W', p, |out| {
                out.extend_from_slice(text(w).bytes);
                out.extend_from_slice(&[0, *impact]);
            }),
            IndexValue::TokenText(_) | IndexValue::OfType { .. } | IndexValue::FullText(_) => {}
        }
    }

    /// Composites that begin with a token and end with a quantity, a number or another token.
    fn push_composite(
        &mut self,
        p: ParamId,
        parts: &[Vec<IndexValue>],
        number_of: &mut impl FnMut(&Option<String>) -> u32,
    ) {
        let [first, second] = parts else { return };
        for first in first {
            let IndexValue::Token { system, code } = first else { continue };
            let code = code.as_deref().unwrap_or("");
            let mut prefix = with_system(b'M', p, code, number_of(system));
            let len = prefix.len();
            for second in second {
                prefix.truncate(len);
                match second {
                    IndexValue::Number(n) | IndexValue::Quantity { value: n, .. } => {
                        prefix.push(b'N');
                        self.push_levels(&prefix, BUCKETS, bucket(*n));
                    }
                    IndexValue::Token { system, code } => {
                        let code = code.as_deref().unwrap_or("");
                        prefix.push(b'K');
                        push_coded(&mut prefix, code, number_of(system));
                        self.push(&prefix);
                    }
                    _ => {}
                }
            }
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
        let prefix = param(b'D', p);
        let days = [i64::MIN, -1, 0, 86_400_000, i64::MAX]
            .map(|ms| leveled(&prefix, 0, fine_day(day(ms))));
        assert!(days.windows(2).all(|w| w[0] < w[1]));
        assert!(fine_day(DAY_MIN) > 0 && fine_day(DAY_MAX) < 1 << 24);
    }

    #[test]
    fn runs_cover_every_value_once() {
        let ends = [0, 1, 31, 32, 33, 63, 64, 1023, 1024, 1025, 4000, 32_767, 32_768, 70_000];
        for ladder in [DAYS, BUCKETS] {
            for from in ends {
                for to in ends.into_iter().filter(|to| *to >= from) {
                    let mut covered = Vec::new();
                    let mut n_keys = 0;
                    for run in ladder.cover(from, to) {
                        let width = 1u32 << (ladder.shift * u32::from(run.level));
                        covered.extend(run.first * width..(run.last + 1) * width);
                        n_keys += run.last - run.first + 1;
                    }
                    covered.sort_unstable();
                    assert_eq!(covered, (from..=to).collect::<Vec<_>>(), "{from}..={to}");
                    assert!(n_keys < 6 << ladder.shift, "{from}..={to}: {n_keys} keys");
                }
            }
        }
        assert_eq!(DAYS.cover(5, 4), []);
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

    #[test]
    fn the_least_number_of_a_bucket_has_none_before_it() {
        for n in [0.0, -0.0, 1.0, 72.0, 140.0, 0.5, 36.75, 4096.0] {
            assert!(is_least_of_bucket(n), "{n}");
        }
        for n in [105.3, 0.1, 72.001, -1.0, -72.0, f64::NEG_INFINITY, 8193.0] {
            assert!(!is_least_of_bucket(n), "{n}");
        }
        for i in 0..20_000 {
            let n = f64::from(i) / 8.0 - 1_000.0;
            for other in [n - 0.125, n - 1e-9, n.next_down()] {
                assert!(!is_least_of_bucket(n) || bucket(other) < bucket(n), "{other} {n}");
            }
        }
    }
}
