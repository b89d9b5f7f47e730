//! A practice with people, apps, and browsers in which somebody has signed in.

use sha2::{Digest, Sha256};

use crate::support::{self, Answer, Http, Practice, Server};

pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const REDIRECT: &str = "https://app.example.com/back";
pub const STATE: &str = "4d2c9e5a-6f0b-4a1e-9a53-0b9c6f9f6f11";
pub const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(DIGITS[(n >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

pub fn decoded(text: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<u8> =
        text.bytes().flat_map(|b| (0..6).rev().map(move |i| digit(b) >> i & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |n, bit| n << 1 | bit)).collect()
}

/// A form or query of these fields.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        record::percent_encode(value, &mut out);
    }
    out
}

pub fn param(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    record::parse_query(query).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

pub fn text(answer: &Answer, name: &str) -> Option<String> {
    answer.doc().root().str(name).map(|text| text.into_owned())
}

/// What stands in an attribute, as the person who reads the page has it.
pub fn plain(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The values of all inputs of this name, in the page's order.
pub fn inputs(page: &str, name: &str) -> Vec<String> {
    let mark = format!("name=\"{name}\" value=\"");
    let parts = page.split(mark.as_str()).skip(1);
    parts.map(|part| plain(part.split('"').next().expect("an end"))).collect()
}

/// A practice with a patient, a nurse who is a Practitioner, a portal account, and a server.
pub struct Place {
    pub practice: Practice,
    pub server: Server,
}

pub fn place() -> Place {
    place_of(Practice::new())
}

pub fn place_of(practice: Practice) -> Place {
    let password = practice.text("password.txt");
    let data = practice.data();
    for more in [
        ["--name", "omar", "--role", "nurse", "--practitioner", "dr1"],
        ["--name", "pat", "--role", "patient", "--patient", "p1"],
    ] {
        let mut args = vec!["user", "add", "--data", &data, "--password-file", &password];
        args.extend(more);
        let said = practice.run(&args);
        assert_eq!(said.code, 0, "{}", said.err);
    }
    let (id, secret) = practice.client("system/*.cruds");
    let server = practice.serve();
    let mut http = server.http();
    http.log_in(&id, &secret);
    for (path, json) in [
        (
            "Patient/p1",
            r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Stone","given":["Ann"]}],"birthDate":"1970-03-05"}"#,
        ),
        ("Patient/p2", r#"{"resourceType":"Patient","id":"p2","name":[{"family":"Marsh"}]}"#),
        (
            "Practitioner/dr1",
            r#"{"resourceType":"Practitioner","id":"dr1","name":[{"family":"Reed"}]}"#,
        ),
        (
            "Observation/o1",
            r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}"#,
        ),
    ] {
        let put = http.put(&format!("/fhir/{path}"), json);
        assert_eq!(put.status, 201, "{}", put.text());
    }
    Place { practice, server }
}

impl Place {
    /// Registers an app; id, and its secret if it has one.
    pub fn app(&self, scope: &str, more: &[&str]) -> (String, Option<String>) {
        let data = self.practice.data();
        let mut args = vec!["client", "add", "--data", &data, "--name", "Growth", "--scope", scope];
        args.extend(["--redirect-uri", REDIRECT]);
        args.extend(more);
        let said = self.practice.run(&args);
        assert_eq!(said.code, 0, "{}", said.err);
        let doc = fhir::json::Doc::parse(said.out).expect("JSON");
        let text = |name| doc.root().str(name).map(|text| text.into_owned());
        (text("client_id").expect("an id"), text("client_secret"))
    }

    pub fn base(&self) -> String {
        format!("http://{}/fhir", self.server.address)
    }

    /// A browser in which somebody has signed in.
    pub fn browser(&self, user: &str) -> Browser {
        let mut http = self.server.http();
        let form = form(&[("user", user), ("password", support::PASSWORD), ("next", "/apps")]);
        let answer = http.form("/login", &form);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/apps")));
        let cookie = answer.header("set-cookie").and_then(|text| text.split(';').next());
        Browser { http, cookie: cookie.expect("a cookie").to_owned() }
    }

    /// A good question.
    pub fn question(&self, id: &str, scope: &str, more: &[(&str, &str)]) -> String {
        let challenge = base64url(&Sha256::digest(VERIFIER.as_bytes()));
        let base = self.base();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", id),
            ("redirect_uri", REDIRECT),
            ("scope", scope),
            ("state", STATE),
            ("aud", &base),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        pairs.extend(more);
        format!("/oauth2/authorize?{}", form(&pairs))
    }

    pub fn redeem(&self, pairs: &[(&str, &str)]) -> Answer {
        let mut all = vec![
            ("grant_type", "authorization_code"),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        all.extend(pairs);
        self.server.http().form("/oauth2/token", &form(&all))
    }

    pub fn refresh(&self, pairs: &[(&str, &str)]) -> Answer {
        let mut all = vec![("grant_type", "refresh_token")];
        all.extend(pairs);
        self.server.http().form("/oauth2/token", &form(&all))
    }

    pub fn fhir(&self, token: &str, path: &str) -> Answer {
        let mut http = self.server.http();
        http.token = Some(token.to_owned());
        http.get(&format!("/fhir/{path}"))
    }
}

pub struct Browser {
    pub http: Http,
    pub cookie: String,
}

impl Browser {
    pub fn get(&mut self, path: &str) -> Answer {
        let cookie = self.cookie.clone();
        self.http.send("GET", path, &[("Cookie", &cookie)], b"")
    }

    pub fn post(&mut self, path: &str, form: &str) -> Answer {
        let cookie = self.cookie.clone();
        let headers = [("Cookie", cookie.as_str()), FORM, ("Sec-Fetch-Site", "same-origin")];
        self.http.send("POST", path, &headers, form.as_bytes())
    }

    /// Answers the question on `page`; where the browser goes.
    pub fn answer(&mut self, page: &str, answer: &str, untick: &str) -> Answer {
        let mut pairs = vec![("answer".to_owned(), answer.to_owned())];
        for name in ["question", "form", "patient", "scope"] {
            let values = inputs(page, name).into_iter().filter(|v| v != untick);
            pairs.extend(values.map(|value| (name.to_owned(), value)));
        }
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post("/oauth2/authorize", &form(&pairs))
    }

    /// Allows all; the code.
    pub fn allow(&mut self, question: &str) -> String {
        let page = self.get(question);
        assert_eq!(page.status, 200, "{}", page.text());
        let done = self.answer(page.text(), "allow", "");
        assert_eq!(done.status, 303, "{}", done.text());
        let url = done.header("location").expect("a place").to_owned();
        assert_eq!(param(&url, "state").as_deref(), Some(STATE), "{url}");
        param(&url, "code").unwrap_or_else(|| panic!("{url}"))
    }
}
