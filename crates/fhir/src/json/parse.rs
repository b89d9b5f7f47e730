//! RFC 8259 reader with the limits that a server needs.

use super::doc::{Doc, Kind, Slot};

/// Deepest nesting of arrays and objects.
pub const DEPTH_MAX: usize = 64;
/// Longest text of one number, in bytes.
pub const NUMBER_LENGTH_MAX: usize = 64;
/// Largest text, in bytes; spans are 32 bits wide.
pub const SIZE_MAX_BYTES: usize = 1 << 30;
/// Longest member name, in bytes.
const NAME_LENGTH_MAX: usize = 1024;

/// Why a text is not JSON that Vitae takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    Empty,
    TooLarge,
    Utf8,
    Depth,
    DuplicateName,
    NumberLength,
    NameLength,
    ControlCharacter,
    Escape,
    Surrogate,
    Number,
    Literal,
    Unexpected,
    End,
    Trailing,
}

/// The first offence in a text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub kind: ParseErrorKind,
    /// Byte offset.
    pub offset: usize,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// What is wrong, in words, without content of the text beyond a name.
    pub text: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (line {}, column {})", self.text, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}

type Fail = (ParseErrorKind, usize, String);

pub(super) fn parse(bytes: Vec<u8>) -> Result<Doc, ParseError> {
    if bytes.len() > SIZE_MAX_BYTES {
        return Err(ParseError {
            kind: ParseErrorKind::TooLarge,
            offset: SIZE_MAX_BYTES,
            line: 1,
            column: 1,
            text: format!("the text is larger than {SIZE_MAX_BYTES} bytes"),
        });
    }
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let offset = e.utf8_error().valid_up_to();
            let bytes = e.into_bytes();
            return Err(place(
                &String::from_utf8_lossy(&bytes[..offset]),
                (ParseErrorKind::Utf8, offset, "the text is not valid UTF-8".into()),
            ));
        }
    };
    // A FHIR resource has about one value per 20 bytes of compact text.
    let slots = Vec::with_capacity(text.len() / 20 + 8);
    let mut p = Parser { text: text.as_bytes(), at: 0, slots, extra: String::new() };
    match p.document() {
        Ok(()) => {
            let Parser { slots, extra, .. } = p;
            let text_len = text.len();
            text.push_str(&extra);
            Ok(Doc { text, text_len, slots })
        }
        Err(fail) => Err(place(&text, fail)),
    }
}

fn place(text: &str, (kind, offset, words): Fail) -> ParseError {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    ParseError { kind, offset, line, column, text: words }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    slots: Vec<Slot>,
    /// Decoded names that had escapes; they stand behind the text.
    extra: String,
}

/// Bytes that end a run of plain string content: quote, backslash, control.
const STOP: [bool; 256] = {
    let mut t = [false; 256];
    let mut i = 0;
    while i < 0x20 {
        t[i] = true;
        i += 1;
    }
    t[b'"' as usize] = true;
    t[b'\\' as usize] = true;
    t
};

