//! The authorization server over real sockets: apps that people open, allow and disconnect, and
//! programs that act by themselves.

mod g10;
mod kit;
mod programs;
#[path = "../support/mod.rs"]
mod support;
