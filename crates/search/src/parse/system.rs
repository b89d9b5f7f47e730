//! Searches across types: `GET [base]?_type=…&…`, `Patient/1/*`.
//!
//! Source: FHIR R4 http.html#search, search.html#all, compartmentdefinition.html#use.
//! Each type gets a query of its own; a parameter must be one of every type that is searched.

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, compartment};

use super::{Reading, Setting, add_canonical, invalid, not_supported, read_query, shown};
use crate::params;
use crate::query::{Query, SystemQuery};
use crate::suggest::nearest;

/// Reads a search across the types that `_type` names; without it, across all types of R4, or
/// all types of the compartment.
///
/// Errors: one issue for each parameter that cannot be used.
pub fn parse_system(
    within: Option<(ResourceType, &str)>,
    pairs: &[(String, String)],
    setting: Setting<'_>,
) -> Result<SystemQuery, Vec<Issue>> {
    let (named, rest): (Vec<_>, Vec<_>) =
        pairs.iter().cloned().partition(|(name, _)| name == "_type");
    let named = match named.as_slice() {
        [] => None,
        [(name, value)] => Some(read_types(name, value).map_err(|issue| vec![issue])?),
        [(name, _), ..] => return Err(vec![invalid(name, "is given twice; give it once")]),
    };
    let types = match &named {
        Some(types) => types.clone(),
        None => searched(within.map(|(root, _)| root)),
    };
    let reading = Reading::new(setting, true);
    let mut queries = Vec::with_capacity(types.len());
    for rt in &types {
        let query = read_query(*rt, within, &rest, &reading)
            .map_err(|issues| explained(issues, *rt, types.len(), named.is_some()))?;
        queries.push(query);
    }
    if queries.iter().any(|query| query.contained.inner) {
        let why = "Contained resources are searched one type at a time.";
        return Err(vec![not_supported("_contained", why)]);
    }
    check_alike(&queries)?;
    let mut canonical = String::new();
    if let Some((name, value)) = pairs.iter().find(|(name, _)| name == "_type") {
        add_canonical(&mut canonical, name, value);
    }
    for query in &mut queries {
        let own = std::mem::replace(&mut query.canonical, canonical.clone());
        if !own.is_empty() && !query.canonical.is_empty() {
            query.canonical.push('&');
        }
        query.canonical.push_str(&own);
    }
    Ok(SystemQuery { queries, is_named: named.is_some() })
}

fn read_types(name: &str, value: &str) -> Result<Vec<ResourceType>, Issue> {
    let mut types = Vec::new();
    for text in value.split(',') {
        let Some(rt) = ResourceType::from_name(text) else {
            let near = nearest(text, ResourceType::ALL.iter().map(|rt| rt.name()));
            let hint = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
            let what = format!("names '{}', which is no type of R4{hint}", shown(text));
            return Err(invalid(name, &what));
        };
        types.push(rt);
    }
    types.sort_unstable();
    types.dedup();
    Ok(types)
}

/// All types, or those of a compartment.
fn searched(root: Option<ResourceType>) -> Vec<ResourceType> {
    let all = ResourceType::ALL.iter().copied();
    match root.and_then(|root| compartment(root.name())) {
        None => all.collect(),
        Some(def) => all
            .filter(|rt| {
                let connects = |code: &&str| params::find(*rt, code).is_some();
                *rt == def.root || def.params_of(*rt).iter().any(connects)
            })
            .collect(),
    }
}

/// What to do about a parameter that one of several types lacks.
fn explained(
    mut issues: Vec<Issue>,
    rt: ResourceType,
    n_types: usize,
    is_named: bool,
) -> Vec<Issue> {
    for issue in &mut issues {
        if n_types > 1 && issue.code != IssueType::TooCostly {
            let hint = if is_named {
                "a search across types takes what all of them have"
            } else {
                "a search across all types takes _id, _lastUpdated, _tag, _profile, _security, \
                 _source, _has and _list; name types with _type"
            };
            issue.text = format!("{} ({rt} is one of {n_types} types: {hint}.)", issue.text);
        }
    }
    issues
}

/// Sort keys must be of one kind, so that resources of different types can be compared.
fn check_alike(queries: &[Query]) -> Result<(), Vec<Issue>> {
    let Some(first) = queries.first() else { return Ok(()) };
    for query in queries {
        let kinds = |q: &Query| q.sort.iter().map(|s| s.kind).collect::<Vec<_>>();
        if kinds(query) != kinds(first) {
            let what = format!(
                "names parameters of different kinds in {} and {}; across types sort by \
                 parameters of one kind, as _lastUpdated",
                first.rt, query.rt
            );
            return Err(vec![invalid("_sort", &what)]);
        }
    }
    Ok(())
}
