//! The practice's policy: kept beside the record, changed with a leaf in the audit log.

use access::{Ctx, DEFAULT, Policy};
use search::Sees;
use store::Store;

use crate::error::{Error, Kind, Result};
use crate::items::{Change, Expected};
use crate::record::Record;

const COLLECTION: &str = "access";
const KEY: &[u8] = b"policy";
/// Bytes of a policy.
const BYTES_MAX: usize = 256 * 1024;

/// The text that the store keeps; `None`: the standard policy holds.
fn stored(store: &Store) -> Result<Option<String>> {
    let Some(bytes) = store.snapshot(Sees::everything())?.item(COLLECTION, KEY)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|e| Error::new(Kind::Internal, "the policy is damaged").caused_by(e))
}

/// The policy of a practice.
///
/// Errors: `Internal` when what is kept cannot be understood: nobody is let in by guessing.
pub(crate) fn open(store: &Store) -> Result<Policy> {
    match stored(store)? {
        None => Ok(Policy::standard()),
        Some(text) => Policy::parse(&text).map_err(|e| {
            Error::new(Kind::Internal, "the stored policy cannot be understood").caused_by(e)
        }),
    }
}

impl Record {
    /// The text of the policy that holds.
    pub fn policy(&self) -> Result<String> {
        Ok(stored(self.store())?.unwrap_or_else(|| DEFAULT.to_owned()))
    }

    /// From now on this policy says who may do what; on disk when it returns.
    ///
    /// Errors: `Invalid` with the line that is wrong; `Conflict` when somebody else changed it in
    /// the meantime.
    pub fn set_policy(&self, ctx: &Ctx, text: &str) -> Result<()> {
        if text.len() > BYTES_MAX {
            let text = format!("the policy has more than {BYTES_MAX} bytes");
            return Err(Error::new(Kind::TooMany, text));
        }
        let policy = Policy::parse(text).map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
        let before = stored(self.store())?.map(String::into_bytes);
        let key = KEY.to_vec();
        let expected = vec![Expected { collection: COLLECTION, key: key.clone(), value: before }];
        let value = Some(text.as_bytes().to_vec());
        let change = vec![Change { collection: COLLECTION, key, value }];
        if !self.items().commit(ctx, "policy", expected, change)? {
            return Err(Error::new(Kind::Conflict, "somebody else changed the policy: look again"));
        }
        self.gate().govern(policy);
        Ok(())
    }

    /// Looks whether another process has changed the policy, who somebody is, or what is open in
    /// an emergency.
    pub fn refresh_access(&self) -> Result<()> {
        self.gate().relating().forget();
        self.gate().opened().forget();
        let policy = open(self.store())?;
        if self.gate().policy() != policy {
            self.gate().govern(policy);
        }
        Ok(())
    }
}
