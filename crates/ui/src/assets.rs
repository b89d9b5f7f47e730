//! The stylesheet and the script, embedded; addressed by the hash of their bytes so that a
//! browser may keep them forever. No asset comes from another origin.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// One embedded file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub name: &'static str,
    pub media_type: &'static str,
    pub body: &'static str,
}

/// Style sheet: tokens, then base, components and the chart.
pub const CSS: Asset = Asset {
    name: "vitae.css",
    media_type: "text/css; charset=utf-8",
    body: concat!(
        include_str!("../assets/tokens.css"),
        include_str!("../assets/base.css"),
        include_str!("../assets/components.css"),
        include_str!("../assets/chart.css"),
    ),
};

/// The one ES module.
pub const JS: Asset = Asset {
    name: "vitae.js",
    media_type: "text/javascript; charset=utf-8",
    body: include_str!("../assets/vitae.js"),
};

/// The mark, as a favicon.
pub const ICON: Asset = Asset {
    name: "vitae.svg",
    media_type: "image/svg+xml",
    body: include_str!("../assets/vitae.svg"),
};

/// Every asset.
pub const ALL: [Asset; 3] = [CSS, JS, ICON];

/// Hash of all assets, 16 hex digits: the folder in their addresses.
pub fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let mut sha = Sha256::new();
        for asset in ALL {
            sha.update(asset.body.as_bytes());
        }
        sha.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
    })
}

/// Address of an asset: `/assets/{hash}/{name}`.
pub fn href(asset: Asset) -> String {
    format!("/assets/{}/{}", hash(), asset.name)
}

/// The asset at `/assets/{hash}/{name}`; none for another hash, so that no stale file is kept.
pub fn find(folder: &str, name: &str) -> Option<Asset> {
    if folder != hash() {
        return None;
    }
    ALL.into_iter().find(|a| a.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_asset_names_another_origin() {
        for asset in ALL {
            let body = asset.body.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http://", "https://", "@import", "url("] {
                assert!(!body.contains(foreign), "{} holds {foreign}", asset.name);
            }
        }
    }

    #[test]
    fn finds_by_hash_only() {
        assert!(find(hash(), "vitae.css").is_some());
        assert!(find("0000000000000000", "vitae.css").is_none());
        assert!(find(hash(), "../vitae.css").is_none());
    }
}
