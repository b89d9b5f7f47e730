//! What tests of several crates share. For development only.

pub mod suites;
