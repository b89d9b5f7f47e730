//! What a handler needs of a request's head: cookies, the fragment asked for, who calls.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, Method, Uri, header, request::Parts},
};

use crate::layout::Theme;

const FRAGMENT: HeaderName = HeaderName::from_static("x-fragment");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Bytes of a path and query to go to after signing in: the question of an app is long.
const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// Path and query.
    pub target: String,
    pub query: Vec<(String, String)>,
    /// Id of the element that the page's script wants to swap.
    pub fragment: Option<String>,
    pub address: Option<String>,
    pub referer: Option<String>,
    pub user_agent: String,
    cookies: Vec<(String, String)>,
}

impl Head {
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Path and query of the page that the request comes from, if it is one of ours.
    pub fn came_from(&self) -> Option<&str> {
        let (_, rest) = self.referer.as_deref()?.split_once("://")?;
        Some(local(rest.get(rest.find('/')?..)?))
    }

    pub fn theme(&self) -> Theme {
        Theme::from_cookie(self.cookie("theme").unwrap_or(""))
    }

    pub fn compact(&self) -> bool {
        self.cookie("density") == Some("compact")
    }

    pub fn wants(&self, fragment: &str) -> bool {
        self.fragment.as_deref() == Some(fragment)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Head {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Head, Infallible> {
        let text = |name: &HeaderName| {
            parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
        };
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|c| c.0)
            .or_else(|| parts.extensions.get::<SocketAddr>().copied());
        Ok(Head {
            target: parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
            query: pairs(&parts.uri),
            fragment: text(&FRAGMENT),
            address: peer.map(|p| p.ip().to_string()),
            referer: text(&header::REFERER),
            user_agent: text(&header::USER_AGENT).unwrap_or_default(),
            cookies: cookies(&parts.headers),
        })
    }
}

fn pairs(uri: &Uri) -> Vec<(String, String)> {
    record::parse_query(uri.query().unwrap_or(""))
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|c| c.trim().split_once('='))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

/// A writing request that a browser sent from another site.
///
/// Every browser says where a form comes from (`Sec-Fetch-Site`, or at least `Origin`); a caller
/// that says neither is no browser and carries no one's cookies by accident.
pub(crate) fn is_foreign_form(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let headers = request.headers();
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text(&SEC_FETCH_SITE) {
        return !matches!(site, "same-origin" | "none");
    }
    match headers.get(header::ORIGIN) {
        None => false,
        Some(origin) => {
            let host = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, h)| h);
            host.is_none() || host != text(&header::HOST)
        }
    }
}

/// A path of this site to go to after signing in; the first page for anything else.
pub(crate) fn local(target: &str) -> &str {
    let safe = target.starts_with('/')
        && !target.starts_with("//")
        && !target.contains('\\')
        && target.bytes().all(|b| (0x21..0x7f).contains(&b))
        && target.len() <= TARGET_BYTES_MAX;
    if safe && !target.starts_with("/login") { target } else { "/" }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn forms_of_other_sites_are_foreign() {
        let check = |method: &str, headers: &[(&str, &str)]| {
            let mut b = Request::builder().method(method).uri("/login").header("host", "a.test");
            for (n, v) in headers {
                b = b.header(*n, *v);
            }
            is_foreign_form(&b.body(Body::empty()).expect("a request"))
        };
        assert!(!check("GET", &[("sec-fetch-site", "cross-site")]));
        assert!(check("POST", &[("sec-fetch-site", "cross-site")]));
        assert!(check("POST", &[("sec-fetch-site", "same-site")]));
        assert!(!check("POST", &[("sec-fetch-site", "same-origin")]));
        assert!(!check("POST", &[("origin", "http://a.test")]));
        assert!(check("POST", &[("origin", "http://b.test")]));
        assert!(check("POST", &[("origin", "null")]));
        assert!(!check("POST", &[]));
    }

    #[test]
    fn after_signing_in_one_stays_here() {
        for (target, goes) in [
            ("/patients/1?x=2", "/patients/1?x=2"),
            ("//evil.test", "/"),
            ("https://evil.test", "/"),
            ("/\\evil.test", "/"),
            ("/login?next=/", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(target), goes, "{target:?}");
        }
    }
}
