//! The workloads, and the closed loop that they share.

mod bulk;
mod chart;
mod cold_start;
mod compare;
mod crud;
mod everything;
mod import;
mod mix;
mod parity;
mod payload;
mod read;
mod sample;
mod scale;
mod search;
mod shapes;
mod table;
mod table_rows;
mod transaction;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fhir::json::Value;
use tokio::task::LocalSet;

use crate::cli::{Bench, Command};
use crate::client::Target;
use crate::process;
use crate::report::{self, Run};
use crate::server::{self, Running, Site};

/// Runs the workload of the command line and prints what it found.
pub async fn run(bench: &Bench) -> Result<(), String> {
    LocalSet::new().run_until(run_local(bench)).await
}

async fn run_local(bench: &Bench) -> Result<(), String> {
    let machine = process::machine();
    let begin = jiff::Zoned::now().strftime("%Y-%m-%d").to_string();
    let mut results = match &bench.command {
        Command::ColdStart(args) => cold_start::run(&Site::new(bench)?, args)?,
        Command::Bulk(args) => bulk::run(bench, args).await?,
        Command::Compare(args) => compare::run(bench, args).await?,
        Command::Scale(args) => scale::run(bench, args, &machine, &begin).await?,
        Command::Table(args) => return table::run(bench, args, &machine, &begin).await,
        command => {
            let mut host = Host::start(bench).await?;
            let results = run_on(bench, command, &host).await?;
            host.stop()?;
            results
        }
    };
    if bench.json {
        results.insert(0, ("machine", report::machine_value(&machine)));
        results.insert(0, ("date", Value::from(begin)));
        println!("{}", Value::object(results).to_json());
    }
    Ok(())
}

