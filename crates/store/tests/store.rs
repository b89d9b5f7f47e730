//! The store as its callers see it: commit, read, search, snapshots, crash, refusal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::Sees;
use search::query::{Query, Total};
use store::{
    ChangeKind, Check, CommitError, Cursor, DataKey, Database, Expect, ItemOp, Kind, PageRequest,
    Put, PutKind, Scope, Snapshot, Store, WriteSet,
};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("vitae-store-{}-{n}", std::process::id()));
        // Of a program that was killed and had the same number.
        let _left = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn clock() -> store::Clock {
    let now = AtomicI64::new(1_790_000_000_000);
    Arc::new(move || now.fetch_add(1000, Ordering::SeqCst))
}

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect(name)
}

/// A put of a resource given as JSON with `"meta":{` somewhere.
fn put(json: &str, expect: Expect) -> Put {
    let doc = Doc::parse(json).expect("JSON");
    let root = doc.root();
    let ty = rt(&root.str("resourceType").expect("type"));
    let values = search::index_stored(ty, root, "");
    let references = values
        .iter()
        .filter_map(|v| match &v.value {
            search::value::IndexValue::Reference { ty, id } => Some((*ty, id.clone())),
            _ => None,
        })
        .collect();
    Put {
        rt: ty,
        id: root.str("id").expect("id").into_owned(),
        kind: PutKind::Write,
        text: json.to_owned(),
        meta_at: json.find("\"meta\":{").expect("meta") + 8,
        values,
        references,
        expect,
    }
}

fn delete(name: &str, id: &str) -> Put {
    Put {
        rt: rt(name),
        id: id.to_owned(),
        kind: PutKind::Delete,
        text: String::new(),
        meta_at: 0,
        values: Vec::new(),
        references: Vec::new(),
        expect: Expect::Exists,
    }
}

fn write(store: &Store, puts: Vec<Put>) -> store::Committed {
    store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit")
}

fn patient(id: &str, family: &str, birth: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","meta":{{}},"name":[{{"family":"{family}"}}],"birthDate":"{birth}"}}"#
    )
}

fn observation(id: &str, patient: &str, day: &str, value: f64) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{}},"status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8302-2"}}]}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"{day}","valueQuantity":{{"value":{value},"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}}}"#
    )
}

fn query(name: &str, text: &str) -> Query {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (k, v) = p.split_once('=').expect("pair");
            (k.to_owned(), v.to_owned())
        })
        .collect();
    let setting = search::parse::Setting {
        handling: search::parse::Handling::Strict,
        base_url: "",
        now_ms: 1_790_000_000_000,
        lookup: &search::lookup::NoRecord,
    };
    search::parse::parse(rt(name), None, &pairs, setting).expect(text)
}

fn ids(snapshot: &mut Snapshot, name: &str, text: &str) -> Vec<String> {
    let request = PageRequest { from: None, backward: false, count: 1000, total: Total::Accurate };
    let page = snapshot.search(&query(name, text), &request).expect("search");
    assert_eq!(page.total, Some(page.rows.len() as u64), "{text}");
    page.rows.into_iter().map(|row| row.head.id).collect()
}

fn new_store(folder: &Folder) -> (Store, DataKey) {
    let key = DataKey::random().expect("random");
    (Store::create(folder.path(), &key, clock()).expect("create"), key)
}

/// Where a test keeps its record: every case runs on both engines.
enum Home {
    Folder(Folder, DataKey),
    Database(Database, String),
}

impl Home {
    fn folder() -> Home {
        Home::Folder(Folder::new(), DataKey::random().expect("random"))
    }

    fn database(test: &str) -> Option<Home> {
        let cluster = case_kit::postgres::cluster(test)?;
        let database = Database::parse(&cluster.url()).expect("a URL");
        Some(Home::Database(database, cluster.fresh_name()))
    }

