//! The functional tests of UCUM.

use case_kit::suites;

/// Attributes of every `<case …>` of a file that has `name`.
fn cases(file: &str, name: &str) -> Vec<Vec<(String, String)>> {
    let mut out = Vec::new();
    for part in file.split("<case ").skip(1) {
        let tag = part.split("/>").next().unwrap_or_default();
        let mut attributes = Vec::new();
        let mut rest = tag;
        while let Some((key, tail)) = rest.split_once("=\"") {
            let Some((value, tail)) = tail.split_once('"') else { break };
            let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            attributes.push((key.trim().to_owned(), value));
            rest = tail;
        }
        if attributes.iter().any(|(key, _)| key == name) {
            out.push(attributes);
        }
    }
    out
}

fn value<'c>(case: &'c [(String, String)], name: &str) -> &'c str {
    case.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

const FILES: [&str; 2] = ["UcumFunctionalTests-give.xml", "UcumFunctionalTests.2-give.xml"];

/// Cases whose expectation is not what UCUM says, with the reason.
const WRONG: &[(&str, &str, &str)] = &[(
    FILES[1],
    "3-111",
    "s/m/mg is read from left to right (UCUM §7): 6.3 s/m/mg = 6300 s/m/g, as the first file has it",
)];

fn read(file: &str) -> Option<String> {
    let folder = suites::folder_for_test("ucum")?;
    Some(std::fs::read_to_string(folder.join("ucum").join(file)).expect(file))
}

#[test]
fn validity() {
    let mut failed = Vec::new();
    let mut n = 0;
    for file in FILES {
        let Some(text) = read(file) else { return };
        for case in cases(&text, "valid") {
            let (unit, want) = (value(&case, "unit"), value(&case, "valid") == "true");
            let got = ucum::Unit::parse(unit);
            n += 1;
            if got.is_ok() != want {
                failed.push(format!("{file} {} '{unit}': {got:?}", value(&case, "id")));
            }
        }
    }
    assert!(n > 600, "{n} cases");
    assert!(failed.is_empty(), "{} of {n}:\n{}", failed.len(), failed.join("\n"));
}

/// Expected numbers have the precision of the source; half a unit of their last digit is right.
fn is_close(got: f64, want: &str) -> bool {
    let number: f64 = want.parse().expect("a number");
    let mantissa = want.split(['e', 'E']).next().unwrap_or(want);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let n_digits = digits.trim_start_matches('0').len().clamp(1, 12) as i32;
    let magnitude = number.abs().log10().floor() as i32;
    (got - number).abs() <= 0.51 * 10f64.powi(magnitude + 1 - n_digits)
}

#[test]
fn conversion_and_division() {
    let mut failed = Vec::new();
    let mut n = 0;
    for file in FILES {
        let Some(text) = read(file) else { return };
        for case in cases(&text, "srcUnit") {
            let id = value(&case, "id");
            if WRONG.iter().any(|(wrong, wrong_id, _)| (*wrong, *wrong_id) == (file, id)) {
                continue;
            }
            let number: f64 = value(&case, "value").parse().expect("a number");
            let got = ucum::convert(number, value(&case, "srcUnit"), value(&case, "dstUnit"));
            let want = value(&case, "outcome");
            n += 1;
            if !got.as_ref().is_ok_and(|got| is_close(*got, want)) {
                failed.push(format!("{file} {id}: {got:?}, not {want}"));
            }
        }
        for case in cases(&text, "uRes") {
            let number = |name| value(&case, name).parse::<f64>().expect("a number");
            let quotient = number("v1") / number("v2");
            let unit = format!("({})/({})", value(&case, "u1"), value(&case, "u2"));
            let got = ucum::convert(quotient, &unit, value(&case, "uRes"));
            n += 1;
            if !got.as_ref().is_ok_and(|got| is_close(*got, value(&case, "vRes"))) {
                failed.push(format!("{file} {}: {got:?}", value(&case, "id")));
            }
        }
    }
    assert!(n > 35, "{n} cases");
    assert!(failed.is_empty(), "{} of {n}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn temperatures_and_logarithms() {
    for (number, from, to, want) in [
        (37.0, "Cel", "[degF]", 98.6),
        (98.6, "[degF]", "Cel", 37.0),
        (0.0, "Cel", "K", 273.15),
        (300.0, "K", "[degRe]", 21.48),
        (1000.0, "mCel", "K", 274.15),
        (7.0, "[pH]", "umol/L", 0.1),
        (2.0, "B", "1", 100.0),
        (5.4, "mg", "g", 0.0054),
        (1.0, "[lb_av]", "kg", 0.45359237),
        (1.0, "mmol/L", "umol/mL", 1.0),
        (1.0, "[IU]/mL", "k[iU]/L", 1.0),
        (72.0, "{beats}/min", "/min", 72.0),
    ] {
        let got = ucum::convert(number, from, to).expect(from);
        assert!((got - want).abs() < 1e-9, "{number} {from} = {got} {to}");
    }
    for (from, to) in [("mg", "mL"), ("[iU]", "1"), ("[iU]", "[arb'U]"), ("mg", "nonsense")] {
        assert!(ucum::convert(1.0, from, to).is_err(), "{from} {to}");
    }
}

#[test]
fn canonical_numbers_are_equal_when_the_amounts_are() {
    let canonical = |value: f64, unit: &str| {
        ucum::Unit::parse(unit).expect(unit).canonical(value).expect("finite")
    };
    for (a, from, b, to) in [
        (5.35, "mg", 0.00535, "g"),
        (5.45, "mg", 0.00000545, "kg"),
        (120.0, "mm[Hg]", 0.12, "m[Hg]"),
        (0.1, "mmol/L", 100.0, "umol/L"),
        (98.6, "[degF]", 37.0, "Cel"),
        (170.18, "cm", 67.0, "[in_i]"),
        (0.0, "mg", -0.0, "g"),
    ] {
        assert_eq!(canonical(a, from), canonical(b, to), "{a} {from}, {b} {to}");
    }
    assert_ne!(canonical(7.0, "[pH]").kind, canonical(7.0, "mol/L").kind);
    assert_ne!(canonical(1.0, "mg").kind, canonical(1.0, "mL").kind);
    assert!(ucum::Unit::parse("kg").expect("kg").canonical(f64::MAX).is_none());
}
