//! Every search parameter of R4 finds a resource that has a value for it, and does not find it by
//! another value. The resources are made from the parameters' expressions and the element tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fhir::json::{Doc, Value};
use fhir_tables::{ResourceType, SearchKind, SearchParam, TypeId};
use search::Sees;
use search::params;
use search::parse::{Handling, Setting, parse};
use search::query::Total;
use search::value::{IndexValue, Indexed};
use store::{DataKey, Expect, PageRequest, Put, PutKind, Snapshot, Store, WriteSet};

/// A step of a parameter's expression.
#[derive(Clone, Copy)]
enum Step<'e> {
    Child(&'e str),
    As(&'e str),
    Where(&'e str),
    Extension(&'e str),
    Passed,
}

/// The steps of one alternative of an expression, without the type that it begins with.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut path = path.trim().trim_start_matches('(');
    let mut out = Vec::new();
    let mut ty = None;
    if let Some((before, after)) = path.split_once(" as ") {
        ty = Some(after.trim_end_matches(')').trim());
        path = before;
    }
    let (mut depth, mut from) = (0, 0);
    let mut parts = Vec::new();
    for (i, c) in path.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '.' if depth == 0 => {
                parts.push(&path[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&path[from..]);
    for part in parts {
        let inner = |name: &str| part.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        out.push(if let Some(ty) = inner("as").or(inner("ofType")) {
            Step::As(ty)
        } else if let Some(condition) = inner("where") {
            Step::Where(condition)
        } else if let Some(url) = inner("extension") {
            Step::Extension(url.trim_matches('\''))
        } else if part.starts_with(|c: char| c.is_ascii_lowercase()) && !part.contains('(') {
            Step::Child(part.split('[').next().unwrap_or(part))
        } else {
            Step::Passed
        });
    }
    out.extend(ty.map(Step::As));
    out
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::object(members)
}

/// A value of a type that parameters find something in.
fn leaf(ty: TypeId, target: Option<&str>) -> Option<Value> {
    let concept = || object([("system", "http://s.test".into()), ("code", "c1".into())]);
    let quantity = || {
        object([
            ("value", Value::Number("5".into())),
            ("system", "http://unitsofmeasure.org".into()),
            ("code", "mg".into()),
        ])
    };
    Some(match ty.name() {
        "code" | "string" | "markdown" | "id" => "c1".into(),
        "uri" | "url" | "canonical" | "oid" | "uuid" => "http://u.test/1".into(),
        "boolean" => Value::Bool(true),
        "decimal" | "integer" | "positiveInt" | "unsignedInt" => Value::Number("5".into()),
        "date" | "dateTime" => "2020-01-01".into(),
        "instant" => "2020-01-01T00:00:00Z".into(),
        "CodeableConcept" => object([("coding", Value::array([concept()]))]),
        "Coding" => concept(),
        "Identifier" => object([("system", "http://s.test".into()), ("value", "c1".into())]),
        "ContactPoint" => object([("system", "phone".into()), ("value", "c1".into())]),
        "HumanName" => object([("family", "c1".into())]),
        "Address" => object([("city", "c1".into())]),
        "Period" => object([("start", "2020-01-01".into()), ("end", "2020-01-02".into())]),
        "Timing" => object([("event", Value::array(["2020-01-01".into()]))]),
        "Reference" => {
            object([("reference", format!("{}/t1", target.unwrap_or("Patient")).into())])
        }
        "Resource" => object([("resourceType", target?.into()), ("id", "t1".into())]),
        "Money" => object([("value", Value::Number("5".into())), ("currency", "EUR".into())]),
        "Range" => object([("low", quantity()), ("high", quantity())]),
        name if TypeId::by_name("Quantity").is_some_and(|q| ty.is_subtype_of(q)) => {
            assert!(!name.is_empty());
            quantity()
        }
        _ => return None,
    })
}

/// An element of type `ty` in which the steps lead to a value; `end` makes that value.
fn element(
    ty: TypeId,
    steps: &[Step<'_>],
    target: Option<&str>,
    end: &dyn Fn(TypeId, Option<&str>) -> Option<Value>,
) -> Option<Value> {
    let Some((first, mut rest)) = steps.split_first() else { return end(ty, target) };
    let name = match first {
        Step::Passed => return element(ty, rest, target, end),
        Step::Extension(url) => {
            // Which of them counts is up to the kind of the parameter.
            let concept = leaf(TypeId::by_name("CodeableConcept")?, target)?;
            let reference = leaf(TypeId::by_name("Reference")?, target)?;
            let values = [
                ("valueString", "c1".into()),
                ("valueCodeableConcept", concept),
                ("valueReference", reference),
            ];
            let extensions =
                values.map(|(name, value)| object([("url", (*url).into()), (name, value)]));
            return Some(object([("extension", Value::array(extensions))]));
        }
        Step::Child(name) => name,
        Step::As(_) | Step::Where(_) => return None,
    };
    let definition = ty.element_by_path_name(name)?;
    let (mut wanted, mut target, mut member) = (None, target, None);
    loop {
        match rest.first() {
            Some(Step::As(ty)) => wanted = Some(ty.to_ascii_lowercase()),
            Some(Step::Where(condition)) => {
                let quoted = |text: &str| Value::from(text.trim().trim_matches('\''));
                if let Some(ty) = condition.strip_prefix("resolve() is ") {
                    target = Some(ty);
                } else if let Some(url) = condition.strip_prefix("hasExtension(") {
                    let url = quoted(url.trim_end_matches(')'));
                    let mark = object([("url", url), ("valueBoolean", Value::Bool(true))]);
                    member = Some(("extension", Value::array([mark])));
                } else {
                    let (name, value) = condition.split_once('=')?;
                    member = Some((name.trim(), quoted(value)));
                }
            }
            _ => break,
        }
        rest = &rest[1..];
    }
    definition.types.iter().find_map(|reference| {
        let child = reference.ty;
        if wanted.as_ref().is_some_and(|ty| *ty != child.name().to_ascii_lowercase()) {
            return None;
        }
        let target = target.or(reference.targets.first().map(|rt| rt.name()));
        let mut value = element(child, rest, target, end)?;
        if let Some((name, own)) = &member {
            value.set(name, own.clone());
        }
        let mut json_name = (*name).to_owned();
        if definition.choice {
            let name = child.name();
            json_name.push_str(&name[..1].to_ascii_uppercase());
            json_name.push_str(&name[1..]);
        }
        let value = if definition.is_array() { Value::array([value]) } else { value };
        Some(Value::object([(json_name, value)]))
    })
}

/// Adds the members of one object to another.
fn merge(into: &mut Value, from: Value) {
    if let Value::Object(members) = from {
        for (name, value) in members {
            into.set(&name, value);
        }
    }
}

/// A resource in which the parameter finds something, with what it finds.
fn resource(rt: ResourceType, param: &SearchParam, id: &str) -> Option<(Value, IndexValue)> {
    let (number, _) = params::find(rt, param.code)?;
    for path in param.expression.split(" | ") {
        let steps = steps(path.split(".exists()").next().unwrap_or(path));
        let target = param.targets.first().filter(|_| path.ends_with(".resource"));
        let built = if param.kind == SearchKind::Composite {
            composite(rt, param, &steps)
        } else {
            let target = target.map(|rt| rt.name());
            element(rt.type_id(), &steps, target, &|ty, target| leaf(ty, target))
        };
        let Some(mut built) = built else { continue };
        built.set("resourceType", rt.name().into());
        built.set("id", id.into());
        if built.get("meta").is_none() {
            built.set("meta", object([]));
        }
        let doc = Doc::parse(built.to_json()).expect("JSON");
        let found = search::index(rt, doc.root(), "");
        let says = |v: &&Indexed| v.param == number && queries(&v.value).is_some();
        if let Some(indexed) = found.iter().find(says) {
            return Some((built, indexed.value.clone()));
        }
    }
    None
}

fn composite(rt: ResourceType, param: &SearchParam, path: &[Step<'_>]) -> Option<Value> {
    let parts = |ty: TypeId, from_root: bool| {
        let mut all = object([]);
        for (_, expression) in param.components {
            let of_root = expression.starts_with("%resource");
            let start = if of_root { rt.type_id() } else { ty };
            let mut built = None;
            for path in expression.split(" | ") {
                let path = path.trim_start_matches("%resource.");
                built = built.or_else(|| element(start, &steps(path), None, &leaf));
            }
            if of_root == from_root {
                merge(&mut all, built?);
            }
        }
        Some(all)
    };
    let mut all = element(rt.type_id(), path, None, &|ty, _| parts(ty, false))?;
    merge(&mut all, parts(rt.type_id(), true).unwrap_or_else(|| object([])));
    Some(all)
}

/// What finds the value, and what finds another.
fn queries(value: &IndexValue) -> Option<(String, String)> {
    let system =
        |system: &Option<String>| system.clone().map_or(String::new(), |s| format!("{s}|"));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(match value {
        IndexValue::Token { system: s, code } => {
            (format!("{}{}", system(s), text(code)), format!("{}none", system(s)))
        }
        IndexValue::String(text) => (text.clone(), "none".into()),
        IndexValue::Date { .. } => ("ge2020-01-01".into(), "lt1066".into()),
        IndexValue::Number(x) => (x.to_string(), "98765".into()),
        IndexValue::Quantity { value, .. } => (value.to_string(), "98765".into()),
        IndexValue::Reference { ty, id } => (format!("{ty}/{id}"), format!("{ty}/none")),
        IndexValue::Url(url) | IndexValue::Uri(url) => (url.clone(), "urn:none".into()),
        IndexValue::Composite(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(|v| queries(v.first()?)).collect();
            let parts = parts?;
            let all = |of: fn(&(String, String)) -> &String| {
                parts.iter().map(|p| of(p).as_str()).collect::<Vec<_>>().join("$")
            };
            (all(|p| &p.0), all(|p| &p.1))
        }
        _ => return None,
    })
}

/// Parameters that R4 gives no expression for: those of every type mean something else than a value
/// of the resource, and the two of Patient stand for extensions that R4 does not name there.
const WITHOUT_EXPRESSION: &[&str] =
    &["_content", "_filter", "_query", "_text", "age", "birthOrderBoolean"];

fn found(snapshot: &mut Snapshot, rt: ResourceType, name: &str, value: &str, id: &str) -> bool {
    let setting = Setting {
        handling: Handling::Strict,
        base_url: "",
        now_ms: 1_790_000_000_000,
        lookup: &search::lookup::NoRecord,
    };
    let pair = (name.to_owned(), value.to_owned());
    let query = parse(rt, None, std::slice::from_ref(&pair), setting)
        .unwrap_or_else(|issues| panic!("{rt}?{name}={value}: {issues:?}"));
    let request = PageRequest { from: None, backward: false, count: 1_000, total: Total::None };
    let page = snapshot.search(&query, &request).expect("search");
    page.rows.iter().any(|row| row.head.id == id)
}

#[test]
fn every_parameter_finds_and_does_not_find() {
    let folder = std::env::temp_dir().join(format!("vitae-params-{}", std::process::id()));
    let now = AtomicI64::new(1_790_000_000_000);
    let clock: store::Clock = Arc::new(move || now.fetch_add(1000, Ordering::SeqCst));
    let key = DataKey::random().expect("random");
    let store = Store::create(&folder, &key, clock).expect("create");
    let mut made = Vec::new();
    let mut puts = Vec::new();
    let mut missed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for rt in ResourceType::ALL {
        for (number, param) in params::of(rt) {
            let own = matches!(param.code, "_id" | "_lastUpdated");
            let id = format!("x{}", number.0);
            if own || param.kind == SearchKind::Special || param.expression.is_empty() {
                let is_known = own
                    || param.kind == SearchKind::Special
                    || WITHOUT_EXPRESSION.contains(&param.code);
                assert!(is_known, "{rt}.{} has no expression", param.code);
                continue;
            }
            let Some((body, value)) = resource(rt, param, &id) else {
                missed.entry(param.code).or_default().push(rt.name().to_owned());
                continue;
            };
            let text = body.to_json();
            let doc = Doc::parse(text.clone()).expect("JSON");
            puts.push(Put {
                rt,
                id: id.clone(),
                kind: PutKind::Write,
                meta_at: text.find("\"meta\":{").expect("meta") + 8,
                values: search::index(rt, doc.root(), ""),
                references: Vec::new(),
                expect: Expect::New,
                text,
            });
            made.push((rt, param.code, id, value));
        }
    }
    assert!(missed.is_empty(), "no resource could be made for {missed:?}");
    while !puts.is_empty() {
        let rest = puts.split_off(puts.len().min(500));
        let set = WriteSet { puts, ..WriteSet::default() };
        store.commit(set).expect("commit");
        puts = rest;
    }
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    for (rt, code, id, value) in &made {
        let Some((finds, does_not)) = queries(value) else { panic!("{rt}.{code}: {value:?}") };
        assert!(found(&mut snapshot, *rt, code, &finds, id), "{rt}?{code}={finds} finds {id}");
        let other = found(&mut snapshot, *rt, code, &does_not, id);
        assert!(!other, "{rt}?{code}={does_not} does not find {id}");
    }
    let (rt, _, id, _) = &made[0];
    assert!(found(&mut snapshot, *rt, "_id", id, id) && !found(&mut snapshot, *rt, "_id", "n", id));
    assert!(found(&mut snapshot, *rt, "_lastUpdated", "ge2020", id));
    assert!(!found(&mut snapshot, *rt, "_lastUpdated", "lt2020", id));
    println!("{} parameters", made.len());
    drop(snapshot);
    drop(store);
    std::fs::remove_dir_all(&folder).expect("own folder");
}
