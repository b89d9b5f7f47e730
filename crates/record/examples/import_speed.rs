//! Loads the Bundles of an archive `.tar.zst` into a new record and tells the speed.
//!
//! `cargo run --release -p record --example import_speed -- ARCHIVE FOLDER`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use fhir::json::Doc;
use record::{Config, Ctx, ImportOptions, Record, Request, SystemWorld};

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(archive), Some(folder)) = (args.next(), args.next()) else {
        eprintln!("usage: import_speed ARCHIVE FOLDER");
        std::process::exit(2);
    };
    let n_threads: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(2);
    let mut files = case_kit::suites::tar_zst(&PathBuf::from(archive)).expect("an archive");
    files.retain(|(name, _)| name.ends_with(".json"));
    // Organizations and practitioners come first: others refer to them.
    files.sort_by_key(|(name, _)| {
        !(name.contains("hospitalInformation") || name.contains("practitionerInformation"))
    });
    let n_first =
        files.iter().take_while(|(n, _)| n.contains("nformation")).count().min(files.len());
    let config = Config {
        folder: PathBuf::from(folder),
        key: store::DataKey::random().expect("random bytes"),
        base_url: "http://localhost/fhir".into(),
        world: Arc::new(SystemWorld),
    };
    let record = Record::create(config).expect("a new record");
    let start = Instant::now();
    load(&record, &files[..n_first], 1);
    println!("first {n_first} files: {:?}", start.elapsed());
    let start = Instant::now();
    let n = load(&record, &files[n_first..], n_threads);
    let seconds = start.elapsed().as_secs_f64();
    println!("{n} resources in {seconds:.2} s: {:.0}/s", n as f64 / seconds);
}

/// Number of entries stored.
fn load(record: &Record, files: &[(String, Vec<u8>)], n_threads: usize) -> usize {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let total = std::sync::atomic::AtomicUsize::new(0);
    use std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                while let Some((name, bytes)) = files.get(next.fetch_add(1, SeqCst)) {
                    let ctx = Ctx::system("import", record.now_ms());
                    let body = match Doc::parse(bytes.clone()) {
                        Ok(body) => body,
                        Err(e) => {
                            println!("{name}: {e}");
                            continue;
                        }
                    };
                    let options = ImportOptions::default();
                    match record.execute(&ctx, Request::Import { body, options }) {
                        Ok(response) => {
                            let body = response.body.unwrap_or_default();
                            let n_refused = body.matches("\"outcome\"").count();
                            if n_refused > 0 {
                                let at = body.find("\"outcome\"").unwrap_or(0);
                                let end = (at + 300).min(body.len());
                                println!("{name}: {n_refused} refused: {}", &body[at..end]);
                            }
                            total.fetch_add(body.matches("\"status\":\"2").count(), SeqCst);
                        }
                        Err(e) => println!("{name}: {:?}", e.issues),
                    }
                }
            });
        }
    });
    total.into_inner()
}
