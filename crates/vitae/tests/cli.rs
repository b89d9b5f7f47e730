//! The command line: what it prints, how it exits, what survives.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use fhir::json::Doc;
use support::{PASSWORD, Practice};

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("reads"))
        })
        .collect()
}

#[test]
fn wrong_usage_exits_2_and_failures_exit_1_in_one_line() {
    let practice = Practice::new();
    for args in [&["nonsense"][..], &["serve"], &["user", "add", "--role", "boss"], &["import"]] {
        assert_eq!(practice.run(args).code, 2, "{args:?}");
    }
    let none = practice.text("none");
    for args in [
        &["serve", "--data", &none][..],
        &["client", "add", "--data", &none, "--name", "x", "--scope", "system/*.r"],
        &["verify", "--data", &none],
    ] {
        let said = practice.run(args);
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{args:?} {}", said.err);
        assert!(said.err.contains("vitae init"), "says what to do: {}", said.err);
    }
    for command in ["init", "serve", "demo", "generate", "import", "export", "verify", "backup"] {
        let said = practice.run(&[command, "--help"]);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("Example:\n  vitae "), "{command}");
    }
}

#[test]
fn a_practice_is_made_once_and_has_rules() {
    let practice = Practice::new();
    let data = practice.data();
    let password = practice.text("password.txt");
    let init = |data: &str, password: &str| {
        practice.run(&[
            "init",
            "--data",
            data,
            "--practice",
            "medspa",
            "--name",
            "Second",
            "--admin",
            "nora",
            "--password-file",
            password,
        ])
    };
    let again = init(&data, &password);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("holds a practice"), "{}", again.err);
    std::fs::write(practice.folder.path("short.txt"), "elevenchars").expect("writes");
    let short = init(&practice.text("other"), &practice.text("short.txt"));
    assert!(short.code == 1 && short.err.contains("12"), "{}", short.err);
    assert!(!practice.folder.path("other").exists(), "nothing was made");

    let user = |name: &str, more: &[&str]| {
        let mut args =
            vec!["user", "add", "--data", &data, "--password-file", &password, "--name", name];
        args.extend(more);
        practice.run(&args)
    };
    assert_eq!(user("omar", &["--role", "provider"]).code, 0);
    assert_eq!(user("OMAR", &["--role", "nurse"]).code, 1, "taken");
    assert_eq!(user("pat", &["--role", "patient"]).code, 1, "needs --patient");
    assert_eq!(user("pat", &["--role", "patient", "--patient", "p1"]).code, 0);
    assert_eq!(user("x", &["--role", "boss"]).code, 2);
    let client = practice.run(&["client", "add", "--data", &data, "--name", "x", "--scope", "all"]);
    assert_eq!(client.code, 1);
    let all: Vec<u8> = files(Path::new(&data)).into_values().flatten().collect();
    let holds = |text: &[u8]| all.windows(text.len()).any(|window| window == text);
    assert!(!holds(PASSWORD.as_bytes()), "no password on disk");
    assert!(!holds(b"argon2id"), "accounts are encrypted");
}

#[test]
fn a_wrong_key_and_a_second_process_are_refused() {
    let practice = Practice::new();
    let data = practice.data();
    let mut server = practice.serve();
    let second = practice.run(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("in use"), "{}", second.err);
    assert_eq!(server.stop(), Some(0), "SIGTERM drains");

    let keys = practice.folder.path("keys");
    let hidden = practice.folder.path("hidden");
    std::fs::rename(&keys, &hidden).expect("moves");
    let without = practice.run(&["verify", "--data", &data]);
    assert!(without.code == 1 && without.err.contains("key"), "{}", without.err);
    std::fs::rename(&hidden, &keys).expect("moves back");
    for (name, _) in files(&keys) {
        std::fs::write(keys.join(name), "00".repeat(32)).expect("writes");
    }
    let wrong = practice.run(&["verify", "--data", &data]);
    assert!(wrong.code == 1 && wrong.err.contains("key"), "{}", wrong.err);
}

