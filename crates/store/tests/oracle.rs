//! Random searches over random resources: the index answers as the matcher in memory does, on both
//! engines, from memory and from disk, after updates and deletions.
//!
//! `ORACLE_QUERIES` asks for more of them: the long form of `docs/reliability.md` asks for 100 000
//! on each engine.

#[path = "common/clock.rs"]
mod clock;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use fhir::json::Doc;
use fhir_tables::{ResourceType, SearchKind};
use search::Sees;
use search::parse::{Handling, Setting, parse};
use search::query::{Query, Total};
use search::world::{Known, World};
use store::{DataKey, Database, Expect, PageRequest, Put, PutKind, Snapshot, Store, WriteSet};

use case_kit::Random;
use clock::{START_MS, clock};

/// Queries without a request for more.
const QUERIES: usize = 1_500;
/// Queries on one record; half of them before and half after it was closed and opened again.
const QUERIES_PER_WORLD: usize = 2_500;
const PATIENTS: u64 = 40;
const RESOURCES: u64 = 420;

enum Home {
    Folder(PathBuf, DataKey),
    Database(Database, String),
}

impl Home {
    fn folder() -> Home {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("vitae-oracle-{}-{n}", std::process::id()));
        Home::Folder(folder, DataKey::random().expect("random"))
    }

    fn create(&self) -> Store {
        match self {
            Home::Folder(folder, key) => Store::create(folder, key, clock()),
            Home::Database(database, name) => Store::create_at(database, name, clock()),
        }
        .expect("create")
    }

    fn open(&self) -> Store {
        match self {
            Home::Folder(folder, key) => Store::open(folder, key, clock()),
            Home::Database(database, name) => Store::open_at(database, name, clock()),
        }
        .expect("open")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Home::Folder(folder, _) = self {
            let _gone = std::fs::remove_dir_all(folder);
        }
    }
}

const CODES: [&str; 7] = ["8302-2", "8480-6", "8462-4", "a,b", "x|y", "Ärzte", "85354-9"];
const SYSTEMS: [&str; 3] = ["http://loinc.org", "http://snomed.info/sct", "urn:own"];
const WORDS: [&str; 12] = [
    "Stone",
    "stone",
    "Stonewall",
    "Müller",
    "MULLER",
    "O'Neill",
    "van der Berg",
    "Ñandú",
    "李",
    "Smith-Jones",
    "Sm",
    "Öztürk son",
];
const TEXTS: [&str; 5] =
    ["Body height", "Body weight measured", "Systolic blood pressure", "blood", "Größe"];
const UNITS: [(&str, f64); 5] = [("mg", 1.0), ("g", 0.001), ("kg", 1e-6), ("cm", 1.0), ("m", 0.01)];

fn date(random: &mut Random) -> String {
    let (y, m, d) = (1968 + random.below(60), 1 + random.below(12), 1 + random.below(28));
    match random.below(9) {
        0 => format!("{y}"),
        1 => format!("{y}-{m:02}"),
        2..=5 => format!("{y}-{m:02}-{d:02}"),
        6 => format!("{y}-{m:02}-{d:02}T{:02}:30:00Z", random.below(24)),
        7 => format!("{y}-{m:02}-{d:02}T23:59:59.999-05:00"),
        _ => format!("{y}-01-01T00:00:00+14:00"),
    }
}

fn number(random: &mut Random) -> String {
    let n = random.below(400) as i64 - 40;
    match random.below(5) {
        0 => format!("{n}"),
        1 => format!("{n}.0"),
        2 => format!("{n}.5"),
        3 => format!("{n}e-1"),
        _ => format!("0.0{}", n.unsigned_abs()),
    }
}

fn json(text: &str) -> String {
    fhir::json::Value::from(text).to_json()
}

