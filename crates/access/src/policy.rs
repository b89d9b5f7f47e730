//! The practice's policy: one readable file, and what it comes to for somebody who asks.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fhir_tables::{ResourceType, compartment};
use search::Rule;
use search::lookup::NoRecord;
use search::parse::{Handling, Setting};
use toml::Table;

use crate::consent::{self, Asker, Consent};
use crate::ctx::{Action, Actor, Ctx, Role};
use crate::may::May;
use crate::scope::{Level, Scope};

/// The policy of a practice that has written none.
pub const DEFAULT: &str = include_str!("policy.toml");

/// Name of the section for programs that act for themselves.
const PROGRAM: &str = "program";
/// Name of the section for people who act for a patient.
const PROXY: &str = "proxy";
/// Before the slash of a line: the patients in whose care the person takes part.
const CARE: &str = "care/";
/// Before the slash of a line: the person's own Patients.
const OWN: &str = "patient/";
/// Lines of one list.
const LINES_MAX: usize = 500;

/// Types that say nothing of any patient and that whoever reads a chart needs to understand it:
/// scopes of level `patient` read them too.
///
/// Source: SMART App Launch 2.2 scopes-and-launch-context.html ("patient-level access to resources
/// that are not in the compartment" is the server's to decide); US Core's reference targets.
const SHARED: [&str; 9] = [
    "CodeSystem",
    "Endpoint",
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "ValueSet",
];

/// What is wrong with a policy, in words for whoever writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPolicy(pub String);

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPolicy {}

#[derive(Clone, Debug, Default, PartialEq)]
struct Section {
    may: Vec<Line>,
    not: Vec<Line>,
    consents: Heeded,
    /// What of a chart that was opened in an emergency may be done, and the security labels that
    /// stay closed then too.
    emergency: Vec<Line>,
    sealed: Vec<String>,
    /// Whether emergencies are shown to the role, and reviewed by it.
    reviews: bool,
    /// Of proxies: what they do not see of a young person of `private_age` years and more, by
    /// security label, and when what they may because of somebody's youth ends.
    private: Vec<String>,
    private_age: u32,
    adult_age: u32,
}

/// A line of the policy: a scope, and whose data it speaks of.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    whose: Whose,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Everybody's.
    All,
    /// That of the person's own Patients.
    Own,
    /// That of the patients in whose care the person takes part.
    Care,
}

/// What patients' consents mean to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Heeded {
    /// Nothing, as inside the practice where it says so.
    #[default]
    Not,
    /// What a patient denies is not seen.
    Denials,
    /// Only what a patient permits is seen.
    Permits,
}

/// Who may do what, by role.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    sections: BTreeMap<String, Section>,
}

/// What of the record decides for somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relations {
    /// Ids of the Patients that somebody is.
    pub patients: Vec<String>,
    /// What else the record knows somebody as: `Practitioner/ID`, `RelatedPerson/ID`.
    pub known_as: Vec<String>,
    /// Patients for whom somebody acts.
    pub wards: Vec<Ward>,
    /// Ids of the Patients in whose care somebody takes part.
    pub cared: Arc<BTreeSet<String>>,
    /// Ids of the Patients whose charts somebody has opened in an emergency.
    pub emergencies: Vec<String>,
    /// Of the whole practice, those that are in force.
    pub consents: Arc<Vec<Consent>>,
}

/// A Patient for whom somebody acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ward {
    pub patient: String,
    /// Completed years; `None`: not known.
    pub age: Option<u32>,
    /// Because the patient is young, as parents do; not by a decision that also holds for adults.
    pub by_youth: bool,
}

/// Whose data the lines of a section speak of for somebody.
struct Patients<'r> {
    own: &'r [String],
    cared: &'r Arc<BTreeSet<String>>,
}

impl Policy {
    /// Reads the text of a policy. A role that it leaves out may nothing.
    ///
    /// Errors: a role that does not exist, a line that is no scope or whose conditions look beyond
    /// one resource, with what to write instead.
    pub fn parse(text: &str) -> Result<Policy, BadPolicy> {
        let table: Table = text.parse().map_err(|e| BadPolicy(format!("the policy: {e}")))?;
        let mut sections = BTreeMap::new();
        for (name, value) in table {
            if Role::parse(&name).is_none() && name != PROGRAM && name != PROXY {
                let roles: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
                let text = format!(
                    "the policy has a section [{name}], which is no role: write one of {}, {PROXY}, \
                     {PROGRAM}",
                    roles.join(", ")
                );
                return Err(BadPolicy(text));
            }
            sections.insert(name.clone(), read::section(&name, value)?);
        }
        Ok(Policy { sections })
    }

