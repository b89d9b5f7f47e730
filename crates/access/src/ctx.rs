//! Who asks, in which role, for which purpose, under which scopes, and when.
//!
//! Source: SMART App Launch 2.2 scopes-and-launch-context.html (scope syntax).
//! What a context allows is decided in `access`.

use fhir_tables::ResourceType;

/// Role of a user in the practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Admin,
    FrontDesk,
    Nurse,
    Provider,
    Biller,
    PrivacyOfficer,
    Patient,
}

impl Role {
    pub const ALL: [Role; 7] = [
        Role::Admin,
        Role::FrontDesk,
        Role::Nurse,
        Role::Provider,
        Role::Biller,
        Role::PrivacyOfficer,
        Role::Patient,
    ];

    /// The name on the command line and in the account.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::FrontDesk => "front-desk",
            Role::Nurse => "nurse",
            Role::Provider => "provider",
            Role::Biller => "biller",
            Role::PrivacyOfficer => "privacy-officer",
            Role::Patient => "patient",
        }
    }

    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person with a login. `patient` is the Patient resource of a portal user.
    User { id: String, name: String, role: Role, patient: Option<String> },
    /// A program with client credentials.
    Client { id: String, name: String },
    /// Vitae itself: import, demo data, workers. Never built from a request.
    System,
}

impl Actor {
    /// Stable text for the audit log: `User/x`, `Client/x`, `System`.
    pub fn label(&self) -> String {
        match self {
            Actor::User { id, .. } => format!("User/{id}"),
            Actor::Client { id, .. } => format!("Client/{id}"),
            Actor::System => "System".to_owned(),
        }
    }
}

/// Why somebody looks.
///
/// Source: HL7 v3 PurposeOfUse, the few that a practice needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Purpose {
    #[default]
    Treatment,
    Payment,
    Operations,
    PatientRequest,
    Emergency,
}

impl Purpose {
    /// The v3 code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Treatment => "TREAT",
            Purpose::Payment => "HPAYMT",
            Purpose::Operations => "HOPERAT",
            Purpose::PatientRequest => "PATRQT",
            Purpose::Emergency => "ETREAT",
        }
    }
}

/// What a scope lets one do with a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

impl Action {
    /// SMART v2's letter.
    pub const fn letter(self) -> char {
        match self {
            Action::Create => 'c',
            Action::Read => 'r',
            Action::Update => 'u',
            Action::Delete => 'd',
            Action::Search => 's',
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// An allow table: actions by resource type. Empty allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scopes {
    /// `None` stands for every type.
    rows: Vec<(Option<ResourceType>, u8)>,
}

impl Scopes {
    /// Every action on every type.
    pub fn all() -> Scopes {
        Scopes { rows: vec![(None, 0b1_1111)] }
    }

    /// Reads a space-separated list of SMART scopes.
    ///
    /// `system/` and `user/` scopes count, in v2 (`system/Patient.rs`) and v1
    /// (`user/*.read`) form. Anything else grants nothing: `patient/` scopes and granular
    /// scopes (`?category=…`) need rules that are not here, so they must not widen access.
    pub fn parse(text: &str) -> Scopes {
        Scopes { rows: text.split_ascii_whitespace().filter_map(parse_scope).collect() }
    }

    /// True when every word of `text` is a scope that grants something.
    pub fn is_well_formed(text: &str) -> bool {
        !text.trim().is_empty()
            && text.split_ascii_whitespace().all(|word| parse_scope(word).is_some())
    }

    pub fn allow(&self, action: Action, rt: ResourceType) -> bool {
        self.rows
            .iter()
            .any(|(row_rt, bits)| row_rt.is_none_or(|row| row == rt) && bits & action.bit() != 0)
    }

    /// Allowed on every type.
    pub fn allow_any_type(&self, action: Action) -> bool {
        self.rows.iter().any(|(row_rt, bits)| row_rt.is_none() && bits & action.bit() != 0)
    }
}

fn parse_scope(word: &str) -> Option<(Option<ResourceType>, u8)> {
    let rest = word.strip_prefix("system/").or_else(|| word.strip_prefix("user/"))?;
    let (ty, actions) = rest.rsplit_once('.')?;
    let rt = if ty == "*" { None } else { Some(ResourceType::from_name(ty)?) };
    let bits = match actions {
        "read" => Action::Read.bit() | Action::Search.bit(),
        "write" => Action::Create.bit() | Action::Update.bit() | Action::Delete.bit(),
        "*" => 0b1_1111,
        _ => v2_bits(actions)?,
    };
    Some((rt, bits))
}

/// Letters of `cruds` in this order, at least one.
fn v2_bits(letters: &str) -> Option<u8> {
    let order = [Action::Create, Action::Read, Action::Update, Action::Delete, Action::Search];
    let mut rest = letters;
    let mut bits = 0;
    for action in order {
        if let Some(tail) = rest.strip_prefix(action.letter()) {
            bits |= action.bit();
            rest = tail;
        }
    }
    (bits != 0 && rest.is_empty()).then_some(bits)
}

/// The reason for a request: without one, nothing is read or written.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub actor: Actor,
    pub scopes: Scopes,
    pub purpose: Purpose,
    /// Unique per request; stands in the audit log and the server log.
    pub request_id: String,
    /// When the request arrived, UTC milliseconds.
    pub at_ms: i64,
    /// Network address of the caller.
    pub address: Option<String>,
}

impl Ctx {
    /// Vitae itself, at `at_ms`.
    pub fn system(request_id: impl Into<String>, at_ms: i64) -> Ctx {
        Ctx {
            actor: Actor::System,
            scopes: Scopes::all(),
            purpose: Purpose::Operations,
            request_id: request_id.into(),
            at_ms,
            address: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_grant_what_they_name_and_no_more() {
        let patient = ResourceType::from_name("Patient").expect("R4");
        let observation = ResourceType::from_name("Observation").expect("R4");
        let scopes = Scopes::parse("system/Patient.rs user/Observation.write openid");
        assert!(scopes.allow(Action::Read, patient));
        assert!(scopes.allow(Action::Search, patient));
        assert!(!scopes.allow(Action::Create, patient));
        assert!(scopes.allow(Action::Delete, observation));
        assert!(!scopes.allow(Action::Read, observation));
        assert!(!scopes.allow_any_type(Action::Read));
        assert!(Scopes::parse("system/*.cruds").allow_any_type(Action::Delete));
    }

    #[test]
    fn what_is_not_understood_grants_nothing() {
        for text in [
            "",
            "system/*",
            "system/*.sr",
            "system/*.rr",
            "system/*.",
            "system/Patient.rx",
            "system/Nonsense.r",
            "patient/*.cruds",
            "system/Observation.rs?category=laboratory",
            "*.cruds",
        ] {
            assert_eq!(Scopes::parse(text), Scopes::default(), "{text}");
            assert!(!Scopes::is_well_formed(text), "{text}");
        }
    }
}
