//! The resources that chains and `_has` see, in memory: for the matcher.
//!
//! Source: FHIR R4 search.html#chaining, #has. Only current resources; references that lead out
//! of the world lead nowhere.

use std::collections::BTreeMap;

use fhir_tables::ResourceType;

use crate::query::Query;
use crate::value::{IndexValue, Indexed, ParamId};

/// A resource as search sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub rt: ResourceType,
    pub id: String,
    pub last_updated_ms: i64,
    /// All its index values.
    pub values: Vec<Indexed>,
}

impl Known {
    /// Where the references of a parameter lead on this server.
    pub fn references(&self, param: ParamId) -> impl Iterator<Item = (ResourceType, &str)> {
        self.values.iter().filter(move |v| v.param == param).filter_map(|v| match &v.value {
            IndexValue::Reference { ty, id } => Some((*ty, id.as_str())),
            _ => None,
        })
    }
}

/// Resources by type and id.
#[derive(Clone, Debug, Default)]
pub struct World {
    all: BTreeMap<(ResourceType, String), Known>,
}

impl World {
    /// Adds a resource; the older one of the same type and id is gone.
    pub fn put(&mut self, resource: Known) {
        self.all.insert((resource.rt, resource.id.clone()), resource);
    }

    pub fn remove(&mut self, rt: ResourceType, id: &str) {
        self.all.remove(&(rt, id.to_owned()));
    }

    pub fn get(&self, rt: ResourceType, id: &str) -> Option<&Known> {
        self.all.get(&(rt, id.to_owned()))
    }

    /// Resources of a type in the order of their ids.
    pub fn of(&self, rt: ResourceType) -> impl Iterator<Item = &Known> {
        let first = (rt, String::new());
        self.all.range(first..).map(|(_, resource)| resource).take_while(move |r| r.rt == rt)
    }

    /// What a query finds, in the order of the ids.
    pub fn search(&self, query: &Query) -> impl Iterator<Item = &Known> {
        self.of(query.rt).filter(|resource| query.matches_in(self, resource))
    }
}
