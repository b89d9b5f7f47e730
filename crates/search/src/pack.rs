//! Compact bytes of the index values that a store keeps with a version.
//!
//! Left out are `TokenText`, `OfType`, R4's own composites, text and words: they are found in the
//! body again. A parameter that has nothing else keeps a mark, so that `:missing` is decided without the body;
//! it comes back as `TokenText("")`.
//!
//! Layout: for each value, ordered by parameter: varint of the distance to the parameter before,
//! one byte of kind (low half) and flags (high half), then the fields.
//! The id of a reference that stands before is the distance to it.
//! Texts are varint length and bytes; UUIDs in lower case are 16 bytes; systems and profiles are
//! interned by the caller.

use fhir_tables::ResourceType;
use stdx::varint;

use crate::custom::is_custom;
use crate::params;
use crate::value::{IndexValue, Indexed, NO_PARAM, ParamId};

/// The bytes are not what [`pack`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("packed index values cannot be read")
    }
}

impl std::error::Error for Corrupt {}

mod kind {
    pub const TOKEN: u8 = 0;
    pub const STRING: u8 = 1;
    pub const DATE: u8 = 2;
    pub const NUMBER: u8 = 3;
    pub const QUANTITY: u8 = 4;
    pub const REFERENCE: u8 = 5;
    pub const URL: u8 = 6;
    pub const IDENTIFIER: u8 = 7;
    pub const URI: u8 = 8;
    pub const PRESENT: u8 = 9;
    pub const POSITION: u8 = 10;
    pub const COMPOSITE: u8 = 11;
}

const F1: u8 = 0x10;
const F2: u8 = 0x20;
const F3: u8 = 0x40;
const F4: u8 = 0x80;

/// Whether [`pack`] keeps values of this kind. It keeps composites of a practice's own parameters
/// too.
pub fn is_kept(value: &IndexValue) -> bool {
    !matches!(
        value,
        IndexValue::TokenText(_)
            | IndexValue::OfType { .. }
            | IndexValue::Composite(_)
            | IndexValue::FullText(_)
            | IndexValue::Word { .. }
    )
}

fn keeps(indexed: &Indexed) -> bool {
    let is_composite = matches!(indexed.value, IndexValue::Composite(_));
    is_kept(&indexed.value) || (is_composite && is_custom(indexed.param))
}

/// Text and words leave no trace: they are not asked for by `:missing`.
fn is_text(value: &IndexValue) -> bool {
    matches!(value, IndexValue::FullText(_) | IndexValue::Word { .. })
}

/// Packs values; their order among one parameter stays, equal neighbours are written once.
///
/// `intern` gives a number for a system or profile URL, the same for the same text.
pub fn pack(values: &[Indexed], intern: &mut impl FnMut(&str) -> u32) -> Vec<u8> {
    let mut order: Vec<&Indexed> = values.iter().filter(|v| !is_text(&v.value)).collect();
    order.sort_by_key(|indexed| indexed.param);
    let mut out = Vec::with_capacity(order.len() * 12);
    // Ids that references hold, and where they stand: `patient` and `subject` are often one.
    let mut ids = Vec::new();
    let mut last = 0;
    for group in order.chunk_by(|a, b| a.param == b.param) {
        let param = group[0].param;
        let mut before: Option<&IndexValue> = None;
        for indexed in group.iter().filter(|indexed| keeps(indexed)) {
            if before == Some(&indexed.value) {
                continue;
            }
            before = Some(&indexed.value);
            varint::write(u64::from(param.0 - last), &mut out);
            last = param.0;
            write_value(param, &indexed.value, intern, &mut ids, &mut out);
        }
        if before.is_none() {
            varint::write(u64::from(param.0 - last), &mut out);
            last = param.0;
            out.push(kind::PRESENT);
        }
    }
    out
}

