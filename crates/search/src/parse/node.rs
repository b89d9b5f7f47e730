//! One condition: a parameter, a chain or `_has`.
//!
//! Source: FHIR R4 search.html#chaining, #has.

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, SearchKind, SearchParam};

use super::{
    CHAIN_LINKS_MAX, NODES_MAX, REFUSED, Reading, Setting, filter, invalid, list, not_supported,
    operand, read_criterion, read_modifier, shown, targets, terms, unknown,
};
use crate::query::{Chain, Criterion, Has, Modifier, Node};
use crate::value::ParamId;

/// Why a condition cannot be read.
pub(super) enum Fail {
    /// Lenient handling leaves it out: no such parameter, or no value.
    Passable(Issue),
    Bad(Issue),
    /// A limit was passed: nothing else is tried.
    TooCostly(Issue),
}

impl Fail {
    pub fn issue(self) -> Issue {
        match self {
            Fail::Passable(issue) | Fail::Bad(issue) | Fail::TooCostly(issue) => issue,
        }
    }
}

impl From<Issue> for Fail {
    fn from(issue: Issue) -> Fail {
        if issue.code == IssueType::TooCostly { Fail::TooCostly(issue) } else { Fail::Bad(issue) }
    }
}

/// Reads a condition on `rt`. `name` is what is left of the parameter's name behind `links`
/// references, `full` the whole of it, for messages.
pub(super) fn read(
    reading: &Reading<'_>,
    rt: ResourceType,
    name: &str,
    full: &str,
    value: &str,
    links: usize,
) -> Result<Node, Fail> {
    spend(reading, full, links)?;
    if let Some(rest) = name.strip_prefix("_has:") {
        return read_has(reading, rt, rest, full, value, links);
    }
    if let Some((head, rest)) = name.split_once('.') {
        let sub = |ty| read(reading, ty, rest, full, value, links + 1);
        return read_chain(rt, head, full, reading.setting, &sub);
    }
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    match code {
        "_has" => {
            let form = "must have the form _has:Type:reference:parameter";
            return Err(invalid(full, form).into());
        }
        "_list" => return list::read(reading, rt, full, modifier, value, links),
        "_filter" if modifier.is_some() => {
            return Err(invalid(full, "has no modifiers; leave ':' and what follows out").into());
        }
        "_filter" => return filter::read(reading, rt, value),
        "_type" => {
            let what = format!("names the types of a search across types; this one is on {rt}");
            return Err(invalid(full, &what).into());
        }
        _ if REFUSED.contains(&code) => {
            return Err(not_supported(full, "The parameter is part of FHIR R4.").into());
        }
        _ => {}
    }
    let Some((id, param)) = super::find(rt, code, full, reading.setting)? else {
        return Err(Fail::Passable(unknown(rt, code)));
    };
    if value.is_empty() {
        let what = "has no value; give one or leave the parameter out";
        return Err(Fail::Passable(invalid(full, what)));
    }
    let has_own_form = terms::has_own_form(param);
    if !has_own_form && (param.kind == SearchKind::Special || param.expression.is_empty()) {
        return Err(not_supported(full, "The parameter is part of FHIR R4.").into());
    }
    let modifier = match modifier {
        None => Modifier::None,
        Some(text) => read_modifier(full, param, text)?,
    };
    let criterion = read_criterion(full, id, param, modifier, value, reading)?;
    Ok(of_whole_resource(param, &criterion).unwrap_or(Node::Criterion(criterion)))
}

/// A composite whose components are looked for in the whole resource, not in one of many parts of
/// it, asks no more than its components do, each of the parameter that it repeats.
fn of_whole_resource(param: &SearchParam, criterion: &Criterion) -> Option<Node> {
    let is_whole = param.kind == SearchKind::Composite
        && criterion.modifier == Modifier::None
        && param.expression == param.base.name()
        && criterion.implied.len() == param.components.len()
        // `value-string` looks in more places than `code-value-string` does.
        && criterion.implied.iter().all(|c| c.kind != SearchKind::String);
    if !is_whole {
        return None;
    }
    let one = |i: usize| {
        let of = |component: &Criterion| {
            let operands = component.operands.get(i).cloned().into_iter().collect();
            Node::Criterion(Criterion { operands, ..component.clone() })
        };
        Node::And(criterion.implied.iter().map(of).collect())
    };
    let mut alternatives: Vec<Node> = (0..criterion.operands.len()).map(one).collect();
    match alternatives.len() {
        1 => alternatives.pop(),
        _ => Some(Node::Or(alternatives)),
    }
}

