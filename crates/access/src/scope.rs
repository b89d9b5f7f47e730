//! SMART scopes: the one place where their text is read, and the form in which they are compared.
//!
//! The v1 spelling (`.read`, `.write`, `.*`) becomes the v2 spelling here, so that what a program
//! is registered for and what it asks for can never be read in two ways. A list of scopes is a
//! set: order, repetition and spelling do not count.
//!
//! What is not a scope grants nothing. A scope never widens what the person may who stands behind
//! it; that is decided with the role and the relations, not here.
//!
//! Source: SMART App Launch 2.2 scopes-and-launch-context.html.

use std::fmt;
use std::sync::Arc;

use fhir_tables::ResourceType;

use crate::ctx::Action;

/// Bytes of a list of scopes.
pub const SCOPE_BYTES_MAX: usize = 8 * 1024;
/// Scopes in one list, after equal ones were merged.
pub const SCOPES_MAX: usize = 400;
/// Conditions (`name=value`) of one granular scope.
pub const CONDITIONS_MAX: usize = 8;

/// Whose data a scope speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Of the one patient in the launch context.
    Patient,
    /// What the person may see who stands behind the program.
    User,
    /// What the program itself may see, without a person.
    System,
}

impl Level {
    /// The word before the slash.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Patient => "patient",
            Level::User => "user",
            Level::System => "system",
        }
    }

    fn parse(text: &str) -> Option<Level> {
        [Level::Patient, Level::User, Level::System].into_iter().find(|l| l.as_str() == text)
    }
}

/// A set of [`Action`]s: the letters of `cruds` in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Actions(u8);

impl Actions {
    pub const NONE: Actions = Actions(0);
    pub const ALL: Actions = Actions(0b1_1111);

    /// The set of one.
    pub const fn of(action: Action) -> Actions {
        Actions(1 << action as u8)
    }

    pub const fn has(self, action: Action) -> bool {
        self.0 & Actions::of(action).0 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In either.
    #[must_use]
    pub const fn union(self, other: Actions) -> Actions {
        Actions(self.0 | other.0)
    }

    /// In both.
    #[must_use]
    pub const fn intersection(self, other: Actions) -> Actions {
        Actions(self.0 & other.0)
    }

    /// Everything in `other` is in `self`.
    pub const fn covers(self, other: Actions) -> bool {
        self.0 & other.0 == other.0
    }

    /// What stands behind the dot, in v2 or v1 spelling; at least one action.
    fn parse(text: &str) -> Option<Actions> {
        let read = Actions::of(Action::Read).union(Actions::of(Action::Search));
        match text {
            "read" => return Some(read),
            "write" => return Some(Actions(Actions::ALL.0 & !read.0)),
            "*" => return Some(Actions::ALL),
            _ => {}
        }
        let mut rest = text;
        let mut actions = Actions::NONE;
        for action in Action::ALL {
            if let Some(tail) = rest.strip_prefix(action.letter()) {
                actions = actions.union(Actions::of(action));
                rest = tail;
            }
        }
        (!actions.is_empty() && rest.is_empty()).then_some(actions)
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Action::ALL
            .into_iter()
            .filter(|action| self.has(*action))
            .try_for_each(|action| write!(f, "{}", action.letter()))
    }
}

/// A scope of resources: `patient/Observation.rs?category=laboratory`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub level: Level,
    /// `None`: every type.
    pub rt: Option<ResourceType>,
    /// Conditions that a resource must meet, all of them: the text of a FHIR search, with names
    /// and values percent-encoded, sorted and without repetition. `None`: no condition.
    pub query: Option<Arc<str>>,
    pub actions: Actions,
}

impl Scope {
    /// Reads one scope of resources in v1 or v2 spelling; `None` when it is none.
    pub fn parse(word: &str) -> Option<Scope> {
        let (word, query) = match word.split_once('?') {
            Some((word, query)) => (word, Some(canonical_query(query)?)),
            None => (word, None),
        };
        let (level, rest) = word.split_once('/')?;
        let (ty, actions) = rest.split_once('.')?;
        let rt = match ty {
            "*" => None,
            name => Some(ResourceType::from_name(name)?),
        };
        // Conditions are search parameters of a type: without a type they mean nothing.
        if rt.is_none() && query.is_some() {
            return None;
        }
        let actions = Actions::parse(actions)?;
        Some(Scope { level: Level::parse(level)?, rt, query, actions })
    }

    /// True when whatever `other` allows is allowed by `self` as well.
    pub fn covers(&self, other: &Scope) -> bool {
        self.speaks_of_all_in(other) && self.actions.covers(other.actions)
    }

