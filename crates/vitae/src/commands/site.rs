//! Which door answers which path.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use rest::{Caller, Door};

use crate::practice::{Open, Practice};

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Hands `/fhir`, `/oauth2` and the like to the REST door, the rest to the pages.
pub fn handler(
    door: Arc<Door>,
    _open: &Open,
    _practice: &Practice,
    _data: &std::path::Path,
    _root: &str,
) -> impl Fn(Request<Body>, SocketAddr) -> Answer + Clone + Send + Sync + 'static {
    move |request, peer| {
        let caller = Caller { address: Some(peer.ip().to_string()) };
        Box::pin(Arc::clone(&door).handle(request, caller))
    }
}
