//! Full text: the human words of a resource, and searches over them.
//!
//! Source: FHIR R4 search.html#content: `_text` searches the narrative, `_content` the entire
//! content. R4 leaves the language of the queries to the server; ours is [`FullText`].
//!
//! Human text is what elements of type string, markdown and xhtml hold, those of contained
//! resources and extensions too. Left out are codes, ids, URLs, base64, `meta`, and strings that
//! are codes by nature: values of identifiers and contact points, literal references, units,
//! versions of code systems, sampled data.

use fhir::json::{Kind, Node};
use fhir_tables::{ResourceType, TypeId, TypeKind};

use crate::normalize::normalize;
use crate::params;
use crate::value::{IndexValue, Indexed, ParamId};

/// Bytes of normalized text of one resource that are searched, for narrative and content each.
pub const TEXT_MAX_BYTES: usize = 64 * 1024;
/// Words and phrases of one query.
pub const TERMS_MAX: usize = 16;
/// Letters in front of `*`, at least.
pub const PREFIX_MIN_CHARS: usize = 2;
/// Number of impact classes of a word.
pub const IMPACTS: u8 = 4;
/// What a word of each class counts for, before its rarity.
pub const IMPACT_WEIGHT: [f64; IMPACTS as usize] = [0.5, 0.9, 1.3, 1.8];

/// A query: any of the alternatives may hold; all terms of an alternative must.
///
/// `heart failure` both words, `"heart failure"` the phrase, `a | b` or `a OR b` either,
/// `-word` not, `card*` words that begin so. Case and accents do not count.
#[derive(Clone, Debug, PartialEq)]
pub struct FullText {
    pub alternatives: Vec<Vec<Term>>,
}

/// One word, or several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub is_negated: bool,
    /// Not empty.
    pub words: Vec<String>,
    /// The last word may go on.
    pub is_prefix: bool,
}

/// The words of a normalized text. A Chinese or Japanese character is a word of its own.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        // Nearly all words are of plain letters, with a plain character behind them.
        let bytes = rest.as_bytes();
        let at = bytes.iter().position(|b| b.is_ascii_alphanumeric() || !b.is_ascii())?;
        let n = bytes[at..].iter().position(|b| !b.is_ascii_alphanumeric());
        let end = n.map_or(bytes.len(), |n| at + n);
        if end > at && bytes.get(end).is_none_or(u8::is_ascii) {
            let word = &rest[at..end];
            rest = &rest[end..];
            return Some(word);
        }
        let start = rest.find(char::is_alphanumeric)?;
        rest = &rest[start..];
        let first = rest.chars().next()?;
        let end = if is_ideograph(first) {
            first.len_utf8()
        } else {
            rest.find(|c: char| !c.is_alphanumeric() || is_ideograph(c)).unwrap_or(rest.len())
        };
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

impl FullText {
    /// Reads a query.
    ///
    /// Errors: what is wrong, to be put behind "which".
    pub fn parse(text: &str) -> Result<FullText, String> {
        let mut alternatives = vec![Vec::new()];
        let mut n_terms = 0;
        let mut negate_next = false;
        for (token, is_quoted) in tokens(text)? {
            match token {
                "|" | "OR" if !is_quoted => {
                    alternatives.push(Vec::new());
                    continue;
                }
                "AND" | "&" if !is_quoted => continue,
                "NOT" if !is_quoted => {
                    negate_next = true;
                    continue;
                }
                _ => {}
            }
            let (token, minus) = match token.strip_prefix('-') {
                Some(rest) => (rest, true),
                None => (token, false),
            };
            let (token, is_prefix) = match token.strip_suffix('*') {
                Some(rest) => (rest, true),
                None => (token, false),
            };
            let normalized = normalize(token);
            let words: Vec<String> = words(&normalized).map(str::to_owned).collect();
            let is_negated = minus || std::mem::take(&mut negate_next);
            let Some(last) = words.last() else { continue };
            let is_short = last.chars().count() < PREFIX_MIN_CHARS;
            if is_prefix && is_short && !last.starts_with(is_ideograph) {
                return Err(format!("has fewer than {PREFIX_MIN_CHARS} letters before '*'"));
            }
            n_terms += 1;
            if n_terms > TERMS_MAX || words.len() > TERMS_MAX {
                return Err(format!("has more than {TERMS_MAX} words"));
            }
            if let Some(terms) = alternatives.last_mut() {
                terms.push(Term { is_negated, words, is_prefix });
            }
        }
        if alternatives.iter().any(|terms| terms.iter().all(|term| term.is_negated)) {
            return Err("needs a word to look for, also on each side of '|' or OR".to_owned());
        }
        Ok(FullText { alternatives })
    }

