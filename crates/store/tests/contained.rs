//! Searches that look into resources, compared with a world in memory in which everything that is
//! contained stands on its own, under the name of its container: chains, `_has`, `_filter` and
//! `_sort`, pages of any size, on both engines.

#[path = "common/clock.rs"]
mod clock;

use std::path::PathBuf;

use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::Sees;
use search::parse::{Handling, Setting, parse};
use search::query::{Query, Total};
use search::sort::sort_value_in;
use search::value::{IndexValue, Indexed};
use search::world::{Known, World};
use store::{
    Cursor, DataKey, Database, Expect, INSIDE_MAX, Kind, PageRequest, Put, PutKind,
    SORT_CONTAINED_MAX, SearchPage, Snapshot, Store, WriteSet,
};

use case_kit::Random;
use clock::{START_MS, clock};

const ORGANIZATIONS: u64 = 5;
const ALONE: u64 = 6;
const ORDERS: u64 = 90;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn in_folder(name: &str) -> (Store, Folder) {
    let folder = std::env::temp_dir().join(format!("vitae-{name}-{}", std::process::id()));
    let key = DataKey::random().expect("random");
    (Store::create(&folder, &key, clock()).expect("create"), Folder(folder))
}

const NAMES: &[&str] = &["North", "East", "Clinic"];

