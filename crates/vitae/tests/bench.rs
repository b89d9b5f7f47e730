//! `vitae bench`: each workload in its shortest form, on the generator's patients.
//!
//! What is shown is that the workload runs, that its answers are right and that the report holds
//! its figures; how fast, is not for a test.

mod support;

use std::process::{Command, Stdio};

use fhir::json::Doc;
use support::{Folder, Practice, Said};

const SHORT: [&str; 8] =
    ["--source", "generated", "--warm-up", "0.05", "--seconds", "0.3", "--connections", "2"];

fn bench(args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitae"));
    command.arg("bench").args(args).args(SHORT).stdin(Stdio::null());
    command.output().expect("runs").into()
}

/// The JSON of a run that went well.
fn found(args: &[&str]) -> Doc {
    let args = [args, &["--json"]].concat();
    let said = bench(&args);
    assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
    Doc::parse(said.out).expect("JSON")
}

fn number(node: fhir::json::Node<'_>, name: &str) -> f64 {
    let node = node.get(name).unwrap_or_else(|| panic!("{name} in {}", node.to_compact()));
    node.as_number().and_then(|text| text.parse().ok()).expect("a number")
}

/// Each run of `list` did something and met no error.
fn assert_runs(doc: &Doc, n_runs: usize) {
    let runs: Vec<_> = doc.root().list("runs").collect();
    assert_eq!(runs.len(), n_runs);
    for run in runs {
        assert!(number(run, "operations") >= 1.0, "{}", run.to_compact());
        assert_eq!(number(run, "errors"), 0.0, "{}", run.to_compact());
        assert!(number(run, "server_cpu_seconds") >= 0.0);
    }
}

#[test]
fn workloads_run_on_a_record_that_is_kept() {
    let folder = Folder::new();
    let data = folder.path("bench").display().to_string();
    let on_data = |args: &[&str]| found(&[args, &["--data", &data]].concat());

    let imported = on_data(&["import", "--resources", "3000"]);
    assert_runs(&imported, 1);

    let searched = on_data(&["search", "--sweep", "2"]);
    // One run of the table, one of searches of a patient, two of unselective ones.
    assert_runs(&searched, 4);
    let shapes: Vec<_> = searched.root().list("runs").flat_map(|run| run.list("shapes")).collect();
    for name in [
        "Patient.name",
        "Observation.date",
        "Observation.code",
        "Observation.value-quantity",
        "Observation.code-value-quantity",
        "Observation.subject",
        "Observation?patient&code",
        "date only",
        "OR list of 50",
    ] {
        let shape = shapes.iter().find(|shape| shape.str("shape").as_deref() == Some(name));
        let shape = shape.unwrap_or_else(|| panic!("no shape {name}"));
        assert!(number(*shape, "found") > 0.0, "{name} finds something");
        assert!(number(*shape, "p99_ms") >= number(*shape, "p50_ms"), "{name}");
    }

    let counted = on_data(&["count", "--sweep", "1"]);
    assert_runs(&counted, 1);
    let runs = counted.root().list("runs").next().expect("one");
    assert_eq!(runs.list("shapes").count(), 4);

    assert_runs(&on_data(&["transaction", "--sweep", "1,2"]), 2);
    assert_runs(&on_data(&["crud"]), 1);
    assert_runs(&on_data(&["read", "--sweep", "1,2"]), 2);

    let everything = on_data(&["everything", "--sweep", "2"]);
    assert_runs(&everything, 1);
    assert!(number(everything.root(), "resources_of_a_patient") > 50.0);
}

#[test]
fn ndjson_is_loaded_and_exported() {
    let doc = found(&["bulk", "--resources", "2500"]);
    let bulk = doc.root().get("bulk").expect("there");
    for name in ["import", "export"] {
        let ran = bulk.get(name).expect(name);
        assert_eq!(number(ran, "resources"), 2500.0);
        assert!(number(ran, "bytes_of_files") > 100_000.0, "{}", ran.to_compact());
        assert!(number(ran, "cpu_seconds") > 0.0);
    }
    assert!(number(bulk, "bytes_on_disk") > 100_000.0);
}

