//! The same searches, counts, reads and chart at several sizes of the record, and how cost grows.
//!
//! Each size has a folder that is kept: a run that stopped goes on where it was. The growth of a
//! cost is the exponent of the line through (size, cost) on logarithmic axes: 0 is flat, 1 is linear.

use std::fmt::Write;
use std::path::Path;

use fhir::json::{Doc, Value};

use super::bulk::{self, Ran, Written};
use super::mix::{Mix, Mixed};
use super::search::{COUNT, Mixes};
use super::{Host, Results, chart, read, sample, shapes};
use crate::ask::Asker;
use crate::cli::{self, Bench, Scale};
use crate::corpus::{self, Corpus};
use crate::process::Machine;
use crate::report::{self, Run, grouped};
use crate::server::{DURABILITY, Site};
use crate::svg::{self, Curve, Frame};

const BEGIN: &str = "<!-- measured: written by `vitae bench scale` -->";
/// Connections of the searches: alone, and as the targets have it.
const SWEEP: [usize; 2] = [1, 8];
/// Requests for the page, see [`chart`].
const ENCOUNTERS: usize = 1_000;
/// What was loaded, in the folder of a size.
const LOADED: &str = "loaded.json";
/// What was imported for the chart, in the folder of a size.
const CHARTED: &str = "charted.json";
/// Costs are compared from this size on, where it was measured.
const GROWTH_FROM: u64 = 100_000;

/// What one size came to.
struct Size {
    n_resources: u64,
    n_stored: u64,
    /// `None` for a load that was stopped and went on: then its time is not that of all.
    load: Option<Ran>,
    bytes_on_disk: u64,
    read: Run,
    mixes: Vec<Mixed>,
    chart: Option<Result<chart::Found, String>>,
    peak_bytes: u64,
}

