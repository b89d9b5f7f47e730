//! What an account has beside its password: passkeys, an authenticator app, recovery codes.
//!
//! Source: RFC 6238 (TOTP: SHA-1, six digits, 30 s, as every authenticator app has it).
//! The seed is kept as the database keeps everything: encrypted where the practice's folder is.
//! It has no envelope of its own, because the only key that this crate could wrap it with would
//! lie in the same database. Recovery codes are kept as their hash: they hold 120 random bits.

use fhir::json::Value;
use totp_rs::Builder;
use webauthn_rs::prelude::Passkey;

use crate::account::Account;
use crate::item::{Item, Making};
use crate::secret::{Digest256, digest, equal, hex, unhex};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

const FACTORS: &str = "auth.factors";
/// Bytes of the seed of an authenticator app: those of SHA-1's output (RFC 4226 §4).
const SEED_BYTES: usize = 20;
/// Seconds for which a code of an authenticator app is shown.
const STEP_S: u64 = 30;
/// Steps before and after the server's time whose code is good: clocks differ.
const SKEW_STEPS: u16 = 1;
/// Recovery codes that are made at a time.
pub const RECOVERY_CODES: usize = 10;
/// Letters of a recovery code without its dashes; each holds five random bits.
const RECOVERY_LETTERS: usize = 24;
/// Letters between two dashes.
const RECOVERY_GROUP: usize = 4;
/// Passkeys that one account may have.
pub const PASSKEYS_MAX: usize = 20;
/// Characters of the name of a passkey.
pub const PASSKEY_NAME_CHARS_MAX: usize = 60;
/// Tries to write what others write at the same time.
const WRITES_MAX: usize = 128;

/// What an account has beside its password, as pages show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// Since when an authenticator app is asked; not at all.
    pub app_since_ms: Option<i64>,
    /// Recovery codes that are left.
    pub n_recovery_codes: usize,
    pub passkeys: Vec<PasskeyRow>,
}

impl Factors {
    /// Whether there is a second factor: recovery codes alone are none.
    pub fn has_second(&self) -> bool {
        self.app_since_ms.is_some() || !self.passkeys.is_empty()
    }
}

/// One passkey in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRow {
    pub id: String,
    pub name: String,
    pub since_ms: i64,
    pub used_ms: Option<i64>,
}

/// An authenticator app that is being set up; nothing is kept until a code of it was shown.
#[derive(Clone)]
pub struct AppSetup {
    seed: Vec<u8>,
    /// To type where a camera does not help: base32 in groups of four.
    pub typed: String,
    /// `otpauth://` address, for a QR code.
    pub url: String,
}

impl AppSetup {
    /// The seed as a form carries it, in hexadecimal.
    pub fn seed_text(&self) -> String {
        hex(&self.seed)
    }
}

pub(crate) struct Kept {
    pub row: PasskeyRow,
    pub key: Passkey,
}

#[derive(Default)]
pub(crate) struct Stored {
    /// Name of the account, by which it is found from its id.
    pub name: String,
    app: Option<App>,
    codes: Vec<Digest256>,
    pub passkeys: Vec<Kept>,
}

struct App {
    seed: Vec<u8>,
    since_ms: i64,
    /// Number of the last 30 seconds whose code was used; codes up to it are no longer good.
    last_step: u64,
}

impl Stored {
    pub fn shown(&self) -> Factors {
        Factors {
            app_since_ms: self.app.as_ref().map(|app| app.since_ms),
            n_recovery_codes: self.codes.len(),
            passkeys: self.passkeys.iter().map(|kept| kept.row.clone()).collect(),
        }
    }

    /// What a new account has that signs in with this passkey.
    pub fn of_passkey(name: &str, kept: Kept) -> Stored {
        Stored { name: name.to_owned(), passkeys: vec![kept], ..Stored::default() }
    }

    /// The write that keeps it for the account of this id.
    pub fn write(&self, account_id: &str) -> Result<ItemWrite, Error> {
        let key = account_id.as_bytes().to_vec();
        Ok(ItemWrite { collection: FACTORS, key, value: Some(self.bytes()?) })
    }

