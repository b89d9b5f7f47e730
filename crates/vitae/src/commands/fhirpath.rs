//! `fhirpath`: evaluates an expression on a resource.

use std::process::ExitCode;

use fhir::json::{Doc, Value, write_string};
use fhirpath::{Env, ErrorKind, Expr, Item};
use record::{SystemWorld, World};

use super::validate::{parse, read};
use crate::cli::Fhirpath;
use crate::failure::{Failure, Result};

pub fn fhirpath(args: &Fhirpath) -> Result<ExitCode> {
    let doc = parse(read(&args.input)?).map_err(|issues| {
        let text = issues.into_iter().next().map(|issue| issue.text).unwrap_or_default();
        Failure::new(format!("{}: {text}", args.input.display()))
    })?;
    match evaluate(&doc, &args.expression) {
        Ok(json) => {
            println!("{json}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let kind = match error.kind {
                ErrorKind::Syntax => "syntax",
                ErrorKind::Semantic => "semantic",
                ErrorKind::Execution => "execution",
            };
            let value = Value::object([
                ("error", Value::from(kind)),
                ("message", Value::from(error.to_string())),
            ]);
            eprintln!("{}", value.to_json());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A JSON array of `{"type":…,"value":…}` in order.
fn evaluate(doc: &Doc, text: &str) -> std::result::Result<String, fhirpath::Error> {
    let context = Item::root(doc.root()).type_id();
    let expr = Expr::compile(text, context)?;
    let env = Env::new(SystemWorld.now_ms());
    let mut out = String::from("[");
    for (item_idx, item) in expr.eval(doc.root(), &env)?.iter().enumerate() {
        if item_idx > 0 {
            out.push(',');
        }
        out.push_str("{\"type\":");
        write_string(type_name(item), &mut out);
        out.push_str(",\"value\":");
        write_value(item, &mut out);
        out.push('}');
    }
    out.push(']');
    Ok(out)
}

/// System types go by the name of the FHIR primitive that they are.
fn type_name(item: &Item<'_>) -> &'static str {
    match item.type_name() {
        ("System", "Boolean") => "boolean",
        ("System", "Integer") => "integer",
        ("System", "Decimal") => "decimal",
        ("System", "String") => "string",
        ("System", "Date") => "date",
        ("System", "DateTime") => "dateTime",
        ("System", "Time") => "time",
        (_, name) => name,
    }
}

fn write_value(item: &Item<'_>, out: &mut String) {
    match item {
        Item::Node { node, sibling, .. } => match (node.is_null(), sibling) {
            (true, Some(sibling)) => sibling.write_compact(out),
            _ => node.write_compact(out),
        },
        Item::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Item::Integer(value) => out.push_str(&value.to_string()),
        Item::Decimal(value) => out.push_str(&value.to_string()),
        Item::String(text) => write_string(text, out),
        Item::Date(date) => write_string(&date.to_string(), out),
        Item::DateTime(date) => write_string(&date.to_string(), out),
        Item::Time(time) => write_string(&time.to_string(), out),
        Item::Quantity(quantity) => write_string(&quantity.to_string(), out),
        Item::Type { namespace, name } => write_string(&format!("{namespace}.{name}"), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, want: &str) {
        let json = br#"{"resourceType":"Patient","active":true,"name":[{"given":["Ann","Bo"]}],
            "birthDate":"1970-03-30"}"#;
        let doc = Doc::parse(json.as_slice()).expect("JSON");
        let found = evaluate(&doc, expression).unwrap_or_else(|e| e.to_string());
        assert_eq!(found, want, "{expression}");
    }

    #[test]
    fn values_print_with_their_types() {
        check("name", r#"[{"type":"HumanName","value":{"given":["Ann","Bo"]}}]"#);
        check("name.given", r#"[{"type":"string","value":"Ann"},{"type":"string","value":"Bo"}]"#);
        check("active", r#"[{"type":"boolean","value":true}]"#);
        check("1.50 + 1", r#"[{"type":"decimal","value":2.50}]"#);
        check("name.given.count()", r#"[{"type":"integer","value":2}]"#);
        check("nickname.exists()", "semantic error at 0: Patient has no element `nickname`");
    }
}