#[test]
fn commands_reach_a_practice_that_is_served() {
    let practice = Practice::new();
    let data = practice.data();
    let server = practice.serve();
    let (id, secret) = practice.client("system/*.cruds");
    let mut http = server.http();
    http.log_in(&id, &secret);
    assert_eq!(http.put("/fhir/Patient/x", r#"{"resourceType":"Patient","id":"x"}"#).status, 201);
    let line = r#"{"resourceType":"Patient","id":"y"}"#;
    std::fs::write(practice.folder.path("more.ndjson"), line).expect("writes");
    // From another folder, with relative paths.
    let mut command = practice.command(&["import", "--data", "data", "more.ndjson"]);
    let status = command.current_dir(practice.folder.path("")).status().expect("runs");
    assert!(status.success());
    assert_eq!(http.get("/fhir/Patient/y").status, 200);
    assert_eq!(practice.run(&["verify", "--data", &data]).code, 0);
    let file = practice.text("copy.backup");
    assert_eq!(practice.run(&["backup", "--data", &data, "--to", &file]).code, 0);
    assert_eq!(http.put("/fhir/Patient/z", r#"{"resourceType":"Patient","id":"z"}"#).status, 201);
    drop(server);

    let back = practice.text("back");
    let restored = practice.run(&["restore", "--from", &file, "--data", &back]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert!(restored.out.contains("all is well"), "{}", restored.out);
    assert_eq!(practice.run(&["restore", "--from", &file, "--data", &back]).code, 1, "not empty");
    let out = practice.text("out");
    assert_eq!(practice.run(&["export", "--data", &back, "--out", &out]).code, 0);
    let patients = files(Path::new(&out)).remove("Patient.ndjson").expect("patients");
    let text = String::from_utf8(patients).expect("UTF-8");
    assert_eq!(text.lines().count(), 2, "x and y; z came later: {text}");
    let bytes = std::fs::read(&file).expect("reads");
    let mut damaged = bytes.clone();
    let last = damaged.len() - 100;
    damaged[last] ^= 1;
    std::fs::write(practice.folder.path("damaged"), damaged).expect("writes");
    let other = practice.text("other");
    let refused = practice.run(&["restore", "--from", &practice.text("damaged"), "--data", &other]);
    assert_eq!(refused.code, 1);
}

/// A record with creates, updates, deletions and a resource that came back.
fn lively(practice: &Practice) {
    let (mut server, mut http) = practice.serve_for("system/*.cruds");
    let patient = |id: &str, family: &str| {
        format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"{family}"}}]}}"#)
    };
    for id in ["b", "a", "c", "d"] {
        http.put(&format!("/fhir/Patient/{id}"), &patient(id, "One"));
    }
    let json = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"},"valueQuantity":{"value":1.50,"unit":"kg"}}"#;
    assert_eq!(http.put("/fhir/Observation/o", json).status, 201);
    http.put("/fhir/Patient/a", &patient("a", "Two"));
    http.put("/fhir/Patient/a", &patient("a", "Three"));
    assert_eq!(http.send("DELETE", "/fhir/Patient/c", &[], b"").status, 204);
    assert_eq!(http.send("DELETE", "/fhir/Patient/d", &[], b"").status, 204);
    assert_eq!(http.put("/fhir/Patient/d", &patient("d", "Back")).status, 201);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_policy_is_checked_set_and_shown_while_people_are_at_work() {
    let practice = Practice::new();
    let data = practice.data();
    let shown = practice.run(&["policy", "show", "--data", &data]);
    assert!(shown.code == 0 && shown.out.contains("[provider]"), "{}", shown.err);
    let file = practice.text("policy.toml");
    let strict = "[program]\nmay = [\"user/Patient.rs?gender=female\", \"user/Patient.c\"]\n";
    std::fs::write(&file, "[surgeon]\nmay = []\n").expect("written");
    let refused = practice.run(&["policy", "check", &file]);
    assert!(refused.code == 1 && refused.err.contains("surgeon"), "{}", refused.err);
    assert_eq!(practice.run(&["policy", "set", "--data", &data, &file]).code, 1);
    const BYTES_MAX: usize = 256 * 1024;
    std::fs::write(&file, "#".repeat(BYTES_MAX + 1)).expect("written");
    let large = practice.run(&["policy", "set", "--data", &data, &file]);
    assert!(large.code == 1 && large.err.contains("262144 bytes"), "{}", large.err);
    let shown = practice.run(&["policy", "show", "--data", &data]);
    assert!(shown.out.contains("[provider]"), "nothing was changed");
    let filled = format!("{}{}", shown.out, "#".repeat(BYTES_MAX - shown.out.len()));
    std::fs::write(&file, filled).expect("written");
    assert_eq!(practice.run(&["policy", "set", "--data", &data, &file]).code, 0, "at the limit");
    std::fs::write(&file, strict).expect("written");
    assert_eq!(practice.run(&["policy", "check", &file]).code, 0);

    let (_server, mut http) = practice.serve_for("system/*.cruds");
    for gender in ["female", "male"] {
        let text = format!(r#"{{"resourceType":"Patient","gender":"{gender}"}}"#);
        assert_eq!(http.post("/fhir/Patient", &text).status, 201);
    }
    let total = |http: &mut support::Http| {
        let answer = http.get("/fhir/Patient?_summary=count");
        answer.doc().root().get("total").and_then(|n| n.as_number()).map(str::to_owned)
    };
    assert_eq!(total(&mut http).as_deref(), Some("2"));
    let set = practice.run(&["policy", "set", "--data", &data, &file]);
    assert_eq!(set.code, 0, "{}", set.err);
    assert_eq!(total(&mut http).as_deref(), Some("1"), "the same token, the next request");
    assert_eq!(http.get("/fhir/Observation").status, 403);
    drop((_server, http));
    assert_eq!(practice.run(&["policy", "show", "--data", &data]).out.trim(), strict.trim());
}

#[test]
fn logins_are_linked_to_who_they_are_in_the_record() {
    let practice = Practice::new();
    let (data, password) = (practice.data(), practice.text("password.txt"));
    let user = |more: &[&str]| {
        let mut args = vec!["user", "add", "--data", &data, "--password-file", &password];
        args.extend(more);
        practice.run(&args)
    };
    let refused = user(&["--name", "mum", "--role", "patient"]);
    assert!(refused.code == 1 && refused.err.contains("--related-person"), "{}", refused.err);
    let refused = user(&["--name", "omar", "--role", "nurse", "--related-person", "r1"]);
    assert!(refused.code == 1 && refused.err.contains("only the role patient"), "{}", refused.err);
    let added = user(&["--name", "mum", "--role", "patient", "--related-person", "r1"]);
    assert_eq!(added.code, 0, "{}", added.err);
    assert_eq!(user(&["--name", "omar", "--role", "nurse", "--practitioner", "dr1"]).code, 0);
    let link = |more: &[&str]| {
        let mut args = vec!["user", "link", "--data", &data];
        args.extend(more);
        practice.run(&args)
    };
    let linked = link(&["--name", "mum", "--related-person", "r1", "--related-person", "r2"]);
    assert!(linked.out.contains("RelatedPerson/r1, RelatedPerson/r2"), "{}", linked.err);
    for (args, says) in [
        (&["--name", "nobody", "--practitioner", "dr1"][..], "nobody is called nobody"),
        (&["--name", "mum", "--practitioner", "dr1"], "acts as --related-person"),
        (&["--name", "omar", "--related-person", "r1"], "of staff as --practitioner"),
        (&["--name", "omar", "--practitioner", "a b"], "id"),
    ] {
        let refused = link(args);
        assert!(refused.code == 1 && refused.err.contains(says), "{args:?}: {}", refused.err);
    }
    let unlinked = link(&["--name", "mum"]);
    assert!(unlinked.code == 0 && unlinked.out.contains("nobody in the record"));
}

#[test]
fn a_copy_of_the_audit_log_is_checked_without_the_practice() {
    let practice = Practice::new();
    let (data, copy, heads) =
        (practice.data(), practice.text("audit.ndjson"), practice.text("heads.ndjson"));
    std::fs::write(practice.text("data/vitae.toml"), format!("audit_witness = \"{heads}\"\n"))
        .expect("settings");
    {
        let (mut server, mut http) = practice.serve_for("system/*.cruds");
        for n in 0..20 {
            assert_eq!(
                http.post("/fhir/Basic", r#"{"resourceType":"Basic","code":{"text":"c"}}"#).status,
                201,
                "{n}"
            );
        }
        assert_eq!(server.stop(), Some(0));
    }
    let written = practice.run(&["audit", "export", "--data", &data, "--to", &copy]);
    assert!(written.code == 0 && written.out.contains("audit head"), "{}", written.err);
    let again = practice.run(&["audit", "export", "--data", &data, "--to", &copy]);
    assert_eq!(again.code, 1, "nothing is written over");
    let check = |file: &str| practice.run(&["audit", "check", file, "--witness", &heads]);
    let whole = check(&copy);
    assert!(whole.code == 0 && whole.out.contains("all is well"), "{}", whole.out);
    let verified = practice.run(&["audit", "verify", "--data", &data, "--witness", &heads]);
    assert_eq!(verified.code, 0, "{}", verified.out);

    let text = std::fs::read_to_string(&copy).expect("the copy");
    let cut = practice.text("cut.ndjson");
    let lines: Vec<&str> = text.lines().collect();
    let without: Vec<&str> =
        lines.iter().enumerate().filter(|(n, _)| *n != 7).map(|(_, line)| *line).collect();
    std::fs::write(&cut, without.join("\n")).expect("written");
    let found = check(&cut);
    assert!(found.code == 1 && found.out.contains("leaf 7 is missing"), "{}", found.out);
    std::fs::write(&cut, text.replacen("\"do\":\"C\"", "\"do\":\"R\"", 1)).expect("written");
    let found = check(&cut);
    assert!(found.code == 1 && found.out.contains("was edited"), "{}", found.out);
}

#[test]
fn export_import_export_is_the_same_byte_for_byte() {
    let practice = Practice::new();
    lively(&practice);
    let (first, second) = (practice.text("first"), practice.text("second"));
    let said = practice.run(&["export", "--data", &practice.data(), "--out", &first]);
    assert_eq!(said.code, 0, "{}", said.err);
    practice.init("twin");
    let twin = practice.text("twin");
    let said = practice.run(&["import", "--data", &twin, "--json", &first]);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let said = practice.run(&["export", "--data", &twin, "--out", &second]);
    assert_eq!(said.code, 0, "{}", said.err);
    let (a, b) = (files(Path::new(&first)), files(Path::new(&second)));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        let (left, right) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&b[name]));
        assert_eq!(left, right, "{name}");
    }
    assert!(a.contains_key("Patient.history.ndjson"));
    let said = practice.run(&["verify", "--data", &twin]);
    assert_eq!(said.code, 0, "{}", said.out);
    // The twin goes on where the first one was.
    std::fs::write(Path::new(&second).join("Patient.ndjson"), "{}\n").expect("writes");
    practice.init("third");
    let said = practice.run(&["import", "--data", &practice.text("third"), &second]);
    assert!(said.code == 1 && said.err.contains("not as it was exported"), "{}", said.err);
}

