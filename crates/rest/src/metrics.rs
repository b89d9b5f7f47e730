//! Counts what the doors did, in the text form of Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::routes::{ROUTES, What};

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS_S: [f64; 9] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
/// Number of status classes, 1xx to 5xx.
const CLASSES: usize = 5;

#[derive(Default)]
struct PerRoute {
    by_class: [AtomicU64; CLASSES],
    total_us: AtomicU64,
    buckets: [AtomicU64; BUCKETS_S.len() + 1],
}

/// Row of what fits no route.
const NO_ROUTE: usize = ROUTES.len();
/// Row of what another door answered.
const OTHER_DOOR: usize = ROUTES.len() + 1;

/// Counters by route; the last rows are for what fits no route, and for the authorization server.
pub struct Metrics {
    rows: Vec<PerRoute>,
}

impl Metrics {
    pub fn new() -> Metrics {
        Metrics { rows: (0..=OTHER_DOOR).map(|_| PerRoute::default()).collect() }
    }

    pub fn count(&self, route_idx: Option<usize>, status: u16, took: Duration) {
        self.count_row(route_idx.unwrap_or(NO_ROUTE), status, took);
    }

    /// Counts what the authorization server answered.
    pub fn count_other(&self, status: u16, took: Duration) {
        self.count_row(OTHER_DOOR, status, took);
    }

    fn count_row(&self, row_idx: usize, status: u16, took: Duration) {
        let row = &self.rows[row_idx];
        let class = usize::from(status / 100).clamp(1, CLASSES) - 1;
        row.by_class[class].fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        row.total_us.fetch_add(us, Ordering::Relaxed);
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS_S.iter().position(|bound| seconds <= *bound);
        row.buckets[bucket.unwrap_or(BUCKETS_S.len())].fetch_add(1, Ordering::Relaxed);
    }

    /// The text form. Holds counts only.
    pub fn text(&self) -> String {
        let mut out = String::new();
        out.push_str("# HELP vitae_http_requests_total Requests by route and class of status.\n");
        out.push_str("# TYPE vitae_http_requests_total counter\n");
        for (row_idx, row) in self.rows.iter().enumerate() {
            for (class, count) in row.by_class.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = labels(row_idx);
                    let class = class + 1;
                    line(
                        &mut out,
                        format_args!(
                            "vitae_http_requests_total{{{labels},status=\"{class}xx\"}} {count}"
                        ),
                    );
                }
            }
        }
        out.push_str("# HELP vitae_http_seconds Time to answer by route.\n");
        out.push_str("# TYPE vitae_http_seconds histogram\n");
        for (row_idx, row) in self.rows.iter().enumerate() {
            self.histogram(row_idx, row, &mut out);
        }
        if let Some((resident, cpu_s)) = process() {
            out.push_str("# TYPE process_resident_memory_bytes gauge\n");
            line(&mut out, format_args!("process_resident_memory_bytes {resident}"));
            out.push_str("# TYPE process_cpu_seconds_total counter\n");
            line(&mut out, format_args!("process_cpu_seconds_total {cpu_s}"));
        }
        out
    }

    fn histogram(&self, row_idx: usize, row: &PerRoute, out: &mut String) {
        let counts: Vec<u64> = row.buckets.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return;
        }
        let labels = labels(row_idx);
        let mut sum = 0;
        for (bound, count) in BUCKETS_S.iter().zip(&counts) {
            sum += count;
            line(out, format_args!("vitae_http_seconds_bucket{{{labels},le=\"{bound}\"}} {sum}"));
        }
        line(out, format_args!("vitae_http_seconds_bucket{{{labels},le=\"+Inf\"}} {all}"));
        let total_s = row.total_us.load(Ordering::Relaxed) as f64 / 1e6;
        line(out, format_args!("vitae_http_seconds_sum{{{labels}}} {total_s}"));
        line(out, format_args!("vitae_http_seconds_count{{{labels}}} {all}"));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}

fn labels(row_idx: usize) -> String {
    match ROUTES.get(row_idx) {
        Some(route) => {
            let what = match route.what {
                What::Fhir(interaction) => format!("{interaction:?}"),
                other => format!("{other:?}"),
            };
            format!("method=\"{}\",route=\"{}\",does=\"{what}\"", route.method, route.pattern)
        }
        None if row_idx == OTHER_DOOR => "method=\"\",route=\"/oauth2\",does=\"Oauth\"".to_owned(),
        None => "method=\"\",route=\"\",does=\"None\"".to_owned(),
    }
}

/// Resident bytes and processor seconds of this process, where the system tells.
fn process() -> Option<(u64, f64)> {
    const PAGE_BYTES: u64 = 4096;
    const TICKS_PER_S: f64 = 100.0;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((resident * PAGE_BYTES, (user + system) / TICKS_PER_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_buckets_add_up() {
        let metrics = Metrics::new();
        metrics.count(Some(0), 200, Duration::from_micros(400));
        metrics.count(Some(0), 404, Duration::from_secs(9));
        metrics.count(None, 404, Duration::from_millis(1));
        metrics.count_other(200, Duration::from_millis(1));
        let text = metrics.text();
        assert!(text.contains("route=\"/healthz\",does=\"Health\",status=\"2xx\"} 1\n"));
        assert!(text.contains("does=\"Health\",le=\"0.0005\"} 1\n"));
        assert!(text.contains("does=\"Health\",le=\"5\"} 1\n"));
        assert!(text.contains("does=\"Health\",le=\"+Inf\"} 2\n"));
        assert!(text.contains("route=\"/oauth2\",does=\"Oauth\",status=\"2xx\"} 1\n"));
        assert!(text.contains("does=\"None\",status=\"4xx\"} 1\n"));
    }
}
