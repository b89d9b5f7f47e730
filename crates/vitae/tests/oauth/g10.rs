//! The flows of the Inferno (g)(10) kit about launch, scopes, tokens, introspection and revocation,
//! and the bad days of the same.

use std::time::Duration;

use oauth::{Access, ROUTES};

use crate::kit::{
    Browser, FORM, Place, REDIRECT, STATE, decoded, form, inputs, param, place, text,
};
use crate::support::Answer;

const STANDALONE: &str = "launch/patient openid fhirUser offline_access patient/*.rs user/Patient.rs user/Practitioner.rs";

/// Inferno `smart_discovery_stu2`, `smart_discovery`: what a client must find, and where.
#[test]
fn g10_discovery_names_every_endpoint_and_capability() {
    let place = place();
    let mut http = place.server.http();
    let root = format!("http://{}", place.server.address);
    let smart = http.send(
        "GET",
        "/fhir/.well-known/smart-configuration",
        &[("Origin", "https://app.example.com")],
        b"",
    );
    assert_eq!((smart.status, smart.header("content-type")), (200, Some("application/json")));
    assert_eq!(smart.header("access-control-allow-origin"), Some("*"));
    for (name, path) in [
        ("authorization_endpoint", "/oauth2/authorize"),
        ("token_endpoint", "/oauth2/token"),
        ("introspection_endpoint", "/oauth2/introspect"),
        ("revocation_endpoint", "/oauth2/revoke"),
        ("registration_endpoint", "/oauth2/register"),
        ("jwks_uri", "/oauth2/jwks"),
        ("management_endpoint", "/apps"),
        ("issuer", ""),
    ] {
        assert_eq!(text(&smart, name), Some(format!("{root}{path}")), "{name}");
    }
    let list = |name: &str| -> Vec<String> {
        let doc = smart.doc();
        doc.root().list(name).filter_map(|v| v.as_str().map(|s| s.into_owned())).collect()
    };
    assert_eq!(list("code_challenge_methods_supported"), ["S256"]);
    for capability in [
        "launch-ehr",
        "launch-standalone",
        "client-public",
        "client-confidential-symmetric",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-banner",
        "context-style",
        "context-ehr-patient",
        "context-standalone-patient",
        "permission-offline",
        "permission-patient",
        "permission-user",
        "permission-v1",
        "permission-v2",
    ] {
        assert!(list("capabilities").iter().any(|one| one == capability), "{capability}");
    }
    for grant in ["authorization_code", "client_credentials"] {
        assert!(list("grant_types_supported").iter().any(|one| one == grant));
    }
    let open = http.get("/.well-known/openid-configuration");
    assert_eq!(text(&open, "issuer"), Some(root));
    assert!(open.text().contains("\"id_token_signing_alg_values_supported\":[\"RS256\"]"));
    assert_eq!(http.get("/oauth2/jwks").doc().root().list("keys").count(), 1);
    assert!(text(&http.get("/oauth2/style"), "color_background").is_some());
}

/// No route but discovery answers somebody who shows nothing.
#[test]
fn no_route_answers_a_program_that_proves_nothing() {
    let place = place();
    let mut http = place.server.http();
    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        let asked = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = http.send(route.method, route.path, &asked, b"grant_type=client_credentials");
        match route.access {
            Access::Open => assert_eq!(answer.status, 200, "{name}"),
            Access::Registration => assert_eq!(answer.status, 400, "{name}"),
            Access::Client => assert_eq!(answer.status, 401, "{name}"),
        }
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
        let other = if route.method == "GET" { "POST" } else { "GET" };
        assert_eq!(http.send(other, route.path, &[], b"").status, 405, "{name}");
    }
    assert_eq!(http.get("/oauth2/nonsense").status, 404);
    // And pages send one to sign in.
    for path in ["/apps", "/admin/apps", "/patients/p1/apps"] {
        let answer = http.get(path);
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").is_some_and(|to| to.starts_with("/login")), "{path}");
    }
    for path in
        ["/apps/end", "/admin/apps", "/admin/apps/end", "/patients/p1/apps", "/oauth2/authorize"]
    {
        let answer = http.form(path, "app=x");
        assert_eq!(answer.status, 303, "{path}");
    }
}