fn coding(random: &mut Random) -> String {
    let code = json(random.of(&CODES));
    match random.below(4) {
        0 => format!(r#"{{"code":{code}}}"#),
        _ => format!(
            r#"{{"system":"{}","code":{code},"display":{}}}"#,
            random.of(&SYSTEMS),
            json(random.of(&TEXTS))
        ),
    }
}

fn concept(random: &mut Random) -> String {
    let mut codings = vec![coding(random)];
    if random.in_ten(3) {
        codings.push(coding(random));
    }
    format!(r#"{{"coding":[{}],"text":{}}}"#, codings.join(","), json(random.of(&TEXTS)))
}

fn quantity(random: &mut Random) -> String {
    let value = number(random);
    match random.below(4) {
        0 => format!(r#"{{"value":{value}}}"#),
        1 => format!(r#"{{"value":{value},"unit":"{}"}}"#, UNITS[random.below(5) as usize].0),
        _ => {
            let unit = UNITS[random.below(5) as usize].0;
            format!(
                r#"{{"value":{value},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}"#
            )
        }
    }
}

/// A resource with these members behind type, id and meta.
fn resource(ty: &str, id: &str, random: &mut Random, members: &[String]) -> String {
    let meta = match random.below(5) {
        0 => r#""meta":{"tag":[{"system":"urn:own","code":"t"}]}"#,
        _ => r#""meta":{}"#,
    };
    let members: String = members.iter().map(|m| format!(",{m}")).collect();
    format!(r#"{{"resourceType":"{ty}","id":"{id}",{meta}{members}}}"#)
}

fn patient(n: u64, random: &mut Random) -> String {
    let mut members = vec![
        format!(
            r#""name":[{{"family":{},"given":[{},{}]}}]"#,
            json(random.of(&WORDS)),
            json(random.of(&WORDS)),
            json(random.of(&WORDS))
        ),
        format!(r#""gender":"{}""#, random.of(&["female", "male", "unknown"])),
        format!(
            r#""identifier":[{{"system":"{}","value":"{}"}}]"#,
            random.of(&SYSTEMS),
            random.below(60)
        ),
        format!(r#""active":{}"#, random.of(&["true", "false"])),
        format!(
            r#""address":[{{"city":{},"postalCode":"0{}"}}]"#,
            json(random.of(&WORDS)),
            random.below(9)
        ),
    ];
    if random.in_ten(8) {
        members.push(format!(
            r#""birthDate":"19{:02}-0{}-11""#,
            random.below(99),
            1 + random.below(9)
        ));
    }
    if random.in_ten(2) {
        members.push(r#""deceasedBoolean":true"#.to_owned());
    }
    resource("Patient", &format!("p{n}"), random, &members)
}

fn observation(n: u64, random: &mut Random) -> String {
    let mut members = vec![
        format!(r#""status":"{}""#, random.of(&["final", "amended", "preliminary"])),
        format!(r#""code":{}"#, concept(random)),
        format!(r#""category":[{}]"#, concept(random)),
    ];
    if random.in_ten(9) {
        let to = match random.below(12) {
            0 => r#"{"reference":"http://elsewhere.org/Patient/p1"}"#.to_owned(),
            1 => {
                format!(r#"{{"identifier":{{"system":"urn:own","value":"{}"}}}}"#, random.below(9))
            }
            _ => format!(r#"{{"reference":"Patient/p{}"}}"#, random.below(PATIENTS)),
        };
        members.push(format!(r#""subject":{to}"#));
    }
    match random.below(6) {
        0 => {}
        1 => members.push(format!(r#""effectivePeriod":{{"start":"{}"}}"#, date(random))),
        2 => {
            let y = 1990 + random.below(20);
            members.push(format!(
                r#""effectivePeriod":{{"start":"{y}-03-04","end":"{}-02"}}"#,
                y + random.below(9)
            ));
        }
        _ => members.push(format!(r#""effectiveDateTime":"{}""#, date(random))),
    }
    match random.below(6) {
        0 => members.push(format!(r#""valueString":{}"#, json(random.of(&TEXTS)))),
        1 => members.push(format!(r#""valueCodeableConcept":{}"#, concept(random))),
        2 => {}
        _ => members.push(format!(r#""valueQuantity":{}"#, quantity(random))),
    }
    if random.in_ten(4) {
        let parts: Vec<String> = (0..1 + random.below(3))
            .map(|_| {
                let value = match random.below(3) {
                    0 => format!(r#""valueCodeableConcept":{}"#, concept(random)),
                    _ => format!(r#""valueQuantity":{}"#, quantity(random)),
                };
                format!(r#"{{"code":{},{value}}}"#, concept(random))
            })
            .collect();
        members.push(format!(r#""component":[{}]"#, parts.join(",")));
    }
    resource("Observation", &format!("o{n}"), random, &members)
}

fn value_set(n: u64, random: &mut Random) -> String {
    let members = [
        format!(r#""url":"http://own.org/vs/{}{}""#, random.of(&["a", "a/b", "a/b/c", "é"]), n % 5),
        r#""status":"active""#.to_owned(),
        format!(r#""name":{}"#, json(random.of(&WORDS))),
        format!(r#""description":{}"#, json(random.of(&TEXTS))),
        format!(r#""date":"{}""#, date(random)),
    ];
    resource("ValueSet", &format!("v{n}"), random, &members)
}

fn risk(n: u64, random: &mut Random) -> String {
    let members = [
        r#""status":"final""#.to_owned(),
        format!(r#""subject":{{"reference":"Patient/p{}"}}"#, random.below(PATIENTS)),
        format!(r#""prediction":[{{"probabilityDecimal":0.{}}}]"#, random.below(99)),
    ];
    resource("RiskAssessment", &format!("r{n}"), random, &members)
}

/// A pair that may be asked for.
fn pair(rt: ResourceType, random: &mut Random) -> (String, String) {
    let params: Vec<_> = search::params::of(rt)
        .filter(|(_, p)| !p.expression.is_empty() || matches!(p.code, "_id" | "_lastUpdated"))
        .collect();
    // Those that find something more often than the others.
    let usual = [
        "code",
        "date",
        "value-quantity",
        "subject",
        "patient",
        "name",
        "family",
        "identifier",
        "birthdate",
        "category",
        "combo-code",
        "component-value-quantity",
        "url",
        "probability",
        "code-value-quantity",
        "component-code-value-quantity",
        "combo-code-value-quantity",
        "component-code-value-concept",
        "code-value-concept",
        "_id",
        "_lastUpdated",
        "_tag",
        "combo-value-concept",
        "value-string",
        "gender",
        "description",
        "address",
    ];
    let mut chosen = params[random.below(params.len() as u64) as usize].1;
    for _ in 0..20 {
        if usual.contains(&chosen.code) {
            break;
        }
        chosen = params[random.below(params.len() as u64) as usize].1;
    }
    let many = if random.in_ten(2) { 1 + random.below(3) } else { 1 };
    let (mut name, kind) = (chosen.code.to_owned(), chosen.kind);
    let modifier = match (random.below(4), kind) {
        (0, SearchKind::Token) => random.of(&[":not", ":text", ":missing"]),
        (0, SearchKind::String) => random.of(&[":exact", ":contains", ":missing"]),
        (0, SearchKind::Uri) => random.of(&[":above", ":below", ":missing"]),
        (0, SearchKind::Reference) => random.of(&[":missing", ":identifier", ":Patient"]),
        (0, _) => random.of(&["", ":missing"]),
        _ => "",
    };
    name.push_str(modifier);
    let values: Vec<String> = (0..many)
        .map(|_| match modifier {
            ":missing" => random.of(&["true", "false"]).to_owned(),
            ":text" => random.of(&["body", "Systolic", "blood pressure", "grosse"]).to_owned(),
            ":identifier" => format!("urn:own|{}", random.below(9)),
            _ if chosen.code == "_id" => {
                format!("{}{}", random.of(&["p", "o", "r"]), random.below(90))
            }
            _ => value(kind, chosen, random),
        })
        .collect();
    (name, values.join(","))
}

fn value(kind: SearchKind, param: &fhir_tables::SearchParam, random: &mut Random) -> String {
    let prefix = |random: &mut Random| {
        random.of(&["", "", "eq", "ne", "lt", "gt", "le", "ge", "sa", "eb", "ap"])
    };
    match kind {
        SearchKind::Date if param.code == "_lastUpdated" => {
            format!("{}2026-09-{:02}", prefix(random), 20 + random.below(10))
        }
        SearchKind::Date => {
            format!("{}{}", prefix(random), date(random).replace('+', "%2B").replace("%2B", "+"))
        }
        SearchKind::Number => format!("{}{}", prefix(random), number(random)),
        SearchKind::Quantity => {
            let unit = match random.below(4) {
                0 => format!("||{}", UNITS[random.below(5) as usize].0),
                1 => format!("|http://unitsofmeasure.org|{}", UNITS[random.below(5) as usize].0),
                _ => String::new(),
            };
            format!("{}{}{unit}", prefix(random), number(random))
        }
        SearchKind::String => {
            random.of(&["Stone", "st", "mul", "MÜL", "o'n", "Berg", "blood", "0"]).to_owned()
        }
        SearchKind::Uri => random
            .of(&[
                "http://own.org/vs/a1",
                "http://own.org/vs/a/b",
                "http://own.org/vs/é2",
                "http://own.org/vs/a/b/c3",
            ])
            .to_owned(),
        SearchKind::Reference => {
            let n = random.below(PATIENTS + 3);
            match random.below(4) {
                0 => format!("p{n}"),
                1 => "http://elsewhere.org/Patient/p1".to_owned(),
                _ => format!("Patient/p{n}"),
            }
        }
        SearchKind::Token => {
            let code = random.of(&CODES).replace(',', "\\,").replace('|', "\\|");
            match random.below(8) {
                0 => format!("|{code}"),
                1 => format!("{}|", random.of(&SYSTEMS)),
                2 | 3 => format!("{}|{code}", random.of(&SYSTEMS)),
                4 => random.of(&["final", "female", "true", "male", "active", "t"]).to_owned(),
                5 => format!("{}", random.below(60)),
                _ => code,
            }
        }
        SearchKind::Composite => {
            let parts: Vec<String> = param
                .components
                .iter()
                .filter_map(|(code, _)| {
                    let (_, def) = search::params::find(param.base, code)?;
                    Some(value(def.kind, def, random).replace('$', "\\$"))
                })
                .collect();
            parts.join("$")
        }
        SearchKind::Special => String::new(),
    }
}

fn put(text: &str) -> Put {
    let doc = Doc::parse(text).expect(text);
    let root = doc.root();
    let rt = ResourceType::from_name(&root.str("resourceType").expect("type")).expect("known");
    let at = text.find("\"meta\":{").expect("meta") + 8;
    // What stands behind the place for version and time.
    let (head, tail) = text.split_at(at);
    let comma = if tail.starts_with('}') { "" } else { "," };
    Put {
        rt,
        id: root.str("id").expect("id").into_owned(),
        kind: PutKind::Write,
        text: format!("{head}{comma}{tail}"),
        meta_at: at,
        values: search::index_stored(rt, root, ""),
        references: Vec::new(),
        expect: Expect::Any,
    }
}

/// A random record, in a store and in memory.
fn fill(store: &Store, random: &mut Random) -> World {
    let mut world = World::default();
    let mut all: Vec<String> = (0..PATIENTS).map(|n| patient(n, random)).collect();
    for n in 0..RESOURCES {
        // One in five is written again later.
        let n = if random.in_ten(2) { random.below(n + 1) } else { n };
        all.push(match random.below(8) {
            0 => value_set(n, random),
            1 => risk(n, random),
            2 => patient(random.below(PATIENTS), random),
            _ => observation(n, random),
        });
    }
    for text in all {
        let one = put(&text);
        let (rt, id) = (one.rt, one.id.clone());
        let doc = Doc::parse(text.as_str()).expect("JSON");
        let values = search::index(rt, doc.root(), "");
        let set = WriteSet { puts: vec![one], ..WriteSet::default() };
        let done = store.commit(set).expect("commit");
        let last_updated_ms = done.puts[0].last_updated_ms;
        world.put(Known { rt, id: id.clone(), last_updated_ms, values });
        if rt == ResourceType::OBSERVATION && random.below(12) == 0 {
            let gone = Put {
                rt,
                id: id.clone(),
                kind: PutKind::Delete,
                text: String::new(),
                meta_at: 0,
                values: Vec::new(),
                references: Vec::new(),
                expect: Expect::Exists,
            };
            store.commit(WriteSet { puts: vec![gone], ..WriteSet::default() }).expect("deletion");
            world.remove(rt, &id);
        }
    }
    world
}

/// Asks until `n` searches were understood; the number that found something.
fn ask(snapshot: &mut Snapshot, world: &World, random: &mut Random, n: usize) -> usize {
    let types = [
        ResourceType::OBSERVATION,
        ResourceType::OBSERVATION,
        ResourceType::OBSERVATION,
        ResourceType::PATIENT,
        ResourceType::from_name("ValueSet").expect("known"),
        ResourceType::from_name("RiskAssessment").expect("known"),
    ];
    let setting = Setting {
        handling: Handling::Strict,
        base_url: "",
        now_ms: START_MS,
        lookup: &search::lookup::NoRecord,
    };
    let (mut asked, mut refused, mut found) = (0, 0, 0);
    while asked < n {
        let rt = types[random.below(types.len() as u64) as usize];
        let pairs: Vec<(String, String)> =
            (0..1 + random.below(3)).map(|_| pair(rt, random)).collect();
        let query: Query = match parse(rt, None, &pairs, setting) {
            Ok(query) => query,
            Err(_) => {
                refused += 1;
                assert!(refused < 20 * n, "nearly all is refused: {pairs:?}");
                continue;
            }
        };
        asked += 1;
        let want: Vec<&str> = world.search(&query).map(|known| known.id.as_str()).collect();
        let request =
            PageRequest { from: None, backward: false, count: 100_000, total: Total::Accurate };
        let page = snapshot.search(&query, &request).expect("search");
        let mut got: Vec<&str> = page.rows.iter().map(|row| row.head.id.as_str()).collect();
        got.sort_unstable();
        assert_eq!(got, want, "{rt}?{pairs:?}");
        assert_eq!(page.total, Some(want.len() as u64), "{rt}?{pairs:?}");
        found += usize::from(!want.is_empty());
    }
    found
}

fn compare(mut home: impl FnMut() -> Home, engine: &str) {
    let wanted = std::env::var("ORACLE_QUERIES").ok().and_then(|n| n.parse().ok());
    let wanted: usize = wanted.unwrap_or(QUERIES);
    let (mut done, mut found, mut world_idx) = (0, 0, 0u64);
    while done < wanted {
        let half = (wanted - done).min(QUERIES_PER_WORLD).div_ceil(2);
        let home = home();
        let mut random = Random(world_idx * 7_919 + 3);
        let store = home.create();
        let world = fill(&store, &mut random);
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        found += ask(&mut snapshot, &world, &mut random, half);
        drop(snapshot);
        drop(store);
        let store = home.open();
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        found += ask(&mut snapshot, &world, &mut random, half);
        drop(snapshot);
        done += 2 * half;
        world_idx += 1;
    }
    println!("{engine}: {done} searches on {world_idx} records, {found} found something, 0 differ");
    assert!(found * 5 > done, "{found} of {done} found something");
}

#[test]
fn random_searches_find_what_the_matcher_finds_on_sqlite() {
    compare(Home::folder, "SQLite");
}

#[test]
fn random_searches_find_what_the_matcher_finds_on_postgres() {
    let Some(cluster) = case_kit::postgres::cluster("random_searches_on_postgres") else { return };
    compare(
        || {
            let database = Database::parse(&cluster.url()).expect("a URL");
            Home::Database(database, cluster.fresh_name())
        },
        "PostgreSQL",
    );
}
