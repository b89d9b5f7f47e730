//! Items as JSON for the command line and for `$fhirpath`.
//!
//! Source: FHIR R4 fhirpath.html#types (which FHIR type a System value stands for).

use std::borrow::Cow;

use fhir::json::Value;

use crate::item::Item;

impl Item<'_> {
    /// The FHIR type that the item is, or that a System value becomes: `HumanName`, `integer`.
    #[must_use]
    pub fn fhir_type(&self) -> &'static str {
        match self {
            Self::Node { ty, .. } => ty.name(),
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Decimal(_) => "decimal",
            Self::String(_) => "string",
            Self::Date(_) => "date",
            Self::DateTime(_) => "dateTime",
            Self::Time(_) => "time",
            Self::Quantity(_) => "Quantity",
            Self::Type { .. } => "TypeInfo",
        }
    }

    /// The item's value in FHIR's JSON; `Null` for a primitive without a value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let text = |t: String| Value::String(t);
        match self {
            Self::Node { node, sibling, .. } if Some(*node) == *sibling => Value::Null,
            Self::Node { node, .. } => Value::from(*node),
            Self::Boolean(value) => Value::Bool(*value),
            Self::Integer(value) => Value::Number(value.to_string()),
            Self::Decimal(value) => Value::Number(value.to_string()),
            Self::String(value) => text(value.clone().into_owned()),
            Self::Date(value) => text(value.to_string()),
            Self::DateTime(value) => text(value.to_string()),
            Self::Time(value) => text(value.to_string()),
            Self::Quantity(quantity) => {
                let mut members = vec![("value", Value::Number(quantity.value.to_string()))];
                if quantity.calendar {
                    members.push(("unit", text(quantity.unit.to_string())));
                } else {
                    members.push(("unit", text(quantity.unit.to_string())));
                    members.push(("system", text("http://unitsofmeasure.org".to_owned())));
                    members.push(("code", text(quantity.unit.to_string())));
                }
                Value::object(members)
            }
            Self::Type { namespace, name } => Value::object([
                ("namespace", text((*namespace).to_owned())),
                ("name", text((*name).to_owned())),
            ]),
        }
    }

    /// The item as `toString()` shows it; JSON for complex elements.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self.to_system().as_ref().and_then(crate::eval::to_text) {
            Some(text) if self.has_value() => Cow::Owned(text),
            _ => Cow::Owned(self.to_json().to_json()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Env, Expr};
    use fhir::json::Doc;

    fn shown(text: &str) -> Vec<(&'static str, String)> {
        let doc =
            Doc::parse(r#"{"resourceType":"Patient","active":true,"name":[{"given":["A"]}]}"#)
                .expect("JSON");
        let expr = Expr::compile(text, None).expect(text);
        let items = expr.eval(doc.root(), &Env::new(0)).expect(text);
        items.iter().map(|item| (item.fhir_type(), item.to_json().to_json())).collect()
    }

    #[test]
    fn values() {
        assert_eq!(shown("active"), [("boolean", "true".to_owned())]);
        assert_eq!(shown("name"), [("HumanName", r#"{"given":["A"]}"#.to_owned())]);
        assert_eq!(shown("1.50"), [("decimal", "1.50".to_owned())]);
        assert_eq!(shown("@2015-02T"), [("dateTime", "\"2015-02\"".to_owned())]);
        let quantity = r#"{"value":4,"unit":"day"}"#.to_owned();
        assert_eq!(shown("4 days"), [("Quantity", quantity)]);
    }
}
