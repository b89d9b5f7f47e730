//! `policy show`, `policy set`, `policy check`.

use std::io::Read;
use std::path::Path;

use record::{Ctx, Policy};

use super::{Done, place};
use crate::cli::{PolicyCheck, PolicySet};
use crate::failure::{Context, Failure, Result};
use crate::practice::Open;

/// Bytes of a file that are read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub fn show(open: &Open) -> Result<Done> {
    Ok(Done::said(open.record.policy()?))
}

pub fn set(args: &PolicySet, open: &Open, cwd: &Path) -> Result<Done> {
    let text = read(&place(cwd, &args.file))?;
    let ctx = Ctx::system("policy-set", open.record.now_ms());
    open.record.set_policy(&ctx, &text)?;
    Ok(Done::said("the policy holds from now on"))
}

pub fn check(args: &PolicyCheck) -> Result<Done> {
    Policy::parse(&read(&args.file)?).map_err(|e| Failure::new(e.to_string()))?;
    Ok(Done::said("the policy can be understood"))
}

fn read(path: &Path) -> Result<String> {
    let what = || format!("{} cannot be read", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).context(what)?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).context(what)?;
    Ok(text)
}
