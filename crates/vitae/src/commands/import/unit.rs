//! One part of a source: what is stored in one commit, or in a few.

use fhir::issue::{Issue, IssueType, Severity};
use fhir::json::{Doc, Node};
use record::{Change, Ctx, ImportOptions, Kind, Record, Request};
use sha2::{Digest, Sha256};

use super::report::{Reject, Report};
use crate::commands::validate::parse;
use crate::failure::{Failure, Result};

/// What earlier runs finished: hash of name, place and bytes → number of resources stored.
const PROGRESS: &str = "import";
/// Names of files with superseded versions, written by `export`.
pub const HISTORY_SUFFIX: &str = ".history.ndjson";

/// A part of a source.
#[derive(Debug)]
pub struct Unit {
    source: String,
    /// Line of the first text.
    first_idx: usize,
    texts: Vec<Vec<u8>>,
    is_lines: bool,
    /// Lines of one of our own exports.
    is_own: bool,
}

/// True for files of superseded versions.
pub fn is_history(name: &str) -> bool {
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    name.ends_with(HISTORY_SUFFIX)
}

impl Unit {
    pub fn text(source: &str, text: Vec<u8>) -> Unit {
        Unit {
            source: source.to_owned(),
            first_idx: 0,
            texts: vec![text],
            is_lines: false,
            is_own: false,
        }
    }

    pub fn lines(source: &str, first_idx: usize, texts: Vec<Vec<u8>>, is_own: bool) -> Unit {
        Unit { source: source.to_owned(), first_idx, texts, is_lines: true, is_own }
    }

    /// The key of its progress: the same name with the same bytes at the same place is the same.
    fn key(&self) -> Vec<u8> {
        let name = self.source.rsplit('/').next().unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(self.first_idx.to_le_bytes());
        for text in &self.texts {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        }
        hash.finalize().to_vec()
    }
}

/// Stores a unit unless an earlier run did.
///
/// Errors: the record takes no writes. What is wrong with the data is in the report.
pub fn store(record: &Record, unit: Unit) -> Result<Report> {
    let key = unit.key();
    if let Some(bytes) = record.items().get(PROGRESS, &key)? {
        let stored = String::from_utf8_lossy(&bytes).parse().unwrap_or(0);
        return Ok(Report { read: stored, stored, skipped: 1, ..Report::default() });
    }
    if unit.is_lines {
        return lines(record, &unit, key);
    }
    let Unit { source, mut texts, .. } = unit;
    match parse(texts.pop().unwrap_or_default()) {
        Ok(doc) => import(record, &source, doc, key, &Numbering::Own),
        Err(issues) => Ok(Report::all_rejected(&source, None, 1, issues)),
    }
}

/// How an entry's place in the Bundle that is stored leads to its place in the source.
enum Numbering {
    /// The source is the Bundle.
    Own,
    /// The lines of the entries.
    Lines(Vec<usize>),
}

impl Numbering {
    fn place(&self, entry_idx: usize) -> usize {
        match self {
            Numbering::Own => entry_idx,
            Numbering::Lines(lines) => lines.get(entry_idx).copied().unwrap_or(entry_idx),
        }
    }
}

/// Lines become one Bundle: a history for our own superseded versions, else a collection.
fn lines(record: &Record, unit: &Unit, key: Vec<u8>) -> Result<Report> {
    let mut report = Report::default();
    let (mut good, mut numbers) = (Vec::new(), Vec::new());
    for (idx, text) in unit.texts.iter().enumerate() {
        let line_idx = unit.first_idx + idx;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match Doc::parse(text.as_slice()) {
            Ok(doc) if !unit.is_own && is_whole_bundle(doc.root()) => {
                let mut own = key.clone();
                own.extend_from_slice(&(idx as u64).to_le_bytes());
                report.add(once(record, &unit.source, doc, own, &Numbering::Own)?);
            }
            Ok(doc) => {
                good.push(entry(unit, doc.root()));
                numbers.push(line_idx);
            }
            Err(e) => {
                let issue = Issue::error(IssueType::Structure, "", e.to_string());
                let source = &unit.source;
                report.add(Report::all_rejected(source, Some(line_idx), 1, vec![issue]));
            }
        }
    }
    if good.is_empty() {
        return Ok(report);
    }
    if unit.is_own {
        // A history Bundle has the newest first.
        good.reverse();
        numbers.reverse();
    }
    let text = bundle(&good, unit.is_own);
    let doc = Doc::parse(text).map_err(|e| Failure::new(format!("{}: {e}", unit.source)))?;
    let mut done = import(record, &unit.source, doc, key, &Numbering::Lines(numbers))?;
    if unit.is_own {
        // What refers to what comes in the next file.
        done.warnings = 0;
    }
    report.add(done);
    Ok(report)
}

fn is_whole_bundle(node: Node<'_>) -> bool {
    node.str("resourceType").as_deref() == Some("Bundle")
        && matches!(
            node.str("type").as_deref(),
            Some("transaction" | "batch" | "collection" | "searchset" | "history")
        )
}

/// The Bundle entry of a line.
fn entry(unit: &Unit, node: Node<'_>) -> String {
    let text = node.raw();
    if unit.is_own && is_history(&unit.source) {
        return text.to_owned();
    }
    // Also the current version of an own export: the record knows whether it is the first.
    format!("{{\"resource\":{text}}}")
}

