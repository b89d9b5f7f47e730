//! JSON Patch over an owned resource.
//!
//! Source: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer), FHIR R4 http.html#patch.
//! What it does *not* do: FHIR. A patch may leave an empty array or an unknown element behind;
//! [`crate::check`] says so when the result is read again.

mod pointer;

use crate::issue::{Issue, IssueType};
use crate::json::{DEPTH_MAX, Kind, Node, Value};

/// Most operations of one patch.
pub const OPERATIONS_MAX: usize = 1_000;
/// Most values that the operations of one patch may add or copy, counted with all they hold.
pub const VALUES_MAX: usize = 100_000;

/// Applies the operations of `patch` to `resource` in order.
///
/// Shape: `patch` is the array of RFC 6902.
/// Source: RFC 6902 §4, §5.
/// Errors: the first operation that is malformed (`structure`), points to what is not there, or
/// tests false (`processing`), or exceeds a limit (`too-costly`). `resource` may then hold the
/// effect of the operations before it: drop it.
pub fn apply(resource: &mut Value, patch: Node<'_>) -> Result<(), Issue> {
    if patch.kind() != Kind::Array {
        return Err(Issue::error(
            IssueType::Structure,
            "",
            "a JSON Patch must be an array of operations (RFC 6902)",
        ));
    }
    if patch.len() > OPERATIONS_MAX {
        return Err(Issue::error(
            IssueType::TooCostly,
            "",
            format!("a JSON Patch may have up to {OPERATIONS_MAX} operations"),
        ));
    }
    let mut n_values_left = VALUES_MAX;
    for (operation_idx, operation) in patch.items().enumerate() {
        apply_one(resource, operation, &mut n_values_left).map_err(|(code, text)| {
            let op = operation.str("op").unwrap_or_default();
            let path = operation.str("path").unwrap_or_default();
            let (op, path) = (shortened(&op), shortened(&path));
            let text = format!("operation {operation_idx} ({op} '{path}'): {text}");
            Issue::error(code, "", text)
        })?;
    }
    Ok(())
}

/// What is wrong with an operation.
type Wrong = (IssueType, String);

fn malformed(text: impl Into<String>) -> Wrong {
    (IssueType::Structure, text.into())
}

fn impossible(text: impl Into<String>) -> Wrong {
    (IssueType::Processing, text.into())
}

fn apply_one(
    root: &mut Value,
    operation: Node<'_>,
    n_values_left: &mut usize,
) -> Result<(), Wrong> {
    if operation.kind() != Kind::Object {
        return Err(malformed("must be an object with op and path"));
    }
    let path = pointer_member(operation, "path")?;
    let op = operation.str("op").ok_or_else(|| malformed("op must be a string"))?;
    match &*op {
        "add" => {
            let value = value_member(operation, n_values_left)?;
            add(root, &path, value)
        }
        "remove" => remove(root, &path).map(drop),
        "replace" => {
            let value = value_member(operation, n_values_left)?;
            fits_depth(&path, &value)?;
            *pointer::find_mut(root, &path)? = value;
            Ok(())
        }
        "move" => {
            let from = pointer_member(operation, "from")?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(impossible("a value cannot move into itself"));
            }
            let value = remove(root, &from)?;
            add(root, &path, value)
        }
        "copy" => {
            let from = pointer_member(operation, "from")?;
            let value = pointer::find_mut(root, &from)?.clone();
            count(&value, n_values_left)?;
            add(root, &path, value)
        }
        "test" => {
            let value = value_member(operation, n_values_left)?;
            let found = pointer::find_mut(root, &path)?;
            if same(found, &value) {
                Ok(())
            } else {
                Err(impossible("the test failed: the value there is another one"))
            }
        }
        _ => Err(malformed("op must be add, remove, replace, move, copy or test")),
    }
}

/// A member that is a JSON pointer, as its tokens.
fn pointer_member(operation: Node<'_>, name: &str) -> Result<Vec<String>, Wrong> {
    let text = operation.str(name).ok_or_else(|| malformed(format!("{name} must be a string")))?;
    pointer::parse(&text).ok_or_else(|| {
        malformed(format!("{name} must be a JSON pointer such as '/name/0/family' (RFC 6901)"))
    })
}

