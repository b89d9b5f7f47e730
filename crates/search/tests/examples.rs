//! All R4 examples: what the index finds is kept by packing, and a search for it finds the
//! resource.

use std::collections::{BTreeSet, HashMap};

use fhir::date::format_instant;
use fhir::json::Doc;
use fhir_tables::{ResourceType, SearchKind};
use search::pack::{is_kept, pack, unpack};
use search::params;
use search::parse::{Handling, Setting, parse};
use search::query::Query;
use search::value::{IndexValue, Indexed, ParamId};
use search::{fulltext, index, index_kept};

const BASE: &str = "http://h/fhir";

/// Runs `check` on every example; the number of them.
fn each_example(test: &str, mut check: impl FnMut(&str, ResourceType, &Doc)) -> usize {
    let Some(folder) = case_kit::suites::folder_for_test(test) else { return 0 };
    let archives = [
        "fhir-r4-examples/hl7.fhir.r4.examples-give.tar.zst",
        "fhir-r4-definitions/hl7.fhir.r4.core-4.0.1.tar.zst",
    ];
    let mut n = 0;
    for archive in archives {
        for (name, text) in case_kit::suites::tar_zst(&folder.join(archive)).expect("archive") {
            let Ok(doc) = Doc::parse(text) else { continue };
            let ty = doc.root().str("resourceType");
            let Some(rt) = ty.and_then(|name| ResourceType::from_name(&name)) else { continue };
            check(&name, rt, &doc);
            n += 1;
        }
    }
    n
}

