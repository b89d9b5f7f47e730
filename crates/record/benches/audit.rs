//! Questions to a long audit log: `cargo bench -p record --bench audit -- 10000000`.
//!
//! Reads by 200 people of 20 000 patients leave so many leaves; then the time is taken of the
//! index, of "who opened this chart", of a filter by person and day, and of the whole tree.

use std::sync::Arc;
use std::time::Instant;

use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{
    Actor, AuditFilter, Config, Ctx, DataKey, LogOrder, Record, Request, Role, Scopes, SystemWorld,
    World,
};
use stdx::merkle::Frontier;

const PATIENTS: u64 = 20_000;
const PEOPLE: u64 = 200;
const QUESTIONS: usize = 200;
/// Leaves between two looks at the index, as a serving process would have them.
const INDEX_EVERY: u64 = 100_000;
/// The log spans so many days.
const DAYS: i64 = 365;
const DAY_MS: i64 = 86_400_000;

fn main() {
    let n: u64 = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(200_000);
    let folder = std::env::temp_dir().join(format!("vitae-audit-bench-{}", std::process::id()));
    let world = Arc::new(SystemWorld);
    let start_ms = world.now_ms() - DAYS * DAY_MS;
    let config = Config {
        folder: folder.clone(),
        key: DataKey::random().expect("randomness"),
        base_url: "http://localhost/fhir".to_owned(),
        world,
    };
    let record = Record::create(config).expect("a record");
    let system = Ctx::system("bench", start_ms);
    for id in 0..PATIENTS {
        let text = format!(r#"{{"resourceType":"Patient","id":"patient-{id:08}"}}"#);
        let body = Doc::parse(text).expect("JSON");
        let request = Request::update(ResourceType::PATIENT, format!("patient-{id:08}"), body);
        record.execute(&system, request).expect("stored");
    }
    let people: Vec<Ctx> = (0..PEOPLE).map(|n| person(n, start_ms)).collect();
    let mut random = case_kit::Random(3);
    let begun = Instant::now();
    let mut indexing = std::time::Duration::ZERO;
    for leaf in 0..n {
        let mut ctx = people[random.below(PEOPLE) as usize].clone();
        ctx.at_ms = start_ms + (leaf as i64) * (DAYS * DAY_MS / n as i64).max(1);
        ctx.request_id = format!("{leaf:016x}");
        // A few patients are seen much more often than the others.
        let id = random.below(PATIENTS).min(random.below(PATIENTS));
        let read = Request::read(ResourceType::PATIENT, format!("patient-{id:08}"));
        record.execute(&ctx, read).expect("read");
        if leaf % INDEX_EVERY == 0 {
            record.flush().expect("flushed");
            let at = Instant::now();
            record.index_audit().expect("indexed");
            indexing += at.elapsed();
        }
    }
    record.flush().expect("flushed");
    let at = Instant::now();
    record.index_audit().expect("indexed");
    indexing += at.elapsed();
    let written = begun.elapsed() - indexing;
    let per = |time: std::time::Duration| time.as_secs_f64() * 1e6 / n as f64;
    println!("{n} reads {:.1} µs each, index {:.2} µs each", per(written), per(indexing));

    let ask = |name: &str, filter: &mut dyn FnMut(&mut case_kit::Random) -> AuditFilter| {
        let mut random = case_kit::Random(9);
        let mut times: Vec<f64> = Vec::new();
        let mut total = 0;
        for _ in 0..QUESTIONS {
            let filter = filter(&mut random);
            let at = Instant::now();
            let order = LogOrder::NewestFirst;
            let found = record.audit_find(&system, &filter, order, (0, 50)).expect("an answer");
            times.push(at.elapsed().as_secs_f64() * 1e3);
            total += found.total;
        }
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        let mean = total / QUESTIONS as u64;
        println!("{name}: p50 {:.1} ms, p95 {:.1} ms, {mean} entries", at(0.5), at(0.95));
    };
    ask("who opened this chart", &mut |random| AuditFilter {
        patient: Some(format!("patient-{:08}", random.below(PATIENTS))),
        ..AuditFilter::default()
    });
    ask("what a person did on a day", &mut |random| {
        let day = start_ms + random.below(DAYS as u64) as i64 * DAY_MS;
        AuditFilter {
            person: Some(format!("person-{}", random.below(PEOPLE))),
            from_ms: Some(day),
            to_ms: Some(day + DAY_MS - 1),
            ..AuditFilter::default()
        }
    });
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..QUESTIONS {
        let (a, b) = (random.below(n) + 1, random.below(n) + 1);
        let at = Instant::now();
        record.audit_proof(&system, a.min(b), a.max(b)).expect("a proof");
        times.push(at.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let p95 = times[(times.len() - 1) * 95 / 100];
    println!("consistency proof: p50 {:.1} ms, p95 {p95:.1} ms", times[times.len() / 2]);
    let at = Instant::now();
    let log = record.audit_log(&system).expect("the log");
    let mut tree = Frontier::new();
    loop {
        let leaves = log.leaves(tree.size(), 10_000).expect("leaves");
        if leaves.is_empty() {
            break;
        }
        leaves.iter().for_each(|(_, leaf)| tree.append(leaf));
    }
    assert_eq!(log.head().expect("a head"), (tree.size(), tree.root()));
    println!(
        "the tree of {} leaves recomputed in {:.1} s",
        tree.size(),
        at.elapsed().as_secs_f64()
    );
    drop(log);
    record.close().expect("closed");
    std::fs::remove_dir_all(&folder).expect("own folder");
}

fn person(n: u64, at_ms: i64) -> Ctx {
    Ctx {
        actor: Actor::User {
            id: format!("account-{n}"),
            name: format!("person-{n}"),
            role: Role::Provider,
            patient: None,
        },
        scopes: Scopes::all(),
        address: Some(format!("192.0.2.{}", n % 250)),
        ..Ctx::system("bench", at_ms)
    }
}
