//! Parameters that control the result: size, inclusion and shape.
//!
//! Source: FHIR R4 search.html#return, #revinclude, #summary, #elements.

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, SearchKind};

use super::{COUNT_MAX, INCLUDES_MAX, Read, Setting, invalid, shown, targets};
use crate::params;
use crate::query::{Include, Query, Summary, Total};
use crate::suggest::nearest;

/// Reads `name` when it is a control; `None` for all other parameters. `across`: the search is on
/// several types, of which `query` has one.
pub(super) fn read<'a>(
    query: &mut Query,
    seen: &mut Vec<&'a str>,
    name: &'a str,
    value: &str,
    across: bool,
    setting: Setting<'_>,
) -> Result<Option<Read>, Issue> {
    let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
    match code {
        "_format" | "_pretty" => return Ok(Some(Read::Passed)),
        "_include" | "_revinclude" => {
            if query.include.len() + query.revinclude.len() >= INCLUDES_MAX {
                let text = format!("A search may have {INCLUDES_MAX} _include and _revinclude.");
                return Err(Issue::error(IssueType::TooCostly, "", text));
            }
            let include = read_include(query.rt, name, modifier, value, across, setting)?;
            let list = if code == "_include" { &mut query.include } else { &mut query.revinclude };
            if !list.contains(&include) {
                list.push(include);
            }
            return Ok(Some(Read::Used));
        }
        "_sort" | "_count" | "_total" | "_summary" | "_elements" | "_contained"
        | "_containedType" => {}
        _ => return Ok(None),
    }
    if !modifier.is_empty() {
        return Err(invalid(name, "has no modifiers; leave ':' and what follows out"));
    }
    if seen.contains(&name) {
        return Err(invalid(name, "is given twice; give it once"));
    }
    seen.push(name);
    match code {
        "_sort" => super::sort::read(query, value, setting)?,
        "_count" => {
            let bad = || invalid(name, "must be a whole number, 0 or more");
            let digits = value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty();
            if !digits {
                return Err(bad());
            }
            // Digits that overflow are above the limit too.
            query.count = Some(value.parse().unwrap_or(u32::MAX).min(COUNT_MAX));
            if query.count == Some(0) {
                // search.html#count: `_count=0` is treated like `_summary=count`.
                query.summary = Summary::Count;
            }
        }
        "_total" => {
            query.total = Some(match value {
                "none" => Total::None,
                "estimate" => Total::Estimate,
                "accurate" => Total::Accurate,
                _ => return Err(invalid(name, "must be none, estimate or accurate")),
            });
        }
        "_summary" => {
            let summary = match value {
                "true" => Summary::True,
                "text" => Summary::Text,
                "data" => Summary::Data,
                "count" => Summary::Count,
                "false" => Summary::False,
                _ => return Err(invalid(name, "must be true, text, data, count or false")),
            };
            if query.summary != Summary::Count {
                query.summary = summary;
            }
        }
        "_elements" => read_elements(query, value, across)?,
        "_contained" => {
            let contained = &mut query.contained;
            (contained.own, contained.inner) = match value {
                "false" => (true, false),
                "true" => (false, true),
                "both" => (true, true),
                _ => return Err(invalid(name, "must be true, false or both")),
            };
        }
        _ => {
            query.contained.shows_container = match value {
                "container" => true,
                "contained" => false,
                _ => return Err(invalid(name, "must be container or contained")),
            };
        }
    }
    Ok(Some(Read::Used))
}

fn read_elements(query: &mut Query, value: &str, across: bool) -> Result<(), Issue> {
    let def = query.rt.type_id().def();
    for name in value.split(',') {
        // Across types, each shows what it has of them.
        if !across && !def.elements.iter().any(|element| element.name == name) {
            let hint = match nearest(name, def.elements.iter().map(|element| element.name)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "name elements at the top of the resource, separated by comma".into(),
            };
            let what = format!("names '{}', which {} does not have; {hint}", shown(name), query.rt);
            return Err(invalid("_elements", &what));
        }
        if !query.elements.iter().any(|known| known == name) {
            query.elements.push(name.to_owned());
        }
    }
    Ok(())
}

/// `Source:param[:Target]`, `Source:*` or `*`.
fn read_include(
    rt: ResourceType,
    name: &str,
    modifier: &str,
    value: &str,
    across: bool,
    setting: Setting<'_>,
) -> Result<Include, Issue> {
    let reverse = name.starts_with("_rev");
    let iterate = match modifier {
        "" => false,
        "iterate" | "recurse" => true,
        _ => return Err(invalid(name, "knows the modifier ':iterate' only")),
    };
    if value == "*" {
        return Ok(Include { source: None, param: None, target: None, iterate });
    }
    let mut parts = value.split(':');
    let (source, code, target) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(code), target, None) => (source, code, target),
        _ => {
            let form = "must have the form Type:parameter or Type:parameter:TargetType";
            return Err(invalid(name, form));
        }
    };
    let type_of = |text: &str| {
        ResourceType::from_name(text).ok_or_else(|| {
            let near = nearest(text, ResourceType::ALL.iter().map(|rt| rt.name()));
            let hint = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
            invalid(
                name,
                &format!("names the type '{}', which R4 does not have{hint}", shown(text)),
            )
        })
    };
    let source = type_of(source)?;
    let target = target.filter(|text| !text.is_empty()).map(type_of).transpose()?;
    if !reverse && !iterate && !across && source != rt {
        let what =
            format!("starts from {source}, but the search is for {rt}; use '{name}:iterate'");
        return Err(invalid(name, &what));
    }
    if code == "*" {
        return Ok(Include { source: Some(source), param: None, target, iterate });
    }
    let found = super::find(source, code, name, setting)?;
    let found = found.filter(|(_, param)| param.kind == SearchKind::Reference);
    let Some((param, definition)) = found else {
        let references = || params::of(source).filter(|(_, p)| p.kind == SearchKind::Reference);
        let codes: Vec<&str> = references().map(|(_, param)| param.code).collect();
        let what = format!(
            "names '{}', which is no reference parameter of {source}; it has {}",
            shown(code),
            codes.join(", ")
        );
        return Err(invalid(name, &what));
    };
    let reached = if reverse && !iterate && !across { Some(rt) } else { target };
    for ty in target.into_iter().chain(reached) {
        if !definition.targets.is_empty() && !definition.targets.contains(&ty) {
            let what = format!("never reaches {ty} by '{code}'; {}", targets(definition));
            return Err(invalid(name, &what));
        }
    }
    Ok(Include { source: Some(source), param: Some(param), target, iterate })
}
