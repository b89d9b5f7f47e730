//! Who may do what: one function, default deny.
//!
//! Until consent, labels and compartments decide in finer grain: a context must hold a scope for
//! the action and, for a person, a role that permits it. The patient role reads its own Patient
//! resource and nothing else.

use fhir_tables::ResourceType;

use crate::ctx::{Action, Actor, Ctx, Role};

/// The answer of [`permit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Permit,
    /// Say that it is forbidden.
    Refuse,
    /// Say what one would say if the resource did not exist.
    Hide,
}

/// Whether `ctx` may do `action` with resources of type `rt`, or with the one resource `id`.
///
/// `rt: None` stands for every type at once: system history, search across types.
pub fn permit(ctx: &Ctx, action: Action, rt: Option<ResourceType>, id: Option<&str>) -> Decision {
    let by_scope = match rt {
        Some(rt) => ctx.scopes.allow(action, rt),
        None => ctx.scopes.allow_any_type(action),
    };
    if !by_scope {
        return Decision::Refuse;
    }
    match &ctx.actor {
        Actor::System => Decision::Permit,
        // Other systems may add to the trail, and change nothing in it.
        Actor::Client { .. } => match action {
            Action::Update | Action::Delete if is_audit_event(rt) => Decision::Refuse,
            _ => Decision::Permit,
        },
        Actor::User { role: Role::Patient, patient, .. } => {
            let own_type = rt.is_some_and(|rt| rt.name() == "Patient");
            match (action, id, patient) {
                (Action::Read, Some(id), Some(own)) if own_type && id == own => Decision::Permit,
                (Action::Read, Some(_), _) => Decision::Hide,
                _ => Decision::Refuse,
            }
        }
        Actor::User { role, .. } => staff(*role, action, rt),
    }
}

fn is_audit_event(rt: Option<ResourceType>) -> bool {
    rt.is_some_and(|rt| rt.name() == "AuditEvent")
}

/// Staff read, write and search everything that is clinical; the audit trail of the record is
/// read by those who answer for it and changed by nobody.
fn staff(role: Role, action: Action, rt: Option<ResourceType>) -> Decision {
    // Every type at once includes audit events.
    let is_audit = rt.is_none() || is_audit_event(rt);
    let may_audit = matches!(role, Role::Admin | Role::PrivacyOfficer);
    match action {
        Action::Read | Action::Search if is_audit && !may_audit => Decision::Refuse,
        Action::Create | Action::Update | Action::Delete if is_audit => Decision::Refuse,
        _ => Decision::Permit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scopes;

    fn user(role: Role, scopes: &str) -> Ctx {
        let mut ctx = Ctx::system("r", 0);
        ctx.scopes = Scopes::parse(scopes);
        let patient = (role == Role::Patient).then(|| "p1".to_owned());
        ctx.actor = Actor::User { id: "u".into(), name: "U".into(), role, patient };
        ctx
    }

    fn decide(ctx: &Ctx, action: Action, ty: &str, id: Option<&str>) -> Decision {
        permit(ctx, action, ResourceType::from_name(ty), id)
    }

    #[test]
    fn no_scope_no_access_even_for_the_administrator() {
        let ctx = user(Role::Admin, "");
        assert_eq!(decide(&ctx, Action::Read, "Patient", Some("p1")), Decision::Refuse);
    }

    #[test]
    fn a_patient_reads_the_own_patient_resource_only() {
        let ctx = user(Role::Patient, "user/*.cruds");
        assert_eq!(decide(&ctx, Action::Read, "Patient", Some("p1")), Decision::Permit);
        assert_eq!(decide(&ctx, Action::Read, "Patient", Some("p2")), Decision::Hide);
        assert_eq!(decide(&ctx, Action::Read, "Observation", Some("o")), Decision::Hide);
        for action in [Action::Create, Action::Update, Action::Delete, Action::Search] {
            assert_eq!(decide(&ctx, action, "Patient", Some("p1")), Decision::Refuse);
        }
        assert_eq!(permit(&ctx, Action::Read, None, None), Decision::Refuse);
    }

    #[test]
    fn a_client_adds_to_the_trail_and_changes_nothing_in_it() {
        let mut ctx = user(Role::Admin, "system/*.cruds");
        ctx.actor = Actor::Client { id: "c".into(), name: "C".into() };
        assert_eq!(decide(&ctx, Action::Create, "AuditEvent", None), Decision::Permit);
        assert_eq!(decide(&ctx, Action::Update, "AuditEvent", Some("a")), Decision::Refuse);
        assert_eq!(decide(&ctx, Action::Delete, "AuditEvent", Some("a")), Decision::Refuse);
        assert_eq!(decide(&ctx, Action::Delete, "Patient", Some("p")), Decision::Permit);
    }

    #[test]
    fn nobody_changes_audit_events_and_few_read_them() {
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Patient) {
            let ctx = user(role, "user/*.cruds");
            assert_eq!(decide(&ctx, Action::Read, "Patient", Some("p")), Decision::Permit);
            assert_eq!(decide(&ctx, Action::Update, "AuditEvent", Some("a")), Decision::Refuse);
            let reads = decide(&ctx, Action::Search, "AuditEvent", None) == Decision::Permit;
            assert_eq!(permit(&ctx, Action::Search, None, None) == Decision::Permit, reads);
            assert_eq!(reads, matches!(role, Role::Admin | Role::PrivacyOfficer), "{role:?}");
        }
    }
}
