//! Datatypes as words: CodeableConcept, HumanName, Quantity, ContactPoint.
//!
//! Source: FHIR R4 datatypes.html.

use std::borrow::Cow;

use fhir::json::Node;

use crate::view::Name;

/// Semantic tags that SNOMED CT puts behind a fully specified name; noise to a reader.
const SNOMED_TAGS: &[&str] = &[
    "disorder",
    "finding",
    "situation",
    "procedure",
    "substance",
    "regime/therapy",
    "event",
    "physical object",
    "morphologic abnormality",
    "product",
    "qualifier value",
    "organism",
    "observable entity",
    "medicinal product",
    "person",
    "navigational concept",
    "clinical drug",
    "body structure",
    "record artifact",
    "assessment scale",
    "social concept",
    "occupation",
    "environment",
    "context-dependent category",
    "medicinal product form",
    "specimen",
    "location",
];

/// A display without SNOMED's semantic tag.
pub fn plain(display: &str) -> &str {
    let Some((head, tail)) = display.trim_end().rsplit_once(" (") else { return display };
    let Some(tag) = tail.strip_suffix(')') else { return display };
    if SNOMED_TAGS.contains(&tag) { head } else { display }
}

/// CodeableConcept in words: `text`, else a display, else a code. `None` when it says nothing.
pub fn concept(node: Node) -> Option<String> {
    let text = node.str("text").filter(|t| !t.trim().is_empty());
    if let Some(text) = text {
        return Some(plain(&text).to_owned());
    }
    let codings = || node.list("coding");
    codings()
        .find_map(|c| c.str("display"))
        .map(|d| plain(&d).to_owned())
        .or_else(|| codings().find_map(|c| c.str("code")).map(Cow::into_owned))
}

/// The concept in element `name` (the first, if many).
pub fn concept_in(node: Node, name: &str) -> Option<String> {
    node.list(name).find_map(concept)
}

/// Code of the first coding in element `name`, or the element itself when it is a code.
pub fn code_in<'a>(node: Node<'a>, name: &str) -> Option<Cow<'a, str>> {
    let first = node.list(name).next()?;
    first.as_str().or_else(|| first.list("coding").find_map(|c| c.str("code")))
}

/// True when a coding in element `name` has one of `codes`.
pub fn has_code(node: Node, name: &str, codes: &[&str]) -> bool {
    node.list(name)
        .flat_map(|c| c.list("coding"))
        .filter_map(|c| c.str("code"))
        .any(|c| codes.contains(&c.as_ref()))
}

/// A code as words: `entered-in-error` → `entered in error`.
pub fn words(code: &str) -> String {
    code.replace(['-', '_'], " ")
}

/// A name made of a HumanName. Only `text`: all of it as given name, so that nothing is guessed.
pub fn name_of(node: Node) -> Name {
    let family = node.str("family").map(Cow::into_owned).unwrap_or_default();
    let given: Vec<String> =
        node.list("given").filter_map(|g| g.as_str()).map(Cow::into_owned).collect();
    let mut given = given.join(" ");
    if family.is_empty() && given.is_empty() {
        given = node.str("text").map(Cow::into_owned).unwrap_or_default();
    }
    Name { family, given, called: None }
}

/// The name of a person: official before usual before any; never an old one if there is another.
/// `called` is the nickname, or the usual name where it differs from the official.
pub fn person_name(resource: Node) -> Name {
    let rank = |n: &Node| match n.str("use").as_deref() {
        Some("official") => 0,
        Some("usual") => 1,
        None => 2,
        Some("temp" | "anonymous") => 3,
        Some("nickname") => 4,
        Some("old" | "maiden") => 5,
        Some(_) => 3,
    };
    let ended = |n: &Node| n.get("period").is_some_and(|p| p.get("end").is_some());
    let Some(best) = resource.list("name").min_by_key(|n| (ended(n), rank(n))) else {
        return Name::default();
    };
    let mut name = name_of(best);
    let called = resource
        .list("name")
        .filter(|n| *n != best && !ended(n))
        .filter(|n| matches!(n.str("use").as_deref(), Some("nickname" | "usual")))
        .find_map(|n| {
            let first = n.list("given").find_map(|g| g.as_str());
            first.or_else(|| n.str("text")).map(Cow::into_owned)
        });
    name.called = called.filter(|c| name.given.split(' ').next() != Some(c));
    name
}

