//! Two servers side by side: windows that take turns, A B A B, and the ratios of what they came to.
//!
//! The searches are the same: values are sampled from A; patients are found on B by their
//! identifier. Only shapes whose totals are the same on both count.

use std::fmt::Write;

use fhir::json::Value;

use super::everything::{self, Chosen};
use super::mix::Mix;
use super::sample::{self, Patient, Samples};
use super::shapes::{self, Shape};
use super::{Host, Results, crud, import, parity, read, search, transaction};
use crate::ask::{Asker, escape};
use crate::cli::{self, Bench, Compare, Everything, Workload};
use crate::corpus::{self, Corpus};
use crate::report::{self, Run, grouped};

/// Bundles that one server gets before it is the other's turn.
const BUNDLES_OF_TURN: usize = 8;
/// Connections of the load.
const LOAD_CONNECTIONS: usize = 4;
/// Patients that are looked for on the other server.
const PATIENTS_MAX: usize = 200;
/// Resources of a patient of W7.
const EVERYTHING_RESOURCES: u64 = 800;

/// What one workload came to on both servers.
#[derive(Clone, Debug)]
struct Pair {
    a: Run,
    b: Run,
    /// Ratios of the rates, one of each round, ascending.
    ratios: Vec<f64>,
}

/// A workload, ready for one server.
enum Work {
    Read(Vec<String>),
    Mix(Mix, &'static str),
    Everything(Chosen),
    Crud,
    Transaction,
}

/// The command `compare`.
///
/// Errors: the gate does not pass: then no ratio is printed.
pub async fn run(bench: &Bench, args: &Compare) -> Result<Results, String> {
    let mut a = Host::start(bench).await?;
    let token = Some(args.other_token.as_str());
    let b = Host::running(&args.other_base, token, &args.other_pid, bench.gzip)?;
    let found = measure(bench, args, &a, &b).await;
    a.stop()?;
    found
}

async fn measure(bench: &Bench, args: &Compare, a: &Host, b: &Host) -> Result<Results, String> {
    let mut pairs = Vec::new();
    if args.load > 0 {
        pairs.push(load(bench, args.load, [a, b]).await?);
    }
    eprintln!("A is {}{}", a.target.host, a.target.base);
    eprintln!("B is {}{}", b.target.host, b.target.base);
    let (of_a, of_b) = samples(a, b).await?;
    let checks = parity::gate([a, b], &of_a).await;
    for check in &checks {
        eprintln!("{}", check.line());
    }
    let n_wrong = checks.iter().filter(|check| check.trouble.is_some()).count();
    if n_wrong > 0 {
        return Err(format!(
            "no ratios: {n_wrong} of {} checks show that A and B do not hold or answer the same",
            checks.len()
        ));
    }
    let mut left_out = Vec::new();
    for workload in &args.workloads {
        let works = prepare(*workload, [a, b], [&of_a, &of_b], &mut left_out).await;
        let [work_a, work_b] = match works {
            Ok(works) => works,
            Err(text) => {
                left_out.push(format!("{workload:?}: {text}"));
                continue;
            }
        };
        let (mut runs_a, mut runs_b) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds.max(1) {
            runs_a.push(window(bench, a, &work_a).await?);
            runs_b.push(window(bench, b, &work_b).await?);
        }
        let pair = Pair::new(&runs_a, &runs_b).ok_or("no window")?;
        eprintln!("{}", pair.line());
        pairs.push(pair);
    }
    if !bench.json {
        println!("{}", markdown(&pairs, &left_out, [a, b], args.rounds));
    }
    Ok(vec![
        ("gate", Value::array(checks.iter().map(|check| Value::from(check.line())))),
        ("left_out", Value::array(left_out.into_iter().map(Value::from))),
        ("pairs", Value::array(pairs.iter().map(Pair::to_value))),
    ])
}

/// Posts the hospitals and `n` patients to both, in turns.
async fn load(bench: &Bench, n: usize, sides: [&Host; 2]) -> Result<Pair, String> {
    let mut corpus = corpus::of(bench, None)?;
    corpus.patients.truncate(n);
    let bench = Bench { connections: LOAD_CONNECTIONS, ..bench.clone() };
    let args = cli::Import { resources: None, window: u64::MAX };
    let mut runs = [Vec::new(), Vec::new()];
    // Hospitals and practitioners, which are not counted.
    let first = Corpus { too_long: Vec::new(), patients: Vec::new(), ..corpus };
    let mut patients = corpus.patients;
    for host in sides {
        import::post_first(host, &first).await?;
    }
    while !patients.is_empty() {
        let turn = patients.drain(..BUNDLES_OF_TURN.min(patients.len())).collect();
        let turn = Corpus { too_long: Vec::new(), first: Vec::new(), patients: turn };
        for (host, runs) in sides.into_iter().zip(&mut runs) {
            runs.push(import::run(&bench, host, &turn, &args, |_| {}).await?.run);
        }
    }
    let [a, b] = runs;
    Pair::new(&a, &b).ok_or_else(|| "no Bundle to load".to_owned())
}

/// The sample of A, and the same for B: its own ids, A's values.
async fn samples(a: &Host, b: &Host) -> Result<(Samples, Samples), String> {
    let of_a = sample::take(&a.target, &[]).await?;
    let mut asker = Asker::new(&b.target);
    let (mut known_a, mut known_b) = (Vec::new(), Vec::new());
    for patient in of_a.patients.iter().take(PATIENTS_MAX) {
        if patient.identifier.is_empty() {
            continue;
        }
        let search = format!("Patient?identifier={}&_count=2", escape(&patient.identifier));
        let doc = asker.bundle(&search).await?;
        let ids: Vec<String> = sample::resources(&doc)
            .filter_map(|resource| Some(resource.str("id")?.into_owned()))
            .collect();
        if let [id] = ids.as_slice() {
            known_a.push(patient.clone());
            known_b.push(Patient { id: id.clone(), ..patient.clone() });
        }
    }
    if known_a.is_empty() {
        return Err("no patient of A is found on B by its identifier".to_owned());
    }
    let of_a = sample::take(&a.target, &known_a).await?;
    let of_b = sample::take(&b.target, &known_b).await?;
    let translate = |id: &String| {
        let at = of_a.patients.iter().position(|patient| patient.id == *id);
        at.and_then(|at| of_b.patients.get(at)).map(|patient| patient.id.clone())
    };
    let facts = of_a
        .facts
        .iter()
        .filter_map(|(id, code, date)| Some((translate(id)?, code.clone(), date.clone())));
    let of_b = Samples {
        facts: facts.collect(),
        patients: of_b.patients.clone(),
        references: of_b.references.clone(),
        ..of_a.clone()
    };
    Ok((of_a, of_b))
}

async fn prepare(
    workload: Workload,
    sides: [&Host; 2],
    samples: [&Samples; 2],
    left_out: &mut Vec<String>,
) -> Result<[Work; 2], String> {
    let (make, name): (fn(&Samples) -> Vec<Shape>, _) = match workload {
        Workload::Search => (shapes::table, search::TABLE),
        Workload::Patient => (shapes::patient_scoped, search::PATIENT),
        Workload::Unselective => (shapes::unselective, search::UNSELECTIVE),
        Workload::Count => (shapes::counts, search::COUNT),
        Workload::Crud => return Ok([Work::Crud, Work::Crud]),
        Workload::Transaction => return Ok([Work::Transaction, Work::Transaction]),
        Workload::Read => {
            const IDS: usize = 2_000;
            let (a, b) = (read::ids(sides[0], IDS).await?, read::ids(sides[1], IDS).await?);
            return Ok([Work::Read(a), Work::Read(b)]);
        }
        Workload::Everything => {
            let args = Everything { sweep: Vec::new(), resources: EVERYTHING_RESOURCES };
            let chosen_a = everything::choose(sides[0], &samples[0].patients, &args).await;
            let chosen_a = chosen_a.map_err(|e| format!("A: {e}"))?;
            let chosen_b = everything::choose(sides[1], &samples[1].patients, &args).await;
            let chosen_b = chosen_b.map_err(|e| format!("B: {e}"))?;
            let (n_a, n_b) = (chosen_a.n_resources, chosen_b.n_resources);
            if (n_a - n_b).abs() > 0.01 * n_a.max(n_b) {
                return Err(format!("{n_a:.0} and {n_b:.0} resources of a patient in the mean"));
            }
            return Ok([Work::Everything(chosen_a), Work::Everything(chosen_b)]);
        }
    };
    let shapes = samples.map(make);
    // Where a sample has no value for a shape on one side, neither side runs it.
    let has = |list: &[Shape], name: &str| list.iter().any(|shape| shape.name == name);
    let both = |mine: &[Shape], other: &[Shape]| -> Vec<Shape> {
        mine.iter().filter(|shape| has(other, &shape.name)).cloned().collect()
    };
    let shapes = [both(&shapes[0], &shapes[1]), both(&shapes[1], &shapes[0])];
    let (mut shapes, differing) = parity::agreeing(sides, shapes).await;
    left_out.extend(differing);
    for idx in 0..2 {
        let mix = Mix::probe(sides[idx], shapes[idx].clone()).await?;
        for (name, why) in mix.refused {
            left_out.push(format!("{name}: {} refuses it: {why}", ["A", "B"][idx]));
            shapes.iter_mut().for_each(|list| list.retain(|shape| shape.name != name));
        }
    }
    let [of_a, of_b] = shapes;
    let mixes = [Mix::probe(sides[0], of_a).await?, Mix::probe(sides[1], of_b).await?];
    Ok(mixes.map(|mix| Work::Mix(mix, name)))
}

async fn window(bench: &Bench, host: &Host, work: &Work) -> Result<Run, String> {
    let n = bench.connections;
    Ok(match work {
        Work::Read(ids) => read::run(bench, host, ids, n).await?,
        Work::Mix(mix, name) => mix.run(bench, host, name, n).await.run,
        Work::Everything(chosen) => everything::run(bench, host, chosen, n).await,
        Work::Crud => crud::run(bench, host).await?,
        Work::Transaction => transaction::run(bench, host, n).await,
    })
}

impl Pair {
    fn new(runs_a: &[Run], runs_b: &[Run]) -> Option<Pair> {
        let ratio = |(a, b): (&Run, &Run)| a.per_second() / b.per_second().max(1e-9);
        let mut ratios: Vec<f64> = runs_a.iter().zip(runs_b).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        Some(Pair { a: Run::merged(runs_a)?, b: Run::merged(runs_b)?, ratios })
    }

