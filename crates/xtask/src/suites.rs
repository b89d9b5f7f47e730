//! Where the definitions, examples and test suites that others made lie.

use std::path::PathBuf;

/// The folder `VITAE_SUITES`, or `../shared/data` beside the workspace; `None` when absent.
pub fn folder() -> Option<PathBuf> {
    let path = match std::env::var_os("VITAE_SUITES") {
        Some(path) => PathBuf::from(path),
        None => crate::workspace_root().join("../shared/data"),
    };
    path.is_dir().then_some(path)
}

/// Like [`folder`], for a test: prints why the test is skipped.
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
