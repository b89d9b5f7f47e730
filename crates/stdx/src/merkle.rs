//! Merkle tree over an append-only list, kept as the roots of its perfect subtrees.
//!
//! Source: RFC 9162 §2.1.1 (hash of a list); SHA-256, leaf prefix 0x00, node prefix 0x01.
//! Proofs are not built here.

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
    fn bytes_that_do_not_fit_are_refused() {
        assert_eq!(Frontier::from_bytes(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Frontier::from_bytes(&[0; 7]), None);
    }
}
