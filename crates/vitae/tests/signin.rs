//! Signing in with a passkey, in a real browser with a virtual authenticator; the lock that keeps
//! what was typed; and what the command line does about people.
//!
//! Drives Chromium through ChromeDriver (WebDriver, W3C; WebAuthn §11 Automation). Without them the
//! test says `skipped`; with `CI=true` that is a failure.

mod support;

use fhir::json::Value;
use support::browser::{Browser, ENTER};
use support::{PASSWORD, Practice, Server};

/// A practice that is reached as localhost, for which browsers keep passkeys.
fn served(more: &[(&str, &str)]) -> (Practice, Server, String) {
    let practice = Practice::new();
    let file = practice.text("password.txt");
    let args = ["user", "add", "--data", &practice.data(), "--name", "elena"];
    let said =
        practice.run(&[&args[..], &["--role", "provider", "--password-file", &file]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("an address").port()
    };
    let (listen, root) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut env = vec![("VITAE_LISTEN", listen.as_str()), ("VITAE_PUBLIC_URL", root.as_str())];
    env.extend(more);
    let server = practice.serve_set(&env);
    (practice, server, root)
}

fn browser() -> Option<Browser> {
    let browser = Browser::open(1024);
    if browser.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "chromedriver is not installed");
        eprintln!("skipped: chromedriver is not installed");
    }
    browser
}

/// An authenticator as phones and laptops have one: it keeps keys and verifies its user.
fn authenticator(browser: &Browser) -> String {
    let answer = browser.post(
        "webauthn/authenticator",
        &[
            ("protocol", "ctap2".into()),
            ("transport", "internal".into()),
            ("hasResidentKey", true.into()),
            ("hasUserVerification", true.into()),
            ("isUserVerified", true.into()),
        ],
    );
    answer.root().str("value").expect("an id").into_owned()
}

fn verifies(browser: &Browser, authenticator: &str, yes: bool) {
    let path = format!("webauthn/authenticator/{authenticator}/uv");
    browser.post(&path, &[("isUserVerified", yes.into())]);
}

fn click(browser: &Browser, test: &str) {
    browser.there(test);
    browser.script(&format!("document.querySelector('[data-test={test}]').click()"));
}

fn fill(browser: &Browser, test: &str, text: &str) {
    browser.there(test);
    browser.script(&format!(
        "const i = document.querySelector('[data-test={test}]'); i.value = ''; i.focus()"
    ));
    browser.keys(text);
}

fn sign_in(browser: &Browser, root: &str) {
    browser.go(&format!("{root}/login"));
    fill(browser, "login-user", "elena");
    fill(browser, "login-password", PASSWORD);
    browser.keys(ENTER);
    browser.there("nav-account");
}

fn sign_out(browser: &Browser, root: &str) {
    browser.go(&format!("{root}/account"));
    click(browser, "sign-out");
    browser.there("login-user");
}

fn add_passkey(browser: &Browser, root: &str, name: &str) {
    browser.go(&format!("{root}/account/security"));
    let before = browser.script("return document.querySelectorAll('[data-test=passkey]').length");
    fill(browser, "passkey-name", name);
    click(browser, "passkey-add");
    browser.until(&format!("document.querySelectorAll('[data-test=passkey]').length > {before}"));
    browser.until(&format!("document.body.innerText.includes('{name}')"));
}

fn text_of(browser: &Browser, test: &str) -> String {
    browser.script(&format!("return document.querySelector('[data-test={test}]')?.innerText ?? ''"))
}

#[test]
fn a_passkey_is_added_used_renamed_and_removed() {
    let Some(browser) = browser() else { return };
    let (practice, server, root) = served(&[]);
    let device = authenticator(&browser);
    sign_in(&browser, &root);
    add_passkey(&browser, &root, "Laptop");
    // The same device again is told so.
    click(&browser, "passkey-add");
    browser.until("document.querySelector('[data-test=passkey-add-form] [role=status]').innerText.includes('already')");
    // Signing in without typing a name.
    sign_out(&browser, &root);
    browser.go(&format!("{root}/login?next=/patients"));
    click(&browser, "passkey-submit");
    browser.until("location.pathname === '/patients'");
    // Without the person's finger, face or PIN there is no way in.
    sign_out(&browser, &root);
    verifies(&browser, &device, false);
    browser.go(&format!("{root}/login"));
    click(&browser, "passkey-submit");
    browser.until("document.querySelector('[data-test=passkey-trouble]').innerText !== ''");
    assert_eq!(browser.script("return location.pathname"), "/login");
    verifies(&browser, &device, true);
    click(&browser, "passkey-submit");
    browser.there("nav-account");
    // A proof again, with the passkey.
    browser.go(&format!("{root}/login/again?next=/account/security"));
    click(&browser, "passkey-submit");
    browser.until("location.pathname === '/account/security'");
    fill(&browser, "passkey-rename", "Old laptop");
    click(&browser, "passkey-rename-submit");
    browser.until(
        "document.querySelector('[data-test=passkey] .row-title').innerText === 'Old laptop'",
    );
    click(&browser, "passkey-remove");
    browser.until("!document.querySelector('[data-test=passkey]')");
    sign_out(&browser, &root);
    click(&browser, "passkey-submit");
    browser.there("login-trouble");
    assert!(text_of(&browser, "login-trouble").contains("not accepted"));
    drop((server, practice));
}