/// Counts one condition behind `links` references.
pub(super) fn spend(reading: &Reading<'_>, full: &str, links: usize) -> Result<(), Fail> {
    if links > CHAIN_LINKS_MAX {
        let text = format!(
            "Parameter '{}' follows more than {CHAIN_LINKS_MAX} references; search in steps.",
            shown(full)
        );
        return Err(Fail::TooCostly(Issue::error(IssueType::TooCostly, "", text)));
    }
    let left = reading.nodes_left.get().checked_sub(1).ok_or_else(|| {
        let text = format!(
            "Parameter '{}' makes this search more than {NODES_MAX} conditions, counted for each \
             type that a chain may lead to; name the types, as in subject:Patient.name.",
            shown(full)
        );
        Fail::TooCostly(Issue::error(IssueType::TooCostly, "", text))
    })?;
    reading.nodes_left.set(left);
    Ok(())
}

/// A reference parameter of a type.
pub(super) fn reference(
    rt: ResourceType,
    code: &str,
    full: &str,
    setting: Setting<'_>,
) -> Result<(ParamId, &'static SearchParam), Fail> {
    let Some((id, param)) = super::find(rt, code, full, setting)? else {
        return Err(Fail::Passable(unknown(rt, code)));
    };
    if param.kind != SearchKind::Reference {
        let what = format!(
            "follows '{}', which is a {} parameter of {rt}; only references lead on",
            shown(code),
            param.kind.as_str()
        );
        return Err(invalid(full, &what).into());
    }
    Ok((id, param))
}

/// A chain that begins with `head`, a reference parameter with or without a type; `sub` reads the
/// condition on one type that it may lead to.
pub(super) fn read_chain(
    rt: ResourceType,
    head: &str,
    full: &str,
    setting: Setting<'_>,
    sub: &dyn Fn(ResourceType) -> Result<Node, Fail>,
) -> Result<Node, Fail> {
    let (code, ty) = match head.split_once(':') {
        Some((code, ty)) => (code, Some(ty)),
        None => (head, None),
    };
    let (param, definition) = reference(rt, code, full, setting)?;
    let reachable = operand::reachable(definition);
    if let Some(name) = ty {
        let Some(ty) = ResourceType::from_name(name) else {
            let what = format!(
                "has '{}' before the '.', where only a resource type may stand, as in \
                 subject:Patient.name",
                shown(name)
            );
            return Err(invalid(full, &what).into());
        };
        if !reachable.contains(&ty) {
            let what = format!("never leads to {ty} by '{code}'; {}", targets(definition));
            return Err(invalid(full, &what).into());
        }
        return Ok(Node::Chain(Chain { param, targets: vec![(ty, sub(ty)?)] }));
    }
    let mut found = Vec::new();
    let (mut passable, mut bad) = (None, None);
    for ty in &reachable {
        match sub(*ty) {
            Ok(node) => found.push((*ty, node)),
            Err(Fail::Passable(issue)) => passable = passable.or(Some(issue)),
            Err(Fail::Bad(issue)) => bad = bad.or(Some(issue)),
            Err(fail) => return Err(fail),
        }
    }
    match (found.is_empty(), bad, passable) {
        (false, ..) => Ok(Node::Chain(Chain { param, targets: found })),
        (_, Some(issue), _) => Err(Fail::Bad(issue)),
        (_, _, Some(issue)) if reachable.len() == 1 => Err(Fail::Passable(issue)),
        _ => {
            let what = format!(
                "leads by '{code}' to types that have no such parameter; {}",
                targets(definition)
            );
            let text = invalid(full, &what).text;
            Err(Fail::Passable(Issue::error(IssueType::NotSupported, "", text)))
        }
    }
}

/// `rest` is `Observation:patient:code`, and more behind it.
fn read_has(
    reading: &Reading<'_>,
    rt: ResourceType,
    rest: &str,
    full: &str,
    value: &str,
    links: usize,
) -> Result<Node, Fail> {
    let mut parts = rest.splitn(3, ':');
    let (Some(source), Some(code), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid(full, "must have the form _has:Type:reference:parameter").into());
    };
    let Some(source) = ResourceType::from_name(source) else {
        let what = format!("names the type '{}', which R4 does not have", shown(source));
        return Err(invalid(full, &what).into());
    };
    let (param, definition) = reference(source, code, full, reading.setting)?;
    if !operand::reachable(definition).contains(&rt) {
        if reading.across {
            // Nothing of this type is found; another type may be.
            return Ok(Node::Or(Vec::new()));
        }
        let what = format!("never reaches {rt} by '{code}'; {}", targets(definition));
        return Err(invalid(full, &what).into());
    }
    let node = Box::new(read(reading, source, name, full, value, links + 1)?);
    Ok(Node::Has(Has { source, param, node }))
}
