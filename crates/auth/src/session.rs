//! Sessions of people: on the server, opaque, hashed at rest.
//!
//! A session that nothing came for is locked, not ended: it opens nothing until the person proves
//! again who they are, and then goes on where it was. It ends for good by its age.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use fhir::json::Value;
use record::{Actor, Ctx, Purpose, Role, Scopes};

use crate::account::{Account, number_ms};
use crate::secret::{Digest256, Secret, digest, hex};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

const SESSIONS: &str = "auth.session";
/// A session is locked when nothing came for this long.
pub const SESSION_IDLE_MS: i64 = 15 * 60_000;
/// A session ends this long after login, whatever came.
pub const SESSION_LIFE_MS: i64 = 12 * 3_600_000;
/// What is asked of a person who just proved who they are needs no second proof for this long.
pub const PROOF_LIFE_MS: i64 = 5 * 60_000;
/// How stale the stored time of last use may be.
const TOUCH_MS: i64 = 60_000;
/// Tries to write a session that others write at the same time.
const REWRITES_MAX: usize = 16;

/// A person at a browser.
#[derive(Debug)]
pub struct Session {
    /// Names the session in lists; not its token.
    pub id: String,
    pub account_id: String,
    pub name: String,
    pub role: Role,
    pub patient: Option<String>,
    pub started_ms: i64,
    /// Where the login came from, as far as known.
    pub address: Option<String>,
    key: Digest256,
    locked: AtomicBool,
    last_seen_ms: AtomicI64,
    touched_ms: AtomicI64,
    proved_ms: AtomicI64,
}

/// Where a browser stands that shows the secret of a session.
#[derive(Clone, Debug)]
pub enum Standing {
    /// No session has this secret, or it is over.
    Out,
    Live(Arc<Session>),
    /// Opens nothing until [`Auth::prove_again`].
    Locked(Arc<Session>),
}

impl Session {
    pub fn last_seen_ms(&self) -> i64 {
        self.last_seen_ms.load(Ordering::Relaxed)
    }

    /// When the person last proved who they are: at sign-in or since.
    pub fn proved_ms(&self) -> i64 {
        self.proved_ms.load(Ordering::Relaxed)
    }

    /// Whether the person proved who they are within [`PROOF_LIFE_MS`] before `now_ms`. A clock
    /// that was set back says no.
    pub fn is_proved(&self, now_ms: i64) -> bool {
        (0..PROOF_LIFE_MS).contains(&(now_ms - self.proved_ms()))
    }

    /// The reason under which the person asks: all that the role permits.
    pub fn ctx(&self, request_id: String, at_ms: i64, address: Option<String>) -> Ctx {
        Ctx {
            actor: Actor::User {
                id: self.account_id.clone(),
                name: self.name.clone(),
                role: self.role,
                patient: self.patient.clone(),
            },
            app: None,
            launch_patient: None,
            scopes: Scopes::all(),
            purpose: purpose_of(self.role),
            request_id,
            at_ms,
            address,
        }
    }

    pub fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.started_ms + SESSION_LIFE_MS
    }

    fn is_idle(&self, now_ms: i64) -> bool {
        self.is_locked() || now_ms >= self.last_seen_ms() + SESSION_IDLE_MS
    }
}

/// Why somebody of this role looks, unless they say otherwise.
pub(crate) const fn purpose_of(role: Role) -> Purpose {
    match role {
        Role::Patient => Purpose::PatientRequest,
        Role::Biller => Purpose::Payment,
        Role::Admin | Role::PrivacyOfficer => Purpose::Operations,
        Role::FrontDesk | Role::Nurse | Role::Provider => Purpose::Treatment,
    }
}

impl Auth {
    /// Logs a person in; the secret goes into a cookie.
    ///
    /// Errors: as [`Auth::check_password`].
    pub fn login(
        &self,
        name: &str,
        password: &str,
        address: Option<&str>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let account = match self.check_password(name, password, address) {
            Ok(account) => account,
            Err(error) => {
                let event = self.event("login", false, name, address);
                self.vault.write(Vec::new(), event)?;
                return Err(error);
            }
        };
        self.start_session(&account, address)
    }

