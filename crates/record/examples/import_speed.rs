//! How fast transactions go through the door, without HTTP.
//!
//! `cargo run --release -p record --example import_speed -- FOLDER [THREADS] [REPEAT]` loads the
//! transaction Bundles of the Synthea suites into an empty record in FOLDER and prints the rate of
//! every repetition, CPU time and bytes on disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use fhir::json::Doc;
use record::{Config, Ctx, Record, Request, SystemWorld};

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn disk_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder for the record");
    let threads: usize = args.next().map_or(2, |n| n.parse().expect("threads"));
    let repeat: usize = args.next().map_or(1, |n| n.parse().expect("repetitions"));
    let suites = case_kit::suites::folder().expect("the folder of suites");
    let path = suites.join("synthea-2026/synthea-2026-ma-fhir.tar.zst");
    let mut files = case_kit::suites::tar_zst(&path).expect("archive");
    files.retain(|(name, _)| name.ends_with(".json"));
    files.sort_by_key(|(name, _)| {
        let name = name.rsplit('/').next().unwrap_or(name);
        !(name.starts_with("hospitalInformation") || name.starts_with("practitionerInformation"))
    });
    let config = Config {
        folder: folder.clone().into(),
        key: store::DataKey::random().expect("key"),
        base_url: "http://127.0.0.1/fhir".into(),
        world: Arc::new(SystemWorld),
    };
    let record = Record::create(config).expect("an empty folder");
    let n_first = files.iter().take_while(|(n, _)| n.contains("Information")).count();
    let (first, rest) = files.split_at(n_first);
    let load = |content: &[u8]| -> usize {
        let doc = Doc::parse(content.to_vec()).expect("JSON");
        let n = doc.root().get("entry").map_or(0, |e| e.len());
        let ctx = Ctx::system("bench", record.now_ms());
        match record.execute(&ctx, Request::bundle(doc)) {
            Ok(_) => n,
            Err(e) => {
                eprintln!("{e:?}");
                0
            }
        }
    };
    for (_, content) in first {
        load(content);
    }
    let mut stored = 0;
    for round in 0..repeat {
        let next = AtomicUsize::new(0);
        let n = AtomicUsize::new(0);
        let (start, cpu) = (Instant::now(), cpu_seconds());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((_, content)) = rest.get(next.fetch_add(1, Ordering::SeqCst)) {
                        n.fetch_add(load(content), Ordering::SeqCst);
                    }
                });
            }
        });
        let n = n.load(Ordering::SeqCst);
        stored += n;
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!(
            "{round}: {n} resources, {:.0}/s wall, {:.1} us CPU each, {:.0} B each on disk",
            n as f64 / wall,
            cpu * 1e6 / n as f64,
            disk_bytes(Path::new(&folder)) as f64 / stored as f64
        );
    }
    let start = Instant::now();
    record.close().expect("close");
    println!("closed in {:.2} s", start.elapsed().as_secs_f64());
    println!("{:.0} B each on disk", disk_bytes(Path::new(&folder)) as f64 / stored as f64);
}
