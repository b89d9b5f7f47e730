//! The table of `docs/performance.md`: targets and what was measured, as Markdown and JSON.

use std::fmt::Write;

use fhir::json::Value;

use super::mix::{self, Mixed};
use super::table::Found;
use super::{bulk, chart, cold_start, import, search};
use crate::process::Machine;
use crate::report::{self, RUNS_HEADING, Run, grouped};

/// Rows that have a target on PostgreSQL too, by their beginning.
const POSTGRES_TARGETS: [&str; 3] =
    ["CRUD loop (W1)", "transaction import (W2), from empty", "bytes on disk per Synthea resource"];

/// One line of the table.
struct Row {
    what: String,
    target: String,
    measured: String,
    met: Option<bool>,
}

/// Rows as they are gathered.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, what: &str, target: &str, measured: String, met: Option<bool>) {
        let (what, target) = (what.to_owned(), target.to_owned());
        self.0.push(Row { what, target, measured, met });
    }

    /// At least so many per CPU-second of the server.
    fn per_cpu_second(&mut self, what: &str, run: &Run, least: f64) {
        let n = run.per_cpu_second();
        let rate = grouped(run.per_second());
        let measured = match n {
            Some(n) => format!("{} per CPU-second; {rate} /s", grouped(n)),
            None => format!("{rate} /s"),
        };
        let target = format!("≥ {} per server CPU-second", grouped(least));
        self.add(what, &target, measured, n.map(|n| n >= least));
    }

    /// The slowest shape of a mix, at most so many milliseconds.
    fn slowest(&mut self, what: &str, mixed: &Mixed, part: f64, most: f64) {
        let name = if part > 0.98 { "p99" } else { "p95" };
        let Some(row) = mixed.slowest(part) else { return };
        let ms = row.quantile_ms(part);
        let errors = mixed.run.n_errors;
        let all = mixed.run.quantile_ms(part);
        let measured = format!(
            "{ms:.2} ms for `{}`, the slowest shape; {all:.2} ms over all; {errors} errors{}",
            row.name,
            not_offered(mixed),
        );
        let target = format!("{name} ≤ {most} ms");
        let met = ms <= most && errors == 0 && mixed.refused.is_empty();
        self.add(what, &target, measured, Some(met));
    }
}

fn not_offered(mixed: &Mixed) -> String {
    if mixed.refused.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = mixed.refused.iter().map(|(name, _)| name.as_str()).collect();
    format!("; not offered: {}", names.join(", "))
}

impl Found {
    fn bytes_per_resource(&self) -> Option<f64> {
        Some(self.bytes_on_disk? as f64 / self.imported.n_stored.max(1) as f64)
    }

    fn runs(&self) -> Vec<&Run> {
        let mixes = self.searches.iter().chain(&self.counts).map(|mixed| &mixed.run);
        let everything = self.everything.iter().flat_map(|(_, runs)| runs);
        std::iter::once(&self.imported.run)
            .chain(&self.reads)
            .chain(mixes)
            .chain(everything)
            .chain([&self.crud])
            .chain(&self.transactions)
            .collect()
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Rows::default();
        if let Some(run) = at(&self.reads, 32) {
            rows.per_cpu_second("read by id (W6), 32 connections", run, 15_000.0);
            let p99 = run.quantile_ms(0.99);
            rows.add("its p99", "≤ 5 ms", format!("{p99:.2} ms"), Some(p99 <= 5.0));
        }
        let least = if self.is_postgres { 1_500.0 } else { 4_000.0 };
        rows.per_cpu_second("CRUD loop (W1), 32 connections", &self.crud, least);
        self.search_rows(&mut rows);
        if let Some(run) = at(&self.transactions, 64) {
            let n = run.per_second();
            let cpu = run.per_cpu_second().unwrap_or(0.0);
            rows.add(
                "two-resource transactions (W5), 64 connections",
                "≥ 5 000 /s, each on disk",
                format!(
                    "{} /s ({} per CPU-second); p99 {:.1} ms",
                    grouped(n),
                    grouped(cpu),
                    run.quantile_ms(0.99)
                ),
                (!self.is_postgres).then_some(n >= 5_000.0 && run.n_errors == 0),
            );
        }
        self.load_rows(&mut rows);
        self.machine_rows(&mut rows);
        self.chart_rows(&mut rows);
        if self.is_postgres {
            for row in &mut rows.0 {
                if !POSTGRES_TARGETS.iter().any(|what| row.what.starts_with(what)) {
                    // The other targets are those of the embedded engine.
                    (row.target, row.met) = (String::new(), None);
                }
            }
        }
        rows.0
    }

