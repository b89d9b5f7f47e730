//! Functions on strings.
//!
//! Source: FHIRPath N1 §5.6. Positions and lengths count characters, not bytes. Regular expressions
//! run in linear time.

use std::borrow::Cow;

use super::{Call, Evaluator, Items, Scope, single, wrong_type};
use crate::error::Error;
use crate::function::Function as F;
use crate::item::Item;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn text(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let text = match single(&input, call.position)? {
            None => None,
            Some(item) => match item.as_str() {
                Some(text) => Some(text),
                // A primitive with extensions only has no text.
                None if !item.has_value() && !crate::compare::is_complex(item) => None,
                None => return Err(wrong_type(item, "a string", call.position)),
            },
        };
        self.give_back(input);
        let Some(text) = text else { return Ok(()) };
        // Searching costs more than copying.
        self.meter.charge(text.len() as u64 / 16)?;
        match call.function {
            F::Upper => self.push_text(text.to_uppercase(), call, out),
            F::Lower => self.push_text(text.to_lowercase(), call, out),
            F::Trim => self.push_text(text.trim().to_owned(), call, out),
            F::Length => {
                out.push(Item::Integer(text.chars().count() as i64));
                Ok(())
            }
            F::ToChars => {
                self.meter.charge(text.len() as u64)?;
                out.extend(text.chars().map(|c| Item::String(c.to_string().into())));
                Ok(())
            }
            F::Substring => self.substring(&text, call, scope, out),
            F::Replace | F::ReplaceMatches => self.replace(&text, call, scope, out),
            F::Matches | F::MatchesFull => {
                let Some(found) = self.with_regex(call, scope, |regex| regex.is_match(&text))?
                else {
                    return Ok(());
                };
                out.push(Item::Boolean(found));
                Ok(())
            }
            _ => {
                let Some(arg) = self.text_argument(call, 0, scope)? else { return Ok(()) };
                self.text_with(&text, &arg, call, out)
            }
        }
    }

    fn push_text(
        &mut self,
        text: String,
        call: &Call<'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        self.meter.charge_text(text.len(), call.position)?;
        out.push(Item::String(text.into()));
        Ok(())
    }

    /// Functions of the text and one string.
    fn text_with(
        &mut self,
        text: &str,
        arg: &str,
        call: &Call<'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let chars_before =
            |place: Option<usize>| place.map_or(-1, |i| text[..i].chars().count() as i64);
        match call.function {
            F::IndexOf => out.push(Item::Integer(chars_before(text.find(arg)))),
            F::LastIndexOf => out.push(Item::Integer(chars_before(text.rfind(arg)))),
            F::StartsWith => out.push(Item::Boolean(text.starts_with(arg))),
            F::EndsWith => out.push(Item::Boolean(text.ends_with(arg))),
            F::Contains => out.push(Item::Boolean(text.contains(arg))),
            F::Split => {
                self.meter.charge(text.len() as u64)?;
                let part = |p: &str| Item::String(p.to_owned().into());
                if arg.is_empty() {
                    out.extend(text.chars().map(|c| Item::String(c.to_string().into())));
                } else {
                    out.extend(text.split(arg).map(part));
                }
            }
            F::Encode => {
                let encoded = encode(arg, text.as_bytes());
                return self.push_coded(encoded, call, out);
            }
            F::Decode => {
                let decoded = decode(arg, text).and_then(|bytes| String::from_utf8(bytes).ok());
                return self.push_coded(decoded, call, out);
            }
            F::Escape => return self.push_coded(escape(arg, text), call, out),
            F::Unescape => return self.push_coded(unescape(arg, text), call, out),
            _ => {}
        }
        Ok(())
    }

    fn push_coded(
        &mut self,
        text: Option<String>,
        call: &Call<'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match text {
            Some(text) => self.push_text(text, call, out),
            None => Ok(()),
        }
    }

    fn substring(
        &mut self,
        text: &str,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let Some(start) = self.integer_argument(call, 0, scope)? else { return Ok(()) };
        let length = self.integer_argument(call, 1, scope)?;
        let Ok(start) = usize::try_from(start) else { return Ok(()) };
        let Some((from, _)) = text.char_indices().nth(start) else { return Ok(()) };
        let rest = &text[from..];
        let part = match length {
            None => rest,
            Some(length) => {
                let length = usize::try_from(length).unwrap_or(0);
                let end = rest.char_indices().nth(length).map_or(rest.len(), |(i, _)| i);
                &rest[..end]
            }
        };
        self.push_text(part.to_owned(), call, out)
    }

    /// What `use_it` says of the call's regular expression; `None` when the pattern is empty.
    fn with_regex<T>(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        use_it: impl FnOnce(&regex::Regex) -> T,
    ) -> Result<Option<T>, Error> {
        if let Some(regex) = call.regex {
            return Ok(Some(use_it(regex)));
        }
        let Some(pattern) = self.text_argument(call, 0, scope)? else { return Ok(None) };
        let flags_idx = if call.function == F::ReplaceMatches { 2 } else { 1 };
        let flags = self.text_argument(call, flags_idx, scope)?.unwrap_or_default();
        let full = call.function == F::MatchesFull;
        // Building costs much more than running.
        self.meter.charge(crate::limits::REGEX_STEPS + pattern.len() as u64)?;
        let regex = crate::compile::regex(&pattern, &flags, full, call.position)?;
        Ok(Some(use_it(&regex)))
    }

    fn replace(
        &mut self,
        text: &str,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let Some(with) = self.text_argument(call, 1, scope)? else { return Ok(()) };
        // The longest possible result is checked before it is built.
        let pieces = text.chars().count() + 1;
        let at_most = text.len().saturating_add(pieces.saturating_mul(with.len()));
        if call.function == F::ReplaceMatches {
            if with.contains('$') || at_most > crate::limits::STRING_BYTES_MAX {
                self.meter.charge_text(at_most.saturating_mul(4), call.position)?;
            }
            let replaced = self.with_regex(call, scope, |regex| {
                regex.replace_all(text, braced(&with).as_ref()).into_owned()
            })?;
            return self.push_coded(replaced, call, out);
        }
        let Some(pattern) = self.text_argument(call, 0, scope)? else { return Ok(()) };
        let n_found = if pattern.is_empty() { pieces } else { text.matches(&*pattern).count() };
        let length = text.len().saturating_add(n_found.saturating_mul(with.len()));
        self.meter.charge_text(length, call.position)?;
        self.push_text(text.replace(&*pattern, &with), call, out)
    }

    pub(super) fn join(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let separator = self.text_argument(call, 0, scope)?.unwrap_or_default();
        let input = self.input_items(call, scope)?;
        let mut text = String::new();
        for (i, item) in input.iter().enumerate() {
            let Some(part) = item.as_str() else {
                return Err(wrong_type(item, "a string", call.position));
            };
            if i > 0 {
                text.push_str(&separator);
            }
            text.push_str(&part);
            self.meter.charge_text(text.len(), call.position)?;
        }
        if !input.is_empty() {
            out.push(Item::String(text.into()));
        }
        self.give_back(input);
        Ok(())
    }
}

