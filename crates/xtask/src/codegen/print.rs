//! Rust source text.

/// First lines of every generated file.
pub const HEADER: &str =
    "// Written by `cargo xtask codegen` from FHIR R4 (4.0.1). Do not edit.\n\n";

/// A string literal.
pub fn string(text: &str) -> String {
    format!("{text:?}")
}

/// A slice of string literals: `&["a", "b"]`.
pub fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(string).collect();
    format!("&[{}]", texts.join(", "))
}

/// `MedicationRequest` → `MEDICATION_REQUEST`, `base64Binary` → `BASE64_BINARY`.
pub fn const_name(name: &str) -> String {
    let mut out = String::new();
    let mut lower_before = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && lower_before {
            out.push('_');
        }
        lower_before = !c.is_ascii_uppercase();
        out.push(c.to_ascii_uppercase());
    }
    out
}
