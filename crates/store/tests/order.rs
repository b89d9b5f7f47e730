//! `_sort` on several keys, also along references: pages of any size, in both directions, are the
//! whole in the order that the matcher's sort values give, on both engines.

#[path = "common/clock.rs"]
mod clock;
#[path = "common/put.rs"]
mod put;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use search::Sees;
use search::parse::{Handling, Setting, parse, parse_system};
use search::query::{Query, Total};
use search::sort::{SortValue, sort_value_in};
use search::world::{Known, World};
use store::{
    Cursor, DataKey, Database, Kind, PageRequest, Put, SORT_CHAINED_MAX, SearchPage, Snapshot,
    Store, WriteSet,
};

use case_kit::Random;
use clock::{START_MS, clock};
use put::{put, rt};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn in_folder() -> (Store, Folder) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let folder = std::env::temp_dir().join(format!("vitae-order-{}-{n}", std::process::id()));
    let key = DataKey::random().expect("random");
    (Store::create(&folder, &key, clock()).expect("create"), Folder(folder))
}

fn write(store: &Store, world: &mut World, resources: &[String]) {
    let puts: Vec<Put> = resources.iter().map(|json| put(json)).collect();
    let known: Vec<Known> = puts
        .iter()
        .map(|put| Known {
            rt: put.rt,
            id: put.id.clone(),
            last_updated_ms: 0,
            values: put.values.clone(),
        })
        .collect();
    let done = store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
    for (mut resource, done) in known.into_iter().zip(done.puts) {
        resource.last_updated_ms = done.last_updated_ms;
        world.put(resource);
    }
}

const ORGANIZATIONS: u64 = 6;
const PATIENTS: u64 = 40;
const OBSERVATIONS: u64 = 700;
const NAMES: &[&str] = &["Stone", "stone", "Étienne", "Ash", "A", "李", "O'Neill"];