    fn create(&self) -> Store {
        match self {
            Home::Folder(folder, key) => Store::create(folder.path(), key, clock()),
            Home::Database(database, name) => Store::create_at(database, name, clock()),
        }
        .expect("create")
    }

    fn open(&self) -> Store {
        match self {
            Home::Folder(folder, key) => Store::open(folder.path(), key, clock()),
            Home::Database(database, name) => Store::open_at(database, name, clock()),
        }
        .expect("open")
    }
}

macro_rules! on_both_engines {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                super::$case(&super::Home::folder());
            })*
        }
        mod postgres {
            $(#[test]
            fn $case() {
                if let Some(home) = super::Home::database(stringify!($case)) {
                    super::$case(&home);
                }
            })*
        }
    };
}

fn versions_are_written_read_and_survive_reopening(home: &Home) {
    let store = home.create();
    let done = write(&store, vec![put(&patient("p1", "Stone", "1980-05-06"), Expect::New)]);
    assert_eq!((done.puts[0].vid, done.puts[0].kind), (1, ChangeKind::Create));
    let done = write(&store, vec![put(&patient("p1", "River", "1980-05-06"), Expect::Exists)]);
    assert_eq!((done.puts[0].vid, done.puts[0].kind), (2, ChangeKind::Update));
    let check = |store: &Store| {
        let body =
            store.read(rt("Patient"), "p1", Sees::everything()).expect("read").expect("there").body;
        let text = String::from_utf8(body).expect("UTF-8");
        assert!(text.contains(r#""meta":{"versionId":"2","lastUpdated":"2026-"#), "{text}");
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        let first = snapshot.version(rt("Patient"), "p1", 1).expect("vread").expect("there");
        assert!(String::from_utf8_lossy(&first.body).contains("Stone"));
        assert_eq!(ids(&mut snapshot, "Patient", "family=river"), ["p1"]);
        assert!(ids(&mut snapshot, "Patient", "family=stone").is_empty());
        let (history, more) = snapshot
            .history(Scope::Instance(rt("Patient"), "p1"), None, None, 10)
            .expect("history");
        assert_eq!((history.len(), more), (2, false));
    };
    check(&store);
    drop(store);
    check(&home.open());
}

fn a_deleted_resource_is_found_no_more_and_may_come_back(home: &Home) {
    let store = home.create();
    write(&store, vec![put(&patient("p1", "Stone", "1980"), Expect::New)]);
    write(&store, vec![delete("Patient", "p1")]);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    assert!(ids(&mut snapshot, "Patient", "").is_empty());
    let current = snapshot.current(rt("Patient"), "p1").expect("read").expect("a version");
    assert_eq!((current.kind, current.vid), (ChangeKind::Delete, 2));
    drop(snapshot);
    let done = write(&store, vec![put(&patient("p1", "Stone", "1980"), Expect::Absent)]);
    assert_eq!((done.puts[0].vid, done.puts[0].kind), (3, ChangeKind::Create));
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    assert_eq!(ids(&mut snapshot, "Patient", ""), ["p1"]);
}

fn what_a_put_or_check_expects_is_checked_inside_the_commit(home: &Home) {
    let store = home.create();
    write(&store, vec![put(&patient("p1", "Stone", "1980"), Expect::New)]);
    let refused = |set: WriteSet| store.commit(set).expect_err("refused");
    let stale = WriteSet {
        puts: vec![
            put(&patient("p2", "Two", "1980"), Expect::New),
            put(&patient("p1", "X", "1980"), Expect::Version(7)),
        ],
        ..WriteSet::default()
    };
    assert!(matches!(refused(stale), CommitError::Stale { put: 1, found: Some(1) }));
    let missing = WriteSet {
        checks: vec![Check::Exists {
            rt: rt("Patient"),
            id: "p9".into(),
            expression: "Observation.subject".into(),
        }],
        puts: vec![put(&observation("o1", "p9", "2020-01-01", 1.0), Expect::New)],
        ..WriteSet::default()
    };
    assert!(matches!(refused(missing), CommitError::MissingTarget { id, .. } if id == "p9"));
    write(&store, vec![put(&observation("o1", "p1", "2020-01-01", 1.0), Expect::New)]);
    let referenced = WriteSet {
        checks: vec![Check::NotReferenced { rt: rt("Patient"), id: "p1".into() }],
        puts: vec![delete("Patient", "p1")],
        ..WriteSet::default()
    };
    let by = match refused(referenced) {
        CommitError::Referenced { by, .. } => by,
        other => panic!("{other:?}"),
    };
    assert_eq!(by, [(rt("Observation"), "o1".to_owned())]);
    let search = |expect: &[&str]| WriteSet {
        checks: vec![Check::Search {
            query: Box::new(query("Patient", "family=stone")),
            sees: Sees::everything().clone(),
            expect: expect.iter().map(|s| (*s).to_owned()).collect(),
        }],
        puts: vec![put(&patient("p3", "Stone", "1980"), Expect::New)],
        ..WriteSet::default()
    };
    assert!(matches!(refused(search(&[])), CommitError::Conflict));
    store.commit(search(&["p1"])).expect("still the same answer");
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    assert_eq!(ids(&mut snapshot, "Patient", ""), ["p1", "p3"], "nothing of the refused sets");
}

fn conditional_writes_of_many_threads_happen_once(home: &Home) {
    let store = home.create();
    let stored: usize = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..32)
            .map(|i| {
                let store = store.clone();
                scope.spawn(move || {
                    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
                    let read_at = snapshot.at();
                    if !ids(&mut snapshot, "Patient", "family=stone").is_empty() {
                        return 0;
                    }
                    drop(snapshot);
                    let set = WriteSet {
                        read_at,
                        checks: vec![Check::Search {
                            query: Box::new(query("Patient", "family=stone")),
                            sees: Sees::everything().clone(),
                            expect: Vec::new(),
                        }],
                        puts: vec![put(&patient(&format!("p{i}"), "Stone", "1980"), Expect::New)],
                        ..WriteSet::default()
                    };
                    usize::from(store.commit(set).is_ok())
                })
            })
            .collect();
        handles.into_iter().map(|h| h.join().expect("thread")).sum()
    });
    assert_eq!(stored, 1);
}

