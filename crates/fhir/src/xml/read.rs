//! XML to JSON, one event at a time beside the tables.

use std::borrow::Cow;

use fhir_tables::{ElementDef, ResourceType, TypeId, TypeKind};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::members::Members;
use super::xhtml::{attributes_are_sound, is_known_reference, is_xml_char};
use super::{ATTRIBUTES_MAX, DEPTH_MAX, NAMESPACE, XHTML_NAMESPACE};
use crate::check::{At, ISSUES_MAX, quoted, suggest};
use crate::issue::{Issue, IssueType};
use crate::json::{Doc, Value};

const XSI_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

pub(super) fn read(xml: &[u8]) -> Result<String, Vec<Issue>> {
    let xml = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
    let text = match std::str::from_utf8(xml) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&xml[..error.valid_up_to()]);
            return Err(vec![malformed(&before, "the text is not valid UTF-8")]);
        }
    };
    if let Some((at, _)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        return Err(vec![malformed(&text[..at], "a character that XML does not allow")]);
    }
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    let mut read = Read { text, reader, issues: vec![], depth: 0, event_start: 0 };
    let value = read.document();
    match value {
        Ok(value) if read.issues.is_empty() => {
            if value.depth() > crate::json::DEPTH_MAX {
                let limit = crate::json::DEPTH_MAX;
                return Err(vec![malformed("", &format!("as JSON it nests deeper than {limit}"))]);
            }
            Ok(value.to_json())
        }
        _ => Err(read.issues),
    }
}

/// An issue at the place where `before` ends.
fn malformed(before: &str, text: &str) -> Issue {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Issue::error(IssueType::Structure, "", format!("{text} (line {line}, column {column})"))
}

/// Reading cannot go on; the issue has been noted.
struct Stop;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Namespace {
    Fhir,
    Xhtml,
    Other,
}

/// Attributes that FHIR knows.
#[derive(Default)]
struct Attributes<'x> {
    id: Option<Cow<'x, str>>,
    url: Option<Cow<'x, str>>,
    value: Option<Cow<'x, str>>,
}

struct Read<'x> {
    text: &'x str,
    reader: NsReader<&'x [u8]>,
    issues: Vec<Issue>,
    depth: usize,
    /// Where the last event starts in the text.
    event_start: usize,
}

impl<'x> Read<'x> {
    /// The root element and nothing after it.
    fn document(&mut self) -> Result<Value, Stop> {
        let value = loop {
            match self.event()? {
                (namespace, Event::Start(start)) => {
                    let name = start.local_name().into_inner().to_owned();
                    break self.resource(namespace, &start, &At::root(&name))?;
                }
                (_, Event::Eof) => return Err(self.malformed("the text holds no element")),
                _ => {}
            }
        };
        loop {
            match self.event()? {
                (_, Event::Eof) => return Ok(value),
                (_, Event::Start(_)) => {
                    return Err(self.malformed("only one element may stand outermost"));
                }
                _ => {}
            }
        }
    }

