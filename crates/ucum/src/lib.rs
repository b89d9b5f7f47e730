//! Units of measure: is a code valid, and what is a number of it in base units?
//!
//! Source: UCUM 2.2 (<https://ucum.org>), case sensitive codes. The table of units is written by
//! `cargo xtask codegen` from the definitions that UCUM publishes.
//! Not here: names for display, the case insensitive variant.

mod function;
mod read;
mod table;
mod unit;

pub use read::{UNIT_BYTES_MAX, UNIT_DEPTH_MAX};
pub use unit::{Canonical, Unit, convert};
