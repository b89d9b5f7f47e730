//! What an index costs, by design: the numbers of `docs/adr/0007-levels-kept-lists-columns.md`.
//!
//! `cargo bench -p store --bench index_designs -- 10000 100000 1000000`
//!
//! The designs that were not chosen are built here as simply and as well as they can be: encrypted
//! SQLite with the settings of the store, a thousand resources a commit, nothing but index rows.
//! The chosen one is the store itself, so its numbers hold the bodies, the log, the audit and every
//! other duty too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, params};
use search::Sees;
use search::value::{IndexValue, Indexed};
use store::{DataKey, Expect, PageRequest, Put, PutKind, Store, WriteSet};

/// Resources in one commit.
const TOGETHER: u32 = 1_000;
/// Resources of one patient.
const PER_PATIENT: u32 = 250;
/// A run that takes longer is ended and said to be.
const PATIENCE_S: f64 = 240.0;
/// Repetitions of a question.
const ASKED: u32 = 20;

/// Observations as a practice has them: a few codes are frequent, days spread over twenty years.
struct Data {
    state: u64,
}

struct One {
    patient: u32,
    encounter: u32,
    code: u32,
    category: u32,
    day: u32,
    value: u32,
}

impl Data {
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) as u32
    }

    fn one(&mut self, n: u32) -> One {
        let patient = n / PER_PATIENT;
        // Few codes are most of all.
        let code = (self.next() % 400).min(self.next() % 400).min(self.next() % 400);
        let encounter = n / 8;
        let day = (encounter.wrapping_mul(2_654_435_761) >> 8) % 7_300;
        One { patient, encounter, code, category: code % 6, day, value: self.next() % 2_000 }
    }
}

