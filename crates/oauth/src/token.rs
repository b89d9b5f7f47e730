//! `/oauth2/token`, `/oauth2/introspect`, `/oauth2/revoke`.
//!
//! Source: RFC 6749 §4.1.3, §4.4, §5, §6; RFC 7009; RFC 7662; SMART App Launch 2.2.

use std::sync::Arc;

use auth::{Introspection, Issued, Person, Redeem, Shown, Site};
use axum::http::StatusCode;
use fhir::json::Value;
use record::{Extra, Scopes};

use crate::answer::{empty, failed, invalid_request, json, refusal};
use crate::door::Door;
use crate::form::Form;
use crate::{HttpRequest, HttpResponse};

/// `POST /oauth2/token`.
pub async fn token(door: Arc<Door>, request: HttpRequest, address: Option<String>) -> HttpResponse {
    let form = match Form::receive(request).await {
        Ok(form) => form,
        Err(answer) => return *answer,
    };
    door.work(move |door| {
        let grant_type = match form.get("grant_type") {
            Some(known @ ("authorization_code" | "refresh_token" | "client_credentials")) => known,
            Some(_) => return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", ""),
            None => return invalid_request("grant_type is missing"),
        };
        match give(door, &form, grant_type, address.as_deref()) {
            Ok(Some(issued)) => json(StatusCode::OK, &rendered(door.site(), &issued)),
            Ok(None) => {
                invalid_request("code, redirect_uri, code_verifier or refresh_token is missing")
            }
            Err(error) => failed(&error, form.by_header),
        }
    })
    .await
}

/// `None`: a parameter is missing.
fn give(
    door: &Door,
    form: &Form,
    grant_type: &str,
    address: Option<&str>,
) -> Result<Option<Issued>, auth::Error> {
    let (auth, site) = (door.auth(), door.site());
    let unnamed = match (grant_type, form.id.as_str(), form.shown(), form.get("refresh_token")) {
        ("refresh_token", "", Shown::Nothing, Some(secret)) => auth.public_client_of(secret)?,
        _ => None,
    };
    let client = match unnamed {
        Some(client) => client,
        None => auth.authenticate(site, &form.id, form.shown(), address)?,
    };
    let jkt = form.jkt(door)?;
    let jkt = jkt.as_deref();
    let issued = match grant_type {
        "client_credentials" => {
            auth.client_credentials(&client, form.get("scope"), jkt, address)?
        }
        "refresh_token" => {
            let Some(secret) = form.get("refresh_token") else { return Ok(None) };
            auth.refresh(&client, secret, form.get("scope"), jkt, address)?
        }
        _ => {
            let (Some(code), Some(redirect_uri), Some(verifier)) =
                (form.get("code"), form.get("redirect_uri"), form.get("code_verifier"))
            else {
                return Ok(None);
            };
            auth.redeem(site, &client, Redeem { code, redirect_uri, verifier, jkt, address })?
        }
    };
    Ok(Some(issued))
}

fn rendered(site: &Site, issued: &Issued) -> Value {
    let token = &issued.token;
    let kind = if token.jkt.is_some() { "DPoP" } else { "Bearer" };
    let mut value = Value::object([
        ("access_token", Value::from(issued.access.expose())),
        ("token_type", Value::from(kind)),
        ("expires_in", Value::from((token.expires_ms - token.issued_ms) / 1000)),
        ("scope", Value::from(token.scopes.to_string())),
    ]);
    let mut set = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            value.set(name, Value::from(text));
        }
    };
    set("refresh_token", issued.refresh.as_ref().map(auth::Secret::expose));
    set("id_token", issued.id_token.as_deref());
    set("patient", token.patient.as_deref());
    set("encounter", token.encounter.as_deref());
    if token.person.is_some() {
        // The app stands in a window of its own, where no banner of ours is.
        value.set("need_patient_banner", Value::from(true));
        value.set("smart_style_url", Value::from(site.endpoint("style")));
    }
    value
}

/// `POST /oauth2/introspect`: a program asks about its own token.
pub async fn introspect(
    door: Arc<Door>,
    request: HttpRequest,
    address: Option<String>,
) -> HttpResponse {
    let form = match Form::receive(request).await {
        Ok(form) => form,
        Err(answer) => return *answer,
    };
    door.work(move |door| {
        let (auth, site) = (door.auth(), door.site());
        if matches!(form.shown(), Shown::Nothing) {
            let text = "a program that asks about tokens proves who it is";
            return refusal(StatusCode::UNAUTHORIZED, "invalid_client", text);
        }
        let found = auth
            .authenticate(site, &form.id, form.shown(), address.as_deref())
            .and_then(|c| auth.introspect(&c.id, form.get("token").unwrap_or_default()));
        match found {
            Ok(found) => json(StatusCode::OK, &described(site, &found)),
            Err(error) => failed(&error, form.by_header),
        }
    })
    .await
}

fn described(site: &Site, found: &Introspection) -> Value {
    let mut value = Value::object([("active", Value::from(true))]);
    let mut set = |name: &str, one: Value| value.set(name, one);
    let (scopes, person, patient, encounter) = match found {
        Introspection::Inactive => return Value::object([("active", Value::from(false))]),
        Introspection::Active(token) => {
            set("client_id", Value::from(token.client_id.as_str()));
            set("token_type", Value::from(if token.jkt.is_some() { "DPoP" } else { "Bearer" }));
            set("iat", Value::from(token.issued_ms / 1000));
            set("exp", Value::from(token.expires_ms / 1000));
            if let Some(jkt) = &token.jkt {
                set("cnf", Value::object([("jkt", Value::from(jkt.as_str()))]));
            }
            (&token.scopes, token.person.as_ref(), &token.patient, &token.encounter)
        }
        Introspection::Refresh(grant) => {
            set("client_id", Value::from(grant.client_id.as_str()));
            set("iat", Value::from(grant.used_ms / 1000));
            set("exp", Value::from(grant.expires_ms / 1000));
            (&grant.scopes, Some(&grant.person), &grant.patient, &grant.encounter)
        }
    };
    set("iss", Value::from(site.issuer()));
    set("scope", Value::from(scopes.to_string()));
    for (name, text) in [("patient", patient), ("encounter", encounter)] {
        if let Some(text) = text {
            set(name, Value::from(text.as_str()));
        }
    }
    if let Some(person) = person {
        about(site, person, scopes, &mut value);
    }
    value
}

/// Who is behind a token, as far as the program was told at sign-in.
fn about(site: &Site, person: &Person, scopes: &Scopes, value: &mut Value) {
    if scopes.has(Extra::OpenId) {
        value.set("sub", Value::from(person.account_id.as_str()));
    }
    if let Some(user) = person.fhir_user.as_ref().filter(|_| scopes.has(Extra::FhirUser)) {
        value.set("fhirUser", Value::from(format!("{}/{user}", site.fhir())));
    }
}

/// `POST /oauth2/revoke`: answers 200 whether there was a token or not.
pub async fn revoke(
    door: Arc<Door>,
    request: HttpRequest,
    address: Option<String>,
) -> HttpResponse {
    let form = match Form::receive(request).await {
        Ok(form) => form,
        Err(answer) => return *answer,
    };
    door.work(move |door| {
        let auth = door.auth();
        let done = auth
            .authenticate(door.site(), &form.id, form.shown(), address.as_deref())
            .and_then(|c| auth.revoke(&c.id, form.get("token").unwrap_or_default()));
        match done {
            Ok(()) => empty(StatusCode::OK),
            Err(error) => failed(&error, form.by_header),
        }
    })
    .await
}
