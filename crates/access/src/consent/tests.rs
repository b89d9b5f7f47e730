use fhir::json::Doc;
use search::value::{IndexValue, Indexed};
use search::world::Known;

use super::*;
use crate::ctx::Purpose;

fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect("R4")
}

/// 2026-01-01T00:00:00Z.
const NOW_MS: i64 = 1_767_225_600_000;

fn program(id: &str, purpose: Purpose) -> Ctx {
    let mut ctx = Ctx::system("r", NOW_MS);
    ctx.actor = Actor::Client { id: id.to_owned(), name: "Exchange".to_owned() };
    ctx.purpose = purpose;
    ctx
}

fn consent(provision: &str) -> Consent {
    let text = format!(
        r#"{{"resourceType":"Consent","status":"active","patient":{{"reference":"Patient/p1"}},"provision":{provision}}}"#
    );
    Consent::read(Doc::parse(text.as_str()).expect(provision).root()).expect(provision)
}

fn known(ty: &str, patient: &str, more: &[(&str, &str, &str)]) -> Known {
    let param = |code| params::find(rt(ty), code).expect("R4").0;
    let to = IndexValue::Reference { ty: rt("Patient"), id: patient.to_owned() };
    let mut values = vec![Indexed { param: param("patient"), value: to.clone() }];
    values.extend(params::find(rt(ty), "subject").map(|(param, _)| Indexed { param, value: to }));
    for (name, system, code) in more {
        let (system, code) = (Some((*system).to_owned()), Some((*code).to_owned()));
        values.push(Indexed { param: param(name), value: IndexValue::Token { system, code } });
    }
    Known { rt: rt(ty), id: "x".into(), last_updated_ms: NOW_MS, values }
}

fn hides(consent: &Consent, ctx: &Ctx, resource: &Known) -> bool {
    consent.hidden(&Asker { ctx, known_as: &[] }, resource.rt).admits(resource)
}

const LABEL: (&str, &str, &str) =
    ("_security", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "ETH");

