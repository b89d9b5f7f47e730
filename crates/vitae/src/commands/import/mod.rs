//! `import`: loads what was made elsewhere, and our own exports.
//!
//! Sources are read in order on one thread and stored on a few. What a source became is written
//! in the same commit as its data, under the hash of its name and bytes; a run that was killed
//! goes on where it stopped when the same command is given again.

mod manifest;
mod report;
mod source;
mod unit;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fhir::issue::Issue;
use indicatif::ProgressBar;
use record::Record;

use self::report::Report;
use self::source::{Form, Source};
pub use self::unit::HISTORY_SUFFIX;
use self::unit::Unit;
use super::{Done, place};
use crate::cli::Import;
use crate::failure::{Failure, Result};
use crate::practice::Open;
use crate::progress::bar;

/// Threads that check, index and store. Some of them wait for the disk, which commits what they have
/// together; the others keep two cores busy meanwhile.
const WORKERS: usize = 5;
/// Texts that wait for a worker.
const QUEUE: usize = 2;
/// Lines of NDJSON that are stored together.
const LINES_TOGETHER: usize = 1_000;
/// As [`LINES_TOGETHER`] where the next patient's lines are waited for.
const LINES_TOGETHER_MAX: usize = 4_000;
/// Bytes of lines that are stored together.
const LINES_BYTES: usize = 4 << 20;

pub fn import(args: &Import, open: &Open, cwd: &Path) -> Result<Done> {
    let start = Instant::now();
    let paths: Vec<PathBuf> = args.paths.iter().map(|path| place(cwd, path)).collect();
    let sources = source::gather(&paths)?;
    if sources.is_empty() {
        return Err(Failure::new("there is nothing to import in these paths"));
    }
    let report = load(&open.record, sources)?;
    open.record.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    let out = if args.json { report.to_json(seconds) } else { report.to_text(seconds) };
    Ok(Done { out, is_bad: report.rejected > 0 })
}

/// Stores all sources: first superseded versions of our own exports, in order; then what others
/// refer to; then the rest.
fn load(record: &Record, sources: Vec<Source>) -> Result<Report> {
    let bytes = sources.iter().map(Source::bytes).sum();
    let bar = bar(bytes, "bytes");
    let mut report = Report::default();
    let (histories, others): (Vec<Source>, Vec<Source>) =
        sources.into_iter().partition(|s| s.is_own && unit::is_history(&s.name()));
    report.add(run(record, 1, &bar, |queue| {
        histories.iter().try_for_each(|source| produce(source, &bar, &|_| true, queue))
    })?);
    report.add(run(record, WORKERS, &bar, |queue| {
        others
            .iter()
            .filter(|source| source.form == Form::Archive || source::is_foundation(&source.name()))
            .try_for_each(|source| produce(source, &bar, &source::is_foundation, queue))
    })?);
    let mut ranked = Vec::with_capacity(others.len());
    for source in &others {
        ranked.push((source.rank()?, source));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    // What is referred to is on disk before what refers to it: chains then follow numbers and need
    // not look up ids.
    for group in ranked.chunk_by(|a, b| a.0 == b.0) {
        report.add(run(record, WORKERS, &bar, |queue| {
            group.iter().try_for_each(|(_, source)| {
                produce(source, &bar, &|name| !source::is_foundation(name), queue)
            })
        })?);
    }
    bar.finish_and_clear();
    Ok(report)
}

/// Lets `produce` fill the queue while workers store what is in it.
fn run(
    record: &Record,
    n_workers: usize,
    bar: &ProgressBar,
    produce: impl FnOnce(&dyn Fn(Unit) -> Result<()>) -> Result<()>,
) -> Result<Report> {
    let report = Mutex::new(Report::default());
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let (sender, receiver) = sync_channel::<Unit>(QUEUE);
    let receiver = Mutex::new(receiver);
    let produced = std::thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(|| {
                while let Some(unit) = next(&receiver) {
                    if failure.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                        continue;
                    }
                    match unit::store(record, unit) {
                        Ok(done) => {
                            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                            report.add(done);
                            bar.set_message(format!("{} resources", report.stored));
                        }
                        Err(e) => {
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                        }
                    }
                }
            });
        }
        let stopped = || failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let produced = produce(&|unit| {
            if stopped() || sender.send(unit).is_err() {
                return Err(Failure::new("the import stopped"));
            }
            Ok(())
        });
        drop(sender);
        produced
    });
    if let Some(failure) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    produced?;
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn next(receiver: &Mutex<Receiver<Unit>>) -> Option<Unit> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Reads `source` and queues the parts of it whose name is `wanted`.
fn produce(
    source: &Source,
    bar: &ProgressBar,
    wanted: &dyn Fn(&str) -> bool,
    queue: &dyn Fn(Unit) -> Result<()>,
) -> Result<()> {
    let name = source.name();
    match source.form {
        Form::Archive => {
            source::members(source, |member, form, reader| {
                if !wanted(member) {
                    return Ok(());
                }
                content(&format!("{name}!{member}"), form, false, reader, queue)
            })?;
        }
        form if wanted(&name) => content(&name, form, source.is_own, &mut *source.open()?, queue)?,
        _ => return Ok(()),
    }
    bar.inc(source.bytes());
    Ok(())
}

