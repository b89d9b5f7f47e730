//! The grammar of unit codes.
//!
//! Source: UCUM §2 to §12: terms of components with `.` and `/`, exponents, annotations in braces,
//! parentheses, prefixes on metric units.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::function::Function;
use crate::table::{BASES, PREFIXES, UNITS};
use crate::unit::{Scale, Unit};

/// Longest code that is read, in bytes.
pub const UNIT_BYTES_MAX: usize = 128;
/// Deepest parentheses.
pub const UNIT_DEPTH_MAX: usize = 8;
/// Largest exponent, either sign.
const EXPONENT_MAX: i8 = 60;

/// A row of the table of units.
pub(crate) struct Row {
    pub code: &'static str,
    /// Takes prefixes.
    pub metric: bool,
    /// Comparable to nothing else.
    pub arbitrary: bool,
    /// Name of the function of a special unit; else empty.
    pub function: &'static str,
    pub value: f64,
    pub unit: &'static str,
}

pub(crate) fn unit(code: &str) -> Result<Unit, String> {
    if code.len() > UNIT_BYTES_MAX {
        return Err(format!("a unit has {UNIT_BYTES_MAX} characters at most"));
    }
    if let Some(c) = code.chars().find(|c| !matches!(c, '!'..='~')) {
        return Err(format!("{c:?} cannot stand in a unit"));
    }
    if code.is_empty() {
        return Ok(Unit::ONE);
    }
    let mut reader = Reader { rest: code, depth: 0, by_definition: false };
    let unit = reader.term()?;
    if !reader.rest.is_empty() {
        return Err(format!("'{}' is left over", reader.rest));
    }
    if unit.factor.is_finite() && unit.factor != 0.0 {
        Ok(unit)
    } else {
        Err("the unit is too large or too small".to_owned())
    }
}

struct Reader<'c> {
    rest: &'c str,
    depth: usize,
    /// Reads the table itself: atoms are not looked up in the finished table.
    by_definition: bool,
}

impl Reader<'_> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn term(&mut self) -> Result<Unit, String> {
        self.depth += 1;
        if self.depth > UNIT_DEPTH_MAX {
            return Err(format!("parentheses are deeper than {UNIT_DEPTH_MAX}"));
        }
        let mut out = if self.eat('/') { self.component()?.power(-1)? } else { self.component()? };
        loop {
            if self.eat('.') {
                out = out.times(&self.component()?)?;
            } else if self.eat('/') {
                out = out.times(&self.component()?.power(-1)?)?;
            } else {
                self.depth -= 1;
                return Ok(out);
            }
        }
    }

    fn component(&mut self) -> Result<Unit, String> {
        if self.eat('(') {
            let inner = self.term()?;
            return if self.eat(')') { Ok(inner) } else { Err("')' is missing".to_owned()) };
        }
        if self.rest.starts_with('{') {
            self.annotation()?;
            // Deviation: an annotation may stand before a unit too (`g.m/{hb}m2`), as the functional
            // tests of UCUM have it, though not before a number.
            if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[') {
                return Ok(Unit::ONE);
            }
        }
        let len = self.word_len();
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        if word.is_empty() {
            return Err("a unit is missing".to_owned());
        }
        let unit = if word.bytes().all(|b| b.is_ascii_digit()) {
            let factor: f64 = word.parse().map_err(|_| format!("'{word}' is no number"))?;
            Unit { factor, ..Unit::ONE }
        } else {
            self.simple(word)?
        };
        if self.rest.starts_with('{') {
            self.annotation()?;
        }
        Ok(unit)
    }

    /// Bytes up to the next operator; brackets hide operators.
    fn word_len(&self) -> usize {
        let mut in_brackets = false;
        for (i, b) in self.rest.bytes().enumerate() {
            match b {
                b'[' => in_brackets = true,
                b']' => in_brackets = false,
                b'.' | b'/' | b'(' | b')' | b'{' | b'}' if !in_brackets => return i,
                _ => {}
            }
        }
        self.rest.len()
    }

    fn annotation(&mut self) -> Result<(), String> {
        let end = self.rest.find('}').ok_or("'}' is missing")?;
        if self.rest[1..end].contains('{') {
            return Err("an annotation stands inside another".to_owned());
        }
        self.rest = &self.rest[end + 1..];
        Ok(())
    }

    /// Prefix, atom, exponent.
    fn simple(&self, word: &str) -> Result<Unit, String> {
        let (name, exponent) = split_exponent(word)?;
        let unit = self.prefixed(name)?;
        match exponent {
            None => Ok(unit),
            Some(exponent) => unit.power(exponent),
        }
    }

    fn prefixed(&self, name: &str) -> Result<Unit, String> {
        if let Some((unit, _)) = self.atom(name)? {
            return Ok(unit);
        }
        for (prefix, value) in PREFIXES {
            let Some(rest) = name.strip_prefix(prefix) else { continue };
            if let Some((mut unit, true)) = self.atom(rest)? {
                match &mut unit.function {
                    Some(f) => f.scale *= value,
                    None => unit.factor *= value,
                }
                return Ok(unit);
            }
        }
        Err(format!("'{name}' is no unit"))
    }

    /// An atom, and whether it takes prefixes.
    fn atom(&self, name: &str) -> Result<Option<(Unit, bool)>, String> {
        if !self.by_definition {
            return Ok(atoms().get(name).cloned());
        }
        if let Some(base) = BASES.iter().position(|base| *base == name) {
            let mut unit = Unit::ONE;
            unit.dimensions[base] = 1;
            return Ok(Some((unit, true)));
        }
        let Some(row) = UNITS.iter().find(|row| row.code == name) else { return Ok(None) };
        define(row, self.depth).map(|unit| Some((unit, row.metric)))
    }
}

