//! Bundles that the door answers with, put together from stored text.
//!
//! Source: FHIR R4 bundle.html, http.html#search, #history, #paging. Resources are copied into
//! the Bundle as they are stored, never parsed.

use fhir::date::format_instant;
use fhir::json::write_string;

use fhir_tables::ResourceType;

use crate::request::Operation;
use crate::route::percent_encode;

/// `Patient/1/$everything`.
pub(crate) fn operation_path(name: Operation, rt: ResourceType, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("{rt}/{id}/${}", name.as_str()),
        None => format!("{rt}/${}", name.as_str()),
    }
}

/// Appends `?a=b&c=d` (`&` when there is a `?` already), encoded.
pub(crate) fn append_query(pairs: &[(String, String)], out: &mut String) {
    for (name, value) in pairs {
        out.push(if out.contains('?') { '&' } else { '?' });
        percent_encode(name, out);
        out.push('=');
        percent_encode(value, out);
    }
}

/// Writes a Bundle from top to bottom: links, then entries, then [`BundleText::finish`].
pub(crate) struct BundleText {
    out: String,
    n_links: usize,
    n_entries: usize,
}

impl BundleText {
    /// `total` stands before the links; `at_ms` is `meta.lastUpdated`.
    pub fn new(kind: &str, at_ms: Option<i64>, total: Option<u64>, capacity: usize) -> BundleText {
        let mut out = String::with_capacity(capacity + 512);
        out.push_str(r#"{"resourceType":"Bundle""#);
        if let Some(at_ms) = at_ms {
            out.push_str(r#","meta":{"lastUpdated":""#);
            out.push_str(&format_instant(at_ms));
            out.push_str("\"}");
        }
        out.push_str(r#","type":""#);
        out.push_str(kind);
        out.push('"');
        if let Some(total) = total {
            out.push_str(",\"total\":");
            out.push_str(&total.to_string());
        }
        BundleText { out, n_links: 0, n_entries: 0 }
    }

    /// Adds a page link; all links come before the first entry.
    pub fn link(&mut self, relation: &str, url: &str) {
        self.out.push_str(if self.n_links == 0 { ",\"link\":[" } else { "," });
        self.n_links += 1;
        self.out.push_str("{\"relation\":\"");
        self.out.push_str(relation);
        self.out.push_str("\",\"url\":");
        write_string(url, &mut self.out);
        self.out.push('}');
    }

    /// Begins an entry and gives the text to append its members to; the first member brings no
    /// comma.
    pub fn entry(&mut self, write: impl FnOnce(&mut String)) {
        if self.n_entries == 0 {
            if self.n_links > 0 {
                self.out.push(']');
            }
            self.out.push_str(",\"entry\":[");
        } else {
            self.out.push(',');
        }
        self.n_entries += 1;
        self.out.push('{');
        write(&mut self.out);
        self.out.push('}');
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, n_bytes: usize) {
        self.out.reserve(n_bytes);
    }

    /// Puts another head in the place of the first `n_bytes`, which were this Bundle before its
    /// first entry. Both have links.
    pub fn replace_head(&mut self, n_bytes: usize, head: &BundleText) {
        debug_assert!(self.n_links > 0 && head.n_links > 0 && head.n_entries == 0);
        self.out.replace_range(..n_bytes, &head.out);
    }

    pub fn finish(mut self) -> String {
        if self.n_entries > 0 || self.n_links > 0 {
            self.out.push(']');
        }
        self.out.push('}');
        self.out
    }
}

/// `"fullUrl":"base/Type/id"`.
pub(crate) fn full_url(base_url: &str, ty: &str, id: &str, out: &mut String) {
    out.push_str("\"fullUrl\":\"");
    out.push_str(base_url);
    out.push('/');
    out.push_str(ty);
    out.push('/');
    out.push_str(id);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_json_with_and_without_links_and_entries() {
        for (n_links, n_entries) in [(0, 0), (1, 0), (0, 1), (2, 2)] {
            let mut bundle = BundleText::new("searchset", Some(0), Some(2), 0);
            (0..n_links).for_each(|i| bundle.link("self", &format!("http://h/\"{i}")));
            (0..n_entries).for_each(|_| bundle.entry(|out| full_url("http://h", "A", "1", out)));
            let text = bundle.finish();
            let value = fhir::json::Value::parse(text.clone()).expect(&text);
            let len = |name| value.get(name).and_then(|v| v.as_array()).map_or(0, <[_]>::len);
            assert_eq!((len("link"), len("entry")), (n_links, n_entries));
            if n_links > 0 {
                let mut other = BundleText::new("history", None, None, 0);
                other.link("self", "http://h/other");
                let n_bytes = other.len();
                (0..n_entries).for_each(|_| other.entry(|out| full_url("http://h", "A", "1", out)));
                let mut head = BundleText::new("searchset", Some(0), Some(2), 0);
                (0..n_links).for_each(|i| head.link("self", &format!("http://h/\"{i}")));
                other.replace_head(n_bytes, &head);
                assert_eq!(other.finish(), text);
            }
        }
    }
}
