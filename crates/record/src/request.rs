//! What one may ask of the door, and what it answers.
//!
//! Source: FHIR R4 http.html. A [`Request`] is an R4 interaction after its text was understood;
//! `route` makes one from method, path, headers and body.

use std::sync::Arc;

use fhir::issue::Issue;
use fhir::json::Doc;
use fhir_tables::ResourceType;

use crate::items::Change;

/// `Prefer: handling=…`: what to do with search parameters that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Handling {
    #[default]
    Strict,
    Lenient,
}

/// `Prefer: return=…`: what a write answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    Minimal,
    Representation,
    OperationOutcome,
}

/// `_summary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Summary {
    #[default]
    False,
    True,
    Text,
    Data,
    Count,
}

impl Summary {
    pub fn parse(text: &str) -> Option<Summary> {
        Some(match text {
            "false" => Summary::False,
            "true" => Summary::True,
            "text" => Summary::Text,
            "data" => Summary::Data,
            "count" => Summary::Count,
            _ => return None,
        })
    }
}

/// `_summary` and `_elements`: which part of a resource to serve.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct View {
    pub summary: Summary,
    /// Names of elements of the resource's root; empty: all.
    pub elements: Vec<String>,
}

impl View {
    /// The stored bytes are served as they are.
    pub fn is_whole(&self) -> bool {
        self.elements.is_empty() && matches!(self.summary, Summary::False | Summary::Count)
    }
}

/// Conditions of a read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unless {
    /// `If-None-Match: W/"3", W/"4"`: answer 304 when the version is one of these.
    pub versions: Vec<u32>,
    /// `If-None-Match: *`: answer 304 when there is a version.
    pub any_version: bool,
    /// `If-Modified-Since`, UTC milliseconds: answer 304 when nothing changed after it.
    pub modified_since_ms: Option<i64>,
}

/// What a history is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOf {
    System,
    Type(ResourceType),
    Instance(ResourceType, String),
}

/// Operations that answer from the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Of a Patient, of all Patients, or of an Encounter.
    Everything,
    /// Of Observation: the newest by code.
    LastN,
}

impl Operation {
    /// The operation of this name, without the `$`, where R4 has it: on the type or an instance.
    pub fn find(name: &str, rt: ResourceType, on_instance: bool) -> Option<Operation> {
        match (name, rt.name(), on_instance) {
            ("everything", "Patient", _) | ("everything", "Encounter", true) => {
                Some(Operation::Everything)
            }
            ("lastn", "Observation", false) => Some(Operation::LastN),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::Everything => "everything",
            Operation::LastN => "lastn",
        }
    }
}

/// A patch.
#[derive(Clone, Debug)]
pub enum PatchBody {
    /// RFC 6902, `application/json-patch+json`.
    Json(Doc),
    /// A Parameters resource; FHIR R4 fhirpatch.html.
    FhirPath(Doc),
}

