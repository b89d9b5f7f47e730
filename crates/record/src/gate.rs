//! What `access` decides, as answers of the door.

use access::{Decision, permit};
use fhir_tables::ResourceType;

use crate::error::{Error, Kind, Result};
use crate::{Action, Ctx};

/// [`permit`] as a result: nothing, or the refusal that fits.
pub(crate) fn require(
    ctx: &Ctx,
    action: Action,
    rt: Option<ResourceType>,
    id: Option<&str>,
) -> Result<()> {
    let ty = rt.map_or("all types", ResourceType::name);
    match permit(ctx, action, rt, id) {
        Decision::Permit => Ok(()),
        Decision::Hide => Err(not_found(ty, id.unwrap_or_default())),
        Decision::Refuse => Err(Error::new(
            Kind::Forbidden,
            format!(
                "the scopes and role of this login do not permit '{}' on {ty}",
                action.letter()
            ),
        )),
    }
}

/// The one text for what is not there and for what may not be known to be there.
pub(crate) fn not_found(ty: &str, id: &str) -> Error {
    Error::new(Kind::NotFound, format!("{ty}/{id} is not known"))
}
