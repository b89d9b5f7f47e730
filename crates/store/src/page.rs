//! Pages of a search result: order, paging, totals, includes.

use fhir_tables::SearchKind;
use roaring::RoaringBitmap;
use search::custom::{Registry, is_custom};
use search::params as search_params;
use search::query::{Include, Query, SortKey, Total};
use search::value::{IndexValue, NO_PARAM, ParamId};

use crate::body;
use crate::error::Result;
use crate::key;
use crate::plan::{self, Cx, Found};
use crate::rank::Ranks;
use crate::snapshot::Snapshot;
use crate::sorting::{Order, with_place};
use crate::types::{ChangeKind, Cursor, Head, PageRequest, Rid, SearchPage, Version};
use crate::view::{EVERYTHING, View};
use crate::window;

/// Up to so many candidates are all read for sorting, and up to so many more for each row of the
/// page; with more, the days of the index are walked in order, which costs some look-ups a row.
const SORT_ALL_MIN: u64 = 300;
const SORT_ALL_PER_ROW: u64 = 8;
/// As [`SORT_ALL_MIN`] where each look is a round trip, and the values of thousands are one.
const SORT_ALL_REMOTE_MIN: u64 = 4_000;
/// More unsure candidates than this are not verified just for a total that nobody asked for.
const TOTAL_FREE_MAX: u64 = 64;

/// Ids of the resources that answer a query, at most `limit`, in commit order.
pub fn ids(
    view: &View<'_>,
    bodies: &mut body::Reader,
    query: &Query,
    limit: usize,
) -> Result<Vec<String>> {
    Ok(heads(view, bodies, query, limit)?.into_iter().map(|h| h.id).collect())
}

fn heads(
    view: &View<'_>,
    bodies: &mut body::Reader,
    query: &Query,
    limit: usize,
) -> Result<Vec<Head>> {
    let found = plan::find(&mut Cx::new(view, &mut *bodies), query)?;
    let mut heads = Vec::new();
    for rid in &found.candidates {
        if heads.len() == limit {
            break;
        }
        if found.holds(view, bodies, rid)? {
            heads.push(view.head(rid)?);
        }
    }
    Ok(heads)
}

/// As [`TOTAL_FREE_MAX`], when bodies have to be read for it.
const BODIES_FREE_MAX: u64 = 32;

/// A row in order: sort bytes, then version.
pub(crate) type Place = (Vec<u8>, Rid);

pub(crate) struct Pager<'a, 'q> {
    pub view: &'a View<'a>,
    pub bodies: &'a mut body::Reader,
    pub query: &'q Query,
    pub found: Found<'q>,
    pub request: &'a PageRequest,
    pub ranks: Option<Ranks>,
    /// The page has resources of other types too, and the cursor may be one of them.
    pub across: bool,
}

impl Pager<'_, '_> {
    /// Places of the page, in the order of reading (reversed when backward), and one more.
    pub fn places(&mut self) -> Result<Vec<Place>> {
        if let Some(ranks) = self.ranks.take() {
            let places = self.by_rank(&ranks);
            self.ranks = Some(ranks);
            return places;
        }
        if self.query.sort.is_empty() {
            return self.by_rid();
        }
        let first = &self.query.sort[0];
        // A version of another type has no day under this type's parameter.
        let has_days = !self.across || first.param == search_params::last_updated_of(self.query.rt);
        let is_own_date = first.kind == SearchKind::Date && !first.is_chained();
        if is_own_date && has_days && self.is_worth_walking() {
            return self.by_day(first);
        }
        let all = self.found.candidates.clone();
        let mut places = self.keyed(&all)?;
        self.cut(&mut places);
        Ok(places)
    }

    /// Whether days are fewer to walk than values of candidates to read.
    fn is_worth_walking(&self) -> bool {
        let page = self.request.count as u64;
        let least = match self.view.connection.is_remote() {
            true => SORT_ALL_REMOTE_MIN,
            false => SORT_ALL_MIN,
        };
        self.found.candidates.len() > least + SORT_ALL_PER_ROW * page
    }

