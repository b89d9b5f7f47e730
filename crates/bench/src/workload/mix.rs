//! Searches of several shapes in turns, and what each shape came to.

use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fhir::json::Value;

use super::shapes::Shape;
use super::{Host, KindCounts, Tally, closed_loop_of_kinds};
use crate::ask::{Asker, total};
use crate::cli::Bench;
use crate::client::{Connection, Sending};
use crate::random::Random;
use crate::report::{self, Run};

/// Requests per shape before the run, whose answers are looked into.
const PROBES: usize = 3;
/// After an error a connection rests, so that a server that is gone does not fill the tally.
const REST: Duration = Duration::from_millis(20);

/// The shapes that the server offers.
#[derive(Clone, Debug)]
pub struct Mix {
    pub shapes: Rc<[Shape]>,
    /// Of each shape: matches in the mean, by the total where the answer has one, else on the page.
    pub n_found: Vec<f64>,
    /// Name of the shape and what the server says.
    pub refused: Vec<(String, String)>,
}

/// What one shape came to in a run.
#[derive(Clone, Debug)]
pub struct Row {
    pub group: &'static str,
    pub name: String,
    pub n_found: f64,
    pub n_errors: u64,
    pub error: Option<String>,
    /// In microseconds, ascending.
    pub latencies_us: Vec<u32>,
}

/// One run over a mix.
#[derive(Clone, Debug)]
pub struct Mixed {
    pub run: Run,
    pub rows: Vec<Row>,
    pub refused: Vec<(String, String)>,
}

impl Mix {
    /// Asks for each shape a few times, which also warms the server up.
    ///
    /// Shape: shapes whose every answer is a refusal (4xx) are left out and told. Errors: the
    /// server is gone, or refuses all.
    pub async fn probe(host: &Host, shapes: Vec<Shape>) -> Result<Mix, String> {
        let mut asker = Asker::new(&host.target);
        let mut mix = Mix { shapes: Rc::new([]), n_found: Vec::new(), refused: Vec::new() };
        let mut offered = Vec::new();
        for shape in shapes {
            let (mut n_found, mut n_answers, mut trouble) = (0.0, 0, None);
            let step = (shape.paths.len() / PROBES).max(1);
            for path in shape.paths.iter().step_by(step).take(PROBES) {
                // One that is too slow stays in the mix: it is not refused, it is slow.
                let Ok(said) = asker.get(path).await else {
                    n_answers += 1;
                    continue;
                };
                match &said.doc {
                    Some(doc) if said.status == 200 => {
                        let on_page = doc.root().list("entry").count() as u64;
                        n_found += total(doc).unwrap_or(on_page) as f64;
                        n_answers += 1;
                    }
                    _ if (400..500).contains(&said.status) => trouble = Some(said.trouble()),
                    _ => n_answers += 1,
                }
            }
            match trouble.filter(|_| n_answers == 0) {
                Some(trouble) => mix.refused.push((shape.name.clone(), trouble)),
                None => {
                    mix.n_found.push(n_found / f64::from(n_answers.max(1)));
                    offered.push(shape);
                }
            }
        }
        if offered.is_empty() {
            let first = mix.refused.first();
            let why = first.map_or_else(|| "no values".to_owned(), |(_, why)| why.clone());
            return Err(format!("the server answers none of these searches: {why}"));
        }
        mix.shapes = offered.into();
        Ok(mix)
    }

    /// Runs `connections` loops over the shapes, each beginning at another one.
    pub async fn run(&self, bench: &Bench, host: &Host, name: &str, connections: usize) -> Mixed {
        let (target, shapes) = (host.target.clone(), Rc::clone(&self.shapes));
        // Ready before the clock runs.
        let base = Rc::clone(&shapes);
        let paths: Rc<[Vec<String>]> = base
            .iter()
            .map(|shape| shape.paths.iter().map(|path| format!("{}/{path}", target.base)).collect())
            .collect();
        let one = move |n: usize, tally: Tally| {
            let mut connection = Connection::with_limit(&target);
            let paths = Rc::clone(&paths);
            async move {
                let mut random = Random::new(n as u64 + 1);
                let mut shape_idx = n * paths.len() / connections.max(1);
                while !tally.is_over() {
                    shape_idx = (shape_idx + 1) % paths.len();
                    let Some(path) = random.of(&paths[shape_idx]) else { continue };
                    let begin = Instant::now();
                    match connection.send("GET", path, Sending::default()).await {
                        Ok(answer) if answer.status == 200 => tally.done_kind(begin, shape_idx),
                        Ok(answer) => {
                            let text = format!("GET {path}: {}", answer.status);
                            tally.error_kind(text, shape_idx);
                        }
                        Err(text) => {
                            tally.error_kind(text, shape_idx);
                            tokio::time::sleep(REST).await;
                        }
                    }
                }
            }
        };
        let n_kinds = shapes.len();
        let (run, kinds) = closed_loop_of_kinds(bench, host, name, connections, n_kinds, one).await;
        let rows = self.rows(kinds);
        Mixed { run, rows, refused: self.refused.clone() }
    }

