//! Written by `cargo xtask codegen`; only this list of modules is written by hand.

pub(crate) mod compartments;
pub(crate) mod operations;
pub(crate) mod resources;
pub(crate) mod search_params;
pub(crate) mod types;
pub(crate) mod value_sets;
