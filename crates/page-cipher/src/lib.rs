//! SQLCipher, compiled here, with its cryptography done by AWS-LC.
//!
//! Pages are AES-256-CBC with an HMAC each, in the format of SQLCipher 4: a file opens with any
//! SQLCipher 4 that is given the same key and settings. One crypto stack serves TLS and storage,
//! and a build needs a C compiler, not OpenSSL.
//!
//! How it fits together: the workspace asks for `rusqlite` with `in_gecko`, which means "someone
//! else links SQLite"; this crate is that someone. `build.rs` compiles the amalgamation of the
//! crate `sqlcipher-src` with `SQLCIPHER_CRYPTO_CUSTOM=vitae_sqlcipher_provider`, and
//! [`provider`](self) defines that function. Its SQLite must be at least the version that
//! `libsqlite3-sys` has bindings for; a test compares the two.
//!
//! Source: SQLCipher 4 `sqlcipher.h`, `struct sqlcipher_provider`.
//! It does not hold keys: they arrive with each call, and what is derived from them is wiped.
#![expect(unsafe_code, reason = "the surface between SQLCipher (C) and AWS-LC (C)")]

mod provider;

use std::ffi::c_int;

unsafe extern "C" {
    safe fn sqlite3_libversion_number() -> c_int;
}

/// Makes sure that SQLCipher is linked into the program, and gives the version of its SQLite.
///
/// Shape: SQLite's number, 3054001 for 3.54.1.
/// A program that uses `rusqlite` calls this once, before it opens a database.
pub fn link() -> i32 {
    sqlite3_libversion_number()
}
