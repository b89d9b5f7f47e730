//! Expansion of value sets over a handful of resources.

use std::collections::HashMap;
use std::sync::Arc;

use fhir::json::Doc;
use terminology::{CodeSet, CodeSystem, Error, NESTING_MAX, Source, expand};

#[derive(Default)]
struct Resources {
    value_sets: HashMap<String, Arc<Doc>>,
    code_systems: HashMap<String, Arc<CodeSystem>>,
}

impl Source for Resources {
    fn value_set(&mut self, url: &str) -> Result<Option<Arc<Doc>>, String> {
        if url == "http://broken" {
            Err("no disk".to_owned())
        } else {
            Ok(self.value_sets.get(url).cloned())
        }
    }

    fn code_system(&mut self, url: &str) -> Result<Option<Arc<CodeSystem>>, String> {
        Ok(self.code_systems.get(url).cloned())
    }
}

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","url":"http://animals","content":"complete",
  "concept":[{"code":"animal","concept":[
    {"code":"mammal","concept":[{"code":"dog","property":[{"code":"legs","valueInteger":4}]},
                                {"code":"whale","property":[{"code":"legs","valueInteger":0}]}]},
    {"code":"bird","property":[{"code":"legs","valueInteger":2}]},
    {"code":"dodo","property":[{"code":"inactive","valueBoolean":true}]}]}]}"#;

fn resources(value_sets: &[(&str, &str)]) -> Resources {
    let mut resources = Resources::default();
    let doc = Doc::parse(ANIMALS).expect("JSON");
    let system = CodeSystem::read(doc.root()).expect("a system");
    resources.code_systems.insert("http://animals".into(), Arc::new(system));
    for (url, compose) in value_sets {
        let text = format!(r#"{{"resourceType":"ValueSet","url":"{url}",{compose}}}"#);
        resources.value_sets.insert((*url).into(), Arc::new(Doc::parse(text).expect("JSON")));
    }
    resources
}

fn codes(set: &CodeSet) -> Vec<&'static str> {
    let all = ["animal", "mammal", "dog", "whale", "bird", "dodo", "other"];
    all.into_iter().filter(|code| set.contains(Some("http://animals"), code)).collect()
}

#[test]
fn every_form_of_compose() {
    let include =
        |rest: &str| format!(r#""compose":{{"include":[{{"system":"http://animals"{rest}}}]}}"#);
    let filter = |property: &str, op: &str, value: &str| {
        include(&format!(
            r#","filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]"#
        ))
    };
    let all = ["animal", "mammal", "dog", "whale", "bird", "dodo"];
    for (compose, want) in [
        (include(""), &all[..]),
        (include(r#","concept":[{"code":"dog"},{"code":"other"}]"#), &["dog", "other"]),
        (filter("concept", "is-a", "mammal"), &["mammal", "dog", "whale"]),
        (filter("concept", "descendent-of", "mammal"), &["dog", "whale"]),
        (filter("concept", "is-not-a", "mammal"), &["animal", "bird", "dodo"]),
        (filter("concept", "generalizes", "dog"), &["animal", "mammal", "dog"]),
        (filter("concept", "in", "dog,bird"), &["dog", "bird"]),
        (filter("parent", "=", "animal"), &["mammal", "bird", "dodo"]),
        (filter("legs", "=", "4"), &["dog"]),
        (filter("legs", "in", "2, 0"), &["whale", "bird"]),
        (filter("legs", "not-in", "4"), &["animal", "mammal", "whale", "bird", "dodo"]),
        (filter("legs", "exists", "true"), &["dog", "whale", "bird"]),
        (
            r#""compose":{"inactive":false,"include":[{"system":"http://animals"}],
               "exclude":[{"system":"http://animals","concept":[{"code":"dog"}]}]}"#
                .to_owned(),
            &["animal", "mammal", "whale", "bird"],
        ),
        (r#""compose":{"include":[{"valueSet":["http://a","http://b"]}]}"#.to_owned(), &["dog"]),
        (
            r#""compose":{"include":[{"system":"http://animals","valueSet":["http://a"]},
                {"valueSet":["http://b"]}]}"#
                .to_owned(),
            &["mammal", "dog", "whale", "bird"],
        ),
        (
            r#""expansion":{"contains":[{"system":"http://animals","code":"animal","abstract":true,
               "contains":[{"system":"http://animals","code":"bird"}]}]}"#
                .to_owned(),
            &["bird"],
        ),
    ] {
        let a = filter("concept", "is-a", "mammal");
        let b = include(r#","concept":[{"code":"dog"},{"code":"bird"}]"#);
        let mut source = resources(&[("http://v", &compose), ("http://a", &a), ("http://b", &b)]);
        let set = expand("http://v", &mut source).expect(&compose);
        assert_eq!(codes(&set), want, "{compose}");
    }
}

#[test]
fn a_system_that_is_not_stored_is_taken_whole() {
    let mut source =
        resources(&[("http://v", r#""compose":{"include":[{"system":"http://else"}]}"#)]);
    let set = expand("http://v", &mut source).expect("whole");
    assert!(set.contains(Some("http://else"), "anything"));
    assert!(!set.contains(None, "anything"));
}

#[test]
fn required_bindings_of_r4_are_known() {
    let mut source = Resources::default();
    let url = "http://hl7.org/fhir/ValueSet/administrative-gender";
    let set = expand(url, &mut source).expect("known");
    assert!(set.contains(Some("http://hl7.org/fhir/administrative-gender"), "male"));
    assert!(!set.contains(Some("http://hl7.org/fhir/administrative-gender"), "males"));
    let mime = expand("http://hl7.org/fhir/ValueSet/mimetypes", &mut source);
    assert!(matches!(mime, Err(Error::NotExpandable { .. })), "{mime:?}");
}

#[test]
fn errors_name_the_value_set_and_the_reason() {
    let nested: Vec<(String, String)> = (0..=NESTING_MAX)
        .map(|i| {
            let inner =
                format!(r#""compose":{{"include":[{{"valueSet":["http://n{}"]}}]}}"#, i + 1);
            (format!("http://n{i}"), inner)
        })
        .collect();
    let mut list: Vec<(&str, &str)> =
        nested.iter().map(|(url, text)| (url.as_str(), text.as_str())).collect();
    list.push(("http://loop", r#""compose":{"include":[{"valueSet":["http://loop"]}]}"#));
    list.push(("http://empty", r#""status":"active""#));
    list.push((
        "http://regex",
        r#""compose":{"include":[{"system":"http://animals","filter":[{"property":"code","op":"regex","value":"a+"}]}]}"#,
    ));
    list.push((
        "http://away",
        r#""compose":{"include":[{"system":"http://away","filter":[{"property":"code","op":"is-a","value":"a"}]}]}"#,
    ));
    let mut source = resources(&list);
    for (url, words) in [
        ("http://nowhere", "http://nowhere is not known"),
        ("http://broken", "no disk"),
        ("http://loop", "includes itself"),
        ("http://empty", "neither compose nor expansion"),
        ("http://regex", "'regex', which is not supported"),
        ("http://away", "http://away, which is not stored"),
        ("http://n1", "nested more than 16 deep"),
    ] {
        let error = expand(url, &mut source).expect_err(url).to_string();
        assert!(error.contains(words), "{url}: {error}");
    }
    // NESTING_MAX value sets, the last one unknown, are not too deep.
    let error = expand("http://n2", &mut source).expect_err("unknown at the end").to_string();
    assert!(error.contains("is not known"), "{error}");
}
