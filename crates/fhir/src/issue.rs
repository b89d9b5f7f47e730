//! What is wrong with a piece of data, for a person and for a program.
//!
//! Source: FHIR R4 operationoutcome.html, valueset-issue-type.html, valueset-issue-severity.html.

use crate::json::write_string;

/// Source: FHIR R4 valueset-issue-severity.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Fatal,
    Error,
    Warning,
    Information,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }
}

macro_rules! issue_types {
    ($($name:ident $code:literal),* $(,)?) => {
        /// Source: FHIR R4 valueset-issue-type.html.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum IssueType { $($name),* }

        impl IssueType {
            pub const ALL: &'static [IssueType] = &[$(IssueType::$name),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(IssueType::$name => $code),* }
            }
        }
    };
}

issue_types! {
    Invalid "invalid", Structure "structure", Required "required", Value "value",
    Invariant "invariant", Security "security", Login "login", Unknown "unknown",
    Expired "expired", Forbidden "forbidden", Suppressed "suppressed", Processing "processing",
    NotSupported "not-supported", Duplicate "duplicate", MultipleMatches "multiple-matches",
    NotFound "not-found", Deleted "deleted", TooLong "too-long", CodeInvalid "code-invalid",
    Extension "extension", TooCostly "too-costly", BusinessRule "business-rule",
    Conflict "conflict", Transient "transient", LockError "lock-error", NoStore "no-store",
    Exception "exception", Timeout "timeout", Incomplete "incomplete", Throttled "throttled",
    Informational "informational",
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub severity: Severity,
    pub code: IssueType,
    /// FHIRPath of the element with indexes, `Patient.name[0].given[1]`; empty when none applies.
    pub expression: String,
    /// What is wrong, which rule, what to do. Safe to show to the client.
    pub text: String,
}

impl Issue {
    pub fn error(code: IssueType, expression: impl Into<String>, text: impl Into<String>) -> Issue {
        Issue { severity: Severity::Error, code, expression: expression.into(), text: text.into() }
    }

    pub fn is_error(&self) -> bool {
        self.severity <= Severity::Error
    }
}

/// An OperationOutcome resource in JSON. An empty list says that all went well.
pub fn operation_outcome(issues: &[Issue]) -> String {
    let all_ok = [Issue {
        severity: Severity::Information,
        code: IssueType::Informational,
        expression: String::new(),
        text: "All OK".into(),
    }];
    let issues = if issues.is_empty() { &all_ok[..] } else { issues };
    let mut out = String::with_capacity(64 + issues.len() * 160);
    out.push_str(r#"{"resourceType":"OperationOutcome","issue":["#);
    for (i, issue) in issues.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(r#"{"severity":""#);
        out.push_str(issue.severity.as_str());
        out.push_str(r#"","code":""#);
        out.push_str(issue.code.as_str());
        out.push_str(r#"","details":{"text":"#);
        write_string(&issue.text, &mut out);
        out.push_str(r#"},"diagnostics":"#);
        write_string(&issue.text, &mut out);
        if !issue.expression.is_empty() {
            out.push_str(r#","expression":["#);
            write_string(&issue.expression, &mut out);
            out.push(']');
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Doc;

    #[test]
    fn an_outcome_is_json_and_holds_every_issue() {
        let issues = [
            Issue::error(IssueType::Required, "Patient.link[0].other", "a \"quoted\" text"),
            Issue::error(IssueType::Structure, "", "two"),
        ];
        let doc = Doc::parse(operation_outcome(&issues)).expect("JSON");
        let list: Vec<_> = doc.root().list("issue").collect();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].str("code").as_deref(), Some("required"));
        assert_eq!(list[0].str("diagnostics").as_deref(), Some("a \"quoted\" text"));
        assert!(list[1].get("expression").is_none());
    }
}