#[test]
fn one_patient_can_be_exported() {
    let practice = Practice::new();
    lively(&practice);
    let out = practice.text("out");
    let said =
        practice.run(&["export", "--data", &practice.data(), "--out", &out, "--patient", "a"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let found = files(Path::new(&out));
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["Observation.ndjson", "Patient.history.ndjson", "Patient.ndjson", "manifest.json"]
    );
    assert!(String::from_utf8_lossy(&found["Patient.ndjson"]).contains("Three"));
    let none = practice.text("none");
    let said =
        practice.run(&["export", "--data", &practice.data(), "--out", &none, "--patient", "x"]);
    assert_eq!(said.code, 1);
}

#[test]
fn imports_say_what_they_refused_and_do_nothing_twice() {
    let practice = Practice::new();
    let data = practice.data();
    let folder = practice.folder.path("in");
    std::fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("writes");
    write(
        "a.json",
        r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:1"},
         "performer":[{"reference":"Practitioner?identifier=urn:x|7"}]},"request":{"method":"POST","url":"Observation"}}]}"#,
    );
    write(
        "practitionerInformation1.json",
        r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Practitioner","identifier":[{"system":"urn:x","value":"7"}]},"request":{"method":"POST","url":"Practitioner"}}]}"#,
    );
    write(
        "b.ndjson",
        "{\"resourceType\":\"Patient\",\"id\":\"n1\"}\n\nnonsense\n{\"resourceType\":\"Patient\",\"id\":\"n2\",\"birthDate\":\"never\"}\n{\"resourceType\":\"Patient\",\"id\":\"n3\"}",
    );
    write("c.xml", "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"x1\"/></Patient>");
    write("readme.md", "not a resource");
    let import = || {
        let said =
            practice.run(&["import", "--data", &data, "--json", &folder.display().to_string()]);
        let report = Doc::parse(said.out).unwrap_or_else(|e| panic!("{e} {}", said.err));
        let number = |name| {
            let text = report.root().get(name).and_then(|node| node.as_number()).expect("a number");
            text.parse::<u64>().expect("a number")
        };
        let counts = (number("read"), number("stored"), number("rejected"));
        let rejects: Vec<(String, String)> = report
            .root()
            .list("rejects")
            .map(|reject| {
                let index = reject.get("index").map(|n| n.raw().to_owned()).unwrap_or_default();
                let source = reject.str("source").unwrap_or_default().into_owned();
                (source.rsplit('/').next().unwrap_or_default().to_owned(), index)
            })
            .collect();
        (said.code, counts, rejects)
    };
    let (code, counts, mut rejects) = import();
    rejects.sort();
    assert_eq!((code, counts), (1, (8, 6, 2)));
    let bad = |index: &str| ("b.ndjson".to_owned(), index.to_owned());
    assert_eq!(rejects, [bad("2"), bad("3")]);
    let versions = || {
        let said = practice.run(&["verify", "--data", &data, "--json"]);
        let doc = Doc::parse(said.out).expect("JSON");
        doc.root().get("versions").map(|n| n.raw().to_owned()).expect("a number")
    };
    assert_eq!(versions(), "6");
    let (code, counts, _) = import();
    assert_eq!((code, counts), (1, (8, 6, 2)), "the bad ones are still bad");
    assert_eq!(versions(), "6", "nothing twice");
}

