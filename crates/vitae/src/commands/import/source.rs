//! Files, folders and archives as a stream of texts.
//!
//! Archives are read as they stand: nothing is unpacked to disk, so names inside them are names
//! only.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::manifest;
use crate::failure::{Context, Failure, Result};

/// Bytes of one text that is not NDJSON, after unpacking.
pub const TEXT_BYTES_MAX: u64 = 1 << 30;
/// Bytes of one line of NDJSON.
pub const LINE_BYTES_MAX: u64 = 50 << 20;
/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 * 1024;
/// Room for a line before its length is known, in bytes.
const LINE_BYTES_USUAL: usize = 2 * 1024;
/// Window of zstd, as a power of two: what `zstd --long=27` writes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What a file holds, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One resource in JSON or XML.
    Text,
    /// One resource a line.
    Lines,
    /// Further files.
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub form: Form,
    packing: Packing,
    /// Part of one of our own exports: versions and times are kept.
    pub is_own: bool,
}

/// The files of these paths: folders are walked, everything in the order of names.
///
/// Errors: a path that does not exist; a file that is named and has no form that is known.
pub fn gather(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let metadata =
            std::fs::metadata(path).context(|| format!("{} cannot be read", path.display()))?;
        if metadata.is_dir() {
            walk(path, &mut sources)?;
            continue;
        }
        let source = source_of(path).ok_or_else(|| {
            let place = path.display();
            Failure::new(format!(
                "{place}: of no known form; known are .json, .xml, .ndjson and .tar, also with \
                 .gz or .zst"
            ))
        })?;
        sources.push(source);
    }
    Ok(sources)
}

fn walk(folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let is_own = manifest::is_export(folder)?;
    let what = || format!("{} cannot be read", folder.display());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .context(what)?
        .map(|entry| entry.map(|entry| entry.path()).context(what))
        .collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, sources)?;
        } else if is_own {
            // Its manifest and what others put there are left alone.
            let source = source_of(&path).filter(|source| source.form == Form::Lines);
            sources.extend(source.map(|source| Source { is_own, ..source }));
        } else {
            sources.extend(source_of(&path));
        }
    }
    Ok(())
}

fn source_of(path: &Path) -> Option<Source> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (inner, packing) = match name.rsplit_once('.') {
        Some((inner, "gz")) => (inner, Packing::Gzip),
        Some((inner, "zst")) => (inner, Packing::Zstd),
        Some((_, "tgz")) => return Some(archive(path, Packing::Gzip)),
        _ => (name.as_str(), Packing::None),
    };
    Some(Source { path: path.to_owned(), form: form_of(inner)?, packing, is_own: false })
}

fn archive(path: &Path, packing: Packing) -> Source {
    Source { path: path.to_owned(), form: Form::Archive, packing, is_own: false }
}

fn form_of(name: &str) -> Option<Form> {
    match name.rsplit_once('.')?.1 {
        "json" | "xml" => Some(Form::Text),
        "ndjson" | "jsonl" => Some(Form::Lines),
        "tar" => Some(Form::Archive),
        _ => None,
    }
}

/// Others refer to what these hold, so they are loaded first.
pub fn is_foundation(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    name.starts_with("hospitalinformation") || name.starts_with("practitionerinformation")
}

/// The rank of types that few others refer to, and of what is no NDJSON.
const RANK_OF_OTHERS: u8 = 3;

/// See [`Source::rank`].
fn rank_of(ty: &str) -> u8 {
    match ty {
        "Organization" | "Location" | "Practitioner" | "HealthcareService" | "Endpoint"
        | "Medication" | "Substance" => 0,
        "Patient" | "PractitionerRole" => 1,
        "RelatedPerson" | "Device" | "Coverage" | "EpisodeOfCare" | "Encounter" | "Condition" => 2,
        _ => RANK_OF_OTHERS,
    }
}

