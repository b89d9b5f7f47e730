//! Emergency access: found by what names one patient, opened with a reason, seen on every page,
//! reviewed.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::http::header;
use common::{PASSWORD, Practice, practice, practice_in, text};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, EMERGENCY_LIFE_MS, REVIEW_WITHIN_MS, Request, SystemWorld, World};

/// The world as it is, at a clock that is set forward.
#[derive(Default)]
struct Ahead(AtomicI64);

impl World for Ahead {
    fn now_ms(&self) -> i64 {
        SystemWorld.now_ms() + self.0.load(Ordering::Relaxed)
    }

    fn random(&self, bytes: &mut [u8]) {
        SystemWorld.random(bytes);
    }
}

const POLICY: &str = "[provider]\nmay = ['care/*.cruds']\nemergency = ['patient/*.rs']\n\
    [front-desk]\nmay = ['user/*.rs']\n\
    [privacy-officer]\nmay = ['user/*.rs']\nreviews = true\n\
    [admin]\nmay = ['user/*.rs']\nreviews = true\n";

fn has(html: &str, name: &str) -> bool {
    html.contains(&format!("data-test=\"{name}\""))
}

/// Family name and date of birth of a patient.
fn named(p: &Practice, id: &str) -> (String, String) {
    let read = Request::read(ResourceType::PATIENT, id);
    let answer = p.record.execute(&Ctx::system("t", p.record.now_ms()), read).expect("there");
    let doc = Doc::parse(answer.body.expect("a Patient")).expect("JSON");
    let name = doc.root().list("name").next().expect("a name");
    let family = name.str("family").expect("a family name").into_owned();
    (family, doc.root().str("birthDate").expect("a date").into_owned())
}

async fn posted(p: &Practice, path: &str, cookie: &str, form: &str) -> (u16, String, String) {
    let response = p.post(path, cookie, form).await;
    let place = response.headers().get(header::LOCATION);
    let place = place.map_or("", |v| v.to_str().expect("text")).to_owned();
    let (status, html) = text(response).await;
    (status, place, html)
}

