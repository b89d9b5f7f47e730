//! Connections between people and programs: the code that opens one, the tokens that use it, the
//! refresh tokens that carry it on, and its end.
//!
//! All that a connection gave out hangs on one item. Whoever uses a code or a refresh token writes
//! that item on the condition that it is as it was read: of many at the same time one wins, also
//! when they come to different processes. Who comes second with the same code or refresh token
//! ends the connection, because one of the two has stolen it.
//!
//! Source: RFC 6749 §4.1.2 and §6; RFC 9700 §2.2.2 and §4.14; SMART App Launch 2.2.

use std::sync::Arc;

use record::{Extra, Role, Scopes};
use sha2::{Digest, Sha256};

use crate::authorize::is_base64url;
use crate::client::{Client, Proof};
use crate::item::{Item, Making};
use crate::secret::{Digest256, Secret, digest, equal, hex, to_base64url, unhex};
use crate::token::{TOKEN_LIFE_MS, Token};
use crate::vault::ItemWrite;
use crate::{Auth, CLOCK_BACK_MS, Error, Kind, Site};

const CODES: &str = "auth.code";
const GRANTS: &str = "auth.grant";
const REFRESHES: &str = "auth.refresh";
/// How long a code is good.
pub const CODE_LIFE_MS: i64 = 60_000;
/// How long a used code is remembered, so that a second use is recognised.
const CODE_KEPT_MS: i64 = 24 * 3_600_000;
/// How long a connection with `offline_access` lasts, however often it is refreshed.
pub const OFFLINE_LIFE_MS: i64 = 120 * 24 * 3_600_000;
/// Access tokens of one connection that are good at the same time; the oldest ends first.
pub const TOKENS_MAX: usize = 20;
/// Tries against others who write the same connection.
const TRIES_MAX: usize = 8;

/// The person for whom a program acts, as they were when they agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub account_id: String,
    pub name: String,
    pub role: Role,
    /// For patients: the id of their Patient resource.
    pub patient: Option<String>,
    /// Reference to the resource that is this person, such as `Practitioner/1`.
    pub fhir_user: Option<String>,
}

impl Person {
    pub(crate) fn write(&self, making: Making) -> Making {
        making
            .with("account", self.account_id.as_str())
            .with("name", self.name.as_str())
            .with("role", self.role.as_str())
            .may("own_patient", self.patient.as_ref())
            .may("fhir_user", self.fhir_user.as_ref())
    }

    pub(crate) fn read(item: &Item) -> Result<Person, Error> {
        let role = Role::parse(&item.text("role")?);
        Ok(Person {
            account_id: item.text("account")?,
            name: item.text("name")?,
            role: role.ok_or_else(|| Error::storage("an item has no role"))?,
            patient: item.may("own_patient"),
            fhir_user: item.may("fhir_user"),
        })
    }
}

/// What stands behind an authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub grant_id: String,
    pub client_id: String,
    pub client_name: String,
    pub redirect_uri: String,
    pub challenge: String,
    pub scopes: Scopes,
    pub person: Person,
    pub patient: Option<String>,
    pub encounter: Option<String>,
    pub nonce: Option<String>,
    pub jkt: Option<String>,
    /// Id of the session in which the person agreed.
    pub session: String,
    pub signed_in_ms: i64,
    pub made_ms: i64,
    pub used: bool,
}

impl Code {
    pub fn item(&self, key: &Digest256) -> ItemWrite {
        let value = Making::new()
            .with("grant", self.grant_id.as_str())
            .with("client_id", self.client_id.as_str())
            .with("client_name", self.client_name.as_str())
            .with("redirect_uri", self.redirect_uri.as_str())
            .with("challenge", self.challenge.as_str())
            .with("scope", self.scopes.to_string())
            .with("session", self.session.as_str())
            .with("signed_in_ms", self.signed_in_ms)
            .with("made_ms", self.made_ms)
            .with("used", self.used)
            .may("patient", self.patient.as_ref())
            .may("encounter", self.encounter.as_ref())
            .may("nonce", self.nonce.as_ref())
            .may("jkt", self.jkt.as_ref());
        let value = Some(self.person.write(value).bytes());
        ItemWrite { collection: CODES, key: key.to_vec(), value }
    }

