//! The gate: the same at home and in CI.

use std::process::Command;

/// Format, clippy, tidy, deny and all tests, in this order; stops at the first that fails.
///
/// Errors: the step that failed.
pub fn run() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    crate::tidy::run()?;
    crate::deny::run()?;
    cargo(&["test", "--workspace", "--locked"])
}

fn cargo(args: &[&str]) -> Result<(), String> {
    eprintln!("== cargo {}", args.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(args)
        .current_dir(crate::workspace_root())
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("cargo {} failed: {status}", args.join(" "))),
    }
}
