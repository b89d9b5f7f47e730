//! Backups that the server itself cannot read.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::{Http, Practice, Said};

/// Bytes of a file of keys; as `seal.rs` has it.
const IDENTITY_FILE_BYTES_MAX: usize = 64 * 1024;

/// Makes a key: its public half.
fn key(practice: &Practice, name: &str) -> String {
    let said = practice.run(&["backup-key", "--to", &practice.text(name)]);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out.trim_end().to_owned()
}

fn backup(practice: &Practice, to: &str, recipients: &[&str]) -> Said {
    let (data, to) = (practice.data(), practice.text(to));
    let mut args = vec!["backup", "--data", &data, "--to", &to];
    for recipient in recipients {
        args.extend(["--recipient", recipient]);
    }
    practice.run(&args)
}

fn restore(practice: &Practice, from: &str, to: &str, identity: Option<&str>) -> Said {
    let (from, to) = (practice.text(from), practice.text(to));
    let mut args = vec!["restore", "--from", &from, "--data", &to];
    args.extend(identity.iter().flat_map(|identity| ["--identity", identity]));
    practice.run(&args)
}

/// Refused in one line that holds `says`, and nothing is there.
fn refused(practice: &Practice, from: &str, identity: Option<&str>, says: &str) {
    let said = restore(practice, from, "nothing", identity);
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{from} {identity:?}: {}", said.err);
    assert!(said.err.contains(says), "{from} {identity:?}: {}", said.err);
    assert!(!practice.folder.path("nothing").exists(), "{from}: something was left behind");
}

fn is_back(said: &Said) {
    assert!(said.code == 0 && said.out.contains("all is well"), "{} {}", said.out, said.err);
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path.display().to_string()),
        }
    }
    files
}

#[test]
fn a_sealed_backup_opens_with_each_of_its_keys_and_with_nothing_of_the_server() {
    let practice = Practice::new();
    let (mut server, mut http): (_, Http) = practice.serve_for("system/*.cruds");
    let patient = r#"{"resourceType":"Patient","id":"x","name":[{"family":"Stone"}]}"#;
    assert_eq!(http.put("/fhir/Patient/x", patient).status, 201);
    let (one, two, other) = (key(&practice, "one"), key(&practice, "two"), key(&practice, "other"));
    assert!(one.starts_with("age1") && one != two && two != other);
    let file = practice.folder.path("one");
    assert_eq!(std::fs::metadata(&file).expect("file").permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&file).expect("read");
    let said = practice.run(&["backup-key", "--to", &practice.text("one")]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "a key is never written over");
    assert_eq!(std::fs::read(&file).expect("read"), before);

    // While it is served, and at rest.
    let said = backup(&practice, "served.backup", &[&one, &two]);
    assert!(said.code == 0 && said.out.contains(&two), "{} {}", said.out, said.err);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(backup(&practice, "rest.backup", &[&one]).code, 0);
    for (name, back) in [("one", "back-one"), ("two", "back-two")] {
        is_back(&restore(&practice, "served.backup", back, Some(&practice.text(name))));
    }
    let out = practice.text("out");
    let back = practice.text("back-two");
    assert_eq!(practice.run(&["export", "--data", &back, "--out", &out]).code, 0);
    let patients = std::fs::read(format!("{out}/Patient.ndjson")).expect("patients");
    assert!(holds(&patients, "Stone"));

    refused(&practice, "served.backup", None, "--identity");
    refused(&practice, "served.backup", Some(&practice.text("other")), "another public key");
    refused(&practice, "rest.backup", Some(&practice.text("two")), "another public key");
    refused(&practice, "served.backup", Some(&practice.text("absent")), "cannot be read");
    // The server's own keys and files, all of them.
    let own = [files(&practice.folder.path("keys")), files(&practice.folder.path("data"))].concat();
    assert!(own.len() >= 3, "{own:?}");
    for name in &own {
        refused(&practice, "served.backup", Some(name), name);
    }
    // Nothing of what the server knows stands in the file; in a plain one it does.
    assert_eq!(backup(&practice, "plain.backup", &[]).code, 0);
    let plain = std::fs::read(practice.folder.path("plain.backup")).expect("read");
    let sealed = std::fs::read(practice.folder.path("served.backup")).expect("read");
    for text in ["vitae-backup 1", "databaseBytes", "practice"] {
        assert!(holds(&plain, text), "{text}");
        assert!(!holds(&sealed, text), "{text}");
    }
    refused(&practice, "plain.backup", Some(&practice.text("one")), "omit --identity");
    let left: Vec<String> = files(&practice.folder.path(""));
    assert!(left.iter().all(|name| !name.contains(".part") && !name.ends_with(".new")), "{left:?}");
}

