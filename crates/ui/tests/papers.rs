//! Long lists page by page, documents that are no text, what was opened lately, parts of numbers.

mod common;

use axum::http::header;
use axum::{
    body::{Body, to_bytes},
    http::{Request, Response},
};
use common::{Practice, practice, text};
use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, Request as Ask};

fn put(p: &Practice, ty: &str, id: &str, json: &str) {
    let rt = ResourceType::from_name(ty).expect("R4");
    let ctx = Ctx::system("test", p.record.now_ms());
    let body = Doc::parse(json).expect("JSON");
    p.record.execute(&ctx, Ask::update(rt, id, body)).expect("stored");
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sign = SIGNS[(n >> (18 - 6 * i)) as usize & 63];
            out.push(if i > chunk.len() { '=' } else { char::from(sign) });
        }
    }
    out
}

async fn fetch(p: &Practice, path: &str, cookie: &str) -> Response<Body> {
    let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty());
    p.send(request.expect("a request")).await
}

/// The link of an element with this `data-test`.
fn href(html: &str, test: &str) -> Option<String> {
    let (before, _) = html.split_once(&format!("data-test=\"{test}\""))?;
    let (_, href) = before.rsplit_once("href=\"")?;
    Some(href.split('"').next()?.replace("&amp;", "&"))
}

