//! A leaf as a FHIR R4 AuditEvent.
//!
//! Source: FHIR R4 auditevent.html; IHE Basic Audit Log Patterns (BALP), profiles Read, Query,
//! Create, Update, Delete with and without Patient, PrivacyDisclosure at the source.
//! A leaf that concerns several patients is one AuditEvent with as many Patient entities, and
//! then claims the profile without a patient.

use fhir::date::format_instant;
use fhir::json::Value;

use super::leaf::{Deed, Leaf, Outcome};

/// What the ids of leaves begin with; nobody else may use such ids.
const ID_PREFIX: &str = "log-";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const REST: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PURPOSE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const REQUEST_ID: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";

/// A code and its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub system: &'static str,
    pub code: &'static str,
    display: &'static str,
}

const fn code(system: &'static str, code: &'static str, display: &'static str) -> Code {
    Code { system, code, display }
}

/// Type and subtypes of an AuditEvent by what was done.
pub(crate) const fn codes(deed: Deed) -> (Code, &'static [Code]) {
    const READ: &[Code] = &[code(INTERACTION, "read", "read")];
    const VREAD: &[Code] = &[code(INTERACTION, "vread", "vread")];
    const SEARCH: &[Code] = &[code(INTERACTION, "search", "search")];
    const HISTORY: &[Code] = &[code(INTERACTION, "history", "history")];
    const OPERATION: &[Code] = &[code(INTERACTION, "operation", "operation")];
    const CREATE: &[Code] = &[code(INTERACTION, "create", "create")];
    const UPDATE: &[Code] = &[code(INTERACTION, "update", "update")];
    const DELETE: &[Code] = &[code(INTERACTION, "delete", "delete")];
    const TRANSACTION: &[Code] = &[code(INTERACTION, "transaction", "transaction")];
    const DISCLOSE: &[Code] = &[code(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")];
    const LOGIN: &[Code] = &[code(DCM, "110122", "Login")];
    const NODE: &[Code] = &[code(DCM, "110126", "Node Authentication")];
    const ROLES: &[Code] = &[code(DCM, "110136", "Security Roles Changed")];
    const ATTRIBUTES: &[Code] = &[code(DCM, "110137", "User Security Attributes Changed")];
    let rest = code(REST, "rest", "Restful Operation");
    match deed {
        Deed::Read => (rest, READ),
        Deed::Vread => (rest, VREAD),
        Deed::Search => (rest, SEARCH),
        Deed::History => (rest, HISTORY),
        Deed::Operation => (rest, OPERATION),
        Deed::Create => (rest, CREATE),
        Deed::Update => (rest, UPDATE),
        Deed::Delete => (rest, DELETE),
        Deed::Transaction => (rest, TRANSACTION),
        Deed::Import => (code(DCM, "110107", "Import"), &[]),
        Deed::Export => (code(DCM, "110106", "Export"), DISCLOSE),
        Deed::Login => (code(DCM, "110114", "User Authentication"), LOGIN),
        Deed::Token => (code(DCM, "110114", "User Authentication"), NODE),
        Deed::Consent => (code(DCM, "110113", "Security Alert"), ROLES),
        Deed::Administration => (code(DCM, "110113", "Security Alert"), ATTRIBUTES),
    }
}

/// The code of `AuditEvent.outcome`.
pub(crate) const fn outcome_code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "0",
        Outcome::Refused => "4",
        Outcome::Failed => "8",
    }
}

/// Id of the AuditEvent that shows a leaf.
pub(crate) fn id(seq: u64) -> String {
    format!("{ID_PREFIX}{seq}")
}

/// Number of the leaf that an AuditEvent's id names.
pub(crate) fn seq_of(id: &str) -> Option<u64> {
    let digits = id.strip_prefix(ID_PREFIX)?;
    let seq: u64 = digits.parse().ok()?;
    (self::id(seq) == *id).then_some(seq)
}

/// Whether an id is one that only the log uses.
pub(crate) fn is_reserved(id: &str) -> bool {
    id.starts_with(ID_PREFIX)
}

fn coding(code: Code) -> Value {
    let mut coding =
        Value::object([("system", Value::from(code.system)), ("code", Value::from(code.code))]);
    if !code.display.is_empty() {
        coding.set("display", Value::from(code.display));
    }
    coding
}

fn concept(code: Code) -> Value {
    Value::object([("coding", Value::array([coding(code)]))])
}

fn identified(value: &str, display: Option<&str>) -> Value {
    let identifier = Value::object([("value", Value::from(value))]);
    let mut who = Value::object([("identifier", identifier)]);
    if let Some(display) = display {
        who.set("display", Value::from(display));
    }
    who
}

/// `v3-ActReason` of a purpose.
fn purpose(why: &str) -> Value {
    let code =
        Value::object([("system", Value::from(PURPOSE)), ("code", Value::from(why.to_owned()))]);
    Value::object([("coding", Value::array([code]))])
}

