//! Decimal text with the precision it was written in.
//!
//! Source: FHIR R4 search.html#number.

/// A number and the interval that its digits stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decimal {
    pub value: f64,
    /// `lo <= x < hi`.
    pub lo: f64,
    pub hi: f64,
}

/// Longest number read, in characters.
pub(crate) const DECIMAL_LENGTH_MAX: usize = 64;

/// Reads `100`, `-5.40`, `1e2`, `+3`.
///
/// Shape: the interval is half a unit of the last digit to both sides, found on the digits
/// themselves: `100` is `[99.5, 100.5)`, `100.00` is `[99.995, 100.005)`.
/// search.html gives `[95, 105)` for `1e2`, so a lone digit with an exponent counts as two.
/// Errors: `None` when the text is no decimal, is longer than the limit or is not finite.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    if text.len() > DECIMAL_LENGTH_MAX {
        return None;
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(exponent(&rest[at + 1..])?)),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || (mantissa.contains('.') && !all_digits(fraction)) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    let mut scale = exponent.unwrap_or(0) - fraction.len() as i32;
    if exponent.is_some() && digits.trim_start_matches('0').len() == 1 {
        digits.push('0');
        scale -= 1;
    }
    let value: f64 = format!("{sign}{digits}e{scale}").parse().ok()?;
    // Half a unit of the last digit, with one more digit: digits·10 ± 5.
    let up: f64 = format!("{sign}{digits}5e{}", scale - 1).parse().ok()?;
    let down = match less_one(&digits) {
        Some(less) => format!("{sign}{less}5e{}", scale - 1),
        None if sign.is_empty() => format!("-5e{}", scale - 1),
        None => format!("5e{}", scale - 1),
    };
    let down: f64 = down.parse().ok()?;
    let value = if value == 0.0 { 0.0 } else { value };
    let decimal = Decimal { value, lo: up.min(down), hi: up.max(down) };
    (decimal.lo.is_finite() && decimal.hi.is_finite()).then_some(decimal)
}

fn exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let ok = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    ok.then(|| text.parse().ok()).flatten()
}

/// The digits of the number before; `None` for zero.
fn less_one(digits: &str) -> Option<String> {
    let mut out = digits.as_bytes().to_vec();
    let at = out.iter().rposition(|d| *d != b'0')?;
    out[at] -= 1;
    out[at + 1..].fill(b'9');
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_digits() {
        for (text, value, lo, hi) in [
            ("100", 100.0, 99.5, 100.5),
            ("100.00", 100.0, 99.995, 100.005),
            ("1e2", 100.0, 95.0, 105.0),
            ("1.0e2", 100.0, 95.0, 105.0),
            ("1.00e2", 100.0, 99.5, 100.5),
            ("5.4", 5.4, 5.35, 5.45),
            ("5.40e-3", 0.0054, 0.005395, 0.005405),
            ("-7", -7.0, -7.5, -6.5),
            ("+7", 7.0, 6.5, 7.5),
            ("0", 0.0, -0.5, 0.5),
            ("-0.0", 0.0, -0.05, 0.05),
            ("0.15", 0.15, 0.145, 0.155),
            ("1000", 1000.0, 999.5, 1000.5),
        ] {
            assert_eq!(parse(text), Some(Decimal { value, lo, hi }), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        let long = "1".repeat(DECIMAL_LENGTH_MAX + 1);
        for text in
            ["", "-", ".5", "5.", "1e", "1e+", "0x1", "NaN", "inf", "1 ", "1,0", "1e9999", &long]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse(&long[1..]).is_some());
    }
}
