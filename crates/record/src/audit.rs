//! Audit leaves: one per request, whatever became of it.
//!
//! A leaf is compact JSON; the store keeps it in a Merkle log, encrypted like everything else.
//! | member | meaning |
//! | --- | --- |
//! | `t` | time of the request, FHIR instant |
//! | `who`, `role`, `why` | actor, role, purpose of use |
//! | `do` | C, R, U, D, or E for executing a search, history or Bundle |
//! | `what` | `Type/id`, `Type/id/_history/v`, or the query |
//! | `n` | how many resources were changed or shown |
//! | `patients` | Patient resources whose data was touched, where known; at most [`PATIENTS_MAX`] |
//! | `ok` | HTTP status |
//! | `req`, `from` | request id, network address |

use std::collections::BTreeSet;

use fhir::date::format_instant;
use fhir::json::write_string;
use fhir_tables::ResourceType;

use crate::request::{HistoryOf, Request};
use crate::write::Op;
use access::{Actor, Ctx};

/// Patients that one leaf lists.
const PATIENTS_MAX: usize = 50;
/// Characters of a query that a leaf keeps.
const WHAT_MAX: usize = 2048;

/// What a leaf says beside the context.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub action: char,
    pub what: String,
    pub n: usize,
    pub patients: BTreeSet<String>,
    pub status: u16,
}

/// One leaf.
pub(crate) fn leaf(ctx: &Ctx, event: &Event) -> Vec<u8> {
    let mut out = String::with_capacity(256);
    out.push_str("{\"t\":\"");
    out.push_str(&format_instant(ctx.at_ms));
    out.push_str("\",\"who\":");
    write_string(&ctx.actor.label(), &mut out);
    if let Actor::User { role, .. } = &ctx.actor {
        member("role", role.as_str(), &mut out);
    }
    member("why", ctx.purpose.as_str(), &mut out);
    member("do", event.action.encode_utf8(&mut [0; 4]), &mut out);
    let cut = event.what.char_indices().nth(WHAT_MAX).map_or(event.what.len(), |(at, _)| at);
    member("what", &event.what[..cut], &mut out);
    out.push_str(&format!(",\"n\":{}", event.n));
    if !event.patients.is_empty() {
        out.push_str(",\"patients\":[");
        for (i, id) in event.patients.iter().take(PATIENTS_MAX).enumerate() {
            if i > 0 {
                out.push(',');
            }
            write_string(id, &mut out);
        }
        out.push(']');
    }
    out.push_str(&format!(",\"ok\":{}", event.status));
    member("req", &ctx.request_id, &mut out);
    if let Some(address) = &ctx.address {
        member("from", address, &mut out);
    }
    out.push('}');
    out.into_bytes()
}

fn member(name: &str, value: &str, out: &mut String) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    write_string(value, out);
}

/// The leaf of a commit.
pub(crate) fn write_leaf(ctx: &Ctx, ops: &[Op<'_>], puts: &[store::Put]) -> Vec<u8> {
    let mut patients = BTreeSet::new();
    for put in puts {
        if patients.len() >= PATIENTS_MAX {
            break;
        }
        if put.rt == ResourceType::PATIENT {
            patients.insert(put.id.clone());
        }
        let others = put.references.iter().filter(|(rt, _)| *rt == ResourceType::PATIENT);
        patients.extend(others.map(|(_, id)| id.clone()));
    }
    let (action, what) = match (ops, puts) {
        ([op], [put]) => (op.what.audit_action(), format!("{}/{}", put.rt, put.id)),
        ([op], []) => (op.what.audit_action(), op.what.subject()),
        _ => ('E', format!("transaction of {} entries", ops.len())),
    };
    leaf(ctx, &Event { action, what, n: puts.len(), patients, status: 200 })
}

/// Action and object of a request, before anything is known about its outcome.
pub(crate) fn subject(request: &Request) -> (char, String) {
    match request {
        Request::Read { rt, id, .. } => ('R', format!("{rt}/{id}")),
        Request::Vread { rt, id, vid, .. } => ('R', format!("{rt}/{id}/_history/{vid}")),
        Request::Search { rt, compartment, pairs, .. } => {
            ('E', crate::search::self_path(*rt, compartment.as_ref(), pairs))
        }
        Request::History { of, pairs } => {
            let mut what = match of {
                HistoryOf::System => "_history".to_owned(),
                HistoryOf::Type(rt) => format!("{rt}/_history"),
                HistoryOf::Instance(rt, id) => format!("{rt}/{id}/_history"),
            };
            crate::links::append_query(pairs, &mut what);
            ('E', what)
        }
        Request::FindPatients { typed, .. } => ('E', format!("Patient with {typed}")),
        Request::Operation { name, rt, id, pairs } => {
            let mut what = crate::links::operation_path(*name, *rt, id.as_deref());
            crate::links::append_query(pairs, &mut what);
            ('E', what)
        }
        Request::Create { rt, .. } => ('C', rt.name().to_owned()),
        Request::Update { rt, id, .. } | Request::Patch { rt, id, .. } => {
            ('U', format!("{rt}/{id}"))
        }
        Request::ConditionalUpdate { rt, query, .. }
        | Request::ConditionalPatch { rt, query, .. } => ('U', format!("{rt}?{query}")),
        Request::Delete { rt, id, .. } => ('D', format!("{rt}/{id}")),
        Request::ConditionalDelete { rt, query } => ('D', format!("{rt}?{query}")),
        Request::Bundle { .. } => ('E', "Bundle".to_owned()),
        Request::Import { .. } | Request::Load { .. } => ('E', "import".to_owned()),
    }
}

/// [`patients_in`] of a whole version; one that is damaged names nobody.
pub(crate) fn patients_of(version: &store::Version, into: &mut BTreeSet<String>) {
    let body = str::from_utf8(&version.body).unwrap_or_default();
    patients_in(version.rt, &version.id, body, into);
}

/// Patients that a stored resource refers to: found in the text, which is our own compact JSON.
pub(crate) fn patients_in(rt: ResourceType, id: &str, body: &str, into: &mut BTreeSet<String>) {
    if rt == ResourceType::PATIENT {
        into.insert(id.to_owned());
        return;
    }
    const BEFORE: &str = "\"reference\":\"Patient/";
    if into.len() < PATIENTS_MAX
        && let Some(at) = body.find(BEFORE)
    {
        let rest = &body[at + BEFORE.len()..];
        let end = rest.find(['"', '/']).unwrap_or(0);
        if !into.contains(&rest[..end]) {
            into.insert(rest[..end].to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_json_and_says_who_what_and_why() {
        let mut ctx = Ctx::system("req-1", 0);
        ctx.address = Some("127.0.0.1".into());
        let mut patients = BTreeSet::new();
        let body = r#"{"subject":{"reference":"Patient/p1"}}"#;
        patients_in(ResourceType::OBSERVATION, "o", body, &mut patients);
        let event =
            Event { action: 'R', what: "Observation/\"o".into(), n: 1, patients, status: 200 };
        let text = String::from_utf8(leaf(&ctx, &event)).expect("UTF-8");
        assert_eq!(
            text,
            "{\"t\":\"1970-01-01T00:00:00.000Z\",\"who\":\"System\",\"why\":\"HOPERAT\",\
             \"do\":\"R\",\"what\":\"Observation/\\\"o\",\"n\":1,\"patients\":[\"p1\"],\
             \"ok\":200,\"req\":\"req-1\",\"from\":\"127.0.0.1\"}"
        );
    }
}
