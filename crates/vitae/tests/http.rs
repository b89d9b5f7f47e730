//! The FHIR door over a real socket: negotiation, headers, limits, and that nothing answers
//! without a token.

mod support;

use std::io::{Read, Write};

use rest::{Access, ROUTES};
use support::Practice;

/// The path of a pattern, filled with something.
fn sample(pattern: &str) -> String {
    pattern
        .replace("{type}", "Patient")
        .replace("{compartment}", "Patient")
        .replace("{member}", "Observation")
        .replace("{id}", "p1")
        .replace("{vid}", "1")
}

#[test]
fn no_route_but_discovery_answers_without_a_token() {
    let practice = Practice::new();
    let server = practice.serve();
    let mut http = server.http();
    for route in ROUTES {
        let path = sample(route.pattern);
        let json = ("Content-Type", "application/fhir+json");
        let answer = http.send(route.method, &path, &[json], b"{}");
        let name = format!("{} {}", route.method, route.pattern);
        match route.access {
            Access::Open => assert_eq!(answer.status, 200, "{name}"),
            Access::Token => {
                assert_eq!(answer.status, 401, "{name}");
                assert_eq!(answer.issue(), "login", "{name}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"vitae\""));
            }
        }
    }
    for token in ["nonsense", "metrics-only", ""] {
        http.token = Some(token.to_owned());
        for route in ROUTES.iter().filter(|route| route.pattern.starts_with("/fhir/{type}")) {
            let answer = http.send(route.method, &sample(route.pattern), &[], b"");
            assert_eq!(answer.status, 401, "{token} {} {}", route.method, route.pattern);
        }
    }
    // What does not exist is not told apart from what does.
    http.token = None;
    for path in ["/fhir/Nonsense", "/fhir/Patient/1/2/3/4", "/fhir/$export", "/fhir/a/b/c/d/e/f"] {
        assert_eq!(http.get(path).status, 401, "{path}");
    }
    assert_eq!(http.send("OPTIONS", "/fhir/Patient", &[], b"").status, 401);
}

#[test]
fn a_resource_lives_and_dies_with_its_headers() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    let json = r#"{"resourceType":"Patient","name":[{"family":"Smith"}]}"#;
    let made = http.post("/fhir/Patient", json);
    assert_eq!(made.status, 201);
    let id = made.id();
    assert_eq!(made.header("etag"), Some("W/\"1\""));
    assert!(made.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
    let location = made.header("location").expect("a place").to_owned();
    assert!(location.ends_with(&format!("/fhir/Patient/{id}/_history/1")), "{location}");
    let path = format!("/fhir/Patient/{id}");

    let read = http.get(&path);
    assert_eq!((read.status, &read.body), (200, &made.body));
    let head = http.send("HEAD", &path, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(read.body.len().to_string().as_str()));
    let same = http.send("GET", &path, &[("If-None-Match", "W/\"1\"")], b"");
    assert_eq!((same.status, same.body.len()), (304, 0));
    let date = read.header("last-modified").expect("a date").to_owned();
    assert_eq!(http.send("GET", &path, &[("If-Modified-Since", &date)], b"").status, 304);

    let second =
        json.replace("Smith", "Jones").replace("{\"res", &format!("{{\"id\":\"{id}\",\"res"));
    let header = ("Content-Type", "application/fhir+json");
    let stale = http.send("PUT", &path, &[header, ("If-Match", "W/\"7\"")], second.as_bytes());
    assert_eq!((stale.status, stale.issue().as_str()), (412, "conflict"));
    let minimal = [header, ("If-Match", "W/\"1\""), ("Prefer", "return=minimal")];
    let put = http.send("PUT", &path, &minimal, second.as_bytes());
    assert_eq!((put.status, put.body.len(), put.header("etag")), (200, 0, Some("W/\"2\"")));

    let patch = br#"[{"op":"replace","path":"/name/0/family","value":"Stone"}]"#;
    let header = ("Content-Type", "application/json-patch+json");
    let patched = http.send("PATCH", &path, &[header], patch);
    assert_eq!((patched.status, patched.header("etag")), (200, Some("W/\"3\"")));
    assert!(patched.text().contains("Stone"));
    assert!(http.get(&format!("{path}/_history/1")).text().contains("Smith"));

    assert_eq!(http.send("DELETE", &path, &[], b"").status, 204);
    let gone = http.get(&path);
    assert_eq!((gone.status, gone.issue().as_str()), (410, "deleted"));
    let history = http.get(&format!("{path}/_history")).doc();
    assert_eq!(history.root().list("entry").count(), 4);
    assert!(http.get(&format!("{path}/_history/2")).text().contains("Jones"));
    let unknown = http.get("/fhir/Patient/unknown");
    assert_eq!((unknown.status, unknown.issue().as_str()), (404, "not-found"));
}

