//! Laws for any input: no text panics, printing is undone by parsing, evaluation ends.

use fhir::json::{Doc, Value};
use fhir_tables::TypeId;
use fhirpath::{
    Ast, AstKind, BinaryOp, Date, DateTime, Env, Expr, Literal, Options, Time, TypeName, Unit,
    parse, patch,
};
use proptest::prelude::*;

fn ast(kind: AstKind) -> Ast {
    Ast { kind, position: 0 }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "name",
            "given",
            "family",
            "value",
            "extension",
            "contact",
            "telecom",
            "birthDate",
            "is",
            "contains",
            "in",
            "and",
            "div",
            "day",
            "true",
            "Patient",
            "id",
            "multipleBirth",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z_][a-zA-Z0-9_]{0,6}",
        "[ -~éß\n]{1,5}",
    ]
}

const FUNCTIONS: [&str; 40] = [
    "where",
    "select",
    "repeat",
    "exists",
    "all",
    "first",
    "last",
    "tail",
    "skip",
    "take",
    "union",
    "combine",
    "distinct",
    "children",
    "descendants",
    "toString",
    "length",
    "substring",
    "replace",
    "matches",
    "replaceMatches",
    "split",
    "join",
    "abs",
    "power",
    "round",
    "iif",
    "aggregate",
    "sort",
    "lowBoundary",
    "highBoundary",
    "toQuantity",
    "not",
    "count",
    "ofType",
    "extension",
    "trace",
    "toDateTime",
    "encode",
    "upper",
];

fn literal() -> impl Strategy<Value = Literal> {
    let number = "[0-9]{1,6}(\\.[0-9]{1,6})?";
    let dates = ["2015", "2015-02", "2015-02-04"];
    let date_times = [
        "2015",
        "2015-02-04T14",
        "2015-02-04T14:34:28.123+10:00",
        "2015-02-04T14:34Z",
        "9999-12-31",
    ];
    let times = ["10", "10:30", "23:59:59.999"];
    prop_oneof![
        Just(Literal::Empty),
        any::<bool>().prop_map(Literal::Boolean),
        "\\PC{0,6}".prop_map(Literal::String),
        any::<String>().prop_map(Literal::String),
        number.prop_map(Literal::Number),
        (number, "[a-zA-Z\\[\\]./0-9'*{}]{1,6}")
            .prop_map(|(n, unit)| Literal::Quantity(n, Unit::Ucum(unit))),
        (number, proptest::sample::select(vec!["day", "days", "month", "years", "millisecond"]))
            .prop_map(|(n, unit)| Literal::Quantity(n, Unit::Calendar(unit.to_owned()))),
        proptest::sample::select(dates.to_vec())
            .prop_map(|t| Literal::Date(Date::parse(t).expect("a date"))),
        proptest::sample::select(date_times.to_vec())
            .prop_map(|t| Literal::DateTime(DateTime::parse(t).expect("a date and time"))),
        proptest::sample::select(times.to_vec())
            .prop_map(|t| Literal::Time(Time::parse(t).expect("a time"))),
    ]
}

fn operator() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp as B;
    proptest::sample::select(vec![
        B::Multiply,
        B::Divide,
        B::Div,
        B::Mod,
        B::Add,
        B::Subtract,
        B::Concatenate,
        B::Union,
        B::LessOrEqual,
        B::Less,
        B::Greater,
        B::GreaterOrEqual,
        B::Equal,
        B::Equivalent,
        B::NotEqual,
        B::NotEquivalent,
        B::In,
        B::Contains,
        B::And,
        B::Or,
        B::Xor,
        B::Implies,
    ])
}