    /// Best first; equal ones in commit order.
    fn by_rank(&mut self, ranks: &Ranks) -> Result<Vec<Place>> {
        let wanted = self.request.count + 1;
        let mut places = Vec::new();
        let backward = self.request.backward;
        let from = self.request.from.clone();
        let mut levels: Vec<&(u32, RoaringBitmap)> = ranks.levels.iter().collect();
        if backward {
            levels.reverse();
        }
        for (score, rids) in levels {
            let key = Ranks::key(*score);
            let mut rids = rids.clone();
            if let Some(from) = &from {
                match (key.cmp(&from.key), backward) {
                    (std::cmp::Ordering::Less, false) | (std::cmp::Ordering::Greater, true) => {
                        continue;
                    }
                    (std::cmp::Ordering::Equal, false) => {
                        rids.remove_range(..=from.rid);
                    }
                    (std::cmp::Ordering::Equal, true) => {
                        rids.remove_range(from.rid..);
                    }
                    _ => {}
                }
            }
            let order: Box<dyn Iterator<Item = Rid>> =
                if backward { Box::new(rids.iter().rev()) } else { Box::new(rids.iter()) };
            for rid in order {
                if self.found.holds(self.view, self.bodies, rid)? {
                    places.push((key.clone(), rid));
                    if places.len() == wanted {
                        return Ok(places);
                    }
                }
            }
        }
        Ok(places)
    }

    fn by_rid(&mut self) -> Result<Vec<Place>> {
        let wanted = self.request.count + 1;
        let mut places = Vec::new();
        let candidates = std::mem::take(&mut self.found.candidates);
        let from = self.request.from.as_ref().map(|c| c.rid);
        let mut take = |pager: &mut Self, rid: Rid| -> Result<bool> {
            if pager.found.holds(pager.view, pager.bodies, rid)? {
                places.push((Vec::new(), rid));
            }
            Ok(places.len() < wanted)
        };
        if self.request.backward {
            let below = from.unwrap_or(Rid::MAX);
            for rid in candidates.iter().rev().skip_while(|rid| *rid >= below) {
                if !take(self, rid)? {
                    break;
                }
            }
        } else {
            let mut iter = candidates.iter();
            if let Some(from) = from {
                iter.advance_to(from.saturating_add(1));
            }
            for rid in iter {
                if !take(self, rid)? {
                    break;
                }
            }
        }
        self.found.candidates = candidates;
        Ok(places)
    }

    /// Sort bytes of versions, unsure ones verified.
    fn keyed(&mut self, rids: &RoaringBitmap) -> Result<Vec<Place>> {
        let order = Order::of(self.view, self.query, rids)?;
        let mut places = Vec::with_capacity(rids.len() as usize);
        if self.found.needs_body() {
            for rid in rids {
                if self.found.holds(self.view, self.bodies, rid)? {
                    let (id, at, values) = self.view.values(rid)?;
                    places.push((order.bytes(rid, &id, at, &values), rid));
                }
            }
            return Ok(places);
        }
        if self.found.is_exact() {
            self.view.each_values_of(rids, &order.params(), |rid, id, at, values| {
                places.push((order.bytes(rid, id, at, &values), rid));
                Ok(())
            })?;
            return Ok(places);
        }
        self.view.each_values(rids, |rid, id, at, values| {
            if self.found.accepts(rid, at, &values) {
                places.push((order.bytes(rid, id, at, &values), rid));
            }
            Ok(())
        })?;
        Ok(places)
    }

    /// Orders places in the direction of reading, drops those up to the cursor and behind the page.
    fn cut(&self, places: &mut Vec<Place>) {
        let backward = self.request.backward;
        if let Some(from) = &self.request.from {
            let from: Place = (from.key.clone(), from.rid);
            places.retain(|place| if backward { *place < from } else { *place > from });
        }
        places.sort_unstable();
        if backward {
            places.reverse();
        }
        places.truncate(self.request.count + 1);
    }

    /// Walks days in order, so that only the days of the page are read.
    fn by_day(&mut self, sort: &SortKey) -> Result<Vec<Place>> {
        let updated = sort.param == search_params::last_updated_of(self.query.rt);
        let candidates = std::mem::take(&mut self.found.candidates);
        let with_value = if updated {
            candidates.clone()
        } else {
            &candidates & self.view.fetch(&key::param(b'H', sort.param))?
        };
        let without = &candidates - &with_value;
        let mut places = Vec::new();
        if self.request.backward {
            places = self.group(&without)?;
        }
        if places.len() <= self.request.count {
            self.walk_days(sort, updated, &with_value, &mut places)?;
        }
        if !self.request.backward && places.len() <= self.request.count {
            places.extend(self.group(&without)?);
        }
        places.truncate(self.request.count + 1);
        self.found.candidates = candidates;
        Ok(places)
    }