/// What a row of the table stands for.
fn define(row: &Row, depth: usize) -> Result<Unit, String> {
    // Special units are functions over a unit that no letter of theirs stands in.
    if row.arbitrary && row.unit == "1" {
        return Ok(Unit { arbitrary: vec![(row.code, 1)], ..Unit::ONE });
    }
    if row.code == "10*" || row.code == "10^" {
        return Ok(Unit { factor: 10.0, ..Unit::ONE });
    }
    let mut reader = Reader { rest: row.unit, depth: depth.min(1), by_definition: true };
    let mut unit = reader.term()?;
    unit.factor *= row.value;
    unit.function = match row.function {
        "" => None,
        name => {
            let function = Function::by_name(name).ok_or(format!("no function '{name}'"))?;
            Some(Scale { function, scale: 1.0, name: row.code })
        }
    };
    Ok(unit)
}

/// All atoms by code.
fn atoms() -> &'static HashMap<&'static str, (Unit, bool)> {
    static ATOMS: OnceLock<HashMap<&'static str, (Unit, bool)>> = OnceLock::new();
    ATOMS.get_or_init(|| {
        let reader = Reader { rest: "", depth: 0, by_definition: true };
        let names = BASES.iter().copied().chain(UNITS.iter().map(|row| row.code));
        // A row that cannot be read is no unit; a test reads them all.
        names.filter_map(|name| Some((name, reader.atom(name).ok()??))).collect()
    })
}

/// `cm2` → `cm`, 2; `10*-7` → `10*`, -7.
fn split_exponent(word: &str) -> Result<(&str, Option<i8>), String> {
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.len() == word.len() {
        return Ok((word, None));
    }
    let name = name.strip_suffix(['-', '+']).unwrap_or(name);
    let text = &word[name.len()..];
    let exponent: Option<i8> = text.trim_start_matches('+').parse().ok();
    match exponent.filter(|e| e.abs() <= EXPONENT_MAX) {
        // `10+3`: a number has no exponent, `10*3` has.
        Some(exponent) if !name.is_empty() => Ok((name, Some(exponent))),
        _ => Err(format!("'{word}' has no exponent up to {EXPONENT_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_a_unit() {
        for row in UNITS {
            let (unit, metric) = atoms().get(row.code).unwrap_or_else(|| panic!("{}", row.code));
            assert_eq!(*metric, row.metric);
            assert!(unit.factor.is_finite() && unit.factor > 0.0, "{}", row.code);
        }
        assert_eq!(atoms().len(), UNITS.len() + BASES.len());
    }

    #[test]
    fn limits_hold() {
        let ok = format!("m{{{}}}", "a".repeat(UNIT_BYTES_MAX - 3));
        assert!(unit(&ok).is_ok());
        assert!(unit(&format!("m{{{}}}", "a".repeat(UNIT_BYTES_MAX - 2))).is_err());
        let nested = |n: usize| format!("{}m{}", "(".repeat(n), ")".repeat(n));
        assert!(unit(&nested(UNIT_DEPTH_MAX - 1)).is_ok());
        assert!(unit(&nested(UNIT_DEPTH_MAX)).is_err());
        assert!(unit("m60").is_ok());
        assert!(unit("m61").is_err());
        assert!(unit("m60.m60.m60").is_err(), "dimensions overflow");
        assert!(unit("Ym60").is_err(), "too large");
    }
}
