//! Value sets that an element is bound to with strength `required`.

use crate::generated::value_sets::VALUE_SETS;

/// A value set of a required binding, numbered in the order of the URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueSetId(pub u16);

pub(crate) struct ValueSetRow {
    pub url: &'static str,
    pub codes: Option<&'static [&'static str]>,
    pub systems: &'static [&'static str],
}

impl ValueSetId {
    /// The value set with this canonical URL, without version.
    pub fn by_url(url: &str) -> Option<ValueSetId> {
        let idx = VALUE_SETS.binary_search_by(|row| row.url.cmp(url)).ok()?;
        Some(ValueSetId(idx as u16))
    }

    /// The canonical URL without version.
    pub fn url(self) -> &'static str {
        VALUE_SETS[usize::from(self.0)].url
    }

    /// The codes in byte order; `None` when they cannot be listed, e.g. mime types or UCUM.
    pub fn codes(self) -> Option<&'static [&'static str]> {
        VALUE_SETS[usize::from(self.0)].codes
    }

    /// The code systems that the codes come from, in byte order; empty when not listed.
    pub fn systems(self) -> &'static [&'static str] {
        VALUE_SETS[usize::from(self.0)].systems
    }

    /// Whether `code` is in the value set. Always true when the codes cannot be listed.
    pub fn contains(self, code: &str) -> bool {
        match self.codes() {
            Some(codes) => codes.binary_search(&code).is_ok(),
            None => true,
        }
    }
}
