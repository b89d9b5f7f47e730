//! The examples of the specification have the structure of the specification.

use case_kit::suites;
use fhir::json::Doc;

/// Examples that break a rule, one per line: file, a tab, expression, a tab, reason.
const EXCEPTIONS: &str = include_str!("examples-exceptions.txt");

/// The given examples of R4: file name and content.
fn examples(test: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = suites::folder_for_test(test) else { return vec![] };
    let archive = folder.join("fhir-r4-examples/hl7.fhir.r4.examples-give.tar.zst");
    let files = suites::tar_zst(&archive).expect("a readable archive");
    let examples = files.into_iter().filter_map(|(path, content)| {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_resource = name.ends_with(".json") && name != "package.json";
        is_resource.then_some((name, content))
    });
    examples.collect()
}

#[test]
fn every_example_has_the_structure_of_its_type() {
    let mut found = Vec::new();
    for (name, content) in examples("every_example_has_the_structure_of_its_type") {
        let doc = Doc::parse(content).unwrap_or_else(|error| panic!("{name}: {error}"));
        for issue in fhir::check::check_resource(doc.root()) {
            found.push((name.clone(), issue));
        }
    }
    if found.is_empty() && suites::folder().is_none() {
        return;
    }
    let found: Vec<String> =
        found.iter().map(|(name, issue)| format!("{name}\t{}", issue.expression)).collect();
    let listed: Vec<&str> =
        EXCEPTIONS.lines().filter_map(|line| line.rsplit_once('\t')).map(|l| l.0).collect();
    assert_eq!(found, listed, "examples-exceptions.txt lists what is found, in this order");
}

#[test]
fn every_example_survives_xml_and_back() {
    for (name, content) in examples("every_example_survives_xml_and_back") {
        let doc = Doc::parse(content).unwrap_or_else(|error| panic!("{name}: {error}"));
        let xml = fhir::xml::from_json(doc.root());
        let json = fhir::xml::to_json(xml.as_bytes())
            .unwrap_or_else(|issues| panic!("{name}: {issues:#?}"));
        let again = Doc::parse(json).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(doc.root().same_value(again.root()), "{name} changed: {}", again.text());
    }
}

/// Patients of a generator that others wrote, as transaction Bundles.
#[test]
fn every_synthea_bundle_has_the_structure_of_its_types() {
    let test = "every_synthea_bundle_has_the_structure_of_its_types";
    let Some(folder) = suites::folder_for_test(test) else { return };
    let archive = folder.join("synthea-r4-2019/synthea-r4-2019-give.tar.zst");
    for (name, content) in suites::tar_zst(&archive).expect("a readable archive") {
        if name.ends_with(".json") {
            let doc = Doc::parse(content).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(fhir::check::check_resource(doc.root()), [], "{name}");
        }
    }
}
