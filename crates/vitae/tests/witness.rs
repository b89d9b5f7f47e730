//! One practice witnesses the audit log of another: the real program, over sockets.

mod support;

use support::Practice;

/// The key that `audit key` prints behind a word.
fn key(practice: &Practice, word: &str) -> String {
    let said = practice.run(&["audit", "key", "--data", &practice.data()]);
    assert_eq!(said.code, 0, "{}", said.err);
    let line = said.out.lines().find_map(|line| line.strip_prefix(word)).expect("a key");
    line.trim().to_owned()
}

#[test]
fn another_practice_witnesses_the_log() {
    let (log, witness) = (Practice::new(), Practice::new());
    let own = key(&log, "audit log ");
    assert_eq!(key(&log, "audit log "), own, "made once");
    let settings = format!("audit_witness_for = \"{own}\"\n");
    std::fs::write(witness.text("data/vitae.toml"), settings).expect("settings");
    let mut seer = witness.serve();
    let heads = log.text("heads.ndjson");
    let url = format!("http://{}/witness/add-checkpoint", seer.address);
    let settings = format!(
        "audit_witness = \"{heads}\"\naudit_witness_url = \"{url}\"\nloopback_keys = true\n"
    );
    std::fs::write(log.text("data/vitae.toml"), settings).expect("settings");
    for _ in 0..2 {
        let (mut server, mut http) = log.serve_for("system/*.cruds");
        for _ in 0..10 {
            let answer =
                http.post("/fhir/Basic", r#"{"resourceType":"Basic","code":{"text":"c"}}"#);
            assert_eq!(answer.status, 201);
        }
        // At its end a process tells the last head.
        assert_eq!(server.stop(), Some(0));
    }
    assert_eq!(seer.stop(), Some(0));
    let copy = witness.text("audit.ndjson");
    let exported = witness.run(&["audit", "export", "--data", &witness.data(), "--to", &copy]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let text = std::fs::read_to_string(&copy).expect("the copy");
    assert!(text.matches("head-witnessed vitae/").count() >= 2, "seen at each end");

    let data = log.data();
    let verify = |key: &str| {
        log.run(&["audit", "verify", "--data", &data, "--witness", &heads, "--key", key])
    };
    let whole = verify(&own);
    assert_eq!(whole.code, 0, "{}{}", whole.out, whole.err);
    assert_eq!(verify(&key(&witness, "audit log ")).code, 1, "somebody else's key");
    assert_eq!(verify("nonsense").code, 2);
    // Who rewrites the file of heads has no signature for it.
    let text = std::fs::read_to_string(&heads).expect("heads");
    let first = text.lines().next().expect("a head");
    let at = first.find("\"head\":\"").expect("a head") + 8 + 16;
    let digit = if &first[at..=at] == "0" { "1" } else { "0" };
    let forged = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    std::fs::write(&heads, forged).expect("written");
    let found = verify(&own);
    assert!(found.code == 1 && found.err.contains("has not signed"), "{}{}", found.out, found.err);
}
