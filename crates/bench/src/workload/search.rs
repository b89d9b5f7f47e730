//! W3 and W8: the mixes of searches and counts, one run for each number of connections.

use super::mix::{Mix, Mixed};
use super::sample::{self, Samples};
use super::{Host, Results, shapes};
use crate::cli::{Bench, Search};
use fhir::json::Value;

/// Connections of the unselective searches: alone, and as the targets have it.
pub const UNSELECTIVE_SWEEP: [usize; 2] = [1, 8];

/// The mixes of W3, named as in reports.
#[derive(Clone, Debug)]
pub struct Mixes {
    pub table: Mix,
    pub patient: Mix,
    pub unselective: Mix,
}

impl Mixes {
    pub async fn probe(host: &Host, samples: &Samples) -> Result<Mixes, String> {
        Ok(Mixes {
            table: Mix::probe(host, shapes::table(samples)).await?,
            patient: Mix::probe(host, shapes::patient_scoped(samples)).await?,
            unselective: Mix::probe(host, shapes::unselective(samples)).await?,
        })
    }

    /// All runs, in the order of the report.
    pub async fn run(
        &self,
        bench: &Bench,
        host: &Host,
        sweep: &[usize],
        mut on_run: impl FnMut(&Mixed),
    ) -> Vec<Mixed> {
        let mut found = Vec::new();
        let table = sweep.iter().map(|n| (&self.table, TABLE, *n));
        let patient = sweep.iter().map(|n| (&self.patient, PATIENT, *n));
        let unselective = UNSELECTIVE_SWEEP.iter().map(|n| (&self.unselective, UNSELECTIVE, *n));
        for (mix, name, connections) in table.chain(patient).chain(unselective) {
            let mixed = mix.run(bench, host, name, connections).await;
            on_run(&mixed);
            found.push(mixed);
        }
        found
    }
}

pub const TABLE: &str = "W3 search";
pub const PATIENT: &str = "W3 of patient";
pub const UNSELECTIVE: &str = "W3 unselective";
pub const COUNT: &str = "W8 count";

/// The command `search`.
pub async fn run(bench: &Bench, host: &Host, args: &Search) -> Result<Results, String> {
    let samples = sample::take(&host.target, &[]).await?;
    let mixes = Mixes::probe(host, &samples).await?;
    let found = mixes.run(bench, host, &args.sweep, |mixed| show(bench, mixed)).await;
    Ok(vec![("runs", Value::array(found.iter().map(Mixed::to_value)))])
}

/// The command `count`.
pub async fn run_counts(bench: &Bench, host: &Host, args: &Search) -> Result<Results, String> {
    let samples = sample::take(&host.target, &[]).await?;
    let mix = Mix::probe(host, shapes::counts(&samples)).await?;
    let mut found = Vec::new();
    for connections in &args.sweep {
        let mixed = mix.run(bench, host, COUNT, *connections).await;
        show(bench, &mixed);
        found.push(mixed);
    }
    Ok(vec![("runs", Value::array(found.iter().map(Mixed::to_value)))])
}

fn show(bench: &Bench, mixed: &Mixed) {
    if !bench.json {
        println!("{}", mixed.text());
    }
}
