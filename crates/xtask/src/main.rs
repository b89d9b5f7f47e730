//! `cargo xtask …`: see the library.

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask codegen|tidy|deny|blind|ci

  codegen  write crates/fhir-tables/src/generated from the FHIR definitions
           (../shared/data, or the folder in VITAE_SUITES)
  tidy     check the rules of the tree: layers, purity, file length, lints
  deny     check licences, sources and bans of the dependencies against deny.toml
  blind    take the access predicate out at one place at a time: the leak oracle must fail
           each time; edits the sources while it runs (blind WORD: places named so)
  ci       format, clippy, tidy, deny and every test: the gate for a change";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["codegen"] => xtask::codegen::write(),
        ["tidy"] => xtask::tidy::run(),
        ["deny"] => xtask::deny::run(),
        ["blind"] => xtask::blind::run(None),
        ["blind", only] => xtask::blind::run(Some(only)),
        ["ci"] => xtask::ci::run(),
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
