//! Tokens to syntax tree, by operator strength.
//!
//! Source: FHIRPath N1, ANTLR grammar and §6.8 (precedence). All binary operators associate to the
//! left. Names after a dot may be any word, so that `text.div` reads as R4's invariants mean it.

use crate::ast::{
    Ast, AstKind, BinaryOp, Literal, SIGN_STRENGTH, TYPE_STRENGTH, TypeName, Unit, is_calendar_unit,
};
use crate::error::Error;
use crate::lexer::{Tok, Token, tokens};
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};

/// The syntax tree of `text`.
///
/// Errors: syntax, with the position of the first token that does not fit; too long; too deep.
pub fn parse(text: &str) -> Result<Ast, Error> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let text = format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes");
        return Err(Error::syntax(0, text));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, nesting: 0 };
    let tree = parser.expression(0)?;
    match parser.peek() {
        Tok::End => Ok(tree.ast),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Open recursive calls of `expression`.
    nesting: u32,
}

/// A tree and how deep it is, so that later recursion over it is bounded.
struct Deep {
    ast: Ast,
    depth: u32,
}

impl Parser {
    fn peek(&self) -> &Tok {
        &self.tokens[self.at].tok
    }

    fn position(&self) -> u32 {
        self.tokens[self.at].position
    }

    fn advance(&mut self) -> Tok {
        let tok = self.tokens[self.at].tok.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        tok
    }

