//! One PostgreSQL database, several stores on it, and a server that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use case_kit::postgres::{Cluster, EndSessions, Stop, cluster, own_cluster};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::Sees;
use search::query::{Query, Total};
use store::{
    Check, CommitError, DataKey, Database, Expect, ItemOp, Kind, PageRequest, Place, Put, PutKind,
    Scope, Snapshot, Store, WriteSet,
};

/// Cycles of failure in an ordinary run; `VITAE_KILL_CYCLES` asks for more.
const CYCLES: u32 = 4;

fn clock() -> store::Clock {
    static NOW: AtomicI64 = AtomicI64::new(1_790_000_000_000);
    Arc::new(|| NOW.fetch_add(1, Ordering::SeqCst))
}

fn open(cluster: &Cluster, name: &str) -> Store {
    let database = Database::parse(&cluster.url()).expect("a URL");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Store::open_at(&database, name, clock()) {
            Ok(store) => return store,
            Err(e) if e.kind == Kind::Unavailable && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(e) => panic!("{e:?}"),
        }
    }
}

fn create(cluster: &Cluster) -> (Store, String) {
    let database = Database::parse(&cluster.url()).expect("a URL");
    let name = cluster.fresh_name();
    (Store::create_at(&database, &name, clock()).expect("create"), name)
}

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect(name)
}

fn patient(id: &str, family: &str, expect: Expect) -> Put {
    let text = format!(
        r#"{{"resourceType":"Patient","id":"{id}","meta":{{}},"identifier":[{{"system":"urn:{family}","value":"{id}"}}],"name":[{{"family":"{family}"}}]}}"#
    );
    let doc = Doc::parse(text.as_str()).expect("JSON");
    let values = search::index_stored(rt("Patient"), doc.root(), "");
    let meta_at = text.find("\"meta\":{").expect("meta") + 8;
    let (rt, id, kind) = (rt("Patient"), id.to_owned(), PutKind::Write);
    Put { rt, id, kind, meta_at, values, references: Vec::new(), expect, text }
}

fn query(text: &str) -> Query {
    let (name, value) = text.split_once('=').expect("a pair");
    let setting = search::parse::Setting {
        handling: search::parse::Handling::Strict,
        base_url: "",
        now_ms: 1_790_000_000_000,
        lookup: &search::lookup::NoRecord,
    };
    let pairs = [(name.to_owned(), value.to_owned())];
    search::parse::parse(rt("Patient"), None, &pairs, setting).expect(text)
}

fn ids(snapshot: &mut Snapshot, text: &str) -> Vec<String> {
    let request =
        PageRequest { from: None, backward: false, count: 100_000, total: Total::Accurate };
    let page = snapshot.search(&query(text), &request).expect("search");
    page.rows.into_iter().map(|row| row.head.id).collect()
}

/// The last version, and the last one whose keys are all in posting rows.
fn written(cluster: &Cluster, name: &str) -> (i64, i64) {
    let mut client = postgres::Client::connect(&cluster.url(), postgres::NoTls).expect("connect");
    let sql = "SELECT last, flushed FROM vitae.head h JOIN vitae.practice p USING (practice)
               WHERE p.name = $1";
    let row = client.query_one(sql, &[&name]).expect("a head");
    (row.get(0), row.get(1))
}

/// What closes last leaves nothing to be read back: the next start looks at no version.
#[test]
fn a_store_that_closes_leaves_its_lists_in_rows() {
    let Some(cluster) = cluster("a_store_that_closes_leaves_its_lists_in_rows") else { return };
    const N: usize = 3_000;
    let (a, name) = create(cluster);
    let b = open(cluster, &name);
    let commit = |store: &Store, puts: Vec<Put>| {
        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
    };
    commit(&a, (0..N).map(|i| patient(&format!("p{i}"), "first", Expect::New)).collect());
    commit(&b, vec![patient("p7", "second", Expect::Version(1))]);
    assert_eq!(written(cluster, &name), (N as i64 + 1, 0));
    drop(b);
    assert_eq!(written(cluster, &name), (N as i64 + 1, N as i64 + 1));
    // The other one has the same versions in memory, and writes on.
    commit(&a, vec![patient("p8", "second", Expect::Version(1))]);
    let check = |store: &Store| {
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        assert_eq!(ids(&mut snapshot, "family=first").len(), N - 2);
        assert_eq!(ids(&mut snapshot, "family=second"), ["p7", "p8"]);
        assert_eq!(store.verify(|_, _| {}).expect("verify").1, []);
    };
    check(&a);
    drop(a);
    assert_eq!(written(cluster, &name), (N as i64 + 2, N as i64 + 2));
    let store = open(cluster, &name);
    check(&store);
    commit(&store, vec![patient("p9", "second", Expect::Version(1))]);
    drop(store);
    let store = open(cluster, &name);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    assert_eq!(ids(&mut snapshot, "family=second"), ["p7", "p8", "p9"]);
}

