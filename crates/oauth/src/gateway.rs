//! The one way out: the public keys that programs publish at an address of theirs.
//!
//! `https` only; the address that is connected to is the one that was checked, so that a name
//! cannot point elsewhere a moment later; addresses of this computer and of inner networks are
//! refused; no redirect is followed; size and time are limited. Only the keys of programs that an
//! administrator has agreed to are asked for.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth::{JWKS_BYTES_MAX, KeySet, KeySource};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long fetching keys may take, all in all.
pub const KEYS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long keys are used before they are fetched again.
const KEPT: Duration = Duration::from_secs(300);
/// How soon keys are fetched again because one was not among them, or because it failed.
const AGAIN: Duration = Duration::from_secs(30);
/// Bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Where systems keep the certificates that they trust.
const ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

type Fetched = (Instant, Result<KeySet, String>);

/// Fetches keys and remembers them for some minutes.
pub struct Gateway {
    /// Plain `http` on this computer, for trying things out.
    loopback: bool,
    known: Mutex<HashMap<String, Fetched>>,
}

impl Gateway {
    /// `loopback`: addresses of this computer are allowed, also without TLS.
    pub fn new(loopback: bool) -> Gateway {
        Gateway { loopback, known: Mutex::default() }
    }

    fn fetch(&self, uri: &str) -> Result<KeySet, String> {
        match self.ask(uri, None)? {
            (200, body) => KeySet::parse(&body).map_err(str::to_owned),
            _ => Err("the answer is not 200; redirects are not followed".to_owned()),
        }
    }

    /// Sends text to an address that the operator of this server named, which may be one of an
    /// inner network; status and body of the answer.
    ///
    /// Errors: an address that is not `https`, nobody there, an answer that is too long or late.
    pub fn post(&self, uri: &str, media: &str, text: &str) -> Result<(u16, Vec<u8>), String> {
        self.ask(uri, Some((media, text)))
    }

    /// Asks once; with text to send, of whom the operator named.
    fn ask(&self, uri: &str, sent: Option<(&str, &str)>) -> Result<(u16, Vec<u8>), String> {
        let deadline = Instant::now() + KEYS_TIMEOUT;
        let target = Target::parse(uri, self.loopback)?;
        let addresses = (target.host.as_str(), target.port).to_socket_addrs();
        let addresses = addresses.map_err(|e| format!("{}: {e}", target.host))?;
        // One inner address among them spoils all.
        let addresses: Vec<SocketAddr> = addresses.collect();
        let is_named = sent.is_some();
        let allowed = |a: &SocketAddr| {
            is_named || is_public(a.ip()) || (self.loopback && a.ip().is_loopback())
        };
        let address = match addresses.first() {
            Some(first) if addresses.iter().all(allowed) => *first,
            _ => return Err(format!("{} is an address of an inner network", target.host)),
        };
        let stream = TcpStream::connect_timeout(&address, left(deadline)?);
        let stream = stream.map_err(|e| format!("{address}: {e}"))?;
        let socket = stream.try_clone().map_err(|e| e.to_string())?;
        match target.tls {
            false => exchange(stream, &socket, &target, sent, deadline),
            true => {
                let name = ServerName::try_from(target.host.clone()).map_err(|e| e.to_string())?;
                let connection = ClientConnection::new(Arc::new(trust()?), name);
                let connection = connection.map_err(|e| e.to_string())?;
                exchange(StreamOwned::new(connection, stream), &socket, &target, sent, deadline)
            }
        }
    }
}

impl KeySource for Gateway {
    fn keys(&self, uri: &str, again: bool) -> Result<KeySet, String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(uri).cloned();
        if let Some((at, keys)) = known {
            let kept = if again || keys.is_err() { AGAIN } else { KEPT };
            if at.elapsed() < kept {
                return keys;
            }
        }
        let keys = self.fetch(uri);
        if let Err(error) = &keys {
            tracing::warn!(uri, error, "the keys of a program were not fetched");
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(uri.to_owned(), (Instant::now(), keys.clone()));
        keys
    }
}

struct Target {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    fn parse(uri: &str, loopback: bool) -> Result<Target, String> {
        let bad = || format!("{uri} is not an https address");
        let (tls, rest) = match uri.split_once("://").ok_or_else(bad)? {
            ("https", rest) => (true, rest),
            ("http", rest) if loopback => (false, rest),
            _ => return Err(bad()),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (place, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let plain = |b: u8| b.is_ascii_graphic() && !b"#@\\".contains(&b);
        if host.is_empty() || !uri.bytes().all(plain) {
            return Err(bad());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { tls, host, port, path })
    }
}

fn left(deadline: Instant) -> Result<Duration, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left).ok_or_else(|| "it took too long".to_owned())
}

