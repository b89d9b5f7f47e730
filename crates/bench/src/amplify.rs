//! NDJSON of any number of resources, made from a few patients.
//!
//! A clone of a patient's Bundle has other ids, other names and other dates and is else the same:
//! codes, values and texts repeat, so that the number of matches of a code grows as the record does.
//! The first pass over the Bundles leaves ids and dates as they are. References become literal.

use std::collections::HashMap;
use std::io::Write;

use fhir::json::{Doc, Node};
use jiff::ToSpan;
use jiff::civil::Date;

use crate::corpus::Bundle;

/// Days by which dates of neighbouring clones differ; clones spread over [`DAYS_MAX`].
const DAYS_STEP: i64 = 17;
const DAYS_MAX: i64 = 1_461;
/// By what numbers in names of neighbouring clones differ: the names of Synthea end in up to three digits.
const NAME_STEP: u64 = 1_000;
/// Odd, so that no two clones turn an id into the same.
const ID_STEP: u32 = 0x9e37_79b1;
const UUID_LEN: usize = 36;

/// A resource whose ids, dates and names can be exchanged.
#[derive(Debug)]
struct Line {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// The first eight digits of an id, and the rest of it.
    Id(u32, String),
    Date(Date),
    /// A name without the digits at its end, and these.
    Name(String, u64),
}

/// Where references lead: of a conditional reference, or of a `urn:uuid:` to its type.
#[derive(Debug, Default)]
pub struct Places {
    /// `Type?identifier=system|value` → `Type/id`.
    by_identifier: HashMap<String, String>,
}

impl Places {
    /// What the Bundles of hospitals and practitioners hold.
    ///
    /// Errors: no JSON.
    pub fn new(first: &[Bundle]) -> Result<Places, String> {
        let mut places = Places::default();
        for bundle in first {
            for (resource, rt, id) in resources(&parse(bundle)?) {
                let doc = Doc::parse(resource).map_err(|e| format!("{}: {e}", bundle.name))?;
                for identifier in doc.root().list("identifier") {
                    let text = |name| identifier.str(name).unwrap_or_default();
                    let key = format!("{rt}?identifier={}|{}", text("system"), text("value"));
                    places.by_identifier.insert(key, format!("{rt}/{id}"));
                }
            }
        }
        Ok(places)
    }
}

fn parse(bundle: &Bundle) -> Result<Doc, String> {
    Doc::parse(bundle.json.as_slice()).map_err(|e| format!("{}: {e}", bundle.name))
}

/// Text, type and id of each resource.
fn resources(doc: &Doc) -> Vec<(String, String, String)> {
    let resource = |entry: Node<'_>| {
        let resource = entry.get("resource")?;
        let (rt, id) = (resource.str("resourceType")?, resource.str("id")?);
        Some((resource.to_compact(), rt.into_owned(), id.into_owned()))
    };
    doc.root().list("entry").filter_map(resource).collect()
}

/// A Bundle that can be written again and again.
#[derive(Debug)]
pub struct Template {
    lines: Vec<Line>,
}

impl Template {
    /// Errors: no JSON.
    pub fn new(bundle: &Bundle, places: &Places) -> Result<Template, String> {
        let resources = resources(&parse(bundle)?);
        let mut known = Known { types: HashMap::new(), names: Vec::new(), places };
        for (text, rt, id) in &resources {
            known.types.insert(id.clone(), rt.clone());
            if rt == "Patient" {
                let doc = Doc::parse(text.as_str()).map_err(|e| format!("{}: {e}", bundle.name))?;
                for name in doc.root().list("name") {
                    let given = name.list("given").filter_map(Node::as_str);
                    let words = name.str("family").into_iter().chain(given);
                    known.names.extend(words.map(|word| word.into_owned()));
                }
            }
        }
        let lines = resources.iter().map(|(text, ..)| known.line(text)).collect();
        Ok(Template { lines })
    }

