//! `_filter`: conditions with `and`, `or`, `not` and parentheses.
//!
//! Source: FHIR R4 search_filter.html. `and` and `or` bind alike, from left to right.
//! Deviation: tokens are compared with their case, as everywhere (see the matcher).
//! Not here: `co` on numbers, whose stated precision the index does not keep; the additional
//! parameters of search_filter.html#params but for those that R4 has a composite for.

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, SearchKind, SearchParam};

use super::node::{self, Fail};
use super::{
    FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, REFUSED, Reading, operand,
    read_criterion, read_modifier, shown, terms, unknown,
};
use crate::query::{Criterion, FilterOp, Modifier, Node};
use crate::value::ParamId;

/// Systems that may be written by these names (search_filter.html, "Notes").
const SYSTEMS: &[(&str, &str)] = &[
    ("loinc", "http://loinc.org"),
    ("snomed", "http://snomed.info/sct"),
    ("rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("ucum", "http://unitsofmeasure.org"),
];

/// `name[filter].name` where `name` is a repeating element: the composite, the code that it has
/// for the part in brackets and for the part behind, in the composite's order.
///
/// Source: search_filter.html#params.
struct Element {
    rt: ResourceType,
    name: &'static str,
    composite: &'static str,
    /// Names of the components, in their order.
    parts: [&'static str; 2],
}

const ELEMENTS: &[Element] = &[
    Element {
        rt: ResourceType::GROUP,
        name: "characteristic",
        composite: "characteristic-value",
        parts: ["code", "value"],
    },
    Element {
        rt: ResourceType::DOCUMENT_REFERENCE,
        name: "relatesTo",
        composite: "relationship",
        parts: ["target", "code"],
    },
];

/// Reads the text of a `_filter` on resources of type `rt`.
pub(super) fn read(reading: &Reading<'_>, rt: ResourceType, text: &str) -> Result<Node, Fail> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(too_costly(format!(
            "_filter may be {FILTER_BYTES_MAX} bytes long; this one has {}.",
            text.len()
        )));
    }
    let mut parser = Parser { text, at: 0, n_terms: 0 };
    parser.blanks();
    let tree = parser.expression(0)?;
    if parser.at < text.len() {
        return Err(parser.expected("'and', 'or' or the end"));
    }
    make(reading, rt, &tree, 0)
}

fn too_costly(text: String) -> Fail {
    Fail::TooCostly(Issue::error(IssueType::TooCostly, "", text))
}

fn bad(text: String) -> Fail {
    Fail::Bad(Issue::error(IssueType::Invalid, "", format!("Parameter '_filter' {text}.")))
}

