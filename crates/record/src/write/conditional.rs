//! What a condition selects: `If-None-Exist`, `PUT [type]?…`, conditional references.
//!
//! Source: FHIR R4 http.html#ccreate, #cond-update, #cdelete.

use access::Action;
use fhir_tables::ResourceType;
use search::query::Query;
use store::{Head, Snapshot};

use crate::error::{Error, Kind, Result};
use crate::gate::Asking;
use crate::record::Record;
use crate::route::parse_query;

/// How many resources a condition selects.
pub(crate) enum Selected {
    None,
    One(Head),
    Many,
}

/// Reads a condition.
///
/// Errors: what the search parser finds; `Invalid` for a condition that selects everything.
pub(crate) fn query(
    ctx: &Asking<'_>,
    rt: ResourceType,
    text: &str,
    record: &Record,
) -> Result<Query> {
    let query = crate::search::parse_strict(rt, &parse_query(text), record, ctx)?;
    if query.nodes.is_empty() {
        let text = format!("the condition on {rt} is empty: it would select every {rt}");
        return Err(Error::new(Kind::Invalid, text));
    }
    Ok(query)
}

/// What `query` selects in the snapshot for who asks.
pub(crate) fn select(ctx: &Asking<'_>, snapshot: &mut Snapshot, query: &Query) -> Result<Selected> {
    let sees = ctx.may.sees(Action::Search);
    let mut heads = snapshot.seen_by(sees, |snapshot| snapshot.search_heads(query, 2))?;
    Ok(match heads.len() {
        0 => Selected::None,
        1 => Selected::One(heads.remove(0)),
        _ => Selected::Many,
    })
}

/// The error for a condition that selects more than one.
pub(crate) fn many(rt: ResourceType, text: &str) -> Error {
    let text = format!("more than one {rt} matches '{}'", crate::prepare::clipped(text));
    Error::new(Kind::MultipleMatches, text)
}
