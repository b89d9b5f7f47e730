//! All workloads on one practice, as the table of `docs/performance.md`.

use std::fmt::Write;
use std::path::Path;

use fhir::json::Value;

use super::chart::{self};
use super::cold_start::{self};
use super::import::{self, Imported};
use super::{Host, crud, read};
use crate::cli::{self, Bench, Table};
use crate::process::{self, Machine};
use crate::report::{self, Run};
use crate::server::{DURABILITY, Site};

const BEGIN: &str = "<!-- measured: written by `vitae bench table` -->";
const END: &str = "<!-- end of measured -->";
/// Connections of the import.
const IMPORT_CONNECTIONS: usize = 4;
/// Connections of the sweep of reads in the short form.
const SWEEP: [usize; 5] = [1, 8, 32, 64, 128];

/// Everything that the table shows.
struct Found {
    empty: cold_start::Found,
    full: cold_start::Found,
    imported: Imported,
    bytes_on_disk: u64,
    reads: Vec<Run>,
    crud: Run,
    chart: Result<chart::Found, String>,
}

/// Measures, prints, and writes the table into the file of the options.
pub async fn run(bench: &Bench, args: &Table, machine: &Machine, date: &str) -> Result<(), String> {
    let found = measure(bench, args).await?;
    let rows = found.rows();
    if let Some(path) = &args.write {
        write(path, &found.markdown(machine, date, &rows))?;
    }
    if bench.json {
        println!("{}", found.to_value(machine, date).to_json());
    } else {
        println!("{}", found.markdown(machine, date, &rows));
    }
    Ok(())
}

async fn measure(bench: &Bench, args: &Table) -> Result<Found, String> {
    let site = Site::new(bench)?;
    eprintln!("cold start, empty");
    let empty = cold_start::measure(&site, 4)?;

    let corpus = crate::corpus::read(bench.suites.as_deref())?;
    eprintln!("import of {} resources", args.resources);
    let mut host = Host::start_site(site).await?;
    let importing = Bench { connections: IMPORT_CONNECTIONS, ..bench.clone() };
    let import = cli::Import { resources: Some(args.resources), window: 50_000 };
    let imported =
        import::run(&importing, &host, &corpus, &import, |point| eprintln!("{}", point.line()))
            .await?;
    drop(corpus);
    let site = host.stop()?.ok_or("the server was not started here")?;
    let bytes_on_disk = process::folder_bytes(&site.data());

    eprintln!("cold start, full");
    let full = cold_start::measure(&site, 6)?;
    let mut host = Host::start_site(site).await?;
    host.target.gzip = bench.gzip;
    let ids = read::ids(&host, 20_000).await?;
    let mut reads = Vec::new();
    eprintln!("{}", Run::heading());
    for n in SWEEP {
        let run = read::run(bench, &host, &ids, n).await?;
        eprintln!("{}", run.line());
        reads.push(run);
    }
    let crud = crud::run(bench, &host).await?;
    eprintln!("{}", crud.line());
    let chart = chart::run(&host, &cli::Chart { encounters: 1_000, requests: 200 }).await;
    if let Err(text) = &chart {
        eprintln!("no chart: {text}");
    }
    host.stop()?;
    Ok(Found { empty, full, imported, bytes_on_disk, reads, crud, chart })
}

/// One line of the table.
struct Row {
    what: &'static str,
    target: &'static str,
    measured: String,
    met: Option<bool>,
}

impl Found {
    fn read_at(&self, connections: usize) -> Option<&Run> {
        self.reads.iter().find(|run| run.connections == connections)
    }