    fn read(bytes: &[u8]) -> Result<Code, Error> {
        let item = Item::parse(bytes)?;
        Ok(Code {
            grant_id: item.text("grant")?,
            client_id: item.text("client_id")?,
            client_name: item.text("client_name")?,
            redirect_uri: item.text("redirect_uri")?,
            challenge: item.text("challenge")?,
            scopes: Scopes::parse(&item.text("scope")?),
            person: Person::read(&item)?,
            patient: item.may("patient"),
            encounter: item.may("encounter"),
            nonce: item.may("nonce"),
            jkt: item.may("jkt"),
            session: item.text("session")?,
            signed_in_ms: item.ms("signed_in_ms")?,
            made_ms: item.ms("made_ms")?,
            used: item.flag("used"),
        })
    }

    /// A clock that was set back makes no code young again.
    fn is_live(&self, now_ms: i64) -> bool {
        now_ms < self.made_ms + CODE_LIFE_MS && now_ms >= self.made_ms - CLOCK_BACK_MS
    }
}

/// A connection between a person and a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub id: String,
    pub client_id: String,
    pub client_name: String,
    pub person: Person,
    pub scopes: Scopes,
    /// Id of the Patient that it is about.
    pub patient: Option<String>,
    pub encounter: Option<String>,
    pub made_ms: i64,
    /// When the program last asked for a token.
    pub used_ms: i64,
    pub expires_ms: i64,
    /// Ends with this session (`online_access`).
    session: Option<String>,
    jkt: Option<String>,
    /// The one refresh token that is good.
    refresh: Option<String>,
    /// Access tokens, as the hash and when it is over.
    access: Vec<(String, i64)>,
}

impl Grant {
    fn bytes(&self) -> Vec<u8> {
        let access = self
            .access
            .iter()
            .map(|(key, until)| fhir::json::Value::array([key.as_str().into(), (*until).into()]));
        let value = Making::new()
            .with("client_id", self.client_id.as_str())
            .with("client_name", self.client_name.as_str())
            .with("scope", self.scopes.to_string())
            .with("made_ms", self.made_ms)
            .with("used_ms", self.used_ms)
            .with("expires_ms", self.expires_ms)
            .with("access", fhir::json::Value::array(access))
            .may("patient", self.patient.as_ref())
            .may("encounter", self.encounter.as_ref())
            .may("session", self.session.as_ref())
            .may("jkt", self.jkt.as_ref())
            .may("refresh", self.refresh.as_ref());
        self.person.write(value).bytes()
    }

    fn read(id: &[u8], bytes: &[u8]) -> Result<Grant, Error> {
        let item = Item::parse(bytes)?;
        let pair = |value: &fhir::json::Value| {
            let pair = value.as_array()?;
            Some((pair.first()?.as_str()?.to_owned(), crate::account::number_ms(pair.get(1))?))
        };
        Ok(Grant {
            id: String::from_utf8_lossy(id).into_owned(),
            client_id: item.text("client_id")?,
            client_name: item.text("client_name")?,
            person: Person::read(&item)?,
            scopes: Scopes::parse(&item.text("scope")?),
            patient: item.may("patient"),
            encounter: item.may("encounter"),
            made_ms: item.ms("made_ms")?,
            used_ms: item.ms("used_ms")?,
            expires_ms: item.ms("expires_ms")?,
            session: item.may("session"),
            jkt: item.may("jkt"),
            refresh: item.may("refresh"),
            access: item.list("access").iter().filter_map(pair).collect(),
        })
    }

    fn item(&self, value: Option<Vec<u8>>) -> ItemWrite {
        ItemWrite { collection: GRANTS, key: self.id.as_bytes().to_vec(), value }
    }
}

/// What a program gets for a code, a refresh token or its own word.
#[derive(Debug)]
pub struct Issued {
    pub access: Secret,
    pub token: Arc<Token>,
    pub refresh: Option<Secret>,
    /// Who signed in, signed by the practice.
    pub id_token: Option<String>,
}

/// What a program shows for an authorization code.
#[derive(Clone, Copy, Debug)]
pub struct Redeem<'a> {
    pub code: &'a str,
    pub redirect_uri: &'a str,
    /// PKCE: what the challenge was made of.
    pub verifier: &'a str,
    /// Thumbprint of the key that the program has shown to hold.
    pub jkt: Option<&'a str>,
    pub address: Option<&'a str>,
}

fn bad_grant() -> Error {
    Error::new(Kind::Grant, "the code is unknown, used, over, or not for this app and address")
}

fn bad_refresh() -> Error {
    Error::new(Kind::Grant, "the refresh token is unknown, used, over, or of another app")
}