/// Inferno `smart_standalone_patient_app`, `smart_token_refresh`, `smart_openid_connect`: a nurse
/// opens an app, chooses a patient, allows it; the app reads and goes on the next day.
#[test]
fn g10_standalone_launch_of_a_confidential_app() {
    let place = place();
    let (id, secret) = place.app(STANDALONE, &[]);
    let secret = secret.expect("a secret");
    let own = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let question = place.question(&id, STANDALONE, &[("nonce", "n-1")]);
    // Sign in first, then back to the question.
    let sent = place.server.http().get(&question);
    let login = sent.header("location").expect("a place").to_owned();
    assert_eq!((sent.status, param(&login, "next")), (303, Some(question.clone())));
    let mut browser = place.browser("omar");
    let pick = browser.get(&question);
    assert!(pick.text().contains("data-test=\"pick-page\""), "{}", pick.text());
    assert!(pick.text().contains("Stone") && pick.text().contains("Marsh"));
    let found = browser.get(&format!("{question}&vitae_q=stone"));
    assert!(found.text().contains("Stone") && !found.text().contains("Marsh"));
    let chosen = format!("{question}&vitae_patient=p1");
    let page = browser.get(&chosen);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' https://app.example.com;"), "{policy}");
    for word in ["Growth", "Stone", "See everything in this patient", "120 days", "omar"] {
        assert!(page.text().contains(word), "{word}: {}", page.text());
    }
    let code = browser.allow(&chosen);
    let mut pairs = own.to_vec();
    pairs.push(("code", &code));
    let given = place.redeem(&pairs);
    assert_eq!(given.status, 200, "{}", given.text());
    assert_eq!(given.header("cache-control"), Some("no-store"));
    assert_eq!(given.header("pragma"), Some("no-cache"));
    assert_eq!(text(&given, "token_type").as_deref(), Some("Bearer"));
    assert_eq!(text(&given, "patient").as_deref(), Some("p1"));
    assert!(given.text().contains("\"need_patient_banner\":true"));
    assert!(text(&given, "smart_style_url").is_some());
    let scope = text(&given, "scope").expect("a scope");
    assert!(STANDALONE.split(' ').all(|one| scope.split(' ').any(|other| other == one)), "{scope}");
    let id_token = text(&given, "id_token").expect("one");
    let claims = String::from_utf8(decoded(id_token.split('.').nth(1).expect("claims")));
    let claims = claims.expect("UTF-8");
    let user = format!("\"fhirUser\":\"{}/Practitioner/dr1\"", place.base());
    assert!(claims.contains(&user) && claims.contains("\"nonce\":\"n-1\""), "{claims}");
    let access = text(&given, "access_token").expect("a token");
    assert_eq!(place.fhir(&access, "Practitioner/dr1").status, 200, "fhirUser can be read");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(place.fhir(&access, "Patient?name=stone").status, 200);
    let refresh = text(&given, "refresh_token").expect("one");
    let mut pairs = own.to_vec();
    pairs.push(("refresh_token", &refresh));
    let next = place.refresh(&pairs);
    assert_eq!(next.status, 200, "{}", next.text());
    assert_eq!(text(&next, "patient").as_deref(), Some("p1"));
    assert_eq!(next.header("cache-control"), Some("no-store"));
    let (access, second) =
        (text(&next, "access_token").expect("one"), text(&next, "refresh_token").expect("one"));
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_ne!(second, refresh);
    // Inferno `smart_invalid_token_refresh`: nonsense, then the one that was used.
    let mut pairs = own.to_vec();
    pairs.push(("refresh_token", "vr_nonsense"));
    assert_eq!(text(&place.refresh(&pairs), "error").as_deref(), Some("invalid_grant"));
    let mut pairs = own.to_vec();
    pairs.push(("refresh_token", &refresh));
    assert_eq!(text(&place.refresh(&pairs), "error").as_deref(), Some("invalid_grant"));
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401, "the family is over");
}

