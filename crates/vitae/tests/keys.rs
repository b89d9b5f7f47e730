//! Master keys: changed while the practice is served, kept for older backups, kept by a command.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use support::{Http, Practice};

fn folder(practice: &Practice) -> PathBuf {
    PathBuf::from(practice.text("keys"))
}

/// Names in the key folder without the practice's id, sorted.
fn names(practice: &Practice) -> Vec<String> {
    let entries = std::fs::read_dir(folder(practice)).expect("keys");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        name.split_once('.').expect("an end").1.to_owned()
    };
    let mut names: Vec<String> = entries.map(name).filter(|n| !n.starts_with("audit")).collect();
    names.sort();
    names
}

/// A key file of this practice.
fn key(practice: &Practice, end: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder(practice)).expect("keys");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let own = paths.find(|path| path.to_str().is_some_and(|p| p.ends_with(&format!(".{end}"))));
    own.unwrap_or_else(|| panic!("no .{end}"))
}

fn opens(practice: &Practice) {
    let said = practice.run(&["verify", "--data", &practice.data()]);
    assert!(said.code == 0 && said.out.contains("all is well"), "{} {}", said.out, said.err);
}

fn rotate(practice: &Practice, command: &[&str]) -> support::Said {
    let data = practice.data();
    let mut args = vec!["key", "rotate", "--data", &data];
    if !command.is_empty() {
        args.push("--");
        args.extend(command);
    }
    practice.run(&args)
}

#[test]
fn a_key_is_changed_while_the_practice_is_served_and_older_backups_open() {
    let practice = Practice::new();
    let data = practice.data();
    let (old, new) = (practice.text("old.backup"), practice.text("new.backup"));
    {
        let (mut server, mut http): (_, Http) = practice.serve_for("system/*.cruds");
        let basic = r#"{"resourceType":"Basic","code":{"text":"c"}}"#;
        assert_eq!(http.post("/fhir/Basic", basic).status, 201);
        assert_eq!(practice.run(&["backup", "--data", &data, "--to", &old]).code, 0);
        let said = rotate(&practice, &[]);
        assert!(said.code == 0 && said.out.contains("key.1"), "{} {}", said.out, said.err);
        assert_eq!(http.post("/fhir/Basic", basic).status, 201, "nobody notices");
        assert_eq!(practice.run(&["backup", "--data", &data, "--to", &new]).code, 0);
        assert_eq!(server.stop(), Some(0));
    }
    opens(&practice);
    assert_eq!(names(&practice), ["key", "key.1"]);
    let list = practice.run(&["key", "list", "--data", &data]);
    assert!(list.out.lines().next().is_some_and(|l| l.ends_with("opens the practice")));
    assert!(list.out.contains("key.1: for older backups"), "{}", list.out);
    let restore = |from: &str, to: &str| {
        practice.run(&["restore", "--from", from, "--data", &practice.text(to)])
    };
    assert_eq!(restore(&old, "back-old").code, 0, "with the key that is kept");
    assert_eq!(restore(&new, "back-new").code, 0);
    // Without the older key its backups are closed, and nothing else is.
    std::fs::remove_file(key(&practice, "key.1")).expect("removed");
    let closed = restore(&old, "closed");
    assert!(closed.code == 1 && closed.err.contains("does not open"), "{}", closed.err);
    opens(&practice);
    assert_eq!(rotate(&practice, &[]).code, 0);
    assert_eq!(rotate(&practice, &[]).code, 0);
    assert_eq!(names(&practice), ["key", "key.1", "key.2"]);
    opens(&practice);
}

#[test]
fn a_change_that_was_cut_short_opens_at_every_step() {
    let practice = Practice::new();
    let data = practice.data();
    let json = format!("{data}/practice.json");
    let before = std::fs::read(&json).expect("read");
    let first = key(&practice, "key");
    let kept = std::fs::read(&first).expect("read");
    assert_eq!(rotate(&practice, &[]).code, 0);
    let after = std::fs::read(&json).expect("read");
    let second = std::fs::read(&first).expect("read");
    let at = |end: &str| PathBuf::from(format!("{}{end}", first.display()));
    // The new key is on disk, and practice.json is not wrapped by it yet.
    let _ = std::fs::remove_file(at(".1"));
    std::fs::write(&first, &kept).expect("written");
    std::fs::write(at(".new"), &second).expect("written");
    std::fs::write(&json, &before).expect("written");
    opens(&practice);
    // It is wrapped by it, and nothing has taken over.
    std::fs::write(&json, &after).expect("written");
    opens(&practice);
    // What was in force is put aside.
    std::fs::rename(&first, at(".1")).expect("renamed");
    opens(&practice);
    // The next change brings it to its end.
    assert_eq!(rotate(&practice, &[]).code, 0);
    assert_eq!(names(&practice), ["key", "key.1", "key.2"]);
    opens(&practice);
    // A key that never took over is left behind.
    std::fs::write(at(".new"), &kept).expect("written");
    assert_eq!(rotate(&practice, &[]).code, 0);
    assert_eq!(names(&practice), ["key", "key.1", "key.2", "key.3"]);
    opens(&practice);
}

#[test]
fn a_command_keeps_the_master_key() {
    let practice = Practice::new();
    let data = practice.data();
    let script = |name: &str, text: &str| {
        let path = practice.text(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("mode");
        path
    };
    let json = || std::fs::read_to_string(format!("{data}/practice.json")).expect("read");
    let before = json();
    let good = script("good", "[ -n \"$VITAE_PRACTICE\" ] && [ \"$1\" = vault ] && rev");
    for (text, says) in [
        ("exit 3", "ended with exit status: 3"),
        ("echo refused by the vault >&2; exit 1", "refused by the vault"),
        ("true", "has to write one line"),
        ("printf 'a\\nb\\n'", "has to write one line"),
        ("cat > /dev/null; echo 00", "no key of 64 hexadecimal digits"),
        (
            "cat > /dev/null; printf '0%.0s' $(seq 64); echo",
            "does not unwrap what it wrapped: nothing changed",
        ),
        ("head -c 20000 /dev/zero | tr '\\0' x", "has to write one line"),
    ] {
        let bad = script("bad", text);
        let said = rotate(&practice, &[&bad]);
        assert!(said.code == 1 && said.err.contains(says), "{text}: {}", said.err);
    }
    let said = rotate(&practice, &[&practice.text("nothing-here")]);
    assert!(said.code == 1 && said.err.contains("cannot be run"), "{}", said.err);
    assert_eq!(json(), before, "nothing changed");
    assert_eq!(names(&practice), ["key"]);
    let said = rotate(&practice, &[&good, "vault"]);
    assert!(said.code == 0 && said.out.contains(".command opens"), "{} {}", said.out, said.err);
    assert_eq!(names(&practice), ["command", "key.1"]);
    std::fs::remove_file(key(&practice, "key.1")).expect("removed");
    opens(&practice);
    // Who else could change the command could read the key.
    let command = key(&practice, "command");
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o622)).expect("mode");
    let said = practice.run(&["verify", "--data", &data]);
    assert!(said.code == 1 && said.err.contains("chmod go-w"), "{}", said.err);
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o600)).expect("mode");
    // And back to a file.
    assert_eq!(rotate(&practice, &[]).code, 0);
    assert_eq!(names(&practice), ["command.1", "key"]);
    std::fs::remove_file(&good).expect("removed");
    opens(&practice);
}
