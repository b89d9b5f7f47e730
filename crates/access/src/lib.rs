//! Who may see and do what: roles, scopes, relations and the predicate that they come to.
//!
//! Pure: no clock, no disk. What is decided here is carried out by `store` at every place where a
//! search looks, and by `record` for what is written.

mod ctx;
mod permit;

pub use ctx::{Action, Actor, Ctx, Purpose, Role, Scopes};
pub use permit::{Decision, permit};
