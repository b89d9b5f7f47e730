//! The resources that others published: all R4 examples are taken and given back as they were.

use crate::common::{START_MS, TestRecord};
use fhir::json::{Doc, Value};
use record::{Ctx, ImportOptions, Request};

/// Examples that are not R4 as its own definitions have it, and why they are refused.
const REFUSED: &str = include_str!("refused-examples.txt");

#[test]
fn every_r4_example_is_kept_as_it_is_or_refused_for_a_reason() {
    let name = "every_r4_example_is_kept_as_it_is_or_refused_for_a_reason";
    let Some(folder) = case_kit::suites::folder_for_test(name) else { return };
    let archive = folder.join("fhir-r4-examples/hl7.fhir.r4.examples-give.tar.zst");
    let files = case_kit::suites::tar_zst(&archive).expect("the examples");
    let test = TestRecord::new();
    let ctx = Ctx::system("suite", START_MS);
    let mut refused = Vec::new();
    let mut n_kept = 0;
    for (file, bytes) in files {
        let Ok(body) = Doc::parse(bytes) else { continue };
        let root = body.root();
        let (Some(ty), Some(id)) = (root.str("resourceType"), root.str("id")) else { continue };
        let Some(rt) = fhir_tables::ResourceType::from_name(&ty) else { continue };
        let short = file.rsplit('/').next().unwrap_or(&file).to_owned();
        // A Bundle of another type than these is loaded entry by entry, or executed.
        let is_stored =
            ty != "Bundle" || matches!(root.str("type").as_deref(), Some("document" | "message"));
        if !is_stored {
            continue;
        }
        let options = ImportOptions { allow_dangling: true, ..ImportOptions::default() };
        let request = Request::Import { body: body.clone(), options };
        let answer = test.record.execute(&ctx, request).expect("an answer").body.expect("a body");
        let answer = Doc::parse(answer).expect("JSON");
        let response = answer.root().list("entry").next().and_then(|e| e.get("response"));
        let response = response.expect("a response");
        if !response.str("status").expect("a status").starts_with('2') {
            let issue = response.get("outcome").and_then(|o| o.list("issue").next());
            let text = issue.and_then(|issue| issue.str("diagnostics")).unwrap_or_default();
            refused.push(format!("{short}: {text}"));
            continue;
        }
        let stored = test.record.execute(&ctx, Request::read(rt, id.as_ref())).expect("stored");
        let stored = Doc::parse(stored.body.expect("a body")).expect("JSON");
        assert_eq!(comparable(&stored), comparable(&body), "{short}");
        n_kept += 1;
    }
    eprintln!("{n_kept} kept, {} refused", refused.len());
    assert!(n_kept > 400, "{n_kept}");
    let actual = refused.join("\n") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/record/refused-examples.txt");
        std::fs::write(path, &actual).expect("written");
    } else {
        assert!(actual == REFUSED, "run with UPDATE=1 and look at the difference");
    }
}

/// The resource without what the server writes, its root's members sorted.
fn comparable(doc: &Doc) -> String {
    let mut value = Value::from(doc.root());
    let meta_is_empty = value.get_mut("meta").is_none_or(|meta| {
        for name in ["versionId", "lastUpdated", "_versionId", "_lastUpdated"] {
            meta.remove(name);
        }
        *meta == Value::Object(Vec::new())
    });
    if meta_is_empty {
        value.remove("meta");
    }
    if let Value::Object(members) = &mut value {
        members.sort_by(|a, b| a.0.cmp(&b.0));
    }
    value.to_json()
}
