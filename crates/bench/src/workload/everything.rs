//! W7: `Patient/$everything`, all pages of it, of patients of about the same size.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::sample::Patient;
use super::{Host, Tally, closed_loop};
use crate::ask::{Asker, next};
use crate::cli::{Bench, Everything};
use crate::client::{Connection, Sending, find};
use crate::report::Run;

/// Patients whose size is looked at.
const CANDIDATES: usize = 60;
/// Patients that are asked for: those nearest to the size.
const CHOSEN: usize = 16;
/// Pages of one patient.
const PAGES_MAX: usize = 100;

/// The patients that are asked for.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Paths of the operation.
    pub paths: Vec<String>,
    /// Resources of a patient in the mean.
    pub n_resources: f64,
    /// Bytes of a patient in the mean, not packed.
    pub n_bytes: f64,
    /// Pages of a patient in the mean.
    pub n_pages: f64,
}

impl Chosen {
    pub fn line(&self) -> String {
        format!(
            "{} patients, {:.0} resources each in the mean ({:.0} KB, {:.1} pages)",
            self.paths.len(),
            self.n_resources,
            self.n_bytes / 1000.0,
            self.n_pages
        )
    }
}

/// Finds patients of about `args.resources` resources.
///
/// Errors: the operation is not offered.
pub async fn choose(
    host: &Host,
    patients: &[Patient],
    args: &Everything,
) -> Result<Chosen, String> {
    let mut asker = Asker::new(&host.target);
    let mut sizes = Vec::new();
    let step = (patients.len() / CANDIDATES).max(1);
    for patient in patients.iter().step_by(step).take(CANDIDATES) {
        let path = format!("{}/Patient/{}/$everything", host.target.base, patient.id);
        let (mut page, mut n_resources, mut n_bytes, mut n_pages) = (Some(path.clone()), 0, 0, 0);
        while let Some(at) = page.take().filter(|_| n_pages < PAGES_MAX) {
            let said = asker.get(&at).await?;
            let Some(doc) = said.doc.as_ref().filter(|_| said.status == 200) else {
                return Err(format!("Patient/$everything: {}", said.trouble()));
            };
            n_resources += doc.root().list("entry").count() as u64;
            n_bytes += said.n_bytes;
            n_pages += 1;
            page = next(doc);
        }
        sizes.push((n_resources.abs_diff(args.resources), path, n_resources, n_bytes, n_pages));
    }
    sizes.sort();
    sizes.truncate(CHOSEN);
    let n = sizes.len().max(1) as f64;
    Ok(Chosen {
        n_resources: sizes.iter().map(|each| each.2 as f64).sum::<f64>() / n,
        n_bytes: sizes.iter().map(|each| each.3 as f64).sum::<f64>() / n,
        n_pages: sizes.iter().map(|each| each.4 as f64).sum::<f64>() / n,
        paths: sizes.into_iter().map(|each| each.1).collect(),
    })
}

/// One operation is one patient whole.
pub async fn run(bench: &Bench, host: &Host, chosen: &Chosen, connections: usize) -> Run {
    // Links are looked for in the text, which must not be packed; its cost would be another's.
    let target = crate::client::Target { gzip: false, ..host.target.clone() };
    let paths: Rc<[String]> = chosen.paths.clone().into();
    let one = move |n: usize, tally: Tally| {
        let mut connection = Connection::with_limit(&target);
        let (paths, target) = (Rc::clone(&paths), target.clone());
        async move {
            let mut idx = n;
            while !tally.is_over() {
                idx += 1;
                let begin = Instant::now();
                let mut page = Some(paths[idx % paths.len()].clone());
                let mut trouble = None;
                while let Some(path) = page.take() {
                    match connection.send("GET", &path, Sending::default()).await {
                        Ok(answer) if answer.status == 200 => {
                            page =
                                next_link(answer.body).map(|url| target.path_of(&url).to_owned());
                        }
                        Ok(answer) => trouble = Some(format!("GET {path}: {}", answer.status)),
                        Err(text) => trouble = Some(text),
                    }
                }
                match trouble {
                    None => tally.done(begin, 1),
                    Some(text) => {
                        tally.error(text);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        }
    };
    let mut run = closed_loop(bench, host, "W7 everything", connections, one).await;
    run.unit = "patients";
    run
}

/// The link to the next page, looked for before the first entry and, where links come last, after
/// the last one, without reading what is between.
fn next_link(body: &[u8]) -> Option<String> {
    let head_end = find(body, b"\"entry\"").unwrap_or(body.len());
    next_url(&body[..head_end]).or_else(|| {
        const TAIL: usize = 4096;
        let tail = &body[body.len().saturating_sub(TAIL).max(head_end)..];
        let links = find(tail, b"\"link\"")?;
        next_url(&tail[links..])
    })
}

fn next_url(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let at = text.find("\"next\"")?;
    // The members of a link may stand in either order.
    let start = text[..at].rfind('{')?;
    let end = start + text[start..].find('}')?;
    let link = fhir::json::Doc::parse(&text.as_bytes()[start..=end]).ok()?;
    link.root().str("url").map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_before_and_after_the_entries() {
        let before = br#"{"link":[{"relation":"self","url":"a"},{"relation":"next","url":"b?c=\u0026"}],"entry":[]}"#;
        assert_eq!(next_link(before).as_deref(), Some("b?c=&"));
        let after = br#"{"entry":[{"resource":{}}],"link":[{"url":"b","relation":"next"}]}"#;
        assert_eq!(next_link(after).as_deref(), Some("b"));
        assert_eq!(next_link(br#"{"link":[{"relation":"self","url":"a"}],"entry":[]}"#), None);
    }
}
