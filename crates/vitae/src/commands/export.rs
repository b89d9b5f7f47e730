//! `export`: everything the practice holds, as NDJSON by type.
//!
//! | file | holds |
//! | --- | --- |
//! | `Patient.ndjson` | current resources in the order of their ids, bytes as served |
//! | `Patient.history.ndjson` | superseded versions and deletions in the order they happened, each a history Bundle entry |
//! | `manifest.json` | names, numbers of lines and SHA-256 of all files |
//!
//! Nothing in it tells when or where it was made: `import` of it and another `export` give the
//! same bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fhir::date::format_instant;
use fhir::json::{Doc, write_string};
use fhir_tables::{ResourceType, compartment};
use record::{Ctx, Handling, Record, Request};
use sha2::{Digest, Sha256};
use store::{ChangeKind, Scope, Snapshot, Version};

use super::import::HISTORY_SUFFIX;
use super::{Done, place};
use crate::cli::Export;
use crate::failure::{Context, Failure, Result};
use crate::practice::Open;
use crate::progress::bar;

/// Name of the list of files.
pub const MANIFEST: &str = "manifest.json";
/// What makes a manifest ours.
pub const FORMAT: &str = "vitae-export-1";
/// Versions that are in memory at one time.
const PAGE: usize = 500;

pub fn export(args: &Export, open: &Open, cwd: &Path) -> Result<Done> {
    let out = place(cwd, &args.out);
    prepare_folder(&out)?;
    let ctx = Ctx::system("export", open.record.now_ms());
    let what = match &args.patient {
        Some(id) => format!("export Patient/{id}"),
        None => "export".to_owned(),
    };
    open.record.items().audit(&ctx, 'R', &what, 200)?;
    let mut files = Files { folder: out.clone(), open: BTreeMap::new() };
    match &args.patient {
        None => everything(&open.record, &mut files)?,
        Some(id) => of_patient(&open.record, &ctx, id, &mut files)?,
    }
    let n = files.finish()?;
    Ok(Done::said(format!("{n} resources are in {}", out.display())))
}

fn prepare_folder(folder: &Path) -> Result<()> {
    let what = || format!("{} cannot be made", folder.display());
    std::fs::create_dir_all(folder).context(what)?;
    if std::fs::read_dir(folder).context(what)?.next().is_some() {
        let place = folder.display();
        return Err(Failure::new(format!("{place} is not empty; choose another --out")));
    }
    Ok(())
}

