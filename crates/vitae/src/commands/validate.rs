//! `validate`: structure, cardinality, primitives and required codes of one resource.

use std::path::Path;

use fhir::issue::{Issue, IssueType, operation_outcome};
use fhir::json::Doc;

use super::Done;
use crate::cli::Validate;
use crate::failure::{Context, Result};

pub fn validate(args: &Validate) -> Result<Done> {
    let bytes = read(&args.file)?;
    let issues = match parse(bytes) {
        Ok(doc) => fhir::check::check_resource(doc.root()),
        Err(issues) => issues,
    };
    let is_bad = issues.iter().any(Issue::is_error);
    Ok(Done { out: operation_outcome(&issues), is_bad })
}

/// A whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).context(|| format!("{} cannot be read", path.display()))
}

/// A resource in JSON or XML, told apart by its first sign.
pub fn parse(bytes: Vec<u8>) -> std::result::Result<Doc, Vec<Issue>> {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace() && **b < 0x80);
    let bytes = match first {
        Some(b'<') => fhir::xml::to_json(&bytes)?.into_bytes(),
        _ => bytes,
    };
    Doc::parse(bytes).map_err(|e| vec![Issue::error(IssueType::Structure, "", e.to_string())])
}
