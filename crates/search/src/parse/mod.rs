//! Query text to query tree.
//!
//! Source: FHIR R4 search.html, compartmentdefinition.html.
//! The caller has decoded names and values; `_format`, `_pretty` and paging belong to the callers
//! and are not understood here (the first two are passed over).
//! Not here: `_query`; it is refused by name and never left out in silence.

mod control;
mod cost;
mod filter;
mod list;
mod node;
mod operand;
mod sort;
mod system;
mod terms;

use std::cell::Cell;
use std::collections::HashSet;

pub use terms::PARTS_MAX;

use fhir::issue::{Issue, IssueType};
use fhir_tables::{ResourceType, SearchKind, SearchParam, compartment};

use crate::custom::is_custom;
use crate::lookup::Lookup;
use crate::params;
use crate::plan::may_find_identifiers;
use crate::query::{Compartment, Contained, Criterion, Modifier, Operand, Query, Summary};
use crate::suggest::nearest;
use crate::value::ParamId;

pub use system::parse_system;

use node::Fail;

/// What to do with an unknown parameter (http.html `Prefer: handling`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Refuse the search.
    Strict,
    /// Leave it out and list it in [`Query::ignored`].
    Lenient,
}

/// Facts about the server and the moment that change what a query means.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub handling: Handling,
    /// No slash at the end.
    pub base_url: &'a str,
    /// For `ap` on dates.
    pub now_ms: i64,
    /// What a query has to know of the record: value sets, hierarchies.
    pub lookup: &'a dyn Lookup,
}

/// Most parameters in one search.
pub const PARAMETERS_MAX: usize = 200;
/// Most alternatives (comma) of one parameter.
pub const OPERANDS_MAX: usize = 1_000;
/// Most different alternatives of one parameter with `:contains`, which are compared with every
/// text.
pub const CONTAINS_MAX: usize = 100;
/// Most resources on a page; a larger `_count` is taken as this.
pub const COUNT_MAX: u32 = 1_000;
/// Most keys in `_sort`.
pub const SORT_KEYS_MAX: usize = 8;
/// Most references that one key of `_sort` follows.
pub const SORT_LINKS_MAX: usize = 3;
/// Most types that the keys of a `_sort` may lead to, together.
pub const SORT_TARGETS_MAX: usize = 200;
/// Most `_include` and `_revinclude` of one search together.
pub const INCLUDES_MAX: usize = 32;

/// Most references between the searched type and the last parameter of a chain or `_has`.
pub const CHAIN_LINKS_MAX: usize = 8;
/// Most conditions of one search on other resources: chains and `_has`, each with all its links.
pub const LINKED_MAX: usize = 8;
/// Most conditions of one search that are compared with every text: `:contains`, and `co`, `ew`,
/// `gt`, `lt`, `ge`, `le` of `_filter` on strings.
pub const SCANS_MAX: usize = 20;
/// Most conditions of one search, counted for each type that a chain may lead to.
pub const NODES_MAX: usize = 2_000;
/// Most values of all parameters together, counted for each type that a chain may lead to.
pub const OPERANDS_TOTAL_MAX: usize = 20_000;
/// Longest `_filter`, in bytes.
pub const FILTER_BYTES_MAX: usize = 8_192;
/// Most comparisons in one `_filter`.
pub const FILTER_TERMS_MAX: usize = 200;
/// Deepest nesting of parentheses and brackets in one `_filter`.
pub const FILTER_DEPTH_MAX: usize = 16;

/// Parameters that control the result, for suggestions.
const CONTROLS: &[&str] = &[
    "_sort",
    "_count",
    "_total",
    "_include",
    "_revinclude",
    "_summary",
    "_elements",
    "_format",
    "_pretty",
    "_contained",
    "_containedType",
    "_has",
    "_list",
    "_filter",
    "_type",
];

/// Parameters of R4 that are refused by name.
const REFUSED: &[&str] = &["_query"];

/// Reads a search on `rt`, within the compartment of a resource when one is given.
///
/// Errors: one issue for each parameter that cannot be used.
pub fn parse(
    rt: ResourceType,
    within: Option<(ResourceType, &str)>,
    pairs: &[(String, String)],
    setting: Setting<'_>,
) -> Result<Query, Vec<Issue>> {
    read_query(rt, within, pairs, &Reading::new(setting, false))
}

