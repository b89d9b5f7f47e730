//! Refusals and failures of the door.
//!
//! Source: FHIR R4 http.html (status codes), valueset-issue-type.html (codes).
//! Every error carries issues that may be shown to the client; what may not be shown is `source`.

use fhir::issue::{Issue, IssueType, Severity};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $status:literal $code:ident),* $(,)?) => {
        /// Why a request was refused or failed; branch on this, never on text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            /// All kinds, in the order of their status.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// HTTP status and issue type: the one table for single requests and Bundle entries.
            ///
            /// Source: FHIR R4 http.html, valueset-issue-type.html.
            pub const fn wire(self) -> (u16, IssueType) {
                match self { $(Kind::$name => ($status, IssueType::$code)),* }
            }

            pub const fn name(self) -> &'static str {
                match self { $(Kind::$name => stringify!($name)),* }
            }
        }
    };
}

kinds! {
    /// The text is not JSON, or not a resource.
    Structure 400 Structure,
    /// The request contradicts itself or a rule of HTTP or FHIR: bad id, id mismatch, bad header.
    Invalid 400 Invalid,
    /// An element or parameter has a value that it may not have.
    Value 400 Value,
    /// A search parameter, modifier or interaction that is not offered.
    NotSupported 400 NotSupported,
    /// Two entries of a transaction have the same target.
    Duplicate 400 Duplicate,
    /// A named limit on the number of things was passed.
    TooMany 400 TooCostly,
    /// Nobody is logged in.
    Login 401 Login,
    /// This actor may not do this.
    Forbidden 403 Forbidden,
    /// No such resource or version, or none that the actor may know of.
    NotFound 404 NotFound,
    /// The interaction does not exist on this path.
    Method 405 NotSupported,
    /// Other resources refer to the resource, or writers disturb each other without end.
    Conflict 409 Conflict,
    /// Deleted; older versions stay readable.
    Deleted 410 Deleted,
    /// A page link that is too old.
    PageExpired 410 Expired,
    /// `If-Match` names a version that is not the current one.
    Stale 412 Conflict,
    /// `If-None-Match: *`, and there is a resource.
    Exists 412 Duplicate,
    /// A condition selects more than one resource.
    MultipleMatches 412 MultipleMatches,
    /// A conditional reference selects nothing.
    NoMatch 412 NotFound,
    /// A named limit on size was passed.
    TooLarge 413 TooLong,
    /// The resource breaks a rule that spans elements.
    Invariant 422 Invariant,
    /// A rule of this server.
    BusinessRule 422 BusinessRule,
    /// A patch that is well formed and does not apply.
    Unprocessable 422 Processing,
    /// A reference to a resource that is not here.
    Dangling 422 NotFound,
    /// A bug of ours.
    Internal 500 Exception,
    /// The disk or the audit log does not take writes.
    Unavailable 503 Transient,
}

/// A refusal or failure.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// At least one; fit for an OperationOutcome: no path, SQL or stack.
    pub issues: Vec<Issue>,
    /// What happened underneath, for the log only.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the door returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with one issue of the kind's own type.
    pub fn new(kind: Kind, text: impl Into<String>) -> Error {
        Error::at(kind, "", text)
    }

    /// An error at an element: `expression` is FHIRPath with indexes.
    pub fn at(kind: Kind, expression: impl Into<String>, text: impl Into<String>) -> Error {
        let issue = Issue::error(kind.wire().1, expression, text);
        Error { kind, issues: vec![issue], source: None }
    }

    /// An error with findings made elsewhere.
    pub fn with_issues(kind: Kind, issues: Vec<Issue>) -> Error {
        if issues.is_empty() {
            Error::new(kind, kind.name())
        } else {
            Error { kind, issues, source: None }
        }
    }

    /// Keeps what happened underneath for the log.
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        self.source = Some(source.into());
        self
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.wire().0
    }

    /// The OperationOutcome, as JSON.
    pub fn outcome(&self) -> String {
        fhir::issue::operation_outcome(&self.issues)
    }

    /// The same error seen from the Bundle that holds the entry: `Bundle.entry[3]` goes before
    /// every expression.
    pub(crate) fn within_entry(mut self, entry_idx: usize) -> Error {
        self.issues.iter_mut().for_each(|issue| place_in_entry(issue, entry_idx));
        self
    }
}

/// Says of an issue in which entry of a Bundle its element stands.
pub(crate) fn place_in_entry(issue: &mut Issue, entry_idx: usize) {
    let inner = std::mem::take(&mut issue.expression);
    issue.expression = if inner.is_empty() {
        format!("Bundle.entry[{entry_idx}]")
    } else if inner.starts_with("Bundle.entry[") {
        inner
    } else {
        match inner.split_once('.') {
            Some((_, tail)) => format!("Bundle.entry[{entry_idx}].resource.{tail}"),
            None => format!("Bundle.entry[{entry_idx}].resource"),
        }
    };
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.issues.first().map_or("", |issue| issue.text.as_str());
        write!(f, "{}: {text}", self.kind.name())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source.as_ref();
            source
        })
    }
}

impl From<fhir::json::ParseError> for Error {
    fn from(e: fhir::json::ParseError) -> Error {
        let kind = match e.kind {
            fhir::json::ParseErrorKind::TooLarge => Kind::TooLarge,
            _ => Kind::Structure,
        };
        Error::new(kind, format!("not JSON that can be read: {e}"))
    }
}

/// A remark that does not stop the request.
pub(crate) fn warning(code: IssueType, expression: String, text: String) -> Issue {
    Issue { severity: Severity::Warning, code, expression, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_total_and_ordered_by_status() {
        let statuses: Vec<u16> = Kind::ALL.iter().map(|kind| kind.wire().0).collect();
        assert!(statuses.is_sorted());
        assert!(statuses.iter().all(|status| (400..=503).contains(status)));
    }

    #[test]
    fn an_error_in_an_entry_names_the_entry() {
        let e = Error::at(Kind::Value, "Patient.birthDate", "x").within_entry(3);
        assert_eq!(e.issues[0].expression, "Bundle.entry[3].resource.birthDate");
        let e = Error::new(Kind::Value, "x").within_entry(3).within_entry(3);
        assert_eq!(e.issues[0].expression, "Bundle.entry[3]");
    }
}
