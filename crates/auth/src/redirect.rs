//! Where a browser may be sent back to: exact addresses, registered beforehand.
//!
//! Source: RFC 9700 §2.1 and §4.1.3, RFC 8252 §7 and §8.3.

/// Bytes of one address.
pub const URI_BYTES_MAX: usize = 2_000;
/// Addresses of one program.
pub const REDIRECTS_MAX: usize = 16;

/// True when `uri` may be registered: `https`, `http` on this computer, or an app's own scheme
/// with a dot in it (`com.example.app:/back`). No fragment, no user, no wildcard, no dots in the
/// path, nothing that two readers could read in two ways.
pub fn is_redirect(uri: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()+,;=%".contains(&b);
    if uri.len() > URI_BYTES_MAX || !uri.bytes().all(plain) {
        return false;
    }
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let first_is_letter = scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    if !first_is_letter || !scheme.bytes().all(plain) || !has_plain_path(rest) {
        return false;
    }
    match scheme {
        "https" => authority(rest).is_some(),
        "http" => authority(rest).is_some_and(|(host, _)| is_loopback(host)),
        // The apps' own: a name under a domain, so that `javascript:` and the like are none.
        own => own.contains('.') && rest.starts_with('/') && !rest.contains('@'),
    }
}

/// True when `uri` is `registered`. With `any_port`, for programs that people install: the port
/// of an address on this computer, given as a number, does not count.
pub fn is_same(registered: &str, uri: &str, any_port: bool) -> bool {
    if registered == uri {
        return true;
    }
    any_port && matches!((loopback(registered), loopback(uri)), (Some(a), Some(b)) if a == b)
}

/// Host and what follows the port, of `http://127.0.0.1:1234/path` and `http://[::1]…`.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http:").filter(|_| is_redirect(uri))?;
    let (host, tail) = authority(rest)?;
    matches!(host, "127.0.0.1" | "[::1]").then_some((host, tail))
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

/// Host, and path and query, of what follows the scheme and its colon.
fn authority(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix("//")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (place, tail) = rest.split_at(end);
    let (host, port) = match place.strip_prefix('[') {
        Some(inner) => {
            let (address, port) = inner.split_once(']')?;
            (&place[..address.len() + 2], port)
        }
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.parse::<u16>().is_ok_and(|n| n > 0),
        None => port.is_empty(),
    };
    let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(name)
                && !host.starts_with(['.', '-'])
                && !host.ends_with('.')
                && !host.contains("..")
        }
    };
    (port_is_good && host_is_good).then_some((host, tail))
}