    /// Whether normalized texts, a line for each element, answer the query.
    pub fn matches(&self, texts: &[&str]) -> bool {
        self.alternatives.iter().any(|terms| {
            terms.iter().all(|term| {
                let found = texts.iter().any(|text| text.lines().any(|line| term.is_in(line)));
                found != term.is_negated
            })
        })
    }

    /// Whether words alone decide: there is no phrase.
    pub fn is_decided_by_words(&self) -> bool {
        self.alternatives.iter().flatten().all(|term| term.words.len() == 1)
    }
}

impl Term {
    fn is_in(&self, line: &str) -> bool {
        let Some((last, before)) = self.words.split_last() else { return false };
        let line: Vec<&str> = words(line).collect();
        line.windows(self.words.len()).any(|run| {
            let Some((run_last, run_before)) = run.split_last() else { return false };
            let ends = if self.is_prefix { run_last.starts_with(last) } else { run_last == last };
            ends && run_before.iter().zip(before).all(|(a, b)| a == b)
        })
    }
}

/// Parts between blanks; what is in quotation marks is one part, a `-` before it included.
fn tokens(text: &str) -> Result<Vec<(&str, bool)>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let quote = rest.strip_prefix('-').unwrap_or(rest);
        if let Some(inner) = quote.strip_prefix('"') {
            let Some((_, tail)) = inner.split_once('"') else {
                return Err("has a quotation mark without its partner".to_owned());
            };
            // With the minus sign, if there is one, and the quotation marks: both are no letters.
            let len = rest.len() - tail.len();
            out.push((&rest[..len], true));
            rest = tail.trim_start();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '|' || c == '"');
        let end = match end {
            Some(0) => 1,
            Some(end) => end,
            None => rest.len(),
        };
        out.push((&rest[..end], false));
        rest = rest[end..].trim_start();
        if out.len() > 4 * TERMS_MAX {
            return Err(format!("has more than {TERMS_MAX} words"));
        }
    }
    Ok(out)
}

/// The parameters whose texts a search with `param` looks into.
pub fn scopes(param: ParamId) -> Vec<ParamId> {
    let mut scopes = vec![param];
    if let Some((rt, definition)) = params::get(param)
        && definition.code == "_content"
        && let Some((narrative, _)) = params::find(rt, "_text")
    {
        scopes.push(narrative);
    }
    scopes
}

/// Human text of a resource, normalized, a line for each element.
#[derive(Debug, Default)]
pub struct HumanText {
    pub narrative: String,
    /// All but the narrative.
    pub content: String,
}

/// Gathers the human text of a resource.
pub fn gather(rt: ResourceType, resource: Node<'_>) -> HumanText {
    let mut out = HumanText::default();
    walk(rt.type_id(), resource, &mut out);
    out
}

