//! A compiled expression: what callers hold on to.

use std::fmt;

use fhir::json::Node;
use fhir_tables::TypeId;

use crate::compile::{Code, Options, compile};
use crate::env::Env;
use crate::error::Error;
use crate::eval::{Evaluator, Scope};
use crate::item::Item;
use crate::parser::parse;

/// A FHIRPath expression, ready to be evaluated. Compile once, keep, evaluate often.
pub struct Expr {
    code: Code,
    text: Box<str>,
    context: Option<TypeId>,
}

impl Expr {
    /// Compiles `text` for a context of type `context`, or for any when `None`.
    ///
    /// Reads `as` as a filter, the way R4's search parameters and invariants are written.
    /// Errors: syntax; semantic, for names and types that cannot be.
    pub fn compile(text: &str, context: Option<TypeId>) -> Result<Self, Error> {
        Self::compile_with(text, context, Options { strict: false })
    }

    /// Like [`Expr::compile`], with the choice of strictness.
    pub fn compile_with(
        text: &str,
        context: Option<TypeId>,
        options: Options,
    ) -> Result<Self, Error> {
        let code = compile(&parse(text)?, context, options)?;
        Ok(Self { code, text: text.into(), context })
    }

    /// The text that was compiled.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The result for a resource, or for an element of unknown type.
    ///
    /// Shape: 0..n items in order.
    /// Errors: execution.
    pub fn eval<'a>(&'a self, root: Node<'a>, env: &Env<'_, 'a>) -> Result<Vec<Item<'a>>, Error> {
        // Mostly the resource is of the type that the expression was compiled for.
        let expected = self
            .context
            .filter(|ty| root.get("resourceType").and_then(Node::as_plain_str) == Some(ty.name()));
        let context = match expected {
            Some(ty) => Item::Node { node: root, sibling: None, ty },
            None => Item::root(root),
        };
        self.eval_item(&context, env)
    }

    /// The result for an item; an element of known type is [`Item::element`].
    pub fn eval_item<'a>(
        &'a self,
        context: &Item<'a>,
        env: &Env<'_, 'a>,
    ) -> Result<Vec<Item<'a>>, Error> {
        let mut out = Vec::new();
        let scope = Scope { this: context, index: 0, total: &[] };
        Evaluator::new(env, context).eval(&self.code, scope, &mut out)?;
        Ok(out)
    }

    /// Whether the result is true; an empty result is not.
    ///
    /// Errors: execution, also when there are several items.
    pub fn is_true<'a>(&'a self, context: &Item<'a>, env: &Env<'_, 'a>) -> Result<bool, Error> {
        let items = self.eval_item(context, env)?;
        Ok(crate::eval::truth_of(&items, 0)? == Some(true))
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.text).finish()
    }
}
