//! What somebody may see: one rule for each resource type.
//!
//! A rule is a condition of the query language itself, so that whoever carries out searches carries
//! out rules with the same lists, at every place where a search looks at resources. Conditions of a
//! rule look at one resource alone: no chains and no `_has`, and nothing that needs more than the
//! values that stand with a version.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use fhir_tables::{ResourceType, SearchKind, compartment};

use crate::params;
use crate::query::{Criterion, Modifier, Node, Operand};
use crate::world::{Known, World};

/// What of a type may be seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    All,
    Nothing,
    /// What satisfies the condition.
    Only(Arc<Node>),
}

impl Rule {
    /// What both permit.
    pub fn and(self, other: Rule) -> Rule {
        match (self, other) {
            (Rule::Nothing, _) | (_, Rule::Nothing) => Rule::Nothing,
            (Rule::All, rule) | (rule, Rule::All) => rule,
            (Rule::Only(a), Rule::Only(b)) if a == b => Rule::Only(a),
            (Rule::Only(a), Rule::Only(b)) => {
                Rule::Only(Arc::new(Node::And(vec![plain(a), plain(b)])))
            }
        }
    }

    /// What either permits.
    pub fn or(self, other: Rule) -> Rule {
        match (self, other) {
            (Rule::All, _) | (_, Rule::All) => Rule::All,
            (Rule::Nothing, rule) | (rule, Rule::Nothing) => rule,
            (Rule::Only(a), Rule::Only(b)) if a == b => Rule::Only(a),
            (Rule::Only(a), Rule::Only(b)) => {
                Rule::Only(Arc::new(Node::Or(vec![plain(a), plain(b)])))
            }
        }
    }

    /// What it does not permit.
    pub fn negated(self) -> Rule {
        match self {
            Rule::All => Rule::Nothing,
            Rule::Nothing => Rule::All,
            Rule::Only(node) => Rule::Only(Arc::new(Node::Not(Box::new(plain(node))))),
        }
    }

    /// A condition on resources; `None` when it looks at more than one resource's own values, as
    /// chains, `_has` and full text do.
    pub fn only(nodes: Vec<Node>) -> Option<Rule> {
        if !nodes.iter().all(looks_at_values) {
            return None;
        }
        match nodes.len() {
            0 => Some(Rule::All),
            _ => Some(Rule::Only(Arc::new(Node::And(nodes)))),
        }
    }

    /// What stands in the compartment of one of these resources, as FHIR R4 defines it: what
    /// refers to one of them by a parameter of the compartment, and they themselves.
    ///
    /// Source: compartmentdefinition.html. Nothing for types that are not part of it.
    pub fn in_compartment(rt: ResourceType, root: ResourceType, ids: &[String]) -> Rule {
        let id = |id: &String| Operand::Id(id.clone());
        let to = |id: &String| Operand::Reference { types: vec![root], id: id.clone() };
        Rule::compartment(rt, root, ids.iter().map(id).collect(), ids.iter().map(to).collect())
    }

    /// As [`Rule::in_compartment`] for very many resources, which the rules of all types share;
    /// without any, it is still a condition, that nothing satisfies.
    pub fn in_compartments(
        rt: ResourceType,
        root: ResourceType,
        ids: &Arc<BTreeSet<String>>,
    ) -> Rule {
        let among = vec![Operand::Among { rt: root, ids: Arc::clone(ids) }];
        Rule::compartment(rt, root, among.clone(), among)
    }

    /// What one of `ids` names or one of `references` leads to by a parameter of the compartment.
    fn compartment(
        rt: ResourceType,
        root: ResourceType,
        ids: Vec<Operand>,
        references: Vec<Operand>,
    ) -> Rule {
        let Some(def) = compartment(root.name()).filter(|_| !ids.is_empty()) else {
            return Rule::Nothing;
        };
        let mut nodes = Vec::new();
        let criterion = |param, kind, operands| {
            let implied = Vec::new();
            Node::Criterion(Criterion { param, kind, modifier: Modifier::None, operands, implied })
        };
        if rt == root {
            nodes.push(criterion(params::id_of(rt), SearchKind::Token, ids));
        }
        for code in def.params_of(rt) {
            // Who is linked to a Patient is another person.
            if rt == root {
                continue;
            }
            let Some((param, _)) = params::find(rt, code) else { continue };
            nodes.push(criterion(param, SearchKind::Reference, references.clone()));
        }
        match nodes.len() {
            0 => Rule::Nothing,
            1 => Rule::Only(Arc::new(nodes.remove(0))),
            _ => Rule::Only(Arc::new(Node::Or(nodes))),
        }
    }

    /// Whether a resource may be seen.
    pub fn admits(&self, resource: &Known) -> bool {
        match self {
            Rule::All => true,
            Rule::Nothing => false,
            Rule::Only(node) => node.matches(&World::default(), resource),
        }
    }
}

fn plain(node: Arc<Node>) -> Node {
    Arc::unwrap_or_clone(node)
}

