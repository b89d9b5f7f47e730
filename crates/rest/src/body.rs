//! Receives bodies, within limits.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;

/// Bytes of one request body, also after unpacking.
pub const BODY_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Bytes of all bodies that are in memory at one time.
pub const BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A body that takes longer to arrive is given up.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(120);

static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    TooLarge,
    /// Too many large bodies at one time.
    Busy,
    Timeout,
    /// The client went away or broke the protocol.
    Broken,
    /// Not gzip, although it says so.
    Gzip,
    /// A content encoding that is not taken.
    Encoding,
}

/// A received body. Gives its room back when dropped.
#[derive(Debug, Default)]
pub struct Received {
    pub bytes: Vec<u8>,
    reserved: usize,
}

impl Received {
    fn reserve(&mut self, n: usize) -> Result<(), Refused> {
        let before = IN_MEMORY.fetch_add(n, Ordering::Relaxed);
        self.reserved += n;
        if before + n > BODIES_BYTES_MAX { Err(Refused::Busy) } else { Ok(()) }
    }

    /// The bytes; their room counts until the returned guard goes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        IN_MEMORY.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

/// Receives the whole body and unpacks gzip.
pub async fn receive(headers: &HeaderMap, body: Body) -> Result<Received, Refused> {
    let said = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if said.is_some_and(|n| n > BODY_BYTES_MAX) {
        return Err(Refused::TooLarge);
    }
    let gzip = match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Err(Refused::Encoding),
    };
    let received = tokio::time::timeout(BODY_TIMEOUT, collect(said, body));
    let received = received.await.map_err(|_| Refused::Timeout)??;
    if gzip { unpack(&received.bytes) } else { Ok(received) }
}

async fn collect(said: Option<usize>, mut body: Body) -> Result<Received, Refused> {
    let mut received = Received::default();
    // Room that is not written to costs nothing; growing by doubling would.
    received.bytes.reserve_exact(said.unwrap_or(0).min(BODY_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        if received.bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        received.reserve(data.len())?;
        received.bytes.extend_from_slice(data);
    }
    Ok(received)
}

fn unpack(packed: &[u8]) -> Result<Received, Refused> {
    let mut received = Received::default();
    let mut decoder = flate2::read::MultiGzDecoder::new(packed);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let n = decoder.read(&mut chunk).map_err(|_| Refused::Gzip)?;
        if n == 0 {
            return Ok(received);
        }
        if received.bytes.len() + n > BODY_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        received.reserve(n)?;
        received.bytes.extend_from_slice(&chunk[..n]);
    }
}
