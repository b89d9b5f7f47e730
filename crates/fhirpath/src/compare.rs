//! Equality, equivalence and order of items and collections.
//!
//! Source: FHIRPath N1 §6.1 (equality), §6.2 (comparison). `None` stands for the empty result:
//! precision, time zone or unit leave the answer open.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use fhir::json::{Kind, Node};

use crate::decimal::Decimal;
use crate::error::Error;
use crate::item::Item;
use crate::meter::Meter;
use crate::quantity::Quantity;
use crate::temporal::{Date, DateTime, Precision};
use crate::types::{Class, known};

/// Two items brought to one type.
enum Pair<'a> {
    Boolean(bool, bool),
    Number(Decimal, Decimal),
    Text(std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>),
    Date(Date, Date),
    DateTime(DateTime, DateTime),
    Time(crate::temporal::Time, crate::temporal::Time),
    Quantity(Box<Quantity<'a>>, Box<Quantity<'a>>),
    Nodes(Node<'a>, Node<'a>),
    Types((&'static str, &'static str), (&'static str, &'static str)),
    Different,
}

fn as_date_time(date: Date) -> DateTime {
    DateTime { date, time: None, offset_min: None }
}

fn pair<'a>(a: &Item<'a>, b: &Item<'a>) -> Pair<'a> {
    let (Some(left), Some(right)) = (a.to_system(), b.to_system()) else {
        return match (a.node(), b.node()) {
            (Some(a), Some(b)) => Pair::Nodes(a, b),
            _ => Pair::Different,
        };
    };
    match (left, right) {
        (Item::Boolean(x), Item::Boolean(y)) => Pair::Boolean(x, y),
        (Item::Integer(x), Item::Integer(y)) => Pair::Number(x.into(), y.into()),
        (Item::Integer(x), Item::Decimal(y)) => Pair::Number(x.into(), y),
        (Item::Decimal(x), Item::Integer(y)) => Pair::Number(x, y.into()),
        (Item::Decimal(x), Item::Decimal(y)) => Pair::Number(x, y),
        (Item::String(x), Item::String(y)) => Pair::Text(x, y),
        (Item::Date(x), Item::Date(y)) => Pair::Date(x, y),
        (Item::DateTime(x), Item::DateTime(y)) => Pair::DateTime(x, y),
        (Item::Date(x), Item::DateTime(y)) => Pair::DateTime(as_date_time(x), y),
        (Item::DateTime(x), Item::Date(y)) => Pair::DateTime(x, as_date_time(y)),
        (Item::Time(x), Item::Time(y)) => Pair::Time(x, y),
        (Item::Quantity(x), Item::Quantity(y)) => Pair::Quantity(x, y),
        (Item::Quantity(x), Item::Integer(y)) => Pair::Quantity(x, unit_one(y.into())),
        (Item::Quantity(x), Item::Decimal(y)) => Pair::Quantity(x, unit_one(y)),
        (Item::Integer(x), Item::Quantity(y)) => Pair::Quantity(unit_one(x.into()), y),
        (Item::Decimal(x), Item::Quantity(y)) => Pair::Quantity(unit_one(x), y),
        (Item::Type { namespace: a, name: b }, Item::Type { namespace: c, name: d }) => {
            Pair::Types((a, b), (c, d))
        }
        _ => Pair::Different,
    }
}

fn unit_one<'a>(value: Decimal) -> Box<Quantity<'a>> {
    Box::new(Quantity::new(value, "1"))
}

/// `a = b` for single items.
pub(crate) fn equal(a: &Item<'_>, b: &Item<'_>, meter: &mut Meter) -> Result<Option<bool>, Error> {
    meter.charge(1)?;
    if a.same_place(b) {
        return Ok(Some(true));
    }
    let is = |order: Option<Ordering>| order.map(|o| o == Ordering::Equal);
    Ok(match pair(a, b) {
        Pair::Boolean(x, y) => Some(x == y),
        Pair::Number(x, y) => Some(x.compare(y) == Ordering::Equal),
        Pair::Text(x, y) => {
            meter.charge((x.len() + y.len()) as u64 / 64)?;
            Some(x == y)
        }
        Pair::Date(x, y) => is(x.compare(y)),
        Pair::DateTime(x, y) => is(x.compare(y)),
        Pair::Time(x, y) => is(x.compare(y)),
        Pair::Quantity(x, y) => is(x.compare(&y)),
        Pair::Types(x, y) => Some(x == y),
        Pair::Nodes(x, y) => Some(nodes_equal(x, y, meter)?),
        Pair::Different => Some(false),
    })
}