    /// The places of some versions that lie on the page, in the order of reading.
    fn group(&mut self, rids: &RoaringBitmap) -> Result<Vec<Place>> {
        let mut places = self.keyed(rids)?;
        self.cut(&mut places);
        Ok(places)
    }

    fn walk_days(
        &mut self,
        sort: &SortKey,
        updated: bool,
        candidates: &RoaringBitmap,
        places: &mut Vec<Place>,
    ) -> Result<()> {
        let (Some(low), Some(high)) = (candidates.min(), candidates.max()) else { return Ok(()) };
        let view = self.view;
        view.bounds.set((low, high));
        let backward = self.request.backward != sort.descending;
        let cursor_day = match &self.request.from {
            Some(cursor) => self.day_at(sort, updated, cursor)?,
            None => None,
        };
        let longer = if sort.descending { b'E' } else { b'L' };
        let prefixes = if updated {
            vec![key::updated_prefix(self.query.rt)]
        } else {
            vec![key::param(b'D', sort.param), key::param(longer, sort.param)]
        };
        let (from, to) = match cursor_day {
            Some(day) if backward => (key::DAY_MIN, day),
            Some(day) => (day, key::DAY_MAX),
            None => (key::DAY_MIN, key::DAY_MAX),
        };
        let wanted = self.request.count + 1;
        let range = key::fine_day(key::clamp_day(from))..=key::fine_day(key::clamp_day(to));
        let walk = Walk { view, prefixes: &prefixes, ladder: key::DAYS, backward, range };
        let walked = walk.each(candidates, &mut |fine, rids| {
            let day = key::day_of_fine(fine);
            if updated {
                places.extend(self.group(rids)?);
                return Ok(places.len() < wanted);
            }
            // The version's place in the order may be on another day: some stand under several.
            let mut own = RoaringBitmap::new();
            view.each_values_of(rids, &[sort.param], |rid, _, _, values| {
                if plan::day_of(&values, sort.param, sort.descending) == Some(day) {
                    own.insert(rid);
                }
                Ok(())
            })?;
            places.extend(self.group(&own)?);
            Ok(places.len() < wanted)
        });
        view.bounds.set(EVERYTHING);
        walked
    }

    /// The day on which the cursor stands; `None` when it stands among those without a value.
    fn day_at(&self, sort: &SortKey, updated: bool, cursor: &Cursor) -> Result<Option<i64>> {
        let (_, at, values) = self.view.values(cursor.rid)?;
        if updated {
            return Ok(Some(key::day(at)));
        }
        let day = plan::day_of(&values, sort.param, sort.descending);
        // Behind all days when reading forward, so that none of them is read again.
        let behind = if sort.descending { i64::MIN } else { i64::MAX };
        Ok(Some(day.unwrap_or(behind)))
    }
}

/// The values of families that stand on levels, in order, down to those under which candidates
/// stand: what holds no candidate is passed over as a whole.
struct Walk<'a> {
    view: &'a View<'a>,
    prefixes: &'a [Vec<u8>],
    ladder: key::Ladder,
    backward: bool,
    /// Fine values that are wanted.
    range: std::ops::RangeInclusive<u32>,
}

