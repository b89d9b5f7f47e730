//! An app that uses somebody else's SMART library (npm `fhirclient`) signs in and reads, in a real
//! browser: by itself, and opened from a chart.
//!
//! Needs ChromeDriver and what scripts/smart/get brings (scripts/test does both). Without them the
//! test says `skipped`; with `CI=true` that is a failure.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use support::browser::{Browser, ENTER, axe};
use support::{Practice, Server};

const SCOPE: &str = "launch launch/patient openid fhirUser offline_access patient/*.rs user/*.rs";

/// The library's source, as scripts/smart/get brings it.
fn library() -> Option<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = "../../scripts/smart/package/build/fhir-client.js";
    std::fs::read_to_string(root.join(file)).ok()
}

/// Serves the app from an origin of its own.
fn app(listener: TcpListener, library: String, launch: String, home: String) {
    let files = Arc::new([
        ("/fhir-client.js", "text/javascript", library),
        ("/launch.html", "text/html", launch),
        ("/", "text/html", home),
    ]);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            std::thread::spawn(move || answer(stream, &files[..]));
        }
    });
}

fn answer(mut stream: TcpStream, files: &[(&str, &str, String)]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let (status, kind, body) = match files.iter().find(|(name, ..)| *name == path) {
        Some((_, kind, body)) => ("200 OK", *kind, body.as_str()),
        None => ("404 Not Found", "text/plain", ""),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

struct Stage {
    server: Server,
    practice: Practice,
    origin: String,
}

fn stage(library: String) -> Stage {
    let practice = Practice::new();
    let (data, out) = (practice.data(), practice.text("generated"));
    let run = |args: &[&str]| {
        let said = practice.run(args);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    };
    run(&["generate", "--patients", "4", "--seed", "1", "--out", &out]);
    run(&["import", "--data", &data, &out]);
    let password = practice.text("password.txt");
    run(&[
        "user",
        "add",
        "--data",
        &data,
        "--name",
        "elena",
        "--role",
        "provider",
        "--password-file",
        &password,
    ]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let launch_uri = format!("{origin}/launch.html");
    let made = run(&[
        "client",
        "add",
        "--data",
        &data,
        "--name",
        "Ward round",
        "--public",
        "--scope",
        SCOPE,
        "--redirect-uri",
        &format!("{origin}/"),
        "--launch-uri",
        &launch_uri,
    ]);
    let id = made.split('"').nth(3).expect("an id").to_owned();
    let server = practice.serve();
    let launch = format!(
        "<!doctype html><title>launch</title><script src='/fhir-client.js'></script><script>\
         FHIR.oauth2.authorize({{ clientId: '{id}', scope: '{SCOPE}', redirectUri: '/', \
         pkceMode: 'required' }}).catch(e => document.title = 'failed ' + e);</script>"
    );
    let home = "<!doctype html><title>app</title><p id=out></p>\
        <script src='/fhir-client.js'></script><script>\
        const say = t => document.getElementById('out').textContent = t;\
        FHIR.oauth2.ready().then(async client => {\
          const patient = await client.patient.read();\
          const found = await client.request('Observation?_count=5&patient=' + client.patient.id);\
          const tokens = JSON.stringify(client.state.tokenResponse);\
          await client.refresh();\
          const again = await client.patient.read();\
          say(['read', patient.id, again.name[0].family, found.resourceType, \
               client.state.tokenResponse.need_patient_banner, client.getUserId()].join(' '));\
        }).catch(e => say('failed ' + e));</script>";
    app(listener, library, launch, home.to_owned());
    Stage { server, practice, origin }
}

#[test]
fn an_app_of_others_signs_in_and_reads() {
    let is_ci = std::env::var("CI").as_deref() == Ok("true");
    let Some(library) = library() else {
        assert!(!is_ci, "run scripts/smart/get first");
        eprintln!("smart client skipped: run scripts/smart/get first");
        return;
    };
    let stage = stage(library);
    let Some(browser) = Browser::open(1440) else {
        assert!(!is_ci, "chromedriver is not installed");
        eprintln!("smart client skipped: chromedriver is not installed");
        return;
    };
    let click = |test: &str| {
        browser.there(test);
        browser.script(&format!("document.querySelector('[data-test=\"{test}\"]').click()"));
    };
    let axe = axe();
    assert!(axe.is_some() || !is_ci, "npm install in scripts/axe first");
    let look = |page: &str| {
        let over = browser.script("return document.documentElement.scrollWidth - innerWidth");
        assert!(over.parse::<i64>().is_ok_and(|px| px <= 0), "{page}: {over} px over");
        let found = axe.as_ref().map(|axe| browser.findings(axe)).unwrap_or_default();
        assert!(found.is_empty(), "{page}: {found:?}");
    };
    let read = |patient: &str| {
        browser.until("document.getElementById('out')?.textContent");
        let out = browser.script("return document.getElementById('out').textContent");
        assert!(out.starts_with(&format!("read {patient} ")), "{out}");
        assert!(out.contains(" Bundle true "), "{out}");
    };
    // By itself: it sends the person here, who signs in, chooses a patient, and allows it.
    let base = format!("http://{}/fhir", stage.server.address);
    browser.go(&format!("{}/launch.html?iss={base}", stage.origin));
    browser.there("login-user");
    browser.script("document.querySelector('[data-test=login-user]').focus()");
    browser.keys("elena");
    browser.keys("\u{E004}");
    browser.keys(support::PASSWORD);
    browser.keys(ENTER);
    browser.there("pick-page");
    browser
        .script("document.querySelector('[data-test=pick-patient][href*=\"patient=p1\"]').click()");
    browser.there("consent-form");
    look("consent");
    click("consent-allow");
    read("p1");
    // From the chart: in a tab of its own, with the patient who was open.
    browser.go(&format!("http://{}/patients/p2/apps", stage.server.address));
    let before = browser.texts("window/handles");
    click("launch-app");
    let after = loop {
        let now = browser.texts("window/handles");
        if now.len() > before.len() {
            break now;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let new = after.iter().find(|one| !before.contains(one)).expect("a new tab");
    browser.post("window", &[("handle", new.as_str().into())]);
    browser.there("consent-patient");
    click("consent-allow");
    read("p2");
    // And both stand among the connections, until they are ended.
    browser.go(&format!("http://{}/apps", stage.server.address));
    let count = "document.querySelectorAll('[data-test=connection]').length";
    browser.until(&format!("{count} === 2"));
    click("end-connection");
    browser.until(&format!("{count} === 1"));
    let said = stage.practice.run(&["client", "list", "--data", &stage.practice.data()]);
    assert!(said.out.contains("Ward round"), "{}", said.err);
}
