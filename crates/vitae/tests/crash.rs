//! Kill -9 under load: what was acknowledged is there byte for byte, and nothing is half-written.
//!
//! `VITAE_CYCLES` sets the number of kills; 30 unless set. `scripts/torture 200` is the long form.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Http, Practice};

const CYCLES: usize = 30;
const CLIENTS: usize = 4;

/// What clients know: resource → versions that were acknowledged, by number, and the last text
/// that was sent and not answered.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeMap<String, BTreeMap<u32, String>>,
    deleted: BTreeMap<String, u32>,
    /// Answered transactions: places of their parts.
    n_writes: u64,
}

/// A small generator: the test needs variety, not secrecy.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn etag(answer: &support::Answer) -> Option<u32> {
    answer.header("etag")?.trim_start_matches("W/").trim_matches('"').parse().ok()
}

/// Writes until the server goes away. Each client has resources of its own, so that what it knows
/// about them is complete.
fn load(mut http: Http, client: usize, cycle: usize, ledger: &Mutex<Ledger>) {
    let mut dice = Dice((client as u64 + 1) * 7919 + cycle as u64 * 104_729);
    for n in 0.. {
        let id = format!("c{client}-{}", dice.roll(12));
        let path = format!("Patient/{id}");
        let filler = "x".repeat(dice.roll(3_000) as usize);
        let family = format!("{cycle}-{n}-{filler}");
        let json =
            format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"{family}"}}]}}"#);
        let header = [("Content-Type", "application/fhir+json")];
        match dice.roll(10) {
            0 => {
                let Ok(answer) = http.try_send("DELETE", &format!("/fhir/{path}"), &[], b"") else {
                    return;
                };
                if let (204, Some(vid)) = (answer.status, etag(&answer)) {
                    let mut ledger = ledger.lock().expect("no panic");
                    ledger.deleted.insert(path, vid);
                    ledger.n_writes += 1;
                }
            }
            1 | 2 => {
                // Two resources that must come and go together.
                let pair = format!("pair-{client}-{cycle}-{n}");
                let entry = |suffix: &str| {
                    format!(
                        r#"{{"resource":{{"resourceType":"Basic","id":"{pair}-{suffix}","code":{{"text":"{pair}"}}}},"request":{{"method":"PUT","url":"Basic/{pair}-{suffix}"}}}}"#
                    )
                };
                let json = format!(
                    r#"{{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}}"#,
                    entry("a"),
                    entry("b")
                );
                let Ok(answer) = http.try_send("POST", "/fhir", &header, json.as_bytes()) else {
                    return;
                };
                assert_eq!(answer.status, 200, "{}", answer.text());
                let mut ledger = ledger.lock().expect("no panic");
                for suffix in ["a", "b"] {
                    let place = format!("Basic/{pair}-{suffix}");
                    ledger.acknowledged.entry(place).or_default().insert(1, String::new());
                }
                ledger.n_writes += 1;
            }
            3 => {
                if http.try_send("GET", &format!("/fhir/Patient?family={cycle}"), &[], b"").is_err()
                {
                    return;
                }
            }
            _ => {
                let sent = http.try_send("PUT", &format!("/fhir/{path}"), &header, json.as_bytes());
                let Ok(answer) = sent else { return };
                assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
                let vid = etag(&answer).expect("a version");
                let mut ledger = ledger.lock().expect("no panic");
                let versions = ledger.acknowledged.entry(path).or_default();
                versions.insert(vid, answer.text().to_owned());
                ledger.n_writes += 1;
            }
        }
    }
}

/// Everything acknowledged is there; pairs are whole.
fn compare(http: &mut Http, ledger: &Ledger, cycle: usize) {
    for (place, versions) in &ledger.acknowledged {
        for (vid, text) in versions {
            let answer = http.get(&format!("/fhir/{place}/_history/{vid}"));
            assert_eq!(answer.status, 200, "cycle {cycle}: {place} version {vid} is lost");
            assert!(
                text.is_empty() || answer.text() == text,
                "cycle {cycle}: {place} {vid} differs"
            );
        }
    }
    for (place, vid) in &ledger.deleted {
        let answer = http.get(&format!("/fhir/{place}/_history/{vid}"));
        assert_eq!(answer.status, 410, "cycle {cycle}: deletion {vid} of {place} is lost");
    }
}

fn pairs_are_whole(http: &mut Http, cycle: usize) {
    let mut path = "/fhir/Basic?_count=1000&_elements=id".to_owned();
    let mut halves: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let page = http.get(&path).doc();
        for entry in page.root().list("entry") {
            let id = entry.get("resource").and_then(|r| r.str("id")).expect("an id").into_owned();
            *halves.entry(id[..id.len() - 2].to_owned()).or_default() += 1;
        }
        let next = page
            .root()
            .list("link")
            .find(|link| link.str("relation").as_deref() == Some("next"))
            .and_then(|link| link.str("url"));
        match next.as_deref().and_then(|url| url.split_once("/fhir/")) {
            Some((_, rest)) => path = format!("/fhir/{rest}"),
            None => break,
        }
    }
    for (pair, n) in halves {
        assert_eq!(n, 2, "cycle {cycle}: {pair} is half-written");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let cycles = std::env::var("VITAE_CYCLES").ok().and_then(|n| n.parse().ok()).unwrap_or(CYCLES);
    let practice = Practice::new();
    let (id, secret) = practice.client("system/*.cruds");
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut dice = Dice(42);
    for cycle in 0..cycles {
        let mut server = practice.serve();
        let mut http = server.http();
        http.log_in(&id, &secret);
        // All of it now and then, and at the end.
        let checked = ledger.lock().expect("no panic");
        if cycle % 10 == 0 || checked.n_writes < 2_000 {
            compare(&mut http, &checked, cycle);
        }
        drop(checked);
        pairs_are_whole(&mut http, cycle);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let mut own = server.http();
                own.token = http.token.clone();
                let ledger = Arc::clone(&ledger);
                std::thread::spawn(move || load(own, client, cycle, &ledger))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(5 + dice.roll(496)));
        server.kill();
        for client in clients {
            client.join().expect("the load is right");
        }
    }
    let mut server = practice.serve();
    let mut http = server.http();
    http.log_in(&id, &secret);
    let ledger = ledger.lock().expect("no panic");
    compare(&mut http, &ledger, cycles);
    pairs_are_whole(&mut http, cycles);
    println!("{cycles} kills, {} acknowledged writes, none lost", ledger.n_writes);
    assert!(ledger.n_writes > 0);
    assert_eq!(server.stop(), Some(0));
    let said = practice.run(&["verify", "--data", &practice.data()]);
    assert_eq!(said.code, 0, "{}", said.out);
}
