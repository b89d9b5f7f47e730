//! The syntax tree, and its text.
//!
//! Source: FHIRPath N1, ANTLR grammar.
//! Printing puts parentheses only where the grammar needs them: `parse(print(tree)) = tree`.

use std::fmt;

use crate::temporal::{Date, DateTime, Precision, Time};

/// A node of the syntax tree. Equality is of meaning: positions do not count.
#[derive(Clone, Debug)]
pub struct Ast {
    /// What it is.
    pub kind: AstKind,
    /// Byte offset in the text: of the operator for operators, of the name for members and calls.
    pub position: u32,
}

impl PartialEq for Ast {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of syntax node. A missing target is the current focus.
#[derive(Clone, Debug, PartialEq)]
pub enum AstKind {
    /// A value written out.
    Literal(Literal),
    /// `$this`.
    This,
    /// `$index`.
    Index,
    /// `$total`.
    Total,
    /// `%name`.
    External(String),
    /// `target.name`.
    Member(Option<Box<Ast>>, String),
    /// `target.name(args)`.
    Call(Option<Box<Ast>>, String, Vec<Ast>),
    /// `target[index]`.
    Indexer(Box<Ast>, Box<Ast>),
    /// Unary `+` (false) or `-` (true).
    Sign(bool, Box<Ast>),
    /// Binary operator.
    Binary(BinaryOp, Box<Ast>, Box<Ast>),
    /// `operand is Type` (false) or `operand as Type` (true).
    Type(bool, Box<Ast>, TypeName),
}

/// A value written in the expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `{}`.
    Empty,
    /// `true`, `false`.
    Boolean(bool),
    /// Single-quoted text, decoded.
    String(String),
    /// Digits, with a fraction or without; never signed.
    Number(String),
    /// `@2015-02`.
    Date(Date),
    /// `@2015-02T`.
    DateTime(DateTime),
    /// `@T10:30`.
    Time(Time),
    /// `10 'mg'`, `4 days`.
    Quantity(String, Unit),
}

/// The unit of a quantity literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Unit {
    /// UCUM code in quotes.
    Ucum(String),
    /// Calendar word, as written: `day`, `days`.
    Calendar(String),
}

/// `System.Integer`, `Patient`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// `System` or `FHIR`, when stated.
    pub namespace: Option<String>,
    /// The type's name.
    pub name: String,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operators' names in the specification")]
pub enum BinaryOp {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    LessOrEqual,
    Less,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

/// Strength of `is` and `as`.
pub(crate) const TYPE_STRENGTH: u8 = 9;
/// Strength of unary `+` and `-`.
pub(crate) const SIGN_STRENGTH: u8 = 12;
/// Strength of `.` and `[]`.
const POSTFIX_STRENGTH: u8 = 13;

impl BinaryOp {
    /// How the operator is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Div => "div",
            Self::Mod => "mod",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concatenate => "&",
            Self::Union => "|",
            Self::LessOrEqual => "<=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "=",
            Self::Equivalent => "~",
            Self::NotEqual => "!=",
            Self::NotEquivalent => "!~",
            Self::In => "in",
            Self::Contains => "contains",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
            Self::Implies => "implies",
        }
    }

    /// How strongly it binds: higher binds tighter. Source: N1 §6.8.
    pub(crate) fn strength(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Div | Self::Mod => 11,
            Self::Add | Self::Subtract | Self::Concatenate => 10,
            Self::Union => 8,
            Self::LessOrEqual | Self::Less | Self::Greater | Self::GreaterOrEqual => 7,
            Self::Equal | Self::Equivalent | Self::NotEqual | Self::NotEquivalent => 6,
            Self::In | Self::Contains => 5,
            Self::And => 4,
            Self::Or | Self::Xor => 3,
            Self::Implies => 2,
        }
    }

    /// The operator that a symbol or word stands for.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "div" => Self::Div,
            "mod" => Self::Mod,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "&" => Self::Concatenate,
            "|" => Self::Union,
            "<=" => Self::LessOrEqual,
            "<" => Self::Less,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "=" => Self::Equal,
            "~" => Self::Equivalent,
            "!=" => Self::NotEqual,
            "!~" => Self::NotEquivalent,
            "in" => Self::In,
            "contains" => Self::Contains,
            "and" => Self::And,
            "or" => Self::Or,
            "xor" => Self::Xor,
            "implies" => Self::Implies,
            _ => return None,
        })
    }
}