/// Inferno `smart_ehr_practitioner_app`, `smart_ehr_launch`: opened from the chart.
#[test]
fn g10_ehr_launch_from_the_chart() {
    let place = place();
    let scope = "launch openid fhirUser offline_access user/*.rs patient/*.rs";
    let (id, _) = place.app(scope, &["--public", "--launch-uri", "https://app.example.com/launch"]);
    let mut browser = place.browser("omar");
    let page = browser.get("/patients/p1/apps");
    assert!(page.text().contains("data-test=\"launch-app\""), "{}", page.text());
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("form-action 'self' https://app.example.com;"), "{policy}");
    let app = form(&[("app", &id)]);
    assert_eq!(browser.post("/patients/none/apps", &app).status, 404);
    assert_eq!(browser.post("/patients/p1/apps", "app=none").status, 404);
    let sent = browser.post("/patients/p1/apps", &app);
    let url = sent.header("location").expect("a place").to_owned();
    assert!(url.starts_with("https://app.example.com/launch?iss="), "{url}");
    assert_eq!(param(&url, "iss"), Some(place.base()));
    let launch = param(&url, "launch").expect("a launch");
    let question = place.question(&id, scope, &[("launch", &launch)]);
    // Somebody else's launch.
    let mut nora = place.browser("nora");
    let page = nora.get(&question);
    let page = nora.answer(page.text(), "allow", "");
    assert!(page.text().contains("opened by somebody else"), "{}", page.text());
    let code = browser.allow(&question);
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    assert_eq!(text(&given, "patient").as_deref(), Some("p1"), "{}", given.text());
    let access = text(&given, "access_token").expect("one");
    assert_eq!(place.fhir(&access, "Observation/o1").status, 200);
    // The launch was used.
    let again = browser.get(&question);
    let back = again.header("location").expect("a place");
    assert_eq!(param(back, "error").as_deref(), Some("invalid_request"));
}

/// Inferno `smart_limited_app`: what is unticked is not granted, and not open.
#[test]
fn g10_limited_access_when_scopes_are_unticked() {
    let place = place();
    let scope = "openid user/Patient.rs user/Observation.rs";
    let (id, _) = place.app(scope, &["--public"]);
    let mut browser = place.browser("omar");
    let page = browser.get(&place.question(&id, scope, &[]));
    let done = browser.answer(page.text(), "allow", "user/Observation.rs");
    let code = param(done.header("location").expect("a place"), "code").expect("a code");
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    assert_eq!(text(&given, "scope").as_deref(), Some("openid user/Patient.rs"));
    let access = text(&given, "access_token").expect("one");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(place.fhir(&access, "Observation/o1").status, 403);
    assert_eq!(place.fhir(&access, "Observation?patient=p1").status, 403);
    // Nothing left, or no.
    let page = browser.get(&place.question(&id, "user/Patient.rs", &[]));
    let done = browser.answer(page.text(), "allow", "user/Patient.rs");
    assert!(done.text().contains("consent-trouble"), "{}", done.text());
    let done = browser.answer(page.text(), "deny", "");
    let url = done.header("location").expect("a place");
    assert_eq!(param(url, "error").as_deref(), Some("access_denied"));
    assert_eq!(param(url, "state").as_deref(), Some(STATE));
    assert_eq!(param(url, "iss"), Some(format!("http://{}", place.server.address)));
}

/// Inferno `smart_invalid_aud`, `smart_invalid_launch`, `smart_invalid_pkce`.
#[test]
fn g10_invalid_aud_launch_and_pkce() {
    let place = place();
    let scope = "openid user/Patient.rs";
    let (id, _) = place.app(scope, &["--public"]);
    let mut browser = place.browser("omar");
    let good = place.question(&id, scope, &[]);
    for (from, to) in [
        ("aud=http", "aud=https"),
        ("&aud=", "&other="),
        ("code_challenge_method=S256", "code_challenge_method=plain"),
        ("&code_challenge=", "&other="),
        ("&state=", "&other="),
    ] {
        let answer = browser.get(&good.replace(from, to));
        let url = answer.header("location").unwrap_or_else(|| panic!("{to}: {}", answer.text()));
        assert!(url.starts_with(REDIRECT), "{url}");
        assert_eq!(param(url, "error").as_deref(), Some("invalid_request"), "{to}");
    }
    let wrong = browser.get(&place.question(&id, scope, &[("launch", "vl_wrong")]));
    let url = wrong.header("location").expect("a place");
    assert_eq!(param(url, "error").as_deref(), Some("invalid_request"));
    // An address that is not registered: said here, and nobody is sent there.
    for uri in ["https://evil.test/", "https://app.example.com/back/", "javascript:alert(1)"] {
        let mut out = String::new();
        record::percent_encode(uri, &mut out);
        let answer = browser.get(
            &good.replace(&form(&[("redirect_uri", REDIRECT)]), &format!("redirect_uri={out}")),
        );
        assert_eq!((answer.status, answer.header("location")), (400, None), "{uri}");
        assert!(answer.text().contains("consent-refused"));
    }
    for verifier in [
        vec![],
        vec![("code_verifier", "")],
        vec![("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wro")],
    ] {
        let code = browser.allow(&good);
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("redirect_uri", REDIRECT),
            ("client_id", id.as_str()),
            ("code", &code),
        ];
        pairs.extend(verifier);
        let answer = place.server.http().form("/oauth2/token", &form(&pairs));
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    // Silent questions are answered without a page.
    for (mut who, error) in [
        (place.browser("omar"), "consent_required"),
        (Browser { http: place.server.http(), cookie: "x=y".to_owned() }, "login_required"),
    ] {
        let answer = who.get(&place.question(&id, scope, &[("prompt", "none")]));
        let url = answer.header("location").expect("a place");
        assert_eq!(param(url, "error").as_deref(), Some(error));
    }
}

