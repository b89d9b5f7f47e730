//! W5: transactions of two resources, a Patient and an Observation about it.
//!
//! Source: the small transactions of samply/blaze `docs/performance`; the payload is ours.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::payload;
use super::{Host, Tally, closed_loop};
use crate::cli::Bench;
use crate::client::{Connection, Sending, count_created};
use crate::report::Run;

/// Counts transactions, not resources.
pub async fn run(bench: &Bench, host: &Host, connections: usize) -> Run {
    let template = Rc::new(payload::transaction());
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = since_epoch.as_micros();
    let target = host.target.clone();
    let one = move |n: usize, tally: Tally| {
        let mut connection = Connection::with_limit(&target);
        let template = Rc::clone(&template);
        async move {
            let (path, mut json, mut n_sent) = (connection.base().to_string(), Vec::new(), 0u64);
            while !tally.is_over() {
                let unique = format!("{stamp}-{n}-{n_sent}");
                n_sent += 1;
                template.write(&mut json, &[], None, &unique, "");
                let begin = Instant::now();
                match connection.send("POST", &path, Sending::fhir(&json)).await {
                    Ok(answer) if answer.status == 200 && is_stored(answer.body) => {
                        tally.done(begin, 1);
                    }
                    Ok(answer) => {
                        let text = String::from_utf8_lossy(answer.body);
                        let text: String = text.chars().take(300).collect();
                        tally.error(format!("POST {path}: {} {text}", answer.status));
                    }
                    Err(text) => {
                        tally.error(text);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        }
    };
    let mut run = closed_loop(bench, host, "W5 transaction", connections, one).await;
    run.unit = "transactions";
    run
}

/// True when both entries were created. A body in gzip is not looked into.
fn is_stored(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b]) || count_created(body) == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_entries_must_be_created() {
        assert!(is_stored(br#"[{"status":"201 Created"},{"status":"201"}]"#));
        assert!(!is_stored(br#"[{"status":"201"},{"status":"200"}]"#));
    }
}