/// One R4 interaction.
#[derive(Clone, Debug)]
pub enum Request {
    Read {
        rt: ResourceType,
        id: String,
        view: View,
        unless: Unless,
    },
    Vread {
        rt: ResourceType,
        id: String,
        vid: u32,
        view: View,
    },
    /// `pairs` are the decoded parameters in order, `_page` included; `compartment` is
    /// `Patient/1` of `Patient/1/Observation`. `rt: None`: across all types.
    Search {
        rt: Option<ResourceType>,
        compartment: Option<(ResourceType, String)>,
        pairs: Vec<(String, String)>,
        handling: Handling,
    },
    /// Patients who have an identifier that begins with `typed`, or a phone number that holds its
    /// digits; what is left of FHIR's search for a desk. At most `count`, no pages.
    FindPatients {
        typed: String,
        count: usize,
    },
    /// `pairs`: `_since`, `_at`, `_count`, `_page`, `_summary`, `_elements`.
    History {
        of: HistoryOf,
        pairs: Vec<(String, String)>,
    },
    /// `Type/id/$name`, `Type/$name`; `pairs` are its parameters, `_page` included.
    Operation {
        name: Operation,
        rt: ResourceType,
        id: Option<String>,
        pairs: Vec<(String, String)>,
    },
    /// `if_none_exist` is a query string.
    Create {
        rt: ResourceType,
        body: Doc,
        if_none_exist: Option<String>,
        ret: Return,
    },
    /// `if_absent` is `If-None-Match: *`.
    Update {
        rt: ResourceType,
        id: String,
        body: Doc,
        if_match: Option<u32>,
        if_absent: bool,
        ret: Return,
    },
    ConditionalUpdate {
        rt: ResourceType,
        query: String,
        body: Doc,
        if_match: Option<u32>,
        ret: Return,
    },
    Patch {
        rt: ResourceType,
        id: String,
        patch: PatchBody,
        if_match: Option<u32>,
        ret: Return,
    },
    ConditionalPatch {
        rt: ResourceType,
        query: String,
        patch: PatchBody,
        if_match: Option<u32>,
        ret: Return,
    },
    Delete {
        rt: ResourceType,
        id: String,
        if_match: Option<u32>,
    },
    ConditionalDelete {
        rt: ResourceType,
        query: String,
    },
    /// A Bundle of type batch or transaction.
    Bundle {
        body: Doc,
        ret: Return,
    },
    /// Loads resources as they are, keeping ids; only for [`crate::Actor::System`].
    Import {
        body: Doc,
        options: ImportOptions,
    },
    /// As [`Request::Import`] for resources that do not stand in a Bundle, in one commit for all or
    /// none. The answer has no body: its remarks are those on all of them, each placed at
    /// `Bundle.entry[place]`, as errors are.
    Load {
        resources: Arc<Vec<Doc>>,
        options: ImportOptions,
    },
}

/// How [`Request::Import`] and [`Request::Load`] treat what they load.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// Store a reference to a resource that is not here, and say so in a warning.
    pub allow_dangling: bool,
    /// Items written in the same commit, such as the progress of an import. With items there is
    /// one commit for all or none: nothing is stored one by one.
    pub with: Vec<Change>,
}

impl Request {
    /// Read the current version, whole.
    pub fn read(rt: ResourceType, id: impl Into<String>) -> Request {
        Request::Read { rt, id: id.into(), view: View::default(), unless: Unless::default() }
    }

    /// Search one type with a query string as it stands in a URL, strictly.
    pub fn search(rt: ResourceType, query: &str) -> Request {
        Request::Search {
            rt: Some(rt),
            compartment: None,
            pairs: crate::route::parse_query(query),
            handling: Handling::Strict,
        }
    }

    /// Search inside a compartment: `Patient/1/Observation?query`.
    pub fn search_in(
        compartment: (ResourceType, String),
        rt: ResourceType,
        query: &str,
    ) -> Request {
        Request::Search {
            rt: Some(rt),
            compartment: Some(compartment),
            pairs: crate::route::parse_query(query),
            handling: Handling::Strict,
        }
    }

    pub fn create(rt: ResourceType, body: Doc) -> Request {
        Request::Create { rt, body, if_none_exist: None, ret: Return::Representation }
    }

    pub fn update(rt: ResourceType, id: impl Into<String>, body: Doc) -> Request {
        Request::Update {
            rt,
            id: id.into(),
            body,
            if_match: None,
            if_absent: false,
            ret: Return::Representation,
        }
    }

    pub fn delete(rt: ResourceType, id: impl Into<String>) -> Request {
        Request::Delete { rt, id: id.into(), if_match: None }
    }

    /// A batch or transaction; entries answer without the resource.
    pub fn bundle(body: Doc) -> Request {
        Request::Bundle { body, ret: Return::Minimal }
    }
}

/// The answer: what the HTTP door sends, and what an entry of a response Bundle says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// JSON of a resource or Bundle.
    pub body: Option<String>,
    /// `W/"3"` without the dressing.
    pub etag: Option<u32>,
    /// UTC milliseconds.
    pub last_modified_ms: Option<i64>,
    /// Relative to the base: `Patient/1/_history/3`.
    pub location: Option<String>,
    /// Remarks on a success: ignored parameters, dangling references.
    pub issues: Vec<Issue>,
}

impl Response {
    pub(crate) fn status(status: u16) -> Response {
        Response { status, ..Response::default() }
    }
}
