//! The server under pressure: a disk that takes no more, many clients at once, queries that are
//! meant to hurt, many large bodies.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::Practice;

/// Text that does not compress.
fn noise(n: usize, seed: u32) -> String {
    let letter = |k: u32| (k.wrapping_mul(2_654_435_761 ^ (seed * 97)) >> 13) as u8 % 26;
    (0..n as u32).map(|k| char::from(b'a' + letter(k))).collect()
}

#[test]
fn nothing_is_shown_when_it_cannot_be_audited() {
    let practice = Practice::new();
    let (id, secret) = practice.client("system/*.cruds");
    let data = practice.folder.path("data");
    let sizes = std::fs::read_dir(&data).expect("the data folder").flatten();
    let largest = sizes.filter_map(|entry| Some(entry.metadata().ok()?.len())).max().unwrap_or(0);
    // No file may grow beyond this; blocks of 512 bytes.
    let blocks = (largest + (1 << 20)) / 512;
    let server = practice.serve_after(&format!("trap '' XFSZ; ulimit -f {blocks}"));
    let mut http = server.http();
    http.log_in(&id, &secret);
    let put = |i: u32| {
        let noise = noise(20_000, i);
        format!(r#"{{"resourceType":"Patient","id":"p{i}","name":[{{"text":"{noise}"}}]}}"#)
    };
    let mut n_stored = 0;
    let refused = loop {
        let answer = http.put(&format!("/fhir/Patient/p{n_stored}"), &put(n_stored));
        if answer.status != 201 {
            break answer;
        }
        n_stored += 1;
        assert!(n_stored < 5_000, "the limit was never reached");
    };
    assert!(n_stored > 3);
    assert_eq!((refused.status, refused.issue().as_str()), (503, "transient"));
    for path in ["/fhir/Patient/p0", "/fhir/Patient?_count=1", "/fhir/Patient/none"] {
        let answer = http.get(path);
        assert_eq!((answer.status, answer.issue().as_str()), (503, "transient"), "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
        assert!(!answer.text().contains("Patient"), "{path}: {}", answer.text());
    }
    assert_eq!(http.get("/readyz").status, 503);
    assert_eq!(http.get("/healthz").status, 200);
    drop(server);
    // What was acknowledged is there when the disk takes writes again.
    let server = practice.serve();
    let mut http = server.http();
    http.log_in(&id, &secret);
    for i in 0..n_stored {
        assert_eq!(http.get(&format!("/fhir/Patient/p{i}")).status, 200, "p{i}");
    }
}

#[test]
fn conditional_creates_from_64_clients_never_duplicate() {
    const CLIENTS: usize = 64;
    const ROUNDS: usize = 4;
    let practice = Practice::new();
    let (server, first) = practice.serve_for("system/*.cruds");
    let (server, first) = (&server, &first);
    let mut check = server.http();
    check.token.clone_from(&first.token);
    for round in 0..ROUNDS {
        let body = format!(
            r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:x","value":"{round}"}}]}}"#
        );
        let body = body.as_str();
        let located: Vec<(u16, String)> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(move || {
                        let mut http = server.http();
                        http.token.clone_from(&first.token);
                        let headers = [
                            ("Content-Type", "application/fhir+json"),
                            ("If-None-Exist", &*format!("identifier=urn:x|{round}")),
                        ];
                        let answer = http.send("POST", "/fhir/Patient", &headers, body.as_bytes());
                        let place = answer.header("location").unwrap_or_default().to_owned();
                        (answer.status, place)
                    })
                })
                .collect();
            handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
        });
        let n_created = located.iter().filter(|(status, _)| *status == 201).count();
        let places: BTreeSet<&str> = located.iter().map(|(_, place)| place.as_str()).collect();
        assert!(located.iter().all(|(status, _)| matches!(status, 200 | 201)), "{located:?}");
        assert_eq!((n_created, places.len()), (1, 1), "round {round}: {places:?}");
        let found = check.get(&format!("/fhir/Patient?identifier=urn:x|{round}&_summary=count"));
        assert!(found.text().contains("\"total\":1"), "{}", found.text());
    }
}

/// Time in which a query that is meant to hurt is answered; a debug build on a busy machine gets
/// some room.
const HOSTILE_MS: u128 = if cfg!(debug_assertions) { 2_000 } else { 100 };

