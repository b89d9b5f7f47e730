//! The table of units, from the definitions that UCUM publishes.

use std::fmt::Write;
use std::path::Path;

use super::print::string;

const HEADER: &str = "\
// Written by `cargo xtask codegen` from the definitions of UCUM 2.2. Do not edit.
//
// Facts of the Unified Code for Units of Measure, copyright 1999-2024 Regenstrief Institute, Inc.,
// offered under the UCUM Copyright Notice and License 1.1, without warranty: https://ucum.org/license

//! Prefixes, base units and units of UCUM.

use crate::read::Row;

";

/// Reads `ucum-essence.xml` and prints the tables.
///
/// Errors: an unreadable file, or a unit without a definition.
pub fn print(folder: &Path) -> Result<String, String> {
    let path = folder.join("ucum-essence.xml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut out = String::from(HEADER);
    out.push_str("/// Longer ones first, so that `da` is not taken for `d`.\n");
    out.push_str("pub(crate) static PREFIXES: &[(&str, f64)] = &[\n");
    let mut prefixes = Vec::new();
    for element in elements(&text, "prefix") {
        let code = attribute(element, "Code").ok_or("a prefix without code")?;
        let value = element.split("<value").nth(1).and_then(|v| attribute(v, "value"));
        prefixes.push((code, value.ok_or(format!("prefix {code} has no value"))?));
    }
    prefixes.sort_by_key(|(code, _)| (usize::MAX - code.len(), *code));
    for (code, value) in prefixes {
        writeln!(out, "    ({}, {}),", string(code), number(value)?).expect("a String");
    }
    out.push_str("];\n\npub(crate) static BASES: [&str; crate::unit::N_BASES] = [");
    let bases: Vec<String> = elements(&text, "base-unit")
        .filter_map(|element| attribute(element, "Code"))
        .map(string)
        .collect();
    write!(out, "{}", bases.join(", ")).expect("a String");
    out.push_str("];\n\n");
    out.push_str(MACRO);
    out.push_str("pub(crate) static UNITS: &[Row] = &[\n");
    for element in elements(&text, "unit") {
        row(element, &mut out)?;
    }
    out.push_str("];\n");
    Ok(out)
}

const MACRO: &str = "\
const fn r(
    code: &'static str,
    metric: bool,
    arbitrary: bool,
    function: &'static str,
    value: f64,
    unit: &'static str,
) -> Row {
    Row { code, metric, arbitrary, function, value, unit }
}

";

fn row(element: &str, out: &mut String) -> Result<(), String> {
    let code = attribute(element, "Code").ok_or("a unit without code")?;
    let is = |name| attribute(element, name) == Some("yes");
    let after = |tag: &str| element.split(tag).nth(1);
    let (function, definition) = match after("<function") {
        Some(function) => (attribute(function, "name").unwrap_or_default(), function),
        None => ("", after("<value").ok_or(format!("unit {code} has no value"))?),
    };
    let value = attribute(definition, "value").ok_or(format!("unit {code} has no value"))?;
    let unit = attribute(definition, "Unit").ok_or(format!("unit {code} has no unit"))?;
    writeln!(
        out,
        "    r({}, {}, {}, {}, {}, {}),",
        string(&unescaped(code)),
        is("isMetric"),
        is("isArbitrary"),
        string(function),
        number(value)?,
        string(&unescaped(unit)),
    )
    .expect("a String");
    Ok(())
}

/// Text from the opening tags called `name` to the end of the element.
fn elements<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let open = format!("<{name} ");
    let close = format!("</{name}>");
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(&open)?;
        let end = start + rest[start..].find(&close)?;
        let element = &rest[start..end];
        rest = &rest[end..];
        Some(element)
    })
}

/// An attribute of the first tag in `element`.
fn attribute<'t>(element: &'t str, name: &str) -> Option<&'t str> {
    let tag = element.split('>').next()?;
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// A literal that Rust reads as the same number, with the digits of the definition.
fn number(text: &str) -> Result<String, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    if value == std::f64::consts::PI {
        return Ok("std::f64::consts::PI".to_owned());
    }
    Ok(format!("{value:?}"))
}
