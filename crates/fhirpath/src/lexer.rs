//! Text to tokens.
//!
//! Source: FHIRPath N1 §12 (lexical elements) and the normative ANTLR grammar.
//! Comments and white space are dropped; every token keeps its byte offset.

use crate::error::Error;
use crate::temporal::{Date, DateTime, Time};

/// One token with the byte offset at which it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) position: u32,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    Ident(String),
    /// A name in backticks; never a keyword.
    Delimited(String),
    Str(String),
    /// Digits with an optional fraction, as written.
    Number(String),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    /// `$this`, `$index`, `$total`: the name without `$`.
    Dollar(String),
    /// `%name`: the name without `%`.
    External(String),
    /// Operators and punctuation.
    Sym(&'static str),
    End,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 22] = [
    "<=", ">=", "!=", "!~", "<", ">", "=", "~", "|", "&", "+", "-", "*", "/", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

/// All tokens of `text`, ending with `Tok::End`.
///
/// Errors: syntax, at the character that starts no token.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { text, at: 0 };
    let mut out = Vec::with_capacity(text.len() / 3 + 2);
    loop {
        lexer.skip_blank()?;
        let position = lexer.at as u32;
        let tok = lexer.next()?;
        let end = tok == Tok::End;
        out.push(Token { tok, position });
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, text: impl Into<String>) -> Error {
        Error::syntax(at as u32, text)
    }

    fn skip_blank(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            } else if let Some(body) = rest.strip_prefix("/*") {
                match body.find("*/") {
                    Some(end) => self.at += end + 4,
                    None => return Err(self.error(self.at, "the comment is not closed")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Tok, Error> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Tok::End);
        };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => Ok(Tok::Ident(self.word())),
            '0'..='9' => Ok(self.number()),
            '\'' => Ok(Tok::Str(self.quoted('\'')?)),
            // The grammar has one kind of string; `"` is accepted by nobody else.
            '`' => Ok(Tok::Delimited(self.quoted('`')?)),
            '@' => self.temporal(),
            '$' => self.dollar(),
            '%' => self.external(),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Result<Tok, Error> {
        let rest = self.rest();
        match SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            Some(sym) => {
                self.at += sym.len();
                Ok(Tok::Sym(sym))
            }
            None => Err(self.error(self.at, format!("`{first}` starts no token"))),
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let len = rest
            .bytes()
            .position(|b| !(b.is_ascii_alphanumeric() || b == b'_'))
            .unwrap_or(rest.len());
        self.at += len;
        rest[..len].to_owned()
    }

    fn digits(&self, from: usize) -> usize {
        self.text.as_bytes()[from..].iter().take_while(|b| b.is_ascii_digit()).count()
    }

    fn number(&mut self) -> Tok {
        let start = self.at;
        self.at += self.digits(start);
        if self.rest().starts_with('.') {
            let fraction = self.digits(self.at + 1);
            if fraction > 0 {
                self.at += 1 + fraction;
            }
        }
        Tok::Number(self.text[start..self.at].to_owned())
    }

    /// A quoted string or name; `self.at` is at the opening quote.
    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            if c == quote {
                self.at = start + i + c.len_utf8();
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some((_, escape)) = chars.next() else { break };
            match escape {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'f' => out.push('\u{c}'),
                '\'' | '"' | '`' | '\\' | '/' => out.push(escape),
                'u' => {
                    let code = self.hex4(&mut chars, start + i)?;
                    out.push(code);
                }
                other => {
                    let text = format!("`\\{other}` is not an escape sequence");
                    return Err(self.error(start + i, text));
                }
            }
        }
        Err(self.error(start, "the quote is not closed"))
    }

    fn hex4(
        &self,
        chars: &mut impl Iterator<Item = (usize, char)>,
        at: usize,
    ) -> Result<char, Error> {
        let wrong = || self.error(at, "`\\u` needs four hexadecimal digits of one character");
        let unit = |chars: &mut dyn Iterator<Item = (usize, char)>| {
            let mut code = 0_u32;
            for _ in 0..4 {
                let digit = chars.next().and_then(|(_, c)| c.to_digit(16)).ok_or_else(wrong)?;
                code = code * 16 + digit;
            }
            Ok(code)
        };
        let high = unit(chars)?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).ok_or_else(wrong);
        }
        // A character outside the basic plane is written as two escapes.
        if chars.next().map(|(_, c)| c) != Some('\\') || chars.next().map(|(_, c)| c) != Some('u') {
            return Err(wrong());
        }
        let low = unit(chars)?;
        if !(0xDC00..0xE000).contains(&low) {
            return Err(wrong());
        }
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).ok_or_else(wrong)
    }

    fn dollar(&mut self) -> Result<Tok, Error> {
        let start = self.at;
        self.at += 1;
        let name = self.word();
        match name.as_str() {
            "this" | "index" | "total" => Ok(Tok::Dollar(name)),
            _ => Err(self.error(start, format!("`${name}` is not `$this`, `$index` or `$total`"))),
        }
    }

    fn external(&mut self) -> Result<Tok, Error> {
        let start = self.at;
        self.at += 1;
        let name = match self.rest().chars().next() {
            Some(q @ ('\'' | '`')) => self.quoted(q)?,
            // A hyphen is not in the grammar, but R4 itself writes `%vs-name` and `%ext-name`.
            Some('a'..='z' | 'A'..='Z' | '_') => self.word(),
            _ => return Err(self.error(start, "`%` needs a name")),
        };
        Ok(Tok::External(name))
    }

    /// `@2015-02-04T14:34:28.123+10:00`, `@2015T`, `@T14:34`; `self.at` is at `@`.
    fn temporal(&mut self) -> Result<Tok, Error> {
        let start = self.at;
        let body = start + 1;
        let wrong = |lexer: &Self| lexer.error(start, "this is not a date, time or date with time");
        if self.text[body..].starts_with('T') {
            let end = self.time_end(body + 1);
            let time = Time::parse(&self.text[body + 1..end]).ok_or_else(|| wrong(self))?;
            self.at = end;
            return Ok(Tok::Time(time));
        }
        let mut end = self.date_end(body);
        if !self.text[end..].starts_with('T') {
            let date = Date::parse(&self.text[body..end]).ok_or_else(|| wrong(self))?;
            self.at = end;
            return Ok(Tok::Date(date));
        }
        end += 1;
        let time_end = self.time_end(end);
        if time_end > end {
            end = self.offset_end(time_end);
        }
        let text = self.text[body..end].trim_end_matches('T');
        let value = DateTime::parse(text).ok_or_else(|| wrong(self))?;
        self.at = end;
        Ok(Tok::DateTime(value))
    }

    /// End of `YYYY(-MM(-DD)?)?` from `from`.
    fn date_end(&self, from: usize) -> usize {
        let mut end = from + self.digits(from);
        for _ in 0..2 {
            if self.text[end..].starts_with('-') && self.digits(end + 1) > 0 {
                end += 1 + self.digits(end + 1);
            }
        }
        end
    }

    /// End of `hh(:mm(:ss(.fff)?)?)?` from `from`.
    fn time_end(&self, from: usize) -> usize {
        let mut end = from + self.digits(from);
        let mut n_colons = 0;
        while self.text[end..].starts_with(':') && self.digits(end + 1) > 0 && n_colons < 2 {
            end += 1 + self.digits(end + 1);
            n_colons += 1;
        }
        if n_colons == 2 && self.text[end..].starts_with('.') && self.digits(end + 1) > 0 {
            end += 1 + self.digits(end + 1);
        }
        end
    }

    /// End of `Z` or `±hh:mm` from `from`; `from` when there is none.
    fn offset_end(&self, from: usize) -> usize {
        let rest = &self.text[from..];
        if rest.starts_with('Z') {
            return from + 1;
        }
        let is_offset = rest.starts_with(['+', '-'])
            && self.digits(from + 1) == 2
            && rest[3..].starts_with(':')
            && self.digits(from + 4) == 2;
        if is_offset { from + 6 } else { from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Tok> {
        tokens(text).expect("tokens").into_iter().map(|t| t.tok).collect()
    }

    #[test]
    fn numbers_end_before_a_method_call() {
        assert_eq!(
            kinds("1.0.abs"),
            [Tok::Number("1.0".into()), Tok::Sym("."), Tok::Ident("abs".into()), Tok::End]
        );
        assert_eq!(kinds("1.abs")[0], Tok::Number("1".into()));
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(kinds(r"'P\u0065ter\n\'\uD83D\uDE00'")[0], Tok::Str("Peter\n'😀".into()));
        assert_eq!(kinds("`div`")[0], Tok::Delimited("div".into()));
        assert!(tokens(r"'\x'").is_err());
        assert!(tokens(r"'\uD83Dx'").is_err());
        assert!(tokens("'open").is_err());
    }

    #[test]
    fn comments_are_blank() {
        assert_eq!(kinds("1 /* $@% */ + // x\n 2").len(), 4);
        assert!(tokens("/* open").is_err());
    }

    #[test]
    fn dates_and_times() {
        assert!(matches!(kinds("@2015")[0], Tok::Date(_)));
        assert!(matches!(kinds("@2015-02-04T")[0], Tok::DateTime(_)));
        assert!(matches!(kinds("@2015-02-04T14:34:28.123+10:00")[0], Tok::DateTime(_)));
        assert!(matches!(kinds("@T14:34")[0], Tok::Time(_)));
        assert_eq!(kinds("@2014-01-01T08.x").len(), 4);
        assert!(tokens("@2015-13").is_err());
        assert!(tokens("@T25").is_err());
    }
}
