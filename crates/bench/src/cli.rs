//! The command line, on its own or as `vitae bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Options of every workload, and the workload.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    pub command: Command,
    /// The `vitae` program to start; the one beside this program unless given.
    #[arg(long, global = true, value_name = "FILE")]
    pub vitae: Option<PathBuf>,
    /// Folder of the practice to serve, made if missing and kept; a new one that goes away unless given.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep the practice in this PostgreSQL database, which must be empty or hold it already.
    #[arg(long, global = true, value_name = "URL", conflicts_with = "base")]
    pub database_url: Option<String>,
    /// First process of that database, to read its CPU time; found by the port unless given.
    #[arg(long, global = true, value_name = "PID", requires = "database_url")]
    pub database_pid: Option<u32>,
    /// FHIR base of a server that runs already, to measure it instead of starting one; plain HTTP.
    #[arg(long, global = true, value_name = "URL")]
    pub base: Option<String>,
    /// Processes of that server and its database on this machine, to read their CPU time.
    #[arg(long, global = true, value_name = "PID,…", value_delimiter = ',', requires = "base")]
    pub pid: Vec<u32>,
    /// Bearer token for that server.
    #[arg(long, global = true, value_name = "T")]
    pub token: Option<String>,
    /// Client that asks for a token.
    #[arg(long, global = true, value_name = "ID", requires = "client_secret")]
    pub client_id: Option<String>,
    /// Its secret.
    #[arg(long, global = true, value_name = "S", env = "BENCH_CLIENT_SECRET")]
    pub client_secret: Option<String>,
    /// Connections, each with one request under way.
    #[arg(long, global = true, value_name = "N", default_value_t = 32)]
    pub connections: usize,
    /// Seconds before the window, not counted.
    #[arg(long, global = true, value_name = "S", default_value_t = 2.0)]
    pub warm_up: f64,
    /// Seconds of the window.
    #[arg(long, global = true, value_name = "S", default_value_t = 10.0)]
    pub seconds: f64,
    /// Ask for gzip.
    #[arg(long, global = true)]
    pub gzip: bool,
    /// Bind the server to core 0 and the generator to core 1.
    #[arg(long, global = true)]
    pub pin: bool,
    /// Folder of the test data; $VITAE_SUITES or ../shared/data unless given.
    #[arg(long, global = true, value_name = "DIR")]
    pub suites: Option<PathBuf>,
    /// Where data comes from: Synthea Bundles of the test data, or the deterministic generator.
    #[arg(long, global = true, value_enum, default_value = "synthea")]
    pub source: Source,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The Bundles of 2026 and 2019.
    Synthea,
    /// Patients of the generator: needs no test data.
    Generated,
}

/// Workloads.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// W1: create, read, update and delete of nine types, 36 requests a round.
    #[command(after_help = "Example:\n  vitae bench crud --seconds 30")]
    Crud,
    /// W2: transaction Bundles, each posted by the next free connection.
    #[command(after_help = "Example:\n  vitae bench import --connections 4 --resources 1000000")]
    Import(Import),
    /// W3: searches of one type by string, date, token, quantity, composite and reference; searches
    /// of one patient; unselective searches.
    #[command(after_help = "Example:\n  vitae bench search --data practice --sweep 8,32")]
    Search(Search),
    /// W5: transactions of two resources at 1 to 128 connections.
    #[command(after_help = "Example:\n  vitae bench transaction --data practice --sweep 1,64")]
    Transaction(Sweep),
    /// W6: reads by id at 1 to 128 connections.
    #[command(after_help = "Example:\n  vitae bench read --data practice --sweep 1,32")]
    Read(Read),
    /// W7: Patient/$everything of patients of about 800 resources.
    #[command(after_help = "Example:\n  vitae bench everything --data practice --sweep 1,8")]
    Everything(Everything),
    /// W8: `_summary=count` by code, by code and date, by year.
    #[command(after_help = "Example:\n  vitae bench count --data practice --sweep 1,8")]
    Count(Search),
    /// W9: NDJSON into an empty practice by `vitae import`, and out again by `vitae export`.
    #[command(after_help = "Example:\n  vitae bench bulk --resources 1000000")]
    Bulk(Bulk),
    /// The chart page of a patient with many encounters.
    #[command(after_help = "Example:\n  vitae bench chart --requests 200")]
    Chart(Chart),
    /// Time from start to the line `ready`.
    #[command(after_help = "Example:\n  vitae bench cold-start --data practice")]
    ColdStart(ColdStart),
    /// All of them, one after the other on one practice, as the table of docs/performance.md.
    #[command(
        after_help = "Example:\n  vitae bench table --resources 250000 --write docs/performance.md"
    )]
    Table(Table),
    /// Two servers side by side: the same workloads in windows that take turns, as ratios, after a
    /// gate that shows that both hold and answer the same.
    #[command(
        after_help = "Example:\n  vitae bench compare --base http://127.0.0.1:8080/fhir --token T \
        --other-base http://127.0.0.1:9090/fhir --other-token U --pid 12 --other-pid 34,56\n  \
        vitae bench compare --data practice --other-base http://127.0.0.1:9090/fhir --other-token U \
        --load 50"
    )]
    Compare(Compare),
    /// The same searches, counts, reads and chart at several sizes, and how cost grows.
    #[command(after_help = "Example:\n  vitae bench scale --sizes 10k,100k,1m,10m --folder sizes \
        --write docs/performance.md --svg docs/scaling.svg")]
    Scale(Scale),
}