    fn parse(bytes: &[u8]) -> Result<Stored, Error> {
        let item = Item::parse(bytes)?;
        let damaged = || Error::storage("the factors of an account cannot be read");
        let app = match item.may("seed") {
            None => None,
            Some(seed) => Some(App {
                seed: unhex(&seed).ok_or_else(damaged)?,
                since_ms: item.ms("app_since_ms")?,
                last_step: u64::try_from(item.ms("app_last_step")?).map_err(Error::storage)?,
            }),
        };
        let codes = item.list("codes").iter().map(|code| {
            let bytes = code.as_str().and_then(unhex);
            bytes.and_then(|b| Digest256::try_from(b).ok()).ok_or_else(damaged)
        });
        let passkeys = item.list("passkeys").iter().map(|value| {
            let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
            let ms = |name| crate::account::number_ms(value.get(name));
            let key = text("key").ok_or_else(damaged)?;
            Ok(Kept {
                row: PasskeyRow {
                    id: text("id").ok_or_else(damaged)?,
                    name: text("name").ok_or_else(damaged)?,
                    since_ms: ms("since_ms").ok_or_else(damaged)?,
                    used_ms: ms("used_ms"),
                },
                key: serde_json::from_str(&key).map_err(Error::storage)?,
            })
        });
        Ok(Stored {
            name: item.text("name")?,
            app,
            codes: codes.collect::<Result<_, Error>>()?,
            passkeys: passkeys.collect::<Result<_, Error>>()?,
        })
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let mut passkeys = Vec::new();
        for kept in &self.passkeys {
            let key = serde_json::to_string(&kept.key).map_err(Error::storage)?;
            let mut value = Value::object([
                ("id", Value::from(kept.row.id.clone())),
                ("name", Value::from(kept.row.name.clone())),
                ("since_ms", Value::from(kept.row.since_ms)),
                ("key", Value::from(key)),
            ]);
            if let Some(used_ms) = kept.row.used_ms {
                value.set("used_ms", Value::from(used_ms));
            }
            passkeys.push(value);
        }
        let codes = self.codes.iter().map(|code| Value::from(hex(code)));
        let mut making = Making::new()
            .with("name", self.name.as_str())
            .with("codes", Value::array(codes))
            .with("passkeys", Value::array(passkeys));
        if let Some(app) = &self.app {
            let last_step = i64::try_from(app.last_step).map_err(Error::storage)?;
            making = making
                .with("seed", hex(&app.seed))
                .with("app_since_ms", app.since_ms)
                .with("app_last_step", last_step);
        }
        Ok(making.bytes())
    }
}

impl Auth {
    /// What the account of this id has beside its password.
    pub fn factors(&self, account_id: &str) -> Result<Factors, Error> {
        Ok(self.stored_factors(account_id)?.shown())
    }

    pub(crate) fn stored_factors(&self, account_id: &str) -> Result<Stored, Error> {
        let bytes = self.vault.item(FACTORS, account_id.as_bytes())?;
        bytes.map_or_else(|| Ok(Stored::default()), |bytes| Stored::parse(&bytes))
    }

    /// A seed for an authenticator app of `account`, with the name of the practice beside it.
    pub fn app_setup(&self, name: &str, practice: &str) -> Result<AppSetup, Error> {
        let mut seed = vec![0; SEED_BYTES];
        self.world.random(&mut seed);
        self.app_setup_of(&seed, name, practice)
    }

    /// The setup that a form carried back.
    ///
    /// Errors: [`Kind::Invalid`] for what is no seed.
    pub fn app_setup_again(
        &self,
        seed: &str,
        name: &str,
        practice: &str,
    ) -> Result<AppSetup, Error> {
        let seed = unhex(seed).filter(|seed| seed.len() == SEED_BYTES);
        let seed = seed.ok_or_else(|| Error::new(Kind::Invalid, "this is no seed"))?;
        self.app_setup_of(&seed, name, practice)
    }

    fn app_setup_of(&self, seed: &[u8], name: &str, practice: &str) -> Result<AppSetup, Error> {
        // A colon divides the two in the address.
        let issuer = practice.replace(':', " ");
        let totp = totp(seed).with_account_name(name).with_issuer(Some(issuer)).build();
        let totp = totp.map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let url = totp.to_url().map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let base32 = totp.secret().to_base32();
        Ok(AppSetup { seed: seed.to_vec(), typed: grouped(&base32), url })
    }

    /// Asks for codes of this authenticator app from now on; `code` shows that it works.
    ///
    /// Errors: [`Kind::Refused`] for a wrong code.
    pub fn set_app(&self, account: &Account, setup: &AppSetup, code: &str) -> Result<(), Error> {
        let step = self.step_of(&setup.seed, code).ok_or_else(wrong_code)?;
        let since_ms = self.now_ms();
        let seed = setup.seed.clone();
        self.change_factors(account, "second-factor-added", |stored| {
            stored.app = Some(App { seed: seed.clone(), since_ms, last_step: step });
            Ok(())
        })
    }

