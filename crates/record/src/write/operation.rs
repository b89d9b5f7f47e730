//! One change, as a request or an entry of a Bundle asks for it.

use fhir::json::Node;
use fhir_tables::ResourceType;

use crate::request::PatchBody;

/// A change and where it comes from.
pub(crate) struct Op<'a> {
    /// Place in the Bundle; 0 for a single request.
    pub entry_idx: usize,
    pub full_url: Option<String>,
    pub what: What<'a>,
}

/// The change.
pub(crate) enum What<'a> {
    Create {
        rt: ResourceType,
        node: Node<'a>,
        if_none_exist: Option<String>,
    },
    Update {
        rt: ResourceType,
        id: String,
        node: Node<'a>,
        if_match: Option<u32>,
        if_absent: bool,
    },
    UpdateWhere {
        rt: ResourceType,
        query: String,
        node: Node<'a>,
        if_match: Option<u32>,
    },
    Patch {
        rt: ResourceType,
        id: String,
        patch: PatchBody,
        if_match: Option<u32>,
    },
    PatchWhere {
        rt: ResourceType,
        query: String,
        patch: PatchBody,
        if_match: Option<u32>,
    },
    Delete {
        rt: ResourceType,
        id: String,
        if_match: Option<u32>,
    },
    DeleteWhere {
        rt: ResourceType,
        query: String,
    },
    /// A version made elsewhere, kept as it is. `node: None` is a deletion.
    Restore {
        rt: ResourceType,
        id: String,
        vid: u32,
        last_updated_ms: i64,
        /// A create; `None`: when there is no current version.
        is_first: Option<bool>,
        node: Option<Node<'a>>,
    },
}

impl What<'_> {
    pub fn rt(&self) -> ResourceType {
        match self {
            What::Create { rt, .. }
            | What::Update { rt, .. }
            | What::UpdateWhere { rt, .. }
            | What::Patch { rt, .. }
            | What::PatchWhere { rt, .. }
            | What::Delete { rt, .. }
            | What::DeleteWhere { rt, .. }
            | What::Restore { rt, .. } => *rt,
        }
    }

    /// `Type/id`, `Type?query` or `Type`, for the audit log.
    pub fn subject(&self) -> String {
        match self {
            What::Create { rt, .. } => rt.name().to_owned(),
            What::Update { rt, id, .. }
            | What::Patch { rt, id, .. }
            | What::Delete { rt, id, .. }
            | What::Restore { rt, id, .. } => format!("{rt}/{id}"),
            What::UpdateWhere { rt, query, .. }
            | What::PatchWhere { rt, query, .. }
            | What::DeleteWhere { rt, query } => format!("{rt}?{query}"),
        }
    }

    /// Whether it would change, or stand in the place of, an AuditEvent that is a leaf of the
    /// audit log.
    pub fn is_of_log(&self) -> bool {
        match self {
            What::Update { rt, id, .. }
            | What::Patch { rt, id, .. }
            | What::Delete { rt, id, .. }
            | What::Restore { rt, id, .. } => {
                *rt == ResourceType::AUDIT_EVENT && crate::audit::event::is_reserved(id)
            }
            _ => false,
        }
    }

    pub fn if_match(&self) -> Option<u32> {
        match self {
            What::Update { if_match, .. }
            | What::UpdateWhere { if_match, .. }
            | What::Patch { if_match, .. }
            | What::PatchWhere { if_match, .. }
            | What::Delete { if_match, .. } => *if_match,
            _ => None,
        }
    }

    pub fn if_absent(&self) -> bool {
        matches!(self, What::Update { if_absent: true, .. })
    }

    /// Order of processing in a transaction.
    ///
    /// Source: FHIR R4 http.html#trules: DELETE, then POST, then PUT and PATCH.
    pub fn turn(&self) -> u8 {
        match self {
            What::Delete { .. } | What::DeleteWhere { .. } => 0,
            What::Create { .. } => 1,
            _ => 2,
        }
    }

    /// Letter of the audit log: create, update, delete.
    pub fn audit_action(&self) -> char {
        match self {
            What::Create { .. } => 'C',
            What::Delete { .. } | What::DeleteWhere { .. } => 'D',
            _ => 'U',
        }
    }
}
