//! From a query tree to the versions that answer it.
//!
//! Every criterion becomes a set of versions that surely match and a set that may match; "may"
//! comes from values that a key cannot hold exactly (edges of date and number buckets, cut texts,
//! units). Sets are intersected, the cheapest first; once few candidates are left the remaining
//! criteria are not looked up but checked on the candidates' own values. What is not sure is
//! verified by `search`'s matcher, the same code that defines the answer.

mod explain;
mod find;
pub mod links;
mod ranges;

use fhir_tables::{ResourceType, SearchKind};
use roaring::RoaringBitmap;
use search::params as search_params;
use search::query::{Compartment, Criterion, FilterOp, Modifier, Operand, Prefix, SystemMatch};
use search::value::ParamId;

use crate::error::Result;
use crate::key;
use crate::terms;
use crate::view::View;

pub use explain::{Explain, Step, Trace, Way};
pub use find::{Cx, Found, find, find_within, gathers_ranges};
pub use ranges::{day_of, number_below};

use ranges::{Days, leveled, number};

/// Versions that answer a criterion.
#[derive(Default)]
pub struct Cand {
    pub sure: RoaringBitmap,
    /// Disjoint from `sure` is not required.
    pub maybe: RoaringBitmap,
}

impl Cand {
    pub fn sure(sure: RoaringBitmap) -> Cand {
        Cand { sure, maybe: RoaringBitmap::new() }
    }

    pub fn maybe(maybe: RoaringBitmap) -> Cand {
        Cand { sure: RoaringBitmap::new(), maybe }
    }

    pub fn or(&mut self, other: Cand) {
        self.sure |= other.sure;
        self.maybe |= other.maybe;
    }
}

fn in_compartment(view: &View<'_>, rt: ResourceType, c: &Compartment) -> Result<RoaringBitmap> {
    let mut all = RoaringBitmap::new();
    for param in &c.params {
        all |= view.fetch(&key::reference(c.root, &c.id, *param))?;
    }
    if c.is_root
        && let Some(ident) = view.ident(rt, &c.id)?
        && ident.kind != crate::ChangeKind::Delete
    {
        all.insert(ident.rid);
    }
    Ok(all)
}

pub fn has(view: &View<'_>, p: ParamId) -> Result<RoaringBitmap> {
    view.fetch(&key::param(b'H', p))
}

pub fn eval(view: &View<'_>, rt: ResourceType, c: &Criterion) -> Result<Cand> {
    match c.modifier {
        Modifier::Missing => {
            let wanted = |m| c.operands.contains(&Operand::Missing(m));
            let present = has(view, c.param)?;
            let mut all = RoaringBitmap::new();
            if wanted(true) {
                all |= view.fetch(&key::of_type(rt))? - &present;
            }
            if wanted(false) {
                all |= present;
            }
            Ok(Cand::sure(all))
        }
        Modifier::Not | Modifier::NotIn => {
            let found = positive(view, rt, c)?;
            let all = view.fetch(&key::of_type(rt))?;
            Ok(Cand { sure: all - &found.sure - &found.maybe, maybe: found.maybe - found.sure })
        }
        _ => positive(view, rt, c),
    }
}

/// Versions with a value that satisfies any operand.
fn positive(view: &View<'_>, rt: ResourceType, c: &Criterion) -> Result<Cand> {
    if c.kind == SearchKind::Composite {
        return composite(view, rt, c);
    }
    if c.modifier == Modifier::Contains {
        return contains(view, c);
    }
    let mut all = Cand::default();
    for operand in &c.operands {
        all.or(one(view, rt, c, operand)?);
    }
    Ok(all)
}

/// Versions with a text that holds any operand: every text is looked at once.
fn contains(view: &View<'_>, c: &Criterion) -> Result<Cand> {
    let text = |operand: &Operand| match operand {
        Operand::String(text) => Some(search::normalize(text)),
        _ => None,
    };
    let needles: Vec<String> = c.operands.iter().filter_map(text).collect();
    let from = key::param(b'G', c.param);
    let to = key::after_prefix(&from);
    let sure = view.fetch_range(&from, to.as_deref(), |k| {
        // Keys are cut at characters.
        std::str::from_utf8(&k[from.len()..])
            .is_ok_and(|text| needles.iter().any(|needle| text.contains(needle.as_str())))
    })?;
    // What a cut text holds behind its cut is not in the key.
    let maybe =
        view.fetch_range(&from, to.as_deref(), |k| k.len() - from.len() > key::TEXT_MAX_BYTES - 4)?;
    Ok(Cand { sure, maybe })
}

