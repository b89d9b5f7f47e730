//! `audit verify`, `audit export`, `audit check`, and the witness of a serving process.

pub mod head;
mod log;

use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use record::{Ctx, Record};
use stdx::merkle::Frontier;

use self::head::{Head, witnessed};
use super::{Done, place};
use crate::cli::{AuditCheck, AuditExport, AuditVerify};
use crate::failure::{Context, Failure, Result};
use crate::practice::Open;
use crate::progress::bar;

/// Leaves that are read at a time.
const TOGETHER: usize = 10_000;

/// Calls `each` for every leaf; the head that the store keeps.
fn each_leaf(
    record: &Record,
    mut each: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
) -> Result<Head> {
    let ctx = Ctx::system("audit", record.now_ms());
    let log = record.audit_log(&ctx)?;
    let (n_leaves, root) = log.head()?;
    let bar = bar(n_leaves, "leaves");
    let mut seq = 0;
    loop {
        let leaves = log.leaves(seq, TOGETHER)?;
        let Some((last, _)) = leaves.last() else { break };
        seq = last + 1;
        for (seq, leaf) in &leaves {
            each(*seq, leaf).context(|| "the log cannot be written".to_owned())?;
        }
        bar.set_position(seq);
    }
    bar.finish_and_clear();
    Ok(Head { n_leaves, root })
}

/// Checks the log in the store against itself and against heads that were witnessed.
pub fn verify(args: &AuditVerify, open: &Open, cwd: &Path) -> Result<Done> {
    let file = args.witness.as_deref().map(|file| place(cwd, file));
    let heads = witnessed(&args.head, file.as_deref())?;
    let mut tree = Frontier::new();
    let mut ahead = heads.iter().peekable();
    let mut unlike = Vec::new();
    let mut hold = |tree: &Frontier| {
        while let Some(head) = ahead.next_if(|head| head.n_leaves == tree.size()) {
            if head.root != tree.root() {
                unlike.push(head.n_leaves);
            }
        }
    };
    hold(&tree);
    let kept = each_leaf(&open.record, |_, leaf| {
        tree.append(leaf);
        hold(&tree);
        Ok(())
    })?;
    unlike.extend(ahead.map(|head| head.n_leaves));
    let is_whole = Head::of(&tree) == kept;
    let mut out = format!("audit head {}\n", Head::of(&tree));
    if !is_whole {
        out.push_str("the leaves do not make the tree that was kept\n");
    }
    if let Some(first) = unlike.first() {
        out.push_str(&format!(
            "the log does not grow from the witnessed head of {first} leaves ({} such heads)\n",
            unlike.len()
        ));
    }
    Ok(Done { out, is_bad: !is_whole || !unlike.is_empty() })
}

/// Writes a copy of the log that `audit check` reads without the practice.
pub fn export(args: &AuditExport, open: &Open, cwd: &Path) -> Result<Done> {
    let to = place(cwd, &args.to);
    let what = || format!("{} cannot be written", to.display());
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create_new(true).open(&to).context(what)?;
    let mut out = BufWriter::new(file);
    let head = each_leaf(&open.record, |seq, leaf| log::write_leaf(seq, leaf, &mut out))?;
    log::write_head(&head, &mut out).context(what)?;
    out.flush().context(what)?;
    out.get_ref().sync_all().context(what)?;
    Ok(Done::said(format!("{} leaves\naudit head {head}", head.n_leaves)))
}

/// Checks such a copy.
pub fn check(args: &AuditCheck) -> Result<Done> {
    let heads = witnessed(&args.head, args.witness.as_deref())?;
    let what = || format!("{} cannot be read", args.file.display());
    let file = std::fs::File::open(&args.file).context(what)?;
    let checked = log::check(BufReader::new(file), &heads).context(what)?;
    let mut out = String::new();
    for finding in &checked.findings {
        out.push_str(finding);
        out.push('\n');
    }
    match checked.n_findings - checked.findings.len() {
        0 => {}
        more => out.push_str(&format!("and {more} more\n")),
    }
    if let Some(head) = checked.head.filter(|_| checked.n_findings == 0) {
        out.push_str(&format!("{} leaves, all is well\naudit head {head}\n", head.n_leaves));
    }
    Ok(Done { out, is_bad: checked.n_findings > 0 })
}

/// Writes the head of the log down with the witness, if it has grown since `last`.
pub fn bear_witness(record: &Record, file: &Path, last: &mut Option<Head>) -> Result<()> {
    let ctx = Ctx::system("audit", record.now_ms());
    let (n_leaves, root) = record.audit_log(&ctx)?.head()?;
    let head = Head { n_leaves, root };
    if *last == Some(head) {
        return Ok(());
    }
    head::witness(file, record.now_ms(), head)
        .map_err(|e| Failure::new(format!("the witness {} was not told: {e}", file.display())))?;
    *last = Some(head);
    Ok(())
}
