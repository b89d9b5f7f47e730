//! Writes the chart of the patient in a Bundle file, for looking at real data without a server:
//! `cargo run -p ui --example bundle_chart -- BUNDLE.json OUT_DIR [TODAY]`.

use std::{collections::HashMap, fs, path::Path, time::Instant};

use fhir::json::{Doc, Node};
use ui::{
    assets,
    chart::{Section, facts, measured, overview, papers, timeline as timeline_page},
    layout::{Reader, Theme},
    load::{Failure, Reads, chart, sections, timeline},
    view_of::Lens,
    when::Now,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let (Some(file), Some(out)) = (args.get(1), args.get(2)) else {
        eprintln!("usage: bundle_chart BUNDLE.json OUT_DIR [TODAY]");
        std::process::exit(2);
    };
    let today = args.get(3).map_or("2026-06-01", String::as_str);
    let text = fs::read_to_string(file)?;
    let mut text = text;
    for (rt, id) in ids(&text)? {
        text = text.replace(&format!("urn:uuid:{id}"), &format!("{rt}/{id}"));
    }
    let doc = Doc::parse(text.into_bytes())?;
    let resources: Vec<Node> = doc.root().list("entry").filter_map(|e| e.get("resource")).collect();
    let search = |rt: &str, query: &str| answer(&resources, rt, query);
    let read = |rt: &str, id: &str| {
        let hit = resources.iter().find(|r| is(r, rt) && r.str("id").as_deref() == Some(id));
        Doc::parse(hit.ok_or(Failure::NotFound)?.raw().as_bytes()).map_err(|_| Failure::Ours)
    };
    let now = Now { at: format!("{today}T15:00:00Z").parse()?, zone: jiff::tz::TimeZone::UTC };
    let mut lens = Lens::new(now);
    let patient = resources.iter().find(|r| is(r, "Patient")).and_then(|p| p.str("id"));
    let patient = patient.ok_or("no Patient in the Bundle")?.into_owned();
    let out = Path::new(out);
    fs::create_dir_all(out)?;
    for asset in assets::ALL {
        fs::write(out.join(asset.name), asset.body)?;
    }
    let reader = Reader {
        name: "Ada Provider".to_owned(),
        role: "provider".to_owned(),
        is_administrator: false,
        reads_log: false,
        theme: Theme::Light,
        compact: false,
        ..Reader::default()
    };
    let write = |name: &str, html: String| {
        println!("{name}: {} KB", html.len() / 1024);
        fs::write(
            out.join(format!("{name}.html")),
            html.replace(&format!("/assets/{}/", assets::hash()), ""),
        )
    };
    let reads = Reads::new(&search, &read, &|_, _| Err(Failure::NotFound));
    let start = Instant::now();
    let o = chart::overview(&reads, &mut lens, &patient).map_err(|e| format!("{e:?}"))?;
    let page = overview::page(&reader, &o).into_string();
    println!("overview in {:?}", start.elapsed());
    write("overview", page)?;
    let b = &o.banner;
    let adult = chart::is_adult(b);
    let fail = |e: Failure| format!("{e:?}");
    let (list, words) = sections::results(&reads, &mut lens, &patient, adult).map_err(fail)?;
    write("results", measured::results_page(&reader, b, &list, &words).into_string())?;
    if let Some(s) = list.iter().max_by_key(|s| s.points.len()) {
        write(
            "trend",
            measured::trend_page(
                &reader,
                b,
                Section::Results,
                std::slice::from_ref(s),
                &o.medications,
            )
            .into_string(),
        )?;
    }
    let list = sections::vitals(&reads, &mut lens, &patient, adult).map_err(fail)?;
    write("vitals", measured::vitals_page(&reader, b, &list).into_string())?;
    let list = sections::all_medications(&reads, &mut lens, &patient).map_err(fail)?;
    write("medications", facts::medications_page(&reader, b, &list).into_string())?;
    let (list, next) = sections::visits(&reads, &mut lens, &patient, None).map_err(fail)?;
    write("visits", papers::visits_page(&reader, b, &list, next.as_deref()).into_string())?;
    let (list, next) = sections::documents(&reads, &mut lens, &patient, None).map_err(fail)?;
    write("documents", papers::documents_page(&reader, b, &list, next.as_deref()).into_string())?;
    if let Some(d) = list.first() {
        let d = sections::document(&reads, &mut lens, &patient, &d.id).map_err(fail)?;
        write("document", papers::document_page(&reader, b, &d).into_string())?;
    }
    let t =
        timeline::timeline(&reads, &mut lens, &patient, &timeline::Ask::default()).map_err(fail)?;
    write("timeline", timeline_page::page(&reader, b, &t).into_string())?;
    Ok(())
}

fn ids(text: &str) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let doc = Doc::parse(text.as_bytes())?;
    let pair = |r: Node| Some((r.str("resourceType")?.into_owned(), r.str("id")?.into_owned()));
    Ok(doc.root().list("entry").filter_map(|e| pair(e.get("resource")?)).collect())
}

fn is(r: &Node, rt: &str) -> bool {
    r.str("resourceType").as_deref() == Some(rt)
}

/// Just enough of search: category, status, code, `_id`, `le` dates, newest first, `_count`.
fn answer(resources: &[Node], rt: &str, query: &str) -> Result<Doc, Failure> {
    let params: HashMap<&str, &str> = query.split('&').filter_map(|p| p.split_once('=')).collect();
    let date = |r: &Node| {
        ["effectiveDateTime", "authoredOn", "performedDateTime", "occurrenceDateTime", "date"]
            .iter()
            .find_map(|n| r.str(n).map(|s| s.into_owned()))
            .or_else(|| {
                ["period", "performedPeriod"]
                    .iter()
                    .find_map(|n| Some(r.get(n)?.str("start")?.into_owned()))
            })
            .unwrap_or_default()
    };
    let coded = |r: &Node, name: &str, wanted: &str| {
        r.list(name)
            .flat_map(|c| c.list("coding"))
            .any(|c| c.str("code").as_deref() == Some(wanted))
    };
    let mut rows: Vec<&Node> = resources
        .iter()
        .filter(|r| is(r, rt))
        .filter(|r| params.get("category").is_none_or(|c| coded(r, "category", c)))
        .filter(|r| params.get("code").is_none_or(|c| coded(r, "code", c)))
        .filter(|r| {
            let status = r.str("status");
            params.get("status").is_none_or(|s| s.split(',').any(|s| status.as_deref() == Some(s)))
        })
        .filter(|r| {
            let id = r.str("id");
            params.get("_id").is_none_or(|s| s.split(',').any(|s| id.as_deref() == Some(s)))
        })
        .filter(|r| {
            let bound = params.get("date").or(params.get("authoredon"));
            let bound = bound.and_then(|b| b.strip_prefix("le"));
            bound.is_none_or(|b| date(r).as_str() <= b)
        })
        .collect();
    rows.sort_by_key(|r| std::cmp::Reverse(date(r)));
    let count: usize = params.get("_count").and_then(|c| c.parse().ok()).unwrap_or(20);
    let link = if rows.len() > count { r#""link":[{"relation":"next","url":"x"}],"# } else { "" };
    let entries: Vec<String> =
        rows.iter().take(count).map(|r| format!(r#"{{"resource":{}}}"#, r.raw())).collect();
    let bundle = format!(
        r#"{{"resourceType":"Bundle","total":{},{link}"entry":[{}]}}"#,
        rows.len(),
        entries.join(",")
    );
    Doc::parse(bundle.into_bytes()).map_err(|_| Failure::Ours)
}