/// Whether the values that stand with a version decide a condition.
fn looks_at_values(node: &Node) -> bool {
    match node {
        Node::Criterion(criterion) => !criterion.needs_body(),
        Node::Chain(_) | Node::Has(_) => false,
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().all(looks_at_values),
        Node::Not(node) => looks_at_values(node),
    }
}

/// What somebody may see of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Sees {
    /// By the number of the type; `None`: everything.
    rules: Option<Box<[Rule]>>,
}

impl Sees {
    /// Everything: for the program itself, and for whoever may see all of it.
    pub fn everything() -> &'static Arc<Sees> {
        static EVERYTHING: OnceLock<Arc<Sees>> = OnceLock::new();
        EVERYTHING.get_or_init(|| Arc::new(Sees { rules: None }))
    }

    /// What the rule of each type permits.
    pub fn by(mut rule: impl FnMut(ResourceType) -> Rule) -> Arc<Sees> {
        let rules: Box<[Rule]> = ResourceType::ALL.into_iter().map(&mut rule).collect();
        if rules.iter().all(|rule| *rule == Rule::All) {
            return Arc::clone(Sees::everything());
        }
        Arc::new(Sees { rules: Some(rules) })
    }

    pub fn is_everything(&self) -> bool {
        self.rules.is_none()
    }

    /// The rule of a type.
    pub fn rule(&self, rt: ResourceType) -> &Rule {
        match &self.rules {
            None => &Rule::All,
            // Of a type without a rule, nothing.
            Some(rules) => rules.get(usize::from(rt.0)).unwrap_or(&Rule::Nothing),
        }
    }

    /// Whether a resource may be seen.
    pub fn admits(&self, resource: &Known) -> bool {
        self.rule(resource.rt).admits(resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{IndexValue, Indexed};

    fn rt(name: &str) -> ResourceType {
        ResourceType::from_name(name).expect("R4")
    }

    fn observation_of(patient: &str) -> Known {
        let param = params::find(rt("Observation"), "subject").expect("R4").0;
        let value = IndexValue::Reference { ty: rt("Patient"), id: patient.to_owned() };
        let values = vec![Indexed { param, value }];
        Known { rt: rt("Observation"), id: "o".into(), last_updated_ms: 0, values }
    }

    fn patient(id: &str) -> Known {
        Known { rt: rt("Patient"), id: id.to_owned(), last_updated_ms: 0, values: Vec::new() }
    }

    #[test]
    fn a_compartment_is_what_refers_to_its_root_and_the_root_itself() {
        let ids = ["p1".to_owned(), "p2".to_owned()];
        let rule = |name| Rule::in_compartment(rt(name), rt("Patient"), &ids);
        assert!(rule("Observation").admits(&observation_of("p2")));
        assert!(!rule("Observation").admits(&observation_of("p3")));
        assert!(rule("Patient").admits(&patient("p1")));
        assert!(!rule("Patient").admits(&patient("p3")));
        assert_eq!(rule("Organization"), Rule::Nothing);
        let many = Arc::new(BTreeSet::from(ids.clone()));
        let rule = |name| Rule::in_compartments(rt(name), rt("Patient"), &many);
        assert!(rule("Observation").admits(&observation_of("p2")));
        assert!(!rule("Observation").admits(&observation_of("p3")));
        assert!(rule("Patient").admits(&patient("p1")) && !rule("Patient").admits(&patient("p3")));
        assert_eq!(rule("Organization"), Rule::Nothing);
        let nobody = Arc::default();
        let rule = Rule::in_compartments(rt("Patient"), rt("Patient"), &nobody);
        assert!(rule != Rule::Nothing && !rule.admits(&patient("p1")));
        assert_eq!(Rule::in_compartment(rt("Patient"), rt("Patient"), &[]), Rule::Nothing);
    }

    #[test]
    fn rules_join_as_sets_do() {
        let only = Rule::in_compartment(rt("Observation"), rt("Patient"), &["p1".to_owned()]);
        let other = Rule::in_compartment(rt("Observation"), rt("Patient"), &["p2".to_owned()]);
        for rule in [Rule::All, Rule::Nothing, only.clone()] {
            assert_eq!(rule.clone().and(Rule::All), rule);
            assert_eq!(rule.clone().or(Rule::Nothing), rule);
            assert_eq!(rule.clone().and(Rule::Nothing), Rule::Nothing);
            assert_eq!(rule.clone().or(Rule::All), Rule::All);
            assert_eq!(rule.clone().and(rule.clone()), rule);
        }
        let own = observation_of("p1");
        assert!(only.clone().or(other.clone()).admits(&own));
        assert!(!only.clone().and(other).admits(&own));
        assert!(!only.negated().admits(&own));
    }

    #[test]
    fn everything_is_not_the_same_as_no_rules() {
        assert!(Sees::by(|_| Rule::All).is_everything());
        let nothing = Sees::by(|_| Rule::Nothing);
        assert!(!nothing.is_everything());
        assert!(!nothing.admits(&patient("p1")));
        assert_eq!(*nothing.rule(ResourceType(u8::MAX)), Rule::Nothing);
    }
}
