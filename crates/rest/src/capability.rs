//! The CapabilityStatement, made from what is really there: the list of routes and the tables.
//!
//! Source: FHIR R4 capabilitystatement.html.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG};
use fhir::date::format_instant;
use fhir::issue::IssueType;
use fhir::json::{Doc, write_string};
use fhir_tables::{ResourceType, SearchKind, SearchParam, search_params};

use record::Registry;

use crate::HttpResponse;
use crate::answer;
use crate::negotiate::{Coding, Format, Wanted};
use crate::routes::{Interaction, ROUTES, What};

/// A parameter with more targets can point anywhere.
const TARGETS_TOLD_MAX: usize = 100;
/// Resource types that are normative in R4.
const NORMATIVE: &[&str] = &[
    "Binary",
    "Bundle",
    "CapabilityStatement",
    "CodeSystem",
    "Observation",
    "OperationDefinition",
    "OperationOutcome",
    "Parameters",
    "Patient",
    "StructureDefinition",
    "ValueSet",
];

/// The statement in the forms that are served, each made once.
pub struct Capability {
    base_url: String,
    started_ms: i64,
    full: OnceLock<String>,
    /// Version of the text.
    tag: OnceLock<String>,
    full_gzip: OnceLock<Option<Vec<u8>>>,
    full_zstd: OnceLock<Option<Vec<u8>>>,
}

impl Capability {
    pub fn new(base_url: &str, started_ms: i64) -> Capability {
        Capability {
            base_url: base_url.to_owned(),
            started_ms,
            full: OnceLock::new(),
            tag: OnceLock::new(),
            full_gzip: OnceLock::new(),
            full_zstd: OnceLock::new(),
        }
    }

    /// Answers `GET /fhir/metadata`. The whole has an `ETag`; `if_none_match` may name it.
    /// `custom` are the parameters that the practice has defined.
    pub fn answer(
        &self,
        query: Option<&str>,
        if_none_match: Option<&str>,
        wanted: Wanted,
        custom: &Registry,
    ) -> HttpResponse {
        let pairs = query.map(record::parse_query).unwrap_or_default();
        let mode = pairs.iter().find(|(name, _)| name == "mode").map(|(_, value)| value.as_str());
        match mode {
            None | Some("full") => {}
            Some("normative") => {
                let json = statement(&self.base_url, self.started_ms, Some(NORMATIVE), custom);
                return answer::resource(StatusCode::OK, json, wanted);
            }
            Some(other) => {
                let text = format!("mode={other} is not offered; offered: full, normative");
                let status = StatusCode::BAD_REQUEST;
                return answer::outcome(status, IssueType::NotSupported, text, wanted);
            }
        }
        let own = custom.list().iter().any(|param| param.is_ready);
        let own = own.then(|| statement(&self.base_url, self.started_ms, None, custom));
        let tag = match &own {
            Some(json) => &tag_of(json),
            None => self.tag.get_or_init(|| tag_of(self.full())),
        };
        let mut out = match own {
            _ if if_none_match.is_some_and(|list| names_tag(list, tag)) => {
                answer::empty(StatusCode::NOT_MODIFIED)
            }
            Some(json) => answer::resource(StatusCode::OK, json, wanted),
            None => self.whole(wanted),
        };
        let headers = out.headers_mut();
        answer::insert(headers, ETAG, tag);
        // May be kept, and is asked for again.
        answer::insert(headers, CACHE_CONTROL, "no-cache");
        out
    }

    fn whole(&self, wanted: Wanted) -> HttpResponse {
        let json = self.full();
        let kept = match wanted.coding {
            Coding::Gzip => Some(&self.full_gzip),
            Coding::Zstd => Some(&self.full_zstd),
            Coding::Identity => None,
        };
        if let Some(kept) = kept
            && !wanted.pretty
            && wanted.format == Format::Json
            && let Some(packed) = kept.get_or_init(|| answer::pack(json.as_bytes(), wanted.coding))
            && let Some(name) = wanted.coding.name()
        {
            let content_type = Format::Json.content_type();
            let packed = packed.clone();
            let mut out = answer::bytes(StatusCode::OK, packed, content_type, Coding::Identity);
            answer::insert(out.headers_mut(), CONTENT_ENCODING, name);
            return out;
        }
        answer::resource(StatusCode::OK, json.to_owned(), wanted)
    }

    fn full(&self) -> &str {
        let none = Registry::default();
        self.full.get_or_init(|| statement(&self.base_url, self.started_ms, None, &none))
    }
}

/// A weak tag: the same statement may be served in several forms.
fn tag_of(text: &str) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    text.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn names_tag(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one == tag)
}

