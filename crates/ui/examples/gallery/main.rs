//! Writes sample pages with their assets, for looking at in a browser:
//! `cargo run -p ui --example gallery -- OUT_DIR`.

mod samples;

use std::{fs, path::Path};

use maud::Markup;
use ui::{
    assets,
    chart::{Section, facts, measured, overview, papers, timeline},
    layout::{Reader, Theme},
    pages,
};

fn main() -> std::io::Result<()> {
    let Some(out) = std::env::args().nth(1) else {
        eprintln!("usage: gallery OUT_DIR");
        std::process::exit(2);
    };
    let out = Path::new(&out);
    fs::create_dir_all(out)?;
    for asset in assets::ALL {
        fs::write(out.join(asset.name), asset.body)?;
    }
    for theme in [Theme::Light, Theme::Dark] {
        let suffix = theme.attribute().unwrap_or("system");
        for (name, page) in all(theme) {
            let html = page.into_string().replace(&format!("/assets/{}/", assets::hash()), "");
            fs::write(out.join(format!("{name}-{suffix}.html")), html)?;
        }
    }
    Ok(())
}

fn all(theme: Theme) -> Vec<(&'static str, Markup)> {
    let reader = Reader {
        name: "Ada Provider".to_owned(),
        role: "Provider".to_owned(),
        is_administrator: false,
        reads_log: false,
        theme,
        compact: false,
        ..Reader::default()
    };
    let usual = samples::usual();
    let full = samples::overfull();
    let empty = samples::newborn();
    let b = &usual.banner;
    let results: Vec<_> = usual.results.clone();
    vec![
        ("login", pages::login::page(&samples::login(theme, None))),
        (
            "login-refused",
            pages::login::page(&samples::login(theme, Some(pages::login::Trouble::Refused))),
        ),
        ("today", pages::today::page(&reader, &samples::today())),
        ("patients", pages::patients::page(&reader, &samples::patients("gar"))),
        ("patients-none", pages::patients::page(&reader, &samples::nobody("zzyzx"))),
        ("chart", overview::page(&reader, &usual)),
        ("chart-full", overview::page(&reader, &full)),
        ("chart-empty", overview::page(&reader, &empty)),
        ("timeline", timeline::page(&reader, b, &usual.timeline)),
        ("results", measured::results_page(&reader, b, &results, &samples::findings())),
        ("vitals", measured::vitals_page(&reader, b, &usual.vitals)),
        (
            "trend",
            measured::trend_page(&reader, b, Section::Results, &results[..1], &usual.medications),
        ),
        ("medications", facts::medications_page(&reader, &full.banner, &full.medications)),
        ("problems", facts::problems_page(&reader, b, &usual.problems)),
        ("visits", papers::visits_page(&reader, b, &samples::visits(), Some("page=2"))),
        ("documents", papers::documents_page(&reader, b, &samples::documents(), None)),
        ("document", papers::document_page(&reader, b, &samples::document())),
        ("immunizations", papers::immunizations_page(&reader, b, &usual.immunizations)),
        ("coverage", papers::coverage_page(&reader, b, &samples::coverage())),
        ("account", pages::account::page(&reader, &samples::sessions())),
        ("error-404", pages::error::page(pages::error::Failure::NotFound, "01hx4r8k2m", theme)),
        ("error-500", pages::error::page(pages::error::Failure::Ours, "01hx4r8k2m", theme)),
    ]
}
