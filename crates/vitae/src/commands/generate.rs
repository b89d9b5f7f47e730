//! `generate`: an invented practice as files.

use std::io::Write;
use std::path::Path;

use generate::{Options, PracticeKind};

use super::Done;
use crate::cli::{Generate, Kind};
use crate::failure::{Context, Failure, Result};
use crate::progress::bar;

/// The practice that these arguments stand for.
pub fn practice(patients: u64, seed: u64, kind: Kind, today: (i32, u8, u8)) -> generate::Practice {
    let kind = match kind {
        Kind::PrimaryCare => PracticeKind::PrimaryCare,
        Kind::Medspa => PracticeKind::Medspa,
        Kind::Concierge => PracticeKind::Concierge,
        Kind::Specialty => PracticeKind::Specialty,
    };
    generate::Practice::new(Options { seed, patients, kind, today })
}

pub fn generate(args: &Generate) -> Result<Done> {
    let today = parse_date(&args.today)?;
    let practice = practice(args.patients, args.seed, args.practice, today);
    std::fs::create_dir_all(&args.out)
        .context(|| format!("{} cannot be made", args.out.display()))?;
    // The name sorts first, and `import` loads it first.
    write(&args.out.join("hospitalInformation.json"), &practice.foundation())?;
    let bar = bar(args.patients, "patients");
    let digits = args.patients.max(1).to_string().len();
    for index in 0..args.patients {
        let name = format!("patient-{index:0digits$}.json");
        write(&args.out.join(name), &practice.patient_bundle(index))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Done::said(format!("{} patients are in {}", args.patients, args.out.display())))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .context(|| format!("{} cannot be written", path.display()))
}

fn parse_date(text: &str) -> Result<(i32, u8, u8)> {
    let date: jiff::civil::Date =
        text.parse().map_err(|_| Failure::usage("--today is a date such as 2026-01-15"))?;
    let part = |n: i8| u8::try_from(n).unwrap_or(1);
    Ok((i32::from(date.year()), part(date.month()), part(date.day())))
}