/// The command `scale`.
pub async fn run(
    bench: &Bench,
    args: &Scale,
    machine: &Machine,
    date: &str,
) -> Result<Results, String> {
    if bench.database_url.is_some() || bench.base.is_some() {
        return Err("scale keeps a practice of each size in files of --folder: leave \
                    --database-url and --base out"
            .to_owned());
    }
    let mut sizes = args.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let mut corpus = None;
    let mut found = Vec::new();
    for n in sizes {
        let size = measure(bench, args, n, &mut corpus).await?;
        eprintln!("{}", size.line());
        found.push(size);
    }
    let mut markdown = markdown(&found, machine, date);
    if let Some(name) = args.svg.as_deref().and_then(Path::file_name) {
        let link = format!("![Cost by size]({})\n\n", name.to_string_lossy());
        markdown.insert_str(0, &link);
    }
    let picture = picture(&found);
    if let Some(path) = &args.svg {
        std::fs::write(path, picture).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    if let Some(path) = &args.write {
        report::write_between(path, BEGIN, &markdown)?;
    }
    if !bench.json {
        println!("{markdown}");
    }
    Ok(vec![
        ("sizes", Value::array(found.iter().map(Size::to_value))),
        ("growth", Value::array(curves(&found).iter().map(growth_value))),
    ])
}

async fn measure(
    bench: &Bench,
    args: &Scale,
    n: u64,
    corpus: &mut Option<Corpus>,
) -> Result<Size, String> {
    let folder = args.folder.join(format!("size-{n}"));
    let of_size = Bench { data: Some(folder.clone()), ..bench.clone() };
    let site = Site::new(&of_size)?;
    if !folder.join(LOADED).exists() {
        if corpus.is_none() {
            *corpus = Some(corpus::of(bench, Some(n))?);
        }
        fill(&site, corpus.as_ref().ok_or("no Bundles")?, n, &folder)?;
    }
    let (n_loaded, load) = read_note(&folder.join(LOADED))
        .ok_or_else(|| format!("{LOADED} in {} cannot be read", folder.display()))?;
    // An earlier run has imported the patient with the long chart.
    let of_chart = read_numbers(&folder.join(CHARTED), ["resources"]);
    let n_stored = n_loaded + of_chart.map_or(0, |[n]| n as u64);
    let bytes_on_disk = site.bytes_on_disk().unwrap_or(0);
    let mut host = Host::start_site(site).await?;
    host.target.gzip = bench.gzip;
    let mut asker = Asker::new(&host.target);
    eprintln!("{} resources, {} patients", grouped(n as f64), asker.count("Patient").await?);

    let ids = read::ids(&host, 20_000).await?;
    let read = read::run(bench, &host, &ids, 1).await?;
    let samples = sample::take(&host.target, &[]).await?;
    let mixes = Mixes::probe(&host, &samples).await?;
    let show = |mixed: &Mixed| eprintln!("{}", mixed.run.line());
    let mut mixes = mixes.run(bench, &host, &SWEEP, show).await;
    let counts = Mix::probe(&host, shapes::counts(&samples)).await?;
    mixes.push(counts.run(bench, &host, COUNT, 1).await);
    mixes.last().into_iter().for_each(show);
    let chart = match args.chart_requests {
        0 => None,
        requests => {
            let args = cli::Chart { encounters: ENCOUNTERS, requests };
            Some(measure_chart(&host, &args, &folder.join(CHARTED)).await)
        }
    };
    let peak_bytes = host.memory().map_or(0, |memory| memory.peak);
    host.stop()?;
    Ok(Size { n_resources: n, n_stored, load, bytes_on_disk, read, mixes, chart, peak_bytes })
}

/// The chart of a patient who is imported once, which is noted: the record is larger then.
async fn measure_chart(
    host: &Host,
    args: &cli::Chart,
    note: &Path,
) -> Result<chart::Found, String> {
    if note.exists() {
        return chart::ask(host, args).await;
    }
    let found = chart::run(host, args).await?;
    write_note(note, &Value::object([("resources", report::whole(found.n_imported))]))?;
    Ok(found)
}

/// Loads the practice of a size, and notes what that came to.
fn fill(site: &Site, corpus: &Corpus, n: u64, folder: &Path) -> Result<(), String> {
    let ndjson = folder.join("ndjson");
    let written_note = folder.join("written.json");
    // A load that was stopped goes on with the same files.
    let stopped = read_written(&written_note).filter(|_| ndjson.exists());
    let written = match stopped {
        Some(written) => written,
        None => {
            eprintln!("writing {} lines", grouped(n as f64));
            let written = bulk::write_ndjson(corpus, n, &ndjson, true)?;
            let note = Value::object([
                ("resources", report::whole(written.n_resources)),
                ("patients", report::whole(written.n_patients)),
            ]);
            write_note(&written_note, &note)?;
            written
        }
    };
    eprintln!("loading {} resources", grouped(written.n_resources as f64));
    let load = bulk::load(site, &ndjson, &written)?;
    eprintln!("{}", load.line("import"));
    let mut note = load.to_value();
    note.set("went_on", Value::Bool(stopped.is_some()));
    write_note(&folder.join(LOADED), &note)?;
    bulk::remove(&ndjson)
}

fn write_note(path: &Path, value: &Value) -> Result<(), String> {
    std::fs::write(path, value.to_json()).map_err(|e| format!("{}: {e}", path.display()))
}

fn read_numbers<const N: usize>(path: &Path, names: [&str; N]) -> Option<[f64; N]> {
    let doc = Doc::parse(std::fs::read(path).ok()?).ok()?;
    let mut numbers = [0.0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        *number = doc.root().get(name)?.as_number()?.parse().ok()?;
    }
    Some(numbers)
}

fn read_written(path: &Path) -> Option<Written> {
    let [n_resources, n_patients] = read_numbers(path, ["resources", "patients"])?;
    Some(Written { n_resources: n_resources as u64, n_patients: n_patients as u64 })
}

/// The number of resources stored, and what the load came to.
fn read_note(path: &Path) -> Option<(u64, Option<Ran>)> {
    let names = ["resources", "seconds", "cpu_seconds", "peak_memory_bytes", "bytes_of_files"];
    let [n_resources, seconds, cpu_seconds, peak_bytes, n_bytes] = read_numbers(path, names)?;
    let doc = Doc::parse(std::fs::read(path).ok()?).ok()?;
    let went_on = doc.root().get("went_on")?.as_bool()?;
    let (n_resources, n_bytes) = (n_resources as u64, n_bytes as u64);
    let ran = Ran { n_resources, seconds, cpu_seconds, peak_bytes: peak_bytes as u64, n_bytes };
    Some((n_resources, (!went_on).then_some(ran)))
}

impl Size {
    fn line(&self) -> String {
        format!(
            "{} resources: {:.0} bytes on disk each, {:.0} MB peak memory",
            grouped(self.n_resources as f64),
            self.bytes_on_disk as f64 / self.n_stored.max(1) as f64,
            self.peak_bytes as f64 / 1e6
        )
    }

    fn to_value(&self) -> Value {
        let chart = self.chart.as_ref().map_or(Value::Null, |found| match found {
            Ok(found) => found.to_value(),
            Err(text) => Value::from(text.clone()),
        });
        Value::object([
            ("resources", report::whole(self.n_stored)),
            ("load", self.load.as_ref().map_or(Value::Null, Ran::to_value)),
            ("bytes_on_disk", report::whole(self.bytes_on_disk)),
            ("server_peak_memory_bytes", report::whole(self.peak_bytes)),
            ("read", self.read.to_value()),
            ("mixes", Value::array(self.mixes.iter().map(Mixed::to_value))),
            ("chart", chart),
        ])
    }
}

/// Costs in milliseconds by size, one curve for each kind: those at 1 connection first.
fn curves(sizes: &[Size]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut add = |name: String, n: u64, ms: f64| {
        let at = curves.iter().position(|curve| curve.name == name);
        let at = at.unwrap_or_else(|| {
            curves.push(Curve { name, points: Vec::new() });
            curves.len() - 1
        });
        curves[at].points.push((n as f64, ms));
    };
    for size in sizes {
        let n = size.n_stored;
        add("W6 read".to_owned(), n, size.read.quantile_ms(0.5));
        for mixed in &size.mixes {
            let name = match mixed.run.connections {
                1 => mixed.run.workload.clone(),
                connections => format!("{}{MANY}{connections}", mixed.run.workload),
            };
            add(name, n, mixed.median_of_medians_ms());
        }
        if let Some(Ok(chart)) = &size.chart {
            add("chart, 1 000 encounters".to_owned(), n, chart.quantile_ms(0.5));
        }
    }
    curves.sort_by_key(|curve| curve.name.contains(MANY));
    curves
}

/// In the names of curves of more than one connection.
const MANY: &str = ", connections: ";

/// Costs of one shape: resources stored, p50 and p99 in milliseconds, of each size.
struct ShapeCosts {
    name: String,
    points: Vec<(f64, f64, f64)>,
}

/// Costs of every shape by size.
fn shape_costs(sizes: &[Size]) -> Vec<ShapeCosts> {
    let mut rows: Vec<ShapeCosts> = Vec::new();
    for size in sizes {
        for mixed in &size.mixes {
            for row in &mixed.rows {
                let (workload, connections) = (&mixed.run.workload, mixed.run.connections);
                let name = format!("{workload} | `{}` | {connections}", row.name);
                let at = rows.iter().position(|known| known.name == name);
                let at = at.unwrap_or_else(|| {
                    rows.push(ShapeCosts { name, points: Vec::new() });
                    rows.len() - 1
                });
                let point = (size.n_stored as f64, row.quantile_ms(0.5), row.quantile_ms(0.99));
                rows[at].points.push(point);
            }
        }
    }
    rows
}

/// The exponent by which a cost grows: the slope of the line through the logarithms.
///
/// Shape: `None` for fewer than two sizes.
fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    let n = logs.len() as f64;
    let (mean_x, mean_y) = (
        logs.iter().map(|point| point.0).sum::<f64>() / n,
        logs.iter().map(|point| point.1).sum::<f64>() / n,
    );
    let (mut over, mut under) = (0.0, 0.0);
    for (x, y) in logs {
        over += (x - mean_x) * (y - mean_y);
        under += (x - mean_x) * (x - mean_x);
    }
    (under > 0.0).then(|| over / under)
}

