//! One module per command.

mod accounts;
mod demo;
mod export;
mod fhirpath;
mod generate;
mod import;
mod maintain;
mod serve;
mod site;
mod validate;

use std::process::ExitCode;

use crate::cli::{AuditCommand, ClientCommand, Command, UserCommand};
use crate::failure::Result;

/// Runs a command; the code is that of a command that did its work, be the finding good or bad.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Init(args) => accounts::init(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Generate(args) => generate::generate(&args),
        Command::Client { command: ClientCommand::Add(args) } => accounts::client_add(&args),
        Command::User { command: UserCommand::Add(args) } => accounts::user_add(&args),
        Command::Import(args) => import::import(&args),
        Command::Export(args) => export::export(&args),
        Command::Verify(args) => maintain::verify(&args),
        Command::Backup(args) => maintain::backup(&args),
        Command::Restore(args) => maintain::restore(&args),
        Command::Audit { command: AuditCommand::Verify(args) } => maintain::audit_verify(&args),
        Command::Fhirpath(args) => fhirpath::fhirpath(&args),
        Command::Validate(args) => validate::validate(&args),
    }
}
