//! Numbers for search parameters: dense over (resource type, code) in the order of `fhir_tables`.
//!
//! The numbers follow from the tables: they are stable as long as the tables are.

use std::sync::OnceLock;

use fhir_tables::{ResourceType, SearchParam, search_params};

use crate::value::ParamId;

/// `first[rt]` is the number of the first parameter of a type; one more entry closes the list.
struct Numbers {
    first: Vec<u16>,
    rows: Vec<(ResourceType, &'static SearchParam)>,
}

fn numbers() -> &'static Numbers {
    static NUMBERS: OnceLock<Numbers> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let mut first = vec![0];
        let mut rows = Vec::new();
        for rt in ResourceType::ALL {
            rows.extend(search_params(rt).iter().map(|param| (rt, param)));
            first.push(u16::try_from(rows.len()).expect("R4 has 3 165 parameters"));
        }
        Numbers { first, rows }
    })
}

/// Number of parameters of all types; ids are below it.
pub fn count() -> usize {
    numbers().rows.len()
}

/// The parameters of a type in the byte order of their codes.
pub fn of(rt: ResourceType) -> impl Iterator<Item = (ParamId, &'static SearchParam)> {
    let first = numbers().first[usize::from(rt.0)];
    (first..).map(ParamId).zip(search_params(rt))
}

/// The parameter of this exact code.
pub fn find(rt: ResourceType, code: &str) -> Option<(ParamId, &'static SearchParam)> {
    let params = search_params(rt);
    let idx = params.binary_search_by(|param| param.code.cmp(code)).ok()?;
    Some((ParamId(numbers().first[usize::from(rt.0)] + idx as u16), &params[idx]))
}

/// Type and definition behind a number.
///
/// Panics when `id` is not below [`count`]: ids come from this module only.
pub fn def(id: ParamId) -> (ResourceType, &'static SearchParam) {
    numbers().rows[usize::from(id.0)]
}

/// Like [`def`], for numbers read from disk.
pub fn get(id: ParamId) -> Option<(ResourceType, &'static SearchParam)> {
    numbers().rows.get(usize::from(id.0)).copied()
}

fn of_every_type(rt: ResourceType, code: &str) -> ParamId {
    find(rt, code).expect("a parameter of Resource").0
}

/// `_id` of a type.
pub fn id_of(rt: ResourceType) -> ParamId {
    of_every_type(rt, "_id")
}

/// `_lastUpdated` of a type.
pub fn last_updated_of(rt: ResourceType) -> ParamId {
    of_every_type(rt, "_lastUpdated")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_lead_back() {
        let mut next = 0;
        for rt in ResourceType::ALL {
            for (id, param) in of(rt) {
                assert_eq!(usize::from(id.0), next);
                assert_eq!(def(id).0, rt);
                assert!(std::ptr::eq(def(id).1, param));
                assert_eq!(find(rt, param.code).expect(param.code).0, id);
                next += 1;
            }
            assert_eq!(def(id_of(rt)).1.code, "_id");
            assert_eq!(def(last_updated_of(rt)).1.code, "_lastUpdated");
        }
        assert_eq!(next, count());
        assert!(get(ParamId(count() as u16)).is_none());
        assert!(find(ResourceType::PATIENT, "nothing").is_none());
    }
}
