//! Searches: parse, ask the store, and put the stored text into a searchset.
//!
//! Source: FHIR R4 search.html, http.html#search, #paging. Page links carry the snapshot, signed:
//! a page neither repeats nor misses a row while others write.

use std::collections::HashSet;

use access::Action;
use fhir::issue::{Issue, IssueType};
use fhir_tables::ResourceType;
use search::parse::Setting;
use search::query::{self, Include, Node, Query, SortKey, SystemQuery, Total};
use store::{Cursor, PageRequest, Rid, Snapshot, Version};

use crate::audit;
use crate::error::{Error, Kind, Result, warning};
use crate::explain;
use crate::gate::{Asking, require};
use crate::links::{BundleText, append_query, full_url};
use crate::page_token::{self, PageToken};
use crate::record::{Outcome, Record};
use crate::request::{Handling, Response, Summary, View};
use crate::terms::Lookups;
use crate::write::text_of;

/// Matches on a page when the client does not say.
const COUNT_DEFAULT: u32 = 20;
/// Included resources of one page.
const INCLUDED_MAX: usize = 5_000;

/// Rounds of `:iterate` of one page.
const ROUNDS_MAX: usize = 100;
/// Longer places are left out of page links.
const CURSOR_KEY_MAX_BYTES: usize = 1_024;

/// Path and query of a search as text, for logs.
pub(crate) fn self_path(
    rt: Option<ResourceType>,
    compartment: Option<&(ResourceType, String)>,
    pairs: &[(String, String)],
) -> String {
    let mut out = path(rt, compartment);
    append_query(pairs, &mut out);
    out
}

fn path(rt: Option<ResourceType>, compartment: Option<&(ResourceType, String)>) -> String {
    let ty = rt.map_or("*", ResourceType::name);
    match compartment {
        Some((root, id)) => format!("{root}/{id}/{ty}"),
        None => ty.to_owned(),
    }
}

/// Parses a condition of the actor's: unknown parameters are refused, and so are chains over types
/// that the actor may not search.
pub(crate) fn parse_strict(
    rt: ResourceType,
    pairs: &[(String, String)],
    record: &Record,
    ctx: &Asking<'_>,
) -> Result<Query> {
    let handling = search::parse::Handling::Strict;
    let lookup = &Lookups::new(record, ctx, None);
    let setting = Setting { handling, base_url: record.base_url(), now_ms: ctx.at_ms, lookup };
    let mut query = parse(rt, None, pairs, setting)?;
    restrict(ctx, &mut query)?;
    Ok(query)
}

fn parse(
    rt: ResourceType,
    within: Option<(ResourceType, &str)>,
    pairs: &[(String, String)],
    setting: Setting<'_>,
) -> Result<Query> {
    search::parse::parse(rt, within, pairs, setting).map_err(refused)
}

fn refused(issues: Vec<Issue>) -> Error {
    let kind = match issues.first().map(|issue| issue.code) {
        Some(IssueType::NotSupported) => Kind::NotSupported,
        Some(IssueType::TooCostly) => Kind::TooMany,
        Some(IssueType::Exception) => Kind::Internal,
        Some(IssueType::Transient) => Kind::Unavailable,
        _ => Kind::Invalid,
    };
    Error::with_issues(kind, issues)
}

/// Takes out of the chains of a query the types that the actor may not search, as if nothing of
/// them were there.
///
/// Errors: `Forbidden` when a condition rests on such types alone.
fn restrict(ctx: &Asking<'_>, query: &mut Query) -> Result<()> {
    query.sort.iter_mut().try_for_each(|key| restrict_key(ctx, key))?;
    query.nodes.iter_mut().try_for_each(|node| restrict_node(ctx, node))
}

/// Order tells of what is compared.
fn restrict_key(ctx: &Asking<'_>, key: &mut SortKey) -> Result<()> {
    let Some((first, _)) = key.targets.first() else { return Ok(()) };
    let first = *first;
    key.targets.retain(|(rt, _)| ctx.may.some(Action::Search, *rt));
    if key.targets.is_empty() {
        require(ctx, Action::Search, Some(first))?;
    }
    key.targets.iter_mut().try_for_each(|(_, key)| restrict_key(ctx, key))
}

fn restrict_node(ctx: &Asking<'_>, node: &mut Node) -> Result<()> {
    match node {
        Node::Criterion(_) => Ok(()),
        Node::Chain(chain) => {
            let first = chain.targets.first().map(|(rt, _)| *rt);
            let may = |rt| ctx.may.some(Action::Search, rt);
            chain.targets.retain(|(rt, _)| may(*rt));
            if chain.targets.is_empty() && first.is_some() {
                require(ctx, Action::Search, first)?;
            }
            chain.targets.iter_mut().try_for_each(|(_, node)| restrict_node(ctx, node))
        }
        Node::Has(has) => {
            require(ctx, Action::Search, Some(has.source))?;
            restrict_node(ctx, &mut has.node)
        }
        Node::And(nodes) | Node::Or(nodes) => {
            nodes.iter_mut().try_for_each(|node| restrict_node(ctx, node))
        }
        Node::Not(node) => restrict_node(ctx, node),
    }
}

