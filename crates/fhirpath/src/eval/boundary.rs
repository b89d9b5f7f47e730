//! The limits of what an imprecise value can mean.
//!
//! Source: FHIRPath, `lowBoundary`, `highBoundary`, `precision`, `comparable` (additions to N1 that
//! R4's invariants and the official suite use).

use super::{Call, Evaluator, Items, Scope, single, wrong_type};
use crate::decimal::Decimal;
use crate::error::Error;
use crate::function::Function as F;
use crate::item::Item;
use crate::quantity::Quantity;
use crate::temporal::{Date, DateTime, Precision, Time};

/// Digits that a decimal boundary is given to unless stated.
const DECIMAL_DIGITS: i64 = 8;
/// More digits than this are refused (an empty result).
const DECIMAL_DIGITS_MAX: i64 = 28;
/// Digits of `YYYYMMDDhhmmssfff`.
const DATE_TIME_DIGITS: i64 = 17;
/// Digits of `YYYYMMDD`.
const DATE_DIGITS: i64 = 8;
/// Digits of `hhmmssfff`.
const TIME_DIGITS: i64 = 9;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn boundary(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let item = single(&input, call.position)?.cloned();
        self.give_back(input);
        let Some(item) = item else { return Ok(()) };
        let Some(value) = item.to_system() else {
            return Err(wrong_type(&item, "a number, a date or a quantity", call.position));
        };
        if call.function == F::Comparable {
            let Item::Quantity(mine) = &value else {
                return Err(wrong_type(&value, "a quantity", call.position));
            };
            let Some(other) = self.argument(call, 0, scope)? else { return Ok(()) };
            let Some(Item::Quantity(other)) = other.to_system() else {
                return Err(wrong_type(&other, "a quantity", call.position));
            };
            out.push(Item::Boolean(mine.comparable(&other)));
            return Ok(());
        }
        if call.function == F::Precision {
            out.push(Item::Integer(precision(&value, call.position)?));
            return Ok(());
        }
        let digits = self.integer_argument(call, 0, scope)?;
        let high = call.function == F::HighBoundary;
        out.extend(boundary(&value, digits, high, call.position)?);
        Ok(())
    }
}

fn precision(value: &Item<'_>, at: u32) -> Result<i64, Error> {
    let of_date = |p: Precision| match p {
        Precision::Year => 4,
        Precision::Month => 6,
        _ => DATE_DIGITS,
    };
    let of_time = |time: &Time| match time.precision {
        Precision::Hour => 2,
        Precision::Minute => 4,
        _ => 6 + i64::from(time.fraction_digits),
    };
    Ok(match value {
        Item::Integer(_) => 0,
        Item::Decimal(number) => i64::from(number.scale()),
        Item::Quantity(quantity) => i64::from(quantity.value.scale()),
        Item::Date(date) => of_date(date.precision),
        Item::DateTime(value) => {
            value.time.as_ref().map_or(of_date(value.date.precision), |t| DATE_DIGITS + of_time(t))
        }
        Item::Time(time) => of_time(time),
        _ => return Err(wrong_type(value, "a number, a date or a time", at)),
    })
}

fn boundary<'a>(
    value: &Item<'a>,
    digits: Option<i64>,
    high: bool,
    at: u32,
) -> Result<Option<Item<'a>>, Error> {
    Ok(match value {
        Item::Integer(value) => decimal(Decimal::from(*value), digits, high).map(Item::Decimal),
        Item::Decimal(value) => decimal(*value, digits, high).map(Item::Decimal),
        Item::Quantity(quantity) => decimal(quantity.value, digits, high)
            .map(|value| Item::Quantity(Box::new(Quantity { value, ..(**quantity).clone() }))),
        Item::Date(date) => self::date(*date, digits.unwrap_or(DATE_DIGITS), high).map(Item::Date),
        Item::DateTime(value) => {
            date_time(*value, digits.unwrap_or(DATE_TIME_DIGITS), high).map(Item::DateTime)
        }
        Item::Time(time) => self::time(*time, digits.unwrap_or(TIME_DIGITS), high).map(Item::Time),
        _ => return Err(wrong_type(value, "a number, a date or a time", at)),
    })
}

/// Half a unit of the last place away, then to `digits`: away from zero rounded half up, toward
/// zero cut (official suite, groups LowBoundary and HighBoundary).
fn decimal(value: Decimal, digits: Option<i64>, high: bool) -> Option<Decimal> {
    let digits = digits.unwrap_or(DECIMAL_DIGITS);
    if !(0..=DECIMAL_DIGITS_MAX).contains(&digits) {
        return None;
    }
    let digits = digits as u8;
    let magnitude = value.abs();
    let away = high != value.is_negative();
    let bound = if away {
        magnitude.add(value.half_unit())?.with_scale_rounded(digits)?
    } else {
        magnitude.sub(value.half_unit())?.with_scale_down(digits)?
    };
    Some(if value.is_negative() { bound.neg() } else { bound })
}

fn date(value: Date, digits: i64, high: bool) -> Option<Date> {
    let precision = date_precision(digits)?;
    let full = if high { value.latest() } else { value };
    Some(cut(full, precision))
}

fn cut(value: Date, precision: Precision) -> Date {
    let mut out = Date { precision, ..value };
    if precision < Precision::Month {
        out.month = 1;
    }
    if precision < Precision::Day {
        out.day = 1;
    }
    out
}

fn date_precision(digits: i64) -> Option<Precision> {
    match digits {
        4 => Some(Precision::Year),
        6 => Some(Precision::Month),
        8 => Some(Precision::Day),
        _ => None,
    }
}

fn date_time(value: DateTime, digits: i64, high: bool) -> Option<DateTime> {
    if digits <= DATE_DIGITS {
        let date = date(value.date, digits, high)?;
        return Some(DateTime { date, time: None, offset_min: None });
    }
    let midnight = Time {
        hour: if high && value.time.is_none() { 23 } else { 0 },
        minute: 0,
        second: 0,
        fraction_digits: 0,
        nanos: 0,
        precision: Precision::Hour,
    };
    let date =
        Date { precision: Precision::Day, ..if high { value.date.latest() } else { value.date } };
    let time = time(value.time.unwrap_or(midnight), digits - DATE_DIGITS, high)?;
    // The earliest offset that is in use makes the earliest instant.
    let widest = if high { -12 * 60 } else { 14 * 60 };
    Some(DateTime { date, time: Some(time), offset_min: Some(value.offset_min.unwrap_or(widest)) })
}

fn time(value: Time, digits: i64, high: bool) -> Option<Time> {
    let mut out = if high { value.latest() } else { value };
    out.precision = match digits {
        2 => Precision::Hour,
        4 => Precision::Minute,
        6 | 9 => Precision::Second,
        _ => return None,
    };
    out.fraction_digits = if digits == TIME_DIGITS { 3 } else { 0 };
    out.nanos = if digits == TIME_DIGITS { out.nanos / 1_000_000 * 1_000_000 } else { 0 };
    if digits < 6 {
        out.second = 0;
    }
    if digits < 4 {
        out.minute = 0;
    }
    Some(out)
}
