//! From the start of the program to the line `ready`.

use fhir::json::Value;

use super::Results;
use crate::cli;
use crate::process;
use crate::report;
use crate::server::Site;

/// Starts in milliseconds, each list ascending.
#[derive(Clone, Debug)]
pub struct Found {
    /// The files are in the kernel's cache.
    pub warm_ms: Vec<f64>,
    /// They are not, as after a restart of the machine.
    pub cold_ms: Vec<f64>,
    /// Resident memory soon after the last start.
    pub idle_bytes: Option<u64>,
}

impl Found {
    pub fn warm(&self) -> Option<f64> {
        middle(&self.warm_ms)
    }

    pub fn cold(&self) -> Option<f64> {
        middle(&self.cold_ms)
    }
}

fn middle(ascending: &[f64]) -> Option<f64> {
    ascending.get(ascending.len() / 2).copied()
}

pub fn run(site: &Site, args: &cli::ColdStart) -> Result<Results, String> {
    let found = measure(site, args.starts)?;
    let list = |ms: &[f64]| Value::array(ms.iter().map(|ms| report::number(Some(*ms))));
    eprintln!(
        "ready after {:.0} ms warm, {:.0} ms cold; {:.1} MB idle",
        found.warm().unwrap_or(f64::NAN),
        found.cold().unwrap_or(f64::NAN),
        found.idle_bytes.unwrap_or(0) as f64 / 1e6
    );
    Ok(vec![
        ("warm_ms", list(&found.warm_ms)),
        ("cold_ms", list(&found.cold_ms)),
        ("idle_memory_bytes", found.idle_bytes.map_or(Value::Null, report::whole)),
        ("bytes_on_disk", report::whole(process::folder_bytes(&site.data()))),
    ])
}

/// Starts and stops the server `n` times.
///
/// Errors: a start or stop fails.
pub fn measure(site: &Site, n: usize) -> Result<Found, String> {
    let mut found = Found { warm_ms: Vec::new(), cold_ms: Vec::new(), idle_bytes: None };
    // One start that does not count leaves everything written and closed.
    site.start()?.stop()?;
    for idx in 0..n {
        let is_cold = idx % 2 == 0 && process::forget_cached(&site.data());
        let running = site.start()?;
        let ms = running.ready_after.as_secs_f64() * 1000.0;
        if is_cold { &mut found.cold_ms } else { &mut found.warm_ms }.push(ms);
        std::thread::sleep(std::time::Duration::from_millis(500));
        found.idle_bytes = process::memory(running.pid).map(|memory| memory.resident);
        running.stop()?;
    }
    found.warm_ms.sort_by(f64::total_cmp);
    found.cold_ms.sort_by(f64::total_cmp);
    Ok(found)
}
