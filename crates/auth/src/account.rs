//! Logins of people.

use fhir::json::Value;
use record::Role;

use crate::password::{self, Hash};
use crate::secret::random_id;
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
    /// For patients: the id of their Patient resource.
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
    password: Hash,
}

impl Auth {
    /// Adds a login.
    ///
    /// Errors: [`Kind::WeakPassword`], [`Kind::Taken`], [`Kind::Invalid`], [`Kind::Storage`].
    pub fn add_account(&self, new: NewAccount<'_>) -> Result<Account, Error> {
        check_name(new.name)?;
        password::check_new(new.password, new.name)?;
        if (new.role == Role::Patient) != new.patient.is_some() {
            let text = "the role patient needs the id of a Patient; other roles have none";
            return Err(Error::new(Kind::Invalid, text));
        }
        if self.stored(new.name)?.is_some() {
            return Err(Error::new(Kind::Taken, "an account of this name exists"));
        }
        let account = Account {
            id: random_id(&*self.world),
            name: new.name.to_owned(),
            role: new.role,
            patient: new.patient.map(str::to_owned),
            fhir_user: new.patient.map(|id| format!("Patient/{id}")),
            disabled: false,
            created_ms: self.now_ms(),
        };
        let hash = self.hashing.run(|| Hash::of(new.password, &*self.world));
        self.put_account(&Stored { account: account.clone(), password: hash }, "account-created")?;
        Ok(account)
    }

    /// Names the Practitioner that is this member of staff, for programs that ask who signed in.
    ///
    /// Errors: [`Kind::NotFound`], [`Kind::Invalid`] for a patient or what is no id.
    pub fn set_practitioner(&self, name: &str, id: &str) -> Result<(), Error> {
        let mut stored = self.stored(name)?.ok_or_else(not_found)?;
        if stored.account.role == Role::Patient || !fhir::reference::is_id(id) {
            let text = "only staff is a Practitioner, named by the id of the resource";
            return Err(Error::new(Kind::Invalid, text));
        }
        stored.account.fhir_user = Some(format!("Practitioner/{id}"));
        self.put_account(&stored, "account-linked")
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
        let account = read(&bytes)?.account;
        if account.id != id || account.disabled {
            return Err(Error::refused());
        }
        Ok(ItemWrite { collection: ACCOUNTS, key, value: Some(bytes) })
    }

    /// All accounts by name.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        let items = self.vault.items(ACCOUNTS, b"")?;
        items.iter().map(|(_, bytes)| Ok(read(bytes)?.account)).collect()
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        Ok(self.stored(name)?.map(|stored| stored.account))
    }

    /// Checks a name and a password; the answer takes as long for a name that nobody has.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike, [`Kind::Throttled`], [`Kind::Storage`].
    pub fn check_password(
        &self,
        name: &str,
        password: &str,
        address: Option<&str>,
    ) -> Result<Account, Error> {
        let name = &key_text(name);
        self.check_throttle(name, address)?;
        let stored = if check_name(name).is_ok() { self.stored(name)? } else { None };
        let hash = stored.as_ref().map_or(&self.decoy, |stored| &stored.password);
        let long = password.len() > password::PASSWORD_CHARS_MAX * 4;
        let right = self.hashing.run(|| hash.verify(if long { "" } else { password }));
        match stored {
            Some(stored) if right && !stored.account.disabled => {
                self.throttle.succeeded(name, address);
                Ok(stored.account)
            }
            _ => {
                self.throttle.failed(name, address, self.now_ms());
                Err(Error::refused())
            }
        }
    }

    /// Sets a new password and ends all sessions of the account.
    pub fn set_password(&self, name: &str, new: &str) -> Result<(), Error> {
        password::check_new(new, name)?;
        let mut stored = self.stored(name)?.ok_or_else(not_found)?;
        stored.password = self.hashing.run(|| Hash::of(new, &*self.world));
        self.put_account(&stored, "password-changed")?;
        self.end_sessions_of(&stored.account.id)
    }

    /// Switches an account off or on. Off ends its sessions and its connections at once.
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<(), Error> {
        let mut stored = self.stored(name)?.ok_or_else(not_found)?;
        stored.account.disabled = disabled;
        self.put_account(&stored, if disabled { "account-disabled" } else { "account-enabled" })?;
        if !disabled {
            return Ok(());
        }
        let id = &stored.account.id;
        self.end_sessions_of(id)?;
        self.end_grants("app-disconnected", |grant| grant.person.account_id == *id)
    }

    pub(crate) fn check_throttle(&self, name: &str, address: Option<&str>) -> Result<(), Error> {
        match self.throttle.wait_ms(name, address, self.now_ms()) {
            0 => Ok(()),
            retry_after_ms => Err(Error::new(
                Kind::Throttled { retry_after_ms },
                format!("too many attempts; try again in {} s", (retry_after_ms + 999) / 1000),
            )),
        }
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
        bytes.map(|bytes| read(&bytes)).transpose()
    }

    fn put_account(&self, stored: &Stored, action: &'static str) -> Result<(), Error> {
        let account = &stored.account;
        let mut value = Value::object([
            ("id", Value::from(account.id.clone())),
            ("name", Value::from(account.name.clone())),
            ("role", Value::from(account.role.as_str())),
            ("disabled", Value::from(account.disabled)),
            ("created_ms", Value::from(account.created_ms)),
            ("password", stored.password.to_value()),
        ]);
        for (name, text) in [("patient", &account.patient), ("fhir_user", &account.fhir_user)] {
            if let Some(text) = text {
                value.set(name, Value::from(text.clone()));
            }
        }
        let write = ItemWrite {
            collection: ACCOUNTS,
            key: key_text(&account.name).into_bytes(),
            value: Some(value.to_json().into_bytes()),
        };
        self.vault.write(vec![write], self.event(action, true, &account.name, None))
    }
}

fn read(bytes: &[u8]) -> Result<Stored, Error> {
    let damaged = || Error::storage("an account item cannot be read");
    let value = Value::parse(bytes).map_err(|_| damaged())?;
    let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
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
        password: value.get("password").and_then(Hash::from_value).ok_or_else(damaged)?,
    })
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

fn not_found() -> Error {
    Error::new(Kind::NotFound, "no account has this name")
}
