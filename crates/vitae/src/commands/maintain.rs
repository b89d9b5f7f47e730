//! `verify`, `backup`, `restore`, `audit verify`.

use std::process::ExitCode;

use crate::cli::{AuditVerify, Backup, Restore, Verify};
use crate::failure::{Failure, Result};

pub fn verify(_args: &Verify) -> Result<ExitCode> {
    Err(Failure::new("not yet"))
}
pub fn backup(_args: &Backup) -> Result<ExitCode> {
    Err(Failure::new("not yet"))
}
pub fn restore(_args: &Restore) -> Result<ExitCode> {
    Err(Failure::new("not yet"))
}
pub fn audit_verify(_args: &AuditVerify) -> Result<ExitCode> {
    Err(Failure::new("not yet"))
}
