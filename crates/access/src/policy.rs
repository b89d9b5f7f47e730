//! The practice's policy: one readable file, and what it comes to for somebody who asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fhir_tables::{ResourceType, compartment};
use search::Rule;
use search::lookup::NoRecord;
use search::parse::{Handling, Setting};
use toml::{Table, Value};

use crate::consent::{self, Consent};
use crate::ctx::{Action, Actor, Ctx, Role};
use crate::may::May;
use crate::scope::{Level, Scope};

/// The policy of a practice that has written none.
pub const DEFAULT: &str = include_str!("policy.toml");

/// Name of the section for programs that act for themselves.
const PROGRAM: &str = "program";
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
    may: Vec<Scope>,
    not: Vec<Scope>,
    consents: Heeded,
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
    /// Ids of the Patients that somebody is, or acts for.
    pub patients: Vec<String>,
    /// Of the whole practice, those that are in force.
    pub consents: Arc<Vec<Consent>>,
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
            if Role::parse(&name).is_none() && name != PROGRAM {
                let roles: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
                let text = format!(
                    "the policy has a section [{name}], which is no role: write one of {}, {PROGRAM}",
                    roles.join(", ")
                );
                return Err(BadPolicy(text));
            }
            sections.insert(name.clone(), section(&name, value)?);
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
        let own = &relations.patients;
        let launched: &[String] = ctx.launch_patient.as_slice();
        // A person at our own pages acts without a program between; `system/` is for programs that
        // act for themselves.
        let is_of_program = |scope: &Scope| ctx.app.is_some() && scope.level == Level::System;
        May::by(|action, rt| {
            let given = join(&section.may, action, rt, own);
            let taken = join(&section.not, action, rt, own);
            let scopes = ctx.scopes.rows().iter().filter(|scope| !is_of_program(scope));
            let rule = given.and(taken.negated()).and(join(scopes, action, rt, launched));
            rule.and(section.consented(ctx, relations, rt))
        })
    }

    /// Whether what patients consent to decides for who asks.
    pub fn heeds_consents(&self, actor: &Actor) -> bool {
        let section = match actor {
            Actor::System => return false,
            Actor::User { role, .. } => self.sections.get(role.as_str()),
            Actor::Client { .. } => self.sections.get(PROGRAM),
        };
        section.is_some_and(|section| section.consents != Heeded::Not)
    }
}

impl Section {
    /// What of a type the consents of patients leave to who asks.
    fn consented(&self, ctx: &Ctx, relations: &Relations, rt: ResourceType) -> Rule {
        let hidden = || consent::hidden(&relations.consents, ctx, rt).negated();
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
                let permitting = consent::permitting(&relations.consents, ctx);
                Rule::in_compartment(rt, ResourceType::PATIENT, &permitting).and(hidden())
            }
        }
    }
}

fn section(name: &str, value: Value) -> Result<Section, BadPolicy> {
    let Value::Table(table) = value else {
        return Err(BadPolicy(format!("{name} is no section: write [{name}]")));
    };
    let mut section = Section::default();
    for (key, value) in table {
        let list = match key.as_str() {
            "may" => &mut section.may,
            "not" => &mut section.not,
            "consents" => {
                section.consents = match value.as_str() {
                    Some("none") => Heeded::Not,
                    Some("denials") => Heeded::Denials,
                    Some("permits") => Heeded::Permits,
                    _ => {
                        let text = format!(
                            "[{name}] consents: write \"none\", \"denials\" or \"permits\""
                        );
                        return Err(BadPolicy(text));
                    }
                };
                continue;
            }
            _ => {
                let text = format!("[{name}] has '{key}': may, not and consents are known");
                return Err(BadPolicy(text));
            }
        };
        let Value::Array(lines) = value else {
            return Err(BadPolicy(format!("[{name}] {key} is no list of scopes")));
        };
        if lines.len() > LINES_MAX {
            return Err(BadPolicy(format!("[{name}] {key} has more than {LINES_MAX} lines")));
        }
        for line in lines {
            let text = line.as_str().unwrap_or_default();
            let scope = Scope::parse(text).filter(|scope| scope.level != Level::System);
            let Some(scope) = scope else {
                let text = format!(
                    "[{name}] {key}: {text:?} is no scope such as user/Observation.rs or \
                     patient/*.rs"
                );
                return Err(BadPolicy(text));
            };
            if let (Some(rt), Some(query)) = (scope.rt, &scope.query)
                && conditions(rt, query).is_none()
            {
                let text = format!(
                    "[{name}] {key}: the conditions of {scope} are no search parameters of {rt} \
                     that one {rt} alone decides"
                );
                return Err(BadPolicy(text));
            }
            list.push(scope);
        }
    }
    Ok(section)
}

/// What any of the scopes permits.
fn join<'s>(
    scopes: impl IntoIterator<Item = &'s Scope>,
    action: Action,
    rt: ResourceType,
    patients: &[String],
) -> Rule {
    let fits = |scope: &&Scope| scope.rt.is_none_or(|of| of == rt) && scope.actions.has(action);
    let rules = scopes.into_iter().filter(fits).map(|scope| rule(scope, action, rt, patients));
    rules.fold(Rule::Nothing, Rule::or)
}

fn rule(scope: &Scope, action: Action, rt: ResourceType, patients: &[String]) -> Rule {
    let reads = matches!(action, Action::Read | Action::Search);
    let whose = match scope.level {
        Level::User | Level::System => Rule::All,
        Level::Patient if patients.is_empty() => Rule::Nothing,
        Level::Patient if reads && SHARED.contains(&rt.name()) => Rule::All,
        Level::Patient => Rule::in_compartment(rt, ResourceType::PATIENT, patients),
    };
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
