//! Conditions that lead to other resources, and `_filter`. Source: FHIR R4 search.html#chaining,
//! #has, #list; search_filter.html.

use fhir::issue::IssueType;
use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::index;
use search::parse::{
    CHAIN_LINKS_MAX, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, Handling,
    OPERANDS_TOTAL_MAX, Setting, parse, parse_system,
};
use search::query::{Node, Query};
use search::world::{Known, World};

const BASE: &str = "http://h/fhir";

/// A small practice: two patients with general practitioners, observations, a list, a group.
const RESOURCES: &str = r#"
{"resourceType":"Organization","id":"og1","name":"North Clinic","partOf":{"reference":"Organization/og2"}}
{"resourceType":"Organization","id":"og2","name":"Trust"}
{"resourceType":"Practitioner","id":"d1","name":[{"family":"Dale"}],"gender":"female"}
{"resourceType":"Patient","id":"p1","name":[{"family":"Peters","given":["Ann Lee"]}],"gender":"female","birthDate":"1980-05-06","managingOrganization":{"reference":"Organization/og1"},"generalPractitioner":[{"reference":"Practitioner/d1"}]}
{"resourceType":"Patient","id":"p2","name":[{"family":"Quill"}],"gender":"male","birthDate":"1990","managingOrganization":{"reference":"Organization/og2"}}
{"resourceType":"Patient","id":"p3","name":[{"family":"Gone"}],"managingOrganization":{"reference":"Organization/deleted"}}
{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"}}
{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},"subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"performer":[{"reference":"Practitioner/d1"}],"effectiveDateTime":"2020-02-03T10:00:00Z","valueQuantity":{"value":170,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}
{"resourceType":"Observation","id":"o2","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},"subject":{"reference":"Patient/p2"},"effectivePeriod":{"start":"2020-01-01","end":"2020-12-31"},"valueQuantity":{"value":80.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}
{"resourceType":"Observation","id":"o3","status":"amended","code":{"text":"mood"},"subject":{"reference":"Group/g1"}}
{"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p2"}}],"characteristic":[{"code":{"coding":[{"code":"smoker"}]},"valueBoolean":true,"exclude":false},{"code":{"coding":[{"code":"drinker"}]},"valueBoolean":false,"exclude":false}]}
{"resourceType":"List","id":"42","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p2"}},{"item":{"reference":"Observation/o1"}}]}
{"resourceType":"Provenance","id":"v1","target":[{"reference":"Observation/o2"}],"recorded":"2020-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/d1"}}]}
{"resourceType":"DocumentReference","id":"r1","status":"current","content":[{"attachment":{}}],"relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/r2"}}]}
{"resourceType":"DocumentReference","id":"r2","status":"superseded","content":[{"attachment":{}}],"relatesTo":[{"code":"appends","target":{"reference":"DocumentReference/r1"}}]}
"#;

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect(name)
}