impl Ast {
    fn strength(&self) -> u8 {
        match &self.kind {
            AstKind::Binary(op, ..) => op.strength(),
            AstKind::Type(..) => TYPE_STRENGTH,
            AstKind::Sign(..) => SIGN_STRENGTH,
            AstKind::Literal(Literal::Quantity(..)) => POSTFIX_STRENGTH,
            _ => POSTFIX_STRENGTH,
        }
    }

    /// Prints with parentheses when it binds weaker than its place asks for.
    fn print(&self, strength_min: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.strength() < strength_min {
            return write!(f, "({self})");
        }
        match &self.kind {
            AstKind::Literal(literal) => write!(f, "{literal}"),
            AstKind::This => f.write_str("$this"),
            AstKind::Index => f.write_str("$index"),
            AstKind::Total => f.write_str("$total"),
            AstKind::External(name) => {
                f.write_str("%")?;
                if is_word(name) { f.write_str(name) } else { write_quoted(name, '`', f) }
            }
            AstKind::Member(target, name) => {
                print_target(target.as_deref(), f)?;
                write_name(name, f)
            }
            AstKind::Call(target, name, args) => {
                print_target(target.as_deref(), f)?;
                write_name(name, f)?;
                f.write_str("(")?;
                for (i, arg) in args.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    arg.print(0, f)?;
                }
                f.write_str(")")
            }
            AstKind::Indexer(target, index) => {
                target.print(POSTFIX_STRENGTH, f)?;
                f.write_str("[")?;
                index.print(0, f)?;
                f.write_str("]")
            }
            AstKind::Sign(negative, operand) => {
                f.write_str(if *negative { "-" } else { "+" })?;
                operand.print(SIGN_STRENGTH, f)
            }
            AstKind::Binary(op, left, right) => {
                left.print(op.strength(), f)?;
                write!(f, " {} ", op.text())?;
                right.print(op.strength() + 1, f)
            }
            AstKind::Type(cast, operand, name) => {
                operand.print(TYPE_STRENGTH, f)?;
                write!(f, " {} {name}", if *cast { "as" } else { "is" })
            }
        }
    }
}

fn print_target(target: Option<&Ast>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match target {
        Some(target) => {
            target.print(POSTFIX_STRENGTH, f)?;
            f.write_str(".")
        }
        None => Ok(()),
    }
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(0, f)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("{}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::String(text) => write_quoted(text, '\'', f),
            Self::Number(text) => f.write_str(text),
            Self::Date(date) => write!(f, "@{date}"),
            Self::DateTime(value) if value.precision() <= Precision::Day => write!(f, "@{value}T"),
            Self::DateTime(value) => write!(f, "@{value}"),
            Self::Time(time) => write!(f, "@T{time}"),
            Self::Quantity(value, Unit::Ucum(unit)) => {
                write!(f, "{value} ")?;
                write_quoted(unit, '\'', f)
            }
            Self::Quantity(value, Unit::Calendar(unit)) => write!(f, "{value} {unit}"),
        }
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write_name(namespace, f)?;
            f.write_str(".")?;
        }
        write_name(&self.name, f)
    }
}

fn is_word(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Words that the grammar may take for something else than a name.
fn is_keyword(name: &str) -> bool {
    BinaryOp::from_text(name).is_some()
        || matches!(name, "is" | "as" | "true" | "false")
        || is_calendar_unit(name)
}

/// `year`, `years`, …, `milliseconds`.
pub(crate) fn is_calendar_unit(word: &str) -> bool {
    let singular = word.strip_suffix('s').unwrap_or(word);
    ["year", "month", "week", "day", "hour", "minute", "second", "millisecond"].contains(&singular)
}

fn write_name(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is_word(name) && !is_keyword(name) { f.write_str(name) } else { write_quoted(name, '`', f) }
}

fn write_quoted(text: &str, quote: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write as _;
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{c}' => f.write_str("\\f")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}
