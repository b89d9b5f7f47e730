//! Signing in, step by step, and who is known where.
//!
//! A password is one step. Whoever set up an authenticator app is asked for a code of it as the
//! second; until then the session opens nothing. Where the practice demands a second factor,
//! staff without one sets it up before anything else.

use std::sync::Arc;

use record::Role;

use crate::account::Account;
use crate::item::{Item, Making};
use crate::secret::{Secret, digest, hex};
use crate::session::{Means, Session, Stage};
use crate::throttle::{Place, Throttle};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

const DEVICES: &str = "auth.device";
/// Stands for the account of a name that nobody has: looking costs the same.
const NOBODY: &str = "00000000000000000000000000000000";
/// A browser is known this long after it was last signed in from.
pub const DEVICE_LIFE_MS: i64 = 180 * 86_400_000;
/// Known browsers of one account; the one not used for longest makes room.
pub const DEVICES_MAX: usize = 16;

/// Who calls, as far as known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    pub address: Option<&'a str>,
    /// What [`Auth::remember_device`] gave this browser.
    pub device: Option<&'a str>,
}

impl<'a> From<Option<&'a str>> for Caller<'a> {
    fn from(address: Option<&'a str>) -> Caller<'a> {
        Caller { address, device: None }
    }
}

impl Auth {
    /// Logs a person in; the secret goes into a cookie. [`Session::stage`] tells whether a second
    /// step is to come before the session opens anything.
    ///
    /// Errors: as [`Auth::check_password`].
    pub fn login<'a>(
        &self,
        name: &str,
        password: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let caller = caller.into();
        let checked = self.check_password(name, password, caller);
        let account = self.told("login", name, caller, checked)?;
        let factors = self.factors(&account.id)?;
        let is_demanded = self.rules().second_factor && account.role != Role::Patient;
        let stage = match (factors.app_since_ms, factors.has_second()) {
            (Some(_), _) => Stage::Code,
            (None, true) if is_demanded => Stage::Code,
            (None, false) if is_demanded => Stage::Enrol,
            (None, _) => Stage::Full,
        };
        self.start_session(&account, caller, Means::Password, stage)
    }

    /// The second step, with a code of the authenticator app or a recovery code.
    ///
    /// Errors: [`Kind::Refused`], [`Kind::Throttled`], [`Kind::Storage`].
    pub fn finish_login<'a>(
        &self,
        session: &Session,
        code: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let caller = caller.into();
        let checked = self.check_code(session, code, caller);
        let account = self.told("login", &session.name, caller, checked)?;
        self.step_up(session, &account, caller, Means::PasswordAndCode)
    }

    /// Goes on after a second factor was set up that the practice demands.
    ///
    /// Errors: [`Kind::Refused`] while there is none.
    pub fn finish_enrolment<'a>(
        &self,
        session: &Session,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let account = self.live_account(&session.name, &session.account_id)?;
        if session.stage != Stage::Enrol || !self.factors(&account.id)?.has_second() {
            return Err(Error::refused());
        }
        self.step_up(session, &account, caller.into(), Means::Password)
    }

    /// A session that opens pages in place of one that waited: under another secret, so that
    /// nobody who knew the first is in.
    pub(crate) fn step_up(
        &self,
        waiting: &Session,
        account: &Account,
        caller: Caller<'_>,
        means: Means,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let is_over = waiting.is_over(self.now_ms());
        if is_over || waiting.stage == Stage::Full || !self.end_waiting(waiting)? {
            return Err(Error::refused());
        }
        self.start_session(account, caller, means, Stage::Full)
    }

    pub(crate) fn check_code(
        &self,
        session: &Session,
        code: &str,
        caller: Caller<'_>,
    ) -> Result<Account, Error> {
        let account = self.live_account(&session.name, &session.account_id);
        let account = account.map_err(|error| match error.kind {
            Kind::Storage => error,
            _ => Error::refused(),
        })?;
        let place = self.place(Some(&account.id), caller)?;
        self.wait(&self.code_throttle, &account.id, &place)?;
        match self.use_code(&account, code) {
            Ok(()) => {
                self.code_throttle.succeeded(&account.id, &place);
                Ok(account)
            }
            Err(error) => {
                if error.kind == Kind::Refused {
                    self.code_throttle.failed(&account.id, &place, self.now_ms());
                }
                Err(error)
            }
        }
    }

    /// Writes a refusal into the audit log.
    pub(crate) fn told<T>(
        &self,
        action: &'static str,
        name: &str,
        caller: Caller<'_>,
        outcome: Result<T, Error>,
    ) -> Result<T, Error> {
        if let Err(error) = &outcome
            && error.kind != Kind::Storage
        {
            let event = self.event(action, false, name, caller.address);
            self.vault.write(Vec::new(), event)?;
        }
        outcome
    }

    pub(crate) fn wait(&self, throttle: &Throttle, name: &str, place: &Place) -> Result<(), Error> {
        match throttle.wait_ms(name, place, self.now_ms()) {
            0 => Ok(()),
            retry_after_ms => Err(Error::new(
                Kind::Throttled { retry_after_ms },
                format!("too many attempts; try again in {} s", (retry_after_ms + 999) / 1000),
            )),
        }
    }

    /// Where a caller stands to an account: at a browser or address from which its owner signed
    /// in before, or anywhere. Costs the same for a name that nobody has.
    pub(crate) fn place(
        &self,
        account_id: Option<&str>,
        caller: Caller<'_>,
    ) -> Result<Place, Error> {
        let prefix = account_id.unwrap_or(NOBODY).as_bytes();
        let shown = caller.device.map(digest).unwrap_or_default();
        let now_ms = self.now_ms();
        let mut is_known_address = false;
        for (key, bytes) in self.vault.items(DEVICES, prefix)? {
            let item = Item::parse(&bytes)?;
            if now_ms >= item.ms("used_ms")? + DEVICE_LIFE_MS {
                continue;
            }
            if caller.device.is_some() && key.get(prefix.len()..) == Some(&shown[..]) {
                return Ok(Place::Known(format!("device {}", hex(&shown[..8]))));
            }
            is_known_address |=
                caller.address.is_some() && item.may("address").as_deref() == caller.address;
        }
        let address = caller.address.unwrap_or_default().to_owned();
        Ok(if is_known_address { Place::Known(address) } else { Place::Anywhere(address) })
    }

    /// Notes that the owner of a full session signed in at this browser, so that guesses made
    /// elsewhere never make them wait here. The secret, if it is a new one, goes into a cookie.
    pub fn remember_device<'a>(
        &self,
        session: &Session,
        caller: impl Into<Caller<'a>>,
    ) -> Result<Option<Secret>, Error> {
        let caller = caller.into();
        if session.stage != Stage::Full {
            return Ok(None);
        }
        let account_id = &session.account_id;
        let mut known = self.vault.items(DEVICES, account_id.as_bytes())?;
        let shown = caller.device.map(|device| device_key(account_id, device));
        let is_new = !known.iter().any(|(key, _)| Some(key) == shown.as_ref());
        let secret = is_new.then(|| Secret::random("vd_", &*self.world));
        let key = match (&secret, shown) {
            (Some(secret), _) => device_key(account_id, secret.expose()),
            (None, Some(shown)) => shown,
            (None, None) => return Ok(None),
        };
        let mut writes = Vec::new();
        if is_new && known.len() >= DEVICES_MAX {
            let used_ms = |bytes: &[u8]| Item::parse(bytes).and_then(|item| item.ms("used_ms"));
            known.sort_by_key(|(_, bytes)| used_ms(bytes).unwrap_or(i64::MIN));
            let n_gone = known.len() + 1 - DEVICES_MAX;
            let gone = known.into_iter().take(n_gone);
            writes.extend(gone.map(|(key, _)| write(key, None)));
        }
        let address = caller.address.map(str::to_owned);
        let making = Making::new().with("used_ms", self.now_ms()).may("address", address.as_ref());
        writes.push(write(key, Some(making.bytes())));
        let event = self.event("device-known", true, &session.name, caller.address);
        self.vault.write(writes, event)?;
        Ok(secret)
    }

    /// Forgets the browsers of an account.
    pub(crate) fn forget_devices(&self, account: &Account) -> Result<(), Error> {
        let known = self.vault.items(DEVICES, account.id.as_bytes())?;
        if known.is_empty() {
            return Ok(());
        }
        let writes = known.into_iter().map(|(key, _)| write(key, None)).collect();
        self.vault.write(writes, self.event("devices-forgotten", true, &account.name, None))
    }
}

fn device_key(account_id: &str, device: &str) -> Vec<u8> {
    [account_id.as_bytes(), &digest(device)].concat()
}

fn write(key: Vec<u8>, value: Option<Vec<u8>>) -> ItemWrite {
    ItemWrite { collection: DEVICES, key, value }
}
