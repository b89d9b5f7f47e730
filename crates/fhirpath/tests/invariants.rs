//! Every invariant of R4 compiles for its element, and holds for the specification's examples
//! unless listed.

use std::collections::{BTreeMap, BTreeSet};

use case_kit::suites;
use fhir::json::{Doc, Node};
use fhir_tables::TypeId;
use fhirpath::{Env, Expr, Item};

/// Invariants that an example breaks or that cannot run, one per line: `- key: reason`.
const EXCEPTIONS: &str = include_str!("invariant-exceptions.md");

struct Invariant {
    key: String,
    /// Steps from the type to the element.
    path: Vec<String>,
    expr: Expr,
}

/// Invariants by the name of the type that states them, those that do not compile aside.
fn invariants(files: &[(String, Vec<u8>)]) -> (BTreeMap<String, Vec<Invariant>>, Vec<String>) {
    let mut out: BTreeMap<String, Vec<Invariant>> = BTreeMap::new();
    let mut failures = Vec::new();
    for (name, content) in files {
        if !name.contains("StructureDefinition-") {
            continue;
        }
        let doc = Doc::parse(content.clone()).expect("JSON");
        let root = doc.root();
        if root.str("derivation").as_deref() == Some("constraint")
            || root.str("kind").as_deref() == Some("logical")
        {
            continue;
        }
        let Some(snapshot) = root.get("snapshot") else { continue };
        for element in snapshot.list("element") {
            let path = element.str("path").unwrap_or_default();
            let mut steps = path.split('.').map(str::to_owned);
            let ty = steps.next().unwrap_or_default();
            let steps: Vec<String> = steps.collect();
            for constraint in element.list("constraint") {
                let key = constraint.str("key").unwrap_or_default().into_owned();
                let Some(text) = constraint.str("expression") else { continue };
                let context = type_at(&ty, &steps);
                match Expr::compile(&text, context) {
                    Ok(expr) => {
                        let row = Invariant { key, path: steps.clone(), expr };
                        out.entry(ty.clone()).or_default().push(row);
                    }
                    Err(error) => failures.push(format!("{key}: {path}: {text}: {error}")),
                }
            }
        }
    }
    (out, failures)
}

fn type_at(ty: &str, steps: &[String]) -> Option<TypeId> {
    let mut at = TypeId::by_name(ty)?;
    for step in steps {
        let name = step.strip_suffix("[x]").unwrap_or(step);
        match at.element_by_path_name(name)?.types {
            [ty] => at = ty.ty,
            _ => return None,
        }
    }
    Some(at)
}

#[test]
fn invariants_hold_for_the_examples() {
    let test = "invariants_hold_for_the_examples";
    let Some(folder) = suites::folder_for_test(test) else { return };
    let definitions = folder.join("fhir-r4-definitions/hl7.fhir.r4.core-4.0.1.tar.zst");
    let files = suites::tar_zst(&definitions).expect("a readable archive");
    let (invariants, mut failures) = invariants(&files);
    assert!(invariants.values().map(Vec::len).sum::<usize>() > 1_000);
    let examples = folder.join("fhir-r4-examples/hl7.fhir.r4.examples-give.tar.zst");
    let mut broken = BTreeMap::new();
    let mut n_checked = 0;
    for (name, content) in suites::tar_zst(&examples).expect("a readable archive") {
        let Ok(doc) = Doc::parse(content) else { continue };
        let root = doc.root();
        let Some(ty) = root.str("resourceType") else { continue };
        for invariant in invariants.get(&*ty).into_iter().flatten() {
            n_checked += check(invariant, root, &name, &mut broken);
        }
    }
    failures.extend(broken.into_values());
    println!("{n_checked} invariants checked");
    assert!(n_checked > 10_000);
    let listed: BTreeSet<&str> =
        EXCEPTIONS.lines().filter_map(|l| l.strip_prefix("- ")?.split(": ").next()).collect();
    let found: BTreeSet<&str> = failures.iter().filter_map(|f| f.split(": ").next()).collect();
    assert_eq!(found, listed, "{}", failures.join("\n"));
}

/// Checks one invariant of one example; the first that is broken is kept by its key.
fn check(
    invariant: &Invariant,
    root: Node<'_>,
    name: &str,
    broken: &mut BTreeMap<String, String>,
) -> usize {
    let path = if invariant.path.is_empty() {
        "$this".to_owned()
    } else {
        invariant.path.join(".").replace("[x]", "")
    };
    let path = Expr::compile(&path, None).expect("a path");
    let mut n_checked = 0;
    let mut env = Env::new(1_767_225_600_000);
    env.resource = Some(root);
    let context = Item::root(root);
    for item in path.eval_item(&context, &env).expect("an element") {
        n_checked += 1;
        // Empty is no violation: `fullUrl.contains('/_history/').not()` without a fullUrl.
        let why = match invariant.expr.eval_item(&item, &env) {
            Ok(result) if result.iter().all(|r| r.as_bool() != Some(false)) => continue,
            Ok(_) => "false".to_owned(),
            Err(error) => error.to_string(),
        };
        broken.entry(invariant.key.clone()).or_insert_with(|| {
            format!("{}: {name}: {}: {why}", invariant.key, invariant.expr.text())
        });
    }
    n_checked
}