impl Auth {
    /// Gives tokens for a code, once. `client` has proved who it is, or is public.
    ///
    /// Errors: [`Kind::Grant`]; a code that was used before also ends what it opened.
    pub fn redeem(&self, site: &Site, client: &Client, shown: Redeem<'_>) -> Result<Issued, Error> {
        let key = digest(shown.code);
        let Some(bytes) = self.vault.item(CODES, &key)? else { return Err(bad_grant()) };
        let code = Code::read(&bytes)?;
        if code.used {
            self.end_grant_for(&code.grant_id, "code-replayed")?;
            return Err(bad_grant());
        }
        let now_ms = self.now_ms();
        let challenge = to_base64url(&Sha256::digest(shown.verifier.as_bytes()));
        let fits = code.is_live(now_ms)
            && code.client_id == client.id
            && code.redirect_uri == shown.redirect_uri
            && is_verifier(shown.verifier)
            && equal(challenge.as_bytes(), code.challenge.as_bytes())
            && code.jkt.as_deref().is_none_or(|jkt| shown.jkt == Some(jkt));
        if !fits {
            return Err(bad_grant());
        }
        self.live_account(&code.person.name, &code.person.account_id)?;
        let mut grant = Grant {
            id: code.grant_id.clone(),
            client_id: client.id.clone(),
            client_name: client.name.clone(),
            person: code.person.clone(),
            scopes: code.scopes.clone(),
            patient: code.patient.clone(),
            encounter: code.encounter.clone(),
            made_ms: now_ms,
            used_ms: now_ms,
            expires_ms: now_ms + crate::authorize::life_ms(&code.scopes),
            session: code.scopes.has(Extra::OnlineAccess).then(|| code.session.clone()),
            jkt: shown.jkt.map(str::to_owned),
            refresh: None,
            access: Vec::new(),
        };
        let scopes = grant.scopes.clone();
        let (mut issued, mut writes) = self.give(&mut grant, scopes, now_ms);
        if grant.scopes.has(Extra::OpenId) {
            issued.id_token = Some(self.id_token(site, &code, now_ms)?);
        }
        writes.push(Code { used: true, ..code.clone() }.item(&key));
        let expected = vec![
            ItemWrite { collection: CODES, key: key.to_vec(), value: Some(bytes) },
            grant.item(None),
        ];
        let event = self.event("app-connected", true, &grant.person.name, shown.address);
        if self.vault.write_if(expected, writes, event)? {
            return Ok(issued);
        }
        // Somebody else was first with the same code.
        self.end_grant_for(&code.grant_id, "code-replayed")?;
        Err(bad_grant())
    }

    /// The public program that a refresh token was given to: one need not name itself with it
    /// (RFC 6749 §6). `None`: no such token, or a program that has to prove who it is.
    pub fn public_client_of(&self, refresh: &str) -> Result<Option<Client>, Error> {
        let key = digest(refresh);
        let Some(grant_id) = self.vault.item(REFRESHES, &key)? else { return Ok(None) };
        let Some(bytes) = self.vault.item(GRANTS, &grant_id)? else { return Ok(None) };
        let client = self.client(&Grant::read(&grant_id, &bytes)?.client_id)?;
        Ok(client.filter(|client| client.is_live() && client.proof == Proof::Public))
    }

