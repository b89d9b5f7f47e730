//! The pages over a real record: every route, signed in and not, and what they must never do.

mod common;

use axum::{
    body::Body,
    http::{Request, header},
};
use common::{practice, text};

const SECTIONS: &[&str] = &[
    "",
    "/timeline",
    "/timeline?kind=vitals",
    "/timeline?source=outside",
    "/results",
    "/vitals",
    "/medications",
    "/problems",
    "/visits",
    "/documents",
    "/immunizations",
    "/coverage",
];

fn check_markup(path: &str, html: &str) {
    for forbidden in [" style=", "<style", "onclick=", "http://", "https://", "NaN"] {
        let found = html.replace("http://www.w3.org", "").contains(forbidden);
        assert!(!found || path.contains("/fhir/"), "{path} holds {forbidden}");
    }
    assert!(html.contains("<main"), "{path} has a main landmark");
    assert_eq!(html.matches("<h1").count(), 1, "{path} has one h1");
}

#[tokio::test]
async fn every_page_answers_a_provider_and_nobody_else() {
    let p = practice("all", 6, 0);
    let cookie = p.sign_in("ada").await;
    let mut paths: Vec<String> =
        ["/", "/patients", "/patients?q=a", "/account"].map(str::to_owned).into();
    paths.extend(SECTIONS.iter().map(|s| format!("/patients/p0{s}")));
    for path in &paths {
        let (status, html) = p.get(path, &cookie).await;
        assert_eq!(status, 200, "{path}: {html}");
        check_markup(path, &html);
        let (status, _) = p.get(path, "").await;
        assert_eq!(status, 303, "{path} without a session");
    }
    let portal = p.sign_in("pat").await;
    for path in &paths {
        let (status, html) = p.get(path, &portal).await;
        assert_eq!(status, 403, "{path} as a patient");
        assert!(!html.contains("chart-banner"));
    }
}

