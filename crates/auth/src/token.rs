//! Bearer tokens: opaque, hashed at rest, short-lived.
//!
//! Source: RFC 6749 §4.4, RFC 6750, RFC 7009, RFC 7662.

use std::sync::Arc;

use record::{Actor, App, BadScope, Ctx, Purpose, Scopes};

use crate::client::{Client, Proof, by_itself};
use crate::dpop::Possession;
use crate::grant::{Grant, Issued, Person};
use crate::item::{Item, Making};
use crate::secret::{Digest256, Secret, digest};
use crate::session::purpose_of;
use crate::vault::ItemWrite;
use crate::{Auth, CLOCK_BACK_MS, Error, Kind};

const TOKENS: &str = "auth.token";
/// Life of a token.
pub const TOKEN_LIFE_MS: i64 = 60 * 60_000;

/// What a bearer token stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub client_id: String,
    pub client_name: String,
    pub scopes: Scopes,
    pub issued_ms: i64,
    pub expires_ms: i64,
    /// For whom the program acts; `None`: for itself.
    pub person: Option<Person>,
    /// The connection that it hangs on.
    pub grant_id: Option<String>,
    /// Id of the Patient in the launch context.
    pub patient: Option<String>,
    /// Id of the Encounter in the launch context.
    pub encounter: Option<String>,
    /// Thumbprint of the key without which it is no good.
    pub jkt: Option<String>,
}

impl Token {
    /// The reason under which the program asks: for itself, or for its person.
    pub fn ctx(&self, request_id: String, at_ms: i64, address: Option<String>) -> Ctx {
        let (id, name) = (self.client_id.clone(), self.client_name.clone());
        let (actor, app, purpose) = match &self.person {
            None => (Actor::Client { id, name }, None, Purpose::default()),
            Some(person) => {
                let actor = Actor::User {
                    id: person.account_id.clone(),
                    name: person.name.clone(),
                    role: person.role,
                    patient: person.patient.clone(),
                };
                (actor, Some(App { id, name }), purpose_of(person.role))
            }
        };
        Ctx {
            actor,
            app,
            launch_patient: self.patient.clone(),
            scopes: self.scopes.clone(),
            purpose,
            request_id,
            at_ms,
            address,
        }
    }

    pub(crate) fn item(&self, key: &Digest256) -> ItemWrite {
        let value = Making::new()
            .with("client_id", self.client_id.as_str())
            .with("client_name", self.client_name.as_str())
            .with("scope", self.scopes.to_string())
            .with("issued_ms", self.issued_ms)
            .with("expires_ms", self.expires_ms)
            .may("grant", self.grant_id.as_ref())
            .may("patient", self.patient.as_ref())
            .may("encounter", self.encounter.as_ref())
            .may("jkt", self.jkt.as_ref());
        let value = match &self.person {
            Some(person) => person.write(value),
            None => value,
        };
        ItemWrite { collection: TOKENS, key: key.to_vec(), value: Some(value.bytes()) }
    }

    /// A clock that was set far back makes no token good again.
    fn is_live(&self, now_ms: i64) -> bool {
        now_ms < self.expires_ms && now_ms >= self.issued_ms - CLOCK_BACK_MS
    }
}

/// What a client may learn about one of its tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspection {
    Inactive,
    Active(Arc<Token>),
    /// A refresh token.
    Refresh(Box<Grant>),
}

/// How a request shows a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    /// With a proof that the key is held (RFC 9449).
    DPoP,
}

impl Auth {
    /// Gives a program a token for itself: for what it asks, or for all `system/` scopes that it
    /// is registered for. It has proved who it is.
    ///
    /// Errors: [`Kind::Client`] for a public program, [`Kind::Scope`] when it asks for more,
    /// [`Kind::Storage`].
    pub fn client_credentials(
        &self,
        client: &Client,
        scope: Option<&str>,
        jkt: Option<&str>,
        address: Option<&str>,
    ) -> Result<Issued, Error> {
        if client.proof == Proof::Public {
            return Err(Error::new(Kind::Client, "a public app has no token of its own"));
        }
        let registered = by_itself(&client.scopes);
        let scopes = match scope {
            None => registered,
            Some(text) => {
                let wanted = Scopes::read(text)?;
                if !registered.covers(&wanted) {
                    let text = format!("a program by itself may have here: {registered}");
                    return Err(Error::new(Kind::Scope, text));
                }
                wanted
            }
        };
        if scopes.is_empty() {
            let text = "the client is registered for no system/ scope";
            return Err(Error::new(Kind::Scope, text));
        }
        let now_ms = self.now_ms();
        let token = Arc::new(Token {
            client_id: client.id.clone(),
            client_name: client.name.clone(),
            scopes,
            issued_ms: now_ms,
            expires_ms: now_ms + TOKEN_LIFE_MS,
            person: None,
            grant_id: None,
            patient: None,
            encounter: None,
            jkt: jkt.map(str::to_owned),
        });
        let access = Secret::random("vt_", &*self.world);
        let event = self.event("token", true, &token.client_name, address);
        self.vault.write(vec![token.item(&digest(access.expose()))], event)?;
        Ok(Issued { access, token, refresh: None, id_token: None })
    }