fn walk(ty: TypeId, node: Node<'_>, out: &mut HumanText) {
    for (name, value) in node.members() {
        if matches!(name, "id" | "resourceType") {
            continue;
        }
        let Some((_, of)) = ty.element(name) else { continue };
        match of.ty {
            TypeId::STRING | TypeId::MARKDOWN => {
                if is_code_by_nature(ty, name) {
                    continue;
                }
                for item in value.items_or_self() {
                    if let Some(text) = item.as_str() {
                        line(&text, &mut out.content);
                    }
                }
            }
            TypeId::XHTML => {
                if let Some(text) = value.as_str() {
                    line(&without_tags(&text), &mut out.narrative);
                }
            }
            TypeId::META | TypeId::SAMPLED_DATA => {}
            inner => {
                let def = inner.def();
                if def.kind == TypeKind::Primitive {
                    continue;
                }
                for item in value.items_or_self() {
                    if item.kind() != Kind::Object {
                        continue;
                    }
                    let inner = if def.kind == TypeKind::Abstract {
                        let named = item.str("resourceType");
                        named.and_then(|name| TypeId::by_name(&name)).unwrap_or(inner)
                    } else {
                        inner
                    };
                    walk(inner, item, out);
                }
            }
        }
    }
}

/// Strings that are not for reading.
fn is_code_by_nature(ty: TypeId, name: &str) -> bool {
    match name {
        "value" => ty == TypeId::IDENTIFIER || ty == TypeId::CONTACT_POINT,
        "reference" => ty == TypeId::REFERENCE,
        "version" => ty == TypeId::CODING,
        "unit" => ty.is_subtype_of(TypeId::QUANTITY),
        _ => false,
    }
}

/// Adds a line, up to the limit.
fn line(text: &str, out: &mut String) {
    let left = TEXT_MAX_BYTES.saturating_sub(out.len() + 1);
    if text.is_empty() || left == 0 {
        return;
    }
    if text.is_ascii() && text.len() < left {
        return ascii_line(text, out);
    }
    let normalized = normalize(text);
    let mut end = normalized.len().min(left);
    while !normalized.is_char_boundary(end) {
        end -= 1;
    }
    if end < normalized.len() {
        // No half of a word is a word.
        let cut = &normalized[..end];
        end = cut.rfind(|c: char| !c.is_alphanumeric()).unwrap_or(0);
    }
    if end > 0 {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&normalized[..end]);
    }
}

/// As [`line`] for what is nearly all text: what [`normalize`] says, without a text between.
fn ascii_line(text: &str, out: &mut String) {
    let before = out.len();
    if before > 0 {
        out.push('\n');
    }
    let start = out.len();
    let bytes = text.as_bytes();
    let is_plain = bytes.iter().all(|b| *b >= b' ')
        && !matches!(bytes, [b' ', ..] | [.., b' '])
        && bytes.windows(2).all(|pair| pair != b"  ");
    if is_plain {
        out.push_str(text);
        out[start..].make_ascii_lowercase();
        return;
    }
    let mut blank = false;
    for b in text.bytes() {
        if matches!(b, 9..=13 | b' ') {
            blank = out.len() > start;
            continue;
        }
        if std::mem::take(&mut blank) {
            out.push(' ');
        }
        out.push(char::from(b.to_ascii_lowercase()));
    }
    if out.len() == start {
        out.truncate(before);
    }
}

