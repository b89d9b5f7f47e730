//! What a search may cost, beyond what reading it tells: conditions whose price grows with the
//! record and not with what they find.

use fhir::issue::{Issue, IssueType};
use fhir_tables::ResourceType;

use super::{LINKED_MAX, SCANS_MAX};
use crate::query::{FilterOp, Modifier, Node, Query};

/// Why a search is refused as it stands.
pub(super) fn check(query: &Query) -> Option<Issue> {
    let (mut linked, mut scans) = (0, 0);
    for node in &query.nodes {
        count(node, true, &mut linked, &mut scans);
    }
    let text = if linked > LINKED_MAX {
        format!(
            "A search may have {LINKED_MAX} conditions on other resources (chains and _has); this \
             one has {linked}: search in steps."
        )
    } else if scans > SCANS_MAX {
        format!(
            "A search may have {SCANS_MAX} conditions that are compared with every text \
             (:contains; co, ew, gt, lt, ge and le on strings); this one has {scans}."
        )
    } else {
        return None;
    };
    Some(Issue::error(IssueType::TooCostly, "", text))
}

/// `is_first`: not behind a reference yet; a chain counts once, however long it is.
fn count(node: &Node, is_first: bool, linked: &mut usize, scans: &mut usize) {
    use FilterOp as F;
    match node {
        Node::Criterion(criterion) => {
            let is_scan = matches!(
                criterion.modifier,
                Modifier::Contains
                    | Modifier::Filter(
                        F::EndsWith | F::Greater | F::Less | F::GreaterOrSame | F::LessOrSame
                    )
            );
            *scans += usize::from(is_scan);
        }
        Node::Chain(chain) => {
            *linked += usize::from(is_first);
            // Of the types that a chain may lead to, those that have the parameter are few.
            let scans_of = |(_, node): &(ResourceType, Node)| {
                let (mut linked, mut scans) = (0, 0);
                count(node, false, &mut linked, &mut scans);
                scans
            };
            *scans += chain.targets.iter().map(scans_of).max().unwrap_or(0);
        }
        // A List refers to few resources.
        Node::Has(has) if has.source == ResourceType::LIST => {}
        Node::Has(has) => {
            *linked += usize::from(is_first);
            count(&has.node, false, linked, scans);
        }
        Node::And(nodes) | Node::Or(nodes) => {
            nodes.iter().for_each(|node| count(node, is_first, linked, scans));
        }
        Node::Not(node) => count(node, is_first, linked, scans),
    }
}