    /// The policy of a practice that has written none.
    pub fn standard() -> Policy {
        Policy::parse(DEFAULT).expect("a test reads it")
    }

    /// What somebody may do: what the policy gives to the role, and the scopes give too.
    pub fn may(&self, ctx: &Ctx, relations: &Relations) -> May {
        let section = match &ctx.actor {
            Actor::System => return May::everything(),
            Actor::User { role, .. } => self.sections.get(role.as_str()),
            Actor::Client { .. } => self.sections.get(PROGRAM),
        };
        let Some(section) = section else { return May::by(|_, _| Rule::Nothing) };
        let patients = Patients { own: &relations.patients, cared: &relations.cared };
        // A person at our own pages acts without a program between; `system/` is for programs that
        // act for themselves.
        let is_of_program = |scope: &Scope| ctx.app.is_some() && scope.level == Level::System;
        let proxy = self.sections.get(PROXY).filter(|_| is_patient(&ctx.actor));
        May::by(|action, rt| {
            let own = section.permitted(action, rt, &patients);
            let own = own.and(section.consented(ctx, relations, rt));
            let for_others = proxy.map_or(Rule::Nothing, |proxy| {
                let wards = relations.wards.iter().map(|ward| {
                    proxy.of_ward(action, rt, ward).and(proxy.consented(ctx, relations, rt))
                });
                wards.fold(Rule::Nothing, Rule::or)
            });
            let rule = own.or(for_others).or(section.in_emergency(ctx, relations, action, rt));
            let scopes = ctx.scopes.rows().iter().filter(|scope| !is_of_program(scope));
            let launched: &[String] = ctx.launch_patient.as_slice();
            rule.and(
                scopes
                    .filter(|scope| speaks_of(scope, action, rt))
                    .map(|scope| by_scope(scope, action, rt, launched))
                    .fold(Rule::Nothing, Rule::or),
            )
        })
    }

    /// Whether lines of the role speak of the patients in whose care somebody takes part.
    pub fn heeds_care(&self, role: Role) -> bool {
        let section = self.sections.get(role.as_str());
        section.is_some_and(|s| s.may.iter().chain(&s.not).any(|line| line.whose == Whose::Care))
    }

    /// Whether the role may open charts in an emergency.
    pub fn opens_in_emergency(&self, role: Role) -> bool {
        self.sections.get(role.as_str()).is_some_and(|section| !section.emergency.is_empty())
    }

    /// Whether the role reviews what was opened in an emergency.
    pub fn reviews_emergencies(&self, role: Role) -> bool {
        self.sections.get(role.as_str()).is_some_and(|section| section.reviews)
    }

    /// Whether what patients consent to decides for who asks; `acts_for_others`: as a proxy.
    pub fn heeds_consents(&self, actor: &Actor, acts_for_others: bool) -> bool {
        let section = match actor {
            Actor::System => return false,
            Actor::User { role, .. } => self.sections.get(role.as_str()),
            Actor::Client { .. } => self.sections.get(PROGRAM),
        };
        let proxy = self.sections.get(PROXY).filter(|_| acts_for_others);
        section.into_iter().chain(proxy).any(|section| section.consents != Heeded::Not)
    }
}

impl Section {
    /// What `may` gives and `not` leaves.
    fn permitted(&self, action: Action, rt: ResourceType, patients: &Patients<'_>) -> Rule {
        let given = join(&self.may, action, rt, patients);
        given.and(join(&self.not, action, rt, patients).negated())
    }

    /// What a proxy may do with what is a ward's.
    fn of_ward(&self, action: Action, rt: ResourceType, ward: &Ward) -> Rule {
        // Without a date of birth nobody knows whether the patient is still a child.
        let is_over = ward.by_youth && ward.age.is_none_or(|age| age >= self.adult_age);
        if is_over {
            return Rule::Nothing;
        }
        let own = std::slice::from_ref(&ward.patient);
        let rule = self.permitted(action, rt, &Patients { own, cared: &Arc::default() });
        let is_private = match ward.age {
            Some(age) => (self.private_age..self.adult_age).contains(&age),
            None => true,
        };
        if is_private { rule.and(labelled(rt, &self.private).negated()) } else { rule }
    }