#[derive(Clone, Debug, Args)]
pub struct Import {
    /// Post the patients' Bundles again and again until so many resources are stored; once unless given.
    #[arg(long, value_name = "N")]
    pub resources: Option<u64>,
    /// Resources between two lines of the curve.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub window: u64,
}

#[derive(Clone, Debug, Args)]
pub struct Search {
    /// Numbers of connections, one run each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "8,32")]
    pub sweep: Vec<usize>,
}

#[derive(Clone, Debug, Args)]
pub struct Sweep {
    /// Numbers of connections, one run each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8,16,32,64,128")]
    pub sweep: Vec<usize>,
}

#[derive(Clone, Debug, Args)]
pub struct Read {
    /// Numbers of connections, one run each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8,16,32,64,128")]
    pub sweep: Vec<usize>,
    /// Ids to read at random, at most.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub ids: usize,
}

#[derive(Clone, Debug, Args)]
pub struct Everything {
    /// Numbers of connections, one run each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,8,32")]
    pub sweep: Vec<usize>,
    /// Resources of a patient; the patients nearest to it are asked for.
    #[arg(long, value_name = "N", default_value_t = 800)]
    pub resources: u64,
}

#[derive(Clone, Debug, Args)]
pub struct Bulk {
    /// Resources to load.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub resources: u64,
}

#[derive(Clone, Debug, Args)]
pub struct Chart {
    /// Encounters of the patient.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub encounters: usize,
    /// Requests.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub requests: usize,
}

#[derive(Clone, Debug, Args)]
pub struct ColdStart {
    /// Starts, half of them with the data out of the kernel's cache.
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub starts: usize,
}

#[derive(Clone, Debug, Args)]
pub struct Table {
    /// Resources to import in all.
    #[arg(long, value_name = "N", default_value_t = 250_000)]
    pub resources: u64,
    /// Resources of the bulk load into a practice of its own.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub bulk_resources: u64,
    /// Put the table between the marks of this Markdown file.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// FHIR base of the other server; plain HTTP.
    #[arg(long, value_name = "URL")]
    pub other_base: String,
    /// Bearer token for it.
    #[arg(long, value_name = "T", default_value = "")]
    pub other_token: String,
    /// Its processes, and its database's, on this machine.
    #[arg(long, value_name = "PID,…", value_delimiter = ',')]
    pub other_pid: Vec<u32>,
    /// Post so many patients' Bundles to both servers first, in turns; none unless given.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub load: usize,
    /// Windows of each server per workload.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// Workloads to compare.
    #[arg(
        long,
        value_enum,
        value_name = "W,…",
        value_delimiter = ',',
        default_value = "read,search,patient,unselective,count,everything,crud,transaction"
    )]
    pub workloads: Vec<Workload>,
}

/// Workloads that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    Read,
    Search,
    Patient,
    Unselective,
    Count,
    Everything,
    Crud,
    Transaction,
}

#[derive(Clone, Debug, Args)]
pub struct Scale {
    /// Resources of each size: `10k`, `1m`, `250000`.
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        value_parser = size,
        default_value = "10k,100k,1m,10m"
    )]
    pub sizes: Vec<u64>,
    /// Folder of the practices, one per size; kept, and used again by the next run.
    #[arg(long, value_name = "DIR")]
    pub folder: PathBuf,
    /// Requests for the chart page at each size; none with 0.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub chart_requests: usize,
    /// Put the table between the marks of this Markdown file.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Draw the curves into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Most resources of one size.
const SIZE_MAX: u64 = 1_000_000_000;

/// Reads `10k`, `1m` or a plain number.
fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, factor) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1_000),
        (_, Some(digits)) => (digits, 1_000_000),
        _ => (lower.as_str(), 1),
    };
    let n = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    n.filter(|n| (1..=SIZE_MAX).contains(n))
        .ok_or_else(|| format!("{text} is no size: 1 to {SIZE_MAX}, such as 10k, 1m or 250000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes_and_a_limit() {
        assert_eq!(size("10k"), Ok(10_000));
        assert_eq!(size("1M"), Ok(1_000_000));
        assert_eq!(size("250000"), Ok(250_000));
        assert_eq!(size("1000m"), Ok(SIZE_MAX));
        for bad in ["1001m", "0", "x", "", "-1", "99999999999999999999m"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
