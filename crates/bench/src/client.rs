//! One keep-alive connection of HTTP/1.1, written for little cost rather than for every server.
//!
//! Source: RFC 9112 §2 to §7. No TLS, no redirects, no trailers, no pipelining.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Range;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the body of an answer.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long one answer may take. A slower one is an error, and its connection is closed.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Bodies up to this size go out with the head in one write.
const ONE_WRITE_BYTES_MAX: usize = 32 * 1024;

/// Where to send and in whose name. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    /// Name and port for the line `Host: …`.
    pub host: Arc<str>,
    /// Path of the FHIR base, without a slash at its end: `/fhir`.
    pub base: Arc<str>,
    /// The line `Authorization: …`, ended by CRLF; empty for none. Replaced before a token is over.
    pub credential: Arc<RwLock<String>>,
    /// Ask for gzip.
    pub gzip: bool,
}

impl Target {
    /// A target without a credential.
    pub fn new(address: SocketAddr, base: &str) -> Target {
        Target {
            address,
            host: Arc::from(address.to_string()),
            base: Arc::from(base.trim_end_matches('/')),
            credential: Arc::default(),
            gzip: false,
        }
    }

    /// The target of `http://HOST[:PORT]/PATH`.
    ///
    /// Errors: another scheme, a host without an address.
    pub fn from_url(url: &str) -> Result<Target, String> {
        let wrong = || format!("{url}: a FHIR base here is http://HOST[:PORT]/PATH, without TLS");
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let place = if has_port { host.to_owned() } else { format!("{host}:80") };
        let mut found = place.to_socket_addrs().map_err(|e| format!("{url}: {e}"))?;
        let address = found.next().ok_or_else(wrong)?;
        Ok(Target { host: Arc::from(host), ..Target::new(address, path) })
    }

    pub fn set_bearer(&self, token: &str) {
        *self.credential.write().expect("no panic while held") =
            format!("Authorization: Bearer {token}\r\n");
    }

    /// The path of an absolute or relative URL of this server.
    pub fn path_of<'a>(&self, url: &'a str) -> &'a str {
        let after_host = url.split_once("://").map(|(_, rest)| rest);
        match after_host {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => url,
        }
    }
}

/// A connection; opened at the first request, opened anew after the server closed it.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    stream: Option<TcpStream>,
    out: Vec<u8>,
    buffer: Vec<u8>,
    body: Vec<u8>,
    /// Answers are waited for this long.
    answer_max: Option<Duration>,
}

/// What a request holds beside its path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending<'a> {
    pub content_type: &'a str,
    pub content: Option<&'a [u8]>,
    /// More header lines, each ended by CRLF.
    pub headers: &'a str,
}

impl<'a> Sending<'a> {
    pub fn fhir(content: &'a [u8]) -> Sending<'a> {
        Sending { content_type: "application/fhir+json", content: Some(content), headers: "" }
    }

    pub fn form(content: &'a [u8]) -> Sending<'a> {
        let content_type = "application/x-www-form-urlencoded";
        Sending { content_type, content: Some(content), headers: "" }
    }
}

/// The answer to one request.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    /// `Location`, or else `Content-Location`.
    pub location: Option<String>,
    /// Name and value of each cookie set, without its attributes.
    pub cookies: Vec<String>,
    /// As sent, so compressed if that was asked for.
    pub body: &'a [u8],
}

impl Connection {
    pub fn new(target: &Target) -> Connection {
        Connection {
            target: target.clone(),
            stream: None,
            out: Vec::new(),
            buffer: Vec::with_capacity(64 * 1024),
            body: Vec::new(),
            answer_max: None,
        }
    }

    /// A connection that gives up on an answer after [`ANSWER_MAX`].
    pub fn with_limit(target: &Target) -> Connection {
        Connection { answer_max: Some(ANSWER_MAX), ..Connection::new(target) }
    }

    pub fn base(&self) -> Arc<str> {
        Arc::clone(&self.target.base)
    }

