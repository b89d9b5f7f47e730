//! The arena: a flat list of values in document order over one text.

use std::borrow::Cow;
use std::ops::Range;

use super::parse::{self, ParseError};
use super::write;

/// Kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// One value in the arena. Spans are byte offsets into the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub start: u32,
    pub end: u32,
    /// Name of the member this value belongs to; 0 for array items and the root.
    pub key_start: u32,
    pub key_len: u16,
    pub kind: Kind,
    /// For strings: the text holds an escape.
    pub escaped: bool,
    /// Index of the next value after this one and all it contains.
    pub after: u32,
    /// Number of members or items.
    pub len: u32,
}

/// A parsed JSON text. Owns the text; every [`Node`] borrows from it.
#[derive(Clone, Debug)]
pub struct Doc {
    pub(super) text: String,
    /// Length of the received text; decoded names that had escapes follow it.
    pub(super) text_len: usize,
    pub(super) slots: Vec<Slot>,
}

impl Doc {
    /// Parses one JSON text.
    ///
    /// Errors: the first offence with its place; see [`super::ParseErrorKind`].
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Doc, ParseError> {
        parse::parse(bytes.into())
    }

    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node { doc: self, idx: 0 }
    }

    /// The text as received.
    pub fn text(&self) -> &str {
        &self.text[..self.text_len]
    }

    /// Number of values in the document.
    pub fn n_values(&self) -> usize {
        self.slots.len()
    }
}

/// A value inside a [`Doc`]. Copy it freely.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    doc: &'a Doc,
    idx: u32,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.raw())
    }
}

impl PartialEq for Node<'_> {
    /// Same place in the same document; not equality of values.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.doc, other.doc) && self.idx == other.idx
    }
}

impl<'a> Node<'a> {
    #[inline]
    fn slot(self) -> &'a Slot {
        &self.doc.slots[self.idx as usize]
    }

    #[inline]
    pub fn kind(self) -> Kind {
        self.slot().kind
    }

    /// Place in document order; unique within the document.
    #[inline]
    pub fn index(self) -> usize {
        self.idx as usize
    }

    /// The source text of this value, as received.
    #[inline]
    pub fn raw(self) -> &'a str {
        let s = self.slot();
        &self.doc.text[s.start as usize..s.end as usize]
    }

    /// Byte offsets of this value in the text.
    pub fn span(self) -> Range<usize> {
        let s = self.slot();
        s.start as usize..s.end as usize
    }

    /// Name of the member that holds this value; `None` for the root and array items.
    #[inline]
    pub fn key(self) -> Option<&'a str> {
        let s = self.slot();
        (s.key_start != 0).then(|| &self.doc.text[s.key_start as usize..][..usize::from(s.key_len)])
    }

    /// Number of members or items; 0 for primitives.
    #[inline]
    pub fn len(self) -> usize {
        self.slot().len as usize
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self.slot().len == 0
    }

    /// Member `name` of an object.
    #[inline]
    pub fn get(self, name: &str) -> Option<Node<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let slots = &self.doc.slots;
        let text = self.doc.text.as_bytes();
        let end = self.slot().after;
        let mut i = self.idx + 1;
        while i < end {
            let s = &slots[i as usize];
            if usize::from(s.key_len) == name.len()
                && &text[s.key_start as usize..s.key_start as usize + name.len()] == name.as_bytes()
            {
                return Some(Node { doc: self.doc, idx: i });
            }
            i = s.after;
        }
        None
    }

    /// Members of an object in order; nothing for other kinds.
    pub fn members(self) -> Members<'a> {
        Members(self.children(Kind::Object))
    }

    /// Items of an array in order; nothing for other kinds.
    pub fn items(self) -> Items<'a> {
        self.children(Kind::Array)
    }

    /// The items of an array, or the value itself when it is not an array.
    pub fn items_or_self(self) -> Items<'a> {
        if self.kind() == Kind::Array {
            self.items()
        } else {
            Items { doc: self.doc, next: self.idx, end: self.idx + 1 }
        }
    }

    fn children(self, kind: Kind) -> Items<'a> {
        let s = self.slot();
        let end = if s.kind == kind { s.after } else { self.idx + 1 };
        Items { doc: self.doc, next: self.idx + 1, end }
    }

    /// Item `idx` of an array.
    pub fn item(self, idx: usize) -> Option<Node<'a>> {
        self.items().nth(idx)
    }

    /// Content of a string, escapes decoded.
    #[inline]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let s = self.slot();
        if s.kind != Kind::String {
            return None;
        }
        let inner = &self.doc.text[s.start as usize + 1..s.end as usize - 1];
        Some(if s.escaped { Cow::Owned(parse::unescape(inner)) } else { Cow::Borrowed(inner) })
    }

    /// Content of a string that needs no decoding; `None` for others.
    #[inline]
    pub fn as_plain_str(self) -> Option<&'a str> {
        let s = self.slot();
        (s.kind == Kind::String && !s.escaped)
            .then(|| &self.doc.text[s.start as usize + 1..s.end as usize - 1])
    }

    #[inline]
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == "true")
    }

    /// Text of a number.
    #[inline]
    pub fn as_number(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| self.raw())
    }

    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Member `name` as decoded string: the usual way to read a code, id or reference.
    #[inline]
    pub fn str(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.as_str()
    }

    /// Items of the array member `name`, or the member itself when it is no array.
    pub fn list(self, name: &str) -> Items<'a> {
        match self.get(name) {
            Some(node) => node.items_or_self(),
            None => Items { doc: self.doc, next: 0, end: 0 },
        }
    }

    /// Appends this value without insignificant white space.
    pub fn write_compact(self, out: &mut String) {
        write::compact(self, out);
    }

    /// This value without insignificant white space.
    pub fn to_compact(self) -> String {
        let mut out = String::with_capacity(self.raw().len());
        self.write_compact(&mut out);
        out
    }

    /// Appends this value indented by two spaces a level.
    pub fn write_pretty(self, out: &mut String) {
        write::pretty(self, 0, out);
    }

    /// True when both stand for the same JSON value: member order is free, numbers are compared
    /// by their text (FHIR decimals carry their precision).
    pub fn same_value(self, other: Node<'_>) -> bool {
        if self.kind() != other.kind() || self.len() != other.len() {
            return false;
        }
        match self.kind() {
            Kind::Null => true,
            Kind::Bool | Kind::Number => self.raw() == other.raw(),
            Kind::String => self.as_str() == other.as_str(),
            Kind::Array => self.items().zip(other.items()).all(|(a, b)| a.same_value(b)),
            Kind::Object => {
                self.members().all(|(name, a)| other.get(name).is_some_and(|b| a.same_value(b)))
            }
        }
    }
}

/// Values side by side, in order.
#[derive(Clone)]
pub struct Items<'a> {
    doc: &'a Doc,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        if self.next >= self.end {
            return None;
        }
        let node = Node { doc: self.doc, idx: self.next };
        self.next = node.slot().after;
        Some(node)
    }
}

/// Members of an object, in order.
#[derive(Clone)]
pub struct Members<'a>(Items<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let node = self.0.next()?;
        Some((node.key().unwrap_or_default(), node))
    }
}
