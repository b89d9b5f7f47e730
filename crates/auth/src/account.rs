//! Logins of people.

use fhir::json::Value;
use record::Role;

use crate::password::{self, Hash};
use crate::secret::random_id;
use crate::session::Session;
use crate::signin::Caller;
use crate::throttle::Place;
use crate::vault::{Event, ItemWrite};
use crate::{Auth, Error, Kind};

const ACCOUNTS: &str = "auth.account";
/// Characters of a login name.
pub const NAME_CHARS_MAX: usize = 64;

/// A person who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Never reused, never changed.
    pub id: String,
    /// As typed at login; compared without regard to case.
    pub name: String,
    pub role: Role,
    /// For patients: the id of their Patient resource; `None` for who only acts for others.
    pub patient: Option<String>,
    /// Reference to the resource that is this person: their Patient, or the Practitioner that
    /// [`Auth::set_practitioner`] named.
    pub fhir_user: Option<String>,
    pub disabled: bool,
    pub created_ms: i64,
}

/// What `user add` asks for.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'a> {
    pub name: &'a str,
    pub role: Role,
    pub patient: Option<&'a str>,
    pub password: &'a str,
}

struct Stored {
    account: Account,
    /// None: the person signs in with passkeys only.
    password: Option<Hash>,
}

/// Tries to write an account that others write at the same time.
const WRITES_MAX: usize = 16;

impl Auth {
    /// Adds a login.
    ///
    /// Errors: [`Kind::WeakPassword`], [`Kind::Taken`], [`Kind::Invalid`], [`Kind::Storage`].
    pub fn add_account(&self, new: NewAccount<'_>) -> Result<Account, Error> {
        self.check_new_account(new.name, new.role, new.patient)?;
        password::check_new(new.password, new.name)?;
        let hash = self.hashing.run(|| Hash::of(new.password, &*self.world));
        let id = random_id(&*self.world);
        let added = self.add_account_with(&new, id, Some(hash), Vec::new(), Vec::new())?;
        added.ok_or_else(taken)
    }

    /// Whether an account like this may be made.
    pub(crate) fn check_new_account(
        &self,
        name: &str,
        role: Role,
        patient: Option<&str>,
    ) -> Result<(), Error> {
        check_name(name)?;
        if role != Role::Patient && patient.is_some() {
            let text = "only the role patient is a Patient of the practice";
            return Err(Error::new(Kind::Invalid, text));
        }
        if self.stored(name)?.is_some() {
            return Err(taken());
        }
        Ok(())
    }

    /// Adds an account and writes `writes` with it, if `expected` holds. None: it does not.
    pub(crate) fn add_account_with(
        &self,
        new: &NewAccount<'_>,
        id: String,
        password: Option<Hash>,
        mut expected: Vec<ItemWrite>,
        mut writes: Vec<ItemWrite>,
    ) -> Result<Option<Account>, Error> {
        self.check_new_account(new.name, new.role, new.patient)?;
        let account = Account {
            id,
            name: new.name.to_owned(),
            role: new.role,
            patient: new.patient.map(str::to_owned),
            fhir_user: new.patient.map(|id| format!("Patient/{id}")),
            disabled: false,
            created_ms: self.now_ms(),
        };
        let stored = Stored { account: account.clone(), password };
        expected.push(item(&account.name, None));
        writes.push(stored.write());
        let event = self.event("account-created", true, &account.name, None);
        Ok(self.vault.write_if(expected, writes, event)?.then_some(account))
    }

    /// Names the Practitioner that is this member of staff, for programs that ask who signed in.
    ///
    /// Errors: [`Kind::NotFound`], [`Kind::Invalid`] for a patient or what is no id.
    pub fn set_practitioner(&self, name: &str, id: &str) -> Result<(), Error> {
        self.change_account(name, "account-linked", |stored| {
            if stored.account.role == Role::Patient || !fhir::reference::is_id(id) {
                let text = "only staff is a Practitioner, named by the id of the resource";
                return Err(Error::new(Kind::Invalid, text));
            }
            stored.account.fhir_user = Some(format!("Practitioner/{id}"));
            Ok(())
        })
        .map(|_| ())
    }

    /// Gives a member of staff another role; their sessions and connections end, because they
    /// were made for the one before.
    ///
    /// Errors: [`Kind::NotFound`]; [`Kind::Invalid`] for patients, and where nobody would be left
    /// who administers.
    pub fn set_role(&self, name: &str, role: Role) -> Result<(), Error> {
        if role != Role::Admin {
            self.check_not_last(name)?;
        }
        let account = self.change_account(name, "account-role", |stored| {
            if stored.account.role == Role::Patient || role == Role::Patient {
                let text = "a patient stays a patient, and staff staff; invite the person anew";
                return Err(Error::new(Kind::Invalid, text));
            }
            stored.account.role = role;
            Ok(())
        })?;
        self.end_all_of(&account.id)
    }