    /// Gives new tokens for a refresh token and makes it void. `scope` may ask for less.
    ///
    /// Errors: [`Kind::Grant`]; a refresh token that was used before also ends the connection.
    /// [`Kind::Scope`] when more is asked for than was granted.
    pub fn refresh(
        &self,
        client: &Client,
        secret: &str,
        scope: Option<&str>,
        jkt: Option<&str>,
        address: Option<&str>,
    ) -> Result<Issued, Error> {
        let key = digest(secret);
        let Some(grant_id) = self.vault.item(REFRESHES, &key)? else { return Err(bad_refresh()) };
        let Some(bytes) = self.vault.item(GRANTS, &grant_id)? else { return Err(bad_refresh()) };
        let mut grant = Grant::read(&grant_id, &bytes)?;
        if grant.client_id != client.id || grant.jkt.as_deref().is_some_and(|own| jkt != Some(own))
        {
            return Err(bad_refresh());
        }
        let is_current =
            grant.refresh.as_deref().is_some_and(|own| equal(own.as_bytes(), hex(&key).as_bytes()));
        if !is_current {
            self.end_grant_for(&grant.id, "refresh-replayed")?;
            return Err(bad_refresh());
        }
        let now_ms = self.now_ms();
        let account = self.live_account(&grant.person.name, &grant.person.account_id);
        let session_lives = match &grant.session {
            Some(id) => self.session_lives(&grant.person.account_id, id)?,
            None => true,
        };
        let same_person = match account {
            Ok(account) => {
                account.role == grant.person.role && account.patient == grant.person.patient
            }
            Err(error) if error.kind == Kind::Grant => false,
            Err(error) => return Err(error),
        };
        if now_ms >= grant.expires_ms || !session_lives || !same_person {
            self.end_grant_for(&grant.id, "app-expired")?;
            return Err(bad_refresh());
        }
        // The registration may have become narrower since.
        let may = grant.scopes.intersection(&client.scopes);
        let scopes = match scope {
            None => may,
            Some(text) => {
                let wanted = Scopes::read(text)?;
                if !may.covers(&wanted) {
                    return Err(Error::new(Kind::Scope, "more is asked for than was agreed to"));
                }
                wanted
            }
        };
        grant.used_ms = now_ms;
        let (issued, writes) = self.give(&mut grant, scopes, now_ms);
        let expected = vec![grant.item(Some(bytes))];
        let event = self.event("token-refreshed", true, &grant.person.name, address);
        if self.vault.write_if(expected, writes, event)? {
            return Ok(issued);
        }
        // The item changed since it was read: the same token came twice, or it was ended.
        self.end_grant_for(&grant.id, "refresh-replayed")?;
        Err(bad_refresh())
    }

    /// New tokens of a connection, and what is to be written so that they are good.
    fn give(&self, grant: &mut Grant, scopes: Scopes, now_ms: i64) -> (Issued, Vec<ItemWrite>) {
        let (access, refresh) =
            (Secret::random("vt_", &*self.world), Secret::random("vr_", &*self.world));
        let lasts = grant.scopes.has(Extra::OfflineAccess) || grant.scopes.has(Extra::OnlineAccess);
        let token = Arc::new(Token {
            client_id: grant.client_id.clone(),
            client_name: grant.client_name.clone(),
            scopes,
            issued_ms: now_ms,
            expires_ms: grant.expires_ms.min(now_ms + TOKEN_LIFE_MS),
            person: Some(grant.person.clone()),
            grant_id: Some(grant.id.clone()),
            patient: grant.patient.clone(),
            encounter: grant.encounter.clone(),
            jkt: grant.jkt.clone(),
        });
        let key = digest(access.expose());
        let mut writes = vec![token.item(&key)];
        grant.access.retain(|(_, until)| *until > now_ms);
        grant.access.push((hex(&key), token.expires_ms));
        while grant.access.len() > TOKENS_MAX {
            let (oldest, _) = grant.access.remove(0);
            writes.extend(unhex(&oldest).map(crate::token::removal));
        }
        if lasts {
            let key = digest(refresh.expose());
            grant.refresh = Some(hex(&key));
            let value = Some(grant.id.as_bytes().to_vec());
            writes.push(ItemWrite { collection: REFRESHES, key: key.to_vec(), value });
        }
        writes.push(grant.item(Some(grant.bytes())));
        let refresh = lasts.then_some(refresh);
        (Issued { access, token, refresh, id_token: None }, writes)
    }

    /// Connections that last, the latest first: of one account, or of all.
    pub fn grants(&self, account_id: Option<&str>) -> Result<Vec<Grant>, Error> {
        let now_ms = self.now_ms();
        let mut grants = self.all_grants()?;
        grants.retain(|grant| {
            grant.expires_ms > now_ms && account_id.is_none_or(|id| grant.person.account_id == id)
        });
        grants.sort_by(|a, b| (b.made_ms, &b.id).cmp(&(a.made_ms, &a.id)));
        Ok(grants)
    }

    /// Ends a connection of `account_id`, or of anybody for an administrator (`None`): its tokens
    /// are void when this returns. False: there is none of this id.
    pub fn end_grant(&self, account_id: Option<&str>, id: &str) -> Result<bool, Error> {
        let Some(bytes) = self.vault.item(GRANTS, id.as_bytes())? else { return Ok(false) };
        let grant = Grant::read(id.as_bytes(), &bytes)?;
        if account_id.is_some_and(|account_id| account_id != grant.person.account_id) {
            return Ok(false);
        }
        self.end_grant_for(id, "app-disconnected")
    }

