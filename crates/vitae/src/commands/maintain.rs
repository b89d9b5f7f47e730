//! `verify`, `backup`, `restore`, `audit verify`.

use std::path::Path;

use fhir::json::Value;
use record::Ctx;

use super::{Done, place};
use crate::cli::{AuditVerify, Backup, Restore, Verify};
use crate::failure::{Context, Failure, Result};
use crate::practice::{OFFLINE_BASE_URL, Open, Practice};
use crate::progress::bar;

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
    let root = hex(&done.audit_root);
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
            ("audit_head", Value::from(head(done.audit_leaves, &root))),
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
        head(done.audit_leaves, &root)
    );
    for finding in &findings {
        out.push_str(&format!("{}: {}: {}\n", finding.check, finding.place, finding.text));
    }
    let n = findings.len();
    out.push_str(&if is_bad { format!("{n} findings") } else { "all is well".to_owned() });
    Ok(Done { out, is_bad })
}

/// What one writes down to witness the log: number of leaves and root, 80 hexadecimal digits.
fn head(n_leaves: u64, root: &str) -> String {
    format!("{n_leaves:016x}{root}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn backup(args: &Backup, practice: &Practice, open: &Open, cwd: &Path) -> Result<Done> {
    if practice.in_database {
        let text = "the practice is kept in a PostgreSQL database: back that up with pg_basebackup \
                    and its log, or pg_dump; vitae export writes all resources";
        return Err(Failure::new(text));
    }
    let to = place(cwd, &args.to);
    let bar = bar(0, "pages");
    let info = open.record.backup(&to, practice.to_json().trim_end(), |n, all| {
        bar.set_length(all);
        bar.set_position(n);
    })?;
    bar.finish_and_clear();
    Ok(Done::said(format!(
        "{} holds {} bytes, SHA-256 {}; without the master key it opens nothing",
        to.display(),
        info.database_bytes,
        info.sha256
    )))
}

pub fn restore(args: &Restore) -> Result<Done> {
    let data = &args.data.data;
    let is_used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        let text = format!("{} is not empty; restore into an empty --data", data.display());
        return Err(Failure::new(text));
    }
    let what = || format!("{} cannot be read", args.from.display());
    let info = store::backup_info(&args.from).context(what)?;
    let practice = Practice::parse(&info.practice)
        .ok_or_else(|| Failure::new(format!("{} does not name a practice", args.from.display())))?;
    if args.data.database_url.is_some() {
        let text = "a backup is restored into a folder; then vitae move brings it to the database";
        return Err(Failure::new(text));
    }
    // Without the key there is nothing to restore.
    practice.data_key()?;
    store::restore(&args.from, data)?;
    practice.write(data)?;
    let (_, open) = Practice::open(data, None, OFFLINE_BASE_URL)?;
    let mut done = check(&open, false)?;
    let Open { record, auth } = open;
    drop(auth);
    record.close()?;
    done.out = format!("{} is back in {}\n{}", practice.name, data.display(), done.out);
    Ok(done)
}

pub fn audit_verify(args: &AuditVerify, open: &Open) -> Result<Done> {
    let ctx = Ctx::system("audit verify", open.record.now_ms());
    let log = open.record.audit_log(&ctx)?;
    let (n_kept, kept) = log.head()?;
    let witnessed = args.head.as_deref().map(parse_head).transpose()?;
    let mut tree = stdx::merkle::Frontier::new();
    let mut is_witnessed =
        witnessed.as_ref().is_none_or(|(n, root)| *n == 0 && *root == tree.root());
    let mut seq = 0;
    loop {
        let leaves = log.leaves(seq, 10_000)?;
        let Some((last, _)) = leaves.last() else { break };
        seq = last + 1;
        for (_, leaf) in &leaves {
            tree.append(leaf);
            if let Some((n, root)) = &witnessed
                && *n == tree.size()
            {
                is_witnessed = *root == tree.root();
            }
        }
    }
    let root = hex(&tree.root());
    let is_whole = (tree.size(), tree.root()) == (n_kept, kept);
    let mut out = format!("audit head {}\n", head(tree.size(), &root));
    if !is_whole {
        out.push_str("the leaves do not make the tree that was kept\n");
    }
    if !is_witnessed {
        out.push_str("the log does not grow from the witnessed head\n");
    }
    Ok(Done { out, is_bad: !(is_whole && is_witnessed) })
}

/// Reads [`head`].
fn parse_head(text: &str) -> Result<(u64, [u8; 32])> {
    let wrong = || Failure::usage("--head is what `verify` printed as the audit head");
    if text.len() != 80 || !text.is_ascii() {
        return Err(wrong());
    }
    let (n, root) = text.split_at(16);
    let n = u64::from_str_radix(n, 16).map_err(|_| wrong())?;
    let digits = root.as_bytes();
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok((n, bytes))
}
