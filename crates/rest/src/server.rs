//! Listens, serves connections with or without TLS, and drains at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::{HttpRequest, HttpResponse};

/// The head of a request must arrive within this time; also how long an idle connection lives.
pub const HEADER_TIMEOUT_MS: u64 = 75_000;
/// How long requests may go on after the server was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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

/// TLS 1.2 and 1.3 with a certificate of one's own.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a chain of certificates and its private key from PEM files.
    ///
    /// Errors: one line that names the file.
    pub fn from_files(certificates: &Path, key: &Path) -> Result<Tls, String> {
        let wrong = |path: &Path, why: String| format!("{}: {why}", path.display());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect)
            .map_err(|e| wrong(certificates, e.to_string()))?;
        if chain.is_empty() {
            return Err(wrong(certificates, "holds no certificate in PEM".to_owned()));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, e.to_string()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|e| wrong(certificates, e.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves until `stop` is ready, then finishes the requests that are under way.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Tls>,
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
                let (handler, stopped) = (handler.clone(), stopped.clone());
                match tls.clone() {
                    None => {
                        tokio::spawn(connection(stream, peer, handler, stopped));
                    }
                    Some(Tls(acceptor)) => {
                        tokio::spawn(async move {
                            let accepted =
                                tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
                            if let Ok(Ok(stream)) = accepted.await {
                                connection(stream, peer, handler, stopped).await;
                            }
                        });
                    }
                }
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

async fn connection<S, H, F>(
    stream: S,
    peer: SocketAddr,
    handler: H,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
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
        .max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
