//! The official FHIRPath suite for R4, compared with the committed list of known failures.
//!
//! Source: `../shared/data/fhirpath`, see its SOURCE.md. A case passes when its outputs come in
//! order with their types, or when it asks for an error and gets one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use case_kit::suites;
use fhir::json::Doc;
use fhir_tables::TypeId;
use fhirpath::{Decimal, Env, Expr, Item, Options};

/// Cases that fail, one per line: `- group/name: reason`.
const KNOWN: &str = include_str!("known-failures.md");
/// 2026-01-01T00:00:00Z.
const NOW_MS: i64 = 1_767_225_600_000;

/// One `<test>`.
struct Case {
    name: String,
    expression: String,
    input: Option<String>,
    invalid: Option<String>,
    predicate: bool,
    ordered: bool,
    outputs: Vec<(Option<String>, String)>,
}

#[test]
fn official_suite() {
    let Some(folder) = suites::folder_for_test("official_suite") else { return };
    let folder = folder.join("fhirpath");
    let text = std::fs::read_to_string(folder.join("tests-fhir-r4-give.xml")).expect("the suite");
    let cases = cases(&text);
    assert!(cases.len() > 500, "only {} cases", cases.len());
    let mut inputs = BTreeMap::new();
    let mut failed = Vec::new();
    for case in &cases {
        let doc = case
            .input
            .as_ref()
            .map(|name| inputs.entry(name.clone()).or_insert_with(|| input(&folder, name)) as &Doc);
        if let Err(why) = run(case, doc) {
            failed.push((case.name.clone(), why));
        }
    }
    let known: Vec<&str> = KNOWN
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.split_once(": ").map(|(name, _)| name))
        .collect();
    let mut report = String::new();
    for (name, why) in failed.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let _ = writeln!(report, "fails and is not listed: {name}: {why}");
    }
    for name in known.iter().filter(|name| !failed.iter().any(|(failed, _)| failed == *name)) {
        let _ = writeln!(report, "is listed but passes: {name}");
    }
    println!("{} of {} cases pass", cases.len() - failed.len(), cases.len());
    assert!(report.is_empty(), "{report}");
}

fn input(folder: &Path, name: &str) -> Doc {
    // R5's twin of the one input that is out of order has its extension, R4's has not.
    let places = match name.strip_prefix("examples/") {
        Some(_) => ["input/r5", "input/r4", "input/r4", "input/r4"],
        None => ["input/r4", "input/r4/examples", "input/r5", "input/r5/examples"],
    };
    for place in places {
        let path = folder.join(place).join(name);
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if !name.ends_with(".xml") {
            return Doc::parse(bytes).expect("JSON");
        }
        match fhir::xml::to_json(&bytes) {
            Ok(json) => return Doc::parse(json).expect("JSON"),
            // One input has its elements out of order; others' readers do not mind.
            Err(issues) if issues.iter().all(|issue| issue.text.starts_with("wrong order")) => {
                let twin = format!("examples/{}.json", name.trim_end_matches(".xml"));
                return input(folder, &twin);
            }
            Err(issues) => panic!("{}: {issues:?}", path.display()),
        }
    }
    panic!("no input {name}")
}