#[test]
fn a_deny_takes_the_chart_from_everybody_or_from_who_is_named() {
    let ctx = program("c1", Purpose::Treatment);
    let all = consent(r#"{"type":"deny"}"#);
    assert!(hides(&all, &ctx, &known("Condition", "p1", &[])));
    assert!(!hides(&all, &ctx, &known("Condition", "p2", &[])), "another patient");
    assert!(!hides(&all, &Ctx::system("r", NOW_MS), &known("Condition", "p1", &[])));
    let patient =
        Known { rt: rt("Patient"), id: "p1".into(), last_updated_ms: 0, values: Vec::new() };
    assert!(hides(&all, &ctx, &patient));
    for actor in [r#"{"reference":"Device/c1"}"#, r#"{"identifier":{"value":"c1"}}"#] {
        let named = consent(&format!(
            r#"{{"type":"deny","actor":[{{"role":{{"text":"r"}},"reference":{actor}}}]}}"#
        ));
        assert!(hides(&named, &ctx, &known("Condition", "p1", &[])), "{actor}");
        let other = program("c2", Purpose::Treatment);
        assert!(!hides(&named, &other, &known("Condition", "p1", &[])), "{actor}");
    }
}

#[test]
fn purposes_periods_and_actions_bound_a_provision() {
    let resource = known("Condition", "p1", &[]);
    let payment = consent(r#"{"type":"deny","purpose":[{"code":"HPAYMT"}]}"#);
    assert!(hides(&payment, &program("c", Purpose::Payment), &resource));
    assert!(!hides(&payment, &program("c", Purpose::Treatment), &resource));
    let ctx = program("c", Purpose::Treatment);
    for (period, is_hidden) in [
        (r#"{"end":"2025"}"#, false),
        (r#"{"start":"2027"}"#, false),
        (r#"{"start":"2025-06","end":"2026"}"#, true),
        (r#"{"start":"2026-01-01T00:00:00Z"}"#, true),
        // What is no date restricts.
        (r#"{"end":"soon"}"#, true),
    ] {
        let bounded = consent(&format!(r#"{{"type":"deny","period":{period}}}"#));
        assert_eq!(hides(&bounded, &ctx, &resource), is_hidden, "{period}");
    }
    let correct = r#"{"type":"deny","action":[{"coding":[{"code":"correct"}]}]}"#;
    assert!(!hides(&consent(correct), &ctx, &resource), "not about looking");
}

#[test]
fn labels_types_codes_and_single_resources_narrow_it() {
    let ctx = program("c", Purpose::Treatment);
    let label = consent(
        r#"{"type":"permit","provision":[{"type":"deny","securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"ETH"}]}]}"#,
    );
    assert!(hides(&label, &ctx, &known("Condition", "p1", &[LABEL])));
    assert!(!hides(&label, &ctx, &known("Condition", "p1", &[])));
    assert!(!hides(&label, &ctx, &known("Condition", "p2", &[LABEL])));
    let class = consent(
        r#"{"type":"deny","class":[{"system":"http://hl7.org/fhir/resource-types","code":"Condition"}]}"#,
    );
    assert!(hides(&class, &ctx, &known("Condition", "p1", &[])));
    assert!(!hides(&class, &ctx, &known("Observation", "p1", &[])));
    let unknown = consent(r#"{"type":"deny","class":[{"system":"urn:x","code":"Condition"}]}"#);
    assert!(hides(&unknown, &ctx, &known("Observation", "p1", &[])), "not understood: restricts");
    let code = consent(r#"{"type":"deny","code":[{"coding":[{"system":"urn:c","code":"F10"}]}]}"#);
    assert!(hides(&code, &ctx, &known("Condition", "p1", &[("code", "urn:c", "F10")])));
    assert!(!hides(&code, &ctx, &known("Condition", "p1", &[("code", "urn:c", "I10")])));
    let one = consent(
        r#"{"type":"deny","data":[{"meaning":"instance","reference":{"reference":"Condition/x"}}]}"#,
    );
    assert!(hides(&one, &ctx, &known("Condition", "p1", &[])));
    assert!(!hides(&one, &ctx, &known("Observation", "p1", &[])));
}

#[test]
fn exceptions_stand_inside_what_they_except_from() {
    let ctx = program("c1", Purpose::Treatment);
    let except = consent(
        r#"{"type":"deny","provision":[{"type":"permit","class":[{"system":"http://hl7.org/fhir/resource-types","code":"AllergyIntolerance"}],"provision":[{"type":"deny","securityLabel":[{"code":"ETH"}]}]}]}"#,
    );
    assert!(hides(&except, &ctx, &known("Condition", "p1", &[])));
    assert!(!hides(&except, &ctx, &known("AllergyIntolerance", "p1", &[])));
    assert!(hides(&except, &ctx, &known("AllergyIntolerance", "p1", &[LABEL])));
    let unclear = consent(
        r#"{"type":"deny","provision":[{"type":"permit","class":[{"system":"urn:x","code":"y"}]}]}"#,
    );
    assert!(hides(&unclear, &ctx, &known("Condition", "p1", &[])), "an unclear permit is none");
}

/// A boundary without a code must not widen a `permit` nor narrow a `deny`.
#[test]
fn what_has_no_code_restricts() {
    let ctx = program("c1", Purpose::Treatment);
    for bound in [
        r#""securityLabel":[{"display":"normal"}]"#,
        r#""code":[{"text":"allergies"}]"#,
        r#""purpose":[{"display":"treatment"}]"#,
        r#""action":[{"text":"look"}]"#,
        r#""dataPeriod":{"end":"2020"}"#,
    ] {
        let permit = format!(r#"{{"type":"deny","provision":[{{"type":"permit",{bound}}}]}}"#);
        assert!(hides(&consent(&permit), &ctx, &known("Condition", "p1", &[])), "{bound}");
        let deny = format!(r#"{{"type":"deny",{bound}}}"#);
        assert!(hides(&consent(&deny), &ctx, &known("Condition", "p1", &[])), "{bound}");
    }
}

#[test]
fn provisions_inside_each_other_have_a_limit() {
    let ctx = program("c1", Purpose::Treatment);
    let nested = |depth: usize| {
        let inner = |text: String, at: usize| {
            let ty = if at.is_multiple_of(2) { "deny" } else { "permit" };
            format!(r#"{{"type":"{ty}","provision":[{text}]}}"#)
        };
        let last =
            format!(r#"{{"type":"{}"}}"#, if depth.is_multiple_of(2) { "deny" } else { "permit" });
        consent(&(0..depth).rev().fold(last, inner))
    };
    let hidden = |depth| hides(&nested(depth), &ctx, &known("Condition", "p1", &[]));
    // The last `permit` that is understood, and one that lies too deep and so is none.
    assert!(!hidden(DEPTH_MAX - 1));
    assert!(hidden(DEPTH_MAX + 1));
}

#[test]
fn only_active_consents_about_privacy_count() {
    let read = |text: &str| Consent::read(Doc::parse(text).expect(text).root());
    let patient = r#""patient":{"reference":"Patient/p1"},"provision":{"type":"deny"}"#;
    assert!(read(&format!(r#"{{"status":"inactive",{patient}}}"#)).is_none());
    let research = r#""scope":{"coding":[{"code":"research"}]}"#;
    assert!(read(&format!(r#"{{"status":"active",{research},{patient}}}"#)).is_none());
    let privacy = r#""scope":{"coding":[{"code":"patient-privacy"}]}"#;
    assert!(read(&format!(r#"{{"status":"active",{privacy},{patient}}}"#)).is_some());
    assert!(read(r#"{"status":"active","provision":{"type":"deny"}}"#).is_none());
}
