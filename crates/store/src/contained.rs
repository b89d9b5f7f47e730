//! Searches that look into resources: `_contained=true` and `both`.
//!
//! Source: FHIR R4 search.html#contained. The index knows which versions contain a resource of a
//! type; whether it matches is decided on the body ([`crate::inside`]). Without `_sort` results come
//! in commit order of the containers.

use roaring::RoaringBitmap;
use search::query::{Query, Total};

use crate::body;
use crate::error::{Error, Kind, Result};
use crate::inside::{Family, Member, Test, containers};
use crate::plan::{self, Cx, Found};
use crate::snapshot::Snapshot;
use crate::sorting::{Order, joined};
use crate::types::{Cursor, Inner, PageRequest, Rid, SearchPage, Version};
use crate::view::View;

/// More containers than this are not looked into just for a total that nobody asked for.
const CONTAINERS_FREE_MAX: u64 = 512;
/// Containers and resources on their own that a `_sort` puts in order, at most.
pub const SORT_CONTAINED_MAX: u64 = 2_000;

/// What of a version matches.
struct Match {
    /// Among those of the version; 0 the version itself.
    number: u32,
    inner: Option<Inner>,
    /// Sort bytes.
    place: Vec<u8>,
}

struct Search<'a, 'v> {
    view: &'a View<'v>,
    query: &'a Query,
    /// What stands on its own.
    own: Found<'a>,
    order: Order<'a>,
    containers: RoaringBitmap,
    tests: Vec<Test<'a>>,
}

impl Snapshot {
    /// One page of a search of contained resources, in containers that may be seen.
    ///
    /// Errors: `TooCostly` when more than [`SORT_CONTAINED_MAX`] are to be put in order.
    pub fn search_contained(&mut self, query: &Query, request: &PageRequest) -> Result<SearchPage> {
        self.with(|view, bodies| {
            let mut cx = Cx::new(view, &mut *bodies);
            let mut own = plan::find(&mut cx, query)?;
            if !query.contained.own {
                own.candidates.clear();
            }
            let nodes = query.nodes.iter().map(|node| Test::new(&mut cx, node));
            let tests = nodes.collect::<Result<Vec<_>>>()?;
            let containers = view.visible_of_any(containers(view, query.rt)?)?;
            let all = &own.candidates | &containers;
            let is_sorted = !query.sort.is_empty();
            if is_sorted && request.count > 0 && all.len() > SORT_CONTAINED_MAX {
                let words = format!(
                    "_sort with _contained looks into {SORT_CONTAINED_MAX} resources, and this \
                     search has {}: leave _sort out",
                    all.len()
                );
                return Err(Error::new(Kind::TooCostly, words));
            }
            let order = match is_sorted && request.count > 0 {
                true => Order::of(view, query, &own.candidates)?,
                false => Order::none(query),
            };
            let search = Search { view, query, own, order, containers, tests };
            if is_sorted && request.count > 0 {
                search.sorted_page(bodies, request, &all)
            } else {
                search.page(bodies, request, &all)
            }
        })
    }
}

