//! Patients that an account opened lately, kept in the record beside the resources.

use record::{Change, Ctx, Expected};

use crate::routes::Shared;

/// Key: account id; value: patient ids, newest first, a line each.
const COLLECTION: &str = "recent-patients";
/// Patients remembered for an account.
const RECENT_MAX: usize = 10;

impl Shared {
    /// Remembers that an account opened a patient. Going about in the same chart writes nothing.
    pub fn opened(&self, ctx: &Ctx, account: &str, patient: &str) {
        let items = self.config.record.items();
        let key = account.as_bytes();
        let before = items.get(COLLECTION, key).ok().flatten();
        let mut list = lines(before.as_deref());
        if list.first().is_some_and(|newest| newest == patient) {
            return;
        }
        list.retain(|id| id != patient);
        list.insert(0, patient.to_owned());
        list.truncate(RECENT_MAX);
        let (collection, value) = (COLLECTION, Some(list.join("\n").into_bytes()));
        let expected = Expected { collection, key: key.to_vec(), value: before };
        let change = Change { collection, key: key.to_vec(), value };
        let what = format!("recent patients of User/{account}");
        // Another tab of the same account may have been faster: nothing that matters is lost.
        if let Err(error) = items.commit(ctx, &what, vec![expected], vec![change]) {
            tracing::warn!(%error, "a patient opened lately was not remembered");
        }
    }

    /// Patients that an account opened lately, newest first.
    pub fn recent(&self, account: &str) -> Vec<String> {
        let found = self.config.record.items().get(COLLECTION, account.as_bytes());
        lines(found.ok().flatten().as_deref())
    }
}

fn lines(value: Option<&[u8]>) -> Vec<String> {
    let text = String::from_utf8_lossy(value.unwrap_or_default());
    text.lines().map(str::to_owned).collect()
}