#[test]
fn a_copied_passkey_is_refused_and_told() {
    let Some(browser) = browser() else { return };
    let (practice, server, root) = served(&[]);
    let device = authenticator(&browser);
    sign_in(&browser, &root);
    add_passkey(&browser, &root, "Key");
    let copies = format!("webauthn/authenticator/{device}/credentials");
    let session_path = |browser: &Browser| browser.list(&copies);
    let mut copy = session_path(&browser).into_iter().next().expect("a credential");
    // Twice with the key itself: its count goes up.
    for _ in 0..2 {
        sign_out(&browser, &root);
        click(&browser, "passkey-submit");
        browser.there("nav-account");
    }
    sign_out(&browser, &root);
    // Somebody else has the key as it was then.
    copy.set("signCount", Value::from(1u64));
    let id = copy.get("credentialId").and_then(Value::as_str).expect("an id").to_owned();
    browser.delete(&format!("webauthn/authenticator/{device}/credentials/{id}"));
    let members: Vec<(&str, Value)> = match &copy {
        Value::Object(members) => members.iter().map(|(k, v)| (k.as_str(), v.clone())).collect(),
        _ => panic!("a credential is an object"),
    };
    browser.post(&format!("webauthn/authenticator/{device}/credential"), &members);
    click(&browser, "passkey-submit");
    browser.there("login-trouble");
    assert!(text_of(&browser, "login-trouble").contains("not accepted"));
    drop(server);
    let out = practice.text("audit");
    let said = practice.run(&["audit", "export", "--data", &practice.data(), "--to", &out]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(has_text(std::path::Path::new(&out), "passkey-copied elena"), "the audit log tells");
}

/// Whether a file in `folder`, or the file itself, holds `text`.
fn has_text(place: &std::path::Path, text: &str) -> bool {
    if place.is_dir() {
        let entries = std::fs::read_dir(place).expect("a folder").flatten();
        return entries.map(|entry| entry.path()).any(|path| has_text(&path, text));
    }
    let bytes = std::fs::read(place).expect("a file");
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn guesses_keep_nobody_with_a_passkey_out() {
    let Some(browser) = browser() else { return };
    let (practice, server, root) = served(&[]);
    authenticator(&browser);
    sign_in(&browser, &root);
    add_passkey(&browser, &root, "Laptop");
    sign_out(&browser, &root);
    // Somebody at the address that is elena's too guesses her password.
    let mut http = server.http();
    let mut attempt = |password: &str| {
        let form = format!("user=elena&password={password}&next=/");
        http.form("/login", &form).status
    };
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) {
        statuses.push(attempt("a+wrong+password"));
        assert!(statuses.len() <= 40, "{statuses:?}");
    }
    assert!(statuses[..4].iter().all(|status| *status == 403), "{statuses:?}");
    // The password waits there, the browser that is known and the passkey do not.
    assert_eq!(attempt(&PASSWORD.replace(' ', "+")), 429);
    browser.go(&format!("{root}/login"));
    fill(&browser, "login-user", "elena");
    fill(&browser, "login-password", PASSWORD);
    browser.keys(ENTER);
    browser.there("nav-account");
    sign_out(&browser, &root);
    browser.delete("cookie");
    browser.go(&format!("{root}/login"));
    click(&browser, "passkey-submit");
    browser.there("nav-account");
    drop((server, practice));
}

#[test]
fn a_locked_page_keeps_what_was_typed() {
    let Some(browser) = browser() else { return };
    let (practice, server, root) = served(&[]);
    authenticator(&browser);
    sign_in(&browser, &root);
    add_passkey(&browser, &root, "Laptop");
    fill(&browser, "passkey-name", "half a na");
    let lock = |browser: &Browser| {
        browser.script(
            "fetch('/lock', { method: 'POST', redirect: 'manual' })\
             .then(() => document.dispatchEvent(new Event('visibilitychange')))",
        );
    };
    // Somebody goes on typing on a session that is locked: covered at the next look.
    browser.keys("m");
    lock(&browser);
    browser.until("document.querySelector('#lock').open");
    assert_eq!(
        browser.script("return getComputedStyle(document.querySelector('.shell')).visibility"),
        "hidden"
    );
    fill(&browser, "lock-password", "not the password");
    browser.keys(ENTER);
    browser.until(
        "document.querySelector('[data-test=lock-trouble]').innerText.includes('not right')",
    );
    assert_eq!(browser.script("return String(document.querySelector('#lock').open)"), "true");
    browser.script(
        "document.querySelector('#lock').dispatchEvent(new Event('cancel', { cancelable: true }))",
    );
    fill(&browser, "lock-password", PASSWORD);
    browser.keys(ENTER);
    browser.until("!document.querySelector('#lock').open");
    let kept = "return document.querySelector('[data-test=passkey-name]').value";
    assert_eq!(browser.script(kept), "half a nam");
    // Once more, with the passkey.
    browser.script("document.querySelector('[data-test=passkey-name]').focus()");
    browser.keys("e");
    lock(&browser);
    browser.until("document.querySelector('#lock').open");
    click(&browser, "lock-passkey");
    browser.until("!document.querySelector('#lock').open");
    assert_eq!(browser.script(kept), "half a name");
    // By hand, from the account page.
    browser.go(&format!("{root}/account"));
    click(&browser, "lock-now");
    browser.until("document.querySelector('#lock').open");
    browser.go(&format!("{root}/patients"));
    browser.there("again-page");
    drop((server, practice));
}

#[test]
fn where_a_second_factor_is_demanded_a_passkey_is_one() {
    let Some(browser) = browser() else { return };
    let (practice, server, root) = served(&[("VITAE_SECOND_FACTOR", "true")]);
    authenticator(&browser);
    browser.go(&format!("{root}/login?next=/patients"));
    fill(&browser, "login-user", "elena");
    fill(&browser, "login-password", PASSWORD);
    browser.keys(ENTER);
    browser.there("security-page");
    browser.go(&format!("{root}/patients"));
    browser.there("security-page");
    click(&browser, "passkey-add");
    browser.there("nav-account");
    // An invitation is no way round: the password that it sets is one factor.
    sign_out(&browser, &root);
    let data = practice.data();
    let args = ["user", "invite", "--data", &data, "--name", "omar", "--role", "nurse"];
    let said = practice.run(&args);
    browser.go(said.out.trim());
    for test in ["new-password", "new-password-again"] {
        fill(&browser, test, "three boats on the lake");
    }
    browser.keys(ENTER);
    browser.there("security-page");
    browser.go(&format!("{root}/patients"));
    browser.there("security-page");
    click(&browser, "sign-out");
    // The second step from now on.
    browser.there("login-user");
    fill(&browser, "login-user", "elena");
    fill(&browser, "login-password", PASSWORD);
    browser.keys(ENTER);
    browser.there("code-page");
    click(&browser, "passkey-submit");
    browser.there("nav-account");
    drop((server, practice));
}

#[test]
fn the_command_line_invites() {
    let practice = Practice::new();
    let data = practice.data();
    let invite =
        |args: &[&str]| practice.run(&[&["user", "invite", "--data", &data][..], args].concat());
    let said = invite(&["--name", "omar", "--role", "provider"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let mark = "http://127.0.0.1:8080/invitation?code=vi_";
    assert!(said.out.starts_with(mark), "{}", said.out);
    assert_ne!(invite(&["--name", "omar"]).code, 0, "somebody new needs a role");
    assert_ne!(invite(&["--name", "nora", "--role", "nurse"]).code, 0, "there is one");
    let said = invite(&["--name", "nora"]);
    assert!(said.code == 0 && said.out.starts_with(mark), "{}", said.err);
    // A password that everybody tries is taken from a file, and said to be one.
    let file = practice.text("weak.txt");
    std::fs::write(&file, "password1234\n").expect("writes");
    let args = ["user", "add", "--data", &data, "--name", "eve", "--role", "nurse"];
    let said = practice.run(&[&args[..], &["--password-file", &file]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("eve may log in as nurse") && said.out.contains("warning"));
}

#[test]
fn an_invitation_is_accepted_with_a_passkey_and_no_password() {
    let Some(browser) = browser() else { return };
    let (practice, server, root) = served(&[]);
    authenticator(&browser);
    let data = practice.data();
    let args = ["user", "invite", "--data", &data, "--name", "omar", "--role", "provider"];
    let said = practice.run(&args);
    assert!(said.out.starts_with(&root), "{} {}", said.out, said.err);
    browser.go(said.out.trim());
    click(&browser, "accept-passkey");
    browser.there("nav-account");
    sign_out(&browser, &root);
    click(&browser, "passkey-submit");
    browser.there("nav-account");
    // The only way in is not taken away.
    browser.go(&format!("{root}/account/security"));
    click(&browser, "passkey-remove");
    browser.there("security-trouble");
    assert!(text_of(&browser, "security-trouble").contains("only way in"));
    browser.go(said.out.trim());
    browser.there("no-invitation");
    drop((server, practice));
}
