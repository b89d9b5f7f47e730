//! Tests of the door.

mod audit;
mod cases;
mod common;
mod custom;
mod custom_links;
mod door;
mod everything;
mod export;
mod find;
mod full_disk;
mod hostile;
mod kinds;
mod laws;
mod leak;
mod suites;
mod who;
