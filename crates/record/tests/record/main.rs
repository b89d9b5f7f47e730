//! Tests of the door.

mod cases;
mod common;
mod door;
mod export;
mod full_disk;
mod kinds;
mod laws;
mod suites;