fn statement(base_url: &str, started_ms: i64, only: Option<&[&str]>, custom: &Registry) -> String {
    let mut out = String::with_capacity(700 * 1024);
    let date = format_instant(started_ms);
    let version = env!("CARGO_PKG_VERSION");
    out.push_str(r#"{"resourceType":"CapabilityStatement","status":"active","date":"#);
    write_string(&date, &mut out);
    out.push_str(r#","kind":"instance","software":{"name":"Vitae","version":"#);
    write_string(version, &mut out);
    out.push_str(r#"},"implementation":{"description":"A unified health record","url":"#);
    write_string(base_url, &mut out);
    out.push_str(
        r#"},"fhirVersion":"4.0.1","format":["application/fhir+json","application/fhir+xml","json","xml"],"patchFormat":["application/json-patch+json","application/fhir+json","application/fhir+xml"],"rest":[{"mode":"server","#,
    );
    security(base_url, &mut out);
    out.push_str(r#","resource":["#);
    let mut is_first = true;
    for rt in ResourceType::ALL {
        let name = rt.name();
        if !is_stored(name) || only.is_some_and(|list| !list.contains(&name)) {
            continue;
        }
        if !is_first {
            out.push(',');
        }
        is_first = false;
        resource(rt, custom, &mut out);
    }
    out.push_str(r#"],"interaction":["#);
    let system: &[(Interaction, &[&str])] = &[
        (Interaction::Transaction, &["transaction", "batch"]),
        (Interaction::SearchSystem, &["search-system"]),
        (Interaction::HistorySystem, &["history-system"]),
    ];
    codes(
        system.iter().filter(|(i, _)| has(*i)).flat_map(|(_, codes)| codes.iter().copied()),
        &mut out,
    );
    out.push_str(r#"],"searchParam":["#);
    let patient = ResourceType::PATIENT;
    params(search_params(patient).iter().filter(|p| is_common(p) && is_served(p)), &mut out);
    // R4 has no SearchParameter for these (search.html#has, #list).
    out.push_str(r#",{"name":"_has","type":"string"},{"name":"_list","type":"string"}"#);
    out.push_str("]}]}");
    debug_assert!(Doc::parse(out.as_bytes()).is_ok());
    out
}

/// Parameters and outcomes are messages, not records.
fn is_stored(name: &str) -> bool {
    !matches!(name, "Parameters" | "OperationOutcome")
}

fn security(base_url: &str, out: &mut String) {
    let root = base_url.strip_suffix("/fhir").unwrap_or(base_url);
    out.push_str(r#""documentation":"Every interaction needs a bearer token. Parameters that are not known are refused unless Prefer: handling=lenient.","security":{"extension":[{"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris","extension":[{"url":"token","valueUri":"#);
    write_string(&format!("{root}/oauth2/token"), out);
    out.push_str(r#"},{"url":"introspect","valueUri":"#);
    write_string(&format!("{root}/oauth2/introspect"), out);
    out.push_str(r#"},{"url":"revoke","valueUri":"#);
    write_string(&format!("{root}/oauth2/revoke"), out);
    out.push_str(r#"}]}],"cors":false,"service":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/restful-security-service","code":"SMART-on-FHIR"}],"text":"OAuth 2.0 with SMART scopes; client_credentials at /oauth2/token"}]}"#);
}

fn has(interaction: Interaction) -> bool {
    ROUTES.iter().any(|route| route.what == What::Fhir(interaction))
}

fn codes<'a>(codes: impl Iterator<Item = &'a str>, out: &mut String) {
    for (code_idx, code) in codes.enumerate() {
        if code_idx > 0 {
            out.push(',');
        }
        out.push_str(r#"{"code":""#);
        out.push_str(code);
        out.push_str(r#""}"#);
    }
}

fn resource(rt: ResourceType, custom: &Registry, out: &mut String) {
    out.push_str(r#"{"type":""#);
    out.push_str(rt.name());
    out.push_str(r#"","profile":"http://hl7.org/fhir/StructureDefinition/"#);
    out.push_str(rt.name());
    out.push_str(r#"","interaction":["#);
    let mut done: Vec<&str> = Vec::new();
    for route in ROUTES {
        if let What::Fhir(interaction) = route.what
            && let Some(code) = interaction.type_code()
            && !done.contains(&code)
        {
            done.push(code);
        }
    }
    codes(done.into_iter(), out);
    out.push_str(r#"],"versioning":"versioned-update","readHistory":true,"updateCreate":true"#);
    let create = true;
    for (name, yes) in
        [("conditionalCreate", create), ("conditionalUpdate", has(Interaction::ConditionalUpdate))]
    {
        out.push_str(&format!(",\"{name}\":{yes}"));
    }
    out.push_str(r#","conditionalRead":"full-support","conditionalDelete":""#);
    out.push_str(if has(Interaction::ConditionalDelete) { "single" } else { "not-supported" });
    out.push_str(r#"","referencePolicy":["literal","logical","local","enforced"]"#);
    let served = || search_params(rt).iter().filter(|param| is_served(param));
    let references = || served().filter(|param| param.kind == SearchKind::Reference);
    if references().next().is_some() {
        out.push_str(&format!(r#","searchInclude":["*","{}:*""#, rt.name()));
        for param in references() {
            out.push_str(&format!(",\"{}:{}\"", rt.name(), param.code));
        }
        out.push(']');
    }
    rev_includes(rt, out);
    let ready = custom.list().iter().filter(|param| param.rt == rt && param.is_ready);
    let custom: Vec<&'static SearchParam> = ready.map(|param| param.param).collect();
    let own = || served().filter(|param| !is_common(param)).chain(custom.iter().copied());
    if own().next().is_some() {
        out.push_str(r#","searchParam":["#);
        params(own(), out);
        out.push(']');
    }
    operations(rt, out);
    out.push('}');
}

/// Parameters that every type has stand once, in `rest.searchParam`.
fn is_common(param: &SearchParam) -> bool {
    param.code.starts_with('_')
}

/// Operations of R4 that the record answers for this type.
fn operations(rt: ResourceType, out: &mut String) {
    let is_offered = |operation: &&fhir_tables::OperationDef| {
        let find = |on_instance| record::Operation::find(operation.code, rt, on_instance);
        operation.resources.contains(&rt) && (find(true).is_some() || find(false).is_some())
    };
    for (idx, operation) in fhir_tables::OPERATIONS.iter().filter(is_offered).enumerate() {
        out.push_str(if idx == 0 { r#","operation":["# } else { "," });
        out.push_str(&format!(
            r#"{{"name":"{}","definition":"{}"}}"#,
            operation.code, operation.url
        ));
    }
    if out.ends_with('}') {
        out.push(']');
    }
}

/// Parameters of other types that can point here. Those that can point anywhere (`Basic:subject`)
/// may be used too and are not told at each of the 146 types.
fn rev_includes(rt: ResourceType, out: &mut String) {
    let mut is_first = true;
    for source in ResourceType::ALL {
        for param in search_params(source) {
            if param.kind == SearchKind::Reference
                && param.targets.len() < TARGETS_TOLD_MAX
                && param.targets.contains(&rt)
                && is_served(param)
            {
                out.push_str(if is_first { r#","searchRevInclude":["*","# } else { "," });
                is_first = false;
                out.push_str(&format!("\"{}:{}\"", source.name(), param.code));
            }
        }
    }
    if !is_first {
        out.push(']');
    }
}

/// What the index holds.
fn is_served(param: &SearchParam) -> bool {
    let by_form = matches!(param.code, "_id" | "_text" | "_content" | "_filter" | "near");
    by_form || (param.kind != SearchKind::Special && !param.expression.is_empty())
}

fn params<'a>(params: impl Iterator<Item = &'a SearchParam>, out: &mut String) {
    for (param_idx, param) in params.enumerate() {
        if param_idx > 0 {
            out.push(',');
        }
        out.push_str(r#"{"name":"#);
        write_string(param.code, out);
        out.push_str(r#","definition":"#);
        write_string(param.url, out);
        out.push_str(r#","type":""#);
        out.push_str(param.kind.as_str());
        out.push_str("\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_a_valid_resource() {
        let json = statement("http://127.0.0.1:8080/fhir", 0, None, &Registry::default());
        let doc = Doc::parse(json.as_bytes()).expect("JSON");
        let issues = fhir::check::check_resource(doc.root());
        assert!(issues.is_empty(), "{issues:?}");
        let rest = doc.root().list("rest").next().expect("one");
        let types: Vec<_> = rest.list("resource").filter_map(|r| r.str("type")).collect();
        assert!(types.len() > 140);
        assert!(types.iter().any(|name| name == "Patient"));
    }

    #[test]
    fn the_statement_is_lean() {
        // Whatever grows it should be worth the bytes that every client loads.
        let json = statement("http://127.0.0.1:8080/fhir", 0, None, &Registry::default());
        assert!(json.len() <= 400 * 1024, "{} bytes", json.len());
        let packed = answer::pack(json.as_bytes(), Coding::Zstd).expect("packs");
        assert!(packed.len() <= 48 * 1024, "{} bytes packed", packed.len());
    }

    #[test]
    fn the_statement_need_not_be_loaded_twice() {
        let capability = Capability::new("http://x/fhir", 0);
        let answer =
            |query, tags| capability.answer(query, tags, answer::PLAIN, &Registry::default());
        let first = answer(None, None);
        let tag = first.headers()[ETAG].to_str().expect("text").to_owned();
        assert_eq!(first.status(), StatusCode::OK);
        for (list, status) in [(tag.as_str(), 304), ("*", 304), ("W/\"1\"", 200), ("", 200)] {
            let again = answer(None, Some(list));
            assert_eq!(again.status(), status, "{list}");
        }
        assert_eq!(answer(Some("mode=full"), Some(&tag)).status(), 304);
    }

    #[test]
    fn interactions_come_from_the_routes() {
        let json = statement("http://x/fhir", 0, Some(&["Patient"]), &Registry::default());
        for route in ROUTES {
            if let What::Fhir(interaction) = route.what
                && let Some(code) = interaction.type_code()
            {
                assert!(json.contains(&format!("{{\"code\":\"{code}\"}}")), "{code}");
            }
        }
    }
}