/// A form of another site, of another session or for another question agrees to nothing.
#[test]
fn consent_cannot_be_forged() {
    let place = place();
    let scope = "openid user/Patient.rs user/Practitioner.rs";
    let (id, _) = place.app(scope, &["--public"]);
    let mut browser = place.browser("omar");
    let page = browser.get(&place.question(&id, "openid user/Patient.rs", &[]));
    let question = inputs(page.text(), "question").remove(0);
    let token = inputs(page.text(), "form").remove(0);
    let wider = question
        .replace("openid%20user/Patient.rs", "openid%20user/Patient.rs%20user/Practitioner.rs");
    assert_ne!(wider, question);
    let send = |browser: &mut Browser, question: &str, token: &str, patient: &str| {
        let fields = [
            ("answer", "allow"),
            ("scope", "user/Patient.rs"),
            ("question", question),
            ("form", token),
            ("patient", patient),
        ];
        browser.post("/oauth2/authorize", &form(&fields)).status
    };
    assert_eq!(send(&mut browser, &question, "", ""), 400);
    assert_eq!(send(&mut browser, &question, &"0".repeat(64), ""), 400);
    assert_eq!(send(&mut browser, &wider, &token, ""), 400);
    assert_eq!(send(&mut browser, &question, &token, "p1"), 400);
    assert_eq!(send(&mut place.browser("omar"), &question, &token, ""), 400, "another session");
    let cookie = browser.cookie.clone();
    let fields = form(&[("answer", "allow"), ("question", &question), ("form", &token)]);
    let foreign = [("Cookie", cookie.as_str()), FORM, ("Origin", "https://evil.test")];
    let answer = browser.http.send("POST", "/oauth2/authorize", &foreign, fields.as_bytes());
    assert_eq!(answer.status, 403);
    assert_eq!(send(&mut browser, &question, &token, ""), 303);
}

