//! What finds what. Source: the examples of FHIR R4 search.html.

use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::index;
use search::matcher::{date_matches, number_matches};
use search::parse::{Handling, Setting, parse};
use search::query::Prefix;

const BASE: &str = "http://h/fhir";

fn matches(json: &str, query: &str) -> bool {
    let doc = Doc::parse(json).expect("JSON");
    let ty = doc.root().str("resourceType").expect("resourceType");
    let rt = ResourceType::from_name(&ty).expect("type");
    let pairs: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').expect("="))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let setting = Setting {
        handling: Handling::Strict,
        base_url: BASE,
        now_ms: 1_700_000_000_000,
        lookup: &search::lookup::NoRecord,
    };
    let query = parse(rt, None, &pairs, setting).unwrap_or_else(|e| panic!("{query}: {e:?}"));
    let id = doc.root().str("id").expect("id");
    query.matches(&id, 1_577_836_800_000, &index(rt, doc.root(), BASE))
}

fn check(json: &str, finds: &[&str], does_not: &[&str]) {
    for query in finds {
        assert!(matches(json, query), "should find: {query}");
    }
    for query in does_not {
        assert!(!matches(json, query), "should not find: {query}");
    }
}

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p1",
 "meta":{"tag":[{"system":"http://t","code":"x"}],"profile":["http://p/core|3.1"],
         "security":[{"code":"R"}],"source":"http://s"},
 "contained":[{"resourceType":"Organization","id":"o"}],
 "active":true,
 "identifier":[{"type":{"coding":[{"system":"http://v2","code":"MR"}],"text":"Record number"},
                "system":"http://mrn","value":"a|b,c"}],
 "name":[{"text":"Dr. Eve Ordóñez","family":"Ordóñez","given":["Eve","Marie"],"prefix":["Dr."]}],
 "telecom":[{"system":"phone","value":"+1 555"},{"system":"email","value":"e@x.org"}],
 "gender":"female","birthDate":"1980-02",
 "address":[{"line":["12 Main St"],"city":"Århus","postalCode":"8000","country":"DK"}],
 "managingOrganization":{"reference":"#o"},
 "generalPractitioner":[{"reference":"http://h/fhir/Practitioner/d1/_history/3"},
                        {"reference":"http://other/fhir/Practitioner/d2"},
                        {"identifier":{"system":"http://npi","value":"9"}}]}"##;

#[test]
fn a_patient() {
    check(
        PATIENT,
        &[
            "name=eve",
            "name=ORDO",
            "name=dr. eve",
            "name:contains=done",
            "name:exact=Ordóñez",
            "family=ordonez",
            "given=marie",
            "name=nobody,eve",
            "name=eve&gender=female",
            "address=12 main",
            "address-city=arhus",
            "address-country=dk",
            "gender=female",
            "gender=http://hl7.org/fhir/administrative-gender|female",
            "gender:not=male",
            "active=true",
            "deceased=false",
            r"identifier=http://mrn|a\|b\,c",
            "identifier=http://mrn|",
            r"identifier=a\|b\,c",
            r"identifier:of-type=http://v2|MR|a\|b\,c",
            "identifier:text=record",
            "identifier:text=number",
            "phone=+1 555",
            "email=e@x.org",
            "telecom=phone|+1 555",
            "birthdate=1980",
            "birthdate=1980-02",
            "birthdate=ge1980-02",
            "birthdate=lt1980-03",
            "birthdate=gt1980-02-10",
            "birthdate=ne1980-02-10",
            "birthdate=ap1980-02-10",
            "general-practitioner=d1",
            "general-practitioner=Practitioner/d1",
            "general-practitioner=http://h/fhir/Practitioner/d1",
            "general-practitioner:Practitioner=d1",
            "general-practitioner=http://other/fhir/Practitioner/d2",
            "general-practitioner:identifier=http://npi|9",
            "organization:missing=false",
            "link:missing=true",
            "_tag=http://t|x",
            "_tag=x",
            "_security=R",
            "_security=|R",
            "_source=http://s",
            "_profile=http://p/core",
            "_profile=http://p/core|3.1",
            "_id=p1",
            "_id=p0,p1",
            "_id:not=p0",
            "_lastUpdated=2020",
            "_lastUpdated=ge2020-01-01",
        ],
        &[
            "name=done",
            "name:exact=ordóñez",
            "name:contains=xyz",
            "family=eve",
            "name=eve&gender=male",
            "gender:not=female,male",
            "gender=FEMALE",
            "gender=http://g|female",
            "active=false",
            "deceased=true",
            "identifier=|a",
            "identifier=http://mrn|A\\|B\\,C",
            "identifier:text=ecord",
            "identifier:of-type=http://v2|PI|a\\|b\\,c",
            "phone=e@x.org",
            "email=+1 555",
            "telecom=|+1 555",
            "birthdate=1980-02-10",
            "birthdate=gt1980-02",
            "birthdate=sa1980-02-10",
            "birthdate=eb1980-02-10",
            "birthdate=1981",
            "birthdate=ne1980",
            "general-practitioner=d2",
            "general-practitioner=Organization/d1",
            "general-practitioner:identifier=http://npi|8",
            "organization=o",
            "organization:missing=true",
            "link:missing=false",
            "_tag=http://u|x",
            "_profile=http://p/core|3",
            "_id=p2",
            "_id:not=p1",
            "_lastUpdated=lt2020",
        ],
    );
}

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","status":"final",
 "code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}],
         "text":"BP"},
 "subject":{"reference":"Patient/p1"},
 "effectivePeriod":{"start":"2020-05-01T10:00:00Z"},
 "component":[
  {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
   "valueQuantity":{"value":107.0,"unit":"mmHg","system":"http://ucum","code":"mm[Hg]"}},
  {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
   "valueQuantity":{"value":60,"unit":"mmHg","system":"http://ucum","code":"mm[Hg]"}}]}"#;