    fn bytes_per_resource(&self) -> f64 {
        self.bytes_on_disk as f64 / self.imported.n_stored.max(1) as f64
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut row = |what, target, measured: String, met| {
            rows.push(Row { what, target, measured, met });
        };
        let best = |a: f64, b: f64| Some(a >= b);
        if let Some(run) = self.read_at(32) {
            let n = run.per_cpu_second().unwrap_or(0.0);
            row(
                "read by id (W6), 32 connections",
                "≥ 15 000 per server CPU-second",
                format!("{} per CPU-second; {} /s", grouped(n), grouped(run.per_second())),
                best(n, 15_000.0),
            );
            let p99 = run.quantile_ms(0.99);
            row("its p99", "≤ 5 ms", format!("{p99:.2} ms"), Some(p99 <= 5.0));
        }
        let n = self.crud.per_cpu_second().unwrap_or(0.0);
        let rate = self.crud.per_second();
        row(
            "CRUD loop (W1), 32 connections",
            "≥ 4 000 operations per server CPU-second",
            format!("{} per CPU-second; {} /s", grouped(n), grouped(rate)),
            best(n, 4_000.0),
        );
        if let Some(point) = self.imported.curve.first() {
            row(
                "transaction import (W2), from empty",
                "≥ 8 000 resources/s",
                with_cpu(point),
                best(point.per_second(), 8_000.0),
            );
        }
        if let Some(point) = self.imported.curve.last() {
            row(
                "the same, at the end of the import",
                "≥ 5 000 resources/s at 1 M resources",
                format!("{} at {}", with_cpu(point), grouped(point.n_resources as f64)),
                (point.n_resources >= 1_000_000).then_some(point.per_second() >= 5_000.0),
            );
        }
        let kilobytes = self.bytes_per_resource() / 1000.0;
        row(
            "bytes on disk per Synthea resource, all in",
            "≤ 0.9 KB",
            format!("{kilobytes:.2} KB"),
            Some(kilobytes <= 0.9),
        );
        let idle = self.full.idle_bytes.unwrap_or(0) as f64 / 1e6;
        let idle_empty = self.empty.idle_bytes.unwrap_or(0) as f64 / 1e6;
        row(
            "memory, idle",
            "≤ 100 MB",
            format!("{idle:.0} MB ({idle_empty:.0} MB with an empty record)"),
            Some(idle <= 100.0),
        );
        let peak = |run: &Run| run.peak_bytes.unwrap_or(0) as f64 / 1e6;
        let (importing, serving) = (peak(&self.imported.run), peak(&self.crud));
        row(
            "memory, peak under load",
            "≤ 500 MB",
            format!("{importing:.0} MB importing, {serving:.0} MB reading and writing"),
            Some(importing.max(serving) <= 500.0),
        );
        let ms = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.0} ms"));
        row(
            "cold start to `ready`",
            "≤ 500 ms with 1 M resources",
            format!(
                "{} with {} resources, files not in the kernel's cache; {} cached; {} empty",
                ms(self.full.cold()),
                grouped(self.imported.n_stored as f64),
                ms(self.full.warm()),
                ms(self.empty.warm()),
            ),
            self.full.cold().map(|n| n <= 500.0),
        );
        match &self.chart {
            Ok(chart) => {
                let p95 = chart.quantile_ms(0.95);
                row(
                    "chart page, 1 000 encounters, p95",
                    "≤ 50 ms server time",
                    format!(
                        "{p95:.1} ms with the loopback network; {:.1} ms CPU each",
                        chart.cpu_seconds_each.unwrap_or(0.0) * 1000.0
                    ),
                    Some(p95 <= 50.0),
                );
                let kilobytes = chart.gzip_bytes as f64 / 1000.0;
                row(
                    "its size, transferred",
                    "≤ 100 KB",
                    format!("{kilobytes:.1} KB"),
                    Some(kilobytes <= 100.0),
                );
            }
            Err(text) => row("chart page", "≤ 50 ms, ≤ 100 KB", format!("failed: {text}"), None),
        }
        rows
    }

    fn markdown(&self, machine: &Machine, date: &str, rows: &[Row]) -> String {
        let mut out = String::new();
        // Writing to memory does not fail.
        let _ = writeln!(out, "Measured {date} on {}.", report::machine_line(machine));
        let _ = writeln!(out, "Durability: {DURABILITY}.");
        let _ = writeln!(
            out,
            "Data: {} Synthea resources, {:.0} MB on disk.\n",
            grouped(self.imported.n_stored as f64),
            self.bytes_on_disk as f64 / 1e6
        );
        let _ = writeln!(out, "| | target | measured | |\n| --- | --- | --- | --- |");
        for row in rows {
            let met = match row.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let _ = writeln!(out, "| {} | {} | {} | {met} |", row.what, row.target, row.measured);
        }
        let _ = writeln!(
            out,
            "\n| workload | connections | per s | p50 ms | p95 ms | p99 ms | errors | per server \
             CPU-second | CPU-seconds per 1 000 | load of the machine |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
        );
        let imported = std::iter::once(&self.imported.run);
        for run in imported.chain(&self.reads).chain([&self.crud]) {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {} | {} | {:.3} | {:.1} |",
                run.workload,
                run.connections,
                grouped(run.per_second()),
                run.quantile_ms(0.5),
                run.quantile_ms(0.95),
                run.quantile_ms(0.99),
                run.n_errors,
                grouped(run.per_cpu_second().unwrap_or(0.0)),
                run.cpu_seconds_per_1000().unwrap_or(0.0),
                run.load,
            );
        }
        let _ = writeln!(
            out,
            "\n| resources stored | resources/s in the stretch before | per server CPU-second | \
             resident MB |\n| --: | --: | --: | --: |"
        );
        for point in &self.imported.curve {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.0} |",
                grouped(point.n_resources as f64),
                grouped(point.per_second()),
                grouped(point.per_cpu_second().unwrap_or(0.0)),
                point.resident_bytes.unwrap_or(0) as f64 / 1e6,
            );
        }
        out
    }

    fn to_value(&self, machine: &Machine, date: &str) -> Value {
        let runs = std::iter::once(&self.imported.run).chain(&self.reads).chain([&self.crud]);
        let start = |found: &cold_start::Found| {
            Value::object([
                ("warm_ms", report::number(found.warm())),
                ("cold_ms", report::number(found.cold())),
                ("idle_memory_bytes", found.idle_bytes.map_or(Value::Null, report::whole)),
            ])
        };
        Value::object([
            ("date", Value::from(date)),
            ("machine", report::machine_value(machine)),
            ("durability", Value::from(DURABILITY)),
            ("resources", report::whole(self.imported.n_stored)),
            ("bytes_on_disk", report::whole(self.bytes_on_disk)),
            ("bytes_per_resource", report::number(Some(self.bytes_per_resource()))),
            ("start_empty", start(&self.empty)),
            ("start_full", start(&self.full)),
            ("runs", Value::array(runs.map(Run::to_value))),
            ("curve", self.imported.curve_value()),
            (
                "chart",
                self.chart.as_ref().map_or_else(
                    |text| Value::object([("error", Value::from(text.clone()))]),
                    chart::Found::to_value,
                ),
            ),
        ])
    }
}

fn with_cpu(point: &import::Point) -> String {
    let per_cpu_second = point.per_cpu_second().unwrap_or(0.0);
    format!("{} /s ({} per CPU-second)", grouped(point.per_second()), grouped(per_cpu_second))
}

/// `12345.6` as `12 346`.
fn grouped(n: f64) -> String {
    let digits = format!("{n:.0}");
    let mut out = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Puts `text` between the marks of the file.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let old = std::fs::read_to_string(path).map_err(fail)?;
    let new = between(&old, text)
        .ok_or_else(|| format!("{}: the lines {BEGIN} and {END} are missing", path.display()))?;
    std::fs::write(path, new).map_err(fail)
}

fn between(old: &str, text: &str) -> Option<String> {
    let (head, rest) = old.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n\n{text}\n{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567.4), "1 234 567");
        assert_eq!(grouped(999.0), "999");
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let old = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = between(&old, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(between(&new, "new\n").unwrap(), new);
        assert_eq!(between("nothing", "new"), None);
    }
}
