//! Every search parameter of R4 that has an expression is indexed.

use fhir_tables::ResourceType;

#[test]
fn every_expression_of_r4_has_a_plan() {
    let mut missing = Vec::new();
    for rt in ResourceType::ALL {
        for id in search::index::unplanned(rt) {
            let (_, param) = search::params::def(*id);
            missing.push(format!("{rt} {} {:?} {}", param.code, param.kind, param.expression));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