    /// What both allow; `None` for nothing.
    fn meet(&self, other: &Scope) -> Option<Scope> {
        let rt = match (self.rt, other.rt) {
            (None, rt) | (rt, None) => rt,
            (Some(a), Some(b)) => Some((a == b).then_some(a)?),
        };
        let actions = self.actions.intersection(other.actions);
        if self.level != other.level || actions.is_empty() {
            return None;
        }
        let query = match (&self.query, &other.query) {
            (None, query) | (query, None) => query.clone(),
            // A resource must meet the conditions of both.
            (Some(a), Some(b)) => Some(canonical_query(&format!("{a}&{b}"))?),
        };
        Some(Scope { level: self.level, rt, query, actions })
    }

    /// Same level, and every resource that `other` speaks of is one of `self`.
    fn speaks_of_all_in(&self, other: &Scope) -> bool {
        let conditions = |scope: &Scope| scope.query.clone().unwrap_or_default();
        let (own, others) = (conditions(self), conditions(other));
        self.level == other.level
            && (self.rt.is_none() || self.rt == other.rt)
            && own
                .split('&')
                .filter(|one| !one.is_empty())
                .all(|one| others.split('&').any(|other| other == one))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ty = self.rt.map_or("*", ResourceType::name);
        write!(f, "{}/{ty}.{}", self.level.as_str(), self.actions)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// A scope that speaks of no resources: who signs in, what the launch says, how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extra {
    OpenId,
    FhirUser,
    Profile,
    Launch,
    LaunchPatient,
    LaunchEncounter,
    OfflineAccess,
    OnlineAccess,
}

impl Extra {
    pub const ALL: [Extra; 8] = [
        Extra::OpenId,
        Extra::FhirUser,
        Extra::Profile,
        Extra::Launch,
        Extra::LaunchPatient,
        Extra::LaunchEncounter,
        Extra::OfflineAccess,
        Extra::OnlineAccess,
    ];

    /// The scope as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Extra::OpenId => "openid",
            Extra::FhirUser => "fhirUser",
            Extra::Profile => "profile",
            Extra::Launch => "launch",
            Extra::LaunchPatient => "launch/patient",
            Extra::LaunchEncounter => "launch/encounter",
            Extra::OfflineAccess => "offline_access",
            Extra::OnlineAccess => "online_access",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A word that is not a scope, cut to a length that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadScope(pub String);

impl fmt::Display for BadScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => f.write_str("no scope is given, or too many; write for example system/*.rs"),
            word => write!(f, "{word:?} is not a scope such as system/*.rs or patient/*.rs"),
        }
    }
}

/// A set of scopes in canonical form. Empty allows nothing. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Scopes {
    /// Sorted; one row for each level, type and query.
    rows: Arc<[Scope]>,
    extras: u8,
}

impl Scopes {
    /// Every action on every type, for Vitae itself and for people at its own pages.
    pub fn all() -> Scopes {
        let (level, actions) = (Level::System, Actions::ALL);
        Scopes::of(vec![Scope { level, rt: None, query: None, actions }], 0)
    }

    /// Reads scopes parted by spaces; words that are none grant nothing.
    pub fn parse(text: &str) -> Scopes {
        let mut rows = Vec::new();
        let mut extras = 0;
        if text.len() <= SCOPE_BYTES_MAX {
            for word in text.split_ascii_whitespace() {
                let extra = Extra::ALL.into_iter().find(|extra| extra.as_str() == word);
                extras |= extra.map_or(0, Extra::bit);
                rows.extend(Scope::parse(word));
            }
        }
        Scopes::of(rows, extras)
    }

    /// Reads scopes parted by spaces, all of which must be scopes.
    ///
    /// Errors: the first word that is none; an empty word when there is no scope, or more text
    /// than [`SCOPE_BYTES_MAX`], or more than [`SCOPES_MAX`] scopes.
    pub fn read(text: &str) -> Result<Scopes, BadScope> {
        if text.len() > SCOPE_BYTES_MAX {
            return Err(BadScope(String::new()));
        }
        let known = |word: &str| {
            Extra::ALL.into_iter().any(|extra| extra.as_str() == word)
                || Scope::parse(word).is_some()
        };
        if let Some(word) = text.split_ascii_whitespace().find(|word| !known(word)) {
            return Err(BadScope(word.chars().take(80).collect()));
        }
        let scopes = Scopes::parse(text);
        match scopes.is_empty() {
            true => Err(BadScope(String::new())),
            false => Ok(scopes),
        }
    }

    fn of(mut rows: Vec<Scope>, extras: u8) -> Scopes {
        rows.sort();
        // `actions` is the last field: rows of the same level, type and query stand together.
        rows.dedup_by(|later, kept| {
            let same =
                (later.level, later.rt) == (kept.level, kept.rt) && later.query == kept.query;
            if same {
                kept.actions = kept.actions.union(later.actions);
            }
            same
        });
        // Too many to check on every request: none rather than some.
        if rows.len() > SCOPES_MAX {
            return Scopes::default();
        }
        Scopes { rows: rows.into(), extras }
    }

