//! What cannot be audited is not shown: a full disk keeps reads back until there is space.
//!
//! Uses a small tmpfs (root). Where none can be mounted the test says `skipped`; with `CI=true`
//! that is a failure.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Config, Ctx, DataKey, Error, Kind, Record, Request, SystemWorld};

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg(&self.0).output();
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn small_disk() -> Option<Mounted> {
    let folder = std::env::temp_dir().join(format!("vitae-full-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new("mount");
    let command = command.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&folder);
    command.output().is_ok_and(|o| o.status.success()).then_some(Mounted(folder))
}

fn until<T>(mut step: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = step() {
            return done;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it never happened");
        // Leaves that wait take memory now and space later.
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_read_that_cannot_be_audited_is_not_answered() {
    let Some(disk) = small_disk() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no tmpfs can be mounted here");
        eprintln!("a_read_that_cannot_be_audited skipped: no tmpfs can be mounted here");
        return;
    };
    let config = Config {
        folder: disk.0.join("data"),
        key: DataKey::random().expect("random"),
        base_url: "http://vitae.test/fhir".to_owned(),
        world: Arc::new(SystemWorld),
    };
    let record = Record::create(config).expect("a record");
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).expect("ballast");
    let patient = ResourceType::PATIENT;
    let ctx = || Ctx::system("test", record.now_ms());
    let read = || record.execute(&ctx(), Request::read(patient, "p0"));
    let write = |i: u32| -> Result<(), Error> {
        // Text that does not compress.
        let noise: String = (0..20_000u32)
            .map(|k| char::from(b'a' + (k.wrapping_mul(2_654_435_761 ^ (i * 97)) >> 13) as u8 % 26))
            .collect();
        let text =
            format!(r#"{{"resourceType":"Patient","id":"p{i}","name":[{{"text":"{noise}"}}]}}"#);
        let body = Doc::parse(text).expect("JSON");
        record.execute(&ctx(), Request::update(patient, format!("p{i}"), body)).map(|_| ())
    };
    let mut n = 0;
    let refused = until(|| {
        n += 1;
        write(n - 1).err()
    });
    assert_eq!(refused.kind, Kind::Unavailable);
    // Leaves of reads are written a moment later: at last one finds no room, and from then on
    // nothing is shown, whatever it is.
    let refused = until(|| read().err());
    assert_eq!((refused.kind, refused.status()), (Kind::Unavailable, 503));
    let searched = record.execute(&ctx(), Request::search(patient, "_count=1"));
    assert_eq!(searched.expect_err("not shown").kind, Kind::Unavailable);
    let missing = record.execute(&ctx(), Request::read(patient, "nobody"));
    assert_eq!(missing.expect_err("not even that").kind, Kind::Unavailable);
    let exported = record.export(&ctx(), None, |_| -> Result<(), Error> { panic!("shown") });
    assert_eq!(exported.expect_err("not shown").kind, Kind::Unavailable);
    std::fs::remove_file(&ballast).expect("space");
    until(|| read().ok());
    write(n).expect("writing goes on");
    record.close().expect("closed");
}
