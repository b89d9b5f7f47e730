//! Load generator: what a server does per second, per CPU-second and per byte on disk.
//!
//! Closed loop: `n` connections, each sends its next request when it has the answer to the last. The
//! generator runs on one thread and parses as little as it can, so that two cores suffice for both
//! sides. The server's cost is read from the kernel (`/proc`), not from the server.
//!
//! It measures; it does not judge: a wrong answer counts as an error and is shown, but what is right
//! is for the tests of the other crates.

mod amplify;
mod ask;
mod cli;
mod client;
mod corpus;
mod process;
mod random;
mod report;
mod server;
mod svg;
mod workload;

pub use cli::{Bench, Command};

/// Runs what the command line asks for and prints the report.
///
/// Errors: one line that says what could not be done.
pub fn run(bench: &Bench) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("the runtime cannot be started: {e}"))?;
    runtime.block_on(workload::run(bench))
}