#[test]
fn lines_that_cannot_be_stored_together_are_stored_apart_and_in_order() {
    let practice = Practice::new();
    let data = practice.data();
    let file = practice.folder.path("many.ndjson");
    let mut lines = String::new();
    for n in 0..2_500 {
        lines.push_str(&match n {
            // A code that is not one; a resource that stands thrice in a commit.
            7 | 999 | 1_300 => {
                format!("{{\"resourceType\":\"Patient\",\"id\":\"p{n}\",\"gender\":\"x\"}}\n")
            }
            20 | 30 | 940 => {
                format!(
                    "{{\"resourceType\":\"Basic\",\"id\":\"b\",\"code\":{{\"text\":\"{n}\"}}}}\n"
                )
            }
            _ => format!("{{\"resourceType\":\"Patient\",\"id\":\"p{n}\"}}\n"),
        });
    }
    std::fs::write(&file, lines).expect("writes");
    let file = file.display().to_string();
    for times in ["first", "again"] {
        let said = practice.run(&["import", "--data", &data, "--json", &file]);
        assert_eq!(said.code, 1, "{}", said.err);
        let report = Doc::parse(said.out).expect("JSON");
        let number = |name| report.root().get(name).map(|n| n.raw().to_owned());
        let counts = ["read", "stored", "rejected"].map(number);
        assert_eq!(counts, ["2500", "2497", "3"].map(|n| Some(n.to_owned())), "{times}");
        let mut lines: Vec<String> = report
            .root()
            .list("rejects")
            .filter_map(|reject| reject.get("index").map(|n| n.raw().to_owned()))
            .collect();
        lines.sort();
        assert_eq!(lines, ["1300", "7", "999"]);
        let said = practice.run(&["verify", "--data", &data, "--json"]);
        let verified = Doc::parse(said.out).expect("JSON");
        let number = |name| verified.root().get(name).map(|n| n.raw().to_owned());
        assert_eq!(number("versions").as_deref(), Some("2497"), "nothing twice: {times}");
        assert_eq!(number("resources").as_deref(), Some("2495"));
    }
    let out = practice.text("out");
    assert_eq!(practice.run(&["export", "--data", &data, "--out", &out]).code, 0);
    let basic = std::fs::read_to_string(practice.folder.path("out/Basic.ndjson")).expect("a file");
    assert!(basic.contains("\"text\":\"940\"") && basic.contains("\"versionId\":\"3\""), "{basic}");
}