/// Two stores write through dictionaries, systems and generations of each other; a third reads the
/// feed all the while and misses nothing.
#[test]
fn what_one_process_writes_the_others_find() {
    let Some(cluster) = cluster("what_one_process_writes_the_others_find") else { return };
    const SETS: usize = 150;
    const PER_SET: usize = 100;
    let (a, name) = create(cluster);
    let (b, reader) = (open(cluster, &name), open(cluster, &name));
    let all = 2 * SETS * PER_SET;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut after = 0;
            loop {
                let finished = done.load(Ordering::SeqCst);
                let mut snapshot = reader.snapshot(Sees::everything()).expect("snapshot");
                let part = snapshot.feed(after, 10_000).expect("feed");
                for version in &part {
                    assert_eq!(version.rid, after + 1, "the feed has no gaps");
                    assert!(version.body.starts_with(b"{\"resourceType\":\"Patient\""));
                    after = version.rid;
                }
                if finished && part.is_empty() {
                    return after;
                }
            }
        });
        let writers: Vec<_> = [("a", &a), ("b", &b)]
            .into_iter()
            .map(|(family, store)| {
                scope.spawn(move || {
                    for set in 0..SETS {
                        let puts = (0..PER_SET)
                            .map(|i| {
                                let id = format!("{family}-{}", set * PER_SET + i);
                                patient(&id, family, Expect::New)
                            })
                            .collect();
                        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("writer"));
        done.store(true, Ordering::SeqCst);
        assert_eq!(follower.join().expect("follower") as usize, all);
    });
    // Each finds what the other wrote, in memory and in posting rows.
    for store in [&a, &b, &reader, &open(cluster, &name)] {
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        for family in ["a", "b"] {
            let found = ids(&mut snapshot, &format!("family={family}"));
            assert_eq!(found.len(), SETS * PER_SET);
            assert_eq!(
                ids(&mut snapshot, &format!("identifier=urn:{family}|{family}-77")).len(),
                1
            );
        }
        assert_eq!(snapshot.history_count(Scope::System, None).expect("count"), all as u64);
    }
    // What one changes the other sees at once.
    for i in 0..50 {
        let (writer, other) = if i % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let put = patient("a-5", &format!("new{i}"), Expect::Version(i + 1));
        writer.commit(WriteSet { puts: vec![put], ..WriteSet::default() }).expect("commit");
        let mut snapshot = other.snapshot(Sees::everything()).expect("snapshot");
        assert_eq!(ids(&mut snapshot, &format!("family=new{i}")), ["a-5"]);
        let body = other
            .read(rt("Patient"), "a-5", Sees::everything())
            .expect("read")
            .expect("there")
            .body;
        assert!(String::from_utf8_lossy(&body).contains(&format!("\"new{i}\"")));
    }
    assert_eq!(a.verify(|_, _| {}).expect("verify").1, []);
}

#[test]
fn conditional_creates_through_two_processes_happen_once() {
    let Some(cluster) = cluster("conditional_creates_through_two_processes_happen_once") else {
        return;
    };
    let (a, name) = create(cluster);
    let b = open(cluster, &name);
    for round in 0..4 {
        let family = format!("round{round}");
        let stored: usize = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..64)
                .map(|i| {
                    let store = if i % 2 == 0 { a.clone() } else { b.clone() };
                    let family = family.clone();
                    scope.spawn(move || {
                        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
                        let read_at = snapshot.at();
                        let text = format!("family={family}");
                        if !ids(&mut snapshot, &text).is_empty() {
                            return 0;
                        }
                        drop(snapshot);
                        let query = Box::new(query(&text));
                        let set = WriteSet {
                            read_at,
                            checks: vec![Check::Search {
                                query,
                                sees: Sees::everything().clone(),
                                expect: Vec::new(),
                            }],
                            puts: vec![patient(&format!("{family}-{i}"), &family, Expect::New)],
                            ..WriteSet::default()
                        };
                        match store.commit(set) {
                            Ok(_) => 1,
                            Err(CommitError::Conflict) => 0,
                            Err(e) => panic!("{e:?}"),
                        }
                    })
                })
                .collect();
            handles.into_iter().map(|h| h.join().expect("thread")).sum()
        });
        assert_eq!(stored, 1);
        let mut snapshot = a.snapshot(Sees::everything()).expect("snapshot");
        assert_eq!(ids(&mut snapshot, &format!("family={family}")).len(), 1);
    }
}

