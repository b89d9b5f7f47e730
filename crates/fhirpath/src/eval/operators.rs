//! Operators.
//!
//! Source: FHIRPath N1 §6: three-valued logic (§6.5), comparison (§6.2), math (§6.6), collections
//! (§6.4). A result that does not fit its type, and a division by zero, are empty.

use std::cmp::Ordering;

use super::{Evaluator, Items, Scope, single};
use crate::ast::BinaryOp;
use crate::compare::{self, Distinct};
use crate::compile::Code;
use crate::decimal::Decimal;
use crate::error::Error;
use crate::item::Item;
use crate::quantity::Quantity;
use crate::temporal::Span;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        left: &'a Code,
        right: &'a Code,
        scope: Scope<'_, 'a>,
        position: u32,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Implies => {
                let truth = self.logic(op, left, right, scope)?;
                out.extend(truth.map(Item::Boolean));
                return Ok(());
            }
            BinaryOp::Union => return self.union(left, right, scope, out),
            _ => {}
        }
        let a = self.collect(left, scope)?;
        let b = self.collect(right, scope)?;
        let result = self.binary_values(op, &a, &b, position, out);
        self.give_back(a);
        self.give_back(b);
        result
    }

    fn binary_values(
        &mut self,
        op: BinaryOp,
        a: &[Item<'a>],
        b: &[Item<'a>],
        at: u32,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match op {
            BinaryOp::Equal => {
                out.extend(compare::all_equal(a, b, &mut self.meter)?.map(Item::Boolean));
            }
            BinaryOp::NotEqual => {
                out.extend(compare::all_equal(a, b, &mut self.meter)?.map(|t| Item::Boolean(!t)));
            }
            BinaryOp::Equivalent => {
                out.push(Item::Boolean(compare::all_equivalent(a, b, &mut self.meter)?));
            }
            BinaryOp::NotEquivalent => {
                out.push(Item::Boolean(!compare::all_equivalent(a, b, &mut self.meter)?));
            }
            BinaryOp::In => {
                if let Some(item) = single(a, at)? {
                    out.push(Item::Boolean(compare::contains(b, item, &mut self.meter)?));
                }
            }
            BinaryOp::Contains => {
                if let Some(item) = single(b, at)? {
                    out.push(Item::Boolean(compare::contains(a, item, &mut self.meter)?));
                }
            }
            BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => {
                if let (Some(x), Some(y)) = (single(a, at)?, single(b, at)?) {
                    let order = compare::order(x, y, at, &mut self.meter)?;
                    out.extend(order.map(|o| Item::Boolean(holds(op, o))));
                }
            }
            BinaryOp::Concatenate => self.concatenate(a, b, at, out)?,
            _ => {
                if let (Some(x), Some(y)) = (single(a, at)?, single(b, at)?) {
                    let value = arithmetic(op, x, y, at)?;
                    if let Some(Item::String(text)) = &value {
                        self.meter.charge_text(text.len(), at)?;
                    }
                    out.extend(value);
                }
            }
        }
        Ok(())
    }

    fn logic(
        &mut self,
        op: BinaryOp,
        left: &'a Code,
        right: &'a Code,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<bool>, Error> {
        let a = self.truth(left, scope)?;
        // The right side cannot change these.
        match (op, a) {
            (BinaryOp::And, Some(false)) => return Ok(Some(false)),
            (BinaryOp::Or, Some(true)) => return Ok(Some(true)),
            (BinaryOp::Implies, Some(false)) => return Ok(Some(true)),
            _ => {}
        }
        let b = self.truth(right, scope)?;
        Ok(match op {
            BinaryOp::And => match (a, b) {
                (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            BinaryOp::Or => match (a, b) {
                (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            BinaryOp::Xor => a.zip(b).map(|(a, b)| a != b),
            _ => match (a, b) {
                (_, Some(true)) => Some(true),
                (Some(true), b) => b,
                _ => None,
            },
        })
    }

    fn union(
        &mut self,
        left: &'a Code,
        right: &'a Code,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut all = self.collect(left, scope)?;
        self.eval(right, scope, &mut all)?;
        self.push_distinct(&mut all, out)
    }

    /// Moves the items of `all` that equal no earlier one to `out`; gives the buffer back.
    pub(super) fn push_distinct(
        &mut self,
        all: &mut Items<'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let start = out.len();
        let mut set = Distinct::default();
        for item in all.drain(..) {
            if set.is_new(&item, &out[start..], &mut self.meter)? {
                out.push(item);
            }
        }
        self.give_back(std::mem::take(all));
        Ok(())
    }

    fn concatenate(
        &mut self,
        a: &[Item<'a>],
        b: &[Item<'a>],
        at: u32,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut text = String::new();
        for side in [a, b] {
            if let Some(item) = single(side, at)? {
                match item.as_str() {
                    Some(part) => text.push_str(&part),
                    None => return Err(super::wrong_type(item, "a string", at)),
                }
            }
        }
        self.meter.charge_text(text.len(), at)?;
        out.push(Item::String(text.into()));
        Ok(())
    }

    /// `base.resolve() is ty` from the reference's text where it names the type.
    pub(super) fn resolve_is(
        &mut self,
        base: &'a Code,
        ty: fhir_tables::TypeId,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.collect(base, scope)?;
        if let Some(item) = single(&input, 0)?
            && let Some(found) = self.referenced_type(item)
        {
            out.push(Item::Boolean(found.is_subtype_of(ty)));
        }
        self.give_back(input);
        Ok(())
    }
}

fn holds(op: BinaryOp, order: Ordering) -> bool {
    match op {
        BinaryOp::Less => order.is_lt(),
        BinaryOp::LessOrEqual => order.is_le(),
        BinaryOp::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// Unary `+` and `-`.
pub(super) fn sign<'a>(
    item: &Item<'a>,
    negative: bool,
    at: u32,
    out: &mut Items<'a>,
) -> Result<(), Error> {
    let value = match item.to_system() {
        Some(Item::Integer(value)) if negative => value.checked_neg().map(Item::Integer),
        Some(Item::Decimal(value)) if negative => Some(Item::Decimal(value.neg())),
        Some(Item::Quantity(value)) if negative => Some(Item::Quantity(Box::new(value.neg()))),
        Some(value @ (Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_))) => Some(value),
        _ => return Err(super::wrong_type(item, "a number", at)),
    };
    out.extend(value);
    Ok(())
}

/// A number, when the item is an integer or a decimal.
pub(super) fn as_decimal(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

fn arithmetic<'a>(
    op: BinaryOp,
    a: &Item<'a>,
    b: &Item<'a>,
    at: u32,
) -> Result<Option<Item<'a>>, Error> {
    let unfit = || {
        let (left, right) = (a.type_name().1, b.type_name().1);
        Error::execution(at, format!("`{}` cannot take {left} and {right}", op.text()))
    };
    let (Some(x), Some(y)) = (a.to_system(), b.to_system()) else {
        return Err(unfit());
    };
    match (&x, &y) {
        (Item::Integer(x), Item::Integer(y)) => Ok(integers(op, *x, *y)),
        (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
            let numbers = as_decimal(&x).zip(as_decimal(&y));
            Ok(numbers.and_then(|(x, y)| decimals(op, x, y)))
        }
        (Item::String(x), Item::String(y)) if op == BinaryOp::Add => {
            Ok(Some(Item::String(format!("{x}{y}").into())))
        }
        (Item::Quantity(x), Item::Quantity(y)) => quantities(op, x, y).ok_or_else(unfit),
        (Item::Quantity(x), Item::Integer(_) | Item::Decimal(_)) => {
            let y = Quantity::new(as_decimal(&y).ok_or_else(unfit)?, "1");
            quantities(op, x, &y).ok_or_else(unfit)
        }
        (Item::Integer(_) | Item::Decimal(_), Item::Quantity(y)) => {
            let x = Quantity::new(as_decimal(&x).ok_or_else(unfit)?, "1");
            quantities(op, &x, y).ok_or_else(unfit)
        }
        (Item::Date(_) | Item::DateTime(_) | Item::Time(_), Item::Quantity(duration)) => {
            let span = span(op, duration).ok_or_else(unfit)?;
            if matches!(x, Item::Time(_)) && !is_clock_unit(&duration.unit) {
                return Err(unfit());
            }
            Ok(match x {
                Item::Date(date) => date.add(span).map(Item::Date),
                Item::DateTime(value) => value.add(span).map(Item::DateTime),
                Item::Time(time) => time.add(span).map(Item::Time),
                _ => None,
            })
        }
        _ => Err(unfit()),
    }
}

fn integers<'a>(op: BinaryOp, x: i64, y: i64) -> Option<Item<'a>> {
    match op {
        BinaryOp::Add => x.checked_add(y).map(Item::Integer),
        BinaryOp::Subtract => x.checked_sub(y).map(Item::Integer),
        BinaryOp::Multiply => x.checked_mul(y).map(Item::Integer),
        BinaryOp::Div => x.checked_div(y).map(Item::Integer),
        BinaryOp::Mod => x.checked_rem(y).map(Item::Integer),
        _ => decimals(op, x.into(), y.into()),
    }
}

fn decimals<'a>(op: BinaryOp, x: Decimal, y: Decimal) -> Option<Item<'a>> {
    match op {
        BinaryOp::Add => x.add(y).map(Item::Decimal),
        BinaryOp::Subtract => x.sub(y).map(Item::Decimal),
        BinaryOp::Multiply => x.mul(y).map(Item::Decimal),
        BinaryOp::Divide => x.div(y).map(Item::Decimal),
        BinaryOp::Div => i64::try_from(x.div_whole(y)?).ok().map(Item::Integer),
        BinaryOp::Mod => x.rem(y).map(Item::Decimal),
        _ => None,
    }
}

/// Outer `None`: the operator is not for quantities; inner: no result.
#[expect(clippy::option_option, reason = "the two absences become an error and an empty result")]
fn quantities<'a>(op: BinaryOp, x: &Quantity<'a>, y: &Quantity<'a>) -> Option<Option<Item<'a>>> {
    let value = match op {
        BinaryOp::Add => x.add(y),
        BinaryOp::Subtract => x.add(&y.neg()),
        BinaryOp::Multiply => x.mul(y),
        BinaryOp::Divide => x.div(y),
        _ => return None,
    };
    Some(value.map(|q| Item::Quantity(Box::new(q))))
}

/// Whether a time of day can be moved by this unit.
fn is_clock_unit(unit: &str) -> bool {
    matches!(unit, "hour" | "minute" | "second" | "millisecond" | "h" | "min" | "s" | "ms")
}

/// The step that a duration makes, its sign turned for a subtraction.
///
/// Source: N1 §6.6.7. Above seconds the fraction is ignored. UCUM's years and months are averages
/// and cannot be added to a date.
fn span(op: BinaryOp, duration: &Quantity<'_>) -> Option<Span> {
    let sign = match op {
        BinaryOp::Add => 1,
        BinaryOp::Subtract => -1,
        _ => return None,
    };
    let unit = match (duration.calendar, duration.unit.as_ref()) {
        (true, word) => word,
        // `1 'month'` is no UCUM, but it is clear what is meant.
        (false, word) if crate::ast::is_calendar_unit(word) => {
            word.strip_suffix('s').unwrap_or(word)
        }
        (false, "wk") => "week",
        (false, "d") => "day",
        (false, "h") => "hour",
        (false, "min") => "minute",
        (false, "s") => "second",
        (false, "ms") => "millisecond",
        _ => return None,
    };
    let whole = duration.value.truncate().filter(|n| n.unsigned_abs() < 1 << 52)? * sign;
    let ns = |unit_s: i128| Span::Ns(whole * unit_s * 1_000_000_000);
    Some(match unit {
        "year" => Span::Months(i64::try_from(whole * 12).ok()?),
        "month" => Span::Months(i64::try_from(whole).ok()?),
        "week" => ns(604_800),
        "day" => ns(86_400),
        "hour" => ns(3_600),
        "minute" => ns(60),
        "second" => {
            let exact = duration.value.mul(Decimal::new(1_000_000_000, 0))?.truncate()?;
            Span::Ns(exact * sign)
        }
        _ => Span::Ns(duration.value.mul(Decimal::new(1_000_000, 0))?.truncate()? * sign),
    })
}
