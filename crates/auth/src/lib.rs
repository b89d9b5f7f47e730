//! Who is asking: accounts, sessions, programs, what people let programs do, tokens, and how often
//! they may try.
//!
//! Accounts, clients, sessions and tokens live in named collections beside the record, written
//! through the record's one commit. Nothing that opens a door is stored: passwords are Argon2id,
//! tokens, session tokens and client secrets are SHA-256 of 256 random bits. What a request pays
//! is one hash and one look into memory.
//!
//! Does not decide who may see what: it says who asks, in which role, with which scopes; the
//! record decides.

mod account;
mod assertion;
mod authorize;
mod client;
mod dpop;
mod error;
mod factor;
mod grant;
mod invite;
mod item;
mod jose;
mod judge;
mod launch;
mod live;
mod passkey;
mod password;
mod redirect;
mod register;
mod secret;
mod session;
mod signin;
mod signing;
mod site;
mod throttle;
mod token;
mod vault;

pub use account::{Account, NewAccount};
pub use assertion::{ASSERTION_LIFE_MS_MAX, CLOCK_SKEW_MS, KeySource, Shown};
pub use authorize::{AuthorizeRequest, Consent, Unfit, life_ms, ticked};
pub use client::{Client, NewClient, NewProof, Proof};
pub use dpop::{PROOF_AGE_MS_MAX, Possession};
pub use error::{Error, Kind};
pub use factor::{
    AppSetup, Factors, PASSKEY_NAME_CHARS_MAX, PASSKEYS_MAX, PasskeyRow, RECOVERY_CODES,
};
pub use grant::{CODE_LIFE_MS, Grant, Issued, OFFLINE_LIFE_MS, Person, Redeem, TOKENS_MAX};
pub use invite::{INVITATION_LIFE_MS, INVITATIONS_MAX, Invitation};
pub use jose::{JWKS_BYTES_MAX, KeySet};
pub use judge::{KnownPasswords, Rules, is_common};
pub use launch::{LAUNCH_LIFE_MS, Launch};
pub use passkey::{Asked, CEREMONIES_MAX, CEREMONY_LIFE_MS};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
pub use redirect::origin;
pub use register::{PENDING_LIFE_MS, PENDING_MAX};
pub use secret::{Secret, equal};
pub use session::{
    ADMIN_IDLE_MS, Means, PROOF_LIFE_MS, SESSION_IDLE_MS, SESSION_LIFE_MS, Session, Stage,
    Standing, WAITING_LIFE_MS, idle_ms,
};
pub use signin::{Caller, DEVICE_LIFE_MS, DEVICES_MAX};
pub use signing::{ID_TOKEN_LIFE_MS, KEY_KEPT_MS, KEY_LIFE_MS};
pub use site::Site;
pub use token::{Introspection, Scheme, TOKEN_LIFE_MS, Token};
pub use vault::{Event, ItemWrite, MemoryVault, Vault};

use std::sync::{Arc, OnceLock};

use record::World;

/// How far a clock may be set back before what was made since is no longer good.
pub const CLOCK_BACK_MS: i64 = 5 * 60_000;

/// Knows the accounts and clients of one practice. Share it behind an `Arc`.
pub struct Auth {
    vault: Arc<dyn Vault>,
    world: Arc<dyn World>,
    /// Verified against when a name is unknown, so that it costs what a known one costs.
    decoy: password::Hash,
    hashing: password::Slots,
    throttle: throttle::Throttle,
    code_throttle: throttle::Throttle,
    ceremonies: passkey::Ceremonies,
    rules: OnceLock<Rules>,
    sessions: live::Live<Session>,
    tokens: live::Live<Token>,
    signing: signing::Signing,
    proofs: dpop::Seen,
    key_source: OnceLock<Arc<dyn KeySource>>,
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
            throttle: throttle::Throttle::of_passwords(),
            code_throttle: throttle::Throttle::of_codes(),
            ceremonies: passkey::Ceremonies::default(),
            rules: OnceLock::new(),
            sessions: live::Live::default(),
            tokens: live::Live::default(),
            signing: signing::Signing::default(),
            proofs: dpop::Seen::default(),
            key_source: OnceLock::new(),
        }
    }

    fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }
}
