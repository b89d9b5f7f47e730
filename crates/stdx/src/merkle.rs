//! Merkle tree over an append-only list, kept as the roots of its perfect subtrees.
//!
//! Source: RFC 9162 §2.1.1 (hash of a list); SHA-256, leaf prefix 0x00, node prefix 0x01.
//! §2.1.4 (consistency of two trees).

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// Hash of one leaf. Source: RFC 9162 §2.1.1.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// Hash of an inner node. Source: RFC 9162 §2.1.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The state that is needed to append and to tell the root: one hash per set bit of the size,
/// largest subtree first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn append(&mut self, leaf: &[u8]) {
        let mut hash = leaf_hash(leaf);
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak per set bit");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Root of the tree. The empty tree has the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::new().finalize().into() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Size and peaks as bytes: 8 bytes little endian, then 32 each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_le_bytes().to_vec();
        self.peaks.iter().for_each(|p| out.extend_from_slice(p));
        out
    }

    /// Inverse of [`Frontier::to_bytes`]; `None` when the bytes do not fit together.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frontier> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_le_bytes(*size);
        let (peaks, tail) = rest.as_chunks::<32>();
        (tail.is_empty() && peaks.len() == size.count_ones() as usize)
            .then(|| Frontier { size, peaks: peaks.to_vec() })
    }
}

/// Hashes that show that the tree of the first `m` leaves is the beginning of that of the first
/// `n`. `hash` gives the hash of the leaves from one number up to but not including another.
///
/// Shape: empty for `m == 0` and `m == n`.
/// Source: RFC 9162 §2.1.4.1.
/// Errors: those of `hash`.
pub fn consistency_proof<E>(
    m: u64,
    n: u64,
    hash: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    if m == 0 || m >= n {
        return Ok(proof);
    }
    let (mut start, mut end, mut m, mut is_whole) = (0, n, m, true);
    while m < end - start {
        let k = split(end - start);
        if m <= k {
            proof.push(hash(start + k, end)?);
            end = start + k;
        } else {
            proof.push(hash(start, start + k)?);
            start += k;
            m -= k;
            is_whole = false;
        }
    }
    if !is_whole {
        proof.push(hash(start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `n`, which is 2 or more.
pub fn split(n: u64) -> u64 {
    n.next_power_of_two() / 2
}

/// Whether a proof shows that a tree of `m` leaves is the beginning of one of `n`.
///
/// Source: RFC 9162 §2.1.4.2.
pub fn is_consistent(m: u64, n: u64, root_m: &Hash, root_n: &Hash, proof: &[Hash]) -> bool {
    if m == n {
        return proof.is_empty() && root_m == root_n;
    }
    if m == 0 {
        // The empty tree is the beginning of every tree.
        return proof.is_empty() && *root_m == Frontier::new().root();
    }
    if m > n {
        return false;
    }
    let mut proof = proof.iter();
    let (mut first, mut last) = (m - 1, n - 1);
    while first & 1 == 1 {
        first >>= 1;
        last >>= 1;
    }
    let begin = if first == 0 { Some(root_m) } else { proof.next() };
    let Some(begin) = begin else { return false };
    let (mut old, mut new) = (*begin, *begin);
    for hash in proof {
        if last == 0 {
            return false;
        }
        if first & 1 == 1 || first == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while first & 1 == 0 && first != 0 {
                first >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        first >>= 1;
        last >>= 1;
    }
    last == 0 && old == *root_m && new == *root_n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 9162 §2.1.1, word by word.
    fn by_definition(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Sha256::new().finalize().into(),
            [one] => leaf_hash(one),
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&by_definition(&leaves[..k]), &by_definition(&leaves[k..]))
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let leaves: Vec<Vec<u8>> = (0..70u8).map(|i| vec![i; usize::from(i % 5)]).collect();
        let mut frontier = Frontier::new();
        for n in 0..=leaves.len() {
            assert_eq!(frontier.root(), by_definition(&leaves[..n]), "{n} leaves");
            let again = Frontier::from_bytes(&frontier.to_bytes());
            assert_eq!(again.as_ref(), Some(&frontier));
            if let Some(leaf) = leaves.get(n) {
                frontier.append(leaf);
            }
        }
    }

    #[test]
    fn proofs_hold_for_every_pair_and_for_nothing_else() {
        let leaves: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i]).collect();
        let root = |n: u64| by_definition(&leaves[..n as usize]);
        for n in 0..=40u64 {
            for m in 0..=n {
                let mut hash = |from: u64, to: u64| {
                    Ok::<Hash, ()>(by_definition(&leaves[from as usize..to as usize]))
                };
                let proof = consistency_proof(m, n, &mut hash).expect("hashes");
                assert!(is_consistent(m, n, &root(m), &root(n), &proof), "{m} {n}");
                let other = leaf_hash(b"x");
                if m > 0 {
                    assert!(!is_consistent(m, n, &other, &root(n), &proof), "{m} {n}");
                }
                if m > 0 && m < n {
                    assert!(!is_consistent(m, n, &root(m), &other, &proof), "{m} {n}");
                    assert!(!is_consistent(m, n + 1, &root(m), &other, &proof), "{m} {n}");
                    let long = [&proof[..], &[other]].concat();
                    assert!(!is_consistent(m, n, &root(m), &root(n), &long), "{m} {n}");
                    let short = &proof[..proof.len() - 1];
                    assert!(!is_consistent(m, n, &root(m), &root(n), short), "{m} {n}");
                }
            }
        }
        assert!(!is_consistent(2, 1, &root(2), &root(1), &[]));
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused() {
        assert_eq!(Frontier::from_bytes(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Frontier::from_bytes(&[0; 7]), None);
    }
}