impl Parser<'_> {
    fn document(&mut self) -> Result<(), Fail> {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        self.space();
        if self.at == self.text.len() {
            return Err((ParseErrorKind::Empty, self.at, "the text is empty".into()));
        }
        self.value(0, 0, 0)?;
        self.space();
        if self.at < self.text.len() {
            return self.fail(ParseErrorKind::Trailing, "text goes on after the value");
        }
        Ok(())
    }

    fn fail<T>(&self, kind: ParseErrorKind, words: &str) -> Result<T, Fail> {
        Err((kind, self.at, words.into()))
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    fn value(&mut self, key_start: u32, key_len: u16, depth: usize) -> Result<(), Fail> {
        let idx = self.slots.len();
        let start = self.at;
        self.slots.push(Slot {
            start: start as u32,
            end: 0,
            key_start,
            key_len,
            kind: Kind::Null,
            escaped: false,
            after: 0,
            len: 0,
        });
        let (kind, escaped, len) = match self.peek() {
            b'{' => (Kind::Object, false, self.object(idx, depth)?),
            b'[' => (Kind::Array, false, self.array(depth)?),
            b'"' => (Kind::String, self.string()?, 0),
            b'-' | b'0'..=b'9' => (Kind::Number, self.number()?, 0),
            b't' => (Kind::Bool, self.literal("true")?, 0),
            b'f' => (Kind::Bool, self.literal("false")?, 0),
            b'n' => (Kind::Null, self.literal("null")?, 0),
            _ if self.at >= self.text.len() => {
                return self.fail(ParseErrorKind::End, "the text ends where a value is expected");
            }
            _ => return self.fail(ParseErrorKind::Unexpected, "a value is expected here"),
        };
        let after = self.slots.len() as u32;
        let slot = &mut self.slots[idx];
        slot.end = self.at as u32;
        slot.kind = kind;
        slot.escaped = escaped;
        slot.after = after;
        slot.len = len;
        Ok(())
    }

    fn deeper(&self, depth: usize) -> Result<usize, Fail> {
        if depth >= DEPTH_MAX {
            let words = format!("nesting is deeper than {DEPTH_MAX} levels");
            return Err((ParseErrorKind::Depth, self.at, words));
        }
        Ok(depth + 1)
    }

    fn object(&mut self, idx: usize, depth: usize) -> Result<u32, Fail> {
        let depth = self.deeper(depth)?;
        self.at += 1;
        self.space();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(0);
        }
        let mut n = 0;
        loop {
            self.space();
            if self.peek() != b'"' {
                return self.end_or("a member name in quotes is expected here");
            }
            let name_at = self.at;
            let escaped = self.string()?;
            let (key_start, key_len) = self.name(name_at, escaped)?;
            self.space();
            if self.peek() != b':' {
                return self.end_or("a colon is expected after the member name");
            }
            self.at += 1;
            self.space();
            self.value(key_start, key_len, depth)?;
            n += 1;
            self.space();
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    break;
                }
                _ => return self.end_or("a comma or the end of the object is expected here"),
            }
        }
        self.unique_names(idx, n)?;
        Ok(n)
    }

    fn end_or<T>(&self, words: &str) -> Result<T, Fail> {
        if self.at >= self.text.len() {
            return self.fail(ParseErrorKind::End, "the text ends inside an object or array");
        }
        self.fail(ParseErrorKind::Unexpected, words)
    }

    /// Span of a member name. Decoded names stand behind the text.
    fn name(&mut self, quote_at: usize, escaped: bool) -> Result<(u32, u16), Fail> {
        let raw = &self.text[quote_at + 1..self.at - 1];
        if raw.len() > NAME_LENGTH_MAX {
            let words = format!("a member name is longer than {NAME_LENGTH_MAX} bytes");
            return Err((ParseErrorKind::NameLength, quote_at, words));
        }
        if !escaped {
            return Ok((quote_at as u32 + 1, raw.len() as u16));
        }
        let decoded = unescape(std::str::from_utf8(raw).expect("slice of valid UTF-8 at quotes"));
        let start = self.text.len() + self.extra.len();
        self.extra.push_str(&decoded);
        Ok((start as u32, decoded.len() as u16))
    }

    fn key_of(&self, key_start: u32, key_len: u16) -> &[u8] {
        let (start, len) = (key_start as usize, usize::from(key_len));
        match start.checked_sub(self.text.len()) {
            None => &self.text[start..start + len],
            Some(extra) => &self.extra.as_bytes()[extra..extra + len],
        }
    }

    fn unique_names(&self, idx: usize, n: u32) -> Result<(), Fail> {
        let duplicate = |s: &Slot| {
            let name = String::from_utf8_lossy(self.key_of(s.key_start, s.key_len)).into_owned();
            let words = format!("the member '{name}' stands twice");
            Err((ParseErrorKind::DuplicateName, s.start as usize, words))
        };
        let mut i = idx + 1;
        if n <= 24 {
            let mut seen = [(0u32, 0u16, 0u8); 24];
            for k in 0..n as usize {
                let s = &self.slots[i];
                let key = self.key_of(s.key_start, s.key_len);
                let first = key.first().copied().unwrap_or(0);
                let same = |(start, len, b): &(u32, u16, u8)| {
                    *len == s.key_len && *b == first && self.key_of(*start, *len) == key
                };
                if seen[..k].iter().any(same) {
                    return duplicate(s);
                }
                seen[k] = (s.key_start, s.key_len, first);
                i = s.after as usize;
            }
        } else {
            let mut seen = std::collections::HashSet::with_capacity(n as usize);
            for _ in 0..n {
                let s = &self.slots[i];
                if !seen.insert(self.key_of(s.key_start, s.key_len)) {
                    return duplicate(s);
                }
                i = s.after as usize;
            }
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<u32, Fail> {
        let depth = self.deeper(depth)?;
        self.at += 1;
        self.space();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(0);
        }
        let mut n = 0;
        loop {
            self.space();
            self.value(0, 0, depth)?;
            n += 1;
            self.space();
            match self.peek() {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(n);
                }
                _ => return self.end_or("a comma or the end of the array is expected here"),
            }
        }
    }

    /// Moves behind a string; true when it holds escapes.
    fn string(&mut self) -> Result<bool, Fail> {
        self.at += 1;
        let mut escaped = false;
        loop {
            while let Some(b) = self.text.get(self.at) {
                if STOP[usize::from(*b)] {
                    break;
                }
                self.at += 1;
            }
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => {
                    return self.fail(
                        ParseErrorKind::ControlCharacter,
                        "a control character in a string must be escaped",
                    );
                }
                None => return self.fail(ParseErrorKind::End, "the text ends inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fail> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let unit = self.hex4(self.at + 2)?;
                self.at += 6;
                let low_follows = |p: &Self| {
                    Ok(p.peek() == b'\\'
                        && p.text.get(p.at + 1) == Some(&b'u')
                        && (0xDC00..0xE000).contains(&p.hex4(p.at + 2)?))
                };
                if !(0xD800..0xE000).contains(&unit) {
                    return Ok(());
                }
                if unit < 0xDC00 && low_follows(self)? {
                    self.at += 6;
                    return Ok(());
                }
                self.fail(ParseErrorKind::Surrogate, "half of a surrogate pair")
            }
            _ => self.fail(ParseErrorKind::Escape, "an unknown escape in a string"),
        }
    }

    fn hex4(&self, at: usize) -> Result<u32, Fail> {
        let digits = self.text.get(at..at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            return self.fail(ParseErrorKind::Escape, "\\u needs four hexadecimal digits");
        };
        Ok(digits.iter().fold(0, |n, d| {
            n * 16 + char::from(*d).to_digit(16).expect("checked to be a hexadecimal digit")
        }))
    }

    fn literal(&mut self, word: &str) -> Result<bool, Fail> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(false);
        }
        self.fail(ParseErrorKind::Literal, "only true, false and null may stand without quotes")
    }

    fn number(&mut self) -> Result<bool, Fail> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return self.fail(ParseErrorKind::Number, "a digit is expected here"),
        }
        if self.peek() == b'.' {
            self.at += 1;
            if !self.peek().is_ascii_digit() {
                return self.fail(ParseErrorKind::Number, "a digit is expected after the point");
            }
            self.digits();
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            if !self.peek().is_ascii_digit() {
                return self.fail(ParseErrorKind::Number, "a digit is expected in the exponent");
            }
            self.digits();
        }
        if matches!(self.peek(), b'0'..=b'9' | b'.' | b'-' | b'+') {
            return self.fail(ParseErrorKind::Number, "a number may not start with 0 or go on so");
        }
        if self.at - start > NUMBER_LENGTH_MAX {
            let words = format!("a number is longer than {NUMBER_LENGTH_MAX} characters");
            return Err((ParseErrorKind::NumberLength, start, words));
        }
        Ok(false)
    }

    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }
}

/// Decodes the escapes of string content that the parser has accepted.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let mut used = 2;
        match rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\') {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = |from: usize| {
                    rest.get(from..from + 4).and_then(|h| u32::from_str_radix(h, 16).ok())
                };
                let first = unit(at + 2).unwrap_or(0xFFFD);
                used = 6;
                let scalar = if (0xD800..0xDC00).contains(&first) {
                    used = 12;
                    let second = unit(at + 8).unwrap_or(0xDC00);
                    0x10000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF)
                } else {
                    first
                };
                out.push(char::from_u32(scalar).unwrap_or('\u{FFFD}'));
            }
            other => out.push(char::from(other)),
        }
        rest = rest.get(at + used..).unwrap_or("");
    }
    out.push_str(rest);
    out
}
