//! The question of a program: may I act for this person? And the answer that goes back to it.
//!
//! Nothing is kept between the question and the answer: the page that asks the person repeats the
//! question, and it is checked again. What is answered is a code, good for one use and one minute.
//!
//! Source: SMART App Launch 2.2 app-launch.html; RFC 6749 §4.1; RFC 7636; RFC 9207; RFC 9700.

use record::{Extra, Level, Role, Scopes};

use crate::client::Client;
use crate::grant::{Code, OFFLINE_LIFE_MS, Person};
use crate::launch::Launch;
use crate::redirect::with_query;
use crate::secret::{Secret, digest, hex};
use crate::vault::ItemWrite;
use crate::{Auth, Error, Kind, Session, Site};

/// Characters of `state` and `nonce`.
pub const STATE_CHARS_MAX: usize = 1_024;

/// A question that may be put to a person.
#[derive(Debug)]
pub struct AuthorizeRequest {
    pub client: Client,
    pub redirect_uri: String,
    /// Asked for and registered; what the person may is not considered yet.
    pub scopes: Scopes,
    /// What the app was opened with, when it was opened from a chart.
    pub launch: Option<Launch>,
    /// The program does not want the person to be asked.
    pub silent: bool,
    state: String,
    challenge: String,
    nonce: Option<String>,
    /// Key that the tokens shall be bound to (RFC 9449 §10).
    jkt: Option<String>,
}

/// Why a question is not put to a person.
#[derive(Debug)]
pub enum Unfit {
    /// Nobody can be sent back: say it here.
    Here(Error),
    /// Send the browser back to this address, which holds the error.
    Back(String),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Unfit {
        Unfit::Here(error)
    }
}

impl AuthorizeRequest {
    /// What a person of this role can be asked for.
    ///
    /// Without scopes of level `system`, which are for programs by themselves; without scopes of
    /// level `patient` when no patient can come into it.
    pub fn offered(&self) -> Scopes {
        let no_launch = self.launch.is_none().then_some(Extra::Launch);
        let no_encounter = self.launch.as_ref().is_none_or(|launch| launch.encounter.is_none());
        let no_encounter = no_encounter.then_some(Extra::LaunchEncounter);
        let gone: Vec<Extra> = [no_launch, no_encounter].into_iter().flatten().collect();
        self.scopes.without(|row| row.level == Level::System, &gone)
    }

    /// True when the person has to say which patient it is about.
    pub fn wants_patient(&self, role: Role) -> bool {
        let offered = self.offered();
        role != Role::Patient
            && self.launch.as_ref().is_none_or(|launch| launch.patient.is_none())
            && (offered.has(Extra::LaunchPatient)
                || offered.rows().iter().any(|row| row.level == Level::Patient))
    }

    /// Where the browser goes when the person says no.
    pub fn denied(&self, site: &Site) -> String {
        self.back(site, "access_denied", "the person said no")
    }

    /// Where the browser goes with an error.
    pub fn back(&self, site: &Site, error: &str, text: &str) -> String {
        back(site, &self.redirect_uri, &self.state, error, text)
    }
}

fn back(site: &Site, redirect_uri: &str, state: &str, error: &str, text: &str) -> String {
    let mut pairs = vec![("error", error), ("error_description", text)];
    if !state.is_empty() {
        pairs.push(("state", state));
    }
    pairs.push(("iss", site.issuer()));
    with_query(redirect_uri, &pairs)
}

/// What a person agreed to.
#[derive(Clone, Debug)]
pub struct Consent<'a> {
    /// What was left ticked.
    pub kept: &'a Scopes,
    /// The Patient that a member of staff chose, where one was asked for.
    pub patient: Option<&'a str>,
}