fn read_query(
    rt: ResourceType,
    within: Option<(ResourceType, &str)>,
    pairs: &[(String, String)],
    reading: &Reading<'_>,
) -> Result<Query, Vec<Issue>> {
    let mut issues = Vec::new();
    let compartment = match within.map(|(root, id)| read_compartment(rt, root, id)).transpose() {
        Ok(compartment) => compartment,
        Err(issue) => return Err(vec![issue]),
    };
    if pairs.len() > PARAMETERS_MAX {
        return Err(vec![Issue::error(
            IssueType::TooCostly,
            "",
            format!("A search may have {PARAMETERS_MAX} parameters; this one has {}.", pairs.len()),
        )]);
    }
    let mut query = Query {
        rt,
        compartment,
        nodes: Vec::new(),
        sort: Vec::new(),
        count: None,
        total: None,
        include: Vec::new(),
        revinclude: Vec::new(),
        summary: Summary::False,
        elements: Vec::new(),
        contained: Contained::NONE,
        canonical: String::new(),
        ignored: Vec::new(),
    };
    let mut seen = Vec::new();
    for (name, value) in pairs {
        match read_pair(&mut query, &mut seen, name, value, reading) {
            Ok(Read::Used) => add_canonical(&mut query.canonical, name, value),
            Ok(Read::Passed) => {}
            Ok(Read::Ignored) => query.ignored.push(name.clone()),
            Err(issue) => issues.push(issue),
        }
    }
    if issues.is_empty() {
        issues.extend(cost::check(&query));
    }
    if issues.is_empty() { Ok(query) } else { Err(issues) }
}

/// What became of one parameter.
pub(crate) enum Read {
    Used,
    /// For others to use.
    Passed,
    Ignored,
}

/// What reading conditions needs besides their text, and what it may still cost.
struct Reading<'a> {
    setting: Setting<'a>,
    /// The search is across types: what one type lacks, another may have.
    across: bool,
    nodes_left: Cell<usize>,
    operands_left: Cell<usize>,
}

impl<'a> Reading<'a> {
    fn new(setting: Setting<'a>, across: bool) -> Reading<'a> {
        let (nodes_left, operands_left) = (Cell::new(NODES_MAX), Cell::new(OPERANDS_TOTAL_MAX));
        Reading { setting, across, nodes_left, operands_left }
    }
}

fn read_pair<'a>(
    query: &mut Query,
    seen: &mut Vec<&'a str>,
    name: &'a str,
    value: &str,
    reading: &Reading<'_>,
) -> Result<Read, Issue> {
    if let Some(read) = control::read(query, seen, name, value, reading.across, reading.setting)? {
        return Ok(read);
    }
    match node::read(reading, query.rt, name, name, value, 0) {
        Ok(node) => {
            // What is said twice asks no more.
            if !query.nodes.contains(&node) {
                query.nodes.push(node);
            }
            Ok(Read::Used)
        }
        Err(Fail::Passable(_)) if reading.setting.handling == Handling::Lenient => {
            Ok(Read::Ignored)
        }
        Err(fail) => Err(fail.issue()),
    }
}

/// The parameter of this code: R4's own, or one that the practice has defined.
pub(crate) fn find(
    rt: ResourceType,
    code: &str,
    name: &str,
    setting: Setting<'_>,
) -> Result<Option<(ParamId, &'static SearchParam)>, Issue> {
    match params::find(rt, code) {
        Some(found) => Ok(Some(found)),
        None => setting.lookup.custom(rt, code).map_err(|refusal| {
            let text = format!("Parameter '{}': {}.", shown(name), refusal.text);
            Issue::error(refusal.code, "", text)
        }),
    }
}

fn read_criterion(
    name: &str,
    id: ParamId,
    param: &'static SearchParam,
    modifier: Modifier,
    value: &str,
    reading: &Reading<'_>,
) -> Result<Criterion, Issue> {
    let reader = operand::Reader { name, param, modifier, setting: reading.setting };
    let texts = operand::split(value, ',');
    if texts.len() > OPERANDS_MAX {
        return Err(Issue::error(
            IssueType::TooCostly,
            "",
            format!(
                "Parameter '{}' may have {OPERANDS_MAX} values separated by comma; this one has {}.",
                shown(name),
                texts.len()
            ),
        ));
    }
    let left = reading.operands_left.get().checked_sub(texts.len()).ok_or_else(|| {
        let text = format!(
            "The parameters of a search may have {OPERANDS_TOTAL_MAX} values together, counted \
             for each type that is searched; name fewer values or types."
        );
        Issue::error(IssueType::TooCostly, "", text)
    })?;
    reading.operands_left.set(left);
    // What is said twice asks no more.
    let mut seen = HashSet::with_capacity(texts.len());
    let texts: Vec<&str> = texts.into_iter().filter(|text| seen.insert(*text)).collect();
    if modifier == Modifier::Contains && texts.len() > CONTAINS_MAX {
        let text = format!(
            "Parameter '{}' may have {CONTAINS_MAX} different values with ':contains'; this one \
             has {}.",
            shown(name),
            texts.len()
        );
        return Err(Issue::error(IssueType::TooCostly, "", text));
    }
    let operands = if terms::needs_terms(param, modifier) {
        reader.terms(&texts)?
    } else {
        texts.iter().map(|text| reader.read(text)).collect::<Result<Vec<_>, _>>()?
    };
    let implied = implied_by(id, param, modifier, &operands);
    Ok(Criterion { param: id, kind: param.kind, modifier, operands, implied })
}

