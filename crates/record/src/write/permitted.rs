//! What a login may write: on what is there, and into what it is made.

use access::Action;
use fhir::json::Node;
use fhir_tables::ResourceType;
use search::Rule;
use search::world::Known;
use store::{ChangeKind, Expect, Head, Put};

use super::operation::Op;
use super::plan::{Planner, Target, current_expected};
use super::stale;
use crate::error::{Error, Kind, Result};
use crate::gate::{forbidden, not_found};

impl Planner<'_> {
    /// What is there, if the action is permitted on it.
    ///
    /// Errors: `Forbidden`; `NotFound` when it may not be known either.
    pub(super) fn current(&mut self, action: Action, head: Head) -> Result<Target> {
        let (may, rt) = (&self.ctx.may, head.rt);
        // Whether something refers to it would tell of what may not be seen. References of the
        // audit trail hold nothing.
        let sees = |rt| rt == ResourceType::AUDIT_EVENT || may.all(Action::Read, rt);
        if action == Action::Delete && !ResourceType::ALL.into_iter().all(sees) {
            let text = "who sees a part of the record deletes nothing from it: something unseen \
                        could refer to it";
            return Err(Error::new(Kind::Forbidden, text));
        }
        if !may.all(action, rt) {
            let id = &head.id;
            let is_known = self.snapshot.head(rt, id)?.is_some();
            let sees = may.sees(action);
            if self.snapshot.seen_by(sees, |snapshot| snapshot.head(rt, id))?.is_none() {
                return Err(match is_known {
                    true => forbidden(action, Some(rt)),
                    false => not_found(rt.name(), id),
                });
            }
        }
        Ok(Target::Current(head))
    }

    /// Whether a resource may become what it is about to become.
    pub(super) fn check_content(&self, action: Action, put: &Put) -> Result<()> {
        let rule = self.ctx.may.rule(action, put.rt);
        let known = || Known {
            rt: put.rt,
            id: put.id.clone(),
            last_updated_ms: self.ctx.at_ms,
            values: put.values.clone(),
        };
        match rule {
            Rule::All => Ok(()),
            Rule::Nothing => Err(forbidden(action, Some(put.rt))),
            Rule::Only(_) if rule.admits(&known()) => Ok(()),
            Rule::Only(_) => {
                let text = format!(
                    "the scopes and role of this login do not permit '{}' on this {}: not for \
                     this patient, or not with this content",
                    action.letter(),
                    put.rt
                );
                Err(Error::new(Kind::Forbidden, text))
            }
        }
    }

    /// Who sees a part of a type does not choose ids in it: whether one is taken would tell of the
    /// rest.
    pub(super) fn choose_id(&self, rt: ResourceType) -> Result<()> {
        if self.knows_all(rt) {
            return Ok(());
        }
        let text = format!("no {rt} of this id may be updated, and this login may not choose ids");
        Err(Error::new(Kind::Forbidden, text))
    }

    pub(super) fn knows_all(&self, rt: ResourceType) -> bool {
        *self.ctx.may.knows().rule(rt) == Rule::All
    }

    /// An update by somebody who may change a part of a type: what is there decides.
    pub(super) fn update_part(
        &mut self,
        op_idx: usize,
        op: &Op<'_>,
        id: &str,
        node: Node<'_>,
        (if_match, if_absent): (Option<u32>, bool),
    ) -> Result<()> {
        let rt = op.what.rt();
        let current = self.snapshot.head(rt, id)?;
        match current.filter(|head| head.kind != ChangeKind::Delete) {
            Some(_) if if_absent => {
                Err(Error::new(Kind::Exists, "If-None-Match: *, and there is a resource"))
            }
            Some(head) => {
                self.current(Action::Update, head.clone())?;
                let expect = current_expected(if_match, &head)?;
                self.put(op_idx, op, id, node, (Action::Update, expect))
            }
            None => {
                self.choose_id(rt)?;
                if let Some(wanted) = if_match {
                    return Err(stale(wanted, None));
                }
                self.may(Action::Create, rt)?;
                self.put(op_idx, op, id, node, (Action::Create, Expect::Absent))
            }
        }
    }
}