    /// Asks for no authenticator app any more. Without a second factor, recovery codes go too.
    pub fn remove_app(&self, account: &Account) -> Result<(), Error> {
        self.change_factors(account, "second-factor-removed", |stored| {
            stored.app = None;
            if stored.passkeys.is_empty() {
                stored.codes.clear();
            }
            Ok(())
        })
    }

    /// Takes every passkey, the authenticator app and the recovery codes from an account, as when
    /// a person lost them, and ends its sessions.
    ///
    /// Errors: [`Kind::NotFound`].
    pub fn reset_factors(&self, name: &str) -> Result<(), Error> {
        let account = self.account(name)?.ok_or_else(crate::account::not_found)?;
        self.change_factors(&account, "second-factor-reset", |stored| {
            *stored = Stored { name: stored.name.clone(), ..Stored::default() };
            Ok(())
        })?;
        self.end_sessions_of(&account.id)
    }

    /// New recovery codes in place of those that were; shown once.
    pub fn make_recovery_codes(&self, account: &Account) -> Result<Vec<String>, Error> {
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| self.recovery_code()).collect();
        let kept: Vec<Digest256> = codes.iter().map(|code| digest(&bare(code))).collect();
        self.change_factors(account, "recovery-codes-made", |stored| {
            stored.codes.clone_from(&kept);
            Ok(())
        })?;
        Ok(codes)
    }

    fn recovery_code(&self) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut bytes = [0; RECOVERY_LETTERS];
        self.world.random(&mut bytes);
        let letters = bytes.map(|b| char::from(LETTERS[usize::from(b % 32)]));
        grouped(&letters.iter().collect::<String>()).replace(' ', "-")
    }

    /// Uses up a code of the authenticator app, or a recovery code, of an account. Each is good
    /// once, whoever tries at the same time.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike.
    pub(crate) fn use_code(&self, account: &Account, code: &str) -> Result<(), Error> {
        let code = bare(code);
        let step_code = code.len() < RECOVERY_LETTERS;
        let action = if step_code { "second-factor-used" } else { "recovery-code-used" };
        self.change_factors(account, action, |stored| {
            if step_code {
                let app = stored.app.as_mut().ok_or_else(wrong_code)?;
                let step = self.step_of(&app.seed, &code).ok_or_else(wrong_code)?;
                if step <= app.last_step {
                    return Err(wrong_code());
                }
                app.last_step = step;
                return Ok(());
            }
            let shown = digest(&code);
            let at = stored.codes.iter().position(|kept| equal(kept, &shown));
            stored.codes.remove(at.ok_or_else(wrong_code)?);
            Ok(())
        })
    }

    /// Number of the 30 seconds in which `code` is the one of `seed`, by the server's time.
    fn step_of(&self, seed: &[u8], code: &str) -> Option<u64> {
        let now_s = u64::try_from(self.now_ms() / 1000).ok()?;
        let is_code = code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit());
        if !is_code {
            return None;
        }
        totp(seed).build().ok()?.check(code, now_s)
    }

    /// Changes what an account has; nobody else's change in between is lost.
    pub(crate) fn change_factors<T>(
        &self,
        account: &Account,
        action: &'static str,
        change: impl Fn(&mut Stored) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let key = account.id.as_bytes();
        for _ in 0..WRITES_MAX {
            let before = self.vault.item(FACTORS, key)?;
            let mut stored = match &before {
                Some(bytes) => Stored::parse(bytes)?,
                None => Stored::default(),
            };
            stored.name.clone_from(&account.name);
            let out = change(&mut stored)?;
            let item = |value| ItemWrite { collection: FACTORS, key: key.to_vec(), value };
            let event = self.event(action, true, &account.name, None);
            let write = item(Some(stored.bytes()?));
            if self.vault.write_if(vec![item(before)], vec![write], event)? {
                return Ok(out);
            }
        }
        Err(Error::storage("others write the factors of this account all the time"))
    }
}

fn totp(seed: &[u8]) -> Builder {
    Builder::new().with_secret(seed.to_vec()).with_skew(SKEW_STEPS).with_step_duration(STEP_S)
}

fn wrong_code() -> Error {
    Error::new(Kind::Refused, "the code is wrong or was used")
}

fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let groups: Vec<String> =
        letters.chunks(RECOVERY_GROUP).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

/// A code as typed, without what people put between its parts.
fn bare(code: &str) -> String {
    let letters = code.chars().filter(|c| !matches!(c, '-' | ' ' | '\u{2013}'));
    letters.flat_map(char::to_lowercase).take(RECOVERY_LETTERS + 1).collect()
}
