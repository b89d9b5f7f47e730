//! Questions to a FHIR server whose answers are read, unlike those of a workload.

use fhir::json::Doc;

use crate::client::{Connection, Sending, Target};

/// A connection whose answers are parsed.
#[derive(Debug)]
pub struct Asker {
    connection: Connection,
    target: Target,
}

/// An answer.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub location: Option<String>,
    /// `None` when the body is empty or no JSON.
    pub doc: Option<Doc>,
    pub n_bytes: usize,
}

impl Said {
    /// What the server says is wrong, in one line.
    pub fn trouble(&self) -> String {
        let issue = self.doc.as_ref().and_then(|doc| doc.root().list("issue").next());
        let text = issue.and_then(|issue| {
            let details = issue.get("details").and_then(|details| details.str("text"));
            issue.str("diagnostics").or(details)
        });
        let text: String = text.unwrap_or_default().chars().take(200).collect();
        format!("{} {text}", self.status).trim_end().to_owned()
    }
}

impl Asker {
    pub fn new(target: &Target) -> Asker {
        let target = Target { gzip: false, ..target.clone() };
        Asker { connection: Connection::with_limit(&target), target }
    }

    /// Asks for a path below the FHIR base, or for an absolute path or URL of the same server.
    pub async fn get(&mut self, path: &str) -> Result<Said, String> {
        self.send("GET", path, Sending::default()).await
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        sending: Sending<'_>,
    ) -> Result<Said, String> {
        let is_whole = path.starts_with('/') || path.starts_with("http://");
        let path = match is_whole {
            true => self.target.path_of(path).to_owned(),
            false => format!("{}/{path}", self.target.base),
        };
        let answer = self.connection.send(method, &path, sending).await?;
        let doc = (!answer.body.is_empty()).then(|| Doc::parse(answer.body).ok()).flatten();
        let n_bytes = answer.body.len();
        Ok(Said { status: answer.status, location: answer.location, doc, n_bytes })
    }

    /// A search result.
    ///
    /// Errors: another status than 200, or no JSON.
    pub async fn bundle(&mut self, path: &str) -> Result<Doc, String> {
        let said = self.get(path).await?;
        match said.doc {
            Some(doc) if said.status == 200 => Ok(doc),
            _ => Err(format!("GET {path}: {}", said.trouble())),
        }
    }

    /// The number of matches of a search without parameters that shape the answer.
    ///
    /// Errors: refused, or an answer without a total.
    pub async fn count(&mut self, search: &str) -> Result<u64, String> {
        let mark = if search.contains('?') { '&' } else { '?' };
        let path = format!("{search}{mark}_summary=count");
        let doc = self.bundle(&path).await?;
        total(&doc).ok_or_else(|| format!("GET {path}: no total"))
    }
}

/// `Bundle.total`.
pub fn total(doc: &Doc) -> Option<u64> {
    doc.root().get("total")?.as_number()?.parse().ok()
}

/// The link to the next page.
pub fn next(doc: &Doc) -> Option<String> {
    let mut links = doc.root().list("link");
    let link = links.find(|link| link.str("relation").as_deref() == Some("next"))?;
    link.str("url").map(std::borrow::Cow::into_owned)
}

/// Text for a value in a query: everything but unreserved characters escaped.
pub fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to memory does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        assert_eq!(escape("http://loinc.org|8302-2"), "http%3A%2F%2Floinc.org%7C8302-2");
        assert_eq!(escape("Zoë a+b"), "Zo%C3%AB%20a%2Bb");
    }

    #[test]
    fn totals_links_and_troubles_are_found() {
        let doc = Doc::parse(
            r#"{"total":12,"link":[{"relation":"self","url":"a"},{"relation":"next","url":"b"}]}"#,
        );
        let doc = doc.unwrap();
        assert_eq!((total(&doc), next(&doc)), (Some(12), Some("b".to_owned())));
        let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"no"}]}"#;
        let doc = Doc::parse(outcome).ok();
        let said = Said { status: 400, location: None, doc, n_bytes: 0 };
        assert_eq!(said.trouble(), "400 no");
        let said = Said { status: 502, location: None, doc: None, n_bytes: 0 };
        assert_eq!(said.trouble(), "502");
    }
}