/// Inferno `smart_token_introspection`, `smart_token_revocation`.
#[test]
fn g10_introspection_and_revocation() {
    let place = place();
    let scope = "openid fhirUser launch/patient offline_access user/Patient.rs";
    let (id, secret) = place.app(scope, &[]);
    let secret = secret.expect("a secret");
    let own = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let mut browser = place.browser("omar");
    let code = browser.allow(&format!("{}&vitae_patient=p1", place.question(&id, scope, &[])));
    let mut pairs = own.to_vec();
    pairs.push(("code", &code));
    let given = place.redeem(&pairs);
    let access = text(&given, "access_token").expect("one");
    let refresh = text(&given, "refresh_token").expect("one");
    let ask = |path: &str, token: &str| {
        let mut pairs = own.to_vec();
        pairs.push(("token", token));
        place.server.http().form(path, &form(&pairs))
    };
    let told = ask("/oauth2/introspect", &access);
    assert!(told.text().contains("\"active\":true"), "{}", told.text());
    assert_eq!(text(&told, "scope"), text(&given, "scope"));
    assert_eq!(text(&told, "client_id").as_deref(), Some(id.as_str()));
    assert_eq!(text(&told, "patient").as_deref(), Some("p1"));
    assert_eq!(text(&told, "fhirUser"), Some(format!("{}/Practitioner/dr1", place.base())));
    assert!(text(&told, "sub").is_some() && text(&told, "iss").is_some());
    assert!(told.text().contains("\"exp\":"));
    assert!(ask("/oauth2/introspect", &refresh).text().contains("\"active\":true"));
    assert_eq!(ask("/oauth2/introspect", "nonsense").text(), "{\"active\":false}");
    let (other, other_secret) = place.app(scope, &[]);
    let stranger = form(&[
        ("client_id", &other),
        ("client_secret", &other_secret.expect("one")),
        ("token", &access),
    ]);
    let told = place.server.http().form("/oauth2/introspect", &stranger);
    assert_eq!(told.text(), "{\"active\":false}");
    // Revoked by another: nothing. By the app: at once.
    assert_eq!(place.server.http().form("/oauth2/revoke", &stranger).status, 200);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(ask("/oauth2/revoke", &access).status, 200);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401);
    assert_eq!(ask("/oauth2/introspect", &access).text(), "{\"active\":false}");
    let mut pairs = own.to_vec();
    pairs.push(("refresh_token", &refresh));
    let next = place.refresh(&pairs);
    let (access, refresh) =
        (text(&next, "access_token").expect("one"), text(&next, "refresh_token").expect("one"));
    assert_eq!(ask("/oauth2/revoke", &refresh).status, 200);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401);
}

/// The patient sees the app and ends it; an administrator sees all.
#[test]
fn g10_a_patient_revokes_an_app() {
    let place = place();
    let scope = "launch/patient openid fhirUser offline_access patient/Patient.rs user/Patient.rs";
    let (id, _) = place.app(scope, &["--public"]);
    let mut browser = place.browser("pat");
    let page = browser.get(&place.question(&id, scope, &[]));
    assert!(page.text().contains("Stone") && !page.text().contains("Marsh"), "{}", page.text());
    let code = browser.allow(&place.question(&id, scope, &[]));
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    assert_eq!(text(&given, "patient").as_deref(), Some("p1"));
    let access = text(&given, "access_token").expect("one");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(place.fhir(&access, "Patient/p2").status, 404, "another's record is not there");
    let list = browser.get("/apps");
    assert!(list.text().contains("Growth") && list.text().contains("end-connection"));
    let mut omar = place.browser("omar");
    assert!(!omar.get("/apps").text().contains("end-connection"));
    assert_eq!(omar.get("/admin/apps").status, 403);
    let connection = inputs(list.text(), "connection").remove(0);
    let field = form(&[("connection", &connection)]);
    assert_eq!(omar.post("/apps/end", &field).status, 303);
    assert_eq!(omar.post("/admin/apps/end", &field).status, 403);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200, "of another: nothing happens");
    let mut nora = place.browser("nora");
    assert!(nora.get("/admin/apps").text().contains(&connection));
    assert_eq!(browser.post("/apps/end", &field).status, 303);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401);
    let refresh = text(&given, "refresh_token").expect("one");
    assert_eq!(place.refresh(&[("client_id", &id), ("refresh_token", &refresh)]).status, 400);
}

/// A program registers itself, waits, is approved on the page, and is switched off again.
#[test]
fn a_registration_waits_for_the_administrator() {
    let place = place();
    let mut http = place.server.http();
    let metadata = format!(
        r#"{{"client_name":"Heart","redirect_uris":["{REDIRECT}"],"scope":"openid user/Patient.rs",
        "token_endpoint_auth_method":"none","pending":false}}"#
    );
    let json = ("Content-Type", "application/json");
    let made = http.send("POST", "/oauth2/register", &[json], metadata.as_bytes());
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(text(&made, "status").as_deref(), Some("pending"));
    let id = text(&made, "client_id").expect("an id");
    let bad = http.send(
        "POST",
        "/oauth2/register",
        &[json],
        b"{\"client_name\":\"x\",\"redirect_uris\":[\"http://evil.test/\"]}",
    );
    assert_eq!((bad.status, text(&bad, "error").as_deref()), (400, Some("invalid_redirect_uri")));
    let large = vec![b' '; 64 * 1024 + 1];
    assert_eq!(http.send("POST", "/oauth2/register", &[json], &large).status, 400);
    let question = place.question(&id, "openid user/Patient.rs", &[]);
    let mut omar = place.browser("omar");
    assert_eq!(omar.get(&question).status, 400);
    let mut nora = place.browser("nora");
    assert!(nora.get("/admin/apps").text().contains("waits for you"));
    let act = |act: &str| form(&[("app", &id), ("act", act)]);
    assert_eq!(omar.post("/admin/apps", &act("approve")).status, 403);
    assert_eq!(nora.post("/admin/apps", &act("approve")).status, 303);
    let code = omar.allow(&question);
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    let access = text(&given, "access_token").expect("one");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(nora.post("/admin/apps", &act("disable")).status, 303);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401);
    assert_eq!(omar.get(&question).status, 400);
    let said = place.practice.run(&["client", "list", "--data", &place.practice.data()]);
    assert!(
        said.out.contains("\"name\":\"Heart\",\"pending\":false,\"disabled\":true"),
        "{}",
        said.out
    );
}

