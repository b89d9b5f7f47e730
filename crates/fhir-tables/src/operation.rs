//! The operations that R4 defines.

use crate::ResourceType;
pub use crate::generated::operations::OPERATIONS;

/// One operation of R4.
#[derive(Debug)]
pub struct OperationDef {
    /// The name without the `$`.
    pub code: &'static str,
    pub url: &'static str,
    /// May be invoked at `[base]/$code`.
    pub system: bool,
    /// May be invoked at `[base]/[type]/$code`.
    pub type_level: bool,
    /// May be invoked at `[base]/[type]/[id]/$code`.
    pub instance: bool,
    /// The resource types that it applies to; empty means any.
    pub resources: &'static [ResourceType],
    /// Changes data, so that it cannot be invoked with GET.
    pub affects_state: bool,
    pub params: &'static [OperationParam],
}

/// Direction of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamUse {
    In,
    Out,
}

/// A top-level parameter of an operation.
#[derive(Debug)]
pub struct OperationParam {
    pub name: &'static str,
    pub direction: ParamUse,
    pub min: u8,
    /// `u16::MAX` stands for `*`.
    pub max: u16,
    /// The name of the type; empty when the parameter has parts instead.
    pub ty: &'static str,
}

/// The operation `code` as it applies to `resource`, or on system level with `None`.
pub fn operation(code: &str, resource: Option<ResourceType>) -> Option<&'static OperationDef> {
    OPERATIONS.iter().find(|def| {
        def.code == code
            && match resource {
                None => def.system,
                Some(ty) => {
                    (def.type_level || def.instance)
                        && (def.resources.is_empty() || def.resources.contains(&ty))
                }
            }
    })
}
