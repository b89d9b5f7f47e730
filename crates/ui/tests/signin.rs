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

/// Text of the element with this `data-test`, as far as the next tag.
fn text_of<'a>(html: &'a str, test: &str) -> Vec<&'a str> {
    let mark = format!("data-test=\"{test}\">");
    html.split(mark.as_str()).skip(1).filter_map(|rest| rest.split('<').next()).collect()
}

fn value_of<'a>(html: &'a str, name: &str) -> &'a str {
    let mark = format!("name=\"{name}\" value=\"");
    html.split(mark.as_str()).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn code_of(key: &str, now_ms: i64) -> String {
    let seed = totp_rs::Secret::try_from_base32(key.replace(' ', "")).expect("base32");
    let totp = totp_rs::Builder::new().with_secret(seed).build().expect("a seed");
    totp.generate(u64::try_from(now_ms / 1000).expect("after 1970")).to_string()
}

/// The cookies that an answer sets, as a browser sends them.
async fn cookies(p: &Practice, path: &str, cookie: &str, form: &str) -> (u16, String, String) {
    let response = p.post(path, cookie, form).await;
    let place = response.headers().get(header::LOCATION);
    let place = place.map_or("", |v| v.to_str().expect("text")).to_owned();
    let set = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.filter_map(|v| v.to_str().ok()?.split(';').next().map(str::to_owned));
    (response.status().as_u16(), place, pairs.collect::<Vec<_>>().join("; "))
}

fn sign_in_form(user: &str) -> String {
    format!("user={user}&{}&next=/patients", password())
}

#[tokio::test]
async fn an_authenticator_app_and_recovery_codes_on_the_pages() {
    let (p, clock) = ahead("app");
    let cookie = p.sign_in("ada").await;
    let (status, html) = p.get("/account/security", &cookie).await;
    assert_eq!(status, 200);
    assert!(html.contains("A password alone can be guessed") && html.contains("app-setup"));
    assert_eq!(location(&p, "/account/security/recovery", &cookie, "").await.0, 400, "none yet");
    let (_, html) = p.get("/account/security/app", &cookie).await;
    assert!(html.contains("<svg class=\"qr\""), "{html}");
    let (key, seed) = (text_of(&html, "app-key")[0].to_owned(), value_of(&html, "seed").to_owned());
    let form = format!("seed={seed}&code=000000");
    let (status, again) = text(p.post("/account/security/app", &cookie, &form).await).await;
    assert_eq!(status, 403);
    assert_eq!(value_of(&again, "seed"), seed, "the same key as before");
    let form = format!("seed={seed}&code={}", code_of(&key, clock.now_ms()));
    let set = location(&p, "/account/security/app", &cookie, &form).await;
    assert_eq!(set, (303, "/account/security".to_owned()));
    let (_, html) = text(p.post("/account/security/recovery", &cookie, "").await).await;
    let codes: Vec<String> =
        text_of(&html, "recovery-code").iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(codes.len(), 10);
    // Two steps from now on.
    clock.pass(60_000);
    let first = cookies(&p, "/login", "", &sign_in_form("ada")).await;
    assert_eq!((first.0, first.1.as_str()), (303, "/login/code?next=/patients"));
    for path in PAGES {
        assert_eq!(p.get(path, &first.2).await.0, 303, "{path} before the second step");
    }
    assert_eq!(p.get("/account/security", &first.2).await.0, 303);
    assert_eq!(p.get("/session", &first.2).await.0, 401);
    let (status, html) = p.get("/login/code?next=/patients", &first.2).await;
    assert!(status == 200 && html.contains("six digits"));
    let wrong = location(&p, "/login/code", &first.2, "code=000000&next=/patients").await;
    assert_eq!(wrong.0, 403);
    let form = format!("code={}&next=//evil.test", code_of(&key, clock.now_ms()));
    let second = cookies(&p, "/login/code", &first.2, &form).await;
    assert_eq!((second.0, second.1.as_str()), (303, "/"));
    assert_eq!(p.get("/patients", &second.2).await.0, 200);
    assert_eq!(p.get("/patients", &first.2).await.0, 303, "the first secret is over");
    assert_eq!(location(&p, "/login/code", &first.2, &form).await.1, "/login?next=/");
    // A recovery code, once.
    for wanted in [303, 403] {
        let first = cookies(&p, "/login", "", &sign_in_form("ada")).await;
        let form = format!("code={}&next=/", codes[0]);
        assert_eq!(location(&p, "/login/code", &first.2, &form).await.0, wanted);
    }
    // A change asks for a fresh proof, of both.
    clock.pass(PROOF_LIFE_MS);
    let asked = location(&p, "/account/security/app/end", &second.2, "").await;
    assert_eq!(asked.1, "/login/again?next=/account/security");
    let (_, html) = p.get("/login/again?next=/account/security", &second.2).await;
    assert!(html.contains("again-code"));
    let form = format!("{}&next=/account/security", password());
    assert_eq!(location(&p, "/login/again", &second.2, &form).await.0, 403, "no code");
    let form = format!("{form}&code={}", code_of(&key, clock.now_ms()));
    assert_eq!(location(&p, "/login/again", &second.2, &form).await.0, 303);
    assert_eq!(location(&p, "/account/security/app/end", &second.2, "").await.0, 303);
    assert_eq!(cookies(&p, "/login", "", &sign_in_form("ada")).await.1, "/patients");
}

