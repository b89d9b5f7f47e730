//! Pages of a search result: order, paging, totals, includes.

use fhir_tables::{ResourceType, SearchKind};
use roaring::RoaringBitmap;
use search::params as search_params;
use search::query::{Include, Query, SortKey, Total};
use search::value::{IndexValue, Indexed};

use crate::body;
use crate::error::Result;
use crate::key;
use crate::plan::{self, Found};
use crate::snapshot::Snapshot;
use crate::types::{ChangeKind, Cursor, Head, PageRequest, Rid, SearchPage, Version};
use crate::view::View;

/// More candidates than this are not all read for sorting when the index can be walked in order.
const SORT_ALL_MAX: u64 = 4_000;
/// With less than one candidate in so many of a type, reading them all beats walking the index.
const WALK_SHARE: u64 = 16;
/// More unsure candidates than this are not verified just for a total that nobody asked for.
pub const TOTAL_FREE_MAX: u64 = 10_000;

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
    let found = plan::find(view, query)?;
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

/// A row in order: sort bytes, then version.
type Place = (Vec<u8>, Rid);

struct Pager<'a, 'q> {
    view: &'a View<'a>,
    bodies: &'a mut body::Reader,
    query: &'q Query,
    found: Found<'q>,
    request: &'a PageRequest,
}

impl Pager<'_, '_> {
    /// Places of the page, in the order of reading (reversed when backward), and one more.
    fn places(&mut self) -> Result<Vec<Place>> {
        if self.query.sort.is_empty() {
            return self.by_rid();
        }
        let first = self.query.sort[0];
        if first.kind == SearchKind::Date && self.is_worth_walking()? {
            return self.by_day(first);
        }
        let all = self.found.candidates.clone();
        let mut places = self.keyed(&all)?;
        self.cut(&mut places);
        Ok(places)
    }

    /// Whether the days of the whole type cost less to walk than the values of all candidates to
    /// read: not for one patient's share of a large record.
    fn is_worth_walking(&self) -> Result<bool> {
        let n = self.found.candidates.len();
        if n <= SORT_ALL_MAX {
            return Ok(false);
        }
        let of_type = self.view.fetch(&key::of_type(self.query.rt))?.len();
        Ok(n * WALK_SHARE >= of_type)
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
        let mut places = Vec::with_capacity(rids.len() as usize);
        if self.found.needs_body() {
            for rid in rids {
                if self.found.holds(self.view, self.bodies, rid)? {
                    let (id, at, values) = self.view.values(rid)?;
                    places.push((self.sort_bytes(&id, at, &values), rid));
                }
            }
            return Ok(places);
        }
        if self.found.is_exact() {
            let mut wanted: Vec<_> = self.query.sort.iter().map(|sort| sort.param).collect();
            wanted.sort_unstable();
            self.view.each_values_of(rids, &wanted, |rid, id, at, values| {
                places.push((self.sort_bytes(id, at, &values), rid));
                Ok(())
            })?;
            return Ok(places);
        }
        self.view.each_values(rids, |rid, id, at, values| {
            if self.found.accepts(rid, at, &values) {
                places.push((self.sort_bytes(id, at, &values), rid));
            }
            Ok(())
        })?;
        Ok(places)
    }

