//! W9: NDJSON into an empty practice by `vitae import`, and everything out again by `vitae export`.
//!
//! Loaded is what is on disk and found by a search: the number of Patients that the program then
//! counts must be the number of lines that had one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fhir::json::{Doc, Value};

use super::{Host, Results};
use crate::amplify::{Places, Template};
use crate::ask::Asker;
use crate::cli::{Bench, Bulk};
use crate::corpus::{self, Corpus};
use crate::process;
use crate::report::{self, grouped};
use crate::server::Site;

/// Lines of one file.
const LINES_OF_FILE: u64 = 50_000;
/// Of zstd: the files are read once, so speed counts more than size.
const LEVEL: i32 = -3;
/// How often the memory of a running program is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What a program that ran to its end came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub n_resources: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_bytes: u64,
    /// Of the files read or written.
    pub n_bytes: u64,
}

impl Ran {
    pub fn per_second(&self) -> f64 {
        self.n_resources as f64 / self.seconds.max(1e-9)
    }

    pub fn per_cpu_second(&self) -> f64 {
        self.n_resources as f64 / self.cpu_seconds.max(1e-9)
    }

    pub fn line(&self, name: &str) -> String {
        format!(
            "{name:<10} {:>12} resources in {:>7.1} s  {:>9} /s  {:>9} per CPU-s  {:>6.0} MB peak  \
             {:>8.0} MB of files",
            grouped(self.n_resources as f64),
            self.seconds,
            grouped(self.per_second()),
            grouped(self.per_cpu_second()),
            self.peak_bytes as f64 / 1e6,
            self.n_bytes as f64 / 1e6,
        )
    }

    pub fn to_value(&self) -> Value {
        Value::object([
            ("resources", report::whole(self.n_resources)),
            ("seconds", report::number(Some(self.seconds))),
            ("resources_per_second", report::number(Some(self.per_second()))),
            ("cpu_seconds", report::number(Some(self.cpu_seconds))),
            ("resources_per_cpu_second", report::number(Some(self.per_cpu_second()))),
            ("peak_memory_bytes", report::whole(self.peak_bytes)),
            ("bytes_of_files", report::whole(self.n_bytes)),
        ])
    }
}

/// What W9 came to.
#[derive(Clone, Debug)]
pub struct Found {
    pub import: Ran,
    pub export: Ran,
    pub bytes_on_disk: u64,
    /// Bulk export over HTTP, where the server offers it; else why not.
    pub over_http: Result<Ran, String>,
}

/// The command `bulk`.
pub async fn run(bench: &Bench, args: &Bulk) -> Result<Results, String> {
    let corpus = corpus::of(bench, Some(args.resources))?;
    let found = measure(bench, &corpus, args.resources).await?;
    if !bench.json {
        println!("{}", found.text());
    }
    Ok(vec![("bulk", found.to_value())])
}

impl Found {
    pub fn to_value(&self) -> Value {
        let over_http = match &self.over_http {
            Ok(ran) => ran.to_value(),
            Err(why) => Value::from(why.clone()),
        };
        Value::object([
            ("import", self.import.to_value()),
            ("export", self.export.to_value()),
            ("bytes_on_disk", report::whole(self.bytes_on_disk)),
            ("export_over_http", over_http),
        ])
    }

    pub fn text(&self) -> String {
        let over_http = match &self.over_http {
            Ok(ran) => ran.line("$export"),
            Err(why) => format!("$export    {why}"),
        };
        format!(
            "{}\n{}\n{over_http}\n{:.0} bytes on disk per resource",
            self.import.line("import"),
            self.export.line("export"),
            self.bytes_on_disk as f64 / self.import.n_resources.max(1) as f64
        )
    }
}

/// Loads `n_resources` into a practice of its own, that goes away, and exports it.
pub async fn measure(bench: &Bench, corpus: &Corpus, n_resources: u64) -> Result<Found, String> {
    let site = match bench.data.is_some() || bench.database_url.is_some() {
        true => Site::new(bench)?,
        false => Site::temporary(bench)?,
    };
    let folder = site.folder().join("ndjson");
    let written = write_ndjson(corpus, n_resources, &folder, false)?;
    let import = load(&site, &folder, &written)?;
    remove(&folder)?;
    let bytes_on_disk = site.bytes_on_disk().unwrap_or(0);
    let out = site.folder().join("export");
    let mut export = site.vitae();
    export.args(["export", "--data"]).arg(site.data()).arg("--out").arg(&out);
    let mut export = watch(export, "export")?.1;
    export.n_resources = import.n_resources;
    export.n_bytes = process::folder_bytes(&out);
    remove(&out)?;
    let mut host = Host::start_site(site).await?;
    let n_patients = Asker::new(&host.target).count("Patient").await?;
    if n_patients != written.n_patients {
        return Err(format!(
            "{} Patients were loaded, and {n_patients} are found",
            written.n_patients
        ));
    }
    let over_http = export_over_http(&host, import.n_resources).await;
    host.stop()?;
    Ok(Found { import, export, bytes_on_disk, over_http })
}

