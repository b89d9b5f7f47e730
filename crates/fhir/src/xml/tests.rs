use super::{ATTRIBUTES_MAX, DEPTH_MAX, from_json, to_json};
use crate::json::Doc;

const NS: &str = r#"xmlns="http://hl7.org/fhir""#;

fn patient(content: &str) -> String {
    format!("<Patient {NS}>{content}</Patient>")
}

/// XML gives this JSON, and the JSON gives the XML again when `back` is true.
fn check(xml: &str, json: &str, back: bool) {
    let found = to_json(xml.as_bytes()).unwrap_or_else(|issues| panic!("{xml}: {issues:#?}"));
    assert_eq!(found, json);
    if back {
        let doc = Doc::parse(found).expect("JSON");
        assert_eq!(from_json(doc.root()), xml);
    }
}

/// The only issue of a text: its expression, and words of its text.
fn refuses(xml: &str, expression: &str, says: &str) {
    let issues = to_json(xml.as_bytes()).expect_err(xml);
    assert_eq!(issues.len(), 1, "{xml}: {issues:#?}");
    assert_eq!(issues[0].expression, expression, "{xml}");
    assert!(issues[0].text.contains(says), "{xml}: {}", issues[0].text);
}

#[test]
fn elements_become_members_of_their_type() {
    check(
        &patient(
            r#"<id value="p"/><active value="true"/><name><given value="a"/><given value="b"/></name><multipleBirthInteger value="2"/>"#,
        ),
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"given":["a","b"]}],"multipleBirthInteger":2}"#,
        true,
    );
    let observation = format!(
        r#"<Observation {NS}><status value="final"/><code><text value="x"/></code><valueQuantity><value value="1.50"/></valueQuantity></Observation>"#
    );
    let json = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}"#;
    check(&observation, json, true);
}

#[test]
fn ids_and_extensions_of_primitives_stand_beside_them() {
    check(
        &patient(
            r#"<name><given value="a"/><given id="x"><extension url="u"><valueCode value="c"/></extension></given></name><birthDate id="b" value="1970"/>"#,
        ),
        r#"{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x","extension":[{"url":"u","valueCode":"c"}]}]}],"birthDate":"1970","_birthDate":{"id":"b"}}"#,
        true,
    );
}

#[test]
fn resources_within_and_narrative_are_kept() {
    check(
        &patient(
            r#"<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>a &lt; b &#169;<br/></p><!-- c --></div></text><contained><Organization><id value="o"/></Organization></contained>"#,
        ),
        r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a &lt; b &#169;<br/></p><!-- c --></div>"},"contained":[{"resourceType":"Organization","id":"o"}]}"#,
        true,
    );
    let bundle = format!(
        r#"<Bundle {NS}><type value="collection"/><entry><resource><Patient><id value="p"/></Patient></resource></entry></Bundle>"#
    );
    let json = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p"}}]}"#;
    check(&bundle, json, true);
}

#[test]
fn text_survives_as_it_is() {
    let json = r#"{"resourceType":"Patient","name":[{"text":"a\n\tb \"<&>' é😀\r"}]}"#;
    let doc = Doc::parse(json).expect("JSON");
    let xml = from_json(doc.root());
    let again = Doc::parse(to_json(xml.as_bytes()).expect("XML")).expect("JSON");
    assert!(doc.root().same_value(again.root()), "{}", again.text());
}

#[test]
fn prefixes_comments_and_declarations_are_read() {
    check(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- x --><f:Patient \
         xmlns:f=\"http://hl7.org/fhir\"><?y?>\n <f:active value=\"false\"/>\n</f:Patient>\n",
        r#"{"resourceType":"Patient","active":false}"#,
        false,
    );
    check(
        &format!(
            r#"<Patient {NS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"/>"#
        ),
        r#"{"resourceType":"Patient"}"#,
        false,
    );
}

