//! Conversions between System types.
//!
//! Source: FHIRPath N1 §5.5. A value that does not convert gives empty, and `convertsToX` false.

use super::{Call, Evaluator, Items, Scope, single};
use crate::decimal::Decimal;
use crate::error::Error;
use crate::function::Function as F;
use crate::item::Item;
use crate::quantity::Quantity;
use crate::temporal::{Date, DateTime, Time};

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn convert(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let item = single(&input, call.position)?.cloned();
        self.give_back(input);
        let Some(item) = item else { return Ok(()) };
        let unit = self.text_argument(call, 0, scope)?;
        let (target, ask) = match call.function {
            F::ConvertsToBoolean => (F::ToBoolean, true),
            F::ConvertsToInteger => (F::ToInteger, true),
            F::ConvertsToDecimal => (F::ToDecimal, true),
            F::ConvertsToString => (F::ToString, true),
            F::ConvertsToDate => (F::ToDate, true),
            F::ConvertsToDateTime => (F::ToDateTime, true),
            F::ConvertsToTime => (F::ToTime, true),
            F::ConvertsToQuantity => (F::ToQuantity, true),
            function => (function, false),
        };
        if let Some(text) = item.as_str() {
            self.meter.charge(text.len() as u64 / 64)?;
        }
        let mut converted = item.to_system().and_then(|value| convert(target, &value));
        if let (Some(unit), Some(Item::Quantity(quantity))) = (&unit, &converted) {
            let wanted = if crate::ast::is_calendar_unit(unit) {
                Quantity::calendar(Decimal::ZERO, unit)
            } else {
                Quantity::new(Decimal::ZERO, unit.clone())
            };
            converted = quantity.convert_to(&wanted).map(|q| Item::Quantity(Box::new(q)));
        }
        if ask {
            out.push(Item::Boolean(converted.is_some()));
        } else {
            out.extend(converted);
        }
        Ok(())
    }
}

fn convert<'a>(target: F, value: &Item<'a>) -> Option<Item<'a>> {
    match target {
        F::ToBoolean => to_boolean(value).map(Item::Boolean),
        F::ToInteger => to_integer(value).map(Item::Integer),
        F::ToDecimal => to_decimal(value).map(Item::Decimal),
        F::ToString => to_text(value).map(|text| Item::String(text.into())),
        F::ToDate => match value {
            Item::Date(date) => Some(Item::Date(*date)),
            Item::DateTime(value) => Some(Item::Date(value.date)),
            Item::String(text) => Date::parse(text).map(Item::Date),
            _ => None,
        },
        F::ToDateTime => match value {
            Item::DateTime(value) => Some(Item::DateTime(*value)),
            Item::Date(date) => {
                Some(Item::DateTime(DateTime { date: *date, time: None, offset_min: None }))
            }
            Item::String(text) => DateTime::parse(text).map(Item::DateTime),
            _ => None,
        },
        F::ToTime => match value {
            Item::Time(time) => Some(Item::Time(*time)),
            Item::String(text) => {
                Time::parse(text.strip_prefix('T').unwrap_or(text)).map(Item::Time)
            }
            _ => None,
        },
        _ => to_quantity(value).map(|q| Item::Quantity(Box::new(q))),
    }
}

fn to_boolean(value: &Item<'_>) -> Option<bool> {
    match value {
        Item::Boolean(value) => Some(*value),
        Item::Integer(1) => Some(true),
        Item::Integer(0) => Some(false),
        Item::Decimal(number) => match number.to_i64()? {
            1 => Some(true),
            0 => Some(false),
            _ => None,
        },
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn to_integer(value: &Item<'_>) -> Option<i64> {
    match value {
        Item::Integer(value) => Some(*value),
        Item::Boolean(value) => Some(i64::from(*value)),
        Item::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn to_decimal(value: &Item<'_>) -> Option<Decimal> {
    match value {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        Item::Boolean(value) => Some(Decimal::from(i64::from(*value))),
        Item::String(text) if !text.contains(['e', 'E']) => Decimal::parse(text),
        _ => None,
    }
}

fn to_quantity<'a>(value: &Item<'a>) -> Option<Quantity<'a>> {
    match value {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        Item::String(text) => Quantity::parse(text),
        _ => to_decimal(value).map(|number| Quantity::new(number, "1")),
    }
}

/// The text of a System value, as `toString()` gives it.
pub(crate) fn to_text(value: &Item<'_>) -> Option<String> {
    Some(match value {
        Item::Boolean(value) => value.to_string(),
        Item::Integer(value) => value.to_string(),
        Item::Decimal(value) => value.to_string(),
        Item::String(text) => text.to_string(),
        Item::Date(value) => value.to_string(),
        Item::DateTime(value) => value.to_string(),
        Item::Time(value) => value.to_string(),
        Item::Quantity(value) => value.to_string(),
        Item::Node { .. } | Item::Type { .. } => return None,
    })
}