/// What stands in a folder of NDJSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    pub n_resources: u64,
    pub n_patients: u64,
}

/// Writes `n` resources into files of a new folder.
///
/// Errors: the folder cannot be written, or the generator's patients do not suffice.
pub fn write_ndjson(
    corpus: &Corpus,
    n: u64,
    folder: &Path,
    packed: bool,
) -> Result<Written, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    remove(folder)?;
    std::fs::create_dir_all(folder).map_err(fail)?;
    let places = Places::new(&corpus.first)?;
    let mut files = Files { folder, packed, file: None, n_files: 0, n_lines: 0 };
    let mut written = Written::default();
    for bundle in &corpus.first {
        let template = Template::new(bundle, &Places::default())?;
        let out = files.next().map_err(fail)?;
        let n_lines = template.write(out, 0, n - written.n_resources).map_err(fail)?;
        files.n_lines += n_lines;
        written.n_resources += n_lines;
    }
    // By turns from the front and the back of the list by size, so that a part of it is like all.
    let mut order: Vec<usize> = (0..corpus.patients.len()).collect();
    order.sort_by_key(|idx| (corpus.patients[*idx].n_entries, *idx));
    let middle = order.len() / 2;
    let order: Vec<usize> = (0..order.len())
        .map(|n| {
            let away = n.div_ceil(2);
            let idx = if n % 2 == 0 { middle + away } else { middle - away };
            order[idx.min(order.len() - 1)]
        })
        .collect();
    let mut templates: Vec<Template> = Vec::new();
    let mut clone = 0;
    while written.n_resources < n && !order.is_empty() {
        for (n_th, idx) in order.iter().enumerate() {
            if templates.len() <= n_th {
                templates.push(Template::new(&corpus.patients[*idx], &places)?);
            }
            let out = files.next().map_err(fail)?;
            let left = n - written.n_resources;
            let n_lines = templates[n_th].write(out, clone, left).map_err(fail)?;
            files.n_lines += n_lines;
            written.n_resources += n_lines;
            written.n_patients += u64::from(n_lines > 0);
            if written.n_resources >= n {
                break;
            }
        }
        clone += 1;
    }
    files.close().map_err(fail)?;
    Ok(written)
}

/// Files of [`LINES_OF_FILE`] lines, one after the other.
struct Files<'a> {
    folder: &'a Path,
    packed: bool,
    file: Option<Out>,
    n_files: u64,
    n_lines: u64,
}

enum Out {
    Plain(BufWriter<File>),
    Packed(Box<zstd::Encoder<'static, BufWriter<File>>>),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Out::Plain(file) => file.write(bytes),
            Out::Packed(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Out::Plain(file) => file.flush(),
            Out::Packed(file) => file.flush(),
        }
    }
}

impl Files<'_> {
    /// The file to write the next patient into.
    fn next(&mut self) -> std::io::Result<&mut Out> {
        if self.n_lines >= LINES_OF_FILE {
            self.close()?;
        }
        if self.file.is_none() {
            self.n_files += 1;
            let kind = if self.packed { "ndjson.zst" } else { "ndjson" };
            let path = self.folder.join(format!("part-{:05}.{kind}", self.n_files));
            let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
            self.file = Some(match self.packed {
                true => Out::Packed(Box::new(zstd::Encoder::new(file, LEVEL)?)),
                false => Out::Plain(file),
            });
            self.n_lines = 0;
        }
        self.file.as_mut().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn close(&mut self) -> std::io::Result<()> {
        match self.file.take() {
            Some(Out::Plain(mut file)) => file.flush(),
            Some(Out::Packed(file)) => file.finish()?.flush(),
            None => Ok(()),
        }
    }
}

/// Loads a folder by `vitae import`.
///
/// Errors: the program fails, or rejects a line.
pub fn load(site: &Site, folder: &Path, written: &Written) -> Result<Ran, String> {
    let mut import = site.vitae();
    import.args(["import", "--json", "--data"]).arg(site.data()).arg(folder);
    let n_bytes = process::folder_bytes(folder);
    let (said, mut ran) = watch(import, "import")?;
    let doc = Doc::parse(said).map_err(|e| format!("vitae import: {e}"))?;
    let stored = doc.root().get("stored").and_then(|n| n.as_number()?.parse::<u64>().ok());
    if stored != Some(written.n_resources) {
        let text: String = doc.text().chars().take(400).collect();
        return Err(format!(
            "{} lines were written, and not all stored: {text}",
            written.n_resources
        ));
    }
    (ran.n_resources, ran.n_bytes) = (written.n_resources, n_bytes);
    Ok(ran)
}