fn value_member(operation: Node<'_>, n_values_left: &mut usize) -> Result<Value, Wrong> {
    let node = operation.get("value").ok_or_else(|| malformed("value is missing"))?;
    let value = Value::from(node);
    count(&value, n_values_left)?;
    Ok(value)
}

/// Adds a value at a place whose parent exists: RFC 6902 §4.1.
fn add(root: &mut Value, path: &[String], value: Value) -> Result<(), Wrong> {
    fits_depth(path, &value)?;
    let Some((last, parent)) = path.split_last() else {
        *root = value;
        return Ok(());
    };
    match pointer::find_mut(root, parent)? {
        Value::Object(members) => match members.iter_mut().find(|(name, _)| name == last) {
            Some((_, old)) => *old = value,
            None => members.push((last.clone(), value)),
        },
        Value::Array(items) => {
            let item_idx = if last == "-" { Some(items.len()) } else { pointer::index(last) };
            match item_idx.filter(|item_idx| *item_idx <= items.len()) {
                Some(item_idx) => items.insert(item_idx, value),
                None => return Err(pointer::no_item(last, items.len())),
            }
        }
        _ => return Err(impossible("the parent is neither an object nor an array")),
    }
    Ok(())
}

/// Takes a value out: RFC 6902 §4.2.
fn remove(root: &mut Value, path: &[String]) -> Result<Value, Wrong> {
    let Some((last, parent)) = path.split_last() else {
        return Err(impossible("the whole resource cannot be removed by a patch: delete it"));
    };
    match pointer::find_mut(root, parent)? {
        Value::Object(members) => match members.iter().position(|(name, _)| name == last) {
            Some(at) => Ok(members.remove(at).1),
            None => Err(pointer::no_member(last)),
        },
        Value::Array(items) => {
            match pointer::index(last).filter(|item_idx| *item_idx < items.len()) {
                Some(item_idx) => Ok(items.remove(item_idx)),
                None => Err(pointer::no_item(last, items.len())),
            }
        }
        _ => Err(impossible("the parent is neither an object nor an array")),
    }
}

/// Takes the size of a value from what is left.
fn count(value: &Value, n_values_left: &mut usize) -> Result<(), Wrong> {
    *n_values_left = n_values_left.checked_sub(n_values(value)).ok_or_else(|| {
        (IssueType::TooCostly, format!("the patch adds more than {VALUES_MAX} values"))
    })?;
    Ok(())
}

fn n_values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(n_values).sum::<usize>(),
        Value::Object(members) => members.iter().map(|(_, value)| n_values(value)).sum(),
        _ => 0,
    }
}

/// A value at this place keeps within the depth that a reader takes.
fn fits_depth(path: &[String], value: &Value) -> Result<(), Wrong> {
    if path.len() + value.depth() > DEPTH_MAX {
        return Err((IssueType::TooCostly, format!("the result nests deeper than {DEPTH_MAX}")));
    }
    Ok(())
}

/// Equality of RFC 6902 §4.6: the order of members is free, numbers are compared as numbers.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || decimal(a) == decimal(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| {
                    b.iter().find(|(other, _)| other == name).is_some_and(|(_, b)| same(a, b))
                })
        }
        _ => a == b,
    }
}

/// Sign, digits without zeros at either end, and the power of ten of the last digit.
fn decimal(text: &str) -> (bool, String, i64) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    // An exponent of more digits than i64 holds saturates: such numbers differ by their digits.
    let negative_exponent = exponent.starts_with('-');
    let saturated = if negative_exponent { i64::MIN / 2 } else { i64::MAX / 2 };
    let exponent = exponent.parse::<i64>().unwrap_or(saturated);
    let power = exponent
        .saturating_sub(fraction.len() as i64)
        .saturating_add((all.len() - digits.len()) as i64);
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() { (false, digits, 0) } else { (negative, digits, power) }
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    text.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