fn write_value<'v>(
    param: ParamId,
    value: &'v IndexValue,
    intern: &mut impl FnMut(&str) -> u32,
    ids: &mut Vec<(&'v str, usize)>,
    out: &mut Vec<u8>,
) {
    let at = out.len();
    out.push(0);
    let mut flags = 0;
    match value {
        IndexValue::Token { system, code } => {
            flags |= kind::TOKEN;
            if let Some(system) = system {
                flags |= F1;
                varint::write(u64::from(intern(system)), out);
            }
            if let Some(code) = code {
                flags |= F2 | write_id(code, F3, out);
            }
        }
        IndexValue::String(text) => {
            flags |= kind::STRING;
            write_text(text, out);
        }
        IndexValue::Date { lo, hi } => flags |= kind::DATE | write_date(*lo, *hi, out),
        IndexValue::Number(x) => flags |= kind::NUMBER | write_number(*x, out),
        IndexValue::Quantity { value, system, code, unit } => {
            flags |= kind::QUANTITY | write_number(*value, out);
            if let Some(system) = system {
                flags |= F2;
                varint::write(u64::from(intern(system)), out);
            }
            if let Some(code) = code {
                flags |= F3;
                write_text(code, out);
            }
            // The unit: 0 none, 1 same as the code, else its text.
            match unit {
                None => {}
                Some(unit) if Some(unit) == code.as_ref() => {
                    flags |= F4;
                    out.push(0);
                }
                Some(unit) => {
                    flags |= F4;
                    out.push(1);
                    write_text(unit, out);
                }
            }
        }
        IndexValue::Reference { ty, id } => {
            out.push(ty.0);
            flags |= kind::REFERENCE;
            match ids.iter().find(|(known, _)| known == id) {
                Some((_, at)) => {
                    flags |= F2 | if uuid_bytes(id).is_some() { F1 } else { 0 };
                    varint::write((out.len() - at) as u64, out);
                }
                None => {
                    ids.push((id, out.len()));
                    flags |= write_id(id, F1, out);
                }
            }
        }
        IndexValue::Url(url) => {
            flags |= kind::URL;
            match url.strip_prefix("urn:uuid:").and_then(uuid_bytes) {
                Some(bytes) => {
                    flags |= F1;
                    out.extend(bytes);
                }
                None => write_text(url, out),
            }
        }
        IndexValue::Identifier { system, value } => {
            flags |= kind::IDENTIFIER;
            if let Some(system) = system {
                flags |= F1;
                varint::write(u64::from(intern(system)), out);
            }
            flags |= write_id(value, F3, out);
        }
        IndexValue::Uri(uri) => {
            flags |= kind::URI;
            // Profiles are few and stand in every resource; other URIs may be unique.
            if params::get(param).is_some_and(|(_, def)| def.code == "_profile") {
                flags |= F1;
                varint::write(u64::from(intern(uri)), out);
            } else {
                write_text(uri, out);
            }
        }
        IndexValue::Position { latitude, longitude } => {
            flags |= kind::POSITION;
            out.extend(latitude.to_le_bytes());
            out.extend(longitude.to_le_bytes());
        }
        IndexValue::Composite(parts) if is_custom(param) => {
            flags |= kind::COMPOSITE;
            varint::write(parts.len() as u64, out);
            for part in parts {
                let kept = || part.iter().filter(|value| is_kept(value));
                varint::write(kept().count() as u64, out);
                for value in kept() {
                    write_value(param, value, intern, ids, out);
                }
            }
        }
        IndexValue::TokenText(_)
        | IndexValue::OfType { .. }
        | IndexValue::Composite(_)
        | IndexValue::FullText(_)
        | IndexValue::Word { .. } => flags |= kind::PRESENT,
    }
    out[at] = flags;
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    varint::write(text.len() as u64, out);
    out.extend(text.as_bytes());
}

/// A text that may be a UUID; the flag says so.
fn write_id(text: &str, flag: u8, out: &mut Vec<u8>) -> u8 {
    match uuid_bytes(text) {
        Some(bytes) => {
            out.extend(bytes);
            flag
        }
        None => {
            write_text(text, out);
            0
        }
    }
}

