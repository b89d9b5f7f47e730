//! FHIRPath: read, compile, evaluate, and patch.
//!
//! An expression is parsed and compiled once ([`Expr::compile`]) and then evaluated over the
//! read-only tree of `fhir::json` as often as needed, without copying elements.
//!
//! Source: FHIRPath N1 (<http://hl7.org/fhirpath/N1>), FHIR R4 fhirpath.html and fhirpatch.html.
//! Not here: terminology, profiles and fetching, which the caller lends through [`Env`].
//!
//! What the specifications leave open, and how it is read here:
//! - `as` takes one item under [`Options::strict`] and filters otherwise, as R4's own search
//!   parameters and invariants need it; `as` and `ofType` want a primitive's exact type.
//! - FHIR primitives are equal when their values are: ids and extensions do not count.
//! - Dates with and without an offset are ordered only when no offset in use (±14 h) could change
//!   the answer.
//! - Units are those of `quantity`'s table; a quantity in another unit equals only its like.
//! - Every evaluation has a budget of steps ([`limits`]); exceeding it is an error.
//!
//! The official suite is run by `tests/suite.rs`; `tests/known-failures.md` says what fails and why.

mod ast;
mod compare;
mod compile;
mod decimal;
mod env;
mod error;
mod eval;
mod expr;
mod function;
mod html;
mod item;
mod lexer;
pub mod limits;
mod meter;
mod parser;
pub mod patch;
mod quantity;
mod render;
mod temporal;
mod types;

pub use ast::{Ast, AstKind, BinaryOp, Literal, TypeName, Unit};
pub use compile::Options;
pub use decimal::Decimal;
pub use env::{Env, Judge, Resolve, Trace};
pub use error::{Error, ErrorKind};
pub use expr::Expr;
pub use item::Item;
pub use parser::parse;
pub use quantity::Quantity;
pub use temporal::{Date, DateTime, Precision, Time};
pub use types::SystemType;
