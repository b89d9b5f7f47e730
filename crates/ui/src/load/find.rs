//! Patient search: what was typed → searches by name, birth date, identifier and phone.
//!
//! Every word of a name must match the beginning of a part of the name, in any order. A number
//! may be a part of an identifier or a phone, or a year; each reading is asked and the answers are
//! joined.

use std::{collections::HashSet, rc::Rc};

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
        let doc = match question {
            Question::Search(query) => {
                reads.search("Patient", &format!("{query}_sort=family&_count={rows_max}"))?
            }
            Question::Part(part) => Rc::new(reads.find(&part, rows_max)?),
        };
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

/// One of the things that what was typed may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    /// A query string that ends with `&`, or is empty for all.
    Search(String),
    /// A part of an identifier or of a phone number.
    Part(String),
}

/// What `typed` may mean.
fn questions(typed: &str) -> Vec<Question> {
    if typed.is_empty() {
        return vec![Question::Search(String::new())];
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let letters = typed.chars().any(char::is_alphabetic);
    if let Some(date) = date(typed) {
        return vec![Question::Search(format!("birthdate={date}&"))];
    }
    let phone_like = typed.chars().all(|c| c.is_ascii_digit() || " -+().".contains(c));
    if !letters && phone_like && !digits.is_empty() {
        let mut out = vec![Question::Part(typed.to_owned())];
        out.extend(year(typed).map(|y| Question::Search(format!("birthdate={y}&"))));
        return out;
    }
    let mut parts = Vec::new();
    let mut alternatives = Vec::new();
    for word in typed.split([' ', ',', ';']).filter(|w| !w.is_empty()).take(WORDS_MAX) {
        match date(word).or_else(|| year(word)) {
            Some(d) => parts.push(format!("birthdate={d}&")),
            None => parts.push(format!("name={}&", encode(word))),
        }
    }
    alternatives.push(Question::Search(parts.concat()));
    // `MRN 100581`, `A-100581`: a word with a digit may be an identifier.
    if let Some(id) = typed.split(' ').find(|w| w.chars().any(|c| c.is_ascii_digit()))
        && date(id).is_none()
        && year(id).is_none()
    {
        alternatives.push(Question::Part(id.to_owned()));
        if id != typed {
            // `QX 771144` for QX-771144.
            alternatives.push(Question::Part(typed.to_owned()));
        }
    }
    alternatives
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
            let said = |question| match question {
                Question::Search(query) => query,
                Question::Part(part) => format!("part {part}"),
            };
            let found: Vec<String> = questions(typed).into_iter().map(said).collect();
            assert_eq!(found, wanted, "{typed}");
        };
        check("", &[""]);
        check("garcia", &["name=garcia&"]);
        check("mar, gar", &["name=mar&name=gar&"]);
        check("garcia 1964", &["name=garcia&birthdate=1964&"]);
        check("garcia 3/5/1964", &["name=garcia&birthdate=1964-03-05&"]);
        check("1964-03-05", &["birthdate=1964-03-05&"]);
        check("25/12/1964", &["birthdate=1964-12-25&"]);
        check("13/13/1964", &["name=13%2F13%2F1964&", "part 13/13/1964"]);
        check("100581", &["part 100581"]);
        check("1964", &["part 1964", "birthdate=1964&"]);
        check("mrn 100581", &["name=mrn&name=100581&", "part 100581", "part mrn 100581"]);
        check("ليلى", &["name=%D9%84%D9%8A%D9%84%D9%89&"]);
        check("a&_count=1000", &["name=a%26_count%3D1000&", "part a&_count=1000"]);
        check("(617) 555-0142", &["part (617) 555-0142"]);
    }
}
