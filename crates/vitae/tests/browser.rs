//! The first pages in a real browser: sign in, find a patient by typing, read the chart, by
//! keyboard, at 1440 and at 390 px.
//!
//! Drives Chromium through ChromeDriver (WebDriver, W3C). Without them the test says `skipped`;
//! with `CI=true` that is a failure.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fhir::json::{Doc, Value};
use support::Practice;

/// ChromeDriver with one browser.
struct Browser {
    driver: Child,
    /// ChromeDriver ends when nobody reads what it says.
    _out: BufReader<ChildStdout>,
    port: u16,
    session: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let path = format!("/session/{}", self.session);
        let _ended = call(self.port, "DELETE", &path, None);
        let _ended = self.driver.kill();
        let _ended = self.driver.wait();
    }
}

fn call(port: u16, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Doc> {
    let body = body.map(Value::to_json).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    Doc::parse(text).map_err(std::io::Error::other)
}

impl Browser {
    fn open(width: u32) -> Option<Browser> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut out = BufReader::new(driver.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let port: u16 = loop {
            line.clear();
            out.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let port = line.split("successfully on port ").nth(1);
            if let Some(port) = port.and_then(|p| p.trim().trim_end_matches('.').parse().ok()) {
                break port;
            }
        };
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let mut args: Vec<Value> = args.into_iter().map(Value::from).collect();
        args.push(Value::from(format!("--window-size={width},900")));
        let options = Value::object([("args", Value::array(args))]);
        let log = Value::object([("browser", Value::from("ALL"))]);
        let always = Value::object([("goog:chromeOptions", options), ("goog:loggingPrefs", log)]);
        let wanted = Value::object([("capabilities", Value::object([("alwaysMatch", always)]))]);
        let answer = call(port, "POST", "/session", Some(&wanted)).expect("a session");
        let session = answer.root().get("value").and_then(|v| v.str("sessionId"));
        let session = session.unwrap_or_else(|| panic!("{}", answer.text())).into_owned();
        let browser = Browser { driver, _out: out, port, session };
        // A phone's width is below the smallest window.
        let metrics = Value::object([
            ("width", Value::from(u64::from(width))),
            ("height", Value::from(900u64)),
            ("deviceScaleFactor", Value::from(1u64)),
            ("mobile", Value::from(false)),
        ]);
        browser.post(
            "goog/cdp/execute",
            &[("cmd", "Emulation.setDeviceMetricsOverride".into()), ("params", metrics)],
        );
        Some(browser)
    }

    fn post(&self, path: &str, members: &[(&str, Value)]) -> Doc {
        let body = Value::object(members.iter().map(|(k, v)| (*k, v.clone())));
        let path = format!("/session/{}/{path}", self.session);
        let answer = call(self.port, "POST", &path, Some(&body)).expect("an answer");
        let error = answer.root().get("value").and_then(|v| v.str("error"));
        assert!(error.is_none(), "{path}: {}", answer.text());
        answer
    }

    fn go(&self, url: &str) {
        self.post("url", &[("url", url.into())]);
    }

    /// Result of a script, as text.
    fn script(&self, script: &str) -> String {
        let members = [("script", Value::from(script)), ("args", Value::array(Vec::new()))];
        let answer = self.post("execute/sync", &members);
        let value = answer.root().get("value");
        value.map_or(String::new(), |v| {
            v.as_str().map_or_else(|| v.raw().to_owned(), |text| text.into_owned())
        })
    }

    /// Types on the element that has the focus.
    fn keys(&self, text: &str) {
        let actions: Vec<Value> = text
            .chars()
            .flat_map(|c| ["keyDown", "keyUp"].map(|kind| (kind, c)))
            .map(|(kind, c)| {
                Value::object([("type", Value::from(kind)), ("value", Value::from(c.to_string()))])
            })
            .collect();
        let source = Value::object([
            ("type", Value::from("key")),
            ("id", Value::from("keyboard")),
            ("actions", Value::array(actions)),
        ]);
        self.post("actions", &[("actions", Value::array([source]))]);
    }

    /// Waits until a script gives `true`; the milliseconds that it took.
    fn until(&self, script: &str) -> u128 {
        let start = Instant::now();
        while self.script(&format!("return Boolean({script})")) != "true" {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "not within 20 s: {script}; the page says {}",
                self.script("return document.body.innerText.slice(0, 600)")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        start.elapsed().as_millis()
    }

    fn there(&self, test: &str) -> u128 {
        self.until(&format!("document.querySelector('[data-test=\"{test}\"]')"))
    }

    /// Errors that the pages put on the console.
    fn console_errors(&self) -> Vec<String> {
        let answer = self.post("se/log", &[("type", "browser".into())]);
        let entries = answer.root().list("value");
        entries
            .filter(|e| e.str("level").as_deref() == Some("SEVERE"))
            .filter_map(|e| e.str("message").map(|m| m.into_owned()))
            .collect()
    }
}

const ENTER: &str = "\u{E007}";

fn walk(width: u32, address: &str, password: &str) {
    let Some(browser) = Browser::open(width) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "chromedriver is not installed");
        eprintln!("browser skipped: chromedriver is not installed");
        return;
    };
    let fits = |place: &str| {
        let over = browser.script("return document.documentElement.scrollWidth - innerWidth");
        assert!(over.parse::<i64>().is_ok_and(|px| px <= 0), "{place} at {width}: {over} px over");
    };
    // No page without signing in.
    browser.go(&format!("http://{address}/patients/p0"));
    browser.there("login-user");
    fits("sign-in");
    browser.keys("elena");
    browser.keys("\u{E004}");
    browser.keys("wrong password here");
    browser.keys(ENTER);
    browser.there("login-trouble");
    browser.script(
        "const u = document.querySelector('[data-test=login-user]'); u.value = ''; u.focus()",
    );
    browser.keys("elena");
    browser.keys("\u{E004}");
    browser.keys(password);
    browser.keys(ENTER);
    // Where one wanted to go.
    browser.there("patient-name");
    browser.until("location.pathname === '/patients/p0'");
    fits("chart");
    for part in ["problem", "medication", "timeline", "measure"] {
        browser.there(part);
    }
    // Search as one types.
    browser.go(&format!("http://{address}/patients"));
    browser.there("patient-search");
    browser.script("document.querySelector('[data-test=patient-search]').focus()");
    browser.keys("whitc");
    browser.until(
        "[...document.querySelectorAll('[data-test=patient-row]')].length > 0 && \
         [...document.querySelectorAll('[data-test=patient-row]')]\
         .every(r => r.innerText.includes('Whitc'))",
    );
    fits("patients");
    browser.until("document.activeElement.matches('[data-test=patient-search]')");
    // Every tab of the chart fits and says something.
    let tabs = "return [...document.querySelectorAll('nav a[href^=\"/patients/p0\"]')]\
                .map(a => a.pathname).join(' ')";
    browser.go(&format!("http://{address}/patients/p0"));
    let tabs = browser.script(tabs);
    assert!(tabs.split(' ').count() >= 6, "tabs: {tabs}");
    for tab in tabs.split(' ') {
        browser.go(&format!("http://{address}{tab}"));
        browser.there("patient-name");
        fits(tab);
    }
    let errors: Vec<String> = browser
        .console_errors()
        .into_iter()
        // The wrong password is a refusal of the server, which the browser reports as such.
        .filter(|message| !message.contains("/login"))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A practice with generated patients and a clinician.
fn served() -> (Practice, support::Server) {
    let practice = Practice::new();
    let out = practice.text("generated");
    let said = practice.run(&["generate", "--patients", "24", "--seed", "1", "--out", &out]);
    assert_eq!(said.code, 0, "{}", said.err);
    let data = practice.data();
    let said = practice.run(&["import", "--data", &data, &out]);
    assert_eq!(said.code, 0, "{}", said.err);
    let file = practice.text("password");
    std::fs::write(&file, support::PASSWORD).expect("a file");
    let args = ["user", "add", "--data", &data, "--name", "elena", "--role", "provider"];
    let said = practice.run(&[&args[..], &["--password-file", &file]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    let server = practice.serve();
    (practice, server)
}

#[test]
fn a_clinician_signs_in_finds_a_patient_and_reads_the_chart() {
    let (_practice, server) = served();
    for width in [1440, 390] {
        walk(width, &server.address, support::PASSWORD);
    }
}

/// axe-core's source, as `npm install` in scripts/axe brings it.
fn axe() -> Option<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = "../../scripts/axe/node_modules/axe-core/axe.min.js";
    std::fs::read_to_string(root.join(file)).ok()
}

impl Browser {
    /// What axe finds on the page: rule, impact, and the first element of each.
    fn findings(&self, axe: &str) -> Vec<String> {
        self.script(axe);
        let script = "const done = arguments[arguments.length - 1]; \
                      axe.run(document, { resultTypes: ['violations'] }).then(\
                        r => done(r.violations.map(v => \
                          `${v.id} (${v.impact}) ${v.nodes.length} times, ` + \
                          `as in ${v.nodes[0].html.slice(0, 160)}`)), \
                        e => done([`axe failed: ${e}`]))";
        let members = [("script", Value::from(script)), ("args", Value::array(Vec::new()))];
        let answer = self.post("execute/async", &members);
        let list = answer.root().list("value");
        list.filter_map(|text| text.as_str().map(|text| text.into_owned())).collect()
    }
}

#[test]
fn every_page_is_accessible_at_two_widths_in_light_and_dark() {
    let Some(axe) = axe() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "npm install in scripts/axe first");
        eprintln!("axe skipped: npm install in scripts/axe first");
        return;
    };
    let (_practice, server) = served();
    let root = format!("http://{}", server.address);
    let mut findings = Vec::new();
    let mut n_pages = 0;
    for width in [1440, 390] {
        let Some(browser) = Browser::open(width) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "chromedriver is not installed");
            eprintln!("axe skipped: chromedriver is not installed");
            return;
        };
        let mut look = |path: &str, theme: &str| {
            browser.go(&format!("{root}{path}"));
            browser.until("document.readyState === 'complete'");
            n_pages += 1;
            let found = browser.findings(&axe);
            findings.extend(found.into_iter().map(|f| format!("{path} {width} {theme}: {f}")));
        };
        browser.go(&format!("{root}/login"));
        for theme in ["light", "dark"] {
            browser.script(&format!("document.cookie = 'theme={theme}; path=/'"));
            look("/login", theme);
        }
        browser.script("document.querySelector('[data-test=login-user]').focus()");
        browser.keys("elena");
        browser.keys("\u{E004}");
        browser.keys(support::PASSWORD);
        browser.keys(ENTER);
        browser.there("nav-account");
        browser.go(&format!("{root}/patients/p0"));
        let link = |browser: &Browser, selector: &str| {
            browser.script(&format!("return document.querySelector('{selector}')?.pathname ?? ''"))
        };
        let tabs = browser.script(
            "return [...document.querySelectorAll('nav a[href^=\"/patients/p0\"]')]\
             .map(a => a.pathname).join(' ')",
        );
        let mut paths: Vec<String> = tabs.split(' ').map(str::to_owned).collect();
        assert!(paths.len() >= 6, "tabs: {tabs}");
        for (page, selector) in [
            ("/patients/p0/results", "[data-test=result-row] a"),
            ("/patients/p0/documents", "[data-test=document] a"),
        ] {
            browser.go(&format!("{root}{page}"));
            let path = link(&browser, selector);
            assert!(path.starts_with("/patients/p0/"), "{page}: {path}");
            paths.push(path);
        }
        let others = [
            "/",
            "/?date=2001-01-01",
            "/patients",
            "/patients?q=zzzz",
            "/account",
            "/patients/p0/timeline?kind=vitals",
            "/patients/p0/fhir/Patient/p0",
            "/patients/nobody",
        ];
        paths.extend(others.map(str::to_owned));
        for theme in ["light", "dark"] {
            browser.script(&format!("document.cookie = 'theme={theme}; path=/'"));
            for path in &paths {
                look(path, theme);
            }
        }
    }
    assert!(n_pages >= 60, "{n_pages} pages");
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
