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
    let mut unexpected = Vec::new();
    for (name, issue) in found {
        let listed = EXCEPTIONS.lines().any(|line| {
            let mut fields = line.split('\t');
            fields.next() == Some(name.as_str()) && fields.next() == Some(&issue.expression)
        });
        if !listed {
            unexpected.push(format!("{name}\t{}\t{}", issue.expression, issue.text));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
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
