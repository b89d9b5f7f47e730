//! What an import did.

use fhir::issue::{Issue, operation_outcome};
use fhir::json::write_string;

/// Something that was not stored, and why.
#[derive(Clone, Debug)]
pub struct Reject {
    pub source: String,
    /// Place in the Bundle or line of the file, from 0; `None` for the whole source.
    pub index: Option<usize>,
    pub issues: Vec<Issue>,
}

/// Counts of resources.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub read: u64,
    /// Stored now or by an earlier run of the same import.
    pub stored: u64,
    pub rejected: u64,
    /// Sources that an earlier run had finished.
    pub skipped: u64,
    /// Remarks on what was stored.
    pub warnings: u64,
    pub rejects: Vec<Reject>,
}

impl Report {
    pub fn add(&mut self, other: Report) {
        self.read += other.read;
        self.stored += other.stored;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
        self.warnings += other.warnings;
        self.rejects.extend(other.rejects);
    }

    /// Nothing of `source` was stored.
    pub fn all_rejected(
        source: &str,
        index: Option<usize>,
        n: usize,
        issues: Vec<Issue>,
    ) -> Report {
        let n = n as u64;
        let reject = Reject { source: source.to_owned(), index, issues };
        Report { read: n, rejected: n, rejects: vec![reject], ..Report::default() }
    }

    /// The form that the contract names.
    pub fn to_json(&self, seconds: f64) -> String {
        let mut out = format!(
            "{{\"read\":{},\"stored\":{},\"rejected\":{},\"skipped\":{},\"warnings\":{},\
             \"seconds\":{seconds:.3},\"rejects\":[",
            self.read, self.stored, self.rejected, self.skipped, self.warnings
        );
        for (reject_idx, reject) in self.rejects.iter().enumerate() {
            if reject_idx > 0 {
                out.push(',');
            }
            out.push_str("{\"source\":");
            write_string(&reject.source, &mut out);
            match reject.index {
                Some(index) => out.push_str(&format!(",\"index\":{index},\"issues\":")),
                None => out.push_str(",\"index\":null,\"issues\":"),
            }
            out.push_str(&issues_json(&reject.issues));
            out.push('}');
        }
        out.push_str("]}");
        out
    }

    /// For people: one line, then one line for each reject.
    pub fn to_text(&self, seconds: f64) -> String {
        let rate = self.stored as f64 / seconds.max(0.001);
        let mut out = format!(
            "read {}, stored {}, rejected {} in {seconds:.1} s ({rate:.0} a second)",
            self.read, self.stored, self.rejected
        );
        if self.skipped > 0 {
            out.push_str(&format!("; {} sources were there already", self.skipped));
        }
        if self.warnings > 0 {
            out.push_str(&format!("; {} remarks", self.warnings));
        }
        for reject in &self.rejects {
            let index = reject.index.map(|index| format!("[{index}]")).unwrap_or_default();
            for issue in reject.issues.iter().filter(|issue| issue.is_error()) {
                let place = &issue.expression;
                out.push_str(&format!("\n{}{index}: {place} {}", reject.source, issue.text));
            }
        }
        out
    }
}

/// The issue list of an OperationOutcome.
fn issues_json(issues: &[Issue]) -> String {
    if issues.is_empty() {
        return "[]".to_owned();
    }
    let outcome = operation_outcome(issues);
    let start = outcome.find('[').unwrap_or(0);
    outcome[start..outcome.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::issue::IssueType;
    use fhir::json::Doc;

    #[test]
    fn the_report_is_json_and_tells_where_and_why() {
        let issue = Issue::error(IssueType::Value, "Patient.birthDate", "not a \"date\"");
        let mut report = Report::all_rejected("a.json", Some(3), 1, vec![issue]);
        report.add(Report { read: 2, stored: 2, ..Report::default() });
        let doc = Doc::parse(report.to_json(1.5)).expect("JSON");
        let root = doc.root();
        assert_eq!(root.get("read").and_then(|n| n.as_number()), Some("3"));
        let reject = root.list("rejects").next().expect("one");
        assert_eq!(reject.str("source").as_deref(), Some("a.json"));
        let issue = reject.list("issues").next().expect("one");
        assert_eq!(issue.str("code").as_deref(), Some("value"));
        assert!(report.to_text(1.0).contains("a.json[3]: Patient.birthDate not a"));
    }
}
