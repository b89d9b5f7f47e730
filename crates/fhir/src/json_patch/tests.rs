use super::{OPERATIONS_MAX, VALUES_MAX, apply, decimal};
use crate::issue::{Issue, IssueType};
use crate::json::{DEPTH_MAX, Doc, Value};

fn patched(resource: &str, patch: &str) -> Result<String, Issue> {
    let mut value = Value::parse(resource).expect("JSON");
    let patch = Doc::parse(patch).expect("JSON");
    apply(&mut value, patch.root())?;
    Ok(value.to_json())
}

/// The examples of RFC 6902 appendix A.
#[test]
fn the_examples_of_the_rfc() {
    for (resource, patch, want) in [
        (
            r#"{"foo":"bar"}"#,
            r#"{"op":"add","path":"/baz","value":"qux"}"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ),
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"{"op":"add","path":"/foo/1","value":"qux"}"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        (r#"{"baz":"qux","foo":"bar"}"#, r#"{"op":"remove","path":"/baz"}"#, r#"{"foo":"bar"}"#),
        (
            r#"{"foo":["bar","qux","baz"]}"#,
            r#"{"op":"remove","path":"/foo/1"}"#,
            r#"{"foo":["bar","baz"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"{"op":"replace","path":"/baz","value":"boo"}"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"{"op":"move","from":"/foo/waldo","path":"/qux/thud"}"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"{"op":"move","from":"/foo/1","path":"/foo/3"}"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"{"op":"add","path":"/child","value":{"grandchild":{}}}"#,
            r#"{"foo":"bar","child":{"grandchild":{}}}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"{"op":"add","path":"/baz","value":"qux","xyz":123}"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ),
        (r#"{"/":9,"~1":10}"#, r#"{"op":"test","path":"/~01","value":10}"#, r#"{"/":9,"~1":10}"#),
        (
            r#"{"foo":["bar"]}"#,
            r#"{"op":"add","path":"/foo/-","value":["abc","def"]}"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
        (r#"{"a":1}"#, r#"{"op":"copy","from":"/a","path":"/b"}"#, r#"{"a":1,"b":1}"#),
        (r#"{"a":1}"#, r#"{"op":"replace","path":"","value":{"b":2}}"#, r#"{"b":2}"#),
    ] {
        let found = patched(resource, &format!("[{patch}]"));
        assert_eq!(found.as_deref(), Ok(want), "{patch}");
    }
}

#[test]
fn what_cannot_be_done_is_named() {
    use IssueType::{Processing, Structure};
    let resource = r#"{"foo":["bar"],"baz":"qux","n":1.50}"#;
    for (patch, code, says) in [
        (
            r#"[{"op":"test","path":"/baz","value":"bar"}]"#,
            Processing,
            "operation 0 (test '/baz'): the test failed",
        ),
        (r#"[{"op":"add","path":"/a/b","value":1}]"#, Processing, "there is no 'a'"),
        (r#"[{"op":"remove","path":"/nope"}]"#, Processing, "there is no 'nope'"),
        (
            r#"[{"op":"replace","path":"/foo/1","value":1}]"#,
            Processing,
            "no item '1' in an array of 1",
        ),
        (r#"[{"op":"add","path":"/foo/2","value":1}]"#, Processing, "no item '2'"),
        (r#"[{"op":"add","path":"/foo/00","value":1}]"#, Processing, "no item '00'"),
        (r#"[{"op":"remove","path":"/foo/-"}]"#, Processing, "no item '-'"),
        (r#"[{"op":"remove","path":""}]"#, Processing, "cannot be removed"),
        (r#"[{"op":"move","from":"/foo","path":"/foo/0"}]"#, Processing, "into itself"),
        (
            r#"[{"op":"add","path":"/baz/x","value":1}]"#,
            Processing,
            "neither an object nor an array",
        ),
        (r#"[{"op":"add","path":"/x"}]"#, Structure, "value is missing"),
        (r#"[{"op":"add","path":"x","value":1}]"#, Structure, "must be a JSON pointer"),
        (r#"[{"op":"add","path":"/~2","value":1}]"#, Structure, "must be a JSON pointer"),
        (r#"[{"op":"merge","path":"/x"}]"#, Structure, "op must be add"),
        (r#"[{"path":"/x"}]"#, Structure, "op must be a string"),
        (r#"[{"op":"copy","path":"/x"}]"#, Structure, "from must be a string"),
        (r#"["x"]"#, Structure, "must be an object"),
        (r#"{"op":"add"}"#, Structure, "must be an array of operations"),
    ] {
        let issue = patched(resource, patch).expect_err(patch);
        assert_eq!(issue.code, code, "{patch}");
        assert!(issue.text.contains(says), "{patch}: {}", issue.text);
    }
}

#[test]
fn numbers_are_compared_as_numbers() {
    let test = |value: &str| {
        patched(r#"{"n":1.50}"#, &format!(r#"[{{"op":"test","path":"/n","value":{value}}}]"#))
    };
    for value in ["1.50", "1.5", "15e-1", "0.15E+1"] {
        assert!(test(value).is_ok(), "{value}");
    }
    for value in ["1.51", "-1.5", "15", "\"1.5\""] {
        assert!(test(value).is_err(), "{value}");
    }
    assert_eq!(decimal("-0.0"), decimal("0e5"));
    assert_ne!(decimal("1e99999999999999999999"), decimal("1e-99999999999999999999"));
}

#[test]
fn limits_hold_at_the_limit_and_not_above() {
    let many =
        |n: usize| format!("[{}]", vec![r#"{"op":"test","path":"/a","value":1}"#; n].join(","));
    assert!(patched(r#"{"a":1}"#, &many(OPERATIONS_MAX)).is_ok());
    let issue = patched(r#"{"a":1}"#, &many(OPERATIONS_MAX + 1)).expect_err("too many");
    assert_eq!(issue.code, IssueType::TooCostly);

    let value = format!("[{}]", vec!["1"; VALUES_MAX - 1].join(","));
    let add = |value: &str| format!(r#"[{{"op":"add","path":"/b","value":{value}}}]"#);
    assert!(patched("{}", &add(&value)).is_ok());
    let issue = patched("{}", &add(&format!("[{value}]"))).expect_err("too large");
    assert_eq!(issue.code, IssueType::TooCostly);

    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let nested =
        |n: usize| format!(r#"[{{"op":"copy","from":"/a","path":"/a/{}-"}}]"#, "0/".repeat(n));
    let resource = format!(r#"{{"a":{}}}"#, deep(DEPTH_MAX / 2));
    assert!(patched(&resource, &nested(DEPTH_MAX / 2 - 2)).is_ok());
    let issue = patched(&resource, &nested(DEPTH_MAX / 2 - 1)).expect_err("too deep");
    assert_eq!(issue.code, IssueType::TooCostly);
}

#[test]
fn doubling_comes_to_an_end() {
    let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
    let patch = format!("[{}]", vec![double; 100].join(","));
    let issue = patched(r#"{"a":[1]}"#, &patch).expect_err("too costly");
    assert_eq!(issue.code, IssueType::TooCostly);
}
