//! The audit log, who opened a chart, and what left the practice, as pages.

mod common;

use common::practice;
use fhir_tables::ResourceType;
use record::{Actor, Ctx, Request, Scopes};

fn count(html: &str, name: &str) -> usize {
    html.matches(&format!("data-test=\"{name}\"")).count()
}

#[tokio::test]
async fn who_opened_a_chart_is_told_to_the_officer_and_to_the_patient() {
    let p = practice("audit", 3, 0);
    let (ada, officer, portal) =
        (p.sign_in("ada").await, p.sign_in("olga").await, p.sign_in("pat").await);
    for path in ["/patients/p0", "/patients/p0/results", "/patients/p0/problems"] {
        assert_eq!(p.get(path, &ada).await.0, 200);
    }
    for path in [
        "/admin/audit",
        "/admin/audit.csv",
        "/patients/p0/access",
        "/patients/p0/disclosures",
        "/patients/p0/disclosures.csv",
    ] {
        assert_eq!(p.get(path, &officer).await.0, 200, "{path}");
        assert_eq!(p.get(path, &ada).await.0, 403, "{path} as a provider");
        assert_eq!(p.get(path, &portal).await.0, 403, "{path} as a patient");
        assert_eq!(p.get(path, "").await.0, 303, "{path} without a session");
    }
    let (_, html) = p.get("/patients/p0/access", &officer).await;
    assert!(html.contains("tab-access") && html.contains("aria-current"));
    // One visit of ada's, however many reads; the import before; the officer's own.
    assert!(html.contains("<b><bdi>ada</bdi></b>"));
    assert_eq!(html.matches("<b><bdi>ada</bdi></b>").count(), 1);
    assert!(count(&html, "access-entry") > count(&html, "access-visit"));
    let (_, html) = p.get("/patients/p0", &ada).await;
    assert!(!html.contains("tab-access"), "a link that would be refused is not shown");

    // The patient sees the same people, and nobody else's data.
    let (status, html) = p.get("/account/access", &portal).await;
    assert_eq!(status, 200);
    assert!(html.contains("<b><bdi>ada</bdi></b>") && !html.contains("p1"));
    assert_eq!(p.get("/account/access", &ada).await.0, 404);
    assert!(p.get("/apps", &portal).await.1.contains("own-access-link"));
}

#[tokio::test]
async fn the_log_is_filtered_sorted_and_saved() {
    let p = practice("audit-log", 3, 0);
    let (ada, officer) = (p.sign_in("ada").await, p.sign_in("olga").await);
    for path in ["/patients", "/patients/p0", "/patients/p1"] {
        assert_eq!(p.get(path, &ada).await.0, 200);
    }
    assert_eq!(p.get("/patients/none", &ada).await.0, 404);
    let (_, all) = p.get("/admin/audit", &officer).await;
    assert_eq!(count(&all, "audit-entry"), 50.min(count(&all, "audit-entry")));
    let (_, of_ada) = p.get("/admin/audit?person=ADA&patient=p1", &officer).await;
    assert!(count(&of_ada, "audit-entry") > 0);
    assert!(of_ada.contains("<bdi>ada</bdi>") && !of_ada.contains("<td><bdi>olga</bdi>"));
    let (_, refused) = p.get("/admin/audit?person=ada&outcome=refused", &officer).await;
    assert_eq!(count(&refused, "audit-entry"), 1, "the patient who is not there");
    for sort in ["time", "person", "patient", "action", "outcome", "address", "purpose"] {
        for order in ["asc", "desc"] {
            let path = format!("/admin/audit?sort={sort}&order={order}");
            let (status, html) = p.get(&path, &officer).await;
            assert_eq!((status, count(&html, "audit-log")), (200, 1), "{path}");
            let wanted = if order == "asc" { "ascending" } else { "descending" };
            assert!(html.contains(&format!("aria-sort=\"{wanted}\"")), "{path}");
        }
    }
    let people = |html: &str| -> Vec<String> {
        html.split("data-test=\"audit-entry\"")
            .skip(1)
            .filter_map(|row| row.split("<td><bdi>").nth(1)?.split('<').next().map(str::to_owned))
            .collect()
    };
    let (_, html) = p.get("/admin/audit?sort=person&order=asc", &officer).await;
    let listed = people(&html);
    let folded: Vec<String> = listed.iter().map(|name| name.to_lowercase()).collect();
    // Vitae itself stands in the log as System.
    let key = |name: &String| if name == "vitae" { "system".to_owned() } else { name.clone() };
    assert!(folded.is_sorted_by_key(key), "{folded:?}");
    let (_, html) = p.get("/admin/audit?from=23.11.2026", &officer).await;
    assert!(html.contains("Write days as 2026-11-23"));
    let (_, html) = p.get("/admin/audit?to=2001-01-01", &officer).await;
    assert!(html.contains("No entries fit"));

    let (_, file) = p.get("/admin/audit.csv?person=ada", &officer).await;
    let lines: Vec<&str> = file.lines().collect();
    assert!(lines[0].starts_with("\"number\",\"time\",\"person\""));
    assert!(lines.len() > 3 && lines[1..].iter().all(|line| line.contains("\"ada\"")));
    // Saving it is in the log.
    let (_, again) = p.get("/admin/audit?person=olga", &officer).await;
    assert!(again.contains("AuditEvent?person=ada"));
}