/// A record with index on disk, attachments, items and audit goes to the database and back.
#[test]
fn a_record_moves_to_the_database_and_back() {
    let Some(cluster) = cluster("a_record_moves_to_the_database_and_back") else { return };
    let folder = std::env::temp_dir().join(format!("vitae-move-{}", std::process::id()));
    let key = DataKey::random().expect("random");
    let store = Store::create(&folder, &key, clock()).expect("create");
    for set in 0..260 {
        let id = |i: u32| format!("p{}", set * 100 + i);
        let puts = (0..100).map(|i| patient(&id(i), "stone", Expect::New)).collect();
        let value = Some(vec![0, 1, set as u8]);
        let item = ItemOp { collection: "t", key: set.to_be_bytes().to_vec(), value };
        let audit = vec![format!("leaf {set}").into_bytes()];
        let set = WriteSet { puts, items: vec![item], audit, ..WriteSet::default() };
        store.commit(set).expect("commit");
    }
    let put = patient("p7", &"x".repeat(100_000), Expect::Version(1));
    store.commit(WriteSet { puts: vec![put], ..WriteSet::default() }).expect("commit");
    let gone = Put { kind: PutKind::Delete, ..patient("p8", "stone", Expect::Exists) };
    store.commit(WriteSet { puts: vec![gone], ..WriteSet::default() }).expect("commit");
    let bytes = vec![7; 600_000];
    let hash = store.put_blob(&bytes).expect("put");
    let check = |store: &Store| {
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        assert_eq!(ids(&mut snapshot, "family=stone").len(), 25_998);
        assert_eq!(ids(&mut snapshot, "identifier=urn:stone|p77"), ["p77"]);
        let body =
            store.read(rt("Patient"), "p7", Sees::everything()).expect("read").expect("there").body;
        assert!(String::from_utf8_lossy(&body).contains(&"x".repeat(100_000)));
        assert_eq!(store.blob(&hash).expect("blob"), Some(bytes.clone()));
        let item = snapshot.item("t", &9u32.to_be_bytes()).expect("item");
        assert_eq!(item, Some(vec![0, 1, 9]));
        store.verify(|_, _| {}).expect("verify")
    };
    let (before, findings) = check(&store);
    assert_eq!(findings, []);
    let database = Database::parse(&cluster.url()).expect("a URL");
    let name = cluster.fresh_name();
    let (at_home, at_server) = (Place::Folder(&folder, &key), Place::Database(&database, &name));
    let in_use = store::copy(at_home, at_server, |_, _| {}).expect_err("it is open");
    assert_eq!(in_use.kind, Kind::Locked);
    drop(store);
    let digested = store::copy(at_home, at_server, |_, _| {}).expect("copy");
    assert_eq!((digested.versions, digested.audit_root), (before.versions, before.audit_root));
    let twice = store::copy(at_home, at_server, |_, _| {}).expect_err("it is there");
    assert_eq!(twice.kind, Kind::Place);
    let there = open(cluster, &name);
    assert_eq!(check(&there), (before, vec![]));
    let put = patient("new", "stone", Expect::New);
    there.commit(WriteSet { puts: vec![put], ..WriteSet::default() }).expect("writing goes on");
    drop(there);
    let occupied = store::copy(at_server, at_home, |_, _| {}).expect_err("the old file");
    assert_eq!(occupied.kind, Kind::Place);
    store::put_file_aside(&folder).expect("aside");
    store::copy(at_server, at_home, |_, _| {}).expect("back");
    store::put_aside(&database, &name, &format!("{name}-old")).expect("aside");
    let gone = Store::open_at(&database, &name, clock()).err().expect("it has gone");
    assert_eq!(gone.kind, Kind::Place);
    let store = Store::open(&folder, &key, clock()).expect("open");
    let (after, findings) = store.verify(|_, _| {}).expect("verify");
    assert_eq!((after.versions, findings), (before.versions + 1, vec![]));
    assert!(store.read(rt("Patient"), "new", Sees::everything()).expect("read").is_some());
    drop(store);
    std::fs::remove_dir_all(&folder).expect("own folder");
}

#[test]
fn tls_is_used_and_the_certificate_verified() {
    let Some(cluster) = cluster("tls_is_used_and_the_certificate_verified") else { return };
    let url = |root: &str| format!("{}?sslrootcert={root}", cluster.tls_url());
    let root = cluster.root_certificate();
    let database = Database::parse(&url(&root.to_string_lossy())).expect("a URL");
    let name = cluster.fresh_name();
    let store = Store::create_at(&database, &name, clock()).expect("create");
    let put = patient("p", "stone", Expect::New);
    store.commit(WriteSet { puts: vec![put], ..WriteSet::default() }).expect("commit");
    assert!(store.read(rt("Patient"), "p", Sees::everything()).expect("read").is_some());
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/src/disk/postgres/root.pem");
    let database = Database::parse(&url(other)).expect("a URL");
    let refused = Store::open_at(&database, &name, clock()).err().expect("not trusted");
    assert_eq!(refused.kind, Kind::Place, "{refused}");
    assert!(refused.public.contains("sslrootcert"), "{refused}");
}