    /// Ends a connection and all that hangs on it. False: it was not there.
    pub(crate) fn end_grant_for(&self, id: &str, why: &'static str) -> Result<bool, Error> {
        for _ in 0..TRIES_MAX {
            let Some(bytes) = self.vault.item(GRANTS, id.as_bytes())? else { return Ok(false) };
            let grant = Grant::read(id.as_bytes(), &bytes)?;
            let keys: Vec<Vec<u8>> =
                grant.access.iter().filter_map(|(key, _)| unhex(key)).collect();
            let mut writes: Vec<ItemWrite> =
                keys.iter().cloned().map(crate::token::removal).collect();
            let refresh = grant.refresh.as_deref().and_then(unhex);
            writes.extend(refresh.map(|key| ItemWrite { collection: REFRESHES, key, value: None }));
            writes.push(grant.item(None));
            let event = self.event(why, true, &grant.person.name, None);
            let expected = vec![grant.item(Some(bytes))];
            let ended = self.vault.write_if(expected, writes, event)?;
            self.tokens.remove_all(|token| token.grant_id.as_deref() == Some(id));
            if ended {
                return Ok(true);
            }
        }
        Err(Error::storage("a connection is written by too many at the same time"))
    }

    /// Ends the connections for which `gone` holds.
    pub(crate) fn end_grants(
        &self,
        why: &'static str,
        gone: impl Fn(&Grant) -> bool,
    ) -> Result<(), Error> {
        for grant in self.all_grants()?.iter().filter(|grant| gone(grant)) {
            self.end_grant_for(&grant.id, why)?;
        }
        Ok(())
    }

    /// Ends the connections that end with this session.
    pub(crate) fn end_grants_of_session(
        &self,
        account_id: &str,
        session: &str,
    ) -> Result<(), Error> {
        self.end_grants("app-expired", |grant| {
            grant.person.account_id == account_id && grant.session.as_deref() == Some(session)
        })
    }

    /// Ends the connection of a refresh token of `client_id`. False: there is none.
    pub(crate) fn end_refresh(&self, client_id: &str, secret: &str) -> Result<bool, Error> {
        match self.grant_of_refresh(client_id, secret)? {
            Some(grant) => self.end_grant_for(&grant.id, "token-revoked"),
            None => Ok(false),
        }
    }

    /// The live connection of a refresh token that is good and of `client_id`.
    pub(crate) fn grant_of_refresh(
        &self,
        client_id: &str,
        secret: &str,
    ) -> Result<Option<Grant>, Error> {
        let key = digest(secret);
        let Some(id) = self.vault.item(REFRESHES, &key)? else { return Ok(None) };
        let Some(bytes) = self.vault.item(GRANTS, &id)? else { return Ok(None) };
        let grant = Grant::read(&id, &bytes)?;
        let is_live = grant.client_id == client_id
            && grant.refresh.as_deref() == Some(hex(&key).as_str())
            && self.now_ms() < grant.expires_ms;
        Ok(is_live.then_some(grant))
    }

    fn all_grants(&self) -> Result<Vec<Grant>, Error> {
        let items = self.vault.items(GRANTS, b"")?;
        items.iter().map(|(key, bytes)| Grant::read(key, bytes)).collect()
    }

    /// Removes codes, launches, assertions' ids and connections that are over. Call now and then.
    pub fn sweep_grants(&self) -> Result<usize, Error> {
        let now_ms = self.now_ms();
        self.end_grants("app-expired", |grant| grant.expires_ms <= now_ms)?;
        let mut over = self.launches_over(now_ms)?;
        over.extend(self.assertions_over(now_ms)?);
        for (key, bytes) in self.vault.items(CODES, b"")? {
            if Code::read(&bytes)?.made_ms + CODE_KEPT_MS <= now_ms {
                over.push(ItemWrite { collection: CODES, key, value: None });
            }
        }
        let alive: std::collections::HashSet<Vec<u8>> =
            self.vault.items(GRANTS, b"")?.into_iter().map(|(key, _)| key).collect();
        for (key, grant) in self.vault.items(REFRESHES, b"")? {
            if !alive.contains(&grant) {
                over.push(ItemWrite { collection: REFRESHES, key, value: None });
            }
        }
        let n = over.len();
        if n > 0 {
            self.vault.write(over, self.event("grants-expired", true, "", None))?;
        }
        Ok(n)
    }
}

/// RFC 7636 §4.1: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    let plain = text.replace(['.', '~'], "-");
    is_base64url(&plain, 43..=128)
}
