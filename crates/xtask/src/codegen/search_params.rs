//! Search parameters, split by resource type.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::definitions::{Definitions, items, str_of, strings};
use super::print::{self, HEADER, string};
use super::types::Model;

/// The text of `search_params.rs`.
pub fn print(definitions: &Definitions, model: &Model) -> Result<String, String> {
    let params: Vec<&Value> =
        definitions.search_params.iter().filter(|json| !is_example(json)).collect();
    let code_by_url: BTreeMap<&str, &str> =
        params.iter().map(|json| (str_of(json, "url"), str_of(json, "code"))).collect();
    let mut out = String::from(HEADER);
    out.push_str(PRELUDE);
    let mut index = String::new();
    for (resource_idx, resource) in model.resources.iter().enumerate() {
        let mut rows = BTreeMap::new();
        for json in &params {
            if !applies(json, resource) {
                continue;
            }
            let row = row(json, resource, resource_idx, model, &code_by_url)?;
            if rows.insert(str_of(json, "code"), row).is_some() {
                return Err(format!("two parameters {} of {resource}", str_of(json, "code")));
            }
        }
        writeln!(out, "static P{resource_idx}: [SearchParam; {}] = [", rows.len())
            .expect("a String");
        for row in rows.values() {
            writeln!(out, "    {row},").expect("a String");
        }
        out.push_str("];\n\n");
        write!(index, "&P{resource_idx}, ").expect("a String");
    }
    let n_resources = model.resources.len();
    writeln!(
        out,
        "pub(crate) static SEARCH_PARAMS: [&[SearchParam]; {n_resources}] = [{}];",
        index.trim_end_matches(", ")
    )
    .expect("a String");
    Ok(out)
}

const PRELUDE: &str = "\
use crate::ResourceType;
use crate::search_param::{SearchKind as K, SearchParam};

const fn r(idx: u8) -> ResourceType {
    ResourceType(idx)
}

type S = &'static str;

const PREFIXES: &[S] = &[\"eq\", \"ne\", \"gt\", \"lt\", \"ge\", \"le\", \"sa\", \"eb\", \"ap\"];
const MISSING: &[S] = &[\"missing\"];
const STRING: &[S] = &[\"missing\", \"exact\", \"contains\"];
const TOKEN: &[S] =
    &[\"missing\", \"text\", \"not\", \"above\", \"below\", \"in\", \"not-in\", \"of-type\"];
const REFERENCE: &[S] = &[\"missing\", \"type\", \"identifier\", \"above\", \"below\"];
const URI: &[S] = &[\"missing\", \"above\", \"below\"];

#[expect(clippy::too_many_arguments, reason = \"a row of a table\")]
const fn p(
    code: S,
    url: S,
    kind: K,
    base: u8,
    expression: S,
    targets: &'static [ResourceType],
    components: &'static [(S, S)],
    comparators: &'static [S],
    modifiers: &'static [S],
) -> SearchParam {
    let base = ResourceType(base);
    SearchParam { code, url, kind, base, expression, targets, components, comparators, modifiers }
}

";

/// Two illustrations of the resource SearchParameter that would shadow real parameters.
fn is_example(json: &Value) -> bool {
    str_of(json, "id").starts_with("example")
}

/// Whether a parameter applies to a concrete resource type.
///
/// Ten parameters of the package, from extensions to CodeSystem and ValueSet, name no base at all
/// and apply to nothing.
fn applies(json: &Value, resource: &str) -> bool {
    let not_domain = matches!(resource, "Binary" | "Bundle" | "Parameters");
    strings(json, "base").into_iter().any(|base| match base {
        "Resource" => true,
        "DomainResource" => !not_domain,
        base => base == resource,
    })
}

fn row(
    json: &Value,
    resource: &str,
    resource_idx: usize,
    model: &Model,
    code_by_url: &BTreeMap<&str, &str>,
) -> Result<String, String> {
    let code = str_of(json, "code");
    let kind = str_of(json, "type");
    let expression = for_base(str_of(json, "expression"), resource, model);
    if expression.is_empty() && !str_of(json, "expression").is_empty() {
        return Err(format!("{resource} {code}: no part of the expression applies"));
    }
    let mut components = Vec::new();
    for component in items(json, "component") {
        let url = str_of(component, "definition");
        let code = code_by_url.get(url).ok_or_else(|| format!("{code}: no component {url}"))?;
        components.push(format!("({}, {})", string(code), string(str_of(component, "expression"))));
    }
    let comparators = match strings(json, "comparator") {
        stated if !stated.is_empty() => print::strings(stated),
        _ => comparators(kind).to_owned(),
    };
    let (first, rest) = kind.split_at(1);
    Ok(format!(
        "p({}, {}, K::{}{rest}, {resource_idx}, {}, {}, &[{}], {comparators}, {})",
        string(code),
        string(str_of(json, "url")),
        first.to_ascii_uppercase(),
        string(&expression),
        model.resource_list(&strings(json, "target"))?,
        components.join(", "),
        modifiers(kind),
    ))
}

/// The prelude's list of prefixes of a kind of parameter: search.html#prefix.
fn comparators(kind: &str) -> &'static str {
    match kind {
        "number" | "date" | "quantity" => "PREFIXES",
        _ => "&[]",
    }
}

/// The prelude's list of modifiers of a kind of parameter: search.html#modifiers.
fn modifiers(kind: &str) -> &'static str {
    match kind {
        "string" => "STRING",
        "token" => "TOKEN",
        "reference" => "REFERENCE",
        "uri" => "URI",
        "special" => "&[]",
        _ => "MISSING",
    }
}

/// The alternatives of a union that apply to `resource`, joined again.
fn for_base(expression: &str, resource: &str, model: &Model) -> String {
    let parts = alternatives(expression).into_iter().filter(|part| {
        let path = part.trim_start_matches('(');
        let end = path.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(path.len());
        let root = &path[..end];
        let other = root != resource && model.resources.iter().any(|other| other == root);
        !other
    });
    parts.collect::<Vec<_>>().join(" | ")
}

/// Splits a union at the top level, outside parentheses and strings.
fn alternatives(expression: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let mut quoted = false;
    let mut start = 0;
    for (at, c) in expression.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            '|' if !quoted && depth == 0 => {
                parts.push(expression[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(expression[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_splits_at_the_top_level_only() {
        let parts = alternatives("A.x | (A.y | A.z) | A.w.where(t='|')");
        assert_eq!(parts, ["A.x", "(A.y | A.z)", "A.w.where(t='|')"]);
    }
}