impl Walk<'_> {
    /// Calls `each` with a fine value and its candidates; `each` returns false to stop.
    fn each(
        &self,
        candidates: &RoaringBitmap,
        each: &mut dyn FnMut(u32, &RoaringBitmap) -> Result<bool>,
    ) -> Result<()> {
        let top = self.ladder.top();
        let usual = self.ladder.usual();
        let first = self.ladder.at(top, *self.range.start());
        let last = self.ladder.at(top, *self.range.end());
        // Hardly anything stands outside the usual values: one look tells.
        let mut parts = [
            (first, last.min(usual.start() - 1)),
            (first.max(*usual.start()), last.min(*usual.end())),
            (first.max(usual.end() + 1), last),
        ];
        if self.backward {
            parts.reverse();
        }
        for (first, last) in parts {
            let is_unusual = last - first.min(last) > usual.end() - usual.start();
            if first > last || (is_unusual && self.under(top, first, last, candidates)?.is_empty())
            {
                continue;
            }
            if !self.level(top, first, last, candidates, each)? {
                break;
            }
        }
        Ok(())
    }

    /// Candidates under neighbouring values of a level.
    fn under(&self, level: u8, first: u32, last: u32, of: &RoaringBitmap) -> Result<RoaringBitmap> {
        let mut all = RoaringBitmap::new();
        for prefix in self.prefixes {
            let start = key::leveled(prefix, level, first);
            if first == last {
                all |= self.view.fetch(&start)? & of;
            } else {
                let end = key::after_prefix(&key::leveled(prefix, level, last));
                all |= self.view.fetch_range(&start, end.as_deref(), |_| true)? & of;
            }
        }
        Ok(all)
    }

    fn level(
        &self,
        level: u8,
        first: u32,
        last: u32,
        candidates: &RoaringBitmap,
        each: &mut dyn FnMut(u32, &RoaringBitmap) -> Result<bool>,
    ) -> Result<bool> {
        for i in 0..=last - first {
            let value = if self.backward { last - i } else { first + i };
            let (fine_first, fine_last) = self.ladder.fine(level, value);
            if fine_last < *self.range.start() || fine_first > *self.range.end() {
                continue;
            }
            let own = self.under(level, value, value, candidates)?;
            if own.is_empty() {
                continue;
            }
            let go_on = if level == 0 {
                each(value, &own)?
            } else {
                let first = self.ladder.down(value);
                let last = first + self.ladder.width() - 1;
                self.level(level - 1, first, last, &own, each)?
            };
            if !go_on {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Snapshot {
    /// One page of a search.
    pub fn search(&mut self, query: &Query, request: &PageRequest) -> Result<SearchPage> {
        self.with(|view, bodies| search(view, bodies, query, request))
    }

    /// Resources that answer a query, at most `limit`, without bodies.
    pub fn search_heads(&mut self, query: &Query, limit: usize) -> Result<Vec<Head>> {
        self.with(|view, bodies| heads(view, bodies, query, limit))
    }

    /// Current resources that the rows refer to through an include, without repetition.
    pub fn included(&mut self, rows: &[Version], include: &Include) -> Result<Vec<Version>> {
        self.with(|view, bodies| {
            let mut seen = std::collections::HashSet::new();
            let mut found = Vec::new();
            let custom = view.shared.custom();
            for row in rows.iter().filter(|row| include.source.is_none_or(|rt| rt == row.rt)) {
                let (_, _, values) = view.values(row.rid)?;
                for v in values {
                    let IndexValue::Reference { ty, id } = v.value else { continue };
                    let wanted = match include.param {
                        Some(param) => v.param == param,
                        None => is_searched(&custom, v.param),
                    };
                    if !wanted || include.target.is_some_and(|t| t != ty) {
                        continue;
                    }
                    if let Some(ident) = view.ident(ty, &id)?
                        && ident.kind != ChangeKind::Delete
                        && seen.insert(ident.rid)
                        && view.admits(ident.rid)?
                    {
                        found.push(view.version(ident.rid, bodies)?);
                    }
                }
            }
            Ok(found)
        })
    }

    /// Current resources that refer to the rows through a reverse include, at most `limit`.
    pub fn revincluded(
        &mut self,
        rows: &[Version],
        include: &Include,
        limit: usize,
    ) -> Result<Vec<Version>> {
        self.with(|view, bodies| {
            let mut all = RoaringBitmap::new();
            for row in rows.iter().filter(|row| include.target.is_none_or(|t| t == row.rt)) {
                all |= referrers(view, row, include)?;
            }
            let all = view.visible_of_any(all)?;
            let rids: Vec<Rid> = all.iter().take(limit).collect();
            view.versions(&rids, bodies)
        })
    }
}

/// Whether searches may use a parameter: those of a practice only while they are ready.
fn is_searched(custom: &Registry, param: ParamId) -> bool {
    param != NO_PARAM && (!is_custom(param) || custom.is_ready(param))
}

/// Versions that refer to a resource through a reverse include.
fn referrers(view: &View<'_>, row: &Version, include: &Include) -> Result<RoaringBitmap> {
    if let Some(param) = include.param {
        return view.fetch(&key::reference(row.rt, &row.id, param));
    }
    let from = key::referrers(row.rt, &row.id);
    let to = key::after_prefix(&from);
    let custom = view.shared.custom();
    let all = view.fetch_range(&from, to.as_deref(), |key| {
        let param = key.last_chunk().map(|bytes| ParamId(u16::from_be_bytes(*bytes)));
        param.is_some_and(|param| is_searched(&custom, param))
    })?;
    match include.source {
        Some(rt) => Ok(all & view.fetch(&key::of_type(rt))?),
        None => Ok(all),
    }
}

fn search(
    view: &View<'_>,
    bodies: &mut body::Reader,
    query: &Query,
    request: &PageRequest,
) -> Result<SearchPage> {
    if let Some(within) = window::of(view, query, request)? {
        let found = plan::find_within(&mut Cx::new(view, &mut *bodies), query, within)?;
        if let Some(page) = full_page(view, bodies, query, request, found)? {
            return Ok(page);
        }
    }
    let mut found = plan::find(&mut Cx::new(view, &mut *bodies), query)?;
    let total = total(view, bodies, &mut found, request.total)?;
    let total_is_exact = found.is_exact();
    if request.count == 0 {
        return Ok(SearchPage { total, total_is_exact, ..SearchPage::default() });
    }
    let ranks = match crate::rank::is_ranked(query) {
        true => Some(crate::rank::ranks(view, query, &found.candidates)?),
        false => None,
    };
    let request = &with_place(view, std::slice::from_ref(query), request)?;
    let mut pager = Pager { view, bodies, query, found, request, ranks, across: false };
    let mut places = pager.places()?;
    let more = places.len() > request.count;
    places.truncate(request.count);
    if request.backward {
        places.reverse();
    }
    let scores = match &pager.ranks {
        Some(ranks) => places.iter().map(|(key, _)| ranks.score(key)).collect(),
        None => Vec::new(),
    };
    let bodies = pager.bodies;
    let page = SearchPage { scores, total, total_is_exact, more, ..SearchPage::default() };
    page_of(view, bodies, places, page)
}

/// The page, if so many were found that it is full and others follow.
fn full_page(
    view: &View<'_>,
    bodies: &mut body::Reader,
    query: &Query,
    request: &PageRequest,
    found: Found<'_>,
) -> Result<Option<SearchPage>> {
    let mut pager = Pager { view, bodies, query, found, request, ranks: None, across: false };
    let mut places = pager.by_rid()?;
    if places.len() <= request.count {
        return Ok(None);
    }
    places.truncate(request.count);
    if request.backward {
        places.reverse();
    }
    let page = SearchPage { more: true, ..SearchPage::default() };
    page_of(view, bodies, places, page).map(Some)
}

/// The resources of the places, and where they begin and end.
pub(crate) fn page_of(
    view: &View<'_>,
    bodies: &mut body::Reader,
    places: Vec<Place>,
    page: SearchPage,
) -> Result<SearchPage> {
    let rids: Vec<Rid> = places.iter().map(|(_, rid)| *rid).collect();
    let rows = view.versions(&rids, bodies)?;
    let cursor =
        |place: Option<&Place>| place.map(|(key, rid)| Cursor { key: key.clone(), rid: *rid });
    let (first, last) = (cursor(places.first()), cursor(places.last()));
    Ok(SearchPage { rows, first, last, ..page })
}

/// The number of matches as far as it is asked for; what is unsure is verified for it.
pub(crate) fn total(
    view: &View<'_>,
    bodies: &mut body::Reader,
    found: &mut Found<'_>,
    wanted: Total,
) -> Result<Option<u64>> {
    let free = if found.needs_body() { BODIES_FREE_MAX } else { TOTAL_FREE_MAX };
    match wanted {
        Total::None => return Ok(None),
        // How much is unsure also depends on what may not be seen.
        Total::Free | Total::Estimate if found.n_unsure() > free && view.sees.is_everything() => {}
        Total::Free | Total::Estimate | Total::Accurate => found.settle(view, bodies)?,
    }
    Ok(Some(found.candidates.len()))
}