    /// True when `action` on every resource of type `rt` is granted, whoever's it is.
    ///
    /// Rows of level `patient` and rows with conditions grant a part of a type only: they count
    /// in [`Scopes::rows`], never here.
    pub fn allow(&self, action: Action, rt: ResourceType) -> bool {
        self.whole_rows().any(|row| row.rt.is_none_or(|of| of == rt) && row.actions.has(action))
    }

    /// True when `action` is granted on every type, as in [`Scopes::allow`].
    pub fn allow_any_type(&self, action: Action) -> bool {
        self.whole_rows().any(|row| row.rt.is_none() && row.actions.has(action))
    }

    fn whole_rows(&self) -> impl Iterator<Item = &Scope> {
        self.rows.iter().filter(|row| row.level != Level::Patient && row.query.is_none())
    }

    /// The scopes of resources, sorted, one for each level, type and query.
    pub fn rows(&self) -> &[Scope] {
        &self.rows
    }

    pub fn has(&self, extra: Extra) -> bool {
        self.extras & extra.bit() != 0
    }

    /// The scopes that speak of no resources.
    pub fn extras(&self) -> impl Iterator<Item = Extra> + use<> {
        let own = self.extras;
        Extra::ALL.into_iter().filter(move |extra| own & extra.bit() != 0)
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.extras == 0
    }

    /// What both sets allow; nothing when that takes more than [`SCOPES_MAX`] rows to say.
    #[must_use]
    pub fn intersection(&self, other: &Scopes) -> Scopes {
        let pairs = self.rows.iter().flat_map(|a| other.rows.iter().map(move |b| (a, b)));
        let mut met: Vec<Scope> = pairs.filter_map(|(a, b)| a.meet(b)).collect();
        met.sort();
        met.dedup();
        if met.len() > SCOPES_MAX {
            return Scopes::default();
        }
        // What nobody wrote and another row allows anyhow would only make the list long.
        let written = |row: &Scope| self.rows.contains(row) || other.rows.contains(row);
        let more = |row: &Scope| met.iter().any(|wide| wide != row && wide.covers(row));
        let rows = met.iter().filter(|row| written(row) || !more(row)).cloned().collect();
        Scopes::of(rows, self.extras & other.extras)
    }

    /// Without the scopes of resources for which `gone` holds and without these extras.
    #[must_use]
    pub fn without(&self, gone: impl Fn(&Scope) -> bool, extras: &[Extra]) -> Scopes {
        let rows = self.rows.iter().filter(|row| !gone(row)).cloned().collect();
        let extras = extras.iter().fold(0, |bits, extra| bits | extra.bit());
        Scopes::of(rows, self.extras & !extras)
    }

    /// True when every action that `other` allows is allowed by `self` as well.
    pub fn covers(&self, other: &Scopes) -> bool {
        self.extras & other.extras == other.extras
            && other.rows.iter().all(|wanted| {
                let broad = self.rows.iter().filter(|row| row.speaks_of_all_in(wanted));
                let actions = broad.fold(Actions::NONE, |sum, row| sum.union(row.actions));
                actions.covers(wanted.actions)
            })
    }
}

impl fmt::Display for Scopes {
    /// Parted by spaces; [`Scopes::read`] of it gives the same set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extras = self.extras().map(|extra| extra.as_str().to_owned());
        let words: Vec<String> = extras.chain(self.rows.iter().map(Scope::to_string)).collect();
        f.write_str(&words.join(" "))
    }
}

/// Conditions sorted, each once, names and values percent-encoded in one way.
///
/// `None`: a name that is no plain search parameter (chains, `_has`, result parameters such as
/// `_include`), an empty value, a bad escape, or more than [`CONDITIONS_MAX`].
fn canonical_query(text: &str) -> Option<Arc<str>> {
    let mut conditions = Vec::new();
    for part in text.split('&') {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (percent_decoded(name)?, percent_decoded(value)?);
        if !is_parameter(&name) || value.is_empty() || value.chars().any(char::is_control) {
            return None;
        }
        conditions.push(format!("{name}={}", percent_encoded(&value)));
    }
    conditions.sort();
    conditions.dedup();
    (conditions.len() <= CONDITIONS_MAX).then(|| conditions.join("&").into())
}

/// A search parameter by its name, with or without a modifier.
fn is_parameter(name: &str) -> bool {
    let (code, modifier) = name.split_once(':').unwrap_or((name, "x"));
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let common = ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"];
    (word(code) || common.contains(&code)) && word(modifier)
}

/// Decodes `%41`; a `+` could be meant in two ways and is refused.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(digits[0])? << 4 | digit(digits[1])?
            }
            b'+' => return None,
            b => b,
        });
    }
    String::from_utf8(out).ok()
}

/// Leaves what a search value commonly holds readable; all else as `%41`.
fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/|,$\\".contains(&b);
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match plain(b) {
            true => out.push(char::from(b)),
            false => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests;