/// `a = b` for collections: same size, equal in order.
pub(crate) fn all_equal(
    a: &[Item<'_>],
    b: &[Item<'_>],
    meter: &mut Meter,
) -> Result<Option<bool>, Error> {
    if a.is_empty() || b.is_empty() {
        return Ok(None);
    }
    if a.len() != b.len() {
        return Ok(Some(false));
    }
    let mut open = false;
    for (x, y) in a.iter().zip(b) {
        match equal(x, y, meter)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => open = true,
        }
    }
    Ok((!open).then_some(true))
}

/// Charges for looking at a value itself, what it contains aside.
fn charge_node(node: Node<'_>, meter: &mut Meter) -> Result<(), Error> {
    let n_bytes = if node.kind() == Kind::String { node.raw().len() } else { 0 };
    meter.charge(1 + n_bytes as u64 / 64)
}

fn nodes_equal(a: Node<'_>, b: Node<'_>, meter: &mut Meter) -> Result<bool, Error> {
    charge_node(a, meter)?;
    if a == b {
        return Ok(true);
    }
    if a.kind() != b.kind() || a.len() != b.len() {
        return Ok(false);
    }
    match a.kind() {
        Kind::Null => Ok(true),
        Kind::Bool => Ok(a.raw() == b.raw()),
        Kind::Number => Ok(match (Decimal::parse(a.raw()), Decimal::parse(b.raw())) {
            (Some(x), Some(y)) => x.compare(y) == Ordering::Equal,
            _ => a.raw() == b.raw(),
        }),
        Kind::String => Ok(a.as_str() == b.as_str()),
        Kind::Array => {
            for (x, y) in a.items().zip(b.items()) {
                if !nodes_equal(x, y, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Kind::Object => {
            for (name, x) in a.members() {
                match b.get(name) {
                    Some(y) if nodes_equal(x, y, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
    }
}

/// `a ~ b` for single items.
pub(crate) fn equivalent(a: &Item<'_>, b: &Item<'_>, meter: &mut Meter) -> Result<bool, Error> {
    meter.charge(1)?;
    if a.same_place(b) {
        return Ok(true);
    }
    Ok(match pair(a, b) {
        Pair::Boolean(x, y) => x == y,
        Pair::Number(x, y) => numbers_equivalent(x, y),
        Pair::Text(x, y) => {
            meter.charge((x.len() + y.len()) as u64 / 64)?;
            folded(&x) == folded(&y)
        }
        Pair::Date(x, y) => x.precision == y.precision && x.compare(y) == Some(Ordering::Equal),
        Pair::DateTime(x, y) => x.compare(y) == Some(Ordering::Equal),
        Pair::Time(x, y) => x.compare(y) == Some(Ordering::Equal),
        Pair::Quantity(x, y) => x.equivalent(&y),
        Pair::Types(x, y) => x == y,
        Pair::Nodes(x, y) => nodes_equivalent(x, y, meter)?,
        Pair::Different => false,
    })
}

fn numbers_equivalent(x: Decimal, y: Decimal) -> bool {
    let digits = x.scale().min(y.scale());
    match (x.round(digits), y.round(digits)) {
        (Some(x), Some(y)) => x.compare(y) == Ordering::Equal,
        _ => x.compare(y) == Ordering::Equal,
    }
}

/// Case does not count, and every white space is the same (N1 §6.1.2).
fn folded(text: &str) -> String {
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    text.chars().map(blank).flat_map(char::to_lowercase).collect()
}

fn nodes_equivalent(a: Node<'_>, b: Node<'_>, meter: &mut Meter) -> Result<bool, Error> {
    charge_node(a, meter)?;
    if a == b {
        return Ok(true);
    }
    if a.kind() != b.kind() || a.len() != b.len() {
        return Ok(false);
    }
    match a.kind() {
        Kind::Null => Ok(true),
        Kind::Bool => Ok(a.raw() == b.raw()),
        Kind::Number => Ok(match (Decimal::parse(a.raw()), Decimal::parse(b.raw())) {
            (Some(x), Some(y)) => numbers_equivalent(x, y),
            _ => a.raw() == b.raw(),
        }),
        Kind::String => Ok(match (a.as_str(), b.as_str()) {
            (Some(x), Some(y)) => folded(&x) == folded(&y),
            _ => false,
        }),
        Kind::Array => {
            let left: Vec<_> = a.items().collect();
            let right: Vec<_> = b.items().collect();
            match_up(&left, &right, |x, y, meter| nodes_equivalent(*x, *y, meter), meter)
        }
        Kind::Object => {
            for (name, x) in a.members() {
                match b.get(name) {
                    Some(y) if nodes_equivalent(x, y, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
    }
}

/// Whether each of `left` has a partner of its own in `right`, in any order.
fn match_up<T>(
    left: &[T],
    right: &[T],
    same: impl Fn(&T, &T, &mut Meter) -> Result<bool, Error>,
    meter: &mut Meter,
) -> Result<bool, Error> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut taken = vec![false; right.len()];
    // Mostly the order is the same, so the search starts at the same place.
    'left: for (i, x) in left.iter().enumerate() {
        for j in (i..right.len()).chain(0..i) {
            if !taken[j] && same(x, &right[j], meter)? {
                taken[j] = true;
                continue 'left;
            }
        }
        return Ok(false);
    }
    Ok(true)
}

/// `a ~ b` for collections: same size, equivalent in any order.
pub(crate) fn all_equivalent(
    a: &[Item<'_>],
    b: &[Item<'_>],
    meter: &mut Meter,
) -> Result<bool, Error> {
    match_up(a, b, |x, y, meter| equivalent(x, y, meter), meter)
}

/// Order of two single items.
///
/// Errors: execution, when their types have no order or do not fit.
pub(crate) fn order(
    a: &Item<'_>,
    b: &Item<'_>,
    position: u32,
    meter: &mut Meter,
) -> Result<Option<Ordering>, Error> {
    meter.charge(1)?;
    Ok(match pair(a, b) {
        Pair::Number(x, y) => Some(x.compare(y)),
        Pair::Text(x, y) => {
            meter.charge((x.len() + y.len()) as u64 / 64)?;
            Some(x.cmp(&y))
        }
        Pair::Date(x, y) => x.compare(y),
        Pair::DateTime(x, y) => x.compare(y),
        Pair::Time(x, y) => x.compare(y),
        Pair::Quantity(x, y) => x.compare(&y),
        _ => {
            let ((_, left), (_, right)) = (a.type_name(), b.type_name());
            let text = format!("{left} and {right} have no order between them");
            return Err(Error::execution(position, text));
        }
    })
}

/// A number that equal items share; most unequal ones do not.
pub(crate) fn hash(item: &Item<'_>, meter: &mut Meter) -> Result<u64, Error> {
    meter.charge(4)?;
    let mut state = DefaultHasher::new();
    match item.to_system() {
        Some(Item::Boolean(value)) => (1_u8, value).hash(&mut state),
        Some(Item::Integer(value)) => (2_u8, Decimal::from(value)).hash(&mut state),
        Some(Item::Decimal(value)) => (2_u8, value.normalize()).hash(&mut state),
        Some(Item::String(text)) => {
            meter.charge(text.len() as u64 / 64)?;
            text.hash(&mut state);
        }
        Some(Item::Type { namespace, name }) => (namespace, name).hash(&mut state),
        // Precision, offsets and units make equal values look different.
        Some(Item::Date(date)) => date_hash(date, &mut state),
        Some(Item::DateTime(value)) if value.time.is_none() => date_hash(value.date, &mut state),
        Some(_) => 3_u8.hash(&mut state),
        None => match item.node() {
            Some(node) => node_hash(node, meter)?.hash(&mut state),
            None => 4_u8.hash(&mut state),
        },
    }
    Ok(state.finish())
}

fn date_hash(date: Date, state: &mut DefaultHasher) {
    match date.precision {
        Precision::Day => (5_u8, date).hash(state),
        _ => 3_u8.hash(state),
    }
}

fn node_hash(node: Node<'_>, meter: &mut Meter) -> Result<u64, Error> {
    charge_node(node, meter)?;
    let mut state = DefaultHasher::new();
    match node.kind() {
        Kind::Null => 0_u8.hash(&mut state),
        Kind::Bool => node.raw().hash(&mut state),
        Kind::Number => Decimal::parse(node.raw()).map(Decimal::normalize).hash(&mut state),
        Kind::String => node.as_str().hash(&mut state),
        Kind::Array => {
            for item in node.items() {
                node_hash(item, meter)?.hash(&mut state);
            }
        }
        Kind::Object => {
            // The order of members is free.
            let mut sum = 0_u64;
            for (name, value) in node.members() {
                let mut member = DefaultHasher::new();
                name.hash(&mut member);
                node_hash(value, meter)?.hash(&mut member);
                sum = sum.wrapping_add(member.finish());
            }
            sum.hash(&mut state);
        }
    }
    Ok(state.finish())
}

/// A growing set of items that are not equal to each other.
#[derive(Debug, Default)]
pub(crate) struct Distinct {
    by_hash: std::collections::HashMap<u64, Vec<usize>>,
}

/// Below this many items comparing each with each is cheaper than hashing.
const LINEAR_MAX: usize = 8;

impl Distinct {
    /// Whether `item` equals none of `seen`, all of which were offered before.
    pub(crate) fn is_new(
        &mut self,
        item: &Item<'_>,
        seen: &[Item<'_>],
        meter: &mut Meter,
    ) -> Result<bool, Error> {
        if seen.len() < LINEAR_MAX {
            for other in seen {
                if equal(item, other, meter)? == Some(true) {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if self.by_hash.is_empty() {
            for (i, other) in seen.iter().enumerate() {
                self.by_hash.entry(hash(other, meter)?).or_default().push(i);
            }
        }
        let key = hash(item, meter)?;
        let places = self.by_hash.entry(key).or_default();
        for i in places.iter() {
            if equal(item, &seen[*i], meter)? == Some(true) {
                return Ok(false);
            }
        }
        // The caller appends a new item to `seen`.
        places.push(seen.len());
        Ok(true)
    }
}

/// Whether `item` equals a member of `items`.
pub(crate) fn contains(
    items: &[Item<'_>],
    item: &Item<'_>,
    meter: &mut Meter,
) -> Result<bool, Error> {
    for other in items {
        if equal(other, item, meter)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the class of an item is one that FHIRPath compares as a whole.
pub(crate) fn is_complex(item: &Item<'_>) -> bool {
    match item {
        Item::Node { ty, .. } => {
            matches!(known().class(*ty), Class::Complex | Class::AnyResource | Class::Quantity)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    fn meter() -> Meter {
        Meter::new(10_000)
    }

    #[test]
    fn complex_values_compare_by_content() {
        let doc = Doc::parse(r#"[{"a":1.0,"b":[1,2]},{"b":[1,2],"a":1.00},{"b":[2,1],"a":1}]"#)
            .expect("JSON");
        let items: Vec<_> = doc.root().items().map(Item::root).collect();
        let m = &mut meter();
        assert_eq!(equal(&items[0], &items[1], m), Ok(Some(true)));
        assert_eq!(equal(&items[0], &items[2], m), Ok(Some(false)));
        assert_eq!(equivalent(&items[0], &items[2], m), Ok(true));
        assert_eq!(hash(&items[0], m), hash(&items[1], m));
    }

    #[test]
    fn strings_are_equivalent_but_for_case_and_kind_of_space() {
        let text = |t: &'static str| Item::String(t.into());
        let m = &mut meter();
        assert_eq!(equivalent(&text("A\tb"), &text("a B"), m), Ok(true));
        assert_eq!(equivalent(&text("A  b"), &text("a B"), m), Ok(false));
        assert_eq!(equal(&text("A"), &text("a"), m), Ok(Some(false)));
    }

    #[test]
    fn distinct_is_the_same_with_and_without_hashing() {
        let m = &mut meter();
        let mut seen = Vec::new();
        let mut set = Distinct::default();
        for i in 0..40 {
            let item = Item::Integer(i % 20);
            if set.is_new(&item, &seen, m).expect("budget") {
                seen.push(item);
            }
        }
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn a_budget_ends() {
        let doc = Doc::parse("[[1,2,3,4],[1,2,3,4]]").expect("JSON");
        let items: Vec<_> = doc.root().items().map(Item::root).collect();
        assert!(equal(&items[0], &items[1], &mut Meter::new(5)).is_err());
        assert!(equal(&items[0], &items[1], &mut Meter::new(6)).is_ok());
    }
}
