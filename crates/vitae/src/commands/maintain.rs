//! `verify`, `backup`, `backup-key`, `restore`.

use std::path::Path;

use super::audit::head::Head;
use super::{Done, place};
use crate::cli::{Backup, BackupKey, Command, Restore, Verify};
use crate::config::Config;
use crate::failure::{Context, Failure, Result};
use crate::practice::{OFFLINE_BASE_URL, Open, Practice};
use crate::progress::bar;
use crate::seal::{Sealed, Unsealed, new_identity};
use fhir::json::Value;
use store::BackupReader;

pub fn verify(args: &Verify, open: &Open) -> Result<Done> {
    check(open, args.json)
}

fn check(open: &Open, json: bool) -> Result<Done> {
    let bar = bar(0, "versions");
    let (done, findings) = open.record.verify(|n, all| {
        bar.set_length(all);
        bar.set_position(n);
    })?;
    bar.finish_and_clear();
    let head = Head { n_leaves: done.audit_leaves, root: done.audit_root };
    let is_bad = !findings.is_empty();
    if json {
        let number = |n: u64| Value::from(n);
        let findings = findings.iter().map(|finding| {
            Value::object([
                ("check", Value::from(finding.check)),
                ("place", Value::from(finding.place.clone())),
                ("text", Value::from(finding.text.clone())),
            ])
        });
        let value = Value::object([
            ("ok", Value::from(!is_bad)),
            ("versions", number(done.versions)),
            ("resources", number(done.resources)),
            ("index_entries", number(done.index_entries)),
            ("references", number(done.references)),
            ("dangling", number(done.dangling)),
            ("audit_leaves", number(done.audit_leaves)),
            ("audit_head", Value::from(head.to_string())),
            ("findings", Value::array(findings)),
        ]);
        return Ok(Done { out: value.to_json(), is_bad });
    }
    let mut out = format!(
        "{} versions of {} resources, {} index entries, {} references ({} to what was \
         never here), {} audit leaves\n\
         audit head {}\n",
        done.versions,
        done.resources,
        done.index_entries,
        done.references,
        done.dangling,
        done.audit_leaves,
        head
    );
    for finding in &findings {
        out.push_str(&format!("{}: {}: {}\n", finding.check, finding.place, finding.text));
    }
    let n = findings.len();
    out.push_str(&if is_bad { format!("{n} findings") } else { "all is well".to_owned() });
    Ok(Done { out, is_bad })
}

pub fn backup(args: &Backup, open: &Open, cwd: &Path) -> Result<Done> {
    // As it is now: the key may have been wrapped anew since the practice was opened.
    let practice = Practice::read(&place(cwd, &args.data.data))?;
    if practice.in_database {
        let text = "the practice is kept in a PostgreSQL database: back that up with pg_basebackup \
                    and its log, or pg_dump; vitae export writes all resources";
        return Err(Failure::new(text));
    }
    let sealed = Sealed::to(&recipients(args, cwd)?)?;
    let seal: &dyn store::Seal = match &sealed {
        Some(sealed) => sealed,
        None => &store::Plain,
    };
    let to = place(cwd, &args.to);
    let bar = bar(0, "pages");
    let info = open.record.backup(&to, practice.to_json().trim_end(), seal, |n, all| {
        bar.set_length(all);
        bar.set_position(n);
    })?;
    bar.finish_and_clear();
    let mut out = format!(
        "{} holds {} bytes, SHA-256 {}; without the master key it opens nothing",
        to.display(),
        info.database_bytes,
        info.sha256
    );
    if let Some(sealed) = &sealed {
        out.push_str(&format!(", and without the private half of {sealed} neither"));
    }
    Ok(Done::said(out))
}

/// To whom a backup is encrypted: the command line says so, or the settings do.
fn recipients(args: &Backup, cwd: &Path) -> Result<Vec<String>> {
    match args.recipient.is_empty() {
        false => Ok(args.recipient.clone()),
        true => Ok(Config::load(None, &place(cwd, &args.data.data))?.backup_recipients),
    }
}

/// What the serving process is told beyond the command line: its environment may be another, and
/// a backup must not be more readable than where it was asked for.
pub fn more(command: &Command) -> Result<Vec<String>> {
    let Command::Backup(args) = command else { return Ok(Vec::new()) };
    if !args.recipient.is_empty() {
        return Ok(Vec::new());
    }
    let recipients = recipients(args, Path::new(""))?;
    Ok(recipients.into_iter().map(|recipient| format!("--recipient={recipient}")).collect())
}

pub fn backup_key(args: &BackupKey) -> Result<Done> {
    new_identity(&args.to).map(Done::said)
}

pub fn restore(args: &Restore) -> Result<Done> {
    let data = &args.data.data;
    let is_used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        let text = format!("{} is not empty; restore into an empty --data", data.display());
        return Err(Failure::new(text));
    }
    let what = || format!("{} cannot be read", args.from.display());
    let from = Unsealed::open(&args.from, args.identity.as_deref())?;
    let backup = BackupReader::new(from).context(what)?;
    let practice = Practice::parse(&backup.info().practice)
        .ok_or_else(|| Failure::new(format!("{} does not name a practice", args.from.display())))?;
    if args.data.database_url.is_some() {
        let text = "a backup is restored into a folder; then vitae move brings it to the database";
        return Err(Failure::new(text));
    }
    // Without the key there is nothing to restore.
    practice.data_key()?;
    backup.restore(data)?;
    practice.write(data)?;
    let (_, open) = Practice::open(data, None, OFFLINE_BASE_URL)?;
    let mut done = check(&open, false)?;
    let Open { record, auth } = open;
    drop(auth);
    record.close()?;
    done.out = format!("{} is back in {}\n{}", practice.name, data.display(), done.out);
    Ok(done)
}
