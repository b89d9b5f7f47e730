//! Reading and writing items as JSON.

use fhir::json::Value;

use crate::Error;
use crate::account::number_ms;

/// An item that was read.
pub(crate) struct Item(Value);

impl Item {
    pub fn parse(bytes: &[u8]) -> Result<Item, Error> {
        Value::parse(bytes).map(Item).map_err(|_| Error::storage("an item cannot be read"))
    }

    pub fn may(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    pub fn text(&self, name: &'static str) -> Result<String, Error> {
        self.may(name).ok_or_else(|| Error::storage(format!("an item has no {name}")))
    }

    pub fn ms(&self, name: &'static str) -> Result<i64, Error> {
        let number = number_ms(self.0.get(name));
        number.ok_or_else(|| Error::storage(format!("an item has no {name}")))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).unwrap_or_default()
    }
}

/// An item that is made: members that are `None` are left out.
pub(crate) struct Making(Value);

impl Making {
    pub fn new() -> Making {
        Making(Value::Object(Vec::new()))
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Making {
        self.0.set(name, value.into());
        self
    }

    #[must_use]
    pub fn may(self, name: &str, text: Option<&String>) -> Making {
        match text {
            Some(text) => self.with(name, text.as_str()),
            None => self,
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.to_json().into_bytes()
    }
}