fn the_past_can_be_read_and_searched(home: &Home) {
    let store = home.create();
    write(&store, vec![put(&patient("p1", "Stone", "1980"), Expect::New)]);
    write(&store, vec![put(&patient("p2", "Stone", "1981"), Expect::New)]);
    let then = store.at();
    write(&store, vec![delete("Patient", "p1")]);
    write(&store, vec![put(&patient("p2", "River", "1981"), Expect::Exists)]);
    write(&store, vec![put(&patient("p3", "Stone", "1981"), Expect::New)]);
    let check = |store: &Store| {
        let mut past = store.snapshot_at(then, Sees::everything()).expect("snapshot");
        assert_eq!(ids(&mut past, "Patient", "family=stone"), ["p1", "p2"]);
        let p1 = past.current(rt("Patient"), "p1").expect("read").expect("there");
        assert_eq!(p1.kind, ChangeKind::Create);
        let mut now = store.snapshot(Sees::everything()).expect("snapshot");
        assert_eq!(ids(&mut now, "Patient", "family=stone"), ["p3"]);
    };
    check(&store);
    drop(store);
    check(&home.open());
}

fn pages_follow_each_other_in_both_directions_whatever_the_order(home: &Home) {
    let store = home.create();
    let mut puts = vec![put(&patient("p", "Stone", "1980"), Expect::New)];
    // So many that small pages walk the days of the index and a large one sorts what it reads.
    const N: usize = 600;
    for i in 0..N {
        let day = match i % 23 {
            0 => "2020".to_owned(),
            1 => "1650-03".to_owned(),
            2 => format!("{}-11-30T23:30:00-05:00", 1968 + i % 90),
            _ => format!("2020-{:02}-{:02}", 1 + i % 7, 1 + i * 11 % 28),
        };
        let mut json = observation(&format!("o{i}"), "p", &day, (i % 9) as f64);
        let date = format!("\"effectiveDateTime\":\"{day}\",");
        json = match i % 29 {
            0 => json.replace(&date, ""),
            1 => json.replace(&date, "\"effectivePeriod\":{\"start\":\"2019-12-30\"},"),
            2 => json.replace(
                &date,
                "\"effectivePeriod\":{\"start\":\"2018\",\"end\":\"2020-03-04T01:02:03Z\"},",
            ),
            _ => json,
        };
        puts.push(put(&json, Expect::New));
    }
    write(&store, puts);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let sorts = ["", "_sort=date", "_sort=-date", "_sort=value-quantity,-date", "_sort=-_id"];
    for sort in sorts.into_iter().chain(["_sort=-_lastUpdated", "_sort=date,-value-quantity"]) {
        let text = if sort.is_empty() {
            "subject=Patient/p".into()
        } else {
            format!("subject=Patient/p&{sort}")
        };
        let q = query("Observation", &text);
        let all = ids(&mut snapshot, "Observation", &text);
        assert_eq!(all.len(), N);
        let mut page = |from: Option<Cursor>, backward| {
            let request = PageRequest { from, backward, count: 7, total: Total::None };
            snapshot.search(&q, &request).expect("search")
        };
        let mut seen = Vec::new();
        let mut from = None;
        let mut last_first = None;
        loop {
            let p = page(from, false);
            seen.extend(p.rows.iter().map(|r| r.id.clone()));
            last_first = p.first.or(last_first);
            if !p.more {
                break;
            }
            from = p.last;
        }
        assert_eq!(seen, all, "{sort} forward");
        let mut back: Vec<String> = Vec::new();
        let mut from = last_first;
        loop {
            let p = page(from, true);
            let rows: Vec<String> = p.rows.iter().map(|r| r.id.clone()).collect();
            back.splice(0..0, rows);
            if !p.more {
                break;
            }
            from = p.first;
        }
        assert_eq!(back, all[..(N - 1) / 7 * 7], "{sort} backward from the last page");
    }
}

