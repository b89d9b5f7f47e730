//! The Synthea Bundles that are posted, in memory, in a fixed order.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use fhir::json::Doc;
use generate::{Options, Practice, PracticeKind};

use crate::cli::{Bench, Source};

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

/// Seed and last day of the generator's practice.
pub const SEED: u64 = 1;
pub const TODAY: (i32, u8, u8) = (2026, 1, 15);
/// Patients that the generator gives at most: more resources are its Bundles again.
const GENERATED_PATIENTS_MAX: u64 = 256;

/// The Bundles of the options, enough of them for `n_wanted` resources as far as there are.
///
/// Errors: no folder of test data, an archive that cannot be read.
pub fn of(bench: &Bench, n_wanted: Option<u64>) -> Result<Corpus, String> {
    match bench.source {
        Source::Synthea => read(bench.suites.as_deref()),
        Source::Generated => generated(n_wanted.unwrap_or(10_000)),
    }
}

/// Patients of the generator.
fn generated(n_wanted: u64) -> Result<Corpus, String> {
    let options = Options {
        seed: SEED,
        patients: GENERATED_PATIENTS_MAX,
        kind: PracticeKind::PrimaryCare,
        today: TODAY,
    };
    let practice = Practice::new(options);
    let bundle = |name: String, text: String| {
        let n_entries = count_entries(&name, text.as_bytes())?;
        Ok::<Bundle, String>(Bundle { name, json: text.into_bytes(), n_entries })
    };
    let first = vec![bundle("foundation".to_owned(), practice.foundation())?];
    let mut corpus = Corpus { too_long: Vec::new(), first, patients: Vec::new() };
    for index in 0..GENERATED_PATIENTS_MAX {
        if !corpus.patients.is_empty() && corpus.n_patient_entries() >= n_wanted {
            break;
        }
        corpus.patients.push(bundle(format!("p{index}"), practice.patient_bundle(index))?);
    }
    Ok(corpus)
}

/// Reads the archives of Synthea Bundles.
fn read(suites: Option<&Path>) -> Result<Corpus, String> {
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