/// F1: a whole number as zigzag varint; else eight bytes.
fn write_number(x: f64, out: &mut Vec<u8>) -> u8 {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if x.fract() == 0.0 && x.abs() < WHOLE_MAX && (x != 0.0 || x.is_sign_positive()) {
        varint::write(zigzag(x as i64), out);
        F1
    } else {
        out.extend(x.to_le_bytes());
        0
    }
}

/// F1: open start. F2: open end. F3: start in whole seconds. F4: length in whole seconds.
fn write_date(lo: i64, hi: i64, out: &mut Vec<u8>) -> u8 {
    let mut flags = 0;
    let mut start = lo;
    if lo == i64::MIN {
        flags |= F1;
        start = 0;
    } else if lo % 1000 == 0 {
        flags |= F3;
        varint::write(zigzag(lo / 1000), out);
    } else {
        varint::write(zigzag(lo), out);
    }
    // The length wraps for intervals that no date has, and wraps back on reading.
    let length = hi.wrapping_sub(start).wrapping_add(1);
    if hi == i64::MAX {
        flags |= F2;
    } else if length % 1000 == 0 {
        flags |= F4;
        varint::write(zigzag(length / 1000), out);
    } else {
        varint::write(zigzag(length), out);
    }
    flags
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// The bytes of a UUID in its usual form, lower case; `None` for anything else.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut out = [0; 16];
    let mut n = 0;
    for (i, c) in text.iter().enumerate() {
        if UUID_DASHES.contains(&i) {
            if *c != b'-' {
                return None;
            }
            continue;
        }
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => return None,
        };
        out[n / 2] = out[n / 2] << 4 | digit;
        n += 1;
    }
    Some(out)
}

fn uuid_text(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(36);
    for (i, b) in bytes.iter().enumerate() {
        if UUID_DASHES.contains(&out.len()) && i > 0 {
            out.push('-');
        }
        out.push(HEX[usize::from(b >> 4)] as char);
        out.push(HEX[usize::from(b & 15)] as char);
    }
    out
}

/// Reads what [`pack`] wrote, ordered by parameter.
///
/// `resolve` gives the text for an interned number.
/// Errors: [`Corrupt`] for anything else, also for numbers that `resolve` does not know.
pub fn unpack<S: AsRef<str>>(
    bytes: &[u8],
    resolve: &impl Fn(u32) -> Option<S>,
) -> Result<Vec<Indexed>, Corrupt> {
    let mut input = Input { whole: bytes, rest: bytes, resolve };
    let mut out = Vec::with_capacity(bytes.len() / 10);
    let mut param = 0u16;
    while !input.rest.is_empty() {
        let step = u16::try_from(input.varint()?).map_err(|_| Corrupt)?;
        param = param.checked_add(step).ok_or(Corrupt)?;
        if param != NO_PARAM.0 && !is_custom(ParamId(param)) {
            params::get(ParamId(param)).ok_or(Corrupt)?;
        }
        let value = input.value()?;
        out.push(Indexed { param: ParamId(param), value });
    }
    Ok(out)
}

/// As [`unpack`], for some parameters alone: the others are passed over, which costs little.
///
/// `wanted` is sorted.
pub fn unpack_of<S: AsRef<str>>(
    bytes: &[u8],
    wanted: &[ParamId],
    resolve: &impl Fn(u32) -> Option<S>,
) -> Result<Vec<Indexed>, Corrupt> {
    let mut out = Vec::new();
    let Some(last) = wanted.last() else { return Ok(out) };
    let mut input = Input { whole: bytes, rest: bytes, resolve };
    let mut param = 0u16;
    while !input.rest.is_empty() {
        let step = u16::try_from(input.varint()?).map_err(|_| Corrupt)?;
        param = param.checked_add(step).ok_or(Corrupt)?;
        let id = ParamId(param);
        if id > *last {
            break;
        }
        if wanted.binary_search(&id).is_ok() {
            out.push(Indexed { param: id, value: input.value()? });
        } else {
            input.pass()?;
        }
    }
    Ok(out)
}