#[test]
fn an_import_that_was_killed_goes_on_without_loss_or_duplicates() {
    let practice = Practice::new();
    let data = practice.data();
    let folder = practice.folder.path("in");
    std::fs::create_dir(&folder).expect("a folder");
    // Creates without ids: twice would show.
    for n in 0..60 {
        let entry = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#;
        let entries = vec![entry; 20].join(",");
        let json = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","id":"b{n}","entry":[{entries}]}}"#
        );
        std::fs::write(folder.join(format!("{n:02}.json")), json).expect("writes");
    }
    let folder = folder.display().to_string();
    for delay_ms in [30, 60, 90, 120, 40] {
        let mut child =
            practice.command(&["import", "--data", &data, &folder]).spawn().expect("starts");
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = practice.run(&["import", "--data", &data, "--json", &folder]);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let said = practice.run(&["verify", "--data", &data, "--json"]);
    let doc = Doc::parse(said.out).expect("JSON");
    assert_eq!(doc.root().get("resources").map(|n| n.raw()), Some("1200"));
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let practice = Practice::new();
    let make = |out: &str, seed: &str| {
        let out = practice.text(out);
        let said = practice.run(&["generate", "--patients", "3", "--seed", seed, "--out", &out]);
        assert_eq!(said.code, 0, "{}", said.err);
        files(Path::new(&out))
    };
    let (a, b, c) = (make("a", "7"), make("b", "7"), make("c", "8"));
    assert_eq!(a.len(), 4);
    assert!(a == b && a != c);
    let out = practice.text("a");
    let said = practice.run(&["import", "--data", &practice.data(), "--json", &out]);
    assert_eq!(said.code, 0, "{}", said.out);
}

