//! Who is asking: accounts, sessions, clients, tokens, and how often they may try.
//!
//! Accounts, clients, sessions and tokens live in named collections beside the record, written
//! through the record's one commit. Nothing that opens a door is stored: passwords are Argon2id,
//! tokens, session tokens and client secrets are SHA-256 of 256 random bits. What a request pays
//! is one hash and one look into memory.
//!
//! Does not decide who may see what: it says who asks, in which role, with which scopes; the
//! record decides.

mod account;
mod client;
mod error;
mod live;
mod password;
mod secret;
mod session;
mod throttle;
mod token;
mod vault;

pub use account::{Account, NewAccount};
pub use client::{Client, NewClient};
pub use error::{Error, Kind};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
pub use secret::Secret;
pub use session::{SESSION_IDLE_MS, SESSION_LIFE_MS, Session};
pub use token::{Introspection, TOKEN_LIFE_MS, TOKEN_LIFE_MS_MAX, TOKEN_LIFE_MS_MIN, Token};
pub use vault::{Event, ItemWrite, MemoryVault, Vault};

use std::sync::Arc;

use record::World;

/// Knows the accounts and clients of one practice. Share it behind an `Arc`.
pub struct Auth {
    vault: Arc<dyn Vault>,
    world: Arc<dyn World>,
    /// Verified against when a name is unknown, so that it costs what a known one costs.
    decoy: password::Hash,
    hashing: password::Slots,
    throttle: throttle::Throttle,
    sessions: live::Live<Session>,
    tokens: live::Live<Token>,
}

impl Auth {
    /// `vault` keeps what must outlive the process; `world` gives time and randomness.
    pub fn new(vault: Arc<dyn Vault>, world: Arc<dyn World>) -> Auth {
        let decoy = password::Hash::of("no account has this password", &*world);
        Auth {
            vault,
            world,
            decoy,
            hashing: password::Slots::new(password::PARALLEL_MAX),
            throttle: throttle::Throttle::default(),
            sessions: live::Live::default(),
            tokens: live::Live::default(),
        }
    }

    fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }
}
