//! Programs that register themselves, until an administrator agrees.
//!
//! Only the members named here are read: what else a registration says of itself (an id, that it
//! is approved, a role) changes nothing.
//!
//! Source: RFC 7591 §2 and §3; SMART App Launch 2.2 app-launch.html#step-1-register.

use fhir::json::Value;
use record::Scopes;

use crate::client::{Client, NewClient, NewProof};
use crate::jose::KeySet;
use crate::redirect::{REDIRECTS_MAX, is_redirect};
use crate::secret::Secret;
use crate::{Auth, Error, Kind};

/// Registrations that wait for an administrator at the same time.
pub const PENDING_MAX: usize = 50;
/// How long a registration waits before it is forgotten.
pub const PENDING_LIFE_MS: i64 = 30 * 24 * 3_600_000;

impl Auth {
    /// Takes a registration (RFC 7591 client metadata) that waits for an administrator.
    ///
    /// Errors: [`Kind::Invalid`], [`Kind::Redirect`], [`Kind::Scope`]; [`Kind::Throttled`] when
    /// too many wait already.
    pub fn register(&self, metadata: &Value) -> Result<(Client, Option<Secret>), Error> {
        let invalid = |text: &str| Error::new(Kind::Invalid, text);
        if !matches!(metadata, Value::Object(_)) {
            return Err(invalid("a registration is a JSON object"));
        }
        let text = |name: &str| match metadata.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(invalid("a member of the registration must be text")),
        };
        let texts = |name: &str| match metadata.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) if list.len() <= REDIRECTS_MAX => list
                .iter()
                .map(|one| one.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| invalid("a list of the registration holds texts")),
            Some(_) => Err(invalid("a list of the registration is none, or has more than 16")),
        };
        let grants = texts("grant_types")?;
        let known = ["authorization_code", "refresh_token", "client_credentials"];
        if let Some(grant) = grants.iter().find(|grant| !known.contains(&grant.as_str())) {
            let grant: String = grant.chars().take(60).collect();
            return Err(invalid(&format!("the grant type {grant:?} is not offered")));
        }
        if texts("response_types")?.iter().any(|one| one != "code") {
            return Err(invalid("the response type is code"));
        }
        let keys = match (metadata.get("jwks"), text("jwks_uri")?) {
            (Some(_), Some(_)) => return Err(invalid("give jwks or jwks_uri, not both")),
            (Some(keys), None) => {
                let keys = KeySet::from_value(keys).map_err(invalid)?;
                Some(NewProof::Keys(keys))
            }
            (None, Some(uri)) if uri.starts_with("https://") && is_redirect(uri) => {
                Some(NewProof::KeysAt(uri.to_owned()))
            }
            (None, Some(_)) => return Err(invalid("jwks_uri must be an https address")),
            (None, None) => None,
        };
        let proof = match (text("token_endpoint_auth_method")?, keys) {
            (Some("private_key_jwt") | None, Some(keys)) => keys,
            (Some("private_key_jwt"), None) => {
                return Err(invalid("private_key_jwt needs jwks or jwks_uri"));
            }
            (Some("none"), None) => NewProof::Public,
            (None | Some("client_secret_basic" | "client_secret_post"), None) => NewProof::Secret,
            (Some(_), None) => return Err(invalid("this way to prove who one is is not offered")),
            (Some(_), Some(_)) => return Err(invalid("keys are for private_key_jwt")),
        };
        let scope = text("scope")?.unwrap_or("openid fhirUser launch/patient patient/*.rs");
        Scopes::read(scope)?;
        if self.n_pending()? >= PENDING_MAX {
            let text = "too many registrations wait for an administrator; try again later";
            return Err(Error::new(Kind::Throttled { retry_after_ms: 3_600_000 }, text));
        }
        self.add_client(NewClient {
            name: text("client_name")?.ok_or_else(|| invalid("client_name is needed"))?,
            scope,
            proof,
            redirect_uris: texts("redirect_uris")?,
            // SMART has no name for it in a registration; this one is OpenID Connect's.
            launch_uri: text("initiate_login_uri")?.map(str::to_owned),
            pending: true,
        })
    }

    fn n_pending(&self) -> Result<usize, Error> {
        Ok(self.clients()?.iter().filter(|client| client.pending).count())
    }

    /// Forgets registrations that nobody has agreed to. Call now and then.
    pub fn sweep_registrations(&self) -> Result<(), Error> {
        let now_ms = self.now_ms();
        for client in self.clients()? {
            if client.pending && client.created_ms + PENDING_LIFE_MS <= now_ms {
                self.reject_client(&client.id)?;
            }
        }
        Ok(())
    }

    /// Removes all that is over: sessions, tokens, codes, connections, registrations, keys. Call
    /// every few minutes.
    pub fn sweep(&self) -> Result<(), Error> {
        self.sweep_sessions()?;
        self.sweep_grants()?;
        self.sweep_tokens()?;
        self.sweep_registrations()?;
        self.sweep_invitations()?;
        self.sweep_keys()
    }
}
