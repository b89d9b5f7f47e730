//! Laws that hold for any input.

use fhir::json::Doc;
use fhir_tables::ResourceType;
use proptest::prelude::*;
use search::pack::{is_kept, pack, unpack, unpack_of};
use search::parse::{Handling, Setting, parse};
use search::sort::{SortValue, sort_key};
use search::value::{IndexValue, Indexed, ParamId};
use search::{index, normalize, params};

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,3}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ".{0,12}",
    ]
}

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1000i32..1000).prop_map(f64::from),
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
    ]
}

fn instants() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        (-3000i64..3000).prop_map(|s| s * 1000),
        any::<i64>()
    ]
}

fn values() -> impl Strategy<Value = IndexValue> {
    let text = || texts();
    let some = || proptest::option::of(texts());
    let n_types = ResourceType::ALL.len() as u8;
    prop_oneof![
        (some(), some()).prop_map(|(system, code)| IndexValue::Token { system, code }),
        text().prop_map(IndexValue::TokenText),
        (some(), text(), text()).prop_map(|(system, code, value)| IndexValue::OfType {
            system,
            code,
            value
        }),
        text().prop_map(IndexValue::String),
        (instants(), instants()).prop_map(|(lo, hi)| IndexValue::Date { lo, hi }),
        numbers().prop_map(IndexValue::Number),
        (numbers(), some(), some(), some()).prop_map(|(value, system, code, unit)| {
            IndexValue::Quantity { value, system, code, unit }
        }),
        (0..n_types, text())
            .prop_map(|(ty, id)| IndexValue::Reference { ty: ResourceType(ty), id }),
        text().prop_map(IndexValue::Url),
        (some(), text()).prop_map(|(system, value)| IndexValue::Identifier { system, value }),
        text().prop_map(IndexValue::Uri),
        text().prop_map(|text| IndexValue::Composite(vec![vec![IndexValue::String(text)]])),
    ]
}