    fn search_rows(&self, rows: &mut Rows) {
        let mixed = |name: &str, connections: usize| {
            let named =
                |mixed: &&Mixed| mixed.run.workload == name && mixed.run.connections == connections;
            self.searches.iter().chain(&self.counts).find(named)
        };
        if let Some(mixed) = mixed(search::PATIENT, 8) {
            rows.slowest("searches of one patient (W3), 8 connections", mixed, 0.99, 3.0);
        }
        if let Some(mixed) = mixed(search::TABLE, 8) {
            rows.slowest("searches of one type (W3), 8 connections", mixed, 0.99, 10.0);
        }
        for (connections, name) in [(1, "1 connection"), (8, "8 connections")] {
            if let Some(mixed) = mixed(search::UNSELECTIVE, connections) {
                let what = format!("unselective searches (W3), {name}");
                rows.slowest(&what, mixed, 0.95, 25.0);
            }
        }
        if let Some(mixed) = mixed(search::COUNT, 1)
            && let Some(row) = mixed.rows.iter().find(|row| row.name == "frequent code")
        {
            let (p50, p99) = (row.quantile_ms(0.5), row.quantile_ms(0.99));
            rows.add(
                "`_summary=count` on one token (W8), 1 connection",
                "≤ 1 ms",
                format!(
                    "p50 {p50:.2} ms, p99 {p99:.2} ms, the loopback network included, at {} matches",
                    grouped(row.n_found)
                ),
                Some(p99 <= 1.0),
            );
        }
        match &self.everything {
            Ok((chosen, runs)) => {
                if let Some(run) = at(runs, 8) {
                    let what = format!(
                        "`$everything` (W7) of {:.0} resources in {:.1} pages, 8 connections",
                        chosen.n_resources, chosen.n_pages
                    );
                    rows.per_cpu_second(&what, run, 400.0);
                }
            }
            Err(text) => {
                rows.add("`$everything` (W7)", "≥ 400 per server CPU-second", text.clone(), None);
            }
        }
    }

    fn load_rows(&self, rows: &mut Rows) {
        let (first, last) = (self.imported.curve.first(), self.imported.curve.last());
        if let Some(point) = first {
            let least = if self.is_postgres { 3_000.0 } else { 12_000.0 };
            rows.add(
                "transaction import (W2), from empty",
                &format!("≥ {} resources/s", grouped(least)),
                with_cpu(point),
                Some(point.per_second() >= least),
            );
        }
        if let Some(point) = last.filter(|_| !self.is_postgres) {
            rows.add(
                "the same, at the end of the import",
                "≥ 5 000 resources/s at 1 M resources",
                format!("{} at {}", with_cpu(point), grouped(point.n_resources as f64)),
                (point.n_resources >= 1_000_000).then_some(point.per_second() >= 5_000.0),
            );
        }
        match &self.bulk {
            Ok(bulk) => {
                let n = bulk.import.per_second();
                rows.add(
                    "bulk load of NDJSON (W9), searchable at the end",
                    "≥ 30 000 resources/s",
                    ran(&bulk.import),
                    Some(n >= 30_000.0),
                );
                rows.add("export of all (W9)", "", ran(&bulk.export), None);
                match &bulk.over_http {
                    Ok(found) => rows.add("`$export` over HTTP (W9)", "", ran(found), None),
                    Err(why) => rows.add("`$export` over HTTP (W9)", "", why.clone(), None),
                }
            }
            Err(why) => rows.add("bulk load (W9)", "≥ 30 000 resources/s", why.clone(), None),
        }
        let kilobytes = self.bytes_per_resource().map(|bytes| bytes / 1000.0);
        let most = if self.is_postgres { 2.0 } else { 0.7 };
        rows.add(
            "bytes on disk per Synthea resource, all in",
            &format!("≤ {most} KB"),
            kilobytes.map_or_else(|| "not seen from here".to_owned(), |n| format!("{n:.2} KB")),
            kilobytes.map(|n| n <= most),
        );
    }

    fn machine_rows(&self, rows: &mut Rows) {
        let idle = self.full.idle_bytes.unwrap_or(0) as f64 / 1e6;
        let idle_empty = self.empty.idle_bytes.unwrap_or(0) as f64 / 1e6;
        rows.add(
            "memory of the server, idle",
            "≤ 100 MB",
            format!("{idle:.0} MB ({idle_empty:.0} MB with an empty record)"),
            Some(idle <= 100.0),
        );
        let peak = |run: &Run| run.peak_bytes.unwrap_or(0) as f64 / 1e6;
        let importing = peak(&self.imported.run);
        let serving = self.runs()[1..].iter().map(|run| peak(run)).fold(0.0, f64::max);
        rows.add(
            "memory of the server, peak under load",
            "≤ 500 MB",
            format!("{importing:.0} MB importing, {serving:.0} MB searching and writing"),
            Some(importing.max(serving) <= 500.0),
        );
        let ms = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.0} ms"));
        rows.add(
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
    }