/// What the client asked for, apart from the query itself.
pub(crate) struct Asked<'a> {
    pub rt: Option<ResourceType>,
    pub compartment: Option<&'a (ResourceType, String)>,
    pub pairs: &'a [(String, String)],
    pub handling: Handling,
}

/// What is searched: the queries of a search across types, or one.
struct Queries {
    list: Vec<Query>,
    across: bool,
}

impl Queries {
    /// Where the controls stand, which are the same in all.
    fn controls(&self) -> &Query {
        &self.list[0]
    }
}

/// Reads the queries and leaves out what the actor may not search.
///
/// Errors: those of the parser; `Forbidden` when a named type, or everything, is left out.
fn read_queries(
    record: &Record,
    ctx: &Asking<'_>,
    asked: &Asked<'_>,
    pairs: &[(String, String)],
    lookup: &Lookups<'_>,
) -> Result<Queries> {
    let handling = match asked.handling {
        Handling::Strict => search::parse::Handling::Strict,
        Handling::Lenient => search::parse::Handling::Lenient,
    };
    let within = asked.compartment.map(|(root, id)| (*root, id.as_str()));
    let setting = Setting { handling, base_url: record.base_url(), now_ms: ctx.at_ms, lookup };
    if let Some(rt) = asked.rt {
        require(ctx, Action::Search, Some(rt))?;
        let mut query = parse(rt, within, pairs, setting)?;
        restrict(ctx, &mut query)?;
        return Ok(Queries { list: vec![query], across: false });
    }
    let SystemQuery { mut queries, is_named } =
        search::parse::parse_system(within, pairs, setting).map_err(refused)?;
    if is_named {
        queries.iter().try_for_each(|query| require(ctx, Action::Search, Some(query.rt)))?;
    }
    queries.retain(|query| ctx.may.some(Action::Search, query.rt));
    if queries.is_empty() {
        require(ctx, Action::Search, None)?;
    }
    queries.iter_mut().try_for_each(|query| restrict(ctx, query))?;
    Ok(Queries { list: queries, across: true })
}