/// Cost at the largest size over that at [`GROWTH_FROM`], or at the smallest there is.
fn growth(points: &[(f64, f64)]) -> Option<f64> {
    let (_, last) = points.last()?;
    let from = points.iter().find(|(n, _)| *n >= GROWTH_FROM as f64 * 0.9).or(points.first())?;
    (points.len() > 1 && from.1 > 0.0).then(|| last / from.1)
}

fn growth_value(curve: &Curve) -> Value {
    Value::object([
        ("curve", Value::from(curve.name.clone())),
        ("exponent", report::number(exponent(&curve.points))),
        ("growth", report::number(growth(&curve.points))),
    ])
}

fn picture(sizes: &[Size]) -> String {
    let frame = Frame {
        title: "How the cost of a request grows with the record",
        x_name: "resources stored",
        y_name: "milliseconds at p50, 1 connection",
    };
    let mut curves = curves(sizes);
    curves.retain(|curve| !curve.name.contains(MANY));
    svg::draw(frame, &curves)
}

fn markdown(sizes: &[Size], machine: &Machine, date: &str) -> String {
    let mut out = String::new();
    // Writing to memory does not fail.
    let _ = writeln!(out, "Measured {date} on {}.", report::machine_line(machine));
    let _ = writeln!(out, "Durability: {DURABILITY}.\n");
    let _ = writeln!(
        out,
        "| resources | loaded per s | per CPU-second | peak MB of the load | bytes on disk each | \
         peak MB of the server | errors |\n| --: | --: | --: | --: | --: | --: | --: |"
    );
    for size in sizes {
        let load = size.load.as_ref();
        let shown = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), grouped);
        let errors: u64 = size.mixes.iter().map(|mixed| mixed.run.n_errors).sum();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.0} | {:.0} | {} |",
            grouped(size.n_stored as f64),
            shown(load.map(Ran::per_second)),
            shown(load.map(Ran::per_cpu_second)),
            shown(load.map(|load| load.peak_bytes as f64 / 1e6)),
            size.bytes_on_disk as f64 / size.n_stored.max(1) as f64,
            size.peak_bytes as f64 / 1e6,
            errors + size.read.n_errors,
        );
    }
    let heads: Vec<String> =
        sizes.iter().map(|size| format!(" {} |", grouped(size.n_stored as f64))).collect();
    let lines = " --: |".repeat(sizes.len() + 2);
    let _ = writeln!(
        out,
        "\n| milliseconds at p50, 1 connection unless named |{} growth | exponent |\n| --- |{lines}",
        heads.concat()
    );
    for curve in curves(sizes) {
        let cells: Vec<String> = curve.points.iter().map(|(_, ms)| format!(" {ms:.2} |")).collect();
        let _ = writeln!(out, "| {} |{} {} |", curve.name, cells.concat(), fitted(&curve.points));
    }
    let _ = writeln!(
        out,
        "\n| mix | shape | connections |{} growth | exponent |\n| --- | --- | --: |{lines}",
        heads.concat()
    );
    for ShapeCosts { name, points } in shape_costs(sizes) {
        let cells: Vec<String> =
            points.iter().map(|(_, p50, p99)| format!(" {p50:.2} / {p99:.2} |")).collect();
        let medians: Vec<(f64, f64)> = points.iter().map(|(n, p50, _)| (*n, *p50)).collect();
        // A shape that a smaller size had no value for has fewer cells, the first ones empty.
        let empty = " |".repeat(sizes.len().saturating_sub(points.len()));
        let _ = writeln!(out, "| {name} |{empty}{} {} |", cells.concat(), fitted(&medians));
    }
    out
}

/// Growth and exponent, as two cells.
fn fitted(points: &[(f64, f64)]) -> String {
    let shown =
        |n: Option<f64>, unit: &str| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}{unit}"));
    format!("{} | {}", shown(growth(points), "×"), shown(exponent(points), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_of_flat_and_linear_costs() {
        let flat = [(1e4, 2.0), (1e5, 2.0), (1e6, 2.0)];
        assert!(exponent(&flat).unwrap().abs() < 1e-9);
        assert_eq!(growth(&flat), Some(1.0));
        let linear = [(1e4, 1.0), (1e5, 10.0), (1e7, 1_000.0)];
        assert!((exponent(&linear).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(growth(&linear), Some(100.0), "from 100 000 on");
        assert_eq!((exponent(&flat[..1]), growth(&flat[..1])), (None, None));
        assert_eq!(exponent(&[]), None);
    }
}
