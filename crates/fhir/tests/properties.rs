//! Laws that hold for any input.

mod made;

use fhir::check::check_resource;
use fhir::json::{Doc, Value};
use fhir::{json_patch, xml};
use proptest::prelude::*;

/// Any JSON with names and texts that mean something to the parsers.
fn any_value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("resourceType".to_owned()),
        Just("extension".to_owned()),
        Just("_given".to_owned()),
        Just("name".to_owned()),
        Just("given".to_owned()),
        Just("contained".to_owned()),
        Just("valueQuantity".to_owned()),
        Just("text".to_owned()),
        Just("div".to_owned()),
        Just("url".to_owned()),
        Just("é~/&<".to_owned()),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?".prop_map(Value::Number),
        Just(Value::from("Patient")),
        Just(Value::from("<div>é</div>")),
        ".{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let members = prop::collection::btree_map(name.clone(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An object that claims to be a patient.
fn any_patient() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z_A-Z]{1,10}|name|contact|text|contained", any_value(), 0..8)
        .prop_map(|members| {
            let mut all = vec![("resourceType".to_owned(), Value::from("Patient"))];
            all.extend(members.into_iter().filter(|(name, _)| name != "resourceType"));
            Value::Object(all)
        })
}

/// Any patch whose operations mostly have the right shape.
fn any_patch() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "x"]);
    let pointer = "(/(name|given|0|1|-|é|~0|~1|~|[a-z]{0,2})){0,4}|[a-z/~]{0,4}";
    let operation = (op, pointer, pointer, any_value()).prop_map(|(op, path, from, value)| {
        Value::object([
            ("op", Value::from(op)),
            ("path", Value::from(path)),
            ("from", Value::from(from)),
            ("value", value),
        ])
    });
    prop::collection::vec(operation, 0..12).prop_map(Value::Array)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn check_takes_any_json(value in prop_oneof![any_value(), any_patient()]) {
        let doc = Doc::parse(value.to_json()).expect("JSON");
        for issue in check_resource(doc.root()) {
            prop_assert!(!issue.text.is_empty() && issue.text.len() < 1000);
        }
    }

    #[test]
    fn what_is_written_as_xml_can_be_read(value in any_patient()) {
        let doc = Doc::parse(value.to_json()).expect("JSON");
        let text = xml::from_json(doc.root());
        // Elements may be wrong, but it is XML: no issue without an expression.
        for issue in xml::to_json(text.as_bytes()).err().unwrap_or_default() {
            prop_assert!(!issue.expression.is_empty(), "{text}: {issue:?}");
        }
    }

    #[test]
    fn xml_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(xml::to_json(&bytes).is_err());
    }

    #[test]
    fn xml_takes_any_text_of_tags(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "<Patient xmlns=\"http://hl7.org/fhir\">", "</Patient>", "<name>", "</name>",
                "<given value=\"a\"/>", "<text>", "</text>", "<contained>", "</contained>",
                "<div xmlns=\"http://www.w3.org/1999/xhtml\">", "</div>", "&amp;", "&x;", "<!--",
                "-->", "<![CDATA[", "]]>", "<?", "?>", "<", ">", "\"", "x", " ", "<!DOCTYPE",
                "<a:b xmlns:a=\"http://hl7.org/fhir\">", "</a:b>", "id=\"x\"", "\u{e9}",
            ]),
            0..24,
        ),
    ) {
        if let Ok(json) = xml::to_json(pieces.concat().as_bytes()) {
            prop_assert!(Doc::parse(json).is_ok());
        }
    }

    #[test]
    fn a_patch_fails_or_gives_json(resource in any_value(), patch in any_patch()) {
        let mut value = resource;
        let patch = Doc::parse(patch.to_json()).expect("JSON");
        match json_patch::apply(&mut value, patch.root()) {
            Ok(()) => prop_assert!(Doc::parse(value.to_json()).is_ok()),
            Err(issue) => prop_assert!(!issue.text.is_empty()),
        }
    }

    #[test]
    fn a_resource_made_from_the_tables_is_right_and_survives_xml(seed in any::<u64>()) {
        let value = made::resource(seed);
        let doc = Doc::parse(value.to_json()).expect("JSON");
        let issues = check_resource(doc.root());
        prop_assert!(issues.is_empty(), "{}\n{issues:#?}", doc.text());
        let text = xml::from_json(doc.root());
        let json = match xml::to_json(text.as_bytes()) {
            Ok(json) => json,
            Err(issues) => return Err(TestCaseError::fail(format!("{text}\n{issues:#?}"))),
        };
        let again = Doc::parse(json).expect("JSON");
        prop_assert!(doc.root().same_value(again.root()), "{}\n{}", doc.text(), again.text());
    }

    #[test]
    fn a_resource_without_a_required_element_has_exactly_that_issue(seed in any::<u64>()) {
        let Value::Object(members) = made::resource(seed) else {
            return Err(TestCaseError::fail("a resource is an object"));
        };
        let name = members[0].1.as_str().expect("resourceType").to_owned();
        let ty = fhir_tables::TypeId::by_name(&name).expect("a type");
        for (member, _) in &members {
            let Some((element, _)) = ty.element(member) else { continue };
            if element.min == 0 {
                continue;
            }
            let mut less = members.clone();
            less.retain(|(other, _)| other.strip_prefix('_').unwrap_or(other) != member);
            let doc = Doc::parse(Value::Object(less).to_json()).expect("JSON");
            let issues = check_resource(doc.root());
            let found: Vec<_> =
                issues.iter().map(|i| (i.code.as_str(), i.expression.as_str())).collect();
            let expression = format!("{name}.{}", element.name);
            prop_assert_eq!(found, [("required", expression.as_str())]);
        }
    }
}
