//! Exact decimal numbers that remember how precisely they were written.
//!
//! Source: FHIRPath N1 §2.1.3 (decimal), §6.1.2 (equivalence at the lesser precision), §6.6 (math);
//! R4 datatypes.html#decimal. An operation whose result does not fit yields `None`, which
//! FHIRPath shows as an empty collection.

use std::cmp::Ordering;
use std::fmt;

/// `mantissa · 10^-scale`. Equality of the struct is of the writing; use [`Decimal::compare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

/// Most digits after the point.
pub const SCALE_MAX: u8 = 28;
/// Digits after the point that a division is carried to.
const QUOTIENT_SCALE: u8 = 16;

fn pow10(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

#[expect(
    clippy::should_implement_trait,
    reason = "the operator traits cannot say that a result does not fit"
)]
impl Decimal {
    /// `mantissa · 10^-scale`.
    #[must_use]
    pub const fn new(mantissa: i128, scale: u8) -> Self {
        Self { mantissa, scale }
    }

    /// Zero without a fraction.
    pub const ZERO: Self = Self::new(0, 0);

    /// Reads `-12.30`, `1e3`, `1.5E-7`; `None` when it is no number or has too many digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i16>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match number.as_bytes().first()? {
            b'-' => (true, &number[1..]),
            b'+' => (false, &number[1..]),
            _ => (false, number),
        };
        let (mut mantissa, mut scale, mut seen_point, mut n_digits) = (0_i128, 0_i16, false, 0);
        for byte in digits.bytes() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                    scale += i16::from(seen_point);
                    n_digits += 1;
                }
                b'.' if !seen_point && n_digits > 0 => seen_point = true,
                _ => return None,
            }
        }
        if n_digits == 0 || digits.ends_with('.') {
            return None;
        }
        scale = scale.checked_sub(exponent)?;
        if scale < 0 {
            mantissa = mantissa.checked_mul(pow10(u8::try_from(-scale).ok()?)?)?;
            scale = 0;
        }
        let scale = u8::try_from(scale).ok().filter(|s| *s <= SCALE_MAX)?;
        Some(Self::new(if negative { -mantissa } else { mantissa }, scale))
    }

    /// The nearest decimal of a floating-point result, to at most 15 significant digits.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() || value.abs() > 1e30 {
            return None;
        }
        Self::parse(&format!("{value:.14e}")).map(Self::normalize).or_else(|| {
            // Too small for the scale: nearest representable number.
            Self::parse(&format!("{value:.28}")).map(Self::normalize)
        })
    }

    /// The nearest floating-point number.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Digits after the point, as written.
    #[must_use]
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The whole number that this is, if it is one.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        let whole = self.normalize();
        if whole.scale == 0 { i64::try_from(whole.mantissa).ok() } else { None }
    }

    /// Without trailing zeros after the point.
    #[must_use]
    pub fn normalize(self) -> Self {
        let Self { mut mantissa, mut scale } = self;
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    fn at_scale(self, scale: u8) -> Option<i128> {
        self.mantissa.checked_mul(pow10(scale.checked_sub(self.scale)?)?)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u8)> {
        let scale = self.scale.max(other.scale);
        Some((self.at_scale(scale)?, other.at_scale(scale)?, scale))
    }

    /// Order by value: `1.0` equals `1.00`.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }

    /// Sum.
    #[must_use]
    pub fn add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self::new(a.checked_add(b)?, scale))
    }

    /// Difference.
    #[must_use]
    pub fn sub(self, other: Self) -> Option<Self> {
        self.add(other.neg())
    }

    /// Product.
    #[must_use]
    pub fn mul(self, other: Self) -> Option<Self> {
        let product = |a: Self, b: Self| {
            Some(Self::new(a.mantissa.checked_mul(b.mantissa)?, a.scale.checked_add(b.scale)?))
        };
        let exact =
            product(self, other).or_else(|| product(self.normalize(), other.normalize()))?;
        if exact.scale <= SCALE_MAX { Some(exact) } else { exact.round(SCALE_MAX) }
    }

    /// Quotient to 16 digits after the point, trailing zeros removed; `None` for a zero divisor.
    #[must_use]
    pub fn div(self, other: Self) -> Option<Self> {
        if other.mantissa == 0 {
            return None;
        }
        let (a, b) = (self.normalize(), other.normalize());
        for scale in (0..=QUOTIENT_SCALE).rev() {
            // a·10^-sa / (b·10^-sb) = (a·10^(scale+sb-sa) / b)·10^-scale
            let shift = i16::from(scale) + i16::from(b.scale) - i16::from(a.scale);
            let parts = if shift >= 0 {
                u8::try_from(shift)
                    .ok()
                    .and_then(pow10)
                    .and_then(|p| a.mantissa.checked_mul(p))
                    .map(|n| (n, b.mantissa))
            } else {
                u8::try_from(-shift)
                    .ok()
                    .and_then(pow10)
                    .and_then(|p| b.mantissa.checked_mul(p))
                    .map(|d| (a.mantissa, d))
            };
            if let Some((numerator, denominator)) = parts {
                return Some(Self::new(divide_half_up(numerator, denominator), scale).normalize());
            }
        }
        None
    }

    /// Whole quotient, toward zero.
    #[must_use]
    pub fn div_whole(self, other: Self) -> Option<i128> {
        let (a, b, _) = self.aligned(other)?;
        a.checked_div(b)
    }

    /// Remainder of [`Decimal::div_whole`].
    #[must_use]
    pub fn rem(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self::new(a.checked_rem(b)?, scale))
    }

    /// The opposite number.
    #[must_use]
    pub fn neg(self) -> Self {
        Self::new(self.mantissa.saturating_neg(), self.scale)
    }

    /// The distance from zero.
    #[must_use]
    pub fn abs(self) -> Self {
        Self::new(self.mantissa.saturating_abs(), self.scale)
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// To `digits` after the point, half away from zero.
    #[must_use]
    pub fn round(self, digits: u8) -> Option<Self> {
        if digits >= self.scale {
            return Some(self);
        }
        let divisor = pow10(self.scale - digits)?;
        Some(Self::new(divide_half_up(self.mantissa, divisor), digits))
    }

    /// To `digits` after the point, toward zero; zeros are added when it has fewer.
    #[must_use]
    pub fn with_scale_down(self, digits: u8) -> Option<Self> {
        if digits >= self.scale {
            return Some(Self::new(self.at_scale(digits)?, digits));
        }
        Some(Self::new(self.mantissa / pow10(self.scale - digits)?, digits))
    }

    /// Like [`Decimal::round`], with zeros added when it has fewer digits.
    #[must_use]
    pub fn with_scale_rounded(self, digits: u8) -> Option<Self> {
        self.round(digits)?.with_scale_down(digits)
    }

    /// The greatest whole number not above it.
    #[must_use]
    pub fn floor(self) -> Option<i128> {
        Some(self.mantissa.div_euclid(pow10(self.scale)?))
    }

    /// The least whole number not below it.
    #[must_use]
    pub fn ceiling(self) -> Option<i128> {
        Some(-self.neg().floor()?)
    }

    /// The whole part.
    #[must_use]
    pub fn truncate(self) -> Option<i128> {
        Some(self.mantissa / pow10(self.scale)?)
    }

    /// Half of the unit in its last written place.
    pub(crate) fn half_unit(self) -> Self {
        Self::new(5, self.scale.saturating_add(1))
    }
}

