//! Tests of the door.

mod cases;
mod common;
mod door;
mod kinds;
mod laws;
mod suites;
