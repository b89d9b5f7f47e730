//! What expressions of the language give, section by section of FHIRPath N1.

use fhir::json::Doc;
use fhirpath::{Env, ErrorKind, Expr, Options};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p1","active":true,
    "name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},
        {"use":"usual","given":["Jim"]},
        {"use":"maiden","family":"Windsor","given":["Peter"],"_given":[{"extension":[{"url":"u","valueCode":"x"}]}]}],
    "_birthDate":{"extension":[{"url":"http://example.org/t","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
    "birthDate":"1974-12-25","multipleBirthInteger":2,
    "contained":[{"resourceType":"Organization","id":"o","name":"Org"}],
    "managingOrganization":{"reference":"#o"},
    "contact":[{"modifierExtension":[{"url":"m","valueBoolean":true}],"relationship":[{"text":"r"}]}],
    "extension":[{"url":"w","valueQuantity":{"value":70.50,"unit":"kilo","system":"http://unitsofmeasure.org","code":"kg"}}]}"##;
/// 2026-01-02T03:04:05.678Z.
const NOW_MS: i64 = 1_767_323_045_678;

/// The items as text, separated by commas; an error by its kind.
fn run(text: &str) -> String {
    let doc = Doc::parse(PATIENT).expect("JSON");
    let context = fhir_tables::TypeId::by_name("Patient");
    let kind = |e: fhirpath::Error| match e.kind {
        ErrorKind::Syntax => "!syntax".to_owned(),
        ErrorKind::Semantic => "!semantic".to_owned(),
        ErrorKind::Execution => "!execution".to_owned(),
    };
    let expr = match Expr::compile_with(text, context, Options { strict: true }) {
        Ok(expr) => expr,
        Err(error) => return kind(error),
    };
    match expr.eval(doc.root(), &Env::new(NOW_MS)) {
        Ok(items) => {
            let shown: Vec<_> = items.iter().map(|item| item.to_text().into_owned()).collect();
            shown.join(",")
        }
        Err(error) => kind(error),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, wanted)| {
            let found = run(text);
            (found != *wanted).then(|| format!("{text}\n    gives {found}\n    not   {wanted}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn paths() {
    check(&[
        ("name.given", "Peter,James,Jim,Peter"),
        ("Patient.name.family", "Chalmers,Windsor"),
        ("Resource.id", "p1"),
        ("DomainResource.id", "p1"),
        ("Observation.id", "!semantic"),
        ("name.nothing", "!semantic"),
        ("name.given.nothing", "!semantic"),
        ("active.nothing", "!semantic"),
        ("'x'.nothing", "!semantic"),
        ("multipleBirth", "2"),
        ("multipleBirthInteger", "!semantic"),
        ("multipleBirth.nothing", "!semantic"),
        ("multipleBirth + 1", "3"),
        ("contained.name", "Org"),
        ("contained.nothing", ""),
        ("name[1].given", "Jim"),
        ("name[9].given", ""),
        ("name[-1].given", ""),
        ("name['x']", "!semantic"),
        ("name[{}]", ""),
        ("name.given[0 + 1]", "James"),
        ("birthDate.extension.value", "1974-12-25T14:35:45-05:00"),
        ("birthDate.extension('http://example.org/t').exists()", "true"),
        ("birthDate.value is System.Date", "true"),
        ("name.given.extension.value", "x"),
        ("name.select(given.first())", "Peter,Jim,Peter"),
        ("name.where(use = 'usual').given", "Jim"),
        ("name.given.where($index = 1)", "James"),
        ("%context.id", "p1"),
        ("%resource.id", "p1"),
        ("%rootResource.id", "p1"),
        ("%nothing", "!execution"),
        ("nothing()", "!semantic"),
        ("first(1)", "!semantic"),
        ("skip()", "!semantic"),
        ("managingOrganization.resolve().name", "Org"),
        ("managingOrganization.resolve() is Organization", "true"),
        ("managingOrganization.resolve() is Patient", "false"),
    ]);
}

#[test]
fn three_valued_logic() {
    let values = ["true", "false", "{}"];
    let table = |op: &str, wanted: [&str; 9]| {
        let mut i = 0;
        for a in values {
            for b in values {
                assert_eq!(run(&format!("{a} {op} {b}")), wanted[i], "{a} {op} {b}");
                i += 1;
            }
        }
    };
    table("and", ["true", "false", "", "false", "false", "false", "", "false", ""]);
    table("or", ["true", "true", "true", "true", "false", "", "true", "", ""]);
    table("xor", ["false", "true", "", "true", "false", "", "", "", ""]);
    table("implies", ["true", "false", "", "true", "true", "true", "true", "", ""]);
    check(&[
        ("true.not()", "false"),
        ("{}.not()", ""),
        ("active and 'x'", "true"),
        ("name and true", "!execution"),
        ("name.given and true", "!execution"),
    ]);
}

#[test]
fn equality_and_equivalence() {
    check(&[
        ("1 = 1.0", "true"),
        ("1 = '1'", "false"),
        ("'a' ~ ' A '", "false"),
        ("'a	b' ~ 'A b'", "true"),
        ("(1|2) = (2|1)", "false"),
        ("(1|2) ~ (2|1)", "true"),
        ("1.combine(1) ~ 1.combine(2)", "false"),
        ("{} = 1", ""),
        ("{} ~ {}", "true"),
        ("{} !~ 1", "true"),
        ("1.67 ~ 1.7", "true"),
        ("1.64 ~ 1.7", "false"),
        ("@2018 = @2018-01", ""),
        ("@2018 = @2019-01", "false"),
        ("@2018 ~ @2018-01", "false"),
        ("@2018-01-01T10:00:00Z = @2018-01-01T11:00:00+01:00", "true"),
        ("@T10:00 = @T10:00:00", ""),
        ("@T10:00:00.000 = @T10:00:00", "true"),
        ("birthDate = @1974-12-25", "true"),
        ("birthDate = @T12:00", "false"),
        ("name.first() = name.last()", "false"),
        ("name.first() = name.first()", "true"),
        ("1 year = 12 months", "true"),
        ("1 year = 1 'a'", ""),
        ("1 year ~ 1 'a'", "true"),
        ("1 'm' = 100 'cm'", "true"),
        ("1 'm' = 1 's'", ""),
        ("1 'm' != 1 's'", ""),
        ("1 'm' ~ 1 's'", "false"),
        ("1 '1' = 1", "true"),
        ("extension.value = 70500 'g'", "true"),
        ("extension.value > 70 'kg'", "true"),
        ("2 in (1 | 2)", "true"),
        ("{} in (1 | 2)", ""),
        ("2 in {}", "false"),
        ("(1 | 2) in (1 | 2)", "!execution"),
        ("(1 | 2) contains 2", "true"),
        ("{} contains 2", "false"),
        ("(1 | 2) contains {}", ""),
    ]);
}

#[test]
fn order() {
    check(&[
        ("1 < 2.0", "true"),
        ("'a' < 'b'", "true"),
        ("'a' < 1", "!execution"),
        ("true < false", "!execution"),
        ("(1|2) < 3", "!execution"),
        ("{} < 3", ""),
        ("@2018 < @2019-01-01", "true"),
        ("@2018 < @2018-05", ""),
        ("@T10 < @T11:30", "true"),
        ("@T10 < @T10:30", ""),
        ("1 'g' < 1 'kg'", "true"),
        ("1 'g' < 1 'm'", ""),
        ("name.given.sort()", "James,Jim,Peter,Peter"),
        ("name.given.sort(-$this).first()", "Peter"),
        ("name.sort(family desc).family", "Windsor,Chalmers"),
        ("name.sort(family, given.first()).use", "usual,official,maiden"),
        ("(1 | 'a').sort()", "!execution"),
    ]);
}

#[test]
fn arithmetic() {
    check(&[
        ("1 + 2 * 3 - 4", "3"),
        ("7 / 2", "3.5"),
        ("7 div 2", "3"),
        ("-7 div 2", "-3"),
        ("7 mod 2", "1"),
        ("-5.5 mod 2", "-1.5"),
        ("1 / 0", ""),
        ("1 div 0", ""),
        ("1 mod 0", ""),
        ("1 / 3", "0.3333333333333333"),
        ("9223372036854775807 + 1", ""),
        ("-(3)", "-3"),
        ("-'a'", "!execution"),
        ("'a' + 'b'", "ab"),
        ("'a' + {}", ""),
        ("'a' & {}", "a"),
        ("'a' + 1", "!semantic"),
        ("1 + true", "!semantic"),
        ("name + 1", "!semantic"),
        ("2 'm' * 3 'm' = 6 'm2'", "true"),
        ("6 'm' / 3", "2 'm'"),
        ("3 'm' + 3 'cm'", "303 'cm'"),
        ("3 'cm' - 3 'm'", "-297 'cm'"),
        ("3 'm' + 3 's'", ""),
        ("1 + {}", ""),
        ("@2016-02-29 + 1 year", "2017-02-28"),
        ("@2018-01-31 + 1 month", "2018-02-28"),
        ("@2018-03-01 - 1 day", "2018-02-28"),
        ("@2018-03 + 40 days", "2018-04"),
        ("@2018 + 13 months", "2019"),
        ("@2018-03-01T10:00 + 90 seconds", "2018-03-01T10:01"),
        ("@2018-03-01T23:59:59.500Z + 500 milliseconds", "2018-03-02T00:00:00.000Z"),
        ("@2018-03-01 + 1 'mo'", "!execution"),
        ("@2018-03-01 + 1 'd'", "2018-03-02"),
        ("@T23:00 + 2 hours", "01:00"),
        ("@T23:00 + 1 month", "!execution"),
        ("@T23:00 + 1 day", "!execution"),
        ("@2018-03-01 + 1", "!semantic"),
        ("@9999-12-31 + 1 day", ""),
        ("today()", "2026-01-02"),
        ("now()", "2026-01-02T03:04:05.678Z"),
        ("timeOfDay()", "03:04:05.678"),
        ("today() - 1 week", "2025-12-26"),
    ]);
}

#[test]
fn existence() {
    check(&[
        ("name.exists(use = 'usual')", "true"),
        ("name.exists(use = 'x')", "false"),
        ("{}.exists()", "false"),
        ("name.all(given.exists())", "true"),
        ("{}.all(false)", "true"),
        ("{}.allTrue()", "true"),
        ("(true | false).anyTrue()", "true"),
        ("(true | false).allFalse()", "false"),
        ("(true | false).anyFalse()", "true"),
        ("(1 | 2).allTrue()", "!execution"),
        ("(1 | 2).subsetOf(1 | 2 | 3)", "true"),
        ("(1 | 2).supersetOf(1 | 2 | 3)", "false"),
        ("{}.subsetOf(1)", "true"),
        ("name.given.distinct()", "Peter,James,Jim"),
        ("name.given.isDistinct()", "false"),
        ("name.given.count()", "4"),
        ("iif(name.exists(), 'y', 'n')", "y"),
        ("iif({}, 'y')", ""),
        ("iif(1, 'y')", "!semantic"),
        ("iif('x', 1, 2)", "!semantic"),
        ("name.first().iif(use = 'official', 1, 2)", "1"),
    ]);
}

#[test]
fn subsetting_and_combining() {
    check(&[
        ("name.given.first()", "Peter"),
        ("name.given.last()", "Peter"),
        ("name.given.tail()", "James,Jim,Peter"),
        ("name.given.skip(2)", "Jim,Peter"),
        ("name.given.skip(-1).count()", "4"),
        ("name.given.take(2)", "Peter,James"),
        ("name.given.take(0)", ""),
        ("name.given.take(-1)", ""),
        ("name.given.take({})", ""),
        ("name.given.single()", "!execution"),
        ("name[0].family.single()", "Chalmers"),
        ("{}.single()", ""),
        ("(1|2|3).intersect(2|3|4)", "2,3"),
        ("(1|2|3).exclude(2)", "1,3"),
        ("name.given.exclude('Peter')", "James,Jim"),
        ("1.combine(1)", "1,1"),
        ("1.union(1)", "1"),
        ("1 | {} | 2", "1,2"),
        ("coalesce({}, name.family, 'x')", "Chalmers,Windsor"),
        ("(1|2|3).aggregate($this + $total, 0)", "6"),
        ("(1|2|3).aggregate(iif($total.empty(), $this, $this * $total))", "6"),
        ("(1|2|3).sum()", "6"),
        ("(1|2|3).avg()", "2"),
        ("(3|1|2).min()", "1"),
        ("(3|1|2).max()", "3"),
        ("{}.sum()", ""),
        ("name.repeat(given)", "Peter,James,Jim"),
        ("descendants().count() > children().count()", "true"),
        ("name.children().count()", "9"),
        ("name.trace('x').count()", "3"),
        ("name.ofType(HumanName).count()", "3"),
        ("children().ofType(Organization).name", "Org"),
        ("children().skip(1)", "!semantic"),
        ("children().where(true).first()", "!semantic"),
        ("descendants().given[0]", "!semantic"),
        ("children().ofType(HumanName).given.sort().first()", "James"),
        ("children().count()", "11"),
    ]);
}

#[test]
fn conversion() {
    check(&[
        ("'1'.toInteger()", "1"),
        ("'+1'.toInteger()", "1"),
        ("'1.0'.toInteger()", ""),
        ("true.toInteger()", "1"),
        ("'1.50'.toDecimal()", "1.50"),
        ("'x'.convertsToDecimal()", "false"),
        ("1.0.toString()", "1.0"),
        ("true.toString()", "true"),
        ("@2018-01.toString()", "2018-01"),
        ("@T10:30.toString()", "10:30"),
        ("(4 days).toString()", "4 days"),
        ("(4 'mg').toString()", "4 'mg'"),
        ("'T'.toBoolean()", "true"),
        ("'no'.toBoolean()", "false"),
        ("2.toBoolean()", ""),
        ("1.0.toBoolean()", "true"),
        ("'2018-01-02T10:00:00Z'.toDate()", ""),
        ("@2018-01-02T10:00:00Z.toDate()", "2018-01-02"),
        ("'2018-13'.convertsToDate()", "false"),
        ("@2018-01.toDateTime()", "2018-01"),
        ("'2018-01-02T10:00'.toDateTime()", "2018-01-02T10:00"),
        ("'10:30'.toTime()", "10:30"),
        ("'25:30'.convertsToTime()", "false"),
        ("'4 days'.toQuantity()", "4 days"),
        ("'4 \\'mg\\''.toQuantity()", "4 'mg'"),
        ("'4 mg'.convertsToQuantity()", "false"),
        ("(1000 'mg').toQuantity('g')", "1 'g'"),
        ("(1000 'mg').convertsToQuantity('m')", "false"),
        ("name.toString()", "!execution"),
        ("name.first().convertsToString()", "false"),
        ("{}.toInteger()", ""),
    ]);
}

#[test]
fn text() {
    check(&[
        ("'äbc'.length()", "3"),
        ("'äbc'.indexOf('c')", "2"),
        ("'abcb'.lastIndexOf('b')", "3"),
        ("'abc'.indexOf('')", "0"),
        ("'abc'.indexOf('x')", "-1"),
        ("'abc'.substring(1)", "bc"),
        ("'abc'.substring(1, 1)", "b"),
        ("'abc'.substring(3)", ""),
        ("'abc'.substring(1, 0)", ""),
        ("'abc'.substring(1, 9)", "bc"),
        ("'abc'.substring({})", ""),
        ("'abc'.startsWith('')", "true"),
        ("'abc'.contains('b')", "true"),
        ("'ß'.upper()", "SS"),
        ("'abab'.replace('b', 'x')", "axax"),
        ("'ab'.replace('', 'x')", "xaxbx"),
        ("'abc'.replaceMatches('(b)(c)', '$2$1')", "acb"),
        ("'abc'.matches('b')", "true"),
        ("'abc'.matchesFull('b')", "false"),
        ("'ABC'.matches('b', 'i')", "true"),
        ("'a\nb'.matches('a.b')", "true"),
        ("'abc'.matches('(')", "!execution"),
        ("'a,b,,c'.split(',').count()", "4"),
        ("('a' | 'b').join('-')", "a-b"),
        ("('a' | 'b').join()", "ab"),
        ("'abc'.toChars()", "a,b,c"),
        ("' a '.trim() + '.'", "a."),
        ("'a'.encode('hex')", "61"),
        ("'YQ=='.decode('base64')", "a"),
        ("'<'.escape('html')", "&lt;"),
        (r#"'\"1<2\"'.unescape('json')"#, r#""1<2""#),
        ("{}.iif(true, 1, 2)", "1"),
        ("('context').iif(true, select($this), 2)", "context"),
        ("1.length()", "!semantic"),
        ("name.upper()", "!semantic"),
        ("name.given.upper()", "!execution"),
        ("name.family.first().upper()", "CHALMERS"),
    ]);
}

#[test]
fn math() {
    check(&[
        ("(-3).abs()", "3"),
        ("(-3.5 'mg').abs()", "3.5 'mg'"),
        ("1.1.ceiling()", "2"),
        ("(-1.1).floor()", "-2"),
        ("(-1.9).truncate()", "-1"),
        ("0.exp()", "1"),
        ("1.ln()", "0"),
        ("0.ln()", ""),
        ("16.log(2)", "4"),
        ("100.0.log(10)", "2"),
        ("2.power(10)", "1024"),
        ("2.power(-1)", "0.5"),
        ("2.5.power(2)", "6.25"),
        ("(-1).power(0.5)", ""),
        ("3.14159.round(3)", "3.142"),
        ("3.5.round()", "4"),
        ("1.round(-1)", "!execution"),
        ("81.sqrt()", "9"),
        ("(-1).sqrt()", ""),
        ("'a'.abs()", "!semantic"),
        ("{}.abs()", ""),
    ]);
}

#[test]
fn types() {
    check(&[
        ("1 is Integer", "true"),
        ("1 is System.Integer", "true"),
        ("1 is Decimal", "false"),
        ("active is boolean", "true"),
        ("active is Boolean", "false"),
        ("name is HumanName", "!execution"),
        ("name.first() is HumanName", "true"),
        ("name.first() is Element", "true"),
        ("Patient is DomainResource", "true"),
        ("Patient is Resource", "true"),
        ("Patient is FHIR.Patient", "true"),
        ("Patient is System.Patient", "false"),
        ("Patient is Nothing", "!semantic"),
        ("{} is Integer", ""),
        ("(name.first().use as code)", "official"),
        ("name.use.as(code)", "!execution"),
        ("name.use.ofType(code)", "official,usual,maiden"),
        ("name.use.ofType(string)", ""),
        ("name.first().use is string", "true"),
        ("multipleBirth is integer", "true"),
        ("multipleBirth as boolean", ""),
        ("(1 'mg') is Quantity", "true"),
        ("extension.value is Quantity", "true"),
        ("1.type().name", "Integer"),
        ("1.type().namespace", "System"),
        ("active.type().name", "boolean"),
        ("name.first().type().namespace", "FHIR"),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "true"),
        ("conformsTo('http://example.org/x')", "!execution"),
        ("name.given.hasValue()", "true,true,true,true"),
        ("birthDate.getValue() is Date", "true"),
        ("contact.checkModifiers('m').relationship.text", "r"),
        ("contact.checkModifiers('x', 'm').count()", "1"),
        ("contact.checkModifiers('x')", "!execution"),
        ("contact.checkModifiers()", "!execution"),
    ]);
}

#[test]
fn boundaries() {
    check(&[
        ("1.587.lowBoundary()", "1.58650000"),
        ("1.587.highBoundary()", "1.58750000"),
        ("1.587.lowBoundary(2)", "1.58"),
        ("(-1.587).highBoundary(2)", "-1.58"),
        ("1.587.lowBoundary(29)", ""),
        ("@2014.lowBoundary()", "2014-01-01"),
        ("@2014-02.highBoundary()", "2014-02-28"),
        ("@2014.highBoundary(6)", "2014-12"),
        ("@2014-01-01T08:05.lowBoundary(17)", "2014-01-01T08:05:00.000+14:00"),
        ("@2014-01-01T08:05+08:00.highBoundary(17)", "2014-01-01T08:05:59.999+08:00"),
        ("@2014-01-01T.highBoundary()", "2014-01-01T23:59:59.999-12:00"),
        ("@T10:30.highBoundary()", "10:30:59.999"),
        ("(1.5 'mg').lowBoundary()", "1.45000000 'mg'"),
        ("'x'.lowBoundary()", "!execution"),
        ("{}.lowBoundary()", ""),
        ("1.58700.precision()", "5"),
        ("@2014-01-05T10:30:00.000.precision()", "17"),
        ("@T10:30.precision()", "4"),
        ("(1 'cm').comparable(1 'm')", "true"),
        ("(1 'cm').comparable(1 's')", "false"),
    ]);
}
