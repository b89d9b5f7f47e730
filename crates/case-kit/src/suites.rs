//! The definitions, examples and test suites that others made.
//!
//! They lie in the folder `VITAE_SUITES`, or in `../shared/data` beside the workspace, as archives
//! `.tar.zst` and plain files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of suites; `None` when absent.
pub fn folder() -> Option<PathBuf> {
    let path = match std::env::var_os("VITAE_SUITES") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    };
    path.is_dir().then_some(path)
}

/// Like [`folder`], for a test: prints that the test of this name is skipped when it is absent.
///
/// Panics when the folder is absent and `CI=true`: there an absent folder is a failure.
pub fn folder_for_test(test: &str) -> Option<PathBuf> {
    let path = folder();
    if path.is_none() {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "{test}: no suites: set VITAE_SUITES to the folder of test data");
        eprintln!("{test} skipped: no suites");
    }
    path
}

/// The regular files of an archive `.tar.zst` in the order of their names: path and content.
///
/// Errors: the archive's path and what went wrong.
pub fn tar_zst(path: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let decoder = zstd::Decoder::new(File::open(path).map_err(fail)?).map_err(fail)?;
    let mut archive = tar::Archive::new(decoder);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().map_err(fail)?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(fail)?;
        files.push((name, content));
    }
    files.sort();
    Ok(files)
}
