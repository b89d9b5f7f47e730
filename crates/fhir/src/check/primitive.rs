//! Formats of primitives.
//!
//! Source: FHIR R4 datatypes.html#primitive.

use fhir_tables::TypeId;

use super::STRING_LENGTH_MAX;
use crate::date::{PartialDate, Precision};
use crate::issue::IssueType;
use crate::json::{Kind, Node};
use crate::reference::is_id;

/// What is wrong with a primitive: the kind of issue and the rule with what to do.
pub(super) type Wrong = (IssueType, &'static str);

/// The JSON kind that a primitive type is written in.
pub(super) fn json_kind(ty: TypeId) -> Kind {
    match ty {
        TypeId::BOOLEAN => Kind::Bool,
        TypeId::DECIMAL | TypeId::INTEGER | TypeId::POSITIVE_INT | TypeId::UNSIGNED_INT => {
            Kind::Number
        }
        _ => Kind::String,
    }
}

/// Checks the value of a primitive whose JSON kind is right.
pub(super) fn check(ty: TypeId, node: Node<'_>) -> Result<(), Wrong> {
    match node.kind() {
        Kind::Number => number(ty, node.raw()),
        Kind::String => match node.as_plain_str() {
            Some(text) => string(ty, text),
            None => string(ty, &node.as_str().unwrap_or_default()),
        },
        _ => Ok(()),
    }
}

fn value(text: &'static str, ok: bool) -> Result<(), Wrong> {
    if ok { Ok(()) } else { Err((IssueType::Value, text)) }
}

fn number(ty: TypeId, text: &str) -> Result<(), Wrong> {
    if ty == TypeId::DECIMAL {
        return Ok(());
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().all(|b| b.is_ascii_digit()) && text != "-0";
    let number = if whole { text.parse::<i32>().ok() } else { None };
    match ty {
        TypeId::POSITIVE_INT => {
            value("must be a whole number from 1 to 2147483647", number.is_some_and(|n| n > 0))
        }
        TypeId::UNSIGNED_INT => {
            value("must be a whole number from 0 to 2147483647", number.is_some_and(|n| n >= 0))
        }
        _ => value(
            "must be a whole number from -2147483648 to 2147483647, without fraction or exponent",
            number.is_some(),
        ),
    }
}

fn string(ty: TypeId, text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err((IssueType::Value, "must not be empty: leave the element out"));
    }
    match ty {
        TypeId::STRING | TypeId::MARKDOWN => long_string(text),
        TypeId::CODE => {
            value("must be a code: no space at either end, single spaces inside", is_code(text))
        }
        TypeId::ID => value("must be an id: 1 to 64 letters, digits, '-' or '.'", is_id(text)),
        TypeId::URI | TypeId::URL | TypeId::CANONICAL => value(
            "must be a URI without white space: encode spaces as %20",
            !text.bytes().any(|b| b.is_ascii_whitespace() || b < 0x20),
        ),
        TypeId::OID => value("must be an OID such as urn:oid:1.2.3.4", is_oid(text)),
        TypeId::UUID => value(
            "must be a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            is_uuid(text),
        ),
        TypeId::DATE => value(
            "must be a date that exists: YYYY, YYYY-MM or YYYY-MM-DD",
            text.len() <= 10 && PartialDate::parse(text).is_some(),
        ),
        TypeId::DATE_TIME => value(
            "must be a dateTime that exists: YYYY, YYYY-MM, YYYY-MM-DD or \
             YYYY-MM-DDThh:mm:ss with a time zone (Z or +hh:mm)",
            is_date_time(text, Precision::Year),
        ),
        TypeId::INSTANT => value(
            "must be an instant that exists: YYYY-MM-DDThh:mm:ss with a time zone (Z or +hh:mm)",
            is_date_time(text, Precision::Second),
        ),
        TypeId::TIME => value("must be a time: hh:mm:ss without time zone", is_time(text)),
        TypeId::BASE64_BINARY => value("must be base64 (RFC 4648, with padding)", is_base64(text)),
        TypeId::XHTML => value(
            "must be one XHTML element <div xmlns=\"http://www.w3.org/1999/xhtml\">…</div>",
            is_div(text),
        ),
        _ => Ok(()),
    }
}

fn long_string(text: &str) -> Result<(), Wrong> {
    // Bytes are at least as many as characters, so that short strings need no counting.
    if text.len() > STRING_LENGTH_MAX && text.chars().count() > STRING_LENGTH_MAX {
        return Err((IssueType::TooLong, "must not exceed 1048576 characters"));
    }
    Ok(())
}

fn is_code(text: &str) -> bool {
    let mut space_before = true;
    for b in text.bytes() {
        let space = b.is_ascii_whitespace() || b < 0x20;
        if space && space_before {
            return false;
        }
        space_before = space;
    }
    !space_before
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let mut n_arcs = 0;
    for (arc_idx, arc) in arcs.split('.').enumerate() {
        let digits = !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = arc.len() > 1 && arc.starts_with('0');
        let root = arc_idx > 0 || matches!(arc, "0" | "1" | "2");
        if !digits || leading_zero || !root {
            return false;
        }
        n_arcs += 1;
    }
    n_arcs >= 2
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// A dateTime of at least this precision; with a time it has seconds and a zone.
fn is_date_time(text: &str, least: Precision) -> bool {
    PartialDate::parse(text).is_some_and(|date| {
        date.precision >= least
            && (date.precision <= Precision::Day
                || (date.precision >= Precision::Second && date.offset_min.is_some()))
    })
}

fn is_time(text: &str) -> bool {
    let b = text.as_bytes();
    let two = |at: usize, max: u8| {
        b.get(at..at + 2).is_some_and(|d| {
            d.iter().all(u8::is_ascii_digit) && (d[0] - b'0') * 10 + (d[1] - b'0') <= max
        })
    };
    let fraction = match b.get(8..) {
        None => return false,
        Some([]) => true,
        Some([b'.', rest @ ..]) => !rest.is_empty() && rest.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    fraction && two(0, 23) && b[2] == b':' && two(3, 59) && b[5] == b':' && two(6, 60)
}

fn is_base64(text: &str) -> bool {
    let (mut n_chars, mut n_padding) = (0usize, 0usize);
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if n_padding == 0 => n_chars += 1,
            b'=' => n_padding += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => return false,
        }
    }
    n_padding <= 2 && n_chars > 0 && (n_chars + n_padding).is_multiple_of(4)
}

/// The outermost element is a div; what it holds is not looked at here.
fn is_div(text: &str) -> bool {
    let text = text.trim_ascii();
    text.strip_prefix("<div").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
            && (rest.ends_with("</div>") || rest.ends_with("/>"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(ty: TypeId, text: &str) -> bool {
        string(ty, text).is_ok()
    }

    #[test]
    fn formats_of_strings() {
        let good = [
            (TypeId::CODE, "a b"),
            (TypeId::ID, "A-1.b"),
            (TypeId::OID, "urn:oid:2.16.840.1.113883"),
            (TypeId::UUID, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            (TypeId::DATE, "2020-02-29"),
            (TypeId::DATE, "2020"),
            (TypeId::DATE_TIME, "2020-02"),
            (TypeId::DATE_TIME, "2020-02-29T10:00:00.123+14:00"),
            (TypeId::INSTANT, "2015-02-07T13:28:17.239+02:00"),
            (TypeId::TIME, "23:59:60"),
            (TypeId::TIME, "08:00:00.5"),
            (TypeId::BASE64_BINARY, "QUJD\n RA=="),
            (TypeId::XHTML, "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
            (TypeId::XHTML, "<div/>"),
            (TypeId::URI, "urn:x"),
        ];
        for (ty, text) in good {
            assert!(ok(ty, text), "{ty:?} {text}");
        }
        let bad = [
            (TypeId::CODE, " a"),
            (TypeId::CODE, "a  b"),
            (TypeId::CODE, "a "),
            (TypeId::ID, "a_b"),
            (TypeId::OID, "urn:oid:3.1"),
            (TypeId::OID, "urn:oid:1.01"),
            (TypeId::OID, "urn:oid:1"),
            (TypeId::OID, "1.2"),
            (TypeId::UUID, "urn:uuid:C757873D-ec9a-4326-a141-556f43239520"),
            (TypeId::DATE, "2021-02-29"),
            (TypeId::DATE, "2020-01-01T10:00:00Z"),
            (TypeId::DATE_TIME, "2020-01-01T10:00Z"),
            (TypeId::DATE_TIME, "2020-01-01T10:00:00"),
            (TypeId::INSTANT, "2020-01-01"),
            (TypeId::TIME, "24:00:00"),
            (TypeId::TIME, "10:00"),
            (TypeId::TIME, "10:00:00Z"),
            (TypeId::TIME, "é0:00:00"),
            (TypeId::BASE64_BINARY, "QUJ"),
            (TypeId::BASE64_BINARY, "Q==="),
            (TypeId::BASE64_BINARY, "QQ=A"),
            (TypeId::XHTML, "<divx/>"),
            (TypeId::XHTML, "text"),
            (TypeId::URI, "a b"),
            (TypeId::STRING, ""),
        ];
        for (ty, text) in bad {
            assert!(!ok(ty, text), "{ty:?} {text}");
        }
    }

    #[test]
    fn numbers_have_their_ranges() {
        for (ty, text, want) in [
            (TypeId::INTEGER, "-2147483648", true),
            (TypeId::INTEGER, "2147483648", false),
            (TypeId::INTEGER, "1.0", false),
            (TypeId::INTEGER, "1e2", false),
            (TypeId::INTEGER, "-0", false),
            (TypeId::UNSIGNED_INT, "0", true),
            (TypeId::UNSIGNED_INT, "-1", false),
            (TypeId::POSITIVE_INT, "0", false),
            (TypeId::POSITIVE_INT, "2147483647", true),
            (TypeId::DECIMAL, "-1.50e-3", true),
        ] {
            assert_eq!(number(ty, text).is_ok(), want, "{ty:?} {text}");
        }
    }

    #[test]
    fn a_string_may_have_a_million_characters_and_no_more() {
        let text = "é".repeat(STRING_LENGTH_MAX);
        assert!(ok(TypeId::STRING, &text));
        assert_eq!(long_string(&format!("{text}x")).expect_err("too long").0, IssueType::TooLong);
    }
}
