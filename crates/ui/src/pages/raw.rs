//! What does the record say: one resource as pretty JSON, as a page or in the drawer.

use maud::{Markup, PreEscaped, html};

use crate::layout::{self, Place, Reader};

/// The resource as stored.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    pub patient: String,
    /// `Observation/123`.
    pub reference: String,
    pub version: String,
    /// Pretty-printed JSON.
    pub json: String,
}

/// The drawer's content.
pub fn drawer(v: &Raw) -> Markup {
    html! {
        div.dialog-head {
            h2 id="drawer-title" { (v.reference) }
            @if !v.version.is_empty() { span.tag { "version " (v.version) } }
            form method="dialog" { button.button.quiet { "Close" } }
        }
        (text(v))
    }
}

/// The same as a page of its own.
pub fn page(reader: &Reader, v: &Raw) -> Markup {
    layout::page(
        &v.reference,
        reader,
        Place::Patients,
        &html! {
            div.page {
                div.page-head {
                    h1 { (v.reference) }
                    @if !v.version.is_empty() { p { "version " (v.version) } }
                    a.button.quiet href={ "/patients/" (v.patient) } { "Back to the chart" }
                }
                div.card { (text(v)) }
            }
        },
    )
}

fn text(v: &Raw) -> Markup {
    html! { div.drawer-body data-test="raw-json" { pre.json { (coloured(&v.json)) } } }
}

/// JSON with keys, strings and numbers marked by class. The text itself is unchanged.
fn coloured(json: &str) -> Markup {
    let mut out = String::with_capacity(json.len() * 2);
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let (len, class) = match c {
            '"' => {
                let len = string_len(rest);
                let key = rest.get(len..).is_some_and(|r| r.trim_start().starts_with(':'));
                (len, Some(if key { "k" } else { "s" }))
            }
            '0'..='9' | '-' => {
                let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
                (len.unwrap_or(rest.len()), Some("n"))
            }
            _ => (
                rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                    .filter(|n| *n > 0)
                    .unwrap_or(rest.len()),
                None,
            ),
        };
        let (piece, tail) = rest.split_at_checked(len.max(1)).unwrap_or((rest, ""));
        match class {
            Some(class) => {
                out.push_str("<span class=\"");
                out.push_str(class);
                out.push_str("\">");
                escape(piece, &mut out);
                out.push_str("</span>");
            }
            None => escape(piece, &mut out),
        }
        rest = tail;
    }
    PreEscaped(out)
}

/// Bytes of the JSON string that `text` begins with, both quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colouring_keeps_the_text_and_escapes_it() {
        let json = r#"{"a":"<b> \" & é","n":-1.50e3,"t":true,"z":[null,"\\"]}"#;
        let html = coloured(json).into_string();
        assert!(!html.contains("<b>"));
        let mut plain = html;
        for tag in ["<span class=\"k\">", "<span class=\"s\">", "<span class=\"n\">", "</span>"] {
            plain = plain.replace(tag, "");
        }
        let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert_eq!(plain, json);
    }
}
