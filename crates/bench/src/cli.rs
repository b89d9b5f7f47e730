//! The command line, on its own or as `vitae bench`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    /// Measure a server that runs already at this address instead of starting one.
    #[arg(long, global = true, value_name = "ADDR", conflicts_with = "data")]
    pub address: Option<SocketAddr>,
    /// Path of its FHIR base.
    #[arg(long, global = true, value_name = "PATH", default_value = "/fhir")]
    pub base: String,
    /// Process of that server, to read its CPU time and memory.
    #[arg(long, global = true, value_name = "PID")]
    pub pid: Option<u32>,
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
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Workloads.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// W1: create, read, update and delete of nine types, 36 requests a round.
    #[command(after_help = "Example:\n  vitae bench crud --seconds 30")]
    Crud,
    /// W2: Synthea transaction Bundles, each posted by the next free connection.
    #[command(after_help = "Example:\n  vitae bench import --connections 4 --resources 1000000")]
    Import(Import),
    /// W6: reads by id at 1 to 128 connections.
    #[command(after_help = "Example:\n  vitae bench read --data practice --sweep 1,32")]
    Read(Read),
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
pub struct Read {
    /// Numbers of connections, one run each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8,16,32,64,128")]
    pub sweep: Vec<usize>,
    /// Ids to read at random, at most.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub ids: usize,
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
    /// Put the table between the marks of this Markdown file.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}
