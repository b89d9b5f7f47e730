//! Invitations: a link, good once, with which a person sets how they sign in.
//!
//! Nobody is given a password by somebody else. For an account that exists, the same link lets
//! its owner set a new password; other factors stay as they are.

use record::Role;

use crate::account::{Account, NewAccount};
use crate::item::{Item, Making};
use crate::password::Hash;
use crate::secret::{Secret, digest, hex, random_id};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

const INVITATIONS: &str = "auth.invitation";
/// An invitation is good for this long.
pub const INVITATION_LIFE_MS: i64 = 72 * 3_600_000;
/// Invitations that wait at a time.
pub const INVITATIONS_MAX: usize = 1_000;

/// Somebody is invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Names the invitation in lists; not its secret.
    pub id: String,
    pub name: String,
    pub role: Role,
    pub patient: Option<String>,
    /// For an account that exists: its id; a new password is set.
    pub account_id: Option<String>,
    /// Who invited: the name of an account, or where a command was typed.
    pub by: String,
    pub made_ms: i64,
}

impl Invitation {
    pub fn expires_ms(&self) -> i64 {
        self.made_ms + INVITATION_LIFE_MS
    }

    fn parse(key: &[u8], bytes: &[u8]) -> Result<Invitation, Error> {
        let item = Item::parse(bytes)?;
        let role = Role::parse(&item.text("role")?);
        Ok(Invitation {
            id: hex(key.get(..8).unwrap_or(key)),
            name: item.text("name")?,
            role: role.ok_or_else(|| Error::storage("an invitation has no role"))?,
            patient: item.may("patient"),
            account_id: item.may("account"),
            by: item.text("by")?,
            made_ms: item.ms("made_ms")?,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let making = Making::new()
            .with("name", self.name.as_str())
            .with("role", self.role.as_str())
            .with("by", self.by.as_str())
            .with("made_ms", self.made_ms);
        making
            .may("patient", self.patient.as_ref())
            .may("account", self.account_id.as_ref())
            .bytes()
    }
}

pub(crate) fn no_good() -> Error {
    Error::new(Kind::Refused, "this invitation was used, or is over")
}

impl Auth {
    /// Invites a person who has no account yet; the secret goes into a link.
    ///
    /// Errors: as [`Auth::add_account`] without its password.
    pub fn invite(
        &self,
        name: &str,
        role: Role,
        patient: Option<&str>,
        by: &str,
    ) -> Result<(Secret, Invitation), Error> {
        self.check_new_account(name, role, patient)?;
        if role == Role::Patient && patient.is_none() {
            let text = "the role patient needs the id of a Patient";
            return Err(Error::new(Kind::Invalid, text));
        }
        self.write_invitation(Invitation {
            id: String::new(),
            name: name.to_owned(),
            role,
            patient: patient.map(str::to_owned),
            account_id: None,
            by: by.to_owned(),
            made_ms: self.now_ms(),
        })
    }

    /// Lets the owner of an account set a new password.
    ///
    /// Errors: [`Kind::NotFound`].
    pub fn invite_to_new_password(
        &self,
        name: &str,
        by: &str,
    ) -> Result<(Secret, Invitation), Error> {
        let account = self.account(name)?.ok_or_else(crate::account::not_found)?;
        self.write_invitation(Invitation {
            id: String::new(),
            name: account.name,
            role: account.role,
            patient: account.patient,
            account_id: Some(account.id),
            by: by.to_owned(),
            made_ms: self.now_ms(),
        })
    }

    fn write_invitation(&self, mut invitation: Invitation) -> Result<(Secret, Invitation), Error> {
        let waiting = self.invitations()?;
        if waiting.len() >= INVITATIONS_MAX {
            let text = format!("{INVITATIONS_MAX} invitations wait; withdraw some");
            return Err(Error::new(Kind::Invalid, text));
        }
        let secret = Secret::random("vi_", &*self.world);
        let key = digest(secret.expose());
        invitation.id = hex(&key[..8]);
        // One link at a time for one person: a new one takes the place of the old one.
        let same = |other: &Invitation| other.name.to_lowercase() == invitation.name.to_lowercase();
        for old in waiting.iter().filter(|other| same(other)) {
            self.withdraw_invitation(&old.id)?;
        }
        let write = ItemWrite {
            collection: INVITATIONS,
            key: key.to_vec(),
            value: Some(invitation.bytes()),
        };
        let event = self.event("invited", true, &invitation.name, None);
        self.vault.write(vec![write], event)?;
        Ok((secret, invitation))
    }

    /// The invitation of this secret, while it is good.
    pub fn invitation(&self, secret: &str) -> Result<Option<Invitation>, Error> {
        let key = digest(secret);
        let Some(bytes) = self.vault.item(INVITATIONS, &key)? else { return Ok(None) };
        let found = Invitation::parse(&key, &bytes)?;
        Ok(Some(found).filter(|found| self.is_open(found)))
    }

    fn is_open(&self, invitation: &Invitation) -> bool {
        (invitation.made_ms - crate::CLOCK_BACK_MS..invitation.expires_ms())
            .contains(&self.now_ms())
    }

    /// Invitations that are good, the newest first.
    pub fn invitations(&self) -> Result<Vec<Invitation>, Error> {
        let mut list = Vec::new();
        for (key, bytes) in self.vault.items(INVITATIONS, b"")? {
            list.push(Invitation::parse(&key, &bytes)?);
        }
        list.retain(|invitation| self.is_open(invitation));
        list.sort_by_key(|invitation| std::cmp::Reverse(invitation.made_ms));
        Ok(list)
    }

    /// Ends an invitation by its id. False: there is none.
    pub fn withdraw_invitation(&self, id: &str) -> Result<bool, Error> {
        for (key, bytes) in self.vault.items(INVITATIONS, b"")? {
            let invitation = Invitation::parse(&key, &bytes)?;
            if invitation.id == id {
                let write = ItemWrite { collection: INVITATIONS, key, value: None };
                let event = self.event("invitation-withdrawn", true, &invitation.name, None);
                self.vault.write(vec![write], event)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Uses up an invitation: the account is there, with this password.
    ///
    /// Errors: [`Kind::Refused`] when the invitation is no good; as [`Auth::judge_password`] and
    /// [`Auth::add_account`].
    pub fn accept_invitation(&self, secret: &str, password: &str) -> Result<Account, Error> {
        let invitation = self.invitation(secret)?.ok_or_else(no_good)?;
        self.judge_password(password, &invitation.name)?;
        let id = random_id(&*self.world);
        let hash = Some(self.hash_of(password));
        let done = self.use_invitation(secret, &invitation, id, hash, Vec::new())?;
        done.ok_or_else(no_good)
    }

    /// Takes the invitation away and makes the account, or sets its password. None: it was used.
    pub(crate) fn use_invitation(
        &self,
        secret: &str,
        invitation: &Invitation,
        id: String,
        password: Option<Hash>,
        mut writes: Vec<ItemWrite>,
    ) -> Result<Option<Account>, Error> {
        let key = digest(secret).to_vec();
        let Some(bytes) = self.vault.item(INVITATIONS, &key)? else { return Ok(None) };
        let item = |value| ItemWrite { collection: INVITATIONS, key: key.clone(), value };
        let (used, gone) = (item(Some(bytes)), item(None));
        if let Some(id) = &invitation.account_id {
            return self.renew_password(&invitation.name, id, password, used, gone);
        }
        let new = NewAccount {
            name: &invitation.name,
            role: invitation.role,
            patient: invitation.patient.as_deref(),
            password: "",
        };
        writes.push(gone);
        match self.add_account_with(&new, id, password, vec![used], writes) {
            // Another thread with the same link was first.
            Err(error) if error.kind == Kind::Taken => Ok(None),
            done => done,
        }
    }

    /// Removes invitations that are over. Call now and then.
    pub fn sweep_invitations(&self) -> Result<(), Error> {
        for (key, bytes) in self.vault.items(INVITATIONS, b"")? {
            let invitation = Invitation::parse(&key, &bytes)?;
            if invitation.expires_ms() <= self.now_ms() {
                let write = ItemWrite { collection: INVITATIONS, key, value: None };
                let event = self.event("invitation-expired", true, &invitation.name, None);
                self.vault.write(vec![write], event)?;
            }
        }
        Ok(())
    }
}