fn medication(id: &str, inner_makers: u64, random: &mut Random) -> String {
    let maker = match random.below(5) {
        0 => String::new(),
        1 | 2 if inner_makers > 0 => {
            format!(r##","manufacturer":{{"reference":"#g{}"}}"##, random.below(inner_makers))
        }
        _ => format!(
            r#","manufacturer":{{"reference":"Organization/g{}"}}"#,
            random.below(ORGANIZATIONS + 1)
        ),
    };
    let status = random.of(&["active", "inactive"]);
    format!(
        r#"{{"resourceType":"Medication","id":"{id}","meta":{{}},"status":"{status}","code":{{"coding":[{{"code":"c{}"}}]}}{maker}}}"#,
        random.below(4)
    )
}

fn order(n: u64, random: &mut Random) -> String {
    let (makers, medications) = (random.below(3), random.below(4));
    let mut inner: Vec<String> = (0..makers)
        .map(|n| {
            let name = random.of(NAMES);
            format!(r#"{{"resourceType":"Organization","id":"g{n}","name":"{name}"}}"#)
        })
        .collect();
    inner.extend((0..medications).map(|n| medication(&format!("m{n}"), makers, random)));
    let contained = match inner.is_empty() {
        true => String::new(),
        false => format!(r#","contained":[{}]"#, inner.join(",")),
    };
    let ordered = match random.below(4) {
        0 => format!("Medication/a{}", random.below(ALONE)),
        _ if medications > 0 => format!("#m{}", random.below(medications)),
        _ => "Medication/a0".to_owned(),
    };
    let status = random.of(&["active", "stopped"]);
    format!(
        r#"{{"resourceType":"MedicationRequest","id":"r{n}","meta":{{}}{contained},"status":"{status}","intent":"order","medicationReference":{{"reference":"{ordered}"}},"subject":{{"reference":"Patient/p{}"}}}}"#,
        random.below(9)
    )
}

/// References to what is contained, as those of the world.
fn renamed(mut values: Vec<Indexed>, container: &str) -> Vec<Indexed> {
    for indexed in &mut values {
        if let IndexValue::Reference { id, .. } = &mut indexed.value
            && let Some(inner) = id.strip_prefix('#')
        {
            *id = format!("{container}.{inner}");
        }
    }
    values
}

fn write(store: &Store, world: &mut World, json: &str) {
    let doc = Doc::parse(json).expect(json);
    let root = doc.root();
    let rt = ResourceType::from_name(&root.str("resourceType").expect("type")).expect("a type");
    let id = root.str("id").expect("id").into_owned();
    let put = Put {
        rt,
        id: id.clone(),
        kind: PutKind::Write,
        text: json.to_owned(),
        meta_at: json.find("\"meta\":{").expect("meta") + 8,
        values: search::index_stored(rt, root, ""),
        references: Vec::new(),
        expect: Expect::Any,
    };
    let set = WriteSet { puts: vec![put], ..WriteSet::default() };
    let last_updated_ms = store.commit(set).expect("commit").puts[0].last_updated_ms;
    let values = renamed(search::index_within(rt, root, root), &id);
    world.put(Known { rt, id: id.clone(), last_updated_ms, values });
    for n in 0..4 {
        for (ty, name) in
            [("Organization", format!("{id}.g{n}")), ("Medication", format!("{id}.m{n}"))]
        {
            world.remove(ResourceType::from_name(ty).expect(ty), &name);
        }
    }
    for inner in root.list("contained") {
        let rt = ResourceType::from_name(&inner.str("resourceType").expect("type")).expect("known");
        let values = renamed(search::index_within(rt, inner, root), &id);
        let id = format!("{id}.{}", inner.str("id").expect("id"));
        world.put(Known { rt, id, last_updated_ms, values });
    }
}

fn fill(store: &Store) -> World {
    let (mut random, mut world) = (Random(3), World::default());
    for n in 0..ORGANIZATIONS {
        let name = random.of(NAMES);
        let json =
            format!(r#"{{"resourceType":"Organization","id":"g{n}","meta":{{}},"name":"{name}"}}"#);
        write(store, &mut world, &json);
    }
    for n in 0..ALONE {
        write(store, &mut world, &medication(&format!("a{n}"), 0, &mut random));
    }
    for n in (0..ORDERS).chain((0..ORDERS).step_by(6)) {
        write(store, &mut world, &order(n, &mut random));
    }
    world
}

fn query(ty: &str, text: &str) -> Query {
    let lookup = &search::lookup::NoRecord;
    let setting = Setting { handling: Handling::Strict, base_url: "", now_ms: START_MS, lookup };
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| pair.split_once('=').expect("="))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let rt = ResourceType::from_name(ty).expect(ty);
    parse(rt, None, &pairs, setting).unwrap_or_else(|e| panic!("{ty}?{text}: {e:?}"))
}

/// Names of a page's matches, as the world has them.
fn names(page: &SearchPage) -> Vec<String> {
    let name = |(i, row): (usize, &store::Version)| match page.inner.get(i) {
        Some(Some(inner)) => format!("{}.{}", row.head.id, inner.id),
        _ => row.head.id.clone(),
    };
    page.rows.iter().enumerate().map(name).collect()
}

fn request(count: usize) -> PageRequest {
    PageRequest { from: None, backward: false, count, total: Total::Accurate }
}

/// All pages of a size, in either direction.
fn paged(snapshot: &mut Snapshot, query: &Query, count: usize, backward: bool) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut from: Option<Cursor> = None;
    loop {
        let request = PageRequest { from: from.clone(), backward, ..request(count) };
        let page = snapshot.search_contained(query, &request).expect("a page");
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

const CONDITIONS: &[&str] = &[
    "code=c1",
    "code=c1,c2",
    "code:not=c3",
    "status=active",
    "manufacturer.name=north",
    "manufacturer.name=clinic&status=active",
    "manufacturer:missing=true",
    "_has:MedicationRequest:medication:status=active",
    "_has:MedicationRequest:medication:_id=r7",
    "_filter=manufacturer.name eq East or code eq c2",
    "_filter=not(manufacturer.name eq East) and code ne c2",
    "code=c0&_has:MedicationRequest:medication:subject:Patient._id=p1",
];
const SORTS: &[&str] = &["", "code", "-manufacturer.name,code", "status,-_lastUpdated,code"];

fn check_inside(snapshot: &mut Snapshot, world: &World) {
    let mut n_found = 0;
    for condition in CONDITIONS {
        for contained in ["true", "both"] {
            for sort in SORTS {
                let order = if sort.is_empty() { String::new() } else { format!("&_sort={sort}") };
                let text =
                    format!("{condition}&_contained={contained}&_containedType=contained{order}");
                let query = query("Medication", &text);
                let is_wanted = |known: &&Known| contained == "both" || known.id.contains('.');
                let mut want: Vec<&str> =
                    world.search(&query).filter(is_wanted).map(|known| known.id.as_str()).collect();
                want.sort_unstable();
                let page = snapshot.search_contained(&query, &request(100_000));
                let page = page.expect("a search");
                let whole = names(&page);
                let mut got: Vec<&str> = whole.iter().map(String::as_str).collect();
                got.sort_unstable();
                assert_eq!(got, want, "{text}");
                assert_eq!(page.total, Some(want.len() as u64), "{text}");
                n_found += usize::from(!want.is_empty());
                let places: Vec<_> = whole
                    .iter()
                    .map(|id| {
                        let rt = ResourceType::from_name("Medication").expect("known");
                        let known = world.get(rt, id).expect("known");
                        let keys = query.sort.iter();
                        keys.map(|key| sort_value_in(world, key, known)).collect::<Vec<_>>()
                    })
                    .collect();
                assert!(places.is_sorted(), "{text}");
                for (count, backward) in [(3, false), (4, true), (50, true)] {
                    let pages = paged(snapshot, &query, count, backward);
                    assert_eq!(pages, whole, "{text} {count} {backward}");
                }
            }
        }
    }
    assert!(n_found > 60, "{n_found} found something");
}

/// Chains of what stands on its own look into it.
fn check_chains(snapshot: &mut Snapshot, world: &World) {
    let mut n_found = 0;
    for condition in [
        "medication.code=c1",
        "medication.code:not=c1",
        "medication.status=active&status=active",
        "medication.manufacturer.name=north",
        "medication.manufacturer:Organization.name=east,clinic",
        "medication.manufacturer:missing=true",
        "_filter=medication.manufacturer.name eq East or medication.code eq c2",
        "medication.code=c1&_id=r1,r2,r3,r4,r5,r6,r7,r8",
        "medication.code=nothing",
    ] {
        let query = query("MedicationRequest", condition);
        let want: Vec<&str> = world.search(&query).map(|known| known.id.as_str()).collect();
        let page = snapshot.search(&query, &request(100_000)).expect("a search");
        let mut got: Vec<&str> = page.rows.iter().map(|row| row.head.id.as_str()).collect();
        got.sort_unstable();
        assert_eq!(got, want, "{condition}");
        n_found += usize::from(!want.is_empty());
    }
    assert_eq!(n_found, 8);
}

fn check(store: &Store) {
    let world = fill(store);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    check_inside(&mut snapshot, &world);
    check_chains(&mut snapshot, &world);
}

#[test]
fn what_is_inside_is_found_as_if_it_stood_alone_on_sqlite() {
    let (store, _folder) = in_folder("inside");
    check(&store);
}

#[test]
fn what_is_inside_is_found_as_if_it_stood_alone_on_postgres() {
    let Some(cluster) = case_kit::postgres::cluster("what_is_inside_on_postgres") else { return };
    let database = Database::parse(&cluster.url()).expect("a URL");
    check(&Store::create_at(&database, &cluster.fresh_name(), clock()).expect("create"));
}

#[test]
fn more_than_the_limits_is_refused_and_says_so() {
    let (store, _folder) = in_folder("inside-limits");
    let json = |n: u64| {
        format!(
            r##"{{"resourceType":"MedicationRequest","id":"r{n}","meta":{{}},"contained":[{{"resourceType":"Medication","id":"m","code":{{"coding":[{{"code":"c"}}]}}}}],"status":"active","intent":"order","medicationReference":{{"reference":"#m"}},"subject":{{"reference":"Patient/p"}}}}"##
        )
    };
    let add = |from: u64, to: u64| {
        let puts: Vec<Put> = (from..to)
            .map(|n| {
                let text = json(n);
                let doc = Doc::parse(text.as_str()).expect("JSON");
                let rt = ResourceType::from_name("MedicationRequest").expect("known");
                Put {
                    rt,
                    id: format!("r{n}"),
                    kind: PutKind::Write,
                    meta_at: text.find("\"meta\":{").expect("meta") + 8,
                    values: search::index_stored(rt, doc.root(), ""),
                    references: Vec::new(),
                    expect: Expect::Any,
                    text,
                }
            })
            .collect();
        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
    };
    assert_eq!(INSIDE_MAX, SORT_CONTAINED_MAX, "one number of resources for both");
    add(0, INSIDE_MAX);
    let chain = query("MedicationRequest", "medication.code=c");
    let sorted = query("Medication", "_contained=true&_sort=code");
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let page = snapshot.search(&chain, &request(1)).expect("at the limit");
    assert_eq!(page.total, Some(INSIDE_MAX));
    let page = snapshot.search_contained(&sorted, &request(1)).expect("at the limit");
    assert_eq!(page.total, Some(INSIDE_MAX));
    add(INSIDE_MAX, INSIDE_MAX + 1);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let error = snapshot.search(&chain, &request(1)).expect_err("above the limit");
    assert_eq!(error.kind, Kind::TooCostly);
    assert!(error.public.contains("narrow it"), "{}", error.public);
    let error = snapshot.search_contained(&sorted, &request(1)).expect_err("above the limit");
    assert_eq!(error.kind, Kind::TooCostly);
    assert!(error.public.contains("leave _sort out"), "{}", error.public);
    // Narrowed, both are answered.
    let narrowed = query("MedicationRequest", "medication.code=c&_id=r1,r2");
    assert_eq!(snapshot.search(&narrowed, &request(1)).expect("narrowed").total, Some(2));
    let unsorted = query("Medication", "_contained=true");
    let page = snapshot.search_contained(&unsorted, &request(1)).expect("unsorted");
    assert_eq!(page.total, Some(INSIDE_MAX + 1));
}
