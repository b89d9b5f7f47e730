//! Patient search: what was typed → searches by name, birth date, identifier and phone.
//!
//! Every word of a name must match the beginning of a part of the name, in any order. A number
//! may be an identifier, a phone or a year; each reading is asked and the answers are joined.

use std::collections::HashSet;

use crate::{
    load::{Failure, Reads, encode, has_next, of_type, total},
    view::{PatientRow, Patients},
    view_of::{Lens, patient},
};

/// Rows of the list.
pub const ROWS_MAX: usize = 40;
/// Rows of the palette.
pub const PALETTE_MAX: usize = 8;
/// Characters of a query that are read.
const QUERY_CHARS_MAX: usize = 100;
/// Words of a name that are read.
const WORDS_MAX: usize = 5;

/// Patients that fit `typed`, at most `rows_max`.
pub fn patients(
    reads: &Reads,
    lens: &Lens,
    typed: &str,
    rows_max: usize,
) -> Result<Patients, Failure> {
    let typed: String = typed.trim().chars().take(QUERY_CHARS_MAX).collect();
    let mut rows: Vec<PatientRow> = Vec::new();
    let mut seen = HashSet::new();
    let mut sum = Some(0);
    let questions = questions(&typed);
    let one = questions.len() == 1;
    for question in questions {
        let doc = reads.search("Patient", &format!("{question}_sort=family&_count={rows_max}"))?;
        let more = has_next(&doc);
        sum = match (one, total(&doc), more) {
            (true, Some(t), _) => Some(t),
            (true, None, true) => None,
            _ => sum,
        };
        for p in of_type(&doc, "Patient") {
            let row = patient::row(p, lens);
            if rows.len() < rows_max && seen.insert(row.id.clone()) {
                rows.push(row);
            }
        }
    }
    let n = rows.len() as u64;
    Ok(Patients { query: typed, rows, next: None, total: sum.map(|s| s.max(n)) })
}

/// The searches that `typed` may mean: query strings that end with `&`, or empty for all.
fn questions(typed: &str) -> Vec<String> {
    if typed.is_empty() {
        return vec![String::new()];
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let letters = typed.chars().any(char::is_alphabetic);
    if let Some(date) = date(typed) {
        return vec![format!("birthdate={date}&")];
    }
    let phone_like = typed.chars().all(|c| c.is_ascii_digit() || " -+().".contains(c));
    if !letters && phone_like && !digits.is_empty() {
        return number(typed, &digits);
    }
    let mut parts = Vec::new();
    let mut alternatives = Vec::new();
    for word in typed.split([' ', ',', ';']).filter(|w| !w.is_empty()).take(WORDS_MAX) {
        match date(word).or_else(|| year(word)) {
            Some(d) => parts.push(format!("birthdate={d}&")),
            None => parts.push(format!("name={}&", encode(word))),
        }
    }
    alternatives.push(parts.concat());
    // `MRN 100581`, `A-100581`: a word with a digit may be an identifier.
    if let Some(id) = typed.split(' ').find(|w| w.chars().any(|c| c.is_ascii_digit()))
        && date(id).is_none()
        && year(id).is_none()
    {
        alternatives.push(format!("identifier={}&", encode(id)));
    }
    alternatives
}

/// Digits only: an identifier, a phone in its usual writings, or a year.
fn number(typed: &str, digits: &str) -> Vec<String> {
    let mut out = vec![format!("identifier={}&", encode(typed))];
    if let Some(y) = year(typed) {
        out.push(format!("birthdate={y}&"));
    }
    let national = digits.strip_prefix('1').filter(|d| d.len() == 10).unwrap_or(digits);
    if let (10, Some(a), Some(b), Some(c)) =
        (national.len(), national.get(..3), national.get(3..6), national.get(6..))
    {
        let writings = [
            national.to_owned(),
            format!("{a}-{b}-{c}"),
            format!("({a}) {b}-{c}"),
            format!("{a}.{b}.{c}"),
            format!("+1{national}"),
            format!("+1-{a}-{b}-{c}"),
            format!("+1 {a}-{b}-{c}"),
            format!("1-{a}-{b}-{c}"),
        ];
        let list: Vec<String> = writings.iter().map(|w| encode(w)).collect();
        out.push(format!("phone={}&", list.join(",")));
    } else if digits.len() == 7
        && let (Some(b), Some(c)) = (digits.get(..3), digits.get(3..))
    {
        out.push(format!("phone={b}-{c},{digits}&"));
    }
    out
}

/// A birth date as people type it: 1964-03-05, 3/5/1964, 03.05.1964.
/// Month before day, as in the United States; a first number above 12 is a day.
fn date(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let number = |s: &str, max: usize| -> Option<u16> {
        (!s.is_empty() && s.len() <= max).then(|| s.parse().ok())?
    };
    let (y, m, d) = if a.len() == 4 {
        (number(a, 4)?, number(b, 2)?, number(c, 2)?)
    } else if c.len() == 4 {
        let (first, second) = (number(a, 2)?, number(b, 2)?);
        let y = number(c, 4)?;
        if first > 12 { (y, second, first) } else { (y, first, second) }
    } else {
        return None;
    };
    let valid = (1850..=2200).contains(&y) && (1..=12).contains(&m) && (1..=31).contains(&d);
    valid.then(|| format!("{y:04}-{m:02}-{d:02}"))
}

fn year(text: &str) -> Option<String> {
    let y: u16 = (text.len() == 4).then(|| text.parse().ok())??;
    (1880..=2100).contains(&y).then(|| y.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_questions() {
        let check = |typed: &str, wanted: &[&str]| {
            assert_eq!(questions(typed), wanted, "{typed}");
        };
        check("", &[""]);
        check("garcia", &["name=garcia&"]);
        check("mar, gar", &["name=mar&name=gar&"]);
        check("garcia 1964", &["name=garcia&birthdate=1964&"]);
        check("garcia 3/5/1964", &["name=garcia&birthdate=1964-03-05&"]);
        check("1964-03-05", &["birthdate=1964-03-05&"]);
        check("25/12/1964", &["birthdate=1964-12-25&"]);
        check("13/13/1964", &["name=13%2F13%2F1964&", "identifier=13%2F13%2F1964&"]);
        check("100581", &["identifier=100581&"]);
        check("1964", &["identifier=1964&", "birthdate=1964&"]);
        check("mrn 100581", &["name=mrn&name=100581&", "identifier=100581&"]);
        check("ليلى", &["name=%D9%84%D9%8A%D9%84%D9%89&"]);
        check("a&_count=1000", &["name=a%26_count%3D1000&", "identifier=a%26_count%3D1000&"]);
        let phone = questions("(617) 555-0142");
        assert!(phone[1].contains("617-555-0142") && phone[1].contains("6175550142"), "{phone:?}");
        assert_eq!(questions("+1 617 555 0142")[1], phone[1]);
    }
}