/// A staff name: `text`, or given and family.
pub fn full_name(resource: Node) -> Option<String> {
    let best = resource.list("name").next().or_else(|| resource.get("name"))?;
    if let Some(text) = best.as_str().or_else(|| best.str("text")) {
        return Some(text.into_owned());
    }
    let n = name_of(best);
    let prefix: Vec<String> =
        best.list("prefix").filter_map(|p| p.as_str()).map(Cow::into_owned).collect();
    let parts = [prefix.join(" "), n.given, n.family];
    let text: Vec<&str> = parts.iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
    (!text.is_empty()).then(|| text.join(" "))
}

/// A UCUM code or a written unit as people write it.
pub fn unit(text: &str) -> String {
    let known = match text {
        "mm[Hg]" => "mmHg",
        "Cel" => "°C",
        "[degF]" => "°F",
        "kg/m2" => "kg/m²",
        "[lb_av]" => "lb",
        "[in_i]" => "in",
        "mL/min/{1.73_m2}" | "mL/min/1.73.m2" | "mL/min/1.73m2" | "mL/min/{1.73m2}"
        | "mL/min/1.73_m2" => "mL/min/1.73 m²",
        "10*3/uL" | "10^3/uL" | "K/uL" | "10*3/µL" => "10³/µL",
        "10*6/uL" | "10^6/uL" | "M/uL" => "10⁶/µL",
        "10*9/L" | "10^9/L" => "10⁹/L",
        "10*12/L" | "10^12/L" => "10¹²/L",
        "ug/dL" => "µg/dL",
        "ug/L" => "µg/L",
        "ug" => "µg",
        "u[IU]/mL" => "µIU/mL",
        "m[IU]/L" => "mIU/L",
        "[IU]/L" => "IU/L",
        "{score}" | "1" | "{nominal}" | "{#}" | "{ratio}" => "",
        "{beats}/min" | "beats/minute" | "beats/min" => "/min",
        "{breaths}/min" | "breaths/minute" | "breaths/min" => "/min",
        "a" => "y",
        _ => "",
    };
    let silent = matches!(text, "{score}" | "1" | "{nominal}" | "{#}" | "{ratio}");
    if !known.is_empty() || silent {
        return known.to_owned();
    }
    // Annotations in braces are for machines: `mg{creat}` is read `mg`.
    match (text.find('{'), text.rfind('}')) {
        (Some(a), Some(b)) if a < b && a > 0 => {
            format!("{}{}", text.get(..a).unwrap_or(""), text.get(b + 1..).unwrap_or(""))
        }
        _ => text.to_owned(),
    }
}

/// Unit of a Quantity, as written or from its code.
pub fn unit_of(quantity: Node) -> String {
    let written = quantity.str("unit").or_else(|| quantity.str("code"));
    written.map(|u| unit(&u)).unwrap_or_default()
}

/// Quantity in words, its digits as recorded: `< 0.04 ng/mL`.
pub fn quantity(node: Node) -> Option<String> {
    let value = node.get("value")?.as_number()?;
    let unit = unit_of(node);
    let comparator = node.str("comparator").map(|c| format!("{c} ")).unwrap_or_default();
    let space = if unit.is_empty() || unit == "%" && comparator.is_empty() { "" } else { " " };
    Some(format!("{comparator}{}{space}{unit}", digits(value)))
}

