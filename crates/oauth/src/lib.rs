//! The authorization server's door for programs: tokens, introspection, revocation, registration,
//! keys, and discovery.
//!
//! Translates and renders; the rules stand in `auth`. The pages on which people sign in, agree and
//! disconnect are in `ui`.
//!
//! Source: SMART App Launch 2.2; RFC 6749, 7009, 7591, 7636, 7662, 8414, 9207, 9449; OpenID Connect
//! Discovery 1.0.

mod answer;
mod discovery;
mod door;
mod form;
mod gateway;
mod register;
mod routes;
mod token;

pub use door::Door;
pub use gateway::{Gateway, KEYS_TIMEOUT};
pub use routes::{Access, ROUTES, Route, What};

/// A request as the door receives it.
pub type HttpRequest = axum::http::Request<axum::body::Body>;
/// An answer as the door gives it.
pub type HttpResponse = axum::http::Response<axum::body::Body>;
