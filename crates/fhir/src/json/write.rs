//! Values to text.

use super::doc::{Kind, Node};

/// Appends `text` as a JSON string, quotes included.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    write_string_body(text, out);
    out.push('"');
}

/// Appends `text` escaped for a JSON string, without quotes.
pub fn write_string_body(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, b) in text.bytes().enumerate() {
        let escape = match b {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0x00..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            use std::fmt::Write;
            write!(out, "\\u{b:04x}").expect("writing to a String does not fail");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

pub(super) fn compact(node: Node<'_>, out: &mut String) {
    match node.kind() {
        Kind::Object => {
            out.push('{');
            for (i, (name, value)) in node.members().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                compact(value, out);
            }
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for (i, value) in node.items().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                compact(value, out);
            }
            out.push(']');
        }
        _ => out.push_str(node.raw()),
    }
}

pub(super) fn pretty(node: Node<'_>, level: usize, out: &mut String) {
    let (open, close) = match node.kind() {
        Kind::Object if !node.is_empty() => ('{', '}'),
        Kind::Array if !node.is_empty() => ('[', ']'),
        _ => return compact(node, out),
    };
    out.push(open);
    let children = node.members().map(|(name, v)| (Some(name), v));
    for (i, (name, value)) in children.chain(node.items().map(|v| (None, v))).enumerate() {
        if i > 0 {
            out.push(',');
        }
        line(level + 1, out);
        if let Some(name) = name {
            write_string(name, out);
            out.push_str(": ");
        }
        pretty(value, level + 1, out);
    }
    line(level, out);
    out.push(close);
}

fn line(level: usize, out: &mut String) {
    out.push('\n');
    for _ in 0..level {
        out.push_str("  ");
    }
}