struct Input<'a, F> {
    whole: &'a [u8],
    rest: &'a [u8],
    resolve: &'a F,
}

impl<S: AsRef<str>, F: Fn(u32) -> Option<S>> Input<'_, F> {
    fn varint(&mut self) -> Result<u64, Corrupt> {
        varint::read(&mut self.rest).ok_or(Corrupt)
    }

    fn bytes(&mut self, n: usize) -> Result<&[u8], Corrupt> {
        let (bytes, rest) = self.rest.split_at_checked(n).ok_or(Corrupt)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<String, Corrupt> {
        let n = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
        let bytes = self.bytes(n)?;
        Ok(std::str::from_utf8(bytes).map_err(|_| Corrupt)?.to_owned())
    }

    fn id(&mut self, is_uuid: bool) -> Result<String, Corrupt> {
        if is_uuid { Ok(uuid_text(self.bytes(16)?)) } else { self.text() }
    }

    /// An id that stands before, as many bytes back as the number says.
    fn id_before(&mut self, is_uuid: bool) -> Result<String, Corrupt> {
        let at = self.whole.len() - self.rest.len();
        let back = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
        let start = at.checked_sub(back).ok_or(Corrupt)?;
        Input { rest: &self.whole[start..], ..*self }.id(is_uuid)
    }

    fn interned(&mut self) -> Result<String, Corrupt> {
        let n = u32::try_from(self.varint()?).map_err(|_| Corrupt)?;
        Ok((self.resolve)(n).ok_or(Corrupt)?.as_ref().to_owned())
    }

    fn interned_if(&mut self, is: bool) -> Result<Option<String>, Corrupt> {
        is.then(|| self.interned()).transpose()
    }

    fn number(&mut self, is_whole: bool) -> Result<f64, Corrupt> {
        if is_whole {
            return Ok(unzigzag(self.varint()?) as f64);
        }
        let bytes = self.bytes(8)?.try_into().map_err(|_| Corrupt)?;
        Ok(f64::from_le_bytes(bytes))
    }

    fn scaled(&mut self, is_seconds: bool) -> Result<i64, Corrupt> {
        let n = unzigzag(self.varint()?);
        if is_seconds { n.checked_mul(1000).ok_or(Corrupt) } else { Ok(n) }
    }

    fn pass_text(&mut self) -> Result<(), Corrupt> {
        let n = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
        self.bytes(n).map(|_| ())
    }

    fn pass_id(&mut self, is_uuid: bool) -> Result<(), Corrupt> {
        if is_uuid { self.bytes(16).map(|_| ()) } else { self.pass_text() }
    }

    fn pass_varint(&mut self, is: bool) -> Result<(), Corrupt> {
        if is { self.varint().map(|_| ()) } else { Ok(()) }
    }

    fn pass_number(&mut self, is_whole: bool) -> Result<(), Corrupt> {
        if is_whole { self.varint().map(|_| ()) } else { self.bytes(8).map(|_| ()) }
    }

    /// Passes over what [`Input::value`] would read.
    fn pass(&mut self) -> Result<(), Corrupt> {
        if self.rest.first() == Some(&kind::COMPOSITE) {
            self.bytes(1)?;
            for _ in 0..self.varint()? {
                for _ in 0..self.varint()? {
                    self.pass_simple()?;
                }
            }
            return Ok(());
        }
        self.pass_simple()
    }

    fn pass_simple(&mut self) -> Result<(), Corrupt> {
        let head = self.bytes(1)?[0];
        let has = |flag: u8| head & flag != 0;
        match head & 0x0f {
            kind::TOKEN => {
                self.pass_varint(has(F1))?;
                if has(F2) { self.pass_id(has(F3)) } else { Ok(()) }
            }
            kind::STRING => self.pass_text(),
            kind::DATE => {
                self.pass_varint(!has(F1))?;
                self.pass_varint(!has(F2))
            }
            kind::NUMBER => self.pass_number(has(F1)),
            kind::QUANTITY => {
                self.pass_number(has(F1))?;
                self.pass_varint(has(F2))?;
                if has(F3) {
                    self.pass_text()?;
                }
                if has(F4) && self.bytes(1)?[0] != 0 {
                    self.pass_text()?;
                }
                Ok(())
            }
            kind::REFERENCE => {
                self.bytes(1)?;
                if has(F2) { self.pass_varint(true) } else { self.pass_id(has(F1)) }
            }
            kind::URL => self.pass_id(has(F1)),
            kind::IDENTIFIER => {
                self.pass_varint(has(F1))?;
                self.pass_id(has(F3))
            }
            kind::URI if has(F1) => self.pass_varint(true),
            kind::URI => self.pass_text(),
            kind::PRESENT => Ok(()),
            _ => Err(Corrupt),
        }
    }

    fn value(&mut self) -> Result<IndexValue, Corrupt> {
        if self.rest.first() != Some(&kind::COMPOSITE) {
            return self.simple();
        }
        self.bytes(1)?;
        let mut parts = Vec::new();
        for _ in 0..self.varint()? {
            let mut part = Vec::new();
            for _ in 0..self.varint()? {
                part.push(self.simple()?);
            }
            parts.push(part);
        }
        Ok(IndexValue::Composite(parts))
    }

    /// A value that is no composite.
    fn simple(&mut self) -> Result<IndexValue, Corrupt> {
        let head = self.bytes(1)?[0];
        let has = |flag: u8| head & flag != 0;
        Ok(match head & 0x0f {
            kind::TOKEN => {
                let system = self.interned_if(has(F1))?;
                let code = has(F2).then(|| self.id(has(F3))).transpose()?;
                IndexValue::Token { system, code }
            }
            kind::STRING => IndexValue::String(self.text()?),
            kind::DATE => {
                let (lo, start) = if has(F1) {
                    (i64::MIN, 0)
                } else {
                    let lo = self.scaled(has(F3))?;
                    (lo, lo)
                };
                let hi = if has(F2) {
                    i64::MAX
                } else {
                    start.wrapping_add(self.scaled(has(F4))?).wrapping_sub(1)
                };
                IndexValue::Date { lo, hi }
            }
            kind::NUMBER => IndexValue::Number(self.number(has(F1))?),
            kind::QUANTITY => {
                let value = self.number(has(F1))?;
                let system = self.interned_if(has(F2))?;
                let code = has(F3).then(|| self.text()).transpose()?;
                let unit = match has(F4).then(|| self.bytes(1).map(|b| b[0])).transpose()? {
                    None => None,
                    Some(0) => Some(code.clone().ok_or(Corrupt)?),
                    Some(_) => Some(self.text()?),
                };
                IndexValue::Quantity { value, system, code, unit }
            }
            kind::REFERENCE => {
                let ty = ResourceType(self.bytes(1)?[0]);
                if usize::from(ty.0) >= ResourceType::ALL.len() {
                    return Err(Corrupt);
                }
                let id = if has(F2) { self.id_before(has(F1))? } else { self.id(has(F1))? };
                IndexValue::Reference { ty, id }
            }
            kind::URL if has(F1) => {
                IndexValue::Url(format!("urn:uuid:{}", uuid_text(self.bytes(16)?)))
            }
            kind::URL => IndexValue::Url(self.text()?),
            kind::IDENTIFIER => {
                let system = self.interned_if(has(F1))?;
                IndexValue::Identifier { system, value: self.id(has(F3))? }
            }
            kind::URI if has(F1) => IndexValue::Uri(self.interned()?),
            kind::URI => IndexValue::Uri(self.text()?),
            kind::PRESENT => IndexValue::TokenText(String::new()),
            kind::POSITION => IndexValue::Position {
                latitude: self.number(false)?,
                longitude: self.number(false)?,
            },
            _ => return Err(Corrupt),
        })
    }
}
