//! W2: Synthea transaction Bundles; each connection posts the next one when it is free.
//!
//! More resources than the Bundles hold are made by posting the patients' Bundles again: their
//! entries are creates with `urn:uuid` references, so each pass makes other patients with other ids,
//! of the same content.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use fhir::json::Value;

use super::{Host, Meter, Tally};
use crate::cli::{self, Bench};
use crate::client::{Connection, Sending, count_created};
use crate::corpus::{Bundle, Corpus};
use crate::report::{self, Run};

/// One stretch of the import.
#[derive(Clone, Debug)]
pub struct Point {
    /// Resources stored at its end.
    pub n_resources: u64,
    pub n_in_window: u64,
    pub seconds: f64,
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
}

impl Point {
    pub fn per_second(&self) -> f64 {
        self.n_in_window as f64 / self.seconds.max(1e-9)
    }

    pub fn per_cpu_second(&self) -> Option<f64> {
        self.cpu_seconds.filter(|s| *s > 0.0).map(|s| self.n_in_window as f64 / s)
    }

    pub fn line(&self) -> String {
        format!(
            "{:>10} resources  {:>7.0}/s  {:>7.0} per CPU-s  {:>5.0} MB resident",
            self.n_resources,
            self.per_second(),
            self.per_cpu_second().unwrap_or(0.0),
            self.resident_bytes.unwrap_or(0) as f64 / 1e6,
        )
    }
}

#[derive(Debug)]
pub struct Imported {
    pub run: Run,
    pub curve: Vec<Point>,
    /// Resources that this import stored.
    pub n_stored: u64,
}

impl Imported {
    pub fn curve_value(&self) -> Value {
        Value::array(self.curve.iter().map(|point| {
            Value::object([
                ("resources", report::whole(point.n_resources)),
                ("resources_per_second", report::number(Some(point.per_second()))),
                ("resources_per_server_cpu_second", report::number(point.per_cpu_second())),
                ("server_resident_bytes", point.resident_bytes.map_or(Value::Null, report::whole)),
            ])
        }))
    }
}

/// The Bundles still to post, in a circle.
struct Queue<'a> {
    bundles: &'a [Bundle],
    next: Cell<usize>,
    n_taken: Cell<u64>,
    n_stored: Cell<u64>,
    n_wanted: u64,
}

impl<'a> Queue<'a> {
    fn take(&self) -> Option<&'a Bundle> {
        if self.n_taken.get() >= self.n_wanted {
            return None;
        }
        let bundle = &self.bundles[self.next.get() % self.bundles.len()];
        self.next.set(self.next.get() + 1);
        self.n_taken.set(self.n_taken.get() + bundle.n_entries);
        Some(bundle)
    }
}

struct Curve<'a> {
    host: &'a Host,
    window: u64,
    begin: Instant,
    cpu_seconds: Option<f64>,
    n_at_begin: u64,
    points: Vec<Point>,
}

impl Curve<'_> {
    /// A new point when a window is full.
    fn advance(&mut self, n_stored: u64, at_end: bool) -> Option<&Point> {
        let n_in_window = n_stored - self.n_at_begin;
        if n_in_window == 0 || (n_in_window < self.window && !at_end) {
            return None;
        }
        let now = self.host.cpu_seconds();
        let point = Point {
            n_resources: n_stored,
            n_in_window,
            seconds: self.begin.elapsed().as_secs_f64(),
            cpu_seconds: now.zip(self.cpu_seconds).map(|(after, before)| after - before),
            resident_bytes: self.host.memory().map(|memory| memory.resident),
        };
        (self.cpu_seconds, self.begin, self.n_at_begin) = (now, Instant::now(), n_stored);
        self.points.push(point);
        self.points.last()
    }
}

/// Posts the corpus; `on_point` hears each finished window.
///
/// Errors: the hospitals and practitioners are refused. Refused patients count as errors.
pub async fn run(
    bench: &Bench,
    host: &Host,
    corpus: &Corpus,
    args: &cli::Import,
    on_point: impl Fn(&Point),
) -> Result<Imported, String> {
    for name in &corpus.too_long {
        eprintln!("left out, it has too many entries: {name}");
    }
    let n_first = post_first(host, corpus).await?;
    let n_wanted = args.resources.map_or(corpus.n_patient_entries(), |n| n.saturating_sub(n_first));
    let queue = Queue {
        bundles: &corpus.patients,
        next: Cell::new(0),
        n_taken: Cell::new(0),
        n_stored: Cell::new(0),
        n_wanted,
    };
    let tally = Tally::new(0);
    tally.inner.borrow_mut().is_open = true;
    let curve = RefCell::new(Curve {
        host,
        window: args.window,
        begin: Instant::now(),
        cpu_seconds: host.cpu_seconds(),
        n_at_begin: 0,
        points: Vec::new(),
    });
    let meter = Meter::start(host);
    let loops = (0..bench.connections).map(|_| post_all(host, &queue, &tally, &curve, &on_point));
    join_all(loops.collect()).await;
    let mut run = meter.finish(host, &tally, "W2 import", bench.connections);
    run.unit = "resources";
    let mut curve = curve.into_inner();
    if let Some(point) = curve.advance(queue.n_stored.get(), true) {
        on_point(point);
    }
    Ok(Imported { run, curve: curve.points, n_stored: n_first + queue.n_stored.get() })
}

pub async fn post_first(host: &Host, corpus: &Corpus) -> Result<u64, String> {
    let mut connection = Connection::new(&host.target);
    let mut n_stored = 0;
    for bundle in &corpus.first {
        n_stored += post(&mut connection, bundle).await?;
    }
    Ok(n_stored)
}

/// The number of entries that were created.
async fn post(connection: &mut Connection, bundle: &Bundle) -> Result<u64, String> {
    let path = connection.base().to_string();
    let answer = connection.send("POST", &path, Sending::fhir(&bundle.json)).await?;
    if answer.status != 200 {
        let text: String = String::from_utf8_lossy(answer.body).chars().take(400).collect();
        return Err(format!("{}: {} {text}", bundle.name, answer.status));
    }
    Ok(count_created(answer.body) as u64)
}

async fn post_all(
    host: &Host,
    queue: &Queue<'_>,
    tally: &Tally,
    curve: &RefCell<Curve<'_>>,
    on_point: &impl Fn(&Point),
) {
    let mut connection = Connection::new(&host.target);
    while let Some(bundle) = queue.take() {
        let begin = Instant::now();
        match post(&mut connection, bundle).await {
            Ok(n_created) => {
                tally.done(begin, n_created);
                queue.n_stored.set(queue.n_stored.get() + n_created);
                if let Some(point) = curve.borrow_mut().advance(queue.n_stored.get(), false) {
                    on_point(point);
                }
            }
            Err(text) => tally.error(text),
        }
    }
}

/// Drives all futures to their end on this thread.
async fn join_all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut open: Vec<_> = futures.into_iter().map(|each| Some(Box::pin(each))).collect();
    std::future::poll_fn(|context| {
        for slot in &mut open {
            if slot.as_mut().is_some_and(|each| each.as_mut().poll(context).is_ready()) {
                *slot = None;
            }
        }
        match open.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
