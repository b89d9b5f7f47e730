//! `_sort`: the keys of the order.
//!
//! Source: FHIR R4 search.html#sort. A key may follow references in the form of a chain,
//! `patient.name` or `subject:Patient.name`, which R4 leaves open: resources are compared by what
//! the referenced ones have.

use std::cell::Cell;

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, SearchKind};

use super::node::reference;
use super::operand::reachable;
use super::{SORT_KEYS_MAX, SORT_LINKS_MAX, SORT_TARGETS_MAX, Setting, invalid, shown, targets};
use crate::params;
use crate::query::{Query, SortKey};
use crate::suggest::nearest;

/// Reads the keys of `_sort` into the query.
pub(super) fn read(query: &mut Query, value: &str, setting: Setting<'_>) -> Result<(), Issue> {
    let reader = Reader { setting, targets_left: Cell::new(SORT_TARGETS_MAX) };
    let keys: Vec<&str> = value.split(',').collect();
    if keys.len() > SORT_KEYS_MAX {
        let text = format!("_sort may have {SORT_KEYS_MAX} keys; this one has {}.", keys.len());
        return Err(Issue::error(IssueType::TooCostly, "", text));
    }
    for key in keys {
        let (path, descending) = match key.strip_prefix('-') {
            Some(path) => (path, true),
            None => (key, false),
        };
        query.sort.push(reader.key(query.rt, path, descending, 0)?);
    }
    Ok(())
}

struct Reader<'a> {
    setting: Setting<'a>,
    targets_left: Cell<usize>,
}

impl Reader<'_> {
    /// Reads what is left of a key behind `links` references.
    fn key(
        &self,
        rt: ResourceType,
        path: &str,
        descending: bool,
        links: usize,
    ) -> Result<SortKey, Issue> {
        if let Some((head, rest)) = path.split_once('.') {
            return self.chain(rt, head, rest, descending, links);
        }
        if path.contains(':') {
            let what = format!("cannot be '{}': a key has no modifiers", shown(path));
            return Err(not_supported(&what));
        }
        let Some((param, definition)) = super::find(rt, path, "_sort", self.setting)? else {
            let codes = params::of(rt).map(|(_, param)| param.code);
            let hint = match nearest(path, codes) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "name search parameters, with '-' in front for descending order".into(),
            };
            let what = format!("cannot sort {rt} by '{}'; {hint}", shown(path));
            return Err(invalid("_sort", &what));
        };
        let kind = definition.kind;
        let is_sortable = !definition.expression.is_empty()
            && !matches!(kind, SearchKind::Composite | SearchKind::Special);
        if !is_sortable {
            let what = format!("cannot sort by '{path}', a {} parameter", kind.as_str());
            return Err(not_supported(&what));
        }
        Ok(SortKey { param, kind, descending, targets: Vec::new() })
    }

    /// A reference, with or without the type that it leads to, and the key behind it.
    fn chain(
        &self,
        rt: ResourceType,
        head: &str,
        rest: &str,
        descending: bool,
        links: usize,
    ) -> Result<SortKey, Issue> {
        if links == SORT_LINKS_MAX {
            let text = format!("A key of _sort may follow {SORT_LINKS_MAX} references.");
            return Err(Issue::error(IssueType::TooCostly, "", text));
        }
        let (code, ty) = match head.split_once(':') {
            Some((code, ty)) => (code, Some(ty)),
            None => (head, None),
        };
        let (param, definition) =
            reference(rt, code, "_sort", self.setting).map_err(super::node::Fail::issue)?;
        let mut reached = reachable(definition);
        if let Some(name) = ty {
            let Some(ty) = ResourceType::from_name(name).filter(|ty| reached.contains(ty)) else {
                let what = format!(
                    "never leads to '{}' by '{code}'; {}",
                    shown(name),
                    targets(definition)
                );
                return Err(invalid("_sort", &what));
            };
            reached = vec![ty];
        }
        let mut found: Vec<(ResourceType, SortKey)> = Vec::new();
        let mut failed = None;
        for ty in reached {
            let left = self.targets_left.get().checked_sub(1).ok_or_else(|| {
                let text = format!(
                    "The keys of _sort lead to more than {SORT_TARGETS_MAX} types; name the \
                     types, as in subject:Patient.name."
                );
                Issue::error(IssueType::TooCostly, "", text)
            })?;
            self.targets_left.set(left);
            match self.key(ty, rest, descending, links + 1) {
                Ok(key) => found.push((ty, key)),
                Err(issue) if issue.code == IssueType::TooCostly => return Err(issue),
                Err(issue) => failed = failed.or(Some(issue)),
            }
        }
        let Some((first, key)) = found.first() else {
            let text = || invalid("_sort", "leads to no type").text;
            let issue = failed.unwrap_or_else(|| Issue::error(IssueType::Invalid, "", text()));
            return Err(issue);
        };
        let kind = key.kind;
        if let Some((other, _)) = found.iter().find(|(_, key)| key.kind != kind) {
            let what = format!(
                "compares by '{}' values of different kinds of {first} and {other}; name the \
                 type, as in {code}:{first}.{rest}",
                shown(rest)
            );
            return Err(invalid("_sort", &what));
        }
        Ok(SortKey { param, kind, descending, targets: found })
    }
}

fn not_supported(what: &str) -> Issue {
    Issue::error(IssueType::NotSupported, "", format!("Parameter '_sort' {what}."))
}