/// No `.` and `..` segments, also not encoded, no empty segment, no broken escape.
fn has_plain_path(rest: &str) -> bool {
    let path = rest.trim_start_matches("//");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let escapes = |text: &str| {
        text.split('%').skip(1).all(|part| {
            part.len() >= 2
                && part.is_char_boundary(2)
                && u8::from_str_radix(&part[..2], 16).is_ok_and(|b| b > 0x1f && b != 0x7f)
                && part.as_bytes()[0] != b'+'
        })
    };
    let lower = path.to_ascii_lowercase();
    escapes(path)
        && escapes(query)
        && !path.contains("//")
        && !["%2e", "%2f", "%5c", "%25", "%40", "%23"].iter().any(|bad| lower.contains(bad))
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// The origin, for the rule of a page about where its form may lead: scheme, host and port; the
/// scheme alone for an app's own.
pub fn origin(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else { return String::new() };
    match rest.strip_prefix("//") {
        Some(place) if matches!(scheme, "http" | "https") => {
            let end = place.find(['/', '?']).unwrap_or(place.len());
            format!("{scheme}://{}", &place[..end])
        }
        _ => format!("{scheme}:"),
    }
}

/// `uri` with these parameters in its query.
pub fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = uri.to_owned();
    for (name, value) in pairs {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(name);
        out.push('=');
        record::percent_encode(value, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_may_be_registered() {
        for uri in [
            "https://app.example.com/back",
            "https://app.example.com",
            "https://app.example.com:8443/back?tenant=1",
            "http://127.0.0.1/back",
            "http://127.0.0.1:8000/",
            "http://[::1]:8000/back",
            "http://localhost:3000/back",
            "com.example.app:/back",
            "com.example.app://back/here",
        ] {
            assert!(is_redirect(uri), "{uri}");
        }
        for uri in [
            "",
            "back",
            "/back",
            "//app.example.com/back",
            "https:",
            "https://",
            "https:///back",
            "https:/app.example.com",
            "http://app.example.com/back",
            "http://127.0.0.1.example.com/back",
            "http://127.0.0.2/back",
            "https://app.example.com/back#there",
            "https://app.example.com/back#",
            "https://user@app.example.com/",
            "https://user:word@app.example.com/",
            "https://*.example.com/",
            "https://App.example.com/",
            "HTTPS://app.example.com/",
            "https://app.example.com./",
            "https://app..example.com/",
            "https://app.example.com:/",
            "https://app.example.com:0/",
            "https://app.example.com:99999/",
            "https://app.example.com:80:81/",
            "https://app.example.com/a/../b",
            "https://app.example.com/a/./b",
            "https://app.example.com/a/%2e%2e/b",
            "https://app.example.com/a//b",
            "https://app.example.com/a%2fb",
            "https://app.example.com/%",
            "https://app.example.com/%zz",
            "https://app.example.com/%00",
            "https://app.example.com/%0d%0aX:1",
            "https://app.example.com/a b",
            "https://app.example.com/\u{e9}",
            "https://app.example.com\\@evil.test/",
            "https://app.example.com/\r\nX: 1",
            "https://[::g]/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "intent://x",
            "vitae:/back",
            "com.example.app:back",
            "com.example.app:/a@b",
            " https://app.example.com/",
        ] {
            assert!(!is_redirect(uri), "{uri}");
        }
        let long = |n: usize| is_redirect(&format!("https://a.test/{}", "a".repeat(n - 15)));
        assert!(long(URI_BYTES_MAX) && !long(URI_BYTES_MAX + 1));
    }

    #[test]
    fn only_the_port_of_this_computer_may_differ() {
        let same = |a, b| (is_same(a, b, true), is_same(a, b, false));
        let registered = "http://127.0.0.1/back";
        assert_eq!(same(registered, "http://127.0.0.1:5000/back"), (true, false));
        assert_eq!(same("http://[::1]:1/back", "http://[::1]:2/back"), (true, false));
        assert_eq!(same(registered, registered), (true, true));
        for other in [
            "http://127.0.0.1:5000/back/",
            "http://127.0.0.1:5000/Back",
            "http://127.0.0.1:5000/back?x=1",
            "http://127.0.0.1:5000@evil.test/back",
            "http://127.0.0.1:x/back",
            "http://localhost:5000/back",
            "http://[::1]:5000/back",
            "https://127.0.0.1:5000/back",
        ] {
            assert_eq!(same(registered, other), (false, false), "{other}");
        }
        let far = "https://app.example.com/back";
        assert_eq!(same(far, "https://app.example.com:8443/back"), (false, false));
        assert_eq!(same("http://localhost/back", "http://localhost:5/back"), (false, false));
    }

    #[test]
    fn answers_go_into_the_query() {
        let back = with_query("https://a.test/b?x=1", &[("code", "a b"), ("state", "&=")]);
        assert_eq!(back, "https://a.test/b?x=1&code=a%20b&state=%26%3D");
        assert_eq!(with_query("https://a.test/b", &[("a", "1")]), "https://a.test/b?a=1");
        assert_eq!(origin("https://a.test:8443/b?c"), "https://a.test:8443");
        assert_eq!(origin("com.example.app:/b"), "com.example.app:");
    }
}
