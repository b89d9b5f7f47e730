//! FHIR Consent as rules: what a patient does not want shown, to whom, for which purpose.
//!
//! Source: FHIR R4 consent.html (5.2.2.4, "exceptions to the base rule": a provision without a type
//! is a frame for those inside it). What of a provision cannot be understood makes it restrict
//! more: a `deny` then holds for more, a `permit` for nothing.

use std::sync::Arc;

use fhir::date::PartialDate;
use fhir::json::Node as Json;
use fhir_tables::{ResourceType, SearchKind};
use search::Rule;
use search::params;
use search::query::{Criterion, Modifier, Node, Operand, SystemMatch};

use crate::ctx::{Actor, Ctx};

/// Provisions inside each other; deeper ones cannot be understood.
const DEPTH_MAX: usize = 8;

/// One Consent that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// Id of the Patient.
    pub patient: String,
    root: Provision,
}

/// A coded value; no system: any.
type Coded = (Option<String>, String);

#[derive(Clone, Debug, PartialEq, Default)]
struct Provision {
    denies: bool,
    /// Closed, UTC milliseconds.
    period: Option<(i64, i64)>,
    /// Names and client ids; empty: everybody.
    actors: Vec<String>,
    /// v3 codes; empty: every purpose.
    purposes: Vec<String>,
    /// It speaks of actions and none of them is about looking.
    is_elsewhere: bool,
    labels: Vec<Coded>,
    types: Vec<ResourceType>,
    codes: Vec<Coded>,
    /// `Type/id` of single resources.
    data: Vec<(ResourceType, String)>,
    /// Something in it cannot be understood.
    is_unclear: bool,
    inner: Vec<Provision>,
}

/// Who asks, as consents name them.
pub(crate) struct Asker<'a> {
    pub ctx: &'a Ctx,
    /// What else the record knows them as: `Practitioner/ID`, `RelatedPerson/ID`.
    pub known_as: &'a [String],
}

impl Consent {
    /// Reads a Consent; `None` for one that is not active, is about something else than privacy,
    /// or names no Patient of this record.
    pub fn read(resource: Json<'_>) -> Option<Consent> {
        if resource.str("status").as_deref() != Some("active") {
            return None;
        }
        // Of treatment, research, advance directives: not about who sees what.
        let others = ["adr", "research", "treatment"];
        let scope = resource.get("scope").into_iter().flat_map(|scope| scope.list("coding"));
        if scope.filter_map(|c| c.str("code")).any(|code| others.contains(&code.as_ref())) {
            return None;
        }
        let reference = resource.get("patient")?.str("reference")?;
        let patient = reference.strip_prefix("Patient/")?.split('/').next()?.to_owned();
        let root = provision(resource.get("provision")?, 0);
        Some(Consent { patient, root })
    }

    /// Whether the patient permits what is not excepted.
    fn permits(&self, asker: &Asker<'_>) -> bool {
        !self.root.denies && self.root.speaks_to(asker)
    }

    /// What of a type it takes from who asks.
    fn hidden(&self, asker: &Asker<'_>, rt: ResourceType) -> Rule {
        let own =
            Rule::in_compartment(rt, ResourceType::PATIENT, std::slice::from_ref(&self.patient));
        if own == Rule::Nothing { own } else { own.and(self.root.hidden(asker, rt)) }
    }
}

/// What the consents of a practice take from who asks.
pub(crate) fn hidden(consents: &[Consent], asker: &Asker<'_>, rt: ResourceType) -> Rule {
    consents.iter().map(|consent| consent.hidden(asker, rt)).fold(Rule::Nothing, Rule::or)
}