/// Named results, for JSON.
pub type Results = Vec<(&'static str, Value)>;

async fn run_on(bench: &Bench, command: &Command, host: &Host) -> Result<Results, String> {
    let show = |runs: &[Run]| {
        if !bench.json {
            println!("{}", Run::heading());
            for run in runs {
                println!("{}", run.line());
                if let Some(error) = &run.error {
                    println!("  first error: {error}");
                }
            }
        }
        Value::array(runs.iter().map(Run::to_value))
    };
    Ok(match command {
        Command::Crud => vec![("runs", show(&[crud::run(bench, host).await?]))],
        Command::Import(args) => {
            let corpus = crate::corpus::of(bench, args.resources)?;
            let imported = import::run(bench, host, &corpus, args, |point| {
                if !bench.json {
                    println!("{}", point.line());
                }
            })
            .await?;
            vec![
                ("runs", show(std::slice::from_ref(&imported.run))),
                ("curve", imported.curve_value()),
            ]
        }
        Command::Read(args) => {
            let mut runs = Vec::new();
            let ids = read::ids(host, args.ids).await?;
            for n in &args.sweep {
                runs.push(read::run(bench, host, &ids, *n).await?);
            }
            vec![("runs", show(&runs))]
        }
        Command::Chart(args) => {
            let found = chart::run(host, args).await?;
            if !bench.json {
                println!("{}", found.line());
            }
            vec![("chart", found.to_value())]
        }
        Command::Search(args) => search::run(bench, host, args).await?,
        Command::Count(args) => search::run_counts(bench, host, args).await?,
        Command::Transaction(args) => {
            let mut runs = Vec::new();
            for n in &args.sweep {
                runs.push(transaction::run(bench, host, *n).await);
            }
            vec![("runs", show(&runs))]
        }
        Command::Everything(args) => {
            let patients = sample::take(&host.target, &[]).await?.patients;
            let chosen = everything::choose(host, &patients, args).await?;
            let mut runs = Vec::new();
            for n in &args.sweep {
                runs.push(everything::run(bench, host, &chosen, *n).await);
            }
            if !bench.json {
                println!("{}", chosen.line());
            }
            vec![
                ("resources_of_a_patient", report::number(Some(chosen.n_resources))),
                ("pages_of_a_patient", report::number(Some(chosen.n_pages))),
                ("runs", show(&runs)),
            ]
        }
        Command::ColdStart(_)
        | Command::Table(_)
        | Command::Bulk(_)
        | Command::Compare(_)
        | Command::Scale(_) => {
            unreachable!("these start servers themselves")
        }
    })
}

/// The server that is measured.
pub struct Host {
    pub target: Target,
    /// First processes of the server and of its database, as far as they are known.
    pub pids: Vec<u32>,
    pub durability: &'static str,
    started: Option<(Site, Running)>,
}

impl Host {
    /// The running server of the options, or a new one.
    pub async fn start(bench: &Bench) -> Result<Host, String> {
        let Some(base) = &bench.base else {
            let site = Site::new(bench)?;
            let mut host = Host::start_site(site).await?;
            host.target.gzip = bench.gzip;
            return Ok(host);
        };
        let host = Host::running(base, bench.token.as_deref(), &bench.pid, bench.gzip)?;
        if let (None, Some(id), Some(secret)) =
            (&bench.token, &bench.client_id, &bench.client_secret)
        {
            server::authorize(&host.target, id, secret).await?;
        }
        Ok(host)
    }

    /// A server that runs already.
    ///
    /// Errors: the URL is none of plain HTTP.
    pub fn running(
        base: &str,
        token: Option<&str>,
        pids: &[u32],
        gzip: bool,
    ) -> Result<Host, String> {
        let target = Target { gzip, ..Target::from_url(base)? };
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            target.set_bearer(token);
        }
        let durability = "as that server is configured";
        Ok(Host { target, pids: pids.to_vec(), durability, started: None })
    }

    pub async fn start_site(site: Site) -> Result<Host, String> {
        let running = site.start()?;
        site.authorize(&running).await?;
        let target = running.target.clone();
        let pids = std::iter::once(running.pid).chain(running.database_pid).collect();
        Ok(Host { target, pids, durability: site.durability(), started: Some((site, running)) })
    }

    /// Stops the server if it was started here; the practice stays.
    pub fn stop(&mut self) -> Result<Option<Site>, String> {
        let Some((site, running)) = self.started.take() else { return Ok(None) };
        running.stop()?;
        Ok(Some(site))
    }

    pub fn cpu_seconds(&self) -> Option<f64> {
        process::cpu_seconds(&self.pids)
    }

    /// Memory of the server alone, not of its database.
    pub fn memory(&self) -> Option<process::Memory> {
        process::memory(*self.pids.first()?)
    }
}

/// What happens in a window, shared by the connections of one thread.
#[derive(Clone, Debug)]
pub struct Tally {
    inner: Rc<RefCell<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    is_open: bool,
    is_over: bool,
    n_operations: u64,
    n_errors: u64,
    error: Option<String>,
    latencies_us: Vec<u32>,
    /// The same by kind of request, where a workload has several.
    kinds: Vec<KindCounts>,
}

/// What one kind of request came to.
#[derive(Clone, Debug, Default)]
pub struct KindCounts {
    /// Of answers, in microseconds.
    pub latencies_us: Vec<u32>,
    pub n_errors: u64,
    /// The first wrong answer.
    pub error: Option<String>,
}

impl Tally {
    fn new(n_kinds: usize) -> Tally {
        let kinds = vec![KindCounts::default(); n_kinds];
        Tally { inner: Rc::new(RefCell::new(Counts { kinds, ..Counts::default() })) }
    }

    pub fn is_over(&self) -> bool {
        self.inner.borrow().is_over
    }

