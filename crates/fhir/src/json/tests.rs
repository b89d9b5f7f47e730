use super::{DEPTH_MAX, Doc, Kind, NUMBER_LENGTH_MAX, ParseErrorKind, Value};

fn kind_of(text: &str) -> ParseErrorKind {
    Doc::parse(text).expect_err(text).kind
}

#[test]
fn reads_members_items_and_numbers_as_text() {
    let doc = Doc::parse(r#" {"a": [1.50, -0e3, "x\n\u00e9\ud83d\ude00"], "b": {"c": null}} "#)
        .expect("valid");
    let root = doc.root();
    let a: Vec<_> = root.get("a").expect("a").items().collect();
    assert_eq!(a[0].as_number(), Some("1.50"));
    assert_eq!(a[1].raw(), "-0e3");
    assert_eq!(a[2].as_str().as_deref(), Some("x\né😀"));
    assert!(root.get("b").and_then(|b| b.get("c")).expect("c").is_null());
    assert_eq!(root.members().map(|(k, _)| k).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(root.to_compact(), r#"{"a":[1.50,-0e3,"x\n\u00e9\ud83d\ude00"],"b":{"c":null}}"#);
    assert_eq!(root.get("a").expect("a").kind(), Kind::Array);
}

#[test]
fn names_with_escapes_are_compared_decoded() {
    assert_eq!(kind_of(r#"{"a":1,"\u0061":2}"#), ParseErrorKind::DuplicateName);
    let doc = Doc::parse(r#"{"\u0061b":1}"#).expect("valid");
    assert!(doc.root().get("ab").is_some());
    assert_eq!(doc.text(), r#"{"\u0061b":1}"#);
}

#[test]
fn duplicates_are_found_in_small_and_large_objects() {
    assert_eq!(kind_of(r#"{"a":1,"b":2,"a":3}"#), ParseErrorKind::DuplicateName);
    let many: Vec<String> = (0..40).map(|i| format!("\"k{}\":1", i % 39)).collect();
    assert_eq!(kind_of(&format!("{{{}}}", many.join(","))), ParseErrorKind::DuplicateName);
}

#[test]
fn refuses_what_is_not_json() {
    use ParseErrorKind as K;
    for (text, kind) in [
        ("", K::Empty),
        ("  ", K::Empty),
        ("{", K::End),
        ("{\"a\"", K::End),
        ("{\"a\":", K::End),
        ("[1,", K::End),
        ("[1,]", K::Unexpected),
        ("{\"a\":1,}", K::Unexpected),
        ("{a:1}", K::Unexpected),
        ("01", K::Number),
        ("1.", K::Number),
        ("1e", K::Number),
        ("-", K::Number),
        ("+1", K::Unexpected),
        ("NaN", K::Unexpected),
        ("truth", K::Literal),
        ("\"\\x\"", K::Escape),
        ("\"\\u12\"", K::Escape),
        ("\"\\ud800\"", K::Surrogate),
        ("\"\\udc00\"", K::Surrogate),
        ("\"a\nb\"", K::ControlCharacter),
        ("\"abc", K::End),
        ("{} {}", K::Trailing),
    ] {
        assert_eq!(kind_of(text), kind, "{text}");
    }
    assert_eq!(Doc::parse(b"\"\xff\"".to_vec()).expect_err("UTF-8").kind, K::Utf8);
}

#[test]
fn limits_hold_at_the_limit_and_not_above() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(Doc::parse(deep(DEPTH_MAX)).is_ok());
    assert_eq!(kind_of(&deep(DEPTH_MAX + 1)), ParseErrorKind::Depth);
    assert!(Doc::parse("1".repeat(NUMBER_LENGTH_MAX)).is_ok());
    assert_eq!(kind_of(&"1".repeat(NUMBER_LENGTH_MAX + 1)), ParseErrorKind::NumberLength);
}

#[test]
fn errors_name_line_and_column() {
    let e = Doc::parse("{\n  \"é\": tru\n}").expect_err("literal");
    assert_eq!((e.line, e.column), (2, 8));
}

#[test]
fn owned_values_round_trip() {
    let text = r#"{"a":[1.50,true,null,"q\"\\\u0001"],"b":{}}"#;
    let value = Value::parse(text).expect("valid");
    assert_eq!(value.to_json(), text);
    let doc = Doc::parse(text).expect("valid");
    let again = Doc::parse(value.to_json()).expect("valid");
    assert!(doc.root().same_value(again.root()));
}