/// `$1a` means group 1 in FHIRPath, but a group called `1a` to the regex library.
fn braced(with: &str) -> Cow<'_, str> {
    if !with.contains('$') {
        return Cow::Borrowed(with);
    }
    let mut out = String::with_capacity(with.len() + 4);
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            out.push_str("${");
            out.push_str(&rest[..digits]);
            out.push('}');
            rest = &rest[digits..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(format: &str, bytes: &[u8]) -> Option<String> {
    let alphabet = match format {
        "hex" => return Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
        "base64" => BASE64,
        "urlbase64" => BASE64_URL,
        _ => return None,
    };
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
        let bits = bits << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sextet = (bits >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= chunk.len() { char::from(alphabet[sextet]) } else { '=' });
        }
    }
    Some(out)
}

fn decode(format: &str, text: &str) -> Option<Vec<u8>> {
    let alphabet = match format {
        "hex" => {
            let bytes = text.as_bytes();
            let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
            return bytes.len().is_multiple_of(2).then(|| {
                bytes.chunks(2).map(|p| Some(digit(p[0])? << 4 | digit(p[1])?)).collect()
            })?;
        }
        "base64" => BASE64,
        "urlbase64" => BASE64_URL,
        _ => return None,
    };
    let text = text.trim_end_matches('=');
    if text.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for byte in chunk {
            let sextet = alphabet.iter().position(|a| a == byte)?;
            bits = bits << 6 | sextet as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        let [_, a, b, c] = bits.to_be_bytes();
        out.extend_from_slice(&[a, b, c][..chunk.len() - 1]);
    }
    Some(out)
}