#[test]
fn hostile_queries_are_answered_at_once() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    for i in 0..20 {
        let body = format!(
            r#"{{"resourceType":"Patient","id":"p{i}","name":[{{"family":"Abel {i}"}}],"birthDate":"1980-01-01"}}"#
        );
        assert_eq!(http.put(&format!("/fhir/Patient/p{i}"), &body).status, 201);
    }
    let many = |n: usize| (0..n).map(|i| format!("x{i}")).collect::<Vec<_>>().join(",");
    let chain = |n: usize| format!("subject:Patient.{}", "link:Patient.".repeat(n));
    let forms: Vec<(&str, &str, String)> = vec![
        ("10 000 values", "Patient", format!("identifier={}", many(10_000))),
        ("10 000 ids", "Patient", format!("_id={}", many(10_000))),
        ("2 000 parameters", "Patient", "name=a&".repeat(2_000)),
        ("a chain of 20", "Observation", format!("{}name=a", chain(20))),
        ("_has in _has", "Patient", format!("{}code=a", "_has:Observation:patient:".repeat(20))),
        ("an expression", "Patient", "name=(a%2B)%2B%24&name:contains=.*.*.*.*b".to_owned()),
        ("a large count", "Patient", "_count=1000000".to_owned()),
        ("a huge count", "Patient", "_count=99999999999999999999".to_owned()),
        ("a negative count", "Patient", "_count=-1".to_owned()),
        ("cyclic includes", "Patient", {
            "_include:iterate=Patient:link&_revinclude:iterate=Patient:link&_include=*".to_owned()
        }),
        ("right to left", "Patient", "name=%E2%80%AE%E2%80%AEabel".to_owned()),
        ("marks", "Patient", format!("name=a{}", "%CC%81".repeat(500))),
        ("not UTF-8", "Patient", "name=%FF%FE%00".to_owned()),
        ("SQL", "Patient", "name=%27;DROP%20TABLE%20version;--&_sort=name;--".to_owned()),
        ("SQL for an id", "Patient", "_id=p1%27%20OR%201=1".to_owned()),
        ("no sort key", "Patient", "_sort=photo,-text".to_owned()),
        ("many sort keys", "Patient", format!("_sort={}", "name,".repeat(500))),
        ("a page of ours, not", "Patient", "_page=AAAA".to_owned()),
        (
            "deep filter",
            "Patient",
            format!("_filter={}name%20eq%20a{}", "(".repeat(500), ")".repeat(500)),
        ),
        ("long filter", "Patient", format!("_filter={}", "name%20eq%20a%20or%20".repeat(2_000))),
        ("number", "Observation", "value-quantity=1e999999".to_owned()),
        ("date", "Patient", "birthdate=gt9999-99-99T99:99:99Z".to_owned()),
        ("backslashes", "Patient", format!("name={}", "%5C".repeat(2_000))),
        ("pipes", "Patient", format!("identifier={}", "|".repeat(2_000))),
        ("near nothing", "Location", "near=91|181|-1|parsec".to_owned()),
        ("elements", "Patient", format!("_elements={}", many(5_000))),
    ];
    let mut slow = Vec::new();
    for (name, ty, form) in &forms {
        let start = Instant::now();
        let answer = http.form(&format!("/fhir/{ty}/_search"), form);
        let ms = start.elapsed().as_millis();
        if ms > HOSTILE_MS {
            slow.push(format!("{name}: {ms} ms"));
        }
        assert!(matches!(answer.status, 200 | 400 | 413 | 422), "{name}: {}", answer.status);
        if answer.status != 200 {
            let text = answer.text();
            assert!(!answer.issue().is_empty() && text.contains("diagnostics"), "{name}: {text}");
            for leak in ["panicked", "src/", "SELECT", "sqlite"] {
                assert!(!text.contains(leak), "{name}: {text}");
            }
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
    // Nothing happened to the record or the server.
    assert!(http.get("/fhir/Patient?_summary=count").text().contains("\"total\":20"));
}

#[test]
fn many_large_bodies_at_once_are_bounded_in_memory() {
    const CLIENTS: usize = 32;
    const ENTRIES: usize = 2_500;
    /// Peak of the whole process, MiB. Bodies alone are 32 times 3 MiB.
    const PEAK_MIB_MAX: u64 = 500;
    let practice = Practice::new();
    let (server, first) = practice.serve_for("system/*.cruds");
    let bundle = |client: usize| {
        let entries: Vec<String> = (0..ENTRIES)
            .map(|i| {
                let text = noise(900, (client * ENTRIES + i) as u32);
                format!(
                    r#"{{"resource":{{"resourceType":"Basic","code":{{"text":"{text}"}}}},"request":{{"method":"POST","url":"Basic"}}}}"#
                )
            })
            .collect();
        let entries = entries.join(",");
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (mut http, token) = (server.http(), first.token.clone());
                scope.spawn(move || {
                    http.token = token;
                    let body = bundle(client);
                    let start = Instant::now();
                    loop {
                        let status = http.post("/fhir", &body).status;
                        if status != 503 || start.elapsed() > Duration::from_secs(120) {
                            return status;
                        }
                        std::thread::sleep(Duration::from_millis(200));
                    }
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id()));
    let status = status.expect("the process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak_kib / 1024 <= PEAK_MIB_MAX, "{} MiB at the peak", peak_kib / 1024);
}