/// For a composite: what each component asks of the parameter of the same definition.
fn implied_by(
    id: ParamId,
    param: &'static SearchParam,
    modifier: Modifier,
    operands: &[Operand],
) -> Vec<Criterion> {
    // The components of a practice's composite may look elsewhere than the parameters they name.
    if param.kind != SearchKind::Composite || modifier != Modifier::None || is_custom(id) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (i, (code, _)) in param.components.iter().enumerate() {
        let Some((id, component)) = params::find(param.base, code) else { continue };
        let operands = operands
            .iter()
            .filter_map(|operand| match operand {
                Operand::Composite(parts) => parts.get(i).cloned(),
                _ => None,
            })
            .collect();
        let (kind, modifier) = (component.kind, Modifier::None);
        out.push(Criterion { param: id, kind, modifier, operands, implied: Vec::new() });
    }
    out
}

fn read_modifier(name: &str, param: &SearchParam, text: &str) -> Result<Modifier, Issue> {
    let by_type = ResourceType::from_name(text);
    if let (Some(rt), SearchKind::Reference) = (by_type, param.kind) {
        if !param.targets.is_empty() && !param.targets.contains(&rt) {
            return Err(invalid(name, &format!("never points to {rt}; {}", targets(param))));
        }
        return Ok(Modifier::Type(rt));
    }
    if terms::has_own_form(param) {
        return Err(invalid(name, "has no modifiers; leave ':' and what follows out"));
    }
    if !param.modifiers.contains(&text) || text == "type" {
        let known: Vec<&str> = param.modifiers.iter().copied().filter(|m| *m != "type").collect();
        return Err(invalid(
            name,
            &format!(
                "has no modifier ':{}'; a {} parameter knows {}",
                shown(text),
                param.kind.as_str(),
                known.iter().map(|m| format!(":{m}")).collect::<Vec<_>>().join(", "),
            ),
        ));
    }
    if param.code == "_lastUpdated" || (param.code == "_id" && text != "not") {
        return Err(invalid(name, "has no modifiers; leave ':' and what follows out"));
    }
    Ok(match text {
        "missing" => Modifier::Missing,
        "exact" => Modifier::Exact,
        "contains" => Modifier::Contains,
        "text" => Modifier::Text,
        "not" => Modifier::Not,
        "of-type" if !may_find_identifiers(param) => {
            return Err(invalid(name, "finds no identifiers; ':of-type' is for them alone"));
        }
        "of-type" => Modifier::OfType,
        "identifier" => Modifier::Identifier,
        "above" => Modifier::Above,
        "below" => Modifier::Below,
        "in" => Modifier::In,
        "not-in" => Modifier::NotIn,
        _ => {
            return Err(not_supported(
                name,
                &format!("The modifier ':{text}' is part of FHIR R4."),
            ));
        }
    })
}

fn read_compartment(rt: ResourceType, root: ResourceType, id: &str) -> Result<Compartment, Issue> {
    let Some(def) = compartment(root.name()) else {
        return Err(Issue::error(
            IssueType::NotSupported,
            "",
            format!(
                "{root} has no compartment; FHIR R4 defines Patient, Encounter, Practitioner, \
                 RelatedPerson and Device."
            ),
        ));
    };
    let params: Vec<ParamId> =
        def.params_of(rt).iter().filter_map(|code| Some(params::find(rt, code)?.0)).collect();
    let is_root = rt == root;
    if params.is_empty() && !is_root {
        return Err(Issue::error(
            IssueType::NotSupported,
            "",
            format!("{rt} is not part of the {root} compartment in FHIR R4; search /{rt}."),
        ));
    }
    Ok(Compartment { root, id: id.to_owned(), params, is_root })
}

/// A name or value of the client, short enough to repeat.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 60;
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

pub(crate) fn invalid(name: &str, what: &str) -> Issue {
    let text = format!("Parameter '{}' {what}.", shown(name));
    Issue::error(IssueType::Invalid, "", text)
}

pub(crate) fn not_supported(name: &str, why: &str) -> Issue {
    let text = format!(
        "Parameter '{}' is not supported. {why} This server does not offer it yet; leave it out.",
        shown(name)
    );
    Issue::error(IssueType::NotSupported, "", text)
}

fn unknown(rt: ResourceType, code: &str) -> Issue {
    let codes = params::of(rt).map(|(_, param)| param.code);
    let hint = match nearest(code, codes.chain(CONTROLS.iter().copied())) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("/metadata lists the parameters of {rt}."),
    };
    let text = format!(
        "{rt} has no search parameter '{}'; {hint} \
         With 'Prefer: handling=lenient' unknown parameters are left out.",
        shown(code)
    );
    Issue::error(IssueType::NotSupported, "", text)
}

pub(crate) fn targets(param: &SearchParam) -> String {
    let names: Vec<&str> = param.targets.iter().map(|rt| rt.name()).collect();
    format!("it may point to {}", names.join(", "))
}

fn add_canonical(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    escape_into(out, name);
    out.push('=');
    escape_into(out, value);
}

/// RFC 3986 §3.4: what may stand in a query stays, without `&`, `=`, `+` and `%`.
fn escape_into(out: &mut String, text: &str) {
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(b as char),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' | b'$' | b'*' | b'!' => {
                out.push(b as char)
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(HEX[usize::from(b >> 4)] as char);
                out.push(HEX[usize::from(b & 15)] as char);
            }
        }
    }
}
