//! What reading a query has to know of the record: value sets, code systems, hierarchies.
//!
//! The caller answers from a snapshot; this crate reads no storage.

use std::fmt::Debug;

use fhir::issue::IssueType;
use fhir_tables::{ResourceType, SearchParam};
use terminology::CodeSet;

use crate::value::ParamId;

/// Which way to go in a hierarchy. What one starts from is in the answer, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what is more general.
    Above,
    /// To what is more special.
    Below,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: IssueType,
    /// What is wrong and what to do, without a full stop at the end.
    pub text: String,
}

/// Answers of the record.
pub trait Lookup: Debug {
    /// Codes of a value set, by its URL or as `ValueSet/id`.
    fn value_set(&self, url: &str) -> Result<CodeSet, Refusal>;

    /// Codes of a code system that subsume a code or that it subsumes.
    fn subsumption(
        &self,
        system: &str,
        code: &str,
        direction: Direction,
    ) -> Result<CodeSet, Refusal>;

    /// Ids of the resources that a resource is part of, or that are part of it.
    fn parts(
        &self,
        rt: ResourceType,
        id: &str,
        direction: Direction,
    ) -> Result<Vec<String>, Refusal>;

    /// A search parameter that the practice has defined; refused while it is not ready.
    fn custom(
        &self,
        rt: ResourceType,
        code: &str,
    ) -> Result<Option<(ParamId, &'static SearchParam)>, Refusal> {
        let _ = (rt, code);
        Ok(None)
    }
}

/// A lookup without a record: knows the value sets that R4 binds elements to.
#[derive(Debug)]
pub struct NoRecord;

impl Lookup for NoRecord {
    fn value_set(&self, url: &str) -> Result<CodeSet, Refusal> {
        let known = terminology::known(url);
        let unknown = || Err(terminology::Error::Unknown { url: url.to_owned() });
        known.unwrap_or_else(unknown).map_err(Refusal::from)
    }

    fn subsumption(&self, system: &str, _: &str, _: Direction) -> Result<CodeSet, Refusal> {
        let text = format!("the code system {system} is not stored here");
        Err(Refusal { code: IssueType::NotFound, text })
    }

    fn parts(&self, rt: ResourceType, id: &str, _: Direction) -> Result<Vec<String>, Refusal> {
        let text = format!("{rt}/{id} is not here");
        Err(Refusal { code: IssueType::NotFound, text })
    }
}

impl From<terminology::Error> for Refusal {
    fn from(e: terminology::Error) -> Refusal {
        let code = match &e {
            terminology::Error::Unknown { .. } => IssueType::NotFound,
            terminology::Error::NotExpandable { .. } => IssueType::NotSupported,
            terminology::Error::Failed(_) => IssueType::Exception,
        };
        Refusal { code, text: e.to_string() }
    }
}

/// The parameter by which resources of a type are parts of others of the type.
pub fn part_of(rt: ResourceType) -> Option<&'static str> {
    ["partof", "part-of"].into_iter().find(|code| {
        fhir_tables::search_param(rt, code).is_some_and(|param| param.targets.contains(&rt))
    })
}
