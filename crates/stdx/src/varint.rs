//! LEB128 integers: seven bits a byte, low bits first.

pub fn write(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Bytes that [`write`] needs.
pub const fn len(n: u64) -> usize {
    let bits = 64 - n.leading_zeros() as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Reads one integer and moves `bytes` behind it. `None` at the end of the bytes or above 64 bits.
#[inline]
pub fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    let mut shift = 0;
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && *first > 1 {
            return None;
        }
        n |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(n);
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_reads_back() {
        for n in (0..64).map(|i| 1u64 << i).chain([0, 127, 128, u64::MAX]) {
            let mut out = Vec::new();
            write(n, &mut out);
            assert_eq!(out.len(), len(n));
            let mut rest = &out[..];
            assert_eq!(read(&mut rest), Some(n));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn refuses_too_long_and_cut_off() {
        assert_eq!(read(&mut &[0x80u8][..]), None);
        assert_eq!(read(&mut &[0xff; 11][..]), None);
    }
}
