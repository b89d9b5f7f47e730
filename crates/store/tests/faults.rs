//! Disks that fail or are full. What was acknowledged is there afterwards; after a failure nothing
//! more is acknowledged; a restart recovers.
//!
//! Uses `strace` to make system calls fail, and a small tmpfs (root). Where one of them is missing
//! the test says `skipped`; with `CI=true` that is a failure.

use search::Sees;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fhir_tables::ResourceType;
use store::{DataKey, Expect, Kind, MasterKey, Put, PutKind, Store, WriteSet};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("vitae-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _mounted = Command::new("umount").arg(self.0.join("small")).output();
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn clock() -> store::Clock {
    Arc::new(|| 1_790_000_000_000)
}

fn skipped(test: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {why}");
    eprintln!("{test} skipped: {why}");
}

fn basic() -> ResourceType {
    ResourceType::from_name("Basic").expect("a type of R4")
}

fn child() -> PathBuf {
    // target/debug/deps/faults-… → target/debug/examples/writer_child
    let own = std::env::current_exe().expect("own path");
    let path = own.parent().and_then(Path::parent).expect("deps").join("examples/writer_child");
    assert!(
        path.exists(),
        "run `cargo build -p store --examples` first; a plain `cargo test` does"
    );
    path
}

/// Runs the child under `inject`; the numbers it acknowledged, and its last words.
fn run(inject: &str, folder: &Path, keys: &Path, wrapped: &str) -> (Vec<u32>, Vec<String>) {
    let trace = keys.join("trace");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(trace)
        .args(["-e", "trace=fdatasync,fsync,pwrite64", "-e", inject])
        .arg(child())
        .arg(folder)
        .arg(keys)
        .args([wrapped, "60"])
        .output()
        .expect("strace runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (acked, words): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.parse::<u32>().is_ok());
    let acked = acked.iter().map(|line| line.parse().expect("a number")).collect();
    (acked, words.iter().map(|w| (*w).to_owned()).collect())
}

#[test]
fn a_failing_disk_ends_acknowledgement_and_loses_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skipped("a_failing_disk", "strace is not installed");
    }
    let folder = Folder::new("faults");
    let keys = folder.0.join("keys");
    let master = MasterKey::create(&keys, "test.key").expect("key");
    for (case, call, error) in [
        ("sync", "fdatasync,fsync", "EIO"),
        ("write", "pwrite64", "EIO"),
        ("space", "pwrite64", "ENOSPC"),
    ] {
        let mut refused = 0;
        for when in [1, 3, 9, 20, 41, 80] {
            let data = folder.0.join(format!("{case}-{when}"));
            let key = DataKey::random().expect("random");
            let wrapped = master.wrap("test", &key).expect("wrap");
            drop(Store::create(&data, &key, clock()).expect("create"));
            let inject = format!("inject={call}:error={error}:when={when}+");
            let (acked, words) = run(&inject, &data, &keys, &wrapped);
            refused += usize::from(!words.is_empty());
            if error == "EIO" && words.len() > 1 {
                assert_eq!(words[1], "again false", "{case} {when}: {words:?}");
            }
            let store = Store::open(&data, &key, clock()).expect("recovers");
            for i in &acked {
                let found =
                    store.read(basic(), &format!("b{i}"), Sees::everything()).expect("read");
                assert!(found.is_some(), "{case} {when}: b{i} was acknowledged and is gone");
            }
            let (_, findings) = store.verify(|_, _| {}).expect("verify");
            assert!(findings.is_empty(), "{case} {when}: {:?}", findings.first());
        }
        assert!(refused >= 3, "{case}: the faults did not happen");
    }
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_when_there_is_space() {
    let folder = Folder::new("full");
    let small = folder.0.join("small");
    std::fs::create_dir_all(&small).expect("a folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(&small)
        .output()
        .is_ok_and(|o| o.status.success());
    if !mounted {
        return skipped("a_full_disk", "no tmpfs can be mounted here");
    }
    let key = DataKey::random().expect("random");
    let store = Store::create(&small.join("data"), &key, clock()).expect("create");
    let ballast = small.join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).expect("ballast");
    let write = |i: u32| {
        // Text that does not compress.
        let noise: String = (0..3000u32)
            .map(|k| char::from(b'a' + (k.wrapping_mul(2_654_435_761 ^ (i * 97)) >> 13) as u8 % 26))
            .collect();
        let text =
            format!(r#"{{"resourceType":"Basic","id":"b{i}","meta":{{}},"language":"{noise}"}}"#);
        let put = Put {
            rt: basic(),
            meta_at: text.find("\"meta\":{").expect("meta") + 8,
            id: format!("b{i}"),
            kind: PutKind::Write,
            text,
            values: Vec::new(),
            references: Vec::new(),
            expect: Expect::Any,
        };
        store.commit(WriteSet { puts: vec![put], ..WriteSet::default() })
    };
    let mut n = 0;
    let refusal = loop {
        match write(n) {
            Ok(_) => n += 1,
            Err(e) => break e,
        }
        assert!(n < 100_000, "the disk never filled up");
    };
    match refusal {
        store::CommitError::Failed(e) => assert_eq!(e.kind, Kind::DiskFull, "{e}"),
        other => panic!("{other:?}"),
    }
    assert!(n > 10 && store.healthy(), "a full disk is no failure of the store");
    assert!(store.read(basic(), "b3", Sees::everything()).expect("reading goes on").is_some());
    std::fs::remove_file(&ballast).expect("space");
    write(n).expect("writing goes on");
    assert!(store.verify(|_, _| {}).expect("verify").1.is_empty());
    drop(store);
    let store = Store::open(&small.join("data"), &key, clock()).expect("open");
    for i in 0..=n {
        assert!(
            store.read(basic(), &format!("b{i}"), Sees::everything()).expect("read").is_some(),
            "b{i}"
        );
    }
}
