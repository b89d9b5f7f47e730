//! The first pages in a real browser: sign in, find a patient by typing, read the chart, by
//! keyboard, at 1440 and at 390 px.
//!
//! Drives Chromium through ChromeDriver (WebDriver, W3C). Without them the test says `skipped`;
//! with `CI=true` that is a failure.

mod support;

use support::Practice;
use support::browser::{Browser, ENTER, axe};

fn walk(width: u32, address: &str, password: &str) {
    let Some(browser) = Browser::open(width) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "chromedriver is not installed");
        eprintln!("browser skipped: chromedriver is not installed");
        return;
    };
    let fits = |place: &str| {
        let over = browser.script("return document.documentElement.scrollWidth - innerWidth");
        assert!(over.parse::<i64>().is_ok_and(|px| px <= 0), "{place} at {width}: {over} px over");
    };
    // No page without signing in.
    browser.go(&format!("http://{address}/patients/p0"));
    browser.there("login-user");
    fits("sign-in");
    browser.keys("elena");
    browser.keys("\u{E004}");
    browser.keys("wrong password here");
    browser.keys(ENTER);
    browser.there("login-trouble");
    browser.script(
        "const u = document.querySelector('[data-test=login-user]'); u.value = ''; u.focus()",
    );
    browser.keys("elena");
    browser.keys("\u{E004}");
    browser.keys(password);
    browser.keys(ENTER);
    // Where one wanted to go.
    browser.there("patient-name");
    browser.until("location.pathname === '/patients/p0'");
    fits("chart");
    for part in ["problem", "medication", "timeline", "measure"] {
        browser.there(part);
    }
    // Search as one types.
    browser.go(&format!("http://{address}/patients"));
    browser.there("patient-search");
    browser.script("document.querySelector('[data-test=patient-search]').focus()");
    browser.keys("whitc");
    browser.until(
        "[...document.querySelectorAll('[data-test=patient-row]')].length > 0 && \
         [...document.querySelectorAll('[data-test=patient-row]')]\
         .every(r => r.innerText.includes('Whitc'))",
    );
    fits("patients");
    browser.until("document.activeElement.matches('[data-test=patient-search]')");
    // Every tab of the chart fits and says something.
    let tabs = "return [...document.querySelectorAll('nav a[href^=\"/patients/p0\"]')]\
                .map(a => a.pathname).join(' ')";
    browser.go(&format!("http://{address}/patients/p0"));
    let tabs = browser.script(tabs);
    assert!(tabs.split(' ').count() >= 6, "tabs: {tabs}");
    for tab in tabs.split(' ') {
        browser.go(&format!("http://{address}{tab}"));
        browser.there("patient-name");
        fits(tab);
    }
    let errors: Vec<String> = browser
        .console_errors()
        .into_iter()
        // The wrong password is a refusal of the server, which the browser reports as such.
        .filter(|message| !message.contains("/login"))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A practice with generated patients and a clinician.
fn served() -> (Practice, support::Server) {
    let practice = Practice::new();
    let out = practice.text("generated");
    let said = practice.run(&["generate", "--patients", "24", "--seed", "1", "--out", &out]);
    assert_eq!(said.code, 0, "{}", said.err);
    let data = practice.data();
    let said = practice.run(&["import", "--data", &data, &out]);
    assert_eq!(said.code, 0, "{}", said.err);
    let file = practice.text("password");
    std::fs::write(&file, support::PASSWORD).expect("a file");
    let args = ["user", "add", "--data", &data, "--name", "elena", "--role", "provider"];
    let said = practice.run(&[&args[..], &["--password-file", &file]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    let server = practice.serve();
    (practice, server)
}

#[test]
fn a_clinician_signs_in_finds_a_patient_and_reads_the_chart() {
    let (_practice, server) = served();
    for width in [1440, 390] {
        walk(width, &server.address, support::PASSWORD);
    }
}

#[test]
fn every_page_is_accessible_at_two_widths_in_light_and_dark() {
    let Some(axe) = axe() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "npm install in scripts/axe first");
        eprintln!("axe skipped: npm install in scripts/axe first");
        return;
    };
    let (_practice, server) = served();
    let root = format!("http://{}", server.address);
    let mut findings = Vec::new();
    let mut n_pages = 0;
    for width in [1440, 390] {
        let Some(browser) = Browser::open(width) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "chromedriver is not installed");
            eprintln!("axe skipped: chromedriver is not installed");
            return;
        };
        let mut look = |path: &str, theme: &str| {
            browser.go(&format!("{root}{path}"));
            browser.until("document.readyState === 'complete'");
            n_pages += 1;
            let found = browser.findings(&axe);
            findings.extend(found.into_iter().map(|f| format!("{path} {width} {theme}: {f}")));
        };
        browser.go(&format!("{root}/login"));
        for theme in ["light", "dark"] {
            browser.script(&format!("document.cookie = 'theme={theme}; path=/'"));
            look("/login", theme);
        }
        browser.script("document.querySelector('[data-test=login-user]').focus()");
        browser.keys("elena");
        browser.keys("\u{E004}");
        browser.keys(support::PASSWORD);
        browser.keys(ENTER);
        browser.there("nav-account");
        browser.go(&format!("{root}/patients/p0"));
        let link = |browser: &Browser, selector: &str| {
            browser.script(&format!("return document.querySelector('{selector}')?.pathname ?? ''"))
        };
        let tabs = browser.script(
            "return [...document.querySelectorAll('nav a[href^=\"/patients/p0\"]')]\
             .map(a => a.pathname).join(' ')",
        );
        let mut paths: Vec<String> = tabs.split(' ').map(str::to_owned).collect();
        assert!(paths.len() >= 6, "tabs: {tabs}");
        for (page, selector) in [
            ("/patients/p0/results", "[data-test=result-row] a"),
            ("/patients/p0/documents", "[data-test=document] a"),
        ] {
            browser.go(&format!("{root}{page}"));
            let path = link(&browser, selector);
            assert!(path.starts_with("/patients/p0/"), "{page}: {path}");
            paths.push(path);
        }
        let others = [
            "/",
            "/?date=2001-01-01",
            "/patients",
            "/patients?q=zzzz",
            "/account",
            "/account/security",
            "/account/security/app",
            "/login/again?next=/",
            "/invitation?code=vi_none",
            "/apps",
            "/patients/p0/timeline?kind=vitals",
            "/patients/p0/fhir/Patient/p0",
            "/patients/nobody",
        ];
        paths.extend(others.map(str::to_owned));
        for theme in ["light", "dark"] {
            browser.script(&format!("document.cookie = 'theme={theme}; path=/'"));
            for path in &paths {
                look(path, theme);
            }
        }
    }
    assert!(n_pages >= 60, "{n_pages} pages");
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
