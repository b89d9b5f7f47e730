//! Sets of codes, units, full text and places: what the index answers is what the matcher answers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::Sees;
use search::lookup::{Direction, Lookup, Refusal};
use search::query::{Query, Total};
use store::{DataKey, Expect, PageRequest, Put, PutKind, Snapshot, Store, WriteSet};
use terminology::{CodeSet, Codes};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        Folder(std::env::temp_dir().join(format!("vitae-terms-{}-{n}", std::process::id())))
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

/// Value sets by name: `n` codes from the first on, of one system or two, or all but some.
#[derive(Debug)]
struct Facts;

impl Lookup for Facts {
    fn value_set(&self, url: &str) -> Result<CodeSet, Refusal> {
        let numbers = |from: u64, to: u64| (from..to).map(|n| format!("c{n}")).collect();
        let (kind, n) = url.strip_prefix("http://").and_then(|u| u.split_once('/')).expect("url");
        let n: u64 = n.parse().expect("a number");
        Ok(match kind {
            "first" => CodeSet::of("http://s", Codes::Listed(numbers(0, n))),
            "large" => CodeSet::of("http://s", Codes::Listed(numbers(n, n + 10_000))),
            "but" => CodeSet::of("http://t", Codes::AllBut(numbers(0, n))),
            "bare" => CodeSet::of("", Codes::Listed(numbers(0, n))),
            _ => {
                let mut set = CodeSet::of("http://t", Codes::Listed(numbers(0, n)));
                set.add("http://unknown", Codes::AllBut(BTreeSet::new()));
                set.add("http://s", Codes::Listed(numbers(5, 5 + n)));
                set
            }
        })
    }

    fn subsumption(&self, system: &str, code: &str, _: Direction) -> Result<CodeSet, Refusal> {
        Ok(CodeSet::of(system, Codes::Listed(BTreeSet::from([code.to_owned()]))))
    }

    fn parts(&self, _: ResourceType, id: &str, _: Direction) -> Result<Vec<String>, Refusal> {
        Ok(vec![id.to_owned()])
    }
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }
}

const WORDS: &[&str] = &[
    "heart",
    "failure",
    "acute",
    "chronic",
    "Århus",
    "O'Brien",
    "well-being",
    "of",
    "the",
    "王小明",
    "heartburn",
    "fail",
    "2nd",
    "x",
];
const UNITS: &[&str] =
    &["mg", "g", "kg", "ug", "mL", "L", "{tbl}", "1", "Cel", "[degF]", "nonsense", "[pH]"];

fn sentence(random: &mut Random) -> String {
    let n = 1 + random.below(6);
    (0..n).map(|_| random.of(WORDS)).collect::<Vec<_>>().join(random.of(&[" ", ", ", "; "]))
}

fn put(json: String) -> Put {
    let doc = Doc::parse(json.as_str()).expect(&json);
    let root = doc.root();
    let ty = ResourceType::from_name(&root.str("resourceType").expect("type")).expect("type");
    Put {
        rt: ty,
        id: root.str("id").expect("id").into_owned(),
        kind: PutKind::Write,
        meta_at: json.find("\"meta\":{").expect("meta") + 8,
        values: search::index_stored(ty, root, ""),
        references: Vec::new(),
        expect: Expect::Any,
        text: json,
    }
}