    fn rows(&self, kinds: Vec<KindCounts>) -> Vec<Row> {
        let mut rows = Vec::new();
        for ((shape, n_found), mut kind) in self.shapes.iter().zip(&self.n_found).zip(kinds) {
            kind.latencies_us.sort_unstable();
            rows.push(Row {
                group: shape.group,
                name: shape.name.clone(),
                n_found: *n_found,
                n_errors: kind.n_errors,
                error: kind.error,
                latencies_us: kind.latencies_us,
            });
        }
        rows
    }
}

impl Row {
    pub fn quantile_ms(&self, part: f64) -> f64 {
        report::quantile(&self.latencies_us, part) / 1000.0
    }
}

impl Mixed {
    /// The row whose quantile is the largest.
    pub fn slowest(&self, part: f64) -> Option<&Row> {
        let key = |row: &&Row| row.quantile_ms(part);
        self.rows.iter().max_by(|a, b| key(a).total_cmp(&key(b)))
    }

    /// The middle of the rows' medians, in milliseconds: each shape counts once.
    pub fn median_of_medians_ms(&self) -> f64 {
        let mut medians: Vec<f64> = self.rows.iter().map(|row| row.quantile_ms(0.5)).collect();
        medians.sort_by(f64::total_cmp);
        medians.get(medians.len() / 2).copied().unwrap_or(0.0)
    }

    pub fn text(&self) -> String {
        let mut out = format!("{}\n{}\n", Run::heading(), self.run.line());
        // Writing to memory does not fail.
        let _ = writeln!(
            out,
            "  {:<12} {:<42} {:>8} {:>9} {:>8} {:>8} {:>8} {:>7}",
            "group", "shape", "requests", "found", "p50 ms", "p95 ms", "p99 ms", "errors"
        );
        for row in &self.rows {
            let _ = writeln!(
                out,
                "  {:<12} {:<42} {:>8} {:>9.0} {:>8.2} {:>8.2} {:>8.2} {:>7}",
                row.group,
                row.name,
                row.latencies_us.len(),
                row.n_found,
                row.quantile_ms(0.5),
                row.quantile_ms(0.95),
                row.quantile_ms(0.99),
                row.n_errors,
            );
            if let Some(error) = &row.error {
                let _ = writeln!(out, "    first error: {error}");
            }
        }
        for (name, why) in &self.refused {
            let _ = writeln!(out, "  not offered: {name}: {why}");
        }
        out
    }

    /// Rows of a Markdown table under [`MARKDOWN_HEADING`].
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let _ = writeln!(
                out,
                "| {} | `{}` | {} | {} | {} | {:.2} | {:.2} | {:.2} | {} |",
                row.group,
                row.name,
                self.run.connections,
                row.latencies_us.len(),
                report::grouped(row.n_found),
                row.quantile_ms(0.5),
                row.quantile_ms(0.95),
                row.quantile_ms(0.99),
                row.n_errors,
            );
        }
        for (name, why) in &self.refused {
            let why: String = why.chars().take(90).collect();
            let _ = writeln!(out, "| not offered | `{name}` | | | | | | | {why} |");
        }
        out
    }

    pub fn to_value(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            Value::object([
                ("group", Value::from(row.group)),
                ("shape", Value::from(row.name.clone())),
                ("requests", report::whole(row.latencies_us.len() as u64)),
                ("found", report::number(Some(row.n_found))),
                ("p50_ms", report::number(Some(row.quantile_ms(0.5)))),
                ("p95_ms", report::number(Some(row.quantile_ms(0.95)))),
                ("p99_ms", report::number(Some(row.quantile_ms(0.99)))),
                ("errors", report::whole(row.n_errors)),
                ("error", row.error.clone().map_or(Value::Null, Value::from)),
            ])
        });
        let refused = self.refused.iter().map(|(name, why)| {
            Value::object([("shape", Value::from(name.clone())), ("why", Value::from(why.clone()))])
        });
        let mut value = self.run.to_value();
        value.set("shapes", Value::array(rows));
        value.set("not_offered", Value::array(refused));
        value
    }
}

/// Heading of [`Mixed::markdown`].
pub const MARKDOWN_HEADING: &str = "\
| group | shape | connections | requests | found | p50 ms | p95 ms | p99 ms | errors |
| --- | --- | --: | --: | --: | --: | --: | --: | --- |
";