/// The key of the one list that holds what satisfies an operand; `None` when there is none.
fn list_of(view: &View<'_>, rt: ResourceType, c: &Criterion, operand: &Operand) -> Option<Vec<u8>> {
    if !matches!(c.modifier, Modifier::None | Modifier::Type(_))
        || search_params::get(c.param).is_some_and(|(own, _)| own != rt)
    {
        return None;
    }
    let p = c.param;
    let number = |system: &str| view.shared.systems.find(system);
    match operand {
        Operand::Token { system: SystemMatch::Is(s), code: None } => {
            Some(key::system(p, number(s)?))
        }
        Operand::Token { system: SystemMatch::Is(s), code: Some(code) } => {
            Some(key::with_system(b'K', p, code, number(s)?))
        }
        Operand::Token { system: SystemMatch::Absent, code: Some(code) } => {
            Some(key::with_system(b'K', p, code, 0))
        }
        Operand::Uri(uri) => Some(key::with_text(b'U', p, uri)),
        Operand::Url(url) => Some(key::with_text(b'V', p, url)),
        Operand::Reference { types, id } => match types[..] {
            [ty] => Some(key::reference(ty, id, p)),
            _ => None,
        },
        _ => None,
    }
}

fn composite(view: &View<'_>, rt: ResourceType, c: &Criterion) -> Result<Cand> {
    let mut all = Cand::default();
    for operand in &c.operands {
        match pair(view, c.param, operand)? {
            Some(found) => all.or(found),
            None => return implied(view, rt, c),
        }
    }
    Ok(all)
}

/// A composite of a token and a number or another token, which stand together in keys; `None` for
/// others, and for quantities with a unit.
fn pair(view: &View<'_>, p: ParamId, operand: &Operand) -> Result<Option<Cand>> {
    let Operand::Composite(parts) = operand else { return Ok(None) };
    let [Operand::Token { system, code: Some(code) }, second] = &parts[..] else {
        return Ok(None);
    };
    let is_bare = match second {
        Operand::Number { .. } | Operand::Token { code: Some(_), .. } => true,
        Operand::Quantity { system, code, .. } => system.is_none() && code.is_none(),
        _ => false,
    };
    if !is_bare {
        return Ok(None);
    }
    let mut all = Cand::default();
    for first in systems(view, system, &key::with_text(b'M', p, code))? {
        match second {
            Operand::Number { prefix, value, lo, hi }
            | Operand::Quantity { prefix, value, lo, hi, .. } => {
                let below = [&first[..], b"N"].concat();
                all.or(number_below(view, &below, *prefix, *value, *lo, *hi)?);
            }
            Operand::Token { system, code: Some(code) } => {
                let below = [&first[..], b"K", key::text(code).bytes].concat();
                for whole in systems(view, system, &below)? {
                    all.or(Cand::sure(view.fetch(&whole)?));
                }
            }
            _ => {}
        }
        let is_cut = |text: &str| key::text(text).cut;
        let second_is_cut =
            matches!(second, Operand::Token { code: Some(code), .. } if is_cut(code));
        if is_cut(code) || second_is_cut {
            all.maybe |= std::mem::take(&mut all.sure);
        }
    }
    Ok(Some(all))
}

/// The keys `prefix`, 0, system for the systems that are asked for and exist.
fn systems(view: &View<'_>, system: &SystemMatch, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
    let with = |number: u32| [prefix, &[0], &number.to_be_bytes()].concat();
    match system {
        SystemMatch::Absent => Ok(vec![with(0)]),
        SystemMatch::Is(s) => Ok(view.shared.systems.find(s).map(with).into_iter().collect()),
        SystemMatch::Any => {
            let mut found = Vec::new();
            let end = key::after_prefix(&[prefix, &[0]].concat());
            let mut from = with(0);
            while let Some(next) = view.first_key(&from, end.as_deref())? {
                let Some(number) = next.get(prefix.len() + 1..prefix.len() + 5) else { break };
                found.push([prefix, &[0], number].concat());
                let Some(behind) = found.last().and_then(|key| key::after_prefix(key)) else {
                    break;
                };
                from = behind;
            }
            Ok(found)
        }
    }
}

/// What the components of a composite ask for, each on its own.
fn implied(view: &View<'_>, rt: ResourceType, c: &Criterion) -> Result<Cand> {
    let mut all = has(view, c.param)?;
    for implied in &c.implied {
        let found = positive(view, rt, implied)?;
        all &= found.sure | found.maybe;
    }
    Ok(Cand::maybe(all))
}

