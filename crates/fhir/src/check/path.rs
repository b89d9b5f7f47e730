//! Where an element stands, as a chain of frames.

/// One step of the way from the resource to an element.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    parent: Option<&'p At<'p>>,
    name: &'p str,
    item_idx: Option<usize>,
}

impl<'p> At<'p> {
    /// The outermost resource, under the name of its type.
    pub fn root(name: &'p str) -> At<'p> {
        At { parent: None, name, item_idx: None }
    }

    pub fn child(&'p self, name: &'p str) -> At<'p> {
        At { parent: Some(self), name, item_idx: None }
    }

    pub fn item(self, item_idx: usize) -> At<'p> {
        At { item_idx: Some(item_idx), ..self }
    }

    /// The simple FHIRPath of this place: `Patient.name[0].given[1]`.
    ///
    /// Source: FHIR R4 operationoutcome-definitions.html#OperationOutcome.issue.expression.
    pub fn expression(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
            out.push('.');
        }
        out.push_str(self.name);
        if let Some(item_idx) = self.item_idx {
            out.push('[');
            out.push_str(&item_idx.to_string());
            out.push(']');
        }
    }
}
