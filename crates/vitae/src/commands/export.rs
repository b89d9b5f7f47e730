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

use fhir::json::write_string;
use record::{Ctx, Exported};
use sha2::{Digest, Sha256};

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

pub fn export(args: &Export, open: &Open, cwd: &Path) -> Result<Done> {
    let out = place(cwd, &args.out);
    prepare_folder(&out)?;
    let ctx = Ctx::system("export", open.record.now_ms());
    let mut files = Files { folder: out.clone(), open: BTreeMap::new() };
    let bar = bar(0, "resources");
    open.record.export(&ctx, args.patient.as_deref(), |exported| {
        bar.set_length(exported.n_all);
        bar.inc(u64::from(exported.is_current));
        files.line(&exported)
    })?;
    bar.finish_and_clear();
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
    fn line(&mut self, exported: &Exported<'_>) -> Result<()> {
        let ending = if exported.is_current { ".ndjson" } else { HISTORY_SUFFIX };
        let name = format!("{}{ending}", exported.rt.name());
        let path = self.folder.join(&name);
        let what = || format!("{} cannot be written", path.display());
        let output = match self.open.entry(name) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let file = BufWriter::with_capacity(64 * 1024, File::create(&path).context(what)?);
                entry.insert(Output { file, hash: Sha256::new(), n_lines: 0 })
            }
        };
        for part in [exported.text, b"\n"] {
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
