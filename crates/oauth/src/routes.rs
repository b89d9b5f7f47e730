//! The one list of routes: the door and the tests that nothing answers unasked are made from it.

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Token,
    Introspect,
    Revoke,
    Register,
    Jwks,
    Style,
    SmartConfiguration,
    OpenIdConfiguration,
}

/// Who gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone: discovery and public keys.
    Open,
    /// Everyone may ask; what is asked for waits for an administrator.
    Registration,
    /// Programs that prove who they are in the request itself.
    Client,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub what: What,
    pub access: Access,
}

const fn route(method: &'static str, path: &'static str, what: What, access: Access) -> Route {
    Route { method, path, what, access }
}

/// All routes.
pub const ROUTES: &[Route] = &[
    route("POST", "/oauth2/token", What::Token, Access::Client),
    route("POST", "/oauth2/introspect", What::Introspect, Access::Client),
    route("POST", "/oauth2/revoke", What::Revoke, Access::Client),
    route("POST", "/oauth2/register", What::Register, Access::Registration),
    route("GET", "/oauth2/jwks", What::Jwks, Access::Open),
    route("GET", "/oauth2/style", What::Style, Access::Open),
    route("GET", "/fhir/.well-known/smart-configuration", What::SmartConfiguration, Access::Open),
    route("GET", "/.well-known/openid-configuration", What::OpenIdConfiguration, Access::Open),
];

/// The route of a path, whatever the method.
pub fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_one_method() {
        for (i, route) in ROUTES.iter().enumerate() {
            assert!(ROUTES[..i].iter().all(|other| other.path != route.path), "{}", route.path);
            assert_eq!(find(route.path).map(|found| found.what), Some(route.what));
        }
        assert!(find("/oauth2/token/").is_none() && find("/oauth2").is_none());
    }
}
