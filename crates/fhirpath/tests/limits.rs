//! Expressions that would run for ever, or grow without bound, end with an error.

use fhir::json::Doc;
use fhirpath::{Env, ErrorKind, Expr};

fn run(text: &str, steps_max: u64) -> Result<usize, ErrorKind> {
    let doc = Doc::parse(r#"{"resourceType":"Patient"}"#).expect("JSON");
    let expr = Expr::compile(text, None).map_err(|e| e.kind)?;
    let mut env = Env::new(0);
    env.steps_max = steps_max;
    expr.eval(doc.root(), &env).map(|items| items.len()).map_err(|e| e.kind)
}

#[test]
fn steps() {
    assert_eq!(run("1 + 1", 3), Ok(1));
    assert_eq!(run("1 + 1", 2), Err(ErrorKind::Execution));
}

#[test]
fn endless_repeat() {
    assert_eq!(run("1.repeat($this + 1)", 100_000), Err(ErrorKind::Execution));
    // Each level runs the one below it twice.
    let nested = format!("{}1{}", "1.repeat(".repeat(60), ")".repeat(60));
    assert_eq!(run(&nested, 100_000), Err(ErrorKind::Execution));
}

#[test]
fn doubling_collections_and_strings() {
    let twenty = "1.combine(1)".to_owned() + &".select($this | 2).combine($this)".repeat(10);
    assert!(run(&twenty, 1_000_000).is_ok());
    let combine = "(1|2)".to_owned() + &".select((1|2|3|4|5|6|7|8))".repeat(20);
    assert_eq!(run(&combine, 1_000_000), Err(ErrorKind::Execution));
    let grow = "'x'".to_owned() + &".replace('x', 'xxxxxxxxxxxxxxxx')".repeat(20);
    assert_eq!(run(&grow, 1_000_000), Err(ErrorKind::Execution));
    let grow = "'x'".to_owned() + &".replaceMatches('x', 'xxxxxxxxxxxxxxxx')".repeat(20);
    assert_eq!(run(&grow, 1_000_000), Err(ErrorKind::Execution));
    let sum = "'xxxxxxxxxxxxxxxx'".to_owned() + &".select($this + $this)".repeat(30);
    assert_eq!(run(&sum, 1_000_000), Err(ErrorKind::Execution));
}

#[test]
fn regular_expressions_are_linear_and_bounded() {
    let slow = format!("'{}!'.matches('^(a+)+$')", "a".repeat(10_000));
    assert_eq!(run(&slow, 1_000_000), Ok(1));
    assert!(run("'a'.matches('((a{100}){100}){100}')", 1_000_000).is_err());
}

#[test]
fn regular_expressions_are_counted() {
    let many = |n: u32| vec!["'a'.matches('a')"; n as usize].join(" and ");
    assert_eq!(run(&many(fhirpath::limits::REGEXES_MAX), 10_000), Ok(1));
    assert_eq!(run(&many(fhirpath::limits::REGEXES_MAX + 1), 10_000), Err(ErrorKind::Semantic));
}

/// The deepest expressions are parsed, compiled, printed, evaluated and dropped on a thread with
/// half the usual stack.
#[test]
fn the_deepest_expression_fits_the_stack() {
    const STACK_BYTES: usize = 1024 * 1024;
    let depth = fhirpath::limits::EXPRESSION_DEPTH_MAX as usize - 4;
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let texts = [
        nested("iif(true, ", "1", ")"),
        nested("1.select(", "$this", ")"),
        nested("1.where(", "true", ")"),
        // Each level is a parenthesis and an operand.
        format!("{}1{}", "(1 + ".repeat(depth / 2), ")".repeat(depth / 2)),
        nested("-", "1", ""),
        nested("1.aggregate(", "1", ")"),
        nested("id.trace('x', ", "1", ")"),
        nested("(1).sort(", "1", ")"),
        format!("1{}", " + 1".repeat(depth)),
        format!("id{}", ".first()".repeat(depth)),
        format!("id{}", "[0]".repeat(depth)),
    ];
    for text in texts {
        let shown = text[..24.min(text.len())].to_owned();
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let printed = fhirpath::parse(&text).expect("within the limit").to_string();
            assert!(!printed.is_empty());
            run(&text, 1_000_000)
        });
        let result = thread.expect("a thread").join().expect("no panic");
        assert!(result.is_ok(), "{shown}: {result:?}");
    }
}
