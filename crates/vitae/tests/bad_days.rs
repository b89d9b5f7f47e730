//! Input that is not what it should be: a precise refusal, and nothing written.

mod support;

use support::Practice;

/// Name, body, status, issue code, what the text must name.
const CASES: &[(&str, &[u8], u16, &str, &str)] = &[
    ("empty", b" ", 400, "structure", ""),
    ("no JSON", b"hello", 400, "structure", "line 1"),
    ("cut off", b"{\"resourceType\":\"Patient\"", 400, "structure", ""),
    ("two values", b"{\"resourceType\":\"Patient\"}{}", 400, "structure", ""),
    ("an array", b"[]", 400, "structure", ""),
    ("a number", b"17", 400, "structure", ""),
    ("no type", b"{\"id\":\"x\"}", 400, "structure", "resourceType"),
    ("unknown type", b"{\"resourceType\":\"Nonsense\"}", 400, "", "Nonsense"),
    ("another type", b"{\"resourceType\":\"Observation\"}", 400, "", "Observation"),
    ("duplicate key", b"{\"resourceType\":\"Patient\",\"id\":\"a\",\"id\":\"b\"}", 400, "structure", "id"),
    ("invalid UTF-8", b"{\"resourceType\":\"Patient\",\"language\":\"\xff\xfe\"}", 400, "structure", "UTF-8"),
    ("lone surrogate", b"{\"resourceType\":\"Patient\",\"language\":\"\\ud800\"}", 400, "structure", ""),
    ("control sign", b"{\"resourceType\":\"Patient\",\"language\":\"a\x01\"}", 400, "structure", ""),
    ("unknown element", b"{\"resourceType\":\"Patient\",\"nonsense\":1}", 400, "structure", "nonsense"),
    ("text for a boolean", b"{\"resourceType\":\"Patient\",\"active\":\"true\"}", 400, "", "active"),
    ("one for many", b"{\"resourceType\":\"Patient\",\"name\":{\"family\":\"x\"}}", 400, "", "name"),
    ("many for one", b"{\"resourceType\":\"Patient\",\"gender\":[\"male\"]}", 400, "", "gender"),
    ("bad code", b"{\"resourceType\":\"Patient\",\"gender\":\"m\"}", 400, "", "gender"),
    ("bad date", b"{\"resourceType\":\"Patient\",\"birthDate\":\"2020-02-30\"}", 400, "", "birthDate"),
    ("a date in words", b"{\"resourceType\":\"Patient\",\"birthDate\":\"yesterday\"}", 400, "", "birthDate"),
    ("null", b"{\"resourceType\":\"Patient\",\"name\":null}", 400, "", "name"),
    ("empty object", b"{\"resourceType\":\"Patient\",\"name\":[{}]}", 400, "", "name"),
    ("empty array", b"{\"resourceType\":\"Patient\",\"name\":[]}", 400, "", "name"),
    ("empty text", b"{\"resourceType\":\"Patient\",\"language\":\"\"}", 400, "", "language"),
    ("two choices", b"{\"resourceType\":\"Patient\",\"deceasedBoolean\":true,\"deceasedDateTime\":\"2020\"}", 400, "", "deceased"),
    ("huge number", b"{\"resourceType\":\"Patient\",\"multipleBirthInteger\":99999999999999999999}", 400, "", "multipleBirth"),
    ("a fraction for an integer", b"{\"resourceType\":\"Patient\",\"multipleBirthInteger\":1.5}", 400, "", "multipleBirth"),
    ("missing element", b"{\"resourceType\":\"Patient\",\"link\":[{\"type\":\"seealso\"}]}", 400, "", "other"),
    ("dangling reference", b"{\"resourceType\":\"Patient\",\"managingOrganization\":{\"reference\":\"Organization/none\"}}", 422, "not-found", "Organization/none"),
    ("wrong target", b"{\"resourceType\":\"Patient\",\"managingOrganization\":{\"reference\":\"Patient/x\"}}", 0, "", ""),
];