fn bundle(entries: &[String], is_history: bool) -> String {
    let n_bytes: usize = entries.iter().map(|entry| entry.len() + 1).sum();
    let mut out = String::with_capacity(n_bytes + 80);
    let ty = if is_history { "history" } else { "collection" };
    out.push_str(&format!("{{\"resourceType\":\"Bundle\",\"type\":\"{ty}\",\"entry\":["));
    for (entry_idx, entry) in entries.iter().enumerate() {
        if entry_idx > 0 {
            out.push(',');
        }
        out.push_str(entry);
    }
    out.push_str("]}");
    out
}

/// [`import`] under its own progress.
fn once(
    record: &Record,
    source: &str,
    doc: Doc,
    key: Vec<u8>,
    numbering: &Numbering,
) -> Result<Report> {
    if let Some(bytes) = record.items().get(PROGRESS, &key)? {
        let stored = String::from_utf8_lossy(&bytes).parse().unwrap_or(0);
        return Ok(Report { read: stored, stored, skipped: 1, ..Report::default() });
    }
    import(record, source, doc, key, numbering)
}

fn import(
    record: &Record,
    source: &str,
    doc: Doc,
    key: Vec<u8>,
    numbering: &Numbering,
) -> Result<Report> {
    let n = if is_whole_bundle(doc.root()) { doc.root().list("entry").count() } else { 1 };
    let ctx = Ctx::system("import", record.now_ms());
    let done =
        Change { collection: PROGRESS, key: key.clone(), value: Some(n.to_string().into_bytes()) };
    let options = ImportOptions { allow_dangling: true, with: vec![done] };
    let parts = apart(doc.root());
    let request = Request::Import { body: doc, options };
    let answer = match record.execute(&ctx, request) {
        Ok(answer) => answer,
        Err(e) if matches!(e.kind, Kind::Unavailable | Kind::Internal) => return Err(e.into()),
        Err(_) if parts.len() > 1 => return one_by_one(record, source, parts, &key, numbering),
        Err(e) => {
            let index = e.issues.first().and_then(|issue| entry_of(&issue.expression));
            let index = index.map(|idx| numbering.place(idx));
            return Ok(Report::all_rejected(source, index, n, e.issues));
        }
    };
    let mut report = Report { read: n as u64, ..Report::default() };
    let body = answer.body.unwrap_or_default();
    let answers = Doc::parse(body)
        .map_err(|e| Failure::new(format!("{source}: the answer cannot be read: {e}")))?;
    for (entry_idx, entry) in answers.root().list("entry").enumerate() {
        let response = entry.get("response");
        let status = response.and_then(|r| r.str("status")).unwrap_or_default().into_owned();
        let issues = response.and_then(|r| r.get("outcome")).map(issues).unwrap_or_default();
        if status.starts_with('2') {
            report.stored += 1;
            report.warnings += issues.len() as u64;
            continue;
        }
        report.rejected += 1;
        report.rejects.push(Reject {
            source: source.to_owned(),
            index: Some(numbering.place(entry_idx)),
            issues,
        });
    }
    Ok(report)
}

/// Entries that may be stored without each other, as Bundles of their own: those of batches,
/// collections and search results.
fn apart(root: Node<'_>) -> Vec<String> {
    let ty = root.str("type").unwrap_or_default();
    if !is_whole_bundle(root) || !matches!(&*ty, "batch" | "collection" | "searchset") {
        return Vec::new();
    }
    let alone = |entry: Node<'_>| {
        format!(r#"{{"resourceType":"Bundle","type":"{ty}","entry":[{}]}}"#, entry.raw())
    };
    root.list("entry").map(alone).collect()
}

/// Stores entries in a commit of their own each, with progress of their own.
fn one_by_one(
    record: &Record,
    source: &str,
    parts: Vec<String>,
    key: &[u8],
    numbering: &Numbering,
) -> Result<Report> {
    let mut report = Report::default();
    for (entry_idx, part) in parts.into_iter().enumerate() {
        let doc = Doc::parse(part).map_err(|e| Failure::new(format!("{source}: {e}")))?;
        let own = [key, &(entry_idx as u64).to_le_bytes()].concat();
        let place = Numbering::Lines(vec![numbering.place(entry_idx)]);
        report.add(once(record, source, doc, own, &place)?);
    }
    Ok(report)
}

/// The entry that an expression such as `Bundle.entry[3].resource` is about.
fn entry_of(expression: &str) -> Option<usize> {
    expression.strip_prefix("Bundle.entry[")?.split(']').next()?.parse().ok()
}

fn issues(outcome: Node<'_>) -> Vec<Issue> {
    let read = |issue: Node<'_>| {
        let severity = match issue.str("severity").as_deref() {
            Some("fatal") => Severity::Fatal,
            Some("warning") => Severity::Warning,
            Some("information") => Severity::Information,
            _ => Severity::Error,
        };
        let code = issue.str("code").unwrap_or_default();
        let known = IssueType::ALL.iter().find(|known| known.as_str() == code);
        let expression = issue.list("expression").next().and_then(|e| e.as_str());
        Issue {
            severity,
            code: known.copied().unwrap_or(IssueType::Processing),
            expression: expression.unwrap_or_default().into_owned(),
            text: issue.str("diagnostics").unwrap_or_default().into_owned(),
        }
    };
    outcome.list("issue").map(read).collect()
}
