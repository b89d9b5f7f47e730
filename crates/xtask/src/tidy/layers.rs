//! A crate depends only on crates of a strictly lower layer.
//!
//! Only `store` names a database driver, and `page-cipher`, which links it, in its tests; only
//! `record`, and `vitae` which opens it, name `store`. Development dependencies may also name
//! `case-kit`. Tools of development stand apart: they may depend on anything, and nothing of the
//! product depends on them.

use std::path::Path;

/// Layers from the bottom. A new crate gets its place here.
pub const LAYERS: [&[&str]; 9] = [
    &["stdx", "fhir-tables"],
    &["fhir", "ucum"],
    &["fhirpath", "terminology"],
    &["search", "generate", "page-cipher"],
    &["store", "access"],
    &["record"],
    &["auth"],
    &["rest", "oauth", "ui"],
    &["vitae"],
];

/// Tools: no product crate depends on them, except on `case-kit` in its tests; `vitae bench` is
/// the load generator.
pub const TOOLS: &[&str] = &["bench", "case-kit", "sim", "xtask"];

const DATABASE_DRIVERS: &[&str] = &["rusqlite", "libsqlite3-sys", "tokio-postgres", "postgres"];
const STORE_OPENERS: &[&str] = &["record", "vitae"];

/// What `Cargo.toml` of one crate names.
#[derive(Debug, Default)]
pub struct Manifest {
    pub name: String,
    /// Names of packages under `[dependencies]` and `[build-dependencies]`.
    pub dependencies: Vec<String>,
    pub dev_dependencies: Vec<String>,
}

/// The layer of a crate of the product, 0 at the bottom.
pub fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

/// The manifests of all crates.
pub fn read(root: &Path) -> Result<Vec<Manifest>, String> {
    let mut manifests = Vec::new();
    for folder in super::entries(&root.join("crates"))? {
        let path = folder.join("Cargo.toml");
        let text = super::read_file(&path)?;
        let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        manifests.push(parse(&folder_name, &text));
    }
    Ok(manifests)
}

/// Reads the tables of dependencies: keys such as `fhir.workspace = true` or `fhir = { … }`.
fn parse(folder_name: &str, text: &str) -> Manifest {
    let mut manifest = Manifest { name: folder_name.to_owned(), ..Manifest::default() };
    let mut section = "";
    for line in text.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            continue;
        }
        let end = line.find(['.', '=', ' ']).unwrap_or(0);
        let name = &line[..end];
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        if section.ends_with("dev-dependencies") {
            manifest.dev_dependencies.push(name.to_owned());
        } else if section.ends_with("dependencies") {
            manifest.dependencies.push(name.to_owned());
        }
    }
    manifest
}

/// The edges that break a rule, one line each.
pub fn check(manifests: &[Manifest]) -> Vec<String> {
    let mut broken = Vec::new();
    for manifest in manifests {
        let name = manifest.name.as_str();
        let own_layer = layer(name);
        if own_layer.is_none() && !TOOLS.contains(&name) {
            broken.push(format!("crate {name} has no layer: add it to xtask/src/tidy/layers.rs"));
            continue;
        }
        for to in &manifest.dependencies {
            broken.extend(edge(name, own_layer, to, false));
        }
        for to in &manifest.dev_dependencies {
            broken.extend(edge(name, own_layer, to, true));
        }
    }
    broken
}

fn edge(from: &str, from_layer: Option<usize>, to: &str, dev: bool) -> Option<String> {
    let is_tool = from_layer.is_none();
    let may_name_driver = is_tool || from == "store" || (from == "page-cipher" && dev);
    if DATABASE_DRIVERS.contains(&to) && !may_name_driver {
        return Some(format!("{from} names the database driver {to}: only store may"));
    }
    if to == "store" && !STORE_OPENERS.contains(&from) && !is_tool {
        return Some(format!("{from} names store: only record and vitae may"));
    }
    if TOOLS.contains(&to) {
        let allowed = is_tool || (dev && to == "case-kit") || (from == "vitae" && to == "bench");
        return (!allowed).then(|| format!("{from} depends on the tool {to}"));
    }
    let (Some(from_layer), Some(to_layer)) = (from_layer, layer(to)) else { return None };
    (to_layer >= from_layer).then(|| {
        format!(
            "{from} (layer {from_layer}) depends on {to} (layer {to_layer}): only strictly lower \
             layers are allowed"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(name: &str, toml: &str) -> Vec<String> {
        check(&[parse(name, toml)])
    }

    #[test]
    fn lower_layers_are_allowed() {
        let toml = "[dependencies]\nfhir.workspace = true\nroaring = \"1\"\n\
                    [dev-dependencies]\ncase-kit.workspace = true\n";
        assert_eq!(broken("fhirpath", toml), Vec::<String>::new());
    }

    #[test]
    fn upward_and_sideways_edges_are_named() {
        let up = broken("fhir", "[dependencies]\nsearch.workspace = true\n");
        assert!(up[0].contains("fhir (layer 1) depends on search (layer 3)"), "{up:?}");
        let sideways = broken("rest", "[dev-dependencies]\nui = { path = \"../ui\" }\n");
        assert!(sideways[0].contains("rest (layer 7) depends on ui (layer 7)"), "{sideways:?}");
    }

    #[test]
    fn only_the_store_names_a_driver_and_only_the_door_names_the_store() {
        assert_eq!(broken("store", "[dependencies]\nrusqlite.workspace = true\n").len(), 0);
        assert_eq!(broken("record", "[dependencies]\nrusqlite.workspace = true\n").len(), 1);
        let dev = "[dev-dependencies]\nrusqlite.workspace = true\n";
        assert_eq!(broken("page-cipher", dev).len(), 0);
        assert_eq!(broken("record", dev).len(), 1);
        assert_eq!(broken("record", "[dependencies]\nstore.workspace = true\n").len(), 0);
        assert_eq!(broken("rest", "[dependencies]\nstore.workspace = true\n").len(), 1);
    }

    #[test]
    fn tools_and_unknown_crates_are_refused() {
        assert_eq!(broken("rest", "[dependencies]\ncase-kit.workspace = true\n").len(), 1);
        assert_eq!(broken("rest", "[dev-dependencies]\nxtask.workspace = true\n").len(), 1);
        assert_eq!(broken("rest", "[dependencies]\nbench.workspace = true\n").len(), 1);
        assert_eq!(broken("vitae", "[dependencies]\nbench.workspace = true\n").len(), 0);
        assert_eq!(broken("utils", "").len(), 1);
    }
}