/// SECURITY §2.1: a restart in the middle of a flow, at every step.
#[test]
fn a_flow_survives_a_restart_at_every_step() {
    let mut place = place();
    let scope = "openid offline_access user/Patient.rs";
    // The address is part of the questions: the server comes back at the same one.
    let (id, _) = place.app(scope, &["--public"]);
    let address = place.server.address.clone();
    let restart = |place: &mut Place| {
        place.server.kill();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while std::net::TcpListener::bind(&address).is_err() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(20));
        }
        place.server = place.practice.serve_at(&address);
    };
    let cookie = place.browser("omar").cookie;
    let question = place.question(&id, scope, &[]);
    restart(&mut place);
    let mut browser = Browser { http: place.server.http(), cookie: cookie.clone() };
    let page = browser.get(&question);
    assert_eq!(page.status, 200, "the session lives");
    restart(&mut place);
    let mut browser = Browser { http: place.server.http(), cookie };
    let done = browser.answer(page.text(), "allow", "");
    let code = param(done.header("location").expect("a place"), "code").expect("a code");
    restart(&mut place);
    let given = place.redeem(&[("client_id", &id), ("code", &code)]);
    assert_eq!(given.status, 200, "{}", given.text());
    let access = text(&given, "access_token").expect("one");
    let refresh = text(&given, "refresh_token").expect("one");
    restart(&mut place);
    assert_eq!(place.fhir(&access, "Patient/p1").status, 200);
    assert_eq!(place.refresh(&[("client_id", &id), ("refresh_token", &refresh)]).status, 200);
    restart(&mut place);
    assert_eq!(place.redeem(&[("client_id", &id), ("code", &code)]).status, 400, "replayed");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401);
}

/// SECURITY §2.1: 100 connections with one code: exactly one wins.
#[test]
fn a_code_from_a_hundred_connections_is_redeemed_once() {
    let place = place();
    let scope = "openid user/Patient.rs";
    let (id, _) = place.app(scope, &["--public"]);
    let code = place.browser("omar").allow(&place.question(&id, scope, &[]));
    let barrier = std::sync::Barrier::new(100);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            place.redeem(&[("client_id", &id), ("code", &code)])
        };
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|a| matches!(a.status, 200 | 400)));
    let access = text(won[0], "access_token").expect("one");
    assert_eq!(place.fhir(&access, "Patient/p1").status, 401, "the others were replays");
}

/// What browsers of other origins may do: ask with a token, never with a cookie.
#[test]
fn apps_in_browsers_ask_from_their_own_origin() {
    let place = place();
    let mut http = place.server.http();
    let asks = [
        ("Origin", "https://app.example.com"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    for path in [
        "/oauth2/token",
        "/fhir/Patient/p1",
        "/fhir/Nonsense",
        "/fhir/.well-known/smart-configuration",
    ] {
        let answer = http.send("OPTIONS", path, &asks, b"");
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(
            answer
                .header("access-control-allow-headers")
                .is_some_and(|h| h.contains("Authorization"))
        );
    }
    for path in ["/apps", "/oauth2/authorize", "/login"] {
        let answer = http.send("OPTIONS", path, &asks, b"");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        let answer = http.send("GET", path, &asks[..1], b"");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}