#[test]
fn a_wrong_key_and_a_second_process_are_refused() {
    let folder = Folder::new();
    let (store, key) = new_store(&folder);
    let second = Store::open(folder.path(), &key, clock()).err().expect("in use");
    assert_eq!(second.kind, Kind::Locked);
    drop(store);
    let other = DataKey::random().expect("random");
    let wrong = Store::open(folder.path(), &other, clock()).err().expect("wrong key");
    assert_eq!(wrong.kind, Kind::WrongKey);
    Store::open(folder.path(), &key, clock()).expect("the right key still opens it");
    let again = Store::create(folder.path(), &key, clock()).err().expect("not empty");
    assert_eq!(again.kind, Kind::Place);
}

fn items_and_audit_leaves_are_in_the_same_commit(home: &Home) {
    let store = home.create();
    let item = ItemOp { collection: "t", key: b"k".to_vec(), value: Some(b"v".to_vec()) };
    let set = WriteSet {
        items: vec![item],
        audit: vec![b"one".to_vec(), b"two".to_vec()],
        ..WriteSet::default()
    };
    store.commit(set).expect("commit");
    store.audit(b"three".to_vec()).expect("queued");
    store.flush().expect("flush");
    let snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    assert_eq!(snapshot.item("t", b"k").expect("item"), Some(b"v".to_vec()));
    let leaves: Vec<_> =
        snapshot.audit(0, 10).expect("audit").into_iter().map(|(_, leaf)| leaf).collect();
    assert_eq!(leaves, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
}

fn blobs_are_found_by_their_hash(home: &Home) {
    let store = home.create();
    let bytes: Vec<u8> = (0..700_000u32).map(|i| (i * 31 % 251) as u8).collect();
    let hash = store.put_blob(&bytes).expect("put");
    assert_eq!(store.blob(&hash).expect("get"), Some(bytes));
    assert_eq!(store.blob(&[0; 32]).expect("get"), None);
}

/// Many small resources through several generations; every answer is compared with the matcher.
fn the_index_answers_as_the_matcher_while_it_moves_to_disk(home: &Home) {
    let store = home.create();
    let mut state = 7u64;
    let mut random = move |n: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for i in 0..20 {
        write(
            &store,
            vec![put(
                &patient(&format!("p{i}"), ["Stone", "River"][i % 2], "1980-01-02"),
                Expect::Any,
            )],
        );
    }
    for round in 0..450 {
        // Small sets and such as the store gathers by themselves.
        let n_puts = if round % 3 == 0 { 200 } else { 100 };
        let puts = (0..n_puts)
            .map(|i| {
                // One in four writes over an older one.
                let n = if random(4) == 0 { random(round * 100 + 1) } else { round * 100 + i };
                let day =
                    format!("20{:02}-{:02}-{:02}", 10 + random(15), 1 + random(12), 1 + random(28));
                let value = random(4000) as f64 / 8.0;
                let text = observation(&format!("o{n}"), &format!("p{}", random(20)), &day, value);
                (n, text)
            })
            .collect::<std::collections::BTreeMap<_, _>>();
        let puts = puts.into_values().map(|text| put(&text, Expect::Any)).collect();
        write(&store, puts);
    }
    let check = |store: &Store| {
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let part = snapshot.feed(after, 1000).expect("feed");
            let Some(last) = part.last() else { break };
            after = last.rid;
            all.extend(part);
        }
        let mut current = std::collections::BTreeMap::new();
        for version in all.iter().filter(|v| v.rt == rt("Observation")) {
            current.insert(version.id.clone(), version);
        }
        let mut indexed: Vec<_> = current
            .values()
            .map(|v| {
                let doc = Doc::parse(v.body.clone()).expect("JSON");
                (v.rid, v.id.clone(), v.last_updated_ms, search::index(v.rt, doc.root(), ""))
            })
            .collect();
        indexed.sort_by_key(|(rid, ..)| *rid);
        for text in [
            "",
            "subject=Patient/p3",
            "code=8302-2&subject=p4",
            "code=http://loinc.org|8302-2&date=ge2020",
            "date=2015-03",
            "date=lt2012-02-03",
            "date=2015-03-04T10:00:00Z",
            "value-quantity=gt400",
            "value-quantity=100.5",
            "value-quantity=lt3||cm",
            "value-quantity=300|http://unitsofmeasure.org|mm",
            "status:not=final",
            "subject:missing=true",
            "date=ne2015",
        ] {
            let q = query("Observation", text);
            let want: Vec<&String> = indexed
                .iter()
                .filter(|(_, id, at, values)| q.matches(id, *at, values))
                .map(|(_, id, ..)| id)
                .collect();
            let request =
                PageRequest { from: None, backward: false, count: 50_000, total: Total::Accurate };
            let page = snapshot.search(&q, &request).expect("search");
            let got: Vec<&String> = page.rows.iter().map(|r| &r.head.id).collect();
            assert_eq!(got, want, "{text}");
        }
    };
    check(&store);
    drop(store);
    check(&home.open());
}

