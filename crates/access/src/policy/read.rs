//! The text of a policy: sections and lines.

use toml::Value;

use super::{BadPolicy, CARE, Heeded, LINES_MAX, Line, OWN, PROXY, Section, Whose, conditions};
use crate::scope::{Level, Scope};

/// When what parents may ends, and when a young person has a sphere of their own, in a policy that
/// does not say: the laws of states differ.
const ADULT_AGE: u32 = 18;
const PRIVATE_AGE: u32 = 13;
/// No age is above this.
const AGE_MAX: u32 = 150;
/// Characters of a security label's code.
const LABEL_CHARS_MAX: usize = 64;

/// Reads a section.
pub(super) fn section(name: &str, value: Value) -> Result<Section, BadPolicy> {
    let Value::Table(table) = value else {
        return Err(BadPolicy(format!("{name} is no section: write [{name}]")));
    };
    let mut section =
        Section { private_age: PRIVATE_AGE, adult_age: ADULT_AGE, ..Section::default() };
    let is_proxy = name == PROXY;
    for (key, value) in table {
        match key.as_str() {
            "may" => section.may = lines(name, &key, value)?,
            "not" => section.not = lines(name, &key, value)?,
            "consents" => section.consents = heeded(name, &value)?,
            "emergency" if !is_proxy => section.emergency = of_patients(name, &key, value)?,
            "sealed" if !is_proxy => section.sealed = labels(name, &key, &value)?,
            "reviews" if !is_proxy => {
                section.reviews = value
                    .as_bool()
                    .ok_or_else(|| BadPolicy(format!("[{name}] reviews: write true or false")))?;
            }
            "private" if is_proxy => section.private = labels(name, &key, &value)?,
            "private_age" if is_proxy => section.private_age = age(name, &key, &value)?,
            "adult_age" if is_proxy => section.adult_age = age(name, &key, &value)?,
            _ => {
                let own = match is_proxy {
                    true => "private, private_age and adult_age",
                    false => "emergency, sealed and reviews",
                };
                let text = format!("[{name}] has '{key}': may, not, consents, {own} are known");
                return Err(BadPolicy(text));
            }
        }
    }
    if section.private_age > section.adult_age {
        return Err(BadPolicy(format!("[{name}] private_age is above adult_age")));
    }
    Ok(section)
}

fn heeded(name: &str, value: &Value) -> Result<Heeded, BadPolicy> {
    match value.as_str() {
        Some("none") => Ok(Heeded::Not),
        Some("denials") => Ok(Heeded::Denials),
        Some("permits") => Ok(Heeded::Permits),
        _ => {
            let text = format!("[{name}] consents: write \"none\", \"denials\" or \"permits\"");
            Err(BadPolicy(text))
        }
    }
}

fn age(name: &str, key: &str, value: &Value) -> Result<u32, BadPolicy> {
    let age = value.as_integer().and_then(|age| u32::try_from(age).ok());
    age.filter(|age| *age <= AGE_MAX)
        .ok_or_else(|| BadPolicy(format!("[{name}] {key}: write years, up to {AGE_MAX}")))
}

fn list(name: &str, key: &str, value: Value) -> Result<Vec<Value>, BadPolicy> {
    let Value::Array(lines) = value else {
        return Err(BadPolicy(format!("[{name}] {key} is no list")));
    };
    if lines.len() > LINES_MAX {
        return Err(BadPolicy(format!("[{name}] {key} has more than {LINES_MAX} lines")));
    }
    Ok(lines)
}

/// Codes of security labels.
fn labels(name: &str, key: &str, value: &Value) -> Result<Vec<String>, BadPolicy> {
    let is_label = |text: &&str| {
        (1..=LABEL_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    list(name, key, value.clone())?
        .iter()
        .map(|label| {
            let text = label.as_str().filter(is_label);
            text.map(str::to_owned).ok_or_else(|| {
                BadPolicy(format!("[{name}] {key}: {label:?} is no code of a security label"))
            })
        })
        .collect()
}

/// Lines that speak of a patient.
fn of_patients(name: &str, key: &str, value: Value) -> Result<Vec<Line>, BadPolicy> {
    let lines = lines(name, key, value)?;
    match lines.iter().find(|line| line.whose != Whose::Own) {
        None => Ok(lines),
        Some(line) => {
            let text = format!(
                "[{name}] {key}: {} speaks of more than the one patient: begin with {OWN}",
                line.scope
            );
            Err(BadPolicy(text))
        }
    }
}

fn lines(name: &str, key: &str, value: Value) -> Result<Vec<Line>, BadPolicy> {
    list(name, key, value)?.iter().map(|line| self::line(name, key, line)).collect()
}

fn line(name: &str, key: &str, line: &Value) -> Result<Line, BadPolicy> {
    let text = line.as_str().unwrap_or_default();
    let (is_care, as_scope) = match text.strip_prefix(CARE) {
        Some(rest) => (true, format!("{OWN}{rest}")),
        None => (false, text.to_owned()),
    };
    let Some(scope) = Scope::parse(&as_scope) else {
        let text = format!(
            "[{name}] {key}: {text:?} is no scope such as user/Observation.rs or patient/*.rs"
        );
        return Err(BadPolicy(text));
    };
    let whose = match scope.level {
        Level::System => {
            let text = format!("[{name}] {key}: {text:?}: write user/ in place of system/");
            return Err(BadPolicy(text));
        }
        Level::User => Whose::All,
        Level::Patient if is_care => Whose::Care,
        Level::Patient => Whose::Own,
    };
    if let (Some(rt), Some(query)) = (scope.rt, &scope.query)
        && conditions(rt, query).is_none()
    {
        let text = format!(
            "[{name}] {key}: the conditions of {scope} are no search parameters of {rt} that one \
             {rt} alone decides"
        );
        return Err(BadPolicy(text));
    }
    Ok(Line { whose, scope })
}
