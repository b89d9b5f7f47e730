//! One part of a source: what is stored in one commit, or in a few.

use std::sync::Arc;

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

/// What an earlier run stored under `key`.
fn done_before(record: &Record, key: &[u8]) -> Result<Option<Report>> {
    let Some(bytes) = record.items().get(PROGRESS, key)? else { return Ok(None) };
    let stored = String::from_utf8_lossy(&bytes).parse().unwrap_or(0);
    Ok(Some(Report { read: stored, stored, skipped: 1, ..Report::default() }))
}

/// The mark that `n` resources are stored under `key`, for the commit that stores them.
fn options(key: &[u8], n: usize) -> ImportOptions {
    let value = Some(n.to_string().into_bytes());
    let done = Change { collection: PROGRESS, key: key.to_vec(), value };
    ImportOptions { allow_dangling: true, with: vec![done] }
}

/// Stores a unit unless an earlier run did.
///
/// Errors: the record takes no writes. What is wrong with the data is in the report.
pub fn store(record: &Record, unit: Unit) -> Result<Report> {
    let key = unit.key();
    if let Some(done) = done_before(record, &key)? {
        return Ok(done);
    }
    if unit.is_lines {
        return lines(record, unit, key);
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

/// Lines of our own exports become one history Bundle; others are loaded as they are.
fn lines(record: &Record, unit: Unit, key: Vec<u8>) -> Result<Report> {
    let mut report = Report::default();
    let (mut good, mut numbers) = (Vec::with_capacity(unit.texts.len()), Vec::new());
    let Unit { source, first_idx, texts, is_own, .. } = unit;
    for (idx, text) in texts.into_iter().enumerate() {
        let line_idx = first_idx + idx;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match Doc::parse(text) {
            Ok(doc) if !is_own && is_whole_bundle(doc.root()) => {
                let mut own = key.clone();
                own.extend_from_slice(&(idx as u64).to_le_bytes());
                report.add(once(record, &source, doc, own, &Numbering::Own)?);
            }
            Ok(doc) => {
                good.push(doc);
                numbers.push(line_idx);
            }
            Err(e) => {
                let issue = Issue::error(IssueType::Structure, "", e.to_string());
                report.add(Report::all_rejected(&source, Some(line_idx), 1, vec![issue]));
            }
        }
    }
    if good.is_empty() {
        return Ok(report);
    }
    if !is_own {
        report.add(load(record, &source, good, &numbers, key)?);
        return Ok(report);
    }
    // A history Bundle has the newest first.
    numbers.reverse();
    let entries: Vec<String> = good.iter().rev().map(|doc| entry(&source, doc.root())).collect();
    let doc = Doc::parse(history(&entries)).map_err(|e| Failure::new(format!("{source}: {e}")))?;
    let mut done = import(record, &source, doc, key, &Numbering::Lines(numbers))?;
    // What refers to what comes in the next file.
    done.warnings = 0;
    report.add(done);
    Ok(report)
}

/// Stores resources in one commit; when one of them cannot be stored, those before it, it, and
/// those behind it, each with progress of their own.
///
/// `numbers` are their lines.
fn load(
    record: &Record,
    source: &str,
    resources: Vec<Doc>,
    numbers: &[usize],
    key: Vec<u8>,
) -> Result<Report> {
    let mut report = Report::default();
    // What is to be stored: where it begins, the resources, and whether it is the whole.
    let mut waiting = vec![(0, resources, true)];
    while let Some((start, resources, is_whole)) = waiting.pop() {
        let n = resources.len();
        let own = match is_whole {
            true => key.clone(),
            false => [&key[..], &(start as u64).to_le_bytes(), &(n as u64).to_le_bytes()].concat(),
        };
        if !is_whole && let Some(done) = done_before(record, &own)? {
            report.add(done);
            continue;
        }
        let ctx = Ctx::system("import", record.now_ms());
        let resources = Arc::new(resources);
        let request = Request::Load { resources: resources.clone(), options: options(&own, n) };
        match record.execute(&ctx, request) {
            Ok(answer) => {
                let (read, warnings) = (n as u64, answer.issues.len() as u64);
                report.add(Report { read, stored: read, warnings, ..Report::default() });
            }
            Err(e) if matches!(e.kind, Kind::Unavailable | Kind::Internal) => return Err(e.into()),
            Err(e) if n == 1 => {
                let line = numbers.get(start).copied();
                report.add(Report::all_rejected(source, line, 1, e.issues));
            }
            Err(e) => {
                let named = e.issues.first().and_then(|issue| entry_of(&issue.expression));
                let mut before = Arc::unwrap_or_clone(resources);
                let at = named.unwrap_or(n / 2).min(n - 1);
                let mut it = before.split_off(at);
                let behind = it.split_off(1);
                // The last one put here is the next one stored.
                for (from, part) in [(at + 1, behind), (at, it), (0, before)] {
                    if !part.is_empty() {
                        waiting.push((start + from, part, false));
                    }
                }
            }
        }
    }
    Ok(report)
}

fn is_whole_bundle(node: Node<'_>) -> bool {
    node.str("resourceType").as_deref() == Some("Bundle")
        && matches!(
            node.str("type").as_deref(),
            Some("transaction" | "batch" | "collection" | "searchset" | "history")
        )
}

/// The entry of a history Bundle for a line of our own export.
fn entry(source: &str, node: Node<'_>) -> String {
    let text = node.raw();
    if is_history(source) {
        return text.to_owned();
    }
    // The current version: the record knows whether it is the first.
    format!("{{\"resource\":{text}}}")
}

fn history(entries: &[String]) -> String {
    let mut out =
        String::with_capacity(entries.iter().map(|entry| entry.len() + 1).sum::<usize>() + 80);
    out.push_str("{\"resourceType\":\"Bundle\",\"type\":\"history\",\"entry\":[");
    out.push_str(&entries.join(","));
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
    match done_before(record, &key)? {
        Some(done) => Ok(done),
        None => import(record, source, doc, key, numbering),
    }
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
    let parts = apart(doc.root());
    let request = Request::Import { body: doc, options: options(&key, n) };
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