#[test]
fn forms_are_negotiated() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    let xml =
        r#"<Patient xmlns="http://hl7.org/fhir"><id value="x"/><active value="true"/></Patient>"#;
    let header = ("Content-Type", "application/fhir+xml; charset=utf-8");
    let made = http.send("PUT", "/fhir/Patient/x", &[header], xml.as_bytes());
    assert_eq!(made.status, 201, "{}", made.text());
    let json_type = Some("application/fhir+json; charset=utf-8");
    let xml_type = Some("application/fhir+xml; charset=utf-8");
    assert_eq!(made.header("content-type"), json_type);
    for (query, accept, want) in [
        ("", "application/fhir+xml", xml_type),
        ("", "text/xml", xml_type),
        ("?_format=xml", "application/json", xml_type),
        ("?_format=application/fhir%2Bxml", "*/*", xml_type),
        ("?_format=json", "application/fhir+xml", json_type),
        ("", "application/json", json_type),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", json_type),
    ] {
        let path = format!("/fhir/Patient/x{query}");
        let answer = http.send("GET", &path, &[("Accept", accept)], b"");
        assert_eq!((answer.status, answer.header("content-type")), (200, want), "{query} {accept}");
        let is_xml = answer.text().starts_with("<Patient xmlns=\"http://hl7.org/fhir\">");
        assert_eq!(is_xml, want == xml_type, "{}", answer.text());
    }
    assert!(http.get("/fhir/Patient/x?_pretty=true").text().contains("\n  \"id\": \"x\""));
    let refused = http.send("GET", "/fhir/Patient/x", &[("Accept", "text/turtle")], b"");
    assert_eq!((refused.status, refused.issue().as_str()), (406, "not-supported"));
    assert_eq!(http.get("/fhir/Patient/x?_format=ttl").status, 406);
    let outcome = http.send("GET", "/fhir/Patient/none", &[("Accept", "application/xml")], b"");
    assert!(outcome.text().starts_with("<OperationOutcome"), "{}", outcome.text());
    for content_type in ["text/plain", "application/pdf", "application/json-patch", ""] {
        let headers = [("Content-Type", content_type)];
        let answer = http.send("POST", "/fhir/Patient", &headers, b"{}");
        assert_eq!((answer.status, answer.issue().as_str()), (415, "not-supported"));
    }
    for content_type in ["application/json", "text/json", "Application/FHIR+JSON;fhirVersion=4.0"] {
        let body = br#"{"resourceType":"Patient"}"#;
        let answer = http.send("POST", "/fhir/Patient", &[("Content-Type", content_type)], body);
        assert_eq!(answer.status, 201, "{content_type}");
    }
    let statement = http.send("GET", "/fhir/metadata", &[("Accept", "application/fhir+xml")], b"");
    assert!(statement.text().starts_with("<CapabilityStatement"));
}

#[test]
fn gzip_goes_both_ways_and_is_bounded() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    let pack = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("packs");
        encoder.finish().expect("packs")
    };
    let note = "ä ".repeat(2000);
    let json = format!(r#"{{"resourceType":"Patient","name":[{{"text":"{note}x"}}]}}"#);
    let headers = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "gzip")];
    let made = http.send("POST", "/fhir/Patient", &headers, &pack(json.as_bytes()));
    assert_eq!(made.status, 201, "{}", made.text());
    let path = format!("/fhir/Patient/{}", made.id());
    let packed = http.send("GET", &path, &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < made.body.len() / 10);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut text).expect("gzip");
    assert_eq!(text, made.body);
    assert_eq!(http.get(&path).header("content-encoding"), None);
    let small = http.send("GET", "/fhir/Patient/none", &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(small.header("content-encoding"), None, "not worth it");

    let bomb = pack(&vec![b' '; rest::BODY_BYTES_MAX + 1]);
    let answer = http.send("POST", "/fhir/Patient", &headers, &bomb);
    assert_eq!((answer.status, answer.issue().as_str()), (413, "too-long"));
    let answer = http.send("POST", "/fhir/Patient", &headers, b"not gzip at all");
    assert_eq!((answer.status, answer.issue().as_str()), (400, "structure"));
    let headers = [headers[0], ("Content-Encoding", "br")];
    assert_eq!(http.send("POST", "/fhir/Patient", &headers, b"x").status, 415);
}

