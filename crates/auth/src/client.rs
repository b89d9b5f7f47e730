//! Programs: registered, how they prove who they are, and where they may send a browser.

use fhir::json::Value;
use record::{BadScope, Extra, Level, Scopes};

use crate::account::number_ms;
use crate::jose::KeySet;
use crate::redirect::{REDIRECTS_MAX, is_redirect, is_same};
use crate::secret::{Secret, digest, equal, hex, random_id, unhex};
use crate::throttle::Place;
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind};

pub(crate) const CLIENTS: &str = "auth.client";
/// Characters of a client's name.
pub const CLIENT_NAME_CHARS_MAX: usize = 120;

/// How a program proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It cannot keep a secret: an app in a browser or on a phone.
    Public,
    /// A secret that it shares with us, as its hash.
    Secret(Vec<u8>),
    /// Assertions that it signs; these are its public keys.
    Keys(KeySet),
    /// Assertions that it signs; its public keys are published at this `https` address.
    KeysAt(String),
}

impl Proof {
    /// The name in OAuth metadata.
    pub const fn method(&self) -> &'static str {
        match self {
            Proof::Public => "none",
            Proof::Secret(_) => "client_secret_basic",
            Proof::Keys(_) | Proof::KeysAt(_) => "private_key_jwt",
        }
    }
}

/// A registered program.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    pub id: String,
    pub name: String,
    /// What it may be granted at most.
    pub scopes: Scopes,
    pub proof: Proof,
    /// Where a browser may be sent back to; none: it never acts for a person.
    pub redirect_uris: Vec<String>,
    /// Where it is opened from a chart.
    pub launch_uri: Option<String>,
    /// It registered itself and waits for an administrator.
    pub pending: bool,
    pub disabled: bool,
    pub created_ms: i64,
}

impl Client {
    pub fn is_live(&self) -> bool {
        !self.pending && !self.disabled
    }

    /// True when a browser may be sent back to `uri`.
    pub fn may_go_to(&self, uri: &str) -> bool {
        let any_port = self.proof == Proof::Public;
        self.redirect_uris.iter().any(|registered| is_same(registered, uri, any_port))
    }
}

/// How a new program shall prove who it is.
#[derive(Clone, Debug, Default)]
pub enum NewProof {
    /// With a secret that is made now.
    #[default]
    Secret,
    Public,
    /// With assertions, by these public keys.
    Keys(KeySet),
    /// With assertions, by the public keys at this address.
    KeysAt(String),
}

/// What `client add` and a registration ask for.
#[derive(Clone, Debug, Default)]
pub struct NewClient<'a> {
    pub name: &'a str,
    /// Scopes parted by spaces.
    pub scope: &'a str,
    pub proof: NewProof,
    pub redirect_uris: Vec<String>,
    pub launch_uri: Option<String>,
    /// An administrator must agree first.
    pub pending: bool,
}

impl Auth {
    /// Registers a program. A secret is shown this once; there is none with keys, and none for a
    /// public program.
    ///
    /// Errors: [`Kind::Invalid`], [`Kind::Redirect`], [`Kind::Scope`], [`Kind::Storage`].
    pub fn add_client(&self, new: NewClient<'_>) -> Result<(Client, Option<Secret>), Error> {
        let n_chars = new.name.chars().count();
        if n_chars == 0 || n_chars > CLIENT_NAME_CHARS_MAX || new.name.chars().any(char::is_control)
        {
            let text = format!("a client's name has 1 to {CLIENT_NAME_CHARS_MAX} characters");
            return Err(Error::new(Kind::Invalid, text));
        }
        let scopes = Scopes::read(new.scope)?;
        check_redirects(&new)?;
        check_fit(&scopes, &new)?;
        let secret =
            matches!(new.proof, NewProof::Secret).then(|| Secret::random("vc_", &*self.world));
        let client = Client {
            id: random_id(&*self.world),
            name: new.name.to_owned(),
            scopes,
            proof: match (new.proof, &secret) {
                (NewProof::Keys(keys), _) => Proof::Keys(keys),
                (NewProof::KeysAt(uri), _) => Proof::KeysAt(uri),
                (_, Some(secret)) => Proof::Secret(digest(secret.expose()).to_vec()),
                (_, None) => Proof::Public,
            },
            redirect_uris: new.redirect_uris,
            launch_uri: new.launch_uri,
            pending: new.pending,
            disabled: false,
            created_ms: self.now_ms(),
        };
        let action = if client.pending { "client-registered" } else { "client-created" };
        self.put_client(&client, action)?;
        Ok((client, secret))
    }