    fn chart_rows(&self, rows: &mut Rows) {
        let chart = match &self.chart {
            Ok(chart) => chart,
            Err(text) => {
                rows.add("chart page", "≤ 50 ms, ≤ 100 KB", format!("failed: {text}"), None);
                return;
            }
        };
        let p95 = chart.quantile_ms(0.95);
        rows.add(
            "chart page, 1 000 encounters, p95",
            "≤ 50 ms server time",
            format!(
                "{p95:.1} ms with the loopback network; {:.1} ms CPU each",
                chart.cpu_seconds_each.unwrap_or(0.0) * 1000.0
            ),
            Some(p95 <= 50.0),
        );
        let kilobytes = chart.gzip_bytes as f64 / 1000.0;
        rows.add(
            "its size, transferred",
            "≤ 100 KB",
            format!("{kilobytes:.1} KB"),
            Some(kilobytes <= 100.0),
        );
    }

    pub fn markdown(&self, machine: &Machine, date: &str) -> String {
        let mut out = String::new();
        // Writing to memory does not fail.
        let _ = writeln!(out, "Measured {date} on {}.", report::machine_line(machine));
        let _ = writeln!(out, "Durability: {}.", self.durability);
        let _ = writeln!(
            out,
            "Data: {} Synthea resources, {:.0} MB on disk.\n",
            grouped(self.imported.n_stored as f64),
            self.bytes_on_disk.unwrap_or(0) as f64 / 1e6
        );
        let _ = writeln!(out, "| | target | measured | |\n| --- | --- | --- | --- |");
        for row in self.rows() {
            let met = match row.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let _ = writeln!(out, "| {} | {} | {} | {met} |", row.what, row.target, row.measured);
        }
        let _ = write!(out, "\n{RUNS_HEADING}");
        for run in self.runs() {
            let _ = writeln!(out, "{}", run.markdown());
        }
        let _ = write!(out, "\n{}", mix::MARKDOWN_HEADING);
        for mixed in self.searches.iter().chain(&self.counts) {
            out.push_str(&mixed.markdown());
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

    pub fn to_value(&self, machine: &Machine, date: &str) -> Value {
        let start = |found: &cold_start::Found| {
            Value::object([
                ("warm_ms", report::number(found.warm())),
                ("cold_ms", report::number(found.cold())),
                ("idle_memory_bytes", found.idle_bytes.map_or(Value::Null, report::whole)),
            ])
        };
        let error = |text: &String| Value::object([("error", Value::from(text.clone()))]);
        let mixes = self.searches.iter().chain(&self.counts);
        Value::object([
            ("date", Value::from(date)),
            ("machine", report::machine_value(machine)),
            ("durability", Value::from(self.durability)),
            ("resources", report::whole(self.imported.n_stored)),
            ("bytes_on_disk", self.bytes_on_disk.map_or(Value::Null, report::whole)),
            ("bytes_per_resource", report::number(self.bytes_per_resource())),
            ("start_empty", start(&self.empty)),
            ("start_full", start(&self.full)),
            ("runs", Value::array(self.runs().into_iter().map(Run::to_value))),
            ("mixes", Value::array(mixes.map(Mixed::to_value))),
            ("curve", self.imported.curve_value()),
            ("bulk", self.bulk.as_ref().map_or_else(error, bulk::Found::to_value)),
            ("chart", self.chart.as_ref().map_or_else(error, chart::Found::to_value)),
        ])
    }
}

fn at(runs: &[Run], connections: usize) -> Option<&Run> {
    runs.iter().find(|run| run.connections == connections)
}

fn with_cpu(point: &import::Point) -> String {
    let per_cpu_second = point.per_cpu_second().unwrap_or(0.0);
    format!("{} /s ({} per CPU-second)", grouped(point.per_second()), grouped(per_cpu_second))
}

fn ran(ran: &bulk::Ran) -> String {
    format!(
        "{} /s ({} per CPU-second) at {} resources, {:.0} MB peak",
        grouped(ran.per_second()),
        grouped(ran.per_cpu_second()),
        grouped(ran.n_resources as f64),
        ran.peak_bytes as f64 / 1e6
    )
}
