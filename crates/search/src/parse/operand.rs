//! Values of search parameters.
//!
//! Source: FHIR R4 search.html#ptypes, #prefix, #escaping.

use fhir::date::PartialDate;
use fhir::issue::Issue;
use fhir_tables::{ResourceType, SearchKind, SearchParam};

use super::{Setting, invalid, shown, targets};
use crate::convert::{Target, target, unit_of};
use crate::decimal;
use crate::normalize::normalize;
use crate::plan::is_implied_system;
use crate::query::{CanonicalRange, Modifier, Operand, Prefix, SystemMatch};

/// Parts of `text` between separators that are not escaped; escapes stay.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == separator {
            out.push(&text[start..i]);
            start = i + c.len_utf8();
        }
    }
    out.push(&text[start..]);
    out
}

/// Takes `\` away before `,`, `|`, `$` and `\`; elsewhere it stands for itself.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(&next @ (',' | '|' | '$' | '\\')) if c == '\\' => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// Reads the values of one parameter.
pub(super) struct Reader<'a> {
    pub name: &'a str,
    pub param: &'static SearchParam,
    pub modifier: Modifier,
    pub setting: Setting<'a>,
}

pub(super) type Result<T> = std::result::Result<T, Issue>;

impl Reader<'_> {
    /// Reads one alternative; escapes are still in `text`.
    pub fn read(&self, text: &str) -> Result<Operand> {
        if text.is_empty() {
            return Err(self.bad(text, "is empty; a comma stands between two values"));
        }
        if self.modifier == Modifier::Missing {
            return match text {
                "true" => Ok(Operand::Missing(true)),
                "false" => Ok(Operand::Missing(false)),
                _ => Err(self.bad(text, "must be true or false with ':missing'")),
            };
        }
        if self.param.code == "_id" {
            return Ok(Operand::Id(unescape(text)));
        }
        match self.param.kind {
            SearchKind::Token => self.token(text),
            SearchKind::String => self.string(text),
            SearchKind::Date => self.date(text),
            SearchKind::Number => self.number(text),
            SearchKind::Quantity => self.quantity(text),
            SearchKind::Reference => self.reference(text),
            SearchKind::Uri => Ok(Operand::Uri(unescape(text))),
            SearchKind::Composite => self.composite(text),
            SearchKind::Special => self.near(text),
        }
    }

    pub(super) fn bad(&self, text: &str, what: &str) -> Issue {
        invalid(self.name, &format!("has the value '{}', which {what}", shown(text)))
    }

    fn token(&self, text: &str) -> Result<Operand> {
        match self.modifier {
            Modifier::Text => {
                let words = normalize(&unescape(text));
                if words.is_empty() {
                    return Err(self.bad(text, "has no letters"));
                }
                return Ok(Operand::TokenText(words));
            }
            Modifier::OfType => {
                let parts = split(text, '|');
                let [system, code, value] = parts[..] else {
                    return Err(self.bad(text, "must have the form system|code|value"));
                };
                if code.is_empty() || value.is_empty() {
                    return Err(self.bad(text, "must have a code and a value: system|code|value"));
                }
                return Ok(Operand::OfType {
                    system: Some(unescape(system)).filter(|system| !system.is_empty()),
                    code: unescape(code),
                    value: unescape(value),
                });
            }
            _ => {}
        }
        let (mut system, code) = self.system_and_code(text)?;
        if let (SystemMatch::Is(url), Some(_)) = (&system, &code)
            && is_implied_system(self.param, url)
        {
            system = SystemMatch::Absent;
        }
        Ok(Operand::Token { system, code })
    }

    pub(super) fn system_and_code(&self, text: &str) -> Result<(SystemMatch, Option<String>)> {
        let parts = split(text, '|');
        Ok(match parts[..] {
            [code] => (SystemMatch::Any, Some(unescape(code))),
            ["", ""] => return Err(self.bad(text, "has neither system nor code")),
            ["", code] => (SystemMatch::Absent, Some(unescape(code))),
            [system, code] => (
                SystemMatch::Is(unescape(system)),
                Some(unescape(code)).filter(|code| !code.is_empty()),
            ),
            _ => {
                let what = "has more than one '|'; the form is system|code, and '\\|' stands for \
                            the character";
                return Err(self.bad(text, what));
            }
        })
    }

    fn string(&self, text: &str) -> Result<Operand> {
        let text = unescape(text);
        if self.modifier != Modifier::Exact && normalize(&text).is_empty() {
            return Err(self.bad(&text, "has no letters"));
        }
        Ok(Operand::String(text))
    }

    fn date(&self, text: &str) -> Result<Operand> {
        let (prefix, rest) = prefix(text);
        // A plus sign that was not escaped in the URL arrives as a blank.
        let date = PartialDate::parse(rest).or_else(|| PartialDate::parse(&rest.replace(' ', "+")));
        let Some(date) = date else {
            return Err(self.bad(
                text,
                "is no date; the form is YYYY[-MM[-DD[Thh:mm[:ss[.sss]][Z|+hh:mm]]]] with eq, ne, \
                 gt, lt, ge, le, sa, eb or ap in front",
            ));
        };
        let (mut lo, mut hi) = date.range_utc_ms();
        if prefix == Prefix::Ap {
            let now = self.setting.now_ms;
            let distance = if now < lo { lo - now } else { (now - hi).max(0) };
            let widen = (distance / 10).max(hi - lo + 1);
            (lo, hi) = (lo - widen, hi + widen);
        }
        Ok(Operand::Date { prefix, lo, hi })
    }

    fn decimal(&self, text: &str, number: &str) -> Result<(Prefix, f64, f64, f64)> {
        let (prefix, rest) = prefix(number);
        let Some(read) = decimal::parse(rest) else {
            return Err(self.bad(
                text,
                "does not start with a number like 5.4, -3 or 1e2 with eq, ne, gt, lt, ge, le, \
                 sa, eb or ap in front",
            ));
        };
        let (mut lo, mut hi) = (read.lo, read.hi);
        if prefix == Prefix::Ap {
            let widen = read.value.abs() / 10.0;
            (lo, hi) = (lo.min(read.value - widen), hi.max(read.value + widen));
        }
        Ok((prefix, read.value, lo, hi))
    }

    fn number(&self, text: &str) -> Result<Operand> {
        let (prefix, value, lo, hi) = self.decimal(text, text)?;
        Ok(Operand::Number { prefix, value, lo, hi })
    }

    fn quantity(&self, text: &str) -> Result<Operand> {
        let parts = split(text, '|');
        let (number, system, code) = match parts[..] {
            [number] => (number, "", ""),
            [number, system, code] => (number, system, code),
            _ => return Err(self.bad(text, "must have the form number or number|system|code")),
        };
        let (prefix, value, lo, hi) = self.decimal(text, number)?;
        let given = |text: &str| Some(unescape(text)).filter(|text| !text.is_empty());
        let (system, code) = (given(system), given(code));
        let canonical = canonical(system.as_deref(), code.as_deref(), (value, lo, hi));
        Ok(Operand::Quantity { prefix, value, lo, hi, system, code, canonical })
    }

    pub(super) fn reference(&self, text: &str) -> Result<Operand> {
        if self.modifier == Modifier::Identifier {
            let (system, value) = self.system_and_code(text)?;
            return Ok(Operand::Identifier { system, value });
        }
        let allowed = match self.modifier {
            Modifier::Type(rt) => &[rt][..],
            _ => &reachable(self.param),
        };
        let text = unescape(text);
        if !text.contains(['/', ':', '|', '#']) {
            if !fhir::reference::is_id(&text) {
                return Err(self.bad(&text, "is neither an id, Type/id nor a URL"));
            }
            return Ok(Operand::Reference { types: allowed.to_vec(), id: text });
        }
        match target(&text, self.setting.base_url) {
            Some(Target::Local(rt, id)) => {
                if !allowed.contains(&rt) {
                    let what = match self.modifier {
                        Modifier::Type(wanted) => format!("is no {wanted}"),
                        _ => format!("is a {rt}; {}", targets(self.param)),
                    };
                    return Err(self.bad(&text, &what));
                }
                Ok(Operand::Reference { types: vec![rt], id: id.to_owned() })
            }
            Some(Target::Url(url)) if url.contains(':') => Ok(Operand::Url(url.to_owned())),
            Some(Target::Url(_)) | None => {
                Err(self.bad(&text, "is neither an id, Type/id nor a URL"))
            }
        }
    }

    fn composite(&self, text: &str) -> Result<Operand> {
        let parts = split(text, '$');
        let components = self.param.components;
        if parts.len() != components.len() {
            let names: Vec<&str> = components.iter().map(|(code, _)| *code).collect();
            return Err(self.bad(text, &format!("must have the form {}", names.join("$"))));
        }
        let mut operands = Vec::with_capacity(parts.len());
        for (part, (code, _)) in parts.iter().zip(components) {
            let found = super::find(self.param.base, code, self.name, self.setting)?;
            let Some((_, param)) = found else {
                return Err(self.bad(text, &format!("needs '{code}', which is not there")));
            };
            let (name, setting) = (self.name, self.setting);
            operands.push(Reader { name, param, modifier: Modifier::None, setting }.read(part)?);
        }
        Ok(Operand::Composite(operands))
    }
}

