//! Named limits for everything that the author of an expression, or of the data, can grow.

/// Bytes of an expression's text.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Nesting of an expression's syntax tree; a chain `a.b.c` is as deep as it is long.
pub const EXPRESSION_DEPTH_MAX: u32 = 192;
/// Operations and items per evaluation.
pub const STEPS_MAX: u64 = 2_000_000;
/// Bytes of one computed string.
pub const STRING_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a compiled regular expression's program.
pub const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// Regular expressions written out in one expression.
pub const REGEXES_MAX: u32 = 32;
/// Steps that building a regular expression during an evaluation costs.
pub const REGEX_STEPS: u64 = 20_000;
