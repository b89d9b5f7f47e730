//! Bytes as base64 text, in the alphabet of RFC 4648 §4 and in that of §5 (base64url).

const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648 §5 without padding.
pub fn encode_url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            let digit = (n >> (18 - 6 * i)) & 63;
            out.push(char::from(URL[digit as usize]));
        }
    }
    out
}

/// RFC 4648 §4 with padding.
pub fn encode(bytes: &[u8]) -> String {
    let mut out: String = encode_url(bytes)
        .chars()
        .map(|digit| match digit {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    out.extend(std::iter::repeat_n('=', (4 - out.len() % 4) % 4));
    out
}

/// Inverse of [`encode_url`], in its one spelling: no padding, and bits that no byte has are zero.
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    let (bytes, left) = digits(text.bytes(), b'-', b'_')?;
    (left == 0 && text.len() % 4 != 1).then_some(bytes)
}

/// Bytes of text in the alphabet of RFC 4648 §4; white space and a missing padding are no error.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let is_digit = |b: &u8| !b.is_ascii_whitespace();
    let text: Vec<u8> = text.bytes().filter(is_digit).collect();
    let end = text.iter().position(|b| *b == b'=').unwrap_or(text.len());
    let (text, padding) = text.split_at(end);
    if padding.iter().any(|b| *b != b'=') {
        return None;
    }
    digits(text.iter().copied(), b'+', b'/').map(|(bytes, _)| bytes)
}

/// Whole bytes, and the bits that are left over.
fn digits(text: impl Iterator<Item = u8>, d62: u8, d63: u8) -> Option<(Vec<u8>, u32)> {
    let mut out = Vec::with_capacity(text.size_hint().0 * 3 / 4);
    let (mut bits, mut n_bits) = (0u32, 0);
    for b in text {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b if b == d62 => 62,
            b if b == d63 => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push((bits >> n_bits) as u8);
            bits &= (1 << n_bits) - 1;
        }
    }
    Some((out, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 §10.
    #[test]
    fn the_padded_form_is_undone() {
        for len in 0..20_u8 {
            let bytes: Vec<u8> = (0..len).map(|i| i.wrapping_mul(37).wrapping_add(200)).collect();
            let text = encode(&bytes);
            assert_eq!((text.len() % 4, decode(&text)), (0, Some(bytes)), "{text}");
        }
        assert_eq!(encode(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn the_vectors_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encode_url(bytes.as_bytes()), text);
            assert_eq!(decode_url(text).as_deref(), Some(bytes.as_bytes()));
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode("Zm8=").as_deref(), Some(&b"fo"[..]));
        assert_eq!(decode("Zm\n9v YmFy\n").as_deref(), Some(&b"foobar"[..]));
        assert_eq!(decode("+/8="), Some(vec![0xfb, 0xff]));
        assert_eq!(decode_url("-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(encode_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["Zh", "Z", "Zg=", "+/8", "Z g", "Zm9vY"] {
            assert_eq!(decode_url(text), None, "{text}");
        }
        for text in ["-_8=", "Zm=8", "Zm8=x", "Ü"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
