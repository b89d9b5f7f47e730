//! Loads Bundles of an archive `.tar.zst` into a new record and tells how many `$everything` of a
//! patient with some 800 resources one CPU-second gives.
//!
//! `cargo run --release -p record --example everything_speed -- ARCHIVE FOLDER`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use fhir::json::Doc;
use record::{Config, Ctx, Headers, ImportOptions, Payload, Record, Request, SystemWorld, route};

/// Bundles that are loaded.
const FILES_MAX: usize = 60;
const RESOURCES_WANTED: u64 = 800;
const ROUNDS: u32 = 2_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(archive), Some(folder)) = (args.next(), args.next()) else {
        eprintln!("usage: everything_speed ARCHIVE FOLDER");
        std::process::exit(2);
    };
    let mut files = case_kit::suites::tar_zst(&PathBuf::from(archive)).expect("an archive");
    files.retain(|(name, _)| name.ends_with(".json"));
    // Organizations and practitioners come first: others refer to them.
    files.sort_by_key(|(name, _)| !name.contains("nformation"));
    let config = Config {
        folder: PathBuf::from(folder),
        key: store::DataKey::random().expect("random bytes"),
        base_url: "http://localhost/fhir".into(),
        world: Arc::new(SystemWorld),
    };
    let record = Record::create(config).expect("a new record");
    for (_, bytes) in files.into_iter().take(FILES_MAX) {
        let body = Doc::parse(bytes).expect("JSON");
        let options = ImportOptions { allow_dangling: true, ..ImportOptions::default() };
        let ctx = Ctx::system("speed", record.now_ms());
        record.execute(&ctx, Request::Import { body, options }).expect("loaded");
    }
    let patients = Doc::parse(ask(&record, "Patient?_count=1000")).expect("JSON");
    let ids = patients.root().list("entry").filter_map(|entry| {
        entry.get("resource").and_then(|p| p.str("id").map(|id| id.into_owned()))
    });
    let with_size = ids.map(|id| {
        let bundle = Doc::parse(ask(&record, &format!("Patient/{id}/$everything?_count=1")));
        let total = bundle.expect("JSON").root().get("total").map(|t| t.raw().parse().unwrap_or(0));
        (total.unwrap_or(0_u64), id)
    });
    let chosen = with_size.min_by_key(|(n, _)| n.abs_diff(RESOURCES_WANTED));
    let (n, id) = chosen.expect("a patient");
    let url = format!("Patient/{id}/$everything");
    let n_bytes = ask(&record, &url).len();
    let before = cpu_seconds();
    let start = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(ask(&record, &url));
    }
    let (cpu, wall) = (cpu_seconds() - before, start.elapsed().as_secs_f64());
    let rounds = f64::from(ROUNDS);
    println!(
        "{n} resources, {n_bytes} bytes: {:.0} per CPU-second, {:.2} ms each ({:.2} ms wall)",
        rounds / cpu,
        cpu / rounds * 1e3,
        wall / rounds * 1e3
    );
}

fn ask(record: &Record, url: &str) -> String {
    let ctx = Ctx::system("speed", record.now_ms());
    let request = route("GET", url, &Headers::default(), Payload::None).expect("a URL");
    record.execute(&ctx, request).expect(url).body.unwrap_or_default()
}

/// CPU time of all threads of this process.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let ns = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    ns.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}