#[test]
fn a_sealed_backup_that_was_changed_or_cut_is_refused() {
    let practice = Practice::new();
    let (data, bundles) = (practice.data(), practice.text("bundles"));
    let made = practice.run(&["generate", "--patients", "5", "--seed", "7", "--out", &bundles]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(practice.run(&["import", "--data", &data, &bundles]).code, 0);
    let one = key(&practice, "one");
    let identity = practice.text("one");
    assert_eq!(backup(&practice, "whole", &[&one]).code, 0);
    let whole = std::fs::read(practice.folder.path("whole")).expect("read");
    let n = whole.len();
    let try_with = |bytes: &[u8]| {
        std::fs::write(practice.folder.path("bad"), bytes).expect("written");
        refused(&practice, "bad", Some(&identity), "");
    };
    // Its first line, a key, the MAC of its head, and the first, a middle and the last piece.
    for at in [5, 40, 100, 150, 190, 250, 1_000, n / 2, n - 40, n - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        try_with(&bytes);
    }
    // Also at the edges of the pieces of 64 KiB, behind the 16 bytes that each has for its MAC.
    let piece = 64 * 1024 + 16;
    assert!(n > 4 * piece, "{n} bytes are several pieces");
    let head = n % piece;
    for keep in [1, 30, 100, 200, head, head + piece, head + 2 * piece, n / 2, n - piece, n - 1] {
        try_with(&whole[..keep.min(n - 1)]);
    }
    let mut longer = whole.clone();
    longer.push(0);
    try_with(&longer);
    is_back(&restore(&practice, "whole", "back", Some(&identity)));
}

#[test]
fn settings_seal_backups_and_what_is_no_key_is_refused() {
    let practice = Practice::new();
    let (one, two) = (key(&practice, "one"), key(&practice, "two"));
    let settings = practice.folder.path("data").join("vitae.toml");
    std::fs::write(&settings, format!("backup_recipients = [\"{one}\"]\n")).expect("written");
    assert_eq!(backup(&practice, "set", &[]).code, 0);
    refused(&practice, "set", None, "--identity");
    // The command line wins.
    assert_eq!(backup(&practice, "said", &[&two]).code, 0);
    refused(&practice, "said", Some(&practice.text("one")), "another public key");
    is_back(&restore(&practice, "set", "back", Some(&practice.text("one"))));
    // The environment of who asks counts, not only that of the server.
    std::fs::remove_file(&settings).expect("removed");
    {
        let mut server = practice.serve();
        let (data, to) = (practice.data(), practice.text("asked"));
        let mut command = practice.command(&["backup", "--data", &data, "--to", &to]);
        let said: Said =
            command.env("VITAE_BACKUP_RECIPIENTS", &two).output().expect("runs").into();
        assert!(said.code == 0 && said.out.contains(&two), "{} {}", said.out, said.err);
        assert_eq!(server.stop(), Some(0));
    }
    refused(&practice, "asked", None, "--identity");

    let secret = std::fs::read_to_string(practice.folder.path("one")).expect("read");
    let secret = secret.lines().last().expect("a key");
    for bad in ["", "age1", "age1x", &one[..one.len() - 1], "ssh-ed25519 AAAA", secret] {
        let said = backup(&practice, "never", &[bad]);
        assert_eq!((said.code, said.err.lines().count()), (2, 1), "{bad}: {}", said.err);
        assert!(said.err.contains("backup-key"), "{bad}: {}", said.err);
        assert!(!said.err.contains(secret), "a private half is not shown");
        assert!(!practice.folder.path("never").exists(), "{bad}");
    }
    // A file of keys may be as long as this and no longer.
    for (bytes, is_good) in [(IDENTITY_FILE_BYTES_MAX, true), (IDENTITY_FILE_BYTES_MAX + 1, false)]
    {
        let text = format!("{secret}\n#{}", "x".repeat(bytes - secret.len() - 2));
        assert_eq!(text.len(), bytes);
        std::fs::write(practice.folder.path("long"), text).expect("written");
        if is_good {
            is_back(&restore(&practice, "set", "long-back", Some(&practice.text("long"))));
        } else {
            refused(&practice, "set", Some(&practice.text("long")), "65536");
        }
    }
    std::fs::write(practice.folder.path("none"), "# nothing\n").expect("written");
    refused(&practice, "set", Some(&practice.text("none")), "no key in it");
}
