//! A small practice with its pages: generated patients in a record in a temporary folder.

use std::{path::PathBuf, sync::Arc};

use auth::{Auth, MemoryVault, NewAccount};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, header},
};
use fhir::json::Doc;
use record::{
    Config as RecordConfig, Ctx, DataKey, ImportOptions, Record, Role, SystemWorld, World,
};
use tower::ServiceExt;

/// Bytes of a page that a test reads.
const PAGE_BYTES_MAX: usize = 4 << 20;

pub const PASSWORD: &str = "a long and quiet river";

pub struct Practice {
    pub router: Router,
    pub record: Record,
    auth: Arc<Auth>,
    folder: PathBuf,
}

impl Drop for Practice {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Today as (year, month, day), UTC.
fn today() -> (i32, u8, u8) {
    let d = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let small = |n: i8| u8::try_from(n).expect("a month or day");
    (i32::from(d.year()), small(d.month()), small(d.day()))
}

/// `patients` generated people, and with `encounters` one patient who has so many visits.
pub fn practice(name: &str, patients: u64, encounters: usize) -> Practice {
    practice_in(Arc::new(SystemWorld), name, patients, encounters)
}

/// As [`practice`], at a clock of the test's own.
pub fn practice_in(
    world: Arc<dyn World>,
    name: &str,
    patients: u64,
    encounters: usize,
) -> Practice {
    let folder = std::env::temp_dir().join(format!("vitae-ui-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let record = Record::create(RecordConfig {
        folder: folder.clone(),
        key: DataKey::random().expect("randomness"),
        base_url: "http://localhost/fhir".to_owned(),
        world: world.clone(),
    })
    .expect("an empty record");
    let kind = generate::PracticeKind::PrimaryCare;
    let options = generate::Options { seed: 7, patients, kind, today: today() };
    let source = generate::Practice::new(options);
    let mut bundles = vec![source.foundation()];
    bundles.extend((0..patients).map(|i| source.patient_bundle(i)));
    if encounters > 0 {
        bundles.extend(source.heavy_patient_bundles(encounters));
    }
    for (i, bundle) in bundles.into_iter().enumerate() {
        let ctx = Ctx::system(format!("test-{i}"), record.now_ms());
        let body = Doc::parse(bundle.into_bytes()).expect("a Bundle");
        let request = record::Request::Import { body, options: ImportOptions::default() };
        let response = record.execute(&ctx, request).expect("an import");
        assert!(response.status < 300, "{:?}", response.body);
    }
    let auth = Arc::new(Auth::new(Arc::new(MemoryVault::default()), world));
    for (name, role, patient) in [
        ("ada", Role::Provider, None),
        ("root", Role::Admin, None),
        ("desk", Role::FrontDesk, None),
        ("olga", Role::PrivacyOfficer, None),
        ("pat", Role::Patient, Some("p0")),
    ] {
        auth.add_account(NewAccount { name, role, patient, password: PASSWORD })
            .expect("an account");
    }
    let router = router(&record, &auth);
    Practice { router, record, auth, folder }
}

fn router(record: &Record, auth: &Arc<Auth>) -> Router {
    ui::router(ui::Config {
        record: record.clone(),
        auth: Arc::clone(auth),
        practice: "Alder Falls".to_owned(),
        site: auth::Site::new("http://localhost"),
        zone: jiff::tz::TimeZone::UTC,
        reading: tokio::runtime::Handle::current(),
        tls: false,
        demo: true,
    })
}

impl Practice {
    /// The pages made anew: they know what the record knows.
    pub fn restarted(mut self) -> Practice {
        self.router = router(&self.record, &self.auth);
        self
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    /// GET with a session cookie; status and text.
    pub async fn get(&self, path: &str, cookie: &str) -> (u16, String) {
        let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty());
        text(self.send(request.expect("a request")).await).await
    }

    pub async fn post(&self, path: &str, cookie: &str, form: &str) -> Response<Body> {
        let request = Request::post(path)
            .header(header::COOKIE, cookie)
            .header(header::HOST, "localhost")
            .header(header::ORIGIN, "http://localhost")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        self.send(request.expect("a request")).await
    }

    /// Signs in and returns the cookie.
    pub async fn sign_in(&self, user: &str) -> String {
        let form = format!("user={user}&password={}&next=/patients", PASSWORD.replace(' ', "+"));
        let response = self.post("/login", "", &form).await;
        assert_eq!(response.status(), 303);
        let cookie = response.headers().get(header::SET_COOKIE).expect("a cookie");
        let cookie = cookie.to_str().expect("text");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

pub async fn text(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), PAGE_BYTES_MAX).await.expect("a body");
    (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}
