//! From a received resource to the text that is stored.
//!
//! One walk over the resource writes compact JSON with `resourceType`, `id` and `meta` first and
//! all other members in their order, turns links into local references, and gathers them.
//! Source: FHIR R4 http.html#create, #update, #trules; bundle.html#references; references.html.
//!
//! - `meta.versionId` and `meta.lastUpdated` of the client are dropped: the store writes them.
//! - `Reference.reference` under our own base becomes relative, so that data can move.
//! - Links equal to the `fullUrl` of another entry become `Type/id`: in references, in elements of
//!   type uri, url, canonical, oid and uuid, and in `href` and `src` of narratives.
//! - Conditional references (`Practitioner?identifier=…`) become what they select.
//!   Deviation: R4 has them in transactions only; here they work wherever a resource is written,
//!   because batches that others publish contain them
//!   (cases/create/conditional-reference.md).
//! - References inside the entries of a stored Bundle, and inside Parameters, stay as they are:
//!   they are resolved within that resource.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use access::label;
use fhir::issue::{Issue, IssueType};
use fhir::json::{Kind as JsonKind, Node, write_string};
use fhir::reference::Reference;
use fhir_tables::{ResourceType, TypeId, TypeKind};

use crate::error::{Error, Kind, Result};

/// A resource that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub rt: ResourceType,
    pub id: String,
    /// FHIRPath of the first element that refers to it.
    pub expression: String,
}

/// Finds what a conditional reference selects: element (FHIRPath), type, query → type and id.
pub type Selector<'a> = dyn FnMut(&str, ResourceType, &str) -> Result<(ResourceType, String)> + 'a;

/// What links turn into. Empty outside transactions but for our base and conditional references.
pub struct Links<'a> {
    /// Base URL of this server, without a slash at the end.
    pub base_url: &'a str,
    /// `fullUrl` of an entry → type and id of the resource that it stands for.
    pub full_urls: &'a HashMap<String, (ResourceType, String)>,
    /// Finds the one resource that a conditional reference selects.
    pub select: &'a mut Selector<'a>,
}

/// A resource ready to be stored.
#[derive(Debug)]
pub struct Prepared {
    /// Compact JSON without `meta.versionId` and `meta.lastUpdated`.
    pub text: String,
    /// Where the store puts the two in.
    pub meta_at: usize,
    /// Local references, each target once.
    pub links: Vec<Link>,
    /// Type, id and meta stood first and no link was changed: what was received says the same as
    /// `text`, in the same order, but for id, version and time.
    pub is_as_received: bool,
}

/// Types that decide what a string means.
struct Known {
    reference: TypeId,
    links: [TypeId; 5],
    xhtml: TypeId,
    resource: TypeId,
    bundle: TypeId,
    parameters: TypeId,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let ty = |name| TypeId::by_name(name).expect("a type of R4");
        Known {
            reference: ty("Reference"),
            links: ["uri", "url", "canonical", "oid", "uuid"].map(ty),
            xhtml: ty("xhtml"),
            resource: ty("Resource"),
            bundle: ty("Bundle"),
            parameters: ty("Parameters"),
        }
    })
}

/// The type that a resource says it is.
///
/// Errors: `Structure` when it says nothing or something that R4 does not know.
pub fn resource_type_of(node: Node<'_>) -> Result<ResourceType> {
    if node.kind() != JsonKind::Object {
        return Err(Error::new(Kind::Structure, "a resource is a JSON object"));
    }
    let Some(name) = node.str("resourceType") else {
        return Err(Error::new(Kind::Structure, "the resource has no resourceType"));
    };
    ResourceType::from_name(&name).ok_or_else(|| {
        let text = format!("resourceType '{}' is not a resource type of R4", clipped(&name));
        Error::new(Kind::Structure, text)
    })
}

