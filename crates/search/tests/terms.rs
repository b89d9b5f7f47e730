//! Values that mean sets: value sets, hierarchies, units, full text, places.
//!
//! Source: FHIR R4 search.html#token, #quantity, #content; location.html#search.

use fhir::issue::IssueType;
use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::index;
use search::lookup::{Direction, Lookup, Refusal};
use search::parse::{Handling, Setting, parse};
use terminology::{CodeSet, Codes};

const BASE: &str = "http://h/fhir";

/// Knows one value set, one hierarchy of codes and one of places.
#[derive(Debug)]
struct Facts;

fn listed(codes: &[&str]) -> Codes {
    Codes::Listed(codes.iter().map(|code| (*code).to_owned()).collect())
}

impl Lookup for Facts {
    fn value_set(&self, url: &str) -> Result<CodeSet, Refusal> {
        match url {
            "http://v" => {
                let mut set = CodeSet::of("http://s", listed(&["a", "b"]));
                set.add("http://hl7.org/fhir/administrative-gender", listed(&["male"]));
                Ok(set)
            }
            "http://all" => Ok(CodeSet::of("http://s", Codes::AllBut(Default::default()))),
            other => search::lookup::NoRecord.value_set(other),
        }
    }

    fn subsumption(
        &self,
        system: &str,
        code: &str,
        direction: Direction,
    ) -> Result<CodeSet, Refusal> {
        let more = if direction == Direction::Below { "narrow" } else { "broad" };
        Ok(CodeSet::of(system, listed(&[code, more])))
    }

    fn parts(&self, _: ResourceType, id: &str, _: Direction) -> Result<Vec<String>, Refusal> {
        let n = id.parse().unwrap_or(1);
        Ok((0..n).map(|i| format!("{id}-{i}")).collect())
    }
}

fn read(ty: &str, name: &str, value: &str) -> Result<search::query::Query, fhir::issue::Issue> {
    let rt = ResourceType::from_name(ty).expect("a type");
    let setting = Setting { handling: Handling::Strict, base_url: BASE, now_ms: 0, lookup: &Facts };
    parse(rt, None, &[(name.to_owned(), value.to_owned())], setting).map_err(|mut e| e.remove(0))
}

fn matches(json: &str, query: &str) -> bool {
    let doc = Doc::parse(json).expect("JSON");
    let ty = doc.root().str("resourceType").expect("resourceType");
    let (name, value) = query.split_once('=').expect("=");
    let rt = ResourceType::from_name(&ty).expect("a type");
    let query = read(&ty, name, value).expect(value);
    query.matches("1", 0, &index(rt, doc.root(), BASE))
}

