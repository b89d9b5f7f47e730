//! The hash behind the lookup of JSON names; `xtask` includes this file to search for seeds.

/// FNV-1a started from a seed, folded so that the low bits depend on all bytes.
#[inline]
pub const fn name_hash(seed: u32, name: &[u8]) -> u32 {
    let mut hash = seed;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash ^ (hash >> 15)
}
