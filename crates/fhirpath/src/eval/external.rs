//! `%` variables.
//!
//! Source: FHIRPath N1 §9, FHIR R4 fhirpath.html#variables.

use std::borrow::Cow;

use super::{Evaluator, Items};
use crate::error::Error;
use crate::item::Item;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn external(
        &mut self,
        name: &'a str,
        position: u32,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        if let Some((_, values)) = self.env.variables.iter().find(|(n, _)| *n == name) {
            out.extend(values.iter().cloned());
            return Ok(());
        }
        let text: Cow<'a, str> = match name {
            "context" => {
                out.push(self.root.clone());
                return Ok(());
            }
            "resource" => {
                out.push(self.env.resource.map_or_else(|| self.root.clone(), Item::root));
                return Ok(());
            }
            "rootResource" => {
                let root = self.env.root_resource.or(self.env.resource);
                out.push(root.map_or_else(|| self.root.clone(), Item::root));
                return Ok(());
            }
            "ucum" => "http://unitsofmeasure.org".into(),
            "sct" => "http://snomed.info/sct".into(),
            "loinc" => "http://loinc.org".into(),
            _ => {
                if let Some(id) = name.strip_prefix("vs-") {
                    format!("http://hl7.org/fhir/ValueSet/{id}").into()
                } else if let Some(id) = name.strip_prefix("ext-") {
                    format!("http://hl7.org/fhir/StructureDefinition/{id}").into()
                } else {
                    let text = format!("there is no variable `%{name}`");
                    return Err(Error::execution(position, text));
                }
            }
        };
        out.push(Item::String(text));
        Ok(())
    }
}
