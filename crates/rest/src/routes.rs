//! The one list of routes. The router, the CapabilityStatement, the metrics and the test that
//! nothing answers without a token are made from it.
//!
//! Source: FHIR R4 http.html.

/// What an R4 route does; the code is the one of the CapabilityStatement where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interaction {
    Read,
    Vread,
    Update,
    Patch,
    Delete,
    HistoryInstance,
    HistoryType,
    Create,
    SearchType,
    ConditionalUpdate,
    ConditionalPatch,
    ConditionalDelete,
    SearchCompartment,
    Transaction,
    SearchSystem,
    HistorySystem,
    Everything,
    LastN,
}

impl Interaction {
    /// Code of TypeRestfulInteraction; `None` for what the CapabilityStatement says by a flag.
    pub const fn type_code(self) -> Option<&'static str> {
        Some(match self {
            Interaction::Read => "read",
            Interaction::Vread => "vread",
            Interaction::Update => "update",
            Interaction::Patch => "patch",
            Interaction::Delete => "delete",
            Interaction::HistoryInstance => "history-instance",
            Interaction::HistoryType => "history-type",
            Interaction::Create => "create",
            Interaction::SearchType => "search-type",
            _ => return None,
        })
    }

    /// Answers from a snapshot in well under a millisecond: runs where the request arrived.
    pub const fn is_short(self) -> bool {
        matches!(self, Interaction::Read | Interaction::Vread)
    }

    /// Changes nothing.
    pub const fn only_reads(self) -> bool {
        use Interaction::{
            Everything, HistoryInstance, HistorySystem, HistoryType, LastN, Read,
            SearchCompartment, SearchSystem, SearchType, Vread,
        };
        matches!(
            self,
            Read | Vread
                | HistoryInstance
                | HistoryType
                | HistorySystem
                | SearchType
                | SearchCompartment
                | SearchSystem
                | Everything
                | LastN
        )
    }
}

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Fhir(Interaction),
    Metadata,
    Health,
    Ready,
    Metrics,
}

/// Who gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone: discovery.
    Open,
    /// Holders of a bearer token.
    Token,
}

/// One route. Segments in braces stand for one path segment of any text.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub pattern: &'static str,
    pub what: What,
    pub access: Access,
}

const fn fhir(method: &'static str, pattern: &'static str, what: Interaction) -> Route {
    Route { method, pattern, what: What::Fhir(what), access: Access::Token }
}

const fn other(method: &'static str, pattern: &'static str, what: What, access: Access) -> Route {
    Route { method, pattern, what, access }
}

/// All routes; the first that fits is taken, so literal segments stand before braces.
pub const ROUTES: &[Route] = &[
    other("GET", "/healthz", What::Health, Access::Open),
    other("GET", "/readyz", What::Ready, Access::Open),
    other("GET", "/metrics", What::Metrics, Access::Token),
    other("GET", "/fhir/metadata", What::Metadata, Access::Open),
    fhir("POST", "/fhir", Interaction::Transaction),
    fhir("GET", "/fhir", Interaction::SearchSystem),
    fhir("GET", "/fhir/_history", Interaction::HistorySystem),
    fhir("POST", "/fhir/_search", Interaction::SearchSystem),
    fhir("GET", "/fhir/Patient/$everything", Interaction::Everything),
    fhir("POST", "/fhir/Patient/$everything", Interaction::Everything),
    fhir("GET", "/fhir/{type}/{id}/$everything", Interaction::Everything),
    fhir("POST", "/fhir/{type}/{id}/$everything", Interaction::Everything),
    fhir("GET", "/fhir/Observation/$lastn", Interaction::LastN),
    fhir("POST", "/fhir/Observation/$lastn", Interaction::LastN),
    fhir("GET", "/fhir/{type}/_history", Interaction::HistoryType),
    fhir("POST", "/fhir/{type}/_search", Interaction::SearchType),
    fhir("GET", "/fhir/{type}", Interaction::SearchType),
    fhir("POST", "/fhir/{type}", Interaction::Create),
    fhir("PUT", "/fhir/{type}", Interaction::ConditionalUpdate),
    fhir("PATCH", "/fhir/{type}", Interaction::ConditionalPatch),
    fhir("DELETE", "/fhir/{type}", Interaction::ConditionalDelete),
    fhir("GET", "/fhir/{type}/{id}", Interaction::Read),
    fhir("PUT", "/fhir/{type}/{id}", Interaction::Update),
    fhir("PATCH", "/fhir/{type}/{id}", Interaction::Patch),
    fhir("DELETE", "/fhir/{type}/{id}", Interaction::Delete),
    fhir("GET", "/fhir/{type}/{id}/_history", Interaction::HistoryInstance),
    fhir("GET", "/fhir/{type}/{id}/_history/{vid}", Interaction::Vread),
    fhir("POST", "/fhir/{compartment}/{id}/_search", Interaction::SearchCompartment),
    fhir("GET", "/fhir/{compartment}/{id}/{member}", Interaction::SearchCompartment),
    fhir("POST", "/fhir/{compartment}/{id}/{member}/_search", Interaction::SearchCompartment),
];

