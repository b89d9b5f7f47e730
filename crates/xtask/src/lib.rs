//! Automation for the workspace: `cargo xtask codegen | tidy | deny | blind | ci`.
//!
//! A library, so that its rules are tests: generated files equal what the generator writes, and
//! the tree obeys the rules of `tidy`.

pub mod blind;
pub mod ci;
pub mod codegen;
pub mod deny;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.ancestors().nth(2).expect("crates/xtask lies two levels down").to_path_buf()
}
