//! Programs that may ask for tokens.

use fhir::json::Value;
use record::Scopes;

use crate::account::number_ms;
use crate::secret::{Secret, digest, equal, hex, random_id, unhex};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

const CLIENTS: &str = "auth.client";
/// Characters of a client's name.
pub const CLIENT_NAME_CHARS_MAX: usize = 120;

/// A registered program.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    pub id: String,
    pub name: String,
    /// What it may be granted at most.
    pub scopes: Scopes,
    pub disabled: bool,
    pub created_ms: i64,
}

/// What `client add` asks for.
#[derive(Clone, Copy, Debug)]
pub struct NewClient<'a> {
    pub name: &'a str,
    /// Scopes parted by spaces.
    pub scope: &'a str,
}

struct Stored {
    client: Client,
    secret: Vec<u8>,
}

impl Auth {
    /// Registers a program. The secret is shown this once.
    ///
    /// Errors: [`Kind::Invalid`], [`Kind::Scope`], [`Kind::Storage`].
    pub fn add_client(&self, new: NewClient<'_>) -> Result<(Client, Secret), Error> {
        let n_chars = new.name.chars().count();
        if n_chars == 0 || n_chars > CLIENT_NAME_CHARS_MAX || new.name.chars().any(char::is_control)
        {
            let text = format!("a client's name has 1 to {CLIENT_NAME_CHARS_MAX} characters");
            return Err(Error::new(Kind::Invalid, text));
        }
        let client = Client {
            id: random_id(&*self.world),
            name: new.name.to_owned(),
            scopes: Scopes::read(new.scope)?,
            disabled: false,
            created_ms: self.now_ms(),
        };
        let secret = Secret::random("vc_", &*self.world);
        let hash = digest(secret.expose()).to_vec();
        self.put_client(&Stored { client: client.clone(), secret: hash }, "client-created")?;
        Ok((client, secret))
    }

    /// All registered programs, by id.
    pub fn clients(&self) -> Result<Vec<Client>, Error> {
        let items = self.vault.items(CLIENTS, b"")?;
        items.iter().map(|(_, bytes)| Ok(read(bytes)?.client)).collect()
    }

    /// Checks a client's secret.
    ///
    /// Errors: [`Kind::Refused`] for every reason alike, [`Kind::Throttled`], [`Kind::Storage`].
    pub fn check_client(
        &self,
        id: &str,
        secret: &str,
        address: Option<&str>,
    ) -> Result<Client, Error> {
        let name: String = id.chars().take(64).collect();
        self.check_throttle(&name, address)?;
        let stored = self.stored_client(&name)?;
        // The secret is random: one hash is enough, and costs the same for an unknown client.
        let given = digest(secret);
        let kept = stored.as_ref().map_or(&[0u8; 32][..], |stored| &stored.secret);
        let right = equal(&given, kept);
        match stored {
            Some(stored) if right && !stored.client.disabled => {
                self.throttle.succeeded(&name, address);
                Ok(stored.client)
            }
            _ => {
                self.throttle.failed(&name, address, self.now_ms());
                self.vault.write(Vec::new(), self.event("token", false, &name, address))?;
                Err(Error::new(Kind::Refused, "the client id or the secret is wrong"))
            }
        }
    }

    /// Switches a client off or on. Off ends its tokens at once.
    pub fn set_client_disabled(&self, id: &str, disabled: bool) -> Result<(), Error> {
        let no_such = || Error::new(Kind::NotFound, "no client has this id");
        let mut stored = self.stored_client(id)?.ok_or_else(no_such)?;
        stored.client.disabled = disabled;
        self.put_client(&stored, if disabled { "client-disabled" } else { "client-enabled" })?;
        if disabled { self.end_tokens_of(id) } else { Ok(()) }
    }

    fn stored_client(&self, id: &str) -> Result<Option<Stored>, Error> {
        self.vault.item(CLIENTS, id.as_bytes())?.map(|bytes| read(&bytes)).transpose()
    }

    fn put_client(&self, stored: &Stored, action: &'static str) -> Result<(), Error> {
        let client = &stored.client;
        let value = Value::object([
            ("id", Value::from(client.id.clone())),
            ("name", Value::from(client.name.clone())),
            ("scope", Value::from(client.scopes.to_string())),
            ("disabled", Value::from(client.disabled)),
            ("created_ms", Value::from(client.created_ms)),
            ("secret_sha256", Value::from(hex(&stored.secret))),
        ]);
        let write = ItemWrite {
            collection: CLIENTS,
            key: client.id.as_bytes().to_vec(),
            value: Some(value.to_json().into_bytes()),
        };
        self.vault.write(vec![write], self.event(action, true, &client.name, None))
    }
}

fn read(bytes: &[u8]) -> Result<Stored, Error> {
    let damaged = || Error::storage("a client item cannot be read");
    let value = Value::parse(bytes).map_err(|_| damaged())?;
    let text = |name| value.get(name).and_then(Value::as_str);
    Ok(Stored {
        client: Client {
            id: text("id").ok_or_else(damaged)?.to_owned(),
            name: text("name").ok_or_else(damaged)?.to_owned(),
            scopes: Scopes::read(text("scope").ok_or_else(damaged)?).map_err(|_| damaged())?,
            disabled: value.get("disabled") == Some(&Value::Bool(true)),
            created_ms: number_ms(value.get("created_ms")).ok_or_else(damaged)?,
        },
        secret: text("secret_sha256").and_then(unhex).ok_or_else(damaged)?,
    })
}
