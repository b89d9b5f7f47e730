//! A unit in terms of base units.

use crate::function::Function;
use crate::read;

/// Base units of UCUM: metre, second, gram, radian, kelvin, coulomb, candela.
pub(crate) const N_BASES: usize = 7;
/// Digits that a canonical number keeps: a number and the same number in another unit are equal,
/// although the factors between are no exact binary numbers.
const CANONICAL_DIGITS: usize = 13;

/// What a code stands for: a multiple of base units, or a function over one.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    pub(crate) factor: f64,
    pub(crate) dimensions: [i8; N_BASES],
    /// Units that are comparable to nothing else, such as `[iU]`, with their exponents.
    pub(crate) arbitrary: Vec<(&'static str, i8)>,
    pub(crate) function: Option<Scale>,
}

/// A special unit: `function(number · scale)` of the proper unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub function: Function,
    pub scale: f64,
    pub name: &'static str,
}

/// A number in base units, and which ones: equal `kind` means comparable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canonical {
    pub value: f64,
    /// A number for the dimensions; stable, fit for keys on disk.
    pub kind: u32,
}

impl Unit {
    pub(crate) const ONE: Unit =
        Unit { factor: 1.0, dimensions: [0; N_BASES], arbitrary: Vec::new(), function: None };

    /// Reads a code.
    ///
    /// Errors: why the code is no unit of UCUM.
    pub fn parse(code: &str) -> Result<Unit, String> {
        read::unit(code)
    }

    /// Whether numbers of both are numbers of the same kind.
    pub fn is_comparable(&self, other: &Unit) -> bool {
        self.dimensions == other.dimensions && self.arbitrary == other.arbitrary
    }

    /// The proper amount in base units.
    fn to_base(&self, value: f64) -> f64 {
        match self.function {
            Some(f) => f.function.apply(value * f.scale) * self.factor,
            None => value * self.factor,
        }
    }

    fn of_base(&self, base: f64) -> f64 {
        match self.function {
            Some(f) => f.function.invert(base / self.factor) / f.scale,
            None => base / self.factor,
        }
    }

    /// Whether larger numbers are larger amounts. Others are compared in the unit itself only.
    fn is_ordered(&self) -> bool {
        self.function.is_none_or(|f| f.function.is_increasing())
    }

    /// The number in base units. What stands on a scale that does not grow with its numbers, such
    /// as pH, is a kind of its own.
    ///
    /// Errors: `None` when the result is not finite.
    pub fn canonical(&self, value: f64) -> Option<Canonical> {
        let value = if self.is_ordered() {
            self.to_base(value)
        } else {
            value * self.function.map_or(1.0, |f| f.scale)
        };
        let value = rounded(value);
        value.is_finite().then_some(Canonical { value, kind: self.kind() })
    }

    /// FNV-1a over dimensions and names.
    fn kind(&self) -> u32 {
        let mut hash: u32 = 0x811c_9dc5;
        let mut eat = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        self.dimensions.iter().for_each(|d| eat(*d as u8));
        for (name, exponent) in &self.arbitrary {
            name.bytes().for_each(&mut eat);
            eat(*exponent as u8);
        }
        if let Some(f) = self.function.filter(|_| !self.is_ordered()) {
            f.name.bytes().for_each(eat);
        }
        hash
    }

    pub(crate) fn times(mut self, other: &Unit) -> Result<Unit, String> {
        let too_large = || "an exponent is too large".to_owned();
        // In a product a special unit is the unit of its scale: Cel/h is K/h.
        self.function = None;
        self.factor *= other.factor;
        for (mine, theirs) in self.dimensions.iter_mut().zip(other.dimensions) {
            *mine = mine.checked_add(theirs).ok_or_else(too_large)?;
        }
        for (name, exponent) in &other.arbitrary {
            match self.arbitrary.iter_mut().find(|(own, _)| own == name) {
                Some((_, own)) => *own = own.checked_add(*exponent).ok_or_else(too_large)?,
                None => self.arbitrary.push((name, *exponent)),
            }
        }
        self.arbitrary.retain(|(_, exponent)| *exponent != 0);
        self.arbitrary.sort_unstable();
        Ok(self)
    }

    pub(crate) fn power(&self, exponent: i8) -> Result<Unit, String> {
        let raise =
            |d: i8| d.checked_mul(exponent).ok_or_else(|| "an exponent is too large".to_owned());
        let mut out = Unit { factor: self.factor.powi(i32::from(exponent)), ..Unit::ONE };
        for (to, from) in out.dimensions.iter_mut().zip(self.dimensions) {
            *to = raise(from)?;
        }
        for (name, own) in &self.arbitrary {
            out.arbitrary.push((name, raise(*own)?));
        }
        out.arbitrary.retain(|(_, exponent)| *exponent != 0);
        Ok(out)
    }
}

/// The number with [`CANONICAL_DIGITS`] digits.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { 0.0 } else { value };
    }
    format!("{value:.*e}", CANONICAL_DIGITS - 1).parse().unwrap_or(value)
}

/// `value` of one unit as a number of another.
///
/// Errors: a code that is no unit, or units of different kinds.
pub fn convert(value: f64, from: &str, to: &str) -> Result<f64, String> {
    let (source, target) = (Unit::parse(from)?, Unit::parse(to)?);
    if !source.is_comparable(&target) {
        return Err(format!("{from} and {to} measure different things"));
    }
    Ok(rounded(target.of_base(source.to_base(value))))
}