    /// One answered request that began at `begin` and stands for `n_operations`.
    pub fn done(&self, begin: Instant, n_operations: u64) {
        let mut counts = self.inner.borrow_mut();
        if counts.is_open {
            counts.n_operations += n_operations;
            let us = u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX);
            counts.latencies_us.push(us);
        }
    }

    /// [`Tally::done`] for one request of a kind.
    pub fn done_kind(&self, begin: Instant, kind_idx: usize) {
        self.done(begin, 1);
        let mut counts = self.inner.borrow_mut();
        if counts.is_open
            && let Some(us) = counts.latencies_us.last().copied()
            && let Some(kind) = counts.kinds.get_mut(kind_idx)
        {
            kind.latencies_us.push(us);
        }
    }

    /// [`Tally::error`] for a request of a kind.
    pub fn error_kind(&self, text: String, kind_idx: usize) {
        if let Some(kind) = self.inner.borrow_mut().kinds.get_mut(kind_idx) {
            kind.n_errors += 1;
            kind.error.get_or_insert_with(|| text.clone());
        }
        self.error(text);
    }

    /// A wrong answer, or none.
    pub fn error(&self, text: impl Into<String>) {
        let mut counts = self.inner.borrow_mut();
        counts.n_errors += 1;
        if counts.error.is_none() {
            counts.error = Some(text.into());
        }
    }
}

/// The cost of a window: taken at its begin, asked at its end.
struct Meter {
    begin: Instant,
    cpu_seconds: Option<f64>,
    own_cpu_seconds: f64,
}

impl Meter {
    fn start(host: &Host) -> Meter {
        let own_cpu_seconds = process::cpu_seconds_alone(std::process::id());
        Meter { cpu_seconds: host.cpu_seconds(), own_cpu_seconds, begin: Instant::now() }
    }

    fn finish(self, host: &Host, tally: &Tally, workload: &str, connections: usize) -> Run {
        let seconds = self.begin.elapsed().as_secs_f64();
        let cpu_seconds =
            host.cpu_seconds().zip(self.cpu_seconds).map(|(after, before)| after - before);
        let own = process::cpu_seconds_alone(std::process::id()) - self.own_cpu_seconds;
        let mut counts = tally.inner.borrow_mut();
        counts.is_open = false;
        counts.is_over = true;
        let mut latencies_us = std::mem::take(&mut counts.latencies_us);
        latencies_us.sort_unstable();
        Run {
            workload: workload.to_owned(),
            connections,
            seconds,
            unit: "requests",
            n_operations: counts.n_operations,
            n_errors: counts.n_errors,
            error: counts.error.take(),
            latencies_us,
            cpu_seconds,
            own_cpu_seconds: own,
            peak_bytes: host.memory().map(|memory| memory.peak),
            load: process::load(),
        }
    }
}

/// Runs `connections` loops for the warm-up and the window of the options.
///
/// `one` is a loop that ends soon after the tally is over.
pub async fn closed_loop<F>(
    bench: &Bench,
    host: &Host,
    workload: &str,
    connections: usize,
    one: impl Fn(usize, Tally) -> F,
) -> Run
where
    F: Future<Output = ()> + 'static,
{
    closed_loop_of_kinds(bench, host, workload, connections, 0, one).await.0
}

/// [`closed_loop`] over `n_kinds` kinds of requests: also what each came to.
pub async fn closed_loop_of_kinds<F>(
    bench: &Bench,
    host: &Host,
    workload: &str,
    connections: usize,
    n_kinds: usize,
    one: impl Fn(usize, Tally) -> F,
) -> (Run, Vec<KindCounts>)
where
    F: Future<Output = ()> + 'static,
{
    let tally = Tally::new(n_kinds);
    let loops: Vec<_> =
        (0..connections).map(|n| tokio::task::spawn_local(one(n, tally.clone()))).collect();
    tokio::time::sleep(Duration::from_secs_f64(bench.warm_up)).await;
    let meter = Meter::start(host);
    tally.inner.borrow_mut().is_open = true;
    tokio::time::sleep(Duration::from_secs_f64(bench.seconds)).await;
    let run = meter.finish(host, &tally, workload, connections);
    for each in loops {
        // A loop that panicked has said so already.
        let _ = each.await;
    }
    let kinds = std::mem::take(&mut tally.inner.borrow_mut().kinds);
    (run, kinds)
}