#[test]
fn methods_and_paths_that_are_not_there() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    for (method, path, status, code) in [
        ("GET", "/fhir/Nonsense", 404, "not-found"),
        ("GET", "/fhir/Nonsense/1", 404, "not-found"),
        ("GET", "/fhir/Patient/1/2/3/4/5", 404, "not-found"),
        ("GET", "/fhir/$nonsense", 404, "not-found"),
        ("GET", "/fhir/Patient/a_b", 400, "invalid"),
        ("GET", "/fhir/Patient?nonsense=1", 400, "not-supported"),
        ("GET", "/fhir/Patient/x/_history/y", 404, "not-found"),
        ("PUT", "/fhir/Patient/x/_history/1", 405, "not-supported"),
        ("DELETE", "/fhir", 405, "not-supported"),
        ("TRACE", "/fhir/Patient", 405, "not-supported"),
        ("GET", "/fhir/metadata?mode=terminology", 400, "not-supported"),
    ] {
        let answer = http.send(method, path, &[], b"");
        assert_eq!((answer.status, answer.issue().as_str()), (status, code), "{method} {path}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
    let options = http.send("OPTIONS", "/fhir/Patient/x", &[], b"");
    assert_eq!(options.status, 204);
    assert_eq!(options.header("allow"), Some("GET, HEAD, PUT, PATCH, DELETE"));
}

#[test]
fn limits_hold_at_the_limit_and_one_above() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    // URL.
    let room = rest::URL_BYTES_MAX - "/fhir/Patient?name=".len();
    let at = http.get(&format!("/fhir/Patient?name={}", "x".repeat(room)));
    assert_ne!(at.issue_or_ok(), "too-long");
    let above = http.get(&format!("/fhir/Patient?name={}", "x".repeat(room + 1)));
    assert_eq!((above.status, above.issue().as_str()), (400, "too-long"));
    // Depth.
    let nested = |depth: usize| {
        let (open, close) = ("{\"extension\":[".repeat(depth), "]}".repeat(depth));
        format!("{{\"resourceType\":\"Patient\",\"extension\":[{open}{close}]}}")
    };
    let deep = http.post("/fhir/Patient", &nested(200));
    assert_eq!((deep.status, deep.issue().as_str()), (400, "structure"), "{}", deep.text());
    assert!(deep.text().contains("64"), "names the limit: {}", deep.text());
    // Page size.
    let clamped = http.get("/fhir/Patient?_count=1001");
    assert_eq!(clamped.status, 200);
    // Entries.
    let entry = r#"{"request":{"method":"GET","url":"Patient/x"}}"#;
    let entries = vec![entry; 10_001].join(",");
    let json = format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{entries}]}}"#);
    let many = http.post("/fhir", &json);
    assert_eq!((many.status, many.issue().as_str()), (400, "too-costly"));
    assert!(many.text().contains("10000"), "{}", many.text());
    // Body: refused by its length alone.
    let head = format!(
        "POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/fhir+json\r\nContent-Length: {}\r\n\r\n",
        http.token.clone().expect("logged in"),
        rest::BODY_BYTES_MAX + 1
    );
    let large = http.exchange(head.as_bytes(), false).expect("answers");
    assert_eq!((large.status, large.issue().as_str()), (413, "too-long"));
    assert!(large.text().contains("50 MiB"));
}

impl support::Answer {
    fn issue_or_ok(&self) -> String {
        if self.status < 400 { "ok".to_owned() } else { self.issue() }
    }
}