/// The type of a line, where it says so at its beginning, as nearly all do.
pub fn type_of(line: &[u8]) -> Option<&str> {
    let head = line.get(..line.len().min(80))?;
    let head = match str::from_utf8(head) {
        Ok(head) => head,
        // A character is cut.
        Err(e) => str::from_utf8(head.get(..e.valid_up_to())?).ok()?,
    };
    let rest = head.trim_start().strip_prefix('{')?.trim_start();
    let rest = rest.strip_prefix("\"resourceType\"")?.trim_start().strip_prefix(':')?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

impl Source {
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Its place among files of NDJSON with a type each: smaller ones are referred to by others.
    pub fn rank(&self) -> Result<u8> {
        if self.form != Form::Lines {
            return Ok(RANK_OF_OTHERS);
        }
        let line = read_line(&self.name(), &mut *self.open()?)?.unwrap_or_default();
        Ok(rank_of(type_of(&line).unwrap_or_default()))
    }

    /// Bytes on disk, for progress.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Its content, unpacked.
    pub fn open(&self) -> Result<Box<dyn BufRead>> {
        let what = || format!("{} cannot be read", self.path.display());
        let file = BufReader::with_capacity(READ_BYTES, File::open(&self.path).context(what)?);
        Ok(match self.packing {
            Packing::None => Box::new(file),
            Packing::Gzip => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(file).context(what)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).context(what)?;
                Box::new(BufReader::new(decoder))
            }
        })
    }
}

/// Hands every member of an archive to `each`: its name, its form, its content.
pub fn members(
    source: &Source,
    mut each: impl FnMut(&str, Form, &mut dyn BufRead) -> Result<()>,
) -> Result<()> {
    let what = || format!("{} is no archive that can be read", source.path.display());
    let mut archive = tar::Archive::new(source.open()?);
    for member in archive.entries().context(what)? {
        let member = member.context(what)?;
        if !member.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        if let Some(form @ (Form::Text | Form::Lines)) = form_of(&name.to_ascii_lowercase()) {
            each(&name, form, &mut BufReader::new(member))?;
        }
    }
    Ok(())
}

/// A whole text. Errors: longer than [`TEXT_BYTES_MAX`].
pub fn read_text(name: &str, reader: &mut dyn BufRead) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let what = || format!("{name} cannot be read");
    reader.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).context(what)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(Failure::new(format!("{name} is longer than {} MiB", TEXT_BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

/// The next line without its end; `None` behind the last. Errors: longer than
/// [`LINE_BYTES_MAX`].
pub fn read_line(name: &str, reader: &mut dyn BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::with_capacity(LINE_BYTES_USUAL);
    let what = || format!("{name} cannot be read");
    reader.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line).context(what)?;
    if line.len() as u64 > LINE_BYTES_MAX {
        let max = LINE_BYTES_MAX >> 20;
        return Err(Failure::new(format!("{name} has a line longer than {max} MiB")));
    }
    if line.is_empty() {
        return Ok(None);
    }
    while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_forms() {
        let form = |name: &str| source_of(Path::new(name)).map(|s| (s.form, s.packing));
        assert_eq!(form("a/b.json"), Some((Form::Text, Packing::None)));
        assert_eq!(form("a.JSON.gz"), Some((Form::Text, Packing::Gzip)));
        assert_eq!(form("a.ndjson.zst"), Some((Form::Lines, Packing::Zstd)));
        assert_eq!(form("a.tar.zst"), Some((Form::Archive, Packing::Zstd)));
        assert_eq!(form("a.tgz"), Some((Form::Archive, Packing::Gzip)));
        assert_eq!(form("SOURCE.md"), None);
        assert!(is_foundation("x/hospitalInformation1577.json"));
        assert!(!is_foundation("x/Ann.json"));
    }

    #[test]
    fn lines_end_with_or_without_a_sign() {
        let mut reader = BufReader::new(&b"a\r\n\nb"[..]);
        let mut lines = Vec::new();
        while let Some(line) = read_line("x", &mut reader).expect("reads") {
            lines.push(String::from_utf8(line).expect("UTF-8"));
        }
        assert_eq!(lines, ["a", "", "b"]);
    }
}