fn indexed() -> impl Strategy<Value = Vec<Indexed>> {
    let one = (0..params::count() as u16, values())
        .prop_map(|(param, value)| Indexed { param: ParamId(param), value });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn unpack_is_the_inverse_of_pack(values in indexed()) {
        let mut texts: Vec<String> = Vec::new();
        let bytes = pack(&values, &mut |text| {
            texts.push(text.to_owned());
            texts.len() as u32 - 1
        });
        let back = unpack(&bytes, &|n| texts.get(n as usize)).expect("packed");
        let mut want: Vec<Indexed> =
            values.into_iter().filter(|indexed| is_kept(&indexed.value)).collect();
        want.sort_by_key(|indexed| indexed.param);
        want.dedup();
        let back: Vec<Indexed> =
            back.into_iter().filter(|indexed| is_kept(&indexed.value)).collect();
        prop_assert_eq!(&back, &want);
        // Some parameters alone: every third one, and one that is not there.
        let wanted: Vec<ParamId> =
            (0..).step_by(3).take(params::count() / 3).map(ParamId).collect();
        let some = unpack_of(&bytes, &wanted, &|n| texts.get(n as usize)).expect("packed");
        want.retain(|indexed| wanted.contains(&indexed.param));
        let some: Vec<Indexed> =
            some.into_iter().filter(|indexed| is_kept(&indexed.value)).collect();
        prop_assert_eq!(some, want);
        // No part of it is taken for the whole of something else that panics.
        for end in 0..bytes.len() {
            let _ = unpack(&bytes[..end], &|n| texts.get(n as usize));
        }
    }

    #[test]
    fn unpack_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = unpack(&bytes, &|n| (n < 10).then_some("x"));
        let _ = unpack_of(&bytes, &[ParamId(3), ParamId(9)], &|n| (n < 10).then_some("x"));
    }

    #[test]
    fn normalize_is_idempotent(text in "\\PC{0,20}") {
        let once = normalize(&text);
        prop_assert_eq!(normalize(&once), once);
    }

    #[test]
    fn parse_never_panics(
        ty in 0..ResourceType::ALL.len() as u8,
        param in any::<prop::sample::Index>(),
        modifier in prop_oneof![
            Just(String::new()), "(:[a-z-]{1,8})?", Just(":text".into()), Just(":not".into()),
            Just(":of-type".into()), Just(":missing".into()), Just(":identifier".into()),
        ],
        value in prop_oneof![
            "\\PC{0,16}", "(eq|ne|gt|lt|ge|le|sa|eb|ap)?[0-9.eE+-]{0,8}[|$,\\\\a-z]{0,6}",
            "(ap|sa)?[0-9]{4}(-[0-9]{2}){0,2}",
        ],
        lenient in any::<bool>(),
    ) {
        let rt = ResourceType(ty);
        let codes: Vec<&str> = params::of(rt).map(|(_, param)| param.code).collect();
        let controls = ["_sort", "_count", "_include", "_revinclude", "_elements", "_total", "é."];
        let at = param.index(codes.len() + controls.len());
        let code = codes.get(at).copied().unwrap_or_else(|| controls[at - codes.len()]);
        let handling = if lenient { Handling::Lenient } else { Handling::Strict };
        let setting = Setting { handling, base_url: "http://h/fhir", now_ms: 0, lookup: &search::lookup::NoRecord };
        match parse(rt, None, &[(format!("{code}{modifier}"), value)], setting) {
            Ok(query) => { query.matches("x", 0, &[]); }
            Err(issues) => prop_assert!(issues.iter().all(|issue| !issue.text.is_empty())),
        }
    }

    #[test]
    fn what_a_client_escapes_is_what_is_looked_for(text in "[a-z,|$\\\\]{1,8}") {
        let json = format!(
            r#"{{"resourceType":"Patient","id":"1","identifier":[{{"value":"{}"}}]}}"#,
            text.replace('\\', "\\\\")
        );
        let doc = Doc::parse(json).expect("JSON");
        let values = index(ResourceType::PATIENT, doc.root(), "http://h/fhir");
        let mut escaped = String::new();
        for c in text.chars() {
            if matches!(c, ',' | '|' | '$' | '\\') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        let setting =
            Setting { handling: Handling::Strict, base_url: "http://h/fhir", now_ms: 0, lookup: &search::lookup::NoRecord };
        let pair = ("identifier".to_owned(), escaped);
        let query = parse(ResourceType::PATIENT, None, &[pair], setting).expect("a query");
        prop_assert!(query.matches("1", 0, &values));
    }

    #[test]
    fn sort_values_survive_a_cursor(values in indexed(), descending in any::<bool>()) {
        for one in &values {
            let kind = params::def(one.param).1.kind;
            let (param, targets) = (one.param, Vec::new());
            let key = search::query::SortKey { param, kind, descending, targets };
            let value = sort_key(&values, &key);
            prop_assert_eq!(SortValue::decode(&value.encode()), Some(value));
        }
    }

    #[test]
    fn any_json_can_be_indexed(
        ty in 0..ResourceType::ALL.len() as u8,
        names in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
        leaf in prop_oneof![
            Just("null"), Just("1"), Just("-0"), Just("1e999"), Just("\"\""), Just("true"),
            Just("[null,[],{}]"), Just("[[\"a\"]]"), Just("{\"value\":{},\"system\":3}"),
            Just("{\"reference\":\"#\",\"coding\":[{\"code\":[]}]}"), Just("\"2020-13\""),
        ],
    ) {
        let def = ResourceType(ty).type_id().def();
        let all: Vec<&str> = def.json_names().map(|(name, _, _)| name).collect();
        let mut members: Vec<String> = names.iter().map(|i| all[i.index(all.len())].into()).collect();
        members.sort();
        members.dedup();
        let members: Vec<String> = members.iter().map(|n| format!("\"{n}\":{leaf}")).collect();
        let doc = Doc::parse(format!("{{{}}}", members.join(","))).expect("JSON");
        index(ResourceType(ty), doc.root(), "http://h/fhir");
    }
}
