//! What the standard library lacks and every layer may use: identifiers, encodings, Merkle trees.
//!
//! No I/O, clock or randomness: callers hand in time and random bytes.
