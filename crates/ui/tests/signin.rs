//! Signing in, being locked, proving again who one is.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use auth::{PROOF_LIFE_MS, SESSION_IDLE_MS};
use axum::http::header;
use common::{PASSWORD, Practice, practice, practice_in, text};
use record::{SystemWorld, World};

/// The world as it is, at a clock that is set forward.
#[derive(Default)]
struct Ahead(AtomicI64);

impl Ahead {
    fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl World for Ahead {
    fn now_ms(&self) -> i64 {
        SystemWorld.now_ms() + self.0.load(Ordering::Relaxed)
    }

    fn random(&self, bytes: &mut [u8]) {
        SystemWorld.random(bytes);
    }
}

fn ahead(name: &str) -> (Practice, Arc<Ahead>) {
    let clock = Arc::new(Ahead::default());
    (practice_in(clock.clone(), name, 1, 0), clock)
}

async fn location(p: &Practice, path: &str, cookie: &str, form: &str) -> (u16, String) {
    let response = p.post(path, cookie, form).await;
    let place = response.headers().get(header::LOCATION);
    let place = place.map_or("", |v| v.to_str().expect("text")).to_owned();
    (response.status().as_u16(), place)
}

fn password() -> String {
    format!("password={}", PASSWORD.replace(' ', "+"))
}

const PAGES: [&str; 6] =
    ["/", "/patients", "/palette?q=a", "/account", "/patients/p0/results", "/apps"];

#[tokio::test]
async fn a_locked_session_opens_nothing_until_proved_again() {
    let (p, clock) = ahead("locked");
    let cookie = p.sign_in("ada").await;
    assert_eq!(p.get("/session", &cookie).await.0, 204);
    for _ in 0..15 {
        // A page that asks by itself does not prolong the session.
        assert_eq!(p.get("/session", &cookie).await.0, 204);
        clock.pass(SESSION_IDLE_MS / 15);
    }
    assert_eq!(p.get("/session", &cookie).await.0, 401);
    let p = p.restarted();
    for path in PAGES {
        let (status, html) = p.get(path, &cookie).await;
        assert_eq!((status, html.as_str()), (303, ""), "{path} is locked");
        let with =
            format!("{path}{}skip_timeout_reset=1", if path.contains('?') { "&" } else { "?" });
        assert_eq!(p.get(&with, &cookie).await.0, 303, "{with}");
    }
    assert_eq!(location(&p, "/session", &cookie, "").await.0, 401, "no use either");
    let (_, place) = location(&p, "/account/sessions/end", &cookie, "session=x").await;
    assert!(place.starts_with("/login/again?next="), "{place}");
    let (status, html) = p.get("/login/again?next=/patients", &cookie).await;
    assert_eq!(status, 200);
    assert!(html.contains("Locked") && html.contains("ada") && html.contains("/patients"));
    let wrong = location(&p, "/login/again", &cookie, "password=wrong&next=/patients").await;
    assert_eq!(wrong.0, 403);
    assert_eq!(p.get("/patients", &cookie).await.0, 303);
    let form = format!("{}&next=/patients?q=x", password());
    let right = location(&p, "/login/again", &cookie, &form).await;
    assert_eq!(right, (303, "/patients?q=x".to_owned()));
    for path in PAGES {
        assert_eq!(p.get(path, &cookie).await.0, 200, "{path} goes on");
    }
    // By hand, and by the page's script.
    assert_eq!(location(&p, "/lock", &cookie, "").await, (303, "/login/again?next=/".to_owned()));
    assert_eq!(p.get("/patients", &cookie).await.0, 303);
}

#[tokio::test]
async fn proving_again_goes_nowhere_else() {
    let p = practice("again", 1, 0);
    let cookie = p.sign_in("ada").await;
    for next in ["https://evil.test/", "//evil.test", "/\\evil.test", "/login?next=//evil.test"] {
        let form = format!("{}&next={next}", password());
        assert_eq!(location(&p, "/login/again", &cookie, &form).await, (303, "/".to_owned()));
        let (_, html) = p.get(&format!("/login/again?next={next}"), &cookie).await;
        assert!(!html.contains("evil"), "{next}");
    }
    let (status, place) = location(&p, "/login/again", "", &password()).await;
    assert_eq!((status, place.as_str()), (303, "/login?next=/"), "without a session");
    assert_eq!(text(p.post("/session", &cookie, "").await).await.0, 204);
}

#[tokio::test]
async fn what_matters_asks_an_administrator_once_more() {
    let (p, clock) = ahead("proof");
    let cookie = p.sign_in("root").await;
    let act = "app=none&act=approve";
    assert_eq!(location(&p, "/admin/apps", &cookie, act).await.0, 404, "just signed in");
    clock.pass(PROOF_LIFE_MS);
    assert_eq!(p.get("/admin/apps", &cookie).await.0, 200, "looking needs no proof");
    let asked = location(&p, "/admin/apps", &cookie, act).await;
    assert_eq!(asked, (303, "/login/again?next=/admin/apps".to_owned()));
    let form = format!("{}&next=/admin/apps", password());
    assert_eq!(location(&p, "/login/again", &cookie, &form).await.1, "/admin/apps");
    assert_eq!(location(&p, "/admin/apps", &cookie, act).await.0, 404);
}
