//! Listens, serves connections, and drains at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::{HttpRequest, HttpResponse};

/// The head of a request must arrive within this time; also how long an idle connection lives.
pub const HEADER_TIMEOUT_MS: u64 = 75_000;
/// How long requests may go on after the server was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Whole,
    /// Some took longer than the time for draining.
    TimedOut,
}

/// Serves until `stop` is ready, then finishes the requests that are under way.
pub async fn serve<H, F>(
    listener: TcpListener,
    handler: H,
    stop: impl Future<Output = ()>,
) -> Drained
where
    H: Fn(HttpRequest, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    let (stopping, stopped) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without this, small answers wait for the acknowledgement of earlier ones.
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(stream, peer, handler.clone(), stopped.clone()));
            }
            Err(error) => {
                // Mostly out of file descriptors: wait until some are free.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    drop(stopped);
    let _ = stopping.send(true);
    match tokio::time::timeout(DRAIN_TIMEOUT, stopping.closed()).await {
        Ok(()) => Drained::Whole,
        Err(_) => Drained::TimedOut,
    }
}

async fn connection<H, F>(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    handler: H,
    mut stopped: watch::Receiver<bool>,
) where
    H: Fn(HttpRequest, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let answer = handler(request.map(Body::new), peer);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEADER_TIMEOUT_MS))
        .max_buf_size(HEAD_BYTES_MAX)
        .pipeline_flush(true);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
