//! Chains, `_has`, `_list`, `_filter` and searches across types: the index answers as the matcher
//! over a world in memory, whatever the numbers are.

#[path = "common/put.rs"]
mod put;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use fhir_tables::ResourceType;
use search::Sees;
use search::parse::{Handling, Setting, parse, parse_system};
use search::query::{Query, Total};
use search::world::{Known, World};
use store::{Cursor, DataKey, Expect, PageRequest, Put, PutKind, Snapshot, Store, Way, WriteSet};

use put::{put, rt};

/// A store in a folder that goes away with it, and the same resources in memory.
struct Both {
    store: Option<Store>,
    folder: PathBuf,
    world: World,
    now_ms: i64,
}

impl Drop for Both {
    fn drop(&mut self) {
        self.store = None;
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

const START_MS: i64 = 1_790_000_000_000;

impl Both {
    fn new() -> Both {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("vitae-links-{}-{n}", std::process::id()));
        let now = AtomicI64::new(START_MS);
        let clock: store::Clock = Arc::new(move || now.fetch_add(1000, Ordering::SeqCst));
        let key = DataKey::random().expect("random");
        let store = Store::create(&folder, &key, clock).expect("create");
        Both { store: Some(store), folder, world: World::default(), now_ms: START_MS }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("open")
    }

    fn write(&mut self, resources: &[String]) {
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
        let done = self.store().commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
        for (mut resource, done) in known.into_iter().zip(done.puts) {
            resource.last_updated_ms = done.last_updated_ms;
            self.world.put(resource);
        }
        self.now_ms = done.at_ms;
    }

    fn delete(&mut self, ty: &str, id: &str) {
        let put = Put {
            rt: rt(ty),
            id: id.to_owned(),
            kind: PutKind::Delete,
            text: String::new(),
            meta_at: 0,
            values: Vec::new(),
            references: Vec::new(),
            expect: Expect::Any,
        };
        self.store().commit(WriteSet { puts: vec![put], ..WriteSet::default() }).expect("commit");
        self.world.remove(rt(ty), id);
    }

    /// Compares the answers; the number of matches.
    fn check(&self, snapshot: &mut Snapshot, ty: &str, text: &str) -> usize {
        let query = query(ty, text);
        let want: Vec<&str> = self.world.search(&query).map(|r| r.id.as_str()).collect();
        let request = request(100_000);
        let page = snapshot.search(&query, &request).expect("search");
        let mut got: Vec<&str> = page.rows.iter().map(|row| row.head.id.as_str()).collect();
        assert_eq!(page.total, Some(got.len() as u64), "{ty}?{text}");
        got.sort_unstable();
        assert_eq!(got, want, "{ty}?{text}");
        want.len()
    }
}

fn request(count: usize) -> PageRequest {
    PageRequest { from: None, backward: false, count, total: Total::Accurate }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').expect("="))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn setting() -> Setting<'static> {
    Setting {
        handling: Handling::Strict,
        base_url: "",
        now_ms: START_MS,
        lookup: &search::lookup::NoRecord,
    }
}

fn query(ty: &str, text: &str) -> Query {
    parse(rt(ty), None, &pairs(text), setting()).unwrap_or_else(|e| panic!("{ty}?{text}: {e:?}"))
}

/// Numbers that repeat from run to run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// How many there are of each type.
struct Size {
    organizations: u64,
    patients: u64,
    observations: u64,
}

const SMALL: Size = Size { organizations: 6, patients: 20, observations: 60 };
/// Over what is followed one by one on both sides.
const LARGE: Size = Size { organizations: 40, patients: 4_500, observations: 6_000 };

const FAMILIES: &[&str] = &["Stone", "River", "Stonefield", "Ash", "Õun"];

fn organization(n: u64, random: &mut Random, size: &Size) -> String {
    let part_of = random.below(size.organizations + 1);
    let name = random.of(&["North Clinic", "South Clinic", "Trust"]);
    format!(
        r#"{{"resourceType":"Organization","id":"g{n}","meta":{{}},"name":"{name}","partOf":{{"reference":"Organization/g{part_of}"}}}}"#
    )
}

fn patient(n: u64, random: &mut Random, size: &Size) -> String {
    let family = random.of(FAMILIES);
    let gender = random.of(&["male", "female", "other"]);
    let year = 1940 + random.below(80);
    let organization = random.below(size.organizations + 2);
    let practitioner = random.below(4);
    format!(
        r#"{{"resourceType":"Patient","id":"p{n}","meta":{{}},"name":[{{"family":"{family}","given":["N{n}"]}}],"gender":"{gender}","birthDate":"{year}","managingOrganization":{{"reference":"Organization/g{organization}"}},"generalPractitioner":[{{"reference":"Practitioner/d{practitioner}"}},{{"reference":"Organization/g0"}}]}}"#
    )
}

fn observation(n: u64, random: &mut Random, size: &Size) -> String {
    let code = random.of(&["8302-2", "29463-7", "rare"]);
    let code = if code == "rare" && random.below(40) > 0 { "8867-4" } else { code };
    let status = random.of(&["final", "amended"]);
    let (month, day) = (1 + random.below(12), 1 + random.below(28));
    let value = random.below(200);
    // Some refer to what is not there, to groups, or to nothing.
    let subject = match random.below(20) {
        0 => String::new(),
        1 => r#","subject":{"reference":"Group/u0"}"#.to_owned(),
        _ => {
            let patient = random.below(size.patients + size.patients / 10 + 1);
            format!(r#","subject":{{"reference":"Patient/p{patient}"}}"#)
        }
    };
    let performer = random.below(4);
    format!(
        r#"{{"resourceType":"Observation","id":"o{n}","meta":{{}},"status":"{status}","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}}{subject},"performer":[{{"reference":"Practitioner/d{performer}"}}],"effectiveDateTime":"2020-{month:02}-{day:02}","valueQuantity":{{"value":{value},"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}}}"#
    )
}

fn others(random: &mut Random, size: &Size) -> Vec<String> {
    let mut all: Vec<String> = (0..3)
        .map(|n| {
            let gender = random.of(&["male", "female"]);
            format!(r#"{{"resourceType":"Practitioner","id":"d{n}","meta":{{}},"gender":"{gender}","name":[{{"family":"Dale{n}"}}]}}"#)
        })
        .collect();
    let members: Vec<String> = (0..5)
        .map(|_| {
            let patient = random.below(size.patients);
            format!(r#"{{"entity":{{"reference":"Patient/p{patient}"}}}}"#)
        })
        .collect();
    all.push(format!(
        r#"{{"resourceType":"Group","id":"u0","meta":{{}},"type":"person","actual":true,"member":[{}]}}"#,
        members.join(",")
    ));
    let items: Vec<String> = (0..8)
        .map(|i| {
            let (ty, n) = match i % 2 {
                0 => ("Patient/p", random.below(size.patients)),
                _ => ("Observation/o", random.below(size.observations)),
            };
            format!(r#"{{"item":{{"reference":"{ty}{n}"}}}}"#)
        })
        .collect();
    all.push(format!(
        r#"{{"resourceType":"List","id":"l0","meta":{{}},"status":"current","mode":"working","entry":[{}]}}"#,
        items.join(",")
    ));
    all.extend((0..4).map(|n| {
        let observation = random.below(size.observations);
        format!(r#"{{"resourceType":"Provenance","id":"v{n}","meta":{{}},"target":[{{"reference":"Observation/o{observation}"}}],"recorded":"2020-01-01T00:00:00Z","agent":[{{"who":{{"reference":"Practitioner/d{n}"}}}}]}}"#)
    }));
    all
}

fn filled(size: &Size, random: &mut Random) -> Both {
    let mut both = Both::new();
    // Observations first: their references lead nowhere until the patients come.
    let early: Vec<String> =
        (0..size.observations / 10).map(|n| observation(n, random, size)).collect();
    both.write(&early);
    let mut all = others(random, size);
    all.extend((0..size.organizations).map(|n| organization(n, random, size)));
    all.extend((0..size.patients).map(|n| patient(n, random, size)));
    for part in all.chunks(2_000) {
        both.write(part);
    }
    let rest: Vec<String> =
        (size.observations / 10..size.observations).map(|n| observation(n, random, size)).collect();
    for part in rest.chunks(2_000) {
        both.write(part);
    }
    // New versions of both ends, and some that are gone.
    let mut changed: Vec<String> = Vec::new();
    changed.extend((0..size.patients).step_by(7).map(|n| patient(n, random, size)));
    changed.extend((0..size.observations).step_by(9).map(|n| observation(n, random, size)));
    changed.extend((0..size.organizations).step_by(3).map(|n| organization(n, random, size)));
    for part in changed.chunks(2_000) {
        both.write(part);
    }
    for _ in 0..3 {
        both.delete("Patient", &format!("p{}", random.below(size.patients)));
        both.delete("Observation", &format!("o{}", random.below(size.observations)));
    }
    both
}

/// A condition on a type, without the chain that leads to it.
fn leaf(ty: &str, random: &mut Random, size: &Size) -> (String, String) {
    let of = |random: &mut Random, list: &[(&str, &[&str])]| {
        let (name, values) = list[random.below(list.len() as u64) as usize];
        (name.to_owned(), random.of(values).to_owned())
    };
    let number = |random: &mut Random, prefix: &str, n: u64| format!("{prefix}{}", random.below(n));
    match (ty, random.below(4)) {
        ("Patient", 0) => ("_id".into(), number(random, "p", size.patients)),
        ("Observation", 0) => ("_id".into(), number(random, "o", size.observations)),
        ("Organization", 0) => ("_id".into(), number(random, "g", size.organizations)),
        ("Patient", _) => of(
            random,
            &[
                ("family", FAMILIES),
                ("family:exact", &["Stone", "stone"]),
                ("name:contains", &["ton", "n1", "x"]),
                ("gender", &["male", "female", "male,other", "unknown"]),
                ("gender:not", &["male"]),
                ("gender:missing", &["true", "false"]),
                ("birthdate", &["ge1980", "lt1950", "1977", "ne1977"]),
                ("_lastUpdated", &["ge2026", "lt2000"]),
                ("_list", &["l0", "none"]),
                ("organization", &["Organization/g1", "g2", "g900"]),
            ],
        ),
        ("Observation", _) => of(
            random,
            &[
                ("code", &["8302-2", "http://loinc.org|8867-4", "rare", "rare,29463-7", "none"]),
                ("status", &["final", "amended", "final,amended"]),
                ("status:not", &["final"]),
                ("date", &["2020-05", "ge2020-11", "lt2020-02-10", "2020-03-04"]),
                ("value-quantity", &["gt150", "lt3", "77", "le50|http://unitsofmeasure.org|cm"]),
                ("subject:missing", &["true", "false"]),
                ("combo-code-value-quantity", &["8302-2$gt100"]),
                ("_list", &["l0"]),
            ],
        ),
        ("Organization", _) => of(random, &[("name", &["north", "s", "trust"])]),
        ("Practitioner", _) => of(random, &[("gender", &["male", "female"]), ("name", &["dale1"])]),
        ("Group", _) => of(random, &[("_id", &["u0", "u1"]), ("type", &["person", "animal"])]),
        ("Provenance", _) => of(random, &[("agent", &["Practitioner/d1", "Practitioner/d9"])]),
        _ => ("_id".into(), "l0".into()),
    }
}

/// What leads from one type to another: text before the condition, and the other type.
const LINKS: &[(&str, &str, &str)] = &[
    ("Observation", "subject:Patient.", "Patient"),
    ("Observation", "subject:Group.", "Group"),
    ("Observation", "patient.", "Patient"),
    ("Observation", "performer:Practitioner.", "Practitioner"),
    ("Observation", "_has:Provenance:target:", "Provenance"),
    ("Observation", "_has:List:item:", "List"),
    ("Patient", "organization.", "Organization"),
    ("Patient", "general-practitioner:Practitioner.", "Practitioner"),
    ("Patient", "general-practitioner:Organization.", "Organization"),
    ("Patient", "_has:Observation:patient:", "Observation"),
    ("Patient", "_has:Observation:subject:", "Observation"),
    ("Patient", "_has:Group:member:", "Group"),
    ("Patient", "_has:List:item:", "List"),
    ("Organization", "partof.", "Organization"),
    ("Organization", "_has:Organization:partof:", "Organization"),
    ("Organization", "_has:Patient:organization:", "Patient"),
    ("Practitioner", "_has:Observation:performer:", "Observation"),
    ("Practitioner", "_has:Patient:general-practitioner:", "Patient"),
    ("Group", "member:Patient.", "Patient"),
    ("List", "item:Patient.", "Patient"),
    ("Provenance", "target:Observation.", "Observation"),
];

fn condition(ty: &str, depth: u64, random: &mut Random, size: &Size) -> (String, String) {
    if depth == 0 || random.below(3) == 0 {
        return leaf(ty, random, size);
    }
    let ways: Vec<_> = LINKS.iter().filter(|(from, ..)| *from == ty).collect();
    if ways.is_empty() {
        return leaf(ty, random, size);
    }
    let (_, before, to) = ways[random.below(ways.len() as u64) as usize];
    let (name, value) = condition(to, depth - 1, random, size);
    (format!("{before}{name}"), value)
}

/// A `_filter` on patients or observations.
fn filter(ty: &str, depth: u64, random: &mut Random) -> String {
    if depth > 0 && random.below(3) > 0 {
        let (a, b) = (filter(ty, depth - 1, random), filter(ty, depth - 1, random));
        return match random.below(4) {
            0 => format!("{a} and {b}"),
            1 => format!("{a} or {b}"),
            2 => format!("not ({a})"),
            _ => format!("({a}) and ({b})"),
        };
    }
    let patient = &[
        "family eq stone",
        "family ne stone",
        "family co \"ive\"",
        "family ew e",
        "family sw st",
        "family gt river",
        "family le river",
        "gender eq male",
        "gender ne male",
        "gender pr false",
        "birthdate eq 1977",
        "birthdate lt 1960",
        "birthdate ne 1977",
        "birthdate co 1977-02-03",
        "birthdate po 1977-02",
        "_id eq p3",
        "_id ne p3",
        "organization re Organization/g1",
        "organization.name sw north",
        "organization[name sw n].partof.name sw t",
        "general-practitioner:Practitioner.gender eq male",
    ];
    let observation = &[
        "code eq loinc|8302-2",
        "code ne loinc|8302-2",
        "status eq final",
        "value-quantity gt 100",
        "value-quantity eq 77",
        "value-quantity ne 77",
        "value-quantity ap 100",
        "date po 2020-03",
        "date eq 2020-03-04",
        "date sa 2020-06",
        "subject re Patient/p3",
        "subject ne Patient/p3",
        "patient.gender eq male",
        "patient.family ew d",
        "patient[gender eq male].birthdate lt 1980",
        "patient.organization.name co lin",
        "subject pr false",
    ];
    (if ty == "Patient" { random.of(patient) } else { random.of(observation) }).to_owned()
}

fn random_query(random: &mut Random, size: &Size) -> (&'static str, String) {
    let ty = random.of(&["Patient", "Observation", "Observation", "Organization", "Practitioner"]);
    if matches!(ty, "Patient" | "Observation") && random.below(4) == 0 {
        return (ty, format!("_filter={}", filter(ty, 3, random)));
    }
    let n = 1 + random.below(3);
    let pairs: Vec<String> = (0..n)
        .map(|_| {
            let depth = random.below(4);
            let (name, value) = condition(ty, depth, random, size);
            format!("{name}={value}")
        })
        .collect();
    (ty, pairs.join("&"))
}

#[test]
fn random_conditions_are_answered_as_by_the_matcher() {
    let n_queries: usize =
        std::env::var("VITAE_QUERIES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let mut n_found = 0;
    for seed in 0..4 {
        let mut random = Random(seed);
        let both = filled(&SMALL, &mut random);
        let mut snapshot = both.store().snapshot(Sees::everything()).expect("snapshot");
        for _ in 0..n_queries / 4 {
            let (ty, text) = random_query(&mut random, &SMALL);
            n_found += usize::from(both.check(&mut snapshot, ty, &text) > 0);
        }
    }
    assert!(n_found > n_queries / 4, "{n_found} of {n_queries} queries found something");
}

#[test]
fn many_on_both_sides_are_joined_as_by_the_matcher() {
    let mut random = Random(11);
    let both = filled(&LARGE, &mut random);
    let mut snapshot = both.store().snapshot(Sees::everything()).expect("snapshot");
    for (ty, text) in [
        ("Observation", "patient.gender:not=male"),
        ("Observation", "patient.birthdate=ge1950&status=final"),
        ("Observation", "patient.organization.name=north,south"),
        ("Observation", "subject.gender:missing=false"),
        ("Patient", "_has:Observation:patient:status=final,amended"),
        ("Patient", "_has:Observation:patient:code:not=rare&gender=male"),
        ("Patient", "general-practitioner:Practitioner.gender=male,female"),
        ("Practitioner", "_has:Observation:performer:status=final"),
        ("Organization", "_has:Patient:organization:gender:not=male"),
    ] {
        assert!(both.check(&mut snapshot, ty, text) > 0, "{ty}?{text}");
    }
    let ways = |snapshot: &mut Snapshot, ty: &str, text: &str| -> Vec<Way> {
        let plans = snapshot.explain(&[query(ty, text)], &|| 0).expect("explain");
        plans[0].steps.iter().map(|step| step.way).collect()
    };
    let way = ways(&mut snapshot, "Observation", "patient.gender:not=male");
    assert_eq!(way[0], Way::Columns, "{way:?}");
    let way = ways(&mut snapshot, "Observation", "patient._id=p3");
    assert_eq!(way[0], Way::FromInner, "{way:?}");
    let way = ways(&mut snapshot, "Observation", "_id=o3,o4&patient.gender:not=male");
    assert_eq!((way[0], way[1]), (Way::Lookup, Way::FromCandidates));
    for _ in 0..12 {
        let (ty, text) = random_query(&mut random, &LARGE);
        both.check(&mut snapshot, ty, &text);
    }
}

#[test]
fn the_shorter_list_comes_first_and_is_counted() {
    let mut random = Random(3);
    let both = filled(&LARGE, &mut random);
    let mut snapshot = both.store().snapshot(Sees::everything()).expect("snapshot");
    for text in
        ["status=|final&code=http://loinc.org|rare", "code=http://loinc.org|rare&status=|final"]
    {
        let text = &format!("date=ge2000&{text}");
        let plans = snapshot.explain(&[query("Observation", text)], &|| 0).expect("explain");
        let steps = &plans[0].steps;
        assert!(steps[0].condition.starts_with("code="), "{steps:?}");
        assert!(steps[0].listed < steps[1].listed && steps[0].listed > Some(0), "{steps:?}");
        // A list of its own is looked up, a range is checked on the few that are left.
        assert_eq!((steps[1].way, steps[2].way), (Way::Lists, Way::Verify));
        let found = both.check(&mut snapshot, "Observation", text);
        assert_eq!(plans[0].total, found as u64);
    }
}

#[test]
fn across_types_pages_follow_each_other_in_both_directions() {
    let mut random = Random(5);
    let both = filled(&SMALL, &mut random);
    let mut snapshot = both.store().snapshot(Sees::everything()).expect("snapshot");
    for (within, text) in [
        (None, ""),
        (None, "_lastUpdated=ge2000"),
        (None, "_type=Patient,Observation,Group"),
        (None, "_type=Patient,Observation&_sort=-_lastUpdated"),
        (None, "_sort=_lastUpdated,-_id"),
        (None, "_sort=-_id"),
        (None, "_id=p1,o1,g1"),
        (Some("p1"), ""),
        (Some("p1"), "_sort=-_lastUpdated"),
        (Some("p1"), "_type=Observation,Patient"),
    ] {
        let within = within.map(|id| (ResourceType::PATIENT, id));
        let queries = parse_system(within, &pairs(text), setting()).expect(text).queries;
        let mut page = |from: Option<Cursor>, backward, count| {
            let request = PageRequest { from, backward, count, total: Total::Accurate };
            snapshot.search_across(&queries, &request).expect("search")
        };
        let whole = page(None, false, 10_000);
        let all: Vec<_> = whole.rows.iter().map(|r| (r.head.rt, r.head.id.clone())).collect();
        let mut want: Vec<_> = queries
            .iter()
            .flat_map(|query| both.world.search(query).map(|r| (r.rt, r.id.clone())))
            .collect();
        let mut sorted = all.clone();
        sorted.sort();
        want.sort();
        assert_eq!(sorted, want, "{text}");
        assert!(!all.is_empty() && whole.total == Some(all.len() as u64), "{text}");
        let (mut seen, mut from, mut last_first) = (Vec::new(), None, None);
        loop {
            let p = page(from, false, 7);
            seen.extend(p.rows.iter().map(|r| (r.head.rt, r.head.id.clone())));
            last_first = p.first.or(last_first);
            if !p.more {
                break;
            }
            from = p.last;
        }
        assert_eq!(seen, all, "{text} forward");
        let mut back = Vec::new();
        let mut from = last_first;
        while let Some(cursor) = from.take() {
            let p = page(Some(cursor), true, 7);
            let rows: Vec<_> = p.rows.iter().map(|r| (r.head.rt, r.head.id.clone())).collect();
            back.splice(0..0, rows);
            from = p.first.filter(|_| p.more);
        }
        let n_last = (all.len() - 1) % 7 + 1;
        assert_eq!(back, all[..all.len() - n_last], "{text} backward from the last page");
    }
}
