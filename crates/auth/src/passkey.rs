//! Passkeys: signing in, and proving again who one is, with a key that a device keeps.
//!
//! Source: WebAuthn Level 3, over webauthn-rs. The user is always verified (by finger, face or
//! PIN), so that a passkey alone is two factors. The origin must be the practice's own, and the
//! challenge one that this process made within [`CEREMONY_LIFE_MS`] and that was not used; what a
//! ceremony needs stays here. Attestation is not asked for: any make of key will do.
//!
//! Challenges come from the library's own generator, not from [`record::World`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value as Json, json};
use webauthn_rs::prelude::{
    AuthenticationResult, CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey,
    PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::account::Account;
use crate::factor::{Kept, PASSKEY_NAME_CHARS_MAX, PASSKEYS_MAX, PasskeyRow, Stored};
use crate::secret::{Secret, digest, hex, random_id};
use crate::session::{Means, Session, Stage};
use crate::signin::Caller;
use crate::{Auth, Error, Kind, Site};

/// A ceremony is finished within this time, or begun again.
pub const CEREMONY_LIFE_MS: i64 = 5 * 60_000;
/// Ceremonies that wait at a time: of those that anybody can begin, and of the others.
pub const CEREMONIES_MAX: usize = 20_000;

/// What a browser is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Names the ceremony when the browser answers.
    pub ceremony: String,
    /// The argument of `navigator.credentials.create` or `.get`, as JSON.
    pub options: String,
}

enum Waiting {
    SignIn(DiscoverableAuthentication),
    Prove {
        account_id: String,
        state: PasskeyAuthentication,
    },
    Add {
        account_id: String,
        state: PasskeyRegistration,
    },
    /// As `Add`, for an account that comes with it: who has this invitation.
    Accept {
        account_id: String,
        invitation: String,
        state: PasskeyRegistration,
    },
}

struct Ceremony {
    waiting: Waiting,
    until_ms: i64,
}

/// Ceremonies that have begun, the oldest first.
#[derive(Default)]
struct Begun {
    by_id: HashMap<String, Ceremony>,
    /// Also of some that were finished.
    order: VecDeque<String>,
}

/// Ceremonies that have begun. Kept in memory: after a restart a person begins again. Those of
/// people whom a session or an invitation names are kept apart from those that anybody can begin,
/// so that no stranger makes them go.
#[derive(Default)]
pub(crate) struct Ceremonies {
    of_anybody: Mutex<Begun>,
    of_somebody: Mutex<Begun>,
}

impl Ceremonies {
    fn put(&self, id: String, waiting: Waiting, now_ms: i64) {
        let is_anybody = matches!(waiting, Waiting::SignIn(_));
        let begun = if is_anybody { &self.of_anybody } else { &self.of_somebody };
        let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is refused: the oldest makes room, and its person begins again.
        while begun.order.len() >= CEREMONIES_MAX {
            let Some(oldest) = begun.order.pop_front() else { break };
            begun.by_id.remove(&oldest);
        }
        begun.order.push_back(id.clone());
        begun.by_id.insert(id, Ceremony { waiting, until_ms: now_ms + CEREMONY_LIFE_MS });
    }

    /// The ceremony, once.
    fn take(&self, id: &str, now_ms: i64) -> Result<Waiting, Error> {
        let take = |begun: &Mutex<Begun>| {
            begun.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(id)
        };
        let found = take(&self.of_anybody).or_else(|| take(&self.of_somebody));
        let found = found.filter(|ceremony| now_ms < ceremony.until_ms);
        found.map(|ceremony| ceremony.waiting).ok_or_else(refused)
    }
}

fn refused() -> Error {
    Error::new(Kind::Refused, "the passkey was not accepted; try again")
}

/// The practice as the party that passkeys are for.
///
/// Errors: [`Kind::Invalid`] when it is reached by an address of numbers, for which browsers keep
/// no passkeys, or without TLS and not on this computer.
fn party(site: &Site) -> Result<Webauthn, Error> {
    let unfit = || {
        let text = "passkeys need the practice to be reached by a name and https (or as localhost)";
        Error::new(Kind::Invalid, text)
    };
    let origin = Url::parse(site.issuer()).map_err(|_| unfit())?;
    let name = origin.domain().ok_or_else(unfit)?;
    if origin.scheme() != "https" && name != "localhost" {
        return Err(unfit());
    }
    let builder = WebauthnBuilder::new(name, &origin).map_err(|_| unfit())?;
    builder.rp_name("Vitae").build().map_err(|_| unfit())
}

fn user_id(account_id: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(account_id).map_err(Error::storage)
}

fn to_json(value: &impl serde::Serialize) -> Result<Json, Error> {
    serde_json::to_value(value).map_err(Error::storage)
}

