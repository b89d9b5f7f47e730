//! Who may see and do what: roles, scopes, relations and the predicate that they come to.
//!
//! Pure: no clock, no disk. What is decided here is carried out by `store` at every place where a
//! search looks, and by `record` for what is written.

mod consent;
mod ctx;
pub mod label;
mod may;
mod policy;
mod scope;

pub use consent::Consent;
pub use ctx::{Action, Actor, App, Ctx, Purpose, Role};
pub use may::May;
pub use policy::{BadPolicy, DEFAULT, Policy, Relations, Ward};
pub use scope::{
    Actions, BadScope, CONDITIONS_MAX, Extra, Level, SCOPE_BYTES_MAX, SCOPES_MAX, Scope, Scopes,
};