#[tokio::test]
async fn ones_password_is_changed_on_the_pages() {
    let p = practice("password", 1, 0);
    let cookie = p.sign_in("ada").await;
    let other = p.sign_in("ada").await;
    let set = |form: &'static str| p.post("/account/security/password", &cookie, form);
    for (form, why) in [
        ("new=short&again=short", "at least 12"),
        ("new=three+boats+on+it&again=three+boats", "differ"),
        ("new=iloveyou2026&again=iloveyou2026", "tried first"),
    ] {
        let (status, html) = text(set(form).await).await;
        assert!(status == 400 && html.contains(why), "{why}: {status}");
    }
    let good = "new=three+boats+on+the+lake&again=three+boats+on+the+lake";
    assert_eq!(set(good).await.status(), 303);
    assert_eq!(p.get("/patients", &cookie).await.0, 200);
    assert_eq!(p.get("/patients", &other).await.0, 303, "other sessions end");
    assert_eq!(cookies(&p, "/login", "", &sign_in_form("ada")).await.0, 403);
    // Sessions are listed and ended, all others at once.
    let form = "user=ada&password=three+boats+on+the+lake&next=/";
    let (third, fourth) =
        (cookies(&p, "/login", "", form).await.2, cookies(&p, "/login", "", form).await.2);
    let (_, html) = p.get("/account", &third).await;
    assert_eq!(html.matches("data-test=\"session\"").count(), 3);
    assert_eq!(location(&p, "/account/sessions/end-others", &third, "").await.0, 303);
    assert_eq!(p.get("/account", &third).await.0, 200);
    assert_eq!(p.get("/account", &fourth).await.0, 303);
    assert_eq!(p.get("/account", &cookie).await.0, 303);
}

