//! Values that mean sets: value sets, hierarchies, full text, places.
//!
//! Source: FHIR R4 search.html#token, #reference, #uri, #content; location.html#search.

use std::sync::Arc;

use fhir::issue::{Issue, IssueType};
use fhir_tables::{SearchKind, SearchParam};
use terminology::{CodeSet, Codes};

use super::operand::{Reader, Result, split, unescape};
use super::shown;
use crate::decimal;
use crate::fulltext::FullText;
use crate::lookup::{Direction, Refusal, part_of};
use crate::near::{DISTANCE_DEFAULT_M, DISTANCE_MAX_M};
use crate::plan::is_implied_system;
use crate::query::{Modifier, Operand, SystemMatch};

/// Most resources that a hierarchy of parts adds to a search.
pub const PARTS_MAX: usize = 10_000;

/// Parameters that no expression defines: they have a form and a meaning of their own.
pub(super) fn has_own_form(param: &SearchParam) -> bool {
    is_full_text(param) || (param.kind == SearchKind::Special && param.code == "near")
}

pub(super) fn is_full_text(param: &SearchParam) -> bool {
    matches!(param.code, "_text" | "_content") && param.expression.is_empty()
}

/// Whether [`Reader::terms`] reads the values.
pub(super) fn needs_terms(param: &SearchParam, modifier: Modifier) -> bool {
    let is_set = match param.kind {
        SearchKind::Token | SearchKind::Reference => true,
        SearchKind::Uri => false,
        _ => return is_full_text(param),
    };
    let own =
        matches!(modifier, Modifier::In | Modifier::NotIn | Modifier::Above | Modifier::Below);
    is_set && own
}

impl Reader<'_> {
    /// Reads all alternatives of a parameter whose values stand for sets.
    pub fn terms(&self, texts: &[&str]) -> Result<Vec<Operand>> {
        if let Some(empty) = texts.iter().find(|text| text.is_empty()) {
            return Err(self.bad(empty, "is empty; a comma stands between two values"));
        }
        match self.param.kind {
            SearchKind::Token => texts.iter().map(|text| self.codes(text)).collect(),
            SearchKind::Reference => {
                let mut operands = Vec::new();
                for text in texts {
                    self.hierarchy(text, &mut operands)?;
                }
                Ok(operands)
            }
            _ => texts.iter().map(|text| self.full_text(text)).collect(),
        }
    }

    fn refused(&self, text: &str, refusal: Refusal) -> Issue {
        let text =
            format!("Parameter '{}' with '{}': {}.", shown(self.name), shown(text), refusal.text);
        Issue::error(refusal.code, "", text)
    }

    fn codes(&self, text: &str) -> Result<Operand> {
        let found = match self.modifier {
            Modifier::In | Modifier::NotIn => {
                let url = unescape(text);
                self.setting.lookup.value_set(&url)
            }
            _ => {
                let (SystemMatch::Is(system), Some(code)) = self.system_and_code(text)? else {
                    let what = "must have the form system|code: a code alone has no hierarchy";
                    return Err(self.bad(text, what));
                };
                self.setting.lookup.subsumption(&system, &code, direction(self.modifier))
            }
        };
        let mut set = found.map_err(|refusal| self.refused(text, refusal))?;
        self.add_implied(&mut set);
        Ok(Operand::Codes(Arc::new(set)))
    }

    /// Codes of an implied system stand in resources without a system.
    fn add_implied(&self, set: &mut CodeSet) {
        let implied: Vec<Codes> = set
            .systems()
            .filter(|(system, _)| is_implied_system(self.param, system))
            .map(|(_, codes)| codes.clone())
            .collect();
        for codes in implied {
            set.add("", codes);
        }
    }

    /// A canonical with what is above or below it by URL and version; a resource with all that it
    /// is part of or that is part of it.
    fn hierarchy(&self, text: &str, out: &mut Vec<Operand>) -> Result<()> {
        let (types, id) = match self.reference(text)? {
            Operand::Reference { types, id } => (types, id),
            other => {
                out.push(other);
                return Ok(());
            }
        };
        let with_parts: Vec<_> = types.iter().filter(|rt| part_of(**rt).is_some()).collect();
        if with_parts.is_empty() {
            let what = "names a resource of a type that has no hierarchy (partOf)";
            return Err(self.bad(text, what));
        }
        for rt in with_parts {
            let ids = self
                .setting
                .lookup
                .parts(*rt, &id, direction(self.modifier))
                .map_err(|refusal| self.refused(text, refusal))?;
            if out.len() + ids.len() > PARTS_MAX {
                let text = format!(
                    "Parameter '{}' with '{}' stands for more than {PARTS_MAX} resources.",
                    shown(self.name),
                    shown(text)
                );
                return Err(Issue::error(IssueType::TooCostly, "", text));
            }
            let of = |id| Operand::Reference { types: vec![*rt], id };
            out.extend(ids.into_iter().map(of));
        }
        Ok(())
    }

    fn full_text(&self, text: &str) -> Result<Operand> {
        let parsed = FullText::parse(&unescape(text));
        parsed.map(Operand::FullText).map_err(|why| self.bad(text, &why))
    }

    /// `latitude|longitude|distance|units`.
    pub fn near(&self, text: &str) -> Result<Operand> {
        let parts = split(text, '|');
        let (latitude, longitude, distance, unit) = match parts[..] {
            [latitude, longitude] => (latitude, longitude, "", ""),
            [latitude, longitude, distance] => (latitude, longitude, distance, ""),
            [latitude, longitude, distance, unit] => (latitude, longitude, distance, unit),
            _ => {
                let what = "must have the form latitude|longitude|distance|units";
                return Err(self.bad(text, what));
            }
        };
        let degrees = |part: &str, most: f64| {
            decimal::parse(part).map(|d| d.value).filter(|value| value.abs() <= most)
        };
        let (Some(latitude), Some(longitude)) =
            (degrees(latitude, 90.0), degrees(longitude, 180.0))
        else {
            let what = "needs a latitude from -90 to 90 and a longitude from -180 to 180";
            return Err(self.bad(text, what));
        };
        let distance_m = if distance.is_empty() {
            DISTANCE_DEFAULT_M
        } else {
            let unit = if unit.is_empty() { "km".to_owned() } else { unescape(unit) };
            // R4 says "kms" where it means kilometres.
            let unit = if unit == "kms" { "km" } else { unit.as_str() };
            let number = decimal::parse(distance).map(|d| d.value).filter(|value| *value >= 0.0);
            let metres = number.and_then(|number| ucum::convert(number, unit, "m").ok());
            let Some(metres) = metres else {
                let what = "needs a distance of 0 or more in a unit of length of UCUM, such as km";
                return Err(self.bad(text, what));
            };
            metres.min(DISTANCE_MAX_M)
        };
        Ok(Operand::Near { latitude, longitude, distance_m })
    }
}

fn direction(modifier: Modifier) -> Direction {
    if modifier == Modifier::Above { Direction::Above } else { Direction::Below }
}
