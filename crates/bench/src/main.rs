//! `bench …`: see the library.

use std::process::ExitCode;

use clap::Parser;

/// What a Vitae server does per second, per CPU-second and per byte.
#[derive(Debug, Parser)]
#[command(name = "bench", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    bench: bench::Bench,
}

fn main() -> ExitCode {
    match bench::run(&Cli::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}
