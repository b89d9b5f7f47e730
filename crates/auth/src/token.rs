//! Bearer tokens of programs: opaque, hashed at rest, short-lived.
//!
//! Source: RFC 6749 §4.4, RFC 6750, RFC 7009, RFC 7662.

use std::sync::Arc;

use fhir::json::Value;
use record::{Actor, Ctx, Extra, Level, Purpose, Scopes};

use crate::account::number_ms;
use crate::secret::{Digest256, Secret, digest};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

const TOKENS: &str = "auth.token";
/// Life of a token unless asked otherwise.
pub const TOKEN_LIFE_MS: i64 = 60 * 60_000;
/// Shortest life that can be asked for.
pub const TOKEN_LIFE_MS_MIN: i64 = 5 * 60_000;
/// Longest life that can be asked for.
pub const TOKEN_LIFE_MS_MAX: i64 = 60 * 60_000;

/// What a bearer token stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub client_id: String,
    pub client_name: String,
    pub scopes: Scopes,
    pub issued_ms: i64,
    pub expires_ms: i64,
}

impl Token {
    /// The reason under which the client asks.
    pub fn ctx(&self, request_id: String, at_ms: i64, address: Option<String>) -> Ctx {
        Ctx {
            actor: Actor::Client { id: self.client_id.clone(), name: self.client_name.clone() },
            app: None,
            launch_patient: None,
            scopes: self.scopes.clone(),
            purpose: Purpose::default(),
            request_id,
            at_ms,
            address,
        }
    }
}

/// What a client may learn about one of its tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspection {
    Inactive,
    Active(Arc<Token>),
}

impl Auth {
    /// Gives `client` a token for what it asks, or for all it is registered for.
    ///
    /// Errors: [`Kind::Refused`], [`Kind::Throttled`], [`Kind::Scope`] when it asks for more,
    /// [`Kind::Storage`].
    pub fn client_credentials(
        &self,
        id: &str,
        secret: &str,
        scope: Option<&str>,
        address: Option<&str>,
    ) -> Result<(Secret, Arc<Token>), Error> {
        let client = self.check_client(id, secret, address)?;
        let registered = client.scopes.without(|row| row.level != Level::System, &Extra::ALL);
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
            client_id: client.id,
            client_name: client.name,
            scopes,
            issued_ms: now_ms,
            expires_ms: now_ms + TOKEN_LIFE_MS,
        });
        let secret = Secret::random("vt_", &*self.world);
        let key = digest(secret.expose());
        let event = self.event("token", true, &token.client_name, address);
        self.vault.write(vec![put(&key, &token)], event)?;
        self.tokens.put(key, Arc::clone(&token));
        Ok((secret, token))
    }

    /// What this bearer token stands for, if it lives. Cheap: one hash and one look into memory
    /// for a token that was seen before.
    pub fn token(&self, secret: &str) -> Result<Option<Arc<Token>>, Error> {
        let key = digest(secret);
        let load = || self.vault.item(TOKENS, &key)?.map(|bytes| read(&bytes)).transpose();
        let Some(token) = self.tokens.get_or_load(&key, load)? else { return Ok(None) };
        if self.now_ms() < token.expires_ms {
            return Ok(Some(token));
        }
        self.tokens.remove(&key);
        Ok(None)
    }

    /// Ends a token of `client_id`. A token of another client, or none, is left alone silently.
    pub fn revoke(&self, client_id: &str, secret: &str) -> Result<(), Error> {
        match self.introspect(client_id, secret)? {
            Introspection::Inactive => Ok(()),
            Introspection::Active(token) => self.end_token(&digest(secret), &token),
        }
    }

    /// What `client_id` may know about a token: only its own are active.
    pub fn introspect(&self, client_id: &str, secret: &str) -> Result<Introspection, Error> {
        Ok(match self.token(secret)? {
            Some(token) if token.client_id == client_id => Introspection::Active(token),
            _ => Introspection::Inactive,
        })
    }

    pub(crate) fn end_tokens_of(&self, client_id: &str) -> Result<(), Error> {
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
            let removed = over.iter().map(|(key, _)| removal(key)).collect();
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
        let written = self.vault.write(vec![removal(key)], event);
        self.tokens.remove(key);
        written
    }
}

fn removal(key: &Digest256) -> ItemWrite {
    ItemWrite { collection: TOKENS, key: key.to_vec(), value: None }
}

fn put(key: &Digest256, token: &Token) -> ItemWrite {
    let value = Value::object([
        ("client_id", Value::from(token.client_id.clone())),
        ("client_name", Value::from(token.client_name.clone())),
        ("scope", Value::from(token.scopes.to_string())),
        ("issued_ms", Value::from(token.issued_ms)),
        ("expires_ms", Value::from(token.expires_ms)),
    ]);
    let value = Some(value.to_json().into_bytes());
    ItemWrite { collection: TOKENS, key: key.to_vec(), value }
}

fn read(bytes: &[u8]) -> Result<Token, Error> {
    let damaged = || Error::storage("a token item cannot be read");
    let value = Value::parse(bytes).map_err(|_| damaged())?;
    let text = |name| value.get(name).and_then(Value::as_str);
    Ok(Token {
        client_id: text("client_id").ok_or_else(damaged)?.to_owned(),
        client_name: text("client_name").ok_or_else(damaged)?.to_owned(),
        scopes: Scopes::read(text("scope").ok_or_else(damaged)?).map_err(|_| damaged())?,
        issued_ms: number_ms(value.get("issued_ms")).ok_or_else(damaged)?,
        expires_ms: number_ms(value.get("expires_ms")).ok_or_else(damaged)?,
    })
}
