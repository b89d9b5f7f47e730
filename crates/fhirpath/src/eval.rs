//! The evaluator: code over the tree.
//!
//! Source: FHIRPath N1 §3 to §6. Elements are not copied: an item is a place in the tree. Every
//! operation and every item charges the meter, so an evaluation always ends.

use std::borrow::Cow;

use crate::compare;
use crate::compile::{Code, Op};
use crate::env::Env;
use crate::error::Error;
use crate::item::Item;
use crate::meter::Meter;
use crate::types::{Known, known};

mod boundary;
mod call;
mod convert;
mod external;
mod fhir_functions;
mod math;
mod navigate;
mod operators;
mod sets;
mod text;

pub(crate) use convert::to_text;

/// `$this`, `$index` and `$total` at a place in the evaluation.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s, 'a> {
    pub(crate) this: &'s Item<'a>,
    pub(crate) index: i64,
    pub(crate) total: &'s [Item<'a>],
}

pub(crate) type Items<'a> = Vec<Item<'a>>;

/// One evaluation.
pub(crate) struct Evaluator<'e, 'a> {
    pub(crate) env: &'e Env<'e, 'a>,
    /// The item that the evaluation started from.
    pub(crate) root: &'e Item<'a>,
    pub(crate) meter: Meter,
    pub(crate) known: &'static Known,
    /// Buffers to use again.
    pool: Vec<Items<'a>>,
}

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(crate) fn new(env: &'e Env<'e, 'a>, root: &'e Item<'a>) -> Self {
        Self { env, root, meter: Meter::new(env.steps_max), known: known(), pool: Vec::new() }
    }

    pub(crate) fn buffer(&mut self) -> Items<'a> {
        self.pool.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut buffer: Items<'a>) {
        buffer.clear();
        self.pool.push(buffer);
    }

    /// Appends the result of `code` to `out`.
    pub(crate) fn eval(
        &mut self,
        code: &'a Code,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        self.meter.charge(1)?;
        match &code.op {
            Op::Empty => {}
            Op::Literal(item) => out.push(item.clone()),
            Op::Text(text) => out.push(Item::String(Cow::Borrowed(text))),
            Op::This => out.push(scope.this.clone()),
            Op::Index => out.push(Item::Integer(scope.index)),
            Op::Total => out.extend_from_slice(scope.total),
            Op::External(name) => self.external(name, code.position, out)?,
            Op::Root(test) => {
                if scope.this.is(*test) {
                    out.push(scope.this.clone());
                }
            }
            Op::Path { base: None, steps } => self.walk(scope.this, steps, out)?,
            Op::Path { base: Some(base), steps } => {
                if let Op::Root(test) = base.op {
                    if scope.this.is(test) {
                        self.walk(scope.this, steps, out)?;
                    }
                    return Ok(());
                }
                let input = self.collect(base, scope)?;
                for item in &input {
                    self.walk(item, steps, out)?;
                }
                self.give_back(input);
            }
            Op::Indexer(base, index) => self.indexer(base, index, scope, out)?,
            Op::Call { function, base, args, regex } => {
                let call = Call {
                    function: *function,
                    base: base.as_deref(),
                    args,
                    regex: regex.as_ref(),
                    position: code.position,
                };
                self.call(&call, scope, out)?;
            }
            Op::Is(base, test) => {
                let input = self.collect(base, scope)?;
                if let Some(item) = single(&input, code.position)? {
                    out.push(Item::Boolean(item.is(*test)));
                }
                self.give_back(input);
            }
            Op::As { base, test, single: only_one } => {
                let start = out.len();
                self.eval(base, scope, out)?;
                if *only_one {
                    single(&out[start..], code.position)?;
                }
                retain_from(out, start, |item| item.casts_to(*test));
            }
            Op::ResolveIs(base, ty) => self.resolve_is(base, *ty, scope, out)?,
            Op::Sign(negative, base) => {
                let input = self.collect(base, scope)?;
                if let Some(item) = single(&input, code.position)? {
                    operators::sign(item, *negative, code.position, out)?;
                }
                self.give_back(input);
            }
            Op::Binary(op, left, right) => {
                self.binary(*op, left, right, scope, code.position, out)?;
            }
        }
        Ok(())
    }

    /// The result of `code` in a buffer from the pool.
    pub(crate) fn collect(
        &mut self,
        code: &'a Code,
        scope: Scope<'_, 'a>,
    ) -> Result<Items<'a>, Error> {
        let mut out = self.buffer();
        self.eval(code, scope, &mut out)?;
        Ok(out)
    }

    /// The input of a call: its base, or `$this`.
    pub(crate) fn input(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match call.base {
            Some(base) => self.eval(base, scope, out),
            None => {
                out.push(scope.this.clone());
                Ok(())
            }
        }
    }

    /// The truth of `code`; `None` for empty.
    pub(crate) fn truth(
        &mut self,
        code: &'a Code,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<bool>, Error> {
        let items = self.collect(code, scope)?;
        let truth = truth_of(&items, code.position);
        self.give_back(items);
        truth
    }

    /// The single item that an argument gives.
    pub(crate) fn argument(
        &mut self,
        call: &Call<'a>,
        arg_idx: usize,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<Item<'a>>, Error> {
        let Some(arg) = call.args.get(arg_idx) else { return Ok(None) };
        let mut items = self.collect(arg, scope)?;
        single(&items, arg.position)?;
        let item = items.pop();
        self.give_back(items);
        Ok(item)
    }

    /// An argument that has to be text.
    pub(crate) fn text_argument(
        &mut self,
        call: &Call<'a>,
        arg_idx: usize,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<Cow<'a, str>>, Error> {
        match self.argument(call, arg_idx, scope)? {
            None => Ok(None),
            Some(item) => match item.as_str() {
                Some(text) => {
                    self.meter.charge(text.len() as u64 / 64)?;
                    Ok(Some(text))
                }
                None => Err(wrong_type(&item, "a string", call.args[arg_idx].position)),
            },
        }
    }

    /// An argument that has to be a whole number.
    pub(crate) fn integer_argument(
        &mut self,
        call: &Call<'a>,
        arg_idx: usize,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<i64>, Error> {
        match self.argument(call, arg_idx, scope)? {
            None => Ok(None),
            Some(item) => match item.to_system() {
                Some(Item::Integer(value)) => Ok(Some(value)),
                _ => Err(wrong_type(&item, "an integer", call.args[arg_idx].position)),
            },
        }
    }

    fn indexer(
        &mut self,
        base: &'a Code,
        index: &'a Code,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let found = self.collect(index, scope)?;
        let place = match single(&found, index.position)? {
            None => None,
            Some(item) => match item.to_system() {
                Some(Item::Integer(place)) => usize::try_from(place).ok(),
                _ => return Err(wrong_type(item, "an integer", index.position)),
            },
        };
        self.give_back(found);
        let start = out.len();
        self.eval(base, scope, out)?;
        match place {
            Some(place) if place < out.len() - start => {
                out.swap(start, start + place);
                out.truncate(start + 1);
            }
            _ => out.truncate(start),
        }
        Ok(())
    }

    /// Runs `each` for every item of the input as `$this`.
    pub(crate) fn for_each(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        mut each: impl FnMut(&mut Self, &Item<'a>, Scope<'_, 'a>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut input = self.buffer();
        self.input(call, scope, &mut input)?;
        for (index, item) in input.iter().enumerate() {
            let inner = Scope { this: item, index: index as i64, total: scope.total };
            if !each(self, item, inner)? {
                break;
            }
        }
        self.give_back(input);
        Ok(())
    }
}

/// A call's parts.
pub(crate) struct Call<'a> {
    pub(crate) function: crate::function::Function,
    pub(crate) base: Option<&'a Code>,
    pub(crate) args: &'a [Code],
    pub(crate) regex: Option<&'a regex::Regex>,
    pub(crate) position: u32,
}

