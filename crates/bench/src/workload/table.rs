//! All workloads on one practice, as the table of `docs/performance.md`.

use super::bulk;
use super::chart;
use super::cold_start;
use super::everything::{self, Chosen};
use super::import::{self, Imported};
use super::mix::{Mix, Mixed};
use super::search::{self, Mixes};
use super::{Host, crud, read, sample, shapes, transaction};
use crate::cli::{self, Bench, Table};
use crate::corpus;
use crate::process::Machine;
use crate::report::{self, Run};
use crate::server::Site;

const BEGIN: &str = "<!-- measured: written by `vitae bench table` -->";
const BEGIN_POSTGRES: &str =
    "<!-- measured on PostgreSQL: written by `vitae bench table --database-url` -->";
/// Connections of the import.
const IMPORT_CONNECTIONS: usize = 4;
/// Connections of the sweeps.
const READ_SWEEP: [usize; 5] = [1, 8, 32, 64, 128];
const SEARCH_SWEEP: [usize; 2] = [8, 32];
const COUNT_SWEEP: [usize; 2] = [1, 8];
const EVERYTHING_SWEEP: [usize; 2] = [1, 8];
const TRANSACTION_SWEEP: [usize; 4] = [1, 8, 64, 128];
/// Resources of a patient of W7.
const EVERYTHING_RESOURCES: u64 = 800;

/// Everything that the table shows. What a server does not offer is an error text.
pub struct Found {
    pub is_postgres: bool,
    pub durability: &'static str,
    pub empty: cold_start::Found,
    pub full: cold_start::Found,
    pub imported: Imported,
    pub bytes_on_disk: Option<u64>,
    pub reads: Vec<Run>,
    pub searches: Vec<Mixed>,
    pub counts: Vec<Mixed>,
    pub everything: Result<(Chosen, Vec<Run>), String>,
    pub chart: Result<chart::Found, String>,
    pub crud: Run,
    pub transactions: Vec<Run>,
    pub bulk: Result<bulk::Found, String>,
}

/// Measures, prints, and writes the table into the file of the options.
pub async fn run(bench: &Bench, args: &Table, machine: &Machine, date: &str) -> Result<(), String> {
    let found = measure(bench, args).await?;
    let markdown = found.markdown(machine, date);
    if let Some(path) = &args.write {
        let begin = if found.is_postgres { BEGIN_POSTGRES } else { BEGIN };
        report::write_between(path, begin, &markdown)?;
    }
    if bench.json {
        println!("{}", found.to_value(machine, date).to_json());
    } else {
        println!("{markdown}");
    }
    Ok(())
}

async fn measure(bench: &Bench, args: &Table) -> Result<Found, String> {
    let is_postgres = bench.database_url.is_some();
    let site = Site::new(bench)?;
    eprintln!("cold start, empty");
    let empty = cold_start::measure(&site, 4)?;

    let corpus = corpus::of(bench, Some(args.resources.max(args.bulk_resources)))?;
    eprintln!("import of {} resources", args.resources);
    let mut host = Host::start_site(site).await?;
    let durability = host.durability;
    let importing = Bench { connections: IMPORT_CONNECTIONS, ..bench.clone() };
    let import = cli::Import { resources: Some(args.resources), window: 50_000 };
    let imported =
        import::run(&importing, &host, &corpus, &import, |point| eprintln!("{}", point.line()))
            .await?;
    let site = host.stop()?.ok_or("the server was not started here")?;
    let bytes_on_disk = site.bytes_on_disk();

    eprintln!("cold start, full");
    let full = cold_start::measure(&site, 6)?;
    let mut host = Host::start_site(site).await?;
    host.target.gzip = bench.gzip;
    let ids = read::ids(&host, 20_000).await?;
    let mut reads = Vec::new();
    eprintln!("{}", Run::heading());
    for n in READ_SWEEP {
        reads.push(shown(read::run(bench, &host, &ids, n).await?));
    }
    let samples = sample::take(&host.target, &[]).await?;
    let show = |mixed: &Mixed| eprintln!("{}", mixed.run.line());
    let mixes = Mixes::probe(&host, &samples).await?;
    let searches = mixes.run(bench, &host, &SEARCH_SWEEP, show).await;
    let mix = Mix::probe(&host, shapes::counts(&samples)).await?;
    let mut counts = Vec::new();
    for n in COUNT_SWEEP {
        counts.push(mix.run(bench, &host, search::COUNT, n).await);
        counts.last().into_iter().for_each(show);
    }
    let args_of_w7 = cli::Everything { sweep: Vec::new(), resources: EVERYTHING_RESOURCES };
    let everything = match everything::choose(&host, &samples.patients, &args_of_w7).await {
        Err(text) => Err(text),
        Ok(chosen) => {
            let mut runs = Vec::new();
            for n in EVERYTHING_SWEEP {
                runs.push(shown(everything::run(bench, &host, &chosen, n).await));
            }
            Ok((chosen, runs))
        }
    };
    let chart = chart::run(&host, &cli::Chart { encounters: 1_000, requests: 200 }).await;
    match &chart {
        Ok(chart) => eprintln!("{}", chart.line()),
        Err(text) => eprintln!("no chart: {text}"),
    }
    let crud = shown(crud::run(bench, &host).await?);
    let mut transactions = Vec::new();
    for n in TRANSACTION_SWEEP {
        transactions.push(shown(transaction::run(bench, &host, n).await));
    }
    host.stop()?;

    let bulk = match is_postgres {
        true => Err("not measured on PostgreSQL".to_owned()),
        false => {
            eprintln!("bulk load of {} resources", args.bulk_resources);
            let alone = Bench { data: None, ..bench.clone() };
            bulk::measure(&alone, &corpus, args.bulk_resources).await
        }
    };
    Ok(Found {
        is_postgres,
        durability,
        empty,
        full,
        imported,
        bytes_on_disk,
        reads,
        searches,
        counts,
        everything,
        chart,
        crud,
        transactions,
        bulk,
    })
}

/// Tells on stderr, as the run goes on.
fn shown(run: Run) -> Run {
    eprintln!("{}", run.line());
    if let Some(error) = &run.error {
        eprintln!("  first error: {error}");
    }
    run
}