    fn ratio(&self) -> f64 {
        self.a.per_second() / self.b.per_second().max(1e-9)
    }

    fn cpu_ratio(&self) -> Option<f64> {
        Some(self.a.per_cpu_second()? / self.b.per_cpu_second()?)
    }

    fn line(&self) -> String {
        format!(
            "{:<16} A {:>8.0}/s  B {:>8.0}/s  A:B {:.2}",
            self.a.workload,
            self.a.per_second(),
            self.b.per_second(),
            self.ratio()
        )
    }

    fn to_value(&self) -> Value {
        Value::object([
            ("a", self.a.to_value()),
            ("b", self.b.to_value()),
            ("ratio", report::number(Some(self.ratio()))),
            ("ratio_per_cpu_second", report::number(self.cpu_ratio())),
            (
                "ratios_of_rounds",
                Value::array(self.ratios.iter().map(|n| report::number(Some(*n)))),
            ),
        ])
    }
}

fn markdown(pairs: &[Pair], left_out: &[String], sides: [&Host; 2], rounds: usize) -> String {
    let mut out = String::new();
    // Writing to memory does not fail.
    for (name, host) in ["A", "B"].into_iter().zip(sides) {
        let Host { target, durability, .. } = host;
        let _ = writeln!(out, "{name}: {}{}; durability: {durability}.", target.host, target.base);
    }
    let _ = writeln!(
        out,
        "{rounds} windows of each in turns, A B A B; closed loop; the gate passed.\n\n\
         | workload | connections | A per s | B per s | A:B | A:B of rounds | A p50 ms | B p50 ms | \
         A p99 ms | B p99 ms | A per CPU-second | B per CPU-second | A:B | errors A, B |\n\
         | --- | --: | --: | --: | --: | --- | --: | --: | --: | --: | --: | --: | --: | --- |"
    );
    let or_dash = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), grouped);
    for pair in pairs {
        let Pair { a, b, ratios } = pair;
        let (least, most) = (ratios.first().unwrap_or(&0.0), ratios.last().unwrap_or(&0.0));
        let cpu_ratio = pair.cpu_ratio().map_or_else(|| "-".to_owned(), |n| format!("{n:.2}"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | **{:.2}** | {least:.2} to {most:.2} | {:.2} | {:.2} | {:.2} | \
             {:.2} | {} | {} | {cpu_ratio} | {}, {} |",
            a.workload,
            a.connections,
            grouped(a.per_second()),
            grouped(b.per_second()),
            pair.ratio(),
            a.quantile_ms(0.5),
            b.quantile_ms(0.5),
            a.quantile_ms(0.99),
            b.quantile_ms(0.99),
            or_dash(a.per_cpu_second()),
            or_dash(b.per_cpu_second()),
            a.n_errors,
            b.n_errors,
        );
    }
    for text in left_out {
        let _ = writeln!(out, "\nLeft out of both: {}.", text.trim_end_matches('.'));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_sums_and_show_their_spread() {
        let run = |n| Run {
            workload: "W6 read".into(),
            connections: 8,
            seconds: 1.0,
            unit: "requests",
            n_operations: n,
            n_errors: 0,
            error: None,
            latencies_us: vec![100],
            cpu_seconds: (n > 10).then_some(0.5),
            own_cpu_seconds: 0.0,
            peak_bytes: None,
            load: 0.0,
        };
        let pair = Pair::new(&[run(100), run(300)], &[run(50), run(50)]).unwrap();
        assert_eq!((pair.ratio(), pair.cpu_ratio()), (4.0, Some(4.0)));
        assert_eq!(pair.ratios, [2.0, 6.0]);
        let unknown = Pair::new(&[run(100)], &[run(10)]).unwrap();
        assert_eq!(unknown.cpu_ratio(), None, "a side whose process is not known");
        assert!(Pair::new(&[], &[]).is_none());
    }
}