/// Asks once and reads the answer to its end; HTTP/1.0, so that nothing is chunked or kept open.
fn exchange(
    mut stream: impl Read + Write,
    socket: &TcpStream,
    target: &Target,
    sent: Option<(&str, &str)>,
    deadline: Instant,
) -> Result<(u16, Vec<u8>), String> {
    let wait = || -> Result<(), String> {
        let left = left(deadline)?;
        socket.set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
        socket.set_write_timeout(Some(left)).map_err(|e| e.to_string())
    };
    let Target { host, path, .. } = target;
    let common = format!("Host: {host}\r\nUser-Agent: vitae\r\nConnection: close\r\n");
    let question = match sent {
        None => format!("GET {path} HTTP/1.0\r\n{common}Accept: application/json\r\n\r\n"),
        Some((media, text)) => {
            let n = text.len();
            format!(
                "POST {path} HTTP/1.0\r\n{common}Content-Type: {media}\r\n\
                 Content-Length: {n}\r\n\r\n{text}"
            )
        }
    };
    wait()?;
    stream.write_all(question.as_bytes()).map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 8 * 1024];
    loop {
        wait()?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
            // Some close without the goodbye of TLS; what is cut short is no JSON.
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e.to_string()),
        }
        if answer.len() > HEAD_BYTES_MAX + JWKS_BYTES_MAX {
            return Err("the answer is too long".to_owned());
        }
    }
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or("the answer has no end of its head")?;
    let status = answer.split(|b| *b == b' ').nth(1).unwrap_or_default();
    let status = str::from_utf8(status).ok().and_then(|digits| digits.parse().ok());
    let status = status.filter(|_| answer.starts_with(b"HTTP/1.")).ok_or("this is no answer")?;
    Ok((status, answer.split_off(end + 4)))
}

fn trust() -> Result<ClientConfig, String> {
    let file = std::env::var("SSL_CERT_FILE").ok();
    let mut places = file.as_deref().into_iter().chain(ROOTS);
    let place = places.find(|place| Path::new(place).exists());
    let place = place.ok_or("no file with the certificates that this system trusts was found")?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(place).map_err(|e| e.to_string())?;
    roots.add_parsable_certificates(certificates.flatten());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// True for addresses of the open internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // IPv4 in disguise: mapped, compatible, translated, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0, 0, 0, 0, 0, 0, ..] => false,
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, documentation, and the like.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        // Global unicast is 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_addresses_are_refused_in_every_disguise() {
        for text in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            let ip: IpAddr = text.parse().expect("an address");
            assert!(!is_public(ip), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::1.1.1.1"] {
            let ip: IpAddr = text.parse().expect("an address");
            assert!(is_public(ip), "{text}");
        }
    }

    #[test]
    fn names_that_point_inward_are_not_connected_to() {
        let gateway = Gateway::new(false);
        for uri in [
            "http://127.0.0.1/keys",
            "http://keys.example.com/keys",
            "ftp://keys.example.com/keys",
            "https://localhost/keys",
            "https://127.0.0.1/keys",
            "https://127.1/keys",
            "https://2130706433/keys",
            "https://0x7f.1/keys",
            "https://0177.0.0.1/keys",
            "https://[::1]/keys",
            "https://[::ffff:10.0.0.1]/keys",
            "https://169.254.169.254/latest/meta-data",
            "https://evil.test@127.0.0.1/keys",
            "https:///keys",
            "file:///etc/passwd",
        ] {
            let error = gateway.fetch(uri).expect_err(uri);
            let refused = error.contains("inner network") || error.contains("not an https address");
            assert!(refused, "{uri}: {error}");
        }
    }

    fn served(answer: &'static [u8]) -> (String, std::thread::JoinHandle<()>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let uri = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut question = [0; 1024];
            let n = stream.read(&mut question).expect("a question");
            assert!(question[..n].starts_with(b"GET /keys HTTP/1.0\r\nHost: 127.0.0.1"));
            let _gone = stream.write_all(answer);
        });
        (uri, thread)
    }

    #[test]
    fn redirects_and_long_answers_are_not_followed() {
        const KEYS: &str = "HTTP/1.1 200 OK\r\n\r\n{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\
            \"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\
            \"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
        let long: &'static [u8] = vec![b'a'; HEAD_BYTES_MAX + JWKS_BYTES_MAX + 1].leak();
        for (answer, good) in [
            (KEYS.as_bytes(), true),
            (&b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"[..], false),
            (&b"HTTP/1.1 404 Not Found\r\n\r\n{}"[..], false),
            (&b"HTTP/1.1 200 OK\r\n\r\n{\"keys\":["[..], false),
            (&b"nonsense"[..], false),
            (long, false),
        ] {
            let (uri, thread) = served(answer);
            let gateway = Gateway::new(true);
            let keys = gateway.keys(&uri, false);
            assert_eq!(keys.is_ok(), good, "{keys:?}");
            // Asked again at once, it answers from memory: nobody listens any more.
            assert_eq!(gateway.keys(&uri, true), keys);
            thread.join().expect("served");
        }
    }
}
