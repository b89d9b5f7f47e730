//! Functions on numbers.
//!
//! Source: FHIRPath N1 §5.7. A result that is no number (`ln` of a negative) is empty.

use super::operators::as_decimal;
use super::{Call, Evaluator, Items, Scope, single, wrong_type};
use crate::compare;
use crate::decimal::Decimal;
use crate::error::Error;
use crate::function::Function as F;
use crate::item::Item;
use crate::quantity::Quantity;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn math(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let value = match single(&input, call.position)? {
            None => None,
            Some(item) => match item.to_system() {
                Some(value) => Some(value),
                None if compare::is_complex(item) => {
                    return Err(wrong_type(item, "a number", call.position));
                }
                None => None,
            },
        };
        self.give_back(input);
        let Some(value) = value else { return Ok(()) };
        if let Item::Quantity(quantity) = &value {
            out.push(self.quantity_math(call, quantity, scope)?);
            return Ok(());
        }
        let Some(number) = as_decimal(&value) else {
            return Err(wrong_type(&value, "a number", call.position));
        };
        let whole = |n: Option<i128>| n.and_then(|n| i64::try_from(n).ok()).map(Item::Integer);
        let real = |x: f64| Decimal::from_f64(x).map(Item::Decimal);
        let result = match call.function {
            F::Abs => match value {
                Item::Integer(n) => n.checked_abs().map(Item::Integer),
                _ => Some(Item::Decimal(number.abs())),
            },
            F::Ceiling => whole(number.ceiling()),
            F::Floor => whole(number.floor()),
            F::Truncate => whole(number.truncate()),
            F::Exp => real(number.to_f64().exp()),
            F::Ln => real(number.to_f64().ln()),
            F::Sqrt => real(number.to_f64().sqrt()),
            F::Log => match self.number_argument(call, scope)? {
                Some(base) => real(number.to_f64().log(as_f64(&base))),
                None => None,
            },
            F::Power => match self.number_argument(call, scope)? {
                Some(exponent) => power(&value, number, &exponent),
                None => None,
            },
            _ => {
                let digits = self.integer_argument(call, 0, scope)?.unwrap_or(0);
                round(number, digits, call.position)?
            }
        };
        out.extend(result);
        Ok(())
    }

    fn number_argument(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<Item<'a>>, Error> {
        let Some(item) = self.argument(call, 0, scope)? else { return Ok(None) };
        match item.to_system() {
            Some(value @ (Item::Integer(_) | Item::Decimal(_))) => Ok(Some(value)),
            _ => Err(wrong_type(&item, "a number", call.position)),
        }
    }

    /// `abs`, `ceiling`, `floor`, `truncate` and `round` keep the unit.
    fn quantity_math(
        &mut self,
        call: &Call<'a>,
        quantity: &Quantity<'a>,
        scope: Scope<'_, 'a>,
    ) -> Result<Item<'a>, Error> {
        let whole = |n: Option<i128>| n.map(|n| Decimal::new(n, 0));
        let value = match call.function {
            F::Abs => Some(quantity.value.abs()),
            F::Ceiling => whole(quantity.value.ceiling()),
            F::Floor => whole(quantity.value.floor()),
            F::Truncate => whole(quantity.value.truncate()),
            F::Round => {
                let digits = self.integer_argument(call, 0, scope)?.unwrap_or(0);
                u8::try_from(digits).ok().and_then(|d| quantity.value.round(d))
            }
            _ => None,
        };
        match value {
            Some(value) => Ok(Item::Quantity(Box::new(Quantity { value, ..quantity.clone() }))),
            None => {
                let item = Item::Quantity(Box::new(quantity.clone()));
                Err(wrong_type(&item, "a number", call.position))
            }
        }
    }

    /// `sum`, `min`, `max` and `avg` over the whole input.
    pub(super) fn summary(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let mut values = input.iter().map(|item| {
            item.to_system().ok_or_else(|| wrong_type(item, "a number", call.position))
        });
        let Some(first) = values.next() else { return Ok(()) };
        let mut total = Some(first?);
        for value in values {
            let value = value?;
            let Some(so_far) = total else { break };
            total = match call.function {
                F::Min | F::Max => {
                    let order = compare::order(&value, &so_far, call.position, &mut self.meter)?;
                    match order {
                        Some(o) if (call.function == F::Min) == o.is_lt() && o.is_ne() => {
                            Some(value)
                        }
                        Some(_) => Some(so_far),
                        None => None,
                    }
                }
                _ => sum(&so_far, &value, call.position)?,
            };
        }
        if call.function == F::Avg {
            let n = Decimal::from(input.len() as i64);
            total = match total {
                Some(Item::Quantity(q)) => q
                    .value
                    .div(n)
                    .map(|value| Item::Quantity(Box::new(Quantity { value, ..(*q).clone() }))),
                Some(value) => as_decimal(&value).and_then(|d| d.div(n)).map(Item::Decimal),
                None => None,
            };
        }
        out.extend(total);
        self.give_back(input);
        Ok(())
    }
}

fn as_f64(item: &Item<'_>) -> f64 {
    as_decimal(item).map_or(f64::NAN, Decimal::to_f64)
}

fn power<'a>(value: &Item<'a>, number: Decimal, exponent: &Item<'a>) -> Option<Item<'a>> {
    if let (Item::Integer(base), Item::Integer(n)) = (value, exponent)
        && let Ok(n) = u32::try_from(*n)
    {
        return base.checked_pow(n).map(Item::Integer);
    }
    if let Item::Integer(n @ 0..=32) = exponent {
        let mut product = Decimal::from(1);
        for _ in 0..*n {
            product = product.mul(number)?;
        }
        return Some(Item::Decimal(product));
    }
    Decimal::from_f64(number.to_f64().powf(as_f64(exponent))).map(Item::Decimal)
}

fn round<'a>(number: Decimal, digits: i64, at: u32) -> Result<Option<Item<'a>>, Error> {
    match u8::try_from(digits) {
        Ok(digits) => Ok(number.round(digits).map(Item::Decimal)),
        Err(_) => Err(Error::execution(at, "the precision has to be between 0 and 255")),
    }
}

fn sum<'a>(a: &Item<'a>, b: &Item<'a>, at: u32) -> Result<Option<Item<'a>>, Error> {
    match (a, b) {
        (Item::Integer(x), Item::Integer(y)) => Ok(x.checked_add(*y).map(Item::Integer)),
        (Item::Quantity(x), Item::Quantity(y)) => Ok(x.add(y).map(|q| Item::Quantity(Box::new(q)))),
        _ => match (as_decimal(a), as_decimal(b)) {
            (Some(x), Some(y)) => Ok(x.add(y).map(Item::Decimal)),
            _ => Err(wrong_type(b, "a number", at)),
        },
    }
}
