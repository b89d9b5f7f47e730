//! Time that indexing and packing take, by resource type.
//!
//! `cargo run --release -p search --example index_speed -- synthea-r4-2019/NAME.tar.zst`
//! reads an archive of Bundles from the test data and prints a table.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use fhir::json::{Doc, Node};
use fhir_tables::ResourceType;
use search::pack::{pack, unpack};

const ROUNDS: u32 = 20;
const FILES_MAX: usize = 10;

#[derive(Default)]
struct Row {
    n: u32,
    values: usize,
    packed_bytes: usize,
    full_us: f64,
    kept_us: f64,
    pack_us: f64,
    unpack_us: f64,
}

fn main() {
    let archive = std::env::args().nth(1).expect("an archive below the suites folder");
    let folder = case_kit::suites::folder().expect("VITAE_SUITES or ../shared/data");
    let files = case_kit::suites::tar_zst(&folder.join(archive)).expect("an archive");
    let docs: Vec<Doc> =
        files.into_iter().take(FILES_MAX).filter_map(|(_, text)| Doc::parse(text).ok()).collect();
    let mut rows = BTreeMap::<&str, Row>::new();
    for doc in &docs {
        for entry in doc.root().list("entry") {
            if let Some(resource) = entry.get("resource") {
                measure(resource, &mut rows);
            }
        }
    }
    println!("type                      n  values  bytes  full µs  kept µs  pack µs  unpack µs");
    for (name, row) in rows {
        let n = f64::from(row.n);
        println!(
            "{name:20} {:>6} {:>7.1} {:>6.0} {:>8.2} {:>8.2} {:>8.2} {:>10.2}",
            row.n,
            row.values as f64 / n,
            row.packed_bytes as f64 / n,
            row.full_us / n,
            row.kept_us / n,
            row.pack_us / n,
            row.unpack_us / n
        );
    }
}

fn measure(resource: Node<'_>, rows: &mut BTreeMap<&'static str, Row>) {
    const BASE: &str = "http://127.0.0.1:8080/fhir";
    let Some(rt) = resource.str("resourceType").and_then(|name| ResourceType::from_name(&name))
    else {
        return;
    };
    let row = rows.entry(rt.name()).or_default();
    let values = search::index_kept(rt, resource, BASE);
    let mut numbers = HashMap::<String, u32>::new();
    let mut intern = |text: &str| match numbers.get(text) {
        Some(n) => *n,
        None => {
            let n = numbers.len() as u32;
            numbers.insert(text.to_owned(), n);
            n
        }
    };
    let bytes = pack(&values, &mut intern);
    row.n += 1;
    row.values += values.len();
    row.packed_bytes += bytes.len();
    row.full_us += time(|| search::index(rt, resource, BASE));
    row.kept_us += time(|| search::index_kept(rt, resource, BASE));
    row.pack_us += time(|| pack(&values, &mut intern));
    let mut texts = vec![String::new(); numbers.len()];
    for (text, n) in numbers {
        texts[n as usize] = text;
    }
    row.unpack_us += time(|| unpack(&bytes, &|n| texts.get(n as usize)).expect("packed"));
}

/// Microseconds of the fastest of some calls: other work on the machine does not count.
fn time<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        std::hint::black_box(call());
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}