    /// All registered programs, by id.
    pub fn clients(&self) -> Result<Vec<Client>, Error> {
        let items = self.vault.items(CLIENTS, b"")?;
        items.iter().map(|(_, bytes)| read(bytes)).collect()
    }

    /// The program of this id.
    pub fn client(&self, id: &str) -> Result<Option<Client>, Error> {
        self.vault.item(CLIENTS, id.as_bytes())?.map(|bytes| read(&bytes)).transpose()
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
        let client = self.client(&name)?;
        // The secret is random: one hash is enough, and costs the same for an unknown client.
        let given = digest(secret);
        let kept = match client.as_ref().map(|client| &client.proof) {
            Some(Proof::Secret(hash)) => hash.as_slice(),
            _ => &[],
        };
        let right = equal(&given, kept);
        match client {
            Some(client) if right && client.is_live() => {
                self.throttle.succeeded(&name, &Place::of(address));
                Ok(client)
            }
            _ => Err(self.client_refused(&name, address)),
        }
    }

    /// Counts and records a failed proof.
    pub(crate) fn client_refused(&self, name: &str, address: Option<&str>) -> Error {
        self.throttle.failed(name, &Place::of(address), self.now_ms());
        match self.vault.write(Vec::new(), self.event("token", false, name, address)) {
            Ok(()) => Error::new(Kind::Refused, "the client id or its proof is wrong"),
            Err(error) => error,
        }
    }

    /// Switches a client off or on. Off ends its tokens and connections at once.
    pub fn set_client_disabled(&self, id: &str, disabled: bool) -> Result<(), Error> {
        let mut client = self.client(id)?.ok_or_else(no_such)?;
        client.disabled = disabled;
        self.put_client(&client, if disabled { "client-disabled" } else { "client-enabled" })?;
        if disabled { self.end_tokens_of(id) } else { Ok(()) }
    }

    /// An administrator agrees to a program that registered itself.
    pub fn approve_client(&self, id: &str) -> Result<(), Error> {
        let mut client = self.client(id)?.ok_or_else(no_such)?;
        client.pending = false;
        self.put_client(&client, "client-approved")
    }

    /// Forgets a program that registered itself and was not agreed to.
    ///
    /// Errors: [`Kind::NotFound`] also for one that was: switch that off instead.
    pub fn reject_client(&self, id: &str) -> Result<(), Error> {
        let client = self.client(id)?.filter(|client| client.pending).ok_or_else(no_such)?;
        let write = ItemWrite { collection: CLIENTS, key: id.as_bytes().to_vec(), value: None };
        self.vault.write(vec![write], self.event("client-rejected", true, &client.name, None))
    }

    fn put_client(&self, client: &Client, action: &'static str) -> Result<(), Error> {
        let mut value = Value::object([
            ("id", Value::from(client.id.clone())),
            ("name", Value::from(client.name.clone())),
            ("scope", Value::from(client.scopes.to_string())),
            ("disabled", Value::from(client.disabled)),
            ("pending", Value::from(client.pending)),
            ("created_ms", Value::from(client.created_ms)),
        ]);
        match &client.proof {
            Proof::Public => value.set("public", Value::from(true)),
            Proof::Secret(hash) => value.set("secret_sha256", Value::from(hex(hash))),
            Proof::Keys(keys) => value.set("jwks", keys.to_value()),
            Proof::KeysAt(uri) => value.set("jwks_uri", Value::from(uri.clone())),
        }
        let uris = client.redirect_uris.iter().map(|uri| Value::from(uri.clone()));
        value.set("redirect_uris", Value::array(uris));
        if let Some(uri) = &client.launch_uri {
            value.set("launch_uri", Value::from(uri.clone()));
        }
        let write = ItemWrite {
            collection: CLIENTS,
            key: client.id.as_bytes().to_vec(),
            value: Some(value.to_json().into_bytes()),
        };
        self.vault.write(vec![write], self.event(action, true, &client.name, None))
    }
}

