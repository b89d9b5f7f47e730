//! Who asks, in which role, for which purpose, under which scopes, and when.
//!
//! Source: SMART App Launch 2.2 scopes-and-launch-context.html (the app and its launch context).

use crate::scope::Scopes;

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// In the order of SMART's `cruds`.
    pub const ALL: [Action; 5] =
        [Action::Create, Action::Read, Action::Update, Action::Delete, Action::Search];

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
}

/// The program through which a person acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct App {
    /// `client_id` of its registration.
    pub id: String,
    pub name: String,
}

/// The reason for a request: without one, nothing is read or written.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub actor: Actor,
    /// The program that a person lets act in the own name; `None` at Vitae's own pages.
    pub app: Option<App>,
    /// Id of the one Patient that scopes of level `patient` speak of.
    pub launch_patient: Option<String>,
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
            app: None,
            launch_patient: None,
            scopes: Scopes::all(),
            purpose: Purpose::Operations,
            request_id: request_id.into(),
            at_ms,
            address: None,
        }
    }
}