    /// Sends one request and reads its answer whole.
    ///
    /// Errors: no connection, an answer that is not HTTP/1.1, or longer than the limits.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        sending: Sending<'_>,
    ) -> Result<Answer<'_>, String> {
        self.write_head(method, path, &sending);
        let content = sending.content.unwrap_or_default();
        let apart = content.len() > ONE_WRITE_BYTES_MAX;
        if !apart {
            self.out.extend_from_slice(content);
        }
        // A kept connection may have been closed by the server meanwhile: then once more.
        let is_kept = self.stream.is_some();
        let mut read = self.exchange(if apart { content } else { &[] }).await;
        if is_kept && read.as_ref().is_err_and(|e| e.is_closed) {
            read = self.exchange(if apart { content } else { &[] }).await;
        }
        let head = read.map_err(|e| format!("{method} {path}: {}", e.text))?;
        let body = match head.body {
            Place::Buffer(range) => &self.buffer[range],
            Place::Body => &self.body[..],
        };
        let Head { status, location, cookies, .. } = head;
        Ok(Answer { status, location, cookies, body })
    }

    fn write_head(&mut self, method: &str, path: &str, sending: &Sending<'_>) {
        use std::io::Write;
        let out = &mut self.out;
        out.clear();
        // A base at the root of a server has no path.
        let path = if path.is_empty() { "/" } else { path };
        let credential = self.target.credential.read().expect("no panic while held");
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{credential}Accept: {}\r\n",
            self.target.host,
            if sending.headers.contains("Cookie:") { "text/html" } else { "application/fhir+json" },
        );
        out.extend_from_slice(sending.headers.as_bytes());
        if self.target.gzip {
            out.extend_from_slice(b"Accept-Encoding: gzip\r\n");
        }
        if let Some(content) = sending.content {
            let _ = write!(
                out,
                "Content-Type: {}\r\nContent-Length: {}\r\n",
                sending.content_type,
                content.len()
            );
        }
        out.extend_from_slice(b"\r\n");
    }

    async fn exchange(&mut self, content: &[u8]) -> Result<Head, Failed> {
        let result = match self.answer_max {
            None => self.try_exchange(content).await,
            Some(max) => tokio::time::timeout(max, self.try_exchange(content))
                .await
                .unwrap_or_else(|_| Err(Failed::text("no answer within 30 s"))),
        };
        if result.as_ref().map_or(true, |head| head.closes) {
            self.stream = None;
        }
        result
    }

    async fn try_exchange(&mut self, content: &[u8]) -> Result<Head, Failed> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.target.address).await.map_err(Failed::io)?;
                stream.set_nodelay(true).map_err(Failed::io)?;
                self.stream.insert(stream)
            }
        };
        stream.write_all(&self.out).await.map_err(Failed::io)?;
        if !content.is_empty() {
            stream.write_all(content).await.map_err(Failed::io)?;
        }
        let buffer = &mut self.buffer;
        buffer.clear();
        loop {
            let end = loop {
                if let Some(at) = find(buffer, b"\r\n\r\n") {
                    break at + 4;
                }
                if buffer.len() > HEAD_BYTES_MAX {
                    return Err(Failed::text("the head of the answer is too long"));
                }
                fill(stream, buffer).await?;
            };
            let (mut head, frame) = parse_head(&buffer[..end])?;
            if head.status == 100 {
                buffer.drain(..end);
                continue;
            }
            head.body = match frame {
                Frame::Length(length) => {
                    while buffer.len() < end + length {
                        fill(stream, buffer).await?;
                    }
                    Place::Buffer(end..end + length)
                }
                Frame::Chunks => {
                    read_chunks(stream, buffer, end, &mut self.body).await?;
                    Place::Body
                }
            };
            return Ok(head);
        }
    }
}

#[derive(Debug)]
struct Failed {
    is_closed: bool,
    text: String,
}

impl Failed {
    fn io(error: std::io::Error) -> Failed {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let is_closed = matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof);
        Failed { is_closed, text: error.to_string() }
    }

    fn text(text: &str) -> Failed {
        Failed { is_closed: false, text: text.to_owned() }
    }
}

#[derive(Debug)]
struct Head {
    status: u16,
    location: Option<String>,
    cookies: Vec<String>,
    closes: bool,
    body: Place,
}

#[derive(Debug)]
enum Place {
    Buffer(Range<usize>),
    Body,
}

