//! What may stand in a narrative.
//!
//! Source: FHIR R4 narrative.html, invariant txt-1 (`htmlChecks()`).

/// Elements that end without a closing tag.
const VOID: [&str; 3] = ["br", "hr", "img"];
/// Elements that a narrative may hold.
const ALLOWED: [&str; 54] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "area",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
];

/// Whether the text is one `div` of allowed elements, without scripts, event handlers or forms.
#[must_use]
pub(crate) fn is_narrative(text: &str) -> bool {
    let text = text.trim();
    if !text.starts_with("<div") || !text.ends_with("</div>") {
        return false;
    }
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            match comment.find("-->") {
                Some(end) => rest = &comment[end + 3..],
                None => return false,
            }
            continue;
        }
        let Some(end) = rest.find('>') else { return false };
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim()) {
                return false;
            }
            if open.is_empty() && !rest.is_empty() {
                return false;
            }
            continue;
        }
        let closed = tag.ends_with('/');
        let body = tag.trim_end_matches('/');
        let name = body.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        if !ALLOWED.contains(&name) || !attributes_allowed(&body[name.len()..]) {
            return false;
        }
        if !closed && !VOID.contains(&name) {
            open.push(name);
        }
    }
    open.is_empty()
}

fn attributes_allowed(attributes: &str) -> bool {
    attributes.split_whitespace().all(|word| {
        let name = word.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let handler = name.starts_with("on") && word.contains('=');
        !handler && !word.to_ascii_lowercase().contains("javascript:")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narratives() {
        assert!(is_narrative("<div xmlns=\"x\"><p>a<br/>b</p></div>"));
        for text in [
            "<p>a</p>",
            "<div><script>x</script></div>",
            "<div onclick=\"x\"></div>",
            "<div><p></div></p>",
            "<div></div><div></div>",
            "<div>",
        ] {
            assert!(!is_narrative(text), "{text}");
        }
    }
}
