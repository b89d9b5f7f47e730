//! Sessions of people: on the server, opaque, hashed at rest.
//!
//! A session that nothing came for is locked, not ended: it opens nothing until the person proves
//! again who they are, and then goes on where it was. It ends for good by its age.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use fhir::json::Value;
use record::{Actor, Ctx, Purpose, Role, Scopes};

use crate::account::{Account, number_ms};
use crate::item::{Item, Making};
use crate::secret::{Digest256, Secret, digest, hex};
use crate::signin::Caller;
use crate::vault::ItemWrite;
use crate::{Auth, Error};

const SESSIONS: &str = "auth.session";
/// When accounts signed in last.
const LAST: &str = "auth.last";
/// A session is locked when nothing came for this long.
pub const SESSION_IDLE_MS: i64 = 15 * 60_000;
/// As [`SESSION_IDLE_MS`], for administrators.
pub const ADMIN_IDLE_MS: i64 = 10 * 60_000;
/// A session ends this long after login, whatever came.
pub const SESSION_LIFE_MS: i64 = 12 * 3_600_000;
/// What is asked of a person who just proved who they are needs no second proof for this long.
pub const PROOF_LIFE_MS: i64 = 5 * 60_000;
/// A sign-in that waits for its second step ends this long after the first.
pub const WAITING_LIFE_MS: i64 = 10 * 60_000;
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
    pub means: Means,
    pub stage: Stage,
    key: Digest256,
    locked: AtomicBool,
    last_seen_ms: AtomicI64,
    touched_ms: AtomicI64,
    proved_ms: AtomicI64,
}

/// How far a sign-in has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Full,
    /// The password was right; a second factor is asked for.
    Code,
    /// The practice demands a second factor, which is set up first.
    Enrol,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Stage::Full => "full",
            Stage::Code => "code",
            Stage::Enrol => "enrol",
        }
    }

    fn parse(text: &str) -> Option<Stage> {
        [Stage::Full, Stage::Code, Stage::Enrol].into_iter().find(|stage| stage.as_str() == text)
    }
}

/// By what a person showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    Password,
    PasswordAndCode,
    Passkey,
}

impl Means {
    const ALL: [Means; 3] = [Means::Password, Means::PasswordAndCode, Means::Passkey];

    pub const fn as_str(self) -> &'static str {
        match self {
            Means::Password => "password",
            Means::PasswordAndCode => "password and code",
            Means::Passkey => "passkey",
        }
    }

    fn parse(text: &str) -> Option<Means> {
        Means::ALL.into_iter().find(|means| means.as_str() == text)
    }
}

/// Where a browser stands that shows the secret of a session.
#[derive(Clone, Debug)]
pub enum Standing {
    /// No session has this secret, or it is over.
    Out,
    Live(Arc<Session>),
    /// Opens nothing until [`Auth::prove_again`].
    Locked(Arc<Session>),
    /// Opens nothing until the sign-in is finished: see [`Session::stage`].
    Waiting(Arc<Session>),
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

    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        let life_ms = if self.stage == Stage::Full { SESSION_LIFE_MS } else { WAITING_LIFE_MS };
        now_ms >= self.started_ms + life_ms
    }

    fn is_idle(&self, now_ms: i64) -> bool {
        self.is_locked() || now_ms >= self.last_seen_ms() + idle_ms(self.role)
    }
}

