//! The chart page of one patient with many encounters, as a signed-in clinician asks for it.

use std::time::Instant;

use fhir::json::Value;
use generate::{HEAVY_INDEX, Options, Practice, PracticeKind};

use super::Host;
use crate::cli;
use crate::client::{Connection, Sending, Target, count_created};
use crate::corpus::{SEED, TODAY};
use crate::report;
use crate::server::Site;

/// Requests before those that count.
const WARM_UP: usize = 5;

#[derive(Clone, Debug)]
pub struct Found {
    pub encounters: usize,
    /// Of requests, one after the other, ascending.
    pub latencies_us: Vec<u32>,
    /// CPU-seconds of the server for one page.
    pub cpu_seconds_each: Option<f64>,
    pub plain_bytes: usize,
    pub gzip_bytes: usize,
    /// Resources that were imported for it: the patient's, and the generator's practice.
    pub n_imported: u64,
}

impl Found {
    pub fn quantile_ms(&self, part: f64) -> f64 {
        report::quantile(&self.latencies_us, part) / 1000.0
    }

    pub fn line(&self) -> String {
        format!(
            "chart of {} encounters: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, {:.1} ms CPU; \
             {:.1} KB by gzip, {:.1} KB plain",
            self.encounters,
            self.quantile_ms(0.5),
            self.quantile_ms(0.95),
            self.quantile_ms(0.99),
            self.cpu_seconds_each.unwrap_or(0.0) * 1000.0,
            self.gzip_bytes as f64 / 1000.0,
            self.plain_bytes as f64 / 1000.0,
        )
    }

    pub fn to_value(&self) -> Value {
        Value::object([
            ("encounters", report::whole(self.encounters as u64)),
            ("requests", report::whole(self.latencies_us.len() as u64)),
            ("p50_ms", report::number(Some(self.quantile_ms(0.5)))),
            ("p95_ms", report::number(Some(self.quantile_ms(0.95)))),
            ("p99_ms", report::number(Some(self.quantile_ms(0.99)))),
            ("server_cpu_seconds_each", report::number(self.cpu_seconds_each)),
            ("gzip_bytes", report::whole(self.gzip_bytes as u64)),
            ("plain_bytes", report::whole(self.plain_bytes as u64)),
        ])
    }
}

/// Imports the patient, signs in and asks for the chart.
///
/// Errors: the import, the login or a page is refused.
pub async fn run(host: &Host, args: &cli::Chart) -> Result<Found, String> {
    let n_imported = import(host, args.encounters).await?;
    Ok(Found { n_imported, ..ask(host, args).await? })
}

/// [`run`] where the patient is there already.
pub async fn ask(host: &Host, args: &cli::Chart) -> Result<Found, String> {
    let anonymous =
        Target { credential: std::sync::Arc::default(), gzip: false, ..host.target.clone() };
    let cookie = sign_in(&anonymous).await?;
    let path = format!("/patients/p{HEAVY_INDEX}");
    let page = Sending { headers: &cookie, ..Sending::default() };
    let mut plain = Connection::new(&anonymous);
    let plain_bytes = get(&mut plain, &path, page).await?;
    let mut connection = Connection::new(&Target { gzip: true, ..anonymous });
    for _ in 0..WARM_UP {
        get(&mut connection, &path, page).await?;
    }
    let cpu_before = host.cpu_seconds();
    let mut latencies_us = Vec::with_capacity(args.requests);
    let mut gzip_bytes = 0;
    for _ in 0..args.requests {
        let begin = Instant::now();
        gzip_bytes = get(&mut connection, &path, page).await?;
        latencies_us.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    let cpu_seconds = host.cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    latencies_us.sort_unstable();
    let n = args.requests.max(1) as f64;
    Ok(Found {
        encounters: args.encounters,
        latencies_us,
        cpu_seconds_each: cpu_seconds.map(|seconds| seconds / n),
        plain_bytes,
        gzip_bytes,
        n_imported: 0,
    })
}

/// Bytes of the page as sent.
async fn get(
    connection: &mut Connection,
    path: &str,
    sending: Sending<'_>,
) -> Result<usize, String> {
    let answer = connection.send("GET", path, sending).await?;
    if answer.status != 200 {
        return Err(format!("GET {path}: {}", answer.status));
    }
    Ok(answer.body.len())
}

async fn import(host: &Host, encounters: usize) -> Result<u64, String> {
    let options =
        Options { seed: SEED, patients: 1, kind: PracticeKind::PrimaryCare, today: TODAY };
    let practice = Practice::new(options);
    let mut bundles = vec![practice.foundation()];
    bundles.extend(practice.heavy_patient_bundles(encounters));
    let mut connection = Connection::new(&host.target);
    let path = connection.base().to_string();
    let mut n_imported = 0;
    for bundle in &bundles {
        let answer = connection.send("POST", &path, Sending::fhir(bundle.as_bytes())).await?;
        if answer.status != 200 {
            let text: String = String::from_utf8_lossy(answer.body).chars().take(400).collect();
            return Err(format!("the heavy patient is refused: {} {text}", answer.status));
        }
        n_imported += count_created(answer.body) as u64;
    }
    Ok(n_imported)
}

/// The header line of a session.
async fn sign_in(target: &Target) -> Result<String, String> {
    let mut connection = Connection::new(target);
    let form = Site::login_form();
    let sending =
        Sending { headers: "Sec-Fetch-Site: same-origin\r\n", ..Sending::form(form.as_bytes()) };
    let answer = connection.send("POST", "/login", sending).await?;
    if answer.cookies.is_empty() {
        let text: String = String::from_utf8_lossy(answer.body).chars().take(300).collect();
        return Err(format!("POST /login: {} without a cookie: {text}", answer.status));
    }
    Ok(format!("Cookie: {}\r\n", answer.cookies.join("; ")))
}