#[tokio::test]
async fn a_chart_is_opened_in_an_emergency_and_the_case_is_reviewed() {
    let clock = Arc::new(Ahead::default());
    let p = practice_in(clock.clone(), "emergency", 3, 0);
    p.record.set_policy(&Ctx::system("t", p.record.now_ms()), POLICY).expect("a policy");
    let (ada, desk) = (p.sign_in("ada").await, p.sign_in("desk").await);
    let officer = p.sign_in("olga").await;
    assert_eq!(p.get("/patients/p1", &ada).await.0, 404, "not in the care");
    assert!(has(&p.get("/account", &ada).await.1, "emergency-link"));
    // Others have no such page.
    for path in ["/emergency", "/admin/emergencies"] {
        assert_eq!(p.get(path, &desk).await.0, 403, "{path}");
        assert_eq!(p.get(path, "").await.0, 303, "{path}");
    }
    assert_eq!(p.get("/admin/emergencies", &ada).await.0, 403);
    assert!(!has(&p.get("/account", &desk).await.1, "emergency-link"));
    let form = "patient=p1&reason=threat&words=found+unconscious";
    assert_eq!(posted(&p, "/emergency", &desk, form).await.0, 403);
    // Found by what names one patient, and by nothing less.
    let (family, born) = named(&p, "p1");
    let (status, _, html) = posted(&p, "/emergency/find", &ada, &format!("family={family}")).await;
    assert!(status == 200 && has(&html, "emergency-trouble"));
    let find = format!("family={family}&born={born}");
    let (status, _, html) = posted(&p, "/emergency/find", &ada, &find).await;
    assert!(status == 200 && html.contains("value=\"p1\"") && !html.contains("value=\"p0\""));
    let (status, _, html) = posted(&p, "/emergency/choose", &ada, "patient=p1").await;
    assert!(status == 200 && has(&html, "emergency-form"));
    // Without words, the form comes back with what was chosen.
    let (status, _, html) = posted(&p, "/emergency", &ada, "patient=p1&reason=cover&words=x").await;
    assert!(status == 200 && has(&html, "emergency-trouble") && html.contains("value=\"cover\""));
    assert_eq!(p.get("/patients/p1", &ada).await.0, 404);
    let (status, place, _) = posted(&p, "/emergency", &ada, form).await;
    assert_eq!((status, place.as_str()), (303, "/patients/p1"));
    for path in ["/patients/p1", "/patients/p1/results", "/patients/p1/problems", "/account"] {
        let (status, html) = p.get(path, &ada).await;
        assert!(status == 200 && has(&html, "emergency-banner"), "{path}: {status}");
    }
    assert_eq!(p.get("/patients/p2", &ada).await.0, 404, "one chart");
    // Whoever reviews is told, and sees who, whose, why.
    let (_, html) = p.get("/", &officer).await;
    assert!(has(&html, "emergencies-waiting") && html.contains("1 emergency"));
    assert!(!has(&p.get("/", &ada).await.1, "emergencies-waiting"));
    let (_, html) = p.get("/admin/emergencies", &officer).await;
    assert!(html.contains("found unconscious") && html.contains(&family));
    let id = html.split("data-id=\"").nth(1).and_then(|rest| rest.split('"').next());
    let id = id.expect("an emergency").to_owned();
    let verdict = |words: &str| format!("emergency={id}&verdict=not&words={words}");
    let (status, _, html) = posted(&p, "/admin/emergencies", &officer, &verdict("")).await;
    assert!(status == 200 && has(&html, "emergency-trouble"));
    let (status, _, _) = posted(&p, "/admin/emergencies", &ada, &verdict("not+so")).await;
    assert_eq!(status, 403);
    // After five minutes the form asks again who one is; after four hours the chart is closed.
    clock.0.store(6 * 60_000, Ordering::Relaxed);
    let (status, place, _) = posted(&p, "/emergency", &ada, form).await;
    assert!(status == 303 && place.starts_with("/login/again?next="), "{place}");
    assert_eq!(p.get("/emergency", &ada).await.0, 303);
    clock.0.store(EMERGENCY_LIFE_MS + 1_000, Ordering::Relaxed);
    let again = format!("password={}&next=/patients", PASSWORD.replace(' ', "+"));
    assert_eq!(posted(&p, "/login/again", &ada, &again).await.0, 303);
    assert_eq!(p.get("/patients/p1", &ada).await.0, 404);
    assert!(!has(&p.get("/account", &ada).await.1, "emergency-banner"));
    // What nobody reviews becomes louder.
    clock.0.store(REVIEW_WITHIN_MS + 1_000, Ordering::Relaxed);
    let officer = p.sign_in("olga").await;
    assert!(p.get("/", &officer).await.1.contains("1 for more than 72 hours"));
    let admin = p.sign_in("root").await;
    let (_, html) = p.get("/admin/emergencies", &admin).await;
    assert!(has(&html, "emergency-overdue"));
    let said = verdict("nobody+was+in+danger");
    let (status, place, _) = posted(&p, "/admin/emergencies", &officer, &said).await;
    assert_eq!((status, place.as_str()), (303, "/admin/emergencies"));
    assert!(!has(&p.get("/", &officer).await.1, "emergencies-waiting"));
    assert!(!has(&p.get("/admin/emergencies", &officer).await.1, "emergency"));
    let (_, html) = p.get("/admin/emergencies?all=true", &officer).await;
    assert!(has(&html, "emergency-reviewed") && html.contains("nobody was in danger"));
}

#[tokio::test]
async fn an_open_chart_is_closed_by_hand() {
    let p = practice("emergency-close", 2, 0);
    p.record.set_policy(&Ctx::system("t", p.record.now_ms()), POLICY).expect("a policy");
    let ada = p.sign_in("ada").await;
    let form = "patient=p1&reason=cover&words=covering+tonight";
    assert_eq!(posted(&p, "/emergency", &ada, form).await.0, 303);
    let p = p.restarted();
    let (_, html) = p.get("/patients/p1", &ada).await;
    let id = html.split("name=\"emergency\" value=\"").nth(1).and_then(|r| r.split('"').next());
    let form = format!("emergency={}", id.expect("the banner's form"));
    assert_eq!(posted(&p, "/emergency/close", &ada, &form).await.0, 303);
    assert_eq!(p.get("/patients/p1", &ada).await.0, 404);
    assert_eq!(posted(&p, "/emergency/close", &ada, &form).await.0, 404, "closed already");
}
