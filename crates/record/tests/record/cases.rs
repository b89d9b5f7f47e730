//! Runs the case files under `cases/`.

use std::path::Path;

use crate::common::{START_MS, TestRecord};
use case_kit::{Case, HttpRequest, Role as BlockRole};
use fhir::json::{Doc, Node, Value};
use record::{
    Actor, Ctx, Error, Headers, HistoryOf, ImportOptions, PatchBody, Payload, Request, Response,
    Role, Scopes, parse_query, route,
};

#[test]
fn every_case_gives_what_it_says() {
    case_kit::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"), run);
}

#[test]
fn every_case_gives_the_same_on_postgresql() {
    let Some(cluster) = case_kit::postgres::cluster("every_case_gives_the_same_on_postgresql")
    else {
        return;
    };
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    case_kit::run(&cases, |case| run_on(&TestRecord::on(cluster), case));
}

/// As [`run_on`] in a folder.
fn run(case: &Case) -> Vec<String> {
    run_on(&TestRecord::new(), case)
}

/// Stores `given`, sends the requests, and renders responses and checks in the order of blocks.
fn run_on(test: &TestRecord, case: &Case) -> Vec<String> {
    for given in case.texts(BlockRole::Given) {
        store_given(test, given);
    }
    let mut actual = Vec::new();
    let (mut last, mut last_bundle) = (String::new(), String::new());
    for block in &case.blocks {
        match block.role {
            BlockRole::Given => {}
            BlockRole::When => {
                test.world.tick();
                last = send(test, &block.text, &last_bundle);
                if last.contains("\"link\":") {
                    last_bundle = last.clone();
                }
            }
            BlockRole::Then => actual.push(masked(&last)),
            BlockRole::Check => actual.push(checks(test, &block.text)),
        }
    }
    actual
}

fn store_given(test: &TestRecord, given: &str) {
    let entries: Vec<String> = given
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("{{\"resource\":{line}}}"))
        .collect();
    let bundle = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}",
        entries.join(",")
    );
    let body = Doc::parse(bundle).expect("given is JSON");
    let request = Request::Import {
        body,
        options: ImportOptions { allow_dangling: true, ..ImportOptions::default() },
    };
    let ctx = Ctx::system("given", START_MS);
    let response = test.record.execute(&ctx, request).expect("given can be imported");
    let text = response.body.expect("a Bundle");
    assert!(!text.contains("\"status\":\"4"), "given: {text}");
}

fn send(test: &TestRecord, text: &str, last: &str) -> String {
    let http = HttpRequest::parse(text);
    let url = match http.url.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((relation, tail)) => format!("{}{tail}", link(last, relation)),
        None => http.url.clone(),
    };
    let ctx = context(test, http.header("as"));
    let result = request(&http, &url).and_then(|request| test.record.execute(&ctx, request));
    match result {
        Ok(response) => rendered(&response),
        Err(e) => format!("{}\n\n{}", e.status(), pretty(&e.outcome())),
    }
}

/// The link of the last Bundle, relative to the base.
fn link(last: &str, relation: &str) -> String {
    let body = last.split_once("\n\n").map_or("", |(_, body)| body);
    let doc = Doc::parse(body).expect("the last response is a Bundle");
    let url = doc
        .root()
        .list("link")
        .find(|link| link.str("relation").as_deref() == Some(relation))
        .and_then(|link| link.str("url"))
        .unwrap_or_else(|| panic!("no link {relation} in {last}"));
    url.strip_prefix(crate::common::BASE_URL).expect("a link below the base").to_owned()
}

fn request(http: &HttpRequest, url: &str) -> Result<Request, Error> {
    let headers = Headers {
        if_match: http.header("if-match").map(str::to_owned),
        if_none_match: http.header("if-none-match").map(str::to_owned),
        if_modified_since_ms: http.header("if-modified-since").map(|text| {
            fhir::date::PartialDate::parse(text).expect("a FHIR instant").start_utc_ms()
        }),
        if_none_exist: http.header("if-none-exist").map(str::to_owned),
        prefer: http.header("prefer").map(str::to_owned),
    };
    let payload = match http.header("content-type") {
        Some("application/x-www-form-urlencoded") => Payload::Form(parse_query(http.body.trim())),
        Some("application/json-patch+json") => {
            Payload::Patch(PatchBody::Json(Doc::parse(http.body.as_str())?))
        }
        _ if http.body.trim().is_empty() => Payload::None,
        _ => Payload::Resource(Doc::parse(http.body.as_str())?),
    };
    route(&http.method, url.trim_start_matches('/'), &headers, payload)
}

/// `As: nurse user/*.cruds`, `As: patient:p1 user/*.rs`, `As: client system/Patient.rs`.
fn context(test: &TestRecord, text: Option<&str>) -> Ctx {
    use record::World;
    let (who, scopes) = text.unwrap_or("client system/*.cruds").split_once(' ').unwrap_or_default();
    let mut ctx = Ctx::system("req", test.world.now_ms());
    ctx.scopes = Scopes::parse(scopes);
    ctx.actor = match who.split_once(':').map_or((who, None), |(role, id)| (role, Some(id))) {
        ("client", _) => Actor::Client { id: "c1".into(), name: "Client".into() },
        (role, patient) => Actor::User {
            id: "u1".into(),
            name: "User".into(),
            role: Role::parse(role).expect("a role"),
            patient: patient.map(str::to_owned),
        },
    };
    ctx
}

fn rendered(response: &Response) -> String {
    let mut out = response.status.to_string();
    if let Some(vid) = response.etag {
        out.push_str(&format!("\nETag: W/\"{vid}\""));
    }
    if let Some(location) = &response.location {
        out.push_str(&format!("\nLocation: {location}"));
    }
    if let Some(body) = &response.body {
        out.push_str("\n\n");
        out.push_str(&pretty(body));
    }
    out
}

