//! Chromium, driven through ChromeDriver (WebDriver, W3C).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fhir::json::{Doc, Value};

/// ChromeDriver with one browser.
pub struct Browser {
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
    pub fn open(width: u32) -> Option<Browser> {
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

    pub fn post(&self, path: &str, members: &[(&str, Value)]) -> Doc {
        let body = Value::object(members.iter().map(|(k, v)| (*k, v.clone())));
        let path = format!("/session/{}/{path}", self.session);
        let answer = call(self.port, "POST", &path, Some(&body)).expect("an answer");
        let error = answer.root().get("value").and_then(|v| v.str("error"));
        assert!(error.is_none(), "{path}: {}", answer.text());
        answer
    }

    pub fn delete(&self, path: &str) {
        let path = format!("/session/{}/{path}", self.session);
        call(self.port, "DELETE", &path, None).expect("an answer");
    }

    /// A list that the driver gives for this session.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let path = format!("/session/{}/{path}", self.session);
        let answer = call(self.port, "GET", &path, None).expect("an answer");
        let read = |node: fhir::json::Node<'_>| Value::parse(node.raw().as_bytes().to_vec());
        answer.root().list("value").map(|node| read(node).expect("JSON")).collect()
    }

    pub fn go(&self, url: &str) {
        self.post("url", &[("url", url.into())]);
    }

    /// Result of a script, as text.
    pub fn script(&self, script: &str) -> String {
        let members = [("script", Value::from(script)), ("args", Value::array(Vec::new()))];
        let answer = self.post("execute/sync", &members);
        let value = answer.root().get("value");
        value.map_or(String::new(), |v| {
            v.as_str().map_or_else(|| v.raw().to_owned(), |text| text.into_owned())
        })
    }

    /// Types on the element that has the focus.
    pub fn keys(&self, text: &str) {
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
    pub fn until(&self, script: &str) -> u128 {
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

    pub fn there(&self, test: &str) -> u128 {
        self.until(&format!("document.querySelector('[data-test=\"{test}\"]')"))
    }

    /// A list of texts that the driver gives for this session.
    pub fn texts(&self, path: &str) -> Vec<String> {
        let path = format!("/session/{}/{path}", self.session);
        let answer = call(self.port, "GET", &path, None).expect("an answer");
        let list = answer.root().list("value");
        list.filter_map(|text| text.as_str().map(|text| text.into_owned())).collect()
    }

    /// Errors that the pages put on the console.
    pub fn console_errors(&self) -> Vec<String> {
        let answer = self.post("se/log", &[("type", "browser".into())]);
        let entries = answer.root().list("value");
        entries
            .filter(|e| e.str("level").as_deref() == Some("SEVERE"))
            .filter_map(|e| e.str("message").map(|m| m.into_owned()))
            .collect()
    }
}

pub const ENTER: &str = "\u{E007}";

/// axe-core's source, as `npm install` in scripts/axe brings it.
pub fn axe() -> Option<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = "../../scripts/axe/node_modules/axe-core/axe.min.js";
    std::fs::read_to_string(root.join(file)).ok()
}

impl Browser {
    /// What axe finds on the page: rule, impact, and the first element of each.
    pub fn findings(&self, axe: &str) -> Vec<String> {
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
