//! What can go wrong below the door.

use fhir_tables::ResourceType;

/// What kind of failure, to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The key does not open the data.
    WrongKey,
    /// The folder is in use by another process.
    Locked,
    /// The folder holds no practice, or one already where none may be.
    Place,
    /// The disk is full. Nothing was written; try again when there is space.
    DiskFull,
    /// The database does not answer now. Nothing is known to be lost; try again.
    Unavailable,
    /// The disk failed. The store takes no more writes until it is opened again.
    Broken,
    /// Stored bytes are not what was written.
    Corrupt,
    /// A named limit on what a search may look at was passed.
    TooCostly,
    /// A request that no caller should make.
    Misuse,
}

/// A failure of the store. `public` may be shown to anyone.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub public: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, public: impl Into<String>) -> Error {
        Error { kind, public: public.into(), source: None }
    }

    pub fn with(
        kind: Kind,
        public: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error { kind, public: public.into(), source: Some(source.into()) }
    }

    pub(crate) fn corrupt(what: &str) -> Error {
        Error::new(Kind::Corrupt, format!("stored data is damaged: {what}"))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.public)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Error {
        match e.kind() {
            std::io::ErrorKind::StorageFull => {
                Error::with(Kind::DiskFull, "the disk is full; nothing was written", e)
            }
            _ => Error::with(Kind::Broken, format!("file access failed: {}", e.kind()), e),
        }
    }
}

/// Why a [`crate::WriteSet`] was not committed. Nothing of it was written.
#[derive(Debug)]
pub enum CommitError {
    /// A search that the set depends on answers differently now: prepare it again.
    Conflict,
    /// `puts[put]` expected another current version; `found` is the current one, if any.
    Stale { put: usize, found: Option<u32> },
    /// A resource that is referred to does not exist (any more).
    MissingTarget { rt: ResourceType, id: String, expression: String },
    /// A resource to be deleted is still referred to by these.
    Referenced { rt: ResourceType, id: String, by: Vec<(ResourceType, String)> },
    /// The store failed.
    Failed(Error),
}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CommitError::Conflict => f.write_str("the record changed meanwhile"),
            CommitError::Stale { found, .. } => write!(f, "the current version is {found:?}"),
            CommitError::MissingTarget { rt, id, .. } => {
                write!(f, "{}/{id} does not exist", rt.name())
            }
            CommitError::Referenced { rt, id, .. } => {
                write!(f, "{}/{id} is referred to by others", rt.name())
            }
            CommitError::Failed(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for CommitError {}

impl From<Error> for CommitError {
    fn from(e: Error) -> CommitError {
        CommitError::Failed(e)
    }
}