/// A session of this role is locked when nothing came for this long.
pub const fn idle_ms(role: Role) -> i64 {
    match role {
        Role::Admin => ADMIN_IDLE_MS,
        _ => SESSION_IDLE_MS,
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
    pub(crate) fn start_session(
        &self,
        account: &Account,
        caller: Caller<'_>,
        means: Means,
        stage: Stage,
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
            address: caller.address.map(str::to_owned),
            means,
            stage,
            key,
            locked: AtomicBool::new(false),
            last_seen_ms: AtomicI64::new(now_ms),
            touched_ms: AtomicI64::new(now_ms),
            proved_ms: AtomicI64::new(now_ms),
        });
        let action = if stage == Stage::Full { "login" } else { "login-first-step" };
        let event = self.event(action, true, &account.name, caller.address);
        // An account that is switched off in this moment gets no session.
        let expected = vec![self.enabled_item(&account.name, &account.id)?];
        let mut writes = vec![put(&session)];
        if stage == Stage::Full {
            let making = Making::new().with("at_ms", now_ms).with("means", means.as_str());
            let (key, value) = (account.id.clone().into_bytes(), Some(making.bytes()));
            writes.push(ItemWrite { collection: LAST, key, value });
        }
        if !self.vault.write_if(expected, writes, event)? {
            return Err(Error::refused());
        }
        self.sessions.put(key, Arc::clone(&session));
        Ok((secret, session))
    }

    /// When and by what means the account of this id signed in last.
    pub fn last_login(&self, account_id: &str) -> Result<Option<(i64, Means)>, Error> {
        let Some(bytes) = self.vault.item(LAST, account_id.as_bytes())? else { return Ok(None) };
        let item = Item::parse(&bytes)?;
        let means = Means::parse(&item.text("means")?);
        Ok(Some((item.ms("at_ms")?, means.ok_or_else(|| Error::storage("no such means"))?)))
    }

    /// Ends a session that waits for its second step. False: another thread was first.
    pub(crate) fn end_waiting(&self, session: &Session) -> Result<bool, Error> {
        self.sessions.remove(&session.key);
        let Some(bytes) = self.vault.item(SESSIONS, &session.key)? else { return Ok(false) };
        let item = |value| ItemWrite { collection: SESSIONS, key: session.key.to_vec(), value };
        let event = self.event("login-second-step", true, &session.name, None);
        self.vault.write_if(vec![item(Some(bytes))], vec![item(None)], event)
    }

    /// The session of this secret, if it lives and is not locked; counts as use.
    pub fn session(&self, secret: &str) -> Result<Option<Arc<Session>>, Error> {
        match self.standing(secret)? {
            Standing::Live(session) => Ok(Some(session)),
            Standing::Out | Standing::Locked(_) | Standing::Waiting(_) => Ok(None),
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
        if session.stage != Stage::Full {
            return Ok(Standing::Waiting(session));
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

    /// The person of a session proves again who they are, by the password, and by a code where
    /// they have an authenticator app: [`Session::is_proved`] holds for a while. A locked session
    /// is unlocked by the password alone; that is no fresh proof where a code belongs to one.
    ///
    /// Errors: as [`Auth::check_password`].
    pub fn prove_again<'a>(
        &self,
        session: &Session,
        password: &str,
        code: Option<&str>,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(), Error> {
        let caller = caller.into();
        let checked = self.check_again(session, password, code, caller);
        let is_whole = self.told("session-proved", &session.name, caller, checked)?;
        if is_whole {
            return self.proved(session, caller.address);
        }
        self.reopen(session, "session-unlocked", caller.address)
    }

    /// Whether the proof is a whole one; one that is not unlocks.
    fn check_again(
        &self,
        session: &Session,
        password: &str,
        code: Option<&str>,
        caller: Caller<'_>,
    ) -> Result<bool, Error> {
        let account = self.check_password(&session.name, password, caller)?;
        if account.id != session.account_id || session.stage != Stage::Full {
            return Err(Error::refused());
        }
        if self.factors(&account.id)?.app_since_ms.is_none() {
            return Ok(true);
        }
        match code.filter(|code| !code.trim().is_empty()) {
            Some(code) => self.check_code(session, code, caller).map(|_| true),
            None if session.is_locked() => Ok(false),
            None => Err(Error::refused()),
        }
    }

    /// Notes that the person of `session` proved who they are.
    pub(crate) fn proved(&self, session: &Session, address: Option<&str>) -> Result<(), Error> {
        session.proved_ms.store(self.now_ms(), Ordering::Relaxed);
        self.reopen(session, "session-proved", address)
    }

    fn reopen(
        &self,
        session: &Session,
        action: &'static str,
        address: Option<&str>,
    ) -> Result<(), Error> {
        let now_ms = self.now_ms();
        session.last_seen_ms.fetch_max(now_ms, Ordering::Relaxed);
        session.touched_ms.store(now_ms, Ordering::Relaxed);
        session.locked.store(false, Ordering::Relaxed);
        match self.rewrite(session, action, address) {
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
        list.retain(|(_, session)| {
            let is_own = session.account_id == account_id && session.stage == Stage::Full;
            is_own && !session.is_over(now_ms)
        });
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
        self.end_sessions_but(account_id, "")
    }

    /// Ends all sessions of an account but the one of id `kept`.
    pub fn end_sessions_but(&self, account_id: &str, kept: &str) -> Result<(), Error> {
        let gone = |session: &Session| session.account_id == account_id && session.id != kept;
        self.sessions.remove_all(gone);
        let mut all = self.all_sessions()?;
        all.retain(|(_, session)| gone(session));
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
            let is_full = session.stage == Stage::Full;
            is_it && is_full && !session.is_over(now_ms) && !session.is_idle(now_ms)
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
        ("means", Value::from(session.means.as_str())),
        ("stage", Value::from(session.stage.as_str())),
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
        means: text("means").and_then(|m| Means::parse(&m)).ok_or_else(damaged)?,
        stage: text("stage").and_then(|s| Stage::parse(&s)).ok_or_else(damaged)?,
        key: *key,
        locked: AtomicBool::new(value.get("locked") == Some(&Value::Bool(true))),
        last_seen_ms: AtomicI64::new(last_seen_ms),
        touched_ms: AtomicI64::new(last_seen_ms),
        proved_ms: AtomicI64::new(number_ms(value.get("proved_ms")).ok_or_else(damaged)?),
    })
}