fn escape(target: &str, text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 8);
    match target {
        "html" => {
            for c in text.chars() {
                match c {
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '&' => out.push_str("&amp;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&#39;"),
                    c => out.push(c),
                }
            }
        }
        "json" => fhir::json::write_string_body(text, &mut out),
        _ => return None,
    }
    Some(out)
}

fn unescape(target: &str, text: &str) -> Option<String> {
    match target {
        "html" => Some(unescape_html(text)),
        "json" => unescape_json(text),
        _ => None,
    }
}

/// Decodes JSON's escapes; quotes may stand bare. `None` when an escape is malformed.
fn unescape_json(text: &str) -> Option<String> {
    // A bare quote would end the string, an escaped one does not.
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '"' if !escaped => quoted.push_str("\\\""),
            c if c.is_control() => {
                fhir::json::write_string_body(c.encode_utf8(&mut [0; 4]), &mut quoted)
            }
            c => quoted.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    quoted.push('"');
    fhir::json::Doc::parse(quoted).ok()?.root().as_str().map(Cow::into_owned)
}

fn unescape_html(text: &str) -> String {
    const NAMED: [(&str, char); 6] =
        [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"'), ("apos", '\''), ("nbsp", '\u{a0}')];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let decoded = rest.find(';').and_then(|end| {
            let name = &rest[1..end];
            let c = match name.strip_prefix('#') {
                Some(code) => {
                    let code = match code.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => code.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
                None => NAMED.iter().find(|(n, _)| *n == name)?.1,
            };
            Some((c, end + 1))
        });
        match decoded {
            Some((c, len)) => {
                out.push(c);
                rest = &rest[len..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_both_ways() {
        for text in ["", "a", "ab", "abc", "subjects?_d"] {
            for format in ["base64", "urlbase64", "hex"] {
                let coded = encode(format, text.as_bytes()).expect(format);
                assert_eq!(decode(format, &coded).as_deref(), Some(text.as_bytes()));
            }
        }
        assert_eq!(encode("urlbase64", b"subjects?_d").as_deref(), Some("c3ViamVjdHM_X2Q="));
        assert_eq!(decode("base64", "a"), None);
        assert_eq!(decode("hex", "zz"), None);
    }

    #[test]
    fn html_and_json() {
        assert_eq!(unescape("html", "&quot;1&lt;2&#x41;&x;").as_deref(), Some("\"1<2A&x;"));
        assert_eq!(escape("json", "\"1<2\"").as_deref(), Some("\\\"1<2\\\""));
        assert_eq!(unescape("json", "\\\"1").as_deref(), Some("\"1"));
        assert_eq!(unescape("json", "\"1\\n\"").as_deref(), Some("\"1\n\""));
        assert_eq!(unescape("json", "\\x"), None);
    }

    #[test]
    fn groups() {
        assert_eq!(braced("$1a$"), "${1}a$");
    }
}
