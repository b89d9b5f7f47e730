//! Queries that are read, refused or left out. Source: FHIR R4 search.html.

use fhir::issue::IssueType;
use fhir_tables::ResourceType;
use search::parse::{Handling, OPERANDS_MAX, PARAMETERS_MAX, Setting, parse};
use search::query::{Modifier, Node, Operand, Prefix, Query, Summary, SystemMatch, Total};

const BASE: &str = "http://h/fhir";

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("=");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn read_as(ty: &str, query: &str, handling: Handling) -> Result<Query, Vec<(IssueType, String)>> {
    let rt = ResourceType::from_name(ty).expect(ty);
    let setting = Setting {
        handling,
        base_url: BASE,
        now_ms: 1_700_000_000_000,
        lookup: &search::lookup::NoRecord,
    };
    parse(rt, None, &pairs(query), setting)
        .map_err(|issues| issues.into_iter().map(|i| (i.code, i.text)).collect())
}

fn read(ty: &str, query: &str) -> Result<Query, Vec<(IssueType, String)>> {
    read_as(ty, query, Handling::Strict)
}

fn operands(ty: &str, query: &str) -> Vec<Operand> {
    let query = read(ty, query).unwrap_or_else(|issues| panic!("{query}: {issues:?}"));
    let [Node::Criterion(criterion)] = &query.nodes[..] else { panic!("{query:?}") };
    criterion.operands.clone()
}

fn refused(ty: &str, query: &str) -> (IssueType, String) {
    let mut issues = read(ty, query).expect_err(query);
    assert_eq!(issues.len(), 1, "{issues:?}");
    issues.remove(0)
}

fn token(system: SystemMatch, code: Option<&str>) -> Operand {
    Operand::Token { system, code: code.map(str::to_owned) }
}