/// A filter as it is written.
enum Tree<'t> {
    And(Vec<Tree<'t>>),
    Or(Vec<Tree<'t>>),
    Not(Box<Tree<'t>>),
    Test { path: Vec<Link<'t>>, op: &'t str, value: Value },
}

/// A name of a path and what stands in brackets behind it.
struct Link<'t> {
    name: &'t str,
    within: Option<Box<Tree<'t>>>,
}

struct Value {
    text: String,
    /// It stood in quotation marks: every character stands for itself.
    is_quoted: bool,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    n_terms: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, what: &str) -> Fail {
        let found = match self.rest() {
            "" => "the end".to_owned(),
            rest => format!("'{}'", shown(rest)),
        };
        let at = self.text[..self.at].chars().count() + 1;
        bad(format!("needs {what} at character {at}; there is {found}"))
    }

    fn eat(&mut self, token: char) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len_utf8();
            self.blanks();
        }
        found
    }

    /// The word `word`, which a blank or a parenthesis ends.
    fn eat_word(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest().strip_prefix(word) else { return false };
        let ends = rest.starts_with(|c: char| c.is_whitespace() || c == '(');
        if ends {
            self.at += word.len();
            self.blanks();
        }
        ends
    }

    fn expression(&mut self, depth: usize) -> Result<Tree<'t>, Fail> {
        if depth > FILTER_DEPTH_MAX {
            let text = format!("_filter may be nested {FILTER_DEPTH_MAX} deep.");
            return Err(too_costly(text));
        }
        let mut tree = self.term(depth)?;
        loop {
            if self.eat_word("and") {
                let next = self.term(depth)?;
                match &mut tree {
                    Tree::And(list) => list.push(next),
                    _ => tree = Tree::And(vec![tree, next]),
                }
            } else if self.eat_word("or") {
                let next = self.term(depth)?;
                match &mut tree {
                    Tree::Or(list) => list.push(next),
                    _ => tree = Tree::Or(vec![tree, next]),
                }
            } else {
                return Ok(tree);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Tree<'t>, Fail> {
        if self.eat_word("not") {
            if !self.rest().starts_with('(') {
                return Err(self.expected("'(' behind 'not'"));
            }
            return Ok(Tree::Not(Box::new(self.term(depth)?)));
        }
        if self.eat('(') {
            // What stands in parentheses stays apart from what stands beside them.
            let inner = self.expression(depth + 1)?;
            if !self.eat(')') {
                return Err(self.expected("')'"));
            }
            return Ok(match inner {
                Tree::And(_) | Tree::Or(_) => Tree::And(vec![inner]),
                other => other,
            });
        }
        self.test(depth)
    }

    fn test(&mut self, depth: usize) -> Result<Tree<'t>, Fail> {
        self.n_terms += 1;
        if self.n_terms > FILTER_TERMS_MAX {
            return Err(too_costly(format!("_filter may have {FILTER_TERMS_MAX} comparisons.")));
        }
        let mut path = Vec::new();
        loop {
            let name = self.name()?;
            let mut within = None;
            if self.rest().starts_with('[') {
                self.eat('[');
                within = Some(Box::new(self.expression(depth + 1)?));
                if !self.rest().starts_with(']') {
                    return Err(self.expected("']'"));
                }
                self.at += 1;
                if !self.rest().starts_with('.') {
                    return Err(self.expected("'.' and a name behind ']'"));
                }
            }
            path.push(Link { name, within });
            if !self.rest().starts_with('.') {
                break;
            }
            self.at += 1;
        }
        if path.len() > super::CHAIN_LINKS_MAX + 1 {
            let n = super::CHAIN_LINKS_MAX;
            return Err(too_costly(format!("_filter may follow {n} references in one path.")));
        }
        if !self.rest().starts_with(char::is_whitespace) {
            return Err(self.expected("a blank and an operator, as in 'name co \"pet\"',"));
        }
        self.blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let op = &rest[..end];
        if !OPS.contains(&op) {
            return Err(self.expected(&format!("one of the operators {}", OPS.join(", "))));
        }
        self.at += end;
        if !self.rest().starts_with(char::is_whitespace) {
            return Err(self.expected("a blank and a value"));
        }
        self.blanks();
        let value = self.value()?;
        self.blanks();
        Ok(Tree::Test { path, op, value })
    }

    /// A parameter's name; a reference may name the type that it leads to, as in `subject:Patient`.
    fn name(&mut self) -> Result<&'t str, Fail> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        if end == 0 || rest.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
            return Err(self.expected("the name of a search parameter"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn value(&mut self) -> Result<Value, Fail> {
        let rest = self.rest();
        if rest.starts_with('"') {
            // The end is the first quotation mark behind an even number of backslashes.
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            let Some((end, _)) = end else {
                return Err(self.expected("a '\"' that ends the string"));
            };
            let text = fhir::json::Value::parse(rest[..=end].to_owned()).ok();
            let Some(text) = text.as_ref().and_then(|v| v.as_str()) else {
                return Err(self.expected("a JSON string"));
            };
            let text = text.to_owned();
            self.at += end + 1;
            return Ok(Value { text, is_quoted: true });
        }
        let ends = |c: char| c.is_whitespace() || c == ')' || c == ']';
        let end = rest.find(ends).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a value"));
        }
        self.at += end;
        Ok(Value { text: rest[..end].to_owned(), is_quoted: false })
    }
}

const OPS: &[&str] = &[
    "eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb",
    "in", "ni", "re",
];

fn make(
    reading: &Reading<'_>,
    rt: ResourceType,
    tree: &Tree<'_>,
    links: usize,
) -> Result<Node, Fail> {
    let all = |list: &[Tree<'_>]| {
        list.iter().map(|tree| make(reading, rt, tree, links)).collect::<Result<Vec<_>, _>>()
    };
    match tree {
        Tree::And(list) => Ok(Node::And(all(list)?)),
        Tree::Or(list) => Ok(Node::Or(all(list)?)),
        Tree::Not(tree) => Ok(Node::Not(Box::new(make(reading, rt, tree, links)?))),
        Tree::Test { path, op, value } => follow(reading, rt, path, op, value, links),
    }
}

