//! What the standard library lacks and every layer may use: encodings and Merkle trees.
//!
//! No I/O, clock or randomness: callers hand in time and random bytes.

pub mod base64;
pub mod hex;
pub mod merkle;
pub mod varint;
