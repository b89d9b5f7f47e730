//! Searches that look into resources: `_contained=true` and `both`.
//!
//! Source: FHIR R4 search.html#contained. The index knows which versions contain a resource of a
//! type; whether it matches is decided on the body. Results come in commit order of the
//! containers.

use fhir::json::{Doc, Node};
use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::params;
use search::query::{Query, Total};
use search::world::{Known, World};

use crate::body;
use crate::error::{Error, Kind, Result};
use crate::key;
use crate::plan::{self, Cx, Found};
use crate::snapshot::Snapshot;
use crate::types::{Cursor, Inner, PageRequest, Rid, SearchPage, Version};
use crate::view::View;

/// More containers than this are not looked into just for a total that nobody asked for.
const CONTAINERS_FREE_MAX: u64 = 512;

/// A match: its number among those of the version (0 the version itself) and what it is.
type Match = (u32, Option<Inner>);

struct Search<'a, 'v> {
    view: &'a View<'v>,
    query: &'a Query,
    /// What stands on its own.
    own: Found<'a>,
    containers: RoaringBitmap,
}

impl Snapshot {
    /// One page of a search of contained resources; containers only of types that `may` be seen.
    pub fn search_contained(
        &mut self,
        query: &Query,
        request: &PageRequest,
        may: &dyn Fn(ResourceType) -> bool,
    ) -> Result<SearchPage> {
        self.with(|view, bodies| {
            let mut own = plan::find(&mut Cx::new(view, &mut *bodies), query)?;
            if !query.contained.own {
                own.candidates.clear();
            }
            let mut containers = view.fetch(&key::word(params::id_of(query.rt), "", 0))?;
            for rt in ResourceType::ALL.into_iter().filter(|rt| !may(*rt)) {
                containers -= view.fetch(&key::of_type(rt))?;
            }
            let containers = view.visible(containers)?;
            Search { view, query, own, containers }.page(bodies, request)
        })
    }
}

impl Search<'_, '_> {
    fn page(&self, bodies: &mut body::Reader, request: &PageRequest) -> Result<SearchPage> {
        let all = &self.own.candidates | &self.containers;
        let wants_total = match request.total {
            Total::None => false,
            Total::Estimate => self.containers.len() + self.own.n_unsure() <= CONTAINERS_FREE_MAX,
            Total::Accurate => true,
        };
        let mut total = None;
        if wants_total {
            let mut n = 0;
            for rid in &all {
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
            for (number, inner) in matches {
                let place = (rid, number.to_be_bytes().to_vec());
                let is_passed = request.from.as_ref().is_some_and(|from| {
                    let from = (from.rid, from.key.clone());
                    if request.backward { place >= from } else { place <= from }
                });
                if is_passed {
                    continue;
                }
                if rows.len() == request.count {
                    page.more = true;
                    break 'rows;
                }
                rows.push((Cursor { key: place.1, rid }, version.clone(), inner));
            }
        }
        if request.backward {
            rows.reverse();
        }
        page.first = rows.first().map(|(cursor, ..)| cursor.clone());
        page.last = rows.last().map(|(cursor, ..)| cursor.clone());
        for (_, version, inner) in rows {
            page.rows.push(version);
            page.inner.push(inner);
        }
        Ok(page)
    }

    /// What of a version matches, in order.
    fn matches(&self, rid: Rid, bodies: &mut body::Reader) -> Result<(Version, Vec<Match>)> {
        let version = self.view.version(rid, bodies)?;
        let mut found = Vec::new();
        if self.own.candidates.contains(rid) && self.own.holds(self.view, bodies, rid)? {
            found.push((0, None));
        }
        if !self.containers.contains(rid) {
            return Ok((version, found));
        }
        let doc = Doc::parse(version.body.clone())
            .map_err(|e| Error::with(Kind::Corrupt, "a stored body is no JSON", e))?;
        let at_ms = version.head.last_updated_ms;
        for (idx, inner) in doc.root().list("contained").enumerate() {
            if !self.is_match(inner, at_ms) {
                continue;
            }
            let number = u32::try_from(idx + 1).unwrap_or(u32::MAX);
            if !self.query.contained.shows_container {
                let id = inner.str("id").unwrap_or_default().into_owned();
                found.push((number, Some(Inner { id, text: inner.raw().to_owned() })));
            } else if found.is_empty() {
                // The container is shown once, however much of it matches.
                found.push((number, None));
            }
        }
        Ok((version, found))
    }

    fn is_match(&self, inner: Node<'_>, last_updated_ms: i64) -> bool {
        let rt = self.query.rt;
        if inner.str("resourceType").as_deref() != Some(rt.name()) {
            return false;
        }
        let id = inner.str("id").unwrap_or_default().into_owned();
        let values = search::index(rt, inner, "");
        self.query.matches_in(&World::default(), &Known { rt, id, last_updated_ms, values })
    }
}
