//! Resource types, value sets, compartments and operations.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::definitions::{Definitions, items, str_of, strings};
use super::print::{self, HEADER, const_name, string};
use super::types::Model;

/// The text of `resources.rs`.
pub fn resources(model: &Model) -> String {
    let mut out = String::from(HEADER);
    out.push_str("use crate::resource_type::{ResourceRow, ResourceType};\nuse crate::TypeId;\n\n");
    out.push_str("impl ResourceType {\n");
    for (idx, name) in model.resources.iter().enumerate() {
        let name = const_name(name);
        writeln!(out, "    pub const {name}: ResourceType = ResourceType({idx});")
            .expect("a String");
    }
    let n_resources = model.resources.len();
    write!(out, "}}\n\npub(crate) static RESOURCES: [ResourceRow; {n_resources}] = [\n")
        .expect("a String");
    for name in &model.resources {
        let ty = const_name(name);
        writeln!(out, "    ResourceRow {{ name: {}, ty: TypeId::{ty} }},", string(name))
            .expect("a String");
    }
    out.push_str("];\n");
    out
}

/// The text of `value_sets.rs`.
pub fn value_sets(definitions: &Definitions, model: &Model) -> String {
    let mut out = String::from(HEADER);
    out.push_str("use crate::value_set::ValueSetRow;\n\n");
    let n_sets = model.value_sets.len();
    writeln!(out, "pub(crate) static VALUE_SETS: [ValueSetRow; {n_sets}] = [").expect("a String");
    for url in &model.value_sets {
        let (systems, codes) = match definitions.expansions.get(url) {
            Some(value_set) => expansion(value_set),
            None => (BTreeSet::new(), BTreeSet::new()),
        };
        let codes = match codes.is_empty() {
            true => "None".to_owned(),
            false => format!("Some({})", print::strings(codes)),
        };
        let (url, systems) = (string(url), print::strings(systems));
        writeln!(out, "    ValueSetRow {{ url: {url}, systems: {systems}, codes: {codes} }},")
            .expect("a String");
    }
    out.push_str("];\n");
    out
}

/// Systems and codes of an expansion; none when it is only a part of the value set.
fn expansion(value_set: &Value) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut systems, mut codes) = (BTreeSet::new(), BTreeSet::new());
    let expansion = &value_set["expansion"];
    let partial = items(expansion, "extension").any(|extension| {
        str_of(extension, "url").ends_with("/valueset-toocostly")
            || str_of(extension, "url").ends_with("/valueset-unclosed")
    });
    let mut open: Vec<&Value> = match partial {
        true => vec![],
        false => items(expansion, "contains").collect(),
    };
    while let Some(concept) = open.pop() {
        open.extend(items(concept, "contains"));
        if concept["abstract"] != true && !str_of(concept, "code").is_empty() {
            systems.insert(str_of(concept, "system"));
            codes.insert(str_of(concept, "code"));
        }
    }
    (systems, codes)
}

/// The text of `compartments.rs`.
pub fn compartments(definitions: &Definitions, model: &Model) -> Result<String, String> {
    let mut rows = String::new();
    let mut n_rows = 0;
    for json in &definitions.compartments {
        if str_of(json, "id") == "example" {
            continue;
        }
        n_rows += 1;
        let mut params = Vec::new();
        for resource in items(json, "resource") {
            let codes: Vec<&str> =
                strings(resource, "param").into_iter().filter(|code| *code != "{def}").collect();
            if !codes.is_empty() {
                let idx = model.resource_idx(str_of(resource, "code"))?;
                params.push((idx, print::strings(codes)));
            }
        }
        params.sort();
        let code = str_of(json, "code");
        let root = model.resource_idx(code)?;
        writeln!(rows, "    CompartmentDef {{ code: {}, root: r({root}), params: &[", string(code))
            .expect("a String");
        for (idx, codes) in params {
            writeln!(rows, "        (r({idx}), {codes}),").expect("a String");
        }
        rows.push_str("    ] },\n");
    }
    let mut out = String::from(HEADER);
    out.push_str("use crate::{CompartmentDef, ResourceType};\n\n");
    out.push_str(R);
    write!(
        out,
        "/// All compartments of R4, in the order of their codes.\n\
         pub static COMPARTMENTS: [CompartmentDef; {n_rows}] = [\n{rows}];\n"
    )
    .expect("a String");
    Ok(out)
}

const R: &str = "const fn r(idx: u8) -> ResourceType {\n    ResourceType(idx)\n}\n\n";

/// The text of `operations.rs`.
pub fn operations(definitions: &Definitions, model: &Model) -> Result<String, String> {
    let mut rows = Vec::new();
    for json in &definitions.operations {
        let is_real = str_of(json, "kind") == "operation" && str_of(json, "id") != "example";
        if is_real {
            let resources = model.resource_list(&strings(json, "resource"))?;
            // Of two operations with one code, the one for certain types comes first.
            let key = (str_of(json, "code"), resources == "&[]", str_of(json, "url"));
            rows.push((key, operation(json, &resources)?));
        }
    }
    rows.sort();
    let mut out = String::from(HEADER);
    out.push_str("use crate::operation::{OperationDef, OperationParam, ParamUse};\n");
    out.push_str("use crate::ResourceType;\n\n");
    out.push_str(R);
    out.push_str(OPERATION_PARAM);
    write!(
        out,
        "/// All operations of R4, in the order of their codes.\n\
         pub static OPERATIONS: &[OperationDef] = &[\n"
    )
    .expect("a String");
    for (_, row) in rows {
        out.push_str(&row);
    }
    out.push_str("];\n");
    Ok(out)
}

const OPERATION_PARAM: &str = "\
const M: u16 = u16::MAX;

const fn i(name: &'static str, min: u8, max: u16, ty: &'static str) -> OperationParam {
    OperationParam { name, direction: ParamUse::In, min, max, ty }
}

const fn o(name: &'static str, min: u8, max: u16, ty: &'static str) -> OperationParam {
    OperationParam { name, direction: ParamUse::Out, min, max, ty }
}

";

fn operation(json: &Value, resources: &str) -> Result<String, String> {
    let mut out = format!(
        "    OperationDef {{ code: {}, url: {}, system: {}, type_level: {}, instance: {}, \
         affects_state: {}, resources: {resources}, params: &[\n",
        string(str_of(json, "code")),
        string(str_of(json, "url")),
        json["system"] == true,
        json["type"] == true,
        json["instance"] == true,
        json["affectsState"] == true,
    );
    for param in items(json, "parameter") {
        let constructor = match str_of(param, "use") {
            "in" => "i",
            "out" => "o",
            other => return Err(format!("{}: use {other}", str_of(json, "url"))),
        };
        let max = match str_of(param, "max") {
            "*" => "M",
            max => max,
        };
        let (name, ty) = (string(str_of(param, "name")), string(str_of(param, "type")));
        let min = &param["min"];
        writeln!(out, "        {constructor}({name}, {min}, {max}, {ty}),").expect("a String");
    }
    out.push_str("    ] },\n");
    Ok(out)
}