fn world() -> World {
    let mut world = World::default();
    for line in RESOURCES.lines().filter(|line| !line.is_empty()) {
        let doc = Doc::parse(line).expect("JSON");
        let root = doc.root();
        let rt = rt(&root.str("resourceType").expect("type"));
        let id = root.str("id").expect("id").into_owned();
        let values = index(rt, root, BASE);
        world.put(Known { rt, id, last_updated_ms: 1_577_836_800_000, values });
    }
    world
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').expect("="))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn setting() -> Setting<'static> {
    Setting {
        handling: Handling::Strict,
        base_url: BASE,
        now_ms: 1_600_000_000_000,
        lookup: &search::lookup::NoRecord,
    }
}

fn read(ty: &str, query: &str) -> Result<Query, Vec<(IssueType, String)>> {
    parse(rt(ty), None, &pairs(query), setting())
        .map_err(|issues| issues.into_iter().map(|i| (i.code, i.text)).collect())
}

fn check(world: &World, ty: &str, query: &str, want: &[&str]) {
    let parsed = read(ty, query).unwrap_or_else(|e| panic!("{ty}?{query}: {e:?}"));
    let found: Vec<&str> = world.search(&parsed).map(|r| r.id.as_str()).collect();
    assert_eq!(found, want, "{ty}?{query}: {parsed}");
}

#[test]
fn chains_of_any_length_and_reverse_chains() {
    let world = world();
    for (ty, query, want) in [
        ("Observation", "subject.name=peters", &["o1"][..]),
        ("Observation", "subject:Patient.name=q", &["o2"]),
        ("Observation", "patient.gender=male,female", &["o1", "o2"]),
        ("Observation", "patient.gender:not=male", &["o1"]),
        ("Observation", "patient.birthdate:missing=false", &["o1", "o2"]),
        ("Observation", "subject:Group._id=g1", &["o3"]),
        ("Observation", "subject._id=p2", &["o2"]),
        ("Observation", "patient.organization.name=north", &["o1"]),
        ("Observation", "patient.organization.partof.name=trust", &["o1"]),
        ("Observation", "encounter.patient.organization.partof.name=trust", &["o1"]),
        ("Observation", "patient.organization.name=gone", &[]),
        ("Observation", "subject.name=peters&performer:Practitioner.gender=female", &["o1"]),
        ("Observation", "subject.name=peters&performer:Practitioner.gender=male", &[]),
        ("Patient", "organization.name=x", &[]),
        ("Patient", "_has:Observation:patient:code=8302-2", &["p1"]),
        ("Patient", "_has:Observation:patient:code=8302-2,29463-7", &["p1", "p2"]),
        ("Patient", "_has:Observation:patient:code:not=8302-2", &["p2"]),
        ("Patient", "_has:Observation:patient:date=ge2021", &[]),
        (
            "Patient",
            "_has:Observation:patient:_has:Provenance:target:agent=Practitioner/d1",
            &["p2"],
        ),
        ("Patient", "_has:Observation:patient:performer:Practitioner.name=dale", &["p1"]),
        ("Patient", "_has:Group:member:_id=g1", &["p2"]),
        ("Observation", "patient._has:Group:member:_id=g1", &["o2"]),
        ("Observation", "encounter.patient._has:Observation:patient:status=final", &["o1"]),
        ("Patient", "_list=42", &["p2"]),
        ("Observation", "_list=List/42", &["o1"]),
        ("Observation", "patient._list=42", &["o2"]),
        ("Patient", "_list=43", &[]),
        ("Patient", "_list=43,42", &["p2"]),
        ("Patient", "_has:Observation:patient:code=8302-2&name=quill", &[]),
    ] {
        check(&world, ty, query, want);
    }
}

#[test]
fn filters_have_all_operators_of_r4() {
    let world = world();
    for (ty, filter, want) in [
        ("Patient", r#"name co "ete""#, &["p1"][..]),
        ("Patient", r#"given eq "ann lee""#, &["p1"]),
        ("Patient", "family eq PETERS", &["p1"]),
        ("Patient", "family eq Pet", &[]),
        ("Patient", "family sw Pet", &["p1"]),
        ("Patient", "family ew ill", &["p2"]),
        ("Patient", "family ne peters", &["p2", "p3"]),
        ("Patient", "family gt peters", &["p2"]),
        ("Patient", "family ge peters", &["p1", "p2"]),
        ("Patient", "family lt peters", &["p3"]),
        ("Patient", "family le peters", &["p1", "p3"]),
        ("Patient", "gender eq male", &["p2"]),
        ("Patient", "gender ne male", &["p1"]),
        ("Patient", "gender pr true", &["p1", "p2"]),
        ("Patient", "gender pr false", &["p3"]),
        ("Patient", "birthdate eq 1980-05-06", &["p1"]),
        ("Patient", "birthdate eq 1980", &[]),
        ("Patient", "birthdate eq 1990", &["p2"]),
        ("Patient", "birthdate ne 1990", &["p1"]),
        ("Patient", "birthdate ge 1985", &["p2"]),
        ("Patient", "birthdate lt 1985", &["p1"]),
        ("Patient", "birthdate co 1990-03-04", &["p2"]),
        ("Patient", "birthdate sa 1985", &["p2"]),
        ("Patient", "birthdate eb 1985", &["p1"]),
        ("Patient", "_id eq p3", &["p3"]),
        ("Patient", "_id ne p3", &["p1", "p2"]),
        ("Patient", "_lastUpdated ge 2020", &["p1", "p2", "p3"]),
        ("Patient", "_lastUpdated eq 2019", &[]),
        ("Observation", "date po 2020-02", &["o1", "o2"]),
        ("Observation", "date po 2020-03", &["o2"]),
        ("Observation", "date co 2020-03", &["o2"]),
        ("Observation", "code eq loinc|8302-2", &["o1"]),
        ("Observation", "code eq http://loinc.org|8302-2", &["o1"]),
        ("Observation", "code ne loinc|8302-2", &["o2"]),
        ("Observation", "value-quantity gt 100", &["o1"]),
        ("Observation", "value-quantity le 80.5", &["o2"]),
        ("Observation", "value-quantity ap 165", &["o1"]),
        ("Observation", "value-quantity eq 170|ucum|cm", &["o1"]),
        ("Observation", "value-quantity eq 170|ucum|kg", &[]),
        ("Observation", "value-quantity eq 80", &[]),
        ("Observation", "value-quantity ne 170", &["o2"]),
        ("Observation", "subject re Patient/p1", &["o1"]),
        ("Observation", "subject re http://h/fhir/Patient/p1", &["o1"]),
        ("Observation", "subject ne Patient/p1", &["o2", "o3"]),
        ("Observation", r#"subject.name co "ete""#, &["o1"]),
        ("Observation", "patient.organization.name sw tru", &["o2"]),
        ("Observation", "patient[gender eq male].birthdate ge 1985", &["o2"]),
        ("Observation", "patient[gender eq female].birthdate ge 1985", &[]),
        ("Group", "characteristic[code eq smoker].value eq true", &["g1"]),
        ("Group", "characteristic[code eq drinker].value eq true", &[]),
        ("Group", "characteristic[value eq false].code eq drinker", &["g1"]),
        (
            "DocumentReference",
            "relatesTo[code eq replaces].target re DocumentReference/r2",
            &["r1"],
        ),
        ("DocumentReference", "relatesTo[code eq replaces].target re DocumentReference/r1", &[]),
        // From left to right, without precedence.
        ("Patient", "gender eq male or gender eq female and birthdate lt 1985", &["p1"]),
        ("Patient", "gender eq male or (gender eq female and birthdate lt 1985)", &["p1", "p2"]),
        ("Patient", "not (gender eq male)", &["p1", "p3"]),
        ("Patient", "not (gender eq male or name sw gone)", &["p1"]),
        ("Patient", "((name sw q))", &["p2"]),
        ("Patient", "name sw q and not(gender eq female)and birthdate pr true", &["p2"]),
        ("Observation", r#"not (subject.name co "e")"#, &["o2", "o3"]),
    ] {
        check(&world, ty, &format!("_filter={filter}"), want);
    }
}

#[test]
fn what_cannot_be_is_refused_and_says_why() {
    use IssueType::{Invalid, NotSupported};
    for (ty, query, code, says) in [
        ("Observation", "subject.colour=red", NotSupported, "no such parameter"),
        ("Observation", "subject:Patient.nam=x", NotSupported, "did you mean 'name'?"),
        ("Observation", "subject:Practitioner.name=x", Invalid, "never leads to Practitioner"),
        ("Observation", "subject:exact.name=x", Invalid, "only a resource type may stand"),
        ("Observation", "code.name=x", Invalid, "only references lead on"),
        ("Observation", "subject.birthdate=x", Invalid, "is no date"),
        ("Observation", "subject.=x", NotSupported, "no such parameter"),
        ("Observation", ".name=x", NotSupported, "no search parameter ''"),
        ("Patient", "_has:Observation:patient=x", Invalid, "_has:Type:reference:parameter"),
        ("Patient", "_has=x", Invalid, "_has:Type:reference:parameter"),
        ("Patient", "_has:Observatio:patient:code=x", Invalid, "which R4 does not have"),
        ("Patient", "_has:Observation:code:code=x", Invalid, "only references lead on"),
        ("Patient", "_has:Observation:encounter:code=x", Invalid, "never reaches Patient"),
        ("Patient", "_has:Observation:patient:colour=x", NotSupported, "no search parameter"),
        ("Patient", "_list=$current-problems", Invalid, "which holds Condition, no Patient"),
        ("Condition", "_list=$current-problem", NotSupported, "did you mean '$current-problems'?"),
        ("Condition", "_list:not=$current-problems", Invalid, "no modifiers"),
        ("Patient", "_list=a b", Invalid, "no id of a List"),
        ("Patient", "_type=Patient", Invalid, "across types"),
        ("Patient", "_filter=", Invalid, "the name of a search parameter"),
        ("Patient", "_filter=name", Invalid, "an operator"),
        ("Patient", "_filter=name like x", Invalid, "one of the operators eq, ne"),
        ("Patient", "_filter=name co", Invalid, "a value"),
        ("Patient", "_filter=name co \"x", Invalid, "ends the string"),
        ("Patient", "_filter=name co x and", Invalid, "there is 'and'"),
        ("Patient", "_filter=name co x y", Invalid, "'and', 'or' or the end"),
        ("Patient", "_filter=(name co x", Invalid, "')'"),
        ("Patient", "_filter=name co x)", Invalid, "'and', 'or' or the end"),
        ("Patient", "_filter=not name co x", Invalid, "'(' behind 'not'"),
        ("Patient", "_filter=name po 2020", Invalid, "no meaning for a string"),
        ("Patient", "_filter=birthdate eq gt2020", Invalid, "is no date"),
        ("Patient", "_filter=birthdate sw 2020", Invalid, "no meaning for a date"),
        ("RiskAssessment", "_filter=probability co 0.5", Invalid, "ask with 'ap', or with 'ge'"),
        ("Patient", "_filter=gender pr maybe", Invalid, "true or false"),
        ("Patient", "_filter=nam co x", NotSupported, "did you mean 'name'?"),
        ("Patient", "_filter=_has co x", Invalid, "cannot have '_has' inside"),
        ("Observation", "_filter=related[type eq x].target re y", NotSupported, "related"),
        ("Observation", "_filter=subject[name co x] eq y", Invalid, "'.' and a name"),
        ("Group", "_filter=characteristic[code ne x].value eq y", Invalid, "the forms are"),
    ] {
        let issues = read(ty, query).expect_err(query);
        assert_eq!(issues.len(), 1, "{query}: {issues:?}");
        assert_eq!(issues[0].0, code, "{query}: {}", issues[0].1);
        assert!(issues[0].1.contains(says), "{query}: {}", issues[0].1);
    }
}

#[test]
fn limits_hold_at_the_border() {
    let costly = |ty: &str, query: &str| {
        let issues = read(ty, query).map(|_| ()).expect_err("over the limit");
        assert_eq!(issues[0].0, IssueType::TooCostly, "{}", issues[0].1);
    };
    let chain = |n: usize| format!("{}name=x", "partof.".repeat(n));
    assert!(read("Organization", &chain(CHAIN_LINKS_MAX)).is_ok());
    costly("Organization", &chain(CHAIN_LINKS_MAX + 1));
    let has = |n: usize| format!("{}name=x", "_has:Organization:partof:".repeat(n));
    assert!(read("Organization", &has(CHAIN_LINKS_MAX)).is_ok());
    costly("Organization", &has(CHAIN_LINKS_MAX + 1));
    // A List's item may be anything, and so may an item of that.
    costly("List", "item.item.item.item.code=x");
    let nested = |n: usize| format!("_filter={}name co x{}", "(".repeat(n), ")".repeat(n));
    assert!(read("Patient", &nested(FILTER_DEPTH_MAX)).is_ok());
    costly("Patient", &nested(FILTER_DEPTH_MAX + 1));
    let terms = |n: usize| format!("_filter={}", vec!["gender eq male"; n].join(" or "));
    assert!(read("Patient", &terms(FILTER_TERMS_MAX)).is_ok());
    costly("Patient", &terms(FILTER_TERMS_MAX + 1));
    let long = |n: usize| format!("_filter=name co {}", "x".repeat(n - "name co ".len()));
    assert!(read("Patient", &long(FILTER_BYTES_MAX)).is_ok());
    costly("Patient", &long(FILTER_BYTES_MAX + 1));
    let path = |n: usize| format!("_filter={}name co x", "partof.".repeat(n));
    assert!(read("Organization", &path(CHAIN_LINKS_MAX)).is_ok());
    costly("Organization", &path(CHAIN_LINKS_MAX + 1));
    let many = |n: usize| {
        let ids = vec!["a"; 1_000].join(",");
        vec![format!("_id={ids}"); n / 1_000].join("&")
    };
    assert!(read("Patient", &many(OPERANDS_TOTAL_MAX)).is_ok());
    costly("Patient", &many(OPERANDS_TOTAL_MAX + 1_000));
}

#[test]
fn across_types_each_type_has_its_query() {
    let system = |within: Option<(&str, &'static str)>, query: &str| {
        let within = within.map(|(ty, id)| (rt(ty), id));
        parse_system(within, &pairs(query), setting()).map_err(|issues| issues[0].text.clone())
    };
    let all = system(None, "_id=1").expect("all types");
    assert_eq!((all.queries.len(), all.is_named), (ResourceType::ALL.len(), false));
    let two = system(None, "_type=Patient,Observation&_lastUpdated=ge2020").expect("two types");
    let types: Vec<_> = two.queries.iter().map(|q| q.rt.name()).collect();
    assert_eq!((types, two.is_named), (vec!["Observation", "Patient"], true));
    assert_eq!(two.queries[0].canonical, "_type=Patient,Observation&_lastUpdated=ge2020");
    let in_patient = system(Some(("Patient", "1")), "").expect("compartment");
    assert!(in_patient.queries.iter().any(|q| q.rt == ResourceType::PATIENT));
    assert!(in_patient.queries.iter().all(|q| q.rt != rt("Medication")));
    let has = system(None, "_has:Provenance:target:agent=Practitioner/1").expect("_has");
    assert!(matches!(has.queries[0].nodes[..], [Node::Has(_)]));
    for (query, says) in [
        ("name=x", "name types with _type"),
        ("_type=Patient,Observation&name=x", "what all of them have"),
        ("_type=Patien", "did you mean 'Patient'?"),
        ("_type=", "no type of R4"),
        ("_type=Patient&_type=Observation", "given twice"),
        ("_type=Patient,Observation&_sort=name", "cannot sort"),
    ] {
        let text = system(None, query).expect_err(query);
        assert!(text.contains(says), "{query}: {text}");
    }
    assert!(system(Some(("Patient", "1")), "_type=Medication").is_err());
}
