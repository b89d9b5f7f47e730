//! The budget of one evaluation.

use crate::error::Error;
use crate::limits::{STEPS_MAX, STRING_BYTES_MAX};

/// Counts down the steps that an evaluation may still take.
#[derive(Debug)]
pub(crate) struct Meter {
    left: u64,
}

impl Meter {
    pub(crate) fn new(steps_max: u64) -> Self {
        Self { left: steps_max }
    }

    /// Takes `n_steps` from the budget.
    ///
    /// Errors: execution, when the budget is used up.
    #[inline]
    pub(crate) fn charge(&mut self, n_steps: u64) -> Result<(), Error> {
        match self.left.checked_sub(n_steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(exhausted()),
        }
    }

    /// Checks a computed string's length, and charges for it.
    pub(crate) fn charge_text(&mut self, n_bytes: usize, position: u32) -> Result<(), Error> {
        if n_bytes > STRING_BYTES_MAX {
            let text = format!("a computed string is longer than {STRING_BYTES_MAX} bytes");
            return Err(Error::execution(position, text));
        }
        self.charge(n_bytes as u64 / 64)
    }
}

#[cold]
fn exhausted() -> Error {
    Error::execution(0, format!("the evaluation takes more steps than allowed ({STEPS_MAX})"))
}
