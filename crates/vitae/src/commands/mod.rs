//! One module per command.
//!
//! Commands about an open practice run in this process when the practice is free, and in the
//! serving process when it is served: see `control`.

mod accounts;
mod audit;
mod control;
mod demo;
mod export;
mod fhirpath;
mod generate;
mod import;
mod key;
mod maintain;
mod policy;
mod relocate;
mod serve;
mod site;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{AuditCommand, ClientCommand, Command, Data, PolicyCommand, UserCommand};
use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::practice::{OFFLINE_BASE_URL, Open, Practice};

/// What a command did, for stdout and the exit status.
#[derive(Debug, Default)]
pub struct Done {
    pub out: String,
    /// The work was done, and its finding is bad: exit 1.
    pub is_bad: bool,
}

impl Done {
    pub fn said(out: impl Into<String>) -> Done {
        Done { out: out.into(), is_bad: false }
    }
}

/// Runs a command; the code is that of a command that did its work, be the finding good or bad.
pub fn run(command: Command) -> Result<ExitCode> {
    let done = match &command {
        Command::Init(args) => accounts::init(args)?,
        Command::Serve(args) => return serve::serve(args),
        Command::Demo(args) => return demo::demo(args),
        Command::Generate(args) => generate::generate(args)?,
        Command::Restore(args) => maintain::restore(args)?,
        Command::BackupKey(args) => maintain::backup_key(args)?,
        Command::Key { command } => key::key(command)?,
        Command::Move(args) => relocate::relocate(args)?,
        Command::Fhirpath(args) => return fhirpath::fhirpath(args),
        Command::Validate(args) => validate::validate(args)?,
        Command::Policy { command: PolicyCommand::Check(args) } => policy::check(args)?,
        Command::Audit { command: AuditCommand::Check(args) } => audit::check(args)?,
        Command::Bench(args) => {
            bench::run(args).map_err(crate::failure::Failure::new)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => on_data(&command)?,
    };
    if !done.out.is_empty() {
        println!("{}", done.out.trim_end());
    }
    Ok(if done.is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where a command about an open practice finds it.
fn data_of(command: &Command) -> Option<&Data> {
    Some(match command {
        Command::Client { command: ClientCommand::Add(args) } => &args.data,
        Command::Client { command: ClientCommand::List(args) } => &args.data,
        Command::Client { command: ClientCommand::Approve(args) } => &args.data,
        Command::User { command: UserCommand::Add(args) } => &args.data,
        Command::User { command: UserCommand::Invite(args) } => &args.data,
        Command::User { command: UserCommand::Link(args) } => &args.data,
        Command::Policy { command: PolicyCommand::Show(args) } => &args.data,
        Command::Policy { command: PolicyCommand::Set(args) } => &args.data,
        Command::Import(args) => &args.data,
        Command::Export(args) => &args.data,
        Command::Verify(args) => &args.data,
        Command::Backup(args) => &args.data,
        Command::Audit { command: AuditCommand::Verify(args) } => &args.data,
        Command::Audit { command: AuditCommand::Export(args) } => &args.data,
        Command::Audit { command: AuditCommand::Key(args) } => &args.data,
        _ => return None,
    })
}

/// The database of a practice, as the command line, the environment or its settings name it.
fn database_url(data: &Data) -> Result<Option<String>> {
    match &data.database_url {
        Some(url) => Ok(Some(url.clone())),
        None => Ok(Config::load(None, &data.data)?.database_url),
    }
}

fn on_data(command: &Command) -> Result<Done> {
    let data = data_of(command).ok_or_else(|| Failure::usage("this command has no --data"))?;
    if let Some(done) = control::ask(&data.data, &maintain::more(command)?)? {
        return Ok(done);
    }
    let url = database_url(data)?;
    let (practice, open) = Practice::open(&data.data, url.as_deref(), OFFLINE_BASE_URL)?;
    let done = on_open(command, &practice, &open, Path::new(""));
    let Open { record, auth } = open;
    drop(auth);
    record.close()?;
    done
}

/// Runs a command on an open practice. Relative paths stand for places in `cwd`.
fn on_open(command: &Command, practice: &Practice, open: &Open, cwd: &Path) -> Result<Done> {
    match command {
        Command::Client { command: ClientCommand::Add(args) } => {
            accounts::client_add(args, open, cwd)
        }
        Command::Client { command: ClientCommand::List(_) } => accounts::client_list(open),
        Command::Client { command: ClientCommand::Approve(args) } => {
            accounts::client_approve(args, open)
        }
        Command::User { command: UserCommand::Add(args) } => accounts::user_add(args, open, cwd),
        Command::User { command: UserCommand::Invite(args) } => {
            accounts::user_invite(args, open, cwd)
        }
        Command::User { command: UserCommand::Link(args) } => accounts::user_link(args, open),
        Command::Policy { command: PolicyCommand::Show(_) } => policy::show(open),
        Command::Policy { command: PolicyCommand::Set(args) } => policy::set(args, open, cwd),
        Command::Import(args) => import::import(args, open, cwd),
        Command::Export(args) => export::export(args, open, cwd),
        Command::Verify(args) => maintain::verify(args, open),
        Command::Backup(args) => maintain::backup(args, open, cwd),
        Command::Audit { command: AuditCommand::Verify(args) } => audit::verify(args, open, cwd),
        Command::Audit { command: AuditCommand::Export(args) } => audit::export(args, open, cwd),
        Command::Audit { command: AuditCommand::Key(_) } => audit::key(practice),
        _ => Err(Failure::usage("this command does not run on an open practice")),
    }
}

/// `path` as seen from `cwd`.
fn place(cwd: &Path, path: &Path) -> PathBuf {
    if cwd.as_os_str().is_empty() { path.to_owned() } else { cwd.join(path) }
}
