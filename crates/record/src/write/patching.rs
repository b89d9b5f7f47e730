//! A patch applied to the current version.
//!
//! Source: RFC 6902; FHIR R4 fhirpatch.html, http.html#patch.

use fhir::issue::IssueType;
use fhir::json::{Doc, Value};

use crate::error::{Error, Kind, Result};
use crate::request::PatchBody;

/// The patched resource, as JSON.
///
/// Errors: the patch is malformed (`Value`), does not apply (`Unprocessable`: RFC 5789 §2.2 asks
/// for 422), or changes type or id (`Invalid`).
pub(crate) fn patched(current: &[u8], patch: &PatchBody) -> Result<Doc> {
    let doc = Doc::parse(current)
        .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
    let mut value = Value::from(doc.root());
    let done = match patch {
        PatchBody::Json(patch) => fhir::json_patch::apply(&mut value, patch.root()),
        PatchBody::FhirPath(parameters) => fhirpath::patch::apply(&mut value, parameters.root()),
    };
    done.map_err(|issue| {
        let kind = match issue.code {
            IssueType::Processing => Kind::Unprocessable,
            IssueType::TooCostly => Kind::TooMany,
            _ => Kind::Value,
        };
        Error::with_issues(kind, vec![issue])
    })?;
    for name in ["resourceType", "id"] {
        if value.get(name).and_then(Value::as_str) != doc.root().str(name).as_deref() {
            return Err(Error::new(Kind::Invalid, format!("a patch may not change {name}")));
        }
    }
    Ok(Doc::parse(value.to_json())?)
}