fn observation(random: &mut Random, id: u64) -> Put {
    let system = random.of(&["http://s", "http://t", "http://u"]);
    let coding = |random: &mut Random| {
        let bare = random.below(8) == 0;
        let system = if bare { String::new() } else { format!(r#""system":"{system}","#) };
        format!(r#"{{{system}"code":"c{}","display":"{}"}}"#, random.below(40), sentence(random))
    };
    let codings = [coding(random), coding(random)].join(",");
    let unit = random.of(UNITS);
    let of = random.of(&["http://unitsofmeasure.org", "http://unitsofmeasure.org", "http://o"]);
    let value = random.below(4_000) as f64 / [1.0, 10.0, 1000.0, 1e6][random.below(4) as usize];
    let narrative = if random.below(3) == 0 {
        let text = sentence(random);
        format!(r#""text":{{"status":"generated","div":"<div><p>{text}</p></div>"}},"#)
    } else {
        String::new()
    };
    put(format!(
        r#"{{"resourceType":"Observation","id":"o{id}","meta":{{}},{narrative}"status":"final","code":{{"coding":[{codings}],"text":"{}"}},"valueQuantity":{{"value":{value},"unit":"{unit}","system":"{of}","code":"{unit}"}},"note":[{{"text":"{}"}}]}}"#,
        sentence(random),
        sentence(random),
    ))
}

fn location(random: &mut Random, id: u64) -> Put {
    let latitude = random.below(181_000) as f64 / 1000.0 - 90.0;
    let longitude = random.below(361_000) as f64 / 1000.0 - 180.0;
    put(format!(
        r#"{{"resourceType":"Location","id":"l{id}","meta":{{}},"position":{{"latitude":{latitude:.3},"longitude":{longitude:.3}}}}}"#
    ))
}

fn full_text(random: &mut Random) -> String {
    let mut out = vec![random.of(WORDS).to_owned()];
    for _ in 0..random.below(3) {
        out.push(match random.below(6) {
            0 => format!("\"{} {}\"", random.of(WORDS), random.of(WORDS)),
            1 => format!("-{}", random.of(WORDS)),
            2 => format!("| {}", random.of(WORDS)),
            3 => format!("{}*", random.of(&["hea", "fai", "ch", "王"])),
            _ => random.of(WORDS).to_owned(),
        });
    }
    out.join(" ")
}

fn one_query(random: &mut Random) -> (&'static str, String, String) {
    let ty = if random.below(6) == 0 { "Location" } else { "Observation" };
    let pair = |name: &str, value: String| (ty, name.to_owned(), value);
    if ty == "Location" {
        let latitude = random.below(181) as f64 - 90.0;
        let longitude = random.below(361) as f64 - 180.0;
        let distance = random.of(&["0", "10", "300", "2500", "9000", "30000"]);
        return pair("near", format!("{latitude}|{longitude}|{distance}|km"));
    }
    match random.below(9) {
        0 => pair("code:in", format!("http://first/{}", random.below(80))),
        1 => pair(
            "code:not-in",
            format!("http://{}/{}", random.of(&["but", "two", "first"]), random.below(40)),
        ),
        2 => pair(
            "code:in",
            format!("http://{}/{}", random.of(&["but", "two", "bare", "large"]), random.below(30)),
        ),
        3 => pair(
            "code:below",
            format!("{}|c{}", random.of(&["http://s", "http://none"]), random.below(40)),
        ),
        4 => pair(
            "code:text",
            format!(
                "{}{}",
                random.of(&["", "heart ", "(", "acute "]),
                random.of(&["fail", "heart", "o'b", "王", "x"])
            ),
        ),
        5 => pair("_text", full_text(random)),
        6 => pair("_content", full_text(random)),
        _ => {
            let prefix = random.of(&["", "ne", "gt", "lt", "ge", "le", "ap"]);
            let number = random.of(&["5.4", "0.05", "100", "1e3", "37.0", "0"]);
            let unit = random.of(UNITS);
            pair("value-quantity", format!("{prefix}{number}|http://unitsofmeasure.org|{unit}"))
        }
    }
}

fn parse(ty: &str, pairs: &[(String, String)]) -> Query {
    let rt = ResourceType::from_name(ty).expect(ty);
    let setting = search::parse::Setting {
        handling: search::parse::Handling::Strict,
        base_url: "",
        now_ms: 1_790_000_000_000,
        lookup: &Facts,
    };
    search::parse::parse(rt, None, pairs, setting).unwrap_or_else(|e| panic!("{pairs:?}: {e:?}"))
}

/// Current resources with all that the matcher needs.
struct Oracle(Vec<(u32, ResourceType, String, i64, Vec<search::value::Indexed>)>);

fn oracle(snapshot: &mut Snapshot) -> Oracle {
    let mut current = std::collections::BTreeMap::new();
    let mut after = 0;
    loop {
        let part = snapshot.feed(after, 1000).expect("feed");
        let Some(last) = part.last() else { break };
        after = last.rid;
        for version in part {
            let doc = Doc::parse(version.body.clone()).expect("JSON");
            let values = search::index(version.rt, doc.root(), "");
            let at = version.last_updated_ms;
            current.insert(
                (version.rt, version.id.clone()),
                (version.rid, version.rt, version.id.clone(), at, values),
            );
        }
    }
    let mut all: Vec<_> = current.into_values().collect();
    all.sort_by_key(|(rid, ..)| *rid);
    Oracle(all)
}

impl Oracle {
    fn ids(&self, query: &Query) -> Vec<&str> {
        let own = self.0.iter().filter(|(_, rt, ..)| *rt == query.rt);
        own.filter(|(_, _, id, at, values)| query.matches(id, *at, values))
            .map(|(_, _, id, ..)| id.as_str())
            .collect()
    }
}

/// Queries in one run. The environment may ask for more.
fn n_queries() -> u64 {
    std::env::var("VITAE_QUERIES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

#[test]
fn the_index_answers_what_the_matcher_answers() {
    let folder = Folder::new();
    let key = DataKey::random().expect("random bytes");
    let mut random = Random(7);
    let store = Store::create(&folder.0, &key, clock()).expect("a store");
    for round in 0..12 {
        let mut puts = std::collections::BTreeMap::new();
        for _ in 0..50 {
            // Some write over others.
            let id = random.below(50 * (round + 1));
            puts.insert(id, observation(&mut random, id));
        }
        let mut puts: Vec<Put> = puts.into_values().collect();
        puts.push(location(&mut random, round * 2));
        puts.push(location(&mut random, round * 2 + 1));
        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
    }
    let check = |store: &Store, random: &mut Random, n: u64| {
        let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
        let oracle = oracle(&mut snapshot);
        let mut n_found = 0;
        for _ in 0..n {
            let (ty, name, value) = one_query(random);
            let mut pairs = vec![(name, value)];
            if ty == "Observation" && random.below(3) == 0 {
                let (other, name, value) = one_query(random);
                if other == ty {
                    pairs.push((name, value));
                }
            }
            let query = parse(ty, &pairs);
            let mut want = oracle.ids(&query);
            let request =
                PageRequest { from: None, backward: false, count: 10_000, total: Total::Accurate };
            let page = snapshot.search(&query, &request).expect("search");
            let mut got: Vec<&str> = page.rows.iter().map(|row| row.head.id.as_str()).collect();
            assert_eq!(page.total, Some(want.len() as u64), "{pairs:?}");
            assert!(page.scores.windows(2).all(|w| w[0] >= w[1]), "{pairs:?}");
            assert!(page.scores.iter().all(|score| (0.0..=1.0).contains(score)), "{pairs:?}");
            got.sort_unstable();
            want.sort_unstable();
            assert_eq!(got, want, "{pairs:?}");
            n_found += want.len();
        }
        assert!(n_found > n as usize, "the queries find something");
    };
    check(&store, &mut random, n_queries());
    let (_, findings) = store.verify(|_, _| {}).expect("verify");
    assert_eq!(findings, []);
    drop(store);
    let store = Store::open(&folder.0, &key, clock()).expect("open");
    check(&store, &mut random, n_queries() / 4);
    let (_, findings) = store.verify(|_, _| {}).expect("verify");
    assert_eq!(findings, []);
}

#[test]
fn pages_of_a_ranked_search_are_those_of_one_moment() {
    let folder = Folder::new();
    let key = DataKey::random().expect("random bytes");
    let mut random = Random(11);
    let store = Store::create(&folder.0, &key, clock()).expect("a store");
    let write = |random: &mut Random, from: u64| {
        let puts = (from..from + 120).map(|id| observation(random, id)).collect();
        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
    };
    write(&mut random, 0);
    let query = parse("Observation", &[("_content".into(), "heart failure | acute".into())]);
    let request = |from, backward, count| PageRequest { from, backward, count, total: Total::None };
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let t = snapshot.at();
    let whole = snapshot.search(&query, &request(None, false, 1000)).expect("search");
    let whole: Vec<u32> = whole.rows.iter().map(|row| row.head.rid).collect();
    assert!(whole.len() > 30, "{}", whole.len());
    drop(snapshot);
    let mut forward = Vec::new();
    let mut from = None;
    loop {
        // Others write meanwhile, and words become less rare.
        write(&mut random, 60);
        let mut snapshot = store.snapshot_at(t, Sees::everything()).expect("the past");
        let page = snapshot.search(&query, &request(from, false, 7)).expect("a page");
        forward.extend(page.rows.iter().map(|row| row.head.rid));
        from = page.last;
        if !page.more {
            break;
        }
    }
    assert_eq!(forward, whole);
    let mut snapshot = store.snapshot_at(t, Sees::everything()).expect("the past");
    let back = snapshot.search(&query, &request(from, true, 9)).expect("a page back");
    let back: Vec<u32> = back.rows.iter().map(|row| row.head.rid).collect();
    assert_eq!(back, whole[whole.len() - 10..whole.len() - 1]);
}

#[test]
fn rare_words_and_short_texts_come_first() {
    let folder = Folder::new();
    let key = DataKey::random().expect("random bytes");
    let store = Store::create(&folder.0, &key, clock()).expect("a store");
    let text = |id: &str, note: &str| {
        put(format!(
            r#"{{"resourceType":"Condition","id":"{id}","meta":{{}},"note":[{{"text":"{note}"}}]}}"#
        ))
    };
    let filler = "word ".repeat(200);
    let mut puts: Vec<Put> = (0..20).map(|i| text(&format!("f{i}"), "common things")).collect();
    puts.push(text("long", &format!("{filler} rare")));
    puts.push(text("short", "rare"));
    puts.push(text("both", "common rare"));
    store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
    let query = parse("Condition", &[("_content".into(), "rare OR common".into())]);
    let mut snapshot = store.snapshot(Sees::everything()).expect("snapshot");
    let request = PageRequest { from: None, backward: false, count: 4, total: Total::Accurate };
    let page = snapshot.search(&query, &request).expect("search");
    let ids: Vec<&str> = page.rows.iter().map(|row| row.head.id.as_str()).collect();
    assert_eq!(ids, ["both", "short", "long", "f0"]);
    assert_eq!(page.total, Some(23));
}
