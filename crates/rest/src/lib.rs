//! The FHIR R4 door: HTTP in, requests of the record out.
//!
//! One list of routes says what is answered, what needs a token, and what the CapabilityStatement
//! promises. A request becomes a [`record::Request`], the record decides, and the answer is
//! rendered as JSON or XML. No rule about data or access is here.
//!
//! Source: FHIR R4 http.html; RFC 6750; RFC 9449 §7.

mod answer;
mod body;
mod capability;
mod door;
mod metrics;
mod negotiate;
mod routes;
mod server;

pub use body::{BODIES_BYTES_MAX, BODY_BYTES_MAX};
pub use door::{Caller, Door, URL_BYTES_MAX};
pub use routes::{Access, Interaction, ROUTES, Route, What};
pub use server::{Drained, HEADER_TIMEOUT_MS, Tls, serve};

/// A request as the doors receive it.
pub type HttpRequest = axum::http::Request<axum::body::Body>;
/// An answer as the doors give it.
pub type HttpResponse = axum::http::Response<axum::body::Body>;
