//! What can go wrong, and what may be said about it.

use std::fmt;

/// Kinds to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wrong name, password, secret or token; also an account that is switched off. One kind for
    /// all, so that the answer does not tell which.
    Refused,
    /// Too many failed attempts; the caller may try again after this time.
    Throttled {
        retry_after_ms: i64,
    },
    /// The new password is too short or too long.
    WeakPassword,
    /// The name is taken.
    Taken,
    NotFound,
    /// A name, role or patient that cannot be.
    Invalid,
    /// A scope that the client is not registered for, or that cannot be read.
    Scope,
    /// An address that cannot be an app's.
    Redirect,
    /// A code or refresh token that is no good, or whose person may no longer sign in.
    Grant,
    /// The program may not ask in this way.
    Client,
    /// The proof that a key is held is missing or no good.
    Proof,
    /// The store did not answer.
    Storage,
}

/// A refusal or failure. `public` may be shown to anyone.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub public: String,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, public: impl Into<String>) -> Error {
        Error { kind, public: public.into(), source: None }
    }

    pub(crate) fn refused() -> Error {
        Error::new(Kind::Refused, "the name or the password is wrong")
    }

    /// The store failed with `source`.
    pub fn storage(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error {
            kind: Kind::Storage,
            public: "the record does not answer; try again".to_owned(),
            source: Some(source.into()),
        }
    }
}

impl From<record::BadScope> for Error {
    fn from(bad: record::BadScope) -> Error {
        Error::new(Kind::Scope, bad.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