/// Answers with a Bundle of type searchset; with `_explain=true` with a Parameters that tells how.
///
/// Errors: those of the parser; `Invalid` for a page link that is not ours; `Forbidden` for
/// `_explain` of somebody who is no administrator.
pub(crate) fn search(record: &Record, ctx: &Asking<'_>, asked: &Asked<'_>) -> Result<Outcome> {
    let (page_pairs, query_pairs): (Vec<_>, Vec<_>) =
        asked.pairs.iter().cloned().partition(|(name, _)| name == "_page");
    let (explain_pairs, query_pairs): (Vec<_>, Vec<_>) =
        query_pairs.into_iter().partition(|(name, _)| name == "_explain");
    let is_explained = explain::is_wanted(ctx, &explain_pairs)?;
    let lookup = &Lookups::new(record, ctx, None);
    let mut queries = read_queries(record, ctx, asked, &query_pairs, lookup)?;
    let mut own_path = match (asked.rt, asked.compartment) {
        (None, None) => String::new(),
        _ => format!("/{}", path(asked.rt, asked.compartment)),
    };
    let canonical = &queries.controls().canonical;
    if !canonical.is_empty() {
        own_path.push('?');
        own_path.push_str(canonical);
    }
    let token = match page_pairs.as_slice() {
        [] => None,
        [(_, text)] => Some(record.page_key().open(&own_path, text)?),
        _ => return Err(Error::new(Kind::Invalid, "_page is given twice")),
    };
    if let Some(token) = token.as_ref().filter(|_| lookup.is_used()) {
        // Value sets are those of the snapshot, like everything else on its pages.
        let lookup = &Lookups::new(record, ctx, Some(token.t));
        queries = read_queries(record, ctx, asked, &query_pairs, lookup)?;
    }
    let query = queries.controls();
    let mut of_log = None;
    if asked.rt == Some(ResourceType::AUDIT_EVENT)
        && !is_explained
        && !query.contained.inner
        && audit::search::is_part(ctx, Action::Search)
    {
        let asked_for = audit::search::AskedFor {
            query,
            compartment: asked.compartment,
            pairs: &query_pairs,
            own_path: &own_path,
            token: token.as_ref(),
            count: query.count.unwrap_or(COUNT_DEFAULT) as usize,
        };
        if let Some(outcome) = audit::search::search(record, ctx, &asked_for)? {
            return Ok(outcome);
        }
        of_log = Some(audit::search::remark());
    }
    let mut snapshot = match &token {
        None => record.store().snapshot(ctx.may.sees(Action::Search))?,
        Some(token) => record.store().snapshot_at(token.t, ctx.may.sees(Action::Search))?,
    };
    if is_explained {
        let plans = snapshot.explain(&queries.list, &|| record.now_us())?;
        return Ok(explain::answer(&plans));
    }
    let is_count = query.summary == query::Summary::Count;
    let count = if is_count { 0 } else { query.count.unwrap_or(COUNT_DEFAULT) as usize };
    let backward = token.as_ref().is_some_and(|token| token.backward);
    let from_end = token.as_ref().and_then(rows_from_end);
    let request = PageRequest {
        from: token.as_ref().map(|token| token.cursor.clone()).filter(|_| from_end.is_none()),
        backward,
        count: from_end.unwrap_or(count),
        total: if is_count { Total::Accurate } else { query.total.unwrap_or(Total::Free) },
    };
    let mut page = if queries.across {
        snapshot.search_across(&queries.list, &request)?
    } else if query.contained.inner {
        snapshot.search_contained(query, &request)?
    } else {
        snapshot.search(query, &request)?
    };
    if query.total.is_none() && !page.total_is_exact {
        // A wrong total that nobody asked for is worse than none.
        page.total = None;
    }
    let (included, is_cut) = snapshot.seen_by(ctx.may.sees(Action::Read), |snapshot| {
        included(snapshot, &queries.list, &page.rows)
    })?;

    let t = snapshot.at();
    let url = |token: Option<&PageToken>| page_token::url(record, &own_path, token);
    let size = page.rows.iter().chain(&included).map(|row| row.body.len() + 160).sum();
    let mut bundle = BundleText::new("searchset", Some(ctx.at_ms), page.total, size);
    bundle.link("self", &url(token.as_ref()));
    if !is_count {
        bundle.link("first", &url(None));
        let has_next = if backward { from_end.is_none() } else { page.more };
        let has_previous = if backward { page.more } else { token.is_some() };
        let at = |cursor: &Option<Cursor>, backward| {
            let mut cursor = cursor.clone()?;
            if cursor.key.len() > CURSOR_KEY_MAX_BYTES {
                // The store finds it again by the version.
                cursor.key.clear();
            }
            Some(PageToken { t, cursor, backward })
        };
        // An empty page has no place of its own: the way back starts where the way here ended.
        let here = token.as_ref().map(|token| token.cursor.clone());
        if has_next && let Some(next) = at(&page.last.clone().or(here.clone()), false) {
            bundle.link("next", &url(Some(&next)));
        }
        if has_previous && let Some(previous) = at(&page.first.clone().or(here), true) {
            bundle.link("previous", &url(Some(&previous)));
        }
        let total = page.total.filter(|_| page.total_is_exact);
        if let Some(cursor) = total.and_then(|total| end(total, count)) {
            bundle.link("last", &url(Some(&PageToken { t, cursor, backward: true })));
        }
    }
    let view = view_of(query);
    let mut outcome = Outcome { n: page.rows.len() + included.len(), ..Outcome::default() };
    let matches = Rows { rows: &page.rows, inner: &page.inner, scores: &page.scores };
    entries(&mut bundle, record, &matches, "match", (asked.rt, &view), &mut outcome)?;
    let included = Rows { rows: &included, inner: &[], scores: &[] };
    entries(&mut bundle, record, &included, "include", (asked.rt, &view), &mut outcome)?;
    let mut remarks = remarks(&queries.list, is_cut);
    remarks.extend(of_log);
    if !remarks.is_empty() {
        bundle.entry(|out| {
            out.push_str("\"resource\":");
            out.push_str(&fhir::issue::operation_outcome(&remarks));
            out.push_str(",\"search\":{\"mode\":\"outcome\"}");
        });
    }
    outcome.response = Response {
        status: 200,
        body: Some(bundle.finish()),
        issues: remarks,
        ..Response::default()
    };
    Ok(outcome)
}

/// Where the last page of several is read from: the end of the list, as many rows as are left
/// over by full pages.
fn end(total: u64, count: usize) -> Option<Cursor> {
    let rows = match total.checked_rem(count as u64)? {
        0 => count as u64,
        rows => rows,
    };
    let key = u32::try_from(rows).ok()?.to_be_bytes().to_vec();
    (total > count as u64).then_some(Cursor { key, rid: Rid::MAX })
}

/// The rows of the last page, when the token leads to it.
fn rows_from_end(token: &PageToken) -> Option<usize> {
    let rows = u32::from_be_bytes(token.cursor.key.as_slice().try_into().ok()?);
    (token.backward && token.cursor.rid == Rid::MAX).then_some(rows as usize)
}

