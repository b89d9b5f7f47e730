//! The rules of the tree that the compiler does not know.
//!
//! [`layers`]: who may depend on whom. [`sources`]: what may stand in source files.

pub mod layers;
pub mod sources;

use std::path::{Path, PathBuf};

/// Checks everything and prints what is wrong, one line each, and the longest files.
///
/// Errors: the number of broken rules.
pub fn run() -> Result<(), String> {
    let root = crate::workspace_root();
    let files = sources::read(&root)?;
    for (path, n_lines) in sources::long_files(&files) {
        eprintln!("note: {path} has {n_lines} lines: is it still one idea?");
    }
    let broken = check(&root)?;
    for text in &broken {
        eprintln!("{text}");
    }
    match broken.len() {
        0 => Ok(()),
        n_broken => Err(format!("tidy: {n_broken} broken rules")),
    }
}

/// All broken rules of the tree at `root`, one line each; empty when all is well.
///
/// Errors: a file that cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut broken = layers::check(&layers::read(root)?);
    broken.extend(sources::check(&sources::read(root)?));
    Ok(broken)
}

fn read_file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The entries of a folder in the order of their names; none when it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(vec![]) };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| format!("{}: {error}", folder.display()))?.path());
    }
    paths.sort();
    Ok(paths)
}
