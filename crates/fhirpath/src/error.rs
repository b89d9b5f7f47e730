//! What can go wrong with an expression, and where.
//!
//! Source: FHIRPath N1 §1 (syntax), §7 (strict evaluation), official suite (`invalid="syntax"`,
//! `"semantic"`, `"execution"`).

use std::fmt;

/// When an error was found: while reading, while checking types, or while evaluating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not an expression.
    Syntax,
    /// The text is an expression, but it cannot mean anything: unknown name, wrong type.
    Semantic,
    /// Evaluation failed: a singleton was required, operands do not fit, a limit was exceeded.
    Execution,
}

/// A refused or failed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Stage at which it failed.
    pub kind: ErrorKind,
    /// Byte offset in the expression's text.
    pub position: u32,
    /// One sentence for a person.
    pub text: String,
}

impl Error {
    pub(crate) fn syntax(position: u32, text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Syntax, position, text: text.into() }
    }

    pub(crate) fn semantic(position: u32, text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Semantic, position, text: text.into() }
    }

    pub(crate) fn execution(position: u32, text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Execution, position, text: text.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.kind {
            ErrorKind::Syntax => "syntax",
            ErrorKind::Semantic => "semantic",
            ErrorKind::Execution => "execution",
        };
        write!(f, "{stage} error at {}: {}", self.position, self.text)
    }
}

impl std::error::Error for Error {}