/// What a client was told.
#[derive(Default)]
struct Told {
    created: Vec<String>,
    /// Versions of the client's own resource.
    updates: u32,
    refused: u64,
}

/// Creates resources and counts up the versions of its own one until it is told to stop.
fn write(store: &Store, name: &str, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    let own = format!("own-{name}");
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let id = format!("{name}-{n}");
        let expect = if told.updates == 0 { Expect::Absent } else { Expect::Version(told.updates) };
        let set = WriteSet {
            puts: vec![patient(&id, name, Expect::Absent), patient(&own, name, expect)],
            audit: vec![id.clone().into_bytes()],
            ..WriteSet::default()
        };
        match store.commit(set) {
            Ok(done) => {
                told.updates += 1;
                assert_eq!(done.puts[1].vid, told.updates, "one version for each answer");
                told.created.push(id);
            }
            Err(CommitError::Failed(e)) => {
                assert_eq!(e.kind, Kind::Unavailable, "{e:?}");
                told.refused += 1;
                // Whether it was saved after all is to be seen from the record.
                told.updates = loop {
                    match store.read(rt("Patient"), &own, Sees::everything()) {
                        Ok(found) => break found.map_or(0, |version| version.vid),
                        Err(e) => assert_eq!(e.kind, Kind::Unavailable, "{e:?}"),
                    }
                    std::thread::sleep(Duration::from_millis(20));
                };
            }
            Err(e) => panic!("{e:?}"),
        }
    }
    told
}

fn fail(cluster: &Cluster, cycle: u32, name: &str) {
    match cycle % 4 {
        0 => cluster.restart(Stop::Immediate),
        1 => cluster.end_sessions(EndSessions::Kill),
        2 => cluster.end_sessions(EndSessions::Terminate),
        _ => cluster.restart(Stop::Fast),
    }
    drop(open(cluster, name));
}

/// Eight clients on two stores write while the server is stopped, killed and started.
#[test]
fn what_was_acknowledged_is_there_once_whatever_happens_to_the_server() {
    let test = "what_was_acknowledged_is_there_once_whatever_happens_to_the_server";
    let Some(cluster) = own_cluster(test) else { return };
    let cluster = &cluster;
    let cycles = std::env::var("VITAE_KILL_CYCLES").ok().and_then(|n| n.parse().ok());
    let (a, name) = create(cluster);
    let b = open(cluster, &name);
    let stop = AtomicBool::new(false);
    let pause = AtomicU64::new(7);
    let told: BTreeMap<String, Told> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|i| {
                let store = if i % 2 == 0 { &a } else { &b };
                let (stop, name) = (&stop, format!("c{i}"));
                scope.spawn(move || (name.clone(), write(store, &name, stop)))
            })
            .collect();
        for cycle in 0..cycles.unwrap_or(CYCLES) {
            let n = pause.fetch_add(101, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100 + n % 400));
            fail(cluster, cycle, &name);
        }
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().expect("client")).collect()
    });
    let n_told: usize = told.values().map(|t| t.created.len()).sum();
    let n_refused: u64 = told.values().map(|t| t.refused).sum();
    eprintln!("{n_told} acknowledged, {n_refused} refused for the moment");
    let fresh = open(cluster, &name);
    for store in [&a, &b, &fresh] {
        check(store, &told);
    }
    assert_eq!(fresh.verify(|_, _| {}).expect("verify").1, []);
}

fn check(store: &Store, told: &BTreeMap<String, Told>) {
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let mut leaves = BTreeSet::new();
    for (_, leaf) in snapshot.audit(0, 1_000_000).expect("audit") {
        let leaf = String::from_utf8(leaf).expect("UTF-8");
        assert!(leaves.insert(leaf.clone()), "{leaf} was written twice");
    }
    let mut after = 0;
    loop {
        let part = snapshot.feed(after, 5_000).expect("feed");
        let Some(last) = part.last() else { break };
        let first = part[0].rid;
        assert_eq!(first, after + 1, "no gap");
        after = last.rid;
        for version in part.iter().filter(|v| !v.id.starts_with("own-")) {
            assert_eq!(version.vid, 1, "{} was written twice", version.id);
            assert!(leaves.contains(&version.id), "{} without its leaf", version.id);
        }
    }
    for (name, told) in told {
        let found: BTreeSet<String> =
            ids(&mut snapshot, &format!("family={name}")).into_iter().collect();
        for id in &told.created {
            assert!(found.contains(id), "{id} was acknowledged");
        }
        let own = snapshot.head(rt("Patient"), &format!("own-{name}")).expect("head");
        // One create for each version.
        let n = own.map_or(0, |own| own.vid);
        assert_eq!((n, found.len() as u32), (told.updates.max(n), n + u32::from(n > 0)));
    }
}