#[test]
fn an_observation() {
    check(
        OBSERVATION,
        &[
            "code=85354-9",
            "code:text=blood",
            "code:text=Pressure panel",
            "code:text=bp",
            "combo-code=8480-6",
            "component-code=http://loinc.org|8462-4",
            "patient=p1",
            "subject=Patient/p1",
            "subject:Patient=p1",
            "date=gt2024",
            "date=ge2020-05-01",
            "date=sa2020-04",
            "date=ne2020",
            "component-value-quantity=107",
            "component-value-quantity=107||mmHg",
            "component-value-quantity=107|http://ucum|mm[Hg]",
            "component-value-quantity=gt60|http://ucum|mm[Hg]",
            "component-value-quantity=ap100",
            "component-code-value-quantity=8480-6$gt100",
            "combo-code-value-quantity=http://loinc.org|8462-4$60||mmHg",
            "combo-code-value-quantity=8480-6$le50,8462-4$le60",
            "value-quantity:missing=true",
            "_profile:missing=true",
        ],
        &[
            "code=8480-6",
            "code:text=ressure",
            "code:text=panel blood",
            "patient=p2",
            "subject=Group/p1",
            "date=2020",
            "date=lt2020-05-01",
            "date=eb2030",
            "component-value-quantity=107.4",
            "component-value-quantity=107|http://other|mm[Hg]",
            "component-value-quantity=107||mg",
            "component-value-quantity=lt60",
            "component-code-value-quantity=8480-6$60",
            "code-value-quantity=85354-9$107",
            "code:missing=true",
            "status=http://hl7.org/fhir/observation-statu|final",
            "combo-code-value-quantity:missing=true",
        ],
    );
}

