//! Places of versions in an order: sort bytes, also by what references lead to.
//!
//! Source: FHIR R4 search.html#sort; the order of values is `search::sort`'s. A key that follows
//! references compares all candidates by the resources that they lead to now: those are read for
//! it, so there is a limit.

use std::collections::HashMap;

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::query::{Query, SortKey};
use search::sort::{SortValue, sort_value};
use search::value::{Indexed, ParamId};

use crate::error::{Error, Kind, Result};
use crate::plan::links::{each_link, of_type};
use crate::types::{Cursor, PageRequest, Rid};
use crate::view::View;

/// Resources that a `_sort` which follows references puts in order, at most.
pub const SORT_CHAINED_MAX: u64 = 20_000;

/// What the keys of a query need of other resources than the sorted ones.
pub struct Order<'q> {
    query: &'q Query,
    /// Of each chained key: the places of the versions that it leads on from.
    places: Vec<HashMap<Rid, SortValue>>,
}

impl<'q> Order<'q> {
    /// For putting these versions in order.
    ///
    /// Errors: `TooCostly` when a key follows references and they are more than
    /// [`SORT_CHAINED_MAX`].
    pub fn of(view: &View<'_>, query: &'q Query, rids: &RoaringBitmap) -> Result<Order<'q>> {
        let is_chained = query.sort.iter().any(SortKey::is_chained);
        if is_chained && rids.len() > SORT_CHAINED_MAX {
            let words = format!(
                "_sort by what references lead to puts {SORT_CHAINED_MAX} resources in order, and \
                 this search finds more: narrow it, or sort by a parameter of {}",
                query.rt
            );
            return Err(Error::new(Kind::TooCostly, words));
        }
        let chained = query.sort.iter().filter(|key| key.is_chained());
        let places = chained.map(|key| places(view, query.rt, key, rids)).collect::<Result<_>>()?;
        Ok(Order { query, places })
    }

    /// For no version at all.
    pub fn none(query: &'q Query) -> Order<'q> {
        Order { query, places: Vec::new() }
    }

    /// Parameters whose values [`Order::bytes`] needs, sorted.
    pub fn params(&self) -> Vec<ParamId> {
        let own = self.query.sort.iter().filter(|key| !key.is_chained());
        let mut params: Vec<ParamId> = own.map(|key| key.param).collect();
        params.sort_unstable();
        params
    }

    /// Bytes that compare like the places of versions.
    pub fn bytes(&self, rid: Rid, id: &str, at: i64, values: &[Indexed]) -> Vec<u8> {
        let mut chained = self.places.iter();
        joined(self.query.sort.iter().map(|key| {
            if key.is_chained() {
                let place = chained.next().and_then(|places| places.get(&rid));
                place.cloned().unwrap_or_else(SortValue::missing)
            } else {
                sort_value(key, self.query.rt, id, at, values)
            }
        }))
    }
}

/// Bytes that compare like the places under all keys, the first key first.
pub fn joined(places: impl IntoIterator<Item = SortValue>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in places {
        // Parts are closed so that a part that begins another sorts before it.
        for b in place.encode() {
            bytes.push(b);
            if b == 0 {
                bytes.push(255);
            }
        }
        bytes.extend([0, 0]);
    }
    bytes
}

/// Places of versions of a type under a key; those without a value, and those that may not be
/// seen, are left out.
pub fn places(
    view: &View<'_>,
    rt: ResourceType,
    key: &SortKey,
    rids: &RoaringBitmap,
) -> Result<HashMap<Rid, SortValue>> {
    let mut found: HashMap<Rid, SortValue> = HashMap::new();
    let rids = &view.admitted(rt, rids.clone())?;
    if !key.is_chained() {
        view.each_values_of(rids, &[key.param], |rid, id, at, values| {
            let place = sort_value(key, rt, id, at, &values);
            if !place.is_missing() {
                found.insert(rid, place);
            }
            Ok(())
        })?;
        return Ok(found);
    }
    let mut led: Vec<(Rid, Rid)> = Vec::new();
    each_link(view, key.param, rids, |rid, target| {
        led.extend(target.map(|target| (rid, target)));
    })?;
    let targets: RoaringBitmap = led.iter().map(|(_, target)| *target).collect();
    let mut behind: HashMap<Rid, SortValue> = HashMap::new();
    for (ty, key) in &key.targets {
        behind.extend(places(view, *ty, key, &of_type(view, *ty, &targets)?)?);
    }
    for (rid, target) in led {
        let Some(place) = behind.get(&target) else { continue };
        match found.get_mut(&rid) {
            Some(first) if *first <= *place => {}
            Some(first) => *first = place.clone(),
            None => {
                found.insert(rid, place.clone());
            }
        }
    }
    Ok(found)
}

/// The request with the place of its cursor, which a link may leave out: it follows from the
/// version that the cursor names.
pub fn with_place(
    view: &View<'_>,
    queries: &[Query],
    request: &PageRequest,
) -> Result<PageRequest> {
    let mut request = request.clone();
    if queries.iter().all(|query| query.sort.is_empty()) {
        return Ok(request);
    }
    let Some(from) = request.from.as_mut().filter(|from| from.key.is_empty()) else {
        return Ok(request);
    };
    let rt = view.head(from.rid)?.rt;
    let Some(query) = queries.iter().find(|query| query.rt == rt && !query.sort.is_empty()) else {
        return Ok(request);
    };
    let (id, at, values) = view.values(from.rid)?;
    let order = Order::of(view, query, &std::iter::once(from.rid).collect())?;
    *from = Cursor { key: order.bytes(from.rid, &id, at, &values), rid: from.rid };
    Ok(request)
}
