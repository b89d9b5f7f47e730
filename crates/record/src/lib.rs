//! The one door: [`Record::execute`] is the only way to change or see a resource.
//!
//! A request comes with a [`Ctx`] (who, in which role, for which purpose, when). The door decides
//! access, checks the resource, assigns ids, resolves links, computes index values, commits, and
//! audits, in that order, once. Preconditions are checked inside the commit.
//! Source: FHIR R4 http.html, search.html, bundle.html.
//!
//! Not here: HTTP, rendering, XML, accounts.

mod audit;
mod bundle;
mod custom;
mod emergency;
mod error;
mod everything;
mod explain;
mod export;
mod find;
mod gate;
mod history;
mod import;
mod items;
mod lastn;
mod links;
mod operator;
mod page_token;
mod policy;
mod prepare;
mod read;
mod record;
mod relations;
mod request;
mod route;
mod search;
mod terms;
mod view;
mod world;
mod write;

pub use ::access::{
    Action, Actions, Actor, App, BadScope, Ctx, Extra, Level, Policy, Purpose, Role, Scope, Scopes,
};
pub use ::search::custom::Registry;
pub use audit::accounting::{SUSPENDED_DAYS_MAX, SUSPENSION_CHARS_MAX, Suspension};
pub use audit::ask::{AuditFilter, Found as AuditFound, LEAVES_MAX, LogOrder};
pub use audit::leaf::{Deed, Leaf, Outcome as LeafOutcome};
pub use audit::unusual::{
    NOTE_CHARS_MAX, OVERDUE_MS, Reason, Review as AccessReview, Staff, Unusual, Watch,
};
pub use emergency::{
    EMERGENCY_LIFE_MS, Emergency, EmergencyReason, OPEN_MAX, REVIEW_WITHIN_MS, Review,
    WORDS_CHARS_MAX,
};
pub use error::{Error, Kind, Result};
pub use export::Exported;
pub use items::{Change, Expected, Items};
pub use operator::AuditLog;
pub use record::{Config, DatabaseConfig, Record};
pub use relations::KNOWN_AS_MAX;
pub use request::{
    Handling, HistoryOf, ImportOptions, Operation, PatchBody, Request, Response, Return, Summary,
    Unless, View,
};
pub use route::{Headers, Payload, parse_etag, parse_prefer, parse_query, percent_encode, route};
pub use store::{BackupInfo, DataKey, Database, Finding, Verified};
pub use world::{FixedWorld, SystemWorld, World};
