//! Export through the door, and the audit that comes before it.

use crate::common::{START_MS, TestRecord};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Actor, Ctx, Error, Kind, Record, Request, Scopes};

fn put(record: &Record, ty: &str, id: &str, text: &str) {
    let rt = ResourceType::from_name(ty).expect("R4");
    let body = Doc::parse(text).expect("JSON");
    let ctx = Ctx::system("test", START_MS);
    record.execute(&ctx, Request::update(rt, id, body)).expect("stored");
}

fn lines(record: &Record, ctx: &Ctx, patient: Option<&str>) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    record.export(ctx, patient, |exported| {
        let state = if exported.is_current { "current" } else { "superseded" };
        let doc = Doc::parse(exported.text.to_vec()).expect("JSON");
        let id = doc.root().str("id").unwrap_or_default();
        lines.push(format!("{} {state} {id} of {}", exported.rt, exported.n_all));
        Ok::<(), Error>(())
    })?;
    Ok(lines)
}

fn filled() -> TestRecord {
    let test = TestRecord::new();
    for (id, active) in [("p1", true), ("p2", true), ("p1", false)] {
        let text = format!(r#"{{"resourceType":"Patient","id":"{id}","active":{active}}}"#);
        put(&test.record, "Patient", id, &text);
    }
    for (id, patient) in [("o1", "p1"), ("o2", "p2")] {
        let text = format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"c"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
        );
        put(&test.record, "Observation", id, &text);
    }
    test
}

#[test]
fn everything_or_one_patient_is_exported() {
    let test = filled();
    let ctx = Ctx::system("export", START_MS);
    assert_eq!(
        lines(&test.record, &ctx, None).expect("exported"),
        [
            "Observation current o1 of 4",
            "Observation current o2 of 4",
            "Patient current p1 of 4",
            "Patient current p2 of 4",
            "Patient superseded  of 4",
        ]
    );
    assert_eq!(
        lines(&test.record, &ctx, Some("p1")).expect("exported"),
        ["Observation current o1 of 2", "Patient superseded  of 2", "Patient current p1 of 2"]
    );
    let missing = lines(&test.record, &ctx, Some("p9")).expect_err("not here");
    assert_eq!(missing.kind, Kind::NotFound);
}

#[test]
fn only_vitae_exports_and_each_attempt_is_audited() {
    let test = filled();
    let mut ctx = Ctx::system("probe", START_MS);
    ctx.actor = Actor::Client { id: "c".into(), name: "C".into() };
    ctx.scopes = Scopes::all();
    assert_eq!(lines(&test.record, &ctx, None).expect_err("refused").kind, Kind::Forbidden);
    assert!(test.record.audit_log(&ctx).is_err_and(|e| e.kind == Kind::Forbidden));
    let own = Ctx::system("probe", START_MS);
    // The leaf is there although the export was given up at once.
    let given_up = test.record.export(&own, Some("p1"), |_| Err(Error::new(Kind::Internal, "no")));
    assert!(given_up.is_err());
    let log = test.record.audit_log(&own).expect("the log");
    let leaves: Vec<String> = log
        .leaves(0, 1_000)
        .expect("leaves")
        .into_iter()
        .filter_map(|(_, leaf)| String::from_utf8(leaf).ok())
        .filter(|leaf| leaf.contains("\"req\":\"probe\""))
        .collect();
    assert_eq!(leaves.len(), 2, "{leaves:?}");
    assert!(leaves[0].contains(r#""what":"export","n":0,"ok":403"#), "{}", leaves[0]);
    let whole = r#""what":"export Patient/p1","n":2,"patients":["p1"],"ok":200"#;
    assert!(leaves[1].contains(whole), "{}", leaves[1]);
}