#[test]
fn pure_commands_print_and_exit() {
    let practice = Practice::new();
    let file = practice.text("patient.json");
    let write = |text: &str| std::fs::write(&file, text).expect("writes");
    write(r#"{"resourceType":"Patient","name":[{"given":["Ann","Bo"]}]}"#);
    let said = practice.run(&["fhirpath", "--input", &file, "name.given"]);
    let want = r#"[{"type":"string","value":"Ann"},{"type":"string","value":"Bo"}]"#;
    assert_eq!((said.code, said.out.trim()), (0, want));
    for (expression, kind) in
        [("name.", "syntax"), ("nickname", "semantic"), ("name.given.single()", "execution")]
    {
        let said = practice.run(&["fhirpath", "--input", &file, expression]);
        let doc = Doc::parse(said.err).expect("JSON");
        assert_eq!(
            (said.code, doc.root().str("error").as_deref()),
            (1, Some(kind)),
            "{expression}"
        );
    }
    let said = practice.run(&["validate", &file]);
    assert_eq!(said.code, 0, "{}", said.out);
    write(r#"{"resourceType":"Patient","birthDate":"never"}"#);
    let said = practice.run(&["validate", &file]);
    assert_eq!(said.code, 1);
    let doc = Doc::parse(said.out).expect("JSON");
    let issue = doc.root().list("issue").next().expect("one");
    assert_eq!(
        issue.list("expression").next().and_then(|e| e.as_str()).as_deref(),
        Some("Patient.birthDate")
    );
    let said = practice.run(&["validate", &practice.text("none.json")]);
    assert_eq!(said.code, 1);
}

#[test]
fn an_unknown_setting_stops_the_start() {
    let practice = Practice::new();
    let file = practice.folder.path("data").join("vitae.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").expect("writes");
    let said = practice.run(&["serve", "--data", &practice.data()]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("lisen") && said.err.contains("listen"), "{}", said.err);
    std::fs::write(&file, "log = \"warn\"\n").expect("writes");
    let mut server = practice.serve();
    assert_eq!(server.http().get("/healthz").status, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn stopping_answers_what_is_under_way() {
    let practice = Practice::new();
    let (mut server, mut http) = practice.serve_for("system/*.cruds");
    let entry =
        r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#;
    let entries = vec![entry; 3_000].join(",");
    let json = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#);
    let waiting = std::thread::spawn(move || http.post("/fhir", &json).status);
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(server.stop(), Some(0));
    assert_eq!(waiting.join().expect("answers"), 200);
}

#[test]
fn tls_is_served_with_a_certificate_of_ones_own() {
    let practice = Practice::new();
    let (cert, key) = (practice.text("cert.pem"), practice.text("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &cert])
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: no openssl to make a certificate with");
        return;
    }
    let data = practice.data();
    let half = practice.run(&["serve", "--data", &data, "--tls-cert", &cert]);
    assert_eq!(half.code, 2, "they go together");
    let wrong = practice.run(&["serve", "--data", &data, "--tls-cert", &key, "--tls-key", &cert]);
    assert!(wrong.code == 1 && wrong.err.contains("key.pem"), "{}", wrong.err);
    let mut server = practice.serve_with(&["--tls-cert", &cert, "--tls-key", &key]);
    let address = server.address.clone();
    let answer = std::process::Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-CAfile",
            &cert,
            "-connect",
            &address,
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .and_then(|mut child| {
            let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            std::io::Write::write_all(child.stdin.as_mut().expect("piped"), request)?;
            child.wait_with_output()
        })
        .expect("openssl runs");
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("ok\n"), "{text}");
    assert_eq!(server.stop(), Some(0));
}
