//! `audit verify`, `audit export`, `audit check`, and the witness of a serving process.

pub mod head;
mod log;
pub mod note;

use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use record::{Ctx, Record};
use stdx::merkle::Frontier;
use store::{AuditKey, AuditVerifier};

use self::head::{Head, witnessed};
use super::{Done, place};
use crate::cli::{AuditCheck, AuditExport, AuditVerify};
use crate::failure::{Context, Failure, Result};
use crate::practice::{Open, Practice, keys_folder};
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

fn verifier(text: Option<&str>) -> Result<Option<AuditVerifier>> {
    let wrong = || Failure::usage("--key is what `audit key` prints behind `audit log`");
    text.map(|text| AuditVerifier::parse(text).ok_or_else(wrong)).transpose()
}

/// The practice's key for heads of its log; made when there is none.
pub fn own_key(practice: &Practice) -> Result<AuditKey> {
    Ok(AuditKey::open(&keys_folder()?, &practice.id)?)
}

/// Prints the public keys.
pub fn key(practice: &Practice) -> Result<Done> {
    Ok(Done::said(note::keys_of(&own_key(practice)?)))
}

/// Checks the log in the store against itself and against heads that were witnessed.
pub fn verify(args: &AuditVerify, open: &Open, cwd: &Path) -> Result<Done> {
    let file = args.witness.as_deref().map(|file| place(cwd, file));
    let key = verifier(args.key.as_deref())?;
    let heads = witnessed(&args.head, file.as_deref(), key.as_ref())?;
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
    let key = verifier(args.key.as_deref())?;
    let heads = witnessed(&args.head, args.witness.as_deref(), key.as_ref())?;
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

/// Who is told the heads of a log.
pub struct Witnesses {
    pub record: Record,
    pub key: AuditKey,
    pub file: Option<PathBuf>,
    pub url: Option<String>,
    pub gateway: oauth::Gateway,
    /// What each was told last.
    told: Mutex<Told>,
}

#[derive(Clone, Copy, Default)]
struct Told {
    file: Option<Head>,
    url: Option<Head>,
}

impl Witnesses {
    pub fn new(
        record: Record,
        key: AuditKey,
        (file, url): (Option<PathBuf>, Option<String>),
        gateway: oauth::Gateway,
    ) -> Witnesses {
        Witnesses { record, key, file, url, gateway, told: Mutex::default() }
    }

    /// Tells the head to all, if it has grown since they were told.
    ///
    /// Errors: the first of a witness that could not be told; the others were.
    pub fn tell(&self) -> Result<()> {
        let at_ms = self.record.now_ms();
        let ctx = Ctx::system("audit", at_ms);
        let (n_leaves, root) = self.record.audit_log(&ctx)?.head()?;
        let head = Head { n_leaves, root };
        let note = note::sign(&self.key, &head);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failed = None;
        if let Some(file) = self.file.as_ref().filter(|_| told.file != Some(head)) {
            match head::witness(file, at_ms, &head, &note) {
                Ok(()) => told.file = Some(head),
                Err(e) => failed = Some(format!("{} was not told: {e}", file.display())),
            }
        }
        if let Some(url) = self.url.as_ref().filter(|_| told.url != Some(head)) {
            match self.send(url, &head, &note) {
                Ok(()) => told.url = Some(head),
                Err(e) => failed = failed.or(Some(format!("{url} was not told: {e}"))),
            }
        }
        failed.map_or(Ok(()), |text| Err(Failure::new(format!("the witness {text}"))))
    }

    /// Sends a head: to a witness in the form of C2SP, to everybody else the note alone.
    fn send(&self, url: &str, head: &Head, note: &str) -> std::result::Result<(), String> {
        if !url.ends_with("/add-checkpoint") {
            let (status, _) = self.gateway.post(url, "text/plain; charset=utf-8", note)?;
            return if status / 100 == 2 { Ok(()) } else { Err(format!("it answered {status}")) };
        }
        let mut old = 0;
        // The first answer says what the witness has seen.
        for _ in 0..2 {
            let ctx = Ctx::system("audit", self.record.now_ms());
            let proof = self.record.audit_proof(&ctx, old, head.n_leaves);
            let proof = proof.map_err(|e| e.to_string())?;
            let question = note::question(old, &proof, note);
            let (status, answer) =
                self.gateway.post(url, "text/plain; charset=utf-8", &question)?;
            match status {
                200 => return Ok(()),
                409 => {
                    let seen =
                        str::from_utf8(&answer).ok().and_then(|text| text.trim().parse().ok());
                    old = seen.ok_or("it does not say what it has seen")?;
                    if old > head.n_leaves {
                        return Err(format!(
                            "it has seen {old} leaves, the log has fewer: it was cut"
                        ));
                    }
                }
                _ => {
                    let text = String::from_utf8_lossy(&answer);
                    return Err(format!("it answered {status}: {}", text.trim()));
                }
            }
        }
        Err("it changes its mind".to_owned())
    }
}
