//! Recognizes folders that `export` wrote, and checks that they are whole.

use std::io::Read;
use std::path::Path;

use fhir::json::Doc;
use sha2::{Digest, Sha256};

use crate::commands::export::{FORMAT, MANIFEST};
use crate::failure::{Context, Failure, Result};

/// True when `folder` is one of our exports and every file is as it was written.
///
/// Errors: an export of ours with a file that is missing or changed.
pub fn is_export(folder: &Path) -> Result<bool> {
    let Ok(text) = std::fs::read_to_string(folder.join(MANIFEST)) else { return Ok(false) };
    let Ok(doc) = Doc::parse(text) else { return Ok(false) };
    let root = doc.root();
    if root.str("format").as_deref() != Some(FORMAT) {
        return Ok(false);
    }
    for file in root.list("files") {
        let name = file.str("name").unwrap_or_default();
        let path = folder.join(name.rsplit('/').next().unwrap_or_default());
        let found = sha256(&path)?;
        if file.str("sha256").as_deref() != Some(found.as_str()) {
            let text = format!("{} is not as it was exported; nothing imported", path.display());
            return Err(Failure::new(text));
        }
    }
    Ok(true)
}

fn sha256(path: &Path) -> Result<String> {
    let what = || format!("{} cannot be read", path.display());
    let mut file = std::fs::File::open(path).context(what)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut chunk).context(what)?;
        if n == 0 {
            return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hash.update(&chunk[..n]);
    }
}