/// The numbers in base units, when the unit is one of UCUM and they are finite there.
fn canonical(
    system: Option<&str>,
    code: Option<&str>,
    (value, lo, hi): (f64, f64, f64),
) -> Option<CanonicalRange> {
    let unit = unit_of(system, code)?;
    let (value, lo, hi) = (unit.canonical(value)?, unit.canonical(lo)?, unit.canonical(hi)?);
    Some(CanonicalRange { kind: value.kind, value: value.value, lo: lo.value, hi: hi.value })
}

/// The types that a value of the parameter may have: `where(resolve() is Patient)` in all of its
/// expression narrows the targets.
pub(super) fn reachable(param: &SearchParam) -> Vec<ResourceType> {
    let resolved: Option<Vec<ResourceType>> = param
        .expression
        .split(" | ")
        .map(|path| {
            let (_, name) = path.strip_suffix(')')?.split_once(".where(resolve() is ")?;
            ResourceType::from_name(name)
        })
        .collect();
    match resolved {
        Some(mut types) => {
            types.dedup();
            types
        }
        None if param.targets.is_empty() => ResourceType::ALL.to_vec(),
        None => param.targets.to_vec(),
    }
}

fn prefix(text: &str) -> (Prefix, &str) {
    let found = match text.as_bytes() {
        [b'e', b'q', ..] => Prefix::Eq,
        [b'n', b'e', ..] => Prefix::Ne,
        [b'g', b't', ..] => Prefix::Gt,
        [b'l', b't', ..] => Prefix::Lt,
        [b'g', b'e', ..] => Prefix::Ge,
        [b'l', b'e', ..] => Prefix::Le,
        [b's', b'a', ..] => Prefix::Sa,
        [b'e', b'b', ..] => Prefix::Eb,
        [b'a', b'p', ..] => Prefix::Ap,
        _ => return (Prefix::Eq, text),
    };
    (found, &text[2..])
}