impl Auth {
    /// Whether passkeys work where the practice is reached.
    pub fn has_passkeys(&self, site: &Site) -> bool {
        party(site).is_ok()
    }

    /// Ceremonies that have begun and are not finished, for whoever watches the server.
    pub fn ceremonies_waiting(&self) -> usize {
        let Ceremonies { of_anybody, of_somebody } = &self.ceremonies;
        let n =
            |begun: &Mutex<Begun>| begun.lock().unwrap_or_else(PoisonError::into_inner).by_id.len();
        n(of_anybody) + n(of_somebody)
    }

    fn begin(&self, options: &Json, waiting: Waiting) -> Result<Asked, Error> {
        let ceremony = random_id(&*self.world);
        self.ceremonies.put(ceremony.clone(), waiting, self.now_ms());
        Ok(Asked { ceremony, options: options.to_string() })
    }

    /// Begins to sign in with whatever passkey the person chooses; no name is typed.
    pub fn ask_passkey(&self, site: &Site) -> Result<Asked, Error> {
        let (asked, state) = party(site)?.start_discoverable_authentication().map_err(ours)?;
        let mut options = to_json(&asked)?;
        // Asked for by a button, not offered while one types.
        if let Some(members) = options.as_object_mut() {
            members.remove("mediation");
        }
        self.begin(&options, Waiting::SignIn(state))
    }