fn type_name() -> impl Strategy<Value = TypeName> {
    let names = vec!["Patient", "string", "String", "Quantity", "HumanName", "nothing"];
    (
        proptest::option::of(proptest::sample::select(vec!["FHIR", "System"])),
        proptest::sample::select(names),
    )
        .prop_map(|(namespace, name)| TypeName {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
}

fn tree() -> impl Strategy<Value = Ast> {
    let leaf = prop_oneof![
        literal().prop_map(|l| ast(AstKind::Literal(l))),
        Just(ast(AstKind::This)),
        Just(ast(AstKind::Index)),
        Just(ast(AstKind::Total)),
        name().prop_map(|n| ast(AstKind::External(n))),
        name().prop_map(|n| ast(AstKind::Member(None, n))),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let function = prop_oneof![
            proptest::sample::select(FUNCTIONS.to_vec()).prop_map(str::to_owned),
            name(),
        ];
        prop_oneof![
            (boxed.clone(), name()).prop_map(|(t, n)| ast(AstKind::Member(Some(t), n))),
            (
                proptest::option::of(boxed.clone()),
                function,
                proptest::collection::vec(inner.clone(), 0..3)
            )
                .prop_map(|(t, n, args)| ast(AstKind::Call(t, n, args))),
            (boxed.clone(), boxed.clone()).prop_map(|(t, i)| ast(AstKind::Indexer(t, i))),
            (any::<bool>(), boxed.clone()).prop_map(|(s, o)| ast(AstKind::Sign(s, o))),
            (operator(), boxed.clone(), boxed.clone())
                .prop_map(|(op, l, r)| ast(AstKind::Binary(op, l, r))),
            (any::<bool>(), boxed, type_name()).prop_map(|(c, o, n)| ast(AstKind::Type(c, o, n))),
        ]
    })
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","birthDate":"1974-12-25",
    "_birthDate":{"extension":[{"url":"u","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
    "name":[{"use":"official","family":"C","given":["P","J"],"_given":[null,{"id":"x"}]},{"given":["I"]}],
    "multipleBirthInteger":2,"contact":[{"name":{"text":"t"}}],
    "extension":[{"url":"q","valueQuantity":{"value":1.5,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}]}"#;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_of_tokens_panics(text in "[-a-z@$%'`\\[\\](){}.,0-9:TZ<>=!~|&+*/ \\\\]{0,40}") {
        if let Ok(tree) = parse(&text) {
            prop_assert_eq!(parse(&tree.to_string()).expect("printed"), tree);
        }
    }

    #[test]
    fn parsing_undoes_printing(tree in tree()) {
        let text = tree.to_string();
        let again = parse(&text);
        prop_assert_eq!(again.as_ref(), Ok(&tree), "{}", text);
    }

    #[test]
    fn evaluation_ends_without_panic(tree in tree(), strict in any::<bool>(), typed in any::<bool>()) {
        let doc = Doc::parse(PATIENT).expect("JSON");
        let context = TypeId::by_name("Patient").filter(|_| typed);
        if let Ok(expr) = Expr::compile_with(&tree.to_string(), context, Options { strict }) {
            let mut env = Env::new(0);
            env.steps_max = 20_000;
            let _ = expr.eval(doc.root(), &env);
        }
    }

    #[test]
    fn a_type_known_before_changes_no_result(tree in tree()) {
        let doc = Doc::parse(PATIENT).expect("JSON");
        let text = tree.to_string();
        let options = Options { strict: false };
        let typed = Expr::compile_with(&text, TypeId::by_name("Patient"), options);
        let untyped = Expr::compile_with(&text, None, options);
        if let (Ok(typed), Ok(untyped)) = (typed, untyped) {
            let mut env = Env::new(0);
            env.steps_max = 20_000;
            let a = format!("{:?}", typed.eval(doc.root(), &env));
            let b = format!("{:?}", untyped.eval(doc.root(), &env));
            prop_assert_eq!(a, b, "{}", text);
        }
    }

    #[test]
    fn no_patch_panics(
        kind in "add|insert|delete|replace|move",
        tree in tree(),
        index in 0_i32..4,
        member in name(),
    ) {
        let path = Value::String(tree.to_string()).to_json();
        let member = Value::String(member).to_json();
        let text = format!(
            r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[
                {{"name":"type","valueCode":"{kind}"}},{{"name":"path","valueString":{path}}},
                {{"name":"name","valueString":{member}}},{{"name":"index","valueInteger":{index}}},
                {{"name":"source","valueInteger":{index}}},{{"name":"destination","valueInteger":1}},
                {{"name":"value","valueString":"x","_valueString":{{"id":"y"}}}}]}}]}}"#
        );
        let parameters = Doc::parse(text).expect("JSON");
        let mut value = Value::parse(PATIENT).expect("JSON");
        if patch::apply(&mut value, parameters.root()).is_ok() {
            prop_assert!(Doc::parse(value.to_json()).is_ok());
        }
    }
}
