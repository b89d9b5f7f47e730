//! The concrete resource types.

use std::sync::LazyLock;

use crate::TypeId;
use crate::generated::resources::RESOURCES;
use crate::names::Names;

/// A concrete resource type, numbered in alphabetical order from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(pub u8);

pub(crate) struct ResourceRow {
    pub name: &'static str,
    pub ty: TypeId,
}

impl ResourceType {
    /// All resource types in alphabetical order.
    pub const ALL: [ResourceType; RESOURCES.len()] = {
        let mut all = [ResourceType(0); RESOURCES.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = ResourceType(i as u8);
            i += 1;
        }
        all
    };

    pub fn name(self) -> &'static str {
        RESOURCES[usize::from(self.0)].name
    }

    /// The resource type with exactly this name; `None` for abstract types and all else.
    pub fn from_name(name: &str) -> Option<ResourceType> {
        static NAMES: LazyLock<Names> =
            LazyLock::new(|| Names::of(RESOURCES.iter().map(|row| row.name)));
        NAMES.find(name, |idx| RESOURCES[idx].name).map(|idx| ResourceType(idx as u8))
    }

    #[inline]
    pub fn type_id(self) -> TypeId {
        RESOURCES[usize::from(self.0)].ty
    }
}

impl std::fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match RESOURCES.get(usize::from(self.0)) {
            Some(row) => f.write_str(row.name),
            None => write!(f, "ResourceType({} is out of range)", self.0),
        }
    }
}

impl std::fmt::Display for ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
