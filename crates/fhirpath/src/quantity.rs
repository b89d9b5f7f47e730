//! Quantities and the units that this crate can convert.
//!
//! Source: FHIRPath N1 §2.1.7 (literals), §6.1 and §6.2 (comparison), §6.6 (arithmetic); UCUM 2.1.
//! A unit is read by UCUM's grammar (prefixes, exponents, `.`, `/`, parentheses, annotations) over
//! the atoms in [`ATOMS`]: those of clinical practice. A quantity in any other unit equals only a
//! quantity in the same unit. Amounts of substance and arbitrary units are dimensions of their
//! own.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::decimal::Decimal;

/// A number with a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity<'a> {
    /// The number.
    pub value: Decimal,
    /// A UCUM code, or a calendar word in the singular (`day`) when `calendar`.
    pub unit: Cow<'a, str>,
    /// Whether the unit is a calendar duration.
    pub calendar: bool,
}

/// m, s, g, rad, K, C, cd, mol, international unit, calendar month.
type Dimensions = [i8; 10];

/// A unit as a multiple `numerator / denominator` of base units, after adding `offset`.
#[derive(Clone, Copy, Debug)]
struct Scale {
    numerator: Decimal,
    denominator: Decimal,
    offset: Decimal,
    dimensions: Dimensions,
}

const NONE: Dimensions = [0; 10];
const BASE_NAMES: [&str; 10] = ["m", "s", "g", "rad", "K", "C", "cd", "mol", "[iU]", "month"];
/// Longest unit code and deepest parentheses that are read.
const UNIT_BYTES_MAX: usize = 128;
const UNIT_DEPTH_MAX: u8 = 8;

const PREFIXES: [(&str, i8); 21] = [
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
    ("µ", -6),
];

/// Atom, whether it takes prefixes, numerator, denominator, and its unit in terms of base units.
const ATOMS: &[(&str, bool, &str, &str, &str)] = &[
    ("m", true, "1", "1", "m"),
    ("s", true, "1", "1", "s"),
    ("g", true, "1", "1", "g"),
    ("rad", true, "1", "1", "rad"),
    ("K", true, "1", "1", "K"),
    ("C", true, "1", "1", "C"),
    ("cd", true, "1", "1", "cd"),
    ("mol", true, "1", "1", "mol"),
    ("eq", true, "1", "1", "mol"),
    ("osm", true, "1", "1", "mol"),
    ("[iU]", true, "1", "1", "[iU]"),
    ("[IU]", true, "1", "1", "[iU]"),
    ("10*", false, "10", "1", ""),
    ("10^", false, "10", "1", ""),
    ("%", false, "1", "100", ""),
    ("[ppth]", false, "1", "1000", ""),
    ("[ppm]", false, "1", "1000000", ""),
    ("[ppb]", false, "1", "1000000000", ""),
    ("min", false, "60", "1", "s"),
    ("h", false, "3600", "1", "s"),
    ("d", false, "86400", "1", "s"),
    ("wk", false, "604800", "1", "s"),
    ("mo", false, "2629800", "1", "s"),
    ("a", false, "31557600", "1", "s"),
    ("L", true, "1", "1000", "m3"),
    ("l", true, "1", "1000", "m3"),
    ("t", true, "1000000", "1", "g"),
    ("Hz", true, "1", "1", "s-1"),
    ("Bq", true, "1", "1", "s-1"),
    ("N", true, "1000", "1", "g.m.s-2"),
    ("Pa", true, "1000", "1", "g.m-1.s-2"),
    ("bar", true, "100000000", "1", "g.m-1.s-2"),
    ("m[Hg]", true, "133322000", "1", "g.m-1.s-2"),
    ("m[H2O]", true, "9806650", "1", "g.m-1.s-2"),
    ("atm", false, "101325000", "1", "g.m-1.s-2"),
    ("J", true, "1000", "1", "g.m2.s-2"),
    ("cal", true, "4184", "1", "g.m2.s-2"),
    ("[Cal]", false, "4184000", "1", "g.m2.s-2"),
    ("W", true, "1000", "1", "g.m2.s-3"),
    ("Gy", true, "1", "1", "m2.s-2"),
    ("Sv", true, "1", "1", "m2.s-2"),
    ("A", true, "1", "1", "C.s-1"),
    ("V", true, "1000", "1", "g.m2.s-2.C-1"),
    ("kat", true, "1", "1", "mol.s-1"),
    ("U", true, "1", "60000000", "mol.s-1"),
    ("[in_i]", false, "254", "10000", "m"),
    ("[ft_i]", false, "3048", "10000", "m"),
    ("[yd_i]", false, "9144", "10000", "m"),
    ("[mi_i]", false, "1609344", "1000", "m"),
    ("[lb_av]", false, "453.59237", "1", "g"),
    ("[oz_av]", false, "28.349523125", "1", "g"),
    ("[stone_av]", false, "6350.29318", "1", "g"),
    ("[gr]", false, "0.06479891", "1", "g"),
    ("[gal_us]", false, "0.003785411784", "1", "m3"),
    ("[qt_us]", false, "0.000946352946", "1", "m3"),
    ("[pt_us]", false, "0.000473176473", "1", "m3"),
    ("[cup_us]", false, "0.0002365882365", "1", "m3"),
    ("[foz_us]", false, "0.0000295735295625", "1", "m3"),
    ("[tbs_us]", false, "0.00001478676478125", "1", "m3"),
    ("[tsp_us]", false, "0.00000492892159375", "1", "m3"),
];