enum Frame {
    Length(usize),
    Chunks,
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Failed> {
    if stream.read_buf(buffer).await.map_err(Failed::io)? == 0 {
        return Err(Failed::io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

fn parse_head(bytes: &[u8]) -> Result<(Head, Frame), Failed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failed::text("the head is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| Failed::text("the answer is not HTTP/1.1"))?;
    let mut head =
        Head { status, location: None, cookies: Vec::new(), closes: false, body: Place::Body };
    let mut frame = Frame::Length(0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            let length: usize =
                value.parse().map_err(|_| Failed::text("a Content-Length that is no number"))?;
            if length > BODY_BYTES_MAX {
                return Err(Failed::text("the body of the answer is too long"));
            }
            frame = Frame::Length(length);
        } else if is("transfer-encoding") {
            frame = Frame::Chunks;
        } else if is("location") {
            head.location = Some(value.to_owned());
        } else if is("content-location") {
            head.location.get_or_insert_with(|| value.to_owned());
        } else if is("set-cookie") {
            head.cookies.push(value.split(';').next().unwrap_or_default().to_owned());
        } else if is("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    if matches!(status, 100 | 204 | 304) {
        frame = Frame::Length(0);
    }
    Ok((head, frame))
}

/// Reads a chunked body that starts at `at` in `buffer`.
async fn read_chunks(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    mut at: usize,
    body: &mut Vec<u8>,
) -> Result<(), Failed> {
    body.clear();
    loop {
        let line_end = loop {
            if let Some(n) = find(&buffer[at..], b"\r\n") {
                break at + n;
            }
            fill(stream, buffer).await?;
        };
        let size = std::str::from_utf8(&buffer[at..line_end])
            .ok()
            .and_then(|line| line.split(';').next())
            .and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok())
            .filter(|size| body.len() + size <= BODY_BYTES_MAX)
            .ok_or_else(|| Failed::text("a chunk without a size, or too long"))?;
        let start = line_end + 2;
        while buffer.len() < start + size + 2 {
            fill(stream, buffer).await?;
        }
        body.extend_from_slice(&buffer[start..start + size]);
        at = start + size + 2;
        if size == 0 {
            return Ok(());
        }
    }
}

/// First place of `needle`, which is not empty.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    while let Some(n) = text[from..].iter().position(|b| *b == first) {
        if text[from + n..].starts_with(needle) {
            return Some(from + n);
        }
        from += n + 1;
    }
    None
}

/// How often `needle`, which is not empty, stands in `text`.
pub fn count(text: &[u8], needle: &[u8]) -> usize {
    let (mut n, mut from) = (0, 0);
    while let Some(at) = find(&text[from..], needle) {
        n += 1;
        from += at + needle.len();
    }
    n
}

/// How many entries of the answer to a transaction say that they were created.
pub fn count_created(body: &[u8]) -> usize {
    count(body, b"\"201\"") + count(body, b"\"201 ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers each request with the next of `answers`; closes the connection after `None`.
    async fn serve(listener: TcpListener, answers: Vec<Option<&'static str>>) {
        let mut stream = listener.accept().await.unwrap().0;
        for answer in answers {
            let Some(answer) = answer else {
                drop(stream);
                stream = listener.accept().await.unwrap().0;
                continue;
            };
            let mut buffer = Vec::new();
            while find(&buffer, b"\r\n\r\n").is_none() {
                assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    async fn target(answers: Vec<Option<&'static str>>) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, answers));
        Target::new(address, "/fhir")
    }

    #[tokio::test]
    async fn bodies_by_length_and_by_chunks_are_read() {
        let created = "HTTP/1.1 201 Created\r\nLocation: /fhir/Patient/1\r\n\
                       Set-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        let empty = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let target = target(vec![Some(created), Some(chunked), Some(empty)]).await;
        let mut connection = Connection::new(&target);
        let answer = connection.send("POST", "/x", Sending::fhir(b"{}")).await.unwrap();
        assert_eq!((answer.status, answer.body), (201, &b"{}"[..]));
        assert_eq!(answer.location.as_deref(), Some("/fhir/Patient/1"));
        assert_eq!(answer.cookies, ["a=b"]);
        let answer = connection.send("GET", "/x", Sending::default()).await.unwrap();
        assert_eq!(answer.body, b"abcde");
        let answer = connection.send("DELETE", "/x", Sending::default()).await.unwrap();
        assert_eq!((answer.status, answer.body), (204, &b""[..]));
    }

    #[tokio::test]
    async fn a_closed_connection_is_opened_anew() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
        let target = target(vec![Some(ok), None, Some(ok)]).await;
        let mut connection = Connection::new(&target);
        for _ in 0..2 {
            let answer = connection.send("GET", "/x", Sending::default()).await.unwrap();
            assert_eq!(answer.status, 200);
        }
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        let target = target(vec![Some("SMTP ready\r\n\r\n")]).await;
        let mut connection = Connection::new(&target);
        assert!(connection.send("GET", "/x", Sending::default()).await.is_err());
    }

    #[test]
    fn bases_are_read() {
        let target = Target::from_url("http://127.0.0.1:8080/fhir/").unwrap();
        assert_eq!((target.address.port(), &*target.base), (8080, "/fhir"));
        assert_eq!(&*target.host, "127.0.0.1:8080");
        let target = Target::from_url("http://127.0.0.1").unwrap();
        assert_eq!((target.address.port(), &*target.base), (80, ""));
        let target = Target::from_url("http://[::1]:7/r4").unwrap();
        assert_eq!((target.address.port(), &*target.base), (7, "/r4"));
        for bad in ["https://127.0.0.1/fhir", "127.0.0.1:8080/fhir", "http:///fhir", "/fhir"] {
            assert!(Target::from_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn needles_are_counted() {
        assert_eq!(count(b"ababab", b"ab"), 3);
        assert_eq!(count(b"aab", b"ab"), 1);
        let body = br#"{"status": "201 Created"},{"status":"201"},{"d":"2019"},{"status":"200"}"#;
        assert_eq!(count_created(body), 2);
        assert_eq!(find(b"aab", b"c"), None);
    }
}