/// (parameter, value): what a row of a generic index holds. The values are numbers already.
fn pairs(one: &One) -> [(u8, u32); 12] {
    [
        (0, 0),
        (1, one.code),
        (2, one.code),
        (3, one.category),
        (4, one.patient),
        (5, one.patient),
        (6, one.encounter),
        (7, one.day),
        (8, one.day),
        (9, one.value),
        (10, one.code * 4_096 + one.value),
        (11, 1),
    ]
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder =
            std::env::temp_dir().join(format!("vitae-index-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the run");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Path) -> Connection {
    page_cipher::link();
    let connection = Connection::open(folder.join("index.db")).expect("a database");
    connection
        .execute_batch(&format!(
            "PRAGMA key = \"x'{}'\"; PRAGMA cipher_page_size = 4096;
             PRAGMA cipher_hmac_algorithm = HMAC_SHA256; PRAGMA cipher_memory_security = OFF;
             PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -49152;",
            "7".repeat(64)
        ))
        .expect("settings");
    connection
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn report(design: &str, n: u32, asked_for: u32, seconds: f64, folder: &Path, answers: &[f64]) {
    let bytes: u64 = std::fs::read_dir(folder)
        .expect("the folder of the run")
        .filter_map(|e| e.ok()?.metadata().ok())
        .map(|m| m.len())
        .sum();
    let ended = if n < asked_for { " (ended early)" } else { "" };
    let answers: Vec<String> = answers.iter().map(|ms| format!("{ms:.2}")).collect();
    println!(
        "| {design} | {n}{ended} | {:.0} | {:.0} | {} |",
        f64::from(n) / seconds,
        bytes as f64 / f64::from(n),
        answers.join(" | ")
    );
}

fn ask(mut question: impl FnMut(u32)) -> f64 {
    question(0);
    let start = Instant::now();
    (0..ASKED).for_each(&mut question);
    start.elapsed().as_secs_f64() * 1_000.0 / f64::from(ASKED)
}

/// One row for each value, found by value. `clustered`: rows of a patient stand together.
fn rows(n: u32, clustered: bool) {
    let folder = Folder::new(if clustered { "clustered" } else { "rows" });
    let mut connection = open(&folder.0);
    let columns = if clustered { "patient, param, value, rid" } else { "param, value, rid" };
    connection
        .execute_batch(&format!(
            "CREATE TABLE entry(patient INT, param INT, value INT, rid INT,
             PRIMARY KEY({columns})) WITHOUT ROWID;
             {}",
            if clustered { "CREATE INDEX by_value ON entry(param, value, rid);" } else { "" }
        ))
        .expect("a table");
    let mut data = Data { state: 7 };
    let (start, clock) = (cpu(), Instant::now());
    let mut done = 0;
    while done < n && clock.elapsed().as_secs_f64() < PATIENCE_S {
        let transaction = connection.transaction().expect("a transaction");
        for rid in done..(done + TOGETHER).min(n) {
            let one = data.one(rid);
            let mut insert = transaction
                .prepare_cached("INSERT INTO entry VALUES(?1, ?2, ?3, ?4)")
                .expect("SQL");
            for (param, value) in pairs(&one) {
                insert.execute(params![one.patient, param, value, rid]).expect("a row");
            }
        }
        transaction.commit().expect("a commit");
        done = (done + TOGETHER).min(n);
    }
    let seconds = cpu() - start;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    let count = |sql: &str, i: u32| {
        let n: i64 =
            connection.prepare_cached(sql).expect("SQL").query_row([i], |r| r.get(0)).expect("n");
        assert!(n >= 0);
    };
    let of_patient = "SELECT count(*) FROM entry a JOIN entry b ON b.patient = a.patient
        AND b.param = 1 AND b.rid = a.rid AND b.value < 6 WHERE a.param = 4 AND a.value = ?1
        AND a.patient = ?1";
    let of_value = "SELECT count(*) FROM entry a JOIN entry b ON b.param = 1 AND b.value = 3
        AND b.rid = a.rid WHERE a.param = 4 AND a.value = ?1";
    let answers = [
        ask(|i| count(if clustered { of_patient } else { of_value }, i)),
        ask(|i| count("SELECT count(*) FROM entry WHERE param = 3 AND value = ?1 % 6", i)),
        ask(|i| count("SELECT count(*) FROM entry WHERE param = 7 AND value >= 3650 + ?1", i)),
    ];
    let name = if clustered { "rows by patient" } else { "rows by value" };
    report(name, done, n, seconds, &folder.0, &answers);
}

/// One roaring bitmap for each value, rewritten with every commit that adds to it.
fn bitmaps(n: u32) {
    let folder = Folder::new("bitmaps");
    let mut connection = open(&folder.0);
    connection
        .execute_batch(
            "CREATE TABLE list(param INT, value INT, rids BLOB,
             PRIMARY KEY(param, value)) WITHOUT ROWID",
        )
        .expect("a table");
    let mut data = Data { state: 7 };
    let (start, clock) = (cpu(), Instant::now());
    let mut done = 0;
    while done < n && clock.elapsed().as_secs_f64() < PATIENCE_S {
        let mut fresh: std::collections::BTreeMap<(u8, u32), Vec<u32>> = Default::default();
        for rid in done..(done + TOGETHER).min(n) {
            for pair in pairs(&data.one(rid)) {
                fresh.entry(pair).or_default().push(rid);
            }
        }
        let transaction = connection.transaction().expect("a transaction");
        for ((param, value), rids) in fresh {
            let mut list = bitmap(&transaction, param, value);
            list.extend(rids);
            let mut bytes = Vec::new();
            list.serialize_into(&mut bytes).expect("memory");
            transaction
                .prepare_cached("INSERT OR REPLACE INTO list VALUES(?1, ?2, ?3)")
                .expect("SQL")
                .execute(params![param, value, bytes])
                .expect("a row");
        }
        transaction.commit().expect("a commit");
        done = (done + TOGETHER).min(n);
    }
    let seconds = cpu() - start;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    let answers = [
        ask(|i| {
            assert!((bitmap(&connection, 4, i) & bitmap(&connection, 1, 3)).len() <= u64::from(n));
        }),
        ask(|i| assert!(bitmap(&connection, 3, i % 6).len() <= u64::from(n))),
        ask(|i| {
            let mut all = RoaringBitmap::new();
            for day in 3_650 + i..7_300 {
                all |= bitmap(&connection, 7, day);
            }
            assert!(all.len() <= u64::from(n));
        }),
    ];
    report("a bitmap a value", done, n, seconds, &folder.0, &answers);
}