fn one(view: &View<'_>, rt: ResourceType, c: &Criterion, operand: &Operand) -> Result<Cand> {
    let p = c.param;
    if let Modifier::Filter(op) = c.modifier {
        return filter_op(view, p, op, operand);
    }
    match operand {
        Operand::Id(id) => {
            let ident = view.ident(rt, id)?.filter(|i| i.kind != crate::ChangeKind::Delete);
            Ok(Cand::sure(ident.map(|i| i.rid).into_iter().collect()))
        }
        Operand::Token { system, code } => token(view, p, system, code.as_deref()),
        Operand::Identifier { system, value } => coded(view, b'I', p, system, value.as_deref()),
        Operand::String(text) => string(view, p, c.modifier, text),
        Operand::Date { prefix, lo, hi } => {
            Days { view, p, rt: (p == search_params::last_updated_of(rt)).then_some(rt) }
                .find(*prefix, *lo, *hi)
        }
        Operand::Number { prefix, value, lo, hi } => number(view, p, *prefix, *value, *lo, *hi),
        Operand::Quantity { prefix, canonical: Some(range), .. } => {
            terms::quantity(view, p, *prefix, range)
        }
        Operand::Quantity { prefix, value, lo, hi, system, code, canonical: None } => {
            let mut found = number(view, p, *prefix, *value, *lo, *hi)?;
            if system.is_some() || code.is_some() {
                found.maybe |= std::mem::take(&mut found.sure);
            }
            Ok(found)
        }
        Operand::Reference { types, id } => {
            let mut all = RoaringBitmap::new();
            for ty in types {
                all |= view.fetch(&key::reference(*ty, id, p))?;
            }
            Ok(Cand::sure(all))
        }
        Operand::Among { rt: to, ids } => {
            let keys: Vec<Vec<u8>> = ids.iter().map(|id| key::reference(*to, id, p)).collect();
            Ok(Cand::sure(view.fetch_all(&keys)?))
        }
        Operand::Url(url) => match c.modifier {
            Modifier::Below => Ok(Cand::maybe(under_prefix(view, b'V', p, url)?)),
            Modifier::Above => above(view, b'V', p, url),
            _ => exact_text(view, b'V', p, url),
        },
        Operand::Uri(uri) => match c.modifier {
            Modifier::Below => Ok(Cand::maybe(under_prefix(view, b'U', p, uri)?)),
            Modifier::Above => above(view, b'U', p, uri),
            _ => exact_text(view, b'U', p, uri),
        },
        Operand::TokenText(words) => terms::token_text(view, p, words),
        Operand::Codes(set) => terms::codes(view, p, set),
        Operand::FullText(query) => terms::full_text(view, p, query),
        Operand::Near { latitude, longitude, distance_m } => {
            terms::near(view, p, (*latitude, *longitude), *distance_m)
        }
        // The value is that of a token, whatever its system.
        Operand::OfType { value, .. } => {
            let found = coded(view, b'K', p, &SystemMatch::Any, Some(value))?;
            Ok(Cand::maybe(found.sure | found.maybe))
        }
        // Decided by values that are not in the index.
        Operand::Composite(_) => Ok(Cand::maybe(has(view, p)?)),
        Operand::Missing(_) => Ok(Cand::default()),
    }
}

fn prefix_range(view: &View<'_>, prefix: &[u8]) -> Result<RoaringBitmap> {
    view.fetch_prefix(prefix)
}

fn token(view: &View<'_>, p: ParamId, system: &SystemMatch, code: Option<&str>) -> Result<Cand> {
    if code.is_none()
        && let SystemMatch::Is(s) = system
    {
        return match view.shared.systems.find(s) {
            Some(number) => Ok(Cand::sure(view.fetch(&key::system(p, number))?)),
            None => Ok(Cand::default()),
        };
    }
    coded(view, b'K', p, system, code)
}