#[tokio::test]
async fn an_administrator_invites_switches_off_and_resets() {
    let (p, clock) = ahead("people");
    let admin = p.sign_in("root").await;
    let nurse = p.sign_in("ada").await;
    for path in ["/admin/people", "/admin/people/x"] {
        assert_eq!(p.get(path, &nurse).await.0, 403, "{path} is for administrators");
    }
    assert_eq!(location(&p, "/admin/people", &nurse, "name=eve&role=admin").await.0, 403);
    let (status, html) = p.get("/admin/people", &admin).await;
    assert!(status == 200 && html.matches("data-test=\"person\"").count() >= 4);
    assert!(html.contains("signed in") && html.contains("never"));
    let invite = |form: &'static str| p.post("/admin/people", &admin, form);
    for (form, why) in [("name=ADA&role=nurse", "exists"), ("name=a+b&role=nurse", "letters")] {
        let (status, html) = text(invite(form).await).await;
        assert!(status == 400 && html.contains(why), "{form}: {status}");
    }
    assert_eq!(invite("name=eve&role=emperor").await.status(), 400);
    let (_, html) = text(invite("name=eve&role=nurse").await).await;
    let link = text_of(&html, "invitation-link")[0].to_owned();
    let path = link.strip_prefix("http://localhost").expect("of this site").to_owned();
    let (_, html) = p.get("/admin/people", &admin).await;
    assert!(html.contains("data-test=\"invitation\"") && !html.contains("vi_"), "shown once");
    let (status, html) = p.get(&path, "").await;
    assert!(status == 200 && html.contains("eve") && html.contains("nurse"));
    let code = path.split("code=").nth(1).expect("a code").to_owned();
    let accept = format!("code={code}&new=three+boats+on+the+lake&again=three+boats+on+the+lake");
    let weak = format!("code={code}&new=passwordpassword&again=passwordpassword");
    assert_eq!(location(&p, "/invitation", "", &weak).await.0, 400);
    let eve = cookies(&p, "/invitation", "", &accept).await;
    assert_eq!((eve.0, eve.1.as_str()), (303, "/"));
    assert_eq!(p.get("/patients", &eve.2).await.0, 200);
    assert_eq!(p.get(&path, "").await.0, 404, "once");
    assert_eq!(location(&p, "/invitation", "", &accept).await.0, 404);
    // Switched off: over at once.
    let (_, html) = p.get("/admin/people", &admin).await;
    let row =
        html.split("data-test=\"person\"").skip(1).find(|row| row.contains(">eve<")).expect("eve");
    let id = row.split("/admin/people/").nth(1).and_then(|r| r.split('"').next()).expect("an id");
    let page = format!("/admin/people/{id}");
    assert_eq!(p.get(&page, &admin).await.0, 200);
    let start = std::time::Instant::now();
    assert_eq!(location(&p, &page, &admin, "act=disable").await, (303, page.clone()));
    assert_eq!(p.get("/patients", &eve.2).await.0, 303);
    assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
    let form = "user=eve&password=three+boats+on+the+lake&next=/";
    assert_eq!(cookies(&p, "/login", "", form).await.0, 403);
    assert_eq!(location(&p, &page, &admin, "act=enable").await.0, 303);
    assert_eq!(location(&p, &page, &admin, "act=role&role=biller").await.0, 303);
    assert_eq!(location(&p, &page, &admin, "act=reset").await.0, 303);
    assert!(p.get(&page, &admin).await.1.contains("biller"));
    let (_, html) = text(p.post(&page, &admin, "act=password").await).await;
    let link = text_of(&html, "invitation-link")[0].to_owned();
    let (_, html) = p.get(link.strip_prefix("http://localhost").expect("here"), "").await;
    assert!(html.contains("A new password"));
    assert_eq!(cookies(&p, "/login", "", form).await.0, 303, "until it is used");
    // The last administrator stays one.
    let (_, html) = p.get("/admin/people", &admin).await;
    let row = html
        .split("data-test=\"person\"")
        .skip(1)
        .find(|row| row.contains(">root<"))
        .expect("root");
    let id = row.split("/admin/people/").nth(1).and_then(|r| r.split('"').next()).expect("an id");
    let (status, html) =
        text(p.post(&format!("/admin/people/{id}"), &admin, "act=disable").await).await;
    assert!(status == 400 && html.contains("only administrator"));
    // All of it asks for a fresh proof.
    clock.pass(PROOF_LIFE_MS);
    for (path, form) in [
        ("/admin/people", "name=zuleika&role=nurse"),
        ("/admin/people/withdraw", "invitation=x"),
        (page.as_str(), "act=disable"),
    ] {
        let (status, place) = location(&p, path, &admin, form).await;
        assert!(status == 303 && place.starts_with("/login/again?next=/admin/people"), "{place}");
    }
    assert!(!p.get("/admin/people", &admin).await.1.contains("zuleika"));
}