#[test]
fn searches_merge_url_and_form_and_compartments_work() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    for (id, gender) in [("a", "female"), ("b", "male")] {
        let json = format!(
            r#"{{"resourceType":"Patient","id":"{id}","gender":"{gender}","name":[{{"family":"Ng"}}]}}"#
        );
        assert_eq!(http.put(&format!("/fhir/Patient/{id}"), &json).status, 201);
    }
    let json = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}}"#;
    assert_eq!(http.put("/fhir/Observation/o", json).status, 201);
    let count = |answer: support::Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let doc = answer.doc();
        doc.root().list("entry").count()
    };
    assert_eq!(count(http.form("/fhir/Patient/_search?name=ng", "gender=female")), 1);
    assert_eq!(count(http.form("/fhir/Patient/_search", "name=ng")), 2);
    assert_eq!(count(http.get("/fhir/Patient/a/Observation")), 1);
    assert_eq!(count(http.get("/fhir/Patient/b/Observation")), 0);
    assert_eq!(count(http.form("/fhir/Patient/a/Observation/_search", "status=final")), 1);
    let page = http.get("/fhir/Patient?name=ng&_count=1").doc();
    let next = page
        .root()
        .list("link")
        .find(|link| link.str("relation").as_deref() == Some("next"))
        .and_then(|link| link.str("url"))
        .expect("a next page")
        .into_owned();
    let path = next.split_once("/fhir/").expect("ours").1.to_owned();
    assert_eq!(count(http.get(&format!("/fhir/{path}"))), 1);
    let forged = http.get(&format!("/fhir/{}x", path));
    assert!(forged.status >= 400, "a changed page link is refused");
}

#[test]
fn what_the_statement_promises_is_kept() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    let statement = http.get("/fhir/metadata").doc();
    let rest = statement.root().list("rest").next().expect("a server");
    let mut broken = Vec::new();
    for resource in rest.list("resource") {
        let ty = resource.str("type").expect("a type").into_owned();
        for param in resource.list("searchParam") {
            let name = param.str("name").expect("a name").into_owned();
            let value = match param.str("type").as_deref() {
                Some("date") => "2020",
                Some("number" | "quantity") => "5",
                Some("composite") => continue,
                _ if name == "near" => "42.3|-71.1|5|km",
                _ => "x",
            };
            let answer = http.get(&format!("/fhir/{ty}?{name}={value}&_count=1"));
            if answer.status != 200 {
                broken.push(format!("{ty}?{name}: {}", answer.text()));
            }
        }
    }
    assert!(broken.is_empty(), "{} {:#?}", broken.len(), &broken[..broken.len().min(5)]);
}