fn no_such() -> Error {
    Error::new(Kind::NotFound, "no client has this id")
}

fn check_redirects(new: &NewClient<'_>) -> Result<(), Error> {
    let bad = |uri: &str| {
        let uri: String = uri.chars().take(200).collect();
        let text = format!(
            "{uri:?} cannot be an app's address; use https, http on 127.0.0.1, or an own scheme \
             such as com.example.app:/back, without a fragment"
        );
        Error::new(Kind::Redirect, text)
    };
    if new.redirect_uris.len() > REDIRECTS_MAX {
        let text = format!("an app has at most {REDIRECTS_MAX} redirect addresses");
        return Err(Error::new(Kind::Redirect, text));
    }
    let mut uris = new.redirect_uris.iter();
    if let Some(uri) = uris.find(|uri| !is_redirect(uri)) {
        return Err(bad(uri));
    }
    match &new.launch_uri {
        Some(uri) if !is_redirect(uri) || !uri.starts_with("http") => Err(bad(uri)),
        Some(_) if new.redirect_uris.is_empty() => {
            let text = "an app that is opened from a chart needs a redirect address as well";
            Err(Error::new(Kind::Redirect, text))
        }
        _ => Ok(()),
    }
}

/// Scopes that could never be granted are a mistake of the one who registers.
fn check_fit(scopes: &Scopes, new: &NewClient<'_>) -> Result<(), Error> {
    let by_itself = scopes.rows().iter().any(|row| row.level == Level::System);
    let for_people = scopes.rows().iter().any(|row| row.level != Level::System)
        || scopes.extras().next().is_some();
    let text = match () {
        () if matches!(new.proof, NewProof::Public) && by_itself => {
            "a public app cannot have system/ scopes: it cannot prove who it is"
        }
        () if matches!(new.proof, NewProof::Public) && new.redirect_uris.is_empty() => {
            "a public app needs a redirect address"
        }
        () if new.redirect_uris.is_empty() && !by_itself && for_people => {
            "an app that acts for people needs a redirect address"
        }
        () => return Ok(()),
    };
    Err(Error::new(Kind::Invalid, text))
}

fn read(bytes: &[u8]) -> Result<Client, Error> {
    let damaged = || Error::storage("a client item cannot be read");
    let value = Value::parse(bytes).map_err(|_| damaged())?;
    let text = |name| value.get(name).and_then(Value::as_str);
    let flag = |name| value.get(name) == Some(&Value::Bool(true));
    let proof = match (text("secret_sha256"), value.get("jwks"), text("jwks_uri")) {
        (Some(hash), ..) => Proof::Secret(unhex(hash).ok_or_else(damaged)?),
        (_, Some(keys), _) => Proof::Keys(KeySet::from_value(keys).map_err(|_| damaged())?),
        (.., Some(uri)) => Proof::KeysAt(uri.to_owned()),
        _ if flag("public") => Proof::Public,
        _ => return Err(damaged()),
    };
    let uris = value.get("redirect_uris").and_then(Value::as_array).unwrap_or_default();
    let scope = text("scope").ok_or_else(damaged)?;
    Ok(Client {
        id: text("id").ok_or_else(damaged)?.to_owned(),
        name: text("name").ok_or_else(damaged)?.to_owned(),
        scopes: Scopes::read(scope).map_err(|BadScope(_)| damaged())?,
        proof,
        redirect_uris: uris.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        launch_uri: text("launch_uri").map(str::to_owned),
        pending: flag("pending"),
        disabled: flag("disabled"),
        created_ms: number_ms(value.get("created_ms")).ok_or_else(damaged)?,
    })
}

/// Scopes that a program may have by itself, without a person.
pub(crate) fn by_itself(scopes: &Scopes) -> Scopes {
    scopes.without(|row| row.level != Level::System, &Extra::ALL)
}