    /// What may be done with charts that were opened in an emergency, at Vitae's own pages.
    fn in_emergency(
        &self,
        ctx: &Ctx,
        relations: &Relations,
        action: Action,
        rt: ResourceType,
    ) -> Rule {
        if relations.emergencies.is_empty() || ctx.app.is_some() {
            return Rule::Nothing;
        }
        let patients = Patients { own: &relations.emergencies, cared: &Arc::default() };
        let rule = join(&self.emergency, action, rt, &patients);
        rule.and(labelled(rt, &self.sealed).negated())
    }

    /// What of a type the consents of patients leave to who asks.
    fn consented(&self, ctx: &Ctx, relations: &Relations, rt: ResourceType) -> Rule {
        let asking = &Asker { ctx, known_as: &relations.known_as };
        let hidden = || consent::hidden(&relations.consents, asking, rt).negated();
        match self.consents {
            Heeded::Not => Rule::All,
            Heeded::Denials => hidden(),
            Heeded::Permits => {
                let patients = compartment("Patient").map(|def| def.params_of(rt));
                let is_of_patients = rt == ResourceType::PATIENT
                    || patients.is_some_and(|params| !params.is_empty());
                if !is_of_patients {
                    return Rule::All;
                }
                let permitting = consent::permitting(&relations.consents, asking);
                Rule::in_compartment(rt, ResourceType::PATIENT, &permitting).and(hidden())
            }
        }
    }
}

fn is_patient(actor: &Actor) -> bool {
    matches!(actor, Actor::User { role: Role::Patient, .. })
}

/// Resources with one of these security labels, whatever their system.
fn labelled(rt: ResourceType, labels: &[String]) -> Rule {
    match labels {
        [] => Rule::Nothing,
        // What cannot be asked for is taken to be labelled.
        labels => conditions(rt, &format!("_security={}", labels.join(","))).unwrap_or(Rule::All),
    }
}

fn speaks_of(scope: &Scope, action: Action, rt: ResourceType) -> bool {
    scope.rt.is_none_or(|of| of == rt) && scope.actions.has(action)
}

/// What any of the lines permits.
fn join(lines: &[Line], action: Action, rt: ResourceType, patients: &Patients<'_>) -> Rule {
    let fitting = lines.iter().filter(|line| speaks_of(&line.scope, action, rt));
    let rules = fitting.map(|line| match line.whose {
        Whose::Care => {
            let whose = Rule::in_compartments(rt, ResourceType::PATIENT, patients.cared);
            limited(&line.scope, rt, shared(action, rt, false).or(whose))
        }
        Whose::All | Whose::Own => by_scope(&line.scope, action, rt, patients.own),
    });
    rules.fold(Rule::Nothing, Rule::or)
}

/// What scopes of level `patient` give of types that belong to nobody.
fn shared(action: Action, rt: ResourceType, is_nobody: bool) -> Rule {
    let reads = matches!(action, Action::Read | Action::Search);
    let is_shared = !is_nobody && reads && SHARED.contains(&rt.name());
    if is_shared { Rule::All } else { Rule::Nothing }
}

fn by_scope(scope: &Scope, action: Action, rt: ResourceType, patients: &[String]) -> Rule {
    let whose = match scope.level {
        Level::User | Level::System => Rule::All,
        Level::Patient => {
            let own = Rule::in_compartment(rt, ResourceType::PATIENT, patients);
            shared(action, rt, patients.is_empty()).or(own)
        }
    };
    limited(scope, rt, whose)
}

/// What the conditions of a scope leave of what it gives otherwise.
fn limited(scope: &Scope, rt: ResourceType, whose: Rule) -> Rule {
    match &scope.query {
        None => whose,
        // What cannot be understood permits nothing.
        Some(query) => whose.and(conditions(rt, query).unwrap_or(Rule::Nothing)),
    }
}

/// Conditions of a scope; `None` when they are not search parameters of the type, or look beyond
/// one resource.
fn conditions(rt: ResourceType, query: &str) -> Option<Rule> {
    let pairs: Option<Vec<(String, String)>> = query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), crate::scope::percent_decoded(value)?))
        })
        .collect();
    let handling = Handling::Strict;
    let setting = Setting { handling, base_url: "", now_ms: 0, lookup: &NoRecord };
    let query = search::parse::parse(rt, None, &pairs?, setting).ok()?;
    Rule::only(query.nodes).filter(|rule| *rule != Rule::All)
}

#[cfg(test)]
#[path = "policy/tests.rs"]
mod tests;