/// Every route of FHIR, asked by a program whose scopes are for another type: none shows or
/// changes anything.
#[test]
fn no_fhir_route_answers_beyond_the_scopes() {
    let practice = Practice::new();
    let (id, secret) = practice.client("system/*.cruds");
    let (poor, poor_secret) = practice.client("system/Basic.r");
    let server = practice.serve();
    let mut http = server.http();
    http.log_in(&id, &secret);
    let made = http.put("/fhir/Patient/1", r#"{"resourceType":"Patient","id":"1"}"#);
    assert_eq!(made.status, 201);
    let mut http = server.http();
    http.log_in(&poor, &poor_secret);
    for route in ROUTES.iter().filter(|route| matches!(route.what, rest::What::Fhir(_))) {
        let path = route
            .pattern
            .replace("{type}", "Patient")
            .replace("{compartment}", "Patient")
            .replace("{member}", "Observation")
            .replace("{id}", "1")
            .replace("{vid}", "1");
        let form = "application/x-www-form-urlencoded";
        let json = "application/fhir+json";
        let batch = r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}"#;
        let (content_type, body) = match (route.method, path.as_str()) {
            ("GET" | "DELETE", _) => ("", ""),
            ("PATCH", _) => ("application/json-patch+json", "[]"),
            (_, path) if path.ends_with("_search") || path.contains('$') => (form, "_count=1"),
            (_, "/fhir") => (json, batch),
            _ => (json, r#"{"resourceType":"Patient","id":"1"}"#),
        };
        let query = match (route.method, path.matches('/').count()) {
            ("PUT" | "PATCH" | "DELETE", 2) => "?_id=1",
            _ => "",
        };
        let headers = [("Content-Type", content_type)];
        let headers = if content_type.is_empty() { &headers[..0] } else { &headers[..] };
        let url = format!("{path}{query}");
        let answer = http.send(route.method, &url, headers, body.as_bytes());
        let shows = answer.text().contains("\"resourceType\":\"Patient\"");
        assert!(!shows, "{} {path}: {}", route.method, answer.text());
        let (is_read, status) = (route.method == "GET" || path == "/fhir", answer.status);
        // What is about all types answers with what may be seen of them: nothing.
        let is_nothing = matches!(status, 403 | 404) || (is_read && status == 200);
        assert!(is_nothing, "{} {path} {status}", route.method);
    }
}

#[test]
fn scopes_bound_what_a_client_may_do() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/Patient.rs");
    assert_eq!(http.get("/fhir/Patient?name=x").status, 200);
    let made = http.post("/fhir/Patient", r#"{"resourceType":"Patient"}"#);
    assert_eq!((made.status, made.issue().as_str()), (403, "forbidden"));
    assert_eq!(http.get("/fhir/Observation").status, 403);
    assert_eq!(http.get("/fhir/Observation/_history").status, 403);
    let history = http.get("/fhir/_history");
    assert_eq!((history.status, history.doc().root().list("entry").count()), (200, 0));
}

#[test]
fn tokens_are_asked_for_told_about_and_ended() {
    let practice = Practice::new();
    let (id, secret) = practice.client("system/Patient.rs system/Observation.r");
    let server = practice.serve();
    let mut http = server.http();
    let grant = "grant_type=client_credentials";
    let secrets = format!("client_id={id}&client_secret={secret}");
    for (form, status, error) in [
        (secrets.to_string(), 400, "invalid_request"),
        (format!("grant_type=password&{secrets}"), 400, "unsupported_grant_type"),
        (format!("{grant}&client_id={id}&client_secret=vc_wrong"), 401, "invalid_client"),
        (format!("{grant}&client_id=nobody&client_secret=vc_wrong"), 401, "invalid_client"),
        (format!("{grant}&{secrets}&scope=system/*.cruds"), 400, "invalid_scope"),
        (format!("{grant}&{secrets}&scope=nonsense"), 400, "invalid_scope"),
        (format!("{grant}&{grant}&{secrets}"), 400, "invalid_request"),
    ] {
        let answer = http.form("/oauth2/token", &form);
        let doc = answer.doc();
        let found = (answer.status, doc.root().str("error").expect("an error").into_owned());
        assert_eq!(found, (status, error.to_owned()), "{form}");
    }
    let answer = http.form("/oauth2/token", &format!("{grant}&{secrets}&scope=system/Patient.r"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let doc = answer.doc();
    let token = doc.root().str("access_token").expect("a token").into_owned();
    assert_eq!(doc.root().str("scope").as_deref(), Some("system/Patient.r"));
    let told = http.form("/oauth2/introspect", &format!("{secrets}&token={token}")).doc();
    assert_eq!(told.root().get("active").and_then(|n| n.as_bool()), Some(true));
    http.token = Some(token.clone());
    assert_eq!(http.get("/fhir/Patient/none").status, 404);
    http.token = None;
    assert_eq!(http.form("/oauth2/revoke", &format!("{secrets}&token={token}")).status, 200);
    let told = http.form("/oauth2/introspect", &format!("{secrets}&token={token}")).doc();
    assert_eq!(told.root().get("active").and_then(|n| n.as_bool()), Some(false));
    http.token = Some(token);
    let over = http.get("/fhir/Patient/none");
    assert_eq!(over.status, 401);
    let challenge = over.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("invalid_token"), "{challenge}");
    http.token = None;
    for _ in 0..5 {
        http.form("/oauth2/token", &format!("{grant}&client_id={id}&client_secret=vc_wrong"));
    }
    let slowed = http.form("/oauth2/token", &format!("{grant}&{secrets}"));
    assert_eq!(slowed.status, 429);
    assert!(slowed.header("retry-after").is_some());
}

#[test]
fn operations_pages_answer() {
    let practice = Practice::new();
    let server = practice.serve();
    let mut http = server.http();
    assert_eq!(http.get("/healthz").text(), "ok\n");
    assert_eq!(http.get("/readyz").text(), "ready\n");
    let smart = http.get("/fhir/.well-known/smart-configuration").doc();
    let endpoint = smart.root().str("token_endpoint").expect("an endpoint").into_owned();
    assert_eq!(endpoint, format!("http://{}/oauth2/token", server.address));
    assert_eq!(http.get("/metrics").status, 401);
    http.token = Some("metrics-only".to_owned());
    let metrics = http.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("does=\"Health\",status=\"2xx\"} 1\n"), "{}", metrics.text());
    let given = http.send("GET", "/healthz", &[("X-Request-Id", "abc-1")], b"");
    assert_eq!(given.header("x-request-id"), Some("abc-1"));
    let own = http.send("GET", "/healthz", &[("X-Request-Id", "a b\"<>")], b"");
    assert!(own.header("x-request-id").is_some_and(|id| !id.contains('<')));
}
