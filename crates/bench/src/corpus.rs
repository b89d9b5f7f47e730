//! The Synthea Bundles that are posted, in memory, in a fixed order.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use fhir::json::Doc;

/// One transaction or batch Bundle.
#[derive(Debug)]
pub struct Bundle {
    pub name: String,
    pub json: Vec<u8>,
    pub n_entries: u64,
}

/// Everything to post.
#[derive(Debug)]
pub struct Corpus {
    /// Names of Bundles left out: over the limit of entries.
    pub too_long: Vec<String>,
    /// Hospitals and practitioners: first, once, one after the other.
    pub first: Vec<Bundle>,
    pub patients: Vec<Bundle>,
}

impl Corpus {
    pub fn n_patient_entries(&self) -> u64 {
        self.patients.iter().map(|bundle| bundle.n_entries).sum()
    }
}

/// Entries that a Bundle may have: the server refuses longer ones.
const ENTRIES_MAX: u64 = 10_000;

const ARCHIVES: [&str; 2] =
    ["synthea-2026/synthea-2026-ma-fhir.tar.zst", "synthea-r4-2019/synthea-r4-2019-give.tar.zst"];

/// Reads the archives of Synthea Bundles.
///
/// Errors: no folder of test data, an archive that cannot be read.
pub fn read(suites: Option<&Path>) -> Result<Corpus, String> {
    let folder = match suites {
        Some(folder) => folder.to_path_buf(),
        None => std::env::var_os("VITAE_SUITES")
            .map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from),
    };
    let mut corpus = Corpus { too_long: Vec::new(), first: Vec::new(), patients: Vec::new() };
    for archive in ARCHIVES {
        for bundle in read_archive(&folder.join(archive))? {
            if bundle.n_entries > ENTRIES_MAX {
                corpus.too_long.push(bundle.name);
                continue;
            }
            let is_first = bundle.name.starts_with("hospitalInformation")
                || bundle.name.starts_with("practitionerInformation");
            if is_first { &mut corpus.first } else { &mut corpus.patients }.push(bundle);
        }
    }
    Ok(corpus)
}

fn read_archive(path: &Path) -> Result<Vec<Bundle>, String> {
    let fail = |error: std::io::Error| {
        format!("{}: {error}; name the folder of test data with --suites", path.display())
    };
    let decoder = zstd::Decoder::new(File::open(path).map_err(fail)?).map_err(fail)?;
    let mut archive = tar::Archive::new(decoder);
    let mut bundles = Vec::new();
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        let path = entry.path().map_err(fail)?.into_owned();
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut json = Vec::new();
        entry.read_to_end(&mut json).map_err(fail)?;
        let n_entries = count_entries(&name, &json)?;
        bundles.push(Bundle { name, json, n_entries });
    }
    bundles.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(bundles)
}

fn count_entries(name: &str, json: &[u8]) -> Result<u64, String> {
    let doc = Doc::parse(json).map_err(|e| format!("{name}: {e}"))?;
    Ok(doc.root().list("entry").count() as u64)
}