fn verify_is_content_with_what_was_written_and_names_what_was_changed(home: &Home) {
    let store = home.create();
    write(&store, vec![put(&patient("p1", "Stone", "1980"), Expect::New)]);
    for i in 0..30 {
        let text = observation(&format!("o{i}"), "p1", "2020-01-01", f64::from(i));
        write(&store, vec![put(&text, Expect::New)]);
    }
    write(&store, vec![put(&patient("p1", "River", "1980"), Expect::Exists)]);
    write(&store, vec![delete("Observation", "o3")]);
    store.audit(b"leaf".to_vec()).expect("queued");
    let (done, findings) = store.verify(|_, _| {}).expect("verify");
    assert_eq!(findings, []);
    assert_eq!((done.versions, done.resources, done.audit_leaves), (33, 30, 1));
    drop(store);
    let store = home.open();
    let (again, findings) = store.verify(|_, _| {}).expect("verify");
    assert_eq!((again, findings), (done, vec![]));
}

#[test]
fn a_backup_restores_the_same_record_and_damage_is_refused() {
    let folder = Folder::new();
    let (store, key) = new_store(&folder);
    for i in 0..40 {
        write(&store, vec![put(&patient(&format!("p{i}"), "Stone", "1980"), Expect::New)]);
    }
    let file = folder.path().join("backup");
    let info = store.backup(&file, "{}", &store::Plain, |_, _| {}).expect("backup");
    write(&store, vec![put(&patient("late", "Stone", "1980"), Expect::New)]);
    let restore = |to: &Folder| {
        let from = std::fs::File::open(&file).expect("open");
        store::BackupReader::new(from).and_then(|backup| backup.restore(to.path()))
    };
    let copy = Folder::new();
    assert_eq!(restore(&copy).expect("restore"), info);
    let restored = Store::open(copy.path(), &key, clock()).expect("open");
    let (done, findings) = restored.verify(|_, _| {}).expect("verify");
    assert_eq!((done.resources, findings), (40, vec![]));
    let again = restore(&copy).expect_err("not empty");
    assert_eq!(again.kind, Kind::Place);
    let mut bytes = std::fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("write");
    let other = Folder::new();
    assert_eq!(restore(&other).expect_err("damaged").kind, Kind::Corrupt);
    assert!(!other.path().exists(), "nothing is left behind");
}