/// Checks structure, cardinality, primitives and required codes.
///
/// Errors: `Structure` with every finding; `Invalid` when the type is not `rt`.
pub fn check(rt: ResourceType, node: Node<'_>) -> Result<()> {
    let found = resource_type_of(node)?;
    if found != rt {
        let text = format!("the resource is of type {found}; {rt} is expected");
        return Err(Error::at(Kind::Invalid, found.name(), text));
    }
    let issues = fhir::check::check_resource(node);
    if issues.iter().any(Issue::is_error) {
        return Err(Error::with_issues(Kind::Structure, issues));
    }
    Ok(())
}

/// Refuses a part of a resource: stored in place of the whole, it would lose the rest.
///
/// Source: FHIR R4 search.html#summary, v3-ObservationValue SUBSETTED.
/// Errors: `BusinessRule`.
pub fn check_whole(rt: ResourceType, node: Node<'_>) -> Result<()> {
    let Some(meta) = node.get("meta") else { return Ok(()) };
    let is_part = meta.list("tag").any(|tag| {
        tag.str("code").as_deref() == Some("SUBSETTED")
            && tag.str("system").as_deref() == Some(crate::view::SUBSETTED_SYSTEM)
    });
    if !is_part {
        return Ok(());
    }
    let text = "the resource is tagged SUBSETTED: it is a part; read it whole before changing it";
    Err(Error::at(Kind::BusinessRule, format!("{rt}.meta.tag"), text))
}