fn bitmap(connection: &Connection, param: u8, value: u32) -> RoaringBitmap {
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("SELECT rids FROM list WHERE param = ?1 AND value = ?2")
        .expect("SQL")
        .query_row(params![param, value], |row| row.get(0))
        .optional()
        .expect("a row");
    bytes.map_or_else(RoaringBitmap::new, |b| {
        RoaringBitmap::deserialize_from(&b[..]).expect("own bytes")
    })
}

fn put(rid: u32, one: &One) -> Put {
    let rt = ResourceType::OBSERVATION;
    let day_ms = i64::from(one.day) * 86_400_000 + 1_000_000_000_000;
    let id = format!("o{rid}");
    let token = |code: String| IndexValue::Token { system: Some("urn:c".into()), code: Some(code) };
    let reference = |ty, id: String| IndexValue::Reference { ty, id };
    let values = [
        ("_id", token(id.clone())),
        ("code", token(format!("c{}", one.code))),
        ("combo-code", token(format!("c{}", one.code))),
        ("category", token(format!("k{}", one.category))),
        ("patient", reference(ResourceType::PATIENT, format!("p{}", one.patient))),
        ("subject", reference(ResourceType::PATIENT, format!("p{}", one.patient))),
        ("encounter", reference(ResourceType::ENCOUNTER, format!("e{}", one.encounter))),
        ("date", IndexValue::Date { lo: day_ms, hi: day_ms + 999 }),
        ("status", token("final".into())),
        ("value-quantity", IndexValue::Number(f64::from(one.value) / 10.0)),
    ];
    let values = values
        .into_iter()
        .filter_map(|(code, value)| {
            Some(Indexed { param: search::params::find(rt, code)?.0, value })
        })
        .collect();
    let text = format!(
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{}},"status":"final","code":{{"coding":[{{"system":"urn:c","code":"c{}"}}]}},"subject":{{"reference":"Patient/p{}"}},"valueQuantity":{{"value":{}}}}}"#,
        one.code, one.patient, one.value
    );
    let meta_at = text.find("\"meta\":{").expect("meta") + 8;
    let (kind, expect) = (PutKind::Write, Expect::New);
    Put { rt, id, kind, text, meta_at, values, references: Vec::new(), expect }
}

/// The store.
fn chosen(n: u32) {
    let folder = Folder::new("store");
    let path = folder.0.join("practice");
    let now = Arc::new(AtomicI64::new(1_790_000_000_000));
    let clock = Arc::new(move || now.fetch_add(1, Ordering::SeqCst));
    let key = DataKey::random().expect("a key");
    let store = Store::create(&path, &key, clock).expect("a store");
    let mut data = Data { state: 7 };
    let start = cpu();
    let mut done = 0;
    while done < n {
        let puts = (done..(done + TOGETHER).min(n)).map(|rid| put(rid, &data.one(rid))).collect();
        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("a commit");
        done = (done + TOGETHER).min(n);
    }
    store.flush().expect("all on disk");
    let seconds = cpu() - start;
    let setting = search::parse::Setting {
        handling: search::parse::Handling::Strict,
        base_url: "",
        now_ms: 1_790_000_000_000,
        lookup: &search::lookup::NoRecord,
    };
    let question = |text: String| {
        let pairs: Vec<(String, String)> = text
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let query = search::parse::parse(ResourceType::OBSERVATION, None, &pairs, setting)
            .expect("a search");
        let mut snapshot = store.snapshot(Sees::everything()).expect("a snapshot");
        let request = PageRequest {
            from: None,
            backward: false,
            count: 0,
            total: search::query::Total::Accurate,
        };
        let page = snapshot.search(&query, &request).expect("an answer");
        assert!(page.total.is_some());
    };
    let answers = [
        ask(|i| question(format!("patient=Patient/p{i}&code=urn:c|c3"))),
        ask(|i| question(format!("category=urn:c|k{}", i % 6))),
        ask(|i| question(format!("date=ge20{:02}", 11 + i % 10))),
    ];
    drop(store);
    report("the store, bodies included", n, n, seconds, &path, &answers);
}

fn main() {
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        println!("give sizes: cargo bench -p store --bench index_designs -- 10000 100000");
        return;
    }
    println!(
        "| design | resources | per CPU-second | bytes each | patient and code, ms | a frequent value, counted, ms | half of all days, ms |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for n in sizes {
        chosen(n);
        bitmaps(n);
        rows(n, false);
        rows(n, true);
    }
}
