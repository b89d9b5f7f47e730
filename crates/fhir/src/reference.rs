//! Where a reference points to.
//!
//! Source: FHIR R4 references.html#literal. Logical references (`Reference.identifier`) have no
//! text to parse and are not treated here.

/// A literal reference taken apart. Type names are not checked against the specification here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `Patient/1`, `Patient/1/_history/2`.
    Relative { ty: &'a str, id: &'a str, version: Option<&'a str> },
    /// `https://example.org/fhir/Patient/1`; `base` has no slash at the end.
    Absolute { base: &'a str, ty: &'a str, id: &'a str, version: Option<&'a str> },
    /// `urn:uuid:…` or `urn:oid:…`, whole.
    Urn(&'a str),
    /// `#p1`; `#` alone is the container.
    Contained(&'a str),
    /// `Practitioner?identifier=x|1`: conditional, only in transactions.
    Conditional { ty: &'a str, query: &'a str },
    /// Any other URL.
    Other(&'a str),
}

/// FHIR R4 datatypes.html#id: 1 to 64 of letters, digits, `-` and `.`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn is_type_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphabetic())
}

impl<'a> Reference<'a> {
    pub fn parse(text: &'a str) -> Reference<'a> {
        // Nearly all look like this, and no other form does.
        if let Some((ty, id)) = text.split_once('/')
            && is_type_name(ty)
            && is_id(id)
        {
            return Reference::Relative { ty, id, version: None };
        }
        if let Some(id) = text.strip_prefix('#') {
            return Reference::Contained(id);
        }
        if text.starts_with("urn:") {
            return Reference::Urn(text);
        }
        if let Some((ty, query)) = text.split_once('?')
            && is_type_name(ty)
        {
            return Reference::Conditional { ty, query };
        }
        let plain = text.split(['#', '?']).next() == Some(text);
        match split_tail(text).filter(|_| plain) {
            Some(("", ty, id, version)) => Reference::Relative { ty, id, version },
            Some((base, ty, id, version)) if base.contains("://") => {
                Reference::Absolute { base, ty, id, version }
            }
            _ => Reference::Other(text),
        }
    }

    /// Type and id, when the reference is relative or absolute under `base_url` (no slash at the
    /// end).
    pub fn local(self, base_url: &str) -> Option<(&'a str, &'a str, Option<&'a str>)> {
        match self {
            Reference::Relative { ty, id, version } => Some((ty, id, version)),
            Reference::Absolute { base, ty, id, version } if base == base_url => {
                Some((ty, id, version))
            }
            _ => None,
        }
    }
}

/// Splits `[base/]Type/id[/_history/version]`.
fn split_tail(text: &str) -> Option<(&str, &str, &str, Option<&str>)> {
    let (mut rest, mut last) = split_last(text);
    let mut version = None;
    let (before, middle) = split_last(rest);
    if middle == "_history" && is_id(last) {
        version = Some(last);
        (rest, last) = split_last(before);
    }
    let (base, ty) = split_last(rest);
    (is_type_name(ty) && is_id(last)).then_some((base, ty, last, version))
}

fn split_last(text: &str) -> (&str, &str) {
    text.rsplit_once('/').unwrap_or(("", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_told_apart() {
        use Reference as R;
        let cases = [
            ("Patient/1", R::Relative { ty: "Patient", id: "1", version: None }),
            ("Patient/1/_history/2", R::Relative { ty: "Patient", id: "1", version: Some("2") }),
            (
                "https://x.org/fhir/Patient/1",
                R::Absolute { base: "https://x.org/fhir", ty: "Patient", id: "1", version: None },
            ),
            ("urn:uuid:5", R::Urn("urn:uuid:5")),
            ("#p1", R::Contained("p1")),
            (
                "Practitioner?identifier=a|b",
                R::Conditional { ty: "Practitioner", query: "identifier=a|b" },
            ),
            ("https://x.org/a?b=c", R::Other("https://x.org/a?b=c")),
            ("Patient/", R::Other("Patient/")),
            ("patient/1", R::Other("patient/1")),
            ("Patient", R::Other("Patient")),
            ("Patient/1/2", R::Other("Patient/1/2")),
        ];
        for (text, want) in cases {
            assert_eq!(R::parse(text), want, "{text}");
        }
    }

    #[test]
    fn absolute_under_our_base_is_local() {
        let text = "http://h/fhir/Patient/1";
        assert_eq!(Reference::parse(text).local("http://h/fhir"), Some(("Patient", "1", None)));
        assert_eq!(Reference::parse(text).local("http://other/fhir"), None);
    }
}
