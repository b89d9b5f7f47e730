//! `POST /oauth2/register`: a program registers itself.
//!
//! Source: RFC 7591 §3.

use std::sync::Arc;

use auth::{Client, Kind, Proof, Secret};
use axum::http::StatusCode;
use fhir::json::Value;

use crate::answer::{failed, json, refusal};
use crate::door::Door;
use crate::form::receive;
use crate::{HttpRequest, HttpResponse};

pub async fn register(door: Arc<Door>, request: HttpRequest) -> HttpResponse {
    let text = match receive(request, "application/json").await {
        Ok((_, text)) => text,
        Err(answer) => return *answer,
    };
    let bad = |text: &str| refusal(StatusCode::BAD_REQUEST, "invalid_client_metadata", text);
    let Ok(metadata) = Value::parse(text) else { return bad("the registration is not JSON") };
    door.work(move |door| match door.auth().register(&metadata) {
        Ok((client, secret)) => json(StatusCode::CREATED, &described(&client, secret.as_ref())),
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Scope) => {
            refusal(StatusCode::BAD_REQUEST, "invalid_client_metadata", &error.public)
        }
        Err(error) => failed(&error, false),
    })
    .await
}

/// What was registered, which need not be what was asked for.
fn described(client: &Client, secret: Option<&Secret>) -> Value {
    let texts = |list: &[String]| Value::array(list.iter().map(|one| Value::from(one.as_str())));
    let mut value = Value::object([
        ("client_id", Value::from(client.id.as_str())),
        ("client_id_issued_at", Value::from(client.created_ms / 1000)),
        ("client_name", Value::from(client.name.as_str())),
        ("redirect_uris", texts(&client.redirect_uris)),
        ("scope", Value::from(client.scopes.to_string())),
        ("token_endpoint_auth_method", Value::from(client.proof.method())),
        // Not of RFC 7591: tells that an administrator has to agree first.
        ("status", Value::from(if client.pending { "pending" } else { "approved" })),
    ]);
    if let Some(secret) = secret {
        value.set("client_secret", Value::from(secret.expose()));
        value.set("client_secret_expires_at", Value::from(0_i64));
    }
    if let Some(uri) = &client.launch_uri {
        value.set("initiate_login_uri", Value::from(uri.as_str()));
    }
    match &client.proof {
        Proof::Keys(keys) => value.set("jwks", keys.to_value()),
        Proof::KeysAt(uri) => value.set("jwks_uri", Value::from(uri.as_str())),
        Proof::Public | Proof::Secret(_) => {}
    }
    value
}
