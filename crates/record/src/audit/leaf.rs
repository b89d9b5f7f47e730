//! A leaf as it is read back.

use fhir::date::PartialDate;
use fhir::json::{Doc, Node};
use fhir_tables::ResourceType;

/// What one leaf says; its members are those of [`super`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Number in the log, from 0.
    pub seq: u64,
    /// UTC milliseconds.
    pub at_ms: i64,
    /// `User/x`, `Client/x`, `System`.
    pub who: String,
    pub name: Option<String>,
    pub role: Option<String>,
    pub app: Option<String>,
    /// v3 PurposeOfUse.
    pub why: String,
    /// C, R, U, D or E.
    pub action: char,
    pub what: String,
    pub n: u64,
    pub patients: Vec<String>,
    /// Everybody's data was shown.
    pub all: bool,
    /// HTTP status.
    pub status: u16,
    pub request: String,
    pub address: Option<String>,
}

/// What was done, as people and AuditEvents name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Read,
    Vread,
    Search,
    History,
    Operation,
    Create,
    Update,
    Delete,
    Transaction,
    Import,
    Export,
    /// Somebody logged in, or tried to.
    Login,
    /// A program was given a token, or refused one.
    Token,
    /// An app was let into somebody's data, or thrown out.
    Consent,
    /// Everything else that happens to accounts, settings and the practice itself.
    Administration,
}

impl Deed {
    pub const ALL: [Deed; 15] = [
        Deed::Read,
        Deed::Vread,
        Deed::Search,
        Deed::History,
        Deed::Operation,
        Deed::Create,
        Deed::Update,
        Deed::Delete,
        Deed::Transaction,
        Deed::Import,
        Deed::Export,
        Deed::Login,
        Deed::Token,
        Deed::Consent,
        Deed::Administration,
    ];

    /// FHIR's restful-interaction code where there is one; else a word of our own.
    pub const fn as_str(self) -> &'static str {
        match self {
            Deed::Read => "read",
            Deed::Vread => "vread",
            Deed::Search => "search",
            Deed::History => "history",
            Deed::Operation => "operation",
            Deed::Create => "create",
            Deed::Update => "update",
            Deed::Delete => "delete",
            Deed::Transaction => "transaction",
            Deed::Import => "import",
            Deed::Export => "export",
            Deed::Login => "login",
            Deed::Token => "token",
            Deed::Consent => "app-consent",
            Deed::Administration => "administration",
        }
    }

    pub fn parse(text: &str) -> Option<Deed> {
        Deed::ALL.into_iter().find(|deed| deed.as_str() == text)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Done,
    /// The request was refused or wrong.
    Refused,
    /// We failed.
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 3] = [Outcome::Done, Outcome::Refused, Outcome::Failed];

    pub const fn of(status: u16) -> Outcome {
        match status {
            0..400 => Outcome::Done,
            400..500 => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

impl Leaf {
    /// Reads the bytes of a leaf; `None` for what this program did not write.
    pub fn read(seq: u64, bytes: &[u8]) -> Option<Leaf> {
        let doc = Doc::parse(bytes).ok()?;
        let mut leaf = Leaf { seq, ..Leaf::default() };
        let text = |node: Node<'_>| node.as_str().map(std::borrow::Cow::into_owned);
        for (name, member) in doc.root().members() {
            match name {
                "t" => leaf.at_ms = PartialDate::parse(&member.as_str()?)?.start_utc_ms(),
                "who" => leaf.who = text(member)?,
                "name" => leaf.name = text(member),
                "role" => leaf.role = text(member),
                "app" => leaf.app = text(member),
                "why" => leaf.why = text(member)?,
                "do" => leaf.action = member.as_str()?.chars().next()?,
                "what" => leaf.what = text(member)?,
                "n" => leaf.n = member.as_number()?.parse().ok()?,
                "patients" => leaf.patients = member.items().filter_map(text).collect(),
                "all" => leaf.all = member.as_bool()?,
                "ok" => leaf.status = member.as_number()?.parse().ok()?,
                "req" => leaf.request = text(member)?,
                "from" => leaf.address = text(member),
                _ => {}
            }
        }
        Some(leaf)
    }

    /// Word and subject of what `auth` tells of: `login` and a name.
    fn of_auth(&self) -> Option<(&str, &str)> {
        self.request.starts_with("auth-").then_some(())?;
        self.what.split_once(' ')
    }

    /// The name of the person or program, which for a login is the one that was typed.
    pub fn person(&self) -> Option<&str> {
        if let Some(name) = &self.name {
            return Some(name);
        }
        self.of_auth().map(|(_, subject)| subject).filter(|subject| !subject.is_empty())
    }

    pub fn outcome(&self) -> Outcome {
        Outcome::of(self.status)
    }

    pub fn deed(&self) -> Deed {
        if let Some((word, _)) = self.of_auth() {
            return match word {
                _ if word.starts_with("login") || word.starts_with("session") => Deed::Login,
                _ if word.starts_with("token") || word == "assertion" => Deed::Token,
                _ if word.starts_with("app-") || word.starts_with("grant") => Deed::Consent,
                _ => Deed::Administration,
            };
        }
        let what = self.what.as_str();
        match self.action {
            'R' if what == "export" || what.starts_with("export ") => Deed::Export,
            'R' if what.contains("/_history/") => Deed::Vread,
            'R' => Deed::Read,
            'E' => {
                let path = what.split('?').next().unwrap_or_default();
                if path.ends_with("_history") {
                    Deed::History
                } else if path.contains('$') {
                    Deed::Operation
                } else if what == "import" {
                    Deed::Import
                } else if what == "Bundle" || what.starts_with("transaction of ") {
                    Deed::Transaction
                } else {
                    Deed::Search
                }
            }
            _ if self.resource_type().is_none() => Deed::Administration,
            'C' => Deed::Create,
            'D' => Deed::Delete,
            _ => Deed::Update,
        }
    }

    /// The resource that it is about, without its version: `Type/id`.
    pub fn resource(&self) -> Option<&str> {
        if !matches!(self.action, 'C' | 'R' | 'U' | 'D') {
            return None;
        }
        let mut parts = self.what.match_indices('/').map(|(at, _)| at);
        let first = parts.next()?;
        let whole = &self.what[..parts.next().unwrap_or(self.what.len())];
        (ResourceType::from_name(&whole[..first]).is_some() && !whole.contains('?'))
            .then_some(whole)
    }

    /// The type that it is about.
    pub fn resource_type(&self) -> Option<ResourceType> {
        let path = self.what.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("export ").unwrap_or(path);
        let mut parts = path.split('/');
        let first = ResourceType::from_name(parts.next()?)?;
        // A search in a compartment is about the type inside.
        let last = parts.nth(1).and_then(ResourceType::from_name);
        Some(last.unwrap_or(first))
    }
}