pub(crate) fn view_of(query: &Query) -> View {
    let summary = match query.summary {
        query::Summary::False => Summary::False,
        query::Summary::True => Summary::True,
        query::Summary::Text => Summary::Text,
        query::Summary::Data => Summary::Data,
        query::Summary::Count => Summary::Count,
    };
    View { summary, elements: query.elements.clone() }
}

/// Rows of a page with what stands beside each.
struct Rows<'a> {
    rows: &'a [Version],
    inner: &'a [Option<store::Inner>],
    scores: &'a [f64],
}

/// `searched` is the type that the view is for.
fn entries(
    bundle: &mut BundleText,
    record: &Record,
    Rows { rows, inner, scores }: &Rows<'_>,
    mode: &str,
    (searched, view): (Option<ResourceType>, &View),
    outcome: &mut Outcome,
) -> Result<()> {
    for (row_idx, row) in rows.iter().enumerate() {
        let text = text_of(&row.body)?;
        audit::patients_in(row.head.rt, &row.head.id, &text, &mut outcome.patients);
        let inner = inner.get(row_idx).and_then(Option::as_ref);
        let text = match inner {
            Some(inner) => {
                let rt = searched.unwrap_or(row.head.rt);
                crate::view::apply(rt, inner.text.clone(), view)?
            }
            // A container of another type has other elements.
            None if searched.is_some_and(|rt| rt != row.head.rt) && mode == "match" => text,
            None => crate::view::apply(row.head.rt, text, view)?,
        };
        bundle.entry(|out| {
            full_url(record.base_url(), row.head.rt.name(), &row.head.id, out);
            if let Some(inner) = inner {
                // search.html#contained: the container, then the fragment.
                out.pop();
                out.push('#');
                out.push_str(&inner.id);
                out.push('"');
            }
            out.push_str(",\"resource\":");
            out.push_str(&text);
            out.push_str(",\"search\":{\"mode\":\"");
            out.push_str(mode);
            out.push('"');
            if let Some(score) = scores.get(row_idx) {
                out.push_str(&format!(",\"score\":{score:.3}"));
            }
            out.push('}');
        });
    }
    Ok(())
}

fn remarks(queries: &[Query], is_cut: bool) -> Vec<Issue> {
    let mut ignored: Vec<&String> = Vec::new();
    for name in queries.iter().flat_map(|query| &query.ignored) {
        if !ignored.contains(&name) {
            ignored.push(name);
        }
    }
    let mut remarks: Vec<Issue> = ignored
        .into_iter()
        .map(|name| {
            let text = format!("parameter {name} is not known and was ignored");
            warning(IssueType::NotSupported, String::new(), text)
        })
        .collect();
    if is_cut {
        let text = format!(
            "more than {INCLUDED_MAX} resources to include, or {ROUNDS_MAX} rounds of :iterate: \
             the rest was left out"
        );
        remarks.push(warning(IssueType::Incomplete, String::new(), text));
    }
    remarks
}

/// Resources that `_include` and `_revinclude` add: each once, matches left out. The snapshot
/// shows what the actor may read. The second value: there were more than [`INCLUDED_MAX`], or rounds
/// than [`ROUNDS_MAX`].
///
/// With `:iterate` it ends when a round finds nothing that is not there yet, cycles or not.
fn included(
    snapshot: &mut Snapshot,
    queries: &[Query],
    matches: &[Version],
) -> Result<(Vec<Version>, bool)> {
    let all_of = |list: fn(&Query) -> &Vec<Include>| {
        let mut all: Vec<&Include> = Vec::new();
        for include in queries.iter().flat_map(list) {
            if !all.contains(&include) {
                all.push(include);
            }
        }
        all
    };
    let (includes, revincludes) = (all_of(|q| &q.include), all_of(|q| &q.revinclude));
    let mut known: HashSet<u32> = matches.iter().map(|row| row.head.rid).collect();
    let mut all: Vec<Version> = Vec::new();
    let mut n_before = 0;
    let mut is_first = true;
    for _ in 0..ROUNDS_MAX {
        let from: &[Version] = if is_first { matches } else { &all[n_before..] };
        let mut found = Vec::new();
        let wanted = |include: &&&Include| is_first || include.iterate;
        for include in includes.iter().filter(wanted) {
            found.extend(snapshot.included(from, include)?);
        }
        for include in revincludes.iter().filter(wanted) {
            found.extend(snapshot.revincluded(from, include, INCLUDED_MAX + 1)?);
        }
        n_before = all.len();
        is_first = false;
        for row in found {
            if !known.insert(row.head.rid) {
                continue;
            }
            if all.len() == INCLUDED_MAX {
                return Ok((all, true));
            }
            all.push(row);
        }
        if all.len() == n_before {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}