#[test]
fn malformed_texts_are_refused_with_their_place() {
    for (xml, says) in [
        ("", "no element"),
        ("text", "text stands only in narrative"),
        ("<Patient", "line 1, column 1"),
        (&format!("<Patient {NS}>"), "the text ends inside an element"),
        (&format!("<Patient {NS}>\n  </Pat>"), "line 2, column 3"),
        (&format!("<Patient {NS}/><Patient {NS}/>"), "only one element"),
        (&format!("<!DOCTYPE x><Patient {NS}/>"), "document type declaration"),
        (&format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Patient {NS}/>"), "UTF-8"),
        (&patient("hello"), "text stands only in narrative"),
        (&patient("<active value=\"&xxe;\"/>"), "a wrong attribute"),
        (&patient("<active value=\"a\" value=\"b\"/>"), "a wrong attribute"),
        (&patient("<active value=true/>"), "a wrong attribute"),
        (&patient("<active value=\"\u{1}\"/>"), "a character that XML does not allow"),
        (&patient("<active value=\"&#1;\"/>"), "what XML does not allow"),
    ] {
        refuses(xml, "", says);
    }
    let issues = to_json(b"<Patient>\xff").expect_err("UTF-8");
    assert!(issues[0].text.contains("not valid UTF-8 (line 1, column 10)"), "{issues:?}");
}

#[test]
fn wrong_elements_and_attributes_are_named() {
    for (content, expression, says) in [
        ("<nam/>", "Patient.nam", "did you mean 'name'?"),
        ("<name/><active value=\"true\"/>", "Patient.active", "active stands before name"),
        ("<gender value=\"male\"/><gender value=\"male\"/>", "Patient.gender", "does not repeat"),
        ("<active value=\"yes\"/>", "Patient.active", "must be true or false"),
        ("<multipleBirthInteger value=\"two\"/>", "Patient.multipleBirth", "must be a number"),
        ("<active/>", "Patient.active", "needs the attribute value"),
        ("<name value=\"x\"/>", "Patient.name[0]", "the attribute 'value' has no place"),
        ("<name/><name><url value=\"x\"/></name>", "Patient.name[1].url", "not an element"),
        ("<extension><url value=\"x\"/></extension>", "Patient.extension[0].url", "an attribute"),
        ("<contained/>", "Patient.contained[0]", "must hold a resource"),
        ("<contained><X/></contained>", "Patient.contained[0]", "not a resource type"),
        ("<text><div/></text>", "Patient.text.div", "the namespace of div"),
        ("<active xmlns=\"urn:x\" value=\"true\"/>", "Patient.active", "the namespace of active"),
    ] {
        refuses(&patient(content), expression, says);
    }
    refuses("<Patient/>", "Patient", "the namespace of Patient must be http://hl7.org/fhir");
    refuses(&format!("<Patent {NS}/>"), "Patent", "'Patent' is not a resource type");
}

#[test]
fn narrative_must_be_well_formed() {
    let div = |content: &str| {
        patient(&format!(
            "<text><div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div></text>"
        ))
    };
    refuses(&div("&nbsp;"), "", "an entity that XML does not know");
    refuses(&div("<p a=b/>"), "", "a wrong attribute in narrative");
    refuses(&div("<p></b>"), "", "not well-formed");
}

#[test]
fn broken_narrative_in_json_becomes_text() {
    for div in ["<div><p></div>", "hello", "<div>&nbsp;</div>", "<div/><div/>", "<p/>"] {
        let text = format!(r#"{{"resourceType":"Patient","text":{{"div":"{div}"}}}}"#);
        let xml = from_json(Doc::parse(text).expect("JSON").root());
        let json = to_json(xml.as_bytes()).unwrap_or_else(|issues| panic!("{xml}: {issues:#?}"));
        assert!(json.contains("<div xmlns="), "{json}");
    }
}

#[test]
fn limits_hold_at_the_limit_and_not_above() {
    let nested = |n: usize| {
        let (open, close) = ("<extension url=\"u\">".repeat(n), "</extension>".repeat(n));
        patient(&format!("{open}{close}"))
    };
    assert!(Doc::parse(to_json(nested(31).as_bytes()).expect("63 deep")).is_ok());
    refuses(&nested(32), "", "as JSON it nests deeper than 64");
    refuses(&nested(DEPTH_MAX), "", "nest deeper than 64");
    let narrative = |n: usize| {
        let (open, close) = ("<b>".repeat(n), "</b>".repeat(n));
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{open}{close}</div>");
        patient(&format!("<text>{div}</text>"))
    };
    assert!(to_json(narrative(DEPTH_MAX - 3).as_bytes()).is_ok());
    refuses(&narrative(DEPTH_MAX - 2), "", "nest deeper than 64");
    let attributes = |n: usize| {
        let names: Vec<String> = (0..n).map(|n| format!("xmlns:n{n}=\"urn:x\"")).collect();
        patient(&format!("<name {}/>", names.join(" ")))
    };
    assert!(to_json(attributes(ATTRIBUTES_MAX).as_bytes()).is_ok());
    refuses(&attributes(ATTRIBUTES_MAX + 1), "", "more than 64 attributes");
}