/// The AuditEvent as compact JSON.
pub(crate) fn render(leaf: &Leaf, base_url: &str) -> String {
    let deed = leaf.deed();
    let (ty, subtypes) = codes(deed);
    let at = format_instant(leaf.at_ms);
    let mut meta =
        Value::object([("versionId", Value::from("1")), ("lastUpdated", Value::from(at.clone()))]);
    if let Some(profile) = profile(leaf, deed) {
        meta.set("profile", Value::array([Value::from(format!("{BALP}{profile}"))]));
    }
    let mut event = Value::object([
        ("resourceType", Value::from("AuditEvent")),
        ("id", Value::from(id(leaf.seq))),
        ("meta", meta),
        ("type", coding(ty)),
    ]);
    if !subtypes.is_empty() {
        event.set("subtype", Value::array(subtypes.iter().map(|code| coding(*code))));
    }
    event.set("action", Value::from(leaf.action.to_string()));
    event.set("recorded", Value::from(at));
    event.set("outcome", Value::from(outcome_code(leaf.outcome())));
    event.set("outcomeDesc", Value::from(leaf.status.to_string()));
    event.set("purposeOfEvent", Value::array([purpose(&leaf.why)]));
    event.set("agent", Value::array(agents(leaf, deed, base_url)));
    let observer = identified(base_url, Some("Vitae"));
    let server = code(SOURCE_TYPE, "4", "Application Server");
    event.set(
        "source",
        Value::object([("observer", observer), ("type", Value::array([coding(server)]))]),
    );
    event.set("entity", Value::array(entities(leaf, deed)));
    event.to_json()
}

/// The BALP profile that the event satisfies, behind the common part of its name.
fn profile(leaf: &Leaf, deed: Deed) -> Option<&'static str> {
    if leaf.outcome() != Outcome::Done || leaf.address.is_none() {
        return None;
    }
    let is_of_one = leaf.patients.len() == 1;
    let of = |patient, other| Some(if is_of_one { patient } else { other });
    match deed {
        Deed::Read | Deed::Vread => of("PatientRead", "Read"),
        Deed::Search => of("PatientQuery", "Query"),
        Deed::Create => of("PatientCreate", "Create"),
        Deed::Update => of("PatientUpdate", "Update"),
        Deed::Delete => of("PatientDelete", "Delete"),
        _ => None,
    }
}

fn agents(leaf: &Leaf, deed: Deed, base_url: &str) -> Vec<Value> {
    let source = code(DCM, "110153", "Source Role ID");
    let destination = code(DCM, "110152", "Destination Role ID");
    // Of a read, data flow from the server; of all else, BALP has them flow to it.
    let (client_role, server_role) = match deed {
        Deed::Read | Deed::Vread | Deed::Export => (destination, source),
        _ => (source, destination),
    };
    let is_program = leaf.who.starts_with("Client/");
    let client = match (&leaf.app, is_program) {
        (Some(app), _) => identified(app, None),
        (None, true) => identified(&leaf.who, leaf.name.as_deref()),
        (None, false) => Value::object([("display", Value::from("Pages of Vitae"))]),
    };
    let mut client = Value::object([
        ("type", concept(client_role)),
        ("who", client),
        ("requestor", Value::from(is_program)),
    ]);
    if let Some(name) = leaf.name.as_ref().filter(|_| is_program) {
        client.set("name", Value::from(name.clone()));
    }
    let network = |address: &str, ty: &str| {
        Value::object([("address", Value::from(address)), ("type", Value::from(ty))])
    };
    if let Some(address) = &leaf.address {
        client.set("network", network(address, "2"));
    }
    let server = Value::object([
        ("type", concept(server_role)),
        ("who", identified(base_url, Some("Vitae"))),
        ("requestor", Value::from(false)),
        ("network", network(base_url, "5")),
    ]);
    let mut agents = vec![client, server];
    if !is_program {
        let part = match deed {
            Deed::Create | Deed::Update | Deed::Delete => code(PARTICIPATION, "AUT", "author"),
            _ => code(PARTICIPATION, "IRCP", "information recipient"),
        };
        let mut user = Value::object([
            ("type", concept(part)),
            ("who", identified(&leaf.who, leaf.person())),
            ("requestor", Value::from(true)),
        ]);
        if let Some(name) = leaf.person() {
            user.set("name", Value::from(name));
        }
        if let Some(role) = &leaf.role {
            let role = Value::object([("text", Value::from(role.clone()))]);
            user.set("role", Value::array([role]));
        }
        user.set("purposeOfUse", Value::array([purpose(&leaf.why)]));
        agents.push(user);
    }
    agents
}

fn entities(leaf: &Leaf, deed: Deed) -> Vec<Value> {
    let person = code(ENTITY_TYPE, "1", "Person");
    let object = code(ENTITY_TYPE, "2", "System Object");
    let referring = |to: String| Value::object([("reference", Value::from(to))]);
    let mut entities = Vec::new();
    for patient in &leaf.patients {
        entities.push(Value::object([
            ("what", referring(format!("Patient/{patient}"))),
            ("type", coding(person)),
            ("role", coding(code(OBJECT_ROLE, "1", "Patient"))),
        ]));
    }
    match leaf.resource() {
        Some(_) => entities.push(Value::object([
            ("what", referring(leaf.what.clone())),
            ("type", coding(object)),
            ("role", coding(code(OBJECT_ROLE, "4", "Domain Resource"))),
        ])),
        None if matches!(deed, Deed::Search | Deed::History | Deed::Operation) => {
            let query = stdx::base64::encode(leaf.what.as_bytes());
            entities.push(Value::object([
                ("type", coding(object)),
                ("role", coding(code(OBJECT_ROLE, "24", "Query"))),
                ("description", Value::from(leaf.what.clone())),
                ("query", Value::from(query)),
            ]));
        }
        None => entities.push(Value::object([
            ("type", coding(object)),
            ("role", coding(code(OBJECT_ROLE, "20", "Job"))),
            ("description", Value::from(leaf.what.clone())),
        ])),
    }
    let request = code(REQUEST_ID, "XrequestId", "");
    let mut what = identified(&leaf.request, None);
    if leaf.request.is_empty() {
        what = identified(&id(leaf.seq), None);
    }
    entities.push(Value::object([("what", what), ("type", coding(request))]));
    entities
}