/// The only item, or none.
///
/// Errors: execution, when there are several.
#[inline]
pub(crate) fn single<'i, 'a>(
    items: &'i [Item<'a>],
    position: u32,
) -> Result<Option<&'i Item<'a>>, Error> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(several(items.len(), position)),
    }
}

#[cold]
fn several(n_items: usize, position: u32) -> Error {
    Error::execution(position, format!("a single item is needed here, but there are {n_items}"))
}

/// Singleton evaluation as Boolean (N1 §4.5): one item that is no Boolean counts as true.
pub(crate) fn truth_of(items: &[Item<'_>], position: u32) -> Result<Option<bool>, Error> {
    let Some(item) = single(items, position)? else { return Ok(None) };
    Ok(match item {
        Item::Boolean(value) => Some(*value),
        Item::Node { node, .. } => match node.as_bool() {
            Some(value) => Some(value),
            None if item.has_value() || compare::is_complex(item) => Some(true),
            None => None,
        },
        _ => Some(true),
    })
}

#[cold]
pub(crate) fn wrong_type(item: &Item<'_>, wanted: &str, position: u32) -> Error {
    Error::execution(position, format!("{wanted} is needed here, not {}", item.type_name().1))
}

/// Keeps the items from `start` on that pass.
pub(crate) fn retain_from<'a>(
    items: &mut Items<'a>,
    start: usize,
    mut keep: impl FnMut(&Item<'a>) -> bool,
) {
    let mut kept = start;
    for i in start..items.len() {
        if keep(&items[i]) {
            items.swap(kept, i);
            kept += 1;
        }
    }
    items.truncate(kept);
}
