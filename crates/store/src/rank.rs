//! Best first: the order of results of a full text search without `_sort`.
//!
//! Every word of the query counts by its rarity times its impact in the resource (the two factors
//! of BM25; impacts were made when the resource was written). Resources are kept in sets of equal
//! score, so that the best of a million are found without looking at each.
//! Scores of a snapshot never change: lists are cut at its last version.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use search::Rule;
use search::fulltext::IMPACT_WEIGHT;
use search::query::{Operand, Query};
use search::value::ParamId;

use crate::error::Result;
use crate::key;
use crate::terms;
use crate::types::Rid;
use crate::view::View;

/// Units of a score.
const UNIT: f64 = 64.0;

/// Candidates in sets of equal score.
pub struct Ranks {
    /// Best first.
    pub levels: Vec<(u32, RoaringBitmap)>,
    /// The score of a resource that has every word with the highest impact.
    best: u32,
}

impl Ranks {
    /// The place of a score in the order: bytes that compare like the ranks.
    pub fn key(score: u32) -> Vec<u8> {
        (!score).to_be_bytes().to_vec()
    }

    /// Score from 0 to 1 behind a place.
    pub fn score(&self, key: &[u8]) -> f64 {
        let Ok(bytes) = <[u8; 4]>::try_from(key) else { return 0.0 };
        f64::from(!u32::from_be_bytes(bytes)) / f64::from(self.best.max(1))
    }
}

/// Words that the query looks for, each once.
fn words_of(query: &Query) -> Vec<(ParamId, &str, bool)> {
    let mut words = Vec::new();
    for criterion in query.criteria() {
        for operand in &criterion.operands {
            let Operand::FullText(full_text) = operand else { continue };
            for term in full_text.alternatives.iter().flatten().filter(|term| !term.is_negated) {
                for (i, word) in term.words.iter().enumerate() {
                    let is_prefix = term.is_prefix && i + 1 == term.words.len();
                    let word = (criterion.param, word.as_str(), is_prefix);
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
            }
        }
    }
    words
}

/// Whether results of the query come best first.
pub fn is_ranked(query: &Query) -> bool {
    let is_text = |operand: &Operand| matches!(operand, Operand::FullText(_));
    query.sort.is_empty() && query.criteria().any(|c| c.operands.iter().any(is_text))
}

/// Puts candidates in order.
pub fn ranks(view: &View<'_>, query: &Query, candidates: &RoaringBitmap) -> Result<Ranks> {
    let cut = |mut list: RoaringBitmap| {
        list.remove_range(view.at.saturating_add(1)..=Rid::MAX);
        list
    };
    // How rare a word is among what may be seen: anything else would tell of the rest.
    let all = cut(view.fetch(&key::of_type(query.rt))?);
    let all = match view.sees.rule(query.rt) {
        Rule::All => all,
        _ => view.visible(query.rt, all)?,
    };
    let n_all = all.len();
    let mut levels = BTreeMap::from([(0u32, candidates.clone())]);
    let mut best = 0;
    for (param, word, is_prefix) in words_of(query) {
        let lists = terms::word_lists(view, param, word, is_prefix)?.map(|list| list & &all);
        let n = lists.iter().fold(RoaringBitmap::new(), |all, list| all | list).len();
        let rarity = (1.0 + (n_all.saturating_sub(n) as f64 + 0.5) / (n as f64 + 0.5)).ln();
        let weights = IMPACT_WEIGHT.map(|weight| (rarity * weight * UNIT).round().max(1.0) as u32);
        best += weights[weights.len() - 1];
        let mut next: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
        for (score, mut left) in levels {
            // A version with two impacts of a word counts with the higher one.
            for (list, weight) in lists.iter().zip(weights).rev() {
                let with = &left & list;
                if !with.is_empty() {
                    left -= &with;
                    *next.entry(score + weight).or_default() |= with;
                }
            }
            if !left.is_empty() {
                *next.entry(score).or_default() |= left;
            }
        }
        levels = next;
    }
    Ok(Ranks { levels: levels.into_iter().rev().collect(), best })
}
