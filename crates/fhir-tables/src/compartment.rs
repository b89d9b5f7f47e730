//! The five compartments.

use crate::ResourceType;
pub use crate::generated::compartments::COMPARTMENTS;

/// Which resources belong to one patient, encounter, practitioner, related person or device.
#[derive(Debug)]
pub struct CompartmentDef {
    /// The name in a URL, which is also the name of the root's resource type.
    pub code: &'static str,
    pub root: ResourceType,
    /// Resource types in the compartment with the search parameters that connect them to the
    /// root, in the order of resource types. A type that is not in the compartment has no row.
    pub params: &'static [(ResourceType, &'static [&'static str])],
}

impl CompartmentDef {
    /// The search parameters that connect `ty` to the root; empty when it is not a member.
    ///
    /// `{def}` in R4's data stands for the root itself and is not repeated here: the root belongs
    /// to its own compartment by definition.
    pub fn params_of(&self, ty: ResourceType) -> &'static [&'static str] {
        match self.params.binary_search_by_key(&ty, |row| row.0) {
            Ok(row_idx) => self.params[row_idx].1,
            Err(_) => &[],
        }
    }
}

/// The compartment of this exact code: `Patient`, `Encounter`, `Practitioner`, `RelatedPerson`
/// or `Device`.
pub fn compartment(name: &str) -> Option<&'static CompartmentDef> {
    COMPARTMENTS.iter().find(|def| def.code == name)
}