#[test]
fn servers_are_compared_only_when_they_hold_and_answer_the_same() {
    let (a, b) = (Practice::new(), Practice::new());
    let (server_a, http_a) = a.serve_for("system/*.cruds");
    let (server_b, mut http_b) = b.serve_for("system/*.cruds");
    let base_a = format!("http://{}/fhir", server_a.address);
    let base_b = format!("http://{}/fhir", server_b.address);
    let (token_a, token_b) =
        (http_a.token.clone().expect("a token"), http_b.token.clone().expect("a token"));
    let pid = server_a.child.id().to_string();
    let sides = [
        "compare",
        "--base",
        &base_a,
        "--token",
        &token_a,
        "--pid",
        &pid,
        "--other-base",
        &base_b,
        "--other-token",
        &token_b,
        "--rounds",
        "2",
    ];

    let empty = bench(&sides);
    assert_eq!(empty.code, 1, "nothing to compare: {}", empty.out);

    let args = [&sides[..], &["--load", "2", "--workloads", "read,search,count,crud"]].concat();
    let doc = found(&args);
    let gate: Vec<_> = doc.root().list("gate").filter_map(|check| check.as_str()).collect();
    assert_eq!(gate.len(), 11, "{gate:?}");
    assert!(gate.iter().all(|check| check.starts_with("ok")), "{gate:?}");
    let pairs: Vec<_> = doc.root().list("pairs").collect();
    assert_eq!(pairs.len(), 5, "the load and four workloads");
    for pair in pairs {
        assert!(number(pair, "ratio") > 0.0);
        let side = |name| pair.get(name).expect("a side");
        assert_eq!(number(side("a"), "errors") + number(side("b"), "errors"), 0.0);
        assert!(side("a").get("server_cpu_seconds").is_some_and(|n| !n.is_null()), "a pid");
        assert!(side("b").get("server_cpu_seconds").is_some_and(|n| n.is_null()), "no pid");
    }

    // One more on one side, and no ratio is shown any more.
    let made = http_b.post("/fhir/Patient", r#"{"resourceType":"Patient"}"#);
    assert_eq!(made.status, 201);
    let args = [&sides[..], &["--workloads", "read"]].concat();
    let differing = bench(&args);
    assert_eq!(differing.code, 1);
    assert!(differing.err.contains("no ratios: 1 of 11"), "{}", differing.err);
    assert!(!differing.out.contains("A:B"), "{}", differing.out);
}

#[test]
fn the_table_is_written_between_its_marks() {
    let folder = Folder::new();
    let file = folder.path("performance.md");
    let marks = "# P\n\n<!-- measured: written by `vitae bench table` -->\n\
                 <!-- end of measured -->\n\nafter\n";
    std::fs::write(&file, marks).expect("writes");
    let data = folder.path("bench").display().to_string();
    let path = file.display().to_string();
    let args = ["--resources", "2500", "--bulk-resources", "1500", "--data", &data];
    let doc = found(&[&["table", "--write", &path], &args[..]].concat());
    assert!(doc.root().list("runs").count() >= 19);
    assert_eq!(doc.root().list("mixes").count(), 8, "six of searches, two of counts");
    let text = std::fs::read_to_string(&file).expect("reads");
    for row in [
        "read by id (W6)",
        "CRUD loop (W1)",
        "searches of one patient (W3)",
        "searches of one type (W3)",
        "unselective searches (W3)",
        "`_summary=count` on one token (W8)",
        "`$everything` (W7)",
        "two-resource transactions (W5)",
        "bulk load of NDJSON (W9)",
        "bytes on disk per Synthea resource",
        "chart page, 1 000 encounters",
    ] {
        assert!(text.contains(&format!("| {row}")), "{row} in {text}");
    }
    assert!(text.ends_with("after\n"));
}

#[test]
fn sizes_are_measured_once_and_their_growth_is_drawn() {
    let folder = Folder::new();
    let sizes = folder.path("sizes").display().to_string();
    let svg = folder.path("scaling.svg");
    let picture = svg.display().to_string();
    let args = ["scale", "--sizes", "1500,3k", "--chart-requests", "0"];
    let args = [&args[..], &["--folder", &sizes, "--svg", &picture]].concat();
    let doc = found(&args);
    let n_resources: Vec<f64> =
        doc.root().list("sizes").map(|size| number(size, "resources")).collect();
    assert_eq!(n_resources, [1500.0, 3000.0]);
    for size in doc.root().list("sizes") {
        assert!(number(size.get("load").expect("loaded"), "resources_per_second") > 0.0);
        assert_eq!(size.list("mixes").count(), 7, "three at 1 and 8 connections, and counts");
        for mix in size.list("mixes") {
            assert_eq!(number(mix, "errors"), 0.0, "{}", mix.to_compact());
        }
    }
    let growth: Vec<_> = doc.root().list("growth").collect();
    assert_eq!(growth.len(), 8, "reads, six runs of searches, counts");
    assert!(growth.iter().all(|curve| number(*curve, "exponent").is_finite()));
    let text = std::fs::read_to_string(&svg).expect("drawn");
    assert_eq!(text.matches("<polyline").count(), 5, "those at 1 connection: {text}");

    // The second run finds the folders: nothing is loaded again.
    let before = std::fs::read(folder.path("sizes/size-1500/loaded.json")).expect("a note");
    let again = found(&args);
    assert_eq!(again.root().list("sizes").count(), 2);
    let after = std::fs::read(folder.path("sizes/size-1500/loaded.json")).expect("a note");
    assert_eq!(before, after);
}

#[test]
fn a_database_is_measured_by_the_same_workloads() {
    let name = "a_database_is_measured_by_the_same_workloads";
    let Some(cluster) = case_kit::postgres::cluster(name) else { return };
    let folder = Folder::new();
    let data = folder.path("bench").display().to_string();
    let url = cluster.url();
    let on_database =
        |args: &[&str]| found(&[args, &["--data", &data, "--database-url", &url]].concat());
    let imported = on_database(&["import", "--resources", "1500"]);
    assert_runs(&imported, 1);
    let run = imported.root().list("runs").next().expect("one");
    assert!(number(run, "server_cpu_seconds") > 0.0, "of the server and the database");
    assert_runs(&on_database(&["search", "--sweep", "2"]), 4);
    assert_runs(&on_database(&["crud"]), 1);
}
