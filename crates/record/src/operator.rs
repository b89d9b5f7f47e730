//! What the operator's commands do with the record as a whole: backup, verify, the audit log.
//!
//! None of it shows what a resource says, so that no reason is asked for and no leaf is written:
//! a backup stays encrypted, findings name places, and reading the log must not make it longer.

use std::path::Path;

use store::{BackupInfo, Finding, Seal, Snapshot, Verified};

use crate::error::{Error, Kind, Result};
use crate::record::Record;
use access::{Actor, Ctx};

impl Record {
    /// Recomputes hashes, versions, index, references, the audit tree and its index.
    ///
    /// `progress` is called with versions done and versions in all.
    pub fn verify(&self, progress: impl FnMut(u64, u64)) -> Result<(Verified, Vec<Finding>)> {
        let (done, mut findings) = self.store().verify(progress)?;
        findings.extend(self.audit_index().check(self)?);
        Ok((done, findings))
    }

    /// Writes an encrypted copy while others go on. `practice` is kept in its header;
    /// the file is written through `seal`.
    ///
    /// `progress` is called with pages done and pages in all.
    pub fn backup(
        &self,
        to: &Path,
        practice: &str,
        seal: &dyn Seal,
        progress: impl FnMut(u64, u64),
    ) -> Result<BackupInfo> {
        Ok(self.store().backup(to, practice, seal, progress)?)
    }

    /// Hashes that show that the first `m` leaves of the audit log are the beginning of the first
    /// `n` (RFC 9162 §2.1.4).
    ///
    /// Errors: `Forbidden` but for Vitae itself; `Invalid` beyond the end of the log.
    pub fn audit_proof(&self, ctx: &Ctx, m: u64, n: u64) -> Result<Vec<[u8; 32]>> {
        if ctx.actor != Actor::System {
            return Err(Error::new(Kind::Forbidden, "only Vitae itself proves its log"));
        }
        self.store().flush()?;
        self.audit_index().proof(self, m, n)
    }

    /// The audit log as it is on disk now.
    ///
    /// Errors: `Forbidden` but for Vitae itself.
    pub fn audit_log(&self, ctx: &Ctx) -> Result<AuditLog> {
        if ctx.actor != Actor::System {
            return Err(Error::new(Kind::Forbidden, "only the audit command reads the whole log"));
        }
        self.store().flush()?;
        Ok(AuditLog { snapshot: self.store().snapshot(search::Sees::everything())? })
    }
}

/// The leaves of the audit log and the root that is kept beside them.
pub struct AuditLog {
    snapshot: Snapshot,
}

impl AuditLog {
    /// Number of leaves and root of the tree, as they were kept.
    pub fn head(&self) -> Result<(u64, [u8; 32])> {
        Ok(self.snapshot.audit_head()?)
    }

    /// Leaves from `seq` on, with their numbers, at most `limit`.
    pub fn leaves(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        Ok(self.snapshot.audit(seq, limit)?)
    }
}
