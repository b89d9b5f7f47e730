//! `_list`: what a List refers to, and the functional lists.
//!
//! Source: FHIR R4 search.html#list, lifecycle.html#lists (functional lists). A functional list has
//! no List resource here: it is what its definition says of the resources' own status, so that
//! nobody has to maintain it.

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, SearchKind};

use super::node::{self, Fail};
use super::{OPERANDS_MAX, Reading, invalid, shown};
use crate::params;
use crate::query::{Criterion, Has, Modifier, Node, Operand};
use crate::suggest::nearest;

/// A functional list in one type: conditions that its members satisfy, all of them.
struct Functional {
    name: &'static str,
    rt: ResourceType,
    conditions: &'static [(&'static str, &'static str)],
}

const VERIFIED_CONDITION: (&str, &str) = (
    "verification-status:not",
    "http://terminology.hl7.org/CodeSystem/condition-ver-status|refuted,\
     http://terminology.hl7.org/CodeSystem/condition-ver-status|entered-in-error",
);
const VERIFIED_ALLERGY: (&str, &str) = (
    "verification-status:not",
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification|refuted,\
     http://terminology.hl7.org/CodeSystem/allergyintolerance-verification|entered-in-error",
);
const ACTIVE_ALLERGY: (&str, &str) =
    ("clinical-status", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical|active");

/// The functional lists of R4 in the types whose resources they hold.
const FUNCTIONAL: &[Functional] = &[
    Functional {
        name: "$current-problems",
        rt: ResourceType::CONDITION,
        conditions: &[
            (
                "clinical-status",
                "http://terminology.hl7.org/CodeSystem/condition-clinical|active,\
                 http://terminology.hl7.org/CodeSystem/condition-clinical|recurrence,\
                 http://terminology.hl7.org/CodeSystem/condition-clinical|relapse",
            ),
            VERIFIED_CONDITION,
        ],
    },
    Functional {
        name: "$current-medications",
        rt: ResourceType::MEDICATION_STATEMENT,
        conditions: &[("status", "active")],
    },
    Functional {
        name: "$current-medications",
        rt: ResourceType::MEDICATION_REQUEST,
        conditions: &[("status", "active")],
    },
    Functional {
        name: "$current-allergies",
        rt: ResourceType::ALLERGY_INTOLERANCE,
        conditions: &[ACTIVE_ALLERGY, VERIFIED_ALLERGY],
    },
    Functional {
        name: "$current-drug-allergies",
        rt: ResourceType::ALLERGY_INTOLERANCE,
        conditions: &[ACTIVE_ALLERGY, VERIFIED_ALLERGY, ("category", "medication")],
    },
];

/// `_list=42`: what the List refers to is what `_has:List:item:_id=42` finds. A functional list is
/// the conditions that define it.
pub(super) fn read(
    reading: &Reading<'_>,
    rt: ResourceType,
    full: &str,
    modifier: Option<&str>,
    value: &str,
    links: usize,
) -> Result<Node, Fail> {
    if modifier.is_some() {
        return Err(invalid(full, "has no modifiers; leave ':' and what follows out").into());
    }
    let (mut ids, mut found) = (Vec::new(), Vec::new());
    for (idx, name) in value.split(',').enumerate() {
        if idx == OPERANDS_MAX {
            let text = format!("_list may have {OPERANDS_MAX} values separated by comma.");
            return Err(Issue::error(IssueType::TooCostly, "", text).into());
        }
        if name.starts_with('$') {
            found.push(functional(reading, rt, full, name, links)?);
            continue;
        }
        let id = name.strip_prefix("List/").unwrap_or(name);
        if !fhir::reference::is_id(id) {
            let what = format!("has the value '{}', which is no id of a List", shown(name));
            return Err(invalid(full, &what).into());
        }
        ids.push(Operand::Id(id.to_owned()));
    }
    if !ids.is_empty() {
        found.push(listed(ids));
    }
    match found.pop() {
        Some(node) if found.is_empty() => Ok(node),
        last => {
            found.extend(last);
            Ok(Node::Or(found))
        }
    }
}

/// What the Lists with these ids refer to.
fn listed(ids: Vec<Operand>) -> Node {
    let list = ResourceType::LIST;
    let (item, _) = params::find(list, "item").expect("R4 has List.item");
    let criterion = Criterion {
        param: params::id_of(list),
        kind: SearchKind::Token,
        modifier: Modifier::None,
        operands: ids,
        implied: Vec::new(),
    };
    let node = Box::new(Node::Criterion(criterion));
    Node::Has(Has { source: list, param: item, node })
}

fn functional(
    reading: &Reading<'_>,
    rt: ResourceType,
    full: &str,
    name: &str,
    links: usize,
) -> Result<Node, Fail> {
    let named = || FUNCTIONAL.iter().filter(|list| list.name == name);
    if let Some(list) = named().find(|list| list.rt == rt) {
        let conditions = list.conditions.iter();
        let nodes =
            conditions.map(|(code, value)| node::read(reading, rt, code, full, value, links));
        return Ok(Node::And(nodes.collect::<Result<_, _>>()?));
    }
    let types: Vec<&str> = named().map(|list| list.rt.name()).collect();
    if types.is_empty() {
        let near = nearest(name, FUNCTIONAL.iter().map(|list| list.name));
        let hint = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
        let text = format!(
            "Parameter '{}' names '{}', which is no functional list of R4{hint}.",
            shown(full),
            shown(name)
        );
        return Err(Issue::error(IssueType::NotSupported, "", text).into());
    }
    if reading.across {
        // Nothing of this type is on it; another type may be.
        return Ok(Node::Or(Vec::new()));
    }
    let what = format!("has the list '{name}', which holds {}, no {rt}", types.join(" and "));
    Err(invalid(full, &what).into())
}