    fn eat(&mut self, sym: &str) -> bool {
        let found = matches!(self.peek(), Tok::Sym(s) if *s == sym);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sym: &str) -> Result<(), Error> {
        if self.eat(sym) { Ok(()) } else { Err(self.unexpected(&format!("`{sym}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.peek() {
            Tok::Ident(word) => format!("`{word}`"),
            Tok::Sym(sym) => format!("`{sym}`"),
            Tok::End => "the end".to_owned(),
            Tok::Str(_) => "a string".to_owned(),
            Tok::Number(text) => format!("`{text}`"),
            Tok::Delimited(name) => format!("`{name}`"),
            Tok::Dollar(name) => format!("`${name}`"),
            Tok::External(name) => format!("`%{name}`"),
            Tok::Date(_) | Tok::DateTime(_) | Tok::Time(_) => "a date or time".to_owned(),
        };
        Error::syntax(self.position(), format!("expected {wanted}, found {found}"))
    }

    fn deep(&self, kind: AstKind, position: u32, depth: u32) -> Result<Deep, Error> {
        if depth > EXPRESSION_DEPTH_MAX {
            let text = format!("the expression is nested deeper than {EXPRESSION_DEPTH_MAX}");
            return Err(Error::syntax(position, text));
        }
        Ok(Deep { ast: Ast { kind, position }, depth })
    }

    /// An expression whose operators bind at least as strongly as `strength_min`.
    fn expression(&mut self, strength_min: u8) -> Result<Deep, Error> {
        self.nesting += 1;
        if self.nesting > EXPRESSION_DEPTH_MAX {
            let text = format!("the expression is nested deeper than {EXPRESSION_DEPTH_MAX}");
            return Err(Error::syntax(self.position(), text));
        }
        let mut left = self.unary()?;
        loop {
            let position = self.position();
            let word = match self.peek() {
                Tok::Sym(sym) => *sym,
                Tok::Ident(word) => word.as_str(),
                _ => break,
            };
            if matches!(word, "is" | "as") {
                if TYPE_STRENGTH < strength_min {
                    break;
                }
                let cast = word == "as";
                self.advance();
                let name = self.type_name()?;
                let kind = AstKind::Type(cast, Box::new(left.ast), name);
                left = self.deep(kind, position, left.depth + 1)?;
                continue;
            }
            let Some(op) = BinaryOp::from_text(word) else { break };
            if op.strength() < strength_min {
                break;
            }
            self.advance();
            let right = self.expression(op.strength() + 1)?;
            let depth = left.depth.max(right.depth) + 1;
            let kind = AstKind::Binary(op, Box::new(left.ast), Box::new(right.ast));
            left = self.deep(kind, position, depth)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Deep, Error> {
        let position = self.position();
        let negative = match self.peek() {
            Tok::Sym("-") => true,
            Tok::Sym("+") => false,
            _ => return self.postfix(),
        };
        self.advance();
        let operand = self.expression(SIGN_STRENGTH)?;
        let kind = AstKind::Sign(negative, Box::new(operand.ast));
        self.deep(kind, position, operand.depth + 1)
    }

    fn postfix(&mut self) -> Result<Deep, Error> {
        let mut target = self.term()?;
        loop {
            let position = self.position();
            if self.eat(".") {
                target = self.invocation_after_dot(target)?;
            } else if self.eat("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                let depth = target.depth.max(index.depth) + 1;
                let kind = AstKind::Indexer(Box::new(target.ast), Box::new(index.ast));
                target = self.deep(kind, position, depth)?;
            } else {
                return Ok(target);
            }
        }
    }

    fn invocation_after_dot(&mut self, target: Deep) -> Result<Deep, Error> {
        let position = self.position();
        let name = match self.peek() {
            Tok::Ident(name) | Tok::Delimited(name) => name.clone(),
            _ => return Err(self.unexpected("a name")),
        };
        self.advance();
        self.invocation(Some(target), name, position)
    }

    /// A member or a call; the name has been read.
    fn invocation(
        &mut self,
        target: Option<Deep>,
        name: String,
        position: u32,
    ) -> Result<Deep, Error> {
        let mut depth = target.as_ref().map_or(0, |t| t.depth) + 1;
        let target = target.map(|t| Box::new(t.ast));
        if !self.eat("(") {
            return self.deep(AstKind::Member(target, name), position, depth);
        }
        let mut args = Vec::new();
        if !self.eat(")") {
            loop {
                let arg = self.argument(&name)?;
                depth = depth.max(arg.depth + 1);
                args.push(arg.ast);
                if self.eat(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        self.deep(AstKind::Call(target, name, args), position, depth)
    }

    /// An argument. `sort` takes `key asc` and `key desc`; the latter reads as `-key`.
    fn argument(&mut self, function: &str) -> Result<Deep, Error> {
        let arg = self.expression(0)?;
        let descending = match self.peek() {
            Tok::Ident(word) if function == "sort" && word == "asc" => false,
            Tok::Ident(word) if function == "sort" && word == "desc" => true,
            _ => return Ok(arg),
        };
        let position = self.position();
        self.advance();
        if !descending {
            return Ok(arg);
        }
        self.deep(AstKind::Sign(true, Box::new(arg.ast)), position, arg.depth + 1)
    }

    fn term(&mut self) -> Result<Deep, Error> {
        let position = self.position();
        let literal = |parser: &Self, literal| parser.deep(AstKind::Literal(literal), position, 1);
        match self.peek() {
            Tok::Sym("(") => {
                self.advance();
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Tok::Sym("{") => {
                self.advance();
                self.expect("}")?;
                return literal(self, Literal::Empty);
            }
            Tok::Sym(_) | Tok::End => return Err(self.unexpected("a value or a name")),
            Tok::Ident(word) if is_reserved(word) => {
                return Err(self.unexpected("a value or a name"));
            }
            _ => {}
        }
        match self.advance() {
            Tok::Ident(word) if word == "true" => literal(self, Literal::Boolean(true)),
            Tok::Ident(word) if word == "false" => literal(self, Literal::Boolean(false)),
            Tok::Ident(name) | Tok::Delimited(name) => self.invocation(None, name, position),
            Tok::Str(text) => literal(self, Literal::String(text)),
            Tok::Number(text) => {
                let value = self.number(text);
                literal(self, value)
            }
            Tok::Date(date) => literal(self, Literal::Date(date)),
            Tok::DateTime(value) => literal(self, Literal::DateTime(value)),
            Tok::Time(time) => literal(self, Literal::Time(time)),
            Tok::Dollar(name) => self.deep(dollar(&name), position, 1),
            Tok::External(name) => self.deep(AstKind::External(name), position, 1),
            Tok::Sym(_) | Tok::End => Err(Error::syntax(position, "expected a value or a name")),
        }
    }

    /// A number, or a quantity when a unit follows.
    fn number(&mut self, text: String) -> Literal {
        match self.peek().clone() {
            Tok::Str(unit) => {
                self.advance();
                Literal::Quantity(text, Unit::Ucum(unit))
            }
            Tok::Ident(word) if is_calendar_unit(&word) => {
                self.advance();
                Literal::Quantity(text, Unit::Calendar(word))
            }
            _ => Literal::Number(text),
        }
    }

    fn type_name(&mut self) -> Result<TypeName, Error> {
        let first = self.name()?;
        if self.eat(".") {
            let name = self.name()?;
            return Ok(TypeName { namespace: Some(first), name });
        }
        Ok(TypeName { namespace: None, name: first })
    }

    fn name(&mut self) -> Result<String, Error> {
        match self.peek() {
            Tok::Ident(name) | Tok::Delimited(name) => {
                let name = name.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.unexpected("a type's name")),
        }
    }
}

fn dollar(name: &str) -> AstKind {
    match name {
        "index" => AstKind::Index,
        "total" => AstKind::Total,
        _ => AstKind::This,
    }
}

/// Words that cannot begin a term; `as`, `is`, `in` and `contains` can (they are identifiers).
fn is_reserved(word: &str) -> bool {
    matches!(word, "div" | "mod" | "and" | "or" | "xor" | "implies")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn print(text: &str) -> String {
        parse(text).expect(text).to_string()
    }

    #[test]
    fn precedence() {
        assert_eq!(print("1+2*3"), "1 + 2 * 3");
        assert_eq!(print("(1+2)*3"), "(1 + 2) * 3");
        assert_eq!(print("1-(2-3)"), "1 - (2 - 3)");
        assert_eq!(print("((1-2)-3)"), "1 - 2 - 3");
        assert_eq!(print("-1.abs()"), "-1.abs()");
        assert_eq!(print("(-1).abs()"), "(-1).abs()");
        assert_eq!(print("1 | 1 is Integer"), "1 | 1 is Integer");
        assert_eq!(print("(1 | 1) is Integer"), "(1 | 1) is Integer");
        assert_eq!(print("a or b and c implies d"), "a or b and c implies d");
        assert_eq!(print("4 days.x"), "4 days.x");
        assert_eq!(print("text.div"), "text.`div`");
    }

    #[test]
    fn names_that_are_also_words() {
        assert_eq!(print("is.as.contains(in)"), "`is`.`as`.`contains`(`in`)");
        assert!(parse("and").is_err());
    }

    #[test]
    fn errors_have_positions() {
        for (text, position) in [("2 + 2 /", 7), ("a..b", 2), ("a(1", 3), ("a b", 2), ("", 0)] {
            let error = parse(text).expect_err(text);
            assert_eq!((error.kind, error.position), (ErrorKind::Syntax, position), "{text}");
        }
    }

    #[test]
    fn limits() {
        let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&deep(EXPRESSION_DEPTH_MAX as usize - 1)).is_ok());
        assert!(parse(&deep(EXPRESSION_DEPTH_MAX as usize)).is_err());
        let chain = |n: usize| vec!["a"; n].join(".");
        assert!(parse(&chain(EXPRESSION_DEPTH_MAX as usize)).is_ok());
        assert!(parse(&chain(EXPRESSION_DEPTH_MAX as usize + 1)).is_err());
        let long = |n: usize| format!("'{}'", "x".repeat(n - 2));
        assert!(parse(&long(EXPRESSION_BYTES_MAX)).is_ok());
        assert!(parse(&long(EXPRESSION_BYTES_MAX + 1)).is_err());
    }
}
