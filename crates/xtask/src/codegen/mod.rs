//! Writes `crates/fhir-tables/src/generated` from the packages of FHIR R4, and the table of units
//! of the crate `ucum`.
//!
//! The output is a function of the packages alone: same packages, same bytes.

mod definitions;
#[path = "../../../fhir-tables/src/name_hash.rs"]
mod name_hash;
mod others;
mod print;
mod search_params;
mod types;
mod ucum;

use std::path::Path;

use definitions::Definitions;

/// One generated file: its name under `generated`, and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Generated {
    pub name: &'static str,
    pub text: String,
}

/// The folder of generated files, relative to the root of the workspace.
pub const FOLDER: &str = "crates/fhir-tables/src/generated";

/// Writes all generated files.
///
/// Errors: no test data, unreadable packages, or definitions that the tables cannot express.
pub fn write() -> Result<(), String> {
    let suites = case_kit::suites::folder().ok_or("no suites: set VITAE_SUITES to their folder")?;
    for file in generate(&suites)? {
        let path = crate::workspace_root().join(FOLDER).join(file.name);
        std::fs::write(&path, &file.text).map_err(|error| format!("{}: {error}", file.name))?;
        eprintln!("{}/{}: {} bytes", FOLDER, file.name, file.text.len());
    }
    Ok(())
}

/// All generated files, from the folder of test data.
///
/// Errors: unreadable packages, or definitions that the tables cannot express.
pub fn generate(suites: &Path) -> Result<Vec<Generated>, String> {
    let definitions = Definitions::read(&suites.join("fhir-r4-definitions"))?;
    let model = types::Model::new(&definitions)?;
    Ok(vec![
        Generated { name: "compartments.rs", text: others::compartments(&definitions, &model)? },
        Generated { name: "operations.rs", text: others::operations(&definitions, &model)? },
        Generated { name: "resources.rs", text: others::resources(&model) },
        Generated { name: "search_params.rs", text: search_params::print(&definitions, &model)? },
        Generated { name: "types.rs", text: model.print()? },
        Generated { name: "value_sets.rs", text: others::value_sets(&definitions, &model) },
        Generated { name: "../../../ucum/src/table.rs", text: ucum::print(&suites.join("ucum"))? },
    ])
}