#[test]
fn values_of_other_types() {
    let json = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},
      "valueSampledData":{"origin":{"value":10,"unit":"mV"},"period":10,"factor":2,"dimensions":1,
        "data":"1 E -3 5 U"}}"#;
    check(
        json,
        &["value-quantity=gt19||mV", "value-quantity=4", "code:missing=false"],
        &["value-quantity=gt20", "value-quantity=lt4", "code=x"],
    );
    let json = r#"{"resourceType":"Invoice","id":"1","status":"draft",
      "totalNet":{"value":12.50,"currency":"EUR"}}"#;
    check(
        json,
        &["totalnet=12.5|urn:iso:std:iso:4217|EUR", "totalnet=12.50||EUR"],
        &["totalnet=12.5||USD"],
    );
    let json = r#"{"resourceType":"Condition","id":"1","subject":{"reference":"Patient/1"},
      "onsetRange":{"low":{"value":30,"unit":"a"},"high":{"value":40,"unit":"a"}},
      "abatementString":"long ago"}"#;
    check(
        json,
        &["onset-age=30", "onset-age=gt35||a", "abatement-string=LONG"],
        &["onset-age=gt40", "onset-age=lt30", "abatement-date:missing=false"],
    );
    let json = r##"{"resourceType":"Account","id":"1","status":"active",
      "contained":[{"resourceType":"Device","id":"d"},{"resourceType":"Patient","id":"p"}],
      "subject":[{"reference":"#d"},{"reference":"#p"},{"type":"Patient","display":"Eve"}]}"##;
    check(json, &["subject:missing=false", "patient:missing=false"], &["subject=d", "patient=p"]);
    let json = r##"{"resourceType":"Account","id":"1","status":"active",
      "contained":[{"resourceType":"Device","id":"d"}],"subject":[{"reference":"#d"}]}"##;
    check(json, &["subject:missing=false", "patient:missing=true"], &[]);
    let json = r#"{"resourceType":"Patient","id":"1","deceasedDateTime":"2020"}"#;
    check(json, &["deceased=true", "death-date=2020"], &["deceased=false"]);
    let json = r#"{"resourceType":"ServiceRequest","id":"1","occurrenceTiming":{
      "event":["2020-03-01"],"repeat":{"boundsPeriod":{"start":"2020-02-01","end":"2020-02-10"}}}}"#;
    check(json, &["occurrence=2020-02,2020", "occurrence=ap2020-02-15"], &["occurrence=2020-02"]);
    let json = r#"{"resourceType":"QuestionnaireResponse","id":"1","status":"completed",
      "questionnaire":"http://q/1|2.0"}"#;
    check(
        json,
        &["questionnaire=http://q/1", "questionnaire=http://q/1|2.0"],
        &["questionnaire=http://q/1|1.0"],
    );
    let json = r#"{"resourceType":"ValueSet","id":"1","status":"draft",
      "url":"http://a.org/fhir/ValueSet/123/x"}"#;
    check(
        json,
        &[
            "url:below=http://a.org/fhir",
            "url:below=http://a.org/fhir/ValueSet/123/x",
            "url:above=http://a.org/fhir/ValueSet/123/x/y",
        ],
        &["url:below=http://a.org/fh", "url=http://a.org/fhir", "url:above=http://a.org"],
    );
}

#[test]
fn every_prefix_of_dates_at_every_border() {
    use Prefix::{Ap, Eb, Eq, Ge, Gt, Le, Lt, Ne, Sa};
    // The search is 10..=19; each row is a value and the prefixes that find it.
    let rows: &[((i64, i64), &[Prefix])] = &[
        ((10, 19), &[Eq, Ge, Le, Ap]),
        ((12, 15), &[Eq, Ge, Le, Ap]),
        ((10, 20), &[Ne, Gt, Ge, Ap]),
        ((9, 19), &[Ne, Lt, Le, Ap]),
        ((9, 20), &[Ne, Gt, Lt, Ge, Le, Ap]),
        ((19, 20), &[Ne, Gt, Ge, Ap]),
        ((20, 25), &[Ne, Gt, Ge, Sa]),
        ((9, 10), &[Ne, Lt, Le, Ap]),
        ((5, 9), &[Ne, Lt, Le, Eb]),
        ((i64::MIN, 15), &[Ne, Lt, Le, Ap]),
        ((15, i64::MAX), &[Ne, Gt, Ge, Ap]),
        ((i64::MIN, i64::MAX), &[Ne, Gt, Lt, Ge, Le, Ap]),
        ((20, i64::MAX), &[Ne, Gt, Ge, Sa]),
    ];
    for (value, found_by) in rows {
        for prefix in [Eq, Ne, Gt, Lt, Ge, Le, Sa, Eb, Ap] {
            let found = date_matches(prefix, (10, 19), *value);
            assert_eq!(found, found_by.contains(&prefix), "{prefix:?} {value:?}");
        }
    }
}

#[test]
fn every_prefix_of_numbers_at_every_border() {
    use Prefix::{Ap, Eb, Eq, Ge, Gt, Le, Lt, Ne, Sa};
    let rows: &[(f64, &[Prefix])] = &[
        (100.0, &[Eq, Ge, Le, Ap]),
        (99.5, &[Eq, Lt, Le, Eb, Ap]),
        (99.4, &[Ne, Lt, Le, Eb]),
        (100.4, &[Eq, Gt, Ge, Sa, Ap]),
        (100.5, &[Ne, Gt, Ge, Sa, Ap]),
        (100.6, &[Ne, Gt, Ge, Sa]),
    ];
    for (x, found_by) in rows {
        for prefix in [Eq, Ne, Gt, Lt, Ge, Le, Sa, Eb, Ap] {
            let found = number_matches(prefix, 100.0, (99.5, 100.5), *x);
            assert_eq!(found, found_by.contains(&prefix), "{prefix:?} {x}");
        }
    }
}