#[tokio::test]
async fn what_programs_were_given_is_accounted_for() {
    let p = practice("audit-disclosed", 2, 0);
    let officer = p.sign_in("olga").await;
    let (_, html) = p.get("/patients/p0/disclosures", &officer).await;
    assert_eq!(count(&html, "disclosures-none"), 1);
    let mut ctx = Ctx::system("r", p.record.now_ms());
    ctx.actor = Actor::Client { id: "c1".to_owned(), name: "State registry".to_owned() };
    ctx.scopes = Scopes::all();
    for _ in 0..3 {
        let read = Request::read(ResourceType::PATIENT, "p0");
        p.record.execute(&ctx, read).expect("read");
    }
    let system = Ctx::system("x", p.record.now_ms());
    p.record.export(&system, Some("p0"), |_| Ok::<(), record::Error>(())).expect("exported");
    // Pages that were made anew keep nothing of their own.
    let p = p.restarted();
    let (_, html) = p.get("/patients/p0/disclosures", &officer).await;
    assert_eq!(count(&html, "disclosure"), 2);
    assert!(html.contains("State registry") && html.contains("Read 3 times: Patient"));
    assert!(html.contains("The whole chart"));
    let (_, other) = p.get("/patients/p1/disclosures", &officer).await;
    assert_eq!(count(&other, "disclosures-none"), 1);
    let (_, file) = p.get("/patients/p0/disclosures.csv", &officer).await;
    assert_eq!(file.lines().count(), 3);

    // An agency asked that the patient is not told for a time.
    let page = "/patients/p0/disclosures";
    let day = |days: i64| {
        let at = jiff::Timestamp::from_millisecond(p.record.now_ms() + days * 86_400_000);
        at.expect("a time").to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
    };
    let form = |until: &str, reason: &str| {
        format!("recipient=State+registry&until={until}&reason={reason}")
    };
    for (until, reason) in
        [(day(-2), "x"), (day(370), "x"), (day(5), "+"), ("soon".to_owned(), "x")]
    {
        let refused = common::text(p.post(page, &officer, &form(&until, reason)).await).await;
        assert!(refused.0 == 200 && refused.1.contains("suspend-trouble"), "{until} {reason}");
    }
    assert_eq!(p.post(page, &officer, &form(&day(5), "by+letter")).await.status(), 303);
    let (_, html) = p.get(page, &officer).await;
    assert_eq!((count(&html, "disclosure"), count(&html, "disclosure-suspended")), (2, 1));
    let (_, file) = p.get("/patients/p0/disclosures.csv", &officer).await;
    assert!(file.lines().count() == 2 && !file.contains("State registry"));
    let ada = p.sign_in("ada").await;
    assert_eq!(p.post(page, &ada, &form(&day(5), "x")).await.status(), 403);
}

#[tokio::test]
async fn unusual_access_is_reviewed() {
    let p = practice("audit-unusual", 2, 0);
    let (ada, officer) = (p.sign_in("ada").await, p.sign_in("olga").await);
    let page = "/admin/audit/unusual";
    assert_eq!(p.get(page, &ada).await.0, 403);
    assert_eq!(p.post(page, &ada, "id=x&note=y").await.status(), 403);
    let (_, html) = p.get(page, &officer).await;
    assert_eq!(count(&html, "unusual-none"), 1);
    assert_eq!(p.get("/patients/p0", &ada).await.0, 200);
    p.record.flush().expect("on disk");
    let system = Ctx::system("watch", p.record.now_ms());
    let watch = record::Watch {
        staff: &[],
        hours: (0, 24 * 60),
        local: &|_| (6, 600),
        window_days: 90,
        charts_a_day: 80,
    };
    while p.record.watch_access(&system, &watch).expect("looked") > 0 {}
    let (_, html) = p.get(page, &officer).await;
    assert_eq!((count(&html, "unusual"), count(&html, "unusual-form")), (1, 1));
    assert!(html.contains("outside of the hours of the practice") && html.contains("ada"));
    let id = html.split("name=\"id\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let id = id.expect("a row").to_owned();
    let refused = common::text(p.post(page, &officer, &format!("id={id}&note=+")).await).await;
    assert!(refused.0 == 200 && refused.1.contains("unusual-trouble"));
    let done = p.post(page, &officer, &format!("id={id}&note=Weekend+duty")).await;
    assert_eq!(done.status(), 303);
    assert_eq!(count(&p.get(page, &officer).await.1, "unusual-none"), 1);
    let (_, all) = p.get("/admin/audit/unusual?all=1", &officer).await;
    assert!(all.contains("Weekend duty") && count(&all, "unusual-review") == 1);
}