/// The text of XHTML: tags and comments are blanks, the entities of XML are their characters.
fn without_tags(xhtml: &str) -> String {
    let mut out = String::with_capacity(xhtml.len());
    let mut rest = xhtml;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, tail)| tail);
            out.push(' ');
        } else if rest.starts_with('<') {
            rest = rest.split_once('>').map_or("", |(_, tail)| tail);
            out.push(' ');
        } else {
            let (c, tail) = entity(rest);
            out.push(c);
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

/// The character at the start of `text`, which begins with `&`, and what follows.
fn entity(text: &str) -> (char, &str) {
    const NAME_MAX_BYTES: usize = 8;
    let Some((name, tail)) = text[1..].split_once(';') else { return ('&', &text[1..]) };
    let number = || {
        let digits = name.strip_prefix('#')?;
        let code = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        char::from_u32(code)
    };
    let c = match name {
        _ if name.len() > NAME_MAX_BYTES => None,
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => number(),
    };
    match c {
        Some(c) => (c, tail),
        None => ('&', &text[1..]),
    }
}

/// Adds the texts of a resource as values of `_text` and `_content`.
pub fn texts(rt: ResourceType, resource: Node<'_>, out: &mut Vec<Indexed>) {
    let HumanText { narrative, content } = gather(rt, resource);
    for (code, text) in [("_content", content), ("_text", narrative)] {
        if let Some((param, _)) = params::find(rt, code)
            && !text.is_empty()
        {
            out.push(Indexed { param, value: IndexValue::FullText(text) });
        }
    }
}

/// The words of a resource as values of `_text` and `_content`, for an index; and for each type of
/// which it contains a resource, an empty word under `_id` of that type.
pub fn index_words(rt: ResourceType, resource: Node<'_>, out: &mut Vec<Indexed>) {
    let HumanText { narrative, content } = gather(rt, resource);
    // Usual numbers of words, against which a text counts as long.
    const NARRATIVE_WORDS: u32 = 120;
    const CONTENT_WORDS: u32 = 24;
    for (code, text, usual) in
        [("_content", content, CONTENT_WORDS), ("_text", narrative, NARRATIVE_WORDS)]
    {
        if let Some((param, _)) = params::find(rt, code) {
            weighted(param, &text, usual, out);
        }
    }
    let mut types: Vec<ResourceType> = resource
        .list("contained")
        .filter_map(|inner| ResourceType::from_name(&inner.str("resourceType")?))
        .collect();
    types.sort_unstable();
    types.dedup();
    for inner in types {
        let value = IndexValue::Word { word: String::new(), impact: 0 };
        out.push(Indexed { param: params::id_of(inner), value });
    }
}

/// Distinct words with their impacts.
fn weighted(param: ParamId, text: &str, usual: u32, out: &mut Vec<Indexed>) {
    // Most words are told apart by their first letters, which one comparison sees.
    let mut all: Vec<(u64, &str)> = words(text).map(|word| (head(word), word)).collect();
    let n_words = all.len();
    all.sort_unstable();
    for run in all.chunk_by(|a, b| a == b) {
        let impact = impact(run.len() as f64, n_words as f64 / f64::from(usual));
        let word = run[0].1.to_owned();
        out.push(Indexed { param, value: IndexValue::Word { word, impact } });
    }
}

/// The first bytes of a word as a number that stands in the same order.
fn head(word: &str) -> u64 {
    let mut bytes = [0; 8];
    let n = word.len().min(8);
    bytes[..n].copy_from_slice(&word.as_bytes()[..n]);
    u64::from_be_bytes(bytes)
}

/// Class of a word that stands `n` times in a text of `length` times the usual length.
///
/// Source: the saturation of term frequency and the length norm of BM25 (k1 = 1.2, b = 0.75).
fn impact(n: f64, length: f64) -> u8 {
    let weight = n * 2.2 / (n + 1.2 * (0.25 + 0.75 * length));
    match weight {
        w if w < 0.7 => 0,
        w if w < 1.1 => 1,
        w if w < 1.5 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    fn list(text: &str) -> Vec<String> {
        words(text).map(str::to_owned).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(list("o'brien, well-being 2nd"), ["o", "brien", "well", "being", "2nd"]);
        assert_eq!(list("王小明 ab王"), ["王", "小", "明", "ab", "王"]);
        assert_eq!(list(" -- "), Vec::<String>::new());
    }

    #[test]
    fn queries_mean_what_they_say() {
        let text = "acute heart failure\nno cardiac arrest, well-being";
        for (query, want) in [
            ("heart", true),
            ("HEART Failure", true),
            ("failure heart", true),
            ("heart attack", false),
            ("\"heart failure\"", true),
            ("\"failure heart\"", false),
            ("\"failure no\"", false),
            ("attack | failure", true),
            ("attack|failure", true),
            ("attack OR stroke", false),
            ("attack OR heart failure", true),
            ("heart -failure", false),
            ("heart -attack", true),
            ("heart NOT attack", true),
            ("heart -\"cardiac arrest\"", false),
            ("card*", true),
            ("cardx*", false),
            ("well-being", true),
            ("being-well", false),
            ("\"acute heart fail*\"", false),
            ("hëart AND failure", true),
        ] {
            let parsed = FullText::parse(query).expect(query);
            assert_eq!(parsed.matches(&[text]), want, "{query}");
            assert_eq!(parsed.matches(&["", text]), want, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_a_query_is_refused() {
        let many = "a ".repeat(TERMS_MAX + 1);
        for query in ["", "-a", "a | -b", "\"a", "a*", "***", "|", many.as_str(), &"| ".repeat(100)]
        {
            assert!(FullText::parse(query).is_err(), "{query}");
        }
        assert!(FullText::parse(&"a ".repeat(TERMS_MAX)).is_ok());
        assert!(FullText::parse("ab*").is_ok());
    }

    #[test]
    fn human_text_is_gathered() {
        let doc = Doc::parse(
            r##"{"resourceType":"Observation","id":"obs","meta":{"source":"http://x","tag":[{"display":"Tag"}]},
            "text":{"status":"generated","div":"<div>Body<b>weight</b>&#233;t&eacute; &lt;1<!-- no --></div>"},
            "contained":[{"resourceType":"Patient","id":"p","name":[{"family":"Ångström"}]}],
            "extension":[{"url":"http://e","valueString":"Extra"}],
            "identifier":[{"value":"12345","type":{"text":"Number"}}],"status":"final",
            "code":{"coding":[{"system":"http://loinc.org","version":"2.7","code":"29463-7","display":"Weight"}]},
            "subject":{"reference":"Patient/1","display":"Ann"},
            "valueQuantity":{"value":1,"unit":"kilogram","code":"kg"},"note":[{"text":"Fine *today*"}]}"##,
        )
        .expect("JSON");
        let text = gather(ResourceType::OBSERVATION, doc.root());
        assert_eq!(text.narrative, "body weight et&eacute; <1");
        assert_eq!(text.content, "angstrom\nextra\nnumber\nweight\nann\nfine *today*");
    }

    #[test]
    fn text_is_cut_at_the_limit_between_words() {
        let mut out = String::new();
        line(&"ab ".repeat(TEXT_MAX_BYTES), &mut out);
        assert!(out.len() <= TEXT_MAX_BYTES && out.len() > TEXT_MAX_BYTES - 4);
        assert!(words(&out).all(|word| word == "ab"));
        line("more", &mut out);
        assert!(!out.contains("more"));
        let mut exact = String::new();
        line(&"a".repeat(TEXT_MAX_BYTES - 1), &mut exact);
        assert_eq!(exact.len(), TEXT_MAX_BYTES - 1);
        let mut over = String::new();
        line(&"a".repeat(TEXT_MAX_BYTES), &mut over);
        assert_eq!(over, "", "half a word is none");
    }

    #[test]
    fn plain_text_is_folded_as_any_text() {
        for text in ["a", " A\tb\n\nC ", "  ", "O'Brien-2", "\u{1c}x\u{b}y\u{7f}", "<p> </p>"] {
            let mut out = "before".to_owned();
            line(text, &mut out);
            let folded = normalize(text);
            let want =
                if folded.is_empty() { "before".to_owned() } else { format!("before\n{folded}") };
            assert_eq!(out, want, "{text:?}");
        }
    }

    #[test]
    fn frequent_words_in_short_texts_count_most() {
        assert!(impact(1.0, 1.0) == 1 && impact(1.0, 0.3) == 2 && impact(3.0, 0.1) == 3);
        assert_eq!(impact(1.0, 10.0), 0);
    }
}
