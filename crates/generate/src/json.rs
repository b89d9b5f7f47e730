//! Writes JSON straight into one `String`.
//!
//! Source: RFC 8259. Members appear in the order in which they are written. Does not check that a
//! name is written once; the tests parse what was written.

use crate::day::{At, Day, digits};

/// JSON under construction.
#[derive(Debug)]
pub struct Json {
    out: String,
}

impl Json {
    /// An empty text with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Json {
        Json { out: String::with_capacity(capacity) }
    }

    /// The text.
    #[cfg(test)]
    pub fn finish(self) -> String {
        self.out
    }

    /// The start of a transaction Bundle, up to its entries.
    pub fn open_bundle(capacity: usize) -> Json {
        let mut json = Json::with_capacity(capacity);
        json.out.push_str(r#"{"resourceType":"Bundle","type":"transaction","entry":["#);
        json
    }

    /// The text of a Bundle begun with `open_bundle`.
    pub fn close_bundle(mut self) -> String {
        self.out.push_str("]}");
        self.out
    }

    /// An object: the root, or an item of an array.
    pub fn item(&mut self, fill: impl FnOnce(&mut Json)) {
        self.separate();
        self.out.push('{');
        fill(self);
        self.out.push('}');
    }

    /// A member whose value is an object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.name(name);
        self.out.push('{');
        fill(self);
        self.out.push('}');
    }

    /// A member whose value is an array, filled by `item` or `text_item`.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.name(name);
        self.out.push('[');
        fill(self);
        self.out.push(']');
    }

    /// A member whose value is an array of one object.
    pub fn one(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.array(name, |j| j.item(fill));
    }

    /// A member with a string.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A member with a string written in parts.
    pub fn format(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.name(name);
        self.formatted(value);
    }

    /// An array item that is a string written in parts.
    pub fn format_item(&mut self, value: std::fmt::Arguments<'_>) {
        self.separate();
        self.formatted(value);
    }

    fn formatted(&mut self, value: std::fmt::Arguments<'_>) {
        self.out.push('"');
        let start = self.out.len();
        std::fmt::Write::write_fmt(&mut self.out, value).expect("a String takes every text");
        if self.out.as_bytes()[start..].iter().any(|b| needs_escape(*b)) {
            let plain = self.out.split_off(start);
            self.escaped(&plain);
        }
        self.out.push('"');
    }

    /// An array item that is a string.
    pub fn text_item(&mut self, value: &str) {
        self.separate();
        self.quoted(value);
    }

    /// A member with `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    /// A member with a whole number.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.decimal(name, value, 0);
    }

    /// A member with the decimal `scaled / 10^places`; all `places` digits are written.
    pub fn decimal(&mut self, name: &str, scaled: i64, places: u8) {
        self.name(name);
        push_decimal(&mut self.out, scaled, places);
    }

    /// A member with a FHIR date.
    pub fn date(&mut self, name: &str, day: Day) {
        self.name(name);
        self.out.push('"');
        day.write(&mut self.out);
        self.out.push('"');
    }

    /// A member with a FHIR dateTime or instant.
    pub fn time(&mut self, name: &str, at: At) {
        self.name(name);
        self.out.push('"');
        at.write(&mut self.out);
        self.out.push('"');
    }

    /// A member with the base64 of `bytes` (RFC 4648 §4).
    pub fn base64(&mut self, name: &str, bytes: &[u8]) {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.name(name);
        self.out.push('"');
        for chunk in bytes.chunks(3) {
            let mut group = 0u32;
            for idx in 0..3 {
                group = group << 8 | u32::from(chunk.get(idx).copied().unwrap_or(0));
            }
            for idx in 0..4 {
                let letter = ALPHABET[(group >> (18 - 6 * idx) & 63) as usize];
                self.out.push(if idx <= chunk.len() { char::from(letter) } else { '=' });
            }
        }
        self.out.push('"');
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    /// Nothing follows an opening bracket or a name without a comma, everything else does.
    fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }

    fn quoted(&mut self, value: &str) {
        self.out.push('"');
        if value.bytes().any(needs_escape) {
            self.escaped(value);
        } else {
            self.out.push_str(value);
        }
        self.out.push('"');
    }

    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                c if u32::from(c) < 0x20 => {
                    self.out.push_str("\\u00");
                    let byte = u32::from(c);
                    self.out.push(char::from_digit(byte >> 4, 16).expect("a nibble"));
                    self.out.push(char::from_digit(byte & 15, 16).expect("a nibble"));
                }
                c => self.out.push(c),
            }
        }
    }
}

/// Writes `scaled / 10^places` with all its digits: `(-5, 1)` is `-0.5`.
pub fn push_decimal(out: &mut String, scaled: i64, places: u8) {
    if scaled < 0 {
        out.push('-');
    }
    let unit = 10u64.pow(u32::from(places));
    let value = scaled.unsigned_abs();
    digits(out, u32::try_from(value / unit).expect("a quantity below 4e9"), 1);
    if places > 0 {
        out.push('.');
        digits(out, (value % unit) as u32, usize::from(places));
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_members_items_and_escapes() {
        let mut json = Json::with_capacity(0);
        json.item(|j| {
            j.text("a", "x \"y\"\n");
            j.format("f", format_args!("p{}\\", 7));
            j.array("b", |j| {
                j.item(|_| {});
                j.item(|j| j.boolean("c", true));
                j.text_item("z");
            });
            j.decimal("d", -5, 1);
            j.decimal("e", 12_050, 2);
            j.integer("n", 0);
            j.text("colon:", "ends with :");
            j.text("g", "");
        });
        assert_eq!(
            json.finish(),
            r#"{"a":"x \"y\"\n","f":"p7\\","b":[{},{"c":true},"z"],"d":-0.5,"e":120.50,"n":0,"colon:":"ends with :","g":""}"#
        );
    }

    #[test]
    fn base64_pads() {
        for (plain, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            let mut json = Json::with_capacity(0);
            json.item(|j| j.base64("d", plain.as_bytes()));
            assert_eq!(json.finish(), format!(r#"{{"d":"{expected}"}}"#));
        }
    }
}
