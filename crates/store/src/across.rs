//! Searches across types, and plans for those who read them.
//!
//! Each type has its own query and its own candidates; the pages of all of them are merged. Sort
//! bytes compare across types, because the keys of all queries are of the same kinds.

use std::collections::HashMap;

use search::query::{Query, Total};

use crate::body;
use crate::error::Result;
use crate::key;
use crate::page::{Pager, Place, page_of, total};
use crate::plan::{self, Cx, Explain, Trace};
use crate::rank;
use crate::snapshot::Snapshot;
use crate::sorting::with_place;
use crate::types::{PageRequest, Rid, SearchPage};
use crate::view::View;

impl Snapshot {
    /// One page of a search across the types of the queries.
    pub fn search_across(
        &mut self,
        queries: &[Query],
        request: &PageRequest,
    ) -> Result<SearchPage> {
        self.with(|view, bodies| across(view, bodies, queries, request))
    }

    /// Carries out queries as [`Snapshot::search_across`] does, verifies all candidates, and tells
    /// how: one plan for each type that has resources.
    ///
    /// `clock_us` counts microseconds from any start.
    pub fn explain(
        &mut self,
        queries: &[Query],
        clock_us: &dyn Fn() -> u64,
    ) -> Result<Vec<Explain>> {
        self.with(|view, bodies| {
            let mut plans = Vec::new();
            for query in queries {
                if queries.len() == 1 || has_any(view, query)? {
                    plans.push(explain(view, bodies, query, clock_us)?);
                }
            }
            Ok(plans)
        })
    }
}

/// Types without resources cost one look.
fn has_any(view: &View<'_>, query: &Query) -> Result<bool> {
    Ok(view.count(&key::of_type(query.rt))? > 0)
}

fn across(
    view: &View<'_>,
    bodies: &mut body::Reader,
    queries: &[Query],
    request: &PageRequest,
) -> Result<SearchPage> {
    let request = &with_place(view, queries, request)?;
    let mut places: Vec<Place> = Vec::new();
    let mut n_matches = 0;
    let mut total_is_exact = true;
    let mut scores: HashMap<Rid, f64> = HashMap::new();
    for query in queries {
        if !has_any(view, query)? {
            continue;
        }
        let mut found = plan::find(&mut Cx::new(view, &mut *bodies), query)?;
        n_matches += total(view, bodies, &mut found, request.total)?.unwrap_or(0);
        total_is_exact &= found.is_exact();
        if request.count > 0 && !found.candidates.is_empty() {
            let ranks = match rank::is_ranked(query) {
                true => Some(rank::ranks(view, query, &found.candidates)?),
                false => None,
            };
            let bodies = &mut *bodies;
            let mut pager = Pager { view, bodies, query, found, request, ranks, across: true };
            let own = pager.places()?;
            if let Some(ranks) = &pager.ranks {
                scores.extend(own.iter().map(|(key, rid)| (*rid, ranks.score(key))));
            }
            places.extend(own);
        }
    }
    places.sort_unstable();
    if request.backward {
        places.reverse();
    }
    let more = places.len() > request.count;
    places.truncate(request.count);
    if request.backward {
        places.reverse();
    }
    let total = (request.total != Total::None).then_some(n_matches);
    let scores = places.iter().filter_map(|(_, rid)| scores.get(rid).copied()).collect();
    let page = SearchPage { scores, total, total_is_exact, more, ..SearchPage::default() };
    page_of(view, bodies, places, page)
}

fn explain(
    view: &View<'_>,
    bodies: &mut body::Reader,
    query: &Query,
    clock_us: &dyn Fn() -> u64,
) -> Result<Explain> {
    let since_us = clock_us();
    let mut cx = Cx::new(view, &mut *bodies);
    cx.trace = Some(Trace::new(clock_us));
    let mut found = plan::find(&mut cx, query)?;
    let steps = cx.trace.take().map(|trace| trace.steps).unwrap_or_default();
    let (candidates, verified) = (found.candidates.len(), found.n_unsure());
    let verify_since_us = clock_us();
    found.settle(view, bodies)?;
    let now_us = clock_us();
    Ok(Explain {
        rt: query.rt,
        query: query.to_string(),
        steps,
        candidates,
        verified,
        verify_micros: now_us.saturating_sub(verify_since_us),
        total: found.candidates.len(),
        micros: now_us.saturating_sub(since_us),
    })
}