    pub fn n_lines(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Writes up to `lines_max` lines of a clone; clone 0 is the patient that it was made from.
    pub fn write(&self, out: &mut impl Write, clone: u32, lines_max: u64) -> std::io::Result<u64> {
        let n = self.n_lines().min(lines_max);
        for line in &self.lines[..n as usize] {
            for part in &line.parts {
                match part {
                    Part::Text(text) => out.write_all(text.as_bytes())?,
                    Part::Id(first, rest) => {
                        write!(out, "{:08x}{rest}", first ^ clone.wrapping_mul(ID_STEP))?;
                    }
                    Part::Date(date) => {
                        let days = i64::from(clone) * DAYS_STEP % DAYS_MAX;
                        let date = date.checked_sub(days.days()).unwrap_or(*date);
                        write!(out, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())?;
                    }
                    Part::Name(word, n) => {
                        write!(out, "{word}{}", n + u64::from(clone) * NAME_STEP)?;
                    }
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(n)
    }
}

/// What a Bundle's texts refer to.
struct Known<'a> {
    /// Type by id.
    types: HashMap<String, String>,
    names: Vec<String>,
    places: &'a Places,
}

impl Known<'_> {
    /// Takes the text of a resource apart.
    fn line(&self, text: &str) -> Line {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut at = 0;
        while at < text.len() {
            let (n, part) = self.part(text, at).unwrap_or_else(|| {
                let n = text[at..].chars().next().map_or(1, char::len_utf8);
                (n, None)
            });
            match part {
                None => plain.push_str(&text[at..at + n]),
                Some((before, part)) => {
                    plain.push_str(&before);
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part);
                }
            }
            at += n;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Line { parts }
    }

    /// Bytes taken at `at`, and what stands for them: a text and a part. `None`: one character.
    fn part(&self, text: &str, at: usize) -> Option<(usize, Option<(String, Part)>)> {
        let (bytes, rest) = (text.as_bytes(), text.get(at..)?);
        let starts_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        if !starts_word {
            return None;
        }
        const URN: &str = "urn:uuid:";
        if let Some(id) = rest.strip_prefix(URN).and_then(|rest| rest.get(..UUID_LEN)) {
            let rt = self.types.get(id)?;
            return Some((URN.len() + UUID_LEN, Some((format!("{rt}/"), id_part(id)?))));
        }
        if bytes[at].is_ascii_hexdigit()
            && let Some(id) = rest.get(..UUID_LEN)
            && self.types.contains_key(id)
        {
            return Some((UUID_LEN, Some((String::new(), id_part(id)?))));
        }
        let in_quotes = at > 0 && bytes[at - 1] == b'"';
        if in_quotes && bytes[at].is_ascii_digit() {
            let date = rest.get(..10)?.parse::<Date>().ok()?;
            let is_whole = matches!(rest.as_bytes().get(10), Some(b'"' | b'T'));
            return is_whole.then_some((10, Some((String::new(), Part::Date(date)))));
        }
        if in_quotes && bytes[at].is_ascii_uppercase() {
            let value = &rest[..rest.find('"')?];
            if value.contains("?identifier=")
                && let Some(place) = self.places.by_identifier.get(value)
            {
                // Not exchanged: hospitals and practitioners have no clones.
                return Some((value.len(), Some((place.clone(), Part::Text(String::new())))));
            }
        }
        let n = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let word = &rest[..n];
        if n > 0 && self.names.iter().any(|name| name == word) {
            let digits = word.bytes().rev().take_while(u8::is_ascii_digit).count();
            let (word, digits) = word.split_at(n - digits);
            let number = digits.parse().unwrap_or(0);
            return Some((n, Some((String::new(), Part::Name(word.to_owned(), number)))));
        }
        (n > 1).then_some((n, None))
    }
}

fn id_part(id: &str) -> Option<Part> {
    let (first, rest) = id.split_at_checked(8)?;
    Some(Part::Id(u32::from_str_radix(first, 16).ok()?, rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(json: &str) -> Bundle {
        Bundle { name: "b".into(), json: json.as_bytes().to_vec(), n_entries: 2 }
    }

    #[test]
    fn a_clone_has_other_ids_names_and_dates_and_literal_references() {
        let first = bundle(
            r#"{"entry":[{"resource":{"resourceType":"Practitioner","id":"dr",
            "identifier":[{"system":"s","value":"1"}]}}]}"#,
        );
        let patient = bundle(
            r#"{"entry":[
            {"resource":{"resourceType":"Patient","id":"8dc9ac45-b48b-4b58-a91c-6a6cd175a00e",
              "name":[{"family":"Crooks415","given":["Zoé"]}],"birthDate":"2020-03-01"}},
            {"resource":{"resourceType":"Encounter","id":"8dc9ac45-b48b-4b58-ea45-278a702a0300",
              "period":{"start":"2021-01-11T07:00:48+00:00"},"status":"1850-01-01x",
              "subject":{"reference":"urn:uuid:8dc9ac45-b48b-4b58-a91c-6a6cd175a00e",
                "display":"Zoé Crooks415"},
              "participant":[{"individual":{"reference":"Practitioner?identifier=s|1"}}]}}]}"#,
        );
        let places = Places::new(&[first]).unwrap();
        let template = Template::new(&patient, &places).unwrap();
        let mut out = Vec::new();
        assert_eq!(template.write(&mut out, 0, 9).unwrap(), 2);
        let same = String::from_utf8(out).unwrap();
        assert!(same.contains(r#""reference":"Patient/8dc9ac45-b48b-4b58-a91c-6a6cd175a00e""#));
        assert!(same.contains(r#""reference":"Practitioner/dr""#), "{same}");
        assert!(same.contains(r#""birthDate":"2020-03-01""#), "{same}");
        let mut out = Vec::new();
        template.write(&mut out, 1, 9).unwrap();
        let other = String::from_utf8(out).unwrap();
        let id = format!("{:08x}-b48b-4b58-a91c-6a6cd175a00e", 0x8dc9_ac45 ^ ID_STEP);
        assert_eq!(other.matches(&id).count(), 2, "{other}");
        assert!(other.contains(r#""birthDate":"2020-02-13""#), "{other}");
        assert!(other.contains("2020-12-25T07:00:48+00:00"), "{other}");
        assert!(other.contains("1850-01-01x"), "no date: {other}");
        assert_eq!(other.matches("Crooks1415").count(), 2, "{other}");
        for line in other.lines() {
            Doc::parse(line).unwrap();
        }
        let mut out = Vec::new();
        assert_eq!(template.write(&mut out, 2, 1).unwrap(), 1, "no more lines than wanted");
    }
}