#[tokio::test]
async fn rows_of_one_date_are_neither_repeated_nor_left_out() {
    let p = practice("ties", 1, 0);
    let cookie = p.sign_in("ada").await;
    const N: usize = 95;
    for i in 0..N {
        // All on the same day, so that every page ends among equals.
        let json = format!(
            r#"{{"resourceType":"Encounter","id":"tie-{i}","status":"finished","class":{{"code":"AMB"}},"type":[{{"text":"Tie {i}."}}],"subject":{{"reference":"Patient/p0"}},"period":{{"start":"2031-02-03"}}}}"#
        );
        put(&p, "Encounter", &format!("tie-{i}"), &json);
        let json = format!(
            r#"{{"resourceType":"DocumentReference","id":"doc-{i}","status":"current","description":"Tie {i}.","subject":{{"reference":"Patient/p0"}},"date":"2031-02-03T00:00:00Z","content":[{{"attachment":{{"contentType":"text/plain","data":"aGk="}}}}]}}"#
        );
        put(&p, "DocumentReference", &format!("doc-{i}"), &json);
    }
    for (section, more) in [("visits", "visits-earlier"), ("documents", "documents-earlier")] {
        let mut next = Some(format!("/patients/p0/{section}"));
        let (mut all, mut n_pages) = (String::new(), 0);
        while let Some(path) = next {
            let (status, html) = p.get(&path, &cookie).await;
            assert_eq!(status, 200, "{path}: {html}");
            next = href(&html, more);
            all.push_str(&html);
            n_pages += 1;
            assert!(n_pages < 20, "{section} never ends");
        }
        assert!(n_pages >= 3, "{section}: {n_pages} pages");
        for i in 0..N {
            let title = format!(">Tie {i}.");
            assert_eq!(all.matches(&title).count(), 1, "{section}: {title}");
        }
    }
    for bad in ["page=%3Cscript%3E", "page=", "page=AAAA"] {
        let (status, html) = p.get(&format!("/patients/p0/visits?{bad}"), &cookie).await;
        assert_eq!(status, 400, "{bad}");
        assert!(!html.contains("<script>"), "{bad}");
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const PDF: &[u8] = b"%PDF-1.4\n%%EOF\n";

#[tokio::test]
async fn documents_are_shown_in_place_and_shut_in() {
    let p = practice("papers", 2, 0);
    let cookie = p.sign_in("ada").await;
    let html = b"<h1>Letter</h1><script>alert(1)</script>";
    put(
        &p,
        "Binary",
        "scan",
        &format!(
            r#"{{"resourceType":"Binary","id":"scan","contentType":"image/png","data":"{}"}}"#,
            base64(PNG)
        ),
    );
    let attachment = |media: &str, bytes: &[u8]| {
        let data = base64(bytes);
        format!(r#"{{"attachment":{{"contentType":"{media}","data":"{data}"}}}}"#)
    };
    let contents = [
        attachment("application/pdf", PDF),
        r#"{"attachment":{"contentType":"image/png","url":"Binary/scan"}}"#.to_owned(),
        attachment("text/html", html),
        attachment("application/pdf", html),
        attachment("application/x-shockwave-flash", b"FWS"),
        r#"{"attachment":{"contentType":"image/png","url":"Binary/none"}}"#.to_owned(),
        r#"{"attachment":{"contentType":"image/png","url":"https://example.org/x.png"}}"#
            .to_owned(),
    ];
    let document = |id: &str, contents: &[String]| {
        format!(
            r#"{{"resourceType":"DocumentReference","id":"{id}","status":"current","description":"Scan","subject":{{"reference":"Patient/p0"}},"date":"2031-02-03T00:00:00Z","content":[{}]}}"#,
            contents.join(",")
        )
    };
    // A reference to what is not here is refused; an attachment's url is none.
    put(&p, "DocumentReference", "papers", &document("papers", &contents));
    let page = "/patients/p0/documents/papers";
    let (status, shown) = p.get(page, &cookie).await;
    assert_eq!(status, 200);
    assert_eq!(shown.matches("data-test=\"document-content\"").count(), 3, "{shown}");
    assert!(shown.contains("<iframe class=\"document-frame\" sandbox=\"\""), "{shown}");
    for (content_idx, media, bytes) in
        [(0, "application/pdf", PDF), (1, "image/png", PNG), (2, "text/html; charset=utf-8", html)]
    {
        let path = format!("{page}/content/{content_idx}");
        assert!(shown.contains(&format!("src=\"{path}\"")), "{path}");
        let answer = fetch(&p, &path, &cookie).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| {
            answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
        };
        assert_eq!(header("content-type"), media);
        assert_eq!(header("x-content-type-options"), "nosniff");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'self'") && !policy.contains("script-src"));
        assert_eq!(policy.contains("sandbox"), media != "application/pdf", "{policy}");
        assert_eq!(header("cache-control"), "no-store");
        let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        assert_eq!(body, bytes);
        assert_eq!(fetch(&p, &path, "").await.status(), 303, "without a session");
        let other = path.replace("/p0/", "/p1/");
        assert_eq!(fetch(&p, &other, &cookie).await.status(), 404, "another patient's");
    }
    // Not what it says, not a form that is shown, not here, of another site, no such one.
    for content_idx in 3..8 {
        let path = format!("{page}/content/{content_idx}");
        assert_eq!(fetch(&p, &path, &cookie).await.status(), 404, "{path}");
    }
    put(&p, "DocumentReference", "lie", &document("lie", &contents[3..4]));
    let (_, lie) = p.get("/patients/p0/documents/lie", &cookie).await;
    assert!(lie.contains("says that it is application/pdf, and is not"), "{lie}");
}

#[tokio::test]
async fn an_attachment_over_the_limit_is_told_and_not_shown() {
    let p = practice("large", 1, 0);
    let cookie = p.sign_in("ada").await;
    let max = ui::view_of::papers::CONTENT_BYTES_MAX;
    for (id, n_bytes, status) in [("fits", max, 200), ("large", max + 1, 404)] {
        let mut bytes = PDF.to_vec();
        bytes.resize(n_bytes, b' ');
        let json = format!(
            r#"{{"resourceType":"DocumentReference","id":"{id}","status":"current","subject":{{"reference":"Patient/p0"}},"content":[{{"attachment":{{"contentType":"application/pdf","data":"{}"}}}}]}}"#,
            base64(&bytes)
        );
        put(&p, "DocumentReference", id, &json);
        let path = format!("/patients/p0/documents/{id}/content/0");
        assert_eq!(fetch(&p, &path, &cookie).await.status(), status, "{id}");
    }
    let (_, html) = p.get("/patients/p0/documents/large", &cookie).await;
    assert!(html.contains("larger than 20 MiB"), "{html}");
}

#[tokio::test]
async fn what_was_opened_lately_outlives_the_process() {
    let p = practice("recent", 3, 0);
    let cookie = p.sign_in("ada").await;
    for path in ["/patients/p0", "/patients/p1/visits", "/patients/p1", "/patients/p0/vitals"] {
        assert_eq!(p.get(path, &cookie).await.0, 200, "{path}");
    }
    let p = p.restarted();
    let (_, html) = p.get("/", &cookie).await;
    let at = |id: &str| html.find(&format!("href=\"/patients/{id}\""));
    let (first, second) = (at("p0").expect("p0 is there"), at("p1").expect("p1 is there"));
    assert!(first < second, "the newest first");
    assert_eq!(at("p2"), None);
    // Each opened patient was written once, not each page.
    let log = p.record.audit_log(&Ctx::system("test", 0)).expect("the log");
    let leaves = log.leaves(0, 10_000).expect("leaves");
    let is_write = |leaf: &[u8]| String::from_utf8_lossy(leaf).contains("recent patients of User/");
    assert_eq!(leaves.iter().filter(|(_, leaf)| is_write(leaf)).count(), 3);
}

#[tokio::test]
async fn a_part_of_a_number_finds_the_patient() {
    let p = practice("parts", 1, 0);
    let cookie = p.sign_in("desk").await;
    let json = r#"{"resourceType":"Patient","id":"x1","name":[{"family":"Quill"}],"identifier":[{"system":"urn:mrn","value":"QX-771144"}],"telecom":[{"system":"phone","value":"(617) 555-8421"}]}"#;
    put(&p, "Patient", "x1", json);
    for typed in ["8421", "555-8421", "617.555.8421", "qx-7711", "QX 771144", "qx771"] {
        let path = format!("/patients?q={}", ui::load::encode(typed));
        let (status, html) = p.get(&path, &cookie).await;
        assert_eq!(status, 200);
        assert!(html.contains("href=\"/patients/x1\""), "{typed}: {html}");
    }
    let (status, html) = text(fetch(&p, "/patients?q=99999", &cookie).await).await;
    assert!(status == 200 && html.contains("Nobody found"));
}

#[tokio::test]
async fn the_practice_is_found_in_the_record() {
    let p = practice("ours", 2, 0);
    let cookie = p.sign_in("ada").await;
    // Nobody is named like the practice of these tests: most roles tell which one it is.
    let (_, html) = p.get("/patients/p0/visits", &cookie).await;
    let visits = html.matches("data-test=\"visit\"").count();
    let outside = html.matches("data-test=\"source\"").count();
    assert!(visits > outside, "{outside} of {visits} visits look outside");
}