    /// Refuses what would leave nobody who administers.
    fn check_not_last(&self, name: &str) -> Result<(), Error> {
        let mut admins = self.accounts()?;
        admins.retain(|account| account.role == Role::Admin && !account.disabled);
        match admins.as_slice() {
            [only] if key_text(&only.name) == key_text(name) => {
                let text = "this is the only administrator; make another one first";
                Err(Error::new(Kind::Invalid, text))
            }
            _ => Ok(()),
        }
    }

    fn end_all_of(&self, id: &str) -> Result<(), Error> {
        self.end_sessions_of(id)?;
        self.end_grants("app-disconnected", |grant| grant.person.account_id == *id)
    }

    pub(crate) fn has_password(&self, name: &str) -> Result<bool, Error> {
        Ok(self.stored(name)?.is_some_and(|stored| stored.password.is_some()))
    }

    /// The account, if it is the one of this id and may sign in.
    ///
    /// Errors: [`Kind::Grant`] otherwise.
    pub(crate) fn live_account(&self, name: &str, id: &str) -> Result<Account, Error> {
        let account = self.account(name)?.filter(|account| account.id == id && !account.disabled);
        account.ok_or_else(|| Error::new(Kind::Grant, "the person may no longer sign in"))
    }

    /// The account as it is kept, for a write that must not happen once it is switched off.
    ///
    /// Errors: [`Kind::Refused`] if it may not sign in.
    pub(crate) fn enabled_item(&self, name: &str, id: &str) -> Result<ItemWrite, Error> {
        let key = key_text(name).into_bytes();
        let bytes = self.vault.item(ACCOUNTS, &key)?.ok_or_else(Error::refused)?;
        let account = Stored::parse(&bytes)?.account;
        if account.id != id || account.disabled {
            return Err(Error::refused());
        }
        Ok(ItemWrite { collection: ACCOUNTS, key, value: Some(bytes) })
    }

    /// All accounts by name.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        let items = self.vault.items(ACCOUNTS, b"")?;
        items.iter().map(|(_, bytes)| Ok(Stored::parse(bytes)?.account)).collect()
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        Ok(self.stored(name)?.map(|stored| stored.account))
    }

    /// Checks a name and a password; the answer takes as long for a name that nobody has.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike, [`Kind::Throttled`], [`Kind::Storage`].
    pub fn check_password<'a>(
        &self,
        name: &str,
        password: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<Account, Error> {
        let name = &key_text(name);
        let stored = if check_name(name).is_ok() { self.stored(name)? } else { None };
        let id = stored.as_ref().map(|stored| stored.account.id.as_str());
        let place = self.place(id, caller.into())?;
        self.wait(&self.throttle, name, &place)?;
        let hash = stored.as_ref().and_then(|stored| stored.password.as_ref());
        let has_hash = hash.is_some();
        let long = password.len() > password::PASSWORD_CHARS_MAX * 4;
        let hash = hash.unwrap_or(&self.decoy);
        let right = self.hashing.run(|| hash.verify(if long { "" } else { password }));
        match stored {
            Some(stored) if right && has_hash && !stored.account.disabled => {
                self.throttle.succeeded(name, &place);
                Ok(stored.account)
            }
            _ => {
                self.throttle.failed(name, &place, self.now_ms());
                Err(Error::refused())
            }
        }
    }

    /// Sets a new password and ends all sessions of the account.
    pub fn set_password(&self, name: &str, new: &str) -> Result<(), Error> {
        password::check_new(new, name)?;
        let account = self.write_password(name, new)?;
        self.end_sessions_of(&account.id)
    }

    /// Sets a new password for the person of a session, as they typed it; their other sessions
    /// end, and their other browsers are no longer known.
    ///
    /// Errors: as [`Auth::judge_password`].
    pub fn set_own_password(&self, session: &Session, new: &str) -> Result<(), Error> {
        self.judge_password(new, &session.name)?;
        let account = self.write_password(&session.name, new)?;
        self.forget_devices(&account)?;
        self.end_sessions_but(&account.id, &session.id)
    }

    fn write_password(&self, name: &str, new: &str) -> Result<Account, Error> {
        let hash = self.hashing.run(|| Hash::of(new, &*self.world));
        self.change_account(name, "password-changed", |stored| {
            stored.password = Some(hash.clone());
            Ok(())
        })
    }

    /// Sets a new password with an invitation, which is used up by it. None: it was already.
    pub(crate) fn renew_password(
        &self,
        name: &str,
        id: &str,
        new: Option<Hash>,
        used: ItemWrite,
        gone: ItemWrite,
    ) -> Result<Option<Account>, Error> {
        let Some(bytes) = self.vault.item(ACCOUNTS, key_text(name).as_bytes())? else {
            return Ok(None);
        };
        let mut stored = Stored::parse(&bytes)?;
        if stored.account.id != id {
            return Ok(None);
        }
        stored.password = new;
        let expected = vec![item(name, Some(bytes)), used];
        let event = self.event("password-changed", true, name, None);
        if !self.vault.write_if(expected, vec![stored.write(), gone], event)? {
            return Ok(None);
        }
        self.forget_devices(&stored.account)?;
        self.end_sessions_of(id)?;
        Ok(Some(stored.account))
    }

    pub(crate) fn hash_of(&self, password: &str) -> Hash {
        self.hashing.run(|| Hash::of(password, &*self.world))
    }

    /// Switches an account off or on. Off ends its sessions and its connections at once.
    ///
    /// Errors: [`Kind::NotFound`]; [`Kind::Invalid`] where nobody would be left who administers.
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<(), Error> {
        if disabled {
            self.check_not_last(name)?;
        }
        let action = if disabled { "account-disabled" } else { "account-enabled" };
        let account = self.change_account(name, action, |stored| {
            stored.account.disabled = disabled;
            Ok(())
        })?;
        if !disabled {
            return Ok(());
        }
        self.forget_devices(&account)?;
        self.end_all_of(&account.id)
    }

    pub(crate) fn check_throttle(&self, name: &str, address: Option<&str>) -> Result<(), Error> {
        self.wait(&self.throttle, name, &Place::of(address))
    }

    pub(crate) fn event(
        &self,
        action: &'static str,
        ok: bool,
        subject: &str,
        address: Option<&str>,
    ) -> Event {
        Event {
            action,
            ok,
            subject: subject.chars().take(NAME_CHARS_MAX).collect(),
            address: address.map(str::to_owned),
            at_ms: self.now_ms(),
        }
    }

    fn stored(&self, name: &str) -> Result<Option<Stored>, Error> {
        let bytes = self.vault.item(ACCOUNTS, key_text(name).as_bytes())?;
        bytes.map(|bytes| Stored::parse(&bytes)).transpose()
    }

    /// Changes an account; nobody else's change in between is lost.
    fn change_account(
        &self,
        name: &str,
        action: &'static str,
        change: impl Fn(&mut Stored) -> Result<(), Error>,
    ) -> Result<Account, Error> {
        for _ in 0..WRITES_MAX {
            let bytes = self.vault.item(ACCOUNTS, key_text(name).as_bytes())?;
            let bytes = bytes.ok_or_else(not_found)?;
            let mut stored = Stored::parse(&bytes)?;
            change(&mut stored)?;
            let event = self.event(action, true, &stored.account.name, None);
            if self.vault.write_if(vec![item(name, Some(bytes))], vec![stored.write()], event)? {
                return Ok(stored.account);
            }
        }
        Err(Error::storage("others write this account all the time"))
    }
}

