//! W6: reads by id, at random over the ids of several types.

use std::rc::Rc;
use std::time::Instant;

use fhir::json::Doc;

use super::{Host, Tally, closed_loop};
use crate::cli::Bench;
use crate::client::{Connection, Sending};
use crate::random::Random;
use crate::report::Run;

/// Types whose resources are read, as far as there are any.
const TYPES: [&str; 6] =
    ["Patient", "Encounter", "Observation", "Condition", "Procedure", "MedicationRequest"];
const PAGE: usize = 1_000;

/// Paths `/fhir/Type/id` of up to `max` resources, found by paging through searches.
///
/// Errors: a search is refused; nothing is found.
pub async fn ids(host: &Host, max: usize) -> Result<Vec<String>, String> {
    let plain = crate::client::Target { gzip: false, ..host.target.clone() };
    let mut connection = Connection::new(&plain);
    let base = connection.base();
    let mut paths = Vec::new();
    let max_per_type = max.div_ceil(TYPES.len());
    for rt in TYPES {
        let mut next = Some(format!("{base}/{rt}?_count={}", PAGE.min(max_per_type)));
        let mut n_found = 0;
        while let Some(path) = next.take().filter(|_| n_found < max_per_type) {
            let answer = connection.send("GET", &path, Sending::default()).await?;
            if answer.status != 200 {
                return Err(format!("GET {path}: {}", answer.status));
            }
            let doc = Doc::parse(answer.body).map_err(|e| format!("GET {path}: {e}"))?;
            for entry in doc.root().list("entry") {
                let id = entry.get("resource").and_then(|resource| resource.str("id"));
                if let Some(id) = id.filter(|_| n_found < max_per_type) {
                    paths.push(format!("{base}/{rt}/{id}"));
                    n_found += 1;
                }
            }
            let mut links = doc.root().list("link");
            next = links
                .find(|link| link.str("relation").as_deref() == Some("next"))
                .and_then(|link| link.str("url"))
                .map(|url| plain.path_of(&url).to_owned());
        }
    }
    if paths.is_empty() {
        return Err("nothing to read: import first, into the folder of --data".to_owned());
    }
    Ok(paths)
}

pub async fn run(
    bench: &Bench,
    host: &Host,
    paths: &[String],
    connections: usize,
) -> Result<Run, String> {
    let paths: Rc<[String]> = paths.into();
    let target = host.target.clone();
    let one = move |n: usize, tally: Tally| {
        let mut connection = Connection::new(&target);
        let paths = Rc::clone(&paths);
        async move {
            let mut random = Random::new(n as u64 + 1);
            while !tally.is_over() {
                let path = &paths[random.below(paths.len())];
                let begin = Instant::now();
                match connection.send("GET", path, Sending::default()).await {
                    Ok(answer) if answer.status == 200 => tally.done(begin, 1),
                    Ok(answer) => tally.error(format!("GET {path}: {}", answer.status)),
                    Err(text) => {
                        tally.error(text);
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    }
                }
            }
        }
    };
    Ok(closed_loop(bench, host, "W6 read", connections, one).await)
}