/// Runs a program to its end: what it said, and its cost.
fn watch(mut command: Command, name: &str) -> Result<(String, Ran), String> {
    let fail = |e: std::io::Error| format!("vitae {name}: {e}");
    let cpu_before = process::cpu_seconds_of_ended_children();
    let begin = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(fail)?;
    let (pid, mut peak_bytes) = (child.id(), 0);
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let status = loop {
        if let Some(memory) = process::memory(pid) {
            peak_bytes = memory.peak;
        }
        match child.try_wait().map_err(fail)? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    let cpu_seconds = process::cpu_seconds_of_ended_children() - cpu_before;
    let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    let (out, err) = (text(stdout), text(stderr));
    if !status.success() {
        let said: String = format!("{out}{err}").trim().chars().take(600).collect();
        return Err(format!("vitae {name}: {said}"));
    }
    Ok((out, Ran { n_resources: 0, seconds, cpu_seconds, peak_bytes, n_bytes: 0 }))
}

/// Reads a pipe to its end beside the program, so that it never waits for us.
fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            // What cannot be read is missing from a message.
            let _ = pipe.read_to_string(&mut text);
        }
        text
    })
}

pub fn remove(folder: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {e}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Longest time of one export over HTTP.
const EXPORT_MAX: Duration = Duration::from_secs(600);

/// FHIR Bulk Data `$export`: kick-off, polls, files.
///
/// Errors: not offered, or not finished in time.
async fn export_over_http(host: &Host, n_resources: u64) -> Result<Ran, String> {
    let mut asker = Asker::new(&host.target);
    let headers = "Prefer: respond-async\r\n";
    let sending = crate::client::Sending { headers, ..Default::default() };
    let (begin, cpu_before) = (Instant::now(), host.cpu_seconds());
    let said = asker.send("GET", "$export", sending).await?;
    let Some(status_url) = said.location.clone().filter(|_| said.status == 202) else {
        return Err(format!("not offered: {}", said.trouble()));
    };
    let done = loop {
        let said = asker.get(&status_url).await?;
        match (said.status, said.doc) {
            (200, Some(doc)) => break doc,
            (202, _) if begin.elapsed() < EXPORT_MAX => tokio::time::sleep(LOOK).await,
            (status, _) => return Err(format!("not finished: {status}")),
        }
    };
    let mut n_bytes = 0;
    for file in done.root().list("output") {
        let url = file.str("url").unwrap_or_default().into_owned();
        let said = asker.get(&url).await?;
        if said.status != 200 {
            return Err(format!("a file of the export: {}", said.trouble()));
        }
        n_bytes += said.n_bytes as u64;
    }
    let cpu_seconds =
        host.cpu_seconds().zip(cpu_before).map_or(0.0, |(after, before)| after - before);
    Ok(Ran {
        n_resources,
        seconds: begin.elapsed().as_secs_f64(),
        cpu_seconds,
        peak_bytes: host.memory().map_or(0, |memory| memory.peak),
        n_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Bundle;

    #[test]
    fn as_many_lines_are_written_as_wanted_and_no_id_twice() {
        let bundle = |id: &str, n: u64| {
            let entry = |n: u64| {
                let rt = if n == 0 { "Patient" } else { "Observation" };
                let id = format!("{id}-{n:04x}-4b58-a91c-6a6cd175a00e");
                format!(r#"{{"resource":{{"resourceType":"{rt}","id":"{id}"}}}}"#)
            };
            let entries: Vec<String> = (0..n).map(entry).collect();
            let json = format!(r#"{{"entry":[{}]}}"#, entries.join(","));
            Bundle { name: id.to_owned(), json: json.into_bytes(), n_entries: n }
        };
        let first = vec![bundle("00000001", 2)];
        let patients = ["0000000a", "0000000b", "0000000c"].map(|id| bundle(id, 3)).into();
        let corpus = Corpus { too_long: Vec::new(), first, patients };
        let folder = std::env::temp_dir().join(format!("bench-ndjson-{}", std::process::id()));
        for packed in [false, true] {
            let written = write_ndjson(&corpus, 24, &folder, packed).unwrap();
            assert_eq!((written.n_resources, written.n_patients), (24, 8));
            let name = if packed { "part-00001.ndjson.zst" } else { "part-00001.ndjson" };
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let text = if packed { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes };
            let text = String::from_utf8(text).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 24);
            lines.sort_unstable();
            lines.dedup();
            assert_eq!(lines.len(), 24, "{text}");
        }
        remove(&folder).unwrap();
    }
}