impl Auth {
    /// Reads an authorization request.
    ///
    /// Errors: [`Unfit::Here`] until program and address are known to be registered, else
    /// [`Unfit::Back`].
    pub fn authorize_request(
        &self,
        site: &Site,
        pairs: &[(String, String)],
    ) -> Result<AuthorizeRequest, Unfit> {
        let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let twice = |name: &str| pairs.iter().filter(|(n, _)| n == name).count() > 1;
        let here = |text: &str| Unfit::Here(Error::new(Kind::Invalid, text));
        if twice("client_id") || twice("redirect_uri") {
            return Err(here("the app's request names itself or its address twice"));
        }
        let client = match get("client_id").filter(|id| id.len() <= 64) {
            Some(id) => self.client(id)?.filter(Client::is_live),
            None => None,
        };
        let client = client.ok_or_else(|| here("no app of this id is open to this practice"))?;
        // Without an address, none is guessed: not even when only one is registered.
        let redirect_uri = get("redirect_uri").filter(|uri| client.may_go_to(uri));
        let Some(redirect_uri) = redirect_uri.map(str::to_owned) else {
            return Err(here("the app wants to send you to an address that is not registered"));
        };
        let state = get("state").unwrap_or_default();
        let back = |error: &str, text: &str| {
            let state = if state.len() <= STATE_CHARS_MAX { state } else { "" };
            Unfit::Back(back(site, &redirect_uri, state, error, text))
        };
        let invalid = |text: &str| back("invalid_request", text);
        for (name, _) in pairs {
            if twice(name) {
                return Err(invalid("a parameter is given twice"));
            }
        }
        if state.is_empty() || state.len() > STATE_CHARS_MAX {
            return Err(invalid("state is needed, 1 to 1024 characters, and different each time"));
        }
        if get("request").is_some() || get("request_uri").is_some() {
            return Err(back("request_not_supported", "give the parameters themselves"));
        }
        match get("response_type") {
            Some("code") => {}
            Some(_) => return Err(back("unsupported_response_type", "response_type is code")),
            None => return Err(invalid("response_type=code is needed")),
        }
        if get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(invalid("response_mode is query"));
        }
        let fhir = site.fhir();
        if get("aud").map(|aud| aud.strip_suffix('/').unwrap_or(aud)) != Some(fhir.as_str()) {
            return Err(invalid("aud must be the FHIR base of this server"));
        }
        if get("code_challenge_method") != Some("S256") {
            return Err(invalid("code_challenge_method=S256 is needed"));
        }
        let is_challenge = |text: &&str| is_base64url(text, 43..=43);
        let Some(challenge) = get("code_challenge").filter(is_challenge) else {
            return Err(invalid("code_challenge is needed: 43 characters of base64url"));
        };
        if get("nonce").is_some_and(|nonce| nonce.len() > STATE_CHARS_MAX) {
            return Err(invalid("nonce has at most 1024 characters"));
        }
        let jkt = get("dpop_jkt");
        if jkt.is_some_and(|jkt| !is_base64url(jkt, 43..=43)) {
            return Err(invalid("dpop_jkt is a thumbprint: 43 characters of base64url"));
        }
        let launch = match get("launch") {
            None => None,
            Some(secret) => match self.launch(secret, &client.id)? {
                Some(launch) => Some(launch),
                None => return Err(invalid("launch is used, over, or of another app")),
            },
        };
        // What is not a scope, or not registered, is left out; the answer tells what was granted.
        let scopes = Scopes::parse(get("scope").unwrap_or_default()).intersection(&client.scopes);
        let request = AuthorizeRequest {
            redirect_uri: redirect_uri.clone(),
            scopes,
            launch,
            silent: get("prompt").is_some_and(|all| all.split(' ').any(|one| one == "none")),
            state: state.to_owned(),
            challenge: challenge.to_owned(),
            nonce: get("nonce").map(str::to_owned),
            jkt: jkt.map(str::to_owned),
            client,
        };
        if request.offered().is_empty() {
            let text = "none of the scopes can be granted; the app is registered for others";
            return Err(back("invalid_scope", text));
        }
        Ok(request)
    }

    /// The person agrees: the address that the browser goes to, with a code in it.
    ///
    /// Granted is what was asked for, registered, and left ticked. What of it the person may see
    /// is decided with every request, by role and relations.
    ///
    /// Errors: [`Kind::Invalid`] when nothing is left or no patient was chosen,
    /// [`Kind::Refused`] when the launch is somebody else's or was used meanwhile.
    pub fn approve(
        &self,
        site: &Site,
        session: &Session,
        request: &AuthorizeRequest,
        consent: &Consent<'_>,
    ) -> Result<String, Error> {
        let account = self.live_account(&session.name, &session.account_id)?;
        let launch = request.launch.as_ref();
        if launch.is_some_and(|launch| launch.account_id != account.id) {
            return Err(Error::new(Kind::Refused, "the app was opened by somebody else"));
        }
        let patient = match (&account.patient, launch.and_then(|l| l.patient.as_deref())) {
            // A patient's own record, whatever the launch or the form says.
            (Some(own), _) => Some(own.as_str()),
            (None, Some(patient)) => Some(patient),
            (None, None) if request.wants_patient(account.role) => consent.patient,
            (None, None) => None,
        };
        let patient = patient.filter(|id| fhir::reference::is_id(id)).map(str::to_owned);
        let mut scopes = request.offered().intersection(consent.kept);
        if patient.is_none() {
            let launch_patient = [Extra::LaunchPatient];
            scopes = scopes.without(|row| row.level == Level::Patient, &launch_patient);
        }
        if scopes.is_empty() {
            return Err(Error::new(Kind::Invalid, "nothing was left to agree to"));
        }
        let now_ms = self.now_ms();
        let person = Person {
            account_id: account.id,
            name: account.name,
            role: account.role,
            patient: account.patient,
            fhir_user: account.fhir_user,
        };
        let code = Code {
            grant_id: crate::secret::random_id(&*self.world),
            client_id: request.client.id.clone(),
            client_name: request.client.name.clone(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            encounter: launch.and_then(|launch| launch.encounter.clone()),
            patient,
            scopes,
            person,
            nonce: request.nonce.clone(),
            jkt: request.jkt.clone(),
            session: session.id.clone(),
            signed_in_ms: session.started_ms,
            made_ms: now_ms,
            used: false,
        };
        let secret = Secret::random("va_", &*self.world);
        let mut writes = vec![code.item(&digest(secret.expose()))];
        let mut expected = Vec::new();
        if let Some(launch) = launch {
            // One use: whoever writes first.
            expected.push(launch.item());
            writes.push(ItemWrite { value: None, ..launch.item() });
        }
        let event = self.event("app-agreed", true, &session.name, session.address.as_deref());
        if !self.vault.write_if(expected, writes, event)? {
            return Err(Error::new(Kind::Refused, "the app was opened already; open it again"));
        }
        let pairs = [("code", secret.expose()), ("state", &request.state), ("iss", site.issuer())];
        Ok(with_query(&request.redirect_uri, &pairs))
    }

    /// What ties a form to the session and to the question that it answers: a form of another
    /// site, or for another question, does not have it.
    pub fn form_token(&self, session_secret: &str, question: &str) -> String {
        hex(&digest(&format!("form\0{session_secret}\0{question}")))
    }

    /// True when `given` is the token of this session and question.
    pub fn is_form_token(&self, session_secret: &str, question: &str, given: &str) -> bool {
        let own = self.form_token(session_secret, question);
        crate::secret::equal(own.as_bytes(), given.as_bytes())
    }
}

/// How long a connection lasts, for the page that asks.
pub fn life_ms(scopes: &Scopes) -> i64 {
    match () {
        () if scopes.has(Extra::OfflineAccess) => OFFLINE_LIFE_MS,
        () if scopes.has(Extra::OnlineAccess) => crate::SESSION_LIFE_MS,
        () => crate::TOKEN_LIFE_MS,
    }
}

pub(crate) fn is_base64url(text: &str, n: std::ops::RangeInclusive<usize>) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    n.contains(&text.len()) && text.bytes().all(good)
}

/// Scopes out of the ticks of a form: each value is one scope as it was printed.
pub fn ticked<'a>(values: impl Iterator<Item = &'a str>) -> Scopes {
    let text: Vec<&str> = values.collect();
    Scopes::read(&text.join(" ")).unwrap_or_default()
}
