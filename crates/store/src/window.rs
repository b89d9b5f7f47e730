//! Where a page in commit order is looked for first.
//!
//! The lists of a range of dates or numbers hold a good part of a large record, and all of them
//! would have to be joined before the first row is known. Most pages are full of what stands in a
//! small part of the type; looking at the rest would only serve a total that nobody asked for.
//! Where the part does not fill the page, the search is carried out on everything.

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::query::{Query, Total};

use crate::error::Result;
use crate::key;
use crate::plan;
use crate::rank;
use crate::types::{PageRequest, Rid};
use crate::view::View;

/// Versions of a type that are looked at first.
const VERSIONS: u64 = if cfg!(test) { 64 } else { 1 << 16 };

/// The versions to look at first; `None`: all at once.
pub fn of(view: &View<'_>, query: &Query, request: &PageRequest) -> Result<Option<RoaringBitmap>> {
    let is_wanted = matches!(request.total, Total::None | Total::Free)
        && request.count > 0
        && query.sort.is_empty()
        && query.compartment.is_none()
        && !rank::is_ranked(query)
        && plan::gathers_ranges(query)
        // What may not be seen must not decide whether there is a total.
        && view.sees.is_everything();
    if !is_wanted {
        return Ok(None);
    }
    let from = request.from.as_ref().map(|cursor| cursor.rid);
    part_of_type(view, query.rt, from, request.backward)
}

/// The first versions of a type behind `from`, or the last before it when `backward`; `None` when
/// there are not many more than those.
fn part_of_type(
    view: &View<'_>,
    rt: ResourceType,
    from: Option<Rid>,
    backward: bool,
) -> Result<Option<RoaringBitmap>> {
    let key = key::of_type(rt);
    let all = view.kept_or_read(&key)?;
    let n_up_to = all.rank(from.unwrap_or(if backward { Rid::MAX } else { 0 }));
    let n_ahead = if backward { n_up_to } else { all.len() - n_up_to };
    if n_ahead < 2 * VERSIONS {
        return Ok(None);
    }
    let first = if backward { n_up_to - VERSIONS } else { n_up_to };
    let at = |place: u64| all.select(u32::try_from(place).ok()?);
    let (Some(low), Some(high)) = (at(first), at(first + VERSIONS - 1)) else { return Ok(None) };
    let mut part = RoaringBitmap::new();
    part.insert_range(low..=high);
    part &= &*all;
    for generation in view.generations {
        generation.get(&key, &mut part);
    }
    part.remove_range(..low);
    part.remove_range(high.saturating_add(1)..);
    Ok(Some(part))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use search::lookup::NoRecord;
    use search::parse::{Handling, Setting};

    use super::*;
    use crate::{DataKey, Expect, Put, PutKind, SearchPage, Store, WriteSet};

    const RT: ResourceType = ResourceType::OBSERVATION;

    fn put(n: u32, day: u32) -> Put {
        let text = format!(
            r#"{{"resourceType":"Observation","id":"o{n}","meta":{{}},"effectiveDateTime":"2026-03-{day:02}","status":"{}"}}"#,
            if n.is_multiple_of(40) { "amended" } else { "final" }
        );
        let doc = fhir::json::Doc::parse(text.as_str()).expect("JSON");
        let values = search::index(RT, doc.root(), "");
        let meta_at = text.find("\"meta\":{").expect("meta") + 8;
        Put {
            rt: RT,
            id: format!("o{n}"),
            kind: PutKind::Write,
            text,
            meta_at,
            values,
            references: Vec::new(),
            expect: Expect::Any,
        }
    }

    fn query(pairs: &[(&str, &str)]) -> Query {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let setting =
            Setting { handling: Handling::Strict, base_url: "", now_ms: 0, lookup: &NoRecord };
        search::parse::parse(RT, None, &pairs, setting).expect("a query")
    }

    /// Every page in one direction, in commit order, and how many of them had a total.
    fn paged(store: &Store, query: &Query, total: Total, backward: bool) -> (Vec<Vec<Rid>>, usize) {
        let mut snapshot = store.snapshot(search::Sees::everything()).expect("snapshot");
        let (mut pages, mut n_totals, mut from) = (Vec::new(), 0, None);
        loop {
            let request = PageRequest { from, backward, count: 7, total };
            let page: SearchPage = snapshot.search(query, &request).expect("page");
            n_totals += usize::from(page.total.is_some());
            pages.push(page.rows.iter().map(|row| row.head.rid).collect());
            from = if backward { page.first } else { page.last };
            if !page.more {
                return (pages, n_totals);
            }
        }
    }

    #[test]
    fn pages_of_a_part_are_those_of_the_whole() {
        let folder = std::env::temp_dir().join(format!("vitae-window-{}", std::process::id()));
        let now = AtomicI64::new(1_790_000_000_000);
        let clock = Arc::new(move || now.fetch_add(1, Ordering::SeqCst));
        let key = DataKey::random().expect("key");
        let store = Store::create(&folder, &key, clock.clone()).expect("store");
        // What answers is dense at the beginning, then rare; some of it was changed since.
        for part in 0..12u32 {
            let day = |n: u32| if n < 400 || n.is_multiple_of(97) { 5 } else { 20 };
            let puts = (part * 100..part * 100 + 100).map(|n| put(n, day(n))).collect();
            store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
        }
        let puts = (0..30).map(|n| put(n * 9, 5)).collect();
        store.commit(WriteSet { puts, ..WriteSet::default() }).expect("commit");
        let check = |store: &Store| {
            for pairs in [
                &[("date", "le2026-03-10")][..],
                &[("date", "2026-03-05"), ("status", "amended")],
                &[("date", "ge2026-03-01")],
                &[("date", "ge2027")],
            ] {
                let query = query(pairs);
                for backward in [false, true] {
                    let (whole, _) = paged(store, &query, Total::Accurate, backward);
                    for total in [Total::Free, Total::None] {
                        let (pages, n_totals) = paged(store, &query, total, backward);
                        assert_eq!(pages, whole, "{pairs:?} {backward}");
                        let is_dense = pairs[0].1 == "ge2026-03-01";
                        assert!(!is_dense || n_totals < pages.len(), "no part was looked at");
                    }
                }
            }
        };
        check(&store);
        drop(store);
        check(&Store::open(&folder, &key, clock).expect("store"));
        std::fs::remove_dir_all(&folder).expect("own folder");
    }
}
