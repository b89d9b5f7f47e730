//! The workloads, and the closed loop that they share.

mod chart;
mod cold_start;
mod crud;
mod import;
mod payload;
mod read;
mod table;

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
            let corpus = crate::corpus::read(bench.suites.as_deref())?;
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
        Command::ColdStart(_) | Command::Table(_) => unreachable!("these start servers themselves"),
    })
}

/// The server that is measured.
pub struct Host {
    pub target: Target,
    pub pid: Option<u32>,
    started: Option<(Site, Running)>,
}

impl Host {
    /// The running server of the options, or a new one.
    pub async fn start(bench: &Bench) -> Result<Host, String> {
        let Some(address) = bench.address else {
            let site = Site::new(bench)?;
            let mut host = Host::start_site(site).await?;
            host.target.gzip = bench.gzip;
            return Ok(host);
        };
        let target = server::target_of(bench, address);
        match (&bench.token, &bench.client_id, &bench.client_secret) {
            (Some(token), ..) => target.set_bearer(token),
            (None, Some(id), Some(secret)) => server::authorize(&target, id, secret).await?,
            _ => return Err("--address needs --token, or --client-id and --client-secret".into()),
        }
        Ok(Host { target, pid: bench.pid, started: None })
    }

    pub async fn start_site(site: Site) -> Result<Host, String> {
        let running = site.start()?;
        site.authorize(&running).await?;
        let (target, pid) = (running.target.clone(), Some(running.pid));
        Ok(Host { target, pid, started: Some((site, running)) })
    }

    /// Stops the server if it was started here; the practice stays.
    pub fn stop(&mut self) -> Result<Option<Site>, String> {
        let Some((site, running)) = self.started.take() else { return Ok(None) };
        running.stop()?;
        Ok(Some(site))
    }

    pub fn cpu_seconds(&self) -> Option<f64> {
        process::cpu_seconds(self.pid?)
    }

    pub fn memory(&self) -> Option<process::Memory> {
        process::memory(self.pid?)
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
}

impl Tally {
    fn new() -> Tally {
        Tally { inner: Rc::new(RefCell::new(Counts::default())) }
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
    let tally = Tally::new();
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
    run
}