#[test]
fn value_sets_and_subsumption() {
    let condition = |code: &str| {
        let coding = format!(r#"{{"system":"http://s","code":"{code}"}}"#);
        format!(r#"{{"resourceType":"Condition","code":{{"coding":[{coding}]}}}}"#)
    };
    for (code, query, want) in [
        ("a", "code:in=http://v", true),
        ("c", "code:in=http://v", false),
        ("c", "code:in=http://all", true),
        ("a", "code:not-in=http://v", false),
        ("c", "code:not-in=http://v", true),
        ("narrow", "code:below=http://s|x", true),
        ("narrow", "code:above=http://s|x", false),
        ("broad", "code:above=http://s|x", true),
        ("x", "code:above=http://s|x", true),
        ("x", "code:above=http://t|x", false),
        ("x", "code:below=http://t|y,http://s|x", true),
    ] {
        assert_eq!(matches(&condition(code), query), want, "{code} {query}");
    }
    let male = r#"{"resourceType":"Patient","gender":"male"}"#;
    assert!(matches(male, "gender:in=http://v"), "the system is implied");
    assert!(matches(male, "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender"));
    let female = male.replace("male", "female");
    assert!(!matches(&female, "gender:in=http://v"));
    assert!(matches(r#"{"resourceType":"Patient"}"#, "gender:not-in=http://v"));
}

#[test]
fn hierarchies_of_resources_and_versions() {
    let at = |id: &str| {
        let reference = format!(r#"{{"location":{{"reference":"Location/{id}"}}}}"#);
        format!(r#"{{"resourceType":"Encounter","location":[{reference}]}}"#)
    };
    assert!(matches(&at("2-1"), "location:below=Location/2"));
    assert!(!matches(&at("2-2"), "location:below=Location/2"));
    let answered = r#"{"resourceType":"QuestionnaireResponse","questionnaire":"http://q|1.2.0"}"#;
    for (query, want) in [
        ("questionnaire=http://q", true),
        ("questionnaire:below=http://q", true),
        ("questionnaire:below=http://q|1", true),
        ("questionnaire:below=http://q|1.2", true),
        ("questionnaire:below=http://q|1.3", false),
        ("questionnaire:above=http://q|1.2.0.1", true),
        ("questionnaire:above=http://r|1.3", false),
    ] {
        assert_eq!(matches(answered, query), want, "{query}");
    }
    let max = search::parse::PARTS_MAX;
    assert!(read("Encounter", "location:below", &format!("Location/{max}")).is_ok());
    let over = read("Encounter", "location:below", &format!("Location/{}", max + 1));
    assert_eq!(over.expect_err("too many").code, IssueType::TooCostly);
}

#[test]
fn quantities_are_compared_in_base_units() {
    let observation = |value: &str, system: &str, code: &str| {
        format!(
            r#"{{"resourceType":"Observation","valueQuantity":{{"value":{value},"system":"{system}","code":"{code}","unit":"{code}"}}}}"#
        )
    };
    let u = "http://unitsofmeasure.org";
    for (value, code, query, want) in [
        ("0.0054", "g", "5.4|U|mg", true),
        ("5.4", "mg", "5.4|U|mg", true),
        ("5.35", "mg", "5.4|U|mg", true),
        ("0.00535", "g", "5.4|U|mg", true),
        ("0.00545", "g", "5.4|U|mg", false),
        ("5.4", "g", "5.4|U|mg", false),
        ("5.4", "mL", "5.4|U|mg", false),
        ("37.0", "Cel", "98.6|U|[degF]", true),
        ("37.0", "Cel", "gt98|U|[degF]", true),
        ("37.0", "Cel", "gt99|U|[degF]", false),
        ("7.4", "[pH]", "7.4|U|[pH]", true),
        ("7.4", "[pH]", "gt7|U|[pH]", true),
        ("72", "{beats}/min", "72|U|/min", true),
        ("1", "g", "ne1000|U|mg", false),
        ("1", "g", "ne1|U|mg", true),
        ("1", "g", "ne1|U|mL", false),
        ("1", "g", "ap950|U|mg", true),
        ("1", "furlongs", "1|U|furlongs", true),
        ("1", "furlongs", "1|U|furlong", false),
        ("5.4", "mg", "5.4||mg", true),
        ("0.0054", "g", "5.4||mg", false),
        ("0.0054", "g", "5.4", false),
        ("5.4", "mg", "5.4|U|", true),
    ] {
        let query = format!("value-quantity={}", query.replace('U', u));
        let json = observation(value, u, code);
        assert_eq!(matches(&json, &query), want, "{value} {code} {query}");
    }
    let other = observation("5.4", "http://other", "mg");
    assert!(!matches(&other, &format!("value-quantity=5.4|{u}|mg")));
    assert!(matches(&other, "value-quantity=5.4|http://other|mg"));
}

#[test]
fn full_text_and_narrative() {
    let json = r#"{"resourceType":"Condition","text":{"status":"generated",
        "div":"<div xmlns='http://www.w3.org/1999/xhtml'>Seen in <b>Århus</b></div>"},
        "code":{"coding":[{"system":"http://snomed.info/sct","code":"84114007","display":"Heart failure"}]},
        "note":[{"text":"Improving on diuretics"}]}"#;
    for (query, want) in [
        ("_text=aarhus", false),
        ("_text=arhus", true),
        ("_text=heart", false),
        ("_content=heart diuretics", true),
        ("_content=heart arhus", true),
        ("_content=\"heart failure\"", true),
        ("_content=\"failure improving\"", false),
        ("_content=84114007", false),
        ("_content=snomed", false),
        ("_content=stroke,diur*", true),
        ("_content=heart -diuretics", false),
    ] {
        assert_eq!(matches(json, query), want, "{query}");
    }
}

#[test]
fn places_within_a_distance() {
    let json =
        r#"{"resourceType":"Location","position":{"longitude":-83.69471,"latitude":42.2565}}"#;
    for (query, want) in [
        ("near=42.2565|-83.69471|0|m", true),
        ("near=42.3|-83.7|10|km", true),
        ("near=42.3|-83.7|10", true),
        ("near=42.3|-83.7|10|kms", true),
        ("near=42.3|-83.7|4.0|km", false),
        ("near=42.3|-83.7|4.0|[mi_i]", true),
        ("near=42|-83.7", true),
        ("near=41|-83.7", false),
        ("near=-42|96.3|99999999", true),
    ] {
        assert_eq!(matches(json, query), want, "{query}");
    }
    let nowhere = r#"{"resourceType":"Location","position":{"longitude":-183.0,"latitude":42}}"#;
    assert!(!matches(nowhere, "near=42|177|99999999"));
}