fn divide_half_up(numerator: i128, denominator: i128) -> i128 {
    let quotient = numerator / denominator;
    let remainder = (numerator % denominator).unsigned_abs();
    let away = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    if remainder >= denominator.unsigned_abs().div_ceil(2) { quotient + away } else { quotient }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::new(i128::from(value), 0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if self.mantissa < 0 {
            f.write_str("-")?;
        }
        if scale == 0 {
            return f.write_str(&digits);
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).expect(text)
    }

    #[test]
    fn reads_and_writes() {
        for text in ["0", "1.0", "-0.05", "123.4500"] {
            assert_eq!(d(text).to_string(), text);
        }
        assert_eq!(d("1.5e-3").to_string(), "0.0015");
        assert_eq!(d("2E3").to_string(), "2000");
        for text in ["", "-", ".5", "5.", "1.2.3", "1e", "x", "1e99", "1e-99"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(d("1.2").add(d("1.8")), Some(d("3.0")));
        assert_eq!(d("1.2").mul(d("1.8")), Some(d("2.16")));
        assert_eq!(d("2").div(d("2")), Some(d("1")));
        assert_eq!(
            d("1.2").div(d("1.8")).map(|q| q.to_string()).as_deref(),
            Some("0.6666666666666667")
        );
        assert_eq!(d("2.2").rem(d("1.8")), Some(d("0.4")));
        assert_eq!(d("5").div(d("0.0")), None);
        assert_eq!(d("-1.1").floor(), Some(-2));
        assert_eq!(d("-1.1").ceiling(), Some(-1));
        assert_eq!(d("-1.56").truncate(), Some(-1));
        assert_eq!(d("-0.67").round(1), Some(d("-0.7")));
        assert_eq!(d("1.0").compare(d("1.00")), Ordering::Equal);
    }

    #[test]
    fn overflow_is_none() {
        let huge = d("99999999999999999999999999999999999");
        assert!(huge.mul(huge).is_none());
        assert!(Decimal::from_f64(f64::INFINITY).is_none());
        assert_eq!(Decimal::from_f64(0.5), Some(d("0.5")));
    }
}
