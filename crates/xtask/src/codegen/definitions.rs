//! The conformance resources in the packages, by kind.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The resources that the generator reads, in the order of their ids.
pub struct Definitions {
    pub structures: Vec<Value>,
    pub search_params: Vec<Value>,
    pub compartments: Vec<Value>,
    pub operations: Vec<Value>,
    /// Expanded value sets by URL.
    pub expansions: BTreeMap<String, Value>,
}

impl Definitions {
    /// Reads the core and the expansions package.
    pub fn read(folder: &Path) -> Result<Definitions, String> {
        let core = package(&folder.join("hl7.fhir.r4.core-4.0.1.tar.zst"))?;
        let expanded = package(&folder.join("hl7.fhir.r4.expansions-4.0.1.tar.zst"))?;
        let of = |kind: &str| -> Vec<Value> {
            core.values().filter(|json| str_of(json, "resourceType") == kind).cloned().collect()
        };
        Ok(Definitions {
            structures: of("StructureDefinition"),
            search_params: of("SearchParameter"),
            compartments: of("CompartmentDefinition"),
            operations: of("OperationDefinition"),
            expansions: expanded
                .into_values()
                .filter(|json| str_of(json, "resourceType") == "ValueSet")
                .map(|json| (str_of(&json, "url").to_owned(), json))
                .collect(),
        })
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The JSON files of a package by file name.
fn package(path: &Path) -> Result<BTreeMap<String, Value>, String> {
    let mut files = BTreeMap::new();
    for (name, text) in case_kit::suites::tar_zst(path)? {
        if !name.ends_with(".json") {
            continue;
        }
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
        let json = serde_json::from_slice(text)
            .map_err(|error| format!("{}: {name}: {error}", path.display()))?;
        files.insert(name, json);
    }
    Ok(files)
}

/// The string member `name`, or "".
pub fn str_of<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or("")
}

/// The items of the array member `name`; none when absent.
pub fn items<'a>(json: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    json[name].as_array().into_iter().flatten()
}

/// The strings in the array member `name`.
pub fn strings<'a>(json: &'a Value, name: &str) -> Vec<&'a str> {
    items(json, name).filter_map(Value::as_str).collect()
}

/// The last segment of a canonical URL without its version.
pub fn last_segment(url: &str) -> &str {
    let url = url.split('|').next().unwrap_or(url);
    url.rsplit('/').next().unwrap_or(url)
}
