//! Programs that act for people and by themselves: authorization requests, codes, refresh tokens,
//! assertions, proofs of possession, registration, and the days on which each goes wrong.

mod authorize;
mod kit;
mod proofs;
mod registration;
mod tokens;