    /// The next start, end or other event that matters; text but white space is an error.
    fn event(&mut self) -> Result<(Namespace, Event<'x>), Stop> {
        loop {
            let (namespace, event) = self.any_event()?;
            match event {
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    let text = "text stands only in narrative: write it as attribute value";
                    return Err(self.malformed(text));
                }
                Event::Comment(_) | Event::PI(_) => {}
                event => return Ok((namespace, event)),
            }
        }
    }

    /// The next event as it is.
    fn any_event(&mut self) -> Result<(Namespace, Event<'x>), Stop> {
        self.event_start = self.reader.buffer_position() as usize;
        match self.reader.read_resolved_event() {
            Ok((_, Event::DocType(_))) => {
                Err(self.malformed("a document type declaration is not allowed"))
            }
            Ok((_, Event::Decl(declaration))) => {
                let other = declaration.encoding().is_some_and(|encoding| {
                    !encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("utf-8"))
                });
                if other || self.event_start != 0 {
                    let text = "an XML declaration stands first and its encoding is UTF-8";
                    return Err(self.malformed(text));
                }
                Ok((Namespace::Other, Event::Comment(quick_xml::events::BytesText::new(""))))
            }
            Ok((resolved, event)) => {
                let namespace = match resolved {
                    ResolveResult::Bound(namespace) if namespace.0 == NAMESPACE => Namespace::Fhir,
                    ResolveResult::Bound(namespace) if namespace.0 == XHTML_NAMESPACE => {
                        Namespace::Xhtml
                    }
                    _ => Namespace::Other,
                };
                if matches!(event, Event::Eof) && self.depth > 0 {
                    return Err(self.malformed("the text ends inside an element"));
                }
                Ok((namespace, event))
            }
            Err(error) => {
                let at = self.reader.error_position() as usize;
                self.event_start = at;
                Err(self.malformed(&format!("not well-formed XML: {error}")))
            }
        }
    }

    /// Notes that the text is not XML that Vitae takes, at the last event.
    #[cold]
    fn malformed(&mut self, text: &str) -> Stop {
        let before = self.text.get(..self.event_start).unwrap_or(self.text);
        self.issues.push(malformed(before, text));
        Stop
    }

    #[cold]
    fn issue(&mut self, at: &At<'_>, text: String) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(IssueType::Structure, at.expression(), text));
        }
    }

    fn enter(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.malformed(&format!("elements nest deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    /// Skips the rest of the element that was just entered.
    fn skip(&mut self) -> Result<(), Stop> {
        let mut n_open = 1usize;
        while n_open > 0 {
            match self.any_event()?.1 {
                Event::Start(_) => {
                    self.enter()?;
                    n_open += 1;
                }
                Event::End(_) => {
                    self.depth -= 1;
                    n_open -= 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A resource element whose start tag was just read.
    fn resource(
        &mut self,
        namespace: Namespace,
        start: &BytesStart<'x>,
        at: &At<'_>,
    ) -> Result<Value, Stop> {
        self.enter()?;
        let name = start.local_name().into_inner();
        let known = ResourceType::from_name(name);
        let Some(resource_type) = known.filter(|_| namespace == Namespace::Fhir) else {
            let text = match known {
                Some(_) => format!("the namespace of {name} must be {NAMESPACE}"),
                None => format!("{} is not a resource type of R4", quoted(name)),
            };
            self.issue(at, text);
            self.skip()?;
            return Ok(Value::Null);
        };
        self.attributes(start, &[], at)?;
        let mut members = Members::default();
        members.single("resourceType", Value::from(name));
        self.children(resource_type.type_id(), &mut members, at)?;
        Ok(members.finish())
    }

    /// The attributes of an element; those that do not belong there are noted.
    fn attributes(
        &mut self,
        start: &BytesStart<'x>,
        known: &[&str],
        at: &At<'_>,
    ) -> Result<Attributes<'x>, Stop> {
        let mut attributes = Attributes::default();
        for (n, attribute) in start.attributes().enumerate() {
            if n >= ATTRIBUTES_MAX {
                let text = format!("an element has more than {ATTRIBUTES_MAX} attributes");
                return Err(self.malformed(&text));
            }
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return Err(self.malformed(&format!("a wrong attribute: {error}"))),
            };
            let name = attribute.key.0;
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            if !known.contains(&name) {
                self.unknown_attribute(&attribute.key, at);
                continue;
            }
            let value = match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) if value.chars().all(is_xml_char) && !attribute.value.contains('<') => {
                    value.into_owned()
                }
                Ok(_) => return Err(self.malformed("an attribute holds what XML does not allow")),
                Err(error) => return Err(self.malformed(&format!("a wrong attribute: {error}"))),
            };
            let slot = match name {
                "id" => &mut attributes.id,
                "url" => &mut attributes.url,
                _ => &mut attributes.value,
            };
            *slot = Some(Cow::Owned(value));
        }
        Ok(attributes)
    }

    /// Attributes of XML Schema (`xsi:schemaLocation`) are allowed and mean nothing.
    fn unknown_attribute(&mut self, name: &quick_xml::name::QName<'_>, at: &At<'_>) {
        let (resolved, _) = self.reader.resolver().resolve_attribute(*name);
        let is_schema = match resolved {
            ResolveResult::Bound(namespace) => namespace.0 == XSI_NAMESPACE,
            _ => false,
        };
        if !is_schema {
            self.issue(at, format!("the attribute {} has no place here", quoted(name.0)));
        }
    }

    /// The child elements of an object up to its end tag.
    fn children(&mut self, ty: TypeId, members: &mut Members, at: &At<'_>) -> Result<(), Stop> {
        let mut last_idx = 0;
        loop {
            match self.event()? {
                (namespace, Event::Start(start)) => {
                    self.child(ty, namespace, &start, &mut last_idx, members, at)?;
                }
                (_, Event::End(_)) => {
                    self.depth -= 1;
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    fn child(
        &mut self,
        ty: TypeId,
        namespace: Namespace,
        start: &BytesStart<'x>,
        last_idx: &mut usize,
        members: &mut Members,
        at: &At<'_>,
    ) -> Result<(), Stop> {
        let name = start.local_name().into_inner();
        let def = ty.def();
        let found = ty.element_index(name).filter(|found| !def.elements[found.0].xml_attr);
        let Some((element_idx, type_idx)) = found else {
            return self.unknown_child(ty, name, at);
        };
        let element = &def.elements[element_idx];
        let child_ty = element.types[type_idx].ty;
        let here = at.child(element.name);
        let here = if element.is_array() { here.item(members.n_open(name)) } else { here };
        if element_idx < *last_idx {
            let before = def.elements[*last_idx].name;
            self.issue(&here, format!("wrong order: {name} stands before {before} in XML"));
        } else if !element.is_array() && members.is_last(name) {
            self.issue(&here, format!("{name} does not repeat"));
        }
        *last_idx = element_idx.max(*last_idx);
        let want = if child_ty == TypeId::XHTML { Namespace::Xhtml } else { Namespace::Fhir };
        if namespace != want {
            let uri = if want == Namespace::Fhir { NAMESPACE } else { XHTML_NAMESPACE };
            self.issue(&here, format!("the namespace of {name} must be {uri}"));
            self.enter()?;
            return self.skip();
        }
        self.value(element, child_ty, name, start, members, &here)
    }

    #[cold]
    fn unknown_child(&mut self, ty: TypeId, name: &str, at: &At<'_>) -> Result<(), Stop> {
        if self.issues.len() >= ISSUES_MAX {
            self.enter()?;
            return self.skip();
        }
        let mut text = format!("{} is not an element of {}", quoted(name), ty.name());
        if ty.element(name).is_some() {
            text.push_str(": it is an attribute in XML");
        } else if let Some(near) = suggest::nearest(ty, name) {
            text.push_str(&format!(": did you mean '{near}'?"));
        }
        let shown: String = name.chars().take(64).collect();
        self.issue(&at.child(&shown), text);
        self.enter()?;
        self.skip()
    }

    /// One value of an element, added to the members.
    fn value(
        &mut self,
        element: &ElementDef,
        ty: TypeId,
        name: &str,
        start: &BytesStart<'x>,
        members: &mut Members,
        at: &At<'_>,
    ) -> Result<(), Stop> {
        let repeats = element.is_array();
        match ty.kind() {
            TypeKind::Primitive if ty == TypeId::XHTML => {
                let div = self.div(start)?;
                members.add(name, repeats, Some(Value::from(div)), None);
            }
            TypeKind::Primitive => {
                let (value, sibling) = self.primitive(ty, start, at)?;
                members.add(name, repeats, value, sibling);
            }
            TypeKind::Abstract | TypeKind::Resource => {
                self.attributes(start, &[], at)?;
                let resource = self.inner_resource(at)?;
                members.add(name, repeats, Some(resource), None);
            }
            TypeKind::Complex | TypeKind::Backbone => {
                self.enter()?;
                let is_extension = ty == TypeId::EXTENSION;
                let known: &[&str] = if is_extension { &["id", "url"] } else { &["id"] };
                let attributes = self.attributes(start, known, at)?;
                let mut inner = Members::default();
                for (name, value) in [("id", attributes.id), ("url", attributes.url)] {
                    if let Some(value) = value {
                        inner.single(name, Value::String(value.into_owned()));
                    }
                }
                self.children(ty, &mut inner, at)?;
                members.add(name, repeats, Some(inner.finish()), None);
            }
        }
        Ok(())
    }

    /// The one resource inside `contained`, `resource` or `outcome`.
    fn inner_resource(&mut self, at: &At<'_>) -> Result<Value, Stop> {
        self.enter()?;
        let mut value = None;
        loop {
            match self.event()? {
                (namespace, Event::Start(start)) => {
                    if value.is_some() {
                        self.issue(at, "holds one resource only".to_owned());
                    }
                    value = Some(self.resource(namespace, &start, at)?);
                }
                (_, Event::End(_)) => {
                    self.depth -= 1;
                    if value.is_none() {
                        self.issue(at, "must hold a resource".to_owned());
                    }
                    return Ok(value.unwrap_or(Value::Null));
                }
                _ => {}
            }
        }
    }

    /// The value of a primitive and what stands beside it: id and extensions.
    fn primitive(
        &mut self,
        ty: TypeId,
        start: &BytesStart<'x>,
        at: &At<'_>,
    ) -> Result<(Option<Value>, Option<Value>), Stop> {
        self.enter()?;
        let attributes = self.attributes(start, &["id", "value"], at)?;
        let mut members = Members::default();
        if let Some(id) = attributes.id {
            members.single("id", Value::String(id.into_owned()));
        }
        self.children(ty, &mut members, at)?;
        let sibling = (!members.is_empty()).then(|| members.finish());
        let value = match attributes.value {
            Some(text) => self.json_value(ty, text.into_owned(), at),
            None => {
                if sibling.is_none() {
                    self.issue(at, "needs the attribute value, or an extension".to_owned());
                }
                None
            }
        };
        Ok((value, sibling))
    }

    /// The text of a primitive as JSON writes it.
    fn json_value(&mut self, ty: TypeId, text: String, at: &At<'_>) -> Option<Value> {
        match ty {
            TypeId::BOOLEAN => match text.as_str() {
                "true" => return Some(Value::Bool(true)),
                "false" => return Some(Value::Bool(false)),
                _ => self.issue(
                    at,
                    format!("boolean must be true or false; found {}", { quoted(&text) }),
                ),
            },
            TypeId::DECIMAL | TypeId::INTEGER | TypeId::POSITIVE_INT | TypeId::UNSIGNED_INT => {
                let plain = text.strip_prefix('+').filter(|_| ty != TypeId::DECIMAL);
                let plain = plain.unwrap_or(&text);
                let is_number =
                    Doc::parse(plain).is_ok_and(|doc| doc.root().as_number() == Some(plain));
                if is_number {
                    return Some(Value::Number(plain.to_owned()));
                }
                let name = ty.name();
                self.issue(at, format!("{name} must be a number; found {}", quoted(&text)));
            }
            _ => return Some(Value::String(text)),
        }
        None
    }

    /// Narrative, letter by letter, up to its end tag.
    fn div(&mut self, start: &BytesStart<'x>) -> Result<&'x str, Stop> {
        let from = self.event_start;
        self.enter()?;
        let mut n_open = 1usize;
        if !attributes_are_sound(start) {
            return Err(self.malformed("a wrong attribute in narrative"));
        }
        while n_open > 0 {
            match self.any_event()?.1 {
                Event::Start(start) => {
                    self.enter()?;
                    n_open += 1;
                    if !attributes_are_sound(&start) {
                        return Err(self.malformed("a wrong attribute in narrative"));
                    }
                }
                Event::End(_) => {
                    self.depth -= 1;
                    n_open -= 1;
                }
                Event::GeneralRef(reference) if !is_known_reference(&reference) => {
                    let text = "an entity that XML does not know: write the character itself";
                    return Err(self.malformed(text));
                }
                _ => {}
            }
        }
        let to = self.reader.buffer_position() as usize;
        Ok(self.text.get(from..to).unwrap_or_default())
    }
}