/// Segments of the longest pattern.
const SEGMENTS_MAX: usize = 6;

/// What a method and path lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Index into [`ROUTES`].
    Route(usize),
    /// The path exists for other methods.
    Method,
    Nothing,
}

/// Finds the route of `method` and `path`. `HEAD` is `GET`; a trailing slash does not count.
pub fn find(method: &str, path: &str) -> Found {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut segments = [""; SEGMENTS_MAX];
    let mut n_segments = 0;
    for segment in path.trim_end_matches('/').split('/').skip(1) {
        if n_segments == SEGMENTS_MAX {
            return Found::Nothing;
        }
        segments[n_segments] = segment;
        n_segments += 1;
    }
    let segments = &segments[..n_segments];
    let mut found = Found::Nothing;
    for (route_idx, route) in ROUTES.iter().enumerate() {
        if fits(route.pattern, segments) {
            if route.method == method {
                return Found::Route(route_idx);
            }
            found = Found::Method;
        }
    }
    found
}

/// The methods that `path` takes, for the `Allow` header.
pub fn methods(path: &str) -> String {
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    let mut out = String::new();
    for route in ROUTES.iter().filter(|route| fits(route.pattern, &segments)) {
        if !out.split(", ").any(|method| method == route.method) {
            if !out.is_empty() {
                out.push_str(", ");
            }
            out.push_str(route.method);
            if route.method == "GET" {
                out.push_str(", HEAD");
            }
        }
    }
    out
}

fn fits(pattern: &str, segments: &[&str]) -> bool {
    let mut parts = pattern.split('/').skip(1);
    for segment in segments {
        match parts.next() {
            Some(part) if part.starts_with('{') => {
                if segment.is_empty() || segment.starts_with(['_', '$']) {
                    return false;
                }
            }
            Some(part) if part == *segment => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(method: &str, path: &str) -> Option<What> {
        match find(method, path) {
            Found::Route(idx) => Some(ROUTES[idx].what),
            _ => None,
        }
    }

    #[test]
    fn paths_lead_to_interactions() {
        let fhir = |method, path| match what(method, path) {
            Some(What::Fhir(interaction)) => interaction,
            other => panic!("{method} {path}: {other:?}"),
        };
        assert_eq!(fhir("GET", "/fhir/Patient/1"), Interaction::Read);
        assert_eq!(fhir("HEAD", "/fhir/Patient/1"), Interaction::Read);
        assert_eq!(fhir("GET", "/fhir/Patient/1/_history/2"), Interaction::Vread);
        assert_eq!(fhir("GET", "/fhir/Patient/"), Interaction::SearchType);
        assert_eq!(fhir("POST", "/fhir/"), Interaction::Transaction);
        assert_eq!(fhir("POST", "/fhir/Patient/_search"), Interaction::SearchType);
        assert_eq!(fhir("GET", "/fhir/Patient/1/Observation"), Interaction::SearchCompartment);
        assert_eq!(fhir("GET", "/fhir/Patient/$everything"), Interaction::Everything);
        assert_eq!(fhir("POST", "/fhir/Encounter/1/$everything"), Interaction::Everything);
        assert_eq!(fhir("POST", "/fhir/Observation/$lastn"), Interaction::LastN);
        assert_eq!(find("GET", "/fhir/Patient/1/$nonsense"), Found::Nothing);
        assert_eq!(what("GET", "/fhir/metadata"), Some(What::Metadata));
        assert_eq!(find("GET", "/fhir/Patient/1/2/3/4/5/6/7"), Found::Nothing);
        assert_eq!(find("GET", "/fhir//1"), Found::Nothing);
        assert_eq!(find("PUT", "/fhir/Patient/1/_history/2"), Found::Method);
        assert_eq!(methods("/fhir/Patient/1"), "GET, HEAD, PUT, PATCH, DELETE");
    }

    #[test]
    fn the_longest_pattern_fits() {
        let longest = ROUTES.iter().map(|route| route.pattern.split('/').count() - 1).max();
        assert!(longest.is_some_and(|n| n <= SEGMENTS_MAX));
    }
}
