//! Folding of text for string search: case, accents and white space do not count.
//!
//! Source: FHIR R4 search.html#string ("case and accent insensitive"); punctuation is kept.
//! Letters of other scripts are folded by case only.

/// Folded letters by the plain letters they become. All lower case.
const FOLDS: &[(&str, &str)] = &[
    ("a", "àáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ"),
    ("ae", "æǣǽ"),
    ("b", "ḃḅḇ"),
    ("c", "çćĉċčḉ"),
    ("d", "ðďđḋḍḏḑḓ"),
    ("dz", "ǆǳ"),
    ("e", "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ"),
    ("f", "ƒḟ"),
    ("g", "ĝğġģǧǵḡ"),
    ("h", "ĥħȟḣḥḧḩḫẖ"),
    ("i", "ìíîïĩīĭįıǐȉȋḭḯỉị"),
    ("ij", "ĳ"),
    ("j", "ĵǰ"),
    ("k", "ķǩḱḳḵ"),
    ("l", "ĺļľŀłḷḹḻḽ"),
    ("lj", "ǉ"),
    ("m", "ḿṁṃ"),
    ("n", "ñńņňŋǹṅṇṉṋ"),
    ("nj", "ǌ"),
    ("o", "òóôõöøōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợǿ"),
    ("oe", "œ"),
    ("p", "ṕṗ"),
    ("q", "ĸ"),
    ("r", "ŕŗřȑȓṙṛṝṟ"),
    ("s", "śŝşšſșṡṣṥṧṩẛ"),
    ("ss", "ß"),
    ("t", "ţťŧțṫṭṯṱẗ"),
    ("th", "þ"),
    ("u", "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"),
    ("v", "ṽṿ"),
    ("w", "ŵẁẃẅẇẉẘ"),
    ("x", "ẋẍ"),
    ("y", "ýÿŷȳẏẙỳỵỷỹ"),
    ("z", "źżžẑẓẕ"),
    ("α", "ά"),
    ("ε", "έ"),
    ("η", "ή"),
    ("ι", "ΐίϊ"),
    ("ο", "ό"),
    ("σ", "ς"),
    ("υ", "ΰϋύ"),
    ("ω", "ώ"),
    ("е", "ё"),
    ("'", "’ʼ"),
    ("-", "‐‑"),
];

fn fold(lower: char) -> Option<&'static str> {
    use std::collections::HashMap;
    use std::sync::OnceLock;
    static TABLE: OnceLock<HashMap<char, &'static str>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            FOLDS.iter().flat_map(|(to, from)| from.chars().map(move |c| (c, *to))).collect()
        })
        .get(&lower)
        .copied()
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Folds case and accents, drops combining marks, makes runs of white space one blank and trims.
///
/// `normalize(normalize(x)) == normalize(x)`.
pub fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars() {
        if c.is_whitespace() {
            blank = !out.is_empty();
            continue;
        }
        if !c.is_ascii() && is_combining(c) {
            continue;
        }
        if blank {
            out.push(' ');
            blank = false;
        }
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
            continue;
        }
        for lower in c.to_lowercase() {
            match fold(lower) {
                Some(plain) => out.push_str(plain),
                None if is_combining(lower) => {}
                None => out.push(lower),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_white_space_do_not_count() {
        for (text, want) in [
            ("", ""),
            ("  \t\n ", ""),
            ("Bernardo  Ordóñez", "bernardo ordonez"),
            ("e\u{301}a", "ea"),
            ("É", "e"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("Łódź", "lodz"),
            ("Søren Æbel", "soren aebel"),
            ("İstanbul", "istanbul"),
            ("Nguyễn", "nguyen"),
            ("O’Brien", "o'brien"),
            ("Smith-Jones, Jr.", "smith-jones, jr."),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("王 小明", "王 小明"),
            (" a\u{a0}b ", "a b"),
        ] {
            assert_eq!(normalize(text), want, "{text}");
            assert_eq!(normalize(want), want, "{text}");
        }
    }

    #[test]
    fn folds_are_final() {
        for (to, from) in FOLDS {
            assert_eq!(normalize(to), *to);
            for c in from.chars() {
                assert_eq!(c.to_lowercase().to_string(), c.to_string(), "{c} is lower case");
                assert_eq!(normalize(&c.to_string()), *to);
                for upper in c.to_uppercase().flat_map(|u| u.to_lowercase()) {
                    assert_eq!(
                        normalize(&normalize(&upper.to_string())),
                        normalize(&upper.to_string())
                    );
                }
            }
        }
    }
}