#[test]
fn tokens_in_all_forms_with_escapes() {
    use SystemMatch::{Absent, Any, Is};
    for (text, want) in [
        ("male", vec![token(Any, Some("male"))]),
        ("http://s|m", vec![token(Is("http://s".into()), Some("m"))]),
        ("|m", vec![token(Absent, Some("m"))]),
        ("http://s|", vec![token(Is("http://s".into()), None)]),
        ("a,b", vec![token(Any, Some("a")), token(Any, Some("b"))]),
        (r"a\,b", vec![token(Any, Some("a,b"))]),
        (r"s\|t|a\|b", vec![token(Is("s|t".into()), Some("a|b"))]),
        (r"a\$b\\", vec![token(Any, Some(r"a$b\"))]),
        (r"a\b", vec![token(Any, Some(r"a\b"))]),
    ] {
        assert_eq!(operands("Patient", &format!("identifier={text}")), want, "{text}");
    }
}

#[test]
fn dates_numbers_and_quantities_keep_prefix_and_precision() {
    let day = 86_400_000;
    assert_eq!(
        operands("Patient", "birthdate=ge1970-01-02"),
        [Operand::Date { prefix: Prefix::Ge, lo: day, hi: 2 * day - 1 }]
    );
    assert_eq!(
        operands("Patient", "birthdate=1970-01-01T00:00:00 01:00"),
        [Operand::Date { prefix: Prefix::Eq, lo: -3_600_000, hi: -3_599_001 }],
        "a plus sign that arrived as a blank"
    );
    let now = 1_700_000_000_000i64;
    let widen = (now - (day - 1)) / 10;
    assert_eq!(
        operands("Patient", "birthdate=ap1970-01-01"),
        [Operand::Date { prefix: Prefix::Ap, lo: -widen, hi: day - 1 + widen }]
    );
    assert_eq!(
        operands("RiskAssessment", "probability=gt0.8"),
        [Operand::Number { prefix: Prefix::Gt, value: 0.8, lo: 0.75, hi: 0.85 }]
    );
    let quantity = |system: Option<&str>, code: Option<&str>| Operand::Quantity {
        prefix: Prefix::Eq,
        value: 5.4,
        lo: 5.35,
        hi: 5.45,
        system: system.map(str::to_owned),
        code: code.map(str::to_owned),
        canonical: None,
    };
    for (text, want) in [
        ("5.4", quantity(None, None)),
        ("5.4||mg", quantity(None, Some("mg"))),
        ("5.4|http://u|mg", quantity(Some("http://u"), Some("mg"))),
        ("5.4|http://u|", quantity(Some("http://u"), None)),
    ] {
        assert_eq!(operands("Observation", &format!("value-quantity={text}")), [want], "{text}");
    }
    let ap = Operand::Number { prefix: Prefix::Ap, value: 100.0, lo: 90.0, hi: 110.0 };
    assert_eq!(operands("RiskAssessment", "probability=ap100"), [ap]);
}

#[test]
fn references_in_all_forms() {
    let local = |types: &[ResourceType], id: &str| {
        vec![Operand::Reference { types: types.to_vec(), id: id.into() }]
    };
    let patient = ResourceType::PATIENT;
    for (text, want) in [
        ("patient=1", local(&[patient], "1")),
        ("subject=Patient/1", local(&[patient], "1")),
        ("subject=Patient/1/_history/2", local(&[patient], "1")),
        ("subject=http://h/fhir/Patient/1", local(&[patient], "1")),
        ("subject:Patient=1", local(&[patient], "1")),
        ("subject=http://o/fhir/Patient/1", vec![Operand::Url("http://o/fhir/Patient/1".into())]),
        ("subject=urn:uuid:5", vec![Operand::Url("urn:uuid:5".into())]),
        (
            "subject:identifier=s|v",
            vec![Operand::Identifier {
                system: SystemMatch::Is("s".into()),
                value: Some("v".into()),
            }],
        ),
    ] {
        assert_eq!(operands("Observation", text), want, "{text}");
    }
    let Operand::Reference { types, .. } = &operands("Observation", "subject=1")[0] else {
        panic!("a reference")
    };
    assert!(types.contains(&patient) && types.contains(&ResourceType::GROUP));
}

#[test]
fn composites_imply_their_parts() {
    let text = "component-code-value-quantity=http://l|8480-6$gt140||mmHg";
    let query = read("Observation", text).expect("ok");
    let criterion = query.criteria().next().expect("a criterion");
    let Operand::Composite(parts) = &criterion.operands[0] else { panic!("composite") };
    assert_eq!(parts[0], token(SystemMatch::Is("http://l".into()), Some("8480-6")));
    assert!(matches!(parts[1], Operand::Quantity { prefix: Prefix::Gt, value: 140.0, .. }));
    let codes: Vec<_> =
        criterion.implied.iter().map(|c| search::params::def(c.param).1.code).collect();
    assert_eq!(codes, ["component-code", "component-value-quantity"]);
    assert_eq!(criterion.implied[0].operands, [parts[0].clone()]);
}

#[test]
fn controls_are_read() {
    let query = read(
        "Observation",
        "_sort=-date,code&_count=5000&_total=accurate&_summary=data&_elements=status,value\
         &_include=Observation:subject:Patient&_include:iterate=Patient:organization\
         &_revinclude=Provenance:target&_format=json&_include=*",
    )
    .expect("controls");
    assert_eq!(query.count, Some(1000));
    assert_eq!(query.total, Some(Total::Accurate));
    assert_eq!(query.summary, Summary::Data);
    assert_eq!(query.elements, ["status", "value"]);
    assert_eq!(query.sort.len(), 2);
    assert!(query.sort[0].descending && !query.sort[1].descending);
    assert_eq!(query.include.len(), 3);
    assert_eq!(query.include[0].target, Some(ResourceType::PATIENT));
    assert!(query.include[1].iterate && query.include[1].source == Some(ResourceType::PATIENT));
    assert_eq!(query.include[2].param, None);
    assert_eq!(query.revinclude[0].source, ResourceType::from_name("Provenance"));
    assert_eq!(read("Patient", "_count=0").expect("count").summary, Summary::Count);
    assert_eq!(read("Patient", "_count=0&_summary=true").expect("count").summary, Summary::Count);
    assert_eq!(
        read("Patient", "_count=99999999999999").expect("above u32").count,
        Some(search::parse::COUNT_MAX)
    );
}

#[test]
fn the_self_link_says_what_was_understood() {
    let query = read_as(
        "Patient",
        "name=J ö&colour=red&identifier=a|b&_count=3&_format=xml&_sort=-birthdate",
        Handling::Lenient,
    )
    .expect("lenient");
    assert_eq!(query.canonical, "name=J%20%C3%B6&identifier=a%7Cb&_count=3&_sort=-birthdate");
    assert_eq!(query.ignored, ["colour"]);
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    use IssueType::{Invalid, NotFound, NotSupported};
    for (ty, text, code, says) in [
        ("Patient", "birthDate=2000", NotSupported, "did you mean 'birthdate'?"),
        ("Patient", "colour=red", NotSupported, "no search parameter 'colour'"),
        ("Patient", "birthdate=2000-13", Invalid, "is no date"),
        ("Patient", "birthdate=xx2000", Invalid, "is no date"),
        ("Patient", "birthdate:exact=2000", Invalid, "no modifier ':exact'"),
        ("Patient", "name:fuzzy=x", Invalid, ":exact, :contains"),
        ("Patient", "name=", Invalid, "has no value"),
        ("Patient", "name=a,,b", Invalid, "is empty"),
        ("Patient", "name=\u{301}", Invalid, "has no letters"),
        ("Patient", "gender:missing=maybe", Invalid, "true or false"),
        ("Patient", "identifier=|", Invalid, "neither system nor code"),
        ("Patient", "identifier=a|b|c", Invalid, "more than one '|'"),
        ("Patient", "identifier:of-type=a|b", Invalid, "system|code|value"),
        ("Patient", "gender:of-type=a|b|c", Invalid, "finds no identifiers"),
        ("Patient", "gender:in=http://v", NotFound, "value set http://v is not known"),
        ("Patient", "gender:not-in=http://v", NotFound, "value set http://v is not known"),
        ("Patient", "language:in=http://hl7.org/fhir/ValueSet/mimetypes", NotSupported, "listed"),
        ("Condition", "code:below=http://s|c", NotFound, "code system http://s is not stored"),
        ("Condition", "code:below=c", Invalid, "system|code"),
        ("Condition", "code:above=|c", Invalid, "system|code"),
        ("Patient", "general-practitioner:below=Practitioner/1", Invalid, "no hierarchy"),
        ("Encounter", "location:below=Location/1", NotFound, "Location/1 is not here"),
        ("Patient", "_text=-x", Invalid, "needs a word"),
        ("Patient", "_content=\"x", Invalid, "without its partner"),
        ("Patient", "_content:exact=x", Invalid, "no modifiers"),
        ("Patient", "_content:missing=true", Invalid, "no modifiers"),
        ("Location", "near=1", Invalid, "latitude|longitude|distance|units"),
        ("Location", "near=91|2", Invalid, "from -90 to 90"),
        ("Location", "near=1|181", Invalid, "from -180 to 180"),
        ("Location", "near=1|2|-1", Invalid, "0 or more"),
        ("Location", "near=1|2|1|kg", Invalid, "unit of length"),
        ("Location", "near:missing=true", Invalid, "no modifiers"),
        ("Patient", "_contained=yes", Invalid, "true, false or both"),
        ("Patient", "_containedType=any", Invalid, "container or contained"),
        ("Observation", "_sort=-subject:Patient.nam", Invalid, "did you mean 'name'?"),
        ("Observation", "_sort=subject:Device.udi-di.x", Invalid, "only references lead on"),
        ("Observation", "_sort=subject:Encounter.status", Invalid, "never leads to 'Encounter'"),
        ("Observation", "_sort=date:exact", NotSupported, "a key has no modifiers"),
        ("Observation", "_sort=subject.name:exact", NotSupported, "a key has no modifiers"),
        ("Observation", "_sort=subject:Group.near", Invalid, "cannot sort Group by 'near'"),
        ("Task", "_sort=focus.patient.status", IssueType::TooCostly, "more than 200 types"),
        ("Task", "_sort=focus.type", Invalid, "name the type, as in"),
        (
            "Encounter",
            "_sort=part-of.part-of.part-of.part-of.date",
            IssueType::TooCostly,
            "3 references",
        ),
        ("Patient", "_sort=nam", Invalid, "did you mean 'name'?"),
        ("Location", "_sort=near", IssueType::NotSupported, "special"),
        ("Patient", "_count=-1", Invalid, "whole number"),
        ("Patient", "_count=1&_count=2", Invalid, "given twice"),
        ("Patient", "_total=some", Invalid, "none, estimate or accurate"),
        ("Patient", "_summary=yes", Invalid, "true, text, data, count or false"),
        ("Patient", "_elements=nam", Invalid, "did you mean 'name'?"),
        ("Patient", "_include=Observation:subject", Invalid, "starts from Observation"),
        ("Patient", "_include=Patient:name", Invalid, "no reference parameter"),
        ("Patient", "_include=Patient", Invalid, "must have the form"),
        ("Patient", "_revinclude=Observatio:subject", Invalid, "did you mean 'Observation'?"),
        ("Patient", "_revinclude=Observation:encounter", Invalid, "never reaches Patient"),
        ("Observation", "subject=Practitioner/1", Invalid, "may point to"),
        ("Observation", "subject:Patient=Group/1", Invalid, "is no Patient"),
        ("Observation", "subject:Practitioner=1", Invalid, "never points to Practitioner"),
        ("Observation", "subject=a b", Invalid, "neither an id"),
        ("Observation", "subject=Foo/1", Invalid, "neither an id"),
        ("Observation", "value-quantity=5|mg", Invalid, "number|system|code"),
        ("Observation", "value-quantity=x", Invalid, "does not start with a number"),
        ("Observation", "code-value-quantity=a", Invalid, "code$value-quantity"),
        ("Observation", "_id:exact=1", Invalid, "no modifier"),
    ] {
        let (got, what) = refused(ty, text);
        assert_eq!(got, code, "{text}: {what}");
        assert!(what.contains(says), "{text}: {what}");
    }
}

#[test]
fn lenient_leaves_unknown_out_and_nothing_else() {
    let lenient = |text| read_as("Patient", text, Handling::Lenient);
    assert_eq!(lenient("colour=red&name=").expect("ignored").ignored, ["colour", "name"]);
    for text in ["birthdate=x", "_has:Observation:patient=x", "gender:in=http://v", "_text=-x"] {
        assert!(lenient(text).is_err(), "{text}");
    }
}

#[test]
fn limits_hold_at_the_border() {
    let many = |n: usize| vec!["a"; n].join(",");
    assert!(read("Patient", &format!("name={}", many(OPERANDS_MAX))).is_ok());
    let (code, _) = refused("Patient", &format!("name={}", many(OPERANDS_MAX + 1)));
    assert_eq!(code, IssueType::TooCostly);
    let repeat = |n: usize| vec!["name=a"; n].join("&");
    assert!(read("Patient", &repeat(PARAMETERS_MAX)).is_ok());
    assert_eq!(refused("Patient", &repeat(PARAMETERS_MAX + 1)).0, IssueType::TooCostly);
}

#[test]
fn compartments_bind_the_parameters_of_the_definition() {
    let setting = Setting {
        handling: Handling::Strict,
        base_url: BASE,
        now_ms: 0,
        lookup: &search::lookup::NoRecord,
    };
    let within = |ty: ResourceType, root: ResourceType| parse(ty, Some((root, "1")), &[], setting);
    let patient = ResourceType::PATIENT;
    let compartment = within(ResourceType::OBSERVATION, patient).expect("in").compartment;
    let compartment = compartment.expect("compartment");
    let codes: Vec<_> =
        compartment.params.iter().map(|id| search::params::def(*id).1.code).collect();
    assert_eq!(codes, ["subject", "performer"]);
    assert!(within(patient, patient).expect("root").compartment.is_some_and(|c| c.is_root));
    let medication = ResourceType::from_name("Medication").expect("type");
    assert!(within(medication, patient).is_err());
    assert!(within(patient, ResourceType::OBSERVATION).is_err());
}

#[test]
fn modifiers_are_kept() {
    for (ty, text, want) in [
        ("Patient", "name:exact=A", Modifier::Exact),
        ("Patient", "name:contains=A", Modifier::Contains),
        ("Patient", "gender:not=male", Modifier::Not),
        ("Patient", "gender:missing=true", Modifier::Missing),
        ("Condition", "code:text=head ache", Modifier::Text),
        ("Patient", "identifier:of-type=s|MR|1", Modifier::OfType),
        ("ValueSet", "url:below=http://x", Modifier::Below),
        ("ValueSet", "url:above=http://x", Modifier::Above),
        ("Patient", "_id:not=1", Modifier::Not),
    ] {
        let query = read(ty, text).expect(text);
        let modifiers: Vec<Modifier> = query.criteria().map(|c| c.modifier).collect();
        assert_eq!(modifiers, [want], "{text}");
    }
}