#[test]
fn each_is_refused_by_name_and_nothing_is_written() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    for (name, body, status, code, part) in CASES {
        let json = ("Content-Type", "application/fhir+json");
        let answer = http.send("POST", "/fhir/Patient", &[json], body);
        let text = answer.text();
        if *status == 0 {
            assert!((400..500).contains(&answer.status), "{name}: {text}");
        } else {
            // Where the issue's rule is about values, 400 and 422 both tell the client enough.
            let is_ok = answer.status == *status || (*status == 400 && answer.status == 422);
            assert!(is_ok, "{name}: {} {text}", answer.status);
        }
        let found = answer.issue();
        assert!(code.is_empty() || found == *code, "{name}: {found} {text}");
        assert!(text.contains(part), "{name}: {text}");
        for leak in ["panicked", "src/", "SQL", "sqlite", "/tmp"] {
            assert!(!text.contains(leak), "{name}: {text}");
        }
    }
    let history = http.get("/fhir/_history").doc();
    assert_eq!(history.root().list("entry").count(), 0, "nothing was written");
}

#[test]
fn bad_xml_is_refused() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    for (name, body) in [
        ("cut off", "<Patient xmlns=\"http://hl7.org/fhir\">"),
        ("no namespace", "<Patient><active value=\"true\"/></Patient>"),
        ("unknown element", "<Patient xmlns=\"http://hl7.org/fhir\"><x value=\"1\"/></Patient>"),
        ("no XML", "hello"),
        (
            "a DTD",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><Patient xmlns=\"http://hl7.org/fhir\">\
             <language value=\"&a;\"/></Patient>",
        ),
        (
            "an external entity",
            "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\
             <Patient xmlns=\"http://hl7.org/fhir\"><language value=\"&a;\"/></Patient>",
        ),
    ] {
        let header = ("Content-Type", "application/fhir+xml");
        let answer = http.send("POST", "/fhir/Patient", &[header], body.as_bytes());
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert!(!answer.issue().is_empty(), "{name}");
        assert!(!answer.text().contains("root:"), "{name}");
    }
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    let json = ("Content-Type", "application/fhir+json");
    let body = br#"{"resourceType":"Patient","id":"x"}"#;
    for (name, value) in [("If-Match", "3"), ("If-Match", "W/\"x\""), ("If-None-Match", "W/\"1\"")]
    {
        let answer = http.send("PUT", "/fhir/Patient/x", &[json, (name, value)], body);
        assert_eq!((answer.status, answer.issue().as_str()), (400, "invalid"), "{name}: {value}");
    }
    let answer = http.send("PUT", "/fhir/Patient/y", &[json], body);
    assert_eq!(answer.status, 400, "the id differs from the URL's");
    let patch = ("Content-Type", "application/json-patch+json");
    assert_eq!(http.send("PUT", "/fhir/Patient/x", &[json], body).status, 201);
    for bad in [
        "{}",
        "[{\"op\":\"nonsense\",\"path\":\"/x\"}]",
        "[{\"op\":\"remove\",\"path\":\"/none\"}]",
        "nonsense",
    ] {
        let answer = http.send("PATCH", "/fhir/Patient/x", &[patch], bad.as_bytes());
        assert!((400..=422).contains(&answer.status), "{bad}: {}", answer.status);
    }
    assert_eq!(http.get("/fhir/Patient/x").header("etag"), Some("W/\"1\""), "nothing changed");
}

#[test]
fn a_transaction_with_one_bad_entry_writes_nothing() {
    let practice = Practice::new();
    let (_server, mut http) = practice.serve_for("system/*.cruds");
    let json = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Patient","birthDate":"never"},"request":{"method":"POST","url":"Patient"}}]}"#;
    let answer = http.post("/fhir", json);
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    assert!(answer.text().contains("Bundle.entry[1]"), "{}", answer.text());
    assert_eq!(http.get("/fhir/_history").doc().root().list("entry").count(), 0);
}
