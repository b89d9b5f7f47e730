//! W1: rounds of 36 requests: create, read and update nine types, then delete them in reverse order.
//!
//! Source: the CRUD script of HealthSamurai/fhir-server-performance-benchmark.

use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::payload::{self, TYPES, Template};
use super::{Host, Tally, closed_loop};
use crate::cli::Bench;
use crate::client::{Connection, Sending};
use crate::report::Run;

/// Two digits that an update changes; minutes, cents and decimals alike.
const BEFORE: &str = "14";
const AFTER: &str = "25";

pub async fn run(bench: &Bench, host: &Host) -> Result<Run, String> {
    let templates = Rc::new(payload::templates());
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = since_epoch.as_micros();
    let target = host.target.clone();
    let one = move |n: usize, tally: Tally| {
        let mut round = Round {
            connection: Connection::new(&target),
            templates: Rc::clone(&templates),
            json: Vec::new(),
            path: String::new(),
            ids: Vec::new(),
            tally,
        };
        async move {
            let mut n_rounds = 0u64;
            while !round.tally.is_over() {
                let unique = format!("{stamp}-{n}-{n_rounds}");
                n_rounds += 1;
                if let Err(text) = round.run(&unique).await {
                    round.tally.error(text);
                    // Not a busy loop when the server is gone.
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
    };
    Ok(closed_loop(bench, host, "W1 crud", bench.connections, one).await)
}

struct Round {
    connection: Connection,
    templates: Rc<Vec<Template>>,
    json: Vec<u8>,
    path: String,
    ids: Vec<String>,
    tally: Tally,
}

impl Round {
    async fn run(&mut self, unique: &str) -> Result<(), String> {
        self.ids = vec![String::new(); TYPES.len()];
        let base = self.connection.base();
        for (idx, rt) in TYPES.iter().enumerate() {
            self.templates[idx].write(&mut self.json, &self.ids, None, unique, BEFORE);
            self.path = format!("{base}/{rt}");
            let location = self.send("POST", true, 201).await?;
            self.ids[idx] = id_of(&location.unwrap_or_default(), rt)
                .ok_or_else(|| format!("POST {rt}: no Location"))?;
        }
        for (idx, rt) in TYPES.iter().enumerate() {
            self.path = format!("{base}/{rt}/{}", self.ids[idx]);
            self.send("GET", false, 200).await?;
        }
        for (idx, rt) in TYPES.iter().enumerate() {
            let id = self.ids[idx].as_str();
            self.templates[idx].write(&mut self.json, &self.ids, Some(id), unique, AFTER);
            self.path = format!("{base}/{rt}/{id}");
            self.send("PUT", true, 200).await?;
        }
        for (idx, rt) in TYPES.iter().enumerate().rev() {
            self.path = format!("{base}/{rt}/{}", self.ids[idx]);
            self.send("DELETE", false, 204).await?;
        }
        Ok(())
    }

    /// The Location of the answer. Errors: another status than `expected` (200 passes for 204).
    async fn send(
        &mut self,
        method: &str,
        with_content: bool,
        expected: u16,
    ) -> Result<Option<String>, String> {
        let begin = Instant::now();
        let sending = if with_content { Sending::fhir(&self.json) } else { Sending::default() };
        let answer = self.connection.send(method, &self.path, sending).await?;
        if answer.status != expected && !(expected == 204 && answer.status == 200) {
            let text = String::from_utf8_lossy(answer.body);
            let text: String = text.chars().take(300).collect();
            return Err(format!("{method} {}: {} {text}", self.path, answer.status));
        }
        let location = answer.location;
        self.tally.done(begin, 1);
        Ok(location)
    }
}

/// The id in a URL `…/Type/ID` or `…/Type/ID/_history/1`.
fn id_of(url: &str, rt: &str) -> Option<String> {
    let mut segments = url.split('/').skip_while(|segment| *segment != rt);
    segments.nth(1).filter(|id| !id.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_locations() {
        let url = "http://127.0.0.1:8080/fhir/Patient/abc/_history/1";
        assert_eq!(id_of(url, "Patient").as_deref(), Some("abc"));
        assert_eq!(id_of("Patient/x", "Patient").as_deref(), Some("x"));
        assert_eq!(id_of("", "Patient"), None);
    }
}
