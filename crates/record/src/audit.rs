//! Audit leaves: one per request, whatever became of it.
//!
//! A leaf is compact JSON; the store keeps it in a Merkle log, encrypted like everything else.
//! | member | meaning |
//! | --- | --- |
//! | `t` | time of the request, FHIR instant |
//! | `who`, `name`, `role`, `why` | actor, name at that time, role, purpose of use |
//! | `app` | the program through which a person acted |
//! | `do` | C, R, U, D, or E for executing a search, history or Bundle |
//! | `what` | `Type/id`, `Type/id/_history/v`, or the query |
//! | `n` | how many resources were changed or shown |
//! | `patients` | Patient resources whose data was touched or shown |
//! | `all` | true: the data of every patient was shown |
//! | `ok` | HTTP status |
//! | `req`, `from` | request id, network address |
//!
//! What touches more than [`PATIENTS_MAX`] patients leaves several leaves, alike but for them: who
//! opened a chart is never left out.
//! The leaves are the only truth. [`index`] finds them again, [`event`] shows them as AuditEvents.

pub(crate) mod accounting;
pub(crate) mod ask;
pub(crate) mod event;
pub(crate) mod index;
mod keys;
pub(crate) mod leaf;
pub(crate) mod search;
mod segment;
pub(crate) mod unusual;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use fhir::date::format_instant;
use fhir::json::write_string;
use fhir_tables::ResourceType;
use memchr::memmem::Finder;

use crate::request::{HistoryOf, Request};
use crate::write::Op;
use access::{Actor, Ctx};

/// Patients that one leaf lists; a commit or page with more leaves several.
pub(crate) const PATIENTS_MAX: usize = 1_000;
/// Characters of a query that a leaf keeps.
const WHAT_MAX: usize = 2048;

/// What a leaf says beside the context.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub action: char,
    pub what: String,
    pub n: usize,
    pub patients: BTreeSet<String>,
    /// Everybody's data was shown.
    pub all: bool,
    pub status: u16,
}

/// The leaves of an event: one, or more where more patients are concerned than one leaf lists.
pub(crate) fn leaves(ctx: &Ctx, event: &Event) -> Vec<Vec<u8>> {
    if event.patients.len() <= PATIENTS_MAX {
        return vec![leaf(ctx, event, event.patients.iter())];
    }
    let all: Vec<&String> = event.patients.iter().collect();
    all.chunks(PATIENTS_MAX).map(|some| leaf(ctx, event, some.iter().copied())).collect()
}

fn leaf<'p>(ctx: &Ctx, event: &Event, patients: impl Iterator<Item = &'p String>) -> Vec<u8> {
    let mut out = String::with_capacity(320);
    out.push_str("{\"t\":\"");
    out.push_str(&format_instant(ctx.at_ms));
    out.push_str("\",\"who\":");
    write_string(&ctx.actor.label(), &mut out);
    match &ctx.actor {
        Actor::User { name, role, .. } => {
            member("name", name, &mut out);
            member("role", role.as_str(), &mut out);
        }
        Actor::Client { name, .. } => member("name", name, &mut out),
        Actor::System => {}
    }
    if let Some(app) = &ctx.app {
        member("app", &app.id, &mut out);
    }
    member("why", ctx.purpose.as_str(), &mut out);
    member("do", event.action.encode_utf8(&mut [0; 4]), &mut out);
    let cut = event.what.char_indices().nth(WHAT_MAX).map_or(event.what.len(), |(at, _)| at);
    member("what", &event.what[..cut], &mut out);
    out.push_str(&format!(",\"n\":{}", event.n));
    for (i, id) in patients.enumerate() {
        out.push_str(if i == 0 { ",\"patients\":[" } else { "," });
        write_string(id, &mut out);
    }
    if !event.patients.is_empty() {
        out.push(']');
    }
    if event.all {
        out.push_str(",\"all\":true");
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

/// The leaves of a commit. `gone`: patients of whom it deletes something.
pub(crate) fn write_leaves(
    ctx: &Ctx,
    ops: &[Op<'_>],
    puts: &[store::Put],
    gone: BTreeSet<String>,
) -> Vec<Vec<u8>> {
    let mut patients = gone;
    for put in puts {
        if put.rt == ResourceType::PATIENT {
            patients.insert(put.id.clone());
        }
        for (_, id) in put.references.iter().filter(|(rt, _)| *rt == ResourceType::PATIENT) {
            if !patients.contains(id) {
                patients.insert(id.clone());
            }
        }
    }
    let (action, what) = match (ops, puts) {
        ([op], [put]) => (op.what.audit_action(), format!("{}/{}", put.rt, put.id)),
        ([op], []) => (op.what.audit_action(), op.what.subject()),
        _ => ('E', format!("transaction of {} entries", ops.len())),
    };
    let event = Event { action, what, n: puts.len(), patients, all: false, status: 200 };
    leaves(ctx, &event)
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
    if rt == ResourceType::PATIENT && !into.contains(id) {
        into.insert(id.to_owned());
    }
    const BEFORE: &str = "\"reference\":\"Patient/";
    // Every shown resource is looked through: the finder is made once.
    static FINDER: OnceLock<Finder<'static>> = OnceLock::new();
    for at in FINDER.get_or_init(|| Finder::new(BEFORE)).find_iter(body.as_bytes()) {
        let rest = &body[at + BEFORE.len()..];
        let id = &rest[..rest.find(['"', '/', '#', '?']).unwrap_or(0)];
        if !id.is_empty() && !into.contains(id) {
            into.insert(id.to_owned());
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
        let what = "Observation/\"o".into();
        let event = Event { action: 'R', what, n: 1, patients, all: false, status: 200 };
        let text = String::from_utf8(leaves(&ctx, &event).remove(0)).expect("UTF-8");
        assert_eq!(
            text,
            "{\"t\":\"1970-01-01T00:00:00.000Z\",\"who\":\"System\",\"why\":\"HOPERAT\",\
             \"do\":\"R\",\"what\":\"Observation/\\\"o\",\"n\":1,\"patients\":[\"p1\"],\
             \"ok\":200,\"req\":\"req-1\",\"from\":\"127.0.0.1\"}"
        );
    }
    #[test]
    fn all_patients_of_a_resource_are_found_and_none_is_left_out_of_the_leaves() {
        let mut patients = BTreeSet::new();
        let body = r#"{"a":[{"reference":"Patient/p1"},{"reference":"Patient/p2/_history/1"}]}"#;
        patients_in(ResourceType::APPOINTMENT, "o", body, &mut patients);
        assert_eq!(patients.iter().map(String::as_str).collect::<Vec<_>>(), ["p1", "p2"]);
        let ctx = Ctx::system("req-1", 0);
        for n in [PATIENTS_MAX, PATIENTS_MAX + 1] {
            let patients: BTreeSet<String> = (0..n).map(|i| format!("p{i}")).collect();
            let event = Event { action: 'E', patients: patients.clone(), ..Event::default() };
            let leaves = leaves(&ctx, &event);
            assert_eq!(leaves.len(), n.div_ceil(PATIENTS_MAX));
            let read: BTreeSet<String> = leaves
                .iter()
                .flat_map(|bytes| leaf::Leaf::read(0, bytes).expect("a leaf").patients)
                .collect();
            assert_eq!(read, patients);
        }
    }
}
