//! Vitae: a practice's whole FHIR R4 record, from one command.
//!
//! Reads the command line, the configuration and the keys, opens the practice and hands over. No
//! rule about data is here.

mod cli;
mod commands;
mod config;
mod failure;
mod keys;
mod memory;
mod practice;
mod progress;
mod seal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    memory::give_back_soon();
    // Wrong usage ends here with status 2.
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("vitae: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
