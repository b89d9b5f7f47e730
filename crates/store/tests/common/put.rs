//! A put of a resource as it stands in JSON.

use fhir::json::Doc;
use fhir_tables::ResourceType;
use store::{Expect, Put, PutKind};

pub fn rt(name: &str) -> ResourceType {
    ResourceType::from_name(name).expect(name)
}

pub fn put(json: &str) -> Put {
    let doc = Doc::parse(json).expect(json);
    let root = doc.root();
    let ty = rt(&root.str("resourceType").expect("type"));
    Put {
        rt: ty,
        id: root.str("id").expect("id").into_owned(),
        kind: PutKind::Write,
        text: json.to_owned(),
        meta_at: json.find("\"meta\":{").expect("meta") + 8,
        values: search::index(ty, root, ""),
        references: Vec::new(),
        expect: Expect::Any,
    }
}
