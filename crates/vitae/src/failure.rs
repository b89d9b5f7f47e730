//! Why a command ended: one line that says what to do, and a status.

use std::fmt;

/// Status of a command that could not do its work.
const FAILED: u8 = 1;
/// Status of wrong usage.
const USAGE: u8 = 2;

/// One line for stderr and the exit status.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    text: String,
}

/// What commands return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn new(text: impl Into<String>) -> Failure {
        Failure { code: FAILED, text: text.into() }
    }

    /// Arguments or configuration that make no sense.
    pub fn usage(text: impl Into<String>) -> Failure {
        Failure { code: USAGE, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever is inside.
        f.write_str(&self.text.replace('\n', " "))
    }
}

impl From<auth::Error> for Failure {
    fn from(e: auth::Error) -> Failure {
        Failure::new(e.public)
    }
}

impl From<record::Error> for Failure {
    fn from(e: record::Error) -> Failure {
        let cause = e.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        Failure::new(format!("{e}{cause}"))
    }
}

impl From<store::Error> for Failure {
    fn from(e: store::Error) -> Failure {
        Failure::new(e.to_string())
    }
}

/// Adds what was done and to what.
pub trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Failure::new(format!("{}: {e}", what())))
    }
}