    fn sort_bytes(&self, id: &str, at: i64, values: &[Indexed]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for sort in &self.query.sort {
            let value = search::sort::sort_value(sort, self.query.rt, id, at, values).encode();
            // Parts are closed so that a part that begins another sorts before it.
            for b in value {
                bytes.push(b);
                if b == 0 {
                    bytes.push(255);
                }
            }
            bytes.extend([0, 0]);
        }
        bytes
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
    fn by_day(&mut self, sort: SortKey) -> Result<Vec<Place>> {
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
        sort: SortKey,
        updated: bool,
        candidates: &RoaringBitmap,
        places: &mut Vec<Place>,
    ) -> Result<()> {
        let view = self.view;
        let days = days_with(view, self.query.rt, sort, updated, candidates)?;
        let wanted = self.request.count + 1;
        let backward = self.request.backward != sort.descending;
        let cursor_day = match &self.request.from {
            Some(cursor) => self.day_at(sort, updated, cursor)?,
            None => None,
        };
        let mut each = |pager: &mut Self, day: i64, rids: &RoaringBitmap| -> Result<bool> {
            let passed = cursor_day.is_some_and(|c| if backward { day > c } else { day < c });
            if passed {
                return Ok(true);
            }
            let mut own = RoaringBitmap::new();
            for rid in rids {
                if updated || pager.is_day_of(rid, sort, day)? {
                    own.insert(rid);
                }
            }
            places.extend(pager.group(&own)?);
            Ok(places.len() < wanted)
        };
        if backward {
            for (day, rids) in days.iter().rev() {
                if !each(self, *day, rids)? {
                    break;
                }
            }
        } else {
            for (day, rids) in &days {
                if !each(self, *day, rids)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the version's place in the order is on this day: others stand under several days.
    fn is_day_of(&self, rid: Rid, sort: SortKey, day: i64) -> Result<bool> {
        let (_, _, values) = self.view.values(rid)?;
        Ok(plan::day_of(&values, sort.param, sort.descending) == Some(day))
    }

    /// The day on which the cursor stands; `None` when it stands among those without a value.
    fn day_at(&self, sort: SortKey, updated: bool, cursor: &Cursor) -> Result<Option<i64>> {
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

/// Candidates by the day under which the sort parameter puts them.
fn days_with(
    view: &View<'_>,
    rt: ResourceType,
    sort: SortKey,
    updated: bool,
    candidates: &RoaringBitmap,
) -> Result<std::collections::BTreeMap<i64, RoaringBitmap>> {
    let mut days = std::collections::BTreeMap::new();
    let longer = if sort.descending { b'E' } else { b'L' };
    let families: &[u8] = if updated { b"A" } else { &[b'D', longer] };
    for family in families {
        let mut prefix =
            if updated { key::updated_prefix(rt) } else { key::param(*family, sort.param) };
        // The level of single days.
        prefix.push(0);
        let Some(end) = key::after_prefix(&prefix) else { continue };
        view.walk(&prefix, &end, false, |k, rids| {
            let own = rids & candidates;
            if !own.is_empty() {
                *days.entry(key::day_of_key(&k[prefix.len()..])).or_default() |= own;
            }
            Ok(true)
        })?;
    }
    Ok(days)
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
            for row in rows.iter().filter(|row| row.rt == include.source) {
                let (_, _, values) = view.values(row.rid)?;
                for v in values {
                    let IndexValue::Reference { ty, id } = v.value else { continue };
                    let wanted = match include.param {
                        Some(param) => v.param == param,
                        None => v.param != search::value::NO_PARAM,
                    };
                    if !wanted || include.target.is_some_and(|t| t != ty) {
                        continue;
                    }
                    if let Some(ident) = view.ident(ty, &id)?
                        && ident.kind != ChangeKind::Delete
                        && seen.insert(ident.rid)
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
            let params: Vec<_> = match include.param {
                Some(param) => vec![param],
                None => search_params::of(include.source).map(|(param, _)| param).collect(),
            };
            let mut all = RoaringBitmap::new();
            for row in rows.iter().filter(|row| include.target.is_none_or(|t| t == row.rt)) {
                for param in &params {
                    all |= view.fetch(&key::reference(row.rt, &row.id, *param))?;
                }
            }
            let all = view.visible(all)?;
            let rids: Vec<Rid> = all.iter().take(limit).collect();
            view.versions(&rids, bodies)
        })
    }
}

fn search(
    view: &View<'_>,
    bodies: &mut body::Reader,
    query: &Query,
    request: &PageRequest,
) -> Result<SearchPage> {
    let mut found = plan::find(view, query)?;
    let total = match request.total {
        Total::None => None,
        Total::Estimate => {
            if found.n_unsure() <= TOTAL_FREE_MAX {
                found.settle(view, bodies)?;
            }
            Some(found.candidates.len())
        }
        Total::Accurate => {
            found.settle(view, bodies)?;
            Some(found.candidates.len())
        }
    };
    let total_is_exact = found.is_exact();
    if request.count == 0 {
        return Ok(SearchPage { total, total_is_exact, ..SearchPage::default() });
    }
    let mut pager = Pager { view, bodies, query, found, request };
    let mut places = pager.places()?;
    let more = places.len() > request.count;
    places.truncate(request.count);
    if request.backward {
        places.reverse();
    }
    let bodies = pager.bodies;
    let rids: Vec<Rid> = places.iter().map(|(_, rid)| *rid).collect();
    let rows = view.versions(&rids, bodies)?;
    let cursor =
        |place: Option<&Place>| place.map(|(key, rid)| Cursor { key: key.clone(), rid: *rid });
    Ok(SearchPage {
        rows,
        total,
        total_is_exact,
        first: cursor(places.first()),
        last: cursor(places.last()),
        more,
    })
}
