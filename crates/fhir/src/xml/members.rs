//! The members of a JSON object, built from elements that come one by one.

use crate::json::Value;

/// Members in order. Repeated elements stand side by side in XML and become one array; primitives
/// with id or extensions become a second array beside it.
#[derive(Default)]
pub(super) struct Members {
    done: Vec<(String, Value)>,
    open: Option<Open>,
}

/// The element that came last, which may come again.
struct Open {
    name: String,
    repeats: bool,
    /// Values, null where there is none; as long as `siblings`.
    values: Vec<Value>,
    siblings: Vec<Value>,
}

impl Members {
    /// Adds a member that does not repeat and has no sibling.
    pub fn single(&mut self, name: &str, value: Value) {
        self.close();
        self.done.push((name.to_owned(), value));
    }

    /// Adds one value of an element with what stands beside it.
    pub fn add(&mut self, name: &str, repeats: bool, value: Option<Value>, sibling: Option<Value>) {
        if self.open.as_ref().is_none_or(|open| open.name != name) {
            self.close();
        }
        let open = self.open.get_or_insert_with(|| Open {
            name: name.to_owned(),
            repeats,
            values: vec![],
            siblings: vec![],
        });
        open.values.push(value.unwrap_or(Value::Null));
        open.siblings.push(sibling.unwrap_or(Value::Null));
    }

    /// Number of values that the element of this name has so far.
    pub fn n_open(&self, name: &str) -> usize {
        self.open.as_ref().filter(|open| open.name == name).map_or(0, |open| open.values.len())
    }

    /// Whether the last value was of the element of this name.
    pub fn is_last(&self, name: &str) -> bool {
        self.n_open(name) > 0
    }

    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.open.is_none()
    }

    pub fn finish(mut self) -> Value {
        self.close();
        Value::Object(self.done)
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let lists = [(open.name.clone(), open.values), (format!("_{}", open.name), open.siblings)];
        for (name, mut list) in lists {
            if list.iter().all(|value| *value == Value::Null) {
                continue;
            }
            let value = if open.repeats { Some(Value::Array(list)) } else { list.pop() };
            self.done.extend(value.map(|value| (name, value)));
        }
    }
}
