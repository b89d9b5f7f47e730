//! What a run found, as a line of text and as JSON.

use std::path::Path;

use fhir::json::Value;

use crate::process::Machine;

/// One measured window of one workload.
#[derive(Clone, Debug)]
pub struct Run {
    pub workload: String,
    pub connections: usize,
    pub seconds: f64,
    /// What is counted: requests, or resources.
    pub unit: &'static str,
    pub n_operations: u64,
    pub n_errors: u64,
    /// The first wrong answer.
    pub error: Option<String>,
    /// Of requests, in microseconds, ascending.
    pub latencies_us: Vec<u32>,
    /// The server's, in the window; `None` when its process is not known.
    pub cpu_seconds: Option<f64>,
    /// The generator's.
    pub own_cpu_seconds: f64,
    pub peak_bytes: Option<u64>,
    /// Runnable tasks of the whole machine, the average of a minute: 2 for a run alone.
    pub load: f64,
}

/// Heading of [`Run::markdown`].
pub const RUNS_HEADING: &str = "\
| workload | connections | per s | p50 ms | p95 ms | p99 ms | errors | per server CPU-second | \
CPU-seconds per 1 000 | load of the machine |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
";

impl Run {
    pub fn per_second(&self) -> f64 {
        self.n_operations as f64 / self.seconds.max(1e-9)
    }

    /// Operations per CPU-second of the server.
    pub fn per_cpu_second(&self) -> Option<f64> {
        let cpu_seconds = self.cpu_seconds.filter(|s| *s > 0.0)?;
        Some(self.n_operations as f64 / cpu_seconds)
    }

    /// CPU-seconds of the server per 1 000 operations.
    pub fn cpu_seconds_per_1000(&self) -> Option<f64> {
        self.per_cpu_second().map(|n| 1000.0 / n)
    }

    /// Milliseconds below which this part (0 to 1) of the requests was answered.
    pub fn quantile_ms(&self, part: f64) -> f64 {
        quantile(&self.latencies_us, part) / 1000.0
    }

    /// Several windows of one workload as one; `None` for none.
    pub fn merged(runs: &[Run]) -> Option<Run> {
        let mut merged = runs.first()?.clone();
        for run in &runs[1..] {
            merged.seconds += run.seconds;
            merged.n_operations += run.n_operations;
            merged.n_errors += run.n_errors;
            merged.error = merged.error.or_else(|| run.error.clone());
            merged.latencies_us.extend_from_slice(&run.latencies_us);
            merged.cpu_seconds = merged.cpu_seconds.zip(run.cpu_seconds).map(|(a, b)| a + b);
            merged.own_cpu_seconds += run.own_cpu_seconds;
            merged.peak_bytes = merged.peak_bytes.max(run.peak_bytes);
            merged.load = merged.load.max(run.load);
        }
        merged.latencies_us.sort_unstable();
        Some(merged)
    }

    /// Heading of [`Run::line`].
    pub fn heading() -> String {
        format!(
            "{:<16} {:>5} {:>11} {:>9} {:>8} {:>8} {:>8} {:>7} {:>11} {:>9} {:>8} {:>5}",
            "workload",
            "conns",
            "operations",
            "per s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "errors",
            "per CPU-s",
            "CPU-s/1k",
            "peak MB",
            "load"
        )
    }

    pub fn line(&self) -> String {
        let or_dash = |n: Option<f64>, digits: usize| match n {
            Some(n) => format!("{n:.digits$}"),
            None => "-".to_owned(),
        };
        format!(
            "{:<16} {:>5} {:>11} {:>9.0} {:>8.2} {:>8.2} {:>8.2} {:>7} {:>11} {:>9} {:>8} {:>5.1}",
            self.workload,
            self.connections,
            self.n_operations,
            self.per_second(),
            self.quantile_ms(0.5),
            self.quantile_ms(0.95),
            self.quantile_ms(0.99),
            self.n_errors,
            or_dash(self.per_cpu_second(), 0),
            or_dash(self.cpu_seconds_per_1000(), 3),
            or_dash(self.peak_bytes.map(|bytes| bytes as f64 / 1e6), 0),
            self.load,
        )
    }

    /// A row of a Markdown table under [`RUNS_HEADING`].
    pub fn markdown(&self) -> String {
        let or_dash = |n: Option<String>| n.unwrap_or_else(|| "-".to_owned());
        format!(
            "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {} | {} | {} | {:.1} |",
            self.workload,
            self.connections,
            grouped(self.per_second()),
            self.quantile_ms(0.5),
            self.quantile_ms(0.95),
            self.quantile_ms(0.99),
            self.n_errors,
            or_dash(self.per_cpu_second().map(grouped)),
            or_dash(self.cpu_seconds_per_1000().map(|n| format!("{n:.3}"))),
            self.load,
        )
    }