    /// What this bearer token stands for, if it lives. Cheap: one hash and one look into memory
    /// for a token that was seen before.
    pub fn token(&self, secret: &str) -> Result<Option<Arc<Token>>, Error> {
        let key = digest(secret);
        let load = || self.vault.item(TOKENS, &key)?.map(|bytes| read(&bytes)).transpose();
        let Some(token) = self.tokens.get_or_load(&key, load)? else { return Ok(None) };
        Ok(token.is_live(self.now_ms()).then_some(token))
    }

    /// The token of a request for data, if it may be used in this way: one that is bound to a key
    /// only with a proof for this very request.
    ///
    /// Errors: [`Kind::Proof`], [`Kind::Storage`].
    pub fn admit(
        &self,
        scheme: Scheme,
        secret: &str,
        possession: Option<Possession<'_>>,
    ) -> Result<Option<Arc<Token>>, Error> {
        let Some(token) = self.token(secret)? else { return Ok(None) };
        let wrong = |text: &str| Err(Error::new(Kind::Proof, text));
        match (&token.jkt, scheme, possession) {
            (None, Scheme::Bearer, _) => Ok(Some(token)),
            (None, Scheme::DPoP, _) => wrong("the token is not bound to a key"),
            (Some(_), Scheme::Bearer, _) | (Some(_), _, None) => {
                wrong("the token is bound to a key: use the DPoP scheme with a proof")
            }
            (Some(jkt), Scheme::DPoP, Some(possession)) => {
                match self.check_possession(possession, Some(secret))? == *jkt {
                    true => Ok(Some(token)),
                    false => wrong("the proof is by another key"),
                }
            }
        }
    }

    /// Ends an access token of `client_id`, or with a refresh token the whole connection. A token
    /// of another client, or none, is left alone silently.
    pub fn revoke(&self, client_id: &str, secret: &str) -> Result<(), Error> {
        if self.end_refresh(client_id, secret)? {
            return Ok(());
        }
        match self.token(secret)? {
            Some(token) if token.client_id == client_id => self.end_token(&digest(secret), &token),
            _ => Ok(()),
        }
    }

    /// What `client_id` may know about a token: only its own are active.
    pub fn introspect(&self, client_id: &str, secret: &str) -> Result<Introspection, Error> {
        if let Some(token) = self.token(secret)?.filter(|token| token.client_id == client_id) {
            return Ok(Introspection::Active(token));
        }
        Ok(match self.grant_of_refresh(client_id, secret)? {
            Some(grant) => Introspection::Refresh(Box::new(grant)),
            None => Introspection::Inactive,
        })
    }

    pub(crate) fn end_tokens_of(&self, client_id: &str) -> Result<(), Error> {
        self.end_grants("app-disconnected", |grant| grant.client_id == client_id)?;
        self.tokens.remove_all(|token| token.client_id == client_id);
        for (key, token) in self.all_tokens()? {
            if token.client_id == client_id {
                self.end_token(&key, &token)?;
            }
        }
        Ok(())
    }

    /// Removes tokens that are over. Call now and then.
    pub fn sweep_tokens(&self) -> Result<usize, Error> {
        let now_ms = self.now_ms();
        self.tokens.remove_all(|token| token.expires_ms <= now_ms);
        let mut over = self.all_tokens()?;
        over.retain(|(_, token)| token.expires_ms <= now_ms);
        if !over.is_empty() {
            let removed = over.iter().map(|(key, _)| removal(key.to_vec())).collect();
            self.vault.write(removed, self.event("tokens-expired", true, "", None))?;
        }
        Ok(over.len())
    }

    fn all_tokens(&self) -> Result<Vec<(Digest256, Token)>, Error> {
        let items = self.vault.items(TOKENS, b"")?;
        items
            .iter()
            .map(|(key, bytes)| {
                let key = Digest256::try_from(key.as_slice()).map_err(Error::storage)?;
                Ok((key, read(bytes)?))
            })
            .collect()
    }

    fn end_token(&self, key: &Digest256, token: &Token) -> Result<(), Error> {
        self.tokens.remove(key);
        let event = self.event("token-revoked", true, &token.client_name, None);
        let written = self.vault.write(vec![removal(key.to_vec())], event);
        self.tokens.remove(key);
        written
    }
}

pub(crate) fn removal(key: Vec<u8>) -> ItemWrite {
    ItemWrite { collection: TOKENS, key, value: None }
}

fn read(bytes: &[u8]) -> Result<Token, Error> {
    let item = Item::parse(bytes)?;
    let damaged = |BadScope(_)| Error::storage("a token item cannot be read");
    Ok(Token {
        client_id: item.text("client_id")?,
        client_name: item.text("client_name")?,
        scopes: Scopes::read(&item.text("scope")?).map_err(damaged)?,
        issued_ms: item.ms("issued_ms")?,
        expires_ms: item.ms("expires_ms")?,
        person: item.may("account").map(|_| Person::read(&item)).transpose()?,
        grant_id: item.may("grant"),
        patient: item.may("patient"),
        encounter: item.may("encounter"),
        jkt: item.may("jkt"),
    })
}