impl Search<'_, '_> {
    /// A page in commit order.
    fn page(
        &self,
        bodies: &mut body::Reader,
        request: &PageRequest,
        all: &RoaringBitmap,
    ) -> Result<SearchPage> {
        let wants_total = match request.total {
            Total::None => false,
            Total::Free | Total::Estimate => {
                self.containers.len() + self.own.n_unsure() <= CONTAINERS_FREE_MAX
            }
            Total::Accurate => true,
        };
        let mut total = None;
        if wants_total {
            let mut n = 0;
            for rid in all {
                n += self.matches(rid, bodies)?.1.len() as u64;
            }
            total = Some(n);
        }
        let mut page = SearchPage { total, total_is_exact: total.is_some(), ..Default::default() };
        if request.count == 0 {
            return Ok(page);
        }
        let mut rows: Vec<(Cursor, Version, Option<Inner>)> = Vec::new();
        let mut rids: Vec<Rid> = match &request.from {
            Some(from) if request.backward => all.iter().take_while(|r| *r <= from.rid).collect(),
            Some(from) => all.iter().skip_while(|r| *r < from.rid).collect(),
            None => all.iter().collect(),
        };
        if request.backward {
            rids.reverse();
        }
        'rows: for rid in rids {
            let (version, mut matches) = self.matches(rid, bodies)?;
            if request.backward {
                matches.reverse();
            }
            for Match { number, inner, .. } in matches {
                let cursor = cursor(rid, number);
                let is_passed = request.from.as_ref().is_some_and(|from| {
                    let (place, from) = ((rid, &cursor.key), (from.rid, &from.key));
                    if request.backward { place >= from } else { place <= from }
                });
                if is_passed {
                    continue;
                }
                if rows.len() == request.count {
                    page.more = true;
                    break 'rows;
                }
                rows.push((cursor, version.clone(), inner));
            }
        }
        if request.backward {
            rows.reverse();
        }
        fill(&mut page, rows);
        Ok(page)
    }

    /// A page in the order of the query: everything is looked at.
    fn sorted_page(
        &self,
        bodies: &mut body::Reader,
        request: &PageRequest,
        all: &RoaringBitmap,
    ) -> Result<SearchPage> {
        let mut found: Vec<(Vec<u8>, Rid, u32, Option<Inner>)> = Vec::new();
        for rid in all {
            for Match { number, inner, place } in self.matches(rid, bodies)?.1 {
                found.push((place, rid, number, inner));
            }
        }
        found.sort_unstable_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
        let total = (request.total != Total::None).then_some(found.len() as u64);
        if request.backward {
            found.reverse();
        }
        let start = match &request.from {
            None => 0,
            Some(from) => {
                let at =
                    found.iter().position(|(_, rid, number, _)| cursor(*rid, *number) == *from);
                at.map_or(found.len(), |at| at + 1)
            }
        };
        let more = found.len() - start > request.count;
        let mut rows = Vec::new();
        for (_, rid, number, inner) in found.into_iter().skip(start).take(request.count) {
            rows.push((cursor(rid, number), self.view.version(rid, bodies)?, inner));
        }
        if request.backward {
            rows.reverse();
        }
        let is_exact = total.is_some();
        let mut page = SearchPage { total, total_is_exact: is_exact, more, ..Default::default() };
        fill(&mut page, rows);
        Ok(page)
    }

    /// What of a version matches, in order.
    fn matches(&self, rid: Rid, bodies: &mut body::Reader) -> Result<(Version, Vec<Match>)> {
        let version = self.view.version(rid, bodies)?;
        let mut found: Vec<Match> = Vec::new();
        if self.own.candidates.contains(rid) && self.own.holds(self.view, bodies, rid)? {
            let place = match self.query.sort.is_empty() {
                true => Vec::new(),
                false => {
                    let (id, at, values) = self.view.values(rid)?;
                    self.order.bytes(rid, &id, at, &values)
                }
            };
            found.push(Match { number: 0, inner: None, place });
        }
        if !self.containers.contains(rid) {
            return Ok((version, found));
        }
        let family = Family::read(&version)?;
        for (idx, member) in family.inner.iter().enumerate() {
            if !self.is_match(&family, member)? {
                continue;
            }
            let number = u32::try_from(idx + 1).unwrap_or(u32::MAX);
            let keys = self.query.sort.iter();
            let places = keys.map(|key| family.place(self.view, &member.known, key));
            let place = joined(places.collect::<Result<Vec<_>>>()?);
            if !self.query.contained.shows_container {
                let inner = Inner { id: member.known.id.clone(), text: member.text.clone() };
                found.push(Match { number, inner: Some(inner), place });
                continue;
            }
            // The container is shown once, where the first of its matches stands.
            match found.first_mut() {
                Some(first) => first.place = place.min(std::mem::take(&mut first.place)),
                None => found.push(Match { number, inner: None, place }),
            }
        }
        Ok((version, found))
    }

    fn is_match(&self, family: &Family, member: &Member) -> Result<bool> {
        if member.known.rt != self.query.rt || !self.query.is_in_compartment(&member.known) {
            return Ok(false);
        }
        for test in &self.tests {
            if !family.holds(self.view, member, test)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn cursor(rid: Rid, number: u32) -> Cursor {
    Cursor { key: number.to_be_bytes().to_vec(), rid }
}

fn fill(page: &mut SearchPage, rows: Vec<(Cursor, Version, Option<Inner>)>) {
    page.first = rows.first().map(|(cursor, ..)| cursor.clone());
    page.last = rows.last().map(|(cursor, ..)| cursor.clone());
    for (_, version, inner) in rows {
        page.rows.push(version);
        page.inner.push(inner);
    }
}