fn follow(
    reading: &Reading<'_>,
    rt: ResourceType,
    path: &[Link<'_>],
    op: &str,
    value: &Value,
    links: usize,
) -> Result<Node, Fail> {
    node::spend(reading, "_filter", links)?;
    let [link, rest @ ..] = path else { return Err(bad("has an empty path".into())) };
    if rest.is_empty() {
        return compare(reading, rt, link.name, op, value);
    }
    if let Some(element) = ELEMENTS.iter().find(|e| e.rt == rt && e.name == link.name) {
        return element.read(reading, link, rest, op, value);
    }
    let sub = |ty: ResourceType| {
        let behind = follow(reading, ty, rest, op, value, links + 1)?;
        match &link.within {
            None => Ok(behind),
            Some(within) => Ok(Node::And(vec![make(reading, ty, within, links + 1)?, behind])),
        }
    };
    node::read_chain(rt, link.name, "_filter", reading.setting, &sub)
}

impl Element {
    /// `characteristic[code eq x].value eq y` asks of one occurrence what the composite asks.
    fn read(
        &self,
        reading: &Reading<'_>,
        link: &Link<'_>,
        rest: &[Link<'_>],
        op: &str,
        value: &Value,
    ) -> Result<Node, Fail> {
        let form = || {
            let [a, b] = self.parts;
            bad(format!(
                "uses '{name}' in a form that is not offered; the forms are \
                 {name}[{a} eq x].{b} eq y and {name}[{b} eq x].{a} eq y",
                name = self.name
            ))
        };
        let Some(Tree::Test { path: inner, op: inner_op, value: inner_value }) =
            link.within.as_deref()
        else {
            return Err(form());
        };
        let ([inner], [outer]) = (&inner[..], rest) else { return Err(form()) };
        let is_equal = |op: &str| matches!(op, "eq" | "re");
        if !is_equal(op) || !is_equal(inner_op) {
            return Err(form());
        }
        let (first, second) = match [inner.name, outer.name] {
            [a, b] if [a, b] == self.parts => (inner_value, value),
            [a, b] if [b, a] == self.parts => (value, inner_value),
            _ => return Err(form()),
        };
        let text = format!("{}${}", first.escaped(), second.escaped());
        let (id, param) = find(reading, self.rt, self.composite)?;
        let criterion = read_criterion("_filter", id, param, Modifier::None, &text, reading)?;
        Ok(Node::Criterion(criterion))
    }
}

impl Value {
    /// The value for the reader of parameters, which cuts at commas and `$`.
    fn escaped(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        for c in self.text.chars() {
            // A token keeps its own escapes and the bar between system and code.
            let is_own = c == ',' || c == '$' || (self.is_quoted && c == '\\');
            if is_own {
                out.push('\\');
            }
            out.push(c);
        }
        out
    }
}

fn find(
    reading: &Reading<'_>,
    rt: ResourceType,
    code: &str,
) -> Result<(ParamId, &'static SearchParam), Fail> {
    super::find(rt, code, "_filter", reading.setting)?
        .ok_or_else(|| Fail::Passable(unknown(rt, code)))
}

/// A comparison of one parameter of the type.
fn compare(
    reading: &Reading<'_>,
    rt: ResourceType,
    code: &str,
    op: &str,
    value: &Value,
) -> Result<Node, Fail> {
    if let Some((code, modifier)) = code.split_once(':') {
        let text = format!("has ':{}' behind '{code}': use an operator", shown(modifier));
        return Err(bad(text));
    }
    if REFUSED.contains(&code) || matches!(code, "_filter" | "_has" | "_list" | "_type") {
        return Err(bad(format!("cannot have '{code}' inside")));
    }
    let (id, param) = find(reading, rt, code)?;
    let is_plain = param.kind != SearchKind::Special && !param.expression.is_empty();
    if !is_plain || terms::has_own_form(param) {
        return Err(bad(format!("cannot compare '{code}'; give it as a parameter of its own")));
    }
    let kind = param.kind;
    let criterion = |modifier: Modifier, prefix: &str| -> Result<Node, Fail> {
        let text = format!("{prefix}{}", with_system(kind, value).escaped());
        let found = read_criterion("_filter", id, param, modifier, &text, reading)?;
        Ok(Node::Criterion(found))
    };
    // A value is no operator: `eq gt5` is no number.
    let is_prefixed = matches!(kind, SearchKind::Number | SearchKind::Date | SearchKind::Quantity);
    let eq = if is_prefixed { "eq" } else { "" };
    let filter = |op: FilterOp| criterion(Modifier::Filter(op), eq);
    let modifier = |text: &str| criterion(read_modifier("_filter", param, text)?, "");
    let refused = || {
        bad(format!("has '{code} {op}', and {op} has no meaning for a {} parameter", kind.as_str()))
    };
    if code == "_id" {
        return match op {
            "eq" => criterion(Modifier::None, ""),
            "ne" => criterion(Modifier::Not, ""),
            _ => Err(refused()),
        };
    }
    use SearchKind as K;
    match (op, kind) {
        ("pr", _) if code != "_lastUpdated" => present(id, kind, value),
        ("eq", K::Composite) => criterion(Modifier::None, ""),
        (_, K::Composite | K::Special) => Err(refused()),
        ("eq" | "re", K::Reference) => criterion(Modifier::None, ""),
        ("ne", K::Number | K::Date | K::Quantity) if code == "_lastUpdated" => {
            criterion(Modifier::None, "ne")
        }
        ("eq", K::Date) if code == "_lastUpdated" => criterion(Modifier::None, "eq"),
        ("eq", _) => filter(FilterOp::Same),
        ("ne", _) => filter(FilterOp::Differs),
        ("co", K::String) => criterion(Modifier::Contains, ""),
        ("co", K::Date) if code != "_lastUpdated" => filter(FilterOp::Covers),
        // search_filter.html#ops: whether a value's implicit imprecision includes the stated one.
        ("co", K::Number) => Err(bad(format!(
            "has '{code} co', which compares the precision that stored numbers were written with; \
             values are indexed without it: ask with 'ap', or with 'ge' and 'le'"
        ))),
        ("sw", K::String) => criterion(Modifier::None, ""),
        ("ew", K::String) => filter(FilterOp::EndsWith),
        ("gt", K::String) => filter(FilterOp::Greater),
        ("lt", K::String) => filter(FilterOp::Less),
        ("ge", K::String) => filter(FilterOp::GreaterOrSame),
        ("le", K::String) => filter(FilterOp::LessOrSame),
        ("gt" | "lt" | "ge" | "le" | "ap" | "sa" | "eb", K::Number | K::Date | K::Quantity) => {
            criterion(Modifier::None, op)
        }
        ("po", K::Date) => overlaps(criterion(Modifier::None, "eq")?),
        ("ss", K::Token) => modifier("below"),
        ("sb", K::Token) => modifier("above"),
        ("in", K::Token) => modifier("in"),
        ("ni", K::Token) => modifier("not-in"),
        _ => Err(refused()),
    }
}

/// `loinc|1234-5` with the whole system.
fn with_system(kind: SearchKind, value: &Value) -> Value {
    let position = match kind {
        SearchKind::Token => 0,
        SearchKind::Quantity => 1,
        _ => return Value { text: value.text.clone(), is_quoted: value.is_quoted },
    };
    let mut parts = operand::split(&value.text, '|');
    if parts.len() > position + 1
        && let Some((_, url)) = SYSTEMS.iter().find(|(name, _)| *name == parts[position])
    {
        parts[position] = url;
    }
    Value { text: parts.join("|"), is_quoted: value.is_quoted }
}

fn present(param: ParamId, kind: SearchKind, value: &Value) -> Result<Node, Fail> {
    let missing = match value.text.as_str() {
        "true" => false,
        "false" => true,
        _ => return Err(bad("has 'pr' with a value other than true or false".into())),
    };
    let operands = vec![crate::query::Operand::Missing(missing)];
    let modifier = Modifier::Missing;
    Ok(Node::Criterion(Criterion { param, kind, modifier, operands, implied: Vec::new() }))
}

/// `po`: the periods overlap, which is what `ap` asks of an interval that is not widened.
fn overlaps(mut node: Node) -> Result<Node, Fail> {
    if let Node::Criterion(criterion) = &mut node {
        for operand in &mut criterion.operands {
            if let crate::query::Operand::Date { prefix, .. } = operand {
                *prefix = crate::query::Prefix::Ap;
            }
        }
    }
    Ok(node)
}
