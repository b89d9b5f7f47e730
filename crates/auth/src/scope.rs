//! SMART scopes of resources: `system/Patient.rs`, `system/*.cruds`, and the v1 spelling
//! `system/Patient.read`.
//!
//! `patient/` scopes need a launch with a patient in context; until that exists they are refused.
//!
//! Source: SMART App Launch 2.2 scopes-and-launch-context.html.

use fhir_tables::ResourceType;

use crate::{Error, Kind};

/// Characters of a scope request.
pub const SCOPE_CHARS_MAX: usize = 8 * 1024;

/// Whose data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    User,
    System,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::User => "user",
            Level::System => "system",
        }
    }
}

/// One scope: what may be done to resources of one type, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    pub level: Level,
    /// `None`: `*`.
    pub rt: Option<ResourceType>,
    /// Bits of [`Scope::CREATE`] and so on.
    pub verbs: u8,
}

impl Scope {
    pub const CREATE: u8 = 1;
    pub const READ: u8 = 2;
    pub const UPDATE: u8 = 4;
    pub const DELETE: u8 = 8;
    pub const SEARCH: u8 = 16;
    pub const ALL: u8 = 31;

    const LETTERS: [(char, u8); 5] = [
        ('c', Scope::CREATE),
        ('r', Scope::READ),
        ('u', Scope::UPDATE),
        ('d', Scope::DELETE),
        ('s', Scope::SEARCH),
    ];

    /// Reads one scope. Errors: a text that is none, or a type that does not exist.
    pub fn parse(text: &str) -> Option<Scope> {
        let (level, rest) = text.split_once('/')?;
        let (ty, verbs) = rest.split_once('.')?;
        let level = match level {
            "user" => Level::User,
            "system" => Level::System,
            _ => return None,
        };
        let rt = match ty {
            "*" => None,
            name => Some(ResourceType::from_name(name)?),
        };
        Some(Scope { level, rt, verbs: parse_verbs(verbs)? })
    }

    /// True when this scope allows all that `other` allows.
    pub fn covers(self, other: Scope) -> bool {
        self.level == other.level
            && (self.rt.is_none() || self.rt == other.rt)
            && self.verbs & other.verbs == other.verbs
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}.", self.level.as_str(), self.rt.map_or("*", ResourceType::name))?;
        for (letter, bit) in Scope::LETTERS {
            if self.verbs & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

fn parse_verbs(text: &str) -> Option<u8> {
    match text {
        "read" => return Some(Scope::READ | Scope::SEARCH),
        "write" => return Some(Scope::CREATE | Scope::UPDATE | Scope::DELETE),
        "*" => return Some(Scope::ALL),
        _ => {}
    }
    // Letters stand in the order of `cruds`, each once.
    let mut verbs = 0;
    let mut rest = text;
    for (letter, bit) in Scope::LETTERS {
        if let Some(after) = rest.strip_prefix(letter) {
            verbs |= bit;
            rest = after;
        }
    }
    (verbs != 0 && rest.is_empty()).then_some(verbs)
}

/// Scopes parted by spaces.
///
/// Errors: [`Kind::Scope`] naming the first that cannot be read; none at all.
pub fn parse_scopes(text: &str) -> Result<Vec<Scope>, Error> {
    if text.len() > SCOPE_CHARS_MAX {
        return Err(Error::new(Kind::Scope, "the scope is too long"));
    }
    let scopes: Result<Vec<Scope>, Error> = text
        .split_ascii_whitespace()
        .map(|one| {
            Scope::parse(one).ok_or_else(|| {
                let one: String = one.chars().take(80).collect();
                Error::new(Kind::Scope, format!("{one:?} is not a scope such as system/*.rs"))
            })
        })
        .collect();
    let scopes = scopes?;
    if scopes.is_empty() {
        return Err(Error::new(Kind::Scope, "no scope is given; write for example system/*.rs"));
    }
    Ok(scopes)
}

/// Scopes as text, parted by spaces.
pub fn scopes_text(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_and_print() {
        for (text, printed) in [
            ("system/*.cruds", "system/*.cruds"),
            ("system/Patient.rs", "system/Patient.rs"),
            ("user/Patient.read", "user/Patient.rs"),
            ("user/*.write", "user/*.cud"),
            ("system/*.*", "system/*.cruds"),
        ] {
            assert_eq!(Scope::parse(text).map(|s| s.to_string()).as_deref(), Some(printed));
        }
        for text in [
            "",
            "system",
            "system/*",
            "system/*.",
            "system/*.sr",
            "system/*.rr",
            "system/Nothing.r",
            "root/*.r",
            "patient/*.rs",
            "system/Patient.rx",
            "openid",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn covering_needs_level_type_and_verbs() {
        let covers = |a: &str, b: &str| {
            let parse = |text| Scope::parse(text).expect("a scope");
            parse(a).covers(parse(b))
        };
        assert!(covers("system/*.cruds", "system/Patient.r"));
        assert!(covers("system/Patient.rs", "system/Patient.s"));
        assert!(!covers("system/Patient.rs", "system/*.s"));
        assert!(!covers("system/Patient.rs", "system/Patient.c"));
        assert!(!covers("user/*.cruds", "system/Patient.r"));
    }
}