fn item(name: &str, value: Option<Vec<u8>>) -> ItemWrite {
    ItemWrite { collection: ACCOUNTS, key: key_text(name).into_bytes(), value }
}

impl Stored {
    fn write(&self) -> ItemWrite {
        let account = &self.account;
        let mut value = Value::object([
            ("id", Value::from(account.id.clone())),
            ("name", Value::from(account.name.clone())),
            ("role", Value::from(account.role.as_str())),
            ("disabled", Value::from(account.disabled)),
            ("created_ms", Value::from(account.created_ms)),
        ]);
        if let Some(password) = &self.password {
            value.set("password", password.to_value());
        }
        for (name, text) in [("patient", &account.patient), ("fhir_user", &account.fhir_user)] {
            if let Some(text) = text {
                value.set(name, Value::from(text.clone()));
            }
        }
        item(&account.name, Some(value.to_json().into_bytes()))
    }

    fn parse(bytes: &[u8]) -> Result<Stored, Error> {
        let damaged = || Error::storage("an account item cannot be read");
        let value = Value::parse(bytes).map_err(|_| damaged())?;
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let password = value.get("password");
        Ok(Stored {
            account: Account {
                id: text("id").ok_or_else(damaged)?,
                name: text("name").ok_or_else(damaged)?,
                role: text("role").and_then(|r| Role::parse(&r)).ok_or_else(damaged)?,
                fhir_user: text("fhir_user")
                    .or_else(|| text("patient").map(|id| format!("Patient/{id}"))),
                patient: text("patient"),
                disabled: value.get("disabled") == Some(&Value::Bool(true)),
                created_ms: number_ms(value.get("created_ms")).ok_or_else(damaged)?,
            },
            password: match password {
                Some(value) => Some(Hash::from_value(value).ok_or_else(damaged)?),
                None => None,
            },
        })
    }
}

pub(crate) fn number_ms(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Number(text)) => text.parse().ok(),
        _ => None,
    }
}

fn key_text(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX + 1).flat_map(char::to_lowercase).collect()
}

fn check_name(name: &str) -> Result<(), Error> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+');
    let n_chars = name.chars().count();
    if n_chars == 0 || n_chars > NAME_CHARS_MAX || !name.chars().all(good) {
        let text = format!(
            "a login name has 1 to {NAME_CHARS_MAX} letters, digits or the signs . - _ @ +"
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    Ok(())
}

fn taken() -> Error {
    Error::new(Kind::Taken, "an account of this name exists")
}

pub(crate) fn not_found() -> Error {
    Error::new(Kind::NotFound, "no account has this name")
}