fn number(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or(Decimal::ZERO)
}

impl Scale {
    const ONE: Self = Self {
        numerator: Decimal::new(1, 0),
        denominator: Decimal::new(1, 0),
        offset: Decimal::ZERO,
        dimensions: NONE,
    };

    fn times(self, other: Self) -> Option<Self> {
        let mut dimensions = self.dimensions;
        for (mine, theirs) in dimensions.iter_mut().zip(other.dimensions) {
            *mine = mine.checked_add(theirs)?;
        }
        Some(Self {
            numerator: self.numerator.mul(other.numerator)?.normalize(),
            denominator: self.denominator.mul(other.denominator)?.normalize(),
            offset: Decimal::ZERO,
            dimensions,
        })
    }

    fn inverse(self) -> Self {
        Self {
            numerator: self.denominator,
            denominator: self.numerator,
            offset: Decimal::ZERO,
            dimensions: self.dimensions.map(i8::saturating_neg),
        }
    }

    fn power(self, exponent: i8) -> Option<Self> {
        let base = if exponent < 0 { self.inverse() } else { self };
        let mut out = Self::ONE;
        for _ in 0..exponent.unsigned_abs() {
            out = out.times(base)?;
        }
        Some(out)
    }

    /// `value` in base units, as numerator and denominator.
    fn apply(self, value: Decimal) -> Option<(Decimal, Decimal)> {
        Some((value.add(self.offset)?.mul(self.numerator)?, self.denominator))
    }

    fn code(self) -> String {
        let mut out = String::new();
        for (name, exponent) in BASE_NAMES.iter().zip(self.dimensions) {
            if exponent == 0 {
                continue;
            }
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(name);
            if exponent != 1 {
                out.push_str(&exponent.to_string());
            }
        }
        if out.is_empty() { "1".to_owned() } else { out }
    }
}

/// UCUM text to scale.
struct UnitReader<'t> {
    text: &'t str,
    depth: u8,
}

impl UnitReader<'_> {
    fn term(&mut self) -> Option<Scale> {
        self.depth += 1;
        if self.depth > UNIT_DEPTH_MAX {
            return None;
        }
        let mut out = match self.text.strip_prefix('/') {
            Some(rest) => {
                self.text = rest;
                self.component()?.inverse()
            }
            None => self.component()?,
        };
        loop {
            let divide = match self.text.as_bytes().first() {
                Some(b'.') => false,
                Some(b'/') => true,
                _ => break,
            };
            self.text = &self.text[1..];
            let next = self.component()?;
            out = out.times(if divide { next.inverse() } else { next })?;
        }
        self.depth -= 1;
        Some(out)
    }

    fn component(&mut self) -> Option<Scale> {
        if let Some(rest) = self.text.strip_prefix('(') {
            self.text = rest;
            let inner = self.term()?;
            self.text = self.text.strip_prefix(')')?;
            return Some(inner);
        }
        if self.text.starts_with('{') {
            self.skip_annotation()?;
            return Some(Scale::ONE);
        }
        let len = self.atom_len();
        let (word, rest) = self.text.split_at(len);
        let out = if word.is_empty() {
            return None;
        } else if word.bytes().all(|b| b.is_ascii_digit()) {
            Scale { numerator: Decimal::parse(word)?, ..Scale::ONE }
        } else {
            simple_unit(word)?
        };
        self.text = rest;
        if self.text.starts_with('{') {
            self.skip_annotation()?;
        }
        Some(out)
    }

    /// Bytes of the atom with its exponent; brackets hide separators.
    fn atom_len(&self) -> usize {
        let mut in_brackets = false;
        for (i, byte) in self.text.bytes().enumerate() {
            match byte {
                b'[' => in_brackets = true,
                b']' => in_brackets = false,
                b'.' | b'/' | b'(' | b')' | b'{' if !in_brackets => return i,
                _ => {}
            }
        }
        self.text.len()
    }

    fn skip_annotation(&mut self) -> Option<()> {
        let end = self.text.find('}')?;
        self.text = &self.text[end + 1..];
        Some(())
    }
}

