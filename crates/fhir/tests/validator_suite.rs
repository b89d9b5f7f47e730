//! No false alarms: what HL7's validator finds right in the base specification is right here too.
//!
//! The other way round is not asked for: most errors of that suite come from profiles, invariants
//! and terminology, which are validation and not structure.

use std::collections::BTreeMap;

use case_kit::suites;
use fhir::check::check_resource;
use fhir::issue::Issue;
use fhir::json::Doc;

/// Cases where we differ, one per line: case, a tab, expression, a tab, reason.
const EXCEPTIONS: &str = include_str!("validator-exceptions.txt");

/// The errors of a file in JSON or XML.
fn errors(file: &str, content: &[u8]) -> Vec<Issue> {
    let json = match file.ends_with(".xml") {
        true => match fhir::xml::to_json(content) {
            Ok(json) => json.into_bytes(),
            Err(issues) => return issues,
        },
        false => content.to_vec(),
    };
    match Doc::parse(json) {
        Ok(doc) => check_resource(doc.root()).into_iter().filter(Issue::is_error).collect(),
        Err(error) => {
            vec![Issue::error(fhir::issue::IssueType::Structure, "", error.to_string())]
        }
    }
}

#[test]
fn what_is_right_for_the_hl7_validator_is_right() {
    let test = "what_is_right_for_the_hl7_validator_is_right";
    let Some(folder) = suites::folder_for_test(test) else { return };
    let folder = folder.join("fhir-validator");
    let files = suites::tar_zst(&folder.join("validator-r4-give.tar.zst")).expect("an archive");
    let files: BTreeMap<String, Vec<u8>> = files
        .into_iter()
        .map(|(path, content)| (path.trim_start_matches("./").to_owned(), content))
        .collect();
    let summary = std::fs::read(folder.join("expected-summary.json")).expect("a summary");
    let summary = Doc::parse(summary).expect("JSON");
    let mut found = Vec::new();
    let (mut n_right, mut n_wrong, mut n_caught) = (0, 0, 0);
    for case in summary.root().items() {
        let file = case.str("file").unwrap_or_default();
        let name = case.str("name").unwrap_or_default();
        let Some(base) = case.get("base") else { continue };
        let Some(content) = files.get(&*file) else { continue };
        if !file.ends_with(".json") && !file.ends_with(".xml") {
            continue;
        }
        let count = |kind: &str| base.get(kind).and_then(|n| n.as_number()) != Some("0");
        let errors = errors(&file, content);
        if count("error") || count("fatal") {
            n_wrong += 1;
            n_caught += usize::from(!errors.is_empty());
            continue;
        }
        n_right += 1;
        found.extend(errors.iter().map(|e| format!("{name}\t{}\t{}", e.expression, e.text)));
    }
    eprintln!("{n_right} right, {n_wrong} wrong of which {n_caught} by structure alone");
    assert!(n_right > 100, "the suite was read");
    let listed: Vec<&str> = EXCEPTIONS
        .lines()
        .filter_map(|line| line.rsplit_once('\t'))
        .map(|(case_and_expression, _)| case_and_expression)
        .collect();
    let unlisted: Vec<&String> =
        found.iter().filter(|f| !listed.iter().any(|l| f.starts_with(l))).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    let stale: Vec<&&str> =
        listed.iter().filter(|l| !found.iter().any(|f| f.starts_with(**l))).collect();
    assert!(stale.is_empty(), "no longer found: {stale:#?}");
}