/// Makes the text to store for `node`, a checked resource of type `rt`, as `rt/id`.
///
/// `full_url` is that of the entry, against which relative references are resolved first.
/// `labels` are added to `meta.security` where they are not there yet.
/// Errors: `Value` for references that cannot be understood, `Invariant` for `#x` without a
/// contained resource, and what selecting a conditional reference gives.
pub fn prepare(
    rt: ResourceType,
    id: &str,
    node: Node<'_>,
    full_url: Option<&str>,
    labels: &[&'static str],
    links: &mut Links<'_>,
) -> Result<Prepared> {
    let contained = node.list("contained").filter_map(|c| c.str("id").map(Into::into)).collect();
    let entry_base = full_url.and_then(|url| match Reference::parse(url) {
        Reference::Absolute { base, .. } => Some(base),
        _ => None,
    });
    let mut writer = Writer {
        out: String::with_capacity(node.raw().len() + 64),
        path: vec![(rt.name(), None)],
        found: Vec::new(),
        seen: HashSet::new(),
        contained,
        entry_base,
        links,
        changed: false,
    };
    let meta_at = writer.root(rt, id, node, labels)?;
    let place = |name: &str| ["resourceType", "id", "meta"].iter().position(|n| *n == name);
    let in_order = node.members().is_sorted_by_key(|(name, _)| place(name).unwrap_or(3));
    let is_as_received = in_order && !writer.changed;
    Ok(Prepared { text: writer.out, meta_at, links: writer.found, is_as_received })
}

struct Writer<'w, 'l, 'n> {
    out: String,
    path: Vec<(&'n str, Option<usize>)>,
    found: Vec<Link>,
    /// Targets of `found`, once they are many.
    seen: HashSet<(ResourceType, String)>,
    contained: Vec<String>,
    entry_base: Option<&'w str>,
    links: &'w mut Links<'l>,
    /// A link was written other than it was received.
    changed: bool,
}

/// Labels that `meta.security` does not have; with one of them, also that it is restricted.
fn missing_labels<'l>(node: Node<'_>, labels: &[&'l str]) -> Vec<(&'static str, &'l str)> {
    if labels.is_empty() {
        return Vec::new();
    }
    let has = |system: &str, codes: &[&str]| {
        let security = node.get("meta").into_iter().flat_map(|meta| meta.list("security"));
        security.into_iter().any(|coding| {
            coding.str("system").as_deref() == Some(system)
                && coding.str("code").is_some_and(|code| codes.contains(&code.as_ref()))
        })
    };
    let sensitive = labels.iter().map(|label| (label::SENSITIVITY, *label));
    let mut missing: Vec<_> = sensitive.filter(|(system, code)| !has(system, &[*code])).collect();
    // Very restricted is more than that.
    if !has(label::CONFIDENTIALITY, &[label::RESTRICTED, "V"]) {
        missing.push((label::CONFIDENTIALITY, label::RESTRICTED));
    }
    missing
}

impl<'n> Writer<'_, '_, 'n> {
    /// `meta.security`: what was received, then what is missing.
    fn security(&mut self, node: Node<'n>, missing: &[(&str, &str)]) {
        self.out.push_str(",\"security\":[");
        let received = node.get("meta").into_iter().flat_map(|meta| meta.list("security"));
        for coding in received {
            // A coding holds no reference.
            coding.write_compact(&mut self.out);
            self.out.push(',');
        }
        for (idx, (system, code)) in missing.iter().enumerate() {
            if idx > 0 {
                self.out.push(',');
            }
            self.out.push_str("{\"system\":\"");
            self.out.push_str(system);
            self.out.push_str("\",\"code\":\"");
            self.out.push_str(code);
            self.out.push_str("\"}");
        }
        self.out.push(']');
    }

    fn root(
        &mut self,
        rt: ResourceType,
        id: &str,
        node: Node<'n>,
        labels: &[&str],
    ) -> Result<usize> {
        self.out.push_str(r#"{"resourceType":""#);
        self.out.push_str(rt.name());
        self.out.push_str(r#"","id":""#);
        self.out.push_str(id);
        self.out.push_str(r#"","meta":{"#);
        let meta_at = self.out.len();
        let missing = missing_labels(node, labels);
        let dropped = ["versionId", "lastUpdated", "_versionId", "_lastUpdated"];
        if let Some(meta) = node.get("meta") {
            let ty = rt.type_id().element("meta").map(|(_, type_ref)| type_ref.ty);
            for (name, value) in meta.members().filter(|(name, _)| !dropped.contains(name)) {
                if name == "security" && !missing.is_empty() {
                    continue;
                }
                self.out.push(',');
                self.member(ty, name, value)?;
            }
        }
        if !missing.is_empty() {
            self.changed = true;
            self.security(node, &missing);
        }
        self.out.push('}');
        let ty = Some(rt.type_id());
        for (name, value) in node.members() {
            if !matches!(name, "resourceType" | "id" | "meta") {
                self.out.push(',');
                self.member(ty, name, value)?;
            }
        }
        self.out.push('}');
        Ok(meta_at)
    }

    /// `"name":value` of an object of type `ty`.
    fn member(&mut self, ty: Option<TypeId>, name: &'n str, value: Node<'n>) -> Result<()> {
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.path.push((name, None));
        match value.kind() {
            JsonKind::Object => self.object(element_type(ty, name), value)?,
            JsonKind::Array => {
                let item_ty = element_type(ty, name);
                self.out.push('[');
                for (i, item) in value.items().enumerate() {
                    if i > 0 {
                        self.out.push(',');
                    }
                    if let Some(last) = self.path.last_mut() {
                        last.1 = Some(i);
                    }
                    match item.kind() {
                        JsonKind::Object => self.object(item_ty, item)?,
                        JsonKind::String => self.string(ty, name, item)?,
                        _ => item.write_compact(&mut self.out),
                    }
                }
                self.out.push(']');
            }
            JsonKind::String => self.string(ty, name, value)?,
            _ => self.out.push_str(value.raw()),
        }
        self.path.pop();
        Ok(())
    }

    fn object(&mut self, ty: Option<TypeId>, node: Node<'n>) -> Result<()> {
        let known = known();
        let ty = match ty {
            Some(ty) if ty == known.resource || ty.kind() == TypeKind::Abstract => {
                let inner = node.str("resourceType").and_then(|name| TypeId::by_name(&name));
                if self.is_closed_world() {
                    node.write_compact(&mut self.out);
                    return Ok(());
                }
                inner
            }
            other => other,
        };
        self.out.push('{');
        for (i, (name, value)) in node.members().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.member(ty, name, value)?;
        }
        self.out.push('}');
        Ok(())
    }

    /// Inside a Bundle or Parameters that is stored as a resource.
    fn is_closed_world(&self) -> bool {
        let root = self.path.first().map_or("", |segment| segment.0);
        let known = known();
        root == known.bundle.name() || root == known.parameters.name()
    }

    fn string(&mut self, ty: Option<TypeId>, name: &str, value: Node<'n>) -> Result<()> {
        let known = known();
        if name == "reference" && ty == Some(known.reference) {
            return self.reference(value);
        }
        let raw = value.raw();
        if !self.links.full_urls.is_empty() {
            let maybe_link = raw.starts_with("\"urn:") || raw.starts_with("\"http");
            let maybe_narrative = name == "div" && (raw.contains("href=") || raw.contains("src="));
            if maybe_link || maybe_narrative {
                let element_ty = element_type(ty, name);
                if maybe_narrative && element_ty == Some(known.xhtml) {
                    return self.narrative(value);
                }
                if element_ty.is_some_and(|ty| known.links.contains(&ty))
                    && let Some(text) = self.linked(value)
                {
                    self.changed = true;
                    write_string(&text, &mut self.out);
                    return Ok(());
                }
            }
        }
        self.out.push_str(raw);
        Ok(())
    }

    /// The local text for an element that equals a `fullUrl`; a canonical keeps its `|version`.
    fn linked(&self, value: Node<'_>) -> Option<String> {
        let text = value.as_str()?;
        if let Some((rt, id)) = self.links.full_urls.get(text.as_ref()) {
            return Some(format!("{rt}/{id}"));
        }
        let (url, version) = text.split_once('|')?;
        let (rt, id) = self.links.full_urls.get(url)?;
        Some(format!("{rt}/{id}|{version}"))
    }

    fn narrative(&mut self, value: Node<'_>) -> Result<()> {
        let text = value.as_str().unwrap_or_default();
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_ref();
        while let Some(at) = [rest.find("href="), rest.find("src=")].into_iter().flatten().min() {
            let start = at + rest[at..].find('=').map_or(0, |i| i + 2);
            let quote = rest[..start.min(rest.len())].chars().next_back();
            let end = quote
                .filter(|q| matches!(q, '"' | '\'') && rest.is_char_boundary(start))
                .and_then(|q| rest[start..].find(q));
            let Some(len) = end else {
                let next = rest[at..].find('=').map_or(rest.len(), |i| at + i + 1);
                out.push_str(&rest[..next]);
                rest = &rest[next..];
                continue;
            };
            let url = &rest[start..start + len];
            out.push_str(&rest[..start]);
            match self.links.full_urls.get(url) {
                Some((rt, id)) => {
                    out.push_str(rt.name());
                    out.push('/');
                    out.push_str(id);
                }
                None => out.push_str(url),
            }
            rest = &rest[start + len..];
        }
        out.push_str(rest);
        self.changed |= out != text;
        write_string(&out, &mut self.out);
        Ok(())
    }

    fn reference(&mut self, value: Node<'_>) -> Result<()> {
        let text = value.as_str().unwrap_or_default();
        let full_urls = self.links.full_urls;
        if !full_urls.is_empty()
            && let Some((rt, id)) = full_urls.get(text.as_ref())
        {
            self.local(*rt, id, None, value);
            return Ok(());
        }
        match Reference::parse(&text) {
            Reference::Contained(id) => {
                if !id.is_empty() && !self.contained.iter().any(|known| known == id) {
                    let text = format!("#{} names no contained resource", clipped(id));
                    return Err(Error::at(Kind::Invariant, self.expression(), text));
                }
                self.out.push_str(value.raw());
            }
            Reference::Conditional { ty, query } => {
                let rt = self.type_named(ty)?;
                let expression = self.expression();
                let (rt, id) = (self.links.select)(&expression, rt, query)?;
                self.local(rt, &id, None, value);
            }
            Reference::Relative { ty, id, version } => {
                if let Some(base) = self.entry_base
                    && !full_urls.is_empty()
                    && let Some((rt, id)) = full_urls.get(&format!("{base}/{ty}/{id}"))
                {
                    self.local(*rt, id, None, value);
                    return Ok(());
                }
                let rt = self.type_named(ty)?;
                self.local(rt, id, version, value);
            }
            Reference::Absolute { base, ty, id, version } if base == self.links.base_url => {
                let rt = self.type_named(ty)?;
                self.local(rt, id, version, value);
            }
            _ => self.out.push_str(value.raw()),
        }
        Ok(())
    }

    /// Writes `Type/id[/_history/version]` in place of `received` and remembers the target.
    fn local(&mut self, rt: ResourceType, id: &str, version: Option<&str>, received: Node<'_>) {
        let start = self.out.len();
        self.out.push('"');
        self.out.push_str(rt.name());
        self.out.push('/');
        self.out.push_str(id);
        if let Some(version) = version {
            self.out.push_str("/_history/");
            self.out.push_str(version);
        }
        self.out.push('"');
        self.changed |= self.out[start..] != *received.raw();
        if self.is_new_target(rt, id) {
            let expression = self.expression();
            self.found.push(Link { rt, id: id.to_owned(), expression });
        }
    }

    /// Most resources refer to a handful of others; a Provenance may refer to thousands.
    fn is_new_target(&mut self, rt: ResourceType, id: &str) -> bool {
        const FEW: usize = 16;
        if self.found.len() < FEW {
            return !self.found.iter().any(|link| link.rt == rt && link.id == id);
        }
        if self.seen.is_empty() {
            self.seen = self.found.iter().map(|link| (link.rt, link.id.clone())).collect();
        }
        self.seen.insert((rt, id.to_owned()))
    }

    fn type_named(&self, ty: &str) -> Result<ResourceType> {
        ResourceType::from_name(ty).ok_or_else(|| {
            let text = format!("{} is not a resource type of R4", clipped(ty));
            Error::at(Kind::Value, self.expression(), text)
        })
    }

    fn expression(&self) -> String {
        use std::fmt::Write;
        let mut out = String::with_capacity(48);
        for (i, (name, idx)) in self.path.iter().enumerate() {
            if i > 0 {
                out.push('.');
            }
            out.push_str(name);
            if let Some(idx) = idx {
                write!(out, "[{idx}]").expect("writing to a String does not fail");
            }
        }
        out
    }
}

fn element_type(ty: Option<TypeId>, name: &str) -> Option<TypeId> {
    ty?.element(name).map(|(_, type_ref)| type_ref.ty)
}

/// The first characters of a client's text, for a message.
pub(crate) fn clipped(text: &str) -> &str {
    const MAX: usize = 80;
    text.char_indices().nth(MAX).map_or(text, |(at, _)| &text[..at])
}

/// The text as it will be served: version and time put in at `meta_at`.
pub fn served(text: &str, meta_at: usize, vid: u32, last_updated_ms: i64) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str(&text[..meta_at]);
    out.push_str(r#""versionId":""#);
    out.push_str(&vid.to_string());
    out.push_str(r#"","lastUpdated":""#);
    out.push_str(&fhir::date::format_instant(last_updated_ms));
    out.push('"');
    out.push_str(&text[meta_at..]);
    out
}

/// A remark on a reference that leads nowhere.
pub(crate) fn dangling(link: &Link) -> Issue {
    let text = format!("{}/{} is referred to but is not here", link.rt, link.id);
    crate::error::warning(IssueType::NotFound, link.expression.clone(), text)
}

#[cfg(test)]
mod tests;
