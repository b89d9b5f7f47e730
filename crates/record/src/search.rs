//! Searches: parse, ask the store, and put the stored text into a searchset.
//!
//! Source: FHIR R4 search.html, http.html#search, #paging. Page links carry the snapshot, signed:
//! a page neither repeats nor misses a row while others write.
//! Not here: search across types; `Patient/1/*`.

use std::collections::HashSet;

use fhir::issue::{Issue, IssueType};
use fhir_tables::ResourceType;
use search::parse::Setting;
use search::query::{self, Include, Node, Query, Total};
use store::{Cursor, PageRequest, Snapshot, Version};

use crate::access::{Decision, permit, require};
use crate::audit;
use crate::ctx::{Action, Ctx};
use crate::error::{Error, Kind, Result, warning};
use crate::links::{BundleText, append_query, full_url};
use crate::page_token::PageToken;
use crate::record::{Outcome, Record};
use crate::request::{Handling, Response, Summary, View};
use crate::terms::Lookups;
use crate::write::text_of;

/// Matches on a page when the client does not say.
const COUNT_DEFAULT: u32 = 20;
/// Included resources of one page.
const INCLUDED_MAX: usize = 5_000;
/// Rounds of `:iterate`.
const ROUNDS_MAX: usize = 8;

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

/// Parses a condition: unknown parameters are refused.
pub(crate) fn parse_strict(
    rt: ResourceType,
    pairs: &[(String, String)],
    record: &Record,
    now_ms: i64,
) -> Result<Query> {
    let handling = search::parse::Handling::Strict;
    let lookup = &Lookups::new(record, None);
    parse(rt, None, pairs, Setting { handling, base_url: record.base_url(), now_ms, lookup })
}

fn parse(
    rt: ResourceType,
    within: Option<(ResourceType, &str)>,
    pairs: &[(String, String)],
    setting: Setting<'_>,
) -> Result<Query> {
    search::parse::parse(rt, within, pairs, setting).map_err(|issues| {
        let kind = match issues.first().map(|issue| issue.code) {
            Some(IssueType::NotSupported) => Kind::NotSupported,
            Some(IssueType::TooCostly) => Kind::TooMany,
            Some(IssueType::Exception) => Kind::Internal,
            Some(IssueType::Transient) => Kind::Unavailable,
            _ => Kind::Invalid,
        };
        Error::with_issues(kind, issues)
    })
}

/// Takes out of the chains of a query the types that the actor may not search, as if nothing of
/// them were there.
///
/// Errors: `Forbidden` when a condition rests on such types alone.
pub(crate) fn restrict(ctx: &Ctx, query: &mut Query) -> Result<()> {
    query.nodes.iter_mut().try_for_each(|node| restrict_node(ctx, node))
}

