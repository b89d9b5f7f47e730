//! Heads of the audit log: number of leaves and root, 80 hexadecimal digits; and the files of
//! witnesses, a head a line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use fhir::date::format_instant;
use fhir::json::Doc;
use stdx::merkle::{Frontier, Hash};
use store::AuditVerifier;

use crate::failure::{Context, Failure, Result};

/// What one writes down to witness the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub n_leaves: u64,
    pub root: Hash,
}

impl Head {
    pub fn of(tree: &Frontier) -> Head {
        Head { n_leaves: tree.size(), root: tree.root() }
    }

    /// Reads what is shown of a head.
    pub fn parse(text: &str) -> Option<Head> {
        let (n, root) = text.split_at_checked(16).filter(|_| text.len() == 80)?;
        Some(Head {
            n_leaves: u64::from_str_radix(n, 16).ok()?,
            root: stdx::hex::decode(root)?.try_into().ok()?,
        })
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{}", self.n_leaves, stdx::hex::encode(&self.root))
    }
}

/// Heads that were given or written down, by their sizes; several of one size must be the same to
/// hold.
///
/// With `key`, a line that the key has not signed is an error.
pub fn witnessed(
    given: &[String],
    file: Option<&Path>,
    key: Option<&AuditVerifier>,
) -> Result<Vec<Head>> {
    let wrong = || Failure::usage("--head is what `verify` printed as the audit head");
    let mut heads: Vec<Head> =
        given.iter().map(|text| Head::parse(text).ok_or_else(wrong)).collect::<Result<_>>()?;
    if let Some(path) = file {
        let what = || format!("the witness {} cannot be read", path.display());
        let lines = BufReader::new(std::fs::File::open(path).context(what)?).lines();
        for (idx, line) in lines.enumerate() {
            let line = line.context(what)?;
            let doc = Doc::parse(line.as_str()).ok();
            let told =
                |text: &str| Failure::new(format!("{}: line {} {text}", path.display(), idx + 1));
            let root = doc.as_ref().map(Doc::root);
            let head = root.and_then(|root| Head::parse(&root.str("head")?));
            let head = head.ok_or_else(|| told("holds no head"))?;
            if let Some(key) = key {
                let note = root.and_then(|root| root.str("note")).unwrap_or_default();
                if super::note::verified(&note, key) != Some(head) {
                    return Err(told("holds a head that the key has not signed"));
                }
            }
            heads.push(head);
        }
    }
    heads.sort_by_key(|head| head.n_leaves);
    Ok(heads)
}

/// Adds a signed head to the file of a witness; on its disk when this returns.
pub fn witness(path: &Path, at_ms: i64, head: &Head, note: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(super::note::line(&format_instant(at_ms), head, note).as_bytes())?;
    file.sync_all()
}
