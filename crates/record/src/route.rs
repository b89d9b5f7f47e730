//! From method, URL, headers and body to a [`Request`]: the one list of R4 paths.
//!
//! Source: FHIR R4 http.html. Used by the HTTP door, by entries of a Bundle and by test cases, so
//! that a URL means the same in all three. `metadata` is not here.

use fhir::json::{Doc, Kind as JsonKind};
use fhir::reference::is_id;
use fhir_tables::{ResourceType, compartment};

use crate::error::{Error, Kind, Result};
use crate::request::{
    Handling, HistoryOf, Operation, PatchBody, Request, Return, Summary, Unless, View,
};

/// The headers that change what a request means, as text.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since_ms: Option<i64>,
    pub if_none_exist: Option<String>,
    pub prefer: Option<String>,
}

/// The body of a request, parsed.
#[derive(Debug)]
pub enum Payload {
    None,
    Resource(Doc),
    Patch(PatchBody),
    /// `application/x-www-form-urlencoded` of `_search`.
    Form(Vec<(String, String)>),
}

/// Splits and decodes a query string or form; order is kept, `+` is a space.
pub fn parse_query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (percent_decode(name), percent_decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            (b, ..) => out.push(b),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends `text` for a query string: everything but unreserved characters and the few that
/// FHIR uses as they are (`|`, `,`, `:`, `/`) is percent-encoded.
pub fn percent_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~,:/*$".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
}

/// Reads `W/"3"` or `"3"`.
///
/// Errors: `Invalid`; version ids of this server are positive numbers.
pub fn parse_etag(text: &str) -> Result<u32> {
    let text = text.trim();
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| {
            Error::new(Kind::Invalid, "the version tag is not of the form W/\"3\"".to_owned())
        })
}

/// What `Prefer` asks for; `return` is `None` when it does not say.
pub fn parse_prefer(text: &str) -> (Option<Return>, Handling) {
    let mut ret = None;
    let mut handling = Handling::Strict;
    for part in text.split([';', ',']) {
        match part.trim() {
            "return=minimal" => ret = Some(Return::Minimal),
            "return=representation" => ret = Some(Return::Representation),
            "return=OperationOutcome" => ret = Some(Return::OperationOutcome),
            "handling=lenient" => handling = Handling::Lenient,
            "handling=strict" => handling = Handling::Strict,
            _ => {}
        }
    }
    (ret, handling)
}

/// `_summary` and `_elements` of a read.
///
/// Errors: `Value` for an unknown `_summary`, or both together.
pub(crate) fn view(pairs: &[(String, String)]) -> Result<View> {
    let mut view = View::default();
    for (name, value) in pairs {
        match name.as_str() {
            "_summary" => {
                view.summary = Summary::parse(value).ok_or_else(|| {
                    Error::new(
                        Kind::Value,
                        format!("_summary={value}: use true, text, data, count or false"),
                    )
                })?;
            }
            "_elements" => view.elements.extend(
                value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            ),
            _ => {}
        }
    }
    if !view.elements.is_empty() && view.summary != Summary::False {
        return Err(Error::new(Kind::Value, "_summary and _elements exclude each other"));
    }
    Ok(view)
}

/// Parameters that shape an answer and may stand on any read.
const READ_PARAMS: &[&str] = &["_summary", "_elements", "_format", "_pretty"];

/// Makes the request that `method` and `url` (relative to the base, with query) stand for.
///
/// Errors: `NotFound` for a path that is none, `Method` for a wrong method, `Invalid` for bad ids
/// and headers, `NotSupported` for parameters that have no meaning there, `Structure` for a
/// missing body.
pub fn route(method: &str, url: &str, headers: &Headers, payload: Payload) -> Result<Request> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.trim_matches('/');
    let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    let router = Router { method, query, headers, payload };
    match parts.as_slice() {
        [] => router.system(),
        ["_history"] => router.history(HistoryOf::System),
        ["_search"] => router.search_post(None, None),
        [ty] => router.of_type(resource_type(ty)?),
        [ty, "_history"] => router.history(HistoryOf::Type(resource_type(ty)?)),
        [ty, "_search"] => router.search_post(Some(resource_type(ty)?), None),
        [ty, op] if op.starts_with('$') => router.operation(resource_type(ty)?, None, op),
        [ty, id, op] if op.starts_with('$') => {
            router.operation(resource_type(ty)?, Some(checked_id(id)?), op)
        }
        [ty, id] => router.instance(resource_type(ty)?, checked_id(id)?),
        [ty, id, "_history"] => {
            router.history(HistoryOf::Instance(resource_type(ty)?, checked_id(id)?))
        }
        [ty, id, "_history", vid] => router.vread(resource_type(ty)?, checked_id(id)?, vid),
        [root, id, member] => {
            let at = Some(compartment_root(root, id)?);
            router.search_get(member_type(member)?, at)
        }
        [root, id, member, "_search"] => {
            let at = Some(compartment_root(root, id)?);
            router.search_post(member_type(member)?, at)
        }
        _ => Err(Error::new(Kind::NotFound, "there is nothing at this path")),
    }
}

struct Router<'a> {
    method: &'a str,
    query: &'a str,
    headers: &'a Headers,
    payload: Payload,
}

impl Router<'_> {
    fn system(self) -> Result<Request> {
        match self.method {
            "POST" => {
                let ret = self.ret(Return::Minimal);
                Ok(Request::Bundle { body: self.resource()?, ret })
            }
            "GET" | "HEAD" => self.search_get(None, None),
            _ => Err(self.wrong_method("GET, POST")),
        }
    }

    fn of_type(self, rt: ResourceType) -> Result<Request> {
        match self.method {
            "GET" | "HEAD" => self.search_get(Some(rt), None),
            "POST" => {
                let ret = self.ret(Return::Representation);
                let if_none_exist = self.headers.if_none_exist.clone();
                Ok(Request::Create { rt, body: self.resource()?, if_none_exist, ret })
            }
            "PUT" => {
                let (query, if_match) = (self.query.to_owned(), self.if_match()?);
                let ret = self.ret(Return::Representation);
                Ok(Request::ConditionalUpdate { rt, query, body: self.resource()?, if_match, ret })
            }
            "PATCH" => {
                let (query, if_match) = (self.query.to_owned(), self.if_match()?);
                let ret = self.ret(Return::Representation);
                Ok(Request::ConditionalPatch { rt, query, patch: self.patch()?, if_match, ret })
            }
            "DELETE" => Ok(Request::ConditionalDelete { rt, query: self.query.to_owned() }),
            _ => Err(self.wrong_method("GET, POST, PUT, PATCH, DELETE")),
        }
    }

    fn instance(self, rt: ResourceType, id: String) -> Result<Request> {
        match self.method {
            "GET" | "HEAD" => {
                let pairs = self.read_pairs()?;
                let tags = self.headers.if_none_match.as_deref().unwrap_or_default();
                let any_version = tags.trim() == "*";
                let mut unless = Unless { any_version, ..Unless::default() };
                unless.modified_since_ms = self.headers.if_modified_since_ms;
                if !any_version && !tags.is_empty() {
                    unless.versions = tags.split(',').map(parse_etag).collect::<Result<_>>()?;
                }
                Ok(Request::Read { rt, id, view: view(&pairs)?, unless })
            }
            "PUT" => {
                let if_match = self.if_match()?;
                let if_absent = match self.headers.if_none_match.as_deref() {
                    None => false,
                    Some("*") => true,
                    Some(_) => {
                        let text = "If-None-Match of an update may only be *";
                        return Err(Error::new(Kind::Invalid, text));
                    }
                };
                let ret = self.ret(Return::Representation);
                let body = self.resource()?;
                Ok(Request::Update { rt, id, body, if_match, if_absent, ret })
            }
            "PATCH" => {
                let if_match = self.if_match()?;
                let ret = self.ret(Return::Representation);
                Ok(Request::Patch { rt, id, patch: self.patch()?, if_match, ret })
            }
            "DELETE" => Ok(Request::Delete { rt, id, if_match: self.if_match()? }),
            _ => Err(self.wrong_method("GET, PUT, PATCH, DELETE")),
        }
    }

    fn vread(self, rt: ResourceType, id: String, vid: &str) -> Result<Request> {
        self.only_get()?;
        let pairs = self.read_pairs()?;
        let digits = vid.bytes().all(|b| b.is_ascii_digit()) && !vid.starts_with('0');
        let vid = vid.parse().ok().filter(|_| digits).ok_or_else(|| {
            Error::new(Kind::NotFound, format!("{rt}/{id} has no version of this name"))
        })?;
        Ok(Request::Vread { rt, id, vid, view: view(&pairs)? })
    }

    fn history(self, of: HistoryOf) -> Result<Request> {
        self.only_get()?;
        Ok(Request::History { of, pairs: parse_query(self.query) })
    }

    fn operation(self, rt: ResourceType, id: Option<String>, name: &str) -> Result<Request> {
        let found = Operation::find(name.trim_start_matches('$'), rt, id.is_some());
        let Some(name) = found else {
            return Err(Error::new(Kind::NotFound, format!("{name} is not offered here")));
        };
        let mut pairs = parse_query(self.query);
        match (self.method, self.payload) {
            ("GET" | "HEAD", _) | ("POST", Payload::None) => {}
            ("POST", Payload::Form(form)) => pairs.extend(form),
            ("POST", Payload::Resource(doc)) => pairs.extend(parameters(&doc)?),
            ("POST", Payload::Patch(_)) => {
                let text = "an operation takes a Parameters resource or a form";
                return Err(Error::new(Kind::Invalid, text));
            }
            _ => return Err(Error::new(Kind::Method, "an operation takes GET and POST")),
        }
        Ok(Request::Operation { name, rt, id, pairs })
    }

    fn search_get(
        self,
        rt: Option<ResourceType>,
        compartment: Option<(ResourceType, String)>,
    ) -> Result<Request> {
        self.only_get()?;
        let handling = self.handling();
        Ok(Request::Search { rt, compartment, pairs: parse_query(self.query), handling })
    }

    fn search_post(
        self,
        rt: Option<ResourceType>,
        compartment: Option<(ResourceType, String)>,
    ) -> Result<Request> {
        let handling = self.handling();
        let mut pairs = parse_query(self.query);
        match (self.method, self.payload) {
            ("POST", Payload::Form(form)) => pairs.extend(form),
            ("POST", Payload::None) => {}
            ("POST", _) => {
                let text = "_search takes application/x-www-form-urlencoded";
                return Err(Error::new(Kind::Invalid, text));
            }
            _ => return Err(Error::new(Kind::Method, "_search takes POST")),
        }
        Ok(Request::Search { rt, compartment, pairs, handling })
    }

    /// The query of a read, which may only shape the answer.
    fn read_pairs(&self) -> Result<Vec<(String, String)>> {
        let pairs = parse_query(self.query);
        match pairs.iter().find(|(name, _)| !READ_PARAMS.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::new(
                Kind::NotSupported,
                format!(
                    "parameter {name} has no meaning on a read; known: {}",
                    READ_PARAMS.join(", ")
                ),
            )),
            None => Ok(pairs),
        }
    }

    fn if_match(&self) -> Result<Option<u32>> {
        self.headers.if_match.as_deref().map(parse_etag).transpose()
    }

    fn ret(&self, default: Return) -> Return {
        self.headers.prefer.as_deref().and_then(|text| parse_prefer(text).0).unwrap_or(default)
    }

    fn handling(&self) -> Handling {
        self.headers.prefer.as_deref().map_or(Handling::Strict, |text| parse_prefer(text).1)
    }

    fn resource(self) -> Result<Doc> {
        match self.payload {
            Payload::Resource(doc) => Ok(doc),
            _ => Err(Error::new(Kind::Structure, "this request needs a resource as its body")),
        }
    }

    fn patch(self) -> Result<PatchBody> {
        match self.payload {
            Payload::Patch(patch) => Ok(patch),
            Payload::Resource(doc) => Ok(PatchBody::FhirPath(doc)),
            _ => Err(Error::new(Kind::Structure, "this request needs a patch as its body")),
        }
    }

    fn only_get(&self) -> Result<()> {
        if matches!(self.method, "GET" | "HEAD") { Ok(()) } else { Err(self.wrong_method("GET")) }
    }

    fn wrong_method(&self, known: &str) -> Error {
        Error::new(Kind::Method, format!("{} is not offered here; offered: {known}", self.method))
    }
}

fn resource_type(name: &str) -> Result<ResourceType> {
    ResourceType::from_name(name)
        .ok_or_else(|| Error::new(Kind::NotFound, format!("{name} is not a resource type of R4")))
}

fn member_type(name: &str) -> Result<Option<ResourceType>> {
    if name == "*" { Ok(None) } else { resource_type(name).map(Some) }
}

fn compartment_root(root: &str, id: &str) -> Result<(ResourceType, String)> {
    match compartment(root) {
        Some(def) => Ok((def.root, checked_id(id)?)),
        None => Err(Error::new(Kind::NotFound, format!("{root} has no compartment"))),
    }
}

/// Names and values of a Parameters resource whose values are primitive.
///
/// Errors: `Invalid` for another resource, `Value` for a parameter without a primitive value.
fn parameters(doc: &Doc) -> Result<Vec<(String, String)>> {
    let root = doc.root();
    if root.str("resourceType").as_deref() != Some("Parameters") {
        return Err(Error::new(Kind::Invalid, "the body of an operation is a Parameters resource"));
    }
    let mut pairs = Vec::new();
    for (idx, parameter) in root.list("parameter").enumerate() {
        let place = format!("Parameters.parameter[{idx}]");
        let wrong = |text: &str| Error::at(Kind::Value, place.clone(), text);
        let name = parameter.str("name").ok_or_else(|| wrong("the parameter has no name"))?;
        let value = parameter.members().find(|(name, _)| name.starts_with("value"));
        let (_, value) = value.ok_or_else(|| wrong("the parameter has no value"))?;
        let text = match value.kind() {
            JsonKind::String => value.as_str().map(|text| text.into_owned()),
            JsonKind::Number | JsonKind::Bool => Some(value.raw().to_owned()),
            _ => None,
        };
        let text = text.ok_or_else(|| wrong("the value is not a primitive one"))?;
        pairs.push((name.into_owned(), text));
    }
    Ok(pairs)
}

/// Errors: `Invalid` for what is not an id of FHIR.
pub(crate) fn checked_id(id: &str) -> Result<String> {
    if is_id(id) {
        return Ok(id.to_owned());
    }
    Err(Error::new(Kind::Invalid, "an id is 1 to 64 letters, digits, '-' and '.'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_in_order() {
        let pairs = parse_query("name=a+b&x%3Aexact=%C3%A9%7C1&&flag");
        let want = [("name", "a b"), ("x:exact", "é|1"), ("flag", "")];
        assert_eq!(pairs, want.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(parse_query("a=%zz%2")[0].1, "%zz%2");
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        let text = "a b|c,d&é=%+";
        let mut out = String::new();
        percent_encode(text, &mut out);
        assert_eq!(percent_decode(&out), text);
    }

    #[test]
    fn etags_are_weak_or_strong_and_positive() {
        assert_eq!(parse_etag("W/\"3\"").ok(), Some(3));
        assert_eq!(parse_etag("\"12\"").ok(), Some(12));
        for text in
            ["3", "W/3", "W/\"\"", "W/\"0\"", "W/\"01\"", "W/\"x\"", "*", "\"", "W/\"99999999999\""]
        {
            assert!(parse_etag(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for (method, url, kind) in [
            ("GET", "Nonsense/1", Kind::NotFound),
            ("GET", "Patient/1/2/3/4/5", Kind::NotFound),
            ("GET", "Patient/a_b", Kind::Invalid),
            ("PUT", "Patient/1/_history/1", Kind::Method),
            ("GET", "Patient/1/_history/x", Kind::NotFound),
            ("GET", "Observation/1/Patient", Kind::NotFound),
            ("TRACE", "Patient", Kind::Method),
            ("GET", "Patient/1?name=x", Kind::NotSupported),
            ("POST", "Patient", Kind::Structure),
        ] {
            let found = route(method, url, &Headers::default(), Payload::None);
            assert_eq!(found.map(|_| ()).map_err(|e| e.kind), Err(kind), "{method} {url}");
        }
    }
}