fn everything(record: &Record, files: &mut Files) -> Result<()> {
    let mut snapshot = record.store().snapshot()?;
    let counts = snapshot.counts()?;
    let bar = bar(counts.iter().map(|(_, n)| n).sum(), "resources");
    for (rt, _) in counts {
        let mut after: Option<String> = None;
        loop {
            let page = snapshot.by_id(rt, after.as_deref(), PAGE)?;
            for version in &page {
                files.current(rt, &version.body)?;
            }
            bar.inc(page.len() as u64);
            let is_last = page.len() < PAGE;
            match page.into_iter().next_back() {
                Some(last) if !is_last => after = Some(last.head.id),
                _ => break,
            }
        }
    }
    bar.finish_and_clear();
    let mut after = 0;
    loop {
        let page = snapshot.feed(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.rid;
        for version in &page {
            if !is_current(&snapshot, version)? {
                files.history(version)?;
            }
        }
    }
}

fn is_current(snapshot: &Snapshot, version: &Version) -> Result<bool> {
    let head = snapshot.head(version.rt, &version.id)?;
    Ok(version.kind != ChangeKind::Delete && head.is_some_and(|head| head.rid == version.rid))
}

/// The Patient and what is in its compartment.
fn of_patient(record: &Record, ctx: &Ctx, id: &str, files: &mut Files) -> Result<()> {
    let def = compartment("Patient").ok_or_else(|| Failure::new("no patient compartment"))?;
    let mut snapshot = record.store().snapshot()?;
    let patient = ResourceType::PATIENT;
    if snapshot.head(patient, id)?.is_none_or(|head| head.kind == ChangeKind::Delete) {
        return Err(Failure::new(format!("there is no Patient/{id}")));
    }
    let mut found = vec![(patient, id.to_owned())];
    for rt in ResourceType::ALL {
        if rt != patient && !def.params_of(rt).is_empty() {
            found.extend(in_compartment(record, ctx, id, rt)?);
        }
    }
    found.sort_by(|a, b| (a.0.name(), &a.1).cmp(&(b.0.name(), &b.1)));
    for (rt, id) in &found {
        let (mut versions, _) =
            snapshot.history(Scope::Instance(*rt, id), None, None, usize::MAX >> 1)?;
        versions.reverse();
        for version in versions {
            if is_current(&snapshot, &version)? {
                files.current(*rt, &version.body)?;
            } else {
                files.history(&version)?;
            }
        }
    }
    Ok(())
}

fn in_compartment(
    record: &Record,
    ctx: &Ctx,
    id: &str,
    rt: ResourceType,
) -> Result<Vec<(ResourceType, String)>> {
    let mut found = Vec::new();
    let mut pairs = vec![("_count".to_owned(), "1000".to_owned())];
    loop {
        let request = Request::Search {
            rt: Some(rt),
            compartment: Some((ResourceType::PATIENT, id.to_owned())),
            pairs,
            handling: Handling::Strict,
        };
        let body = record.execute(ctx, request)?.body.unwrap_or_default();
        let doc = Doc::parse(body).map_err(|e| Failure::new(e.to_string()))?;
        for entry in doc.root().list("entry") {
            if let Some(id) = entry.get("resource").and_then(|resource| resource.str("id")) {
                found.push((rt, id.into_owned()));
            }
        }
        let next = doc
            .root()
            .list("link")
            .find(|link| link.str("relation").as_deref() == Some("next"))
            .and_then(|link| link.str("url"));
        match next.as_deref().and_then(|url| url.split_once('?')) {
            Some((_, query)) => pairs = record::parse_query(query),
            None => return Ok(found),
        }
    }
}

/// The files that are being written, by name.
struct Files {
    folder: PathBuf,
    open: BTreeMap<String, Output>,
}

struct Output {
    file: BufWriter<File>,
    hash: Sha256,
    n_lines: u64,
}

impl Files {
    fn current(&mut self, rt: ResourceType, body: &[u8]) -> Result<()> {
        self.line(format!("{}.ndjson", rt.name()), &[body])
    }

    fn history(&mut self, version: &Version) -> Result<()> {
        let head = &version.head;
        let (rt, id) = (head.rt.name(), &head.id);
        let method = match head.kind {
            ChangeKind::Create => "POST",
            ChangeKind::Update => "PUT",
            ChangeKind::Delete => "DELETE",
        };
        let mut tail = format!("\"request\":{{\"method\":\"{method}\",\"url\":\"{rt}/{id}\"}}");
        let at = format_instant(head.last_updated_ms);
        tail.push_str(&format!(
            ",\"response\":{{\"status\":\"200\",\"etag\":\"W/\\\"{}\\\"\",\"lastModified\":\"{at}\"}}}}",
            head.vid
        ));
        let name = format!("{rt}{HISTORY_SUFFIX}");
        if version.body.is_empty() {
            self.line(name, &[b"{", tail.as_bytes()])
        } else {
            self.line(name, &[b"{\"resource\":", &version.body, b",", tail.as_bytes()])
        }
    }

    fn line(&mut self, name: String, parts: &[&[u8]]) -> Result<()> {
        let path = self.folder.join(&name);
        let what = || format!("{} cannot be written", path.display());
        let output = match self.open.entry(name) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let file = BufWriter::with_capacity(64 * 1024, File::create(&path).context(what)?);
                entry.insert(Output { file, hash: Sha256::new(), n_lines: 0 })
            }
        };
        for part in parts.iter().chain([&b"\n".as_slice()]) {
            output.file.write_all(part).context(what)?;
            output.hash.update(part);
        }
        output.n_lines += 1;
        Ok(())
    }

    /// Closes all files and writes the manifest. Answers the number of current resources.
    fn finish(self) -> Result<u64> {
        let mut manifest = format!("{{\"format\":\"{FORMAT}\",\"files\":[");
        let mut n_current = 0;
        for (file_idx, (name, output)) in self.open.into_iter().enumerate() {
            let what = || format!("{name} cannot be written");
            let file = output.file.into_inner().context(what)?;
            file.sync_all().context(what)?;
            if !name.ends_with(HISTORY_SUFFIX) {
                n_current += output.n_lines;
            }
            if file_idx > 0 {
                manifest.push(',');
            }
            manifest.push_str("\n{\"name\":");
            write_string(&name, &mut manifest);
            let hash: String = output.hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
            manifest.push_str(&format!(",\"lines\":{},\"sha256\":\"{hash}\"}}", output.n_lines));
        }
        manifest.push_str("\n]}\n");
        let path = self.folder.join(MANIFEST);
        std::fs::write(&path, manifest)
            .context(|| format!("{} cannot be written", path.display()))?;
        Ok(n_current)
    }
}
