//! What a leaf is found by: keys of a family byte and a value.

use super::leaf::Leaf;

/// First byte of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Family {
    /// Client of an app.
    App = b'a',
    Action = b'd',
    /// One resource that is no Patient.
    Resource = b'e',
    Address = b'i',
    Deed = b'k',
    /// Minutes since 1970.
    Minute = b'm',
    /// Name of a person or program, lower case.
    Name = b'n',
    /// Patient whose data was touched, or [`EVERYBODY`].
    Patient = b'p',
    Role = b'r',
    Status = b's',
    Type = b't',
    Who = b'u',
    Purpose = b'w',
}

/// Stands for every patient; no id looks like it.
pub(crate) const EVERYBODY: &str = "*";

/// Longest value of a key; what is longer is found by its beginning and then compared.
const VALUE_BYTES_MAX: usize = 128;

pub(crate) const MINUTE_MS: i64 = 60_000;

pub(crate) fn key(family: Family, value: &str) -> Vec<u8> {
    key_of(family, value.as_bytes())
}

fn key_of(family: Family, value: &[u8]) -> Vec<u8> {
    let value = &value[..value.len().min(VALUE_BYTES_MAX)];
    let mut key = Vec::with_capacity(1 + value.len());
    key.push(family as u8);
    key.extend_from_slice(value);
    key
}

/// Minute of a time; what is before 1970 or beyond the year 10000 is at the end.
pub(crate) fn minute(at_ms: i64) -> u32 {
    u32::try_from(at_ms.div_euclid(MINUTE_MS).max(0)).unwrap_or(u32::MAX)
}

pub(crate) fn minute_key(minute: u32) -> Vec<u8> {
    key_of(Family::Minute, &minute.to_be_bytes())
}

/// How names are compared.
pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// All keys of a leaf, each once.
pub(crate) fn each(leaf: &Leaf, mut take: impl FnMut(&[u8])) {
    let mut buffer = Vec::with_capacity(1 + VALUE_BYTES_MAX);
    let mut put = |family: Family, value: &[u8]| {
        buffer.clear();
        buffer.push(family as u8);
        buffer.extend_from_slice(&value[..value.len().min(VALUE_BYTES_MAX)]);
        take(&buffer);
    };
    put(Family::Minute, &minute(leaf.at_ms).to_be_bytes());
    put(Family::Action, leaf.action.encode_utf8(&mut [0; 4]).as_bytes());
    put(Family::Deed, leaf.deed().as_str().as_bytes());
    put(Family::Status, leaf.status.to_string().as_bytes());
    put(Family::Purpose, leaf.why.as_bytes());
    put(Family::Who, leaf.who.as_bytes());
    if let Some(name) = leaf.person() {
        put(Family::Name, folded(name).as_bytes());
    }
    if let Some(role) = &leaf.role {
        put(Family::Role, role.as_bytes());
    }
    if let Some(app) = &leaf.app {
        put(Family::App, app.as_bytes());
    }
    if let Some(address) = &leaf.address {
        put(Family::Address, address.as_bytes());
    }
    if let Some(rt) = leaf.resource_type() {
        put(Family::Type, rt.name().as_bytes());
    }
    if let Some(resource) = leaf.resource().filter(|text| !text.starts_with("Patient/")) {
        put(Family::Resource, resource.as_bytes());
    }
    if leaf.all {
        put(Family::Patient, EVERYBODY.as_bytes());
    }
    for patient in &leaf.patients {
        put(Family::Patient, patient.as_bytes());
    }
}