    fn start_session(
        &self,
        account: &Account,
        address: Option<&str>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let secret = Secret::random("vs_", &*self.world);
        let key = digest(secret.expose());
        let now_ms = self.now_ms();
        let session = Arc::new(Session {
            id: hex(&key[..8]),
            account_id: account.id.clone(),
            name: account.name.clone(),
            role: account.role,
            patient: account.patient.clone(),
            started_ms: now_ms,
            address: address.map(str::to_owned),
            key,
            locked: AtomicBool::new(false),
            last_seen_ms: AtomicI64::new(now_ms),
            touched_ms: AtomicI64::new(now_ms),
            proved_ms: AtomicI64::new(now_ms),
        });
        let event = self.event("login", true, &account.name, address);
        // An account that is switched off in this moment gets no session.
        let expected = vec![self.enabled_item(&account.name, &account.id)?];
        if !self.vault.write_if(expected, vec![put(&session)], event)? {
            return Err(Error::refused());
        }
        self.sessions.put(key, Arc::clone(&session));
        Ok((secret, session))
    }

    /// The session of this secret, if it lives and is not locked; counts as use.
    pub fn session(&self, secret: &str) -> Result<Option<Arc<Session>>, Error> {
        match self.standing(secret)? {
            Standing::Live(session) => Ok(Some(session)),
            Standing::Out | Standing::Locked(_) => Ok(None),
        }
    }

    /// Where the browser of this secret stands; counts as use.
    pub fn standing(&self, secret: &str) -> Result<Standing, Error> {
        self.look(secret, true)
    }

    /// As [`Auth::standing`] without counting as use: for pages that ask by themselves.
    pub fn standing_quietly(&self, secret: &str) -> Result<Standing, Error> {
        self.look(secret, false)
    }

    fn look(&self, secret: &str, is_use: bool) -> Result<Standing, Error> {
        let key = digest(secret);
        let load = || self.vault.item(SESSIONS, &key)?.map(|bytes| read(&key, &bytes)).transpose();
        let Some(session) = self.sessions.get_or_load(&key, load)? else {
            return Ok(Standing::Out);
        };
        let now_ms = self.now_ms();
        if session.is_over(now_ms) {
            self.end(&key, &session, "session-expired")?;
            return Ok(Standing::Out);
        }
        if session.is_idle(now_ms) {
            return self.lock_idle(session, now_ms);
        }
        if !is_use {
            return Ok(Standing::Live(session));
        }
        session.last_seen_ms.fetch_max(now_ms, Ordering::Relaxed);
        if now_ms >= session.touched_ms.load(Ordering::Relaxed) + TOUCH_MS {
            session.touched_ms.store(now_ms, Ordering::Relaxed);
            if !self.rewrite(&session, "session-used", None)? {
                return Ok(Standing::Out);
            }
        }
        Ok(Standing::Live(session))
    }

    /// Locks a session that nothing came for, unless another process saw it used.
    fn lock_idle(&self, session: Arc<Session>, now_ms: i64) -> Result<Standing, Error> {
        if session.is_locked() {
            return Ok(Standing::Locked(session));
        }
        let Some(bytes) = self.vault.item(SESSIONS, &session.key)? else {
            self.sessions.remove(&session.key);
            return Ok(Standing::Out);
        };
        let kept = read(&session.key, &bytes)?;
        session.last_seen_ms.fetch_max(kept.last_seen_ms(), Ordering::Relaxed);
        if !kept.is_locked() && !session.is_idle(now_ms) {
            return Ok(Standing::Live(session));
        }
        session.locked.store(true, Ordering::Relaxed);
        if !kept.is_locked() && !self.rewrite(&session, "session-locked", None)? {
            return Ok(Standing::Out);
        }
        Ok(Standing::Locked(session))
    }