/// Families `K` and `I`: text with a system.
fn coded(
    view: &View<'_>,
    family: u8,
    p: ParamId,
    system: &SystemMatch,
    code: Option<&str>,
) -> Result<Cand> {
    let Some(code) = code else { return Ok(Cand::maybe(has(view, p)?)) };
    let number = match system {
        SystemMatch::Any => None,
        SystemMatch::Absent => Some(0),
        SystemMatch::Is(s) => match view.shared.systems.find(s) {
            Some(number) => Some(number),
            None => return Ok(Cand::default()),
        },
    };
    let rids = match number {
        Some(number) => view.fetch(&key::with_system(family, p, code, number))?,
        None => {
            let mut prefix = key::with_text(family, p, code);
            prefix.push(0);
            if view.reads_too_much(&prefix) {
                let mut all = RoaringBitmap::new();
                for key in systems(view, system, &key::with_text(family, p, code))? {
                    all |= view.fetch(&key)?;
                }
                all
            } else {
                prefix_range(view, &prefix)?
            }
        }
    };
    Ok(if key::text(code).cut { Cand::maybe(rids) } else { Cand::sure(rids) })
}

fn exact_text(view: &View<'_>, family: u8, p: ParamId, text: &str) -> Result<Cand> {
    let rids = view.fetch(&key::with_text(family, p, text))?;
    let cut = key::text(text).bytes.len() >= key::TEXT_MAX_BYTES - 3;
    Ok(if cut { Cand::maybe(rids) } else { Cand::sure(rids) })
}

pub fn under_prefix(view: &View<'_>, family: u8, p: ParamId, text: &str) -> Result<RoaringBitmap> {
    prefix_range(view, &key::with_text(family, p, text))
}

/// URIs that are a prefix of the given one.
fn above(view: &View<'_>, family: u8, p: ParamId, uri: &str) -> Result<Cand> {
    let wanted = key::text(uri).bytes;
    let from = key::param(family, p);
    let to = key::after_prefix(&from);
    let rids = view.fetch_range(&from, to.as_deref(), |k| wanted.starts_with(&k[from.len()..]))?;
    Ok(Cand::maybe(rids))
}

/// Versions with a value that a comparison of `_filter` accepts.
fn filter_op(view: &View<'_>, p: ParamId, op: FilterOp, operand: &Operand) -> Result<Cand> {
    match (op, operand) {
        (FilterOp::Same, Operand::String(text)) => {
            let norm = search::normalize(text);
            let rids = view.fetch(&key::with_text(b'G', p, &norm))?;
            Ok(if key::text(&norm).cut { Cand::maybe(rids) } else { Cand::sure(rids) })
        }
        (FilterOp::Same, Operand::Token { system, code }) => {
            token(view, p, system, code.as_deref())
        }
        (FilterOp::Same, Operand::Uri(uri)) => exact_text(view, b'U', p, uri),
        (FilterOp::Same, Operand::Number { value, .. } | Operand::Quantity { value, .. }) => {
            let at = key::bucket(*value);
            Ok(Cand::maybe(leveled(view, &key::param(b'N', p), key::BUCKETS, at, at)?))
        }
        (FilterOp::Same | FilterOp::Covers, Operand::Date { lo, hi, .. }) => {
            let found = Days { view, p, rt: None }.find(Prefix::Ap, *lo, *hi)?;
            Ok(Cand::maybe(found.sure | found.maybe))
        }
        (
            FilterOp::EndsWith
            | FilterOp::Greater
            | FilterOp::Less
            | FilterOp::GreaterOrSame
            | FilterOp::LessOrSame,
            Operand::String(text),
        ) => {
            let norm = search::normalize(text);
            let from = key::param(b'G', p);
            let to = key::after_prefix(&from);
            // A text that is cut begins with its key.
            let rids = view.fetch_range(&from, to.as_deref(), |k| {
                let text = &k[from.len()..];
                let is_long = text.len() > key::TEXT_MAX_BYTES - 4;
                is_long
                    || match op {
                        FilterOp::EndsWith => text.ends_with(norm.as_bytes()),
                        FilterOp::Greater => text > norm.as_bytes(),
                        FilterOp::Less => text < norm.as_bytes(),
                        FilterOp::GreaterOrSame => text >= norm.as_bytes(),
                        _ => text <= norm.as_bytes(),
                    }
            })?;
            Ok(Cand::maybe(rids))
        }
        _ => Ok(Cand::maybe(has(view, p)?)),
    }
}

fn string(view: &View<'_>, p: ParamId, modifier: Modifier, text: &str) -> Result<Cand> {
    let norm = search::normalize(text);
    match modifier {
        Modifier::Exact => Ok(Cand::maybe(view.fetch(&key::with_text(b'G', p, &norm))?)),
        _ => {
            let rids = under_prefix(view, b'G', p, &norm)?;
            Ok(if key::text(&norm).cut { Cand::maybe(rids) } else { Cand::sure(rids) })
        }
    }
}