fn run(case: &Case, doc: Option<&Doc>) -> Result<(), String> {
    let nothing = Doc::parse("{}").expect("JSON");
    let root = doc.unwrap_or(&nothing).root();
    let context = root.str("resourceType").and_then(|name| TypeId::by_name(&name));
    let expr = match Expr::compile_with(&case.expression, context, Options { strict: true }) {
        Ok(expr) => expr,
        Err(_) if case.invalid.is_some() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let env = Env::new(NOW_MS);
    let result = expr.eval(root, &env);
    let items = match (result, &case.invalid) {
        (Err(_), Some(_)) => return Ok(()),
        (Err(error), None) => return Err(error.to_string()),
        (Ok(_), Some(kind)) => return Err(format!("no {kind} error")),
        (Ok(items), None) => items,
    };
    let mut found: Vec<(String, String)> = if case.predicate {
        let truth = match items.first().and_then(Item::as_bool) {
            Some(truth) if items.len() == 1 => truth,
            _ => !items.is_empty(),
        };
        vec![("boolean".to_owned(), truth.to_string())]
    } else {
        items.iter().map(shown).collect()
    };
    let mut wanted = case.outputs.clone();
    if !case.ordered {
        found.sort_by(|a, b| a.1.cmp(&b.1));
        wanted.sort_by(|a, b| a.1.cmp(&b.1));
    }
    let same = found.len() == wanted.len()
        && found.iter().zip(&wanted).all(|((ty, text), (wanted_ty, wanted_text))| {
            wanted_ty.as_ref().is_none_or(|wanted_ty| wanted_ty == ty)
                && same_text(ty, text, wanted_text)
        });
    if same { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}")) }
}

fn same_text(ty: &str, found: &str, wanted: &str) -> bool {
    if ty == "decimal"
        && let (Some(found), Some(wanted)) = (Decimal::parse(found), Decimal::parse(wanted))
    {
        return found.compare(wanted).is_eq();
    }
    found == wanted.strip_prefix('@').unwrap_or(wanted)
}

fn shown(item: &Item<'_>) -> (String, String) {
    let (_, name) = item.type_name();
    let ty = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
    let text = match item.to_system() {
        Some(Item::Boolean(value)) => value.to_string(),
        Some(Item::Integer(value)) => value.to_string(),
        Some(Item::Decimal(value)) => value.to_string(),
        Some(Item::String(value)) => value.to_string(),
        Some(Item::Date(value)) => value.to_string(),
        Some(Item::DateTime(value)) => value.to_string(),
        Some(Item::Time(value)) => format!("T{value}"),
        Some(Item::Quantity(value)) => value.to_string(),
        _ => format!("{item:?}"),
    };
    (ty, text)
}

/// The cases of the suite's XML, which is regular enough to be cut at its tags.
fn cases(text: &str) -> Vec<Case> {
    let mut out = Vec::new();
    let mut text = without_comments(text);
    text.push_str("<group ");
    let mut group = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if rest.starts_with("<group ") {
            group = attribute(tag(rest), "name").unwrap_or_default();
        } else if rest.starts_with("<test ") {
            let end = rest.find("</test>").unwrap_or(rest.len());
            out.push(case(&group, &rest[..end]));
            rest = &rest[end..];
        }
        rest = &rest[1..];
    }
    out
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<!--") {
        out.push_str(&rest[..at]);
        rest = rest[at..].find("-->").map_or("", |end| &rest[at + end + 3..]);
    }
    out.push_str(rest);
    out
}

fn case(group: &str, text: &str) -> Case {
    let head = tag(text);
    let (expression_tag, expression) = element(text, "expression").unwrap_or_default();
    let mut outputs = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("<output") {
        rest = &rest[at..];
        let (output_tag, value) = element(rest, "output").unwrap_or_default();
        outputs.push((attribute(&output_tag, "type"), value));
        rest = &rest[1..];
    }
    let is = |name: &str, value: &str| attribute(head, name).as_deref() == Some(value);
    Case {
        name: format!("{group}/{}", attribute(head, "name").unwrap_or_default()),
        expression,
        input: attribute(head, "inputfile").filter(|name| !name.is_empty()),
        invalid: attribute(&expression_tag, "invalid"),
        predicate: is("predicate", "true"),
        ordered: !is("ordered", "false"),
        outputs,
    }
}

fn tag(text: &str) -> &str {
    &text[..text.find('>').map_or(text.len(), |end| end + 1)]
}

/// The start tag and decoded content of the first such element.
fn element(text: &str, name: &str) -> Option<(String, String)> {
    let start = text.find(&format!("<{name}"))?;
    let head = tag(&text[start..]);
    if head.ends_with("/>") {
        return Some((head.to_owned(), String::new()));
    }
    let body = &text[start + head.len()..];
    let end = body.find(&format!("</{name}>"))?;
    Some((head.to_owned(), decoded(&body[..end])))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let len = tag[start..].find('"')?;
    Some(decoded(&tag[start..start + len]))
}

fn decoded(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
