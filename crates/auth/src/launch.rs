//! What an app is told when it is opened from a chart: a token that stands for patient and visit.
//!
//! Good for one use, a few minutes, one app and one person.
//! Source: SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch.

use crate::client::Client;
use crate::item::{Item, Making};
use crate::redirect::with_query;
use crate::secret::{Digest256, Secret, digest};
use crate::vault::ItemWrite;
use crate::{Auth, CLOCK_BACK_MS, Error, Kind, Session, Site};

const LAUNCHES: &str = "auth.launch";
/// How long an app has to come back after it was opened.
pub const LAUNCH_LIFE_MS: i64 = 5 * 60_000;

/// An app that was opened and has not come back yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pub account_id: String,
    /// Id of the Patient whose chart was open.
    pub patient: Option<String>,
    /// Id of the Encounter that was open.
    pub encounter: Option<String>,
    client_id: String,
    made_ms: i64,
    key: Digest256,
}

impl Launch {
    pub(crate) fn item(&self) -> ItemWrite {
        let value = Making::new()
            .with("account", self.account_id.as_str())
            .with("client_id", self.client_id.as_str())
            .with("made_ms", self.made_ms)
            .may("patient", self.patient.as_ref())
            .may("encounter", self.encounter.as_ref())
            .bytes();
        ItemWrite { collection: LAUNCHES, key: self.key.to_vec(), value: Some(value) }
    }

    fn read(key: Digest256, bytes: &[u8]) -> Result<Launch, Error> {
        let item = Item::parse(bytes)?;
        Ok(Launch {
            account_id: item.text("account")?,
            patient: item.may("patient"),
            encounter: item.may("encounter"),
            client_id: item.text("client_id")?,
            made_ms: item.ms("made_ms")?,
            key,
        })
    }

    fn is_live(&self, now_ms: i64) -> bool {
        now_ms < self.made_ms + LAUNCH_LIFE_MS && now_ms >= self.made_ms - CLOCK_BACK_MS
    }
}

impl Auth {
    /// Apps that can be opened from a chart, by name.
    pub fn launchable(&self) -> Result<Vec<Client>, Error> {
        let mut clients = self.clients()?;
        clients.retain(|client| client.is_live() && client.launch_uri.is_some());
        clients.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(clients)
    }

    /// Opens an app from a chart: the address that the browser goes to.
    ///
    /// That the person may see `patient` is for the caller to have asked the record.
    /// Errors: [`Kind::NotFound`], [`Kind::Storage`].
    pub fn open_app(
        &self,
        site: &Site,
        session: &Session,
        client_id: &str,
        patient: Option<&str>,
        encounter: Option<&str>,
    ) -> Result<String, Error> {
        let client = self.client(client_id)?.filter(Client::is_live);
        let uri = client.as_ref().and_then(|client| client.launch_uri.as_deref());
        let (Some(client), Some(uri)) = (client.as_ref(), uri) else {
            return Err(Error::new(Kind::NotFound, "no app of this id can be opened"));
        };
        let secret = Secret::random("vl_", &*self.world);
        let launch = Launch {
            account_id: session.account_id.clone(),
            patient: patient.map(str::to_owned),
            encounter: encounter.map(str::to_owned),
            client_id: client.id.clone(),
            made_ms: self.now_ms(),
            key: digest(secret.expose()),
        };
        let event = self.event("app-opened", true, &session.name, session.address.as_deref());
        self.vault.write(vec![launch.item()], event)?;
        Ok(with_query(uri, &[("iss", &site.fhir()), ("launch", secret.expose())]))
    }

    /// The launch of this token, if `client_id` may still use it.
    pub(crate) fn launch(&self, secret: &str, client_id: &str) -> Result<Option<Launch>, Error> {
        let key = digest(secret);
        let bytes = self.vault.item(LAUNCHES, &key)?;
        let launch = bytes.map(|bytes| Launch::read(key, &bytes)).transpose()?;
        let now_ms = self.now_ms();
        Ok(launch.filter(|launch| launch.client_id == client_id && launch.is_live(now_ms)))
    }

    /// Launches that are over, as removals.
    pub(crate) fn launches_over(&self, now_ms: i64) -> Result<Vec<ItemWrite>, Error> {
        let mut over = Vec::new();
        for (key, bytes) in self.vault.items(LAUNCHES, b"")? {
            let digest = Digest256::try_from(key.as_slice()).map_err(Error::storage)?;
            if !Launch::read(digest, &bytes)?.is_live(now_ms) {
                over.push(ItemWrite { collection: LAUNCHES, key, value: None });
            }
        }
        Ok(over)
    }
}
