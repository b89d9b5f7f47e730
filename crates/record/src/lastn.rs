//! `Observation/$lastn`: the newest observations of each code.
//!
//! Source: FHIR R4 observation-operation-lastn.html. What a search finds is grouped by subject and
//! code; codings that stand together in one observation are the same code, and what they are the
//! same as is too. Codes without a coding are grouped by their text. Of each group the newest
//! `max` stay (default 1), and those that tie with the last of them; newest first.

use std::cmp::Reverse;
use std::collections::HashMap;

use access::Action;
use fhir::json::Doc;
use fhir_tables::ResourceType;
use search::value::{IndexValue, Indexed, ParamId};
use store::{Cursor, Rid, Snapshot};

use crate::audit;
use crate::error::{Error, Kind, Result};
use crate::gate::{Asking, require};
use crate::links::{BundleText, append_query, full_url, operation_path};
use crate::page_token::{self, PageToken};
use crate::record::{Outcome, Record};
use crate::request::{Operation, Response, Summary, View};

/// Observations that are grouped.
const GROUPED_MAX: usize = 20_000;
/// Largest `max`.
const MAX_MAX: usize = 1_000;
/// Observations of a page when the client does not say.
const COUNT_DEFAULT: u32 = 1_000;

/// Answers with a Bundle of type searchset.
///
/// Errors: those of a search; `Invalid` without subject, or without category and code; `TooMany`
/// when the search finds more than can be grouped.
pub(crate) fn lastn(
    record: &Record,
    ctx: &Asking<'_>,
    pairs: &[(String, String)],
) -> Result<Outcome> {
    let rt = ResourceType::OBSERVATION;
    require(ctx, Action::Search, Some(rt))?;
    let mut max = None;
    let (mut page, mut asked) = (None, Vec::new());
    for (name, value) in pairs {
        match name.as_str() {
            "max" if max.is_some() => {
                return Err(Error::new(Kind::Invalid, "max is given twice"));
            }
            "max" => {
                let n = value.parse().ok().filter(|n| (1..=MAX_MAX).contains(n));
                let text = || format!("max is a number from 1 to {MAX_MAX}");
                max = Some(n.ok_or_else(|| Error::new(Kind::Value, text()))?);
            }
            "_page" => page = Some(value.as_str()),
            _ => asked.push((name.clone(), value.clone())),
        }
    }
    require_scope(&asked)?;
    let query = crate::search::parse_strict(rt, &asked, record, ctx)?;
    if !query.include.is_empty() || !query.revinclude.is_empty() || !query.sort.is_empty() {
        let text = "$lastn has its own order and includes nothing: leave out _sort and _include";
        return Err(Error::new(Kind::NotSupported, text));
    }
    let mut own_path = operation_path(Operation::LastN, rt, None);
    let kept: Vec<_> = pairs.iter().filter(|(name, _)| name != "_page").cloned().collect();
    append_query(&kept, &mut own_path);
    let token = page.map(|text| record.page_key().open(&own_path, text)).transpose()?;
    let mut snapshot = match &token {
        None => record.store().snapshot(ctx.may.sees(Action::Search))?,
        Some(token) => record.store().snapshot_at(token.t, ctx.may.sees(Action::Search))?,
    };
    let heads = snapshot.search_heads(&query, GROUPED_MAX + 1)?;
    if heads.len() > GROUPED_MAX {
        let text = format!("more than {GROUPED_MAX} observations to group: add a date or a code");
        return Err(Error::new(Kind::TooMany, text));
    }
    let rids: Vec<Rid> = heads.iter().map(|head| head.rid).collect();
    let newest = newest(&mut snapshot, &rids, max.unwrap_or(1))?;

    let done = token.as_ref().and_then(|t| newest.iter().position(|rid| *rid == t.cursor.rid));
    let rest = &newest[done.map_or(0, |at| at + 1)..];
    let is_count = query.summary == search::query::Summary::Count;
    let count = if is_count { 0 } else { query.count.unwrap_or(COUNT_DEFAULT) as usize };
    let shown = &rest[..rest.len().min(count)];
    let url = |token: Option<&PageToken>| page_token::url(record, &own_path, token);
    let total = Some(newest.len() as u64);
    let mut bundle = BundleText::new("searchset", Some(ctx.at_ms), total, shown.len() * 1024);
    bundle.link("self", &url(token.as_ref()));
    if let Some(last) = shown.last().filter(|_| shown.len() < rest.len()) {
        let cursor = Cursor { key: Vec::new(), rid: *last };
        let next = PageToken { t: snapshot.at(), cursor, backward: false };
        bundle.link("next", &url(Some(&next)));
    }
    let view = View {
        summary: match query.summary {
            search::query::Summary::True => Summary::True,
            search::query::Summary::Text => Summary::Text,
            search::query::Summary::Data => Summary::Data,
            search::query::Summary::False | search::query::Summary::Count => Summary::False,
        },
        elements: query.elements.clone(),
    };
    let mut outcome = Outcome { n: shown.len(), ..Outcome::default() };
    for version in snapshot.versions(shown)? {
        audit::patients_of(&version, &mut outcome.patients);
        let text = crate::view::of(rt, &version.body, &view)?;
        bundle.entry(|out| {
            full_url(record.base_url(), rt.name(), &version.head.id, out);
            out.push_str(",\"resource\":");
            out.push_str(&text);
            out.push_str(",\"search\":{\"mode\":\"match\"}");
        });
    }
    outcome.response = Response { status: 200, body: Some(bundle.finish()), ..Response::default() };
    Ok(outcome)
}