    pub fn to_value(&self) -> Value {
        Value::object([
            ("workload", Value::from(self.workload.clone())),
            ("connections", whole(self.connections as u64)),
            ("unit", Value::from(self.unit)),
            ("operations", whole(self.n_operations)),
            ("errors", whole(self.n_errors)),
            ("error", self.error.clone().map_or(Value::Null, Value::from)),
            ("seconds", number(Some(self.seconds))),
            ("operations_per_second", number(Some(self.per_second()))),
            ("p50_ms", number(Some(self.quantile_ms(0.5)))),
            ("p95_ms", number(Some(self.quantile_ms(0.95)))),
            ("p99_ms", number(Some(self.quantile_ms(0.99)))),
            ("server_cpu_seconds", number(self.cpu_seconds)),
            ("operations_per_server_cpu_second", number(self.per_cpu_second())),
            ("server_cpu_seconds_per_1000_operations", number(self.cpu_seconds_per_1000())),
            ("generator_cpu_seconds", number(Some(self.own_cpu_seconds))),
            ("server_peak_memory_bytes", self.peak_bytes.map_or(Value::Null, whole)),
            ("machine_load", number(Some(self.load))),
        ])
    }
}

/// The value below which this part (0 to 1) of an ascending list lies; 0 when it is empty.
pub fn quantile(ascending: &[u32], part: f64) -> f64 {
    let last = ascending.len().saturating_sub(1);
    let idx = (part * last as f64).round() as usize;
    ascending.get(idx.min(last)).map_or(0.0, |n| f64::from(*n))
}

/// `12345.6` as `12 346`.
pub fn grouped(n: f64) -> String {
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

pub fn number(n: Option<f64>) -> Value {
    match n {
        Some(n) if n.is_finite() => Value::Number(format!("{n:.4}")),
        _ => Value::Null,
    }
}

pub fn whole(n: u64) -> Value {
    Value::Number(n.to_string())
}

pub fn machine_value(machine: &Machine) -> Value {
    Value::object([
        ("cpu", Value::from(machine.cpu.clone())),
        ("cores", whole(machine.cores as u64)),
        ("memory_bytes", whole(machine.memory_bytes)),
        ("kernel", Value::from(machine.kernel.clone())),
        ("load", number(Some(machine.load))),
    ])
}

pub fn machine_line(machine: &Machine) -> String {
    format!(
        "{}, {} cores, {:.0} GB, Linux {}; load {:.1} before the run",
        machine.cpu,
        machine.cores,
        machine.memory_bytes as f64 / 1e9,
        machine.kernel,
        machine.load
    )
}

/// Ends what a command writes into a Markdown file.
const END: &str = "<!-- end of measured -->";

/// Puts `text` between the line `begin` of a Markdown file and the next line [`END`].
///
/// Errors: the file cannot be read or written, or has no such lines.
pub fn write_between(path: &Path, begin: &str, text: &str) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let old = std::fs::read_to_string(path).map_err(fail)?;
    let new = between(&old, begin, text)
        .ok_or_else(|| format!("{}: the lines {begin} and {END} are missing", path.display()))?;
    std::fs::write(path, new).map_err(fail)
}

fn between(old: &str, begin: &str, text: &str) -> Option<String> {
    let (head, rest) = old.split_once(begin)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{begin}\n\n{text}\n{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let begin = "<!-- b -->";
        let old = format!("a\n{begin}\nold\n{END}\nb\n<!-- c -->\nc\n{END}\n");
        let new = between(&old, begin, "new\n").unwrap();
        assert_eq!(new, format!("a\n{begin}\n\nnew\n\n{END}\nb\n<!-- c -->\nc\n{END}\n"));
        assert_eq!(between(&new, begin, "new\n").unwrap(), new);
        assert_eq!(between("nothing", begin, "new"), None);
    }

    #[test]
    fn windows_are_merged() {
        let run = |n, us: u32| Run {
            workload: "w".into(),
            connections: 1,
            seconds: 2.0,
            unit: "requests",
            n_operations: n,
            n_errors: 1,
            error: None,
            latencies_us: vec![us],
            cpu_seconds: Some(0.5),
            own_cpu_seconds: 0.1,
            peak_bytes: Some(7),
            load: 1.0,
        };
        let merged = Run::merged(&[run(10, 9), run(30, 4)]).unwrap();
        assert_eq!((merged.n_operations, merged.n_errors), (40, 2));
        assert_eq!(merged.latencies_us, [4, 9]);
        assert_eq!((merged.per_second(), merged.per_cpu_second()), (10.0, Some(40.0)));
        assert!(Run::merged(&[]).is_none());
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567.4), "1 234 567");
        assert_eq!(grouped(999.0), "999");
    }

    #[test]
    fn quantiles_of_few_and_many() {
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[7], 0.99), 7.0);
        let hundred: Vec<u32> = (0..=100).collect();
        assert_eq!(quantile(&hundred, 0.5), 50.0);
        assert_eq!(quantile(&hundred, 0.99), 99.0);
        assert_eq!(quantile(&hundred, 1.0), 100.0);
    }
}
