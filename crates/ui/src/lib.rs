//! The staff pages.
//!
//! Pages are rendered on the server from view models (`view`), which hold only what is shown.
//! `pages` and `chart` turn a view model into markup; a page and the fragment that refreshes it
//! share the same function. `assets` holds the one stylesheet and the one script, which only
//! enhance: every control is a link or a form first.
//!
//! Nothing here decides who may see what, and nothing is read except through the record's door.

pub mod assets;
pub mod chart;
pub mod components;
pub mod icon;
pub mod layout;
pub mod load;
pub mod pages;
pub mod plot;
pub mod routes;
pub mod view;
pub mod view_of;
pub mod when;

pub use routes::{Config, Pages, router};
