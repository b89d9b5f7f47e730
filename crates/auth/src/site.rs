//! Where the practice is reached: what tokens and assertions must name.

/// Addresses of one practice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    root: String,
}

impl Site {
    /// `root` as in `https://ehr.example.com`; a slash at its end does not count.
    pub fn new(root: &str) -> Site {
        Site { root: root.trim_end_matches('/').to_owned() }
    }

    /// The issuer of OpenID Connect and of RFC 9207.
    pub fn issuer(&self) -> &str {
        &self.root
    }

    /// Base of the FHIR interface: the `aud` of an authorization request.
    pub fn fhir(&self) -> String {
        format!("{}/fhir", self.root)
    }

    /// One of the addresses under `/oauth2`.
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/oauth2/{name}", self.root)
    }
}