/// `cm2`, `10*3`, `mm[Hg]`: prefix, atom, exponent.
fn simple_unit(word: &str) -> Option<Scale> {
    let (name, exponent) = split_exponent(word);
    let base = atom(name)?;
    match exponent {
        None => Some(base),
        Some(text) => base.power(text.parse().ok().filter(|e: &i8| e.abs() <= 30)?),
    }
}

fn split_exponent(word: &str) -> (&str, Option<&str>) {
    if let Some(rest) = word.strip_prefix("10*").or_else(|| word.strip_prefix("10^")) {
        return (&word[..3], (!rest.is_empty()).then_some(rest));
    }
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.len() == word.len() {
        return (word, None);
    }
    let name = name.strip_suffix(['-', '+']).unwrap_or(name);
    (name, Some(&word[name.len()..]))
}

fn atom(name: &str) -> Option<Scale> {
    if let Some(found) = ATOMS.iter().find(|a| a.0 == name) {
        return atom_scale(found);
    }
    PREFIXES.iter().find_map(|(prefix, exponent)| {
        let rest = name.strip_prefix(prefix)?;
        let scale = atom_scale(ATOMS.iter().find(|a| a.0 == rest && a.1)?)?;
        let ten = Scale { numerator: Decimal::new(10, 0), ..Scale::ONE };
        ten.power(*exponent)?.times(scale)
    })
}

fn atom_scale(found: &(&str, bool, &str, &str, &str)) -> Option<Scale> {
    let mut out = Scale { numerator: number(found.2), denominator: number(found.3), ..Scale::ONE };
    for part in found.4.split('.').filter(|p| !p.is_empty()) {
        let (name, exponent) = split_exponent(part);
        let axis = BASE_NAMES.iter().position(|b| *b == name)?;
        out.dimensions[axis] += exponent.map_or(Some(1), |e| e.parse().ok())?;
    }
    Some(out)
}

fn ucum(code: &str) -> Option<Scale> {
    let kelvin = |offset, numerator, denominator| {
        let mut dimensions = NONE;
        dimensions[4] = 1;
        Scale { numerator, denominator, offset, dimensions }
    };
    match code {
        "" | "1" => return Some(Scale::ONE),
        "Cel" => return Some(kelvin(number("273.15"), number("1"), number("1"))),
        "[degF]" => return Some(kelvin(number("459.67"), number("5"), number("9"))),
        _ => {}
    }
    if code.len() > UNIT_BYTES_MAX {
        return None;
    }
    let mut reader = UnitReader { text: code, depth: 0 };
    let scale = reader.term()?;
    reader.text.is_empty().then_some(scale)
}

fn calendar(word: &str) -> Option<Scale> {
    let months = |n| {
        let mut dimensions = NONE;
        dimensions[9] = 1;
        Scale { numerator: Decimal::new(n, 0), dimensions, ..Scale::ONE }
    };
    match word {
        "year" => Some(months(12)),
        "month" => Some(months(1)),
        _ => ucum(calendar_as_ucum(word)?),
    }
}

/// The definite unit that stands nearest to a calendar word.
pub(crate) fn calendar_as_ucum(word: &str) -> Option<&'static str> {
    Some(match word {
        "year" => "a",
        "month" => "mo",
        "week" => "wk",
        "day" => "d",
        "hour" => "h",
        "minute" => "min",
        "second" => "s",
        "millisecond" => "ms",
        _ => return None,
    })
}

impl<'a> Quantity<'a> {
    /// A quantity in a UCUM unit.
    #[must_use]
    pub fn new(value: Decimal, unit: impl Into<Cow<'a, str>>) -> Self {
        Self { value, unit: unit.into(), calendar: false }
    }