fn content(
    name: &str,
    form: Form,
    own: bool,
    reader: &mut dyn std::io::BufRead,
    queue: &dyn Fn(Unit) -> Result<()>,
) -> Result<()> {
    if form != Form::Lines {
        return queue(Unit::text(name, source::read_text(name, reader)?));
    }
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let (mut first_idx, mut line_idx, mut bytes) = (0, 0, 0);
    // Each patient's resources follow the patient: they are best stored together.
    let mut by_patient = false;
    while let Some(line) = source::read_line(name, reader)? {
        let is_patient = source::type_of(&line) == Some("Patient");
        by_patient = match (is_patient, by_patient) {
            (true, _) => line_idx == 0 || !lines.last().is_some_and(|l| is_patient_line(l)),
            (false, before) => before,
        };
        let limit = if by_patient && !is_patient { LINES_TOGETHER_MAX } else { LINES_TOGETHER };
        if lines.len() >= limit || bytes + line.len() > LINES_BYTES && !lines.is_empty() {
            queue(Unit::lines(name, first_idx, std::mem::take(&mut lines), own))?;
            (first_idx, bytes) = (line_idx, 0);
        }
        bytes += line.len();
        lines.push(line);
        line_idx += 1;
    }
    if lines.is_empty() { Ok(()) } else { queue(Unit::lines(name, first_idx, lines, own)) }
}

fn is_patient_line(line: &[u8]) -> bool {
    source::type_of(line) == Some("Patient")
}

/// Loads Bundles that are already in memory; for the demo practice.
///
/// Errors: the first Bundle that is rejected.
pub fn load_bundles(
    record: &Record,
    n: u64,
    bundles: impl Iterator<Item = (String, String)>,
) -> Result<u64> {
    let bar = bar(n, "patients");
    let mut bundles = bundles;
    let mut report = Report::default();
    // The first one is what the others refer to.
    for (n_workers, take) in [(1, 1), (WORKERS, usize::MAX)] {
        let some = bundles.by_ref().take(take);
        report.add(run(record, n_workers, &bar, |queue| {
            for (name, text) in some {
                queue(Unit::text(&name, text.into_bytes()))?;
                bar.inc(1);
            }
            Ok(())
        })?);
    }
    bar.finish_and_clear();
    match report.rejects.first() {
        Some(reject) => {
            let issue = reject.issues.first().map(|issue: &Issue| issue.text.clone());
            let text = issue.unwrap_or_default();
            Err(Failure::new(format!("{} was rejected: {text}", reject.source)))
        }
        None => Ok(report.stored),
    }
}
