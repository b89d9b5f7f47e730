//! JSON pointers: RFC 6901.

use super::{Wrong, impossible};
use crate::json::Value;

/// The tokens of a pointer, `~1` and `~0` decoded; none for the whole document.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(vec![]);
    }
    let tokens = text.strip_prefix('/')?.split('/').map(|token| {
        let mut rest = token;
        while let Some(at) = rest.find('~') {
            rest = rest[at + 1..].strip_prefix(['0', '1'])?;
        }
        Some(token.replace("~1", "/").replace("~0", "~"))
    });
    tokens.collect()
}

/// The index of an array item: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with(['0', '+']);
    if canonical { token.parse().ok() } else { None }
}

/// The value that a pointer leads to.
pub(super) fn find_mut<'v>(root: &'v mut Value, path: &[String]) -> Result<&'v mut Value, Wrong> {
    let mut at = root;
    for token in path {
        at = match at {
            Value::Object(members) => members
                .iter_mut()
                .find(|(name, _)| name == token)
                .map(|(_, value)| value)
                .ok_or_else(|| no_member(token))?,
            Value::Array(items) => {
                let n_items = items.len();
                index(token)
                    .and_then(|item_idx| items.get_mut(item_idx))
                    .ok_or_else(|| no_item(token, n_items))?
            }
            _ => return Err(no_member(token)),
        };
    }
    Ok(at)
}

pub(super) fn no_member(token: &str) -> Wrong {
    impossible(format!("there is no '{}'", super::shortened(token)))
}

pub(super) fn no_item(token: &str, n_items: usize) -> Wrong {
    let token = super::shortened(token);
    impossible(format!("there is no item '{token}' in an array of {n_items}"))
}
