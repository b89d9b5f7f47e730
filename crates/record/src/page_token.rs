//! Signed places in a list, for page links.
//!
//! A token holds the snapshot it belongs to, the place, the direction and a hash of the query; it
//! is signed with HMAC-SHA256 under a key of the practice. A client cannot make one, nor use one
//! with another query.
//! Source: RFC 2104 (HMAC), RFC 4648 §5 (base64url).

use sha2::{Digest, Sha256};
use store::{Cursor, Rid};

use crate::error::{Error, Kind, Result};
use crate::links::append_query;
use crate::record::Record;

/// Length of the signature that a token carries, in bytes.
const TAG_BYTES: usize = 16;
const HASH_BYTES: usize = 12;
const FORM: u8 = 1;
/// Longest token that is looked at, in characters.
const TOKEN_MAX: usize = 4096;

/// The practice's key for page links.
#[derive(Clone)]
pub(crate) struct PageKey(pub [u8; 32]);

/// A place in a list as of snapshot `t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageToken {
    pub t: Rid,
    pub cursor: Cursor,
    pub backward: bool,
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK_BYTES: usize = 64;
    let mut pad = [0x36_u8; BLOCK_BYTES];
    for (byte, k) in pad.iter_mut().zip(key) {
        *byte ^= k;
    }
    let mut inner = Sha256::new();
    inner.update(pad);
    for part in parts {
        inner.update(part);
    }
    let inner = inner.finalize();
    for byte in &mut pad {
        *byte ^= 0x36 ^ 0x5c;
    }
    let mut outer = Sha256::new();
    outer.update(pad);
    outer.update(inner);
    outer.finalize().into()
}

fn query_hash(query: &str) -> [u8; HASH_BYTES] {
    let mut out = [0; HASH_BYTES];
    out.copy_from_slice(&Sha256::digest(query.as_bytes())[..HASH_BYTES]);
    out
}

/// Address of a page of the list that `own_path` names; of its beginning without a token.
pub(crate) fn url(record: &Record, own_path: &str, token: Option<&PageToken>) -> String {
    let slash = if own_path.is_empty() || own_path.starts_with(['/', '?']) { "" } else { "/" };
    let mut url = format!("{}{slash}{own_path}", record.base_url());
    if let Some(token) = token {
        let text = record.page_key().seal(own_path, token);
        append_query(&[("_page".to_owned(), text)], &mut url);
    }
    url
}

impl PageKey {
    /// Text of a token for the list that `query` names.
    pub fn seal(&self, query: &str, token: &PageToken) -> String {
        let mut bytes = vec![FORM, u8::from(token.backward)];
        bytes.extend(token.t.to_be_bytes());
        bytes.extend(token.cursor.rid.to_be_bytes());
        bytes.extend(query_hash(query));
        bytes.extend(&token.cursor.key);
        let tag = hmac(&self.0, &[&bytes]);
        bytes.extend(&tag[..TAG_BYTES]);
        base64url(&bytes)
    }

    /// Reads a token that belongs to the list that `query` names.
    ///
    /// Errors: `Invalid` for everything that this practice did not make for this query.
    pub fn open(&self, query: &str, text: &str) -> Result<PageToken> {
        let refused = || {
            Error::new(
                Kind::Invalid,
                "_page is not a page link of this query: start again without it",
            )
        };
        if text.len() > TOKEN_MAX {
            return Err(refused());
        }
        let bytes = unbase64url(text).ok_or_else(refused)?;
        let body_len = bytes.len().checked_sub(TAG_BYTES).ok_or_else(refused)?;
        let (body, tag) = bytes.split_at(body_len);
        let want = hmac(&self.0, &[body]);
        let difference = tag.iter().zip(&want).fold(0, |all, (a, b)| all | (a ^ b));
        if difference != 0 {
            return Err(refused());
        }
        let (head, rest) = body.split_at_checked(10).ok_or_else(refused)?;
        let (hash, key) = rest.split_at_checked(HASH_BYTES).ok_or_else(refused)?;
        let number =
            |at: usize| Rid::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[0] != FORM || hash != query_hash(query) {
            return Err(refused());
        }
        Ok(PageToken {
            t: number(2),
            cursor: Cursor { key: key.to_vec(), rid: number(6) },
            backward: head[1] != 0,
        })
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(n >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

/// Decodes base64 with either alphabet; padding is optional, white space is skipped. `None` for
/// anything else.
pub(crate) fn unbase64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut n, mut n_bits) = (0_u32, 0);
    for b in text.trim_end_matches('=').bytes() {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ => return None,
        };
        n = n << 6 | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push((n >> n_bits) as u8);
            n &= (1 << n_bits) - 1;
        }
    }
    // Bits that are left over must be padding; a whole digit of them is a cut text.
    (n == 0 && n_bits < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> PageToken {
        PageToken { t: 7, cursor: Cursor { key: b"abc".to_vec(), rid: 5 }, backward: true }
    }

    #[test]
    fn hmac_is_that_of_the_standard() {
        // RFC 4231, test case 2, with the key padded by zeros as the algorithm does.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(tag[28..], [0x64, 0xec, 0x38, 0x43]);
    }

    #[test]
    fn a_token_opens_with_its_key_and_query_only() {
        let key = PageKey([1; 32]);
        let text = key.seal("Patient?name=a", &token());
        assert_eq!(key.open("Patient?name=a", &text).ok(), Some(token()));
        assert!(key.open("Patient?name=b", &text).is_err());
        assert!(PageKey([2; 32]).open("Patient?name=a", &text).is_err());
        for i in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(key.open("Patient?name=a", &changed).is_err(), "character {i}");
        }
        for text in ["", "A", "!!!!", "AAAA", &text[1..]] {
            assert!(key.open("Patient?name=a", text).is_err());
        }
    }

    #[test]
    fn base64_is_undone() {
        for len in 0..20 {
            let bytes: Vec<u8> =
                (0..len).map(|i: u8| i.wrapping_mul(37).wrapping_add(200)).collect();
            assert_eq!(unbase64url(&base64url(&bytes)), Some(bytes));
        }
        assert_eq!(unbase64url("SGVs bG8="), Some(b"Hello".to_vec()));
        assert_eq!(unbase64url("SGVsbG9"), None);
    }
}