/// Digits for reading: as recorded, trailing zeros included, because they say how exact the
/// measurement was. More than three decimals or an exponent are rounded for the eye; the record
/// itself is one key away.
pub fn digits(number: &str) -> String {
    let decimals = number.split_once('.').map_or(0, |(_, d)| d.len());
    let plain = !number.contains(['e', 'E']);
    if plain && decimals <= 3 {
        return number.to_owned();
    }
    match number.parse::<f64>() {
        Ok(v) if v.is_finite() && v.abs() < 1e15 => {
            let places = if v.abs() >= 100.0 {
                1
            } else if v.abs() >= 1.0 {
                2
            } else {
                4
            };
            let text = format!("{v:.places$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
        _ => number.to_owned(),
    }
}

/// Digits of a dose: never a trailing zero, which is misread as ten times the dose (ISMP list of
/// error-prone abbreviations). The value is the same.
pub fn dose_digits(number: &str) -> String {
    let text = digits(number);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Quantity of a drug in words.
pub fn dose(node: Node) -> Option<String> {
    let value = dose_digits(node.get("value")?.as_number()?);
    let unit = unit_of(node);
    Some(if unit.is_empty() { value } else { format!("{value} {unit}") })
}

/// The phone to call: mobile, then home, then any; by rank. Not e-mail, not fax.
pub fn phone(resource: Node) -> Option<String> {
    let rank = |t: &Node| {
        let rank = t.get("rank").and_then(|r| r.as_number()?.parse::<u32>().ok()).unwrap_or(99);
        let r#use = match t.str("use").as_deref() {
            Some("mobile") => 0,
            Some("home") => 1,
            Some("old") => 9,
            _ => 2,
        };
        (r#use == 9, rank, r#use)
    };
    resource
        .list("telecom")
        .filter(|t| matches!(t.str("system").as_deref(), Some("phone" | "sms")))
        .filter(|t| t.get("value").is_some())
        .min_by_key(rank)?
        .str("value")
        .map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::doc;

    #[test]
    fn concepts_say_what_they_can() {
        for (json, text) in [
            (r#"{"text":"Asthma (disorder)"}"#, Some("Asthma")),
            (r#"{"text":"Ibuprofen (Advil)"}"#, Some("Ibuprofen (Advil)")),
            (r#"{"coding":[{"code":"1"},{"code":"2","display":"Two"}]}"#, Some("Two")),
            (r#"{"coding":[{"code":"E11.9"}]}"#, Some("E11.9")),
            (r#"{"text":"  ","coding":[{"code":"x"}]}"#, Some("x")),
            (r#"{}"#, None),
        ] {
            assert_eq!(concept(doc(json).root()).as_deref(), text, "{json}");
        }
    }

    #[test]
    fn names_take_the_official_and_keep_what_one_is_called() {
        for (json, sorted, called) in [
            (
                r#"{"name":[{"use":"nickname","given":["Mari"]},{"use":"official","family":"Garcia","given":["Maria","Elena"]}]}"#,
                "Garcia, Maria Elena",
                Some("Mari"),
            ),
            (
                r#"{"name":[{"use":"maiden","family":"Lopez","given":["Ana"]},{"family":"Diaz","given":["Ana"]}]}"#,
                "Diaz, Ana",
                None,
            ),
            (r#"{"name":[{"text":"ليلى عبد الرحمن"}]}"#, "ليلى عبد الرحمن", None),
            (r#"{"name":[{"family":"Gargano"}]}"#, "Gargano", None),
            (r#"{"name":[{}]}"#, "Name not recorded", None),
            (r#"{}"#, "Name not recorded", None),
        ] {
            let d = doc(json);
            let name = person_name(d.root());
            assert_eq!(
                (name.sorted().as_str(), name.called.as_deref()),
                (sorted, called),
                "{json}"
            );
        }
    }

    #[test]
    fn quantities_keep_their_digits() {
        for (json, text) in [
            (r#"{"value":5.40,"unit":"mmol/L"}"#, Some("5.40 mmol/L")),
            (r#"{"value":0.04,"comparator":"<","code":"ng/mL"}"#, Some("< 0.04 ng/mL")),
            (r#"{"value":132,"code":"mm[Hg]"}"#, Some("132 mmHg")),
            (r#"{"value":8.4,"unit":"%"}"#, Some("8.4%")),
            (r#"{"value":24.218450393018113,"unit":"kg/m2"}"#, Some("24.22 kg/m²")),
            (r#"{"value":1.5e2,"unit":"mg"}"#, Some("150 mg")),
            (r#"{"value":7,"code":"{score}"}"#, Some("7")),
            (r#"{"unit":"mg"}"#, None),
        ] {
            assert_eq!(quantity(doc(json).root()).as_deref(), text, "{json}");
        }
    }

    #[test]
    fn the_phone_is_the_one_to_call() {
        let d = doc(
            r#"{"telecom":[{"system":"email","value":"a@b"},{"system":"phone","use":"home","value":"1"},
            {"system":"phone","use":"mobile","value":"2"},{"system":"fax","use":"mobile","value":"3"}]}"#,
        );
        assert_eq!(phone(d.root()).as_deref(), Some("2"));
    }
}