    /// Signs in with the passkey that the browser answered with. Guessing has no place here, so
    /// that no throttle stands before it.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike.
    pub fn login_by_passkey<'a>(
        &self,
        site: &Site,
        ceremony: &str,
        answer: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let caller = caller.into();
        let Waiting::SignIn(state) = self.ceremonies.take(ceremony, self.now_ms())? else {
            return Err(refused());
        };
        match self.whose_passkey(site, state, answer, caller) {
            Ok(account) => self.start_session(&account, caller, Means::Passkey, Stage::Full),
            Err((name, error)) => {
                let event = self.event("login", false, &name, caller.address);
                self.vault.write(Vec::new(), event)?;
                Err(error)
            }
        }
    }

    fn whose_passkey(
        &self,
        site: &Site,
        state: DiscoverableAuthentication,
        answer: &str,
        caller: Caller<'_>,
    ) -> Result<Account, (String, Error)> {
        let nobody = || ("a passkey".to_owned(), refused());
        let party = party(site).map_err(|error| ("a passkey".to_owned(), error))?;
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| nobody())?;
        let (user, shown) =
            party.identify_discoverable_authentication(&answer).map_err(|_| nobody())?;
        let id = user.simple().to_string();
        let stored = self.stored_factors(&id).map_err(|error| (String::new(), error))?;
        let named = |error| (stored.name.clone(), error);
        let account = self.live_account(&stored.name, &id).map_err(|error| {
            let is_ours = error.kind == Kind::Storage;
            (stored.name.clone(), if is_ours { error } else { refused() })
        })?;
        let is_it = |kept: &&Kept| AsRef::<[u8]>::as_ref(kept.key.cred_id()) == shown;
        let kept = stored.passkeys.iter().find(is_it);
        let kept = kept.ok_or_else(|| (stored.name.clone(), refused()))?;
        let key = DiscoverableKey::from(&kept.key);
        let done = party.finish_discoverable_authentication_v2(&answer, state, &key);
        self.note_use(&account, done, caller).map_err(named)?;
        Ok(account)
    }

    /// Begins to prove again, or as the second step, that this is the person of an account.
    ///
    /// Errors: [`Kind::NotFound`] without a passkey.
    pub fn ask_passkey_of(&self, site: &Site, account_id: &str) -> Result<Asked, Error> {
        let keys: Vec<Passkey> =
            self.stored_factors(account_id)?.passkeys.into_iter().map(|kept| kept.key).collect();
        if keys.is_empty() {
            return Err(Error::new(Kind::NotFound, "this account has no passkey"));
        }
        let (asked, state) = party(site)?.start_passkey_authentication(&keys).map_err(ours)?;
        let waiting = Waiting::Prove { account_id: account_id.to_owned(), state };
        self.begin(&to_json(&asked)?, waiting)
    }

    /// Checks that the browser answered with a passkey of this account.
    fn check_passkey(
        &self,
        site: &Site,
        session: &Session,
        ceremony: &str,
        answer: &str,
        caller: Caller<'_>,
    ) -> Result<Account, Error> {
        let taken = self.ceremonies.take(ceremony, self.now_ms())?;
        let Waiting::Prove { account_id, state } = taken else { return Err(refused()) };
        if account_id != session.account_id {
            return Err(refused());
        }
        let account = self.live_account(&session.name, &session.account_id);
        let account = account.map_err(|error| match error.kind {
            Kind::Storage => error,
            _ => refused(),
        })?;
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| refused())?;
        let done = party(site)?.finish_passkey_authentication(&answer, &state);
        self.note_use(&account, done, caller)?;
        Ok(account)
    }

    /// As [`Auth::prove_again`], with a passkey.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike.
    pub fn prove_again_by_passkey<'a>(
        &self,
        site: &Site,
        session: &Session,
        ceremony: &str,
        answer: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(), Error> {
        let caller = caller.into();
        let checked = self.check_passkey(site, session, ceremony, answer, caller);
        self.told("session-proved", &session.name, caller, checked)?;
        self.proved(session, caller.address)
    }

    /// The second step of a sign-in that waits for one, with a passkey.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike.
    pub fn finish_login_by_passkey<'a>(
        &self,
        site: &Site,
        session: &Session,
        ceremony: &str,
        answer: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let caller = caller.into();
        let checked = self.check_passkey(site, session, ceremony, answer, caller);
        let account = self.told("login", &session.name, caller, checked)?;
        self.step_up(session, &account, caller, Means::Passkey)
    }

    /// Keeps what a good answer changes; a count that did not go up is a copied key.
    fn note_use(
        &self,
        account: &Account,
        done: Result<AuthenticationResult, WebauthnError>,
        caller: Caller<'_>,
    ) -> Result<(), Error> {
        let done = match done {
            Ok(done) if done.user_verified() => done,
            Err(WebauthnError::CredentialPossibleCompromise) => {
                return Err(self.copied(account, caller));
            }
            Ok(_) | Err(_) => return Err(refused()),
        };
        let now_ms = self.now_ms();
        let is_copy = self.change_factors(account, "passkey-used", |stored| {
            let kept = stored.passkeys.iter_mut().find(|kept| kept.key.cred_id() == done.cred_id());
            let kept = kept.ok_or_else(refused)?;
            let changed = kept.key.update_credential(&done) == Some(true);
            kept.row.used_ms = Some(now_ms);
            // Another answer with the same count was first.
            Ok(done.counter() > 0 && !changed)
        })?;
        if is_copy { Err(self.copied(account, caller)) } else { Ok(()) }
    }

    fn copied(&self, account: &Account, caller: Caller<'_>) -> Error {
        let event = self.event("passkey-copied", false, &account.name, caller.address);
        match self.vault.write(Vec::new(), event) {
            Ok(()) => refused(),
            Err(error) => error,
        }
    }

    /// Begins to add a passkey to the account of a session.
    ///
    /// Errors: [`Kind::Invalid`] when there are [`PASSKEYS_MAX`], or where none can be kept.
    pub fn ask_new_passkey(&self, site: &Site, account: &Account) -> Result<Asked, Error> {
        let stored = self.stored_factors(&account.id)?;
        if stored.passkeys.len() >= PASSKEYS_MAX {
            return Err(Error::new(Kind::Invalid, too_many()));
        }
        let known = stored.passkeys.iter().map(|kept| kept.key.cred_id().clone()).collect();
        let (options, state) = to_make(site, &account.id, &account.name, known)?;
        self.begin(&options, Waiting::Add { account_id: account.id.clone(), state })
    }

    /// Begins to accept an invitation with a passkey in place of a password.
    ///
    /// Errors: [`Kind::Refused`] when the invitation is no good, or for an account that exists;
    /// [`Kind::Invalid`] where no passkey can be kept.
    pub fn ask_invited_passkey(&self, site: &Site, secret: &str) -> Result<Asked, Error> {
        let invitation = self.invitation(secret)?.filter(|found| found.account_id.is_none());
        let invitation = invitation.ok_or_else(crate::invite::no_good)?;
        let account_id = random_id(&*self.world);
        let (options, state) = to_make(site, &account_id, &invitation.name, Vec::new())?;
        self.begin(&options, Waiting::Accept { account_id, invitation: invitation.id, state })
    }

    /// Uses up an invitation: the account is there, with this passkey and without a password, and
    /// its owner is signed in.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike.
    pub fn accept_invitation_by_passkey<'a>(
        &self,
        site: &Site,
        secret: &str,
        ceremony: &str,
        answer: &str,
        caller: impl Into<Caller<'a>>,
    ) -> Result<(Secret, Arc<Session>), Error> {
        let taken = self.ceremonies.take(ceremony, self.now_ms())?;
        let Waiting::Accept { account_id, invitation, state } = taken else {
            return Err(refused());
        };
        let found = self.invitation(secret)?.filter(|found| found.id == invitation);
        let found = found.ok_or_else(crate::invite::no_good)?;
        let kept = self.made(site, &state, answer, "")?;
        let factors = Stored::of_passkey(&found.name, kept).write(&account_id)?;
        let done = self.use_invitation(secret, &found, account_id, None, vec![factors])?;
        let account = done.ok_or_else(crate::invite::no_good)?;
        self.start_session(&account, caller.into(), Means::Passkey, Stage::Full)
    }

    /// Checks what the browser made.
    fn made(
        &self,
        site: &Site,
        state: &PasskeyRegistration,
        answer: &str,
        name: &str,
    ) -> Result<Kept, Error> {
        let answer: RegisterPublicKeyCredential =
            serde_json::from_str(answer).map_err(|_| refused())?;
        let key = party(site)?.finish_passkey_registration(&answer, state);
        let key = key.map_err(|_| refused())?;
        let row = PasskeyRow {
            id: hex(&digest(&hex(key.cred_id().as_ref()))[..8]),
            name: row_name(name),
            since_ms: self.now_ms(),
            used_ms: None,
        };
        Ok(Kept { row, key })
    }

    /// Adds the passkey that the browser made.
    ///
    /// Errors: [`Kind::Refused`]; [`Kind::Taken`] when it was added before; [`Kind::Invalid`].
    pub fn add_passkey(
        &self,
        site: &Site,
        account: &Account,
        ceremony: &str,
        answer: &str,
        name: &str,
    ) -> Result<PasskeyRow, Error> {
        let taken = self.ceremonies.take(ceremony, self.now_ms())?;
        let Waiting::Add { account_id, state } = taken else { return Err(refused()) };
        if account_id != account.id {
            return Err(refused());
        }
        let Kept { row, key } = self.made(site, &state, answer, name)?;
        self.change_factors(account, "passkey-added", |stored: &mut Stored| {
            if stored.passkeys.iter().any(|kept| kept.key.cred_id() == key.cred_id()) {
                return Err(Error::new(Kind::Taken, "this passkey is here already"));
            }
            if stored.passkeys.len() >= PASSKEYS_MAX {
                return Err(Error::new(Kind::Invalid, too_many()));
            }
            stored.passkeys.push(Kept { row: row.clone(), key: key.clone() });
            Ok(())
        })?;
        Ok(row)
    }

    /// Gives a passkey another name. Errors: [`Kind::NotFound`].
    pub fn rename_passkey(&self, account: &Account, id: &str, name: &str) -> Result<(), Error> {
        self.change_factors(account, "passkey-renamed", |stored| {
            let kept = stored.passkeys.iter_mut().find(|kept| kept.row.id == id);
            kept.ok_or_else(no_passkey)?.row.name = row_name(name);
            Ok(())
        })
    }

    /// Takes a passkey away. Errors: [`Kind::NotFound`]; [`Kind::Invalid`] for the last way in.
    pub fn remove_passkey(&self, account: &Account, id: &str) -> Result<(), Error> {
        let has_password = self.has_password(&account.name)?;
        self.change_factors(account, "passkey-removed", |stored| {
            let before = stored.passkeys.len();
            if before == 1 && !has_password {
                let text = "this passkey is the only way in; set a password first";
                return Err(Error::new(Kind::Invalid, text));
            }
            stored.passkeys.retain(|kept| kept.row.id != id);
            if stored.passkeys.len() == before { Err(no_passkey()) } else { Ok(()) }
        })
    }
}

/// What a browser is asked to make for the account of this id.
fn to_make(
    site: &Site,
    account_id: &str,
    name: &str,
    known: Vec<CredentialID>,
) -> Result<(Json, PasskeyRegistration), Error> {
    let id = user_id(account_id)?;
    let begun = party(site)?.start_passkey_registration(id, name, name, Some(known));
    let (asked, state) = begun.map_err(ours)?;
    let mut options = to_json(&asked)?;
    // Kept on the device under the person's name where it can, so that none need be typed.
    if let Some(chosen) = options.pointer_mut("/publicKey/authenticatorSelection") {
        chosen["residentKey"] = json!("preferred");
    }
    Ok((options, state))
}

fn ours(error: WebauthnError) -> Error {
    Error::storage(error)
}

fn no_passkey() -> Error {
    Error::new(Kind::NotFound, "this account has no such passkey")
}

fn too_many() -> String {
    format!("an account has at most {PASSKEYS_MAX} passkeys; take one away first")
}

fn row_name(name: &str) -> String {
    let name: String =
        name.chars().filter(|c| !c.is_control()).take(PASSKEY_NAME_CHARS_MAX).collect();
    let name = name.trim();
    if name.is_empty() { "Passkey".to_owned() } else { name.to_owned() }
}
