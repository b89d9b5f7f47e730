//! The plan of a search out of the Parameters that `_explain=true` answers with.

use fhir::json::{Doc, Node};

use crate::view::{Plan, PlanStep};

/// All plans of an answer, in its order.
pub fn plans(doc: &Doc) -> Vec<Plan> {
    doc.root().list("parameter").filter(|p| is_named(*p, "plan")).map(plan).collect()
}

fn is_named(part: Node<'_>, name: &str) -> bool {
    part.str("name").as_deref() == Some(name)
}

fn plan(node: Node<'_>) -> Plan {
    Plan {
        rt: text(node, "type"),
        query: text(node, "query"),
        steps: node.list("part").filter(|p| is_named(*p, "step")).map(step).collect(),
        verified: text(node, "verified"),
        verify_micros: text(node, "verifyMicroseconds"),
        total: text(node, "total"),
        micros: text(node, "microseconds"),
    }
}

fn step(node: Node<'_>) -> PlanStep {
    PlanStep {
        depth: text(node, "depth").parse().unwrap_or(0),
        condition: text(node, "condition"),
        way: text(node, "way"),
        listed: text(node, "listed"),
        found: text(node, "found"),
        unsure: text(node, "unsure"),
        candidates: text(node, "candidates"),
        micros: text(node, "microseconds"),
    }
}

/// Value of a part as text; empty when it is not there.
fn text(node: Node<'_>, name: &str) -> String {
    let Some(part) = node.list("part").find(|part| is_named(*part, name)) else {
        return String::new();
    };
    let value = part.members().find(|(name, _)| name.starts_with("value")).map(|(_, v)| v);
    value.map_or_else(String::new, |v| match v.as_plain_str() {
        Some(text) => text.to_owned(),
        None => v.as_str().map_or_else(|| v.raw().to_owned(), |text| text.into_owned()),
    })
}
