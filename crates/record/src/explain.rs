//! `_explain=true`: how a search is carried out, for administrators.
//!
//! Not part of FHIR. The answer is a Parameters: one `plan` for each type that is searched and has
//! resources, with its steps in the order in which they were carried out.

use access::{Action, Actor, Role};
use fhir::json::write_string;
use store::{Explain, Step};

use crate::error::{Error, Kind, Result};
use crate::gate::Asking;
use crate::record::Outcome;
use crate::request::Response;

/// Whether the plan is wanted.
///
/// Errors: `Forbidden` for anybody who does not administer the practice; `Value` for values other
/// than true and false.
pub(crate) fn is_wanted(ctx: &Asking<'_>, pairs: &[(String, String)]) -> Result<bool> {
    let [(_, value)] = pairs else {
        return match pairs {
            [] => Ok(false),
            _ => Err(Error::new(Kind::Invalid, "_explain is given twice; give it once")),
        };
    };
    if !administers(ctx) {
        let text = "the parameter _explain is for administrators; leave it out";
        return Err(Error::new(Kind::Forbidden, text));
    }
    match value.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::new(Kind::Value, "_explain must be true or false")),
    }
}

/// A person with the role, or a client that may do everything.
fn administers(ctx: &Asking<'_>) -> bool {
    match &ctx.actor {
        Actor::System => true,
        // A plan tells of everything that it looks at.
        Actor::User { role, .. } => {
            *role == Role::Admin && ctx.may.sees(Action::Search).is_everything()
        }
        Actor::Client { .. } => {
            Action::ALL.into_iter().all(|action| ctx.scopes.allow_any_type(action))
        }
    }
}

pub(crate) fn answer(plans: &[Explain]) -> Outcome {
    let mut out = r#"{"resourceType":"Parameters""#.to_owned();
    if !plans.is_empty() {
        out.push_str(r#","parameter":["#);
        for (plan_idx, plan) in plans.iter().enumerate() {
            if plan_idx > 0 {
                out.push(',');
            }
            write_plan(plan, &mut out);
        }
        out.push(']');
    }
    out.push('}');
    let response = Response { status: 200, body: Some(out), ..Response::default() };
    Outcome { response, ..Outcome::default() }
}

fn write_plan(plan: &Explain, out: &mut String) {
    let mut parts = Parts::begin("plan", out);
    parts.code("type", plan.rt.name());
    parts.text("query", &plan.query);
    for step in &plan.steps {
        parts.nested(|out| write_step(step, out));
    }
    parts.number("candidates", plan.candidates);
    parts.number("verified", plan.verified);
    parts.number("verifyMicroseconds", plan.verify_micros);
    parts.number("total", plan.total);
    parts.number("microseconds", plan.micros);
    parts.end();
}

fn write_step(step: &Step, out: &mut String) {
    let mut parts = Parts::begin("step", out);
    parts.number("depth", step.depth as u64);
    parts.text("condition", &step.condition);
    parts.code("way", step.way.as_str());
    if let Some(listed) = step.listed {
        parts.number("listed", listed);
    }
    parts.number("found", step.found);
    parts.number("unsure", step.unsure);
    parts.number("candidates", step.candidates);
    parts.number("microseconds", step.micros);
    parts.end();
}

/// A parameter with parts, written from top to bottom.
struct Parts<'o> {
    out: &'o mut String,
    is_first: bool,
}

impl<'o> Parts<'o> {
    fn begin(name: &str, out: &'o mut String) -> Parts<'o> {
        out.push_str("{\"name\":");
        write_string(name, out);
        out.push_str(",\"part\":[");
        Parts { out, is_first: true }
    }

    fn nested(&mut self, write: impl FnOnce(&mut String)) {
        if !self.is_first {
            self.out.push(',');
        }
        self.is_first = false;
        write(self.out);
    }

    fn part(&mut self, name: &str, ty: &str, value: impl FnOnce(&mut String)) {
        self.nested(|out| {
            out.push_str("{\"name\":");
            write_string(name, out);
            out.push_str(&format!(",\"value{ty}\":"));
            value(out);
            out.push('}');
        });
    }

    fn code(&mut self, name: &str, value: &str) {
        self.part(name, "Code", |out| write_string(value, out));
    }

    /// FHIR has no empty strings.
    fn text(&mut self, name: &str, value: &str) {
        let value = if value.trim().is_empty() { "-" } else { value.trim() };
        self.part(name, "String", |out| write_string(value, out));
    }

    /// A decimal, because an integer of R4 ends at 2 147 483 647.
    fn number(&mut self, name: &str, value: u64) {
        self.part(name, "Decimal", |out| out.push_str(&value.to_string()));
    }

    fn end(self) {
        self.out.push_str("]}");
    }
}