/// Ids of the Patients who permit that who asks sees their data.
pub(crate) fn permitting(consents: &[Consent], asker: &Asker<'_>) -> Vec<String> {
    let permitting = consents.iter().filter(|consent| consent.permits(asker));
    let mut ids: Vec<String> = permitting.map(|consent| consent.patient.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

impl Provision {
    /// Whether it is about who asks, for this purpose, now.
    fn speaks_to(&self, asker: &Asker<'_>) -> bool {
        let Asker { ctx, known_as } = asker;
        let own = match &ctx.actor {
            Actor::User { id, name, .. } | Actor::Client { id, name } => [id.as_str(), name],
            Actor::System => return false,
        };
        let app = ctx.app.as_ref().map(|app| app.id.as_str());
        let is_known_as =
            |actor: &String| known_as.iter().any(|known| known.rsplit('/').next() == Some(actor));
        let is_actor = |actor: &String| {
            own.contains(&actor.as_str()) || app == Some(actor) || is_known_as(actor)
        };
        let now = ctx.at_ms;
        !self.is_elsewhere
            && self.period.is_none_or(|(from, to)| from <= now && now <= to)
            && (self.actors.is_empty() || self.actors.iter().any(is_actor))
            && (self.purposes.is_empty()
                || self.purposes.iter().any(|code| code == ctx.purpose.as_str()))
            && (self.denies || !self.is_unclear)
    }

    /// Resources of a type that it speaks of, of whatever patient.
    fn about(&self, rt: ResourceType) -> Rule {
        let is_of_type = self.types.is_empty() || self.types.contains(&rt);
        let mut rule = if is_of_type { Rule::All } else { Rule::Nothing };
        if !self.labels.is_empty() {
            rule = rule.and(coded(rt, "_security", &self.labels).unwrap_or(Rule::Nothing));
        }
        if !self.codes.is_empty() {
            rule = rule.and(coded(rt, "code", &self.codes).unwrap_or(Rule::Nothing));
        }
        if !self.data.is_empty() {
            let ids = self.data.iter().filter(|(of, _)| *of == rt);
            let operands: Vec<Operand> = ids.map(|(_, id)| Operand::Id(id.clone())).collect();
            rule = rule.and(match operands.is_empty() {
                true => Rule::Nothing,
                false => criterion(params::id_of(rt), operands),
            });
        }
        rule
    }

    /// What it takes away.
    fn hidden(&self, asker: &Asker<'_>, rt: ResourceType) -> Rule {
        if !self.speaks_to(asker) {
            return Rule::Nothing;
        }
        self.about(rt).and(match self.denies {
            true => join(&self.inner, |p| p.shown(asker, rt)).negated(),
            false => join(&self.inner, |p| p.hidden(asker, rt)),
        })
    }

    /// What it gives, as an exception from a `deny` around it.
    fn shown(&self, asker: &Asker<'_>, rt: ResourceType) -> Rule {
        if !self.speaks_to(asker) {
            return Rule::Nothing;
        }
        self.about(rt).and(match self.denies {
            true => join(&self.inner, |p| p.shown(asker, rt)),
            false => join(&self.inner, |p| p.hidden(asker, rt)).negated(),
        })
    }
}

fn join(inner: &[Provision], rule: impl Fn(&Provision) -> Rule) -> Rule {
    inner.iter().map(rule).fold(Rule::Nothing, Rule::or)
}

fn criterion(param: search::value::ParamId, operands: Vec<Operand>) -> Rule {
    let (kind, modifier, implied) = (SearchKind::Token, Modifier::None, Vec::new());
    let criterion = Criterion { param, kind, modifier, operands, implied };
    Rule::Only(Arc::new(Node::Criterion(criterion)))
}

/// Resources that have any of the codes under a token parameter; `None`: the type has none such.
fn coded(rt: ResourceType, name: &str, codes: &[Coded]) -> Option<Rule> {
    let (param, def) = params::find(rt, name)?;
    if def.kind != SearchKind::Token {
        return None;
    }
    let operand = |(system, code): &Coded| Operand::Token {
        system: system.clone().map_or(SystemMatch::Any, SystemMatch::Is),
        code: Some(code.clone()),
    };
    Some(criterion(param, codes.iter().map(operand).collect()))
}

fn provision(node: Json<'_>, depth: usize) -> Provision {
    let mut own = Provision {
        denies: node.str("type").as_deref() == Some("deny"),
        is_unclear: depth >= DEPTH_MAX,
        ..Provision::default()
    };
    if depth >= DEPTH_MAX {
        return own;
    }
    for (name, value) in node.members() {
        match name {
            "type" | "id" | "purpose" | "action" | "actor" => {}
            "period" => match period(value) {
                Some(period) => own.period = Some(period),
                None => own.is_unclear = true,
            },
            "securityLabel" => {
                own.labels.extend(value.items().filter_map(coding));
                own.is_unclear |= own.labels.len() < value.items().count();
            }
            "code" => {
                let codings = value.items().flat_map(|concept| concept.list("coding"));
                own.codes.extend(codings.filter_map(coding));
                own.is_unclear |= value.items().any(|concept| !has_code(concept));
            }
            "class" => {
                for one in value.items() {
                    let code = one.str("code").unwrap_or_default();
                    let is_type =
                        one.str("system").as_deref() == Some("http://hl7.org/fhir/resource-types");
                    match ResourceType::from_name(&code).filter(|_| is_type) {
                        Some(rt) => own.types.push(rt),
                        None => own.is_unclear = true,
                    }
                }
            }
            "data" => {
                for one in value.items() {
                    let reference = one.get("reference").and_then(|to| to.str("reference"));
                    let target = reference.as_deref().and_then(local);
                    match target.filter(|_| one.str("meaning").as_deref() == Some("instance")) {
                        Some(target) => own.data.push(target),
                        None => own.is_unclear = true,
                    }
                }
            }
            "provision" => own.inner.extend(value.items().map(|one| provision(one, depth + 1))),
            _ => own.is_unclear = true,
        }
    }
    let purposes = node.list("purpose").filter_map(|one| one.str("code"));
    own.purposes = purposes.map(|code| code.into_owned()).collect();
    let actions: Vec<String> = node
        .list("action")
        .flat_map(|concept| concept.list("coding"))
        .filter_map(|coding| coding.str("code").map(|code| code.into_owned()))
        .collect();
    // Without codes they bound nothing that can be understood.
    let is_uncoded = node.list("purpose").any(|one| coding(one).is_none())
        || node.list("action").any(|concept| !has_code(concept));
    own.is_unclear |= is_uncoded;
    let looks = |code: &String| matches!(code.as_str(), "access" | "use" | "disclose" | "collect");
    own.is_elsewhere = !actions.is_empty() && !actions.iter().any(looks);
    for actor in node.list("actor") {
        let to = actor.get("reference");
        let name = to.and_then(|to| to.str("reference")).map(|reference| {
            reference.rsplit_once('/').map_or(reference.as_ref(), |(_, id)| id).to_owned()
        });
        let value = to.and_then(|to| to.get("identifier")).and_then(|i| i.str("value"));
        let named = name.or_else(|| value.map(|value| value.into_owned()));
        // Somebody who is not named: a `deny` is then about everybody.
        match named {
            Some(named) => own.actors.push(named),
            None => own.is_unclear = true,
        }
    }
    if own.is_unclear && own.denies {
        // What a `deny` narrows by is left out where it cannot be understood.
        own.codes.clear();
        own.types.clear();
        own.data.clear();
        own.labels.clear();
        if is_uncoded {
            own.purposes.clear();
            own.is_elsewhere = false;
        }
        if own.actors.len() < node.list("actor").count() {
            own.actors.clear();
        }
    }
    own
}

/// Whether a concept is more than text.
fn has_code(concept: Json<'_>) -> bool {
    concept.list("coding").any(|one| coding(one).is_some())
}

fn coding(node: Json<'_>) -> Option<Coded> {
    let code = node.str("code")?.into_owned();
    Some((node.str("system").map(|system| system.into_owned()), code))
}

fn local(reference: &str) -> Option<(ResourceType, String)> {
    let (ty, id) = reference.split_once('/')?;
    Some((ResourceType::from_name(ty)?, id.split('/').next()?.to_owned()))
}

/// `None`: it has a bound that is no date.
fn period(node: Json<'_>) -> Option<(i64, i64)> {
    let bound = |name: &str| match node.str(name) {
        None => Some(None),
        Some(text) => PartialDate::parse(&text).map(|date| Some(date.range_utc_ms())),
    };
    let (start, end) = (bound("start")?, bound("end")?);
    Some((start.map_or(i64::MIN, |(lo, _)| lo), end.map_or(i64::MAX, |(_, hi)| hi)))
}

#[cfg(test)]
#[path = "consent/tests.rs"]
mod tests;