fn organization(n: u64, random: &mut Random) -> String {
    let name = match random.below(4) {
        0 => String::new(),
        _ => format!(r#","name":"{} {}""#, random.of(NAMES), random.below(3)),
    };
    format!(
        r#"{{"resourceType":"Organization","id":"g{n}","meta":{{}}{name},"partOf":{{"reference":"Organization/g{}"}}}}"#,
        random.below(ORGANIZATIONS)
    )
}

fn patient(n: u64, random: &mut Random) -> String {
    let mut members = String::new();
    if random.below(5) > 0 {
        members += &format!(
            r#","name":[{{"family":"{}"}},{{"family":"{}"}}]"#,
            random.of(NAMES),
            random.of(NAMES)
        );
    }
    if random.below(5) > 0 {
        let year = 1940 + random.below(60);
        members += &format!(r#","birthDate":"{year}""#);
    }
    if random.below(4) > 0 {
        let organization = random.below(ORGANIZATIONS + 1);
        members +=
            &format!(r#","managingOrganization":{{"reference":"Organization/g{organization}"}}"#);
    }
    format!(r#"{{"resourceType":"Patient","id":"p{n}","meta":{{}}{members}}}"#)
}

fn observation(n: u64, random: &mut Random) -> String {
    // Some refer to what is not there, to what has no name, or to nothing.
    let subject = match random.below(12) {
        0 => String::new(),
        1 => r#","subject":{"reference":"Location/l1"}"#.to_owned(),
        2 => r#","subject":{"reference":"Group/u1"}"#.to_owned(),
        _ => format!(r#","subject":{{"reference":"Patient/p{}"}}"#, random.below(PATIENTS + 3)),
    };
    let performers: Vec<String> = (0..random.below(3))
        .map(|_| format!(r#"{{"reference":"Organization/g{}"}}"#, random.below(ORGANIZATIONS)))
        .collect();
    let performer = match performers.is_empty() {
        true => String::new(),
        false => format!(r#","performer":[{}]"#, performers.join(",")),
    };
    let date = match random.below(6) {
        0 => String::new(),
        _ => {
            format!(r#","effectiveDateTime":"2020-0{}-1{}""#, 1 + random.below(9), random.below(4))
        }
    };
    format!(
        r#"{{"resourceType":"Observation","id":"o{n}","meta":{{}},"status":"{}","code":{{"coding":[{{"code":"c{}"}}]}}{subject}{performer}{date},"valueQuantity":{{"value":{}}}}}"#,
        random.of(&["final", "amended"]),
        random.below(4),
        random.below(20)
    )
}

fn fill(store: &Store, random: &mut Random) -> World {
    let mut world = World::default();
    let observations: Vec<String> = (0..OBSERVATIONS).map(|n| observation(n, random)).collect();
    // References of the first ones lead nowhere until their targets come.
    write(store, &mut world, &observations[..50]);
    let mut others = vec![
        r#"{"resourceType":"Location","id":"l1","meta":{},"name":"Ash House"}"#.to_owned(),
        r#"{"resourceType":"Group","id":"u1","meta":{},"type":"person","actual":true}"#.to_owned(),
    ];
    others.extend((0..ORGANIZATIONS).map(|n| organization(n, random)));
    others.extend((0..PATIENTS).map(|n| patient(n, random)));
    write(store, &mut world, &others);
    write(store, &mut world, &observations[50..]);
    // New versions of both ends: only what is current counts.
    let mut changed: Vec<String> = (0..PATIENTS).step_by(3).map(|n| patient(n, random)).collect();
    changed.extend((0..OBSERVATIONS).step_by(11).map(|n| observation(n, random)));
    write(store, &mut world, &changed);
    world
}

fn setting() -> Setting<'static> {
    let lookup = &search::lookup::NoRecord;
    Setting { handling: Handling::Strict, base_url: "", now_ms: START_MS, lookup }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').expect("="));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn query(ty: &str, text: &str) -> Query {
    parse(rt(ty), None, &pairs(text), setting()).unwrap_or_else(|e| panic!("{ty}?{text}: {e:?}"))
}

fn names(page: &SearchPage) -> Vec<String> {
    page.rows.iter().map(|row| format!("{}/{}", row.head.rt, row.head.id)).collect()
}

/// Reads all pages of a size, from the start or back from the end. `short`: cursors come without
/// their key, as those of page links that would be too long.
fn paged(
    search: &mut dyn FnMut(&PageRequest) -> SearchPage,
    (count, backward, short): (usize, bool, bool),
) -> Vec<String> {
    let total = Total::None;
    let mut all = Vec::new();
    let mut from: Option<Cursor> = None;
    if backward {
        let last = search(&PageRequest { from: None, backward: false, count: 100_000, total });
        all.extend(names(&last).pop());
        from = last.last;
    }
    loop {
        if let Some(from) = from.as_mut().filter(|_| short) {
            from.key.clear();
        }
        let page = search(&PageRequest { from: from.clone(), backward, count, total });
        let mut own = names(&page);
        if backward {
            own.reverse();
        }
        all.extend(own);
        from = if backward { page.first } else { page.last };
        if !page.more {
            break;
        }
    }
    if backward {
        all.reverse();
    }
    all
}

const SORTS: &[(&str, &str)] = &[
    ("Observation", "patient.name"),
    ("Observation", "-patient.name"),
    ("Observation", "patient:Patient.family,-date"),
    ("Observation", "-subject.name,code,_id"),
    ("Observation", "status,-subject:Patient.birthdate,value-quantity"),
    ("Observation", "subject:Patient.organization.name,-_lastUpdated"),
    ("Observation", "-subject:Patient.organization:Organization.partof.name"),
    ("Observation", "performer:Organization.name,-performer:Organization.name"),
    ("Observation", "-date,patient.family"),
    ("Observation", "date,-patient.birthdate"),
    ("Observation", "patient._lastUpdated,patient._id"),
    ("Observation", "-code,-value-quantity,status"),
    ("Observation", "subject"),
    ("Patient", "organization.name,name,-birthdate"),
    ("Patient", "-name,_id"),
];

/// Whole results and pages of every order.
fn check(snapshot: &mut Snapshot, world: &World) {
    for (ty, sort) in SORTS {
        for filter in ["", "code=c1,c2&", "code:text=x&"] {
            if *ty == "Patient" && !filter.is_empty() {
                continue;
            }
            let query = query(ty, &format!("{filter}_sort={sort}"));
            let mut search = |request: &PageRequest| {
                snapshot.search(&query, request).unwrap_or_else(|e| panic!("{ty} {sort}: {e}"))
            };
            let whole = search(&PageRequest {
                from: None,
                backward: false,
                count: 100_000,
                total: Total::Accurate,
            });
            let mut got: Vec<&str> = whole.rows.iter().map(|row| row.head.id.as_str()).collect();
            let places: Vec<(Vec<SortValue>, u32)> = whole
                .rows
                .iter()
                .map(|row| {
                    let known = world.get(row.head.rt, &row.head.id).expect("known");
                    let keys = query.sort.iter();
                    (keys.map(|key| sort_value_in(world, key, known)).collect(), row.head.rid)
                })
                .collect();
            assert!(places.is_sorted(), "{ty} {filter}{sort}");
            got.sort_unstable();
            let want: Vec<&str> = world.search(&query).map(|known| known.id.as_str()).collect();
            assert_eq!(got, want, "{ty} {filter}{sort}");
            let whole = names(&whole);
            for way in [(7, false, false), (7, true, false), (50, false, true), (50, true, true)] {
                assert_eq!(paged(&mut search, way), whole, "{ty} {filter}{sort} {way:?}");
            }
        }
    }
}

fn check_on(store: &Store) {
    let mut random = Random(11);
    let world = fill(store, &mut random);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    check(&mut snapshot, &world);
    // The pages of a snapshot stay as they are while their targets change.
    let query = query("Observation", "_sort=-patient.name");
    let mut search = |request: &PageRequest| snapshot.search(&query, request).expect("search");
    let before = paged(&mut search, (20, false, true));
    let changed: Vec<String> = (0..PATIENTS).map(|n| patient(n, &mut random)).collect();
    write(store, &mut world.clone(), &changed);
    assert_eq!(paged(&mut search, (20, false, true)), before);
}

#[test]
fn pages_in_any_order_are_the_whole_on_sqlite() {
    let (store, _folder) = in_folder();
    check_on(&store);
}

#[test]
fn pages_in_any_order_are_the_whole_on_postgres() {
    let Some(cluster) = case_kit::postgres::cluster("pages_in_any_order_on_postgres") else {
        return;
    };
    let database = Database::parse(&cluster.url()).expect("a URL");
    check_on(&Store::create_at(&database, &cluster.fresh_name(), clock()).expect("create"));
}

#[test]
fn across_types_one_order_along_references() {
    let (store, _folder) = in_folder();
    fill(&store, &mut Random(5));
    let text = "_type=Observation,Provenance,RiskAssessment&_sort=-patient.name,_id";
    let queries = parse_system(None, &pairs(text), setting()).expect(text).queries;
    let risks: Vec<String> = (0..30)
        .map(|n| {
            format!(
                r#"{{"resourceType":"RiskAssessment","id":"r{n}","meta":{{}},"status":"final","subject":{{"reference":"Patient/p{n}"}}}}"#
            )
        })
        .collect();
    write(&store, &mut World::default(), &risks);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let mut search =
        |request: &PageRequest| snapshot.search_across(&queries, request).expect("search");
    let whole = paged(&mut search, (100_000, false, false));
    assert_eq!(whole.len() as u64, OBSERVATIONS + 30);
    for way in [(9, false, false), (9, true, false), (40, false, true), (40, true, true)] {
        assert_eq!(paged(&mut search, way), whole, "{way:?}");
    }
}

#[test]
fn more_than_the_limit_is_refused_and_says_so() {
    let (store, _folder) = in_folder();
    let mut world = World::default();
    let mut n = 0;
    let mut add = |upto: u64, world: &mut World| {
        while n < upto {
            let end = upto.min(n + 4_000);
            let part: Vec<String> = (n..end)
                .map(|n| {
                    format!(
                        r#"{{"resourceType":"RiskAssessment","id":"r{n}","meta":{{}},"status":"final","subject":{{"reference":"Patient/p{}"}}}}"#,
                        n % 7
                    )
                })
                .collect();
            write(&store, world, &part);
            n = end;
        }
    };
    let patients: Vec<String> = (0..7).map(|n| patient(n, &mut Random(n))).collect();
    write(&store, &mut world, &patients);
    add(SORT_CHAINED_MAX, &mut world);
    let query = query("RiskAssessment", "_sort=subject:Patient.name");
    let request = PageRequest { from: None, backward: false, count: 20, total: Total::None };
    let page = store
        .snapshot(Sees::everything())
        .expect("snapshot")
        .search(&query, &request)
        .expect("at the limit");
    assert_eq!(page.rows.len(), 20);
    add(SORT_CHAINED_MAX + 1, &mut world);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let error = snapshot.search(&query, &request).expect_err("above the limit");
    assert_eq!(error.kind, Kind::TooCostly);
    assert!(error.public.contains("20000 resources"), "{}", error.public);
    // Without pages there is no order to find.
    let count = PageRequest { count: 0, total: Total::Accurate, ..request };
    let page = snapshot.search(&query, &count).expect("a count");
    assert_eq!(page.total, Some(SORT_CHAINED_MAX + 1));
}