/// Errors: `Invalid` when the search names no subject, or neither a category nor a code.
fn require_scope(pairs: &[(String, String)]) -> Result<()> {
    let has = |wanted: &dyn Fn(&str) -> bool| {
        pairs.iter().any(|(name, value)| {
            let code = name.split([':', '.']).next().unwrap_or_default();
            wanted(code) && !value.is_empty()
        })
    };
    if !has(&|code| matches!(code, "patient" | "subject")) {
        let text = "$lastn needs a subject: add patient=… or subject=…";
        return Err(Error::new(Kind::Invalid, text));
    }
    let is_code = |code: &str| code == "category" || code.split('-').any(|part| part == "code");
    if !has(&is_code) {
        let text = "$lastn needs a category or a code: add category=… or code=…";
        return Err(Error::new(Kind::Invalid, text));
    }
    Ok(())
}

/// Older than every time.
const UNDATED: (i64, i64) = (i64::MIN, i64::MIN);

/// What an observation is grouped and ordered by.
struct Row {
    rid: Rid,
    /// Number of one of its codes.
    code: usize,
    subject: Option<(ResourceType, String)>,
    /// End and start of the effective time; without one it is the oldest.
    at: (i64, i64),
}

/// Codes, and which of them are the same.
#[derive(Default)]
struct Codes {
    numbers: HashMap<(Option<String>, String), usize>,
    /// A number that stands for the same code; its own for the one that stands for all.
    same_as: Vec<usize>,
}

impl Codes {
    fn number(&mut self, system: Option<String>, code: String) -> usize {
        let next = self.same_as.len();
        let number = *self.numbers.entry((system, code)).or_insert(next);
        if number == next {
            self.same_as.push(next);
        }
        number
    }

    fn standing_for(&mut self, mut number: usize) -> usize {
        while self.same_as[number] != number {
            self.same_as[number] = self.same_as[self.same_as[number]];
            number = self.same_as[number];
        }
        number
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.standing_for(a), self.standing_for(b));
        self.same_as[a.max(b)] = a.min(b);
    }
}

/// The newest of each group, newest first.
fn newest(snapshot: &mut Snapshot, rids: &[Rid], max: usize) -> Result<Vec<Rid>> {
    let param = |code| search::params::find(ResourceType::OBSERVATION, code).expect("of R4").0;
    let (code, date, subject) = (param("code"), param("date"), param("subject"));
    let mut codes = Codes::default();
    let mut rows: Vec<Row> = Vec::with_capacity(rids.len());
    let mut uncoded = Vec::new();
    snapshot.each_values(rids, |rid, _, values| {
        let number = code_of(values, code, &mut codes);
        if number.is_none() {
            uncoded.push((rows.len(), rid));
        }
        let at = values.iter().find_map(|v| match v.value {
            IndexValue::Date { lo, hi } if v.param == date => Some((hi, lo)),
            _ => None,
        });
        let who = values.iter().find_map(|v| match &v.value {
            IndexValue::Reference { ty, id } if v.param == subject => Some((*ty, id.clone())),
            _ => None,
        });
        let at = at.unwrap_or(UNDATED);
        rows.push(Row { rid, code: number.unwrap_or_default(), subject: who, at });
    })?;
    // What has no coding is known by its text, which only the body holds.
    for (row_idx, rid) in uncoded {
        let body = snapshot.versions(&[rid])?.pop().map(|v| v.body).unwrap_or_default();
        let doc = Doc::parse(body)
            .map_err(|e| Error::new(Kind::Internal, "a stored resource is damaged").caused_by(e))?;
        let text = doc.root().get("code").and_then(|code| code.str("text")).unwrap_or_default();
        rows[row_idx].code = codes.number(Some("\0text".to_owned()), text.into_owned());
    }
    rows.sort_by_key(|row| (Reverse(row.at), Reverse(row.rid)));
    // By group: how many, and the time of the last one that counts.
    type Group = (usize, Option<(ResourceType, String)>);
    let mut groups: HashMap<Group, (usize, (i64, i64))> = HashMap::new();
    let mut newest = Vec::new();
    for row in rows {
        let group = (codes.standing_for(row.code), row.subject);
        let (n, last) = groups.entry(group).or_insert((0, row.at));
        let is_tie = *last == row.at && row.at != UNDATED;
        if *n < max || is_tie {
            (*n, *last) = (*n + 1, row.at);
            newest.push(row.rid);
        }
    }
    Ok(newest)
}

/// The code of an observation, its codings joined; `None` without a coding.
fn code_of(values: &[Indexed], param: ParamId, codes: &mut Codes) -> Option<usize> {
    let mut first = None;
    for value in values.iter().filter(|v| v.param == param) {
        let IndexValue::Token { system, code: Some(code) } = &value.value else { continue };
        let number = codes.number(system.clone(), code.clone());
        match first {
            None => first = Some(number),
            Some(first) => codes.join(first, number),
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sameness_of_codes_is_transitive() {
        let mut codes = Codes::default();
        let [a, b, c, d] =
            ["a", "b", "c", "d"].map(|code| codes.number(Some("s".to_owned()), code.to_owned()));
        assert_eq!(codes.number(Some("s".to_owned()), "a".to_owned()), a);
        assert_ne!(codes.number(None, "a".to_owned()), a);
        codes.join(c, d);
        codes.join(a, b);
        assert_ne!(codes.standing_for(a), codes.standing_for(c));
        codes.join(d, b);
        assert!([b, c, d].into_iter().all(|x| codes.standing_for(x) == codes.standing_for(a)));
    }
}
