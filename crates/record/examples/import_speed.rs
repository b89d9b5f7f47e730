//! Loads the Bundles of an archive `.tar.zst` into a new record, reads from it, and tells the speed.
//!
//! `cargo run --release -p record --example import_speed -- ARCHIVE FOLDER`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use fhir::json::Doc;
use record::{Config, Ctx, Headers, ImportOptions, Payload, Record, Request, SystemWorld, route};

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
    searches(&record);
    reads(&record);
}

fn ask(record: &Record, url: &str) -> String {
    let ctx = Ctx::system("speed", record.now_ms());
    let request = route("GET", url, &Headers::default(), Payload::None).expect("a URL");
    record.execute(&ctx, request).expect(url).body.unwrap_or_default()
}

/// Tells the time of a few searches.
fn searches(record: &Record) {
    let patients = ask(record, "Patient?_count=1");
    let patients = Doc::parse(patients).expect("JSON");
    let patient = patients.root().list("entry").next().and_then(|e| e.get("resource"));
    let id = patient.and_then(|p| p.str("id")).unwrap_or_default().into_owned();
    for url in [
        format!("Patient/{id}/Observation?_sort=-date&_count=50"),
        format!("Observation?subject=Patient/{id}&category=vital-signs&_count=200"),
        "Patient?name=a&_count=20".to_owned(),
        "Observation?date=ge2020-01-01".to_owned(),
        "Observation?code=8302-2&value-quantity=gt150&_sort=-date".to_owned(),
        format!("Patient?_id={id}&_revinclude=Condition:subject"),
    ] {
        let start = Instant::now();
        const N: u32 = 5;
        let n_bytes = (0..N).map(|_| ask(record, &url).len()).max().unwrap_or_default();
        println!("{url}: {:?}, {n_bytes} bytes", start.elapsed() / N);
    }
}

/// Tells how fast one thread reads by id.
fn reads(record: &Record) {
    const N: usize = 100_000;
    let mut ids = Vec::new();
    let mut url = "Observation?_count=1000".to_owned();
    while ids.len() < 20_000 {
        let page = Doc::parse(ask(record, &url)).expect("JSON");
        let resources = page.root().list("entry").filter_map(|e| e.get("resource"));
        ids.extend(resources.filter_map(|r| r.str("id").map(|id| id.into_owned())));
        let mut links = page.root().list("link");
        let Some(next) = links.find(|link| link.str("relation").as_deref() == Some("next")) else {
            break;
        };
        let next = next.str("url").unwrap_or_default();
        url = next.strip_prefix(record.base_url()).unwrap_or(&next).to_owned();
    }
    let rt = fhir_tables::ResourceType::OBSERVATION;
    let start = Instant::now();
    let ctx = Ctx::system("speed", record.now_ms());
    for i in 0..N {
        let id = ids[i * 7919 % ids.len()].as_str();
        record.execute(&ctx, Request::read(rt, id)).expect("a resource");
    }
    let each = start.elapsed() / N as u32;
    println!("{N} reads by id of {} resources: {each:?} each", ids.len());
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
