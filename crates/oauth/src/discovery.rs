//! What the server offers, for programs that have never been here.
//!
//! Source: SMART App Launch 2.2 conformance.html; OpenID Connect Discovery 1.0 §3; RFC 8414.

use std::sync::Arc;

use auth::Site;
use axum::http::StatusCode;
use fhir::json::Value;

use crate::HttpResponse;
use crate::answer::{failed, json};
use crate::door::Door;

const CAPABILITIES: &[&str] = &[
    "launch-ehr",
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];
const SCOPES: &[&str] = &[
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.cruds",
    "patient/*.rs",
    "user/*.cruds",
    "user/*.rs",
    "system/*.cruds",
    "system/*.rs",
];

fn texts(list: &[&str]) -> Value {
    Value::array(list.iter().map(|text| Value::from(*text)))
}

fn common(site: &Site) -> Vec<(&'static str, Value)> {
    let endpoint = |name: &str| Value::from(site.endpoint(name));
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
    let grants = ["authorization_code", "refresh_token", "client_credentials"];
    vec![
        ("issuer", Value::from(site.issuer())),
        ("jwks_uri", endpoint("jwks")),
        ("authorization_endpoint", endpoint("authorize")),
        ("token_endpoint", endpoint("token")),
        ("introspection_endpoint", endpoint("introspect")),
        ("revocation_endpoint", endpoint("revoke")),
        ("registration_endpoint", endpoint("register")),
        ("grant_types_supported", texts(&grants)),
        ("response_types_supported", texts(&["code"])),
        ("response_modes_supported", texts(&["query"])),
        ("scopes_supported", texts(SCOPES)),
        ("code_challenge_methods_supported", texts(&["S256"])),
        ("token_endpoint_auth_methods_supported", texts(&methods)),
        ("token_endpoint_auth_signing_alg_values_supported", texts(&["RS384", "ES384"])),
        ("dpop_signing_alg_values_supported", texts(&["ES256", "ES384", "RS256", "RS384"])),
        ("authorization_response_iss_parameter_supported", Value::from(true)),
        ("request_parameter_supported", Value::from(false)),
        ("request_uri_parameter_supported", Value::from(false)),
    ]
}

pub fn smart_configuration(site: &Site) -> Value {
    let mut members = common(site);
    members.push(("management_endpoint", Value::from(format!("{}/apps", site.issuer()))));
    members.push(("capabilities", texts(CAPABILITIES)));
    Value::object(members)
}

pub fn openid_configuration(site: &Site) -> Value {
    let mut members = common(site);
    members.push(("subject_types_supported", texts(&["public"])));
    members.push(("id_token_signing_alg_values_supported", texts(&["RS256"])));
    let claims = ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "fhirUser", "profile"];
    members.push(("claims_supported", texts(&claims)));
    Value::object(members)
}

/// Colours and sizes of the pages, so that apps can look alike.
///
/// Source: SMART App Launch 2.2 scopes-and-launch-context.html#styling.
pub fn style() -> Value {
    Value::object([
        ("color_background", Value::from("#ffffff")),
        ("color_error", Value::from("#b3261e")),
        ("color_highlight", Value::from("#0b6bcb")),
        ("color_success", Value::from("#1e7a3c")),
        ("dim_border_radius", Value::from("6px")),
        ("dim_font_size", Value::from("14px")),
        ("dim_spacing_size", Value::from("16px")),
        ("font_family_body", Value::from("system-ui, sans-serif")),
        ("font_family_heading", Value::from("system-ui, sans-serif")),
    ])
}

/// `GET /oauth2/jwks`.
pub async fn jwks(door: Arc<Door>) -> HttpResponse {
    door.work(|door| match door.auth().public_keys() {
        Ok(keys) => json(StatusCode::OK, &keys),
        Err(error) => failed(&error, false),
    })
    .await
}