    /// A calendar duration; `word` may be singular or plural.
    #[must_use]
    pub fn calendar(value: Decimal, word: &str) -> Self {
        let singular = word.strip_suffix('s').unwrap_or(word);
        Self { value, unit: Cow::Owned(singular.to_owned()), calendar: true }
    }

    /// Reads `4 days`, `10.1 'mg'`, `1`. Source: N1 §5.5.7 (toQuantity).
    #[must_use]
    pub fn parse(text: &str) -> Option<Quantity<'static>> {
        let text = text.trim();
        let split = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
            .unwrap_or(text.len());
        let value = Decimal::parse(&text[..split])?;
        let unit = text[split..].trim_start();
        if unit.is_empty() {
            return (split == text.len()).then(|| Quantity::new(value, "1"));
        }
        if let Some(code) = unit.strip_prefix('\'') {
            let code = code.strip_suffix('\'').filter(|c| !c.is_empty() && !c.contains('\''))?;
            return Some(Quantity::new(value, code.to_owned()));
        }
        crate::ast::is_calendar_unit(unit).then(|| Quantity::calendar(value, unit))
    }

    fn scale(&self) -> Option<Scale> {
        if self.calendar { calendar(&self.unit) } else { ucum(&self.unit) }
    }

    /// Whether both can be compared, whatever their values.
    #[must_use]
    pub fn comparable(&self, other: &Self) -> bool {
        if self.unit == other.unit && self.calendar == other.calendar {
            return true;
        }
        match (self.scale(), other.scale()) {
            (Some(a), Some(b)) => a.dimensions == b.dimensions,
            _ => false,
        }
    }

    /// Order, or `None` when the units cannot be converted.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.unit == other.unit && self.calendar == other.calendar {
            return Some(self.value.compare(other.value));
        }
        let (a, b) = (self.scale()?, other.scale()?);
        if a.dimensions != b.dimensions {
            return None;
        }
        let ((an, ad), (bn, bd)) = (a.apply(self.value)?, b.apply(other.value)?);
        Some(an.mul(bd)?.compare(bn.mul(ad)?))
    }

    /// `other` in this quantity's unit.
    fn convert(&self, other: &Self) -> Option<Decimal> {
        if self.unit == other.unit && self.calendar == other.calendar {
            return Some(other.value);
        }
        let (a, b) = (self.scale()?, other.scale()?);
        if a.dimensions != b.dimensions {
            return None;
        }
        let (bn, bd) = b.apply(other.value)?;
        bn.mul(a.denominator)?.div(bd.mul(a.numerator)?)?.sub(a.offset)
    }

    /// Whether both are the same at the lesser precision; calendar and definite durations may mix.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        let definite = |q: &Self| match calendar_as_ucum(&q.unit) {
            Some(code) if q.calendar => Quantity::new(q.value, code),
            _ => Quantity { value: q.value, unit: Cow::Owned(q.unit.to_string()), calendar: false },
        };
        let (a, b) = (definite(self), definite(other));
        let Some(converted) = a.convert(&b) else { return false };
        let digits = a.value.scale().min(converted.scale());
        match (a.value.round(digits), converted.round(digits)) {
            (Some(x), Some(y)) => x.compare(y) == Ordering::Equal,
            _ => false,
        }
    }

    /// Sum in the more granular of both units: `3 'm' + 3 'cm'` is `303 'cm'` (N1 §6.6.3).
    #[must_use]
    pub fn add(&self, other: &Self) -> Option<Self> {
        let into = |unit: &Self, x: &Self, y: &Self| {
            let value = unit.convert(x)?.add(unit.convert(y)?)?;
            Some(Self { value, unit: unit.unit.clone(), calendar: unit.calendar })
        };
        let same = self.unit == other.unit && self.calendar == other.calendar;
        if !same && self.unit_is_larger_than(other)? {
            return into(other, self, other);
        }
        into(self, self, other)
    }

    fn unit_is_larger_than(&self, other: &Self) -> Option<bool> {
        let (a, b) = (self.scale()?, other.scale()?);
        let mine = a.numerator.mul(b.denominator)?;
        Some(mine.compare(b.numerator.mul(a.denominator)?).is_gt())
    }

    /// This quantity in the unit of `unit`.
    #[must_use]
    pub fn convert_to(&self, unit: &Self) -> Option<Self> {
        let value = unit.convert(self)?;
        Some(Self { value, unit: unit.unit.clone(), calendar: unit.calendar })
    }

    /// The opposite.
    #[must_use]
    pub fn neg(&self) -> Self {
        Self { value: self.value.neg(), unit: self.unit.clone(), calendar: self.calendar }
    }

    /// Product, in base units unless one side is a bare number.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Option<Self> {
        if other.unit == "1" {
            let value = self.value.mul(other.value)?;
            return Some(Self { value, unit: self.unit.clone(), calendar: self.calendar });
        }
        if self.unit == "1" {
            return other.mul(self);
        }
        let scale = self.scale()?.times(other.scale()?)?;
        let (numerator, denominator) = scale.apply(self.value.mul(other.value)?)?;
        Some(Self::new(numerator.div(denominator)?, scale.code()))
    }

    /// Quotient, in base units unless the divisor is a bare number; `None` for a zero divisor.
    #[must_use]
    pub fn div(&self, other: &Self) -> Option<Self> {
        if other.unit == "1" || (self.unit == other.unit && self.calendar == other.calendar) {
            let value = self.value.div(other.value)?;
            let same = self.unit == other.unit;
            let unit = if same { Cow::Borrowed("1") } else { self.unit.clone() };
            return Some(Self { value, unit, calendar: !same && self.calendar });
        }
        let scale = self.scale()?.times(other.scale()?.inverse())?;
        let (numerator, denominator) = scale.apply(self.value.div(other.value)?)?;
        Some(Self::new(numerator.div(denominator)?, scale.code()))
    }
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.calendar {
            return write!(f, "{} '{}'", self.value, self.unit);
        }
        let plural =
            if self.value.compare(Decimal::new(1, 0)) == Ordering::Equal { "" } else { "s" };
        write!(f, "{} {}{plural}", self.value, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity<'static> {
        Quantity::parse(text).expect(text)
    }

    #[test]
    fn reads_and_writes() {
        assert_eq!(q("4 days").to_string(), "4 days");
        assert_eq!(q("1 days").to_string(), "1 day");
        assert_eq!(q("10.1 'mg'").to_string(), "10.1 'mg'");
        for text in ["1.a", "mg", "1 mg", "1 'mg", "", "1 ''"] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn units_convert() {
        let same = |a, b| assert_eq!(q(a).compare(&q(b)), Some(Ordering::Equal), "{a} = {b}");
        same("4.0000 'g'", "4000.0 'mg'");
        same("7 days", "1 week");
        same("7 days", "1 'wk'");
        same("1 year", "12 months");
        same("1 'm[Hg]'", "1000 'mm[Hg]'");
        same("37 'Cel'", "98.6 '[degF]'");
        same("1 '[ft_i]'", "30.48 'cm'");
        same("60 '/min'", "1 'Hz'");
        same("1 'mg/dL'", "10 'mg/L'");
        same("1 'umol/min'", "1 'U'");
        same("5 '10*3/uL'", "5 '10*9/L'");
        same("5 '{beats}/min'", "5 '/min'");
        assert_eq!(q("1 year").compare(&q("1 'a'")), None);
        assert_eq!(q("1 'cm'").compare(&q("1 's'")), None);
        assert_eq!(q("1 '[s]'").compare(&q("1 's'")), None);
        assert!(q("1 year").equivalent(&q("1 'a'")));
        assert!(q("4 'g'").equivalent(&q("4040 'mg'")));
    }

    #[test]
    fn arithmetic() {
        let area = q("2.0 'cm'").mul(&q("2.0 'm'")).expect("area");
        assert_eq!(area.compare(&q("0.040 'm2'")), Some(Ordering::Equal));
        let density = q("4.0 'g'").div(&q("2.0 'm'")).expect("density");
        assert_eq!(density.compare(&q("2 'g/m'")), Some(Ordering::Equal));
        assert_eq!(
            q("3 'm'").add(&q("3 'cm'")).map(|s| s.to_string()).as_deref(),
            Some("303 'cm'")
        );
        assert!(q("1 'm'").div(&q("0 'm'")).is_none());
    }

    #[test]
    fn hostile_units_are_refused() {
        assert!(ucum(&"(".repeat(100)).is_none());
        assert!(ucum("m99").is_none());
        assert!(ucum("10*30.10*30").is_none());
        assert!(ucum("{").is_none());
    }
}