fn restrict_node(ctx: &Ctx, node: &mut Node) -> Result<()> {
    match node {
        Node::Criterion(_) => Ok(()),
        Node::Chain(chain) => {
            let first = chain.targets.first().map(|(rt, _)| *rt);
            let may = |rt| permit(ctx, Action::Search, Some(rt), None) == Decision::Permit;
            chain.targets.retain(|(rt, _)| may(*rt));
            if chain.targets.is_empty() && first.is_some() {
                require(ctx, Action::Search, first, None)?;
            }
            chain.targets.iter_mut().try_for_each(|(_, node)| restrict_node(ctx, node))
        }
        Node::Has(has) => {
            require(ctx, Action::Search, Some(has.source), None)?;
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

/// Answers with a Bundle of type searchset.
///
/// Errors: those of the parser, and `Invalid` for a page link that is not ours.
pub(crate) fn search(record: &Record, ctx: &Ctx, asked: &Asked<'_>) -> Result<Outcome> {
    let Some(rt) = asked.rt else {
        return Err(Error::new(
            Kind::NotSupported,
            "search across types is not offered: name the type, as in Observation?…",
        ));
    };
    require(ctx, Action::Search, Some(rt), None)?;
    let (page_pairs, query_pairs): (Vec<_>, Vec<_>) =
        asked.pairs.iter().cloned().partition(|(name, _)| name == "_page");
    let handling = match asked.handling {
        Handling::Strict => search::parse::Handling::Strict,
        Handling::Lenient => search::parse::Handling::Lenient,
    };
    let within = asked.compartment.map(|(root, id)| (*root, id.as_str()));
    let lookup = &Lookups::new(record, None);
    let setting = Setting { handling, base_url: record.base_url(), now_ms: ctx.at_ms, lookup };
    let mut query = parse(rt, within, &query_pairs, setting)?;
    restrict(ctx, &mut query)?;
    let mut own_path = path(Some(rt), asked.compartment);
    if !query.canonical.is_empty() {
        own_path.push('?');
        own_path.push_str(&query.canonical);
    }
    let token = match page_pairs.as_slice() {
        [] => None,
        [(_, text)] => Some(record.page_key().open(&own_path, text)?),
        _ => return Err(Error::new(Kind::Invalid, "_page is given twice")),
    };
    if let Some(token) = token.as_ref().filter(|_| lookup.is_used()) {
        // Value sets are those of the snapshot, like everything else on its pages.
        let lookup = &Lookups::new(record, Some(token.t));
        query = parse(rt, within, &query_pairs, Setting { lookup, ..setting })?;
        restrict(ctx, &mut query)?;
    }
    let mut snapshot = match &token {
        None => record.store().snapshot()?,
        Some(token) => record.store().snapshot_at(token.t)?,
    };
    let is_count = query.summary == query::Summary::Count;
    let count = if is_count { 0 } else { query.count.unwrap_or(COUNT_DEFAULT) as usize };
    let backward = token.as_ref().is_some_and(|token| token.backward);
    let request = PageRequest {
        from: token.as_ref().map(|token| token.cursor.clone()),
        backward,
        count,
        total: if is_count { Total::Accurate } else { query.total.unwrap_or(Total::Estimate) },
    };
    let mut page = if query.contained.inner {
        let may = |rt| permit(ctx, Action::Search, Some(rt), None) == Decision::Permit;
        snapshot.search_contained(&query, &request, &may)?
    } else {
        snapshot.search(&query, &request)?
    };
    if query.total.is_none() && !page.total_is_exact {
        // A wrong total that nobody asked for is worse than none.
        page.total = None;
    }
    let (included, is_cut) = included(&mut snapshot, ctx, &query, &page.rows)?;

    let t = snapshot.at();
    let url = |token: Option<&PageToken>| {
        let mut url = format!("{}/{own_path}", record.base_url());
        if let Some(token) = token {
            let text = record.page_key().seal(&own_path, token);
            append_query(&[("_page".to_owned(), text)], &mut url);
        }
        url
    };
    let size = page.rows.iter().chain(&included).map(|row| row.body.len() + 160).sum();
    let mut bundle = BundleText::new("searchset", Some(ctx.at_ms), page.total, size);
    bundle.link("self", &url(token.as_ref()));
    if !is_count {
        bundle.link("first", &url(None));
        let has_next = if backward { true } else { page.more };
        let has_previous = if backward { page.more } else { token.is_some() };
        let at = |cursor: &Option<Cursor>, backward| {
            cursor.clone().map(|cursor| PageToken { t, cursor, backward })
        };
        // An empty page has no place of its own: the way back starts where the way here ended.
        let here = token.as_ref().map(|token| token.cursor.clone());
        if has_next && let Some(next) = at(&page.last.clone().or(here.clone()), false) {
            bundle.link("next", &url(Some(&next)));
        }
        if has_previous && let Some(previous) = at(&page.first.clone().or(here), true) {
            bundle.link("previous", &url(Some(&previous)));
        }
    }
    let view = view_of(&query);
    let mut outcome = Outcome { n: page.rows.len() + included.len(), ..Outcome::default() };
    let matches = Rows { rows: &page.rows, inner: &page.inner, scores: &page.scores };
    entries(&mut bundle, record, &matches, "match", (rt, &view), &mut outcome)?;
    let included = Rows { rows: &included, inner: &[], scores: &[] };
    entries(&mut bundle, record, &included, "include", (rt, &view), &mut outcome)?;
    let remarks = remarks(&query, is_cut);
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

fn view_of(query: &Query) -> View {
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
    (searched, view): (ResourceType, &View),
    outcome: &mut Outcome,
) -> Result<()> {
    for (row_idx, row) in rows.iter().enumerate() {
        let text = text_of(&row.body)?;
        audit::patients_in(row.head.rt, &row.head.id, &text, &mut outcome.patients);
        let inner = inner.get(row_idx).and_then(Option::as_ref);
        let text = match inner {
            Some(inner) => crate::view::apply(searched, inner.text.clone(), view)?,
            // A container of another type has other elements.
            None if row.head.rt != searched && mode == "match" => text,
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

fn remarks(query: &Query, is_cut: bool) -> Vec<Issue> {
    let mut remarks: Vec<Issue> = query
        .ignored
        .iter()
        .map(|name| {
            let text = format!("parameter {name} is not known and was ignored");
            warning(IssueType::NotSupported, String::new(), text)
        })
        .collect();
    if is_cut {
        let text = format!("more than {INCLUDED_MAX} resources to include: the rest was left out");
        remarks.push(warning(IssueType::Incomplete, String::new(), text));
    }
    remarks
}

/// Resources that `_include` and `_revinclude` add: each once, matches left out, only of types
/// that the actor may read. The second value: there were more than [`INCLUDED_MAX`].
fn included(
    snapshot: &mut Snapshot,
    ctx: &Ctx,
    query: &Query,
    matches: &[Version],
) -> Result<(Vec<Version>, bool)> {
    if query.include.is_empty() && query.revinclude.is_empty() {
        return Ok((Vec::new(), false));
    }
    let mut known: HashSet<u32> = matches.iter().map(|row| row.head.rid).collect();
    let mut all: Vec<Version> = Vec::new();
    let mut n_before = 0;
    for round in 0..ROUNDS_MAX {
        let from: &[Version] = if round == 0 { matches } else { &all[n_before..] };
        let mut found = Vec::new();
        let wanted = |include: &&Include| round == 0 || include.iterate;
        for include in query.include.iter().filter(wanted) {
            found.extend(snapshot.included(from, include)?);
        }
        for include in query.revinclude.iter().filter(wanted) {
            found.extend(snapshot.revincluded(from, include, INCLUDED_MAX + 1)?);
        }
        n_before = all.len();
        for row in found {
            let may = permit(ctx, Action::Read, Some(row.head.rt), Some(&row.head.id));
            if may != Decision::Permit || !known.insert(row.head.rid) {
                continue;
            }
            if all.len() == INCLUDED_MAX {
                return Ok((all, true));
            }
            all.push(row);
        }
        if all.len() == n_before {
            break;
        }
    }
    Ok((all, false))
}