#[derive(Default)]
struct Interner {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Interner {
    fn number(&mut self, text: &str) -> u32 {
        *self.numbers.entry(text.to_owned()).or_insert_with(|| {
            self.texts.push(text.to_owned());
            self.texts.len() as u32 - 1
        })
    }
}

#[test]
fn packed_values_are_the_kept_values() {
    let mut interner = Interner::default();
    each_example("packed_values_are_the_kept_values", |name, rt, doc| {
        let full = index(rt, doc.root(), BASE);
        let kept = index_kept(rt, doc.root(), BASE);
        let strip = |values: &[Indexed]| -> Vec<Indexed> {
            values.iter().filter(|indexed| is_kept(&indexed.value)).cloned().collect()
        };
        assert_eq!(strip(&full), strip(&kept), "{name}");
        let bytes = pack(&kept, &mut |text| interner.number(text));
        assert_eq!(pack(&full, &mut |text| interner.number(text)), bytes, "{name}");
        let back = unpack(&bytes, &|n| interner.texts.get(n as usize)).expect("packed");
        let mut want = strip(&full);
        want.sort_by_key(|indexed| indexed.param);
        want.dedup();
        assert_eq!(strip(&back), want, "{name}");
        let is_text = |code: &str| matches!(code, "_text" | "_content");
        for (id, param) in params::of(rt).filter(|(_, param)| !is_text(param.code)) {
            let found = |values: &[Indexed]| values.iter().any(|indexed| indexed.param == id);
            assert_eq!(found(&full), found(&back), "{name} {}", param.code);
            assert_eq!(found(&full), found(&kept), "{name} {}", param.code);
        }
    });
}

/// A query value that asks for exactly this value; `None` for marks.
fn query_for(value: &IndexValue) -> Option<(&'static str, String)> {
    let escape = |text: &str| {
        text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$")
    };
    let opt = |text: &Option<String>| text.as_deref().map(escape).unwrap_or_default();
    Some(match value {
        IndexValue::Token { system, code } => ("", format!("{}|{}", opt(system), opt(code))),
        IndexValue::TokenText(text) if text.is_empty() => return None,
        IndexValue::TokenText(text) => (":text", escape(text)),
        IndexValue::OfType { system, code, value } => {
            (":of-type", format!("{}|{}|{}", opt(system), escape(code), escape(value)))
        }
        IndexValue::String(text) => (":exact", escape(text)),
        IndexValue::Date { lo: i64::MIN, hi } => ("", format!("lt{}", format_instant(*hi))),
        IndexValue::Date { lo, hi: i64::MAX } => ("", format!("gt{}", format_instant(*lo))),
        IndexValue::Date { lo, .. } => ("", format!("ap{}", format_instant(*lo))),
        IndexValue::Number(x) => ("", format!("ge{x:e}")),
        IndexValue::Quantity { value, system, code, unit } => {
            let code =
                if system.is_some() { opt(code) } else { opt(&code.clone().or(unit.clone())) };
            ("", format!("le{value:e}|{}|{code}", opt(system)))
        }
        IndexValue::Reference { ty, id } => ("", format!("{ty}/{id}")),
        IndexValue::Url(url) if !url.contains(':') => return None,
        IndexValue::Url(url) => ("", escape(url)),
        IndexValue::Identifier { system, value } => {
            (":identifier", format!("{}|{}", opt(system), escape(value)))
        }
        IndexValue::Uri(uri) => ("", escape(uri)),
        IndexValue::Position { latitude, longitude } => ("", format!("{latitude}|{longitude}|1|m")),
        IndexValue::FullText(text) => ("", fulltext::words(text).last()?.to_owned()),
        IndexValue::Word { .. } => return None,
        IndexValue::Composite(parts) => {
            let parts: Option<Vec<String>> =
                parts.iter().map(|values| Some(query_for(values.first()?)?.1)).collect();
            ("", parts?.join("$"))
        }
    })
}

fn query(rt: ResourceType, name: String, value: String) -> Query {
    let setting = Setting {
        handling: Handling::Strict,
        base_url: BASE,
        now_ms: 0,
        lookup: &search::lookup::NoRecord,
    };
    let pair = (name, value);
    parse(rt, None, std::slice::from_ref(&pair), setting)
        .unwrap_or_else(|issues| panic!("{rt} {pair:?}: {issues:?}"))
}

/// What lets the parser ask for the components alone.
#[test]
fn a_composite_of_the_whole_resource_has_the_values_of_its_components() {
    let mut n_composites = 0;
    each_example("a_composite_of_the_whole_resource", |name, rt, doc| {
        let values = index(rt, doc.root(), BASE);
        for (id, param) in params::of(rt) {
            let is_whole = param.kind == SearchKind::Composite && param.expression == rt.name();
            // `value-string` looks in more places than `code-value-string` does.
            if !is_whole || param.code == "code-value-string" {
                continue;
            }
            let of = |id: ParamId| {
                values.iter().filter(move |v| v.param == id && is_kept(&v.value)).map(|v| &v.value)
            };
            let components: Vec<Vec<&IndexValue>> = param
                .components
                .iter()
                .map(|(code, _)| of(params::find(rt, code).expect("its parameter").0).collect())
                .collect();
            let composites: Vec<&IndexValue> =
                values.iter().filter(|v| v.param == id).map(|v| &v.value).collect();
            let mut parts = Vec::new();
            for composite in &composites {
                if let IndexValue::Composite(own) = composite {
                    parts.push(own);
                }
            }
            if components.iter().any(Vec::is_empty) {
                assert!(parts.is_empty(), "{name} {}", param.code);
                continue;
            }
            n_composites += 1;
            assert_eq!(parts.len(), 1, "{name} {}", param.code);
            for (own, alone) in parts[0].iter().zip(&components) {
                let own: Vec<&IndexValue> = own.iter().filter(|v| is_kept(v)).collect();
                assert_eq!(own, *alone, "{name} {}", param.code);
            }
        }
    });
    assert!(n_composites == 0 || n_composites > 20, "{n_composites}");
}

#[test]
fn a_search_for_an_indexed_value_finds_the_resource() {
    let mut found = BTreeSet::<ParamId>::new();
    let n = each_example("a_search_for_an_indexed_value", |name, rt, doc| {
        let values = index(rt, doc.root(), BASE);
        for indexed in &values {
            let (_, param) = params::def(indexed.param);
            let Some((modifier, text)) = query_for(&indexed.value) else { continue };
            let is_target = |ty| param.targets.is_empty() || param.targets.contains(ty);
            if matches!(&indexed.value, IndexValue::Reference { ty, .. } if !is_target(ty)) {
                continue;
            }
            let query = query(rt, format!("{}{modifier}", param.code), text.clone());
            assert!(query.matches("x", 0, &values), "{name} {}{modifier}={text}", param.code);
            for implied in query.criteria().flat_map(|c| &c.implied) {
                assert!(implied.matches(&values), "{name} {} implies {implied:?}", param.code);
            }
            found.insert(indexed.param);
        }
        for (id, param) in params::of(rt) {
            if param.expression.is_empty() || param.kind == SearchKind::Special {
                continue;
            }
            if matches!(param.code, "_id" | "_lastUpdated") {
                continue;
            }
            let missing = !values.iter().any(|indexed| indexed.param == id);
            let query = query(rt, format!("{}:missing", param.code), missing.to_string());
            assert!(query.matches("x", 0, &values), "{name} {}:missing={missing}", param.code);
        }
    });
    println!("{} parameters found something in {n} resources", found.len());
    assert!(n == 0 || found.len() > 900, "{}", found.len());
}

/// Parameters whose expression in R4 means nothing in FHIRPath, and what is done instead.
const NOT_FHIRPATH: &[(&str, &str)] = &[
    ("DocumentReference", "relationship"), // components swapped: the kinds decide
    ("Observation", "code-value-date"),    // `DateTime` for `dateTime`
    ("QuestionnaireResponse", "item-subject"), // `hasExtension`
];

#[test]
fn the_plan_finds_what_the_general_evaluator_finds() {
    let stubs: HashMap<&str, Doc> = ResourceType::ALL
        .iter()
        .map(|rt| {
            let json = format!(r#"{{"resourceType":"{rt}","id":"stub"}}"#);
            (rt.name(), Doc::parse(json).expect("JSON"))
        })
        .collect();
    let mut wrong = Vec::new();
    let mut n_values = 0;
    each_example("the_plan_finds_what_the_general_evaluator_finds", |name, rt, doc| {
        let resolve = |text: &str| {
            use fhir::reference::Reference as R;
            match R::parse(text) {
                R::Relative { ty, .. } | R::Absolute { ty, .. } | R::Conditional { ty, .. } => {
                    stubs.get(ty).map(Doc::root)
                }
                _ => None,
            }
        };
        let env = fhirpath::Env { resolve: Some(&resolve), ..fhirpath::Env::new(0) };
        let planned = index(rt, doc.root(), BASE);
        for (id, param) in params::of(rt) {
            let skip = param.expression.is_empty()
                || param.kind == SearchKind::Special
                || matches!(param.code, "_id" | "_lastUpdated")
                || NOT_FHIRPATH.contains(&(rt.name(), param.code));
            if skip {
                continue;
            }
            let text = |indexed: &Indexed| format!("{:?}", indexed.value);
            let want: BTreeSet<String> =
                match search::general::index_one(id, doc.root(), BASE, &env) {
                    Ok(values) => values.iter().map(text).collect(),
                    Err(error) => BTreeSet::from([format!("{error:?}")]),
                };
            let got: BTreeSet<String> =
                planned.iter().filter(|indexed| indexed.param == id).map(text).collect();
            n_values += got.len();
            if got != want {
                wrong.push(format!("{name} {}: {got:?}, general {want:?}", param.code));
            }
        }
    });
    println!("{n_values} values compared");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}
