//! Look-ups of sets: codes of a value set, words of a full text, places, quantities in base units.
//!
//! The other half of [`crate::plan`]; the same rules hold.

use roaring::RoaringBitmap;
use search::fulltext::{self, FullText, IMPACTS, Term};
use search::near;
use search::query::CanonicalRange;
use search::query::Prefix;
use search::value::ParamId;
use std::collections::BTreeSet;
use terminology::{CodeSet, Codes};

use crate::error::Result;
use crate::key;
use crate::plan::{Cand, has, number_below, under_prefix};
use crate::view::View;

/// So many codes are looked up one by one; of more, those that no list has are passed over in
/// leaps from one list that is there to the next.
const CODES_ONE_BY_ONE_MAX: usize = 64;

/// Versions with a token of the set.
pub fn codes(view: &View<'_>, p: ParamId, set: &CodeSet) -> Result<Cand> {
    let mut found = Cand::default();
    for (system, codes) in set.systems() {
        let number = if system.is_empty() { Some(0) } else { view.shared.systems.find(system) };
        // No resource has a code of a system that has no number.
        let Some(number) = number else { continue };
        match codes {
            Codes::Listed(codes) => found.or(listed(view, p, number, codes)?),
            Codes::AllBut(but) if number != 0 => {
                let all = view.fetch(&key::system(p, number))?;
                // A resource may have one of those and another one: it has to be looked at.
                found.or(if but.is_empty() { Cand::sure(all) } else { Cand::maybe(all) });
            }
            Codes::AllBut(_) => found.or(Cand::maybe(has(view, p)?)),
        }
    }
    Ok(found)
}

fn listed(view: &View<'_>, p: ParamId, system: u32, codes: &BTreeSet<String>) -> Result<Cand> {
    let mut found = Cand::default();
    let mut take = |wanted: &[u8], cut: bool| -> Result<()> {
        let rids = view.fetch(wanted)?;
        found.or(if cut { Cand::maybe(rids) } else { Cand::sure(rids) });
        Ok(())
    };
    if codes.len() <= CODES_ONE_BY_ONE_MAX {
        for code in codes {
            take(&key::with_system(b'K', p, code, system), key::text(code).cut)?;
        }
        return Ok(found);
    }
    let mut wanted: Vec<(Vec<u8>, bool)> = codes
        .iter()
        .map(|code| (key::with_system(b'K', p, code, system), key::text(code).cut))
        .collect();
    wanted.sort_unstable();
    let end = key::after_prefix(&key::param(b'K', p));
    let mut at = 0;
    while let Some((next, cut)) = wanted.get(at) {
        let Some(there) = view.first_key(next, end.as_deref())? else { break };
        if there == *next {
            take(next, *cut)?;
            at += 1;
        } else {
            at += wanted[at..].partition_point(|(key, _)| *key < there);
        }
    }
    Ok(found)
}

/// Quantities in base units.
pub fn quantity(
    view: &View<'_>,
    p: ParamId,
    prefix: Prefix,
    range: &CanonicalRange,
) -> Result<Cand> {
    let below = key::canonical(p, range.kind);
    number_below(view, &below, prefix, range.value, range.lo, range.hi)
}

/// Places within a distance: the cells that the circle touches.
pub fn near(view: &View<'_>, p: ParamId, place: (f64, f64), distance_m: f64) -> Result<Cand> {
    let ((south, north), ranges) = near::bounds(place.0, place.1, distance_m);
    let mut all = RoaringBitmap::new();
    for latitude in key::cell(south)..=key::cell(north) {
        for (west, east) in &ranges {
            let from = key::place(p, latitude, key::cell(*west));
            let to = key::after_prefix(&key::place(p, latitude, key::cell(*east)));
            all |= view.fetch_range(&from, to.as_deref(), |_| true)?;
        }
    }
    Ok(Cand::maybe(all))
}

/// Lists of a word by impact, weakest first; a version may stand in several.
pub fn word_lists(
    view: &View<'_>,
    p: ParamId,
    word: &str,
    is_prefix: bool,
) -> Result<[RoaringBitmap; IMPACTS as usize]> {
    let mut lists: [RoaringBitmap; IMPACTS as usize] = Default::default();
    for scope in fulltext::scopes(p) {
        if is_prefix {
            let from = key::with_text(b'W', scope, word);
            let Some(to) = key::after_prefix(&from) else { continue };
            view.walk(&from, &to, false, |key, rids| {
                let impact = key.last().copied().unwrap_or(0);
                if let Some(list) = lists.get_mut(usize::from(impact)) {
                    *list |= rids;
                }
                Ok(true)
            })?;
            continue;
        }
        for (impact, list) in (0..IMPACTS).zip(&mut lists) {
            *list |= view.fetch(&key::word(scope, word, impact))?;
        }
    }
    Ok(lists)
}

/// Versions with the words of a term; `true` when that is all the term asks for.
fn term(view: &View<'_>, p: ParamId, term: &Term) -> Result<(RoaringBitmap, bool)> {
    let mut all: Option<RoaringBitmap> = None;
    let mut is_exact = term.words.len() == 1;
    for (i, word) in term.words.iter().enumerate() {
        let is_prefix = term.is_prefix && i + 1 == term.words.len();
        is_exact &= !key::text(word).cut;
        let [a, b, c, d] = word_lists(view, p, word, is_prefix)?;
        let with = a | b | c | d;
        all = Some(all.map_or(with.clone(), |all| all & with));
    }
    Ok((all.unwrap_or_default(), is_exact))
}

/// Versions that answer a full text query.
pub fn full_text(view: &View<'_>, p: ParamId, query: &FullText) -> Result<Cand> {
    let mut found = Cand::default();
    for terms in &query.alternatives {
        let mut all: Option<RoaringBitmap> = None;
        let mut is_exact = true;
        for wanted in terms.iter().filter(|term| !term.is_negated) {
            let (with, exact) = term(view, p, wanted)?;
            is_exact &= exact;
            all = Some(all.map_or(with.clone(), |all| all & with));
        }
        let mut all = all.unwrap_or_default();
        for unwanted in terms.iter().filter(|term| term.is_negated) {
            let (with, exact) = term(view, p, unwanted)?;
            if exact {
                all -= with;
            } else {
                is_exact &= all.is_disjoint(&with);
            }
        }
        found.or(if is_exact { Cand::sure(all) } else { Cand::maybe(all) });
    }
    Ok(found)
}

/// `:text`: versions whose content has the words, the last one perhaps going on.
pub fn token_text(view: &View<'_>, p: ParamId, words: &str) -> Result<Cand> {
    let mut all = has(view, p)?;
    let content = search::params::get(p).and_then(|(rt, _)| search::params::find(rt, "_content"));
    let Some((content, _)) = content else { return Ok(Cand::maybe(all)) };
    let mut words = fulltext::words(words).peekable();
    while let Some(word) = words.next() {
        let with = if words.peek().is_none() {
            under_prefix(view, b'W', content, word)?
        } else {
            let [a, b, c, d] = word_lists(view, content, word, false)?;
            a | b | c | d
        };
        all &= with;
    }
    Ok(Cand::maybe(all))
}