#[test]
fn long_attachments_are_kept_once_and_come_back_byte_for_byte() {
    let folder = Folder::new();
    let (store, key) = new_store(&folder);
    let mut state = 1u32;
    let mut data = String::new();
    for _ in 0..900_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        data.push(char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                [(state >> 26) as usize],
        ));
    }
    let text = |title: &str| {
        format!(
            r#"{{"resourceType":"Binary","id":"b","meta":{{}},"contentType":"image/{title}","data":"{data}"}}"#
        )
    };
    write(&store, vec![put(&text("png"), Expect::New)]);
    store.flush().expect("flush");
    let disk = || -> u64 {
        let files = std::fs::read_dir(folder.path()).expect("folder");
        files.map(|f| f.expect("file").metadata().expect("size").len()).sum()
    };
    let once = disk();
    for title in ["jpeg", "gif", "webp"] {
        write(&store, vec![put(&text(title), Expect::Exists)]);
    }
    assert!(disk() - once < 200_000, "the attachment is not written again");
    drop(store);
    let store = Store::open(folder.path(), &key, clock()).expect("open");
    let body =
        store.read(rt("Binary"), "b", Sees::everything()).expect("read").expect("there").body;
    let body = String::from_utf8(body).expect("UTF-8");
    assert!(body.ends_with(&format!(r#""contentType":"image/webp","data":"{data}"}}"#)));
    assert_eq!(store.verify(|_, _| {}).expect("verify").1, []);
}

on_both_engines! {
    versions_are_written_read_and_survive_reopening
    a_deleted_resource_is_found_no_more_and_may_come_back
    what_a_put_or_check_expects_is_checked_inside_the_commit
    conditional_writes_of_many_threads_happen_once
    the_past_can_be_read_and_searched
    pages_follow_each_other_in_both_directions_whatever_the_order
    items_and_audit_leaves_are_in_the_same_commit
    blobs_are_found_by_their_hash
    the_index_answers_as_the_matcher_while_it_moves_to_disk
    verify_is_content_with_what_was_written_and_names_what_was_changed
}