    /// Locks the session of this secret, as when the person leaves their place.
    pub fn lock(&self, secret: &str) -> Result<(), Error> {
        if let Standing::Live(session) = self.standing_quietly(secret)? {
            session.locked.store(true, Ordering::Relaxed);
            self.rewrite(&session, "session-locked", None)?;
        }
        Ok(())
    }

    /// The person of a session proves again who they are, by the password: a locked session is
    /// unlocked, and [`Session::is_proved`] holds for a while.
    ///
    /// Errors: as [`Auth::check_password`].
    pub fn prove_again(
        &self,
        session: &Session,
        password: &str,
        address: Option<&str>,
    ) -> Result<(), Error> {
        let checked = self.check_password(&session.name, password, address);
        let checked = checked.and_then(|account| {
            if account.id == session.account_id { Ok(()) } else { Err(Error::refused()) }
        });
        if let Err(error) = checked {
            if error.kind != Kind::Storage {
                let event = self.event("session-proved", false, &session.name, address);
                self.vault.write(Vec::new(), event)?;
            }
            return Err(error);
        }
        self.proved(session, address)
    }

    /// Notes that the person of `session` proved who they are.
    pub(crate) fn proved(&self, session: &Session, address: Option<&str>) -> Result<(), Error> {
        let now_ms = self.now_ms();
        session.proved_ms.store(now_ms, Ordering::Relaxed);
        session.last_seen_ms.fetch_max(now_ms, Ordering::Relaxed);
        session.touched_ms.store(now_ms, Ordering::Relaxed);
        session.locked.store(false, Ordering::Relaxed);
        let written = self.rewrite(session, "session-proved", address);
        match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::refused()),
            Err(error) => {
                session.locked.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Writes a session that is still kept. False: another process or thread ended it.
    fn rewrite(
        &self,
        session: &Session,
        action: &'static str,
        address: Option<&str>,
    ) -> Result<bool, Error> {
        // Another thread may write the same session; only its end counts.
        for _ in 0..REWRITES_MAX {
            let Some(bytes) = self.vault.item(SESSIONS, &session.key)? else { break };
            let expected =
                ItemWrite { collection: SESSIONS, key: session.key.to_vec(), value: Some(bytes) };
            let event = self.event(action, true, &session.name, address);
            if self.vault.write_if(vec![expected], vec![put(session)], event)? {
                return Ok(true);
            }
        }
        self.sessions.remove(&session.key);
        Ok(false)
    }

    /// Forgets which sessions and tokens live: the next use of each looks again. Where several
    /// processes serve a practice, what one of them ends is over for the others after this.
    pub fn forget_live(&self) {
        self.sessions.remove_all(|_| true);
        self.tokens.remove_all(|_| true);
    }

    /// Ends the session of this secret, if there is one.
    pub fn logout(&self, secret: &str) -> Result<(), Error> {
        let key = digest(secret);
        match self.vault.item(SESSIONS, &key)? {
            Some(bytes) => self.end(&key, &read(&key, &bytes)?, "logout"),
            None => Ok(()),
        }
    }

    /// Live sessions of an account, the latest login first.
    pub fn sessions_of(&self, account_id: &str) -> Result<Vec<Arc<Session>>, Error> {
        let now_ms = self.now_ms();
        let mut list = self.all_sessions()?;
        list.retain(|(_, session)| session.account_id == account_id && !session.is_over(now_ms));
        list.sort_by_key(|(_, session)| std::cmp::Reverse(session.started_ms));
        Ok(list.into_iter().map(|(_, session)| session).collect())
    }

    /// Ends one session of an account by its id. False: the account has none of this id.
    pub fn end_session(&self, account_id: &str, id: &str) -> Result<bool, Error> {
        let mut all = self.all_sessions()?;
        all.retain(|(_, session)| session.account_id == account_id && session.id == id);
        for (key, session) in &all {
            self.end(key, session, "session-ended")?;
        }
        Ok(!all.is_empty())
    }

    pub(crate) fn end_sessions_of(&self, account_id: &str) -> Result<(), Error> {
        self.sessions.remove_all(|session| session.account_id == account_id);
        let mut all = self.all_sessions()?;
        all.retain(|(_, session)| session.account_id == account_id);
        for (key, session) in &all {
            self.end(key, session, "session-ended")?;
        }
        Ok(())
    }

    /// Removes what is over. Call now and then.
    pub fn sweep_sessions(&self) -> Result<usize, Error> {
        let now_ms = self.now_ms();
        let mut all = self.all_sessions()?;
        all.retain(|(_, session)| session.is_over(now_ms));
        for (key, session) in &all {
            self.end(key, session, "session-expired")?;
        }
        Ok(all.len())
    }

    fn all_sessions(&self) -> Result<Vec<(Digest256, Arc<Session>)>, Error> {
        let items = self.vault.items(SESSIONS, b"")?;
        items
            .iter()
            .map(|(key, bytes)| {
                let key = Digest256::try_from(key.as_slice()).map_err(Error::storage)?;
                let session = match self.sessions.get(&key) {
                    Some(live) => live,
                    None => Arc::new(read(&key, bytes)?),
                };
                Ok((key, session))
            })
            .collect()
    }

    fn end(&self, key: &Digest256, session: &Session, action: &'static str) -> Result<(), Error> {
        self.sessions.remove(key);
        let write = ItemWrite { collection: SESSIONS, key: key.to_vec(), value: None };
        let written = self.vault.write(vec![write], self.event(action, true, &session.name, None));
        self.sessions.remove(key);
        written?;
        self.end_grants_of_session(&session.account_id, &session.id)
    }

    /// True while a session of this account and id goes on.
    pub(crate) fn session_lives(&self, account_id: &str, id: &str) -> Result<bool, Error> {
        let now_ms = self.now_ms();
        let all = self.all_sessions()?;
        Ok(all.iter().any(|(_, session)| {
            let is_it = session.account_id == account_id && session.id == id;
            is_it && !session.is_over(now_ms) && !session.is_idle(now_ms)
        }))
    }
}

fn put(session: &Session) -> ItemWrite {
    let mut value = Value::object([
        ("account", Value::from(session.account_id.clone())),
        ("name", Value::from(session.name.clone())),
        ("role", Value::from(session.role.as_str())),
        ("started_ms", Value::from(session.started_ms)),
        ("last_seen_ms", Value::from(session.last_seen_ms())),
        ("proved_ms", Value::from(session.proved_ms())),
        ("locked", Value::from(session.is_locked())),
    ]);
    for (name, text) in [("patient", &session.patient), ("address", &session.address)] {
        if let Some(text) = text {
            value.set(name, Value::from(text.clone()));
        }
    }
    let value = Some(value.to_json().into_bytes());
    ItemWrite { collection: SESSIONS, key: session.key.to_vec(), value }
}

fn read(key: &Digest256, bytes: &[u8]) -> Result<Session, Error> {
    let damaged = || Error::storage("a session item cannot be read");
    let value = Value::parse(bytes).map_err(|_| damaged())?;
    let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let last_seen_ms = number_ms(value.get("last_seen_ms")).ok_or_else(damaged)?;
    Ok(Session {
        id: hex(&key[..8]),
        account_id: text("account").ok_or_else(damaged)?,
        name: text("name").ok_or_else(damaged)?,
        role: text("role").and_then(|r| Role::parse(&r)).ok_or_else(damaged)?,
        patient: text("patient"),
        started_ms: number_ms(value.get("started_ms")).ok_or_else(damaged)?,
        address: text("address"),
        key: *key,
        locked: AtomicBool::new(value.get("locked") == Some(&Value::Bool(true))),
        last_seen_ms: AtomicI64::new(last_seen_ms),
        touched_ms: AtomicI64::new(last_seen_ms),
        proved_ms: AtomicI64::new(number_ms(value.get("proved_ms")).ok_or_else(damaged)?),
    })
}
