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
    open: &Open,
    practice: &Practice,
    data: &std::path::Path,
    root: &str,
    zone: jiff::tz::TimeZone,
    reading: tokio::runtime::Handle,
) -> impl Fn(Request<Body>, SocketAddr) -> Answer + Clone + Send + Sync + 'static {
    let pages = ui::Pages::new(ui::Config {
        record: open.record.clone(),
        auth: Arc::clone(&open.auth),
        practice: practice.name.clone(),
        zone,
        reading,
        tls: root.starts_with("https://"),
        demo: data.join(super::demo::LOGINS).exists(),
    });
    move |request, peer| {
        if !Door::owns(request.uri().path()) {
            let pages = pages.clone();
            return Box::pin(async move { pages.handle(request, peer).await });
        }
        let caller = Caller { address: Some(peer.ip().to_string()) };
        Box::pin(Arc::clone(&door).handle(request, caller))
    }
}