#[tokio::test]
async fn pages_carry_the_headers_that_keep_them_safe() {
    let p = practice("headers", 1, 0);
    for path in ["/login", "/patients", "/nowhere"] {
        let response = p.send(Request::get(path).body(Body::empty()).expect("a request")).await;
        let get =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
        assert!(get("content-security-policy").contains("script-src 'self'"), "{path}");
        assert!(!get("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(get("x-content-type-options"), "nosniff");
        assert_eq!(get("cache-control"), "no-store");
        assert_eq!(get("referrer-policy"), "same-origin");
    }
    let href = ui::assets::href(ui::assets::CSS);
    let response = p.send(Request::get(&href).body(Body::empty()).expect("a request")).await;
    assert_eq!(response.status(), 200);
    let cached = response.headers().get(header::CACHE_CONTROL).and_then(|v| v.to_str().ok());
    assert!(cached.is_some_and(|c| c.contains("immutable")));
}

#[tokio::test]
async fn signing_in_tells_nothing_and_out_ends_it() {
    let p = practice("login", 1, 0);
    let wrong = text(p.post("/login", "", "user=ada&password=nope").await).await;
    let unknown = text(p.post("/login", "", "user=eve&password=nope").await).await;
    assert_eq!(wrong.0, 403);
    assert_eq!(wrong.1.replace("ada", ""), unknown.1.replace("eve", ""));
    let cookie = p.sign_in("ada").await;
    assert_eq!(p.get("/patients", &cookie).await.0, 200);
    let response = p.post("/logout", &cookie, "").await;
    assert_eq!(response.status(), 303);
    assert_eq!(p.get("/patients", &cookie).await.0, 303);
    let away = p.get("/patients/p0?x=%22", "").await;
    assert_eq!(away.0, 303);
    let foreign = Request::post("/login").header("sec-fetch-site", "cross-site");
    let foreign = foreign.body(Body::from("user=ada")).expect("a request");
    assert_eq!(p.send(foreign).await.status(), 403);
}

#[tokio::test]
async fn a_patient_page_shows_only_that_patient() {
    let p = practice("other", 2, 0);
    let cookie = p.sign_in("ada").await;
    let (status, own) = p.get("/patients/p0/fhir/Patient/p0", &cookie).await;
    assert_eq!(status, 200);
    assert!(own.contains("birthDate"));
    // A session outlives the pages that made it.
    let p = p.restarted();
    for path in [
        "/patients/p1/fhir/Patient/p0",
        "/patients/p0/fhir/Nonsense/p0",
        "/patients/p0/fhir/Organization/org-practice",
        "/patients/none",
        "/patients/none/results",
        "/patients/p0/results/never-measured",
        "/patients/a%2Fb",
        "/patients/p0%26_count=9",
        "/patients/p0/documents/nothing",
    ] {
        let (status, html) = p.get(path, &cookie).await;
        assert_eq!(status, 404, "{path}");
        assert!(html.contains("What is safe"), "{path}");
    }
}

#[tokio::test]
async fn search_finds_by_name_birth_date_and_identifier() {
    let p = practice("find", 12, 0);
    let cookie = p.sign_in("desk").await;
    let (_, all) = p.get("/patients", &cookie).await;
    assert_eq!(all.matches("data-test=\"patient-row\"").count(), 12);
    let ctx = record::Ctx::system("test", p.record.now_ms());
    let rt = fhir_tables::ResourceType::from_name("Patient").expect("R4");
    let response = p.record.execute(&ctx, record::Request::read(rt, "p3")).expect("p3");
    let doc = fhir::json::Doc::parse(response.body.expect("a body").into_bytes()).expect("JSON");
    let row = ui::view_of::patient::row(
        doc.root(),
        &ui::view_of::Lens::new(ui::when::Now::new(0, jiff::tz::TimeZone::UTC)),
    );
    let birth = doc.root().str("birthDate").expect("a birth date").into_owned();
    let family = row.name.family.to_lowercase();
    let given: String = row.name.given.chars().take(2).collect();
    let mut queries = vec![
        family.clone(),
        format!("{given} {family}"),
        birth.clone(),
        format!("{family} {birth}"),
    ];
    queries.extend(row.identifier.split_once(' ').map(|(_, v)| v.to_owned()));
    if !row.phone.is_empty() {
        queries.push(row.phone.chars().filter(char::is_ascii_digit).collect());
    }
    for query in queries {
        let encoded = ui::load::encode(&query);
        let (status, html) = p.get(&format!("/patients?q={encoded}"), &cookie).await;
        assert_eq!(status, 200);
        assert!(html.contains("href=\"/patients/p3\""), "{query}: {html}");
    }
    let request = Request::get("/patients?q=zzzzz").header(header::COOKIE, &cookie);
    let request = request.header("x-fragment", "hits").body(Body::empty()).expect("a request");
    let (_, fragment) = text(p.send(request).await).await;
    assert!(fragment.starts_with("<div id=\"hits\"") && fragment.contains("Nobody found"));
}

#[tokio::test]
async fn a_chart_of_a_thousand_visits_stays_small() {
    let p = practice("heavy", 1, 1000);
    let cookie = p.sign_in("ada").await;
    let path = format!("/patients/p{}", generate::HEAVY_INDEX);
    let request = Request::get(&path)
        .header(header::COOKIE, &cookie)
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(Body::empty())
        .expect("a request");
    let response = p.send(request).await;
    assert_eq!(response.status(), 200);
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 22).await.expect("a body");
    assert!(bytes.len() <= 100 * 1024, "{} bytes", bytes.len());
    let mut seen = 0;
    let mut next = format!("{path}/timeline");
    let mut n_pages = 0;
    while n_pages < 400 {
        let (status, html) = p.get(&next, &cookie).await;
        assert_eq!(status, 200);
        seen += html.matches("data-kind=\"visits\"").count();
        n_pages += 1;
        let Some(link) = html.split("data-append=\"#timeline-list\"").next() else { break };
        if !html.contains("data-append=\"#timeline-list\"") {
            break;
        }
        let href = link.rsplit("href=\"").next().and_then(|h| h.split('"').next()).expect("a link");
        next = href.replace("&amp;", "&");
    }
    assert!(seen > 300, "{seen} entries of visits in {n_pages} pages");
}

#[tokio::test]
async fn an_administrator_reads_how_a_search_is_carried_out() {
    let p = practice("explain", 3, 0);
    let cookie = p.sign_in("root").await;
    let explain = |query: &str| {
        let mut path = "/admin/explain?q=".to_owned();
        record::percent_encode(query, &mut path);
        path
    };
    let (status, html) = p.get("/admin/explain", &cookie).await;
    assert_eq!(status, 200);
    check_markup("/admin/explain", &html);
    let path = explain("GET /fhir/Observation?patient._id=p0&status=final");
    let (status, html) = p.get(&path, &cookie).await;
    assert_eq!(status, 200, "{html}");
    check_markup(&path, &html);
    assert!(html.contains("explain-total") && html.contains("patient:Patient._id=p0"), "{html}");
    assert!(html.matches("explain-step").count() >= 2, "{html}");
    for (query, says) in [
        ("Observation?colour=red", "no search parameter &#39;colour&#39;"),
        ("Patient/1/2/3/4/5", "nothing at this path"),
        ("Patient/p0", "This is no search"),
    ] {
        let (status, html) = p.get(&explain(query), &cookie).await;
        assert_eq!(status, 200, "{query}");
        let html = html.replace("&apos;", "&#39;").replace('\'', "&#39;");
        assert!(html.contains("explain-trouble") && html.contains(says), "{query}: {html}");
    }
    let provider = p.sign_in("ada").await;
    for (path, shown_to) in [("/account", &cookie), ("/palette?q=search", &cookie)] {
        let link = "href=\"/admin/explain\"";
        assert!(p.get(path, shown_to).await.1.contains(link), "{path} leads there");
        assert!(!p.get(path, &provider).await.1.contains(link), "{path} of others does not");
    }
    assert_eq!(p.get("/admin/explain", &provider).await.0, 403);
    assert_eq!(p.get("/admin/explain", "").await.0, 303);
}