/// JSON with what fits on a line on one line; an OperationOutcome as a line per issue.
fn pretty(body: &str) -> String {
    let doc = Doc::parse(body).unwrap_or_else(|e| panic!("{e}: {body}"));
    if doc.root().str("resourceType").as_deref() == Some("OperationOutcome") {
        return outcome(doc.root());
    }
    let mut out = String::new();
    layout(doc.root(), 0, &mut out);
    out
}

fn outcome(node: Node<'_>) -> String {
    let issues = node.list("issue").map(|issue| {
        let text = |name: &str| issue.str(name).unwrap_or_default().into_owned();
        let place = issue.list("expression").next().and_then(|e| e.as_str()).unwrap_or_default();
        let place = if place.is_empty() { String::new() } else { format!(" {place}") };
        format!("{} {}{place}: {}", text("severity"), text("code"), text("diagnostics"))
    });
    format!("OperationOutcome\n{}", issues.collect::<Vec<_>>().join("\n"))
}

fn layout(node: Node<'_>, level: usize, out: &mut String) {
    const LINE_MAX: usize = 96;
    let compact = node.to_compact();
    if compact.len() + 2 * level <= LINE_MAX || node.is_empty() {
        out.push_str(&compact);
        return;
    }
    let is_object = node.kind() == fhir::json::Kind::Object;
    out.push(if is_object { '{' } else { '[' });
    let members = node.members().map(|(name, value)| (Some(name), value));
    let items = node.items().map(|value| (None, value));
    for (i, (name, value)) in members.chain(items).enumerate() {
        out.push_str(if i > 0 { ",\n" } else { "\n" });
        out.push_str(&"  ".repeat(level + 1));
        if let Some(name) = name {
            out.push_str(&format!("\"{name}\": "));
        }
        layout(value, level + 1, out);
    }
    out.push('\n');
    out.push_str(&"  ".repeat(level));
    out.push(if is_object { '}' } else { ']' });
}

/// Page tokens are replaced by `…`.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_page=") {
        out.push_str(before);
        out.push_str("_page=…");
        rest =
            after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    }
    out + rest
}

/// Looks up each `expression = value`.
///
/// `count(Patient)`: current resources; `count(Patient?query)`: those that match;
/// `versions(Patient/1)`, `versions(Patient)`, `versions(*)`: length of a history;
/// `stored(Patient/1)`: the JSON; `audit(n)`: the last n leaves, as `action what status`.
fn checks(test: &TestRecord, text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let left = line.split_once(" = ").map_or(line, |(left, _)| left).trim();
        let (name, argument) = left.trim_end_matches(')').split_once('(').expect("name(argument)");
        let value = match name {
            "count" => {
                let (ty, query) = argument.split_once('?').unwrap_or((argument, ""));
                total(test, &format!("{ty}?{query}&_summary=count"))
            }
            "versions" => versions(test, argument),
            "stored" => get(test, argument).to_compact(),
            "audit" => audit(test, argument.parse().expect("a number")),
            _ => panic!("no such check: {name}"),
        };
        format!("{left} = {value}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct Body(Doc);

impl Body {
    fn to_compact(&self) -> String {
        self.0.root().to_compact()
    }

    fn root(&self) -> Node<'_> {
        self.0.root()
    }
}

fn ask(test: &TestRecord, request: Request) -> Body {
    let ctx = Ctx::system("check", START_MS);
    let response = test.record.execute(&ctx, request).expect("a check can be looked up");
    Body(Doc::parse(response.body.expect("a body")).expect("JSON"))
}

fn get(test: &TestRecord, url: &str) -> Body {
    ask(test, route("GET", url, &Headers::default(), Payload::None).expect("a URL"))
}

fn total(test: &TestRecord, url: &str) -> String {
    get(test, url).root().get("total").map_or("none".into(), |total| total.raw().to_owned())
}

fn versions(test: &TestRecord, argument: &str) -> String {
    let of = match argument.split_once('/') {
        _ if argument == "*" => HistoryOf::System,
        None => HistoryOf::Type(fhir_tables::ResourceType::from_name(argument).expect("a type")),
        Some((ty, id)) => {
            let rt = fhir_tables::ResourceType::from_name(ty).expect("a type");
            HistoryOf::Instance(rt, id.to_owned())
        }
    };
    let body = ask(test, Request::History { of, pairs: parse_query("_count=0") });
    body.root().get("total").map_or("none".into(), |total| total.raw().to_owned())
}

fn audit(test: &TestRecord, n: usize) -> String {
    let log = test.record.audit_log(&Ctx::system("check", START_MS)).expect("the audit log");
    let leaves = log.leaves(0, 10_000).expect("the audit log is read");
    let leaves: Vec<Value> = leaves
        .into_iter()
        .map(|(_, leaf)| Value::parse(leaf).expect("a leaf is JSON"))
        .filter(|leaf| leaf.get("req").and_then(Value::as_str) == Some("req"))
        .collect();
    let last = leaves[leaves.len().saturating_sub(n)..].iter().map(|leaf| {
        let text = |name: &str| match leaf.get(name) {
            Some(Value::String(s) | Value::Number(s)) => s.clone(),
            _ => String::new(),
        };
        let patients = leaf.get("patients").map_or(String::new(), |list| list.to_json());
        let line = format!("{} {} {} {patients}", text("do"), text("what"), text("ok"));
        line.trim_end().to_owned()
    });
    last.collect::<Vec<_>>().join("; ")
}
